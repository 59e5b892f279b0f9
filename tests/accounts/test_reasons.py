"""Reasons of losses: read, matched with the losses that they explain, and added up to the cent."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, SHARED

import nrrsim as nr
from nrrsim.accounts.reasons import (
    GROUPS,
    KINDS,
    NOT_GIVEN,
    by_group,
    by_kind,
    by_reason,
    kind_of,
    losses,
    of_column,
    read_reasons,
    reason_bridge,
)
from nrrsim.accounts.watch import read_signals_card
from nrrsim.ledger.reading import Reading
from nrrsim.months import month_name, parse_month
from nrrsim.report import charts

MERIDIAN = ROOT / "nrrsim" / "data" / "meridian.csv"


def book(step=1, **paid):
    """A ledger from each customer's ARR at 2025-01 and every `step` months later, 0: nothing."""
    start = parse_month("2025-01", "month")
    rows = [
        {"customer": name, "month": month_name(start + step * at), "arr": arr, "segment": "smb"}
        for name, amounts in paid.items()
        for at, arr in enumerate(amounts)
    ]
    return nr.read_ledger(pd.DataFrame(rows))


# Alder leaves in 2025-04, Birch shrinks in 2025-03 and leaves in 2025-05, Cedar shrinks in 2025-06.
SMALL = book(
    Alder=[100, 100, 100, 0, 0, 0],
    Birch=[90, 90, 40, 40, 0, 0],
    Cedar=[500, 500, 500, 500, 500, 300],
    Dogwood=[10, 10, 10, 10, 10, 10],
)


def said(*rows, **more):
    """A table of reasons: (customer, month, reason) each."""
    return pd.DataFrame(rows, columns=["customer", "month", "reason"]).assign(**more)


# --- kinds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("Too expensive", "price"),
        ("PRICE_INCREASE", "price"),
        ("missing_features", "product"),
        ("customer_service", "service"),
        ("switched_service", "competitor"),
        ("Lost to competitor", "competitor"),
        ("No budget / lost funding", "budget"),
        ("unused", "outcome"),
        ("Merged with another company", "bankruptcy"),
        ("payment_failed", "payment"),
        ("Other", "other"),
        ("cheaper than the competitor's price", ""),  # two kinds
        ("pricey", ""),  # no word of ours, though it begins like one
        ("", ""),
    ],
)
def test_a_reason_is_of_the_kind_that_its_words_tell(reason, kind):
    assert kind_of(reason) == kind


def test_what_a_card_says_goes_before_words(write):
    assert kind_of("TOO-expensive", {"too expensive": "budget"}) == "budget"
    card = write("reasons: {Too far away: service, price: competitor}\n", "signals.yaml")
    table = said(("Alder", "2025-04", "too far AWAY"), ("Birch", "2025-05", "price"))
    for own in (card, read_signals_card(card)):
        assert list(read_reasons(table, SMALL, own).frame["kind"]) == ["service", "competitor"]


# --- which loss a reason explains -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("month", "loss"),
    [
        ("2025-04", "2025-04"),  # of the loss itself
        ("2025-04-17", "2025-04"),
        ("2025-03", "2025-04"),  # of the last month that was paid
        ("2025-05", "2025-04"),  # noted late
        ("2025-02", None),
        ("2025-06", None),
    ],
)
def test_a_reason_explains_the_loss_of_its_month_or_of_the_one_beside_it(month, loss):
    found = read_reasons(said(("Alder", month, "price")), SMALL)
    assert list(found.frame["month"].map(month_name)) == ([loss] if loss else [])
    assert [notice.problem for notice in found.notices] == (
        []
        if loss
        else [
            "1 reason is of a month in which the customer neither left nor shrank, nor in the one"
            " before or after"
        ]
    )


def test_a_reason_between_two_losses_explains_the_one_that_comes():
    found = read_reasons(said(("Birch", "2025-04", "price")), SMALL)
    assert list(found.frame["month"].map(month_name)) == ["2025-05"]


@pytest.mark.parametrize("day", ["2025-05-02", "2025-07-31", "2025-08-01", "2025-12"])
def test_in_a_quarterly_ledger_a_day_is_of_the_quarter_that_it_lies_in(day):
    quarterly = book(3, Alder=[100, 100, 0, 0, 0], Birch=[1, 1, 1, 1, 1])
    found = read_reasons(said(("Alder", day, "price")), quarterly).frame
    assert list(found["month"].map(month_name)) == (["2025-07"] if day < "2025-11" else [])


def test_of_several_reasons_the_nearest_counts_and_of_equal_ones_the_first_kind(write):
    rows = "Alder,2025-03,price\nAlder,2025-04,service\nBirch,2025-05,product\nBirch,2025-05,price"
    file = write("customer,month,reason\n" + rows + "\n", "reasons.csv")
    found = read_reasons(file, SMALL)
    assert list(found.frame["reason"]) == ["service", "price"]
    assert [str(notice).replace(f"{file.parent}/", "") for notice in found.notices] == [
        "reasons.csv:2: 2 losses have several reasons: 'service' counts, not 'price'; 'price'"
        " counts, not 'product'; a loss has one: that of its own month, else of the month before,"
        " else of the month after"
    ]


def test_what_explains_nothing_is_said_with_its_line(write):
    rows = [
        *("Zed,2025-04,price", "Dogwood,2025-04,price", "Alder,2025-04,", "Alder,2025-07,price"),
        *("Cedar,2025-06,the weather",),
    ]
    file = write("\n".join(["customer,month,reason", *rows, ""]), "reasons.csv")
    told = [str(each).replace(f"{file.parent}/", "") for each in read_reasons(file, SMALL).notices]
    assert told == [
        "reasons.csv:2: 1 customer is not in the ledger, such as 'Zed'; left out: no loss of the"
        " ledger is theirs",
        "reasons.csv:4: 1 row gives no reason; left out: what such rows are of counts as not given",
        "reasons.csv:6: 1 reason that no word sorts, counted as other: 'the weather'; sort them in"
        " the signals card, such as reasons: {too far away: service}",
        "reasons.csv:5: 1 reason is dated after the ledger's last month, 2025-06; left out: what"
        " is explained is not in the ledger yet",
        "reasons.csv:3: 1 reason is of a month in which the customer neither left nor shrank, nor"
        " in the one before or after; left out, as there is no loss to explain: correct the month",
    ]


def test_what_is_wrong_is_said_all_at_once(write):
    rows = "customer,month,reason\nAlder,soon,price\n,2025-04,price\nBirch,,price\n"
    file = write(rows, "reasons.csv")
    with pytest.raises(nr.DataError) as caught:
        read_reasons(file, SMALL)
    assert [(each.line, each.field, each.problem) for each in caught.value.findings] == [
        (2, "month", "'soon' is not a date"),
        (3, "customer", "is empty"),
        (4, "month", "is empty"),
    ]
    with pytest.raises(nr.DataError, match=r"reasons\.csv:1: there is no column reason"):
        read_reasons(write("customer,month,why\nAlder,2025-04,x\n", "reasons.csv"), SMALL)


def test_headings_as_a_crm_writes_them():
    table = pd.DataFrame(
        {
            "Account ID": [7],
            "Account Name": ["Alder"],
            "Cancellation Date": ["2025-04-03"],
            "Churn Reason": ["price"],
            "Comments": ["asked for 20% off"],
        }
    )
    found = read_reasons(table, SMALL).frame
    assert found[["customer", "reason", "detail"]].to_numpy().tolist() == [
        ["Alder", "price", "asked for 20% off"]
    ]


def test_of_two_columns_of_customers_that_counts_which_the_ledger_has():
    table = pd.DataFrame({"Customer ID": ["7"], "Customer name": ["Alder"], "Date": ["2025-04"]})
    assert len(read_reasons(table.assign(reason="price"), SMALL).frame) == 1


@pytest.mark.parametrize(
    ("dates", "month"), [("dmy", "2025-05"), ("mdy", "2025-04"), (None, "which day that is")]
)
def test_a_date_that_may_be_two_is_asked(dates, month):
    table = said(("Alder", "04/05/2025", "price"))
    if month.startswith("which"):
        with pytest.raises(nr.DataError, match=month):
            read_reasons(table, SMALL)
    else:
        found = read_reasons(table, SMALL, reading=Reading(dates=dates)).frame
        assert list(found["dated"].map(month_name)) == [month]


def test_ids_that_lost_their_zeros_are_asked():
    ledger = book(**{"007": [1, 1, 0], "12": [1, 1, 1]})
    with pytest.raises(nr.DataError, match="'7' and the ledger's '007' differ by zeros alone"):
        read_reasons(said(("7", "2025-03", "price")), ledger)
    found = read_reasons(said(("7", "2025-03", "price")), ledger, reading=Reading(ids="one"))
    assert list(found.frame["customer"]) == ["007"]


@pytest.mark.parametrize("rows", [[], [("Alder", "2025-04", None)], [("Dogwood", "2025-04", "x")]])
def test_where_nothing_is_explained_all_is_not_given(rows):
    found = read_reasons(said(*rows), SMALL)
    assert found.frame.empty
    frame = by_reason(SMALL, "2025-06", 5, found)
    assert frame["kind"].tolist() == [NOT_GIVEN]
    assert frame["churn"].sum() + frame["contraction"].sum() == 390


def test_several_tables_are_one_and_a_text_is_one_line():
    both = [said(("Alder", "2025-04", "price")), said(("Birch", "2025-05", "too\nfar\x1b[2J"))]
    found = read_reasons(both, SMALL).frame
    assert found["reason"].tolist() == ["price", "too far\\x1b[2J"]


def test_row_order_and_spelling_change_nothing():
    lost = losses(nr.read_ledger(MERIDIAN), "2026-09")
    rng = np.random.default_rng(5)
    words = rng.choice(["Price", "price", "PRICE ", "Support", "x"], len(lost))
    table = said(*zip(lost["customer"], lost["month"].map(month_name), words, strict=True))
    ledger = nr.read_ledger(MERIDIAN)
    one = read_reasons(table, ledger).frame
    pd.testing.assert_frame_equal(one, read_reasons(table[::-1], ledger).frame)
    assert one["reason"].nunique() == 3


# --- a column of the ledger -----------------------------------------------------------------------


def test_a_column_of_months_speaks_where_it_begins_and_where_the_customer_ends():
    rows = [
        *(("Alder", f"2025-0{month}", 100, "price" if month == 3 else "") for month in (1, 2, 3)),
        *(("Birch", f"2025-0{month}", arr, why) for month, arr, why in
          [(1, 90, ""), (2, 40, "budget"), (3, 40, "budget"), (4, 30, ""), (5, 30, "")]),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["customer", "month", "arr", "Churn reason"])
    found = of_column(nr.read_ledger(frame.assign(segment="smb"))).frame
    assert found[["customer", "reason"]].assign(
        month=found["month"].map(month_name)
    ).to_numpy().tolist() == [["Alder", "price", "2025-04"], ["Birch", "budget", "2025-02"]]


def test_a_subscriptions_reason_is_that_of_its_end():
    """It stands at the subscription from the first day, and says nothing of an earlier loss."""
    rows = [
        ("Alder", "2025-01-01", "2025-06-01", 100, "base", "budget"),
        ("Alder", "2025-01-01", "2025-03-01", 30, "extra", ""),
        ("Birch", "2025-01-01", None, 50, "base", ""),
        ("Birch", "2025-01-01", "2025-04-01", 50, "extra", "product"),
        ("Cedar", "2025-06-01", None, 50, "base", ""),
    ]
    frame = pd.DataFrame(rows, columns=["customer", "start", "end", "mrr", "plan", "reason"])
    ledger = nr.read_ledger(frame.assign(segment="smb"), period_end="exclusive")
    found = of_column(ledger).frame
    assert list(zip(found["customer"], found["month"].map(month_name), found["kind"], strict=True)) == [
        ("Alder", "2025-06", "budget"),
        ("Birch", "2025-04", "product"),
    ]  # fmt: skip
    assert of_column(SMALL) is None


def test_of_two_lines_that_end_at_once_the_first_kind_counts_and_the_other_is_said():
    rows = [("Alder", "a", "product"), ("Alder", "b", "price"), ("Birch", "a", "")]
    months = [(*row, f"2025-0{m}") for row in rows for m in (1, 2, 3) if m < 3 or row[2] == ""]
    frame = pd.DataFrame(months, columns=["customer", "plan", "reason", "month"])
    found = of_column(nr.read_ledger(frame.assign(arr=10.0, segment="smb"), several="add"))
    assert list(found.frame["reason"]) == ["price"]
    assert [str(each) for each in found.notices] == [
        "the ledger: reason: 1 loss has several reasons: 'price' counts, not 'product'; a loss has"
        " one: that of its own month, else of the month before, else of the month after"
    ]


# --- what it comes to -----------------------------------------------------------------------------


def given(ledger, share, seed=1):
    """Reasons of some of a ledger's losses, by chance."""
    lost = losses(ledger, ledger.months[-1], 12)
    rng = np.random.default_rng(seed)
    some = lost[rng.random(len(lost)) < share]
    words = rng.choice([*KINDS[:-1], "Payment failed", "weather"], len(some))
    months = some["month"].map(month_name)
    return read_reasons(said(*zip(some["customer"], months, words, strict=True)), ledger)


@pytest.mark.parametrize("window", [1, 3, 12])
@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_every_sum_is_the_cohorts_to_the_cent(window, share):
    ledger = nr.read_ledger(MERIDIAN)
    reasons = given(ledger, share)
    moves = ledger.cohort("2026-09", window).total()
    for frame in (
        by_reason(ledger, "2026-09", window, reasons),
        by_kind(ledger, "2026-09", window, reasons),
        by_group(ledger, "2026-09", window, reasons),
    ):
        for name in ("churn", "contraction"):
            assert abs(frame[name].sum() - float(moves.over(name).sum())) < 0.005
        assert frame["share"].sum() == pytest.approx(1)
    bridge = reason_bridge(ledger, "2026-09", window, reasons)
    inner = bridge[bridge["kind"] == "loss"]
    assert bridge["amount"].iloc[0] + inner["amount"].sum() == pytest.approx(
        bridge["amount"].iloc[-1]
    )
    assert bridge["amount"].iloc[0] == pytest.approx(float(moves.over("opening").sum()))
    assert charts.bridge(bridge, "USD").to_dict()


@pytest.mark.shared
def test_sums_tie_in_a_real_ledger_with_its_returns_and_several_currencies():
    ledger = nr.read_ledger(SHARED / "sf_retainers.csv")
    as_of = ledger.months[-1]
    moves = ledger.cohort(as_of, 12).total()
    frame = by_reason(ledger, as_of, 12, given(ledger, 0.5))
    total = float((moves.over("churn") + moves.over("contraction")).sum())
    assert abs(frame["churn"].sum() + frame["contraction"].sum() - total) < 0.005


def test_by_hand():
    """Cohort of 2025-01: Birch loses 50 and leaves with 40, Alder leaves with 100, Cedar loses 200.

    Birch is one customer with two losses, one of them of no reason.
    """
    table = said(
        ("Alder", "2025-04", "price"),
        ("Birch", "2025-03", "Payment failed"),
        ("Cedar", "2025-06", "price"),
    )
    frame = by_reason(SMALL, "2025-06", 5, read_reasons(table, SMALL))
    assert frame.to_dict("list") == {
        "kind": ["price", "payment", NOT_GIVEN],
        "reason": ["price", "Payment failed", ""],
        "customers": [2, 1, 1],
        "churn": [100.0, 0.0, 40.0],
        "contraction": [200.0, 50.0, 0.0],
        "share": pytest.approx([300 / 390, 50 / 390, 40 / 390]),
    }
    groups = by_group(SMALL, "2025-06", 5, read_reasons(table, SMALL))
    assert list(groups["group"]) == ["voluntary", "involuntary", "bankruptcy", NOT_GIVEN]
    assert list(groups["churn"] + groups["contraction"]) == [300.0, 50.0, 0.0, 40.0]


def test_without_losses_there_is_one_row_of_nothing():
    still = book(Alder=[1, 1, 1])
    frame = by_reason(still, "2025-03", 2)
    assert frame["kind"].tolist() == [NOT_GIVEN]
    assert frame[["customers", "churn", "contraction"]].to_numpy().tolist() == [[0, 0, 0]]
    assert frame["share"].isna().all()


def test_what_was_written_after_a_month_is_not_known_then():
    late = read_reasons(said(("Alder", "2025-05", "price")), SMALL)
    assert by_kind(SMALL, "2025-04", 3, late)["kind"].tolist() == [NOT_GIVEN]
    assert by_kind(SMALL, "2025-05", 4, late)["kind"].tolist()[0] == "price"


def test_masked_names_show_no_text_that_may_tell_one():
    masked = SMALL.masked("2025-06")
    table = said(
        ("Alder", "2025-04", "bought by Zed & Co, a merger"),
        ("Birch", "2025-05", "price"),
        ("Cedar", "2025-06", "price"),
        ("Zed", "2025-06", "unheard of"),
        detail="Jane said so",
    )
    found = read_reasons(table, masked)
    assert set(found.frame["customer"]) <= set(masked.unmasked)
    assert sorted(found.frame["reason"]) == ["bankruptcy", "price", "price"]
    assert set(found.frame["detail"]) == {""}
    assert not any(word in str(found) for word in ("Zed", "Jane", "Alder"))
    plain = read_reasons(table, SMALL)
    columns = ["kind", "customers", "churn", "contraction"]
    pd.testing.assert_frame_equal(
        by_kind(masked, "2025-06", 5, found)[columns], by_kind(SMALL, "2025-06", 5, plain)[columns]
    )


def test_every_kind_has_its_group():
    assert set(GROUPS) == {*KINDS, NOT_GIVEN}
