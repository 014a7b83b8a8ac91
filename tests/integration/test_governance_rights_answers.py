"""Access, portability and explanation: what the customer gets to read, and nobody else's data."""

import csv
import io
import json
import os
from datetime import date, datetime, timedelta

import jsonschema
import pyarrow as pa
import pyrage
import pytest

from governance import identity, inbox
from governance.rights import access, receipt
from governance.rights.discovery import alias_of, holders, mark
from governance.rights.recipients import HandedOver, remember
from governance.rights.requests import find
from orchestration.manifest import policy
from orchestration.meanings import meanings
from tests.support.canaries import Search
from warehouse.connect import published_store, warehouse_store
from warehouse.publish import published_purposes

UNTOLD = "marts.mart_that_nobody_told_of"
OWN, OTHERS = "own-canary-7f3a", "other-canary-91bc"


def opened(one, who, kind, *, verified=True):
    number = one.assent("rights", "open", who, kind, "--json").json["request_id"]
    if verified:
        assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    return number


def fulfilled(one, number, to, *more):
    return one.assent("rights", "fulfil", number, "--to", str(to), "--json", *more)


def answered(one, who, kind, to):
    to.mkdir()
    done = fulfilled(one, opened(one, who, kind), to, "--unencrypted")
    assert done.status == 0, done.said
    return done.json[0]


def words_of(one, who, *, other_than):
    """Return ids, direct identifiers and keys of a customer, or of all others."""
    chosen = "customer_id <> ?" if other_than else "customer_id = ?"
    with one.entered(), identity.opened() as connection:
        purposes = [p for p in published_purposes() if p != "permission"]
        keys = identity.purpose_keys(purposes)
        rows = connection.execute(
            f"select customer_id, subject_key::varchar, full_name, email, phone, postal_address"
            f" from vault.subjects left join vault.identifiers using (subject_key) where {chosen}"
            f" union all select purpose_key::varchar, null, null, null, null, null from ({keys})"
            f" join vault.subjects using (subject_key) where {chosen}",
            [who, who],
        ).fetchall()
    return {word for row in rows for word in row if word}


@pytest.fixture(scope="module")
def story(small, tmp_path_factory):
    """A member who was exported, has withdrawn and has rows in a new table, and asks for access."""
    folder = tmp_path_factory.mktemp("answers")
    one = small.copy(folder / "home")
    members = one.members()
    who, other = sorted(members)[:2]
    done = one.assent("export", str(members[who]), "--purpose", "segmentation", "--recipient",
                      "store_planning", "--to", str(folder / "a.csv"), "--json")  # fmt: skip
    assert done.status == 2  # it has no key: nothing leaves, nothing is remembered
    done = one.assent("export", str(members[who]), "--purpose", "segmentation", "--recipient",
                      "store_planning", "--to", str(folder / "a.csv"), "--unencrypted",
                      "--json")  # fmt: skip
    assert done.status == 0, done.said
    assert one.assent("consent", "record", who, "withdrawn", "--purpose",
                      "churn_prevention").status == 0  # fmt: skip
    with one.entered(), identity.opened(warehouse_store()) as connection:
        keys = identity.purpose_keys(["segmentation"])
        connection.execute(
            f"create table warehouse.{UNTOLD} as select purpose_key as segmentation_key,"
            f" if(customer_id = ?, '{OWN}', '{OTHERS}') as note from ({keys})"
            " join vault.subjects using (subject_key) where customer_id in (?, ?)",
            [who, who, other],
        )
    told = answered(one, who, "access", folder / "access")
    return one, who, folder / "access", told, done.json


@pytest.fixture
def report(story):
    return json.loads((story[2] / "access.json").read_text())


@pytest.fixture(scope="module")
def answers(story, tmp_path_factory):
    """Return the folder of each answer to the same member, by the kind of request."""
    one, who, access, *_ = story
    folder = tmp_path_factory.mktemp("others")
    others = {kind: folder / kind for kind in ("portability", "explanation")}
    for kind, to in others.items():
        answered(one, who, kind, to)
    return {"access": access, **others}


@pytest.fixture(scope="module")
def own(story):
    return words_of(story[0], story[1], other_than=False)


@pytest.fixture(scope="module")
def everybody_elses(story):
    return words_of(story[0], story[1], other_than=True) | {OTHERS}


def test_access_tells_every_row_of_every_table_even_one_that_nobody_told_of(story, report):
    one, who, _, told, _ = story
    found = {(t["file"], t["table"]): len(t["rows"]) for t in report["tables"]}
    with one.entered():
        purposes = published_purposes()
        beside = [warehouse_store(), *(published_store(p, alias=alias_of(p)) for p in purposes)]
        with identity.opened(*beside) as connection:
            tables = [t for store in beside for t in holders(connection, store.alias)]
            key = str(identity.subject_key_of(connection, who))
            mark(connection, [key], tables)
            held = {
                (t.database, f"{t.schema}.{t.table}"): count
                for t in tables
                if (count := connection.execute(
                    f"select count(*) from {t.name} where {t.of_leaving}").fetchall()[0][0])
            }  # fmt: skip
    assert len(held) > 10  # positive control
    assert held.items() <= found.items()
    untold = next(t for t in report["tables"] if t["table"] == UNTOLD)
    assert [row["note"] for row in untold["rows"]] == [OWN]
    assert {f for f, _ in found} >= {"vault", "warehouse", "inbox", "published_permission",
                                     "published_segmentation"}  # fmt: skip
    assert sum(found.values()) == sum(sum(t.values()) for t in told["rows_found"].values())


def test_access_tells_what_article_15_asks_for(story, report):
    one, who, _, _, manifest = story
    assert report["customer_id"] == who
    assert report["identifiers"]["email"]
    purposes = {p["purpose"]: p for p in report["purposes"]}
    assert purposes["churn_prevention"]["permitted"] is False
    assert purposes["churn_prevention"]["events"][-1]["action"] == "withdrawn"
    assert purposes["segmentation"]["basis"] == "consent"
    (handed,) = report["handed_over"]
    assert handed["release_id"] == manifest["release_id"]
    assert (handed["recipient"], handed["country"], handed["columns"]) == (
        "store_planning", "US", ["customer_id"])  # fmt: skip
    after = datetime.fromisoformat(handed["at"]).date() + timedelta(days=1094)
    assert after <= date.fromisoformat(report["kept"]["until"]["handed_over"])
    assert report["kept"]["why"]["basis"] == "legitimate_interest"
    (member,) = report["memberships"]
    explained = one.assent("explain", who, "--json").json
    assert member["sentence"] == explained["sentence"]
    assert {p["feed"] for p in report["provenance"]} >= {"customers", "transactions"}
    assert all(p["rows"] > 0 and p["provenance"] for p in report["provenance"])
    (request,) = [r for r in report["requests"] if r["right"] == "access"]
    assert [step["step"] for step in request["steps"]] == ["verified"]
    assert "actor" not in json.dumps(report["requests"])
    assert {"rights.open", "consent.record"} <= {act["act"] for act in report["consulted"]}
    days = {(r["purpose"], r["attribute"]): r for r in report["retention"]}
    landed = next(t for t in report["tables"] if t["table"] == "landing.transactions")
    oldest = min(row["event_day"] for row in landed["rows"])
    assert days["segmentation", "value"]["oldest_until"] > oldest


def test_until_when_it_is_used_is_told_of_no_value_that_is_used_no_more(story, report):
    one, who, *_ = story
    landed = next(t for t in report["tables"] if t["table"] == "landing.transactions")
    days = sorted({date.fromisoformat(row["event_day"]) for row in landed["rows"]})
    (kept_for,) = {
        r["retention_days"] for r in report["retention"]
        if (r["purpose"], r["attribute"]) == ("segmentation", "value")
    }  # fmt: skip
    last = [day + timedelta(kept_for) for day in days]
    number, none = opened(one, who, "access"), "none is used any more"
    for today, first_and_last in (
        (last[0], (last[0], last[-1])),
        (last[0] + timedelta(1), (last[1], last[-1])),
        (last[-1], (last[-1], last[-1])),
        (last[-1] + timedelta(1), None),
    ):
        with one.entered():
            os.environ["ASSENT_NOW"] = f"{today}T17:00:00Z"
            told = access.answer(policy(), find(number), [], meanings())
        found = json.loads(told.files["access.json"])["retention"]
        (value,) = [r for r in found if (r["purpose"], r["attribute"]) == ("segmentation", "value")]
        ends = first_and_last and tuple(day.isoformat() for day in first_and_last)
        assert (value["oldest_until"], value["newest_until"]) == (ends or (None, None))
        ended = any(r["newest_until"] is None for r in found)
        assert (none in told.files["access.html"].decode()) == ended


def test_the_page_stands_by_itself_and_shows_what_the_data_says(story, report):
    page = (story[2] / "access.html").read_text()
    assert "default-src 'none'" in page
    assert not [tag for tag in ("<script", "<link", "<img", 'http-equiv="refresh') if tag in page]
    for told in (OWN, report["identifiers"]["email"], "To whom we gave it", "Until when it is used",
                 "Where we have it from", "Your rights"):  # fmt: skip
        assert told in page


@pytest.mark.parametrize("kind", ["access", "portability", "explanation"])
def test_nobody_elses_data_is_in_an_answer(answers, own, everybody_elses, kind):
    assert Search(everybody_elses).in_files(answers[kind]) == {}
    assert Search(own).in_files(answers[kind])  # positive control


def test_the_receipt_is_signed_counts_and_names_nobody(story, own):
    one, _, _, told, _ = story
    assert not Search(own).found(json.dumps(told).encode())
    with one.entered():
        assert receipt.holds(told)
        assert not receipt.holds(told | {"rows_found": {}})
    (act,) = [a for a in one.acts() if a.get("request_id") == told["request_id"]
              and a["act"] == "rights.answer"]  # fmt: skip
    assert act["files"] == told["files"]
    shown = one.assent("rights", "show", told["request_id"], "--json").json
    assert shown["status"] == "fulfilled"
    again = fulfilled(one, told["request_id"], story[2], "--unencrypted")
    assert again.status == 2
    assert "has ended" in again.err


def test_by_default_it_is_encrypted_to_the_subject(story, own, tmp_path):
    one, who, *_ = story
    identity_of_who = pyrage.x25519.Identity.generate()
    number = opened(one, who, "access")
    done = fulfilled(one, number, tmp_path)
    assert done.status == 2
    assert "no key to encrypt to" in done.err
    done = fulfilled(one, number, tmp_path, "--public-key", str(identity_of_who.to_public()))
    assert done.status == 0, done.said
    assert {p.name for p in tmp_path.iterdir()} == {"access.json.age", "access.html.age"}
    assert not Search(own).in_files(tmp_path)
    content = pyrage.decrypt((tmp_path / "access.json.age").read_bytes(), [identity_of_who])
    assert json.loads(content)["customer_id"] == who


def test_portability_comes_back_as_it_was_provided(story, answers):
    one, who, *_ = story
    files = {p.name: p.read_text() for p in answers["portability"].iterdir()}
    told, schema = (json.loads(files[f"portability{n}.json"]) for n in ("", ".schema"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(told, schema, cls=jsonschema.Draft202012Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**told, "feeds": {**told["feeds"], "customers": [{"a": 1}]}}, schema)
    assert {len(rows) > 0 for rows in told["feeds"].values()} == {True}
    for feed, rows in told["feeds"].items():
        read = list(csv.DictReader(io.StringIO(files[f"{feed}.csv"])))
        assert read == [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]
        inferred = {"subject_key", "row_key", "load_id", "event_day", "recorded_on"}
        assert not inferred & set(rows[0])
    with one.entered(), identity.opened(warehouse_store(read_only=True)) as connection:
        landed = connection.execute(
            "select occurred_at, value, product_id from warehouse.landing.transactions"
            " join vault.subjects using (subject_key) where customer_id = ?", [who],
        ).fetchall()  # fmt: skip
    assert sorted((f"{at.isoformat()}Z", str(value), product) for at, value, product in landed) == (
        sorted((r["occurred_at"], r["value"], r["product_id"])
               for r in told["feeds"]["transactions"])
    )  # fmt: skip
    assert told["feeds"]["customers"][0]["email"]
    assert "segment" not in files["portability.json"].replace("segmentation", "")


def test_a_request_of_which_several_words_wait_or_have_landed_is_taken_along_once(story, tmp_path):
    one, *_ = story
    who = sorted(one.members())[5]
    ended, asking = opened(one, who, "access"), opened(one, who, "limit", verified=False)
    said = {
        "customer_id": who, "request_id": "R-1", "type": "objection", "channel": None,
        "received_at": datetime(2024, 6, 1), "status": "open",
    }  # fmt: skip
    with one.entered():
        inbox.add("rights_requests", said)
        inbox.add("rights_requests", said | {"received_at": datetime(2024, 6, 1, 0, 0, 0, 500_000),
                                             "status": "lifted"})  # fmt: skip
        inbox.add("rights_requests", said | {"type": "access"})
    assert one.assent("rights", "done", ended, "--how", "by post").status == 0
    answered(one, who, "portability", tmp_path / "out")
    told = json.loads((tmp_path / "out" / "portability.json").read_text())
    found = [(r["request_id"], r["type"], r["status"]) for r in told["feeds"]["rights_requests"]]
    number = told["request"]["request_id"]
    assert sorted(found) == sorted([
        (ended, "access", "fulfilled"), (asking, "limit", "open"), ("R-1", "objection", "lifted"),
        ("R-1", "access", "open"), (number, "portability", "open"),
    ])  # fmt: skip


def test_an_explanation_says_it_in_words(story, answers):
    one, who, *_ = story
    told = json.loads((answers["explanation"] / "explanation.json").read_text())
    explained = one.assent("explain", who, "--json").json
    (member,) = told["memberships"]
    assert {k: member[k] for k in ("segment", "name", "sentence", "features")} == {
        k: explained[k] for k in ("segment", "name", "sentence", "features")
    }
    page = (answers["explanation"] / "explanation.html").read_text()
    assert explained["features"][0]["label"] in page
    assert "no person looks at them" in page


@pytest.fixture(scope="module")
def asked(story):
    """Return requests of another member, by their kind and whether anybody has verified them."""
    one, *_ = story
    who = sorted(one.members())[4]
    requests = [(kind, False) for kind in ("access", "portability", "explanation")]
    requests += [(kind, True) for kind in ("access", "limit", "erasure")]
    return {(kind, done): opened(one, who, kind, verified=done) for kind, done in requests}


@pytest.mark.parametrize(
    ("kind", "verified", "to", "said"),
    [
        ("access", False, "{out}", "nobody has verified"),
        ("portability", False, "{out}", "nobody has verified"),
        ("explanation", False, "{out}", "nobody has verified"),
        ("access", True, "{home}/releases", "ASSENT_HOME"),
        ("access", True, "{home}/../home.keys", "the keys"),
        ("access", True, "{out}/nowhere", "no folder"),
        ("limit", True, "{out}", "doesn't fulfil a request for limit"),
        ("erasure", True, "{out}", "writes no file"),
    ],
)
def test_what_may_not_be_is_refused_and_leaves_nothing(
    story, asked, tmp_path, kind, verified, to, said
):
    one, number = story[0], asked[kind, verified]
    before = {p for p in one.root.parent.rglob("*") if p.suffix in (".html", ".age")}
    done = fulfilled(one, number, to.format(home=one.root, out=tmp_path), "--unencrypted")
    assert done.status == 2
    assert said in done.err
    assert list(tmp_path.iterdir()) == []
    assert {p for p in one.root.parent.rglob("*") if p.suffix in (".html", ".age")} == before
    assert one.assent("rights", "show", number, "--json").json["status"] == "open"


def test_without_the_key_that_signed_before_nothing_is_answered(story, asked, tmp_path):
    one = story[0]
    lost = (one.keys / "receipts").rename(tmp_path / "receipts")
    (tmp_path / "out").mkdir()
    for kind, verified in (("access", True), ("erasure", True)):
        done = fulfilled(one, asked[kind, verified], tmp_path / "out", "--unencrypted")
        assert (done.status, "the key of 'receipts' is gone" in done.err) == (2, True), done.said
    assert list((tmp_path / "out").iterdir()) == []
    assert not (one.keys / "receipts").exists()
    lost.rename(one.keys / "receipts")


def test_an_answer_needs_a_folder_and_a_request_of_its_own(story):
    one, who, *_ = story
    first, second = opened(one, who, "access"), opened(one, who, "access")
    done = one.assent("rights", "fulfil", first, "--unencrypted")
    assert (done.status, "--to FOLDER" in done.err) == (2, True)
    done = one.assent("rights", "fulfil", first, second, "--unencrypted")
    assert (done.status, "only erasures" in done.err) == (2, True)


def test_who_was_erased_is_told_what_is_kept(story, tmp_path):
    one, *_ = story
    who = sorted(one.members())[3]
    export = HandedOver("r", "printer", "segmentation", datetime(2024, 6, 1), ("email",))
    with one.entered(), identity.opened() as connection:
        remember(pa.table({"customer_id": [who]}), export)
        (email,) = connection.execute(
            "select email from vault.subjects join vault.identifiers using (subject_key)"
            " where customer_id = ?", [who],
        ).fetchone()  # fmt: skip
    number = opened(one, who, "erasure")
    assert one.assent("rights", "fulfil", number).status == 0
    answered(one, who, "access", tmp_path / "out")
    told = json.loads((tmp_path / "out" / "access.json").read_text())
    assert told["purposes"] == told["memberships"] == []
    assert {t["file"] for t in told["tables"]} == {"inbox"}
    left = told["kept"]
    assert len(left["suppressed_since"]) == 1
    assert left["proofs_of_consent"][0]["events"]
    assert left["receipts"][0]["request_id"] == number
    assert {"proofs", "receipts", "steps", "suppressed"} <= set(left["until"])
    assert [step["step"] for step in left["steps"] if step["request_id"] == number] == [
        "verified", "fulfilled",
    ]  # fmt: skip
    assert left["steps"][0]["method"] == "by letter"
    assert "actor" not in json.dumps(left["steps"])
    (notice,) = [n for n in left["notices"] if n["recipient"] == "printer"]
    assert (notice["kind"], notice["state"], notice["request_id"]) == ("erasure", "waiting", number)
    assert notice["says"]["known_as"]["email"] == email
    page = (tmp_path / "out" / "access.html").read_text()
    assert email in page
    assert f"request {number} (erasure)" in page
    assert left["why"]["interest"] in page
    assert "the entry that keeps what was erased away" in page
