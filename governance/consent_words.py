"""A subject's consent in plain words: what a rule means, and what somebody said.

Belongs here: sentences that a privacy officer and a customer understand alike. Does not belong
here: which rule decides (``governance.consent``), how a page looks (``governance.consent_page``).
"""

from governance import consent
from governance.policy.model import Policy

ACTIONS = {
    "granted": "agreed",
    "opted_in": "opted in",
    "withdrawn": "withdrew",
    "objected": "objected",
    "opted_out": "opted out",
}
EVERYTHING = "all purposes"
SIGNALLED = "sale and sharing"  # what Global Privacy Control speaks of

_WHY = {
    consent.HELD: "a request to erase, object or restrict stands, something that was said can't be"
    " read, or who was erased has returned and no row of customers has come since: until that is"
    " settled, nothing is done",
    consent.TOO_YOUNG: "known to be below the age from which one's own consent counts, and no"
    " parent has agreed",
    consent.LIMITED: "asked to limit the use of sensitive data, which this purpose is about",
    consent.NO_MARKETING: "objected to direct marketing, which nothing overrides (GDPR Art. 21(3))",
    consent.OBJECTED: "objected or opted out; only agreeing to this very purpose again undoes that",
    consent.WITHDRAWN: "withdrew, and has not agreed since",
    consent.NEVER: "has never agreed to it on notice {notice} or a later one",
    consent.EXPIRED: "agreed, but longer than {days} days ago, for which a consent lasts",
    consent.CONSENTED: "agreed on notice {notice} or a later one, not longer than {days} days ago",
    "legitimate_interest": "needs no consent but may be objected to, and no denial stands;"
    " the interest: {interest}",
    "opt_out": "allowed until one opts out, and no denial stands",
    "contract": "the contract needs it, and no denial stands",
    "legal_obligation": "the law demands it, and no denial stands",
}


def why(policy: Policy, purpose: str, rule: str) -> str:
    """Return what a rule of :func:`governance.consent.state_sql` means for a purpose."""
    body = policy.purposes[purpose]
    return _WHY[rule].format(
        notice=body.notice_version,
        days=body.consent_valid_days, interest=body.interest,
    )  # fmt: skip


def said(action: str, purpose: str | None, signal: str | None) -> str:
    """Return what an event said, as ``governance.consent`` has it: ``withdrew: all purposes``."""
    signals = (signal or "").lower() == consent.GPC and action == "opted_out"
    return f"{ACTIONS[action]}: {purpose or (SIGNALLED if signals else EVERYTHING)}"
