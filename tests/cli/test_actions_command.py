"""`nrrsim actions`: what it prints, what it writes and what it says no to; and the loop that it closes."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from english import unlike_a_board

import nrrsim as nr
from nrrsim.engine.driver_rates import draw_rates
from nrrsim.notation import percent
from nrrsim.report.run import run_card

DATA = ROOT / "nrrsim" / "data"
LEDGER, SIGNALS, TABLE = (DATA / f"meridian{name}.csv" for name in ("", "_signals", "_actions"))
ASKED = (LEDGER, TABLE, "--as-of", "2026-09", "--signals", SIGNALS, "--currency", "USD", "--quiet")
# what ACCOUNTS 7 names
NAMED = "action arm treated controls left_treated left_controls difference low high hazard_ratio"
NAMED += " arr_saved arr_low arr_high placebo placebo_low placebo_high claimed why"


def test_it_prints_what_can_be_said_and_what_only_a_holdout_can_tell(run):
    code, out, err = run("actions", *ASKED)
    assert (code, err) == (0, "")
    assert "Call: 92 treated, 90 held out, January 2026 to March 2026; 99 too recent" in out
    assert "Left               10.9% vs 10.0%" in out
    assert out.count("No saving claimed: the difference may be chance") == 2
    assert out.count("only a holdout separates what an action does from who was chosen for it") == 1
    assert unlike_a_board(out, months=False) == []


def test_json_has_the_fixed_names_and_the_same_bytes(run):
    one, other = (run("actions", *ASKED, "--json")[1] for _ in range(2))
    told = json.loads(one)
    assert one == other
    assert list(told) == ["as_of", "horizon", "currency", "actions"]
    for each in told["actions"]:
        assert set(NAMED.split()) <= set(each)
        assert each["low"] < each["difference"] < each["high"]
    # calls were drawn by lot and change nothing, QBRs went to healthy customers: neither saved
    assert {each["action"]: (each["arm"], each["claimed"]) for each in told["actions"]} == {
        "call": ("randomised", False),
        "QBR": ("matched", False),
    }


def test_a_card_names_both(run, write):
    card = write(f"ledger: '{LEDGER}'\nas_of: '2026-09'\nactions: '{TABLE}'\n", "own.yaml")
    plain = run("actions", LEDGER, TABLE, "--as-of", "2026-09", "--json")[1]
    assert run("actions", card, "--json")[1] == plain


def test_a_saving_is_planned_with_its_uncertainty(run, tmp_path):
    """A lot of 200 of whom a tenth left, and 200 of whom a quarter did: claimed, written, compared."""
    months = [f"{2024 + n // 12}-{n % 12 + 1:02d}" for n in range(24)]
    rows = [
        (f"{arm}{n:03d}", month, 100.0, "smb" if n % 4 else "big")
        for arm, left in (("T", 20), ("H", 50))
        for n in range(200)
        for month in months[: 15 if n < left else None]
    ]
    ledger = pd.DataFrame(rows, columns=["customer", "month", "mrr", "segment"])
    ledger.to_csv(tmp_path / "ledger.csv", index=False)
    arms = [(f"{arm}{n:03d}", "2025-01-09", "rescue call", {"T": "treated", "H": "holdout"}[arm])
            for arm in "TH" for n in range(200)]  # fmt: skip
    done = pd.DataFrame(arms, columns=["customer", "date", "action", "arm"])
    done.to_csv(tmp_path / "calls.csv", index=False)
    (tmp_path / "plan.yaml").write_text(
        "book: {ledger: ledger.csv, as_of: 2025-09}\n"
        "drivers:\n  churn: {smb: {between: [10%, 30%]}, big: {between: [5%, 10%]}}\n"
        "  adoption: {all: {rate: 0.3, size: 10%}}\n"
        "correlations: [[churn.smb, churn.big, 0.5]]\n"
    )
    words = ("actions", tmp_path / "ledger.csv", tmp_path / "calls.csv", "--as-of", "2025-09")
    out = ("--out", tmp_path / "calls.yaml", "--scenario", tmp_path / "plan.yaml")
    (told,) = json.loads(run(*words, *out, "--json", "--quiet")[1])["actions"]
    ratio = np.log(0.9) / np.log(0.75)
    assert told["claimed"]
    assert told["hazard_ratio"] == pytest.approx(ratio)

    scenario = nr.read_scenario(tmp_path / "calls.yaml")
    # what it extends says of itself is not said of it
    assert scenario.title == "Programmes as measured to September 2025"
    assert scenario.because.startswith("The effect of each action is as measured")
    for effect in scenario.table.uncertain_effects:
        part = told["reach"][effect.field.partition(".")[2]]
        mean, _, high = effect.ends
        # four digits are written
        assert mean == pytest.approx(part * (ratio - 1), abs=3e-4)
        assert high == pytest.approx(part * (told["hazard_high"] - 1), abs=1e-4)
    assert len(scenario.table.uncertain_effects) == 2
    # it was measured once, so that both segments meet the same draw; what was tied stays so
    tied = [each.name for each in scenario.table.uncertain_effects]
    assert set(scenario.table.ties) == {("churn.smb.rate", "churn.big.rate", 0.5), (*tied, 1.0)}
    effects = draw_rates(scenario, scenario.opening, count=500, seed=1).effects["churn"][-1]
    assert np.ptp(effects, axis=0).min() > 0.1
    assert effects[:, 0] == pytest.approx(effects[:, 1], abs=1e-3)
    measured, low, high = (
        percent(told[each] - 1) for each in ("hazard_ratio", "hazard_low", "hazard_high")
    )
    because = scenario.programmes["rescue call"].because
    assert because.endswith(f"{measured} (90% interval {low} to {high})")

    compared = ("compare", tmp_path / "plan.yaml", tmp_path / "calls.yaml", "--trials", "100")
    said = run(*compared)[1]
    words = {each.field: each.words for each in scenario.table.uncertain_effects}
    assert f"churn, SMB {words['churn.smb']}" in said
    assert "(effect measured: randomised)" in said
    (answer,) = json.loads(run(*compared, "--json")[1])["programmes"].values()
    assert answer["effects"]["churn.smb"]["p05"] < answer["effects"]["churn.smb"]["mean"] < 0
    lines = run("expect", tmp_path / "calls.yaml")[1]
    assert (
        f"Effect of rescue call on churn, SMB: {words['churn.smb']} [measured: 200 treated" in lines
    )


def test_a_plan_says_how_many_and_how_long(run):
    asked = (LEDGER, "--plan", "--as-of", "2026-09", "--segment", "smb")
    code, out, _ = run("actions", *asked, "--effect", "-50%")
    assert code == 0
    assert (
        "To find it 80% of the time: 375 treated and 375 held out; there are 239 SMB customers"
        in out
    )
    assert "Measured after 21 months, they are enough" in out
    told = json.loads(run("actions", *asked, "--effect", "-90%", "--json")[1])
    assert told["is_enough"]
    assert told["known"] == "2027-04"
    assert "Drawn next month, the result is known" in run("actions", *asked, "--effect", "-90%")[1]
    far = (LEDGER, "--plan", "--as-of", "2026-09", "--segment", "enterprise", "--effect", "-1%")
    assert "No number of customers finds that" in run("actions", *far)[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((LEDGER,), "no table of actions"),
        ((LEDGER, "--plan"), "--plan: say which effect"),
        ((LEDGER, TABLE, "--effect", "-20%"), "--effect, --segment, --power: are of --plan"),
        ((LEDGER, TABLE, "--power", "90%"), "--power: are of --plan"),
        ((LEDGER, "--plan", "--effect", "-20"), "--effect: must be from -1 to 99"),
        ((LEDGER, "--plan", "--effect", "20%"), "effect: must be from -1 to below 0"),
        ((LEDGER, TABLE, "--scenario", "nrr-105"), "add --out FILE"),
        ((LEDGER, TABLE, "--out", TABLE), "is read, or written, by the same command"),
        ((LEDGER, TABLE, "--horizon", "40"), "horizon: must be 1 to 36 months"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(run, words, said):
    code, out, err = run("actions", *words, "--as-of", "2026-09")
    assert (code, out) == (2, "")
    assert said in err


def test_a_table_that_does_not_fit_is_rejected_line_by_line(run, write):
    table = write(
        "customer,date,action,arm\nAlder,2026-01-05,call,yes\nAlder,soon,call,\n", "a.csv"
    )
    code, out, err = run("actions", LEDGER, table, "--as-of", "2026-09")
    assert (code, out) == (3, "")
    assert "a.csv:2: arm: 'yes' is no arm" in err
    assert "a.csv:3: date: 'soon'" in err


def test_the_whole_loop_on_the_example(run, tmp_path):
    """Accounts -> a call to half of the top twenty -> half a year later measured -> programme -> plan -> report."""
    ledger = nr.read_ledger(LEDGER)
    listed = nr.at_risk(ledger, "2026-02", signals=SIGNALS)
    top = listed.frame["customer"][:20].tolist()
    drawn = np.random.default_rng(5).permutation(20) < 10
    rows = [(name, "2026-03-10", "rescue call", "treated" if mine else "holdout")
            for name, mine in zip(top, drawn, strict=True)]  # fmt: skip
    heads = ["customer", "date", "action", "arm"]
    pd.DataFrame(rows, columns=heads).to_csv(tmp_path / "calls.csv", index=False)

    plan, programme = tmp_path / "plan.yaml", tmp_path / "programme.yaml"
    run("calibrate", LEDGER, "--as-of", "2026-09", "--out", plan, "--quiet")
    words = (LEDGER, tmp_path / "calls.csv", "--as-of", "2026-09", "--signals", SIGNALS)
    written = ("--out", programme, "--scenario", plan, "--json", "--quiet")
    told = json.loads(run("actions", *words, *written)[1])["actions"][0]
    there = set(ledger.customers("2026-03").index)
    assert told["arm"] == "randomised"
    assert told["treated"] == sum(
        mine and name in there for name, mine in zip(top, drawn, strict=True)
    )

    scenario = nr.read_scenario(programme)
    known = scenario.programmes["rescue call"]
    assert known.measured == "randomised"
    assert known.source.startswith("measured: ")
    # ten beside ten cannot show a saving: it is planned with none, and what was measured is told
    assert not told["claimed"]
    assert set(known.effects.values()) == {0.0}
    low, high = (percent(told[f"hazard_{end}"] - 1) for end in ("low", "high"))
    assert known.because.endswith(f"(90% interval {low} to {high})")
    assert nr.metrics.ratio(nr.expect(scenario), "nrr") == pytest.approx(
        nr.metrics.ratio(nr.expect(plan), "nrr")
    )
    said = run("compare", plan, programme, "--trials", "100")[1]
    assert "Programme rescue call: 0.0 pts" in said
    assert "(effect measured: randomised)" in said

    card = tmp_path / "q.yaml"
    card.write_text(
        f"notebook: quarterly_report\ncompany: Meridian\nledger: '{LEDGER}'\nas_of: '2026-09'\ntrials: 0\n"
        f"signals: '{SIGNALS}'\nactions: calls.csv\nplan: programme.yaml\n"
    )
    folder = run_card(card, to=[], out=tmp_path / "reports")
    text = (folder / "report.ipynb").read_text()
    assert "No saving can be claimed for *rescue call*" in text
    manifest = json.loads((folder / "manifest.json").read_text())
    (figures,) = manifest["numbers"]["actions"]["actions"]
    assert figures["difference"] == pytest.approx(told["difference"])
