"""What reviews of issue 22 found in wide tables, names and messages: each kind once, tiny."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import xlsxwriter
from command import asked
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

import nrrsim as nr
from nrrsim.ledger.reading import Reading, in_a_card

STRIPE = "Customer ID,Customer,Customer Email,Currency,{}\n"
WIDE = "MRR\nCustomer,Jan 24,Feb 24,Mar 24{}\n"


@pytest.fixture
def said(tmp_path):
    """What a command says of these files."""

    def of(files: dict[str, str], *words: str):
        for name, text in files.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        return asked(words, tmp_path)

    return of


def workbook(path: Path, sheets: dict[str, list[list[object]]]) -> None:
    with xlsxwriter.Workbook(path) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)


# --- one month a file -----------------------------------------------------------------------------

ONE_EACH = {
    "stripe": {
        "2024-12.csv": STRIPE.format("2024-12") + "c1,A,a@x,usd,100\nc2,B,b@x,usd,50\n",
        "2025-12.csv": STRIPE.format("2025-12") + "c1,A,a@x,usd,100\nc2,B,b@x,usd,80\n",
    },
    "plain": {
        "x.csv": "MRR\nCustomer,Jan 24\nA,100\nB,50\n",
        "y.csv": "MRR\nCustomer,Jan 25\nA,100\nB,80\n",
    },
    "one of many": {
        "x.csv": "ARR\nCustomer,2023,2024\nA,100,100\nB,50,50\n",
        "y.csv": "ARR\nCustomer,2025\nA,100\nB,80\n",
    },
    "years": {
        "x.csv": "Customer,ARR 2024\nA,100\nB,50\n",
        "y.csv": "Customer,ARR 2025\nA,100\nB,80\n",
    },
}


@pytest.mark.parametrize("files", ONE_EACH.values(), ids=ONE_EACH)
def test_files_of_one_month_across_each(said, files):
    month = "2025-01" if "Jan" in files.get("x.csv", "") else "2025-12"
    answer = said(files, "metrics", *files, "--as-of", month, "--json")
    assert answer.code == 0, answer.said
    assert json.loads(answer.out)["nrr"] == pytest.approx(1.2)


def test_an_export_of_one_month_is_read_alone(said):
    answer = said(ONE_EACH["stripe"], "check", "2024-12.csv")
    assert answer.code == 0, answer.said
    assert "stripe-mrr" in answer.out


def test_one_month_in_a_file_alone_is_no_wide_table(said):
    assert said({"x.csv": "Customer,Dec-24,MRR,Month\nA,1,2,2024-01\n"}, "check", "x.csv").code == 0
    assert said({"y.csv": "Customer,Jan 24\nA,1\n"}, "check", "y.csv").code == 3


def test_a_quarter_in_a_heading_beside_the_amount_is_no_month(said):
    files = {f"arr_2024-0{n}.csv": f"Customer,ARR,Upsell Q{n} 2024\nA,100,x\n" for n in (1, 2)}
    answer = said(files, "check", *files)
    assert answer.code == 0, answer.said
    assert "monthly, 2024-01 to 2024-02" in answer.out


# --- rows and columns that hold no month's amount -------------------------------------------------


def test_rows_without_any_amount_are_named(said):
    rows = "SMB,,,\nA,100,110,120\nB,10,-,10\nEnterprise,,,\nC,0,5,5\n"
    answer = said({"w.csv": WIDE.format("") + rows}, "check", "w.csv")
    assert answer.code == 0
    assert "w.csv:3: 2 rows without any amount: SMB, Enterprise;" in answer.out
    whole = said({"w.csv": WIDE.format("") + "A,1,2,3\nB,1,2,3\n"}, "check", "w.csv")
    assert "without any amount" not in whole.out


@pytest.mark.parametrize(
    ("heading", "cells", "stays"),
    [
        ("Average", ("110", "10"), False),
        ("Churned?", ("0", "1"), False),
        ("Growth", ("20%", "-3%"), False),
        ("Tier", ("x", "y"), True),
        ("Tier", ("x", "2"), True),
        ("Segment", ("1", "2"), True),
        ("Contract id", ("71", "72"), True),
    ],
)
def test_numbers_behind_the_months_split_nothing(said, heading, cells, stays):
    table = WIDE.format(f",{heading}") + f"A,100,110,120,{cells[0]}\nB,10,10,10,{cells[1]}\n"
    answer = said({"w.csv": table}, "check", "w.csv")
    assert answer.code == 0, answer.said
    assert (f"{heading}: numbers behind the months" in answer.out) is not stays


def test_numbers_behind_the_months_stay_where_somebody_named_them(said):
    table = WIDE.format(",Tier") + "A,100,110,120,1\nB,10,10,10,2\n"
    answer = said({"w.csv": table}, "check", "w.csv", "--column", "segment=Tier")
    assert answer.code == 0, answer.said
    assert "segments      1 1, 2 1" in answer.out


@pytest.mark.parametrize(
    "table",
    ["ARR\nCustomer,2023,2024,2025\n", "Book of customers,ARR,in,USD\nCustomer,2023,2024,2025\n"],
)
def test_bare_years_are_headings_below_a_title(said, table):
    answer = said({"y.csv": table + "A,1,120,130\nB,1,50,60\n"}, "check", "y.csv")
    assert answer.code == 0, answer.said
    assert "annual, 2023-12 to 2025-12" in answer.out
    assert "by the headings" not in answer.out


def test_years_as_numbers_are_headings(tmp_path):
    title = [["ARR of Acme", "made by", "Finance"], ["Customer", 2023, 2024, 2025]]
    workbook(tmp_path / "y.xlsx", {"Book": [*title, ["A", 100, 120, 130], ["B", 50, 50, 60]]})
    answer = asked(["check", "y.xlsx"], tmp_path)
    assert answer.code == 0, answer.said
    assert "annual, 2023-12 to 2025-12" in answer.out


# --- where a finding stands -----------------------------------------------------------------------


def test_a_finding_in_one_of_several_sheets_names_it(tmp_path):
    months = ("Jan-24", "Feb-24", "Mar-24")
    sheets = {month: [["Customer", "MRR"], ["A", 10], ["B", 20]] for month in months}
    workbook(tmp_path / "good.xlsx", sheets)
    sheets["Feb-24"][1][1] = "bad"
    workbook(tmp_path / "x.xlsx", sheets)
    several = asked(["check", "x.xlsx"], tmp_path)
    assert several.out.startswith("x.xlsx, sheet Feb-24:2: ")
    workbook(tmp_path / "one.xlsx", {"Feb-24": [["Customer", "Month", "MRR"], ["A", "x", 1]]})
    one = asked(["check", "one.xlsx"], tmp_path)
    assert one.out.startswith("one.xlsx:2: ")
    good = asked(["check", "good.xlsx"], tmp_path)
    assert good.code == 0
    assert "\ngood.xlsx: there is no column segment" in good.out


@pytest.mark.parametrize("cell", ["x", "#N/A"])
def test_a_wide_frame_names_its_rows(cell):
    table = pd.DataFrame(
        {"customer": ["A", "B"], "2024-01": [cell, "1"], "2024-02": ["2", "3"]}, index=["r1", "r2"]
    )
    with pytest.raises(nr.DataError, match=r"^the table, row 'r1': 2024-01: "):
        nr.read_ledger(table, unit="mrr")


@pytest.mark.parametrize(
    ("row", "problem"), [("A,5,5,5", "stands again"), (",1,1,1", "customer: is empty")]
)
def test_one_cause_is_told_once_at_its_source_row(said, row, problem):
    rows = f"A,100,110,120\nB,10,10,10\n{row}\n"
    answer = said({"w.csv": WIDE.format("") + rows}, "check", "w.csv")
    assert answer.code == 3
    (line,) = answer.out.splitlines()
    assert line.startswith(f"w.csv:5: {problem}")
    assert "snapshots" not in line


@pytest.mark.parametrize("unit", ["ARR", "MRR"])
@pytest.mark.parametrize("begin", ["Beginning", "Opening", "Starting"])
@pytest.mark.parametrize("end", ["Ending", "Closing"])
def test_a_snowball_by_its_other_names(said, begin, end, unit):
    head = f"Customer,Month,{begin} {unit},New,{end} {unit}\nA,2024-01,0,10,10\n"
    good = said({"s.csv": head + "A,2024-02,10,0,10\n"}, "check", "s.csv")
    assert good.code == 0, good.said
    assert f"as {unit.lower()}" in good.out
    bad = said({"s.csv": head + "A,2024-02,11,0,10\n"}, "check", "s.csv")
    assert f"s.csv:3: {begin} {unit}: 1 row begins with another amount" in bad.out


# --- messages -------------------------------------------------------------------------------------

LEDGER = "customer,month,mrr,status\nA,2024-01,3,active\nA,2024-02,5,active\n"


@pytest.mark.parametrize(
    ("ledger", "words", "wanted"),
    [
        (LEDGER.replace(",5,", ",#N/A,"), (), "'#N/A' is an error of the spreadsheet: the value"),
        (LEDGER.replace("A,2024-02", "#REF!,2024-02"), (), "customer: '#REF!' is an error of the"),
        (LEDGER, ("--timezone", "Berlin"), r"(?<!timezone: )timezone: 'Berlin' is no zone"),
        (LEDGER, ("--until", "2024-03-01"), r"--until: .*; leave out --until$"),
        (LEDGER, ("--format", "mine.yaml"), r"(?m)^mine\.yaml:1:1 source: is missing"),
        (LEDGER, ("--column", "segmnt=status"), "--column segmnt: is none of our .* mean segment"),
        (WIDE.format("") + "A,1,2,3\n", (), "amounts are MRR, by 'MRR'"),
        (WIDE[4:].format("").replace("Jan", "MRR Jan") + "A,1,2,3\n", (), "MRR, by the headings"),
    ],
)
def test_messages(said, ledger, words, wanted):
    answer = said({"c.csv": ledger, "mine.yaml": "title: Mine\n"}, "check", "c.csv", *words)
    assert re.search(wanted, answer.said.strip()), answer.said


def test_until_in_a_card_is_a_key():
    assert in_a_card("--until: x; leave out --until") == "until: x; leave out until"


def test_a_lost_value_of_a_formula(tmp_path):
    with xlsxwriter.Workbook(tmp_path / "f.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["customer", "month", "mrr"])
        sheet.write_row(1, 0, ["A", "2024-01", 5])
        sheet.write_row(2, 0, ["A", "2024-02"])
        sheet.write_formula(2, 2, "=C2*2", value="")
    answer = asked(["check", "f.xlsx"], tmp_path)
    assert "f.xlsx:3: mrr: is a formula without a saved value; open the file" in answer.out


@pytest.mark.parametrize(
    ("option", "key"),
    [
        ('--count "zombie=yes"', "count: {zombie: yes}"),
        (
            '--count "zombie=yes" or --count "zombie=no"',
            "count: {zombie: yes} or count: {zombie: no}",
        ),
        ('--count "past due=yes|no"', "count: {past due: yes|no}"),
        ('--column customer="Customer ID"', "columns: {customer: Customer ID}"),
        ('--column end="A: B"', 'columns: {end: "A: B"}'),
        ("--where Metric=MRR", "where: {Metric: MRR}"),
        ("--amount-is seat_m=month,ent_y=year", "amount_is: {seat_m: month, ent_y: year}"),
        ('--sheet "a=b"', 'sheet: "a=b"'),
        ("--column mrr=...", "columns: {mrr: ...}"),
    ],
)
def test_options_as_keys(option, key):
    assert in_a_card(f"say {option}; or else") == f"say {key}; or else"


WORD = st.text(st.characters(exclude_characters='"\\', exclude_categories=["C", "Z"]), min_size=1)
PLAIN = st.text("abz 0:#{}[],&*!|>'%@`-?", min_size=1, max_size=8).filter(str.strip).map(str.strip)


@given(
    st.one_of(WORD, PLAIN, st.sampled_from(["true", "null", "no", "~", "1", "1.5", "2024-01-01"]))
)
def test_what_is_told_as_a_key_is_yaml_that_reads(text):
    if text.strip() != text or "=" in text:
        return
    for option, name, meant in (
        (f'--column customer="{text}"', "columns", {"customer": text}),
        (f'--where Kind="{text}"', "where", {"Kind": text}),
        (f'--count "{text}=no"', "count", None),
    ):
        told = in_a_card(option)
        values = YAML(typ="safe").load(told)
        reading = Reading.of(dict(values))
        assert [*values] == [name], told
        assert meant is None or getattr(reading, name) == meant, told
        assert meant is not None or reading.counts(text) is False, told


# --- a workspace ----------------------------------------------------------------------------------


def test_notebooks_into_a_workspace_that_is_there(said, tmp_path):
    months = [f"2024-{month:02d}" for month in range(1, 13)]
    rows = "".join(f"{name},{month},10\n" for name in "AB" for month in months)
    made = said({"l.csv": f"customer,month,mrr\n{rows}"}, "new", "acme", "--ledger", "l.csv")
    assert made.code == 0, made.said
    home = tmp_path / "acme"
    assert "`nrrsim new . --notebooks`" in (home / "README.md").read_text()

    before = contents(home)
    added = asked(["new", ".", "--notebooks"], home)
    assert added.code == 0, added.said
    after = contents(home)
    names = {"notebooks/quarterly_report.ipynb", "notebooks/scenario_comparison.ipynb"}
    assert after.keys() - before.keys() == names
    assert before.items() <= after.items()

    again = asked(["new", ".", "--notebooks"], home)
    assert again.code == 2
    assert "is there already; nothing is overwritten" in again.said
    assert contents(home) == after
    assert "--ledger: say which ledger" in asked(["new", "x", "--notebooks"], tmp_path).said
    assert not (tmp_path / "x").exists()


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
