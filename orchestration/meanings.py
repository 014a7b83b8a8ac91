"""What tables and columns mean, for the answer to a customer.

Belongs here: collecting it from the contract of the feeds, ``sources.yaml`` and the dbt project;
wiring in the explanation of a segment. Does not belong here: any meaning itself, the answer
(``governance.rights``).
"""

from governance.lineage.manifest import models_of
from governance.rights.answer import Meanings
from ingest.contract import CONTRACTS
from ingest.landing import SHOWN, TABLES
from orchestration import model_store
from orchestration.explain import explain
from orchestration.feeds import feeds
from orchestration.manifest import manifest


def meanings() -> Meanings:
    """Return what the feeds and the compiled project say of tables and columns."""
    models = {
        f"{node['schema']}.{node['name']}": {
            "": node["description"],
            **{name: column["description"] for name, column in node["columns"].items()},
        }
        for node in models_of(manifest()).values()
    }
    landing = {
        f"landing.{name}": {
            "": SHOWN.get(name, ""),
            **{column.name: column.description for column in columns},
        }
        for name, columns in TABLES.items()
    }
    return Meanings(
        feeds={
            name: {column.name: column.description for column in contract.columns}
            for name, contract in CONTRACTS.items()
        },
        provenance={name: feed.provenance for name, feed in feeds().feeds.items()},
        tables=landing | models,
        explain=explain,
        models=model_store.in_force(),
    )
