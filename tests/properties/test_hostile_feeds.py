"""Whatever a feed holds: no fault of ours, nothing of it runs, every row is accounted for.

Nor is a value of it told, by a message, an account or the quarantine. The long version (see
docs/operating.md) makes thousands.
"""

import os
from collections import Counter
from random import Random

import pytest

from ingest.check import check_sources
from ingest.contract import CONTRACTS
from tests.support.canaries import contents, files
from tests.support.feeds import NOW, UTC_POLICY, ask, declared, load, must_reconcile, sources_in
from tests.support.hostile import CANARY, FORMATS, Generator
from warehouse.connect import connected, warehouse_store
from warehouse.errors import AssentError

COUNT = int(os.environ.get("ASSENT_HOSTILE", "60"))
SEED = int(os.environ.get("ASSENT_TEST_SEED", "1"))
REQUIRED = ("transactions", "consent_events")
AT_ONCE = 8  # files of each feed in one load


def declarations(random):
    """Return feeds with every column mapped to one of its name, each of one format."""
    made = {}
    for feed, contract in CONTRACTS.items():
        made[feed] = declared(
            feed, format=random.choice(FORMATS), paths=[f"{feed}-*"],
            columns={name: name for name in contract.names},
            identifiers=["customer_id", *contract.identifiers],
            corrections=random.choice(["latest_arrival", "refuse"]),
        )  # fmt: skip
    return made


def accounts(home):
    """Return what is told of the loads, without what is sealed in landing and in the vault."""
    told = ask("select l::varchar from landing.loads as l")
    told += ask("select q::varchar from landing.quarantine as q")
    clear = [content for path in files(home.root) for content in contents(path)]
    return "\n".join(text for (text,) in told), clear


@pytest.mark.parametrize("batch", range(-(-COUNT // (AT_ONCE * len(CONTRACTS)))))
def test_hostile_feeds_are_accounted_for_and_told_by_nobody(batch, home, tmp_path, capfd, caplog):
    random = Random(SEED * 10_000 + batch)  # noqa: S311  # of a test
    marker, folder = tmp_path / "marker", tmp_path / "feeds"
    folder.mkdir()
    generator = Generator(random, marker)
    feeds = declarations(random)
    made = {
        feed: [generator.file(folder, feed, feeds[feed]["format"], n) for n in range(AT_ONCE)]
        for feed in CONTRACTS
    }
    sources = sources_in(folder, **feeds)
    with connected(warehouse_store()) as connection:
        connection.execute("create schema landing; create table landing.canary as select 1 as x")
    there = set(tmp_path.iterdir())
    findings = check_sources(sources, UTC_POLICY, now=NOW)
    said = "\n".join(map(str, findings))
    unreadable = {f.source for f in findings if f.blocking and f.source}
    if unreadable:
        with pytest.raises(AssentError) as refused:
            load(sources)
        said += str(refused.value)
        for name in unreadable:
            (folder / name).unlink()
    sources = sources_in(folder, **{
        feed: feeds[feed] for feed in feeds
        if feed in REQUIRED or list(folder.glob(f"{feed}-*"))
    })  # fmt: skip
    if not all(list(folder.glob(f"{feed}-*")) for feed in REQUIRED):  # each of its files was bad
        with pytest.raises(AssentError, match="no file matches its paths"):
            load(sources)
        return
    load(sources)
    must_reconcile()
    read = Counter(dict(ask("select source, sum(rows_read)::bigint from landing.loads group by 1")))
    wrong = [
        (file.name, file.rows, read[file.name])
        for several in made.values() for file in several
        if file.rows is not None and file.name not in unreadable and read[file.name] != file.rows
    ]  # fmt: skip
    assert wrong == [], (SEED, batch)
    assert ask("from landing.canary") == [(1,)]
    assert not marker.exists()
    assert set(tmp_path.iterdir()) == there
    told, clear = accounts(home)
    out, err = capfd.readouterr()
    assert CANARY not in said + told + out + err + caplog.text, (SEED, batch)
    assert not [content for content in clear if CANARY.encode() in content], (SEED, batch)
