"""The writer: the resource without which no asset touches the warehouse.

Belongs here: holding the writer lock for as long as a run lasts, finishing what a killed run left,
and reporting its end. Does not belong here: what is written; commands that write without a run
(``orchestration.writing``).
"""

from collections.abc import Generator
from contextlib import contextmanager

import click
import dagster as dg
import duckdb

from orchestration.common import require_keys
from orchestration.writing import begin_writing
from warehouse import alive
from warehouse.connect import Store, connected, warehouse_store
from warehouse.lock import writer_lock


class Writer(dg.ConfigurableResource):
    """Opens the warehouse. Runs execute in one process, so one lock spans a whole run."""

    @contextmanager
    def yield_for_execution(
        self, context: dg.InitResourceContext
    ) -> Generator["Writer", None, None]:
        """Take the lock, see to runs that were killed, and hold on until the run has ended."""
        require_keys()
        log = context.log or dg.get_dagster_logger()

        def waiting(holder: str) -> None:
            log.info(f"waiting for {holder}, which is writing")
            click.echo(f"Waiting for {holder}, which is writing", err=True)

        run = context.run_id or "no run"
        alive.begin(run)  # before the wait, so that nobody takes us for killed meanwhile
        with writer_lock(f"run {run[:8]}", on_wait=waiting):
            for done in begin_writing():
                log.info(done)
            if context.instance:
                for killed in report_killed(context.instance):
                    log.info(f"run {killed[:8]} was killed; it is reported as failed")
            yield self

    @contextmanager
    def warehouse(self, *beside: Store) -> Generator[duckdb.DuckDBPyConnection, None, None]:
        """Open the warehouse for writing, with other stores beside it."""
        with connected(warehouse_store(), *beside) as connection:
            yield connection


def report_killed(instance: dg.DagsterInstance) -> list[str]:
    """Report runs that were killed, which Dagster believes to be going on, as failed."""
    killed = []
    for name in alive.gone():
        run = instance.get_run_by_id(name)
        if run and not run.is_finished:
            instance.report_run_failed(run, "Its process ended before the run did.")
            killed.append(name)
        alive.forget(name)
    return killed
