"""Rows, or none, in, a ledger to fill in as a workbook out; never reads one."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import Any

COLUMNS = {
    "customer": (24, "Who pays, under one name in all months."),
    "month": (12, "The month that the amount is of, such as 2026-09: a row a customer and month."),
    "mrr": (14, "Monthly recurring revenue: what the customer pays for this month, without one-off"
            " fees and without tax. A customer who has left has no row any more."),
    "segment": (18, "What customers are split by. The list is below, and yours to change; where you"
                " need none, write the same in each row."),
}  # fmt: skip
EXAMPLE = (
    ("Alder Ltd", "2026-08", 1200, "mid_market"),
    ("Alder Ltd", "2026-09", 1250, "mid_market"),
    ("Birch GmbH", "2026-09", 300, "smb"),
)
SEGMENTS = ("smb", "mid_market", "enterprise")
ROOM = 12  # segments that the list has room for
LAST = 1_048_575  # row of a sheet
LONG_AGO = datetime.datetime(2000, 1, 1)  # the same template is the same file


def write_template(path: Path, rows: Iterable[tuple[str, datetime.date, float, str]] = ()) -> None:
    """A workbook with a sheet `ledger`, its columns checked as one types, and a sheet `how to`."""
    import xlsxwriter

    workbook = xlsxwriter.Workbook(
        str(path), {"strings_to_formulas": False, "strings_to_urls": False}
    )
    workbook.set_properties({"created": LONG_AGO, "title": "Ledger of recurring revenue"})
    form = {
        "head": workbook.add_format({"bold": True, "bottom": 1}),
        "month": workbook.add_format({"num_format": "yyyy-mm", "align": "left"}),
        "amount": workbook.add_format({"num_format": "#,##0.00"}),
        "title": workbook.add_format({"bold": True, "font_size": 13}),
        "text": workbook.add_format({"text_wrap": True, "valign": "top"}),
        "plain": workbook.add_format({"valign": "top", "align": "left"}),
    }
    ledger, how = workbook.add_worksheet("ledger"), workbook.add_worksheet("how to")
    first = _explain(how, form)
    _lay_out(ledger, form, f"='how to'!$A${first + 1}:$A${first + ROOM}")
    for number, row in enumerate(rows, 1):
        customer, month, amount, segment = row
        ledger.write_string(number, 0, customer)
        ledger.write_datetime(number, 1, month, form["month"])
        ledger.write_number(number, 2, amount, form["amount"])
        ledger.write_string(number, 3, segment)
    workbook.close()


def _lay_out(sheet: Any, form: dict[str, Any], segments: str) -> None:
    """The headings, and what may be typed below each."""
    cells = {"month": form["month"], "mrr": form["amount"]}
    for place, (name, (width, _)) in enumerate(COLUMNS.items()):
        sheet.set_column(place, place, width, cells.get(name))
    sheet.write_row(0, 0, COLUMNS, form["head"])
    sheet.freeze_panes(1, 0)
    checks: dict[str, dict[str, Any]] = {
        "month": {
            "validate": "date",
            "criteria": "between",
            "minimum": datetime.date(1990, 1, 1),
            "maximum": datetime.date(2199, 12, 31),
            "error_title": "No month",
            "error_message": "Write the month as 2026-09, or any day of it as a date.",
        },
        "mrr": {
            "validate": "decimal",
            "criteria": ">=",
            "value": 0,
            "error_title": "No amount",
            "error_message": "Write what is paid for this month: a number, 0 or more.",
        },
        "segment": {
            "validate": "list",
            "source": segments,
            "error_type": "warning",
            "error_title": "Not in the list",
            "error_message": "The sheet 'how to' has the list of segments: add it there.",
        },
    }
    for place, name in enumerate(COLUMNS):
        if name in checks:
            sheet.data_validation(1, place, LAST, place, checks[name])


def _explain(sheet: Any, form: dict[str, Any]) -> int:
    """What each column means, beside it an example; returns the row of the first segment.

    The example stands across, so that nobody, and no reader of ledgers, takes it for one.
    """
    sheet.set_column(0, 0, 18)
    sheet.set_column(1, 1, 60)
    sheet.set_column(2, 1 + len(EXAMPLE), 14)
    sheet.write_string(0, 0, "How to fill in the sheet 'ledger'", form["title"])
    sheet.write_row(
        2, 0, ["Column", "What it means", "First row", "Second row", "Third row"], form["head"]
    )
    for place, (name, (_, meaning)) in enumerate(COLUMNS.items()):
        row = 3 + place
        sheet.write_string(row, 0, name, form["plain"])
        sheet.write_string(row, 1, meaning, form["text"])
        sheet.write_row(row, 2, [example[place] for example in EXAMPLE], form["plain"])
    notes = (
        "Paste as many rows as you have: two months at least, more than a year for a forecast.",
        "Amounts are all in one currency. Further columns, such as region, are welcome.",
    )
    for place, note in enumerate(notes):
        sheet.write_string(8 + place, 0, note)
    sheet.write_string(11, 0, "Segments", form["head"])
    sheet.write_column(12, 0, SEGMENTS)
    return 12
