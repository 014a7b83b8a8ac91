"""The limits of what anybody may tell us of a subject, by a feed or by word.

Belongs here: the bounds of ids, texts, notices and times, in one place. Does not belong here: what
becomes of a row beyond them (``ingest.projection``, ``governance.subject_consent``).
"""

from datetime import datetime

LONGEST_ID = 400  # bytes of a customer id
LONGEST_TEXT = 4000  # bytes of any other text
GREATEST_NOTICE = 1_000_000
EARLIEST = datetime(1900, 1, 1)
FUTURE_TOLERANCE_MINUTES = 60  # how much later than its arrival a time may be, unless declared
