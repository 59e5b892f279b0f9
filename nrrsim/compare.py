"""Two scenarios in, how far apart they are, why, and what it would take out; never draws charts.

The bridge attributes the difference in expected NRR to what differs, by Shapley values: each group is switched from A's
values to B's in every order, and averaged. The parts add up to the difference exactly, and depend on no order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from math import factorial
from typing import Any

import numpy as np

from nrrsim import metrics
from nrrsim.drivers import TARGET
from nrrsim.errors import UsageError
from nrrsim.exact import FIELDS, GROUPS, Exact, Odds, Side, nrr_by_draw, odds_by_draw
from nrrsim.expectation import DRAWS as EVEN_DRAWS
from nrrsim.expectation import SEED
from nrrsim.movements import Movements
from nrrsim.rates import LIMITS, Rates, draw_rates, effects_of, slots_of
from nrrsim.scenario import Scenario
from nrrsim.simulation import simulate

LEVERS = GROUPS[1:]
LOSSES = ("churn", "contraction")
# Each vector that a strategy team speaks of, and the groups that it is made of.
VECTORS = {
    "gross_retention": LOSSES,
    "reactivation": ("reactivation",),
    "adoption": ("adoption",),
    "cross_sell": ("cross_sell",),
    "price": ("price",),
    "mix": ("mix",),
}
REPLICATES, DRAWS = 4, 128  # of the bridge: independent sets of Sobol draws, and how many each has
MOST_FACTOR = 100.0
NEAR = 1e-8  # to the target
LEAST = 5e-5  # of NRR: a part that is drawn as a step
MOST_PROGRAMMES = 10
COARSE = 256  # Sobol draws by which a root is found before it is put right


# --- the bridge --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bridge:
    """What makes NRR(B) differ from NRR(A): `parts` by group, and `segments` by group and segment, add up to it."""

    a: float
    b: float
    parts: dict[str, float]
    segments: dict[str, dict[str, float]]
    standard_errors: dict[str, float]

    @property
    def difference(self) -> float:
        return self.b - self.a

    @property
    def vectors(self) -> dict[str, float]:
        return {name: sum(self.parts[group] for group in groups) for name, groups in VECTORS.items()}

    def steps(self, a: str, b: str, least: float = LEAST) -> list[dict[str, Any]]:
        """From one's NRR to the other's, whose names these are, over the parts of at least that size: `step`, `amount`,
        `start`, `end`, `kind`.
        """
        rows = [{"step": a, "amount": self.a, "start": 0.0, "end": self.a, "kind": "total"}]
        level = self.a
        for name, part in self.parts.items():
            if abs(part) >= least:
                kind = "gain" if part > 0 else "loss"
                rows.append({"step": name, "amount": part, "start": level, "end": level + part, "kind": kind})
                level += part
        return [*rows, {"step": b, "amount": self.b, "start": 0.0, "end": self.b, "kind": "total"}]


def bridge(a: Scenario, b: Scenario) -> Bridge:
    """The difference in expected NRR, attributed to what differs; over the same draws of what both believe.

    Raises UsageError where the months differ, or a segment of one has no drivers in the other.
    """
    segments = comparable(a, b)
    runs = [_shapley(a, b, segments, SEED + number) for number in range(REPLICATES)]
    values = np.stack(runs)  # replicate, group, segment
    mean, by_run = values.mean(axis=0), values.sum(axis=2)
    first, last = expected_nrr(a), expected_nrr(b)
    if size := np.abs(mean).sum():  # what the few draws leave of the difference goes to the parts, as large as they are
        mean = mean + (last - first - mean.sum()) * np.abs(mean) / size
    error = by_run.std(axis=0, ddof=1) / np.sqrt(REPLICATES)
    return Bridge(
        first,
        last,
        {name: float(mean[number].sum()) for number, name in enumerate(GROUPS)},
        {
            name: {segment: float(mean[number, place]) for place, segment in enumerate(segments)}
            for number, name in enumerate(GROUPS)
        },
        {name: float(error[number]) for number, name in enumerate(GROUPS)},
    )


def comparable(a: Scenario, b: Scenario) -> tuple[str, ...]:
    """The segments of both; raises UsageError where the two cannot be compared."""
    if a.months != b.months:
        raise UsageError(f"months: {a.months} against {b.months}; two scenarios are compared over the same time")
    segments = tuple(dict.fromkeys([*a.segments, *b.segments]))
    for one, other in ((a, b), (b, a)):
        for segment in other.segments:
            if segment not in one.segments and not any(one.entry(driver, segment) for driver in LEVERS):
                name = one.title or "the other"
                raise UsageError(
                    f"{segment}: is a segment of {other.title or 'one'}, and {name} believes nothing of it"
                )
    return segments


def expected_nrr(scenario: Scenario) -> float:
    """Expected NRR: as `expect` has it, by the quick way."""
    rates = draw_rates(scenario, scenario.opening, count=EVEN_DRAWS, seed=SEED, quasi=True)
    return float(nrr_by_draw(scenario)(rates).mean())


def _shapley(a: Scenario, b: Scenario, segments: tuple[str, ...], seed: int) -> np.ndarray:
    """`ndarray[group, segment]` of the Shapley values, averaged over the draws."""
    names = sorted({**slots_of(a), **slots_of(b)})  # what both believe something of meets the same draws
    places = {name: place for place, name in enumerate(names)}
    exact = Exact((Side.of(a, segments, DRAWS, seed, places), Side.of(b, segments, DRAWS, seed, places)))
    worth = {which: exact.nrr(*which).mean(axis=1) for which in product((0, 1), repeat=len(GROUPS))}
    return shapley(worth)


def shapley(worth: Mapping[tuple[int, ...], Any]) -> np.ndarray:
    """The Shapley value of each player, from the worth of every coalition (a 1 for each who is in it)."""
    players = len(next(iter(worth)))
    values = []
    for player in range(players):
        total: Any = 0.0
        for which, value in worth.items():
            if not which[player]:
                size = sum(which)
                weight = factorial(size) * factorial(players - size - 1) / factorial(players)
                joined = (*which[:player], 1, *which[player + 1 :])
                total = total + weight * (worth[joined] - value)
        values.append(total)
    return np.array(values)


# --- the same luck -----------------------------------------------------------------------------------------


def paired(
    a: Scenario,
    b: Scenario,
    trials: int,
    seed: int,
    *,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Movements, Movements]:
    """Both simulated so that trial k of one and of the other meet the same luck; `progress` counts both's trials."""
    comparable(a, b)

    def further(done: int) -> None:
        assert progress is not None
        progress(trials + done)

    return (
        simulate(a, trials, seed, threads=threads, beside=b, progress=progress),
        simulate(b, trials, seed, threads=threads, beside=a, progress=further if progress else None),
    )


def difference(runs: tuple[Movements, Movements]) -> np.ndarray:
    """NRR(B) - NRR(A), trial by trial."""
    first, second = (np.asarray(metrics.nrr(run)) for run in runs)
    return np.asarray(second - first)


# --- programmes --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Share:
    """A programme's Shapley share of what all of a scenario's programmes add to expected NRR, and to ARR at the end.

    `returned`: ARR gained over `cost`; None where it costs nothing.
    """

    name: str
    nrr: float
    arr: float
    cost: float

    @property
    def returned(self) -> float | None:
        return self.arr / self.cost if self.cost else None


def programmes(scenario: Scenario) -> tuple[Share, ...]:
    """What each programme adds: its effect when it joins some of the others, averaged over all orders of joining."""
    listed = list(scenario.programmes.items())
    if not listed:
        return ()
    if len(listed) > MOST_PROGRAMMES:
        raise UsageError(f"programmes: {len(listed)}; the shares of {MOST_PROGRAMMES} at most can be told apart")
    rates = draw_rates(scenario, scenario.opening, count=DRAWS * REPLICATES, seed=SEED, quasi=True)
    nrr = nrr_by_draw(scenario)

    def worth(which: tuple[int, ...]) -> float:
        run = [programme for (_, programme), runs in zip(listed, which, strict=True) if runs]
        effects = effects_of(run, scenario.segments, scenario.months)
        return float(nrr(replace(rates, effects=effects)).mean())

    shares = shapley({which: worth(which) for which in product((0, 1), repeat=len(listed))})
    opening = scenario.opening.total
    return tuple(
        Share(name, float(share), float(share) * opening, programme.cost)
        for (name, programme), share in zip(listed, shares, strict=True)
    )


# --- what it would take ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lever:
    """What a driver would have to be, all else as it is. `factor` multiplies its rates (price: its uplift).

    `status`: reached, not reachable (by this lever alone) or absent. `now` and `needed` by segment: the mean rate.
    """

    name: str
    status: str
    factor: float | None
    now: dict[str, float]
    needed: dict[str, float]


@dataclass(frozen=True)
class Frontier:
    """For each lever alone, and for all together (losses times 1 - x, gains times 1 + x), what reaches the target.

    It is reached on average, or, where `probability` is a number, with that probability. `nrr`: expected as it is.
    """

    target: float
    nrr: float
    levers: dict[str, Lever]
    together: float | None
    probability: float | None = None


def frontier(
    scenario: Scenario, target: float, probability: float | None = None, levers: Sequence[str] = LEVERS
) -> Frontier:
    """What each of `levers` alone, and all of them together, would have to be for NRR to reach `target`.

    probability : how likely it is to be reached (see `exact.Odds`); None: on average.
    """
    try:
        TARGET.check(float(target))
    except ValueError as error:
        raise UsageError(f"target: {error}") from None
    if probability is not None and not 0 < probability < 1:
        raise UsageError(f"probability: must be above 0 and below 1, got {probability}")
    sets = [
        draw_rates(scenario, scenario.opening, count=count, seed=SEED, quasi=True) for count in (COARSE, EVEN_DRAWS)
    ]
    means = [_moved(nrr_by_draw(scenario), rates) for rates in sets]
    now = float(means[1]({}).mean())
    short: list[Gap]
    if probability is None:
        short = [_short_of(mean, target) for mean in means]
    else:
        odds = odds_by_draw(scenario)
        _refuse_uneven(odds(sets[0]))
        short = [_less_likely(_moved(odds, rates), target, probability) for rates in sets]
    gap = short[1]({})
    found = {name: _lever(scenario, sets[0], name, gap, short) for name in levers}
    x = _root([_along(each, all_together) for each in short], 0.0, 1.0 if gap <= 0 else -1.0, gap)
    return Frontier(target, now, found, x, probability)


def chance(scenario: Scenario, target: float) -> float:
    """How likely NRR is to reach the target, without a simulation (see `exact.Odds`); raises UsageError where three
    moments do not tell.
    """
    rates = draw_rates(scenario, scenario.opening, count=EVEN_DRAWS, seed=SEED, quasi=True)
    odds = odds_by_draw(scenario)(rates)
    _refuse_uneven(odds)
    return odds.reaches(target)


def _refuse_uneven(odds: Odds) -> None:
    if not odds.holds:
        raise UsageError(
            "probability: few customers, or rare and large events, make up this book's luck, so that only a simulation"
            " tells: ask nrrsim simulate, or what reaches the target on average"
        )


def all_together(x: float) -> dict[str, float]:
    """The factor of each lever where all move by x: losses 1 - x, gains 1 + x."""
    return {name: 1 - x if name in LOSSES else 1 + x for name in LEVERS}


def with_factors(scenario: Scenario, factors: Mapping[str, float]) -> Scenario:
    """The scenario with each lever's rates multiplied by its factor: what the frontier answers, put back."""
    there = {name: factor - 1 for name, factor in factors.items() if getattr(scenario.drivers, name)}
    programmes = scenario.plain().get("programmes", {})
    name = "lever"
    while name in programmes:
        name += "_"
    return scenario.with_({"programmes": {**programmes, name: there}})


Gap = Callable[[Mapping[str, float]], float]


def _moved(of_rates: Callable[[Rates], Any], rates: Rates) -> Callable[[Mapping[str, float]], Any]:
    """What follows from the rates, as a function of the factors of some levers."""

    def moved(factors: Mapping[str, float]) -> Any:
        changed = {FIELDS[name][0]: getattr(rates, FIELDS[name][0]) * factor for name, factor in factors.items()}
        return of_rates(replace(rates, **changed))

    return moved


def _short_of(nrr: Callable[[Mapping[str, float]], Any], target: float) -> Gap:
    return lambda factors: float(nrr(factors).mean()) - target


def _less_likely(odds: Callable[[Mapping[str, float]], Odds], target: float, probability: float) -> Gap:
    return lambda factors: odds(factors).reaches(target) - probability


def _along(short: Gap, factors: Callable[[float], Mapping[str, float]]) -> Callable[[float], float]:
    return lambda x: short(factors(x))


def _lever(scenario: Scenario, rates: Rates, name: str, gap: float, short: list[Gap]) -> Lever:
    means = _mean_rates(scenario, rates, name)
    if not any(means.values()):
        return Lever(name, "absent", None, means, {})
    rises = (gap <= 0) != (name in LOSSES)
    alone = [_along(each, lambda factor: {name: factor}) for each in short]
    factor = _root(alone, 1.0, MOST_FACTOR if rises else 0.0, gap)
    if factor is None:
        return Lever(name, "not reachable", None, means, {})
    most = LIMITS[FIELDS[name][0]]
    return Lever(name, "reached", factor, means, {segment: min(mean * factor, most) for segment, mean in means.items()})


def _mean_rates(scenario: Scenario, rates: Rates, name: str) -> dict[str, float]:
    values = getattr(rates, FIELDS[name][0])
    means = values.mean(axis=(0, 2)) if values.ndim == 3 else values.mean(axis=0)
    return dict(zip(scenario.segments, map(float, means), strict=True))


def _root(short: Sequence[Callable[[float], float]], begin: float, end: float, gap: float) -> float | None:
    """Where it is 0 between `begin` and `end`, nearest to `begin`; None where it is not.

    Found with few draws, and put right by a step or two with all of them: both have nearly the same slope.
    """
    from scipy.optimize import brentq

    if gap == 0:
        return begin
    coarse, fine = short
    steps = np.linspace(begin, end, 9) if abs(end) <= 1 else np.geomspace(begin, end, 13)
    for number, (before, step) in enumerate(pairwise(steps)):
        if np.sign(coarse(step)) == np.sign(gap):
            continue
        found = float(brentq(coarse, before, step, xtol=1e-9, rtol=1e-12))
        slope = (coarse(found + 1e-4) - coarse(found - 1e-4)) / 2e-4
        off = fine(found)
        for _ in range(4):
            if abs(off) < NEAR:
                return found
            if not slope:
                break
            last, before_last, found = off, found, found - off / slope
            off = fine(found)
            slope = (off - last) / (found - before_last) if off != last else slope
        # a bumpy or flat stretch: look for it step by step, also where the few draws had it just beyond
        for low, high in pairwise(steps[max(0, number - 1) : number + 3]):
            if np.sign(fine(low)) != np.sign(fine(high)):
                return float(brentq(fine, low, high, xtol=1e-12))
        return None
    return None
