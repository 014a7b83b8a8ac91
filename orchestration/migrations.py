"""Steps that bring the state of an earlier version up to this one.

Belongs here: which rooms change what, by the schema version that a step leads to; each may be done
again. Does not belong here: the changes themselves, the number (``warehouse.schema``).
"""

from collections.abc import Callable

import duckdb

from governance import release
from governance.policy.words import PERMISSION
from governance.rights import kept_before, receipt
from ingest import counted, feeds, landing
from orchestration import model_store
from orchestration.manifest import policy
from warehouse.catalogue import columns
from warehouse.connect import connected, warehouse_store
from warehouse.home import Home


def _to_2() -> None:
    """Rights and removals: new columns of landing, and requests for readers to see."""
    with connected(warehouse_store()) as connection:
        landing.migrate(connection)
    if Home.current().kept.exists():
        kept_before.to_2()
    if Home.current().published_file(PERMISSION).exists():
        release.require_recorded()  # an older copy would take back who withdrew
        release.publish_permission(policy())


def _to_3() -> None:
    """Ages of what is kept: since when, and when a feed last delivered who may not come back."""
    if Home.current().kept.exists():
        kept_before.to_3()


def _to_4() -> None:
    """Notices: a number for each. Receipts: what they are signed with."""
    if Home.current().kept.exists():
        kept_before.to_4()
        receipt.note_signed()


def _to_5() -> None:
    """Entries of who has returned: no state from before that is taken once they have gone."""
    if Home.current().kept.exists():
        kept_before.to_5()


def _to_6() -> None:
    """Figures of the feeds with the loads, of what is held; a receipt for each type of request."""
    if Home.current().kept.exists():
        kept_before.to_6()
    _note_with_loads(lambda connection: counted.count_landed(connection, policy()))


def _to_7() -> None:
    """Note with the loads how far they reach, as the clocks go by that."""
    _note_with_loads(feeds.note_newest)


def _to_8() -> None:
    """Seal the models, each file for its own place."""
    model_store.seal_earlier()


def _note_with_loads(note: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
    """Give the loads the columns that they lacked, and let it be noted what belongs there."""
    if not warehouse_store().path.exists():
        return
    with connected(warehouse_store()) as connection:
        if columns(connection, "landing", "loads"):
            connection.execute("begin")
            landing.migrate(connection)
            note(connection)
            connection.execute("commit")


MIGRATIONS = {2: _to_2, 3: _to_3, 4: _to_4, 5: _to_5, 6: _to_6, 7: _to_7, 8: _to_8}
