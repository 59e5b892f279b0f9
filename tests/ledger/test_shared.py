"""The real ledgers and published cases beside the project: every number is reproduced."""

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED, shared_json

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals

pytestmark = pytest.mark.shared
REAL = ("finland_journals.csv", "sf_retainers.csv", "sf_clients.csv")
MONTHS = [
    (name, month)
    for name in REAL
    for month in (shared_json("checks.json")[name]["months"] if SHARED.is_dir() else ())
]


@pytest.fixture(scope="module")
def ledgers():
    return {name: nr.read_ledger(SHARED / name) for name in REAL}


@pytest.mark.parametrize(("name", "month"), MONTHS)
def test_expected_answers(ledgers, name, month):
    expected, scale = shared_json("checks.json")[name], 12 if name.startswith("sf") else 1
    told = expected["months"][month]
    head = Actuals(ledgers[name], month).headline()
    for key in ("nrr", "grr", "logo"):
        assert head[key] == pytest.approx(told[key], abs=5e-7), key
    assert head["customers"] == told["base_customers"]
    assert head["opening"] == pytest.approx(told["base_amount"] * scale, abs=0.01)
    assert head["closing"] == pytest.approx(told["amount_now"] * scale, abs=0.01)
    for segment, ratios in told.get("segments", {}).items():
        for key in ("nrr", "grr", "logo"):
            assert head["segments"][segment][key] == (
                None if ratios[key] is None else pytest.approx(ratios[key], abs=5e-7)
            ), (segment, key)
    before = {"movements": 12, "month_movements": 1}
    for key, months in before.items():
        if key in told and not (key == "movements" and ledgers[name].step == 1):
            start = str(
                (pd.Period(month) - months) if ledgers[name].step == 1 else pd.Period(month) - 12
            )
            book = ledgers[name].book(start, month)
            assert book.books_close()
            for movement, amount in told[key].items():
                assert float(book.over(movement).sum()) == pytest.approx(
                    amount * scale, abs=0.01
                ), movement


@pytest.mark.parametrize("name", REAL)
def test_profiles(ledgers, name):
    expected, ledger = shared_json("checks.json")[name], ledgers[name]
    if "rows" in expected:
        assert ledger.entries.rows == expected["rows"]
        assert ledger.entries.frame["customer"].nunique() == expected["customers"]
        assert (ledger.months[0], ledger.months[-1]) == (
            expected["first_month"],
            expected["last_month"],
        )
        assert ledger.entries.frame["arr"].sum() / 12 == pytest.approx(
            expected["total_amount"], abs=0.01
        )
    for month in ledger.months[(ledger.step == 1 and 12) or 1 :]:
        window = 12
        assert ledger.cohort(month, window).books_close()


def test_organisations_through_the_ledger(tmp_path):
    frame = (
        pd.read_csv(SHARED / "finland_journals.csv")
        .groupby(["organisation", "month"], as_index=False)["arr"]
        .sum()
    )
    frame.to_csv(tmp_path / "organisations.csv", index=False)
    ledger = nr.read_ledger(tmp_path / "organisations.csv", columns={"customer": "organisation"})
    for month, expected in shared_json("checks.json")["finland_journals.csv"]["months"].items():
        found, by = nr.measure(ledger, month), expected["by_organisation"]
        assert (found.nrr, found.grr, found.logo) == pytest.approx(
            (by["nrr"], by["grr"], by["logo"]), abs=5e-7
        )


def test_six_customers_month_by_month():
    told = shared_json("six_customers.json")
    ledger = nr.read_ledger(SHARED / "six_customers.csv")
    book = ledger.book("2025-01", "2026-01").total()
    for row in told["months_table"]:
        for name in (
            "opening",
            "new",
            "reactivation",
            "expansion",
            "contraction",
            "churn",
            "closing",
        ):
            assert float(book[name].sel(month=row["month"]).sum()) / 12 == pytest.approx(
                row[name], abs=1e-9
            )
    for name, answer in told["definitions"].items():
        found = nr.measure(ledger, "2026-01", 12, name)
        assert (found.nrr, found.grr) == pytest.approx((answer["nrr"], answer["grr"]), abs=5e-9)


def test_published_subscriptions_replayed(tmp_path):
    """A published seed of subscription periods and the movements that its own SQL gives."""
    case = next(case for case in shared_json("golden_cases.json") if case["id"].startswith("G15"))
    frame = pd.DataFrame(case["inputs"]["rows"], columns=case["inputs"]["columns"])
    frame.to_csv(tmp_path / "periods.csv", index=False)
    names = {
        "customer": "customer_id",
        "start": "start_date",
        "end": "end_date",
        "mrr": "monthly_amount",
    }
    ledger = nr.read_ledger(tmp_path / "periods.csv", columns=names)
    told = case["expect"]["months_from_2017_09"]
    # The source books a churn after the last month for those still there; here they are alive at the end.
    alive = ledger.customers(ledger.months[-1])["arr"].sum() / 12
    book = ledger.book("2017-09", ledger.months[-1])
    first = ledger.customers("2017-09")["arr"].sum() / 12
    change = told["mrr_change"]
    assert float(book.over("new").sum()) / 12 + first == pytest.approx(change["new"])
    assert float(book.over("reactivation").sum()) / 12 == pytest.approx(change["reactivation"])
    assert float(book.over("expansion").sum()) / 12 == pytest.approx(change["upgrade"])
    assert float(book.over("contraction").sum()) / 12 == pytest.approx(-change["downgrade"])
    assert float(book.over("churn").sum()) / 12 + alive == pytest.approx(-change["churn"])
    assert ledger.entries.frame["arr"].sum() / 12 == pytest.approx(told["sum_mrr"])


@pytest.mark.parametrize(("case", "key"), [("G12", "grr_pct"), ("G13", "nrr_pct")])
def test_published_cohort_tables(tmp_path, case, key):
    """Monthly cohorts of a published handbook:
    one customer a cohort, and the average weighted by first revenue.
    """
    case = next(each for each in shared_json("golden_cases.json") if each["id"].startswith(case))
    start = pd.Period("2021-07")
    rows = [
        {
            "customer": cohort["cohort"],
            "month": str(start + born + age),
            "mrr": cohort["initial_mrr"] * pct / 100,
        }
        for born, cohort in enumerate(case["inputs"]["cohorts"])
        for age, pct in enumerate(cohort[key])
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "cohorts.csv", index=False)
    ledger = nr.read_ledger(tmp_path / "cohorts.csv")
    ages = ledger.ages("2022-10", "cohort_month")
    sums = ages.groupby("age")[["retained" if key == "grr_pct" else "amount", "opening"]].sum()
    weighted = 100 * sums.iloc[:, 0] / sums["opening"]
    told = case["expect"]["weighted_average_pct"]
    assert np.abs(weighted[: len(told)] - told).max() <= case["expect"]["tolerance_pp"]


def test_braze_cohort():
    case = next(each for each in shared_json("golden_cases.json") if each["id"].startswith("G17"))
    start, end, years = (case["inputs"][key] for key in ("start", "end", "years"))
    assert 100 * (end / start) ** (1 / years) == pytest.approx(
        case["expect"]["implied_annual_nrr_pct"], abs=0.05
    )
