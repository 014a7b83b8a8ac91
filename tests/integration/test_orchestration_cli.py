"""The command line: what it answers, and how it says no."""

import socket
import subprocess
import sys
import threading

import pytest

from governance import evidence, identity
from tests.support.installation import Installation
from warehouse import connect
from warehouse.home import PROJECT


@pytest.fixture(scope="module")
def one(small, tmp_path_factory) -> Installation:
    return small.copy(tmp_path_factory.mktemp("cli") / "home")


def refused(done, status, *said):
    """Hold a refusal to its form: status, one message with a remedy, no traceback."""
    assert done.status == status, done.said
    assert "Traceback" not in done.said
    assert "assent: " in done.err
    for text in said:
        assert text in done.err
    return True


def test_help_explains_every_command(one):
    done = one.assent("--help")
    assert done.status == 0
    for command in ("run", "status", "sources", "feeds", "query", "consent", "explain", "check",
                    "lineage", "export", "quarantine", "ui"):  # fmt: skip
        assert command in done.out


@pytest.mark.parametrize(
    "arguments",
    [("no-such-command",), ("query", "select 1"), ("run", "--as-of", "yesterday"),
     ("consent", "record", "C000000001", "shrugged"), ("export", "1")],
)  # fmt: skip
def test_bad_usage_ends_with_2(one, arguments):
    done = one.assent(*arguments)
    assert done.status == 2
    assert "Traceback" not in done.said
    assert "Error" in done.err


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2024-12-31", "beyond the newest complete day of the feeds, 2024-12-30"),
        ("2025-06-01", "no day that can be asked for"),
        ("2190-01-01", "no day that can be asked for"),
        ("1980-01-01", "no day that can be asked for"),
    ],
)
def test_a_day_without_feeds_is_refused(one, day, said):
    before = {p.name: p.read_bytes() for p in one.home.published.iterdir()}
    done = one.assent("run", "--as-of", day)
    assert refused(done, 2, said, "->")
    # What the clock tells is told before anything is read.
    assert ("Landing" in done.err) is ("newest complete" in said)
    after = {p.name: p.read_bytes() for p in one.home.published.iterdir()}
    assert {n: c for n, c in after.items() if n != "permission.duckdb"} == {
        n: c for n, c in before.items() if n != "permission.duckdb"
    }


def test_a_selection_of_nothing_is_refused(one):
    done = one.assent("run", "--select", "nonsense")
    assert refused(done, 2, "no asset is selected")
    assert "Landing" not in done.err


def test_a_subject_can_be_shown_as_of_and_as_known(one):
    who = min(one.members())
    now = {s["purpose"]: s for s in one.assent("consent", "show", who, "--json").json}
    assert set(now) == {"segmentation", "personalised_offers", "churn_prevention",
                        "bias_monitoring"}  # fmt: skip
    assert now["segmentation"]["permitted"]
    before = one.assent("consent", "show", who, "--as-of", "2023-12-31", "--json").json
    assert not next(s for s in before if s["purpose"] == "segmentation")["permitted"]
    acts = len(one.acts())
    table = one.assent("consent", "show", who)
    assert "segmentation" in table.out
    (act,) = one.acts()[acts:]
    assert act["subject_key"] == subject(one, who)
    assert act["keys"] == ["inbox", "published_permission", "salts", "vault"]
    assert who not in str(act)
    assert who not in table.out


@pytest.mark.parametrize("clock", ["--as-of", "--known-at"])
def test_a_day_at_the_end_of_the_calendar_is_refused(one, clock):
    done = one.assent("consent", "show", min(one.members()), clock, "9999-12-31")
    assert refused(done, 2, "9999-12-31 is no day that can be asked for", "->")
    assert one.assent("consent", "show", min(one.members()), clock, "9999-12-30").status == 0


@pytest.mark.parametrize(
    "command",
    ["consent show {}", "consent record {} withdrawn", "explain {}", "rights show {}",
     "rights open C1 access --channel {}", "rights confirm {}", "run --select {}", "{}"],
)  # fmt: skip
def test_what_is_no_text_is_refused(one, command):
    done = one.assent(*command.format("C\udcff").split())
    assert refused(done, 2, "the command line isn't valid UTF-8", "->")
    assert not waiting(one)


def test_an_unknown_subject_is_not_repeated(one):
    done = one.assent("consent", "show", "Anna Example")
    assert refused(done, 2, "no subject has that customer id")
    assert "Anna" not in done.said
    act = one.acts()[-1]
    assert (act["act"], act["refused"]) == ("consent.show", "subject.unknown")
    assert "Anna" not in str(act)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("granted", "--purpose", "segmentation"), 2, "--notice-version"),
        (("withdrawn", "--purpose", "resale"), 2, "no such purpose"),
        (("granted", "--notice-version", "0"), 2, "no notice 0"),
        (("granted", "--notice-version", "1000001"), 2, "no notice 1000001"),
        (("withdrawn", "--occurred-at", "2024-12-31 06:01:00"), 2, "in the future"),
        (("withdrawn", "--occurred-at", "1899-12-31"), 2, "before 1900"),
        (("withdrawn", "--method", "m" * 4001), 2, "longer than 4000 bytes"),
    ],
)
def test_a_word_that_cannot_be_kept_is_refused(one, arguments, status, said):
    acts = len(one.acts())
    assert refused(one.assent("consent", "record", "C000000001", *arguments), status, said)
    (act,) = one.acts()[acts:]
    assert act["act"] == "consent.record"
    assert act["refused"] in ("usage", "purpose.unknown")
    assert set(act["keys"]) <= {"inbox", "published_permission"}  # for the newest moment known
    assert not waiting(one)


@pytest.mark.parametrize("who", ["", " \t\u200b", "c" * 401, "é" * 201, "C00\u200b1"])
def test_a_word_of_nobody_is_refused(one, who):
    assert refused(one.assent("consent", "record", who, "withdrawn"), 2, "the customer id ")
    assert not waiting(one)


def test_a_word_of_someone_who_is_not_known_yet_is_kept_and_said_to_be(one, tmp_path):
    own = one.copy(tmp_path / "home")
    soon = ("withdrawn", "--occurred-at", "2024-12-31 05:59:00")
    done = own.assent("consent", "record", "Anna Example", *soon)
    assert done.out == (
        "recorded; no such customer yet, so it is kept until they appear."
        " If the id is misspelt, it reaches nobody\n"
    )
    typed = "  C000000001 "  # as somebody pastes it
    known = own.assent("consent", "record", typed, "withdrawn", "--json").json
    assert known == {
        "event_id": 2, "known_customer": True,
        "recorded_at": "2024-12-31 05:59:00",  # the first was said to have been said then
    }  # fmt: skip
    assert own.acts()[-1]["keys"] == ["inbox", "published_permission", "vault"]
    assert own.acts()[-1]["subject_key"] == subject(own, "C000000001")
    other = own.assent("consent", "record", "Anna Example", "withdrawn", "--json").json
    assert (other["event_id"], other["known_customer"]) == (3, False)
    assert own.acts()[-1]["subject_key"] is None
    assert waiting(own) == 3


def subject(one, customer_id):
    """Return a customer's key inside the warehouse, as text."""
    from governance import identity

    with one.entered(), identity.opened() as connection:
        return str(identity.subject_key_of(connection, customer_id))


def waiting(one):
    """Return how many events wait in the inbox."""
    from governance import inbox

    with one.entered():
        return len(inbox.waiting().consent_events)


def test_a_column_can_be_followed_through_sql_and_python(one):
    done = one.assent("lineage", "landing.transactions.value", "--json")
    assert done.status == 0, done.said
    for found in ("mart_segmentation", "segmentation.model", "segmentation.assignments",
                  "release.published_segmentation"):  # fmt: skip
        assert found in done.out
    assert "landing.transactions.value" in one.assent("lineage", "value_total").out
    assert one.assent("lineage", "no_such_column").status == 2


def test_the_gate_is_open(one):
    assert "is allowed" in one.assent("check").out
    assert one.assent("check", "--json").json == []


def test_sources_can_be_checked_without_loading(one, tmp_path):
    from dataclasses import replace

    from tests.support.installation import own_feeds

    assert "fit together" in one.assent("sources", "check").out
    assert one.assent("sources", "check", "--json").json == []
    other = own_feeds(one, tmp_path / "feeds")
    text = other.sources.read_text()
    assert text.count("occurred_at: occurred_at") == 2
    other.sources.write_text(text.replace("occurred_at: occurred_at", "occurred_at: happened", 1))
    done = replace(other, root=tmp_path / "home").assent("sources", "check")
    assert done.status == 2
    assert "happened" in done.said
    assert "Traceback" not in done.said
    assert not (tmp_path / "home" / "warehouse.duckdb").exists()


@pytest.mark.parametrize(
    "arguments",
    [("status",), ("feeds",), ("query", "--purpose", "segmentation", "show tables"),
     ("consent", "show", "C000000001"), ("explain", "C000000001"),
     ("quarantine", "list", "--json")],
)  # fmt: skip
def test_before_the_first_run_there_is_nothing_to_show(one, tmp_path, arguments):
    empty = Installation(tmp_path / "home", sources=one.sources)
    done = empty.assent(*arguments)
    assert refused(done, 2, "assent run")
    assert done.out == ""
    assert not empty.home.warehouse.exists()


def test_what_a_few_had_is_not_told(tmp_path):
    from orchestration.land import _left

    day, names = "2024-12-30", ("feed", "why", "day", "rows", "emptied")
    left = [
        dict(zip(names, ("transactions", why, day, *numbers), strict=True))
        for why, *numbers in (
            ("erasure", None, None), ("retention", 1234, 0), ("retention", None, None),
        )
    ]  # fmt: skip
    assert _left("transactions", left) == {
        "feed/left: erasure, 2024-12-30": "too few to say",
        "feed/left: retention, 2024-12-30": "1234 rows, 0 emptied; of others: too few to say",
    }
    assert _left("customers", left) == {}
    one = Installation(tmp_path / "home")
    with one.entered():
        evidence.show(evidence.FEEDS, {"label": None, "feeds": [], "removals": left,
                                       "left_kept": []})  # fmt: skip
    told = [line.split()[1:] for line in one.assent("feeds").out.splitlines() if "20" in line]
    few = [day, *["too", "few", "to", "say"] * 2]
    assert told == [["erasure", *few], ["retention", day, "1,234", "0"], ["retention", *few]]


def test_production_takes_no_demo_clock_and_makes_no_keys(one, tmp_path):
    empty = Installation(tmp_path / "home", sources=one.sources)
    assert refused(empty.assent("feeds", ASSENT_PRODUCTION="1"), 2, "clock")
    sources = tmp_path / "sources.yaml"
    lines = one.sources.read_text().splitlines()
    lines = [line for line in lines if not line.startswith("clock:")]
    folder = one.sources.parent
    sources.write_text(
        "\n".join(lines)
        .replace("paths: [", f"paths: [{folder}/")
        .replace("['consent", f"['{folder}/consent")
        .replace(f"[{folder}/'consent", f"['{folder}/consent")
    )
    strict = one.fresh(tmp_path / "strict", sources=sources)
    assert strict.assent("check", ASSENT_PRODUCTION="1").status == 0  # it opens no file
    done = strict.assent("run", ASSENT_PRODUCTION="1")
    assert refused(done, 2, "no key for 'vault'", "no key for 'published_segmentation'",
                   "and makes none")  # fmt: skip
    assert not strict.keys.exists()
    assert not strict.home.warehouse.exists()


def test_production_takes_no_key_that_a_local_run_has_made(one, tmp_path):
    other = one.copy(tmp_path / "home")
    asked = ("query", "--purpose", "segmentation", "from about")
    real = {"ASSENT_PRODUCTION": "1", "ASSENT_SOURCES": str(tmp_path / "none.yaml")}
    assert other.assent(*asked).status == 0
    done = other.assent(*asked, **real)
    assert refused(done, 2, "no key for 'published_segmentation' is supplied", "ASSENT_KEYS")
    assert other.assent(*asked, **real, ASSENT_KEYS=str(other.keys)).status == 0


@pytest.mark.parametrize("arguments", [("run",), ("status",), ("consent", "show", "C000000001")])
def test_production_takes_no_other_clock_than_the_hosts(one, tmp_path, arguments):
    strict = Installation(tmp_path / "home", sources=tmp_path / "none.yaml")
    done = strict.assent(*arguments, ASSENT_PRODUCTION="1", ASSENT_NOW="2024-12-31T05:00:00Z")
    assert refused(done, 2, "ASSENT_NOW sets the clock", "production", "unset ASSENT_NOW")
    assert not strict.home.published_file("permission").exists()


def test_an_unforeseen_fault_shows_where_and_no_value(one, monkeypatch):
    """DuckDB's own message would quote the value that it can't convert."""
    from governance import evidence

    def fails(name):
        raise ValueError("could not convert 'Anna Example'")

    monkeypatch.setattr(evidence, "shown", fails)
    done = one.assent("status")
    assert refused(done, 2, "ValueError in governance/status.py:", "report it")
    assert "Anna" not in done.said


def test_a_policy_with_an_error_is_refused_by_line(one, tmp_path):
    from dataclasses import replace

    text = (PROJECT / "policy.yaml").read_text()
    (tmp_path / "policy.yaml").write_text(
        text.replace("smallest_segment: 50", "smallest_segment: x")
    )
    done = replace(one, policy=tmp_path / "policy.yaml").assent("check")
    line = next(i for i, t in enumerate(text.splitlines(), 1) if "smallest_segment" in t)
    assert refused(done, 2, f"line {line}", "smallest_segment")


def test_a_denial_recorded_by_a_clock_that_is_behind_takes_back_what_came_before(one, tmp_path):
    own = one.copy(tmp_path / "home")
    who = min(own.members())
    done = own.assent("consent", "record", who, "withdrawn", ASSENT_NOW="2023-01-01T00:00:00Z")
    assert done.status == 0
    assert "the clock is behind" in done.err
    states = own.assent("consent", "show", who, "--json").json
    assert not [state for state in states if state["permitted"]]
    back = ("--purpose", "segmentation", "--notice-version", "9", "--unprompted")
    granted = own.assent("consent", "record", who, "granted", *back, "--json",
                         ASSENT_NOW="2023-01-01T00:00:00Z")  # fmt: skip
    states = own.assent("consent", "show", who, "--json").json
    assert [state["purpose"] for state in states if state["permitted"]] == ["segmentation"]
    (own.keys / "published_permission").unlink()  # nor needed
    for clock, recorded_at in (
        ("2023-01-01T00:00:00Z", granted.json["recorded_at"]),
        ("2024-12-31T05:00:00Z", "2024-12-31 05:00:00"),
    ):
        done = own.assent("consent", "record", who, "withdrawn", "--json", ASSENT_NOW=clock)
        assert done.json["recorded_at"] == recorded_at


def test_a_reader_waits_for_who_writes_the_vault(one, monkeypatch):
    """As a landing does, for minutes among millions; a refusal would come after 5 seconds."""
    for module in (connect, identity):
        monkeypatch.setattr(module, "DYING_SECONDS", 0.2)
    writing = (
        "import sys\nfrom governance import identity\nfrom warehouse.connect import connected\n"
        "with connected(*identity.stores()):\n    print(flush=True)\n    sys.stdin.read()"
    )
    who = min(one.members())
    with subprocess.Popen(
        [sys.executable, "-c", writing], env=one.environment, cwd=PROJECT, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as writer:  # fmt: skip
        writer.stdout.readline()
        ending = threading.Timer(1, writer.stdin.close)
        ending.start()
        done = one.assent("consent", "show", who)
        ending.join()
    assert done.status == 0, done.err
    assert "waiting for another process, which holds vault.duckdb" in done.err


def test_a_port_that_is_taken_starts_nothing(one):
    """Else a second set of daemons would watch the same state."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert refused(one.assent("ui", "--port", port), 2, f"port {port} can't be used", "--port")
    beyond = one.assent("ui", "--port", "99999")
    assert (beyond.status, "65535" in beyond.err) == (2, True)


def test_commands_that_run_nothing_load_nothing_that_is_heavy(small, tmp_path):
    """It would take most of their time."""
    one = small.copy(tmp_path / "home")
    who = min(one.members())
    number = one.assent("rights", "open", who, "access", "--json").json["request_id"]
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    said = (
        "import sys\nfrom orchestration.cli.main import program\n"
        "try:\n    program()\n"
        "finally:\n    print({n for n in ('dagster', 'pandas', 'sqlglot') if sys.modules.get(n)}"
        " or None)"
    )
    answer = ["rights", "fulfil", number, "--unencrypted", "--to", str(tmp_path)]
    for command in (["rights", "list"], answer, ["consent", "show", who]):
        done = subprocess.run(
            [sys.executable, "-c", said, *command], env=one.environment, cwd=PROJECT,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "None"), done.stderr
