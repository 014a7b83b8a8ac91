"""Incremental builds and full refreshes give the same tables, whatever has happened between runs.

One home is only ever built incrementally, through all the happenings in turn; after each chapter of
them, a copy of it is built from scratch and compared.
"""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest

from tests.support import dbt, landing

LAST_DAY = date(2024, 3, 20)
DAYS = 130  # of purchases: enough for the backtest's windows
SUBJECTS = {name: UUID(int=number) for number, name in enumerate("abcdefgh", start=1)}
PURPOSES = ("segmentation", "personalised_offers", "churn_prevention", "bias_monitoring")
CATEGORIES = ("BREAD", "MILK", "WINE", "RX")
TABLES = (
    "consented.int_transactions_baskets",
    "marts.mart_segmentation",
    "marts.mart_segmentation_backtest",
    "marts.mart_personalised_offers",
    "marts.mart_churn_prevention",
    "marts.mart_bias_monitoring",
)
# What a further build runs: views stay as they are for as long as the policy does.
AGAIN = ("run", "--exclude", "config.materialized:view")
# Bookkeeping of the increments: it says when a row was built, and so differs.
BOOKKEEPING = {"built_through_load"}

Connection = duckdb.DuckDBPyConnection
Table = list[tuple[Any, ...]]


def purchase(name: str, day: date, number: int, value: float, **other: Any) -> dict[str, Any]:
    """Return a line of a basket."""
    return {
        "subject_key": SUBJECTS[name],
        "basket_id": f"{name}-{day}-{number}",
        "category": CATEGORIES[(day.toordinal() + number) % len(CATEGORIES)],
        "product_group": "KOSHER BREAD" if number == 3 else "OTHER",
        "occurred_at": datetime.combine(day, time(17)),
        "event_day": day,
        "value": value,
        "discount": 0.25,
        "load_id": 1,
    } | other


def consent(name: str, action: str, day: date, **other: Any) -> dict[str, Any]:
    """Return a consent event of a day's noon."""
    at = datetime.combine(day, time(12))
    return {
        "subject_key": SUBJECTS[name], "action": action, "purpose": None, "occurred_at": at,
        "recorded_at": at, "notice_version": 9,
    } | other  # fmt: skip


def set_clocks(connection: Connection, day: date, newest: date | None = None) -> None:
    """Set the clocks to the end of a day, the newest of the feeds unless that is another."""
    end = datetime.combine(day, time.max)
    connection.execute("delete from warehouse.landing.clocks")
    landing.put(connection, "clocks", [
        {"as_of": day, "as_of_end": end, "known_at": end, "newest_day": newest or day,
         "fit": True},
    ])  # fmt: skip


def change(connection: Connection, load: int, *days: date) -> None:
    """Note, as landing does, which days a load has touched."""
    landing.put(connection, "changed_days", [{"event_day": day, "load_id": load} for day in days])


def first_load(connection: Connection) -> None:
    """Land the beginning: everybody but g and h has consented, and everybody shops."""
    first = LAST_DAY - timedelta(days=DAYS)
    landing.put(connection, "customers", [
        {"subject_key": key, "jurisdiction": "EU", "age_years": 40, "marital_status": "Single",
         "household_size": "2", "recorded_on": LAST_DAY}
        for key in SUBJECTS.values()
    ])  # fmt: skip
    landing.put(connection, "purpose_keys", [
        {"subject_key": key, "purpose": purpose,
         "purpose_key": UUID(int=key.int * 1000 + number)}
        for key in SUBJECTS.values()
        for number, purpose in enumerate(PURPOSES)
    ])  # fmt: skip
    landing.put(connection, "consent_events", [
        *(consent(name, "granted", first) for name in "abcdef"),
        *(consent(name, "objected", first) for name in "gh"),
    ])  # fmt: skip
    lines = [
        purchase(name, first + timedelta(days=offset), number, 1 + offset % 7 + number)
        for place, name in enumerate(SUBJECTS)
        for offset in range(place, DAYS, 3 + place)
        for number in (1, 2, 3)
    ]
    landing.put(connection, "transactions", lines)
    change(connection, 1, *sorted({line["event_day"] for line in lines}))
    set_clocks(connection, LAST_DAY - timedelta(days=1))


def a_new_day(connection: Connection) -> None:
    landing.put(connection, "transactions", [
        purchase("a", LAST_DAY, 1, 5, load_id=2), purchase("g", LAST_DAY, 1, 5, load_id=2),
    ])  # fmt: skip
    change(connection, 2, LAST_DAY)
    set_clocks(connection, LAST_DAY)


def a_late_row_on_an_old_day(connection: Connection) -> None:
    day = LAST_DAY - timedelta(days=40)
    landing.put(connection, "transactions", [purchase("b", day, 7, 99, load_id=3)])
    change(connection, 3, day)


def a_correction(connection: Connection) -> None:
    day = LAST_DAY - timedelta(days=DAYS - 4)
    connection.execute(
        "update warehouse.landing.transactions set value = 77.77, load_id = 4"
        " where subject_key = ? and event_day = ? and basket_id like '%-1'",
        [SUBJECTS["e"], day],
    )
    change(connection, 4, day)


def rows_of_a_day_removed(connection: Connection) -> None:
    day = LAST_DAY - timedelta(days=DAYS - 3)
    connection.execute("delete from warehouse.landing.transactions where event_day = ?", [day])
    change(connection, 5, day)


def the_newest_day_removed(connection: Connection) -> None:
    # With it goes the mark of the load that built it.
    connection.execute("delete from warehouse.landing.transactions where event_day = ?", [LAST_DAY])
    change(connection, 6, LAST_DAY)


def a_subject_newly_permitted(connection: Connection) -> None:
    landing.put(connection, "consent_events", [
        consent("g", "granted", LAST_DAY, purpose=purpose) for purpose in PURPOSES
    ])  # fmt: skip


def a_subject_gone(connection: Connection) -> None:
    landing.put(connection, "consent_events", [consent("c", "withdrawn", LAST_DAY)])


def a_subject_held(connection: Connection) -> None:
    landing.put(connection, "rights_requests", [
        {"subject_key": SUBJECTS["d"], "request_id": "1", "type": "erasure", "status": "open"},
    ])  # fmt: skip


def one_comes_as_another_leaves_on_a_changed_day(connection: Connection) -> None:
    landing.put(connection, "consent_events", [
        consent("c", "granted", LAST_DAY + timedelta(days=1)),
        consent("a", "withdrawn", LAST_DAY + timedelta(days=1)),
    ])  # fmt: skip
    days = [LAST_DAY - timedelta(days=offset) for offset in (1, 2, 3)]
    landing.put(
        connection, "transactions",
        [purchase(n, day, 8, 3, load_id=7) for n in "acg" for day in days],
    )  # fmt: skip
    change(connection, 7, *days)
    set_clocks(connection, LAST_DAY + timedelta(days=2))


# What happens between two runs, and whose row in the mart it changes.
CHAPTERS: dict[str, tuple[tuple[Callable[[Connection], None], str], ...]] = {
    "more data": ((a_new_day, "a"), (a_late_row_on_an_old_day, "b"), (a_correction, "e")),
    "less data": ((rows_of_a_day_removed, "d"), (the_newest_day_removed, "a")),
    "other subjects": (
        (a_subject_newly_permitted, "g"), (a_subject_gone, "c"), (a_subject_held, "d"),
    ),
    "both": (
        (one_comes_as_another_leaves_on_a_changed_day, "a"),
        (one_comes_as_another_leaves_on_a_changed_day, "c"),
        (one_comes_as_another_leaves_on_a_changed_day, "g"),
    ),
}  # fmt: skip
LAST = list(CHAPTERS)[-1]


def tables(home: dbt.DbtHome) -> dict[str, Table]:
    """Return the content of the tables, in a total order."""
    with home.warehouse() as connection:
        content = {}
        for table in TABLES:
            schema, name = table.split(".")
            columns = [
                column
                for (column,) in connection.execute(
                    "select column_name from information_schema.columns"
                    " where table_schema = ? and table_name = ? order by column_name",
                    [schema, name],
                ).fetchall()
                if column not in BOOKKEEPING
            ]
            content[table] = connection.execute(
                f"select {', '.join(columns)} from {table} order by all"
            ).fetchall()
    return content


def rebuilt(home: dbt.DbtHome, folder: Path) -> dict[str, Table]:
    """Build a copy of a home from scratch."""
    copy = dbt.copied(home, folder)
    copy.built(*AGAIN, "--full-refresh")
    return tables(copy)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Let everything happen, one chapter after the other; keep what each build left."""
    folder = tmp_path_factory.mktemp("incremental")
    home = dbt.made(folder / "home")
    with home.warehouse() as connection:
        first_load(connection)
    home.built("run")
    found: dict[str, Any] = {"home": home, "before": {}, "incremental": {}, "rebuilt": {}}
    before = tables(home)
    for number, (chapter, happenings) in enumerate(CHAPTERS.items()):
        with home.warehouse() as connection:
            for happening in dict.fromkeys(happening for happening, _ in happenings):
                happening(connection)
        home.built(*AGAIN)
        found["before"][chapter] = before
        found["incremental"][chapter] = before = tables(home)
        found["rebuilt"][chapter] = rebuilt(home, folder / f"copy{number}")
    return found


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_incremental_build_equals_a_full_refresh(history: dict[str, Any], chapter: str) -> None:
    for table in TABLES:
        assert history["incremental"][chapter][table], f"{table} is empty"
        assert history["incremental"][chapter][table] == history["rebuilt"][chapter][table]


@pytest.mark.parametrize(
    ("chapter", "happening", "name"),
    [(c, happening.__name__, name) for c, all_ in CHAPTERS.items() for happening, name in all_],
)
def test_happening_shows_in_the_mart(
    history: dict[str, Any], chapter: str, happening: str, name: str
) -> None:
    key = UUID(int=SUBJECTS[name].int * 1000 + PURPOSES.index("segmentation"))

    def money(content: dict[str, Table]) -> list[list[Decimal]]:
        rows = [row for row in content["marts.mart_segmentation"] if key in row]
        return [[value for value in row if isinstance(value, Decimal)] for row in rows]

    assert money(history["before"][chapter]) != money(history["incremental"][chapter])


def test_second_build_changes_nothing(history: dict[str, Any]) -> None:
    history["home"].built(*AGAIN)
    assert tables(history["home"]) == history["incremental"][LAST]


def test_change_of_special_values_builds_every_row_again(
    history: dict[str, Any], tmp_path: Path
) -> None:
    home = dbt.copied(history["home"], tmp_path / "home")
    wine = {"attribute": "category", "pattern": "wine", "reveals": "religion"}
    home.variables = home.variables | {"special_values": [*home.variables["special_values"], wine]}
    home.manifest = None
    home.built("run", "--exclude", "staging")
    after, mart = tables(home), "marts.mart_segmentation"
    assert "WINE" in str(history["incremental"][LAST][mart])
    assert "WINE" not in str(after[mart])
    assert after == rebuilt(home, tmp_path / "copy")


def test_older_snapshots_age(history: dict[str, Any], tmp_path: Path) -> None:
    """Rows of a snapshot go with the data that they were made from, or with its consent."""
    home = dbt.copied(history["home"], tmp_path / "home")
    longest = {"segmentation": 60}
    home.variables = home.variables | {
        "purposes": [
            p | {"snapshots": 9, "behaviour_retention_days":
                 longest.get(p["purpose"], p["behaviour_retention_days"])}
            for p in home.variables["purposes"]
        ]
    }  # fmt: skip
    home.manifest = None
    before, now = LAST_DAY + timedelta(days=2), LAST_DAY + timedelta(days=3)

    def older(purpose: str, columns: str) -> set[Any]:
        with home.warehouse() as connection:
            rows = connection.execute(
                f"select {purpose}_key, {columns} from marts.mart_{purpose} where as_of = ?",
                [before],
            )
            return set(rows.fetchall())

    home.built("run", "--exclude", "staging")
    dated = {purpose: older(purpose, "tenure_days") for purpose in PURPOSES[::2]}
    assert older("bias_monitoring", "1")
    assert older("personalised_offers", "1")
    with home.warehouse() as connection:
        landing.put(connection, "consent_events", [
            consent("b", "withdrawn", now),
            consent("b", "granted", now, occurred_at=datetime.combine(now, time(13))),
        ])  # fmt: skip
        set_clocks(connection, now)
    home.built(*AGAIN)
    young = {row for row in dated["segmentation"] if row[1] < 59}
    assert older("segmentation", "tenure_days") == young
    assert 0 < len(young) < len(dated["segmentation"])
    again = UUID(int=SUBJECTS["b"].int * 1000 + PURPOSES.index("churn_prevention"))
    assert again in {key for key, _ in dated["churn_prevention"]}
    left = {row for row in dated["churn_prevention"] if row[0] != again}
    assert older("churn_prevention", "tenure_days") == left
    assert left
    assert not older("bias_monitoring", "1")
    assert not older("personalised_offers", "1")


def test_no_snapshot_stays_beyond_the_newest_day(history: dict[str, Any], tmp_path: Path) -> None:
    """The newest day goes back where its rows go; a past day that is asked for drops no later."""
    home = dbt.copied(history["home"], tmp_path / "home")
    home.variables = home.variables | {
        "purposes": [p | {"snapshots": 2} for p in home.variables["purposes"]]
    }
    home.manifest = None
    newest = LAST_DAY + timedelta(days=2)  # what the history ends with
    past, back = newest - timedelta(days=5), newest - timedelta(days=1)

    def days_after(day: date, newest: date) -> dict[str, list[date]]:
        with home.warehouse() as connection:
            set_clocks(connection, day, newest)
        home.built("run", "--exclude", "staging")
        with home.warehouse() as connection:
            return {
                purpose: [day for (day,) in connection.execute(
                    f"select distinct as_of from marts.mart_{purpose} order by as_of"
                ).fetchall()]
                for purpose in PURPOSES
            }  # fmt: skip

    assert newest in days_after(newest, newest)["segmentation"]
    asked = days_after(past, newest)
    assert {purpose: found[-1] for purpose, found in asked.items()} == dict.fromkeys(
        PURPOSES, newest
    )
    gone_back = days_after(back, back)
    assert {purpose: found[-1] for purpose, found in gone_back.items()} == dict.fromkeys(
        PURPOSES, back
    )
    # Such a day takes the place of none of those that the policy keeps.
    assert gone_back["segmentation"] == [past, back]


def test_comparison_finds_a_row_that_was_not_built_again(
    history: dict[str, Any], tmp_path: Path
) -> None:
    home = dbt.copied(history["home"], tmp_path / "home")
    with home.warehouse() as connection:
        connection.execute(
            "update consented.int_transactions_baskets set value = value + 1"
            " where rowid = (select max(rowid) from consented.int_transactions_baskets)"
        )
    assert tables(home) != history["rebuilt"][LAST]
