"""dbt's own unit tests: they pass on the project, and fail where a rule is broken."""

import shutil
from pathlib import Path

import pytest

from tests.support import dbt

# The cases that the design asks for, and the dbt unit tests that are about each.
NAMED_CASES = {
    "no event under gdpr": ["interval_no_event_under_gdpr"],
    "no event under ccpa": [
        "interval_no_event_under_ccpa_with_an_opt_in_policy",
        "interval_no_event_under_ccpa_with_an_opt_out_policy",
    ],
    "grant": ["event_grant_of_a_purpose", "event_grant_of_everything", "interval_grant"],
    "grant then withdrawal": ["interval_grant_then_withdrawal"],
    "withdrawal then later grant": ["interval_withdrawal_then_later_grant"],
    "same instant": [
        "interval_same_instant", "interval_objection_and_grant_at_the_same_instant",
    ],
    "late-arriving withdrawal": [
        "event_late_withdrawal_as_known_on_a_past_date", "event_late_withdrawal_as_it_was_true",
    ],
    "expired consent": [
        "interval_expired_consent", "permitted_not_where_consent_expired_after_as_of",
    ],
    "consent to an outdated notice": [
        "event_consent_to_an_outdated_notice", "interval_consent_to_an_outdated_notice",
    ],
    "objection": [
        "interval_objection_under_legitimate_interest",
        "interval_general_grant_undoes_no_objection",
        "interval_grant_that_names_the_purpose_undoes_an_objection",
    ],
    "denial without a purpose": ["event_denial_without_a_purpose"],
    "opt-out and GPC": [
        "interval_opt_out_where_the_basis_is_opt_out", "event_global_privacy_control",
    ],
    "unknown jurisdiction": ["subject_unknown_jurisdiction", "interval_unknown_jurisdiction"],
    "minor": ["subject_minor", "interval_minor", "event_consent_of_a_child"],
    "age of consent by country": ["subject_age_of_consent_of_a_country"],
    "opt-in from 13 to 15": ["subject_opt_in_of_an_adolescent"],
    "repeated signal": [
        "event_signal_that_may_yield", "conflict_signal_repeated_after_an_opt_in",
        "conflict_not_by_the_first_signal", "conflict_not_without_naming_the_purpose",
        "conflict_not_after_another_denial", "conflict_not_at_the_same_instant",
        "interval_signal_that_an_opt_in_overrules",
    ],
    "a denial recorded after as_of": ["permitted_not_by_a_denial_recorded_after_as_of"],
    "a past as_of for someone since gone": ["permitted_not_for_someone_since_gone"],
    "a denial with a later date": ["event_denial_with_a_later_date"],
    "a denial recorded after a newer grant": [
        "event_denial_recorded_after_a_newer_grant", "interval_withdrawal_then_later_grant",
    ],
    "earlier data": [
        "permitted_consent_that_does_not_cover_earlier_data", "rows_that_the_consent_covers",
    ],
    "held": [
        "subject_held_by_a_request", "subject_held_by_an_unread_word",
        "subject_held_by_an_unread_age", "subject_held_by_a_number_that_came_anew",
        "permitted_not_while_held",
    ],
    "limit of sensitive data": [
        "subject_limits_sensitive_data",
        "permitted_not_for_what_is_sensitive_where_that_is_limited",
    ],
    "objection to direct marketing": [
        "subject_objection_to_direct_marketing_is_absolute",
        "permitted_not_for_direct_marketing_that_was_objected_to",
    ],
}  # fmt: skip

# What is broken: the file, what stands there, what replaces it, a case that has to fail.
CONSENTED = "models/consented"
BREAKS = {
    "the grant wins": (
        f"{CONSENTED}/int_consent_intervals.sql", "standing.withdrawn_at < standing.granted_at",
        "standing.withdrawn_at <= standing.granted_at", "interval_same_instant",
    ),
    "a denial counts from before it was said": (
        f"{CONSENTED}/int_consent_events.sql", "known.occurred_at as effective_at",
        "least(known.occurred_at, known.recorded_at) as effective_at",
        "event_denial_with_a_later_date",
    ),
    "everything is known": (
        f"{CONSENTED}/int_consent_events.sql", "events.recorded_at <= clocks.known_at", "true",
        "event_late_withdrawal_as_known_on_a_past_date",
    ),
    "requests don't hold": (
        f"{CONSENTED}/int_consent_subjects.sql", "in ('open', 'fulfilled', 'partial')",
        "in ('none')",
        "subject_held_by_a_request",
    ),
    "as_of alone decides": (
        f"{CONSENTED}/int_consent_permitted.sql", "clock('known_at')", "clock('as_of_end')",
        "permitted_not_for_someone_since_gone",
    ),
    "a day too long": (
        "macros/permission.sql", "event_day > {{ as_of() }}", "event_day >= {{ as_of() }}",
        "rows_within_the_retention",
    ),
    "special values stay": (
        "macros/permission.sql", "where attribute = 'category'",
        "where attribute = 'none'",
        "rows_categories_without_special_values",
    ),
    "bands overlap": (
        "macros/policy.sql", "{{ expression }} < {{ band.below }}",
        "{{ expression }} <= {{ band.below }}", "bands_of_numbers",
    ),
    "nobody's discount is none": (
        "macros/features.sql", "max(max(discount)) over () is not null", "true",
        "features_discount_of_nobody",
    ),
    "the window is a day longer": (
        "macros/features.sql", "event_day > {{ reference }} - 56",
        "event_day >= {{ reference }} - 56", "features_of_the_last_eight_weeks",
    ),
}  # fmt: skip
UNTOUCHED = "interval_minor"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dbt.DbtHome:
    """Make a home whose relations exist, empty: unit tests read the types of their columns."""
    home = dbt.made(tmp_path_factory.mktemp("unit_tests") / "home")
    home.built("run", "--empty")
    return home


def outcomes(home: dbt.DbtHome, *names: str) -> dict[str, str]:
    """Run unit tests, by default all; return the status of each by its name."""
    done = home.dbt("test", "--select", *(names or ("test_type:unit",)))
    return {result.node.name: str(result.status) for result in done.result}


@pytest.fixture(scope="module")
def on_the_project(home: dbt.DbtHome) -> dict[str, str]:
    """Run all unit tests on the project as it is."""
    return outcomes(home)


def apart() -> list[list[str]]:
    """Spread the breaks over copies of the project, one of a file in each.

    A case then fails by the break that it is about: none of the others reaches its model.
    """
    copies: list[list[str]] = []
    for name, (file, *_) in BREAKS.items():
        for copy in copies:
            if file not in {BREAKS[other][0] for other in copy}:
                break
        else:
            copies.append(copy := [])
        copy.append(name)
    return copies


def on_a_copy(home: dbt.DbtHome, project: Path, breaks: list[str]) -> dict[str, str]:
    """Break rules in a copy of the project, and run the cases about them and the untouched one."""
    shutil.copytree(dbt.DBT_PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    for name in breaks:
        file, whole, broken, _ = BREAKS[name]
        text = (project / file).read_text(encoding="utf-8")
        assert whole in text, f"{name}: the SQL has changed, write the break anew"
        (project / file).write_text(text.replace(whole, broken), encoding="utf-8")
    cases = (BREAKS[name][-1] for name in breaks)
    return outcomes(dbt.DbtHome(home.root, home.variables, project), *cases, UNTOUCHED)


@pytest.fixture(scope="module")
def on_broken_projects(
    home: dbt.DbtHome, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, str]]:
    """Break every rule of the list, in as few copies of the project as will do."""
    folder = tmp_path_factory.mktemp("broken")
    return [on_a_copy(home, folder / str(number), each) for number, each in enumerate(apart())]


def test_unit_tests_pass(on_the_project: dict[str, str]) -> None:
    assert {name: s for name, s in on_the_project.items() if s != "pass"} == {}


@pytest.mark.parametrize("case", NAMED_CASES)
def test_case_is_covered(on_the_project: dict[str, str], case: str) -> None:
    assert set(NAMED_CASES[case]) <= set(on_the_project)


@pytest.mark.slow
@pytest.mark.parametrize("name", BREAKS)
def test_broken_rule_fails_its_case(on_broken_projects: list[dict[str, str]], name: str) -> None:
    case = BREAKS[name][-1]
    assert [found[case] for found in on_broken_projects if case in found] == ["fail"]


@pytest.mark.slow
def test_untouched_rule_passes_on_broken_projects(on_broken_projects: list[dict[str, str]]) -> None:
    assert {found[UNTOUCHED] for found in on_broken_projects} == {"pass"}
