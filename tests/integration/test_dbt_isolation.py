"""A model that asks for more than the warehouse gets nothing: real dbt on a copy of the project."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from dagster_dbt import DbtCliResource

from governance import identity
from tests.support import dbt
from tests.support.installation import Installation
from warehouse.connect import connected
from warehouse.home import PROJECT

CANARY = "canary-of-the-vault"
KEY_WAREHOUSE = "warehouse-key-0123456789abcdef"
KEY_VAULT = "vault-key-0123456789abcdef"

# Rogue models: what each tries, as SQL. `{vault}`, `{notes}`, `{out}` are paths.
ROGUES = {
    "reads_a_file": "select content from read_text('{notes}')",
    "reads_a_file_by_its_name": "select * from '{notes}'",
    "reads_bytes_of_the_vault": "select content from read_blob('{vault}')",
    "reads_its_environment": "select content from read_text('/proc/self/environ')",
    "lists_files": "select file from glob('{folder}/*')",
    "attaches_the_vault": (
        "{{{{ config(pre_hook=\"attach '{vault}' as stolen (encryption_key '" + KEY_VAULT
        + "')\") }}}} select * from stolen.subjects"
    ),
    "attaches_by_a_query": (
        "{{% if execute %}}{{% do run_query(\"attach '{vault}' as stolen\") %}}{{% endif %}}"
        " select 1 as a"
    ),
    "opens_the_door": (
        "{{{{ config(pre_hook='set enable_external_access = true') }}}} select 1 as a"
    ),
    "writes_a_file": (
        "{{{{ config(post_hook=\"copy (select 'row') to '{out}'\") }}}} select 1 as a"
    ),
    "loads_an_extension": "{{{{ config(pre_hook='install postgres') }}}} select 1 as a",
    "quotes_a_row": (  # in pieces, so that it isn't found in the SQL itself
        "{{{{ config(materialized='table') }}}}"
        f" select ('{CANARY[:6]}' || '{CANARY[6:]}')::integer as a"
    ),
    "asks_the_network": "select * from read_csv('https://example.com/x.csv')",
}  # fmt: skip
HARMLESS = "harmless"
# What DuckDB knows of its attached files and settings must not hold a key.
CURIOUS = "curious"
CURIOUS_SQL = """
select concat_ws(
    ';',
    (select string_agg(known::varchar, ';') from duckdb_databases() as known),
    (select string_agg(known::varchar, ';') from duckdb_settings() as known),
    (select string_agg(known::varchar, ';') from duckdb_secrets() as known)
) as known
"""


def rogue_project(folder: Path, models: dict[str, str]) -> Path:
    """Copy the project, with models that it shouldn't have.

    Settings, profile and macros are all that could give them anything; models and tests of its own
    would only have to be read.
    """
    project = folder / "project"
    others = shutil.ignore_patterns("target", "logs", "models", "tests")
    shutil.copytree(dbt.DBT_PROJECT, project, ignore=others)
    (project / "models" / "rogue").mkdir(parents=True)
    for name, sql in models.items():
        (project / "models" / "rogue" / f"{name}.sql").write_text(sql)
    return project


@pytest.fixture(scope="module")
def rogues(tmp_path_factory: pytest.TempPathFactory) -> tuple[dbt.DbtHome, dict[str, Any]]:
    """Run all rogue models; return the home, and each model's result."""
    folder = tmp_path_factory.mktemp("rogues")
    home = dbt.DbtHome(folder / "home")
    with dbt.exported(home.environment), connected(*identity.stores(), files=True) as connection:
        identity.prepare(connection, [])
        identity.enrol(connection, f"select '{CANARY}' as customer_id")
    notes = folder / "notes.csv"
    notes.write_text(f"who\n{CANARY}\n")
    paths = {
        "vault": home.root / "vault.duckdb", "notes": notes, "folder": folder,
        "out": folder / "out.csv",
    }  # fmt: skip
    models = {name: sql.format(**paths) for name, sql in ROGUES.items()}
    models |= {HARMLESS: "select 1 as a", CURIOUS: CURIOUS_SQL}
    home = dbt.made(home.root, project=rogue_project(folder, models))
    done = home.dbt("run", "--select", *models)
    return home, {result.node.name: result for result in done.result}


@pytest.mark.parametrize("name", ROGUES)
def test_rogue_model_fails(rogues: tuple[dbt.DbtHome, dict[str, Any]], name: str) -> None:
    result = rogues[1][name]
    assert result.status == "error"
    refused = ("Permission Error", "Invalid Input Error (", "Conversion Error (")
    assert any(words in result.message for words in refused), result.message


def test_harmless_model_in_the_same_place_runs(
    rogues: tuple[dbt.DbtHome, dict[str, Any]],
) -> None:
    assert rogues[1][HARMLESS].status == "success"
    assert rogues[1][CURIOUS].status == "success"


def test_rogues_left_nothing_behind(rogues: tuple[dbt.DbtHome, dict[str, Any]]) -> None:
    home, _ = rogues
    assert not (home.root.parent / "out.csv").exists()
    with home.warehouse() as connection:
        found = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'main'"
        ).fetchall()
        known = connection.execute(f"select known from main.{CURIOUS}").fetchall()[0][0]
    assert sorted(found) == [(CURIOUS,), (HARMLESS,)]
    keys = [path.read_text() for path in Path(f"{home.root}.keys").iterdir()]
    assert len(keys) == 3
    assert str(home.root / "warehouse.duckdb") in known
    assert not [key for key in keys if key in known]
    assert mentions(home.root / "dbt", [CANARY, *keys]) == []


def mentions(folder: Path, secrets: list[str]) -> list[str]:
    """Return the files below a folder that contain one of some texts."""
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]


def child(home: dbt.DbtHome, *command: str) -> subprocess.CompletedProcess[str]:
    """Run dbt as the orchestration does: a process of its own, with keys in what it inherits."""
    inherited = {name: value for name, value in os.environ.items() if "ASSENT" not in name}
    return subprocess.run(
        [sys.executable, "-m", "orchestration.dbt_child", *home.arguments(*command)],
        cwd=PROJECT, check=False, capture_output=True, text=True,
        env=inherited | home.environment
        | {"ASSENT_KEY_WAREHOUSE": KEY_WAREHOUSE, "ASSENT_KEY_VAULT": KEY_VAULT},
    )  # fmt: skip


@pytest.fixture
def keyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a home whose keys come from the environment."""
    monkeypatch.setenv("ASSENT_KEY_WAREHOUSE", KEY_WAREHOUSE)
    dbt.made(tmp_path / "home")
    return tmp_path


def test_model_that_asks_for_the_key_of_the_vault_fails(keyed: Path) -> None:
    project = rogue_project(keyed, {"asks": "select '{{ env_var(\"ASSENT_KEY_VAULT\") }}' as key"})
    home = dbt.DbtHome(keyed / "home", project=project)
    done = child(home, "--debug", "run", "--select", "asks")
    assert done.returncode != 0
    assert "Env var required but not provided: 'ASSENT_KEY_VAULT'" in done.stdout
    assert KEY_VAULT not in done.stdout + done.stderr
    assert mentions(home.root / "dbt", [KEY_VAULT]) == []


def test_keys_are_nowhere_in_targets_and_logs(keyed: Path) -> None:
    home = dbt.DbtHome(keyed / "home")
    done = child(home, "--debug", "run", "--select", "+int_consent_permitted")
    assert done.returncode == 0, done.stdout
    assert KEY_WAREHOUSE not in done.stdout + done.stderr
    folder = home.root / "dbt"
    assert {path.name for path in folder.rglob("*")} >= {"manifest.json", "dbt.log"}
    assert mentions(folder, [KEY_WAREHOUSE, KEY_VAULT]) == []
    # The search can find: what is in the manifest is found there.
    assert "target/manifest.json" in mentions(folder, ["stg_landing__clocks"])


def test_dbt_is_started_without_other_keys(
    keyed: Path, compiled: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process was started with is shown by the system, whatever it drops later."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("only Linux shows the environment of a process as a file")
    monkeypatch.setenv("ASSENT_KEY_VAULT", KEY_VAULT)
    monkeypatch.setenv("ASSENT_HOME", str(keyed / "home"))
    shutil.copytree(compiled.home.dbt / "compiled", keyed / "home" / "dbt" / "compiled")
    from orchestration.transform import Dbt, dbt_resource

    resource = dbt_resource()

    def environment_of(start: Any) -> bytes:
        started = start(resource, ["parse"], target_path=keyed, raise_on_error=False)
        environment = Path(f"/proc/{started.process.pid}/environ")
        while not (found := environment.read_bytes()):  # until the program runs
            time.sleep(0.01)
        started.process.kill()
        started.wait()
        return found

    found = environment_of(Dbt.cli)
    assert KEY_VAULT.encode() not in found
    assert KEY_WAREHOUSE.encode() in found
    assert os.environ["ASSENT_KEY_VAULT"] == KEY_VAULT  # put back
    assert KEY_VAULT.encode() in environment_of(DbtCliResource.cli)  # positive control
