"""The benchmark's generator: exact sizes, unique keys, heavy tails, one more day."""

from pathlib import Path

import duckdb
import pytest
from ruamel.yaml import YAML

from benchmarks import generate
from benchmarks.generate import Size

SIZE = Size(customers=2_000, transactions=100_000, days=365)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("feeds") / "small"
    generate.generate(SIZE, out, extra_day=True)
    return out


def ask(folder: Path, sql: str) -> tuple:
    with duckdb.connect() as connection:
        row = connection.sql(sql.replace("@", f"{folder}/")).fetchone()
    assert row is not None
    return row


def test_rows_are_exact_and_keys_unique(folder):
    assert ask(
        folder,
        "SELECT count(*), count(DISTINCT (customer_id, basket_id, product_id)), "
        "count(DISTINCT category), count(DISTINCT product_group) "
        "FROM '@transactions-0*.parquet'",
    ) == (100_000, 100_000, 20, 200)
    assert ask(
        folder,
        "SELECT count(*), count(DISTINCT (customer_id, purpose, action, occurred_at)) = count(*) "
        "FROM '@consent_events.parquet'",
    )[1]
    assert ask(folder, "SELECT count(*), count(DISTINCT email) FROM '@customers.parquet'") == (
        2_000,
        2_000,
    )


def test_baskets_have_about_eight_lines_of_one_customer(folder):
    lines, owners = ask(
        folder,
        "SELECT avg(lines), max(owners) FROM (SELECT count(*) AS lines, "
        "count(DISTINCT (customer_id, occurred_at)) AS owners "
        "FROM '@transactions-0*.parquet' GROUP BY basket_id)",
    )
    assert 7.9 < lines < 8.1
    assert owners == 1


def test_visits_and_spend_are_heavy_tailed(folder):
    spread, top = ask(
        folder,
        """
        WITH each AS (
            SELECT customer_id, count(DISTINCT basket_id) AS visits, sum(value)::DOUBLE AS spend
            FROM '@transactions-0*.parquet' GROUP BY customer_id
        )
        SELECT
            var_pop(visits) / avg(visits),
            sum(spend) FILTER (spend >= (SELECT quantile_cont(spend, 0.9) FROM each)) / sum(spend)
        FROM each
        """,
    )
    assert spread > 3  # 1 for a Poisson law with one rate for everybody
    assert top > 0.3  # 0.1 if everybody spent the same


def test_about_nine_in_ten_consent_to_segmentation(folder):
    (share,) = ask(
        folder,
        """
        SELECT count(*) FILTER (last = 'granted') / 2000.0 FROM (
            SELECT customer_id, arg_max(action, occurred_at) AS last
            FROM '@consent_events.parquet'
            WHERE purpose = 'segmentation' OR (purpose IS NULL AND signal IS NULL)
            GROUP BY customer_id
        )
        """,
    )
    assert 0.86 < share < 0.92


def test_the_extra_day_lies_after_all_others_and_before_the_clock(folder):
    rows, subjects, first, last, before = ask(
        folder,
        """
        SELECT count(*), count(DISTINCT customer_id), min(occurred_at), max(occurred_at),
            (SELECT max(occurred_at) FROM '@transactions-0*.parquet')
        FROM '@transactions-extra-day.parquet'
        """,
    )
    assert (rows, subjects) == (300, 260)
    clock = YAML(typ="safe").load((folder / "sources.yaml").read_text())["clock"]
    assert str(before) < "2024-12-31 05:00" < str(first)
    assert f"{last:%Y-%m-%dT%H:%M:%SZ}" < clock == "2025-01-01T05:00:00Z"


def test_a_second_call_writes_nothing_again(folder):
    assert generate.generate(SIZE, folder, extra_day=True) == {}


def test_the_same_size_gives_the_same_rows(folder, tmp_path):
    generate.generate(SIZE, tmp_path / "again")
    for name in ("customers", "consent_events", "transactions-0001"):
        (different,) = ask(
            folder,
            f"SELECT count(*) FROM (FROM '@{name}.parquet' EXCEPT ALL "
            f"FROM '{tmp_path}/again/{name}.parquet')",
        )
        assert different == 0


def test_blocks_of_time_add_up_to_the_row(monkeypatch, tmp_path):
    monkeypatch.setattr(generate, "BLOCK_ROWS", 300)
    written = generate.generate(Size(50, 1_001, days=10), tmp_path)
    blocks = [count for name, count in written.items() if name.startswith("transactions")]
    assert (len(blocks), sum(blocks)) == (4, 1_001)
    assert ask(
        tmp_path,
        "SELECT count(DISTINCT (customer_id, basket_id, product_id)) "
        "FROM '@transactions-*.parquet'",
    ) == (1_001,)


def test_a_folder_with_something_else_is_refused(folder, tmp_path, capsys):
    arguments = ["--customers", "9", "--transactions", "99", "--out"]
    assert generate.main([*arguments, str(folder)]) == 2
    assert "another size" in capsys.readouterr().err
    (tmp_path / "notes.txt").write_text("mine")
    assert generate.main([*arguments, str(tmp_path)]) == 2
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert generate.main(["--customers", "0", *arguments[2:], str(tmp_path / "new")]) == 2


def test_the_command_prints_rows_and_seconds(tmp_path, capsys):
    arguments = ["--customers", "20", "--transactions", "99", "--out", str(tmp_path / "new")]
    assert generate.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "99 rows  transactions-0001.parquet" in printed
    assert " s, peak memory " in printed
