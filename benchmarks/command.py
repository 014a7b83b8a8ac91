"""The command line that the benchmarks share.

Belongs here: which sizes are asked for, and a folder, and the table so far, for each of them. Does
not belong here: what is measured, what a table looks like.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks.folder import measuring_in
from warehouse.home import PROJECT

Row = TypeVar("Row")
Tell = Callable[[int], None]  # see ``measuring_in``


def for_each_size(
    about: str,
    names: Sequence[str],
    rows_of: Callable[[str, Path, Tell], Sequence[Row]],
    table: Callable[[Sequence[Row]], str],
    given: Sequence[str] | None = None,
) -> None:
    """Measure the sizes that are asked for, one after the other; print the table after each.

    Parameters
    ----------
    about
        What the benchmark measures, for its help.
    names
        The sizes that there are; all of them are measured where none is asked for.
    rows_of
        Measures one size, in a folder of its own.
    table
        Makes text of the rows so far.
    given
        The arguments; by default those of the process.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("sizes", nargs="*", metavar="SIZE", help=f"Of {', '.join(names)}.")
    parser.add_argument("--keep", type=Path, help="Folder to keep feeds and state in.")
    asked = parser.parse_args(given)
    # Not by ``choices``: Python 3.11 then refuses that none is asked for.
    if unknown := [size for size in asked.sizes if size not in names]:
        parser.error(f"there is no size {', '.join(unknown)}: choose from {', '.join(names)}")
    rows: list[Row] = []
    os.chdir(PROJECT)
    with measuring_in(asked.keep and asked.keep.absolute()) as (base, tell):
        for name in asked.sizes or names:
            folder = base / name
            folder.mkdir(parents=True, exist_ok=True)
            rows += rows_of(name, folder, tell)
            print(table(rows), flush=True)
