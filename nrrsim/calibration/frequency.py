"""Events and chances by segment in, annual frequencies and their doubt out; never a size.

Segments learn from each other as far as they are alike: an annual frequency has a typical value and
a spread over segments, both unknown; given them it is Beta, and what is counted makes it another
Beta. The typical value and the spread are averaged over a grid, so all of it is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nrrsim import special
from nrrsim.calibration.exposure import Exposure

MOST_CERTAIN = (
    0.95  # of one chance, typically: a prior of monthly ledgers may be asked of an annual
)
SCORES = np.linspace(-3, 3, 31)  # of the prior's grid, in standard deviations
UNLIKE_SCORES = SCORES[::2]
MOST_ALIKE = 1e12  # segments that differ by less are the same, and logarithms have no digits left


@dataclass(frozen=True)
class Usual:
    """What a driver is believed to be at a company before its ledger says anything.

    `typical`: the annual frequency of a company in the middle; `sd`: the standard deviation over
    companies of the logit of one chance; `unlike`: how much a company's segments differ (the
    coefficient of variation of their frequencies); `unlike_sd`: the standard deviation of its
    logarithm over companies. `is_probability`: the year's frequency is 1 - (1 - p)^chances, else
    p x chances.
    """

    typical: float
    sd: float
    unlike: float
    unlike_sd: float
    is_probability: bool

    def of_one_chance(self, power: float) -> float:
        """How likely one of `power` chances a year is to be taken, typically."""
        return float(one_chance(self.typical, power, self.is_probability))


def one_chance(annual: Any, power: float, is_probability: bool) -> Any:
    """What an annual frequency is of one of `power` chances a year, a number or an array."""
    if is_probability:
        return -np.expm1(np.log1p(-annual) / power)
    return np.minimum(annual / power, MOST_CERTAIN)


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

    def that_show(self, part: np.ndarray) -> Counts:
        """Without the chances in which another movement of the month would have hidden the event.

        part : `ndarray[segment]`, the share of the others.
        """
        return replace(self, chances=np.maximum(self.chances * part, self.events))


def counts_of(
    exposure: Exposure, driver: str, annual: np.ndarray
) -> list[tuple[np.ndarray, Counts]]:
    """The counts of the segments that learn from each other, with the numbers of these segments."""
    number = len(exposure.segments)
    if driver == "reactivation":
        away = exposure.away
        events = np.bincount(away["segment"], away["weight"] * (away["back"] > 0), number)
        chances = np.bincount(away["segment"], away["weight"], number)
        return [(np.arange(number), Counts(events, chances, exposure.a_year))]
    # at most once a year, whenever in it: the chance is the year
    if driver == "price":
        segment, weight, rose = exposure.whole_years()
        events, chances = (np.bincount(segment, each, number) for each in (weight * rose, weight))
        return [(np.arange(number), Counts(events, chances, 1.0))]

    happened = exposure.amount[driver] > 0
    part = exposure.chances(driver, annual)
    events = np.bincount(exposure.segment, exposure.weight * happened, number)
    chances = np.bincount(exposure.segment, exposure.weight * part, number)
    if driver != "churn":
        return [(np.arange(number), Counts(events, chances, exposure.a_year))]
    # one chance is a renewal of annual contracts, and a step of monthly ones: what one of them says
    # of a chance says nothing to the other
    return [
        (where, Counts(events[where], chances[where], power))
        for where, power in (
            (np.flatnonzero(annual), 1.0),
            (np.flatnonzero(~annual), exposure.a_year),
        )
        if len(where)
    ]


def posterior(counts: Counts, usual: Usual) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and standard deviation of each segment's annual frequency, and how much of it the
    segment's own events decide (0 to 1): `ndarray[segment]` each.

    The mean of one chance is own x events / chances + (1 - own) x what is typical (the credibility
    of actuaries), averaged as all else here.
    """
    power, chances = counts.power, counts.chances
    a, b, weight, _ = weighed(counts, usual)
    # of the year's 1 - (1 - p)^power: its square is 1 - 2 (1 - p)^power + (1 - p)^(2 power)
    if usual.is_probability:
        stay, square = (_moment(a, b, n * power) for n in (1, 2))
        first, second = 1 - stay, 1 - 2 * stay + square
    else:
        first = power * a / (a + b)
        second = first * power * (a + 1) / (a + b + 1)
    mean = (weight * first).sum(axis=(1, 2))
    own = (weight * chances[:, None, None] / (a + b)).sum(axis=(1, 2))
    return mean, np.sqrt(np.maximum((weight * second).sum(axis=(1, 2)) - mean**2, 0)), own


def prior_grid(
    usual: Usual, power: float, scores: np.ndarray = SCORES
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What one chance may typically be, how alike segments are, and the weights.

    `ndarray[typical, unlike]` each; how alike is the sum of the parameters of the segments' Beta.
    """
    mu = special.expit(special.logit(usual.of_one_chance(power)) + usual.sd * scores)[:, None]
    unlike = usual.unlike * np.exp(usual.unlike_sd * UNLIKE_SCORES)[None, :]
    # of a Beta with mean mu the coefficient of variation is sqrt((1 - mu) / mu / (alike + 1))
    alike = np.clip((1 - mu) / (mu * unlike**2) - 1, 0.5, MOST_ALIKE)
    prior = np.exp(-(scores[:, None] ** 2 + UNLIKE_SCORES**2) / 2)
    return np.broadcast_to(mu, alike.shape), alike, prior / prior.sum()


def weighed(counts: Counts, usual: Usual) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The Beta distributions of one chance, `ndarray[segment, typical, unlike]`, and weights.

    The fourth is `ndarray[typical]`: at how many standard deviations from what is usual.
    """
    events, chances = counts.events, counts.chances
    scores = SCORES
    for _ in range(2):  # a wide grid, and a fine one where the weight is
        at = scores
        mu, alike, prior = prior_grid(usual, counts.power, at)
        a = mu * alike + events[:, None, None]
        b = (1 - mu) * alike + (chances - events)[:, None, None]
        likely = special.betaln(a, b) - special.betaln(mu * alike, (1 - mu) * alike)
        log = np.log(prior) + likely.sum(axis=0)
        weight = np.exp(log - log.max())
        weight = weight / weight.sum()

        scores = finer(scores, weight.sum(axis=1))
    return a, b, np.broadcast_to(weight, a.shape), at


def finer(scores: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """A fine grid where on a wide one the weight is, `ndarray[61]`."""
    # five standard deviations to both sides, and two cells of the wide grid as its error
    middle = float(weight @ scores)
    reach = 5 * np.sqrt(weight @ (scores - middle) ** 2) + 2 * (scores[1] - scores[0])
    return np.linspace(max(middle - reach, scores[0]), min(middle + reach, scores[-1]), 61)


def _moment(a: np.ndarray, b: np.ndarray, power: float) -> np.ndarray:
    """E[(1 - p)^power] of a Beta."""
    return np.asarray(np.exp(special.betaln(a, b + power) - special.betaln(a, b)))
