"""Single accounts in all that is worked out of a scenario: against the exact expectation, closed forms,
and what must not change.
"""

from dataclasses import replace

import numpy as np
import pytest
from scenarios import differing, segments, varied, with_multipliers

import nrrsim as nr
from nrrsim.accounts.worth import worth
from nrrsim.analysis.frontier import with_factors
from nrrsim.analysis.sensitivity import sensitivity
from nrrsim.analysis.sweep import Axis, sweep
from nrrsim.engine import law, luck
from nrrsim.engine.groups import coarser
from nrrsim.engine.levels import without_levels
from nrrsim.engine.outcomes import Sample
from nrrsim.engine.switched import expected_nrr
from nrrsim.scenario.scenario import Scenario

FLOWS = ("churn", "contraction", "adoption", "cross_sell", "price", "reactivation")
# All drivers, terms, sizes, beliefs, curves, seasons and newcomers among them.
SIX = (
    "annual, price and who leaves for it",
    "every event has its own size",
    "beliefs of every form, tied",
    "churn by tenure year",
    "many come back",
    "prices in January, churn in summer",
)
TRIALS = 20_000


def decided(scenario: nr.Scenario, **what: float) -> nr.Scenario:
    """Of some customers of a book of numbers: `_3=0` renews, `_3=np.inf` leaves."""
    there = np.full(len(scenario.opening.arr), np.nan)
    for place, each in what.items():
        there[int(place.removeprefix("_"))] = each
    return Scenario.of(scenario.plain(), opening=replace(scenario.opening, decided=there))


@pytest.mark.parametrize("name", SIX)
def test_trials_agree_with_the_expectation_and_the_law(name):
    """|z| < 4.5 for each of 7 amounts and 2 means, and within 4.5 standard errors for 6 quantiles, of
    6 scenarios: where all is right one of 1,600 runs of all six fails.
    """
    scenario = differing(varied(12)[name])
    exact, run = nr.expect(scenario), nr.simulate(scenario, TRIALS, 11)
    opening = scenario.opening.total
    for flow in (*FLOWS, "closing"):
        months = slice(None) if flow != "closing" else slice(-1, None)
        seen = run.arrays[flow].sum(axis=1)[:, months].sum(axis=1)
        told = exact.arrays[flow].sum(axis=0)[months].sum()
        error = seen.std(ddof=1) / np.sqrt(TRIALS)
        assert abs(seen.mean() - told) <= 4.5 * error + 1e-9 * opening, flow
    told = nr.law_of(scenario)
    assert told.nrr.expected == pytest.approx(float(nr.nrr(exact)), abs=1e-9)
    spread = float(nr.deviation(scenario).sel(segment="all")[-1]) / opening
    assert told.nrr.spread == pytest.approx(spread, rel=1e-6)
    for measure in ("grr", "logo"):
        computed, trials = getattr(told, measure), Sample(np.asarray(getattr(nr, measure)(run)))
        by = 4.5 * np.hypot(trials.standard_error, computed.error)
        assert abs(computed.expected - trials.expected) < by, measure
    for measure in ("nrr", "grr"):
        computed, trials = getattr(told, measure), Sample(np.asarray(getattr(nr, measure)(run)))
        for share in (0.05, 0.5, 0.95):
            low, high = trials.around(share, errors=4.5)
            by = 4.5 * computed.error
            assert low - by < computed.quantiles([share])[0] < high + by, (measure, share)


@pytest.mark.parametrize("name", SIX)
def test_who_is_alike_has_the_same_bits_as_without_accounts(name):
    plain = varied(12)[name]
    same = with_multipliers(plain, np.ones((len(plain.opening.arr), 3)))
    assert nr.expect(same).data.identical(nr.expect(plain).data)
    assert nr.simulate(same, 200).data.identical(nr.simulate(plain, 200).data)
    one, other = nr.law_of(same), nr.law_of(plain)
    for measure in ("nrr", "grr", "logo"):
        assert getattr(one, measure).figures() == getattr(other, measure).figures()
    assert nr.bridge(plain, same) == nr.bridge(plain, plain)


ONE = {"book": segments(a=(1, 30, "annual", 0.6), b=(1, 20, "monthly", 0.4))}
CHURN = {**ONE, "drivers": {"churn": {"a": 0.3, "b": 0.4}}}


def test_a_scenario_beside_itself_and_beside_fewer_losses():
    """The luck is that of each customer: who leaves less leaves in some of the same trials."""
    scenario = differing(nr.Scenario.of(CHURN))
    less = scenario.with_({"drivers.churn": {"a": 0.25, "b": 0.3}})
    a, same = nr.paired(scenario, scenario.with_(title="same"), 300, 4)
    assert a.data.identical(same.data)
    plain = nr.paired(nr.Scenario.of(CHURN), scenario, 4_000, 4)
    alone = [np.asarray(nr.nrr(nr.simulate(nr.Scenario.of(CHURN), 4_000, n))) for n in (5, 6)]
    together = np.asarray(nr.nrr(plain[1])) - np.asarray(nr.nrr(plain[0]))
    assert together.var() < 0.7 * (alone[0] - alone[1]).var()
    # with the same multipliers, up to the levels that go with other rates
    a, b = nr.paired(scenario, less, 2_000, 4)
    assert (np.asarray(nr.nrr(b)) > np.asarray(nr.nrr(a))).mean() > 0.9


@pytest.mark.parametrize("place", [4, 37])
def test_a_switch_moves_one_customer_and_nobody_else(place):
    """Trial by trial: what differs is all that this customer pays at the end, or nothing."""
    base = differing(nr.Scenario.of(CHURN))
    renews, leaves = (decided(base, **{f"_{place}": each}) for each in (0.0, np.inf))
    arr, stays = base.opening.arr[place], 1 - worth(base)["p_leave"].iloc[place]
    expected = {name: float(nr.expect(each)["closing"].sum("segment")[-1])
                for name, each in (("base", base), ("renews", renews), ("leaves", leaves))}  # fmt: skip
    assert expected["renews"] - expected["base"] == pytest.approx(arr * (1 - stays), rel=1e-9)
    assert expected["base"] - expected["leaves"] == pytest.approx(arr * stays, rel=1e-9)
    assert np.delete(without_levels(renews, renews.opening), place, axis=0) == pytest.approx(
        np.delete(without_levels(base, base.opening), place, axis=0)
    )
    for other, sign in ((renews, 1), (leaves, -1)):
        a, b = (
            run["closing"].sum("segment").values[:, -1] for run in nr.paired(base, other, 400, 2)
        )
        apart = sign * (b - a)
        moved = apart > arr / 2
        assert apart[moved] == pytest.approx(arr, rel=1e-9)
        assert apart[~moved] == pytest.approx(0, abs=1e-6)
        likely = (1 - stays) if sign > 0 else stays
        assert abs(moved.mean() - likely) < 4.5 * np.sqrt(likely * (1 - likely) / 400) + 1e-9


def test_a_switch_with_everything_else_by_hand():
    """Who never leaves grows by all drivers; who leaves at once comes back as others do."""
    drivers = {
        "churn": {"a": 0.3},
        "contraction": {"a": {"rate": 0.6, "size": 0.2}},
        "adoption": {"a": {"rate": 1.2, "size": 0.1}},
        "reactivation": {"a": {"rate": 0.2, "size": 0.5}},
    }
    base = nr.Scenario.of({"book": segments(a=(1, 4, "monthly", 0.5)), "drivers": drivers})
    month, back = (1 - 0.6 / 12 * 0.2) * (1 + 1.2 / 12 * 0.1), 1 - 0.8 ** (1 / 12)
    stays = worth(decided(base, _2=0.0)).iloc[2]
    assert (stays["churn"], stays["p_leave"]) == (0, 0)
    assert stays["closing"] / stays["arr"] == pytest.approx(month**12)
    leaves = worth(decided(base, _2=np.inf)).iloc[2]
    # gone in the first month, back with half of it; then it leaves again within the month after
    here, away = 0.0, 1.0
    for _ in range(11):
        here, away = 0.5 * back * away, away * (1 - back) + here
    assert leaves["closing"] / leaves["arr"] == pytest.approx(here)


def test_the_bridge_has_a_group_of_accounts():
    plain = nr.Scenario.of({**CHURN, "title": "plain"})
    with_them = differing(plain)
    only = nr.bridge(plain, with_them)
    assert "accounts" not in nr.bridge(plain, plain.with_({"drivers.churn.a": 0.1})).parts
    assert list(only.parts)[-1] == "accounts"
    assert only.parts["accounts"] == pytest.approx(only.difference, abs=1e-12)
    assert only.b == pytest.approx(float(nr.nrr(nr.expect(with_them))), abs=1e-12)
    assert abs(only.difference) > 1e-4
    # all at once: other customers, rates and accounts
    other = nr.Scenario.of(
        {
            "book": segments(a=(2, 25, "annual", 0.9), b=(1, 24, "monthly", 0.1)),
            "drivers": {
                "churn": {"a": {"between": [0.1, 0.2]}, "b": 0.5},
                "price": {"all": {"uplift": 0.05, "churn_per_point": 0.6}},
            },
        }
    )
    for one, another in ((with_them, differing(other, seed=8)), (differing(other), plain)):
        told, back = nr.bridge(one, another), nr.bridge(another, one)
        assert sum(told.parts.values()) == pytest.approx(told.difference, abs=1e-12)
        assert sum(told.vectors.values()) == pytest.approx(told.difference, abs=1e-12)
        assert abs(told.parts["accounts"]) > 1e-5
        for name, part in told.parts.items():
            assert sum(told.segments[name].values()) == pytest.approx(part, abs=1e-12)
            assert back.parts[name] == pytest.approx(-part, abs=1e-9)


def test_levers_sweeps_and_programmes_follow_accounts():
    drivers = {
        "churn": {"a": {"between": [0.1, 0.3]}, "b": 0.3},
        "adoption": {"all": {"rate": 0.5, "size": 0.3}},
    }
    programme = {"calls": {"cost": 1_000, "from": 2, "churn": -0.2}}
    scenario = differing(nr.Scenario.of({**ONE, "drivers": drivers, "programmes": programme}))
    nrr = float(nr.nrr(nr.expect(scenario)))
    found = nr.frontier(scenario, nrr + 0.03)
    assert found.nrr == pytest.approx(nrr, abs=1e-12)
    for name in ("churn", "adoption"):
        there = with_factors(scenario, {name: found.levers[name].factor})
        assert float(nr.nrr(nr.expect(there))) == pytest.approx(nrr + 0.03, abs=1e-6)
    likely = nr.frontier(scenario, 1.0, 0.5, levers=("churn",)).levers["churn"].factor
    assert nr.law_of(with_factors(scenario, {"churn": likely})).nrr.reaches(1.0) == pytest.approx(
        0.5, abs=2e-3
    )
    row = sweep(scenario, [Axis("drivers.adoption.all.rate", (0.5, 0.9))]).iloc[1]
    point = nr.law_of(scenario.with_({"drivers.adoption.all.rate": 0.9})).nrr
    assert (row["nrr"], row["p05"]) == (point.expected, point.quantiles([0.05])[0])
    assert sensitivity(scenario).nrr == pytest.approx(nrr, abs=1e-12)
    (share,) = nr.programmes(scenario)
    without = float(nr.nrr(nr.expect(scenario.with_(programmes={}))))
    assert share.nrr == pytest.approx(nrr - without, abs=1e-4)


def test_near_accounts_may_stand_for_each_other(monkeypatch):
    """By how much that moves a law is measured: groups a tenth of the customers, and each its own."""
    book = segments(a=(1, 700, "monthly", 0.8), b=(1, 500, "annual", 1.0))
    drivers = {
        "churn": {"a": 0.25, "b": 0.15},
        "adoption": {"all": {"rate": 0.6, "size": {"mean": 0.2, "sd": 0.1}}},
        "contraction": {"all": {"rate": 0.2, "size": 0.3}},
    }
    scenario = differing(nr.Scenario.of({"book": book, "drivers": drivers}))
    customers = scenario.opening
    acting = without_levels(scenario, customers)
    few = coarser(customers, False, acting, 120)
    assert 24 < len(few.arr) <= 120 < len(coarser(customers, False, acting, 5_000).arr) == 1_200
    assert few.arr @ few.multipliers == pytest.approx(customers.arr @ acting, rel=1e-9)
    one = nr.law_of(scenario)
    assert one.nrr.expected + one.grr.expected > 1  # each is worked out before what follows
    for module in (law, luck):
        monkeypatch.setattr(module, "MOST_APART", 120)
    other = nr.law_of(scenario)
    assert other.nrr.expected == pytest.approx(one.nrr.expected, abs=1e-12)  # put right
    for measure, off in (("nrr", 1e-4), ("grr", 1e-3)):
        shares = (0.05, 0.25, 0.5, 0.75, 0.95)
        few, each = (getattr(told, measure).quantiles(shares) for told in (other, one))
        assert few == pytest.approx(each, abs=off), measure
    assert expected_nrr(scenario) == pytest.approx(one.nrr.expected, abs=1e-12)


def test_newcomers_and_later_windows_are_simulated_with_their_segments_rates():
    new = {"a": {"arr": 600_000, "customers": 24}}
    scenario = differing(nr.Scenario.of({**CHURN, "new_business": new, "months": 18}))
    asked = {"window": (6, 18), "book": True}
    exact, run = nr.expect(scenario, **asked), nr.simulate(scenario, 6_000, 2, **asked)
    for flow in ("new", "churn", "closing"):
        seen = run.arrays[flow].sum(axis=1)[:, -1]
        error = seen.std(ddof=1) / np.sqrt(6_000)
        assert abs(seen.mean() - exact.arrays[flow].sum(axis=0)[-1]) <= 4.5 * error + 1e-6
