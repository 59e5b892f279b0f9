"""A window's amounts in, the formulas of its ratios with their values out; never writes a cell.

Where a workbook has the customers' rows a formula adds them up, else it stands on sums. Losses are
negative here, as a bridge shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xlsxwriter.utility import xl_rowcol_to_cell

from nrrsim.movements import EXPANSION, LOSSES
from nrrsim.notation import NOTHING
from nrrsim.report.workbook.customersheet import NAMES, CustomerSheet

BRIDGE = ("new", *EXPANSION, "reactivation", *LOSSES)
LESS = "less_"  # before an amount that is taken away
# The amounts that a definition's ratios are made of, each over the opening; counts of customers.
NET = {
    "point_to_point": ("closing",),
    "stays_out": ("stayed",),
    "flow": ("opening", *EXPANSION, *LOSSES),
    "flow_with_reactivation": ("opening", *EXPANSION, "reactivation", *LOSSES),
    "ex_price": ("closing", f"{LESS}price"),
}
GROSS = {
    "point_to_point": ("retained",),
    "stays_out": ("stayed_retained",),
    "flow": ("opening", *LOSSES),
    "flow_with_reactivation": ("opening", *LOSSES),
    "ex_price": ("retained",),
}
STAYED = "stayed_customers"


@dataclass(frozen=True)
class Formula:
    """A formula and what it comes to; `text` is "" where there is only the value."""

    text: str
    value: float | None


def cell(row: int, column: int) -> str:
    """The address of a cell, both counted from 0, that stays what it is when it is copied."""
    return str(xl_rowcol_to_cell(row, column, row_abs=True, col_abs=True))


def put(sheet: Any, row: int, column: int, formula: Formula | None, look: Any, none: Any) -> None:
    """Write a formula with its value, a value that has none, or that there is nothing."""
    if formula is None or formula.value is None:
        sheet.write_string(row, column, NOTHING, none)
    elif formula.text:
        sheet.write_formula(row, column, formula.text, look, formula.value)
    else:
        sheet.write_number(row, column, formula.value, look)


@dataclass
class Live:
    """The amounts of one window, each a formula, and where a sheet has put it (`at`)."""

    told: Mapping[str, Any]
    sheet: CustomerSheet | None
    at: dict[tuple[str, str], str] = field(default_factory=dict)

    def amount(self, who: str, name: str) -> Formula:
        """An amount of the `cohort`, or of the whole `company`."""
        sign = -1 if name in LOSSES else 1
        if self.sheet is None:
            return Formula("", sign * self.told[who][name] + 0.0)
        amounts, minus = self.sheet.amounts, "-" * (sign < 0)
        if name in ("opening_customers", "customers", STAYED):
            return self._count(name)
        where = amounts.cohort if who == "cohort" else None
        value = sign * amounts.sum(name, where) + 0.0
        if who == "cohort" and not name.startswith(("opening", "retained", "stayed")):
            return Formula(f'={minus}SUMIF(Opening_ARR,">0",{NAMES[name]})', value)
        return Formula(f"={minus}SUM({NAMES[name]})", value)

    def _count(self, name: str) -> Formula:
        assert self.sheet is not None
        columns, cohort = self.sheet.amounts.columns, self.sheet.amounts.cohort
        if name == "opening_customers":
            return Formula('=COUNTIF(Opening_ARR,">0")', float(cohort.sum()))
        of = "stayed" if name == STAYED else "closing"
        value = float((cohort & (columns[of] > 0)).sum())
        return Formula(f'=COUNTIFS(Opening_ARR,">0",{NAMES[of]},">0")', value)

    def parts(self) -> list[str]:
        """The movements that there are, in the order of a bridge."""
        some = [name for name in EXPANSION if self.told["company"][name]]
        rises = some if self.sheet is None else self.sheet.amounts.expansion
        return [name for name in BRIDGE if name not in EXPANSION or name in rises]

    def ratio(self, what: str, definition: str, ex_price: bool = False) -> Formula | None:
        """NRR (`nrr`), GRR or logo retention of the cohort; None where sums do not tell it."""
        if what == "logo":
            kept = STAYED if definition == "stays_out" else "customers"
            return self._over([kept], "opening_customers")
        terms = (NET if what == "nrr" else GROSS).get(definition)
        if terms is None:
            return None
        return self._over([*terms, *([f"{LESS}price"] if ex_price and what == "nrr" else [])])

    def _over(self, terms: Sequence[str], base: str = "opening") -> Formula | None:
        """A sum of amounts over another: by their cells where they stand in one."""
        opening, absent = self._term(base), {*EXPANSION} - {*self.parts()}
        if not opening.value:
            return None
        some = [self._term(name) for name in terms if name.removeprefix(LESS) not in absent]
        value = sum(each.value or 0.0 for each in some) / opening.value
        if not all(each.text for each in (*some, opening)):
            return Formula("", value)
        sums = "+".join(each.text for each in some).replace("+-", "-")
        sums = f"({sums})" if some[1:] else sums
        return Formula(f"={sums}/{opening.text}", value)

    def _term(self, name: str) -> Formula:
        """An amount of the cohort, or `less_` it, as it stands in another formula."""
        plain = name.removeprefix(LESS)
        sign, minus = (1, "") if plain == name else (-1, "-")
        amount = self.amount("cohort", plain)
        text = self.at.get(("cohort", plain)) or amount.text.removeprefix("=")
        return Formula(f"{minus}{text}" if text else "", sign * (amount.value or 0.0))
