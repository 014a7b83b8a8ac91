"""SQL that several checks share: running a query, and patterns.

Belongs here: running a query for one row, patterns as regular expressions. Does not belong here:
what is judged, quoting (``warehouse.sql``), which tables and columns there are
(``warehouse.catalogue``). The connection comes opened, with the
warehouse as its current database.
"""

from typing import Any

import duckdb


class QueryError(Exception):
    """A query of a check failed; says how, and never with which value."""


def run(
    connection: duckdb.DuckDBPyConnection, query: str, **parameters: Any
) -> duckdb.DuckDBPyConnection:
    """Run a query, to fetch from what is returned.

    Parameters
    ----------
    **parameters
        The values of its parameters, by name: ``$as_of``.

    Raises
    ------
    QueryError
        If it fails. DuckDB's own error may quote a value, so it isn't passed on.
    """
    try:
        return connection.execute(query, parameters)
    except duckdb.Error as error:
        kind = type(error).__name__
    raise QueryError(f"a query of a check failed ({kind})")


def one(connection: duckdb.DuckDBPyConnection, query: str, **parameters: Any) -> tuple[Any, ...]:
    """Return the only row of a query (see :func:`run`)."""
    rows = run(connection, query, **parameters).fetchall()
    if len(rows) != 1:
        raise ValueError(f"a query for one row returned {len(rows)}")
    found: tuple[Any, ...] = rows[0]
    return found


BLANKS = "[\\s\u00a0]*"


def pattern(glob: str) -> str:
    r"""Return a pattern of ``*`` and ``?`` as a regular expression over lower-case text.

    Blanks around the text make no difference. Written apart from the pattern that dbt gets
    (``governance.policy.derive.like_pattern``), so that a mistake in one shows against the other.
    """
    special = {"*": ".*", "?": "."}
    words = "".join(
        special.get(sign, sign if sign.isalnum() or sign in " %_" or ord(sign) > 127
                    else f"\\{sign}")
        for sign in glob.lower()
    )  # fmt: skip
    return f"(?s){BLANKS}{words}{BLANKS}"
