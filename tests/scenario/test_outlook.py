"""A scenario that states a forecast: where its results lie in it, and what moves it."""

import numpy as np
import pytest

from nrrsim.engine.law import law_of
from nrrsim.engine.outcomes import Even, Foreseen, Sample, foreseen
from nrrsim.errors import UsageError
from nrrsim.scenario.outlook import LEVELS, Transport
from nrrsim.scenario.scenario import Scenario

LEDGER = """customer,month,arr,segment
a,2025-12,60,smb
b,2025-12,40,smb
"""


def normal(mean: float, sd: float) -> list[float]:
    from statistics import NormalDist

    return [round(NormalDist(mean, sd).inv_cdf(level), 9) for level in LEVELS]


@pytest.fixture
def stated(tmp_path):
    """A scenario whose drivers say 90 % and 4 points, and whose forecast says 95 % and 2 points."""
    (tmp_path / "ledger.csv").write_text(LEDGER)
    ranks = {"mean": 0.9, "model": normal(0.9, 0.04), "forecast": normal(0.95, 0.02)}
    values = {
        "book": {"ledger": "ledger.csv", "as_of": "2025-12"},
        "drivers": {"churn": {"all": 0.1}},
        "outlook": {"as_of": "2025-12", "arr": 100, **dict.fromkeys(("nrr", "grr", "logo"), ranks)},
    }
    return lambda **more: Scenario.of(values | more, tmp_path)


def test_a_rank_keeps_its_rank_and_the_map_is_undone():
    transport = Transport.of(normal(0.9, 0.04), normal(0.95, 0.02), 0.9, np.inf)
    # by hand: a normal result z standard deviations from its mean lies z from the forecast's
    for z in (-1.6448536, -0.6744898, 0.0, 0.6744898, 1.6448536):
        assert float(transport(0.9 + 0.04 * z)) == pytest.approx(0.95 + 0.02 * z, abs=1e-6)
    for value in np.linspace(0.7, 1.2, 40):
        assert transport.back(float(transport(value))) == pytest.approx(value)


def test_beyond_the_outermost_quantiles_it_shifts_and_never_leaves_what_can_be():
    share = Transport.of(normal(0.9, 0.04), normal(0.95, 0.02), 0.9, 1.0)
    low = 0.95 - 0.02 * 2.3263479
    assert float(share(0.9 - 0.04 * 2.3263479 - 0.1)) == pytest.approx(low - 0.1, abs=1e-6)
    assert float(share(3.0)) == 1.0
    assert float(share(-3.0)) == 0.0
    assert share.back(1.01) == np.inf


def test_a_point_of_mass_takes_the_mean_of_what_is_published_there():
    transport = Transport.of([0.5, 1.0, 1.0, 1.0], [0.6, 0.7, 0.8, 0.9], 0.9, 1.0)
    assert float(transport(1.0)) == pytest.approx(0.8)
    assert transport([0.5, 0.75, 1.0]).tolist() == pytest.approx([0.6, 0.7, 0.8])


def test_what_moves_the_drivers_moves_the_forecast_by_as_much():
    transport = Transport.of(normal(0.9, 0.04), normal(0.95, 0.02), 0.9, np.inf)
    even = np.array(normal(0.9, 0.04))
    by = Foreseen(Sample(even + 0.03), transport).quantiles(LEVELS) - Foreseen(
        Sample(even), transport
    ).quantiles(LEVELS)
    assert by == pytest.approx(np.full(len(LEVELS), 0.03), abs=1e-9)


@pytest.mark.parametrize("by", [-0.1, 0.0, 0.1])
@pytest.mark.parametrize(
    "published",
    [
        [0.7, 0.8, 0.9, 1.0],
        [0.7, 1.0, 1.0, 1.0],  # a share that cannot be more
        [0.7, 0.7, 0.8, 0.8],
        [0.0, 0.0, 0.0, 0.9],
    ],
)
def test_the_chance_of_a_target_counts_the_results_that_are_mapped_onto_it(published, by):
    own = np.linspace(0.5, 1.3, 401)
    ahead = Foreseen(
        Sample(own), Transport.of([0.6, 0.8, 1.0, 1.2], published, own.mean() - by, 1.0)
    )
    mapped = ahead.quantiles(np.linspace(0, 1, 401))
    for target in (0.0, 0.3, 0.65, 0.7, 0.75, 0.8, 0.85, 0.95, 1.0, 1.05):
        assert ahead.reaches(target) == pytest.approx((mapped >= target - 1e-9).mean(), abs=1e-9)


def test_the_chance_of_a_target_is_that_of_the_forecast():
    drawn = np.random.default_rng(3).normal(0.9, 0.04, 40_000)
    transport = Transport.of(normal(0.9, 0.04), normal(0.95, 0.02), float(drawn.mean()), np.inf)
    ahead = Foreseen(Sample(drawn), transport)
    # of a normal forecast, at one standard deviation above its mean; 6 standard errors
    assert ahead.reaches(0.97) == pytest.approx(0.158655, abs=6 * (0.16 * 0.84 / 40_000) ** 0.5)
    assert ahead.expected == pytest.approx(0.95, abs=0.001)
    assert ahead.spread == pytest.approx(0.02, rel=0.02)


def test_even_quantiles_are_a_distribution():
    even = Even(np.array([0.8, 0.9, 1.0, 1.0]))
    assert even.reaches(0.7) == 1.0
    assert even.reaches(0.85) == pytest.approx(0.75)  # half between the first two: 1/4
    assert even.reaches(1.0) == 0.5  # a point of mass
    assert even.reaches(1.01) == 0.0
    assert even.quantiles((0.125, 0.25)).tolist() == pytest.approx([0.8, 0.85])


def test_a_stated_forecast_is_used_for_its_own_book_and_time_alone(stated, tmp_path):
    scenario = stated()
    assert scenario.transport() is not None
    assert not any("outlook" in each for each in scenario.notices)
    longer = stated(months=24)
    (tmp_path / "other.csv").write_text(LEDGER.replace("40", "41"))
    another = scenario.extended({"book": {"ledger": "other.csv", "as_of": "2025-12"}})
    for each in (longer, another):
        assert each.transport() is None
        assert any("not used" in notice for notice in each.notices)
    assert "ARR of 100.00; this scenario is of 12 after 2025-12 and ARR of 101.00" in " ".join(
        another.notices
    )
    own = Sample(np.array([0.9, 1.0]))
    assert foreseen(own, longer) is own


def test_what_is_computed_moves_the_forecast(stated):
    scenarios = [stated(), stated(programmes={"care": {"churn": -0.5}})]
    own = [law_of(each).nrr for each in scenarios]
    base, better = (foreseen(law, each) for law, each in zip(own, scenarios, strict=True))
    assert own[1].expected - own[0].expected > 0.02
    assert better.percentiles()["p50"] > base.percentiles()["p50"]
    assert better.reaches(0.95) > base.reaches(0.95)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": [0.9] * 5}, "must be 21 quantiles"),
        ({"forecast": normal(0.9, 0.04)[::-1]}, "none below the one before it"),
        ({"model": ["low"] * 21}, "outlook.nrr.model"),
        ({"forecast": [-0.1] * 21}, "outlook.nrr.forecast.0: must be at least 0"),
        ({"forecast": [95.0] * 21}, "forecast: must be 0 or more, and at most 10"),
        ({"mean": 90.0}, "did you mean 0.9?"),
    ],
)
def test_what_is_no_forecast_is_refused_with_its_place(stated, change, said):
    outlook = stated().plain()["outlook"]
    with pytest.raises(UsageError, match="outlook") as refused:
        stated(outlook=outlook | {"nrr": outlook["nrr"] | change})
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"as_of": "December"}, "outlook.as_of: 'December' is not a month"),
        ({"recurs": "perhaps"}, "outlook.recurs: must be true or false, got 'perhaps'"),
        (
            {"grr": {"mean": 0.9, "model": [1.2] * 21, "forecast": [0.9] * 21}},
            "outlook.grr.model.0",
        ),
        ({"logo": {"mean": 1.2, "model": [0.9] * 21, "forecast": [0.9] * 21}}, "outlook.logo.mean"),
    ],
)
def test_what_is_wrong_beside_the_quantiles_has_its_place(stated, change, said):
    with pytest.raises(UsageError) as refused:
        stated(outlook=stated().plain()["outlook"] | change)
    assert said in str(refused.value)


def test_a_month_and_a_ratio_may_be_written_as_people_do(stated):
    outlook = stated().plain()["outlook"]
    percents = [f"{100 * each:.9f}%" for each in outlook["nrr"]["forecast"]]
    ours = outlook | {"as_of": "2025Q4", "nrr": outlook["nrr"] | {"forecast": percents}}
    assert stated(outlook=ours).transport()(0.9) == pytest.approx(stated().transport()(0.9))
