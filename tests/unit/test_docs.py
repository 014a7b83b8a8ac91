"""The pages are true: links, commands, settings, targets, keys, rules and examples exist."""

import io
import re
from pathlib import Path
from typing import get_args

import pytest
from ruamel.yaml import YAML

from expectations.result import Status
from governance.policy.document import pages as generated
from governance.policy.load import load_policy, parse_policy
from governance.policy.rules import KINDS
from ingest.contract import CONTRACTS
from ingest.expressions import FUNCTIONS
from ingest.model import CsvOptions, FeedSource, Sources
from ingest.sources import parse_sources
from models.features import FEATURES
from orchestration.cli.main import _register, assent
from tests.support import pages
from warehouse.home import PROJECT

PAGES = [pytest.param(page, id=str(page.relative_to(PROJECT))) for page in pages.pages()]
ROOMS = ("orchestration", "ingest", "expectations", "governance", "warehouse", "models")
LONGEST = 106  # "about 100"
PICTURE = PROJECT / "docs" / "images" / "graph.png"


def text_of(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


def everything() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in pages.pages())


@pytest.fixture(scope="module")
def root():
    _register()
    return assent


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: Path):
    assert list(pages.broken_links(page, page.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "link", ["nowhere.md", "#no-such-heading", "sources.md#no-such-heading", "../docs"]
)
def test_a_link_that_leads_nowhere_is_found(link):
    page = PROJECT / "docs" / "checks.md"
    text = f"# A heading\n[fine](#a-heading) [fine](sources.md) [poison]({link})\n"
    assert list(pages.broken_links(page, text)) == ([] if link == "../docs" else [link])


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist_as_shown(root, page: Path):
    shown = pages.commands(page.read_text(encoding="utf-8"))
    wrong = {said: pages.wrong_command(root, said, whole=whole) for said, whole in shown}
    assert {said: what for said, what in wrong.items() if what} == {}


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("rnu", "no command"),
        ("consent shwo X", "no command"),
        ("run --as_of 2024-01-01", "No such option"),
        ("run --as-of yesterday", "does not match"),
        ("consent record X gone", "is not one of"),
        ("export 3 --purpose p --to x.csv", "Missing option"),
        ("query 'from x'", "Missing option"),
        ("status extra", "unexpected"),
        ("status --json", ""),
    ],
)
def test_a_command_that_does_not_exist_is_found(root, said, what):
    wrong = pages.wrong_command(root, said, whole=True)
    assert what in wrong
    assert bool(what) == bool(wrong)


def test_commands_are_found():
    page = "`assent run` and\n```sh\nA=1 assent status --json  # why\nassent: an error\n```\n"
    assert list(pages.commands(page)) == [("status --json  # why", True), ("run", False)]


def test_every_command_is_on_some_page(root):
    shown = {said.split("#")[0] for said, _ in pages.commands(everything())}
    for name, command in root.commands.items():
        for path in [f"{name} {inner}" for inner in getattr(command, "commands", ())] or [name]:
            assert any(f"{said} ".startswith(f"{path} ") for said in shown), path


def test_settings_on_pages_are_those_of_the_code():
    said, known = pages.settings(everything()), pages.settings_of_code(*ROOMS)
    assert pages.KEY in known
    assert said - known - pages.settings_of_code("tests") == set()
    assert known - pages.settings(text_of("docs/operating.md")) == set()


def test_settings_are_found():
    assert pages.settings("`ASSENT_HOME`, `ASSENT_KEY_VAULT_FILE`, ASSENT_KEYS, MYASSENT_X") == {
        "ASSENT_HOME", pages.KEY, "ASSENT_KEYS",
    }  # fmt: skip


def test_targets_exist():
    known = set(re.findall(r"^([a-z-]+):.*## ", text_of("Makefile"), re.MULTILINE))
    assert {"demo", "test", "ui", "lint"} <= known
    assert pages.targets(everything()) - known == set()
    assert pages.targets("```sh\nmake all   # make none\n```\nto make do, `make x`") == {
        "all", "none", "x",
    }  # fmt: skip


def test_generated_pages_are_current():
    """If this fails: `python -m governance.policy.document`."""
    for path, text in generated().items():
        assert text_of(str(path)) == text


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_no_machine_and_stay_narrow(page: Path):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(home|tmp|work|root|opt|usr)/|pypi|simple/", text)
    if page.parent not in (PROJECT, PROJECT / "docs"):
        return  # decisions and notices are as they were written
    lines = [line for line in pages.prose(text).splitlines() if not line.startswith(("|", "!"))]
    assert [line for line in lines if len(line) > LONGEST] == []


def test_the_picture_is_small():
    assert PICTURE.read_bytes().startswith(b"\x89PNG")
    assert PICTURE.stat().st_size <= 300_000


def test_every_key_of_the_feeds_is_explained():
    page = text_of("docs/sources.md")
    keys = [*Sources.model_fields, *FeedSource.model_fields, *CsvOptions.model_fields]
    assert [key for key in keys if f"`{key}`" not in page] == []
    names = {name for contract in CONTRACTS.values() for name in contract.names}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
    for contract in CONTRACTS.values():
        for column in contract.columns:
            assert [word for word in column.choices if f"`{word}`" not in page] == []
        required = [f"`{column.name}`*" for column in contract.columns if column.required]
        row = re.search(rf"^\| `{contract.name}` \| (`.*)$", page, re.MULTILINE)
        assert sorted(re.findall(r"`\w+`\*", row[1])) == sorted(required)


def test_every_function_of_expressions_is_named():
    page = text_of("docs/sources.md")
    words = set(FUNCTIONS.split(", ")) - {"case", "cast"}
    assert [word for word in sorted(words) if f"`{word}`" not in page] == []


def examples_of_sources() -> list[str]:
    """Return the examples as whole files; a part stands in the first, which is whole."""
    yaml = YAML()
    found, blocks = [], pages.fences(text_of("docs/sources.md"), "yaml")
    for block in blocks:
        data = yaml.load(block)
        if "version" not in data:
            whole = yaml.load(blocks[0])
            whole["feeds"].update(data)
            stream = io.StringIO()
            yaml.dump(whole, stream)
            block = stream.getvalue()
        found.append(block)
    return found


def test_the_examples_of_feeds_are_valid():
    examples = examples_of_sources()
    assert len(examples) > 4
    connectors = {f.connector for text in examples for f in parse_sources(text).feeds.values()}
    assert connectors == {"files", "postgres", "python"}


def test_the_worked_example_is_the_one_that_is_tested():
    shown = parse_sources(examples_of_sources()[-1]).feeds
    tested = parse_sources(text_of("tests/external/online_retail/sources.yaml")).feeds
    for name in ("customers", "transactions"):
        assert shown[name].columns == tested[name].columns
        assert shown[name].corrections == tested[name].corrections
        assert shown[name].greatest_bad_share == tested[name].greatest_bad_share


def test_every_rule_and_verdict_is_on_the_page_of_checks():
    page = text_of("docs/checks.md")
    for name, kind in KINDS.items():
        rows = [line for line in page.splitlines() if re.match(rf"\| `{name}[.`]", line)]
        said = {row.rsplit("|", 2)[1].strip() for row in rows if row.count(" | ") == 3}
        assert said == {"blocks" if kind.blocks else "warns"}, name
    excused = page.split("### Overrides")[1].split("allow it")[0]
    assert set(re.findall(r"`(\w+)`", excused)) == {n for n, k in KINDS.items() if k.overridable}
    for verdict in get_args(Status):
        assert f"| `{verdict}` |" in page


def test_every_act_is_on_the_page():
    code = "".join(p.read_text() for room in ROOMS for p in Path(PROJECT / room).rglob("*.py"))
    acts = set(re.findall(r'\bacting\(\s*"([a-z_.]+)"', code))
    assert len(acts) > 15
    assert [act for act in sorted(acts) if f"`{act}`" not in text_of("docs/operating.md")] == []


def test_every_feature_is_on_its_page():
    page = text_of("docs/features.md")
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (\w+) \| (.+?) \|$", page, re.MULTILINE)
    assert rows == [
        (f.name, f.unit, f.definition, f.tail,
         f"{f.why_missing}: taken as {f.missing}" if f.why_missing else "none")
        for f in FEATURES.values()
    ]  # fmt: skip


def test_the_example_of_a_purpose_fits_the_policy():
    yaml = YAML()
    purpose, recipient, *_ = pages.fences(text_of("docs/adding-a-purpose.md"), "yaml")
    yaml.width = 1000
    whole = yaml.load(text_of("policy.yaml"))
    whole["purposes"].update(yaml.load(purpose))
    whole["recipients"].update(yaml.load(recipient))
    stream = io.StringIO()
    yaml.dump(whole, stream)
    shipped, policy = load_policy(PROJECT / "policy.yaml"), parse_policy(stream.getvalue())
    others = [p.notice_version for n, p in shipped.purposes.items() if n != "loyalty_rewards"]
    # A notice that is out already can't have named it.
    assert policy.purposes["loyalty_rewards"].notice_version > max(others)


def test_files_that_pages_name_are_there():
    named = set(re.findall(r"`((?:docs|examples|tests|governance|expectations|models|dbt_project)"
                           r"/[\w./-]+\.\w+)`", everything()))  # fmt: skip
    assert len(named) > 5
    new = {name for name in named if "loyalty_rewards" in name}
    assert [name for name in sorted(named - new) if not (PROJECT / name).exists()] == []
