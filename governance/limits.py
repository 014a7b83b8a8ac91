"""The limits of what anybody may tell us of a subject, by a feed or by word.

Belongs here: the bounds of ids, texts, notices and times, and what can't be seen, in one place:
around an id or a word it makes no difference, inside an id it makes it unreadable. Does not belong
here: what becomes of a row beyond them (``ingest.projection``,
``governance.subject_word``).
"""

import unicodedata
from datetime import datetime

from warehouse.errors import UsageError

# Control characters (tabs, NUL), characters that format (zero width, byte order mark), line ends.
UNSEEN = "".join(
    c for c in map(chr, range(0x10000)) if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")
)
BLANKS = UNSEEN + "".join(c for c in map(chr, range(0x3001)) if unicodedata.category(c) == "Zs")
LONGEST_ID = 400  # bytes of a customer id
LONGEST_TEXT = 4000  # bytes of any other text
GREATEST_NOTICE = 1_000_000
EARLIEST = datetime(1900, 1, 1)
FUTURE_TOLERANCE_MINUTES = 60  # how much later than its arrival a time may be, unless declared


def trimmed_sql(text: str) -> str:
    """Return the SQL of a text without blanks around it: ``str.strip(BLANKS)``."""
    return f"regexp_replace({text}, '^{_any_of(BLANKS)}+|{_any_of(BLANKS)}+$', '', 'g')"


def seen_sql(text: str) -> str:
    """Return the condition that a text holds nothing unseen."""
    return f"not regexp_matches({text}, '{_any_of(UNSEEN)}')"


def require_short(*texts: str | None) -> None:
    """Refuse a text that is longer than one may be.

    Raises
    ------
    UsageError
        If one is.
    """
    for text in texts:
        if text and len(text.encode(errors="replace")) > LONGEST_TEXT:
            raise UsageError(f"a text is longer than {LONGEST_TEXT} bytes", "name where it is kept")


def require_told(*texts: str | None) -> None:
    """Refuse a text that says nothing, or is longer than one may be.

    Raises
    ------
    UsageError
        If one does or is.
    """
    require_short(*texts)
    if any(text is not None and not text.strip() for text in texts):
        raise UsageError("a text is empty", "say it: the subject, or an authority, may ask for it")


def _any_of(characters: str) -> str:
    """Return a class of characters for RE2, spelled so that SQL holds none of them."""
    return "[" + "".join(f"\\x{{{ord(c):x}}}" for c in characters) + "]"
