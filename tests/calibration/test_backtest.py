"""Forecasts beside what happened: no look ahead, and scores against another library."""

import json
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import scoringrules
from conftest import HOSTILE, ROOT, SHARED, said_of, squeezed, text_of
from english import unlike_a_board
from test_calibration import EXAMPLE, thin, written

import nrrsim as nr
from nrrsim.analysis.customers import interval
from nrrsim.analysis.forecast import Forecast
from nrrsim.calibration.backtest import (
    RULES,
    SCORED,
    SHARES_TOLD,
    Backtest,
    backtest,
    crps,
    origins,
)
from nrrsim.cli.text import backtest_lines
from nrrsim.months import month_name, parse_month, shift
from nrrsim.movements import MOVEMENTS
from nrrsim.report.charts import outlook, style
from nrrsim.report.run import run_card
from nrrsim.report.wording import forecast, labels

BEGIN = parse_month("2022-12", "month")
QUANTILES = [f"p{100 * each:02.0f}" for each in SHARES_TOLD]


@pytest.fixture(scope="module")
def example():
    return nr.read_ledger(EXAMPLE)


@pytest.fixture(scope="module")
def past(example):
    return backtest(example, trials=500)


# --- scores ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("actual", [-2.0, 0.1, 0.9, 5.0])
def test_the_score_is_that_of_another_library(actual):
    drawn = np.random.default_rng(1).normal(size=300)
    expected = scoringrules.crps_ensemble(actual, drawn, estimator="nrg", backend="numpy")
    assert crps(drawn, actual) == pytest.approx(float(expected), abs=1e-12)


def test_the_score_of_a_point_is_its_error():
    assert crps(np.full(10, 1.2), 1.05) == pytest.approx(0.15)


def test_the_score_of_a_normal_forecast_in_closed_form():
    """CRPS of N(0, 1) at 0 is sqrt(2 / pi) - 1 / sqrt(pi) (Gneiting and Raftery 2007)."""
    from scipy import stats

    even = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    assert crps(even, 0.0) == pytest.approx(np.sqrt(2 / np.pi) - 1 / np.sqrt(np.pi), abs=1e-4)


# --- no look ahead --------------------------------------------------------------------------------


def test_what_comes_later_changes_no_forecast(example, tmp_path):
    """Cut after the outcome, and with everything after the origin made ten times larger:
    the same forecast.
    """
    frame = pd.read_csv(EXAMPLE)
    origin, end = "2024-12", "2025-12"
    whole = backtest(example, first=origin, to=end, trials=200).frame
    cut = written(frame[frame["month"] <= end], tmp_path)
    pd.testing.assert_frame_equal(backtest(cut, first=origin, trials=200).frame, whole)
    larger = frame.assign(mrr=frame["mrr"].where(frame["month"] <= origin, 10 * frame["mrr"]))
    larger["unit_price"] = larger["unit_price"].where(
        larger["month"] <= origin, 10 * larger["unit_price"]
    )
    other = backtest(written(larger, tmp_path), first=origin, to=end, trials=200).frame
    told = ["origin", "measure", "segment", *QUANTILES]
    pd.testing.assert_frame_equal(other[told], whole[told])
    assert (other["actual"] != whole["actual"]).any()


def test_the_same_seed_gives_the_same_bits(example):
    first, again, other = (
        backtest(example, every=12, trials=200, seed=seed).frame for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert (first[QUANTILES] != other[QUANTILES]).any(axis=None)


# --- what forecasts are compared with -------------------------------------------------------------


@pytest.mark.parametrize(("measure", "number"), [("nrr", 0), ("grr", 1), ("logo", 2)])
@pytest.mark.parametrize("segment", ["all", "smb"])
def test_outcomes_and_rules_by_hand(example, past, measure, number, segment):
    """Two normal distributions around last year's figure and the mean of past years; their scores
    are another library's closed form.
    """

    def figure(month):
        year, is_whole = example.cohort(month), segment == "all"
        of = (nr.nrr, nr.grr, nr.logo)[number]
        return float(of(year) if is_whole else of(year, by_segment=True).sel(segment=segment))

    rows = past.frame[past.frame["measure"] == measure].set_index(["origin", "segment"])
    row = rows.loc["2025-09", segment]
    now, *years = (figure(month) for month in ("2026-09", "2025-09", "2024-09"))
    assert parse_month(example.months[0], "m") > parse_month("2022-09", "m"), "two past years"
    assert row["actual"] == pytest.approx(now)

    k, mean = len(years), np.mean(years)
    last_sd = np.sqrt((0.03**2 + np.diff(years) @ np.diff(years)) / k)
    mean_sd = np.sqrt((0.03**2 + ((years - mean) ** 2).sum()) / k * (1 + 1 / k))
    for name, middle, sd in (("last", years[0], last_sd), ("mean", mean, mean_sd)):
        if measure == "nrr":  # the others are cut at 1
            score = scoringrules.crps_normal(now, middle, sd)
            assert row[name] == pytest.approx(float(score), abs=5e-4), name
    assert row["mean_off"] == pytest.approx(abs(mean - now), abs=1e-6)


def test_every_forecaster_is_scored_on_the_same_outcomes(example, past):
    assert list(past.summary())[-len(SCORED) :] == list(SCORED)
    holed = past.frame.copy()
    holed.loc[holed["origin"] == "2024-12", ["past", "last", "mean"]] = np.nan  # no past year yet
    row = Backtest(holed, 1, 100).summary().set_index("measure").loc["nrr"]
    rest = past.frame[(past.frame["origin"] > "2024-12") & (past.frame["segment"] == "all")]
    rest = rest[rest["measure"] == "nrr"]
    assert row["n"] == len(rest) + 1
    for name in SCORED:
        assert row[name] == pytest.approx(rest[name].mean()), name


# --- from where forecasts are made ----------------------------------------------------------------


def test_origins_know_two_years_and_leave_one(example):
    found = origins(example)
    assert found[0] >= shift(example.months[0], 24)
    assert found[-1] == shift(example.months[-1], -12)
    assert {parse_month(b, "b") - parse_month(a, "a") for a, b in pairwise(found)} == {3}
    with pytest.raises(nr.UsageError, match=r"needs 37 months at least.*with --first 12, 25"):
        origins(example, to="2025-06")
    early = origins(example, first=12)
    assert early[-len(found) :] == found
    assert len(early) == 8
    assert origins(example, first=early[2]) == early[2:]
    assert origins(example, first=12.0, every=12) == ["2024-09", "2025-09"]


@pytest.mark.parametrize(
    ("months", "step", "first", "expected"),
    [
        (33, 1, 12, 3),  # from months 14, 17 and 20
        (25, 1, 12, 1),
        (24, 1, 12, "needs 25 months at least: 12 of change"),
        (33, 1, None, "with --first 12, 25 months are enough"),
        (37, 1, None, 1),
        (33, 1, 11, "learns from 12 months at least, got 11"),
        (33, 1, 22, "needs 35 months at least"),
        (33, 1, "2023-06", "from 2023-06 nothing can be tested"),
        (33, 1, "2023-12", 3),
        (5, 12, 12, 3),  # years of an annual ledger
        (5, 12, None, 2),
        (9, 3, 12, 1),
        (12, 3, 12, 4),
    ],
)
def test_how_much_ledger_a_back_test_takes(months, step, first, expected, tmp_path):
    ledger = written(thin(a=range(0, months * step, step), b=[0, step]), tmp_path)
    if isinstance(expected, int):
        assert len(origins(ledger, first=first)) == expected
    else:
        with pytest.raises(nr.UsageError, match=expected):
            origins(ledger, first=first)


def test_a_young_company_has_evidence_and_is_told_how_little(tmp_path):
    frame = thin(**{f"c{n}": range(n % 7, 33 - n % 5 * (n % 3)) for n in range(30)})
    told = backtest(written(frame, tmp_path), first=12, trials=200).told()
    assert told["origins"] == [month_name(BEGIN + n) for n in (14, 17, 20)]
    assert told["whole"]["nrr"]["years"] == 1
    assert told["recurs"]
    assert "One independent year: too little to judge." in backtest_lines(told)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_from_where_nobody_was_there_nothing_is_forecast(tmp_path):
    """A contract of one month, and two after nearly two years: from January 2025 no pair of months
    a year apart is known, from December 2024 one.
    """

    def back_test(*contracts: str) -> Backtest:
        rows = "\n".join(["customer,start,end,mrr", *contracts])
        (tmp_path / "contracts.csv").write_text(rows)
        ledger = nr.read_ledger(tmp_path / "contracts.csv", period_end="inclusive", until="2026-12")
        return backtest(ledger, every=1, trials=20)

    early = "a,2022-12-01,2022-12-31,100"
    later = ("b,2024-10-01,2026-12-31,100", "c,2024-10-01,2025-12-31,100")
    found = set(back_test(early, *later).frame["origin"])
    assert {"2024-12", "2025-10", "2025-12"} <= found
    assert not {"2025-01", "2025-02"} & found
    with pytest.raises(nr.UsageError, match="nothing can be tested: from 2024-12 to 2025-12"):
        back_test(early, "b,2026-03-01,2026-12-31,100")


# --- what is said of them -------------------------------------------------------------------------


def scored(number: int, every: int = 3, **columns) -> Backtest:
    """So many forecasts of the book's NRR, `every` so many months, with these columns."""
    rows = [{"origin": month_name(BEGIN + every * n), "measure": "nrr", "segment": "all"}
            for n in range(number)]  # fmt: skip
    usual = dict.fromkeys(QUANTILES, 1.0) | dict.fromkeys((*SCORED, "mean_off"), 0.1)
    known = {"actual": 1.0, "pit": 0.5, **usual, **columns}
    return Backtest(pd.DataFrame(rows).assign(**known), 1, 100)


def test_coverage_counts_what_lies_inside():
    """Ten outcomes, one in the middle of each tenth of its forecast."""
    at = (np.arange(10) + 0.5) / 10
    quantiles = {name: 1 + int(name[1:]) / 100 - at for name in QUANTILES}
    told = scored(10, pit=at, **{name: each for name, each in quantiles.items()})
    row = told.summary().set_index("measure").loc["nrr"]
    # both ends of the 50 and 90 % ranges are outcomes, and inside
    assert row[["cover50", "cover80", "cover90"]].tolist() == [0.6, 0.8, 1.0]
    assert row["width80"] == pytest.approx(0.8)
    assert row["years"] == told.years == 3  # 27 months
    assert told.pit()["count"].tolist() == [1] * 10


@pytest.mark.parametrize(
    ("model", "mean", "number", "every", "recurs"),
    [
        (0.186, 0.099, 19, 3, False),
        (0.186, 0.099, 2, 12, False),
        (0.186, 0.099, 4, 3, True),  # one year alone
        (0.186, 0.150, 19, 3, True),  # 3.6 points worse, and 1.24 times
        (0.030, 0.011, 19, 3, True),  # 2.7 times, and 1.9 points
        (0.032, 0.011, 19, 3, False),
        (0.088, 0.124, 19, 3, True),
        (0.088, np.nan, 19, 3, True),
    ],
)
def test_revenue_does_not_recur_where_the_model_is_clearly_worse(
    model, mean, number, every, recurs
):
    told = scored(number, every, model=model, mean_off=mean)
    assert told.recurs == recurs == told.told()["recurs"] == told.record()["backtest"]["recurs"]
    lines = "\n".join(backtest_lines(told.told()))
    assert ("does not recur" in lines) != recurs
    assert ("Revenue does not recur" in said_of(told, "backtest")) != recurs
    assert unlike_a_board(lines) == unlike_a_board(said_of(told, "backtest")) == []


@pytest.mark.parametrize(("swing", "recurs"), [(0.02, True), (1.2, False)])
def test_hourly_billing_does_not_recur_and_subscriptions_do(swing, recurs, tmp_path):
    """Forty clients, a tenth of whom leave each year; each month is billed anew, or nearly as the
    month before.
    """
    rng = np.random.default_rng(4)
    rows = []
    for client in range(40):
        level, begins = 100 * rng.lognormal(0, 0.7), int(rng.integers(0, 30) * (client % 2))
        ends = begins + int(rng.exponential(120)) + 1
        for month in range(begins, min(ends, 73)):
            amount = round(level * rng.lognormal(0, swing), 2)
            rows.append((f"c{client}", month_name(BEGIN + month), amount, "one"))
    frame = pd.DataFrame(rows, columns=["customer", "month", "mrr", "segment"])
    tested = backtest(written(frame, tmp_path), every=12, trials=300)
    assert tested.years >= 3
    assert tested.recurs == recurs


def test_the_json_of_a_back_test(example, past):
    told = json.loads(json.dumps(past.told(), allow_nan=False))
    assert list(told) == ["trials", "origins", "recurs", "whole", "segments", "forecasts"]
    for of in ("whole", "segments"):
        assert list(told[of]) == ["nrr", "grr", "logo"]
        for each in told[of].values():
            assert list(each) == ["n", "years", "cover50", "cover80", "cover90", "width80", "crps",
                                  "ingredients", "rules"]  # fmt: skip
            assert list(each["ingredients"]) == ["ratios", "past", "model"]
            assert list(each["rules"]) == ["last", "mean", "past"]
    groups = {(row["as_of"], row["segment"], row["measure"]) for row in told["forecasts"]}
    assert len(groups) == len(told["forecasts"]) == 4 * 4 * 3
    inside = 0
    for row in told["forecasts"]:
        assert list(row) == ["as_of", "horizon", "segment", "measure", *QUANTILES, "outcome"]
        quantiles = [row[name] for name in QUANTILES]
        assert quantiles == sorted(quantiles)
        outcome = nr.nrr(example.cohort(shift(row["as_of"], 12)))
        if (row["segment"], row["measure"]) == (None, "nrr"):
            assert row["outcome"] == pytest.approx(outcome, abs=1e-6)
            inside += row["p10"] <= row["outcome"] <= row["p90"]
    assert told["whole"]["nrr"]["cover80"] == pytest.approx(inside / 4)
    assert "forecasts" not in past.record()["backtest"]


def test_a_back_test_tells_the_very_forecasts_that_were_made(tmp_path):
    """From an origin in its middle and from a forecast as of then: the same rows, to the digit."""
    ledger = written(thin(**{name: range(30) for name in "ab"}, c=range(9), d=range(20)), tmp_path)
    origin = ledger.months[12]
    tested = backtest(ledger, first=origin, to=ledger.months[24], trials=4_000).told()
    made = nr.forecast(nr.actuals(str(tmp_path / "ledger.csv"), origin), trials=4_000).told()
    rows = [
        {name: each for name, each in row.items() if name != "ingredients"}
        for row in made["forecasts"]
        if row["horizon"] == 12
    ]
    assert rows
    assert rows == [
        {name: each for name, each in row.items() if name != "outcome"}
        for row in tested["forecasts"]
    ]


# --- real ledgers ---------------------------------------------------------------------------------

REAL = {  # months before the first origin, whether it recurs, the most of the best rule's error
    "sf_retainers": (24, True, 1.0),
    "sf_clients": (24, False, 1.07),
    "finland_journals": (12, True, 1.1),
    "example": (12, True, 1.5),  # made up: its years are alike, which the rules are made for
}


@cache
def judged(name: str) -> Backtest:
    path = EXAMPLE if name == "example" else SHARED / f"{name}.csv"
    return backtest(path, first=REAL[name][0], trials=1_000)


@pytest.mark.shared
@pytest.mark.parametrize("name", REAL)
def test_beside_the_best_of_the_rules_on_real_ledgers(name):
    """As the README prints it: closer on average, not on every ledger."""
    for segments in (False, True):
        rows = judged(name).summary(segments).set_index("measure").loc[["nrr", "grr"]]
        assert (rows["crps"] <= REAL[name][2] * rows[[*RULES]].min(axis=1)).all(), rows


@pytest.mark.shared
@pytest.mark.parametrize("name", REAL)
def test_whether_a_real_ledger_recurs_is_said_at_each_date(name):
    whole = judged(name)
    dates = [replace(whole, frame=whole.frame[whole.frame["origin"] <= origin])
             for origin in whole.told()["origins"]]  # fmt: skip
    assert [each.recurs for each in dates] == [REAL[name][1] or each.years < 2 for each in dates]


@pytest.mark.shared
@pytest.mark.parametrize("segments", [False, True])
@pytest.mark.parametrize("measure", ["nrr", "grr"])
def test_80_percent_ranges_hold_what_they_say(measure, segments):
    """Over the ledgers, each once; and of the example all eight, as its years are alike."""
    rows = [judged(name).summary(segments).set_index("measure").loc[measure] for name in REAL]
    assert 0.7 <= np.mean([row["cover80"] for row in rows]) <= 0.9
    if not segments:
        assert (rows[-1]["n"], rows[-1]["cover80"]) == (8, 1.0)


# --- the forecast in a report ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def ahead():
    return nr.forecast(nr.actuals(str(EXAMPLE), "2026-09", target=1.10), trials=1_000)


def test_the_fan_starts_where_the_past_ends(ahead, example):
    fan = ahead.fan()
    reported, coming = (fan[fan["name"] == name] for name in ("reported", "forecast"))
    assert (
        reported["middle"].iloc[-1]
        == coming["middle"].iloc[0]
        == pytest.approx(nr.nrr(example.cohort("2026-09")))
    )
    assert coming["month"].tolist() == ["2026-09", "2026-12", "2027-03", "2027-06", "2027-09"]
    width = (coming["high"] - coming["low"]).to_numpy()
    assert (np.diff(width) > 0).all()  # what has happened is known
    assert width[0] == 0


def test_a_trailing_forecast_is_of_those_who_were_there(ahead, example):
    """Three months ahead NRR cannot be above what is left of the cohort,
    grown, nor depend on newcomers.
    """
    start = "2025-12"
    opening = example.customers(start)["arr"]
    left = example.customers("2026-09")["arr"].reindex(opening.index).dropna().sum() / opening.sum()
    assert ahead.ahead["2026-12"].expected == pytest.approx(left, abs=0.03)


def test_what_the_drivers_say_of_the_whole_book_depends_on_no_trials(ahead):
    """Only what they say of segments is simulated; the mean is the expectation."""
    other = Forecast(ahead.past, trials=200)
    for month, mixture in ahead.mixtures.items():
        model, again = (each.ingredients["model"] for each in (mixture, other.mixtures[month]))
        np.testing.assert_array_equal(model[None], again[None])
    assert (model["smb"] != again["smb"]).any()
    outlook = ahead.scenario.outlook
    expected = float(nr.nrr(nr.expect(ahead.calibration.scenario)))
    assert outlook.nrr.mean == pytest.approx(expected, abs=1e-6)


def test_the_target_and_what_a_later_report_judges(ahead):
    above = (ahead.ahead["2027-09"].values >= 1.10).mean()
    assert ahead.p_target == pytest.approx(above, abs=1 / 200)
    told = json.loads(json.dumps(ahead.record(), allow_nan=False))["forecast"]
    assert list(told["ahead"]) == list(ahead.ahead)
    for month, quantiles in told["ahead"].items():
        assert list(quantiles) == sorted(quantiles)
        assert list(quantiles.values()) == sorted(quantiles.values())
        assert quantiles["p50"] == pytest.approx(np.median(ahead.ahead[month].values))

    outlook = nr.expect(ahead.calibration.scenario)
    for segment, moves in told["expected"].items():
        own = outlook.frame().set_index("segment").loc[segment]
        assert moves["opening"][0] == pytest.approx(own["opening"].iloc[0], abs=0.005)
        for name in MOVEMENTS:
            expected = own[name].to_numpy()
            assert moves.get(name, [0.0] * 12) == pytest.approx(expected, abs=0.0051), name


def test_a_ledger_too_short_has_no_forecast(tmp_path):
    ledger = written(thin(a=range(10), b=range(10)), tmp_path)
    history = nr.actuals(str(tmp_path / "ledger.csv"), ledger.months[-1], window=6)
    none = nr.forecast(history)
    assert not none
    assert "running for 9 months" in said_of(none, "why_not")
    assert not nr.forecast(history, trials=0)
    assert said_of(nr.forecast(history, trials=0), "why_not") == ""
    for name in forecast.SENTENCES.keys() - {"why_not", "slide_why_not"}:
        assert said_of(none, name) == "", name


def test_a_ledger_that_cannot_be_learnt_from_still_has_its_report(tmp_path):
    """A segment called `all` beside others means something else in a scenario:
    no forecast, and the reason.
    """
    frame = thin(**{f"c{n}": range(30) for n in range(20)})
    frame["segment"] = ["all" if int(name[1:]) % 2 else "one" for name in frame["customer"]]
    ledger = written(frame, tmp_path)
    history = nr.actuals(str(tmp_path / "ledger.csv"), ledger.months[-1])
    none = nr.forecast(history)
    assert not none
    assert "has a segment called all" in none.reason
    for half_life, months in ((0.5, None), (None, ["last May"])):
        with pytest.raises(nr.UsageError):
            nr.forecast(history, half_life=half_life, price_months=months)


@pytest.mark.parametrize("months", [13, 20, 30])
def test_short_ledgers_are_forecast_and_say_so(months, tmp_path):
    ledger = written(
        thin(**{f"c{n}": range(n % 7, months) for n in range(30)}, gone=range(5)), tmp_path
    )
    history = nr.actuals(str(tmp_path / "ledger.csv"), ledger.months[-1])
    told = nr.forecast(history, trials=200)
    assert told
    said = [
        said_of(told, name) for name in ("assumptions", "findings", "fan", "tornado", "backtest")
    ]
    assert not any("nan" in each for each in said), said
    assert style.svg(outlook.fan(forecast.fan(told), currency=None))
    assert ("One independent year" if months == 30 else "too short") in said[-1]


def test_names_are_literal_in_a_forecast(tmp_path):
    frame = thin(**{f"c{n}": range(n % 5, 30) for n in range(30)})
    frame["segment"] = [HOSTILE[int(name[1:]) % len(HOSTILE)] for name in frame["customer"]]
    ledger = written(frame, tmp_path)
    told = nr.forecast(nr.actuals(str(tmp_path / "ledger.csv"), ledger.months[-1]), trials=100)
    for name in ("assumptions", "findings", "tornado"):
        assert "<script>" not in said_of(told, name)


# --- how much hangs on whom -----------------------------------------------------------------------


def test_the_bootstrap_has_the_error_of_a_ratio(tmp_path):
    """Many alike customers: the interval is that of the delta method;
    a single customer has none.
    """
    rng = np.random.default_rng(2)
    rows = [(f"c{n}", month, 100 if month == "2025-01" else round(100 * f, 2), "one")
            for n, f in enumerate(rng.normal(1.05, 0.3, 2_000).clip(0.01)) for month in ("2025-01", "2026-01")]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["customer", "month", "arr", "segment"])
    written(frame, tmp_path)
    history = nr.actuals(str(tmp_path / "ledger.csv"), "2026-01")
    low, high = interval(history)
    nrr = history.now.nrr
    assert high - low == pytest.approx(2 * 1.645 * 0.3 / np.sqrt(2_000), rel=0.1)
    assert low < nrr < high


def test_influence_is_leaving_one_out(example):
    history = nr.actuals(str(EXAMPLE), "2026-09")
    first = nr.influence(history).iloc[0]
    opening = example.customers("2025-09")["arr"].drop(first["customer"])
    closing = example.customers("2026-09")["arr"].reindex(opening.index).fillna(0)
    assert first["without"] == pytest.approx(closing.sum() / opening.sum())
    assert first["change"] == pytest.approx(history.now.nrr - first["without"])


# --- pages and the command ------------------------------------------------------------------------


def test_the_back_tests_report(tmp_path):
    card, over = ROOT / "params" / "backtest.yaml", {"trials": 400}
    folder = run_card(card, out=tmp_path, to=("pdf",), engine="embedded", over=over)
    assert unlike_a_board(text_of(folder / "report.pdf")) == []
    text = squeezed(text_of(folder / "report.pdf"))
    for said in (
        "Back-test:4forecastsofNRRayearahead",
        "Forecastaccuracy",
        "Limits",
        "Oneindependentyear:toolittletojudge",
    ):
        assert said in text, said
    assert (
        json.loads((folder / "manifest.json").read_text())["numbers"]["backtest"]["origins"][-1]
        == "2025-09"
    )


def test_calibrate_and_backtest_on_the_command_line(tmp_path, capsys):
    from nrrsim.cli.commands import main

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            main(list(words))
        said = capsys.readouterr()
        return int(leaving.value.code or 0), said.out, said.err

    out = tmp_path / "learnt.yaml"
    code, told, _ = run(
        "calibrate", str(EXAMPLE), "--as-of", "2026-09", "--out", str(out), "--json"
    )
    assert code == 0
    assert json.loads(told)["term"] == {
        "enterprise": "annual",
        "mid_market": "annual",
        "smb": "monthly",
    }
    written_out = nr.read_scenario(out)
    memory = nr.calibrate(nr.read_ledger(EXAMPLE), "2026-09").scenario
    assert nr.nrr(nr.expect(written_out)) == pytest.approx(nr.nrr(nr.expect(memory)), abs=1e-12)
    # its own file, again
    assert run("calibrate", str(EXAMPLE), "--as-of", "2026-09", "--out", str(out))[0] == 0
    own = tmp_path / "own.yaml"
    own.write_text("title: mine\n")
    for words, said in (
        (
            ("calibrate", str(EXAMPLE), "--as-of", "2026-09", "--out", str(own)),
            "choose another --out",
        ),
        (("calibrate", str(EXAMPLE), "--as-of", "2026-09", "--term", "smb"), "--term: write"),
        (("calibrate", str(EXAMPLE), "--as-of", "2026-09", "--term", "smb=weekly"), "weekly"),
        (("calibrate", str(EXAMPLE), "--as-of", "2030-09"), "2030-09"),
        (("calibrate", str(EXAMPLE), "--as-of", "2026-09", "--half-life", "x"), "--half-life"),
        (
            ("calibrate", str(EXAMPLE), str(EXAMPLE), "--as-of", "2026-09", "--out", str(out)),
            "--out: a scenario's book",
        ),
        (
            (
                "calibrate",
                str(EXAMPLE),
                "--as-of",
                "2026-09",
                "--reported",
                "--out",
                str(out),
            ),
            "one ledger file",
        ),
        (("backtest", str(EXAMPLE), "--to", "2025-06"), "needs 37 months"),
        (("backtest", str(EXAMPLE), "--every", "0"), "every"),
        (("backtest", str(EXAMPLE), "--first", "11"), "first: a forecast learns from 12 months"),
        (("backtest", str(EXAMPLE), "--first", "early"), "first: 'early' is not a month"),
    ):
        code, _, err = run(*words)
        assert code in (2, 3), words
        assert said in err, err
        assert "Traceback" not in err
    assert own.read_text() == "title: mine\n"
    card = tmp_path / "card.yaml"
    card.write_text(f"notebook: backtest\nledger: {EXAMPLE}\nfirst: 12\nevery: 12\n")
    for words, said in (
        ((EXAMPLE,), "4 twelve-month forecasts, made from December 2024 to September 2025, 100"),
        ((card,), "2 twelve-month forecasts, made from September 2024 to September 2025"),
        ((card, "--first", "24"), "1 twelve-month forecast, made in September 2025, 100 trials"),
        ((EXAMPLE, "--first", "2025-06"), "2 twelve-month forecasts, made from June 2025 to"),
    ):
        code, told, _ = run("backtest", *map(str, words), "--trials", "100", "--quiet")
        assert (code, told.startswith(said)) == (0, True), told


# --- what an independent review found -------------------------------------------------------------


def test_one_customer_alone_has_no_range_and_a_report(tmp_path):
    written(thin(solo=range(30)), tmp_path)
    history = nr.actuals(str(tmp_path / "ledger.csv"), month_name(BEGIN + 29))
    assert all(np.isnan(interval(history)))
    assert nr.influence(history).empty
    assert said_of(history, "influence") == ""
    assert nr.forecast(history, trials=200)


def test_what_does_not_change_is_exactly_as_it_was(tmp_path):
    """Constant amounts of odd cents:
    an unchanged book is 100 %, not a hair below, and reaches a target of 100 %.
    """
    frame = thin(**{f"c{n}": range(36) for n in range(30)})
    frame["mrr"] = [round(100.1 + int(name[1:]) * 0.37, 2) for name in frame["customer"]]
    ledger = written(frame, tmp_path)
    told = nr.forecast(
        nr.actuals(str(tmp_path / "ledger.csv"), ledger.months[-1], target=1.0), trials=500
    )
    assert told
    end = list(told.ahead.values())[-1].values
    assert ((end == 1.0) | (np.abs(end - 1) > 1e-9)).all()
    assert told.p_target == pytest.approx(float((end > 1 - 1e-9).mean()))


@pytest.mark.parametrize("name", ["U.S. East", "[l](http://e.x)", "all"])
def test_a_segment_with_dots_keeps_its_name(name):
    assert labels.parts_of(f"churn.{name}.rate") == ("churn", name, "rate")
    assert labels.parts_of(f"churn.{name}.by_tenure.2") == ("churn", name, "by_tenure.2")
    assert labels.belief(f"churn.{name}.rate") == ("Churn" if name == "all" else f"Churn, {name}")


@pytest.mark.parametrize("trials", [-5, 1, 99])
def test_too_few_trials_are_an_error(trials):
    with pytest.raises(nr.UsageError, match="trials: must be 0 or at least 100"):
        nr.forecast(nr.actuals(str(EXAMPLE), "2026-09"), trials=trials)


def test_a_target_of_another_measure_is_not_held_against_the_forecast():
    assert (
        nr.forecast(nr.actuals(str(EXAMPLE), "2026-09", window=3, target=1.1), trials=100).p_target
        is None
    )
