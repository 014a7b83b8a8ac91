"""Which notices are owed: by words that wait or have landed, whatever date they bear.

Ann and Zoe are in an export to the printer on 10 June, for offers, which use sensitive data, and in
one to planning, for segmentation.
"""

import json
from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from governance import handover, inbox
from governance.release import publish_permission
from governance.rights import kept, kept_before
from governance.rights.notices import notices, notify
from governance.rights.recipients import HandedOver, remember
from governance.rights.steps import take_step
from ingest.load import load_feeds
from tests.support.feeds import EVENTS, UTC_POLICY, declared, event, fill, sale, sources_in

OFFERS = "personalised_offers"
OFFERED = UTC_POLICY.purposes[OFFERS].model_copy(update={"sensitive": True})
POLICY = UTC_POLICY.model_copy(update={"purposes": {**UTC_POLICY.purposes, OFFERS: OFFERED}})
EXPORTED = datetime(2024, 6, 10, 12)
EARLIER, LATER = datetime(2024, 6, 1, 9), datetime(2024, 6, 20, 9)
TO = (("printer", OFFERS), ("planning", "segmentation"))


@pytest.fixture(autouse=True)
def exported(home, tmp_path, monkeypatch):
    monkeypatch.setenv("ASSENT_IN_CLEAR", "1")
    monkeypatch.setenv("ASSENT_ACTOR", "Canary Clerk")
    monkeypatch.setenv("ASSENT_NOW", "2024-06-25T12:00:00Z")
    land(tmp_path)
    for recipient, purpose in TO:
        export(recipient, purpose, EXPORTED)


def export(recipient, purpose, at):
    subjects = pa.table({"customer_id": ["ann", "zoe"]})
    remember(subjects, HandedOver("r", recipient, purpose, at, ("customer_id",)))


def land(folder, *words):
    """Land sales, and words of consent after a grant by each of all purposes."""
    fill(
        folder,
        transactions=[sale(customer_id=who) for who in ("ann", "zoe")],
        consent_events=[*(event(customer_id=who, purpose=None) for who in ("ann", "zoe")), *words],
    )
    columns = {name: name for name in EVENTS} | {"notice_version": {"constant": 9}}
    declaration = declared("consent_events", columns=columns)
    sources = sources_in(folder, consent_events=declaration)
    now = datetime.fromisoformat("2024-06-25T12:00:00Z")
    load_feeds(sources, POLICY, now=now, recorded=(waiting := inbox.waiting()))
    inbox.drop(waiting)
    publish_permission(POLICY)


def ask(kind, number="A-1", status="open", at=EARLIER):
    """Put a request of Ann's into the inbox."""
    inbox.add("rights_requests", {
        "customer_id": "ann", "request_id": number, "type": kind, "received_at": at,
        "status": status, "channel": None,
    })  # fmt: skip


def deny(action, purpose, at=LATER, **more):
    """Put a word of Ann's into the inbox."""
    inbox.add("consent_events", {
        "customer_id": "ann", "action": action, "purpose": purpose, "occurred_at": at,
        "recorded_at": at, **more,
    })  # fmt: skip


def owed():
    return sorted((n.kind, n.recipient) for n in notices(POLICY))


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize("kind", ["objection", "restriction"])
def test_a_request_that_bears_an_earlier_date_than_the_export_is_told(tmp_path, kind, landed):
    ask(kind)
    if landed:
        land(tmp_path)
    assert owed() == [(kind, "planning"), (kind, "printer")]


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize("at", [EARLIER, LATER])
def test_a_limit_is_told_to_whom_received_for_a_sensitive_purpose(tmp_path, at, landed):
    ask("limit", at=at)
    if landed:
        land(tmp_path)
    assert owed() == [("limit", "printer")]


@pytest.mark.parametrize("landed", [False, True])
def test_an_opt_out_that_bears_an_earlier_date_is_told_to_whom_it_concerns(tmp_path, landed):
    deny("opted_out", OFFERS, EARLIER)
    if landed:
        land(tmp_path)
    assert owed() == [("opt_out", "printer")]


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize("at", [EARLIER, LATER])
def test_a_refused_objection_is_told_to_whom_receives_for_direct_marketing(tmp_path, at, landed):
    for status in ("open", "refused"):
        ask("objection", status=status, at=at)
    if landed:
        land(tmp_path)
    assert owed() == [("marketing_objection", "printer")]


def test_what_is_left_of_a_refused_objection_waits_since_it_was_refused(tmp_path):
    (out := tmp_path / "out").mkdir()
    ask("objection", at=EARLIER)
    assert told(out, "printer") == ["objection"]
    take_step(POLICY, "A-1", "refused", ground="-", complaint="-")
    waits = {one.kind: (one.since, one.waits_since) for one in notices(POLICY)
             if one.recipient == "printer" and one.state == "waiting"}  # fmt: skip
    assert waits["marketing_objection"] == (EARLIER, datetime(2024, 6, 25, 12))


def test_an_objection_that_was_taken_back_is_told_to_nobody():
    for status in ("open", "refused", "withdrawn"):
        ask("objection", status=status, at=LATER)
    assert owed() == []


def told(folder, recipient):
    notify(POLICY, recipient, folder / f"{recipient}.json", encrypted=False)
    changes = json.loads((folder / f"{recipient}.json").read_text())["changes"]
    assert {json.dumps(change["known_as"]) for change in changes} == {'{"customer_id": "ann"}'}
    return [change["kind"] for change in changes]


@pytest.mark.parametrize("landed", [False, True])
def test_whom_a_restriction_was_told_is_told_that_it_has_ended_and_nobody_else(tmp_path, landed):
    (out := tmp_path / "out").mkdir()
    ask("restriction")
    assert told(out, "printer") == ["restriction"]
    ask("restriction", status="lifted")
    if landed:
        land(tmp_path)
    for _ in range(2):
        assert owed() == [("restriction", "printer"), ("restriction_ended", "printer")]
    (out / "printer.json").unlink()
    assert told(out, "printer") == ["restriction_ended"]
    ask("restriction", "A-2")
    assert [kind for kind, to in owed() if to == "planning"] == ["restriction"]


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize(
    ("kind", "step", "told_of"),
    [
        ("objection", "fulfilled", "objection"),
        ("objection", "refused", "marketing_objection"),
        ("limit", "fulfilled", "limit"),
    ],
)
def test_whom_it_was_told_is_told_that_the_subject_has_taken_back_what_stood(
    tmp_path, kind, step, told_of, landed
):
    (out := tmp_path / "out").mkdir()
    ask(kind, at=LATER)
    take_step(POLICY, "A-1", step, how="-")
    if landed:
        land(tmp_path)
    assert told(out, "printer") == [told_of]
    take_step(POLICY, "A-1", "withdrawn", how="by letter")
    if landed:
        land(tmp_path)
    ended = {(one.request_id, one.kind) for one in notices(POLICY) if one.recipient == "printer"}
    assert ended == {("A-1", told_of), ("A-1", f"{told_of}_ended")}
    (out / "printer.json").unlink()
    assert told(out, "printer") == [f"{told_of}_ended"]


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize(
    ("action", "purpose", "signal", "expected"),
    [
        ("withdrawn", OFFERS, None, ["printer"]),
        ("withdrawn", "churn_prevention", None, []),
        ("withdrawn", None, None, ["planning", "printer"]),
        ("objected", None, None, ["planning", "printer"]),
        # Of sale and sharing: nobody but third parties is told.
        ("opted_out", None, "gpc", ["offers_partner", "printer"]),
        ("opted_out", OFFERS, "GPC", ["offers_partner", "printer"]),
        ("opted_out", OFFERS, None, ["offers_partner", "printer", "store_planning"]),
        ("opted_out", None, None, ["offers_partner", "planning", "printer", "store_planning"]),
    ],
)
def test_who_received_for_the_purpose_is_told_of_a_denial(
    tmp_path, action, purpose, signal, expected, landed
):
    """The printer isn't in the policy any more: it counts as a third party where one is asked."""
    if action == "opted_out":
        export("offers_partner", OFFERS, EXPORTED)
        export("store_planning", "segmentation", EXPORTED)
        export("store_planning", OFFERS, EXPORTED)
    deny(action, purpose, signal=signal)
    if landed:
        land(tmp_path)
    kind = "withdrawal" if action == "withdrawn" else "opt_out"
    assert owed() == [(kind, recipient) for recipient in expected]


def test_what_a_withdrawal_is_of_is_told(tmp_path):
    (out := tmp_path / "out").mkdir()
    deny("withdrawn", OFFERS)
    assert told(out, "printer") == ["withdrawal"]
    (change,) = json.loads((out / "printer.json").read_text())["changes"]
    assert change["purposes"] == [OFFERS]


def test_what_was_handed_over_is_told_again_only_where_nothing_else_waits(tmp_path):
    (out := tmp_path / "out").mkdir()
    ask("restriction")
    assert told(out, "printer") == ["restriction"]
    ask("limit", "A-2", at=LATER)
    for expected in (["limit"], ["restriction", "limit"]):
        (out / "printer.json").unlink()
        assert told(out, "printer") == expected


def test_an_opt_out_taken_back_before_the_first_export_is_told_to_nobody(tmp_path):
    words = [("ann", "opted_out", OFFERS, f"{EARLIER}"),
             ("ann", "granted", OFFERS, "2024-06-02 09:00:00")]  # fmt: skip
    land(tmp_path, *words)
    assert owed() == []


def test_whom_a_standing_word_didnt_stop_isnt_told_of_it():
    """An export for another purpose that came after the opt-out took effect was permitted."""
    for purpose in ("segmentation", "churn_prevention"):
        deny("opted_out", purpose, EARLIER)
    assert owed() == [("opt_out", "planning")]


def test_a_denial_is_told_where_no_purpose_sells_and_all_recipients_are_third_parties():
    third = POLICY.recipients["store_planning"].model_copy(update={"role": "third_party"})
    unsold = {
        name: purpose.model_copy(update={"sale_or_share": False})
        for name, purpose in POLICY.purposes.items()
    }
    ask("restriction")
    for recipients in ({"planning": third}, {}):
        policy = POLICY.model_copy(update={"purposes": unsold, "recipients": recipients})
        assert len(notices(policy)) == 2


def test_words_of_one_moment_are_told_each_of_them():
    export("printer", "segmentation", EXPORTED)
    for purpose in (OFFERS, "segmentation"):
        deny("withdrawn", purpose)
    for number in ("A-1", "A-2"):
        ask("restriction", number)
    for _ in range(2):
        assert [one for one in owed() if one[1] == "printer"] == [
            *[("restriction", "printer")] * 2, *[("withdrawal", "printer")] * 2
        ]  # fmt: skip


def test_a_word_that_comes_later_and_bears_the_same_moment_is_told_too(tmp_path):
    (out := tmp_path / "out").mkdir()
    export("printer", "segmentation", EXPORTED)
    for purpose in (OFFERS, "segmentation"):
        deny("withdrawn", purpose)
        assert told(out, "printer") == ["withdrawal"]
        (change,) = json.loads((out / "printer.json").read_text())["changes"]
        assert change["purposes"] == [purpose]
        (out / "printer.json").unlink()


def test_a_restriction_that_is_granted_bit_by_bit_is_told_once():
    for n, status in enumerate(("open", "partial", "fulfilled")):
        ask("restriction", status=status, at=LATER + timedelta(days=n))
        assert owed() == [("restriction", "planning"), ("restriction", "printer")]


def test_that_a_request_came_anew_and_ended_again_is_told_whatever_date_it_bears(
    tmp_path, monkeypatch
):
    """It bears one from before its first end was told."""
    (out := tmp_path / "out").mkdir()

    def to_printer(day):
        monkeypatch.setenv("ASSENT_NOW", f"2024-07-{day}T12:00:00Z")
        (out / "printer.json").unlink(missing_ok=True)
        return told(out, "printer")

    ask("restriction", at=EARLIER)
    assert to_printer("01") == ["restriction"]
    ask("restriction", status="lifted", at=LATER)
    assert to_printer("10") == ["restriction_ended"]
    assert to_printer("10") == ["restriction", "restriction_ended"]  # a file was lost
    assert owed() == [("restriction", "printer"), ("restriction_ended", "printer")]
    ask("restriction", at=LATER + timedelta(days=1))
    assert to_printer("11") == ["restriction"]
    ask("restriction", status="lifted", at=LATER + timedelta(days=2))
    for _ in range(2):
        assert [kind for kind, _ in owed()] == ["restriction"] * 2 + ["restriction_ended"] * 2
    assert to_printer("15") == ["restriction_ended"]


@pytest.mark.parametrize("number", ["A-1", "A-2"])
def test_nobody_is_told_that_it_has_ended_while_it_or_another_stands(tmp_path, number):
    (out := tmp_path / "out").mkdir()
    ask("restriction", at=EARLIER)
    assert told(out, "printer") == ["restriction"]
    ask("restriction", status="lifted", at=LATER)
    assert ("restriction_ended", "printer") in owed()
    ask("restriction", number, at=LATER + timedelta(days=1))
    assert {kind for kind, _ in owed()} == {"restriction"}
    ask("restriction", number, status="lifted", at=LATER + timedelta(days=2))
    assert owed() == [("restriction", "printer"), ("restriction_ended", "printer")]


def test_what_becomes_owed_while_a_file_is_written_isnt_taken_for_handed_over(
    tmp_path, monkeypatch
):
    (out := tmp_path / "out").mkdir()
    ask("restriction")
    sealed = handover.sealed

    def meanwhile(*given):
        ask("limit", "A-2", at=LATER)
        assert ("limit", "printer") in owed()
        return sealed(*given)

    with monkeypatch.context() as patched:
        patched.setattr(handover, "sealed", meanwhile)
        assert told(out, "printer") == ["restriction"]
    (out / "printer.json").unlink()
    assert told(out, "printer") == ["limit"]


@pytest.mark.parametrize(
    ("granted", "expected"),
    [(None, []), (OFFERS, [("withdrawal", "planning")])],
)
def test_a_denial_is_told_to_nobody_for_whom_newer_consents_have_overruled_it(
    tmp_path, granted, expected
):
    """Nor does the state of an earlier version owe everything that was ever withdrawn."""
    again = f"{LATER + timedelta(days=1)}"
    words = [("ann", "withdrawn", None, f"{LATER}"), ("zoe", "opted_out", OFFERS, f"{LATER}")]
    land(tmp_path, *words, ("ann", "granted", granted, again), ("zoe", "granted", OFFERS, again))
    ask("restriction")  # which permits nothing, and overrules no word
    assert [one for one in owed() if one[0] != "restriction"] == expected


def test_a_withdrawal_of_everything_names_no_purposes(tmp_path):
    (out := tmp_path / "out").mkdir()
    deny("withdrawn", None)
    assert told(out, "printer") == ["withdrawal"]
    (change,) = json.loads((out / "printer.json").read_text())["changes"]
    assert "purposes" not in change
    assert change["please"] == "Stop using what you received; consent has been withdrawn."


BEFORE = """
    create or replace table kept.notices (
        handle uuid not null, recipient varchar not null, kind varchar not null,
        since timestamp not null, request_id varchar, told varchar, notice_id varchar,
        handed_at timestamp, confirmed_at timestamp, how varchar,
        primary key (handle, recipient, kind, since)
    )
"""


def test_notices_of_the_third_schema_version_stay_and_what_it_lost_is_owed(tmp_path):
    """It kept one of the withdrawals of one moment; of what was confirmed nobody is told again."""
    (out := tmp_path / "out").mkdir()
    for purpose in (OFFERS, "segmentation"):
        export("printer", purpose, EXPORTED)
        deny("withdrawn", purpose)
    with kept.opened() as connection:
        connection.execute(BEFORE)
        ann = kept.handle_of(connection, "ann")
        says = json.dumps({"known_as": {"customer_id": "ann"}, "now": {}, "purposes": [OFFERS]})
        for recipient, said, confirmed_at in (("printer", says, None), ("planning", None, LATER)):
            connection.execute(
                "insert into kept.notices values"
                " (?, ?, 'withdrawal', ?, null, ?, null, ?, ?, null)",
                [ann, recipient, LATER, said, confirmed_at, confirmed_at],
            )
    for _ in range(2):
        kept_before.to_4()
    assert owed() == [("withdrawal", "planning"), *[("withdrawal", "printer")] * 2]
    assert told(out, "printer") == ["withdrawal"] * 2
    changes = json.loads((out / "printer.json").read_text())["changes"]
    assert sorted(change["purposes"] for change in changes) == [[OFFERS], ["segmentation"]]
