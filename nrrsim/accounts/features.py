"""A ledger and its signals in, what was known of each customer in each month out; never later.

A row is a customer with an amount in a month. What a row says is what could be known at that
month's end: a signal's latest value, not a later one; a segment's median then, not now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from nrrsim.accounts.signals import Signals
from nrrsim.accounts.watch import Rule, SignalsCard, called, fired
from nrrsim.calibration.exposure import Exposure
from nrrsim.ledger.ledger import Ledger
from nrrsim.months import parse_month
from nrrsim.movements import CENT
from nrrsim.notation import counted, percent

HALF_YEAR, YEAR = 6, 12
KINDS = ("leave", "contract", "expand")  # what may become of a customer in a step
FELL = 0.30  # of the half year's mean: a fall that counts as one
LEAST_FIRED, LEAST_LEFT, SOON = 30, 10, 3  # of a rule that is a feature: who left within 3 months
OLDEST = 120  # months before the ledger from which a signal still counts
NEAR = 3.0  # months: how near a renewal is fades by that
MOST_AT_FIRST = 2  # times a usual month's newcomers: who is there in a ledger's first month
USAGE, PRICE = "usage", "price"  # what a programme may answer, beside a signal's own name
Words = Callable[[float, float], str]  # a value and its standardised one, in words


class Feature(NamedTuple):
    """One thing that is known of a row. `theme`: what a programme against it may be `for`.
    `risk`: 1 where more of it is bad news, -1 where less is, 0 where nobody can say.
    """

    name: str
    words: Words
    theme: str = ""
    is_signal: bool = False
    risk: int = 0


@dataclass(frozen=True)
class Panel:
    """Every customer-month up to `origin`, by customer and month: `ndarray[row]`.

    customer : its number. Customers stand in an order that follows from their histories, so that
        neither a name nor the order of rows ever moves a digit. names : `ndarray[customer]`.
    month, arr, segment : of the row; at : a month of its anniversary (-1: not known); first : its
        first month. outcome : by kind, whether it happened in the step after the row (nan in the
        last month, of which nothing is known).
    """

    ledger: Ledger
    origin: int
    begin: int
    segments: tuple[str, ...]
    names: np.ndarray
    customer: np.ndarray
    month: np.ndarray
    arr: np.ndarray
    segment: np.ndarray
    at: np.ndarray
    first: np.ndarray
    price: np.ndarray
    outcome: Mapping[str, np.ndarray]
    signals: Signals | None
    card: SignalsCard | None

    @classmethod
    def of(
        cls, ledger: Ledger, as_of: str, signals: Signals | None, card: SignalsCard | None
    ) -> Panel:
        """What a ledger and its signals hold up to `as_of`; nothing after it is looked at."""
        origin, begin = parse_month(as_of, "as_of"), parse_month(ledger.months[0], "month")
        rows, _ = ledger.histories(as_of)
        signals = signals.until(origin) if signals is not None else None
        code, month, arr = (rows[name].to_numpy() for name in ("customer", "month", "arr"))
        category = rows["segment"].astype("category").cat.remove_unused_categories()
        segment = category.cat.codes.to_numpy(np.int64)

        names = np.asarray(ledger.entries.frame["customer"].cat.categories)
        rank, known = _ranked(code, month, arr, segment, names, signals)
        order = np.argsort(rank[code], kind="stable")  # rows of a customer stay in order of months
        customer = rank[code][order]
        month, arr, segment = month[order], arr[order], segment[order]
        heads = np.diff(customer, prepend=-1) != 0
        first = month[np.flatnonzero(heads)[np.cumsum(heads) - 1]]
        renewal = rows["renewal"].to_numpy(float)[order]
        told = (first > begin) | _begins_empty(first[heads], begin)
        at = np.where(np.isnan(renewal), np.where(told, first, -1), np.nan_to_num(renewal))
        at = at.astype(np.int64)

        outcome = {kind: np.full(len(month), np.nan) for kind in KINDS}
        price, known_after = np.zeros(len(month)), month < origin
        if origin - begin >= ledger.step and known_after.any():
            amount = Exposure.of(ledger, as_of, None, None).amount
            # its rows are those of which it is known what came after, in the ledger's own order
            place = np.cumsum(rows["month"].to_numpy() < origin)[order][known_after] - 1
            gains = amount["adoption"] + amount["cross_sell"]
            for kind, moved in zip(
                KINDS, (amount["churn"], amount["contraction"], gains), strict=True
            ):
                outcome[kind][known_after] = moved[place] > CENT
            price[known_after] = amount["price"][place]
        return cls(
            ledger, origin, begin, tuple(map(str, category.cat.categories)), names[known],
            customer, month, arr, segment, at, first, price, outcome, signals, card,
        )  # fmt: skip

    # --- rows -------------------------------------------------------------------------------------

    @cached_property
    def now(self) -> np.ndarray:
        """The rows of the origin: who is there to be asked about."""
        return np.flatnonzero(self.month == self.origin)

    @cached_property
    def past(self) -> np.ndarray:
        """The rows of which it is known what came after them."""
        return np.flatnonzero(self.month < self.origin)

    def age(self, rows: np.ndarray, ahead: int = 0) -> np.ndarray:
        """Months since its first revenue: at least so many, where that is the ledger's first."""
        return np.asarray(self.month[rows] + ahead - self.first[rows])

    def cell(self, rows: np.ndarray, ahead: int = 0) -> np.ndarray:
        """Which rate holds in the step that begins `ahead` months after the row: that of its
        segment's steps without a renewal (0), with one (1), or where none is known (2).
        """
        at, step = self.at[rows], self.ledger.step
        due = (self.month[rows] + ahead + step - at) % YEAR < step
        return np.asarray(3 * self.segment[rows] + np.where(at < 0, 2, due))

    def to_renewal(self, rows: np.ndarray, ahead: int = 0) -> np.ndarray:
        """Months to the next renewal, 1 to 12; nan where none is known."""
        at = self.at[rows]
        return np.where(at < 0, np.nan, (at - self.month[rows] - ahead - 1) % YEAR + 1)

    # --- features ---------------------------------------------------------------------------------

    @cached_property
    def of_ledger(self) -> tuple[Feature, ...]:
        """What the ledger tells, in the order of `columns`."""
        by_segment = [
            Feature(f"{word} {name}", partial)
            for word, partial in (("tenure", _tenure_words), ("size", _size_words))
            for name in self.segments
        ]
        told = [
            Feature("shrank", lambda value, z: _either(z, "contracted", "no contraction")),
            Feature("grew", lambda value, z: _either(z, "expanded", "no expansion")),
            Feature("was away", lambda value, z: "left before and came back" if z > 0 else ""),
            Feature("just renewed", lambda value, z: "renewed last month" if z > 0 else ""),
            Feature("near renewal", _renewal_words),
            Feature("price", lambda value, z: "price increase at the last anniversary" if z > 0
                    else "", PRICE),
        ]  # fmt: skip
        return (*by_segment, *told)

    def columns(self, rows: np.ndarray, ahead: int = 0) -> np.ndarray:
        """`ndarray[row, feature]`: what the ledger tells, calendar and tenure moved on."""
        age, step = self.age(rows, ahead), self.ledger.step
        mine = [self.segment[rows] == number for number in range(len(self.segments))]
        at = self.at[rows]
        renewed = (at >= 0) & (age > 0) & ((self.month[rows] + ahead - at) % YEAR < step)
        found = [np.where(each, np.log1p(age), 0.0) for each in mine]
        found += [np.where(each, self._size[rows], 0.0) for each in mine]
        found += [self._shrank[rows], self._grew[rows], self._was_away[rows], renewed]
        found += [np.exp(-self.to_renewal(rows, ahead) / NEAR), self._met_price[rows]]
        return np.stack(found, 1).astype(float)

    @cached_property
    def _size(self) -> np.ndarray:
        """ARR against the median of its segment's customers in that month, as a logarithm."""
        groups = pd.Series(self.arr).groupby([self.segment, self.month])
        return np.asarray(np.log(self.arr / groups.transform("median").to_numpy()))

    @cached_property
    def _step_before(self) -> tuple[np.ndarray, np.ndarray]:
        """Whether a row has one a step before it, and its amount (0 where it has none)."""
        follows = np.diff(self.customer, prepend=-1) == 0
        gap = np.diff(self.month, prepend=0)
        both = follows & (gap == self.ledger.step)
        return both, np.where(both, np.concatenate([[0.0], self.arr[:-1]]), 0.0)

    def _lately(self, happened: np.ndarray, months: int) -> np.ndarray:
        """Whether it happened in the row's month or one of the `months` before, the row's own
        step included.
        """
        far = np.int64(1) << 40  # customers stand further apart than any months
        seen = np.where(happened, self.month, -far // 2) + self.customer * far
        since = self.month + self.customer * far - np.maximum.accumulate(seen)
        return np.asarray(since < max(months, self.ledger.step))

    @cached_property
    def _shrank(self) -> np.ndarray:
        both, before = self._step_before
        return self._lately(both & (self.arr < before - CENT), HALF_YEAR)

    @cached_property
    def _grew(self) -> np.ndarray:
        both, before = self._step_before
        return self._lately(both & (self.arr > before + CENT), HALF_YEAR)

    @cached_property
    def _was_away(self) -> np.ndarray:
        both, _ = self._step_before
        follows = np.diff(self.customer, prepend=-1) == 0
        away = np.cumsum(follows & ~both)
        heads = np.flatnonzero(~follows)
        return np.asarray(away - away[heads][np.cumsum(~follows) - 1] > 0)

    @cached_property
    def _met_price(self) -> np.ndarray:
        """Whether a price increase met it in the year before, which has one anniversary."""
        both, _ = self._step_before
        rose = both & (np.concatenate([[0.0], self.price[:-1]]) > 0)
        return self._lately(rose, YEAR)

    # --- signals ----------------------------------------------------------------------------------

    def signal_columns(self, rows: np.ndarray) -> tuple[tuple[Feature, ...], np.ndarray]:
        """What signals tell of these rows: what each column is, and `ndarray[row, column]`, nan
        where it is not known.
        """
        told: list[tuple[Feature, np.ndarray]] = []
        if self.signals is not None:
            kinds = {} if self.card is None else self.card.signals
            table = _Tables(self.signals, self.names, self.begin, self.origin)
            cells = self.customer[rows], self.month[rows] - table.start

            def tell(found: Iterable[tuple[Feature, np.ndarray]]) -> None:
                told.extend((feature, values[cells]) for feature, values in found)

            for name in self.signals.names:
                kind = kinds[name].kind if name in kinds else "level"
                is_use = name in kinds and kind == "level"
                tell(_of_signal(name, kind, table.of(name), int(is_use)))
            for name, each in kinds.items():
                if each.of and {name, each.of} <= {*self.signals.names}:
                    tell([_share(name, each.of, table.of(name), table.of(each.of))])
            told += self._rules_that_tell(rows)
        values = [each for _, each in told]
        return (
            tuple(feature for feature, _ in told),
            np.stack(values, 1).astype(float) if values else np.zeros((len(rows), 0)),
        )

    def _rules_that_tell(self, rows: np.ndarray) -> list[tuple[Feature, np.ndarray]]:
        """The rules that fired often enough, with enough leavers after, to be learnt from."""
        found = []
        left = self.months_until("leave")[self.past] <= max(SOON, self.ledger.step)
        for rule in self.rules:
            fires = self.fires_in_step(rule)[self.customer, self.month - self.begin]
            on = fires[self.past]
            if on.sum() >= LEAST_FIRED and (on & left).sum() >= LEAST_LEFT:
                theme = rule.play or rule.signal
                bad = int(rule.means == "risk")
                words = where_it_holds(rule.words)
                feature = Feature(f"rule {rule.words}", words, theme, True, bad)
                found.append((feature, fires[rows]))
        return found

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of the card whose signals are there."""
        if self.signals is None or self.card is None:
            return ()
        return self.card.heard(self.signals.names)

    def fires(self, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
        """Whether a rule holds at the end of each month of the ledger, `ndarray[customer, month]`,
        and its value in the last one, `ndarray[customer]`.
        """
        if rule not in self._fired:
            assert self.signals is not None
            months = range(self.begin, self.origin + 1)
            fires, value = fired(rule, self.signals, [*self.names], months)
            self._fired[rule] = fires, value[:, -1].copy()
        return self._fired[rule]

    @cached_property
    def _fired(self) -> dict[Rule, tuple[np.ndarray, np.ndarray]]:
        """What was asked of a rule before: the model, the judgement and the alerts all ask."""
        return {}

    def fires_in_step(self, rule: Rule) -> np.ndarray:
        """`ndarray[customer, month]`: whether a rule held at the end of any month of the step that
        ends with the month: of a quarterly ledger, signals may tell more often than it does.
        """
        fires = self.fires(rule)[0]
        told = fires.copy()
        for back in range(1, self.ledger.step):
            told[:, back:] |= fires[:, :-back]
        return told

    def months_until(self, kind: str) -> np.ndarray:
        """`ndarray[row]`: months from the row to the first one that shows it happened; more than
        any horizon where it did not, as far as is known.
        """
        far = np.int64(1) << 40  # customers stand further apart than any months
        happens = self.outcome[kind] == 1
        at = np.where(happens, self.month, far // 2) + self.customer * far
        first = np.minimum.accumulate(at[::-1])[::-1] if len(at) else at
        return np.asarray(first - self.month - self.customer * far + self.ledger.step)


def _begins_empty(first: np.ndarray, begin: int) -> bool:
    """Whether the customers of a ledger's first month came in that month: they are no more than
    twice those of a usual month of its first year. Else it began with a book that had grown before.
    """
    came = np.bincount(first - begin, minlength=YEAR)[:YEAR]
    usual = np.median(came[1:][came[1:] > 0]) if came[1:].any() else 0.0
    return bool(came[0] <= MOST_AT_FIRST * usual)


def _ranked(
    code: np.ndarray,
    month: np.ndarray,
    arr: np.ndarray,
    segment: np.ndarray,
    names: np.ndarray,
    signals: Signals | None,
) -> tuple[np.ndarray, np.ndarray]:
    """The place of each customer by its history (-1: it has none yet), and who stands where.

    Two of the same history may change places: no figure knows which is which.
    """
    weight = np.modf(np.abs(np.sin(np.arange(month.max(initial=0) + 1) * 12.9898)) * 43758.5453)[0]
    there = np.bincount(code, minlength=len(names)) > 0
    money = np.bincount(code, arr * weight[month], len(names))
    kind = np.zeros(len(names), np.int64)
    kind[code] = segment
    seen = np.zeros(len(names))
    if signals is not None and len(signals.frame):
        at = pd.Index(names).get_indexer(signals.frame["customer"])
        day = np.modf(np.abs(np.sin(signals.frame["day"].to_numpy(float) * 78.233)) * 43758.5453)[0]
        for place, name in enumerate(signals.names, 1):
            value = np.nan_to_num(signals.frame[name].to_numpy(float))
            seen += place * np.bincount(at[at >= 0], (value * day)[at >= 0], len(names))
    order = np.lexsort((seen, money, kind))
    known = order[there[order]]
    rank = np.full(len(names), -1)
    rank[known] = np.arange(len(known))
    return rank, known


class _Tables:
    """Signals as tables of customers by months, from `start` on; nan where none was seen."""

    def __init__(self, signals: Signals, names: np.ndarray, begin: int, end: int) -> None:
        at = pd.Index(names).get_indexer(signals.frame["customer"])
        month = signals.frame["month"].to_numpy()
        here = (at >= 0) & (month > begin - OLDEST)
        self.start = min(int(month[here].min(initial=begin)), begin)
        self._frame, self._here = signals.frame, here
        self._cells = at[here], month[here] - self.start
        self._shape = (len(names), end - self.start + 1)

    def of(self, name: str) -> np.ndarray:
        """`ndarray[customer, month]`: the last value of each month."""
        table = np.full(self._shape, np.nan)
        value = self._frame[name].to_numpy(float)[self._here]
        known = ~np.isnan(value)
        customer, month = (each[known] for each in self._cells)
        table[customer, month] = value[known]  # rows stand in order of days: the last one stays
        return table


def _of_signal(
    name: str, kind: str, table: np.ndarray, less: int = 0
) -> list[tuple[Feature, np.ndarray]]:
    """The features of one signal, of its values by customer and month (nan: none was seen).

    less : 1 where less of it is bad news, 0 where nobody says.
    """
    told = called(name)
    scaled = table if kind == "score" else np.sign(table) * np.log1p(np.abs(table))
    last = _last(table)
    latest, raw = _at(scaled, last), _at(table, last)

    def level(value: float, z: float) -> str:
        number = value if kind == "score" else np.sign(value) * np.expm1(abs(value))
        return f"{told} at {number:,.0f}, {'above' if z > 0 else 'below'} the usual"

    found = [(Feature(name, level, USAGE, True), latest)]
    if kind != "score":  # nothing at all is another thing than little
        none = np.where(np.isnan(raw), np.nan, raw == 0)
        found.append(
            (Feature(f"{name} none", where_it_holds(f"no {told}"), USAGE, True, less), none)
        )
    known = ~np.isnan(table)
    if known.sum(axis=1).max(initial=0) < 2:
        return found

    def before(values: np.ndarray, months: int, least: int) -> np.ndarray:
        """The mean of those seen in the months before the latest one, where they are enough."""
        until = np.arange(values.shape[1])
        since = np.maximum(until - months, 0)
        sums, number = _summed(np.where(known, values, 0.0)), _summed(known)
        sums, number = (each[:, until] - each[:, since] for each in (sums, number))
        with np.errstate(divide="ignore", invalid="ignore"):
            return _at(np.where(number >= least, sums / number, np.nan), last)

    half, ever = before(scaled, HALF_YEAR, 1), before(scaled, scaled.shape[1], 3)
    usual = before(table, HALF_YEAR, 1)
    with np.errstate(invalid="ignore"):
        fell = np.where(np.isnan(usual), np.nan, (usual > 0) & (raw < (1 - FELL) * usual))

    def moved(since: str) -> Words:
        def words(value: float, z: float) -> str:
            if kind == "score":
                return f"{told} {'up' if value > 0 else 'down'} {abs(value):,.0f} on {since}"
            return (
                f"{told} {'up' if value > 0 else 'down'} {percent(abs(np.expm1(value)))} on {since}"
            )

        return words

    return [
        *found,
        (Feature(f"{name} half year", moved("its half-year average"), USAGE, True, -less),
         latest - half),
        (Feature(f"{name} ever", moved("its own average"), USAGE, True, -less),
         latest - ever),
        (Feature(f"{name} fell", where_it_holds(f"{told} fell by {FELL:.0%} or more"), USAGE, True,
                 less), fell),
    ]  # fmt: skip


def _share(name: str, of: str, part: np.ndarray, whole: np.ndarray) -> tuple[Feature, np.ndarray]:
    """A signal as a share of the one that it is a part `of`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = _at(part, _last(part)) / _at(whole, _last(whole))
    words = f"{called(name)} {{}} of {called(of)}"
    share = np.where(np.isfinite(share), share, np.nan)
    return Feature(
        f"{name} of {of}", lambda value, z: words.format(percent(value)), name, True
    ), share


def _last(values: np.ndarray) -> np.ndarray:
    """Where the latest value stands that was known by each month; -1: there was none."""
    here = np.where(np.isnan(values), -1, np.arange(values.shape[1]))
    return np.asarray(np.maximum.accumulate(here, axis=1))


def _at(values: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The values of the months in which something was last known; nan where nothing was."""
    found = np.take_along_axis(values, np.maximum(last, 0), 1)
    return np.where(last >= 0, found, np.nan)


def _summed(values: np.ndarray) -> np.ndarray:
    """Running sums that begin with 0: `ndarray[customer, month + 1]`."""
    found = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=found[:, 1:])
    return found


def where_it_holds(words: str) -> Words:
    """The words of what holds or does not; that it does not is worth none."""
    return lambda value, z: words if z > 0 else ""


def _either(z: float, yes: str, no: str) -> str:
    return f"{yes if z > 0 else no} in the last half year"


def _tenure_words(value: float, z: float) -> str:
    months = round(np.expm1(value))
    old = counted(months // 12, "year") if months >= 24 else counted(months, "month")
    return f"customer for {old}"


def _renewal_words(value: float, z: float) -> str:
    return f"renews in {counted(round(-NEAR * np.log(value)), 'month')}"


def _size_words(value: float, z: float) -> str:
    return f"{'large' if value > 0 else 'small'} for its segment"
