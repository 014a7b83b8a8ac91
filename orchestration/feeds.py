"""The declared feeds: what there is to land, and which clocks what has landed gives.

Belongs here: `sources.yaml` as this process has read it, and what follows from it for a run. Does
not belong here: landing (``orchestration.land``).
"""

import hashlib
from datetime import date
from functools import cache

import duckdb

from governance import evidence
from governance.aging import today
from governance.clocks import Clocks, clocks_of
from governance.policy.columns import allowed_columns
from governance.policy.load import policy_hash
from governance.policy.model import Policy
from ingest.feeds import feed_clocks
from ingest.model import Sources
from ingest.sources import load_sources, watched_files
from orchestration.manifest import policy
from warehouse.home import Home, sources_path

# Lines without a basket number are grouped by their time.
ALWAYS = frozenset({"basket_id"})


def state_of_files(sources: Sources, rules: Policy) -> str:
    """Return a digest of the files of the feeds and of all that decides how they are read."""
    read_by = [policy_hash(rules), sources.model_dump_json()]
    return hashlib.sha256("\n".join([*read_by, *watched_files(sources)]).encode()).hexdigest()


def last_landed() -> str:
    """Return the state of the files that landed last, whoever ran that; empty if none is known."""
    known = evidence.path_of(evidence.FILES).exists() and Home.current().warehouse.exists()
    return str(evidence.shown(evidence.FILES)["landed"]) if known else ""


@cache
def feeds() -> Sources:
    """Return the declared feeds, read once per process."""
    return load_sources(sources_path(), policy())


def landed_clocks(connection: duckdb.DuckDBPyConnection, as_of: date | None = None) -> Clocks:
    """Return the clocks of what has landed; without ``as_of``, those of the newest complete day."""
    zone = policy().time_zone
    known_at, newest_day = feed_clocks(connection, feeds(), today(policy()), zone)
    return clocks_of(as_of, known_at=known_at, newest_day=newest_day, time_zone=zone)


def absent_columns(purpose: str) -> frozenset[str]:
    """Return the columns of a purpose's mart that need an attribute no feed maps."""
    mapped = {column for feed in feeds().feeds.values() for column in feed.columns}
    needed = allowed_columns(policy(), purpose)
    return frozenset(c for c, attributes in needed.items() if attributes - mapped - ALWAYS)
