"""What a person writes for a month in, a month number out, and back; never knows a ledger.

A month number counts months since year 0, so that a window is a subtraction.
"""

from __future__ import annotations

import datetime
import functools
import re

import pandas as pd

from nrrsim.errors import UsageError

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


def day_number(value: object) -> int | None:
    """Days since 1970 of a date; a month alone is its first day."""
    date = _date(value)
    return None if date is None else date.toordinal() - _EPOCH


def last_day_number(value: object) -> int | None:
    """Days since 1970 of a date; a month alone is its last day."""
    date = _date(value)
    if isinstance(value, str) and len(value.strip()) == 7 and date is not None:
        following = datetime.date(date.year + date.month // 12, date.month % 12 + 1, 1)
        date = following - datetime.timedelta(days=1)
    return None if date is None else date.toordinal() - _EPOCH


def _date(value: object) -> datetime.date | None:
    # NaT is a date, too
    if isinstance(value, datetime.date):
        return None if pd.isna(value) else value
    return _date_of_text(value.strip()) if isinstance(value, str) else None


@functools.lru_cache(maxsize=4096)
def _date_of_text(text: str) -> datetime.date | None:
    # a quarter stands for the month at whose end its snapshot is taken
    if quarter := re.fullmatch(r"([12]\d{3})[- ]?[Qq]([1-4])", text):
        return datetime.date(int(quarter[1]), int(quarter[2]) * 3, 1)
    # what a time of day says after the date is not looked at
    if not re.fullmatch(r"[12]\d{3}-\d\d(-\d\d([ T][\d:.]+Z?)?)?", text):
        return None
    try:
        return datetime.date.fromisoformat(text[:10] if len(text) > 7 else f"{text}-01")
    except ValueError:
        return None
