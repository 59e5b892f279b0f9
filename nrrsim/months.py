"""What a person writes for a month in, its number, quarter and year out; never knows a ledger.

A month number counts months since year 0, so that a window is a subtraction. Which quarter and year
a month lies in is the company's Calendar's to say.
"""

from __future__ import annotations

import calendar
import datetime
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from nrrsim.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

MonthNumbers = TypeVar("MonthNumbers", int, "np.ndarray")
QUARTER = re.compile(r"([0-9]{4})[- ]?[Qq]([1-4])")
# before and after stand a spreadsheet's zero (1899-12-31) and slips of the pen, no revenue
YEARS, EVER = range(1900, 2200), range(1900, 10_000)
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?Z?"
NEXT_RENEWAL = "next renewal"  # in the place of a number of months: until each one's own
_EPOCH = datetime.date(1970, 1, 1).toordinal()


def month_number(value: object) -> int | None:
    """The month number of `2026-09`, `2026-09-30`, `2026Q3` or a date; None of anything else."""
    date = _date(value)
    return None if date is None else date.year * 12 + date.month - 1


def month_name(number: int) -> str:
    """`2026-09` of a month number."""
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def parse_month(value: object, what: str) -> int:
    """The month number of what a person wrote; raises UsageError naming `what`."""
    number = month_number(value)
    if number is None:
        raise UsageError(f"{what}: {value!r} is not a month; write it as YYYY-MM, such as 2026-09")
    return number


def shift(month: str, by: int) -> str:
    """The month `by` months after `month` (before it where negative)."""
    return month_name(parse_month(month, "month") + by)


def last_day_number(value: object) -> int | None:
    """Days since 1970 of a date; a month or a quarter alone is its last day.

    The year may lie however far ahead: what runs on is often written as ending in 9999.
    """
    date = _date(value, EVER)
    if isinstance(value, str) and date is not None and not DAY.match(value.strip()):
        date = date.replace(day=calendar.monthrange(date.year, date.month)[1])
    return None if date is None else date.toordinal() - _EPOCH


# --- quarters and years ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Calendar:
    """A company's quarters and years; `year_end` (1 to 12) is the month in which its year ends.

    A quarter is three months, counted from the year's first. A year that ends in another month than
    December is fiscal, and has the name of the year in which it ends. `unit` is 1, 3 or 12 months:
    a month, a quarter or a year; units are numbered as months are.
    """

    year_end: int = 12

    @classmethod
    def of(cls, fiscal_year_end: object) -> Calendar:
        """The calendar whose year ends in this month, as people write it: 1 to 12, 01 to 12.

        Raises ValueError for anything else.
        """
        text = str(fiscal_year_end).strip()
        # as everywhere, a whole number may have come as 1.0; true and false are none
        if re.fullmatch(r"(0?[1-9]|1[0-2])(\.0)?", text):
            return cls(int(text.removesuffix(".0")))
        raise ValueError(
            "must be the month in which the year ends, from 01 (January) to 12 (December),"
            f" got {fiscal_year_end!r}"
        )

    @property
    def is_fiscal(self) -> bool:
        """Whether the year is another than the calendar's."""
        return self.year_end != 12

    def unit_of(self, month: MonthNumbers, unit: int) -> MonthNumbers:
        """The number of the month, quarter or year that a month (or each of several) lies in."""
        return (month + self._ahead) // unit

    def last_month(self, number: int, unit: int) -> int:
        """The month in which the unit of this number ends."""
        return (number + 1) * unit - 1 - self._ahead

    def ends(self, month: int, unit: int) -> bool:
        """Whether a quarter or year is over at the end of this month."""
        return (month + 1 + self._ahead) % unit == 0

    def name(self, number: int, unit: int) -> str:
        """A unit's name by its number: `2024-01`, `2024 Q1` or `2024`; fiscal `Q1 FY25`, `FY25`."""
        if unit == 1:
            return month_name(number - self._ahead)
        year = number * unit // 12
        quarter = f"Q{number % 4 + 1}"
        if not self.is_fiscal:
            return str(year) if unit == 12 else f"{year} {quarter}"
        # two digits tell the years of one century apart, and no others
        fiscal = f"FY{year % 100:02d}" if 2000 <= year < 2100 else f"FY{year}"
        return fiscal if unit == 12 else f"{quarter} {fiscal}"

    def reader(self, parse: Callable[[object], int | None]) -> Callable[[object], int | None]:
        """`parse`; but `2026Q3` says nothing sure where the year is fiscal, and is None."""
        return lambda value: None if self._is_either(value) else parse(value)

    def parse_month(self, value: object, what: str) -> int:
        """As the function: but where the year is fiscal, `2026Q3` is refused."""
        if self._is_either(value):
            raise UsageError(
                f"{what}: {value!r} may be a quarter of the calendar or of the fiscal year;"
                " write its last month as YYYY-MM, such as 2026-09"
            )
        return parse_month(value, what)

    @property
    def _ahead(self) -> int:
        """By how many months the year begins before the calendar's of the same name."""
        return 12 - self.year_end

    def _is_either(self, value: object) -> bool:
        is_quarter = isinstance(value, str) and QUARTER.fullmatch(value.strip())
        return self.is_fiscal and bool(is_quarter)


CALENDAR_YEAR = Calendar()


def _date(value: object, years: range = YEARS) -> datetime.date | None:
    if isinstance(value, str):
        written = _date_of_text(value.strip())
        return written if written and written.year in years else None
    # NaT is a date, too; its year is no number, and so in no range
    if not isinstance(value, datetime.date) or value.year not in years:
        return None
    # an instant is a day only where it is its zone's midnight: elsewhere it may be another month
    if isinstance(value, datetime.datetime) and value.tzinfo and value.time() != datetime.time():
        return None
    return value


@functools.lru_cache(maxsize=4096)
def _date_of_text(text: str) -> datetime.date | None:
    # a quarter stands for the month at whose end its snapshot is taken
    if quarter := QUARTER.fullmatch(text):
        year, month, day = int(quarter[1]), int(quarter[2]) * 3, 1
    # a time of day has to be one, and is not looked at further
    elif written := re.fullmatch(rf"({DAY.pattern})([ T]{TIME})?|[0-9]{{4}}-[0-9]{{2}}", text):
        year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10] if written[1] else 1)
    else:
        return None
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None
