"""A scenario and a target in, what one lever or all would have to be out; never simulates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from nrrsim import benchmarks, metrics, special
from nrrsim.engine.draws import EVEN_DRAWS, SEED
from nrrsim.engine.driver_rates import LIMITS, RATES_OF, Rates, draw_rates
from nrrsim.engine.expectation import expect
from nrrsim.engine.law import nrr_of
from nrrsim.engine.moments import odds_by_draw
from nrrsim.engine.outcomes import foreseen
from nrrsim.engine.switched import LEVERS, nrr_by_draw
from nrrsim.errors import UsageError
from nrrsim.messages import aimed_for
from nrrsim.movements import LOSSES
from nrrsim.scenario.numbers import TARGET
from nrrsim.scenario.scenario import Scenario, as_scenario

MOST_FACTOR = 100.0
# The ways of a lever's factor, up and down; and of x where all move: beyond 1, the gains alone.
ALONE = (np.geomspace(1.0, MOST_FACTOR, 13), np.linspace(1.0, 0.0, 9))
TOGETHER = np.concatenate([np.linspace(0.0, 1.0, 9), np.geomspace(1.0, MOST_FACTOR - 1, 12)[1:]])
NEAR = 1e-8  # to the target
NEAR_P = 1e-4  # to its probability: below what the law itself may be off
SURE = 1e-9  # beyond, a probability tells nothing of how far the target is
FAR = 3.5  # from the target, in NRR or normal scores
JUMP, SMOOTH = 1e-6, 1e-3  # how near a jump's place is known; what is less beside it is none
COARSE = 256  # Sobol draws by which a root is found before it is put right
# How far from the target NRR is, or its probability (in normal scores), by each lever's factor.
Gap = Callable[[Mapping[str, float]], float]


@dataclass(frozen=True)
class Lever:
    """What a driver would have to be, all else as it is. `factor` multiplies its rates (or uplift).

    `status`: reached, not reachable (by this lever alone) or absent. `now` and `needed` by segment:
    the mean rate.
    """

    name: str
    status: str
    factor: float | None
    now: dict[str, float]
    needed: dict[str, float]


@dataclass(frozen=True)
class Frontier:
    """What reaches the target: each lever alone, and all together (losses 1 - x, gains 1 + x, and
    none below 0).

    It is reached on average, or, where `probability` is a number, with that probability at least:
    where it jumps, as of one customer, the smallest move that has it. `nrr`: expected as it is.
    """

    target: float
    nrr: float
    levers: dict[str, Lever]
    together: float | None
    probability: float | None = None


def frontier(
    scenario: Scenario | str | Path,
    target: float,
    probability: float | None = None,
    levers: Sequence[str] = LEVERS,
) -> Frontier:
    """What each of `levers` alone, and all together, would have to be for NRR to reach `target`.

    scenario : one that was read or made, or its file.
    probability : how likely it is to be reached (see `chance`); None: on average.
    """
    try:
        target = aimed_for(target) or 0.0 if isinstance(target, str) else float(target)
        TARGET.check(target)
    except ValueError as error:
        raise UsageError(f"target: {error}") from None
    scenario = as_scenario(scenario)
    if probability is not None and not 0 < probability < 1:
        raise UsageError(f"probability: must be above 0 and below 1, got {probability}")

    sets = [
        draw_rates(scenario, scenario.opening, count=count, seed=SEED, quasi=True)
        for count in (COARSE, EVEN_DRAWS)
    ]
    means = [_by_factors(nrr_by_draw(scenario), rates) for rates in sets]
    now = float(means[1]({}).mean())
    short: list[Gap]
    if probability is None:
        short = [_short_of(mean, target) for mean in means]
    else:
        odds = odds_by_draw(scenario)

        def by_moments(rates: Rates) -> float:
            return foreseen(odds(rates), scenario).reaches(target)

        def by_law(factors: Mapping[str, float]) -> float:
            return chance(with_factors(scenario, factors), target)

        # three moments show the way; the law says where
        guide = _by_factors(by_moments, sets[0])
        short = [_less_likely(guide, probability, 0.0), _less_likely(by_law, probability, NEAR_P)]

    gap = short[1]({})
    found = {name: _lever(scenario, sets[0], name, gap, short) for name in levers}
    way = TOGETHER if gap <= 0 else -TOGETHER
    x = _root([_along(each, all_together) for each in short], way, gap)
    return Frontier(target, now, found, x, probability)


def needed(scenario: Scenario, target: float, probability: float | None = None) -> dict[str, Any]:
    """What `nrrsim frontier --json` prints: what one lever, or all together, would have to be.

    Beside each stands what can be compared with published figures: the gross retention (of flows)
    that it comes to and where that stands among the survey's quartiles; of price, the largest
    uplift. They are of twelve months only.
    """
    found = frontier(scenario, target, probability)
    yearly = scenario.months == 12

    def beside(name: str, factors: Mapping[str, float]) -> dict[str, Any]:
        gross = uplift = None
        if name in (*LOSSES, "together"):
            gross = float(metrics.grr(expect(with_factors(scenario, factors)), "flow"))
        if name == "price":
            uplift = max(found.levers["price"].now.values()) * factors["price"]
        return {
            "grr_flow": gross,
            "standing": benchmarks.standing("grr", gross) if gross is not None and yearly else None,
            "uplift": uplift,
            "usual_uplift": list(benchmarks.USUAL_UPLIFT) if name == "price" else None,
        }

    x = found.together
    return {
        "title": scenario.title,
        "target": target,
        "probability": probability,
        "nrr": found.nrr,
        "standing": benchmarks.standing("nrr", target) if yearly else None,
        "levers": {
            name: {
                "status": lever.status,
                "factor": lever.factor,
                "now": lever.now,
                "needed": lever.needed,
            }
            | (beside(name, {name: lever.factor}) if lever.factor is not None else {})
            for name, lever in found.levers.items()
        },
        "together": x,
        "beside": beside("together", all_together(x)) if x is not None else None,
    }


def chance(scenario: Scenario, target: float) -> float:
    """How likely NRR is to reach the target, by its law: computed, without trials.

    Raises UsageError where accounts differ from their segment.
    """
    return foreseen(nrr_of(scenario), scenario).reaches(target)


def all_together(x: float) -> dict[str, float]:
    """The factor of each lever where all move by x: losses 1 - x, gains 1 + x, and none below 0."""
    return {name: max(0.0, 1 - x if name in LOSSES else 1 + x) for name in LEVERS}


def with_factors(scenario: Scenario, factors: Mapping[str, float]) -> Scenario:
    """The scenario with each lever's rates multiplied by its factor: the answer put back."""
    there = {
        name: min(factor, MOST_FACTOR) - 1
        for name, factor in factors.items()
        if getattr(scenario.drivers, name)
    }
    programmes = scenario.plain().get("programmes", {})
    # a name that no programme of the scenario has
    name = "lever"
    while name in programmes:
        name += "_"
    return scenario.with_({"programmes": {**programmes, name: there}})


def _by_factors(
    of_rates: Callable[[Rates], Any], rates: Rates
) -> Callable[[Mapping[str, float]], Any]:
    """What follows from the rates, as a function of the factors of some levers."""

    def by_factors(factors: Mapping[str, float]) -> Any:
        changed = {
            RATES_OF[name][0]: getattr(rates, RATES_OF[name][0]) * factor
            for name, factor in factors.items()
        }
        return of_rates(replace(rates, **changed))

    return by_factors


def _short_of(nrr: Callable[[Mapping[str, float]], Any], target: float) -> Gap:
    return lambda factors: float(nrr(factors).mean()) - target


def _less_likely(
    chance_of: Callable[[Mapping[str, float]], float], probability: float, near: float
) -> Gap:
    """In normal scores, in which a probability is nearly straight in a factor; 0 where so near."""

    def gap(factors: Mapping[str, float]) -> float:
        p = chance_of(factors)
        if abs(p - probability) < near:
            return 0.0
        return float(special.ndtri(np.clip(p, SURE, 1 - SURE)) - special.ndtri(probability))

    return gap


def _along(short: Gap, factors: Callable[[float], Mapping[str, float]]) -> Callable[[float], float]:
    return cache(lambda x: short(factors(x)))


def _lever(scenario: Scenario, rates: Rates, name: str, gap: float, short: list[Gap]) -> Lever:
    means = _mean_rates(scenario, rates, name)
    if not any(means.values()):
        return Lever(name, "absent", None, means, {})
    # too low an NRR takes more of a gain, or less of a loss; of a price that drives customers away
    # it may take the other way
    rises = (gap <= 0) != (name in LOSSES)
    there, back = ALONE if rises else ALONE[::-1]
    alone = [_along(each, lambda factor: {name: factor}) for each in short]
    factor = _root(alone, there, gap)
    if factor is None:
        factor = _root(alone, back, gap)
    if factor is None:
        return Lever(name, "not reachable", None, means, {})
    most = LIMITS[RATES_OF[name][0]]
    return Lever(
        name,
        "reached",
        factor,
        means,
        {segment: min(mean * factor, most) for segment, mean in means.items()},
    )


def _mean_rates(scenario: Scenario, rates: Rates, name: str) -> dict[str, float]:
    values = getattr(rates, RATES_OF[name][0])
    means = values.mean(axis=(0, 2)) if values.ndim == 3 else values.mean(axis=0)
    return dict(zip(scenario.segments, map(float, means), strict=True))


def _root(short: Sequence[Callable[[float], float]], way: np.ndarray, gap: float) -> float | None:
    """Where it is 0 along a way, nearest to its beginning, where it is `gap`; None where it is not.

    Found with few draws, and put right by a step or two with all of them: both have nearly the same
    slope.
    """
    from scipy.optimize import brentq

    begin = float(way[0])
    if gap == 0:
        return begin
    few, fine = short
    # at the beginning few draws are as far off as all of them are: so they have to cross 0, too; of
    # what is next to impossible there, neither says by how much
    off = gap - few(begin) if abs(gap) < FAR else 0.0

    def coarse(x: float) -> float:
        return few(x) + off

    nearest = [gap]
    for number, (before, step) in enumerate(pairwise(way)):
        nearest.append(coarse(step))
        if np.sign(nearest[-1]) == np.sign(gap):
            continue
        found = float(before)
        if coarse(found) * nearest[-1] < 0:  # else they have it reached from the beginning on
            found = float(brentq(coarse, before, step, xtol=1e-9, rtol=1e-12))
        if (root := _put_right(found, coarse, fine, way)) is not None:
            return root

        # a bumpy or flat stretch, or a jump: step by step, also where the guide had it beyond
        return _crossing(fine, np.array([begin, *way[max(1, number - 1) :]]))

    # none of the steps is beyond; what lies between two of them may be, or what all draws say
    top = int(np.argmin(np.abs(nearest)))
    is_last = top == len(way) - 1
    best = way[-1] if is_last else _nearest_between(coarse, way[max(top - 1, 0) : top + 2], gap)
    return _crossing(fine, np.array([begin, best]))


def _put_right(
    found: float, coarse: Callable[[float], float], fine: Callable[[float], float], way: np.ndarray
) -> float | None:
    """A root of few draws as that of all, by secants, the first with the slope of the few draws."""
    slope = (coarse(found + 1e-4) - coarse(found - 1e-4)) / 2e-4
    off = fine(found)
    for _ in range(6):
        if abs(off) < NEAR:
            return found
        if not slope:
            return None
        last, before_last, found = off, found, found - off / slope
        if not way.min() <= found <= way.max():
            return None
        off = fine(found)
        slope = (off - last) / (found - before_last) if off != last else slope
    return None


def _crossing(fine: Callable[[float], float], steps: np.ndarray) -> float | None:
    """The first root between two steps whose signs differ, or where it jumps over 0, the nearest
    place on the side of what is enough; None where there is none.
    """
    from scipy.optimize import brentq

    there = fine(float(steps[0]))
    for low, high in pairwise(map(float, steps)):
        here, there = there, fine(high)
        if np.sign(here) == np.sign(there):
            continue
        root = float(brentq(fine, low, high, xtol=JUMP))
        if abs(fine(root)) < SMOOTH:
            return float(brentq(fine, low, high, xtol=1e-12))
        enough = high if there > here else low
        return root + float(np.clip(enough - root, -JUMP, JUMP))
    return None


def _nearest_between(coarse: Callable[[float], float], around: np.ndarray, gap: float) -> float:
    """Where it comes nearest to crossing 0: a lever may help up to a point, and harm beyond."""
    from scipy.optimize import minimize_scalar

    low, high = float(around.min()), float(around.max())
    return float(
        minimize_scalar(lambda x: coarse(x) * np.sign(gap), bounds=(low, high), method="bounded").x
    )
