"""A workbook's layout in, the sheet Explain out: what may be changed, what is computed, and what a
range cannot tell; never a number.
"""

from __future__ import annotations

from collections.abc import Sequence

from nrrsim.scenario.scenario import Scenario
from nrrsim.scenario.workbook.cells import Page
from nrrsim.scenario.workbook.looks import Looks

EXPLAIN = "Explain"
LINE, A_LINE = 13, 145  # the height of a line, and about how many characters it holds


def write_explain(page: Page, looks: Looks, scenario: Scenario, why_not: str) -> None:
    """Write the sheet. why_not : why there is no model; "" where there is one."""
    sheet = page.sheet
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 104)
    sheet.hide_gridlines(2)
    page.put(0, 0, "How this workbook works", looks("title"))
    row = 2
    for heading, lines in _parts(scenario, why_not):
        page.put(row, 0, heading, looks("heading"))
        for label, text in lines:
            row += 1
            kind = {"Input": "input", "Computed": "plain", "Not computed": "warning"}.get(
                label, "label"
            )
            page.put(row, 0, label, looks(kind))
            page.put(row, 1, text, looks("wrapped"))
            sheet.set_row(row, LINE * -(-len(text) // A_LINE))
        row += 2
    sheet.set_portrait()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.protect("", {"format_columns": True})


Lines = Sequence[tuple[str, str]]


def _parts(scenario: Scenario, why_not: str) -> list[tuple[str, Lines]]:
    months = scenario.months
    from_ledger = not hasattr(scenario.book, "segments")
    of_book = (
        "the customers stand in Model as numbers, read from the ledger when the file was written. Another ledger, month,"
        " table of accounts or decision needs a new workbook"
        if from_ledger
        else "a segment's customers, share, spread, term and tenure may be changed, and rows sorted or deleted. A segment"
        " more, or many more customers than there were, needs a new workbook"
    )
    return [
        ("What may be changed", [
            ("Input", "Blue on light yellow: the sheets Scenario, Book, Drivers, Programmes, Correlations and Tenure. Rows may be"
             " added in the spare ones, sorted and deleted; headings must stay as they are."),
            ("A number", "In the column likely alone. In low and high alone: a 90% range. In all three: PERT. Other shapes are"
             " named in the column shape."),
            ("all", "A driver's entry for one segment replaces the entry for all as a whole."),
            ("Months", f"1 to {months}. For more than {months}, make a new workbook."),
            ("Book", f"Of this workbook {of_book}."),
        ]),
        ("What is computed", [
            ("Computed", "Black: Answer, Model and the column acts with. They are formulas, change with every cell, and need no"
             " other program."),
            ("Answer", "What the cells come to, beside what nrrsim expect said when the file was written: each assumption at its"
             " mean (the two must agree until a cell is changed), and averaged over all assumptions."),
            ("Model", "The exact expectation month by month: a block for each segment, a row for each month, a column for all"
             " customers with the same anniversary. A is the ARR that is there, L the ARR that left and may come back."),
            ("acts with", "The mean with which a number or a range acts in Model, or what is wrong with its row."),
            ("Not computed", "Answer says so, and shows no figure, where a row cannot be used or something was changed that"
             " formulas cannot follow. The line under the title says what to do." + (f" Now: {why_not}." if why_not else "")),
        ]),
        ("What this workbook cannot tell", [
            ("The range", "A mean is one number. How far NRR may lie from it, and how likely the target is, take thousands of"
             " simulated years: nrrsim simulate plan.xlsx. Correlations, shock and year_effects matter there alone."),
            ("Averages", "Model takes each assumption at its mean. The average over all assumptions differs a little, as NRR is"
             " no straight line in them; Answer shows it as it was when the file was written."),
            ("New business", "NRR follows the customers of the start. What new_business brings does not move it."),
        ]),
        ("Back to nrrsim", [
            ("As it is", "Save the file, then: nrrsim expect plan.xlsx. Every command that takes a scenario takes this file;"
             " only the input sheets are read."),
            ("As text", "nrrsim scenario plan.xlsx --out plan.yaml"),
            ("Made anew", "nrrsim scenario plan.xlsx --out plan-2.xlsx writes a new workbook: for a segment more, more months or"
             " other customers, with the figures of nrrsim expect as they are then."),
        ]),
    ]  # fmt: skip
