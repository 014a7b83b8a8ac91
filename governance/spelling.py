"""Which spellings of a value count as one, where a value was corrected.

Belongs here: how texts are compared, as a function for DuckDB's SQL, which knows no NFKC. Does not
belong here: ids and words of vocabularies, which are landed in one spelling (``limits``,
``ingest.conversions``).
"""

import unicodedata

import duckdb

from governance.limits import BLANKS

_FUNCTION = "spelt_alike"


def alike(text: str) -> str:
    """Return what all spellings of a text have in common: no capitals, no blanks around, NFKC."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded).strip(BLANKS)


def teach(connection: duckdb.DuckDBPyConnection) -> None:
    """Let a connection use :func:`alike_sql`."""
    known = "select 1 from duckdb_functions() where function_name = ?"
    if not connection.execute(known, [_FUNCTION]).fetchall():
        connection.create_function(_FUNCTION, alike, ["VARCHAR"], "VARCHAR")


def alike_sql(text: str) -> str:
    """Return the SQL of :func:`alike`; null of nothing but blanks, as of null."""
    return f"nullif({_FUNCTION}({text}::varchar), '')"
