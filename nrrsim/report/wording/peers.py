"""A report's peers in, frames in words and the facts of their sentences out; never a percentile.

A dozen companies that somebody chose are no sample. Ratios are plain (1.05), months YYYY-MM.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from nrrsim.analysis.among import OWN
from nrrsim.metrics import DEFINITIONS
from nrrsim.months import parse_month
from nrrsim.notation import month_name
from nrrsim.report.wording.facts import known
from nrrsim.report.wording.labels import Markdown

if TYPE_CHECKING:
    from nrrsim.analysis.among import Peers

OLD = 12  # months after which a figure is said to be old
STATUS = {"secondary": "restated by others", "derived": "worked out from a stated change"}


# --- frames for pictures and tables ------------------------------------------------------------
# Empty where no peers are named, and where there is nothing of the kind.


def trend(among: Peers | None) -> pd.DataFrame:
    """What is drawn: `panel` (the definition), `name` (the company), `period`, `at` (the month's
    number) and `nrr`.
    """
    if among is None:
        return pd.DataFrame()
    frame = among.trend()
    return pd.DataFrame(
        {
            "panel": [DEFINITIONS[each].title for each in frame["like"]],
            "name": [among.company if each == OWN else each for each in frame["company"]],
            "period": [_short(each) for each in frame["month"]],
            "at": [parse_month(each, "month") for each in frame["month"]],
            "nrr": frame["nrr"],
        }
    )


def alike(among: Peers | None) -> pd.DataFrame:
    """The peers whose definition is like one of ours, with one's own figure by that one."""
    frame = _latest(among, is_alike=True)
    if frame.empty:
        return frame
    return frame.assign(definition=[DEFINITIONS[each].title for each in frame["like"]])


def apart(among: Peers | None) -> pd.DataFrame:
    """The peers whose definition is like none of ours, with what they measure instead."""
    frame = _latest(among, is_alike=False)
    if frame.empty:
        return frame
    return frame.assign(words=[f"{each[:1].upper()}{each[1:]}" for each in frame["words"]])


def _latest(among: Peers | None, is_alike: bool) -> pd.DataFrame:
    frame = pd.DataFrame() if among is None else among.latest()
    if frame.empty:
        return frame
    found = frame[(frame["like"] != "") == is_alike].reset_index(drop=True)
    labels = zip(found["month"], found["period_label"], strict=True)
    period = [_short(month) + (f" ({label})" if label else "") for month, label in labels]
    # a company may disclose several measures under several names
    several = found["company"].duplicated(keep=False)
    both = found["company"] + " (" + found["metric"] + ")"
    return found.assign(period=period, company=found["company"].mask(several, both))


def _short(month: str) -> str:
    return f"{month_name(month)[:3]} {month[:4]}"


# --- facts -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peer:
    """A peer's latest figure, and what stands beside it; None: not known."""

    company: str
    metric: str
    month: str
    nrr: float
    own: float | None
    difference: float | None
    definition: Markdown | None
    words: str
    differs: str
    source: str
    status: Markdown | None

    @classmethod
    def all_of(cls, frame: pd.DataFrame) -> tuple[Self, ...]:
        return tuple(cls.of(row) for _, row in frame.iterrows())

    @classmethod
    def of(cls, row: pd.Series[Any]) -> Self:
        told = {name: row[name] for name in ("company", "metric", "month", "nrr", "source")}
        title = DEFINITIONS[row["like"]].title.lower() if row["like"] else None
        how_sure = STATUS.get(row["status"])
        return cls(
            **told,
            own=known(row["own"]),
            difference=known(row["difference"]),
            definition=Markdown(title) if title else None,
            words=row["words"],
            differs=row["differs"],
            status=Markdown(how_sure) if how_sure else None,
        )


@dataclass(frozen=True)
class Alike:
    """The peers with a definition like one of ours; `compared` are those with a figure of one's own
    beside theirs, `old` those whose latest figure is more than a year older than the report.
    """

    peers: tuple[Peer, ...]
    compared: tuple[Peer, ...]
    old: tuple[Peer, ...]

    @classmethod
    def of(cls, among: Peers) -> Self | None:
        peers = Peer.all_of(alike(among))
        if not peers:
            return None
        now = parse_month(among.past.as_of, "as_of")
        old = tuple(each for each in peers if now - parse_month(each.month, "month") > OLD)
        return cls(peers, tuple(each for each in peers if each.own is not None), old)


@dataclass(frozen=True)
class Apart:
    """The peers with a definition like none of ours."""

    peers: tuple[Peer, ...]

    @classmethod
    def of(cls, among: Peers) -> Self | None:
        peers = Peer.all_of(apart(among))
        return cls(peers) if peers else None


@dataclass(frozen=True)
class Heading:
    """The peers of which nothing is known up to the report's month."""

    as_of: str
    silent: tuple[str, ...]

    @classmethod
    def of(cls, among: Peers) -> Self:
        return cls(among.past.as_of, among.silent)


SENTENCES: Mapping[str, Any] = {
    "heading": Heading,
    "trend": Alike,
    "sources": Alike,
    "apart": Apart,
}
