"""Frames in, the small facts that several reports share out; never holds a frame in a fact."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import Any, Self

import pandas as pd

from nrrsim.report.wording.labels import SHOCK


@dataclass(frozen=True)
class Change:
    """What changed, or its part in a change (a movement, a segment): an amount, or points."""

    name: str
    change: float


@dataclass(frozen=True)
class Ratio:
    """An NRR, and whose it is: a period's, a segment's, a definition's, a scenario's."""

    name: str
    nrr: float


@dataclass(frozen=True)
class Checks:
    """How many checks there are, and the names of those that do not hold."""

    number: int
    failed: tuple[str, ...]

    @classmethod
    def of(cls, answer: Any) -> Self:
        """Of Actuals or a Comparison."""
        frame = answer.checks()
        return cls(len(frame), tuple(frame.loc[~frame["holds"], "check"]))


class Nothing:
    """Where an answer is not there, nothing is said of it."""

    @classmethod
    def of(cls, answer: Any) -> None:
        """No facts."""


def changes(frame: pd.DataFrame, names: str, sizes: str) -> tuple[Change, ...]:
    """A change for each row, of the columns that hold its name and its size."""
    pairs = zip(frame[names], frame[sizes], strict=True)
    return tuple(Change(name, float(size)) for name, size in pairs)


def ends(frame: pd.DataFrame, names: str = "name") -> tuple[Ratio, Ratio]:
    """The rows with the highest and the lowest `nrr`."""
    rows = (frame.iloc[int(frame["nrr"].argmax())], frame.iloc[int(frame["nrr"].argmin())])
    highest, lowest = (Ratio(row[names], float(row["nrr"])) for row in rows)
    return highest, lowest


def bad_to_good(frame: pd.DataFrame) -> pd.DataFrame:
    """A tornado in which the market-wide year runs from a bad one to a good one.

    Its score is high where the drivers are: in a bad year, where churn leads them.
    """
    year, ends = frame["name"] == SHOCK, frame[["low", "high"]]
    return frame.assign(
        low=frame["low"].mask(year, ends.min(axis=1)),
        high=frame["high"].mask(year, ends.max(axis=1)),
    )


def known(number: float) -> float | None:
    """The number; None where it is not known (nan)."""
    return None if isnan(number) else float(number)
