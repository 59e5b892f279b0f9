"""Two scenarios in, how far apart they are, why, and what it would take out; never draws charts.

The bridge attributes the difference in expected NRR to what differs, by Shapley values: each group is switched from A's
values to B's in every order, and averaged. The parts add up to the difference exactly, and depend on no order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from math import factorial
from typing import Any

import numpy as np

from nrrsim import kernel, metrics
from nrrsim.book import Customers
from nrrsim.drivers import TARGET
from nrrsim.errors import UsageError
from nrrsim.expectation import DRAWS as EVEN_DRAWS
from nrrsim.expectation import SEED, Groups
from nrrsim.movements import Movements
from nrrsim.rates import Rates, draw_rates, monthly
from nrrsim.scenario import Scenario
from nrrsim.simulation import simulate

GROUPS = ("mix", "churn", "contraction", "adoption", "cross_sell", "price", "reactivation")
LEVERS = GROUPS[1:]
LOSSES = ("churn", "contraction")
# What of `Rates` belongs to a driver.
FIELDS = {
    "churn": ("churn",),
    "contraction": ("contraction", "contraction_size"),
    "adoption": ("adoption", "adoption_size"),
    "cross_sell": ("cross_sell", "cross_sell_size"),
    "price": ("uplift", "acceptance", "churn_per_point"),
    "reactivation": ("reactivation", "reactivation_size"),
}
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
COARSE = 256  # Sobol draws by which a root is found before it is put right


# --- the exact path ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Side:
    """A scenario made ready: its groups of customers, its opening ARR, and its rates, phase by phase."""

    groups: Groups
    annual: np.ndarray
    opening: float
    phases: tuple[Rates, ...]
    months: int

    @classmethod
    def of(cls, scenario: Scenario, segments: tuple[str, ...], draws: int, seed: int = SEED) -> Side:
        """`segments`: all that are compared; a book may have none of some."""
        customers = _among(scenario.opening, segments)
        rates = draw_rates(scenario, customers, count=draws, seed=seed, quasi=True)
        groups = Groups.of(customers, by_tenure=rates.churn.shape[2] > 1)
        phases = tuple(rates.in_phase(phase) for phase in range(rates.phases))
        return cls(groups, customers.annual, float(customers.arr.sum()), phases, scenario.months)


def _among(customers: Customers, segments: tuple[str, ...]) -> Customers:
    """The same customers, their segments numbered among all that are compared."""
    places = [segments.index(name) for name in customers.segments]
    annual = np.ones(len(segments), dtype=bool)
    annual[places] = customers.annual
    segment = np.array(places)[customers.segment]
    order = np.lexsort((customers.anniversary, segment))
    arrays = {name: getattr(customers, name)[order] for name in ("arr", "anniversary", "tenure", "joins")}
    return Customers(segments=segments, annual=annual, segment=segment[order], **arrays)


class Exact:
    """Expected NRR by segment and draw, when each group of values is one or the other side's."""

    def __init__(self, sides: tuple[Side, Side]) -> None:
        self.sides = sides
        draws = max(len(phase.churn) for side in sides for phase in side.phases)
        years = max(phase.churn.shape[2] for side in sides for phase in side.phases)
        number = max(len(side.phases) for side in sides)
        self.phases = [
            [_spread(side.phases[min(n, len(side.phases) - 1)], draws, years) for n in range(number)] for side in sides
        ]
        self.churn = cache(self._churn)
        self.growth = cache(self._growth)
        self.lift = cache(self._lift)
        self.back = cache(self._back)

    def nrr(self, mix: int, churn: int, contraction: int, adoption: int, cross_sell: int, price: int, back: int) -> Any:
        """`ndarray[segment, draw]`: each segment's part of NRR; every argument says whose values: 0 A's, 1 B's."""
        side = self.sides[mix]
        size = np.zeros((len(side.annual), self.phases[0][0].churn.shape[0]))
        regular, due = self.churn(mix, churn, price)
        more, (come, share) = self.growth(contraction, adoption, cross_sell), self.back(back)
        groups = side.groups
        kernel.close(
            groups.segment, groups.anniversary, groups.tenure, groups.arr, side.months,
            regular, due, more, self.lift(price), come, share, size,
        )  # fmt: skip
        return size / side.opening

    def _churn(self, mix: int, churn: int, price: int) -> tuple[np.ndarray, np.ndarray]:
        annual = self.sides[mix].annual
        both = []
        for who, asks in zip(self.phases[churn], self.phases[price], strict=True):
            rates = replace(who, churn_per_point=asks.churn_per_point, uplift=asks.uplift)
            both.append([rates.monthly_churn(annual, due).transpose(1, 2, 0) for due in (False, True)])
        regular, due = (np.ascontiguousarray(np.stack(each)) for each in zip(*both, strict=True))
        return regular, due

    def _growth(self, contraction: int, adoption: int, cross_sell: int) -> np.ndarray:
        months = []
        for n in range(len(self.phases[0])):
            less, more, cross = (self.phases[side][n] for side in (contraction, adoption, cross_sell))
            months.append(
                (1 - less.contraction / 12 * less.contraction_size)
                * (1 + more.adoption / 12 * more.adoption_size)
                * (1 + cross.cross_sell / 12 * cross.cross_sell_size)
            )
        return _by_segment(months)

    def _lift(self, price: int) -> np.ndarray:
        return _by_segment([1 + each.acceptance * each.uplift for each in self.phases[price]])

    def _back(self, back: int) -> tuple[np.ndarray, np.ndarray]:
        come = _by_segment([monthly(each.reactivation) for each in self.phases[back]])
        return come, np.ascontiguousarray(self.phases[back][0].reactivation_size.T)


def _by_segment(months: list[np.ndarray]) -> np.ndarray:
    return np.ascontiguousarray(np.stack([each.T for each in months]))


def _spread(rates: Rates, draws: int, years: int) -> Rates:
    """The same rates with that many draws and tenure years: what is certain is the same in each."""
    changed: dict[str, Any] = {
        name: np.broadcast_to(getattr(rates, name), (draws, rates.uplift.shape[1]))
        for names in FIELDS.values()
        for name in names
        if name != "churn"
    }
    last = rates.churn.shape[2] - 1
    churn = rates.churn[:, :, np.minimum(np.arange(years), last)]
    return replace(rates, churn=np.broadcast_to(churn, (draws, *churn.shape[1:])), **changed)


def nrr_by_draw(scenario: Scenario) -> Callable[[Rates], np.ndarray]:
    """Expected NRR of the scenario's book, `ndarray[draw]`, as a function of rates."""
    customers = scenario.opening
    curved = any(entry.rate is None for entry in scenario.drivers.churn.values())
    groups = Groups.of(customers, by_tenure=curved)
    opening = float(customers.arr.sum())

    def nrr(rates: Rates) -> np.ndarray:
        phases = tuple(map(rates.in_phase, range(rates.phases)))
        side = Side(groups, customers.annual, opening, phases, scenario.months)
        return np.asarray(Exact((side, side)).nrr(*[0] * len(GROUPS)).sum(axis=0))

    return nrr


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


def bridge(a: Scenario, b: Scenario) -> Bridge:
    """The difference in expected NRR, attributed to what differs; over the same draws of what both believe.

    Raises UsageError where the months differ, or a segment of one has no drivers in the other.
    """
    segments = comparable(a, b)
    runs = [_shapley(a, b, segments, SEED + number) for number in range(REPLICATES)]
    ends = np.mean([each[0] for each in runs], axis=0)
    values = np.stack([each[1] for each in runs])  # replicate, group, segment
    mean, by_run = values.mean(axis=0), values.sum(axis=2)
    error = by_run.std(axis=0, ddof=1) / np.sqrt(REPLICATES)
    return Bridge(
        float(ends[0]),
        float(ends[1]),
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


def _shapley(a: Scenario, b: Scenario, segments: tuple[str, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """NRR of both, and `ndarray[group, segment]` of the Shapley values, averaged over the draws."""
    exact = Exact((Side.of(a, segments, DRAWS, seed), Side.of(b, segments, DRAWS, seed)))
    worth = {which: exact.nrr(*which).mean(axis=1) for which in product((0, 1), repeat=len(GROUPS))}
    none, every = worth[(0,) * len(GROUPS)], worth[(1,) * len(GROUPS)]
    return np.array([none.sum(), every.sum()]), shapley(worth)


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
    """For each lever alone, and for all together (losses times 1 - x, gains times 1 + x), what reaches the target."""

    target: float
    nrr: float
    levers: dict[str, Lever]
    together: float | None


def frontier(scenario: Scenario, target: float) -> Frontier:
    """What each lever alone, and all together, would have to be for the expected NRR to be `target`."""
    try:
        TARGET.check(float(target))
    except ValueError as error:
        raise UsageError(f"target: {error}") from None
    few, many = (
        draw_rates(scenario, scenario.opening, count=draws, seed=SEED, quasi=True) for draws in (COARSE, EVEN_DRAWS)
    )
    short = [_short_of(scenario, rates, target) for rates in (few, many)]
    gap = short[1]({})
    better = 1 if gap <= 0 else -1
    levers = {name: _lever(scenario, few, name, gap, short) for name in LEVERS}

    def together(x: float) -> dict[str, float]:
        return {name: 1 - x if name in LOSSES else 1 + x for name in LEVERS}

    x = _root([_along(each, together) for each in short], 0.0, float(better), gap)
    return Frontier(target, target + gap, levers, x)


def with_factors(scenario: Scenario, factors: Mapping[str, float]) -> Scenario:
    """The scenario with each lever's rates multiplied by its factor: what the frontier answers, put back."""
    plain = {name: factor - 1 for name, factor in factors.items()}
    return scenario.with_({"programmes": {**scenario.plain().get("programmes", {}), "lever": plain}})


Gap = Callable[[Mapping[str, float]], float]


def _short_of(scenario: Scenario, rates: Rates, target: float) -> Gap:
    """Expected NRR less the target, as a function of the factors of some levers."""
    nrr = nrr_by_draw(scenario)

    def short(factors: Mapping[str, float]) -> float:
        moved = {FIELDS[name][0]: getattr(rates, FIELDS[name][0]) * factor for name, factor in factors.items()}
        return float(nrr(replace(rates, **moved)).mean()) - target

    return short


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
    return Lever(name, "reached", factor, means, {segment: mean * factor for segment, mean in means.items()})


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
    before = begin
    for step in (np.linspace(begin, end, 9) if abs(end) <= 1 else np.geomspace(begin, end, 13))[1:]:
        if np.sign(coarse(step)) != np.sign(gap):
            found = float(brentq(coarse, before, step, xtol=1e-9, rtol=1e-12))
            slope = (coarse(found + 1e-4) - coarse(found - 1e-4)) / 2e-4
            for _ in range(3):
                if abs(off := fine(found)) < NEAR:
                    return found
                found -= off / slope
            # at a cap, where there is no slope
            ends_apart = np.sign(fine(before)) != np.sign(fine(step))
            return float(brentq(fine, before, step, xtol=1e-12)) if ends_apart else None
        before = step
    return None
