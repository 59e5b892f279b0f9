"""What the panel says, without a browser: levers move, what is saved is what was shown."""

import random
import shutil
from dataclasses import replace

import numpy as np
import openpyxl
import pytest
from conftest import ROOT, fewer
from hypothesis import given
from hypothesis import strategies as st
from scenarios import THREE, VARIED, segments

import nrrsim as nr
from nrrsim.analysis import summary
from nrrsim.engine.law import law_of, nrr_of
from nrrsim.engine.switched import expected_nrr
from nrrsim.notation import percent, share
from nrrsim.scenario.drivers import Drivers
from nrrsim.scenario.numbers import PROBABILITY, YEARLY
from nrrsim.whatif import live, sliders
from nrrsim.whatif.live import Moves, WhatIf
from nrrsim.whatif.panel import Panel
from nrrsim.yamlfile import yaml_text

SCENARIOS = ROOT / "params" / "scenarios"
LOSSES = (
    "churn.rate",
    "churn.curve",
    "contraction.rate",
    "contraction.size",
    "price.churn_per_point",
)


@pytest.fixture
def folder(tmp_path):
    """The shipped scenarios, where files may be saved."""
    for each in SCENARIOS.glob("*.yaml"):
        (tmp_path / each.name).write_bytes(each.read_bytes())
    return tmp_path


def start(name: str = "nrr-105") -> tuple[WhatIf, Moves]:
    model = WhatIf(SCENARIOS / f"{name}.yaml")
    return model, model.start_moves()


# --- moving a belief ------------------------------------------------------------------------------

FORMS = [
    {"between": [0.08, 0.2]},
    {"dist": "uniform", "min": 0.05, "max": 0.25},
    {"dist": "pert", "min": 0.05, "mode": 0.1, "max": 0.4},
    {"dist": "triangular", "min": 0.0, "mode": 0.1, "max": 0.3},
    {"dist": "beta", "a": 4.0, "b": 30.0},
    {"dist": "normal", "mean": 0.1, "sd": 0.02},
    {"dist": "lognormal", "mean": 0.1, "sd": 0.05},
    0.1,
]


def believed(form, driver: str, field: str):
    entry = {"rate": form} if driver == "churn" else {"rate": form, "size": 0.1}
    return getattr(getattr(Drivers.model_validate({driver: {"one": entry}}), driver)["one"], field)


@pytest.mark.parametrize(
    "form",
    FORMS,
    ids=lambda form: next(iter(form.values())) if isinstance(form, dict) else "number",
)
@pytest.mark.parametrize(("driver", "share"), [("churn", True), ("adoption", False)])
@pytest.mark.parametrize("to", [0.02, 0.15, 0.6])
def test_a_belief_that_is_moved_is_as_uncertain_as_before(form, driver, share, to):
    was = believed(form, driver, "rate")
    range_ = PROBABILITY if share else YEARLY
    now = believed(range_.moved(was, to), driver, "rate")
    assert range_.mean(now) == pytest.approx(to, rel=5e-3)
    if form == 0.1 or (isinstance(form, dict) and form.get("dist") == "beta"):
        return
    z = np.array([-1.0, 1.0])
    before, after = was.quantile(z, share), now.quantile(z, share)
    if share and "between" in form:  # in log odds
        before, after = np.log(before / (1 - before)), np.log(after / (1 - after))
        assert after[1] - after[0] == pytest.approx(before[1] - before[0], rel=5e-3)
    else:
        # where some of it is cut away, it is moved farther than its mean
        factor = now.quantile(np.zeros(1), share) / was.quantile(np.zeros(1), share)
        assert after == pytest.approx(before * factor, rel=5e-3)
        assert factor >= to / range_.mean(was) * (1 - 5e-3)


@pytest.mark.parametrize("form", FORMS[:-1], ids=lambda form: next(iter(form.values())))
def test_at_its_end_a_belief_is_certain(form):
    was = believed(form, "churn", "rate")
    assert PROBABILITY.moved(was, 0.0) == 0.0
    assert PROBABILITY.moved(was, 1.0) == 1.0


# --- every lever ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(each.stem for each in SCENARIOS.glob("*.yaml")))
def test_every_slider_moves_expected_nrr_the_way_it_should(name):
    model, moves = start(name)
    scenario = model.scenario(moves)
    assert model.over(moves) == {}
    levers = sliders.sliders(scenario)
    assert {each.driver for each in levers} == {
        "churn",
        "contraction",
        "adoption",
        "cross_sell",
        "price",
        "reactivation",
    }
    assert {each.segment for each in levers} == set(scenario.segments)
    was = expected_nrr(scenario)
    for each in levers:
        assert each.low <= each.value <= each.high
        higher = each.value + 0.3 * (each.high - each.value)
        now = expected_nrr(model.scenario(replace(moves, values={each.name: higher})))
        sign = -1 if f"{each.driver}.{each.field}" in LOSSES else 1
        assert sign * (now - was) > 1e-7, each.name
        assert model.over(replace(moves, values={each.name: each.value})) == {}, each.name


@pytest.mark.parametrize("name", sorted(VARIED))
def test_whatever_is_moved_is_a_scenario(name, tmp_path):
    """Unlike scenarios, random moves:
    what a file states gives, to the bit of a print, what is on the screen.
    """
    (tmp_path / "base.yaml").write_text(yaml_text(VARIED[name]))
    model = WhatIf(tmp_path / "base.yaml")
    rng = random.Random(name)
    levers = sliders.sliders(model.presets["base"])
    for number in range(4):
        chosen = rng.sample(levers, min(len(levers), 1 + number))
        values = {
            each.name: rng.choice([each.low, each.high, rng.uniform(each.low, each.high)])
            for each in chosen
        }
        mix = (
            {key: rng.random() for key in sliders.mix_of(model.presets["base"])}
            if number % 2
            else {}
        )
        moves = Moves("base", "base", values, mix)
        answer = model.answer(moves)
        if model.over(moves):
            path = model.save(moves, f"moved-{number}", "Moved", "because it was")
            assert float(nr.nrr(nr.expect(nr.read_scenario(path)))) == pytest.approx(
                answer["nrr"], abs=1e-9
            )


def test_one_belief_of_all_stays_one_where_all_move_alike():
    model, moves = start()
    uplift = {f"price.{segment}.uplift": 0.06 for segment in model.presets["nrr-105"].segments}
    stated = model.over(replace(moves, values=uplift))
    assert stated == {
        "drivers": {"price": {"all": {"uplift": 0.06, "source": "what-if: uplift was 0.04"}}}
    }
    del uplift["price.smb.uplift"]
    stated = model.over(replace(moves, values=uplift))["drivers"]["price"]
    assert set(stated) == {"mid_market", "enterprise"}
    assert stated["enterprise"]["acceptance"] == {"between": [0.75, 0.92]}


def test_a_range_that_is_a_forecasts_has_its_median_beside_it(tmp_path):
    """What drivers expect stands apart from it: a range of 93 % to 117 % is none of 105.5 %."""
    (tmp_path / "ledger.csv").write_text("customer,month,arr\nA,2024-12,1\nA,2025-12,1\n")
    ranks = {
        "mean": 0.9,
        "model": [0.9] * 21,
        "forecast": [0.8 + place / 100 for place in range(21)],
    }
    stated = {
        "book": {"ledger": "ledger.csv", "as_of": "2025-12"},
        "drivers": {"churn": {"all": 0.1}},
    }
    outlook = {"as_of": "2025-12", "arr": 1.0, **dict.fromkeys(("nrr", "grr", "logo"), ranks)}
    (tmp_path / "plain.yaml").write_text(yaml_text(stated))
    (tmp_path / "told.yaml").write_text(yaml_text({**stated, "outlook": outlook}))
    model = WhatIf(tmp_path / "plain.yaml")
    assert model.left_out == []
    told = {
        name: dict((each[0], each[3]) for each in model.answer(Moves(name, name))["figures"])
        for name in ("plain", "told")
    }
    assert told["plain"]["range"] == "12 months"
    assert told["told"]["range"].startswith("12 months, median ")


def test_a_price_that_is_moved_stays_in_its_month():
    """No slider moves the month; who moves a segment apart from the others keeps it."""
    two = {name: {"share": 1, "customers": 12, "term": "monthly"} for name in ("one", "two")}
    season = [0.5, 1.5] * 6
    preset = nr.Scenario.of(
        {
            "book": {"arr": 1e6, "starts": "2026-09", "segments": two},
            "drivers": {
                "churn": {"all": {"rate": 0.1, "season": season}},
                "price": {"all": {"uplift": 0.05, "month": 1}},
            },
        }
    )
    assert not any(each.field in ("month", "season") for each in sliders.sliders(preset))
    moved = preset.extended(
        sliders.over(preset, {"price.one.uplift": 0.08, "churn.two.rate": 0.2}, {})
    )
    assert moved.drivers.price["one"].month == moved.drivers.price["all"].month == 1
    assert moved.drivers.churn["two"].season == tuple(season)


def test_a_belief_that_segments_share_goes_up_and_down_with_them(tmp_path):
    """Moving one segment by a hair moves the range by a hair:
    what was shared, and tied, still is.
    """
    ties = [["churn.all", "contraction.all.rate", 0.8]]
    shared = {
        "target": 0.9,
        "book": segments(smb=(1, 1000), mid=(1, 1000), ent=(1, 1000)),
        "drivers": {
            "churn": {"all": {"between": [0.05, 0.25]}},
            "contraction": {"all": {"rate": {"between": [0.1, 0.5]}, "size": 0.2}},
        },
        "correlations": ties,
    }
    (tmp_path / "shared.yaml").write_text(yaml_text(shared))
    model = WhatIf(tmp_path / "shared.yaml")
    start = {each.name: each.value for each in sliders.sliders(model.presets["shared"])}
    at, rate = start["churn.smb.rate"], start["contraction.smb.rate"]
    before = law_of(model.presets["shared"]).nrr
    for number, chosen in enumerate((["ent"], ["ent", "mid"], ["ent", "mid", "smb"])):
        values = {
            f"churn.{each}.rate": at * (1 - 0.0005 * (1 + place))
            for place, each in enumerate(chosen)
        }
        values["contraction.smb.rate"] = rate * 1.005
        moves = Moves("shared", "shared", values)
        saved = model.save(moves, f"moved-{number}", "Moved", "why")
        after = law_of(nr.read_scenario(saved)).nrr
        assert after.percentiles() == pytest.approx(before.percentiles(), abs=0.002), chosen
        assert after.reaches(0.9) == pytest.approx(before.reaches(0.9), abs=0.01)
        assert model.answer(moves)["notices"] == []


def test_what_was_saved_of_a_curve_compounds(tmp_path):
    curve = {"book": THREE, "drivers": {"churn": {"all": {"by_tenure": [0.3, 0.2, 0.1]}}}}
    (tmp_path / "curve.yaml").write_text(yaml_text(curve))
    model = WhatIf(tmp_path / "curve.yaml")
    model.save(Moves("curve", "curve", {"churn.smb.curve": -0.5}), "once", "Once", "why")
    twice = model.scenario(Moves("once", "once", {"churn.smb.curve": -0.1}))
    assert list(twice.programmes) == ["what-if", "what-if 2"]
    assert (
        expected_nrr(twice)
        > expected_nrr(model.presets["once"])
        > expected_nrr(model.presets["curve"])
    )


def test_only_what_was_moved_is_stated():
    model, moves = start()
    stated = model.over(
        replace(
            moves,
            values={"churn.smb.rate": 0.1, "adoption.enterprise.size": 0.4},
            months=24,
            target=1.1,
        )
    )
    assert stated["months"] == 24
    assert stated["target"] == 1.1
    assert stated["drivers"]["churn"] == {
        "smb": {"rate": {"between": [0.07125, 0.1343]}, "source": "what-if: rate was 0.1515"}
    }
    assert stated["drivers"]["adoption"]["enterprise"]["size"] == {"mean": 0.4, "sd": 0.3333}
    assert set(stated["drivers"]) == {"churn", "adoption"}


def test_the_mix_keeps_contracts_as_large_and_the_book_as_it_is():
    model, moves = start()
    now = model.scenario(replace(moves, mix={"smb": 0.1, "mid_market": 0.3, "enterprise": 0.6}))
    shipped = nr.read_scenario(SCENARIOS / "up-market.yaml")
    assert expected_nrr(now) == pytest.approx(expected_nrr(shipped), abs=1e-12)
    assert now.opening.arr.sum() == pytest.approx(1e8)
    none = model.scenario(replace(moves, mix={"smb": 0.0, "mid_market": 0.5, "enterprise": 0.5}))
    assert len(none.opening.arr) == round(700 * 0.5 / 0.35) + round(160 * 0.5 / 0.4)


def test_a_curve_is_moved_as_a_whole(tmp_path):
    curve = {
        "book": THREE,
        "drivers": {
            "churn": {
                "all": {"by_tenure": [0.3, 0.2, 0.1]},
                "big": {"sbg": {"alpha": 0.7, "beta": 3.0}},
            }
        },
    }
    (tmp_path / "curve.yaml").write_text(yaml_text(curve))
    model = WhatIf(tmp_path / "curve.yaml")
    values = {"churn.smb.curve": -0.5, "churn.big.curve": 1.0}
    now = model.scenario(Moves("curve", "curve", values))
    assert now.plain()["programmes"]["what-if"] == {
        "churn.smb": -0.5,
        "churn.big": 1.0,
        "source": "what-if: the curve as a whole",
    }
    before, after = (summary.expected(each)["segments"] for each in (model.presets["curve"], now))
    # half of it leaves
    assert after["smb"]["nrr"] == pytest.approx((1 + before["smb"]["nrr"]) / 2, abs=0.02)
    assert after["big"]["nrr"] < before["big"]["nrr"]
    assert after["mid"]["nrr"] == before["mid"]["nrr"]


def test_the_customers_of_a_ledger_keep_their_mix(tmp_path):
    learnt = nr.calibrate(
        nr.read_ledger(ROOT / "nrrsim" / "data" / "meridian.csv"),
        "2026-09",
        file=str(ROOT / "nrrsim" / "data" / "meridian.csv"),
    )
    learnt.write(tmp_path / "learnt.yaml")
    model = WhatIf(tmp_path / "learnt.yaml")
    moves = model.start_moves()
    assert model.form(moves)["mix"] == []
    assert "their mix is fixed" in model.form(moves)["no_mix"]
    slider = next(
        each for each in sliders.sliders(model.presets["learnt"]) if each.driver == "churn"
    )
    path = model.save(
        replace(moves, values={slider.name: slider.value / 2}), "half", "Half", "a wish"
    )
    assert expected_nrr(nr.read_scenario(path)) > expected_nrr(model.presets["learnt"])


# --- what is said ---------------------------------------------------------------------------------


def test_the_answers_are_those_of_the_commands():
    model, moves = start("recession")
    moves = replace(moves, base="nrr-105")
    answer = model.answer(moves)
    told = summary.expected(model.presets["recession"])
    assert answer["nrr"] == pytest.approx(told["nrr"], abs=1e-9)
    law = law_of(model.presets["recession"]).nrr
    low, high = law.quantiles((0.05, 0.95))
    figures = {name: (value, beside) for name, _, value, beside in answer["figures"]}
    assert figures["nrr"] == ("92.1%", "−12.9 pts vs base")
    assert figures["range"][0] == f"{low:.1%} to {high:.1%}"
    assert figures["target"][0] == f"{law.reaches(model.presets['recession'].target):.0%}"
    bridge = answer["rows"]["bridge"]
    assert [bridge[0]["step"], bridge[-1]["step"]] == ["Base", "Now"]
    # its steps are changes, counted from the base
    before = summary.expected(model.presets["nrr-105"])["nrr"]
    assert bridge[-2]["end"] == pytest.approx(answer["nrr"] - before, abs=1e-9)
    fan = [each for each in answer["rows"]["fan"] if each["series"] == "now"]
    assert fan[-1]["middle"] == pytest.approx(told["closing"], abs=0.01)
    curve = [each for each in answer["rows"]["curve"] if each["series"] == "now"]
    area = np.trapezoid([each["density"] for each in curve], [each["nrr"] for each in curve])
    assert area == pytest.approx(1, abs=0.01)
    assert answer["said"].startswith("Expected NRR 92.1%, 90% range ")


def test_what_is_shown_is_what_expect_says_of_the_saved_file(folder):
    model = WhatIf(folder / "nrr-105.yaml")
    values = {"churn.smb.rate": 0.11, "adoption.enterprise.size": 0.4}
    moves = replace(model.start_moves(), values=values, months=18, target=1.12)
    shown = {name: value for name, _, value, _ in model.answer(moves)["figures"]}
    saved = nr.read_scenario(model.save(moves, "moved", "Moved", "why"))
    law = summary.ranges(saved)["law"]
    assert shown["nrr"] == percent(summary.expected(saved)["nrr"]) == percent(law["nrr"]["mean"])
    assert shown["range"] == f"{percent(law['nrr']['p05'])} to {percent(law['nrr']['p95'])}"
    assert shown["target"] == share(law["p_target"])


def test_an_answer_computes_one_law_and_the_bases_once(folder, monkeypatch):
    asked = []

    def counted(scenario):
        asked.append(scenario.title)
        return nrr_of(scenario)

    monkeypatch.setattr(live, "nrr_of", counted)
    model = WhatIf(folder / "nrr-105.yaml")
    for number in range(3):
        model.answer(replace(model.start_moves(), values={"churn.smb.rate": 0.1 + number / 100}))
    assert len(asked) == 3 + 1


def test_a_horizon_of_its_own():
    model, moves = start()
    answer = model.answer(replace(moves, months=36))
    ahead = nr.expect(model.presets["nrr-105"].with_(months=36))
    assert answer["nrr"] == pytest.approx(float(nr.nrr(ahead)), abs=1e-9)
    assert [each["month"] for each in answer["rows"]["fan"] if each["series"] == "now"] == [
        0,
        9,
        18,
        27,
        36,
    ]
    assert answer["figures"][0][3] == "0.0 pts vs base"


def test_a_small_book_is_computed_too_and_an_incomparable_base_is_said(tmp_path):
    small = {"target": 1.0, "book": segments(one=(1, 50)), "drivers": {"churn": {"one": 0.1}}}
    other = {"book": segments(other=(1, 60)), "drivers": {"churn": {"other": 0.1}}}
    for name, each in (("small", small), ("other", other)):
        (tmp_path / f"{name}.yaml").write_text(yaml_text(each))
    (tmp_path / "broken.yaml").write_text("months: [\n")
    model = WhatIf(tmp_path / "small.yaml")
    assert list(model.presets) == ["other", "small"]
    assert "broken.yaml:" in model.left_out[0]
    answer = model.answer(Moves("small", "other"))
    assert answer["quality"].startswith("Computed, without trials: the 90% range is accurate to 0.")
    assert answer["rows"]["bridge"] == []
    assert "has no driver for it" in answer["rows"]["no_bridge"]


def test_a_full_simulation_beside_what_is_computed():
    model, moves = start()
    done = []
    told = model.play(moves, 2_000, done.append)
    assert done[-1] == 2_000
    run = nr.simulate(model.presets["nrr-105"], 2_000)
    assert told["rows"][0][2] == f"{float(nr.nrr(run).mean()):.1%}"
    assert [row[0] for row in told["rows"]][-2:] == ["Expected GRR", "Expected logo retention"]


# --- a folder's files -----------------------------------------------------------------------------

CARD = "notebook: quarterly_report\ncompany: A\nledger: a.csv\ntarget: 1.1\n"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("2026Q3.yaml", CARD, None),
        ("own.yaml", f"{CARD}scenario: plan.yaml\ndrivers: 3\n", None),
        ("format.yaml", "title: Our billing\ncolumns: {customer: Account}\n", None),
        ("empty.yaml", "title: Nothing yet\n", None),
        ("drivers.yaml", "drivers: {chrun: {one: 0.1}}\n", "drivers.yaml:1:1 book: is missing"),
        ("half.yaml", "extends: plan.yaml\ntarget: high\n", "half.yaml:2:9 target: "),
        ("lost.yaml", "extends: nowhere.yaml\n", "lost.yaml:1:10 extends: there is no scenario"),
        ("torn.yaml", "title: [\n", "torn.yaml:2:1: this is not YAML"),
    ],
)
def test_what_is_no_scenario_is_left_out_and_told_if_it_means_to_be_one(tmp_path, name, text, said):
    plain = {"book": segments(one=(1, 600)), "drivers": {"churn": {"one": 0.1}}}
    (tmp_path / "plan.yaml").write_text(yaml_text(plain))
    (tmp_path / name).write_text(text)
    model = WhatIf(tmp_path / "plan.yaml")
    assert list(model.presets) == ["plan"]
    told = model.form(model.start_moves())["left_out"]
    assert [each[: len(said or "")] for each in told] == ([said] if said else [])


def test_a_card_is_not_started_from(tmp_path):
    (tmp_path / "card.yaml").write_text(CARD)
    with pytest.raises(nr.UsageError, match=r"card.yaml: is a run card, as it names a notebook"):
        nr.what_if(tmp_path / "card.yaml")


def test_the_base_is_what_a_scenario_extends(tmp_path):
    """Wherever that lies; a part that is no scenario of its own is no base."""
    plain = {"book": segments(one=(1, 600)), "drivers": {"churn": {"one": 0.1}}}
    (tmp_path / "plans").mkdir()
    for name, values in {
        "learnt": {**plain, "title": "Learnt"},
        "plans/plan": {"extends": "../learnt.yaml", "drivers": {"churn": {"one": 0.2}}},
        "plans/bold": {"extends": "plan.yaml", "drivers": {"churn": {"one": 0.05}}},
        "plans/part": {"drivers": {"churn": {"one": 0.3}}},
        "plans/alone": {"extends": "part.yaml", "book": plain["book"]},
    }.items():
        (tmp_path / f"{name}.yaml").write_text(yaml_text(values))
    model = WhatIf(tmp_path / "plans" / "plan.yaml")
    assert model.start_moves() == Moves("plan", "../learnt")
    assert model.form(model.start_moves())["bases"] == {
        "../learnt": "../learnt",
        "alone": "alone",
        "bold": "plan",
        "plan": "../learnt",
    }
    assert model.answer(model.start_moves())["figures"][0][3] == "−10.0 pts vs base"
    moves = replace(model.start_moves("../learnt"), values={"churn.one.rate": 0.15})
    assert model.save(moves, "saved", "Saved", "why").read_text().startswith("extends: ../learnt")
    assert model.bases["saved"] == "../learnt"


# --- saving ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "name", "title", "because", "said"),
    [
        ({}, "new", "New", "why", "nothing was moved"),
        ({"churn.smb.rate": 0.1}, "new", "", "why", "title: say what it is called"),
        ({"churn.smb.rate": 0.1}, "new", "New", " ", "because: give the reason"),
        ({"churn.smb.rate": 0.1}, "../new", "New", "why", "file: letters, digits"),
        ({"churn.smb.rate": 0.1}, "", "New", "why", "file: letters, digits"),
        ({"churn.smb.rate": 0.1}, ".hidden", "New", "why", "file: letters, digits"),
        ({"churn.smb.rate": 0.1}, "nrr-128", "New", "why", "nrr-128.yaml is there already"),
        ({"churn.smb.rate": 0.1}, "nrr-128.yaml", "New", "why", "nrr-128.yaml is there already"),
    ],
)
def test_what_cannot_be_saved(folder, values, name, title, because, said):
    model = WhatIf(folder / "nrr-105.yaml")
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    with pytest.raises(nr.UsageError, match=said):
        model.save(replace(model.start_moves(), values=values), name, title, because)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before


def test_a_saved_scenario_can_be_started_from(folder):
    model = WhatIf(folder / "nrr-105.yaml")
    moves = replace(
        model.start_moves("nrr-128-ramp"), values={"churn.smb.rate": 0.05}, mix={"smb": 0.4}
    )
    path = model.save(moves, "next", 'It says "why: not"', "Line one.\nLine two: # no comment")
    saved = nr.read_scenario(path)
    assert saved.title == 'It says "why: not"'
    assert saved.because == "Line one.\nLine two: # no comment"
    assert path.read_text().startswith("extends: nrr-128-ramp.yaml\n")
    again = model.answer(model.start_moves("next"))
    assert again["nrr"] == pytest.approx(model.answer(moves)["nrr"], abs=1e-9)


def test_what_is_moved_may_be_saved_as_a_workbook(folder):
    model = WhatIf(folder / "nrr-105.yaml")
    moves = replace(
        model.start_moves("nrr-128-ramp"), values={"churn.smb.rate": 0.05}, mix={"smb": 0.4}
    )
    path = model.save(moves, "next.xlsx", "In Excel", "For the board")
    saved = nr.read_scenario(path)
    assert (path.name, saved.title, saved.because) == ("next.xlsx", "In Excel", "For the board")
    shown = model.answer(moves)["nrr"]
    assert nr.nrr(nr.expect(saved)) == pytest.approx(shown, abs=1e-9)
    # it is a preset from then on, here and for who starts anew, and holds the whole
    for each in (model, WhatIf(folder / "nrr-105.yaml"), WhatIf(path)):
        assert each.answer(each.start_moves("next.xlsx"))["nrr"] == pytest.approx(shown, abs=1e-9)
    assert model.start_moves("next.xlsx").base == "next.xlsx"
    with pytest.raises(nr.UsageError, match=r"no scenario is saved as \.xls; take \.xlsx"):
        model.save(moves, "next.xls", "In Excel", "For the board")
    with pytest.raises(nr.UsageError, match=r"next\.xlsx is there already"):
        model.save(moves, "next.xlsx", "In Excel", "For the board")


def test_a_ledgers_workbook_beside_the_scenarios_is_no_preset(folder):
    ledger = openpyxl.Workbook()
    ledger.active.append(["customer", "month", "mrr"])
    ledger.save(folder / "ledger.xlsx")
    model = WhatIf(folder / "nrr-105.yaml")
    assert "ledger.xlsx" not in model.presets
    assert not model.left_out


def test_the_file_of_a_preset_may_be_called_yml_or_change_meanwhile(tmp_path):
    plain = {"book": segments(one=(1, 600)), "drivers": {"churn": {"one": 0.1}}}
    (tmp_path / "plain.yml").write_text(yaml_text(plain))
    model = WhatIf(tmp_path / "plain.yml")
    moves = replace(model.start_moves(), values={"churn.one.rate": 0.2})
    assert model.save(moves, "saved", "Saved", "why").read_text().startswith("extends: plain.yml\n")
    (tmp_path / "plain.yml").write_text(
        yaml_text({**plain, "drivers": {"adoption": {"one": {"rate": 1.0, "size": 0.1}}}})
    )
    with pytest.raises(nr.UsageError, match="has changed since it was read"):
        model.save(moves, "again", "Again", "why")
    assert {each.name for each in tmp_path.iterdir()} == {"plain.yml", "saved.yaml"}


# --- the panel ------------------------------------------------------------------------------------


def test_the_panel_answers_what_is_asked(folder):
    panel = nr.what_if(folder / "nrr-105.yaml")
    assert isinstance(panel, Panel)
    assert panel.answer["figures"][0][2] == "105.0%"
    asked = {
        "preset": "nrr-105",
        "base": "nrr-105",
        "values": {"churn.smb.rate": 0.3},
        "mix": {},
        "number": 7,
    }
    panel.asked = asked
    assert panel.answer["number"] == 7
    assert panel.answer["nrr"] == pytest.approx(expected_nrr(panel.scenario))
    shown = panel.answer["nrr"]
    panel.asked = {**asked, "target": 20.0, "number": 8}
    assert "target: " in panel.answer["problem"]
    assert (panel.answer["nrr"], panel.answer["number"]) == (shown, 8)
    panel.asked = {**asked, "preset": "recession", "values": {}, "number": 9}
    assert panel.answer["problem"] == ""
    assert panel.form["title"] == "Recession"
    panel._received(
        panel, {"kind": "save", "asked": panel.asked, "name": "x", "title": "X", "because": ""}, []
    )
    assert "because" in panel.saved["problem"]
    late = {**asked, "number": 10}  # the panel has not answered it yet
    panel._received(
        panel, {"kind": "save", "asked": late, "name": "x", "title": "X", "because": "why"}, []
    )
    assert panel.saved["text"] == "Saved as x.yaml; its expected NRR is 100.8%."
    assert ["x", "X"] in panel.form["presets"]


def test_the_script_holds_all_that_it_needs():
    from nrrsim.whatif.panel import _script

    script = _script()
    assert len(script) > 500_000
    assert "import(" not in script.replace("import(t)", "")
    assert "data-lm-suppress-shortcuts" in script


# --- what no page of ours sends -------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = ("preset", "base", "values", "mix", "accounts", "months", "target", "number", "kind", "trials",
        "asked")  # fmt: skip
RIGHT = {"preset": "nrr-105", "base": "nrr-105", "values": {}, "mix": {}, "number": 1}
ASKED = (
    JSON
    | st.dictionaries(st.sampled_from(KEYS), JSON)
    | st.builds(lambda other: RIGHT | other, st.dictionaries(st.sampled_from(KEYS), JSON))
)
CONTENT = JSON | st.fixed_dictionaries(
    {"kind": st.sampled_from(["save", "run", "stop", "?"]) | JSON},
    optional={
        "asked": ASKED,
        "trials": JSON,
        "name": JSON.filter(lambda each: not isinstance(each, str)) | st.just("../x"),
        "title": JSON,
        "because": JSON,
    },
)
MESSAGES = JSON | st.fixed_dictionaries(
    {"method": st.sampled_from(["update", "custom", "request_state", "?"]) | JSON},
    optional={
        "state": JSON | st.dictionaries(st.sampled_from(["asked", "answer", "form", "run"]), ASKED),
        "content": CONTENT,
        "buffer_paths": JSON,
    },
)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A panel on a copy of one small scenario: its folder, and itself."""
    path = tmp_path_factory.mktemp("small") / "nrr-105.yaml"
    shutil.copy(SCENARIOS / "nrr-105.yaml", path)
    return path.parent, nr.what_if(path)


@fewer
@given(message=MESSAGES)
def test_whatever_is_sent_is_answered(small, message):
    """No exception, no file, and the next question is answered: whatever stands in a message."""
    folder, panel = small
    panel._play = lambda moves, trials, number: None  # how long it takes is not what this is about
    shown = {name: getattr(panel, name) for name in ("specs", "form")}
    panel._handle_msg({"content": {"data": message}, "buffers": []})
    assert {name: getattr(panel, name) for name in shown} == shown
    assert [each.name for each in folder.iterdir()] == ["nrr-105.yaml"]
    for number in (7, 8):  # a repeated question is not asked again
        asked = {**RIGHT, "number": number}
        panel._handle_msg({"content": {"data": {"method": "update", "state": {"asked": asked}}}})
    assert (panel.answer["number"], panel.answer["problem"]) == (8, "")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"mix": {"smb": -0.1}}, "mix.smb: must be a share from 0 to 1, got -0.1"),
        ({"mix": {"smb": 25}}, "mix.smb: must be a share from 0 to 1, got 25; 10% is 0.1"),
        ({"mix": {"smb": float("nan")}}, "mix.smb: must be a finite number"),
        ({"mix": {"smb": float("inf")}}, "mix.smb: must be a finite number"),
        ({"mix": {"smb": "0.2"}}, "mix.smb: must be a finite number, got '0.2'"),
        ({"mix": {"smb": True}}, "mix.smb: must be a finite number, got true"),
        ({"mix": {"smb": 10**400}}, "mix.smb: must be a finite number"),
        ({"mix": {"nobody": 0.2}}, "mix.nobody: is no segment of which the share can be moved"),
        ({"mix": dict.fromkeys(("smb", "mid_market", "enterprise"), 0)}, "mix: every share is 0"),
        ({"mix": [0.2]}, "mix: must be numbers by name"),
        ({"accounts": ["Alder"]}, "accounts: must be choices by name"),
        ({"accounts": {"Alder": 1}}, "accounts: must be choices by name"),
        (
            {"accounts": {"Alder": "goes"}},
            "accounts.Alder: must be one of renews, leaves, as forecast",
        ),
        ({"accounts": {"Alder": "leaves"}}, "book.decided: is not known"),  # a book of numbers
        ({"values": {"churn.smb.rate": None}}, "values.churn.smb.rate: must be a finite number"),
        ({"values": {"churn.nobody.rate": 0.1}}, "churn.nobody.rate: is no number of"),
        ({"months": float("inf")}, "months: must be a finite number"),
        ({"months": 1e9}, "months: must be"),
        ({"target": "high"}, "target: must be a finite number"),
        ({"preset": "../nrr-105"}, "preset: no scenario here is called '../nrr-105'"),
        ({"base": None}, "base: no scenario here is called nothing"),
    ],
)
def test_what_cannot_be_asked_is_said_and_changes_nothing(small, asked, said):
    _, panel = small
    panel.asked = {**RIGHT, "number": 1}
    before = panel.answer["figures"]
    panel.asked = {**RIGHT, **asked, "number": 2}
    assert said in panel.answer["problem"]
    assert (panel.answer["number"], panel.answer["figures"]) == (2, before)
    assert panel.moves.preset == "nrr-105"
