"""Losses that come together: found where they are, and seldom where they are not."""

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, false_discovery_control

import nrrsim as nr
from nrrsim.accounts.clusters import _adjusted, _rare, clusters
from nrrsim.accounts.reasons import read_reasons
from nrrsim.ledger.check import Entries
from nrrsim.ledger.ledger import Ledger
from nrrsim.months import month_name, parse_month

START, MONTHS, CUSTOMERS = parse_month("2024-01", "month"), 24, 300
AS_OF = month_name(START + MONTHS - 1)  # 2025-12
SAFE = [i for i in range(CUSTOMERS) if all((i + 7 * m) % 100 for m in (21, 22, 23))]


def steady(lost=0, industry=10, step=1, **columns):
    """300 customers, of whom three contract in each step: of each hundred the one whose turn it is.

    The first `industry` of those whose turn does not come in the last three months are Retail; of
    these `lost` leave in the month before the last. columns : further ones, `list[customer]`.
    """
    retail, rows = SAFE[:industry], []
    for i in range(CUSTOMERS):
        arr = 1000.0 + i
        label = {"industry": "Retail" if i in retail else f"Other {i // 15}"}
        label |= {name: values[i] for name, values in columns.items()}
        for m in range(MONTHS):
            if i in retail[:lost] and m >= MONTHS - 2:
                break
            arr -= 10.0 * (m > 0 and (i + 7 * m) % 100 == 0)
            month = month_name(START + step * m)
            rows.append({"customer": f"c{i:03d}", "month": month, "arr": arr} | label)
    return pd.DataFrame(rows).assign(segment="smb")


@cache
def ledger_of(lost, industry=10):
    return nr.read_ledger(steady(lost, industry))


# --- what is found --------------------------------------------------------------------------------


def test_five_of_one_industry_where_a_third_of_one_was_expected_are_found():
    """Its number and chance by hand: three of 300 a month, and the whole book's 14 of 8.9."""
    answer = clusters(ledger_of(5), AS_OF)
    (row,) = answer.found.to_dict("records")
    assert answer.worth_a_look.empty
    assert answer.window == ("2025-10", "2025-12")
    assert (row["column"], row["value"], row["customers"], row["lost"]) == (
        "industry",
        "Retail",
        10,
        5,
    )
    q = (1 - 0.99**3) * 14 / (300 * (1 - 0.99**3))
    assert 10 * q == pytest.approx(0.467, abs=1e-3)
    assert row["expected"] == pytest.approx(10 * q, rel=1e-9)  # the book's level takes out the rest
    assert row["p"] == pytest.approx(binom.sf(4, 10, q), rel=1e-6)
    paid = [1000 + i - 10 * sum((i + 7 * m) % 100 == 0 for m in range(1, 22)) for i in SAFE[:5]]
    by_size = sorted(zip(paid, SAFE[:5], strict=True), reverse=True)
    assert row["arr_lost"] == sum(paid)
    assert row["names"] == tuple(f"c{i:03d}" for _, i in by_size)
    assert row["reasons"] == ()


def test_three_are_worth_a_look_and_as_many_as_chance_would_show_is_said():
    answer = clusters(ledger_of(3), AS_OF)
    assert answer.found.empty
    assert answer.worth_a_look[["value", "lost"]].to_numpy().tolist() == [["Retail", 3]]
    assert answer.looked_at == 21
    # by hand: of each value the first number of losses, two at least, that is less likely than 1 %
    sizes = [10] + [sum(i // 15 == k and i not in SAFE[:10] for i in range(300)) for k in range(20)]
    q = 12 / 300
    fewest = [next(k for k in range(2, 99) if binom.sf(k - 1, n, q) < 0.01) for n in sizes]
    expected = sum(binom.sf(k - 1, n, q) for k, n in zip(fewest, sizes, strict=True))
    assert answer.expected_by_chance == pytest.approx(expected, rel=1e-6)
    assert 0 < expected < 0.01 * 21


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_fewer_are_neither(lost):
    answer = clusters(ledger_of(lost), AS_OF)
    assert answer.found.empty
    assert answer.worth_a_look.empty
    assert answer.looked_at == 21


def test_a_bad_quarter_of_all_is_no_cluster():
    """Every fourth customer leaves: five of ten in Retail is then nothing."""
    frame = steady(5)
    number = frame["customer"].str[1:].astype(int)
    gone = (number % 4 == 0) & (frame["month"] >= "2025-11") & ~number.isin(SAFE[:10])
    answer = clusters(nr.read_ledger(frame[~gone]), AS_OF)
    assert answer.found.empty


def test_the_usual_risk_is_that_of_the_segment_and_of_its_renewals():
    """Beside them 50 customers who renew in December: 15 left in the last one, and now 14 do."""
    rows = [
        (f"y{i:02d}", month_name(START + m), 100.0, "annual", "Any", "2026-12")
        for i in range(50)
        for m in range(MONTHS)
        if m < 11 + 12 * (i >= 15) or i >= 29
    ]
    columns = ["customer", "month", "arr", "segment", "industry", "renewal"]
    frame = pd.concat([steady(), pd.DataFrame(rows, columns=columns)])
    answer = clusters(nr.read_ledger(frame), AS_OF)
    assert answer.found.empty
    # without the dates the same losses stand out
    (row,) = clusters(nr.read_ledger(frame.drop(columns="renewal")), AS_OF).found.to_dict("records")
    assert (row["column"], row["value"], row["also"]) == (
        "segment",
        "annual",
        (("industry", "Any"),),
    )
    assert (row["customers"], row["lost"]) == (35, 14)


# --- what is looked at ----------------------------------------------------------------------------


def test_two_columns_of_the_same_customers_are_one_cluster_with_both_names():
    retail = set(SAFE[:10])
    country = ["Chile" if i in retail else "Spain" for i in range(CUSTOMERS)]
    tills = ["till" if i in {*SAFE[:5], *SAFE[20:24]} else "desk" for i in range(CUSTOMERS)]
    answer = clusters(nr.read_ledger(steady(5, country=country, device=tills)), AS_OF)
    (row,) = answer.found.to_dict("records")
    # of the same losses the least likely number tells: five of nine, not of ten
    assert (row["column"], row["value"], row["customers"]) == ("device", "till", 9)
    assert row["also"] == (("industry", "Retail"), ("country", "Chile"))
    # Chile is Retail, and so is counted once; Spain and desk are others
    assert answer.looked_at == 21 + 1 + 2
    assert answer.worth_a_look.empty


def test_no_value_of_all_of_nobody_of_two_or_of_a_reason_is_looked_at():
    everyone = ["Berlin"] * CUSTOMERS
    two = ["pair" if i < 2 else "" for i in range(CUSTOMERS)]
    why = ["price" if i in SAFE[:5] else "" for i in range(CUSTOMERS)]
    frame = steady(5, city=everyone, pair=two, **{"Churn Reason": why})
    answer = clusters(nr.read_ledger(frame.mask(frame == "")), AS_OF)
    assert answer.looked_at == 21
    assert list(answer.found["column"]) == ["industry"]


def test_a_customer_of_several_lines_has_the_value_of_each():
    frame = steady(5)
    number = frame["customer"].str[1:].astype(int)
    part = frame[number.isin(SAFE[:10])].assign(arr=1.0, product="till")
    whole = frame.assign(product="desk", industry="any")
    both = pd.concat([whole, part.assign(industry="any")])
    (row,) = clusters(nr.read_ledger(both), AS_OF).found.to_dict("records")
    assert (row["column"], row["value"], row["customers"], row["lost"]) == (
        "product",
        "till",
        10,
        5,
    )
    assert row["names"] == clusters(ledger_of(5), AS_OF).found["names"].iloc[0]


def test_nothing_after_the_month_is_looked_at():
    whole = ledger_of(5)
    early = nr.read_ledger(steady(5)[lambda frame: frame["month"] <= "2025-11"])
    for one, other in zip(tables(whole, "2025-11"), tables(early, "2025-11"), strict=True):
        pd.testing.assert_frame_equal(one, other)


def tables(ledger, as_of):
    answer = clusters(ledger, as_of)
    numbers = pd.DataFrame([[answer.looked_at, answer.expected_by_chance]])
    return answer.found, answer.worth_a_look, numbers


def test_order_and_files_change_nothing():
    frame = steady(5)
    shuffled = frame.sample(frac=1, random_state=3)
    parts = [shuffled[:3000], shuffled[3000:]]
    for one, other in zip(
        tables(ledger_of(5), AS_OF), tables(nr.read_ledger(*parts), AS_OF), strict=True
    ):
        pd.testing.assert_frame_equal(one, other)


def test_a_customers_name_moves_no_digit():
    frame = by_chance(np.random.default_rng(1), 300).frame()
    # another name for each, in another order
    renamed = frame.assign(
        customer=[f"x{7919 * int(name) % 1000:03d}" for name in frame["customer"]]
    )
    one, other = (clusters(nr.read_ledger(each), "2026-03") for each in (frame, renamed))
    assert one.expected_by_chance == other.expected_by_chance > 0
    first, second = (each.worth_a_look.drop(columns="names") for each in (one, other))
    assert len(first)
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_masked_names_are_those_of_the_ledger():
    masked = ledger_of(5).masked(AS_OF)
    (row,) = clusters(masked, AS_OF).found.to_dict("records")
    (plain,) = clusters(ledger_of(5), AS_OF).found.to_dict("records")
    assert tuple(masked.unmasked[name] for name in row["names"]) == plain["names"]
    assert {**row, "names": ()} == {**plain, "names": ()}


def test_reasons_stand_in_the_order_of_names():
    ledger = ledger_of(5)
    (plain,) = clusters(ledger, AS_OF).found.to_dict("records")
    given = pd.DataFrame(
        {"customer": plain["names"][:2], "month": "2025-11", "reason": ["price", "Support"]}
    )
    (row,) = clusters(ledger, AS_OF, read_reasons(given, ledger)).found.to_dict("records")
    assert row["reasons"] == ("price", "service", *["not given"] * 3)
    assert row["names"] == plain["names"]


def test_as_json_it_is_the_frames_in_plain_words():
    ledger = ledger_of(5)
    answer = clusters(ledger, AS_OF)
    told = json.loads(json.dumps(answer.told()))
    (row,) = answer.found.to_dict("records")
    exact = {"p": round(row["p"], 12), "expected": round(row["expected"], 12)}
    assert told["found"] == [{**row, **exact, "names": [*row["names"]], "also": [], "reasons": []}]
    assert (told["window"], told["looked_at"]) == (["2025-10", "2025-12"], 21)
    assert (told["worth_a_look"], told["why"]) == ([], "")


# --- odd ledgers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "window"), [(3, ("2029-08", "2029-10")), (12, ("2046-02", "2047-01"))]
)
def test_quarterly_and_annual_ledgers_look_at_their_last_step(step, window):
    """A last step in which four of ten leave, where one in a hundred is usual."""
    frame = steady(0, step=step)
    number = frame["customer"].str[1:].astype(int)
    last = month_name(START + step * (MONTHS - 1))
    frame = frame[~(number.isin(SAFE[:4]) & (frame["month"] == last))]
    answer = clusters(nr.read_ledger(frame), last)
    assert answer.window == window
    assert list(answer.found["value"]) == ["Retail"]
    assert list(answer.found["lost"]) == [4]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([("Alder", 24)], "no column has a value that 3 customers have and others have not"),
        ([("Alder", 14), ("Birch", 14)], "needs 12 months before the last 3; the ledger has 10"),
        ([("Alder", 1)], "needs 12 months before the last 3; the ledger has 0"),
        ([("Alder", 30), ("Birch", 10)], "no column has a value that 3 customers have and others have not"),
    ],
)  # fmt: skip
def test_where_there_is_nothing_to_look_at_it_says_why(rows, why):
    frame = pd.DataFrame(
        [(name, month_name(START + m), 1.0, "smb") for name, n in rows for m in range(n)],
        columns=["customer", "month", "arr", "segment"],
    )
    ledger = nr.read_ledger(frame)
    answer = clusters(ledger, ledger.months[-1])
    assert (answer.why, answer.looked_at, answer.expected_by_chance) == (why, 0, 0)
    assert answer.found.empty
    assert list(answer.found.columns) == list(clusters(ledger_of(5), AS_OF).found.columns)


def test_everyone_left_and_a_month_that_is_not_there():
    frame = steady()
    gone = nr.read_ledger(pd.concat([frame[frame["month"] < "2025-11"], frame[frame["customer"] == "c299"]]).drop_duplicates())  # fmt: skip
    assert clusters(gone, AS_OF).found.empty
    with pytest.raises(nr.UsageError, match="as_of: 2031-01 is not in the ledger"):
        clusters(gone, "2031-01")


# --- how often by chance --------------------------------------------------------------------------


def by_chance(rng, customers, months=27):
    """A ledger in which nothing comes together: each customer leaves and shrinks by luck alone.

    Three segments of unlike rates, one of them renewed by the year; four columns that mean nothing.
    """
    segment = rng.integers(3, size=customers)
    annual, rate = segment == 2, np.array([0.02, 0.01, 0.005])[segment]
    begins = np.where(rng.random(customers) < 0.5, -rng.integers(1, 24, customers), 0)
    begins = np.where(begins < 0, begins, rng.integers(0, months - 3, customers))
    amount = np.exp(rng.normal(8, 1, customers))
    arr, gone = np.zeros((customers, months)), np.zeros(customers, dtype=bool)
    for month in range(months):
        there, age = (begins <= month) & ~gone, month - begins
        risk = np.where(annual, np.where(age % 12 == 0, 12 * rate, rate / 4), rate)
        meets = there & (age > 0) & (month > 0)
        gone |= meets & (rng.random(customers) < risk)
        amount = np.where(meets & (rng.random(customers) < risk), 0.8 * amount, amount)
        arr[:, month] = np.where(there & ~gone, amount, 0.0)

    of, at = np.nonzero(arr > 0)
    texts = {"customer": np.arange(customers), "segment": segment}
    sizes = {"industry": 8, "region": 4, "plan": 3, "owner": 12}
    texts |= {name: rng.integers(size, size=customers) for name, size in sizes.items()}
    names = np.char.zfill(np.arange(customers).astype(str), 5).astype(object)
    columns = {name: pd.Categorical(names[codes[of]]) for name, codes in texts.items()}
    frame = pd.DataFrame({"month": START + at, "arr": arr[of, at], **columns})
    line, every = np.zeros(len(frame), dtype=np.int64), tuple(range(START, START + months))
    return Ledger(Entries(frame, line, "arr", 1, (), len(frame), 0, every), "USD")


def false_alarms(ledgers, seed):
    """In how many ledgers without a cluster one is found; values shown, and said to be expected."""
    rng, alarms, shown, expected = np.random.default_rng(seed), 0, 0, 0.0
    for number in range(ledgers):
        ledger = by_chance(rng, (60, 300, 1000)[number % 3])
        answer = clusters(ledger, ledger.months[-1])
        assert answer.why == ""
        alarms += len(answer.found) > 0
        shown += len(answer.found) + len(answer.worth_a_look)
        expected += answer.expected_by_chance
    return alarms, shown, expected


def test_by_chance_alone_hardly_anything_is_found():
    """At a rate of 2 % more than 6 of 90 would come by chance once in 400 times: the seed is fixed."""
    assert binom.sf(6, 90, 0.02) < 1 / 400
    alarms, shown, expected = false_alarms(90, seed=25)
    assert alarms <= 6
    # what is said to be expected is at most too much; Poisson with that mean, once in 1,000 times
    assert shown <= expected + 3.1 * np.sqrt(expected)


@pytest.mark.slow
def test_a_thousand_ledgers_without_a_cluster():
    """At a rate of 0.6 % a look, as measured, more than 2 % come by chance once in 100,000 times."""
    assert binom.sf(20, 1000, 0.006) < 1e-5
    alarms, shown, expected = false_alarms(1000, seed=1)
    assert alarms <= 20
    assert shown <= expected + 3.1 * np.sqrt(expected)


def test_the_tails_are_those_of_scipy():
    rng = np.random.default_rng(5)
    n = np.concatenate([[1, 3, 3, 3, 40], rng.integers(1, 20_000, 500)])
    q = np.concatenate([[0.5, 0.0, 1.0, 0.001, 1.0], rng.beta(0.3, 3, 500)])
    for chance in (0.01, 0.3):
        assert (_rare(chance, n, q) == binom.isf(chance, n, q) + 1).all()
    for number in (1, 2, 400):
        p = rng.uniform(size=number).round(2)
        assert _adjusted(p) == pytest.approx(false_discovery_control(p), rel=1e-12)
