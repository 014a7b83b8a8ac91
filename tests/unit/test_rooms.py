"""The rooms: who may import whom, who may open the vault, who may write the record of acts."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from warehouse.home import PROJECT

ROOMS = ("orchestration", "ingest", "warehouse", "models", "expectations", "governance")
VAULT = "governance.identity"
# Landing, release, and rights: consent and requests of a subject.
CALLERS = {
    "ingest.load",
    "governance.consent_conflicts",
    "governance.export",
    "governance.subject_consent",
    "governance.subject_word",
    "governance.rights.requests",
    "governance.sealed",
    "governance.kept_bound",
    "governance.permission_bound",
    "governance.rights.kept",
    "governance.rights.kept_lost",
    "governance.rights.discovery",
    "governance.rights.known",
    "governance.rights.owed",
    "governance.rights.opening",
    "governance.rights.published",
    "governance.rights.readmission",
    "governance.rights.rectification",
    "ingest.heeding",
    "governance.rights.holding",
    "governance.rights.custody",
    "governance.rights.erasure",
    "governance.rights.expiry",
    "governance.rights.leaving",
    "governance.rights.proofs",
    "governance.rights.purge",
    "governance.rights.recall",
    "governance.rights.replay",
    # Whose files are copied, or written anew: they read no row of it.
    "governance.backup",
    "governance.rotation",
}


@cache
def modules() -> dict[str, ast.Module]:
    """Return the source of every room, by the name of the module."""
    return {
        ".".join(path.relative_to(PROJECT).with_suffix("").parts): ast.parse(path.read_text())
        for room in ROOMS
        for path in sorted((PROJECT / room).rglob("*.py"))
    }


@cache
def nodes(source: ast.Module) -> list[ast.AST]:
    """Return all that a source consists of."""
    return list(ast.walk(source))


def imports(source: ast.Module) -> Iterator[str]:
    """Yield every module that a source imports, anywhere in it, and every name from one."""
    for node in nodes(source):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def importers(of: str, sources: dict[str, ast.Module]) -> set[str]:
    return {
        name for name, source in sources.items()
        if any(found == of or found.startswith(f"{of}.") for found in imports(source))
    }  # fmt: skip


def touches_audit(source: ast.Module) -> bool:
    """Tell whether a source names the folder or the file of acts."""
    return any(
        (isinstance(node, ast.Attribute) and node.attr == "audit")
        or (isinstance(node, ast.Constant) and isinstance(node.value, str)
        and (node.value in ("audit", "acts.jsonl") or node.value.startswith("audit/")))
        for node in nodes(source)
    )  # fmt: skip


def test_imports_run_one_way():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(linter), "--no-logo", "--no-cache"], cwd=PROJECT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout
    assert "Rooms: imports run one way" in done.stdout


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            {"warehouse/sneaks.py": "import governance\n"},
            "warehouse is not allowed to import governance",
        ),
        (
            {
                "ingest/one.py": "import ingest.other\n",
                "ingest/other.py": "def later():\n    from ingest import one\n",
            },
            "No cycles are allowed in ingest",
        ),
    ],
    ids=["against the layers", "in a circle"],
)
def test_the_linter_notices_a_wrong_import(tmp_path, lines, told):
    """Positive control, on the same contracts."""
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("")
    for file, text in lines.items():
        (tmp_path / file).write_text(text)
    (tmp_path / "pyproject.toml").write_text((PROJECT / "pyproject.toml").read_text())
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(linter), "--no-logo", "--no-cache"], cwd=tmp_path, capture_output=True, text=True,
        check=False, env={"PYTHONPATH": str(tmp_path), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    assert told in done.stdout


def test_the_vault_has_three_callers():
    assert importers(VAULT, modules()) == CALLERS


def test_nobody_else_names_the_file_of_the_vault_or_the_salts():
    """Its path is known where files are named, its store where it is opened."""
    named = {
        name for name, source in modules().items()
        if any(isinstance(n, ast.Attribute) and n.attr in ("vault", "salts")
               and isinstance(n.value, ast.Name) and n.value.id in ("home", "self")
               for n in nodes(source))
    }  # fmt: skip
    assert named == {"governance.identity", "warehouse.keys"}


@pytest.mark.parametrize(
    "line",
    [
        "import governance.identity",
        "from governance import identity",
        "from governance.identity import opened",
        "def later():\n    from governance import acts, identity",
    ],
)
def test_a_fourth_caller_would_be_noticed(line):
    assert importers(VAULT, {"models.sneaks": ast.parse(line)}) == {"models.sneaks"}


def test_only_one_module_writes_the_record_of_acts():
    named = {name for name, source in modules().items() if touches_audit(source)}
    assert named == {"governance.acts", "warehouse.home"}


@pytest.mark.parametrize(
    "line", ["Home.current().audit / 'x'", "open('audit/acts.jsonl')", "root / 'audit'"]
)
def test_another_writer_would_be_noticed(line):
    assert touches_audit(ast.parse(line))


def test_the_warehouse_has_known_readers():
    """Whatever else makes an asset goes by the door (``orchestration.door``)."""
    opening = {
        name for name, source in modules().items()
        if any(isinstance(n, ast.Attribute) and n.attr == "warehouse"
               and isinstance(n.value, ast.Name) and n.value.id == "writer"
               for n in nodes(source))
    }  # fmt: skip
    assert opening == {
        f"orchestration.{name}"
        for name in ("checks", "consent_statistics", "door", "land", "published", "transform")
    }


def test_every_module_says_what_belongs_in_it_and_what_does_not():
    for name, source in modules().items():
        said = ast.get_docstring(source) or ""
        if name.endswith("__main__"):
            continue
        assert "Belongs here" in said, name
        short = name.endswith(".dbt_child")
        assert short or "oes not belong here" in said.replace("\n", " "), name


def test_no_module_is_longer_than_it_may_be():
    for folder in (*ROOMS, "tests", "benchmarks", "examples"):
        for path in (PROJECT / folder).rglob("*.py"):
            assert len(path.read_text().splitlines()) < 400, path


def test_dagster_is_known_in_one_room():
    users = importers("dagster", modules()) | importers("dagster_dbt", modules())
    assert {name.split(".")[0] for name in users} == {"orchestration"}


def test_duckdb_files_are_opened_in_one_room():
    """Elsewhere, `duckdb.connect()` opens none: it is in memory."""
    for name, source in modules().items():
        for node in nodes(source):
            if (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                and node.func.attr == "connect" and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "duckdb" and not name.startswith("warehouse.")
            ):  # fmt: skip
                assert not node.args, name
                assert not node.keywords, name
