"""What is no ledger is asked and what may be a slip is told: made-up ledgers of each kind, and good ones."""

import random
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, SHARED

from nrrsim.ledger.columns import Table
from nrrsim.ledger.habits import (
    ask_about_doubled_rows,
    ask_what_a_row_is,
    look_at_customers,
    look_at_names_of_ids,
)
from nrrsim.ledger.names import check_ids, look_at_number_cells, look_at_renames
from nrrsim.ledger.sources import Rows
from nrrsim.months import month_name, month_number

SEED = 22
FIRST, MONTHS = 2024 * 12, 24
Row = tuple[str, int, float]  # customer, month counted from the first, a year's amount


def typed(rows: Sequence[Row], **further: Sequence[str]) -> tuple[Table, pd.DataFrame]:
    """The rows as text, and as `check` has them."""
    customer, month, arr = (list(column) for column in zip(*rows, strict=True))
    numbers = [FIRST + each for each in month]
    frame = pd.DataFrame({"customer": pd.Categorical(customer), "month": np.array(numbers, float)})
    frame["arr"] = np.array(arr, float)
    for name, values in further.items():
        frame[name] = pd.Categorical(values)
    cells = {"customer": customer, "month": [month_name(each) for each in numbers]}
    raw = pd.DataFrame(cells | {"arr": [f"{amount:g}" for amount in arr]} | further)
    table = Table.of([Rows("ledger.csv", raw, lambda: np.arange(2, 2 + len(raw)))])
    table.notices, table.taken = [], []
    return table, frame


def asked(table: Table) -> list[tuple[str, tuple[str, ...]]]:
    assert not table.notices
    return [(finding.option, finding.choices) for finding in table.findings]


def told(table: Table) -> str:
    assert not table.findings
    return "\n".join(map(str, table.notices))


@pytest.fixture
def random_() -> random.Random:
    return random.Random(SEED)


# --- rows that are no months ----------------------------------------------------------------------


def lives(
    random_: random.Random, number: int, change: float = 0.08, leave: float = 0.03
) -> dict[str, list[float]]:
    """What each customer pays in each month, 0 where it pays nothing; some leave and return."""
    found = {}
    for n in range(number):
        amount, life = random_.randint(10, 900) * 12.0, []
        begin = random_.choice([0, 0, random_.randrange(MONTHS - 1)])
        for month in range(MONTHS):
            if random_.random() < change:
                amount = random_.randint(10, 900) * 12.0
            if random_.random() < leave:
                amount = 0.0
            life.append(amount if month >= begin else 0.0)
        found[f"c{n}"] = life
    return found


def as_months(book: dict[str, list[float]]) -> list[Row]:
    return [(name, m, a) for name, life in book.items() for m, a in enumerate(life) if a]


def as_changes(book: dict[str, list[float]]) -> list[Row]:
    return [
        (name, month, amount)
        for name, life in book.items()
        for month, (before, amount) in enumerate(zip([0.0, *life], life, strict=False))
        if amount != before
    ]


@pytest.mark.parametrize("leave", [0.0, 0.03])
def test_a_log_of_changes_is_asked_and_its_months_are_not(random_, leave):
    for number in (8, 40, 200):
        book = lives(random_, number, leave=leave)
        table, frame = typed(as_changes(book))
        ask_what_a_row_is(table, frame)
        assert asked(table) == [("rows", ("changes", "months"))]
        assert "--rows changes" in table.findings[0].remedy
        assert "--rows months" in table.findings[0].remedy
        table, frame = typed(as_months(book))
        ask_what_a_row_is(table, frame)
        assert asked(table) == []


def test_two_customers_who_come_and_go_are_no_log():
    rows = [("A", month, 12.0) for month in range(9)]
    rows += [(name, month, 12.0) for name in ("B", "C") for month in (0, 7)]
    table, frame = typed(rows)
    ask_what_a_row_is(table, frame)
    assert asked(table) == []


def with_payers(
    random_: random.Random, every: Sequence[int], number: int, amount: float
) -> list[Row]:
    """A monthly ledger, and so many who pay every few months."""
    rows = as_months(lives(random_, 30, leave=0.0))
    for n in range(number):
        month = random_.randrange(4)
        while month < MONTHS:
            rows.append((f"payer {n}", month, amount))
            month += random_.choice(every)
    return rows


@pytest.mark.parametrize("every", [(3,), (6,), (3, 6)])
def test_payments_among_months_are_asked(random_, every):
    table, frame = typed(with_payers(random_, every, 5, 9_000.0))
    ask_what_a_row_is(table, frame)
    assert asked(table) == [("rows", ("months",))]
    assert "5 customers, such as 'payer 0'" in table.findings[0].problem
    # zeros between the payments say no more
    zeros = [(f"payer {n}", month, 0.0) for n in range(5) for month in range(MONTHS)]
    paid = {row[:2] for row in with_payers(random.Random(SEED), every, 5, 9_000.0)}
    rows = with_payers(random.Random(SEED), every, 5, 9_000.0)
    table, frame = typed(rows + [row for row in zeros if row[:2] not in paid])
    ask_what_a_row_is(table, frame)
    assert asked(table) == [("rows", ("months",))]


def test_payments_alone_are_no_log_of_changes(random_):
    rows = [
        (f"c{n}", month, 1_200.0)
        for n in range(30)
        for month in range(random_.randrange(3), MONTHS, 3)
    ]
    table, frame = typed(rows)
    ask_what_a_row_is(table, frame)
    assert asked(table) == [("rows", ("months",))]


@pytest.mark.parametrize(
    ("every", "amount"),
    [((3,), 1.0), ((4,), 9_000.0), ((1, 3), 9_000.0), ((2,), 9_000.0)],
    ids=["of little", "every four months", "some months in a row", "every two"],
)
def test_what_is_no_payment_is_not_asked(random_, every, amount):
    table, frame = typed(with_payers(random_, every, 5, amount))
    ask_what_a_row_is(table, frame)
    assert asked(table) == []


@pytest.mark.parametrize("step", [3, 12])
def test_a_quarterly_or_annual_ledger_has_no_payers(step):
    rows = [(f"c{n}", step * k, 100.0 + n) for n in range(20) for k in range(8)]
    table, frame = typed(rows)
    ask_what_a_row_is(table, frame)
    look_at_customers(table, frame, FIRST + step * np.arange(8))
    assert asked(table) == []


# --- ids ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "kept", "zeros"),
    [
        (["001000", "1000"], "001000", "leading zeros"),
        (["1000", "1000.0"], "1000", "a decimal point and zeros"),
        (["001000", "1000", "1000.00"], "001000", "leading zeros"),
        (["001000", "1000.0"], "001000", "zeros"),
        (["0A-7", "A-7"], "0A-7", "leading zeros"),
    ],
)
def test_ids_that_differ_by_zeros_are_asked_and_answered(names, kept, zeros):
    rows = [(name, 0, 1.0) for name in [*names, "B", "2000"]]
    table, frame = typed(rows)
    assert check_ids(table, frame["customer"]).tolist() == frame["customer"].tolist()
    assert asked(table) == [("ids", ("one", "two"))]
    assert f"differ by {zeros} alone" in table.findings[0].problem
    assert "--ids one" in table.findings[0].remedy

    table, frame = typed(rows)
    one = check_ids(table, frame["customer"], "one")
    assert one.tolist() == [kept] * len(names) + ["B", "2000"]
    assert one.cat.categories.tolist() == sorted({kept, "B", "2000"})
    assert f"is read as {kept!r}" in told(table)

    table, frame = typed(rows)
    assert check_ids(table, frame["customer"], "two").tolist() == frame["customer"].tolist()
    assert told(table) == ""


def test_many_such_ids_are_one_question():
    table, frame = typed([(f"{'0' * zeros}{n}", 0, 1.0) for n in range(10, 40) for zeros in (0, 2)])
    check_ids(table, frame["customer"])
    [finding] = table.findings
    assert (finding.field, finding.line) == ("customer", 2)
    assert finding.problem.endswith(", and so do 29 more")


def test_ids_that_hide_a_character_are_refused_whatever_is_said():
    for said in (None, "one", "two"):
        table, frame = typed([("A", 0, 1.0), ("A\u200b", 0, 1.0)])
        check_ids(table, frame["customer"], said)
        assert asked(table) == [("", ())]


def test_a_number_and_the_text_of_its_digits_are_one_customer_and_said():
    table, frame = typed([("1000", 0, 1.0), ("1000", 1, 1.0), ("B", 1, 1.0), ("7", 1, 1.0)])
    cells = pd.Series([1000.0, "1000", "B", 7], dtype=object)
    look_at_number_cells(table, cells, frame["customer"])
    assert "here and as text there: '1000';" in told(table)
    table, _ = typed([("1000", 0, 1.0)])
    look_at_number_cells(table, cells.astype(str), frame["customer"])
    look_at_number_cells(table, cells[2:], frame["customer"][2:])
    assert told(table) == ""


def names_of_ids(rows: Sequence[tuple[str, str | None, int]]) -> Table:
    ids, names, month = (list(column) for column in zip(*rows, strict=True))
    table, _ = typed([(one, m, 1.0) for one, m in zip(ids, month, strict=True)])
    look_at_names_of_ids(
        table,
        pd.Series(ids),
        pd.Series(names, dtype=object),
        np.array(month, float) + FIRST,
        ("Customer ID", "Customer Name"),
    )
    return table


def test_one_id_with_two_names_is_told():
    rows = [(f"cus_{n}", f"name {n}", month) for n in range(9) for month in range(12)]
    assert told(names_of_ids(rows)) == ""
    rows = [(one, "Alder plc" if (one, m > 6) == ("cus_3", True) else n, m) for one, n, m in rows]
    assert "cus_3 ('name 3', 'Alder plc')" in told(names_of_ids(rows))
    assert told(names_of_ids([(one, None, month) for one, _, month in rows])) == ""


@pytest.mark.parametrize("step", [1, 3])
def test_a_name_that_goes_on_under_another_id_is_asked(step):
    others = [(f"cus_{n}", f"name {n}", step * k) for n in range(9) for k in range(12)]
    for begins, is_asked in ((5, True), (6, True), (7, False), (2, False)):
        rows = [("old", "Alder", step * k) for k in range(6)]
        rows += [("new", "Alder", step * k) for k in range(begins, 12)]
        table = names_of_ids(others + rows)
        choices = ("customer=Customer Name", "customer=Customer ID")
        assert asked(table) == [("column", choices)] * is_asked
        if is_asked:
            end = month_name(FIRST + 5 * step)
            assert f"'Alder' (old until {end}, then new)" in table.findings[0].problem
            assert '--column customer="Customer Name"' in table.findings[0].remedy


# --- rows that stand twice ------------------------------------------------------------------------


def test_a_doubled_export_is_one_question(random_):
    rows = as_months(lives(random_, 10))
    table, frame = typed([*rows, *rows], item=["x"] * 2 * len(rows))
    ask_about_doubled_rows(table, frame)
    assert asked(table) == [("several", ("add", "last"))]
    [finding] = table.findings
    assert finding.line == 2 + len(rows)
    assert f"{len(rows)} rows are equal to an earlier one in all cells" in finding.problem
    assert "this one to ledger.csv:2:" in finding.problem


def test_rows_that_differ_in_one_cell_are_not_doubled(random_):
    rows = as_months(lives(random_, 10))
    table, frame = typed([*rows, *rows], item=["x"] * len(rows) + ["y"] * len(rows))
    ask_about_doubled_rows(table, frame)
    # one that is not read counts, too
    ask_about_doubled_rows(table, frame.drop(columns="item"))
    assert asked(table) == []


# --- what may be a slip ---------------------------------------------------------------------------


def looked_at(rows: Sequence[Row]) -> str:
    table, frame = typed(rows)
    look_at_customers(table, frame, np.unique(frame["month"]).astype(int))
    return told(table)


def test_a_last_month_that_lacks_customers_is_told():
    rows = [(f"c{n}", month, 12.0) for n in range(30) for month in range(6)]
    assert looked_at(rows) == ""
    for number, gone, is_told in ((10, 2, False), (20, 3, True)):
        some = [row for row in rows if gone * (row[1] == 5) <= int(row[0][1:]) < number]
        assert ("the last month" in looked_at(some)) == is_told
    for gone, is_told in ((3, False), (4, True), (25, True)):
        some = [row for row in rows if row[1] < 5 or int(row[0][1:]) >= gone]
        assert ("2024-06, the last month, has" in looked_at(some)) == is_told
        earlier = [row for row in rows if row[1] != 4 or int(row[0][1:]) >= gone]
        assert "the last month" not in looked_at(earlier)
    quarterly = [(name, 3 * month, amount) for name, month, amount in some]
    assert looked_at(quarterly) == ""


def test_ids_that_were_exchanged_are_told():
    def rows(changed: int) -> list[Row]:
        return [
            (f"{'new' if month > 2 and n < changed else 'c'}{n}", month, 12.0)
            for n in range(30)
            for month in range(6)
        ]

    assert looked_at(rows(15)) == ""
    assert "come in 2024-04 (16 of 30 leave, 16 come);" in looked_at(rows(16))


def test_one_large_customer_is_told():
    rows = [(f"c{n}", month, 12.0) for n in range(30) for month in range(6)]
    large = [*rows, ("whale", 0, 900.0), ("whale", 5, 12.0)]
    assert looked_at(large) == ""
    assert "'whale' has 45% of ARR in 2024-06" in looked_at([*rows, ("whale", 5, 300.0)])


def renamed_by_hand(rows: Sequence[Row]) -> set[tuple[str, str, int]]:
    """Who goes as another comes with an amount that nobody else goes, comes or stays with."""
    of = {(customer, month): amount for customer, month, amount in rows}
    months = {who: sorted(m for each, m in of if each == who) for who, _ in of}
    gone = [(of[who, own[-1]], own[-1] + 1, who) for who, own in months.items()]
    new = [(of[who, own[0]], own[0], who) for who, own in months.items()]
    found = set()
    for amount, month, who in gone:
        same_way = [each for each in gone if each[:2] == (amount, month)]
        coming = [each for each in new if each[:2] == (amount, month)]
        paying = [each for each, m in of if m == month and of[each, m] == amount]
        if len(same_way) == len(coming) == len(paying) == 1:
            found.add((who, coming[0][2], month))
    return found


@pytest.mark.parametrize("prices", [3, 8, 20])
def test_a_customer_that_may_have_been_renamed_is_told(random_, prices):
    seen = 0
    for _ in range(30):
        rows = []
        for who in range(12):
            begin = random_.randrange(4)
            price = 12.0 * random_.randint(1, prices)
            for month in range(begin, random_.randint(begin + 1, 6)):
                rows.append((f"c{who:02d}", month, price))
        rows += [("stays", month, 12.0 * month + 6) for month in range(6)]
        table, frame = typed(sorted(rows))
        look_at_renames(table, frame, FIRST + np.arange(6))
        found, said = renamed_by_hand(rows), told(table)
        seen += len(found)
        shown = [f"'{one}' -> '{other}' in {month_name(FIRST + m)}" for one, other, m in found]
        if len(found) <= 5:
            assert all(each in said for each in shown)
            assert said.count("->") == len(found)
        else:
            assert f"and {len(found) - 5} more" in said
    assert seen > 5, "such customers were among them"


def test_a_list_price_makes_no_pairs():
    """A hundred thousand go, and as many come, with one amount: ten billion pairs."""
    number = 100_000
    codes = np.arange(2 * number)
    frame = pd.DataFrame({"customer": pd.Categorical.from_codes(codes, [*map(str, codes)])})
    frame["month"] = FIRST + (codes >= number)
    frame["arr"] = 1200.0
    table, _ = typed([("Alder", 0, 1.0)])
    look_at_renames(table, frame, FIRST + np.arange(2))
    assert told(table) == ""


# --- good ledgers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        ROOT / "nrrsim" / "data" / "meridian.csv",
        pytest.param(SHARED / "sf_retainers.csv", marks=pytest.mark.shared),
        pytest.param(SHARED / "sf_clients.csv", marks=pytest.mark.shared),
        pytest.param(SHARED / "finland_journals.csv", marks=pytest.mark.shared),
        pytest.param(SHARED / "six_customers.csv", marks=pytest.mark.shared),
        pytest.param(SHARED / "buffer_ledger.csv", marks=pytest.mark.shared),
    ],
    ids=lambda path: path.stem,
)
def test_a_good_ledger_is_neither_asked_nor_told(path):
    rows = pd.read_csv(path, dtype=str)
    frame = pd.DataFrame(
        {
            "customer": pd.Categorical(rows["customer"]),
            "month": rows["month"].map(month_number).astype(float),
            "arr": rows["arr" if "arr" in rows else "mrr"].astype(float),
        }
    )
    table = Table.of([Rows(path.name, rows, lambda: np.arange(2, 2 + len(rows)))])
    check_ids(table, frame["customer"])
    ask_what_a_row_is(table, frame)
    ask_about_doubled_rows(table, frame)
    look_at_customers(table, frame, np.unique(frame["month"]).astype(int))
    assert [*table.findings, *table.notices] == []
