"""Whole numbers of rows in, which of them stand and whether one stands twice out; never sorts rows.

A ledger of millions of rows mostly lies by customer and month: one pass tells so, and what would
sort or hash them is left out.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

ROOM = 4  # places that a table may have for each row: beyond, a hash takes less


def distinct_numbers(numbers: np.ndarray) -> np.ndarray:
    """The numbers that stand, from the lowest, each once; none is below 0."""
    if not len(numbers):
        return numbers.astype(np.int64)
    first = int(numbers.min())
    if int(numbers.max()) - first > ROOM * len(numbers):
        return np.unique(numbers).astype(np.int64)
    return np.flatnonzero(np.bincount(numbers - first)) + first


def pairs_of(customer: np.ndarray, month: np.ndarray) -> np.ndarray:
    """`ndarray[row]`: one number for each customer and month, by customer, then by month."""
    if not len(month):
        return np.zeros(0, dtype=np.int64)
    first = month.min()
    return np.asarray(customer * np.int64(month.max() - first + 1) + (month - first))


def is_ascending(numbers: np.ndarray) -> bool:
    """Whether each number is larger than the one before."""
    return bool((numbers[1:] > numbers[:-1]).all())


def has_twice(numbers: np.ndarray) -> bool:
    """Whether a number stands twice."""
    if is_ascending(numbers):
        return False
    lowest, highest = int(numbers.min()), int(numbers.max())
    if highest - lowest > ROOM * len(numbers) + 2**20:
        return bool(pd.Series(numbers).duplicated().any())
    stands = np.zeros(highest - lowest + 1, dtype=bool)
    stands[numbers - lowest] = True
    return int(np.count_nonzero(stands)) < len(numbers)
