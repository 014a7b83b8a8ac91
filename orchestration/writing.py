"""Writing the state: one writer at a time, after what a killed one left has been finished.

Belongs here: how a command that writes without a run takes the writer's lock, and what whoever
takes it does first. Does not belong here: runs (``orchestration.writer``), what is written; nor
Dagster, which such commands need not load.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import click
import duckdb

from governance import backup
from governance.rights import custody, erasure, rectification
from ingest import superseded
from orchestration.manifest import policy
from orchestration.migrations import MIGRATIONS
from warehouse import aside, journal, keys, publish, restore, rewrite, schema
from warehouse.connect import connected, warehouse_store
from warehouse.errors import UsageError
from warehouse.home import Home
from warehouse.lock import writer_lock

# How work that a killed process left is finished, by its kind.
STEPS = {
    **publish.STEPS, **rewrite.STEPS, **erasure.STEPS, **custody.STEPS,
    **rectification.steps(policy), **restore.STEPS, **superseded.STEPS,
}  # fmt: skip


def begin_writing() -> list[str]:
    """Make the state fit to be written, and say what that took; the caller holds the lock."""
    done = [f"finished what an earlier run had begun: {kind}" for kind in journal.complete(STEPS)]
    Home.current().require_no_restore_begun()
    restore.clear()
    aside.clear(keys.folder())
    backup.clear()
    return done + [f"brought the state to schema version {v}" for v in schema.migrate(MIGRATIONS)]


@contextmanager
def holding_the_lock(what: str) -> Iterator[None]:
    """Hold the writer's lock for a command, waiting for a run that writes."""

    def waiting(holder: str) -> None:
        click.echo(f"waiting for {holder}, which is writing", err=True)

    with writer_lock(what, on_wait=waiting):
        yield


@contextmanager
def writing_alone(what: str) -> Iterator[None]:
    """Hold the writer's lock for a command that changes the state; finish what another left."""
    with holding_the_lock(what):
        begin_writing()
        yield


@contextmanager
def warehouse_alone(what: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for a command, waiting for a run that writes.

    Raises
    ------
    UsageError
        If nothing has landed in it.
    """
    nothing = UsageError("nothing has landed yet", "run `assent run`")
    if not Home.current().warehouse.exists():
        raise nothing

    with writing_alone(what), connected(warehouse_store()) as connection:
        if not connection.execute(
            "select 1 from duckdb_schemas() where schema_name = 'landing'"
        ).fetchall():
            raise nothing
        yield connection
