"""How numbers and beliefs are printed, and how ratios are stated: in percent or not."""

from __future__ import annotations

import re
from math import exp

import numpy as np
import pytest
from scipy import stats

import nrrsim as nr
from nrrsim.cli.text import belief_lines
from nrrsim.scenario.beliefs import Z90
from nrrsim.scenario.year_effects import factor_range, swing

A_BOOK = {"arr": 1e6, "segments": {"mid_market": {"share": 1, "customers": 20}}}
RANGE = re.compile(r"([\d.]+)% \(90% (?:range|of events) ([\d.]+)%? to ([\d.]+)%?\)")


def words(driver: str, **fields: object) -> dict[str, str]:
    scenario = nr.Scenario.of({"book": A_BOOK, "drivers": {driver: {"all": fields}}})
    return scenario.table.words(driver, "all")


def lognormal(mean: float, sd: float):
    s = np.sqrt(np.log1p((sd / mean) ** 2))
    return stats.lognorm(s, scale=mean / np.exp(s**2 / 2))


@pytest.mark.parametrize(
    ("belief", "text"),
    [
        (0.158, "15.8%"),
        # the example of how a report is to speak
        ({"dist": "beta", "a": 8.326, "b": 44.233}, "15.8% (90% range 8.4% to 24.7%)"),
        ({"between": [0.08, 0.24]}, "14.9% (90% range 8.0% to 24.0%)"),  # mean by quadrature
        ({"dist": "uniform", "min": "10%", "max": "20%"}, "15.0% (90% range 10.5% to 19.5%)"),
    ],
)
def test_a_ratio(belief, text):
    assert words("churn", rate=belief) == {"rate": text}


@pytest.mark.parametrize(
    ("belief", "text"),
    [
        (0.37, "0.37 a year"),
        (0, "0.00 a year"),
        (0.034, "0.034 a year"),
        ({"between": [0.21, 0.58]}, "0.37 a year (90% range 0.21 to 0.58)"),
    ],
)
def test_a_rate_of_events_says_its_unit(belief, text):
    assert words("contraction", rate=belief, size=0.2) == {"rate": text, "size": "20.0%"}


@pytest.mark.parametrize(
    ("driver", "law"),
    [("contraction", stats.beta(1.2222, 4.8889)), ("adoption", lognormal(0.2, 0.15))],
)
def test_a_size_says_where_nine_of_ten_events_lie(driver, law):
    text = words(driver, rate=0.3, size={"mean": 0.2, "sd": 0.15})["size"]
    low, high = law.ppf([0.05, 0.95])
    assert text == f"20.0% (90% of events {low:.1%} to {high:.1%})"
    assert (
        words(driver, rate=0.3, size={"mean": 0.2, "sd": 0})["size"]
        == "20.0% (90% of events 20.0% to 20.0%)"
    )


SEASON = [0.5, 0.6, 0.8, 1, 1, 1.6, 2.2, 1.8, 0.9, 0.6, 0.5, 0.5]


def test_when_in_the_year_a_driver_acts_is_said():
    segment = {"share": 1, "customers": 20, "term": "monthly"}
    plain = {
        "book": {"arr": 1e6, "starts": "2026-09", "segments": {"smb": segment}},
        "drivers": {
            "churn": {"smb": {"between": [0.1, 0.2], "season": SEASON}},
            "price": {"all": {"uplift": 0.05, "month": 1}},
        },
    }
    lines = belief_lines(nr.Scenario.of(plain))
    most, least = "July (2.20 times the average)", "January (0.50 times the average)"
    assert f"Churn by month highest in {most}, lowest in {least}" in lines[0]
    assert "Price increase 5.0%; Price increase comes each January" in lines[1]
    even = nr.Scenario.of(plain).with_({"drivers.churn.smb.season": [1.0] * 12})
    assert "by month" not in belief_lines(even)[0]


def test_what_is_cut_away_does_not_count():
    """A normal belief of which half lies below 0: what is printed is the half that acts."""
    text = words("churn", rate={"dist": "normal", "mean": 0, "sd": 0.1})["rate"]
    half = stats.halfnorm(scale=0.1)
    low, high = half.ppf([0.05, 0.95])
    assert text == f"{half.mean():.1%} (90% range {low:.1%} to {high:.1%})"


@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_a_curve_prints_what_comes_of_it(rho):
    """Of a certain beta each year's churn rises with alpha: its ends are those of alpha's belief."""
    b, alpha = 4.0, {"between": [0.5, 1.0]}
    years = words("churn", sbg={"alpha": alpha, "beta": b})
    assert list(years) == ["by_tenure.1", "by_tenure.2", "by_tenure.3"]
    for k, text in enumerate(years.values()):
        _, low, high = RANGE.search(text).groups()
        assert float(low) == pytest.approx(100 * 0.5 / (0.5 + b + k), abs=0.1)
        assert float(high) == pytest.approx(100 / (1 + b + k), abs=0.1)

    tied = nr.Scenario.of({
        "book": A_BOOK, "drivers": {"churn": {"all": {"sbg": {"alpha": alpha, "beta": {"between": [3, 6]}}}}},
        "correlations": [["churn.all.alpha", "churn.all.beta", rho]],
    })  # fmt: skip
    z = np.random.default_rng(1).multivariate_normal([0, 0], [[1, rho], [rho, 1]], 400_000).T
    a = np.exp((np.log(0.5) + np.log(1)) / 2 + z[0] * np.log(2) / (2 * Z90))
    c = np.exp((np.log(3) + np.log(6)) / 2 + z[1] * np.log(2) / (2 * Z90))
    mean, low, high = RANGE.search(tied.table.words("churn", "all")["by_tenure.1"]).groups()
    drawn = a / (a + c)
    for printed, true in zip((mean, low, high), (drawn.mean(), *np.quantile(drawn, [0.05, 0.95])), strict=True):  # fmt: skip
        assert float(printed) == pytest.approx(100 * true, abs=0.25)


def test_a_good_or_bad_year_is_a_factor():
    low, high = (exp(z * 0.2 - 0.02) - 1 for z in (-Z90, Z90))
    assert swing(*factor_range(0.2)) == f"−{-low:.0%} to +{high:.0%}" == "−29% to +36%"
    assert factor_range(-0.2) == factor_range(0.2)


def test_no_line_of_the_command_names_what_a_program_calls_it():
    scenario = nr.Scenario.of(
        {
            "book": A_BOOK,
            "drivers": {
                "churn": {"all": {"sbg": {"alpha": {"between": [0.5, 1.0]}, "beta": 4}}},
                "cross_sell": {"mid_market": {"rate": {"dist": "lognormal", "mean": 0.1, "sd": 0.05}, "size": 0.1}},
                "price": {"all": {"uplift": "5%", "churn_per_point": 0.4}},
            },
            "shock": {"cross_sell": 0.1},
            "year_effects": {"churn": 0.15, "cross_sell": {"dist": "beta", "a": 1.4, "b": 10}},
        }
    )  # fmt: skip
    lines = belief_lines(scenario)
    assert (
        "All segments: Price increase 5.0%; Churn per point of price increase 0.40 pts [no source given]"
        in lines
    )
    assert [
        line
        for line in lines
        if line.startswith("Mid-market: Cross-sell 0.10 a year (90% range 0.0")
    ]
    assert "Year-to-year swings (90% range): churn −23% to +27%, cross-sell −23% to +24%" in lines
    assert not re.search(r"_|alpha|beta|lognormal|sd", "\n".join(lines))


# --- ratios as they are stated --------------------------------------------------------------------

RATIOS = [("110%", 1.1), ("110 %", 1.1), ("1.1", 1.1), ("112.5%", 1.125)]
REFUSED = [
    ("110", "got 110; did you mean 1.1?"),
    ("10.5", "got 10.5; did you mean 0.105?"),
    ("110,5%", "must be a number, got '110,5%'; did you mean 1.105?"),
    ("0", "must be more than 0"),
]


@pytest.fixture
def where(write, run):
    """Each place that takes an NRR to reach: what it says of a text, once the command has ended."""
    book = "book: {arr: 100, segments: {a: {share: 1, customers: 5}}}\ndrivers: {churn: {a: 5%}}\n"
    write("customer,month,mrr\nA,2024-01,1\nA,2025-01,1\n")

    def in_scenario(text: str) -> tuple[int, str, str]:
        return run("frontier", write(f"target: {text}\n{book}", "a.yaml"), "--json")

    def in_option(text: str) -> tuple[int, str, str]:
        return run("frontier", write(book, "a.yaml"), "--target", text, "--json")

    def in_card(text: str) -> tuple[int, str, str]:
        card = f"notebook: quarterly_report\nledger: ledger.csv\ncompany: A\nas_of: 2025-01\ntarget: {text}\n"
        return run("metrics", write(card, "card.yaml"), "--json")

    return {"scenario": in_scenario, "option": in_option, "card": in_card}


@pytest.mark.parametrize("place", ["scenario", "option", "card"])
@pytest.mark.parametrize(("text", "ratio"), RATIOS)
def test_a_ratio_may_be_stated_in_percent(where, place, text, ratio):
    code, out, err = where[place](text)
    assert code == 0, err
    if place != "card":
        assert f'"target": {ratio}' in out


@pytest.mark.parametrize("place", ["scenario", "option", "card"])
@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_a_percentage_without_its_sign_is_asked_about(where, place, text, said):
    code, out, err = where[place](text)
    assert (code, out) == (2, "")
    assert said in err
    assert "target" in err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"drivers.churn.a.rate": 5}, "did you mean 0.05?"),
        ({"drivers.churn.a.rate": 1.5}, "did you mean 0.015?"),
        ({"drivers.churn.a.rate": {"between": [5, 10]}}, "did you mean {between: [0.05, 0.1]}?"),
        ({"shock": {"churn": 20}}, "did you mean 0.2?"),
        ({"shock": {"churn": -20}}, "did you mean -0.2?"),
        ({"year_effects": {"churn": 20}}, "did you mean 0.2?"),
        ({"year_effects": {"churn": {"between": [10, 30]}}}, "{between: [0.1, 0.3]}?"),
        ({"programmes": {"p": {"churn": -20}}}, "did you mean -0.2?"),
        ({"programmes": {"p": {"churn": -2000}}}, "(relative to the driver"),
    ],
)
def test_every_ratio_of_a_scenario_is_asked_about(change, said):
    scenario = nr.Scenario.of(
        {
            "book": {"arr": 1, "segments": {"a": {"share": 1, "customers": 1}}},
            "drivers": {"churn": {"a": 0.1}},
        }
    )
    with pytest.raises(nr.UsageError) as caught:
        scenario.with_(change)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("--probability", "80", "did you mean 0.8?"),
        ("--probability", "1", "above 0 and below 1"),
        ("--probability", "many", "must be a number"),
    ],
)
def test_options(run, option, text, said):
    code, out, err = run("frontier", "nrr-105", "--target", "110%", option, text)
    assert (code, out) == (2, "")
    assert said in err
