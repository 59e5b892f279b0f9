"""What a scenario file means: its book, what it extends, what it says of its sources."""

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, started
from scenarios import THREE, segments
from scipy import stats

import nrrsim as nr
from nrrsim.cli.commands import main
from nrrsim.scenario.scenario import Scenario, json_schema

SHIPPED = sorted((ROOT / "params" / "scenarios").glob("*.yaml"))
BASE = """
title: Base
because: as it was
target: 1.05
book:
  arr: 1_000_000
  segments:
    smb: {share: 1, customers: 30, term: monthly}
    big: {share: 3, customers: 10, spread: 0.5}
drivers:
  churn:
    all: {rate: 0.2, source: everyone}
    smb: {rate: {between: [0.2, 0.3]}, source: counted, because: they are small}
  contraction:
    all: {rate: 0.2, size: {mean: 0.2, sd: 0.1}, source: guessed}
  price:
    all: {uplift: 0.05, acceptance: 0.9, churn_per_point: 0.2}
correlations: [[churn.smb, price.all, 0.5]]
shock: {churn: 0.2, contraction: 0.1}
year_effects: {churn: {between: [0.1, 0.2]}, price: 0.1}
"""


@pytest.fixture
def extended(write):
    """Read a scenario that extends BASE."""

    def _read(text: str) -> nr.Scenario:
        write(BASE, "base.yaml")
        return nr.read_scenario(write(f"extends: base.yaml\n{text}", "child.yaml"))

    return _read


def entry(scenario: nr.Scenario, driver: str, segment: str) -> dict:
    return getattr(scenario.drivers, driver)[segment].model_dump(exclude_unset=True)


# --- extends --------------------------------------------------------------------------------------


def test_nothing_stated_is_all_inherited(extended, write):
    child = extended("{}\n".replace("{}", "title: Child"))
    base = nr.read_scenario(write(BASE, "base.yaml"))
    assert child.plain() == base.plain() | {"title": "Child"}


def test_fields_are_merged_by_key_and_a_changed_number_drops_its_source(extended):
    child = extended("drivers: {price: {all: {uplift: 0.1}}, contraction: {all: {rate: 0.3}}}")
    assert entry(child, "price", "all") == {
        "uplift": 0.1,
        "acceptance": 0.9,
        "churn_per_point": 0.2,
    }
    assert entry(child, "contraction", "all") == {"rate": 0.3, "size": {"mean": 0.2, "sd": 0.1}}
    assert entry(child, "churn", "all") == {"rate": 0.2, "source": "everyone"}


def test_the_same_number_keeps_its_source_and_a_new_source_replaces_it(extended):
    child = extended("drivers: {churn: {all: {rate: 0.2}, smb: {source: counted again}}}")
    assert entry(child, "churn", "all")["source"] == "everyone"
    assert entry(child, "churn", "smb")["source"] == "counted again"
    assert entry(child, "churn", "smb")["rate"] == {"between": (0.2, 0.3)}


@pytest.mark.parametrize(
    ("stated", "has"),
    [
        ("0.1", {"rate": 0.1}),
        ("{between: [0.1, 0.2]}", {"rate": {"between": (0.1, 0.2)}}),
        (
            "{between: [0.1, 0.2], source: said so}",
            {"rate": {"between": (0.1, 0.2)}, "source": "said so"},
        ),
        ("{dist: beta, a: 2, b: 8}", {"rate": {"dist": "beta", "a": 2, "b": 8}}),
        ("{by_tenure: [0.3, 0.2]}", {"by_tenure": (0.3, 0.2)}),
        ("{sbg: {alpha: 1, beta: 3}}", {"sbg": {"alpha": 1, "beta": 3}}),
    ],
)
def test_a_bare_number_a_belief_and_a_curve_replace_the_churn_that_was(extended, stated, has):
    assert entry(extended(f"drivers: {{churn: {{smb: {stated}}}}}"), "churn", "smb") == has


def test_sizes_and_lists_are_replaced_whole(extended):
    child = extended(
        "drivers: {contraction: {all: {size: 0.5}}}\ncorrelations: [[churn.all, churn.smb, 0.1]]"
    )
    assert entry(child, "contraction", "all") == {"rate": 0.2, "size": 0.5}
    assert child.correlations == (("churn.all", "churn.smb", 0.1),)
    uneven = extended("year_effects: {churn: {dist: beta, a: 1, b: 9}}").plain()["year_effects"]
    assert uneven == {"churn": {"dist": "beta", "a": 1, "b": 9}, "price": 0.1}


def test_segments_are_merged_and_added(extended):
    child = extended(
        "book: {segments: {big: {customers: 20}, new: {share: 1, customers: 5}}}\nshock: {churn: 0.4}"
    )
    assert child.segments == ("smb", "big", "new")
    assert child.book.segments["big"].spread == 0.5
    assert [int((child.opening.segment == number).sum()) for number in range(3)] == [30, 20, 5]
    assert child.shock == {"churn": 0.4, "contraction": 0.1}


def test_a_chain_of_three_in_two_folders(write, tmp_path):
    write(BASE, "base.yaml")
    (tmp_path / "deep").mkdir()
    write("extends: ../base.yaml\ntarget: 1.10\nmonths: 24\n", "deep/middle.yaml")
    last = nr.read_scenario(write("extends: deep/middle.yaml\nmonths: 36\n", "last.yaml"))
    assert (last.target, last.months, last.because) == (1.1, 36, "as it was")


def test_a_title_is_the_files_name_where_none_is_stated(write):
    assert nr.read_scenario(write(BASE.replace("title: Base", ""), "plan-b.yaml")).title == "plan-b"


# --- with_ ----------------------------------------------------------------------------------------


def test_with_returns_a_new_one(write):
    base = nr.read_scenario(write(BASE, "base.yaml"))
    before = base.plain()
    changed = base.with_(
        {"drivers.churn.smb.rate": 0.5, "book.segments.smb.customers": 60}, months=24
    )
    assert base.plain() == before
    assert changed.months == 24
    assert entry(changed, "churn", "smb") == {"rate": 0.5}
    assert changed.book.segments["smb"].customers == 60
    assert entry(changed, "churn", "all") == entry(base, "churn", "all")
    curve = base.with_({"drivers.churn.smb.by_tenure": [0.3, 0.1]})
    assert entry(curve, "churn", "smb") == {"by_tenure": (0.3, 0.1)}
    added = base.with_({"drivers.adoption.big": {"rate": 0.5, "size": 0.1}})
    assert nr.nrr(nr.expect(added)) > nr.nrr(nr.expect(base))


@pytest.mark.parametrize(
    "path", ["drivers.churn.smb.rte", "drivers.churn.small", "drivers.churn.smb.rate.x", "mnths"]
)
def test_with_a_wrong_name(write, path):
    with pytest.raises(nr.UsageError) as caught:
        nr.read_scenario(write(BASE, "base.yaml")).with_({path: 0.1})
    assert path.split(".")[-1] in str(caught.value) or path in str(caught.value)


def test_a_scenario_cannot_be_changed(write):
    from pydantic import ValidationError

    base = nr.read_scenario(write(BASE, "base.yaml"))
    with pytest.raises(ValidationError):
        base.months = 3
    base.plain()["drivers"].clear()
    assert base.drivers.churn


# --- the book -------------------------------------------------------------------------------------


def test_a_synthetic_book_is_laid_out_as_the_model_says():
    book = nr.Scenario.of(
        {
            "book": {
                "arr": 8e6,
                "segments": {
                    "a": {"share": 3, "customers": 25, "spread": 0.8, "tenure": 2},
                    "b": {"share": 1, "customers": 1},
                },
            }
        }
    ).opening
    own = book.segment == 0
    z = stats.norm.ppf((np.arange(25) + 0.5) / 25)
    expected = 6e6 * np.exp(0.8 * z) / np.exp(0.8 * z).sum()
    assert np.sort(book.arr[own]) == pytest.approx(np.sort(expected))
    for j in range(25):
        place = np.flatnonzero(np.isclose(book.arr, expected[j]) & own)
        assert book.anniversary[place].tolist() == [1 + j % 12]
    assert (book.tenure[own] == 24).all()
    assert book.arr[~own] == pytest.approx([2e6])
    assert book.annual.tolist() == [True, True]


@pytest.mark.parametrize(
    ("starts", "months"),
    [("2026-11", ["2026-12", "2027-01", "2027-02"]), (None, ["M01", "M02", "M03"])],
)
def test_months_have_the_names_that_the_book_says(starts, months):
    """`starts` is the month of t = 0, and moves no number: the anniversaries are month numbers."""
    book = {"arr": 100, "segments": {"smb": {"share": 1, "customers": 12}}}
    plain = {"months": 3, "book": book, "drivers": {"churn": {"all": 0.24}}}
    scenario = nr.Scenario.of(plain).with_({"book.starts": starts})
    assert nr.expect(scenario).months == nr.simulate(scenario, 10, 1).months == months
    assert scenario.start == (starts or "M00")
    assert nr.expect(scenario).books_close()
    assert float(nr.nrr(nr.expect(scenario))) == pytest.approx(1 - 3 / 12 * 0.24)


def test_newcomers_come_as_planned():
    """floor(n t / 12) - floor(n (t - 1) / 12) in month t,
    arr / customers each, anniversaries t + 12, t + 24.
    """
    believed = nr.Scenario.of(
        {"months": 24, "book": THREE, "new_business": {"big": {"arr": 5e6, "customers": 5}}}
    )
    everyone = believed.customers()
    new = everyone.joins > 0
    months, counts = np.unique(everyone.joins[new], return_counts=True)
    assert dict(zip(months.tolist(), counts.tolist(), strict=True)) == {
        t: 5 * t // 12 - 5 * (t - 1) // 12 for t in range(1, 25) if 5 * t // 12 - 5 * (t - 1) // 12
    }
    assert (everyone.arr[new] == 1e6).all()
    assert ((everyone.anniversary[new] - everyone.joins[new]) % 12 == 0).all()
    whole = nr.expect(believed, book=True)
    assert whole.over("new").sel(segment="big") == pytest.approx(10e6)
    assert nr.nrr(nr.expect(believed)) == pytest.approx(1)


def test_months_of_a_ledgers_book_have_names(write):
    path = write("months: 2\nbook: {ledger: ledger.csv, as_of: 2025-12}\n", "s.yaml")
    write("customer,month,arr,segment\nA,2025-11,100,s\nA,2025-12,100,s\nB,2025-11,50,s\n")
    outlook = nr.expect(nr.read_scenario(path))
    assert (outlook.start, outlook.months) == ("2025-12", ["2026-01", "2026-02"])
    assert outlook.over("opening_customers").values.tolist() == [1]


def test_a_ledger_without_segments_has_one_that_all_stands_for(write):
    write("customer,month,arr\nA,2025-11,100\nA,2025-12,100\nB,2025-12,50\n")
    text = "book: {ledger: ledger.csv, as_of: 2025-12, term: {all: monthly}}\ndrivers: {churn: {all: {between: [0.1, 0.3]}}}\n"
    believed = nr.read_scenario(write(text, "s.yaml"))
    assert believed.segments == ("all",)
    run = nr.simulate(believed, 4_000)
    assert float(nr.nrr(run).mean()) == pytest.approx(
        nr.nrr(nr.expect(believed)), abs=4.5 * float(nr.nrr(run).std()) / 4_000**0.5
    )


# --- the shipped ones -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_number_of_a_shipped_scenario_has_its_source(path):
    shipped = nr.read_scenario(path)
    assert shipped.because
    assert shipped.target
    assert shipped.notices == ()
    for driver, entries in shipped.drivers:
        for segment, each in entries.items():
            assert each.source, f"{driver}.{segment}"
    assert all(segment.source for segment in shipped.book.segments.values())
    assert shipped.book.arr == 100e6
    assert len(shipped.segments) == 3


@pytest.mark.parametrize(
    ("name", "nrr", "flow_grr"), [("nrr-105", 1.05, (0.84, 0.90)), ("nrr-128", 1.28, (0.90, 0.95))]
)
def test_the_two_scenarios_are_what_they_are_called(name, nrr, flow_grr):
    outlook = nr.expect(nr.read_scenario(ROOT / "params" / "scenarios" / f"{name}.yaml"))
    assert nr.nrr(outlook) == pytest.approx(nrr, abs=1e-4)
    assert flow_grr[0] < nr.grr(outlook, "flow") < flow_grr[1]


def test_the_reference_says_what_the_scenarios_expect():
    text = (ROOT / "nrrsim" / "README.md").read_text()
    for path in SHIPPED:
        assert f"| {nr.nrr(nr.expect(nr.read_scenario(path))):.1%} |" in next(
            line for line in text.splitlines() if line.startswith(f"| `{path.stem}` |")
        )


def test_what_128_says_of_itself():
    because = nr.read_scenario(ROOT / "params" / "scenarios" / "nrr-128.yaml").because
    assert "75th percentile" in because
    assert "109" in because


def test_segment_mix_alone_moves_the_up_market_scenario():
    """Segment by segment the same NRR as nrr-105;
    the whole is the mean of them by the new shares.
    """
    before, after = (
        nr.nrr(
            nr.expect(nr.read_scenario(ROOT / "params" / "scenarios" / f"{name}.yaml")),
            by_segment=True,
        )
        for name in ("nrr-105", "up-market")
    )
    # not quite the same: with fewer customers the anniversaries fall a little differently
    assert after.values == pytest.approx(before.values, abs=5e-4)


@pytest.mark.parametrize("told", ["usage", ["usage", "price"]])
def test_a_programme_says_what_it_answers_and_that_moves_nothing(told):
    plain = {
        "book": {"arr": 1, "segments": {"a": {"share": 1, "customers": 1}}},
        "drivers": {"churn": {"a": 0.1}},
        "programmes": {"care": {"churn": -0.2}},
    }
    without = nr.Scenario.of(plain)
    answers = without.with_({"programmes.care.for": told})
    care = answers.programmes["care"]
    assert care.for_ == ((told,) if isinstance(told, str) else tuple(told))
    assert care.effects == without.programmes["care"].effects == {"churn": -0.2}
    assert nr.nrr(nr.expect(answers)) == nr.nrr(nr.expect(without))


@pytest.mark.parametrize("wrong", [5, {"usage": 1}, ["usage", 5]])
def test_what_a_programme_answers_is_text(wrong):
    plain = {
        "book": {"arr": 1, "segments": {"a": {"share": 1, "customers": 1}}},
        "drivers": {"churn": {"a": 0.1}},
        "programmes": {"care": {"churn": -0.2, "for": wrong}},
    }
    with pytest.raises(nr.UsageError, match=r"programmes.care.for(.1)?: must be (text|a list)"):
        nr.Scenario.of(plain)


# --- the schema -----------------------------------------------------------------------------------


def test_the_shipped_schema_is_the_one_of_the_code():
    assert json.loads((ROOT / "params" / "scenario.schema.json").read_text()) == json_schema()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_files_refer_to_the_schema_and_fit_it(path: Path):
    import jsonschema

    from nrrsim.yamlfile import read_yaml

    reference = path.read_text().splitlines()[0].partition("$schema=")[2]
    schema = json.loads((path.parent / reference).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(read_yaml(path, "scenario").values, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"drivers": {"churn": {"smb": {"rte": 0.1}}}}, schema)


# --- the command ----------------------------------------------------------------------------------


def told(capsys, *words: str) -> dict:
    main_without_exit(*words)
    return json.loads(capsys.readouterr().out)


def main_without_exit(*words: str) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(list(words))
    assert not leaving.value.code


def test_expect_as_json(write, capsys):
    answer = told(capsys, "expect", str(write(BASE, "base.yaml")), "--json")
    assert list(answer) == [
        "title",
        "currency",
        "nrr",
        "grr_flow",
        "logo",
        "opening",
        "closing",
        "movements",
        "segments",
        "seed",
        "target",
        "law",
        "forecast",
    ]
    assert answer["title"] == "Base"
    assert answer["opening"] == 1e6
    assert list(answer["segments"]) == ["smb", "big"]
    assert answer["closing"] == pytest.approx(
        sum(each["closing"] for each in answer["segments"].values()), abs=0.02
    )
    gains = sum(
        answer["movements"][name]
        for name in ("new", "adoption", "cross_sell", "price", "unsplit", "reactivation")
    )
    losses = answer["movements"]["contraction"] + answer["movements"]["churn"]
    assert answer["closing"] == pytest.approx(1e6 + gains - losses, abs=0.05)
    assert answer["nrr"] == pytest.approx(answer["closing"] / 1e6, abs=1e-7)


def test_simulate_as_json(write, capsys):
    words = ("simulate", str(write(BASE, "base.yaml")), "--trials", "400", "--seed", "5", "--json")
    answer = told(capsys, *words)
    assert list(answer)[:10] == [
        "title",
        "currency",
        "opening",
        "trials",
        "seed",
        "target",
        "p_target",
        "nrr",
        "grr",
        "logo",
    ]
    assert list(answer["nrr"]) == ["mean", "sd", "se", "p05", "p25", "p50", "p75", "p95"]
    assert (answer["trials"], answer["seed"], answer["target"]) == (400, 5, 1.05)
    assert answer["nrr"]["se"] == pytest.approx(answer["nrr"]["sd"] / 20)
    assert set(answer["standard_errors"]) == {"p_target", "nrr", "grr", "logo"}
    assert answer == told(capsys, *words, "--threads", "1")
    assert told(capsys, *words, "--target", "0.5")["p_target"] > answer["p_target"]


def test_standard_errors_are_those_of_repeated_runs(write):
    """The spread of each figure over 60 seeds against what one run says of its own error:
    within a third.
    """
    from nrrsim.analysis.summary import simulated

    believed = nr.read_scenario(write(BASE, "base.yaml"))
    runs = [simulated(believed, nr.simulate(believed, 500, seed), seed, 0.85) for seed in range(60)]
    for metric in ("nrr", "grr", "logo"):
        for figure in ("mean", "sd", "p05", "p50", "p95"):
            spread = np.std([run[metric][figure] for run in runs], ddof=1)
            said = np.mean([run["standard_errors"][metric][figure] for run in runs])
            assert said == pytest.approx(spread, rel=0.4), (metric, figure)
    spread = np.std([run["p_target"] for run in runs], ddof=1)
    assert np.mean([run["standard_errors"]["p_target"] for run in runs]) == pytest.approx(
        spread, rel=0.4
    )


def test_expect_and_simulate_for_people(write, capsys):
    path = str(write(BASE, "base.yaml"))
    main_without_exit("expect", path)
    said = capsys.readouterr().out
    for part in (
        "Base: expected over 12 months, 40 customers",
        "SMB: Churn 24.8% (90% range 20.0% to 30.0%)",
        "Computed, without trials; accurate to ",
        "Probability of NRR reaching 105.0%",
        "[counted]",
        "they are small",
        "Market-wide good or bad year (90% range): churn −29% to +36%",
    ):
        assert part in said
    main_without_exit("simulate", path, "--trials", "200")
    said = capsys.readouterr().out
    assert "200 trials" in said
    assert "Probability of NRR reaching 105.0%" in said


def test_trials_are_written_where_asked(write, tmp_path, capsys):
    path = str(write(BASE, "base.yaml"))
    main_without_exit(
        "simulate", path, "--trials", "20", "--out", str(tmp_path / "t.parquet"), "--json"
    )
    assert (tmp_path / "t.parquet").stat().st_size > 1000
    with pytest.raises(SystemExit) as leaving:
        main(["simulate", path, "--out", str(tmp_path / "none" / "t.parquet")])
    assert leaving.value.code == 2
    assert "there is no folder" in capsys.readouterr().err


def test_an_interrupt_ends_a_run_at_once(write):
    """Ctrl-C in the middle of a run of minutes: exit code 130, and nothing but one word."""
    believed = nr.Scenario.of(
        {
            "months": 36,
            "book": segments(many=(1, 100_000, "monthly")),
            "drivers": {"churn": {"all": 0.2}},
        }
    )
    nr.simulate(believed, 2)  # compiled
    path = write(json.dumps(believed.plain()), "long.yaml")
    with started("simulate", str(path), "--trials", "100000") as run:
        time.sleep(3)
        run.send_signal(signal.SIGINT)
        out, said = run.communicate(timeout=30)
    assert run.returncode == 130
    assert out == ""
    assert said.strip() in ("", "interrupted")


@pytest.mark.parametrize("key", ["shock", "year_effects"])
def test_a_good_or_bad_year_of_no_driver_is_told(key):
    scenario = Scenario.of(
        {
            "book": {"arr": 100, "segments": {"smb": {"customers": 5, "share": 1}}},
            "drivers": {"churn": {"all": 0.1}},
        }
        | {key: {"churn": 0.1, "cross_sell": 0.2}}
    )
    (told,) = scenario.notices
    assert told == f"{key}.cross_sell: no segment has cross-sell, so it has no effect"
