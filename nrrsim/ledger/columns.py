"""A table as people export it in, its columns under our names out; never reads a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding, did_you_mean
from nrrsim.ledger.sources import Rows, concat

MOST_SHOWN = 30  # headings in one message
AMOUNTS = ("mrr", "arr", "amount")
KNOWN = ("customer", "month", "start", "end", *AMOUNTS, "interval", "segment", "product",
         "quantity", "unit_price", "currency", "renewal")  # fmt: skip


class Table:
    """The rows of all sources under nrrsim's names, and where each stands."""

    def __init__(self, parts: Sequence[Rows], columns: Mapping[str, str]) -> None:
        self.findings = [finding for part in parts for finding in part.findings]
        self.notices = [notice for part in parts for notice in part.notices]
        self.parts = [renamed(part, columns) for part in parts]
        self.frame, self.starts = concat(self.parts)
        self.name = ", ".join(part.name for part in parts)
        self.ambiguous = False
        self._lines: dict[int, np.ndarray] = {}

    def place(self, row: int) -> tuple[str, int]:
        """The source of a row, and its line there."""
        part = int(np.searchsorted(self.starts, row, side="right")) - 1
        # lines are counted for the first finding of a source: that reads it once more
        if part not in self._lines:
            self._lines[part] = self.parts[part].lines()
        return self.parts[part].name, int(self._lines[part][row - self.starts[part]])

    def refuse(self, problem: str, remedy: str, field: str = "") -> None:
        """Note what is wrong with the ledger as a whole; `stop` raises all that was noted."""
        self.findings.append(Finding(self.name, 0, problem, remedy, field))

    def ask(
        self,
        problem: str,
        remedy: str,
        option: str,
        choices: tuple[str, ...] = (),
        *,
        field: str = "",
        row: int | None = None,
    ) -> None:
        """Note a question of reading, which an option settles, with the first row it is about."""
        name, line = (self.name, 0) if row is None else self.place(row)
        self.findings.append(Finding(name, line, problem, remedy, field, option, choices))

    def notice(self, problem: str, remedy: str, row: int | None = None) -> None:
        """Note what makes no number wrong, with the first row in which it is seen."""
        name, line = (self.name, 0) if row is None else self.place(row)
        self.notices.append(Finding(name, line, problem, remedy))

    def stop(self) -> None:
        """Raise DataError with every finding."""
        raise DataError(self.findings)


def renamed(part: Rows, columns: Mapping[str, str]) -> Rows:
    """The rows under our words, by `columns` (ours -> theirs) and by headings that are ours.

    Raises DataError for a heading that is not there, or would be read twice.
    """
    headings = [str(heading) for heading in part.frame.columns]
    missing = [(ours, theirs) for ours, theirs in columns.items() if theirs not in headings]
    if missing:
        raise DataError(
            Finding(
                part.name,
                1,
                f"there is no column {theirs}",
                did_you_mean(theirs, headings),
                f"columns.{ours}",
            )
            for ours, theirs in missing
        )

    theirs_to_ours = {theirs: ours for ours, theirs in columns.items()}
    plain = {heading: heading.strip().lower().replace(" ", "_") for heading in headings}
    ours = [
        theirs_to_ours.get(heading) or (plain[heading] if plain[heading] in KNOWN else heading)
        for heading in headings
    ]
    # a heading that a mapping gave away is not read twice: `columns: {mrr: Net fee}` beside mrr
    ours = [
        f"{name} (unused)" if name in columns and columns[name] != heading else name
        for name, heading in zip(ours, headings, strict=True)
    ]

    twice = sorted(name for name, times in Counter(ours).items() if times > 1)
    if twice or len(theirs_to_ours) < len(columns):
        theirs = [*columns.values()]
        names = twice or [name for name in theirs_to_ours if theirs.count(name) > 1]
        problem = f"the heading {', '.join(names)} stands twice, or is used twice"
        remedy = "rename one, or map each of our words to a heading of its own"
        raise DataError([Finding(part.name, 1, problem, remedy)])
    frame = part.frame.set_axis(pd.Index(ours), axis=1)
    return replace(part, frame=frame)


def amount_column(table: Table, columns: Mapping[str, str]) -> str:
    """Which of AMOUNTS is read, empty if none; refuses what leaves a choice between two."""
    present = [name for name in AMOUNTS if name in table.frame]
    chosen = [name for name in present if name in columns]
    unit = (chosen or present or [""])[0]
    table.ambiguous = len(chosen or present) > 1 or (
        unit == "amount" and "interval" not in table.frame
    )
    if len(chosen or present) > 1:
        table.refuse(
            f"there are the columns {' and '.join(chosen or present)}",
            "MRR and ARR are never added: name the one to read, such as columns: {arr: arr}",
        )
    if not unit:
        table.refuse(
            "there is no amount", _remedy_for_heading(table, "mrr or arr, or amount with interval")
        )
    if unit == "amount" and "interval" not in table.frame:
        table.refuse(
            "there is an amount and no interval", "add the column interval: month, quarter or year"
        )
    return unit


def require(table: Table, names: Sequence[str]) -> bool:
    """Whether there is enough to judge the values."""
    for name in names:
        if name and name not in table.frame:
            table.refuse(f"there is no column {name}", _remedy_for_heading(table, name))
    if len(table.frame) == 0 and not table.findings:
        table.refuse("there are no rows", "a ledger has one row for each customer and month")
    return (
        len(table.frame) > 0 and all(name in table.frame for name in names) and not table.ambiguous
    )


def _remedy_for_heading(table: Table, name: str) -> str:
    headings = ", ".join(map(str, table.frame.columns[:MOST_SHOWN]))
    if (more := len(table.frame.columns) - MOST_SHOWN) > 0:
        headings += f" and {more:,} more"
    word = name.split(" ")[0]
    return f"name your heading for it with columns: {{{word}: ...}}; there are: {headings}"
