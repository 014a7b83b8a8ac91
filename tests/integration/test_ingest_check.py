"""`assent sources check`: everything that is wrong, where, in which shape; nothing is loaded."""

import json

import pytest

from ingest.check import check_sources, together
from tests.support.feeds import (
    EVENTS,
    NOW,
    POLICY,
    SALES,
    UTC_POLICY,
    declared,
    event,
    fill,
    load,
    sale,
    sources_in,
    write_csv,
)
from warehouse.errors import UsageError

pytestmark = pytest.mark.usefixtures("home")


def check(sources, **options):
    return check_sources(sources, UTC_POLICY, now=NOW, **options)


def test_feeds_that_fit_have_no_findings_and_nothing_is_loaded(tmp_path, home):
    fill(tmp_path)
    assert check(sources_in(tmp_path)) == []
    assert not home.warehouse.exists()
    assert not home.vault.exists()


def test_a_feed_that_has_fallen_silent_is_told(tmp_path):
    fill(tmp_path, consent_events=[])
    (finding,) = check(sources_in(tmp_path))
    assert (finding.feed, finding.blocking) == ("consent_events", False)
    assert "it holds no row (lands nothing)" in str(finding)
    assert "those that have landed go on counting" in str(finding)
    fill(tmp_path, customers=[])
    (finding,) = check(sources_in(tmp_path, customers=declared("customers")))
    assert (finding.feed, finding.blocking) == ("customers", False)


def test_a_fault_that_several_files_have_is_told_once(tmp_path):
    fill(tmp_path)
    (tmp_path / "transactions.csv").unlink()
    for month in (1, 2, 3):
        write_csv(
            tmp_path / f"transactions-{month}.csv", SALES, [sale(), *[sale(value="x")] * month]
        )
        write_csv(tmp_path / f"transactions-{month}b.csv", SALES[1:], [])
    found = check(sources_in(tmp_path))
    assert len(found) == 6
    told = sorted(map(str, together(found)))
    assert [said.split(" (")[0] for said in told] == [
        "transactions: transactions-1.csv and 2 more: value: unparseable_value in 6 of 9 rows,"
        " first in row 2 of transactions-1.csv, as in `a`",
        "transactions: transactions-1b.csv and 2 more: has no column 'customer_id'",
    ]


def test_a_malformed_line_of_json_is_told_as_that(tmp_path):
    fill(tmp_path)
    (tmp_path / "t.jsonl").write_text(json.dumps(dict(zip(SALES, sale(), strict=True))) + '\n{"a\n')
    (finding,) = check(
        sources_in(tmp_path, transactions=declared("transactions", format="jsonl", paths=["t.*"]))
    )
    assert finding.what == "malformed_row"
    assert "JSON object" in finding.mend


@pytest.mark.parametrize(("length", "malformed"), [(1_900_000, False), (3_000_000, True)])
def test_a_row_that_is_too_long_is_told_as_that(tmp_path, length, malformed):
    fill(tmp_path)
    (tmp_path / "transactions.csv").unlink()
    columns = [*SALES, "note"]
    write_csv(tmp_path / "transactions.csv", columns, [[*sale(), "x"], [*sale(), "x" * length]])
    found = check(sources_in(tmp_path))
    assert [(one.what, one.first_row) for one in found] == [("malformed_row", 2)] * malformed
    assert all("or is longer than 2,000,000 characters: mend" in one.mend for one in found)


@pytest.mark.parametrize(
    ("archived", "said"),
    [(True, "1 of the sources"), (False, "of 2 rows that were landed its sources hold only 1")],
)
def test_a_feed_that_cannot_be_read_from_the_beginning_is_foretold(tmp_path, archived, said):
    fill(tmp_path, consent_events=[event(), event(action="withdrawn"), event(action="hm")])
    write_csv(tmp_path / "consent_events2.csv", EVENTS, [])
    load(sources_in(tmp_path))
    changed = sources_in(
        tmp_path, consent_events=declared("consent_events", future_tolerance_minutes=61)
    )
    assert not any(finding.blocking for finding in check(changed))
    if archived:
        (tmp_path / "consent_events2.csv").unlink()
    else:
        write_csv(tmp_path / "consent_events.csv", EVENTS, [event(action="hm")])
    assert not any(finding.blocking for finding in check(sources_in(tmp_path)))
    (finding,) = (finding for finding in check(changed) if finding.blocking)
    assert finding.feed == "consent_events"
    assert said in str(finding)
    with pytest.raises(UsageError, match=said):
        load(changed)


def test_each_fault_is_shown_with_its_place_and_shape(tmp_path):
    fill(
        tmp_path,
        transactions=[sale(), sale(value="12,50 EUR"), sale(value="Jane 99"), sale(value=None)],
        consent_events=[event(action="Okay"), event()],
    )
    (tmp_path / "transactions2.csv").write_text("customer_id,when\nann,1\n")
    write_csv(tmp_path / "consent_events3.csv", EVENTS, [event()])
    (tmp_path / "consent_events3.csv").write_text(",".join(EVENTS) + "\nann,granted\n")
    sources = sources_in(
        tmp_path,
        consent_events=declared("consent_events", greatest_bad_share=0.5),
        customers=declared("customers"),
    )
    found = {(f.feed, f.source, f.what.split(" ")[0]): f for f in check(sources)}
    unparseable = found["transactions", "transactions.csv", "unparseable_value"]
    assert (unparseable.rows, unparseable.of_rows, unparseable.first_row) == (2, 4, 2)
    assert unparseable.shape == "99,99 aaa"
    assert not unparseable.blocking
    missing = found["transactions", "transactions2.csv", "has"]
    assert missing.blocking
    assert "no column 'basket_id', 'product_id', 'occurred_at', 'value'" in str(missing)
    assert found["consent_events", "consent_events.csv", "unknown_action"].shape == "aaaa"
    assert found["consent_events", "consent_events3.csv", "malformed_row"].first_row == 1
    assert all(f.blocking for key, f in found.items() if key[0] == "consent_events")
    assert found["customers", None, "no"].blocking
    text = "\n".join(map(str, found.values()))
    assert "Jane" not in text
    assert "EUR" not in text
    assert "row 2" in text
    assert len(found) == 6


@pytest.mark.parametrize(
    ("other", "told"), [("BonNr", True), ("ann@x.org", False), ("K-10017", False)]
)
def test_columns_that_are_there_are_told_where_the_rest_is_mapped(tmp_path, other, told):
    fill(tmp_path)
    header = [name if name != "basket_id" else other for name in SALES]
    write_csv(tmp_path / "transactions.csv", header, [sale()])
    (finding,) = check(sources_in(tmp_path), only=["transactions"])
    assert "no column 'basket_id'" in finding.what
    assert (other in str(finding)) is told
    assert "5 column(s) are there" in finding.mend


def test_only_some_feeds_are_looked_at(tmp_path):
    fill(tmp_path, transactions=[sale(value="x")])
    sources = sources_in(tmp_path)
    assert check(sources, only=["consent_events"]) == []
    assert len(check(sources, only=["transactions"])) == 1


def test_a_disagreement_with_the_policy_is_a_finding(tmp_path):
    fill(tmp_path)
    less = {k: v for k, v in POLICY.attributes.items() if k != "product_id"}
    policy = POLICY.model_copy(update={"attributes": less})
    (finding,) = check_sources(sources_in(tmp_path), policy, now=NOW)
    assert (finding.feed, finding.column, finding.blocking) == ("transactions", "product_id", True)


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"occurred_at": "5.5.2024"}, "`format`"),
        ({"value": "-1"}, "negative_value: allowed"),
        ({"value": "x"}, "become a number:"),
        ({"customer_id": "a\tb"}, "become a text without unseen characters"),
        ({"occurred_at": "2025-01-01"}, "time zone"),
        ({"customer_id": None}, "map another column"),
        ({"product_id": "x" * 5000}, "mend the source"),
    ],
)
def test_every_fault_has_a_remedy(tmp_path, change, remedy):
    fill(tmp_path, transactions=[sale(**change)])
    (finding,) = check(sources_in(tmp_path))
    assert remedy in finding.mend


def test_a_word_of_which_an_expression_makes_nothing_is_told_as_that(tmp_path):
    fill(tmp_path, consent_events=[event(action="perhaps")])
    action = {"expression": "case action when 'yes' then 'granted' end"}
    columns = {name: name for name in EVENTS} | {"action": action}
    sources = sources_in(tmp_path, consent_events=declared("consent_events", columns=columns))
    (finding,) = check(sources, only=["consent_events"])
    assert finding.what == "unparseable_action"
    assert "its expression makes nothing of a value that is there" in finding.mend


def test_rows_in_another_encoding_are_told_as_that(tmp_path):
    fill(tmp_path, transactions=[sale()])
    with (tmp_path / "transactions.csv").open("ab") as file:
        file.write("ann,b\xe9,p1,2024-05-01,1\n".encode("latin-1"))
    sources = sources_in(tmp_path, transactions=declared("transactions", greatest_bad_share=0.1))
    (finding,) = check(sources)
    assert "csv: {encoding: latin-1}" in finding.mend
    with pytest.raises(UsageError, match=r"malformed_row 1 .1 of them not in the declared"):
        load(sources)


def test_shapes_of_giant_values_are_short(tmp_path):
    fill(tmp_path, transactions=[sale(value="y" * 100_000)])
    (finding,) = check(sources_in(tmp_path))
    assert len(str(finding)) < 400


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.jsonl", '{"Anna Example": 1, "HH-0000001": 2}\n{"valve": 1, "customer_id": 2}\n'),
        # Its first line is data, in which a mapped name is a word.
        ("t.csv", "customer_id,Anna Example,HH-0000001,valve\n"),
    ],
)
def test_names_of_columns_that_may_be_data_are_counted_not_told(tmp_path, name, content):
    fill(tmp_path)
    columns = {ours: ours for ours in ("customer_id", "occurred_at", "value")}
    sources = sources_in(
        tmp_path,
        transactions=declared(
            "transactions", format=name.split(".")[1], paths=[name], columns=columns
        ),
    )
    counted = "compare the mapping with the source: 4 column(s) are there"
    for text, mend in (
        (content, counted),
        (content.replace("valve", "values"), f"did you mean 'values'? otherwise {counted}"),
    ):
        (tmp_path / name).write_text(text)
        (found,) = check(sources)
        assert found.what == "has no column 'occurred_at', 'value'"
        assert found.mend == mend
