"""The forecast of a year: its command, what decides it, and the scenario that carries it."""

import json
from functools import cache

import pytest
from conftest import ROOT

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals
from nrrsim.analysis.forecast import forecast_of
from nrrsim.analysis.renewals import decisive
from nrrsim.analysis.summary import simulated
from nrrsim.calibration.backtest import Backtest
from nrrsim.calibration.calibrate import calibrate
from nrrsim.engine.simulation import simulate
from nrrsim.months import shift
from nrrsim.report.wording import forecast as wording

MERIDIAN = ROOT / "nrrsim" / "data" / "meridian.csv"
MONTHS = [shift("2023-01", number) for number in range(36)]


def ledger(tmp_path, giant: float):
    """Forty customers of 1 and one of `giant`, all steady for three years; one small one leaves
    each quarter, and one comes.
    """
    rows = ["customer,month,arr,segment,renewal"]
    for number, month in enumerate(MONTHS):
        rows.append(f"Giant,{month},{giant},smb,2026-03")
        gone = number // 3
        rows += [f"c{each},{month},1,smb,2026-0{1 + each % 9}" for each in range(gone, gone + 40)]
    path = tmp_path / "ledger.csv"
    path.write_text("\n".join(rows))
    return nr.read_ledger(path)


@cache
def example():
    past = Actuals(nr.read_ledger(MERIDIAN, currency="USD"), "2026-09")
    return forecast_of(past, calibrate(past.ledger, "2026-09"))


def test_the_command_prints_every_range_with_its_ingredients(run):
    words = ("forecast", str(MERIDIAN), "--as-of", "2026-09", "--json")
    code, out, _ = run(*words)
    told = json.loads(out)
    assert code == 0
    assert run(*words)[1] == out
    assert {row["horizon"] for row in told["forecasts"]} == {3, 6, 9, 12}
    assert {row["segment"] for row in told["forecasts"]} == {
        None,
        "enterprise",
        "mid_market",
        "smb",
    }
    for row in told["forecasts"]:
        quantiles = [row[name] for name in ("p05", "p10", "p25", "p50", "p75", "p90", "p95")]
        assert quantiles == sorted(quantiles)
        assert set(row["ingredients"]) == {"ratios", "past", "model"}
    year = next(
        row
        for row in told["forecasts"]
        if (row["horizon"], row["segment"], row["measure"]) == (12, None, "nrr")
    )
    # 70% and 30%, quantile by quantile
    for name in ("p05", "p50", "p95"):
        parts = {each: year["ingredients"][each][name] for each in ("ratios", "past")}
        assert year[name] == pytest.approx(0.7 * parts["ratios"] + 0.3 * parts["past"], abs=1e-6)


def test_the_command_for_people(run):
    code, out, _ = run("forecast", str(MERIDIAN), "--as-of", "2026-09")
    assert code == 0
    assert "Forecast as of September 2026, from 3 past years" in out
    assert "Customers' own past" in out
    assert "September 2027" in out


def test_a_ledger_of_less_than_a_year_is_told_in_one_line(run, tmp_path):
    (tmp_path / "young.csv").write_text(
        "customer,month,arr\n" + "".join(f"a,2025-{month:02d},10\n" for month in range(1, 13))
    )
    code, _, err = run("forecast", str(tmp_path / "young.csv"), "-q")
    assert code == 2
    assert "has been running for 11 months, and a forecast takes a year" in err


def test_one_customer_that_is_half_of_all_makes_two_outcomes(tmp_path):
    past = Actuals(ledger(tmp_path, 40.0), "2025-12")
    hump = forecast_of(past, calibrate(past.ledger, "2025-12")).hump
    assert (hump.customer, hump.month) == ("Giant", "2026-03")
    assert hump.kept - hump.lost == pytest.approx(0.5)
    # the others are half of the book, and lose four of forty a year
    assert hump.lost == pytest.approx(0.5 * 0.9, abs=0.03)
    said = wording.Fan.of(forecast_of(past, calibrate(past.ledger, "2025-12"))).hump
    assert (said.customer, said.renews) == ("Giant", "March 2026")


def test_a_customer_like_the_others_makes_none(tmp_path):
    past = Actuals(ledger(tmp_path, 1.0), "2025-12")
    assert forecast_of(past, calibrate(past.ledger, "2025-12")).hump is None


def test_what_decides_the_year_is_the_largest_and_their_renewals(tmp_path):
    frame = decisive(Actuals(ledger(tmp_path, 40.0), "2025-12"), 3)
    assert frame["customer"].tolist()[0] == "Giant"
    assert frame["share"].tolist() == pytest.approx([0.5, 1 / 80, 1 / 80])
    assert frame["month"].tolist()[0] == "2026-03"


def test_a_programme_moves_the_published_range_by_what_it_moves_nrr():
    scenario = example().scenario
    better = scenario.with_({"programmes": {"care": {"churn": -0.3}}})
    base, moved = (
        simulated(each, simulate(each, 4_000, 7), 7, target=1.1) for each in (scenario, better)
    )
    by = moved["nrr"]["mean"] - base["nrr"]["mean"]
    assert by > 0.02
    for name in ("p25", "p50", "p75"):
        gained = moved["forecast"]["nrr"][name] - base["forecast"]["nrr"][name]
        # quantiles of two samples of 4,000: four standard errors are within half a point
        assert gained == pytest.approx(by, abs=0.005)
    # and without one it is the forecast itself
    ahead = example().range_at("2027-09")
    for name in ("p05", "p50", "p95"):
        assert base["forecast"]["nrr"][name] == pytest.approx(ahead[name], abs=0.006)


def test_where_revenue_does_not_recur_no_lever_is_shown(monkeypatch):
    assert wording.tornado(example()) is not None
    monkeypatch.setattr(Backtest, "recurs", property(lambda _: False))
    ahead = forecast_of(example().past, example().calibration)
    assert ahead.scenario.outlook.recurs is False
    assert wording.tornado(ahead) is None
    assert wording.Tornado.of(ahead) is None
    assert wording.Recurs.of(ahead) is not None
