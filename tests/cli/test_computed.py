"""What `expect` and `simulate` say of the range: what is computed, and what trials may move."""

import json

import numpy as np
import pytest
from scenarios import segments

import nrrsim as nr
from nrrsim.cli.text import _chance, expected_lines, simulated_lines
from nrrsim.scenario.outlook import LEVELS

RATES = """
title: Base
months: 12
book: {arr: 1_000_000, segments: {smb: {share: 1, customers: 60, spread: 0.5}}}
drivers:
  churn: {smb: CHURN}
  adoption: {smb: {rate: 0.5, size: {mean: 0.2, sd: 0.1}}}
"""
BELIEVED = RATES.replace("CHURN", "{between: [0.1, 0.3]}")
CERTAIN = RATES.replace("CHURN", "0.2")
FIGURES = ["mean", "sd", "p01", "p05", "p25", "p50", "p75", "p95", "p99", "error"]


@pytest.fixture
def told(run):
    """What a command prints with --json."""

    def _told(*words: object) -> dict:
        code, out, _ = run(*words, "--json")
        assert code == 0
        return json.loads(out)

    return _told


@pytest.fixture
def stated(tmp_path, write):
    """The file of a scenario that states a forecast: a fifth above what its drivers say."""
    rows = [f"c{number},2025-12,10,smb" for number in range(40)]
    (tmp_path / "ledger.csv").write_text("\n".join(["customer,month,arr,segment", *rows]))
    ranks = {
        "mean": 0.8,
        "model": [0.7 + 0.2 * level for level in LEVELS],
        "forecast": [0.8 + 0.2 * level for level in LEVELS],
    }
    values = {
        "title": "Forecast",
        "target": 0.9,
        "book": {"ledger": "ledger.csv", "as_of": "2025-12"},
        "drivers": {"churn": {"all": {"between": [0.15, 0.25]}}},
        "outlook": {"as_of": "2025-12", "arr": 400, **dict.fromkeys(("nrr", "grr", "logo"), ranks)},
    }
    return write(json.dumps(values), "stated.yaml")


def test_expect_tells_a_whole_distribution(told, write):
    path = write(BELIEVED, "base.yaml")
    answer = told("expect", path, "--target", "95%", "--seed", 7)
    assert (answer["seed"], answer["target"], answer["forecast"]) == (7, 0.95, None)
    assert list(answer["law"]) == ["nrr", "grr", "logo", "p_target", "p_target_error"]
    for name in ("nrr", "grr", "logo"):
        figures = answer["law"][name]
        assert list(figures) == FIGURES
        quantiles = [figures[head] for head in FIGURES[2:-1]]
        assert quantiles == sorted(quantiles)
        assert figures["p05"] < figures["p95"]
    assert 0 < answer["law"]["p_target"] < told("expect", path, "--target", 0.9)["law"]["p_target"]
    none = told("expect", path)["law"]
    assert (none["p_target"], none["p_target_error"]) == (None, None)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("text", [BELIEVED, CERTAIN])
def test_the_mean_is_that_of_the_law(told, write, text, seed):
    answer = told("expect", write(text, "base.yaml"), "--seed", seed)
    assert answer["law"]["nrr"]["mean"] == pytest.approx(answer["nrr"], abs=1e-9)
    believed = nr.read_scenario(write(text, "base.yaml"))
    assert answer["nrr"] == float(nr.nrr(nr.expect(believed, seed=seed)))


@pytest.mark.parametrize(
    ("text", "options", "moves"),
    [(BELIEVED, (), True), (CERTAIN, (), False), (BELIEVED, ("--at-means",), False)],
)
def test_a_seed_moves_beliefs_alone(told, write, text, options, moves):
    path = write(text, "base.yaml")
    one, other = (told("expect", path, *options, "--seed", seed) for seed in (1, 2))
    assert (one["nrr"] != other["nrr"]) is moves
    assert (one["law"] != other["law"]) is moves
    assert one["nrr"] == pytest.approx(other["nrr"], abs=1e-3)


def test_trials_move_nothing_that_is_computed(told, stated):
    few, many = (told("simulate", stated, "--trials", trials) for trials in (50, 400))
    exact = told("expect", stated)
    for name in ("law", "forecast", "target", "seed"):
        assert few[name] == many[name] == exact[name], name
    for name in ("nrr", "grr", "logo", "p_target"):
        assert few[name] != many[name], name


def test_the_forecast_is_the_law_s_taken_onto_it(told, stated):
    answer = told("expect", stated)
    scenario, law = nr.read_scenario(stated), answer["law"]
    for name in ("nrr", "grr", "logo"):
        onto = scenario.transport(name).moved(law[name]["mean"])
        heads = ("p05", "p25", "p50", "p75", "p95")
        assert {head: float(onto(law[name][head])) for head in heads} == answer["forecast"][name]
    assert answer["forecast"]["p_target"] > law["p_target"] > 0
    # a year like any other is not what was foreseen
    assert told("expect", stated, "--at-means")["forecast"] is None


def test_people_read_which_figures_are_computed_and_which_simulated(run, told, stated):
    law, ahead = (told("expect", stated)[name] for name in ("law", "forecast"))
    expected = run("expect", stated)[1]
    played = run("simulate", stated, "--trials", 300)[1]
    ours = expected[expected.index("Computed, without trials; accurate to ") :]
    for said in (ours, played):
        computed = said[said.index("Computed, without") :].partition("Simulated")[0].splitlines()
        for row, name in zip(computed[1:4], ("nrr", "grr", "logo"), strict=True):
            assert f"{100 * law[name]['p05']:.1f}%" in row
        assert f"{ahead['p_target']:.1%} by the forecast; by the drivers alone" in said
        assert f"{law['p_target']:.1%} (computed, accurate to " in said
    assert "trial" not in ours.replace("without trials", "")
    assert played.index("Computed") < played.index("Simulated as a check, in 300 trials")
    assert "% of trials (standard error " in played


@pytest.fixture
def differing(tmp_path, write):
    """The file of a scenario in which one account leaves like two."""
    (tmp_path / "ledger.csv").write_text(
        "customer,month,arr,segment\nAlder,2025-12,60,smb\nBirch,2025-12,40,smb\n"
    )
    (tmp_path / "accounts.csv").write_text("customer,hazard\nAlder,2\n")
    book = {"ledger": "ledger.csv", "as_of": "2025-12", "accounts": "accounts.csv"}
    values = {"target": 0.9, "book": book, "drivers": {"churn": {"all": {"between": [0.1, 0.3]}}}}
    return write(json.dumps(values), "accounts.yaml")


def test_where_accounts_differ_the_range_is_theirs(run, told, differing):
    """Two of annual terms, hazards h and 2 h: as many stay as by the rate, x^2 + x = 2 (1 - c)."""
    answer = told("expect", differing, "--at-means")
    churn = nr.read_scenario(differing).table.uncertain[0].mean
    x = (np.sqrt(1 + 8 * (1 - churn)) - 1) / 2
    assert answer["nrr"] == pytest.approx(0.6 * x**2 + 0.4 * x, abs=1e-9)
    assert answer["law"]["nrr"]["mean"] == pytest.approx(answer["nrr"], abs=1e-9)
    assert answer["law"]["p_target"] == pytest.approx(x**3, abs=1e-6)  # nobody leaves
    code, out, _ = run("expect", differing)
    assert code == 0
    assert "Computed, without trials; accurate to " in out
    assert "Accounts with rates of their own: 1 of 2 customers (accounts.csv)" in out
    assert "Probability of NRR reaching 90.0%: " in out


def test_a_comparison_names_what_accounts_make_of_the_difference(run, told, differing, write):
    plain = write(json.dumps({"extends": "accounts.yaml", "book": {"accounts": None}}), "base.yaml")
    answer = told("compare", plain, differing, "--trials", 20)
    assert list(answer["bridge"])[-1] == "accounts"
    assert answer["bridge"]["accounts"] == pytest.approx(answer["difference"], abs=1e-12)
    assert answer["vectors"]["accounts"] == answer["bridge"]["accounts"]
    assert answer["b"]["law"]["nrr"]["mean"] == pytest.approx(answer["b"]["nrr"], abs=1e-9)
    _, out, _ = run("compare", plain, differing, "--trials", 20)
    assert [line.split()[0] for line in out.splitlines()[1:2]] == ["Accounts"]
    alone = told("compare", plain, plain, "--trials", 20)
    assert "accounts" not in {*alone["bridge"], *alone["vectors"]}


@pytest.mark.parametrize(
    ("errors", "said"),
    [((1e-7, 0, 2e-6), "0.01 points"), ((0.0004, 0.0021, 0.001), "0.04, 0.21 and 0.10 points")],
)
def test_each_row_has_its_own_accuracy(told, write, errors, said):
    answer = told("expect", write(CERTAIN, "base.yaml"))
    for name, error in zip(("nrr", "grr", "logo"), errors, strict=True):
        answer["law"][name]["error"] = error
    lines = expected_lines(answer, 12, 60)
    assert f"Computed, without trials; accurate to {said}" in lines


def test_trials_alone_are_said_to_be_so():
    from nrrsim.analysis.summary import simulated

    values = {"book": segments(a=(1, 12, "annual")), "drivers": {"churn": {"all": 0.1}}}
    believed = nr.Scenario.of({"target": 0.9, **values})
    answer = simulated(believed, nr.simulate(believed, 50), 1)
    assert answer["law"] is None
    said = "\n".join(simulated_lines(answer, 12))
    assert "Computed" not in said
    assert f"{answer['p_target']:.1%} of trials (standard error " in said


@pytest.mark.parametrize(
    ("p", "error", "said"),
    [
        (0.5, 0.002, "50.0% (computed, accurate to 0.2 points)"),
        (0.5, 0.0, "50.0% (computed, accurate to 0.1 points)"),
        (0.000123, 0.000003, "0.012% (computed, accurate to 0.001 points)"),
        (0.99988, 0.00002, "99.988% (computed, accurate to 0.002 points)"),
        (1e-9, 0.0, "0.0% (computed, accurate to 0.1 points)"),
        (1.0, 0.0, "100.0% (computed, accurate to 0.1 points)"),
    ],
)
def test_a_rare_case_keeps_two_digits(p, error, said):
    assert _chance(p, error) == said
