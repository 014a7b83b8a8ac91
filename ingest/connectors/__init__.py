"""Connectors: each turns a declared feed into relations that DuckDB can scan.

Belongs here: how files, PostgreSQL and Python entry points are opened, what identifies a state of
them, and turning their failures into one clear line. Does not belong here: what the columns mean
(``projection``), whether a file was loaded before (``landing``).
"""

import duckdb

from ingest.connectors.source import Candidate
from ingest.model import FeedSource, Sources
from warehouse.errors import UsageError


def candidates(
    connection: duckdb.DuckDBPyConnection, sources: Sources, name: str
) -> list[Candidate]:
    """Return what a feed consists of at this moment, in order of arrival; nothing is opened yet.

    Parameters
    ----------
    connection
        Opened with ``files=True``; temporary tables are made in it.
    sources, name
        The declared feeds and the one to look for.

    Returns
    -------
    list of Candidate
        Files in the order of their paths (of one load, the later name arrived later); empty if
        no file matches. The other connectors have exactly one.
    """
    feed: FeedSource = sources.feeds[name]  # type: ignore[index]
    folder = sources.file.absolute().parent
    if feed.connector == "files":
        from ingest.connectors.files import file_candidates

        return file_candidates(connection, feed, folder)
    if feed.connector == "postgres":
        from ingest.connectors.postgres import postgres_candidate

        return [postgres_candidate(connection, feed, name)]
    from ingest.connectors.python import python_candidate

    return [python_candidate(connection, feed, name, folder)]


def no_file(feed: str) -> UsageError:
    """Return the error for a feed of files that matches none."""
    return UsageError(
        f"{feed}: no file matches its paths",
        "correct `paths` (relative to sources.yaml), or put a file back: a feed keeps at least one",
    )
