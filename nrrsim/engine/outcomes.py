"""How NRR came out, or how likely it is to, in; its quantiles and chances out; never simulates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nrrsim import special
from nrrsim.scenario.outlook import TO_THE_BIT, Transport
from nrrsim.scenario.scenario import Scenario

PLACES = 49  # of the grid on which a quantile is looked for
EVEN = 400  # quantiles that stand for a whole distribution
FINE = 2_000  # the bins that a sample is smoothed from
TAIL = 0.02  # of probability, below which it is worked out by draws about where it happens
HALVES = np.array([-0.5, 0.5])
NEAR_MASS = 1e-7  # of probability: less is no point of mass
DENSER = 2  # times what is beside it, on as much room: a point of mass stands apart
SHARES = (0.05, 0.5, 0.95)  # of a distribution that is told in three numbers
MORE_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
LAW_SHARES = (0.01, *MORE_SHARES, 0.99)


class Distribution(ABC):
    """How NRR may come out: worked out (Odds), or seen in trials (Sample)."""

    @property
    @abstractmethod
    def expected(self) -> float:
        """The mean."""

    @property
    @abstractmethod
    def spread(self) -> float:
        """The standard deviation."""

    @abstractmethod
    def reaches(self, target: float) -> float:
        """How likely it is to come out at the target or above."""

    @abstractmethod
    def density(self, at: np.ndarray) -> np.ndarray:
        """How likely it is near each of these evenly spaced places."""

    @abstractmethod
    def quantiles(self, shares: Sequence[float]) -> np.ndarray:
        """The values below which it comes out with these probabilities."""

    def percentiles(self, shares: Sequence[float] = SHARES) -> dict[str, float]:
        """The quantiles by the names under which they are told: `p05`, `p50`, `p95`."""
        found = zip(shares, self.quantiles(shares), strict=True)
        return {f"p{100 * share:02.0f}": float(value) for share, value in found}


@dataclass(frozen=True)
class Even(Distribution):
    """By ascending quantiles at (i + 1/2)/n, `ndarray[n]`; straight between them."""

    values: np.ndarray

    @property
    def expected(self) -> float:
        return float(self.values.mean())

    @property
    def spread(self) -> float:
        return float(self.values.std())

    def reaches(self, target: float) -> float:
        at, n = target - TO_THE_BIT, len(self.values)
        below = int(np.searchsorted(self.values, at))
        # a point of mass is at the target or above as a whole
        if below in (0, n) or (self.values[below : below + 2] <= target + TO_THE_BIT).sum() == 2:
            return 1.0 - below / n
        low, high = self.values[below - 1 : below + 1]
        return float(1 - (below - 0.5 + (at - low) / (high - low)) / n)

    def density(self, at: np.ndarray) -> np.ndarray:
        return Sample(self.values).density(at)

    def quantiles(self, shares: Sequence[float]) -> np.ndarray:
        return np.asarray(np.quantile(self.values, shares, method="hazen"))


@dataclass(frozen=True)
class Foreseen(Distribution):
    """What a scenario's drivers say (`own`), taken onto the forecast that it states.

    As far as the scenario's mean moved from the one that the forecast was made with, so far the
    forecast moves.
    """

    own: Distribution
    transport: Transport

    @cached_property
    def _map(self) -> Transport:
        return self.transport.moved(self.own.expected)

    @cached_property
    def _even(self) -> Even:
        return Even(self.quantiles(((np.arange(EVEN) + 0.5) / EVEN).tolist()))

    @property
    def expected(self) -> float:
        return self._even.expected

    @property
    def spread(self) -> float:
        return self._even.spread

    def reaches(self, target: float) -> float:
        return self.own.reaches(self._map.back(target))

    def density(self, at: np.ndarray) -> np.ndarray:
        return self._even.density(at)

    def quantiles(self, shares: Sequence[float]) -> np.ndarray:
        return self._map(self.own.quantiles(shares))


def foreseen(own: Distribution, scenario: Scenario, measure: str = "nrr") -> Distribution:
    """A scenario's distribution as the forecast that it states has it; as it is where none is
    stated.
    """
    transport = scenario.transport(measure)
    return own if transport is None else Foreseen(own, transport)


@dataclass(frozen=True)
class Odds(Distribution):
    """NRR as a mixture: `mean`, `sd` and `skewness` of NRR by luck, given each draw of the beliefs,
    `ndarray[draw]`.

    Given a draw NRR is the sum of many customers' parts: normal, put right for its skewness
    (Edgeworth).
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

    def below(self, nrr: float) -> float:
        """How likely NRR is to come out below that."""
        return float(self._below(np.array([nrr]))[0])

    def density(self, at: np.ndarray) -> np.ndarray:
        step = at[1] - at[0]
        below = np.maximum.accumulate(self._below(np.append(at - step / 2, at[-1] + step / 2)))
        return np.asarray(np.diff(below) / step)

    def reaches(self, target: float) -> float:
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
class Computed(Distribution):
    """Computed, not simulated: `below`, the ascending probabilities to come out at or below each of
    the ascending `places`, `ndarray[place]` of both; straight between them.

    error : the largest of the numerical error and of the standard errors of P5 to P95, in NRR.
    near : how far from its place a point of mass may be told; a target that is so near one is met
        by it. p_error : the standard error of a probability, `ndarray[place]`, 0
        where nothing is drawn. tail : a way to know better of what happens in less than TAIL of
        all cases, and its standard error.
    """

    places: np.ndarray
    below: np.ndarray
    mean: float
    sd: float
    error: float
    near: float = 0.0
    p_error: np.ndarray | None = None
    tail: Callable[[float], tuple[float, float]] | None = None

    @property
    def expected(self) -> float:
        return self.mean

    @property
    def spread(self) -> float:
        return self.sd

    def reaches(self, target: float) -> float:
        return self._reached(target)[0]

    def reach_error(self, target: float) -> float:
        """The standard error of `reaches`; 0 where no belief is drawn."""
        return self._reached(target)[1]

    def _reached(self, target: float) -> tuple[float, float]:
        # what stands apart beside the target is a point of mass, and meets it as a whole
        # (close beside it: the next may be no farther than twice `near`)
        beside = target - TO_THE_BIT + self.near * np.array([-1.2, -1.0, 1.0, 1.2])
        masses = np.diff(self._below(beside))
        apart = masses[1] > NEAR_MASS + DENSER * 10 * max(masses[0], masses[2])
        # (a bell that is narrow itself is spread over more of it than a point is)
        middle = float(np.diff(self._below(target - TO_THE_BIT + self.near * HALVES))[0])
        apart = apart and middle > 0.9 * masses[1]
        at = beside[1] if apart else target - TO_THE_BIT
        reached = 1.0 - float(self._below(at))
        if self.p_error is None:
            return reached, 0.0
        rare = not TAIL < reached < 1 - TAIL
        if rare and self.tail is not None and not apart:
            return self.tail(target)
        return reached, float(np.interp(at, self.places, self.p_error, 0.0, 0.0))

    def _below(self, at: Any) -> np.ndarray:
        return np.asarray(np.interp(at, self.places, self.below, 0.0, 1.0))

    def density(self, at: np.ndarray) -> np.ndarray:
        step = at[1] - at[0]
        edges = np.append(at - step / 2, at[-1] + step / 2)
        return np.asarray(np.diff(self._below(edges)) / step)

    def quantiles(self, shares: Sequence[float]) -> np.ndarray:
        return np.asarray(np.interp(shares, self.below, self.places))

    def figures(self) -> dict[str, float]:
        """What `--json` prints of it: `mean`, `sd`, quantiles and `error`."""
        told = self.percentiles(LAW_SHARES)
        return {"mean": self.mean, "sd": self.sd, **told, "error": self.error}


@dataclass(frozen=True)
class Sample(Distribution):
    """One value a trial as a simulation had it, `ndarray[trial]`: NRR, or any other ratio or
    difference.
    """

    values: np.ndarray

    @property
    def expected(self) -> float:
        return float(self.values.mean())

    @property
    def spread(self) -> float:
        """The standard deviation of what it is a sample of; 0 where one trial does not tell."""
        return float(self.values.std(ddof=1)) if len(self.values) > 1 else 0.0

    def reaches(self, target: float) -> float:
        """In which share of the trials it is at the target or above, whatever rounding says."""
        return float((self.values >= target - TO_THE_BIT).mean())

    def density(self, at: np.ndarray) -> np.ndarray:
        """A Gaussian kernel's density; where all trials are nearly the same, a narrow peak."""
        n = len(self.values)
        wide = max(float(self.values.std()) * n**-0.2, (at[-1] - at[0]) / len(at))
        counts, edges = np.histogram(self.values, FINE, (at[0], at[-1]))
        middle = (edges[1:] + edges[:-1]) / 2
        kernel = np.exp(-(((at[:, None] - middle) / wide) ** 2) / 2) / (wide * np.sqrt(2 * np.pi))
        return np.asarray(kernel @ counts / n)

    def quantiles(self, shares: Sequence[float]) -> np.ndarray:
        return np.asarray(np.quantile(self.values, shares))

    def place_of(self, value: float) -> float:
        """Where a value lies among the trials, from 0 to 1; what is equal to it counts half."""
        below = float((self.values < value - 1e-12).mean())
        same = float((np.abs(self.values - value) <= 1e-12).mean())
        return below + same / 2

    # --- how well so many trials know it ----------------------------------------------------------

    @property
    def standard_error(self) -> float:
        """Of the mean."""
        return float(self.spread / np.sqrt(len(self.values)))

    def around(self, share: float, errors: float = 1.0) -> tuple[float, float]:
        """The quantiles so many standard errors of a quantile's rank to either side of it."""
        by = errors * float(np.sqrt(share * (1 - share) / len(self.values)))
        low, high = self.quantiles([max(share - by, 0), min(share + by, 1)])
        return float(low), float(high)

    def share_error(self, share: float) -> float:
        """The standard error of a share of the trials; not 0 where none or all were seen (Laplace's
        rule of succession).
        """
        n = len(self.values)
        likely = (share * n + 1) / (n + 2)
        return float(np.sqrt(likely * (1 - likely) / n))

    def figures(self) -> dict[str, float | None]:
        """`mean`, `sd`, `se` (of the mean) and quantiles; one trial has neither sd nor se."""
        known = len(self.values) > 1
        sd, se = (self.spread, self.standard_error) if known else (None, None)
        return {"mean": self.expected, "sd": sd, "se": se, **self.percentiles(MORE_SHARES)}

    def errors(self) -> dict[str, float | None]:
        """The standard errors of `mean`, `sd` and the quantiles; one trial has none."""
        n, quantiles = len(self.values), self.percentiles(MORE_SHARES)
        if n == 1:
            return dict.fromkeys(("mean", "sd", *quantiles))
        sd = self.values.std(ddof=1)
        fourth = ((self.values - self.expected) ** 4).mean()
        of_sd = np.sqrt(max(fourth - sd**4, 0) / n) / (2 * sd) if sd else 0.0
        error: dict[str, float | None] = {"mean": self.standard_error, "sd": float(of_sd)}
        for name, share in zip(quantiles, MORE_SHARES, strict=True):
            low, high = self.around(share)
            error[name] = (high - low) / 2
        return error
