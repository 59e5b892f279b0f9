"""A seed in, a ledger with signals and actions whose effect is known out; never shares code with the package.

Three healths of mean 0 and variance 1 move each customer's risk to leave: one that signals show, one that nobody sees
but that moves contraction, too, and one that leaves no trace. An alive customer leaves in a month with
1 - (1 - c)^(m f), c its segment's rate (into an anniversary another one), m = exp(sum of strength x health, less half its
variance), f the factor of what was done for it, in the months after that its effect lasts. High health is bad.

Actions, each for some 6 to 15 in 100 of the customers, none of whom gets two. One that changes something is alone in
its ledger, as who stands beside its treated must not get another that does:

- lot: drawn by lot, half of them held out; a factor of `lot`.
- care: for those who look at risk, without an arm; a factor of `care`.
- at risk, healthy: for those whose signals are bad, or good; nothing changes.
- traced, traceless: for the healthy as nobody sees, by the second and the third health; nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

FIRST = 2022 * 12
# share of customers, monthly churn, churn into an anniversary, median MRR
SEGMENTS = {"mid": (0.4, 0.008, 0.20, 900.0), "smb": (0.6, 0.022, 0.022, 150.0)}
SHARE, BETWEEN, AT_ANNIVERSARY, AMOUNT = map(np.array, zip(*SEGMENTS.values(), strict=True))
CONTRACTS, EXPANDS = 0.03, 0.015
STRENGTH = np.array([0.8, 0.8, 0.8])  # of the three healths: shown, traced, traceless
TRACE = 0.9  # of the second on contraction
PERSISTENCE, NOISE = 0.97, 0.4
SEEN, TRACED, TRACELESS = range(3)
BEGIN, END, HORIZON = 30, 36, 6  # months of the actions; how long one acts, and is looked at
AS_OF = END + HORIZON - 1
REPEATS = 100  # futures by which the truth is told
# by which health an action is given, and how: 1 to those whose health is bad
CHOSEN = {
    "care": (SEEN, 1.0), "at risk": (SEEN, 1.0), "healthy": (SEEN, -1.0), "traced": (TRACED, -1.0),
    "traceless": (TRACELESS, -1.0),
}  # fmt: skip
OFTEN = 0.02  # of those alive in a month, how many get it, on average


@dataclass(frozen=True, eq=False)
class Acted:
    """A ledger, its signals and actions as tables, and what is true of each action: by how much the share of its
    treated that leaves within the horizon differs for it, given their health at the action.
    """

    ledger: pd.DataFrame
    signals: pd.DataFrame
    actions: pd.DataFrame
    truth: dict[str, float]


def act(
    seed: int,
    names: tuple[str, ...],
    customers: int = 1_600,
    *,
    factor_of_treated: float = 0.5,
    in_lot: float = 0.6,
) -> Acted:
    """names : the actions that are given. in_lot : the share of those alive who are drawn, holdouts among them."""
    rng = np.random.default_rng(seed)
    shape = (customers, AS_OF + 1)
    factors = dict.fromkeys(("lot", "care"), factor_of_treated)
    segment = rng.choice(len(SHARE), customers, p=SHARE)
    first = np.where(rng.random(customers) < 0.6, 0, rng.integers(1, AS_OF, customers))
    anniversary = rng.integers(0, 12, customers)
    anniversary = np.where(first > 0, first % 12, anniversary)
    health = rng.standard_normal((customers, 3))
    seen = np.zeros(shape)
    mrr = np.zeros(shape)
    amount = np.round(AMOUNT[segment] * rng.lognormal(0, 0.6, customers), 2)
    alive = np.zeros(customers, bool)
    factor, until = np.ones(customers), np.full(customers, -1)
    acted = np.zeros(customers, bool)
    given: list[tuple[np.ndarray, int, str, str]] = []
    states: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in names}
    for month in range(AS_OF + 1):
        if month:
            now = np.where(month <= until, factor, 1.0)
            leaves = hazard(segment, anniversary, month, health, now)
            alive &= rng.random(customers) >= leaves
            health = moved(health, rng)
            shrinks = rng.random(customers) < CONTRACTS * np.exp(
                TRACE * health[:, TRACED] - TRACE**2 / 2
            )
            grows = ~shrinks & (rng.random(customers) < EXPANDS)
            size = rng.lognormal(-2, 0.5, customers).clip(max=0.8)
            amount = np.round(amount * (1 + grows * size - shrinks * size), 2)
        alive |= first == month
        mrr[:, month] = np.where(alive, amount, 0)
        seen[:, month] = health[:, SEEN] + NOISE * rng.standard_normal(customers)
        if not BEGIN <= month < END:
            continue
        for name in names if "lot" not in names else ():
            which, sign = CHOSEN[name]
            # as it was seen at the end of the month before
            by = seen[:, month - 1] if which == SEEN else health[:, which]
            chance = OFTEN * np.exp(1.2 * sign * by - 1.2**2 / 2)
            mine = alive & ~acted & (rng.random(customers) < chance)
            give(given, states, mine, month, name, "", (segment, anniversary, health))
            acted |= mine
            if name in factors:
                factor[mine], until[mine] = factors[name], month + HORIZON
        if "lot" not in names:
            continue
        drawn = alive & ~acted & (rng.random(customers) < in_lot / (END - BEGIN))
        treated = drawn & (rng.random(customers) < 0.5)
        give(given, states, treated, month, "lot", "treated", (segment, anniversary, health))
        give(given, states, drawn & ~treated, month, "lot", "holdout", None)
        acted |= drawn
        factor[treated], until[treated] = factor_of_treated, month + HORIZON

    truth = {
        name: float(
            np.concatenate([effect(*each, factors.get(name, 1.0), rng) for each in own]).mean()
        )
        for name, own in states.items()
    }
    called = np.array([f"K{number:05d}" for number in range(customers)])
    customer, month = np.nonzero(mrr > 0)
    ledger = {"customer": called[customer], "month": written(month), "mrr": mrr[customer, month],
              "segment": np.array([*SEGMENTS])[segment[customer]],
              "renewal": written(month + 12 - (month - anniversary[customer]) % 12)}  # fmt: skip
    known = rng.random(len(month)) > 0.05
    shown = np.exp(3 - 0.6 * seen[customer, month]).round()
    signals = {"customer": called[customer], "date": written(month), "active_users": shown}
    rows = [
        (called[who], f"{written(at)}-{1 + int(rng.integers(28)):02d}", name, arm)
        for mine, at, name, arm in given
        for who in np.flatnonzero(mine)
    ]
    return Acted(
        pd.DataFrame(ledger),
        pd.DataFrame(signals)[known],
        pd.DataFrame(rows, columns=["customer", "date", "action", "arm"]),
        truth,
    )


def give(given, states, mine, month, name, arm, of) -> None:
    given.append((mine, month, name, arm))
    if of is not None and mine.any():
        segment, anniversary, health = of
        states[name].append((segment[mine], anniversary[mine], month, health[mine].copy()))


def hazard(segment, anniversary, month, health, factor):
    """Of the step into a month, health as it was in the month before."""
    into = (month - anniversary) % 12 == 0
    rate = np.where(into, AT_ANNIVERSARY[segment], BETWEEN[segment])
    times = np.exp(health @ STRENGTH - (STRENGTH**2).sum() / 2)
    return 1 - (1 - rate) ** (times * factor)


def moved(health, rng):
    return PERSISTENCE * health + np.sqrt(1 - PERSISTENCE**2) * rng.standard_normal(health.shape)


def effect(segment, anniversary, month, health, factor, rng) -> np.ndarray:
    """Of each treated by how much the action moves the probability to leave within the horizon."""
    if factor == 1.0:
        return np.zeros(len(segment))
    segment, anniversary = (np.repeat(each, REPEATS) for each in (segment, anniversary))
    health = np.repeat(health, REPEATS, axis=0)
    stays = np.ones((2, len(segment)))
    for ahead in range(1, HORIZON + 1):
        for place, times in enumerate((1.0, factor)):
            stays[place] *= 1 - hazard(segment, anniversary, month + ahead, health, times)
        health = moved(health, rng)
    return (stays[0] - stays[1]).reshape(-1, REPEATS).mean(axis=1)


def written(month):
    number = FIRST + np.asarray(month)
    names = np.array(
        [f"{each // 12:04d}-{each % 12 + 1:02d}" for each in range(FIRST, FIRST + 600)]
    )
    return names[number - FIRST]
