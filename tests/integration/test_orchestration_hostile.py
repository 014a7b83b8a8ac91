"""Whatever is typed: no fault of ours, nothing of it runs, and none of it is repeated.

A path is: who named a file wrongly has to be told which. The long version: docs/operating.md.
"""

import json
import os
from random import Random

import pytest

from governance.policy.words import ACTIONS, REQUEST_TYPES
from orchestration.cli.rights import STEPS
from tests.support.canaries import contents, files
from tests.support.hostile import CANARY, Generator
from warehouse.connect import connected, warehouse_store

COUNT = int(os.environ.get("ASSENT_HOSTILE", "60"))
SEED = int(os.environ.get("ASSENT_TEST_SEED", "1"))
OF_OURS = ("fault of ours", "Traceback", "can't be read or written (")


def commands(generator, folder):
    """Return one command line, most of whose words are hostile."""
    random = generator.random

    def text():
        return generator.text(seen=True)

    def now_and_then(good):
        return good if random.random() < 0.5 else text()

    def number():
        return random.choice([text(), "A-0123456789", "1", "-1", "99999999999999999999", ""])

    def path(ending=""):
        name = random.choice(
            ["out", "../out", "a/b", ".", "", "*", "y" * 300, "$(touch x)", "\udcff"]
        )
        return str(folder / "paths" / f"{name}{ending}")

    def given(name, *contents):
        file = folder / "given" / name
        file.write_bytes(random.choice(contents).encode(errors="surrogatepass"))
        return str(file)

    value = generator.value(random.choice(["age_years", "email"]))
    changes = given(
        "changes.json", text(), json.dumps({"email": text()}), json.dumps({text(): "1"}),
        json.dumps({"age_years": value}), '{"age_years": 1e999}', "[" * 5000, "9" * 5000, "\x00",
        '{"email": "\ud800"}', '{"email": "\\u0000"}', "\udcff", "[]", '{"email": {"a": []}}',
        '{"age_years": NaN}', f'{{"email": "{CANARY}", "email": 1}}', "{}",
    )  # fmt: skip
    (folder / "given" / "backup").mkdir(exist_ok=True)
    given(
        "backup/manifest.json", text(), "{}", "[]", "null", "\udcff", "[" * 5000,
        json.dumps({"kind": "state", "at": text(), "files": {text(): text()}, "kept": {}}),
        json.dumps({"kind": "state", "at": "2024-05-01T00:00:00+00:00", "schema_version": "x",
                    "files": {"../../x": "0" * 64}, "kept": {"of": text(), "steps": text()}}),
        json.dumps({"kind": text(), "at": 1, "files": [1], "kept": None}),
    )  # fmt: skip
    step = random.choice(STEPS)
    told = [word for name in step.options for word in (f"--{name}", text())]
    backup = str(folder / "given" / "backup")
    return random.choice([
        ["rights", "open", text(), now_and_then(random.choice(REQUEST_TYPES)),
         *random.choice([[], ["--channel", text()], ["--received-at", text()]])],
        ["rights", "hold", text(), "--reason", text(), "--until", now_and_then("2031-01-01")],
        ["rights", "show", number(), "--subject", text(), "--json"],
        ["rights", step.command, number(), *told],
        ["rights", step.command, number(), *told, "--subject", text()],
        ["rights", "fulfil", number(), "--changes", changes],
        ["rights", "fulfil", number(), number(), "--to", path(), "--public-key", text()],
        ["rights", "readmit", text(), "--evidence", text(), "--since", now_and_then("2024-01-01")],
        ["rights", "notify", text(), "--to", path(".json")],
        ["rights", "confirm", text(), "--how", text()],
        ["rights", text()],
        ["consent", "record", text(), now_and_then(random.choice(ACTIONS)),
         *random.choice([[], ["--purpose", text()], ["--occurred-at", text()]]),
         *random.choice([[], ["--notice-version", text()], ["--notice-version", "99999999999"]]),
         *random.choice([[], ["--signal", text()], ["--given-by", text()]])],
        ["consent", "show", text(), "--as-of", now_and_then("2024-01-01"),
         *random.choice([[], ["--known-at", random.choice(["0001-01-01", "9999-12-31", text()])]])],
        ["consent", "receipt", text(), "--to", path(random.choice(["", ".json", ".html"])),
         *random.choice([[], ["--public-key", text()], ["--unencrypted"]])],
        ["explain", text(), *random.choice([[], ["--purpose", text()]])],
        ["export", text(), "--purpose", now_and_then("segmentation"), "--recipient",
         now_and_then("store_planning"), "--to", path(".csv"), "--unencrypted"],
        ["query", "--purpose", now_and_then("segmentation"), text()],
        ["query", "--purpose", "segmentation", f"select '{CANARY}' {text()}"],
        ["quarantine", "resolve", number(), "--as", now_and_then("dismissed"), "--note", text()],
        ["keys", "rotate", text()],
        ["backup", "--to", str(folder / "given")],
        ["restore", "--from", random.choice([path(), backup])],
        ["restore", "--from", backup, "--separate", random.choice([path(), backup])],
        ["lineage", text()],
        ["run", "--as-of", random.choice([text(), "0001-01-01", "9999-12-31"])],
        ["run", "--select", text()],
        [text(), text()],
        ["--" + text()],
    ])  # fmt: skip


def waiting(one):
    from governance import inbox

    with one.entered():
        return sum(map(len, inbox.waiting().by_feed.values()))


@pytest.fixture(scope="module")
def one(small, tmp_path_factory):
    return small.copy(tmp_path_factory.mktemp("hostile") / "home")


def test_hostile_arguments_are_refused_or_kept_and_never_repeated(one, tmp_path, capfd):
    random = Random(SEED)  # noqa: S311  # of a test
    marker = tmp_path / "marker"
    for name in ("given", "paths"):
        (tmp_path / name).mkdir()
    with one.entered(), connected(warehouse_store()) as connection:
        connection.execute("create table landing.canary as select 1 as x")
    before = waiting(one)
    generator, recorded, faults = Generator(random, marker), 0, []
    for number in range(COUNT):
        arguments = commands(generator, tmp_path)
        done = one.assent(*arguments)
        keeps = arguments[:2] in (["rights", "open"], ["consent", "record"])
        recorded += keeps and done.status == 0
        recorded += arguments[:2] == ["rights", "hold"] and done.status == 0
        out, err = capfd.readouterr()
        said = done.said + out + err
        if done.status not in (0, 1, 2) or any(word in said for word in OF_OURS):
            faults.append((number, arguments, [w[:160] for w in said.splitlines()[-3:]]))
        elif arguments[0] != "query" and CANARY in said:  # which names its own columns
            faults.append((number, arguments[:2], "repeated", said.splitlines()[0][:200]))
    assert not faults, (SEED, len(faults), faults[:3])
    assert waiting(one) == before + recorded
    with one.warehouse() as connection:
        assert connection.execute("from landing.canary").fetchall() == [(1,)]
    assert not marker.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"given", "paths"}
    clear = [path for path in files(one.root)
             if any(CANARY.encode() in content for content in contents(path))]  # fmt: skip
    assert clear == []


@pytest.mark.parametrize(
    ("command", "said"),
    [("rights partly A-1 --jsn", "No such option --aaa"),
     ("consent show C1 --as-of 2024-01-01T10", "9999-99-99a99 does not match the format"),
     ("rights fulfil A-1 --public-key a --\\1", "No such option --?9")],
)  # fmt: skip
def test_what_was_mistyped_is_told_by_its_shape(compiled, command, said):
    done = compiled.assent(*command.split())
    assert (done.status, said in done.err) == (2, True), done.err
