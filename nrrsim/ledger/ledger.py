"""A checked ledger in, Movements of a cohort or of the whole book out; never computes a ratio."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding, UsageError, did_you_mean
from nrrsim.ledger.check import Entries, check_rows
from nrrsim.ledger.currency import read_rates, reporting_currency
from nrrsim.ledger.reading import AS_IT_IS, Reading
from nrrsim.ledger.records import is_table
from nrrsim.ledger.rollforward import COHORT_BY, CustomerMonths, Kept
from nrrsim.ledger.sources import read_rows
from nrrsim.ledger.values import MOST
from nrrsim.messages import whole_of
from nrrsim.months import Calendar, month_name, parse_month
from nrrsim.movements import Movements
from nrrsim.notation import count, counted, money, table_html
from nrrsim.sizebands import NO_BANDS, SIZE, By


def read_ledger(
    *sources: Any,
    rates: str | Path | None = None,
    currency: str | None = None,
    reported: bool = False,
    grace_months: int = 0,
    reading: Reading | Mapping[str, Any] | None = None,
    **said: Any,
) -> Ledger:
    """The ledger in one or more files, folders and tables, or behind a database.

    sources : paths (CSV, Excel, Parquet, JSON, also packed), folders, patterns such as
        `ledger/*.csv`, database addresses, and tables of pandas, Polars or Arrow, whose rows a
        finding names by their labels; or lists of such.

    rates : a file with `month,currency,rate`, the rate being the worth of one unit in the reporting
        `currency`.
    currency : that of the report, where the ledger has several or does not say.
    reported : convert each month at its own rate; default: all of a window at the rate of its
        start.
    grace_months : a gap up to that long is a late renewal, not churn and reactivation.
    said : how the files are to be read where they do not say, each an option of `nrrsim check` with
        `_` for `-`, such as `columns={"customer": "Account"}`, `unit="mrr"`, `until="2026-10-05"`,
        `fiscal_year_end=1`; `Reading` lists them.
    reading : the same, all at once.

    Raises UsageError if a source or a parameter does not fit, DataError with every finding if the
    data do not.
    """
    grace_months = whole_of("grace_months", grace_months)
    if grace_months < 0:
        raise UsageError(
            f"grace_months: {grace_months} is negative;"
            " 0 counts every gap as churn and reactivation"
        )
    before = reading.said if isinstance(reading, Reading) else reading or {}
    how = Reading.of({**before, **said})
    each = [one for some in sources for one in (some if isinstance(some, list | tuple) else [some])]
    if not each:
        raise UsageError("a ledger needs at least one file")
    tables = [place for place, source in enumerate(each) if is_table(source)]
    names = {place: f"table {n}" for n, place in enumerate(tables, start=1) if len(tables) > 1}
    parts = [
        rows
        for place, source in enumerate(each)
        for rows in read_rows(source, how.query, how.sheet, names.get(place, "the table"))
    ]
    entries = check_rows(parts, how, rates_given=rates is not None)
    table = None
    if rates is not None:
        table, notices = read_rates(rates, how.calendar)
        entries = replace(entries, notices=(*entries.notices, *notices))
    ours = reporting_currency(entries, table, currency)
    return Ledger(entries, ours, table, reported, grace_months, how)


def _showing_options(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function that takes any option of reading, with each of them in it."""
    plain = inspect.signature(function)
    by_name = inspect.Parameter.KEYWORD_ONLY
    options = [
        inspect.Parameter(each.name, by_name, default=each.default, annotation=each.type)
        for each in fields(Reading)
    ]
    own = [each for each in plain.parameters.values() if each.kind is not each.VAR_KEYWORD]
    return plain.replace(parameters=[*own, *options])


# so that a notebook completes them
read_ledger.__signature__ = _showing_options(read_ledger)  # type: ignore[attr-defined]


def as_ledger(given: Any) -> Ledger:
    """A ledger as it is, or that of what `read_ledger` takes."""
    return given if isinstance(given, Ledger) else read_ledger(given)


@dataclass(frozen=True)
class Part:
    """Which part of a ledger one is: its lines with that `value` of a `column`.

    elsewhere : the customers of the whole ledger who have none of them. sha256 : of all that was
        read of the part; what changes in other parts does not move it.
    """

    column: str
    value: str
    elsewhere: frozenset[str] = field(repr=False)
    sha256: str = ""


@dataclass(frozen=True)
class Ledger:
    """Recurring revenue by customer and month. Made by `read_ledger`; see there for the fields.

    `unmasked`: the true name of each customer where names are `masked`; else empty. `part`: which
    part of a ledger it is, None of a whole one.
    """

    entries: Entries
    currency: str
    rates: pd.Series | None = None
    reported: bool = False
    grace_months: int = 0
    reading: Reading = AS_IT_IS
    unmasked: Mapping[str, str] = field(default_factory=dict, repr=False)
    part: Part | None = None
    _by_rates: dict[tuple[int | None, int | None], CustomerMonths] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def calendar(self) -> Calendar:
        """The company's quarters and years."""
        return self.reading.calendar

    @property
    def elsewhere(self) -> frozenset[str]:
        """The customers of the ledger's other parts, by their own names; none of a whole one."""
        return self.part.elsewhere if self.part else frozenset()

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
        """What a cohort may be split by.

        Any text column, and the year, quarter or month of the first revenue; `size` besides.
        """
        numbers = {"customer", "month", "arr", "quantity", "unit_price", "renewal", "interval"}
        own = self.entries.frame.columns
        texts = [name for name in own if name not in numbers and name not in COHORT_BY]
        return [*texts, *COHORT_BY]

    def frame(self) -> pd.DataFrame:
        """The checked entries, a row each: `customer`, `month` ("YYYY-MM"), `arr`, `segment`, and
        the ledger's further columns.

        Amounts are ARR in the currency in which they were written: where there are several, that of
        the column `currency`.
        """
        frame = self.entries.frame.copy()
        for name in ("month", "renewal"):
            if name in frame:
                codes, numbers = pd.factorize(frame[name])  # who has no renewal is -1
                names = np.array([*(month_name(int(each)) for each in numbers), None], dtype=object)
                frame[name] = pd.array(names[codes], dtype="str")
        first = ["customer", "month", "arr", "segment"]
        return pd.DataFrame(frame[[*first, *frame.columns.difference(first, sort=False)]])

    def _repr_html_(self) -> str:
        frame = self.frame()
        arr = partial(money, currency="" if "currency" in frame else self.currency)
        return table_html(
            frame, {"arr": arr, "quantity": count, "unit_price": arr}, "entry", "entries"
        )

    @property
    def segments(self) -> list[str]:
        """Every segment that a customer was in at any time."""
        return [*self.entries.frame["segment"].cat.categories]

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of what was read (customer, month, segment, ARR), in whatever order."""
        frame = self.entries.frame
        # numbers of a stated size and order of bytes, so that each machine finds the same
        digest = hashlib.sha256()
        for name in ("customer", "segment"):
            words = frame[name].cat.categories
            digest.update("\0".join(self.true_names(words)).encode())
            digest.update(frame[name].cat.codes.to_numpy(np.int32).tobytes())
        digest.update(
            frame["month"].to_numpy(np.int32).tobytes() + frame["arr"].to_numpy("<f8").tobytes()
        )
        return digest.hexdigest()

    def masked(self, as_of: str) -> Ledger:
        """The same ledger with `Customer 17` for each name, numbered by ARR at `as_of`.

        The largest is 1; who has nothing then follows by what it last paid. No number changes:
        customers keep their order, and `unmasked` tells who is who. A notice that names a customer
        is left out, and one says how many were.
        """
        frame, end = self.entries.frame, self.inside(as_of, "as_of")
        codes, names = frame["customer"].cat.codes.to_numpy(), frame["customer"].cat.categories
        size = np.zeros((2, len(names)))
        there = self.customers(as_of)["arr"]
        size[0, names.get_indexer(there.index)] = there.to_numpy()
        known = frame["month"].to_numpy() <= end
        # rows stand in order of months: of several, the last one stays
        size[1, codes[known]] = self.converted(end)[known]
        order = np.lexsort((np.arange(len(names)), -size[1], -size[0]))
        number = np.empty(len(names), dtype=int)
        number[order] = np.arange(1, len(names) + 1)
        called = [f"Customer {each}" for each in number]

        plain = frame.assign(customer=frame["customer"].cat.rename_categories(called))
        silent = tuple(each for each in self.notices if not _names_one(each, names))
        if left_out := len(self.notices) - len(silent):
            told = counted(left_out, "notice names", "notices name")
            place = Finding(self.notices[0].file, 0, f"{told} customers, and names are masked")
            silent = (*silent, replace(place, remedy="nrrsim check prints them all"))
        entries = replace(self.entries, frame=plain, notices=silent, taken=())
        unmasked = dict(zip(called, self.true_names(names), strict=True))
        return replace(self, entries=entries, unmasked=unmasked, _by_rates={})

    def parts(self, column: str, as_of: str, window: int = 12) -> dict[str, Ledger]:
        """The ledger cut into the parts that `cohort` and `book` of that window split it into.

        By the values of a text column, in the order of names; each entry is in one part. A customer
        is with all its months in the part of its value at the window's start, or who comes later in
        that of its first month; with lines of several values then, in each (MODEL section 1). So
        openings, closings and net movements of the parts add up to the ledger's, in this window.

        Raises UsageError for what is no such column, or a window that is not covered.
        """
        if column not in self.columns or column in COHORT_BY:
            own = [each for each in self.columns if each not in COHORT_BY]
            raise UsageError(
                f"the ledger has no column {column} to be cut by; {did_you_mean(column, own)}"
            )
        end, start = self.window(as_of, window)
        codes, labels = self._customer_months(start, end).cut(start, end, column)
        return {label: self._part(column, label, codes == n) for n, label in enumerate(labels)}

    def part_of(self, column: str, value: str, as_of: str, window: int = 12) -> Ledger:
        """One of the `parts`; raises UsageError where the column has no such value, too."""
        known = self.parts(column, as_of, window)
        if value not in known:
            raise UsageError(
                f"column {column} has no value {value}; {did_you_mean(value, [*known])}"
            )
        return known[value]

    def _part(self, column: str, value: str, mine: np.ndarray) -> Ledger:
        whole = self.entries.frame
        frame = whole[mine].reset_index(drop=True)
        for name in frame.select_dtypes("category"):
            frame[name] = frame[name].cat.remove_unused_categories()
        names = frame["customer"].cat.categories
        elsewhere = frozenset(whole["customer"].cat.categories.difference(names))
        line = self.entries.line[mine]
        # what was noticed is of the whole, and may name who is in another part
        number = f"{len(names):,} of {counted(len(names) + len(elsewhere), 'customer')}"
        told = f"{column} {value}: {number}"
        notices = (Finding("", 0, told, "nrrsim check prints what there is to know of the whole"),)
        own: dict[str, Any] = {"rows": len(frame), "zeros": 0, "notices": notices}
        entries = replace(self.entries, frame=frame, line=line, **own)
        part = Part(column, value, elsewhere, _sha256_of(entries))
        return replace(self, entries=entries, part=part, _by_rates={})

    def true_names(self, names: Iterable[str]) -> list[str]:
        """Customers' own names, also where they are masked; other texts as they are."""
        return [self.unmasked.get(name, name) for name in names]

    def split_by(self, by: By) -> By:
        """What is meant by `by`: the size bands by `size`, anything else as it is.

        Raises DataError where the ledger has a column `size` of its own and nobody said which of
        both is meant.
        """
        bands = self.reading.bands
        if by != SIZE or bands is None:
            return by
        if self.reading.size_bands is None and SIZE in self.entries.frame:
            raise DataError([Finding("by", 0, *TWO_SIZES, option="size_bands")])
        return bands

    def cohort(self, as_of: str, window: int = 12, by: By = "segment") -> Movements:
        """The Movements of those with a positive amount at `as_of` - `window` months, no others.

        Each keeps the label (`by`) of the window's start. A label without such customers has an
        opening of 0. A customer whose lines have several labels then is a part in each; see
        `apart`.
        """
        end, start = self.window(as_of, window)
        return self._customer_months(start, end).roll(start, end, self.split_by(by), closed=True)

    def apart(self, as_of: str, window: int = 12, by: By = "segment") -> int:
        """How many customers of the cohort are parts of several labels (`by`).

        Parts' amounts add up to the customer's; a rise of one and a fall of another do not cancel,
        so that GRR of the parts may add up to less than the whole's.
        """
        end, start = self.window(as_of, window)
        return self._customer_months(start, end).apart(start, end, self.split_by(by))

    def book(self, start: str, end: str, by: By = "segment") -> Movements:
        """The Movements of the whole book from `start` to `end`, with new and returning customers.

        Each customer keeps the label (`by`) of its first month in that time.
        """
        last = self.calendar.parse_month(end, "end")
        _, first = self.window(end, last - self.calendar.parse_month(start, "start"))
        return self._customer_months(first, last).roll(first, last, self.split_by(by), closed=False)

    def by_customer(self, as_of: str, window: int = 12) -> tuple[pd.DataFrame, pd.DataFrame]:
        """What the window's Movements are the sums of: each customer's amounts and movements.

        First a row for each customer with an amount in the window: index `customer`; columns
        `segment` (as `book` and `cohort` have it), `since` (the month of its first revenue), and
        one for each month from the window's start, 0 where there is nothing. Then a row for each
        movement: `customer`, `month`, `movement`, `arr` (losses positive). Rates are those of the
        window's start, as there.
        """
        end, start = self.window(as_of, window)
        return self._customer_months(start, end).of_window(start, end)

    def kept(self, start: str, end: str, renewed_by: str | None = None) -> Kept:
        """What each customer of the cohort of `start` had then, and has at `end` (or the same).

        What `cohort` sums up, customer by customer: amounts at the rates of `start`, the segment of
        `start`. renewed_by : the month by which a late renewal must have come in to count; default:
        `end`.
        """
        first, last = self.inside(start, "start"), self.inside(end, "end")
        until = parse_month(renewed_by, "renewed_by") if renewed_by else last
        return self._customer_months(first, until).kept(first, last)

    def customers(
        self, month: str, rate_of: str | None = None, renewed_by: str | None = None
    ) -> pd.DataFrame:
        """The customers with a positive amount in `month`.

        Index `customer`; columns `arr` and the ledger's further ones (of several lines: those of
        the largest). rate_of : the month whose
        rate converts amounts. renewed_by : the month by which a late renewal must have come in to
        count. Default of both: `month`.
        """
        number = self.inside(month, "month")
        rate = parse_month(rate_of, "rate_of") if rate_of else number
        until = parse_month(renewed_by, "renewed_by") if renewed_by else number
        known = self._customer_months(rate, until)
        rows = known.rows_of(number)
        further = self.entries.frame.drop(columns=["customer", "month", "arr"])
        frame = further.iloc[known.entry[rows]]
        index = pd.Index(known.customers[known.customer[rows]], name="customer")
        return pd.DataFrame(frame.set_axis(index, axis=0).assign(arr=known.arr[rows]))

    def ages(self, as_of: str, by: By = "cohort_year", partial: bool = False) -> pd.DataFrame:
        """What became of each cohort with age, customers counted from their own first month.

        Columns `cohort`, `age` (snapshots since the first), `months`, `customers`, `opening` (ARR
        in the first month), `amount` (ARR at that age), `retained` (capped at the first). An age is
        there once the whole cohort reached it.

        partial : those that only a part has reached, too; all of such a row is that part's. Two
        columns more: `complete`, and `now`, the whole cohort's ARR at `as_of`.
        """
        end = self.inside(as_of, "as_of")
        return self._customer_months(end, end).ages(end, self.split_by(by), partial)

    def lines(self, month: str, rate_of: str) -> pd.DataFrame:
        """What each customer has in `month`, line by line, at the rates of `rate_of`.

        Index `customer`, `line` (a number, the same from month to month); columns `arr` and
        `renewal` (a month number or nan).
        """
        frame = self.entries.frame
        rows = np.flatnonzero(frame["month"].to_numpy() == self.inside(month, "month"))
        rate = None if self.rates is None or self.reported else parse_month(rate_of, "rate_of")
        entries = frame.iloc[rows]
        renewal = np.full(len(rows), np.nan)
        if "renewal" in entries:
            renewal = entries["renewal"].to_numpy(float)
        index = pd.MultiIndex.from_arrays(
            [entries["customer"].astype(str), self.entries.line[rows]], names=["customer", "line"]
        )
        return pd.DataFrame({"arr": self.converted(rate)[rows], "renewal": renewal}, index=index)

    def histories(
        self, as_of: str, rate_of: str | None = None
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Every customer's history up to `as_of`, sorted by customer and month.

        rate_of : the month whose rate converts amounts; default: `as_of`. First the rows:
        `customer`, `month` (a number), `arr`, `segment` (a category), and `renewal`
        (a month number or nan; that of its largest line). Then the movements: `customer`,
        `month`, `kind` (its number in MOVEMENTS), `arr`.
        """
        end = self.inside(as_of, "as_of")
        found = self._customer_months(parse_month(rate_of, "rate_of") if rate_of else end, end)
        known, happened = found.month <= end, found.event_month <= end

        frame = self.entries.frame.iloc[found.entry[known]]
        renewal = np.full(len(frame), np.nan)
        if "renewal" in frame:
            renewal = frame["renewal"].to_numpy(float)
        rows = {
            "customer": found.customer[known].astype(np.int64),
            "month": found.month[known].astype(np.int64),
            "arr": found.arr[known],
            "segment": frame["segment"].array,
            "renewal": renewal,
        }
        events = {
            "customer": found.event_customer[happened].astype(np.int64),
            "month": found.event_month[happened].astype(np.int64),
            "kind": found.event_kind[happened],
            "arr": found.event_arr[happened],
        }
        return pd.DataFrame(rows), pd.DataFrame(events).sort_values(
            ["customer", "month"], kind="stable", ignore_index=True
        )

    def gaps(self) -> np.ndarray:
        """How many months each gap lasted in which a customer was away and came back."""
        last = parse_month(self.months[-1], "month")
        known = self._customer_months(last, last)
        gap = np.diff(known.month)
        away: np.ndarray = gap[(gap > self.step) & (np.diff(known.customer) == 0)] - self.step
        return away

    def reactivation(self) -> float:
        """The ARR of all who were away and came back, at the rates of the first month."""
        start, end = self.entries.months[0], self.entries.months[-1]
        return self._customer_months(start, end).moved("reactivation", start, end)

    def window(self, as_of: str, window: int) -> tuple[int, int]:
        """The month numbers of a window's end and start; raises UsageError if not covered."""
        end, window = self.inside(as_of, "as_of"), whole_of("window", window)
        if window <= 0 or window % self.step:
            unit = {1: "month", 3: "quarter", 12: "year"}[self.step]
            lasting = counted(window, "month does", "months do")
            raise UsageError(
                f"window: {lasting} not fit a ledger with one snapshot a {unit};"
                f" choose a multiple of {self.step}"
            )
        start = end - window
        if month_name(start) not in self._month_set:
            raise UsageError(
                f"a window of {counted(window, 'month')} to {month_name(end)} starts in"
                f" {month_name(start)}, before the ledger does ({self.months[0]});"
                " choose a shorter window or a later as_of"
            )
        return end, start

    @cached_property
    def _month_set(self) -> frozenset[str]:
        return frozenset(self.months)

    def inside(self, month: str, what: str) -> int:
        """The number of a month; raises UsageError, naming `what`, if the ledger has none such."""
        number = self.calendar.parse_month(month, what)
        if month_name(number) not in self._month_set:
            months = _span(self.months, self.step)
            known = self.entries.known
            if known is not None and number > known.last:
                raise UsageError(
                    f"{what}: {month_name(number)} is after the ledger's last month,"
                    f" {month_name(known.last)}, {known.why}; if the export was made later, say"
                    f" when: --until {month_name(number)}"
                )
            zone = "; are its times those of another zone? see --timezone"
            raise UsageError(
                f"{what}: {month_name(number)} is not in the ledger, which has {months}"
                + (zone if self.entries.is_zoned else "")
            )
        return number

    def _customer_months(self, rate_month: int, as_of: int) -> CustomerMonths:
        """The book at the rates of `rate_month`; with grace, as it was known at `as_of`."""
        # one serves all months where nothing is converted, and all dates where no gap is filled
        convert = self.rates is not None and not self.reported
        key = (rate_month if convert else None, as_of if self.grace_months else None)
        if key not in self._by_rates:
            self._by_rates[key] = CustomerMonths.of(self, *key)
        return self._by_rates[key]

    def converted(self, rate_month: int | None) -> np.ndarray:
        """`ndarray[entry]`: ARR in the reporting currency; `rate_month` None: at each month's."""
        frame = self.entries.frame
        arr = frame["arr"].to_numpy()
        if self.rates is None:
            return arr
        money = pd.Series(self.currency, index=frame.index)
        if "currency" in frame:
            money = frame["currency"]
        months = frame["month"].to_numpy()
        if rate_month is not None:
            months = np.full(len(frame), rate_month)
        wanted = pd.MultiIndex.from_arrays([money, months])
        worth = self.rates.reindex(wanted).to_numpy()
        # the currency of the report is worth itself, and needs no rate
        worth = np.where(money.to_numpy() == self.currency, 1.0, worth)
        if np.isnan(worth).any():
            where = wanted[np.isnan(worth)].unique()
            missing = ", ".join(f"{code} in {month_name(int(month))}" for code, month in where[:5])
            raise UsageError(f"rates: there is no rate for {missing}; add it to the file")
        with np.errstate(over="ignore"):
            converted = np.asarray(arr * worth)
        if len(wrong := np.flatnonzero(~(converted < MOST))):
            code, month = wanted[wrong[0]]
            raise UsageError(
                f"rates: {code} in {month_name(int(month))} makes an amount of 1e25 or more a year;"
                " correct the rate"
            )
        return converted


def _sha256_of(entries: Entries) -> str:
    """The hash of entries, column by column."""
    digest = hashlib.sha256(repr((entries.months, entries.unit)).encode())
    digest.update(np.ascontiguousarray(entries.line, dtype=np.int64).tobytes())
    for name in sorted(map(str, entries.frame)):
        column = entries.frame[name]
        digest.update(f"\0{name}\0".encode())
        if isinstance(column.dtype, pd.CategoricalDtype):
            digest.update("\0".join(map(str, column.cat.categories)).encode())
            column = column.cat.codes
        digest.update(column.to_numpy("<f8").tobytes())
    return digest.hexdigest()


TWO_SIZES = (
    f"the ledger has a column {SIZE} of its own, and there are bands of a customer's ARR",
    f"say --size-bands {NO_BANDS} for the column, or for the bands where they begin, such as"
    " --size-bands 10k,50k,100k,1M",
)


def _names_one(notice: Finding, customers: Iterable[str]) -> bool:
    """Whether a notice has a customer's name in it, or seems to."""
    text = f"{notice.problem} {notice.remedy} {notice.field}"
    return any(name in text for name in customers)


def _span(months: Sequence[str], step: int) -> str:
    every = {1: "", 3: ", quarterly", 12: ", annually"}[step]
    return f"{months[0]} to {months[-1]}{every}"
