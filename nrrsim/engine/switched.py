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
from nrrsim.engine.draws import SEED
from nrrsim.engine.driver_rates import RATES_OF, InTheYear, Rates, draw_rates, monthly
from nrrsim.engine.groups import Groups, Kinds, coarser, common_phases, phase_of, segments_of
from nrrsim.engine.levels import acting_at, even_draws, groups_of, mean_rates
from nrrsim.scenario.customers import Customers, of_the_same_name
from nrrsim.scenario.drivers import COUNTED, DRIVERS
from nrrsim.scenario.scenario import Scenario

LEVERS: tuple[str, ...] = tuple(DRIVERS)
LEVER_GROUPS = ("mix", *LEVERS)
ACCOUNTS = "accounts"  # a group of its own, where single accounts differ from their segment
MOST_CELLS = 1_000_000  # draws, phases and kinds of customers that are worked out at a time
MOST_APART = 500  # groups, where customers who are nearly alike may stand for each other


@dataclass(frozen=True)
class Side:
    """A scenario made ready: its customers, their groups, its opening ARR, and its rates, phase by
    phase. `usual`: what a level is taken out by where each side has accounts of its own; without
    it the groups are as they are given.
    """

    customers: Customers
    groups: Groups
    annual: np.ndarray
    opening: float
    phases: tuple[Rates, ...]
    cycle: int
    months: int
    usual: Rates | None = None

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        segments: tuple[str, ...],
        draws: int,
        seed: int,
        slots: Mapping[str, int],
        levelled: bool = False,
    ) -> Side:
        """`segments`: all that are compared; a book may have none of some. `slots`: the draws of
        each belief. `levelled`: whether accounts differ on either side.
        """
        customers = _among(scenario.opening, segments)
        rates = draw_rates(scenario, customers, count=draws, seed=seed, quasi=True, own=slots)
        groups = Groups.of(customers, by_tenure=rates.churn.shape[2] > 1)
        phases = tuple(rates.in_phase(phase) for phase in range(rates.phases))
        return cls(
            customers,
            groups,
            customers.annual,
            customers.total,
            phases,
            rates.cycle,
            scenario.months,
            mean_rates(scenario, customers) if levelled else None,
        )


def _among(customers: Customers, segments: tuple[str, ...]) -> Customers:
    """The same customers, their segments numbered among all that are compared."""
    if customers.segments == segments:
        return customers
    places = [segments.index(name) for name in customers.segments]
    annual = np.ones(len(segments), dtype=bool)
    annual[places] = customers.annual
    segment = np.array(places)[customers.segment]
    order = np.lexsort((customers.anniversary, segment))
    of_each = ("arr", "anniversary", "tenure", "joins", "names", "multipliers", "decided")
    there = {name: getattr(customers, name) for name in of_each}
    arrays = {name: each[order] for name, each in there.items() if each is not None}
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
        self.groups = cache(self._groups)
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
        accounts: int = 0,
    ) -> Any:
        """`ndarray[segment, draw]`: each segment's part of NRR; every argument says whose values: 0
        A's, 1 B's.
        """
        side = self.sides[mix]
        draws = self.phases[0][0].churn.shape[0]
        size = np.zeros((len(side.annual), draws))
        groups = self.groups(mix, accounts, churn, price)
        for some in groups.apart(MOST_CELLS // max(1, draws * len(self.phases[0]))):
            month = paths.Month(
                segments_of(some.kinds, len(size)),
                *self.churn(mix, churn, price, some.kinds),
                self.growth(contraction, adoption, cross_sell, some.kinds),
                self.lift(price),
                *self.back(back),
                self.phases[price][0].in_the_year.together,
                self.cycle,
            )
            of_each = some.kind, some.anniversary, some.tenure, some.arr
            paths.close(*of_each, side.months, month, size)
        return size / side.opening

    def _groups(self, mix: int, accounts: int, churn: int, price: int) -> Groups:
        """The customers of one side, with the accounts of one: their level is taken out by the
        rates that act.
        """
        side = self.sides[mix]
        leave, asks = self.sides[churn].usual, self.sides[price].usual
        if leave is None or asks is None:
            return side.groups
        customers = self._with_accounts(mix, accounts)
        if not customers.differ:
            return side.groups
        season, rises = np.broadcast_arrays(leave.in_the_year.season, asks.in_the_year.rises)
        rates = replace(
            leave,
            uplift=asks.uplift,
            churn_per_point=asks.churn_per_point,
            in_the_year=InTheYear(season, rises, asks.in_the_year.together),
        )
        by_tenure = self.phases[0][0].churn.shape[2] > 1
        return coarser(customers, by_tenure, acting_at(rates, customers), MOST_APART)

    def _with_accounts(self, mix: int, accounts: int) -> Customers:
        """One side's customers, of whom the other's accounts say what they say of that name."""
        mine, stated = (self.sides[each].customers for each in (mix, accounts))
        return mine if mix == accounts else of_the_same_name(mine, stated)

    def alike(self) -> tuple[bool, ...]:
        """Of each of LEVER_GROUPS, and of accounts, whether both sides have the same: to switch it
        moves nothing.
        """
        one, other = self.sides
        pairs = [
            (one.groups.segment, other.groups.segment),
            (one.groups.anniversary, other.groups.anniversary),
            (one.groups.tenure, other.groups.tenure),
            (one.groups.arr, other.groups.arr),
            (one.annual, other.annual),
        ]
        names = one.customers.names, other.customers.names
        if one.usual is not None and names[0] is not None and names[1] is not None:
            pairs.append((names[0], names[1]))  # whose accounts they are
        months = list(zip(*self.phases, strict=True))
        by_lever = {
            name: [(getattr(a, of), getattr(b, of)) for a, b in months for of in RATES_OF[name]]
            for name in LEVERS
        }
        years = [(a.in_the_year, b.in_the_year) for a, b in months]
        by_lever["churn"] += [(a.season, b.season) for a, b in years]
        by_lever["price"] += [(a.together, b.together) for a, b in years]
        stated = [[self._with_accounts(mix, n).stated for n in (0, 1)] for mix in (0, 1)]
        same_accounts = all(np.array_equal(a, b, equal_nan=True) for a, b in stated)
        return (
            *(all(np.array_equal(*pair) for pair in each) for each in (pairs, *by_lever.values())),
            same_accounts,
        )

    def _churn(
        self, mix: int, churn: int, price: int, kinds: Kinds | None
    ) -> tuple[np.ndarray, np.ndarray]:
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
        return churn_of(rates, self.sides[mix].annual, kinds)

    def _growth(
        self, contraction: int, adoption: int, cross_sell: int, kinds: Kinds | None
    ) -> np.ndarray:
        at: Any = slice(None) if kinds is None else kinds.segment
        months = []
        for n in range(len(self.phases[0])):
            less, more, cross = (
                self.phases[side][n] for side in (contraction, adoption, cross_sell)
            )
            often = [
                rates.how_often(driver, kinds) / 12
                for rates, driver in zip((less, more, cross), COUNTED, strict=True)
            ]
            months.append(
                (1 - often[0] * less.contraction_size[:, at])
                * (1 + often[1] * more.adoption_size[:, at])
                * (1 + often[2] * cross.cross_sell_size[:, at])
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


def churn_of(
    phases: Sequence[Rates], annual: np.ndarray, kinds: Kinds | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The `churn` and `due_churn` of a Month."""
    regular, due = (
        laid_out([each.monthly_churn(annual, is_due, kinds) for each in phases])
        for is_due in (False, True)
    )
    return regular, due


def coming_back(phases: Sequence[Rates]) -> np.ndarray:
    """The `back` of a Month."""
    return laid_out([monthly(each.reactivation) for each in phases])


def nrr_by_draw(scenario: Scenario, most: int | None = None) -> Callable[[Rates], np.ndarray]:
    """Expected NRR of the scenario's book, `ndarray[draw]`, as a function of rates.

    most : groups at most, as for `groups_of`, for who asks of tens of thousands of draws: what they
        come to is put right by as much as it is off on average.
    """
    by_segment, off = _by_segment_and_draw(scenario, most), 0.0
    if most is not None and len(groups_of(scenario).arr) > most and scenario.opening.differ:
        few = by_segment(_even_rates(scenario), scenario.months).sum(axis=0)
        off = expected_nrr(scenario) - float(few.mean())
    return lambda rates: np.asarray(by_segment(rates, scenario.months).sum(axis=0) + off)


def expected_closing(scenario: Scenario, months: Sequence[int]) -> np.ndarray:
    """Expected ARR of today's customers after each of `months`, `ndarray[month, segment]`: as
    `expect` has it.
    """
    rates = _even_rates(scenario)
    by_segment = _by_segment_and_draw(scenario)
    opening = scenario.opening.total
    return np.stack([by_segment(rates, end).mean(axis=1) * opening for end in months])


def _by_segment_and_draw(
    scenario: Scenario, most: int | None = None
) -> Callable[[Rates, int], np.ndarray]:
    customers, groups = scenario.opening, groups_of(scenario, most)
    opening = customers.total

    def nrr(rates: Rates, months: int) -> np.ndarray:
        phases = tuple(map(rates.in_phase, range(rates.phases)))
        side = Side(customers, groups, customers.annual, opening, phases, rates.cycle, months)
        return np.asarray(Exact((side, side)).nrr(*[0] * len(LEVER_GROUPS)))

    return nrr


def expected_nrr(scenario: Scenario) -> float:
    """Expected NRR: as `expect` has it, by the quick way."""
    return float(nrr_by_draw(scenario)(_even_rates(scenario)).mean())


def _even_rates(scenario: Scenario) -> Rates:
    """Those that an expectation is averaged over."""
    book = scenario.opening
    return draw_rates(scenario, book, count=even_draws(book), seed=SEED, quasi=True)
