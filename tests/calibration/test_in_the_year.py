"""What a ledger shows of the calendar: the month in which prices rise, and a season of churn."""

import numpy as np
import pandas as pd
import pytest

import nrrsim as nr
from nrrsim.calibration.calibrate import calibrate
from nrrsim.months import month_name, parse_month, shift

BEGIN = parse_month("2022-09", "month")
MONTHS = 49
SUMMER = np.array([0.5, 0.6, 0.8, 1, 1, 1.6, 2.2, 1.8, 0.9, 0.6, 0.5, 0.5])


def grown(
    rng: np.random.Generator,
    customers: int,
    *,
    churn: float = 0.04,
    season: np.ndarray | None = None,
    rises: int | str = "never",
    months: int = MONTHS,
) -> pd.DataFrame:
    """A ledger of so many customers, who are replaced where they leave; prices rise by 5 % for nine
    of ten in a calendar month, at the `renewal`, or never; a tenth of them grow by 10 % a year.
    """
    season = np.ones(12) if season is None else season
    name, begun = np.arange(customers), rng.integers(0, 12, customers)
    amount = np.full(customers, 1000.0)
    rows = []
    for t in range(months):
        month = (BEGIN + t) % 12
        if t:
            gone = rng.random(customers) < 1 - (1 - churn) ** (season[month] / 12)
            name = np.where(gone, name.max() + 1 + np.arange(customers), name)
            begun, amount = np.where(gone, t % 12, begun), np.where(gone, 1000.0, amount)
            due = t % 12 == begun if rises == "renewal" else np.full(customers, rises == month + 1)
            takes = due & ~gone & (rng.random(customers) < 0.9)
            amount = np.where(takes, amount * 1.05, amount)
            grows = ~gone & (rng.random(customers) < 0.1 / 12)
            amount = np.where(grows, amount * 1.1, amount)
        rows.append(pd.DataFrame({"customer": name, "month": month_name(BEGIN + t), "mrr": amount}))
    frame = pd.concat(rows).assign(segment="one")
    return frame.assign(customer=frame["customer"].map("c{:06d}".format), mrr=frame["mrr"].round(2))


def read(frame: pd.DataFrame, folder) -> nr.Ledger:
    frame.to_csv(folder / "ledger.csv", index=False)
    return nr.read_ledger(folder / "ledger.csv")


def monthly(ledger: nr.Ledger, as_of: str = "2026-09", **how):
    return calibrate(ledger, as_of, term={"one": "monthly"}, **how)


@pytest.fixture(scope="module")
def january(tmp_path_factory) -> nr.Ledger:
    frame = grown(np.random.default_rng(11), 1_000, rises=1)
    return read(frame, tmp_path_factory.mktemp("january"))


def test_prices_that_rise_each_january_are_forecast_in_january(january):
    """From each quarter's end with two Januaries behind it: NRR of three months within 1 point."""
    for as_of in [month_name(BEGIN + t) for t in range(18, MONTHS - 3, 3)]:
        learnt = monthly(january, as_of).scenario
        assert learnt.drivers.price["one"].month == 1, as_of
        ahead = shift(as_of, 3)
        happened = float(nr.nrr(january.cohort(ahead, 3)))
        assert abs(nr.nrr(nr.expect(learnt.with_(months=3))) - happened) < 0.01, as_of


def test_a_january_says_itself_what_it_is(january):
    learnt = monthly(january)
    price = learnt.scenario.drivers.price["one"]
    assert price.uplift == pytest.approx(0.05, abs=1e-3)
    assert price.source.endswith("; in January")
    assert 0.85 < learnt.frame().set_index("driver").loc["price", "mean"] < 0.92
    assert any("counted as a price increase" in each for each in learnt.findings)


@pytest.mark.parametrize(
    ("rises", "as_of", "stated", "month"),
    [
        (1, "2023-12", [], None),  # one January, which nobody called a price increase
        (1, "2023-12", ["2023-01"], 1),
        (7, "2026-09", [], 7),
        ("renewal", "2026-09", [], None),
        ("never", "2026-09", [], None),
    ],
)
def test_a_month_of_prices_is_seen_twice_or_stated(rises, as_of, stated, month, tmp_path):
    ledger = read(grown(np.random.default_rng(5), 150, rises=rises), tmp_path)
    entry = monthly(ledger, as_of, price_months=stated).scenario.drivers.price.get("one")
    assert (entry and entry.month) == month


@pytest.mark.parametrize(("step", "month"), [(3, 3), (12, None)])
def test_rarer_snapshots_show_the_month_of_theirs(step, month, tmp_path):
    """Quarters show a January's rise in March; a yearly ledger shows every rise in one month."""
    frame = grown(np.random.default_rng(5), 150, rises=1)
    seen = [month_name(BEGIN + t) for t in range(0, MONTHS, step)]
    ledger = read(frame[frame["month"].isin(seen)], tmp_path)
    entry = monthly(ledger, price_months=["2026-03" if step == 3 else "2025-09"])
    price = entry.scenario.drivers.price.get("one")
    assert (price and price.month) == month


def test_a_season_of_monthly_churn_is_learnt_and_shrunk(tmp_path):
    frame = grown(np.random.default_rng(2), 800, churn=0.3, season=SUMMER)
    ledger = read(frame, tmp_path)
    learnt = monthly(ledger)
    season = np.array(learnt.scenario.drivers.churn["one"].season)
    # who leaves is replaced, so each of four years has the same chances in each month
    left = frame.groupby("customer")["month"].max().loc[lambda last: last < "2026-09"]
    events = left.str[5:].astype(int).mod(12).value_counts().reindex(range(12)).to_numpy()
    own = events.sum() / (events.sum() + 50)
    assert season == pytest.approx(1 + own * (12 * events / events.sum() - 1), abs=1e-3)
    assert np.abs(season - SUMMER).max() < 0.35  # a month's 80 events have an error of a tenth
    assert any(
        each.startswith("Churn of monthly contracts peaks in July (2.36 times")
        for each in learnt.findings
    )
    annual = calibrate(ledger, "2026-09", term={"one": "annual"})
    assert annual.scenario.drivers.churn["one"].season is None


def test_without_a_season_or_two_years_of_months_none_is_learnt(tmp_path):
    """A test at 1 % finds none in ten ledgers without one; 23 months are never asked."""
    for seed in range(10):
        (folder := tmp_path / str(seed)).mkdir()
        ledger = read(grown(np.random.default_rng(seed), 100, churn=0.3, months=37), folder)
        assert monthly(ledger, ledger.months[-1]).scenario.drivers.churn["one"].season is None
    frame = grown(np.random.default_rng(2), 800, churn=0.3, season=SUMMER, months=24)
    ledger = read(frame, tmp_path)
    assert monthly(ledger, ledger.months[-1]).scenario.drivers.churn["one"].season is None
