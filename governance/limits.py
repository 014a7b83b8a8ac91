"""The limits of what anybody may tell us of a subject, by a feed or by word.

Belongs here: the bounds of ids, texts, notices and times, and what is blank, in one place. Does not
belong here: what becomes of a row beyond them (``ingest.projection``,
``governance.subject_consent``).
"""

import unicodedata
from datetime import datetime

# What makes no difference around an id or a word: Unicode's space separators, which are what
# DuckDB's `trim` takes away (a test holds that).
BLANKS = "".join(c for c in map(chr, range(0x3001)) if unicodedata.category(c) == "Zs")
LONGEST_ID = 400  # bytes of a customer id
LONGEST_TEXT = 4000  # bytes of any other text
GREATEST_NOTICE = 1_000_000
EARLIEST = datetime(1900, 1, 1)
FUTURE_TOLERANCE_MINUTES = 60  # how much later than its arrival a time may be, unless declared
