"""The state of an earlier schema version is brought up to this one; a newer one is left alone."""

from governance.backup import back_up
from governance.policy.words import PERMISSION
from governance.rights import kept
from ingest.feeds import feed_figures
from tests.support.tables import state
from warehouse import schema
from warehouse.connect import connected
from warehouse.publish import publish

FIGURES = ("counted_in", "subjects", "orders", "value_total", "first_day", "last_day")
# What the first version's files lacked; a current state is led back to that.
DOWN = (
    *(f"alter table landing.loads drop column {column}" for column in FIGURES),
    "alter table landing.loads drop column rows_emptied",
    "alter table landing.loads drop column rows_suppressed",
    "alter table landing.quarantine drop column note",
    "drop table landing.corrected",
)


def led_back(one):
    """Make a state what the first version left: without a number, columns and requests' columns."""
    with one.warehouse() as connection:
        for statement in DOWN:
            connection.execute(statement)
    with one.entered():
        publish({PERMISSION: {t: f"select * {less} from before_permission.{t}" for t, less in (
            ("consent_events", ""), ("subjects", ""), ("unread", ""), ("about", ""),
            ("rights_requests", "exclude (request_id, channel)"),
        )}}, over=True)  # fmt: skip
        with connected(kept.store()) as connection:
            for column in ("proofs.left_at", "suppressed.come", "suppressed.delivered_at"):
                table, _, name = column.partition(".")
                connection.execute(f"alter table kept.{table} drop column {name}")
    one.home.schema_version.unlink()
    return one


def test_the_first_version_is_brought_up(small, tmp_path):
    one = led_back(small.copy(tmp_path / "home"))
    before = state(small)
    assert one.assent("status").status == 0  # readers need no more than they had
    listed = one.assent("quarantine", "list", "--json")
    assert listed.status == 0, listed.said
    assert one.home.schema_version.read_text() == f"{schema.VERSION}\n"
    assert state(one) == before
    with one.entered(), kept.opened() as connection:
        connection.execute("select left_at from kept.proofs")
        connection.execute("select come, delivered_at from kept.suppressed")
    assert one.assent("rights", "list").status == 0


def test_an_older_backup_is_brought_up(small, tmp_path):
    one = led_back(small.copy(tmp_path / "home"))
    with one.entered():  # not by its command, which would bring the state up first
        back_up(tmp_path / "backup", separate=False)
    done = one.assent("restore", "--from", str(tmp_path / "backup"))
    assert done.status == 0, done.said
    assert one.home.schema_version.read_text() == f"{schema.VERSION}\n"
    with one.warehouse() as connection:
        for column in ("loads.rows_suppressed", "quarantine.note"):
            connection.execute(f"select {column} from landing.{column.split('.')[0]}")


def test_what_landed_before_figures_were_noted_is_counted(small, tmp_path):
    one = small.copy(tmp_path / "home")
    with one.warehouse() as connection:
        rows = "select count(*) from landing.transactions"
        held = connection.execute(f"{rows} where hash(subject_key) % 2 = 0").fetchone()
        assert 0 < held[0] < connection.execute(rows).fetchone()[0]
        connection.execute("delete from landing.transactions where hash(subject_key) % 2 > 0")
        for column in FIGURES:
            connection.execute(f"alter table landing.loads drop column {column}")
        totals = connection.execute(
            "select count(distinct subject_key), count(distinct basket_id)"
            " + count(distinct (subject_key, occurred_at)) filter (basket_id is null),"
            " sum(value), min(event_day), max(event_day) from landing.transactions"
        ).fetchone()
    one.home.schema_version.write_text("5\n")
    for _ in range(2):  # killed before it was noted, it is done again
        listed = one.assent("quarantine", "list")
        assert listed.status == 0, listed.said
        with one.warehouse() as connection:
            found = {figures.feed: figures for figures in feed_figures(connection)}
            uncounted = "select count(*) from landing.loads where counted_in is null"
            waiting = {feed for feed, f in found.items() if f.subjects is None}
            assert (waiting, connection.execute(uncounted).fetchone()) == (set(), (0,))
        sold = found["transactions"]
        figures = (sold.subjects, sold.orders, sold.value_total, sold.first_day, sold.last_day)
        assert figures == totals
        one.home.schema_version.write_text("5\n")


def test_a_newer_version_is_left_alone(small, tmp_path):
    one = small.copy(tmp_path / "home")
    before = {p: p.read_bytes() for p in one.root.iterdir() if p.is_file()}
    version = one.home.schema_version
    for said, words in (("99", "is of schema version 99, and this version"), ("x", "no number")):
        version.write_text(said)
        for command in ("status", "run", "backup --to x"):
            done = one.assent(*command.split())
            assert (done.status, words in done.err, len(done.err.splitlines())) == (2, True, 2)
        assert {p: p.read_bytes() for p in before if p != version} == {
            p: content for p, content in before.items() if p != version
        }
