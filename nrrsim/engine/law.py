"""A scenario in, the distributions of its NRR, capped GRR and logo out, computed; never simulates.

Given one draw of the beliefs the distribution is exact (`luck`). Over the beliefs it is averaged:
exactly over a few random draws, and put right by what thousands of even draws say of these few. Of
each even draw the distribution has the shape of the exact ones, by its three moments of luck; each
exact one is held against a shape that was learnt from others, so that nothing is biased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np

from nrrsim import special
from nrrsim.engine.draws import EVEN_DRAWS, SEED, checked_place, scores, tied
from nrrsim.engine.driver_rates import Rates, draw_rates, rates_at, slots_of
from nrrsim.engine.levels import even_draws
from nrrsim.engine.luck import MOST_APART, Luck, Part, lagrange
from nrrsim.engine.moments import odds_after, odds_by_draw
from nrrsim.engine.outcomes import Computed, Distribution, Odds
from nrrsim.engine.paths import compiled
from nrrsim.scenario.outlook import MOST, TO_THE_BIT
from nrrsim.scenario.scenario import Scenario

ROUGH = {"nrr": "nrr", "grr": "losses", "logo": "logo"}  # what stands for each over many draws
# Random draws of the beliefs whose distributions are exact: of fewer customers, more.
EXACT, EXACT_OF_FEW, FEW_CUSTOMERS = 12, 24, 300
EXACT_IN_TAIL, ROUGHLY = 32, (8, EVEN_DRAWS // 4)
OTHERS = 2**40  # from the seed of the even draws to that of these
BLOCKS = 8  # sets of even draws, whose differences tell their error
REACH, WIDTH = 8.0, 12.0  # standard deviations: 1 / the last frequency, and half of the range
TOLD = 9.0  # standard deviations to either side of the mean within which it is told
PLACES = 2**13  # of the range
ENDED = (1e-7, 1e-4)  # of a characteristic function that may be left out: of one draw, of many
MOST_WAVES = (100.0, 50.0)  # of the largest customer, beyond which no frequency goes
MANY_LEAVE = 8  # standard deviations of their number: beyond, steps are small
LEAST_TERMS = 8
FEW_KINDS = 64  # of customers, whose points of mass are looked for without more ado
LEAST_SD = 1e-7  # of the mean: less is rounding
STANDS_APART = 0.005  # of probability: at one place, a point of mass
NUMERICAL = 1e-6  # of probability, that the lattice and the frequencies may be off by
FOLDS, ALIKE = 4, 0.03  # and the part of a feature that must be its own to be learnt from
ZS = np.linspace(-7.0, 7.0, 141)  # of an exact distribution's own standard deviations
ASKED, SCALE = np.linspace(-1.6, 1.6, 81), 2.5  # of all: SCALE sinh(ASKED) from the mean
MANY_TIMES = 4  # a bell's highest: a point of mass
BLUR, NEAR = 1.5, 5  # places by which a point of mass is smoothed, and how many of these it takes
MOST_KEPT = 1.6e7  # bytes of exact distributions, from one measure to the next
MOST_BENT, LONG = 2.0, 20.0  # skewness, and times that a long tail may widen all
FARTHEST = 8.0  # standard deviations to which beliefs are moved, and one customer is told
FEW_STEPS = 30  # customers whose points of mass do not move with a draw's mean
NARROW = 30  # times that a draw's own luck may be less than all there is
SPAN = 14.0  # standard deviations to either side, of places that few customers' points lie among


@cache
def threads(of: str) -> Any:
    """How many threads libraries take, looked up once for each who asks: it knows those alone that
    are loaded by then.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


class Law:
    """How NRR, capped GRR and logo may turn out after a scenario's last month, each worked out when
    it is asked for.
    """

    def __init__(self, over: _Over) -> None:
        self._over = over

    @cached_property
    def nrr(self) -> Computed:
        return self._over.computed("nrr")

    @cached_property
    def grr(self) -> Computed:
        """Capped, customer by customer."""
        return self._over.computed("grr")

    @cached_property
    def logo(self) -> Computed:
        return self._over.computed("logo")


def law_of(scenario: Scenario, seed: int = SEED, is_rough: bool = False) -> Law:
    """How NRR, capped GRR and logo may turn out after the scenario's last month.

    seed : of the draws of the beliefs; the same seed gives the same bits.
    is_rough : from a quarter of the draws of the beliefs, for who averages over many scenarios; the
        mean is as it is from all.
    """
    draws = ROUGHLY if is_rough else (None, EVEN_DRAWS)
    return Law(_Over(scenario, checked_place("seed", seed), scenario.months, *draws))


def nrr_of(scenario: Scenario, seed: int = SEED) -> Computed:
    """How NRR may turn out, as `law_of` has it."""
    return law_of(scenario, seed).nrr


def nrr_before(scenario: Scenario, months: Sequence[int], seed: int = SEED) -> list[Distribution]:
    """How NRR may turn out after each of `months`, for a picture: by three moments of luck or, of
    few customers, from fewer draws than `nrr_of` takes.
    """
    book = scenario.opening
    if len(book.arr) <= FEW_CUSTOMERS:
        return [_Over(scenario, seed, end, *ROUGHLY).computed("nrr") for end in months]
    rates = draw_rates(scenario, book, count=ROUGHLY[1], seed=seed, quasi=True)
    return [*odds_after(scenario)(rates, months)]


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
    def of(
        cls, mean: float, sd: float, part: Part, ends: bool = False, is_few: bool = False
    ) -> _Smooth | None:
        """So far that the characteristic function has ended, or the largest customer's waves have
        become too many; None where a few points of mass stand apart.

        ends : whether it is known to. is_few : whether large customers can be transformed instead.
        """
        own = float(np.sqrt(part.moments[:, 1].min()))
        reach, blur = REACH / float(np.clip(own, sd / NARROW, sd)), 0.0
        several = len(part.masses) > 1
        most, ended = MOST_WAVES[several] / float(part.share.max()), ENDED[several]
        if own < sd / NARROW:  # hardly any luck in some draw, all beliefs
            blur = 4 / reach
        while not (ends or blur) and part.last_waves(reach) > ended:
            if 2 * reach > most and is_few:
                return None
            if 2 * reach > most:
                blur = 4 / reach
            else:
                reach *= 2
        within = float(np.hypot(sd, blur))
        du = np.pi / (part.uneven * WIDTH * within)
        return cls(mean, within, du, max(int(reach / du), LEAST_TERMS), blur)

    @property
    def number(self) -> int:
        """Of places in the whole range."""
        return max(PLACES, 2 << self.terms.bit_length())

    @property
    def u(self) -> np.ndarray:
        return np.asarray((np.arange(self.terms) + 0.5) * self.du)

    def phi(self, part: Part) -> np.ndarray:
        """About the mean."""
        u = self.u
        about = np.exp(-1j * u * self.mean - (u * self.blur) ** 2 / 2)
        return part.waves(0.5, self.du, self.terms) * about

    def is_staircase(self, below: np.ndarray) -> bool:
        """As `_Stepped.is_staircase`: none of them stands apart."""
        return False

    @property
    def places(self) -> np.ndarray:
        at = (np.arange(self.number) - self.number // 2) * 2 * np.pi / (self.du * self.number)
        return np.asarray(self.mean + at[self._told])

    @property
    def _told(self) -> slice:
        half = int(self.number * TOLD / (2 * WIDTH))
        return slice(self.number // 2 - half, self.number // 2 + half + 1)

    def below(self, phi: np.ndarray) -> np.ndarray:
        """The probability to come out at or below each place (Gil-Pelaez)."""
        j, k = np.arange(self.terms), np.arange(self.number) - self.number // 2
        signed = phi / (j + 0.5) * np.where(j % 2, -1.0, 1.0)
        waves = np.fft.fft(signed, self.number) * np.exp(-1j * np.pi * k / self.number)
        return np.asarray(0.5 - waves.imag[self._told] / np.pi)


@dataclass(frozen=True)
class _Stepped:
    """The frequencies of few customers, or of their number: a transform over places of NRR that
    are `width` apart, told from number `low` on.

    blur : the standard deviation by which points of mass are smoothed: each was put on three
        places, with weights that may be below 0.
    """

    mean: float
    sd: float
    width: float
    number: int
    low: int
    blur: float

    @property
    def u(self) -> np.ndarray:
        return np.asarray(np.arange(self.number // 2 + 1) * 2 * np.pi / (self.number * self.width))

    def is_staircase(self, below: np.ndarray) -> bool:
        """Whether a point of mass is many times what a bell has at a place."""
        return bool(np.diff(below.mean(axis=0)).max() > MANY_TIMES * 0.4 * self.width / self.sd)

    def phi(self, part: Part) -> np.ndarray:
        u = self.u
        about = np.exp(-1j * u * self.mean - (u * self.blur) ** 2 / 2)
        usual = float(part.share.max() * self.mean)
        return part.transforms(self.width, self.number, usual + FARTHEST * self.sd) * about

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
    smooth: _Smooth | None = None
    if measure == "logo":
        n = int(part.number.sum())
        if np.sqrt(part.moments[:, 1].min()) * n > MANY_LEAVE:
            smooth = _Smooth.of(mean, sd, part, ends=True)
        number = 1 << int(min(n + 2, 2 * WIDTH * sd * n + 64)).bit_length()
        first = max(0, int(mean * n) - number // 2)
        return smooth or _Stepped(mean, sd, 1 / n, number, first, 0.0)
    # as many places as the customers that are larger than one may be transformed over
    for number, most in zip(luck.places, luck.most, strict=True):
        large = part.is_large(2 * SPAN * sd / number)
        if is_few := bool(large.sum() <= most):
            break
    many = len(part.share) > FEW_KINDS and (part.uneven == 1 or not is_few)
    may_end = many and not part.is_stepped
    if may_end and (smooth := _Smooth.of(mean, sd, part, is_few=is_few)):
        return smooth
    # each customer's points were put on three places, of log R and of NRR, with their mean and
    # variance: what is off adds up by its fourth powers
    wider = BLUR * float(part.number[large].sum() or part.number.sum()) ** 0.25
    blur = BLUR * float(part.number @ part.share**4) ** 0.25 * luck.lattice.step
    span = SPAN * float(np.hypot(sd, blur))
    low = max(mean - span, 0.0)
    width = (mean + span - low) / number
    blur += wider * width
    return _Stepped(mean, sd, width, number, int((low - 9 * blur) / width) - 2, blur)


class _Over:
    """The draws of a scenario's beliefs, and what is exact of some of them, after `months`."""

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        months: int,
        exact: int | None = None,
        even: int = EVEN_DRAWS,
    ) -> None:
        book = scenario.opening
        self.scenario, self.seed, self.months = scenario, seed, months
        self.customers = len(book.arr)
        if exact is None:
            exact = EXACT if self.customers > FEW_CUSTOMERS else EXACT_OF_FEW
        self.few = draw_rates(scenario, book, count=exact, seed=seed + OTHERS)
        self.draws, self.slots = even, slots_of(scenario)
        self.even = self._even_scores()
        z = tied(self.even, scenario.table.ties)
        self.many = rates_at(scenario, book, z, even if self.slots else 1)

    @cached_property
    def luck(self) -> Luck:
        """What is exact of the few draws."""
        return Luck(self.scenario, self.few, self.months, coarse=self.draws < EVEN_DRAWS)

    def _even_scores(self) -> dict[str, np.ndarray]:
        """Of each belief, BLOCKS sets of even draws that know nothing of each other."""
        size = self.draws // BLOCKS
        sets = [
            scores(self.slots, count=size, seed=self.seed + n * OTHERS, quasi=True)
            for n in range(2, BLOCKS + 2)
        ]
        return {name: np.concatenate([each[name] for each in sets]) for name in self.slots}

    def _spread(self, measure: str) -> tuple[float, float]:
        """Mean and standard deviation: as `expect` has them, with its draws."""
        odds = odds_by_draw(self.scenario, ROUGH[measure])(self._as_expected, self.months)
        return odds.expected, odds.spread

    @cached_property
    def _as_expected(self) -> Rates:
        book = self.scenario.opening
        return draw_rates(self.scenario, book, count=even_draws(book), seed=self.seed, quasi=True)

    def computed(self, measure: str) -> Computed:
        # products are small: threads that wait for each other would take more than they give
        with threads("law").limit(limits=1, user_api="blas"):
            told = self._computed(self.luck.part(measure), measure)
            told = self._put_right(told, measure)
        if self.luck.masses.nbytes > MOST_KEPT:  # worked out again for the next that is asked for
            del self.luck
        return told

    def _put_right(self, told: Computed, measure: str) -> Computed:
        """What is told, with the mean and the spread of all where customers stand for others: of
        capped GRR as much is put right as of what would be left if nothing grew.
        """
        if not self.luck.stand_for_others:
            return told
        ends = (
            odds_by_draw(self.scenario, ROUGH[measure], most)(self._as_expected, self.months)
            for most in (None, MOST_APART)
        )
        each, others = ends
        off, wider = each.expected - others.expected, each.spread / max(others.spread, LEAST_SD)
        is_known = measure != "grr" and self.few.draws > 1
        about = told.mean - off if is_known else told.mean
        places = about + off + (told.places - about) * wider
        sd = told.sd if is_known else told.sd * wider
        places, tail = np.clip(places, 0.0, MOST[measure]), told.tail
        if tail is not None:
            rare = tail
            tail = cache(lambda target: rare(about + (target - about - off) / wider))
        return replace(told, places=places, mean=about + off, sd=sd, tail=tail)

    def _computed(self, part: Part, measure: str) -> Computed:
        if self.few.draws > 1:
            return self._over_beliefs(part, measure)
        mean, variance, _ = part.moments[0].tolist()
        sd = float(np.sqrt(variance))
        if sd <= LEAST_SD * max(mean, 1.0):
            return _sure(mean)
        waves = _frequencies(part, measure, mean, sd, self.luck)
        below = waves.below(waves.phi(part)[0])
        unseen = _half_a_step(part, waves, waves.places, below)
        return _told(waves, below, mean, sd, measure, None, unseen, self.customers)

    def _odds(self, measure: str, *rates: Rates) -> list[Odds]:
        """Roughly, by three moments of luck; sizes with a long tail as if it were shorter: of what
        happens once in a thousand trials moments would tell more than of all else.
        """
        of = odds_by_draw(self.scenario, ROUGH[measure], MOST_APART)
        shorter = {
            name: np.stack([each[:, 0], np.minimum(each[:, 1], each[:, 0])], axis=1)
            for name, each in self.few.sizes.items()
        }
        found = (of(replace(each, sizes=shorter), self.months) for each in rates)
        return [
            replace(each, skewness=np.clip(each.skewness, -MOST_BENT, MOST_BENT)) for each in found
        ]

    def _over_beliefs(self, part: Part, measure: str) -> Computed:
        few, many = self._odds(measure, self.few, self.many)
        own = part.moments
        fold = np.arange(self.few.draws) % FOLDS
        where = [(few, many)] * FOLDS
        if measure == "grr":
            where = [self._moved(few, many, own, fold != each) for each in range(FOLDS)]
            off = [
                (own[fold == n, 0] - each.mean[fold == n]).mean()
                for n, (each, _) in enumerate(where)
            ]
            mean = float(np.mean([each.expected for _, each in where]) + np.mean(off))
            spread = float(np.sqrt(own[:, 1].mean() + own[:, 0].var()))
        else:
            mean, spread = self._spread(measure)
        if spread <= LEAST_SD * max(mean, 1.0):
            return _sure(mean)

        middle = where[0][1].expected
        usual = min(spread, max(where[0][1].spread, spread / LONG))
        waves = _frequencies(part, measure, mean, usual, self.luck)
        below = np.array([waves.below(each) for each in waves.phi(part)])
        places, x = waves.places, middle + usual * SCALE * np.sinh(ASKED)
        if self.customers <= FEW_STEPS and waves.is_staircase(below):
            left, even = _of_steps(few, many, below)
            whole = even.mean(axis=0) + left.mean(axis=0)
            even = np.array([np.interp(x, places, each) for each in even])
        else:
            left, even = _held_against(where, below, places, x)
            at = np.arcsinh((places - middle) / (usual * SCALE))
            whole = _between(at, even.mean(axis=0)) + left.mean(axis=0)
        left = np.array([np.interp(x, places, each, 0.0, 0.0) for each in left])
        error = np.interp(places, x, _error_of(left, even), 0.0, 0.0)
        unseen, sd = _half_a_step(part, waves, places, whole), None if measure == "grr" else spread
        told = _told(waves, whole, mean, sd, measure, error, unseen, self.customers)
        if measure != "nrr":
            return told
        again = self.scenario, self.seed, self.months, self.few.draws, self.draws
        # drawn again for who asks, as these draws are large beside what is told of them
        return replace(told, tail=cache(lambda target: _Over(*again).rare(target)))

    def rare(self, target: float) -> tuple[float, float]:
        with threads("law").limit(limits=1, user_api="blas"):
            return self._tail(target)

    def _tail(self, target: float) -> tuple[float, float]:
        """How likely NRR is to reach a target that it hardly ever reaches, or misses, and the
        standard error of that: from beliefs drawn about where that happens, weighted.
        """
        book, (many,) = self.scenario.opening, self._odds("nrr", self.many)
        usual = many.expected
        # the scores that go with an NRR of the target, as far as beliefs and not luck bring it
        known = np.column_stack([np.ones(self.draws), *self.even.values()])
        _, *slope = np.linalg.lstsq(known, many.mean, rcond=None)[0]
        variance = float(np.dot(slope, slope)) + float((many.sd**2).mean())
        most = FARTHEST * float(np.sqrt(variance))
        move = float(np.clip(target - usual, -most, most)) / variance * np.array(slope)

        def tilted(z: dict[str, np.ndarray], count: int) -> tuple[Rates, np.ndarray]:
            moved = {name: z[name] + by for name, by in zip(self.slots, move, strict=True)}
            weights = np.exp(move @ move / 2 - move @ np.array(list(moved.values())))
            return rates_at(
                self.scenario, book, tied(moved, self.scenario.table.ties), count
            ), weights

        random = scores(self.slots, count=EXACT_IN_TAIL, seed=self.seed + OTHERS)
        few_rates, few_weights = tilted(random, EXACT_IN_TAIL)
        many_rates, many_weights = tilted(self.even, self.draws)
        few, many = self._odds("nrr", few_rates, many_rates)
        luck = Luck(self.scenario, few_rates, self.months)
        part = luck.part("nrr")
        waves = _frequencies(part, "nrr", many.expected, many.spread, luck)
        below = np.array([waves.below(each) for each in waves.phi(part)])
        unseen = _half_a_step(part, waves, waves.places, few_weights @ below / EXACT_IN_TAIL)
        stepped = (part.has_points or waves.is_staircase(below)) and not unseen.any()
        near = NEAR * waves.blur if stepped else 0.0
        x, weights = np.array([target - TO_THE_BIT - near]), (few_weights, many_weights)
        where = [(few, many)] * FOLDS
        left, even = _held_against(where, below, waves.places, x, weights, x)
        if target > usual:  # what is rare, and was drawn about, is to come out above
            left, even = -left, many_weights.reshape(BLOCKS, -1).mean(axis=1, keepdims=True) - even
        rare, error = float(even.mean() + left.mean()), float(_error_of(left, even)[0])
        error = float(np.hypot(error, np.interp(target, waves.places, unseen, 0.0, 0.0)))
        rare = min(max(rare, 0.0), 1.0)
        return (rare if target > usual else 1 - rare), error

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


def _held_against(
    where: Sequence[tuple[Odds, Odds]],
    below: np.ndarray,
    places: np.ndarray,
    x: np.ndarray,
    weights: tuple[np.ndarray, np.ndarray] | None = None,
    at: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """By how much rough distributions of the few exact draws are off, and what rough ones of the
    many even draws say.

    where : of each fold, the moments of the few and of the many; the same of all folds where these
        are not learnt. below : the exact distributions at `places`, `ndarray[draw, place]`.
    weights : of the few and of the many. at : as `places`, where that is asked of the few.

    Returns `ndarray[draw, place]`, the exact probability to come out at or below each place less a
    rough one, whose shape was learnt from the exact ones of other folds; and `ndarray[block, x]`,
    the mean of a block of the many.
    """
    fold, among = np.arange(len(below)) % FOLDS, where[0][1]
    of_few, of_many = weights or (np.ones(len(below)), np.ones(len(among.mean)))
    asked = places if at is None else at
    left = (
        below.copy()
        if at is None
        else np.array([np.interp(at, places, each, 0.0, 1.0) for each in below])
    )
    even, shapes = np.zeros((BLOCKS, len(x))), []
    for n, (few, _) in enumerate(where):
        mine, known = fold == n, _features(few, among)
        z = few.mean[:, None] + few.sd[:, None] * ZS
        seen = np.array(
            [
                np.interp(each, places, exact, 0.0, 1.0)
                for each, exact in zip(z[~mine], below[~mine], strict=True)
            ]
        )
        bent = seen - _edgeworth(few.skewness[~mine, None])
        shape = np.linalg.lstsq(known[~mine], bent, rcond=ALIKE)[0]
        shape[0] += _edgeworth(among.skewness.mean())
        shape[-1] += _edgeworth(1.0) - _edgeworth(0.0)
        for e in np.flatnonzero(mine).tolist():
            left[e] -= _mean_below(few, known, shape, asked, slice(e, e + 1))
        shapes.append(shape)
    learnt = any(many is not among for _, many in where)
    for n, (_, many) in enumerate(where if learnt else where[:1]):
        shape = shapes[n] if learnt else np.mean(shapes, axis=0)
        known = _features(many, among) * of_many[:, None]
        size = len(known) // BLOCKS
        for block, out in enumerate(even):
            of = slice(block * size, (block + 1) * size)
            out += _mean_below(many, known, shape, x, of) / (FOLDS if learnt else 1)
    return left * of_few[:, None], even


def _of_steps(few: Odds, many: Odds, below: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `_held_against`, at the same places, where points of mass decide: these do not move with a
    draw's mean, but become more or less likely with it.
    """
    fold, known = np.arange(len(below)) % FOLDS, _features(few, many)
    told = _features(many, many).reshape(BLOCKS, -1, known.shape[1]).mean(axis=1)
    left, even = below.copy(), np.zeros((BLOCKS, below.shape[1]))
    for n in range(FOLDS):
        mine = fold == n
        slope = np.linalg.lstsq(known[~mine], below[~mine], rcond=ALIKE)[0]
        left[mine] -= known[mine] @ slope
        even += told @ slope / FOLDS
    return left, even


def _between(at: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What is at ASKED, a smooth rise from 0 to 1, between them: by cubics through four of them."""
    place = (at - ASKED[0]) / (ASKED[1] - ASKED[0])
    k = np.clip(np.floor(place).astype(np.int64), 1, len(ASKED) - 3)
    weights = lagrange(place - k, [np.asarray(float(m)) for m in (-1, 0, 1, 2)])
    told = sum(weight * values[k + m] for m, weight in zip((-1, 0, 1, 2), weights, strict=True))
    return np.where(place <= 0, 0.0, np.where(place >= len(ASKED) - 1, 1.0, told))


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
    odds: Odds, features: np.ndarray, shape: np.ndarray, x: np.ndarray, of: slice
) -> np.ndarray:
    """The probability to come out at or below each x, on average over these draws: by the shape,
    `ndarray[feature, z]`, that each one's features say it has.
    """
    out, sd = np.zeros(len(x)), np.maximum(odds.sd[of], LEAST_SD)
    _look_up(odds.mean[of], sd, features[of], shape, x, ZS[0], ZS[1] - ZS[0], out)
    return out / len(sd)


@compiled
def _look_up(mean, sd, features, shape, x, first, step, out):  # type: ignore[no-untyped-def]
    """The sum over draws of `_mean_below`, added to `out`, `ndarray[x]`."""
    last = shape.shape[1] - 1
    for d in range(mean.size):
        for i in range(x.size):
            at = ((x[i] - mean[d]) / sd[d] - first) / step
            if at >= last:
                out[i] += features[d, 0]
            elif at > 0.0:
                k = np.int64(at)
                f = at - k
                for c in range(features.shape[1]):
                    out[i] += features[d, c] * ((1.0 - f) * shape[c, k] + f * shape[c, k + 1])


def _half_a_step(
    part: Part, waves: _Smooth | _Stepped, places: np.ndarray, below: np.ndarray
) -> np.ndarray:
    """The standard error of a probability at each place where points of mass alone make a
    staircase whose steps are too narrow to be seen, evenly up to half of one: 0 where none are.
    """
    half = float(part.share.min()) / 2
    if isinstance(waves, _Smooth) or not part.has_points or NEAR * waves.blur < half:
        return np.zeros(len(places))
    high, low = (np.interp(places + by, places, below, 0.0, 1.0) for by in (half, -half))
    return np.asarray((high - low) / 2 / np.sqrt(3))


def _error_of(left: np.ndarray, even: np.ndarray) -> np.ndarray:
    """The standard error at each x: of the mean of what is left of random draws, `ndarray[draw,
    x]`, and of that of sets of even ones, `ndarray[block, x]`.
    """
    errors = (each.std(axis=0, ddof=1) / np.sqrt(len(each)) for each in (left, even))
    return np.asarray(np.hypot(*errors))


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
    unseen: np.ndarray,
    customers: int,
) -> Computed:
    """The distribution, monotone: what is off of that is noise of rounding and of the lattice."""
    up = np.maximum.accumulate(below)
    down = np.minimum.accumulate(below[::-1])[::-1]
    below = np.clip((up + down) / 2, 0.0, 1.0)
    places, near, is_seen = waves.places, NEAR * waves.blur, not unseen.any()
    if not is_seen:
        error = unseen if error is None else np.hypot(error, unseen)
    if sd is None:
        middle, masses = (places[1:] + places[:-1]) / 2, np.diff(below)
        sd = float(np.sqrt(max(masses @ (middle - mean) ** 2 / masses.sum(), 0.0)))
    if measure == "logo":  # a point of mass at each whole number of customers
        first, last = np.ceil(places[[0, -1]] * customers - 0.5 - 1e-6)
        told = np.arange(max(first, 0), min(last, customers) + 1)
        at = (told + 0.5) / customers
        if error is not None:
            error = np.repeat(np.interp(at, places, error), 2)
        below = np.append(0.0, np.repeat(np.interp(at, places, below), 2)[:-1])
        places = np.repeat(told / customers, 2)
        places[::2] -= TO_THE_BIT / 2
    shares = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    p_error: Any = NUMERICAL
    if error is not None:
        p_error = np.interp(np.interp(shares, below, places), places, error) + NUMERICAL
    low, high = (np.interp(shares + by, below, places) for by in (-p_error, p_error))
    off = float((high - low).max()) / 2
    if np.diff(below).max() > STANDS_APART:
        off = max(off, near)
    if not is_seen:  # what looks like one point of mass may be several
        near = 0.0
    return Computed(np.clip(places, 0.0, MOST[measure]), below, mean, sd, off, near, error)
