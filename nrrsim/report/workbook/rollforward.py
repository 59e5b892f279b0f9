"""Customers' amounts by month in, a sheet of the company's roll-forward out; never a closed cohort.

Each cell is a formula over the customers' rows, saved with its value; losses are negative.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nrrsim.report.workbook.customersheet import CustomerSheet
from nrrsim.report.workbook.live import Formula, cell, put
from nrrsim.report.workbook.styles import Styles, set_up

SHEET = "Roll-forward"
HEADS = {
    "month": "To the end of",
    "opening": "Opening ARR",
    "new": "New customers",
    "expansion": "Expansion",
    "reactivation": "Reactivation",
    "contraction": "Contraction",
    "churn": "Churn",
    "closing": "Closing ARR",
    "customers": "Sum of customers",
    "nrr": "NRR",
    "grr": "GRR",
}
RATIOS = ("nrr", "grr")
FIRST = 4  # row, counted from 0


def write_rollforward(
    sheet: Any, book: CustomerSheet, style: Styles, footer: str
) -> dict[str, Formula]:
    """Write the whole company month by month; returns where compounded NRR and GRR stand."""
    set_up(sheet, footer, heads=(FIRST - 1, FIRST - 1))
    sheet.set_row(0, 22)
    sheet.set_column(0, len(HEADS) - 1, 15)
    sheet.write_string(0, 0, "Roll-forward of the whole company", style.title)
    sheet.write_string(1, 0, NOTE, style.note)
    for column, head in enumerate(HEADS.values()):
        sheet.write_string(FIRST - 1, column, head, style.head(column > 0))
    product = dict.fromkeys(RATIOS, 1.0)
    for row, (day, formulas) in enumerate(zip(book.days[1:], _months(book), strict=True), FIRST):
        sheet.write_datetime(row, 0, day, style("date", align="left"))
        places = {name: cell(row, column) for column, name in enumerate(HEADS)}
        for column, (name, formula) in enumerate(formulas.items(), 1):
            written = Formula(formula.text.format(**places), formula.value)
            put(
                sheet,
                row,
                column,
                written,
                style("percent" if name in RATIOS else "money"),
                style(),
            )
        product = {name: product[name] * (formulas[name].value or 0.0) for name in RATIOS}

    end, compounded = FIRST + len(book.days) - 1, {}
    sheet.write_string(end, 0, "Compounded", style.total())
    for column, name in enumerate(HEADS):
        if name in RATIOS:
            text = f"=PRODUCT({cell(FIRST, column)}:{cell(end - 1, column)})"
            sheet.write_formula(end, column, text, style.total("percent"), product[name])
            compounded[name] = Formula(f"='{SHEET}'!{cell(end, column)}", product[name])
        elif column:
            sheet.write_blank(end, column, None, style.total())
    return compounded


NOTE = (
    "Formulas over the rows of Customers. NRR of a period: opening, expansion, contraction and"
    " churn over opening, without new customers and reactivation."
)


def _months(book: CustomerSheet) -> Iterator[dict[str, Formula]]:
    """A month each, in the order of HEADS; a formula calls its row's cells by {name}."""
    amounts = book.amounts
    for place, month in enumerate(amounts.months[1:], 1):
        b, n, p = book.month(place - 1), book.month(place), book.price(place)
        before, now = amounts.by_month[:, place - 1], amounts.by_month[:, place]
        price = amounts.price[:, place - 1]
        change = (now - before - price) * ((before > 0) & (now > 0))
        opening = float(before.sum())
        is_new = np.array([since == month for since in amounts.since])
        rises = float(change[change > 0].sum() + price.sum())
        falls = float(change[change < 0].sum())
        churn = -float(before[now == 0].sum())
        new, back = float(now[is_new].sum()), float(now[(before == 0) & ~is_new].sum())
        size, paid = f"({n}-{b}-{p})" if p else f"({n}-{b})", f"({b}>0)*({n}>0)"
        plus = f"+SUM({p})" if p else ""
        nrr, grr = (opening + rises + falls + churn, opening + falls + churn)
        yield {
            "opening": Formula(f"=SUM({b})", opening),
            "new": Formula(f"=SUMIF(First_month,{{month}},{n})", new),
            "expansion": Formula(f"=SUMPRODUCT({paid}*({size}>0)*{size}){plus}", rises),
            "reactivation": Formula(f"=SUMPRODUCT(({b}=0)*(First_month<>{{month}})*{n})", back),
            "contraction": Formula(f"=SUMPRODUCT({paid}*({size}<0)*{size})", falls),
            "churn": Formula(f"=-SUMPRODUCT(({n}=0)*{b})", churn),
            "closing": Formula("=SUM({opening}:{churn})", nrr + new + back),
            "customers": Formula(f"=SUM({n})", float(now.sum())),
            "nrr": Formula(
                "=IF({opening}>0,({opening}+{expansion}+{contraction}+{churn})/{opening},0)",
                nrr / opening if opening else 0.0,
            ),
            "grr": Formula(
                "=IF({opening}>0,({opening}+{contraction}+{churn})/{opening},0)",
                grr / opening if opening else 0.0,
            ),
        }
