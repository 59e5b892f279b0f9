"""A scenario in, the sheet Explain of its workbook out; never a number.

What may be changed, what is computed, what a mean cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator

from nrrsim.scenario.book import LedgerBook
from nrrsim.scenario.scenario import Scenario
from nrrsim.scenario.workbook.cells import Page
from nrrsim.scenario.workbook.looks import Looks

EXPLAIN = "Explain"
LINE, A_LINE = 13, 145  # the height of a line, and about how many characters it holds
LOOKS = {"Input": "input", "Computed": "text", "Not computed": "warning"}  # of labels
# A line with a bar begins a row, its label before the bar.
SAID = """
# What may be changed
Input | Blue on light yellow: the sheets Scenario, Book, Drivers, Programmes, Correlations and
    Tenure. Rows may be added in the spare ones, sorted and deleted; headings must stay.
A number | In the column likely alone. In low and high alone: a 90% range. In all three: PERT.
    Other shapes are named in the column shape.
all | A driver's entry for one segment replaces the entry for all as a whole.
Months | 1 to {months}. For more, make a new workbook.
Book | {book}

# What is computed
Computed | Black: Answer, Model and the column "acts with". They are formulas, change with every
    cell, and need no other program.
Answer | What the cells come to, beside what nrrsim expect said when the file was written: each
    assumption at its mean (both agree until a cell is changed), and averaged over all assumptions.
Model | The exact expectation month by month: a block for each segment, a row for each month, a
    column for all customers with the same anniversary. A is the ARR that is there, L the ARR that
    left and may come back.
acts with | The mean with which a number or a range acts in Model, or what is wrong with its row.
Not computed | Answer says so, and shows no figure, where a row cannot be used or something was
    changed that formulas cannot follow. The line under its title says what to do. {now}

# What this workbook cannot tell
The range | A mean is one number. How far NRR may lie from it, and how likely the target is, takes
    thousands of simulated years: nrrsim simulate plan.xlsx. Correlations, shock and year_effects
    matter there alone.
Averages | Model takes each assumption at its mean. The average over all assumptions differs a
    little, as NRR is no straight line in them; Answer shows it as it was when the file was written.
New business | NRR follows the customers of the start. What new_business brings does not move it.

# Back to nrrsim
As it is | Save the file, then: nrrsim expect plan.xlsx. Every command that takes a scenario takes
    this file; only the input sheets are read.
As text | nrrsim scenario plan.xlsx --out plan.yaml
Made anew | nrrsim scenario plan.xlsx --out plan-2.xlsx writes a new workbook: for a segment more,
    more months or other customers, with the figures of nrrsim expect as they are then.
"""
OF_A_LEDGER = (
    "The customers stand in Model as numbers, read from the ledger when the file was written."
    " Another ledger, month, table of accounts or decision needs a new workbook."
)
LAID_OUT = (
    "A segment's customers, share, spread, term and tenure may be changed. A segment more, or many"
    " more customers than there were, needs a new workbook."
)


def write_explain(page: Page, looks: Looks, scenario: Scenario, why_not: str) -> None:
    """Write the sheet. why_not : why there is no model; "" where there is one."""
    sheet = page.sheet
    page.put(0, 0, "How this workbook works", looks("title"))
    book = OF_A_LEDGER if isinstance(scenario.book, LedgerBook) else LAID_OUT
    now = f"Of this workbook: {why_not}." if why_not else ""
    for row, (label, text) in enumerate(_rows(scenario.months, book, now), 2):
        page.put(row, 0, label, looks(LOOKS.get(label, "label") if text else "heading"))
        if text:
            page.put(row, 1, text, looks("wrapped"))
            sheet.set_row(row, LINE * -(-len(text) // A_LINE))
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 104)
    sheet.hide_gridlines(2)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.protect("", {"format_columns": True})


def _rows(months: int, book: str, now: str) -> Iterator[tuple[str, str]]:
    """Each row's label and text; of a heading, and of an empty row, the text is empty."""
    for line in SAID.strip().replace("\n    ", " ").split("\n"):
        label, _, text = line.partition(" | ")
        yield label.removeprefix("# "), text.format(months=months, book=book, now=now).strip()
