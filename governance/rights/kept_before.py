"""What the tables of ``kept`` were like in earlier schema versions.

Belongs here: giving them the shape that they have now, one version after the other; each may be
done again. Does not belong here: that shape (``kept``), when it is done
(``orchestration.migrations``).
"""

from governance.rights import kept
from warehouse import catalogue
from warehouse.clock import now, utc_naive


def to_2() -> None:
    """Give the tables of the first schema version the shape that they have now."""
    with kept.opened() as connection:
        kinds = catalogue.columns(connection, "main", "proofs")
        if kinds["events"] == "BLOB":
            return
        connection.execute("alter table kept.proofs alter events type blob using encode(events)")


def to_3() -> None:
    """Give the tables of the second schema version what tells how old their rows are.

    Of what nobody noted the present moment is taken, so that nothing goes a day early.
    """
    with kept.opened() as connection:
        for table, added in (
            ("proofs", "left_at timestamp"),
            ("suppressed", "come bigint"),
            ("suppressed", "stopped_at timestamp"),
            ("suppressed", "delivered_at timestamp"),
        ):
            connection.execute(f"alter table kept.{table} add column if not exists {added}")
        connection.execute(
            "update kept.proofs set left_at = coalesce((select max(taken_at) from kept.steps as s"
            " where s.handle = proofs.handle and s.request_id = proofs.request_id), ?)"
            " where left_at is null",
            [utc_naive(now())],
        )
        connection.execute(f"update kept.suppressed set come = {kept.COME} where come is null")


def to_4() -> None:
    """Give the notices of the third schema version numbers, and the purpose that one is about."""
    with kept.opened() as connection:
        if "owed_id" in catalogue.columns(connection, "main", "notices"):
            return
        connection.execute("begin")
        about = "case kind when 'withdrawal' then told->>'$.purposes[0]' end"
        kept.make_anew(connection, "notices", f"*, {about} as purpose")
        connection.execute("commit")


def to_5() -> None:
    """Let no state from before a return be taken once the entry of who has returned has gone.

    When in the file's course they returned, nobody noted: the present point is taken.
    """
    with kept.opened() as connection:
        connection.execute(
            f"update kept.suppressed set come = {kept.COME} where handle in"
            " (select handle from kept.steps where step = 'readmitted')"
        )


def to_6() -> None:
    """Tell receipts apart by type, too: whoever opens the file has them brought up."""
    with kept.opened():
        pass
