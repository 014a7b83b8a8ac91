"""Columns of an asset as metadata: their schema, and what each one is made from.

Belongs here: the lineage graph and the warehouse's tables in Dagster's terms. Does not belong here:
working lineage out (``governance.lineage``, ``orchestration.columns``).
"""

from typing import Any

import dagster as dg
import duckdb

from governance.lineage.graph import Lineage
from warehouse import catalogue

MADE_FROM, NOTHING = "made from", "no column: counts rows, or is a constant"
GROUPS = {"stg": "staging", "int": "consented", "mart": "marts"}


def layer(name: str) -> str:
    """Return the Dagster group of a dbt model, from its prefix."""
    return GROUPS[name.split("_", 1)[0]]


def column_lineage(graph: Lineage, relation: str) -> dict[str, Any]:
    """Return a relation's column lineage as metadata: for machines, and as a table for people.

    Dagster's own interface shows its kind of column lineage in Dagster+ alone; a table it shows
    to everybody.
    """
    columns = graph.model_columns(relation)
    lineage = {
        column: [dg.TableColumnDep(asset_key(ref.relation), ref.column) for ref in refs]
        for column, refs in columns.items()
    }
    shown = [
        dg.TableRecord({"column": column, MADE_FROM: ", ".join(map(str, refs)) or NOTHING})
        for column, refs in columns.items()
    ]
    schema = dg.TableSchema([dg.TableColumn("column"), dg.TableColumn(MADE_FROM)])
    return {
        "dagster/column_lineage": dg.TableColumnLineage(lineage),
        f"columns are {MADE_FROM}": dg.TableMetadataValue(shown, schema),
    }


def asset_key(relation: str) -> dg.AssetKey:
    """Return the asset of a relation of the lineage graph: a model, or ``<schema>.<table>``."""
    schema, _, table = relation.rpartition(".")
    return dg.AssetKey([schema, table] if schema else [layer(relation), relation])


def column_schema(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> dg.TableSchema:
    """Return the columns of a table of the warehouse, with their types."""
    found = catalogue.columns(connection, schema, table)
    return dg.TableSchema([dg.TableColumn(name, kind.lower()) for name, kind in found.items()])


def columns_of(
    connection: duckdb.DuckDBPyConnection, graph: Lineage, schema: str, table: str
) -> dict[str, Any]:
    """Return schema and lineage of a table's columns as metadata."""
    found: dict[str, Any] = {"dagster/column_schema": column_schema(connection, schema, table)}
    if f"{schema}.{table}" in graph.relations:
        found |= column_lineage(graph, f"{schema}.{table}")
    return found
