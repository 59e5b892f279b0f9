"""A scenario in, what it implies on average out, exactly; never draws random numbers, never loops
over customers.

Given the drivers, a customer's amount grows by factors that do not depend on it. So all customers
of one segment, one anniversary and one tenure share one path, and the mean and the variance of a
book follow from those of a few groups. Over beliefs the paths are averaged by evenly spread (Sobol)
draws. Capped GRR has no closed form: `retained` is nan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nrrsim.engine.draws import SEED, checked_place
from nrrsim.engine.driver_rates import LIMITS, Rates, draw_rates, monthly
from nrrsim.engine.groups import Groups, months_of, phase_of, refuse_endless, tenure_year
from nrrsim.engine.levels import even_draws, without_levels
from nrrsim.errors import UsageError
from nrrsim.movements import Movements, labelled
from nrrsim.scenario.customers import Customers
from nrrsim.scenario.drivers import COUNTED, HAZARD, MULTIPLIER_OF
from nrrsim.scenario.scenario import Scenario, as_scenario

if TYPE_CHECKING:
    import xarray as xr

# Draws times groups that move through the months together: what stays in the cache. So many groups
# do it apart from the others.
MOST_CELLS, MOST_GROUPS = 100_000, 1_000


def expect(
    scenario: Scenario | str | Path,
    *,
    window: tuple[int, int] | None = None,
    book: bool = False,
    draws: int | None = None,
    seed: int = SEED,
) -> Movements:
    """The expected Movements of the customers there at the start, by segment and month, in ARR.

    scenario : one that was read or made, or its file.
    window : months (s, t) to follow the customers of month s through, those won before it included
        (default: all).
    book : of everybody, with newcomers and those who come back from before the window, instead of
        that closed cohort.
    draws : how many Sobol draws of the beliefs are averaged (one, exactly, where nothing is
        uncertain); default: 4,096, fewer where thousands of accounts differ, at least 256.
    seed : of these draws; the same seed gives the same bits.

    `retained` and `stayed_retained` are nan. Raises UsageError for a window that the scenario does
    not cover, and for a seed that cannot be.
    """
    return _Outlook.of(as_scenario(scenario), window, book, draws, seed).movements()


def deviation(
    scenario: Scenario | str | Path,
    *,
    window: tuple[int, int] | None = None,
    draws: int | None = None,
    seed: int = SEED,
) -> xr.DataArray:
    """The standard deviation of `expect`'s closing ARR, by segment (and `all`) and month: luck and
    beliefs both.
    """
    return _Outlook.of(as_scenario(scenario), window, False, draws, seed).deviation()


FLOWS = ("churn", "contraction", "adoption", "cross_sell", "price", "reactivation")
AMOUNT, SQUARE, ALIVE = range(3)  # of a path: the amount, its square, whether it is a customer


def by_account(
    scenario: Scenario, until: Callable[[Customers], np.ndarray]
) -> tuple[Customers, dict[str, np.ndarray]]:
    """The customers at month 0, and what each comes to on average, `ndarray[customer]`: its ARR,
    the flows of `expect`, its closing ARR, and the probability that it has left.

    scenario : one in which nothing is uncertain (`Scenario.at_means`). until : the month, 1 to the
        scenario's last, up to which each customer is followed.
    """
    customers = scenario.opening
    rates = draw_rates(scenario, customers, count=1, seed=SEED)
    groups = Groups.of(customers, rates.churn.shape[2] > 1, without_levels(scenario, customers))
    last, mine = until(customers), groups.of_customer

    path = _Path(rates, groups, customers.annual)
    flows = dict.fromkeys(FLOWS, np.zeros(len(mine)))
    closing, left = np.ones(len(mine)), np.zeros(len(mine))
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(1, int(last.max()) + 1):
            moved, follows = path.month(t, joins=False), t <= last
            flows = {n: flows[n] + np.where(follows, moved[n][mine], 0.0) for n in FLOWS}
            closing = np.where(follows, path.here[AMOUNT, mine, 0], closing)
            left = np.where(follows, 1 - path.stayed[1, mine, 0], left)
        sizes = {"arr": np.ones(len(mine)), **flows, "closing": closing}
        found = {name: each * customers.arr for name, each in sizes.items()}
    refuse_endless(found["closing"])
    return customers, found | {"p_leave": left}


class _Path:
    """A customer of each group who begins with one unit of ARR, month by month and draw by draw.

    here : `ndarray[3, group, draw]`, its expected amount, the expected square of it, and the
        probability that it is a customer; left : the same of the case that it left and may come
        back, as it left.
    stayed : `ndarray[2, group, draw]`, amount and probability where it never left.

    One month takes these steps, each on what is then there (see the_model): churn, price,
    contraction, adoption, cross-sell, reactivation. Given the rates each is linear in the amount:

        here <- here (1 - c) (1 + [price's month] acceptance uplift) (1 - rate/12 size)
                (1 + rate/12 size) (1 + rate/12 size) + w back_size left
        left <- left (1 - w) + c here, of the opening amounts of both

    with c the month's probability to leave and w that to come back. `paths` has the same month
    compiled, for those who need it thousands of times.
    """

    def __init__(self, rates: Rates, groups: Groups, annual: np.ndarray) -> None:
        self.rates, self.groups, self.annual = rates, groups, annual
        there = (groups.joins == 0).astype(float)
        self.here = np.tile(there[:, None], (3, 1, rates.draws))
        self.left = np.zeros_like(self.here)
        self.stayed = self.here[[AMOUNT, ALIVE]]
        size = rates.reactivation_size.T[groups.segment]
        self.back_size = np.stack([size, size**2, np.ones_like(size)])
        self.phase = -1

    def form_cohort(self, closed: bool) -> None:
        """Who is there now is the cohort; who left before comes back only if it is not `closed`."""
        if closed:
            self.left = np.zeros_like(self.left)
        self.stayed = self.here[[AMOUNT, ALIVE]]

    def month(self, t: int, joins: bool) -> dict[str, np.ndarray]:
        """Move through month t; returns each movement, `ndarray[group]`, the mean of the draws."""
        self._enter(phase_of(t, self.rates.phases, self.rates.cycle))
        is_due = (t - self.groups.anniversary) % 12 == 0
        together = self.rates.in_the_year.together[self.groups.segment]
        lost = self._churn(t, is_due)
        return {
            "churn": lost[AMOUNT].mean(axis=-1),
            "price": self._change("price", is_due | together),
            "contraction": self._change("contraction"),
            "adoption": self._change("adoption"),
            "cross_sell": self._change("cross_sell"),
            "reactivation": self._reactivation(lost),
            "new": self._join(t, joins),
        }

    def _enter(self, phase: int) -> None:
        """What holds in this month, and until a programme or the calendar changes it."""
        if phase == self.phase:
            return
        segment = self.groups.segment
        self.phase, now = phase, self.rates.in_phase(phase)
        self.churn = [now.monthly_churn(self.annual, anniversary) for anniversary in (False, True)]
        self.back = monthly(now.reactivation).T[segment]
        self.returns = self.back * self.back_size
        often = self._how_often(now)
        self.growth = {
            step: tuple(each.T[segment] * often.get(step, 1.0) for each in rises)
            for step, rises in _rises(now).items()
        }

    def _how_often(self, now: Rates) -> dict[str, np.ndarray]:
        """How often what a rate counts meets each group, its segment's being 1, `ndarray[group,
        draw]`: no more often than a month has it at most.
        """
        if self.groups.multipliers is None:
            return {}
        with np.errstate(divide="ignore"):
            return {
                name: np.minimum(
                    self.groups.multipliers[:, MULTIPLIER_OF[name], None],
                    LIMITS[name] / getattr(now, name).T[self.groups.segment],
                )
                for name in COUNTED
            }

    def _churn(self, t: int, is_due: np.ndarray) -> np.ndarray:
        """1. Who leaves, as `here` has them: the anniversary and the tenure year say how likely."""
        segment = self.groups.segment
        year = tenure_year(self.groups.tenure, t, self.rates.churn.shape[2])
        regular, due = (churn[:, segment, year].T for churn in self.churn)
        leaves = np.where(is_due[:, None], due, regular)
        if self.groups.multipliers is not None:
            leaves = 1 - (1 - leaves) ** self.groups.multipliers[:, HAZARD, None]
        lost = leaves * self.here
        self.here -= lost
        self.stayed *= 1 - leaves
        return np.asarray(lost)

    def _change(self, step: str, among: Any = slice(None)) -> np.ndarray:
        """2. to 5. What a step adds or takes `among` these groups: price, those that are due."""
        rise, rise_of_square = (each[among] for each in self.growth[step])
        moved = np.zeros(len(self.groups.arr))
        moved[among] = (np.abs(rise) * self.here[AMOUNT, among]).mean(axis=-1)
        self.here[AMOUNT, among] *= 1 + rise
        self.here[SQUARE, among] *= 1 + rise_of_square
        self.stayed[0, among] *= 1 + rise
        return moved

    def _reactivation(self, lost: np.ndarray) -> np.ndarray:
        """6. Who left in an earlier month comes back; who leaves now may from the next month on."""
        returned = self.returns * self.left
        self.here += returned
        self.left *= 1 - self.back
        self.left += lost
        return np.asarray(returned[AMOUNT].mean(axis=-1))

    def _join(self, t: int, joins: bool) -> np.ndarray:
        """Newcomers, at the end of the month, if any may join."""
        now = (self.groups.joins == t) & joins
        self.here[:, now] = 1.0
        return np.asarray(now, float)


def _rises(rates: Rates) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each step that multiplies an amount: by how much on average, and its square:
    `ndarray[draw, segment]`.
    """
    rises = {"price": _rise(rates.acceptance, rates.uplift, np.zeros(1))}
    for name, sign in (("contraction", -1), ("adoption", 1), ("cross_sell", 1)):
        size = getattr(rates, f"{name}_size")
        rises[name] = _rise(getattr(rates, name) / 12, sign * size, rates.sizes[name][:, 1])
    return rises


def _rise(
    probability: np.ndarray, size: np.ndarray, sd: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return probability * size, probability * ((1 + size) ** 2 + sd**2 - 1)


@dataclass(frozen=True)
class _Outlook:
    """Means `ndarray[segment, month]` by variable, and the variance of closing `ndarray[segment +
    1, month]`.
    """

    scenario: Scenario
    start: int
    end: int
    closed: bool
    means: dict[str, np.ndarray]
    variance: np.ndarray

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        window: tuple[int, int] | None,
        book: bool,
        draws: int | None,
        seed: int,
    ) -> _Outlook:
        start, end = months_of(scenario, window)
        seed = checked_place("seed", seed)
        if draws is not None and draws < 1:
            raise UsageError(f"draws: must be at least 1, got {draws}")
        customers = scenario.customers() if start or book else scenario.opening
        multipliers = without_levels(scenario, customers)
        count = draws or even_draws(customers)
        rates = draw_rates(scenario, customers, count=count, seed=seed, quasi=True)
        groups = Groups.of(customers, rates.churn.shape[2] > 1, multipliers)
        with np.errstate(over="ignore", invalid="ignore"):
            blocks = [
                _averaged(rates, some, customers, start, end, book)
                for some in groups.blocks(MOST_GROUPS)
            ]
            names = blocks[0][0]
            means = {name: np.sum([each[0][name] for each in blocks], axis=0) for name in names}
            closing = np.sum([each for _, each, _ in blocks], axis=0)
            luck = np.sum([each for _, _, each in blocks], axis=0)
        refuse_endless(closing)
        total = closing.sum(axis=1, keepdims=True)
        with np.errstate(over="ignore", invalid="ignore"):
            variance = np.concatenate([closing.var(axis=0), total.var(axis=0)])
            variance += np.concatenate([luck, np.sum(luck, axis=0, keepdims=True)])
        refuse_endless(np.sqrt(np.maximum(variance, 0)))
        return cls(scenario, start, end, not book, means, variance)

    @property
    def months(self) -> list[str]:
        return [self.scenario.month(t) for t in range(self.start + 1, self.end + 1)]

    def movements(self) -> Movements:
        unknown = np.full_like(self.means["closing"], np.nan)
        arrays = {**self.means, "retained": unknown, "stayed_retained": unknown}
        names = list(self.scenario.segments)
        return Movements.of(
            arrays,
            segments=names,
            months=self.months,
            start=self.scenario.month(self.start),
            closed=self.closed,
        )

    def deviation(self) -> xr.DataArray:
        labels = {"segment": [*self.scenario.segments, "all"], "month": self.months}
        return labelled(np.sqrt(np.maximum(self.variance, 0)), labels)


def _averaged(
    rates: Rates, groups: Groups, customers: Customers, start: int, end: int, book: bool
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """The same as `_followed`, some draws after the others."""
    at_once = max(1, MOST_CELLS // len(groups.arr))
    parts = [
        _followed(rates.part(first, first + at_once), groups, customers, start, end, book)
        for first in range(0, rates.draws, at_once)
    ]
    share = [len(closing) / rates.draws for _, closing, _ in parts]
    means = {
        name: np.average([each[0][name] for each in parts], axis=0, weights=share)
        for name in parts[0][0]
    }
    luck = np.average([each for _, _, each in parts], axis=0, weights=share)
    return means, np.concatenate([each for _, each, _ in parts]), luck


def _followed(
    rates: Rates, groups: Groups, customers: Customers, start: int, end: int, book: bool
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Means `ndarray[segment, month]` by variable, closing `[draw, segment, month]`, variance given
    the draw.
    """
    first_of = np.searchsorted(groups.segment, np.arange(len(customers.segments) + 1))

    def by_segment(values: np.ndarray) -> np.ndarray:
        """Sums over the groups of each segment; 0 for a segment without any."""
        parts = np.split(values, first_of[1:-1], axis=-1)
        return np.stack([part.sum(axis=-1) for part in parts], axis=-1)

    path = _Path(rates, groups, customers.annual)
    for t in range(1, start + 1):
        path.month(t, joins=True)
    path.form_cohort(closed=not book)

    means: dict[str, list[np.ndarray]] = {}
    closing, luck = [], []
    for t in range(start + 1, end + 1):
        opening, _, opening_customers = path.here.mean(axis=-1)
        amounts = path.month(t, joins=book) | {"opening": opening}
        amounts["closing"], _, alive = path.here.mean(axis=-1)
        amounts["stayed"], stayed_customers = path.stayed.mean(axis=-1)
        numbers = {
            "customers": alive,
            "stayed_customers": stayed_customers,
            "opening_customers": opening_customers,
        }
        for each, weight in ((amounts, groups.arr), (numbers, groups.number)):
            for name, values in each.items():
                means.setdefault(name, []).append(by_segment(values * weight))

        closing.append(by_segment(path.here[AMOUNT].T * groups.arr))
        variance = (path.here[SQUARE] - path.here[AMOUNT] ** 2).mean(axis=-1)
        luck.append(by_segment(variance * groups.squares))
    return (
        {name: np.stack(each, -1) for name, each in means.items()},
        np.stack(closing, -1),
        np.stack(luck, -1),
    )
