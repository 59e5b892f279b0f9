"""The example's ledger: it is what its script writes, and has the traits reports rely on."""

import hashlib
import runpy
from pathlib import Path

import pandas as pd
import pytest

DATA = Path(__file__).parents[1] / "nrrsim" / "data"
COLUMNS = "customer month mrr segment industry region plan quantity unit_price renewal"
SEGMENTS = ["enterprise", "mid_market", "smb"]


@pytest.fixture(scope="module")
def text() -> pd.DataFrame:
    """The file as it is written: every cell a string, empty ones too."""
    return pd.read_csv(DATA / "meridian.csv", dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def ledger(text: pd.DataFrame) -> pd.DataFrame:
    return text.astype({"mrr": float, "quantity": int, "unit_price": float})


@pytest.fixture(scope="module")
def amounts(ledger: pd.DataFrame) -> pd.DataFrame:
    """Monthly amounts, customers x months, 0 where a customer has no row."""
    return ledger.pivot(index="customer", columns="month", values="mrr").fillna(0.0)


def cents(amount: pd.Series) -> pd.Series:
    return amount.str.replace(".", "", regex=False).astype("int64")


def test_the_script_writes_the_committed_file_byte_for_byte() -> None:
    made = runpy.run_path(str(DATA / "make_meridian.py"))["ledger"]().encode("utf-8")
    committed = (DATA / "meridian.csv").read_bytes()
    assert hashlib.sha256(made).hexdigest() == hashlib.sha256(committed).hexdigest()


def test_the_file_is_small_plain_and_sorted(text: pd.DataFrame) -> None:
    raw = (DATA / "meridian.csv").read_bytes()
    assert len(raw) < 2_000_000
    assert b"\r" not in raw
    assert raw.endswith(b"\n")
    assert list(text.columns) == COLUMNS.split()
    keys = list(zip(text["customer"], text["month"], strict=True))
    assert keys == sorted(set(keys))  # so there are no duplicates, either


def test_there_are_48_months_without_a_hole(text: pd.DataFrame) -> None:
    expected = pd.period_range("2022-10", "2026-09", freq="M").astype(str)
    assert sorted(text["month"].unique()) == list(expected)
    assert len(expected) == 48


def test_amounts_are_seats_times_price_to_the_cent(text: pd.DataFrame) -> None:
    for column in ("mrr", "unit_price"):
        assert text[column].str.fullmatch(r"\d+\.\d\d").all()
    assert text["quantity"].str.fullmatch(r"[1-9]\d*").all()
    assert (
        cents(text["mrr"]) == text["quantity"].astype("int64") * cents(text["unit_price"])
    ).all()
    assert (cents(text["mrr"]) > 0).all()


def test_the_renewal_is_ahead_for_annual_contracts_and_empty_on_monthly_terms(
    text: pd.DataFrame,
) -> None:
    annual = text[text["renewal"] != ""]
    assert annual["renewal"].str.fullmatch(r"\d{4}-(0[1-9]|1[0-2])").all()
    renewal, month = (
        pd.PeriodIndex(annual[c], freq="M").astype("int64") for c in ("renewal", "month")
    )
    ahead = renewal - month
    assert ahead.min() >= 1
    assert ahead.max() <= 12
    kinds_of_terms = text.groupby("customer")["renewal"].agg(lambda r: (r == "").nunique())
    assert kinds_of_terms.eq(1).all()
    on_annual = (
        text.drop_duplicates("customer")
        .groupby("segment")["renewal"]
        .agg(lambda r: (r != "").mean())
    )
    assert on_annual["enterprise"] == 1
    assert on_annual["mid_market"] > 0.75
    assert on_annual["smb"] < 0.25


def test_annual_customers_leave_only_at_a_renewal(text: pd.DataFrame) -> None:
    following = text.groupby("customer")["month"].shift(-1)
    after = (pd.PeriodIndex(text["month"], freq="M") + 1).astype(str)
    last = text[(text["renewal"] != "") & (following != after) & (text["month"] < "2026-09")]
    assert len(last) > 0
    assert (last["renewal"] == after[last.index]).all()


def test_a_customer_keeps_its_segment_industry_and_region(text: pd.DataFrame) -> None:
    for column in ("segment", "industry", "region"):
        assert text.groupby("customer")[column].nunique().eq(1).all()
    assert sorted(text["segment"].unique()) == SEGMENTS
    assert set(text["plan"]) == {"Starter", "Team", "Business", "Enterprise"}


def test_names_exercise_quoting_and_encoding(text: pd.DataFrame) -> None:
    names = text.loc[text["month"] == "2026-09", "customer"]
    assert "Brûlé & Søn, S.A." in set(names)
    for sign in (",", "'", "&", "é"):
        assert names.str.contains(sign, regex=False).any()


def test_size_and_shape_of_the_book(ledger: pd.DataFrame, amounts: pd.DataFrame) -> None:
    assert 550 <= len(amounts) <= 650
    last = amounts["2026-09"]
    assert 350 <= (last > 0).sum() <= 450
    assert 30e6 <= 12 * last.sum() <= 60e6
    share = (last / last.sum()).sort_values()
    assert 0.06 <= share.iloc[-1] <= 0.08
    assert share.iloc[-2] < 0.04
    by_segment = ledger[ledger["month"] == "2026-09"].groupby("segment")["mrr"].sum() / last.sum()
    assert 0.40 <= by_segment["enterprise"] <= 0.50
    assert 0.15 <= by_segment["smb"] <= 0.25


def test_newcomers_arrive_in_growing_numbers(text: pd.DataFrame) -> None:
    first = text.groupby("customer")["month"].min()
    newcomers = first[first > "2022-10"]
    assert newcomers.nunique() >= 45
    a_year = newcomers.groupby(newcomers.str[:4]).size().loc["2023":"2025"]
    assert a_year.is_monotonic_increasing


def test_some_customers_leave_and_come_back(amounts: pd.DataFrame) -> None:
    gaps = [
        len(gap)
        for alive in (amounts > 0).astype(int).astype(str).agg("".join, axis=1)
        for gap in alive.strip("0").split("1")
        if gap
    ]
    assert 20 <= len(gaps) <= 25
    assert min(gaps) >= 2
    assert max(gaps) <= 9


def test_the_largest_customer_contracts_once_in_the_last_year(amounts: pd.DataFrame) -> None:
    largest = amounts.loc[amounts["2026-09"].idxmax()]
    change = largest.pct_change().iloc[-12:]
    assert (change < 0).sum() == 1
    assert -0.2 < change.min() < -0.1


def retention(amounts: pd.DataFrame, as_of: str) -> tuple[float, float, float]:
    """NRR, GRR and logo retention over 12 months, by their definitions and nothing else."""
    before = amounts.iloc[:, amounts.columns.get_loc(as_of) - 12]
    cohort = amounts[before > 0]
    opening, closing = before[before > 0], cohort[as_of]
    kept = closing.where(closing < opening, opening)
    return closing.sum() / opening.sum(), kept.sum() / opening.sum(), (closing > 0).mean()


def test_retention_tells_the_story(ledger: pd.DataFrame, amounts: pd.DataFrame) -> None:
    nrr, grr, logo = retention(amounts, "2026-09")
    assert 1.07 <= nrr <= 1.09
    assert 0.87 <= grr <= 0.90
    assert 0.85 <= logo <= 0.89
    quarters = ["2024-12", "2025-06", "2025-12", "2026-06", "2026-09"]
    total = [retention(amounts, quarter)[0] for quarter in quarters]
    assert total[0] > total[1] > total[2] < total[3] < total[4]
    assert 0.01 <= total[4] - total[3] <= 0.015
    segment = ledger.drop_duplicates("customer").set_index("customer")["segment"]
    bounds = {"smb": (0.92, 0.96), "mid_market": (1.04, 1.06), "enterprise": (1.13, 1.16)}
    for name, (low, high) in bounds.items():
        assert low <= retention(amounts[segment == name], "2026-09")[0] <= high
    assert retention(amounts[segment == "smb"], "2024-12")[0] > 0.99
    assert retention(amounts[segment == "enterprise"], "2025-09")[0] < 1.10
