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
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from nrrsim.engine import paths
from nrrsim.engine.driver_rates import Rates, sizes_of
from nrrsim.engine.groups import Groups
from nrrsim.engine.paths import compiled
from nrrsim.engine.sizes import pieces, size_tables
from nrrsim.engine.switched import churn_of, coming_back
from nrrsim.scenario.drivers import COUNTED
from nrrsim.scenario.scenario import Scenario

# Between places of log R, where rates are certain and where they are drawn; and of few customers,
# whose points of mass stand apart.
STEP, STEP_OF_FEW, MOST_GROUPS = (2.0**-8, 2.0**-7), (2.0**-13, 2.0**-10), 16
FEW = 64  # kinds of customers (group and share) up to which each is transformed by itself
PLACES = (2**16, 2**13)  # of NRR, for them
WITHIN = 2  # places that a straight piece of a size's quantiles stands for
NONE = 1e-13  # of probability that may lie beyond the lattice, or be left out
LOOKED_UP, TABLE = 40, 300  # places of a characteristic function's table: a unit, and at least
FINE, COARSEST = 0.5, 64  # of a wave's phase between two places, and how many may become one
USUAL_R = 1.5
POWERS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # of R, by which the lattice's ends are found


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
        masses = np.zeros(self.number)
        about = [np.exp((at + k) * self.step) for k in (-1, 0, 1)]
        for k, part in zip((-1, 0, 1), _weights(values, about), strict=True):
            np.add.at(masses, (at + k) % self.number, weights * part)
        return np.fft.rfft(masses)

    def masses(self, spectra: np.ndarray) -> np.ndarray:
        """Back: `ndarray[group, place]`."""
        there = np.fft.irfft(spectra, self.number, axis=1)
        return np.roll(there, -(self.first % self.number), axis=1)


def _weights(values: np.ndarray, nodes: Sequence[np.ndarray]) -> list[np.ndarray]:
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
    """How a scenario's book may turn out, as a function of the rates: what does not change with
    them is made ready once.
    """

    def __init__(self, scenario: Scenario, draws: int = 1) -> None:
        """`draws`: of how many draws of the rates it will be asked: of many, each more coarsely."""
        customers = self.customers = scenario.opening
        self.months = scenario.months
        self.groups = Groups.of(customers, by_tenure=scenario.table.is_curved)
        kinds = np.stack([self.groups.of_customer, customers.arr / customers.total], axis=1)
        kinds, self.number = np.unique(kinds, axis=0, return_counts=True)
        self.group, self.share = kinds[:, 0].astype(np.int64), kinds[:, 1].copy()
        self.few = len(self.share) <= FEW
        step = (STEP_OF_FEW if self.few else STEP)[draws > 1]
        self.step = max(step, len(self.groups.segment) * step / MOST_GROUPS)
        self.places = PLACES[draws > 1]
        tables, used = size_tables(sizes_of(scenario, customers.segments))
        self.drawn = {
            (n, s): _values(tables[n, s].astype(float), -1 if n == 0 else 1)
            for n, s in np.argwhere(used).tolist()
        }

    def given(self, rates: Rates) -> Given:
        """What may happen under one draw of the rates."""
        return Given(self, rates)


def _values(table: np.ndarray, sign: int) -> tuple[np.ndarray, np.ndarray]:
    """What an event multiplies an amount by, and how likely each is: the size's quantile table."""
    low, high, weight = pieces(table)
    places, parts = np.polynomial.legendre.leggauss(WITHIN)
    sizes = (low[:, None] + (high - low)[:, None] * (places + 1) / 2).ravel()
    return 1 + sign * sizes, (weight[:, None] * parts / 2).ravel()


class Given:
    """The distribution of R in each group under one draw of the rates, and what they add up to."""

    def __init__(self, luck: Luck, rates: Rates) -> None:
        self.luck = luck
        self.phases = [rates.in_phase(phase) for phase in range(rates.phases)]
        self.rates, annual = rates, luck.customers.annual
        self.churn = churn_of(self.phases, annual)
        self.back = coming_back(self.phases)

        exponents = np.array([*POWERS, *(-each for each in POWERS)])
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            means = self._followed(
                len(exponents), lambda values, weights: weights @ values[:, None] ** exponents
            ).real
            ends = (np.log(means) - np.log(NONE)) / exponents
        high, low = ends[:, : len(POWERS)], ends[:, len(POWERS) :]
        high, low = (np.where(np.isfinite(each), each, np.nan) for each in (high, low))
        top = max(float(np.nanmin(high, axis=1).max()), 0.0)
        bottom = min(float(np.nanmax(low, axis=1).min()), 0.0)
        step = luck.step
        first, last = int(np.floor(bottom / step)) - 4, int(np.ceil(top / step)) + 4
        self.lattice = Lattice(1 << (last - first).bit_length(), first, step)
        spectra = self._followed(self.lattice.number // 2 + 1, self.lattice.spectrum)
        self.alive = spectra[:, 0].real.copy()
        self._masses = self.lattice.masses(spectra)

    def _followed(
        self, number: int, transformed: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """`complex128[group, number]`: the mean of R, transformed."""
        luck, segments = self.luck, len(self.luck.customers.segments)
        kept: dict[float, np.ndarray] = {1.0: np.ones(number)}

        def of(value: float) -> np.ndarray:
            if value not in kept:
                kept[value] = transformed(np.array([value]), np.ones(1))
            return kept[value]

        drawn = {key: transformed(*each) for key, each in luck.drawn.items()}
        growth = np.empty((len(self.phases), segments, 1, number), complex)
        lift = np.empty_like(growth)
        for p, rates in enumerate(self.phases):
            for s in range(segments):
                factor = np.ones(number, complex)
                for n, name in enumerate(COUNTED):
                    rate = float(getattr(rates, name)[0, s]) / 12
                    if rate:
                        size = float(getattr(rates, f"{name}_size")[0, s])
                        event = drawn.get((n, s))
                        if event is None:
                            event = of(1 - size if n == 0 else 1 + size)
                        factor = factor * (1 - rate + rate * event)
                growth[p, s, 0] = factor
                taken = float(rates.acceptance[0, s])
                lift[p, s, 0] = 1 - taken + taken * of(1 + float(rates.uplift[0, s]))
        sizes = np.maximum(self.rates.reactivation_size[0], 1e-9)  # 0: nobody comes back
        regular, due, back = (
            np.ascontiguousarray(np.broadcast_to(each, (*each.shape[:-1], number)))
            for each in (*self.churn, self.back)
        )
        month = paths.Month(
            regular,
            due,
            growth,
            lift,
            back,
            np.array([[of(float(size))] for size in sizes], complex),
            self.rates.in_the_year.together,
            self.rates.cycle,
        )
        out = np.empty((len(luck.groups.segment), number), complex)
        groups = luck.groups
        paths.powers(groups.segment, groups.anniversary, groups.tenure, luck.months, month, out)
        return out

    # --- what they add up to ----------------------------------------------------------------------

    def part(self, measure: str) -> Part:
        """What each customer's part of that measure may be: of `nrr`, `grr` (capped) or `logo`."""
        luck, r = self.luck, self.lattice.r
        if measure == "logo":
            n = luck.groups.number
            alone = np.ones(len(n)) / n.sum()
            return Part(self.alive[:, None], np.ones(1), alone, n, np.arange(len(n)), self.alive)
        masses = self._masses
        if measure == "grr":
            masses, one = masses.copy(), -self.lattice.first
            # a sum over places of what has a bend at one of them (Euler and Maclaurin); who is at 1
            # because nothing happened is no part of the density beside it
            off = (masses[:, one - 1] + masses[:, one + 1]) / 24
            masses[:, one] += masses[:, one + 1 :].sum(axis=1) - off
            masses[:, one - 1] += off
            masses, r = masses[:, : one + 1], r[: one + 1]
        return Part(masses, r, luck.share, luck.number, luck.group, self.alive)


@dataclass(frozen=True)
class Part:
    """A sum of customers' parts, each `share` times what its group may come to.

    masses : `ndarray[group, place]`, the probability of each of `values`, and 0 else. share, number
        (of customers alike), group : `ndarray[customer]`. alive : `ndarray[group]`.
    """

    masses: np.ndarray
    values: np.ndarray
    share: np.ndarray
    number: np.ndarray
    group: np.ndarray
    alive: np.ndarray

    @cached_property
    def moments(self) -> tuple[float, float, float]:
        """Mean, variance and third central moment of the sum."""
        m1, m2, m3 = (self.masses @ self.values**k for k in (1, 2, 3))
        central = (m1, m2 - m1**2, m3 - 3 * m1 * m2 + 2 * m1**3)
        first, second, third = (
            float(self.number * self.share**k @ each[self.group])
            for k, each in enumerate(central, 1)
        )
        return first, max(second, 0.0), third

    def waves(self, first: float, du: float, terms: int) -> np.ndarray:
        """The characteristic function of the sum at (first + j) du, j below `terms`: by look-up in
        a table of each group's.
        """
        most = float(self.share.max()) * (first + terms) * du
        places = max(LOOKED_UP, TABLE / most)
        w = np.arange(int(most * places) + 6) / places
        masses, values = self._coarser(most)
        waves = np.repeat(np.exp(1j * values / places)[:, None], len(w), axis=1)
        waves[:, 0] = 1.0
        np.cumprod(waves, axis=1, out=waves)
        cf = masses @ waves + (1 - self.alive)[:, None]
        m1 = self.masses @ self.values
        re = np.log(np.maximum(np.abs(cf), 1e-300))
        im = np.unwrap(np.angle(cf), axis=1) - m1[:, None] * w  # about the mean
        re, im = (
            np.concatenate([sign * each[:, 2:0:-1], each], axis=1)
            for sign, each in ((1, re), (-1, im))
        )
        all_re, all_im = np.zeros(terms), np.zeros(terms)
        kinds = self.share, self.number, self.group
        _product(*kinds, re, im, first, du * places, all_re, all_im)
        turned = all_im + (first + np.arange(terms)) * du * self.moments[0]
        return np.asarray(np.exp(all_re + 1j * turned))

    def transforms(self, width: float, places: int) -> np.ndarray:
        """The same at 2 pi j / (width places), j to half of the places: by a transform of each
        customer's distribution over places that far apart.
        """
        out = np.ones(places // 2 + 1, complex)
        for share, number, group in zip(self.share, self.number, self.group, strict=True):
            here = np.flatnonzero(np.abs(self.masses[group]) > NONE)
            values, weights = share * self.values[here] / width, self.masses[group, here]
            at = np.rint(values).astype(np.int64)
            about = [(at + k).astype(float) for k in (-1, 0, 1)]
            masses = np.zeros(places)
            masses[0] = 1 - self.alive[group]
            for k, part in zip((-1, 0, 1), _weights(values, about), strict=True):
                masses += np.bincount((at + k) % places, weights * part, places)
            out *= np.fft.rfft(masses) ** number
        return out

    def _coarser(self, most: float) -> tuple[np.ndarray, np.ndarray]:
        """Masses and values at fewer places: so many as frequencies up to `most` need."""
        step = float(np.log(self.values[1] / self.values[0])) if len(self.values) > 1 else 0.0
        if not step:
            return self.masses, self.values
        top = min(float(self.values[-1]), USUAL_R)
        by = 1
        while 2 * by * step * max(most, 1.0) * top <= FINE and by < COARSEST:
            by *= 2
        # the last place stays one: of capped GRR it has a mass of its own
        number = -(-(len(self.values) - 1) // by)
        padded = np.zeros((len(self.masses), number * by))
        padded[:, number * by - len(self.values) + 1 :] = self.masses[:, :-1]
        parts = padded.reshape(len(padded), number, by)
        out = np.zeros((len(padded), number + 3))
        nodes = self.values[-1] * np.exp((np.arange(number + 3) - number - 2) * by * step)
        for block, first in ((slice(0, number - 1), -1), (slice(number - 1, number), -2)):
            weights = parts[:, block] @ _lagrange(by, first, step)
            for m in range(4):
                at = block.start + 2 + first + m
                out[:, at : at + weights.shape[1]] += weights[:, :, m]
        out[:, -1] += self.masses[:, -1]
        there = np.flatnonzero(np.abs(out).max(axis=0) > NONE)
        return out[:, there[0] : there[-1] + 1], nodes[there[0] : there[-1] + 1]


@cache
def _lagrange(by: int, first: int, step: float) -> np.ndarray:
    """The weights of places 0 to `by` on four coarser ones, the first of them so many before place
    0: `ndarray[place, 4]`.
    """
    nodes = [np.exp((m + first) * by * step) for m in range(4)]
    return np.stack(_weights(np.exp(np.arange(by) * step), nodes), axis=1)
