"""Bad rows: quarantined with reason and place, never with a value."""

from datetime import timedelta

import pytest

from governance import identity
from governance.consent_relations import LANDED
from governance.inbox import Waiting
from governance.release import UNREAD
from ingest.quarantine import quarantine_list, quarantine_resolve
from tests.support.feeds import (
    EVENTS,
    NOW,
    REQUESTS,
    SALES,
    ask,
    declared,
    event,
    fill,
    load,
    must_reconcile,
    reasons,
    sale,
    sources_in,
    totals,
    vault,
    write_csv,
)
from warehouse.connect import connected, warehouse_store
from warehouse.errors import UsageError

pytestmark = pytest.mark.usefixtures("home")


ODD_IDS = ["O'Hara", 'a"b', "Ødegård 😀", "'; drop table landing.transactions; --", "x" * 400, "%s"]


def test_files_of_one_name_are_told_from_each_other(tmp_path):
    """Else nobody could tell whose denial it is that can't be read."""
    fill(tmp_path)
    for place in ("north", "south"):
        (tmp_path / place).mkdir()
        write_csv(tmp_path / place / "day.csv", EVENTS, [event(action="wthdrawn")])
    (tmp_path / "alone").mkdir()
    write_csv(tmp_path / "alone" / "single.csv", EVENTS, [event(action="wthdrawn")])
    sources = sources_in(tmp_path, consent_events=declared("consent_events", paths=["*/*.csv"]))
    load(sources)
    with connected(warehouse_store()) as connection:
        found = sorted(row.source for row in quarantine_list(connection))
    assert found == ["north/day.csv", "single.csv", "south/day.csv"]
    (tmp_path / "south" / "day.csv").write_text("nothing")
    with pytest.raises(UsageError, match=r"south/day\.csv"):
        load(sources)


def test_bad_rows_are_quarantined_with_reason_and_place(tmp_path):
    late = (NOW + timedelta(hours=2)).replace(tzinfo=None)
    fill(
        tmp_path,
        transactions=[
            sale(),
            sale(customer_id=None),
            sale(occurred_at="soon"),
            sale(occurred_at=late),
            sale(occurred_at="0001-01-01 00:00:00"),
            sale(value="free"),
            sale(value=None),
            sale(value="-1"),
            sale(product_id="p" * 5000),
            sale(customer_id="c" * 401),
            sale(customer_id="  "),
        ],
        consent_events=[
            event(),
            event(action="maybe"),
            event(purpose="world_domination"),
            event(customer_id=None),
        ],
    )
    load(sources_in(tmp_path))
    assert reasons("transactions") == {
        "missing_customer_id": [2, 11],
        "unparseable_occurred_at": [3],
        "after_arrival": [4],
        "impossible_occurred_at": [5],
        "unparseable_value": [6],
        "missing_value": [7],
        "negative_value": [8],
        "too_long_product_id": [9],
        "too_long_customer_id": [10],
    }
    assert reasons("consent_events") == {
        "unknown_action": [2],
        "unknown_purpose": [3],
        "missing_customer_id": [4],
    }
    unreadable = ask("select position from landing.quarantine where subject_key is null")
    assert sorted(unreadable) == [(2,), (4,), (10,), (11,)]
    assert vault("select count(*) from vault.subjects") == [(1,)]
    assert ask("select distinct source from landing.quarantine where feed = 'transactions'") == [
        ("transactions.csv",)
    ]
    must_reconcile()


def test_an_age_between_two_years_is_not_rounded_to_the_older(tmp_path):
    people = [("ann", None, None, "EU", "15.6"), ("bob", None, None, "EU", "16.0")]
    fill(tmp_path, customers=people)
    load(sources_in(tmp_path, customers=declared("customers")))
    assert ask("select age_years from landing.customers") == [(16,)]
    assert reasons("customers") == {"unparseable_age_years": [1]}


def test_odd_ids_are_ids(tmp_path):
    fill(tmp_path, transactions=[sale(customer_id=name) for name in ODD_IDS])
    load(sources_in(tmp_path))
    assert ask("select count(distinct subject_key) from landing.transactions") == [(len(ODD_IDS),)]
    known = {name for (name,) in vault("select customer_id from vault.subjects")}
    assert set(ODD_IDS) < known


def test_negative_values_where_they_are_allowed(tmp_path):
    fill(tmp_path, transactions=[sale(value="-1.25")])
    load(sources_in(tmp_path, transactions=declared("transactions", negative_value="allowed")))
    assert str(ask("select value from landing.transactions")[0][0]) == "-1.25"


def test_a_negative_discount_is_a_fault_as_a_negative_value_is(tmp_path):
    columns = {name: name for name in (*SALES, "discount")}
    fill(tmp_path)
    write_csv(tmp_path / "transactions.csv", tuple(columns), [(*sale(), "-1"), (*sale(), "1")])
    load(sources_in(tmp_path, transactions=declared("transactions", columns=columns)))
    assert reasons("transactions") == {"negative_discount": [1]}


def test_an_event_that_was_recorded_before_it_happened(tmp_path):
    columns = {name: name for name in (*EVENTS, "recorded_at")}
    rows = [
        (*event(), "2024-03-01 10:00:00"),
        (*event(), "2024-04-01 09:30:00"),  # within the tolerance
        (*event(), None),
        (*event(), "whenever"),
    ]
    fill(tmp_path)
    write_csv(tmp_path / "consent_events.csv", tuple(columns), rows)
    load(sources_in(tmp_path, consent_events=declared("consent_events", columns=columns)))
    assert reasons("consent_events") == {"after_arrival": [1], "unparseable_recorded_at": [4]}


def test_what_cannot_be_seen_around_an_id_detaches_no_denial(tmp_path):
    denials = [f"ann{sign}" for sign in "\t\u200b\ufeff\u00a0\x00"] + ["\u200bann", "\tann"]
    times = [f"2024-04-02 10:00:0{i}" for i in range(len(denials))]
    said = [event(customer_id=id_, action="withdrawn", occurred_at=at)
            for id_, at in zip(denials, times, strict=True)]  # fmt: skip
    fill(
        tmp_path, consent_events=[event(), *said, event(customer_id="a\x00nn", action="withdrawn")]
    )
    load(sources_in(tmp_path))
    assert ask("select count(distinct subject_key), count(*) from landing.consent_events") == [
        (1, 1 + len(said))
    ]
    assert vault("select customer_id from vault.subjects") == [("ann",)]
    # Inside an id, it may be anybody's.
    assert reasons("consent_events") == {"unparseable_customer_id": [len(said) + 2]}
    with connected(warehouse_store()) as connection:
        assert connection.execute(UNREAD).fetchall() == [(1,)]


def test_an_age_that_cannot_be_read_holds_its_subject_until_resolved(tmp_path):
    ages = {"ann": "thirteen", "bob": "15.6", "eve": "41", "dan": None, "cyd": "-1"}
    people = [(name, name, f"{name}@x.org", "EU", age) for name, age in ages.items()]
    fill(tmp_path, customers=people)
    load(sources_in(tmp_path, customers=declared("customers")))

    def held():
        with connected(warehouse_store(), *identity.stores(read_only=True)) as connection:
            rows = connection.execute(
                f"select customer_id from {LANDED.subjects} join vault.subjects using (subject_key)"
                " where held order by all"
            ).fetchall()
        return [name for (name,) in rows]

    assert held() == ["ann", "bob", "cyd"]
    with connected(warehouse_store()) as connection:
        assert connection.execute(UNREAD).fetchall() == [(0,)]
        first = quarantine_list(connection)[0].quarantine_id
        quarantine_resolve(connection, first, "dismissed", note="she is 31", now=NOW)
    assert held() == ["bob", "cyd"]


def test_more_bad_rows_than_declared_stop_everything(tmp_path):
    fill(tmp_path, transactions=[sale(), sale(value="free money"), sale(customer_id="bob")])
    sources = sources_in(tmp_path, transactions=declared("transactions", greatest_bad_share=0.3))
    with pytest.raises(UsageError, match=r"1 of 3 rows are bad.*unparseable_value 1") as caught:
        load(sources)
    assert "free" not in str(caught.value)
    assert ask("select count(*) from landing.consent_events") == [(0,)]
    assert vault("select count(*) from vault.subjects") == [(0,)]
    load(sources_in(tmp_path, transactions=declared("transactions", greatest_bad_share=0.34)))
    assert totals("transactions") == (3, 2, 1, 0, 0)


def test_a_request_of_nobody_blocks_too(tmp_path):
    fill(tmp_path, rights_requests=[(None, "r1", "erasure", "2024-06-01", "open")])
    wide = declared("rights_requests", greatest_bad_share=1.0)
    load(sources_in(tmp_path, rights_requests=wide))
    with connected(warehouse_store()) as connection:
        assert connection.execute(UNREAD).fetchall() == [(1,)]


def test_unreadable_consent_blocks_until_someone_resolves_it(tmp_path):
    fill(
        tmp_path,
        consent_events=[event(), event(customer_id=None), event(action="hm")],
        transactions=[sale(), sale(customer_id=None)],
    )
    load(sources_in(tmp_path))
    with connected(warehouse_store()) as connection:
        assert connection.execute(UNREAD).fetchall() == [(1,)]
        rows = quarantine_list(connection)
        assert len(rows) == 3
        (blocking,) = (
            row for row in rows if row.feed == "consent_events" and row.subject_key is None
        )
        for wrong in ({"resolution": "gone"}, {"ids": [blocking.quarantine_id, 99]}):
            arguments = {"ids": blocking.quarantine_id, "resolution": "dismissed"} | wrong
            with pytest.raises(UsageError):
                quarantine_resolve(connection, **arguments, note="why", now=NOW)
        assert connection.execute(UNREAD).fetchall() == [(1,)]
        quarantine_resolve(
            connection, blocking.quarantine_id, "dismissed", note="nobody's", now=NOW
        )
        assert connection.execute(UNREAD).fetchall() == [(0,)]
        assert len(quarantine_list(connection)) == 2
        assert len(quarantine_list(connection, resolved=True)) == 3
        notes = {row.note for row in quarantine_list(connection, resolved=True)}
        assert notes == {None, "nobody's"}
        assert len(quarantine_list(connection, feed="transactions")) == 1


def resolved(*numbers):
    with connected(warehouse_store()) as connection:
        return quarantine_resolve(connection, numbers, "corrected_at_source", note="x", now=NOW)


def test_a_row_that_was_not_delivered_again_is_not_corrected(tmp_path):
    """The subject would come back, whatever the unreadable word was."""
    fill(tmp_path, consent_events=[event(), event(action="hm"), event(customer_id="bob")])
    sources = sources_in(tmp_path)
    load(sources)
    (number,) = ask("select quarantine_id from landing.quarantine")[0]
    with pytest.raises(UsageError, match="consent_events has accepted nothing of its subject"):
        resolved(number)
    write_csv(tmp_path / "consent_events.csv", EVENTS, [
        event(), event(action="hm"), event(customer_id="bob"),
        event(customer_id="bob", action="withdrawn"),
    ])  # fmt: skip
    load(sources, now=NOW + timedelta(days=1))
    again = [i for (i,) in ask("select quarantine_id from landing.quarantine")]
    with pytest.raises(UsageError, match="accepted nothing of its subject"):
        resolved(*again)  # another's word is no correction
    fill(tmp_path, consent_events=[event(), event(action="withdrawn"), event(customer_id="bob")])
    load(sources, now=NOW + timedelta(days=2))
    assert resolved(*again) == len(again)
    assert ask("select count(*) from landing.quarantine where resolved_at is null") == [(0,)]


def test_a_row_of_nobody_is_corrected_by_a_later_delivery(tmp_path):
    fill(tmp_path, consent_events=[event(), event(customer_id=None)])
    sources = sources_in(tmp_path)
    load(sources)
    with pytest.raises(UsageError, match="consent_events has accepted nothing since"):
        resolved(1)
    fill(tmp_path, consent_events=[event(), event(customer_id="bob", action="withdrawn")])
    load(sources, now=NOW + timedelta(days=1))
    assert resolved(1) == 1


@pytest.mark.parametrize("unread", [{"action": "hm"}, {"customer_id": None}])
def test_neither_what_came_with_a_row_nor_the_inbox_corrects_it(tmp_path, unread):
    write_csv(tmp_path / "consent_events1.csv", EVENTS, [event(**unread)])
    write_csv(tmp_path / "consent_events2.csv", EVENTS, [event()])  # of the same delivery
    write_csv(tmp_path / "transactions.csv", SALES, [sale()])
    sources = sources_in(tmp_path)
    load(sources)
    with pytest.raises(UsageError, match="consent_events has accepted nothing"):
        resolved(1)
    moment = NOW.replace(tzinfo=None)
    word = dict(zip(EVENTS, event(occurred_at=moment), strict=True)) | {"recorded_at": moment}
    load(sources, now=NOW + timedelta(days=1), recorded=Waiting([word], []))
    assert ask("select count(*) from landing.consent_events") == [(2,)]
    with pytest.raises(UsageError, match="consent_events has accepted nothing"):
        resolved(1)
    write_csv(tmp_path / "consent_events3.csv", EVENTS, [event(action="withdrawn")])
    load(sources, now=NOW + timedelta(days=2))
    assert resolved(1) == 1


def test_no_identifier_reaches_the_warehouse(tmp_path):
    fill(
        tmp_path,
        customers=[("canary-id", "Canary Name", "canary@x.org", "EU", "41")],
        transactions=[sale(customer_id="canary-id"), sale(customer_id="canary-id", value="canary")],
        rights_requests=[("canary-id", "r1", "access", "2024-06-01", "canary")],
    )
    write_csv(tmp_path / "rights_requests.csv", REQUESTS, [("canary-id", "r1", "canary", "x", "")])
    sources = sources_in(
        tmp_path, customers=declared("customers"), rights_requests=declared("rights_requests")
    )
    load(sources)
    with connected(warehouse_store()) as connection:
        tables = connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'landing'"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(f"select t::varchar from landing.{table} as t").fetchall()
            assert "anary" not in str(rows), table
    assert vault("select count(*) from vault.identifiers where email like 'canary%'") == [(1,)]
