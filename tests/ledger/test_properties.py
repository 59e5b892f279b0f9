"""What must hold for any ledger: for each rule as many made-up ledgers as the profile says (see conftest)."""

import itertools
from collections import Counter, defaultdict
from functools import partial

import numpy as np
import pandas as pd
import pytest
from conftest import fewer
from hypothesis import given
from hypothesis import strategies as st

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals
from nrrsim.analysis.renewals import has_renewals
from nrrsim.ledger.check import check_rows
from nrrsim.ledger.reading import Reading
from nrrsim.ledger.sources import Rows
from nrrsim.metrics import FORMULAS
from nrrsim.months import shift

MONTHS = [f"{year}-{month:02d}" for year in (2024, 2025) for month in range(1, 13)][:16]
# Up to a million, in cents; a ratio's rounding error grows with (largest / smallest) amount, so 1 is the least.
AMOUNT = st.one_of(st.just(0), st.integers(100, 10**8)).map(lambda cents: cents / 100)
PLAN, REGION = st.sampled_from(["basic", "plus", "pro"]), st.sampled_from(["north", "south", None])
TERM = st.sampled_from(["annual", "monthly"])
COMPOUNDED = [2 * list(FORMULAS).index("compounded") + offset for offset in (0, 1)]


@st.composite
def books(draw, prices=False):
    """A frame of customer-months: 2 to 8 customers in up to 3 segments, who come, change, leave and come back.

    One customer is always there, so that the ledger has no hole.
    """
    rows = []
    for number in range(draw(st.integers(2, 8))):
        segment = f"s{draw(st.integers(0, 2))}"
        life = [draw(AMOUNT) for _ in draw(st.just(MONTHS[:14]))]
        if number == 0:
            life = [amount or 1.0 for amount in life]
        for month, amount in zip(MONTHS, life, strict=False):
            if amount:
                rows.append((f"c{number}", month, amount, segment))
    frame = pd.DataFrame(rows, columns=["customer", "month", "mrr", "segment"])
    if prices:
        frame["quantity"] = draw(
            st.lists(st.integers(1, 50), min_size=len(frame), max_size=len(frame))
        )
        frame["unit_price"] = (frame["mrr"] / frame["quantity"]).round(2).clip(0.01)
        frame["mrr"] = (frame["quantity"] * frame["unit_price"]).round(2)
    return frame


@st.composite
def snapshots_of_lines(draw):
    """A frame of products: a customer holds up to three of them in a month, each with columns of
    its own.
    """
    rows = []
    for number in range(draw(st.integers(2, 5))):
        segment = f"s{draw(st.integers(0, 1))}"
        for product in draw(st.sets(st.sampled_from("xyz"), min_size=1)):
            plan, region = draw(PLAN), draw(REGION)
            begin, length = draw(st.integers(0, 12)), draw(st.integers(1, 14))
            # one line is always there, so that the ledger has no hole
            if not rows:
                begin, length = 0, 14
            renewal = draw(st.sampled_from([None, *MONTHS]))
            for month in MONTHS[begin : begin + length][: 14 - begin]:
                if draw(st.integers(0, 9)) == 0:
                    plan = draw(PLAN)
                cells = (draw(AMOUNT.filter(bool)), segment, plan, region, renewal)
                rows.append((f"c{number}", month, product, *cells))
    names = ["customer", "month", "product", "mrr", "segment", "plan", "region", "renewal"]
    return pd.DataFrame(rows, columns=names)


@st.composite
def subscriptions(draw):
    """A frame of subscription periods, of which a customer may have several at once.

    The ledger begins in 2024-01 and ends in 2025-02, when the last subscription starts.
    """
    rows = [("c0", "2024-01-01", None, 100.0, "s0", "basic", "north", "annual", None)]
    rows += [("c1", "2025-02-03", None, 50.0, "s0", "pro", "south", "monthly", "2025-08")]
    for number in range(draw(st.integers(1, 5))):
        segment = f"s{draw(st.integers(0, 1))}" if number > 1 else "s0"
        for _ in range(draw(st.integers(1, 4))):
            begin, length = draw(st.integers(0, 13)), draw(st.integers(1, 16))
            end = shift(MONTHS[begin], length) if draw(st.booleans()) else None
            end = end and f"{end}-{draw(st.integers(1, 28)):02d}"
            day = draw(st.integers(1, 28)) if begin < 13 else 1
            cells = (draw(AMOUNT.filter(bool)), segment, draw(PLAN), draw(REGION), draw(TERM))
            renewal = draw(st.sampled_from([None, *MONTHS]))
            rows.append((f"c{number}", f"{MONTHS[begin]}-{day:02d}", end, *cells, renewal))
    names = ["customer", "start", "end", "mrr", "segment", "plan", "region", "term", "renewal"]
    return pd.DataFrame(rows, columns=names).drop_duplicates(ignore_index=True)


def read(*frames: pd.DataFrame) -> nr.Ledger:
    """A ledger from frames: the road of any source, without the file."""
    parts = [
        Rows(f"{n}.csv", frame.reset_index(drop=True), partial(np.arange, 2, len(frame) + 2))
        for n, frame in enumerate(frames)
    ]
    return nr.Ledger(check_rows(parts, Reading(rows="months")), "USD")


def answers(ledger: nr.Ledger, end: str = "2025-02") -> np.ndarray:
    """NRR and GRR under each definition, and logo retention, over 12 months."""
    cohort, book = ledger.cohort(end, 12), ledger.book(shift(end, -12), end)
    ratios = [
        ratio(book if nr.DEFINITIONS[name].of_book else cohort, name)
        for name in FORMULAS
        for ratio in (nr.nrr, nr.grr)
    ]
    return np.array([*ratios, nr.logo(cohort), nr.logo(cohort, "stays_out")])


def all_answers(ledger: nr.Ledger, by: str) -> dict[str, list[float]]:
    """Retention of all and by a column, the amounts of each part, and what is due when."""
    past = Actuals(ledger, "2025-02")
    told = {"": answers(ledger).tolist()}
    for name, part in past.headline(by)["segments"].items():
        told[f"part {name}"] = [np.nan if each is None else each for each in part.values()]
    if has_renewals(past):
        due = nr.renewals(past)[["customers", "due", "after"]]
        told["renewals"] = due.to_numpy(float).ravel().tolist()
    return told


def agree(first: dict[str, list[float]], second: dict[str, list[float]]) -> bool:
    return set(first) == set(second) and all(
        np.allclose(first[name], second[name], rtol=1e-12, atol=1e-12, equal_nan=True)
        for name in first
    )


@given(books(prices=True))
def test_the_identity_closes(frame):
    ledger = read(frame)
    for moves in (
        ledger.cohort("2025-02", 13),
        ledger.book("2024-01", "2025-02"),
        ledger.cohort("2024-07", 3),
    ):
        assert moves.books_close()
        assert float(np.abs(moves.residual()).max()) < 0.005
    assert float(ledger.cohort("2025-02", 13).over("new").sum()) == 0


@given(books(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(frame, random):
    order = list(range(len(frame)))
    random.shuffle(order)
    assert np.array_equal(answers(read(frame)), answers(read(frame.iloc[order])), equal_nan=True)
    assert read(frame).fingerprint == read(frame.iloc[order]).fingerprint


@given(books(), st.integers(1, 60))
def test_two_files_are_one_ledger(frame, cut):
    cut = min(cut, len(frame) - 1)
    assert np.array_equal(
        answers(read(frame)), answers(read(frame.iloc[:cut], frame.iloc[cut:])), equal_nan=True
    )


LINES = st.one_of(snapshots_of_lines(), subscriptions())
BY = st.sampled_from(["segment", "plan", "region", "product", "term", "cohort_quarter"])


@fewer
@given(LINES, BY, st.randoms(use_true_random=False))
def test_the_order_of_lines_changes_nothing(frame, by, random):
    order = list(range(len(frame)))
    random.shuffle(order)
    first, second = read(frame), read(frame.iloc[order])
    by = by if by in first.columns else "plan"
    assert agree(all_answers(first, by), all_answers(second, by))
    assert first.fingerprint == second.fingerprint


@fewer
@given(LINES, BY, st.integers(1, 60), st.randoms(use_true_random=False))
def test_lines_in_two_files_are_one_ledger(frame, by, cut, random):
    order = list(range(len(frame)))
    random.shuffle(order)
    cut = min(cut, len(frame) - 1)
    first, second = read(frame), read(frame.iloc[order[:cut]], frame.iloc[order[cut:]])
    by = by if by in first.columns else "plan"
    assert agree(all_answers(first, by), all_answers(second, by))


@fewer
@given(st.one_of(books(), LINES), BY, st.sampled_from(["colour", "product"]), st.data())
def test_a_further_column_changes_nothing(frame, by, name, data):
    """Not even which product a line is of, where nothing said so before."""
    name = "colour" if name in frame else name
    values = st.lists(st.sampled_from("abc"), min_size=len(frame), max_size=len(frame))
    first, second = read(frame), read(frame.assign(**{name: data.draw(values)}))
    by = by if by in first.columns else "segment"
    assert agree(all_answers(first, by), all_answers(second, by))


@fewer
@given(LINES, st.sampled_from(["plan", "segment"]))
def test_parts_of_a_book_against_plain_python(frame, by):
    """A customer's values that differ are parts of their own; what is under none of them goes to
    the largest.
    """
    opening, closing, capped = Counter(), Counter(), Counter()
    before, after = held(frame, "2024-02", by), held(frame, "2025-02", by)
    for customer, parts in before.items():
        now = after.get(customer, {})
        largest = min(parts, key=lambda value: (-parts[value], value))
        kept = {value: now.get(value, 0) for value in parts}
        kept[largest] += sum(amount for value, amount in now.items() if value not in parts)
        for value in parts:
            opening[value] += parts[value]
            closing[value] += kept[value]
            capped[value] += min(parts[value], kept[value])
    told = Actuals(read(frame), "2025-02").headline(by)["segments"]
    assert {name for name, part in told.items() if part["opening"]} == set(opening)
    for value in opening:
        expected = (closing[value] / opening[value], capped[value] / opening[value])
        assert (told[value]["nrr"], told[value]["grr"]) == pytest.approx(expected, rel=1e-9)
        assert told[value]["opening"] == pytest.approx(12 * opening[value], abs=0.006)


def held(frame: pd.DataFrame, month: str, by: str) -> dict[str, dict[str, float]]:
    """What each customer pays at a month's end, by value of a column."""
    if "start" in frame:
        begun, ends = frame["start"].str[:7] <= month, frame["end"].fillna("9999").str[:7]
        rows = frame[begun & (ends > month)]
    else:
        rows = frame[frame["month"] == month]
    found = defaultdict(Counter)
    for customer, value, amount in zip(rows["customer"], rows[by], rows["mrr"], strict=True):
        found[customer][value] += amount
    return found


@fewer
@given(books(), st.sampled_from([0.01, 0.5, 1.1, 7.45, 155.0]))
def test_rescaling_the_currency_changes_nothing(frame, rate):
    scaled = frame.assign(mrr=frame["mrr"] * rate)
    assert np.allclose(
        answers(read(frame)), answers(read(scaled)), rtol=1e-8, atol=1e-8, equal_nan=True
    )


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=9), st.integers(1, 3))
def test_everyone_renewing_at_the_same_amount_is_exactly_one(cents, segments):
    rows = [
        (f"c{n}", m, c / 100, f"s{n % segments}")
        for (n, c), m in itertools.product(enumerate(cents), MONTHS[:13])
    ]
    ledger = read(pd.DataFrame(rows, columns=["customer", "month", "mrr", "segment"]))
    assert (answers(ledger, "2025-01") == 1.0).all()


@given(books(), st.lists(AMOUNT.filter(bool), min_size=1, max_size=5))
def test_new_customers_never_enter_nrr(frame, amounts):
    later = pd.DataFrame(
        [
            (f"new{n}", month, amount, "s0")
            for n, amount in enumerate(amounts)
            for month in ("2025-01", "2025-02")
        ],
        columns=frame.columns,
    )
    with_new = read(pd.concat([frame, later]))
    # compounded, the new enter the base a month later
    closed = [number for number in range(12) if number not in COMPOUNDED]
    assert np.array_equal(answers(read(frame))[closed], answers(with_new)[closed])


@given(books(prices=True))
def test_gross_is_at_most_one_and_at_most_net(frame):
    ledger = read(frame)
    found = answers(ledger)
    assert (found[1:10:2] <= 1).all()
    assert (found[1:10:2] <= found[0:10:2] + 1e-9).all()
    segments = nr.measure(ledger, "2025-02").by_segment.dropna("segment")
    assert (segments["grr"] <= segments["nrr"]).all()


@given(books())
def test_net_retention_with_returns_is_point_to_point(frame):
    """An identity of the closed cohort: what its flows add up to is what is there."""
    ledger = read(frame)
    assert nr.nrr(ledger.cohort("2025-02", 12), "flow_with_reactivation") == pytest.approx(
        nr.nrr(ledger.cohort("2025-02", 12)), rel=1e-8, abs=1e-8
    )


@given(books())
def test_against_plain_python(frame):
    """The same answers from a dictionary and a loop over the definitions."""
    ledger = read(frame)
    amount = {(row.customer, row.month): row.mrr for row in frame.itertuples()}
    months = MONTHS[1:14]
    start, end = months[0], months[-1]
    cohort = [
        customer for customer in sorted(set(frame["customer"])) if (customer, start) in amount
    ]
    base = sum(amount[customer, start] for customer in cohort)
    now = {customer: amount.get((customer, end), 0) for customer in cohort}
    stays = {customer: all((customer, month) in amount for month in months) for customer in cohort}
    net = sum(now.values()) / base
    gross = sum(min(now[customer], amount[customer, start]) for customer in cohort) / base
    kept_out = sum(now[customer] for customer in cohort if stays[customer]) / base
    found = nr.measure(ledger, end, 12)
    assert (found.nrr, found.grr) == pytest.approx((net, gross), rel=1e-12)
    assert found.logo == sum(value > 0 for value in now.values()) / len(cohort)
    assert nr.measure(ledger, end, 12, "stays_out").nrr == pytest.approx(kept_out, rel=1e-12)
