"""The account model against what can be worked by hand, closed forms and another way to the same numbers."""

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

import nrrsim as nr
from nrrsim.accounts.at_risk import at_risk
from nrrsim.accounts.features import Panel
from nrrsim.accounts.proof import Quality, auc, judged_rules, resampled
from nrrsim.accounts.proof import _held as held
from nrrsim.accounts.risk import PSEUDO, Ahead, Risk, rates
from nrrsim.accounts.risk import _shifted as shifted
from nrrsim.accounts.signals import read_signals
from nrrsim.accounts.watch import Rule, SignalsCard
from nrrsim.accounts.worth import worth
from nrrsim.months import month_number
from nrrsim.movements import json_amount, json_amounts

DATA = Path(nr.__file__).parent / "data"
MONTHS = [f"{2023 + k // 12}-{k % 12 + 1:02d}" for k in range(36)]


def ledger(lives: dict[str, list[float]], **columns: str) -> nr.Ledger:
    """Customers with an amount a month; 0 where a customer is not there."""
    rows = [
        {"customer": name, "month": month, "mrr": amount, **columns}
        for name, amounts in lives.items()
        for month, amount in zip(MONTHS, amounts, strict=False)
        if amount
    ]
    return nr.read_ledger(pd.DataFrame(rows))


def random_ledger(seed: int, customers: int = 120) -> tuple[nr.Ledger, pd.DataFrame]:
    """A ledger with gaps, rises and falls, and two signals that are not always known."""
    rng = np.random.default_rng(seed)
    rows, signals = [], []
    for number in range(customers):
        first, stays = int(rng.integers(0, 30)), int(rng.geometric(0.05))
        amount = 100.0 * (1 + number % 7)
        for k in range(first, min(first + stays, 36)):
            if rng.random() < 0.06:
                continue
            amount *= rng.choice([1, 1, 1, 1.1, 0.9])
            rows.append((f"C{number}", MONTHS[k], round(amount, 2), f"s{number % 2}"))
            signals.append(
                (
                    f"C{number}",
                    MONTHS[k],
                    *np.where(rng.random(2) < 0.3, np.nan, rng.integers(0, 40, 2)),
                )
            )
    names = ["customer", "month", "mrr", "segment"]
    return (
        nr.read_ledger(pd.DataFrame(rows, columns=names)),
        pd.DataFrame(signals, columns=["customer", "date", "users", "calls"]),
    )


def test_a_cell_leans_on_its_segment_and_a_segment_on_the_book():
    # one segment: 90 steps without a renewal, 9 left; 10 with, 1 left; the third cell is empty
    cell, left = np.repeat([0, 1], [90, 10]), np.repeat([1, 0, 1, 0], [9, 81, 1, 9])
    book = 10.5 / 101
    segment = (10 + PSEUDO * book) / (100 + PSEUDO)
    told = rates(cell, left, 3)
    assert told == pytest.approx(
        [(9 + PSEUDO * segment) / 102, (1 + PSEUDO * segment) / 22, segment]
    )
    # a quarterly ledger has a third of the steps, and leans on a third of them
    assert rates(cell, left, 3, 3)[2] == pytest.approx((10 + 4 * book) / 104)


def test_within_is_the_product_over_steps_and_times_counts_events():
    ahead = Ahead(np.array([[0.1, 0.5], [0.2, 0.5]]), np.array([[0.1, 0.25], [0.1, 0.25]]))
    assert ahead.within(2) == pytest.approx([1 - 0.9 * 0.8, 0.75])
    assert ahead.within(np.array([1, 2]), "segment") == pytest.approx([0.1, 1 - 0.75**2])
    assert ahead.times() == pytest.approx([1.5, 2.0])


def test_the_same_rates_in_another_order_are_alike_to_the_last_bit():
    """Else chance decides which of two equal customers the score puts first."""
    rng = np.random.default_rng(1)
    hazards = rng.permuted(np.tile(rng.random((12, 1)) / 9, 200), axis=0)
    assert len(set(Ahead(hazards, hazards).within(12))) == 1


def test_one_shift_brings_each_segment_back_to_its_mean():
    rng = np.random.default_rng(1)
    segment = np.repeat([0, 1], [40, 60])
    held, eta = expit(rng.normal(-3, 1, 100)), rng.normal(-3, 0.3, 100)
    moved = shifted(eta, held, segment)
    for number in (0, 1):
        mine = segment == number
        assert moved[mine].mean() == pytest.approx(held[mine].mean(), rel=1e-9)
        assert np.ptp(logit(moved[mine]) - eta[mine]) < 1e-9  # one shift, the same for all


@pytest.mark.parametrize("spread", [0.1, 1.0])
def test_the_ridge_is_that_of_newtons_method(spread):
    led, signals = random_ledger(2, 300)
    risk = Risk(Panel.of(led, MONTHS[-1], read_signals(signals, led), None))
    y = risk.panel.outcome["leave"][risk.rows]
    offset = np.full(len(y), logit(y.mean()))
    every, columns = np.ones(len(y), bool), np.arange(risk.X.shape[1])
    told = risk._ridge(y, offset, every, columns, spread, None)
    whole = np.column_stack([np.ones(len(y)), risk.X])
    penalty = np.diag([0.0, *[spread**-2] * risk.X.shape[1]])
    b = np.zeros(whole.shape[1])
    for _ in range(60):
        p = expit(offset + whole @ b)
        step = np.linalg.solve(
            (whole * (p * (1 - p))[:, None]).T @ whole + penalty,
            whole.T @ (y - p) - penalty @ b,
        )
        b += 0.5 * step  # halved: whole steps may diverge on a rare, strong column
    assert np.abs(told - b).max() < 1e-4


def test_what_is_known_of_a_month_does_not_change_with_what_comes_after():
    led, table = random_ledger(3)
    signals = read_signals(table, led)
    late, early = (Panel.of(led, month, signals, None) for month in (MONTHS[35], MONTHS[20]))
    rows = np.flatnonzero(late.month <= early.origin)
    at = {
        (name, month): k
        for k, (name, month) in enumerate(
            zip(early.names[early.customer], early.month, strict=True)
        )
    }
    same = [at[late.names[late.customer[k]], late.month[k]] for k in rows]
    assert len(same) == len(early.month)
    assert early.segments == late.segments
    # but for what is a price: a rise that many share is one once a second year shows it again
    known = [k for k, each in enumerate(late.of_ledger) if each.name != "price"]
    np.testing.assert_array_equal(
        early.columns(np.array(same))[:, known], late.columns(rows)[:, known]
    )
    told, found = early.signal_columns(np.array(same)), late.signal_columns(rows)
    assert [each.name for each in told[0]] == [each.name for each in found[0]]
    np.testing.assert_array_equal(told[1], found[1])


def test_features_by_hand():
    shrinks = [100.0] * 10 + [80.0] * 10
    comes_back = [50.0] * 5 + [0.0] * 3 + [50.0] * 12
    others = {f"O{k}": [60.0] * 20 for k in range(3)}
    led = ledger({"Shrinks": shrinks, "Back": comes_back, **others})
    panel = Panel.of(led, MONTHS[19], None, None)
    names = [each.name for each in panel.of_ledger]
    told = panel.columns(np.arange(len(panel.month)))

    def of(customer: str, month: str, feature: str) -> float:
        who = panel.names[panel.customer] == customer
        when = panel.month - panel.begin == MONTHS.index(month)
        return told[np.flatnonzero(who & when)[0], names.index(feature)]

    # it shrank in the eleventh month, and that is lately for six
    assert [of("Shrinks", month, "shrank") for month in MONTHS[9:17]] == [0, 1, 1, 1, 1, 1, 1, 0]
    assert [of("Back", month, "was away") for month in (MONTHS[4], MONTHS[8], MONTHS[19])] == [
        0,
        1,
        1,
    ]
    assert of("Shrinks", MONTHS[9], "size all") == pytest.approx(np.log(100 / 60))
    assert of("Shrinks", MONTHS[11], "tenure all") == pytest.approx(np.log1p(11))


def test_a_signal_is_held_against_its_own_past():
    led = ledger({"A": [10.0] * 12, "B": [10.0] * 12})
    seen = [8, 8, 8, np.nan, 8, 8, 8, 4]
    table = pd.DataFrame({"customer": "A", "date": MONTHS[:8], "users": seen})
    panel = Panel.of(led, MONTHS[11], read_signals(table, led), None)
    row = np.flatnonzero((panel.names[panel.customer] == "A") & (panel.month == panel.begin + 9))
    told, values = panel.signal_columns(row)
    found = dict(zip([each.name for each in told], values[0], strict=True))
    fell = np.log1p(4) - np.log1p(8)  # the latest, two months old, against the six before it
    assert found == pytest.approx(
        {
            "users": np.log1p(4),
            "users none": 0,
            "users half year": fell,
            "users ever": fell,
            "users fell": 1,
        }
    )
    nobody = np.flatnonzero(panel.names[panel.customer] == "B")
    assert np.isnan(panel.signal_columns(nobody)[1]).all()


def test_auc_is_how_often_who_left_had_the_higher_score():
    rng = np.random.default_rng(4)
    y, p = rng.random(60) < 0.3, rng.integers(0, 9, 60) / 9
    pairs = [(a > b) + (a == b) / 2 for a, b in itertools.product(p[y], p[~y])]
    assert auc(y * 1.0, p) == pytest.approx(np.mean(pairs))
    assert np.isnan(auc(np.zeros(5), p[:5]))


def test_of_equal_scores_so_many_are_in_the_tenth_as_there_is_room_for():
    """Of 20 the first two are the tenth; the second is one of four alike, of whom one left."""
    score = np.array([9.0, 5, 5, 5, 5, *range(5), *[0] * 10])
    asked = SimpleNamespace(left=(np.arange(20) < 2) * 1.0, arr=np.full(20, 8.0))
    assert held(asked, score) == 8 + 8 / 4
    assert held(asked, -score) == 0


def test_customers_are_drawn_whole():
    customer, value = np.array([0, 0, 1]), np.array([[1.0, 1.0, 5.0]])
    sums = resampled(customer, value)[:, 0]
    assert set(np.round(sums)) == {4, 7, 10}  # twice the first, one of each, twice the second
    assert sums.mean() == pytest.approx(7, abs=5 * sums.std() / np.sqrt(len(sums)))


def test_a_rule_is_judged_by_what_came_after_it_fired():
    stays, leaves = [10.0] * 36, [10.0] * 30
    led = ledger({"Leaves": leaves, "Stays": stays, **{f"Quiet {k}": stays for k in range(8)}})
    # before it leaves it fires twice: from the first is counted
    again = [("Leaves", MONTHS[k], value) for k, value in ((25, 1), (26, 9))]
    low = [*again, *((name, MONTHS[28], 1) for name in ("Leaves", "Stays"))]
    high = [(f"Quiet {k}", MONTHS[0], 9) for k in range(8)] + [(n, MONTHS[0], 9) for n, _, _ in low]
    table = pd.DataFrame([*high, *low], columns=["customer", "date", "users"])
    card = SignalsCard(watch=(Rule(signal="users", below=5, means="risk"),))
    panel = Panel.of(led, MONTHS[35], read_signals(table, led, card), card)
    (rule,) = judged_rules(panel, 6).to_dict("records")
    assert (rule["fired"], rule["hit_rate"], rule["arr"]) == (3, pytest.approx(2 / 3), 360)
    assert rule["lead_months"] == 5  # first fired at the end of the 26th month, away in the 31st
    # of ten customers for 30 months, one for its last six of 30
    assert rule["base_rate"] == pytest.approx(6 / (10 * 30))
    assert rule["lift"] == pytest.approx(2 / 3 / rule["base_rate"])
    # of several each is judged as it is alone
    rules = [*card.watch, Rule(signal="users", above=8, means="risk")]
    alone, together = (
        [judged_rules(replace(panel, card=SignalsCard(watch=each)), 6) for each in asked]
        for asked in ([(rule,) for rule in rules], [tuple(rules)])
    )
    pd.testing.assert_frame_equal(pd.concat(alone, ignore_index=True), *together)


@pytest.mark.parametrize(("currency", "unit"), [("USD", 0.01), ("JPY", 1.0)])
def test_amounts_of_accounts_add_up_as_they_are_told(currency, unit):
    amounts = np.random.default_rng(5).lognormal(8, 2, 2_001)
    told = json_amounts(amounts, currency)
    assert np.abs(told - amounts).max() < unit
    assert told.sum() == pytest.approx(json_amount(amounts.sum(), currency), abs=unit / 100)


def test_a_rule_of_a_quarterly_ledger_fires_in_a_quarter_whenever_in_it_it_held():
    lives = {name: [10.0] * 36 for name in "ABCDEFGH"}
    whole = ledger(lives).frame().rename(columns={"arr": "mrr"})
    led = nr.read_ledger(whole[whole["month"].isin(MONTHS[2::3])])
    # B to D for a month each, E from the second month of a quarter up to the next one's first
    held = {"B": [15], "C": [16], "D": [17], "E": [16, 17, 18]}
    rows = [
        (name, month, 9 - 8 * (k in held.get(name, ())))
        for name in lives
        for k, month in enumerate(MONTHS)
    ]
    table = pd.DataFrame(rows, columns=["customer", "date", "users"])
    card = SignalsCard(watch=(Rule(signal="users", below=5, means="risk"),))
    panel = Panel.of(led, MONTHS[35], read_signals(table, led, card), card)
    assert led.step == 3
    (rule,) = judged_rules(panel, 6).to_dict("records")
    assert rule["fired"] == 4


def test_who_has_no_known_renewal_is_followed_for_a_year_whatever_its_name():
    """A scenario has a renewal for each of them, which follows from the order of names."""
    frame = random_ledger(3)[0].frame().rename(columns={"arr": "mrr"})
    old = [f"old {n}" for n in range(30)]
    rows = [(name, month, 50.0 + n, "s0") for n, name in enumerate(old) for month in MONTHS]
    frame = pd.concat([frame, pd.DataFrame(rows, columns=frame.columns)])
    found = at_risk(nr.read_ledger(frame), MONTHS[-1], horizon="next renewal")
    told = found.frame.set_index("customer")
    unknown = told.index[told["renewal"] == ""]
    assert set(old) <= set(unknown) < set(told.index)
    for name, row in told.iterrows():
        months = 12 if name in unknown else month_number(row["renewal"]) - month_number(MONTHS[-1])
        year = worth(found.scenario, months).loc[name]
        assert row["arr_at_risk"] == pytest.approx(year["churn"] + year["contraction"])


@pytest.mark.parametrize(("fire", "low"), [(2, 0.05**0.5), (6, 0.05 ** (1 / 6))])
def test_what_came_every_time_may_have_come_by_luck(fire, low):
    """Every resample of who all left says that all do: of two, by an even chance, that is no proof."""
    left = {f"Left {k}": [10.0] * 30 for k in range(6)}
    led = ledger({**left, **{f"Stays {k}": [10.0] * 36 for k in range(6)}})
    rows = [(name, MONTHS[0], 9) for name in led.customers(MONTHS[0]).index]
    rows += [(name, MONTHS[28], 1) for name in [*left][:fire]]
    card = SignalsCard(watch=(Rule(signal="users", below=5, means="risk"),))
    table = pd.DataFrame(rows, columns=["customer", "date", "users"])
    panel = Panel.of(led, MONTHS[35], read_signals(table, led, card), card)
    (rule,) = judged_rules(panel, 6).to_dict("records")
    assert (rule["fired"], rule["hit_rate"]) == (fire, 1)
    assert rule["lift_low"] == pytest.approx(low / rule["base_rate"])
    assert rule["lift_high"] == pytest.approx(1 / rule["base_rate"])


def test_a_fall_of_use_is_no_reason_to_stay():
    found = at_risk(
        nr.read_ledger(DATA / "meridian.csv"), "2026-09", signals=str(DATA / "meridian_signals.csv")
    )
    stays = found.frame[found.frame["p_leave"] <= found.frame["p_leave_segment"]]
    use = ("active users", "core actions", "seats used")  # the levels of the card that comes along
    assert found.quality.proves
    assert len(stays) > 100
    for text in {text for reasons in stays["reasons"] for text in reasons}:
        assert not (text.startswith(use) and (" down " in text or " fell " in text)), text


def test_where_leaving_is_not_proved_nothing_is():
    sure = (0.1, 0.05, 0.2)
    told = Quality(n=100, events=30, skill=0.01, skill_low=-0.01, skill_high=0.02, expand=sure)
    assert told.proved == ()
    assert replace(told, skill_low=0.001).proved == ("leave", "expand")
    assert replace(told, skill_low=0.001, events=9).proved == ()
