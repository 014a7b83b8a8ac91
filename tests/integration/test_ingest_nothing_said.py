"""What comes to nothing on its way from a feed to us says nothing: it permits nothing either."""

import json

import pytest

from ingest.check import check_sources
from tests.support.feeds import (
    EVENTS,
    NOW,
    PEOPLE,
    UTC_POLICY,
    ask,
    declared,
    event,
    fill,
    load,
    must_reconcile,
    reasons,
    sources_in,
    write_csv,
)

pytestmark = pytest.mark.usefixtures("home")

ONE_PURPOSE = "case purpose when 'segmentation' then 'segmentation' end"


def words(**columns):
    """Return the declaration of consent events, some of their columns mapped otherwise."""
    return declared("consent_events", columns={name: name for name in EVENTS} | columns)


def test_a_purpose_that_an_expression_does_not_know_is_not_every_purpose(tmp_path):
    fill(tmp_path, consent_events=[
        event(), event(purpose="newsletter"), event(purpose=None), event(purpose="  "),
        event(purpose="Newsletter", action="withdrawn"),
    ])  # fmt: skip
    sources = sources_in(tmp_path, consent_events=words(purpose={"expression": ONE_PURPOSE}))
    (finding,) = check_sources(sources, UTC_POLICY, now=NOW, only=["consent_events"])
    assert (finding.what, finding.rows, finding.shape) == ("unparseable_purpose", 2, None)
    assert "its expression makes nothing of a value" in finding.mend
    load(sources)
    assert reasons("consent_events") == {"unparseable_purpose": [2, 5]}
    assert ask("select purpose, count(*) from landing.consent_events group by 1 order by 1") == [
        ("segmentation", 1), (None, 1),  # two words that are the same
    ]  # fmt: skip
    must_reconcile()


def test_one_value_that_is_there_is_something_to_read(tmp_path):
    """Had it to be all of them, a purpose would be every purpose for want of a channel."""
    expression = "case when purpose = 'segmentation' and channel = 'web' then purpose end"
    rows = [(*event(), "web"), (*event(purpose="news"), None), (*event(purpose=None), None)]
    fill(tmp_path)
    write_csv(tmp_path / "consent_events.csv", (*EVENTS, "channel"), rows)
    load(sources_in(tmp_path, consent_events=words(purpose={"expression": expression})))
    assert reasons("consent_events") == {"unparseable_purpose": [2]}


@pytest.mark.parametrize(
    ("column", "expression"),
    [
        ("notice_version", "try_cast(noted as integer)"),
        ("recorded_at", "strptime(noted, '%d.%m.%Y')"),
    ],
)
def test_nor_is_any_other_value_that_an_expression_makes_nothing_of(tmp_path, column, expression):
    rows = [(*event(), "second"), (*event(), None)]
    fill(tmp_path)
    write_csv(tmp_path / "consent_events.csv", (*EVENTS, "noted"), rows)
    load(sources_in(tmp_path, consent_events=words(**{column: {"expression": expression}})))
    assert reasons("consent_events") == {f"unparseable_{column}": [1]}


def test_an_age_that_an_expression_makes_nothing_of_holds_its_subject(tmp_path):
    fill(tmp_path, customers=[(name, None, None, "EU", age) for name, age in
                              (("ann", "thirteen"), ("bob", None), ("eve", "41"))])  # fmt: skip
    columns = {name: name for name in PEOPLE} | {
        "age_years": {"expression": "cast(age_years as integer)"}
    }
    load(sources_in(tmp_path, customers=declared("customers", columns=columns)))
    assert reasons("customers") == {"unparseable_age_years": [1]}
    assert ask("select age_years from landing.customers order by 1") == [(41,), (None,)]


def test_a_grant_without_the_key_of_its_purpose_is_not_for_every_purpose(tmp_path):
    said = dict(zip(EVENTS, event(), strict=True))
    keyless = {name: value for name, value in said.items() if name != "purpose"}
    lines = [said, keyless, keyless | {"action": "withdrawn"}, said | {"purpose": None}]
    fill(tmp_path)
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    feed = words() | {"paths": ["said.jsonl"], "format": "jsonl"}
    load(sources_in(tmp_path, consent_events=feed))
    assert reasons("consent_events") == {"missing_purpose": [2]}
    assert ask("select action, purpose from landing.consent_events order by all") == [
        ("granted", "segmentation"), ("granted", None), ("withdrawn", None),
    ]  # fmt: skip
    must_reconcile()
