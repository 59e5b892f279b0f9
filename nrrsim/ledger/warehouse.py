"""A table of customer-months in a warehouse in, its Movements out, computed there; never reads a row.

The SQL is written once (`sql/checks.sql`, `sql/rollforward.sql`), in the part of the language that
every warehouse has, and put into the dialect of this one by sqlglot. What comes back is sums by
label and month, and how many rows break which rule. What a rule of the ledger's check cannot say in
SQL is refused or told, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding, UsageError, did_you_mean
from nrrsim.ledger.check import STEPS, Entries
from nrrsim.ledger.columns import Named, names_of
from nrrsim.ledger.currency import read_rates, reporting_currency
from nrrsim.ledger.database import Headings, read_headings, read_query
from nrrsim.ledger.habits import LEAST_CHANGING, LEAST_PAID
from nrrsim.ledger.ledger import Ledger
from nrrsim.ledger.reading import AS_IT_IS, Reading
from nrrsim.ledger.records import typed_rows
from nrrsim.ledger.rollforward import CLOSING, COHORT_BY, EMPTY
from nrrsim.ledger.statuses import ONE_OFF
from nrrsim.ledger.values import MOST, ONE_SEGMENT, RULES
from nrrsim.ledger.vocabulary import MEASURES, plain
from nrrsim.months import YEARS, Calendar, month_name
from nrrsim.movements import GAINS, LOSSES, Movements
from nrrsim.notation import counted

if TYPE_CHECKING:
    from sqlglot import exp

SQL = Path(__file__).parent / "sql"
READ_ALL = "read the ledger itself, without --push-down"
SEE_THE_LINES = "run nrrsim check on an extract to see the lines"
# How a month is written where it is text: YYYY-MM or YYYY-MM-DD, of a day that its month has.
MONTH_TEXT = (
    "^[0-9]{4}-((0[1-9]|1[0-2])(-(0[1-9]|1[0-9]|2[0-9]))?|(0[13-9]|1[0-2])-30|(0[13578]|1[02])-31)$"
)
# Of the options of reading those that the SQL knows; every other one is refused by its name.
KNOWN = ("columns", "unit", "blank", "fiscal_year_end", "totals", "ids", "rows", "one_off")
SETTLED = {"totals": "keep", "ids": "two", "rows": "months", "one_off": "add"}
# Words of ours of which a row may not count, or is no month: what they do is not in the SQL.
NOT_COMPUTED = (
    "status",
    "is_trial",
    "booked",
    "beginning",
    "interval",
    "start",
    "stopped",
    "total",
)
# Names that say total, and companies called so, as `totals` has them: in the regular expressions
# that every warehouse has, of a whole name in small letters.
_TOTAL = (
    "((grand|sub|net|overall) ?)?totals?|gesamt(summe|ergebnis|betrag)?|insgesamt"
    "|(zwischen|teil|end)?summe"
)
SAYS_TOTAL = (
    f"^[^a-z]*({_TOTAL})([^a-z].*)?$",
    f"^.*[^a-z]({_TOTAL}|ergebnis)[^a-z]*$",
    "^[^a-z]*((sum|ergebnis)( of all)?|all (customers|clients|accounts)|alle kunden)[^a-z]*$",
)
A_COMPANY = (
    "^[^a-z]*total( .*)?[^a-z](inc|incorporated|corp|corporation|company|ltd|limited|llc|llp|plc"
    "|gmbh|mbh|sarl|sas|spa|srl|pty|pte)[^a-z]*$"
)
NO_COMPANY = "^[^a-z]*total (for|of) .*$"
FLOWS = (*GAINS, *LOSSES)
# What the SQL may be made of, by sqlglot's names: what every warehouse computes alike.
PORTABLE = frozenset(
    [
        "abs",
        "and",
        "case",
        "cast",
        "chr",
        "coalesce",
        "count",
        "extract",
        "if",
        "lag",
        "lead",
        "length",
        "like",
        "lower",
        "max",
        "min",
        "mod",
        "nullif",
        "not",
        "or",
        "regexplike",
        "rownumber",
        "strposition",
        "substring",
        "sum",
        "trim",
        "trycast",
        "upper",
    ]
)


@dataclass(frozen=True)
class Found:
    """What the checks found: the ledger's months and the step between them, labels by column, and
    notices.

    `units` is a ledger of one unit of each currency in each month that has it. It knows which
    months there are and what each currency is worth, and says no in a ledger's words.
    """

    units: Ledger
    segments: list[str]
    labels: list[str]
    notices: tuple[Finding, ...]


@dataclass(frozen=True)
class Warehouse:
    """A ledger of months that stays in its database; made by `of`.

    A Source of retention, as a Ledger is: `cohort` and `book` are computed there, each with one
    query, once.
    """

    address: str
    name: str
    headings: Headings
    named: Named
    by: str = "segment"
    reading: Reading = AS_IT_IS
    rates: pd.Series | None = None
    asked_currency: str | None = None
    reported: bool = False
    grace_months: int = 0
    _rolled: dict[tuple[int, int, str], pd.DataFrame] = field(
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

        address : `env:NAME` or a database address. by : the column, or cohort, that is asked for
            beside `segment`. The others are those of `read_ledger`.

        Raises UsageError for what is not computed in a warehouse, DataError for a table that is no
        ledger of months.
        """
        said = reading.said
        for option in said:
            if option not in KNOWN or said[option] != SETTLED.get(option, said[option]):
                name = {"columns": "column"}.get(option, option).replace("_", "-")
                value = f" {said[option]}" if option in SETTLED else ""
                raise UsageError(
                    f"--{name}{value}: is not computed in a warehouse; make a view in which it is"
                    f" done, or {READ_ALL}"
                )
        headings = read_headings(address, table)
        named = _named(table, headings, reading)
        calendar, worth, notices = reading.calendar, None, tuple[Finding, ...]()
        if rates is not None:
            worth, notices = read_rates(rates, calendar)
        named = replace(named, says=(*named.says, *map(str, notices)))
        found = cls(
            address, table, headings, named, by, reading, worth, currency, reported, grace_months
        )
        found._label(by)  # refuses what the table has not
        return found

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

    def cohort(self, as_of: str, window: int = 12, by: str = "segment") -> Movements:
        """As `Ledger.cohort`: the Movements of those with an amount at the window's start."""
        end, start = self.found.units.window(as_of, window)
        rows = self._of_window(start, end, by)
        return self._movements(rows[rows["in_cohort"] == 1], start, end, by, closed=True)

    def book(self, start: str, end: str, by: str = "segment") -> Movements:
        """As `Ledger.book`: the Movements of all customers from `start` to `end`."""
        last, units = self.calendar.parse_month(end, "end"), self.found.units
        _, first = units.window(end, last - self.calendar.parse_month(start, "start"))
        return self._movements(self._of_window(first, last, by), first, last, by, closed=False)

    def apart(self, as_of: str, window: int = 12, by: str = "segment") -> int:
        """How many customers are parts of several labels: none, as such a split is refused."""
        self.cohort(as_of, window, by)
        return 0

    # --- what the database answers ----------------------------------------------------------------

    @cached_property
    def found(self) -> Found:
        """The ledger's months, labels and currencies; raises DataError with all that is wrong."""
        return self._judged(self._answer(self._sql("checks", self.by, None)))

    def statements(self, as_of: str, window: int) -> list[str]:
        """The SQL that is sent for one window, in the database's dialect; none of it is run."""
        end = self.calendar.parse_month(as_of, "as_of")
        return [
            self._sql("checks", self.by, None),
            self._sql("rollforward", self.by, (end - window, end)),
        ]

    def _of_window(self, start: int, end: int, by: str) -> pd.DataFrame:
        """The sums of a window by label, of the cohort or not, and month."""
        if (start, end, by) not in self._rolled:
            units = self.found.units
            units.converted(None if self.reported else start)  # refuses where a rate is missing
            rows = self._answer(self._sql("rollforward", by, (start, end)))
            self._rolled[start, end, by] = rows.astype(
                {name: float for name in rows if name != "label"}
            )
        return self._rolled[start, end, by]

    def _answer(self, sql: str) -> pd.DataFrame:
        frame = read_query(self.address, sql).frame
        # some databases write the names of columns in capitals
        return frame.set_axis([str(name).lower() for name in frame], axis=1)

    def _movements(
        self, rows: pd.DataFrame, start: int, end: int, by: str, closed: bool
    ) -> Movements:
        if apart := int(rows["apart"].sum()):
            raise UsageError(
                f"by: {counted(apart, 'customer has', 'customers have')} lines under several values"
                f" of {by}, and in a warehouse nobody is parted; {READ_ALL}"
            )
        labels, code = self._codes(rows["label"], by)
        months = np.arange(start, end + 1, self.step)
        cell = code * len(months) + (rows["month"].to_numpy(int) - start) // self.step
        shape = (len(labels), len(months))

        def by_month(name: str) -> np.ndarray:
            sums = np.bincount(cell, rows[name].to_numpy(float), shape[0] * shape[1])
            return np.asarray(sums.reshape(shape))

        levels = {name: by_month(name) for name in CLOSING}
        arrays = {name: values[:, 1:] for name, values in levels.items()}
        arrays |= {name: by_month(name)[:, 1:] for name in FLOWS}
        arrays |= {
            "opening": levels["closing"][:, :-1],
            "opening_customers": levels["customers"][:, :-1],
        }
        names = [month_name(int(month)) for month in months[1:]]
        return Movements.of(
            arrays, segments=labels, months=names, start=month_name(start), closed=closed
        )

    def _codes(self, told: pd.Series, by: str) -> tuple[list[str], np.ndarray]:
        """The labels in order, and the number of each that is told."""
        if by not in COHORT_BY:
            labels = self.found.segments if by == "segment" else self.found.labels
            return labels, pd.Index(labels).get_indexer(told)
        unit, earliest = COHORT_BY[by], self.found.units.entries.months[0]
        before = self.calendar.unit_of(earliest, unit) - 1

        def cohorts(months: Sequence[Any]) -> np.ndarray:
            since = np.array([int(month) for month in months], dtype=np.int64)
            return np.where(since == earliest, before, self.calendar.unit_of(since, unit))

        numbers = np.unique(cohorts(self.found.labels))
        names = [
            f"until {month_name(earliest)}"
            if number == before
            else self.calendar.name(int(number), unit)
            for number in numbers
        ]
        return names, np.searchsorted(numbers, cohorts(told.tolist()))

    # --- what is wrong with the table -------------------------------------------------------------

    def _judged(self, told: pd.DataFrame) -> Found:
        """What the checks say; raises DataError with every rule that is broken."""
        told = told.assign(
            month=told["month"].astype(float).fillna(0).astype(np.int64),
            n=told["n"].astype(float).fillna(0).astype(np.int64),
            amount=told["amount"].astype(float).fillna(0.0),
        )
        of = {str(what): rows.set_index("name") for what, rows in told.groupby("what")}
        number = of["finding"]["n"].to_dict()
        findings = [self._broken(rule, n) for rule, n in number.items() if n and self._asks(rule)]
        findings += self._habits(of["life"])
        if not int(of["rows"]["n"].iloc[0]):
            self._refuse("there are no rows", "a ledger has one row for each customer and month")
        months = np.sort(of["month"]["month"].to_numpy()) if "month" in of else np.array([], int)
        step, holes = self._step(months)
        findings += holes
        if "label" not in of and not findings:
            findings = [self._finding("there is no positive amount", "check the column of amounts")]
        if findings:
            raise DataError(findings)

        currencies = of["currency"].reset_index() if self._has("currency") else None
        if currencies is not None and self.rates is None and currencies["name"].nunique() > 1:
            codes = sorted(set(currencies["name"]))
            self._refuse(
                f"there are {len(codes)} currencies ({', '.join(codes)}) and no rates",
                "give rates: a file with month,currency,rate",
            )
        named = told[told["what"] == "currency"]
        frame = pd.DataFrame({"month": named["month"].to_numpy(), "arr": 1.0})
        if currencies is not None:
            frame["currency"] = named["name"].to_numpy()
        entries = Entries(
            frame=frame,
            line=np.zeros(len(frame), dtype=np.int64),
            unit=self.named.unit,
            step=step,
            notices=(),
            rows=int(of["rows"]["n"].iloc[0]),
            zeros=int(of["zeros"]["n"].iloc[0]),
            months=tuple(map(int, months)),
        )
        ours = reporting_currency(entries, self.rates, self.asked_currency)
        units = Ledger(entries, ours, self.rates, self.reported, self.grace_months, self.reading)
        labels = [*map(str, of["label"].index)]
        last = [EMPTY] if EMPTY in labels else []
        return Found(
            units,
            sorted(map(str, of["segment"].index)),
            sorted(set(labels) - {EMPTY}) + last,
            self._notices(entries, int(of["off"]["n"].iloc[0])),
        )

    def _asks(self, rule: str) -> bool:
        """Whether a rule holds of this table, and no option has settled it."""
        option, said = rule, self.reading.said
        if rule == "amount.empty":
            return said.get("blank") != "zero"
        return said.get(option) != SETTLED.get(option, "")

    def _broken(self, rule: str, number: int) -> Finding:
        """How often a rule is broken, in the words of the ledger's check."""
        column, _, _ = rule.partition(".")
        field_ = {"amount": self.named.unit, "key": "", "text": "customer"}.get(column, column)
        if rule in ASKED:
            problem, remedy = ASKED[rule]
            return self._finding(problem.format(number), f"{remedy}; {SEE_THE_LINES}")
        problem, remedy = RULES.get(rule, ("is empty", "fill in what is missing, or --blank zero"))
        of_what = "customer, month and product" if self._has("product") else "customer and month"
        what = (
            "customer-month"
            if column in ("key", "segment") and rule[-3:] in ("nce", "one")
            else "cell"
        )
        told = problem.format(of_what if rule == "key.once" else "it")
        return self._finding(
            f"{counted(number, what)}: {told}", f"{remedy}; {SEE_THE_LINES}", field_
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

    def _notices(self, entries: Entries, off: int) -> tuple[Finding, ...]:
        """What is said beside the numbers, what was not looked at among it."""
        said = [self._finding(each) for each in self.named.says]
        if not self._has("segment"):
            problem = "there is no column segment"
            remedy = f"all customers are read as one segment, {ONE_SEGMENT}"
            said.append(self._finding(problem, remedy))
        if entries.zeros:
            problem = f"{counted(entries.zeros, 'row holds', 'rows hold')} the amount 0"
            said.append(self._finding(problem, "a zero is read as no row"))
        if off:
            problem = f"quantity x unit_price is not the {self.named.unit} in {counted(off, 'row')}"
            remedy = "rises there are booked as unsplit, not as price and adoption"
            said.append(self._finding(problem, remedy))
        said.append(
            self._finding(
                "computed in the warehouse: no row was read, so that names that look the same,"
                " renamed customers and characters that nobody sees were not looked for",
                "nrrsim check on an extract does",
            )
        )
        if self.headings.role:
            problem = "nrrsim cannot make a session of this database read-only"
            said.append(self._finding(problem, f"log in with {self.headings.role}"))
        return tuple(said)

    def _finding(self, problem: str, remedy: str = "", field_: str = "") -> Finding:
        return Finding(self.name, 0, problem, remedy, field_)

    def _refuse(self, problem: str, remedy: str) -> None:
        raise DataError([self._finding(problem, remedy)])

    # --- the SQL ----------------------------------------------------------------------------------

    def _has(self, word: str) -> bool:
        return word in self.named.ours or (word == "currency" and bool(self.named.currency))

    def _sql(self, name: str, by: str, window: tuple[int, int] | None) -> str:
        """One of the two queries in the database's dialect, of this table."""
        from sqlglot import exp, parse_one

        tree = parse_one((SQL / f"{name}.sql").read_text("utf-8"), read="postgres")
        written = next(each for each in tree.find_all(exp.CTE) if each.alias == "written")
        start, end = window or (None, None)
        written.set("this", self._written(by, start))
        values: dict[str, Any] = {"start": start, "as_of": end, "grace": self.grace_months}
        values |= {"most": _number(MOST), **_names()}
        return rendered(exp.replace_placeholders(tree, **values), self.headings.dialect)

    def _written(self, by: str, start: int | None) -> exp.Select:
        """The table's rows under our names, in types that every database has."""
        from sqlglot import exp

        def text(word: str) -> exp.Expr:
            return exp.cast(self._column(word), "text")

        def number(word: str) -> exp.Expr:
            has = word in self.named.ours
            return exp.cast(self._column(word) if has else exp.null(), "double")

        unit = self.named.unit
        amount = number(unit)
        if self.reading.blank == "zero":
            amount = exp.Coalesce(this=amount, expressions=[_number(0)])
        own = exp.Mul(this=amount.copy(), expression=_number(12 if unit == "mrr" else 1))
        currency = (
            exp.Upper(this=exp.Trim(this=text("currency")))
            if "currency" in self.named.ours
            else None
        )
        none = exp.Literal.string("-")
        columns = {
            "customer": text("customer"),
            "name": text("name") if "name" in self.named.ours else exp.cast(exp.null(), "text"),
            "month": self._month(),
            "segment": text("segment") if self._has("segment") else exp.Literal.string(ONE_SEGMENT),
            "product": text("product") if self._has("product") else none,
            "items": self._items(),
            "currency": currency or exp.Literal.string(self.named.currency or "-"),
            "amount": amount,
            "own": own,
            "arr": self._converted(own.copy(), currency, start),
            "quantity": number("quantity"),
            "unit_price": number("unit_price"),
        }
        rows = exp.select(*(exp.alias_(each, name) for name, each in columns.items())).from_(
            self.headings.table.copy()
        )
        label = self._label(by)
        if label is not None:
            return rows.select(exp.alias_(label, "label"))
        # of a cohort it is the month of the first revenue
        since = "CAST(MIN(CASE WHEN ABS(own) >= 0.005 THEN month END) OVER (PARTITION BY customer) AS TEXT)"
        return exp.select(*columns, f"{since} AS label").from_(rows.subquery("rows_written"))

    def _label(self, by: str) -> exp.Expr | None:
        """What a row is split by; None for a cohort. Raises UsageError for no column of the table."""
        from sqlglot import exp

        if by in COHORT_BY:
            return None
        if by == "segment":
            if not self._has("segment"):
                return exp.Literal.string(ONE_SEGMENT)
            return exp.cast(self._column("segment"), "text")
        used = {theirs: ours for ours, theirs in self.named.ours.items()}
        own = [heading for heading in self.headings.kinds if heading not in used]
        texts = [word for word in ("product", "currency") if word in self.named.ours]
        if by not in (*own, *texts):
            known = ["segment", *texts, *own, *COHORT_BY]
            raise UsageError(f"by: the ledger has no column {by}; {did_you_mean(by, known)}")
        heading = self.named.ours[by] if by in texts else by
        self._refuse_kind(by, heading, ("text", "whole"))
        cell = exp.cast(_identifier(heading), "text")
        if by == "currency":
            cell = exp.Upper(this=exp.Trim(this=cell))
        return (
            exp.Case()
            .when(exp.Trim(this=cell.copy()).neq(exp.Literal.string("")), cell)
            .else_(exp.Literal.string(EMPTY))
        )

    def _items(self) -> exp.Expr:
        """What tells a customer's lines apart, in small letters between blanks, as one text."""
        from sqlglot import exp

        there = [self.named.ours.get(line, line) for line in self.named.lines]
        there += [each for each in self.headings.kinds if plain(each) == "item"]
        texts = [each for each in there if self.headings.kinds.get(each) == "text"]
        found: exp.Expr = exp.Literal.string(" ")
        for each in dict.fromkeys(texts):
            words = exp.Coalesce(
                this=exp.Lower(this=exp.cast(_identifier(each), "text")),
                expressions=[exp.Literal.string("")],
            )
            found = exp.DPipe(
                this=exp.DPipe(this=found, expression=words), expression=exp.Literal.string(" ")
            )
        return found

    def _month(self) -> exp.Expr:
        """The month's number; null where it is none."""
        from sqlglot import exp

        cell, kind = self._column("month"), self.headings.kinds[self.named.ours["month"]]
        if kind == "date":
            parts = [
                exp.cast(exp.Extract(this=exp.var(part), expression=cell.copy()), "int")
                for part in ("YEAR", "MONTH")
            ]
        else:
            cell = exp.Trim(this=exp.cast(cell, "text"))
            parts = [
                exp.cast(
                    exp.Substring(this=cell.copy(), start=_number(at), length=_number(length)),
                    "int",
                )
                for at, length in ((1, 4), (6, 2))
            ]
        year, month = parts
        number = exp.Sub(
            this=exp.Add(this=exp.Mul(this=year.copy(), expression=_number(12)), expression=month),
            expression=_number(1),
        )
        in_years = exp.Between(this=year, low=_number(YEARS[0]), high=_number(YEARS[-1]))
        case = exp.Case().when(in_years, number)
        if kind == "date":
            return case
        # its digits are numbers only where it is written so
        form = exp.RegexpLike(this=cell, expression=exp.Literal.string(MONTH_TEXT))
        return exp.Case().when(form, case)

    def _converted(self, own: exp.Expr, currency: exp.Expr | None, start: int | None) -> exp.Expr:
        """ARR in the reporting currency, at the rate of the window's start, or of each month."""
        from sqlglot import exp

        if self.rates is None or start is None or currency is None:
            return own
        worth = exp.Case()
        ours = self.asked_currency if "found" not in self.__dict__ else self.currency
        if ours is None:
            raise UsageError("currency: say which to report in, such as --currency USD")
        worth = worth.when(currency.copy().eq(exp.Literal.string(ours)), _number(1))
        for (code, month), rate in self.rates.items():
            is_it = currency.copy().eq(exp.Literal.string(str(code)))
            if self.reported:
                worth = worth.when(exp.and_(is_it, self._month().eq(_number(month))), _number(rate))
            elif month == start:
                worth = worth.when(is_it, _number(rate))
        return exp.Mul(this=own, expression=worth)

    def _column(self, word: str) -> exp.Expr:
        return _identifier(self.named.ours[word])

    def _refuse_kind(self, word: str, heading: str, kinds: Sequence[str]) -> None:
        """Raise UsageError for a column whose cells a warehouse would read in another way."""
        kind = self.headings.kinds[heading]
        if kind not in kinds:
            raise UsageError(f"{self.name}: {_of_kind(word, heading, kind, kinds)}")


# What is asked of a ledger, and is only counted here, by the option that settles it.
ASKED = {
    "totals": (
        "{:,} customers may be totals of others, by their names or by their sums",
        "leave totals out in a view, or say --totals keep if they are customers",
    ),
    "ids": (
        "{:,} ids are several that differ by zeros alone",
        "write each in one way in a view, or say --ids two if they are two customers",
    ),
    "names": (
        "{:,} names go on under another id",
        "say what the customer is with --column customer=...",
    ),
    "one_off": (
        "{:,} rows are of one-off items such as onboarding",
        "leave them out in a view, or say --one-off add if they recur",
    ),
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


def _names() -> Mapping[str, exp.Expr]:
    """The conditions by which a customer's name says total, and items are paid once."""
    from sqlglot import exp

    def is_like(form: str) -> exp.Expr:
        name = exp.Lower(this=exp.column("customer", table="customers"))
        return exp.RegexpLike(this=name, expression=exp.Literal.string(form))

    company = exp.and_(is_like(A_COMPANY), exp.not_(is_like(NO_COMPANY)))
    total = exp.and_(exp.or_(*map(is_like, SAYS_TOTAL)), exp.not_(company))
    items = exp.column("items")
    one_off = [items.copy().like(exp.Literal.string(f"% {word} %")) for word in ONE_OFF]
    return {"says_total": total, "one_off": exp.or_(*one_off)}


def _identifier(heading: str) -> exp.Column:
    from sqlglot import exp

    return exp.column(exp.to_identifier(heading, quoted=True))


def _number(value: float) -> exp.Expr:
    from sqlglot import exp

    return exp.Literal.number(
        repr(float(value)) if value != int(value) or abs(value) > 1e15 else int(value)
    )


def rendered(tree: exp.Expr, dialect: str) -> str:
    """A query as a database writes it: every name in quotes, nothing that only another one knows.

    Raises UsageError where the dialect has no word for something, or sqlglot would hand one on that
    it does not know.
    """
    import sqlglot
    from sqlglot import exp

    # nothing that rows are put in order by is null: any database's own place for it will do
    large = sqlglot.Dialect.get_or_raise(dialect).NULL_ORDERING == "nulls_are_large"
    for ordered in tree.find_all(exp.Ordered):
        ordered.set("nulls_first", bool(ordered.args.get("desc")) == large)
    try:
        text = tree.sql(
            dialect, pretty=True, identify=True, unsupported_level=sqlglot.ErrorLevel.RAISE
        )
        again = sqlglot.parse_one(text, dialect=dialect)
    except sqlglot.errors.SqlglotError as error:
        reason = next(iter(str(error).splitlines()), "")
        raise UsageError(
            f"the roll-forward cannot be written as {dialect}'s SQL: {reason}"
        ) from None
    for node in (*tree.walk(), *again.walk()):
        unknown = isinstance(node, exp.Anonymous | exp.AnonymousAggFunc | exp.Placeholder)
        if unknown or (isinstance(node, exp.Func) and node.key not in PORTABLE):
            name = node.name if unknown else node.key
            raise UsageError(
                f"the roll-forward cannot be written as {dialect}'s SQL: not every warehouse has"
                f" {name}"
            )
    return text
