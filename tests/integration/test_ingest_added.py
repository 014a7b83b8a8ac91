"""Files that are added to: what stood there before has arrived before."""

import json

import pytest

from ingest.connectors.source import MissingColumnError
from tests.support.feeds import (
    EVENT,
    EVENTS,
    REQUESTS,
    ask,
    declared,
    fill,
    load,
    must_reconcile,
    reasons,
    sources_in,
    totals,
    write_csv,
)

pytestmark = pytest.mark.usefixtures("home")


def asked(customer, status="refused", request="r1"):
    return (customer, request, "erasure", "2024-06-01", status)


def as_csv(rows):
    return "".join(",".join(row) + "\n" for row in rows)


def as_json(rows):
    return "".join(json.dumps(dict(zip(REQUESTS, row, strict=True))) + "\n" for row in rows)


def stands():
    return ask(
        "select status, count(*) from landing.rights_requests group by status order by status"
    )


@pytest.fixture
def corrected(tmp_path):
    """Write two files of which the second corrects the first; return the first and its sources."""

    def made(first, written, **changes):
        fill(tmp_path)
        first.write_text(written)
        changed = declared("rights_requests", **changes)
        sources = sources_in(tmp_path, rights_requests=changed)
        load(sources)
        name = "rights_requests2" + first.suffix
        rows = [asked("ann", "open")]
        text = as_json(rows) if first.suffix == ".jsonl" else as_csv([REQUESTS, *rows])
        (tmp_path / name).write_text(text)
        load(sources)
        assert stands() == [("open", 1)]
        return sources

    return made


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_old_row_in_a_file_that_is_added_to_corrects_nothing(tmp_path, corrected, kind):
    written = as_json if kind == "jsonl" else as_csv
    first = tmp_path / f"rights_requests1.{kind}"
    before = written([asked("ann")] if kind == "jsonl" else [REQUESTS, asked("ann")])
    sources = corrected(first, before, format=kind, paths=[f"rights_requests*.{kind}"])
    for n in range(3, 6):  # and again: what was added counts as known then
        before += written([asked(f"c{n}")])
        first.write_text(before)
        report = load(sources)
        assert [(one.read, one.accepted) for one in report.landed] == [(1, 1)]
        assert stands() == [("open", 1), ("refused", n - 2)]
    first.write_text(before + written([asked("ann")]))  # a word is a word
    load(sources)
    assert stands() == [("refused", 4)]
    must_reconcile()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (as_csv([REQUESTS, asked("ann")]), as_csv([REQUESTS, asked("bob"), asked("ann")])),
        (as_csv([REQUESTS, asked("ann")])[:-1], as_csv([REQUESTS, asked("ann"), asked("bob")])),
    ],
    ids=["changed before its end", "its last line was not whole"],
)
def test_a_file_that_has_changed_otherwise_arrives_whole(tmp_path, corrected, before, after):
    first = tmp_path / "rights_requests1.csv"
    sources = corrected(first, before)
    first.write_text(after)
    assert [one.read for one in load(sources).landed] == [2]
    assert stands() == [("refused", 2)]
    must_reconcile()


def test_a_bad_row_is_set_aside_once_and_told_by_its_place_in_the_whole(tmp_path, corrected):
    first = tmp_path / "rights_requests1.csv"
    before = as_csv([REQUESTS, asked("ann"), ("split", "wrong")])
    sources = corrected(first, before)
    first.write_text(before + as_csv([asked("bob"), asked("dan", "no"), ("x", "y", "z")]))
    assert [(one.read, one.quarantined) for one in load(sources).landed] == [(3, 2)]
    assert reasons("rights_requests") == {"malformed_row": [2, 5], "unknown_status": [4]}
    assert stands() == [("open", 1), ("refused", 1)]
    must_reconcile()


def test_read_from_the_beginning_every_row_is_met_again(tmp_path, corrected):
    first = tmp_path / "rights_requests1.csv"
    before = as_csv([REQUESTS, asked("ann")])
    sources = corrected(first, before)
    first.write_text(before + as_csv([asked("bob")]))
    load(sources)
    changed = declared("rights_requests", future_tolerance_minutes=61)
    write_csv(tmp_path / "rights_requests3.csv", REQUESTS, [asked("cat")])
    load(sources_in(tmp_path, rights_requests=changed))
    assert totals("rights_requests") == (4, 4, 0, 0, 1)
    must_reconcile()


def test_a_file_that_was_renamed_goes_on_under_its_new_name(tmp_path, corrected):
    before = as_csv([REQUESTS, asked("ann")])
    first, renamed = tmp_path / "rights_requests1.csv", tmp_path / "rights_requests3.csv"
    sources = corrected(first, before)
    first.rename(renamed)
    assert not load(sources).landed
    renamed.write_text(before + as_csv([asked("bob")]))
    assert [one.read for one in load(sources).landed] == [1]
    assert stands() == [("open", 1), ("refused", 1)]
    must_reconcile()


def test_what_was_renamed_is_not_gone_when_everything_is_read_again(tmp_path):
    fill(tmp_path)
    load(sources_in(tmp_path))
    (tmp_path / "transactions.csv").rename(tmp_path / "transactions_old.csv")
    load(sources_in(tmp_path))
    changed = declared("transactions", negative_value="allowed")
    assert load(sources_in(tmp_path, transactions=changed)).afresh == ("transactions",)
    must_reconcile()


def test_a_key_that_only_other_files_of_json_lines_have_is_null(tmp_path):
    fill(tmp_path)
    (tmp_path / "consent_events.csv").unlink()
    columns = {name: name for name in (*EVENTS, "notice_version")}
    feed = declared("consent_events", format="jsonl", paths=["e*.jsonl"], columns=columns)
    sources = sources_in(tmp_path, consent_events=feed)
    grant = dict(zip(EVENTS, EVENT, strict=True)) | {"notice_version": 1}
    denial = {"customer_id": "ann", "action": "withdrawn", "occurred_at": "2024-05-01 10:00:00"}
    (tmp_path / "e2.jsonl").write_text(json.dumps(denial) + "\n")
    with pytest.raises(MissingColumnError, match="no column 'purpose', 'notice_version'"):
        load(sources)
    (tmp_path / "e1.jsonl").write_text(json.dumps(grant) + "\n")
    load(sources)
    assert ask("select action, purpose from landing.consent_events order by action") == [
        ("granted", "segmentation"), ("withdrawn", None),
    ]  # fmt: skip
    must_reconcile()
