"""Actions measured: read, compared with holdouts and alike customers, planned; against truth from outside."""

import json

import numpy as np
import pandas as pd
import pytest
from acted import AS_OF, act, written
from conftest import ROOT
from scipy import stats

import nrrsim as nr
from nrrsim.accounts.action_table import read_actions
from nrrsim.accounts.actions import (
    BY_CHANCE,
    CLAIMED_BY_LOT,
    NO_ARM,
    Gap,
    _weights,
    actions,
    belief_in,
    newcombe,
    wilson,
)
from nrrsim.accounts.holdout import found, holdout

DATA = ROOT / "nrrsim" / "data"
NULL = ("at risk", "healthy", "traced", "traceless")
TRUTH = str(written(AS_OF))


def book(stays: dict[str, int], months: int = 24, mrr: float = 100.0) -> nr.Ledger:
    """Customers, each with so many months of revenue from 2024-01 on."""
    rows = [
        (name, f"{2024 + month // 12}-{month % 12 + 1:02d}", mrr, "all")
        for name, until in stays.items()
        for month in range(min(until, months))
    ]
    return nr.read_ledger(pd.DataFrame(rows, columns=["customer", "month", "mrr", "segment"]))


def table(*rows: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["customer", "date", "action", "arm"][: len(rows[0])])


EVER = 99
PEOPLE = book({f"K{n:02d}": EVER for n in range(20)} | {"Gone": 3})


# --- the table ------------------------------------------------------------------------------------


def test_a_table_is_read_as_a_ledger_is_and_spelt_one_way():
    rows = pd.DataFrame(
        {
            "Account": ["K01", "K02", "K03", "K01"],
            "Completed Date": ["2025-03-04", "2025-03", "2025-02-01", "2025-05-01"],
            "Activity": ["Call", "call", "call", "call"],
        }
    )
    found_ = read_actions(rows, PEOPLE)
    assert found_.frame["customer"].tolist() == ["K03", "K01", "K02"]
    assert set(found_.frame["action"]) == {"call"}
    assert found_.frame["month"].tolist() == [2025 * 12 + 1, 2025 * 12 + 2, 2025 * 12 + 2]
    assert "1 row is of a customer who had got the action before" in str(found_.notices[-1])


def test_everything_that_is_wrong_with_a_table_is_said_at_once():
    rows = table(
        ("K01", "sometime", "call", "treated"),
        ("K02", "2025-03-01", "", "holdout"),
        ("", "2025-03-01", "call", "treated"),
        ("K03", "2025-03-01", "call", "perhaps"),
    )
    with pytest.raises(nr.DataError) as error:
        read_actions(rows, PEOPLE)
    said = str(error.value)
    for part in ("'sometime'", "action: is empty", "customer: is empty", "'perhaps' is no arm"):
        assert part in said, part
    assert "write treated or holdout" in said


def test_a_missing_column_is_named_with_what_such_a_table_has():
    with pytest.raises(nr.DataError, match=r"no column date.*customer, date, action and.*arm"):
        read_actions(pd.DataFrame({"customer": ["K01"], "action": ["call"]}), PEOPLE)


def test_an_action_with_some_arms_or_a_customer_in_both_is_asked_about_and_never_guessed():
    rows = table(
        ("K01", "2025-03-01", "call", "treated"),
        ("K02", "2025-03-01", "call", ""),
        ("K03", "2025-03-01", "visit", "treated"),
        ("K03", "2025-04-01", "visit", "control"),
    )
    with pytest.raises(nr.DataError) as error:
        read_actions(rows, PEOPLE)
    assert "'call': 1 row has no arm and 1 have one" in str(error.value)
    assert "'visit': 1 customer is both treated and holdout: 'K03'" in str(error.value)


def test_who_is_left_out_is_counted():
    rows = table(
        ("K01", "2025-03-01", "call"),
        ("Gone", "2025-03-01", "call"),
        ("Nobody", "2025-03-01", "call"),
        ("K02", "2025-12-30", "call"),
        ("K03", "2023-12-30", "call"),
    )
    told = actions(PEOPLE, rows, "2025-11")
    assert told.frame()["treated"].tolist() == [1]
    said = "; ".join(told.notices)
    for part in (
        "1 customer is not in the ledger, such as 'Nobody'",
        "1 action is dated after November 2025: left out",
        "1 action is dated before the ledger begins: left out",
        "1 action is of a customer without an amount in that month: left out",
    ):
        assert part in said, part


# --- by a lot -------------------------------------------------------------------------------------


def lot(treated: int, left: int, held: int, gone: int, **kind) -> nr.Ledger:
    """A lot of 2025-01: so many treated of whom some left by June, and so many held out."""
    stays = {f"T{n:03d}": 15 if n < left else EVER for n in range(treated)}
    return book(stays | {f"H{n:03d}": 16 if n < gone else EVER for n in range(held)}, **kind)


def drawn(treated: int, held: int) -> pd.DataFrame:
    rows = [(f"T{n:03d}", "2025-01-09", "call", "treated") for n in range(treated)]
    return table(*rows, *((f"H{n:03d}", "2025-01-20", "call", "holdout") for n in range(held)))


def test_a_lot_by_hand():
    ledger = lot(40, 2, 50, 15)
    (effect,) = actions(ledger, drawn(40, 50), "2025-09").effects
    assert (effect.treated, effect.controls) == (40, 50)
    assert effect.left_treated == pytest.approx(2 / 40)
    assert effect.left_controls == pytest.approx(15 / 50)
    assert effect.difference == pytest.approx(0.05 - 0.3)
    assert (effect.low, effect.high) == pytest.approx(newcombe(2 / 40, 40, 15 / 50, 50))
    assert effect.hazard_ratio == pytest.approx(np.log(1 - 0.05) / np.log(1 - 0.3))
    # each pays 1,200 a year: a quarter more of the treated is there at the end
    assert effect.arr == pytest.approx(40 * 1200)
    assert effect.arr_saved == pytest.approx(40 * 1200 * 0.25)
    assert effect.claimed
    assert effect.why == CLAIMED_BY_LOT
    assert effect.reach == {"all": pytest.approx(1.0)}


def test_what_may_be_chance_is_not_claimed_and_what_is_too_recent_is_not_measured():
    ledger = lot(40, 4, 50, 6)
    (effect,) = actions(ledger, drawn(40, 50), "2025-09").effects
    assert not effect.claimed
    assert effect.why == BY_CHANCE
    (recent,) = actions(ledger, drawn(40, 50), "2025-05").effects
    assert recent.too_recent == 40
    assert not recent.is_measured
    assert not recent.claimed
    assert recent.why == "no action is 6 months ago yet"


@pytest.mark.parametrize("part", [1.0, 0.6, 0.05])
@pytest.mark.parametrize(("ratio", "high"), [(0.8, 0.99), (0.55, 0.83), (0.2, 0.6), (0.4, 0.5)])
def test_a_measured_saving_is_a_belief_of_that_mean_and_upper_end(ratio, high, part):
    """By SciPy's lognormal; four digits are written."""
    factor, most = 1 + part * (ratio - 1), 1 + part * (high - 1)
    (low, end) = belief_in(factor, 0.0, most)["between"]
    ends = np.log1p([low, end])
    law = stats.lognorm(s=np.diff(ends)[0] / (2 * 1.6448536269514722), scale=np.exp(ends.mean()))
    assert law.mean() == pytest.approx(factor, abs=2e-4)
    assert law.ppf(0.95) == pytest.approx(most, abs=1e-4)


@pytest.mark.parametrize("factor", [0.0, 0.1])
def test_what_is_too_uncertain_for_that_may_be_anywhere_in_the_interval(factor):
    assert belief_in(factor, 0.0, 0.7) == {"dist": "uniform", "min": -1.0, "max": -0.3}


@pytest.mark.parametrize("part", [0.002, 0.0003, 0.0001, 0.00001])
def test_of_a_small_part_of_a_segment_what_is_written_can_be_read(part):
    """Four digits are written: an interval that has no width in them is a number."""
    planned = belief_in(*(1 + part * (each - 1) for each in (0.9, 0.82, 0.99)))
    scenario = nr.read_scenario(ROOT / "params/scenarios/nrr-105.yaml")
    read = scenario.with_({"programmes": {"call": {"churn": planned}}})
    assert read.programmes["call"].means["churn"] == pytest.approx(-0.1 * part, abs=1e-4)


def test_nobody_who_left_is_no_certainty():
    (effect,) = actions(lot(15, 0, 40, 4), drawn(15, 40), "2025-09").effects
    assert effect.left_treated == 0
    assert effect.high > 0
    assert not effect.claimed


def test_an_arm_that_follows_the_segment_is_no_lot():
    rows = []
    for n in range(120):
        segment, until = ("smb", 15 if n % 4 else EVER) if n < 60 else ("large", EVER)
        rows += [(f"K{n:03d}", f"{2024 + m // 12}-{m % 12 + 1:02d}", 100.0, segment)
                 for m in range(min(until, 24))]  # fmt: skip
    ledger = nr.read_ledger(pd.DataFrame(rows, columns=["customer", "month", "mrr", "segment"]))
    arms = [(f"K{n:03d}", "2025-01-09", "call", "holdout" if n < 60 else "treated")
            for n in range(120)]  # fmt: skip
    (effect,) = actions(ledger, table(*arms), "2025-09").effects
    assert effect.high < 0
    assert not effect.claimed
    assert "they were not randomised" in effect.why


def test_nothing_after_the_date_moves_a_figure_and_no_order_does():
    # what is after 2026-06 is cut away, rows are turned round
    signals, rows = (
        pd.read_csv(DATA / "meridian_signals.csv"),
        pd.read_csv(DATA / "meridian_actions.csv"),
    )
    whole = pd.read_csv(DATA / "meridian.csv")
    known = whole[whole["month"] <= "2026-06"]
    one = actions(nr.read_ledger(whole), rows, "2026-06", signals=signals)
    other = actions(
        nr.read_ledger(known.iloc[::-1]), rows.iloc[::-1], "2026-06",
        signals=signals[signals["date"] <= "2026-06-30"].iloc[::-1],
    )  # fmt: skip
    assert json.dumps(one.told()) == json.dumps(other.told())


# --- the interval and the regression, against other code ---------------------------------------------


@pytest.mark.parametrize(
    ("a", "n", "b", "m", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17:873-890, table II, method 10, 95 %
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0000),
    ],
)
def test_the_interval_is_the_published_one(a, n, b, m, low, high):
    z = 1.959963984540054
    assert newcombe(a / n, n, b / m, m, z) == pytest.approx((low, high), abs=1e-4)
    assert wilson(0.0, 10, z) == pytest.approx((0.0, 0.2775), abs=1e-4)


def test_the_difference_is_that_of_least_squares_with_a_column_for_each_cell():
    rng = np.random.default_rng(7)
    n = 400
    cell, treated = rng.integers(0, 12, n), (rng.random(n) < 0.4) * 1.0
    equal, customer = rng.standard_normal((n, 2)), rng.integers(0, 90, n)
    y = 0.3 * treated + equal @ [0.2, -0.1] + 0.1 * cell + rng.standard_normal(n)
    weight = rng.random(n) + 0.1
    columns = np.column_stack([treated, equal, cell[:, None] == np.arange(12)])
    root = np.sqrt(weight)
    beta = np.linalg.lstsq(columns * root[:, None], y * root, rcond=None)[0]
    assert Gap.of(y, treated, equal, weight, cell, customer).value == pytest.approx(beta[0])


@pytest.mark.parametrize("alone", [True, False])
def test_the_error_is_that_of_repeated_draws(alone):
    """1,500 draws of 60 treated, each alone in its cell or three together, and nobody twice.

    Its mean within 8 % of the standard deviation (4 standard errors of one of 1,500 are 7.3 %).
    """
    rng = np.random.default_rng(9)
    cell = np.repeat(np.arange(60 if alone else 20), 9 if alone else 12)
    treated = (np.tile(np.arange(9 if alone else 12), cell.max() + 1) < (1 if alone else 3)) * 1.0
    equal, customer = rng.standard_normal((len(cell), 2)), np.arange(len(cell))
    weight = _weights(treated, cell)
    gaps = [
        Gap.of(rng.random(len(cell)) < 0.3, treated, equal, weight, cell, customer)
        for _ in range(1_500)
    ]
    spread = np.std([each.value for each in gaps])
    assert np.mean([each.error for each in gaps]) == pytest.approx(spread, rel=0.08)


def test_alike_customers_by_hand():
    """All alike but for what was done: 30 treated in two months beside those not treated till then."""
    stays = {f"T{n:02d}": (15 if n < 3 else EVER) for n in range(15)}
    stays |= {f"U{n:02d}": (16 if n < 6 else EVER) for n in range(15)}
    stays |= {f"C{n:03d}": (14 if n < 8 else 16 if n < 20 else EVER) for n in range(70)}
    rows = [(f"T{n:02d}", "2025-01-05", "visit") for n in range(15)]
    rows += [(f"U{n:02d}", "2025-02-05", "visit") for n in range(15)]
    (effect,) = actions(book(stays), table(*rows), "2025-12").effects
    # in January those of February stand beside, too, whatever came of them; in February nobody of January's
    january, february = (20 + 6) / 85, 20 / 70
    assert effect.arm == "matched"
    assert (effect.treated, effect.controls) == (30, 85)
    assert effect.left_treated == pytest.approx(9 / 30)
    assert effect.left_controls == pytest.approx((january + february) / 2)
    assert effect.why
    assert not effect.claimed


def test_who_got_it_before_the_ledger_begins_is_no_control():
    stays = {f"T{n:02d}": (15 if n < 3 else EVER) for n in range(20)}
    stays |= {f"O{n:02d}": EVER for n in range(30)}
    stays |= {f"C{n:02d}": (16 if n < 12 else EVER) for n in range(40)}
    now = [(f"T{n:02d}", "2025-01-05", "visit") for n in range(20)]
    # before, and again: the first time counts
    old = [(f"O{n:02d}", date, "visit") for n in range(30) for date in ("2023-11-05", "2025-01-08")]
    (effect,) = actions(book(stays), table(*now, *old), "2025-12").effects
    assert (effect.treated, effect.controls) == (20, 40)
    assert effect.left_controls == pytest.approx(12 / 40)


def test_what_was_all_done_before_the_ledger_begins_is_listed_with_why():
    told = actions(PEOPLE, table(("K03", "2023-12-30", "call")), "2025-11")
    assert told.frame()["why"].tolist() == ["all of it was done before the ledger begins"]
    assert len(told.notices) == 1


# --- ledgers whose truth is known -----------------------------------------------------------------


def measured(seeds: range, *sets: tuple[str, ...], **kind) -> pd.DataFrame:
    """A row an action of each ledger, and whether the interval has the truth (`covers`)."""
    rows = []
    for seed in seeds:
        for names in sets:
            known = act(seed, names, **kind)
            told = actions(
                nr.read_ledger(known.ledger), known.actions, TRUTH, signals=known.signals
            )
            rows.append(
                told.frame().assign(truth=[known.truth[each.action] for each in told.effects])
            )
    frame = pd.concat(rows, ignore_index=True)
    return frame.assign(covers=frame["truth"].between(frame["low"], frame["high"]))


def test_the_truth_is_near_and_nothing_is_claimed_where_nothing_is():
    """Eight ledgers: each mean within 4 standard errors (false alarm: 1 in 5,000 for the six)."""
    frame = measured(range(40, 48), NULL, ("care",), ("lot",), customers=700)
    for name in ("at risk", "healthy", "care", "lot"):
        off = (frame["difference"] - frame["truth"])[frame["action"] == name]
        assert abs(off.mean()) < 4 * off.std() / np.sqrt(len(off)), name
    assert not frame.loc[frame["action"].isin(["at risk", "healthy"]), "claimed"].sum() > 2


@pytest.mark.slow
def test_two_hundred_fresh_ledgers():
    """What ACCOUNTS 7 promises; a bound is that plus 3 standard errors of 200 ledgers."""
    frame = measured(range(6_000, 6_200), NULL, ("care",), ("lot",))
    by = frame.groupby("action")
    covers, claimed = by["covers"].mean(), by["claimed"].mean()
    print(by[["treated", "difference", "truth", "covers", "claimed"]].mean())
    for name in ("at risk", "healthy", "care", "lot"):
        assert covers[name] > 0.9 - 3 * np.sqrt(0.9 * 0.1 / 200), name
    for name in ("at risk", "healthy", "traced"):
        assert claimed[name] < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200), name
    # what leaves no trace nobody can tell: it is said of every action without an arm
    assert claimed["traceless"] > claimed["traced"]


def test_of_what_has_no_arm_it_is_said_that_only_a_holdout_can_tell():
    from nrrsim.cli.text import actions_lines

    known = act(3, ("traceless",), customers=700)
    told = actions(nr.read_ledger(known.ledger), known.actions, TRUTH, signals=known.signals)
    assert f"  Matched, not randomised: {NO_ARM}" in actions_lines(told.told())
    if told.effects[0].is_measured:
        (programme,) = told.programmes().values()
        assert programme["measured"] == "matched, not randomised"


# --- how many it takes ----------------------------------------------------------------------------


@pytest.mark.parametrize(("base", "effect"), [(0.1, -0.5), (0.25, -0.2), (0.03, -0.7)])
def test_the_power_is_that_of_lots_that_are_drawn(base, effect):
    """Against 20,000 drawn lots: within 4 standard errors of .0028 (false alarm 2 in 10,000 for the three)."""
    rng, treated = np.random.default_rng(11), 1 - (1 - base) ** (1 + effect)
    each = 300
    a, b = rng.binomial(each, treated, 20_000) / each, rng.binomial(each, base, 20_000) / each

    def ends(p):  # Wilson's, by its quadratic equation and no formula of ours
        z = 1.6448536269514722
        roots = [np.roots([1 + z * z / each, -(2 * x + z * z / each), x * x]) for x in np.unique(p)]
        lookup = {x: sorted(np.real(r)) for x, r in zip(np.unique(p), roots, strict=True)}
        return np.array([lookup[x] for x in p]).T

    (_, high_a), (low_b, _) = ends(a), ends(b)
    high = a - b + np.sqrt((high_a - a) ** 2 + (b - low_b) ** 2)
    power = (high < 0).mean()
    assert found(each, treated, base) == pytest.approx(power, abs=4 * np.sqrt(0.25 / 20_000))


def test_the_size_is_the_smallest_that_does_it():
    ledger = nr.read_ledger(DATA / "meridian.csv")
    plan = holdout(ledger, "2026-09", -0.5, segment="smb")
    assert plan.each is not None
    assert found(plan.each, plan.treated_base, plan.base) >= 0.8
    assert found(plan.each - 1, plan.treated_base, plan.base) < 0.8
    assert plan.treated_base == pytest.approx(1 - (1 - plan.base) ** 0.5)
    assert plan.known == "2027-04"
    assert plan.shortest
    assert plan.shortest > 6
    again = holdout(ledger, "2026-09", plan.smallest, segment="smb")
    assert again.power_now == pytest.approx(0.8, abs=0.01)


@pytest.mark.slow
def test_an_effect_is_found_as_often_as_the_plan_says():
    """200 ledgers of one hazard, each planned by its own past, drawn and measured by the whole of `actions`.

    Found in at least 80 % and within 3 points, both less 2.5 standard errors of 200 ledgers (7 points).
    """
    rng, hits, promised = np.random.default_rng(23), [], []
    monthly, effect, months = 0.025, -0.5, 30
    size = holdout(_even(rng, 3_000, 24, monthly), "2025-12", effect).each
    for _ in range(200):
        n = 2 * size
        treated = rng.permutation(n) < size
        at = 24
        gone = rng.geometric(monthly, n)
        eased = rng.geometric(1 - (1 - monthly) ** (1 + effect), n)
        stays = np.where(treated, eased, gone) + at
        names = np.array([f"{'T' if t else 'H'}{k:04d}" for k, t in enumerate(treated)])
        ledger = _of(names, np.minimum(stays, months + 1))
        rows = [(x, "2026-01-09", "call", "treated" if x[0] == "T" else "holdout") for x in names]
        (found_,) = actions(ledger, table(*rows), "2026-07").effects
        hits.append(found_.claimed)
        promised.append(
            found(size, 1 - (1 - monthly) ** (6 * (1 + effect)), 1 - (1 - monthly) ** 6)
        )
    print(size, np.mean(hits), np.mean(promised))
    assert np.mean(hits) > 0.8 - 2.5 * np.sqrt(0.16 / 200)
    assert abs(np.mean(hits) - np.mean(promised)) < 0.03 + 2.5 * np.sqrt(0.16 / 200)


def _of(names: np.ndarray, stays: np.ndarray) -> nr.Ledger:
    """Customers of one segment, each from 2024-01 on with so many months."""
    who = np.repeat(names, stays)
    month = np.concatenate([np.arange(n) for n in stays])
    written_ = np.array([f"{2024 + m // 12}-{m % 12 + 1:02d}" for m in range(60)])
    return nr.read_ledger(
        pd.DataFrame({"customer": who, "month": written_[month], "mrr": 100.0, "segment": "all"})
    )


def _even(rng, number, months, monthly):
    """Customers who all leave at one rate."""
    stays = np.minimum(rng.geometric(monthly, number), months)
    return _of(np.array([f"K{k:05d}" for k in range(number)]), stays)


def test_a_plan_that_cannot_be_is_refused():
    ledger = nr.read_ledger(DATA / "meridian.csv")
    for effect in (0.2, 0.0, -1.5):
        with pytest.raises(nr.UsageError, match="effect: must be"):
            holdout(ledger, "2026-09", effect)
    with pytest.raises(nr.UsageError, match="there is no sbm; did you mean smb"):
        holdout(ledger, "2026-09", -0.2, segment="sbm")
    with pytest.raises(nr.UsageError, match="only 0 of all left"):
        holdout(PEOPLE, "2025-12", -0.2)
    with pytest.raises(nr.UsageError, match="horizon: must be 1 to 36"):
        holdout(ledger, "2026-09", -0.2, horizon=40)
