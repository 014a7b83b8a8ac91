"""The writer: the resource without which no asset touches the warehouse.

Belongs here: holding the writer lock for as long as a run lasts, and finishing what a killed run
left. Does not belong here: what is written.
"""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg
import duckdb

from warehouse import journal, publish
from warehouse.connect import Store, connected, warehouse_store
from warehouse.lock import writer_lock


class Writer(dg.ConfigurableResource):
    """Opens the warehouse. Runs execute in one process, so one lock spans a whole run."""

    @contextmanager
    def yield_for_execution(
        self, context: dg.InitResourceContext
    ) -> Generator["Writer", None, None]:
        """Take the lock, complete the journal, and hold on until the run has ended."""
        log = context.log or dg.get_dagster_logger()

        def waiting(holder: str) -> None:
            log.info(f"waiting for {holder}, which is writing")

        run = context.run_id or "no run"
        with writer_lock(f"run {run[:8]}", on_wait=waiting):
            for kind in journal.complete(publish.STEPS):
                log.info(f"finished what an earlier run had begun: {kind}")
            yield self

    @contextmanager
    def warehouse(self, *beside: Store) -> Generator[duckdb.DuckDBPyConnection, None, None]:
        """Open the warehouse for writing, with other stores beside it."""
        with connected(warehouse_store(), *beside) as connection:
            yield connection
