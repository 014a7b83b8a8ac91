"""Loading feeds: what lands, what stops a load, what a second load changes."""

import subprocess
import sys
from datetime import datetime, timedelta

import pytest

from governance.inbox import Waiting
from ingest.check import check_sources
from ingest.load import load_feeds
from tests.support.feeds import (
    EVENTS,
    NOW,
    POLICY,
    SALES,
    UTC_POLICY,
    ask,
    declared,
    event,
    fill,
    load,
    must_reconcile,
    sale,
    sources_in,
    totals,
    vault,
    write_csv,
)
from warehouse.connect import DYING_SECONDS
from warehouse.errors import UsageError
from warehouse.home import PROJECT

pytestmark = pytest.mark.usefixtures("home")

HEADER = b"customer_id,basket_id,product_id,occurred_at,value"
GOOD = b"ann,b1,p1,2024-05-01,1"


def test_every_feed_lands_in_its_table(tmp_path):
    fill(
        tmp_path,
        transactions=[sale(), sale(basket_id="b2", occurred_at="2024-05-02T23:30:00+02:00")],
        customers=[("ann", "Ann Lee", "ann@x.org", "EU", "41"), ("bob", None, None, "US", None)],
        rights_requests=[("ann", "r1", "Erasure", "2024-06-01 08:00:00", None)],
    )
    sources = sources_in(
        tmp_path,
        customers=declared("customers"),
        rights_requests=declared("rights_requests"),
    )
    report = load(sources)
    assert report.enrolled == 2
    assert [landed.feed for landed in report.landed] == [
        "transactions", "consent_events", "rights_requests", "customers",
    ]  # fmt: skip
    (ann,) = vault("select subject_key from vault.subjects where customer_id = 'ann'")
    assert ask("select distinct subject_key from landing.transactions") == [ann]
    assert ask("select jurisdiction, age_years, recorded_on::varchar from landing.customers") == [
        ("EU", 41, "2024-07-01"),
        ("US", None, "2024-07-01"),
    ]
    assert ask("select type, status from landing.rights_requests") == [("erasure", "open")]
    assert ask("select recorded_at = occurred_at from landing.consent_events") == [(True,)]
    assert vault("select full_name, email, phone from vault.identifiers order by 1")[0] == (
        "Ann Lee", "ann@x.org", None,
    )  # fmt: skip
    assert ask("select occurred_at::varchar from landing.transactions order by 1")[1] == (
        "2024-05-02 21:30:00",
    )
    must_reconcile()


def test_days_are_the_policys(tmp_path):
    fill(tmp_path, transactions=[sale(occurred_at="2024-05-02 03:30:00")])
    load(sources_in(tmp_path), POLICY)
    assert ask("select event_day::varchar from landing.transactions") == [("2024-05-01",)]
    assert ask("select event_day::varchar, load_id from landing.changed_days") == [
        ("2024-05-01", 1)
    ]


@pytest.mark.parametrize(
    "written", ["occurred_at", {"column": "occurred_at", "format": "%m/%d/%y %H:%M:%S"}]
)
def test_in_an_hour_that_occurs_twice_a_grant_undoes_no_withdrawal(tmp_path, written):
    day = "2024-10-27" if written == "occurred_at" else "10/27/24"
    said = [("withdrawn", "02:10:00"), ("granted", "02:50:00"), ("opted_in", "04:00:00")]
    rows = [event(action=action, occurred_at=f"{day} {at}") for action, at in said]
    fill(tmp_path, consent_events=rows)
    columns = {name: name for name in EVENTS} | {"occurred_at": written}
    berlin = declared("consent_events", time_zone="Europe/Berlin", columns=columns)
    load(sources_in(tmp_path, consent_events=berlin), now=NOW + timedelta(days=365))
    assert ask("select action, occurred_at::varchar from landing.consent_events order by 2") == [
        ("granted", "2024-10-27 00:50:00"),
        ("withdrawn", "2024-10-27 01:10:00"),
        ("opted_in", "2024-10-27 03:00:00"),
    ]


def test_every_subject_has_a_key_for_every_purpose_and_no_two_are_alike(tmp_path):
    fill(tmp_path, consent_events=[event(), event(customer_id="stranger")])
    sources = sources_in(tmp_path)
    load(sources)
    fewer = UTC_POLICY.model_copy(
        update={"purposes": {"new_purpose": UTC_POLICY.purposes["segmentation"]}}
    )
    before = ask("from landing.purpose_keys order by all")
    assert len(before) == 2 * len(UTC_POLICY.purposes)
    load(sources, fewer)
    after = ask("from landing.purpose_keys order by all")
    assert set(before) < set(after)
    assert len(after) == len({key for _, _, key in after}) == len(before) + 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is empty"),
        (b"customer_id,value\nann,1\n", "no column 'basket_id', 'product_id'"),
        (b"ann,b1,p1,2024-05-01,1\n", "check header and delimiter"),
        (b"customer_id;basket_id\n", "check header and delimiter"),
        ((HEADER + b"\n").decode().encode("utf-16-le"), "declare `csv: {encoding: utf-16}`"),
        (b"\xff\xfe" + HEADER.decode().encode("utf-16-le"), "declare `csv: {encoding: utf-16}`"),
        (b"\xfe\xff" + HEADER.decode().encode("utf-16-be"), "big-endian UTF-16"),
        (HEADER[:-1] + b"\xe9\n", "declare `csv: {encoding: latin-1}`"),
        (b'customer_id,basket_id,product_id,occurred_at,value\na,b,c,"d,e\nf,g\n', "isn't closed"),
        (b'"customer_id,basket_id\n', "first line"),
        (HEADER + b"\r\n" + GOOD + b"\r\n" + GOOD + b"\n", "one kind of line end"),
        (HEADER + b"\n" + GOOD + b"\r\nshort\n", "one kind of line end"),
        (b"customer_id,basket_id,product_id,occurred_at,value,value\n", "more than once"),
    ],
)
def test_a_feed_that_cannot_be_read_changes_nothing(tmp_path, text, said):
    fill(tmp_path)
    sources = sources_in(tmp_path)
    load(sources)
    before = ask("from landing.loads")
    (tmp_path / "transactions2.csv").write_bytes(text)
    write_csv(tmp_path / "consent_events2.csv", EVENTS, [event(customer_id="new")])
    with pytest.raises(UsageError, match=r"transactions2\.csv") as caught:
        load(sources)
    assert said in str(caught.value)
    assert any(said in str(finding) for finding in check_sources(sources, UTC_POLICY, now=NOW))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert ask("from landing.loads") == before
    assert vault("select customer_id from vault.subjects") == [("ann",)]


def test_a_glob_that_matches_nothing(tmp_path):
    fill(tmp_path)
    with pytest.raises(UsageError, match="transactions: no file matches"):
        load(sources_in(tmp_path, transactions=declared("transactions", paths=["sales/*.csv"])))


def test_a_feed_keeps_at_least_one_file_the_others_may_be_archived(tmp_path):
    fill(tmp_path)
    write_csv(tmp_path / "transactions2.csv", SALES, [sale(basket_id="b2")])
    sources = sources_in(tmp_path)
    load(sources)
    (tmp_path / "transactions.csv").unlink()
    assert load(sources).landed == ()
    assert ask("select count(*) from landing.transactions") == [(2,)]
    before = ask("from landing.loads")
    (tmp_path / "transactions2.csv").unlink()
    write_csv(tmp_path / "consent_events2.csv", EVENTS, [event(customer_id="new")])
    with pytest.raises(UsageError, match="transactions: no file matches"):
        load(sources)
    assert ask("from landing.loads") == before


@pytest.mark.parametrize("said", ["transactions2.csv is no file", "leads to no file"])
def test_what_paths_match_and_is_no_file_is_not_passed_over(tmp_path, said):
    fill(tmp_path)
    odd = tmp_path / "transactions2.csv"
    odd.symlink_to(tmp_path / "gone.csv") if "leads" in said else odd.mkdir()
    sources = sources_in(tmp_path)
    with pytest.raises(UsageError, match=said):
        load(sources)
    (finding,) = check_sources(sources, UTC_POLICY, now=NOW)
    assert finding.blocking
    assert said in str(finding).replace(": is no file", " is no file")  # the file is named once


def test_header_only_files_are_feeds_without_rows(tmp_path):
    fill(tmp_path, transactions=[], consent_events=[])
    report = load(sources_in(tmp_path))
    assert [landed.read for landed in report.landed] == [0, 0]
    must_reconcile()


def test_the_same_files_again_change_nothing(tmp_path):
    fill(tmp_path, transactions=[sale(), sale(), sale(value="x")])
    sources = sources_in(tmp_path)
    load(sources)
    before = ask("from landing.loads"), ask("from landing.transactions")
    report = load(sources, now=NOW + timedelta(days=1))
    assert report.landed == ()
    assert report.skipped == {"transactions": 1, "consent_events": 1}
    (tmp_path / "transactions.csv").touch()  # same content, another time
    assert load(sources).landed == ()
    assert (ask("from landing.loads"), ask("from landing.transactions")) == before


def test_new_files_add_and_a_copy_is_all_duplicates(tmp_path):
    fill(tmp_path)
    sources = sources_in(tmp_path)
    load(sources)
    write_csv(tmp_path / "transactions2.csv", SALES, [sale(), sale(basket_id="b2")])
    (landed,) = load(sources).landed
    assert (landed.source, landed.read, landed.accepted, landed.duplicates) == (
        "transactions2.csv", 2, 1, 1,
    )  # fmt: skip
    assert ask("select load_id, event_day::varchar from landing.changed_days order by 1") == [
        (1, "2024-05-01"),
        (3, "2024-05-01"),
    ]
    must_reconcile()


def test_the_inbox_is_landed_beside_the_feeds(tmp_path):
    fill(tmp_path)
    sources = sources_in(tmp_path)
    moment = datetime(2024, 6, 30, 12)
    said = {"occurred_at": moment, "recorded_at": moment}
    words = [
        {"event_id": 1, "customer_id": "ann", "action": "withdrawn", **said},
        {"event_id": 2, "customer_id": "new", "action": "objected", "purpose": "segmentation",
         **said},
    ]  # fmt: skip
    asked = {"customer_id": "ann", "request_id": "r1", "type": "erasure", "received_at": moment,
             "status": "open"}  # fmt: skip
    recorded = Waiting(words, [asked])
    load(sources, recorded=recorded)
    load(sources, recorded=recorded)  # the inbox was not emptied in time
    assert totals("inbox_requests") == (2, 1, 0, 1, 0)
    assert ask("select request_id, status from landing.rights_requests") == [("r1", "open")]
    assert totals("inbox") == (4, 2, 0, 2, 0)
    assert ask("select count(*) from landing.consent_events") == [(3,)]
    must_reconcile()
    load(sources_in(tmp_path, consent_events=declared("consent_events", time_zone="Asia/Tokyo")))
    assert ask("select count(*) from landing.consent_events") == [(3,)]
    assert load(sources, recorded=Waiting([], [])).landed[0].feed == "consent_events"


def test_only_some_feeds(tmp_path):
    fill(tmp_path)
    sources = sources_in(tmp_path)
    assert [landed.feed for landed in load(sources, only=["consent_events"]).landed] == [
        "consent_events"
    ]
    with pytest.raises(UsageError, match="no such feed"):
        load(sources, only=["custmers"])


def test_a_killed_load_leaves_nothing_and_the_next_completes(tmp_path, monkeypatch):
    fill(tmp_path)
    sources = sources_in(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ingest.load._require_unchanged", killed)
        with pytest.raises(KeyboardInterrupt):
            load(sources)
    assert ask("select count(*) from landing.transactions") == [(0,)]
    load(sources)
    assert totals("transactions") == (1, 1, 0, 0, 0)
    keys = "select subject_key from landing.purpose_keys"
    assert ask(f"select count(distinct subject_key) from ({keys})") == [(1,)]


def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch):
    fill(tmp_path)
    sources = sources_in(tmp_path)
    moment = {"reading": lambda: None, "landing": lambda: None}

    def progress(line: str) -> None:
        moment[line.split()[0]]() if line.split()[0] in moment else None

    moment["landing"] = lambda: write_csv(tmp_path / "transactions.csv", SALES, [sale(), sale()])
    with pytest.raises(UsageError, match=r"transactions\.csv changed while it was being read"):
        load_feeds(sources, UTC_POLICY, now=NOW, progress=progress)
    assert ask("select count(*) from landing.loads") == [(0,)]


@pytest.mark.parametrize("changes", ["customers", "consent_events"])
def test_a_load_that_is_refused_leaves_the_identifiers_of_the_last(tmp_path, changes):
    fill(tmp_path, customers=[("ann", "Ann Lee", "old@x.org", "EU", "41")])
    sources = sources_in(tmp_path, customers=declared("customers"))
    load(sources)
    fill(
        tmp_path,
        customers=[("ann", "Ann Lee", "new@x.org", "EU", "41")],
        consent_events=[event(), event(action="withdrawn")],
    )

    def progress(line: str) -> None:
        if line.startswith(f"landing {changes}"):
            (tmp_path / f"{changes}.csv").touch()

    with pytest.raises(UsageError, match=rf"{changes}\.csv changed while it was being read"):
        load_feeds(sources, UTC_POLICY, now=NOW, progress=progress)
    assert vault("select email from vault.identifiers") == [("old@x.org",)]
    load(sources)
    assert vault("select email from vault.identifiers") == [("new@x.org",)]


READER = f"""
import time
from governance import identity
with identity.opened() as connection:
    print("reads", flush=True)
    time.sleep({DYING_SECONDS + 2})
    print(connection.execute("select count(*) from vault.subjects").fetchall()[0][0])
"""


@pytest.mark.slow
def test_a_long_export_neither_breaks_a_load_nor_is_broken_by_it(tmp_path):
    fill(tmp_path)
    sources = sources_in(tmp_path)
    load(sources)
    fill(tmp_path, consent_events=[event(), event(customer_id="bob")])
    said = []
    with subprocess.Popen([sys.executable, "-c", READER], stdout=subprocess.PIPE, text=True,
                          cwd=PROJECT) as reader:  # fmt: skip
        assert reader.stdout.readline() == "reads\n"
        load(sources, progress=said.append)
        assert reader.stdout.read() == "1\n"
    assert reader.returncode == 0
    assert said.count("waiting for whoever reads vault.duckdb") == 1
    assert ask("select count(distinct subject_key) from landing.consent_events") == [(2,)]
