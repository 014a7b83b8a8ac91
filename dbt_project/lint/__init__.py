"""What sqlfluff needs to render the models as dbt does: the variables of the shipped policy.

Belongs here: names that sqlfluff's stand-ins for dbt lack (``.sqlfluff``: ``library_path``). Does
not belong here: anything that dbt reads.
"""

import hashlib
import json
from typing import Any

from governance.policy.derive import dbt_vars
from governance.policy.load import load_policy
from warehouse.home import PROJECT

_VARIABLES = dbt_vars(load_policy(PROJECT / "policy.yaml"))


def var(name: str) -> Any:
    """Return one of dbt's variables."""
    return _VARIABLES[name]


def tojson(value: Any) -> str:
    """Return a value as dbt's ``tojson`` writes it."""
    return json.dumps(value)


def local_md5(text: str) -> str:
    """Return a hash as dbt's ``local_md5`` does."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
