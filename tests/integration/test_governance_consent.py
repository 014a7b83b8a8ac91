"""One subject's consent: what decided it, what was known at any date, and what a word may hold."""

import csv
from datetime import datetime
from typing import Any

import pytest

from governance import consent, inbox
from tests.support.installation import Installation

SAID = "2024-06-10 09:00:00"
BEFORE, AFTER = "2024-06-09", "2024-06-10"


@pytest.fixture(scope="module")
def small_one(small, tmp_path_factory) -> Installation:
    """Return one in which nobody says anything, only looks."""
    return small.copy(tmp_path_factory.mktemp("consent") / "home")


@pytest.fixture
def one(small_one, tmp_path) -> Installation:
    return small_one.copy(tmp_path / "home")


@pytest.fixture(scope="module")
def people(small_one) -> dict[str, str]:
    """Return the regimes of some who may be segmented since long, of each regime at least two."""
    found: dict[str, str] = {}
    for member in sorted(small_one.members()):
        states = shown(small_one, member, "--as-of", "2024-05-31")
        if states["segmentation"]["permitted"] and states["bias_monitoring"]["event"] is None:
            found[member] = states["segmentation"]["regime"]
        if all(list(found.values()).count(regime) >= 2 for regime in ("gdpr", "ccpa")):
            return found
    raise AssertionError("too few have agreed that early")


@pytest.fixture(scope="module")
def who(people) -> str:
    return min(people)


@pytest.fixture(scope="module")
def told(small_one, people, tmp_path_factory) -> dict[bool, dict[str, Any]]:
    """What is shown of four who have said something, before that has landed and after."""
    one = small_one.copy(tmp_path_factory.mktemp("told") / "home")
    signalled, left, gone, objected = list(people)[:4]
    record(one, signalled, "objected", "--channel", "web", "--signal", "TCF ")
    record(one, left, "withdrawn", "--purpose", "segmentation", "--occurred-at", SAID)
    ask(one, gone, "r-1", "erasure", datetime(2024, 6, 10, 16))
    record(one, objected, "granted", "--purpose", "personalised_offers", "--notice-version", "2")
    granted = shown(one, objected)["personalised_offers"]
    ask(one, objected, "r-2", "objection", datetime(2024, 6, 10, 16))
    refusal = one.assent(
        "rights", "refuse", "r-2", "--ground", "needed", "--complaint", "authority"
    )
    assert refusal.status == 0, refusal.said

    def look():
        then, later = ("--as-of", AFTER), ("--known-at", "2024-12-31")
        earlier = ("--known-at", "2024-12-30")
        dates = {
            "left": (left, then, (*then, *earlier), (*then, *later),
                     ("--as-of", BEFORE, *later)),
            "gone": (gone, (), then, ("--as-of", BEFORE),
                     ("--as-of", BEFORE, "--known-at", AFTER)),
            "signalled": (signalled, ()),
        }  # fmt: skip
        return {
            name: [shown(one, subject, *asked)["segmentation"] for asked in every]
            for name, (subject, *every) in dates.items()
        }

    before = look()
    land(one)
    after = look() | {"granted": granted, "refusal": refusal, "objected": shown(one, objected)}
    return {False: before, True: after}


def shown(one, who, *arguments, **variables):
    done = one.assent("consent", "show", who, "--json", *arguments, **variables)
    assert done.status == 0, done.said
    return {state["purpose"]: state for state in done.json}


def record(one, who, *arguments):
    done = one.assent("consent", "record", who, *arguments, "--json")
    assert done.status == 0, done.said
    return done


def ask(one, who, number, kind, at):
    """Put a request into the inbox."""
    with one.entered():
        inbox.add("rights_requests", {
            "customer_id": who, "request_id": number, "type": kind, "received_at": at,
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


def test_an_event_is_the_same_before_and_after_it_has_landed(told):
    (before,) = told[False]["signalled"]
    assert before["event"]["signal"] == "tcf"
    assert told[True]["signalled"] == [before]


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


@pytest.mark.parametrize("landed", [False, True])
def test_what_was_true_and_what_was_known_are_told_apart(told, landed):
    """An export of last March is justified with what was known in March."""
    then, known_then, now, earlier = told[landed]["left"]
    assert then["permitted"]
    assert then["event"]["action"] == "granted"
    assert known_then == then
    assert (now["permitted"], now["rule"]) == (False, consent.WITHDRAWN)
    assert earlier["permitted"]


@pytest.mark.parametrize("landed", [False, True])
def test_a_request_holds_from_when_it_was_received(told, landed):
    now, then, before, known = told[landed]["gone"]
    assert now["rule"] == then["rule"] == consent.HELD
    assert before["permitted"]
    assert known["rule"] == consent.HELD


def test_an_objection_to_direct_marketing_outlasts_its_refusal(told):
    seen = told[True]
    assert seen["granted"]["permitted"]
    assert "Art. 21(3)" in seen["refusal"].out
    segmentation, offers = (
        seen["objected"][name] for name in ("segmentation", "personalised_offers")
    )
    assert segmentation["permitted"], "the refusal frees what the objection restricted"
    assert (offers["permitted"], offers["rule"]) == (False, consent.NO_MARKETING)


@pytest.mark.slow
def test_nobody_is_asked_to_opt_in_soon_after_an_opt_out(one, people, tmp_path):
    californian = next(who for who, regime in people.items() if regime == "ccpa")
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
    known = ("--known-at", "2024-12-31")
    for day, signals in (("2024-07-15", 0), ("2024-08-01", 1)):
        found = shown(one, californian, "--as-of", day, *known)["personalised_offers"]
        assert (found["permitted"], found["overruled"]) == (True, signals)
    other = next(who for who, regime in people.items() if regime == "ccpa" and who != californian)
    # Whoever withdraws a consent to be sold or shared has opted out of it.
    record(one, other, "withdrawn", "--purpose", "personalised_offers", "--occurred-at", SAID)
    for landed in (False, True):  # what waits in the inbox is among it
        if landed:
            land(one)
        done = one.assent("consent", "conflicts", "--to", str(tmp_path / f"{landed}.csv"),
                          "--unencrypted", "--json")  # fmt: skip
        assert done.status == 0, done.said
        written = (tmp_path / f"{landed}.csv").read_text()
        rows = [row for row in csv.DictReader(written.splitlines())
                if row["customer_id"] in (californian, other)]  # fmt: skip
        until, offers_ = "2025-06-10 09:00:00", "personalised_offers"
        assert [(row["customer_id"] == other, *list(row.values())[1:]) for row in sorted(
            rows, key=lambda row: (row["customer_id"] == other, row["kind"]))
        ] == [
            (False, "opted_in_early", offers_, "2024-07-01 09:00:00.000000", f"{until}.000000"),
            (False, "signal_overruled", offers_, "2024-08-01 09:00:00.000000", ""),
            (True, "not_to_be_asked", offers_, "", f"{until}.000000"),
        ]  # fmt: skip
        assert (
            sum(
                done.json[kind]
                for kind in ("signal_overruled", "opted_in_early", "not_to_be_asked")
            )
            == written.count("\n") - 1
        )
        act = one.acts()[-1]
        assert (act["act"], act["opted_in_early"]) == (
            "consent.conflicts", done.json["opted_in_early"])  # fmt: skip
        assert californian not in str(act) + done.said
    refused = one.assent("consent", "conflicts", "--to", str(tmp_path / "c.json"))
    assert (refused.status, "--public-key" in refused.err) == (2, True)
    # Under gdpr a signal yields to nothing, and nobody is told when to ask.
    european = next(who for who, regime in people.items() if regime == "gdpr")
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
    ],
)
def test_a_word_beyond_the_limits_is_refused(small_one, arguments, said):
    done = small_one.assent("consent", "record", "C000000001", "withdrawn", *arguments)
    assert done.status == 2
    assert said in done.err
    assert "Traceback" not in done.said
    with small_one.entered():
        assert not inbox.waiting().by_feed
