"""A scenario in, how its NRR may turn out, by the quickest way that tells, out; never words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nrrsim.engine.draws import SEED
from nrrsim.engine.driver_rates import draw_rates
from nrrsim.engine.moments import odds_by_draw
from nrrsim.engine.outcomes import SHARES, Distribution, Sample, foreseen
from nrrsim.engine.simulation import simulate
from nrrsim.scenario.scenario import Scenario

FEW_CUSTOMERS, LARGE_CUSTOMER = 500, 0.05  # below and above which a book is simulated
ODDS_DRAWS, FALLBACK_TRIALS = 1_024, 10_000
PART_OFF = 0.02  # of the standard deviation: how far quantiles from three moments may be off
# Customers, months and trials that are simulated for one answer: a tenth of a second.
MOST_WORK = 60_000_000


@dataclass(frozen=True)
class Chances:
    """How NRR may turn out at each of some months, by which way that was worked out, and how far
    off it may be.
    """

    at: tuple[Distribution, ...]
    method: str
    error: float


def chances(
    scenario: Scenario,
    months: Sequence[int] | None = None,
    seed: int = SEED,
    threads: int | None = None,
) -> Chances:
    """How NRR may turn out after each of `months` (default: the last): from the exact moments given
    each draw of the beliefs, in milliseconds; simulated where a book is too small or concentrated
    for that, or rare events decide.
    """
    ends, book = [scenario.months] if months is None else list(months), scenario.opening
    if len(book.arr) >= FEW_CUSTOMERS and book.largest <= LARGE_CUSTOMER:
        rates = draw_rates(scenario, book, count=ODDS_DRAWS, seed=SEED, quasi=True)
        odds = odds_by_draw(scenario)
        by_moments = tuple(odds(rates, month) for month in ends)
        if all(each.holds for each in by_moments):
            return Chances(
                by_moments, "exact moments", max(0.001, PART_OFF * by_moments[-1].spread)
            )
    trials = min(FALLBACK_TRIALS, max(500, MOST_WORK // (len(book.arr) * scenario.months)))
    closing = (
        simulate(scenario, trials, seed, threads=threads)["closing"].sum("segment").to_numpy()
        / book.total
    )
    at = tuple(Sample(closing[:, month - 1]) for month in ends)
    ranges = (at[-1].around(share, errors=3) for share in SHARES)
    return Chances(at, "simulation", max((high - low) / 2 for low, high in ranges))


def likely(
    scenario: Scenario,
    target: float | None = None,
    seed: int = SEED,
    threads: int | None = None,
) -> dict[str, Any]:
    """How NRR may turn out (see `chances`): the mean by the drivers, quantiles and the probability
    of the target (of the forecast, where the scenario states one).

    `quality` says by which way, and how far off the quantiles may be, in NRR.
    """
    target = scenario.target if target is None else target
    told = chances(scenario, seed=seed, threads=threads)
    last = foreseen(told.at[-1], scenario)
    reached = None if target is None else last.reaches(target)
    quality = {"method": told.method, "error": told.error}
    return {
        "mean": told.at[-1].expected,
        **last.percentiles(),
        "target": target,
        "p_target": reached,
        "quality": quality,
    }
