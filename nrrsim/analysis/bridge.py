"""Two scenarios in, what makes their expected NRR differ, step by step, out; never draws charts.

The bridge attributes the difference in expected NRR to what differs, by Shapley values: each group
is switched from A's values to B's in every order, and averaged. The parts add up to the difference
exactly, and depend on no order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np

from nrrsim.analysis.paired import comparable
from nrrsim.engine.draws import SEED
from nrrsim.engine.driver_rates import slots_of
from nrrsim.engine.switched import ACCOUNTS, LEVER_GROUPS, Exact, Side, expected_nrr
from nrrsim.movements import LOSSES
from nrrsim.scenario.scenario import Scenario, as_scenario

# Each vector that a strategy team speaks of, and the groups that it is made of.
VECTORS = {
    "gross_retention": LOSSES,
    "reactivation": ("reactivation",),
    "adoption": ("adoption",),
    "cross_sell": ("cross_sell",),
    "price": ("price",),
    "mix": ("mix",),
}
# Of the bridge: independent sets of Sobol draws, and how many each has.
REPLICATES, BRIDGE_DRAWS = 4, 128
LEAST = 5e-5  # of NRR: a part that is drawn as a step


@dataclass(frozen=True)
class Bridge:
    """What makes NRR(B) differ from NRR(A).

    `parts` by group, and `segments` by group and segment: each adds up to the difference. The group
    `accounts` is there where single accounts differ from their segment in A or in B.
    """

    a: float
    b: float
    parts: dict[str, float]
    segments: dict[str, dict[str, float]]
    standard_errors: dict[str, float]

    @property
    def difference(self) -> float:
        return self.b - self.a

    @property
    def vectors(self) -> dict[str, float]:
        found = {
            name: sum(self.parts[group] for group in groups) for name, groups in VECTORS.items()
        }
        return found | {name: self.parts[name] for name in (ACCOUNTS,) if name in self.parts}

    def steps(self, a: str, b: str, least: float = LEAST) -> list[dict[str, Any]]:
        """From one's NRR to the other's, whose names are `a` and `b`, a row a step.

        Of the parts of at least that size: `step`, `amount`, `start`, `end`, `kind`.
        """
        rows = [{"step": a, "amount": self.a, "start": 0.0, "end": self.a, "kind": "total"}]
        level = self.a
        for name, part in self.parts.items():
            if abs(part) >= least:
                kind = "gain" if part > 0 else "loss"
                rows.append(
                    {
                        "step": name,
                        "amount": part,
                        "start": level,
                        "end": level + part,
                        "kind": kind,
                    }
                )
                level += part
        return [*rows, {"step": b, "amount": self.b, "start": 0.0, "end": self.b, "kind": "total"}]


def bridge(
    a: Scenario | str | Path, b: Scenario | str | Path, nrr: tuple[float, float] | None = None
) -> Bridge:
    """The difference in expected NRR, attributed to what differs, over the same draws for both.

    Each is a scenario or its file. nrr : their expected NRR, where it is known. Raises UsageError
    where the months differ, or a segment of one has no drivers in the other.
    """
    a, b = as_scenario(a), as_scenario(b)
    segments = comparable(a, b)
    names = (*LEVER_GROUPS, *([ACCOUNTS] if a.opening.differ or b.opening.differ else []))
    runs = [_shapley(a, b, segments, SEED + n, len(names)) for n in range(REPLICATES)]
    values = np.stack(runs)  # replicate, group, segment
    mean, by_run = values.mean(axis=0), values.sum(axis=2)
    first, last = nrr or (expected_nrr(a), expected_nrr(b))

    # what the few draws leave of the difference goes to the parts, as large as they are
    if size := np.abs(mean).sum():
        mean = mean + (last - first - mean.sum()) * np.abs(mean) / size

    error = by_run.std(axis=0, ddof=1) / np.sqrt(REPLICATES)
    return Bridge(
        first,
        last,
        {name: float(mean[number].sum()) for number, name in enumerate(names)},
        {
            name: dict(zip(segments, map(float, mean[number]), strict=True))
            for number, name in enumerate(names)
        },
        {name: float(error[number]) for number, name in enumerate(names)},
    )


def shapley(worth: Mapping[tuple[int, ...], Any]) -> np.ndarray:
    """The Shapley value of each player, from the worth of every coalition (1: who is in it)."""
    players = len(next(iter(worth)))
    values = []
    for player in range(players):
        total: Any = 0.0
        for which, value in worth.items():
            if not which[player]:
                size = sum(which)
                weight = factorial(size) * factorial(players - size - 1) / factorial(players)
                joined = (*which[:player], 1, *which[player + 1 :])
                total = total + weight * (worth[joined] - value)
        values.append(total)
    return np.array(values)


def _shapley(
    a: Scenario, b: Scenario, segments: tuple[str, ...], seed: int, groups: int
) -> np.ndarray:
    """`ndarray[group, segment]` of the Shapley values, averaged over the draws; `groups`: how many,
    with or without that of accounts.
    """
    levelled = groups > len(LEVER_GROUPS)
    # what both believe something of meets the same draws
    names = sorted({**slots_of(a), **slots_of(b)})
    rows = {name: row for row, name in enumerate(names)}
    exact = Exact(
        (
            Side.of(a, segments, BRIDGE_DRAWS, seed, rows, levelled),
            Side.of(b, segments, BRIDGE_DRAWS, seed, rows, levelled),
        )
    )
    # of what both have alike it is the same whose values they are
    differs = [not alike for alike in exact.alike()[:groups]]
    worth = {
        which: exact.nrr(*which).mean(axis=1)
        for which in product(*((0, 1) if each else (0,) for each in differs))
    }
    return shapley(
        {
            which: worth[tuple(np.multiply(which, differs))]
            for which in product((0, 1), repeat=groups)
        }
    )
