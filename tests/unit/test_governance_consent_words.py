"""Every word that a policy, a rule or an event may have has plain words for people."""

from typing import get_args

import pytest

from governance import consent, consent_page, consent_words
from governance.policy.load import load_policy
from governance.policy.words import ACTIONS, Basis, Form, Role
from warehouse.home import PROJECT

POLICY = load_policy(PROJECT / "policy.yaml")
RULES = {consent.HELD, consent.TOO_YOUNG, consent.LIMITED,
         consent.NO_MARKETING, consent.OBJECTED, consent.WITHDRAWN, consent.NEVER,
         consent.EXPIRED, consent.CONSENTED, *get_args(Basis)}  # fmt: skip


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_rule_has_words(rule):
    words = consent_words.why(POLICY, "personalised_offers", rule)
    assert words
    assert "{" not in words


def test_words_name_the_limits_of_the_policy():
    def why(rule: str, purpose: str = "personalised_offers") -> str:
        return consent_words.why(POLICY, purpose, rule)

    assert "notice 2" in why(consent.NEVER)
    assert "365 days" in why(consent.EXPIRED)
    assert "unfair treatment" in why("legitimate_interest", "bias_monitoring")


def test_every_word_of_the_page_is_there():
    assert set(consent_words.ACTIONS) == set(ACTIONS)
    assert set(consent_page.BASES) == set(get_args(Basis))
    assert set(consent_page.ROLES) == set(get_args(Role))
    assert set(consent_page.FORMS) == set(get_args(Form))


def test_a_signal_is_said_to_speak_of_what_it_speaks_of():
    """As `governance.consent` has it: a withdrawal that came with one still covers all."""
    said = consent_words.said
    assert said("opted_out", None, "GPC") == "opted out: sale and sharing"
    assert said("withdrawn", None, "gpc") == "withdrew: all purposes"
    assert said("opted_out", None, None) == "opted out: all purposes"
    assert said("opted_out", "segmentation", "gpc") == "opted out: segmentation"
