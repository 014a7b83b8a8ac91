"""dbt as assets: staging, consented rows, marts.

Belongs here: how dbt's models become Dagster's assets, and running them. Does not belong here:
SQL; compiling the project (``orchestration.manifest``).
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation, DbtCliResource, dbt_assets
from dagster_dbt.errors import DagsterDbtCliRuntimeError
from packaging.version import Version

from governance import clocks as clock_row
from governance import evidence, status
from governance.clocks import Clocks
from governance.gate import judge_columns, refuse
from governance.lineage.marts import MART
from governance.removal import drop_strays
from governance.rights.discovery import require_known
from orchestration import ran
from orchestration.common import BY_DAY, OFFICERS, OWNERS, about, provenance, same_day
from orchestration.dbt_child import RUN
from orchestration.manifest import (
    DBT_PROJECT,
    fingerprint,
    lineage,
    makes,
    manifest_path,
    policy,
    variables,
)
from orchestration.metadata import asset_key, columns_of, declared_schema, layer
from orchestration.progress import tell
from orchestration.writer import Writer
from warehouse.errors import RuleBrokenError
from warehouse.home import Home
from warehouse.journal import write_durably
from warehouse.keys import withheld

COMPILATION = "Compilation Error"


class Translator(DagsterDbtTranslator):
    """Names and places dbt's models as the design has them."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Return layer and name; a source is the landed table."""
        name = dbt_resource_props["name"]
        if dbt_resource_props["resource_type"] == "source":
            return dg.AssetKey(["landing", name])
        return asset_key(name)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the layer."""
        if dbt_resource_props["resource_type"] == "source":
            return "landing"
        return layer(dbt_resource_props["name"])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """Return who answers for a model: privacy for what decides permission."""
        return OFFICERS if "consent" in dbt_resource_props["name"] else OWNERS

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the model's own description, without its SQL."""
        return str(dbt_resource_props["description"])

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return dbt's metadata, with the columns as lineage has them: with their classes."""
        found = dict(super().get_metadata(dbt_resource_props))
        if dbt_resource_props["resource_type"] == "model":
            found["dagster/column_schema"] = declared_schema(dbt_resource_props["name"])
        return found


class Dbt(DbtCliResource):
    """dbt's command line, through the door that takes the key (``orchestration.dbt_child``)."""

    def cli(self, *args: Any, **kwargs: Any) -> DbtCliInvocation:
        """Start dbt with no key but the warehouse's, telling it whose end is its own."""
        os.environ[RUN] = str(os.getpid())
        with withheld():
            return super().cli(*args, **kwargs)

    @cached_property
    def _cli_version(self) -> Version:
        """What is installed; asking the command line would load the whole of dbt once more."""
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:
        """Open no second connection: the warehouse is for one process, and lineage is our own."""


def dbt_resource() -> Dbt:
    """Return the resource that assets call dbt by."""
    return Dbt(
        project_dir=str(DBT_PROJECT),
        profiles_dir=str(DBT_PROJECT),
        target="warehouse",
        dbt_executable=str(Path(sys.executable).with_name("assent-dbt")),
        global_config_flags=["--no-use-colors", "--log-level-file", "none"],
    )


@dbt_assets(
    manifest=manifest_path(),
    dagster_dbt_translator=Translator(),
    **BY_DAY,
    name="transform",
    exclude="resource_type:unit_test",
)
def transform(
    context: dg.AssetExecutionContext, dbt: DbtCliResource, writer: Writer
) -> Iterator[Any]:
    """Judge the columns against the policy, then build staging, consented rows and marts."""
    refuse(judge_columns(policy(), lineage()))
    for place, why in drop_strays(policy(), makes()).items():
        context.log.info(f"dropped {'.'.join(place)}: {why}")
    with writer.warehouse() as connection:
        clocks = same_day(context, clock_row.read(connection))
        status.reset(connection, policy(), clocks, about())
    arguments = ["build", "--vars", variables(), "--exclude-resource-type", "unit_test"]
    if _built_with() != fingerprint() or not ran.complete():
        # Tables that grow by day were made by other SQL or under another policy, or who knows.
        arguments.append("--full-refresh")
    built: list[dg.Output[None]] = []
    nodes = len(context.selected_asset_keys) + len(context.selected_asset_check_keys)
    stopped = ""
    ran.begin({key.path[-1] for key in context.selected_asset_keys})
    try:
        events = dbt.cli(arguments, context=context, target_path=ran.target()).stream()
        for done, event in enumerate(events, start=1):
            tell("models and their tests", min(done / nodes, 1))
            if isinstance(event, dg.Output):
                built.append(event)
            else:
                yield event
    except DagsterDbtCliRuntimeError:
        stopped = _stopped_at()
    ran.end()
    require_known(drop_strays(policy(), makes()))
    # Reported when dbt has let go of the warehouse, so that rows can be counted.
    with writer.warehouse() as connection:
        yield from [_described(connection, context, event, clocks) for event in built]
        if not stopped:
            _show_permission(connection, clocks)
    if stopped:
        raise RuleBrokenError(
            f"dbt stopped at {stopped}", "see the step 'transform' of the run in the UI"
        )
    if ran.findings():  # said by the checks of the marts; what it left in tables has to go
        _fingerprint_file().unlink(missing_ok=True)
    elif not context.is_subset:  # else other tables may still be as they were made before
        write_durably(_fingerprint_file(), fingerprint().encode())


def _fingerprint_file() -> Path:
    return Home.current().dbt / "built_with"


def _built_with() -> str:
    """Return the fingerprint of the project that made the tables; empty before the first build."""
    return _fingerprint_file().read_text() if _fingerprint_file().exists() else ""


def _stopped_at() -> str:
    """Return which models and tests failed, and why; no message quotes a row (``dbt_plugin``)."""
    failed = [
        f"{r['unique_id'].split('.')[2]} ({_why(r)})"
        for r in ran.results() if r["status"] in ("error", "fail")
    ]  # fmt: skip
    return ", ".join(failed) or "its start"


def _why(failed: Mapping[str, Any]) -> str:
    """Return why a model or test failed, in a line: of dbt's message the one that says it.

    What dbt finds by itself, before the warehouse is asked (a contract that its model doesn't
    keep), takes several, and is of names and types only.
    """
    if failed["failures"]:
        return f"{failed['failures']} rows"
    lines = [line.strip() for line in (failed["message"] or "").splitlines() if line.strip()]
    if lines and lines[0].startswith(COMPILATION):
        said = takewhile(lambda line: not line.startswith(">"), lines[1:])  # then by which macro
        whole = " ".join(line.strip("| ") for line in said if not line.startswith("| -"))
        return f"{COMPILATION}: {whole}" if whole else lines[0]
    told = [line for line in lines if " Error" in line.partition(":")[0] and " in " not in line]
    return (told or lines or ["no reason given"])[0]


def _show_permission(connection: duckdb.DuckDBPyConnection, clocks: Clocks) -> None:
    """Leave how many subjects may be processed for what where anyone may read it."""
    from governance.permission import permission_figures

    evidence.show(
        evidence.PERMISSION,
        {"as_of": clocks.as_of, "known_at": clocks.known_at,
         **permission_figures(connection, policy())},
        past=clocks.past,
    )  # fmt: skip


def _described(
    connection: duckdb.DuckDBPyConnection,
    context: dg.AssetExecutionContext,
    event: dg.Output[None],
    clocks: Clocks,
) -> dg.Output[None]:
    key = context.asset_key_for_output(event.output_name)
    schema, name = key.path
    metadata = {
        **event.metadata,
        **provenance(clocks),
        **columns_of(connection, name),
    }
    if schema == "marts" and name in {f"{MART}{purpose}" for purpose in policy().purposes}:
        # Its subjects on that day. Elsewhere a subject has several rows, and two days' counts
        # would tell how many.
        metadata["dagster/row_count"] = connection.execute(
            f"select count(*) from {schema}.{name} where as_of = ?", [clocks.as_of]
        ).fetchall()[0][0]
    return dg.Output(None, output_name=event.output_name, metadata=metadata)
