"""Cells in, the days and months that they mean out; never takes today's date or the machine's zone.

`a/b/yyyy` is told by all columns of a file together: one cell that only one order can explain
settles it, else it is asked. A quarter stands for the month at whose end its snapshot is taken.
"""

from __future__ import annotations

import calendar as calendars
import datetime
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from nrrsim.ledger.cells import distinct, plain_text, spread
from nrrsim.months import CALENDAR_YEAR, EVER, YEARS, Calendar
from nrrsim.notation import MONTHS

RUNS_ON = (2999, 4712, 9999)  # years in which what has no end ends
_DAY, _HOUR, _MINUTE = 86_400_000, 3_600_000, 60_000  # in milliseconds
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_SERIAL_ZERO = datetime.date(1899, 12, 30).toordinal()  # Excel's day 0, for each day since 1900-03
_EARLIEST_MIDNIGHT = 10 * _HOUR  # in UTC, of a day that begins before UTC's: 14 hours ahead
_EARLIEST_SERIAL = 10_000  # 1927-05-18: what is less is a year, or a number of something else

_GERMAN = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"
_NUMBER = {
    written: number
    for names in (MONTHS, _GERMAN.split())
    for number, name in enumerate(names, start=1)
    for written in (name.lower(), name[:3].lower())
} | {"sept": 9, "jän": 1, "jänner": 1, "feber": 2, "maerz": 3, "mrz": 3}

_Y, _YY, _NAME = r"(?P<y>[0-9]{4})", r"'?(?P<y>[0-9]{4}|[0-9]{2})", r"(?P<m>[^\W\d_]{3,9})\.?"
_M, _D, _FISCAL = r"(?P<m>[0-9]{1,2})", r"(?P<d>[0-9]{1,2})", r"(?P<f>fy|gj) ?"


def _spelt(letter: str, most: int) -> list[str]:
    """How a quarter (`q`, 4) or a half-year (`h`, 2) is written, fiscal or not, with its year."""
    number = rf"(?P<n>[1-{most}])"
    year = rf"(?:{_FISCAL})?{_YY}"
    after, turned = rf"{letter}{number}[-/ ]?", rf"{number}{letter}[-/ ]?"
    return [rf"{year}[-/ ]?{letter}{number}", after + year, turned + year]


# What a text may be, in this order; the names of groups are those of Written.
_FORMS = [
    (kind, re.compile(form))
    for kind, forms in {
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
        "quarter": _spelt("q", 4),
    }.items()
    for form in forms
]
_HEADINGS = [
    (kind, re.compile(form))
    for kind, forms in {
        "half": [*_spelt("hj?", 2), r"hj?(?P<n>[12])", r"(?P<n>[12])\.? ?hj?"],
        "quarter": [r"q(?P<n>[1-4])", r"(?P<n>[1-4])\.? ?q"],
        "year": [rf"{_FISCAL}{_YY}", rf"(?:cy ?)?{_Y}", rf"cy ?{_YY}"],
        "month": [_NAME],
    }.items()
    for form in forms
]
_TO_DATE = re.compile(r"\bytd(?![a-z])|year[- ]to[- ]date")
_TIMED = re.compile(
    r"(?P<date>.+?)(?:t|,? +)(?P<hour>[0-9]{1,2}):(?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9])(?:[.,](?P<part>[0-9]+))?)?(?: ?(?P<half>[ap])\.?m\.?)?"
    r" ?(?P<zone>z|utc|gmt|[-+](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)?"
)
_NUMERIC = re.compile(r"[0-9]{5,8}(\.[0-9]+)?")
_WHICH_ORDER = ("dates", ("dmy", "mdy"))
MOST_LETTERS = 60  # of a date: none is longer


@dataclass(frozen=True)
class Dates:
    """The days that the cells of a column mean, each array by cell.

    `first` and `last` are the first and last day that is meant, in days since 1970: of a day it is
    itself, of a month (and a quarter's last one) its first and its last; nan where there is none.
    A cell that is neither read nor `empty` nor `unreadable` hangs on what `Read.asked` asks.
    """

    first: np.ndarray
    last: np.ndarray
    empty: np.ndarray
    unreadable: np.ndarray


class Asked(NamedTuple):
    """A question: the option (and its choices) on which `cells` cells hang, and the first of them.

    `position` counts from 0 within `column`.
    """

    option: str
    choices: tuple[str, ...]
    column: str
    position: int
    cells: int


class Zoned(NamedTuple):
    """A column whose UTC times are a zone's midnight, or that a zone was named for.

    `cells` are those times, `first` the position of the first, `times` up to two of day, such as
    `22:00` and `23:00`. Without a zone `days` (and `months`) counts the cells that would count on
    the next day (in the next month) in the zone of that midnight; with one those that do move.
    """

    column: str
    first: int
    cells: int
    times: tuple[str, ...]
    days: int
    months: int


@dataclass(frozen=True)
class Read:
    """The date columns of a file, read together.

    `order` is how a/b/yyyy was read, `dmy`, `mdy` or "", and `order_told_by` the column and
    position of the cell that only it explains (None where it was said); `contradictory` are two
    such cells, one of each order: then none of that form is read. `zoned` is what to say of zones.
    """

    columns: dict[str, Dates]
    order: str = ""
    order_told_by: tuple[str, int] | None = None
    contradictory: tuple[tuple[str, int], tuple[str, int]] | None = None
    asked: tuple[Asked, ...] = ()
    zoned: tuple[Zoned, ...] = ()


class Heading(NamedTuple):
    """What a heading of a wide table means: a `month`, `quarter`, `half`, `year` or `ytd`.

    `year` is None where the heading has none (`Dec`, `Q1`); `fiscal` says that it is a fiscal one.
    `number` (month 1 to 12, quarter, half) is None of a year, of what is to date, and of a month
    written a/b/yyyy whose order is not known.
    """

    kind: str
    year: int | None
    number: int | None
    fiscal: bool = False


class _Written(NamedTuple):
    """One distinct cell taken apart: a `day`, `serial`, a/b/yyyy (`either`: m/d), month or quarter.

    `time` is its time of day and `offset` its zone's, in milliseconds; None where it has none.
    `instant` says that the cell has a type with a zone.
    """

    kind: str
    year: int
    m: int = 0
    d: int = 0
    n: int = 0
    fiscal: bool = False
    time: int | None = None
    offset: int | None = None
    instant: bool = False


def read_dates(
    columns: Mapping[str, pd.Series],
    *,
    dates: str | None = None,
    timezone: str | None = None,
    calendar: Calendar = CALENDAR_YEAR,
    year_end_said: bool = False,
    excel: bool = False,
    ends: Collection[str] = ("end",),
    utc: Collection[str] = (),
) -> Read:
    """The days that all date columns of a file mean.

    `dates` is `dmy`, `mdy` or `serial` (Excel's day numbers; `excel` says that the cells are a
    spreadsheet's own). `calendar` says what `FY25 Q4` is, if it or `year_end_said` says that its
    year end is known; where it is fiscal, `2025Q4` is unreadable. The columns in `ends` may lie
    as far ahead as one writes, others in YEARS. The times of those in `utc` are UTC without a word.
    `timezone` is the zone on whose day UTC times count. Raises ValueError where there is none such.
    """
    zone = _zone(timezone)
    taken_apart = [_Column(name, cells) for name, cells in columns.items()]
    told = {} if dates in _WHICH_ORDER[1] else _orders_told(taken_apart)
    has_any = any(cell and cell.kind == "either" for each in taken_apart for cell in each.written)
    order = next(iter(told), dates if dates in _WHICH_ORDER[1] and has_any else "")
    contradictory = None
    if len(told) > 1:
        order, contradictory = "", (told["dmy"], told["mdy"])

    read, asked, zoned = {}, dict[tuple[str, tuple[str, ...]], Asked](), []
    for column in taken_apart:
        hangs: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        spans = np.full((len(column.written), 2), np.nan)
        moved, notices = _on_zones_day(column, order, zone, column.name in utc)
        zoned += notices
        for place, cell in enumerate(column.written):
            if cell is None:
                continue
            option = _question(cell, order, dates, excel, year_end_said or calendar.is_fiscal)
            if option:
                hangs.setdefault(option, []).append(place)
                continue
            span = _span(cell, order, calendar)
            if place in moved:
                day = moved[place]
                span = (day, day) if day else None
            if span and span[0].year in (EVER if column.name in ends else YEARS):
                spans[place] = [day.toordinal() - _EPOCH for day in span]

        for option, places in hangs.items():
            new = Asked(*option, column.name, column.first(places), column.count(places))
            old = asked.get(option)
            asked[option] = old._replace(cells=old.cells + new.cells) if old else new
        waiting = {place for places in hangs.values() for place in places}
        wrong = [
            bool(np.isnan(spans[place, 0])) and place not in waiting and not empty
            for place, empty in enumerate(column.empty)
        ]
        read[column.name] = Dates(
            spread(spans[:, 0], column.codes, float, np.nan),
            spread(spans[:, 1], column.codes, float, np.nan),
            spread(column.empty, column.codes, bool, True),
            spread(wrong, column.codes, bool, False),
        )
    if contradictory:
        asked.pop(_WHICH_ORDER, None)
    told_by = told.get(order)
    return Read(read, order, told_by, contradictory, tuple(asked.values()), tuple(zoned))


def month_of_heading(cell: object, order: str = "", excel: bool = False) -> Heading | None:
    """What the heading of a column means, if it is a month or another stretch of time.

    `order` is that of a/b/yyyy, as `read_dates` tells it of all headings together; `excel` says
    that a number in it may be a day number.
    """
    written = _take_apart(cell)
    if written is None or (written.kind == "serial" and not excel):
        return _heading_of_text(plain_text(str(cell)).lower())
    if written.kind == "quarter":
        return Heading("quarter", written.year, written.n, written.fiscal)
    if written.kind == "month":
        return Heading("month", written.year, written.m)
    day = _day(written, order)
    if day is None:
        may_be_one = written.kind == "either" and _days(written)
        return Heading("month", written.year, None) if may_be_one else None
    return Heading("month", day.year, day.month)


def _heading_of_text(text: str) -> Heading | None:
    if _TO_DATE.search(text):
        year = re.search(r"(?<![0-9])[0-9]{4}(?![0-9])", text)
        return Heading("ytd", int(year[0]) if year else None, None)
    written = _form(text.removesuffix(".0"), _HEADINGS)
    if written is None:
        return None
    return Heading(
        written.kind, written.year or None, written.m or written.n or None, written.fiscal
    )


# --- a cell taken apart ---------------------------------------------------------------------------


def _take_apart(cell: object) -> _Written | None:
    """A cell as what it may be; None of what is no date whatever is said."""
    if isinstance(cell, str):
        text = plain_text(cell).lower()
        if len(text) > MOST_LETTERS:
            return None
        return _of_number(float(text)) if _NUMERIC.fullmatch(text) else _of_text(text)
    if isinstance(cell, datetime.datetime):
        nanoseconds = cell.microsecond * 1000 + getattr(cell, "nanosecond", 0)
        seconds = cell.hour * 3600 + cell.minute * 60 + cell.second
        time = seconds * 1000 + round(nanoseconds / 1e6)
        zone = cell.utcoffset()
        offset = None if zone is None else round(zone.total_seconds() * 1000)
        return _Written(
            "day", cell.year, cell.month, cell.day, 0, False, time, offset, zone is not None
        )
    if isinstance(cell, datetime.date):
        return _Written("day", cell.year, cell.month, cell.day)
    if isinstance(cell, bool) or not isinstance(cell, int | float | Decimal | np.number):
        return None
    return _of_number(float(cell)) if 0 < cell < 1e8 else None


def _of_number(number: float) -> _Written | None:
    """202412 and 20241231 are what they look like; another number may be Excel's of a day."""
    days, time = divmod(round(number * _DAY), _DAY)
    if time == 0 and (written := _form(str(days), _FORMS)) and written.year in YEARS:
        return written
    if not _EARLIEST_SERIAL <= days < datetime.date.max.toordinal() - _SERIAL_ZERO + 1:
        return None
    day = datetime.date.fromordinal(_SERIAL_ZERO + days)
    is_likely = day.year in YEARS or day.year in RUNS_ON
    return _Written("serial", day.year, day.month, day.day, time=time) if is_likely else None


def _of_text(text: str) -> _Written | None:
    if ":" not in text:
        return _form(text, _FORMS)
    timed = _TIMED.fullmatch(text)
    written = _form(timed["date"], _FORMS) if timed else None
    if timed is None or written is None or written.kind not in ("day", "either"):
        return None
    hour = int(timed["hour"])
    if timed["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if timed["half"] == "p" else 0)
    if hour > 23:
        return None
    part = round(float(f"0.{timed['part'] or 0}") * 1000)
    time = hour * _HOUR + int(timed["minute"]) * _MINUTE + int(timed["second"] or 0) * 1000 + part
    return written._replace(time=time, offset=_offset(timed["zone"]))


def _offset(zone: str | None) -> int | None:
    if not zone:
        return None
    if zone[0] not in "+-":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[-2:] if len(zone) > 3 else 0)
    return (-minutes if zone[0] == "-" else minutes) * _MINUTE


def _form(text: str, forms: list[tuple[str, re.Pattern[str]]]) -> _Written | None:
    for kind, form in forms:
        found = form.fullmatch(text)
        groups = found.groupdict() if found else {}
        if not groups:
            continue
        year = groups.get("y") or "0"
        month = groups.get("m") or "0"
        number = int(month) if month.isdecimal() else _NUMBER.get(month, 0)
        if kind in ("day", "month") and not 1 <= number <= 12:
            continue
        return _Written(
            kind,
            int(year) + (2000 if len(year) == 2 else 0),
            number,
            int(groups.get("d") or 0),
            int(groups.get("n") or 0),
            bool(groups.get("f")),
        )
    return None


# --- what it means --------------------------------------------------------------------------------


class _Column:
    """A column's distinct cells, each taken apart once; `empty` are those of blanks only."""

    def __init__(self, name: str, cells: pd.Series) -> None:
        self.name = name
        self.codes, found = distinct(cells)
        self.empty = [isinstance(cell, str) and not plain_text(cell) for cell in found]
        self.written = [_take_apart(cell) for cell in found]
        self.cells_of = np.bincount(self.codes[self.codes >= 0], minlength=len(found))

    def first(self, places: list[int]) -> int:
        return int(np.isin(self.codes, places).argmax())

    def count(self, places: list[int]) -> int:
        return int(self.cells_of[places].sum())


def _question(
    cell: _Written, order: str, dates: str | None, excel: bool, year_end_known: bool
) -> tuple[str, tuple[str, ...]] | None:
    """The option on which a cell hangs, and its choices; None where it hangs on none."""
    if cell.kind == "either" and not order and len(set(_days(cell).values())) > 1:
        return _WHICH_ORDER
    if cell.kind == "serial" and not excel and dates != "serial":
        return "dates", ("serial",)
    if cell.fiscal and not year_end_known:
        return "fiscal_year_end", tuple(f"{month:02d}" for month in range(1, 13))
    return None


def _orders_told(columns: list[_Column]) -> dict[str, tuple[str, int]]:
    """Each order that alone makes a day of some cell, and where the first such cell stands."""
    told: dict[str, tuple[str, int]] = {}
    for column in columns:
        tells: dict[str, list[int]] = {}
        for place, cell in enumerate(column.written):
            if cell and cell.kind == "either" and len(days := _days(cell)) == 1:
                tells.setdefault(next(iter(days)), []).append(place)
        for order, places in tells.items():
            told.setdefault(order, (column.name, column.first(places)))
    return told


def _days(cell: _Written) -> dict[str, datetime.date]:
    """The day that a/b/yyyy is by each order that makes a day of it."""
    days = {
        "dmy": _date(cell.year, cell.d, cell.m),
        "mdy": _date(cell.year, cell.m, cell.d),
    }
    return {order: day for order, day in days.items() if day}


def _day(cell: _Written, order: str) -> datetime.date | None:
    """The day as it is written, in its own zone; a time that rounds to midnight is the next day."""
    if cell.kind == "either":
        days = _days(cell)
        day = (
            days.get(order)
            if order or len(set(days.values())) > 1
            else next(iter(days.values()), None)
        )
    else:
        day = _date(cell.year, cell.m, cell.d)
    return day + datetime.timedelta(days=(cell.time or 0) // _DAY) if day else None


def _span(
    cell: _Written, order: str, calendar: Calendar
) -> tuple[datetime.date, datetime.date] | None:
    """The first and the last day that a cell means; None where there is no such day."""
    if cell.kind not in ("month", "quarter"):
        day = _day(cell, order)
        return (day, day) if day else None
    month = cell.year * 12 + cell.m - 1
    if cell.kind == "quarter":
        if calendar.is_fiscal and not cell.fiscal:
            return None
        month = calendar.last_month(cell.year * 4 + cell.n - 1, 3)
    first = _date(month // 12, month % 12 + 1, 1)
    return (
        (first, first.replace(day=calendars.monthrange(first.year, first.month)[1]))
        if first
        else None
    )


def _date(year: int, month: int, day: int) -> datetime.date | None:
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None


# --- zones ----------------------------------------------------------------------------------------


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    # a name that is none, one that leaves the folder of zones, or that is a folder there
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"timezone: {name!r} is no zone that this machine knows; write it as Europe/Berlin"
            " (where none is known, install the package tzdata)"
        ) from None


def _on_zones_day(
    column: _Column, order: str, zone: ZoneInfo | None, is_utc: bool
) -> tuple[dict[int, datetime.date | None], list[Zoned]]:
    """By place the day of the cells that count on the zone's, None of those that are no day.

    And what to say: of UTC times that are midnight somewhere else, or that the zone moves.
    """
    timed = {p: cell for p, cell in enumerate(column.written) if cell and cell.time is not None}
    # an instant is a day where all of its column are midnight: else it may lie in another month
    instants = {place: cell for place, cell in timed.items() if cell.instant}
    if all(_time(cell) == 0 for cell in instants.values()):
        instants = {}
    if instants and zone is None:
        return dict.fromkeys(instants), []

    unsaid = {place: cell for place, cell in timed.items() if cell.offset is None}
    said = {p: cell for p, cell in timed.items() if cell.offset == 0 and not cell.instant}
    utc = said | instants | (unsaid if is_utc else {})
    if not utc and _are_midnight(unsaid, is_said=False):
        utc = unsaid
    # a column of midnights is one of days, wherever they are midnight
    if all(_time(cell) == 0 for cell in utc.values()):
        return {}, []
    if zone is None and not _are_midnight(utc, is_said=True):
        return {}, []

    moved: dict[int, datetime.date | None] = {}
    changed, crossed = [], []
    for place, cell in utc.items():
        if day := _day(cell, order):
            moved[place] = there = _day_there(day, cell, zone)
            changed += [place] if there != day else []
            crossed += [place] if (there.year, there.month) != (day.year, day.month) else []
    times = sorted({_time(cell) for cell in utc.values()})
    names = [f"{time // _HOUR:02d}:{time % _HOUR // _MINUTE:02d}" for time in times]
    places = list(utc)
    notice = Zoned(
        column.name,
        column.first(places),
        column.count(places),
        tuple(names) if len(names) <= 2 else (),
        column.count(changed),
        column.count(crossed),
    )
    return (moved if zone else {}), [notice]


def _are_midnight(cells: dict[int, _Written], is_said: bool) -> bool:
    """Whether UTC times are midnight east of Greenwich: all one or two of 10:00 to 23:59.

    Two of them an hour apart are a zone's winter and summer, and in London 0:00 and 23:00; these
    alone speak for UTC where nothing says so.
    """
    times = sorted({_time(cell) for cell in cells.values()})
    if not 1 <= len(times) <= 2 or any(time % _MINUTE for time in times):
        return False
    is_london = times == [0, 23 * _HOUR]
    are_seasons = len(times) == 2 and times[1] - times[0] == _HOUR
    return is_london or (times[0] >= _EARLIEST_MIDNIGHT and (is_said or are_seasons))


def _day_there(day: datetime.date, cell: _Written, zone: ZoneInfo | None) -> datetime.date:
    """The day on which an instant lies in a zone; without one, where it is the day's midnight."""
    if zone is None:
        return day + datetime.timedelta(days=_time(cell) >= _EARLIEST_MIDNIGHT)
    since_midnight = datetime.timedelta(milliseconds=_time(cell) - (cell.offset or 0))
    try:
        at = datetime.datetime.combine(day, datetime.time(), datetime.UTC) + since_midnight
        return at.astimezone(zone).date()
    # at the calendar's end, where what runs on ends
    except OverflowError:
        return day


def _time(cell: _Written) -> int:
    return (cell.time or 0) % _DAY
