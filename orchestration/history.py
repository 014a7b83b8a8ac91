"""Dagster's event log in SQLite, with its files kept open.

Belongs here: how Dagster's history of runs is connected to. Does not belong here: what is written
there, and how (Dagster's); settings (``orchestration.environment``).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, StaticPool, create_engine

from warehouse.home import Home

TIMEOUT_SECONDS = 30  # as Dagster's own
# The UI follows a run by watching the file itself, not what SQLite writes beside it first. While
# somebody reads, nothing can be copied: then whoever reads does it after.
COPY = "pragma wal_checkpoint(passive)"


class History(SqliteEventLogStorage):
    """Dagster's event log, in the same files; ``dagster.yaml`` names it.

    Dagster's own opens a file anew for each event, and SQLAlchemy then plans each statement anew:
    two of the thirteen seconds of a small run. This keeps the index and the last run's file open.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._kept: dict[str, Engine] = {}
        self._tables: set[str] = set()
        self._one_at_a_time = threading.RLock()  # a reader within a reader waits for nobody
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Take no settings."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> "History":
        """Return the log of the home in force, where Dagster's own would be."""
        return cls(str(Home.current().dagster / "history" / "runs"), inst_data)

    def run_connection(self, run_id: str | None = None) -> Any:
        """Connect to one run's file, for one transaction."""
        return self._connected(run_id or "")

    def index_connection(self) -> Any:
        """Connect to what is known of all runs, for one transaction."""
        return self._connected(INDEX_SHARD_NAME)

    def has_table(self, table_name: str) -> bool:
        """Tell whether a table is there; what has once been there is."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    @contextmanager
    def _connected(self, shard: str) -> Iterator[Connection]:
        with self._one_at_a_time:
            if shard not in self._kept:
                with super().run_connection(shard):  # makes the tables, if they aren't there
                    pass
                if shard != INDEX_SHARD_NAME:  # the UI looks at thousands of runs
                    self._close(self._kept.keys() - {INDEX_SHARD_NAME})
                self._kept[shard] = self._engine(shard)
            with self._kept[shard].connect() as connection:
                with connection.begin():
                    yield connection
                if shard != INDEX_SHARD_NAME:
                    connection.exec_driver_sql(COPY)

    def _engine(self, shard: str) -> Engine:
        return create_engine(
            self.conn_string_for_shard(shard),
            poolclass=StaticPool,
            connect_args={"timeout": TIMEOUT_SECONDS, "check_same_thread": False},
        )

    def _close(self, shards: set[str]) -> None:
        for shard in shards:
            self._kept.pop(shard).dispose()

    def wipe(self) -> None:
        """Delete everything."""
        with self._one_at_a_time:
            self._close({*self._kept})
        super().wipe()

    def dispose(self) -> None:
        """Close the files."""
        super().dispose()  # ends who might look into them
        with self._one_at_a_time:
            self._close({*self._kept})
