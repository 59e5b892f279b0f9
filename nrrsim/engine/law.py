"""A scenario in, the distributions of its NRR, capped GRR and logo out, computed; never simulates.

Given one draw of the beliefs the distribution is exact (`luck`). Over the beliefs it is averaged as
its characteristic function: roughly, by three moments of luck, over thousands of even draws, and
put right by exact ones at a few random draws. What these say of the rough one is learnt on one half of
them and held against the other, so that nothing is biased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nrrsim.engine.draws import EVEN_DRAWS, SEED
from nrrsim.engine.driver_rates import Rates, draw_rates, slots_of
from nrrsim.engine.luck import Luck, Part
from nrrsim.engine.moments import odds_by_draw
from nrrsim.engine.outcomes import Computed, Odds
from nrrsim.engine.paths import compiled
from nrrsim.scenario.scenario import Scenario

MEASURES = ("nrr", "grr", "logo")
ROUGH = {"nrr": "nrr", "grr": "losses", "logo": "logo"}  # what stands for each over many draws
MOST = {"nrr": np.inf, "grr": 1.0, "logo": 1.0}
# Random draws of the beliefs whose distributions are exact: of fewer customers, more.
EXACT, EXACT_OF_FEW, FEW_CUSTOMERS = 16, 64, 300
OTHERS = 2**40  # from the seed of the even draws to that of these
BLOCKS = 32  # of even draws, whose differences tell their error
REACH, WIDTH = 8.0, 12.0  # standard deviations: 1 / the last frequency, and half of the range
TOLD = 9.0  # standard deviations to either side of the mean within which it is told
PLACES = 2**13  # of the range
ENDED = 1e-7  # of a characteristic function that may be left out
MOST_WAVES = 64.0  # of the largest customer, beyond which no frequency goes
MOST_TRANSFORMS = 400  # kinds of customers that are transformed one by one
LEAST_SD = 1e-9
NUMERICAL = 1e-6  # of probability, that the lattice and the frequencies may be off by
FOLDS = 4
ASKED = np.linspace(-4.5, 4.5, 37)  # standard deviations from the mean, where errors are told
# Standard deviations' inverses, and what skewness adds to a wave's phase, up to which three moments
# tell of the characteristic function.
CLOSE, BENT = 2.2, 0.7
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
        du = np.pi / (WIDTH * sd)
        reach, own = REACH / sd, np.sqrt(part.moments[1])
        while True:
            last = float(np.abs(part.waves(reach / du - 3, du, 3)).max())
            # given one draw of the beliefs it ends later than over all of them
            if last <= max(ENDED, 30 * np.exp(-((reach * own) ** 2) / 2)):
                return cls(mean, sd, du, int(reach / du), 0.0)
            if 2 * reach * float(part.share.max()) > MOST_WAVES:
                few = len(part.share) <= MOST_TRANSFORMS
                return None if few else cls(mean, sd, du, int(reach / du), 4 / reach)
            reach *= 2

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

    def at(self, x: np.ndarray) -> np.ndarray:
        """By what a characteristic function is multiplied, and the real parts added up, to be what
        `below` has at each x: `complex128[frequency, x]`.
        """
        turned = np.exp(-1j * np.outer(self.u, x - self.mean))
        return np.asarray(1j * turned / (np.pi * (np.arange(self.terms) + 0.5))[:, None])

    def below(self, phi: np.ndarray) -> np.ndarray:
        """The probability to come out at or below each place (Gil-Pelaez), less 1/2."""
        j = np.arange(self.terms)
        signed = phi / (j + 0.5) * np.where(j % 2, -1.0, 1.0)
        waves = np.fft.fft(signed, PLACES, axis=-1)
        k = np.arange(PLACES) - PLACES // 2
        turned = waves * np.exp(-1j * np.pi * k / PLACES)
        return np.asarray(-turned.imag[..., self._told] / np.pi)


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
        return np.asarray((self.low + np.arange(self.number)) * self.width)

    def at(self, x: np.ndarray) -> np.ndarray:
        """As `_Smooth.at`."""
        steps = np.floor(x / self.width + 1e-6) - self.low + 1
        u = self.u[1:, None]
        turned = -np.expm1(-1j * u * self.width * steps) / -np.expm1(-1j * u * self.width)
        first = np.exp(-1j * u * (self.low * self.width - self.mean))
        whole = 2 * turned * first / self.number
        return np.concatenate([steps[None] / self.number, whole])

    def below(self, phi: np.ndarray) -> np.ndarray:
        """As `_Smooth.below`."""
        masses = np.fft.irfft((phi * np.exp(1j * self.u * self.mean)).conj(), self.number, axis=-1)
        return np.asarray(
            np.cumsum(np.roll(masses, -(self.low % self.number), axis=-1), axis=-1) - 0.5
        )


def _frequencies(
    part: Part, measure: str, mean: float, sd: float, luck: Luck
) -> _Smooth | _Stepped:
    if measure == "logo":
        n = int(part.number.sum())
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
        self.scenario = scenario
        self.certain = not slots_of(scenario)
        if exact is None:
            exact = EXACT if len(book.arr) > FEW_CUSTOMERS else EXACT_OF_FEW
        count = 1 if self.certain else exact
        self.luck = Luck(scenario, count)
        self.few = draw_rates(scenario, book, count=count, seed=seed + OTHERS)
        self.given = [self.luck.given(self.few.part(n, n + 1)) for n in range(count)]
        if not self.certain:
            self.many = draw_rates(scenario, book, count=EVEN_DRAWS, seed=seed, quasi=True)

    def computed(self, measure: str) -> Computed:
        parts = [each.part(measure) for each in self.given]
        if self.certain:
            mean, variance, _ = parts[0].moments
            if variance <= LEAST_SD**2:
                return _sure(mean)
            waves = _frequencies(parts[0], measure, mean, float(np.sqrt(variance)), self.luck)
            below = waves.below(waves.phi(parts[0]))
            return _told(waves, below, mean, float(np.sqrt(variance)), measure, None)
        return self._over_beliefs(parts, measure)

    def _over_beliefs(self, parts: Sequence[Part], measure: str) -> Computed:
        odds = odds_by_draw(self.scenario, ROUGH[measure])
        few, many = odds(self.few), odds(self.many)
        number = len(parts)
        folds = [np.arange(number) % FOLDS == fold for fold in range(FOLDS)]
        own = np.array([each.moments for each in parts])
        means = [(few.mean, many.mean)] * FOLDS
        mean, spread = many.expected, many.spread
        if measure == "grr":
            known, at = (
                np.column_stack([np.ones(len(each.mean)), each.mean, *made_good(self, rates)])
                for each, rates in ((few, self.few), (many, self.many))
            )
            told = [np.linalg.lstsq(known[~fold], own[~fold, 0], rcond=None)[0] for fold in folds]
            means = [(known @ each, at @ each) for each in told]
            mean = float(np.mean([after.mean() for _, after in means])) + float(
                np.mean([(own[f, 0] - m[f]).mean() for f, (m, _) in zip(folds, means, strict=True)])
            )
            spread = float(np.sqrt(own[:, 1].mean() + own[:, 0].var()))
        if spread <= LEAST_SD:
            return _sure(mean)

        waves = _frequencies(parts[0], measure, mean, spread, self.luck)
        u = waves.u
        there = int(min(len(u), REACH / spread / waves.du))
        exact = np.array([waves.phi(each) for each in parts])
        if isinstance(waves, _Stepped) and measure == "logo" and there < len(u) // 2:
            exact[:, there:] = 0.0  # over the beliefs it has ended
        bent = float(np.abs(few.skewness).mean())
        at = u[:there] * float(few.sd.mean())
        close = int(((at <= CLOSE) & (at**3 * bent / 6 <= BENT)).sum())

        # by the rough function of each draw, times what the other folds say of it
        left = exact.copy()
        whole = np.zeros((BLOCKS, len(u)), complex)
        features = _features(few, many), _features(many, many)
        for fold, (known, told) in zip(folds, means, strict=True):
            rough = _waves_of(known - mean, few, u[:there], close)
            design = (rough[~fold, :, None] * features[0][~fold, None, :]).transpose(1, 0, 2)
            factor = np.linalg.pinv(design) @ exact[~fold, :there].T[..., None]
            left[fold, :there] -= rough[fold] * (features[0][fold] @ factor[..., 0].T)
            sums = np.zeros((BLOCKS, features[1].shape[1], there), complex)
            for block, each in enumerate(sums):
                mine = slice(block * len(told) // BLOCKS, (block + 1) * len(told) // BLOCKS)
                _add_waves(
                    told[mine] - mean, many.sd[mine], many.skewness[mine], features[1][mine],
                    u[0], waves.du, close, each,
                )  # fmt: skip
            sums *= BLOCKS / len(told)
            whole[:, :there] += fold.mean() * np.einsum("bcj,jc->bj", sums, factor[..., 0])
        below = waves.below(left.mean(axis=0) + whole.mean(axis=0))
        x = mean + spread * ASKED
        at_x = waves.at(x)
        of_few = (left @ at_x).real.std(axis=0, ddof=1) / np.sqrt(number)
        error = np.hypot(of_few, _error_of_even((whole @ at_x).real))
        error = np.interp(waves.places, x, error, 0.0, 0.0)
        return _told(waves, below, mean, None if measure == "grr" else spread, measure, error)


def _error_of_even(blocks: np.ndarray) -> np.ndarray:
    """The standard error of the mean of `ndarray[block, x]`, each of as many even draws: of fewer
    and larger blocks it falls faster than of random ones, and on to that of all.
    """
    sizes = [blocks.reshape(n, -1, blocks.shape[1]).mean(axis=1) for n in (BLOCKS, BLOCKS // 4)]
    spread = [each.std(axis=0, ddof=1) for each in sizes]
    small, large = (float(np.sqrt((each**2).mean())) for each in spread)
    falls = np.clip(large / small if small else 0.5, 0.125, 0.5)  # fourfold draws
    return np.asarray(spread[1] * falls ** (np.log(BLOCKS // 4) / np.log(4)))


def made_good(over: _Over, rates: Rates) -> list[np.ndarray]:
    """About how much of what is lost other events make good, so that capped GRR does not show it:
    by more revenue, and by price, `ndarray[draw]` of each.
    """
    book = over.scenario.opening
    share = np.bincount(book.segment, book.arr, len(book.segments)) / book.total
    years = over.scenario.months / 12
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
    )
    return np.stack(columns, axis=1)


def _waves_of(mean: np.ndarray, odds: Odds, u: np.ndarray, close: int) -> np.ndarray:
    """The characteristic function of each draw by its three moments, as far as they tell of it: at
    the first `close` frequencies; beyond, by the mean alone. `complex128[draw, frequency]`.
    """
    at = odds.sd[:, None] * np.where(np.arange(len(u)) < close, u, 0.0)
    bent = at**2 / 2 + 1j * at**3 * odds.skewness[:, None] / 6
    return np.asarray(np.exp(1j * mean[:, None] * u - bent))


@compiled
def _add_waves(mean, sd, skewness, features, first, du, close, out):  # type: ignore[no-untyped-def]
    """The sum over draws of `_waves_of`, times each feature: added to `out`, `complex128[feature,
    frequency]`. The exponent is a cubic of the frequency: each wave follows from those before it.
    """
    u0, u1, u2, u3 = first, first + du, first + 2 * du, first + 3 * du
    for d in range(mean.size):
        m, v, t = mean[d], sd[d] * sd[d] / 2, sd[d] * sd[d] * sd[d] * skewness[d] / 6
        p0 = complex(-v * u0 * u0, m * u0 - t * u0 * u0 * u0)
        p1 = complex(-v * u1 * u1, m * u1 - t * u1 * u1 * u1)
        p2 = complex(-v * u2 * u2, m * u2 - t * u2 * u2 * u2)
        p3 = complex(-v * u3 * u3, m * u3 - t * u3 * u3 * u3)
        wave, once = np.exp(p0), np.exp(p1 - p0)
        twice, thrice = np.exp(p2 - 2 * p1 + p0), np.exp(p3 - 3 * p2 + 3 * p1 - p0)
        for j in range(min(close, out.shape[1])):
            for c in range(out.shape[0]):
                out[c, j] += features[d, c] * wave
            wave *= once
            once *= twice
            twice *= thrice
        wave, once = np.exp(complex(0.0, m * (first + close * du))), np.exp(complex(0.0, m * du))
        for j in range(close, out.shape[1]):
            for c in range(out.shape[0]):
                out[c, j] += features[d, c] * wave
            wave *= once


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
) -> Computed:
    """The distribution, monotone: what is off of that is noise of rounding and of the lattice."""
    below = below + 0.5
    up = np.maximum.accumulate(below)
    down = np.minimum.accumulate(below[::-1])[::-1]
    below = np.clip((up + down) / 2, 0.0, 1.0)
    places, near = waves.places, 0.0 if isinstance(waves, _Stepped) else 3 * waves.blur
    if sd is None:
        middle, masses = (places[1:] + places[:-1]) / 2, np.diff(below)
        sd = float(np.sqrt(max(masses @ (middle - mean) ** 2 / masses.sum(), 0.0)))
    if measure == "logo":  # a point of mass at each place
        places = np.repeat(places, 2)
        places[::2] -= 5e-10
        below = np.append(0.0, np.repeat(below, 2)[:-1])
        error = None if error is None else np.append(0.0, np.repeat(error, 2)[:-1])
    elif isinstance(waves, _Stepped):
        places, near = places + waves.width / 2, 3 * waves.width
    slope = np.interp((0.05, 0.25, 0.5, 0.75, 0.95), below, np.arange(len(below)))
    p_error = NUMERICAL + (0.0 if error is None else np.interp(slope, np.arange(len(below)), error))
    density = np.array([0.103, 0.318, 0.399, 0.318, 0.103]) / sd
    off = float((p_error / density).max())
    return Computed(
        np.clip(places, 0.0, MOST[measure]), below, mean, sd, max(off, near), near or 1e-9, error
    )
