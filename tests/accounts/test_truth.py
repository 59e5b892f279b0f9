"""What the account model says of ledgers whose truth is known, of real ones, and of odd ones."""

import numpy as np
import pytest
from synthetic import churn, factor, grow, rates_alone

SMB = 2
HORIZONS = (1, 3, 12)


# --- the ledgers themselves -----------------------------------------------------------------------


def test_health_is_what_it_is_said_to_be():
    health = grow(20_000, 24, seed=1, persistence=0.8).health
    assert health.mean(axis=0) == pytest.approx(np.zeros(24), abs=0.03)
    assert health.std(axis=0) == pytest.approx(np.ones(24), abs=0.03)
    assert np.corrcoef(health[:, 10], health[:, 13])[0, 1] == pytest.approx(0.8**3, abs=0.03)


@pytest.mark.parametrize("announced", [0.0, 0.5, 1.0])
def test_health_moves_risk_between_customers_and_adds_none(announced):
    health = np.random.default_rng(2).standard_normal(2_000_000)
    assert factor(health, 0.8, announced).mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_alike_customers_leave_by_the_closed_form(horizon):
    known = grow(300, 36, seed=3)
    smb = (known.segment == SMB)[known.alive[:, 20]]
    expected = 1 - (1 - churn(SMB, 0)) ** horizon
    assert rates_alone(known, 20, horizon)[smb] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_health_that_never_moves_leaves_by_the_closed_form(horizon):
    known = grow(300, 36, seed=4, persistence=1.0)
    smb = (known.segment == SMB) & known.alive[:, 20]
    steps = horizon * factor(known.health[smb, 20], 1.5, 0.5)
    told = known.leaving(20, horizon)[smb[known.alive[:, 20]]]
    assert told == pytest.approx(1 - (1 - churn(SMB, 0)) ** steps, abs=2e-4)


@pytest.mark.parametrize(
    "kind", [{}, {"persistence": 0.8, "announced": 1.0}], ids=["slow", "strong and fading"]
)
@pytest.mark.parametrize("horizon", HORIZONS)
def test_as_many_leave_as_the_truth_says_in_each_fifth(kind, horizon):
    known = grow(30_000, 48, seed=5, **kind)
    told, left = known.leaving(30, horizon), known.left(30, horizon)
    for fifth in np.array_split(np.argsort(told), 5):
        p = told[fifth]
        off = (left[fifth].sum() - p.sum()) / np.sqrt((p * (1 - p)).sum())
        assert abs(off) < 4
