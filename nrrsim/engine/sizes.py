"""The mean and spread of a size in, a quantile table that the kernel draws from out; never draws
itself.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from nrrsim import special
from nrrsim.engine import kernel
from nrrsim.scenario.beliefs import beta_of, lognormal_of
from nrrsim.scenario.drivers import COUNTED

MOST_LOST = 1 - 2.0**-23  # of a size that is drawn: a customer that loses all has churned
LEAST_SPREAD = 1e-4  # of a size that is drawn, over its mean; below that every event has the same


def size_tables(sizes: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Quantile tables of sizes that each event draws anew: `ndarray[3, segment, place]`, and which
    are used.
    """
    used = np.stack(
        [sizes[driver][:, 1] > LEAST_SPREAD * sizes[driver][:, 0] for driver in COUNTED]
    )
    tables = np.zeros((*used.shape, (2 * kernel.LEVELS - 1) * (kernel.KNOTS + 1)), np.float32)
    for number, segment in np.argwhere(used):
        mean, sd = sizes[COUNTED[number]][segment]
        tables[number, segment] = _table(float(mean), float(sd), COUNTED[number] == "contraction")
    return tables, used


@lru_cache(1024)  # 20 MB: whoever moves a size asks for a table of its own each time
def _table(mean: float, sd: float, is_share: bool) -> np.ndarray:
    """The quantile table whose straight lines between knots have exactly that mean and standard
    deviation.
    """
    asked_mean, asked_sd = mean, sd
    for _ in range(3):
        table = _quantiles(asked_mean, asked_sd, is_share)
        low, high, weight = pieces(table)
        has_mean = float(weight @ (low + high)) / 2
        has_sd = np.sqrt(float(weight @ (low**2 + low * high + high**2)) / 3 - has_mean**2)
        asked_mean, asked_sd = asked_mean * mean / has_mean, asked_sd * sd / has_sd
    return np.asarray(table)


def _quantiles(mean: float, sd: float, is_share: bool) -> np.ndarray:
    """Quantiles at even steps of (0, 1); of its first cell, and of the first of that; then of its
    last, and so on.
    """
    steps = np.linspace(0, 1, kernel.KNOTS + 1)
    tails = [steps / kernel.KNOTS**level for level in range(1, kernel.LEVELS)]
    lower = np.concatenate([steps, *tails, *(1 - tail[::-1] for tail in tails)])
    upper = np.concatenate(
        [1 - steps, *(1 - tail for tail in tails), *(tail[::-1] for tail in tails)]
    )
    upper = np.maximum(upper, kernel.KNOTS**-kernel.LEVELS / 4)  # the last knot has an end
    if is_share:
        a, b = beta_of(mean, sd)
        is_low = lower < 0.5
        table = np.empty(len(lower))
        table[is_low] = special.betaincinv(a, b, lower[is_low])
        table[~is_low] = special.betainccinv(a, b, upper[~is_low])
        return np.asarray(np.minimum(table, MOST_LOST))
    mu, sigma = lognormal_of(mean, sd)
    z = np.where(lower < 0.5, special.ndtri(np.maximum(lower, 1e-300)), -special.ndtri(upper))
    return np.asarray(np.exp(mu + sigma * z))


def pieces(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The straight pieces of a quantile table: where each begins and ends, and how likely it is."""
    levels = table.reshape(-1, kernel.KNOTS + 1)
    low, high, weight = (
        [levels[0, 1:-2]],
        [levels[0, 2:-1]],
        [np.full(kernel.KNOTS - 2, 1 / kernel.KNOTS)],
    )
    for level in range(1, kernel.LEVELS):
        first, last = levels[level], levels[kernel.LEVELS - 1 + level]
        inner = slice(0, None) if level == kernel.LEVELS - 1 else slice(1, None)
        for knots in (first[inner], last[::-1][inner]):
            low.append(knots[:-1])
            high.append(knots[1:])
            weight.append(np.full(len(knots) - 1, kernel.KNOTS ** -(level + 1.0)))
    return np.concatenate(low), np.concatenate(high), np.concatenate(weight)
