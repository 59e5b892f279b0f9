"""Actuals in, the customers behind them out as a notebook's hidden output; never writes a file.

A workbook's formulas stand on these rows. Amounts are ARR, months "YYYY-MM", ratios plain (1.05).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

from nrrsim.movements import COUNTS, LEVELS, MOVEMENTS, Movements
from nrrsim.notation import label
from nrrsim.report.tables import Printed
from nrrsim.report.wording.labels import period

if TYPE_CHECKING:
    import pandas as pd

    from nrrsim.analysis.actuals import Actuals

CUSTOMERS = "application/vnd.nrrsim.customers+json"  # a notebook output that no page shows
MOST_CUSTOMERS = 20_000  # above it a workbook has no row for each, and formulas on sums alone
RATIOS = ("nrr", "grr", "logo")
STATED = ("cross_sell", "unsplit")  # parts of a rise that only the ledger knows, as price is


def customers(past: Actuals, has_rows: bool = True) -> Printed:
    """Return what shows nothing and leaves in the notebook what a workbook's formulas stand on.

    `months` of the window, start included; `sums` of the cohort and of the company over it; what
    the report says under each definition; and `rows`, each customer with an amount in the window as
    name, segment, first month and an amount for each of `months`, the largest first. `price` and
    `stated` (parts of a rise for which the ledger gives a reason) are as row, month and amount, and
    as row and amount. There are no rows for more than MOST_CUSTOMERS, nor without `has_rows`.
    """
    from nrrsim.months import shift

    wide, moved = past.ledger.by_customer(past.as_of, past.window)
    months = list(wide.columns[2:])
    last = past.before(past.pace)
    names = {name: label(name, past.labels) for name in past.cohort.segments}
    told: dict[str, Any] = {
        "currency": past.ledger.currency,
        "definition": past.definition,
        "ex_price": past.ex_price,
        "months": months,
        "target": past.target,
        "now": {name: _known(getattr(past.now, name)) for name in RATIOS},
        "last_report": period(shift(past.as_of, -past.pace), past.pace, past.ledger.calendar),
        "before": last and {name: _known(getattr(last, name)) for name in RATIOS},
        "segments": names,
        "cohort": _sums(past.cohort),
        "company": _sums(past.book),
        "definitions": _definitions(past),
        "number": len(wide),
    }
    if has_rows and len(wide) <= MOST_CUSTOMERS:
        told |= _rows(wide, moved, months, names)
    return Printed({CUSTOMERS: told})


def _rows(
    wide: pd.DataFrame, moved: pd.DataFrame, months: list[str], names: Mapping[str, str]
) -> dict[str, Any]:
    wide = wide.sort_values([months[0], months[-1]], ascending=False, kind="stable")
    at = {customer: place for place, customer in enumerate(wide.index)}
    moved = moved.assign(
        row=moved["customer"].map(at),
        column=moved["month"].map({m: i for i, m in enumerate(months)}),
    )
    price = moved[moved["movement"] == "price"]
    stated = {
        name: mine.groupby("row")["arr"].sum()
        for name, mine in moved.groupby("movement")
        if name in STATED
    }
    # of a ledger that never says why, every rise is the rest
    if not (moved["movement"] == "adoption").any():
        stated.pop("unsplit", None)
    return {
        "rows": [
            [name, names.get(segment, segment), since, *amounts]
            for name, segment, since, amounts in zip(
                wide.index.astype(str),
                wide["segment"].astype(str),
                wide["since"],
                wide[months].to_numpy().tolist(),
                strict=True,
            )
        ],
        "price": price[["row", "column", "arr"]].values.tolist(),
        "stated": {name: [*map(list, sums.items())] for name, sums in stated.items()},
    }


def _sums(m: Movements) -> dict[str, float]:
    """Movements over the window and levels at its end (`opening`: at its start), all segments."""
    return {name: m.amount(name) for name in (*LEVELS, *MOVEMENTS, *COUNTS)}


def _definitions(past: Actuals) -> list[dict[str, Any]]:
    kept = ("definition", "title", "nrr", "grr", "logo")
    rows = past.definitions()[list(kept)].to_dict("records")
    return [{str(key): _known(value) for key, value in row.items()} for row in rows]


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value
