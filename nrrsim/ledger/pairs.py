"""Whole numbers of rows in, which of them stand and whether one stands twice out; never sorts rows.

A ledger of millions of rows mostly lies by customer and month: one pass tells so, and what would
sort or hash them is left out.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

AT_ONCE = 2**18  # rows
ROOM = 4  # places that a table may have for each row: beyond, a hash takes less


def distinct_numbers(numbers: np.ndarray) -> np.ndarray:
    """The numbers that stand, from the lowest, each once; none is below 0."""
    if not len(numbers):
        return numbers.astype(np.int64)
    first = int(numbers.min())
    if int(numbers.max()) - first > ROOM * len(numbers):
        return np.unique(numbers).astype(np.int64)
    return np.flatnonzero(counts_of(numbers, int(numbers.max()) + 1 - first, first)) + first


def pairs_of(customer: np.ndarray, month: np.ndarray) -> np.ndarray:
    """`ndarray[row]`: one number for each customer and month, by customer, then by month."""
    if not len(month):
        return np.zeros(0, dtype=np.int64)
    first = month.min()
    return np.asarray(customer * np.int64(month.max() - first + 1) + (month - first))


def lie_in_order(customer: np.ndarray, month: np.ndarray) -> bool:
    """Whether rows lie by customer, then by month, and no month of a customer stands twice."""
    # a part at a time: the first that does not tells of all
    for begin in range(0, len(customer), AT_ONCE):
        whose, when = (each[begin : begin + AT_ONCE + 1] for each in (customer, month))
        is_next = (whose[1:] > whose[:-1]) | ((whose[1:] == whose[:-1]) & (when[1:] > when[:-1]))
        if not is_next.all():
            return False
    return True


def counts_of(numbers: np.ndarray, size: int, first: int = 0) -> np.ndarray:
    """`ndarray[number]`: how often each of `size` numbers from the `first` on stands."""
    counts = np.zeros(size, dtype=np.int64)
    # a part at a time: numpy would make long numbers of all of them first
    for begin in range(0, len(numbers), AT_ONCE):
        count_into(counts, numbers[begin : begin + AT_ONCE], first)
    return counts


def count_into(counts: np.ndarray, numbers: np.ndarray, first: int = 0) -> None:
    """Add to the counts, of the numbers from the `first` on, how often each of these stands.

    Of rows by customer a part has few customers: no more than its own places are touched.
    """
    if len(numbers):
        lowest = int(numbers.min())
        found = np.bincount(numbers - lowest)
        counts[lowest - first : lowest - first + len(found)] += found


def has_twice(numbers: np.ndarray) -> bool:
    """Whether a number stands twice."""
    if not len(numbers):
        return False
    lowest, highest = int(numbers.min()), int(numbers.max())
    if highest - lowest > ROOM * len(numbers) + 2**20:
        return bool(pd.Series(numbers).duplicated().any())
    stands = np.zeros(highest - lowest + 1, dtype=bool)
    stands[numbers - lowest] = True
    return int(np.count_nonzero(stands)) < len(numbers)


def which_twice(numbers: np.ndarray) -> np.ndarray:
    """`ndarray[row]`: whether a row's number stands in another one, too."""
    lowest, highest = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    if highest - lowest > ROOM * len(numbers) + 2**20:
        return pd.Series(numbers).duplicated(keep=False).to_numpy(bool)
    counts = counts_of(numbers, highest - lowest + 1, lowest)
    return np.asarray((counts > 1)[numbers - lowest])


def in_order(numbers: np.ndarray) -> np.ndarray | None:
    """`ndarray`: the rows from the lowest number on; None where one stands twice, or they are far
    apart: then a sort takes less.
    """
    lowest = int(numbers.min(initial=0))
    size = int(numbers.max(initial=0)) - lowest + 1
    if size > ROOM * len(numbers) + 2**20:
        return None
    row: np.ndarray = np.full(size, -1, dtype=np.int32 if size < 2**31 else np.int64)
    row[numbers - lowest] = np.arange(len(numbers), dtype=row.dtype)
    rank = row[row >= 0]
    return rank if len(rank) == len(numbers) else None
