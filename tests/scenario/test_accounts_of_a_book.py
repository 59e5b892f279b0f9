"""The table of accounts that a ledger's book names: what it may say, and what people get wrong in it."""

import json
from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import pytest

import nrrsim as nr
from nrrsim.accounts.worth import worth
from nrrsim.engine.outcomes import foreseen
from nrrsim.scenario.outlook import LEVELS, MOST
from nrrsim.scenario.scenario import Scenario, files_of, json_schema
from nrrsim.whatif.live import WhatIf

NAMES = ["Alder", "Birch", "Cedar", "007", "Elm & Söhne", "Fir"]
SCENARIO = """\
book:
  ledger: data/ledger.csv
  as_of: 2026-01
  term: {smb: monthly}
  accounts: data/accounts.csv
drivers:
  churn: {all: 0.3}
  adoption: {all: {rate: 0.6, size: 0.2}}
"""
ACCOUNTS = """\
customer,hazard,expansion
Alder,0.5,2
Birch,1.5,1
007,2.25,0.5
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    rows = [
        f"{name},{month},{100 * (n + 1)},{'smb' if n < 3 else 'mid'}"
        for n, name in enumerate([*NAMES, "Gone"])
        for month in ("2025-11", "2025-12", "2026-01")
        if name != "Gone" or month != "2026-01"
    ]
    (tmp_path / "data" / "ledger.csv").write_text("customer,month,mrr,segment\n" + "\n".join(rows))
    (tmp_path / "data" / "accounts.csv").write_text(ACCOUNTS)
    (tmp_path / "next.yaml").write_text(SCENARIO)
    return tmp_path


def stated(folder, name="next.yaml") -> pd.DataFrame:
    opening = nr.read_scenario(folder / name).opening
    columns = ["hazard", "expansion", "contraction"]
    return pd.DataFrame(opening.multipliers, opening.names, columns).sort_index()


def test_each_customer_has_its_own_row_and_who_has_none_is_as_its_segment(folder):
    found = stated(folder)
    assert found.loc["Alder"].tolist() == [0.5, 2, 1]
    assert found.loc["007"].tolist() == [2.25, 0.5, 1]
    assert (found.loc[["Cedar", "Elm & Söhne", "Fir"]] == 1).all(axis=None)


@pytest.mark.parametrize("kind", ["xlsx", "parquet", "json", "csv shuffled", "decimal comma"])
def test_whatever_form_the_table_has(folder, kind):
    truth, path = stated(folder), folder / "data" / "accounts.csv"
    table = pd.read_csv(path, dtype={"customer": str}).sample(frac=1, random_state=1)
    other = folder / "data" / f"accounts.{kind if ' ' not in kind else 'csv'}"
    if kind == "xlsx":
        table.to_excel(other, index=False)
    elif kind == "parquet":
        with duckdb.connect() as con:
            con.register("accounts", table)
            con.sql("select * from accounts").write_parquet(str(other))
    elif kind == "json":
        other.write_text(table.to_json(orient="records"))
    elif kind == "decimal comma":
        table = table.rename(columns={"customer": "Customer Name", "hazard": "Hazard"})
        table.to_csv(other, index=False, sep=";", decimal=",")
    else:
        table[["expansion", "customer", "hazard"]].to_csv(other, index=False)
    text = SCENARIO.replace("accounts.csv", other.name)
    (folder / "next.yaml").write_text(text)
    pd.testing.assert_frame_equal(stated(folder), truth)


def test_a_scenario_that_extends_another_sees_its_accounts_and_may_leave_them_out(folder):
    (folder / "plans").mkdir()
    (folder / "plans" / "same.yaml").write_text("extends: ../next.yaml\nmonths: 6\n")
    none = "extends: ../next.yaml\nbook: {accounts: null}\n"
    (folder / "plans" / "none.yaml").write_text(none)
    pd.testing.assert_frame_equal(stated(folder, "plans/same.yaml"), stated(folder))
    assert nr.read_scenario(folder / "plans" / "none.yaml").opening.multipliers is None
    files = {path.resolve() for path in files_of(folder / "plans" / "same.yaml")}
    assert (folder / "data" / "accounts.csv").resolve() in files

    scenario = nr.read_scenario(folder / "next.yaml")
    assert scenario.with_(months=24).opening is scenario.opening
    assert scenario.with_({"book.accounts": None}).opening.multipliers is None
    assert scenario.with_({"drivers.churn.all.rate": 0.1}).opening.differ
    assert "accounts" in json.dumps(json_schema()["$defs"]["LedgerBook"]["properties"])


# what is put for the whole table, and what is said of it: a text each finding
WRONG = {
    "an unknown customer": (
        "customer,hazard\nAldr,1\n",
        ["accounts.csv:2: customer: 'Aldr' is no customer of the book in 2026-01 ... mean Alder?"],
    ),
    "who left before": (
        "customer,hazard\nAlder,2\nGone,1\n",
        ["accounts.csv:3: customer: 'Gone' is no customer of the book ... leave out who pays no"],
    ),
    "twice": (
        "customer,hazard\nAlder,1\nBirch,2\nAlder,1\n",
        ["accounts.csv:4: customer: 'Alder' stands twice; a customer has one row"],
    ),
    "an empty name": (
        "customer,hazard\nAlder,1\n ,2\n",
        ["accounts.csv:3: customer: is empty; every row needs the customer's name"],
    ),
    "no number": (
        "customer,hazard\nAlder,high\n",
        ["accounts.csv:2: hazard: 'high' is not a number from 0 to 1,000; 1 is as its segment"],
    ),
    "below 0": ("customer,hazard\nAlder,-1\n", ["accounts.csv:2: hazard: '-1' is not a number"]),
    "not finite": (
        "customer,expansion\nAlder,inf\nBirch,nan\n",
        ["accounts.csv:2: expansion: 'inf' is not", "accounts.csv:3: expansion: 'nan' is not"],
    ),
    "too large": ("customer,hazard\nAlder,1001\n", ["2: hazard: '1001' is not a number from 0"]),
    "thousands": ("customer,hazard\nAlder,1k\n", ["accounts.csv:2: hazard: '1k' is not a number"]),
    "nothing": (
        "customer,hazard\nAlder,\nBirch,2\n",
        ["accounts.csv:2: hazard: is empty; write 1 for a customer that is as its segment"],
    ),
    "a misspelt column": (
        "customer,hazzard\nAlder,1\n",
        ["accounts.csv:1: there is a column hazzard, which is not known; did you mean hazard?"],
    ),
    "no column of ours": ("customer\nAlder\n", ["there is no column hazard, expansion or"]),
    "no customer": ("hazard,expansion\n1,2\n", ["accounts.csv:1: there is no column customer"]),
    "two customers": (
        "customer,account,hazard\nAlder,Alder,1\n",
        ["customer may be the column customer and account; leave one of them out"],
    ),
    "a heading twice": ("customer,hazard,hazard\nAlder,1,2\n", ["heading hazard stands twice"]),
    "all 0": (
        "customer,hazard\nAlder,0\nBirch,0\nCedar,0\n",
        ["hazard: is 0 for every customer of smb; what all of a segment have in common"],
    ),
    "all at once": (
        "customer,hazard,expansion\nAldr,1,x\nBirch,-2,1\n",
        ["2: customer: 'Aldr' is no", "2: expansion: 'x' is not", "3: hazard: '-2' is not"],
    ),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_what_is_wrong_is_said_with_its_line(folder, name):
    text, said = WRONG[name]
    (folder / "data" / "accounts.csv").write_text(text)
    with pytest.raises(nr.DataError) as refused:
        nr.read_scenario(folder / "next.yaml")
    found = list(map(str, refused.value.findings))
    assert len(found) == len(said)
    for line, parts in zip(found, said, strict=True):
        for part in parts.split(" ... "):
            assert part in line


@pytest.mark.parametrize(
    ("accounts", "said"),
    [
        ("data/nothing.csv", "book.accounts: .*nothing.csv: there is no such file"),
        ("data", "book.accounts: "),
        ("''", "book.accounts: is empty; name a file, or leave the key out"),
        ("env:ACCOUNTS", "book.accounts: must be a file; a database address does not belong"),
        ("7", "book.accounts: must be text"),
        ("[a, b]", "book.accounts: must be text"),
    ],
)
def test_what_is_no_file(folder, accounts, said):
    text = SCENARIO.replace("accounts: data/accounts.csv", f"accounts: {accounts}")
    (folder / "next.yaml").write_text(text)
    with pytest.raises(nr.UsageError, match=rf"next\.yaml:\d+(:\d+)? {said}"):
        nr.read_scenario(folder / "next.yaml")


def test_a_book_of_numbers_has_no_accounts():
    book = {"arr": 1e6, "segments": {"a": {"share": 1, "customers": 5}}, "accounts": "a.csv"}
    with pytest.raises(nr.UsageError, match=r"book\.accounts: is not known"):
        Scenario.of({"book": book})


def test_at_means_nothing_is_uncertain_and_worth_adds_up_to_it(folder):
    uncertain = SCENARIO + (
        "  price: {all: {uplift: {between: [0.02, 0.1]}, acceptance: 80%}}\n"
        "  contraction: {all: {rate: {between: [0.1, 0.4]}, size: {mean: 0.2, sd: 0.1}}}\n"
        "year_effects: {churn: 0.2}\nshock: {churn: 0.2}\n"
        "correlations: [[contraction.all, price.all, 0.5]]\n"
    )
    curve = uncertain.replace(
        "churn: {all: 0.3}",
        "churn: {smb: {by_tenure: [{between: [0.1, 0.4]}, 0.2]}, mid: {sbg: {alpha: {between:"
        " [0.5, 1]}, beta: 2}}}",
    )
    (folder / "next.yaml").write_text(curve)
    scenario = nr.read_scenario(folder / "next.yaml")
    sure = scenario.at_means()
    assert (sure.table.uncertain, sure.year_effects, sure.shock) == ((), {}, {})
    for one, other in zip(scenario.table.stated, sure.table.stated, strict=True):
        assert (one.name, one.mean) == (other.name, pytest.approx(other.mean, rel=1e-15))
    told = worth(scenario)
    exact = nr.expect(sure)
    assert list(told.index) == sorted(NAMES)
    for name in ("churn", "contraction", "adoption", "cross_sell", "price", "reactivation"):
        assert float(exact.over(name).sum()) == pytest.approx(told[name].sum(), abs=0.005)
    closing = float(exact["closing"].sum("segment")[-1])
    assert closing == pytest.approx(told["closing"].sum(), abs=0.005)
    assert np.allclose(
        told["closing"],
        told["arr"]
        + told[["adoption", "cross_sell", "price", "reactivation"]].sum(axis=1)
        - told[["churn", "contraction"]].sum(axis=1),
    )


def test_accounts_move_a_stated_forecast_as_far_as_they_move_nrr(folder):
    """It was made without them, a point above what its drivers say; so it is with them."""
    accounts = nr.read_scenario(folder / "next.yaml")
    plain = accounts.with_({"book.accounts": None})
    law = nr.law_of(plain)
    stated = {"as_of": "2026-01", "arr": plain.opening.total}
    for name in ("nrr", "grr", "logo"):
        own = getattr(law, name)
        model = own.quantiles(LEVELS)
        above = np.minimum(model + 0.01, MOST[name])
        stated[name] = {"mean": own.expected, "model": model, "forecast": above}
    scenario = accounts.with_({"outlook": stated})
    assert not [each for each in scenario.notices if each.startswith("outlook")]
    own = nr.law_of(scenario).nrr
    assert abs(own.expected - law.nrr.expected) > 1e-3
    shares = (0.05, 0.5, 0.95)
    assert foreseen(own, scenario).quantiles(shares) == pytest.approx(
        own.quantiles(shares) + 0.01, abs=1e-6
    )


# --- what is decided of single customers ----------------------------------------------------------


def deciding(folder, text: str, name: str = "decided.yaml"):
    (folder / name).write_text(f"extends: next.yaml\n{text}\n")
    return folder / name


def test_who_renews_and_who_leaves_is_decided_by_name(folder):
    path = deciding(folder, 'book: {decided: {Alder: leaves, "007": renews, Fir: as forecast}}')
    scenario = nr.read_scenario(path)
    opening = scenario.opening
    found = dict(zip(opening.names, opening.decided, strict=True))
    assert (found["Alder"], found["007"]) == (np.inf, 0)
    assert all(np.isnan(found[name]) for name in NAMES if name not in ("Alder", "007"))
    before, now = (worth(each) for each in (folder / "next.yaml", scenario))
    assert now["p_leave"][["Alder", "007"]].tolist() == [1, 0]
    others = [name for name in NAMES if name not in ("Alder", "007")]
    pd.testing.assert_frame_equal(now.loc[others], before.loc[others])

    # one more is decided by who extends it, and what was decided is taken back
    third = deciding(folder, "book: {decided: {Birch: renews, Alder: as forecast}}", "third.yaml")
    third.write_text(third.read_text().replace("next.yaml", "decided.yaml"))
    mine = nr.read_scenario(third).opening
    assert [*mine.names[~np.isnan(mine.decided)]] == ["007", "Birch"]
    assert nr.expect(scenario.with_({"book.decided": {}})).data.identical(
        nr.expect(folder / "next.yaml").data
    )


def test_what_is_decided_reads_no_ledger_again(folder):
    scenario = nr.read_scenario(folder / "next.yaml")
    (folder / "data" / "ledger.csv").unlink()
    one = scenario.extended({"book": {"decided": {"Cedar": "leaves"}}})
    other = scenario.with_({"book.decided": {"Cedar": "leaves"}})
    assert nr.expect(one).data.identical(nr.expect(other).data)
    assert one.with_(months=24).opening is one.opening
    assert one.at_means().opening is one.opening
    with pytest.raises(nr.UsageError, match="there is no such file"):
        scenario.with_({"book.as_of": "2025-12"})


NO_CHURN = "{churn: {smb: 0.3, mid: 0}, price: {all: {uplift: 5%%%s}}}"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        # Alder is of smb, monthly; Fir of mid, annual
        ("drivers: " + NO_CHURN % "", "Fir"),
        ("drivers: " + NO_CHURN % ", churn_per_point: 0.5", ""),
        ("drivers: {churn: {all: 0.3}}", ""),
        ("drivers: {churn: {all: 0.3}}\nmonths: 1", "Fir"),
        ("drivers: {churn: {all: 0}}", "Alder, Fir"),
    ],
)
def test_that_somebody_leaves_who_cannot_is_said(folder, text, named):
    decided = "book: {decided: {Alder: leaves, Fir: leaves, Birch: renews}}"
    scenario = nr.read_scenario(deciding(folder, f"{decided}\n{text}"))
    said = [note for note in scenario.notices if note.startswith("book.decided: ")]
    names = named.split(", ") if named else []
    assert len(said) == bool(names)
    assert all(f"'{name}'" in note for note in said for name in names)
    assert sum(note.count("'") for note in said) == 2 * len(names)
    # and it is true: as by the engine, which has its own rules
    p = worth(scenario, scenario.months)["p_leave"][["Alder", "Fir"]]
    assert [name for name in p.index if p[name] == 0] == names


def test_without_a_table_too(folder):
    plain = deciding(folder, "book: {accounts: null, decided: {Cedar: leaves}}")
    scenario = nr.read_scenario(plain)
    assert scenario.opening.multipliers is None
    assert worth(scenario)["p_leave"]["Cedar"] == 1
    nrr, base = (float(nr.nrr(nr.expect(each))) for each in (
        scenario, scenario.with_({"book.decided": {"Cedar": "as forecast"}})))  # fmt: skip
    assert nrr < base


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{Aldr: leaves, Alder: leaves}", r"decided\.yaml:2:\d+ book\.decided\.Aldr: is no customer of"
                                          r" the book in 2026-01; did you mean Alder\?"),
        ("{Gone: renews}", r"book\.decided\.Gone: is no customer of the book in 2026-01"),
        ("{Alder: churns}", r"book\.decided\.Alder: must be renews or leaves or as forecast, got 'churns'"),
        ("{Alder: }", r"book\.decided\.Alder: must be renews or leaves"),
        ("{7: leaves}", r"7"),
        ("[Alder]", r"book\.decided: "),
    ],
)  # fmt: skip
def test_what_cannot_be_decided(folder, text, said):
    with pytest.raises(nr.UsageError, match=said):
        nr.read_scenario(deciding(folder, f"book: {{decided: {text}}}"))


def test_every_unknown_name_is_said_at_once(folder):
    path = deciding(folder, "book: {decided: {Aldr: leaves, Brch: renews}}")
    with pytest.raises(nr.UsageError) as refused:
        nr.read_scenario(path)
    assert [line.split("; ")[1] for line in str(refused.value).splitlines()] == [
        "did you mean Alder?",
        "did you mean Birch?",
    ]


def test_a_book_of_numbers_decides_nothing():
    book = {"arr": 1e6, "segments": {"a": {"share": 1, "customers": 5}}, "decided": {"A": "leaves"}}
    with pytest.raises(nr.UsageError, match=r"book\.decided: is not known"):
        Scenario.of({"book": book})


# --- the panel ------------------------------------------------------------------------------------


def test_the_panel_has_a_switch_for_those_that_move_nrr_most(folder):
    panel = WhatIf(folder / "next.yaml")
    moves = panel.start_moves()
    listed = panel.form(moves)["accounts"]
    told = worth(folder / "next.yaml")
    moved = told["arr"] * np.sqrt(told["p_leave"] * (1 - told["p_leave"]))
    assert [each["name"] for each in listed] == [*moved.sort_values(ascending=False).index[:5]]
    assert {each["value"] for each in listed} == {"as forecast"}
    first = listed[0]["name"]
    assert f"{told['p_leave'][first]:.0%} probability of churn" in listed[0]["note"]


def test_a_switch_moves_the_figures_and_is_saved(folder):
    panel = WhatIf(folder / "next.yaml")
    told = worth(folder / "next.yaml")
    base = panel.answer(panel.start_moves())
    moves = replace(panel.start_moves(), accounts={"Elm & Söhne": "leaves", "Fir": "as forecast"})
    answer = panel.answer(moves)
    lost = told["closing"]["Elm & Söhne"] / told["arr"].sum()
    assert base["nrr"] - answer["nrr"] == pytest.approx(lost, abs=1e-12)  # no price, nobody back
    (step,) = [row for row in answer["rows"]["bridge"] if row["step"] == "Accounts"]
    assert step["kind"] == "loss"
    assert panel.over(moves) == {"book": {"decided": {"Elm & Söhne": "leaves"}}}
    path = panel.save(moves, "elm", "Without Elm", "they said so")
    saved = nr.read_scenario(path)
    assert float(nr.nrr(nr.expect(saved))) == pytest.approx(answer["nrr"], abs=1e-12)

    # which is a preset then: its switch stands where the file has it, and is taken back
    again = panel.start_moves("elm")
    switches = {each["name"]: each["value"] for each in panel.form(again)["accounts"]}
    assert switches["Elm & Söhne"] == "leaves"
    back = replace(again, accounts={"Elm & Söhne": "as forecast"})
    assert panel.answer(back)["nrr"] == pytest.approx(base["nrr"], abs=1e-12)
    assert panel.over(replace(again, accounts={"Elm & Söhne": "leaves"})) == {}
    with pytest.raises(nr.UsageError, match=r"accounts\.Fir: must be one of renews, leaves, as"):
        panel.answer(replace(again, accounts={"Fir": "perhaps"}))
    with pytest.raises(nr.UsageError, match=r"book\.decided\.Aldr: is no customer"):
        panel.answer(replace(again, accounts={"Aldr": "leaves"}))
