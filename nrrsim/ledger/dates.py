"""Cells in, the days and months that they mean out; never takes today's date or the machine's zone.

`a/b/yyyy` is told by all columns of a file together: one cell that only one order can explain
settles it, else it is asked. A quarter stands for the month at whose end its snapshot is taken.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from nrrsim.ledger.cells import AT_ONCE, distinct, is_text, plain_text, spread
from nrrsim.ledger.spellings import (
    HOUR,
    MINUTE,
    Written,
    days_after,
    heading_of_time,
    taken_apart,
)
from nrrsim.months import CALENDAR_YEAR, EVER, YEARS, Calendar

_EPOCH = datetime.date(1970, 1, 1).toordinal()
_EARLIEST_MIDNIGHT = 10 * HOUR  # in UTC, of a day that begins before UTC's: 14 hours ahead
_TIMES = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]"
    r"(?::[0-5][0-9](?:\.[0-9]{1,3})?)?Z?\n)*+"
)
_ORDERS, _MONTHS = ("dmy", "mdy"), tuple(f"{month:02d}" for month in range(1, 13))


@dataclass(frozen=True)
class Dates:
    """The days that the cells of a column mean, each array by cell, made when it is asked for.

    `first` and `last` are the first and last day that is meant, in days since 1970: of a day it is
    itself, of a month (and a quarter's last one) its first and its last; nan where there is none.
    `month` is the number of the last day's month. A cell that is neither read nor `empty` nor
    `unreadable` hangs on what `Read.asked` asks: `hangs`.

    `codes` and `told` : of each cell its place among the distinct ones, -1 where null; and of each
    of these first, last, empty, unreadable.
    """

    codes: np.ndarray
    told: Sequence[tuple[float, float, bool, bool]]

    @cached_property
    def first(self) -> np.ndarray:
        return spread([first for first, *_ in self.told], self.codes, float, np.nan)

    @cached_property
    def last(self) -> np.ndarray:
        return self.last_as(np.float64)

    @cached_property
    def month(self) -> np.ndarray:
        return self.month_as(np.float64)

    def last_as(self, kind: type[np.floating]) -> np.ndarray:
        """`last` in numbers of this kind, made anew."""
        return spread([last for _, last, *_ in self.told], self.codes, kind, np.nan)

    def month_as(self, kind: type[np.floating]) -> np.ndarray:
        """`month` in numbers of this kind, made anew."""
        last = np.array([last for _, last, *_ in self.told], dtype=float)
        return spread(month_of_day(last, nan=True), self.codes, kind, np.nan)

    @cached_property
    def empty(self) -> np.ndarray:
        return spread([empty for *_, empty, _ in self.told], self.codes, bool, True)

    @cached_property
    def unreadable(self) -> np.ndarray:
        return spread([wrong for *_, wrong in self.told], self.codes, bool, False)

    @cached_property
    def hangs(self) -> np.ndarray:
        open_cells = [
            np.isnan(first) and not (empty or wrong) for first, _, empty, wrong in self.told
        ]
        return spread(open_cells, self.codes, bool, False)


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
    apart = [
        _Column(name, cells if zone else _without_times(cells), name in utc)
        for name, cells in columns.items()
    ]
    said = dates if dates in _ORDERS else None
    told = {} if said else _orders_told(apart)
    order = said or ("" if len(told) > 1 else next(iter(told), ""))

    def question(cell: Written) -> tuple[str, tuple[str, ...]] | None:
        """The option on which a cell hangs, and its choices; None where it hangs on none."""
        if cell.kind == "either" and not order and not cell.is_clear:
            return "dates", _ORDERS
        if cell.kind == "serial" and not excel and dates != "serial":
            return "dates", ("serial",)
        if cell.fiscal and not year_end_said and not calendar.is_fiscal:
            return "fiscal_year_end", _MONTHS
        return None

    read: dict[str, Dates] = {}
    asked: dict[tuple[str, tuple[str, ...]], Asked] = {}
    zoned: list[Zoned] = []
    for column in apart:
        moved, notices = _on_zones_day(column, order, zone)
        years = EVER if column.name in ends else YEARS
        read[column.name], hangs = column.read(question, order, calendar, moved, years)
        zoned += notices
        for option, places in hangs.items():
            new = Asked(*option, column.name, column.first(places), column.count(places))
            old = asked.get(option)
            asked[option] = old._replace(cells=old.cells + new.cells) if old else new

    contradictory = (told["dmy"], told["mdy"]) if len(told) > 1 else None
    if contradictory:
        asked.pop(("dates", _ORDERS), None)
    return Read(read, order, told.get(order), contradictory, tuple(asked.values()), tuple(zoned))


def month_of_heading(cell: object, order: str = "", excel: bool = False) -> Heading | None:
    """What the heading of a column means, if it is a month or another stretch of time.

    `order` is that of a/b/yyyy, as `read_dates` tells it of all headings together; `excel` says
    that a number in it may be a day number.
    """
    written = heading_of_time(cell)
    if written is None or (written.kind == "serial" and not excel):
        return None
    if written.kind not in ("day", "serial", "either"):
        number = written.m or written.n or None
        return Heading(written.kind, written.y or None, number, written.fiscal)
    if day := written.day(order):
        return Heading("month", day.year, day.month)
    return Heading("month", written.y, None) if written.by_order() and not order else None


# --- a column -------------------------------------------------------------------------------------


class _Column:
    """A column's distinct cells, each taken apart once.

    `empty` are those of blanks only; `is_utc` says that times without a zone are UTC.
    """

    def __init__(self, name: str, cells: pd.Series, is_utc: bool) -> None:
        self.name, self.is_utc = name, is_utc
        codes, found = distinct(cells)
        self.codes = codes.astype(np.min_scalar_type(-len(found) - 1), copy=False)
        self.empty = [isinstance(cell, str) and not plain_text(cell) for cell in found]
        self.written = [taken_apart(cell) for cell in found]
        self._cells = np.bincount(self.codes[self.codes >= 0], minlength=len(found))

    def first(self, places: Collection[int]) -> int:
        """The position of the first cell among the distinct cells at these places."""
        return int(np.isin(self.codes, list(places)).argmax())

    def count(self, places: Collection[int]) -> int:
        """How many cells these are."""
        return int(self._cells[list(places)].sum())

    def read(
        self,
        question: Callable[[Written], tuple[str, tuple[str, ...]] | None],
        order: str,
        calendar: Calendar,
        moved: Mapping[int, datetime.date | None],
        years: range,
    ) -> tuple[Dates, dict[tuple[str, tuple[str, ...]], list[int]]]:
        """Its dates, and by question the places of the cells that hang on it."""
        hangs: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        told: list[tuple[float, float, bool, bool]] = []
        for place, cell in enumerate(self.written):
            span = None
            option = question(cell) if cell else None
            if option:
                hangs.setdefault(option, []).append(place)
            elif place in moved:
                day = moved[place]
                span = (day, day) if day else None
            elif cell:
                span = cell.span(order, calendar)
            is_day = span is not None and span[0].year in years
            first, last = (
                (each.toordinal() - _EPOCH for each in span) if span and is_day else (np.nan,) * 2
            )
            is_wrong = not is_day and not option and not self.empty[place]
            told.append((first, last, self.empty[place], is_wrong))
        return Dates(self.codes, told), hangs


def _without_times(cells: pd.Series) -> pd.Series:
    """The days alone of a column of times of many kinds, which say nothing and are all distinct.

    Two times of day at the most may be midnight elsewhere: a column of those stays as it is.
    """
    if is_text(cells):
        written = pd.Series(distinct(cells)[1], dtype="str")
        # the first few tell that a column is none of times, before all are looked at
        for some in (written.iloc[:10], written):
            if not _TIMES.fullmatch("\n".join([*some.to_numpy(object), ""])):
                return cells
        # spelt in two ways, one time of day would look like two
        if written.str.len().nunique() == 1 and written.str.slice(11).nunique() > 2:
            days: pd.Series = cells.astype("str").str.slice(0, 10)
            return days
    elif cells.dtype.kind == "M" and not isinstance(cells.dtype, pd.DatetimeTZDtype):
        if _are_whole_days(cells.to_numpy()):
            return cells
        rounded = cells.dt.round("ms")
        if (rounded - rounded.dt.normalize()).nunique() > 2:
            days = rounded.dt.normalize()
            return days
    return cells


def _are_whole_days(times: np.ndarray) -> bool:
    """Whether none has a time of day; a part at a time: the first that does tells of all."""
    parts = (times[begin : begin + AT_ONCE] for begin in range(0, len(times), AT_ONCE))
    # null is no time, and equal to nothing
    return all(((part == part.astype("M8[D]")) | np.isnat(part)).all() for part in parts)


def _orders_told(columns: list[_Column]) -> dict[str, tuple[str, int]]:
    """Each order that alone makes a day of some cell, and where the first such cell stands."""
    told: dict[str, tuple[str, int]] = {}
    for column in columns:
        tells: dict[str, list[int]] = {}
        for place, cell in enumerate(column.written):
            if cell and cell.kind == "either" and len(days := cell.by_order()) == 1:
                tells.setdefault(next(iter(days)), []).append(place)
        for order, places in tells.items():
            told.setdefault(order, (column.name, column.first(places)))
    return told


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
    column: _Column, order: str, zone: ZoneInfo | None
) -> tuple[dict[int, datetime.date | None], list[Zoned]]:
    """By place the day of the cells that count on the zone's, None of those that are no day.

    And what to say: of UTC times that are midnight somewhere else, or that the zone moves.
    """
    timed = {p: cell for p, cell in enumerate(column.written) if cell and cell.time is not None}
    # an instant is a day where all of its column are midnight: else it may lie in another month
    instants = {place: cell for place, cell in timed.items() if cell.instant}
    if all(cell.time_of_day == 0 for cell in instants.values()):
        instants = {}
    if instants and zone is None:
        return dict.fromkeys(instants), []

    unsaid = {p: cell for p, cell in timed.items() if cell.offset is None}
    said = {p: cell for p, cell in timed.items() if cell.offset == 0 and not cell.instant}
    utc = said | instants | (unsaid if column.is_utc else {})
    if not utc and _are_midnight(unsaid, is_said=False):
        utc = unsaid
    # a column of midnights is one of days, wherever they are midnight
    if all(cell.time_of_day == 0 for cell in utc.values()):
        return {}, []
    if zone is None and not _are_midnight(utc, is_said=True):
        return {}, []

    moved: dict[int, datetime.date | None] = {}
    changed, crossed = [], []
    for place, cell in utc.items():
        if day := cell.day(order):
            moved[place] = there = _day_there(day, cell, zone)
            changed += [place] if there != day else []
            crossed += [place] if (there.year, there.month) != (day.year, day.month) else []
    times = sorted({cell.time_of_day for cell in utc.values()})
    names = [f"{time // HOUR:02d}:{time % HOUR // MINUTE:02d}" for time in times]
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


def _are_midnight(cells: dict[int, Written], is_said: bool) -> bool:
    """Whether UTC times are midnight east of Greenwich: all one or two of 10:00 to 23:59.

    Two of them an hour apart are a zone's winter and summer, and in London 0:00 and 23:00; these
    alone speak for UTC where nothing says so.
    """
    times = sorted({cell.time_of_day for cell in cells.values()})
    if not 1 <= len(times) <= 2 or any(time % MINUTE for time in times):
        return False
    is_london = times == [0, 23 * HOUR]
    are_seasons = len(times) == 2 and times[1] - times[0] == HOUR
    return is_london or (times[0] >= _EARLIEST_MIDNIGHT and (is_said or are_seasons))


def _day_there(day: datetime.date, cell: Written, zone: ZoneInfo | None) -> datetime.date:
    """The day on which an instant lies in a zone; without one, where it is the day's midnight."""
    if zone is None:
        return days_after(day, cell.time_of_day >= _EARLIEST_MIDNIGHT)
    since_midnight = datetime.timedelta(milliseconds=cell.time_of_day - (cell.offset or 0))
    try:
        at = datetime.datetime.combine(day, datetime.time(), datetime.UTC) + since_midnight
        return at.astimezone(zone).date()
    # at the calendar's end, where what runs on ends
    except OverflowError:
        return day


def month_of_day(days: np.ndarray | pd.Series, nan: bool = False) -> np.ndarray:
    """The month number of days since 1970; of a day that is nan it means nothing, or is nan."""
    values = np.asarray(days, dtype=float)
    whole = np.nan_to_num(values).astype("datetime64[D]")
    months: np.ndarray = whole.astype("datetime64[M]").astype(np.int64) + 1970 * 12
    return np.where(np.isnan(values), np.nan, months) if nan else months
