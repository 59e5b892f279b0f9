"""`nrrsim accounts`: what it prints, what it writes, and what it says no to."""

import csv
import json
from dataclasses import replace

import pandas as pd
import pytest
from conftest import HOSTILE, ROOT
from english import unlike_a_board
from python_calamine import CalamineWorkbook
from scored import AS_OF, RULES, scored

import nrrsim as nr
from nrrsim.accounts.proof import Quality
from nrrsim.cli.text import accounts_lines
from nrrsim.report.workbook.accounts import SHOWN, write_accounts

DATA = ROOT / "nrrsim" / "data"
OF_MERIDIAN = [f"--{name}={DATA / f'meridian_{name}.csv'}" for name in ("signals", "reasons")]
NONE = {"looked_at": 16, "why": "", "found": [], "worth_a_look": [], "expected_by_chance": 0.1}
GROUP = {"column": "industry", "value": "Retail", "also": [["region", "North"]], "customers": 12}
GROUP |= {"lost": 5, "expected": 0.31, "arr_lost": 5e4, "names": list("ABCDEFGH"), "reasons": []}


def printed(listed, top: int = 20, **clusters) -> str:
    return "\n".join(accounts_lines({**listed.told(), "clusters": NONE | clusters}, top))


# --- the text -----------------------------------------------------------------------------------------------


def test_it_lists_who_is_at_risk_why_and_what_to_do():
    said = printed(scored())
    assert "3 accounts, ARR 21.0K" in said
    rows = [line for line in said.splitlines() if line.startswith("Alder")]
    assert " ".join(rows[0].split()) == "Alder Mid-market 12.0K 2026-12 31% 20% 3.90K 900 red"
    assert "active users falling; no expansion yet; active users fell by 20% within 3 weeks" in said
    assert "play: proactive success" in said
    assert "ARR at risk         5.72K (27.2%)" in said
    assert "Accounts            +180" in said
    assert "Skill 5.9% (90% range 3.1% to 8.4%)" in said
    assert "Do not predict: NPS below 0" in said
    assert unlike_a_board(said, months=False) == []


def test_where_nothing_is_proved_it_says_so_and_shows_no_colour():
    said = printed(scored(proves=False))
    assert "No better than the segment's rate: no colours" in said
    assert "Health" not in said
    assert not {"red", "yellow", "green", "None"} & set(said.split())
    unjudged = replace(scored(proves=False), quality=Quality(why="too short"))
    assert "No better than the segment's rate (too short)" in printed(unjudged)
    few = replace(unjudged.quality, n=60, events=9, skill=0.3, skill_low=0.1, skill_high=0.5)
    said = printed(replace(unjudged, quality=replace(few, why="9 of 60 left; 10 are needed")))
    assert "No better than the segment's rate (9 of 60 left; 10 are needed)" in said


@pytest.mark.parametrize(
    ("clusters", "said"),
    [
        ({}, "16 groups looked at: none"),
        ({"why": "too short"}, "nothing to look at (too short)"),
        (
            {"found": [GROUP]},
            "Industry Retail and Region North: 5 of 12 left or shrank, 0.3 expected",
        ),
        ({"found": [GROUP]}, "A, B, C, D, E, F and 2 more"),
        ({"worth_a_look": [GROUP]}, "(0.1 such groups are expected by chance)"),
    ],
)
def test_losses_that_come_together(clusters, said):
    assert said in printed(scored(), **clusters)


def test_top_limits_what_is_printed():
    said = printed(scored(), top=1)
    assert "Birch" not in said
    assert "and 2 accounts more" in said


def test_a_rule_that_nobody_can_be_compared_with():
    alone = RULES[:1].assign(lift=float("nan"), lift_low=float("nan"), lift_high=float("nan"))
    assert "n/a" in printed(replace(scored(), rules=alone.assign(predicts=False)))
    assert "Rule" not in printed(replace(scored(), rules=RULES.assign(fired=0)))


# --- the command --------------------------------------------------------------------------------------------


def test_the_example_in_json_and_in_files_is_one_answer(run, tmp_path):
    files = {kind: tmp_path / f"accounts.{kind}" for kind in ("xlsx", "parquet", "csv")}
    ledger = ["accounts", DATA / "meridian.csv", "--as-of", AS_OF, "--currency=USD", *OF_MERIDIAN]
    code, out, err = run(*ledger, "--json", "-q", "--out", files["xlsx"], "--top", 1)
    assert code == 0, err
    told = json.loads(out)
    alive = nr.read_ledger(DATA / "meridian.csv").customers(AS_OF)["arr"]
    assert len(told["accounts"]) == len(alive)
    assert all(round(each["arr"], 2) == each["arr"] for each in told["rules"])
    assert all(
        round(told["quality"][name], 12) == told["quality"][name] for name in ("auc", "skill")
    )
    assert sum(each["arr"] for each in told["accounts"]) == pytest.approx(alive.sum(), abs=0.01)
    gain, at_risk = (
        sum(each[key] for each in told["accounts"]) for key in ("expected_gain", "arr_at_risk")
    )
    # each amount is told to the cent
    expected = told["totals"]["arr"] + gain - at_risk
    assert told["totals"]["expected"] == pytest.approx(expected, abs=0.01 * len(alive))
    for kind in ("parquet", "csv"):
        code, _, err = run(*ledger, "-q", "--out", files[kind])
        assert code == 0, err
    rows = CalamineWorkbook.from_path(files["xlsx"]).get_sheet_by_name("Accounts").to_python()
    with files["csv"].open() as file:
        plain = list(csv.DictReader(file))
    names = [each["customer"] for each in told["accounts"]]
    assert [row[0] for row in rows[1:]] == [row["customer"] for row in plain] == names
    assert len(pd.DataFrame(plain)) == len(alive)


def test_a_card_says_its_files_and_multipliers_are_written(run, tmp_path):
    file = tmp_path / "multipliers.csv"
    card = ROOT / "params" / "2026Q3.yaml"
    code, out, err = run("accounts", card, "--top", 3, "--multipliers", file)
    assert code == 0, err
    assert "customers are not in the ledger" in err
    assert "Skill" in out
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0]) == ["customer", "hazard", "expansion", "contraction"]
    assert all(float(row["hazard"]) >= 0 for row in rows)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--out", "list.txt"], 2, "write .csv, .xlsx or .parquet"),
        (["--multipliers", "m"], 2, "has no ending"),
        (["--out", "nowhere/list.xlsx"], 2, "there is no folder nowhere"),
        (["--horizon", "soon"], 2, 'write 12, or "next renewal"'),
        (["--horizon", "40"], 2, "must be 1 to 12 months"),
        (["--horizon", "-3"], 2, "'-3' is no number of months"),
        (["--top", "-1"], 2, "--top: must be 0 or more, got -1"),
        (["--signals", "nowhere.csv"], 2, "nowhere.csv"),
        (["--signals-card", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["--scenario", "nowhere"], 2, "nowhere"),
        (["--as-of", "2040-01"], 2, "2040-01"),
    ],
)
def test_what_does_not_fit_is_said_with_what_to_do(run, write, words, code, said):
    ledger = write("customer,month,arr\nA,2026-01,10\nA,2026-02,10\nB,2026-01,5\n")
    found, out, err = run("accounts", ledger, *words)
    assert (found, out) == (code, "")
    assert said in err


def test_nothing_that_is_read_is_written_over(run, write):
    ledger = write("customer,month,arr\nA,2026-01,10\nA,2026-02,10\n")
    signals, new = write("customer,date,users\nA,2026-01-31,5\n", "s.csv"), ledger.parent / "n.csv"
    before = ledger.read_bytes(), signals.read_bytes()
    for written in (
        ["--multipliers", ledger],
        ["--out", signals],
        ["--out", new, "--multipliers", new],
    ):
        code, out, err = run("accounts", ledger, "--signals", signals, *written)
        assert (code, out) == (2, "")
        assert "choose another name" in err
    assert (ledger.read_bytes(), signals.read_bytes()) == before
    assert not new.exists()


def test_a_card_says_as_much_to_the_command_as_to_its_notebook(run, tmp_path):
    usage = ROOT / "params" / "scenarios" / "usage-limits.yaml"
    (tmp_path / "card.yaml").write_text(
        f"notebook: accounts\ncompany: A\nledger: {DATA / 'meridian.csv'}\nas_of: 2025-06\n"
        f"horizon: 6\nscenarios: ['{usage}']\nhalf_life: 9\nprice_months: ['2025-01']\n"
    )
    code, out, err = run("accounts", tmp_path / "card.yaml", "--json")
    assert code == 0, err
    said = json.loads(out)
    past = nr.actuals(DATA / "meridian.csv", "2025-06")
    learning = {"half_life": 9, "price_months": ["2025-01"]}
    listed = nr.accounts_of(past, horizon=6, scenarios=[usage], learning=learning)
    assert (said["horizon"], said["totals"]) == (6, listed.told()["totals"])
    assert said["totals"] != nr.accounts_of(past, horizon=6).told()["totals"]
    assert run("accounts", tmp_path / "card.yaml", "--horizon", 3, "--top", 0)[1].count("3 months")
    lost = run("accounts", DATA / "meridian.csv", "--scenario", tmp_path / "card.yaml")
    assert lost[0] == 2


def test_a_rule_of_a_signal_that_is_not_there_is_told(run, write):
    ledger = write("customer,month,arr\nA,2026-01,10\nA,2026-02,10\n")
    signals = write("customer,date,users\nA,2026-01-31,5\n", "s.csv")
    write(
        "watch: [{signal: usrs, below: 1, means: risk}, {signal: users, below: 1, means: risk}]",
        "c.yaml",
    )
    card = write(
        "ledger: ledger.csv\nsignals: s.csv\nsignals_card: c.yaml\nreasons: ''\n", "card.yaml"
    )
    code, _, err = run("accounts", card, "--top", 0)
    assert code == 0, err
    assert "c.yaml: no signal for the rule: usrs below 1" in err
    assert "rule: users" not in err
    assert "no signal for the rule" not in run("accounts", ledger, "--signals", signals)[2]


def test_what_is_wrong_with_signals_and_reasons_is_said_at_once(run, write):
    ledger = write("customer,month,arr\nA,2026-01,10\nA,2026-02,10\n")
    signals = write("customer,date,users\nA,never,5\n", "signals.csv")
    reasons = write("customer,month\nA,2026-02\n", "reasons.csv")
    code, _, err = run("accounts", ledger, "--signals", signals, "--reasons", reasons)
    assert code == 3
    assert "signals.csv:2" in err
    assert "reasons.csv" in err


@pytest.mark.parametrize("rows", ["A,2026-01,10\nA,2026-02,10\n", "A,2025-12,1\nB,2026-01,10\n"])
def test_one_customer_and_a_short_ledger_give_an_answer(run, write, rows):
    code, out, err = run("accounts", write(f"customer,month,arr\n{rows}"), "-q")
    assert code == 0, err
    assert "No better than the segment's rate (the ledger begins in " in out
    assert "begins in 202" not in out


# --- the workbook -------------------------------------------------------------------------------------------


def test_the_workbook_has_a_row_an_account_filters_and_words(tmp_path):
    import zipfile

    path = tmp_path / "accounts.xlsx"
    write_accounts(scored(), path)
    book = CalamineWorkbook.from_path(path)
    assert book.sheet_names == ["Accounts", "How good", "Notes"]
    rows = book.get_sheet_by_name("Accounts").to_python()
    heads = [head for head, *_ in SHOWN.values()]
    assert rows[0] == heads
    assert [row[heads.index("Health")] for row in rows[1:]] == ["Red", "Yellow", "Green"]
    assert [row[heads.index("ARR at risk")] for row in rows[1:]] == [3900, 1500, 320]
    assert str(rows[1][heads.index("Next renewal")]) == "2026-12-01"
    assert rows[3][heads.index("Next renewal")] == ""
    with zipfile.ZipFile(path) as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml").decode()
        styles = parts.read("xl/styles.xml").decode()
    assert '<autoFilter ref="A1:N4"/>' in sheet
    assert 'state="frozen"' in sheet
    assert "F6D5CF" in styles
    again = tmp_path / "again.xlsx"
    write_accounts(scored(), again)
    assert again.read_bytes() == path.read_bytes()


def test_without_proof_the_workbook_has_no_colour_and_says_why(tmp_path):
    import zipfile

    path = tmp_path / "accounts.xlsx"
    write_accounts(scored(proves=False), path)
    said = str(CalamineWorkbook.from_path(path).get_sheet_by_name("How good").to_python())
    assert "No better than the segment's rate" in said
    with zipfile.ZipFile(path) as parts:
        assert "F6D5CF" not in parts.read("xl/styles.xml").decode()


def test_names_become_no_formula(tmp_path):
    listed = scored()
    frame = pd.concat([listed.frame[:1]] * len(HOSTILE)).assign(customer=HOSTILE)
    write_accounts(replace(listed, frame=frame), tmp_path / "a.xlsx")
    rows = CalamineWorkbook.from_path(tmp_path / "a.xlsx").get_sheet_by_name("Accounts").to_python()
    assert [row[0] for row in rows[1:]] == HOSTILE


def test_a_workbook_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(nr.UsageError):
        write_accounts(scored(), tmp_path / "nowhere" / "a.xlsx")
    assert list(tmp_path.iterdir()) == []
