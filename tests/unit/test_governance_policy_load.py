"""Reading a policy file: faults of YAML and of shape, all at once; the hash."""

import os
import re

import pytest

from governance.policy.load import load_policy, parse_policy, policy_hash
from governance.policy.problems import PolicyError
from tests.fixtures.governance_policy import FILE, SMALL, error_of, faults_at_mark, poisoned
from warehouse.errors import UsageError
from warehouse.home import PROJECT


def only_fault(old: str, new: str) -> tuple[str, str]:
    """Return the key, and what with its remedy, of the one fault at the mark."""
    (problem,) = faults_at_mark(old, new)
    return problem.key, f"{problem.what} -> {problem.mend}"


def test_an_unknown_key_suggests_the_nearest():
    key, said = only_fault("smallest_segment: 50", "smallest_segment: 50\n  ^smalest_segment: 5")
    assert key == "thresholds.smalest_segment"
    assert said.startswith("unknown key 'smalest_segment' -> did you mean 'smallest_segment'?")
    assert "the keys here are: completeness, freshness_days, smallest_segment, release_" in said


def test_an_unknown_key_without_a_neighbour_lists_what_is_known():
    key, said = only_fault("refit_days: 28}", "refit_days: 28, ^xyz: 1}")
    assert key == "segmentation.xyz"
    assert said == (
        "unknown key 'xyz' -> remove it; the keys here are: segments, refit_days, aggregates_days"
    )


def test_a_comma_without_quotes_is_explained():
    key, said = only_fault("description: Prints the offers,", "description: Prints, ^and posts,")
    assert key == "recipients.printer.and posts"
    assert "a text with a comma, inside of { }, has to stand in quotes" in said


def test_a_missing_key_is_reported_at_its_block():
    old = "  offers:\n    description: Choose offers\n    notice_version: 3\n"
    key, said = only_fault(old, "  ^offers:\n    description: Choose offers\n")
    assert key == "purposes.offers.notice_version"
    assert said == (
        "the key 'notice_version' is missing -> add it: whole number (at least 1): "
        "The oldest version of the notice whose consent still counts"
    )


SHAPES = [
    ("retention_days: 402", "^retention_days: '402'",
     "purposes.segmentation.attributes.occurred_at.retention_days",
     "expected whole number (at least 1 and at most 36525), found text -> write whole number"),
    ("retention_days: 402", "^retention_days: 0",
     "purposes.segmentation.attributes.occurred_at.retention_days",
     "expected whole number (at least 1 and at most 36525), found 0"),
    ("consent_covers_earlier_data: false", "^consent_covers_earlier_data: yes",
     "purposes.offers.consent_covers_earlier_data", "expected true or false, found text"),
    ("      category: {form: raw", "      category: {^form: rawe",
     "purposes.offers.attributes.category.form",
     "'rawe' can't stand here -> did you mean 'raw'? otherwise use one of raw, banded, aggregated"),
    ("bands: [35, 55]", "bands: [35, ^x]",
     "purposes.bias_monitoring.attributes.age_years.bands[1]", "expected number, found text"),
    ("bands: [35, 55]", "^bands: 35", "purposes.bias_monitoring.attributes.age_years.bands",
     "expected list of: number or mapping of names to: list of: text, found a whole number"),
    ("more: ['2', '3+']", "more: [^2, '3+']",
     "purposes.offers.attributes.household_size.bands.more[0]",
     "expected text, found a whole number -> put it in quotes"),
    ("  offers:\n", "  ^Offers Too:\n", "purposes.Offers Too",
     "the name can't be used -> use lower-case letters, digits and _"),
    ("segments: [3, 8]", "^segments: [3]", "segmentation.segments",
     "expected [whole number (at least 2), whole number (at least 2)], found a list of 1"),
    ("segments: [3, 8]", "^segments: [3, 8, 9]", "segmentation.segments", "found a list of 3"),
    ("until: 2027-01-31", "^until: '2027-01-31'", "overrides[0].until",
     "expected date (YYYY-MM-DD, without quotes), found text"),
    ("until: 2027-01-31", "until: ^2027-02-31", "overrides[0].until",
     "no such date or number -> correct it, or put text in quotes"),
    ("rule: bias.segmentation.age_band", "^rule: ''", "overrides[0].rule",
     "expected text, found text (empty)"),
    ("coverage: 0.2", "^coverage: .nan", "thresholds.bias.coverage", "found nan"),
    ("coverage: 0.2", "^coverage:", "thresholds.bias.coverage", "found nothing"),
    ("coverage: 0.2", "^coverage: true", "thresholds.bias.coverage", "found true or false"),
    ("version: 1\ncontroller", "^version: 2\ncontroller", "version",
     "expected 1, found 2"),
    ("stored_in: [US]", "^stored_in: []", "controller.stored_in", "found a list (empty)"),
    ("privacy@example.com, country: US", "privacy@example.com, ^country: usa",
     "controller.country", "expected two capital letters, found text"),
    ("answer: 45 days", "^answer: 45", "regimes.ccpa.requests.answer",
     "expected period (such as 1 month, 45 days, 10 business days), found a whole number"),
    ("answer: 45 days", "^answer: 6 weeks", "regimes.ccpa.requests.answer", "expected period"),
    ("answer: 45 days", "^answer: 0 days", "regimes.ccpa.requests.answer", "expected period"),
    ("by_type: {limit: {answer:", "by_type: {limit: {^answr:",
     "regimes.ccpa.requests.by_type.limit.answr", "did you mean 'answer'?"),
    ("holidays: US-CA", "^holidays: California", "regimes.ccpa.requests.holidays",
     "expected country or subdivision (such as DE, US-CA), found text"),
    ("  drift: 0.25", "  drift: 0.25\n  ^completeness: 0.5", "thresholds.completeness",
     "the key stands twice; first in line 94 -> leave one of them"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "key", "said"), SHAPES)
def test_a_fault_of_shape_names_place_and_remedy(old, new, key, said):
    found = [f"{p.what} -> {p.mend}" for p in faults_at_mark(old, new) if p.key == key]
    assert any(said in text for text in found), found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("drift: 0.25", "? [a]\n  : 1\n  drift: 0.25", "a key has to be text"),
        ("drift: 0.25", "1: 1\n  drift: 0.25", "a key has to be text -> put it in quotes"),
        ("drift: 0.25", "drift: !!python/name:os.system 1", "a tag (!) isn't allowed"),
        ("[US-CA]", "!mine [US-CA]", "a tag (!) isn't allowed -> remove it"),
        (
            "{gdpr: consent,  ccpa: consent}", "{gdpr: &x consent, ccpa: *x}",
            "the value is repeated by an alias (*) -> write it out",
        ),
        ("[US-CA]", "&x [*x]", "the value is repeated by an alias (*)"),
    ],
)  # fmt: skip
def test_what_yaml_allows_and_a_policy_does_not(old, new, said):
    problems = error_of(poisoned(old, new)).problems
    assert any(said in f"{p.what} -> {p.mend}" for p in problems), problems


def test_a_tab_is_named():
    (problem,) = error_of("version: 1\ncontroller:\n\tname: x\n").problems
    assert (problem.line, problem.column, problem.what) == (3, 1, "a tab")
    assert problem.mend == "indent with spaces"


def test_bad_yaml_names_the_line_and_quotes_nothing():
    error = error_of("version: 1\ncontroller: {name: Jane\nregimes: ]\n")
    (problem,) = error.problems
    assert problem.line == 3
    assert problem.mend == "check indentation, colons, brackets and quotes"
    assert "Jane" not in str(error)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("a: \x07", "holds characters that YAML forbids"),
        pytest.param("[" * 1000, "is nested too deeply", id="nested"),
        ("a: 1\n---\nb: 2\n", "another document"),
        ("just text", "expected block, found text"),
        ("- 1\n", "expected block, found a list"),
        ("a: " + "9" * 5000, "no such date or number"),
    ],
)
def test_what_is_no_policy_at_all(text, said):
    assert said in str(error_of(text))


def test_all_faults_are_reported_at_once_in_the_order_of_the_file():
    text = SMALL
    for old, new in (
        ("time_zone: Europe/Berlin", "time_zone: Mars/Olympus"),  # a check
        ("consent_valid_days: 365", "consent_valid_day: 365"),  # an unknown and a missing key
        ("      category: {form: raw,", "      email: {form: raw,"),  # two checks in the same block
        ("coverage: 0.2", "coverage: 2"),  # a bound
        ("  drift: 0.25", "  drift: 0.25\n  drift: 0.5"),  # a duplicate
    ):
        text = poisoned(old, new, text)
    error = error_of(text)
    assert [(p.line, p.key) for p in error.problems] == [
        (5, "time_zone"),
        (44, "purposes.offers.consent_valid_days"),
        (47, "purposes.offers.consent_valid_day"),
        (56, "purposes.offers.attributes.email"),
        (56, "purposes.offers.attributes.email"),
        (59, "purposes.offers.columns.favourite_category[0]"),
        (102, "thresholds.bias.coverage"),
        (104, "thresholds.drift"),
    ]
    assert "the policy policy.yaml has 8 errors" in str(error)
    assert re.search(
        r"\n  line 44, column 3: purposes\.offers\.consent_valid_days: .*\n    -> ", str(error)
    )
    assert isinstance(error, UsageError)
    assert error.exit_status == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist\n  -> set ASSENT_POLICY to the file, or restore it"),
        (b"\xff\xfe\x00a", "isn't UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, content, said):
    file = tmp_path / "policy.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PolicyError) as caught:
        load_policy(file)
    assert said in str(caught.value)


def test_a_folder_is_no_policy(tmp_path):
    with pytest.raises(PolicyError, match="can't be read"):
        load_policy(tmp_path)


def test_the_policy_in_force_is_named_by_the_environment(monkeypatch):
    monkeypatch.setitem(os.environ, "ASSENT_POLICY", str(FILE))
    assert load_policy() == parse_policy(SMALL)
    assert policy_hash() == policy_hash(FILE) == policy_hash(parse_policy(SMALL))


def test_a_byte_order_mark_is_no_fault(tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert load_policy(file) == parse_policy(SMALL)


def test_a_policy_does_not_change_once_read():
    policy = parse_policy(SMALL)
    with pytest.raises(ValueError, match="frozen"):
        policy.time_zone = "UTC"


def test_the_hash_covers_what_is_said_and_not_how():
    digest = policy_hash(parse_policy(SMALL))
    assert re.fullmatch("[0-9a-f]{64}", digest)
    said_otherwise = poisoned(
        "segmentation: {segments: [3, 8], refit_days: 28}",
        "segmentation:   # a comment\n    refit_days: 28\n    segments:\n    - 3\n    - 8",
    )
    assert policy_hash(parse_policy(said_otherwise)) == digest
    stated_default = poisoned(
        "    notice_version: 4\n", "    notice_version: 4\n    snapshots: 1\n"
    )
    assert policy_hash(parse_policy(stated_default)) == digest
    assert policy_hash(parse_policy(poisoned("drift: 0.25", "drift: 0.250"))) == digest
    assert policy_hash(parse_policy(poisoned("drift: 0.25", "drift: 0.26"))) != digest


def test_a_regime_without_times_answers_in_one_month_and_extends_nothing():
    requests = parse_policy(SMALL).regimes["gdpr"].requests
    assert (requests.acknowledge, requests.answer, requests.extension) == (None, "1 month", None)
    assert (requests.by_type, requests.ends_on_working_day, requests.holidays) == ({}, False, None)
    assert parse_policy(SMALL).thresholds.request_warning_days == 7


def test_the_opt_out_example_differs_by_its_bases_only():
    shipped = load_policy(PROJECT / "policy.yaml").model_dump(by_alias=True)
    example = load_policy(PROJECT / "examples/opt_out_policy.yaml").model_dump(by_alias=True)
    opted_out = [
        p for p, block in example["purposes"].items() if "opt_out" in block["basis"].values()
    ]
    assert opted_out == ["segmentation", "personalised_offers", "churn_prevention"]
    for purpose in opted_out:
        assert example["purposes"][purpose]["basis"] == {"gdpr": "consent", "ccpa": "opt_out"}
        example["purposes"][purpose]["basis"] = shipped["purposes"][purpose]["basis"]
    example["regimes"]["ccpa"]["description"] = shipped["regimes"]["ccpa"]["description"]
    assert example == shipped
