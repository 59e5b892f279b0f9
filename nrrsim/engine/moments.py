"""A scenario in, how its NRR may turn out by three exact moments of luck out; never simulates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nrrsim.engine import paths
from nrrsim.engine.driver_rates import Rates
from nrrsim.engine.groups import Kinds, segments_of
from nrrsim.engine.levels import groups_of
from nrrsim.engine.outcomes import Odds
from nrrsim.engine.switched import MOST_CELLS, churn_of, coming_back, laid_out
from nrrsim.scenario.drivers import COUNTED
from nrrsim.scenario.scenario import Scenario


def odds_by_draw(
    scenario: Scenario, measure: str = "nrr", most: int | None = None
) -> Callable[..., Odds]:
    """How NRR may turn out, as a function of rates (and of a month, where that is not to be the
    last): what does not change with them is made ready once. See `odds_after`.
    """
    after = odds_after(scenario, measure, most)
    return lambda rates, last=scenario.months: after(rates, [last])[0]


def odds_after(
    scenario: Scenario, measure: str = "nrr", most: int | None = None
) -> Callable[[Rates, Sequence[int]], list[Odds]]:
    """How NRR may turn out after each of some months, as a function of rates and these months.

    measure : or how logo may (`logo`), or what would be left of today's ARR if nothing grew
        (`losses`). most : groups of customers at most, as for `groups_of`.
    """
    customers, groups = scenario.opening, groups_of(scenario, most)
    is_logo = measure == "logo"
    opening = float(len(customers.arr)) if is_logo else customers.total
    powers_of = {"nrr": _powers, "losses": _lost, "logo": _none}[measure]
    lifted = _lifted if measure == "nrr" else _none

    def odds(rates: Rates, months: Sequence[int]) -> list[Odds]:
        phases = [rates.in_phase(phase) for phase in range(rates.phases)]
        size = np.ones_like(rates.uplift.T) if is_logo else rates.reactivation_size.T
        powers = np.ascontiguousarray(np.stack([size, size * size, size * size * size], axis=1))
        lift, back = laid_out([lifted(each, None) for each in phases]), coming_back(phases)
        found = [np.zeros((3, rates.draws)) for _ in months]
        for some in groups.apart(MOST_CELLS // (3 * rates.draws * rates.phases)):
            month = paths.Month(
                segments_of(some.kinds, len(customers.segments)),
                *churn_of(phases, customers.annual, some.kinds),
                laid_out([powers_of(each, some.kinds) for each in phases]),
                lift,
                back,
                powers,
                rates.in_the_year.together,
                rates.cycle,
            )
            number = some.number.astype(float)
            sums = [number] * 3 if is_logo else [some.arr, some.squares, some.cubes]
            of_each = some.kind, some.anniversary, some.tenure, np.stack(sums)
            for last, out in zip(months, found, strict=True):
                paths.moments(*of_each, last, month, out)
        return [told(each) for each in found]

    def told(out: np.ndarray) -> Odds:
        sd = np.sqrt(np.maximum(out[1], 0))
        skewness = np.divide(out[2], sd**3, out=np.zeros_like(sd), where=sd > 1e-9 * opening)
        return Odds(out[0] / opening, sd / opening, skewness)

    return odds


def _none(rates: Rates, kinds: Kinds | None) -> np.ndarray:
    """Nothing multiplies who is there."""
    draws, segments = rates.uplift.shape
    return np.ones((draws, len(segments_of(kinds, segments)), 3))


def _lost(rates: Rates, kinds: Kinds | None) -> np.ndarray:
    """As `_powers`, of contraction alone."""
    return _powers(rates, kinds, COUNTED[:1])


def _powers(rates: Rates, kinds: Kinds | None, drivers: Sequence[str] = COUNTED) -> np.ndarray:
    """By what a month of contraction, adoption and cross-sell multiplies an amount, its square and
    its cube on average: `ndarray[draw, kind, power]`.
    """
    at: Any = slice(None) if kinds is None else kinds.segment
    factors: Any = 1.0
    for name in drivers:
        mean, sd = getattr(rates, f"{name}_size"), rates.sizes[name][:, 1]
        first = mean if name != "contraction" else -mean
        third = _third(mean, sd, is_share=name == "contraction") * (
            -1 if name == "contraction" else 1
        )
        moments = (first, first**2 + sd**2, third)
        powers = np.stack(
            [moments[0], 2 * moments[0] + moments[1], 3 * moments[0] + 3 * moments[1] + moments[2]]
        )
        factors = factors * (1 + rates.how_often(name, kinds) / 12 * powers[:, :, at])
    return np.asarray(factors.transpose(1, 2, 0))


def _third(mean: np.ndarray, sd: np.ndarray, is_share: bool) -> np.ndarray:
    """E[size^3]: of a Beta (a share) or a lognormal size with that mean and standard deviation."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if is_share:
            whole = np.where(sd > 0, mean * (1 - mean) / sd**2 - 1, np.inf)
            a = mean * whole
            drawn = np.where(
                np.isfinite(whole), mean * (a + 1) / (whole + 1) * (a + 2) / (whole + 2), mean**3
            )
        else:
            drawn = mean**3 * (1 + np.where(mean > 0, sd / mean, 0.0) ** 2) ** 3
    return np.asarray(drawn)


def _lifted(rates: Rates, kinds: Kinds | None) -> np.ndarray:
    """The same of a price increase."""
    powers = np.stack([(1 + rates.uplift) ** k - 1 for k in (1, 2, 3)])
    return np.asarray((1 + rates.acceptance * powers).transpose(1, 2, 0))
