"""What each account has at risk and may gain: three by hand, and sums that are those of the exact expectation."""

import json

import numpy as np
import pandas as pd
import pytest

import nrrsim as nr
from nrrsim.accounts.worth import worth
from nrrsim.calibration.calibrate import calibrate

FLOWS = ["churn", "contraction", "adoption", "cross_sell", "price", "reactivation"]
# Alder renews in March, Birch and Cedar in July; month 0 is January 2026
LEDGER = "customer,month,mrr,segment\n" + "".join(
    f"{name},{month},{mrr},all of them\n"
    for name, begun, mrr in (("Alder", 3, 100), ("Birch", 7, 200), ("Cedar", 7, 300))
    for month in [f"2025-{number:02d}" for number in range(1, 13)] + ["2026-01"]
    if month >= f"2025-{begun:02d}"
)


@pytest.fixture
def scenario(tmp_path):
    rows = LEDGER + "".join(f"Early,2025-{m:02d},1,all of them\n" for m in (1, 2, 3))
    (tmp_path / "ledger.csv").write_text(rows)
    (tmp_path / "accounts.csv").write_text("customer,hazard,contraction\nAlder,2,3\nBirch,0,0\n")
    return nr.Scenario.of(
        {
            "book": {"ledger": "ledger.csv", "as_of": "2026-01", "accounts": "accounts.csv"},
            "drivers": {
                "churn": {"all": 0.2},
                "contraction": {"all": {"rate": 1.2, "size": 0.5}},
            },
        },
        tmp_path,
    )


def test_three_accounts_by_hand(scenario):
    """Each is asked once a year with c = 0.2; of three 0.6 leave, and Birch never does:
    0.8^(2/L) + 0.8^(1/L) = 1.4, so that x = 0.8^(1/L) is (sqrt(6.6) - 1) / 2.
    """
    told = worth(scenario)
    x = (np.sqrt(1 + 4 * 1.4) - 1) / 2
    assert told["p_leave"].to_dict() == pytest.approx(
        {"Alder": 1 - x**2, "Birch": 0, "Cedar": 1 - x}
    )
    # months in which each is expected to be there, after the month's churn; renewals in 2 and 6
    there = {"Alder": 1 + 11 * x**2, "Birch": 12, "Cedar": 5 + 7 * x}
    level = (3 * there["Alder"] + there["Cedar"]) / sum(there.values())
    for name, arr, stated, due, stays in (
        ("Alder", 1200, 3, 2, x**2),
        ("Birch", 2400, 0, 6, 1),
        ("Cedar", 3600, 1, 6, x),
    ):
        kept = 1 - stated / level * 0.1 * 0.5
        assert told.loc[name, "churn"] == pytest.approx(arr * kept ** (due - 1) * (1 - stays))
        assert told.loc[name, "closing"] == pytest.approx(arr * kept**12 * stays)
        assert told.loc[name, "contraction"] == pytest.approx(
            arr - told.loc[name, "churn"] - told.loc[name, "closing"]
        )


def test_each_account_may_have_months_of_its_own(scenario):
    renews = {"Alder": 2, "Birch": 6, "Cedar": 6}
    told, year = worth(scenario, pd.Series(renews)), worth(scenario)
    for name, months in renews.items():
        pd.testing.assert_series_equal(told.loc[name], worth(scenario, months).loc[name])
    assert told["p_leave"].to_dict() == pytest.approx(year["p_leave"].to_dict())


@pytest.mark.parametrize("months", [1, 12, 13, 36])
def test_sums_are_those_of_the_expectation_at_the_means(scenario, months):
    told = worth(scenario, months)
    exact = nr.expect(scenario.at_means().with_(months=months))
    assert {name: float(exact.over(name).sum()) for name in FLOWS} == pytest.approx(
        told[FLOWS].sum().to_dict(), abs=0.005
    )
    assert float(exact["closing"].sum("segment")[-1]) == pytest.approx(
        told["closing"].sum(), abs=0.005
    )


@pytest.mark.parametrize("horizon", ["soon", 0, -3, 1.5, 601, None, True])
def test_a_horizon_that_is_none(scenario, horizon):
    with pytest.raises(nr.UsageError, match="horizon: "):
        worth(scenario, horizon)


def test_a_synthetic_book_has_numbers_for_names():
    book = {"arr": 1e6, "segments": {"a": {"share": 1, "customers": 3}}}
    told = worth(nr.Scenario.of({"book": book, "drivers": {"churn": {"all": 0.5}}}))
    assert told["churn"].to_dict() == pytest.approx({1: 5e5 / 3, 2: 5e5 / 3, 3: 5e5 / 3})


# --- what a ledger teaches, with accounts ---------------------------------------------------------


@pytest.fixture(scope="module")
def learnt():
    """A ledger of 300 customers of three years, and multipliers of those who are there."""
    rng = np.random.default_rng(4)
    rows = []
    for n in range(300):
        segment = ("smb", "mid")[n % 2]
        begun, amount = int(rng.integers(0, 24)), float(rng.integers(50, 500))
        for t in range(begun, 37):
            every, share = (1, 0.03) if segment == "smb" else (12, 0.15)
            if t > begun and (t - begun) % every == 0 and rng.random() < share:
                break
            amount *= 1.2 if rng.random() < 0.04 else 0.8 if rng.random() < 0.02 else 1
            month = f"{2023 + t // 12}-{1 + t % 12:02d}"
            rows.append((f"c{n:03d}", month, round(amount, 2), segment))
    ledger = nr.read_ledger(pd.DataFrame(rows, columns=["customer", "month", "mrr", "segment"]))
    names = ledger.customers("2026-01").index
    drawn = np.exp(rng.normal(size=(len(names), 3)) * 0.7)
    frame = pd.DataFrame(drawn, columns=["hazard", "expansion", "contraction"])
    return ledger, frame.assign(customer=names.astype(str))


def test_each_account_has_what_the_table_says(learnt):
    ledger, accounts = learnt
    plain = worth(calibrate(ledger, "2026-01").scenario)
    found = calibrate(ledger, "2026-01", accounts=accounts).scenario
    hazard = accounts.set_index("customer")["hazard"]
    stated = 1 - (1 - plain["p_leave"]) ** hazard
    # a scenario's numbers have five digits
    pd.testing.assert_series_equal(
        worth(found)["p_leave"], stated, rtol=1e-4, check_names=False, check_freq=False
    )
    assert "times that" in found.drivers.churn["smb"].source
    assert found.plain()["book"]["accounts"] == "accounts.csv"


def test_what_all_accounts_of_a_segment_have_is_its_rate(learnt):
    ledger, accounts = learnt
    plain = calibrate(ledger, "2026-01")
    same = calibrate(
        ledger, "2026-01", accounts=accounts.assign(hazard=1.0, expansion=1, contraction=1)
    )
    assert {**same.scenario.plain(), "book": 0} == {**plain.scenario.plain(), "book": 0}
    asked = nr.expect(plain.scenario, draws=32), nr.expect(same.scenario, draws=32)
    assert asked[0].data.identical(asked[1].data)

    twice = calibrate(
        ledger, "2026-01", accounts=accounts.assign(hazard=2.0, expansion=3, contraction=0.5)
    )
    for one, other in zip(plain.learnt, twice.learnt, strict=True):
        if one.driver == "churn":
            assert other.mean == pytest.approx(1 - (1 - one.mean) ** 2)
            assert other.sd == pytest.approx(one.sd * 2 * (1 - one.mean))
        elif one.driver in ("adoption", "contraction"):
            factor = {"adoption": 3, "contraction": 0.5}[one.driver]
            assert (other.mean, other.sd) == pytest.approx((one.mean * factor, one.sd * factor))
    assert not twice.scenario.opening.differ


def test_a_file_calls_customers_by_their_true_names_and_a_table_as_the_ledger(learnt, tmp_path):
    ledger, accounts = learnt
    masked = ledger.masked("2026-01")
    accounts.to_csv(tmp_path / "a.csv", index=False)
    told = worth(calibrate(masked, "2026-01", accounts=tmp_path / "a.csv").scenario)
    true = worth(calibrate(ledger, "2026-01", accounts=accounts).scenario)
    assert told.index.str.startswith("Customer ").all()
    back = told.set_axis(masked.true_names(told.index)).sort_index()
    pd.testing.assert_frame_equal(back, true, check_names=False, check_index_type=False)
    renamed = accounts.assign(customer=masked.customers("2026-01").index.astype(str))
    table = worth(calibrate(masked, "2026-01", accounts=renamed).scenario)
    pd.testing.assert_frame_equal(table, told)


# --- on the command line --------------------------------------------------------------------------


@pytest.fixture
def folder(learnt, tmp_path):
    ledger, accounts = learnt
    frame = ledger.frame()
    frame.assign(mrr=(frame["arr"] / 12).round(2)).drop(columns="arr").to_csv(
        tmp_path / "ledger.csv", index=False
    )
    (tmp_path / "in").mkdir()
    accounts.to_csv(tmp_path / "in" / "accounts.csv", index=False)
    return tmp_path


def test_what_is_calibrated_with_accounts_is_expected_as_their_sum(run, folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "scenarios").mkdir()
    out = "scenarios/next.yaml"
    words = ("calibrate", "ledger.csv", "--as-of", "2026-01", "--accounts", "in/accounts.csv")
    code, _, said = run(*words, "--out", out)
    assert code == 0
    scenario = nr.read_scenario(out)
    assert scenario.plain()["book"]["accounts"] == "../in/accounts.csv"

    told = worth(out)
    code, answer, _ = run("expect", out, "--at-means", "--json")
    exact = json.loads(answer)
    assert exact["closing"] == pytest.approx(told["closing"].sum(), abs=0.01)
    for name in FLOWS:
        assert exact["movements"][name] == pytest.approx(told[name].sum(), abs=0.01)
    code, printed, _ = run("expect", out)
    assert code == 0
    own = f"{len(told)} of {len(told)} customers (accounts.csv)"
    assert f"Accounts with rates of their own: {own}" in printed

    code, printed, said = run("simulate", out, "--trials", "2000", "--json", "--quiet")
    assert (code, said) == (0, "")
    played, error = json.loads(printed)["nrr"]["mean"], json.loads(printed)["nrr"]["se"]
    code, answer, _ = run("expect", out, "--json")
    assert abs(played - json.loads(answer)["nrr"]) < 4.5 * error  # 1 of 150,000 such runs fails


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (None, 2, "accounts: in/other.csv: there is no such file"),
        ("customer,hazard\nnobody,2\n", 3, "in/other.csv:2: customer: 'nobody' is no customer"),
        ("", 3, "in/other.csv:1: the file is empty"),
    ],
)
def test_accounts_that_cannot_be_read(run, folder, monkeypatch, text, code, said):
    monkeypatch.chdir(folder)
    if text is not None:
        (folder / "in" / "other.csv").write_text(text)
    words = ("calibrate", "ledger.csv", "--as-of", "2026-01", "--accounts", "in/other.csv")
    left, printed, told = run(*words, "--quiet")
    assert (left, printed) == (code, "")
    assert told.startswith(said)
