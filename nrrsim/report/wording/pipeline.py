"""A pipeline in, the facts of its sentences and frames in words out; never writes a sentence.

Amounts are ARR in `currency`, shares and ratios are plain (0.31), months are YYYY-MM; what is not
known is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from nrrsim.accounts.stages import FEWEST, LEARNT
from nrrsim.notation import NOTHING, label, month_name, share
from nrrsim.report.wording.facts import known
from nrrsim.report.wording.labels import period

if TYPE_CHECKING:
    from nrrsim.analysis.pipeline import Pipeline

TOP = 10  # rows of a list
MOST_NAMED = 5  # in one sentence
ALL, TARGET = "all", "target"
AGAINST = {TARGET: "Target", "plan": "Plan"}
BASIS = {LEARNT: "Learnt", "judged": "Judged", "none": NOTHING}
# What a list has besides open expansion of the year.
APART = {
    "renewal": "renewals",
    "later": "expansion due to close later than in a year",
    "overdue": "open expansion whose close date has passed",
    "undated": "expansion without a close date",
    "no amount": "expansion without an amount",
    "left": "of customers who left",
    "unknown": "of customers who are not in the ledger",
    "new": "new business",
    "downgrade": "downgrades",
    "won": "closed won",
    "lost": "closed lost",
}

# Those of it that should be corrected where the list is kept.
TO_CORRECT = {
    "overdue": "with a close date that has passed",
    "undated": "without a close date",
    "no amount": "without an amount",
    "left": "whose customer left",
    "unknown": "whose customer is not in the ledger",
}


# --- frames for pictures and tables ------------------------------------------------------------
# Empty where there is no pipeline, and where there is nothing of it.


def by_period(sold: Pipeline | None) -> pd.DataFrame:
    """Open expansion by period: `period`, `arr`, `weighted` and what was `booked` a year before."""
    if sold is None:
        return pd.DataFrame()
    sums = sold.open().groupby("month", sort=True)[["arr", "weighted", "booked"]].sum()
    return sums.reset_index().assign(period=lambda each: _periods(sold, each["month"]))


def open_(sold: Pipeline | None) -> pd.DataFrame:
    """The same by segment, periods and segments in words, and all of it last; a period in which
    nothing is open is one row. The rows add up to the last.
    """
    if sold is None:
        return pd.DataFrame()
    frame, amounts = sold.open(), ["opportunities", "arr", "weighted", "booked"]
    whole = pd.DataFrame([{"period": "Twelve months", "segment": ALL, **frame[amounts].sum()}])
    some = frame.groupby("month")["opportunities"].transform("sum") > 0
    none = frame[~some].groupby("month", as_index=False)[amounts].sum().assign(segment=ALL)
    rows = pd.concat([frame[some], none]).sort_values("month", kind="stable")
    rows = rows.assign(period=_periods(sold, rows["month"]))
    both = pd.concat([rows, whole], ignore_index=True)
    names = ["All" if each == ALL else label(each, sold.labels) for each in both["segment"]]
    return both.assign(segment=names)[["period", "segment", *amounts]]


def stages(sold: Pipeline | None) -> pd.DataFrame:
    """The stages of open expansion, the least likely first, and what their rates rest on."""
    frame = pd.DataFrame() if sold is None else sold.by_stage()
    if frame.empty:
        return frame
    frame = frame[frame["opportunities"] > 0]
    ends = zip(frame["low"], frame["high"], strict=True)
    return frame.assign(
        range=[
            NOTHING if np.isnan(low) else f"{share(low)} to {share(high)}" for low, high in ends
        ],
        basis=frame["basis"].map(BASIS),
    ).reset_index(drop=True)


def coverage(sold: Pipeline | None) -> pd.DataFrame:
    """What target and plan need, and which share of it is open."""
    frame = pd.DataFrame() if sold is None else sold.coverage()
    if sold is None or frame.empty:
        return pd.DataFrame()
    names = ["All" if each == ALL else label(each, sold.labels) for each in frame["segment"]]
    until = [_short(each) for each in frame["until"]]
    return frame.assign(of=frame["of"].map(AGAINST), segment=names, until=until)


def uncovered(sold: Pipeline | None, most: int = TOP) -> pd.DataFrame:
    """The renewals of the next six months without an opportunity, the largest first."""
    frame = pd.DataFrame() if sold is None else sold.uncovered().head(most)
    if sold is None or frame.empty:
        return pd.DataFrame()
    return frame.assign(
        customer=frame["customer"].astype(str),
        segment=[label(each, sold.labels) for each in frame["segment"]],
        renews=[_short(each) for each in frame["month"]],
    )


def stray(sold: Pipeline | None, most: int = TOP) -> pd.DataFrame:
    """Open opportunities of customers who left, or whom the ledger does not know."""
    if sold is None:
        return pd.DataFrame()
    gone, unknown = sold.left(), sold.unknown()
    gone["why"] = [f"No revenue since {month_name(m)}" if m else "Left" for m in gone["since"]]
    unknown["why"] = [
        f"Not in the ledger; did you mean {near}?" if near else "Not in the ledger"
        for near in unknown["did_you_mean"]
    ]
    frame = pd.concat([gone, unknown], ignore_index=True).head(most)
    return frame.assign(
        customer=frame["customer"].replace("", NOTHING),
        opportunity=frame["name"].where(frame["name"] != "", frame["opportunity"]),
    )


def _periods(sold: Pipeline, months: pd.Series) -> list[str]:
    return [period(month, sold.pace, sold.ledger.calendar) for month in months]


def _short(month: str) -> str:
    return f"{month_name(month)[:3]} {month[:4]}"


# --- facts -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """What every sentence may say: the report's month, and how the list stood and when."""

    as_of: str
    currency: str
    fiscal_year_end: int
    snapshot: str | None

    @classmethod
    def of(cls, sold: Pipeline) -> Self:
        ledger = sold.ledger
        return cls(sold.as_of, ledger.currency, ledger.calendar.year_end, sold.snapshot)


@dataclass(frozen=True)
class Open:
    """How much expansion is open, how much of it in the first period (which ends with `until`), and
    what the same months booked a year ago; listed : the month of the list, where it is an earlier
    one than the report's.
    """

    opportunities: int
    arr: float
    near: float
    until: str
    is_quarter: bool
    booked: float
    booked_near: float
    listed: str | None

    @classmethod
    def of(cls, sold: Pipeline) -> Self | None:
        frame, first = sold.open(), by_period(sold).head(1)
        if frame.empty:
            return None
        listed = (sold.snapshot or sold.as_of)[:7]
        return cls(
            opportunities=int(frame["opportunities"].sum()),
            arr=float(frame["arr"].sum()),
            near=float(first["arr"].sum()),
            until=str(first["month"].iloc[0]),
            is_quarter=sold.pace < 12,
            booked=float(frame["booked"].sum()),
            booked_near=float(first["booked"].sum()),
            listed=listed if listed != sold.as_of else None,
        )


@dataclass(frozen=True)
class Covered:
    """What target or plan needs until a month, and how much of it is open."""

    of: str
    until: str
    needed: float
    open: float
    share: float | None


@dataclass(frozen=True)
class Coverage:
    """How much of what is needed is open, of the whole; the plan's segment with least coverage; and
    why the plan is not compared.
    """

    whole: tuple[Covered, ...]
    least: str | None
    least_share: float | None
    target: float | None
    why_no_plan: str

    @classmethod
    def of(cls, sold: Pipeline) -> Self | None:
        frame = sold.coverage()
        if frame.empty and not sold.why_no_plan:
            return None
        whole = frame[frame["segment"] == ALL]
        parts = frame[(frame["segment"] != ALL) & frame["coverage"].notna()]
        least = parts.iloc[int(parts["coverage"].argmin())] if len(parts) else None
        return cls(
            tuple(
                Covered(
                    of=row["of"],
                    until=row["until"],
                    needed=float(row["needed"]),
                    open=float(row["open"]),
                    share=known(row["coverage"]),
                )
                for row in whole.to_dict("records")
            ),
            None if least is None else label(str(least["segment"]), sold.labels),
            None if least is None else float(least["coverage"]),
            sold.target,
            sold.why_no_plan,
        )


@dataclass(frozen=True)
class Worth:
    """What open expansion is worth at its stages' rates, with its range, beside the expansion that
    the forecast expects; learnt, judged : how much of the open ARR has such a rate; unrated : none.
    """

    open: float
    arr: float | None
    low: float | None
    high: float | None
    expected: float | None
    learnt: float
    judged: float
    unrated: float

    @classmethod
    def of(cls, sold: Pipeline) -> Self | None:
        worth = sold.weighted
        if not worth["open"]:
            return None
        frame = sold.by_stage().groupby("basis")["arr"].sum()
        return cls(
            open=worth["open"],
            arr=known(worth["arr"]),
            low=known(worth["low"]),
            high=known(worth["high"]),
            expected=sold.expected,
            learnt=float(frame.get(LEARNT, 0.0)),
            judged=float(frame.get("judged", 0.0)),
            unrated=worth["unrated"],
        )


@dataclass(frozen=True)
class Stage:
    """A stage, and which share of its amounts became expansion."""

    name: str
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Stages:
    """The stages whose past is known, the most likely first, from how many resolved opportunities;
    and the names of those that are judged, as fewer than `fewest` are resolved.
    """

    learnt: tuple[Stage, ...]
    resolved: int
    judged: tuple[str, ...]
    fewest: int

    @classmethod
    def of(cls, sold: Pipeline) -> Self | None:
        frame = sold.by_stage().iloc[::-1]
        frame = frame[(frame["opportunities"] > 0) | (frame["basis"] == LEARNT)]
        if frame.empty:
            return None
        own = frame[frame["basis"] == LEARNT]
        return cls(
            tuple(
                Stage(row["stage"], float(row["rate"]), float(row["low"]), float(row["high"]))
                for row in own.to_dict("records")
            ),
            int(own["resolved"].sum()),
            tuple(frame.loc[frame["basis"] == "judged", "stage"]),
            FEWEST,
        )


@dataclass(frozen=True)
class Renewals:
    """How many renewals come up until a month with how much ARR, and how many of them without an
    opportunity; the largest of those.
    """

    due: int
    due_arr: float
    until: str
    without: int
    without_arr: float
    largest: str | None
    largest_arr: float

    @classmethod
    def of(cls, sold: Pipeline) -> Self | None:
        frame, without = sold.renewals(), sold.uncovered()
        if frame.empty:
            return None
        first = without.iloc[0] if len(without) else None
        return cls(
            due=len(frame),
            due_arr=float(frame["due"].sum()),
            until=str(frame["month"].max()),
            without=len(without),
            without_arr=float(without["due"].sum()),
            largest=None if first is None else str(first["customer"]),
            largest_arr=0.0 if first is None else float(first["due"]),
        )


@dataclass(frozen=True)
class Part:
    """A part of the list that counts nowhere: what it is, how many, how much."""

    what: str
    number: int
    arr: float


@dataclass(frozen=True)
class Stray:
    """What of the list counts nowhere and should be looked at."""

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, sold: Pipeline) -> Self | None:
        frame = sold.apart()
        frame = frame[frame["what"].isin(TO_CORRECT)]
        parts = tuple(
            Part(TO_CORRECT[row["what"]], int(row["opportunities"]), float(row["arr"]))
            for row in frame.to_dict("records")
        )
        return cls(parts) if parts else None


@dataclass(frozen=True)
class Notes:
    """What to know of the list, for who prepares the report."""

    notices: tuple[str, ...]

    @classmethod
    def of(cls, sold: Pipeline) -> Self | None:
        told = tuple(
            f"Pipeline: {'; '.join(filter(None, (each.problem, each.remedy)))}"
            for each in sold.notices[:MOST_NAMED]
        )
        return cls(told) if told else None


SENTENCES: Mapping[str, Any] = {
    "heading": None,
    "open": Open,
    "coverage": Coverage,
    "worth": Worth,
    "stages": Stages,
    "renewals": Renewals,
    "stray": Stray,
    "notes": Notes,
}
