"""A scenario in, what it implies on average out, exactly; never draws random numbers, never loops
over customers.

Given the drivers, a customer's amount grows by factors that do not depend on it. So all customers
of one segment, one anniversary and one tenure share one path, and the mean and the variance of a
book follow from those of a few groups. Over beliefs the paths are averaged by evenly spread (Sobol)
draws. Capped GRR has no closed form: `retained` is nan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from nrrsim.engine.draws import DRAWS, SEED
from nrrsim.engine.driver_rates import Rates, draw_rates, monthly, tenure_year
from nrrsim.engine.groups import Groups, months_of, refuse_endless
from nrrsim.errors import UsageError
from nrrsim.movements import Movements
from nrrsim.scenario.customers import Customers
from nrrsim.scenario.scenario import Scenario

MOST_CELLS = (
    100_000  # draws times groups that move through the months together: what stays in the cache
)


def expect(
    scenario: Scenario,
    *,
    window: tuple[int, int] | None = None,
    book: bool = False,
    draws: int = DRAWS,
) -> Movements:
    """The expected Movements of the customers there at the start, by segment and month, in ARR.

    window : months (s, t) to follow the customers of month s through, those won before it included
        (default: all).
    book : of everybody, with newcomers and those who come back from before the window, instead of
        that closed cohort.
    draws : how many Sobol draws of the beliefs are averaged (one, exactly, where nothing is
        uncertain).

    `retained` and `stayed_retained` are nan. Raises UsageError for a window that the scenario does
    not cover.
    """
    return _Outlook.of(scenario, window, book, draws).movements()


def deviation(
    scenario: Scenario, *, window: tuple[int, int] | None = None, draws: int = DRAWS
) -> xr.DataArray:
    """The standard deviation of `expect`'s closing ARR, by segment (and `all`) and month: luck and
    beliefs both.
    """
    return _Outlook.of(scenario, window, False, draws).deviation()


class _Path:
    """One unit of ARR of each group, month by month and draw by draw: `ndarray[draw, group]`."""

    def __init__(self, rates: Rates, groups: Groups, annual: np.ndarray) -> None:
        self.groups, self.rates = groups, rates
        shape = (rates.draws, len(groups.arr))
        there = np.broadcast_to((groups.joins == 0).astype(float), shape)
        # amount, its square, alive; the same for those who left and may come back; and for those
        # who never left
        self.amount, self.square, self.alive = there.copy(), there.copy(), there.copy()
        self.left, self.left_square, self.gone = (np.zeros(shape) for _ in range(3))
        self.stayed, self.stayed_alive = there.copy(), there.copy()
        self.back_size = rates.reactivation_size[:, groups.segment]
        self.phase, self.annual = -1, annual

    def _enter(self, phase: int) -> None:
        """What holds in this month, and until a programme changes it."""
        if phase == self.phase:
            return
        self.phase, now = phase, self.rates.in_phase(phase)
        self.churn = [now.monthly_churn(self.annual, anniversary) for anniversary in (False, True)]
        self.back = monthly(now.reactivation)[:, self.groups.segment]
        self.growth = {
            name: tuple(each[:, self.groups.segment] for each in moments)
            for name, moments in _growth(now).items()
        }

    def form_cohort(self, closed: bool) -> None:
        """Who is there now is the cohort; who left before comes back only where it is not `closed`."""
        if closed:
            self.left, self.left_square, self.gone = (np.zeros_like(self.left) for _ in range(3))
        self.stayed, self.stayed_alive = self.amount.copy(), self.alive.copy()

    def month(self, t: int, joins: bool) -> dict[str, np.ndarray]:
        """Move through month t; returns each movement, per unit of ARR that a group has at its
        start.
        """
        self._enter(min(t, self.rates.phases) - 1)
        groups = self.groups
        due = (t - groups.anniversary) % 12 == 0
        year = np.minimum(tenure_year(groups.tenure, t), self.rates.churn.shape[2] - 1)
        c = np.where(
            due, self.churn[1][:, groups.segment, year], self.churn[0][:, groups.segment, year]
        )
        flows = {"churn": c * self.amount}
        lost_square, lost_alive = c * self.square, c * self.alive
        amount, square = self.amount - flows["churn"], self.square - lost_square
        self.stayed, self.stayed_alive = self.stayed * (1 - c), self.stayed_alive * (1 - c)
        for name, (first, second) in self.growth.items():
            rise = np.where(due, first, 0.0) if name == "price" else first
            flows[name] = np.abs(rise) * amount
            amount = amount * (1 + rise)
            square = square * (1 + (np.where(due, second, 0.0) if name == "price" else second))
            self.stayed = self.stayed * (1 + rise)
        flows["reactivation"] = self.back * self.back_size * self.left
        self.amount = amount + flows["reactivation"]
        self.square = square + self.back * self.back_size**2 * self.left_square
        self.alive = self.alive - lost_alive + self.back * self.gone
        self.left = self.left * (1 - self.back) + flows["churn"]
        self.left_square = self.left_square * (1 - self.back) + lost_square
        self.gone = self.gone * (1 - self.back) + lost_alive
        flows["new"] = np.zeros_like(self.amount)
        if joins and (now := groups.joins == t).any():
            flows["new"][:, now] = self.amount[:, now] = self.square[:, now] = self.alive[
                :, now
            ] = 1.0
        return flows


def _growth(rates: Rates) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of each step that multiplies an amount: by how much on average, and its square:
    `ndarray[draw, segment]`.
    """
    both = {"price": _step(rates.acceptance, rates.uplift, np.zeros(1))}
    for name, sign in (("contraction", -1), ("adoption", 1), ("cross_sell", 1)):
        size = getattr(rates, f"{name}_size")
        both[name] = _step(getattr(rates, name) / 12, sign * size, rates.sizes[name][:, 1])
    return both


def _step(
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
    means: dict[str, np.ndarray]
    variance: np.ndarray

    @classmethod
    def of(
        cls, scenario: Scenario, window: tuple[int, int] | None, book: bool, draws: int
    ) -> _Outlook:
        start, end = months_of(scenario, window)
        if draws < 1:
            raise UsageError(f"draws: must be at least 1, got {draws}")
        customers = scenario.customers() if start or book else scenario.opening
        rates = draw_rates(scenario, customers, count=draws, seed=SEED, quasi=True)
        groups = Groups.of(customers, by_tenure=rates.churn.shape[2] > 1)
        at_once = max(1, MOST_CELLS // len(groups.arr))
        with np.errstate(over="ignore", invalid="ignore"):
            parts = [
                _followed(rates.part(first, first + at_once), groups, customers, start, end, book)
                for first in range(0, rates.draws, at_once)
            ]
        share = [len(closing) / rates.draws for _, closing, _ in parts]
        means = {
            name: np.average([each[0][name] for each in parts], axis=0, weights=share)
            for name in parts[0][0]
        }
        closing = np.concatenate([each for _, each, _ in parts])
        refuse_endless(closing)
        luck = np.average([each for _, _, each in parts], axis=0, weights=share)
        total = closing.sum(axis=1, keepdims=True)
        with np.errstate(over="ignore", invalid="ignore"):
            variance = np.concatenate([closing.var(axis=0), total.var(axis=0)])
            variance += np.concatenate([luck, np.sum(luck, axis=0, keepdims=True)])
        refuse_endless(np.sqrt(np.maximum(variance, 0)))
        return cls(scenario, start, end, means, variance)

    @property
    def months(self) -> list[str]:
        return [self.scenario.month(t) for t in range(self.start + 1, self.end + 1)]

    def movements(self) -> Movements:
        unknown = np.full_like(self.means["closing"], np.nan)
        arrays = {**self.means, "retained": unknown, "stayed_retained": unknown}
        names = list(self.scenario.segments)
        return Movements.of(
            arrays, segments=names, months=self.months, start=self.scenario.month(self.start)
        )

    def deviation(self) -> xr.DataArray:
        coordinates = {"segment": [*self.scenario.segments, "all"], "month": self.months}
        return xr.DataArray(
            np.sqrt(np.maximum(self.variance, 0)), coordinates, ["segment", "month"]
        )


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
        before, alive_before = path.amount.mean(axis=0), path.alive.mean(axis=0)
        flows = path.month(t, joins=book)
        levels = {"closing": path.amount, "stayed": path.stayed}
        counts = {"customers": path.alive, "stayed_customers": path.stayed_alive}
        amounts = {name: each.mean(axis=0) for name, each in (flows | levels).items()} | {
            "opening": before
        }
        numbers = {name: each.mean(axis=0) for name, each in counts.items()} | {
            "opening_customers": alive_before
        }
        for name, each in amounts.items():
            means.setdefault(name, []).append(by_segment(each * groups.arr))
        for name, each in numbers.items():
            means.setdefault(name, []).append(by_segment(each * groups.number))
        closing.append(by_segment(path.amount * groups.arr))
        spread = (path.square - path.amount**2).mean(axis=0)
        luck.append(by_segment(spread * groups.squares))
    return (
        {name: np.stack(each, -1) for name, each in means.items()},
        np.stack(closing, -1),
        np.stack(luck, -1),
    )
