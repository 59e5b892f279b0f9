"""How accounts differ in, each one's multipliers with their segment's level taken out, out; never
changes what a segment's rate means.

Customer i of a segment leaves in a month with 1 - (1 - c)^h_i, c its segment's probability of that
month, and has e_i times its adoptions and cross-sells, and k_i times its contractions. A table of
accounts states these multipliers up to a level that is its segment's own: as many customers as by
the segment's rate leave in the first year, and who is still there has as many events.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy  # whose `optimize` is loaded when it is first asked for

from nrrsim.engine.draws import EVEN_DRAWS
from nrrsim.engine.driver_rates import Rates, rates_at
from nrrsim.engine.groups import Groups, coarser, phase_of, tenure_year
from nrrsim.errors import UsageError
from nrrsim.notation import counted
from nrrsim.scenario.customers import Customers
from nrrsim.scenario.drivers import EXPANSION, HAZARD, MULTIPLIERS
from nrrsim.scenario.scenario import Scenario

A_YEAR = 12  # months over which levels are taken
MOST_DOUBLED = 100  # times that a bound is: beyond, one who leaves at all has left
# Draws times accounts of a book in which these differ, and the draws that it has at least: NRR is
# then within a hundredth of a point of what four thousand say.
MOST_MOVED, FEWEST_DRAWS = 4_000_000, 256


def without_levels(scenario: Scenario, customers: Customers) -> np.ndarray | None:
    """The multipliers that act, `ndarray[customer, multiplier]`, 1 of a segment whose customers are
    alike, and of who is yet to come; None where nobody differs.

    Raises UsageError where so many never leave that a segment's own rate cannot be met.
    """
    return acting_at(mean_rates(scenario), customers) if customers.differ else None


def groups_of(scenario: Scenario, most: int | None = None) -> Groups:
    """The customers at month 0 who share a path, as their accounts differ; of these so many groups
    at most, where customers who are nearly alike may stand for each other (see `coarser`).
    """
    customers, by_tenure = scenario.opening, scenario.table.is_curved
    multipliers = without_levels(scenario, customers)
    if most is None:
        return Groups.of(customers, by_tenure, multipliers)
    return coarser(customers, by_tenure, multipliers, most)


def even_draws(customers: Customers) -> int:
    """How many draws an expectation is averaged over: a power of two, as these are even; fewer
    where thousands of customers move apart from each other.
    """
    most = MOST_MOVED // len(customers.arr) if customers.uneven else EVEN_DRAWS
    return min(EVEN_DRAWS, 1 << (max(FEWEST_DRAWS, most).bit_length() - 1))


def acting_at(rates: Rates, customers: Customers) -> np.ndarray:
    """As `without_levels`, of customers who differ, by the `mean_rates` of their segments. What is
    decided of one is put in its place after the level is taken out, so that nobody else's moves.
    """
    acting = np.ones((len(customers.arr), len(MULTIPLIERS)))
    if customers.multipliers is not None:
        acting = _levelled(rates, customers, customers.multipliers)
    if customers.decided is not None:
        is_decided = ~np.isnan(customers.decided)
        acting[is_decided, HAZARD] = customers.decided[is_decided]
    return acting


def _levelled(rates: Rates, customers: Customers, stated: np.ndarray) -> np.ndarray:
    """`ndarray[customer, multiplier]`: those that are stated, their segment's level taken out."""
    own = staying(rates, customers)
    acting = np.ones_like(stated)
    for number, segment in enumerate(customers.segments):
        mine = (customers.segment == number) & (customers.joins == 0)
        if not mine.any():
            continue
        differs = np.ptp(stated[mine], axis=0) > 0
        there = own[:, mine]
        hazard = np.ones(int(mine.sum()))
        if differs[HAZARD]:
            # a level that all have in common is gone before one is looked for
            hazard = stated[mine, HAZARD] / stated[mine, HAZARD].mean()
            factor = _exponent(there[-1], hazard, float(there[-1].sum()))
            if factor is None:
                raise UsageError(_cannot_be_met(segment, hazard, there[-1]))
            hazard = hazard * factor
        acting[mine, HAZARD] = hazard
        months = (there**hazard).sum(axis=0)
        for each in np.flatnonzero(differs[EXPANSION:]) + EXPANSION:
            acting[mine, each] = stated[mine, each] / _mean(stated[mine, each], months)
    return acting


def levels(scenario: Scenario, customers: Customers) -> np.ndarray:
    """By what each segment's rates differ from those that all of its accounts have together:
    `ndarray[segment, multiplier]`, of churn the factor on its hazard. 1 for a segment without any.

    The other way round than `without_levels`: multiply a scenario's rates by these, and each
    account has just its multiplier times what its segment had before.
    """
    found = np.ones((len(customers.segments), 3))
    stated = customers.multipliers
    if stated is None:
        return found
    own = staying(mean_rates(scenario), customers)
    for number in range(len(customers.segments)):
        mine = customers.segment == number
        if not mine.any():
            continue
        hazard, there = stated[mine, HAZARD], own[:, mine]
        if np.ptp(hazard) > 0:
            left = float((there[-1] ** hazard).sum())
            factor = _exponent(there[-1], np.ones(len(hazard)), left)
            found[number, HAZARD] = hazard.mean() if factor is None else factor
        else:
            found[number, HAZARD] = hazard[0]
        months = (there**hazard).sum(axis=0)
        for each in range(EXPANSION, found.shape[1]):
            found[number, each] = _mean(stated[mine, each], months)
    return found


def mean_rates(scenario: Scenario, customers: Customers | None = None) -> Rates:
    """The rates of a scenario with each belief at its mean, in a year like any other and without
    programmes, for a year at least.

    customers : whose segments they are of (default: the opening's).
    """
    sure = scenario.at_means().with_(months=max(A_YEAR, scenario.months))
    rates = rates_at(sure, customers or sure.opening, {}, 1)
    return replace(rates, effects={})


def staying(rates: Rates, customers: Customers, months: int = A_YEAR) -> np.ndarray:
    """`ndarray[month, customer]`: the probability of one with its segment's own rate that it has
    not left by the end of each month; of the first draw of the rates.
    """
    years = rates.churn.shape[2]
    there = np.ones((months + 1, len(customers.arr)))
    for t in range(1, months + 1):
        now = rates.in_phase(phase_of(t, rates.phases, rates.cycle))
        at = (0, customers.segment, tenure_year(customers.tenure, t, years))
        regular, due = (now.monthly_churn(customers.annual, each)[at] for each in (False, True))
        is_due = (t - customers.anniversary) % 12 == 0
        there[t] = there[t - 1] * (1 - np.where(is_due, due, regular))
    return there[1:]


def _exponent(stays: np.ndarray, power: np.ndarray, number: float) -> float | None:
    """The x for which sum stays^(power x) is that number; None where there is none. 1 where nobody
    leaves, or all do, whatever x is.
    """

    def over(x: float) -> float:
        return float((stays ** (power * x)).sum()) - number

    if over(1.0) == 0:
        return 1.0
    high = 1.0
    for _ in range(MOST_DOUBLED):
        if over(high) <= 0:
            return float(scipy.optimize.brentq(over, 0.0, high, xtol=1e-15, rtol=1e-15))
        high *= 2
    return None


def _mean(multipliers: np.ndarray, months: np.ndarray) -> float:
    """The mean multiplier of who is there, month by month; of all where nobody with one is."""
    if np.ptp(multipliers) == 0:
        return float(multipliers[0])
    weights = months if (multipliers @ months) > 0 else None
    return float(np.average(multipliers, weights=weights))


def _cannot_be_met(segment: str, hazard: np.ndarray, stays: np.ndarray) -> str:
    never = counted(int((hazard == 0).sum()), "customer")
    return (
        f"book.accounts: hazard is 0 for {never} of {segment}, who never leave, but by the"
        f" segment's churn only {stays.sum():.1f} of all {len(hazard):,} stay; state a lower"
        " churn, or a hazard above 0"
    )
