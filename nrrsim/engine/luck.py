"""Rates in, the exact distribution of NRR, capped GRR and logo given them out; never simulates.

Given the rates customers have their luck apart from each other, and NRR is a sum of as many parts
as there are customers: a share of opening ARR times R, what becomes of a unit of it. The mean of R
to an imaginary power follows the month of `paths`, and a Fourier transform of these means gives the
distribution of log R on a lattice. From there the sum's own is found in one of two ways: by the
product of all customers' characteristic functions at a few frequencies (many customers), or by
transforms over all places (few of them, whose points of mass stand apart).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from nrrsim.engine import paths
from nrrsim.engine.driver_rates import Rates, sizes_of
from nrrsim.engine.groups import Groups, segments_of
from nrrsim.engine.levels import groups_of
from nrrsim.engine.paths import compiled
from nrrsim.engine.sizes import pieces, size_tables
from nrrsim.engine.switched import churn_of, coming_back
from nrrsim.scenario.drivers import COUNTED
from nrrsim.scenario.scenario import Scenario

# Each where rates are certain, and where they are drawn: many distributions, each more coarsely.
# Kinds of customers (group and share) up to which points of mass may stand apart; and for each,
# the step between places of log R, and the places of NRR.
FEW = (6, 64, 400)
STEP = ((2.0**-15, 2.0**-9), (2.0**-12, 2.0**-8), (2.0**-12, 2.0**-7), (2.0**-8, 2.0**-6))
PLACES = ((2**18, 2**13), (2**15, 2**12), (2**15, 2**12), (2**13, 2**12))
PLACES_OF_POINTS = 2**15  # at least, where sizes are fixed and customers are there or not
MOST_TRANSFORMS = (5_000, 400)  # kinds that are transformed one by one
SMALL = 4  # places of NRR: a customer of less is looked up in a table of waves
A_GIANT = 0.1  # of the book, at least
GIANT = 64  # times a share, beside which it is a small one
LOOKED_UP, TABLE = (28, 14), (300, 150)  # places of a table of waves: a unit of w, and at least
ALMOST = 1.25  # times as far as is asked: a table that is kept
FINE = (0.5, 1.0)  # of a wave's phase between two places, and how many may become one
COARSEST = 64
MOST_PLACES = (2**21, 2**18)  # of log R in all phases and segments: some tens of megabytes
MOST_MOVED = (10**8, 4 * 10**6)  # of log R in all groups and months
FOR_ACCOUNTS = 4  # times as much of both, where they differ: capped GRR needs places that are near
MOST_CELLS = 400_000  # of phases, segments, draws and powers at a time: some megabytes an array
# Two places that a straight piece of a size's quantiles stands for, of 1: Gauss's, alike likely.
WITHIN = 0.5 + np.array([-0.5, 0.5]) / np.sqrt(3)
NONE = 1e-13  # of probability that may lie beyond the lattice, or be left out
ROUNDING = 1e-15  # of probability, that a transform may be off by
NODES = 12  # shares that stand for all customers of a group
MOST_APART = 2_500  # groups, where customers who are nearly alike may stand for each other
USUAL_R, MOST_SKEWNESS, LONG_TAIL = 1.5, 2.0, 20.0
AGAIN = np.linspace(3.0, 64.0, 256)  # frequencies of R at which points of mass meet again
A_POINT = 1e-5  # of probability at one place: what is less spreads over many, and does not
# Of R, by which the lattice's ends are found; from the fifth on each is the square of the last.
POWERS = (1.0, 2.0, 3.0, 4.0, 8.0, 16.0, 32.0)


Transformed = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of values and how likely each is


@dataclass(frozen=True)
class Lattice:
    """Places of log R, `step` apart: `number` of them (a power of 2), from `first` on; the last is
    beside the first.
    """

    number: int
    first: int
    step: float

    @property
    def r(self) -> np.ndarray:
        """R at each place."""
        return np.asarray(np.exp((self.first + np.arange(self.number)) * self.step))

    def spectrum(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The transform of these values of R, each put on the three nearest places with weights
        that keep the sum of its probability, its mean and its square.
        """
        at = np.rint(np.log(values) / self.step).astype(np.int64)
        middle, ratio = np.exp(at * self.step), np.exp(self.step)
        parts = lagrange(values, [middle / ratio, middle, middle * ratio])
        places = np.concatenate([(at + k) % self.number for k in (-1, 0, 1)])
        masses = np.bincount(
            places, np.concatenate([weights * part for part in parts]), self.number
        )
        return np.fft.rfft(masses)

    def masses(self, spectra: np.ndarray) -> np.ndarray:
        """Back: `ndarray[..., place]`."""
        there = np.fft.irfft(spectra, self.number, axis=-1)
        there[np.abs(there) < ROUNDING] = 0.0  # times R cubed it would be seen
        return np.roll(there, -(self.first % self.number), axis=-1)


def lagrange(values: np.ndarray, nodes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Lagrange's weights of each value on the nodes about it: they keep the means of all powers
    below the number of nodes.
    """
    return [
        np.prod(
            [(values - other) / (node - other) for m, other in enumerate(nodes) if m != number],
            axis=0,
        )
        for number, node in enumerate(nodes)
    ]


@compiled
def _product(share, number, group, log_re, log_im, first, places, re, im):  # type: ignore[no-untyped-def]
    """The log of the characteristic function of a sum of customers at frequency first + j, looked
    up in that of each group, `places` of its table a frequency: added to `re` and `im`.

    Between six places, two of them before the table's frequency 0: straight lines between cubics
    would be off by the fourth cumulant of each of many customers.
    """
    for i in range(share.size):
        g, at, n = group[i], share[i] * places, number[i]
        for j in range(re.size):
            x = (first + j) * at
            k = np.int64(x)
            f = x - k
            p, q, r, s, t = f + 2, f + 1, f - 1, f - 2, f - 3
            outer, inner, middle = q * f * r * s, p * f * r * t, p * q * s * t
            a, b, c = -outer * t / 120, inner * s / 24, -middle * r / 12
            d, e, h = middle * f / 12, -inner * q / 24, outer * p / 120
            re[j] += n * (
                a * log_re[g, k] + b * log_re[g, k + 1] + c * log_re[g, k + 2]
                + d * log_re[g, k + 3] + e * log_re[g, k + 4] + h * log_re[g, k + 5]
            )  # fmt: skip
            im[j] += n * (
                a * log_im[g, k] + b * log_im[g, k + 1] + c * log_im[g, k + 2]
                + d * log_im[g, k + 3] + e * log_im[g, k + 4] + h * log_im[g, k + 5]
            )  # fmt: skip


class Luck:
    """How a scenario's book may turn out after so many months, under each draw of the rates."""

    def __init__(self, scenario: Scenario, rates: Rates, months: int, coarse: bool = False) -> None:
        customers = self.customers = scenario.opening
        self.months, self.rates = months, rates
        self.groups = groups_of(scenario, MOST_APART)
        self.stand_for_others = self.groups.multipliers is not None and (
            len(self.groups.arr) < len(groups_of(scenario).arr)
        )
        group, share = self.groups.of_customer, customers.arr / customers.total
        order = np.lexsort((share, group))
        group, share = group[order], share[order]
        is_first = np.append(True, (np.diff(group) > 0) | (np.diff(share) > 0))
        self.number = np.diff(np.append(np.flatnonzero(is_first), len(share)))
        self.group, self.share = group[is_first], share[is_first]
        self.fewer = fewer(self.share, self.number, self.group)
        sizes = sizes_of(scenario, customers.segments)
        tables, used = size_tables(sizes)
        self.drawn = {
            (n, s): _values(tables[n, s].astype(float), sizes[COUNTED[n]][s], -1 if n == 0 else 1)
            for n, s in np.argwhere(used).tolist()
        }
        several = coarse or rates.draws > 1
        # what many small customers come to is smooth: a few giants decide how fine is fine enough
        few = int(np.searchsorted(FEW, (self.share * GIANT > self.share.max()).sum()))
        few = max(few, int(len(self.share) > FEW[0]))
        if len(self.share) > FEW[-1] and self.share.max() < A_GIANT:
            few = len(FEW)
        step, self.places = STEP[few][several], [each[several] for each in PLACES[few:]]
        if not self.drawn:  # points of mass alone
            step, self.places = step / 2, [max(each, PLACES_OF_POINTS) for each in self.places]
        # large kinds up to which each number of places is for
        self.most = [*FEW[few:], MOST_TRANSFORMS[several]]
        bottom, top = self._ends()
        groups, at_once = len(self.groups.segment), rates.phases * len(customers.segments)
        room = FOR_ACCOUNTS if self.groups.multipliers is not None else 1
        most = min(
            room * MOST_PLACES[several] // max(groups, at_once),
            room * MOST_MOVED[several] // (groups * months),
        )
        step = max(step, (top - bottom) / most)
        first, last = int(np.floor(bottom / step)) - 4, int(np.ceil(top / step)) + 4
        self.lattice = Lattice(1 << (last - first).bit_length(), first, step)
        spectra = self._followed(self.lattice.number // 2 + 1, self.lattice.spectrum)
        self.alive = spectra[..., 0].real.copy()
        self.masses = self.lattice.masses(spectra)

    def _ends(self) -> tuple[float, float]:
        """What log R hardly ever lies below, and above (Chernoff)."""
        exponents = np.array([*POWERS, *(-each for each in POWERS)])

        def powers(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
            square = values * values
            each = [values, square, square * values, square * square]
            while len(each) < len(POWERS):
                each.append(each[-1] * each[-1])
            up = np.stack(each)
            return np.concatenate([up @ weights, (1 / up) @ weights])

        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            means = self._followed(len(exponents), powers).real
            self.means = means[..., :3]
            ends = (np.log(means) - np.log(NONE)) / exponents
        ends = ends.reshape(-1, len(exponents))
        top, bottom = ends[:, : len(POWERS)], ends[:, len(POWERS) :]
        top = np.where(np.isfinite(top), top, np.inf).min(axis=1)
        bottom = np.where(np.isfinite(bottom), bottom, -np.inf).max(axis=1)
        # of a group in which nobody is left nothing is found
        low = float(np.min(bottom, initial=0.0, where=np.isfinite(bottom)))
        high = float(np.max(top, initial=0.0, where=np.isfinite(top)))
        return low, high

    def _followed(self, number: int, transformed: Transformed) -> np.ndarray:
        """`complex128[draw, group, number]`: the mean of R, transformed; some draws at a time."""
        drawn = {key: transformed(*each) for key, each in self.drawn.items()}
        # where accounts differ, some groups at a time: each has rates of its own
        blocks = self.groups.apart(MOST_CELLS // (self.rates.phases * number))
        return np.concatenate(
            [self._followed_by(some, number, transformed, drawn) for some in blocks], axis=1
        )

    def _followed_by(
        self,
        groups: Groups,
        number: int,
        transformed: Transformed,
        drawn: dict[tuple[int, int], np.ndarray],
    ) -> np.ndarray:
        """As `_followed`, of these groups."""
        kept: dict[float, np.ndarray] = {1.0: np.ones(number)}

        def of(values: np.ndarray) -> np.ndarray:
            """Of an event that multiplies by that: `ndarray[draw or 1, number]`."""
            for value in set(values.tolist()) - kept.keys():
                kept[value] = transformed(np.array([value]), np.ones(1))
            alike = values[:1] if (values == values[0]).all() else values
            return np.array([kept[value] for value in alike.tolist()])

        alike = len(self.customers.segments if groups.kinds is None else groups.kinds.segment)
        at_once = max(1, MOST_CELLS // (self.rates.phases * alike * number))
        return np.concatenate(
            [
                self._some(groups, self.rates.part(n, n + at_once), number, of, drawn)
                for n in range(0, self.rates.draws, at_once)
            ]
        )

    def _some(
        self,
        groups: Groups,
        rates: Rates,
        number: int,
        of: Callable[[np.ndarray], np.ndarray],
        drawn: dict[tuple[int, int], np.ndarray],
    ) -> np.ndarray:
        draws, kinds = rates.draws, groups.kinds
        segments = len(self.customers.segments)
        phases = [rates.in_phase(phase) for phase in range(rates.phases)]
        segment_of = segments_of(kinds, segments)
        ends = np.searchsorted(segment_of, np.arange(segments + 1)).tolist()
        growth = np.ones((len(phases), len(segment_of), 1, draws, number), complex)
        lift = np.empty((len(phases), segments, 1, draws, number), complex)
        back_size = np.empty((segments, 1, draws, number), complex)
        sizes = np.maximum(rates.reactivation_size, 1e-9)  # 0: nobody comes back
        for s in range(segments):
            mine = slice(*ends[s : s + 2])
            for p, each in enumerate(phases):
                for n, name in enumerate(COUNTED):
                    rate = each.how_often(name, kinds).T[mine, :, None] / 12
                    size = getattr(each, f"{name}_size")[:, s]
                    if rate.any():
                        event = drawn.get((n, s))
                        event = of(1 - size if n == 0 else 1 + size) if event is None else event
                        growth[p, mine, 0] *= 1 - rate + rate * event
                taken = each.acceptance[:, s, None]
                lift[p, s, 0] = 1 - taken + taken * of(1 + each.uplift[:, s])
            back_size[s, 0] = of(sizes[:, s])
        regular, due, back = (
            np.repeat(each, number, axis=-1)
            for each in (
                *churn_of(phases, self.customers.annual, kinds),
                coming_back(phases),
            )
        )
        growth, lift, back_size = (
            each.reshape(*each.shape[:-2], -1) for each in (growth, lift, back_size)
        )
        month = paths.Month(
            segment_of,
            *(regular, due, growth, lift, back, back_size),
            rates.in_the_year.together,
            rates.cycle,
        )
        out = np.empty((len(groups.arr), draws * number), complex)
        paths.powers(groups.kind, groups.anniversary, groups.tenure, self.months, month, out)
        return out.reshape(-1, draws, number).transpose(1, 0, 2)

    def part(self, measure: str) -> Part:
        """What each customer's part of that measure may be: of `nrr`, `grr` (capped) or `logo`."""
        r, masses = self.lattice.r, self.masses
        if measure == "logo":
            n = self.groups.number
            of = np.ones(len(n)) / n.sum(), n, np.arange(len(n))
            return Part(self.alive[..., None], np.ones(1), *of, self.alive, of)
        means: np.ndarray | None = self.means
        if measure == "grr":
            masses, one = masses.copy(), -self.lattice.first
            # A sum over places of what has a bend at one of them (Euler and Maclaurin). It is of a
            # density: fixed sizes have none, and who is at 1 as nothing happened has no part in it
            drawn = np.isin(self.groups.segment, [s for _, s in self.drawn])
            off = drawn * (masses[..., one - 1] + masses[..., one + 1]) / 24
            masses[..., one] += masses[..., one + 1 :].sum(axis=-1) - off
            masses[..., one - 1] += off
            masses, r = masses[..., : one + 1], r[: one + 1]
            means = None
        kinds = self.share, self.number, self.group
        return Part(masses, r, *kinds, self.alive, self.fewer, means, not self.drawn)


def fewer(
    share: np.ndarray, number: np.ndarray, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Few customers in place of many of a group: NODES shares, and how many have each, that have
    the same sums of powers (Gauss). A smooth function of the share adds up to the same.
    """
    order = np.argsort(group, kind="stable")
    share, number, group = share[order], number[order].astype(float), group[order]
    crowded = np.bincount(group) > NODES
    many = crowded[group]
    if not many.any():
        return share, number, group
    s, n = share[many], number[many]
    first = np.flatnonzero(np.diff(group[many], prepend=-1))
    count = np.diff(np.append(first, len(s)))

    def of_each(values: np.ndarray) -> np.ndarray:
        """What they add up to in their group, for each of its customers."""
        return np.repeat(np.add.reduceat(values, first), count)

    # the tridiagonal matrix of the polynomials that are orthogonal over a group's customers
    total = of_each(n)
    before, now, norm = np.zeros(len(s)), np.sqrt(n / total), np.zeros(len(s))
    matrix = np.zeros((len(first), NODES, NODES))
    for k in range(NODES):
        diagonal = of_each(s * now**2)
        matrix[:, k, k] = diagonal[first]
        rest = (s - diagonal) * now - norm * before
        norm = np.sqrt(of_each(rest**2))
        if k + 1 < NODES:
            matrix[:, k, k + 1] = matrix[:, k + 1, k] = norm[first]
            before, now = now, rest / norm
    shares, vectors = np.linalg.eigh(matrix)
    numbers = total[first, None] * vectors[:, 0] ** 2
    of = np.repeat(np.flatnonzero(crowded), NODES)
    return (
        np.append(share[~many], shares),
        np.append(number[~many], numbers),
        np.append(group[~many], of),
    )


def _values(table: np.ndarray, told: np.ndarray, sign: int) -> tuple[np.ndarray, np.ndarray]:
    """What an event multiplies an amount by, and how likely each is: the size's quantile table,
    with its mean and standard deviation as they are told, to the last digit.
    """
    low, high, weight = pieces(table)
    sizes = (low[:, None] + (high - low)[:, None] * WITHIN).ravel()
    weights = np.repeat(weight, len(WITHIN)) / len(WITHIN)
    mean = weights @ sizes
    apart = (sizes - mean) / np.sqrt(weights @ (sizes - mean) ** 2)
    return 1 + sign * (told[0] + told[1] * apart), weights


@dataclass(frozen=True)
class Part:
    """A sum of customers' parts, each `share` times what its group may come to, draw by draw.

    masses : `ndarray[draw, group, place]`, the probability of each of `values`, and 0 else. share,
    number (of customers alike), group : `ndarray[kind]`. alive : `ndarray[draw, group]`. fewer : as
    share, number and group, fewer that stand for them. means : `ndarray[draw, group, 3]`, of the
    values, their squares and cubes, where these are known better than by the masses. has_points :
    whether there is nothing but points of mass.
    """

    masses: np.ndarray
    values: np.ndarray
    share: np.ndarray
    number: np.ndarray
    group: np.ndarray
    alive: np.ndarray
    fewer: tuple[np.ndarray, np.ndarray, np.ndarray]
    means: np.ndarray | None = None
    has_points: bool = False

    @cached_property
    def _central(self) -> tuple[np.ndarray, ...]:
        """Mean, variance and third central moment of a group's values: `ndarray[draw, group]`."""
        means = self.means
        if means is None:
            means = np.stack([self.masses @ self.values**k for k in (1, 2, 3)], axis=-1)
        m1, m2, m3 = np.moveaxis(means, -1, 0)
        return m1, m2 - m1**2, m3 - 3 * m1 * m2 + 2 * m1**3

    @cached_property
    def has_long_tail(self) -> np.ndarray:
        """Of which groups rare values are so large that no table of waves tells of them."""
        _, variance, third = self._central
        return np.asarray((third > LONG_TAIL * np.maximum(variance, 1e-12) ** 1.5).any(axis=0))

    @cached_property
    def moments(self) -> np.ndarray:
        """Mean, variance and third central moment of the sum: `ndarray[draw, 3]`."""
        powers = [self.number * self.share**k for k in (1, 2, 3)]
        pairs = zip(self._central, powers, strict=True)
        sums = [each[:, self.group] @ power for each, power in pairs]
        sums[1] = np.maximum(sums[1], 0.0)
        return np.stack(sums, axis=1)

    @property
    def uneven(self) -> int:
        """1 where three moments are about all there is to know of the sum; else by how much further
        its tails may reach.
        """
        variance, third = np.maximum(self.moments[:, 1], 1e-18), self.moments[:, 2]
        return 4 if np.abs(third / variance**1.5).max() > MOST_SKEWNESS else 1

    def is_large(self, width: float) -> np.ndarray:
        """Which kinds of customers are transformed one by one over places `width` apart."""
        return np.asarray((self.share > SMALL * width) | self.has_long_tail[self.group])

    def of(self, kinds: np.ndarray) -> Part:
        """The sum of these kinds of customers alone."""
        some = self.share[kinds], self.number[kinds], self.group[kinds]
        return replace(self, share=some[0], number=some[1], group=some[2], fewer=fewer(*some))

    @property
    def is_stepped(self) -> bool:
        """Whether customers who are alike make the sum a staircase: its characteristic function,
        that of the most numerous kind at least, comes back.
        """
        kind = int(self.number.argmax())
        if 3 * len(self.share) > self.number.sum():
            return False
        group = self.group[kind]
        here = np.flatnonzero(np.abs(self.masses[0, group]) > A_POINT)
        waves = np.exp(1j * np.outer(self.values[here], AGAIN))
        cf = self.masses[0, group, here] @ waves + 1 - self.alive[0, group]
        return bool(np.abs(cf).max() ** self.number[kind] > 1e-7)

    def last_waves(self, u: float) -> float:
        """How large the characteristic function of the first draw still is just below u."""
        first = self
        if len(self.masses) > 1:
            first = replace(self, masses=self.masses[:1], alive=self.alive[:1])
        return float(np.abs(first.waves(18, u / 20, 3)).max())

    def waves(self, first: float, du: float, terms: int) -> np.ndarray:
        """The characteristic function of the sum at (first + j) du, j below `terms`, by look-up in
        a table of each group's: `complex128[draw, term]`.
        """
        places, re, im = self._table(float(self.share.max()) * (first + terms) * du)
        draws = len(re)
        all_re, all_im = np.zeros((draws, terms)), np.zeros((draws, terms))
        for d in range(draws):
            _product(*self.fewer, re[d], im[d], first, du * places, all_re[d], all_im[d])
        turned = all_im + self.moments[:, :1] * (first + np.arange(terms)) * du
        return np.asarray(np.exp(all_re + 1j * turned))

    def _table(self, most: float) -> tuple[float, np.ndarray, np.ndarray]:
        """The log of each group's characteristic function up to `most`, about its mean: how many
        places a unit has, and real and imaginary parts, `ndarray[draw, group, place]`, from two
        places before 0 on.
        """
        if self._kept and most <= self._kept[0][0] <= ALMOST * most:
            return self._kept[0][1]
        several = len(self.masses) > 1
        places = max(LOOKED_UP[several], TABLE[several] / most)
        w = np.arange(int(most * places) + 6) / places
        masses, values = self._coarser(most)
        # e^(i value w): what a few places make, times what many of those do
        some = int(np.sqrt(len(w))) + 1
        near, far = (
            np.exp(1j * values[:, None] / places * np.arange(some) * by) for by in (1, some)
        )
        waves = (far[:, :, None] * near[:, None, :]).reshape(len(values), -1)[:, : len(w)]
        draws, groups = self.alive.shape
        cf = masses.reshape(draws * groups, -1) @ waves.view(float).reshape(len(values), -1)
        cf = cf.view(complex).reshape(draws, groups, -1) + (1 - self.alive)[..., None]
        m1 = (self.masses @ self.values)[..., None]
        re = np.log(np.maximum(np.abs(cf), 1e-300))
        im = np.unwrap(np.angle(cf), axis=-1) - m1 * w  # about the mean
        re, im = (
            np.concatenate([sign * each[..., 2:0:-1], each], axis=-1)
            for sign, each in ((1, re), (-1, im))
        )
        self._kept[:] = [(most, (places, re, im))]
        return self._kept[0][1]

    @cached_property
    def _kept(self) -> list[tuple[float, tuple[float, np.ndarray, np.ndarray]]]:
        """The last table: who asked how far the waves go asks for all of them next."""
        return []

    def transforms(self, width: float, places: int, farthest: float) -> np.ndarray:
        """The same at 2 pi j / (width places), j to half of the places: by a transform of each
        customer's distribution over places that far apart. farthest : what a customer's part is at
        most told to be, so that the sum does not go round the places.
        """
        if len(self.values) == 1:  # all of it or nothing, at whole places
            turns = np.exp(2j * np.pi * np.arange(places // 2 + 1) / places) - 1
            each = (1 + self.alive[..., None] * turns) ** self.number[:, None]
            return np.asarray(each.prod(axis=1))
        large, out = self.is_large(width), np.ones((len(self.masses), places // 2 + 1), complex)
        if not large.all():
            small = self.of(~large)
            out = small.waves(0.0, 2 * np.pi / (width * places), places // 2 + 1).conj()
        for group in range(self.masses.shape[1]):
            kinds = np.flatnonzero(large & (self.group == group))
            here = np.flatnonzero(np.abs(self.masses[:, group]).max(axis=0) > NONE)
            values = np.minimum(self.share[kinds, None] * self.values[here], farthest) / width
            at = np.rint(values).astype(np.int64)
            offset = np.arange(len(kinds))[:, None] * places
            about = [at + k for k in (-1, 0, 1)]
            weights = lagrange(values, [place.astype(float) for place in about])
            to = [(place % places + offset).ravel() for place in about]
            for d, of in enumerate(self.masses[:, group, here]):
                masses = np.zeros(len(kinds) * places)
                for place, weight in zip(to, weights, strict=True):
                    masses += np.bincount(place, (weight * of).ravel(), len(masses))
                all_of = masses.reshape(len(kinds), places)
                all_of[:, 0] += 1 - self.alive[d, group]
                out[d] *= np.prod(np.fft.rfft(all_of) ** self.number[kinds, None], axis=0)
        return out.conj()

    def _coarser(self, most: float) -> tuple[np.ndarray, np.ndarray]:
        """Masses and values at fewer places: so many as frequencies up to `most` need."""
        if len(self.values) == 1:
            return self.masses, self.values
        step = float(np.log(self.values[1] / self.values[0]))
        top = min(float(self.values[-1]), USUAL_R)
        by = 1
        while 2 * by * step * max(most, 1.0) * top <= FINE[len(self.masses) > 1] and by < COARSEST:
            by *= 2
        # the last place stays one: of capped GRR it has a mass of its own
        number = -(-(len(self.values) - 1) // by)
        padded = np.zeros((*self.alive.shape, number * by))
        padded[..., number * by - len(self.values) + 1 :] = self.masses[..., :-1]
        parts = padded.reshape(*self.alive.shape, number, by)
        out = np.zeros((*self.alive.shape, number + 3))
        nodes = self.values[-1] * np.exp((np.arange(number + 3) - number - 2) * by * step)
        for block, first in ((slice(0, number - 1), -1), (slice(number - 1, number), -2)):
            weights = parts[..., block, :] @ _coarse_weights(by, first, step)
            for m in range(4):
                at = block.start + 2 + first + m
                out[..., at : at + weights.shape[-2]] += weights[..., m]
        out[..., -1] += self.masses[..., -1]
        there = np.flatnonzero(np.abs(out).max(axis=(0, 1)) > NONE)
        kept = slice(there[0], there[-1] + 1) if len(there) else slice(0, 1)
        return np.ascontiguousarray(out[..., kept]), nodes[kept]


@cache
def _coarse_weights(by: int, first: int, step: float) -> np.ndarray:
    """The weights of places 0 to `by` on four coarser ones, the first of them so many before place
    0: `ndarray[place, 4]`.
    """
    nodes = [np.exp((m + first) * by * step) for m in range(4)]
    return np.stack(lagrange(np.exp(np.arange(by) * step), nodes), axis=1)
