"""An order of rows, and a choice of rows, that depend on values only.

Belongs here: what makes results independent of the order in which rows arrive, and of threads. Does
not belong here: anything that knows what the columns mean.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from os import cpu_count
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]
Item = TypeVar("Item")
Result = TypeVar("Result")


def canonical_order(values: Floats) -> Integers:
    """Return the indices that sort rows by their values, first column first, NaN last.

    Rows that tie are equal in every column, so it doesn't matter which comes first.

    Parameters
    ----------
    values
        Shape (rows, columns).
    """
    return np.lexsort(values.T[::-1])


def row_sample(values: Floats, rows: int, seed: int = 0) -> Integers:
    """Choose at most this many rows by a seeded hash of their values, in canonical order.

    The n-th of several equal rows hashes differently from the first, so that a crowd of equal rows
    is thinned like all others. The same subject tends to stay chosen as others come and go.

    Parameters
    ----------
    values
        Shape (all rows, columns).
    rows
        The greatest number to choose.
    seed
        Another seed, another choice.

    Returns
    -------
    indices
        Sorted so that ``values[indices]`` is in canonical order.
    """
    if len(values) <= rows:
        return canonical_order(values)
    table = pd.DataFrame(values + 0.0)  # -0.0 becomes 0.0, which hashes like its equal
    hashes = pd.util.hash_pandas_object(table, index=False).to_numpy()
    by_hash = np.argsort(hashes, kind="stable")
    numbers = _occurrence(hashes[by_hash, None]).astype(np.uint64)
    # pandas' own hash key has no effect on numbers, so seed and occurrence are hashed in.
    seeded = pd.util.hash_array(
        pd.util.hash_array(numbers + np.uint64(seed % 2**64)) ^ hashes[by_hash]
    )
    chosen = by_hash[np.argsort(seeded, kind="stable")[:rows]]
    return chosen[canonical_order(values[chosen])]


def _occurrence(ordered: npt.NDArray[Any]) -> Integers:
    """Give each row its number within the run of rows equal to it: 0, 1, 2, ..."""
    previous, following = ordered[:-1], ordered[1:]
    equal = (previous == following) | ((previous != previous) & (following != following))  # NaN
    starts = np.concatenate([[True], ~equal.all(axis=1)])
    positions = np.arange(len(ordered))
    return positions - np.maximum.accumulate(np.where(starts, positions, 0))


def distinct_rows(ordered: Floats) -> int:
    """Count the different rows of a matrix in canonical order."""
    return int((_occurrence(ordered) == 0).sum()) if len(ordered) else 0


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: sums of floats split over threads differ from run to run."""
    with _controller().limit(limits=1):
        yield


def side_by_side(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return a function's results in the order of the items, each computed on one thread."""
    with one_thread(), ThreadPoolExecutor(cpu_count()) as pool:
        return list(pool.map(function, items))
