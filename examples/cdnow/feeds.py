"""The two feeds of the CDNOW example: purchases as published, consent events made up.

Belongs here: reading ``CDNOW_master.txt`` as it lies in the installed ``lifetimes`` package, and
generating consent. Does not belong here: validation (``ingest``), rules (``policy.yaml``).

The file is fixed-width text inside a package, so a Python entry point reads it; a feed that lies
in a folder of yours needs none.
"""

from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from warehouse.errors import UsageError

SEED = 19970101
SYNTHETIC_FIELDS = {"transactions": (), "consent_events": "all"}

# Share of the customers, and what they do: (action, first month, last month), months from 1997-01.
BEHAVIOUR: tuple[tuple[float, tuple[tuple[str, int, int], ...]], ...] = (
    (0.80, (("granted", 0, 2),)),
    (0.05, (("granted", 0, 2), ("withdrawn", 6, 11))),
    (0.02, (("granted", 0, 2), ("withdrawn", 6, 11), ("granted", 12, 16))),
    (0.03, (("opted_out", 0, 2),)),
)  # the others never answer
CONSENT_SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("action", pa.string()),
        ("purpose", pa.string()),
        ("occurred_at", pa.timestamp("us")),
        ("notice_version", pa.int32()),
        ("method", pa.string()),
        ("evidence_ref", pa.string()),
    ]
)


def transactions() -> pa.Table:
    """Read all purchases; nothing in them is synthetic.

    Returns
    -------
    pyarrow.Table
        69,659 rows in the order of the file: ``customer_id``, ``basket_id``, ``occurred_at`` (a
        date), ``quantity`` (CDs) and ``value`` (dollars, decimal(18,2)). The data set numbers no
        orders; the line of the file stands in as ``basket_id``, for it lists one purchase a line
        and some lines twice.

    Raises
    ------
    UsageError
        If the package isn't installed.

    Notes
    -----
    Columns of the file: customer 2-6, date 8-15, number of CDs 17-18, value from 19.
    """
    return _query(
        f"""
        WITH file AS (
            SELECT string_split(replace(content, chr(13), ''), chr(10)) AS lines
            FROM read_text({_path()})
        ),
        numbered AS (
            SELECT unnest(lines) AS line, generate_subscripts(lines, 1) AS number FROM file
        )
        SELECT
            'CDNOW-' || substr(line, 2, 5) AS customer_id,
            number::VARCHAR AS basket_id,
            strptime(substr(line, 8, 8), '%Y%m%d')::DATE AS occurred_at,
            trim(substr(line, 17, 2))::INTEGER AS quantity,
            trim(substr(line, 19))::DECIMAL(18, 2) AS value
        FROM numbered
        WHERE number > 1 AND line <> ''
        ORDER BY number
        """
    )


def consent_events() -> pa.Table:
    """Generate consent to segmentation; all of it is synthetic.

    Returns
    -------
    pyarrow.Table
        One row an event, in order of time (naive, local to New York); the same on every call.

    Raises
    ------
    UsageError
        If the package isn't installed.
    """
    customers = sorted(set(transactions()["customer_id"].to_pylist()))
    random = np.random.RandomState(SEED)  # a frozen stream: the same rows with any NumPy
    order, rows, start = random.permutation(len(customers)), [], 0
    for share, steps in BEHAVIOUR:
        end = start + int(share * len(customers))
        for index in order[start:end]:
            rows += [
                (customers[index], action, _moment(months, random)) for action, *months in steps
            ]
        start = end
    rows.sort(key=lambda row: (row[2], row[0]))
    records = [
        {
            "customer_id": customer,
            "action": action,
            "purpose": "segmentation",
            "occurred_at": moment,
            "notice_version": 1 if action == "granted" else None,
            "method": "synthetic",
            "evidence_ref": f"synthetic/{number:06d}",
        }
        for number, (customer, action, moment) in enumerate(rows, start=1)
    ]
    return pa.Table.from_pylist(records, CONSENT_SCHEMA)


def _moment(months: list[int], random: np.random.RandomState) -> datetime:
    """Draw a daylight moment in the months from the first to the last, local time."""
    first = datetime(1997 + months[0] // 12, 1 + months[0] % 12, 1)
    day = random.randint(30 * (months[1] - months[0] + 1) - 2)
    return first + timedelta(days=int(day), seconds=int(random.randint(8 * 3600, 20 * 3600)))


def _path() -> str:
    """Quote the path of the file for SQL, without importing the package."""
    found = find_spec("lifetimes")
    if found is None or not found.submodule_search_locations:
        raise UsageError(
            "the data of the CDNOW example (lifetimes) isn't installed",
            "pip install '.[demo]' -c constraints.txt",
        )
    path = Path(found.submodule_search_locations[0], "datasets", "CDNOW_master.txt")
    return "'{}'".format(str(path).replace("'", "''"))


def _query(sql: str) -> pa.Table:
    with duckdb.connect() as connection:
        connection.execute("SET temp_directory = ''")  # nothing spills to disk in clear
        return connection.sql(sql).to_arrow_table()
