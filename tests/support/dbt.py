"""dbt for the tests: homes with an encrypted warehouse, and real dbt run upon them.

Belongs here: where dbt writes, which variables it gets, closing its connection. Does not belong
here: what is tested.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from governance.policy.derive import dbt_vars
from governance.policy.load import load_policy
from tests.support import landing
from warehouse.connect import connected, warehouse_store
from warehouse.home import PROJECT

DBT_PROJECT = PROJECT / "dbt_project"


def shipped_vars() -> dict[str, Any]:
    """Return the variables of the shipped policy."""
    return dbt_vars(load_policy(PROJECT / "policy.yaml"))


@dataclass
class DbtHome:
    """One installation for dbt: its state, its project, its policy."""

    root: Path
    variables: dict[str, Any] = field(default_factory=shipped_vars)
    project: Path = DBT_PROJECT
    manifest: Manifest | None = None

    @property
    def target(self) -> Path:
        """Where dbt writes manifest and compiled SQL."""
        return self.root / "dbt" / "target"

    @property
    def environment(self) -> dict[str, str]:
        """What dbt and the warehouse read of the environment."""
        return {
            "ASSENT_HOME": str(self.root),
            "ASSENT_KEYS": f"{self.root}.keys",
            "ASSENT_WAREHOUSE_FILE": str(self.root / "warehouse.duckdb"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }

    def arguments(self, *command: str) -> list[str]:
        """Return the arguments of a dbt command."""
        return [
            *command,
            *("--project-dir", str(self.project), "--profiles-dir", str(self.project)),
            *("--target-path", str(self.target), "--log-path", str(self.root / "dbt" / "logs")),
            *("--vars", json.dumps(self.variables)),
        ]

    def dbt(self, *command: str) -> Any:
        """Run dbt in this process; parsed once per home.

        Returns
        -------
        dbtRunnerResult
            With ``success``, ``exception`` and ``result``.
        """
        with exported(self.environment):
            runner = dbtRunner(manifest=self.manifest)
            quiet = ("--quiet", "--no-use-colors")
            try:
                if self.manifest is None:
                    parsed = runner.invoke([*self.arguments("parse"), *quiet])
                    assert parsed.success, parsed.exception
                    self.manifest = parsed.result
                    runner = dbtRunner(manifest=self.manifest)
                return runner.invoke([*self.arguments(*command), *quiet])
            finally:
                close()

    def built(self, *command: str) -> None:
        """Run dbt for what it builds alone, without artefacts and logs; say what failed."""
        done = self.dbt(*command, "--no-write-json", "--log-level-file", "none")
        assert done.success, failures(done)

    @contextmanager
    def warehouse(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the warehouse, as landing does."""
        with exported(self.environment), connected(warehouse_store()) as connection:
            yield connection


def close() -> None:
    """Let go of dbt's connection, which holds the warehouse's file."""
    opened = DuckDBConnectionManager._ENV
    if opened is not None:
        opened.close()
    DuckDBConnectionManager.close_all_connections()


def failures(done: Any) -> str:
    """Say which nodes of a dbt run failed, and why."""
    if done.result is None:
        return str(done.exception)
    bad = [r for r in done.result if r.status not in ("success", "pass", "no-op")]
    return "\n".join(f"{r.node.name}: {r.status}: {r.message}" for r in bad)


def made(root: Path, **kwargs: Any) -> DbtHome:
    """Make a home with empty landing tables."""
    home = DbtHome(root, **kwargs)
    with home.warehouse() as connection:
        landing.make(connection)
    return home


def parsed(root: Path, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the manifest that dbt parses, as plain data; no warehouse is needed."""
    home = DbtHome(root, variables or shipped_vars())
    done = home.dbt("parse")
    assert done.success, done.exception
    content: dict[str, Any] = json.loads((home.target / "manifest.json").read_bytes())
    return content


def compiled_models(
    root: Path, variables: dict[str, Any], names: tuple[str, ...]
) -> dict[str, tuple[str, str]]:
    """Return the relation and the SQL that dbt compiles of each model, under some variables."""
    home = made(root, variables=variables)
    done = home.dbt("compile", "--select", *names)
    assert done.success, done.exception
    return {
        result.node.name: (result.node.relation_name, result.node.compiled_code)
        for result in done.result
    }


def copied(home: DbtHome, root: Path) -> DbtHome:
    """Return a copy of a home, for the same dbt project."""
    for folder in ("", ".keys"):
        shutil.copytree(f"{home.root}{folder}", f"{root}{folder}")
    return DbtHome(root, home.variables, home.project, home.manifest)


@contextmanager
def exported(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
