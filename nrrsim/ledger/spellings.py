"""One cell in, the day, month or quarter that it spells; never knows the column that it stands in.

What hangs on more than the cell (the order of a/b/yyyy, whether 46022 is a day, when a fiscal year
ends, a zone) is left open in what comes out.
"""

from __future__ import annotations

import calendar as calendars
import datetime
import functools
import re
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from nrrsim.ledger.cells import plain_text
from nrrsim.months import YEARS, Calendar
from nrrsim.notation import MONTHS

RUNS_ON = (2999, 4712, 9999)  # years in which ends what has no end
DAY, HOUR, MINUTE = 86_400_000, 3_600_000, 60_000  # in milliseconds
MOST_LETTERS = 60  # of a date: none is longer
_SERIAL_ZERO = datetime.date(1899, 12, 30).toordinal()  # Excel's day 0, for each day since 1900-03
_EARLIEST_SERIAL = 10_000  # 1927-05-18: what is less is a year, or a number of something else
_LATEST_SERIAL = datetime.date.max.toordinal() - _SERIAL_ZERO

_GERMAN = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"
_NUMBER = {
    spelt: number
    for names in (MONTHS, _GERMAN.split())
    for number, name in enumerate(names, start=1)
    for spelt in (name.lower(), name[:3].lower())
} | {"sept": 9, "jän": 1, "jänner": 1, "feber": 2, "maerz": 3, "mrz": 3}

# The names of groups are those of Written's fields.
_Y, _YY, _NAME = r"(?P<y>[0-9]{4})", r"'?(?P<y>[0-9]{4}|[0-9]{2})", r"(?P<m>[^\W\d_]{3,9})\.?"
_M, _D, _FISCAL = r"(?P<m>[0-9]{1,2})", r"(?P<d>[0-9]{1,2})", r"(?P<f>fy|gj) ?"


def _of_a_year(letter: str, most: int) -> list[str]:
    """How a quarter (`q`, 4) or a half-year (`h`, 2) is written with its year, fiscal or not."""
    number, year = rf"(?P<n>[1-{most}])", rf"(?:{_FISCAL})?{_YY}"
    return [
        rf"{year}[-/ ]?{letter}{number}",
        rf"{letter}{number}[-/ ]?{year}",
        rf"{number}{letter}[-/ ]?{year}",
    ]


def _compiled(forms: dict[str, list[str]]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((kind, re.compile(form)) for kind, each in forms.items() for form in each)


_CELLS = _compiled(
    {
        "day": [
            rf"{_Y}(?P<s>[-/.]){_M}(?P=s){_D}\.?",
            rf"{_Y}(?P<m>[0-9]{{2}})(?P<d>[0-9]{{2}})",
            rf"{_D}\. ?{_M}\. ?{_YY}",
            rf"{_D}(?:st|nd|rd|th)?[-/ .]{{0,2}}{_NAME}[-/ ,]{{0,2}}{_YY}",
            rf"{_NAME} {_D}(?:st|nd|rd|th)?,? {_Y}",
        ],
        "either": [rf"{_M}(?P<s>[-/]){_D}(?P=s){_Y}", rf"{_M}/{_D}/{_YY}"],
        "month": [
            rf"{_Y}[-/]{_M}",
            rf"{_Y}(?P<m>[0-9]{{2}})",
            rf"{_Y}[- ]?m{_M}",
            rf"{_M}[-/.]{_Y}",
            rf"{_NAME}[-/ ,]{{0,2}}{_YY}",
            rf"{_Y}[-/ ]?{_NAME}",
        ],
        "quarter": _of_a_year("q", 4),
    }
)
# what a heading may be beyond what a cell may be
_HEADINGS = _compiled(
    {
        "half": [*_of_a_year("hj?", 2), r"hj?(?P<n>[12])", r"(?P<n>[12])\.? ?hj?"],
        "quarter": [r"q(?P<n>[1-4])", r"(?P<n>[1-4])\.? ?q"],
        "year": [rf"{_FISCAL}{_YY}", rf"(?:cy ?)?{_Y}", rf"cy ?{_YY}"],
        "month": [_NAME],
    }
)
_TO_DATE = re.compile(r"\bytd(?![a-z])|year[- ]to[- ]date")
_NUMERIC = re.compile(r"[0-9]{5,8}(\.[0-9]+)?")
_TIMED = re.compile(
    r"(?P<date>.+?)(?:t|,? +)(?P<hour>[0-9]{1,2}):(?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9])(?:[.,](?P<part>[0-9]+))?)?(?: ?(?P<half>[ap])\.?m\.?)?"
    r" ?(?P<zone>z|utc|gmt|[-+](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)?"
)


class Written(NamedTuple):
    """A cell taken apart: a `day`, a day by its `serial` number, a `month`, a `quarter`, `either`.

    `either` is a/b/yyyy: `m` is a, and `d` is b. `n` is the number of a quarter, which is of a
    fiscal year if it is `fiscal`. `time` is the time of day and `offset` that of its zone, both in
    milliseconds, None where there is none; `instant` says that the cell's type has a zone.
    """

    kind: str
    y: int
    m: int = 0
    d: int = 0
    n: int = 0
    fiscal: bool = False
    time: int | None = None
    offset: int | None = None
    instant: bool = False

    @property
    def time_of_day(self) -> int:
        """In milliseconds, 0 where there is none; what rounds to midnight is the next day's 0."""
        return (self.time or 0) % DAY

    def by_order(self) -> dict[str, datetime.date]:
        """The day that a/b/yyyy is, by each order (`dmy`, `mdy`) that makes a day of it."""
        days = {"dmy": _date(self.y, self.d, self.m), "mdy": _date(self.y, self.m, self.d)}
        return {order: day for order, day in days.items() if day}

    @property
    def is_clear(self) -> bool:
        """Whether a/b/yyyy is the same in every order: the same day, or none."""
        days = self.by_order()
        return not days or (len(days) == 2 and days["dmy"] == days["mdy"])

    def day(self, order: str) -> datetime.date | None:
        """The day as it is written, in its own zone; None where there is no such day.

        Without an order a/b/yyyy is a day if it can be but one.
        """
        day = _date(self.y, self.m, self.d)
        if self.kind == "either":
            days = self.by_order()
            may_be = {days.get(order)} if order else set(days.values())
            day = may_be.pop() if len(may_be) == 1 else None
        return days_after(day, (self.time or 0) // DAY) if day else None

    def span(self, order: str, calendar: Calendar) -> tuple[datetime.date, datetime.date] | None:
        """The first and the last day that is meant; of a quarter those of its last month.

        None where it is no day, and of `2025Q4` where the calendar's year is fiscal.
        """
        if self.kind not in ("month", "quarter"):
            day = self.day(order)
            return (day, day) if day else None
        month = self.y * 12 + self.m - 1
        if self.kind == "quarter":
            if calendar.is_fiscal and not self.fiscal:
                return None
            month = calendar.last_month(self.y * 4 + self.n - 1, 3)
        year, number = divmod(month, 12)
        first = _date(year, number + 1, 1)
        if first is None:
            return None
        return first, first.replace(day=calendars.monthrange(year, number + 1)[1])


def days_after(day: datetime.date, days: int) -> datetime.date:
    """The day so many days later; the calendar's last, where what runs on ends, has none after."""
    return day + datetime.timedelta(days=min(days, (datetime.date.max - day).days))


def taken_apart(cell: object) -> Written | None:
    """What a cell spells; None of what is no date whatever is said, as `24-Dec` and 2025."""
    if isinstance(cell, str):
        text = plain_text(cell).lower()
        if len(text) > MOST_LETTERS:
            return None
        if ":" in text:
            return _timed(text)
        return _of_number(float(text)) if _NUMERIC.fullmatch(text) else _form(text, _CELLS)
    if isinstance(cell, datetime.datetime):
        nanoseconds = cell.microsecond * 1000 + getattr(cell, "nanosecond", 0)
        seconds = cell.hour * 3600 + cell.minute * 60 + cell.second
        zone = cell.utcoffset()
        return Written(
            "day",
            *(cell.year, cell.month, cell.day),
            time=seconds * 1000 + round(nanoseconds / 1e6),
            offset=None if zone is None else round(zone.total_seconds() * 1000),
            instant=zone is not None,
        )
    if isinstance(cell, datetime.date):
        return Written("day", cell.year, cell.month, cell.day)
    if isinstance(cell, bool) or not isinstance(cell, int | float | Decimal | np.number):
        return None
    return _of_number(float(cell)) if 0 < cell < 1e8 else None


def heading_of_time(cell: object) -> Written | None:
    """As `taken_apart`, of a heading: a `half`, a `year` and `ytd` as well; 0 is what is not said.

    `Dec` has no year, `Q1` neither; what is to date has no number.
    """
    written = taken_apart(cell)
    if written is not None and written.kind != "serial":
        return written
    text = plain_text(str(cell)).lower().removesuffix(".0")
    if _TO_DATE.search(text):
        year = re.search(r"(?<![0-9])[0-9]{4}(?![0-9])", text)
        return Written("ytd", int(year[0]) if year else 0)
    return written or _form(text, _HEADINGS)


def _of_number(number: float) -> Written | None:
    """202412 and 20241231 are what they look like; another number may be Excel's of a day."""
    days, time = divmod(round(number * DAY), DAY)
    if time == 0 and (written := _form(str(days), _CELLS)) and written.y in YEARS:
        return written
    if not _EARLIEST_SERIAL <= days <= _LATEST_SERIAL:
        return None
    day = datetime.date.fromordinal(_SERIAL_ZERO + days)
    if day.year not in YEARS and day.year not in RUNS_ON:
        return None
    return Written("serial", day.year, day.month, day.day, time=time)


def _timed(text: str) -> Written | None:
    """A day with a time of day, and perhaps a zone."""
    timed = _TIMED.fullmatch(text)
    written = _form(timed["date"], _CELLS) if timed else None
    if timed is None or written is None or written.kind not in ("day", "either"):
        return None
    hour = int(timed["hour"])
    if timed["half"] and 1 <= hour <= 12:
        hour = hour % 12 + (12 if timed["half"] == "p" else 0)
    elif timed["half"] or hour > 23:
        return None
    part = round(float(f"0.{timed['part']}") * 1000) if timed["part"] else 0
    time = hour * HOUR + int(timed["minute"]) * MINUTE + int(timed["second"] or 0) * 1000 + part
    return written._replace(time=time, offset=_offset(timed["zone"]))


@functools.lru_cache(maxsize=256)
def _offset(zone: str | None) -> int | None:
    if not zone:
        return None
    if zone[0] not in "+-":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[-2:] if len(zone) > 3 else 0)
    return (-minutes if zone[0] == "-" else minutes) * MINUTE


@functools.lru_cache(maxsize=65_536)
def _form(text: str, forms: tuple[tuple[str, re.Pattern[str]], ...]) -> Written | None:
    """A text as the first form that fits it and whose month is one."""
    for kind, form in forms:
        if found := form.fullmatch(text):
            said = found.groupdict("0")
            year, month = said.get("y", "0"), said.get("m", "0")
            number = int(month) if month.isdecimal() else _NUMBER.get(month, 0)
            if kind in ("day", "month") and not 1 <= number <= 12:
                continue
            return Written(
                kind,
                int(year) + (2000 if len(year) == 2 else 0),
                number,
                int(said.get("d", "0")),
                int(said.get("n", "0")),
                said.get("f", "0") != "0",
            )
    return None


@functools.lru_cache(maxsize=65_536)
def _date(year: int, month: int, day: int) -> datetime.date | None:
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None
