"""A table of customer-months in a warehouse in, its Movements out; never reads a row.

They are computed there, by `statement`'s SQL. What comes back is sums by label and month, and how
many rows break which rule. What the SQL does not know is refused or told, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding, UsageError, did_you_mean
from nrrsim.ledger.check import STEPS, Entries
from nrrsim.ledger.columns import Named, names_of
from nrrsim.ledger.currency import read_rates, reporting_currency
from nrrsim.ledger.database import Headings, read_headings, read_query
from nrrsim.ledger.habits import LEAST_CHANGING, LEAST_PAID
from nrrsim.ledger.ledger import TWO_SIZES, Ledger
from nrrsim.ledger.reading import AS_IT_IS, Reading
from nrrsim.ledger.records import typed_rows
from nrrsim.ledger.rollforward import CLOSING, COHORT_BY, EMPTY
from nrrsim.ledger.statement import Statement
from nrrsim.ledger.values import ONE_SEGMENT, RULES
from nrrsim.ledger.vocabulary import MEASURES, plain
from nrrsim.messages import whole_of
from nrrsim.months import Calendar, month_name
from nrrsim.movements import CENT, MOVEMENTS, Movements
from nrrsim.notation import counted
from nrrsim.sizebands import SIZE, By, SizeBands

READ_ALL = "read the ledger itself, without --push-down"
SEE_THE_LINES = "run nrrsim check on an extract to see the lines"
# Of the options of reading those that the SQL knows; every other one is refused by its name.
KNOWN = (
    *("columns", "unit", "blank", "fiscal_year_end", "size_bands", "totals", "ids", "rows"),
    "one_off",
)
SETTLED = {"totals": "keep", "ids": "two", "rows": "months", "one_off": "add"}
# Words of ours by which a row may not count: what they do is not in the SQL.
NOT_COMPUTED = ("status", "is_trial", "booked", "beginning")


@dataclass(frozen=True)
class Found:
    """What the checks found: the labels of each column that is asked for, the amount of each month,
    and notices.

    `units` is a ledger of one unit of each currency in each month that has it. It knows which
    months there are and what a currency is worth, and says no in a ledger's words.
    """

    units: Ledger
    labels: Mapping[str, list[str]]
    amounts: pd.Series
    notices: tuple[Finding, ...]


@dataclass(frozen=True)
class Warehouse:
    """A ledger of months that stays in its database; made by `of`.

    A Source of retention, as a Ledger is: `cohort` and `book` of a window are computed there, with
    one query, once. `by` is the column, or the cohort, that may be asked for beside `segment`.
    """

    address: str
    table: str
    statement: Statement
    by: By
    reading: Reading
    asked_currency: str | None
    said: tuple[Finding, ...]
    _windows: dict[tuple[int, int, By], pd.DataFrame] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def of(
        cls,
        address: str,
        table: str,
        by: str = "segment",
        *,
        rates: str | Path | None = None,
        currency: str | None = None,
        reported: bool = False,
        grace_months: int = 0,
        reading: Reading = AS_IT_IS,
    ) -> Warehouse:
        """The table of a database, its columns under our names; no row is read.

        address : `env:NAME`, or a database address without a secret. table : its name, as SQL has
            it. The others are those of `read_ledger`.

        Raises UsageError for what is not computed in a warehouse, DataError for a table that is no
        ledger of months.
        """
        _refuse_options(reading)
        grace_months = whole_of("grace_months", grace_months)
        if grace_months < 0:
            raise UsageError(f"grace_months: {grace_months} is negative")
        worth, said = None, tuple[Finding, ...]()
        if rates is not None:
            worth, said = read_rates(rates, reading.calendar)
        headings = read_headings(address, table)
        named = _named(table, headings, reading)
        parts = _split_by(table, headings, named, by, reading)
        if worth is not None and not _has(named, "currency"):
            worth = None
        zero = reading.blank == "zero"
        statement = Statement(headings, named, worth, reported, grace_months, zero)
        return cls(address, table, statement, parts, reading, currency, said)

    def split_by(self, by: By) -> By:
        """What is meant by `by`: by `size` the size bands that were asked for."""
        return self.by if by == SIZE and isinstance(self.by, SizeBands) else by

    # --- what a Source of retention has -----------------------------------------------------------

    @property
    def calendar(self) -> Calendar:
        """The company's quarters and years."""
        return self.reading.calendar

    @property
    def step(self) -> int:
        """Months between two snapshots: 1, 3 or 12."""
        return self.found.units.step

    @property
    def months(self) -> list[str]:
        """Every month of the ledger, "YYYY-MM"."""
        return self.found.units.months

    @property
    def currency(self) -> str:
        """The reporting currency; "" where nobody says."""
        return self.found.units.currency

    @property
    def notices(self) -> tuple[Finding, ...]:
        """What to know about the ledger that does not make a number wrong."""
        return self.found.notices

    def inside(self, month: str, what: str) -> int:
        """The number of a month; raises UsageError, naming `what`, if the ledger has none such."""
        return self.found.units.inside(month, what)

    def cohort(self, as_of: str, window: int = 12, by: By = "segment") -> Movements:
        """As `Ledger.cohort`: the Movements of those with an amount at the window's start."""
        end, start = self.found.units.window(as_of, window)
        by = self.split_by(by)
        rows = self._of_window(start, end, by)
        return self._movements(rows[rows["in_cohort"] == 1], start, end, by, closed=True)

    def book(self, start: str, end: str, by: By = "segment") -> Movements:
        """As `Ledger.book`: the Movements of all customers from `start` to `end`."""
        last, units = self.calendar.parse_month(end, "end"), self.found.units
        _, first = units.window(end, last - self.calendar.parse_month(start, "start"))
        by = self.split_by(by)
        return self._movements(self._of_window(first, last, by), first, last, by, closed=False)

    def apart(self, as_of: str, window: int = 12, by: By = "segment") -> int:
        """How many customers are parts of several labels: none, as such a split is refused."""
        self.cohort(as_of, window, by)
        return 0

    # --- what the database answers ----------------------------------------------------------------

    @cached_property
    def found(self) -> Found:
        """What is in the table; raises DataError with all that is wrong with it."""
        return self._judged(self._answer(self.statement.checks(self.by)))

    def statements(self, as_of: str, window: int = 12) -> list[str]:
        """The SQL that is sent for a window, in the database's dialect; none of it is run."""
        end = self.calendar.parse_month(as_of, "as_of")
        if self.statement.rates is not None and self.asked_currency is None:
            raise UsageError("currency: say which currency to report in, such as currency: USD")
        currency = self.asked_currency or ""
        bands = (self.by.two(),) if isinstance(self.by, SizeBands) else ()
        asked = dict.fromkeys(("segment", self.by, *bands))
        return [
            self.statement.checks(self.by),
            *(self.statement.rollforward(by, end - window, end, currency) for by in asked),
        ]

    def _answer(self, sql: str) -> pd.DataFrame:
        frame = read_query(self.address, sql).frame
        # some databases write the names of columns in capitals
        return frame.set_axis([str(name).lower() for name in frame], axis=1)

    def _of_window(self, start: int, end: int, by: By) -> pd.DataFrame:
        """The sums of a window by label, of its cohort or not, and month."""
        if (start, end, by) not in self._windows:
            how = self.statement
            # refuses where a rate is missing
            self.found.units.converted(None if how.reported else start)
            rows = self._answer(how.rollforward(by, start, end, self.currency))
            rows = rows.astype({name: float for name in rows if name != "label"})
            self._refuse_change(rows, start, end)
            self._windows[start, end, by] = rows
        return self._windows[start, end, by]

    def _refuse_change(self, rows: pd.DataFrame, start: int, end: int) -> None:
        """Raise UsageError where months hold other amounts than when they were checked."""
        if self.statement.rates is not None or self.statement.grace_months:
            return
        closing = rows.groupby("month")["closing"].sum()
        checked = self.found.amounts.loc[start:end]
        off = (closing.reindex(checked.index).fillna(0) - checked).abs()
        if (off > np.maximum(CENT, 1e-9 * checked)).any():
            raise UsageError(
                f"{self.address}: {self.table} was changed while it was computed; wait for who"
                " writes it, and repeat"
            )

    def _movements(
        self, rows: pd.DataFrame, start: int, end: int, by: By, closed: bool
    ) -> Movements:
        if apart := int(rows["apart"].sum()):
            raise UsageError(
                f"by: {counted(apart, 'customer has', 'customers have')} lines under several values"
                f" of {by}, and in a warehouse nobody is parted; {READ_ALL}"
            )
        labels, code = self._codes(rows["label"].tolist(), by)
        months = np.arange(start, end + 1, self.step)
        cell = code * len(months) + (rows["month"].to_numpy(int) - start) // self.step
        shape = (len(labels), len(months))

        def by_month(name: str) -> np.ndarray:
            sums = np.bincount(cell, rows[name].to_numpy(float), shape[0] * shape[1])
            return np.asarray(sums.reshape(shape))

        levels = {name: by_month(name) for name in CLOSING}
        arrays = {name: values[:, 1:] for name, values in levels.items()}
        arrays |= {name: by_month(name)[:, 1:] for name in MOVEMENTS}
        arrays |= {
            "opening": levels["closing"][:, :-1],
            "opening_customers": levels["customers"][:, :-1],
        }
        names = [month_name(int(month)) for month in months[1:]]
        return Movements.of(
            arrays, segments=labels, months=names, start=month_name(start), closed=closed
        )

    def _codes(self, told: list[str], by: By) -> tuple[list[str], np.ndarray]:
        """The labels in order, and the number of each that is told."""
        labels = by.names if isinstance(by, SizeBands) else self.found.labels[by]
        if isinstance(by, SizeBands) or by not in COHORT_BY:
            return labels, np.asarray(pd.Index(labels).get_indexer(pd.Index(told)))
        # of a cohort the months of first revenue are told
        calendar, unit, earliest = self.calendar, COHORT_BY[by], self.found.units.entries.months[0]
        before = calendar.unit_of(earliest, unit) - 1

        def cohorts(months: list[str]) -> np.ndarray:
            since = np.array(list(map(int, months)), dtype=np.int64)
            return np.where(since == earliest, before, calendar.unit_of(since, unit))

        numbers = np.unique(cohorts(labels))
        first = f"until {month_name(earliest)}"
        names = [
            first if number == before else calendar.name(int(number), unit) for number in numbers
        ]
        return names, np.searchsorted(numbers, cohorts(told))

    # --- what is wrong with the table -------------------------------------------------------------

    def _judged(self, told: pd.DataFrame) -> Found:
        """What the checks say; raises DataError with every rule that is broken."""
        told = told.astype({"month": float, "n": float, "amount": float}).fillna(
            {"month": 0, "n": 0, "amount": 0}
        )
        told = told.astype({"month": np.int64, "n": np.int64})
        of = {str(what): rows.set_index("name") for what, rows in told.groupby("what")}
        rows, zeros, off = (int(of[what]["n"].iloc[0]) for what in ("rows", "zeros", "off"))
        broken = {str(rule): int(n) for rule, n in of["finding"]["n"].items()}
        findings = [self._broken(rule, n) for rule, n in broken.items() if n and self._asks(rule)]
        findings += self._habits(of["life"])
        by_month = told[told["what"] == "month"].set_index("month")["amount"].sort_index()
        step, holes = self._step(by_month.index.to_numpy())
        findings += holes
        if not rows:
            problem, remedy = "there are no rows", "a ledger has one for each customer and month"
            findings = [self._finding(problem, remedy)]
        elif "label" not in of and not findings:
            problem = "there is no positive amount (what rounds to no cent a year is none)"
            findings = [self._finding(problem, "a ledger has a row for each customer and month")]
        findings += self._currencies(of) if not findings else []
        if findings:
            raise DataError(findings)

        # a database gives groups in any order, and what is wrong is told in one
        paid = of["currency"].reset_index().sort_values(["name", "month"], ignore_index=True)
        units = pd.DataFrame({"month": paid["month"], "arr": 1.0})
        if _has(self.statement.named, "currency"):
            units["currency"] = paid["name"]
        unit = "arr" if self.statement.named.unit == "arr" else "mrr"
        months = tuple(map(int, by_month.index))
        line = np.zeros(len(units), dtype=np.int64)
        entries = Entries(units, line, unit, step, (), rows, zeros, months)
        how = self.statement
        currency = reporting_currency(entries, how.rates, self.asked_currency)
        shared = (currency, how.rates, how.reported, how.grace_months, self.reading)
        labels = {what: sorted(map(str, of[what].index)) for what in ("segment", "label")}
        # what has no value comes last
        told_here = sorted(labels.pop("label"), key=lambda each: (each == EMPTY, each))
        if not isinstance(self.by, SizeBands):
            labels[self.by] = told_here
        return Found(Ledger(entries, *shared), labels, by_month, self._notices(zeros, off))

    def _currencies(self, of: Mapping[str, pd.DataFrame]) -> list[Finding]:
        codes = sorted(set(map(str, of["currency"].index)))
        if len(codes) < 2 or self.statement.rates is not None:
            return []
        problem = f"there are {len(codes)} currencies ({', '.join(codes)}) and no rates"
        return [self._finding(problem, "give rates: a file with month,currency,rate", "currency")]

    def _asks(self, rule: str) -> bool:
        """Whether a rule holds of this table: no option has settled it."""
        if rule == "amount.empty":
            return self.reading.blank != "zero"
        return self.reading.said.get(rule) != SETTLED.get(rule, "")

    def _broken(self, rule: str, number: int) -> Finding:
        """How often a rule is broken, and the remedy of the ledger's check."""
        if rule in TOLD:
            one, several, remedy = TOLD[rule]
            return self._finding(counted(number, one, several), f"{remedy}; {SEE_THE_LINES}")
        column, _, _ = rule.partition(".")
        word = {"amount": self.statement.named.unit, "text": "customer"}.get(column, column)
        problem, remedy = RULES.get(rule) or RULES_OF_ITS_OWN[rule]
        told = problem.format("it") if "{}" in problem else f"it {problem}"
        return self._finding(
            f"in {counted(number, 'row')} {told}", f"{remedy}; {SEE_THE_LINES}", word
        )

    def _habits(self, lives: pd.DataFrame) -> list[Finding]:
        """Ask whether a row is a month where customers' lives look like changes or payments."""
        if self.reading.rows is not None:
            return []
        n, amount = lives["n"], lives["amount"]
        if n["changing"] > n["several"] / 2 and n["changing"] >= LEAST_CHANGING:
            problem = (
                f"{n['changing']:,} of {counted(int(n['several']), 'customer')} with two rows or"
                " more stand in fewer than half of the months between their first and their last:"
                " this looks like a log of changes, not a row a month"
            )
        elif n["paying"] and amount["paying"] / amount["all"] >= LEAST_PAID:
            problem = (
                f"{counted(int(n['paying']), 'customer')} stand only every 3, 6 or 12 months: these"
                " look like payments, not like what recurs in a month"
            )
        else:
            return []
        remedy = f"if a row is a month, say so with --rows months; else {READ_ALL}"
        return [self._finding(problem, remedy)]

    def _step(self, months: np.ndarray) -> tuple[int, list[Finding]]:
        """The months between two snapshots, and what is wrong with them."""
        if len(months) < 2:
            return 1, []
        gaps = np.diff(months)
        step = math.gcd(*map(int, gaps))
        if step not in STEPS:
            problem = (
                f"snapshots lie {step} months apart, such as {month_name(int(months[0]))} and"
                f" {month_name(int(months[1]))}"
            )
            return step, [self._finding(problem, "a ledger is monthly, quarterly or annual")]
        holes = [int(months[at]) + step for at in np.flatnonzero(gaps > step)]
        remedy = "add the month, or every customer would seem to leave and come back"
        return step, [
            self._finding(f"there is no row for {month_name(hole)}", remedy, "month")
            for hole in holes
        ]

    def _notices(self, zeros: int, off: int) -> tuple[Finding, ...]:
        """What is said beside the numbers, what was not looked for among it."""
        named, role = self.statement.named, self.statement.headings.role
        said = [
            (
                "computed in the warehouse, and no row was read: names that look the same, renamed"
                " customers and characters that nobody sees were not looked for",
                "nrrsim check on an extract does",
            ),
            *((each, "") for each in named.says),
        ]
        if not _has(named, "segment"):
            remedy = f"all customers are read as one segment, {ONE_SEGMENT}"
            said.append(("there is no column segment", remedy))
        if zeros:
            problem = f"{counted(zeros, 'row holds', 'rows hold')} the amount 0"
            said.append((problem, "a zero is read as no row: not a customer in that month"))
        if off:
            problem = f"quantity x unit_price is not the {named.unit} in {counted(off, 'row')}"
            said.append((problem, "rises there are booked as unsplit, not as price and adoption"))
        if role:
            problem = "nrrsim cannot make a session of this database read-only"
            said.append((problem, f"log in with {role}"))
        return (*self.said, *(self._finding(*each) for each in said))

    def _finding(self, problem: str, remedy: str = "", field_: str = "") -> Finding:
        return Finding(self.table, 0, problem, remedy, field_)


# What is wrong with several rows together, or asked: of one, of several, and what to do.
TOLD = {
    "key.once": (
        "month of a customer stands more than once",
        "months of a customer stand more than once",
        "add the amounts up, or keep one of the rows, in a view",
    ),
    "segment.one": (
        "month of a customer has two segments",
        "months of a customer have two segments",
        "a customer has one segment a month",
    ),
    "totals": (
        "customer may be the total of others, by its name or by its sums",
        "customers may be the totals of others, by their names or by their sums",
        "leave totals out in a view, or say --totals keep if they are customers",
    ),
    "ids": (
        "id is written with and without leading zeros",
        "ids are written with and without leading zeros",
        "write each in one way in a view, or say --ids two if they are two customers",
    ),
    "names": (
        "name goes on under another id",
        "names go on under another id",
        "say what the customer is with --column customer=...",
    ),
    "one_off": (
        "row is of a one-off item such as onboarding",
        "rows are of one-off items such as onboarding",
        "leave them out in a view, or say --one-off add if they recur",
    ),
}
RULES_OF_ITS_OWN = {
    "amount.empty": ("is empty", "fill in what is missing, or say --blank zero if it is nothing"),
    "amount.size": ("{} is infinite, no number, or 1e25 or more a year", "correct it"),
}
KINDS_IN_WORDS = {
    "text": "text",
    "whole": "a whole number",
    "number": "a number",
    "date": "a date",
}
OF_WORDS = {
    "customer": ("text", "whole"),
    "name": ("text", "whole"),
    "month": ("date", "text"),
    "segment": ("text", "whole"),
    "product": ("text", "whole"),
    "currency": ("text",),
    "quantity": ("number", "whole"),
    "unit_price": ("number", "whole"),
    "mrr": ("number", "whole"),
    "arr": ("number", "whole"),
}


def _has(named: Named, word: str) -> bool:
    """Whether the table says it of each row, or the amount's heading of all."""
    return word in named.ours or (word == "currency" and bool(named.currency))


def _refuse_options(reading: Reading) -> None:
    """Raise UsageError for what is said of reading and is not in the SQL."""
    for option, value in reading.said.items():
        if option not in KNOWN or (option in SETTLED and value != SETTLED[option]):
            name = {"columns": "column"}.get(option, option).replace("_", "-")
            written = f" {value}" if option in SETTLED else ""
            raise UsageError(
                f"--{name}{written}: is not computed in a warehouse; make a view in which it is"
                f" done, or {READ_ALL}"
            )


def _split_by(table: str, headings: Headings, named: Named, by: str, reading: Reading) -> By:
    """What is meant by `by`, as `Ledger.split_by` has it.

    Raises UsageError where the table has no such column to split by, or one of another kind.
    """
    if by == "segment" or by in COHORT_BY:
        return by
    if by == SIZE and reading.bands is not None:
        if reading.size_bands is None and SIZE in headings.kinds:
            raise DataError([Finding("by", 0, *TWO_SIZES, option="size_bands")])
        return reading.bands
    texts = [word for word in ("product", "currency") if word in named.ours]
    own = [heading for heading in headings.kinds if heading not in named.ours.values()]
    if by not in (*texts, *own):
        known = ["segment", *texts, *own, *COHORT_BY, SIZE]
        raise UsageError(f"by: the ledger has no column {by}; {did_you_mean(by, known)}")
    heading, kinds = named.ours.get(by, by), ("text", "whole")
    if headings.kinds[heading] not in kinds:
        raise UsageError(f"{table}: {_of_kind(by, heading, headings.kinds[heading], kinds)}")
    return by


def _named(table: str, headings: Headings, reading: Reading) -> Named:
    """The columns under our names; raises DataError for a table that is no ledger of months."""
    empty = pd.DataFrame(columns=pd.Index([*headings.kinds], dtype=object), dtype=object)
    named = names_of(typed_rows(table, empty), reading)
    findings = list(named.asked)
    refuse = partial(Finding, table, 0)
    if named.shape.recognised_by:
        problem = "is laid out as an export, whose rules are not computed in a warehouse"
        findings.append(refuse(problem, READ_ALL))
    measures = [each for each in headings.kinds if plain(each) in MEASURES]
    for word in [*(word for word in NOT_COMPUTED if word in named.ours), *measures]:
        problem = f"the column {named.ours.get(word, word)} says which rows count, or how"
        remedy = f"make a view of the rows that count, a customer and month each, or {READ_ALL}"
        findings.append(refuse(problem, remedy))
    if named.minor or named.scale != 1.0:
        problem = "amounts are in cents, thousands or millions, by a heading"
        findings.append(refuse(problem, "make a view with whole units"))
    unit = named.unit
    if "start" in named.ours and "month" not in named.ours:
        problem = "a row is a subscription with its start, and no month"
        remedy = f"make a view with a row for each customer and month, or {READ_ALL}"
        raise DataError([*findings, refuse(problem, remedy)])
    for word in ("customer", "month", unit or "mrr"):
        if word not in named.ours:
            what = "amount" if word == "mrr" else f"column {word}"
            there = ", ".join(headings.kinds)
            remedy = f"name your heading for it with --column {word}=...; there are: {there}"
            findings.append(refuse(f"there is no {what}", remedy))
    if unit == "amount":
        problem = "whether the amounts are MRR or ARR is not in the table"
        findings.append(refuse(problem, "say so with --unit mrr or --unit arr"))
    for word, kinds in OF_WORDS.items():
        heading = named.ours.get(word)
        if heading is not None and headings.kinds[heading] not in kinds:
            findings.append(refuse(_of_kind(word, heading, headings.kinds[heading], kinds)))
    if findings:
        raise DataError(findings)
    return named


def _of_kind(word: str, heading: str, kind: str, kinds: Sequence[str]) -> str:
    wanted = " or ".join(KINDS_IN_WORDS[each] for each in kinds)
    said = f"{word} is the column {heading}" if word != heading else f"the column {heading}"
    is_ = "and holds" if word != heading else "holds"
    return (
        f"{said} {is_} {KINDS_IN_WORDS.get(kind, kind)}; in a warehouse it is computed from"
        f" {wanted}: make a view with such a column"
    )
