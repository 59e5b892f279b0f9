"""A scenario in, its NRR draw by draw out, on the exact expectation; never simulates, never loops over customers.

Any of the groups that NRR comes from may have one scenario's values or another's: that is what a bridge asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from scipy import special

from nrrsim import kernel
from nrrsim.book import Customers
from nrrsim.expectation import DRAWS as EVEN_DRAWS
from nrrsim.expectation import SEED, Groups
from nrrsim.rates import SIZED, Rates, draw_rates, monthly
from nrrsim.scenario import Scenario

PLACES = 49  # of the grid on which a quantile is looked for
FINE = 2_000  # the bins that a sample is smoothed from
MOST_SKEWNESS = 0.6  # that three moments can tell of: beyond, a few rare events decide
TO_THE_BIT = 1e-9  # a target that is met is met, whatever rounding says
GROUPS = ("mix", "churn", "contraction", "adoption", "cross_sell", "price", "reactivation")
# What of `Rates` belongs to a driver.
FIELDS = {
    "churn": ("churn",),
    "contraction": ("contraction", "contraction_size"),
    "adoption": ("adoption", "adoption_size"),
    "cross_sell": ("cross_sell", "cross_sell_size"),
    "price": ("uplift", "acceptance", "churn_per_point"),
    "reactivation": ("reactivation", "reactivation_size"),
}


@dataclass(frozen=True)
class Side:
    """A scenario made ready: its groups of customers, its opening ARR, and its rates, phase by phase."""

    groups: Groups
    annual: np.ndarray
    opening: float
    phases: tuple[Rates, ...]
    months: int

    @classmethod
    def of(
        cls, scenario: Scenario, segments: tuple[str, ...], draws: int, seed: int, places: Mapping[str, int]
    ) -> Side:
        """`segments`: all that are compared; a book may have none of some. `places`: the draws of each belief."""
        customers = _among(scenario.opening, segments)
        rates = draw_rates(scenario, customers, count=draws, seed=seed, quasi=True, places=places)
        groups = Groups.of(customers, by_tenure=rates.churn.shape[2] > 1)
        phases = tuple(rates.in_phase(phase) for phase in range(rates.phases))
        return cls(groups, customers.annual, customers.total, phases, scenario.months)


def _among(customers: Customers, segments: tuple[str, ...]) -> Customers:
    """The same customers, their segments numbered among all that are compared."""
    if customers.segments == segments:
        return customers
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
        one = [each.spread(draws, years) for each in sides[0].phases]
        other = one if sides[1] is sides[0] else [each.spread(draws, years) for each in sides[1].phases]
        self.phases = [[each[min(n, len(each) - 1)] for n in range(number)] for each in (one, other)]
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


def nrr_by_draw(scenario: Scenario) -> Callable[[Rates], np.ndarray]:
    """Expected NRR of the scenario's book, `ndarray[draw]`, as a function of rates."""
    by_segment = _by_segment_and_draw(scenario)
    return lambda rates: np.asarray(by_segment(rates, scenario.months).sum(axis=0))


def expected_closing(scenario: Scenario, months: Sequence[int]) -> np.ndarray:
    """Expected ARR of today's customers after each of `months`, `ndarray[month, segment]`: as `expect` has it."""
    rates = draw_rates(scenario, scenario.opening, count=EVEN_DRAWS, seed=SEED, quasi=True)
    by_segment = _by_segment_and_draw(scenario)
    opening = scenario.opening.total
    return np.stack([by_segment(rates, end).mean(axis=1) * opening for end in months])


def _by_segment_and_draw(scenario: Scenario) -> Callable[[Rates, int], np.ndarray]:
    customers = scenario.opening
    curved = any(entry.rate is None for entry in scenario.drivers.churn.values())
    groups = Groups.of(customers, by_tenure=curved)
    opening = customers.total

    def nrr(rates: Rates, months: int) -> np.ndarray:
        phases = tuple(map(rates.in_phase, range(rates.phases)))
        side = Side(groups, customers.annual, opening, phases, months)
        return np.asarray(Exact((side, side)).nrr(*[0] * len(GROUPS)))

    return nrr


# --- how it may turn out -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Odds:
    """NRR as a mixture: `mean`, `sd` and `skewness` of NRR by luck, given each draw of the beliefs, `ndarray[draw]`.

    Given a draw NRR is the sum of many customers' parts: normal, put right for its skewness (Edgeworth).
    """

    mean: np.ndarray
    sd: np.ndarray
    skewness: np.ndarray

    @property
    def expected(self) -> float:
        return float(self.mean.mean())

    @property
    def spread(self) -> float:
        """The standard deviation of NRR, from luck and from beliefs."""
        return float(np.sqrt((self.sd**2).mean() + self.mean.var()))

    @property
    def holds(self) -> bool:
        """Whether three moments say enough of luck; where they do not, only a simulation tells."""
        return bool(np.quantile(np.abs(self.skewness), 0.95) <= MOST_SKEWNESS)

    def below(self, nrr: float) -> float:
        """How likely NRR is to come out below that."""
        return float(self._below(np.array([nrr]))[0])

    def density(self, at: np.ndarray) -> np.ndarray:
        """How likely NRR is near each of these evenly spaced places."""
        step = at[1] - at[0]
        below = np.maximum.accumulate(self._below(np.append(at - step / 2, at[-1] + step / 2)))
        return np.asarray(np.diff(below) / step)

    def reaches(self, target: float) -> float:
        """How likely NRR is to come out at the target or above."""
        certain = self.sd <= 0
        if certain.all():
            return float((self.mean >= target - 1e-12).mean())
        return 1 - self.below(target)

    def _below(self, nrr: np.ndarray) -> np.ndarray:
        sd = np.maximum(self.sd, 1e-12)[:, None]
        z = (nrr[None, :] - self.mean[:, None]) / sd
        bent = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * self.skewness[:, None] * (z**2 - 1) / 6
        return np.asarray(np.clip(special.ndtr(z) - bent, 0, 1).mean(axis=0))

    def quantiles(self, shares: Sequence[float]) -> np.ndarray:
        """The NRR below which it comes out so often."""
        reach = 6 * np.sqrt(self.sd.max() ** 2 + self.mean.std() ** 2) + 1e-9
        nrr = np.linspace(self.mean.mean() - reach, self.mean.mean() + reach, PLACES)
        step = nrr[1] - nrr[0]
        for _ in range(3):  # a wide grid, and finer ones around each quantile
            below = np.maximum.accumulate(self._below(nrr))
            found = np.interp(shares, below, nrr)
            nrr = np.unique(np.concatenate([each + np.linspace(-1, 1, 9) * step for each in found]))
            step = step / 4
        return np.asarray(found)


@dataclass(frozen=True)
class Sample:
    """NRR as it came out in each trial of a simulation, `ndarray[trial]`; it answers what Odds answers."""

    nrr: np.ndarray

    @property
    def expected(self) -> float:
        return float(self.nrr.mean())

    def reaches(self, target: float) -> float:
        """In which share of the trials NRR is at the target or above, whatever rounding says."""
        return float((self.nrr >= target - TO_THE_BIT).mean())

    def density(self, at: np.ndarray) -> np.ndarray:
        """A Gaussian kernel's density; where all trials are nearly the same, a narrow peak."""
        wide = max(float(self.nrr.std()) * len(self.nrr) ** -0.2, (at[-1] - at[0]) / len(at))
        counts, edges = np.histogram(self.nrr, FINE, (at[0], at[-1]))
        middle = (edges[1:] + edges[:-1]) / 2
        kernel = np.exp(-(((at[:, None] - middle) / wide) ** 2) / 2) / (wide * np.sqrt(2 * np.pi))
        return np.asarray(kernel @ counts / len(self.nrr))

    def quantiles(self, shares: Sequence[float]) -> np.ndarray:
        """The NRR below which it comes out so often."""
        return np.asarray(np.quantile(self.nrr, shares))


def odds_by_draw(scenario: Scenario) -> Callable[..., Odds]:
    """How NRR may turn out, as a function of rates (and of a month, where that is not to be the last): what does not
    change with them is made ready once.
    """
    customers = scenario.opening
    curved = any(entry.rate is None for entry in scenario.drivers.churn.values())
    groups = Groups.of(customers, by_tenure=curved)
    sums = np.stack([groups.arr, groups.squares, groups.cubes])
    opening = customers.total

    def odds(rates: Rates, month: int = scenario.months) -> Odds:
        phases = [rates.in_phase(phase) for phase in range(rates.phases)]
        out = np.zeros((3, rates.draws))
        churn = [
            np.ascontiguousarray(
                np.stack([each.monthly_churn(customers.annual, due).transpose(1, 2, 0) for each in phases])
            )
            for due in (False, True)
        ]
        growth, lift = (np.ascontiguousarray(np.stack([of(each) for each in phases])) for of in (_powers, _lifted))
        come = np.ascontiguousarray(np.stack([monthly(each.reactivation).T for each in phases]))
        back_size = np.ascontiguousarray(rates.reactivation_size.T)
        kernel.moments(
            groups.segment, groups.anniversary, groups.tenure, sums, month,
            *churn, growth, lift, come, back_size, out,
        )  # fmt: skip
        sd = np.sqrt(np.maximum(out[1], 0))
        skewness = np.divide(out[2], sd**3, out=np.zeros_like(sd), where=sd > 1e-9 * opening)
        return Odds(out[0] / opening, sd / opening, skewness)

    return odds


def _powers(rates: Rates) -> np.ndarray:
    """By what a month of contraction, adoption and cross-sell multiplies an amount, its square and its cube on average:
    `ndarray[segment, power, draw]`.
    """
    factors: Any = 1.0
    for name in SIZED:
        mean, sd = getattr(rates, f"{name}_size"), rates.sizes[name][:, 1]
        first = mean if name != "contraction" else -mean
        third = _third(mean, sd, is_share=name == "contraction") * (-1 if name == "contraction" else 1)
        moments = (first, first**2 + sd**2, third)
        powers = np.stack([moments[0], 2 * moments[0] + moments[1], 3 * moments[0] + 3 * moments[1] + moments[2]])
        factors = factors * (1 + getattr(rates, name) / 12 * powers)
    return np.asarray(factors.transpose(2, 0, 1))


def _third(mean: np.ndarray, sd: np.ndarray, is_share: bool) -> np.ndarray:
    """E[size^3]: of a Beta (a share) or a lognormal size with that mean and standard deviation."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if is_share:
            whole = np.where(sd > 0, mean * (1 - mean) / sd**2 - 1, np.inf)
            a = mean * whole
            drawn = np.where(np.isfinite(whole), mean * (a + 1) / (whole + 1) * (a + 2) / (whole + 2), mean**3)
        else:
            drawn = mean**3 * (1 + np.where(mean > 0, sd / mean, 0.0) ** 2) ** 3
    return np.asarray(drawn)


def _lifted(rates: Rates) -> np.ndarray:
    """By what a price increase multiplies an amount, its square and its cube on average."""
    powers = np.stack([(1 + rates.uplift) ** k - 1 for k in (1, 2, 3)])
    return np.asarray((1 + rates.acceptance * powers).transpose(2, 0, 1))
