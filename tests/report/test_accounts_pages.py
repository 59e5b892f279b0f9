"""Accounts on pages: what the quarterly report and the monthly list print, for whom, and what they leave behind."""

import json
from dataclasses import replace

import nbformat
import pandas as pd
import pytest
from conftest import HOSTILE, ROOT, said_of
from scored import AS_OF, FELL, FULL, scored

import nrrsim as nr
from nrrsim.accounts.clusters import Clusters
from nrrsim.analysis.accounts import NoAccounts
from nrrsim.report.card import read_card
from nrrsim.report.run import run_card
from nrrsim.report.wording import accounts, columns

DATA = ROOT / "nrrsim" / "data"
SHOWN = ["column", "value", "also", "customers", "lost", "expected", "p", "arr_lost", "names"]
SHOWN += ["reasons"]


def together(*found: tuple, worth: tuple = ()) -> Clusters:
    frames = (pd.DataFrame(rows, columns=SHOWN) for rows in (found, worth))
    return Clusters(AS_OF, ("2026-07", AS_OF), 16, *frames, 0.1)


RETAIL = ("industry", "Retail", (), 12, 5, 0.31, 1e-5, 5e4, ("Alder", "Birch"), ("price", "price"))
NORTH = ("region", "North", (("currency", "SEK"),), 9, 3, 0.4, 0.007, 9e3, ("Cedar",), ())


# --- frames -------------------------------------------------------------------------------------------------


def test_the_next_two_quarters_renewals_come_first_and_all_accounts_where_none_is_stated():
    whole = scored()
    far = whole.frame.assign(renewal=["2035-01", "2027-01", ""])
    assert accounts.at_risk(replace(whole, frame=far))["customer"].tolist() == ["Birch"]
    for renewal in ("", "2035-01"):
        none = replace(whole, frame=whole.frame.assign(renewal=renewal))
        assert accounts.at_risk(none)["customer"].tolist() == ["Alder", "Birch", "Cedar"]
    assert len(accounts.at_risk(replace(whole, frame=far), near=False)) == 3
    assert len(accounts.at_risk(whole, most=1)) == 1


def test_what_is_called_most_at_risk_has_the_most_where_no_score_is_proved():
    """The list goes by the segment's rate then; the table shows what is at risk, and says so."""
    listed = scored(proves=False)
    turned = listed.frame.assign(arr_at_risk=[1.0, 3.0, 2.0], renewal="2026-12")
    shown = accounts.at_risk(replace(listed, frame=turned))
    assert shown["customer"].tolist() == ["Birch", "Cedar", "Alder"]
    assert accounts.at_risk(replace(listed, frame=turned), most=1)["arr_at_risk"].tolist() == [3.0]


def test_nobody_is_said_to_renew_soon_whose_renewal_is_far():
    listed = scored()
    soon = replace(listed, frame=listed.frame.assign(renewal=["2026-12", "2035-01", ""]))
    assert accounts.Listed.of(soon).near == 1
    assert accounts.Listed.of(soon).until is not None
    for renewal in ("2035-01", ""):
        far = replace(listed, frame=listed.frame.assign(renewal=renewal))
        assert accounts.Listed.of(far).until is None


def test_accounts_are_in_words_and_no_number_is_lost():
    frame = accounts.in_words(scored(), {"smb": "Small business"})
    assert frame["segment"].tolist() == ["Mid-market", "Small business", "Small business"]
    assert frame["renews"].tolist() == ["Dec 2026", "Jun 2027", "n/a"]
    assert frame["health"].tolist() == ["Red", "Yellow", "Green"]
    assert frame["why"].tolist() == ["Active users falling; no expansion yet", "Price increase", ""]
    assert frame["alerts"][0] == "Active users fell by 20% within 3 weeks (since September 2026)"
    assert frame["arr_at_risk"].tolist() == scored().frame["arr_at_risk"].tolist()
    assert accounts.in_words(scored(), None, 1)["why"][0] == "Active users falling"


def test_a_reason_that_is_an_alert_is_said_once():
    listed = scored()
    reasons = [(FELL.rule, "small"), (), ()]
    frame = accounts.in_words(replace(listed, frame=listed.frame.assign(reasons=reasons)))
    assert frame["why"][0] == "Small"


def test_who_grows_is_listed_by_the_gain_with_its_signs():
    frame = accounts.growing(scored())
    assert frame["customer"].tolist() == ["Birch", "Alder", "Cedar"]
    assert frame["signs"].tolist() == ["Seats used reached 80% of seats bought", "", ""]
    none = replace(scored(), frame=scored().frame.assign(expected_gain=0.0))
    assert accounts.growing(none).empty


def test_alerts_are_new_where_they_hold_since_this_month():
    listed = scored()
    before = (replace(FELL, since="2025-09"),)
    # the ledger has a row a year: what began within it is new
    frame = listed.frame.assign(alerts=[(FELL,), before, (FULL,)])
    found = accounts.new_alerts(replace(listed, frame=frame))
    assert found[["customer", "announces"]].values.tolist() == [
        ["Alder", "Leaving"],
        ["Cedar", "Expansion"],
    ]


def test_columns_in_which_nothing_stands_are_left_out():
    frame = accounts.at_risk(scored(proves=False), near=False)
    kept = columns.filled(frame, columns.AT_RISK)
    assert "health" not in kept["formats"]
    assert list(kept["formats"]) == list(kept["labels"])
    assert (
        columns.filled(accounts.at_risk(scored(), near=False), columns.AT_RISK) == columns.AT_RISK
    )


def test_renewals_add_up_to_what_is_at_risk_of_them():
    found = accounts.by_renewal(scored())
    assert found["arr_at_risk"].sum() == 3900 + 1500
    assert found["renewal"].is_monotonic_increasing


def test_plays_add_up():
    found = accounts.plays(scored()).set_index("play")
    assert found["accounts"].to_dict() == {"Proactive success": 1, "Usage limits": 1}
    assert found["arr_at_risk"].to_dict() == {"Proactive success": 3900, "Usage limits": 1500}


@pytest.mark.parametrize(
    "frame",
    ["at_risk", "growing", "quality", "bands", "by_renewal", "new_alerts", "plays", "rules"],
)
def test_of_no_accounts_every_frame_is_empty(frame):
    assert getattr(accounts, frame)(NoAccounts("nobody is left")).empty


def test_clusters_are_named_with_what_comes_to_the_same():
    frame = accounts.clusters(together(RETAIL, worth=(NORTH,)))
    assert frame["group"].tolist() == ["Industry Retail", "Region North and Currency SEK"]
    assert frame["finding"].tolist() == ["Beyond chance", "Worth a look"]
    assert frame["reasons"].tolist() == ["Price", ""]
    assert accounts.clusters(together()).empty


# --- sentences ----------------------------------------------------------------------------------------------


def test_where_the_score_proves_nothing_the_report_says_so_and_shows_no_colour():
    listed = scored(proves=False)
    assert "no better than each segment" in said_of(listed, "quality")
    assert "No health colours are shown" in said_of(listed, "quality")
    assert said_of(listed, "health") == ""
    told = said_of(scored(), "quality")
    assert "5.9% below" in told
    assert "36% of the ARR" in told


def test_page_one_names_the_largest_arr_at_risk():
    past = nr.actuals(DATA / "meridian.csv", AS_OF)
    told = nr.say("next", past, beside=scored()).bundle["text/plain"]
    assert told == (
        "**The largest ARR at risk is Alder, 3.90K of 12.0K, up for renewal in December 2026.**"
    )
    # where no account is listed the largest renewal stays
    assert "largest renewal" in nr.say("next", past, beside=NoAccounts("")).bundle["text/plain"]


def test_names_are_names_whatever_they_hold():
    listed = scored()
    for name in HOSTILE:
        frame = listed.frame.assign(customer=[name, "B", "C"])
        said = said_of(replace(listed, frame=frame), "at_risk")
        assert "<script>" not in said
        assert "{{<" not in said


# --- what makes a section, and what ends no report ----------------------------------------------------------


def test_no_identifier_of_a_programme_reaches_a_page():
    listed = scored()
    listed = replace(listed, frame=listed.frame.assign(play="onboarding_calls"))
    assert set(accounts.at_risk(listed)["play"]) == {"Onboarding calls"}
    assert accounts.plays(listed)["play"].tolist() == ["Onboarding calls"]
    assert said_of(listed, "plays").startswith("Onboarding calls is suggested")


def test_a_short_ledger_and_an_empty_month_give_a_sentence(tmp_path):
    def past_of(rows: str, as_of: str) -> nr.Actuals:
        (tmp_path / "ledger.csv").write_text("customer,month,arr\n" + "\n".join(rows.split()))
        return nr.actuals(str(tmp_path / "ledger.csv"), as_of)

    left = nr.accounts_of(past_of("A,2024-12,5 B,2025-12,5 A,2026-12,0", "2025-12"))
    gone = nr.accounts_of(past_of("A,2024-12,5 A,2025-12,0", "2025-12"))
    assert not gone
    assert "nobody has an amount" in said_of(gone, "why_not")
    assert said_of(gone, "heading", "at_risk", "quality").strip() == ""
    one = nr.accounts_of(past_of("A,2024-12,5 A,2025-12,5", "2025-12"))
    for listed in (left, one):
        assert not listed or (
            not listed.quality.proves and "No health" in said_of(listed, "quality")
        )


def test_one_customer_that_always_grows_gives_a_list(write):
    """All rows of its past are alike, so that there is nothing to fit."""
    months = [f"{year}-{month:02d}" for year in (2024, 2025) for month in range(1, 13)]
    rows = [f"A,{month},{100 + place}" for place, month in enumerate(months)]
    past = nr.actuals(write("\n".join(["customer,month,mrr", *rows])), "2025-12")
    listed = nr.accounts_of(past)
    assert listed
    assert listed.frame["customer"].tolist() == ["A"]


def test_what_a_card_says_that_does_not_fit_is_an_error_and_no_sentence(write):
    past = nr.actuals(DATA / "meridian.csv", AS_OF)
    for horizon in (0, 13, 40, "soon"):
        with pytest.raises(nr.UsageError, match="horizon: must be"):
            nr.accounts_of(past, horizon=horizon)
    for most in (0, -1):
        with pytest.raises(nr.UsageError, match="most: must be 1 or more"):
            accounts.record(scored(), nr.clusters(past.ledger, AS_OF), most)
    with pytest.raises(nr.DataError, match=r"signals\.csv"):
        nr.accounts_of(past, write("customer,date,users\nA,2026-01-01,many\n", "signals.csv"))


def test_losses_are_of_a_file_else_of_the_ledgers_own_column(write):
    rows = [
        "customer,month,arr,reason",
        "A,2024-12,9,",
        "A,2025-12,9,",
        "B,2024-12,4,too expensive",
    ]
    past = nr.actuals(write("\n".join(rows)), "2025-12")
    assert said_of(nr.losses(past), "reasons").startswith("Of 4 of churn")
    told = write("customer,month,reason\nB,2025-12,bankrupt\n", "reasons.csv")
    assert "Bankruptcies and mergers cost 100.0%" in said_of(nr.losses(past, told), "reasons")
    bare = nr.actuals(
        write("customer,month,arr\nA,2024-12,9\nA,2025-12,9\n", "bare.csv"), "2025-12"
    )
    assert not nr.losses(bare)
    assert said_of(nr.losses(bare), "reasons") == ""


# --- pages --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    """A card of the example with few trials, and what it may say besides."""

    def write(name: str, *lines: str, notebook: str = "quarterly_report"):
        path = tmp_path_factory.mktemp(name) / f"{name}.yaml"
        known = {"company": "Meridian", "ledger": DATA / "meridian.csv", "as_of": AS_OF}
        known |= {each: DATA / f"meridian_{each}.csv" for each in ("signals", "reasons")}
        said = [f"{key}: '{value}'" for key, value in known.items()]
        path.write_text("\n".join([f"notebook: {notebook}", *said, *lines]))
        return path

    return write


def texts_of(folder) -> str:
    """All that an executed notebook holds, outputs included."""
    return json.dumps(nbformat.read(folder / "report.ipynb", as_version=4), ensure_ascii=False)


@pytest.fixture(scope="module")
def report(card, tmp_path_factory):
    return run_card(card("q", "trials: 100"), to=["xlsx"], out=tmp_path_factory.mktemp("out"))


def test_the_quarterly_report_has_the_section_and_the_manifest_its_figures(report):
    said = texts_of(report)
    manifest = json.loads((report / "manifest.json").read_text())
    told = manifest["numbers"]["accounts"]
    assert {"totals", "quality", "rules", "at_risk", "growing", "clusters"} <= set(told)
    assert len(told["at_risk"]) == len(told["growing"]) == 10
    assert all(each["renewal"] <= "2027-03" for each in told["at_risk"])
    assert sum(manifest["numbers"]["losses_by_reason"].values()) == pytest.approx(
        manifest["numbers"]["movements"]["churn"] + manifest["numbers"]["movements"]["contraction"],
        abs=0.02,
    )
    names = [name.rpartition("/")[2] for name in manifest["inputs"]]
    assert {"meridian_signals.csv", "meridian_reasons.csv"} <= set(names)
    assert "the largest ARR at risk is" in said
    for each in told["at_risk"]:
        assert each["customer"] in said


def test_the_reports_workbook_has_a_sheet_of_them(report):
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_path(report / "report.xlsx")
    rows = book.get_sheet_by_name("Accounts").to_python()
    heads = next(row for row in rows if row[0] == "Account")
    assert "At risk" in heads
    first = rows[rows.index(heads) + 1]
    assert isinstance(first[heads.index("At risk")], float)


def test_an_investor_gets_no_account(card, tmp_path):
    folder = run_card(card("investor", "audience: investor"), to=[], out=tmp_path)
    said = texts_of(folder)
    assert "at risk" not in said.lower().replace("arr_at_risk", "")
    assert "accounts" not in json.loads((folder / "manifest.json").read_text())["numbers"]


def test_what_people_wrote_as_a_reason_is_not_printed_where_names_are_masked(write):
    rows = ["customer,month,arr,reason", "Alder,2024-12,9,", "Alder,2025-12,9,"]
    rows.append("Birch,2024-12,4,too expensive for Alder")
    ledger = write("\n".join(rows))
    for masked, reason in ((False, "too expensive for Alder"), (True, "n/a")):
        told = accounts.reasons(nr.losses(nr.actuals(ledger, "2025-12", masked=masked)))
        assert told[["kind", "reason", "churn"]].to_numpy().tolist()[0] == ["Price", reason, 4]


def test_masked_names_are_masked_here_and_signals_still_find_their_customers(
    card, report, tmp_path
):
    folder = run_card(card("masked", "trials: 0", "names: masked"), to=[], out=tmp_path)
    told, shown = (
        json.loads((each / "manifest.json").read_text())["numbers"]["accounts"]
        for each in (folder, report)
    )
    assert all(each["customer"].startswith("Customer ") for each in told["at_risk"])
    assert told["totals"] == shown["totals"]
    assert told["quality"] == shown["quality"]
    said = texts_of(folder)
    for each in shown["at_risk"]:
        assert each["customer"] not in said


def test_the_monthly_list_runs_and_its_card_is_right(card, tmp_path):
    lines = ["scenarios: ['" + str(ROOT / "params/scenarios/usage-limits.yaml") + "']", "most: 5"]
    folder = run_card(card("list", *lines, notebook="accounts"), to=["xlsx"], out=tmp_path)
    told = json.loads((folder / "manifest.json").read_text())["numbers"]["accounts"]
    assert len(told["growing"]) == 5
    said = texts_of(folder)
    for heading in ("Who to call", "Who can grow", "New alerts", "How good the score is", "Losses"):
        assert f"# {heading}" in said
    assert "usage-limits.yaml" in " ".join(
        json.loads((folder / "manifest.json").read_text())["inputs"]
    )
    assert read_card(ROOT / "params" / "accounts.yaml").notebook.stem == "accounts"
