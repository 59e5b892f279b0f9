"""Three exact moments of NRR, and what is computed of it: against simulations, another routine, and by hand."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from scenarios import segments, varied
from scipy.stats import binom, qmc

import nrrsim as nr
from nrrsim.engine.draws import BITS, MOST_DIMENSIONS, SEED, lattice
from nrrsim.engine.driver_rates import draw_rates
from nrrsim.engine.moments import odds_by_draw
from nrrsim.engine.outcomes import Sample

SCENARIOS = ROOT / "params" / "scenarios"


def odds(scenario: nr.Scenario, draws: int = 512):
    return odds_by_draw(scenario)(
        draw_rates(scenario, scenario.opening, count=draws, seed=SEED, quasi=True)
    )


# Books that three moments cannot tell: few customers, one that is half of it, growth that is now and then manyfold.
UNEVEN = {
    "few": {"book": segments(one=(1, 50)), "drivers": {"churn": {"one": 0.1}}},
    "half of it one": {
        "book": segments(small=(1, 600), giant=(1, 1)),
        "drivers": {"churn": {"all": 0.1}, "price": {"all": {"uplift": 0.05}}},
    },
    "rare and large": {
        "book": segments(one=(1, 1_000)),
        "drivers": {"adoption": {"one": {"rate": 2.0, "size": {"mean": 0.5, "sd": 1.5}}}},
    },
}
SHIPPED = ("nrr-105", "nrr-128", "nrr-128-ramp", "recession", "price-increase", "up-market")


@pytest.mark.parametrize("name", [*SHIPPED, *UNEVEN])
def test_what_is_computed_is_what_trials_say(name):
    """Within 4.5 standard errors of 20,000 trials, and of what is computed; a point of mass within its place."""
    if name in UNEVEN:
        believed = nr.Scenario.of(UNEVEN[name])
    else:
        believed = nr.read_scenario(SCENARIOS / f"{name}.yaml")
    law, trials = (
        nr.law_of(believed).nrr,
        Sample(np.asarray(nr.nrr(nr.simulate(believed, 20_000, 3)))),
    )
    for share in (0.05, 0.5, 0.95):
        low, high = trials.around(share, errors=4.5)
        by = 4.5 * law.error
        assert low - by < law.quantiles([share])[0] < high + by, share
    for target in (believed.target or 1.0, trials.expected):
        p = trials.reaches(target)
        least, most = law.reaches(target + law.near), law.reaches(target - law.near)
        by = 4.5 * np.hypot(trials.share_error(p), law.reach_error(target))
        assert least - by < p < most + by


@pytest.mark.parametrize("name", sorted(varied(18)))
def test_mean_and_spread_are_those_of_the_expectation(name):
    """Moments by the compiled routine and by the readable one, over the same draws."""
    believed = varied(18)[name]
    told, opening = odds(believed, 256), believed.opening.arr.sum()
    mean = nr.nrr(nr.expect(believed, draws=256))
    whole = float(nr.deviation(believed, draws=256).sel(segment="all").isel(month=-1)) / opening
    assert told.mean.mean() == pytest.approx(mean, rel=1e-9)
    assert np.sqrt((told.sd**2).mean() + told.mean.var()) == pytest.approx(whole, rel=1e-6)


WITHOUT_NUMBA = """
import sys
import nrrsim as nr
print(float(nr.nrr(nr.expect(nr.read_scenario(sys.argv[1]), draws=16))), "numba" in sys.modules)
"""


def test_an_expectation_needs_no_compiler():
    """Which takes longer to be imported than the expectation takes."""
    command = [sys.executable, "-c", WITHOUT_NUMBA, str(SCENARIOS / "nrr-105.yaml")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert float(told[0]) == pytest.approx(1.05, abs=0.01)
    assert told[1] == "False"


def test_one_draw_is_enough_where_nothing_is_uncertain():
    certain = nr.Scenario.of({"book": segments(one=(1, 40)), "drivers": {"churn": {"one": 0.1}}})
    assert nr.nrr(nr.expect(certain, draws=1)) == nr.nrr(nr.expect(certain)) == pytest.approx(0.9)
    with pytest.raises(nr.UsageError, match="draws: must be at least 1, got 0"):
        nr.expect(certain, draws=0)


def test_the_third_moment_by_hand():
    """One customer that leaves with probability c in a year: a Bernoulli variable and its skewness."""
    for c in (0.1, 0.5, 0.8):
        one = nr.Scenario.of(
            {"book": segments(one=(1, 1, "annual")), "drivers": {"churn": {"one": c}}}
        )
        told = odds(one)
        assert told.mean[0] == pytest.approx(1 - c)
        assert told.sd[0] == pytest.approx(np.sqrt(c * (1 - c)))
        assert told.skewness[0] == pytest.approx((2 * c - 1) / np.sqrt(c * (1 - c)))
    many = nr.Scenario.of(
        {"book": segments(one=(1, 400, "annual")), "drivers": {"churn": {"one": 0.1}}}
    )
    assert odds(many).skewness[0] == pytest.approx(-0.8 / np.sqrt(0.09) / 20)


def test_the_third_moment_of_who_comes_back_by_hand():
    """One customer, two months: it stays, is gone, or is back with a share of what it paid."""
    churn, back, share = 0.9, 0.95, 0.6
    one = nr.Scenario.of(
        {
            "months": 2,
            "book": segments(one=(1, 1, "monthly")),
            "drivers": {
                "churn": {"one": churn},
                "reactivation": {"one": {"rate": back, "size": share}},
            },
        }
    )
    leaves, returns = (1 - (1 - annual) ** (1 / 12) for annual in (churn, back))
    closing = np.array([1.0, share, 0.0])
    stays, is_back = (1 - leaves) ** 2, leaves * returns
    p = np.array([stays, is_back, 1 - stays - is_back])
    off = closing - p @ closing
    told = odds(one)
    assert told.mean[0] == pytest.approx(p @ closing)
    assert told.sd[0] == pytest.approx(np.sqrt(p @ off**2))
    assert told.skewness[0] == pytest.approx(p @ off**3 / (p @ off**2) ** 1.5)


def test_sizes_have_their_third_moments():
    """Events of every size, each drawn anew: skewness against a simulation of one customer a group."""
    believed = nr.Scenario.of(
        {
            "book": segments(one=(1, 50, "annual")),
            "drivers": {
                "contraction": {"one": {"rate": 2, "size": {"mean": 0.3, "sd": 0.2}}},
                "adoption": {"one": {"rate": 2, "size": {"mean": 0.3, "sd": 0.15}}},
                "price": {"one": {"uplift": 0.2, "acceptance": 0.5}},
            },
        }
    )
    told = odds(believed)
    nrr = np.asarray(nr.nrr(nr.simulate(believed, 200_000, 5)))
    third = ((nrr - nrr.mean()) ** 3).mean() / nrr.std() ** 3
    assert told.sd[0] == pytest.approx(nrr.std(), rel=0.01)
    assert told.skewness[0] == pytest.approx(third, abs=0.08)


@pytest.mark.parametrize("customers", [1, 5, 50, 600])
def test_customers_who_stay_or_leave_are_a_binomial(customers):
    """NRR is the share that stays: between two numbers of customers it has the binomial's probability."""
    alike = nr.Scenario.of(
        {"book": segments(one=(1, customers, "annual")), "drivers": {"churn": {"one": 0.1}}}
    )
    law, stay = nr.law_of(alike), np.arange(1, customers + 1)
    truth = binom.sf(stay - 1, customers, 0.9)
    between = (stay - 0.5) / customers
    assert [law.nrr.reaches(at) for at in between] == pytest.approx(truth, abs=3e-5)
    assert [law.logo.reaches(at) for at in stay / customers] == pytest.approx(truth, abs=1e-9)


def test_the_examples_book():
    """A book from a ledger, learnt drivers: within a fifth of a point of the simulation (its largest customer has 6 %)."""
    learnt = nr.calibrate(
        nr.read_ledger(ROOT / "nrrsim" / "data" / "meridian.csv"), "2026-09"
    ).scenario
    told = odds(learnt).quantiles((0.05, 0.5, 0.95))
    simulated = np.quantile(nr.nrr(nr.simulate(learnt, 40_000, 3)), (0.05, 0.5, 0.95))
    assert told == pytest.approx(simulated, abs=0.006)


def test_what_is_certain():
    still = nr.Scenario.of({"book": segments(one=(1, 600)), "drivers": {}})
    assert odds(still).reaches(1.0) == 1
    assert odds(still).reaches(1.0001) == 0
    assert odds(still).quantiles((0.05, 0.95)) == pytest.approx([1, 1], abs=1e-6)


@pytest.mark.parametrize(("dimensions", "count"), [(MOST_DIMENSIONS, 64), (3, 5000), (2, 1)])
def test_even_draws_are_those_of_scipy(dimensions, count):
    theirs = qmc.Sobol(dimensions, scramble=False, bits=BITS).random(2**13)[:count] * 2.0**BITS
    ours = np.stack([lattice(slot, count) for slot in range(dimensions)], axis=1)
    np.testing.assert_array_equal(ours, theirs)


def test_a_scipy_that_keeps_its_table_elsewhere_gives_the_same_points(monkeypatch):
    ours = lattice(5, 100)

    def gone(slot: int) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("nrrsim.engine.draws._directions", gone)
    np.testing.assert_array_equal(lattice(5, 100), ours)
