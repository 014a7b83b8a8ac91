"""What sqlfluff needs to render the models as dbt does: the variables of the shipped policy.

Belongs here: names that sqlfluff's stand-ins for dbt lack (``.sqlfluff``: ``library_path``). Does
not belong here: anything that dbt reads.
"""

from typing import Any

from governance.policy.derive import dbt_vars
from governance.policy.load import load_policy
from warehouse.home import PROJECT

_VARIABLES = dbt_vars(load_policy(PROJECT / "policy.yaml"))


def var(name: str) -> Any:
    """Return one of dbt's variables."""
    return _VARIABLES[name]
