"""Which rows are totals: made-up sheets of every build, and good books that no question may stop."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, SHARED

from nrrsim.ledger.totals import STEM, Totals, _with_a_stem, find_totals
from nrrsim.months import month_number

SEED = 22
LIST_PRICES = (100, 200, 500)
ODD_PRICES = (123.45, 999.99, 87.1, 1020.5, 340, 77, 12.34, 4000)
FIRST, MONTHS = 2024 * 12, 24

Cells = dict[int, float]  # amounts by month


class Line(NamedTuple):
    """A line of a sheet with months across; `is_total` is what is to be found out."""

    name: str | None
    cells: Cells
    is_total: bool = False


def customers(
    random_: random.Random, number: int, prices: Sequence[float], change: float = 0.05
) -> list[Cells]:
    """Customers at list prices, some of whom come, change and leave."""
    found = []
    for _ in range(number):
        price, cells = random_.choice(prices), Cells()
        begin = random_.randrange(MONTHS - 4) if random_.random() < 5 * change else 0
        for month in range(begin, MONTHS):
            if len(cells) > 3 and random_.random() < change / 2:
                break
            price = random_.choice(prices) if random_.random() < change else price
            cells[month] = price
        found.append(cells)
    return found


def total(all_cells: Sequence[Cells]) -> Cells:
    return dict(sum((Counter(cells) for cells in all_cells), Counter()))


def found_across(lines: Sequence[Line], **how: float) -> Totals:
    cells = [
        (line.name, FIRST + month, amount, 7 + 2 * n)
        for n, line in enumerate(lines)
        for month, amount in line.cells.items()
    ]
    names, month, amount, block = zip(*cells, strict=True)
    month, amount, block = np.array(month, float), np.array(amount, float), np.array(block)
    return find_totals(names, month, amount, block=block, **how)


def found_down(lines: Sequence[Line], by_month: bool = True) -> Totals:
    cells = [(line.name, FIRST + m, amount) for line in lines for m, amount in line.cells.items()]
    if by_month:
        cells.sort(key=lambda cell: cell[1])
    names, month, amount = zip(*cells, strict=True)
    return find_totals(names, np.array(month, float), np.array(amount, float))


def right(lines: Sequence[Line]) -> Counter:
    return Counter(line.name for line in lines for _ in line.cells if line.is_total)


def names_of(lines: Sequence[Line], rows: np.ndarray, across: bool) -> Counter:
    """The names of the rows that are marked, each as often as it is."""
    cells = [(line.name, month) for line in lines for month in line.cells]
    if not across:
        cells.sort(key=lambda cell: cell[1])
    return Counter(name for (name, _), is_marked in zip(cells, rows, strict=True) if is_marked)


# --- good books -----------------------------------------------------------------------------------


def plain_reading_asks(book: Sequence[Cells], across: bool) -> bool:
    """Whether a customer is the sum of two others or more in each of its months, three at least."""
    for place, own in enumerate(book):
        all_others = [cells for cells in book if cells is not own]
        for others in (all_others, book[:place]) if across else (all_others,):
            sums, number = total(others), Counter(month for cells in others for month in cells)
            if len(own) >= 3 and all(
                sums.get(month) == amount and number[month] >= 2 for month, amount in own.items()
            ):
                return True
    return False


@pytest.mark.parametrize("across", [False, True], ids=["long", "wide"])
@pytest.mark.parametrize(("change", "most"), [(0.0, 40), (0.05, 40), (0.0, 4), (0.05, 4)])
def test_of_500_good_books_with_list_prices_at_most_2_in_100_are_asked(across, change, most):
    random_ = random.Random(SEED)
    asked = plain = 0
    for _ in range(500):
        book = customers(random_, random_.randint(3, most), LIST_PRICES, change)
        lines = [Line(f"c{n:02d}", cells) for n, cells in enumerate(book)]
        found = found_across(lines) if across else found_down(lines)
        assert not found.left_out.any()
        asked += found.asked.any()
        plain += plain_reading_asks(book, across)
    assert asked <= 500 * 2 / 100
    if (change, most) == (0.0, 4):
        assert plain > 500 * 10 / 100, "these books are no test"


def test_a_price_rise_for_all_shows_nothing():
    rise = [100 if month < 12 else 110 for month in range(MONTHS)]
    lines = [
        Line(name, {month: factor * price for month, price in enumerate(rise)})
        for name, factor in (("A", 1), ("B", 1), ("C", 2))
    ]
    assert not found_down(lines).asked.any()
    # what only one of them pays more does
    lines[0] = Line("A", {month: 100 + 7 * (month > 5) for month in range(MONTHS)})
    lines[1:] = [Line("B", dict.fromkeys(range(MONTHS), 100)), Line("C", {})]
    lines[2] = Line("C", total([lines[0].cells, lines[1].cells]))
    assert found_down(lines).why["C"] == (
        "it is the sum of all others in all its 24 months, but its name does not say total"
    )


def test_many_different_amounts_need_no_change():
    lines = [Line(f"c{n}", dict.fromkeys(range(4), price)) for n, price in enumerate(ODD_PRICES)]
    lines.append(Line("Meridian Inc", total([line.cells for line in lines])))
    assert set(found_down(lines).why) == {"Meridian Inc"}


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["sf_retainers", "sf_clients", "finland_journals", "six_customers", "buffer_ledger"]
)
def test_a_good_ledger_is_not_asked(name):
    _assert_nothing_is_found(pd.read_csv(SHARED / f"{name}.csv"))


def test_the_example_is_not_asked():
    _assert_nothing_is_found(pd.read_csv(ROOT / "nrrsim" / "data" / "meridian.csv"))


def _assert_nothing_is_found(rows: pd.DataFrame) -> None:
    month = rows["month"].map(month_number).to_numpy(float)
    amount = rows["mrr" if "mrr" in rows else "arr"].to_numpy(float)
    assert find_totals(rows["customer"], month, amount).why == {}
    code = pd.factorize(rows["customer"], sort=True)[0]
    assert find_totals(rows["customer"], month, amount, block=code).why == {}


# --- sheets with totals ---------------------------------------------------------------------------


def segments(
    random_: random.Random,
    prices: Sequence[float],
    name: Callable[[str], str] | None,
    grand: str | None,
) -> list[Line]:
    """Customers by segment, one or more in each, a subtotal below each, and a total of all."""
    lines = []
    for segment in ("SMB", "MID", "ENT"):
        mine = customers(random_, random_.randint(1, 8), prices)
        mine[0] = mine[0] | dict.fromkeys(range(4), prices[0])
        lines += [Line(f"{segment} {n}", cells) for n, cells in enumerate(mine)]
        if name:
            lines.append(Line(name(segment), total(mine), True))
    if grand is not None:
        parts = [line.cells for line in lines if not line.is_total]
        lines.append(Line(grand, total(parts), True))
    return lines


@pytest.mark.parametrize("prices", [LIST_PRICES, ODD_PRICES], ids=["list", "odd"])
@pytest.mark.parametrize(
    ("subtotal", "grand"),
    [
        ("Total {}", "Grand total"),
        ("{} Total", "TOTAL"),
        ("Total for {}:", "Total"),
        ("Summe {}", "Gesamtsumme"),
        ("{} - Subtotal", "Total MRR"),
        ("{} Ergebnis", "Gesamtergebnis"),
        ("Total", "Total"),
        ("Total {}", None),
        (None, "Sum"),
        (None, "All customers"),
    ],
)
def test_totals_by_name_and_sum_are_left_out_of_a_wide_sheet(subtotal, grand, prices):
    random_ = random.Random(SEED)
    for _ in range(40):
        lines = segments(random_, prices, subtotal and subtotal.format, grand)
        found = found_across(lines)
        assert not found.asked.any(), found.why
        assert names_of(lines, found.left_out, True) == right(lines)
        lines = [*lines[-1:], *lines[:-1]]
        if not subtotal:  # a total stands above as well as below
            assert names_of(lines, found_across(lines).left_out, True) == right(lines)


@pytest.mark.parametrize("prices", [LIST_PRICES, ODD_PRICES], ids=["list", "odd"])
@pytest.mark.parametrize("grand", ["Total", "Meridian Inc", None])
def test_subtotals_that_do_not_say_so_are_asked_if_the_last_row_is_a_total(grand, prices):
    random_ = random.Random(SEED)
    for _ in range(40):
        lines = segments(random_, prices, str.lower, grand)
        found = found_across(lines)
        if grand is None:
            assert not found.left_out.any()
            continue
        assert found.left_out.any() == (grand == "Total")
        told = names_of(lines, found.left_out | found.asked, True)
        # of two rows at one price, one above the other, either may be the sum
        assert told.total() == right(lines).total()
        assert grand in told
        if prices == ODD_PRICES:
            assert told == right(lines)


def test_totals_of_totals():
    random_ = random.Random(SEED)
    for _ in range(40):
        lines: list[Line] = []
        for region in ("EMEA", "APAC"):
            part = segments(random_, LIST_PRICES, f"Total {region} {{}}".format, f"Total {region}")
            lines += part
        lines.append(
            Line("Total", total([line.cells for line in lines if not line.is_total]), True)
        )
        found = found_across(lines)
        assert not found.asked.any(), found.why
        assert names_of(lines, found.left_out, True) == right(lines)


@pytest.mark.parametrize("by_month", [True, False])
def test_totals_of_a_long_table(by_month):
    random_ = random.Random(SEED)
    for number in (1, 2, 5, 30):
        book = customers(random_, number, LIST_PRICES)
        book[0] = dict.fromkeys(range(MONTHS), 500)
        lines = [Line(f"c{n}", cells) for n, cells in enumerate(book)]
        whole = total(book)
        lines += [Line("Grand Total", whole, True), Line("Summe", whole, True)]
        found = found_down(lines, by_month)
        assert set(found.why) == {"Grand Total", "Summe"}
        assert found.left_out.sum() == 2 * MONTHS
        assert not found.asked.any()
        # segments' totals are no sums of all others: so they are asked
        lines.insert(0, Line("Total SMB", total(book[1:] or [{0: 1, 1: 1, 2: 1}]), True))
        found = found_down(lines, by_month)
        assert found.left_out.sum() == 2 * MONTHS
        assert found.asked.sum() == len(lines[0].cells)


@pytest.mark.parametrize("across", [False, True], ids=["long", "wide"])
def test_customers_with_such_names_that_the_total_adds_up_are_asked(across):
    random_ = random.Random(SEED)
    for prices in [LIST_PRICES, ODD_PRICES] * 20:
        book = customers(random_, 5, prices)
        book += [dict.fromkeys(range(MONTHS), price) for price in random_.sample(prices, 2)]
        names = [
            "Alder",
            "Groupe Total",
            "Birch",
            "Total Access",
            "Cedar",
            "Summa Health",
            "Sum Up",
        ]
        lines = [Line(name, cells) for name, cells in zip(names, book, strict=True)]
        lines.append(Line("Total", total(book), True))
        found = found_across(lines) if across else found_down(lines)
        assert names_of(lines, found.left_out, across) == right(lines)
        assert set(found.why) == {"Groupe Total", "Total Access", "Total"}


def test_a_customer_called_like_a_total_in_a_segment_of_its_own_price():
    """Of a segment's rows it would be the sum; the total of all says that it is a customer."""
    same = dict.fromkeys(range(6), 200)
    lines = [Line("Alder", same), Line("Total Access", same)]
    lines.append(Line("SMB Total", total([same, same]), True))
    lines += [Line("Birch", dict.fromkeys(range(6), 500))]
    lines.append(Line("ENT Total", lines[-1].cells, True))
    lines.append(Line("Total", total([same, same, lines[-1].cells]), True))
    found = found_across(lines)
    assert names_of(lines, found.left_out, True) == right(lines)
    assert set(found.why) - set(right(lines)) == {"Total Access"}


@pytest.mark.parametrize("across", [False, True], ids=["long", "wide"])
@pytest.mark.parametrize("named", ["Total", "Total Access"])
def test_a_total_that_does_not_say_so_beside_a_name_that_does(named, across):
    random_ = random.Random(SEED)
    for _ in range(20):
        book = [*customers(random_, 9, ODD_PRICES), dict.fromkeys(range(MONTHS), 77)]
        lines = [Line(f"c{n}", cells) for n, cells in enumerate(book)]
        if named == "Total Access":  # a customer, that the company's line adds up
            lines[0] = Line(named, book[0])
        company = Line("Meridian Inc", total(book), True)
        lines.append(company)
        if named == "Total":
            lines.insert(3, Line(named, total(book), True))
        found = found_across(lines) if across else found_down(lines)
        assert set(found.why) == {named, "Meridian Inc"}
        assert found.left_out.sum() == MONTHS * (named == "Total")
        assert found.asked.sum() >= MONTHS


def test_a_lone_name_that_equals_its_neighbour_is_asked():
    same = dict.fromkeys(range(6), 200)
    lines = [Line("Alder", same), Line("Total Access", same)]
    for found in (found_across(lines), found_down(lines)):
        assert found.why == {
            "Total Access": "its name says total, but it may equal"
            " all others by chance, as a customer may"
        }
    # the only customer of a company, and its total
    lines[1] = Line("Total", same, True)
    for found in (found_across(lines), found_down(lines)):
        assert set(found.why) == {"Total"}
        assert found.left_out.sum() == 6


@pytest.mark.parametrize(
    ("name", "is_told"),
    [
        ("Total", True),
        ("  TOTALS ", True),
        ("Grand-Total:", True),
        ("Sub-total", True),
        ("SMB Total", True),
        ("Total SMB", True),
        ("Total for Alder Ltd", True),
        ("Alder Ltd Total", True),
        ("Total (all customers)", True),
        ("Sum", True),
        ("Summe", True),
        ("Zwischensumme SMB", True),
        ("Gesamt", True),
        ("Gesamt MRR", True),
        ("All customers", True),
        ("Alle Kunden", True),
        ("Groupe Total", True),
        ("Total Access", True),
        ("Total SE", True),
        ("Total Outdoor Corporation", False),
        ("Total Energies SE", False),
        ("TotalEnergies", False),
        ("Summa Health", False),
        ("Sum Up Ltd", False),
        ("Summit Partners", False),
        ("Gesamtverband der Industrie", False),
        ("Teetotal Drinks", False),
        ("All customers first Ltd", False),
        ("Assumption College", False),
        ("", False),
    ],
)
def test_which_names_say_total(name, is_told):
    """A name alone, without a month, is asked."""
    none = np.array([np.nan, 1.0, 2.0, 3.0])
    found = find_totals([name, "A", "A", "A"], none, np.array([9.0, 3, 3, 4]))
    assert found.asked.tolist() == [is_told, False, False, False]
    assert not found.left_out.any()
    if is_told:
        assert found.why[name].endswith("it stands in no month, too few to tell by its sums")


def test_a_total_in_two_months_or_one_that_is_stale_is_asked():
    book = [dict.fromkeys(range(6), price) for price in (100, 250, 700)]
    lines = [Line(f"c{n}", cells) for n, cells in enumerate(book)]
    short = {month: 1050.0 for month in (4, 5)}
    stale = total(book) | {3: 1049.0}
    for cells in (short, stale):
        for found in (f([*lines, Line("Total", cells)]) for f in (found_across, found_down)):
            assert not found.left_out.any()
            assert found.asked.sum() == len(cells)


@pytest.mark.parametrize("digit", [1000, 100, 1])
def test_amounts_in_thousands_are_off_by_half_a_last_digit_each(digit):
    random_ = random.Random(SEED)
    off = 0
    for _ in range(40):
        exact = [
            {month: random_.uniform(5, 60) * 1000 for month in range(6)}
            for _ in range(random_.randint(2, 20))
        ]
        written = [
            {month: digit * round(amount / digit) for month, amount in cells.items()}
            for cells in [*exact, total(exact)]
        ]
        lines = [Line(f"c{n}", cells) for n, cells in enumerate(written)]
        lines[-1] = Line("Total", written[-1], True)
        found = found_across(lines, scale=1000)
        assert names_of(lines, found.left_out, True) == right(lines)
        is_off = total(written[:-1]) != written[-1]
        assert found_across(lines).asked.any() == is_off
        off += is_off
        # a customer more is no rounding
        lines.insert(0, Line("new", dict.fromkeys(range(6), 30_000 + digit * len(lines))))
        assert not found_across(lines, scale=1000).left_out.any()
    assert off, "nothing was rounded"


def test_lines_of_a_customer_and_month_are_added_before():
    names = ["A", "A", "B", "Total", "Total"] * 3
    month = np.repeat([1.0, 2, 3], 5)
    amount = np.array([60.0, 40, 100, 150, 50] * 3)
    assert find_totals(names, month, amount).left_out.tolist() == [
        name == "Total" for name in names
    ]


def test_nothing_is_found_where_there_is_nothing():
    assert find_totals([], np.array([]), np.array([])).why == {}
    nothing = find_totals(["A", None], np.array([np.nan, 1.0]), np.array([1.0, np.nan]))
    assert nothing.why == {}
    endless = find_totals(["A", "B", "C"] * 3, np.repeat([1.0, 2, 3], 3), np.full(9, np.inf))
    assert endless.why == {}


def test_names_with_a_stem_are_found_as_one_by_one():
    random_ = random.Random(SEED)
    words = ["Total", "GESAMT", "Al", "l", "um", "S", "\u017fum", "Ergebni", "s", " ", "Marshall"]
    for _ in range(200):
        names = ["".join(random_.choices(words, k=3)) for _ in range(random_.randrange(6))]
        by_hand = [n for n, name in enumerate(names) if STEM.search(name)]
        assert set(by_hand) <= set(_with_a_stem(names)), names
        assert len(by_hand) == len(_with_a_stem(names)), names
    assert _with_a_stem(["a\nb", "Total"]) == [0, 1], "a name of two lines: each is looked at"
