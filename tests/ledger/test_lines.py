"""Lines: what a customer holds side by side, each with a plan, a renewal and a term of its own."""

import itertools

import numpy as np
import pandas as pd
import pytest

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals
from nrrsim.analysis.renewals import renewals
from nrrsim.months import month_name

# MODEL, section 1
ALDER_AND_BIRCH = [
    "Alder,2025-01-01,,10,smb,basic",
    "Alder,2025-01-01,,90,smb,pro",
    "Birch,2025-01-01,2025-09-01,100,smb,basic",
    "Cedar,2026-01-01,,1,smb,pro",
]
HEADING = "customer,start,end,mrr,segment,plan\n"


def by_part(ledger, as_of, window, by):
    """NRR, GRR, logo retention and amounts of each part, and of all."""
    found = Actuals(ledger, as_of, window).headline(by)
    wanted = ("nrr", "grr", "logo", "opening", "closing")
    parts = {name: tuple(row[key] for key in wanted) for name, row in found["segments"].items()}
    return parts | {"all": tuple(found[key] for key in wanted)}


@pytest.mark.parametrize("rows", itertools.permutations(ALDER_AND_BIRCH))
def test_the_example_of_the_model(write, rows):
    found = by_part(nr.read_ledger(write(HEADING + "\n".join(rows))), "2026-01", 12, "plan")
    assert found == {
        "basic": (pytest.approx(120 / 1320), pytest.approx(120 / 1320), 0.5, 1320, 120),
        "pro": (1.0, 1.0, 1.0, 1080, 1080),
        "all": (0.5, 0.5, 0.5, 2400, 1200),
    }


def test_what_moves_to_another_plan_goes_to_the_largest_part(write):
    """At the start 10 of A, 30 of B and 30 of C (the largest two tie: B, first by name); later 15 of
    A, none of B, 25 of C and 50 of D, which none of the parts holds.
    """
    rows = ["X,2025-01-01,,10,A", "X,2025-01-01,2025-02-01,30,B", "X,2025-01-01,2025-02-01,30,C"]
    rows += ["X,2025-02-01,,5,A", "X,2025-02-01,,25,C", "X,2025-02-01,,50,D"]
    for order in (rows, rows[::-1]):
        ledger = nr.read_ledger(write("customer,start,end,mrr,plan\n" + "\n".join(order)))
        found = by_part(ledger, "2025-02", 1, "plan")
        assert found["A"][:2] == (1.5, 1.0)
        assert found["B"][:2] == (pytest.approx(50 / 30), 1.0)
        assert found["C"][:2] == (pytest.approx(25 / 30), pytest.approx(25 / 30))
        # of all it is one customer, which went from 70 to 90
        assert found["all"][:3] == (pytest.approx(90 / 70), 1.0, 1.0)
        assert ledger.apart("2025-02", 1, "plan") == 1


def test_why_a_part_rises_is_told_of_that_part_alone(write):
    """Of Acme, with two products side by side, of Birch and of Cedar each movement is their own,
    however the lines stand when parts are numbered anew: what Acme bought first is no cross-sell
    of Birch, and its price none of Cedar.
    """
    rows = []
    for month in ("2025-01", "2025-02"):
        later = month == "2025-02"
        rows += [
            f"Acme,{month},a,100,10,10",
            f"Acme,{month},b,{200 if not later else 220},10,{20 if not later else 22}",
            f"Birch,{month},a,{300 if not later else 330},{10 if not later else 11},30",
            f"Cedar,{month},a,400,10,40",
        ]
    ledger = nr.read_ledger(
        write("customer,month,product,mrr,quantity,unit_price\n" + "\n".join(rows))
    )
    assert ledger.apart("2025-02", 1, "product") == 1
    found = ledger.cohort("2025-02", 1, "product").data.sum("month")
    for name, a, b in (("adoption", 360, 0), ("price", 0, 240), ("cross_sell", 0, 0),
                       ("unsplit", 0, 0)):  # fmt: skip
        assert found[name].sel(segment="a") == a, name
        assert found[name].sel(segment="b") == b, name


def test_who_agrees_at_the_start_keeps_the_value_throughout(write):
    rows = "A,2025-01-01,2025-02-01,10,basic\nA,2025-02-01,,4,basic\nA,2025-02-01,,9,pro\n"
    ledger = nr.read_ledger(write("customer,start,end,mrr,plan\n" + rows))
    assert by_part(ledger, "2025-02", 1, "plan")["basic"] == (1.3, 1.0, 1.0, 120, 156)
    assert ledger.apart("2025-02", 1, "plan") == 0


def test_a_part_that_comes_with_a_return_is_no_new_customer(write):
    rows = "A,2025-01-01,2025-02-01,10,basic\nA,2025-03-01,,4,basic\nA,2025-03-01,,9,pro\n"
    ledger = nr.read_ledger(write("customer,start,end,mrr,plan\n" + rows + "B,2025-01-01,,1,pro\n"))
    moves = ledger.book("2025-02", "2025-03", by="plan")
    assert float(moves.over("new").sum()) == 0
    assert moves.over("reactivation").to_series().to_dict() == {"basic": 48, "pro": 108}


def test_a_cell_that_says_empty_is_an_empty_one():
    rows = [
        (customer, month, plan, 10.0 * number)
        for month in ("2025-01", "2025-02")
        for number, (customer, plan) in enumerate(
            [("Alder", "basic"), ("Birch", "(empty)"), ("Cedar", None)], start=1
        )
    ]
    frame = pd.DataFrame(rows, columns=["customer", "month", "tier", "arr"])
    moves = nr.read_ledger(frame).cohort("2025-02", 1, by="tier")
    assert moves.segments == ["basic", "(empty)"]
    assert moves.arrays["opening"][:, 0].tolist() == [10.0, 50.0]


def test_a_late_renewal_of_several_lines(write):
    """With grace the gap is none, and the lines of before it count meanwhile."""
    rows = ["A,2025-01-01,2025-02-01,10,basic", "A,2025-01-01,2025-02-01,30,pro"]
    rows += ["A,2025-03-01,,10,basic", "A,2025-03-01,,20,pro", "B,2025-01-01,,1,pro"]
    ledger = nr.read_ledger(
        write("customer,start,end,mrr,plan\n" + "\n".join(rows)), grace_months=1
    )
    assert by_part(ledger, "2025-03", 1, "plan")["basic"][:3] == (1.0, 1.0, 1.0)
    assert by_part(ledger, "2025-03", 1, "plan")["pro"][:2] == (
        pytest.approx(21 / 31),
        pytest.approx(21 / 31),
    )


def test_snapshots_with_a_product_are_lines_too(write):
    rows = ["A,2025-01,10,x,basic", "A,2025-01,90,y,pro", "A,2025-02,50,x,basic"]
    ledger = nr.read_ledger(write("customer,month,mrr,product,plan\n" + "\n".join(rows)))
    for by, names in (("product", ("x", "y")), ("plan", ("basic", "pro"))):
        found = by_part(ledger, "2025-02", 1, by)
        assert [found[name][:2] for name in names] == [(5.0, 1.0), (0.0, 0.0)]
        assert found["all"][:3] == (0.5, 0.5, 1.0)


# --- what is learnt, and what is due -------------------------------------------------------------


def day(number):
    return "" if number is None else f"{month_name(12 * 2024 + number)}-01"


def written(rows):
    lines = [
        f"{who},{day(first)},{day(end)},{amount},{plan},"
        f"{'' if renewal == '' else day(renewal)[:7]},{term}"
        for who, first, end, amount, plan, renewal, term in rows
    ]
    return "customer,start,end,mrr,plan,renewal,term\n" + "\n".join(lines) + "\n"


def test_what_is_learnt_does_not_hang_on_the_order_of_rows(write):
    """Terms, rates and sizes of forty customers with two lines each, some annual, some not."""
    rng = np.random.default_rng(20261128)
    rows = [
        (f"c{n:02d}", int(rng.integers(0, 12)), None, int(rng.integers(1, 90)), plan, "", term)
        for n in range(40)
        for plan, term in (("basic", "annual"), ("pro", "monthly"))
    ]
    rows += [
        (who, first, first + int(rng.integers(3, 20)), amount, "plus", 6 + number % 6, "annual")
        for number, (who, first, _, amount, *_) in enumerate(rows[::3])
    ]
    learnt = []
    for _ in range(3):
        ledger = nr.read_ledger(
            write(written(rng.permutation(np.array(rows, object)).tolist())), overlap="add"
        )
        past = Actuals(ledger, ledger.months[-1], len(ledger.months) - 1)
        due = renewals(past)
        assert due["due"].sum() > 0
        learnt.append((nr.calibrate(ledger, past.as_of).told(), due.to_csv()))
    assert learnt[1:] == [learnt[0]] * 2


# --- renewals, terms and prices go by line --------------------------------------------------------


def test_renewals_go_by_line(write):
    rows = ["A,2025-01-01,,10,2027-01,monthly", "A,2025-01-01,,90,2026-03,annual"]
    rows += ["B,2025-01-01,2025-09-01,100,,annual", "C,2026-01-01,,1,2027-01,annual"]
    for order in (rows, rows[::-1], [rows[2], rows[0], rows[3], rows[1]]):
        ledger = nr.read_ledger(
            write("customer,start,end,mrr,renewal,term\n" + "\n".join(order)), overlap="add"
        )
        due = renewals(Actuals(ledger, "2026-01")).set_index("month")["due"]
        assert due["2026-04"] == 1080
        assert due["2027-01"] == 120 + 12


def test_a_renewal_at_a_new_price_is_price_line_by_line(write):
    """A's seats go up in price at the renewal; its storage, beside it, is bought more of."""
    heading = "customer,start,end,mrr,quantity,unit_price,plan\n"
    rows = ["A,2025-01-01,2025-03-01,100,10,10,seats", "A,2025-03-01,,120,10,12,seats"]
    rows += ["A,2025-01-01,2025-03-01,50,5,10,storage", "A,2025-03-01,,80,8,10,storage"]
    for order in itertools.permutations(rows):
        moves = nr.read_ledger(write(heading + "\n".join(order))).cohort("2025-03", 1)
        booked = {name: float(moves.over(name).sum()) for name in ("price", "adoption", "unsplit")}
        assert booked == {"price": 240, "adoption": 360, "unsplit": 0}


def test_seats_added_beside_a_running_contract_are_adoption(write):
    heading = "customer,start,end,mrr,quantity,unit_price\n"
    rows = ["A,2025-01-01,,100,10,10", "A,2025-02-01,,18,2,9"]
    for order in (rows, rows[::-1]):
        ledger = nr.read_ledger(write(heading + "\n".join(order)), overlap="add")
        moves = ledger.cohort("2025-02", 1)
        assert float(moves.over("adoption").sum()) == 216
        assert float(moves.over("expansion").sum()) == 216


def test_what_changes_its_interval_or_currency_alone_moves_nothing(write, tmp_path):
    heading = "customer,start,end,amount,interval,quantity,unit_price\n"
    rows = ["A,2023-01-01,2024-01-01,100,month,1,100", "A,2024-01-01,,1200,year,1,1200"]
    rows += ["B,2023-01-01,2024-02-01,300,quarter,2,150", "B,2024-02-01,,242,month,2,121"]
    moves = nr.read_ledger(write(heading + "\n".join(rows))).cohort("2024-02", 12)
    # A pays as it did; B pays 300 a quarter, then 242 a month: a unit goes from 600 to 1,452 a year
    booked = {name: float(moves.over(name).sum()) for name in ("price", "adoption", "contraction")}
    assert booked == pytest.approx({"price": 2 * (1452 - 600), "adoption": 0, "contraction": 0})

    text = "customer,month,mrr,quantity,unit_price,currency\nA,2023-12,100,1,100,EUR\n"
    rates = write("month,currency,rate\n2023-12,EUR,2\n2024-12,EUR,2\n", "rates.csv")
    for amount, price in ((200, 0), (220, 240)):
        ledger = nr.read_ledger(
            write(f"{text}A,2024-12,{amount},1,{amount},USD\n"), rates=rates, currency="USD"
        )
        moves = ledger.cohort("2024-12", 12)
        assert float(moves.over("price").sum()) == pytest.approx(price)
        assert float(moves.over("contraction").sum()) == 0


@pytest.mark.parametrize("grace", [0, 1, 2])
@pytest.mark.parametrize("late", ["basic", "pro", "both", "neither"])
def test_parts_add_up_to_the_book_whoever_renews_late(write, grace, late):
    """Both lines end in November; in January one, both or none of them goes on."""
    rows = ["X,2023-01-01,2023-12-01,100,basic", "X,2023-01-01,2023-12-01,300,pro"]
    rows += [
        f"X,2024-01-01,,{amount},{plan}"
        for plan, amount in (("basic", 100), ("pro", 300))
        if late in (plan, "both")
    ]
    rows += ["Y,2023-01-01,,50,pro", "Z,2024-12-01,,1,pro"]
    ledger = nr.read_ledger(
        write("customer,start,end,mrr,plan\n" + "\n".join(rows)), grace_months=grace
    )
    for month in ("2023-11", "2023-12", "2024-01", "2024-12"):
        parts, whole = (ledger.cohort(month, 1, by) for by in ("plan", "segment"))
        assert parts.books_close()
        for level in ("opening", "closing"):
            assert float(parts.over(level).sum()) == pytest.approx(float(whole.over(level).sum()))
        book, whole = (ledger.book("2023-01", month, by) for by in ("plan", "segment"))
        assert book.books_close()
        closing = float(whole.over("closing").sum())
        assert float(book.over("closing").sum()) == pytest.approx(closing)
