"""Which sheets of a workbook are the ledger: said where it is clear, asked where it is not."""

import pytest
import xlsxwriter

import nrrsim as nr
from nrrsim.ledger.rows import month_in_name
from nrrsim.ledger.sources import read_rows
from nrrsim.months import month_name

LEDGER = [["customer", "month", "mrr"], ["Alder", "2025-01", 10], ["Birch", "2025-01", 20]]
README = [["MRR pack"], ["Prepared by", "FP&A"], ["Version", 3]]
SUMMARY = [["Month", "Total MRR"], ["Jan", 30], ["Feb", 31], ["Mar", 32], ["Apr", 33]]
BY_MONTH = [["customer", "mrr"], ["Alder", 10]]


def book_of(path, sheets, hidden=()):
    book = xlsxwriter.Workbook(path)
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
        if name in hidden:
            sheet.hide()
    book.close()
    return path


CASES = {
    "the only one": ({"A": SUMMARY}, ["A"], ""),
    "one alone looks like a ledger": ({"Read me": README, "MRR data": LEDGER, "Notes": [["x"]]}, ["MRR data"], "not Read me and Notes"),
    "after it a summary": ({"Data": LEDGER, "Summary": SUMMARY}, ["Data"], "not Summary"),
    "none looks like one": ({"A": README, "B": SUMMARY}, ["A"], "the first sheet, A"),
    "months": ({"Dec-24": BY_MONTH, "Jan-25": BY_MONTH, "Notes": [["x"]]}, ["Dec-24", "Jan-25"], "a month each, from Dec-24 to Jan-25, and not Notes"),
    "months below a summary": ({"Summary": SUMMARY, "2024-12": BY_MONTH, "2025-01": BY_MONTH}, ["2024-12", "2025-01"], "and not Summary"),
    "months that nothing is known of": ({"Dec-24": [["Ref", "Value"], ["A", 1]], "Jan-25": [["Ref", "Value"], ["A", 1]]}, ["Dec-24", "Jan-25"], "a month each"),
    "months, one headed wrongly": ({"Dec-24": BY_MONTH, "Jan-25": BY_MONTH, "Feb-25": [["Cust", "mrr"], ["A", 1]], "Mar-25": []}, ["Dec-24", "Jan-25", "Feb-25"], "not Mar-25"),
    "one month": ({"Notes": README, "Dec-24": BY_MONTH}, ["Dec-24"], "not Notes"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_clear_is_read_and_said(tmp_path, case):
    sheets, names, said = CASES[case]
    found = read_rows(book_of(tmp_path / "a.xlsx", sheets))
    assert [rows.sheet for rows in found] == names
    assert said in " ".join(found[0].taken)


ASKED = {
    "two ledgers": ({"SMB": LEDGER, "Big ones": LEDGER}, ("SMB", "Big ones"), '--sheet SMB or --sheet "Big ones"'),
    "a summary first": ({"Summary": SUMMARY, "Data": LEDGER}, ("Data", "Summary"), "--sheet Data or --sheet Summary"),
    "months and all": ({"Dec-24": BY_MONTH, "Jan-25": BY_MONTH, "All": LEDGER}, ("All",), "--sheet All"),
}  # fmt: skip


@pytest.mark.parametrize("case", ASKED)
def test_what_is_not_clear_is_asked(tmp_path, case):
    sheets, choices, said = ASKED[case]
    path = book_of(tmp_path / "a.xlsx", sheets)
    with pytest.raises(nr.DataError) as caught:
        read_rows(path)
    [finding] = caught.value.findings
    assert (finding.option, finding.choices) == ("sheet", choices)
    assert said in finding.remedy
    for name in choices:
        [rows] = read_rows(path, sheet=name)
        assert rows.sheet == name


def test_a_hidden_ledger_is_read_where_no_other_is_seen(tmp_path):
    sheets = {"Read me": README, "Data": LEDGER, "Old": LEDGER}
    [rows] = read_rows(book_of(tmp_path / "a.xlsx", sheets, hidden=["Old"]))
    assert rows.sheet == "Data"
    [rows] = read_rows(book_of(tmp_path / "b.xlsx", sheets | {"Old": README}, hidden=["Data"]))
    assert rows.sheet == "Data"


def test_months_of_sheets_and_files(tmp_path):
    found = read_rows(book_of(tmp_path / "a.xlsx", {"Dec-24": BY_MONTH, "Jan-25": BY_MONTH}))
    assert [rows.named_month for rows in found] == [2024 * 12 + 11, 2025 * 12]
    (tmp_path / "arr_2024-12.csv").write_text("customer,arr\nA,1\n")
    assert read_rows(tmp_path / "arr_2024-12.csv")[0].named_month == 2024 * 12 + 11
    assert (
        read_rows(book_of(tmp_path / "mrr Q4 2024.xlsx", {"A": BY_MONTH}))[0].named_month
        == 2024 * 12 + 11
    )


def test_a_sheet_that_ends_the_reader_is_named(tmp_path):
    path = book_of(tmp_path / "a.xlsx", {"Data": LEDGER, "Notes": [["x"]]})
    book = xlsxwriter.Workbook(path)
    for name, rows in {"Data": LEDGER, "Notes": [["x"]]}.items():
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    sheet.write(1_048_575, 16_383, "x")
    book.close()
    with pytest.raises(nr.DataError, match=r"the sheet Notes cannot be looked at: .*--sheet Data"):
        read_rows(path)
    assert len(read_rows(path, sheet="Data")[0].frame) == 2


NAMES = {
    "arr_2024-12": "2024-12", "202412": "2024-12", "mrr 2024-12-31": "2024-12", "20241231_export": "2024-12",
    "Dec-24": "2024-12", "Dec 24": "2024-12", "dec_24": "2024-12", "December 2024": "2024-12", "Dez 24": "2024-12",
    "ARR Dec-24 final": "2024-12", "12-2024": "2024-12", "Q4 2024": "2024-12", "2024Q4": "2024-12", "2024_12": "2024-12",
    "ledger_v2_2024-12": "2024-12", "as of December 31, 2024": "2024-12", "arr_2024-12_v3": "2024-12",
    "Dec": None, "2024": None, "2024-2025": None, "2024-12 to 2025-03": None, "Sheet1": None, "24-12": None,
    "customers_100312": None, "FY25 Q4": None, "2024-13": None, "": None, "Summary": None, "Decision 24": None,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_month_in_a_name(name):
    found = month_in_name(name)
    assert (None if found is None else month_name(found)) == NAMES[name]
