"""An executed notebook in, a workbook for people out; never runs a cell or reads a ledger.

The summary first, a sheet for each section with the numbers of its figures, and, where the notebook
left its customers (`rows.customers`), their rows and the checks, with formulas that are live.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nrrsim.notation import counted
from nrrsim.report.manifest import left
from nrrsim.report.tables import FRONT, KEY_FIGURES, RECORD
from nrrsim.report.workbook import checks, customersheet, rollforward, summary
from nrrsim.report.workbook.checks import Checks
from nrrsim.report.workbook.customersheet import Amounts, CustomerSheet, write_customers
from nrrsim.report.workbook.live import Formula, Live
from nrrsim.report.workbook.rollforward import write_rollforward
from nrrsim.report.workbook.rows import CUSTOMERS
from nrrsim.report.workbook.sections import LONGEST, Section, sections, write_section
from nrrsim.report.workbook.styles import WHOLE_MONEY, Styles
from nrrsim.report.workbook.summary import Summary

OURS = (summary.SHEET, customersheet.SHEET, rollforward.SHEET, checks.SHEET, "History")
LONG_AGO = datetime.datetime(2000, 1, 1)  # the same inputs give the same file


def write_workbook(notebook: Path, path: Path, said: Mapping[str, Any] | None = None) -> None:
    """Write an executed notebook's figures into a workbook at `path`.

    said : the report's parameters, of which `title`, `subtitle`, `company` and `confidentiality`
        stand on its first sheet. Texts are written as texts: nothing in a ledger or a card can
        become a formula or a link. Each formula is our own, and is saved with its value.
    """
    import nbformat
    import xlsxwriter

    cells = nbformat.read(notebook, as_version=4).cells
    said = {**(said or {}), **left(cells, FRONT)}
    told, record, parts = left(cells, CUSTOMERS), left(cells, RECORD), sections(cells)
    rows = CustomerSheet.of(Amounts.of(told)) if "rows" in told else None
    live = Live(told, rows) if told else None
    currencies = (figure.currency for part in parts for figure in part.figures)
    currency = told["currency"] if told else next(filter(None, currencies), "")
    lines = (str(said[key]) for key in ("company", "title", "confidentiality") if said.get(key))
    footer = "  ·  ".join(lines)

    options = {"strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": True}
    workbook = xlsxwriter.Workbook(str(path), options)
    title, company = (str(said.get(key) or "") for key in ("title", "company"))
    workbook.set_properties({"created": LONG_AGO, "title": title, "company": company})
    style = Styles(workbook, currency)
    names = [summary.SHEET, *_sheet_names(parts), *(_live_sheets(live) if live else {})]
    sheets = {name: workbook.add_worksheet(name) for name in names}
    first = Summary(workbook, sheets[summary.SHEET], style)
    first.front(said, live, footer)
    top = first.row
    if live:
        _with_formulas(first, sheets, live, record, footer)
    else:
        figures = [figure for part in parts for figure in part.figures]
        first.printed([each for each in figures if each.heads == KEY_FIGURES][:1])
    for name, part in zip(_sheet_names(parts), parts, strict=True):
        places = write_section(sheets[name], part, style, footer)
        for figure, place in zip(part.figures, places, strict=True):
            if {"period", "nrr", "grr"} <= set(figure.columns) and not first.has_trend:
                first.trend_chart(name, figure, place, top + summary.CHART_ROWS * bool(live))
            if figure.chart == "bridge" and not live:
                kind = WHOLE_MONEY if figure.currency else "percent"
                first.bridge_chart(summary.steps_of(figure, name, place), kind, figure.caption, top)
    contents = {
        name: counted(len(part.figures), "figure")
        for name, part in zip(_sheet_names(parts), parts, strict=True)
    }
    first.contents(contents | (_live_sheets(live) if live else {}))
    workbook.close()


def _with_formulas(
    first: Summary, sheets: Mapping[str, Any], live: Live, record: Mapping[str, Any], footer: str
) -> None:
    """The summary's figures, customers, months and checks, whose formulas refer to each other."""
    style, compounded = first.style, {}
    if live.sheet is not None:
        write_customers(sheets[customersheet.SHEET], first.workbook, live.sheet, style, footer)
        compounded = write_rollforward(sheets[rollforward.SHEET], live.sheet, style, footer)

    # key figures are made of what stands below them
    top = first.row
    first.row += first.key_rows(live)
    steps = first.bridge(live)
    first.bridge_chart(steps, WHOLE_MONEY, "Movements of the cohort, and their net change", top)
    first.behind(live)
    below, first.row = first.row, top
    now = {name: _now(live, name, compounded) for name in summary.RATIOS}
    first.key_figures(live, now)
    held = Checks(sheets[checks.SHEET], style, live)
    held.start(footer)
    held.figures(record, now)
    held.definitions(compounded)
    if live.sheet is not None:
        held.segments(record)
    first.verdict(*held.finish())
    first.row = below


def _now(live: Live, name: str, compounded: Mapping[str, Formula]) -> Formula:
    """A ratio under the report's definition; its value alone where it has no formula."""
    definition, ex_price = live.told["definition"], live.told["ex_price"]
    formula = live.ratio(name, definition, ex_price)
    if formula is None and name in compounded and definition == "compounded" and not ex_price:
        formula = compounded[name]
    return formula or Formula("", live.told["now"][name])


def _sheet_names(parts: Sequence[Section]) -> list[str]:
    """A name for each section's sheet, all different in whatever case, and none that we give."""
    taken, names = {name.lower() for name in OURS}, []
    for part in parts:
        number, name = 1, part.name
        while name.lower() in taken:
            number += 1
            name = f"{part.name[: LONGEST - 4].rstrip()} ({number})"
        taken.add(name.lower())
        names.append(name)
    return names


def _live_sheets(live: Live) -> dict[str, str]:
    """The sheets of formulas, and what is in each."""
    rows = {
        customersheet.SHEET: "Each customer's ARR by month, with its movements as formulas",
        rollforward.SHEET: "The whole company period by period, as formulas",
    }
    return (rows if live.sheet is not None else {}) | {
        checks.SHEET: "Formulas against the figures of the report"
    }
