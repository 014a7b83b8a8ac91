"""A correction holds at once and in every layer, and no feed that says the old value undoes it."""

import json
from datetime import timedelta

import pyarrow
import pyarrow.parquet
import pytest

from governance import handover, identity, inbox
from governance.rights import kept, recipients, rectification
from governance.rights.requests import find
from tests.support.installation import own_feeds
from warehouse.connect import warehouse_store
from warehouse.journal import begin

NEW = {"email": "canary-new@example.org", "household_size": "5+", "age_years": 47}


def held(one, who):
    """Return what vault and landing hold: e-mail address, household size, age."""
    with one.entered(), identity.opened(warehouse_store(read_only=True)) as connection:
        return connection.execute(
            "select email, household_size, age_years from vault.subjects"
            " join vault.identifiers using (subject_key)"
            " join warehouse.landing.customers using (subject_key) where customer_id = ?",
            [who],
        ).fetchall()[0]


def asked(one, who):
    number = one.assent("rights", "open", who, "rectification", "--json").json["request_id"]
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    return number


def corrected(one, folder, number, changes, **variables):
    file = folder / "changes.json"
    file.write_text(changes if isinstance(changes, str) else json.dumps(changes))
    return one.assent("rights", "fulfil", number, "--changes", str(file), "--json", **variables)


def row_of(one, who):
    table = pyarrow.parquet.read_table(one.sources.parent / "customers.parquet")
    return next(row for row in table.to_pylist() if row["customer_id"] == who), table.schema


def deliver(one, who, name, **said):
    """Deliver a further file of customers, with one row."""
    row, schema = row_of(one, who)
    table = pyarrow.Table.from_pylist([row | said], schema)
    pyarrow.parquet.write_table(table, one.sources.parent / f"customers-{name}.parquet")
    done = one.assent("run", "--select", "key:landing/clocks")
    assert done.status == 0, done.said


@pytest.fixture(scope="module")
def story(small, tmp_path_factory):
    """A member who was exported, and is corrected."""
    folder = tmp_path_factory.mktemp("rectification")
    one = own_feeds(small.copy(folder / "home"), folder / "feeds")
    text = one.sources.read_text()
    one.sources.write_text(text.replace("[customers.parquet]", "['customers*.parquet']"))
    members = one.members()
    who = min(members)
    done = one.assent("export", str(members[who]), "--purpose", "segmentation", "--recipient",
                      "store_planning", "--to", str(folder / "a.csv"), "--unencrypted")  # fmt: skip
    assert done.status == 0, done.said
    before, number = held(one, who), asked(one, who)
    for changes, said in (
        ("no json", "no JSON object"), ({"customer_id": "x"}, "don't have"),
        ({"age_years": "canary"}, "can't be the value"), ({"age_years": 999}, "can't be the"),
        ({"email": before[0]}, "held already"),
    ):  # fmt: skip
        refused = corrected(one, folder, number, changes)
        assert refused.status == 2
        assert said in refused.err
        assert "canary" not in refused.said
    done = corrected(one, folder, number, NEW)
    assert done.status == 0, done.said
    return one, folder, who, before, number, done


def test_it_holds_at_once_and_the_subject_is_published_nowhere_until_it_is_built_on(story):
    one, _, who, before, _, _ = story
    assert before != held(one, who) == tuple(NEW.values())
    assert who not in one.members()
    assert who not in one.in_mart()
    assert not list(one.home.journal.iterdir())


def test_the_receipt_tells_columns_and_counts_and_no_value(story):
    one, _, who, before, number, done = story
    (receipt,) = done.json
    assert receipt["columns"] == sorted(NEW)
    assert receipt["rows_found"]["warehouse"] == {"landing.customers": 1}
    assert receipt["rows_found"]["published_segmentation"]["rows"] > 0
    said = done.out + json.dumps(one.acts()) + one.assent("rights", "show", number, "--json").out
    assert not [word for word in (who, before[0], NEW["email"]) if word in said]


def test_recipients_are_owed_a_notice_only_of_what_they_received(story):
    """This one received numbers, which aren't corrected."""
    one, *_ = story
    assert one.assent("rights", "notices", "--json").json == []


@pytest.mark.slow
def test_a_feed_that_says_the_old_value_again_doesnt_undo_it(story):
    one, folder, who, before, _, _ = story
    spelt = f"\t{before[0].upper()} "  # another spelling of it is no news
    deliver(one, who, "again", phone="canary-phone", email=spelt)
    assert held(one, who) == tuple(NEW.values())
    feeds = {r["rule"]: r["status"] for r in one.evidence("status")["rules"]}
    assert feeds["reconciliation.customers"] == "holds"
    # A second correction covers what was wrong before as well.
    done = corrected(one, folder, asked(one, who), {"household_size": "3"})
    assert done.status == 0, done.said
    deliver(  # one value is new, the others old
        one, who, "oncemore", email="later@example.org", household_size=NEW["household_size"]
    )
    assert held(one, who) == ("later@example.org", "3", NEW["age_years"])
    deliver(one, who, "newest", household_size="4")
    assert held(one, who)[1] == "4"


def test_the_days_to_purge_in_begin_where_only_the_vault_is_corrected(story):
    one, folder, who, *_ = story
    later = {"ASSENT_NOW": "2025-01-02T23:00:00Z"}
    changes = {"email": "latest@example.org", "phone": None, "postal_address": None}
    done = corrected(one, folder, asked(one, who), changes, **later)
    assert done.status == 0, done.said
    assert done.json[0]["rows_found"] == {"vault": {"main.identifiers": 1}}
    with one.warehouse() as connection:
        days = "select max(loaded_at)::varchar from landing.loads where source = 'rectification'"
        assert connection.execute(days).fetchall() == [("2025-01-02 23:00:00",)]
    with one.entered(), identity.opened() as connection:  # what is right is recorded by then
        days = "select max(recorded_on)::varchar from vault.identifiers"
        assert connection.execute(days).fetchall() == [("2025-01-02",)]


@pytest.mark.slow
def test_work_that_was_killed_is_finished(story, monkeypatch):
    """The vault knows what is right, and the journal whose it is: no value is in that."""
    one, folder, who, *_ = story
    number, early = asked(one, who), asked(one, who)
    with monkeypatch.context() as killed:
        killed.setattr(rectification, "_correct_landing", lambda *_: 1 / 0)
        assert corrected(one, folder, number, {"household_size": "1"}).status == 2
    (entry,) = one.home.journal.iterdir()
    assert "household" not in entry.read_text()
    assert held(one, who)[1] == "4"
    payload = {"at": "2024-12-31T00:00:00", "request_id": early,
               "subject_key": "00000000-0000-0000-0000-000000000000"}  # fmt: skip
    with one.entered():  # another, killed before the vault knew: the request stands
        begin(rectification.KIND, payload)
    assert one.assent("run", "--select", "key:landing/clocks").status == 0
    assert held(one, who)[1] == "1"
    statuses = [one.assent("rights", "show", n, "--json").json["status"] for n in (number, early)]
    assert statuses == ["fulfilled", "open"]
    assert not list(one.home.journal.iterdir())


@pytest.mark.slow
def test_a_number_that_comes_anew_isnt_ended_by_what_was_corrected_before(story, monkeypatch):
    """Killed before the vault knew, the new request stands."""
    one, folder, who, *_ = story
    number = asked(one, who)
    assert corrected(one, folder, number, {"age_years": 61}).status == 0
    with one.entered():
        word = {"customer_id": who, "request_id": number, "type": rectification.RECTIFICATION}
        anew = find(number).received_at + timedelta(seconds=1)
        inbox.add("rights_requests", word | {"received_at": anew, "status": "open"})
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    with monkeypatch.context() as killed:
        killed.setattr(rectification, "_decide", lambda *_: 1 / 0)
        assert corrected(one, folder, number, {"age_years": 62}).status == 2
    assert one.assent("rights", "purge").status == 0
    assert one.assent("rights", "show", number, "--json").json["status"] == "open"


def test_any_command_finishes_all_of_a_correction(story, monkeypatch):
    """Nothing is built on what was wrong, nor published."""
    one, folder, who, *_ = story
    with monkeypatch.context() as killed:
        killed.setattr(rectification, "leave_published", lambda *_, **__: 1 / 0)
        assert corrected(one, folder, number := asked(one, who), {"age_years": 101}).status == 2
    assert one.assent("rights", "purge").status == 0
    assert one.assent("rights", "show", number, "--json").json["status"] == "fulfilled"
    with one.warehouse() as connection:
        assert connection.execute("from landing.clocks").fetchall() == []
    with one.published("permission") as connection:
        ages = "select count(*) from subjects where age_years = 101"
        assert connection.execute(ages).fetchall()[0][0] > 0


@pytest.mark.slow
def test_who_receives_the_old_value_meanwhile_is_told(story, monkeypatch):
    """An export frees the vault before its file is there; a correction waits for no more."""
    one, folder, *_ = story
    segment = str(next(iter(one.members().values())))

    def handed_over(name):
        done = one.assent("export", segment, "--purpose", "personalised_offers", "--recipient",
                          "offers_partner", "--to", str(folder / name), "--unencrypted",
                          "--json")  # fmt: skip
        assert done.status == 0, done.said
        return done.json["release_id"]

    first = handed_over("first.csv")
    with one.entered(), kept.opened() as connection:
        inside = [m for m in one.members() if recipients.recipients_of(connection, m)]
    with one.entered():
        recipients.take_back(first)
    number, encoded = asked(one, max(inside)), handover.encoded

    def slow(*given):
        assert corrected(one, folder, number, {"full_name": "Canary Right"}).status == 0
        return encoded(*given)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(handover, "encoded", slow)
        handed_over("second.csv")
    owed = one.assent("rights", "notices", "--json").json
    assert [(n["request_id"], n["recipient"]) for n in owed] == [(number, "offers_partner")]
