"""A request's number that comes again: for the same customer, or for another."""

from datetime import UTC, datetime, timedelta

import pytest

from governance import acts, consent, identity, inbox
from governance.consent_relations import KNOWN_NOW, LANDED
from governance.policy.words import PERMISSION
from governance.release import publish_permission
from governance.rights import erasure, kept, leaving, receipt, rectification
from governance.rights.answered import answered
from governance.rights.erasure import erase
from governance.rights.proofs import proofs_of
from governance.rights.purge import purge
from governance.rights.readmission import readmit
from governance.rights.requests import find, listing
from governance.rights.steps import take_step
from ingest.load import load_feeds
from tests.support.canaries import Search
from tests.support.feeds import (
    NOW,
    UTC_POLICY,
    ask,
    declared,
    event,
    fill,
    must_reconcile,
    sale,
    sources_in,
)
from warehouse import journal
from warehouse.connect import published_store, warehouse_store
from warehouse.errors import UsageError

POLICY = UTC_POLICY
FIRST, AGAIN, LAST = "2024-06-01 09:00:00", "2024-06-20 09:00:00", "2024-06-25 09:00:00"
WORDS = {"ground": "-", "complaint": "-"}


@pytest.fixture(autouse=True)
def somewhere(home, monkeypatch):
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    monkeypatch.setenv("ASSENT_ACTOR", "Canary Clerk")
    monkeypatch.setenv("ASSENT_NOW", NOW.isoformat())


def land(folder, *requests, **more):
    """Land sales and grants of Ann's and Zoe's, and these requests of the feed's."""
    people = ("ann", "zoe")
    fill(
        folder,
        transactions=[sale(customer_id=who) for who in people],
        consent_events=[event(customer_id=who) for who in people],
        rights_requests=requests,
        **more,
    )
    columns = {name: name for name in ("customer_id", "action", "purpose", "occurred_at")}
    sources = sources_in(
        folder,
        consent_events=declared(
            "consent_events", columns=columns | {"notice_version": {"constant": 9}}
        ),
        rights_requests=declared("rights_requests"),
        **{name: declared(name) for name in more},
    )
    load_feeds(sources, POLICY, now=NOW, recorded=(waiting := inbox.waiting()))
    inbox.drop(waiting)
    publish_permission(POLICY)
    must_reconcile()


def say(kind, at, status):
    """Put a word of Ann's request 7 into the inbox."""
    inbox.add("rights_requests", {
        "customer_id": "ann", "request_id": "7", "type": kind, "status": status,
        "received_at": datetime.fromisoformat(at),
    })  # fmt: skip


def permitted():
    """Return who may be segmented: by the warehouse, and by what readers go by."""
    at = NOW.astimezone(UTC).replace(tzinfo=None)
    found = []
    with identity.opened(warehouse_store(read_only=True), published_store(
        PERMISSION, alias="permission"
    )) as connection:  # fmt: skip
        connection.execute("use warehouse")
        inbox.waiting().register(connection)
        for relations in (LANDED, KNOWN_NOW):
            consent.state(connection, POLICY, relations, at=at, known=at, into="state")
            rows = connection.execute(
                "select customer_id from state join vault.subjects using (subject_key)"
                " where permitted and purpose = 'segmentation' order by all"
            ).fetchall()
            found.append([who for (who,) in rows])
    assert found[0] == found[1]
    return found[0]


def stands():
    return [(r.request_id, r.status, str(r.received_at), r.verified) for r in listing()]


@pytest.mark.parametrize("kind", ["objection", "erasure", "restriction"])
def test_a_number_that_comes_anew_after_its_refusal_is_a_request_anew(tmp_path, kind):
    """Until then it is the same request, however often it is delivered."""
    said = {**WORDS, "told": "by letter"} if kind == "restriction" else WORDS
    land(tmp_path, ("ann", "7", kind, FIRST, "open"))
    assert permitted() == ["zoe"]
    take_step(POLICY, "7", "verified", method="-")
    take_step(POLICY, "7", "refused", **said)
    land(tmp_path, ("ann", "7", kind, FIRST, "open"))
    assert permitted() == ["ann", "zoe"]
    assert stands() == [("7", "refused", FIRST, True)]
    land(tmp_path, ("ann", "7", kind, AGAIN, "open"))
    assert permitted() == ["zoe"]
    assert stands() == [("7", "open", AGAIN, False)]  # nobody has verified who asks now
    take_step(POLICY, "7", "refused", **said)
    land(tmp_path, ("ann", "7", kind, AGAIN, "open"))
    assert permitted() == ["ann", "zoe"]
    assert stands() == [("7", "refused", AGAIN, True)]


def test_one_that_comes_anew_before_its_refusal_has_landed_counts_too(tmp_path):
    land(tmp_path, ("ann", "7", "objection", FIRST, "open"))
    take_step(POLICY, "7", "refused", **WORDS)
    land(tmp_path, ("ann", "7", "objection", AGAIN, "open"))
    assert permitted() == ["zoe"]


@pytest.mark.parametrize("landed", [False, True])  # the end, before the number comes anew
def test_who_was_verified_before_the_feed_ended_it_isnt_verified_for_one_anew(
    tmp_path, monkeypatch, landed
):
    """Nobody took a step that ended it."""
    land(tmp_path, ("ann", "7", "erasure", FIRST, "open"))
    monkeypatch.setenv("ASSENT_NOW", "2024-06-05T12:00:00Z")
    take_step(POLICY, "7", "verified", method="-")
    monkeypatch.setenv("ASSENT_NOW", NOW.isoformat())
    if landed:
        land(tmp_path, ("ann", "7", "erasure", "2024-06-10 09:00:00", "withdrawn"))
        assert [(status, verified) for _, status, _, verified in stands()] == [("withdrawn", True)]
    else:
        say("erasure", "2024-06-10 09:00:00", "withdrawn")
    land(tmp_path, ("ann", "7", "erasure", AGAIN, "open"))
    assert stands() == [("7", "open", AGAIN, False)]
    with pytest.raises(UsageError, match="nobody has verified"):
        erase([find("7")])
    take_step(POLICY, "7", "verified", method="-")
    assert stands() == [("7", "open", AGAIN, True)]


def test_who_was_verified_before_an_erasure_isnt_for_one_after_the_return(tmp_path):
    """Of the request that erased them no word has landed any more."""
    land(tmp_path, ("ann", "7", "erasure", FIRST, "open"))
    take_step(POLICY, "7", "verified", method="-")
    erase([find("7")])
    readmit("ann", evidence="-", since=NOW.replace(tzinfo=None))
    again = f"{NOW + timedelta(minutes=1):%Y-%m-%d %H:%M:%S}"
    land(tmp_path, ("ann", "7", "erasure", FIRST, "open"), ("ann", "7", "erasure", again, "open"))
    assert stands() == [("7", "open", again, False)]


def since(column):
    """Return since when something stands against Ann, by what is published."""
    with identity.opened(published_store(PERMISSION, alias="permission")) as connection:
        rows = connection.execute(
            f"select {column}::varchar from permission.subjects join vault.subjects"
            " using (subject_key) where customer_id = 'ann'"
        ).fetchall()
    return [moment for (moment,) in rows]


@pytest.mark.parametrize(
    ("kind", "before", "column", "stood"),
    [
        ("restriction", "fulfilled", "held_since", FIRST),
        ("restriction", "lifted", "held_since", AGAIN),
        # Nobody can refuse an objection to direct marketing.
        ("objection", "refused", "marketing_objected_since", FIRST),
        ("objection", "withdrawn", "marketing_objected_since", AGAIN),
    ],
)
def test_one_that_comes_anew_goes_on_standing_if_nothing_ended_that(
    tmp_path, kind, before, column, stood
):
    say(kind, FIRST, before)
    land(tmp_path, ("ann", "7", kind, AGAIN, "open"))
    assert since(column) == [stood]
    assert stands() == [("7", "open", AGAIN, False)]


def test_one_that_is_granted_bit_by_bit_was_received_when_it_came(tmp_path):
    say("restriction", "2024-06-10 09:00:00", "partial")
    land(tmp_path, ("ann", "7", "restriction", FIRST, "open"))
    say("restriction", AGAIN, "fulfilled")
    assert stands() == [("7", "fulfilled", FIRST, False)]


def test_one_told_twice_is_refused_once(tmp_path):
    """By the feed and by the inbox, at two moments: the refusal is of both."""
    say("objection", AGAIN, "open")
    land(tmp_path, ("ann", "7", "objection", FIRST, "open"))
    assert stands() == [("7", "open", FIRST, False)]
    take_step(POLICY, "7", "refused", **WORDS)
    land(tmp_path, ("ann", "7", "objection", FIRST, "open"))
    assert permitted() == ["ann", "zoe"]


def test_anothers_number_is_anothers_request(tmp_path):
    """Refused to one of them, it holds the other; neither is shown what is of the other."""
    land(tmp_path, ("ann", "7", "erasure", FIRST, "open"), ("zoe", "7", "erasure", FIRST, "open"))
    take_step(POLICY, "7", "refused", customer_id="zoe", **WORDS)
    take_step(POLICY, "7", "verified", customer_id="ann", method="-")
    land(tmp_path, ("ann", "7", "erasure", FIRST, "open"), ("zoe", "7", "erasure", FIRST, "open"))
    assert permitted() == ["zoe"]
    (receipt,) = erase([find("7", "ann")])
    assert [r.status for r in listing()] == ["refused"]
    for act in (lambda: answered(POLICY, "7"), lambda: find("7")):  # the other's goes on standing
        with pytest.raises(UsageError, match="2 requests have that number"):
            act()
    ann, zoe = (answered(POLICY, "7", who) for who in ("ann", "zoe"))
    assert (ann.request, ann.receipt) == (None, receipt)
    assert [step["step"] for step in ann.steps] == ["verified", "fulfilled"]
    assert (zoe.request and zoe.request.status, zoe.receipt) == ("refused", None)
    assert [step["step"] for step in zoe.steps] == ["refused"]
    with pytest.raises(UsageError, match="no such request"):
        answered(POLICY, "8")
    assert not ask("select 1 from landing.quarantine")


def test_of_several_types_under_a_number_the_one_is_meant_that_hasnt_ended(tmp_path):
    """As docs/sources.md has a request end that was filed under a wrong type."""
    filed, wrong = ("ann", "7", "erasure", FIRST, "open"), ("ann", "7", "access", FIRST, "open")
    land(tmp_path, wrong)
    take_step(POLICY, "7", "verified", method="-")
    land(tmp_path, wrong, filed)
    for ambiguous in (find, lambda number: answered(POLICY, number)):
        with pytest.raises(UsageError, match="of several types"):
            ambiguous("7")
    land(tmp_path, wrong, filed, ("ann", "7", "access", AGAIN, "withdrawn"))
    for found in (find("7"), answered(POLICY, "7").request):
        assert (found.type, found.status, found.verified) == ("erasure", "open", False)
    take_step(POLICY, "7", "refused", **WORDS)
    assert find("7").status == "refused"


def test_an_erasure_that_comes_anew_has_a_receipt_of_its_own(tmp_path, monkeypatch):
    """Once its subject has returned; until then there is none of it."""
    for at in (FIRST, AGAIN):
        land(tmp_path, ("ann", "7", "erasure", at, "open"))
        assert answered(POLICY, "7").receipt is None
        take_step(POLICY, "7", "verified", method="-")
        moment = datetime.fromisoformat(at) + timedelta(hours=1)
        monkeypatch.setenv("ASSENT_NOW", f"{moment.isoformat()}Z")
        (told,) = erase([find("7")])
        assert told["erased_at"] == moment.isoformat()
        assert answered(POLICY, "7").receipt == told
        readmit("ann", evidence="contract 2")
        monkeypatch.setenv("ASSENT_NOW", NOW.isoformat())
    steps = [step["step"] for step in answered(POLICY, "7").steps]
    assert steps.count("fulfilled") == 2
    with kept.opened() as connection:
        proofs = proofs_of(connection, "ann")
    # Who returns does so without a word of before.
    assert [(left_by, len(events)) for left_by, events in proofs] == [("7", 1), ("7", 0)]
    land(tmp_path, ("ann", "7", "erasure", LAST, "open"))
    take_step(POLICY, "7", "refused", **WORDS)
    assert answered(POLICY, "7").receipt is None


TELLING = "DSR canary-jane@example.org"  # whatever the company calls it


def killed(doing, home):
    """Let an act be killed at its work; what the journal holds of it names nobody."""
    with pytest.raises(ZeroDivisionError):
        doing()
    (entry,) = home.journal.iterdir()
    assert TELLING not in entry.read_text()


def test_a_number_that_tells_who_asks_is_in_no_record(home, tmp_path, monkeypatch):
    """A request is found by it all the same, and what was killed is finished."""
    people = [(who, "Lee", f"{who}@example.org", "US", "40") for who in ("ann", "zoe")]
    asked = [(who, TELLING, kind, FIRST, "open")
             for who, kind in (("ann", "erasure"), ("zoe", "rectification"))]  # fmt: skip
    misfiled = [("zoe", TELLING, "limit", f"2024-05-01 0{n}:00:00", status)
                for n, status in enumerate(("open", "withdrawn"))]  # fmt: skip
    land(tmp_path, *asked, *misfiled, customers=people)
    for who, *_ in asked:
        take_step(POLICY, TELLING, "verified", customer_id=who, method="-")
    ann, zoe = (find(TELLING, who) for who, *_ in asked)
    with monkeypatch.context() as ending:
        ending.setattr(rectification, "leave_published", lambda *_, **__: 1 / 0)
        killed(lambda: rectification.rectify(POLICY, zoe, {"email": "z@example.org"}), home)
    assert journal.complete(rectification.steps(lambda: POLICY)) == [rectification.KIND]
    with monkeypatch.context() as ending:
        ending.setattr(leaving, "leave", lambda *_: 1 / 0)
        killed(lambda: erase([ann]), home)
    assert journal.complete(erasure.STEPS) == [erasure.KIND]

    told = [answered(POLICY, TELLING, who).receipt for who, *_ in asked]
    assert [found["type"] for found in told] == ["erasure", "rectification"]
    assert all(receipt.holds(found) for found in told)
    ((number,),) = {(found["request_id"],) for found in told}
    assert [number] == [act["requests"][0] for act in acts.recorded() if "requests" in act]
    assert {number} == {act["request_id"] for act in acts.recorded() if "request_id" in act}
    assert find(TELLING, "zoe").number == number != TELLING
    land(tmp_path, customers=people)
    purge(POLICY)
    hits = Search([TELLING]).in_files(home.root)
    # Of whoever isn't erased, where requests are; of who is, in what is kept.
    assert {name.rsplit("/", 1)[-1] for name in hits} == {
        "warehouse.duckdb", "permission.duckdb", "vault.duckdb", "kept",
    }  # fmt: skip
    with kept.opened() as connection:
        for (text,) in connection.execute("select receipt from kept.receipts").fetchall():
            assert TELLING not in text
