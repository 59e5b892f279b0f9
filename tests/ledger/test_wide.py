"""Tables with months across: which columns are months, and the amounts that stand in them."""

import dataclasses
import datetime
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nrrsim.ledger.lostcells import Lost
from nrrsim.ledger.rows import Rows
from nrrsim.ledger.sources import read_rows
from nrrsim.ledger.wide import is_transposed, is_wide, laid_out, transposed
from nrrsim.months import Calendar, month_name

INTAKE = Path(__file__).parents[3] / "shared" / "data" / "intake"


HEADS = ("Customer", "Customer ID", "Month")


def table(text, *, sheet=None, name="ledger.csv"):
    """Rows of a table written with `|`, headed by the row that begins with Customer or Month."""
    return of_cells([[cell.strip() for cell in line.split("|")] for line in text.strip().split("\n")],
                    sheet=sheet, name=name)  # fmt: skip


def of_cells(cells, *, sheet=None, name="ledger.csv"):
    at = next(at for at, row in enumerate(cells) if row and row[0] in HEADS)
    heading, below = cells[at], cells[at + 1 :]
    width = len(heading)
    headings = tuple(f"{h:%Y-%m-%d}" if isinstance(h, datetime.date) else h for h in heading)
    labels = [
        head if head and head not in headings[:at] else f"{head or 'unnamed'} ({at + 1})"
        for at, head in enumerate(headings)
    ]
    below = [
        [cell if cell != "" else None for cell in row] + [None] * (width - len(row))
        for row in below
    ]
    frame = pd.DataFrame(below, columns=labels)
    if all(isinstance(cell, str | None) for row in below for cell in row):
        frame = frame.astype("str")
    above = tuple(
        (line, tuple([cell if cell != "" else None for cell in row] + [None] * width)[:width])
        for line, row in enumerate(cells[:at], start=1)
        if any(cell != "" for cell in row)
    )
    lines = np.arange(at + 2, at + 2 + len(frame))
    return Rows(
        name, frame, lambda: lines, headings=headings, above=above, sheet=sheet, heading_line=at + 1
    )


def read(rows, unit=None, **given):
    options = dict(decimal=None, scale=None, dates=None, calendar=Calendar()) | given
    return laid_out(rows, unit=unit, **options)


def shared(name):
    if not INTAKE.exists():
        pytest.skip("the shared data are not here")
    (rows,) = read_rows(INTAKE / name)
    return rows


def amounts(long, unit="mrr"):
    """customer -> {month: amount}"""
    found = {}
    rows = long.frame.assign(customer=long.frame.iloc[:, 0])
    for customer, month, amount in rows[["customer", "month", unit]].itertuples(index=False):
        assert found.setdefault(customer, {}).setdefault(month, amount) == amount
    return found


def months_of(long):
    return sorted(set(long.frame["month"]))


def questions(long):
    return [finding.option for finding in long.findings]


def said(long):
    return "\n".join(map(str, (*long.findings, *long.notices, *long.taken)))


MRR = "MRR by customer (USD)\n"
BOOK = {"Alder": {"2024-12": 100, "2025-01": 110}, "Birch": {"2024-12": 50}}


# --- which table it is ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headings", "wide"),
    [
        ("Customer|Segment|Dec-24|Jan-25", True),
        ("Customer|Dec 2024|2025-01-31|Feb '25", True),
        ("Customer|Q4 2024|Q1 2025", True),
        ("Customer|FY23|FY24", True),
        ("Customer|Dec|Jan", True),
        ("Customer|MRR Dec-24|MRR Jan-25", True),
        ("Customer|mrr_2024_12|mrr_2025_01", True),
        ("Customer|12/01/2024|01/01/2025", True),
        ("Customer|24-Dec|25-Jan", True),
        ("Customer|Start|2024-12", False),
        ("Customer|Month|MRR", False),
        ("Customer|Start|End|Plan|ARR", False),
        ("Month|Dec-24", False),
        ("Customer|Customer since 2019|Price of 2024", False),
        ("Month|Alder|Birch", False),
    ],
)
def test_two_months_across_make_a_wide_table(headings, wide):
    cells = [headings.split("|"), ["x"] * (headings.count("|") + 1)]
    frame = pd.DataFrame(cells[1:], columns=cells[0])
    rows = Rows("ledger.csv", frame, lambda: np.array([2]), headings=tuple(cells[0]))
    assert is_wide(rows) == wide


def test_the_months_are_right_of_a_column():
    frame = pd.DataFrame([[1, 2, "Alder"]], columns=["Dec-24", "Jan-25", "Customer"])
    assert not is_wide(Rows("ledger.csv", frame, lambda: np.array([2])))


def test_one_row_a_customer_and_month():
    long = read(table(MRR + "Customer|Segment|Dec-24|Jan-25\nAlder|SMB|100|110\nBirch|MID|50|"))
    assert not long.findings
    assert amounts(long) == BOOK
    assert long.frame["Segment"].tolist() == ["SMB", "SMB", "MID"]
    assert set(long.frame["currency"]) == {"USD"}
    assert long.lines().tolist() == [3, 3, 4]
    assert long.block.tolist() == [0, 0, 1]
    assert months_of(long) == ["2024-12", "2025-01"]


@pytest.mark.parametrize(
    "headings",
    ["Dec-24|Jan-25", "Jan-25|Dec-24", "31.12.2024|31.01.2025",
     "31/12/2024|31/01/2025", "12-31-2024|1-31-2025", "Sum of Dec-24|Sum of Jan-25",
     "2024_12|2025_01", "Actual Dec-24|Actuals Jan-25", "Dec-24A|Jan-25A", "MRR 12/31/2024|MRR 1/31/2025",
     "Dez 24|Jan 25", "202412|202501", "Revenue Dec-24|Revenue Jan-25"],
)  # fmt: skip
def test_months_are_read_however_they_are_spelt(headings):
    cells = "100|110" if "24" in headings.split("|")[0] else "110|100"
    blank = "50|" if cells == "100|110" else "|50"
    long = read(table(f"{MRR}Customer|{headings}\nAlder|{cells}\nBirch|{blank}"))
    assert not long.findings, said(long)
    assert amounts(long) == BOOK


def test_headings_that_may_begin_with_day_or_month_are_asked():
    rows = table(MRR + "Customer|01/12/2024|12/01/2025\nAlder|100|110")
    assert questions(read(rows)) == ["dates"]
    months = {order: list(amounts(read(rows, dates=order))["Alder"]) for order in ("dmy", "mdy")}
    assert months == {"dmy": ["2024-12", "2025-01"], "mdy": ["2024-01", "2025-12"]}


def test_the_firsts_of_months_are_no_days_of_one_january():
    rows = table(MRR + "Customer|12/01/2024|01/01/2025|02/01/2025\nAlder|1|2|3")
    assert list(amounts(read(rows))["Alder"]) == ["2024-12", "2025-01", "2025-02"]


def test_headings_of_both_orders_are_refused():
    long = read(table(MRR + "Customer|31/12/2024|01/31/2025\nAlder|100|110"))
    assert "31/12/2024 begins with the day, and 01/31/2025 with the month" in said(long)


def test_serials_are_months_where_it_is_said():
    rows = table(MRR + "Customer|Dec-24|45688\nAlder|100|110")
    assert list(amounts(read(rows, dates="serial"))["Alder"]) == ["2024-12", "2025-01"]


# --- years above ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("above", "headings", "months"),
    [
        ("|2024|2025||", "Customer|Dec|Jan|Feb|Mar", ["2024-12", "2025-01", "2025-02", "2025-03"]),
        ("|2024|2025 Actuals", "Customer|Dec|Jan", ["2024-12", "2025-01"]),
        ("|FY2025|", "Customer|Dec-24|Jan-25", ["2024-12", "2025-01"]),
        ("|2025|", "Customer|Feb|Jan", ["2025-02", "2025-01"]),
        (
            "|Q4 2024||Q1 2025|",
            "Customer|Nov|Dec|Jan|Feb",
            ["2024-11", "2024-12", "2025-01", "2025-02"],
        ),
        ("|Dec|Jan", "Customer|2024|2025", ["2024-12", "2025-01"]),
        ("|Jan|Jan|Jan", "Customer|2023|2024|2025", ["2023-01", "2024-01", "2025-01"]),
        ("|2025|", "Customer|Q1|Q2", ["2025-03", "2025-06"]),
    ],
)
def test_a_year_holds_to_the_right_until_the_next(above, headings, months):
    cells = "|".join(["Alder", *("1" * len(months))])
    long = read(table(f"{MRR}{above}\n{headings}\n{cells}"))
    assert not long.findings, said(long)
    assert list(amounts(long)["Alder"]) == months


@pytest.mark.parametrize(
    ("above", "headings", "says"),
    [
        ("|2024||", "Customer|Nov|Dec|Jan", "Jan stands behind Dec, and no new year above it"),
        ("|2024|", "Customer|Dec|Jan", "Jan stands behind Dec"),
        ("||", "Customer|Dec|Jan", "Dec, Jan: the year is not told"),
        ("||", "Customer|24-Dec|25-Jan", "24-Dec, 25-Jan: the year is not told"),
    ],
)
def test_a_year_that_is_not_told_is_refused(above, headings, says):
    long = read(table(f"{MRR}{above}\n{headings}\nAlder{'|1' * headings.count('|')}"))
    assert says in said(long)
    assert long.frame.empty


def test_a_fiscal_year_above_goes_by_the_companys_calendar():
    rows = table(MRR + "|FY25|||\nCustomer|May|Jun|Jul|Aug\nAlder|1|2|3|4")
    assert questions(read(rows)) == ["fiscal_year_end"]
    long = read(rows, calendar=Calendar(4))
    assert list(amounts(long)["Alder"]) == ["2024-05", "2024-06", "2024-07", "2024-08"]
    long = read(rows, calendar=Calendar(12), year_end_said=True)
    assert next(iter(amounts(long)["Alder"])) == "2025-05"
    # and a year of the calendar does not
    long = read(
        table(MRR + "|2025|||\nCustomer|May|Jun|Jul|Aug\nAlder|1|2|3|4"), calendar=Calendar(4)
    )
    assert next(iter(amounts(long)["Alder"])) == "2025-05"


def test_twelve_months_from_january_tell_that_the_year_ends_in_december():
    names = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
    long = read(table(f"{MRR}|FY25{'|' * 11}\nCustomer|{names}\nAlder{'|1' * 12}"))
    assert not long.findings
    assert [*amounts(long)["Alder"]][-1] == "2025-12"


@pytest.mark.parametrize(
    ("headings", "calendar", "months"),
    [
        ("Q4 2024|Q1 2025", Calendar(), ["2024-12", "2025-03"]),
        ("2024 Q4|2025-Q1", Calendar(), ["2024-12", "2025-03"]),
        ("H2 2024|H1 2025", Calendar(), ["2024-12", "2025-06"]),
        ("2024|2025", Calendar(), ["2024-12", "2025-12"]),
        ("Q4 FY24|Q1 FY25", Calendar(1), ["2024-01", "2024-04"]),
        ("FY24|FY25", Calendar(6), ["2024-06", "2025-06"]),
        ("Q4 FY24|Q1 FY25", Calendar(), "fiscal_year_end"),
        ("FY24|FY25", Calendar(), "fiscal_year_end"),
        ("Q4 2024|Q1 2025", Calendar(1), "of the calendar or of the fiscal year"),
        ("2024|2025", Calendar(6), "of the calendar or of the fiscal year"),
    ],
)
def test_quarters_and_years_alone_are_the_months_they_end_with(headings, calendar, months):
    long = read(table(f"{MRR}Customer|{headings}\nAlder|1|2"), calendar=calendar)
    if isinstance(months, list):
        assert list(amounts(long)["Alder"]) == months
    else:
        assert months in [
            *questions(long),
            *(finding.problem.split("may be ")[-1] for finding in long.findings),
        ]


# --- columns that are no months -------------------------------------------------------------------


SIX = "Oct-24|Nov-24|Dec-24|Jan-25|Feb-25|Mar-25"


@pytest.mark.parametrize(
    ("headings", "alder", "birch", "left_out"),
    [
        ("Oct-24|Nov-24|Dec-24|Q4|Jan-25|Feb-25|Mar-25|Q1", "1|2|3|6|4|5|6|15", "||7|7|8|9||17", "Q4, Q1"),
        ("Oct-24|Nov-24|Dec-24|Q4|Jan-25|Feb-25|Mar-25|Q1", "1|2|3|3|4|5|6|6", "||7|7|8|9|9|9", "Q4, Q1"),
        ("Q4 2024|Oct-24|Nov-24|Dec-24|Q1 2025|Jan-25|Feb-25|Mar-25", "6|1|2|3|15|4|5|6", "7|||7|17|8|9|", "Q4 2024, Q1 2025"),
        (SIX + "|H2 FY25", "1|2|3|4|5|6|21", "||7|8|9||24", "H2 FY25"),
        (SIX + "|YTD", "1|2|3|4|5|6|15", "||7|8|9||17", "YTD"),
        (SIX + "|FY25", "1|2|3|4|5|6|15", "||7|8|9||17", "FY25"),
        (SIX + "|2025 YTD|FY25 total", "1|2|3|4|5|6|15|15", "||7|8|9||17|17", "2025 YTD, FY25 total"),
        (SIX + "|Total", "1|2|3|4|5|6|21", "||7|8|9||24", "Total"),
        (SIX + "|Grand Total", "1|2|3|4|5|6|21", "||7|8|9||24", "Grand Total"),
        (SIX + "|Summe", "1|2|3|4|5|6|$21.00", "||7|8|9||24", "Summe"),
        (SIX + "|All of it", "1|2|3|4|5|6|21", "||7|8|9||24", "All of it"),
        ("Total|" + SIX, "21|1|2|3|4|5|6", "24|||7|8|9|", "Total"),
    ],
)  # fmt: skip
def test_sums_of_months_are_left_out_and_said(headings, alder, birch, left_out):
    long = read(table(f"{MRR}Customer|{headings}\nAlder|{alder}\nBirch|{birch}"))
    assert not long.findings, said(long)
    assert f"{left_out}: the sum of months or their last; left out" in said(long)
    assert list(amounts(long)["Alder"].values()) == [1, 2, 3, 4, 5, 6]
    assert len(months_of(long)) == 6
    assert list(long.frame.columns) == ["Customer", "currency", "month", "mrr"]


@pytest.mark.parametrize("heading", ["Q1", "Q1 2025", "H1", "FY25", "YTD"])
def test_a_column_of_a_quarter_that_is_neither_sum_nor_last_is_refused(heading):
    long = read(table(f"{MRR}Customer|{SIX}|{heading}\nAlder|1|2|3|4|5|6|15\nBirch|||7|8|9||999"))
    (finding,) = long.findings
    assert (finding.field, finding.line) == (heading, 4)
    assert "999.00 is neither the sum of its months" in finding.problem


def test_sums_may_be_of_months_of_a_plan_too():
    text = "Customer|Dec-24|Jan-25|Feb-25 Forecast|Q1\nAlder|1|2|3|6\nBirch|2|2|2|6"
    long = read(table(MRR + text))
    assert not long.findings, said(long)
    assert list(amounts(long)["Alder"].values()) == [1, 2]


def test_sums_of_rounded_amounts_may_be_off_by_the_rounding():
    text = "MRR (USD k)\nCustomer|Jan-25|Feb-25|Mar-25|Q1\nAlder|0.33|0.33|0.33|1.00\n"
    long = read(table(text + "Birch|1.27|1.00|1.00|3.27"))
    assert not long.findings, said(long)
    long = read(table(text + "Birch|1.27|1.00|1.00|3.30"))
    assert [finding.field for finding in long.findings] == ["Q1"]


def test_sums_are_read_by_the_decimal_sign_of_the_months():
    text = "Customer|Dec-24|Jan-25|YTD|\nAlder|1.000,50|1.999,50|3.000|3.000"
    long = read(table(MRR + text))
    assert not long.findings
    assert "YTD, column 5: the sum of months or their last" in said(long)


def test_a_total_that_is_none_is_left_out_and_said():
    long = read(table(MRR + "Customer|Dec-24|Jan-25|Total\nAlder|1|2|99\nBirch|2|2|2"))
    assert not long.findings
    assert "Total: no month, and not the sum of those that are read; left out" in said(long)


def test_years_before_the_months_are_left_out_and_said():
    long = read(table(MRR + "Customer|FY22|FY23|Dec-24|Jan-25\nAlder|9|8|1|2"))
    assert not long.findings
    assert "FY22, FY23: no month" in said(long)


def test_a_lone_month_beside_quarters_is_refused():
    long = read(table(MRR + "Customer|Nov-24|Q4 2024|Q1 2025\nAlder|9|8|1"))
    assert [finding.field for finding in long.findings] == ["Nov-24"]


# --- plans ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("above", "headings"),
    [
        ("|Actual||Budget|", "Dec-24|Jan-25|Jan-25|Feb-25"),
        ("|Actuals|Actuals|Forecast|Forecast", "Dec-24|Jan-25|Jan-25|Feb-25"),
        ("||||", "Dec-24|Jan-25|Jan-25 Plan|Outlook Feb-25"),
        ("||||", "Dec-24A|Jan-25A|Jan-25B|Feb-25F"),
        ("||", "Dec-24|Jan-25 (unaudited)|Jan-25 (F)|Feb-25 (Reforecast)"),
        ("|Actuals (audited)||Forecast (as of May)|", "Dec-24|Jan-25|Jan-25|Feb-25"),
        ("|||FY25 Target|", "Dec-24|Jan-25|Jan-25|Feb-25"),
        ("|2024 Actual|2025 Actual|2025 Budget|", "Dec|Jan|Jan|Feb"),
    ],
)
def test_months_of_a_plan_are_not_read_and_said(above, headings):
    long = read(table(f"{MRR}{above}\nCustomer|{headings}\nAlder|100|110|999|999\nBirch|50||9|9"))
    assert not long.findings, said(long)
    assert amounts(long) == BOOK
    assert "not what happened, not read" in said(long)
    assert headings.split("|")[3] in said(long)


def test_a_table_of_a_plan_alone_is_refused():
    long = read(table(MRR + "|Budget||\nCustomer|Dec-24|Jan-25\nAlder|1|2"))
    assert "all months are of a plan (Dec-24, Jan-25)" in said(long)


@pytest.mark.parametrize("title", ["Outlook of MRR by customer", "MRR: budget against actuals"])
def test_a_title_that_speaks_of_a_plan_makes_no_month_one(title):
    for above in (f"{title}|||", f"|{title.replace('Outlook', 'Actuals and outlook')}||"):
        long = read(table(f"{above}\nCustomer|Dec-24|Jan-25\nAlder|100|110\nBirch|50|"))
        assert not long.findings, said(long)
        assert amounts(long) == BOOK


def test_a_plan_alone_in_a_title_is_of_the_whole_table():
    long = read(table("Budget|||\nCustomer|Dec-24|Jan-25\nAlder|1|2"))
    assert "all months are of a plan" in said(long)


def test_a_plan_of_a_subscription_is_a_column_like_any_other():
    long = read(table(MRR + "Customer|Plan|Target|Dec-24|Jan-25\nAlder|pro|x|1|2"))
    assert not long.findings
    assert long.frame["Plan"].tolist() == ["pro", "pro"]


def test_a_month_that_stands_twice_is_refused_by_both_columns():
    long = read(table(MRR + "Customer|Dec-24|2024-12-31|Jan-25\nAlder|1|2|3"))
    assert "columns 2 (Dec-24) and 3 (2024-12-31) are both 2024-12" in said(long)


# --- other measures -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Customer|MRR Dec-24|Seats Dec-24|MRR Jan-25|Seats Jan-25\nAlder|100|9|110|9\nBirch|50|5||5",
        "Customer|Dec-24|Seats Dec-24|Jan-25|Seats Jan-25\nAlder|100|9|110|9\nBirch|50|5||5",
        "|MRR||Seats|\nCustomer|Dec-24|Jan-25|Dec-24|Jan-25\nAlder|100|110|9|9\nBirch|50||5|5",
        "|Dec-24||Jan-25|\nCustomer|MRR|Seats|MRR|Seats\nAlder|100|9|110|9\nBirch|50|5||5",
    ],
)
def test_columns_of_another_measure_are_not_read_and_said(text):
    rows = table(MRR + text)
    assert is_wide(rows)
    long = read(rows)
    assert not long.findings, said(long)
    assert amounts(long) == BOOK
    (notice,) = long.notices
    assert notice.problem.endswith(": columns of another measure, not read")
    assert ("Seats" in notice.problem) == ("Seats" in text.split("Customer")[1])


def test_columns_of_mrr_and_of_arr_are_asked():
    rows = table("Customer|MRR Dec-24|ARR Dec-24|MRR Jan-25|ARR Jan-25\nAlder|1|12|2|24")
    assert questions(read(rows)) == ["unit"]
    assert amounts(read(rows, "arr"), "arr") == {"Alder": {"2024-12": 12, "2025-01": 24}}
    assert amounts(read(rows, "mrr"), "mrr") == {"Alder": {"2024-12": 1, "2025-01": 2}}


def test_a_month_of_another_word_alone_is_refused():
    long = read(table(MRR + "Customer|Dec-24|Jan-25|Run Feb-25\nAlder|1|2|3"))
    assert [finding.field for finding in long.findings] == ["Run Feb-25"]


def test_measures_without_a_unit_are_refused():
    rows = table("Customer|Seats Dec-24|Fees Dec-24|Seats Jan-25|Fees Jan-25\nAlder|1|12|2|24")
    assert "the months stand there for seats, fees" in said(read(rows))


@pytest.mark.parametrize("heading", ["Metric", "KPI", "What"])
def test_a_column_of_measures_is_left_to_who_reads_it(heading):
    long = read(table(f"Customer|{heading}|Dec-24|Jan-25\nAlder|MRR|1|2\nAlder|Seats|9|9"))
    assert not long.findings
    assert list(long.frame.columns) == ["Customer", heading, "month", "amount"]


# --- unit, currency, scale ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "headings", "sheet", "unit"),
    [
        ("Monthly recurring revenue", "Dec-24|Jan-25", None, "mrr"),
        ("Annualised Recurring Revenue (EUR)", "Dec-24|Jan-25", None, "arr"),
        ("Book", "Dec-24|Jan-25", "ARR_2025", "arr"),
        ("Book", "ARR Dec-24|ARR Jan-25", None, "arr"),
        ("Book", "Dec-24 MRR|Jan-25 MRR", None, "mrr"),
        ("ARR", "Dec-24|Jan-25", "ARR by customer", "arr"),
        ("Narrative of arrears", "Dec-24|Jan-25", "Carry", None),
        ("MRR and ARR", "Dec-24|Jan-25", None, None),
        ("MRR", "Dec-24|Jan-25", "ARR", None),
        ("Book", "Dec-24|Jan-25", None, None),
    ],
)
def test_the_unit_is_told_or_asked(title, headings, sheet, unit):
    rows = table(f"{title}\nCustomer|{headings}\nAlder|1|2", sheet=sheet, name="arr_mrr.csv")
    long = read(rows)
    assert questions(long) == ([] if unit else ["unit"])
    assert long.frame.columns[-1] == (unit or "mrr")
    assert read(rows, "arr").frame.columns[-1] == "arr"
    assert questions(read(rows, "arr")) == []


@pytest.mark.parametrize(
    ("title", "headings", "cells", "times"),
    [
        ("MRR, USD in thousands", "Dec-24|Jan-25", "1.001|0.5", 1_000),
        ("MRR ($000s)", "Dec-24|Jan-25", "1.001|0.5", 1_000),
        ("MRR in TEUR", "Dec-24|Jan-25", "1.001|0.5", 1_000),
        ("MRR", "Dec-24 (USD k)|Jan-25 (USD k)", "1.001|0.5", 1_000),
        ("MRR (USD m)", "Dec-24|Jan-25", "1.001|0.5", 1_000_000),
        ("MRR in millions", "Dec-24|Jan-25", "1.001|0.5", 1_000_000),
        ("MRR (cents)", "Dec-24|Jan-25", "1.001|0.5", 0.01),
        ("MRR of Thousand Oaks", "Dec-24|Jan-25", "1.001|0.5", 1),
        ("MRR", "Dec-24|Jan-25", "1.001|0.5", 1),
    ],
)
def test_thousands_are_multiplied_and_said(title, headings, cells, times):
    rows = table(f"{title}\nCustomer|{headings}\nAlder|{cells}")
    long = read(rows)
    assert long.frame["mrr"].tolist() == [round(1.001 * times, 6), 0.5 * times]
    assert len(long.notices) == (times != 1)
    assert read(rows, scale=1.0).frame["mrr"].tolist() == [1.001, 0.5]
    assert not read(rows, scale=1.0).notices


def test_a_cell_that_says_k_is_multiplied_once():
    long = read(table("MRR in thousands\nCustomer|Dec-24|Jan-25\nAlder|1.5k|2.25"))
    assert long.frame["mrr"].tolist() == [1_500, 2_250]


@pytest.mark.parametrize(
    ("title", "cells", "currency"),
    [
        ("MRR (USD)", "1|2", "USD"),
        ("MRR in EUR", "1|2", "EUR"),
        ("MRR", "$1.00|2", "USD"),
        ("MRR", "€1|€2", "EUR"),
        ("MRR (USD)", "$1|$2", "USD"),
        ("MRR (CAD)", "$1|$2", "CAD"),
        ("MRR (CAD $)", "1|2", "CAD"),
        ("MRR", "CAD 1|2", "CAD"),
        ("MRR (USD, EUR)", "1|2", None),
        ("MRR", "1|2", None),
        ("MRR of all customers", "1|2", None),
    ],
)
def test_the_currency_is_told_by_titles_or_cells(title, cells, currency):
    long = read(table(f"{title}\nCustomer|Dec-24|Jan-25\nAlder|{cells}"))
    assert not long.findings, said(long)
    assert set(long.frame.get("currency", [None])) == {currency}


def test_each_row_may_have_its_own_currency():
    text = "MRR\nCustomer|Dec-24|Jan-25\nAlder|$1|$2\nBirch|€1|-\nCedar|-|-"
    long = read(table(text))
    assert not long.findings
    assert long.frame["currency"].tolist() == ["USD", "USD", "EUR"]
    (bare,) = read(table(text + "\nDogwood|1|2\nElm|3|4")).findings
    assert bare.line == 6
    assert "2 rows without a currency in a table of EUR and USD" in bare.problem
    (two,) = read(table(text + "\nDogwood|$1|€2\nElm|$1|€2")).findings
    assert (two.line, two.problem) == (6, "has amounts in two currencies")


def test_titles_and_cells_of_two_currencies_are_refused():
    long = read(table("MRR (USD)\nCustomer|Dec-24|Jan-25\nAlder|€1|2"))
    assert "cells say €, and the titles or headings USD" in said(long)


def test_a_column_of_currencies_is_kept():
    long = read(table("MRR (USD)\nCustomer|Currency|Dec-24|Jan-25\nAlder|EUR|1|2"))
    assert list(long.frame.columns) == ["Customer", "Currency", "month", "mrr"]


# --- cells ----------------------------------------------------------------------------------------


def test_what_is_no_amount_is_one_finding_and_what_is_lost_one_each():
    text = "Customer|Dec-24|Jan-25\nAlder|n/a|#REF!\nBirch|soon|1\nCedar|#N/A|#REF!"
    long = read(table(MRR + text))
    found = {(f.field, f.line, re.sub(r"[;:].*", "", f.problem)) for f in long.findings}
    assert found == {
        ("Dec-24", 3, "2 cells such as 'n/a', the first in line 3, are not amounts"),
        ("Jan-25", 3, "#REF! stands where an amount was"),
        ("Jan-25", 5, "#REF! stands where an amount was"),
        ("Dec-24", 5, "#N/A stands where an amount was"),
    }
    assert len(long.frame) == 1


def test_many_lost_cells_of_a_kind_are_one_finding():
    long = read(
        table(MRR + "Customer|Dec-24|Jan-25\n" + "\n".join(f"C{n}|#REF!|1" for n in range(50)))
    )
    (finding,) = long.findings
    assert "#REF! stands in 50 cells, the first in line 3" in finding.problem


def test_a_formula_without_a_value_is_lost_and_no_churn():
    lost = Lost("a formula without a saved value")
    long = read(of_cells([["MRR", "", ""], ["Customer", "Dec-24", "Jan-25"], ["Alder", 1.0, lost]]))
    (finding,) = long.findings
    assert (finding.field, finding.line) == ("Jan-25", 3)
    assert finding.problem == "a formula without a saved value stands where an amount was"


def test_the_decimal_sign_is_that_of_the_whole_table():
    rows = table(MRR + "Customer|Dec-24|Jan-25\nAlder|1.000|1.234,50")
    assert read(rows).frame["mrr"].tolist() == [1_000, 1_234.5]
    rows = table(MRR + "Customer|Dec-24|Jan-25\nAlder|1.000|2.000")
    assert questions(read(rows)) == ["decimal"]
    assert read(rows, decimal=".").frame["mrr"].tolist() == [1, 2]
    assert read(rows, decimal=",").frame["mrr"].tolist() == [1_000, 2_000]
    rows = table(MRR + "Customer|Dec-24|Jan-25\nAlder|1.5|2\nBirch|1|2,5")
    (finding,) = read(rows).findings
    assert (finding.field, finding.line) == ("Dec-24", 3)
    assert "'2,5' (line 4, Jan-25)" in finding.problem


def test_dashes_and_blanks_are_no_amount_and_zeros_are_kept():
    long = read(table(MRR + "Customer|Dec-24|Jan-25|Feb-25|Mar-25\nAlder|$ 1.00|-|$ -|0"))
    assert amounts(long) == {"Alder": {"2024-12": 1, "2025-03": 0}}


def test_a_month_of_a_zero_alone_is_one_in_which_nobody_paid():
    long = read(table(MRR + "Customer|Dec-24|Jan-25\nAlder|1|-\nBirch|2|0"))
    assert months_of(long) == ["2024-12", "2025-01"]


def test_months_that_nobody_has_filled_in_yet_are_not_read_and_said():
    text = "Customer|Dec-24|Jan-25|Feb-25|Mar-25\nAlder|1|1||\nBirch|2|2||\nTotal|3|3|0|-"
    long = read(table(MRR + text))
    assert months_of(long) == ["2024-12", "2025-01"]
    assert "Feb-25, Mar-25: empty, not read" in said(long)


def test_headings_that_are_repeated_below_are_left_out_and_said():
    text = "Customer|Dec-24|Jan-25\nAlder|1|2\nCustomer|Dec-24|Jan-25\nBirch|3|4"
    long = read(table(MRR + text))
    assert not long.findings
    assert list(amounts(long)) == ["Alder", "Birch"]
    assert "1 row that repeats the headings" in said(long)


def test_a_column_headed_as_ours_beside_the_months_is_not_read():
    long = read(table("MRR\nCustomer|ARR|Dec-24|Jan-25\nAlder|24|1|2"))
    assert list(long.frame.columns) == ["Customer", "ARR (unused)", "month", "mrr"]
    assert "ARR: stands beside the months" in said(long)


def test_a_spreadsheets_day_number_is_a_month():
    rows = of_cells([["MRR", "", ""], ["Customer", "45657", "45688"], ["Alder", 1.0, 2.0]])
    assert not is_wide(rows)
    rows = dataclasses.replace(rows, typed=True)
    assert is_wide(rows)
    assert amounts(read(rows)) == {"Alder": {"2024-12": 1, "2025-01": 2}}


def test_cells_of_a_spreadsheet_are_read_as_they_are():
    december, january = datetime.datetime(2024, 12, 1), datetime.datetime(2025, 1, 1)
    cells = [
        ["ARR by customer", "", "", ""],
        ["", "", 2024.0, 2025.0],
        ["Customer", "Start", december, january],
        ["Alder", december, 100.0, "110"],
        ["Birch", january, 50, None],
    ]
    long = read(of_cells(cells))
    assert not long.findings
    assert amounts(long, "arr") == BOOK
    assert long.frame["Start"].tolist() == [december, december, january]


# --- months down ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "turned"),
    [
        ("Month|Alder|Birch\n2024-12|100|50\n2025-01|110|", True),
        ("Month|Alder|Birch|Total\nDec-24|100|50|150\nJan-25|110||110\nTotal|210|50|260", True),
        ("Month|Customer|MRR\n2024-12|Alder|100\n2025-01|Alder|110", False),
        ("Month|Beginning MRR|New|Churn|Ending MRR\n2024-12|1|2|3|4\n2025-01|1|2|3|4", False),
        ("Month|Alder|Birch\n2024-12|100|50\n2024-12|110|", False),
        ("Month|Alder|Birch\n2024-12|x|y\n2025-01|z|", False),
        ("Month|Alder|Birch\nred|100|50\nblue|110|", False),
        ("Customer|Dec-24|Jan-25\nAlder|100|110", False),
    ],
)
def test_a_table_of_months_down_is_told(text, turned):
    assert is_transposed(table(text)) == turned


def test_a_turned_table_is_read_as_any_and_keeps_its_lines():
    rows = table("MRR in thousands\nMonth|Alder|Birch\nDec-24|0.1|.05\nJan-25|.11|")
    assert is_wide(transposed(rows))
    long = read(transposed(rows))
    assert amounts(long) == BOOK
    assert long.lines().tolist() == [3, 4, 3]
    assert long.block.tolist() == [0, 0, 1]
    long = read(transposed(table("MRR\nMonth|Alder|Birch\nDec-24|1|2\nJan-25|3|n/a")))
    assert [(f.line, f.field) for f in long.findings] == [(4, "Jan-25")]


# --- the shared files -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "unit", "asked", "says"),
    [
        ("01_wide_schedule.xlsx", "mrr", [], ["FY25 total"]),
        ("02_wide_jan24_money.csv", "mrr", ["unit"], []),
        ("03_wide_iso_plain.csv", "mrr", ["unit"], []),
        ("21_stripe_mrr_per_subscriber_wide.csv", "mrr", ["unit"], []),
        ("54_wide_year_row_above.csv", "mrr", [], []),
        ("55_wide_quarter_and_year_columns.csv", "mrr", [], ["Q1", "FY25"]),
        ("56_wide_actuals_budget_forecast.csv", "mrr", [], ["budget", "forecast"]),
        ("60_wide_measure_in_heading.csv", "arr", [], []),
        ("62_wide_in_thousands.csv", "mrr", [], ["thousand"]),
        ("63_months_down_customers_across.csv", "mrr", [], []),
    ],
)
def test_the_shared_files_have_one_book(name, unit, asked, says):
    rows = shared(name)
    rows = transposed(rows) if is_transposed(rows) else rows
    assert is_wide(rows)
    assert questions(read(rows)) == asked
    long = read(rows, unit)
    assert not long.findings
    assert all(word in said(long) for word in says)
    customer = "Customer ID" if "Customer ID" in long.frame else "Customer"
    frame = long.frame[~long.frame[customer].str.contains("total", case=False)]
    ends = frame.pivot_table(index=customer, columns="month", values=unit, aggfunc="sum").fillna(0)
    arr = ends[["2024-12", "2025-12"]] * (12 if unit == "mrr" else 1)
    assert arr["2024-12"].sum() == pytest.approx(51_600)
    stayed = arr[arr["2024-12"] > 0]
    assert stayed["2025-12"].sum() / 51_600 == pytest.approx(0.9534883721)


@pytest.mark.parametrize(
    "name", ["61_snowball_by_customer.csv", "51_rollforward_aggregate.csv", "36_dbt_mrr.csv"]
)
def test_long_files_are_neither(name):
    rows = shared(name)
    assert not is_wide(rows)
    assert not is_transposed(rows)


def test_sheets_of_a_month_each_are_neither():
    if not INTAKE.exists():
        pytest.skip("the shared data are not here")
    for rows in read_rows(INTAKE / "58_sheet_a_month.xlsx"):
        assert not is_wide(rows)
        assert not is_transposed(rows)


def test_several_measures_are_left_to_who_reads_them():
    long = read(shared("59_wide_several_measures.csv"))
    assert not long.findings
    assert long.frame.groupby("Metric")["amount"].count().to_dict() == {"MRR": 91, "Seats": 91}


# --- any ledger, however it is laid out -----------------------------------------------------------

SPELT = {
    "Dec-24": lambda month: month.strftime("%b-%y"),
    "2024-12-31": lambda month: month.strftime("%Y-%m-%d"),
    "December 2024": lambda month: month.strftime("%B %Y"),
    "MRR 202412": lambda month: month.strftime("MRR %Y%m"),
    "12/31/2024": lambda month: month.strftime("%m/%d/%Y"),
    "Dec": lambda month: month.strftime("%b"),
}


@st.composite
def layouts(draw):
    """A book by customer and month, and the same as a table with all sorts of columns between."""
    first = draw(st.integers(2020 * 12, 2024 * 12 + 11))
    months = [first + ahead for ahead in range(draw(st.integers(2, 15)))]
    names = ["Alder", "Birch", "Cedar"][: draw(st.integers(1, 3))]
    cents = st.integers(1, 10**8)
    book = {name: [draw(st.one_of(st.none(), cents)) for _ in months] for name in names}
    assume(any(amounts[-1] for amounts in book.values()))
    style = draw(st.sampled_from(list(SPELT)))
    quarters, year, is_last = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    money = draw(st.sampled_from(["{:.2f}", "${:,.2f}", "{:,.2f} USD"]))

    columns, above = [], []
    for at, month in enumerate(months):
        last_day = pd.Period(month_name(month), "M").to_timestamp("M").date()
        is_new_year = at == 0 or month % 12 == 0
        columns.append((SPELT[style](last_day), [at]))
        above.append(str(month // 12) if style == "Dec" and is_new_year else "")
        if quarters and month % 3 == 2:
            held = [other for other in range(at + 1) if months[other] > month - 3]
            columns.append(
                (f"Q{month % 12 // 3 + 1} {month // 12}", held[-1:] if is_last else held)
            )
            above.append("")
    if year:
        columns.append(("Total", list(range(len(months)))))
        above.append("")

    def cell(name, held):
        found = [book[name][at] for at in held if book[name][at]]
        return money.format(sum(found) / 100) if found else draw(st.sampled_from(["", "-"]))

    cells = [["MRR by customer", *[""] * len(columns)], ["", *above]]
    cells.append(["Customer", *(heading for heading, _ in columns)])
    cells += [[name, *(cell(name, held) for _, held in columns)] for name in names]
    return book, months, cells


@given(layouts())
@settings(deadline=None)
def test_a_ledger_is_read_as_it_was_written_whatever_stands_between(layout):
    book, months, cells = layout
    long = read(of_cells(cells))
    if questions(long) == ["dates"]:
        return  # twelve days of January, or two days of two months
    assert not long.findings, said(long)
    written = {
        name: {month_name(months[at]): cents / 100 for at, cents in enumerate(amounts) if cents}
        for name, amounts in book.items()
    }
    assert amounts(long) == {name: held for name, held in written.items() if held}
