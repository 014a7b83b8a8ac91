"""``python -m benchmarks.rights``: how soon a subject's word takes effect, beside the aims.

Belongs here: the states that are asked of, the commands that are timed, and the table. Does not
belong here: the runs of the pipeline (``run``), what a command does.

Erasures are timed where they have most to do: the subjects are in every mart, segment and published
file. Requests are put into the inbox and verified beforehand, all at once; that isn't timed.
"""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.command import for_each_size
from benchmarks.generate import generate
from benchmarks.measure import Cost, Watcher, measure
from benchmarks.run import ASSENT, SIZES, environment, governed
from governance import identity, inbox
from governance.policy.words import FITTED_ON, SEGMENT_PURPOSE
from governance.rights import kept
from orchestration.environment import prepare
from warehouse.connect import Store, connected, published_store, warehouse_store
from warehouse.errors import UsageError

TOGETHER = 1000
DEMO = "demo"
PATIENCE = 300  # seconds until the interface answers, or a withdrawal has taken effect
KEY = f"{SEGMENT_PURPOSE}_key"


class Row(NamedTuple):
    """One line of the table: the aim in seconds, and what of the time is none of Python's start."""

    size: str
    what: str
    aim: float | None
    cost: Cost
    own_seconds: float | None = None


def rights_of(name: str, folder: Path) -> list[Row]:
    """Time the commands on a state of one size."""
    feeds, home = folder / "feeds", folder / "home"
    generate(SIZES[name], feeds)
    variables = environment(home, feeds)
    if not home.exists():
        measure(governed(fit=True), variables, folder / "log")
    with _entered(variables):
        one, asks, *others = _requests(TOGETHER + 2)

    def timed(what: str, aim: float | None, *arguments: str) -> Row:
        log = folder / "log"
        cost = measure([ASSENT, "rights", *arguments], variables, log)
        lines = [line for line in log.read_text().splitlines() if line.endswith(" s")]
        told = max((float(line.rsplit(" ", 2)[1]) for line in lines), default=None)
        return Row(name, what, aim, cost, told)

    answers = folder / "answers"
    answers.mkdir(exist_ok=True)
    return [
        timed("any command (rights list)", None, "list"),
        timed("access report", 2, "fulfil", asks, "--to", str(answers), "--unencrypted"),
        timed("one erasure", 5, "fulfil", one),
        timed(f"{TOGETHER:,} erasures at once", 30, "fulfil", *others),
        timed("physical rewrite (rights purge)", None, "purge"),
    ]


@contextmanager
def _entered(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        prepare()  # which sets more, the demo's clock too
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _members(count: int) -> list[str]:
    """Return customers of whom there is a published segment, spread over all."""
    with identity.opened(published_store(SEGMENT_PURPOSE)) as connection:
        rows = connection.execute(
            f"select customer_id from ({identity.purpose_keys([SEGMENT_PURPOSE])})"
            f" join vault.subjects using (subject_key) join published.assignments"
            f" on purpose_key = {KEY} order by hash(customer_id) limit {count}"
        ).fetchall()
    return [customer_id for (customer_id,) in rows]


def _requests(count: int) -> list[str]:
    """Put verified requests of as many customers into the inbox: the second for access."""
    at = datetime.now(UTC).replace(tzinfo=None)
    made = [
        (who, f"R-{at:%H%M%S}-{number}", "access" if number == 1 else "erasure")
        for number, who in enumerate(_members(count))
    ]
    with inbox.opened() as connection:
        connection.executemany(
            "insert into inbox.rights_requests select 1 + count(*), ?, ?, ?, ?, 'open', 'benchmark'"
            " from inbox.rights_requests",
            [(who, number, kind, at) for who, number, kind in made],
        )
        connection.execute("checkpoint inbox")
    with kept.opened() as connection:
        for who, number, kind in made:
            kept.add_step(
                connection, who, (number, kind), "verified", at=at, actor="benchmark", method="none"
            )
    return [number for _, number, _ in made]


def withdrawal(folder: Path, tell: Callable[[int], None]) -> Row:
    """Time a withdrawal on the demo, under a running interface with its sensors."""
    variables = {"ASSENT_HOME": str(folder / "home")}
    log = folder / "log"
    measure([ASSENT, "run"], variables, log)
    with _entered(variables):
        who, *_ = _members(1)
        with identity.opened(published_store(SEGMENT_PURPOSE)) as connection:
            one = f"(select * from vault.subjects where customer_id = '{who}')"
            keys = identity.purpose_keys([SEGMENT_PURPOSE], one)
            key = connection.execute(f"select purpose_key::varchar from ({keys})").fetchall()[0][0]
        with _interface(variables, tell) as watcher:
            began = time.monotonic()
            measure(
                [ASSENT, "consent", "record", who, "withdrawn", "--purpose", SEGMENT_PURPOSE],
                variables, log,
            )  # fmt: skip
            _until(lambda: _gone(key), "the withdrawal doesn't take effect")
            seconds = time.monotonic() - began
    return Row(DEMO, "withdrawal, under the interface", 60, Cost(seconds, 0, watcher.peak / 2**30))


def _gone(key: str) -> bool:
    """Tell whether no row is left: neither published nor in the warehouse, which a run may hold.

    But for whom the model is of, which stays true until the next fit (decision 0033).
    """
    published = published_store(SEGMENT_PURPOSE)
    made = ((published, "main"), (warehouse_store(read_only=True), "marts"),
            (warehouse_store(read_only=True), SEGMENT_PURPOSE))  # fmt: skip
    try:
        return not any(_rows(replace(store, patience=0), schema, key) for store, schema in made)
    except UsageError:
        return False


def _rows(store: Store, schema: str, key: str) -> int:
    with connected(store) as connection:
        tables = connection.execute(
            "select table_name from duckdb_columns() where database_name = ? and schema_name = ?"
            " and column_name = ? and table_name <> ?", [store.alias, schema, KEY, FITTED_ON],
        ).fetchall()  # fmt: skip
        return sum(
            connection.execute(f"select count(*) from {schema}.{name} where {KEY} = ?", [key])
            .fetchall()[0][0]
            for (name,) in tables
        )  # fmt: skip


def _until(done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{otherwise} within {PATIENCE} s")
        time.sleep(0.2)


@contextmanager
def _interface(variables: dict[str, str], tell: Callable[[int], None]) -> Iterator[Watcher]:
    """Serve the interface on a free port, with its sensors; stop exactly what was started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [ASSENT, "ui", "--port", str(port)], env={**os.environ, **variables},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    tell(process.pid)
    watcher = Watcher(process.pid)
    watcher.start()
    try:
        _until(lambda: _answers(port), "the interface doesn't answer")
        yield watcher
    finally:
        watcher.done.set()
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        tell(-process.pid)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text."""
    head = (
        f"{'customers':>9}  {'what':<33}{'aim s':>7}{'s':>8}{'CPU s':>8}{'of it, act s':>14}"
        f"{'peak GiB':>10}"
    )
    lines = [head, "-" * len(head)]
    for row in rows:
        cost = row.cost
        aim = "-" if row.aim is None else f"{row.aim:g}"
        cpu = f"{cost.cpu_seconds:.1f}" if cost.cpu_seconds else "-"
        own = "-" if row.own_seconds is None else f"{row.own_seconds:.1f}"
        lines.append(
            f"{row.size:>9}  {row.what:<33}{aim:>7}{cost.seconds:8.1f}{cpu:>8}{own:>14}"
            f"{cost.peak_gib:10.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Time the demo and the sizes asked for (default: all) and print the table."""
    for_each_size(
        "How soon a subject's word takes effect.",
        [DEMO, *SIZES],
        lambda name, folder, tell: (
            [withdrawal(folder, tell)] if name == DEMO else rights_of(name, folder)
        ),
        table,
    )


if __name__ == "__main__":
    main()
