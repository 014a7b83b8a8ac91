"""How values and names are written into SQL, where a parameter can't stand.

Belongs here: quoting. Does not belong here: running anything (``warehouse.connect``).
"""


def quoted(value: object) -> str:
    """Return a value as an SQL string literal.

    >>> quoted("O'Neill")
    "'O''Neill'"
    """
    return "'" + str(value).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return a name as a quoted SQL identifier.

    >>> identifier("order")
    '"order"'
    """
    return '"' + name.replace('"', '""') + '"'
