"""Headings and the rows above them in, which columns are which months out; never reads an amount.

A year in a row above belongs to the months below it and to the right, until the next cell of that
row; so does a word such as Budget. What leaves a choice between two readings is refused or asked.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import pandas as pd

from nrrsim.errors import Finding
from nrrsim.ledger.captions import ACTUAL, Caption, read_caption
from nrrsim.ledger.rows import Rows
from nrrsim.months import Calendar, month_name

PERIODS = {"month": 1, "quarter": 3, "half": 6, "year": 12}  # months in each
FEWEST = 2  # months across
MOST_QUOTED = 10  # headings in one sentence
_EITHER = re.compile(  # a/b/yyyy, a/b/yy or a-b-yyyy
    r"(?<![\d/-])(?P<a>\d\d?)(?P<s>[-/])(?P<b>\d\d?)(?P=s)(?P<y>\d{4}|(?<=/)\d\d)(?![\d/-])"
)


class Column(NamedTuple):
    """A column of a table: where it stands, its heading as written, and what it says.

    `year_at` is where the cell above stands that gives it its year, -1 where the heading does;
    `label` is the cell above that heads several columns, such as `Seats` over twelve months.
    """

    at: int
    heading: str
    caption: Caption
    year_at: int = -1
    label: str = ""


@dataclass
class Told:
    """What is found out on the way: findings and questions, notices, what was taken for what.

    `line` is that of the headings, where a finding of a column stands; `place` gives the place of
    another in words, where the source has no lines.
    """

    name: str
    line: int = 0
    place: Callable[[int], str] | None = None
    findings: list[Finding] = field(default_factory=list)
    notices: list[Finding] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def refuse(self, problem: str, remedy: str, heading: str = "", line: int | None = None) -> None:
        """Note what is wrong, in a line or with a column."""
        name, line = self._stands(line)
        self.findings.append(Finding(name, line, problem, remedy, heading))

    def ask(self, option: str, choices: tuple[str, ...], problem: str, remedy: str = "") -> None:
        """Note a question, and the option that answers it."""
        spelt = option.replace("_", "-")
        remedy = remedy or "say which with " + " or ".join(f"--{spelt} {each}" for each in choices)
        self.findings.append(Finding(self.name, 0, problem, remedy, "", option, choices))

    def notice(self, problem: str, remedy: str = "", line: int | None = None) -> None:
        """Note what leaves something out, or changes a number."""
        name, line = self._stands(line)
        self.notices.append(Finding(name, line, problem, remedy))

    def in_words(self, line: int) -> str:
        """A line as a sentence names it: a DataFrame's row by its label."""
        return self.place(line).removeprefix(f"{self.name}, ") if self.place else f"line {line}"

    def _stands(self, line: int | None) -> tuple[str, int]:
        if line is None:
            return self.name, self.line
        return (self.place(line), 0) if self.place else (self.name, line)


@dataclass(frozen=True)
class Across:
    """Which columns of a table are months.

    `months` are those that are read, with their month numbers (a quarter's or year's: its last);
    `unread` are months of a plan or of another measure. `kind` is what stands across: month,
    quarter, half or year. `units` is what the months' headings say of mrr and arr.
    """

    columns: tuple[Column, ...]
    kind: str
    months: tuple[tuple[Column, int], ...]
    unread: tuple[Column, ...]
    units: frozenset[str]


def columns_of(
    rows: Rows, dates: str | None = None, told: Told | None = None, *, fewest: int = FEWEST
) -> list[Column]:
    """Each column with what its heading says, and what the rows above say of it.

    `dates` (`dmy`, `mdy`) says how headings such as 01/12/2024 are meant, which is asked where they
    do not tell it themselves.
    """
    headings = headings_of(rows)
    serial = rows.typed or dates == "serial"
    captions = [read_caption(text, serial) for text in _in_order(headings, dates, told)]
    columns = [Column(*each) for each in zip(range(len(headings)), headings, captions, strict=True)]
    has_months = sum(column.caption.kind in PERIODS for column in columns) >= fewest
    for _, cells in reversed(rows.above):  # the nearest says first
        row = _Above.of(cells, columns, has_months)
        columns = [
            _below(column, at, read_caption(text), row)
            for column, (at, text) in zip(columns, row.cells, strict=True)
        ]
        has_months = has_months or row.is_of_months
    return columns


def periods_of(columns: Sequence[Column], fewest: int = FEWEST) -> tuple[str, list[Column]]:
    """The finest kind of period of which there are two at least, and its columns.

    Where a lone one is enough (`fewest`), it says its year.
    """
    for least in range(FEWEST, fewest - 1, -1):
        for kind in PERIODS:
            found = [column for column in columns if column.caption.kind == kind]
            periods = {(each.caption.year, each.caption.number, each.heading) for each in found}
            has_year = any(column.caption.year is not None for column in found)
            if len(periods) >= least and (has_year or least == FEWEST):
                return kind, found
    return "", []


def months_across(
    rows: Rows,
    unit: str | None,
    dates: str | None,
    calendar: Calendar,
    said: bool,
    told: Told,
    *,
    fewest: int = FEWEST,
) -> Across:
    """The months that are read. `said`: the calendar is the company's own, so FY25 is known."""
    columns = columns_of(rows, dates, told, fewest=fewest)
    kind, periods = periods_of(columns, fewest)
    actual = [column for column in periods if not column.caption.plan]
    if periods and not actual:
        told.refuse(
            f"all months are of a plan ({_quoted(periods)})",
            "a ledger is of what happened: delete the word where they are actual",
        )
    chosen = _one_measure(actual, told)
    units = frozenset(unit for column in chosen for unit in column.caption.units)
    chosen = _one_unit(chosen, unit or "mrr", told if unit else None)
    chosen = _one_label(chosen, unit, told)
    placed = _once(_placed(chosen, calendar, said, told), told)
    return Across(
        tuple(columns),
        kind,
        tuple(placed),
        tuple(column for column in periods if column not in chosen),
        units,
    )


def headings_of(rows: Rows) -> tuple[str, ...]:
    """The headings as written, one a column."""
    return rows.headings or tuple(map(str, rows.frame.columns))


def text_of(cell: object) -> str:
    """A cell as a person writes it: 2024 of 2024.0, the day of a date, nothing of no cell."""
    if isinstance(cell, str):
        return cell.strip()
    if cell is None or pd.isna(cell):  # type: ignore[call-overload]
        return ""
    if isinstance(cell, datetime.date):
        return f"{cell:%Y-%m-%d}"
    return f"{cell:.0f}" if isinstance(cell, float) and cell.is_integer() else str(cell)


def quoted(headings: Iterable[str]) -> str:
    """Headings in a sentence, the first MOST_QUOTED of them."""
    texts = list(dict.fromkeys(headings))
    more = f" and {len(texts) - MOST_QUOTED:,} more" if len(texts) > MOST_QUOTED else ""
    return ", ".join(texts[:MOST_QUOTED]) + more


def _quoted(columns: Iterable[Column]) -> str:
    return quoted(column.heading for column in columns)


# --- what a column is of --------------------------------------------------------------------------


class _Above(NamedTuple):
    """A row above the headings.

    `cells` has, by column, where the cell stands that holds there, and its text: of merged cells
    only the first has one. `several`: there is more than a title in it. `is_of_months`: it names
    the months of columns that are headed by a measure. `first` is where periods begin.
    """

    cells: list[tuple[int, str]]
    several: bool
    is_of_months: bool
    first: int

    @classmethod
    def of(cls, cells: Sequence[object], columns: Sequence[Column], has_months: bool) -> _Above:
        """The row of these cells; `has_months`: the columns' own headings are months."""
        row: list[tuple[int, str]] = []
        holds = (-1, "")
        for at, cell in enumerate([*cells, *[None] * len(columns)][: len(columns)]):
            if text := text_of(cell):
                holds = (at, text)
            row.append(holds)
        heads = [read_caption(text) for at, text in sorted(set(row)) if at >= 0]
        months = [head for head in heads if head.kind == "month" and head.year and head.is_bare]
        periods = [column.at for column in columns if column.caption.kind in PERIODS]
        return cls(
            row, len(heads) > 1, not has_months and len(months) >= FEWEST, min(periods, default=0)
        )


def _below(column: Column, at: int, above: Caption, row: _Above) -> Column:
    """The column with what the cell above it says; what is nearer has said its own already."""
    caption = column.caption
    parts = ("month", "quarter", "half")
    holds_year = above.is_bare and above.year is not None and (above.kind == "year" or row.several)
    if row.is_of_months and above.kind == "month" and not caption.kind:
        caption = replace(
            caption, kind="month", year=above.year, number=above.number, fiscal=above.fiscal
        )
    elif caption.kind in parts and caption.year is None and holds_year:
        caption = replace(caption, year=above.year, fiscal=above.fiscal)
        column = column._replace(year_at=at)
    elif caption.kind == "year" and row.several and above.is_bare and above.kind in parts:
        # the months stand above their years
        caption = replace(caption, kind=above.kind, number=above.number)

    # `Budget vs actuals` over the whole table is its title
    heads_plan = at >= row.first and not re.search(ACTUAL, above.text, re.IGNORECASE)
    if above.is_bare or heads_plan:
        caption = replace(caption, plan=caption.plan or above.plan)
    if above.is_bare:
        caption = replace(
            caption, units=caption.units or above.units, scale=caption.scale or above.scale
        )
    is_label = row.several and not above.kind and not above.plan
    return column._replace(caption=caption, label=column.label or (above.text if is_label else ""))


def _in_order(headings: Sequence[str], dates: str | None, told: Told | None) -> list[str]:
    """The headings, those such as 12/31/2024 with an ISO date."""
    written = {head: match for head in headings if (match := _EITHER.search(head))}
    if not written:
        return list(headings)
    by_order = {
        "dmy": [head for head, match in written.items() if int(match["a"]) > 12],
        "mdy": [head for head, match in written.items() if int(match["b"]) > 12],
    }
    if all(by_order.values()) and told:
        (day, *_), (month, *_) = by_order.values()
        told.refuse(
            f"{day} begins with the day, and {month} with the month",
            "write all headings in one way, such as 2024-12",
        )
    fits = [order for order, heads in by_order.items() if heads] or [dates or ""]
    if fits[0] not in by_order:
        # the firsts of twelve months would be twelve days of one January: that is no table
        fits = [
            order
            for order in by_order
            if len({_iso(match, order)[:7] for match in written.values()}) == len(written)
        ]
        if len(fits) != 1 and told:
            told.ask(
                "dates",
                ("dmy", "mdy"),
                f"headings {quoted(written)}: nothing tells the day from the month",
            )
    order = fits[0] if fits else "mdy"
    return [
        head.replace(written[head][0], _iso(written[head], order)) if head in written else head
        for head in headings
    ]


def _iso(match: re.Match[str], order: str) -> str:
    day, month = (match["a"], match["b"]) if order == "dmy" else (match["b"], match["a"])
    year = match["y"] if len(match["y"]) == 4 else f"20{match['y']}"
    return f"{year}-{int(month):02d}-{int(day):02d}"


# --- which of them are read -----------------------------------------------------------------------


def _one_measure(periods: list[Column], told: Told) -> list[Column]:
    """Of `MRR Dec-24` and `Seats Dec-24` those without a further word, or those of a unit."""
    groups: dict[str, list[Column]] = {}
    for column in periods:
        groups.setdefault(column.caption.other, []).append(column)
    if len(groups) < 2:
        return periods
    most = max(map(len, groups.values()))
    told_unit = [
        group for group in groups.values() if any(column.caption.units for column in group)
    ]
    if len(groups.get("", ())) == most:
        chosen = groups[""]
    elif len(told_unit) == 1:
        chosen = told_unit[0]
    else:
        told.refuse(
            f"the months stand there for {quoted(other or 'no measure' for other in groups)}",
            "keep the columns of one measure, headed such as MRR Dec-24",
        )
        return []
    _say_unread([column for column in periods if column not in chosen], "another measure", told)
    months = {(column.caption.year, column.caption.number) for column in chosen}
    for column in periods:
        if (column.caption.year, column.caption.number) not in months:
            told.refuse(
                f"says {column.caption.other!r}, and no other column is of its month",
                "head it as the other months, or delete it",
                column.heading,
            )
    return chosen


def _one_unit(periods: list[Column], unit: str, told: Told | None) -> list[Column]:
    """Of `MRR Dec-24` and `ARR Dec-24` those of one unit; a heading without one goes with it."""
    chosen = [
        column for column in periods if not column.caption.units or unit in column.caption.units
    ]
    if len({each for column in periods for each in column.caption.units}) < 2:
        return periods
    if told:
        _say_unread([column for column in periods if column not in chosen], "another unit", told)
    return chosen


def _one_label(periods: list[Column], unit: str | None, told: Told) -> list[Column]:
    """Of two blocks side by side, `MRR` and `Seats` above the same months, the one of a unit."""
    keys = [(column.caption.year, column.caption.number) for column in periods]
    labels = {column.label: read_caption(column.label).units for column in periods}
    fit = [label for label, units in labels.items() if units and (unit is None or unit in units)]
    if len(set(keys)) == len(keys) or len(labels) < 2 or len(fit) != 1:
        return periods
    chosen = [column for column in periods if column.label == fit[0]]
    _say_unread([column for column in periods if column not in chosen], "another measure", told)
    return chosen


def _say_unread(columns: Sequence[Column], what: str, told: Told) -> None:
    if columns:
        told.notice(f"{_quoted(columns)}: columns of {what}, not read")


# --- which months they are ------------------------------------------------------------------------


def _placed(
    columns: Sequence[Column], calendar: Calendar, said: bool, told: Told
) -> list[tuple[Column, int]]:
    """Each column with its month number; those of which it is not told are refused or asked."""
    yearless = [column for column in columns if column.caption.year is None]
    if yearless:
        told.refuse(
            f"{_quoted(yearless)}: the year is not told",
            "write it in the row above, or in the headings, such as Dec-24",
        )
    known = [column for column in columns if column.caption.year is not None]
    fiscal = [column for column in known if column.caption.fiscal]
    if fiscal and not (said or calendar.is_fiscal) and not _tell_december(fiscal):
        told.ask(
            "fiscal_year_end",
            tuple(f"{month:02d}" for month in range(1, 13)),
            f"{_quoted(fiscal)}: which months a fiscal year has is not told",
            "say in which month it ends, such as --fiscal-year-end 06",
        )
        return []
    either = [
        column
        for column in known
        if calendar.is_fiscal and not column.caption.fiscal and column.caption.kind != "month"
    ]
    if either:
        told.refuse(
            f"{_quoted(either)}: may be of the calendar or of the fiscal year",
            "write Q1 FY25 or FY25 for the fiscal one, or the last month, such as 2025-03",
        )
    placed = [
        (column, last_month(column.caption, calendar)) for column in known if column not in either
    ]
    return _no_turn_of_the_year(placed, told)


def last_month(caption: Caption, calendar: Calendar) -> int:
    """The month number, of a quarter, half or year its last month's."""
    year, number = caption.year or 0, caption.number or 1
    if caption.kind == "month":
        is_before = caption.fiscal and number > calendar.year_end
        return (year - is_before) * 12 + number - 1
    length = PERIODS[caption.kind]
    ends = year * 12 + (calendar.year_end if caption.fiscal else 12) - 1
    return ends if length == 12 else ends - (12 // length - number) * length


def _tell_december(fiscal: Sequence[Column]) -> bool:
    """Whether twelve months from January to December stand below each fiscal year."""
    below: dict[int, list[int | None]] = {}
    for column in fiscal:
        below.setdefault(column.year_at, []).append(column.caption.number)
    return -1 not in below and all(months == [*range(1, 13)] for months in below.values())


def _no_turn_of_the_year(placed: list[tuple[Column, int]], told: Told) -> list[tuple[Column, int]]:
    """Refuses January behind December below one year: a new year is missing, or the year is wrong.

    Below one year months go up, or down by less than half a year each.
    """
    below: dict[int, list[tuple[Column, int]]] = {}
    for column, month in placed:
        if column.year_at >= 0:
            below.setdefault(column.year_at, []).append((column, month))
    for months in below.values():
        steps = [after - before for (_, before), (_, after) in pairwise(months)]
        turn = next((at for at, step in enumerate(steps) if step < -6 or step * steps[0] < 0), None)
        if turn is None:
            continue
        before, after = months[turn][0], months[turn + 1][0]
        told.refuse(
            f"{after.heading} stands behind {before.heading}, and no new year above it",
            "write each year above its first month",
            after.heading,
        )
        return []
    return placed


def _once(placed: list[tuple[Column, int]], told: Told) -> list[tuple[Column, int]]:
    """The first column of each month; a second one is refused."""
    first: dict[int, Column] = {}
    for column, month in placed:
        other = first.setdefault(month, column)
        if other is not column:
            told.refuse(
                f"columns {other.at + 1} ({other.heading}) and {column.at + 1} ({column.heading})"
                f" are both {month_name(month)}",
                "delete one, or head what did not happen Budget or Forecast",
                column.heading,
            )
    return [(column, month) for month, column in first.items()]
