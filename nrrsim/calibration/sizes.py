"""What events took and added in, sizes with mean and spread out; never how often they come."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy  # whose `optimize` is loaded when it is first asked for

from nrrsim import special
from nrrsim.calibration.exposure import Exposure
from nrrsim.scenario.beliefs import beta_of, lognormal_of

# The power of ARR by which a size counts: 0 is each customer alike, 1 is each dollar. Between them
# by back-tests.
MONEY = 0.5
FEW_SIZES = 8  # events below which a segment takes the sizes of all segments
MOST_UNEVEN, MOST_LEARNT_OF_A_BETA = 2.9, 0.75  # of a size, below what a scenario takes
MOST_ALIKE = 20_000.0  # the sum of a Beta's parameters, of a size
_Size = tuple[tuple[float, float], float | None, int]  # mean and sd, misfit, how many were seen


def share_that_shows(
    exposure: Exposure, sizes: Mapping[str, Mapping[int, _Size]]
) -> dict[str, np.ndarray]:
    """By driver, `ndarray[segment]`: in which share of its chances an event shows.

    A month that rises and falls shows the net alone: the fall hides the smaller rise, and the rise
    the smaller fall. A year's step is counted as the one net move that it shows: nothing is hidden,
    and no driver is in the answer.
    """
    if exposure.step == 12:
        return {}
    # an event is hidden where one of the other kind comes in the same month, and is larger
    nobody = np.zeros(len(exposure.segments))
    n = np.maximum(np.bincount(exposure.segment, minlength=len(nobody)), 1)
    often = {
        name: np.bincount(exposure.segment, exposure.amount[name] > 0, len(nobody)) / n
        for name in sizes
    }
    wins = {
        name: np.array([_wins(sizes["contraction"][k][0], of[k][0]) for k in of])
        for name, of in sizes.items()
    }
    gains = [name for name in sizes if name != "contraction"]
    shown = {name: 1 - often["contraction"] * (1 - wins[name]) for name in gains}
    return shown | {"contraction": 1 - sum((often[name] * wins[name] for name in gains), nobody)}


def fitted_sizes(exposure: Exposure, driver: str, usual: tuple[float, float]) -> dict[int, _Size]:
    """Of each segment: mean and sd of an event's size, its misfit, and how many were seen.

    usual : mean and sd where none was seen.
    """
    rows = np.flatnonzero(exposure.amount[driver] > 0)
    share = exposure.amount[driver][rows] / exposure.arr[rows]
    segment, weight = exposure.segment[rows], exposure.weight[rows] * exposure.arr[rows] ** MONEY
    fit = _beta_size if driver == "contraction" else _lognormal_size
    whole: _Size = (usual, None, len(share))
    if len(share) >= 2:
        whole = (*fit(share, weight), len(share))
    sizes: dict[int, _Size] = {}
    for number in range(len(exposure.segments)):
        mine = segment == number
        enough = mine.sum() >= FEW_SIZES
        sizes[number] = (*fit(share[mine], weight[mine]), int(mine.sum())) if enough else whole
    return sizes


def _wins(fall: tuple[float, float], rise: tuple[float, float]) -> float:
    """How likely a rise is to outweigh a fall of the same month."""
    # both at 60 evenly likely sizes; one that does not vary is given a little, as no Beta has none
    points = (np.arange(60) + 0.5) / 60
    mean, sd = fall
    lost = special.betaincinv(*beta_of(mean, max(sd, 1e-3 * mean)), points)
    mu, sigma = lognormal_of(rise[0], max(rise[1], 1e-3 * rise[0]))
    gained = np.exp(mu + sigma * special.ndtri(points))
    return float(((1 - lost[:, None]) * (1 + gained) > 1).mean())


def _lognormal_size(share: np.ndarray, weight: np.ndarray) -> tuple[tuple[float, float], float]:
    """By maximum likelihood: mean and standard deviation of the logarithm are as seen."""
    log = np.log(share)
    mu = np.average(log, weights=weight)
    sigma = np.sqrt(np.average((log - mu) ** 2, weights=weight))
    sigma = float(min(sigma, np.sqrt(np.log1p(MOST_UNEVEN**2))))
    mean = float(np.exp(mu + sigma**2 / 2))
    sd = mean * float(np.sqrt(np.expm1(sigma**2)))
    misfit = _misfit(share, special.ndtr((np.log(np.sort(share)) - mu) / max(sigma, 1e-9)))
    # a few events that were alike do not say that all are
    return (mean, max(sd, 0.3 * mean / np.sqrt(len(share)))), misfit


def _beta_size(share: np.ndarray, weight: np.ndarray) -> tuple[tuple[float, float], float]:
    """By maximum likelihood, from the means of log x and log(1 - x)."""
    # the logarithms are finite, and the mean is below 1 in five digits, too
    x = np.clip(share, 1e-6, 1 - 1e-4)
    up, down = np.average(np.log(x), weights=weight), np.average(np.log1p(-x), weights=weight)

    # from the Beta with the mean and the sd that were seen
    mean = np.average(x, weights=weight)
    sd = np.sqrt(np.cov(x, aweights=weight)) if len(x) > 1 else 0.1
    start = np.log(beta_of(float(mean), float(np.clip(sd, 0.01, 0.9 * np.sqrt(mean * (1 - mean))))))

    def unlikely(log: np.ndarray) -> float:
        a, b = np.exp(log)
        return float(special.betaln(a, b) - (a - 1) * up - (b - 1) * down)

    found = scipy.optimize.minimize(
        unlikely, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10}
    )
    a, b = np.exp(found.x)
    whole = float(np.clip(a + b, 0.1, MOST_ALIKE))  # identical sizes have no likeliest spread
    mean = float(a / (a + b))
    sd = min(
        np.sqrt(mean * (1 - mean) / (whole + 1)), np.sqrt(MOST_LEARNT_OF_A_BETA * mean * (1 - mean))
    )
    fitted = special.betainc(*beta_of(mean, float(sd)), np.sort(x))
    return (mean, max(float(sd), _least_spread(mean, len(x)))), _misfit(share, fitted)


def _least_spread(mean: float, number: int) -> float:
    """A few events that were alike do not say that all are."""
    return float(min(0.3 * mean / np.sqrt(number), 0.3 * np.sqrt(mean * (1 - mean))))


def _misfit(share: np.ndarray, expected: np.ndarray) -> float:
    """The Kolmogorov-Smirnov distance of what was seen from what was fitted."""
    n = len(share)
    # the steps of what was seen, from below and from above
    below = np.abs(expected - np.arange(n) / n).max()
    above = np.abs(expected - np.arange(1, n + 1) / n).max()
    return float(max(below, above))
