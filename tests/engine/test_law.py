"""The law of a year, computed: against closed forms, against simulation, and finer grids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothetical import scenarios
from scipy import stats

import nrrsim as nr
from nrrsim import metrics
from nrrsim.engine import law as over_beliefs
from nrrsim.engine import luck
from nrrsim.engine.expectation import deviation
from nrrsim.engine.law import law_of
from nrrsim.engine.outcomes import Computed
from nrrsim.scenario.scenario import Scenario

MEASURES: dict[str, Callable[..., Any]] = {
    "nrr": metrics.nrr,
    "grr": metrics.grr,
    "logo": metrics.logo,
}
# Of 21 points of 30 scenarios one is farther off by chance in 4 of 1,000 runs.
FAR = 4.5
ASKED = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)


def made(customers: int, drivers: dict[str, Any], **more: Any) -> Scenario:
    """One segment of customers who are alike, with yearly contracts."""
    segments = {"all_of": {"share": 1, "customers": customers}}
    return Scenario.of({"book": {"arr": 1e6, "segments": segments}, "drivers": drivers, **more})


def law(scenario: Scenario, seed: int = 1) -> over_beliefs.Law:
    found = law_of(scenario, seed)
    assert found is not None
    return found


# --- closed forms ---------------------------------------------------------------------------------


def test_one_customer_is_there_or_not() -> None:
    told = law(made(1, {"churn": {"all": 0.1}}))
    for each in (told.nrr, told.grr, told.logo):
        assert each.mean == pytest.approx(0.9, abs=1e-12)
        assert each.sd == pytest.approx(0.3, abs=1e-12)
        assert [each.reaches(x) for x in (1.0, 0.5, 0.01)] == pytest.approx([0.9] * 3, abs=1e-6)
        assert each.reaches(1.01) == pytest.approx(0.0, abs=1e-6)
        assert each.quantiles((0.05, 0.5)) == pytest.approx([0.0, 1.0], abs=each.near + 1e-9)


def test_two_customers_take_a_price_or_not() -> None:
    told = law(made(2, {"price": {"all": {"uplift": 0.1, "acceptance": 0.3}}}))
    reached = [told.nrr.reaches(x) for x in (1.0, 1.02, 1.05, 1.06, 1.1, 1.11)]
    assert reached == pytest.approx([1, 0.51, 0.51, 0.09, 0.09, 0], abs=1e-6)
    assert (told.grr.mean, told.grr.sd) == (1.0, 0.0)


def test_numbers_of_events_of_one_customer() -> None:
    """Twelve months of a contraction of a fifth each with 1 in 20: a binomial number of them."""
    told = law(made(1, {"contraction": {"all": {"rate": 0.6, "size": 0.2}}}))
    number = stats.binom(12, 0.05)
    for events in range(4):
        assert told.nrr.reaches(0.8**events) == pytest.approx(number.cdf(events), abs=1e-6)
        assert told.grr.reaches(0.8**events) == pytest.approx(number.cdf(events), abs=1e-6)


@pytest.mark.parametrize(("customers", "rate"), [(7, 0.3), (40, 0.05), (500, 0.1), (3_000, 0.02)])
def test_customers_who_are_alike_leave_by_the_binomial(customers: int, rate: float) -> None:
    told = law(made(customers, {"churn": {"all": rate}}))
    stay = stats.binom(customers, 1 - rate)
    low, high = (int(each) for each in stay.ppf([0.001, 0.999]))
    for left in np.unique(np.linspace(max(low, 1), high, 9).astype(int)):
        for each, off in ((told.nrr, 3e-4), (told.grr, 3e-4), (told.logo, 1e-9)):
            assert each.reaches(left / customers) == pytest.approx(stay.sf(left - 1), abs=off)


@pytest.mark.parametrize("customers", [1, 12, 200, 2_000])
def test_a_churn_that_is_believed_to_be_beta(customers: int) -> None:
    """How many stay is then beta-binomial, whatever the draws: within errors that are stated."""
    a, b = 8.0, 60.0
    scenario = made(customers, {"churn": {"all": {"dist": "beta", "a": a, "b": b}}})
    stay, told = stats.betabinom(customers, b, a), law(scenario)
    for p in (0.0002, 0.002, 0.05, 0.5, 0.95, 0.998):
        left = int(stay.ppf(p))
        for name in MEASURES:
            # in the tail of a measure but NRR so few exact draws may all agree
            each, x = getattr(told, name), left / customers
            off, known = each.reaches(x) - stay.sf(left - 1), 1e-3 if customers <= 12 else 4e-4
            assert abs(off) <= FAR * each.reach_error(x) + (1e-4 if name == "nrr" else known), name


def test_a_rare_chance_is_known_to_a_few_percent_of_itself() -> None:
    scenario = made(400, {"churn": {"all": {"dist": "beta", "a": 8, "b": 60}}})
    stay, told = stats.betabinom(400, 60, 8), law(scenario).nrr
    for rare in (1e-2, 1e-3, 1e-4):
        left = int(stay.ppf(rare))
        x, missed = (left + 0.5) / 400, float(stay.cdf(left))
        assert 1 - told.reaches(x) == pytest.approx(missed, rel=0.08)
        assert 0 < told.reach_error(x) < 0.05 * missed


def test_what_is_certain_is_said_to_be() -> None:
    told = law(made(3, {"price": {"all": {"uplift": 0.1}}}))
    assert told.nrr.figures() == pytest.approx(
        dict.fromkeys(told.nrr.figures(), 1.1) | {"sd": 0.0, "error": 0.0}
    )
    assert [told.nrr.reaches(x) for x in (1.1, 1.101)] == [1.0, 0.0]


# --- against simulation ---------------------------------------------------------------------------


def refuse_off(scenario: Scenario, trials: int) -> None:
    """Raises AssertionError where the law and the simulation do not agree."""
    told = law(scenario)
    seen: dict[str, list[np.ndarray]] = {name: [] for name in MEASURES}
    for first in range(0, trials, 10_000):  # some at a time, as all would take gigabytes
        run = nr.simulate(scenario, 10_000, 5, first=first)
        for name, measure in MEASURES.items():
            seen[name].append(np.asarray(measure(run)))
    spread = deviation(scenario).sel(segment="all").isel(month=-1) / scenario.opening.total
    assert told.nrr.mean == pytest.approx(float(metrics.nrr(nr.expect(scenario))), abs=1e-9)
    assert told.nrr.sd == pytest.approx(float(spread), abs=1e-7)
    for name, parts in seen.items():
        values, each = np.concatenate(parts), getattr(told, name)
        assert (np.diff(np.concatenate([[0.0], each.below, [1.0]])) >= 0).all()
        error = each.sd / np.sqrt(trials)
        assert values.mean() == pytest.approx(each.mean, abs=FAR * error + 1e-9), name
        for x in each.quantiles(ASKED):
            refuse_far(each, values, float(x), name)


def refuse_far(each: Computed, values: np.ndarray, x: float, name: str) -> None:
    # a point of mass is told within `near` of its place
    near = 3 * max(each.near, 1e-9)
    low, high = each.reaches(x + near), each.reaches(x - near)
    above, most = (values >= x + near / 2).mean(), (values >= x - near / 2).mean()
    p = np.clip(each.reaches(x), 1e-4, 1 - 1e-4)
    error = FAR * np.sqrt(p * (1 - p) / len(values))
    assert low - error <= most, (name, x)
    assert above <= high + error, (name, x)


LIKE_ALL = settings(
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@seed(1)
@settings(LIKE_ALL, max_examples=8)
@given(scenarios())
def test_the_simulation_agrees(scenario: Scenario) -> None:
    refuse_off(scenario, 10_000)


@pytest.mark.slow
@seed(7)
@settings(LIKE_ALL, max_examples=30)
@given(scenarios())
def test_the_simulation_agrees_at_night(scenario: Scenario) -> None:
    refuse_off(scenario, 200_000)


@pytest.mark.parametrize("share", [0.2, 0.5])
@pytest.mark.parametrize("is_drawn", [False, True])
def test_a_giant_beside_many_small_customers(share: float, is_drawn: bool) -> None:
    """How many of the small ones stay is no point of mass, however narrow its bell is."""
    size = {"mean": 0.2, "sd": 0.15}
    drivers: dict[str, Any] = {"churn": {"all": 0.1}}
    if is_drawn:
        drivers["contraction"] = {"all": {"rate": 0.2, "size": size}}
    small = {"share": 1 - share, "customers": 1_000, "spread": 1.0 if is_drawn else 0.0}
    segments = {"small": small, "giant": {"share": share, "customers": 1}}
    scenario = Scenario.of({"book": {"arr": 1e6, "segments": segments}, "drivers": drivers})
    told, trials = law(scenario).nrr, 20_000
    assert told.error < 0.01
    values = np.asarray(metrics.nrr(nr.simulate(scenario, trials, 5)))
    for x in np.quantile(values, ASKED):
        p = float((values >= x + 1e-6).mean())
        off = FAR * np.hypot(np.sqrt(p * (1 - p) / trials), told.reach_error(x))
        assert told.reaches(x) == pytest.approx(p, abs=off + 1e-3)


# --- the grids ------------------------------------------------------------------------------------

FINER = {
    "width": (
        over_beliefs,
        {name: 2 * getattr(over_beliefs, name) for name in ("WIDTH", "TOLD", "PLACES")},
    ),
    "reach": (over_beliefs, {"REACH": 2 * over_beliefs.REACH}),
    "lattice": (
        luck,
        {"STEP": tuple((one / 2, many / 2) for one, many in luck.STEP), "FINE": (0.25, 0.5)},
    ),
    "table": (luck, {"LOOKED_UP": (80, 40), "TABLE": (600, 300)}),
}


@pytest.mark.parametrize("finer", FINER)
@pytest.mark.parametrize("customers", [200, 3_000])
def test_a_finer_grid_moves_nothing(
    finer: str, customers: int, shipped: Callable[[int], Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doubled, each moves a probability by less than a millionth."""
    scenario = shipped(customers)
    before = law(scenario)
    module, values = FINER[finer]
    for name, value in values.items():
        monkeypatch.setattr(module, name, value)
    after = law(scenario)
    for name in MEASURES:
        one, other = getattr(before, name), getattr(after, name)
        x = one.mean + one.sd * np.linspace(-3, 3, 61)
        if name == "logo":  # between its steps
            x = (np.floor(x * customers) + 0.5) / customers
        apart = np.interp(x, one.places, one.below) - np.interp(x, other.places, other.below)
        assert np.abs(apart).max() < 1e-6


@pytest.fixture
def shipped() -> Callable[[int], Scenario]:
    """The drivers of a shipped scenario at their means, for so many customers."""

    def of(customers: int) -> Scenario:
        scenario = nr.read_scenario("params/scenarios/nrr-105.yaml").at_means()
        parts = {"smb": 0.7, "mid_market": 0.2, "enterprise": 0.1}
        return scenario.with_(
            {
                f"book.segments.{name}.customers": round(part * customers)
                for name, part in parts.items()
            }
        )

    return of


# --- beliefs and seeds ----------------------------------------------------------------------------


def test_a_seed_gives_the_same_bits() -> None:
    scenario = nr.read_scenario("params/scenarios/nrr-128.yaml")
    one, again, other = (law(scenario, each) for each in (3, 3, 4))
    for name in MEASURES:
        assert (getattr(one, name).below == getattr(again, name).below).all()
        assert (getattr(one, name).below != getattr(other, name).below).any()


@pytest.mark.slow
@pytest.mark.parametrize("book", ["nrr-105", "nrr-128", "50 customers"])
def test_no_seed_is_biased_and_each_error_is_as_it_is_stated(book: str) -> None:
    """At seven points against 4,000,000 trials: |z| below 3 of the mean of 200 seeds (a false alarm
    in 6 % of runs if the points knew nothing of each other, less as they do), and squared errors
    that are 0.5 to 2 times those that are stated, of which t with seven degrees of freedom has 1.4.
    """
    shipped = book if book.startswith("nrr") else "nrr-105"
    scenario = nr.read_scenario(f"params/scenarios/{shipped}.yaml")
    if shipped != book:
        parts = {"smb": 37, "mid_market": 10, "enterprise": 3}
        scenario = scenario.with_(
            {f"book.segments.{name}.customers": part for name, part in parts.items()}
        )
    trials, parts_of = 4_000_000, 40
    values = np.concatenate(
        [
            np.asarray(metrics.nrr(nr.simulate(scenario, trials // parts_of, 1, first=first)))
            for first in range(0, trials, trials // parts_of)
        ]
    )
    x = np.quantile(values, ASKED)
    p = np.array([(values <= each).mean() for each in x])
    told = [law(scenario, each).nrr for each in range(200)]
    below = np.array([np.interp(x, each.places, each.below) for each in told])
    errors = np.array([np.interp(x, each.places, each.p_error) for each in told])
    of_mean = np.hypot(below.std(axis=0, ddof=1) / np.sqrt(200), np.sqrt(p * (1 - p) / trials))
    assert (np.abs(below.mean(axis=0) - p) < 3 * of_mean).all()
    squared = (((below - below.mean(axis=0)) / errors) ** 2).mean(axis=0)
    assert ((squared > 0.3) & (squared < 2.2)).all()
