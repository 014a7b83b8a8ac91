"""A small warehouse in memory in which every rule holds, for the tests of the checks.

Belongs here: its policy, its landing tables, and the consented tables and marts that dbt would make
of them, written apart from dbt. Does not belong here: poison, or what a check makes of it.

Of 120 subjects, numbered from 0: the last digit 6 withdrew, 7 never consented, 8 has an open
request, 9 bought nothing but what reveals a special category; the others are in the marts. Subject
5 consented for offers late, so that its first purchases don't count there.
"""

from datetime import date, datetime

import duckdb

from governance.clocks import Clocks, last_instant
from governance.policy.load import parse_policy
from governance.policy.model import Policy
from tests.support import landing

SUBJECTS = 120
AS_OF = date(2024, 6, 30)
ZONE = "America/New_York"
NOW = datetime.fromisoformat("2024-07-02T12:00:00+00:00")
CANARY = "Zyxwvut Canary"

TEXT = """
version: 1
controller: {name: Test Grocers, contact: privacy@example.com, country: US, stored_in: [US]}
time_zone: America/New_York
regimes:
  gdpr: {description: Opt-in, jurisdictions: [EU], age_of_consent: 16}
unknown_jurisdiction: gdpr
attributes:
  customer_id: {class: direct_identifier, description: The company's number}
  jurisdiction: {class: quasi_identifier, description: Where the subject lives}
  age_years: {class: protected, description: Age}
  marital_status: {class: protected, description: Marital status}
  household_size: {class: quasi_identifier, description: Number of persons}
  basket_id: {class: pseudonym, description: Number of a visit}
  occurred_at: {class: behaviour, description: When it was bought}
  value: {class: behaviour, description: What was paid}
  discount: {class: behaviour, description: What was taken off}
  category:
    class: behaviour
    description: Department
    special_values: [{pattern: 'RX?', reveals: health}]
  product_group:
    class: behaviour
    description: Kind of product
    special_values: [{pattern: '*KOSHER (*', reveals: religion}]
custody: {basis: contract, retention_days: 400, purge_within_days: 30, salt_backup_days: 30}
evidence: {basis: legal_obligation, retention_days: 500, suppression_days: 300}
permission: {attributes: [jurisdiction, age_years]}
purposes:
  segmentation:
    description: Group customers by how they shop
    notice_version: 2
    consent_valid_days: 300
    consent_covers_earlier_data: true
    basis: {gdpr: consent}
    sale_or_share: false
    direct_marketing: false
    sensitive: false
    snapshots: 2
    attributes:
      occurred_at: {form: aggregated, retention_days: 100}
      basket_id: {form: aggregated, retention_days: 100}
      value: {form: aggregated, retention_days: 100}
      discount: {form: aggregated, retention_days: 100}
      category: {form: aggregated, retention_days: 100}
    columns:
      recency_days: [occurred_at]
      tenure_days: [occurred_at]
      visits: [basket_id]
      value_total: [value]
      discount_share: [discount, value]
      category_mix: [category, value]
      gap_mean_days: [occurred_at]
      following_visits: [basket_id]
  offers:
    description: Choose offers
    notice_version: 2
    consent_valid_days: 300
    consent_covers_earlier_data: false
    basis: {gdpr: consent}
    sale_or_share: true
    direct_marketing: true
    sensitive: false
    attributes:
      occurred_at: {form: aggregated, retention_days: 60}
      value: {form: aggregated, retention_days: 60}
      household_size: {form: banded, retention_days: 90, bands: {one: ['1'], more: ['2', '3+']}}
    completeness: {household_size_band: 0.4}
    columns:
      recency_days: [occurred_at]
      value_8w: [value, occurred_at]
      household_size_band: [household_size]
  bias_monitoring:
    description: Check that nobody is disadvantaged
    notice_version: 1
    consent_valid_days: 900
    consent_covers_earlier_data: true
    basis: {gdpr: legitimate_interest}
    interest: Finding unfair treatment
    sale_or_share: false
    direct_marketing: false
    sensitive: false
    attributes:
      age_years: {form: banded, retention_days: 390, bands: [35, 55]}
      marital_status: {form: raw, retention_days: 390}
    completeness: {marital_status: 0.5}
    columns:
      age_band: [age_years]
      marital_status: [marital_status]
recipients:
  printer: {description: Prints offers, role: third_party, country: CA, purposes: [offers]}
  planning: {description: Our team, role: controller, country: US, purposes: [segmentation]}
segmentation: {segments: [3, 5], refit_days: 28}
thresholds:
  completeness: 0.98
  freshness_days: 7
  smallest_segment: 20
  bias:
    representation_ratio: [0.8, 1.25]
    confidence: 0.95
    smallest_group: 10
    predictability: 0.65
    coverage: 0.2
  drift: 0.25
"""


def policy() -> Policy:
    """Return the policy of the small warehouse."""
    return parse_policy(TEXT)


def clocks(as_of: date = AS_OF) -> Clocks:
    """Return the clocks of a run over it."""
    return Clocks(as_of, last_instant(as_of, ZONE), datetime(2024, 7, 1, 12), AS_OF)


def made() -> duckdb.DuckDBPyConnection:
    """Make the warehouse; every rule of a mart and a feed holds."""
    connection = duckdb.connect()
    connection.execute("attach ':memory:' as warehouse")
    landing.make(connection)
    connection.execute("use warehouse")
    for statement in (*_LANDING, *_CONSENTED, *_MARTS):
        connection.execute(statement.replace("{subjects}", str(SUBJECTS)))
    return connection


# A key says which subject and which purpose, so that a test can name it.
KEY = "lpad(({}) || {}, 32, '0')::uuid"
S = KEY.format("i", "'00'")
IN_MARTS = "i % 10 < 6"

_LANDING = (
    "create table landing.loads (load_id integer, feed varchar, loaded_at timestamp,"
    " source varchar, fingerprint varchar, rows_read bigint, rows_accepted bigint,"
    " rows_quarantined bigint, rows_duplicate bigint, rows_corrected bigint,"
    " rows_suppressed bigint)",
    "create table people as select range::integer as i from range({subjects})",
    f"insert into landing.customers by name select {S} as subject_key,"
    " case i % 3 when 0 then 'eu ' when 1 then 'Atlantis' end as jurisdiction,"
    " case when i % 4 < 3 then 20 + i % 3 * 20 end as age_years,"
    " case when i % 4 < 2 then case when i % 3 = 0 then 'alone' else 'married' end end"
    " as marital_status, case when i % 2 = 0 then (1 + i % 4)::varchar end as household_size,"
    " i as row_key, 1 as load_id, date '2024-06-20' as recorded_on from people",
    # Two visits, 10 and 40 days ago, of two lines each; every fifth subject has the newer one only.
    f"insert into landing.transactions by name select {S} as subject_key,"
    " 'b' || i || '-' || visit as basket_id, 'p1' as product_id,"
    " case when i % 10 = 9 then 'rx1' when line = 1 then 'GROCERY' else 'DELI' end as category,"
    " case when i % 10 = 9 then 'BREAD' else 'MILK' end as product_group,"
    " (date '2024-06-30' - (10 + 30 * visit))::timestamp + interval 16 hours as occurred_at,"
    " date '2024-06-30' - (10 + 30 * visit)::integer as event_day, 1 as quantity,"
    " (1.25 + i * 0.01 + line)::decimal(18, 2) as value, 0 as discount,"
    " i * 10 + visit * 2 + line as row_key, 2 as load_id"
    " from people, (values (0), (1)) v(visit), (values (1), (2)) l(line)"
    " where visit = 0 or i % 5 > 0",
    # What nobody may see: bought by those who are in the marts, left out of them.
    f"insert into landing.transactions by name select {S} as subject_key, 'k' || i as basket_id,"
    " 'p2' as product_id, 'MEAT' as category, 'kosher (fresh)' as product_group,"
    " timestamp '2024-06-25 12:00' as occurred_at, date '2024-06-25' as event_day, 1 as quantity,"
    f" 7.77 as value, 0 as discount, 100000 + i as row_key, 2 as load_id from people"
    " where i % 10 = 3",
    f"insert into landing.consent_events by name select {S} as subject_key, 'granted' as action,"
    " timestamp '2024-01-01' as occurred_at, timestamp '2024-01-01' as recorded_at,"
    " 2 as notice_version, i as row_key, 3 as load_id from people where i % 10 <> 7",
    f"insert into landing.consent_events by name select {S} as subject_key,"
    " 'withdrawn' as action, timestamp '2024-05-01' as occurred_at,"
    " timestamp '2024-05-02' as recorded_at, 1000 + i as row_key, 3 as load_id"
    " from people where i % 10 = 6",
    f"insert into landing.consent_events by name select {S} as subject_key, action,"
    " 'offers' as purpose, moment as occurred_at, moment as recorded_at, 2 as notice_version,"
    " 2000 as row_key, 3 as load_id from people, (values ('objected', timestamp '2024-02-01'),"
    " ('granted', timestamp '2024-06-01')) e(action, moment) where i = 5",
    f"insert into landing.rights_requests by name select {S} as subject_key,"
    " 'r' || i as request_id, 'erasure' as type, timestamp '2024-06-29' as received_at,"
    " 'open' as status, i as row_key, 4 as load_id from people where i % 10 = 8",
    f"insert into landing.purpose_keys select {S}, purpose, {KEY.format('i', 'n')}"
    " from people, (values ('segmentation', '01'), ('offers', '02'), ('bias_monitoring', '03'))"
    " p(purpose, n)",
    "insert into landing.loads select load_id, feed, timestamp '2024-07-01', feed, '', held + 2,"
    " held, 1, 1, 0, 0 from ("
    " select 1 as load_id, 'customers' as feed, count(*) as held from landing.customers"
    " union all select 2, 'transactions', count(*) from landing.transactions"
    " union all select 3, 'consent_events', count(*) from landing.consent_events"
    " union all select 4, 'rights_requests', count(*) from landing.rights_requests)",
    "insert into landing.quarantine by name select load_id as quarantine_id, feed, 'bad' as reason,"
    " 'f' as source, 1 as position, load_id, timestamp '2024-07-01' as resolved_at,"
    " 'dismissed' as resolution from landing.loads",
)

_ROWS = (
    "select {key} as {purpose}_key, event_day, basket_id, category, value, discount"
    " from landing.transactions"
    " join (select i, " + S + " as subject_key from people) using (subject_key) where " + IN_MARTS
    + " and product_group <> 'kosher (fresh)'"
)  # fmt: skip


def _consented(purpose: str, number: str, condition: str) -> tuple[str, ...]:
    rows = _ROWS.format(key=KEY.format("i", f"'{number}'"), purpose=purpose) + condition
    return (
        f"create table consented.int_{purpose}_baskets as select {purpose}_key, event_day,"
        " count(*)::integer as lines, sum(value)::decimal(18, 2) as value,"
        f" sum(discount)::decimal(18, 2) as discount from ({rows})"
        f" group by {purpose}_key, event_day, basket_id",
        f"create table consented.int_{purpose}_categories as select {purpose}_key, event_day,"
        f" category, sum(value)::decimal(18, 2) as value from ({rows}) group by all",
    )


_CONSENTED = (
    "create schema consented",
    *_consented("segmentation", "01", ""),
    *_consented("offers", "02", " and (i <> 5 or event_day > date '2024-06-01')"),
)

_FEATURES = (
    "select date '{day}' as as_of, {p}_key,"
    " date_diff('day', max(event_day), date '{day}')::integer as recency_days,"
    " date_diff('day', min(event_day), date '{day}')::integer as tenure_days,"
    " count(*)::integer as visits, sum(value)::decimal(18, 2) as value_total,"
    " (sum(discount) / sum(discount + value))::double as discount_share,"
    " map {{'DELI': 0.5::double, 'GROCERY': 0.5::double}} as category_mix,"
    " case when count(*) > 1 then 30.0 end::double as gap_mean_days"
    " from consented.int_{p}_baskets where event_day <= date '{day}' group by {p}_key"
)
_BAND = "case when household_size = '1' then 'one' when household_size is not null then 'more' end"
_AGE = (
    "case when age_years < 35 then 'under 35' when age_years < 55 then '35-54'"
    " else '55 and over' end"
)
_MARTS = (
    "create schema marts",
    # Two snapshots, as the policy keeps.
    "create table marts.mart_segmentation as "
    + _FEATURES.format(p="segmentation", day="2024-06-30")
    + " union all by name "
    + _FEATURES.format(p="segmentation", day="2024-06-29"),
    "create table marts.mart_segmentation_backtest as select *, 1 as following_visits from ("
    + _FEATURES.format(p="segmentation", day="2024-05-25") + ")",
    "create table marts.mart_offers as select f.as_of, f.offers_key, f.recency_days,"
    " f.value_total as value_8w, " + _BAND + " as household_size_band from ("
    + _FEATURES.format(p="offers", day="2024-06-30") + ") f"
    " join landing.purpose_keys k on k.purpose_key = f.offers_key"
    " join landing.customers c on c.subject_key = k.subject_key",
    "create table marts.mart_bias_monitoring as select date '2024-06-30' as as_of,"
    " purpose_key as bias_monitoring_key, case when age_years is not null then " + _AGE
    + " end as age_band, marital_status from landing.customers join landing.purpose_keys"
    " using (subject_key) where purpose = 'bias_monitoring'"
    " and coalesce(age_years::varchar, marital_status) is not null"
    " and subject_key not in (select subject_key from landing.rights_requests)"
    " and subject_key not in (select subject_key from landing.consent_events"
    " where action = 'withdrawn')",
)  # fmt: skip
