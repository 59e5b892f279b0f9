"""Customers' amounts by month in, a sheet of them with a formula a movement out; never a ratio.

What the ledger says is a number, in blue; what is made of it is a formula, saved with its value.
Other sheets' formulas find the columns by the names that are defined here, such as `Churn_ARR`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from xlsxwriter.utility import xl_col_to_name, xl_range_abs

from nrrsim.movements import EXPANSION
from nrrsim.report.wording.labels import STEPS
from nrrsim.report.workbook.styles import INPUT, Styles, set_up

SHEET = "Customers"
HEADS, FIRST = 3, 4  # rows, counted from 0
NAMES = {name: f"{name.capitalize()}_ARR" for name in (
    "opening", "closing", "retained", "stayed", "stayed_retained", "new", *EXPANSION,
    "reactivation", "contraction", "churn")}  # fmt: skip
NAMES |= {"segment": "Segment", "since": "First_month"}
WORDS = STEPS | {
    "retained": "Retained, at most the opening",
    "stayed": "Closing, if never at zero",
    "stayed_retained": "Retained, if never at zero",
    "unsplit": "Expansion",
}


@dataclass(frozen=True)
class Amounts:
    """A window's customers: `names`, `segments`, `since` (first months), and by month their amounts
    `ndarray[customer, month]`, and their price increases `ndarray[customer, month - 1]`.

    stated : parts of a rise that only the ledger knows, `ndarray[customer]` by movement. rest : the
    movement under which what is left of a rise is booked.
    """

    months: list[str]
    names: list[str]
    segments: list[str]
    since: list[str]
    by_month: np.ndarray
    price: np.ndarray
    stated: Mapping[str, np.ndarray]
    rest: str

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Amounts:
        """From what `rows.customers` left in the notebook."""
        rows, months = told["rows"], told["months"]
        by_month = np.array([row[3:] for row in rows], dtype=float).reshape(-1, len(months))
        price = np.zeros((len(rows), len(months)))
        for row, column, amount in told["price"]:
            price[int(row), int(column)] = amount
        stated = {}
        for name, sums in told["stated"].items():
            stated[name] = np.zeros(len(rows))
            for row, amount in sums:
                stated[name][int(row)] = amount
        names, segments, since = ([row[place] for row in rows] for place in range(3))
        is_explained = told["company"]["adoption"] > 0
        rest = "adoption" if is_explained else "unsplit"
        return cls(months, names, segments, since, by_month, price[:, 1:], stated, rest)

    @property
    def expansion(self) -> list[str]:
        """The parts of a rise that there are; one where the ledger never says why."""
        price = ["price"] if self.price.any() else []
        return [*price, *self.stated, self.rest]

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """What each formula of the sheet comes to, `ndarray[customer]` by name."""
        a, before, now = self.by_month, self.by_month[:, :-1], self.by_month[:, 1:]
        opening, closing = a[:, 0], a[:, -1]
        stayed = np.where((a > 0).all(axis=1), closing, 0.0)
        is_first = np.array(self.since)[:, None] == np.array(self.months[1:])[None, :]
        new = (now * is_first).sum(axis=1)
        change = np.where((before > 0) & (now > 0), now - before - self.price, 0.0)
        rest = np.maximum(change, 0).sum(axis=1) - sum(self.stated.values())
        parts = {"price": self.price.sum(axis=1), **self.stated, self.rest: rest}
        return {
            "opening": opening,
            "closing": closing,
            "retained": np.minimum(opening, closing),
            "stayed": stayed,
            "stayed_retained": np.minimum(opening, stayed),
            "new": new,
            **{name: parts[name] for name in self.expansion},
            "reactivation": (now * ((before == 0) & ~is_first)).sum(axis=1),
            "contraction": np.maximum(-change, 0).sum(axis=1),
            "churn": (before * (now == 0)).sum(axis=1),
        }

    def sum(self, name: str, where: np.ndarray | None = None) -> float:
        """A column's sum, of all or of some customers."""
        values = self.columns[name]
        return float(values.sum() if where is None else values[where].sum())

    @property
    def cohort(self) -> np.ndarray:
        """`ndarray[customer]`: whether it is one of the window's start."""
        return np.asarray(self.by_month[:, 0] > 0)


@dataclass(frozen=True)
class CustomerSheet:
    """The sheet of the customers: which column each thing stands in, by name."""

    amounts: Amounts
    letters: Mapping[str, int]
    month_at: int  # the column of the first month
    price_at: int  # that of the first price increase, which is of the second month

    @classmethod
    def of(cls, amounts: Amounts) -> CustomerSheet:
        """Where everything stands; nothing is written."""
        shown = ["name", "segment", "since", *amounts.columns]
        letters = {name: place for place, name in enumerate(shown)}
        month_at = len(letters)
        return cls(amounts, letters, month_at, month_at + len(amounts.months))

    @cached_property
    def days(self) -> list[datetime.datetime]:
        """The first day of each month, which stands for it."""
        return [_first_day(month) for month in self.amounts.months]

    @property
    def last(self) -> int:
        """The row of the last customer."""
        return FIRST + len(self.amounts.names) - 1

    def month(self, place: int) -> str:
        """The cells of a month's amounts, for a formula of another sheet."""
        column = self.month_at + place
        return f"{SHEET}!{xl_range_abs(FIRST, column, self.last, column)}"

    def price(self, place: int) -> str:
        """The cells of a month's price increases; "" where there are none."""
        column = self.price_at + place - 1
        cells = f"{SHEET}!{xl_range_abs(FIRST, column, self.last, column)}"
        return cells if self.amounts.price.any() else ""

    def formulas(self) -> dict[str, Callable[[int], str]]:
        """What writes each column's formula, from the number of its row as Excel counts."""
        letter = {name: xl_col_to_name(place) for name, place in self.letters.items()}
        start, end = self.month_at, self.month_at + len(self.amounts.months) - 1
        first, second, last = map(xl_col_to_name, (start, start + 1, end))
        last_but_one = xl_col_to_name(end - 1)
        heads = f"${second}${HEADS + 1}:${last}${HEADS + 1}"
        parts = self.amounts.expansion
        prices = [xl_col_to_name(self.price_at), xl_col_to_name(self.price_at + end - start - 1)]

        def before(r: int) -> str:
            return f"{first}{r}:{last_but_one}{r}"

        def now(r: int) -> str:
            return f"{second}{r}:{last}{r}"

        def price(r: int) -> str:
            return f"{prices[0]}{r}:{prices[1]}{r}"

        def rise(r: int, sign: str = ">") -> str:
            b, n, p = before(r), now(r), f"-{price(r)}" if "price" in parts else ""
            size = f"({n}-{b}{p})"
            size = f"({size}{sign}0)*" + (size if sign == ">" else f"-{size}")
            return f"SUMPRODUCT(({b}>0)*({n}>0)*{size})"

        known = {
            "opening": lambda r: f"={first}{r}",
            "closing": lambda r: f"={last}{r}",
            "retained": lambda r: f"=MIN({letter['opening']}{r},{letter['closing']}{r})",
            "stayed": lambda r: (
                f'=IF(COUNTIF({first}{r}:{last}{r},">0")=COLUMNS({first}{r}:{last}{r}),'
                f"{letter['closing']}{r},0)"
            ),
            "stayed_retained": lambda r: f"=MIN({letter['opening']}{r},{letter['stayed']}{r})",
            "new": lambda r: f"=SUMIF({heads},{letter['since']}{r},{now(r)})",
            self.amounts.rest: lambda r: (
                f"={rise(r)}" + "".join(f"-{letter[each]}{r}" for each in self.amounts.stated)
            ),
            "reactivation": lambda r: (
                f"=SUMPRODUCT(({before(r)}=0)*({heads}<>{letter['since']}{r})*{now(r)})"
            ),
            "contraction": lambda r: f"={rise(r, '<')}",
            "churn": lambda r: f"=SUMPRODUCT(({now(r)}=0)*{before(r)})",
        }
        if "price" in parts:
            known["price"] = lambda r: f"=SUM({price(r)})"
        return known


def write_customers(
    sheet: Any, workbook: Any, book: CustomerSheet, style: Styles, footer: str
) -> None:
    """Write the customers, their amounts and their formulas, and define the columns' names."""
    amounts, last = book.amounts, book.last
    is_priced = bool(amounts.price.any())
    set_up(sheet, footer, heads=(HEADS, HEADS))
    sheet.write_string(0, 0, "Customers", style.title)
    sheet.set_row(0, 22)
    sheet.write_string(1, 0, NOTE, style.note)

    formulas, months = book.formulas(), book.days
    for name, place in book.letters.items():
        head = {"name": "Customer", "segment": "Segment", "since": "First month"}.get(name)
        is_text = name in ("name", "segment")
        sheet.write_string(HEADS, place, head or WORDS[name], style.head(not is_text))
        if name != "name":
            cells = xl_range_abs(FIRST, place, last, place)
            workbook.define_name(NAMES[name], f"={SHEET}!{cells}")
    month_head = style("date", bold=True, bottom=1, align="right", font_color=INPUT)
    for place, day in enumerate(months):
        sheet.write_datetime(HEADS, book.month_at + place, day, month_head)
        if is_priced and place:
            at = book.price_at + place - 1
            sheet.write_datetime(HEADS, at, day, month_head)
    if is_priced:
        sheet.write_string(HEADS - 1, book.price_at, "Price increases by month", style.heading)

    text, money, read = style(), style("money"), style("money", font_color=INPUT)
    date = style("date", align="right", font_color=INPUT)
    for place, (name, segment, since) in enumerate(
        zip(amounts.names, amounts.segments, amounts.since, strict=True)
    ):
        sheet.write_string(FIRST + place, 0, name, text)
        sheet.write_string(FIRST + place, 1, segment, text)
        sheet.write_datetime(FIRST + place, 2, _first_day(since), date)
    for name, place in book.letters.items():
        if name not in amounts.columns:
            continue
        write = formulas.get(name)
        for row, value in enumerate(amounts.columns[name].tolist(), FIRST):
            if write is None:
                sheet.write_number(row, place, value, read)
            else:
                sheet.write_formula(row, place, write(row + 1), money, value + 0.0)
        column = xl_col_to_name(place)
        total = f"=SUM({column}{FIRST + 1}:{column}{last + 1})"
        sheet.write_formula(HEADS - 1, place, total, style.total("money"), amounts.sum(name))
    blocks = [(book.month_at, amounts.by_month)]
    blocks += [(book.price_at, amounts.price)] if is_priced else []
    for at, values in blocks:
        for row, line in enumerate(values.tolist(), FIRST):
            for column, value in enumerate(line, at):
                sheet.write_number(row, column, value, read)

    sheet.write_string(HEADS - 1, 0, "All customers", style.total())
    for place in (1, 2):
        sheet.write_blank(HEADS - 1, place, None, style.total())
    width = book.price_at + (len(months) - 1 if is_priced else 0) - 1
    sheet.set_column(0, 0, min(max(18, *map(len, amounts.names), 0), 40))
    sheet.set_column(1, 1, 14)
    sheet.set_column(2, 2, 10)
    sheet.set_column(3, width, 14)
    sheet.set_row(HEADS, 36)
    sheet.freeze_panes(FIRST, 1)
    sheet.autofilter(HEADS, 0, last, width)
    sheet.print_area(0, 0, last, book.month_at - 1)  # months have no room on paper


NOTE = (
    "ARR by customer. Blue: from the ledger. Black: formulas. Change a blue amount, and Summary,"
    " Roll-forward and Checks follow."
)


def _first_day(month: str) -> datetime.datetime:
    return datetime.datetime.strptime(month, "%Y-%m")
