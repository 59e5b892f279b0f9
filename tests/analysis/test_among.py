"""Peers beside a report: as they were published, each by its own definition, none of a later month."""

import csv
import json
import re

import numpy as np
import pandas as pd
import pytest
from conftest import HOSTILE, ROOT, SHARED, said_of
from hypothesis import given
from hypothesis import strategies as some

import nrrsim as nr
from nrrsim import benchmarks, peers
from nrrsim.analysis.actuals import Actuals
from nrrsim.analysis.among import OWN
from nrrsim.errors import DataError, UsageError
from nrrsim.report.card import read_card
from nrrsim.report.wording import peers as worded

EXAMPLE = ROOT / "nrrsim" / "data" / "meridian.csv"
DISCLOSED = ROOT / "nrrsim" / "data" / "peers.csv"
HEAD = "company,period_end,value_pct,definition_key,source\n"
ALL = peers.names(peers.published())


@pytest.fixture(scope="module")
def past():
    return Actuals(nr.read_ledger(EXAMPLE, currency="USD"), "2026-09")


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- as published ---------------------------------------------------------------------------------


def test_figures_are_those_of_the_data_file(past):
    """Read a second time, by nothing of ours: of each company the latest row up to the report."""
    rows = [row for row in rows_of(DISCLOSED) if row["period_end"][:7] <= "2026-09"]
    latest = {(row["company"], row["metric"]): row for row in rows}  # in order of time
    frame = nr.peers_of(past, ALL).latest()
    assert len(frame) == len(latest)
    for told in frame.to_dict("records"):
        row = latest[told["company"], told["metric"]]
        assert told["nrr"] == pytest.approx(float(row["value_pct"]) / 100)
        assert told["month"] == row["period_end"][:7]
        assert (told["source"], told["status"]) == (row["source"], row["status"])
        assert told["source"]
        assert told["words"]


@pytest.mark.shared
def test_figures_are_those_that_were_collected():
    """Every one of the collected disclosures of NRR, of all customers and with a date, is there."""
    ours = {(r["company"], r["period_end"], r["value_pct"]) for r in rows_of(DISCLOSED)}
    left_out = []
    for row in rows_of(SHARED / "nrr_disclosures.csv"):
        is_nrr = not re.search("gross|GDR|>=500k|median", row["metric"])
        if (row["company"], row["period_end"], row["value_pct"]) not in ours and is_nrr:
            left_out.append((row["company"], row["period_label"]))
    # undated, and a year's figure that stands beside its last quarter's
    no_date = [("PagerDuty", f"FY20{year}") for year in (18, 19, 20)]
    assert left_out == [*no_date, ("Twilio", "2019 FY")]


def test_every_published_measure_is_explained():
    for each in peers.published():
        assert each.definition_key in peers.MEASURES or not each.definition_key
        measure = each.measure
        assert measure.words
        assert measure.like in nr.DEFINITIONS or measure.differs


@pytest.mark.shared
def test_surveys_are_those_that_were_collected():
    rows = rows_of(benchmarks.PUBLISHED)
    assert rows[: len(rows) - 1] == rows_of(SHARED / "benchmarks.csv")


def test_what_reports_say_of_surveys_is_in_the_file():
    found = {(each.metric, each.of, each.source[:4]): each for each in benchmarks.published()}
    for metric, quartiles in benchmarks.SURVEY.items():
        each = found[metric, "all", "KBCM"]
        assert (each.p25, each.p50, each.p75) == quartiles
    bounds = ["< 12k", "12k-25k", "25k-50k", "50k-100k", "100k-250k", "> 250k"]
    for metric, medians in benchmarks.BY_CONTRACT.items():
        told = [found[metric, f"ACV {each} USD", "SaaS"].p50 for each in bounds]
        assert tuple(told) == medians


# --- beside one's own -----------------------------------------------------------------------------


def point_to_point(frame, month):
    """NRR of the year to a month, from the rows of a ledger."""
    at = pd.Period(month, "M")
    then, now = (frame[frame["month"] == str(each)].set_index("customer") for each in (at - 12, at))
    return now["mrr"].reindex(then.index).fillna(0.0).sum() / then["mrr"].sum()


def test_beside_each_stands_ones_own_by_the_same_definition_in_the_same_month(past):
    ledger = pd.read_csv(EXAMPLE).groupby(["customer", "month"], as_index=False)["mrr"].sum()
    frame = nr.peers_of(past, ["PagerDuty", "Braze"]).latest().set_index("company")
    assert frame.loc["PagerDuty", "own_month"] == "2025-07"
    assert frame.loc["PagerDuty", "own"] == pytest.approx(point_to_point(ledger, "2025-07"))
    ends = [str(pd.Period("2025-10", "M") - back) for back in (0, 3, 6, 9)]
    mean = np.mean([point_to_point(ledger, end) for end in ends])
    assert frame.loc["Braze", "own"] == pytest.approx(mean)
    assert frame.loc["Braze", "difference"] == pytest.approx(mean - 1.08)
    assert frame.loc["PagerDuty", "before"] == 1.06


def test_unlike_definitions_stand_beside_no_figure(past):
    among = nr.peers_of(past, ALL)
    frame = among.latest()
    unlike = frame[frame["like"] == ""]
    assert {"Snowflake", "Cloudflare", "Twilio", "DigitalOcean", "HubSpot"} <= {*unlike["company"]}
    assert unlike[["own", "difference"]].isna().all(axis=None)
    assert (unlike["differs"] != "").all()
    drawn = among.trend()
    assert not {*unlike["company"]} - {*frame[frame["like"] != ""]["company"]} & {*drawn["company"]}
    # each panel has one's own, and peers' figures of that definition alone
    for like, rows in drawn.groupby("like"):
        assert rows["company"].iloc[0] == OWN
        for company in {*rows["company"]} - {OWN}:
            assert like in {*frame[frame["company"] == company]["like"]}
    assert {*worded.alike(among)["company"]}.isdisjoint(worded.apart(among)["company"])
    assert len(worded.alike(among)) + len(worded.apart(among)) == len(frame)


@given(back=some.integers(0, 34))
def test_a_report_knows_nothing_of_later_months(past, back):
    as_of = str(pd.Period("2026-09", "M") - back)
    then = Actuals(past.ledger, as_of)
    among = nr.peers_of(then, ALL)
    months = [*among.latest()["month"], *among.trend()["month"]]
    assert max(months) <= as_of
    told = {*among.latest()["company"]} | {*among.silent}
    assert told == {*ALL}


def test_what_the_ledger_does_not_cover_is_not_known(write):
    rows = "".join(f"a,20{year}-12,{100 + year}\n" for year in range(20, 26))
    ledger = nr.read_ledger(write("customer,month,arr\n" + rows), currency="USD")
    among = nr.peers_of(Actuals(ledger, "2025-12"), ["Braze", "PagerDuty"])
    frame = among.latest().set_index("company")
    # yearly: no four quarter-ends; but its last month stands beside one of July
    assert np.isnan(frame.loc["Braze", "own"])
    assert frame.loc["PagerDuty", "own_month"] == "2024-12"
    assert frame.loc["PagerDuty", "own"] == pytest.approx(124 / 123)
    assert {*among.trend()["like"]} == {"point_to_point"}


def test_another_window_and_price_left_out_are_not_compared_by(past):
    short = Actuals(past.ledger, "2026-09", 6, ex_price=True)
    for column in ("own", "difference"):
        pd.testing.assert_series_equal(
            nr.peers_of(short, "PagerDuty").latest()[column],
            nr.peers_of(past, "PagerDuty").latest()[column],
        )


# --- what is said ---------------------------------------------------------------------------------


def plain(text):
    return text.replace("\\", "")


def test_definition_and_source_stand_under_the_table(past):
    among = nr.peers_of(past, ["Braze", "PagerDuty", "Snowflake"], "Meridian Cloud")
    said = plain(said_of(among, "heading", "trend", "sources", "apart"))
    for each in among.latest().to_dict("records"):
        assert each["company"] in said
        assert each["source"] in said
        assert (each["words"] if each["like"] else each["differs"]) in said
    assert "104.4% in July 2025 against 102% at PagerDuty (point to point)" in said
    assert "percentile" not in said
    assert [*worded.alike(among)["period"]] == ["Oct 2025 (FY2026 Q3)", "Jul 2025 (FY2026 Q2)"]
    assert "Meridian Cloud" in {*worded.trend(among)["name"]}


def test_without_peers_nothing_is_said():
    assert nr.peers_of(None, None) is None
    assert worded.trend(None).empty
    assert worded.alike(None).empty
    assert said_of(None, "heading", "trend", "sources", "apart").strip() == ""


def test_a_company_without_a_figure_up_to_then_is_named(past):
    then = Actuals(past.ledger, "2025-12")
    among = nr.peers_of(then, ["GitLab"])
    assert among.latest().empty
    assert "No figure of GitLab up to December 2025 is known" in said_of(among, "heading")
    assert said_of(among, "trend", "sources", "apart").strip() == ""
    assert worded.apart(among).empty


def test_names_and_definitions_of_ones_own_file_are_text(past, write):
    rows = [[name, "2026-06-30", "110", f"ours: {name}", name] for name in HOSTILE]
    rows += [[f"{name}2", "2026-06-30", "110", "point_to_point", name] for name in HOSTILE]
    text = pd.DataFrame(rows, columns=HEAD.strip().split(",")).to_csv(index=False)
    among = nr.peers_of(past, str(write(text, "own.csv")))
    said = said_of(among, "trend", "sources", "apart")
    assert "<script>" not in said
    assert "{{<" not in said
    for name in HOSTILE:
        assert plain(name) in plain(said)
    nr.charts.peers(worded.trend(among)).to_dict()


# --- a file of one's own --------------------------------------------------------------------------


GOOD = "Acme,2026-06-30,108,point_to_point,acme.com\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + GOOD,
        HEAD + GOOD.replace("108", "108%"),
        HEAD + GOOD.replace("108", '"108,0"'),
        HEAD + GOOD.replace("2026-06-30", "2026-06"),
        # a year of 52 weeks ends in the next month's first days
        HEAD + GOOD.replace("2026-06-30", "2026-07-03"),
        (HEAD + GOOD).replace(",", ";").replace("108", "108,00"),
        (HEAD + GOOD).replace(",", "\t"),
        "﻿Company,Period end,Value pct,Definition key,Source\r\n\r\n " + GOOD,
        HEAD.replace("\n", ",companion,companion_value\n") + GOOD.replace("\n", ",ARR,5\n"),
    ],
)
def test_a_file_is_read_as_spreadsheets_write_it(write, text):
    (found,) = peers.read_peers(write(text, "peers.csv"))
    assert (found.company, found.month, found.nrr) == ("Acme", "2026-06", 1.08)
    assert (found.metric, found.measure.like) == ("NRR", "point_to_point")


@pytest.mark.parametrize("published", [DISCLOSED])
def test_the_published_file_is_one_that_could_be_ones_own(past, tmp_path, published):
    own = tmp_path / "peers.csv"
    own.write_bytes(published.read_bytes())
    assert peers.read_peers(own) == peers.published()


BAD = {
    "no name": (HEAD + GOOD.replace("Acme", " "), ":2: company: is empty"),
    "no source": (HEAD + GOOD.replace("acme.com", ""), ":2: source: is empty"),
    "no end": (HEAD + GOOD.replace("2026-06-30", ""), ":2: period_end: is empty"),
    "a fiscal quarter": (HEAD + GOOD.replace("2026-06-30", "2026Q2"), ":2: period_end: 2026Q2 is"),
    "no such day": (HEAD + GOOD.replace("06-30", "06-31"), ":2: period_end: 2026-06-31 is no day"),
    "a local day": (HEAD + GOOD.replace("2026-06-30", "30.6.2026"), "write it as 2025-07-31"),
    "no figure": (HEAD + GOOD.replace("108", ""), ":2: value_pct: is empty"),
    "n/a": (HEAD + GOOD.replace("108", "n/a"), ":2: value_pct: n/a is no number"),
    "nan": (HEAD + GOOD.replace("108", "nan"), ":2: value_pct: nan is no number"),
    "a ratio": (HEAD + GOOD.replace("108", "1.08"), "did you mean 108?"),
    "too large": (HEAD + GOOD.replace("108", "1080"), ":2: value_pct: 1080 is no NRR in percent"),
    "negative": (HEAD + GOOD.replace("108", "-8"), ":2: value_pct: -8 is no NRR in percent"),
    "no such definition": (
        HEAD + GOOD.replace("point_to", "point_too"),
        "definition_key: point_too_point is no definition; did you mean point_to_point?",
    ),
    "twice": (HEAD + GOOD + GOOD, ":3: period_end: Acme has a figure for 2026-06 in line 2"),
    "two spellings": (HEAD + GOOD + GOOD.replace("Acme", "ACME"), ":3: company: is spelled Acme"),
    "a column is missing": (HEAD.replace(",source", "") + "\n", "there is no column source"),
    "a strange column": (HEAD.replace("source", "sorce") + GOOD, "did you mean source?"),
    "a column twice": (
        HEAD.replace("source", "company") + GOOD,
        "the column company is there twic",
    ),
    "a heading alone": (HEAD, ":1: holds a heading and no row"),
    "empty": ("", "is empty; a file of peers has the columns company, period_end"),
    "a cell too many": (HEAD + GOOD.replace("acme.com", "acme.com,x"), ":2: has 6 cells"),
    "gross": (
        HEAD.replace("\n", ",metric\n") + GOOD.replace("\n", ",Gross retention\n"),
        ":2: metric: Gross retention is gross retention",
    ),
    "status": (
        HEAD.replace("\n", ",status\n") + GOOD.replace("\n", ",verified\n"),
        ":2: status: verified is no status; did you mean verified-excerpt?",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_wrong_in_a_file_is_told_with_line_and_column(write, kind):
    text, said = BAD[kind]
    with pytest.raises(DataError) as caught:
        peers.read_peers(write(text, "peers.csv"))
    assert said in str(caught.value)
    assert "peers.csv" in str(caught.value)


def test_all_that_is_wrong_is_told_at_once(write):
    text = HEAD + "Acme,,1.1,point_too_point,\n" + GOOD.replace("108", "x")
    with pytest.raises(DataError) as caught:
        peers.read_peers(write(text, "peers.csv"))
    assert len(caught.value.findings) == 5


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("peers.csv", None, "there is no such file of peers"),
        ("peers.xlsx", b"PK", "save the sheet as CSV"),
        ("peers.csv", "Müller".encode("latin-1"), "is not UTF-8"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=said):
        peers.chosen(name, tmp_path)


def test_the_references_example_can_be_read(write):
    text = (ROOT / "nrrsim" / "README.md").read_text()
    example = re.search(r"```csv\n(company,.*?)```", text, re.DOTALL)[1]
    acme, globex = peers.read_peers(write(example, "peers.csv"))
    assert (acme.measure.like, globex.measure.like) == ("point_to_point", "")
    assert globex.measure.words in example


# --- the card -------------------------------------------------------------------------------------


@pytest.fixture
def card(tmp_path):
    def _card(said):
        path = tmp_path / "card.yaml"
        path.write_text(f"notebook: quarterly_report\nledger: {EXAMPLE}\nas_of: 2026-09\n"
                        f"company: Acme\npeers: {said}\n")  # fmt: skip
        return path

    return _card


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("[Braze, PagerDty]", "no figure of PagerDty is known; did you mean PagerDuty?"),
        ("[Braze, braze]", "Braze is named twice"),
        ("Brase", "did you mean Braze?"),
        ("[Braze, 5]", "must be companies' names"),
        ("{a: b}", "must be companies' names"),
        ("[]", "must be companies' names"),
        ("own.csv", "there is no such file of peers"),
    ],
)
def test_a_card_says_in_which_line_a_name_is_not_known(card, said, told):
    with pytest.raises(UsageError) as caught:
        read_card(card(said))
    assert f"card.yaml:5: peers: " in str(caught.value)  # noqa: F541
    assert told in str(caught.value)


def test_a_cards_own_file_is_an_input_and_a_name_is_none(card, tmp_path):
    (tmp_path / "own.csv").write_text(HEAD + GOOD)
    (tmp_path / "Braze").write_text("a file that is called like a company")
    read = read_card(card("[Braze, own.csv]"))
    assert "own.csv" in read.named
    assert "Braze" not in read.named
    assert peers.names(peers.chosen(read.parameters["peers"], tmp_path)) == ["Braze", "Acme"]


# --- the command ----------------------------------------------------------------------------------

ROW = {
    **dict.fromkeys(("metric", "unit", "of", "basis", "source", "tag"), str),
    **dict.fromkeys(("p25", "p75"), float | None),
    "p50": float,
    "year": int | None,
}
PEER = {
    **dict.fromkeys(("company", "metric", "month", "period_end", "source", "words"), str),
    **dict.fromkeys(("definition_key", "period_label", "status", "like", "differs"), str | None),
    "nrr": float,
}
TOP = {
    **dict.fromkeys(("arr", "acv"), float | None),
    "segment": str | None,
    "currency": str,
    **dict.fromkeys(("published", "bands", "usual_grr", "peers"), list),
    **dict.fromkeys(("needs", "leaky_bucket"), dict),
    "left_out": int,
}


def fits(told, form):
    assert set(told) == set(form)
    for name, kind in form.items():
        assert isinstance(told[name], kind), (name, told[name])


def test_the_command_prints_what_stands_beside_a_company(run):
    code, out, err = run("benchmarks", "--arr", "50M", "--segment", "enterprise", "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    fits(told, TOP)
    for each in told["published"]:
        fits(each, ROW)
        assert each["unit"] in ("ratio", "points")
        assert each["tag"] in ("primary", "secondary")
        assert each["source"]
    for each in told["peers"]:
        fits(each, PEER)
    of = {each["of"] for each in told["published"]}
    assert {"all", "enterprise, ACV > 100k USD", "ARR > 5M USD", "ARR > 50M USD"} <= of
    assert not [each for each in of if "SMB" in each or "mid-market" in each]
    assert told["needs"] == {"acv": 12}
    rows = len(benchmarks.published())
    assert len(told["published"]) + sum(told["needs"].values()) + told["left_out"] == rows
    assert run("benchmarks", "--arr", "50M", "--segment", "enterprise", "--json")[1] == out


@pytest.mark.parametrize(
    ("arr", "acv", "of_arr", "of_acv"),
    [
        (4.9e6, 11_999, set(), {"ACV < 12k USD"}),
        (5e6, 12_000, {"ARR > 5M USD"}, {"ACV 12k-25k USD"}),
        (4.9e7, 250e3, {"ARR > 5M USD"}, {"ACV > 250k USD"}),
        (5e7, 249_999, {"ARR > 5M USD", "ARR > 50M USD"}, {"ACV 100k-250k USD"}),
        (9e5, 12_000, set(), set()),  # the survey by contract is of companies above 1M
    ],
)
def test_a_figure_is_chosen_by_the_size_that_it_is_of(arr, acv, of_arr, of_acv):
    of = {each["of"] for each in benchmarks.of_company(arr, acv, None)["published"]}
    assert {each for each in of if each.startswith("ARR")} == of_arr
    assert {each for each in of if each.startswith("ACV")} == of_acv


@pytest.mark.parametrize(
    "text", ["50M", "$50M", "50_000_000", "50,000,000", "50 m", "US$50M", "50M USD"]
)
def test_an_amount_is_read_as_it_is_written(run, text):
    assert json.loads(run("benchmarks", "--arr", text, "--json")[1])["arr"] == 5e7


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--arr", "€50M"], "the surveys are in US dollars"),
        (["--arr", "50M EUR"], "the surveys are in US dollars"),
        (["--arr", "lots"], "must be an amount of US dollars"),
        (["--arr", "50"], "did you mean 50M?"),
        (["--arr", "50,5M"], "must be an amount"),
        (["--arr", "0"], "must be an amount"),
        (["--arr", "-5M"], "must be an amount"),
        (["--acv", "x"], "--acv: must be an amount"),
        (["--segment", "entreprise"], "did you mean enterprise?"),
    ],
)
def test_what_is_no_size_is_refused(run, words, told):
    code, out, err = run("benchmarks", *words)
    assert (code, out) == (2, "")
    assert told in err


def test_the_command_tells_people_the_same(run):
    _, out, _ = run("benchmarks", "--arr", "50M", "--segment", "Mid_Market", "--acv", "30k")
    told = benchmarks.of_company(5e7, 3e4, "mid-market")
    for each in told["published"]:
        assert each["source"] in out
        assert each["basis"] in out
    for each in told["peers"]:
        assert f"{each['company']} {each['metric']}, {each['month']}" in out
        assert each["source"] in out
    assert "more with:" not in out
    assert "--segment" in run("benchmarks")[1]
