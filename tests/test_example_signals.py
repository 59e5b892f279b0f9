"""The example's signals, reasons and actions: what their script writes, with the truth it states."""

import numpy as np
import pandas as pd
import pytest

from nrrsim.data import make_meridian, make_signals
from tests.test_example import DATA

SIGNALS = ["active_users", "seats_used", "seats_bought", "core_actions", "payment_failures"]
SIGNALS += ["nps", "tickets"]


@pytest.fixture(scope="module")
def seats() -> pd.DataFrame:
    """Seats bought, customers x months; none where a customer is away."""
    ledger = pd.read_csv(DATA / "meridian.csv")
    return ledger.pivot(index="customer", columns="month", values="quantity")


@pytest.fixture(scope="module")
def signals() -> pd.DataFrame:
    table = pd.read_csv(DATA / "meridian_signals.csv")
    return table.assign(month=table["date"].str[:7])


@pytest.fixture(scope="module")
def reasons() -> pd.DataFrame:
    return pd.read_csv(DATA / "meridian_reasons.csv", keep_default_na=False)


@pytest.fixture(scope="module")
def actions() -> pd.DataFrame:
    return pd.read_csv(DATA / "meridian_actions.csv", keep_default_na=False)


def by_month(signals: pd.DataFrame, values: pd.Series, seats: pd.DataFrame) -> pd.DataFrame:
    """A signal as customers x months of the ledger; not a number where it is unknown."""
    grid = signals.assign(value=values).pivot(index="customer", columns="month", values="value")
    return grid.reindex(index=seats.index, columns=seats.columns)


def fell(signal: pd.DataFrame) -> pd.DataFrame:
    """Whether the signal is a fifth below what it was three months before."""
    return signal < 0.8 * signal.shift(3, axis=1)


def within_three(event: pd.DataFrame, step: int) -> pd.DataFrame:
    """Whether the event takes place in a month or the two before (step 1) or after it (-1)."""
    near = [event.shift(step * months, axis=1, fill_value=False) for months in range(3)]
    return near[0] | near[1] | near[2]


def share(event: pd.DataFrame, among: pd.DataFrame) -> float:
    """Of the customer-months of a kind, the share in which the event takes place."""
    return float(event.to_numpy()[among.to_numpy()].mean())


@pytest.mark.parametrize("name", ["signals", "reasons", "actions"])
def test_the_script_writes_the_committed_files_byte_for_byte(name):
    made = getattr(make_signals, name)().encode("utf-8")
    committed = (DATA / f"meridian_{name}.csv").read_bytes()
    assert made == committed
    assert len(committed) < 1_200_000


def test_lives_that_go_on_are_the_same_until_the_ledger_ends():
    last = make_meridian.iso(make_meridian.LAST)
    later = make_meridian.lives(make_meridian.LAST + make_signals.LOOKAHEAD)
    assert [row for row in later if row[1] <= last] == make_meridian.lives()


def test_signals_are_monthly_and_fit_the_ledger(signals, seats):
    assert list(signals.columns) == ["customer", "date", *SIGNALS, "month"]
    keys = list(zip(signals["customer"], signals["date"], strict=True))
    assert keys == sorted(set(keys))
    dates = pd.to_datetime(signals["date"])
    assert (dates.dt.day == dates.dt.days_in_month).all()
    assert (signals["month"].min(), signals["month"].max()) == ("2022-10", "2026-09")
    prospects = signals[~signals["customer"].isin(seats.index)]
    assert prospects["customer"].nunique() == 4
    own = signals.drop(prospects.index)
    bought = seats.stack()[pd.MultiIndex.from_frame(own[["customer", "month"]])]
    assert (bought.to_numpy() == own["seats_bought"]).all()
    assert (signals["active_users"] <= signals["seats_used"]).all()
    assert (signals["seats_used"] <= signals["seats_bought"]).all()


def test_some_things_are_unknown(signals, seats):
    assert 0.85 < signals["nps"].isna().mean() < 0.95
    assert signals[SIGNALS].drop(columns="nps").notna().all(axis=None)
    first, measured = (
        grid.apply(lambda row: row.first_valid_index(), axis=1)
        for grid in (seats, by_month(signals, signals["seats_used"], seats))
    )
    newcomers = (first > "2022-10") & measured.notna()
    assert (measured[newcomers] > first[newcomers]).all()
    assert 15 < (measured > "2023-03")[first == "2022-10"].sum() < 30


def test_half_of_those_who_leave_use_the_product_less_before(signals, seats):
    active = by_month(signals, signals["active_users"], seats)
    known = active.notna() & active.shift(3, axis=1).notna()
    known.loc[:, "2026-07":] = False  # so that all of the next three months is known
    leaves = seats.notna() & seats.shift(-1, axis=1).isna()
    falls, soon = fell(active), within_three(leaves, -1)
    # 57% of those who leave had such a fall, 6% of the others: false alarms, too, are many.
    assert 0.50 < share(within_three(falls, 1), known & leaves) < 0.62
    assert 0.04 < share(within_three(falls, 1), known & ~soon) < 0.08
    # 30% of those with such a fall leave within three months, 3% of all.
    assert 0.25 < share(soon, known & falls) < 0.35
    assert 0.02 < share(soon, known) < 0.04


def test_the_last_month_warns_of_what_comes_after_the_ledger(signals, seats):
    later = make_meridian.lives(make_meridian.LAST + make_signals.LOOKAHEAD)
    stay = seats.index.isin([row[0] for row in later if row[1] == "2026-12"])
    falls = fell(by_month(signals, signals["active_users"], seats))["2026-09"]
    leave = seats["2026-09"].notna() & ~stay
    assert leave.sum() == 12
    assert falls[leave].sum() == 5
    assert falls[seats["2026-09"].notna() & stay].mean() < 0.04


def test_seats_in_use_tell_of_contractions_and_expansions(signals, seats):
    used = by_month(signals, signals["seats_used"] / signals["seats_bought"], seats)
    following = seats.shift(-1, axis=1)
    known = used.shift(3, axis=1).notna() & used.notna() & following.notna()
    shrinks, grows = known & (following < seats), known & (following > seats)
    assert share(fell(used), shrinks) > 2.5 * share(fell(used), known & ~shrinks)
    assert 0.50 < share(used > 0.9, grows) < 0.60
    assert 0.05 < share(used > 0.9, known & ~grows) < 0.12


def test_failed_payments_come_before_most_involuntary_churn(signals, seats):
    failures = by_month(signals, signals["payment_failures"], seats)
    lives = make_signals.customers()
    unpaid = [(life, loss) for life in lives for loss in life.losses() if loss.unpaid]
    months = [(life.name, make_meridian.iso(loss.month - 1)) for life, loss in unpaid]
    warned = [failures.loc[at] > 0 for at in months if at[1] <= "2026-09"]
    churned = sum(loss.left for life in lives for loss in life.losses())
    assert 0.02 < len(unpaid) / churned < 0.08
    assert 0.6 < sum(warned) / len(warned) < 1
    assert failures.gt(0).sum().sum() > 10 * len(unpaid)  # most failures come to nothing


def test_tickets_are_noise(signals, seats):
    leaves = seats.notna() & seats.shift(-1, axis=1).isna()
    leaves["2026-09"] = False
    tickets = by_month(signals, signals["tickets"], seats)
    means = [np.nanmean(tickets.where(each)) for each in (leaves, seats.notna() & ~leaves)]
    assert abs(means[0] - means[1]) < 0.1 * tickets.stack().std()


def test_reasons_are_those_of_most_losses_of_two_years(reasons, seats):
    left = seats.shift(1, axis=1).notna() & seats.isna()
    shrank = seats < seats.shift(1, axis=1)
    at = pd.MultiIndex.from_frame(reasons[["customer", "month"]])
    assert at.is_unique
    assert (left | shrank).stack()[at].all()
    assert reasons["month"].min() > "2024-09"
    for loss, known in ((left, 0.85), (shrank, 0.65)):
        recent = loss.loc[:, "2024-10":].to_numpy().sum()
        assert loss.stack()[at].sum() / recent == pytest.approx(known, abs=0.06)
    final = reasons[reasons["reason"].isin(["Acquired", "Bankrupt"])]
    for customer, month in zip(final["customer"], final["month"], strict=True):
        assert seats.loc[customer, month:].isna().all()


def test_the_manufacturers_of_the_last_quarter_say_budget(reasons, seats):
    ledger = pd.read_csv(DATA / "meridian.csv").drop_duplicates("customer")
    industry = ledger.set_index("customer")["industry"]
    left = (seats.shift(1, axis=1).notna() & seats.isna()).loc[:, "2026-07":].any(axis=1)
    assert (left.sum(), left[industry == "Manufacturing"].sum()) == (18, 7)
    last = reasons[reasons["month"] > "2026-06"].set_index("customer")["reason"]
    theirs = last[last.index.isin(left.index[left & (industry == "Manufacturing")])]
    assert (theirs == "Budget cut").sum() > len(theirs) / 2


def test_calls_were_given_by_lot_and_reviews_by_choice(actions, seats):
    leaves = seats.notna() & seats.shift(-1, axis=1).isna()
    known = leaves.loc[:, :"2026-08"].T[::-1]
    soon = known.rolling(6, min_periods=6).max()[::-1].T.stack()  # leaves within six months
    at = pd.MultiIndex.from_arrays([actions["customer"], actions["date"].str[:7]])
    assert seats.stack().reindex(at).notna().all()
    action, arm = actions["action"].array, actions["arm"].array
    assert set(zip(action, arm, strict=True)) == {
        ("call", "treated"),
        ("call", "holdout"),
        ("QBR", ""),
    }
    left = soon.reindex(at).groupby(arm).mean()
    assert left["treated"] == pytest.approx(left["holdout"], abs=0.02)
    everybody = soon.reindex(seats.loc[:, "2024-10":].stack().dropna().index).mean()
    assert left[""] < everybody / 2
