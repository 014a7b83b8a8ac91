"""Steps on requests: extending, holding, lifting, and what comes before what."""

from datetime import date, timedelta

import pytest

from governance import identity
from governance.rights import kept
from warehouse.connect import warehouse_store


def opened(one, who, kind):
    done = one.assent("rights", "open", who, kind, "--json")
    assert done.status == 0, done.said
    return done.json["request_id"]


@pytest.fixture
def one(small, tmp_path):
    return small.copy(tmp_path / "home")


@pytest.fixture
def who(one):
    return min(one.members())


def test_an_extension_is_noted_once_in_time_and_only_where_there_is_one(one, who):
    access, objection = opened(one, who, "access"), opened(one, who, "objection")

    def extend(number, **clock):
        return one.assent("rights", "extend", number, "--reason", "many files", **clock)

    late = extend(access, ASSENT_NOW="2099-01-01T00:00:00Z")
    assert late.status == 2
    assert "can't be extended any more" in late.err
    assert extend(access).status == 0
    assert "extended already" in extend(access).err
    regime = one.assent("rights", "show", objection, "--json").json["jurisdiction"]
    if regime in ("US", "US-CA"):
        assert "can't be extended under 'ccpa'" in extend(objection).err
    assert one.assent("rights", "show", access, "--json").json["extended"]


def test_by_when_a_request_has_to_be_answered_is_shown(one, who):
    """An extension counts, and a legal hold has no due date."""
    number = opened(one, who, "access")
    done = one.assent("rights", "hold", who, "--reason", "claim 7", "--until", "2099-06-30")
    hold = done.out.split()[1].rstrip(":")

    def days():
        shown = one.assent("rights", "show", number, "--json").json
        listed = {r["request_id"]: r for r in one.assent("rights", "list", "--json").json}
        assert listed[number]["answer_by"] == shown["answer_by"]
        assert listed[hold]["answer_by"] is listed[hold]["acknowledge_by"] is None
        assert shown["answer_by"] in one.assent("rights", "show", number).out
        received, answer = (str(shown[name])[:10] for name in ("received_at", "answer_by"))
        return (date.fromisoformat(answer) - date.fromisoformat(received)).days

    assert 27 < days() < 50
    assert one.assent("rights", "extend", number, "--reason", "many files").status == 0
    assert days() > 80
    assert "answer_by" in one.assent("rights", "list").out


@pytest.fixture
def californian(one):
    with one.entered(), identity.opened(warehouse_store(read_only=True)) as connection:
        ((who,),) = connection.execute(
            "select min(customer_id) from vault.subjects join warehouse.landing.customers"
            " using (subject_key) where jurisdiction = 'US-CA'"
        ).fetchall()
    return who


def test_the_list_warns_before_the_last_day_and_fails_after_it(one, californian):
    """Of what is due first: to acknowledge, or to answer; never of a legal hold."""
    number = opened(one, californian, "access")
    done = one.assent("rights", "hold", californian, "--reason", "claim", "--until", "2099-06-30")
    assert done.status == 0, done.said
    (shown,) = [r for r in one.assent("rights", "list", "--json").json if r["due"]]
    assert (shown["request_id"], shown["due"]) == (number, "in time")
    acknowledge, answer = (
        date.fromisoformat(shown[name]) for name in ("acknowledge_by", "answer_by")
    )

    def listed(day, after, due, status, said=""):
        now = {"ASSENT_NOW": f"{day + timedelta(after)}T17:00:00Z"}
        done, as_json = (one.assent("rights", "list", *more, **now) for more in ((), ("--json",)))
        assert (done.status, as_json.status) == (status, status), done.said
        assert due in done.out
        assert [r["due"] for r in as_json.json if r["request_id"] == number] == [due]
        assert said in (done.err if status else done.out)
        assert said in as_json.err
        assert ("1 of 1 open requests" in done.said) == bool(said)
        assert ("rights acknowledge" in done.err) == (status == 1 and day == acknowledge)

    listed(acknowledge, -8, "in time", 0)
    listed(acknowledge, -7, "soon", 0, f"due by {acknowledge}")
    listed(acknowledge, 1, "late", 1, f"late on {acknowledge + timedelta(1)}")
    assert one.assent("rights", "acknowledge", number).status == 0
    listed(acknowledge, 1, "in time", 0)
    listed(answer, 0, "soon", 0, f"due by {answer + timedelta(7)}")
    listed(answer, 1, "late", 1, f"since {answer}")
    refused = one.assent("rights", "refuse", number, "--ground", "-", "--complaint", "-")
    assert refused.status == 0
    after = {"ASSENT_NOW": f"{answer + timedelta(1)}T17:00:00Z"}
    every = one.assent("rights", "list", "--all", "--json", **after)
    assert every.status == 0
    assert [r["due"] for r in every.json] == [None, None]


def test_a_request_that_was_acknowledged_or_extended_is_late_later(one, californian):
    """The verdict goes by the steps, which landing doesn't hold; a legal hold is never late."""
    who = californian
    number = opened(one, who, "access")
    done = one.assent("rights", "hold", who, "--reason", "claim 7", "--until", "2099-06-30")
    assert done.status == 0, done.said

    def days():
        assert one.assent("run", "--select", "key:landing/clocks").status == 0
        rules = one.assent("status", "--json").json["rules"]
        return next(r["observed"] for r in rules if r["rule"] == "rights.due")

    def listed():
        found = {r["request_id"]: r for r in one.assent("rights", "list", "--json").json}[number]
        return found["acknowledged"], found["acknowledge_by"] < found["answer_by"]

    found = [days()]
    assert listed() == (False, True)
    assert one.assent("rights", "acknowledge", number).status == 0
    found.append(days())
    assert listed() == (True, True)
    assert one.assent("rights", "extend", number, "--reason", "many files").status == 0
    found.append(days())
    assert found[0] > found[1] > found[2]


def test_a_legal_hold_comes_before_erasure_until_its_last_day(one, who):
    done = one.assent("rights", "hold", who, "--reason", "claim 7", "--until", "2099-06-30")
    assert done.status == 0, done.said
    hold = done.out.split()[1].rstrip(":")
    assert one.assent("rights", "hold", who, "--reason", "x", "--until", "2001-01-01").status == 2
    number = opened(one, who, "erasure")
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    refused = one.assent("rights", "fulfil", number)
    assert refused.status == 2
    assert "comes before erasure" in refused.err
    assert who not in refused.said
    assert one.assent("run", "--select", "key:landing/clocks").status == 0
    assert who not in one.members()  # kept, and used for nothing
    assert one.acts()[-1]["act"] != "rights.erase"
    assert one.assent("rights", "lift", number, "--told", "by letter").status == 2
    assert one.assent("rights", "lift", hold).status == 0  # of which nobody has to be told
    done = one.assent("rights", "fulfil", number)
    assert done.status == 0, done.said
    with one.entered(), kept.opened() as connection:
        assert connection.execute("select count(*) from kept.suppressed").fetchall() == [(1,)]


def test_a_restriction_comes_before_erasure_too_and_a_hold_ends_by_itself(one, who):
    other, third = sorted(one.members())[-2:]
    restriction = opened(one, who, "restriction")
    hold = one.assent("rights", "hold", other, "--reason", "claim 7", "--until", "2090-01-01")
    assert hold.status == 0, hold.said
    ending = one.assent("rights", "hold", third, "--reason", "claim 8", "--until", "2090-01-01")
    assert ending.status == 0, ending.said
    numbers = [opened(one, who, "erasure"), opened(one, other, "erasure")]
    for number in numbers:
        assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
        assert "comes before" in one.assent("rights", "fulfil", number).err
    refusal = ("rights", "refuse", restriction, "--ground", "-", "--complaint", "-")
    for act in (refusal, ("rights", "lift", restriction)):
        untold = one.assent(*act)
        assert (untold.status, "told beforehand (GDPR Art. 18(3))" in untold.err) == (2, True)
    assert "comes before" in one.assent("rights", "fulfil", numbers[0]).err
    assert one.assent(*refusal, "--told", "by letter").status == 0
    assert one.assent("rights", "show", restriction, "--json").json["steps"][-1]["told"]
    assert one.assent("rights", "fulfil", numbers[0]).status == 0
    later = one.assent("rights", "fulfil", numbers[1], ASSENT_NOW="2090-01-02T12:00:00Z")
    assert later.status == 0, later.said
    one.assent("run", "--select", "group:landing", ASSENT_NOW="2090-01-02T12:00:00Z")
    number = ending.out.split()[1].rstrip(":")
    assert one.assent("rights", "show", number, "--json").json["status"] == "lifted"
