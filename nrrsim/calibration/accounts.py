"""What was learnt and how accounts differ in, what was learnt with their level in it out; never
an account's own rate.

A table of accounts says of each how its rates differ from its segment's. So that each then has
just that, a segment's rates are multiplied by what all of its accounts come to together: the level
that `engine.levels` takes out of the table again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import scipy  # whose `optimize` is loaded when it is first asked for

from nrrsim.calibration.frequency import Learnt
from nrrsim.calibration.tenure import Curve
from nrrsim.engine.levels import levels, mean_rates, staying
from nrrsim.scenario.drivers import HAZARD, MULTIPLIER_OF
from nrrsim.scenario.scenario import Scenario

FARTHEST = 12.0  # of the logarithm of the factor on a curve's alpha


def with_level(
    scenario: Scenario, learnt: Sequence[Learnt], curves: Mapping[str, Curve]
) -> tuple[list[Learnt], dict[str, Curve]]:
    """What was learnt of each segment, times the level of its accounts; beliefs keep how far they
    reach relative to their mean.

    scenario : what was learnt as it would be without accounts; its customers have the multipliers
        of the table.
    """
    found = dict(zip(scenario.segments, levels(scenario, scenario.opening), strict=True))

    def multiplied(each: Learnt) -> Learnt:
        known = each.driver in MULTIPLIER_OF and each.segment in found
        factor = float(found[each.segment][MULTIPLIER_OF[each.driver]]) if known else 1.0
        if factor == 1:
            return each
        if each.driver == "churn":
            # who stays, to that power; the sd by the slope there
            stays = 1 - each.mean
            slope = factor * stays ** (factor - 1) if stays else 0.0
            return replace(each, mean=1 - stays**factor, sd=each.sd * slope)
        return replace(each, mean=each.mean * factor, sd=each.sd * factor)

    here = [multiplied(each) for each in learnt]
    tilted = {
        name: replace(curve, alpha=curve.alpha * _factor_of_alpha(scenario, name))
        if name in found
        else curve
        for name, curve in curves.items()
    }
    return here, tilted


def _factor_of_alpha(scenario: Scenario, segment: str) -> float:
    """By what a curve's alpha is multiplied so that as many leave within a year as the accounts
    say: of a curve no power is one again.
    """
    customers, rates = scenario.opening, mean_rates(scenario)
    assert customers.multipliers is not None
    number = scenario.segments.index(segment)
    mine = customers.segment == number
    hazard = customers.multipliers[mine, HAZARD]
    number_there = float((staying(rates, customers)[-1][mine] ** hazard).sum())
    fields = scenario.table.entries["churn"][segment]
    alpha, beta = fields["alpha"].mean, fields["beta"].mean

    def over(log: float) -> float:
        churn = rates.churn.copy()
        tilted = alpha * np.exp(log)
        churn[0, number] = tilted / (tilted + beta + np.arange(churn.shape[2]))
        there = staying(replace(rates, churn=churn), customers)[-1][mine]
        return float(there.sum()) - number_there

    if over(0.0) == 0:
        return 1.0
    return float(np.exp(scipy.optimize.brentq(over, -FARTHEST, FARTHEST, xtol=1e-13)))
