"""A comparison's answers: shares that add up, odds that hold, and what cannot be compared."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import HOSTILE, ROOT, said_of, squeezed, text_of
from scenarios import THREE, segments

import nrrsim as nr
from nrrsim import benchmarks
from nrrsim.analysis.bridge import bridge
from nrrsim.analysis.frontier import (
    NEAR_P,
    all_together,
    chance,
    frontier,
    needed,
    with_factors,
)
from nrrsim.analysis.paired import paired
from nrrsim.analysis.programmes import programmes
from nrrsim.analysis.summary import told_of_law
from nrrsim.cli.text import frontier_lines
from nrrsim.engine.law import law_of
from nrrsim.engine.switched import expected_closing
from nrrsim.report.charts import outlook, retention, style
from nrrsim.report.manifest import verify
from nrrsim.report.run import run_card
from nrrsim.report.wording import columns, comparison, labels

SCENARIOS = ROOT / "params" / "scenarios"
CARD = ROOT / "params" / "105-vs-128.yaml"


def files(*names: str) -> list[str]:
    return [str(SCENARIOS / f"{name}.yaml") for name in names]


@pytest.fixture(scope="session")
def compared():
    return nr.read_comparison(files("nrr-105", "nrr-128", "nrr-128-ramp"), trials=2_000)


# --- programmes -----------------------------------------------------------------------------------


def test_shares_of_programmes_add_up_to_what_they_bring():
    ramp = nr.read_scenario(SCENARIOS / "nrr-128-ramp.yaml")
    shares = programmes(ramp)
    without = nr.nrr(nr.expect(ramp.with_(programmes={})))
    gain = nr.nrr(nr.expect(ramp)) - without
    assert [each.name for each in shares] == list(ramp.programmes)
    assert sum(each.nrr for each in shares) == pytest.approx(gain, abs=2e-4)
    for each in shares:
        assert each.arr == pytest.approx(each.nrr * 1e8)
        assert each.returned == pytest.approx(each.arr / each.cost)


def test_one_programme_gets_all_and_two_that_are_alike_share():
    plain = {
        "book": THREE,
        "drivers": {"churn": {"all": 0.2}, "adoption": {"all": {"rate": 0.5, "size": 0.2}}},
    }
    one = nr.Scenario.of({**plain, "programmes": {"p": {"churn": -0.5, "from": 4}}})
    gain = nr.nrr(nr.expect(one)) - nr.nrr(nr.expect(nr.Scenario.of(plain)))
    (share,) = programmes(one)
    assert share.nrr == pytest.approx(gain, abs=1e-12)
    assert share.returned is None
    effect = {"adoption": 0.3, "from": 2, "ramp": 3}
    alike = programmes(
        nr.Scenario.of({**plain, "programmes": {"p": effect, "q": effect, "none": {}}})
    )
    assert alike[0].nrr == pytest.approx(alike[1].nrr, abs=1e-12)
    assert alike[2].nrr == pytest.approx(0, abs=1e-12)
    many = {f"p{n}": effect for n in range(11)}
    with pytest.raises(nr.UsageError, match="11; the shares of 10"):
        programmes(nr.Scenario.of({**plain, "programmes": many}))


# --- a probability of the target ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "target", "p"), [("nrr-105", 1.10, 0.8), ("nrr-105", 1.0, 0.5), ("recession", 1, 0.8)]
)
def test_the_odds_that_the_frontier_answers_hold_when_played(name, target, p):
    """20,000 trials: within 4.5 standard errors."""
    believed = nr.read_scenario(SCENARIOS / f"{name}.yaml")
    told = frontier(believed, target, p, levers=("adoption",))
    assert told.levers["adoption"].factor is not None
    assert told.together is not None
    for factors in (
        {"adoption": told.levers["adoption"].factor},
        all_together(told.together),
    ):
        moved = with_factors(believed, factors)
        assert chance(moved, target) == pytest.approx(p, abs=NEAR_P)
        played = float((np.asarray(nr.nrr(nr.simulate(moved, 20_000, 3))) >= target).mean())
        of_law = nr.law_of(moved).nrr.reach_error(target)
        assert abs(played - p) < 4.5 * np.hypot(np.sqrt(p * (1 - p) / 20_000), of_law)


def test_one_customer_and_a_probability_that_jumps():
    """It stays with 90%, at a price that is certain: 5% more are not reached by less than that, by no churn at all
    with certainty; where more than is asked for is there, a price may fall until the target is just met. Within
    what the law says of a point of mass: some ten thousandths of NRR, hundredths of a price of 4%.
    """
    one = nr.Scenario.of(
        {
            "book": segments(one=(1, 1, "annual")),
            "drivers": {"churn": {"one": 0.1}, "price": {"one": {"uplift": 0.04}}},
        }
    )
    told = frontier(one, 1.05, 0.8, levers=("churn", "price"))
    assert told.levers["churn"].status == "not reachable"
    assert told.levers["price"].factor == pytest.approx(1.25, abs=0.02)
    assert chance(with_factors(one, {"price": told.levers["price"].factor}), 1.05) > 0.8 - NEAR_P
    assert told.together == pytest.approx(0.25, abs=0.02)
    told = frontier(one, 1.03, 0.8, levers=("churn", "price"))
    assert told.levers["churn"].factor == pytest.approx(2, abs=1e-3)
    assert told.levers["price"].factor == pytest.approx(0.75, abs=0.02)
    assert chance(with_factors(one, {"price": told.levers["price"].factor}), 1.03) > 0.8 - NEAR_P


def test_odds_of_what_is_certain():
    still = nr.Scenario.of({"book": THREE, "drivers": {}})
    assert chance(still, 1.0) == 1
    assert chance(still, 1.001) == 0
    for wrong in (0, 1, -0.2, 80):
        with pytest.raises(nr.UsageError, match="probability: must be above 0 and below 1"):
            frontier(still, 1.1, wrong)


# --- beside what is published ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "ratio", "where"),
    [
        ("nrr", 0.95, "below p25"), ("nrr", 0.96, "p25 to p50") , ("nrr", 1.05, "p50 to p75"), ("nrr", 1.28, "above p75"),
        ("grr", 0.80, "below p25"), ("grr", 0.86, "p25 to p50"), ("grr", 0.93, "p50 to p75"), ("grr", 0.96, "above p75"),
    ],
)  # fmt: skip
def test_standing_among_the_surveys_quartiles(metric, ratio, where):
    """KBCM/Sapphire 2024, as restated: NRR 96, 101 and 109 %; GRR 82, 91 and 95 %."""
    assert benchmarks.standing(metric, ratio) == where


def test_what_is_needed_stands_beside_what_is_published():
    told = needed(nr.read_scenario(SCENARIOS / "nrr-105.yaml"), 1.10)
    assert told["standing"] == "above p75"
    churn = told["levers"]["churn"]
    without = nr.read_scenario(SCENARIOS / "nrr-105.yaml")
    gross = nr.grr(nr.expect(with_factors(without, {"churn": churn["factor"]})), "flow")
    assert churn["grr_flow"] == pytest.approx(gross, abs=1e-9)
    assert churn["standing"] == benchmarks.standing("grr", gross)
    assert told["levers"]["price"]["uplift"] == pytest.approx(
        0.04 * told["levers"]["price"]["factor"]
    )
    lines = frontier_lines(told)
    assert "for 110.0% (in the upper quarter of published surveys) on average" in lines[0]
    said = f"{labels.STANDINGS[churn['standing']]} of published surveys"
    assert next(line for line in lines if line.startswith("Churn")).endswith(said)
    assert not any(re.search(r"\bp\d\d\b", line) for line in lines)
    longer = needed(without.with_(months=24), 1.10)
    assert longer["standing"] is None  # surveys are of twelve months


# --- the answers ----------------------------------------------------------------------------------


def test_105_against_128_in_money(compared):
    """On $100M: $23.0M apart after one year,
    $53.6M after two by simple compounding (1.28^2 - 1.05^2 = 0.5359).
    """
    ahead = compared.ahead()
    assert ahead["simple"].round(-5).tolist()[:2] == [23.0e6, 53.6e6]
    assert ahead["own"][0] == pytest.approx(ahead["simple"][0])
    assert ahead["own"][4] > 1.03 * ahead["simple"][4]  # the mix drifts towards what grows
    for row in compared.mix().groupby("name")[["start", "end"]].sum().to_numpy():
        assert row == pytest.approx([1, 1])


def test_each_scenario_against_the_first(compared):
    told = compared.overview()
    assert told["nrr"].tolist() == pytest.approx([1.05, 1.28, 1.152], abs=1e-3)
    assert (told["p05"] < told["nrr"]).all()
    assert (told["nrr"] < told["p95"]).all()
    for number in (1, 2):
        parts = compared.parts(number)
        assert parts["part"].iloc[:-1].sum() == pytest.approx(parts["part"].iloc[-1], abs=1e-12)
        by_segment = parts[["in smb", "in mid_market", "in enterprise"]]
        assert by_segment.sum(axis=1).to_numpy() == pytest.approx(
            parts["part"].to_numpy(), abs=1e-12
        )
        bridge = compared.bridge(number)
        assert bridge["end"].iloc[-2] == pytest.approx(bridge["end"].iloc[-1], abs=1e-3)
        apart = compared.apart[number - 1]
        assert abs(apart["mean"] - told["difference"][number]) < 4.5 * apart["se"]
        assert apart["narrower"] > 1
    curves = compared.distributions()
    for _, each in curves.groupby("name"):
        assert np.trapezoid(each["density"], each["nrr"]) == pytest.approx(1, abs=0.01)
    assert compared.checks()["holds"].all()


def test_trials_move_no_range_of_a_scenario():
    few, many = (nr.read_comparison(files("nrr-105", "nrr-128"), trials=n) for n in (200, 400))
    pd.testing.assert_frame_equal(few.overview(), many.overview(), check_exact=True)
    pd.testing.assert_frame_equal(few.distributions(), many.distributions(), check_exact=True)
    assert few.likely == many.likely
    assert few.apart != many.apart


def test_two_seeds_print_the_same_ranges_but_for_a_last_digit():
    told = [
        nr.read_comparison(files("nrr-105", "nrr-128"), trials=100, seed=seed).overview()
        for seed in (1, 2)
    ]
    for names, digits in ((["p05", "p50", "p95"], 3), (["p_target"], 2)):
        one, other = (frame[names].round(digits).to_numpy() for frame in told)
        assert np.abs(one - other).max() < 1.1 * 10**-digits


def test_a_law_that_is_off_does_not_pass_the_check():
    """By a seventh of its spread, which 10,000 trials see."""
    c = nr.read_comparison(files("nrr-105"), trials=10_000)
    assert c.checks()["holds"].all()
    (true,) = c.laws
    off = replace(true.nrr, places=true.nrr.places + true.nrr.sd / 7)
    other = nr.read_comparison(files("nrr-105"), trials=10_000)
    other.__dict__["laws"] = [SimpleNamespace(nrr=off, grr=true.grr, logo=true.logo)]
    checks = other.checks()
    assert checks.loc[~checks["holds"], "check"].str.contains("computed range").tolist() == [True]
    assert said_of(other, "checks").startswith("**Not all checks hold**")


def test_the_command_says_what_is_computed_and_what_is_simulated(run):
    answers = [
        json.loads(run("compare", *files("nrr-105", "nrr-128"), "--trials", n, "--json")[1])
        for n in (100, 200)
    ]
    for key, name in (("a", "nrr-105"), ("b", "nrr-128")):
        law = law_of(nr.read_scenario(SCENARIOS / f"{name}.yaml"))
        assert answers[0][key] == answers[1][key]
        assert answers[0][key]["law"] == told_of_law(law, 1.28)
        assert answers[0][key]["law"]["nrr"]["mean"] == pytest.approx(answers[0][key]["nrr"])
    assert answers[0]["simulated"] != answers[1]["simulated"]
    said = run("compare", *files("nrr-105", "nrr-128"), "--trials", 100)[1]
    assert "computed; the range of the difference is simulated (100 trials, seed 20260930)" in said


def test_the_quick_expectation_is_the_expectation():
    """`expected_closing` moves through the months by another routine than `expect`:
    they agree, programmes included.
    """
    for name in ("nrr-105", "nrr-128-ramp"):
        long = nr.read_scenario(SCENARIOS / f"{name}.yaml").with_(months=30)
        closing = nr.expect(long)["closing"].values
        assert (
            pytest.approx(closing[:, [0, 11, 29]], rel=1e-12)
            == expected_closing(long, [1, 12, 30]).T
        )


def test_one_alone_is_what_it_expects_and_compares_with_nothing():
    c = nr.read_comparison(files("nrr-105"), target=1.1, trials=2_000)
    moved = c.movements().set_index("step")["part"]
    assert moved.sum() == pytest.approx(c.expected[0]["nrr"] - 1, abs=1e-9)
    assert (moved[["churn", "contraction"]] < 0).all()
    assert c.proposed is c.first
    for empty in (c.bridge(), c.parts(), c.differences(), c.ahead()):
        assert len(empty) == 0
    assert c.checks()["holds"].all()
    told = said_of(c, "where_we_stand")
    assert told.startswith("**Expected NRR is 105.0%, 5.0 points below the target of 110.0%.**")
    assert said_of(c, "by_driver_heading") == said_of(c, "parts") == said_of(c, "apart") == ""
    assert c.record()["bridges"] == {}


def test_page_1_says_what_is_and_what_programmes_cost(tmp_path):
    """Of 200 a year ago 150 are there; of a history of less than a year there is no such figure."""
    (tmp_path / "ledger.csv").write_text(
        "customer,month,arr\nA,2024-12,100\nB,2024-12,100\nA,2025-12,150\nC,2025-12,50\n"
    )
    programmes = {"success": {"churn": -0.2, "cost": 5_000}, "more": {"churn": -0.1, "cost": 7_000}}
    path = tmp_path / "scenario.yaml"
    for as_of, actual in (("2025-12", 0.75), ("2024-12", None)):
        book = {"ledger": "ledger.csv", "as_of": as_of, "currency": "EUR"}
        drivers = {"churn": {"all": 0.1}}
        values = {"title": "one", "target": 1.1, "book": book, "drivers": drivers}
        path.write_text(json.dumps(values | {"programmes": programmes}))
        c = nr.read_comparison([str(path)], trials=100)
        assert c.actual == c.record()["actual"] == actual
        said = said_of(c, "where_we_stand")
        assert "Programmes cost €12.0K." in said
        then = "Actual NRR was 75.0% for the twelve months ended 31 December 2025." in said
        assert then == (actual is not None)


def test_differences_by_driver_add_up_for_every_scenario(compared):
    frame = compared.by_driver().set_index("group")
    whole = compared.overview().set_index("name")["difference"]
    for name in compared.names[1:]:
        assert frame[name][:-1].sum() == pytest.approx(frame[name]["all"], abs=1e-12)
        assert frame[name]["all"] == pytest.approx(whole[name], abs=1e-3)


@pytest.mark.parametrize("number", [1, 2, 3, 6])
def test_key_figures_of_all_stand_on_page_1(number):
    """On cards where two or fewer are compared, else in a table: each by its name."""
    names = ["nrr-105", "nrr-128", "nrr-128-ramp", "recession", "price-increase", "up-market"]
    c = nr.read_comparison(files(*names[:number]), target=1.1, trials=100)
    cards = comparison.key_figures(c)
    assert bool(cards) == (number <= 2)
    assert len(c.overview()) == number
    if number == 2:
        assert [label for label, *_ in cards[:2]] == c.names


def test_segments_may_be_called_as_our_own_columns(tmp_path):
    names = {"smb": "share", "mid_market": "group", "enterprise": "arr"}
    for file in files("nrr-105", "nrr-128"):
        text = Path(file).read_text()
        for known, other in names.items():
            text = re.sub(rf"\b{known}\b", other, text)
        (tmp_path / Path(file).name).write_text(text)
    ours = nr.read_comparison(files("nrr-105", "nrr-128"), trials=100)
    theirs = nr.read_comparison(sorted(map(str, tmp_path.iterdir())), trials=100)
    expected = ours.parts().rename(columns={f"in {a}": f"in {b}" for a, b in names.items()})
    # draws belong to names: other names, other luck
    pd.testing.assert_frame_equal(theirs.parts(), expected, rtol=0.01)
    assert set(columns.parts([*names.values()])["labels"]) <= set(comparison.parts(theirs))
    assert said_of(theirs, "why")


def test_segments_are_called_as_the_card_says():
    names = files("nrr-105", "nrr-128")
    c = nr.read_comparison(names, trials=100, labels={"smb": "Small firms"})
    assert "Churn, Small firms" in comparison.assumptions(c)["Assumption"].tolist()
    assert "Churn, Mid-market" in comparison.assumptions(c)["Assumption"].tolist()
    assert "Churn, Mid-market" in comparison.tornado(c)["name"].tolist()
    assert columns.parts(c.first.segments, c.labels)["labels"]["in smb"] == "Small firms"


@pytest.mark.parametrize(
    ("driver", "entry", "said"),
    [
        ("churn", {"rate": 0.1}, ("Churn", "10.0%")),
        ("churn", {"rate": {"dist": "beta", "a": 8.0, "b": 44.0}}, ("Churn", "15.4% (90% range 8.1% to 24.2%)")),
        ("churn", {"sbg": {"alpha": 1.0, "beta": 4.0}}, ("Churn in year 3", "14.3%")),
        ("contraction", {"rate": {"between": [0.12, 0.25]}, "size": 0.2}, ("Contraction", "0.18 a year (90% range 0.12 to 0.25)")),
        ("adoption", {"rate": 0.5, "size": {"mean": 0.3, "sd": 0.2}}, ("Adoption per event", "30.0% (90% of events 9.2% to 67.7%)")),
        ("price", {"uplift": 0.05, "churn_per_point": 0.2}, ("Churn per point of price increase", "0.20 pts")),
    ],
)  # fmt: skip
def test_an_assumption_has_its_unit_and_its_range(driver, entry, said, tmp_path):
    plain = {**CERTAIN, "drivers": {driver: {"all": entry}}}
    (tmp_path / "one.yaml").write_text(json.dumps(plain))
    c = nr.read_comparison([str(tmp_path / "one.yaml")], trials=100, years=1)
    assert list(said) in comparison.assumptions(c).to_numpy().tolist()


def test_paths_hold_what_they_say(compared):
    paths = compared.paths()
    for name, own in paths.groupby("name", sort=False):
        assert own["year"].tolist() == list(range(6)), name
        assert (own["low"] <= own["own"]).all()
        assert (own["own"] <= own["high"]).all()
        assert own["simple"].iloc[3] == pytest.approx(1e8 * (own["own"].iloc[1] / 1e8) ** 3)


def test_a_rule_of_thumb_has_its_source():
    bands = [
        {"to": 0.9, "times": 1.2},
        {"from": "100%", "to": 1.1, "times": 6},
        {"from": 1.2, "times": 11.7},
    ]
    c = nr.read_comparison(
        files("nrr-105", "nrr-128", "nrr-128-ramp"), years=1, multiples=bands, multiples_source="x"
    )
    values = c.values()
    assert values["multiple"].tolist()[:2] == [6.0, 11.7]
    assert np.isnan(values["multiple"][2])  # 115 %: nothing published
    assert values["value"][1] == pytest.approx(11.7 * values["arr"][1])
    with pytest.raises(nr.UsageError, match="multiples_source: say where"):
        nr.read_comparison(files("nrr-105", "nrr-128"), multiples=bands)


def test_two_that_believe_the_same_say_so(tmp_path):
    (tmp_path / "same.yaml").write_text(
        f"extends: {os.path.relpath(SCENARIOS / 'nrr-105.yaml', tmp_path)}\ntitle: Same\n"
    )
    c = nr.read_comparison(
        [*files("nrr-105"), str(tmp_path / "same.yaml")], target=1.05, trials=200, years=1
    )
    assert said_of(c, "why").startswith("**No driver moves NRR by a tenth of a point")
    assert len(comparison.assumptions(c)) == 0
    assert c.apart[0]["sd"] == 0
    assert c.checks()["holds"].all()
    assert "+0.0" not in said_of(c, "where_we_stand")


@pytest.mark.parametrize(
    ("scenarios", "options", "said"),
    [
        ([], {}, "scenarios: name one to 6, got 0"),
        (["nrr-105"] * 7, {}, "got 7"),
        (["nrr-105", "nrr-105"], {}, "the same file stands twice"),
        (["nrr-105", "nrr-128"], {"years": 2.5}, "years: must be a whole number, got 2.5"),
        (["nrr-105", "nrr-128"], {"trials": 1.5}, "trials: must be a whole number, got 1.5"),
        (["nrr-105", "nrr-128"], {"years": 0}, "years: must be from 1 to 10, got 0"),
        (["nrr-105", "nrr-128"], {"target": 128}, "target: "),
        (
            ["nrr-105", "nrr-128"],
            {"multiples": [{"above": 1}], "multiples_source": "x"},
            "multiples: each is",
        ),
        (
            ["nrr-105", "nrr-128"],
            {"multiples": [{"from": 1.0, "to": 110, "times": 6}], "multiples_source": "x"},
            "multiples: to: must be 0 or more, and at most 10 (1.05 is an NRR of 105%), got 110; did you mean 1.1?",
        ),
        (["nrr-105", "nrr-129"], {}, "nrr-129"),
    ],
)
def test_what_cannot_be_compared(scenarios, options, said):
    with pytest.raises(nr.UsageError) as caught:
        nr.read_comparison(files(*scenarios), **options)
    assert said in str(caught.value)


def test_names_are_literal(tmp_path):
    """Hostile titles and segments come through every sentence escaped."""
    paths = []
    for number, title in enumerate(HOSTILE[:3]):
        plain = {
            "title": title,
            "target": 1.1,
            "book": segments(**{HOSTILE[4]: (1, 20), HOSTILE[5]: (1, 5)}),
            "drivers": {
                "churn": {"all": {"between": [0.1, 0.2 + number / 10]}},
                "price": {"all": {"uplift": 0.05}},
            },
            "programmes": {HOSTILE[1]: {"churn": -0.1}} if number else {},
        }
        path = tmp_path / f"{number}.yaml"
        path.write_text(json.dumps(plain))
        paths.append(str(path))
    c = nr.read_comparison(paths, trials=100, years=2)
    for told in ("where_we_stand", "why", "what_it_takes", "paths", "programmes", "why_each"):
        text = said_of(c, told)
        assert "<script>" not in text, told
        assert "*a*_b_" not in text, told


# --- the report -----------------------------------------------------------------------------------


def test_the_first_page_answers_the_three_questions(tmp_path):
    """The shipped card: three scenarios, sealed; what is extended is among its inputs."""
    over = {"trials": 2_000}
    folder = run_card(CARD, out=tmp_path, to=("pdf",), engine="embedded", over=over)
    text = squeezed(text_of(folder / "report.pdf"))
    first = text[: text.index("Scenarios")]
    for said in (
        "ExpectedNRRvsthetargetof128.0%:Reactivecustomersuccess105.0%(−23.0pts),",
        "Customer-ledgrowth128.0%(ontarget)andThefirstyearonthewayto128%115.2%(−12.8pts).",
        "Customer-ledgrowthis23.0pointsaboveReactivecustomersuccess:higheradoption(+9.7pts),",
        "lowerchurn(+5.5pts)andhighercross-sell(+5.2pts)",
        "Notreachablebychurn", "lossrates−65%,gainrates+65%", "Reaches128.0%", "Figure1",
    ):  # fmt: skip
        assert said in first, said
    for said in (
        "The first year on the way to 128%",
        "A target that few reach",
        "A rule of thumb",
        "proactive success",
        "All checks hold",
    ):
        assert squeezed(said) in text, said
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {name.rsplit("/", 1)[-1] for name in manifest["inputs"]} == {
        "nrr-105.yaml",
        "nrr-128.yaml",
        "nrr-128-ramp.yaml",
    }
    assert manifest["numbers"]["checks_hold"]
    assert verify(folder)[-1].endswith("as the notebook computed them")


# What a finance reader does not say, an identifier, and a blank before a percent sign.
OLD_WORDS = (
    r"(?i)believ|hangs on|luck|stand(s|ing)? for|\btold|\btaken|in the middle|nine (in|of) ten|four"
    r" (in|of) five|\bp0?5\b|\bp95\b|against|plan that hopes|\d %|[a-z]_[a-z]|unit of increase"
)


# --- odd pairs: what an independent review found --------------------------------------------------

CERTAIN = {
    "title": "certain",
    "target": 1.1,
    "book": segments(smb=(1, 40, "monthly"), mid=(2, 20)),
    "drivers": {"churn": {"all": 0.1}, "adoption": {"all": {"rate": 0.5, "size": 0.2}}},
}
UNSURE = {
    **CERTAIN,
    "title": "unsure",
    "drivers": {
        "churn": {"smb": {"between": [0.03, 0.2]}, "mid": 0.1},
        "adoption": {"all": {"rate": 0.5, "size": 0.2}},
    },
    "shock": {"churn": 0.2},
}
CURVED = {
    **CERTAIN,
    "title": "curved",
    "drivers": {"churn": {"all": {"sbg": {"alpha": {"between": [0.5, 1.0]}, "beta": 4}}}},
}
LARGER = {**CERTAIN, "title": "larger", "book": segments(smb=(30, 10, "annual"), mid=(1, 5))}
WORSE = {
    **UNSURE,
    "title": "worse",
    "drivers": {
        "churn": {"all": {"rate": 0.999}},
        "contraction": {"all": {"rate": 3, "size": 0.4}},
    },
    "target": 0.5,
}
TINY = {
    **CERTAIN,
    "title": "tiny",
    "book": segments(smb=(1, 2), mid=(1, 1)),
    "programmes": {"lever": {"churn": -0.2}},
}
TWO_YEARS = [
    {**each, "months": 24, "title": f"{each['title']} for two years"} for each in (UNSURE, CERTAIN)
]


@pytest.mark.parametrize(("one", "other"), [(CERTAIN, UNSURE), (UNSURE, CERTAIN), (CURVED, UNSURE)])
def test_a_certain_scenario_beside_an_unsure_one_is_still_itself(one, other):
    """The same luck for one draw of beliefs and for many:
    right on average, and the same bits each time.
    """
    a, b = nr.Scenario.of(one), nr.Scenario.of(other)
    runs = paired(a, b, 4_000, 7)
    for run, believed in zip(runs, (a, b), strict=True):
        nrr = np.asarray(nr.nrr(run))
        assert abs(nrr.mean() - nr.nrr(nr.expect(believed))) < 4.5 * nrr.std() / np.sqrt(4_000)
        assert run.books_close()
    again = paired(a, b, 4_000, 7, threads=1)
    assert (again[0]["closing"].values == runs[0]["closing"].values).all()


def test_a_driver_that_does_not_differ_has_no_part_whatever_the_other_believes():
    """Beliefs meet the same draws by their name,
    also where the other scenario has more of them, in another order.
    """
    one = nr.Scenario.of(
        {
            **UNSURE,
            "drivers": {
                **UNSURE["drivers"],
                "contraction": {"all": {"rate": {"between": [0.1, 0.4]}, "size": 0.2}},
            },
        }
    )
    book = segments(new=(1, 5), mid=(2, 20), smb=(1, 40, "monthly"))
    other = one.with_(
        {"book": book, "drivers.price": {"all": {"uplift": {"between": [0.01, 0.1]}}}}, months=12
    ).with_({"drivers.churn.new": {"between": [0.1, 0.2]}})
    told = bridge(one, other)
    assert told.parts["contraction"] == pytest.approx(0, abs=1e-12)
    assert told.parts["adoption"] == pytest.approx(0, abs=1e-12)
    assert told.a == pytest.approx(nr.nrr(nr.expect(one)), abs=1e-9)
    assert told.b == pytest.approx(nr.nrr(nr.expect(other)), abs=1e-9)


def test_a_lever_leaves_what_a_scenario_has_not_and_what_it_has():
    tiny = nr.Scenario.of(TINY)
    moved = with_factors(tiny, {"churn": 0.5, "price": 2, "cross_sell": 3})
    assert set(moved.programmes) == {"lever", "lever_"}
    assert moved.programmes["lever_"].effects == {"churn": -0.5}
    told = frontier(nr.Scenario.of(UNSURE), 0.2)
    churn = told.levers["churn"]
    assert churn.status == "not reachable" or all(
        0 <= value <= 1 for value in churn.needed.values()
    )


@pytest.mark.parametrize(
    "plain",
    [
        [CERTAIN], [UNSURE], [WORSE], [TINY], [CURVED],
        [CERTAIN, UNSURE], [UNSURE, CERTAIN, CURVED], [CERTAIN, LARGER], [LARGER, CERTAIN], [UNSURE, WORSE],
        [WORSE, UNSURE], [TINY, CERTAIN], [CERTAIN, TINY], TWO_YEARS, [CERTAIN, {**CERTAIN, "title": "same"}],
        [CERTAIN, UNSURE, CURVED, LARGER, TINY, WORSE],
    ],
    ids=lambda each: " - ".join(one["title"] for one in each),
)  # fmt: skip
def test_odd_comparisons_make_sense(plain, tmp_path):
    """Every sentence, table and chart of the notebook, for pairs that no one would choose."""
    paths = []
    for number, values in enumerate(plain):
        paths.append(str(tmp_path / f"{number}.yaml"))
        (tmp_path / f"{number}.yaml").write_text(json.dumps(values))
    c = nr.read_comparison(paths, trials=300, years=2)
    frame_of = {
        name: getattr(comparison, name)(c)
        for name in ("parts", "assumptions", "needed", "tornado", "paths", "programmes")
    }
    told = [said_of(c, name) for name in comparison.SENTENCES]
    told += [str(each) for figure in comparison.key_figures(c) for each in figure]
    told += [
        frame.to_string()
        for frame in (frame_of["needed"], frame_of["assumptions"], comparison.checks(c))
    ]
    for text in told:
        for wrong in ("nan", " inf", "None", "+0.0 pts", "together >99%"):
            assert wrong not in text, text
        assert not re.search(OLD_WORDS, text), text
    if len(plain) > 1:
        assert style.svg(retention.bridge(comparison.bridge(c), currency=None))
        assert len(comparison.by_driver(c).columns) == len(plain)
    for draw in (
        outlook.distributions(
            c.distributions(), target=c.target, means=c.overview()["nrr"].tolist()
        ),
        outlook.fan(comparison.paths(c), c.currency),
    ):
        assert style.svg(draw)
    assert c.checks()["holds"].all(), c.checks()
    assert json.dumps(c.record(), allow_nan=False)
