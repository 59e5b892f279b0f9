"""A programme's effect that is a belief: against integrals and formulas of our own, and in words."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

import nrrsim as nr
from nrrsim.analysis.frontier import all_together, with_factors
from nrrsim.analysis.sweep import read_axis, sweep
from nrrsim.engine.driver_rates import RATES_OF, draw_rates
from nrrsim.engine.law import law_of
from nrrsim.errors import UsageError
from nrrsim.metrics import ratio
from nrrsim.report.wording.labels import belief
from nrrsim.scenario.scenario import examples, read_scenario
from nrrsim.whatif.sliders import over

Z90 = 1.6448536269514722
BOOK = {"arr": 12e6, "segments": {"smb": {"share": 40, "customers": 40, "term": "monthly"},
                                  "mid": {"share": 60, "customers": 30}}}  # fmt: skip
DRIVERS = {
    "churn": {"smb": 0.3, "mid": {"between": [0.05, 0.15]}},
    "adoption": {"all": {"rate": 0.5, "size": 0.2}},
    "price": {"mid": {"uplift": 0.05, "acceptance": 0.8}},
}
EFFECT = {"between": ["-32%", "-2%"]}
NAME = "programmes.rescue call.churn.smb"


def plan(effect, *, what: str = "churn.smb", certain: bool = False, **kind) -> nr.Scenario:
    drivers = DRIVERS | ({"churn": {"smb": 0.3, "mid": 0.1}} if certain else {})
    programmes = {"rescue call": {what: effect, "from": 2, "ramp": 4}}
    return nr.Scenario.of({"book": BOOK, "drivers": drivers, "programmes": programmes} | kind)


def factors(low: float, high: float) -> stats.rv_continuous:
    """1 + effect, by SciPy."""
    ends = np.log1p([low, high])
    return stats.lognorm(s=np.diff(ends)[0] / (2 * Z90), scale=np.exp(ends.mean()))


def averaged(value, law) -> float:
    """The mean of a function of the effect: Simpson's rule over 65 points of the score."""
    z = np.linspace(-6, 6, 65)
    values = [value(float(law.ppf(p)) - 1) for p in stats.norm.cdf(z)]
    return float(integrate.simpson(values * stats.norm.pdf(z), x=z))


def test_the_expectation_is_the_integral_over_the_belief():
    """4,096 even draws of one score: within 0.00002."""
    exact = averaged(lambda e: nr.nrr(nr.expect(plan(e, certain=True))), factors(-0.32, -0.02))
    assert nr.nrr(nr.expect(plan(EFFECT, certain=True))) == pytest.approx(exact, abs=2e-5)


@pytest.mark.parametrize("effect", [EFFECT, "-20%"])
def test_a_sweep_moves_an_effect(effect):
    """A dotted name leads to it, though its own name has a dot; what it was does not matter."""
    grid = sweep(plan(effect, certain=True), [read_axis(f"{NAME}=-0.3:0:2")])
    alone = [nr.expect(plan(each, certain=True)) for each in (-0.3, 0.0)]
    assert grid["nrr"].tolist() == pytest.approx([nr.nrr(each) for each in alone], abs=1e-9)


@pytest.mark.parametrize("target", [0.85, 0.9, 0.95])
def test_the_law_is_the_mixture_over_the_belief(target):
    wide = {"between": [-0.8, 0.5]}
    z, weights = np.polynomial.hermite_e.hermegauss(9)
    effects = factors(-0.8, 0.5).ppf(stats.norm.cdf(z)) - 1
    each = [law_of(plan(float(e), certain=True)).nrr.reaches(target) for e in effects]
    computed = law_of(plan(wide, certain=True)).nrr
    assert computed.reaches(target) == pytest.approx(weights @ each / weights.sum(), abs=3e-3)
    # and a belief is not its mean
    mean = float(factors(-0.8, 0.5).mean()) - 1
    assert computed.sd > 1.05 * law_of(plan(mean, certain=True)).nrr.sd


@pytest.mark.parametrize(
    ("what", "effect"),
    [
        ("churn.smb", EFFECT),
        ("churn", {"dist": "normal", "mean": -0.3, "sd": 0.2}),
        ("adoption", {"dist": "uniform", "min": -0.5, "max": 1}),
        ("price", {"dist": "pert", "min": 0, "mode": 0.2, "max": 2}),
    ],
)
def test_a_simulation_agrees_with_the_expectation(what, effect):
    """|z| < 4.5 for NRR and logo retention of 4 scenarios: by chance once in 18,000 seeds."""
    scenario = plan(effect, what=what)
    trials, exact = nr.simulate(scenario, 4000), nr.expect(scenario)
    for measure in ("nrr", "logo"):
        seen, told = (np.asarray(ratio(m, measure)) for m in (trials, exact))
        error = seen.std(ddof=1) / np.sqrt(len(seen))
        assert abs(seen.mean() - told) < 4.5 * error, measure


def test_an_effect_that_is_a_number_multiplies_to_the_same_bits_as_ever():
    scenario = read_scenario(examples()["nrr-128-ramp"])
    rates = draw_rates(scenario, scenario.opening, count=64, seed=3, quasi=True)
    assert rates.phases > 6
    for phase in range(rates.phases):
        now = rates.in_phase(phase)
        for driver in ("churn", "contraction", "adoption", "cross_sell", "price", "reactivation"):
            name = RATES_OF[driver][0]
            factor = 1.0
            for each in scenario.programmes.values():
                part = min(1.0, max(0.0, (phase + 1 - each.begins + 1) / each.ramp))
                if driver in each.effects:
                    factor = factor * (1 + each.effects[driver] * part)
            most = 12.0 if driver in ("contraction", "adoption", "cross_sell") else 1.0
            expected = np.minimum(getattr(rates, name) * factor, most)
            assert np.array_equal(getattr(now, name), expected), (driver, phase)


def test_a_belief_about_an_effect_moves_no_other_draw():
    """Nor one of another effect."""
    first = {"a": {"churn.smb": -0.1, "adoption": 0.2}, "b": {"churn.mid": EFFECT}}
    base = plan(0, year_effects={"churn": 0.1}, programmes=first)
    more = base.with_({"programmes.a.adoption": {"between": [0.1, 0.3]}})
    one, other = (draw_rates(each, each.opening, count=256, seed=3, quasi=True)
                  for each in (base, more))  # fmt: skip
    assert np.array_equal(one.churn, other.churn)
    assert np.array_equal(one.effects["churn"], other.effects["churn"])
    without = base.with_({"programmes.b": {"churn.mid": -0.2}})
    alone = draw_rates(without, without.opening, count=256, seed=3, quasi=True)
    assert np.array_equal(one.churn, alone.churn)


def test_a_part_of_the_draws_has_their_effects():
    scenario = plan(EFFECT)
    rates = draw_rates(scenario, scenario.opening, count=16, seed=1)
    some = rates.part(5, 9)
    for phase in range(rates.phases):
        assert np.array_equal(some.in_phase(phase).churn, rates.in_phase(phase).churn[5:9])
    assert np.unique(rates.in_phase(4).churn[:, 0, 0]).size == 16


def test_it_is_named_and_printed_as_any_belief():
    scenario = plan(EFFECT)
    law = factors(-0.32, -0.02)
    (effect,) = scenario.table.uncertain_effects
    assert effect.name == NAME
    assert effect.words == "−17.9% (90% range −32.0% to −2.0%)"
    assert effect.mean == pytest.approx(law.mean() - 1, abs=1e-9)
    assert belief(NAME) == "Effect of rescue call on churn, SMB"
    assert belief("programmes.v1.0 churn.cross_sell") == "Effect of v1.0 churn on cross-sell"
    named = {each.name: each for each in nr.sensitivity(scenario, effects=False).beliefs}
    assert set(named) == {NAME, "churn.mid.rate"}
    # what moves more of a loss away brings more: its low end is the better one
    assert named[NAME].low > named[NAME].high


def test_a_tornado_has_its_ends():
    told = nr.sensitivity(plan(EFFECT, certain=True), effects=False).beliefs
    (own,) = told
    for end, effect in ((own.low, -0.32), (own.high, -0.02)):
        assert end == pytest.approx(nr.nrr(nr.expect(plan(effect, certain=True))), abs=1e-9)


def test_at_its_means_nothing_is_uncertain():
    sure = plan(EFFECT, correlations=[[NAME, "churn.mid", 0.5]]).at_means()
    assert sure.table.uncertain == ()
    mean = float(factors(-0.32, -0.02).mean()) - 1
    assert sure.programmes["rescue call"].effects == {"churn.smb": pytest.approx(mean)}


def test_it_may_be_tied_to_another_belief():
    """The sample correlation of 4,096 scores that are tied by 0.6: within 4 standard errors."""
    scenario = plan(EFFECT, correlations=[[NAME, "churn.mid", 0.6]])
    assert scenario.notices == ()
    rates = draw_rates(scenario, scenario.opening, count=4096, seed=7)
    full = np.log1p(rates.effects["churn"][-1, :, 0] - 1)
    base = rates.churn[:, 1, 0]
    seen = np.corrcoef(full, np.log(base / (1 - base)))[0, 1]
    assert seen == pytest.approx(0.6, abs=4 * (1 - 0.36) / 64)


def test_shares_of_programmes_add_up_to_what_they_bring():
    programmes = {"a": {"churn.smb": EFFECT}, "b": {"churn": {"between": [-0.4, -0.1]}, "ramp": 9},
                  "c": {"adoption": 0.3}}  # fmt: skip
    whole, none = plan(0, programmes=programmes), plan(0, programmes={})
    added = sum(each.nrr for each in nr.programmes(whole))
    gain = nr.nrr(nr.expect(whole)) - nr.nrr(nr.expect(none))
    assert added == pytest.approx(gain, abs=1e-4)
    # each alone, by the same draws: what any order brings first
    for name, share in itertools.zip_longest(programmes, nr.programmes(whole)):
        (alone,) = nr.programmes(plan(0, programmes={name: programmes[name]}))
        assert share.nrr == pytest.approx(alone.nrr, rel=0.1)


def test_a_bridge_and_a_wider_belief():
    a, b = plan(0.0), plan(EFFECT)
    told = nr.bridge(a, b)
    assert sum(told.parts.values()) == pytest.approx(told.b - told.a, abs=1e-12)
    assert told.parts["churn"] == pytest.approx(told.b - told.a, abs=1e-12)


def test_what_extends_another_replaces_a_belief_whole(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "book: {arr: 1e6, segments: {smb: {share: 1, customers: 9}}}\n"
        "drivers: {churn: {smb: 20%}}\nprogrammes: {care: {churn: {between: [-30%, -10%]}, cost: 5}}\n"
    )
    (tmp_path / "b.yaml").write_text(
        "extends: a.yaml\nprogrammes: {care: {churn: {dist: normal, mean: -20%, sd: 5%}}}\n"
    )
    care = nr.read_scenario(tmp_path / "b.yaml").programmes["care"]
    assert care.effects["churn"].model_dump() == {"dist": "normal", "mean": -0.2, "sd": 0.05}
    assert care.cost == 5


AT = "programmes.rescue call.churn.smb: "


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        ({"between": [-0.1, -0.3]}, "low, high] with -100% < low < high, got [-0.1, -0.3]"),
        ({"between": [-1, 0.3]}, "low, high] with -100% < low < high, got [-1, 0.3]"),
        ({"between": [-32, -2]}, "got [-32, -2]; did you mean [-0.32, -0.02]?"),
        ({"between": [-0.1]}, "an interval is [low, high], 2 numbers; got 1"),
        ({"between": [200, 300]}, "must be from -1 to 99"),
        ({"dist": "normal", "mean": -3, "sd": 0.1}, "lies wholly outside: must be from -1 to 99"),
        ({"dist": "normul", "mean": 0, "sd": 1}, "dist: 'normul' is not known; did you mean normal"),
        (-2, "must be from -1 to 99"),
        ({"mean": 1}, "must be a number or a belief such as {between: [0.08, 0.14]}"),
    ],
)  # fmt: skip
def test_what_no_effect_can_be_is_said_at_its_place(effect, said):
    with pytest.raises(UsageError) as caught:
        plan(effect)
    assert str(caught.value).startswith(AT)
    assert said in str(caught.value)


def test_a_correlation_that_names_no_effect_is_refused_and_one_of_a_number_is_said():
    with pytest.raises(UsageError, match=r"did you mean programmes\.rescue call\.churn\.smb\?"):
        plan(EFFECT, correlations=[[NAME[:-1], "churn.mid", 0.6]])
    (said,) = plan(-0.1, correlations=[[NAME, "churn.mid", 0.6]]).notices
    assert said == f"correlations: {NAME} is a plain number, so its correlation has no effect"


def test_what_is_cut_away_is_said_with_the_mean_that_acts():
    low = (-1 + 0.9) / 0.2
    law = stats.truncnorm(low, np.inf, loc=-0.9, scale=0.2)
    scenario = plan({"dist": "normal", "mean": -0.9, "sd": 0.2})
    (said,) = scenario.notices
    assert f"acts with a mean of −{-law.mean():.1%}, not −90.0%" in said


def test_levers_that_reach_a_target_reach_it_when_they_are_put_back():
    """A lever multiplies beside a programme whose effect is a belief."""
    scenario = plan(EFFECT)
    x = nr.frontier(scenario, 1.0).together
    moved = with_factors(scenario, all_together(x))
    assert moved.table.uncertain_effects == scenario.table.uncertain_effects
    assert nr.nrr(nr.expect(moved)) == pytest.approx(1.0, abs=1e-4)


def test_a_panel_that_moves_a_driver_keeps_the_belief_and_its_ties():
    scenario = plan(EFFECT, correlations=[[NAME, "churn.mid", 0.6]])
    moved = scenario.extended(over(scenario, {"churn.mid.rate": 0.12}, {}))
    assert moved.table.uncertain_effects == scenario.table.uncertain_effects
    assert moved.table.ties == scenario.table.ties
