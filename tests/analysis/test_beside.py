"""The published row beside a report: of its own size and currency, said so where there is none, and as it was published."""

import csv
import re

import pandas as pd
import pytest
from conftest import ROOT, SHARED, said_of

import nrrsim as nr
from nrrsim import benchmarks
from nrrsim.analysis.actuals import Actuals
from nrrsim.analysis.beside import published_beside, why_none
from nrrsim.report.wording import sizes

EXAMPLE = ROOT / "nrrsim" / "data" / "meridian.csv"


def past_of(write, *paying, currency="USD", window=12, segment="smb"):
    """Actuals of customers who pay so much a year, and pay a tenth more at its end."""
    begin = "2024-12" if window == 12 else "2025-09"
    rows = [f"c{n},{begin},{arr},{segment}" for n, arr in enumerate(paying)]
    rows += [f"c{n},2025-12,{arr * 1.1},{segment}" for n, arr in enumerate(paying)]
    ledger = write("customer,month,arr,segment\n" + "\n".join(rows) + "\n")
    return Actuals(nr.read_ledger(ledger, currency=currency), "2025-12", window)


# --- which row ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typical", "row", "nrr", "grr"),
    [
        (5_000, "below 12k", 1.00, 0.90),
        (11_999, "below 12k", 1.00, 0.90),
        (12_000, "12k to 25k", 1.02, 0.90),  # at a bound: the upper row
        (31_000, "25k to 50k", 1.03, 0.92),
        (50_000, "50k to 100k", 1.05, 0.93),
        (100_000, "100k to 250k", 1.07, 0.93),
        (250_000, "above 250k", 1.10, 0.93),
    ],
)
def test_the_row_is_that_of_the_median_customers_contract(write, typical, row, nrr, grr):
    others = [typical / 4] * 31 + [typical * 4] * 30 + [1e7]  # the mean is far from the median
    past = past_of(write, *others, typical)
    frame = published_beside(past)
    whole = frame.iloc[0]
    assert (whole["kind"], whole["typical"], whole["row"]) == ("all", typical, row)
    assert (whole["published_nrr"], whole["published_grr"]) == (nrr, grr)
    assert whole["nrr"] == pytest.approx(1.1)


def test_each_band_and_segment_has_the_row_of_its_own_median():
    frame = published_beside(Actuals(nr.read_ledger(EXAMPLE, currency="USD"), "2026-09"))
    bounds = [0.0, *benchmarks.CONTRACTS.bounds, float("inf")]
    opening = pd.read_csv(EXAMPLE).query("month == '2025-09'").assign(arr=lambda f: 12 * f["mrr"])
    edges = {"below 10k": (0, 10e3), "10k to 50k": (10e3, 50e3), "50k to 100k": (50e3, 100e3)}
    edges |= {"100k to 1M": (100e3, 1e6), "above 1M": (1e6, float("inf"))}
    for each in frame.to_dict("records"):
        mine = opening
        if each["kind"] == "segment":
            mine = opening[opening["segment"] == each["name"]]
        elif each["kind"] == "size":
            low, high = edges[each["name"]]
            mine = opening[(opening["arr"] >= low) & (opening["arr"] < high)]
        assert each["customers"] == len(mine)
        assert each["typical"] == pytest.approx(mine["arr"].median())
        number = benchmarks.CONTRACTS.names.index(each["row"])
        assert bounds[number] <= each["typical"] < bounds[number + 1]
    assert frame["kind"].tolist() == ["all"] + ["segment"] * 3 + ["size"] * 5
    assert [*frame["name"][4:]] == [*edges]


def test_the_example_says_which_survey_and_which_row():
    said = said_of(Actuals(nr.read_ledger(EXAMPLE, currency="USD"), "2026-09"), "published")
    plain = said.replace("\\", "").replace("<span>$</span>", "$")
    for phrase in (
        "The median customer pays $48.2K a year",
        "contracts of $25K to $50K report a median NRR of 103% and a median GRR of 92%",
        "(SaaS Capital survey 2023)",
        "118% for Enterprise (115.5% here)",
        "SMB is left out: the published figure is for contracts of another size",
        "above $5M of ARR is about 13% (KBCM survey 2019, figures for 2018); here it is 11.1%",
    ):
        assert phrase in plain, plain


# --- none, and why --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "why", "said"),
    [
        ({"currency": "EUR"}, "currency", "in US dollars; this report is in EUR"),
        ({"currency": None}, "currency", "this report states no currency"),
        ({"window": 3}, "window", "this window is not compared"),
        ({"arr": 90_000}, "company", "excludes companies below $1M of ARR"),
    ],
)
def test_no_row_of_another_size_currency_or_window(write, how, why, said):
    arr = how.pop("arr", 200_000)
    past = past_of(write, *[arr] * 10, **how)
    assert why_none(past) == why
    frame = published_beside(past)
    assert frame.empty
    assert "published_nrr" in frame
    told = said_of(past, "published").replace("\\", "").replace("<span>$</span>", "$")
    assert said in told
    assert not re.search(r"\d+%", told)
    assert sizes.beside(past).empty


@pytest.mark.parametrize(
    ("name", "typical", "found"),
    [
        ("enterprise", 100e3, (1.18, True)),
        ("Enterprise", 99e3, (1.18, False)),
        ("mid_market", 1.0, (1.08, True)),
        ("Mid-Market", 9e9, (1.08, True)),
        ("SMB", 24_999, (0.97, True)),
        ("smb", 25e3, (0.97, False)),
        ("retail", 5e4, None),
        ("smb_plus", 5e3, None),
    ],
)
def test_a_segments_row_is_of_its_name_and_its_contracts(name, typical, found):
    assert benchmarks.of_segment(name, typical) == found


def test_gross_churn_is_of_large_companies_alone(write):
    small, large = past_of(write, *[300_000] * 10), past_of(write, *[600_000] * 10)
    assert "above $5M" not in said_of(small, "published").replace("<span>\\$</span>", "$")
    assert sizes.Published.of(small).gross_churn is None
    assert sizes.Published.of(large).gross_churn == benchmarks.GROSS_CHURN


# --- as published ---------------------------------------------------------------------------------


@pytest.mark.shared
def test_figures_are_those_of_the_collected_surveys():
    with (SHARED / "benchmarks.csv").open() as file:
        rows = [each for each in csv.DictReader(file) if each["p50"]]
    published = {(each["metric"], each["segment"], each["source"][:4]): each for each in rows}

    def figure(metric, segment, source):
        return float(published[metric, segment, source]["p50"]) / 100

    called = ["< 12k", "12k-25k", "25k-50k", "50k-100k", "100k-250k", "> 250k"]
    for metric, medians in benchmarks.BY_CONTRACT.items():
        for each, median in zip(called, medians, strict=True):
            assert figure(f"{metric}_pct", f"ACV {each} USD", "SaaS") == pytest.approx(median)
    named = ("enterprise, ACV > 100k USD", "mid-market", "SMB, ACV < 25k USD")
    for name, (nrr, *_) in zip(named, benchmarks.BY_SEGMENT.values(), strict=True):
        assert figure("nrr_pct", name, "digi") == pytest.approx(nrr)
    churn = figure("gross_dollar_churn_pct", "ARR > 5M USD", "KBCM")
    assert churn == pytest.approx(benchmarks.GROSS_CHURN)
