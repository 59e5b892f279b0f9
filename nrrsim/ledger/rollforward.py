"""A checked ledger's entries in, customers' movements and their roll-forward out; never a ratio.

A row is one customer in one month. Between two of them stands at most one net movement, booked
under the words of MOVEMENTS: what rose is price, cross-sell or adoption where the ledger says so,
else it is not split.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nrrsim.errors import UsageError, did_you_mean
from nrrsim.ledger.cells import numbers_of
from nrrsim.ledger.pairs import counts_of
from nrrsim.months import month_name
from nrrsim.movements import MOVEMENTS, Movements
from nrrsim.sizebands import SIZE, By, SizeBands

if TYPE_CHECKING:
    from nrrsim.ledger.ledger import Ledger

COHORT_BY = {"cohort_year": 12, "cohort_quarter": 3, "cohort_month": 1}
EMPTY = "(empty)"
CLOSING = ("closing", "retained", "stayed", "stayed_retained", "customers", "stayed_customers")
MONTHS_APART = 100_000  # more months than there can be: customer x this + month is one number
# A unit's price and its ARR are rounded apart, by less; intervals are a month in twelve apart.
SAME_INTERVAL = 0.02
MOVEMENT_NUMBER = {name: number for number, name in enumerate(MOVEMENTS)}
BOOKED = {
    name: MOVEMENT_NUMBER[name]
    for name in (
        *("new", "reactivation", "price", "cross_sell", "adoption", "unsplit", "contraction"),
        "churn",
    )
}  # the order in which those of one month stand
AT_ONCE = 2**16  # rows
MOST_MONTHS = 18  # whose amounts are kept by customer: a window's, and a few that come next


@dataclass(frozen=True)
class Kept:
    """What became of the customers of a month, by customer: `ndarray[customer]` each.

    customer, segment : their numbers, both in the order of names. since : the month number of the
        first revenue. opening, closing : ARR in that month, and later (0: gone).
    """

    customer: np.ndarray
    segment: np.ndarray
    since: np.ndarray
    opening: np.ndarray
    closing: np.ndarray


@dataclass(frozen=True)
class CustomerMonths:
    """Customer-months and the movements between them, in one currency, by customer and month.

    `customer`, `month`, `arr`, `entry` (its largest line's): `ndarray[row]`. `event_*`: one for
    each movement of a customer in a month, sorted by month. `customers`: names by customer number.
    `rate_month` and `as_of` are those that it was made `of`.
    """

    ledger: Ledger
    rate_month: int | None
    as_of: int | None
    customers: np.ndarray
    customer: np.ndarray
    month: np.ndarray
    arr: np.ndarray
    entry: np.ndarray
    event_customer: np.ndarray
    event_month: np.ndarray
    event_kind: np.ndarray
    event_arr: np.ndarray
    _labels: dict[By, tuple[np.ndarray, list[str]]] = field(default_factory=dict, repr=False)
    _by_customer: dict[int, np.ndarray] = field(default_factory=dict, repr=False)
    _of_month: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        ledger: Ledger,
        rate_month: int | None,
        as_of: int | None,
        part: np.ndarray | None = None,
    ) -> CustomerMonths:
        """The ledger's entries as customer-months, with the movements between them.

        rate_month : whose rates convert all amounts; None: each month's own. as_of : nothing after
            it is known, which tells what is a late renewal; None: all is. part : `ndarray[entry]`,
            the number of the part of a customer that is looked at as one of its own; None: each is
            whole.
        """
        frame, step = ledger.entries.frame, ledger.step
        arr = ledger.converted(rate_month)
        names = np.asarray(frame["customer"].cat.categories)
        whole = numbers_of(frame["customer"]).astype(np.int32, copy=False)
        month = frame["month"].to_numpy(np.int32)
        heads = _heads(whole)  # entries stand by customer and month
        begun = np.zeros(len(names), dtype=np.int32)
        begun[whole[heads]] = month[heads]
        keep = np.arange(len(frame), dtype=np.int32)
        if as_of is not None and not (known := month <= as_of).all():
            keep, month = keep[known], month[known]
        if ledger.grace_months:
            again, month = _paid_on(whole[keep], month, step, ledger.grace_months)
            keep = keep[again]

        codes = whole
        if part is not None:
            codes, owner = part, np.zeros(int(part.max(initial=-1)) + 1, dtype=np.int64)
            owner[part] = whole
            names, begun = names[owner], begun[owner]
            order = np.lexsort((month, part[keep]))
            keep, month = keep[order], month[order]
        if len(keep) < len(arr) or part is not None or ledger.grace_months:
            codes, arr = codes[keep], arr[keep]

        # one row a customer and month, whatever lines it has
        begins = _begins(codes, month)
        is_one_line = bool(begins.all())
        # of entries as they stand their numbers are their places, too
        as_they_stand = part is None and not ledger.grace_months and len(keep) == len(frame)
        first = keep if is_one_line and as_they_stand else np.flatnonzero(begins)
        why = _reasons(ledger, keep, codes, month, arr, first)
        customer, amount, entry = codes, arr, keep
        if not is_one_line:
            customer, month = codes[first], month[first]
            amount, entry = np.add.reduceat(arr, first), keep[_largest(arr, first)]

        last = as_of or ledger.entries.months[-1]
        events = _events(customer, month, amount, why, begun, step, last)
        return cls(ledger, rate_month, as_of, names, customer, month, amount, entry, *events)

    @cached_property
    def _by_month(self) -> tuple[np.ndarray, np.ndarray, int]:
        """The rows by month, where each month begins among them, and the first month."""
        first = int(self.month.min(initial=0)) if len(self.month) else 0
        since = (self.month - first).astype(np.uint16)  # short numbers sort in one pass
        begins = np.append(0, np.cumsum(counts_of(since, int(since.max(initial=0)) + 1)))
        return np.argsort(since, kind="stable").astype(np.int32), begins, first

    def rows_of(self, month: int) -> np.ndarray:
        """The numbers of the rows of one month, by customer."""
        if "_by_month" not in self.__dict__ and len(self._of_month) < MOST_MONTHS:
            # a window needs few months: to look for each takes less than to sort all rows
            if month not in self._of_month:
                self._of_month[month] = np.flatnonzero(self.month == month)
            return self._of_month[month]
        order, begins, first = self._by_month
        at = np.clip([month - first, month - first + 1], 0, len(begins) - 1)
        return order[begins[at[0]] : begins[at[1]]]

    @cached_property
    def _first_rows(self) -> np.ndarray:
        """The number of each customer's first row."""
        return _heads(self.customer)

    def labels(self, by: By) -> tuple[np.ndarray, list[str]]:
        """`ndarray[row]` of label numbers, and the labels; of several lines, the largest's.

        A size band is of all that a customer has in the row's month.
        """
        if by not in self._labels:
            if isinstance(by, SizeBands):
                is_mrr = self.ledger.entries.unit == "mrr"
                numbers = by.numbers(self.arr, self.ledger.currency, is_mrr)
                self._labels[by] = numbers, by.names
            elif by in COHORT_BY:
                self._labels[by] = self._first_revenue(by)
            else:
                codes, labels = self._of_lines(by)
                self._labels[by] = codes[self.entry], labels
        return self._labels[by]

    def _of_lines(self, by: str) -> tuple[np.ndarray, list[str]]:
        """`ndarray[entry]` of label numbers, and the labels, of a column."""
        frame = self.ledger.entries.frame
        if by not in self.ledger.columns:
            known = [*self.ledger.columns, *([SIZE] if self.ledger.reading.bands else [])]
            raise UsageError(f"by: the ledger has no column {by}; {did_you_mean(by, known)}")
        codes, names = numbers_of(frame[by]), [*frame[by].cat.categories, EMPTY]
        if EMPTY in names[:-1]:  # written so, a cell is empty, too: one label, as in a warehouse
            codes = np.where(codes == names.index(EMPTY), -1, codes)
        stands = np.zeros(len(names), dtype=bool)
        stands[codes] = True  # an empty cell is -1, the last
        number = np.cumsum(stands) - 1
        codes = codes if stands[:-1].all() and not stands[-1] else number[codes]
        return codes, [name for name, is_there in zip(names, stands, strict=True) if is_there]

    def apart(self, start: int, end: int, by: By) -> int:
        """How many customers of the closed cohort have lines under several labels at its start."""
        several, _ = self._of_several(start, end, by, closed=True)
        return int(several.sum())

    def _of_several(
        self, start: int, end: int, by: By, closed: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """`ndarray[customer]`: whether its lines have several labels where it is looked at from.

        With the numbers of the entries that it is told by.
        """
        # a customer has one segment a month (check_rows), one first month, and one amount
        if isinstance(by, SizeBands) or by == "segment" or by in COHORT_BY:
            return np.zeros(len(self.customers), dtype=bool), np.zeros(0, dtype=np.int64)
        label, labels = self._of_lines(by)
        frame = self.ledger.entries.frame
        customer = frame["customer"].cat.codes.to_numpy(np.int64)
        month = frame["month"].to_numpy()

        # a late renewal's row stands for the lines that it repeats: those of its entry's month
        firsts = self._firsts(start, end, closed)
        base = np.full(len(self.customers), -1)
        base[self.customer[firsts]] = month[self.entry[firsts]]
        there = np.flatnonzero(month == base[customer])
        lowest, highest = np.full(len(base), len(labels)), np.full(len(base), -1)
        np.minimum.at(lowest, customer[there], label[there])
        np.maximum.at(highest, customer[there], label[there])
        return lowest < highest, there

    def _apart(self, start: int, end: int, by: By, closed: bool) -> CustomerMonths:
        """The same with each customer that has several labels as a part for each of them.

        The labels are those of its lines in the month that it is looked at from. A part is those of
        its lines with that label; what the customer has under another label at any other time goes
        to its largest part (of equal ones the first by name). Itself where nobody is apart.
        """
        several, there = self._of_several(start, end, by, closed)
        if isinstance(by, SizeBands) or not several.any():
            return self
        label, labels = self._of_lines(by)
        customer = self.ledger.entries.frame["customer"].cat.codes.to_numpy(np.int64)
        keys, number = self._parts(several, there, label, len(labels))
        part = np.where(several[customer], len(several) + number, customer)
        # who is whole keeps its number among those that are left
        kept, part = np.unique(part, return_inverse=True)
        parted = CustomerMonths.of(self.ledger, self.rate_month, self.as_of, part)
        own = np.where(
            kept < len(several), -1, keys[np.maximum(kept - len(several), 0)] % len(labels)
        )
        own = own[parted.customer]
        codes = np.where(own < 0, label[parted.entry], own)
        parted._labels[by] = codes, labels
        return parted

    def _parts(
        self, several: np.ndarray, there: np.ndarray, label: np.ndarray, labels: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The parts of those customers that are apart, and `ndarray[entry]` of which each is.

        A part is its customer's number times `labels`, and its label's. What is said of entries of
        customers that are not apart is not to be used.
        """
        customer = self.ledger.entries.frame["customer"].cat.codes.to_numpy(np.int64)
        # the parts of those customers, by customer and label, and the largest of each
        of_several = there[several[customer[there]]]
        keys, part_of = np.unique(
            customer[of_several] * labels + label[of_several], return_inverse=True
        )
        amount = np.bincount(part_of, self.ledger.converted(self.rate_month)[of_several])
        owner, at = keys // labels, np.lexsort((-amount, keys // labels))
        largest = np.zeros(len(several), dtype=np.int64)
        largest[owner[at][::-1]] = at[::-1]

        key = customer * labels + label
        found = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        return keys, np.where(keys[found] == key, found, largest[customer])

    def cut(self, start: int, end: int, by: str) -> tuple[np.ndarray, list[str]]:
        """`ndarray[entry]` of label numbers, and the labels: the ledger as parts that add up to it.

        It is cut as `roll` splits the whole book. A customer is, with all its months, of the label
        that it has at `start`, or who comes later in its first month up to `end`; with lines of
        several labels then, as `_apart` says. Who has nothing in that time is of the label that it
        had last, or of the first one after.
        """
        label, labels = self._of_lines(by)
        customer = self.ledger.entries.frame["customer"].cat.codes.to_numpy(np.int64)
        own = self._label_of_customers(self.labels(by)[0], start, end, closed=False)
        own = np.where(own < 0, self._labels_outside(label, start), own)
        codes = own[customer]
        several, there = self._of_several(start, end, by, closed=False)
        if several.any():
            keys, number = self._parts(several, there, label, len(labels))
            codes = np.where(several[customer], keys[number] % len(labels), codes)
        return codes, labels

    def _labels_outside(self, label: np.ndarray, start: int) -> np.ndarray:
        """`ndarray[customer]`: the label of the largest line of its last month before `start`, or
        without one of its first month.
        """
        frame = self.ledger.entries.frame
        customer, month = (
            frame["customer"].cat.codes.to_numpy(np.int64),
            frame["month"].to_numpy(np.int64),
        )
        far = np.where(month < start, start - month, MONTHS_APART + month)
        order = np.lexsort((-self.ledger.converted(self.rate_month), far, customer))
        first = order[_heads(customer[order])]
        found = np.zeros(len(self.customers), dtype=np.int64)
        found[customer[first]] = label[first]
        return found

    def _first_revenue(self, by: str) -> tuple[np.ndarray, list[str]]:
        begin = self._first_rows
        since = np.repeat(self.month[begin], np.diff(np.append(begin, len(self.month))))
        earliest = self.ledger.entries.months[0]
        calendar, unit = self.ledger.calendar, COHORT_BY[by]
        # Who is there in the first month came then or earlier: a cohort of its own, before all.
        before = calendar.unit_of(earliest, unit) - 1
        known = np.where(since == earliest, before, calendar.unit_of(since, unit))
        codes, numbers = pd.factorize(known, sort=True)
        names = [
            f"until {month_name(earliest)}"
            if number == before
            else calendar.name(int(number), unit)
            for number in numbers
        ]
        return codes, names

    def ages(self, end: int, by: By, partial: bool = False) -> pd.DataFrame:
        """What became of each label's customers with age, as known at `end`; see `Ledger.ages`."""
        step = self.ledger.step
        codes, labels = self.labels(by)
        begin = self._first_rows
        heads = np.zeros(len(self.customer), dtype=bool)
        heads[begin] = True
        head_of_row = begin[np.cumsum(heads) - 1]
        age = (self.month - self.month[head_of_row]) // step
        known = self.month <= end
        code, first = codes.astype(np.int64)[head_of_row], self.arr[head_of_row]

        width = (end - int(self.month.min())) // step + 1
        cell = (code * width + age)[known]

        def by_age(weights: np.ndarray | None = None) -> np.ndarray:
            """`ndarray[label, age]`: sums of what is known of the rows, or how many they are."""
            sums = np.bincount(cell, weights, minlength=len(labels) * width)
            return sums.reshape(len(labels), width)

        table = {
            "customers": by_age(),
            "amount": by_age(self.arr[known]),
            "retained": by_age(np.minimum(self.arr, first)[known]),
        }

        # of its customers a label counts at an age those who are as old, and all at an age that
        # the youngest has reached
        starters = np.flatnonzero(heads & known)
        oldest = (end - self.month[starters]) // step  # what each can be by now, gone or not

        def as_old(weights: np.ndarray | None = None) -> np.ndarray:
            """`ndarray[label, age]`: sums of those who start, or how many they are."""
            last = np.bincount(code[starters] * width + oldest, weights, len(labels) * width)
            return last.reshape(len(labels), width)[:, ::-1].cumsum(axis=1)[:, ::-1]

        there, opening = as_old(), as_old(first[starters])
        at_end = known & (self.month == end)
        now = np.bincount(code[at_end], self.arr[at_end], minlength=len(labels))
        complete = (there > 0) & (there == there[:, :1])
        row, column = np.nonzero(there > 0 if partial else complete)
        frame = {
            "cohort": np.array(labels, dtype=object)[row],
            "age": column,
            "months": column * step,
            "opening": opening[row, column],
        }
        frame |= {name: values[row, column] for name, values in table.items()}
        if partial:
            frame |= {"complete": complete[row, column], "now": now[row]}
        return pd.DataFrame(frame)

    def of_window(self, start: int, end: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """What the roll-forward from `start` to `end` is made of; see `Ledger.by_customer`."""
        inside = np.flatnonzero((self.month >= start) & (self.month <= end))
        months = np.arange(start, end + 1, self.ledger.step)
        amounts = np.zeros((len(self.customers), len(months)))
        amounts[self.customer[inside], (self.month[inside] - start) // self.ledger.step] = self.arr[
            inside
        ]

        firsts = self._firsts(start, end, closed=False)
        codes, labels = self.labels("segment")
        heads = self._first_rows
        since = np.zeros(len(self.customers), dtype=np.int64)
        since[self.customer[heads]] = self.month[heads]
        there = self.customer[firsts]
        wide = pd.DataFrame(
            amounts[there],
            index=pd.Index(self.customers[there], name="customer"),
            columns=[month_name(int(month)) for month in months],
        )
        wide.insert(0, "since", [month_name(int(month)) for month in since[there]])
        wide.insert(0, "segment", np.array(labels, dtype=object)[codes[firsts]])

        begin, stop = self._events_in(start, end)
        moved = pd.DataFrame(
            {
                "customer": self.customers[self.event_customer[begin:stop]],
                "month": [month_name(int(month)) for month in self.event_month[begin:stop]],
                "movement": np.array(MOVEMENTS, dtype=object)[self.event_kind[begin:stop]],
                "arr": self.event_arr[begin:stop],
            }
        )
        return wide, moved

    def moved(self, movement: str, start: int, end: int) -> float:
        """What a movement of all customers comes to after `start` until `end`."""
        begin, stop = self._events_in(start, end)
        is_it = self.event_kind[begin:stop] == MOVEMENT_NUMBER[movement]
        return float(self.event_arr[begin:stop][is_it].sum())

    def _events_in(self, start: int, end: int) -> tuple[int, int]:
        """Where the movements after `start` until `end` begin among all of them, and stop."""
        months = np.array([start + 1, end + 1], dtype=self.event_month.dtype)
        begin, stop = np.searchsorted(self.event_month, months).tolist()
        return begin, stop

    def kept(self, start: int, end: int) -> Kept:
        """What became of each customer of `start`; see `Ledger.kept`."""
        rows, later = self.rows_of(start), self.rows_of(end)
        heads = self._first_rows
        since, closing = np.zeros(len(self.customers), np.int64), np.zeros(len(self.customers))
        since[self.customer[heads]] = self.month[heads]
        closing[self.customer[later]] = self.arr[later]
        customer = self.customer[rows].astype(np.int64)
        segment = self.labels("segment")[0][rows].astype(np.int64)
        return Kept(customer, segment, since[customer], self.arr[rows], closing[customer])

    def roll(self, start: int, end: int, by: By, closed: bool) -> Movements:
        """The roll-forward from `start` to `end` of those alive at `start` (closed), or of all."""
        return self._apart(start, end, by, closed)._rolled(start, end, by, closed)

    def _rolled(self, start: int, end: int, by: By, closed: bool) -> Movements:
        codes, labels = self.labels(by)
        label = self._label_of_customers(codes, start, end, closed)
        months = np.arange(start, end + 1, self.ledger.step)

        levels = self._levels(label, len(labels), months)
        arrays = {name: values[:, 1:] for name, values in levels.items()}
        arrays |= {
            "opening": levels["closing"][:, :-1],
            "opening_customers": levels["customers"][:, :-1],
        }
        arrays |= self._flows(label, len(labels), months)
        names = [month_name(int(month)) for month in months[1:]]
        return Movements.of(
            arrays, segments=labels, months=names, start=month_name(start), closed=closed
        )

    def _label_of_customers(
        self, codes: np.ndarray, start: int, end: int, closed: bool
    ) -> np.ndarray:
        """`ndarray[customer]`: the label's number that each keeps throughout, -1: it is not in."""
        firsts = self._firsts(start, end, closed)
        label = np.full(len(self.customers), -1)
        label[self.customer[firsts]] = codes[firsts]
        return label

    def _firsts(self, start: int, end: int, closed: bool) -> np.ndarray:
        """The row that each customer is looked at from: its first of the time, or of `start`."""
        if closed:
            return self.rows_of(start)
        # rows stand by customer and month: those inside are in one piece
        inside = (self.month >= start) & (self.month <= end)
        goes_on = inside[:-1] & (self.customer[1:] == self.customer[:-1])
        return np.flatnonzero(inside & ~np.append(False, goes_on))

    def _levels(self, label: np.ndarray, labels: int, months: np.ndarray) -> dict[str, np.ndarray]:
        """What there is at the end of each month, by label: `ndarray[label, month]` each."""
        inside = np.flatnonzero(label >= 0)
        of = label[inside]
        base = self._amounts(int(months[0]))[inside]
        stays = base > 0
        levels = {name: np.zeros((labels, len(months))) for name in CLOSING}
        for column, month in enumerate(months):
            amount = self._amounts(int(month))[inside]
            is_there = amount > 0
            stays &= is_there  # who has been at 0 does not count as stayed ever after
            capped = np.minimum(amount, base)
            measured = (amount, capped, amount * stays, capped * stays, is_there, stays)
            for name, weights in zip(CLOSING, measured, strict=True):
                levels[name][:, column] = np.bincount(of, weights, minlength=labels)
        return levels

    def _amounts(self, month: int) -> np.ndarray:
        """`ndarray[customer]`: what each has in a month, 0 who has nothing."""
        if month not in self._by_customer:
            rows = self.rows_of(month)
            amounts = np.zeros(len(self.customers))
            amounts[self.customer[rows]] = self.arr[rows]
            if len(self._by_customer) == MOST_MONTHS:
                del self._by_customer[next(iter(self._by_customer))]  # the oldest
            self._by_customer[month] = amounts
        return self._by_customer[month]

    def _flows(self, label: np.ndarray, labels: int, months: np.ndarray) -> dict[str, np.ndarray]:
        """Each movement between two months, summed by label: `ndarray[label, month]` each."""
        start, end = int(months[0]), int(months[-1])
        shape = (len(MOVEMENT_NUMBER), labels + 1, len(months) - 1)
        begin, stop = self._events_in(start, end)
        # who is not in goes to one label more, which is left out
        row = np.where(label < 0, labels, label)[self.event_customer[begin:stop]]
        column = (self.event_month[begin:stop] - start) // self.ledger.step - 1
        cell = (self.event_kind[begin:stop] * np.int64(shape[1]) + row) * shape[2] + column
        sums = np.bincount(cell, self.event_arr[begin:stop], minlength=math.prod(shape))
        by_kind = sums.reshape(shape)[:, :-1]
        return {name: by_kind[number] for name, number in MOVEMENT_NUMBER.items()}


def _events(
    customer: np.ndarray,
    month: np.ndarray,
    arr: np.ndarray,
    why: Mapping[str, np.ndarray],
    begun: np.ndarray,
    step: int,
    last: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every movement of every customer: customer, month, kind and amount, sorted by month.

    `begun`: the first month of the (whole) customer, `ndarray[customer]`. Some customers at a time:
    what is told of a million rows then stays near the processor.
    """
    heads = _heads(customer)
    some = heads[:: max(1, AT_ONCE * len(heads) // max(1, len(customer)))].tolist()
    found = []
    for rows in map(slice, some, [*some[1:], len(customer)]):
        reasons = {name: values[rows] for name, values in why.items()}
        whose = begun[customer[rows]]
        found.append(_booked(customer[rows], month[rows], arr[rows], reasons, whose, step, last))
    # a kind after the other, and each sorted by month
    parts = [part for kind in zip(*found, strict=True) for part in kind]
    if not parts:
        return customer, month, np.zeros(0, dtype=np.int8), arr
    who, when, amount = (np.concatenate(each) for each in zip(*parts, strict=True))
    sizes = [sum(len(who) for who, *_ in kind) for kind in zip(*found, strict=True)]
    kind = np.repeat(np.array([*BOOKED.values()], dtype=np.int8), sizes)
    order = np.argsort((when - when.min(initial=0)).astype(np.uint16), kind="stable")
    return who[order], when[order], kind[order], amount[order]


def _booked(
    customer: np.ndarray,
    month: np.ndarray,
    arr: np.ndarray,
    why: Mapping[str, np.ndarray],
    begun: np.ndarray,
    step: int,
    last: int,
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The amounts that are not 0, by BOOKED's kinds: customer, month and amount of each.

    Line by line it is the table of `movements`, of each customer-month against the same
    customer's row before it. Who is alive in the last month is alive, not churned. `begun`: the
    first month of the (whole) customer, `ndarray[row]`.
    """
    is_first, came_back, stayed, leaves = _neighbours(customer, month, begun, step, last)
    before = np.append(0.0, arr[:-1])

    change = np.where(stayed, arr - before, 0.0)
    price = np.where(stayed, why["price"], 0.0)
    # quantity x unit price and the amount are rounded apart: a billionth of it is no movement
    rest = np.where(np.abs(change - price) > 1e-9 * np.maximum(arr, before), change - price, 0.0)
    price = np.where((rest == 0) & (price > 0), change, price)
    rise, fall = np.maximum(rest, 0.0), np.maximum(-rest, 0.0)
    cross_sell = np.minimum(rise, why["cross_sell"])
    remainder = rise - cross_sell
    booked = {
        "new": np.where(is_first, arr, 0.0),
        "reactivation": np.where(came_back, arr, 0.0),
        "price": price,
        "cross_sell": cross_sell,
        "adoption": np.where(why["explained"], remainder, 0.0),
        "unsplit": np.where(why["explained"], 0.0, remainder),
        "contraction": fall,
        "churn": np.where(leaves, arr, 0.0),
    }
    # churn is booked in the step after the last row: that is the first without the customer
    rows = {name: np.flatnonzero(booked[name]) for name in BOOKED}
    return [
        (customer[at], month[at] + step * (name == "churn"), booked[name][at])
        for name, at in rows.items()
    ]


def _neighbours(
    customer: np.ndarray, month: np.ndarray, begun: np.ndarray, step: int, last: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What a row is to the same customer's rows beside it, `ndarray[row]` of bool each.

    It is the customer's first; it comes after a gap (a part of a customer also after the first of
    the whole); it follows at the next step; no row follows it at the next step, and there is such a
    step. Rows are sorted by customer and month.
    """
    same = np.append(False, customer[1:] == customer[:-1])
    gap = np.where(same, month - np.append(0, month[:-1]), 0)
    ends = np.append(~same[1:] | (gap[1:] > step), True)
    is_first = ~same & (month == begun)
    came_back = np.where(same, gap > step, month > begun)
    return is_first, came_back, same & (gap == step), ends & (month < last)


def _heads(customer: np.ndarray) -> np.ndarray:
    """The number of each customer's first row; rows sorted by customer."""
    return np.flatnonzero(np.append(customer[:1] >= 0, customer[1:] != customer[:-1]))


def _begins(customer: np.ndarray, month: np.ndarray) -> np.ndarray:
    """`ndarray[row]`: whether a row is the first of its customer and month; rows sorted by both."""
    is_new = (customer[1:] != customer[:-1]) | (month[1:] != month[:-1])
    return np.append(customer[:1] >= 0, is_new)


def _paid_on(
    customer: np.ndarray, month: np.ndarray, step: int, grace: int
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers and months with late renewals laid out as if the customer had paid on.

    Each row of a customer's last month before a gap that is late, and no more, stands once more for
    every step of the gap: nothing moved meanwhile. Rows, and what is returned, are by customer and
    month; a customer has several rows in a month where it has several lines.
    """
    first = np.flatnonzero(_begins(customer, month))
    size = np.diff(np.append(first, len(month)))
    missing = np.diff(month[first], append=0) // step - 1
    goes_on = np.append(customer[first][1:] == customer[first][:-1], False)
    late = np.where(goes_on & (missing * step <= grace), np.maximum(missing, 0), 0)

    # each customer-month, as often as it stands; and of each, its rows
    group = np.repeat(np.arange(len(first)), late + 1)
    nth = np.arange(len(group)) - np.repeat(np.cumsum(late + 1) - late - 1, late + 1)
    rows = size[group]
    within = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows, rows)
    again = np.repeat(first[group], rows) + within
    return again, month[again] + np.repeat(nth, rows) * step


def _largest(amount: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The number of the largest in each run that begins at `first`; of equal ones the first."""
    if len(first) == 0:
        return first
    run = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(amount))))
    is_largest = np.flatnonzero(amount == np.maximum.reduceat(amount, first)[run])
    largest: np.ndarray = is_largest[np.diff(run[is_largest], prepend=-1) != 0]
    return largest


def _reasons(
    ledger: Ledger,
    entry: np.ndarray,
    codes: np.ndarray,
    month: np.ndarray,
    arr: np.ndarray,
    first: np.ndarray,
) -> dict[str, np.ndarray]:
    """Why a customer's amount rose, where the ledger says so: `ndarray[customer-month]` of

    `price`: q(t) (p(t) - p(t-1)) of the lines that it held before, where positive; `cross_sell`:
    amount of products never held before; `explained`: 1 where quantity and price are known now and
    before, so that the rest is adoption. `entry`, `codes`, `month`, `arr`: the ledger's entries by
    customer (`codes`) and month, of which a customer-month begins at each `first`.
    """
    zero = np.broadcast_to(0.0, len(first))
    reasons = {"price": zero, "cross_sell": zero, "explained": np.broadcast_to(False, len(first))}
    frame = ledger.entries.frame
    if len(first) == 0:
        return reasons

    if "product" in frame:
        product = frame["product"].cat.codes.to_numpy(np.int64)[entry]
        held, of_held = np.unique(codes * (product.max() + 1) + product, return_inverse=True)
        since = np.full(len(held), np.iinfo(np.int64).max)
        np.minimum.at(since, of_held, month)
        reasons["cross_sell"] = np.add.reduceat(np.where(month == since[of_held], arr, 0.0), first)

    if {"quantity", "unit_price"} <= set(frame.columns):
        # by customer, line and month: the row before is then the same line's, if there is one
        line = ledger.entries.line[entry]
        order = np.lexsort((month, line, codes))
        within = ledger.step + ledger.grace_months
        pair = np.zeros(len(order), dtype=bool)
        pair[1:] = (np.diff(codes[order]) == 0) & (np.diff(line[order]) == 0)
        pair[1:] &= np.diff(month[order]) <= within

        rise, known = _price_rises(frame, entry[order], arr[order], pair)
        by_row, all_known = np.zeros(len(order)), np.zeros(len(order), dtype=bool)
        by_row[order], all_known[order] = rise, known
        reasons["price"] = np.add.reduceat(by_row, first)
        now = np.logical_and.reduceat(all_known, first)
        reasons["explained"] = now & np.append(False, now[:-1])
    return reasons


def _price_rises(
    frame: pd.DataFrame, entry: np.ndarray, arr: np.ndarray, pair: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`ndarray[row]`: what a higher price adds in ARR, and whether quantity and price are known.

    `pair` : whether the row before is the same line's.
    """
    quantity, price, own = (
        frame[name].to_numpy()[entry] for name in ("quantity", "unit_price", "arr")
    )
    product = quantity * price
    known = np.isfinite(product) & (product > 0)
    pair = pair & known & np.append(False, known[:-1])
    # a price is of an interval and in a currency: what becomes of it in ARR says by how much
    product = np.where(known, product, 1.0)
    yearly, converted = own / product, arr / product
    is_same = pair & (np.abs(yearly / np.append(1.0, yearly[:-1]) - 1) < SAME_INTERVAL)
    if "currency" in frame:
        currency = frame["currency"].cat.codes.to_numpy()[entry]
        is_same &= np.append(False, currency[1:] == currency[:-1])

    # where both are as they were the prices tell; else what one unit comes to in ARR
    each = np.where(known, arr / np.where(known, quantity, 1.0), 0.0)
    by_price = quantity * np.diff(price, prepend=0.0) * converted
    by_unit = quantity * np.diff(each, prepend=0.0)
    rise = np.where(pair, np.where(is_same, by_price, by_unit), 0.0)
    return np.maximum(np.nan_to_num(rise), 0.0), known
