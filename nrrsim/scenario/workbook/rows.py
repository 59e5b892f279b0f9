"""Where a scenario's values stand in the sheets of a workbook: plain values in, rows out, and back.

No library of workbooks here, and no judgement of a value. A number or a belief is one row: `low`,
`likely`, `high` and a `shape`. What each shape takes stands in SHAPES.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SCENARIO, BOOK, DRIVERS = "Scenario", "Book", "Drivers"
PROGRAMMES, CORRELATIONS, TENURE, OUTLOOK = "Programmes", "Correlations", "Tenure", "Outlook"
BELIEF = ("low", "likely", "high", "shape")
# The headings of each sheet, in row 1.
HEADINGS: dict[str, tuple[str, ...]] = {
    SCENARIO: ("field", "value"),
    BOOK: ("segment", "customers", "share", "spread", "term", "tenure", "source", "because"),
    DRIVERS: ("driver", "segment", "field", *BELIEF, "source"),
    PROGRAMMES: ("programme", "field", *BELIEF, "text"),
    CORRELATIONS: ("number", "with", "correlation"),
    TENURE: ("segment", "year", *BELIEF, "source"),
    OUTLOOK: ("measure", "level", "model", "forecast"),
}
# The last row of a table with its spare ones, for people to write in.
LAST_ROWS = {BOOK: 60, DRIVERS: 200, PROGRAMMES: 100, CORRELATIONS: 100, TENURE: 100}
MORE_ROWS = 20  # spare ones below a table that is longer


@dataclass(frozen=True)
class Grid:
    """A sheet's table. Rows count from 1, as a spreadsheet does; columns from 0.

    first, last : its rows below the headings, spare ones with them. filled : the last that is
        written in.
    """

    name: str
    columns: Mapping[str, int]
    filled: int
    last: int
    first: int = 2

    def cell(self, heading: str, row: int) -> str:
        """A cell as a formula names it: `Drivers!$D$5`."""
        return f"{self.name}!${_letter(self.columns[heading])}${row}"

    def range(self, heading: str) -> str:
        """A column of the table as a formula names it: `Drivers!$D$2:$D$200`."""
        letter = _letter(self.columns[heading])
        return f"{self.name}!${letter}${self.first}:${letter}${self.last}"


@dataclass(frozen=True)
class Layout:
    """Where everything stands: each sheet's table, and the row of each field of `Scenario`."""

    sheets: Mapping[str, Grid]
    fields: Mapping[str, int]

    def value(self, field: str) -> str:
        """The cell of a field of `Scenario`, as a formula names it."""
        return self.sheets[SCENARIO].cell("value", self.fields[field])


def _letter(column: int) -> str:
    return chr(ord("A") + column)
