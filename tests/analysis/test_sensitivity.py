"""Which beliefs matter: against closed forms, and on scenarios with a known answer."""

import numpy as np
import pytest
from conftest import ROOT
from scenarios import segments, varied

import nrrsim as nr
from nrrsim.analysis.sensitivity import _Model, sensitivity
from nrrsim.report.wording.labels import belief
from nrrsim.scenario.drivers import DRIVERS


def two_beliefs(rho: float, segment: str = "a") -> nr.Scenario:
    return nr.Scenario.of(
        {
            "book": segments(a=(1, 12, "monthly"), b=(1, 12, "monthly")),
            "drivers": {
                "churn": {
                    "a": {"dist": "normal", "mean": 0.3, "sd": 0.03},
                    "b": {"dist": "normal", "mean": 0.3, "sd": 0.01},
                }
            },
            "correlations": [["churn.a", "churn.b", rho]] if rho else [],
        }
    )


@pytest.mark.parametrize("rho", [0.0, 0.5, -0.8])
def test_a_linear_model_of_two_tied_beliefs(rho, monkeypatch):
    """y = 3 z1 + z2 with correlation r:
    Shapley effects of Owen and Prieur 2017, theorem 2, and Var E[y | z1].
    """
    model = _Model(two_beliefs(rho))
    slopes = np.array([3.0, 1.0])
    monkeypatch.setattr(model, "nrr", lambda z: z @ slopes)
    variance = 9 + 1 + 2 * rho * 3
    effects, errors = model.shapley_effects(variance)
    first = (9 * (1 - rho**2 / 2) + rho * 3 + rho**2 / 2) / variance
    assert effects.sum() == pytest.approx(1)
    assert abs(effects[0] - first) < 4.5 * errors[0]
    assert model.known(0) == pytest.approx((3 + rho) ** 2, rel=1e-2)
    assert model.known(1) == pytest.approx((1 + 3 * rho) ** 2, rel=1e-2, abs=0.05)
    assert model.swing(0)[1] - model.swing(0)[0] == pytest.approx(6 * 1.6448536, rel=1e-2)


def test_effects_add_up_and_the_largest_comes_first():
    told = sensitivity(nr.read_scenario(ROOT / "params" / "scenarios" / "nrr-105.yaml"))
    assert sum(each.effect for each in told.beliefs) == pytest.approx(1)
    assert [each.known for each in told.beliefs] == sorted(
        (each.known for each in told.beliefs), reverse=True
    )
    assert told.nrr == pytest.approx(1.05, abs=1e-4)
    churn = next(each for each in told.beliefs if each.name == "churn.smb.rate")
    assert churn.low > told.nrr > churn.high  # more churn, less NRR


def test_one_belief_is_the_whole_variance():
    told = sensitivity(two_beliefs(0).with_({"drivers.churn.b.rate": 0.3}))
    (only,) = told.beliefs
    assert (only.known, only.effect) == (pytest.approx(1, abs=0.01), pytest.approx(1))


def test_what_is_certain_hangs_on_nothing():
    told = sensitivity(varied(12)["monthly churn alone"])
    assert (told.beliefs, told.sd) == ((), 0.0)


def test_each_driver_with_uneven_years_is_one_entry():
    """What is not known of a year, and of how uneven years are, is one uncertainty of its driver."""
    uneven = varied(12)["years that differ, driver by driver"]
    told = {each.name: each for each in sensitivity(uneven).beliefs}
    assert set(told) == {"churn.big.rate", *(f"year_effects.{name}" for name in DRIVERS)}
    assert sum(each.effect for each in told.values()) == pytest.approx(1)
    for driver in ("churn", "contraction"):
        assert told[f"year_effects.{driver}"].low > told[f"year_effects.{driver}"].high
    assert belief("year_effects.cross_sell") == "Year-to-year swings in cross-sell"
    # independent, and close to linear: the single parts of the variance add up to nearly all
    assert sum(each.known for each in told.values()) == pytest.approx(1, abs=0.1)
