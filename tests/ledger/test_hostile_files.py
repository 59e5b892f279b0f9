"""Files as exports, mails and accidents leave them: the right ledger, or one clear refusal."""

import contextlib
import csv
import datetime
import os
import random
import re
import socket
import string
import struct
import unicodedata
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import xlsxwriter
from conftest import fewer, rejected
from hypothesis import assume, given
from hypothesis import strategies as st

import nrrsim as nr
from nrrsim.ledger.sources import invisible, numbers
from nrrsim.months import last_day_number, month_number

HEAD = "customer,month,mrr,segment\n"
ROWS = [["Alder", "2025-01", "100", "smb"], ["Birch", "2025-01", "50.25", "mid"]]


def as_csv(rows: list[list[str]]) -> str:
    return HEAD + "".join(",".join(row) + "\n" for row in rows)


def outcome(path: Path) -> nr.Ledger | str:
    """The ledger, or what is said against it."""
    try:
        return nr.read_ledger(path)
    except nr.NrrsimError as error:
        return str(error)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("good") / "ledger.csv"
    path.write_text(as_csv(ROWS), encoding="utf-8")
    return nr.read_ledger(path).fingerprint


@pytest.fixture
def workbook(tmp_path: Path):
    """A workbook with the rows, and whatever else `more` writes into its sheet."""

    def _workbook(more=lambda sheet: None, rows: list[list[object]] = ROWS) -> Path:
        path = tmp_path / "ledger.xlsx"
        book = xlsxwriter.Workbook(path, {"constant_memory": False})
        sheet = book.add_worksheet("Ledger")
        for number, row in enumerate([HEAD.strip().split(","), *rows]):
            sheet.write_row(number, 0, row)
        for number, row in enumerate(rows, start=1):
            sheet.write_number(number, 2, float(row[2]))
        more(sheet)
        book.close()
        return path

    return _workbook


def parquet(path: Path, sql: str) -> Path:
    import duckdb

    duckdb.execute(f"copy ({sql}) to '{path}' (format parquet)")
    return path


# --- what is no file with an end ------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet", "ods"])
@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder", "dangling"])
def test_only_a_regular_file_is_read(tmp_path, kind, ending):
    path = tmp_path / f"ledger.{ending}"
    with contextlib.ExitStack() as stack:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            stack.enter_context(socket.socket(socket.AF_UNIX)).bind(str(path))
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to({"device": "/dev/zero", "dangling": tmp_path / "gone"}[kind])
        with pytest.raises(nr.UsageError, match=r"a pipe or a device|no such file"):
            nr.read_ledger(path)


@pytest.mark.parametrize("when", ["while it is read", "before a line is asked for"])
def test_a_file_that_is_replaced_while_it_is_read(write, monkeypatch, when):
    import nrrsim.ledger.textfiles as textfiles

    path = write(as_csv([*ROWS, ["C", "2025-01", "x", "smb"]]))
    name = "_csv_by_duckdb" if when.startswith("while") else "_csv_lines"
    before = getattr(textfiles, name)

    def replaced(*given):
        path.write_text(as_csv(ROWS[:1]), encoding="utf-8")
        return before(*given)

    monkeypatch.setattr(textfiles, name, replaced)
    with pytest.raises(nr.UsageError, match="was changed while it was read"):
        nr.read_ledger(path)


def test_a_first_line_without_an_end(write):
    assert "is longer than any line of headings" in rejected(write(b"\x00" * 3_000_000))[0]


# --- quotes and ends of lines ---------------------------------------------------------------------

STRAY = ['{}"', '"{}', '{}"x', 'a"{}"', '{}""', '""{}""', '"{}"x', '"{}""', "'{}\""]


@pytest.mark.parametrize("column", [0, 3])
@pytest.mark.parametrize("last", [True, False], ids=["last row", "a row within"])
@pytest.mark.parametrize("form", STRAY)
def test_a_stray_quote_is_no_segment_of_its_own(write, form, last, column):
    rows = [["Cedar", "2025-01", "1", "smb"], ["Dogwood", "2025-01", "2", "smb"]]
    rows[1 if last else 0][column] = form.format(rows[1 if last else 0][column])
    found = rejected(write(as_csv([*ROWS, *rows])))
    assert any("quote" in line for line in found), found
    place = 5 if last else 4
    assert found[0].startswith(f"ledger.csv:{place}: "), found


names = st.text(
    st.characters(categories=["L", "M", "N", "P", "S", "Zs"], exclude_characters="\ufffd"),
    min_size=1,
    max_size=12,
)


@fewer
@given(name=names, delimiter=st.sampled_from(",;\t|"), end=st.sampled_from(["\n", "\r\n"]))
def test_a_name_in_quotes_is_read_as_it_is_written(tmp_path_factory, name, delimiter, end):
    assume(name.strip() and not invisible(name))
    path = tmp_path_factory.mktemp("names") / "ledger.csv"
    with path.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerows([HEAD.strip().split(","), [name, "2025-01", "1", "smb"]])
    assert list(nr.read_ledger(path).customers("2025-01").index) == [name]


def test_a_file_that_breaks_off_says_so(write):
    """Cut at each place of its last row: refused, or read and said to lack its end."""
    whole = as_csv(ROWS)
    body = whole.rindex("Birch")
    for end in range(body + 1, len(whole)):
        path = write(whole[:end])
        said = outcome(path)
        if isinstance(said, str):
            assert "ledger.csv:3" in said
        else:
            assert "ledger.csv:3: the last line has no line end" in " ".join(map(str, said.notices))
    assert not [
        str(said) for said in nr.read_ledger(write(whole)).notices if "line end" in str(said)
    ]


# --- many findings, long cells, many columns ------------------------------------------------------

WRONG = {
    "too few cells": "c{},2025-01",
    "no number": "c{},2025-01,x,s",
    "a stray quote": 'c{},2025-01,1,s"',
    "twice the same": "c,2025-01,1,s",
    "a control character": "c\x01{},2025-01,1,s",
    "no month": "c{},2025-00,1,s",
    "not UTF-8": "c\udcff{},2025-01,1,s",
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_ledger_of_another_form_is_told_in_a_hundred_lines(write, monkeypatch, kind):
    """A file is read a few times, however many rows are wrong: no time is taken, reads are counted."""
    text = HEAD + "".join(WRONG[kind].format(number) + "\n" for number in range(20_000))
    path = write(text.encode("utf-8", "surrogateescape"))
    opened, read = [], Path.open

    def counted(self, *given, **how):
        opened.append(self)
        return read(self, *given, **how)

    monkeypatch.setattr(Path, "open", counted)
    with pytest.raises(nr.DataError) as caught:
        nr.read_ledger(path)
    assert len(opened) < 12
    # one cause is told once; what is wrong with a row alone, row by row
    alike = kind in ("no number", "twice the same", "no month")
    assert len(caught.value.findings) in ((1,) if alike else (20_000, 19_999))
    lines = str(caught.value).splitlines()
    if alike:
        assert re.search(r"20,000 cells|19,999 rows", lines[0])
        return
    assert len(lines) == 101
    assert lines[-1].startswith(f"and {len(caught.value.findings) - 100:,} more: ")


def test_check_prints_a_hundred_lines_too(write, run):
    path = write(HEAD + "".join(f"c{number},2025-01\n" for number in range(500)))
    code, out, err = run("check", path)
    assert (code, len(out.splitlines())) == (3, 101)
    assert "and 400 more" in out
    assert "500 findings" in err


@pytest.mark.parametrize("length", [32_767, 32_768, 131_073, 1_000_000])
@pytest.mark.parametrize("column", [0, 1, 2, 3])
def test_cells_of_any_length_are_judged(write, length, column):
    rows = [["Cedar", "2025-01", "x", "smb"]]  # a row that is wrong, so that lines are counted
    rows[0][column] = "9" * length if column == 2 else "a" * length
    found = rejected(write(as_csv([*ROWS, *rows])))
    assert all(line.startswith("ledger.csv:4: ") for line in found)
    assert max(map(len, found)) < 400
    if column in (0, 3):
        assert ("is longer than 32,767 characters" in " ".join(found)) == (length > 32_767)


@pytest.mark.parametrize("columns", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_columns(write, columns):
    more = [f"x{number}" for number in range(columns)]
    text = ",".join(["customer", "month", "mrr", *more]) + "\nA,2025-01,1" + ",v" * columns + "\n"
    assert set(more) < set(nr.read_ledger(write(text)).columns)
    assert len(rejected(write(text.replace("x1,", "x2,", 1)))) == 1
    [said] = rejected(write(text.replace("customer", "shopper", 1)))
    assert len(said) < 500


# --- workbooks ------------------------------------------------------------------------------------

CORNER = (1_048_575, 16_383)


def test_a_stray_cell_in_the_last_corner_is_refused(workbook):
    [said] = rejected(workbook(lambda sheet: sheet.write(*CORNER, "x")))
    assert "a cell stands far outside the table" in said


@pytest.mark.parametrize("place", [(0, 16_383), (1, 12_000), (2, 9_999)])
def test_a_stray_cell_far_to_the_right_is_a_column(workbook, expected, place):
    ledger = nr.read_ledger(workbook(lambda sheet: sheet.write(*place, "x")))
    assert ledger.customers("2025-01")["arr"].to_dict() == {"Alder": 1200.0, "Birch": 603.0}
    assert len(ledger.columns) < 10


@pytest.mark.parametrize("row", [5_000, 1_048_575])
def test_a_stray_cell_far_below_is_a_row_with_its_number(workbook, row):
    found = rejected(workbook(lambda sheet: sheet.write(row, 0, "x")))
    assert all(line.startswith(f"ledger.xlsx:{row + 1}: ") for line in found)
    assert len(found) == 3


def test_formats_without_cells_are_nothing(workbook, expected):
    def formatted(sheet):
        sheet.set_row(1_048_575, 30)
        sheet.set_column(16_000, 16_383, 3)

    assert nr.read_ledger(workbook(formatted)).fingerprint == expected


def rebuilt(path: Path, change: dict[str, bytes]) -> Path:
    """A workbook with parts of other content."""
    with zipfile.ZipFile(path) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in (parts | change).items():
            packed.writestr(name, content)
    return path


SHEET = "xl/worksheets/sheet1.xml"
SPREAD = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%s</sheetData></worksheet>'
DAMAGED = {
    "no rows at all": SPREAD % b"",
    "not XML": b"<<<<",
    "no content": b"",
    "a row number below one": SPREAD % b'<row r="0"><c r="A0"><v>1</v></c></row>',
    "a row number beyond all": SPREAD
    % b'<row r="99999999999"><c r="A99999999999"><v>1</v></c></row>',
    "a text that is not there": SPREAD % b'<row r="1"><c r="A1" t="s"><v>999999</v></c></row>',
    "a cell that is no place": SPREAD % b'<row r="1"><c r="?!"><v>1</v></c></row>',
    "cut off": (SPREAD % b'<row r="1"><c r="A1"><v>1</v></c></row>')[:140],
    "two corners": SPREAD
    % b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
    "one text of 20 million letters": SPREAD
    % (b'<row r="1"><c r="A1" t="str"><v>' + b"A" * 20_000_000 + b"</v></c></row>"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_sheet_is_one_clear_refusal(workbook, kind):
    found = rejected(rebuilt(workbook(), {SHEET: DAMAGED[kind]}))
    assert all(len(line) < 500 for line in found)
    assert found[0].startswith("ledger.xlsx")


def test_a_workbook_that_unpacks_to_more_than_any_is_refused_unread(workbook):
    """The directory of the archive says how large a part is: here, four gigabytes and more."""
    path = workbook()
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as packed:
        [place] = [part.header_offset for part in packed.infolist() if part.filename == SHEET]
    assert place >= 0
    start = data.rindex(SHEET.encode()) - 46
    struct.pack_into("<I", data, start + 24, 2**32 - 2)
    path.write_bytes(data)
    [said] = rejected(path)
    assert "unpacked it has 4 GB" in said


@pytest.mark.parametrize("ending", ["xlsx", "xls", "xlsb", "ods", "xlsm", "parquet", "pq"])
@pytest.mark.parametrize(
    "content",
    [b"", b"customer,month\n", b"\x00" * 5000, b"PK\x03\x04" + b"\x00" * 99, b"PAR1" * 50],
)
def test_other_content_under_the_ending(write, ending, content):
    [said] = rejected(write(content, f"ledger.{ending}"))
    assert "cannot be read as" in said


def test_an_empty_sheet_and_a_sheet_that_is_not_there(workbook, tmp_path):
    book = xlsxwriter.Workbook(tmp_path / "empty.xlsx")
    book.add_worksheet("Nothing")
    book.close()
    assert rejected(tmp_path / "empty.xlsx") == [
        "empty.xlsx:1: the sheet is empty; its first row names the columns"
    ]
    with pytest.raises(nr.UsageError, match="there is no sheet Ledgers; its sheets: Ledger"):
        nr.read_ledger(workbook(), sheet="Ledgers")


def test_no_python_of_the_folder_is_run(workbook, tmp_path, monkeypatch):
    """A sheet's own process imports nothing that lies beside the ledger."""
    (tmp_path / "python_calamine.py").write_text("open('ran', 'w').close()\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    nr.read_ledger(workbook())
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("ending", ["xlsx", "parquet"])
def test_flipped_bits(tmp_path, workbook, ending):
    """Forty: of a workbook, the ledger or a refusal. Parquet holds no sums: what is read may differ."""
    rows = [
        [f"c{n}", month, str(100 + n), "smb"] for n in range(50) for month in ("2025-01", "2025-02")
    ]
    path = workbook(rows=rows) if ending == "xlsx" else parquet(
        tmp_path / "ledger.parquet",
        "select 'c' || n as customer, m as month, 100.0 + n as mrr, 'smb' as segment"
        " from range(50) r(n), (values ('2025-01'), ('2025-02')) t(m)",
    )  # fmt: skip
    data, right, luck = path.read_bytes(), nr.read_ledger(path).fingerprint, random.Random(21)
    refused = 0
    for _ in range(40):
        bit, damaged = luck.randrange(len(data) * 8), bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        said = outcome(path)
        if isinstance(said, str):
            assert len(said.splitlines()) <= 101
            refused += 1
        else:
            assert ending == "parquet" or said.fingerprint == right
    assert refused > 10


# --- cells that are no value ----------------------------------------------------------------------

NO_AMOUNT = ["interval 1 month", "[1, 2]", "{'mrr': 1}", "true", "date '2025-01-01'", "'1'::blob || '\\xff'::blob",
             "timestamp '2025-01-01'", "map {1: 2}", "time '10:00'", "uuid()"]  # fmt: skip


@pytest.mark.parametrize("cell", NO_AMOUNT)
def test_an_amount_of_another_kind_is_no_number(tmp_path, cell):
    sql = f"select 'A' as customer, '2025-01' as month, {cell} as mrr"
    [said] = rejected(parquet(tmp_path / "ledger.parquet", sql))
    assert said.startswith("ledger.parquet:1: mrr: ")
    assert "is not a number" in said


@pytest.mark.parametrize(
    "cell", NO_AMOUNT[:4] + NO_AMOUNT[8:] + ["2025", "2025.01", "timestamptz '2025-01-31 22:00+00'"]
)
@pytest.mark.parametrize("column", ["month", "start"])
def test_a_month_of_another_kind_is_none(tmp_path, cell, column):
    sql = f"select 'A' as customer, {cell} as {column}, 1.0 as mrr"
    how = {"end": "none"} if column == "start" else {}
    [said] = rejected(parquet(tmp_path / "ledger.parquet", sql), **how)
    assert said.startswith(f"ledger.parquet:1: {column}: ")


@pytest.mark.parametrize(
    "cell", ["[1, 2]", "{'a': 1}", "map {1: 2}", "interval 1 month", "'x'::blob"]
)
def test_a_column_of_lists_is_read_as_text_and_said(tmp_path, cell):
    sql = f"select 'A' as customer, '2025-01' as month, 1.0 as mrr, {cell} as tags"
    ledger = nr.read_ledger(parquet(tmp_path / "ledger.parquet", sql))
    assert "the column tags holds lists, records, bytes or durations" in " ".join(
        map(str, ledger.notices)
    )


@pytest.mark.parametrize("kind", ["bigint", "ubigint", "decimal(18,0)", "decimal(38,0)", "varchar"])
def test_long_ids_keep_every_digit(tmp_path, kind):
    """As floats, the two customers would be one, and the third's missing id makes floats of them."""
    ids = ["900719925474099267", "900719925474099268"]
    rows = " union all ".join(
        f"select '{each}'::{kind} as customer, '2025-01' as month, 1 as mrr, {each}::{kind} as own"
        for each in ids
    )
    rows += " union all select '7', '2025-01', 1, null"
    ledger = nr.read_ledger(parquet(tmp_path / "ledger.parquet", rows))
    assert list(ledger.customers("2025-01").index) == ["7", *ids]
    assert ledger.entries.frame["own"].dropna().tolist() == ids


@fewer
@given(cents=st.integers(0, 10**15))
def test_decimals_are_the_same_to_the_cent(tmp_path_factory, cents):
    amount = f"{cents // 100}.{cents % 100:02d}"
    folder = tmp_path_factory.mktemp("decimals")
    path = parquet(
        folder / "a.parquet",
        f"select 'A' as customer, '2025-01' as month, {amount}::decimal(20, 2) as arr union all select 'B', '2025-01', 1",
    )
    (folder / "a.csv").write_text(
        f"customer,month,arr\nA,2025-01,{amount}\nB,2025-01,1\n", encoding="utf-8"
    )
    assert nr.read_ledger(path).fingerprint == nr.read_ledger(folder / "a.csv").fingerprint


def test_numbers_are_numbers_alone():
    cells = [
        1,
        2.5,
        "3",
        " 4 ",
        True,
        "true",
        "0x10",
        "1_000",
        "1,000",
        "١",
        datetime.date(2025, 1, 1),
        None,
    ]
    told = numbers(pd.Series(cells, dtype=object))
    assert told.dropna().tolist() == [1, 2.5, 3, 4]
    for kind in ("timedelta64[s]", "datetime64[s]", "bool"):
        assert numbers(pd.Series([1], dtype="int64").astype(kind)).isna().all()


# --- names ----------------------------------------------------------------------------------------


@fewer
@given(
    character=st.characters(categories=["Cc", "Cf", "Zl", "Zp"]),
    place=st.integers(0, 5),
    column=st.sampled_from([0, 3, 4]),
)
def test_a_character_that_nobody_sees_is_refused(tmp_path_factory, character, place, column):
    name = "Alder"[:place] + character + "Alder"[place:]
    joins = character in "\u200c\u200d" and 0 < place < 5
    path = tmp_path_factory.mktemp("hidden") / "ledger.csv"
    row = ["Alder", "2025-01", "1", "smb", "west"]
    row[column] = name
    with path.open("w", encoding="utf-8", newline="") as text:
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows(
            [
                ["customer", "month", "mrr", "segment", "region"],
                ["Birch", "2025-01", "1", "smb", "west"],
                row,
            ]
        )
    if joins:
        nr.read_ledger(path)
        return
    field = {0: "customer", 3: "segment", 4: "region"}[column]
    [said] = rejected(path)
    assert said.startswith(f"ledger.csv:3: {field}: ")
    assert character not in said


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        ("नी\u200dचे", True), ("می\u200cخواهم", True), ("\U0001f469\u200d\U0001f4bb Ltd", True), ("نمی\u200c", False),
        ("\u200dAlder", False), ("Al der\u200d Co", False), ("Al\u00adder", False), ("\ufeffAlder", False),
        ("Alder\u202e", False), ("Alder\u0085", False), ("Al\u2028der", False), ("Al\u00a0der", True),
    ],
)  # fmt: skip
def test_joiners_inside_a_word_are_seen(write, name, fine):
    path = write(f"customer,month,mrr\n{name},2025-01,1\n".encode())
    if fine:
        assert list(nr.read_ledger(path).customers("2025-01").index) == [name]
    else:
        assert "a character that nobody sees" in rejected(path)[0]


def test_a_heading_that_hides_a_character(write):
    assert "'\\ufeffcustomer' holds U+FEFF" in rejected(write("\ufeff\ufeff" + as_csv(ROWS)))[0]
    assert "'m\\x00rr' holds U+0000" in rejected(write(as_csv(ROWS).replace("mrr", "m\0rr")))[0]


@fewer
@given(digits=st.text(string.digits + "AB-", min_size=1, max_size=6), zeros=st.integers(1, 4))
def test_ids_that_differ_by_leading_zeros_alone(tmp_path_factory, digits, zeros):
    assume(digits[0].isalnum())
    path = tmp_path_factory.mktemp("zeros") / "ledger.csv"
    other = "0" * zeros + digits
    path.write_text(
        f"customer,month,mrr\nZ,2025-01,1\n{other},2025-01,1\n{digits},2025-02,1\n{other},2025-02,1\n",
        encoding="utf-8",
    )
    [said] = rejected(path)
    assert "differ by leading zeros alone" in said
    assert repr(digits) in said
    assert repr(other) in said
    assert said.count("ledger.csv:3") == 1
    assert said.count("ledger.csv:4") == 1
    path.write_text(
        f"customer,month,mrr\n{other},2025-01,1\n1{digits},2025-01,1\n", encoding="utf-8"
    )
    assert len(nr.read_ledger(path).customers("2025-01")) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [("Alder", "Al\u200dder"), ("می\u200cخواهم", "میخواهم"), ("A\u200cB", "A\u200dB")],
)
def test_names_that_differ_by_a_joiner_alone(write, one, other):
    said = rejected(write(f"customer,month,mrr\n{one},2025-01,1\n{other},2025-02,1\n"))
    assert any("differ by a character that nobody sees alone" in line for line in said), said


def test_leading_zeros_across_files(write, workbook):
    one = write("customer,month,mrr,segment\n00123,2025-02,1,smb\n", "one.csv")
    [said] = rejected(one, workbook(rows=[["123", "2025-01", "1", "smb"]]))
    assert "one.csv:2" in said
    assert "ledger.xlsx:2" in said


# --- amounts and months ---------------------------------------------------------------------------


@fewer
@given(exponent=st.integers(20, 400), digit=st.integers(1, 9), unit=st.sampled_from(["mrr", "arr"]))
def test_amounts_beyond_all_money_are_errors_with_their_line(
    tmp_path_factory, exponent, digit, unit
):
    path = tmp_path_factory.mktemp("large") / "ledger.csv"
    amount = f"{digit}e{exponent}"
    path.write_text(f"customer,month,{unit}\nA,2025-01,1\nB,2025-01,{amount}\n", encoding="utf-8")
    if digit * 10**exponent * (12 if unit == "mrr" else 1) < 10**25:
        assert nr.read_ledger(path).customers("2025-01")["arr"].max() < 1e25
    else:
        [said] = rejected(path)
        assert said.startswith(f"ledger.csv:3: {unit}: '{amount}' is ")


@pytest.mark.parametrize("field", ["quantity", "unit_price"])
@pytest.mark.parametrize("value", ["1e25", "1e300", "1e999", "inf", "-1", "-inf", "x", "1e25x"])
def test_quantities_and_prices_have_bounds(write, field, value):
    other = "unit_price" if field == "quantity" else "quantity"
    found = rejected(write(f"customer,month,mrr,{field},{other}\nA,2025-01,1,{value},1\n"))
    assert len(found) == 1
    assert found[0].startswith(f"ledger.csv:2: {field}: '{value}' is ")


times = st.from_regex(r"\A[ T][0-9:.]{1,8}Z?\Z")


@given(time=times)
def test_a_time_is_one_or_no_date(time):
    """A strict reader of its own: hours to 23, minutes and seconds to 59, two digits each."""
    parts = time[1:].removesuffix("Z").split(":")
    whole, _, fraction = parts[-1].partition(".") if len(parts) == 3 else (parts[-1], "", "0")
    fields = [*parts[:-1], whole]
    fine = len(parts) in (2, 3) and all(len(each) == 2 and each.isdigit() for each in fields)
    fine = fine and int(fields[0]) < 24 and all(int(each) < 60 for each in fields[1:])
    fine = fine and (fraction.isdigit() if "." in time else True)
    for parse in (month_number, last_day_number):
        assert (parse(f"2025-01-31{time}") is not None) == fine, time


@pytest.mark.parametrize(
    "text",
    ["2025-01-01T25:99", "2025-02-01 ::..", "2025-01-01T24:00", "2025-01-01T10", "2025-01-01T10:60",
     "2025-01-01T", "2025-02-30", "2025-13", "1899-12-31", "2200-01", "٢٠٢٥-٠١", "2025-0", "20251301", "2025Q5"],
)  # fmt: skip
def test_what_is_no_month(write, text):
    [said] = rejected(write(f"customer,month,mrr\nA,{text},1\n"))
    assert said.startswith(f"ledger.csv:2: month: {text!r} is not a month")


@pytest.mark.parametrize("quarter", ["2025Q1", "2025 Q1", "2025-Q1", "2025q1", "2025-03"])
def test_a_quarter_as_an_end_is_its_last_day(quarter):
    assert last_day_number(quarter) == last_day_number("2025-03-31")


def test_an_instant_is_a_day_at_its_own_midnight_alone():
    for hours in range(-12, 15):
        zone = datetime.timezone(datetime.timedelta(hours=hours))
        midnight = datetime.datetime(2025, 3, 1, tzinfo=zone)
        assert month_number(midnight) == 2025 * 12 + 2
        assert month_number(midnight + datetime.timedelta(microseconds=1)) is None
        assert month_number(pd.Timestamp(midnight) - pd.Timedelta("1us")) is None
        assert month_number(midnight.replace(tzinfo=None, hour=22)) == 2025 * 12 + 2


def test_an_interval_may_be_a_number_of_months(write):
    [said] = rejected(
        write("customer,start,amount,interval\nA,2025-01-01,1,biennial\n"), end="none"
    )
    assert "or a number of months up to 60, such as 24" in said
    text = "customer,start,amount,interval\nA,2025-01-01,240,24\n"
    ledger = nr.read_ledger(write(text), end="none")
    assert ledger.customers("2025-01")["arr"].tolist() == [120]


@pytest.mark.parametrize("rate", ["x", "0", "-1", "inf", "true", "1.1,9", '1.1"x'])
def test_a_rate_that_cannot_be_read_is_never_left_out(write, rate):
    ledger = write("customer,month,mrr,currency\nA,2025-01,1,EUR\n")
    rates = write(f"month,currency,rate\n2025-01,EUR,1.1\n2025-02,EUR,{rate}\n", "rates.csv")
    with pytest.raises(nr.UsageError, match=r"rates\.csv:3"):
        nr.read_ledger(ledger, rates=rates, currency="USD")


def test_every_category_of_what_nobody_sees():
    """All of Unicode: what is refused is Cc, Cf, Zl, Zp and lone surrogates, and nothing else."""
    for number in range(0x110000):
        character = chr(number)
        hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        assert bool(invisible(f"-{character}-")) == hidden, hex(number)


def test_every_flag_of_a_workbooks_directory(tmp_path, workbook):
    """One bit of what the archive says of its parts, each in turn: the ledger, or a refusal."""
    path = workbook()
    data, right = path.read_bytes(), nr.read_ledger(path).fingerprint
    entry = data.index(b"PK\1\2")
    for bit in range(8 * 6, 8 * 12):  # versions, flags and method of the first part
        damaged = bytearray(data)
        damaged[entry + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        said = outcome(path)
        assert isinstance(said, str) or said.fingerprint == right
