"""The months' cells of a table in, amounts and what is wrong with them out; never adds them up.

What is left out is said: columns that are sums of months or a plan, rows that repeat the headings,
months that nobody has filled in yet.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd

from nrrsim.ledger.across import PERIODS, Across, Column, Told, last_month, quoted, text_of
from nrrsim.ledger.amounts import Amounts, read_amounts
from nrrsim.ledger.captions import TOTAL
from nrrsim.ledger.lostcells import Lost
from nrrsim.ledger.rows import Rows
from nrrsim.ledger.vocabulary import MONTH, OTHERS, heading_of, makes_lines, names_a_customer, plain
from nrrsim.months import Calendar
from nrrsim.notation import counted

MOST_LOST = 10  # lost cells of one kind that are named one by one
NAMED_TOTAL = r"\b(?:total|sum|summe|gesamt)\b"


@dataclass(frozen=True)
class Turned(Rows):
    """Rows whose months stood down: `month_lines` has the line of each column but the first."""

    month_lines: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


class Cells(NamedTuple):
    """The months' cells, each array by row of the table and month: as written, and as read.

    `values` is nan where there is no amount. `months` are the columns and their month numbers;
    `repeats` are the rows that repeat the headings.
    """

    months: tuple[tuple[Column, int], ...]
    written: np.ndarray
    values: np.ndarray
    unreadable: np.ndarray
    currency: np.ndarray
    multiplied: np.ndarray
    repeats: np.ndarray


def read_cells(
    rows: Rows, across: Across, decimal: str | None, told: Told
) -> tuple[Cells, str | None]:
    """The months' cells, by one convention for the whole table; and its decimal sign, if told."""
    at = [column.at for column, _ in across.months]
    amounts = _amounts(rows.frame, at, decimal)
    shape = (len(at), len(rows.frame))
    written = rows.frame.iloc[:, at].to_numpy(object)
    headings = np.array([column.heading for column, _ in across.months], dtype=object)
    is_heading = np.zeros(len(rows.frame), dtype=bool)
    if at:
        # a row that repeats the headings, as on each page of a long print
        same = np.flatnonzero([text_of(cell) == headings[0] for cell in written[:, 0]])
        again = [[text_of(cell) for cell in written[row]] == headings.tolist() for row in same]
        is_heading[same] = again
    if is_heading.any():
        told.notice(f"{counted(int(is_heading.sum()), 'row')} that repeats the headings: left out")
    cells = Cells(
        across.months,
        written,
        np.where(is_heading[:, None], np.nan, amounts.values.reshape(shape).T),
        amounts.unreadable.reshape(shape).T & ~is_heading[:, None],
        amounts.currency.reshape(shape).T,
        amounts.multiplied.reshape(shape).T,
        is_heading,
    )
    _look_at_signs(rows, cells, amounts, told)
    _look_at_unreadable(rows, cells, told)
    return cells, decimal or amounts.decimal or None


def _amounts(frame: pd.DataFrame, at: Sequence[int], decimal: str | None) -> Amounts:
    """The amounts of some columns, one below the other."""
    series = [frame.iloc[:, column] for column in at]
    block = pd.concat(series, ignore_index=True) if series else pd.Series([], dtype=object)
    return read_amounts(block, decimal)


def _look_at_signs(rows: Rows, cells: Cells, amounts: Amounts, told: Told) -> None:
    """Ask for the decimal sign that no cell tells, or refuse two of them."""

    def place(position: int) -> tuple[Column, int, str]:
        month, row = divmod(position, len(rows.frame))
        return cells.months[month][0], row, text_of(cells.written[row, month])

    if amounts.contradicts:
        (one, at, point), (other, there, comma) = map(place, amounts.contradicts)
        told.refuse(
            f"{point!r} has a decimal point, and {comma!r}"
            f" ({told.in_words(line_of(rows, other, there))}, {other.heading}) a decimal comma",
            "write all amounts in one way",
            one.heading,
            line_of(rows, one, at),
        )
    elif amounts.undecided:
        column, row, text = place(amounts.undecided[0])
        told.ask(
            "decimal",
            (".", ","),
            f"{counted(len(amounts.undecided), 'amount')} such as {text!r}, the first in"
            f" {told.in_words(line_of(rows, column, row))}: nothing tells the decimal sign from a"
            " thousands sign",
        )


def _look_at_unreadable(rows: Rows, cells: Cells, told: Told) -> None:
    """Refuse lost cells (`#REF!`) one by one, unless many are alike, and all others together."""
    found: dict[str, list[tuple[int, int]]] = {}
    for row, month in np.argwhere(cells.unreadable).tolist():
        cell = cells.written[row, month]
        is_lost = isinstance(cell, Lost) or (isinstance(cell, str) and cell.startswith("#"))
        found.setdefault(text_of(cell) if is_lost else "", []).append((row, month))
    for lost, places in found.items():
        for row, month in places if lost and len(places) <= MOST_LOST else places[:1]:
            column = cells.months[month][0]
            line = line_of(rows, column, row)
            if not lost:
                text = text_of(cells.written[row, month])
                problem = f"{text[:80]!r} is not an amount"
                if len(places) > 1:
                    problem = (
                        f"{counted(len(places), 'cell')} such as {text[:80]!r}, the first in"
                        f" {told.in_words(line)}, are not amounts"
                    )
                remedy = "write a number, or leave the cell empty where nothing is paid"
            else:
                problem = f"{lost} stands where an amount was"
                if len(places) > MOST_LOST:
                    first = told.in_words(line)
                    problem = f"{lost} stands in {len(places):,} cells, the first in {first}"
                remedy = "mend the formula and save the sheet: an empty cell would count as churn"
            told.refuse(problem, remedy, column.heading, line)


def line_of(rows: Rows, column: Column, row: int) -> int:
    """The line of a cell, by its row (from 0) and its month's column."""
    if isinstance(rows, Turned):
        return int(rows.month_lines[column.at - 1])
    return int(rows.lines()[row])


def filled_months(frame: pd.DataFrame, cells: Cells, told: Told) -> Cells:
    """Without the last months if nobody has written a cell in them yet: they lie ahead.

    An empty month before another is one in which nobody paid. Rows of totals do not count: their
    formulas give zeros in empty columns.
    """
    if np.isnan(cells.values).all():
        return cells
    order = np.argsort([number for _, number in cells.months])
    names = [column for column in frame.columns if frame[column].dtype.kind not in "biufmM"]
    totals: np.ndarray | None = None
    ahead: list[int] = []
    for month in reversed(order.tolist()):
        if (cells.values[:, month] > 0).any():
            break
        if totals is None:
            firsts = frame[names].iloc[:, :3].astype(str) if names else pd.DataFrame()
            totals = np.zeros(len(frame), dtype=bool)
            for column in firsts:
                totals |= firsts[column].str.contains(NAMED_TOTAL, case=False).to_numpy(bool)
        if any(text_of(cell) for cell in cells.written[~totals, month]):
            break
        ahead.append(month)
    if not ahead:
        return cells
    told.notice(
        f"{quoted(cells.months[month][0].heading for month in reversed(ahead))}: empty, not read",
        "write 0 if nobody paid",
    )
    stay = [month for month in range(len(cells.months)) if month not in ahead]
    by_month = {
        name: getattr(cells, name)[:, stay] for name in Cells._fields[1:] if name != "repeats"
    }
    months = tuple(cells.months[month] for month in stay)
    return cells._replace(months=months, **by_month)


# --- columns that are no months -------------------------------------------------------------------


def columns_of_sums(
    rows: Rows,
    across: Across,
    cells: Cells,
    sign: str | None,
    calendar: Calendar,
    told: Told,
    used: Collection[str] = (),
) -> list[Column]:
    """The columns of quarters, years, totals, plans, and of numbers behind the months: left out.

    Which they are is said. One that is neither the sum of its months nor the last of them is
    refused; but not one that is headed Total, or whose months are not in the table: that is said.
    `sign` is the decimal sign; `used` are headings that somebody named, which stay.
    """
    months = {column.at for column in (*across.unread, *(column for column, _ in cells.months))}
    last = max((column.at for column, _ in cells.months), default=len(across.columns))
    sums = _Sums(rows.frame, across, cells, sign)
    left_out: dict[str, list[Column]] = {"sums": [], "others": [], "numbers": []}
    stay = {plain(heading) for heading in used}
    plans = [column for column in across.unread if column.caption.plan]
    for column in across.columns:
        kind = column.caption.kind
        if column.at in months or not cells.months:
            continue
        if not kind:
            if column.at <= last or plain(column.heading) in stay:
                continue
            if sums.is_total(column):
                left_out["sums"].append(column)
            elif not _is_known(column.heading) and sums.is_of_numbers(column):
                left_out["numbers"].append(column)
        elif column.caption.plan:
            plans.append(column)
        elif PERIODS.get(kind, 12) < PERIODS[across.kind]:
            told.refuse(
                f"is a {kind} in a table of a {across.kind} a column",
                "rename the column, or delete it",
                column.heading,
            )
        elif (differs := sums.differs(column)) is None:
            left_out["sums"].append(column)
        elif kind == TOTAL or _is_elsewhere(column, cells, calendar):
            left_out["others"].append(column)
        else:
            row, amount, total = differs
            told.refuse(
                f"{amount:,.2f} is neither the sum of its months ({total:,.2f}) nor the last",
                "correct it, or rename or delete the column",
                column.heading,
                line_of(rows, column, row),
            )

    for columns, what in (
        (left_out["sums"], "the sum of months or their last"),
        (left_out["others"], "no month, and not the sum of those that are read"),
        (left_out["numbers"], "numbers behind the months, which split nothing"),
    ):
        names = [column.heading or f"column {column.at + 1}" for column in columns]
        if names:
            told.notice(f"{quoted(names)}: {what}; left out", "compare it with the months")
    by_word: dict[str, list[str]] = {}
    for column in plans:
        by_word.setdefault(column.caption.plan.casefold(), []).append(column.heading)
    if by_word:
        listed = "; ".join(f"{word}: {quoted(headings)}" for word, headings in by_word.items())
        told.notice(f"not what happened, not read: {listed}", "a ledger is of actual months")
    return [*chain(*left_out.values()), *plans]


def _is_known(heading: str) -> bool:
    """Whether a heading is one of a word of ours, or names who pays, or a line of theirs."""
    words = heading_of(heading).plain
    known = words in chain(MONTH, *OTHERS.values())
    return known or names_a_customer(heading) or makes_lines(heading)


def _is_elsewhere(column: Column, cells: Cells, calendar: Calendar) -> bool:
    """Whether none of a period's months is in the table."""
    if column.caption.year is None or column.caption.kind not in PERIODS:
        return False
    last = last_month(column.caption, calendar)
    months = range(last - PERIODS[column.caption.kind] + 1, last + 1)
    return not any(number in months for _, number in cells.months)


class _Sums:
    """The months of a table, those of a plan too, to compare a column with."""

    def __init__(self, frame: pd.DataFrame, across: Across, cells: Cells, sign: str | None) -> None:
        self.frame, self.cells, self.sign = frame, cells, sign
        self.length = PERIODS.get(across.kind, 1)
        self.read = [column.at for column, _ in cells.months]
        self.all = sorted(column.at for column in (*across.unread, *(c for c, _ in cells.months)))
        self.values = dict(zip(self.read, np.nan_to_num(cells.values.T), strict=True))
        self.is_whole = ~cells.unreadable.any(axis=1)

    def differs(self, column: Column) -> tuple[int, float, float] | None:
        """The first row in which a column is no sum of months and not their last, or None.

        With it, what stands there and the sum that fits most rows. The months are so many at most
        as the kind has, next to the column on either side; those of a plan may be among them.
        """
        amount = self._of(column.at)
        compared = np.flatnonzero(~np.isnan(amount) & self.is_whole)
        if not len(compared):
            return None
        amount = amount[compared, None]
        months_in_kind = PERIODS.get(column.caption.kind, 12) // self.length
        most = len(self.all) if column.caption.kind == TOTAL else months_in_kind
        added, fits = np.zeros_like(amount), np.zeros_like(amount, dtype=bool)
        for months in (self.all, self.read):
            before = [at for at in reversed(months) if at < column.at][:most]
            behind = [at for at in months if at > column.at][:most]
            # so many months on this side, and the last of them: the column's neighbour, or not
            for side, lasts in ((before, before[:1] * len(before)), (behind, behind)):
                if not side:
                    continue
                sums = np.cumsum([self._of(at)[compared] for at in side], axis=0).T
                last = np.column_stack([self._of(at)[compared] for at in lasts])
                # each month may be rounded by half of its last digit
                slack = self._half_digit * np.arange(2, len(side) + 2) + 1e-9 * abs(amount)
                added = np.hstack([added, sums])
                fits = np.hstack(
                    [fits, (abs(amount - sums) <= slack) | (abs(amount - last) <= slack)]
                )
        best = int(np.argmax(fits.sum(axis=0)))
        if fits[:, best].all():
            return None
        first = int(np.argmin(fits[:, best]))
        return int(compared[first]), float(amount[first, 0]), float(added[first, best])

    def is_total(self, column: Column) -> bool:
        """Whether a column of another heading has the sum of the months in all rows."""
        amount = self._of(column.at)
        is_paid = ~np.isnan(self.cells.values).all(axis=1)
        if not is_paid.any() or np.isnan(amount[is_paid & self.is_whole]).any():
            return False
        added = np.sum([self._of(at) for at in self.read], axis=0)
        slack = self._half_digit * (len(self.read) + 1) + 1e-9 * abs(added)
        return bool((abs(amount - added) <= slack)[is_paid & self.is_whole].all())

    def is_of_numbers(self, column: Column) -> bool:
        """Whether a column holds numbers alone, shares in percent and lost ones among them."""
        cells = self.frame.iloc[:, column.at].dropna()
        if cells.dtype.kind in "mM" or not len(cells):
            return False
        told = [
            cell.strip().removesuffix("%") if isinstance(cell, str) else cell
            for cell in cells
            if not isinstance(cell, Lost)
        ]
        return not read_amounts(pd.Series(told, dtype=object), self.sign).unreadable.any()

    def _of(self, at: int) -> np.ndarray:
        if at not in self.values:
            amounts = _amounts(self.frame, [at], self.sign).values
            # a month without an amount adds nothing; a sum without one is not compared
            self.values[at] = np.nan_to_num(amounts) if at in self.all else amounts
        return np.asarray(self.values[at])

    @property
    def _half_digit(self) -> float:
        """Half of the last digit that the months are written with, up to cents."""
        amounts = self.cells.values[np.isfinite(self.cells.values)]
        for digits in (0, 1, 2):
            if np.allclose(amounts, np.round(amounts, digits), rtol=0, atol=1e-9):
                return float(0.5 * 10**-digits)
        return 0.0
