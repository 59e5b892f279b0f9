"""Rows with the day on which each was booked in, those that hold out; never judges an amount.

In a ledger of months with a column `booked`, a row is a version of its customer, month and line:
the one booked last holds, and with `known_at` the last one not after that day. So a ledger is read
as it stood when an earlier report was made.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nrrsim.errors import UsageError
from nrrsim.ledger.columns import Table
from nrrsim.ledger.lines import equal_rows
from nrrsim.ledger.periods import DAY_OR_MONTH, day_text
from nrrsim.ledger.reading import Reading
from nrrsim.ledger.values import codes_of, kept
from nrrsim.months import YEARS, last_day_number
from nrrsim.notation import counted


def latest_versions(table: Table, frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """The rows without those that a later version superseded, or that were booked too late.

    A version of amount 0 says that the amount is gone. Which of two versions of one day is the
    later nobody knows: they are noted as findings. Where several rows are said to be added none
    supersedes another. Raises UsageError for a `known_at` that is no day, or that this ledger
    cannot be read as of.
    """
    known_at = None if reading.known_at is None else last_day_of(reading.known_at)
    if "booked" not in frame:
        _refuse_or_say(table, known_at is not None)
        return frame
    booked = frame["booked"].to_numpy(float)
    # what cannot be read is judged by the rules, and until then nothing is superseded
    if np.isnan(booked).any():
        return frame

    version_of = _keys(table, frame)
    if reading.several != "add":
        frame, version_of = _once_a_day(table, frame, version_of)
    if known_at is not None:
        is_known = frame["booked"].to_numpy(float) <= known_at
        _say_of_later(table, frame, is_known, day_text(known_at))
        frame, version_of = kept(table, frame, is_known), version_of[is_known]
    if reading.several == "add":
        return frame

    last = frame["booked"].groupby(version_of).transform("max")
    superseded = (frame["booked"] < last).to_numpy(bool)
    if superseded.any():
        table.notice(
            f"{counted(int(superseded.sum()), 'row is', 'rows are')} superseded by a later version",
            f"of each {_what(table)} the row that was booked last counts",
            int(frame.index[int(np.argmax(superseded))]),
        )
    return kept(table, frame, ~superseded)


def last_day_of(known_at: str) -> int:
    """A day in days since 1970, a month as its last one; raises UsageError for what is neither."""
    day = last_day_number(known_at) if DAY_OR_MONTH.fullmatch(known_at) else None
    if day is None or int(known_at[:4]) not in YEARS:
        raise UsageError(
            f"known_at: {known_at!r} is not a day or a month; write until when what was booked"
            " counts as YYYY-MM-DD or YYYY-MM"
        )
    return day


def _refuse_or_say(table: Table, is_asked: bool) -> None:
    """Where no row is a version: refuse to read as of a day, say that the column is not read."""
    if "booked" in table.frame:
        why = "only a row of one customer and month can be a later version of another"
        if is_asked:
            raise UsageError(f"--known-at: {table.name} has other rows: {why}; leave it out")
        table.notice("the column booked is not read", why)
    elif is_asked:
        raise UsageError(
            f"--known-at: {table.name} has no column booked, the day on which a row was booked;"
            " name your heading for it with --column booked=..., or leave out --known-at"
        )


def _keys(table: Table, frame: pd.DataFrame) -> np.ndarray:
    """`ndarray[row]`: what a row is a version of; of a row that lacks a part of it, itself alone.

    A line's empty cell is a value of its own.
    """
    parts = pd.DataFrame({name: codes_of(frame[name]) for name in _parts(table)})
    keys = parts.groupby([*parts], sort=False).ngroup().to_numpy(np.int64)
    lacks = (frame["customer"].isna() | frame["month"].isna()).to_numpy(bool)
    return np.where(lacks, -1 - np.arange(len(frame)), keys)


def _parts(table: Table) -> list[str]:
    lines = [name for name in table.lines if name in table.frame and name != "product"]
    return ["customer", "month", *(["product"] if "product" in table.frame else []), *lines]


def _what(table: Table) -> str:
    *most, last = _parts(table)
    return f"{', '.join(most)} and {last}"


def _once_a_day(
    table: Table, frame: pd.DataFrame, version_of: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows with one version a day; others are a finding, and nothing else is told of them."""
    versions = pd.DataFrame({"of": version_of, "day": frame["booked"].to_numpy(float)})
    second = versions.duplicated().to_numpy(bool)
    if not second.any():
        return frame, version_of
    at = int(np.argmax(second))
    first = int(np.argmax((versions == versions.iloc[at]).all(axis=1).to_numpy(bool)))
    equal = equal_rows(table, frame)
    problem = (
        f"{counted(int(second.sum()), 'row is a', 'rows are each a')} second version of one"
        f" {_what(table)} booked on one day, {day_text(versions['day'].iloc[at])} (the first is"
        f" that of {table.place(int(frame.index[first]))}): which of the two holds is not in the"
        " file"
    )
    if equal[at] == equal[first] >= 0:
        table.ask(
            problem,
            "a doubled export? keep one of equal rows with --several last",
            "several",
            ("last",),
            row=int(frame.index[at]),
            field="booked",
        )
    else:
        table.refuse(
            problem,
            "keep the row that holds, or correct the day on which one of them was booked",
            "booked",
            int(frame.index[at]),
        )
    return kept(table, frame, ~second), version_of[~second]


def _say_of_later(table: Table, frame: pd.DataFrame, is_known: np.ndarray, day: str) -> None:
    """Say how many rows were booked after a day; refuse where that is all of them."""
    if is_known.all():
        return
    later = int((~is_known).sum())
    if later < len(frame):
        table.notice(
            f"{counted(later, 'row was', 'rows were')} booked after {day}",
            "what was booked later is left out, as --known-at says",
            int(frame.index[int(np.argmin(is_known))]),
        )
        return
    table.refuse(
        f"nothing was booked by {day}: the first row was on {day_text(frame['booked'].min())}",
        "say a later day with --known-at",
        "booked",
        int(frame.index[int(np.argmin(frame["booked"].to_numpy(float)))]),
    )
