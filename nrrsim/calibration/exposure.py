"""A ledger's history in, what happened and what could have, step by step, out; never a rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from numbers import Real

import numpy as np
import pandas as pd

from nrrsim.errors import UsageError
from nrrsim.ledger.ledger import Ledger
from nrrsim.ledger.rollforward import MONTHS_APART, MOVEMENT_NUMBER
from nrrsim.messages import not_a_number, shown
from nrrsim.months import month_name, parse_month
from nrrsim.notation import counted, label
from nrrsim.notation import month_name as in_words

TERMS = (("month", "monthly"), ("annual", "annual"), ("year", "annual"))
# So many customers, and such a share of a segment, that rise alike in one month may have met a
# price increase.
SAME_STEP, SAME_SHARE = 5, 0.2
ONE_MONTH = 0.8  # of a segment's price increases, that make a calendar month the one of prices
# Months after leaving in which a return counts: a scenario's customers leave within its year.
LATE = 12


def check_half_life(half_life: float | None) -> None:
    """Raises UsageError for a half-life below a month, and for what is no number."""
    if half_life is not None and not isinstance(half_life, Real):
        raise UsageError(f"half_life: {not_a_number(half_life)}")
    if half_life is not None and not half_life >= 1:
        raise UsageError(f"half_life: must be a month at least, got {half_life:g}")


def price_months_of(given: Sequence[str] | None, ledger: Ledger) -> set[int]:
    """The numbers of the months that are said to have had a price increase.

    Raises UsageError for what is no list of months.
    """
    if isinstance(given, str | bytes) or not isinstance(given or (), Iterable):
        raise UsageError(f'price_months: write a list, such as ["2026-01"], got {shown(given)}')
    return {ledger.calendar.parse_month(each, "price_months") for each in given or ()}


@dataclass(frozen=True)
class Exposure:
    """A row for each customer and step in which something could happen to it, `ndarray[row]`.

    `customer` and `segment` (their numbers), `arr` (at the step's start), `month` (of the step's
    end), `age` (months since its first revenue, nan where that came before the ledger), `due`
    (whether its anniversary is in the step; -1: not known), `due_to_leave` (the same, told from
    when it left where nothing else tells it), `weight`; `amount`: by movement, what it moved.
    `away`: the same of who has left: segment, month, weight, back (the ARR it came back with over
    what it left with, 0: it stayed away).
    """

    ledger: Ledger
    as_of: int
    step: int
    segments: tuple[str, ...]
    present: tuple[str, ...]
    customer: np.ndarray
    segment: np.ndarray
    arr: np.ndarray
    month: np.ndarray
    age: np.ndarray
    due: np.ndarray
    due_to_leave: np.ndarray
    weight: np.ndarray
    amount: dict[str, np.ndarray]
    away: dict[str, np.ndarray]

    @property
    def a_year(self) -> float:
        """Steps a year."""
        return 12 / self.step

    @classmethod
    def of(
        cls, ledger: Ledger, as_of: str, half_life: float | None, price_months: Sequence[str] | None
    ) -> Exposure:
        """What a ledger's history up to `as_of` holds to learn from; nothing after it is looked at.

        half_life, price_months : as for `calibrate`. Raises UsageError for a history of one month.
        """
        rows, events = ledger.histories(as_of)
        end, step = parse_month(as_of, "as_of"), ledger.step
        begin = parse_month(ledger.months[0], "month")
        if end - begin < step:
            raise UsageError(
                f"as_of: {as_of} is the ledger's first month; there is nothing to learn from before"
                " a second one"
            )
        check_half_life(half_life)
        if not (rows["month"] < end).any():
            raise UsageError(
                f"as_of: nobody was there before {as_of}; there is nothing to learn from"
            )

        category = rows["segment"].astype("category").cat.remove_unused_categories()
        segment = category.cat.codes.to_numpy(np.int64)
        customer, month, arr = (rows[name].to_numpy() for name in ("customer", "month", "arr"))
        heads = np.diff(customer, prepend=-1) != 0
        first = month[np.flatnonzero(heads)[np.cumsum(heads) - 1]]

        # the anniversary is that of the renewal, else of the first month, if that is known; an
        # annual contract of which neither is known left at its anniversary, if it left
        renewal = rows["renewal"].to_numpy(float)
        at = np.where(
            np.isnan(renewal), np.where(first > begin, first, -1), np.nan_to_num(renewal)
        ).astype(np.int64)
        amount = _amounts(customer, month, events, step)
        left = np.full(int(customer.max()) + 1, -1, dtype=np.int64)
        left[customer[amount["churn"] > 0]] = month[amount["churn"] > 0] + step
        went = np.where(at < 0, left[customer], at)

        # what a row says ends with its step: of the last month it is not known yet
        known = month < end
        exposure = cls(
            ledger=ledger,
            as_of=end,
            step=step,
            segments=tuple(map(str, category.cat.categories)),
            present=tuple(map(str, category[month == end].unique())),
            customer=customer[known],
            segment=segment[known],
            arr=arr[known],
            month=month[known] + step,
            age=np.where(first > begin, month - first, np.nan)[known],
            due=np.where(at < 0, -1, (month + step - at) % 12 < step)[known],
            due_to_leave=np.where(went < 0, -1, (month + step - went) % 12 < step)[known],
            weight=_weight(month[known] + step, end, half_life),
            amount={name: values[known] for name, values in amount.items()},
            away=_away(rows, segment, end, step, half_life),
        )
        exposure._take_as_price(price_months_of(price_months, ledger))
        return exposure

    def _take_as_price(self, months: Set[int]) -> None:
        """Book rises by a common percentage as price: in these months, and where the customers of a
        segment rose alike in the same month of another year, too.
        """
        known = {(segment, month) for segment, month, _ in self.alike} if self.step < 12 else set()
        for segment, month, ratio in self.alike:
            yearly = not known.isdisjoint({(segment, month - 12), (segment, month + 12)})
            if yearly or month in months:
                mine = (self.month == month) & (self._rise == ratio)
                self.amount["price"][mine] += self.amount["adoption"][mine]
                self.amount["adoption"][mine] = 0.0

    @cached_property
    def _rise(self) -> np.ndarray:
        """By how many tenths of a percent each row rose in a movement that is not split."""
        return np.asarray(np.round(1000 * self.amount["adoption"] / self.arr))

    @cached_property
    def alike(self) -> list[tuple[int, int, int]]:
        """Segment, month and rise (tenths of a percent) that many customers share."""
        rose = self._rise > 0
        frame = pd.DataFrame(
            {"segment": self.segment[rose], "month": self.month[rose], "rise": self._rise[rose]}
        )
        counted = frame.value_counts().reset_index(name="number")

        # those who rose alike, beside all who were there
        there = (
            pd.DataFrame({"segment": self.segment, "month": self.month})
            .value_counts()
            .reset_index(name="there")
        )
        both = counted.merge(there, on=["segment", "month"])
        alike = both[(both["number"] >= SAME_STEP) & (both["number"] >= SAME_SHARE * both["there"])]
        return list(
            alike[["segment", "month", "rise"]].astype(int).itertuples(index=False, name=None)
        )

    def steps_alike(self) -> list[str]:
        """What looks like a price increase, in words."""
        notes = []
        for segment, month, rise in sorted(self.alike, key=lambda each: (each[1], each[0])):
            mine = (self.segment == segment) & (self.month == month)
            number = int((self._rise[mine] == rise).sum())
            verdict = "if that was a price increase, list the month under price months"
            if self.amount["price"][mine & (self._rise == rise)].any():
                verdict = "counted as a price increase"
            notes.append(
                f"{in_words(month_name(month))}: {number} of {counted(int(mine.sum()), 'customer')}"
                f" of {label(self.segments[segment])} rose by {rise / 10:g}%; {verdict}"
            )
        return notes

    def price_month(self, segment: int, stated: Set[int]) -> int | None:
        """The calendar month (1 to 12) in which prices rise in a segment; where none rose in it,
        anywhere. None where they rise at anniversaries, or nothing tells.

        stated : months of price increases; another has to be seen in two years.
        """
        rose = self.amount["price"] > 0
        mine = rose & (self.segment == segment)
        use = mine if mine.any() else rose
        # a yearly ledger sees one month alone
        if not use.any() or self.step == 12:
            return None
        by_month = np.bincount(self.month[use] % 12, minlength=12)
        most = int(by_month.argmax())
        share, known = by_month[most] / by_month.sum(), self.due[use] >= 0
        at_renewal = float(np.mean(self.due[use][known] == 1)) if known.any() else 0.0
        seen = set(self.month[use & (self.month % 12 == most)].tolist())
        tells = len(seen) > 1 or not seen.isdisjoint(stated)
        return most + 1 if tells and share >= ONE_MONTH and share > at_renewal else None

    def tells(self, driver: str) -> bool:
        """Whether the ledger can show the driver: some tell no price, and no products, apart."""
        return driver not in ("cross_sell", "price") or bool(self.amount[driver].any())

    def terms(self, given: dict[str, str]) -> dict[str, str]:
        """Monthly or annual, by segment: annual where most who leave do so at an anniversary."""
        found = {}
        stated = self._stated_terms()
        gone = self.amount["churn"] > 0
        for number, name in enumerate(self.segments):
            mine = gone & (self.segment == number) & (self.due >= 0)
            at_renewal = float(np.mean(self.due[mine] == 1)) if mine.any() else 0.0
            is_annual = self.step == 12 or (mine.sum() >= 3 and at_renewal > 0.5)

            if not mine.any() and self.ledger.entries.frame.get("renewal") is not None:
                is_annual = bool((self.due[self.segment == number] >= 0).any())
            found[name] = (
                given.get(name) or stated.get(name) or ("annual" if is_annual else "monthly")
            )
        return found

    def _stated_terms(self) -> dict[str, str]:
        """What the ledger's column `term`, if any, says of most of a segment's customers."""
        frame = self.ledger.entries.frame
        if "term" not in frame:
            return {}
        known = frame.loc[frame["month"] <= self.as_of, ["segment", "term"]]
        rows = known.groupby(["segment", "term"], observed=True).size().reset_index(name="rows")
        words = rows["term"].astype(str).str.strip().str.lower()
        rows["term"] = words.map(
            lambda word: next((each for start, each in TERMS if word.startswith(start)), None)
        )
        stated = rows.groupby(["segment", "term"], observed=True)["rows"].sum()
        return {str(name): str(term) for name, term in stated.unstack().idxmax(axis=1).items()}

    def chances(self, driver: str, annual: np.ndarray) -> np.ndarray:
        """`ndarray[row]`: how many chances for the driver each row counts as.

        A chance is a step; to leave an annual contract, a renewal. annual : `ndarray[segment]`.
        """
        # who leaves in a step does nothing else in it (churn is a month's first step)
        if driver != "churn":
            return np.where(self.amount["churn"] > 0, 0.0, 1.0)

        # an annual contract that ends between renewals was a chance, too; where nothing tells the
        # anniversary, each step has its part of one
        between = (self.amount["churn"] > 0) & (self.due == 0)
        yearly = np.where(
            self.due_to_leave < 0, 1 / self.a_year, np.where(self.due_to_leave == 1, 1.0, between)
        )
        return np.where(annual[self.segment], yearly, 1.0)

    def whole_years(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each customer's whole years up to `as_of`: segment, weight, whether a price rose.

        Whenever in the year increases come, at an anniversary or each January, there is one chance
        of it in each.
        """
        years_back = (self.as_of - self.month) // 12
        keys, first, year_of_row, number = np.unique(
            self.customer * MONTHS_APART + years_back,
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        gone = np.bincount(year_of_row, self.amount["churn"] > 0, len(keys))
        rose = np.bincount(year_of_row, self.amount["price"] > 0, len(keys)) > 0
        whole = (number == self.a_year) & (gone == 0)
        return self.segment[first][whole], self.weight[first][whole], rose[whole]


def _amounts(
    customer: np.ndarray, month: np.ndarray, events: pd.DataFrame, step: int
) -> dict[str, np.ndarray]:
    """`ndarray[row]` by movement: what it moved in the step after each row.

    What the ledger does not split counts as adoption. Rows are sorted by customer and month.
    """
    key = customer * MONTHS_APART + month
    moved, kind = events["arr"].to_numpy(), events["kind"].to_numpy()
    moved_at = events["customer"].to_numpy() * MONTHS_APART + events["month"].to_numpy()
    row = np.searchsorted(key, moved_at - step)
    amount = {}
    for name, number in MOVEMENT_NUMBER.items():
        # who is new or comes back has no row in the step before
        if name not in ("new", "reactivation"):
            of_kind = kind == number
            amount[name] = np.zeros(len(key))
            np.add.at(amount[name], row[of_kind], moved[of_kind])
    amount["adoption"] = amount["adoption"] + amount.pop("unsplit")
    return amount


def _weight(month: np.ndarray, end: int, half_life: float | None) -> np.ndarray:
    return np.ones(len(month)) if half_life is None else 0.5 ** ((end - month) / half_life)


def _away(
    rows: pd.DataFrame, segment: np.ndarray, end: int, step: int, half_life: float | None
) -> dict[str, np.ndarray]:
    """Each step of the year after a customer left, until it comes back or the ledger ends."""
    customer, month, arr = (rows[name].to_numpy() for name in ("customer", "month", "arr"))
    same = np.append(customer[1:] == customer[:-1], False)
    until = np.where(same, np.append(month[1:], 0), end + step)
    left = np.flatnonzero(until > month + step)
    away_for = (until[left] - month[left]) // step - 1
    waits = np.minimum(away_for, LATE // step)
    came = same[left] & (away_for <= LATE // step)

    # a row for each step of waiting: it is gone one step after its last month, and may come back
    # from the step after that on
    row = np.repeat(left, waits)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(waits) - waits, waits)
    when = month[row] + (nth + 2) * step
    share = np.where(came, np.append(arr[1:], 0.0)[left] / arr[left], 0.0)
    back = np.where(nth == np.repeat(waits, waits) - 1, np.repeat(share, waits), 0.0)
    seen = when <= end
    away = {
        "segment": segment[row],
        "month": when,
        "weight": _weight(when, end, half_life),
        "back": back,
    }
    return {name: values[seen] for name, values in away.items()}
