"""The demo's rights requests: a dozen, one of nearly every kind, some still open.

Belongs here: the list and who makes the requests. Does not belong here: what follows from a
request (the dbt project, ``governance``). None is a fulfilled erasure: the data set still holds
everybody's purchases.
"""

import numpy as np

from examples.journey.consents import assignments
from examples.journey.ids import customer_id
from examples.journey.scenarios import BY_PURPOSE, SEGMENTATION
from examples.journey.synthetic import SEED

COLUMNS = ("request_id", "customer_id", "type", "received_at", "status", "channel")

# type, local time, status, channel; an open erasure, restriction or objection holds the subject
# back from every mart
REQUESTS = (
    ("access", "2017-06-14 09:12:00", "fulfilled", "web"),
    ("access", "2017-12-18 20:03:10", "open", "web"),
    ("portability", "2017-12-11 13:40:00", "open", "app"),
    ("rectification", "2017-08-02 10:00:00", "fulfilled", "phone"),
    ("rectification", "2017-12-20 16:25:00", "open", "till"),
    ("erasure", "2017-12-05 08:15:00", "open", "web"),
    ("erasure", "2017-12-27 21:30:00", "open", "letter"),
    ("erasure", "2017-09-09 14:00:00", "withdrawn", "web"),
    ("restriction", "2017-12-15 11:11:00", "open", "web"),
    ("objection", "2017-12-22 17:45:00", "open", "phone"),
    ("explanation", "2017-12-28 12:34:00", "open", "web"),
    ("limit", "2017-10-03 19:20:00", "refused", "web"),
)
HOLDING_TYPES = ("erasure", "restriction", "objection")


def request_rows(households: list[int]) -> list[dict[str, str]]:
    """Generate the requests, each by another household that has granted segmentation.

    Parameters
    ----------
    households : list of int
        Numbers of the households, ascending; the same list gives the same rows.

    Returns
    -------
    list of dict
        Keys as in ``COLUMNS``; times local to New York.
    """
    granted = BY_PURPOSE[SEGMENTATION][-1]
    candidates = [household for household, story in assignments(households) if story is granted]
    random = np.random.RandomState(SEED + 3)
    picks = random.choice(len(candidates), len(REQUESTS), replace=False)
    rows = []
    for number, (pick, request) in enumerate(zip(picks, REQUESTS, strict=True), start=1):
        values = (f"RR-2017-{number:04d}", customer_id(candidates[pick]), *request)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows
