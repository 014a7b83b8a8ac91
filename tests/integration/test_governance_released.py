"""After a restore, no figure is released a second time without who has left since."""

import shutil
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest

from governance import aggregates, consent_statistics, released, unrecorded
from governance.aggregates import CELLS, MEMBERS, TEXTS
from governance.clocks import Clocks, last_instant
from governance.consent_statistics import COUNTED
from tests.support import checked
from tests.support.installation import damage
from warehouse.connect import connected, warehouse_store
from warehouse.errors import UsageError
from warehouse.home import Home

FIRST, LATER = date(2024, 3, 1), date(2024, 3, 29)
BACKUP, RESTORE = datetime(2024, 3, 2, 8), "2024-03-30T08:00:00Z"
KEYS = [UUID(int=n) for n in range(100)]
NEW = KEYS[95:]  # have landed since the backup
SEGMENTS = {key: 1 + n % 3 for n, key in enumerate(KEYS[:90])}
FEBRUARY, MARCH = date(2024, 2, 1), date(2024, 3, 1)


def stood(connection, members, as_of, *, model="m"):
    """Return what stands once a run has these members, described by how many they are."""
    values = ", ".join(f"({segment}, '{key}'::uuid)" for key, segment in members.items())
    instant = last_instant(as_of, "UTC")
    return aggregates.stand(
        connection, checked.policy(), Clocks(as_of, instant, instant, as_of), model,
        f"select * from (values {values}) as v(segment_id, segmentation_key)",
        lambda: {"size": str(len(members))},
    )  # fmt: skip


def without(*gone):
    return {key: segment for key, segment in SEGMENTS.items() if key.int not in gone}


def count(connection, month, subjects):
    consent_statistics.make(connection)
    connection.execute(f"insert into {COUNTED} values (?, ?)", [month, LATER])
    connection.execute(
        f"insert into {consent_statistics.TABLE} values (?, 'p', 'denied', 'channel', 'web', ?)",
        [month, subjects],
    )


@pytest.fixture
def restored(home, tmp_path, monkeypatch):
    """Return a state of the backup that is being prepared: one has been erased from it again."""
    monkeypatch.setenv("ASSENT_NOW", RESTORE)
    with connected(warehouse_store()) as connection:
        connection.execute("create schema landing")
        connection.execute(
            "create table landing.purpose_keys as"
            " select unnest(?::uuid[]) as purpose_key, 'segmentation' as purpose", [KEYS[:95]]
        )  # fmt: skip
        stood(connection, SEGMENTS, FIRST)
        count(connection, FEBRUARY, 40)
    ready = Home(tmp_path / "ready").make()
    shutil.copy(home.warehouse, ready.warehouse)
    with ready.prepared(), connected(warehouse_store()) as connection:
        for rows in (f"{MEMBERS} where segmentation_key", "landing.purpose_keys where purpose_key"):
            connection.execute(f"delete from {rows} = ?", [KEYS[89]])
    with connected(warehouse_store()) as connection:  # what has been released since
        stood(connection, without(*range(15)) | dict.fromkeys(NEW, 1), LATER)
        count(connection, MARCH, 42)
    return ready


def taken_over(home, ready):
    with ready.prepared():
        return released.take_over(home, BACKUP)


def asked(ready, query):
    with ready.prepared(), connected(warehouse_store()) as connection:
        return connection.execute(query).fetchall()


def test_what_was_released_since_stands_and_nobody_is_subtracted(home, restored):
    assert taken_over(home, restored)
    with restored.prepared(), connected(warehouse_store()) as connection:
        again = stood(connection, without(*range(15), 89), LATER)
        assert (again.release.as_of, again.release.texts) == (LATER, {"size": "80"})
        other = stood(connection, without(*range(15), 89), LATER, model="fitted anew")
        assert other.release is None
        assert "fewer than 5 subjects may set some group apart" in other.postponed
        months = connection.execute(
            f"select month, subjects from {COUNTED} join {consent_statistics.TABLE} using (month)"
            " order by all"
        ).fetchall()
        assert months == [(FEBRUARY, 40), (MARCH, 42)]
        assert unrecorded.last(connection) is None
    # Nobody is in it whom the restored state doesn't know: no erasure would find them.
    keys = {key for (key,) in asked(restored, f"select segmentation_key from {MEMBERS}")}
    assert keys == {*KEYS[:89]}
    assert taken_over(home, restored)  # once more, it finds nothing new
    for table in (CELLS, TEXTS, MEMBERS):
        assert asked(restored, f"select count(distinct release) from {table}") == [(2,)]
    assert asked(restored, f"select count(*) from {COUNTED}") == [(2,)]


@pytest.mark.parametrize("how", ["lost", "cut short", "damaged", "of another state"])
def test_where_nothing_tells_what_was_released_nothing_is_for_a_while(home, restored, how):
    if how == "lost":
        home.warehouse.unlink()
    elif how == "damaged":
        damage(home.warehouse)
    elif how == "cut short":
        home.warehouse.write_bytes(home.warehouse.read_bytes()[:9000])
    else:  # begun anew since
        with connected(warehouse_store()) as connection:
            connection.execute(f"delete from {CELLS}; delete from {MEMBERS}; delete from {TEXTS}")
            stood(connection, without(1, 2, 3), LATER, model="begun anew")
    assert not taken_over(home, restored)
    fewer, free = without(*range(30)), date(2024, 3, 30) + timedelta(days=28)
    with restored.prepared(), connected(warehouse_store()) as connection:
        assert unrecorded.last(connection) == (BACKUP, datetime(2024, 3, 30, 8))
        for day in (LATER, free - timedelta(days=1)):
            stands = stood(connection, fewer, day, model="fitted anew")
            assert stands.release is None
            assert stands.postponed.endswith(
                "no record of what was released from 2024-03-02 to 2024-03-30; none is made for"
                f" days before {free}"
            )
        # What is on record is shown meanwhile.
        assert stood(connection, fewer, FIRST + timedelta(days=1)).release.as_of == FIRST
        assert stood(connection, fewer, free).release.as_of == free


def test_that_nobody_knows_is_known_after_the_next_restore_too(home, restored):
    with connected(warehouse_store()) as connection:
        time = unrecorded.Unrecorded(BACKUP - timedelta(days=9), BACKUP)
        unrecorded.note(connection, time)
    for _ in range(2):
        assert taken_over(home, restored)
        assert asked(restored, f"from {unrecorded.TABLE}") == [time]


@pytest.mark.parametrize("older", [True, False])
def test_a_record_of_another_version_is_taken_as_it_is(home, restored, older):
    with connected(warehouse_store()) as connection:
        change = "drop column past" if older else "add column later integer"
        connection.execute(f"alter table {CELLS} {change}")
    assert taken_over(home, restored)
    assert asked(restored, f"select distinct release, past from {CELLS} order by all") == [
        (1, False), (2, False),
    ]  # fmt: skip


def test_a_state_that_never_released_anything_has_nothing_to_tell(home, tmp_path):
    ready = Home(tmp_path / "ready").make()
    for state in (home, ready):
        with state.prepared(), connected(warehouse_store()):
            pass
    assert taken_over(home, ready)
    with ready.prepared(), connected(warehouse_store()) as connection:
        assert stood(connection, SEGMENTS, FIRST).release


def test_a_present_state_that_is_held_is_waited_for_not_given_up(home, restored, monkeypatch):
    def held(*_):
        raise UsageError("another process holds warehouse.duckdb", rule="held")

    monkeypatch.setattr(released, "_add", held)
    with pytest.raises(UsageError, match="another process"):
        taken_over(home, restored)
    with restored.prepared(), connected(warehouse_store()) as connection:
        assert unrecorded.last(connection) is None


WHO = (
    "select release, as_of, count(distinct segmentation_key) from segmentation.aggregates"
    " join segmentation.aggregate_members using (release) group by all order by all"
)
WHEN = "from governance.consent_months order by all"


def test_a_restore_takes_over_what_was_released_since_its_backup(small, tmp_path):
    one, backup = small.copy(tmp_path / "home"), str(tmp_path / "backup")
    assert one.assent("backup", "--to", backup).status == 0
    with one.warehouse() as connection:
        for table, day in (("aggregates", ", as_of + 28 as as_of"), ("aggregate_members", "")):
            connection.execute(
                f"insert into segmentation.{table} by name"
                f" select * replace (release + 1 as release{day}) from segmentation.{table}"
            )
        connection.execute(
            "insert into governance.consent_months"
            " select max(month) + interval 1 month, max(as_of) + 28 from governance.consent_months"
        )
        before = [connection.execute(query).fetchall() for query in (WHO, WHEN)]
    assert len(before[0]) == 2
    done = one.assent("restore", "--from", backup, "--json")
    assert done.status == 0, done.said
    assert not done.json["releases_unrecorded"]
    with one.warehouse() as connection:
        assert [connection.execute(query).fetchall() for query in (WHO, WHEN)] == before

    damage(one.home.warehouse)
    done = one.assent("restore", "--from", backup)
    assert done.status == 0, done.said
    assert "nothing here told which figures" in done.err
    assert one.acts()[-1]["releases_unrecorded"]
