"""A scenario's beliefs in, which of them matter out, on the exact expectation; never simulates.

Beliefs may be tied. A tornado moves one and leaves the others as they are. `known` says by how much
the variance of expected NRR would shrink, on average, if one belief were known, with what that
tells of those it is tied to. Shapley effects share the whole variance out, so that they add up to 1
whatever is tied (Owen 2014; Song, Nelson, Staum 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nrrsim.engine.draws import SEED, scores
from nrrsim.engine.driver_rates import rates_at, slots_of
from nrrsim.engine.switched import MOST_APART, nrr_by_draw
from nrrsim.scenario.beliefs import Z90, correlation_matrix
from nrrsim.scenario.scenario import Scenario, as_scenario

DRAWS, FEWER_DRAWS, MANY = 512, 64, 30  # and how many beliefs are many
MOST_ASKED = 12  # beliefs whose knowledge is weighed, where only the most important are wanted
NODES = 5  # of the Gauss-Hermite rule over one belief
MOST_AT_ONCE = 250_000  # scores whose NRR is worked out together: these stay in the cache
ORDERS, WITHIN = 1_500, 3  # random orders of the beliefs, and draws for a variance inside each


@dataclass(frozen=True)
class Belief:
    """What one belief does to expected NRR: at its P5 and P95, and its parts of the variance.

    `known`: by how much the variance would shrink if it were known; `effect`: its Shapley effect,
    `error` its standard error.
    """

    name: str
    low: float
    high: float
    known: float
    effect: float
    error: float


@dataclass(frozen=True)
class Sensitivity:
    """Beliefs, what matters most first; mean and standard deviation of expected NRR over them."""

    nrr: float
    sd: float
    beliefs: tuple[Belief, ...]


def sensitivity(scenario: Scenario | str | Path, effects: bool = True) -> Sensitivity:
    """Which beliefs the expected NRR hangs on, most first.

    A good or bad year is one, too: `shock` for all customers, `year_effects.churn` for a driver.

    scenario : one that was read or made, or its file.
    effects : compute the Shapley effects, which take most of the time; else they are nan.
    """
    model = _Model(as_scenario(scenario))
    whole = model.nrr(model.even(DRAWS * 8))
    variance = float(whole.var())
    if not model.names or variance == 0:
        return Sensitivity(float(whole.mean()), 0.0, ())
    unknown = np.full(len(model.names), np.nan)
    shares, errors = model.shapley_effects(variance) if effects else (unknown, unknown)

    swings = [model.swing(number) for number in range(len(model.names))]
    widths = [abs(high - low) for low, high in swings]
    widest = sorted(range(len(swings)), key=lambda number: -widths[number])
    asked = set(widest if effects else widest[:MOST_ASKED])  # each takes its time
    known = [
        min(model.known(number) / variance, 1.0) if number in asked else 0.0
        for number in range(len(swings))
    ]

    found = [
        Belief(name, *swings[number], known[number], float(shares[number]), float(errors[number]))
        for number, name in enumerate(model.names)
    ]
    found.sort(key=lambda each: -each.known)
    return Sensitivity(float(whole.mean()), float(np.sqrt(variance)), tuple(found))


class _Model:
    """Expected NRR as a function of normal scores, `ndarray[draw, belief]`, and their ties."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.slots = slots_of(scenario)
        self.names = list(self.slots)
        self.expected = nrr_by_draw(scenario, MOST_APART)
        self.matrix = np.eye(len(self.names))
        ties = scenario.table.ties
        self.tied = bool(ties)
        if ties:
            tied, matrix, _ = correlation_matrix(ties)
            numbers = [self.names.index(name) for name in tied]
            self.matrix[np.ix_(numbers, numbers)] = matrix

    def nrr(self, z: np.ndarray) -> np.ndarray:
        by_name = dict(zip(self.names, z.T, strict=True))
        rates = rates_at(self.scenario, self.scenario.opening, by_name, len(z) if self.names else 1)
        return self.expected(rates)

    def even(self, count: int) -> np.ndarray:
        """Evenly spread scores, tied as they should be."""
        if not self.names:
            return np.zeros((count, 0))
        z = scores(self.slots, self.scenario.table.ties, count=count, seed=SEED, quasi=True)
        return np.stack([z[name] for name in self.names], axis=1)

    def swing(self, number: int) -> tuple[float, float]:
        """Expected NRR with one belief at its P5 and at its P95, and the others as they are."""
        z = self.even(DRAWS if len(self.names) <= MANY else FEWER_DRAWS)
        ends = []
        for score in (-Z90, Z90):
            z[:, number] = score
            ends.append(float(self.nrr(z).mean()))
        return ends[0], ends[1]

    def known(self, number: int) -> float:
        """The variance of the mean of NRR given one belief: what knowing it takes away."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        weights = weights / weights.sum()
        # given one normal score, the others keep the part of theirs that goes with it, and a rest
        # of their own
        others = [other for other in range(len(self.names)) if other != number]
        slope = self.matrix[others, number]
        z = np.empty((NODES, DRAWS, len(self.names)))
        z[:, :, number] = nodes[:, None]
        if others:
            left = self.matrix[np.ix_(others, others)] - np.outer(slope, slope)
            free = scores(
                {self.names[each]: self.slots[self.names[each]] for each in others},
                count=DRAWS,
                seed=SEED,
                quasi=True,
            )
            rest = np.stack([free[self.names[each]] for each in others], axis=1) @ _root_of(left).T
            z[:, :, others] = nodes[:, None, None] * slope + rest
        means = self.nrr(z.reshape(-1, len(self.names))).reshape(NODES, DRAWS).mean(axis=1)
        return float(weights @ (means - weights @ means) ** 2)

    def shapley_effects(self, variance: float) -> tuple[np.ndarray, np.ndarray]:
        """Each belief's part of the variance, averaged over random orders, and its error."""
        rng = np.random.default_rng(SEED)
        number = len(self.names)
        orders = np.array([rng.permutation(number) for _ in range(ORDERS)])
        # the variance that is left when all but the first n of an order are known, n below number
        draws = self._all_given(orders, rng)
        some = range(0, ORDERS, max(1, MOST_AT_ONCE // max(1, draws[0].size)))
        y = np.concatenate(
            [self.nrr(draws[at : at + some.step].reshape(-1, number)) for at in some]
        ).reshape(ORDERS, number - 1, WITHIN)
        left = np.concatenate(
            [np.zeros((ORDERS, 1)), y.var(axis=2, ddof=1), np.full((ORDERS, 1), variance)], axis=1
        )

        # what each adds as it joins the unknown ones, put back from the order to its own column
        gains = np.empty((ORDERS, number))
        np.put_along_axis(gains, orders, np.diff(left, axis=1), axis=1)
        return gains.mean(axis=0) / variance, gains.std(axis=0, ddof=1) / np.sqrt(ORDERS) / variance

    def _all_given(self, orders: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """WITHIN draws of all scores, of each order and number n of its first ones: the others are
        known, so they are the same in these. `ndarray[order, n - 1, draw, belief]`.
        """
        number = len(self.names)
        found = np.empty((len(orders), number - 1, WITHIN, number))
        sizes = np.array([[number - n, WITHIN * n] for n in range(1, number)], int).ravel()
        drawn = np.split(rng.standard_normal((len(orders), sizes.sum())), sizes.cumsum(), 1)
        for n, (given, free) in enumerate(zip(drawn[:-1:2], drawn[1::2], strict=True), 1):
            known, unknown = given[:, :, None], free.reshape(-1, WITHIN, n)
            if self.tied:
                known, unknown = self._tied(orders[:, n:], orders[:, :n], known, unknown)
            whole = np.empty((len(orders), WITHIN, number))
            whole[:, :, n:] = known.transpose(0, 2, 1)
            whole[:, :, :n] = unknown
            np.put_along_axis(found[:, n - 1], orders[:, None], whole, axis=2)
        return found

    def _tied(
        self, known: np.ndarray, unknown: np.ndarray, given: np.ndarray, free: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Independent scores in, `ndarray[order, known, 1]` and `ndarray[order, draw, unknown]`,
        the same with their ties out. known, unknown : the beliefs of each order.
        """

        def ties(one: np.ndarray, other: np.ndarray) -> np.ndarray:
            return np.asarray(self.matrix[one[:, :, None], other[:, None, :]])

        inner, cross = ties(known, known), ties(known, unknown)
        across = np.linalg.solve(inner, cross).transpose(0, 2, 1)
        left = ties(unknown, unknown) - across @ cross
        given = _root_of(inner) @ given
        moved = (across @ given).transpose(0, 2, 1)
        return given, moved + free @ _root_of(left).transpose(0, 2, 1)


def _root_of(matrix: np.ndarray) -> np.ndarray:
    """A square root of covariance matrices; rounding may have left an eigenvalue below 0."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0))[..., None, :])
