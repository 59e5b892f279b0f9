"""Where a table stands in a text: below titles, above notes, and what is said of both."""

import pytest
from conftest import rejected

import nrrsim as nr
from nrrsim.ledger import database
from nrrsim.ledger.sources import read_rows

HEAD = "customer,month,mrr,segment\n"
BODY = "Alder,2025-01,100,smb\nBirch,2025-01,50,mid\n"
TITLES = 'Meridian Inc.\n\n"MRR, by customer\nand month",,,\n'


@pytest.mark.parametrize(
    ("above", "line", "lines_above"),
    [
        ("", 1, []),
        ("\n\n", 3, []),
        (",,,\n", 2, []),
        ("MRR by customer (USD)\n", 2, [1]),
        ("MRR by customer (USD),,,\n,,,\n", 3, [1]),
        (TITLES, 5, [1, 3]),
    ],
)
@pytest.mark.parametrize("begin", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_stands_above_the_headings_is_a_title(write, above, line, lines_above, begin, end):
    text = (begin + above + HEAD + BODY).replace("\n", end)
    [rows] = read_rows(write(text.encode()))
    assert rows.frame["customer"].tolist() == ["Alder", "Birch"]
    assert rows.heading_line == line
    assert rows.lines().tolist() == [line + 1, line + 2]
    assert [line for line, _ in rows.above] == lines_above
    assert all(len(cells) == 4 for _, cells in rows.above)
    assert bool(lines_above) == any("as a title" in said for said in rows.taken)


@pytest.mark.parametrize("above", ["", "\n", "Title\n\n"])
@pytest.mark.parametrize(
    "wrong",
    ["Cedar,2025-01,x,smb", "Cedar,2025-01", 'Cedar,2025-01,1,s"mb', "Ced\x01ar,2025-01,1,smb"],
)
def test_findings_name_the_line_in_the_file(write, above, wrong):
    found = rejected(write(above + HEAD + BODY + wrong + "\nDogwood,2025-01,1,smb\n"))
    line = above.count("\n") + 4
    assert found[0].startswith(f"ledger.csv:{line}: ")


NOTES = {
    "\nConfidential Information - Do Not Distribute\n": [5],
    "\n,,,\nExported 2026-01-03,,,\nby FP&A,,,\n": [6, 7],
    "Note: excludes services\n": [4],
    "* excludes services,,,\n": [4],
    "These amounts leave out all services": [],
    "These amounts leave out all services\n": [4],
    "\nThese amounts leave out all services": [5],
    "\nSource,billing system,,\n": [5],
    "\nPrinted,2026-01-03\n": [5],
}


@pytest.mark.parametrize("below", NOTES)
@pytest.mark.parametrize("above", ["", "Title\n"])
def test_notes_below_the_table_are_listed(write, below, above):
    [rows] = read_rows(write(above + HEAD + BODY + below))
    lines = [line + len(above[:1]) for line in NOTES[below]]
    if not lines:
        assert len(rows.findings) == 1
        return
    assert (rows.findings, len(rows.frame)) == ((), 2)
    [said] = [said for said in rows.notices if "as a note" in said.problem]
    assert said.line == lines[0]


ROWS_AFTER_ALL = [
    "Cedar,2025-01,,\n", "Cedar,,5,\n", "Cedar,,,smb\n", "Cedar\n", "Cedar,2025-01\n", "\nCedar,2025-01,7,smb\n", "Cedar,smb,,\n",
    "\nCedar,2025-01,,\n", "\n1000\n", 'Cedar "\n', "\nTotal,,150,\n",
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS_AFTER_ALL)
def test_what_may_be_a_row_is_never_a_note(write, row):
    [rows] = read_rows(write(HEAD + BODY + row))
    assert len(rows.frame) + len(rows.findings) == 3
    assert not [said for said in rows.notices if "as a note" in said.problem]


def test_a_row_in_the_middle_with_fewer_cells_is_a_finding(write):
    [rows] = read_rows(write(HEAD + "Note: a note among rows\n" + BODY))
    assert [said.line for said in rows.findings] == [2]


@pytest.mark.parametrize("sign", [";", ",", "\t", "|", "~"])
def test_excels_own_line_says_the_separator(write, sign):
    text = f"sep={sign}\n" + (HEAD + BODY).replace(",", sign)
    [rows] = read_rows(write(text))
    assert rows.lines().tolist() == [3, 4]
    assert "Excel's own" in rows.taken[0]
    assert rows.above == ()


def test_the_separator_is_that_of_most_rows(write):
    text = "Report, by customer, of 2025\nKunde;customer;month;mrr\n" + "A, B;x;2025-01;1,50\n" * 3
    [rows] = read_rows(write(text))
    assert rows.frame.iloc[0].tolist() == ["A, B", "x", "2025-01", "1,50"]


def test_blank_rows_and_empty_columns_are_passed_over(write):
    [rows] = read_rows(write("customer,month,,mrr,,\nA,2025-01,,1,,\n,,,,,\n\nB,2025-01,,2,,\n"))
    assert rows.headings == ("customer", "month", "mrr")
    assert rows.lines().tolist() == [2, 5]


def test_a_column_without_a_heading_stays_where_it_has_cells(write):
    [rows] = read_rows(write("customer,,mrr\nA,x,1\n"))
    assert (rows.headings, list(rows.frame)) == (
        ("customer", "", "mrr"),
        ["customer", "unnamed_2", "mrr"],
    )


def test_headings_that_stand_twice_are_kept_and_refused_by_who_reads_them(write):
    path = write("customer,month,mrr,mrr,mrr (2)\nA,2025-01,1,2,3\n")
    [rows] = read_rows(path)
    assert rows.headings == ("customer", "month", "mrr", "mrr", "mrr (2)")
    assert list(rows.frame) == ["customer", "month", "mrr", "mrr (3)", "mrr (2)"]
    assert rejected(path) == ["ledger.csv:1: the heading mrr stands twice; rename one"]


def test_rates_below_a_title_keep_their_lines(write):
    ledger = write("customer,month,mrr,currency\nA,2025-01,1,EUR\n")
    rates = write("\n\nmonth,currency,rate\n2025-01,EUR,1.1\n2025-02,EUR,x\n", "rates.csv")
    with pytest.raises(nr.UsageError, match=r"rates\.csv:5"):
        nr.read_ledger(ledger, rates=rates, currency="USD")


@pytest.mark.parametrize("ends", [["", ",", ""], [",", ",", ","], ["", ",,", ""]])
def test_a_row_that_ends_with_empty_cells_keeps_the_lines_of_the_others(write, ends):
    rows = ["Alder,2025-01,100,smb", "Birch,2025-01,x,mid", "Cedar,2025-01,50,mid"]
    text = HEAD + "".join(f"{row}{end}\n" for row, end in zip(rows, ends, strict=True))
    [read] = read_rows(write(text))
    assert read.lines().tolist() == [2, 3, 4]
    assert rejected(write(text))[0].startswith("ledger.csv:3: mrr: 'x' is not a number")


def test_a_column_of_few_texts_is_numbered_and_one_of_many_stays_text(write, monkeypatch):
    """Of the columns one holds nothing but in its last rows, and one nothing at all."""
    monkeypatch.setattr(database, "FEW_TEXTS", 10)
    cells = [(f"c{n % 7}", "late" if n > 5_000 else "", f"{n}.5") for n in range(6_000)]
    lines = [f"{customer},{late},{amount}," for customer, late, amount in cells]
    path = write("\n".join(["customer,late,amount,never", *lines, ""]))
    [rows] = read_rows(path)
    assert rows.frame.dtypes.astype(str).tolist() == ["category", "category", "str", "category"]
    assert rows.frame["customer"].cat.categories.tolist() == [f"c{n}" for n in range(7)]
    told = rows.frame.astype(object).where(rows.frame.notna(), "")
    assert list(told.itertuples(index=False, name=None)) == [(*row, "") for row in cells]
