"""The workbook: summary, sections, customers and checks, and formulas that a spreadsheet recomputes."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd

from nrrsim.report import tables, workbook

MONTHS = [str(month) for month in pd.period_range("2024-09", "2025-09", freq="M")]
FORMULA = re.compile(r'(<c r="[A-Z]+\d+"[^>]*>)(<f>[^<]*</f>)<v>[^<]*</v>')


def ledger_of(customers: int, seed: int = 7, currency: str = "EUR") -> pd.DataFrame:
    """Customers that grow, shrink, leave, come back and are new, each month's ARR a row."""
    rng = np.random.default_rng(seed)
    amounts = np.round(
        rng.lognormal(9, 1, customers)[:, None]
        * np.exp(
            np.cumsum(
                rng.normal(0.0, 0.15, (customers, len(MONTHS)))
                * (rng.random((customers, len(MONTHS))) < 0.3),
                axis=1,
            )
        ),
        2,
    )
    for row in range(customers):
        kind, at = row % 5, int(rng.integers(1, len(MONTHS) - 3))
        if kind == 1:
            amounts[row, at:] = 0  # left
        elif kind == 2:
            amounts[row, at : at + 2] = 0  # came back
        elif kind == 3 and row % 2:
            amounts[row, :at] = 0  # new
    rows = [
        (
            f"Customer {row + 1}",
            month,
            amount,
            ("smb", "mid_market", "Enterprise")[row % 3],
            currency,
        )
        for row in range(customers)
        for month, amount in zip(MONTHS, amounts[row], strict=True)
        if amount
    ]
    return pd.DataFrame(rows, columns=["customer", "month", "arr", "segment", "currency"])


def workbook_of(past, path: Path, **said) -> Path:
    """The workbook of a notebook that holds what a report's cells leave, without running one."""
    book = nbformat.v4.new_notebook()
    frame = past.movements()
    shown = {
        "record": tables.record(past.record()),
        "figures": tables.key_figures([("NRR", "90.0%", "up")]),
        "table": tables.table(frame, {"step": "text", "cohort": "money"}, total=[0, -1]),
        "customers": workbook.customers(past),
    }
    book.cells = [nbformat.v4.new_markdown_cell("# What happened")]
    for printed in shown.values():
        cell = nbformat.v4.new_code_cell("#| tbl-cap: In figures.")
        cell.outputs = [nbformat.v4.new_output("display_data", data=printed._repr_mimebundle_())]
        book.cells.append(cell)
    nbformat.write(book, path.with_suffix(".ipynb"))
    workbook.write_workbook(path.with_suffix(".ipynb"), path, said)
    return path
