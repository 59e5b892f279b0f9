"""Bridges, paired luck, frontiers, programmes: against brute force and worked examples."""

from itertools import permutations, product

import numpy as np
import pytest
from conftest import ROOT
from scenarios import THREE, segments, varied

import nrrsim as nr
from nrrsim.analysis.bridge import bridge, shapley
from nrrsim.analysis.frontier import all_together, frontier, with_factors
from nrrsim.analysis.paired import difference, paired
from nrrsim.engine.switched import LEVER_GROUPS, LEVERS, Exact
from nrrsim.movements import LOSSES

SCENARIOS = ROOT / "params" / "scenarios"


def shipped(name: str) -> nr.Scenario:
    return nr.read_scenario(SCENARIOS / f"{name}.yaml")


def two() -> tuple[nr.Scenario, nr.Scenario]:
    """Two scenarios that differ in everything."""
    a = varied(12)["every event has its own size"]
    b = varied(12)["beliefs of every form, tied"].with_(
        {"book.segments.smb.share": 60.0, "drivers.cross_sell": {"all": {"rate": 0.3, "size": 0.2}}}
    )
    return a, b


# --- the bridge -----------------------------------------------------------------------------------


def test_shapley_is_the_average_over_all_orders():
    rng = np.random.default_rng(1)
    worth = {which: rng.normal(size=3) for which in product((0, 1), repeat=5)}
    total = np.zeros((5, 3))
    orders = list(permutations(range(5)))
    for order in orders:
        which = [0] * 5
        for player in order:
            before = worth[tuple(which)]
            which[player] = 1
            total[player] += worth[tuple(which)] - before
    assert shapley(worth) == pytest.approx(total / len(orders), abs=1e-12)


def test_a_worked_example_by_hand():
    """0.90 x 1.08 x 1.20 = 1.1664. One at a time:
    -0.10 + 0.08 + 0.20 = 0.18, which leaves -1.36 points unexplained.
    """
    book = segments(one=(1, 12, "annual"))
    a = nr.Scenario.of({"book": book})
    kept, grown, sold = (
        {"churn": {"one": 0.10}},
        {"price": {"one": {"uplift": 0.08}}},
        {"adoption": {"one": {"rate": 12, "size": 1.2 ** (1 / 12) - 1}}},
    )
    b = nr.Scenario.of({"book": book, "drivers": kept | grown | sold})
    told = bridge(a, b)
    assert told.b == pytest.approx(1.1664)
    alone = [
        nr.nrr(nr.expect(nr.Scenario.of({"book": book, "drivers": each}))) - 1
        for each in (kept, grown, sold)
    ]
    assert told.difference - sum(alone) == pytest.approx(-0.0136)
    assert sum(told.parts.values()) == pytest.approx(told.difference, abs=1e-12)
    # by hand: each one's effect, averaged over the six orders
    c, p, g = -0.10, 0.08, 0.20
    by_hand = {
        "churn": c * (1 + (p + g) / 2 + p * g / 3),
        "price": p * (1 + (c + g) / 2 + c * g / 3),
        "adoption": g * (1 + (c + p) / 2 + c * p / 3),
    }
    for name, value in by_hand.items():
        assert told.parts[name] == pytest.approx(value), name


def test_parts_add_up_in_total_and_by_segment():
    a, b = two()
    told = bridge(a, b)
    assert sum(told.parts.values()) == pytest.approx(told.difference, abs=1e-12)
    assert sum(told.vectors.values()) == pytest.approx(told.difference, abs=1e-12)
    for name in LEVER_GROUPS:
        assert sum(told.segments[name].values()) == pytest.approx(told.parts[name], abs=1e-12)
    assert told.difference == pytest.approx(nr.nrr(nr.expect(b)) - nr.nrr(nr.expect(a)), abs=3e-4)
    assert all(error < 1e-3 for error in told.standard_errors.values())


def test_the_other_way_round_is_the_opposite():
    there, back = bridge(*two()), bridge(*reversed(two()))
    for name in LEVER_GROUPS:
        assert there.parts[name] == pytest.approx(-back.parts[name], abs=1e-12)


@pytest.mark.parametrize("name", LEVERS)
def test_what_does_not_differ_has_no_part(name):
    a, _ = two()
    b = with_factors(a, {"churn": 0.5} if name != "churn" else {"adoption": 1.5})
    assert bridge(a, b).parts[name] == 0


@pytest.mark.parametrize("driver", LEVERS)
def test_a_drivers_group_has_its_uneven_years(driver):
    """Years that differ in one driver alone are that driver's part, and all of the difference."""
    b = varied(24)["years that differ, driver by driver"]
    effects = b.plain()["year_effects"]
    a = b.with_(year_effects={name: each for name, each in effects.items() if name != driver})
    told = bridge(a, b)
    assert told.parts[driver] == pytest.approx(nr.nrr(nr.expect(b)) - nr.nrr(nr.expect(a)))
    assert abs(told.parts[driver]) > 1e-6
    assert all(told.parts[name] == 0 for name in LEVER_GROUPS if name != driver)


def test_segment_mix_alone():
    """SMB at 97 % and enterprise at 118 %:
    103.3 % at 70:30, 111.7 % at 30:70, and all of it is mix.
    """
    drivers = {
        "churn": {"smb": 0.03},
        "adoption": {"enterprise": {"rate": 12, "size": 1.18 ** (1 / 12) - 1}},
    }
    a, b = (
        nr.Scenario.of(
            {
                "book": segments(smb=(smb, 70, "monthly"), enterprise=(100 - smb, 30, "annual")),
                "drivers": drivers,
            }
        )
        for smb in (70, 30)
    )
    told = bridge(a, b)
    assert (told.a, told.b) == (pytest.approx(1.033), pytest.approx(1.117))
    assert told.parts["mix"] == pytest.approx(0.084)
    assert sum(abs(part) for name, part in told.parts.items() if name != "mix") < 1e-12


def test_105_against_128():
    told = bridge(shipped("nrr-105"), shipped("nrr-128"))
    assert told.difference == pytest.approx(0.23, abs=2e-4)
    assert sum(told.parts.values()) == pytest.approx(told.difference, abs=1e-12)
    assert told.parts["mix"] == 0


def test_what_cannot_be_compared():
    a = varied(12)["every event has its own size"]
    with pytest.raises(nr.UsageError, match="months: 12 against 24"):
        bridge(a, a.with_(months=24))
    one = nr.Scenario.of({"book": segments(smb=(1, 5)), "drivers": {"churn": {"smb": 0.1}}})
    other = nr.Scenario.of({"book": segments(huge=(1, 5)), "drivers": {"churn": {"huge": 0.1}}})
    with pytest.raises(nr.UsageError, match="huge: is a segment"):
        bridge(one, other)


# --- the same luck --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["churn", "contraction", "adoption", "cross_sell", "price"])
def test_paired_differences_are_right_and_vary_little(name):
    """A fifth more of one driver:
    the variance of the difference is at least 40 times smaller than unpaired.
    """
    a = shipped("nrr-105")
    b = with_factors(a, {name: 1.2})
    together = difference(paired(a, b, 10_000, 7))
    apart = np.asarray(nr.nrr(nr.simulate(b, 10_000, 8))) - np.asarray(
        nr.nrr(nr.simulate(a, 10_000, 7))
    )
    exact = nr.nrr(nr.expect(b)) - nr.nrr(nr.expect(a))
    assert abs(together.mean() - exact) < 4.5 * together.std() / 100 + 1e-5
    assert apart.var() / together.var() > 40


@pytest.mark.parametrize(
    "names",
    [("many come back", "at the edges"), ("churn by tenure year", "a common shock to everything")],
)
def test_each_of_a_pair_is_still_itself(names):
    """Beside another scenario a run has other luck and the same distribution."""
    a, b = varied(18)["churn by tenure year"], varied(18)["a common shock to everything"]
    for run, believed in zip(paired(a, b, 10_000, 7), (a, b), strict=True):
        nrr = np.asarray(nr.nrr(run))
        assert abs(nrr.mean() - nr.nrr(nr.expect(believed))) < 4.5 * nrr.std() / 100
        alone = np.asarray(nr.nrr(nr.simulate(believed, 10_000, 3)))
        assert nrr.std() == pytest.approx(alone.std(), rel=0.06)
        assert run.books_close()


def test_a_scenario_beside_itself_differs_in_nothing():
    a = varied(12)["beliefs of every form, tied"]
    assert (difference(paired(a, a, 200, 7)) == 0).all()


def test_what_both_have_alike_is_not_worked_out_twice(monkeypatch):
    asked, nrr = [], Exact.nrr
    monkeypatch.setattr(Exact, "nrr", lambda self, *which: asked.append(which) or nrr(self, *which))
    a = shipped("nrr-105")
    told = bridge(a, a.with_({"drivers.churn.smb.rate": 0.2}))
    assert set(asked) == {(0,) * 7, (0, 1, 0, 0, 0, 0, 0)}
    assert {name for name, part in told.parts.items() if part} == {"churn"}


# --- the frontier ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "target"),
    [("nrr-105", 1.08), ("nrr-105", 1.28), ("nrr-128", 1.20), ("recession", 1.0)],
)
def test_what_the_frontier_answers_reaches_the_target(name, target):
    believed = shipped(name)
    told = frontier(believed, target)
    assert told.nrr == pytest.approx(nr.nrr(nr.expect(believed)), abs=1e-9)
    for lever in told.levers.values():
        if lever.factor is not None:
            assert nr.nrr(
                nr.expect(with_factors(believed, {lever.name: lever.factor}))
            ) == pytest.approx(target, abs=1e-6)
    assert told.together is not None
    factors = {
        lever: 1 - told.together if lever in LOSSES else 1 + told.together for lever in LEVERS
    }
    assert nr.nrr(nr.expect(with_factors(believed, factors))) == pytest.approx(target, abs=1e-6)


def test_what_one_lever_cannot_do_is_said():
    told = frontier(shipped("nrr-105"), 1.28)
    assert told.levers["churn"].status == "not reachable"
    assert told.levers["contraction"].status == "not reachable"
    assert told.levers["adoption"].status == "reached"
    without = nr.Scenario.of({"book": THREE, "drivers": {"churn": {"all": 0.1}}})
    assert frontier(without, 1.05).levers["adoption"].status == "absent"
    with pytest.raises(nr.UsageError, match="target"):
        frontier(without, 110)


SHARPLY = {"uplift": 0.1, "churn_per_point": 2.0}
MILDLY = {"uplift": 0.01, "churn_per_point": 0.5}


def by_price(price: dict, churn: float = 0.1) -> nr.Scenario:
    """NRR is (1 - churn - churn_per_point u) (1 + u) at an uplift of u."""
    return nr.Scenario.of(
        {
            "book": segments(a=(1, 120, "annual")),
            "drivers": {"churn": {"a": churn}, "price": {"a": price}},
        }
    )


def test_a_price_that_drives_away_may_have_to_fall():
    told = frontier(by_price(SHARPLY), 0.85).levers["price"]
    assert told.status == "reached"
    u = told.factor * 0.1
    assert u < 0.1
    assert (0.9 - 2 * u) * (1 + u) == pytest.approx(0.85, abs=1e-9)


def test_a_peak_between_two_steps_is_found():
    """(0.9 - u/2) (1 + u) has its peak, 0.98, at u = 0.4, which is no step of the search."""
    for target in (0.95, 0.975, 0.9799):
        told = frontier(by_price(MILDLY), target).levers["price"]
        u = told.factor * 0.01
        assert u < 0.4
        assert (0.9 - u / 2) * (1 + u) == pytest.approx(target, abs=1e-9)
    assert frontier(by_price(MILDLY), 0.9801).levers["price"].status == "not reachable"


@pytest.mark.parametrize("name", ["nrr-105", "nrr-128", "recession", "up-market"])
@pytest.mark.parametrize("off", [0.0, 1e-9, -1e-7, 5e-6, -2e-5, 1e-4, -1e-3])
def test_a_target_just_beside_what_is_expected_is_reached_by_a_hair(name, off):
    """Few draws and all of them stand on different sides of it."""
    believed = shipped(name)
    told = frontier(believed, nr.nrr(nr.expect(believed)) + off)
    assert told.together == pytest.approx(0, abs=0.02)
    for lever in told.levers.values():
        # all of reactivation is less than a tenth of a point
        is_little = lever.name == "reactivation" and off == -1e-3
        assert lever.status in ("reached", "absent") or is_little, lever


@pytest.mark.parametrize("name", ["nrr-105", "nrr-128", "recession", "usage-limits"])
@pytest.mark.parametrize("target", [0.5, 0.9, 1.1, 1.5, 2.0, 3.0, 6.0])
def test_what_one_lever_reaches_all_together_reach(name, target):
    believed = shipped(name)
    told = frontier(believed, target)
    if any(lever.status == "reached" for lever in told.levers.values()):
        together = with_factors(believed, all_together(told.together))
        assert nr.nrr(nr.expect(together)) == pytest.approx(target, abs=1e-6)
        largest = max(abs(lever.factor or 0) for lever in told.levers.values())
        assert abs(told.together) < max(largest, 1)


# --- programmes -----------------------------------------------------------------------------------


def test_a_programme_that_works_from_the_first_month_multiplies_the_driver():
    plain = {
        "book": THREE,
        "drivers": {"churn": {"all": 0.2}, "adoption": {"smb": {"rate": 0.5, "size": 0.2}}},
    }
    half = nr.Scenario.of({**plain, "programmes": {"p": {"churn": "-50 %", "adoption.smb": 0.2}}})
    same = nr.Scenario.of(
        {
            "book": THREE,
            "drivers": {"churn": {"all": 0.1}, "adoption": {"smb": {"rate": 0.6, "size": 0.2}}},
        }
    )
    assert nr.nrr(nr.expect(half)) == pytest.approx(nr.nrr(nr.expect(same)), abs=1e-12)
    one, other = nr.simulate(half, 100), nr.simulate(same, 100)
    assert one["closing"].values == pytest.approx(other["closing"].values)


def test_a_ramp_by_hand():
    """From month 3, in 4 months: 0, 0, 1/4, 1/2, 3/4, 1, 1, ...;
    a monthly churn of 1 - (1 - rate)^(1/12) each.
    """
    believed = nr.Scenario.of(
        {
            "book": segments(one=(1, 5, "monthly")),
            "drivers": {"churn": {"one": 0.3}},
            "programmes": {
                "first": {"churn": -0.5, "from": 3, "ramp": 4},
                "second": {"churn.one": -0.2, "from": 2},
            },
        }
    )
    reached = [0, 0, 0.25, 0.5, 0.75, *[1] * 7]
    second = [0, *[1] * 11]
    stays = np.prod(
        [
            (1 - 0.3 * (1 - 0.5 * a) * (1 - 0.2 * b)) ** (1 / 12)
            for a, b in zip(reached, second, strict=True)
        ]
    )
    assert nr.nrr(nr.expect(believed)) == pytest.approx(stays, abs=1e-12)


def test_programmes_agree_in_both_engines():
    believed = varied(24)["many come back"].with_(
        {
            "programmes": {
                "win-back": {"reactivation": 0.8, "from": 4, "ramp": 6},
                "success": {"churn": -0.4, "contraction.a": -0.5, "from": 2, "ramp": 9},
                "growth": {"adoption": 1.0, "price": 0.5, "from": 7, "ramp": 3},
            }
        }
    )
    run, exact = nr.simulate(believed, 20_000), nr.expect(believed)
    for name in (
        "churn",
        "contraction",
        "adoption",
        "price",
        "reactivation",
        "closing",
        "customers",
    ):
        trials, mean = (
            run.total()[name].values[:, 0, :].cumsum(axis=1),
            exact.total()[name].values[0].cumsum(),
        )
        error = trials.std(axis=0) / np.sqrt(20_000)
        assert (np.abs(trials.mean(axis=0) - mean) < 4.5 * error + 1e-9).all(), name


def test_the_first_year_is_on_the_way():
    first, steady, now = (
        nr.nrr(nr.expect(shipped(name))) for name in ("nrr-128-ramp", "nrr-128", "nrr-105")
    )
    assert now + 0.02 < first < steady - 0.05


@pytest.mark.parametrize(
    ("programme", "said"),
    [
        (
            {"churn.smal": -0.1},
            "programmes.p.churn.smal: is no driver of the scenario; did you mean churn.small?",
        ),
        ({"churn": -20}, "programmes.p.churn: must be from -1 to 99"),
        ({"churn": "a fifth"}, "programmes.p.churn: must be a number, got 'a fifth'"),
        ({"churn": -0.1, "ramp": 0}, "programmes.p.ramp: must be at least 1, got 0"),
        ({"churn": -0.1, "from": 0.5}, "programmes.p.from: must be a whole number"),
        ({"churn": -0.1, "cost": -5}, "programmes.p.cost: must be at least 0"),
        ({"adoption": 0.1}, "programmes.p.adoption: is no driver"),
    ],
)
def test_programmes_that_cannot_be(programme, said):
    with pytest.raises(nr.UsageError) as caught:
        nr.Scenario.of(
            {
                "book": segments(small=(1, 5)),
                "drivers": {"churn": {"small": 0.1}},
                "programmes": {"p": programme},
            }
        )
    assert said in str(caught.value)


def test_a_price_that_drives_customers_away_can_be_raised_to_a_lower_target(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(
        "title: t\nbook: {arr: 1200, segments: {smb: {share: 1, customers: 12}}}\ndrivers:\n"
        "  churn: {all: 0.05}\n"
        "  price: {all: {uplift: 0.05, acceptance: 0.5, churn_per_point: 1.5}}\n"
    )
    needed = frontier(nr.read_scenario(file), 0.8).levers["price"].needed["smb"]
    # (1 - 0.05 - 1.5 u) (1 + u / 2) is 0.8
    assert (1 - 0.05 - 1.5 * needed) * (1 + needed / 2) == pytest.approx(0.8, abs=1e-6)
