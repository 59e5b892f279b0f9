"""A scenario in, its NRR draw by draw out, on the exact expectation; never simulates, never loops
over customers.

Any of the groups that NRR comes from may have one scenario's values or another's: that is what a
bridge asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from nrrsim.engine import paths
from nrrsim.engine.draws import EVEN_DRAWS, SEED
from nrrsim.engine.driver_rates import RATES_OF, Rates, draw_rates, monthly
from nrrsim.engine.groups import Groups, common_phases, phase_of
from nrrsim.scenario.customers import Customers
from nrrsim.scenario.drivers import DRIVERS
from nrrsim.scenario.scenario import Scenario

LEVERS: tuple[str, ...] = tuple(DRIVERS)
LEVER_GROUPS = ("mix", *LEVERS)


@dataclass(frozen=True)
class Side:
    """A scenario made ready: its groups of customers, its opening ARR, and its rates, phase by
    phase.
    """

    groups: Groups
    annual: np.ndarray
    opening: float
    phases: tuple[Rates, ...]
    cycle: int
    months: int

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        segments: tuple[str, ...],
        draws: int,
        seed: int,
        slots: Mapping[str, int],
    ) -> Side:
        """`segments`: all that are compared; a book may have none of some. `slots`: the draws of
        each belief.
        """
        customers = _among(scenario.opening, segments)
        rates = draw_rates(scenario, customers, count=draws, seed=seed, quasi=True, own=slots)
        groups = Groups.of(customers, by_tenure=rates.churn.shape[2] > 1)
        phases = tuple(rates.in_phase(phase) for phase in range(rates.phases))
        return cls(groups, customers.annual, customers.total, phases, rates.cycle, scenario.months)


def _among(customers: Customers, segments: tuple[str, ...]) -> Customers:
    """The same customers, their segments numbered among all that are compared."""
    if customers.segments == segments:
        return customers
    places = [segments.index(name) for name in customers.segments]
    annual = np.ones(len(segments), dtype=bool)
    annual[places] = customers.annual
    segment = np.array(places)[customers.segment]
    order = np.lexsort((customers.anniversary, segment))
    arrays = {
        name: getattr(customers, name)[order] for name in ("arr", "anniversary", "tenure", "joins")
    }
    return Customers(segments=segments, annual=annual, segment=segment[order], **arrays)


class Exact:
    """Expected NRR by segment and draw, when each group of values is one or the other side's."""

    def __init__(self, sides: tuple[Side, Side]) -> None:
        self.sides = sides
        draws = max(len(phase.churn) for side in sides for phase in side.phases)
        years = max(phase.churn.shape[2] for side in sides for phase in side.phases)
        self.cycle, number = common_phases(*((len(each.phases), each.cycle) for each in sides))
        one = [each.spread(draws, years) for each in sides[0].phases]
        other = (
            one if sides[1] is sides[0] else [each.spread(draws, years) for each in sides[1].phases]
        )
        self.phases = [
            [each[phase_of(t, len(each), side.cycle)] for t in range(1, number + 1)]
            for side, each in zip(sides, (one, other), strict=True)
        ]
        self.churn = cache(self._churn)
        self.growth = cache(self._growth)
        self.lift = cache(self._lift)
        self.back = cache(self._back)

    def nrr(
        self,
        mix: int,
        churn: int,
        contraction: int,
        adoption: int,
        cross_sell: int,
        price: int,
        back: int,
    ) -> Any:
        """`ndarray[segment, draw]`: each segment's part of NRR; every argument says whose values: 0
        A's, 1 B's.
        """
        side = self.sides[mix]
        size = np.zeros((len(side.annual), self.phases[0][0].churn.shape[0]))
        regular, due = self.churn(mix, churn, price)
        growth = self.growth(contraction, adoption, cross_sell)
        together = self.phases[price][0].in_the_year.together
        month = paths.Month(
            regular, due, growth, self.lift(price), *self.back(back), together, self.cycle
        )
        groups = side.groups
        paths.close(
            groups.segment, groups.anniversary, groups.tenure, groups.arr, side.months, month, size
        )
        return size / side.opening

    def alike(self) -> tuple[bool, ...]:
        """Of each of LEVER_GROUPS, whether both sides have the same: to switch it moves nothing."""
        one, other = self.sides
        pairs = [
            (one.groups.segment, other.groups.segment),
            (one.groups.anniversary, other.groups.anniversary),
            (one.groups.tenure, other.groups.tenure),
            (one.groups.arr, other.groups.arr),
            (one.annual, other.annual),
        ]
        months = list(zip(*self.phases, strict=True))
        by_lever = {
            name: [(getattr(a, of), getattr(b, of)) for a, b in months for of in RATES_OF[name]]
            for name in LEVERS
        }
        years = [(a.in_the_year, b.in_the_year) for a, b in months]
        by_lever["churn"] += [(a.season, b.season) for a, b in years]
        by_lever["price"] += [(a.together, b.together) for a, b in years]
        return tuple(
            all(np.array_equal(*pair) for pair in each) for each in (pairs, *by_lever.values())
        )

    def _churn(self, mix: int, churn: int, price: int) -> tuple[np.ndarray, np.ndarray]:
        both = zip(self.phases[churn], self.phases[price], strict=True)
        rates = [
            replace(
                who,
                churn_per_point=asks.churn_per_point,
                uplift=asks.uplift,
                in_the_year=replace(who.in_the_year, together=asks.in_the_year.together),
            )
            for who, asks in both
        ]
        return churn_of(rates, self.sides[mix].annual)

    def _growth(self, contraction: int, adoption: int, cross_sell: int) -> np.ndarray:
        months = []
        for n in range(len(self.phases[0])):
            less, more, cross = (
                self.phases[side][n] for side in (contraction, adoption, cross_sell)
            )
            months.append(
                (1 - less.contraction / 12 * less.contraction_size)
                * (1 + more.adoption / 12 * more.adoption_size)
                * (1 + cross.cross_sell / 12 * cross.cross_sell_size)
            )
        return laid_out([each[:, :, None] for each in months])

    def _lift(self, price: int) -> np.ndarray:
        phases = self.phases[price]
        return laid_out([(1 + each.acceptance * each.uplift)[:, :, None] for each in phases])

    def _back(self, back: int) -> tuple[np.ndarray, np.ndarray]:
        size = np.ascontiguousarray(self.phases[back][0].reactivation_size.T)
        return coming_back(self.phases[back]), size[:, None]


def laid_out(months: Sequence[np.ndarray]) -> np.ndarray:
    """`ndarray[draw, segment, ...]` of each phase as a Month has them: `ndarray[phase, segment,
    ..., draw]`.
    """
    order = (*range(1, months[0].ndim), 0)
    return np.ascontiguousarray(np.stack([each.transpose(order) for each in months]))


def churn_of(phases: Sequence[Rates], annual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The `churn` and `due_churn` of a Month."""
    regular, due = (
        laid_out([each.monthly_churn(annual, is_due) for each in phases])
        for is_due in (False, True)
    )
    return regular, due


def coming_back(phases: Sequence[Rates]) -> np.ndarray:
    """The `back` of a Month."""
    return laid_out([monthly(each.reactivation) for each in phases])


def nrr_by_draw(scenario: Scenario) -> Callable[[Rates], np.ndarray]:
    """Expected NRR of the scenario's book, `ndarray[draw]`, as a function of rates."""
    by_segment = _by_segment_and_draw(scenario)
    return lambda rates: np.asarray(by_segment(rates, scenario.months).sum(axis=0))


def expected_closing(scenario: Scenario, months: Sequence[int]) -> np.ndarray:
    """Expected ARR of today's customers after each of `months`, `ndarray[month, segment]`: as
    `expect` has it.
    """
    rates = draw_rates(scenario, scenario.opening, count=EVEN_DRAWS, seed=SEED, quasi=True)
    by_segment = _by_segment_and_draw(scenario)
    opening = scenario.opening.total
    return np.stack([by_segment(rates, end).mean(axis=1) * opening for end in months])


def _by_segment_and_draw(scenario: Scenario) -> Callable[[Rates, int], np.ndarray]:
    customers = scenario.opening
    groups = Groups.of(customers, by_tenure=scenario.table.is_curved)
    opening = customers.total

    def nrr(rates: Rates, months: int) -> np.ndarray:
        phases = tuple(map(rates.in_phase, range(rates.phases)))
        side = Side(groups, customers.annual, opening, phases, rates.cycle, months)
        return np.asarray(Exact((side, side)).nrr(*[0] * len(LEVER_GROUPS)))

    return nrr


def expected_nrr(scenario: Scenario) -> float:
    """Expected NRR: as `expect` has it, by the quick way."""
    rates = draw_rates(scenario, scenario.opening, count=EVEN_DRAWS, seed=SEED, quasi=True)
    return float(nrr_by_draw(scenario)(rates).mean())
