"""A scenario's programmes in, what each adds and returns out; never words, never draws charts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from nrrsim.analysis.bridge import BRIDGE_DRAWS, REPLICATES, shapley
from nrrsim.engine.draws import SEED, scores
from nrrsim.engine.driver_rates import drawn_effects, effects_of, rates_at, slots_of
from nrrsim.engine.switched import MOST_APART, nrr_by_draw
from nrrsim.errors import UsageError
from nrrsim.scenario.scenario import Scenario, as_scenario

MOST_PROGRAMMES = 10


@dataclass(frozen=True)
class Share:
    """A programme's Shapley share of what all of them add to expected NRR, and to ARR at the end.

    `measured`: how its effect was found ("randomised" or "matched, not randomised"); None: it is
    judged. `returned`: ARR gained over `cost`; None where it costs nothing.
    """

    name: str
    nrr: float
    arr: float
    cost: float
    measured: str | None = None

    @property
    def returned(self) -> float | None:
        return self.arr / self.cost if self.cost else None


def programmes(scenario: Scenario | str | Path) -> tuple[Share, ...]:
    """What each programme of a scenario (or its file) adds when it joins some of the others,
    averaged over all orders.
    """
    believed = as_scenario(scenario)
    listed = list(believed.programmes.items())
    if not listed:
        return ()
    if len(listed) > MOST_PROGRAMMES:
        raise UsageError(
            f"programmes: {len(listed)}; the shares of {MOST_PROGRAMMES} at most can be told apart"
        )
    # the same draws for every set of programmes: what differs is what they do
    slots, count = slots_of(believed), BRIDGE_DRAWS * REPLICATES
    z = scores(slots, believed.table.ties, count=count, seed=SEED, quasi=True)
    rates = rates_at(believed, believed.opening, z, count if slots else 1)
    full = drawn_effects(believed, z)
    nrr = nrr_by_draw(believed, MOST_APART)

    def worth(which: tuple[int, ...]) -> float:
        run = {name: each for (name, each), runs in zip(listed, which, strict=True) if runs}
        effects = effects_of(run, full, believed.segments, believed.months)
        return float(nrr(replace(rates, effects=effects)).mean())

    shares = shapley({which: worth(which) for which in product((0, 1), repeat=len(listed))})
    opening = believed.opening.total
    return tuple(
        Share(name, float(share), float(share) * opening, programme.cost, programme.measured)
        for (name, programme), share in zip(listed, shares, strict=True)
    )
