"""sources.yaml: every mistake is named with line, column, key and remedy."""

import json
from datetime import UTC, datetime

import pytest

from governance.policy.load import load_policy
from ingest.connectors.files import matching_files
from ingest.contract import CONTRACTS
from ingest.source_checks import CONNECTOR_KEYS
from ingest.sources import (
    SourcesError,
    load_sources,
    parse_sources,
    require_agreement,
    watched_files,
)
from tests.support.feeds import POLICY, declared, fill, sources_in
from warehouse.errors import PolicyGapError, UsageError
from warehouse.home import PROJECT

GOOD = """\
version: 1
feeds:
  transactions:
    connector: files
    paths: [t.csv]
    format: csv
    provenance: a till
    time_zone: UTC
    identifiers: [customer_id]
    columns: {customer_id: id, occurred_at: when, value: paid}
  consent_events:
    connector: python
    entry_point: my.module:events
    provenance: a banner
    time_zone: Europe/Berlin
    identifiers: [customer_id]
    columns:
      customer_id: id
      action: did
      occurred_at: {column: when, format: '%d/%m/%Y'}
"""


def test_a_good_file_is_read():
    sources = parse_sources(GOOD)
    assert sources.feeds["transactions"].columns["value"].column == "paid"
    assert sources.feeds["consent_events"].columns["occurred_at"].format == "%d/%m/%Y"
    assert sources.clock is None


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("connector: files", "connectr: files", "line 4, column 5", "did you mean 'connector'"),
        ("connector: files", "connector: file", "line 4, column 5", "'files', 'postgres' or"),
        ("  transactions:", "  transaction:", "line 3, column 3", "did you mean 'transactions'"),
        ("value: paid", "valu: paid", "line 10", "did you mean 'value'"),
        (", value: paid", "", "line 10", "required column 'value' isn't mapped"),
        ("[customer_id]\n    columns: {", "[]\n    columns: {", "line 9", "isn't listed"),
        ("time_zone: UTC", "time_zone: Mars/Olympus", "line 8", "no such time zone"),
        ("    format: csv\n", "", "line 3", "'format' is missing"),
        ("format: csv", "entry_point: a:b", "line 6", "belongs to the connector python"),
        ("paid}", "{expression: 'getenv(x)'}}", "line 10", "getenv isn't known"),
        ("paid}", "{column: a, constant: 1}}", "line 10", "exactly one of"),
        ("customer_id: id,", "customer_id: {constant: 1},", "line 10", "one subject"),
        ("paid}", "{column: a, format: x}}", "line 10", "a format describes a time"),
        ("version: 1", "version: 2", "line 1, column 1", "version"),
        ("provenance: a till", "provenance: 5", "line 7", "expected text"),
        ("    columns:\n", "    columns: [\n", "line", "YAML"),
        ("value: paid}", "value: paid}\n    natural_key: [valeu]", "line 11", "'value'"),
        ("value: paid}", "value: paid}\n    natural_key: []", "line 11", "names no column"),
        ("value: paid}", "value: paid}\n    greatest_bad_share: 2", "line 11", "less than"),
    ],
)
def test_a_mistake_is_placed_and_explained(old, new, place, said):
    assert GOOD.count(old) >= 1
    with pytest.raises(SourcesError) as caught:
        parse_sources(GOOD.replace(old, new, 1))
    message = str(caught.value)
    assert place in message
    assert said in message
    assert "docs/sources.md" in message


@pytest.mark.parametrize(
    ("feed", "key", "lacking"),
    [
        ("consent_events", ["customer_id", "purpose"], "without action, occurred_at a later row"),
        ("consent_events", ["action", "occurred_at", "purpose"], "without customer_id"),
        ("consent_events", ["customer_id", "action", "occurred_at"], "without purpose"),
        ("rights_requests", ["request_id"], "without customer_id"),
        ("rights_requests", ["customer_id", "type"], "without request_id"),
        ("rights_requests", ["customer_id", "request_id"], "without type"),
    ],
)
def test_no_key_lets_one_word_take_the_place_of_another(tmp_path, feed, key, lacking):
    with pytest.raises(SourcesError, match=rf"feeds\.{feed}\.natural_key.*{lacking}"):
        sources_in(tmp_path, **{feed: declared(feed, natural_key=key)})
    longer = declared(
        feed, natural_key=[*{*key, *CONTRACTS[feed].told_apart_by} - {"signal", "given_by"}]
    )
    sources_in(tmp_path, **{feed: longer})


def test_all_mistakes_come_at_once():
    with pytest.raises(SourcesError) as caught:
        parse_sources(GOOD.replace("value: paid", "valu: paid").replace("Europe", "Mars"))
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("feed", "why"), [("consent_events", "nothing may be processed"), ("transactions", "segment")]
)
def test_a_required_feed_may_not_be_missing(tmp_path, feed, why):
    others = {"transactions", "consent_events"} - {feed}
    text = json.dumps({"version": 1, "feeds": {name: declared(name) for name in others}})
    with pytest.raises(SourcesError, match=f"'{feed}' is missing(.|\n)*{why}"):
        parse_sources(text)


@pytest.mark.parametrize("text", ["", "- 1", "a: [", "\x00", "version: 1"])
def test_no_sources_file_at_all(text):
    with pytest.raises(SourcesError):
        parse_sources(text)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(SourcesError, match="does not exist"):
        load_sources(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("label: é".encode("latin-1"))
    with pytest.raises(SourcesError, match="UTF-8"):
        load_sources(tmp_path / "latin.yaml")
    with pytest.raises(SourcesError, match="can't be read"):
        load_sources(tmp_path)


def test_the_clock_is_for_demos_only(monkeypatch):
    for name in ("ASSENT_NOW", "ASSENT_PRODUCTION"):
        monkeypatch.delenv(name, raising=False)
    sources = parse_sources(f"clock: '2018-01-01T05:00:00Z'\n{GOOD}")
    assert sources.now() == datetime(2018, 1, 1, 5, tzinfo=UTC)
    monkeypatch.setenv("ASSENT_NOW", "2019-01-01T00:00:00Z")
    assert sources.now() == datetime(2019, 1, 1, tzinfo=UTC)
    monkeypatch.setenv("ASSENT_PRODUCTION", "1")
    with pytest.raises(UsageError, match="production"):
        sources.now()
    with pytest.raises(UsageError, match="production"):
        parse_sources(GOOD).now()
    monkeypatch.delenv("ASSENT_NOW")
    assert parse_sources(GOOD).now() > datetime(2019, 1, 1, tzinfo=UTC)


def test_a_clock_without_zone_is_refused():
    for clock in ("2018-01-01T05:00:00Z", "'2018-01-01T05:00:00'"):
        with pytest.raises(SourcesError, match="clock"):
            parse_sources(f"clock: {clock}\n{GOOD}")


def test_the_shipped_files_agree_with_their_policies():
    for folder in ("", "examples/cdnow/"):
        policy = load_policy(PROJECT / f"{folder}policy.yaml")
        assert load_sources(PROJECT / f"{folder}sources.yaml", policy).label


def test_an_attribute_that_the_policy_does_not_list_is_a_gap():
    less = {k: v for k, v in POLICY.attributes.items() if k != "value"}
    with pytest.raises(PolicyGapError, match=r"feeds\.transactions\.columns\.value"):
        require_agreement(parse_sources(GOOD), POLICY.model_copy(update={"attributes": less}))


@pytest.mark.parametrize(
    ("name", "class_", "said"),
    [("value", "direct_identifier", "in clear"), ("customer_id", "behaviour", "doesn't call")],
)
def test_identifiers_agree_with_the_policy_both_ways(name, class_, said):
    changed = POLICY.attributes[name].model_copy(update={"class_": class_})
    policy = POLICY.model_copy(update={"attributes": {**POLICY.attributes, name: changed}})
    with pytest.raises(UsageError, match=said):
        require_agreement(parse_sources(GOOD), policy)


def test_every_connector_key_is_known_to_the_model():
    known = set(type(parse_sources(GOOD).feeds["transactions"]).model_fields)
    assert {key for keys in CONNECTOR_KEYS.values() for key in keys} <= known


def test_watched_files_change_when_a_file_does(tmp_path):
    fill(tmp_path)
    sources = sources_in(tmp_path)
    before = watched_files(sources)
    assert len(before) == 2
    assert str(tmp_path) not in "".join(before)
    (tmp_path / "transactions.csv").write_text("changed")
    assert watched_files(sources) != before
    fill(tmp_path / "elsewhere")
    assert len(watched_files(sources)) == 2


def test_a_last_double_star_matches_files_at_any_depth(tmp_path):
    fill(tmp_path / "sales" / "2024")
    feed = sources_in(tmp_path, transactions=declared("transactions", paths=["sales/**"])).feeds
    found = matching_files(feed["transactions"], tmp_path)
    assert {path.name for path in found} == {"transactions.csv", "consent_events.csv"}
