"""How NRR came out, or how likely it is to, in; its quantiles and chances out; never simulates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

PLACES = 49  # of the grid on which a quantile is looked for
FINE = 2_000  # the bins that a sample is smoothed from
MOST_SKEWNESS = 0.6  # that three moments can tell of: beyond, a few rare events decide
TO_THE_BIT = 1e-9  # a target that is met is met, whatever rounding says


@dataclass(frozen=True)
class Odds:
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
    """NRR as it came out in each trial of a simulation, `ndarray[trial]`; it answers what Odds
    answers.
    """

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


QUANTILES = {"p05": 0.05, "p25": 0.25, "p50": 0.50, "p75": 0.75, "p95": 0.95}


def share_reaching(nrr: np.ndarray, target: float) -> float:
    """In which share of the trials NRR is at the target or above."""
    return Sample(nrr).reaches(target)


def share_error(share: float, n: int) -> float:
    """The standard error of a share; not 0 where none or all were seen (Laplace's rule of
    succession).
    """
    likely = (share * n + 1) / (n + 2)
    return float(np.sqrt(likely * (1 - likely) / n))


def figures_with_errors(
    values: np.ndarray,
) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """Mean, deviation and quantiles of one value a trial, and the standard error of each; one trial
    has none.
    """
    n, mean = len(values), float(values.mean())
    if n == 1:
        unknown = dict.fromkeys(("mean", "sd", *QUANTILES))
        return {"mean": mean, "sd": None, "se": None, **dict.fromkeys(QUANTILES, mean)}, unknown
    sd = values.std(ddof=1)
    fourth = ((values - mean) ** 4).mean()
    error = {
        "mean": sd / np.sqrt(n),
        "sd": np.sqrt(max(fourth - sd**4, 0) / n) / (2 * sd) if sd else 0.0,
    }
    figures = {"mean": mean, "sd": sd, "se": error["mean"]}
    for name, p in QUANTILES.items():
        # the quantiles one standard error of their rank apart
        low, figures[name], high = np.quantile(
            values, np.clip([p - rank_error(p, n), p, p + rank_error(p, n)], 0, 1)
        )
        error[name] = (high - low) / 2
    return {name: float(x) for name, x in figures.items()}, {
        name: float(x) for name, x in error.items()
    }


def rank_error(p: float, n: int) -> float:
    return float(np.sqrt(p * (1 - p) / n))
