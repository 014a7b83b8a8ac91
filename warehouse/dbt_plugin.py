"""dbt-duckdb's hook into our connections: the same safe settings, the same keys.

Belongs here: what must happen to dbt's connection before its first statement. Does not belong
here: models or macros. The key is read here, inside the plugin, so that no profile, environment
variable or manifest of dbt ever holds it; and since the connection can reach the warehouse file
only, a model can't read the vault, another file or the network.
"""

from typing import Any

from dbt.adapters.duckdb.environments import local
from dbt.adapters.duckdb.plugins import BasePlugin

from warehouse.connect import attach, secure, values_withheld, warehouse_store

# DuckDB takes each filter to leave a fifth of the rows, so that after a few of them it holds the
# transactions for the shorter side of a join and builds its hash table on those. Our models name
# the longer relation first, so joins are done as they are written.
AS_WRITTEN = "set disabled_optimizers = 'join_order,build_side_probe_side'"


class Cursor(local.DuckDBCursorWrapper):
    """A cursor whose faults quote no row: dbt writes them into its results and its log."""

    def execute(self, sql: str, bindings: Any = None) -> Any:
        """Execute a statement."""
        with values_withheld():
            return super().execute(sql, bindings)

    def fetchall(self) -> Any:
        """Return the rows of an answer."""
        with values_withheld():
            return self._cursor.fetchall()

    def fetchmany(self, size: int = 1) -> Any:
        """Return some rows of an answer."""
        with values_withheld():
            return self._cursor.fetchmany(size)


local.DuckDBCursorWrapper = Cursor  # dbt-duckdb has no setting for it


class Plugin(BasePlugin):
    """Attach the encrypted warehouse; with ``parse_only``, an empty one in memory."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Keep the profile's configuration of this plugin."""
        self.parse_only = bool(plugin_config.get("parse_only"))

    def configure_connection(self, conn: Any) -> None:
        """Secure dbt's connection, then attach the warehouse under its alias."""
        if self.parse_only:
            secure(conn, [], files=False)
            conn.execute("attach ':memory:' as warehouse")
            return
        store = warehouse_store()
        conn.execute(AS_WRITTEN)
        secure(conn, [store.path], files=False)
        attach(conn, store)
