"""How uneven a driver's years are in, a year's factor at normal scores out; never draws a score.

A year multiplies a driver's annual rate by exp(beta z - beta^2 / 2), whose mean is 1. Where beta is
itself a belief, the factors of all the betas that it holds possible are mixed, and the factor is
drawn at one score: how uneven years are and how uneven this one is are one uncertainty, not two.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import numpy as np
from pydantic import AfterValidator

from nrrsim import special
from nrrsim.notation import MINUS
from nrrsim.scenario.beliefs import Z90, Belief
from nrrsim.scenario.numbers import YEAR_EFFECT, Number

BETAS = 256  # evenly likely ones that stand for a belief
POINTS, BENT, FARTHEST = 1025, 8.0, 9.0  # of the grid of log factors, and its end in scores

YearEffect = Annotated[Number, AfterValidator(YEAR_EFFECT.check)]


def year_factor(beta: float | Belief, z: np.ndarray) -> np.ndarray:
    """What a year multiplies a rate by at normal scores `z`; `beta` is a number or a belief."""
    if isinstance(beta, int | float):
        return np.asarray(np.exp(beta * z - beta**2 / 2))
    return np.asarray(np.exp(np.interp(z, *_mixed(beta))))


def factor_range(beta: float | Belief) -> tuple[float, float]:
    """The P5 and the P95 of the factors of good and bad years."""
    low, high = sorted(year_factor(beta, np.array([-Z90, Z90])).tolist())
    return low, high


def swing(low: float, high: float) -> str:
    """What good and bad years do to a driver, by the 90% range of their factors: −23% to +27%."""
    return f"{low - 1:+.0%} to {high - 1:+.0%}".replace("-", MINUS)


@lru_cache(64)
def _mixed(beta: Belief) -> tuple[np.ndarray, np.ndarray]:
    """Normal scores, ascending, and the logarithm of the factor at each."""
    # the middles of evenly likely parts: scores of a belief are cut to its range as any other's
    betas = YEAR_EFFECT.drawn(beta, special.ndtri((np.arange(BETAS) + 0.5) / BETAS))
    betas = np.maximum(betas, 1e-9)  # what never moves moves by next to nothing
    # dense about 0, where a belief that years may hardly differ has a peak
    bent = np.sinh(BENT * np.linspace(-1, 1, POINTS)) / np.sinh(BENT)
    log = bent * (FARTHEST * betas[-1] + betas[-1] ** 2 / 2)
    scores = (log[:, None] + betas**2 / 2) / betas
    below, above = special.ndtr(scores).mean(axis=1), special.ndtr(-scores).mean(axis=1)
    # from the smaller side, as 1 less a small number has lost its digits
    return np.where(below < above, special.ndtri(below), -special.ndtri(above)), log
