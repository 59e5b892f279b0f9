"""A Forecast or Backtest in, the facts of what is said of them out; never computes a metric.

`Report` holds what every template on a forecast may say, the other classes what single ones may
say besides; plain values all. Where a ledger is too short for a forecast there are no facts, and
nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from nrrsim.analysis.renewals import decisive as renewing
from nrrsim.calibration.backtest import RULES
from nrrsim.months import shift
from nrrsim.notation import MONTHS, NOTHING, count, counted, label, month_name, percent, share
from nrrsim.report.wording.accounts import AtRisk
from nrrsim.report.wording.facts import Nothing, bad_to_good, known
from nrrsim.report.wording.labels import (
    ENOUGH_YEARS,
    FORECASTERS,
    MEASURES,
    SHOCK,
    STEPS,
    YEAR_EFFECT,
    Markdown,
    belief,
    of_segment,
    period,
)
from nrrsim.report.wording.quarterly import Next as Soon
from nrrsim.report.wording.quarterly import Renewal, in_words
from nrrsim.scenario.drivers import COUNTED
from nrrsim.scenario.year_effects import factor_range, swing

if TYPE_CHECKING:
    from nrrsim.accounts.at_risk import Accounts
    from nrrsim.analysis.forecast import Forecast, NoForecast
    from nrrsim.calibration.backtest import Backtest


# --- frames for pictures and tables ------------------------------------------------------------
# What is of a forecast is None where there is none.


def assumptions(ahead: Forecast | NoForecast) -> pd.DataFrame | None:
    """The assumptions, with numbers as text: probabilities in percent, events a customer."""
    if not ahead:
        return None
    frame = ahead.assumptions()
    often = frame["driver"].isin(COUNTED)

    def in_words(value: float, is_rate: bool) -> str:
        return f"{value:.2f}" if is_rate else percent(value)

    rows = zip(frame["mean"], frame["low"], frame["high"], often, strict=True)
    numbers = [
        (
            in_words(mean, rate) + (" a year" if rate else ""),
            f"{in_words(low, rate)} to {in_words(high, rate)}",
        )
        for mean, low, high, rate in rows
    ]
    pairs = zip(frame["events"], frame["chances"], strict=True)
    seen = [
        f"{count(events)} in {counted(round(years), 'customer-year')}" for events, years in pairs
    ]
    named = partial(label, labels=ahead.past.labels)
    return frame.assign(
        driver=frame["driver"].map(STEPS),
        segment=frame["segment"].map(named),
        middle=[middle for middle, _ in numbers],
        interval=["by tenure" if NOTHING in interval else interval for _, interval in numbers],
        seen=seen,
        size=[percent(each) if each == each else "–" for each in frame["size"]],
        own=[share(each) if each == each else "–" for each in frame["own"]],
    )


def fan(ahead: Forecast | NoForecast) -> pd.DataFrame | None:
    """The fan with its periods and names in words."""
    if not ahead:
        return None
    frame, of = ahead.fan(), (ahead.past.pace, ahead.ledger.calendar)
    names = {"reported": "Reported", "forecast": "Forecast, 90% range"}
    return frame.assign(
        name=frame["name"].map(names), period=[period(month, *of) for month in frame["month"]]
    )


def tornado(ahead: Forecast | NoForecast) -> pd.DataFrame | None:
    """The assumptions that matter, with their names in words: what each makes of the forecast's
    median, which moves by as much as what the drivers expect. None where they do not tell.
    """
    if not ahead or not ahead.recurs:
        return None
    frame = bad_to_good(ahead.tornado())
    frame[["low", "high"]] += ahead.median - ahead.sensitivity.nrr
    return frame.assign(name=[belief(name, ahead.past.labels) for name in frame["name"]])


def scores(past: Backtest, segments: bool = False) -> pd.DataFrame:
    """The scores of a back-test, with the measures in words."""
    frame = past.summary(segments)
    frame = frame[frame["n"] > 0]
    return frame.assign(measure=frame["measure"].map(MEASURES))


def errors(past: Backtest) -> pd.DataFrame:
    """The average errors of the forecast, its ingredients and the naive forecasts, a row each.

    `name`, and of the whole book `nrr`, `grr`, `logo`; of segments `nrr_segment` ..., nan without.
    """
    both = [
        past.summary(segments).set_index("measure")[[*FORECASTERS]] for segments in (False, True)
    ]
    whole, split = (frame.T for frame in both)
    return (
        whole.join(split.add_suffix("_segment"))
        .rename(index=FORECASTERS)
        .rename_axis("name")
        .reset_index()
    )


def intervals(past: Backtest, step: int) -> pd.DataFrame:
    """The whole book's NRR forecasts with their origins in words."""
    frame = past.forecasts()
    pace = 12 if step == 12 else 3
    return frame.assign(
        period=[period(shift(month, 12), pace, past.calendar) for month in frame["origin"]]
    )


def decisive(ahead: Forecast | NoForecast) -> pd.DataFrame | None:
    """The largest customers and their renewals, in words; None where none is stated."""
    if not ahead or not (frame := renewing(ahead.past))["month"].any():
        return None
    months = [month_name(month) if month else "not stated" for month in frame["month"]]
    return in_words(frame, ahead.past).assign(renews=months)


# --- facts of a forecast -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Report:
    """What every sentence on a forecast may say; reports are made each `unit`."""

    as_of: str
    pace: int
    unit: str  # quarter or year
    fiscal_year_end: int  # the month the company's year ends in
    end: str  # the period that the forecast is of
    target: float | None
    currency: str
    same_measure: bool  # point to point over twelve months, as the report's NRR

    @classmethod
    def of(cls, ahead: Forecast) -> Self:
        """The facts of a Forecast."""
        past = ahead.past
        default = past.definition == "point_to_point" and past.window == 12 and not past.ex_price
        return cls(
            as_of=ahead.as_of,
            pace=past.pace,
            unit="quarter" if past.pace == 3 else "year",
            fiscal_year_end=past.ledger.calendar.year_end,
            end=period(shift(ahead.as_of, 12), past.pace, past.ledger.calendar),
            target=past.target,
            currency=past.ledger.currency,
            same_measure=default,
        )


@dataclass(frozen=True)
class WhyNot:
    """Why nothing is forecast, where something should be."""

    reason: str

    @classmethod
    def of(cls, ahead: Forecast | NoForecast) -> Self | None:
        reason = getattr(ahead, "reason", "")  # a forecast has none
        return cls(reason) if reason else None


@dataclass(frozen=True)
class Swing:
    """What good and bad years do to a driver: the 90 % range of its factor, in words."""

    driver: str
    range: str


@dataclass(frozen=True)
class Rises:
    """The calendar month in which prices rise, and in which segments; none are named where it is
    so in all that have price increases.
    """

    month: str
    segments: tuple[str, ...]

    @classmethod
    def of(cls, ahead: Forecast) -> tuple[Self, ...]:
        entries = ahead.calibration.scenario.drivers.price
        by_month: dict[int, list[str]] = {}
        for name, entry in entries.items():
            if entry.month:
                by_month.setdefault(entry.month, []).append(label(name, ahead.past.labels))
        return tuple(
            cls(MONTHS[month - 1], tuple(names) if len(names) < len(entries) else ())
            for month, names in sorted(by_month.items())
        )


@dataclass(frozen=True)
class Season:
    """The calendar months with the most and the least churn of monthly contracts, and how many
    times an average month's it is.
    """

    high: str
    most: float
    low: str
    least: float

    @classmethod
    def of(cls, ahead: Forecast) -> Self | None:
        entries = ahead.calibration.scenario.drivers.churn.values()
        season = next((each.season for each in entries if each.season), None)
        if season is None:
            return None
        most, least = max(season), min(season)
        return cls(MONTHS[season.index(most)], most, MONTHS[season.index(least)], least)


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """Where assumptions are from, which segments' contracts run how long, when in the year prices
    rise and customers leave, and years' swings.
    """

    because: str
    yearly: tuple[str, ...]
    monthly: tuple[str, ...]
    segments: int
    listed: int
    rises: tuple[Rises, ...]
    season: Season | None
    swings: tuple[Swing, ...]
    own_least: float | None  # the least share of a rate that the segment's own events decide
    of_whom: str  # that rate, and its segment
    has_others: bool  # whether there are other segments to learn from

    @classmethod
    def of(cls, ahead: Forecast) -> Self:
        rates = ahead.assumptions().dropna(subset=["own"]).nsmallest(1, "own")
        least = next(iter(rates.to_dict("records")), None)
        scenario = ahead.calibration.scenario
        plain = scenario.plain()
        term, named = plain["book"]["term"], partial(label, labels=ahead.past.labels)
        return cls(
            because=plain["because"],
            yearly=tuple(named(name) for name, each in term.items() if each == "annual"),
            monthly=tuple(named(name) for name, each in term.items() if each == "monthly"),
            segments=len(term),
            listed=len(ahead.largest),
            rises=Rises.of(ahead),
            season=Season.of(ahead),
            swings=tuple(
                Swing(STEPS[name].lower(), swing(*factor_range(beta)))
                for name, beta in scenario.year_effects.items()
            ),
            own_least=None if least is None else float(least["own"]),
            of_whom=""
            if least is None
            else of_segment(STEPS[least["driver"]].lower(), least["segment"], ahead.past.labels),
            has_others=len(term) > 1,
        )


@dataclass(frozen=True)
class Findings:
    """What to know of the history that was learnt from, the most important first."""

    findings: tuple[str, ...]

    @classmethod
    def of(cls, ahead: Forecast) -> Self:
        return cls(tuple(ahead.calibration.findings[:6]))


@dataclass(frozen=True)
class Hump:
    """A customer so large that NRR comes out in two places, with and without it, and when its
    contract is up ("" where that is not known).
    """

    customer: str
    kept: float
    lost: float
    renews: str


@dataclass(frozen=True)
class Fan:
    """Quantiles of the NRR of the twelve months to come, how likely the target is, the customer
    that decides it, where one does, and how much past it rests on.
    """

    p05: float
    p50: float
    p95: float
    p_target: float | None
    hump: Hump | None
    customer_years: int
    years: int

    @classmethod
    def of(cls, ahead: Forecast) -> Self:
        mixture = ahead.mixture
        told, two = ahead.range_at(shift(ahead.as_of, 12)), ahead.hump
        renews = month_name(two.month) if two and two.month else ""
        hump = Hump(two.customer, two.kept, two.lost, renews) if two else None
        return cls(
            told["p05"],
            told["p50"],
            told["p95"],
            ahead.p_target,
            hump,
            mixture.own_past.customer_years[None],
            mixture.years[None],
        )


@dataclass(frozen=True)
class Next(Fan):
    """The same on page 1, with the account that has most ARR at risk, or the largest renewal."""

    at_risk: AtRisk | None
    renewal: Renewal | None

    @classmethod
    def of(cls, ahead: Forecast, listed: Accounts | None = None) -> Self:
        return cls(**vars(Fan.of(ahead)), **vars(Soon.of(ahead.past, listed)))


@dataclass(frozen=True)
class Drives(Fan):
    """The same on a slide, with the assumption that matters most, and which share of the variance
    goes with it; None where the model of drivers does not tell.
    """

    drivers: Tornado | None

    @classmethod
    def of(cls, ahead: Forecast) -> Self:
        return cls(**vars(Fan.of(ahead)), drivers=Tornado.of(ahead))


@dataclass(frozen=True)
class Recurs:
    """Said where past years do not bear the model of drivers out."""

    @classmethod
    def of(cls, ahead: Forecast) -> Self | None:
        return None if ahead.recurs else cls()


@dataclass(frozen=True)
class Decisive:
    """How much of today's ARR the largest customers are, how much of it is up for renewal in the
    twelve months to come, and the largest of them.
    """

    number: int
    share: float
    due_share: float
    largest: str
    largest_share: float

    @classmethod
    def of(cls, ahead: Forecast) -> Self | None:
        frame = decisive(ahead)
        if frame is None:
            return None
        first, share = frame.iloc[0], frame["share"]
        is_due = (frame["month"] != "") & (frame["month"] <= shift(ahead.as_of, 12))
        due = float(share[is_due].sum())
        return cls(len(frame), float(share.sum()), due, first["customer"], float(first["share"]))


@dataclass(frozen=True)
class Tornado:
    """The assumption that matters most, which share of the variance goes with it, and the NRR that
    the model of drivers expects.
    """

    belief: str
    known: float
    expected: float
    is_shock: bool  # how good the year is for all
    is_swing: bool  # for one driver

    @classmethod
    def of(cls, ahead: Forecast) -> Self | None:
        first = next(iter(ahead.sensitivity.beliefs), None)
        if first is None or not ahead.recurs:
            return None
        return cls(
            belief(first.name, ahead.past.labels),
            first.known,
            ahead.sensitivity.nrr,
            is_shock=first.name == SHOCK,
            is_swing=first.name.startswith(YEAR_EFFECT),
        )


# --- facts of a back-test ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class BackTest:
    """How often forecasts of NRR a year ahead were right; `years` are those that do not overlap.

    `error` is theirs, `model` that of the model of drivers, `last`, `mean` and `past` those of the
    naive forecasts. Where a forecast's ledger is too short for a back-test there are 0 forecasts.
    """

    forecasts: int = 0
    years: int = 0
    enough: bool = False  # years to judge by
    cover80: float | None = None
    by_segment: int = 0
    by_segment_cover80: float | None = None
    error: float | None = None
    model: float | None = None
    last: float | None = None
    mean: float | None = None
    past: float | None = None
    recurs: bool = True

    @classmethod
    def of(cls, subject: Backtest | Forecast) -> Self:
        past: Any = getattr(subject, "backtest", subject)  # a forecast has its own, or None
        if past is None:
            return cls()
        frames = (past.summary(segments).set_index("measure") for segments in (False, True))
        whole, split = (frame.astype(float).loc["nrr"].to_dict() for frame in frames)
        return cls(
            forecasts=int(whole["n"]),
            years=past.years,
            enough=past.years >= ENOUGH_YEARS,
            cover80=known(whole["cover80"]),
            by_segment=int(split["n"]),
            by_segment_cover80=known(split["cover80"]),
            error=known(whole["crps"]),
            **{name: known(whole[name]) for name in ("model", "last", "mean", "past")},
            recurs=past.recurs,
        )


@dataclass(frozen=True)
class Intervals:
    """How many forecasts there are, and how many outcomes lie outside their 80 % range."""

    forecasts: int
    outside: int

    @classmethod
    def of(cls, past: Backtest) -> Self:
        frame = past.forecasts()
        outside = (frame["actual"] < frame["p10"]) | (frame["actual"] > frame["p90"])
        return cls(len(frame), int(outside.sum()))


@dataclass(frozen=True)
class Scores:
    """The measures for which forecasts were closer than each naive one."""

    beaten: tuple[Markdown, ...]

    @classmethod
    def of(cls, past: Backtest) -> Self:
        frame = past.summary()
        closer = frame["crps"] < frame[[*RULES]].min(axis=1, skipna=False)
        names = frame.loc[closer & (frame["n"] > 0), "measure"]
        return cls(tuple(Markdown(MEASURES[name]) for name in names))


@dataclass(frozen=True)
class Pit:
    """How many outcomes there are, and how many lay below the median of their forecast."""

    forecasts: int
    below: int

    @classmethod
    def of(cls, past: Backtest) -> Self:
        counts = past.pit(segments=past.has_segments)
        below = counts.loc[counts["high"] <= 0.5 + 1e-9, "count"]
        return cls(int(counts["count"].sum()), int(below.sum()))


SENTENCES: Mapping[str, Any] = {
    "next": Next,
    "why_not": WhyNot,
    "assumptions_heading": None,  # Report alone
    "assumptions": Assumptions,
    "findings": Findings,
    "fan_heading": None,
    "fan": Fan,
    "recurs": Recurs,
    "tornado": Tornado,
    "decisive": Decisive,
    "accuracy_heading": None,
    "backtest": BackTest,
    "slide_fan": Fan,
    "slide_drives": Drives,
    "slide_why_not": WhyNot,
}
OF_NO_FORECAST: Mapping[str, Any] = {
    **dict.fromkeys(SENTENCES, Nothing),
    "why_not": WhyNot,
    "slide_why_not": WhyNot,
}
OF_A_BACKTEST: Mapping[str, Any] = {
    "backtest": BackTest,
    "intervals": Intervals,
    "scores": Scores,
    "pit": Pit,
    "limits": None,
    "provenance": None,
}
