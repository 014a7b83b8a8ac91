"""One subject's consent: what decided it, what was known at any date, and what a word may hold."""

from datetime import datetime

import pytest

from governance import consent, inbox
from tests.support.installation import Installation, own_feeds

SAID = "2024-06-10 09:00:00"
BEFORE, AFTER = "2024-06-09", "2024-06-10"


@pytest.fixture(scope="module")
def small_one(small, tmp_path_factory) -> Installation:
    folder = tmp_path_factory.mktemp("consent")
    return own_feeds(small.copy(folder / "home"), folder / "feeds")


@pytest.fixture
def one(small_one, tmp_path) -> Installation:
    return small_one.copy(tmp_path / "home")


@pytest.fixture
def who(one) -> str:
    """Return one who may be segmented since long."""
    for member in sorted(one.members()):
        states = shown(one, member, "--as-of", "2024-05-31")
        if states["segmentation"]["permitted"] and states["bias_monitoring"]["event"] is None:
            return member
    raise AssertionError("nobody has agreed that early")


def shown(one, who, *arguments, **variables):
    done = one.assent("consent", "show", who, "--json", *arguments, **variables)
    assert done.status == 0, done.said
    return {state["purpose"]: state for state in done.json}


def record(one, who, *arguments):
    done = one.assent("consent", "record", who, *arguments, "--json")
    assert done.status == 0, done.said
    return done


def ask(one, who, kind, at):
    """Put a request into the inbox."""
    with one.entered():
        inbox.add("rights_requests", {
            "customer_id": who, "request_id": "r-1", "type": kind, "received_at": at,
            "status": "open", "channel": "phone",
        })  # fmt: skip


def land(one):
    done = one.assent("run", "--select", "key:landing/clocks")
    assert done.status == 0, done.said


def test_the_event_that_decided_is_shown_with_what_is_kept_of_it(one, who):
    granted = shown(one, who)["segmentation"]
    assert granted["rule"] == consent.CONSENTED
    assert granted["event"]["action"] == "granted"
    assert granted["event"]["notice_version"] >= 1
    record(
        one, who, "withdrawn", "--purpose", "segmentation", "--occurred-at", "2024-12-30 12:00:00",
        "--method", "call", "--channel", "phone", "--language", "es", "--wording-hash", "ab12",
        "--evidence", "evidence/1",
    )  # fmt: skip
    state = shown(one, who)["segmentation"]
    assert (state["permitted"], state["rule"], state["until"]) == (False, consent.WITHDRAWN, None)
    assert "withdrew" in state["why"]
    event = state["event"]
    assert event.pop("event_id")
    assert event == {
        "action": "withdrawn", "purpose": "segmentation", "occurred_at": "2024-12-30 12:00:00",
        "recorded_at": "2024-12-31 05:00:00", "notice_version": None, "method": "call",
        "channel": "phone", "language": "es", "wording_hash": "ab12",
        "evidence_ref": "evidence/1", "signal": None, "given_by": None,
    }  # fmt: skip
    table = one.assent("consent", "show", who).out
    for words in ("withdrew: segmentation", "2024-12-30 12:00:00", "phone", "no event"):
        assert words in table


def test_an_event_is_the_same_before_and_after_it_has_landed(one, who):
    record(one, who, "objected", "--channel", "web", "--signal", "TCF ")
    before = shown(one, who)["segmentation"]
    assert before["event"]["signal"] == "tcf"
    land(one)
    assert shown(one, who)["segmentation"] == before


def test_a_word_about_all_purposes_says_so(one, who):
    record(one, who, "objected")
    states = shown(one, who)
    assert {s["rule"] for s in states.values()} == {consent.OBJECTED}
    assert {s["event"]["purpose"] for s in states.values()} == {None}
    assert "objected: all purposes" in one.assent("consent", "show", who).out


def test_of_two_at_the_same_instant_the_one_that_names_the_purpose_is_shown(one, who):
    at = ("--occurred-at", "2024-12-30 12:00:00")
    record(one, who, "objected", *at)
    record(one, who, "objected", "--purpose", "segmentation", *at)
    record(one, who, "withdrawn", *at)  # another rule than the one that decides
    states = shown(one, who)
    assert states["segmentation"]["event"]["purpose"] == "segmentation"
    assert states["churn_prevention"]["event"]["purpose"] is None
    assert states["churn_prevention"]["event"]["action"] == "objected"


def test_a_signal_decides_about_sale_and_sharing_only(one, who):
    before = shown(one, who)
    record(one, who, "opted_out", "--signal", "GPC", "--method", "signal", "--channel", "browser")
    states = shown(one, who)
    assert states["personalised_offers"]["event"]["signal"] == "gpc"
    assert states["segmentation"] == before["segmentation"]


def test_without_a_consent_only_what_took_back_a_denial_has_an_event(one, who):
    state = shown(one, who)["bias_monitoring"]
    assert (state["rule"], state["event"]) == ("legitimate_interest", None)
    record(one, who, "objected", "--purpose", "bias_monitoring", "--occurred-at", SAID)
    record(one, who, "granted", "--purpose", "bias_monitoring", "--notice-version", "1")
    state = shown(one, who)["bias_monitoring"]
    assert (state["permitted"], state["event"]["action"]) == (True, "granted")


def test_what_was_true_and_what_was_known_are_told_apart(one, who):
    """An export of last March is justified with what was known in March."""
    record(one, who, "withdrawn", "--purpose", "segmentation", "--occurred-at", SAID)
    for landed in (False, True):
        if landed:
            land(one)
        then = shown(one, who, "--as-of", AFTER)["segmentation"]
        assert then["permitted"]
        assert then["event"]["action"] == "granted"
        assert shown(one, who, "--as-of", AFTER, "--known-at", "2024-12-30")["segmentation"] == then
        now = shown(one, who, "--as-of", AFTER, "--known-at", "2024-12-31")["segmentation"]
        assert (now["permitted"], now["rule"]) == (False, consent.WITHDRAWN)
        assert shown(one, who, "--as-of", BEFORE, "--known-at", "2024-12-31")["segmentation"][
            "permitted"
        ]


def test_a_request_holds_from_when_it_was_received(one, who):
    ask(one, who, "erasure", datetime(2024, 6, 10, 16))
    for landed in (False, True):
        if landed:
            land(one)
        assert shown(one, who)["segmentation"]["rule"] == consent.HELD
        assert shown(one, who, "--as-of", AFTER)["segmentation"]["rule"] == consent.HELD
        assert shown(one, who, "--as-of", BEFORE)["segmentation"]["permitted"]
        known = shown(one, who, "--as-of", BEFORE, "--known-at", AFTER)
        assert known["segmentation"]["rule"] == consent.HELD


def test_an_objection_to_direct_marketing_outlasts_its_refusal(one, who):
    record(one, who, "granted", "--purpose", "personalised_offers", "--notice-version", "2")
    assert shown(one, who)["personalised_offers"]["permitted"]
    ask(one, who, "objection", datetime(2024, 6, 10, 16))
    done = one.assent("rights", "refuse", "r-1", "--ground", "needed", "--complaint", "authority")
    assert done.status == 0, done.said
    assert "Art. 21(3)" in done.out
    land(one)
    states = shown(one, who)
    assert states["segmentation"]["permitted"], "the refusal frees what the objection restricted"
    offers = states["personalised_offers"]
    assert (offers["permitted"], offers["rule"]) == (False, consent.NO_MARKETING)


def test_nobody_is_asked_to_opt_in_soon_after_an_opt_out(one, who):
    californian = next(
        m for m in sorted(one.members()) if shown(one, m)["segmentation"]["regime"] == "ccpa"
    )
    opt_in = ("opted_in", "--purpose", "personalised_offers", "--notice-version", "2")
    offers = lambda: shown(one, californian)["personalised_offers"]  # noqa: E731
    record(one, californian, "opted_out", "--signal", "gpc", "--occurred-at", SAID)
    assert offers()["ask_again_at"] == "2025-06-10 09:00:00"
    done = one.assent("consent", "record", californian, *opt_in)
    assert done.status == 1
    assert "2025-06-10" in done.err
    assert "--unprompted" in done.err
    record(one, californian, *opt_in, "--occurred-at", "2024-07-01 09:00:00", "--unprompted")
    record(one, californian, "opted_out", "--signal", "gpc", "--occurred-at", "2024-08-01 09:00:00")
    found = offers()
    assert (found["permitted"], found["overruled"], found["ask_again_at"]) == (True, 1, None)
    # Under gdpr a signal yields to nothing, and nobody is told when to ask.
    european = next(
        m for m in sorted(one.members()) if shown(one, m)["segmentation"]["regime"] == "gdpr"
    )
    for word in (("opted_out", "--signal", "gpc"), opt_in, ("opted_out", "--signal", "gpc")):
        at = {"opted_in": "2024-07-01"}.get(word[0], "2024-08-01")
        record(one, european, *word, "--occurred-at", f"{at} 09:00:00")
    found = shown(one, european)["personalised_offers"]
    assert (found["permitted"], found["overruled"], found["ask_again_at"]) == (False, 0, None)


@pytest.mark.parametrize("lacking", ["held_since", "limited_since"])
def test_what_an_earlier_version_published_cannot_decide(one, who, lacking, tmp_path):
    from warehouse.connect import connected, published_store

    with one.entered(), connected(published_store("permission", read_only=False)) as connection:
        connection.execute("alter table published.subjects drop column " + lacking)
    for command in (
        ("consent", "show", who),
        ("export", "1", "--purpose", "segmentation", "--recipient", "store_planning",
         "--to", str(tmp_path / "out.csv"), "--unencrypted"),
    ):  # fmt: skip
        done = one.assent(*command)
        assert (done.status, done.out) == (2, "")
        assert "`assent run`" in done.err
    assert one.assent("consent", "record", who, "withdrawn").status == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--channel", "c" * 4001), "the channel is longer than 4000 bytes"),
        (("--language", "é" * 2001), "the language is longer than 4000 bytes"),
        (("--wording-hash", "ab\n12"), "the wording hash holds a character that can't be seen"),
        (("--signal", "g\u200bpc"), "the signal holds a character that can't be seen"),
        (("--channel", "p\udcff"), "the channel isn't valid UTF-8"),
    ],
)
def test_a_word_beyond_the_limits_is_refused(one, arguments, said):
    done = one.assent("consent", "record", "C000000001", "withdrawn", *arguments)
    assert done.status == 2
    assert said in done.err
    assert "Traceback" not in done.said
    with one.entered():
        assert not inbox.waiting().by_feed
