"""NRR forecast with accounts: their sum, nothing of what came later, nothing where nothing is proved, and scored alike."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import scoringrules
from conftest import SHARED
from synthetic import Known, grow, written

import nrrsim as nr
from nrrsim.accounts.at_risk import at_risk
from nrrsim.accounts.forecasts import WithAccounts, backtest_with_accounts
from nrrsim.accounts.signals import read_signals
from nrrsim.accounts.worth import worth
from nrrsim.calibration.backtest import MEASURES, SHARES_TOLD, backtest, origins
from nrrsim.calibration.calibrate import calibrate
from nrrsim.errors import UsageError
from nrrsim.metrics import ratio
from nrrsim.months import shift

MONTHS, AT = 48, 35  # the month of the one origin, a year before the last
QUANTILES = [f"p{100 * each:02.0f}" for each in SHARES_TOLD]


@cache
def told() -> tuple[Known, nr.Ledger, object]:
    """A ledger whose signals tell who leaves, with them; one customer in bad health pays a fifth of all."""
    known = grow(500, MONTHS, seed=11, strength=2.0, announced=0.95, noise=0.1, persistence=0.98)
    sick = np.where(known.alive[:, AT], known.health[:, AT], -9).argmax()
    mrr = known.mrr.copy()
    mrr[sick] *= 0.25 * mrr[:, AT].sum() / mrr[sick, AT]
    known = replace(known, mrr=mrr.round(2))
    ledger = nr.read_ledger(known.ledger(), unit="mrr", currency="USD", rows="months")
    return known, ledger, read_signals(known.table(), ledger)


ORIGIN = str(written(AT))


# --- what accounts come to ------------------------------------------------------------------------


def test_a_year_moves_by_what_the_list_of_accounts_says():
    _, ledger, signals = told()
    found = WithAccounts(ledger, signals).moved(ORIGIN, 12, {})
    listed = at_risk(ledger, ORIGIN, signals=signals)
    assert listed.quality.proved == ("leave",)
    assert abs(found[None]) > 0.01
    assert found[None] == pytest.approx(listed.totals["accounts"] / listed.totals["arr"])
    opening = ledger.customers(ORIGIN).groupby("segment", observed=True)["arr"].sum()
    parts = sum(found[str(name)] * arr for name, arr in opening.items())
    assert parts == pytest.approx(listed.totals["accounts"])


def test_a_large_account_in_bad_health_is_what_the_forecast_hangs_on():
    known, ledger, signals = told()
    moved = WithAccounts(ledger, signals).moved(ORIGIN, 12, {})
    large = known.names[known.mrr[:, AT].argmax()]
    listed = at_risk(ledger, ORIGIN, signals=signals).frame.set_index("customer").loc[large]
    # by far the most of it is that account's, which may leave by so much more than its segment's rate
    more = (listed["p_leave"] - listed["p_leave_segment"]) * listed["arr"]
    assert more > 0
    assert moved[None] < 0
    assert -moved[None] == pytest.approx(more / ledger.customers(ORIGIN)["arr"].sum(), rel=0.4)


@pytest.mark.parametrize("horizon", [3, 6])
def test_of_a_part_of_a_year_only_who_was_there_at_its_start_counts(horizon):
    """Customer by customer: whoever came since the window began is in no NRR of it."""
    _, ledger, signals = told()
    made = WithAccounts(ledger, signals, unproved=True)
    listed = at_risk(ledger, ORIGIN, signals=signals, horizon=horizon, unproved=True)
    ahead = worth(listed.scenario, horizon)["closing"]
    plain = worth(calibrate(ledger, ORIGIN).scenario, horizon)["closing"]
    start = ledger.customers(shift(ORIGIN, horizon - 12), renewed_by=ORIGIN)["arr"]
    assert len(set(ahead.index) - set(start.index)) > 5
    sum_ = sum(ahead[name] - plain[name] for name in start.index if name in ahead.index)
    assert made.moved(ORIGIN, horizon, {})[None] == pytest.approx(sum_ / start.sum())


# --- nothing of what came later, and nothing that is not proved -----------------------------------


def test_nothing_after_the_origin_is_looked_at():
    known, ledger, signals = told()
    cut = known.ledger().query("month <= @ORIGIN")
    table = known.table().query("date <= @ORIGIN")
    then = nr.read_ledger(cut, unit="mrr", currency="USD", rows="months")
    seen = read_signals(table, then)
    for horizon in (6, 12):
        later = WithAccounts(ledger, signals).moved(ORIGIN, horizon, {})
        assert WithAccounts(then, seen).moved(ORIGIN, horizon, {}) == later


def test_where_nothing_is_proved_the_forecast_is_the_one_without():
    known = grow(120, 40, seed=2, strength=1.0, announced=0.7)
    ledger = nr.read_ledger(known.ledger(), unit="mrr", currency="USD", rows="months")
    signals = read_signals(known.table(), ledger)  # they tell, but too few left to judge
    found = backtest_with_accounts(ledger, signals=signals, trials=200, every=12)
    assert [*found.at.values()] == [()]
    alike = found.without.frame[lambda f: f["measure"] == "nrr"].reset_index(drop=True)
    columns = [*QUANTILES, "pit", "crps", "actual"]
    pd.testing.assert_frame_equal(found.proved.frame[columns], alike[columns])
    assert not found.always.frame["crps"].equals(alike["crps"])  # the model is there, and left out


# --- how it is scored -----------------------------------------------------------------------------


def test_another_forecast_is_scored_in_the_place_of_what_was_published():
    _, ledger, _ = told()
    how = {"trials": 200, "every": 6}

    def moved(origin, horizon, learning, published):
        assert horizon == 12
        return {group: each + 0.1 for group, each in published.items()}

    plain = backtest(ledger, **how).frame
    mine, other = plain[plain["measure"] == "nrr"], backtest(ledger, **how, forecaster=moved).frame
    assert set(other["measure"]) == {"nrr"}
    assert other[QUANTILES].to_numpy() == pytest.approx(mine[QUANTILES].to_numpy() + 0.1)
    for name in ("actual", "model", "ratios", "past", "last", "mean"):
        assert other[name].tolist() == mine[name].tolist()
    same = backtest(ledger, **how, forecaster=lambda *told: told[-1]).frame
    assert same["crps"].tolist() == mine["crps"].tolist()


def test_the_score_with_accounts_is_that_of_another_library():
    _, ledger, signals = told()
    kept = {}

    class Noted(WithAccounts):
        def __call__(self, origin, *told):
            kept[origin] = super().__call__(origin, *told)
            return kept[origin]

    frame = backtest(ledger, trials=200, every=12, forecaster=Noted(ledger, signals)).frame
    for row in frame.to_dict("records"):
        group = None if row["segment"] == "all" else row["segment"]
        values = kept[row["origin"]][group][0]
        expected = scoringrules.crps_ensemble(row["actual"], values, estimator="nrg")
        assert row["crps"] == pytest.approx(float(expected), abs=1e-12)
        outcome = ledger.cohort(shift(row["origin"], 12), 12)
        by_hand = (
            ratio(outcome, "nrr")
            if group is None
            else ratio(outcome, "nrr", by_segment=True)[outcome.segments.index(group)]
        )
        assert row["actual"] == pytest.approx(float(by_hand))


def test_a_shorter_horizon_is_of_the_year_that_ends_then():
    _, ledger, _ = told()
    tested = backtest(ledger, trials=200, horizon=6, every=6)
    assert tested.frame["origin"].max() == shift(ledger.months[-1], -6)
    for row in tested.frame.query("segment == 'all'").to_dict("records"):
        ended = ledger.cohort(shift(row["origin"], 6), 12)
        assert row["actual"] == pytest.approx(float(ratio(ended, row["measure"])))
    assert set(tested.frame["measure"]) == set(MEASURES)
    assert {each["horizon"] for each in tested.told()["forecasts"]} == {6}


@pytest.mark.parametrize("horizon", [0, -3, 13, 24])
def test_a_horizon_that_is_none_is_refused(horizon):
    _, ledger, _ = told()
    with pytest.raises(UsageError, match="horizon: must be 1 to 12 months"):
        origins(ledger, horizon=horizon)


# --- the command ----------------------------------------------------------------------------------


def test_the_command_prints_both(run, write):
    known = grow(150, 40, seed=7)
    path = str(write(known.ledger().to_csv(index=False)))
    signals = str(write(known.table().to_csv(index=False), "signals.csv"))
    words = ["backtest", path, "--rows", "months", "--trials", "100", "--every", "12"]
    words += ["--accounts", "--signals", signals]
    code, out, _ = run(*words)
    assert code == 0
    for phrase in (
        "NRR of the whole book",
        "Without accounts",
        "With, where proved",
        "at 0 of 1 date the score",
    ):
        assert phrase in out
    code, out, _ = run(*words, "--json")
    answer = json.loads(out)["accounts"]
    assert [*answer] == ["horizon", "proved", "whole", "segments"]
    assert [*answer["whole"]] == ["without", "proved", "always"]
    for row in (*answer["whole"].values(), *answer["segments"].values()):
        assert [*row] == ["n", "years", "cover50", "cover80", "cover90", "width80", "crps"]
    assert answer["whole"]["without"]["crps"] == json.loads(out)["whole"]["nrr"]["crps"]


def test_signals_without_accounts_are_said_to_do_nothing(run, write):
    known = grow(60, 40, seed=7)
    path = str(write(known.ledger().to_csv(index=False)))
    signals = str(write(known.table().to_csv(index=False), "signals.csv"))
    words = ["backtest", path, "--rows", "months", "--trials", "50", "--every", "12"]
    assert "--accounts looks at them" in run(*words, "--signals", signals)[2]


# --- a real company -------------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.slow
def test_a_real_companys_forecast_is_closer_with_accounts():
    """Buffer: nineteen months, so three ahead, at four dates that share months: no more than an indication."""
    ledger = nr.read_ledger(SHARED / "buffer_ledger.csv")
    signals = read_signals(SHARED / "buffer_signals.csv", ledger)
    found = backtest_with_accounts(
        ledger, signals=signals, horizon=3, first=12, every=1, trials=1000
    )
    whole, segments = found.summary(), found.summary(segments=True)
    assert whole.loc["without", "n"] == 4
    assert found.at["2021-09"] == ("leave",)
    assert whole.loc["proved", "crps"] < whole.loc["without", "crps"]
    assert segments.loc["always", "crps"] < segments.loc["without", "crps"]
