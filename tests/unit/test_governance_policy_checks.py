"""Each check of the policy, on a poisoned file: place, key, fault and remedy.

The poison replaces one text of the small policy by another; `^` stands before the place that the
error has to name.
"""

import pytest

from governance.policy.checks import CHECKS
from governance.policy.load import load_policy, parse_policy
from governance.policy.model import Policy
from tests.fixtures.governance_policy import SMALL, error_of, faults_at_mark, poisoned
from warehouse.home import PROJECT

# name of the check -> what is poisoned, the poison, and what the error has to say
POISONS = {
    "completeness": [
        (
            "    columns:\n      value_total",
            "    completeness: {^visit: 0.5}\n    columns:\n      value_total",
            "purposes.segmentation.completeness.visit", "'segmentation' has no column 'visit'",
            "did you mean 'visits'?",
        )
    ],
    "received": [
        (
            "role: controller, country: US, purposes: [segmentation]}",
            "role: controller, country: US, purposes: [segmentation], receives: [^value]}",
            "recipients.planning.receives[0]", "'value' is no direct identifier", "use one of",
        )
    ],
    "time_zone": [
        (
            "time_zone: Europe/Berlin", "^time_zone: Europe/Berlim",
            "time_zone", "no such time zone", "did you mean 'Europe/Berlin'?",
        ),
        (
            "time_zone: Europe/Berlin", "^time_zone: ../../etc/passwd",
            "time_zone", "no such time zone", "use an IANA name",
        ),
        (
            "time_zone: Europe/Berlin", "^time_zone: Europe",
            "time_zone", "no such time zone", "use an IANA name",
        ),
    ],
    "ages_of_consent": [
        (
            "ages_of_consent: {UK: 13}", "ages_of_consent: {^UKK: 13}",
            "regimes.gdpr.ages_of_consent.UKK", "'UKK' is no jurisdiction of 'gdpr'",
            "did you mean 'UK'?",
        )
    ],
    "jurisdictions": [
        (
            "[US-CA]", "[US-CA, ^UK]", "regimes.ccpa.jurisdictions[1]",
            "the jurisdiction 'UK' is listed twice: under 'gdpr' and 'ccpa'",
            "leave it under the regime that applies",
        ),
        (
            "[US-CA]", "[US-CA, ^uk]", "regimes.ccpa.jurisdictions[1]",
            "under 'gdpr' and 'ccpa'", "leave it under the regime that applies",
        ),
        (
            "[US-CA]", "[US-CA, ^US-CA]", "regimes.ccpa.jurisdictions[1]",
            "under 'ccpa' and 'ccpa'", "leave it",
        ),
    ],
    "unknown_jurisdiction": [
        (
            "unknown_jurisdiction: gdpr", "^unknown_jurisdiction: gdrp", "unknown_jurisdiction",
            "no such regime: 'gdrp'", "did you mean 'gdpr'?",
        ),
        (
            "unknown_jurisdiction: gdpr", "^unknown_jurisdiction: ccpa", "unknown_jurisdiction",
            "may fall under 'gdpr', but for 'segmentation' the basis would be opt_out, not consent",
            "name the regime that asks most",
        )
    ],
    "unknown_age": [
        (
            "unknown_jurisdiction: gdpr", "^unknown_jurisdiction: ccpa", "unknown_jurisdiction",
            "may fall under 'gdpr', where age_of_consent is 16, but 'ccpa' protects children only",
            "name the regime that protects them longest",
        ),
    ],
    "request_types": [
        (
            "by_type: {limit:", "by_type: {^limits:", "regimes.ccpa.requests.by_type.limits",
            "no such type of request: 'limits'", "did you mean 'limit'?",
        ),
        (
            "by_type: {limit:", "by_type: {^opted_out:", "regimes.ccpa.requests.by_type.opted_out",
            "no such type of request: 'opted_out'", "use one of: access, portability",
        ),
    ],
    "calendars": [
        (
            "holidays: US-CA", "^holidays: US-CAL", "regimes.ccpa.requests.holidays",
            "no such calendar: 'US-CAL'", "did you mean 'US-CA'?",
        ),
        (
            "holidays: US-CA", "^holidays: QQ", "regimes.ccpa.requests.holidays",
            "no such calendar: 'QQ'", "use a country, such as DE",
        ),
    ],
    "names": [
        *(
            ("  recipes:\n", f"  ^{name}:\n", f"purposes.{name}", fault, "choose another name")
            for name, fault in (
                ("permission", "the purpose 'permission' is built in"),
                ("custody", "the purpose 'custody' is built in"),
                ("subject", "`subject_key` is a key of landing"),
                ("marts", "the schema marts holds tables of all purposes"),
            )
        ),
        (
            "value_total: [", "^as_of: [", "purposes.segmentation.columns.as_of",
            "the name is taken", "choose another name",
        ),
        (
            "value_total: [", "^offers_key: [", "purposes.segmentation.columns.offers_key",
            "the name is taken", "choose another name",
        ),
    ],
    "listed": [
        (
            "      category: {form: raw", "      ^categroy: {form: raw",
            "purposes.offers.attributes.categroy",
            "a gap: the attribute 'categroy' isn't listed under `attributes`",
            "did you mean 'category'? otherwise list it there with its class",
        ),
    ],
    "identifiers": [
        (
            "      category: {form: raw,", "      ^email: {form: aggregated,",
            "purposes.offers.attributes.email",
            "the direct identifier 'email' is forbidden in a purpose",
            "remove it, and the columns made from it",
        ),
        (
            "basket_id: {form: aggregated,", "basket_id: {^form: raw,",
            "purposes.segmentation.attributes.basket_id.form",
            "the pseudonym 'basket_id' is forbidden in raw form",
            "set form to aggregated, or remove the attribute",
        ),
    ],
    "protected": [
        (
            "      category: {form: raw,", "      ^income: {form: raw,",
            "purposes.offers.attributes.income",
            "the protected attribute 'income' is forbidden outside of 'bias_monitoring'",
            "remove it, and the columns made from it",
        )
    ],
    "bias_purpose": [
        (
            "sale_or_share: false    # bias", "^sale_or_share: true",
            "purposes.bias_monitoring.sale_or_share", "can't have sale_or_share", "set it to false",
        ),
        (
            "direct_marketing: false # bias", "^direct_marketing: true",
            "purposes.bias_monitoring.direct_marketing",
            "can't have direct_marketing", "set it to false",
        ),
    ],
    "special_categories": [
        (
            "      category: {form: raw,", "      ^allergies: {form: raw,",
            "purposes.offers.attributes.allergies",
            "the special category 'allergies' is forbidden: 'offers' isn't flagged sensitive",
            "set sensitive to true and ask for explicit consent (GDPR Art. 9)",
        )
    ],
    "sensitive": [
        (
            "{gdpr: consent,  ccpa: consent}", "{gdpr: consent, ^ccpa: opt_out}",
            "purposes.recipes.basis.ccpa",
            "'recipes' is flagged sensitive: its basis has to be consent",
            "set it to consent, or sensitive to false",
        )
    ],
    "bases": [
        (
            "    basis: {gdpr: consent, ccpa: opt_out}", "    ^basis: {gdpr: consent}",
            "purposes.segmentation.basis", "a gap: no basis for the regime 'ccpa'",
            "add `ccpa: consent`",
        ),
        (
            "{gdpr: consent, ccpa: opt_out}", "{gdpr: consent, ccpa: opt_out, ^cpra: consent}",
            "purposes.segmentation.basis.cpra", "no such regime: 'cpra'", "use one of: gdpr, ccpa",
        ),
    ],
    "gdpr_bases": [
        (
            "{gdpr: consent, ccpa: opt_out}", "{^gdpr: opt_out, ccpa: opt_out}",
            "purposes.segmentation.basis.gdpr", "an opt-out is no legal basis under the GDPR",
            "use consent, legitimate_interest",
        ),
    ],
    "interests": [
        (
            "    basis: {gdpr: consent, ccpa: opt_out}",
            "    ^basis: {gdpr: legitimate_interest, ccpa: opt_out}",
            "purposes.segmentation.basis", "legitimate_interest needs the interest",
            "add `interest:`",
        ),
        (
            "custody: {basis: contract", "custody: {^basis: legitimate_interest",
            "custody.basis", "legitimate_interest needs the interest", "add `interest:`",
        ),
        (
            "evidence: {basis: legal_obligation", "evidence: {^basis: legitimate_interest",
            "evidence.basis", "legitimate_interest needs the interest", "add `interest:`",
        ),
    ],
    "column_attributes": [
        (
            "value_total: [value]", "value_total: [value, ^category]",
            "purposes.segmentation.columns.value_total[1]",
            "the attribute 'category' isn't allowed for 'segmentation'",
            "allow it under purposes.segmentation.attributes, or remove it here",
        ),
        (
            "value_total: [value]", "value_total: [value, ^email]",
            "purposes.segmentation.columns.value_total[1]",
            "the attribute 'email' isn't allowed for 'segmentation'",
            "remove it here: a direct identifier is allowed for no purpose, in no form",
        ),
        (
            "value_total: [value]", "value_total: [value, ^value]",
            "purposes.segmentation.columns.value_total[1]", "'value' is named twice",
            "name it once",
        ),
    ],
    "needed": [
        (
            "      value: {form: aggregated, retention_days: 401}\n",
            "      value: {form: aggregated, retention_days: 401}\n"
            "      ^household_size: {form: raw, retention_days: 9}\n",
            "purposes.segmentation.attributes.household_size",
            "the attribute 'household_size' is allowed, but no column uses it",
            "remove it, or name it under the columns made from it",
        )
    ],
    "bands": [
        (
            "      age_years: {form: banded, retention_days: 800, bands: [35, 55]}",
            "      ^age_years: {form: banded, retention_days: 800}",
            "purposes.bias_monitoring.attributes.age_years", "the form banded needs bands",
            "add `bands:`, cuts such as [35, 55]",
        ),
        (
            "income: {form: raw, retention_days: 801}",
            "income: {form: raw, retention_days: 801, ^bands: [1]}",
            "purposes.bias_monitoring.attributes.income.bands", "the form raw can't have bands",
            "remove them, or set form to banded",
        ),
        (
            "bands: [35, 55]", "bands: [35, ^35]",
            "purposes.bias_monitoring.attributes.age_years.bands[1]", "cuts have to increase",
            "from the lowest to the highest",
        ),
        (
            "bands: {one: ['1'], more: ['2', '3+']}", "bands: {one: ['1'], more: ['2', ^'1']}",
            "purposes.offers.attributes.household_size.bands.more[1]",
            "the value '1' falls in two bands: 'one' and 'more'", "leave it in one",
        ),
        (
            "bands: {one: ['1'], more: ['2', '3+']}", "bands: {one: ['1'], more: ['2', ^'2']}",
            "purposes.offers.attributes.household_size.bands.more[1]",
            "the value '2' is named twice", "leave it in one",
        ),
    ],
    "banded_columns": [
        (
            "household_size_band: [household_size]",
            "^household_size_band: [household_size, category]",
            "purposes.offers.columns.household_size_band",
            "the banded attribute 'household_size' is mixed with others",
            "give it a column of its own",
        )
    ],
    "retention": [
        (
            "retention_days: 401", "^retention_days: 901",
            "purposes.segmentation.attributes.value.retention_days",
            "'value' is kept for 901 days, but custody ends after 900", "set it to 900 or less",
        )
    ],
    "recipients": [
        (
            "purposes: [segmentation]", "purposes: [^segmentatoin]",
            "recipients.planning.purposes[0]", "no such purpose: 'segmentatoin'",
            "did you mean 'segmentation'?",
        ),
        (
            "purposes: [offers]", "purposes: [offers, ^segmentation]",
            "recipients.printer.purposes[1]",
            "a third party can't receive 'segmentation': its sale_or_share is false",
            "set sale_or_share to true, or correct the role",
        ),
    ],
    "public_keys": [
        (
            "country: CA,", "country: CA, ^public_key: age1mistyped,",
            "recipients.printer.public_key", "not an age public key", "copy the whole line",
        )
    ],
    "segments": [
        (
            "segmentation: {segments: [3, 8]", "segmentation: {^segments: [8, 3]",
            "segmentation.segments", "the smallest number, 8, is greater than the largest, 3",
            "write the smallest first",
        )
    ],
    "overrides": [
        (
            "{rule: bias.segmentation.age_band", "{^rule: bias.segmentation.ageband",
            "overrides[0].rule", "no such rule: 'bias.segmentation.ageband'",
            "did you mean 'bias.segmentation.age_band'?",
        ),
        (
            "{rule: bias.segmentation.age_band", "{^rule: permission.segmentation",
            "overrides[0].rule", "a rule of the kind permission can't be overridden",
            "no signature makes it lawful",
        ),
    ],
}  # fmt: skip

CASES = [
    pytest.param(*poison, id=f"{check}-{i}")
    for check, poisons in POISONS.items()
    for i, poison in enumerate(poisons)
]


@pytest.mark.parametrize(("old", "new", "key", "what", "mend"), CASES)
def test_poison_is_found_where_it_stands(old, new, key, what, mend):
    found = [p for p in faults_at_mark(old, new) if p.key == key and what in p.what]
    assert len(found) == 1
    assert mend in found[0].mend


def test_every_check_is_poisoned():
    assert set(POISONS) == {check.find.__name__ for check in CHECKS} | {"overrides"}


def test_permission_reads_listed_attributes_only():
    listed = "  jurisdiction: {class: quasi_identifier, description: Where the subject lives}\n"
    (problem,) = error_of(poisoned(listed, "")).problems
    assert problem.key == "permission.attributes[0]"
    assert (problem.line, problem.column) == (25, 27)
    assert problem.what.startswith("a gap: the attribute 'jurisdiction'")


@pytest.mark.parametrize("flaw", ["age1mistyped", "AGE-SECRET-KEY-1QQQ"])
def test_a_wrong_key_is_never_repeated(flaw):
    said = str(error_of(poisoned("country: CA,", f"country: CA, public_key: {flaw},")))
    assert "public_key" in said
    assert flaw not in said


@pytest.mark.parametrize("place", ["DE", "de-BY", "Norway", " EEA ", "GB", "irl"])
def test_where_the_gdpr_applies_no_opt_out_is_a_basis_whatever_the_regime_is_called(place):
    (problem,) = error_of(poisoned("[US-CA]", f"[US-CA, '{place}']")).problems
    assert problem.key == "purposes.segmentation.basis.ccpa"
    assert "no legal basis under the GDPR, and 'ccpa' is where that applies" in problem.what


@pytest.mark.parametrize("place", ["US-DE", "CH", "Unknown", "Nowhere"])
def test_elsewhere_an_opt_out_may_be_one(place):
    assert parse_policy(poisoned("[US-CA]", f"[US-CA, '{place}']"))


def test_a_real_public_key_is_taken():
    import pyrage

    key = str(pyrage.x25519.Identity.generate().to_public())
    policy = parse_policy(poisoned("country: CA,", f"country: CA, public_key: {key},"))
    assert policy.recipients["printer"].public_key == key


@pytest.mark.parametrize(
    "file",
    ["policy.yaml", "examples/opt_out_policy.yaml", "tests/fixtures/governance_policy.yaml"],
)
def test_clean_policies_load(file):
    assert isinstance(load_policy(PROJECT / file), Policy)


def test_no_policy_exists_that_breaks_a_check():
    data = parse_policy(SMALL).model_dump(by_alias=True)
    data["unknown_jurisdiction"] = "none"
    with pytest.raises(ValueError, match="no such regime: 'none'"):
        Policy.model_validate(data)
