"""Where state lives: the folders and files under ``ASSENT_HOME``.

Belongs here: names of files and folders, and their making with private modes. Does not belong
here: what is in them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from warehouse.errors import RESTORE_BEGUN, UsageError

PROJECT = Path(__file__).resolve().parent.parent
ROOMS = ("orchestration", "ingest", "warehouse", "models", "expectations", "governance")

# In no ordinary backup: what makes pseudonyms of people again, and who may not come back.
SEPARATE = ("salts", "kept")
# In no backup at all: what a run makes anew, what is of processes that are alive, what tells an
# older copy of a file from the newest, and damaged files; a restore leaves these as they are.
PASSING = (
    "published", "dbt", "spill", "running", "journal", "restoring", "inbox.mark", "published.keys",
    "damaged",
)  # fmt: skip
RESTORING = ".restoring."  # how a folder is called where a restore makes ready; nobody looks there
# What only grows: a restore takes nothing away from it.
RECORDS = ("audit", "releases", "receipts", "dagster")

_prepared: ContextVar[Path | None] = ContextVar("a home that is being prepared", default=None)


@dataclass(frozen=True)
class Home:
    """One installation's state; every path of it is named here and nowhere else."""

    root: Path

    @classmethod
    def current(cls) -> "Home":
        """Return the home that ``ASSENT_HOME`` names (default ``.assent`` beside the project).

        Within :meth:`prepared`, the one that is being prepared to take its place.
        """
        return cls(_prepared.get() or cls.installed().root)

    @classmethod
    def installed(cls) -> "Home":
        """Return the home that ``ASSENT_HOME`` names, whichever is being prepared."""
        root = Path(os.environ.get("ASSENT_HOME") or PROJECT / ".assent").expanduser().absolute()
        return cls(root)

    @contextmanager
    def prepared(self) -> Iterator["Home"]:
        """Let this process work on a home that isn't in its place yet, with the keys of that."""
        token = _prepared.set(self.root)
        try:
            yield self.make()
        finally:
            _prepared.reset(token)

    @property
    def warehouse(self) -> Path:
        """The working database; only the holder of the writer lock opens it."""
        return self.root / "warehouse.duckdb"

    @property
    def vault(self) -> Path:
        """Direct identifiers; opened by ``governance.identity`` alone."""
        return self.root / "vault.duckdb"

    @property
    def salts(self) -> Path:
        """One random salt per customer; kept out of ordinary backups."""
        return self.root / "salts"

    @property
    def inbox(self) -> Path:
        """Consent events and rights requests that no run has landed yet."""
        return self.root / "inbox"

    @property
    def inbox_mark(self) -> Path:
        """How far the inbox has come, so that an older copy of it is known."""
        return self.root / "inbox.mark"

    @property
    def kept(self) -> Path:
        """What the law lets one keep of requests and of those who are gone; opened by rights."""
        return self.root / "kept"

    @property
    def kept_mark(self) -> Path:
        """How far ``kept`` has come; it goes where that goes, as its name begins alike."""
        return self.root / "kept.mark"

    @property
    def receipts(self) -> Path:
        """The public key of what receipts are signed with."""
        return self.root / "receipts"

    @property
    def published(self) -> Path:
        """One file per purpose, replaced whole."""
        return self.root / "published"

    @property
    def written_with(self) -> Path:
        """By which key each published file was written last: digests, no key."""
        return self.root / "published.keys"

    @property
    def artefacts(self) -> Path:
        """Fitted models, cards and plots: parameters and aggregates only."""
        return self.root / "artefacts"

    @property
    def audit(self) -> Path:
        """The append-only record of acts."""
        return self.root / "audit"

    @property
    def releases(self) -> Path:
        """Manifests of what has left."""
        return self.root / "releases"

    @property
    def evidence(self) -> Path:
        """Facts that anyone may read: counts and verdicts, no rows."""
        return self.root / "evidence"

    @property
    def journal(self) -> Path:
        """Multi-file work that has begun and not ended."""
        return self.root / "journal"

    @property
    def dagster(self) -> Path:
        """Dagster's own storage (``DAGSTER_HOME``)."""
        return self.root / "dagster"

    @property
    def dbt(self) -> Path:
        """The target and logs of dbt."""
        return self.root / "dbt"

    @property
    def spill(self) -> Path:
        """Where DuckDB spills, encrypted."""
        return self.root / "spill"

    @property
    def running(self) -> Path:
        """A locked file for each run that is alive."""
        return self.root / "running"

    @property
    def restoring(self) -> Path:
        """A restored state on its way to its place; nothing is opened while it is there."""
        return self.root / "restoring"

    @property
    def damaged(self) -> Path:
        """Files that were damaged, put aside when others took their place; nothing reads them."""
        return self.root / "damaged"

    @property
    def schema_version(self) -> Path:
        """The file that says by which version of its shape the state is written."""
        return self.root / "schema_version"

    @property
    def lock(self) -> Path:
        """The writer's lock file."""
        return self.root / "writer.lock"

    @property
    def written(self) -> bool:
        """Whether anything has landed here, by what that leaves: what is missing then is lost."""
        return self.warehouse.exists() or any(self.published.glob("*.duckdb"))

    def require_no_restore_begun(self) -> None:
        """Refuse a home where a restore was stopped before anything was put in its place.

        Whoever began anew in it would land again whom the list that was to come says is erased.

        Raises
        ------
        UsageError
            If nothing has landed here, and something lies aside.
        """
        begun = next(self.root.glob(f"{RESTORING}*"), None)
        if begun and not self.written:
            raise UsageError(
                "a restore was stopped here before anything was put in its place",
                "give `assent restore` once more, unless it is going on now; to begin anew without"
                f" it, remove {begun}",
                rule=RESTORE_BEGUN,
            )

    def published_file(self, purpose: str) -> Path:
        """Return the published file of one purpose."""
        return self.published / f"{purpose}.duckdb"

    def make(self) -> "Home":
        """Make the folders that are missing, readable by their owner alone.

        Raises
        ------
        UsageError
            If one can't be made, or its name would be cut short.
        """
        if "?" in str(self.root):  # SQLite's address of Dagster's storage ends there
            raise UsageError(f"ASSENT_HOME holds a `?`: {self.root}", "name a folder without one")
        for folder in (
            self.root, self.published, self.artefacts, self.audit, self.releases, self.evidence,
            self.journal, self.dagster, self.dbt, self.spill, self.running,
        ):  # fmt: skip
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(
                    f"the folder {folder} can't be made: {error.strerror}",
                    "name a folder of yours, on a disk that can be written, in ASSENT_HOME",
                ) from None
        return self


def policy_path() -> Path:
    """Return the policy file in force (``ASSENT_POLICY``, default ``policy.yaml``)."""
    return Path(os.environ.get("ASSENT_POLICY") or PROJECT / "policy.yaml").absolute()


def sources_path() -> Path:
    """Return the sources file in force (``ASSENT_SOURCES``, default ``sources.yaml``)."""
    return Path(os.environ.get("ASSENT_SOURCES") or PROJECT / "sources.yaml").absolute()


def production() -> bool:
    """Tell whether this is a production installation (``ASSENT_PRODUCTION=1``)."""
    return os.environ.get("ASSENT_PRODUCTION", "") not in ("", "0", "false")
