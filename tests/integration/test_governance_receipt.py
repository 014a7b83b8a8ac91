"""The subject's own copy of its consent: what it holds, where it may lie, what it leaves behind."""

import hashlib
import json
import re
import resource
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import jsonschema
import pyrage
import pytest

from governance import consent, identity
from governance.consent_record import SCHEMA, Action, Event, Receipt, json_schema, schema_text
from governance.policy.words import ACTIONS
from tests.support.canaries import Search
from tests.support.installation import Done, Installation
from warehouse.connect import connected
from warehouse.home import PROJECT

HOSTILE = "<script>alert('x')</script>&\"\u202e"
NAME, MAIL = "Orla Loamgarth", "orla@loamgarth.example"


@pytest.fixture(scope="module")
def one(small, tmp_path_factory) -> Installation:
    return small.copy(tmp_path_factory.mktemp("receipt") / "home")


@pytest.fixture(scope="module")
def who(one) -> str:
    return min(one.members())


@pytest.fixture
def issue(one, who, tmp_path):
    def asked(name: str, *more: str, subject: str = who, of: Installation = one) -> Done:
        to = str(tmp_path / name)
        return of.assent("consent", "receipt", subject, "--to", to, "--json", *more)

    return asked


def read(path: Path) -> dict:
    receipt = json.loads(path.read_text())
    jsonschema.validate(receipt, json_schema(), cls=jsonschema.Draft202012Validator)
    return receipt


class Page(HTMLParser):
    """The elements and the texts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def test_the_schema_in_the_repository_is_that_of_the_model():
    """If this fails: `python -m governance.consent_record`."""
    assert (PROJECT / SCHEMA).read_text(encoding="utf-8") == schema_text()
    jsonschema.Draft202012Validator.check_schema(json_schema())
    for model in (Receipt, *(d for d in Receipt.model_fields["records"].annotation.__args__[:1])):
        assert all(field.description for field in model.model_fields.values())
    assert set(get_args(Action)) == set(ACTIONS)


@pytest.mark.parametrize(
    ("key", "poison"),
    [("receipt_version", 2), ("judged_at", 3), ("records", {}), ("more", 1), ("controller", {})],
)
def test_the_schema_refuses_what_is_no_receipt(issue, tmp_path, key, poison):
    assert issue("a.json", "--unencrypted").status == 0
    receipt = read(tmp_path / "a.json")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(receipt | {key: poison}, json_schema())


def test_it_tells_what_is_shown_and_all_that_was_said(small, who, issue, tmp_path):
    own = small.copy(tmp_path / "home")
    words = ("--channel", "phone", "--language", "es", "--wording-hash", "ab12", "--signal", "tcf",
             "--method", "call", "--evidence", "evidence/7")  # fmt: skip
    for action in (("withdrawn", *words), ("granted", "--notice-version", "1", "--purpose",
                                           "personalised_offers", "--unprompted")):  # fmt: skip
        assert own.assent("consent", "record", who, *action).status == 0
    shown = {s["purpose"]: s for s in own.assent("consent", "show", who, "--json").json}
    done = issue("a.json", "--unencrypted", of=own)
    assert done.status == 0, done.said
    receipt = read(tmp_path / "a.json")
    assert (receipt["subject"], receipt["time_zone"]) == (who, "America/New_York")
    assert receipt["issued_at"] == "2024-12-31T00:00:00-05:00"
    assert receipt["controller"]["contact"] == "privacy@example.com"
    assert "Synthetic" in receipt["label"]
    records = {record["purpose"]: record for record in receipt["records"]}
    assert list(records) == ["segmentation", "personalised_offers", "churn_prevention",
                             "bias_monitoring"]  # fmt: skip
    for purpose, record in records.items():
        state = shown[purpose]
        assert (record["permitted"], record["rule"], record["why"], record["regime"]) == (
            state["permitted"], state["rule"], state["why"], state["regime"])  # fmt: skip
        assert record["decided_by"] == state["event"]["event_id"]
        (decides,) = [e for e in record["events"] if e["effect"] == "decides"]
        assert decides["event_id"] == record["decided_by"]
        assert "privacy@example.com" in record["withdrawal"]
        assert who in record["withdrawal"]
    event = next(e for e in records["segmentation"]["events"] if e["effect"] == "decides")
    assert event | {
        "action": "withdrawn", "purpose": None, "recorded_at": "2024-12-31T00:00:00-05:00",
        "channel": "phone", "language": "es", "wording_hash": "ab12", "signal": "tcf",
        "method": "call", "evidence_ref": "evidence/7",
    } == event  # fmt: skip
    old = records["personalised_offers"]["events"]  # its notice 2 is the oldest that counts
    assert [e["effect"] for e in old if e["notice_version"] == 1 and e["action"] == "granted"][
        -1
    ] == "does not count"
    said = {e["event_id"] for record in receipt["records"] for e in record["events"]}
    assert done.json["events"] == len(said)
    assert done.json["permitted"] == 0


def test_numbers_are_the_same_in_every_copy_but_that_of_the_copy(issue, tmp_path):
    both = []
    for name in ("a.json", "b.json"):
        assert issue(name, "--unencrypted").status == 0
        both.append(read(tmp_path / name))
    first, second = both
    assert first.pop("receipt_id") != second.pop("receipt_id")
    assert first == second


def test_the_page_says_the_same_and_loads_nothing(issue, one, who, tmp_path):
    assert issue("a.json", "--unencrypted").status == 0
    assert issue("a.html", "--unencrypted").status == 0
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    page, receipt = Page(html), read(tmp_path / "a.json")
    text = "\n".join(page.texts)
    for said in (who, receipt["controller"]["name"], receipt["label"], "America/New_York",
                 receipt["records"][0]["withdrawal"], "How to withdraw or object"):  # fmt: skip
        assert said in text
    for record in receipt["records"]:
        assert record["description"] in page.texts
        assert f"Why: {record['why']}." in page.texts
        for event in record["events"]:
            assert event["evidence_ref"] is None or event["evidence_ref"] in text
    states = [text for text in page.texts if text in ("Allowed now", "Not allowed now")]
    assert [state == "Allowed now" for state in states] == [
        record["permitted"] for record in receipt["records"]
    ]
    policy = next(a["content"] for _, a in page.tags if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"https?:|url\(|@import", html)
    assert not {"script", "img", "link", "iframe", "form", "a"} & {tag for tag, _ in page.tags}
    assert not {name for _, a in page.tags for name in a if name in ("src", "href", "style")}


def test_nothing_that_was_said_becomes_markup(small, issue, tmp_path):
    own = small.copy(tmp_path / "home")
    who = min(own.members())
    done = own.assent("consent", "record", who, "withdrawn", "--method", HOSTILE, "--evidence",
                      HOSTILE)  # fmt: skip
    assert done.status == 0, done.said
    assert issue("a.html", "--unencrypted", of=own).status == 0
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "\u202e" not in html
    assert HOSTILE.replace("\u202e", "\ufffd") in Page(html).texts


def test_by_default_it_is_encrypted_to_the_subject(issue, who, tmp_path):
    owner = pyrage.x25519.Identity.generate()
    done = issue("a.json", "--public-key", str(owner.to_public()))
    assert done.status == 0, done.said
    (path,) = tmp_path.iterdir()
    assert path.name == "a.json.age"
    assert path.stat().st_mode & 0o777 == 0o600
    sealed = path.read_bytes()
    assert who.encode() not in sealed
    assert hashlib.sha256(sealed).hexdigest() == done.json["file_sha256"]
    assert json.loads(pyrage.decrypt(sealed, [owner]))["subject"] == who


@pytest.mark.parametrize(
    ("name", "more", "said", "rule"),
    [
        ("a.json", (), "--public-key", "subject.public_key"),
        ("a.json", ("--public-key", NAME), "no age public key", "subject.public_key"),
        ("a.csv", ("--unencrypted",), ".json or .html", "target"),
        ("{home}/a.json", ("--unencrypted",), "ASSENT_HOME", "target"),
        ("{keys}/a.json", ("--unencrypted",), "the keys", "target"),
        ("{project}/docs/a.json", ("--unencrypted",), "the project", "target"),
        ("nowhere/a.json", ("--unencrypted",), "no folder", "target"),
        ("there.json", ("--unencrypted",), "exists already", "target"),
    ],
)
def test_what_may_not_be_is_refused_and_leaves_nothing(
    one, issue, who, tmp_path, name, more, said, rule
):
    (tmp_path / "there.json").write_text("kept")
    done = issue(name.format(home=one.root, keys=one.keys, project=PROJECT), *more)
    assert (done.status, done.out) == (2, "")
    assert said in done.err
    assert NAME not in done.err
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("there.json", "kept")]
    act = one.acts()[-1]
    assert (act["act"], act["refused"]) == ("consent.receipt", rule)


def test_an_unknown_subject_is_not_repeated(one, issue, tmp_path):
    done = issue("a.json", "--unencrypted", subject=NAME)
    assert done.status == 2
    assert "no subject has that customer id" in done.err
    assert one.acts()[-1]["refused"] == "subject.unknown"
    assert not list(tmp_path.iterdir())


def test_no_copy_leaves_without_its_act(small, who, issue, tmp_path):
    own = small.copy(tmp_path / "state" / "home")
    out = tmp_path / "out"
    out.mkdir()
    record = own.home.audit / "acts.jsonl"
    record.write_bytes(b" " * 1_000_000)  # so that nothing else comes up to the limit
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_020, limit[1]))
    try:
        done = issue("out/a.json", "--unencrypted", of=own)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert done.status == 2
    assert "no room" in done.err
    assert not list(out.iterdir())
    record.write_bytes(b"")
    assert issue("out/a.json", "--unencrypted", of=own).status == 0
    assert len(own.acts()) == len(list(out.iterdir())) == 1


def test_no_id_name_or_mail_is_left_behind(small, who, issue, tmp_path):
    """In acts, logs, facts or messages; nor do the copies say more than the id."""
    own = small.copy(tmp_path / "state" / "home")
    with own.entered(), connected(*identity.stores()) as connection:
        connection.execute("update vault.identifiers set full_name = ?, email = ?", [NAME, MAIL])
    said = []
    for name in ("a.json", "a.html"):
        done = issue(name, "--unencrypted", of=own)
        assert done.status == 0, done.said
        said.append(done.said)
    said += [issue("a.json", "--unencrypted", of=own).said, issue("b.txt", of=own).said]
    to = ("consent", "receipt", who, "--unencrypted", "--to", str(tmp_path / "c.html"))
    said.append(own.assent(*to).said)
    search = Search([who, NAME, MAIL])
    assert search.found("\n".join(said).encode()) == set()
    assert search.in_files(own.root) == {}
    copies = search.in_files(tmp_path, but=("state",))
    assert set(copies) == {str(tmp_path / name) for name in ("a.json", "a.html", "c.html")}
    assert set().union(*copies.values()) == {who}  # positive control
    acts = [act for act in own.acts() if act["act"] == "consent.receipt"]
    assert ["refused" in act for act in acts] == [False, False, True, True, False]
    assert (
        acts[0] | {"format": "json", "encrypted": False, "purposes": 4, "clock": "set"} == acts[0]
    )
    assert acts[0]["keys"] == ["inbox", "published_permission", "salts", "vault"]
    assert acts[0]["subject_key"]


def test_a_subject_who_is_held_reads_why(small, who, issue, tmp_path):
    from datetime import datetime

    from governance import inbox

    own = small.copy(tmp_path / "home")
    with own.entered():
        inbox.add("rights_requests", {
            "customer_id": who, "request_id": "r-1", "type": "restriction", "status": "open",
            "received_at": datetime(2024, 12, 30), "channel": "phone",
        })  # fmt: skip
    assert issue("a.json", "--unencrypted", of=own).json["permitted"] == 0
    receipt = read(tmp_path / "a.json")
    assert {record["rule"] for record in receipt["records"]} == {consent.HELD}
    assert {record["decided_by"] for record in receipt["records"]} == {None}
    effects = {e["effect"] for record in receipt["records"] for e in record["events"]}
    assert "decides" not in effects
    assert set(get_args(Event.model_fields["effect"].annotation)) > effects
