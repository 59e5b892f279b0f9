"""A run card says things once: every command that reads a ledger takes one in its place."""

import importlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

import nrrsim as nr
from nrrsim.cli import progress
from nrrsim.errors import Finding, UsageError
from nrrsim.report.card import read_card, workspace_of
from nrrsim.report.run import run_card

MERIDIAN = ROOT / "nrrsim" / "data" / "meridian.csv"
CARD = ROOT / "params" / "2026Q3.yaml"
LEDGER = "Account,month,mrr\nA,2025-01,1\nB,2025-01,2\nA,2025-02,1\nA,2025-03,3\n"


@pytest.fixture
def card(tmp_path):
    """Write a card in a folder of its own, with the ledger one folder up."""
    (tmp_path / "params").mkdir()
    (tmp_path / "ledger.csv").write_text(LEDGER)

    def _card(text: str, name: str = "card.yaml") -> str:
        (tmp_path / "params" / name).write_text(text)
        return str(tmp_path / "params" / name)

    return _card


@pytest.fixture
def seen(monkeypatch):
    """What `read_ledger` is asked for; it then refuses."""
    # first: a module that is loaded meanwhile would keep the one that refuses
    importlib.import_module("nrrsim.analysis.actuals")
    asked = []

    def read_ledger(*sources, **how):
        asked.append((list(sources), {key: value for key, value in how.items() if value}))
        raise UsageError("seen")

    monkeypatch.setattr("nrrsim.ledger.ledger.read_ledger", read_ledger)
    return asked


@pytest.mark.parametrize("command", ["check", "metrics", "calibrate", "backtest"])
def test_a_card_stands_in_the_place_of_a_ledger(run, card, seen, tmp_path, monkeypatch, command):
    path = card(
        "notebook: quarterly_report\nledger: ['../q*.csv', 'env:LEDGER']\ncolumns: {customer: Account}\n"
        "unit: mrr\nrates: rates.csv\ncurrency: EUR\nreported: true\ngrace_months: 2\nformat: mine.yaml\n"
    )
    monkeypatch.chdir(tmp_path)
    assert run(command, os.path.relpath(path))[0] == 2
    sources, how = seen[0]
    assert sources == ["q*.csv", "env:LEDGER"]
    assert how == {
        "columns": {"customer": "Account"},
        "unit": "mrr",
        "rates": "params/rates.csv",
        "currency": "EUR",
        "reported": True,
        "grace_months": 2,
        "format": "params/mine.yaml",
    }


def test_what_is_typed_goes_before_what_the_card_says(run, card, seen):
    path = card(
        "ledger: ../ledger.csv\ncolumns: {customer: Account, mrr: Fee}\nreported: true\nunit: mrr\n"
        "fill_down: true\ngrace_months: 2\namount_is: {a: month}\n"
    )
    words = (
        "--column mrr=Net --no-reported --unit arr --no-fill-down --grace-months 0 --amount-is year"
    )
    run("check", path, *words.split())
    assert seen[0][1] == {
        "columns": {"customer": "Account", "mrr": "Net"},
        "unit": "arr",
        "amount_is": {"": "year"},
    }


def test_a_card_says_which_window_and_definition(run, card):
    path = card(
        f'ledger: {MERIDIAN}\nas_of: "2026-06"\nwindow: 3\ndefinition: flow\nex_price: true\n'
    )
    said = json.loads(run("metrics", path, "--json")[1])
    assert (said["as_of"], said["window"], said["definition"]) == ("2026-06", 3, "flow")
    assert said["ex_price"]
    typed = "--as-of 2026-09 --window 12 --definition point_to_point --no-ex-price --json"
    plain = run("metrics", str(MERIDIAN), "--as-of", "2026-09", "--json")[1]
    assert run("metrics", path, *typed.split())[1] == plain


def test_a_card_of_a_report_gives_the_reports_numbers(run):
    code, out, err = run("metrics", str(CARD), "--json")
    assert (code, err) == (0, "")
    same = (str(MERIDIAN), "--as-of", "2026-09", "--currency", "USD", "--json")
    assert out == run("metrics", *same)[1]
    learnt = [
        json.loads(run("calibrate", *each, "--half-life", "24", "--json")[1])
        for each in ((str(CARD),), (str(MERIDIAN), "--currency", "USD"))
    ]
    assert learnt[0] == learnt[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", str(CARD), str(MERIDIAN)], "is a run card, which names its ledger itself"),
        (["check", str(ROOT / "params" / "105-vs-128.yaml")], "names no ledger"),
        (["check", str(ROOT / "params" / "scenarios" / "nrr-105.yaml")], "is no ledger, and no"),
        (["check", "nowhere.yaml"], "there is no such run card"),
        (["report", str(CARD), "--set", "target"], "--set: write a key of the card"),
        (["report", str(CARD), "--set", "target=high"], "2026Q3.yaml: --set target: must be a num"),
        (["report", str(CARD), "--set", "trails=1"], "--set trails: is not a parameter of the"),
        (["report", str(CARD), "--set", "ledger=[1]"], "--set ledger: must be a file or a list of"),
        (["report", str(CARD), "--set", "target=" + 9_000 * "["], "nested too deeply"),
        (["report", str(CARD), "--set", "target=*a"], "--set target:1:1: this is not YAML"),
        (["report", str(CARD), "--set", "unit=mmr"], "--set unit: 'mmr' is not known"),
        (["report", str(CARD), "--set", "as_of=2026-06", "--latest"], "keep one of the two"),
        (["report", str(ROOT / "params" / "105-vs-128.yaml"), "--latest"], "names no ledger"),
    ],
)
def test_what_cannot_be_meant(run, words, said):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert said in err


def test_a_bad_card_is_said_with_its_line(run, card):
    code, _, err = run("check", card("ledger: ../ledger.csv\ncolums: {customer: Account}\n"))
    assert code == 2
    assert "card.yaml:2: colums: is not a parameter of the notebook; did you mean columns?" in err


def test_a_remedy_names_an_option_as_where_it_is_used(run, card, monkeypatch):
    question = Finding(
        "x.csv", 0, "mrr or arr?", "say which with --unit mrr or --unit arr", option="unit"
    )

    def read_ledger(*_, **__):
        raise nr.DataError([question])

    monkeypatch.setattr("nrrsim.ledger.ledger.read_ledger", read_ledger)
    for source, remedy in (
        (card("ledger: ../ledger.csv\n"), "say which with unit: mrr or unit: arr"),
        (str(MERIDIAN), "say which with --unit mrr or --unit arr"),
    ):
        assert remedy in run("check", source)[1]
        assert remedy in run("metrics", source)[2]


def test_a_report_names_the_key_of_its_card(card, tmp_path):
    path = card(
        'notebook: quarterly_report\ncompany: A\nledger: ../periods.csv\nas_of: "2026-01"\n'
    )
    (tmp_path / "periods.csv").write_text("customer,start,end,mrr\nA,2025-01-01,2026-01-01,5\n")
    with pytest.raises(nr.UsageError, match="until: 2026-01") as caught:
        run_card(path, out=tmp_path / "reports", to=())
    assert "--until" not in str(caught.value)


def test_a_comparison_without_a_target_is_refused_before_it_runs(run, card, monkeypatch):
    """By card and key; one scenario of the first two may state it, or what that one extends."""
    book = "book: {arr: 100, segments: {smb: {share: 1, customers: 5}}}\n"
    monkeypatch.setattr("nrrsim.report.run._execute", lambda *_: pytest.fail("it runs"))
    silent, other = card(book, "silent.yaml"), card(book, "other.yaml")
    card(book + "target: 1.1\n", "aims.yaml")
    card("extends: aims.yaml\n", "below.yaml")
    says = "{}: target: {} not say which NRR to reach; add target: 1.10\n"
    text = "notebook: scenario_comparison\nscenarios: [{}]\n"
    for named, whom in (
        ("silent.yaml, other.yaml", "the card, silent.yaml and other.yaml do"),
        ("silent.yaml, other.yaml, aims.yaml", "the card, silent.yaml and other.yaml do"),
    ):
        path = card(text.format(named))
        assert run("report", path) == (2, "", says.format(path, whom))
    assert run("report", silent) == (2, "", says.format(silent, "the scenario does"))
    assert run("report", card(text.format("silent.yaml, none.yaml")))[2].endswith(
        "no such scenario\n"
    )
    for named in ("silent.yaml, below.yaml", "aims.yaml, silent.yaml"):
        with pytest.raises(pytest.fail.Exception, match="it runs"):
            run_card(card(text.format(named)))
    assert read_card(other, {"target": 1.2}).parameters["target"] == 1.2


def test_a_report_of_an_example_is_made_by_its_name(run, tmp_path, monkeypatch):
    """As other commands know it; its report lies here, not beside the example."""
    made = []
    monkeypatch.setattr("nrrsim.report.run.run_card", lambda card, **_: made.append(card) or card)
    monkeypatch.chdir(tmp_path)
    code, _, err = run("report", "nrr-105")
    assert (code, err) == (0, "note: nrr-105: the example that comes with nrrsim\n")
    assert made == [ROOT / "params" / "scenarios" / "nrr-105.yaml"]
    assert workspace_of(made[0]) == Path()
    (tmp_path / "nrr-105").write_text("one's own")
    assert run("report", "nrr-105", "--quiet")[::2] == (0, "")
    assert made[1] == Path("nrr-105")


# --- which month ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["metrics", "calibrate"])
def test_the_last_month_is_what_is_meant(run, command):
    """It is said on stderr, unless nothing is to be."""
    typed = run(command, str(MERIDIAN), "--as-of", "2026-09", "--json")[1]
    code, out, err = run(command, str(MERIDIAN), "--json")
    assert (code, out) == (0, typed)
    assert "note: as of 2026-09, the ledger's last month" in err
    assert run(command, str(MERIDIAN), "--json", "--quiet") == (0, typed, "")


@pytest.mark.parametrize(
    ("year_end", "month"),
    [pytest.param("12", "2025-06", marks=pytest.mark.slow), ("01", "2025-07")],
)
def test_the_latest_quarter_of_a_ledger(card, tmp_path, caplog, year_end, month):
    rows = "\n".join(f"A,20{year}-{m:02d},5" for year in (24, 25) for m in range(1, 13))
    (tmp_path / "ledger.csv").write_text("customer,month,mrr\n" + rows.partition("A,2025-09")[0])
    path = card(
        "notebook: quarterly_report\ncompany: A\nledger: ../ledger.csv\n"
        f"trials: 0\nfiscal_year_end: {year_end}\n"
    )
    with caplog.at_level("INFO", "nrrsim"):
        folder = run_card(path, out=tmp_path / "reports", to=(), latest=True, over={"target": 1.1})
    assert f"as of {month}, the ledger's last month that ends a quarter" in caplog.text
    manifest = json.loads((folder / "manifest.json").read_text())
    assert folder.name == "card"
    assert manifest["parameters"]["as_of"] == manifest["numbers"]["as_of"] == month
    assert manifest["parameters"]["target"] == manifest["numbers"]["target"] == 1.1


def test_a_ledger_of_several_files_is_said_as_a_list(run, card, tmp_path):
    (tmp_path / "ledger.csv").write_text("customer,month,mrr\nA,2025-01,1\n")
    (tmp_path / "two.csv").write_text("customer,month,mrr\nA,2025-02,1\n")
    path = card("ledger: [../ledger.csv, ../two.csv]\n")
    assert json.loads(run("check", path, "--json")[1])["rows"] == 2
    book = nr.read_ledger([tmp_path / "ledger.csv", str(tmp_path / "two.csv")])
    assert book.months == ["2025-01", "2025-02"]


# --- the panel ------------------------------------------------------------------------------------


def test_the_panel_starts_at_what_a_card_is_about(run, card, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr("nrrsim.whatif.serve.app", lambda *how: started.append(how[0]))
    (tmp_path / "ledger.csv").write_bytes(MERIDIAN.read_bytes())
    (tmp_path / "rates.csv").write_text("")
    plan, versus = str(ROOT / "params" / "scenarios" / "nrr-105.yaml"), "105-vs-128.yaml"
    monkeypatch.chdir(tmp_path)

    code, _, err = run("app", card('ledger: ../ledger.csv\nas_of: "2026-06"\n'))
    learnt = tmp_path / "params" / "scenarios" / "learnt-card.yaml"
    assert (code, started.pop()) == (0, str(learnt))
    assert f"{learnt}: learnt from the ledger up to 2026-06" in err
    assert nr.read_scenario(learnt).opening.total == nr.read_scenario(learnt).with_().opening.total
    assert nr.read_scenario(learnt).book.as_of == "2026-06"

    run("app", str(ROOT / "params" / versus))
    assert os.path.samefile(started.pop(), plan)
    run("app", plan)
    assert started.pop() == plan
    code, _, err = run("app", card("ledger: ../ledger.csv\nrates: ../rates.csv\n"))
    assert (code, started) == (2, [])
    assert "a scenario's book is one ledger file" in err


# --- what a shell completes, and what a terminal is told ------------------------------------------


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("metrics --definition st", ["stays_out"]),
        ("check --unit ", ["arr", "mrr"]),
        ("check --totals d", ["drop"]),
        ("calib", ["calibrate"]),
        ("report --latest --engine e", ["embedded"]),
    ],
)
def test_what_a_shell_completes(typed, offered):
    words = f"nrrsim {typed}"
    asks = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    told = subprocess.run(
        [sys.executable, "-c", "from nrrsim.cli import main; main()"],
        env={**os.environ, **asks, "_NRRSIM_COMPLETE": "complete_bash"},
        capture_output=True,
        text=True,
    )
    assert told.stdout.split() == offered


def test_a_terminal_is_told_what_takes_long(monkeypatch):
    """Once it does, and on stderr; a file may be called like a colour, or as a terminal obeys."""
    told = io.StringIO()
    told.isatty = lambda: True
    monkeypatch.setattr(progress, "animated", lambda: told)
    with progress.waiting("reading short.csv", quiet=False):
        pass
    assert told.getvalue() == ""
    monkeypatch.setattr(progress, "PATIENCE", 0.01)
    with progress.waiting("reading [red]\x1b]0;.csv", quiet=False):
        time.sleep(0.3)
    assert r"reading [red]\x1b]0;.csv" in told.getvalue()
