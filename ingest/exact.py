"""Floats and decimals as texts, where the text is the number.

Belongs here: what connectors and conversions both write a number of a source as. Does not belong
here: what becomes of a text (``conversions``).
"""

_EXACT_BELOW = {"FLOAT": 2**24, "DOUBLE": 2**53}


def float_text_sql(number: str, type_: str) -> str:
    """Return a float or a decimal as a text; null if its neighbours are the same number."""
    text = (
        f"case when {number} = floor({number}) then try_cast(try_cast({number} as hugeint) as"
        f" varchar) else try_cast({number} as varchar) end"
    )
    exact = _EXACT_BELOW.get(type_)
    return f"case when abs({number}) < {exact} then {text} end" if exact else text
