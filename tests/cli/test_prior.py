"""nrrsim prior: several ledgers at once, what is wrong with each of them, and where its file goes."""

import json

import pandas as pd
import pytest
from conftest import ROOT
from test_cards import card as card

MERIDIAN = ROOT / "nrrsim" / "data" / "meridian.csv"
ACME = "customer,month,mrr\n" + "".join(
    f"A{number},2025-{month:02d},{100 + number}\n"
    for number in range(30)
    for month in range(1, 13 if number % 5 else 7)
)


@pytest.fixture
def portfolio(tmp_path):
    """A folder with the ledgers of two companies."""
    folder = tmp_path / "portfolio"
    folder.mkdir()
    (folder / "acme.csv").write_text(ACME)
    pd.read_csv(MERIDIAN).query("month <= '2025-06'").to_csv(folder / "meridian.csv", index=False)
    (folder / "notes.md").write_text("Not a ledger")
    return folder


def test_a_folder_is_a_company_a_file(run, portfolio, tmp_path):
    code, said, notes = run("prior", portfolio, "--out", tmp_path / "prior.yaml")
    assert (code, notes) == (0, "")
    assert said.startswith("What is usual of 2 companies to December 2025, ")
    told = json.loads(run("prior", portfolio, "--json")[1])
    assert [each["company"] for each in told["ledgers"]] == ["acme", "meridian"]
    assert told["drivers"]["churn"]["companies"] == 2
    assert told["drivers"]["price"]["companies"] == 1
    text = (tmp_path / "prior.yaml").read_text()
    assert '- "acme: January 2025 to December 2025, 30 customers, 25 customer-years"' in text
    one_by_one = run("prior", *sorted(portfolio.iterdir())[:2], "--json")[1]
    assert json.loads(one_by_one) == told


def test_calibrate_backtest_and_a_card_take_it(run, portfolio, tmp_path, card):
    prior = tmp_path / "prior.yaml"
    run("prior", portfolio, "--out", prior)
    words = ["calibrate", portfolio / "acme.csv", "--json"]
    plain, leant = (json.loads(run(*words, *more)[1]) for more in ((), ("--prior", prior)))
    assert plain["drivers"]["churn"]["all"]["mean"] != leant["drivers"]["churn"]["all"]["mean"]
    said = card("ledger: ../portfolio/acme.csv\nprior: ../prior.yaml\n")
    assert json.loads(run("calibrate", said, "--json")[1]) == leant

    words = ["backtest", MERIDIAN, "--trials", 100, "--every", 12]
    code, _, notes = run(*words, "--prior", prior)
    assert code == 0
    assert "the prior is learnt up to December 2025; forecasts made before that lean on" in notes
    assert run(*words)[2] == ""


def test_a_run_card_says_how_its_ledger_is_read(run, portfolio, card):
    """What is typed is for all of them, and goes before what a card says."""
    ours = portfolio / "acme.csv"
    ours.write_text(ours.read_text().replace("customer,", "Account,").replace(",mrr", ",Fee"))
    said = card(
        "ledger: ../portfolio/acme.csv\ncolumns: {customer: Account, mrr: Fee}\nas_of: 2025-09\ncompany: Acme Ltd\n"
    )
    told = json.loads(run("prior", said, portfolio / "meridian.csv", "--json")[1])
    assert [each["company"] for each in told["ledgers"]] == ["Acme Ltd", "meridian"]
    assert [each["to"] for each in told["ledgers"]] == ["2025-09", "2025-06"]
    typed = ("--column", "customer=Account", "--column", "mrr=Fee")
    assert run("prior", ours, *typed, "--json")[0] == 0


def test_what_was_not_known_then_is_said(run, portfolio, tmp_path):
    prior = tmp_path / "prior.yaml"
    run("prior", MERIDIAN, "--out", prior)
    for command in ("calibrate", "forecast"):
        early = run(command, MERIDIAN, "--as-of", "2025-06", "--prior", prior)
        assert early[0] == 0
        assert "in June 2025 that was not known yet" in early[2]
    late = run("calibrate", MERIDIAN, "--prior", prior)
    assert "not known" not in late[2]
    assert ", 3 full years, " in late[1]


def test_a_scenario_without_a_forecast_says_why(run, portfolio, tmp_path):
    out = tmp_path / "young.yaml"
    words = ["calibrate", portfolio / "acme.csv", "--as-of", "2025-08", "--out", out]
    code, _, notes = run(*words)
    assert code == 0, notes
    assert "by the drivers alone: the ledger has been running for 7 months" in notes
    one_year = run("calibrate", MERIDIAN, "--as-of", "2023-10")[1]
    assert ", 1 full year, " in one_year
    assert "outlook" not in out.read_text()


def test_what_is_wrong_with_each_ledger_is_said_at_once(run, portfolio, tmp_path):
    (portfolio / "acme.csv").write_text(ACME.replace("A3,2025-02,103", "A3,2025-02,lots"))
    (portfolio / "one_month.csv").write_text("customer,month,mrr\nA,2025-01,1\n")
    code, said, notes = run(
        "prior", portfolio, tmp_path / "nowhere.csv", "--out", tmp_path / "p.yaml"
    )
    assert (code, said) == (3, "")
    for part in (
        "acme.csv:33",
        "one_month.csv: as_of: 2025-01 is the ledger's first",
        "nowhere.csv: ",
    ):
        assert part in notes
    assert not (tmp_path / "p.yaml").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prior", MERIDIAN, ROOT / "params" / "2026Q3.yaml"], "a company counts once"),
        (["prior", MERIDIAN, "--as-of", "2031-01"], "meridian.csv: as_of: 2031-01"),
        (["prior", "nowhere.csv", "nothing.csv"], "nothing.csv: "),
        (["calibrate", MERIDIAN, "--prior", "nowhere.yaml"], "nowhere.yaml: there is no such prior"),
        (["calibrate", MERIDIAN, "--prior", ROOT / "params" / "2026Q3.yaml"], "is not known"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant(run, words, said):
    code, out, notes = run(*words)
    assert (code, out) == (2, "")
    assert said in notes


def test_a_prior_that_knows_what_came_later_is_told(run, portfolio, tmp_path):
    prior = tmp_path / "prior.yaml"
    run("prior", portfolio, "--out", prior)
    told = "note: the prior is learnt up to December 2025; in June 2025 that"
    for words in (["calibrate", MERIDIAN], ["forecast", MERIDIAN, "--trials", 100]):
        asked = [*words, "--prior", prior, "--json"]
        assert told in run(*asked, "--as-of", "2025-06")[2]
        assert "the prior" not in run(*asked, "--as-of", "2026Q1")[2]
        assert run(*asked, "--as-of", "2025-06", "--quiet")[2] == ""


def test_a_young_ledger_is_calibrated_without_a_forecast(run, portfolio, tmp_path):
    out = tmp_path / "learnt.yaml"
    code, _, notes = run("calibrate", portfolio / "acme.csv", "--out", out)
    assert code == 0
    assert (
        "note: the scenario states no forecast, so its ranges are by the drivers alone: " in notes
    )
    assert "the ledger has been running for 11 months" in notes
    assert "outlook:" not in out.read_text()
    assert run("expect", out, "--json")[0] == 0
