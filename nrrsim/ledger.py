"""A checked ledger in, Movements of a cohort or of the whole book out; never simulates, never computes a ratio."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from nrrsim.errors import Finding, UsageError, did_you_mean
from nrrsim.intake import Entries, check_rows
from nrrsim.months import month_name, month_number, parse_month
from nrrsim.movements import MOVEMENTS, Movements
from nrrsim.reading import map_unique, read_rows

COHORT_BY = {"cohort_year": 12, "cohort_quarter": 3, "cohort_month": 1}
EMPTY = "(empty)"
CLOSING = ("closing", "retained", "stayed", "stayed_retained", "customers", "stayed_customers")
KIND = {name: number for number, name in enumerate(MOVEMENTS)}


def read_ledger(
    *sources: str | Path,
    columns: Mapping[str, str] | None = None,
    query: str | None = None,
    sheet: str | None = None,
    rates: str | Path | None = None,
    currency: str | None = None,
    reported: bool = False,
    grace_months: int = 0,
    period_end: str = "exclusive",
    until: str | None = None,
) -> Ledger:
    """The ledger in one or more files (CSV, Parquet, Excel), or behind a database address with a `query`.

    columns : our word -> your heading, for headings that nrrsim does not know.
    rates : a file with `month,currency,rate`, the rate being the worth of one unit in the reporting `currency`.
    reported : convert each month at its own rate; default: all of a window at the rate of its start.
    grace_months : a gap up to that long is a late renewal, not churn and reactivation.
    period_end : whether a subscription's `end` is `exclusive` (first day without service) or `inclusive`.
    until : the last month to lay out for subscriptions that run on.

    Raises UsageError if a source or a parameter does not fit, DataError with every finding if the data do not.
    """
    if not sources:
        raise UsageError("a ledger needs at least one file")
    if grace_months < 0:
        raise UsageError(f"grace_months: {grace_months} is negative; 0 counts every gap as churn and reactivation")
    parts = [rows for source in sources for rows in read_rows(source, query, sheet)]
    entries = check_rows(
        parts,
        columns=columns,
        period_end=period_end,
        until=parse_month(until, "until") if until else None,
        rates_given=rates is not None,
    )
    table = _read_rates(rates) if rates is not None else None
    ours = _reporting_currency(entries, table, currency)
    return Ledger(entries, ours, table, reported, grace_months)


@dataclass(frozen=True)
class Ledger:
    """Recurring revenue by customer and month. Made by `read_ledger`; see there for what the fields mean."""

    entries: Entries
    currency: str
    rates: pd.Series | None = None
    reported: bool = False
    grace_months: int = 0
    _books: dict[tuple[int | None, int | None], _Book] = field(default_factory=dict, repr=False, compare=False)

    @property
    def step(self) -> int:
        """Months between two snapshots: 1, 3 or 12."""
        return self.entries.step

    @property
    def notices(self) -> tuple[Finding, ...]:
        """What to know about the ledger that does not make a number wrong."""
        return self.entries.notices

    @cached_property
    def months(self) -> list[str]:
        """Every month of the ledger, "YYYY-MM"."""
        return list(map(month_name, self.entries.months))

    @property
    def columns(self) -> list[str]:
        """What a cohort may be split by: any text column with one value a customer, and year or quarter of the
        first revenue.
        """
        numbers = {"customer", "month", "arr", "quantity", "unit_price", "renewal", "interval"}
        return [name for name in self.entries.frame.columns if name not in numbers] + list(COHORT_BY)

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of what was read, whatever file or order it came in: customer, month, segment and ARR."""
        frame = self.entries.frame
        digest = hashlib.sha256()
        for name in ("customer", "segment"):
            digest.update("\0".join(frame[name].cat.categories).encode())
            digest.update(frame[name].cat.codes.to_numpy(np.int32).tobytes())
        digest.update(frame["month"].to_numpy(np.int32).tobytes() + frame["arr"].to_numpy("<f8").tobytes())
        return digest.hexdigest()

    def cohort(self, as_of: str, window: int = 12, by: str = "segment") -> Movements:
        """The Movements of the customers with a positive amount at `as_of` - `window` months, and of them alone.

        Each keeps the label (`by`) of the window's start. A label without such customers has an opening of 0.
        """
        end, start = self.window(as_of, window)
        return self._book(start, end).roll(start, end, by, closed=True)

    def book(self, start: str, end: str, by: str = "segment") -> Movements:
        """The Movements of the whole book from `start` to `end`, with those who are new and who come back.

        Each customer keeps the label (`by`) of its first month in that time.
        """
        last = parse_month(end, "end")
        _, first = self.window(end, last - parse_month(start, "start"))
        return self._book(first, last).roll(first, last, by, closed=False)

    def customers(self, month: str, rate_of: str | None = None, known_at: str | None = None) -> pd.DataFrame:
        """The customers with a positive amount in `month`: index `customer`, columns `arr` and the ledger's further
        columns. `rate_of`: the month whose rate converts amounts; `known_at`: the month by which a late renewal must
        have come in to count (default of both: `month`).
        """
        number = self._inside(month, "month")
        rate = parse_month(rate_of, "rate_of") if rate_of else number
        book = self._book(rate, parse_month(known_at, "known_at") if known_at else number)
        rows = book.rows_of(number)
        frame = self.entries.frame.drop(columns=["customer", "month", "arr"]).iloc[book.entry[rows]]
        index = pd.Index(book.customers[book.customer[rows]], name="customer")
        return pd.DataFrame(frame.set_axis(index, axis=0).assign(arr=book.arr[rows]))

    def ages(self, as_of: str, by: str = "cohort_year") -> pd.DataFrame:
        """What became of each cohort as it grew older, each customer counted from its own first month.

        Columns `cohort`, `age` (snapshots since the first), `months`, `customers`, `opening` (ARR in the first month),
        `amount` (ARR at that age), `retained` (capped at the first). An age is there once the whole cohort reached it.
        """
        end = self._inside(as_of, "as_of")
        return self._book(end, end).ages(end, by)

    def lines(self, month: str, rate_of: str) -> pd.DataFrame:
        """The ledger's own rows of `month`, at the rates of `rate_of`: index `customer`, `product` (empty where there
        is none), columns `arr` and `renewal` (a month number or nan).
        """
        frame = self.entries.frame
        rows = np.flatnonzero(frame["month"].to_numpy() == self._inside(month, "month"))
        rate = None if self.rates is None or self.reported else parse_month(rate_of, "rate_of")
        told = frame.iloc[rows]
        product = told["product"].astype(str) if "product" in told else pd.Series("", index=told.index)
        index = pd.MultiIndex.from_arrays([told["customer"].astype(str), product], names=["customer", "product"])
        renewal = told["renewal"] if "renewal" in told else pd.Series(np.nan, index=told.index)
        table = {"arr": self.converted(rate)[rows], "renewal": renewal.to_numpy()}
        return pd.DataFrame(table, index=index).groupby(level=[0, 1]).agg({"arr": "sum", "renewal": "min"})

    def histories(self, as_of: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Every customer's history up to `as_of`, at the rates of that month, sorted by customer (a number) and month.

        First the rows: `customer`, `month` (a number), `arr`, `segment` (a category), and `renewal` (a month number or
        nan). Then the movements: `customer`, `month`, `kind` (its number in MOVEMENTS), `arr`.
        """
        end = self._inside(as_of, "as_of")
        book = self._book(end, end)
        known = book.month <= end
        frame = self.entries.frame.iloc[book.entry[known]]
        rows = {"customer": book.customer[known], "month": book.month[known], "arr": book.arr[known]}
        renewal = frame["renewal"].to_numpy(float) if "renewal" in frame else np.full(len(frame), np.nan)
        told = {"segment": frame["segment"].array, "renewal": renewal}
        happened = book.event_month <= end
        moves = {"customer": book.event_customer, "month": book.event_month, "kind": book.event_kind}
        events = pd.DataFrame({name: each[happened] for name, each in (moves | {"arr": book.event_arr}).items()})
        return pd.DataFrame(rows | told), events.sort_values(["customer", "month"], kind="stable", ignore_index=True)

    def gaps(self) -> np.ndarray:
        """How many months each gap lasted in which a customer was away and came back."""
        last = parse_month(self.months[-1], "month")
        book = self._book(last, last)
        away: np.ndarray = np.diff(book.month)[np.diff(book.customer) == 0] - self.step
        return np.asarray(away[away > 0])

    def window(self, as_of: str, window: int) -> tuple[int, int]:
        """The month numbers of a window's end and start; raises UsageError where the ledger does not cover it."""
        end = self._inside(as_of, "as_of")
        if window <= 0 or window % self.step:
            unit = {1: "month", 3: "quarter", 12: "year"}[self.step]
            raise UsageError(
                f"window: {window} months do not fit a ledger with one snapshot a {unit};"
                f" choose a multiple of {self.step}"
            )
        start = end - window
        if month_name(start) not in self._month_set:
            raise UsageError(
                f"a window of {window} months to {month_name(end)} starts in {month_name(start)}, before the ledger"
                f" does ({self.months[0]}); choose a shorter window or a later as_of"
            )
        return end, start

    @cached_property
    def _month_set(self) -> frozenset[str]:
        return frozenset(self.months)

    def _inside(self, month: str, what: str) -> int:
        number = parse_month(month, what)
        if month_name(number) not in self._month_set:
            raise UsageError(
                f"{what}: {month_name(number)} is not in the ledger, which has {_span(self.months, self.step)}"
            )
        return number

    def _book(self, rate_month: int, as_of: int) -> _Book:
        """The book converted at the rates of `rate_month`; with grace, as it was known at `as_of`."""
        convert = self.rates is not None and not self.reported
        key = (rate_month if convert else None, as_of if self.grace_months else None)
        if key not in self._books:
            self._books[key] = _Book.of(self, *key)
        return self._books[key]

    def converted(self, rate_month: int | None) -> np.ndarray:
        """`ndarray[entry]`: ARR in the reporting currency; `rate_month` None: each month at its own rate."""
        frame = self.entries.frame
        arr = frame["arr"].to_numpy()
        if self.rates is None:
            return arr
        money = frame["currency"] if "currency" in frame else pd.Series(self.currency, index=frame.index)
        months = frame["month"].to_numpy() if rate_month is None else np.full(len(frame), rate_month)
        wanted = pd.MultiIndex.from_arrays([money, months])
        worth = self.rates.reindex(wanted).to_numpy()
        worth = np.where(money.to_numpy() == self.currency, 1.0, worth)
        if np.isnan(worth).any():
            where = wanted[np.isnan(worth)].unique()
            missing = ", ".join(f"{code} in {month_name(int(month))}" for code, month in where[:5])
            raise UsageError(f"rates: there is no rate for {missing}; add it to the file")
        return np.asarray(arr * worth)


def _span(months: Sequence[str], step: int) -> str:
    every = {1: "", 3: ", quarterly", 12: ", annually"}[step]
    return f"{months[0]} to {months[-1]}{every}"


def _read_rates(source: str | Path) -> pd.Series:
    rows, *more = read_rows(source)
    if more:
        raise UsageError(f"{source}: rates stand in one file")
    frame = rows.frame
    missing = [name for name in ("month", "currency", "rate") if name not in frame]
    if missing:
        raise UsageError(
            f"{source}: a file of rates has the columns month,currency,rate; missing: {', '.join(missing)}"
        )
    rate = pd.to_numeric(frame["rate"], errors="coerce")
    month = map_unique(frame["month"], month_number)
    wrong = rate.isna() | np.isnan(month) | ~(rate > 0) | np.isinf(rate)
    index = pd.MultiIndex.from_arrays([frame["currency"], np.nan_to_num(month).astype(np.int64)])
    if wrong.any() or index.has_duplicates:
        row = int((wrong | index.duplicated()).to_numpy().argmax())
        raise UsageError(f"{source}:{rows.lines()[row]}: one positive rate for each month (YYYY-MM) and currency")
    return pd.Series(rate.to_numpy(float), index=index)


def _reporting_currency(entries: Entries, rates: pd.Series | None, asked: str | None) -> str:
    found = sorted(entries.frame["currency"].unique().astype(str)) if "currency" in entries.frame else []
    if rates is None:
        if asked and found and found != [asked]:
            raise UsageError(f"currency: the ledger is in {', '.join(found)}; give rates to report in {asked}")
        return asked or (found[0] if found else "USD")
    if asked:
        return asked
    without = sorted(set(found) - set(rates.index.get_level_values(0)))
    if len(without) != 1:
        raise UsageError("currency: say which currency to report in, such as currency: USD")
    return str(without[0])


@dataclass(frozen=True)
class _Book:
    """Customer-months and the events between them, in one currency, as arrays sorted by customer and month.

    `customer`, `month`, `arr`, `entry` (its first entry): `ndarray[row]`. `event_*`: one for each movement of a
    customer in a month, sorted by month. `customers`: names by customer number.
    """

    ledger: Ledger
    customers: np.ndarray
    customer: np.ndarray
    month: np.ndarray
    arr: np.ndarray
    entry: np.ndarray
    event_customer: np.ndarray
    event_month: np.ndarray
    event_kind: np.ndarray
    event_arr: np.ndarray
    _labels: dict[str, tuple[np.ndarray, list[str]]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, ledger: Ledger, rate_month: int | None, as_of: int | None) -> _Book:
        frame, step = ledger.entries.frame, ledger.step
        arr = ledger.converted(rate_month)
        codes, names = frame["customer"].cat.codes.to_numpy(np.int64), frame["customer"].cat.categories
        month = frame["month"].to_numpy()
        keep = np.flatnonzero(month <= as_of) if as_of is not None else np.arange(len(frame))
        codes, month, arr = codes[keep], month[keep], arr[keep]
        first = np.flatnonzero(_begins(codes, month))
        why = _reasons(frame.iloc[keep], codes, month, arr, first, step + ledger.grace_months)
        customer, months = codes[first], month[first]
        amount = np.add.reduceat(arr, first) if len(first) else arr[:0]
        entry = keep[first]
        if ledger.grace_months:
            at = _late_renewals(customer, months, step, ledger.grace_months)
            customer, amount, entry = customer[at], amount[at], entry[at]
            filled = np.concatenate([[False], at[1:] == at[:-1]])
            months = _filled_months(months[at], filled, step)
            why = {name: np.where(filled, False, values[at]) for name, values in why.items()}
        events = _events(customer, months, amount, why, step, as_of or ledger.entries.months[-1])
        return cls(ledger, np.asarray(names), customer, months, amount, entry, *events)

    @cached_property
    def _by_month(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.month, kind="stable")
        return order, self.month[order]

    def rows_of(self, month: int) -> np.ndarray:
        order, months = self._by_month
        begin, end = np.searchsorted(months, [month, month + 1])
        return order[begin:end]

    def labels(self, by: str) -> tuple[np.ndarray, list[str]]:
        """`ndarray[row]` of label numbers, and the labels."""
        if by not in self._labels:
            self._labels[by] = self._first_revenue(by) if by in COHORT_BY else self._column(by)
        return self._labels[by]

    def _column(self, by: str) -> tuple[np.ndarray, list[str]]:
        frame = self.ledger.entries.frame
        if by not in self.ledger.columns:
            raise UsageError(f"by: the ledger has no column {by}; {did_you_mean(by, self.ledger.columns)}")
        values = frame[by].cat.add_categories(EMPTY).fillna(EMPTY).cat.remove_unused_categories()
        codes = values.cat.codes.to_numpy(np.int64)
        heads = _begins(frame["customer"].cat.codes.to_numpy(np.int64), frame["month"].to_numpy())
        first_of_month = codes[np.maximum.accumulate(np.where(heads, np.arange(len(frame)), 0))]
        if (codes != first_of_month).any():
            raise UsageError(f"by: a customer has several values of {by} in one month; split by another column")
        return codes[self.entry], list(values.cat.categories)

    def _first_revenue(self, by: str) -> tuple[np.ndarray, list[str]]:
        begin = np.flatnonzero(np.diff(self.customer, prepend=-1))
        since = np.repeat(self.month[begin], np.diff(np.append(begin, len(self.month))))
        earliest = self.month.min()
        unit = COHORT_BY[by]
        # Who is there in the first month came then or earlier: a cohort of its own, before all others.
        known = np.where(since == earliest, earliest // unit - 1, since // unit)
        codes, numbers = pd.factorize(known, sort=True)
        writers: dict[int, Callable[[int], str]] = {12: str, 3: lambda n: f"{n // 4} Q{n % 4 + 1}", 1: month_name}
        names = [writers[unit](int(number)) for number in numbers]
        names[:1] = [f"until {month_name(int(earliest))}"]
        return codes, names

    def ages(self, end: int, by: str) -> pd.DataFrame:
        step = self.ledger.step
        codes, labels = self.labels(by)
        heads = np.diff(self.customer, prepend=-1) != 0
        head_of_row = np.flatnonzero(heads)[np.cumsum(heads) - 1]
        age = (self.month - self.month[head_of_row]) // step
        known = self.month <= end
        code, first = codes[head_of_row], self.arr[head_of_row]
        width = (end - int(self.month.min())) // step + 1
        cell = (code * width + age)[known]
        shape, size = (len(labels), width), len(labels) * width
        starters = heads & known
        opening = np.bincount(code[starters], first[starters], minlength=len(labels))
        youngest = np.full(len(labels), -1)
        np.maximum.at(youngest, code[starters], self.month[starters])
        table = {
            "customers": np.bincount(cell, minlength=size).reshape(shape),
            "amount": np.bincount(cell, self.arr[known], minlength=size).reshape(shape),
            "retained": np.bincount(cell, np.minimum(self.arr, first)[known], minlength=size).reshape(shape),
        }
        reached = youngest[:, None] + np.arange(width) * step <= end
        row, column = np.nonzero(reached & (youngest >= 0)[:, None])
        frame = {"cohort": np.array(labels, dtype=object)[row], "age": column, "months": column * step}
        frame |= {"opening": opening[row]} | {name: values[row, column] for name, values in table.items()}
        return pd.DataFrame(frame)

    def roll(self, start: int, end: int, by: str, closed: bool) -> Movements:
        """The roll-forward from `start` to `end` of those alive at `start` (closed), or of everyone."""
        step = self.ledger.step
        codes, labels = self.labels(by)
        member = np.full(len(self.customers), -1)
        opening = self.rows_of(start)
        if closed:
            member[self.customer[opening]] = codes[opening]
        else:
            inside = np.flatnonzero((self.month >= start) & (self.month <= end))
            heads = inside[np.diff(self.customer[inside], prepend=-1) != 0]
            member[self.customer[heads]] = codes[heads]
        base = np.zeros(len(self.customers))
        base[self.customer[opening]] = self.arr[opening]
        months = np.arange(start, end + 1, step)
        levels = {name: np.zeros((len(labels), len(months))) for name in CLOSING}
        stayed = base > 0
        for column, month in enumerate(months):
            rows = self.rows_of(int(month))
            stayed &= np.bincount(self.customer[rows], minlength=len(stayed)) > 0
            rows = rows[member[self.customer[rows]] >= 0]
            customer, amount = self.customer[rows], self.arr[rows]
            capped, stays = np.minimum(amount, base[customer]), stayed[customer]
            measured = (amount, capped, amount * stays, capped * stays, np.ones(len(rows)), stays)
            for name, weights in zip(CLOSING, measured, strict=True):
                levels[name][:, column] = np.bincount(member[customer], weights, minlength=len(labels))
        arrays: dict[str, np.ndarray] = {name: values[:, 1:] for name, values in levels.items()}
        arrays |= {"opening": levels["closing"][:, :-1], "opening_customers": levels["customers"][:, :-1]}
        begin, stop = np.searchsorted(self.event_month, [start + 1, end + 1])
        label = member[self.event_customer[begin:stop]]
        place = (self.event_month[begin:stop] - start) // step - 1
        kind, amount = self.event_kind[begin:stop], self.event_arr[begin:stop]
        shape = (len(labels), len(months) - 1)
        for name, number in KIND.items():
            of_kind = (kind == number) & (label >= 0)
            cell = label[of_kind] * shape[1] + place[of_kind]
            sums = np.bincount(cell, amount[of_kind], minlength=shape[0] * shape[1])
            arrays[name] = sums.reshape(shape)
        names = [month_name(int(month)) for month in months[1:]]
        return Movements.of(arrays, segments=labels, months=names, start=month_name(start))


def _begins(customer: np.ndarray, month: np.ndarray) -> np.ndarray:
    """`ndarray[row]` of whether a row is the first of its customer and month; rows are sorted by both."""
    return np.asarray(np.diff(customer * 100_000 + month, prepend=-1) != 0)


def _late_renewals(customer: np.ndarray, month: np.ndarray, step: int, grace: int) -> np.ndarray:
    """Row numbers with each row repeated for the missing steps after it that count as a late renewal."""
    missing = np.diff(month, append=month[-1:]) // step - 1
    same = np.append(customer[1:] == customer[:-1], False)
    late = np.where(same & (missing * step <= grace), np.maximum(missing, 0), 0)
    return np.repeat(np.arange(len(month)), late + 1)


def _filled_months(months: np.ndarray, filled: np.ndarray, step: int) -> np.ndarray:
    run = np.arange(len(months))
    start_of_run = np.maximum.accumulate(np.where(filled, 0, run))
    return months + (run - start_of_run) * step


def _reasons(
    frame: pd.DataFrame, codes: np.ndarray, month: np.ndarray, arr: np.ndarray, first: np.ndarray, within: int
) -> dict[str, np.ndarray]:
    """Why a customer's amount rose, where the ledger says so: `ndarray[customer-month]` of

    `price`: q(t) (p(t) - p(t-1)) of what it held before, where positive; `cross_sell`: amount of products never held
    before; `explained`: 1 where quantity and price are known now and before, so that the rest is adoption.
    """
    zero = np.zeros(len(first))
    reasons = {"price": zero, "cross_sell": zero, "explained": zero > 0}
    if len(first) == 0:
        return reasons
    product = (
        frame["product"].cat.codes.to_numpy(np.int64) if "product" in frame else np.zeros(len(frame), dtype=np.int64)
    )
    order = np.lexsort((month, product, codes))
    same = np.zeros(len(order), dtype=bool)  # the row before is the same customer's and product's
    same[1:] = (np.diff(codes[order]) == 0) & (np.diff(product[order]) == 0)
    next_step = same.copy()
    next_step[1:] &= np.diff(month[order]) <= within
    if "product" in frame:
        never_held = np.zeros(len(order))
        never_held[order] = ~same
        reasons["cross_sell"] = np.add.reduceat(never_held * arr, first)
    if {"quantity", "unit_price"} <= set(frame.columns):
        quantity, price = frame["quantity"].to_numpy()[order], frame["unit_price"].to_numpy()[order]
        known = np.isfinite(quantity) & np.isfinite(price)
        pair = next_step.copy()
        pair[1:] &= known[1:] & known[:-1]
        # in ARR, in the ledger's currency of report: the amount's own scale of quantity x unit price
        scale = np.divide(arr[order], quantity * price, out=np.zeros(len(order)), where=known & (quantity * price > 0))
        rise = np.zeros(len(order))
        rise[1:] = np.where(pair[1:], quantity[1:] * np.diff(price) * scale[1:], 0.0)
        by_row, all_known = np.zeros(len(order)), np.zeros(len(order), dtype=bool)
        by_row[order], all_known[order] = np.maximum(np.nan_to_num(rise), 0.0), known
        reasons["price"] = np.add.reduceat(by_row, first)
        now = np.logical_and.reduceat(all_known, first)
        reasons["explained"] = now & np.append(False, now[:-1])
    return reasons


def _events(
    customer: np.ndarray, month: np.ndarray, arr: np.ndarray, why: Mapping[str, np.ndarray], step: int, last: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every movement of every customer: customer, month, kind and amount, sorted by month.

    A customer that is alive in the last month is alive; one that has no row for the next step has churned in it.
    """
    same = np.append(False, customer[1:] == customer[:-1])
    gap = np.where(same, month - np.append(0, month[:-1]), 0)
    before = np.append(0.0, arr[:-1])
    kept = same & (gap == step)
    back = same & (gap > step)
    leaves = np.append(~same[1:] | (gap[1:] > step), True) & (month < last)
    change = np.where(kept, arr - before, 0.0)
    price = np.where(kept, why["price"], 0.0)
    rest = np.where(np.abs(change - price) > 1e-9 * np.maximum(arr, before), change - price, 0.0)
    price = np.where((rest == 0) & (price > 0), change, price)
    rise, fall = np.maximum(rest, 0.0), np.maximum(-rest, 0.0)
    cross_sell = np.minimum(rise, why["cross_sell"])
    unnamed = rise - cross_sell
    booked = {
        "new": np.where(~same, arr, 0.0),
        "reactivation": np.where(back, arr, 0.0),
        "price": price,
        "cross_sell": cross_sell,
        "adoption": np.where(why["explained"], unnamed, 0.0),
        "unsplit": np.where(why["explained"], 0.0, unnamed),
        "contraction": fall,
        "churn": np.where(leaves, arr, 0.0),
    }
    rows = {name: np.flatnonzero(amount) for name, amount in booked.items()}
    when = np.concatenate([month[at] + (step if name == "churn" else 0) for name, at in rows.items()])
    who = np.concatenate([customer[at] for at in rows.values()])
    kind = np.concatenate([np.full(len(at), KIND[name], dtype=np.int8) for name, at in rows.items()])
    amount = np.concatenate([booked[name][at] for name, at in rows.items()])
    order = np.argsort(when, kind="stable")
    return who[order], when[order], kind[order], amount[order]
