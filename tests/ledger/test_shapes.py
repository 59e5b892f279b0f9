"""One made-up ledger in each shape that people have: read back it is the same, or it is asked.

Never are there other numbers. Each shape is read with the options that it needs, and then most of
them are read.
"""

import gzip
import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd
import pytest
from conftest import ROOT, fewer
from hypothesis import given
from hypothesis import strategies as st

import nrrsim as nr
from nrrsim.months import month_name, month_number

CENT = 0.005  # half of one, of a year's amount
NAMES = ["Alder Ltd", "Birch, Oak & Co", 'The "Cedar" Group', "Müller GmbH", "1001", "Sum Up Ltd",
         "O'Neil", "Zoë Straße KG", "=Fir", "A-Z"]  # fmt: skip
SAY_TOTAL = ["Total Access", "Groupe Total"]  # and are customers
FIRST = month_number("2024-11")


class Book(NamedTuple):
    """What each customer pays a month in cents, 0 for nothing, and its segment."""

    paid: dict[str, list[int]]
    segment: dict[str, str]

    @property
    def months(self) -> list[str]:
        return [month_name(FIRST + n) for n in range(len(next(iter(self.paid.values()))))]

    def rows(self) -> list[tuple[str, str, float, str]]:
        """Customer, month, amount, segment."""
        return [
            (name, month, cents / 100, self.segment[name])
            for name, life in self.paid.items()
            for month, cents in zip(self.months, life, strict=True)
            if cents
        ]

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows(), columns=["customer", "month", "mrr", "segment"])

    def runs(self) -> list[tuple[str, int, int, int]]:
        """Customer, first month, the month after the last, cents: as long as they are the same."""
        found = []
        for name, life in self.paid.items():
            begin = 0
            for cents, run in itertools.groupby(life):
                number = len(list(run))
                if cents:
                    found.append((name, begin, begin + number, cents))
                begin += number
        return found


class Written(NamedTuple):
    """A ledger as files (or tables), the options to read it with, and whether segments are in it."""

    sources: list[Any]
    options: dict[str, Any] = {}  # noqa: RUF012
    has_segments: bool = True


# --- the shapes -----------------------------------------------------------------------------------


def quoted(cells: list[object], sign: str = ",") -> str:
    return sign.join('"' + str(cell).replace('"', '""') + '"' for cell in cells) + "\n"


def written(path: Path, rows: list[list[object]], sign: str = ",", encoding: str = "utf-8") -> Path:
    path.write_bytes("".join(quoted(row, sign) for row in rows).encode(encoding))
    return path


def workbook(path: Path, sheets: dict[str, list[list[object]]]) -> Path:
    as_text = {"options": {"strings_to_formulas": False}}
    with pd.ExcelWriter(path, engine="xlsxwriter", engine_kwargs=as_text) as book:
        for name, rows in sheets.items():
            pd.DataFrame(rows, dtype=object).to_excel(
                book, sheet_name=name, header=False, index=False
            )
    return path


def across(book: Book, nothing: object = "") -> list[list[object]]:
    heads: list[object] = ["Customer", "Segment", *book.months]
    return [
        heads,
        *(
            [name, book.segment[name], *(cents / 100 if cents else nothing for cents in life)]
            for name, life in book.paid.items()
        ),
    ]


def wide_workbook(book: Book, folder: Path) -> Written:
    title: list[list[object]] = [["Revenue by customer"], ["MRR in USD"], [None]]
    rows = title + [[None if cell == "" else cell for cell in row] for row in across(book)]
    return Written([workbook(folder / "wide.xlsx", {"MRR": rows})])


def wide_text(book: Book, folder: Path) -> Written:
    return Written([written(folder / "wide.csv", across(book, "-"))], {"unit": "mrr"})


def with_thousands(book: Book, folder: Path) -> Written:
    rows = [[*row[:2], f"${row[2]:,.2f}", row[3]] for row in book.rows()]
    heads: list[object] = ["Customer", "Month", "MRR", "Segment"]
    return Written([written(folder / "long.csv", [heads, *rows])], {"decimal": "."})


def with_commas(book: Book, folder: Path) -> Written:
    def amount(value: float) -> str:
        return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))

    heads: list[object] = ["Kunde", "Monat", "MRR (EUR)", "Segment"]
    rows = [
        [name, f"01.{month[5:]}.{month[:4]}", amount(mrr), segment]
        for name, month, mrr, segment in book.rows()
    ]
    text = "".join(quoted(row, ";") for row in [heads, *rows])
    try:
        data = text.encode("cp1252")
    except UnicodeEncodeError:
        data = text.encode()
    (folder / "european.csv").write_bytes(data)
    return Written([folder / "european.csv"], {"decimal": ","})


def in_cents(book: Book, folder: Path) -> Written:
    rows = [[name, month, round(100 * mrr), segment] for name, month, mrr, segment in book.rows()]
    heads: list[object] = ["customer", "month", "mrr_cents", "segment"]
    return Written([written(folder / "cents.csv", [heads, *rows])])


def two_files(book: Book, folder: Path) -> Written:
    heads: list[object] = ["customer", "month", "mrr", "segment"]
    half = book.months[len(book.months) // 2]
    parts = [
        [list(row) for row in book.rows() if row[1] < half],
        [list(row) for row in book.rows() if row[1] >= half],
    ]
    return Written(
        [written(folder / f"part{n}.csv", [heads, *rows]) for n, rows in enumerate(parts)]
    )


def one_without_segments(book: Book, folder: Path) -> Written:
    parts = two_files(book, folder)
    second = pd.read_csv(parts.sources[1], dtype=str).drop(columns="segment")
    second.to_csv(parts.sources[1], index=False)
    return parts._replace(has_segments=False)


def packed(book: Book, folder: Path) -> Written:
    text = book.frame().to_csv(index=False, float_format="%.2f")
    (folder / "ledger.csv.gz").write_bytes(gzip.compress(text.encode()))
    return Written([folder / "ledger.csv.gz"])


def long_with_totals(book: Book, folder: Path) -> Written:
    frame = book.frame()
    sums = frame.groupby("month", as_index=False)["mrr"].sum().round(2)
    total = sums.assign(customer="Total", segment="")
    both = pd.concat([frame, total[list(frame.columns)]])
    both.to_csv(folder / "totals.csv", index=False, float_format="%.2f")
    return Written([folder / "totals.csv"])


def wide_with_totals(book: Book, folder: Path) -> Written:
    heads, *rows = across(book)
    found: list[list[object]] = [heads]

    def total(name: str, of: list[list[object]]) -> list[object]:
        sums = [round(sum(float(row[n] or 0) for row in of), 2) for n in range(2, len(heads))]
        return [name, "", *sums]

    for segment in sorted(set(book.segment.values())):
        block = [row for row in rows if row[1] == segment]
        found += [*block, total(f"{segment} Total", block)] if block else []
    found.append(total("Grand Total", rows))
    return Written([written(folder / "totals.csv", found)], {"unit": "mrr"})


def months_down(book: Book, folder: Path) -> Written:
    rows: list[list[object]] = [["Month", *book.paid]]
    for n, month in enumerate(book.months):
        rows.append([month, *(life[n] / 100 if life[n] else "" for life in book.paid.values())])
    options = {"transpose": True, "unit": "mrr"}
    return Written([written(folder / "down.csv", rows)], options, has_segments=False)


def a_sheet_a_month(book: Book, folder: Path) -> Written:
    frame, sheets = book.frame(), {}
    for month, rows in frame.groupby("month"):
        heads: list[list[object]] = [["customer", "mrr", "segment"]]
        cells = rows[["customer", "mrr", "segment"]].to_numpy(object).tolist()
        sheets[str(month)] = heads + cells
    return Written([workbook(folder / "months.xlsx", sheets)])


def as_periods(book: Book, folder: Path) -> Written:
    heads: list[object] = ["customer", "start", "end", "mrr", "segment"]
    rows: list[list[object]] = [heads]
    last = len(book.months)
    for name, begin, end, cents in book.runs():
        until = f"{month_name(FIRST + end)}-01" if end < last else ""
        start = f"{month_name(FIRST + begin)}-01"
        rows.append([name, start, until, cents / 100, book.segment[name]])
    options = {"until": book.months[-1], "period_end": "exclusive"}
    return Written([written(folder / "periods.csv", rows)], options)


def as_changes(book: Book, folder: Path) -> Written:
    rows: list[list[object]] = [["customer", "month", "mrr", "segment"]]
    for name, life in book.paid.items():
        pairs = zip([0, *life], life, book.months, strict=False)
        rows += [
            [name, month, cents / 100, book.segment[name]]
            for before, cents, month in pairs
            if cents != before
        ]
    options = {"rows": "changes", "until": book.months[-1]}
    return Written([written(folder / "log.csv", rows)], options)


def daily(book: Book, folder: Path) -> Written:
    rows: list[list[object]] = [["customer", "date", "mrr", "segment"]]
    for name, month, mrr, segment in book.rows():
        rows.append([name, f"{month}-28", mrr, segment])
        rows += [[name, f"{month}-{day:02d}", round(mrr + day, 2), segment] for day in (1, 15)]
    return Written([written(folder / "daily.csv", rows)], {"several": "last"})


def snowball(book: Book, folder: Path) -> Written:
    heads: list[object] = ["Customer", "Month", "Beginning MRR", "New", "Ending MRR", "Segment"]
    rows: list[list[object]] = [heads]
    for name, life in book.paid.items():
        for before, cents, month in zip([0, *life], life, book.months, strict=False):
            if before or cents:
                change = (cents - before) / 100
                cells = [name, month, before / 100, change, cents / 100, book.segment[name]]
                rows.append(cells)
    return Written([written(folder / "snowball.csv", rows)])


def records(book: Book, folder: Path) -> Written:
    found = book.frame().to_dict("records")
    (folder / "ledger.json").write_text(json.dumps(found), encoding="utf-8")
    return Written([folder / "ledger.json"])


def table(book: Book, folder: Path) -> Written:
    frame = book.frame()
    return Written([frame.assign(month=pd.to_datetime(frame["month"]))])


def parquet(book: Book, folder: Path) -> Written:
    frame = book.frame()
    path = folder / "ledger.parquet"
    dated = frame.assign(month=pd.to_datetime(frame["month"]).dt.date)
    duckdb.from_df(dated).write_parquet(str(path))
    return Written([path])


def utf_16(book: Book, folder: Path) -> Written:
    rows = [["customer", "month", "mrr", "segment"], *map(list, book.rows())]
    return Written([written(folder / "ledger.txt", rows, "\t", "utf-16")])


Shape = Callable[[Book, Path], Written]
HAVE_TOTALS: list[Shape] = [long_with_totals, wide_with_totals]
SHAPES: list[Shape] = [
    *(wide_workbook, wide_text, with_thousands, with_commas, in_cents, two_files),
    *(one_without_segments, packed, months_down, a_sheet_a_month, as_periods, as_changes, daily),
    *(snowball, records, table, parquet, utf_16, *HAVE_TOTALS),
]


# --- made-up ledgers ------------------------------------------------------------------------------


@st.composite
def books(draw) -> Book:
    """2 to 8 customers in 3 to 18 months, who come, change, leave and return; one is always there."""
    names = draw(
        st.lists(st.sampled_from([*NAMES, *SAY_TOTAL]), min_size=2, max_size=8, unique=True)
    )
    months = draw(st.integers(3, 18))
    unit = draw(st.sampled_from([1, 100, 10_000]))  # cents, whole amounts, list prices
    amount = st.integers(1, 10**7 // unit).map(lambda number: max(number * unit, 100))
    paid = {}
    for number, name in enumerate(names):
        life: list[int] = []
        while len(life) < months:
            held = 0 if number and draw(st.integers(0, 3)) == 0 else draw(amount)
            life += [held] * draw(st.integers(1, 6))
        paid[name] = life[:months]
    paid = {name: life for name, life in paid.items() if any(life)}
    return Book(paid, {name: draw(st.sampled_from(["SMB", "Mid"])) for name in paid})


def plain_book(seed: int) -> Book:
    """The same by a seed."""
    rng = random.Random(seed)
    names, months = rng.sample(NAMES, rng.randint(3, 8)), rng.randint(6, 18)
    unit, paid = rng.choice([1, 100, 10_000]), {}
    for number, name in enumerate(names):
        life: list[int] = []
        while len(life) < months:
            held = (
                0
                if number and rng.random() < 0.2
                else max(100, rng.randint(1, 10**7 // unit) * unit)
            )
            life += [held] * rng.randint(1, 6)
        paid[name] = life[:months]
    paid = {name: life for name, life in paid.items() if any(life)}
    return Book(paid, {name: rng.choice(["SMB", "Mid"]) for name in paid})


# --- what is read back ----------------------------------------------------------------------------


def read(shape: Written) -> nr.Ledger | nr.DataError | nr.UsageError:
    try:
        return nr.read_ledger(*shape.sources, **shape.options)
    except (nr.DataError, nr.UsageError) as refused:
        return refused


def differences(book: Book, ledger: nr.Ledger, has_segments: bool) -> list[str]:
    """Where a ledger has another amount, month, customer or segment than the book; none if none."""
    frame = ledger.entries.frame
    keys = zip(frame["customer"].astype(str), frame["month"], strict=True)
    found = dict(zip(keys, frame["arr"].tolist(), strict=True))
    right = {(name, month_number(month)): 12 * mrr for name, month, mrr, _ in book.rows()}
    wrong = [
        f"{name} in {month_name(int(month))}: {found.get((name, month))}"
        f" instead of {right.get((name, month))}"
        for name, month in {**found, **right}
        if abs(found.get((name, month), 0.0) - right.get((name, month), 0.0)) >= CENT
    ]
    if has_segments:
        told = dict(zip(frame["customer"].astype(str), frame["segment"].astype(str), strict=True))
        wrong += [
            f"{name} is in {told.get(name)}"
            for name in book.paid
            if told.get(name) != book.segment[name]
        ]
    return wrong + movements_that_differ(book, ledger, has_segments)


def movements_that_differ(book: Book, ledger: nr.Ledger, has_segments: bool) -> list[str]:
    """The cohort's and the whole book's Movements beside those of the plain table."""
    reading = {"totals": "keep", "rows": "months", "ids": "two"}
    plain = nr.read_ledger(book.frame(), **reading)
    if plain.months != ledger.months:
        return [f"months {ledger.months} instead of {plain.months}"]
    first, last = plain.months[0], plain.months[-1]
    wrong = []
    for what in ("book", "cohort"):
        both = []
        for each in (plain, ledger):
            moved = (
                each.book(first, last)
                if what == "book"
                else each.cohort(last, len(plain.months) - 1)
            )
            both.append(moved if has_segments else moved.total())
        numbers = [each.frame().select_dtypes("number").to_numpy(float) for each in both]
        if numbers[0].shape != numbers[1].shape or abs(numbers[0] - numbers[1]).max() >= 2 * CENT:
            wrong.append(f"other movements of the {what}")
    return wrong


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
@fewer
@given(book=books(), keeps_totals=st.booleans())
def test_a_ledger_in_each_shape_is_itself_or_is_asked(book, keeps_totals, shape, tmp_path_factory):
    made = shape(book, tmp_path_factory.mktemp("shape"))
    if keeps_totals and shape not in HAVE_TOTALS:
        made = made._replace(options={**made.options, "totals": "keep"})
    ledger = read(made)
    if isinstance(ledger, nr.Ledger):
        assert differences(book, ledger, made.has_segments) == []
    else:
        assert str(ledger)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_most_are_read(shape, tmp_path):
    """Of 25 books by a seed four in five at least, with the options that the shape needs."""
    refused = []
    for seed in range(25):
        book = plain_book(seed)
        made = shape(book, tmp_path)
        ledger = read(made)
        if isinstance(ledger, nr.Ledger):
            assert differences(book, ledger, made.has_segments) == [], seed
        else:
            refused.append(f"{seed}: {ledger}")
    assert len(refused) <= 5, refused


# --- the example company as vendors export it -----------------------------------------------------

AS_OF = "2026-09"


@pytest.fixture(scope="module")
def example() -> pd.DataFrame:
    path = ROOT / "nrrsim" / "data" / "meridian.csv"
    return pd.read_csv(path)[["customer", "month", "mrr", "segment"]]


def example_across(frame: pd.DataFrame, folder: Path) -> Written:
    """A sheet with titles, months across, a total below each segment, a grand total, one beside."""
    by_month = frame.pivot_table(index=["segment", "customer"], columns="month", values="mrr")
    heads = pd.to_datetime(by_month.columns).strftime("%b-%y")
    rows: list[list[object]] = [["Meridian"], ["MRR in USD"], [None]]
    rows.append(["Customer", "Segment", *heads, "Total"])

    def total(name: str, of: pd.DataFrame) -> list[object]:
        return [name, None, *of.sum().round(2), round(of.sum().sum(), 2)]

    for segment, block in by_month.groupby(level="segment"):
        for (_, customer), paid in block.iterrows():
            cells = [None if pd.isna(each) else each for each in paid]
            rows.append([customer, segment, *cells, round(paid.sum(), 2)])
        rows.append(total(f"{segment} Total", block))
    rows.append(total("Grand Total", by_month))
    width = len(rows[3])
    return Written(
        [
            workbook(
                folder / "a.xlsx", {"Data": [[*row, *[None] * (width - len(row))] for row in rows]}
            )
        ]
    )


def example_by_stripe(frame: pd.DataFrame, folder: Path) -> Written:
    """A file a month, by subscriber."""
    ids = {name: f"cus_{n:05d}" for n, name in enumerate(sorted(set(frame["customer"])))}
    for month, rows in frame.groupby("month"):
        who = rows["customer"].map(ids)
        heads = {"Customer ID": who, "Customer": rows["customer"], "Customer Email": who + "@a.com"}
        paid = rows["mrr"].map("{:.2f}".format)
        export = pd.DataFrame(heads | {"Currency": "usd", str(month): paid})
        export.to_csv(folder / f"mrr_per_subscriber_{month}.csv", index=False)
    return Written([folder], has_segments=False)


def example_by_salesforce(frame: pd.DataFrame, folder: Path) -> Written:
    """A contract for as long as the amount is the same: so much an export of contracts can tell."""
    numbers = frame.assign(n=frame["month"].map(month_number)).sort_values(["customer", "n"])
    again = (numbers["customer"] == numbers["customer"].shift()) & (
        (numbers["n"] == numbers["n"].shift() + 1) & (numbers["mrr"] == numbers["mrr"].shift())
    )
    of = numbers.groupby((~again).cumsum())
    contracts = of.agg(
        account=("customer", "first"), segment=("segment", "first"), mrr=("mrr", "first"),
        begin=("n", "min"), end=("n", "max"),
    )  # fmt: skip
    ends = pd.to_datetime(contracts["end"].map(month_name)) + pd.offsets.MonthEnd(0)
    export = pd.DataFrame(
        {
            "Account Name": contracts["account"],
            "Account Segment": contracts["segment"],
            "Contract Number": contracts.index,
            "Contract Start Date": contracts["begin"].map(month_name) + "-01",
            "Contract End Date": ends.dt.date,
            "Contract Term (months)": contracts["end"] - contracts["begin"] + 1,
            "ACV": (12 * contracts["mrr"]).round(2),
            "Status": (contracts["end"] == month_number(AS_OF)).map(
                {True: "Activated", False: "Expired"}
            ),
        }
    )
    export.to_csv(folder / "contracts.csv", index=False)
    return Written([folder / "contracts.csv"], {"until": AS_OF})


@pytest.mark.parametrize(
    "shape",
    [example_across, example_by_stripe, example_by_salesforce],
    ids=["across", "stripe", "salesforce"],
)
def test_the_example_has_its_headline_numbers_in_the_shapes_of_vendors(shape, example, tmp_path):
    made = shape(example, tmp_path)
    ledger = nr.read_ledger(*made.sources, **made.options)
    plain = nr.read_ledger(example)
    want, found = (nr.measure(each, AS_OF) for each in (plain, ledger))
    numbers = ("nrr", "grr", "logo")
    assert [getattr(found, each) for each in numbers] == pytest.approx(
        [getattr(want, each) for each in numbers], abs=1e-12
    )
    arr = [each.customers(AS_OF)["arr"].sum() for each in (plain, ledger)]
    assert arr[0] == pytest.approx(arr[1], abs=CENT)
    assert plain.months == ledger.months
