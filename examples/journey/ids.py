"""The form of the demo's customer ids.

Belongs here: how a household's number becomes an id, in Python and in SQL. Does not belong here:
anything else.
"""

CUSTOMER_ID_SQL = "'HH-' || lpad(household_id::VARCHAR, 7, '0') || '-JRNY'"


def customer_id(household: int) -> str:
    """Write a household's number as a customer id: fixed length, found by a plain search.

    >>> customer_id(0)
    'HH-0000000-JRNY'
    """
    return f"HH-{household:07d}-JRNY"
