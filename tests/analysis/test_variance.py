"""Plan against actual: by hand, by each part's own formula, and what only one side has."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals
from nrrsim.analysis.bridge import shapley
from nrrsim.analysis.since import Published
from nrrsim.analysis.variance import by_movement
from nrrsim.report.card import read_card
from nrrsim.report.run import run_card
from nrrsim.report.wording import plan as wording

# --- by movement, of amounts ----------------------------------------------------------------------

PLANNED = pd.DataFrame(
    {"opening": [40.0, 60.0], "adoption": [4.0, 6.0], "churn": [8.0, 0.0]}, ["smb", "mid"]
)
ACTUAL = pd.DataFrame(
    {"opening": [100.0, 100.0], "adoption": [5.0, 20.0], "contraction": [0.0, 10.0], "churn": [25.0, 0.0]},
    ["smb", "mid"],
)  # fmt: skip


def test_two_segments_by_hand():
    """Planned 0.4 x 0.9 + 0.6 x 1.1 = 1.02, actual 0.5 x 0.8 + 0.5 x 1.1 = 0.95.

    At the mean shares 0.45 and 0.55; the mix: 0.1 more of smb at 0.85, 0.1 less of mid at 1.1.
    """
    parts = by_movement(PLANNED, ACTUAL)
    assert parts.loc["churn"].to_dict() == pytest.approx({"smb": -0.05 * 0.45, "mid": 0.0})
    assert parts.loc["adoption"].to_dict() == pytest.approx(
        {"smb": -0.05 * 0.45, "mid": 0.1 * 0.55}
    )
    assert parts.loc["contraction"].to_dict() == pytest.approx({"smb": 0.0, "mid": -0.1 * 0.55})
    assert parts.loc["mix"].sum() == pytest.approx(0.1 * 0.85 - 0.1 * 1.1)
    assert parts.to_numpy().sum() == pytest.approx(0.95 - 1.02)


def made_up(rng, segments):
    opening = rng.gamma(1, 1, segments) * (rng.random(segments) > 0.15)
    opening[0] += 0.1
    names = ["adoption", "cross_sell", "price", "unsplit", "reactivation", "contraction", "churn"]
    moved = {name: opening * rng.random(segments) * 0.3 for name in names}
    return pd.DataFrame({"opening": opening, **moved}, [f"s{n}" for n in range(segments)])


SIGN = {"contraction": -1, "churn": -1}


def worth_of(planned, actual):
    """NRR of each coalition of shares and rates, worked out on its own; a movement is a player."""
    names = [name for name in planned if name != "opening"]

    def rates(side, other):
        """Of who is not there, those of the other side."""
        own = side if side["opening"] > 0 else other
        return {name: SIGN.get(name, 1) * own[name] / max(own["opening"], 1e-300) for name in names}

    pairs = [(planned.loc[name], actual.loc[name]) for name in planned.index]
    rate = [[rates(*pair) for pair in pairs], [rates(*pair[::-1]) for pair in pairs]]
    share = [side["opening"] / side["opening"].sum() for side in (planned, actual)]
    return names, {
        (of_share, *of_rates): sum(
            share[of_share].iloc[at]
            * (1 + sum(rate[on][at][name] for name, on in zip(names, of_rates, strict=True)))
            for at in range(len(pairs))
        )
        for of_share, *of_rates in product((0, 1), repeat=len(names) + 1)
    }


def test_two_hundred_cases_each_part_by_its_own_formula():
    """Every part is its Shapley value over all 2^8 coalitions, and they add up to the difference."""
    rng = np.random.default_rng(23)
    for _ in range(200):
        segments = int(rng.integers(1, 5))
        planned, actual = made_up(rng, segments), made_up(rng, segments)
        names, worth = worth_of(planned, actual)
        expected = dict(zip(["mix", *names], shapley(worth), strict=True))
        parts = by_movement(planned, actual)
        found = parts.sum(axis=1)
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, abs=1e-12), name
        whole = worth[(1,) * (len(names) + 1)] - worth[(0,) * (len(names) + 1)]
        assert found.sum() == pytest.approx(whole, abs=1e-12)
        assert parts.to_numpy().sum() == pytest.approx(whole, abs=1e-12)


def test_a_segment_of_one_side_differs_in_its_share_alone():
    actual = pd.concat(
        [ACTUAL, pd.DataFrame({"opening": [50.0], "churn": [50.0]}, ["new"])]
    ).fillna(0.0)
    parts = by_movement(PLANNED, actual)
    assert set(parts.columns) == {"smb", "mid", "new"}
    assert (parts.drop("mix")["new"] == 0).all()
    assert parts.to_numpy().sum() == pytest.approx(190 / 250 - 1.02, abs=1e-12)


# --- of a ledger ----------------------------------------------------------------------------------

# smb: Ash 10 stays, Birch 10 leaves in March; mid: Cedar 20 grows to 26 in September, Doe joins in
# June with 4. NRR 36/40, of smb 0.5, of mid 1.3.
ROWS = [("Ash", "smb", 1, 13, 10), ("Birch", "smb", 1, 2, 10), ("Cedar", "mid", 1, 8, 20)]
ROWS += [("Cedar", "mid", 9, 13, 26), ("Doe", "mid", 6, 13, 4)]


def month(number):
    return f"{2025 + (number - 1) // 12}-{(number - 1) % 12 + 1:02d}"


@pytest.fixture
def past(write):
    rows = [
        f"{name},{month(at)},{arr},{segment}\n"
        for name, segment, first, last, arr in ROWS
        for at in range(first, last + 1)
    ]
    ledger = nr.read_ledger(write("customer,month,arr,segment\n" + "".join(rows)), currency="EUR")
    return Actuals(ledger, "2026-01")


def against(past, write, text, name="plan.csv"):
    return nr.variance(past, write(text, name))


def test_a_plan_of_arr_by_hand(past, write):
    """Newcomers included: smb 10 of 12, mid 30 of 25, and a segment that was only planned."""
    found = against(
        past, write, "month,segment,arr\n2026-01,smb,12\n2026-01,mid,25\n2026-01,new,1\n"
    )
    planned = found.planned
    assert (planned.measure, planned.planned, planned.actual) == ("arr", 38, 40)
    assert planned.parts.to_dict() == {"smb": -2, "mid": 5, "new": -1}
    assert (planned.only_planned, planned.only_actual) == (("new",), ())
    figures = found.figures().set_index("name")
    assert figures["variance"].to_dict() == {"smb": -2, "mid": 5, "new": -1, "all": 2}
    steps = planned.steps()
    assert steps["amount"].tolist() == [38, 5, -2, -1, 40]
    assert steps["end"].tolist()[-2:] == [40, 40]
    assert found.record()["plan"]["parts"] == {"mid": 5, "smb": -2, "new": -1}


@pytest.mark.parametrize(
    ("names", "labels", "found"),
    [
        (("SMB", "Mid"), {}, {"smb", "mid"}),
        (("Small business", "mid"), {"smb": "Small business"}, {"smb", "mid"}),
        (("SMB", "smb"), {}, {"SMB", "smb", "mid"}),  # which of the two is meant is not told
    ],
)
def test_a_plan_may_call_a_segment_as_pages_do(past, write, names, labels, found):
    text = "month,segment,arr\n" + "".join(f"2026-01,{name},12\n" for name in names)
    against_it = against(replace(past, labels=labels), write, text)
    assert set(against_it.planned.parts.index) == found


def test_of_nothing_planned_there_is_no_share(past, write):
    found = against(past, write, "month,segment,arr\n2026-01,smb,0\n2026-01,mid,0\n")
    told = wording.columns(found)["formats"]["ratio"]
    assert [told(ratio) for ratio in wording.figures(found)["ratio"]] == ["n/a"] * 3


def test_a_plan_of_nrr_by_hand(past, write):
    """Each segment at its half of the opening: smb 0.5 of 0.9, mid 1.3 of 1.1."""
    planned = against(past, write, "month,segment,nrr\n2026-01,smb,90%\n2026-01,mid,1.1\n").planned
    assert (planned.measure, planned.planned, planned.actual) == ("nrr", 1.0, 0.9)
    assert planned.parts.to_dict() == pytest.approx({"smb": -0.2, "mid": 0.1})


@pytest.mark.parametrize(("measure", "stated", "actual"), [("arr", 50, 40), ("nrr", 1.2, 0.9)])
def test_a_plan_of_the_whole_company(past, write, measure, stated, actual):
    found = against(past, write, f"month,segment,{measure}\n2026-01,all,{stated}\n")
    assert (found.planned.planned, found.planned.actual) == (stated, pytest.approx(actual))
    assert found.figures()["name"].tolist() == ["all"]
    assert wording.bridge(found) is None  # there are no parts to draw


def test_a_plan_by_segment_of_a_ledger_without_any(write):
    past = Actuals(
        nr.read_ledger(write("customer,month,arr\nA,2025-01,5\nA,2026-01,6\n")), "2026-01"
    )
    found = against(past, write, "month,segment,arr\n2026-01,smb,3\n2026-01,mid,4\n")
    assert (found.planned.planned, found.planned.actual) == (7, 6)
    assert found.planned.only_planned == found.planned.only_actual == ()


def test_a_plan_of_some_segments_is_of_their_nrr(past, write):
    found = against(past, write, "month,segment,nrr\n2026-01,mid,1.1\n2026-01,far,1.0\n")
    assert (found.planned.planned, found.planned.actual) == (1.1, pytest.approx(1.3))
    assert (found.planned.only_actual, found.planned.only_planned) == (("smb",), ("far",))
    assert found.is_part
    assert "In the segments of the plan, NRR" in said("figures", found)
    assert "Not in the plan: SMB, left out of both totals" in said("notes", found)
    assert "In the plan alone: Far (no customers a year earlier)" in said("notes", found)


SCENARIO = "months: {months}\nbook: {{ledger: ledger.csv, as_of: {as_of}}}\ndrivers: {drivers}\n"


@pytest.mark.parametrize(
    ("as_of", "months", "planned", "parts"),
    [
        # nothing was to change: all that did is the difference
        ("2025-01", 12, 1.0, {"unsplit": 0.15, "churn": -0.25}),
        ("2025-01", 24, 1.0, {"unsplit": 0.15, "churn": -0.25}),
        # Birch's leaving was known; of the rest nothing was to change
        ("2025-06", 7, 0.75, {"unsplit": 0.15}),
        ("2025-12", 1, 0.9, {}),
    ],
)
def test_a_scenario_is_compared_from_its_own_first_month_on(
    past, write, as_of, months, planned, parts
):
    text = SCENARIO.format(as_of=as_of, months=months, drivers="{}")
    found = against(past, write, text, "plan.yaml").planned
    assert found.planned == pytest.approx(planned)
    assert found.actual == pytest.approx(0.9)
    told = {name: part for name, part in found.parts.items() if abs(part) > 1e-12}
    assert told == pytest.approx(parts)
    assert found.since == (None if as_of == "2025-01" else as_of)
    assert found.merged  # a ledger of amounts says not why they rose


def test_a_scenario_begun_before_the_window_is_followed_through_it(write):
    """At a constant rate a month, whoever is there when the window begins is halved in a year."""
    rows = [f"{name},{month(at)},5\n" for name in "AB" for at in range(0, 14)]
    past = Actuals(nr.read_ledger(write("customer,month,arr\n" + "".join(rows))), "2026-01")
    text = "months: 18\nbook: {ledger: ledger.csv, as_of: 2024-12, term: {all: monthly}}\n"
    found = against(past, write, text + "drivers: {churn: {all: 0.5}}\n", "plan.yaml").planned
    assert (found.planned, found.actual) == (pytest.approx(0.5), 1.0)
    assert found.parts["churn"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("smb", "mid"), [("smb", "mid"), ("SMB", "Mid"), ("Small business", "mid")]
)
@pytest.mark.parametrize("starts", ["", "starts: 2025-01, "])
def test_a_scenario_of_a_book_of_its_own_has_its_own_shares(past, write, smb, mid, starts):
    """Half of the customers were to leave, of a book of which smb is a quarter, and not the half.

    It may call segments as pages do, and say of which months it is.
    """
    past = Actuals(past.ledger, "2026-01", labels={"smb": "Small business"} if " " in smb else {})
    parts = f"{{{smb}: {{share: 1, customers: 100}}, {mid}: {{share: 3, customers: 100}}}}"
    text = f"months: 24\nbook: {{arr: 100, {starts}segments: {parts}}}\ndrivers: {{churn: {{all: 0.5}}}}\n"
    found = against(past, write, text, "plan.yaml").planned
    assert found.undated is (not starts)
    assert set(found.segments.index) == {"smb", "mid"}
    assert found.planned == pytest.approx(0.5)
    assert found.parts["mix"] == pytest.approx(0.25 * ((0.5 + 0.5) / 2 - (0.5 + 1.3) / 2))
    assert found.parts.sum() == pytest.approx(0.9 - 0.5, abs=1e-12)


def test_a_scenario_of_numbers_begins_where_it_says(past, write):
    """Birch's leaving in March was known in June; of what was left half was to go in the year."""
    book = "{arr: 100, starts: 2025-06, segments: {SMB: {share: 1, customers: 10, term: monthly}}}"
    text = f"book: {book}\ndrivers: {{churn: {{all: 0.5}}}}\n"
    found = against(past, write, text, "plan.yaml").planned
    left = 0.5 ** (7 / 12)
    assert found.since == "2025-06"
    assert found.planned == pytest.approx((10 * left + 20) / 40)


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        ("month,segment,arr\n2025-10,smb,1\n2025-12,smb,1\n", "plan.csv",
         "no figures for January 2026; it covers October 2025 to December 2025"),
        ("month,segment,nrr\n2026-01,far,1\n", "plan.csv", "none of the ledger's segments"),
        (SCENARIO.format(as_of="2025-06", months=6, drivers="{}"), "plan.yaml",
         "it covers the 6 months after June 2025, not the whole window to January 2026"),
        (SCENARIO.format(as_of="2026-01", months=6, drivers="{}"), "plan.yaml",
         "covers the 6 months after January 2026"),
    ],
)  # fmt: skip
def test_why_a_plan_cannot_be_compared_is_said(past, write, text, name, reason):
    found = against(past, write, text, name)
    assert found.planned is None
    assert reason in found.reason
    assert f"The plan (plan\\.{name[5:]}) is not compared: " in said("why_not", found)
    assert found.figures().empty
    assert wording.bridge(found) is None
    assert said("figures", found) == said("bridge", found) == said("notes", found) == ""


def test_a_ledger_that_is_too_short_for_nrr_still_has_arr(write):
    ledger = nr.read_ledger(write("customer,month,arr\nA,2026-01,5\nA,2026-02,6\n"))
    past = Actuals(ledger, "2026-02", 1)
    assert (
        "does not reach back" in against(past, write, "month,segment,nrr\n2026-02,all,1\n").reason
    )
    found = against(past, write, "month,segment,arr\n2026-02,all,5\n2025-12,all,4\n")
    assert found.planned.difference == 1
    assert found.months_not_there == ["2025-12"]
    assert "In the plan and not in the ledger: December 2025" in said("notes", found)


def test_a_plan_in_another_currency_is_refused(past, write):
    with pytest.raises(nr.UsageError, match=r"plan\.csv is in USD, and the report in EUR"):
        against(past, write, "month,segment,arr\n2026-01,smb,$12\n")


# --- against what was published -------------------------------------------------------------------

RANGE = {"p10": 0.7, "p50": 0.8, "p90": 1.0}


def earlier(**by_month):
    """What earlier reports published; of the same terms, as none are said."""
    quarters = {month.replace("_", "-"): {"terms": {}, **said} for month, said in by_month.items()}
    return Published("A", max(quarters), quarters)


def test_a_years_forecast_by_movement(past):
    """Half of smb and none of mid were to leave: expected 0.75, published 0.8, and it was 0.9."""
    expected = {
        "smb": {"opening": [20.0], "churn": [0.0] * 11 + [10.0]},
        "mid": {"opening": [20.0]},
    }
    found = nr.variance(
        past, None, earlier(**{"2025_01": {"ahead": {"2026-01": RANGE}, "expected": expected}})
    )
    promise = found.published
    assert (promise.made, promise.median, promise.place) == ("2025-01", 0.8, pytest.approx(0.7))
    parts = {name: part for name, part in promise.compared.parts.items() if abs(part) > 1e-12}
    assert parts == pytest.approx({"method": -0.05, "unsplit": 0.15})
    assert promise.compared.parts.sum() == pytest.approx(0.9 - 0.8, abs=1e-12)
    assert said("heading", found) == "# Forecast vs actual"
    assert "The January 2025 report forecast a median NRR of 80.0% (80% range" in said(
        "forecast", found
    )
    told = said("forecast", found)
    assert "it came to **90.0%**, at the 70th percentile, **inside** the range. By segment" in told
    assert wording.bridge(found)["step"].tolist() == [
        "Forecast",
        "Forecast method",
        "Expansion",
        "Actual",
    ]
    assert said("bridge", found) == (
        "Better than forecast: expansion (+15.0 pts); worse: forecast method (−5.0 pts)."
    )


def test_what_comes_back_to_a_segment_that_had_nothing_is_no_part(past):
    """Its parts would not add up: there is no rate of nothing."""
    expected = {
        "smb": {"opening": [20.0] * 12, "churn": [0.25] * 12},
        "mid": {"opening": [0.0] * 12, "reactivation": [1.0] * 12},
    }
    said = {"terms": {}, "ahead": {"2026-01": {"p10": 0.8, "p50": 1.0, "p90": 1.1}}}
    quarters = {"2025-01": {**said, "expected": expected}}
    found = nr.variance(past, None, Published("x", "2025-01", quarters)).published.compared
    assert found.parts.sum() == pytest.approx(found.difference, abs=1e-12)


def test_last_quarters_forecast_moves_what_was_left_of_the_cohort(past):
    """In October Ash's 10 and Cedar's 26 are left. Of a book of 72 the half of smb was to leave."""
    expected = {
        "smb": {"opening": [20.0], "churn": [5.0, 5.0, 0.0, 9.0]},
        "mid": {"opening": [52.0], "adoption": [0.0, 0.0, 5.2, 50.0]},
    }
    said_then = {"ahead": {"2026-01": {**RANGE, "p50": 0.84}}, "expected": expected}
    found = nr.variance(
        past, None, earlier(**{"2025_10": said_then, "2025_07": {"ahead": {"2026-01": RANGE}}})
    )
    compared = found.published.compared
    # (10 + 26 - 5 + 2.6) / 40 was to be expected
    expected = (31 + 2.6) / 40
    assert compared.since == "2025-10"
    assert compared.parts["method"] == pytest.approx(expected - 0.84)
    assert compared.parts["churn"] == pytest.approx(5 / 40)
    assert compared.parts["unsplit"] == pytest.approx(-2.6 / 40)
    assert compared.parts.sum() == pytest.approx(0.9 - 0.84, abs=1e-12)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.91, 1.0, "below the 1st percentile"), (0.7, 0.89, "above the 99th percentile")],
)
def test_what_lies_outside_the_range_is_said_to(past, low, high, words):
    ahead = {"ahead": {"2026-01": {"p10": low, "p50": (low + high) / 2, "p90": high}}}
    assert said("forecast", nr.variance(past, None, earlier(**{"2025_10": ahead}))).endswith(
        f"it came to **90.0%**, {words}, **outside** the range."
    )


def test_a_range_of_other_terms_is_not_compared(past):
    then = {"terms": {"currency": "USD"}, "ahead": {"2026-01": RANGE}}
    assert nr.variance(past, None, earlier(**{"2025_10": then})) is None


def test_a_plan_and_a_forecast_stand_side_by_side(past, write):
    then = {"2025_10": {"ahead": {"2026-01": RANGE}}, "2025_12": {"ahead": {"2026-03": RANGE}}}
    text = "month,segment,nrr\n2026-01,smb,90%\n2026-01,mid,1.1\n"
    found = nr.variance(past, write(text, "plan.csv"), earlier(**then))
    assert found.published.compared is None  # older manifests hold no expected movements
    whole = found.figures().iloc[-1]
    assert (whole["plan"], whole["forecast"], whole["place"]) == (1.0, 0.8, pytest.approx(0.7))
    shown = wording.figures(found).iloc[-1]
    assert (shown["name"], shown["place"]) == ("Total NRR", "70th percentile")
    assert [*wording.columns(found)["labels"]][-2:] == ["forecast", "place"]


def test_nothing_is_said_without_a_plan_and_a_forecast(past):
    assert nr.variance(past) is None
    assert nr.variance(past, None, earlier(**{"2025_12": {"ahead": {"2026-03": RANGE}}})) is None
    assert wording.figures(None).empty
    assert wording.bridge(None) is None
    assert said("heading", None) == ""


# --- words ----------------------------------------------------------------------------------------


def said(name, found):
    return nr.say(name, found).bundle["text/markdown"]


def test_what_is_said_of_a_plan_of_arr(past, write):
    found = against(past, write, "month,segment,arr\n2026-01,smb,12000000\n2026-01,mid,25\n")
    assert said("heading", found) == "# Plan vs actual"
    assert said("figures", found) == (
        "ARR of **€40** at the end of January 2026 is €12.0M (100.0%) below the plan of €12.0M."
    )
    frame = wording.bridge(found)
    assert frame["step"].tolist() == ["Plan", "SMB", "Mid", "Actual"]
    assert wording.currency_of(found) == "EUR"
    nr.charts.bridge(frame, wording.currency_of(found))
    table = nr.tables.table(wording.figures(found), **wording.columns(found), currency="EUR")
    assert "Variance, % of plan" in table.bundle["text/plain"]


def test_many_segments_are_drawn_as_the_largest_and_the_others(write):
    names = [f"s{n}" for n in range(12)]
    rows = "".join(
        f"C{name},{at},{10 + n},{name}\n"
        for n, name in enumerate(names)
        for at in ("2025-01", "2026-01")
    )
    past = Actuals(nr.read_ledger(write("customer,month,arr,segment\n" + rows)), "2026-01")
    plan = "".join(f"2026-01,{name},{10}\n" for name in names)
    steps = against(past, write, "month,segment,arr\n" + plan).planned.steps()
    assert steps["step"].tolist() == ["planned", *names[:4:-1], "others", "actual"]
    assert steps["end"].iloc[-2] == steps["end"].iloc[-1]


def test_a_segment_that_is_called_as_an_end_is_drawn_apart(write):
    rows = "A,2025-01,5,Plan\nA,2026-01,5,Plan\nB,2025-01,9,b\nB,2026-01,9,b\n"
    past = Actuals(nr.read_ledger(write("customer,month,arr,segment\n" + rows)), "2026-01")
    found = against(past, write, "month,segment,arr\n2026-01,Plan,3\n2026-01,b,3\n")
    assert wording.bridge(found)["step"].tolist() == ["Plan", "B", "Plan (segment)", "Actual"]


def test_a_card_names_its_plan_as_a_file(write):
    write("customer,month,arr\nA,2025-01,5\nA,2026-01,5\n")
    text = "notebook: quarterly_report\ncompany: A\nledger: ledger.csv\nas_of: 2026-01\nplan: plan.csv\n"
    card = read_card(write(text, "card.yaml"))
    assert "plan" in card.paths
    assert "plan.csv" in card.named


def test_a_report_compares_with_its_plan_and_hashes_it(past, write, tmp_path):
    write("month,segment,nrr\n2026-01,smb,90%\n2026-01,mid,1.1\n", "plan.csv")
    text = "notebook: quarterly_report\ncompany: A\nledger: ledger.csv\nas_of: 2026-01\n"
    card = write(text + "currency: EUR\ntrials: 0\nplan: plan.csv\n", "card.yaml")
    report = run_card(card, out=tmp_path / "reports", to=())
    manifest = json.loads((report / "manifest.json").read_text())
    assert manifest["numbers"]["plan"] == {
        "measure": "nrr", "planned": 1.0, "actual": 0.9, "parts": {"mid": 0.1, "smb": -0.2}
    }  # fmt: skip
    assert "../../plan.csv" in manifest["inputs"]
    written = (report / "report.ipynb").read_text()
    assert "NRR of **90.0%** is 10.0 points below the plan of 100.0%." in written
    assert "Plan vs actual" in written
