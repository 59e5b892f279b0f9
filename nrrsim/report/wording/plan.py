"""A variance in, the facts of its sentences and frames in words out; never writes a sentence.

Amounts are ARR in `currency`, ratios are plain (1.05), months are YYYY-MM; what is not known is
None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from nrrsim.notation import label, percent
from nrrsim.report.wording.facts import Change
from nrrsim.report.wording.labels import GROUP_WORDS, Markdown, at_percentile, percentile, shown

if TYPE_CHECKING:
    from nrrsim.analysis.variance import Compared, Variance

WORDS = {**GROUP_WORDS, "method": "Forecast method"}
ENDS = {"planned": "Plan", "actual": "Actual", "others": "All others"}
SMALL = 5e-4  # of NRR, and of ARR as a share of the plan: below what is printed
MOST_NAMED = 3


# --- frames for pictures and tables ------------------------------------------------------------


def figures(against: Variance | None) -> pd.DataFrame:
    """Actual, plan and forecast side by side, in words: of one measure, the whole last."""
    if against is None:
        return pd.DataFrame()
    frame, planned = against.figures(), against.planned
    total = f"Total {planned.measure.upper() if planned else 'NRR'}"
    total = "Segments in the plan" if against.is_part else total
    names = [total if name == "all" else _segment(against, name) for name in frame["name"]]
    # of a segment nothing was published that it could lie in
    where = [percentile(place) if pd.notna(place) else "" for place in frame["place"]]
    return frame.assign(
        name=names, place=pd.Series(where, dtype=object), ratio=frame["variance"] / frame["plan"]
    )


def columns(against: Variance | None) -> dict[str, dict[str, Any]]:
    """What `tables.table` needs of `figures`: the columns that have anything to say."""
    if against is None:
        return shown(name=("Segment", "text"))
    frame, planned = against.figures(), against.planned
    is_arr = planned is not None and planned.measure == "arr"
    form, change = ("money", "signed_money") if is_arr else ("percent", "points")
    columns: dict[str, tuple[str, Any]] = {"name": ("Segment", "text"), "actual": ("Actual", form)}
    if planned:
        columns |= {"plan": ("Plan", form), "variance": ("Variance", change)}
        more: tuple[str, Any] = (
            ("Variance, % of plan", _signed) if is_arr else ("Effect on NRR", "points")
        )
        columns["ratio" if is_arr else "effect"] = more
    if not is_arr and frame["forecast"].notna().any():
        columns["forecast"] = ("Forecast", "percent")
    if not is_arr and frame["place"].notna().any():
        columns["place"] = ("Percentile of the forecast", "text")
    return shown(**columns)


def bridge(against: Variance | None) -> pd.DataFrame | None:
    """From plan to actual, else from the published forecast, as `charts.bridge` takes it.

    None where nothing is compared part by part.
    """
    compared = _shown(against)
    if against is None or compared is None:
        return None
    frame = compared.steps()
    ends = ENDS if against.planned else {**ENDS, "planned": "Forecast"}
    middle = (frame["kind"] != "total") & (frame["step"] != "others")
    names = [
        _name(against, compared, step) if inside else ends[step]
        for step, inside in zip(frame["step"], middle, strict=True)
    ]
    # a segment may be called as an end is
    told = [f"{name} (segment)" if inside and name in ends.values() else name
            for name, inside in zip(names, middle, strict=True)]  # fmt: skip
    return frame.assign(step=told)


def currency_of(against: Variance | None) -> str | None:
    """The currency of a bridge's amounts; None where it is of ratios."""
    compared = _shown(against)
    is_arr = compared is not None and compared.measure == "arr"
    return against.past.ledger.currency if against and is_arr else None


def _shown(against: Variance | None) -> Compared | None:
    """What is drawn part by part: the plan, else the forecast, where there are several parts."""
    if against is None:
        return None
    found = against.planned or (against.published.compared if against.published else None)
    return found if found is not None and [*found.parts.index] != ["all"] else None


def _name(against: Variance, compared: Compared, part: str) -> str:
    return WORDS[part] if compared.by_movement else _segment(against, part)


def _segment(against: Variance, name: str) -> str:
    """A segment as it is called on pages, by the card's own labels."""
    return label(name, against.past.labels)


def _signed(ratio: float) -> str:
    return f"{'+' if 0 < ratio < float('inf') else ''}{percent(ratio)}"


# --- facts -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """What every sentence on a plan may say: its month, its currency, and the name of its file."""

    as_of: str
    currency: str
    fiscal_year_end: int
    plan: str | None

    @classmethod
    def of(cls, against: Variance) -> Self:
        ledger, plan = against.past.ledger, against.plan
        return cls(
            against.past.as_of,
            ledger.currency,
            ledger.calendar.year_end,
            plan.name if plan else None,
        )


@dataclass(frozen=True)
class Nothing:
    """What needs no facts but those of the report."""

    @classmethod
    def of(cls, against: Variance) -> Self:
        return cls()


@dataclass(frozen=True)
class WhyNot:
    """Why the plan is not compared."""

    reason: str

    @classmethod
    def of(cls, against: Variance) -> Self | None:
        return cls(against.reason) if against.reason else None


@dataclass(frozen=True)
class Figures:
    """The figure beside what was planned.

    share : the difference as a share of the plan; is_part : the plan is of some segments alone.
    """

    measure: str
    planned: float
    actual: float
    difference: float
    share: float | None
    is_part: bool

    @classmethod
    def of(cls, against: Variance) -> Self | None:
        found = against.planned
        if found is None:
            return None
        share = found.difference / found.planned if found.planned else None
        figures = (found.measure, found.planned, found.actual, found.difference)
        return cls(*figures, share, against.is_part)


@dataclass(frozen=True)
class Bridge:
    """The parts that lie ahead of what was planned, and behind it, the largest first."""

    measure: str
    is_plan: bool
    ahead: tuple[Change, ...]
    behind: tuple[Change, ...]

    @classmethod
    def of(cls, against: Variance) -> Self | None:
        found = _shown(against)
        if found is None:
            return None
        return cls(found.measure, against.planned is not None, *_apart(against, found))


@dataclass(frozen=True)
class Forecast:
    """What the report of `made` published of NRR for now, and where NRR lies in it."""

    made: str
    median: float
    low: float
    high: float
    actual: float
    place: Markdown
    inside: bool  # of the range
    own_measure: bool  # the report's NRR is another than the forecast's
    by_segment: bool  # segments' forecasts stand in the table: the expected, as the drivers have it

    @classmethod
    def of(cls, against: Variance) -> Self | None:
        found = against.published
        if found is None:
            return None
        place = Markdown(at_percentile(found.place))
        inside = found.low <= against.nrr <= found.high
        range_ = (found.median, found.low, found.high)
        return cls(
            found.made,
            *range_,
            against.nrr,
            place,
            inside,
            own_measure=against.is_other_measure,
            by_segment=bool(against.figures()["forecast"].iloc[:-1].notna().any()),
        )


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What to know of the comparison: who and which months only one side has, and how it was made.

    months : of the plan, that the ledger has not; known_to : the month whose past was known to the
    plan; undated : it is a scenario of no months; merged : expansion is one part; own_measure : the
    report's NRR is another.
    """

    measure: str
    only_planned: tuple[str, ...]
    only_actual: tuple[str, ...]
    months: tuple[str, ...]
    known_to: str | None
    undated: bool
    merged: bool
    own_measure: bool
    by_movement: bool

    @classmethod
    def of(cls, against: Variance) -> Self | None:
        found = against.planned
        if found is None:
            return None
        is_nrr = found.measure == "nrr"
        return cls(
            measure=found.measure,
            only_planned=tuple(_segment(against, name) for name in found.only_planned),
            only_actual=tuple(_segment(against, name) for name in found.only_actual),
            months=tuple(against.months_not_there),
            known_to=found.since,
            undated=found.undated,
            merged=found.merged,
            own_measure=is_nrr and against.is_other_measure,
            by_movement=found.by_movement,
        )


def _apart(against: Variance, found: Compared) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """The largest parts above nothing and below it, each the largest first."""
    least = SMALL if found.measure == "nrr" else SMALL * abs(found.planned)
    parts = found.parts[found.parts.abs() >= least].sort_values(
        key=abs, ascending=False, kind="stable"
    )
    names = [_name(against, found, str(part)) for part in parts.index]
    # inside a sentence a movement has no capital
    names = [name.lower() for name in names] if found.by_movement else names
    said = [Change(name, float(size)) for name, size in zip(names, parts, strict=True)]
    ahead, behind = ([each for each in said if each.change * sign > 0] for sign in (1, -1))
    return tuple(ahead[:MOST_NAMED]), tuple(behind[:MOST_NAMED])


SENTENCES: Mapping[str, Any] = {
    "heading": Nothing,
    "why_not": WhyNot,
    "figures": Figures,
    "forecast": Forecast,
    "bridge": Bridge,
    "notes": Notes,
}
