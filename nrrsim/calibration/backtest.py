"""A ledger in, past forecasts beside what then happened out; never looks ahead, never draws.

At each origin the scenario is learnt from what was known then, simulated for a year, and compared
with the year. So it says how often such forecasts were right, and whether they beat two that need
no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim import metrics
from nrrsim.calibration.calibrate import calibrate
from nrrsim.calibration.priors import as_prior
from nrrsim.engine.draws import SEED
from nrrsim.engine.outcomes import Sample
from nrrsim.engine.simulation import simulate
from nrrsim.errors import UsageError
from nrrsim.ledger.ledger import Ledger, as_ledger
from nrrsim.messages import whole_of
from nrrsim.months import CALENDAR_YEAR, Calendar, month_name, parse_month, shift
from nrrsim.notation import counted

HORIZON = 12
TRIALS = 4_000
HISTORY = {1: 24, 3: 24, 12: 24}  # months known at the first origin, by the ledger's step
MEASURES = ("nrr", "grr", "logo")
LEVELS = (0.5, 0.8, 0.9)
SHARES_TOLD = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)  # of a forecast: its quantiles
WHOLE = "all"


@dataclass(frozen=True)
class Backtest:
    """Forecasts and outcomes: a row of `frame` for each origin, measure and segment (or `all`).

    Columns `origin`, `measure`, `segment`, `actual`, `mean`, the quantiles `p05` to `p95`, `pit`
    (where the outcome lies in the forecast), `crps`, and `last`, `past`: how far off last year's
    outcome and the mean of past years were.
    """

    frame: pd.DataFrame
    step: int
    trials: int
    calendar: Calendar = CALENDAR_YEAR

    def summary(self, segments: bool = False) -> pd.DataFrame:
        """How good the forecasts were, a row a measure.

        `n` outcomes, `effective` (years that do not overlap), the share of outcomes inside the 50,
        80 and 90 % intervals, and the mean errors `crps`, `last`, `past`.

        segments : pool the segments' outcomes instead of the whole book's.
        """
        chosen = self.frame[(self.frame["segment"] != WHOLE) == segments]
        rows = []
        for measure in MEASURES:
            mine = chosen[chosen["measure"] == measure].dropna(subset=["actual"])
            years = sum(_apart(each["origin"]) for _, each in mine.groupby("segment"))
            row: dict[str, Any] = {"measure": measure, "n": len(mine), "effective": years}
            for level in LEVELS:
                inside = (mine["pit"] - 0.5).abs() <= level / 2
                row[f"cover{100 * level:.0f}"] = float(inside.mean()) if len(mine) else np.nan
            errors = mine[["crps", "last", "past"]]
            known = errors.dropna() if len(errors.dropna()) else errors  # of the same outcomes
            rows.append(row | {name: float(known[name].mean()) for name in errors})
        return pd.DataFrame(rows)

    def told(self) -> dict[str, Any]:
        """What `nrrsim backtest --json` prints."""
        both = {"whole": self.summary(), "segments": self.summary(segments=True)}
        return {
            "trials": self.trials,
            "origins": sorted(set(self.frame["origin"])),
            **{name: _by_measure(frame) for name, frame in both.items()},
        }

    @property
    def has_segments(self) -> bool:
        return bool((self.frame["segment"] != WHOLE).any())

    def forecasts(self, measure: str = "nrr") -> pd.DataFrame:
        """The whole book's forecasts of a measure, oldest first: `origin`, quantiles, `actual`."""
        mine = self.frame[(self.frame["segment"] == WHOLE) & (self.frame["measure"] == measure)]
        return mine.sort_values("origin", ignore_index=True)

    def record(self) -> dict[str, Any]:
        """Every headline number, for a report's manifest."""
        return {"backtest": self.told()}

    def pit(self, measure: str = "nrr", segments: bool = False, bins: int = 10) -> pd.DataFrame:
        """How many outcomes lie in each tenth of their forecast: `low`, `high`, `count`.

        The counts are even where the forecasts are right.
        """
        chosen = self.frame[(self.frame["segment"] != WHOLE) == segments]
        values = chosen.loc[chosen["measure"] == measure, "pit"].dropna()
        counts, edges = np.histogram(values, bins, (0, 1))
        return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "count": counts})


def backtest(
    ledger: Ledger | str | Path,
    *,
    every: int | None = None,
    first: str | None = None,
    to: str | None = None,
    trials: int = TRIALS,
    seed: int = SEED,
    progress: Callable[[int], None] | None = None,
    **calibrating: Any,
) -> Backtest:
    """Forecasts of the next twelve months from each origin at which the ledger knows both sides.

    ledger : one that was read, or its file.
    every : months from one origin to the next (default: a quarter, or the ledger's step if that is
        longer).
    first : the first origin (default: when two years are known). to : the last month to compare
        with (default: the ledger's last).
    calibrating : as for `calibrate`.

    Raises UsageError where the ledger is too short for a single origin.
    """
    if "until" in calibrating:
        raise UsageError("until: the last month to compare with is `to`")
    trials, seed = whole_of("trials", trials), whole_of("seed", seed)
    ledger = known = as_ledger(ledger)
    found = origins(ledger, every, first, to)
    # origins share their past years
    happened = cache(lambda month: _measured(known.cohort(month, HORIZON)))
    rows: list[dict[str, Any]] = []
    for number, origin in enumerate(found):
        rows += _forecast(ledger, origin, trials, seed, calibrating, happened)
        if progress:
            progress(number + 1)
    return Backtest(pd.DataFrame(rows), ledger.step, trials, ledger.calendar)


def origins(
    ledger: Ledger, every: int | None = None, first: str | None = None, to: str | None = None
) -> list[str]:
    """The months from which a year ahead can be forecast and compared."""
    every = max(3, ledger.step) if every is None else whole_of("every", every)
    if every < 1 or every % ledger.step:
        raise UsageError(
            f"every: {counted(every, 'month does', 'months do')} not fit a ledger with a snapshot"
            f" every {counted(ledger.step, 'month')}"
        )
    begin = HISTORY[ledger.step]
    last = month_name(ledger.inside(to or ledger.months[-1], "to") - HORIZON)
    if first:
        begin = ledger.inside(first, "first") - parse_month(ledger.months[0], "month")
        if begin < ledger.step or ledger.inside(first, "first") > parse_month(last, "month"):
            raise UsageError(
                f"first: from {first} nothing can be tested: a forecast learns from a change before"
                f" it, and is compared with what is {HORIZON} months after it; the ledger has"
                f" {ledger.months[0]} to {ledger.months[-1]}"
            )
    span = parse_month(last, "month") - parse_month(ledger.months[0], "month")
    if span < begin or begin < ledger.step:
        raise UsageError(
            f"a back-test needs {begin + HORIZON + 1} months at least: {begin} of change to learn"
            f" from, {HORIZON} to compare with;"
            f" the ledger has {ledger.months[0]} to {ledger.months[-1]}"
        )
    # counted back from the latest, so that this one is always there
    return [shift(last, -back) for back in range(0, span - begin + 1, every)][::-1]


def crps(drawn: np.ndarray, actual: float) -> float:
    """The continuous ranked probability score of an ensemble; of a single number, its error.

    The mean distance of its members from what happened, less half of the mean distance between two
    of them (Gneiting and Raftery 2007).
    """
    # sorted, the sum over all pairs is one over single members: n log n instead of n^2
    x, n = np.sort(drawn), len(drawn)
    between = ((2 * np.arange(1, n + 1) - n - 1) * x).sum() * 2 / n**2
    return float(np.abs(x - actual).mean() - between / 2)


def _forecast(
    ledger: Ledger,
    origin: str,
    trials: int,
    seed: int,
    calibrating: Mapping[str, Any],
    happened: Callable[[str], dict[tuple[str, str], Any]],
) -> list[dict[str, Any]]:
    if ledger.customers(origin).empty:
        return []
    term = calibrating.get("term")
    if term:  # of the segments that are there by then
        there = set(ledger.histories(origin)[0]["segment"].astype(str))
        terms = {name: each for name, each in term.items() if name in there}
        calibrating = {**calibrating, "term": terms}

    # a prior that was learnt from what came later was not known
    calibrating = {**calibrating, "prior": as_prior(calibrating.get("prior")).known_at(origin)}
    scenario = calibrate(ledger, origin, **calibrating).scenario
    run = simulate(scenario, trials, seed)
    outcome = happened(shift(origin, HORIZON))
    forecast = _measured(run)
    past = [happened(month) for month in _earlier(ledger, origin)]

    rows = []
    for (measure, segment), drawn in forecast.items():
        actual = float(outcome.get((measure, segment), np.nan))
        if np.isnan(actual):
            continue
        known = [
            float(value)
            for each in past
            if not np.isnan(value := each.get((measure, segment), np.nan))
        ]
        rows.append(
            {"origin": origin, "measure": measure, "segment": segment, "actual": actual}
            | _compared(np.asarray(drawn), actual)
            | {"last": abs(known[0] - actual) if known else np.nan}
            | {"past": abs(float(np.mean(known)) - actual) if known else np.nan}
        )
    return rows


def _compared(drawn: np.ndarray, actual: float) -> dict[str, float]:
    """Where an outcome lies in its forecast, and how far off that was."""
    sample = Sample(drawn)
    return {
        "mean": sample.expected,
        **sample.percentiles(SHARES_TOLD),
        "pit": sample.place_of(actual),
        "crps": crps(drawn, actual),
    }


def _apart(origins: pd.Series[str]) -> int:
    """How many of these origins are a year or more apart from each other."""
    number, last = 0, -HORIZON
    for month in sorted(parse_month(origin, "origin") for origin in set(origins)):
        if number == 0 or month >= last + HORIZON:
            number, last = number + 1, month
    return number


def _earlier(ledger: Ledger, origin: str) -> list[str]:
    """The ends of the past years that are known at the origin, the latest first."""
    first = parse_month(ledger.months[0], "month")
    years = (parse_month(origin, "origin") - first) // HORIZON
    return [shift(origin, -HORIZON * back) for back in range(years)]


def _measured(movements: Any) -> dict[tuple[str, str], Any]:
    """NRR, GRR and logo retention of the whole and of each segment."""
    found: dict[tuple[str, str], Any] = {}
    for name, of in (("nrr", metrics.nrr), ("grr", metrics.grr), ("logo", metrics.logo)):
        found[name, WHOLE] = np.asarray(of(movements))
        if len(movements.segments) > 1:
            by_segment: Any = of(movements, by_segment=True)
            for segment in movements.segments:
                found[name, segment] = np.asarray(by_segment.sel(segment=segment))
    return found


def _by_measure(summary: pd.DataFrame) -> dict[str, dict[str, float | int | None]]:
    rows = summary.set_index("measure").to_dict("index")
    return {
        str(measure): {str(key): _plain(value) for key, value in row.items()}
        for measure, row in rows.items()
    }


def _plain(value: Any) -> float | int | None:
    if np.isnan(value):
        return None
    return int(value) if float(value).is_integer() else round(float(value), 6)
