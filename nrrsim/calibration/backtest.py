"""A ledger in, past forecasts beside what then happened out; never looks ahead, never draws.

At each origin everything is learnt from what was known then: the forecast as it would have been
published, what it is mixed from, and three rules that need no model. All are distributions, scored
in the same way against the same outcomes. So it says how often such forecasts were right, whether
they beat the rules, and whether revenue recurs in the way that the model of drivers assumes.
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
from nrrsim.cache import columns_of, kept
from nrrsim.calibration.calibrate import calibrate, known_by_value
from nrrsim.calibration.mixture import mixed
from nrrsim.calibration.priors import as_prior
from nrrsim.calibration.ratios import LEVELS, Group
from nrrsim.engine.draws import SEED
from nrrsim.engine.law import Law, law_of
from nrrsim.engine.outcomes import Distribution, Even, Sample
from nrrsim.engine.simulation import simulate
from nrrsim.errors import UsageError
from nrrsim.ledger.ledger import Ledger, as_ledger
from nrrsim.messages import months_ahead, whole_of
from nrrsim.months import CALENDAR_YEAR, Calendar, month_name, parse_month, shift
from nrrsim.notation import counted
from nrrsim.scenario.outlook import TO_THE_BIT
from nrrsim.scenario.scenario import Scenario

HORIZON = 12
TRIALS = 4_000
FIRST, LEAST_FIRST = 24, 12  # months of ledger before the first origin
MEASURES = ("nrr", "grr", "logo")
RANGES = {50: ("p25", "p75"), 80: ("p10", "p90"), 90: ("p05", "p95")}
SHARES_TOLD = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)  # of a forecast: its quantiles
INGREDIENTS = ("ratios", "past", "model")  # of a forecast
RULES = ("last", "mean", "past")  # that need no model; past figures are an ingredient and a rule
SCORED = ("crps", *dict.fromkeys(INGREDIENTS + RULES))
WHOLE = "all"

# Revenue does not recur as the model of drivers assumes where its error is that much above that of
# the mean of past years: by the factor and by the difference, over so many independent years. On
# real ledgers that recur it fires nowhere; "loses" alone would on a fifth of their dates.
WORSE, WORSE_BY, LEAST_YEARS = 1.25, 0.02, 2
# Of a past date, a horizon, what is known of calibrating and the NRR that would have been published
# (`ndarray[1, 200]` by group), another forecast of it.
Published = Mapping[Group, np.ndarray]
Forecaster = Callable[[str, int, Mapping[str, Any], Published], Published]


@dataclass(frozen=True)
class Backtest:
    """Forecasts and outcomes: a row of `frame` for each origin, measure and segment (or `all`).

    Columns `origin`, `measure`, `segment`, `actual`, the published forecast's quantiles `p05` to
    `p95` and `pit` (where the outcome lies in it); how far off distributions were (CRPS): `crps`
    of the published forecast, `ratios`, `past` and `model` of what it is mixed from, `last`, `mean`
    (and `past` again) of the rules; and `mean_off`, the distance of the mean of past years.
    What does not exist is nan: a segment without a past year has no past figures.
    """

    frame: pd.DataFrame
    step: int
    trials: int
    calendar: Calendar = CALENDAR_YEAR
    horizon: int = HORIZON

    def summary(self, segments: bool = False) -> pd.DataFrame:
        """How good the forecasts were, a row a measure.

        `n` outcomes, `years` (those that do not overlap), the share of outcomes inside the 50, 80
        and 90 % ranges (`cover50` ...), the mean width of the 80 % range (`width80`), and the mean
        errors of the forecast (`crps`), its ingredients and the rules. Errors are over the same
        outcomes: those for which all are known, if there is one.

        segments : pool the segments' outcomes instead of the whole book's.
        """
        return pd.DataFrame([self._summed(measure, segments) for measure in MEASURES])

    def _summed(self, measure: str, segments: bool) -> dict[str, Any]:
        mine = self._of(measure, segments)
        years = sum(_apart(each["origin"]) for _, each in mine.groupby("segment"))
        row: dict[str, Any] = {"measure": measure, "n": len(mine), "years": years}
        for level, (low, high) in RANGES.items():
            # an outcome that is an end of its range is inside, whatever rounding says
            inside = mine["actual"].between(mine[low] - TO_THE_BIT, mine[high] + TO_THE_BIT)
            row[f"cover{level}"] = float(inside.mean()) if len(mine) else np.nan
        row["width80"] = float((mine["p90"] - mine["p10"]).mean())
        errors = mine[[*SCORED]]
        known = errors.dropna() if len(errors.dropna()) else errors
        row |= {name: float(known[name].mean()) for name in SCORED}
        return row

    def _of(self, measure: str, segments: bool = False) -> pd.DataFrame:
        chosen = (self.frame["segment"] != WHOLE) == segments
        return self.frame[chosen & (self.frame["measure"] == measure)]

    @property
    def years(self) -> int:
        """The independent years that the whole book's forecasts were compared with."""
        return _apart(self._of("nrr")["origin"])

    @property
    def recurs(self) -> bool:
        """Whether revenue recurs in the way that the model of drivers assumes.

        Not, where over two or more independent years the model's error of NRR was both 1.25 times
        and 2 points above that of the mean of past years. Then its levers say nothing of the year
        to come. Over less than two years nothing speaks against it.
        """
        off = self._of("nrr")[["model", "mean_off"]].dropna().mean()
        worse = off["model"] > WORSE * off["mean_off"] and off["model"] > off["mean_off"] + WORSE_BY
        return not (worse and self.years >= LEAST_YEARS)

    @property
    def has_segments(self) -> bool:
        return bool((self.frame["segment"] != WHOLE).any())

    def forecasts(self, measure: str = "nrr") -> pd.DataFrame:
        """The whole book's forecasts of a measure, oldest first: `origin`, quantiles, `actual`."""
        return self._of(measure).sort_values("origin", ignore_index=True)

    def told(self) -> dict[str, Any]:
        """What `nrrsim backtest --json` prints: what a report keeps, and every forecast, to the
        digits that `nrrsim forecast --json` prints of it.
        """
        names = [f"p{100 * share:02.0f}" for share in SHARES_TOLD]
        rows = [
            {"as_of": row["origin"], "horizon": self.horizon}
            | {"segment": None if row["segment"] == WHOLE else row["segment"]}
            | {"measure": row["measure"]}
            | {name: round(float(row[name]), 12) for name in names}
            | {"outcome": round(float(row["actual"]), 12)}
            for row in self.frame.to_dict("records")
        ]
        return {**self._headlines(), "forecasts": rows}

    def record(self) -> dict[str, Any]:
        """Every headline number, for a report's manifest."""
        return {"backtest": self._headlines()}

    def _headlines(self) -> dict[str, Any]:
        both = {"whole": self.summary(), "segments": self.summary(segments=True)}
        return {
            "trials": self.trials,
            "origins": sorted(set(self.frame["origin"])),
            "recurs": self.recurs,
            **{name: _by_measure(frame) for name, frame in both.items()},
        }

    def pit(self, measure: str = "nrr", segments: bool = False, bins: int = 10) -> pd.DataFrame:
        """How many outcomes lie in each tenth of their forecast: `low`, `high`, `count`.

        The counts are even where the forecasts are right.
        """
        counts, edges = np.histogram(self._of(measure, segments)["pit"], bins, (0, 1))
        return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "count": counts})


def backtest(
    ledger: Ledger | str | Path,
    *,
    every: int | None = None,
    first: int | str | None = None,
    to: str | None = None,
    horizon: int = HORIZON,
    trials: int = TRIALS,
    seed: int = SEED,
    progress: Callable[[int], None] | None = None,
    forecaster: Forecaster | None = None,
    **calibrating: Any,
) -> Backtest:
    """Forecasts of the next twelve months from each origin at which the ledger knows both sides.

    ledger : one that was read, or its file.
    every : months from one origin to the next (default: a quarter, or the ledger's step if that is
        longer).
    first : the months of ledger before the first origin, at least 12, or that origin's name
        (default: 24). to : the last month to compare with (default: the ledger's last).
    horizon : how far ahead the twelve months end; of less than 12 the first ones are known at the
        origin, and the model of drivers has no part.
    trials : draws of customers' own past, and simulated futures of each segment by the model of
        drivers; what that says of the whole book is computed.
    forecaster : makes another forecast of NRR of what would have been published, which is scored
        in its place; of the other measures nothing is said then.
    calibrating : as for `calibrate`.

    Raises UsageError where the ledger is too short for a single origin.
    """
    if "until" in calibrating:
        raise UsageError("until: the last month to compare with is `to`")
    trials, seed = whole_of("trials", trials), whole_of("seed", seed)
    ledger = known = as_ledger(ledger)
    found = origins(ledger, every, first, to, horizon)

    def tested() -> dict[str, Any]:
        # origins share their past years
        happened = cache(lambda month: measured(known.cohort(month, HORIZON)))
        rows: list[dict[str, Any]] = []
        for number, origin in enumerate(found):
            how = (horizon, trials, seed, calibrating, forecaster)
            rows += _forecast(ledger, origin, happened, *how)
            if progress:
                progress(number + 1)
        if not rows:
            raise UsageError(
                f"nothing can be tested: from {found[0]} to {found[-1]} a forecast was never"
                " possible, as nobody was there then or a year before"
            )
        return columns_of(pd.DataFrame(rows))

    asked = {"ledger": ledger, "origins": found, "horizon": horizon, "trials": trials, "seed": seed}
    asked |= {"calibrating": known_by_value(calibrating)}
    # what a forecaster does is not known by value
    rows = tested() if forecaster else kept("backtest", asked, tested)
    return Backtest(pd.DataFrame(rows), ledger.step, trials, ledger.calendar, horizon)


def origins(
    ledger: Ledger,
    every: int | None = None,
    first: int | str | None = None,
    to: str | None = None,
    horizon: int = HORIZON,
) -> list[str]:
    """The months from which a year that ends `horizon` months ahead can be forecast and compared.

    Raises UsageError where there is none, or the horizon is no part of a year in the ledger's step.
    """
    horizon = months_ahead(horizon, ledger.step, HORIZON)
    every = max(3, ledger.step) if every is None else whole_of("every", every)
    if every < 1 or every % ledger.step:
        raise UsageError(
            f"every: {counted(every, 'month does', 'months do')} not fit a ledger with a snapshot"
            f" every {counted(ledger.step, 'month')}"
        )
    begin = parse_month(ledger.months[0], "month")
    last = ledger.inside(ledger.months[-1] if to is None else to, "to") - horizon
    known = last - begin  # months before the last origin
    span = f"the ledger has {ledger.months[0]} to {month_name(last + horizon)}"
    if to is not None:
        span += ", the last month to compare with"
    if isinstance(first, str):
        before = ledger.inside(first, "first") - begin
        if not LEAST_FIRST <= before <= known:
            raise UsageError(
                f"first: from {first} nothing can be tested: a forecast learns from the"
                f" {counted(LEAST_FIRST, 'month')} before it at least, and is compared with what is"
                f" {counted(horizon, 'month')} after it; {span}"
            )
    elif (before := FIRST if first is None else whole_of("first", first)) < LEAST_FIRST:
        raise UsageError(
            f"first: a forecast learns from {counted(LEAST_FIRST, 'month')} at least, got {before}"
        )
    if known < before:
        least = LEAST_FIRST + horizon + 1
        enough = (
            f"; with --first {LEAST_FIRST}, {least} months are enough"
            if known >= LEAST_FIRST
            else ""
        )
        raise UsageError(
            f"a back-test needs {before + horizon + 1} months at least: {before} of change to learn"
            f" from, {horizon} to compare with; {span}{enough}"
        )
    # counted back from the latest, so that this one is always there
    return [month_name(last - back) for back in range(0, known - before + 1, every)][::-1]


def crps(drawn: np.ndarray, actual: float) -> float:
    """The continuous ranked probability score of an ensemble, or of even quantiles as one.

    The mean distance of its members from what happened, less half of the mean distance between two
    of them (Gneiting and Raftery 2007); of a single number, its error.
    """
    # sorted, the sum over all pairs is one over single members: n log n instead of n^2
    x, n = np.sort(drawn), len(drawn)
    between = ((2 * np.arange(1, n + 1) - n - 1) * x).sum() * 2 / n**2
    return float(np.abs(x - actual).mean() - between / 2)


def _forecast(
    ledger: Ledger,
    origin: str,
    happened: Callable[[str], dict[tuple[str, str], Any]],
    horizon: int,
    trials: int,
    seed: int,
    calibrating: Mapping[str, Any],
    forecaster: Forecaster | None,
) -> list[dict[str, Any]]:
    before = (month for month in reversed(ledger.months) if month < origin)
    if ledger.customers(origin).empty or all(ledger.customers(each).empty for each in before):
        return []
    term = calibrating.get("term")
    if isinstance(term, Mapping):  # of the segments that are there by then
        there = set(ledger.histories(origin)[0]["segment"].astype(str))
        terms = {name: each for name, each in term.items() if name in there}
        calibrating = {**calibrating, "term": terms}

    # a prior that was learnt from what came later was not known
    calibrating = {**calibrating, "prior": as_prior(calibrating.get("prior")).known_at(origin)}
    model: dict[tuple[str, Group], np.ndarray] = {}
    if horizon == HORIZON:
        learnt = calibrate(ledger, origin, **calibrating).scenario
        model = driven(learnt, law_of(learnt, seed, is_rough=True), trials, seed)
    try:
        mixture = mixed(ledger, origin, model, horizon=horizon, draws=trials, seed=seed)
    except UsageError:  # nobody was there a year before: nothing would have been published
        return []
    outcome = happened(shift(origin, horizon))
    ahead: Published = mixture.published
    if forecaster:
        known = {group: each[:1] for group, each in mixture.published.items()}
        ahead = forecaster(origin, horizon, calibrating, known)

    # a segment that is the whole book is no row of its own
    groups: list[Group] = [*ahead] if len(ahead) > 2 else [None]
    rows = []
    for group in groups:
        published, segment = ahead[group], WHOLE if group is None else group
        beside = mixture.rules(group) | {
            name: by_group[group] for name, by_group in mixture.ingredients.items()
        }
        for number, measure in enumerate(MEASURES[: len(published)]):
            actual = float(outcome.get((measure, segment), np.nan))
            if np.isnan(actual):
                continue
            forecast = Even(published[number])
            rows.append(
                {"origin": origin, "measure": measure, "segment": segment, "actual": actual}
                | forecast.percentiles(SHARES_TOLD)
                | {
                    "pit": Sample(forecast.values).place_of(actual),
                    "crps": crps(published[number], actual),
                }
                | {name: crps(each[number], actual) for name, each in beside.items()}
                | {"mean_off": abs(float(np.median(beside["mean"][number])) - actual)}
            )
    return rows


def _apart(origins: pd.Series[str]) -> int:
    """How many of these origins are a year or more apart from each other."""
    number, last = 0, -HORIZON
    for month in sorted(parse_month(origin, "origin") for origin in set(origins)):
        if number == 0 or month >= last + HORIZON:
            number, last = number + 1, month
    return number


def equally_likely(distribution: Distribution) -> np.ndarray:
    """The 200 quantiles that stand for a distribution, `ndarray[200]`.

    Rounded, so that what did not change is equal to what was.
    """
    return np.asarray(distribution.quantiles(LEVELS.tolist()).round(8))


def driven(
    scenario: Scenario, law: Law, trials: int, seed: int
) -> dict[tuple[str, Group], np.ndarray]:
    """What the model of drivers says of each measure and group, as equally likely values.

    Of the whole book (None) they are quantiles of its `law`; segments are simulated.
    """
    found: dict[tuple[str, Group], np.ndarray] = {
        (name, None): equally_likely(getattr(law, name)) for name in MEASURES
    }
    if len(scenario.segments) > 1:
        found |= by_segment(simulate(scenario, trials, seed))
    return found


def measured(movements: Any) -> dict[tuple[str, Any], Any]:
    """NRR, GRR and logo retention of the whole and of each segment, where there are several."""
    found = {(name, WHOLE): metrics.ratio(movements, name) for name in MEASURES}
    return found | (by_segment(movements) if len(movements.segments) > 1 else {})


def by_segment(movements: Any) -> dict[tuple[str, Any], Any]:
    """The same of the segments alone."""
    found: dict[tuple[str, Any], Any] = {}
    for name in MEASURES:
        told = np.moveaxis(metrics.ratio(movements, name, by_segment=True), -1, 0)
        found |= {
            (name, segment): own for segment, own in zip(movements.segments, told, strict=True)
        }
    return found


def _by_measure(summary: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The summary by measure, with the errors of ingredients and rules by name."""
    apart = {"ingredients": INGREDIENTS, "rules": RULES}
    rows = summary.set_index("measure").map(_plain).to_dict("index")
    return {
        str(measure): {
            **{str(key): value for key, value in row.items() if key not in INGREDIENTS + RULES},
            **{name: {each: row[each] for each in names} for name, names in apart.items()},
        }
        for measure, row in rows.items()
    }


def _plain(value: Any) -> float | int | None:
    if np.isnan(value):
        return None
    return int(value) if float(value).is_integer() else round(float(value), 6)
