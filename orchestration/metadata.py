"""Columns of an asset as metadata: their schema, and what each one is made from.

Belongs here: the lineage graph, the warehouse's tables and what their columns mean, in Dagster's
terms. Does not belong here: working lineage out (``governance.lineage``,
``orchestration.columns``), saying what a column means: a landed one's is said by landing, a model's
in the dbt project, and what is made from a column of the same name means the same.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import dagster as dg
import duckdb

from governance import clocks
from governance.lineage.graph import Lineage, Ref
from governance.lineage.manifest import models_of
from governance.lineage.render import class_of
from ingest.landing import TABLES as LANDED
from orchestration.columns import MEANINGS
from orchestration.manifest import LAYERS, lineage, manifest, policy
from warehouse import catalogue

MADE_FROM, NOTHING = "made from", "no column: counts rows, or is a constant"


def layer(name: str) -> str:
    """Return the Dagster group of a dbt model, from its prefix."""
    return LAYERS[name.split("_", 1)[0]]


def asset_key(relation: str) -> dg.AssetKey:
    """Return the asset of a relation of the lineage graph: a model, or ``<schema>.<table>``."""
    schema, _, table = relation.rpartition(".")
    return dg.AssetKey([schema, table] if schema else [layer(relation), relation])


def columns_of(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, Any]:
    """Return schema and lineage of a relation's columns as metadata."""
    return {
        "dagster/column_schema": column_schema(connection, relation),
        **column_lineage(relation),
    }


def column_schema(connection: duckdb.DuckDBPyConnection, relation: str) -> dg.TableSchema:
    """Return the columns of a relation with their types, meanings and classes.

    What is no table of the warehouse (a model, a published file) has the columns that lineage
    knows of, with the types of those that they carry on.
    """
    types = cache(partial(_types, connection))  # looked up once for a relation, not for a column
    names = types(relation) or lineage().relations[relation].columns
    columns = (Ref(relation, name) for name in names)
    return dg.TableSchema([_column(ref, _type(types, ref)) for ref in columns])


def declared_schema(model: str) -> dg.TableSchema:
    """Return the columns of a dbt model as the project has them, before anything has run.

    The interface takes meaning and class from here, and the type from the last run.
    """
    types = models_of(manifest())[model]["columns"]
    columns = (Ref(model, name) for name in lineage().relations[model].columns)
    return dg.TableSchema(
        [_column(ref, types.get(ref.column, {}).get("data_type") or "?") for ref in columns]
    )


def _column(column: Ref, kind: str) -> dg.TableColumn:
    found = class_of(policy(), lineage(), column)
    return dg.TableColumn(column.column, kind, description(column), tags={"class": found})


def description(column: Ref) -> str | None:
    """Return what a column means, as it is said where the column first occurs."""
    said = _said(column.relation).get(column.column)
    origin = None if said else _carried_on(lineage(), column)
    return description(origin) if origin else said


def _said(relation: str) -> dict[str, str]:
    schema, _, table = relation.rpartition(".")
    if relation == "landing.clocks":
        return {name: meaning for name, (_, meaning) in clocks.COLUMNS.items()}
    if schema == "landing":
        return {column.name: column.description for column in LANDED[table]}
    if schema:
        return MEANINGS.get(relation, {})
    columns = models_of(manifest())[relation]["columns"]
    return {name: column["description"] for name, column in columns.items()}


def _type(types: Callable[[str], dict[str, str]], column: Ref) -> str:
    found = types(column.relation).get(column.column)
    origin = None if found else _carried_on(lineage(), column)
    return _type(types, origin) if origin else (found or "").lower()


def _types(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    return catalogue.columns(connection, *asset_key(relation).path)


def _carried_on(graph: Lineage, column: Ref) -> Ref | None:
    """Return the column of the same name that a column is made from, if there is one."""
    parents = sorted(graph.upstream(*column))
    return next((parent for parent in parents if parent.column == column.column), None)


def column_lineage(relation: str) -> dict[str, Any]:
    """Return a relation's column lineage as metadata: for machines, and as a table for people.

    Dagster's own interface shows its kind of column lineage in Dagster+ alone; a table it shows
    to everybody.
    """
    columns = lineage().model_columns(relation)
    deps = {
        column: [dg.TableColumnDep(asset_key(ref.relation), ref.column) for ref in refs]
        for column, refs in columns.items()
    }
    shown = [
        dg.TableRecord({"column": column, MADE_FROM: ", ".join(map(str, refs)) or NOTHING})
        for column, refs in columns.items()
    ]
    schema = dg.TableSchema([dg.TableColumn("column"), dg.TableColumn(MADE_FROM)])
    return {
        "dagster/column_lineage": dg.TableColumnLineage(deps),
        f"columns are {MADE_FROM}": dg.TableMetadataValue(shown, schema),
    }
