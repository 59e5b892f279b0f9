"""Customers in, groups that share one path out, with sums of their powers; never moves a month."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nrrsim.errors import UsageError
from nrrsim.messages import whole_of
from nrrsim.scenario.customers import Customers
from nrrsim.scenario.scenario import Scenario

MOST_ARR = 1e18  # that a book may grow to
OF_EACH_GROUP = ("segment", "anniversary", "tenure", "joins", "arr", "squares", "cubes", "number")
MULTIPLIED = (1e-4, 1e4)  # multipliers beyond are not told apart where some stand for others


def months_of(scenario: Scenario, window: tuple[int, int] | None) -> tuple[int, int]:
    """A window's first and last month; raises UsageError where the scenario does not cover it."""
    start, end = (whole_of("window", t) for t in window or (0, scenario.months))
    if not 0 <= start < end <= scenario.months:
        raise UsageError(
            f"window: ({start}, {end}) is not inside the scenario's months 0 to {scenario.months};"
            " choose a shorter window or more months"
        )
    return start, end


def tenure_year(tenure: Any, t: Any, years: Any) -> Any:
    """In which tenure year, counted from 0, a customer of that many months at month 0 is in month
    t: the last of so many `years` goes on, and a newcomer starts at 0.

    Of one customer or of an array of them: NumPy runs it, and `paths` compiles it.
    """
    whole = np.floor((tenure + t - 1) / 12 + 1e-9)  # a tenure in years times 12 may be a bit short
    return np.int64(np.minimum(np.maximum(whole, 0), years - 1))


def phase_of(t: Any, phases: Any, cycle: Any) -> Any:
    """Which of so many phases, counted from 0, month t is in: the first months are one each, and
    the last `cycle` phases go round.

    NumPy runs it, and `paths` compiles it.
    """
    before = phases - cycle
    return t - 1 if t <= phases else before + (t - 1 - before) % cycle


def common_phases(*each: tuple[int, int]) -> tuple[int, int]:
    """After how many months several go round together, and how many phases they then have; `each`:
    how many phases it has, and how many of them go round.
    """
    cycle = max(cycle for _, cycle in each)
    return cycle, cycle + max(phases - cycle for phases, cycle in each)


def refuse_endless(closing: np.ndarray) -> None:
    """Raises UsageError where a book has grown beyond what a number can hold."""
    if not (np.abs(closing) < MOST_ARR).all():
        raise UsageError(
            "the book grows beyond any number in the scenario's months; look at the rates and sizes"
            " of adoption and cross_sell, at the uplift of price, and at months"
        )


@dataclass(frozen=True, eq=False)
class Kinds:
    """Customers whose rates are alike: `ndarray[kind]`, the `segment` of each, and `multipliers`,
    `ndarray[kind, multiplier]`, by which it differs from that; sorted by segment. `of_group`:
    `ndarray[group]`, the kind of each.
    """

    segment: np.ndarray
    multipliers: np.ndarray
    of_group: np.ndarray


def segments_of(kinds: Kinds | None, segments: int) -> np.ndarray:
    """`int64[kind]`: the segment of each kind; of each segment itself, where nobody differs."""
    return np.arange(segments) if kinds is None else kinds.segment


@dataclass(frozen=True)
class Groups:
    """Customers who share one path: `ndarray[group]`, sorted by segment. `arr`, `squares`, `cubes`:
    sums of powers. `of_customer`: `ndarray[customer]`, the group of each. `multipliers`:
    `ndarray[group, multiplier]`, None where nobody differs from its segment.
    """

    segment: np.ndarray
    anniversary: np.ndarray
    tenure: np.ndarray
    joins: np.ndarray
    arr: np.ndarray
    squares: np.ndarray
    cubes: np.ndarray
    number: np.ndarray
    of_customer: np.ndarray
    multipliers: np.ndarray | None = None

    @classmethod
    def of(
        cls, customers: Customers, by_tenure: bool, multipliers: np.ndarray | None = None
    ) -> Groups:
        """`multipliers`: by what each customer differs from its segment, `ndarray[customer,
        multiplier]`.
        """
        if multipliers is not None:
            return cls._of(customers, by_tenure, multipliers)
        kept: dict[tuple[type, bool], Groups] = customers.kept
        if (cls, by_tenure) not in kept:
            kept[cls, by_tenure] = cls._of(customers, by_tenure)
        return kept[cls, by_tenure]

    @cached_property
    def kinds(self) -> Kinds | None:
        """Which groups have the same rates; None where these are their segment's."""
        if self.multipliers is None:
            return None
        rows = np.column_stack([self.segment, self.multipliers])
        alike, of_group = np.unique(rows, axis=0, return_inverse=True)
        return Kinds(alike[:, 0].astype(np.int64), alike[:, 1:], of_group.ravel())

    @property
    def kind(self) -> np.ndarray:
        """The kind of each group, which is its segment where nobody differs."""
        return self.segment if self.kinds is None else self.kinds.of_group

    def apart(self, most: int) -> Iterator[Groups]:
        """So many groups at a time, where they have rates of their own; else all of them."""
        return iter([self]) if self.multipliers is None else self.blocks(max(most, 1))

    def blocks(self, most: int) -> Iterator[Groups]:
        """So many groups at a time at most; all of them where there are no more."""
        number = len(self.arr)
        for first in range(0, number, most) if number > most else ():
            here = slice(first, first + most)
            some = {name: getattr(self, name)[here] for name in OF_EACH_GROUP}
            multipliers = None if self.multipliers is None else self.multipliers[here]
            yield replace(self, **some, multipliers=multipliers)
        if number <= most:
            yield self

    @classmethod
    def _of(
        cls, customers: Customers, by_tenure: bool, multipliers: np.ndarray | None = None
    ) -> Groups:
        tenures, tenure = np.unique(
            customers.tenure if by_tenure else np.zeros(1), return_inverse=True
        )
        latest = int(customers.joins.max(initial=0)) + 1
        key = (customers.segment * 12 + customers.anniversary - 1) * len(tenures) + tenure
        key = key * latest + customers.joins
        levels, level = np.zeros((1, 0)), np.zeros(1, np.int64)
        if multipliers is not None:
            levels, level = np.unique(multipliers, axis=0, return_inverse=True)
        kinds, group = np.unique(key * len(levels) + level, return_inverse=True)
        kind, level = np.divmod(kinds, len(levels))
        kind, joins = np.divmod(kind, latest)
        kind, tenure = np.divmod(kind, len(tenures))
        arr, squares, cubes, number = (
            np.bincount(group, weights, len(kinds))
            for weights in (customers.arr, customers.arr**2, customers.arr**3, None)
        )
        return cls(
            segment=kind // 12,
            anniversary=kind % 12 + 1,
            tenure=tenures[tenure],
            joins=joins,
            arr=arr,
            squares=squares,
            cubes=cubes,
            number=number,
            of_customer=group,
            multipliers=None if multipliers is None else levels[level],
        )


def coarser(
    customers: Customers, by_tenure: bool, multipliers: np.ndarray | None, most: int
) -> Groups:
    """As `Groups.of`, of so many groups at most where that can be: customers who share a path but
    for their multipliers get the mean of those near them, weighted by ARR.

    What is lost is of the second order of how near they are: what a book is expected to close at is
    linear in multipliers but for that.
    """
    found = Groups.of(customers, by_tenure, multipliers)
    if multipliers is None or len(found.arr) <= most:
        return found
    with np.errstate(divide="ignore"):
        at = np.log(np.clip(multipliers, *MULTIPLIED))
    # whose path is the same, and who never has an event, or has it for certain
    apart = np.column_stack([Groups.of(customers, by_tenure).of_customer, at])
    apart[:, 1:] = np.where((multipliers == 0) | np.isinf(multipliers), at, 0.0)
    cell = np.unique(apart, axis=0, return_inverse=True)[1].ravel()
    while True:
        arr = np.bincount(cell, customers.arr)

        def mean(values: np.ndarray, cell: np.ndarray = cell, arr: np.ndarray = arr) -> np.ndarray:
            return np.column_stack(
                [np.bincount(cell, customers.arr * each) / arr for each in values.T]
            )

        # each is cut in two at its mean, where it is widest
        middle = mean(at)
        widest = mean((at - middle[cell]) ** 2).argmax(axis=1)[cell, None]
        above = np.take_along_axis(at - middle[cell], widest, axis=1)[:, 0] > 0
        finer = np.unique(2 * cell + above, return_inverse=True)[1]
        if finer.max() >= most or finer.max() == cell.max():
            return Groups.of(customers, by_tenure, mean(multipliers)[cell])
        cell = finer
