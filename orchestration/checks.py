"""Checks as assets' checks: every rule of the policy, judged where its data is.

Belongs here: which rules are judged on which asset, and turning results into Dagster's. Does not
belong here: judging (``expectations``). One check stands for all rules of a kind on an asset; the
rules are in its metadata, and each by itself in ``assent status``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import dagster as dg
import duckdb

from expectations.result import Result, Table
from governance import clocks as clock_row
from governance import evidence, status
from governance.aging import present_day
from governance.backup import oldest_salts
from governance.clocks import Clocks
from governance.gate import judge_columns
from governance.lineage.keeping import built_whole
from governance.policy.rules import KINDS, Rule, rules
from governance.policy.words import FEEDS, HOLDING_STATES, SEGMENT_PURPOSE
from governance.rights import custody, expiry
from governance.rights.notices import notices
from governance.rights.purge import first_removal
from governance.rights.requests import listing
from models.markdown import escaped
from orchestration import ran
from orchestration.common import SEGMENT_KINDS, about, provenance
from orchestration.feeds import absent_columns, landed_clocks
from orchestration.manifest import lineage, manifest, policy
from orchestration.wording import in_words
from orchestration.writer import Writer
from warehouse.clear import files_in_clear
from warehouse.clock import now

MART_KINDS = (
    "minimisation", "permission", "retention", "special_values", "completeness", "reconciliation",
)  # fmt: skip


def _rules_of(purpose: str | None, kinds: Sequence[str]) -> list[Rule]:
    return [r for r in rules(policy()) if r.purpose == purpose and r.kind in kinds]


def _specs(asset: list[str], found: Iterable[Rule]) -> list[dg.AssetCheckSpec]:
    kinds = list(dict.fromkeys(rule.kind for rule in found))
    return [
        dg.AssetCheckSpec(
            name=kind,
            asset=asset,
            blocking=KINDS[kind].blocks,
            description=f"{KINDS[kind].holds.capitalize()}: {KINDS[kind].why}",
        )
        for kind in kinds
    ]


def _evaluated(
    asset: list[str], kind: str, results: Sequence[Any], clocks: Clocks
) -> dg.AssetCheckResult:
    """Return one check's result from those of its rules; an override on record lets it pass.

    Of a kind that blocks none warns of what is soon: such a check would stop the run.
    """
    verdicts = [status.verdict_on(policy(), r, clocks.newest_day) for r in results]
    standing = [v for v in verdicts if not v.passes]
    soon = [r for r in results if r.soon]
    rules = Table(
        ("rule", "status", "observed", "limit", "why"),
        [(v.rule, v.status + (" (overridden)" * bool(v.overridden_by)), in_words(v.observed),
          in_words(v.limit), v.why) for v in verdicts],
    )  # fmt: skip
    details = {name: _detail(v) for r in results for name, v in r.details.items()}
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=kind,
        passed=not standing and not soon,
        severity=(
            dg.AssetCheckSeverity.ERROR
            if standing and KINDS[kind].fails
            else dg.AssetCheckSeverity.WARN
        ),
        description=escaped("; ".join(_told(v, clocks) for v in standing or soon)) or None,
        metadata={"rules": _detail(rules), **details, **provenance(clocks)},
    )


def _told(verdict: Any, clocks: Clocks) -> str:
    """Return why a rule is broken; of one that time alone broke, also by which day and limit."""
    told = f"{verdict.rule}: {verdict.why}"
    if not verdict.since or verdict.status != "broken":
        return told
    present = present_day(policy(), clocks.newest_day)
    return f"{told} ({verdict.observed} days before {present}; at most {verdict.limit} may be)"


def _detail(value: Any) -> dg.MetadataValue[Any]:
    """Return a detail as metadata: a table as one, all else as text; neither is rendered."""
    if not isinstance(value, Table):
        return dg.MetadataValue.text(str(value))
    rows = [["" if cell is None else str(cell) for cell in row] for row in value.rows]
    return dg.TableMetadataValue(
        records=[dg.TableRecord(dict(zip(value.heads, row, strict=True))) for row in rows],
        schema=dg.TableSchema([dg.TableColumn(name) for name in value.heads]),
    )


def _by_kind(results: Iterable[Any]) -> dict[str, list[Any]]:
    kinds = {rule.id: rule.kind for rule in rules(policy())}
    found: dict[str, list[Any]] = {}
    for result in results:
        found.setdefault(kinds[result.rule], []).append(result)
    return found


def _mart_check(purpose: str) -> dg.AssetChecksDefinition:
    asset = ["marts", f"mart_{purpose}"]

    @dg.multi_asset_check(
        name=f"check_mart_{purpose}", specs=_specs(asset, _rules_of(purpose, MART_KINDS))
    )
    def check(context: dg.AssetCheckExecutionContext, writer: Writer) -> Iterator[Any]:
        from expectations.marts import check_mart

        rule = f"minimisation.{purpose}"
        findings = [f for f in judge_columns(policy(), lineage()) if f.rule == rule]
        # What decides permission decides who is in the mart.
        findings += [
            replace(f, rule=rule) for f in ran.findings()
            if f.rule in (rule, "minimisation.permission")
        ]  # fmt: skip
        with writer.warehouse() as connection:
            clocks = clock_row.read(connection)
            results = check_mart(
                connection, policy(), clocks, purpose, findings=findings,
                absent=absent_columns(purpose), whole=built_whole(manifest()),
            )  # fmt: skip
            status.put(connection, policy(), results, clocks, about())
        for kind, found in _by_kind(results).items():
            yield _evaluated(asset, kind, found, clocks)

    return check


def _feed_specs() -> list[dg.AssetCheckSpec]:
    return [spec for feed in FEEDS for spec in _specs(["landing", feed], _rules_of_feed(feed))]


def _rules_of_feed(feed: str) -> list[Rule]:
    return [r for r in rules(policy()) if r.about == f"feed {feed}"]


def judge_feeds(connection: duckdb.DuckDBPyConnection) -> tuple[Clocks, list[Result]]:
    """Judge the feeds as they have landed, and record the verdicts.

    Parameters
    ----------
    connection
        With the warehouse as its database.

    Returns
    -------
    tuple
        The clocks of what has landed, and what the checks found.
    """
    from expectations.feeds import check_feeds as judge

    clocks, asked, owed = landed_clocks(connection), listing(), notices(policy())
    restricted = {
        r.subject_key for r in asked if r.type == "restriction" and r.status in HOLDING_STATES
    }
    results = judge(
        connection, policy(), clocks, now=now(), manifest=manifest(), lineage=lineage(),
        lying_since=first_removal(connection), in_clear=files_in_clear(),
        oldest_salts=oldest_salts(), oldest_kept=expiry.oldest(connection, clocks.as_of),
        acknowledged={(r.subject_key, r.request_id, r.type) for r in asked if r.acknowledged},
        extended={(r.subject_key, r.request_id, r.type) for r in asked if r.extended},
        holds={(r.subject_key, r.request_id, r.type) for r in asked if r.is_hold},
        restricted=restricted, oldest_in_vault=custody.oldest_in_vault(connection, restricted),
        untold=[notice.waits_since for notice in owed if notice.state == "waiting"],
    )  # fmt: skip
    status.put(connection, policy(), results, clocks, about())
    return clocks, results


@dg.multi_asset_check(name="check_feeds", specs=_feed_specs())
def check_feeds(context: dg.AssetCheckExecutionContext, writer: Writer) -> Iterator[Any]:
    """Judge what landed: nothing lost, nothing stale, no word unread, no request unanswered."""
    with writer.warehouse() as connection:
        clocks, results = judge_feeds(connection)
    for feed in FEEDS:
        ids = {rule.id for rule in _rules_of_feed(feed)}
        for kind, found in _by_kind(r for r in results if r.rule in ids).items():
            yield _evaluated(["landing", feed], kind, found, clocks)


SEGMENTS_ASSET = ["segmentation", "segments"]


@dg.multi_asset_check(
    name="check_segments",
    specs=_specs(SEGMENTS_ASSET, _rules_of(SEGMENT_PURPOSE, SEGMENT_KINDS)),
)
def check_segments(context: dg.AssetCheckExecutionContext, writer: Writer) -> Iterator[Any]:
    """Judge the segments: size, number, age of the model, what is shown of them, drift, bias."""
    from expectations.segments import check_segments as judge
    from orchestration import model_store

    model = model_store.record()
    with writer.warehouse() as connection:
        clocks = clock_row.read(connection)
        shown = evidence.shown(evidence.SEGMENTS, past=clocks.past)
        results = judge(
            connection, policy(), clocks, psi=shown["drift"], postponed=shown["postponed"],
            fitted_as_of=date.fromisoformat(model["fitted_as_of"]) if model else None,
        )  # fmt: skip
        status.put(connection, policy(), results, clocks, about())
    for kind, found in _by_kind(results).items():
        yield _evaluated(SEGMENTS_ASSET, kind, found, clocks)


CHECKS = [
    check_feeds,
    *(_mart_check(purpose) for purpose in policy().purposes),
    check_segments,
]
