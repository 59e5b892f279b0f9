"""An executed notebook in, a workbook with a sheet a table out; never runs a cell or computes."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

from nrrsim.report.tables import CELLS, RECORD

LABEL = re.compile(r"^#\| (label|tbl-cap): *\"?(.*?)\"?$", re.MULTILINE)
LONG_AGO = datetime.datetime(2000, 1, 1)  # the same inputs give the same file
EXCEL_FORMATS = {
    "count": "#,##0",
    "percent": "0.0%",
    "share": "0%",
    "points": '+0.0" pts";\N{MINUS SIGN}0.0" pts";0.0" pts"',
    "money": "#,##0.00",
}
EXCEL_FORMATS |= {
    "part": EXCEL_FORMATS["points"],
    "signed_money": "+#,##0.00;-#,##0.00;0.00",
    "money_exact": "#,##0.00",
}


def write_workbook(notebook: Path, path: Path) -> None:
    """Write an executed notebook's tables, and the numbers that it recorded, into a workbook.

    Texts are written as texts: nothing in a ledger can become a formula or a link. The only
    formulas are our own: they add a roll-forward up again.
    """
    import nbformat
    import xlsxwriter

    cells = nbformat.read(notebook, as_version=4).cells
    options = {"strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": True}
    workbook = xlsxwriter.Workbook(str(path), options)
    workbook.set_properties({"created": LONG_AGO, "title": "Net revenue retention"})
    forms = {
        name: workbook.add_format({"num_format": code}) for name, code in EXCEL_FORMATS.items()
    }
    head = workbook.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    title = workbook.add_format({"bold": True, "font_size": 13})
    _numbers(workbook.add_worksheet("numbers"), _outputs(cells, RECORD), title, head)
    for cell in cells:
        for table in _outputs([cell], CELLS):
            said = dict(LABEL.findall(cell.source))
            name = said.get("label", f"table-{len(workbook.worksheets())}").removeprefix("tbl-")
            sheet = workbook.add_worksheet(name[:31])  # Excel takes no longer name
            sheet.write_string(
                0, 0, f"{said.get('tbl-cap', '')} ({table['currency']})".strip(), title
            )
            _table(sheet, table, forms, head)
    workbook.close()


def _outputs(cells: Any, mime: str) -> list[dict[str, Any]]:
    bundles = (output.get("data", {}) for cell in cells for output in cell.get("outputs", []))
    return [bundle[mime] for bundle in bundles if mime in bundle]


def _numbers(sheet: Any, records: list[dict[str, Any]], title: Any, head: Any) -> None:
    sheet.write_string(0, 0, "Headline numbers, as in manifest.json", title)
    sheet.set_column(0, 0, 40)
    sheet.set_column(1, 1, 24)
    row = 2
    for record in records:
        for name, value in _flat(record):
            sheet.write_string(row, 0, name)
            if isinstance(value, bool | str) or value is None:
                sheet.write_string(row, 1, "" if value is None else str(value))
            else:
                sheet.write_number(row, 1, value)
            row += 1
    sheet.write_row(1, 0, ["number", "value"], head)


def _flat(record: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in record.items():
        value = dict(enumerate(value, 1)) if isinstance(value, list) else value
        inner = isinstance(value, dict)
        rows += _flat(value, f"{prefix}{name} / ") if inner else [(f"{prefix}{name}", value)]
    return rows


def _table(sheet: Any, table: dict[str, Any], forms: dict[str, Any], head: Any) -> None:
    top = 2
    for column, (label, form) in enumerate(zip(table["heads"], table["formats"], strict=True)):
        sheet.write_string(top - 1, column, label, head)
        values = [row[column] for row in table["rows"]]
        texts = [len(value) for value in values if isinstance(value, str)]
        sheet.set_column(column, column, min(max(12, *texts, len(label) // 2) if texts else 14, 60))
        # Excel's formats multiply by 100 for a percent sign, and not for points
        scale = 100 if form in ("points", "part") else 1
        for row, value in enumerate(values, start=top):
            if isinstance(value, int | float) and not isinstance(value, bool):
                sheet.write_number(row, column, value * scale, forms.get(form))
            elif value is not None:
                sheet.write_string(row, column, str(value))

        # opening and movements above, closing below: whoever doubts it can see them add up
        if table.get("rolls") and form == "money":
            letter, last = chr(ord("A") + column), top + len(values)
            formula = f"=SUM({letter}{top + 1}:{letter}{last - 1})-{letter}{last}"
            value = round(sum(values[:-1]) - values[-1], 2)
            sheet.write_formula(last + 1, column, formula, forms["money"], value=value)
    if table.get("rolls"):
        sheet.write_string(
            top + len(table["rows"]) + 1, 0, "Check: opening and movements less closing"
        )
    sheet.freeze_panes(top, 1)
