"""A ledger's past in, where NRR may go and how good such forecasts were out; never draws a chart.

How far a year may go is told by customers' own past and by past figures (`mixture`); what drives it
by a model that is learnt (`calibrate`) and followed forward: the whole book's range is computed,
those of segments are simulated. The trailing twelve months to each coming quarter-end are made of
customers whose first months are known, so less of them is open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim import metrics
from nrrsim.analysis.actuals import Actuals, NoAnswer
from nrrsim.analysis.renewals import decisive
from nrrsim.analysis.sensitivity import Sensitivity, sensitivity
from nrrsim.cache import kept
from nrrsim.calibration.backtest import (
    LEAST_FIRST,
    SHARES_TOLD,
    Backtest,
    backtest,
    driven,
    equally_likely,
    origins,
)
from nrrsim.calibration.calibrate import MOST_OFTEN, Calibration, calibrate, known_by_value
from nrrsim.calibration.exposure import check_half_life, price_months_of
from nrrsim.calibration.mixture import Mixture, mixed
from nrrsim.calibration.priors import Prior, as_prior
from nrrsim.calibration.ratios import MEASURES, PastYears
from nrrsim.engine.draws import SEED
from nrrsim.engine.expectation import expect
from nrrsim.engine.law import Law, law_of
from nrrsim.engine.outcomes import SHARES, Even
from nrrsim.errors import UsageError
from nrrsim.ledger.ledger import Ledger
from nrrsim.messages import an_object, whole_of
from nrrsim.months import parse_month, shift
from nrrsim.movements import MOVEMENTS, json_amount
from nrrsim.notation import counted
from nrrsim.scenario.customers import customers_of
from nrrsim.scenario.drivers import DRIVERS
from nrrsim.scenario.outlook import LEVELS
from nrrsim.scenario.scenario import Scenario

YEAR = 12
TRIALS, LEAST_TRIALS = 4_000, 100
PAST_TRIALS, MOST_ORIGINS = 1_000, 8  # of the back-test in a report
MOST_SEGMENTS = 8  # whose assumptions are shown
LARGE = 0.1  # a customer's share of ARR from which two outcomes are looked for
APART = 3.0  # standard deviations of the others' NRR, from which two outcomes are two humps
PERIODS = 8  # of the past, before the fan
NRR = MEASURES.index("nrr")


@dataclass(frozen=True)
class Hump:
    """NRR in the middle with one customer as it is, and without it; the month of its renewal, ""
    where that is not stated.
    """

    customer: str
    kept: float
    lost: float
    month: str


@dataclass(frozen=True)
class Forecast:
    """Where the NRR of twelve months (point to point) may go after `past`; see `forecast`."""

    past: Actuals
    trials: int = TRIALS
    seed: int = SEED
    learning: Mapping[str, Any] = field(default_factory=dict)
    learnt: Calibration | None = None  # where it was learnt already

    @property
    def ledger(self) -> Ledger:
        return self.past.ledger

    @property
    def as_of(self) -> str:
        return self.past.as_of

    @cached_property
    def calibration(self) -> Calibration:
        return self.learnt or calibrate(self.ledger, self.as_of, **self.learning)

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

    @property
    def horizons(self) -> dict[str, int]:
        """The coming quarter-ends (or the year-end), and how many months they are ahead."""
        pace = self.past.pace
        return {shift(self.as_of, months): months for months in range(pace, YEAR + 1, pace)}

    @cached_property
    def mixtures(self) -> dict[str, Mixture]:
        """At each coming quarter-end what is forecast, and of what ingredients."""
        how = {"draws": max(self.trials, TRIALS), "seed": self.seed}

        def told() -> dict[str, Any]:
            made = {
                month: mixed(self.ledger, self.as_of, self._model(months), horizon=months, **how)
                for month, months in self.horizons.items()
            }
            return {month: each.plain() for month, each in made.items()}

        asked = {"ledger": self.ledger, "as_of": self.as_of, "horizons": self.horizons}
        asked |= {"trials": self.trials, "learnt": self.learnt, **how}
        asked |= {"learning": known_by_value(self.learning)}
        found = kept("forecast", asked, told)
        past = PastYears.of(self.ledger, self.as_of)
        return {month: Mixture.of(each, past) for month, each in found.items()}

    @property
    def mixture(self) -> Mixture:
        """That of the next twelve months."""
        return self.mixtures[shift(self.as_of, YEAR)]

    def _model(self, months: int) -> dict[tuple[str, str | None], np.ndarray]:
        """What the model of drivers says of each measure and segment (None: all), as equally likely
        values.
        """
        if months == YEAR:
            return driven(self.calibration.scenario, self.law, self.trials, self.seed)
        return _trailing(self.ledger, self.calibration, self.as_of, months, self.seed)

    @cached_property
    def law(self) -> Law:
        """What the model of drivers says of the next twelve months, computed."""
        return law_of(self.calibration.scenario, self.seed)

    @cached_property
    def ahead(self) -> dict[str, Even]:
        """NRR of the twelve months up to each coming quarter-end (or year-end)."""
        return {month: Even(each.published[None][NRR]) for month, each in self.mixtures.items()}

    @property
    def recurs(self) -> bool:
        """Whether past years bear the model of drivers out; see `Backtest.recurs`."""
        return self.backtest is None or self.backtest.recurs

    @cached_property
    def scenario(self) -> Scenario:
        """What was learnt, with the forecast beside it: whoever moves a driver moves both."""
        return with_outlook(self.calibration.scenario, self.law, self.mixture, self.recurs)

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
        for month, forecast in self.ahead.items():
            low, middle, high = forecast.quantiles(SHARES)
            rows.append(["forecast", month, middle, low, high])
        return pd.DataFrame(rows, columns=["name", "month", "middle", "low", "high"])

    def range_at(self, month: str) -> dict[str, float]:
        """Quantiles of NRR at a coming month."""
        return self.ahead[month].percentiles(SHARES_TOLD)

    @property
    def median(self) -> float:
        """The median of NRR of the twelve months to come."""
        return self.range_at(shift(self.as_of, YEAR))["p50"]

    @property
    def p_target(self) -> float | None:
        """How likely the target is reached by the twelve months to come; None without a target."""
        if self.target is None:
            return None
        return self.ahead[shift(self.as_of, YEAR)].reaches(self.target)

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

    @cached_property
    def hump(self) -> Hump | None:
        """The customer that is so large that NRR may come out in two places, with and without it;
        None where there is none.
        """
        first = decisive(self.past, 1).iloc[0]
        largest, share = first["customer"], float(first["share"])
        if share < LARGE or share > 1 - LARGE:
            return None
        others = self.ledger.customers(self.as_of).index.drop(largest)
        plain = self.calibration.scenario.plain()
        there = customers_of(self.ledger, self.as_of, plain["book"]["term"], among=others)
        rest = law_of(Scenario.of(plain, opening=there), self.seed).nrr
        if share < APART * rest.spread * (1 - share):
            return None
        (median,) = rest.quantiles((0.5,))
        middle = float(median) * (1 - share)
        return Hump(str(largest), middle + share, middle, first["month"])

    # --- how good such forecasts were -------------------------------------------------------------

    @cached_property
    def backtest(self) -> Backtest | None:
        """Forecasts from at most eight past origins, of a young ledger from its first year on; None
        where it is too short for one.
        """
        for first in (None, LEAST_FIRST):
            with suppress(UsageError):
                found = origins(self.ledger, first=first, to=self.as_of)
                break
        else:
            return None
        # so many steps apart, rounded up, that MOST_ORIGINS are enough
        every = max(3, self.ledger.step) * max(1, -(-len(found) // MOST_ORIGINS))
        return backtest(
            self.ledger,
            every=every,
            first=first,
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
                "ahead": {month: each.percentiles(LEVELS) for month, each in self.ahead.items()},
                "p_target": self.p_target,
                "mean": self.ahead[end].expected,
                "recurs": self.recurs,
                "rows": [row for row in self.rows() if row["horizon"] == YEAR],
                "expected": self.expected(),
            }
        }

    def told(self) -> dict[str, Any]:
        """What `nrrsim forecast --json` prints.

        `borrowing`: by segment, of how many customers too few like them are known in it, so that
        others' past stands for theirs.
        """
        own = self.mixture.own_past
        return {
            "as_of": self.as_of,
            "trials": self.trials,
            "seed": self.seed,
            "years": self.mixture.years[None],
            "customer_years": own.customer_years[None],
            "borrowing": {str(name): n for name, n in own.borrowing.items() if name and n},
            "recurs": self.recurs,
            "forecasts": self.rows(),
        }

    def rows(self) -> list[dict[str, Any]]:
        """A row for each horizon, group and measure, as `nrrsim forecast --json` prints them:
        quantiles, and those of each ingredient (None where it says nothing of it).
        """
        rows = []
        for month, mixture in self.mixtures.items():
            # a segment that is the whole book is no row of its own
            groups = mixture.published if len(mixture.published) > 2 else [None]
            for group in groups:
                published = mixture.published[group]
                for number, measure in enumerate(MEASURES):
                    parts = {
                        name: quantiles_of(each.get(group), number)
                        for name, each in mixture.ingredients.items()
                    }
                    rows.append(
                        {"as_of": self.as_of, "horizon": self.horizons[month]}
                        | {"segment": group, "measure": measure}
                        | (quantiles_of(published, number) or {})
                        | {"ingredients": parts}
                    )
        return rows

    def expected(self) -> dict[str, dict[str, list[float]]]:
        """The year's expected movements by segment and month, in ARR: what a later report compares.

        By segment `opening` (of its first month) and each movement that is not 0 throughout, an
        amount a month; losses are positive, as everywhere.
        """
        scenario = self.calibration.scenario
        outlook = expect(scenario)
        told = partial(json_amount, currency=scenario.opening.currency)
        by_segment = {}
        for segment in outlook.segments:
            own = outlook.only(segment).arrays
            amounts = {name: [told(each) for each in own[name][0]] for name in MOVEMENTS}
            by_segment[segment] = {
                "opening": [told(own["opening"][0, 0])],
                **{name: each for name, each in amounts.items() if any(each)},
            }
        return by_segment


class NoForecast(NoAnswer):
    """No forecast, and the reason."""


def forecast(
    past: Actuals,
    trials: int = TRIALS,
    seed: int = SEED,
    half_life: float | None = None,
    price_months: Sequence[str] | None = None,
    prior: Prior | str | Path | None = None,
) -> Forecast | NoForecast:
    """The forecast after what happened, or why there is none.

    There is none where the ledger has not been running for a year, nobody is left, it cannot be
    learnt from, or no `trials` are asked for. half_life, price_months, prior : as for `calibrate`.

    Raises UsageError for a half-life, a price month or a prior that cannot be.
    """
    if not isinstance(past, Actuals):
        raise UsageError(
            "past: a forecast follows on what happened, such as"
            f' nr.actuals(ledger, "2026-09"), not on {an_object(past)}'
        )
    trials, seed = whole_of("trials", trials), whole_of("seed", seed)
    if trials == 0:
        return NoForecast("")
    if trials < LEAST_TRIALS:
        raise UsageError(f"trials: must be 0 or at least {LEAST_TRIALS}, got {trials}")
    price_months_of(price_months, past.ledger)
    check_half_life(half_life)
    usual = as_prior(prior)

    if reason := too_short(past.ledger, past.as_of):
        return NoForecast(reason)
    if past.ledger.customers(past.as_of).empty:
        return NoForecast("nobody is left")

    learning = {"half_life": half_life, "price_months": tuple(price_months or ()), "prior": usual}
    return _answered(Forecast(past, trials, seed, learning))


def too_short(ledger: Ledger, as_of: str) -> str:
    """Why a ledger's past is too short for a forecast; empty where it is not."""
    known = ledger.inside(as_of, "as_of") - parse_month(ledger.months[0], "month")
    if known >= YEAR:
        return ""
    running = counted(known, "month")
    return f"the ledger has been running for {running}, and a forecast takes a year"


def forecast_of(past: Actuals, learnt: Calibration, **learning: Any) -> Forecast | NoForecast:
    """The forecast that stands beside what was learnt already (`learning`: how), or why there is
    none.
    """
    return _answered(Forecast(past, learning=learning, learnt=learnt))


def _answered(found: Forecast) -> Forecast | NoForecast:
    """All that may fail, now: a report is not to fail in the middle, and stands without it."""
    try:
        for answer in ("ahead", "backtest", "sensitivity"):
            getattr(found, answer)
    except UsageError as error:
        return NoForecast(str(error).removeprefix("book.ledger: "))
    return found


def _actual(ledger: Ledger, month: str) -> float | None:
    """NRR of the twelve months up to a month; None where the ledger does not cover them."""
    if {month, shift(month, -YEAR)} <= set(ledger.months):
        nrr = float(metrics.ratio(ledger.cohort(month, YEAR), "nrr"))
        return None if np.isnan(nrr) else round(nrr, 12)
    return None


def quantiles_of(each: np.ndarray | None, number: int) -> dict[str, float] | None:
    """The quantiles that are told of one measure of `ndarray[3, 200]`; None where not known."""
    if each is None or np.isnan(each[number]).any():
        return None
    told = Even(each[number]).percentiles(SHARES_TOLD)
    return {name: round(value, 12) for name, value in told.items()}


def with_outlook(
    scenario: Scenario,
    law: Law,
    mixture: Mixture,
    recurs: bool,
) -> Scenario:
    """A calibrated scenario that states the forecast beside what its drivers say (its `law`)."""
    years = counted(mixture.years[None], "past year")
    outlook: dict[str, Any] = {
        "as_of": scenario.plain()["book"]["as_of"],
        "arr": round(scenario.opening.total, 2),
        "source": f"70% customers' own past, 30% past figures, from {years}; logo retention half"
        " customers' own past, half these drivers",
    }
    if not recurs:
        outlook["recurs"] = False
    for number, measure in enumerate(MEASURES):
        own = getattr(law, measure)
        published = Even(mixture.published[None][number])
        both = {"model": own.quantiles(LEVELS), "forecast": published.quantiles(LEVELS)}
        told = {name: [round(float(x), 6) for x in each] for name, each in both.items()}
        outlook[measure] = {"mean": round(own.expected, 6), **told}
    return scenario.with_({"outlook": outlook})


def _trailing(
    ledger: Ledger, learnt: Calibration, origin: str, months: int, seed: int
) -> dict[tuple[str, str | None], np.ndarray]:
    """NRR and logo retention of the twelve months that end `months` after the origin, as equally
    likely values.

    Those who were there at their start and still are at the origin are followed forward. Who had
    left by then may come back in fact, and does not here.
    """
    start = shift(origin, months - YEAR)
    opening = ledger.customers(start, renewed_by=origin)["arr"]

    term = learnt.scenario.plain()["book"]["term"]
    there = customers_of(ledger, origin, term, among=opening.index, rate_of=start)
    scenario = Scenario.of({**learnt.scenario.plain(), "months": months}, opening=there)
    law = law_of(scenario, seed)
    kept, stayed = there.total / float(opening.sum()), len(there.arr) / len(opening)
    return {
        ("nrr", None): kept * equally_likely(law.nrr),
        ("logo", None): stayed * equally_likely(law.logo),
    }
