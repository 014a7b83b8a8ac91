"""The dbt process: dbt's own command line, started without keys in its environment.

Belongs here: what must hold before dbt is imported. Does not belong here: anything else.
"""

import os
import sys


def main() -> None:
    """Drop every key but the warehouse's from the environment, then be dbt."""
    from warehouse.keys import without_keys

    kept = without_keys(dict(os.environ))
    for name in set(os.environ) - set(kept):
        del os.environ[name]

    from dbt.cli.main import cli

    sys.argv[0] = "dbt"
    cli()


if __name__ == "__main__":
    main()
