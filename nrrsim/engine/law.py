"""A scenario in, the distributions of its NRR, capped GRR and logo out, computed; never simulates.

STUB: the names hold, the numbers are to come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nrrsim import metrics
from nrrsim.engine.draws import SEED
from nrrsim.engine.outcomes import Computed
from nrrsim.engine.simulation import simulate
from nrrsim.scenario.scenario import Scenario


@dataclass(frozen=True)
class Law:
    """How NRR, capped GRR and logo may turn out after a month."""

    nrr: Computed
    grr: Computed
    logo: Computed


def law_of(scenario: Scenario, seed: int = SEED) -> Law | None:
    """How NRR, capped GRR and logo may turn out after the scenario's last month; None where
    accounts differ from their segment (the law does not follow them yet).

    seed : of the draws of the beliefs; the same seed gives the same bits.
    """
    if scenario.opening.differ:
        return None
    run = simulate(scenario, 2_000, seed)

    def of(values: np.ndarray) -> Computed:
        at = np.sort(np.asarray(values))
        below = (np.arange(len(at)) + 0.5) / len(at)
        return Computed(at, below, float(at.mean()), float(at.std()), 0.001, 0.001)

    return Law(of(metrics.nrr(run)), of(metrics.grr(run)), of(metrics.logo(run)))


def nrr_over(scenario: Scenario, months: list[int], seed: int = SEED) -> list[Computed]:
    """How NRR may turn out after each of `months` (for a fan), the last as `law_of` has it."""
    law = law_of(scenario, seed)
    assert law is not None
    return [law.nrr] * len(months)
