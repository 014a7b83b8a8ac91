"""An installation of Assent for tests: its own home, keys, feeds and policy, and its command line.

Belongs here: making and copying one, running `assent` upon it in this process or in others, and
looking at what it published. Does not belong here: a test.
"""

import io
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet

from benchmarks.generate import Size, generate
from governance import identity
from governance.policy.words import SEGMENT_PURPOSE
from warehouse.connect import connected, published_store, warehouse_store
from warehouse.home import PROJECT, Home

IN_THE_FIRST_BLOCK = 3 * 4096 + 262_144 // 2  # byte of a database file; headers come before
SMALL = Size(1500, 40_000)
QUICK = ("segments: [3, 8]", "segments: [3, 4]")
# What a run loads, much of it only when it comes to that.
NEEDED = (
    "orchestration.definitions", "orchestration.cli.run", "ingest.load", "expectations.feeds",
    "expectations.marts", "expectations.segments", "expectations.schemas", "models.backtest",
    "models.cards", "models.model_card", "models.plots", "models.selection", "models.store",
)  # fmt: skip
COMMAND = str(Path(sys.executable).with_name("assent"))
CACHED = (
    ("orchestration.manifest", "policy"), ("orchestration.manifest", "manifest"),
    ("orchestration.manifest", "lineage"), ("orchestration.feeds", "feeds"),
    ("orchestration.ran", "_judged"),
)  # fmt: skip


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything it printed."""
        return self.out + self.err

    @property
    def json(self) -> Any:
        """What it printed, read as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Installation:
    """One installation; `root` is its ASSENT_HOME, and its keys lie beside it."""

    root: Path
    sources: Path = PROJECT / "sources.yaml"
    policy: Path = PROJECT / "policy.yaml"

    @property
    def home(self) -> Home:
        """Its folders."""
        return Home(self.root)

    @property
    def keys(self) -> Path:
        """Its folder of keys."""
        return self.root.with_name(f"{self.root.name}.keys")

    @property
    def environment(self) -> dict[str, str]:
        """A process's environment in which it is the installation; nothing else of ours is set."""
        return {k: v for k, v in os.environ.items() if not k.startswith("ASSENT_")} | {
            "ASSENT_HOME": str(self.root),
            "ASSENT_SOURCES": str(self.sources),
            "ASSENT_POLICY": str(self.policy),
        }

    @contextmanager
    def entered(self) -> Iterator[Home]:
        """Let this process be the installation's for a while, prepared as every command is."""
        from orchestration.environment import prepare

        with self._in_force():
            yield prepare()

    @contextmanager
    def _in_force(self, **variables: str) -> Iterator[None]:
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(self.environment | variables)
        _forget()
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
            _forget()

    def assent(self, *arguments: str, **variables: str) -> Done:
        """Run a command in this process, through the door that people use."""
        from orchestration.cli.main import main

        out, err = io.StringIO(), io.StringIO()
        with self._in_force(**variables), redirect_stdout(out), redirect_stderr(err):
            try:
                main(list(arguments))
            except SystemExit as ended:
                status = int(ended.code or 0)
        return Done(status, out.getvalue(), err.getvalue())

    def process(self, *arguments: str, **variables: str) -> Done:
        """Run a command as a process of its own, from the start."""
        done = subprocess.run(
            [COMMAND, *arguments], env=self.environment | variables, cwd=PROJECT,
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def run(self, *arguments: str) -> Done:
        """Run the chain in this process; it has to succeed."""
        done = self.assent("run", *arguments)
        assert done.status == 0, done.said
        return done

    def copy(self, root: Path, **changes: Any) -> "Installation":
        """Return a copy of state and keys."""
        shutil.copytree(self.root, root)
        shutil.copytree(self.keys, root.with_name(f"{root.name}.keys"))
        return replace(self, root=root, **changes)

    def fresh(self, root: Path, **changes: Any) -> "Installation":
        """Return one that has never run; the project is compiled for it."""
        shutil.copytree(self.home.dbt / "compiled", root / "dbt" / "compiled")
        return replace(self, root=root, **changes)

    @contextmanager
    def warehouse(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the warehouse, which no run may be writing."""
        with self.entered(), connected(warehouse_store()) as connection:
            yield connection

    @contextmanager
    def published(self, purpose: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a purpose's published file, as readers do."""
        with self.entered(), connected(published_store(purpose)) as connection:
            yield connection

    def evidence(self, name: str) -> Any:
        """Return one of the files of facts."""
        return json.loads((self.home.evidence / f"{name}.json").read_bytes())

    def acts(self) -> list[dict[str, Any]]:
        """Return the record of acts."""
        path = self.home.audit / "acts.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def members(self) -> dict[str, int]:
        """Return the published segment of every member, by customer id."""
        return self._by_customer(
            f"select customer_id, segment_id from ({identity.purpose_keys([SEGMENT_PURPOSE])})"
            " join vault.subjects using (subject_key)"
            " join published.assignments on purpose_key = segmentation_key"
        )

    def everybody(self) -> set[str]:
        """Return whom the vault knows, by customer id."""
        with self.entered(), identity.opened() as connection:
            rows = connection.execute("select customer_id from vault.subjects").fetchall()
        return {customer_id for (customer_id,) in rows}

    def in_mart(self) -> set[str]:
        """Return who is in the published mart of the purpose segmentation, by customer id."""
        return set(
            self._by_customer(
                f"select customer_id, 1 from ({identity.purpose_keys([SEGMENT_PURPOSE])})"
                " join vault.subjects using (subject_key)"
                " join published.mart_segmentation on purpose_key = segmentation_key"
            )
        )

    def _by_customer(self, query: str) -> dict[str, int]:
        with self.entered(), identity.opened(published_store(SEGMENT_PURPOSE)) as connection:
            return dict(connection.execute(query).fetchall())


@dataclass(frozen=True)
class Demo(Installation):
    """The demo after `assent run`, with what that said and its folder for temporary files."""

    done: Done = field(default_factory=lambda: Done(0, "", ""))
    scratch: Path = Path()


def _forget() -> None:
    """Drop what a process reads once of its policy and feeds."""
    for module, name in CACHED:
        if module in sys.modules:
            getattr(sys.modules[module], name).cache_clear()


def feeds(folder: Path) -> Path:
    """Generate the small feeds; return their `sources.yaml`."""
    generate(SMALL, folder)
    return folder / "sources.yaml"


def own_feeds(installation: Installation, folder: Path) -> Installation:
    """Return the installation over a copy of its feeds, which a test may change."""
    shutil.copytree(installation.sources.parent, folder)
    return replace(installation, sources=folder / "sources.yaml")


def own_project(installation: Installation, folder: Path) -> Path:
    """Return a copy of the dbt project, for a test to change and to put in the place of ours.

    The definitions, which a process loads once, are loaded of the project as it is.
    """
    with installation.entered():
        import orchestration.definitions  # noqa: F401
    project = folder / "dbt_project"
    shutil.copytree(
        PROJECT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs")
    )
    return project


def add_consent_events(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """Deliver a further file of consent events, shaped as the first; what rows lack is null."""
    schema = pyarrow.parquet.read_schema(folder / "consent_events.parquet")
    table = pyarrow.Table.from_pylist(rows, schema)
    pyarrow.parquet.write_table(table, folder / f"consent_events-{name}.parquet")


def policy_with(folder: Path, *changes: tuple[str, str]) -> Path:
    """Return a copy of the quick policy with texts replaced; each has to be there once.

    That is the shipped one but for the numbers of segments: a fit is due in every fresh run and
    under every other policy, and tries each of them.
    """
    text = (PROJECT / "policy.yaml").read_text()
    for old, new in (QUICK, *changes):
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    path = folder / "policy.yaml"
    path.write_text(text)
    return path


# Processes of their own that need not load the graph first: forked from a server that has.


def started(
    installation: Installation, log: Path, *arguments: str,
    before: Callable[[], None] | None = None,
) -> Any:  # fmt: skip
    """Start a command in a process of its own; it can be joined and killed, and logs to a file.

    What is to be called there `before` is.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*NEEDED, "tests.support.installation"])
    process = context.Process(
        target=_command, args=(installation.environment, str(log), list(arguments), before)
    )
    with installation.entered():  # the server starts in the first installation's environment
        process.start()
    return process


def _command(
    environment: dict[str, str], log: str, arguments: list[str], before: Callable[[], None] | None
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    _forget()
    from orchestration.cli.main import main

    if before:
        before()
    with open(log, "a", buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        main(arguments)


def damage(path: Path) -> bytes:
    """Damage a database file after its first header, and return what it holds by then."""
    content = path.read_bytes()
    path.write_bytes(broken := content[:4096] + bytes(len(content) - 4096))
    return broken
