"""Rates and a seed in, a ledger with signals and who would leave in truth out; never shares code with the package.

Each customer has a hidden health that moves from month to month, an AR(1) of mean 0 and variance 1; high is bad. Part of
the risk to leave goes with it: an alive customer leaves in a month with 1 - (1 - c)^m, where c is its segment's rate of
that month (into an anniversary another one) and m = 1 - announced + announced exp(strength health - strength^2/2), whose
mean is 1. Signals show the health of their month with noise, or nothing but noise. Who knows the health and the rates
can do no better than `leaving`; who knows the rates alone, no better than it with `health` of mean 0 and unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

FIRST = 2022 * 12  # the ledger's first month, in months since year 0
# name: share of customers, term, monthly churn, churn into an anniversary, monthly expansion, contraction, median MRR
SEGMENTS = {
    "enterprise": (0.2, "annual", 0.002, 0.08, 0.030, 0.008, 4_000.0),
    "mid": (0.3, "annual", 0.004, 0.18, 0.020, 0.010, 900.0),
    "smb": (0.5, "monthly", 0.025, 0.025, 0.010, 0.012, 150.0),
}
SHARE, TERM, BETWEEN, AT_ANNIVERSARY, EXPANDS, CONTRACTS, AMOUNT = map(
    np.array, zip(*SEGMENTS.values(), strict=True)
)
HEALTH = np.linspace(-6, 6, 241)
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
VIEWS = ("active_users", "core_actions")


@dataclass(frozen=True, eq=False)
class Known:
    """A ledger whose truth is known; arrays of [customer, month]."""

    segment: np.ndarray  # of the customer, a number
    first: np.ndarray  # month in which the customer starts
    mrr: np.ndarray  # 0 before it starts and after it left
    health: np.ndarray
    signals: dict[str, np.ndarray]  # nan where unknown
    persistence: float  # of health, from a month to the next
    strength: float  # standard deviation of the log of m
    announced: float  # share of the risk that goes with health

    @property
    def alive(self) -> np.ndarray:
        return self.mrr > 0

    @property
    def names(self) -> np.ndarray:
        return np.array([f"K{number:05d}" for number in range(len(self.segment))])

    def ledger(self, with_renewal: bool = False) -> pd.DataFrame:
        """A row a customer and month; `with_renewal`: also the month of its next anniversary."""
        customer, month = np.nonzero(self.alive)
        segment = self.segment[customer]
        ledger = pd.DataFrame(
            {
                "customer": self.names[customer],
                "month": written(month),
                "mrr": self.mrr[customer, month],
                "segment": np.array(list(SEGMENTS))[segment],
                "term": TERM[segment],
            }
        )
        if with_renewal:
            age = month - self.first[customer]
            ledger["renewal"] = written(month + 12 - age % 12)
        return ledger

    def table(self) -> pd.DataFrame:
        """The signals, wide: a row a customer and month in which one of them is known."""
        known = np.logical_or.reduce([~np.isnan(values) for values in self.signals.values()])
        customer, month = np.nonzero(known & self.alive)
        shown = {name: values[customer, month] for name, values in self.signals.items()}
        dates = {"customer": self.names[customer], "date": written(month)}
        return pd.DataFrame({**dates, **shown})

    def left(self, month: int, horizon: int) -> np.ndarray:
        """Of those alive in the month, who has no amount in one of the `horizon` months after it."""
        of = self.alive[:, month]
        return ~self.alive[of, month + 1 : month + 1 + horizon].all(axis=1)

    def leaving(self, month: int, horizon: int) -> np.ndarray:
        """Probability of it for each of those alive, their health of that month known: no score can be better.

        Backwards from the horizon: V(health) = (1 - c)^m E[V(health a month later)], on a grid of health.
        """
        of = np.flatnonzero(self.alive[:, month])
        age = (month - self.first[of]) % 12
        spread = np.sqrt(1 - self.persistence**2)
        later = self.persistence * HEALTH[:, None] + spread * NODES
        probability = np.empty(len(of))
        for segment, at in set(zip(self.segment[of], age, strict=True)):
            stays = np.ones(len(HEALTH))
            for ahead in reversed(range(horizon)):
                rate = churn(segment, at + ahead)
                after = np.interp(later, HEALTH, stays) @ WEIGHTS / WEIGHTS.sum()
                stays = (1 - rate) ** self._factor(HEALTH) * after
            mine = (self.segment[of] == segment) & (age == at)
            probability[mine] = 1 - np.interp(self.health[of[mine], month], HEALTH, stays)
        return probability

    def _factor(self, health: np.ndarray) -> np.ndarray:
        return factor(health, self.strength, self.announced)


def grow(
    customers: int = 1_500,
    months: int = 48,
    seed: int = 0,
    *,
    persistence: float = 0.95,
    strength: float = 1.5,
    announced: float = 0.5,
    noise: float = 0.5,
    views: int = 2,
    unrelated: int = 0,
    missing: float = 0.05,
) -> Known:
    """A ledger of so many customers ever: three in five start in its first year, the others later. After three years
    some 63 % of them are there.

    noise : standard deviation of what a signal shows beside health, in standard deviations of health.
    views : how many signals show health; `unrelated` others show nothing. `missing`: share not known.
    """
    rng = np.random.default_rng(seed)
    segment = rng.choice(len(SHARE), customers, p=SHARE)
    early = rng.random(customers) < 0.6
    first = np.where(early, rng.integers(0, 12, customers), rng.integers(12, months - 1, customers))
    shape = (customers, months)
    health, mrr = np.empty(shape), np.zeros(shape)
    health[:, 0] = rng.standard_normal(customers)
    spread = np.sqrt(1 - persistence**2)
    amount = np.round(AMOUNT[segment] * rng.lognormal(0, 0.6, customers), 2)
    alive = np.zeros(customers, bool)
    for month in range(months):
        if month:
            luck = rng.standard_normal(customers)
            leaves = 1 - (1 - churn(segment, month - 1 - first)) ** factor(
                health[:, month - 1], strength, announced
            )
            alive &= rng.random(customers) >= leaves
            health[:, month] = persistence * health[:, month - 1] + spread * luck
            grows = rng.random(customers) < EXPANDS[segment]
            shrinks = ~grows & (rng.random(customers) < CONTRACTS[segment])
            size = rng.lognormal(-2, 0.5, customers)
            amount = np.round(amount * (1 + grows * size - shrinks * size.clip(max=0.8)), 2)
        alive |= first == month
        mrr[:, month] = np.where(alive, amount, 0)
    shown = {
        name: np.exp(3 - 0.5 * (health + noise * rng.standard_normal(shape))).round()
        for name in VIEWS[:views]
    }
    shown |= {
        f"unrelated_{number + 1}": rng.lognormal(2, 0.7, shape).round()
        for number in range(unrelated)
    }
    for values in shown.values():
        values[rng.random(shape) < missing] = np.nan
    return Known(segment, first, mrr, health, shown, persistence, strength, announced)


def churn(segment: np.ndarray | int, age: np.ndarray | int) -> np.ndarray:
    """The segment's rate of the step out of a month in which the customer is `age` months old."""
    into = (np.asarray(age) % 12) == 11
    return np.where(into, AT_ANNIVERSARY[segment], BETWEEN[segment])


def factor(health: np.ndarray, strength: float, announced: float) -> np.ndarray:
    return 1 - announced + announced * np.exp(strength * health - strength**2 / 2)


def rates_alone(known: Known, month: int, horizon: int) -> np.ndarray:
    """Probability to leave of those alive by the true rates of segment and anniversary, were all alike."""
    return replace(known, announced=0.0).leaving(month, horizon)


def written(month: np.ndarray | int) -> np.ndarray:
    """As the ledger writes a month that is counted from its first."""
    number = FIRST + np.asarray(month)
    names = np.array(
        [f"{each // 12:04d}-{each % 12 + 1:02d}" for each in range(FIRST, FIRST + 600)]
    )
    return names[number - FIRST]
