"""A scenario in, the distributions of its NRR, capped GRR and logo out, computed; never simulates.

Given one draw of the beliefs the distribution is exact (`luck`). Over the beliefs it is averaged as
its characteristic function: roughly, by three moments of luck, over thousands of even draws, and put
right by exact ones at a few random draws. What these say of the rough one is learnt on one half of
them and held against the other, so that nothing is biased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nrrsim.engine.draws import EVEN_DRAWS, SEED
from nrrsim.engine.driver_rates import draw_rates, slots_of
from nrrsim.engine.luck import Luck, Part
from nrrsim.engine.moments import odds_by_draw
from nrrsim.engine.outcomes import Computed, Odds
from nrrsim.engine.paths import compiled
from nrrsim.scenario.scenario import Scenario

MEASURES = ("nrr", "grr", "logo")
ROUGH = {"nrr": "nrr", "grr": "losses", "logo": "logo"}  # what stands for each over many draws
MOST = {"nrr": np.inf, "grr": 1.0, "logo": 1.0}
EXACT = 16  # random draws of the beliefs whose distributions are exact
OTHERS = 2**40  # from the seed of the even draws to that of these
BLOCKS = 8  # of even draws, whose differences tell their error
REACH, WIDTH = 8.0, 12.0  # standard deviations: 1 / the last frequency, and half of the range
TOLD = 9.0  # standard deviations to either side of the mean within which it is told
PLACES = 2**13  # of the range
ENDED = 1e-9  # of a characteristic function that may be left out
MOST_WAVES = 64.0  # of the largest customer, beyond which no frequency goes
LEAST_SD = 1e-9
NUMERICAL = 1e-6  # of probability, that the lattice and the frequencies may be off by
SEEN = 1e-4  # of a rough characteristic function that says something of the exact one


@dataclass(frozen=True)
class Law:
    """How NRR, capped GRR and logo may turn out after a scenario's last month."""

    nrr: Computed
    grr: Computed
    logo: Computed


def law_of(scenario: Scenario, seed: int = SEED, exact: int = EXACT) -> Law | None:
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
    """The frequencies of many customers: (j + 1/2) du, j below `terms`."""

    mean: float
    sd: float
    du: float
    terms: int

    @classmethod
    def of(cls, mean: float, sd: float, part: Part) -> _Smooth:
        """So far that the characteristic function has ended, or the largest customer's waves have
        become too many.
        """
        du = np.pi / (WIDTH * sd)
        most = max(MOST_WAVES / float(part.share.max()), REACH / sd)
        reach = REACH / sd
        while reach < most and np.abs(part.waves(reach / du - 3, du, 3)).max() > ENDED:
            reach *= 2
        return cls(mean, sd, du, int(reach / du))

    @property
    def u(self) -> np.ndarray:
        return np.asarray((np.arange(self.terms) + 0.5) * self.du)

    def phi(self, part: Part) -> np.ndarray:
        """About the mean."""
        return part.waves(0.5, self.du, self.terms) * np.exp(-1j * self.u * self.mean)

    @property
    def places(self) -> np.ndarray:
        at = (np.arange(PLACES) - PLACES // 2) * 2 * np.pi / (self.du * PLACES)
        return np.asarray(self.mean + at[self._told])

    @property
    def _told(self) -> slice:
        half = int(PLACES * TOLD / (2 * WIDTH))
        return slice(PLACES // 2 - half, PLACES // 2 + half + 1)

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

    def below(self, phi: np.ndarray) -> np.ndarray:
        """As `_Smooth.below`."""
        masses = np.fft.irfft(phi * np.exp(1j * self.u * self.mean), self.number, axis=-1)
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
    if luck.few:
        low = max(mean - 14 * sd, 0.0)
        width = (mean + 14 * sd - low) / luck.places
        return _Stepped(mean, sd, width, luck.places, int(low / width) - 8)
    return _Smooth.of(mean, sd, part)


class _Over:
    """The draws of a scenario's beliefs, and what is exact of some of them."""

    def __init__(self, scenario: Scenario, seed: int, exact: int) -> None:
        book = scenario.opening
        self.scenario = scenario
        self.certain = not slots_of(scenario)
        count = 1 if self.certain else exact
        self.luck = Luck(scenario, count)
        self.few = draw_rates(scenario, book, count=count, seed=seed + OTHERS)
        self.many = draw_rates(scenario, book, count=EVEN_DRAWS, seed=seed, quasi=True)
        self.given = [self.luck.given(self.few.part(n, n + 1)) for n in range(count)]

    def computed(self, measure: str) -> Computed:
        parts = [each.part(measure) for each in self.given]
        if self.certain:
            mean, variance, _ = parts[0].moments
            if variance <= LEAST_SD**2:
                return _sure(mean)
            waves = _frequencies(parts[0], measure, mean, np.sqrt(variance), self.luck)
            below = waves.below(waves.phi(parts[0]))
            return _told(waves, below, mean, float(np.sqrt(variance)), measure, None)
        of = odds_by_draw(self.scenario, ROUGH[measure])
        return _over_beliefs(parts, of(self.few), of(self.many), measure, self.luck)


def _over_beliefs(
    parts: Sequence[Part], few: Odds, many: Odds, measure: str, luck: Luck
) -> Computed:
    moments = np.array([each.moments for each in parts])
    at, known = _features(many, many), _features(few, many)
    halves = np.arange(len(parts)) % 2 == 0
    mean, spread = many.expected, many.spread
    if measure == "grr":  # what stands for it is off by something, which is learnt
        off = moments[:, 0] - few.mean
        for half in (halves, ~halves):
            told = np.linalg.lstsq(known[~half], off[~half], rcond=None)[0]
            mean += 0.5 * float((at @ told).mean() + (off[half] - known[half] @ told).mean())
        spread = float(np.sqrt(moments[:, 1].mean() + moments[:, 0].var()))
    if spread <= LEAST_SD:
        return _sure(mean)
    waves = _frequencies(parts[0], measure, mean, spread, luck)
    u = waves.u
    there = int(min(len(u), REACH / spread / waves.du))
    exact = np.array([waves.phi(each) for each in parts])
    rough = np.zeros_like(exact)
    rough[:, :there] = _waves_of(few, mean, u[:there])
    seen = np.abs(rough).max(axis=0) > SEEN

    # of every block of even draws: the sums of the rough functions, times each feature
    sums = np.zeros((BLOCKS, at.shape[1], len(u)), complex)
    for block in range(BLOCKS):
        mine = slice(block * len(at) // BLOCKS, (block + 1) * len(at) // BLOCKS)
        _add_waves(
            many.mean[mine] - mean, many.sd[mine], many.skewness[mine], at[mine],
            u[0], waves.du, sums[block, :, :there],
        )  # fmt: skip
    sums *= BLOCKS / len(at)

    left, whole = exact.copy(), np.zeros((BLOCKS, len(u)), complex)
    for half in (halves, ~halves):
        # by how much the rough function is to be multiplied, as the other half tells
        design = (rough[~half, :, None] * known[~half, None, :]).transpose(1, 0, 2)
        factor = np.zeros((len(u), at.shape[1]), complex)
        factor[seen] = (np.linalg.pinv(design[seen]) @ exact[~half].T[seen][..., None])[..., 0]
        left[half] -= rough[half] * (known[half] @ factor.T)
        whole += 0.5 * np.einsum("bcj,jc->bj", sums, factor)
    below = waves.below(left.mean(axis=0) + whole.mean(axis=0))
    of_few = waves.below(left).std(axis=0, ddof=1) / np.sqrt(len(parts))
    of_many = waves.below(whole).std(axis=0, ddof=1) / np.sqrt(BLOCKS)
    error = np.sqrt(of_few**2 + of_many**2)
    sd = None if measure == "grr" else spread
    return _told(waves, below, mean, sd, measure, error)


def _features(odds: Odds, among: Odds) -> np.ndarray:
    """What is known of each draw: `ndarray[draw, feature]`."""
    spread = max(among.spread, LEAST_SD)
    usual = max(float(among.sd.mean()), LEAST_SD)
    columns = (
        np.ones(len(odds.mean)),
        (odds.mean - among.expected) / spread,
        np.log(np.maximum(odds.sd, LEAST_SD) / usual),
        odds.skewness - among.skewness.mean(),
    )
    return np.stack(columns, axis=1)


def _waves_of(odds: Odds, mean: float, u: np.ndarray) -> np.ndarray:
    """Of each draw, by its three moments: `complex128[draw, frequency]`."""
    at = odds.sd[:, None] * u
    return np.asarray(
        np.exp(
            1j * (odds.mean - mean)[:, None] * u
            - at**2 / 2
            - 1j * at**3 * odds.skewness[:, None] / 6
        )
    )


@compiled
def _add_waves(mean, sd, skewness, features, first, du, out):  # type: ignore[no-untyped-def]
    """The sum over draws of `_waves_of`, times each feature: added to `out`, `complex128[feature,
    frequency]`. The exponent is a cubic of the frequency: each wave follows from those before it.
    """
    for d in range(mean.size):
        m, v, t = mean[d], sd[d] * sd[d] / 2, sd[d] * sd[d] * sd[d] * skewness[d] / 6
        u0, u1, u2, u3 = first, first + du, first + 2 * du, first + 3 * du
        p0 = complex(-v * u0 * u0, m * u0 - t * u0 * u0 * u0)
        p1 = complex(-v * u1 * u1, m * u1 - t * u1 * u1 * u1)
        p2 = complex(-v * u2 * u2, m * u2 - t * u2 * u2 * u2)
        p3 = complex(-v * u3 * u3, m * u3 - t * u3 * u3 * u3)
        wave, once = np.exp(p0), np.exp(p1 - p0)
        twice, thrice = np.exp(p2 - 2 * p1 + p0), np.exp(p3 - 3 * p2 + 3 * p1 - p0)
        for j in range(out.shape[1]):
            for c in range(out.shape[0]):
                out[c, j] += features[d, c] * wave
            wave *= once
            once *= twice
            twice *= thrice


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
    places, near = waves.places, 0.0
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
