"""What an answer and a receipt say, held to what is so: nothing left out, nothing that isn't."""

import json
from datetime import date, timedelta

import pytest

from governance import identity
from warehouse.connect import warehouse_store

PROOF, EXPORTS = "what the subject had said about consent", "which exports the subject was part of"


def opened(one, who, kind):
    return one.assent("rights", "open", who, kind, "--json").json["request_id"]


def verified(one, number):
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0


def asked(one, sql):
    with one.entered(), identity.opened(warehouse_store(read_only=True)) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def one(small, tmp_path_factory):
    return small.copy(tmp_path_factory.mktemp("truths") / "home")


@pytest.fixture(scope="module")
def who(one):
    """A member with purchases from before a consent that doesn't cover them."""
    ((found,), *_) = asked(
        one,
        "select customer_id from vault.subjects join warehouse.landing.transactions"
        " using (subject_key) join warehouse.consented.int_consent_permitted using (subject_key)"
        " where purpose = 'churn_prevention' and permitted"
        f" and list_contains({list(one.members())}, customer_id)"
        " group by customer_id, consented_on"
        " having min(event_day) <= consented_on and max(event_day) > consented_on order by all",
    )
    return found


@pytest.fixture(scope="module")
def answer(one, who, tmp_path_factory):
    """Return what access says to whom was exported, has withdrawn, and was refused at first."""
    folder = tmp_path_factory.mktemp("answer")
    done = one.assent(
        "export", str(one.members()[who]), "--purpose", "segmentation", "--recipient",
        "store_planning", "--to", str(folder / "a.csv"), "--unencrypted",
    )  # fmt: skip
    assert done.status == 0, done.said
    assert (
        one.assent("consent", "record", who, "withdrawn", "--purpose", "segmentation").status == 0
    )
    number = opened(one, who, "access")
    fulfil = ("rights", "fulfil", number, "--to", str(folder), "--unencrypted")
    assert one.assent(*fulfil).status == 2
    verified(one, number)
    assert one.assent(*fulfil).status == 0
    return json.loads((folder / "access.json").read_text()), (folder / "access.html").read_text()


def test_access_tells_what_recipients_have_to_be_told_though_nobody_listed_it(answer):
    told, page = answer
    assert [(n["recipient"], n["kind"], n["purpose"], n["state"])
            for n in told["kept"]["notices"]] == [
        ("store_planning", "withdrawal", "segmentation", "waiting")]  # fmt: skip
    assert "store_planning: withdrawal (segmentation)" in page


def test_what_was_refused_isnt_told_as_done(answer):
    told, page = answer
    answers = [act["refused"] for act in told["consulted"] if act["act"] == "rights.answer"]
    assert answers == [True]
    assert "stopped before its end: a request of yours was answered" in page


def test_until_when_counts_only_what_the_consent_covers(answer):
    told, _ = answer
    rows = {table["table"]: table["rows"] for table in told["tables"]}
    (since,) = [row["consented_on"] for row in rows["consented.int_consent_permitted"]
                if row["purpose"] == "churn_prevention"]  # fmt: skip
    days = sorted(row["event_day"] for row in rows["landing.transactions"])
    until = {(r["purpose"], r["attribute"]): r for r in told["retention"]}
    churn, segments = until["churn_prevention", "value"], until["segmentation", "value"]
    (first, *_) = [day for day in days if day > since]
    assert days[0] <= since < first
    for row, oldest in ((churn, first), (segments, days[0])):
        end = date.fromisoformat(oldest) + timedelta(row["retention_days"])
        assert row["oldest_until"] == end.isoformat()


def test_nor_what_isnt_held(answer):
    told, _ = answer
    (customer,) = [t["rows"][0] for t in told["tables"] if t["table"] == "landing.customers"]
    empty = {name for name, value in customer.items() if value is None}
    assert not empty & {row["attribute"] for row in told["retention"]}


def test_a_receipt_names_what_is_kept_of_this_one(one, who, answer):
    ((silent,), *_) = asked(
        one,
        "select customer_id from vault.subjects anti join warehouse.landing.consent_events"
        " using (subject_key) order by all",
    )
    kept = {}
    for erased in (who, silent):
        number = opened(one, erased, "erasure")
        verified(one, number)
        (told,) = one.assent("rights", "fulfil", number, "--json").json
        kept[erased] = told["kept"]
    assert {PROOF, EXPORTS} <= set(kept[who])
    assert not {PROOF, EXPORTS} & set(kept[silent])
    assert "a suppression entry" in kept[silent]
