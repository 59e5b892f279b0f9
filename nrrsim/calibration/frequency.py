"""Events and chances by segment in, annual frequencies and their doubt out; never a size.

Segments learn from each other as far as they are alike: an annual frequency has a typical value and
a spread over segments, both unknown; given them it is Beta, and what is counted makes it another
Beta. The typical value and the spread are averaged over a grid, so all of it is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from nrrsim.calibration.exposure import Exposure

# The prior: the standard deviation of the logit of what is typical; how much segments differ (the
# coefficient of variation of their frequencies), and the standard deviation of its logarithm.
TYPICAL_SD, UNLIKE, UNLIKE_SD = 1.5, 0.4, 0.7
SCORES = np.linspace(-3, 3, 31)  # of the prior's grid, in standard deviations


@dataclass(frozen=True)
class Learnt:
    """One driver of one segment: what was counted, and what it says.

    `events` over `chances` (customer-years; for annual contracts, renewals); `mean` and `sd` of the
    annual probability or rate; `own`: the share of it that the segment's own events decide, the
    rest being what other segments and the prior say; `size` of an event (mean, sd) and how far its
    distribution is from the one fitted (Kolmogorov-Smirnov).
    """

    driver: str
    segment: str
    events: float
    chances: float
    mean: float
    sd: float
    own: float
    size: tuple[float, float] | None = None
    misfit: float | None = None
    sized: int = 0


@dataclass(frozen=True)
class Counts:
    """Events and chances by segment, and how many chances a year has: `power`."""

    events: np.ndarray
    chances: np.ndarray
    power: float
    is_probability: bool


def counts_of(
    exposure: Exposure, driver: str, annual: np.ndarray
) -> list[tuple[np.ndarray, Counts]]:
    """The counts of the segments that learn from each other, with the numbers of these segments."""
    number = len(exposure.segments)
    if driver == "reactivation":
        away = exposure.away
        events = np.bincount(away["segment"], away["weight"] * (away["back"] > 0), number)
        chances = np.bincount(away["segment"], away["weight"], number)
        return [(np.arange(number), Counts(events, chances, exposure.a_year, True))]
    # at most once a year, whenever in it: the chance is the year
    if driver == "price":
        segment, weight, rose = exposure.whole_years()
        events, chances = (np.bincount(segment, each, number) for each in (weight * rose, weight))
        return [(np.arange(number), Counts(events, chances, 1.0, True))]

    happened = exposure.amount[driver] > 0
    part = exposure.chances(driver, annual)
    events = np.bincount(exposure.segment, exposure.weight * happened, number)
    chances = np.bincount(exposure.segment, exposure.weight * part, number)
    if driver != "churn":
        return [(np.arange(number), Counts(events, chances, exposure.a_year, False))]
    # one chance is a renewal of annual contracts, and a step of monthly ones: what one of them says
    # of a chance says nothing to the other
    return [
        (where, Counts(events[where], chances[where], power, True))
        for where, power in (
            (np.flatnonzero(annual), 1.0),
            (np.flatnonzero(~annual), exposure.a_year),
        )
        if len(where)
    ]


def posterior(
    events: np.ndarray, chances: np.ndarray, typical: float, power: float, is_probability: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and standard deviation of each segment's annual frequency, and how much of it the
    segment's own events decide (0 to 1): `ndarray[segment]` each.

    The mean of one chance is own x events / chances + (1 - own) x what is typical (the credibility
    of actuaries), averaged as all else here.

    events, chances : `ndarray[segment]`; recent ones may weigh more, so they need not be whole.
    typical : the prior's annual frequency. power : chances a year.
    is_probability : the year's is 1 - (1 - p)^power, else p x power, where p is that of one chance.
    """
    a, b, weight = _mixture(events, chances, typical, power, is_probability)
    # of the year's 1 - (1 - p)^power: its square is 1 - 2 (1 - p)^power + (1 - p)^(2 power)
    if is_probability:
        stay, square = (_moment(a, b, n * power) for n in (1, 2))
        first, second = 1 - stay, 1 - 2 * stay + square
    else:
        first = power * a / (a + b)
        second = first * power * (a + 1) / (a + b + 1)
    mean = (weight * first).sum(axis=(1, 2))
    own = (weight * chances[:, None, None] / (a + b)).sum(axis=(1, 2))
    return mean, np.sqrt(np.maximum((weight * second).sum(axis=(1, 2)) - mean**2, 0)), own


def prior_grid(
    typical: float, power: float, is_probability: bool, scores: np.ndarray = SCORES
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What one chance may typically be, how alike segments are, and the weights.

    `ndarray[typical, unlike]` each; how alike is the sum of the parameters of the segments' Beta.
    """
    one = -np.expm1(np.log1p(-typical) / power) if is_probability else typical / power
    mu = special.expit(special.logit(one) + TYPICAL_SD * scores)[:, None]
    unlike = UNLIKE * np.exp(UNLIKE_SD * SCORES[::2])[None, :]
    # of a Beta with mean mu the coefficient of variation is sqrt((1 - mu) / mu / (alike + 1))
    alike = np.maximum((1 - mu) / (mu * unlike**2) - 1, 0.5)
    prior = np.exp(-(scores[:, None] ** 2 + SCORES[None, ::2] ** 2) / 2)
    return np.broadcast_to(mu, alike.shape), alike, prior / prior.sum()


def _mixture(
    events: np.ndarray, chances: np.ndarray, typical: float, power: float, is_probability: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The Beta distributions of one chance, `ndarray[segment, typical, unlike]`, and weights."""
    scores = SCORES
    for _ in range(2):  # a wide grid, and a fine one where the weight is
        mu, alike, prior = prior_grid(typical, power, is_probability, scores)
        a = mu * alike + events[:, None, None]
        b = (1 - mu) * alike + (chances - events)[:, None, None]
        likely = special.betaln(a, b) - special.betaln(mu * alike, (1 - mu) * alike)
        log = np.log(prior) + likely.sum(axis=0)
        weight = np.exp(log - log.max())
        weight = weight / weight.sum()

        # five standard deviations to both sides, and two cells of the wide grid as its error
        of_score = weight.sum(axis=1)
        middle = float(of_score @ scores)
        reach = 5 * np.sqrt(of_score @ (scores - middle) ** 2) + 2 * (SCORES[1] - SCORES[0])
        scores = np.linspace(max(middle - reach, SCORES[0]), min(middle + reach, SCORES[-1]), 61)
    return a, b, np.broadcast_to(weight, a.shape)


def _moment(a: np.ndarray, b: np.ndarray, power: float) -> np.ndarray:
    """E[(1 - p)^power] of a Beta."""
    return np.asarray(np.exp(special.betaln(a, b + power) - special.betaln(a, b)))
