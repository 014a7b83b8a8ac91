"""Printing: tables for people, JSON for programs.

Belongs here: how results look. Does not belong here: which results.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

json_option: Callable[[Any], Any] = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON."
)

COLOURS = {"holds": "green", "broken": "red", "gap": "red", "not judged": "yellow",
           "unenforced": "yellow"}  # fmt: skip


def print_label(*, aside: bool = False) -> None:
    """Print the label of the feeds, if they have one, before what is made from them.

    Parameters
    ----------
    aside
        Whether to print it beside the result (stderr), as where that is JSON.
    """
    from governance.evidence import label

    if said := label():
        click.secho(said, dim=True, err=aside)


def print_json(value: Any) -> None:
    """Print a value as JSON; dates and decimals as text."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; numbers to the right."""
    from rich.console import Console
    from rich.table import Table

    rows = [[_text(cell) for cell in row] for row in rows]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for i, column in enumerate(columns):
        numeric = bool(rows) and all(_numeric(row[i]) for row in rows)
        table.add_column(
            column,
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=i == 0,  # it names the row: in two pieces it couldn't be searched for
        )
    for row in rows:
        table.add_row(*(_coloured(cell) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=140)
    if title:  # before the table: as its own, it would be wrapped to the table's width
        console.print(title, style="bold", markup=False)
    console.print(table)


def _text(cell: Any) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:,.3f}".rstrip("0").rstrip(".")
    return str(cell)


def _numeric(text: str) -> bool:
    return text == "-" or text.replace(",", "").replace(".", "").lstrip("-").isdigit()


def _coloured(text: str) -> Any:
    from rich.text import Text

    return Text(text, style=COLOURS.get(text, ""))
