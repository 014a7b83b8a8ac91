"""What must hold in ``sources.yaml`` beyond its shape, and between it and the policy.

Belongs here: one small function for each thing that can be wrong between keys. Does not belong
here: the shape (``model``), looking at the feeds themselves (``check``).
"""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from governance.policy.model import Policy
from governance.policy.problems import Path, Problem, nearest
from ingest.contract import CONTRACTS, TIME, VAULT_COLUMNS, Contract
from ingest.expressions import REMEDY, ExpressionError, parsed
from ingest.model import FeedSource, Mapping, Sources

CONNECTOR_KEYS = {
    "python": ("entry_point",),
    "files": ("paths", "format", "csv"),
    "postgres": ("connection_env", "table", "query"),
}
GAP_FEEDS = ("customers", "transactions")  # whose columns the policy lists as attributes


def source_problems(sources: Sources) -> Iterator[Problem]:
    """Yield everything that is wrong within the file."""
    for name, contract in CONTRACTS.items():
        if contract.required and name not in sources.feeds:
            why = {
                "consent_events": "without it nothing may be processed",
                "transactions": "there is nothing to segment without it",
            }[name]
            yield Problem(("feeds",), f"the feed '{name}' is missing", f"declare it: {why}")
    for name, feed in sources.feeds.items():
        path: Path = ("feeds", name)
        yield from _connector(feed, path)
        yield from _columns(feed, CONTRACTS[name], path)
        yield from _keys(feed, CONTRACTS[name], path)
        yield from _zone(feed, path)


def _connector(feed: FeedSource, path: Path) -> Iterator[Problem]:
    for connector, keys in CONNECTOR_KEYS.items():
        for key in keys:
            if connector != feed.connector and getattr(feed, key):
                yield Problem(
                    (*path, key),
                    f"'{key}' belongs to the connector {connector}, not to {feed.connector}",
                    "remove it, or change the connector",
                )
    needed = {"python": ("entry_point",), "files": ("paths", "format"),
              "postgres": ("connection_env",)}  # fmt: skip
    for key in needed[feed.connector]:
        if not getattr(feed, key):
            yield Problem(path, f"'{key}' is missing", f"the connector {feed.connector} needs it")
    if feed.connector == "postgres" and bool(feed.table) == bool(feed.query):
        yield Problem(path, "a table or a query is needed, and not both", "give one of them")
    if feed.csv and feed.format != "csv":
        yield Problem((*path, "csv"), "the files' format isn't csv", "remove it")


def _columns(feed: FeedSource, contract: Contract, path: Path) -> Iterator[Problem]:
    for name, mapping in feed.columns.items():
        here = (*path, "columns", name)
        if name not in contract.names:
            otherwise = f"columns of {contract.name}: {', '.join(contract.names)}"
            yield Problem(
                here, "no such column in this feed", nearest(name, contract.names, otherwise)
            )
            continue
        yield from _mapping(mapping, contract.column(name).type == TIME, here)
    for column in contract.columns:
        if column.required and column.name not in feed.columns:
            yield Problem(
                (*path, "columns"),
                f"the required column '{column.name}' isn't mapped",
                "name the column of the feed that holds it",
            )


def _mapping(mapping: Mapping, time: bool, here: Path) -> Iterator[Problem]:
    kinds = [k for k in ("column", "expression", "constant") if getattr(mapping, k) is not None]
    if len(kinds) != 1:
        yield Problem(
            here, "exactly one of column, expression and constant is needed", "keep one of them"
        )
    if mapping.format and (not time or not mapping.column):
        yield Problem(
            (*here, "format"), "a format describes a time in a column", "remove it"
        )  # fmt: skip
    if here[-1] == "customer_id" and mapping.constant is not None:
        yield Problem(here, "all rows would belong to one subject", "name the subject's column")
    if mapping.expression:
        try:
            parsed(mapping.expression)
        except ExpressionError as error:
            yield Problem((*here, "expression"), str(error), REMEDY)


def _keys(feed: FeedSource, contract: Contract, path: Path) -> Iterator[Problem]:
    usable = [n for n in feed.columns if n in contract.names]
    landed = [n for n in usable if n == "customer_id" or not contract.column(n).vault]
    for i, name in enumerate(feed.natural_key or ()):
        if name not in landed:
            yield Problem(
                (*path, "natural_key", i),
                f"'{name}' isn't a mapped column that can identify a row",
                nearest(name, landed, f"use columns among: {', '.join(landed)}"),
            )
    if feed.natural_key == ():
        yield Problem((*path, "natural_key"), "it names no column", "remove the key, or name some")
    if feed.natural_key:
        lacking = [n for n in contract.told_apart_by if n in usable and n not in feed.natural_key]
        if lacking:
            yield Problem(
                (*path, "natural_key"),
                f"without {', '.join(lacking)} a later row would take the place of another word of"
                " a subject",
                f"add {', '.join(lacking)}, or remove the key",
            )
    if contract.name == "customers" and feed.natural_key not in (None, ("customer_id",)):
        yield Problem(
            (*path, "natural_key"), "a customer is one row", "write [customer_id], or remove it"
        )
    yield from _identifiers(feed, [n for n in usable if n in VAULT_COLUMNS], path)


def _identifiers(feed: FeedSource, direct: list[str], path: Path) -> Iterator[Problem]:
    for i, name in enumerate(feed.identifiers):
        if name not in direct:
            yield Problem(
                (*path, "identifiers", i),
                f"'{name}' isn't a mapped column that goes to the vault",
                nearest(name, direct, f"only these can: {', '.join(VAULT_COLUMNS)}"),
            )
    for name in direct:
        if name not in feed.identifiers:
            yield Problem(
                (*path, "identifiers"), f"'{name}' identifies a person and isn't listed", "add it"
            )


def _zone(feed: FeedSource, path: Path) -> Iterator[Problem]:
    try:
        ZoneInfo(feed.time_zone)
    except (KeyError, ValueError, OSError):
        yield Problem(
            (*path, "time_zone"),
            "no such time zone",
            "use an IANA name such as Europe/Berlin, America/New_York or UTC",
        )


def policy_problems(sources: Sources, policy: Policy) -> Iterator[tuple[Problem, bool]]:
    """Yield where sources and policy disagree; the flag says whether it is a gap in the policy."""
    for name, feed in sources.feeds.items():
        for column in feed.columns:
            here: Path = ("feeds", name, "columns", column)
            attribute = policy.attributes.get(column)
            if attribute is None:
                if column in VAULT_COLUMNS or name in GAP_FEEDS:
                    yield (
                        Problem(
                            here,
                            "the policy doesn't list this attribute, so it may not be held",
                            "list it under `attributes` in policy.yaml, or don't map it",
                        ),
                        True,
                    )
                continue
            if attribute.class_ == "direct_identifier" and column not in feed.identifiers:
                yield (
                    Problem(
                        here,
                        "the policy calls it a direct identifier; here it would be landed in clear",
                        f"don't map it; only these go to the vault: {', '.join(VAULT_COLUMNS)}",
                    ),
                    False,
                )
            if attribute.class_ != "direct_identifier" and column in feed.identifiers:
                yield (
                    Problem(
                        ("feeds", name, "identifiers"),
                        f"the policy doesn't call '{column}' a direct identifier",
                        "give it that class in policy.yaml: it identifies a person",
                    ),
                    False,
                )
