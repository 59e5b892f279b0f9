"""A scenario in, the distributions of its NRR, capped GRR and logo out, computed; never simulates.

Given one draw of the beliefs the distribution is exact (`luck`). Over the beliefs it is averaged:
exactly over a few random draws, and put right by what thousands of even draws say of these few. Of
each even draw the distribution has the shape of the exact ones, by its three moments of luck; each
exact one is held against a shape that was learnt from others, so that nothing is biased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from nrrsim.engine.draws import EVEN_DRAWS, SEED
from nrrsim.engine.driver_rates import Rates, draw_rates
from nrrsim.engine.luck import Luck, Part
from nrrsim.engine.moments import odds_by_draw
from nrrsim.engine.outcomes import TO_THE_BIT, Computed, Odds
from nrrsim.engine.paths import compiled
from nrrsim.scenario.scenario import Scenario

MEASURES = ("nrr", "grr", "logo")
ROUGH = {"nrr": "nrr", "grr": "losses", "logo": "logo"}  # what stands for each over many draws
MOST = {"nrr": np.inf, "grr": 1.0, "logo": 1.0}
# Random draws of the beliefs whose distributions are exact: of fewer customers, more.
EXACT, EXACT_OF_FEW, FEW_CUSTOMERS = 16, 32, 300
OTHERS = 2**40  # from the seed of the even draws to that of these
BLOCKS = 32  # of even draws, whose differences tell their error
REACH, WIDTH = 8.0, 12.0  # standard deviations: 1 / the last frequency, and half of the range
TOLD = 9.0  # standard deviations to either side of the mean within which it is told
PLACES = 2**13  # of the range
ENDED = 1e-7  # of a characteristic function that may be left out
MOST_WAVES = 64.0  # of the largest customer, beyond which no frequency goes
MOST_TRANSFORMS = 400  # kinds of customers that are transformed one by one
MANY_LEAVE = 8  # standard deviations of their number: beyond, steps are small
LEAST_SD = 1e-9
STANDS_APART = 0.005  # of probability: at one place, a point of mass
NUMERICAL = 1e-6  # of probability, that the lattice and the frequencies may be off by
FOLDS = 4
ZS = np.linspace(-7.0, 7.0, 141)  # of an exact distribution's own standard deviations
ASKED = np.sinh(np.linspace(-1.6, 1.6, 49)) * 2.5  # of all, from the mean
SPAN = 14.0  # standard deviations to either side, of places that few customers' points lie among


@dataclass(frozen=True)
class Law:
    """How NRR, capped GRR and logo may turn out after a scenario's last month."""

    nrr: Computed
    grr: Computed
    logo: Computed


def law_of(scenario: Scenario, seed: int = SEED, exact: int | None = None) -> Law | None:
    """How NRR, capped GRR and logo may turn out after the scenario's last month; None where
    accounts differ from their segment (the law does not follow them yet).

    seed : of the draws of the beliefs; the same seed gives the same bits. exact : how many of them
        are exact.
    """
    if scenario.opening.differ:
        return None
    over = _Over(scenario, seed, exact)
    return Law(*map(over.computed, MEASURES))


def nrr_over(scenario: Scenario, months: Sequence[int], seed: int = SEED) -> list[Computed]:
    """How NRR may turn out after each of `months` (for a fan), the last as `law_of` has it."""
    law = law_of(scenario, seed)
    assert law is not None
    return [law.nrr] * len(months)


@dataclass(frozen=True)
class _Smooth:
    """The frequencies of many customers: (j + 1/2) du, j below `terms`.

    blur : the standard deviation by which what has not ended there is smoothed.
    """

    mean: float
    sd: float
    du: float
    terms: int
    blur: float

    @classmethod
    def of(cls, mean: float, sd: float, part: Part) -> _Smooth | None:
        """So far that the characteristic function has ended, or the largest customer's waves have
        become too many; None where a few points of mass stand apart.
        """
        if part.is_stepped:
            return None
        du, terms = cls.reach_of(part, sd)
        reach = du * terms
        while True:
            if part.last_waves(reach) <= ENDED:
                return cls(mean, sd, du, int(reach / du), 0.0)
            if 2 * reach * float(part.share.max()) > MOST_WAVES:
                few = len(part.share) <= MOST_TRANSFORMS
                return None if few else cls(mean, sd, du, int(reach / du), 4 / reach)
            reach *= 2

    @staticmethod
    def reach_of(part: Part, sd: float) -> tuple[float, int]:
        """How far frequencies lie apart, and how many there are, where luck alone ends them."""
        own = max(float(np.sqrt(part.moments[:, 1].min())), LEAST_SD)
        du = np.pi / (WIDTH * sd)
        return du, int(REACH / min(sd, own) / du)

    @property
    def u(self) -> np.ndarray:
        return np.asarray((np.arange(self.terms) + 0.5) * self.du)

    def phi(self, part: Part) -> np.ndarray:
        """About the mean."""
        u = self.u
        about = np.exp(-1j * u * self.mean - (u * self.blur) ** 2 / 2)
        return part.waves(0.5, self.du, self.terms) * about

    @property
    def places(self) -> np.ndarray:
        at = (np.arange(PLACES) - PLACES // 2) * 2 * np.pi / (self.du * PLACES)
        return np.asarray(self.mean + at[self._told])

    @property
    def _told(self) -> slice:
        half = int(PLACES * TOLD / (2 * WIDTH))
        return slice(PLACES // 2 - half, PLACES // 2 + half + 1)

    def below(self, phi: np.ndarray) -> np.ndarray:
        """The probability to come out at or below each place (Gil-Pelaez)."""
        j = np.arange(self.terms)
        signed = phi / (j + 0.5) * np.where(j % 2, -1.0, 1.0)
        waves = np.fft.fft(signed, PLACES)
        k = np.arange(PLACES) - PLACES // 2
        turned = waves * np.exp(-1j * np.pi * k / PLACES)
        return np.asarray(0.5 - turned.imag[self._told] / np.pi)


@dataclass(frozen=True)
class _Stepped:
    """The frequencies of few customers, or of their number: a transform over places of NRR that
    are `width` apart, told from number `low` on.
    """

    mean: float
    sd: float
    width: float
    number: int
    low: int

    @property
    def u(self) -> np.ndarray:
        return np.asarray(np.arange(self.number // 2 + 1) * 2 * np.pi / (self.number * self.width))

    @property
    def du(self) -> float:
        return 2 * np.pi / (self.number * self.width)

    def phi(self, part: Part) -> np.ndarray:
        there = part.transforms(self.width, self.number)
        return there * np.exp(-1j * self.u * self.mean)

    @property
    def places(self) -> np.ndarray:
        return np.asarray((self.low + np.arange(self.number) + 0.5) * self.width)

    def below(self, phi: np.ndarray) -> np.ndarray:
        """As `_Smooth.below`."""
        masses = np.fft.irfft((phi * np.exp(1j * self.u * self.mean)).conj(), self.number)
        return np.asarray(np.cumsum(np.roll(masses, -(self.low % self.number))))


def _frequencies(
    part: Part, measure: str, mean: float, sd: float, luck: Luck
) -> _Smooth | _Stepped:
    if measure == "logo":
        n = int(part.number.sum())
        if np.sqrt(part.moments[:, 1].min()) * n > MANY_LEAVE:
            return _Smooth(mean, sd, *_Smooth.reach_of(part, sd), 0.0)
        number = 1 << int(min(n + 2, 2 * WIDTH * sd * n + 64)).bit_length()
        return _Stepped(mean, sd, 1 / n, number, max(0, int(mean * n) - number // 2))
    smooth = _Smooth.of(mean, sd, part)
    if smooth is not None:
        return smooth
    low = max(mean - SPAN * sd, 0.0)
    width = (mean + SPAN * sd - low) / luck.places
    return _Stepped(mean, sd, width, luck.places, int(low / width) - 8)


class _Over:
    """The draws of a scenario's beliefs, and what is exact of some of them."""

    def __init__(self, scenario: Scenario, seed: int, exact: int | None) -> None:
        book = scenario.opening
        self.scenario, self.customers = scenario, len(book.arr)
        if exact is None:
            exact = EXACT if len(book.arr) > FEW_CUSTOMERS else EXACT_OF_FEW
        self.few = draw_rates(scenario, book, count=exact, seed=seed + OTHERS)
        self.luck = Luck(scenario, self.few)
        self.many = draw_rates(scenario, book, count=EVEN_DRAWS, seed=seed, quasi=True)

    def computed(self, measure: str) -> Computed:
        part = self.luck.part(measure)
        if self.few.draws > 1:
            return self._over_beliefs(part, measure)
        mean, variance, _ = part.moments[0].tolist()
        sd = float(np.sqrt(variance))
        if sd <= LEAST_SD:
            return _sure(mean)
        waves = _frequencies(part, measure, mean, sd, self.luck)
        return _told(
            waves, waves.below(waves.phi(part)[0]), mean, sd, measure, None, self.customers
        )

    def _over_beliefs(self, part: Part, measure: str) -> Computed:
        odds = odds_by_draw(self.scenario, ROUGH[measure])
        few, many = odds(self.few), odds(self.many)
        number, own = self.few.draws, part.moments
        fold = np.arange(number) % FOLDS
        mean, spread = many.expected, many.spread
        where = [(few, many)] * FOLDS
        if measure == "grr":
            where = [self._moved(few, many, own, fold != each) for each in range(FOLDS)]
            off = [
                (own[fold == n, 0] - each.mean[fold == n]).mean()
                for n, (each, _) in enumerate(where)
            ]
            mean = float(np.mean([each.expected for _, each in where]) + np.mean(off))
            spread = float(np.sqrt(own[:, 1].mean() + own[:, 0].var()))
        if spread <= LEAST_SD:
            return _sure(mean)

        waves = _frequencies(part, measure, mean, spread, self.luck)
        below = np.array([waves.below(each) for each in waves.phi(part)])
        x = mean + spread * ASKED
        at_x = np.array([np.interp(x, waves.places, each, 0.0, 1.0) for each in below])
        rough, even = np.empty_like(at_x), np.zeros((BLOCKS, len(x)))
        shapes = []
        for n, (some, _) in enumerate(where):
            # what the exact distributions of the other folds look like, by their moments
            mine, known = fold == n, _features(some, many)
            z = some.mean[:, None] + some.sd[:, None] * ZS
            seen = np.array(
                [
                    np.interp(at, waves.places, each, 0.0, 1.0)
                    for at, each in zip(z[~mine], below[~mine], strict=True)
                ]
            )
            left = seen - _edgeworth(some.skewness[~mine, None])
            shape = np.linalg.lstsq(known[~mine], left, rcond=None)[0]
            shape[0] += _edgeworth(many.skewness.mean())
            shape[-1] += _edgeworth(1.0) - _edgeworth(0.0)
            rough[mine] = [
                _mean_below(some, known, shape, x, e, e + 1) for e in np.flatnonzero(mine)
            ]
            shapes.append(shape)
        # the even draws of each fold are the same ones, unless where they are was learnt, too
        of_all = where if measure == "grr" else where[:1]
        for n, (_, each) in enumerate(of_all):
            shape = shapes[n] if measure == "grr" else np.mean(shapes, axis=0)
            known = _features(each, many)
            size = len(known) // BLOCKS
            for block, out in enumerate(even):
                of = block * size, (block + 1) * size
                out += _mean_below(each, known, shape, x, *of) / len(of_all)
        left = at_x - rough
        put_right = even.mean(axis=0) - rough.mean(axis=0)
        error = np.hypot(left.std(axis=0, ddof=1) / np.sqrt(number), _error_of_even(even))
        whole = below.mean(axis=0) + np.interp(waves.places, x, put_right, 0.0, 0.0)
        error = np.interp(waves.places, x, error, 0.0, 0.0)
        return _told(
            waves, whole, mean, None if measure == "grr" else spread, measure, error, self.customers
        )

    def _moved(
        self, few: Odds, many: Odds, own: np.ndarray, others: np.ndarray
    ) -> tuple[Odds, Odds]:
        """What would be left if nothing grew, moved to where capped GRR is: as the exact draws of
        the other folds have it.
        """
        known, at = (
            np.column_stack([np.ones(len(each.mean)), each.mean, *self._made_good(rates)])
            for each, rates in ((few, self.few), (many, self.many))
        )
        told = np.linalg.lstsq(known[others], own[others, 0], rcond=None)[0]
        wider = float((np.sqrt(own[others, 1]) / np.maximum(few.sd[others], LEAST_SD)).mean())
        return (
            Odds(known @ told, few.sd * wider, few.skewness),
            Odds(at @ told, many.sd * wider, many.skewness),
        )

    def _made_good(self, rates: Rates) -> list[np.ndarray]:
        """About how much of what is lost other events make good, so that capped GRR does not show
        it: by more revenue, and by price, `ndarray[draw]` of each.
        """
        book = self.scenario.opening
        share = np.bincount(book.segment, book.arr, len(book.segments)) / book.total
        years = self.scenario.months / 12
        kept = (1 - np.minimum(rates.churn.mean(axis=2), 1.0)) ** years
        lost = kept * share * rates.contraction * years
        gained = -np.expm1(-(rates.adoption + rates.cross_sell) * years)
        return [
            (lost * rates.contraction_size * gained).sum(axis=1),
            (lost * rates.acceptance * np.minimum(rates.uplift, 1.0)).sum(axis=1),
        ]


def _features(odds: Odds, among: Odds) -> np.ndarray:
    """What is known of each draw: `ndarray[draw, feature]`."""
    usual = max(float(among.sd.mean()), LEAST_SD)
    columns = (
        np.ones(len(odds.mean)),
        (odds.mean - among.expected) / max(among.spread, LEAST_SD),
        np.log(np.maximum(odds.sd, LEAST_SD) / usual),
        odds.skewness - among.skewness.mean(),
    )
    return np.stack(columns, axis=1)


def _edgeworth(skewness: Any) -> np.ndarray:
    """The probability to come out at or below each of ZS standard deviations from the mean, by
    three moments.
    """
    bell = np.exp(-(ZS**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(special.ndtr(ZS) - bell * skewness * (ZS**2 - 1) / 6)


def _mean_below(
    odds: Odds, features: np.ndarray, shape: np.ndarray, x: np.ndarray, first: int, last: int
) -> np.ndarray:
    """The probability to come out at or below each x, on average over the draws from `first` to
    `last`: by the shape, `ndarray[feature, z]`, that each one's features say it has.
    """
    of, out = slice(first, last), np.zeros(len(x))
    sd = np.maximum(odds.sd[of], LEAST_SD)
    _look_up(odds.mean[of], sd, features[of], shape, x, ZS[0], ZS[1] - ZS[0], out)
    return out / (last - first)


@compiled
def _look_up(mean, sd, features, shape, x, first, step, out):  # type: ignore[no-untyped-def]
    """The sum over draws of `_mean_below`, added to `out`, `ndarray[x]`."""
    last = shape.shape[1] - 1
    for d in range(mean.size):
        for i in range(x.size):
            at = ((x[i] - mean[d]) / sd[d] - first) / step
            if at >= last:
                out[i] += 1.0
            elif at > 0.0:
                k = np.int64(at)
                f = at - k
                for c in range(features.shape[1]):
                    out[i] += features[d, c] * ((1.0 - f) * shape[c, k] + f * shape[c, k + 1])


def _error_of_even(blocks: np.ndarray) -> np.ndarray:
    """The standard error of the mean of `ndarray[block, x]`, each of as many even draws: of fewer
    and larger blocks it falls faster than of random ones, and on to that of all.
    """
    sizes = [blocks.reshape(n, -1, blocks.shape[1]).mean(axis=1) for n in (BLOCKS, BLOCKS // 4)]
    spread = [each.std(axis=0, ddof=1) for each in sizes]
    small, large = (float(np.sqrt((each**2).mean())) for each in spread)
    falls = np.clip(large / small if small else 0.5, 0.125, 0.5)  # fourfold draws
    return np.asarray(spread[1] * falls ** (np.log(BLOCKS // 4) / np.log(4)))


def _sure(value: float) -> Computed:
    """What is certain."""
    return Computed(np.array([value, value]), np.array([0.0, 1.0]), value, 0.0, 0.0)


def _told(
    waves: _Smooth | _Stepped,
    below: np.ndarray,
    mean: float,
    sd: float | None,
    measure: str,
    error: np.ndarray | None,
    customers: int,
) -> Computed:
    """The distribution, monotone: what is off of that is noise of rounding and of the lattice."""
    up = np.maximum.accumulate(below)
    down = np.minimum.accumulate(below[::-1])[::-1]
    below = np.clip((up + down) / 2, 0.0, 1.0)
    places, near = waves.places, 0.0 if isinstance(waves, _Stepped) else 3 * waves.blur
    if sd is None:
        middle, masses = (places[1:] + places[:-1]) / 2, np.diff(below)
        sd = float(np.sqrt(max(masses @ (middle - mean) ** 2 / masses.sum(), 0.0)))
    if measure == "logo":  # a point of mass at each whole number of customers
        told = np.arange(np.ceil(places[0] * customers), np.floor(places[-1] * customers))
        at = (told + 0.5) / customers
        below, error = (
            None if each is None else np.repeat(np.interp(at, places, each), 2)
            for each in (below, error)
        )
        below[1:] = below[:-1].copy()
        below[0] = 0.0
        places = np.repeat(told / customers, 2)
        places[::2] -= TO_THE_BIT / 2
    elif isinstance(waves, _Stepped):
        near = 3 * waves.width
    slope = np.interp((0.05, 0.25, 0.5, 0.75, 0.95), below, np.arange(len(below)))
    p_error = NUMERICAL + (0.0 if error is None else np.interp(slope, np.arange(len(below)), error))
    density = np.array([0.103, 0.318, 0.399, 0.318, 0.103]) / sd
    off = float((p_error / density).max())
    if np.diff(below).max() > STANDS_APART:
        off = max(off, near)
    return Computed(np.clip(places, 0.0, MOST[measure]), below, mean, sd, off, near, error)
