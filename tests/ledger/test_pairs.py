"""What one pass over numbered rows tells, against what sorting and hashing them would."""

import numpy as np
import pandas as pd
import pytest

from nrrsim.ledger import pairs
from nrrsim.ledger.cells import distinct

IN_ORDER = ([0, 0, 1, 3], [5, 6, 5, 1])


@pytest.mark.parametrize(
    ("customer", "month", "is_so"),
    [
        (*IN_ORDER, True),
        ([], [], True),
        ([0, 0], [5, 5], False),
        ([0, 0], [6, 5], False),
        ([1, 0], [5, 6], False),
    ],
)
def test_rows_lie_in_order_if_customer_and_month_ascend(monkeypatch, customer, month, is_so):
    for rows in (1, 2, 100):
        monkeypatch.setattr(pairs, "AT_ONCE", rows)
        assert pairs.lie_in_order(np.array(customer), np.array(month)) is is_so


@pytest.mark.parametrize("highest", [10, 10**12])
def test_numbers_are_told_as_sorting_them_would(monkeypatch, highest):
    monkeypatch.setattr(pairs, "AT_ONCE", 7)
    numbers = np.random.default_rng(27).integers(0, highest, 40)
    once = np.unique(numbers)
    assert pairs.has_twice(numbers) is (len(once) < len(numbers))
    assert not pairs.has_twice(once[::-1])
    assert pairs.distinct_numbers(numbers).tolist() == once.tolist()
    assert (
        pairs.counts_of(numbers % 10, 10).tolist()
        == np.bincount(numbers % 10, minlength=10).tolist()
    )


@pytest.mark.parametrize("highest", [10, 60, 10**12])
def test_who_stands_twice_and_in_which_order_is_told_as_sorting_would(highest):
    numbers = np.random.default_rng(28).integers(-1, highest, 40)
    found, times = np.unique(numbers, return_counts=True)
    assert pairs.which_twice(numbers).tolist() == [
        bool(times[found == each][0] > 1) for each in numbers
    ]
    mixed = np.random.default_rng(29).permutation(found)
    rank = pairs.in_order(mixed)
    assert (rank is None) is (highest > 10**6), "far apart: to sort takes less"
    assert rank is None or mixed[rank].tolist() == found.tolist()
    assert pairs.in_order(np.append(mixed, mixed[:1])) is None


def test_a_customer_and_month_have_a_number_of_their_own():
    customer, month = (each.ravel() for each in np.meshgrid([-1, 0, 1, 2], [-1, 5, 7]))
    assert len(set(pairs.pairs_of(customer, month.astype(np.int16)).tolist())) == 12


def test_numbered_texts_are_distinct_in_the_order_in_which_they_appear():
    cells = pd.Series(pd.Categorical(["b", None, "c", "b"], categories=["a", "b", "c"]))
    for column in (cells, cells.astype("str")):
        codes, found = distinct(column)
        assert (codes.tolist(), found) == ([0, -1, 1, 0], ["b", "c"])
