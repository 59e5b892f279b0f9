"""A ledger's past in, where NRR may go and how good such forecasts were out; never draws a chart.

What the past says is learnt by `calibrate`, and played forward: the trailing twelve months to each
coming quarter-end are made of customers whose first months are known and whose last months are
simulated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from nrrsim import metrics
from nrrsim.analysis.actuals import Actuals
from nrrsim.analysis.sensitivity import Sensitivity, sensitivity
from nrrsim.calibration.backtest import SHARES_TOLD, Backtest, backtest, origins
from nrrsim.calibration.calibrate import MOST_OFTEN, Calibration, calibrate
from nrrsim.calibration.exposure import check_half_life
from nrrsim.engine.draws import SEED
from nrrsim.engine.expectation import expect
from nrrsim.engine.outcomes import SHARES, Sample
from nrrsim.engine.simulation import simulate
from nrrsim.errors import UsageError
from nrrsim.ledger.ledger import Ledger
from nrrsim.messages import whole_of
from nrrsim.months import parse_month, shift
from nrrsim.movements import MOVEMENTS, cents
from nrrsim.scenario.customers import customers_of
from nrrsim.scenario.drivers import DRIVERS
from nrrsim.scenario.scenario import Scenario

YEAR = 12
TRIALS, LEAST_TRIALS = 4_000, 100
PAST_TRIALS, MOST_ORIGINS = 1_000, 8  # of the back-test in a report
MOST_SEGMENTS = 8  # whose assumptions are shown
PERIODS = 8  # of the past, before the fan
# The quantiles that a manifest keeps: so many that a later report can say where NRR then lay.
SHARES_PUBLISHED = (0.01, *(number / 20 for number in range(1, 20)), 0.99)


@dataclass(frozen=True)
class Forecast:
    """Where the NRR of twelve months (point to point) may go after `past`; see `forecast`."""

    past: Actuals
    trials: int = TRIALS
    seed: int = SEED
    learning: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        return self.past.ledger

    @property
    def as_of(self) -> str:
        return self.past.as_of

    @cached_property
    def calibration(self) -> Calibration:
        return calibrate(self.ledger, self.as_of, **self.learning)

    @property
    def target(self) -> float | None:
        """The target, where it is of the same measure: twelve months, price included."""
        is_same = self.past.window == YEAR and not self.past.ex_price
        return self.past.target if is_same else None

    # --- what is assumed --------------------------------------------------------------------------

    def assumptions(self) -> pd.DataFrame:
        """What is believed of today's book, a row a driver and segment.

        `mean`, `low` and `high` (90 %) of a year's probability or rate, `size` (the mean of an
        event, or the increase), the `events` over the `chances` that it was learnt from, and the
        share of it that the segment's `own` events decide (nan of churn by tenure).
        """
        calibration = self.calibration
        rows = []
        for each in calibration.learnt:
            fields = calibration.scenario.table.of_segment(each.driver, each.segment)
            if each.segment not in self.largest or not fields:
                continue
            is_price = each.driver == "price"
            # a churn that is a curve over tenure has no rate of its own
            low = high = None
            if (often := fields.get("acceptance" if is_price else "rate")) is not None:
                low, high = often.range.span(often.value)

            size = each.size[0] if each.size else None
            if is_price:
                size = fields["uplift"].value
            is_count = DRIVERS[each.driver].is_count
            mean = min(each.mean, MOST_OFTEN) if is_count else each.mean
            own = None if low is None else each.own
            figures = (mean, low, high, size, each.events, each.chances, own)
            rows.append([each.driver, each.segment, *figures])
        columns = ["driver", "segment", "mean", "low", "high", "size", "events", "chances", "own"]
        return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[2:], float))

    @cached_property
    def largest(self) -> list[str]:
        """The segments of today's book with the most ARR, eight at most."""
        opening = self.calibration.scenario.opening
        arr = np.bincount(opening.segment, opening.arr, len(opening.segments))
        numbers = np.argsort(-arr, kind="stable")[:MOST_SEGMENTS]
        return [opening.segments[number] for number in numbers]

    # --- what may happen --------------------------------------------------------------------------

    @cached_property
    def ahead(self) -> dict[str, np.ndarray]:
        """Simulated NRR of the twelve months up to each coming quarter-end (or year-end)."""
        pace = self.past.pace
        return {
            shift(self.as_of, months): _trailing(
                self.ledger, self.calibration, self.as_of, months, self.trials, self.seed
            )
            for months in range(pace, YEAR + 1, pace)
        }

    def fan(self) -> pd.DataFrame:
        """The past and what may come of it.

        `name` (reported, forecast), `month`, `middle`, and the 90 % interval from `low` to `high`.
        """
        rows: list[list[Any]] = []
        for back in range(PERIODS - 1, -1, -1):
            month = shift(self.as_of, -back * self.past.pace)
            if (nrr := _actual(self.ledger, month)) is not None:
                rows.append(["reported", month, nrr, np.nan, np.nan])
        # the fan begins where the past ends
        now = rows[-1][2]
        rows.append(["forecast", self.as_of, now, now, now])
        for month, drawn in self.ahead.items():
            low, middle, high = Sample(drawn).quantiles(SHARES)
            rows.append(["forecast", month, middle, low, high])
        return pd.DataFrame(rows, columns=["name", "month", "middle", "low", "high"])

    def range_at(self, month: str) -> dict[str, float]:
        """Quantiles of NRR at a coming month."""
        return Sample(self.ahead[month]).percentiles(SHARES_TOLD)

    @property
    def p_target(self) -> float | None:
        """How likely the target is reached by the twelve months to come; None without a target."""
        if self.target is None:
            return None
        return Sample(self.ahead[shift(self.as_of, YEAR)]).reaches(self.target)

    @cached_property
    def sensitivity(self) -> Sensitivity:
        """Which of the assumptions the next year's expected NRR hangs on."""
        return sensitivity(self.calibration.scenario, effects=False)

    def tornado(self, most: int = 6) -> pd.DataFrame:
        """The `most` important assumptions: `name`, NRR at P5 (`low`) and P95 (`high`), `known`."""
        beliefs = self.sensitivity.beliefs[:most]
        columns = ["name", "low", "high", "known"]
        return pd.DataFrame(
            [[getattr(each, name) for name in columns] for each in beliefs], columns=columns
        )

    # --- how good such forecasts were -------------------------------------------------------------

    @cached_property
    def backtest(self) -> Backtest | None:
        """Forecasts from at most eight past origins; None where the ledger is too short for one."""
        try:
            found = origins(self.ledger, to=self.as_of)
        except UsageError:
            return None
        # so many steps apart, rounded up, that MOST_ORIGINS are enough
        every = max(3, self.ledger.step) * max(1, -(-len(found) // MOST_ORIGINS))
        return backtest(
            self.ledger,
            every=every,
            to=self.as_of,
            trials=PAST_TRIALS,
            seed=self.seed,
            **self.learning,
        )

    def record(self) -> dict[str, Any]:
        """Every headline number of the forecast, for a report's manifest."""
        end = shift(self.as_of, YEAR)
        return {
            "forecast": {
                "trials": self.trials,
                "seed": self.seed,
                "ahead": {
                    month: Sample(drawn).percentiles(SHARES_PUBLISHED)
                    for month, drawn in self.ahead.items()
                },
                "p_target": self.p_target,
                "mean": float(self.ahead[end].mean()),
                "expected": self.expected(),
            }
        }

    def expected(self) -> dict[str, dict[str, list[float]]]:
        """The year's expected movements by segment and month, in ARR: what a later report compares.

        By segment `opening` (of its first month) and each movement that is not 0 throughout, an
        amount a month; losses are positive, as everywhere.
        """
        outlook = expect(self.calibration.scenario)
        by_segment = {}
        for segment in outlook.segments:
            own = outlook.data.sel(segment=segment)
            amounts = {name: [cents(each) for each in own[name].values] for name in MOVEMENTS}
            by_segment[segment] = {
                "opening": [cents(own["opening"].values[0])],
                **{name: each for name, each in amounts.items() if any(each)},
            }
        return by_segment


@dataclass(frozen=True)
class NoForecast:
    """No forecast, and the reason; in a condition it is false."""

    reason: str

    def __bool__(self) -> Literal[False]:
        return False


def forecast(
    past: Actuals,
    trials: int = TRIALS,
    seed: int = SEED,
    half_life: float | None = None,
    price_months: Sequence[str] | None = None,
) -> Forecast | NoForecast:
    """The forecast after what happened, or why there is none.

    There is none where the ledger has not been running for a year, nobody is left, it cannot be
    learnt from, or no `trials` are asked for. half_life, price_months : as for `calibrate`.

    Raises UsageError for a half-life or a price month that cannot be.
    """
    trials, seed = whole_of("trials", trials), whole_of("seed", seed)
    if trials == 0:
        return NoForecast("")
    if trials < LEAST_TRIALS:
        raise UsageError(f"trials: must be 0 or at least {LEAST_TRIALS}, got {trials}")
    if isinstance(price_months, str):
        raise UsageError(f'price_months: write a list, such as ["2026-01"], got {price_months!r}')
    for month in price_months or ():
        past.ledger.calendar.parse_month(month, "price_months")
    check_half_life(half_life)

    known = parse_month(past.as_of, "as_of") - parse_month(past.ledger.months[0], "month")
    if known < YEAR:
        return NoForecast(
            f"the ledger has been running for {known} months, and a forecast takes a year"
        )
    if past.ledger.customers(past.as_of).empty:
        return NoForecast("nobody is left")

    found = Forecast(
        past, trials, seed, {"half_life": half_life, "price_months": tuple(price_months or ())}
    )
    # all that may fail, now: a report is not to fail in the middle
    try:
        for answer in ("ahead", "backtest", "sensitivity"):
            getattr(found, answer)
    except UsageError as error:  # the report stands without it
        return NoForecast(str(error).removeprefix("book.ledger: "))
    return found


def _actual(ledger: Ledger, month: str) -> float | None:
    """NRR of the twelve months up to a month; None where the ledger does not cover them."""
    if {month, shift(month, -YEAR)} <= set(ledger.months):
        nrr = float(metrics.nrr(ledger.cohort(month, YEAR)))
        return None if np.isnan(nrr) else round(nrr, 12)
    return None


def _trailing(
    ledger: Ledger, learnt: Calibration, origin: str, months: int, trials: int, seed: int
) -> np.ndarray:
    """NRR by trial of the twelve months that end `months` after the origin.

    Those who were there at their start and still are at the origin are played forward. Who had left
    by then may come back in fact, and does not here.
    """
    start = shift(origin, months - YEAR)
    opening = ledger.customers(start, renewed_by=origin)["arr"]

    term = learnt.scenario.plain()["book"]["term"]
    there = customers_of(ledger, origin, term, among=opening.index, rate_of=start)
    scenario = Scenario.of({**learnt.scenario.plain(), "months": months}, opening=there)
    run = simulate(scenario, trials, seed)
    closing = run["closing"].isel(month=-1).sum("segment").values
    # rounded, so that what did not change is equal to what was
    return np.asarray(np.round(closing / float(opening.sum()), 12))
