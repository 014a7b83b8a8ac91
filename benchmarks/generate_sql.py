"""The SQL and the ``sources.yaml`` of the benchmark's feeds.

Belongs here: texts that ``generate`` fills in. Does not belong here: code.

Randomness is a hash of the customer's number and a word: the same rows on every call (with one
version of DuckDB), with nothing to keep in memory. ``{customers}`` is their number, ``{start}`` the
first day, ``{days}`` how many there are.
"""


def _u(word: str) -> str:
    """Give a number between 0 and 1 to a customer and a word.

    One text is hashed, because DuckDB's hash of two values (1.5) mixes them too little: numbers
    of different words would depend on each other.
    """
    return f"(hash('{word} ' || i) / 18446744073709551616.0)"


def _pick(word: str, values: str, share_known: float = 1.0) -> str:
    """Give one of the values in a comma-separated list; null to those who answered no questions."""
    names = "[" + ", ".join(f"'{value}'" for value in values.split(",")) + "]"
    picked = f"list_extract({names}, 1 + floor({_u(word)} * len({names}))::INTEGER)"
    if share_known == 1.0:
        return picked
    return f"CASE WHEN {_u('answers')} < {share_known} THEN {picked} END"


CUSTOMERS_SQL = f"""
SELECT
    'C' || lpad(i::VARCHAR, 9, '0') AS customer_id,
    'Person ' || upper(to_base(i, 26, 6)) AS full_name,
    'person.' || i || '@example.com' AS email,
    '+1 ' || (201 + i // 1000000) || ' 555 ' || lpad((i % 1000000)::VARCHAR, 6, '0') AS phone,
    (1 + i % 300) || ' Sample Street, ZZ ' || lpad((i % 99999)::VARCHAR, 5, '0')
        AS postal_address,
    CASE
        WHEN {_u("jurisdiction")} < 0.12 THEN 'EU'
        WHEN {_u("jurisdiction")} < 0.18 THEN 'UK'
        WHEN {_u("jurisdiction")} < 0.40 THEN 'US-CA'
        WHEN {_u("jurisdiction")} < 0.92 THEN 'US'
    END AS jurisdiction,
    CASE WHEN {_u("answers")} < 0.7 THEN 16 + floor({_u("age")} * 70)::INTEGER END AS age_years,
    {_pick("income", "Under 15K,25-34K,35-49K,50-74K,75-99K,125-149K,250K+", 0.7)} AS income_band,
    {_pick("marital", "Married,Unmarried", 0.7)} AS marital_status,
    {_pick("home", "Homeowner,Renter", 0.7)} AS home_ownership,
    {_pick("size", "1,2,3,4,5+", 0.7)} AS household_size,
    {_pick("composition", "1 Adult No Kids,2 Adults No Kids,1 Adult Kids,2 Adults Kids", 0.7)}
        AS household_composition,
    {_pick("kids", "0,1,2,3+", 0.7)} AS kids_count
FROM range({{customers}}) AS numbers(i)
"""


def _event(
    word: str,
    share: float,
    action: str,
    purpose: str | None,
    window: tuple[float, float],
    more: str = "",
) -> str:
    """Let a share of the customers do something once, in a window given in shares of the period."""
    version = "NULL"
    if action == "granted":
        version = "2" if purpose == "personalised_offers" else "1"
    named = f"'{purpose}'" if purpose else "NULL"
    signal = "'gpc'" if word == "gpc" else "NULL"
    moment = f"{window[0]} + {_u('when ' + word)} * {window[1] - window[0]:.3f}"
    return f"""
    SELECT
        'C' || lpad(i::VARCHAR, 9, '0') AS customer_id,
        '{action}' AS action,
        {named} AS purpose,
        TIMESTAMP '{{start}} 05:00:00'
            + to_seconds(floor(({moment}) * {{days}} * 86400)::BIGINT) AS occurred_at,
        {version}::INTEGER AS notice_version,
        {signal} AS signal
    FROM range({{customers}}) AS numbers(i)
    WHERE {_u(word)} < {share} {more}
    """


def _in_order(*events: str) -> str:
    """Put events in order of time; each becomes known when it happens."""
    return f"""
    SELECT *, occurred_at AS recorded_at, 'checkbox' AS method, 'web' AS channel
    FROM ({" UNION ALL ".join(events)}) AS events
    ORDER BY occurred_at, customer_id, purpose
    """


_HAS_GRANTED = f"AND {_u('segmentation')} < 0.94"
_HAS_LEFT = f"{_HAS_GRANTED} AND {_u('leaves')} < 0.05"

# 94 % grant segmentation; of these 5 % withdraw, 1 % opt out of everything; some return.
CONSENT_SQL = _in_order(
    _event("segmentation", 0.94, "granted", "segmentation", (0, 0.08)),
    _event("offers", 0.55, "granted", "personalised_offers", (0, 0.08)),
    _event("churn", 0.60, "granted", "churn_prevention", (0, 0.08)),
    _event("leaves", 0.05, "withdrawn", "segmentation", (0.08, 0.16), _HAS_GRANTED),
    _event("returns", 0.2, "granted", "segmentation", (0.16, 0.22), _HAS_LEFT),
    _event("gpc", 0.06, "opted_out", None, (0.08, 0.22)),
    _event("opts out", 0.01, "opted_out", None, (0.08, 0.22)),
)

EXTRA_CONSENT_SQL = _in_order(
    _event("leaves late", 0.0005, "withdrawn", "segmentation", (0, 1)),
    _event("joins late", 0.0005, "granted", "segmentation", (0, 1)),
)

SOURCES = """\
# Written by benchmarks.generate: made-up customers, for measuring only.
version: 1
clock: '{clock}'
label: Synthetic benchmark data; describes nobody.
feeds:
  customers:
    connector: files
    paths: [customers.parquet]
    format: parquet
    provenance: benchmarks.generate
    time_zone: UTC
    natural_key: [customer_id]
    corrections: latest_arrival
    greatest_bad_share: 0
    identifiers: [customer_id, full_name, email, phone, postal_address]
    columns:
      customer_id: customer_id
      full_name: full_name
      email: email
      phone: phone
      postal_address: postal_address
      jurisdiction: jurisdiction
      age_years: age_years
      income_band: income_band
      marital_status: marital_status
      home_ownership: home_ownership
      household_size: household_size
      household_composition: household_composition
      kids_count: kids_count
  transactions:
    connector: files
    paths: [transactions-*.parquet]
    format: parquet
    provenance: benchmarks.generate
    time_zone: UTC
    natural_key: [customer_id, basket_id, product_id]
    corrections: latest_arrival
    delivery: whole_days
    negative_value: fault
    greatest_bad_share: 0
    identifiers: [customer_id]
    columns:
      customer_id: customer_id
      occurred_at: occurred_at
      value: value
      basket_id: basket_id
      product_id: product_id
      category: category
      product_group: product_group
      quantity: quantity
      discount: discount
  consent_events:
    connector: files
    paths: ['consent_events*.parquet']
    format: parquet
    provenance: benchmarks.generate
    time_zone: UTC
    natural_key: [customer_id, purpose, action, occurred_at, signal]
    corrections: latest_arrival
    greatest_bad_share: 0
    identifiers: [customer_id]
    columns:
      customer_id: customer_id
      action: action
      occurred_at: occurred_at
      purpose: purpose
      recorded_at: recorded_at
      notice_version: notice_version
      method: method
      channel: channel
      signal: signal
"""
