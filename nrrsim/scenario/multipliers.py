"""A table of accounts in, how each one's rates differ from its segment's out; never takes a level
out of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding, UsageError, did_you_mean
from nrrsim.ledger.amounts import read_amounts
from nrrsim.ledger.cells import unnumbered
from nrrsim.ledger.rows import Rows, refuse_twice
from nrrsim.ledger.sources import read_rows
from nrrsim.ledger.values import as_text, as_written
from nrrsim.ledger.vocabulary import CUSTOMER, plain
from nrrsim.scenario.drivers import MULTIPLIERS

MOST = 1_000.0
AS_ITS_SEGMENT = 1.0
MOST_NEAR = 5  # unknown customers for whom a name like theirs is looked for


def read_multipliers(
    source: Any, names: Sequence[str], segments: Sequence[str], where: str
) -> np.ndarray:
    """How each of these customers differs from its segment, `ndarray[customer, multiplier]` in the
    order of MULTIPLIERS; who is not in the table, and a column that is not there, is 1.

    source : a file (CSV, Excel, Parquet, JSON) or a table of pandas, Polars or Arrow with the
        columns `customer` and one or more of MULTIPLIERS. names, segments : the customers as the
        table calls them, and the segment of each. where : what they are the customers of, for
        findings.

    Raises UsageError where there is no such file, DataError with every finding.
    """
    rows, *more = read_rows(source)
    if more:
        raise UsageError(
            f"{source}: accounts stand in one table, and here are {len(more) + 1} sheets"
        )
    refuse_twice(rows)
    rows = replace(rows, frame=unnumbered(rows.frame))
    table = _Table(rows)
    columns = table.columns()
    table.stop()
    place = table.customers(rows.frame[columns.pop("customer")], names, where)
    found = np.full((len(names), len(MULTIPLIERS)), AS_ITS_SEGMENT)
    for word, label in columns.items():
        values = table.numbers(word, rows.frame[label])
        known = place >= 0
        found[place[known], MULTIPLIERS.index(word)] = values[known]
    table.stop()
    table.judge(found, np.asarray(segments))
    table.stop()
    return found


class _Table:
    """The rows of accounts, and what is wrong with them, by file and line."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.findings = list(rows.findings)
        self._lines: np.ndarray | None = None

    def stop(self) -> None:
        """Raise DataError with every finding, if there is one."""
        if self.findings:
            raise DataError(self.findings)

    def note(self, field: str, row: int | None, problem: str, remedy: str) -> None:
        """Note what is wrong with a row, or (None) with the headings."""
        name, line = self.rows.name, self.rows.heading_line
        if row is not None:
            self._lines = self.rows.lines() if self._lines is None else self._lines
            line = int(self._lines[row])
            if self.rows.place is not None:
                name, line = self.rows.place(line), 0
        self.findings.append(Finding(name, line, problem, remedy, field))

    def columns(self) -> dict[str, str]:
        """Our word -> the column that is it; one that is missing, there twice or unknown is noted:
        a heading that is misspelt would be 1 for everyone in silence.
        """
        found: dict[str, str] = {}
        for label in map(str, self.rows.frame.columns):
            words = plain(label)
            word = "customer" if words in CUSTOMER else words
            if word not in ("customer", *MULTIPLIERS):
                remedy = did_you_mean(words, ("customer", *MULTIPLIERS))
                self.note("", None, f"there is a column {label}, which is not known", remedy)
            elif word in found:
                problem = f"{word} may be the column {found[word]} and {label}"
                self.note("", None, problem, "leave one of them out")
            else:
                found[word] = label
        if "customer" not in found:
            remedy = f"accounts have the columns customer, {', '.join(MULTIPLIERS)}"
            self.note("", None, "there is no column customer", remedy)
        elif len(found) == 1 and not self.findings:
            problem = "there is no column hazard, expansion or contraction"
            self.note("", None, problem, "state at least one of them")
        return found

    def customers(self, cells: pd.Series, names: Sequence[str], where: str) -> np.ndarray:
        """`ndarray[row]`, the place of each row's customer among the names, -1 where not known."""
        written = as_text(cells).reset_index(drop=True)
        place = pd.Index(names).get_indexer(pd.Index(written.astype(object)))
        place[written.isna().to_numpy()] = -1
        for row in np.flatnonzero(written.isna()).tolist():
            self.note("customer", row, "is empty", "every row needs the customer's name")
        unknown = np.flatnonzero((place < 0) & written.notna().to_numpy()).tolist()
        for number, row in enumerate(unknown):
            near = did_you_mean(str(written[row]), names) if number < MOST_NEAR else ""
            # of a book that has no such name all of its names are no help
            near = f"{near} Else " if near.endswith("?") else ""
            problem = f"{as_written(written[row])} is no customer of {where}"
            self.note("customer", row, problem, f"{near}leave out who pays nothing then")
        twice = pd.Series(place).duplicated().to_numpy() & (place >= 0)
        for row in np.flatnonzero(twice).tolist():
            problem = f"{as_written(written[row])} stands twice"
            self.note("customer", row, problem, "a customer has one row: leave the other out")
        return np.asarray(place)

    def numbers(self, word: str, cells: pd.Series) -> np.ndarray:
        """`ndarray[row]` of multipliers, nan where a cell holds none."""
        has_comma = cells.map(lambda cell: isinstance(cell, str) and "," in cell).any()
        # no multiplier has thousands: a sign is the decimal one
        read = read_amounts(cells, "," if has_comma else ".")
        fine = (read.values >= 0) & (read.values <= MOST) & ~read.multiplied
        for row in np.flatnonzero(~fine).tolist():
            if read.blank[row]:
                remedy = "write 1 for a customer that is as its segment, or leave its row out"
                self.note(word, row, "is empty", remedy)
                continue
            problem = f"{as_written(cells.iloc[row])} is not a number from 0 to {MOST:,.0f}"
            self.note(word, row, problem, "1 is as its segment, 2 twice as often")
        return np.where(fine, read.values, np.nan)

    def judge(self, found: np.ndarray, segments: np.ndarray) -> None:
        """Note a column that is 0 for all of a segment: no level can be taken out of it."""
        for segment in np.unique(segments):
            for column, word in enumerate(MULTIPLIERS):
                if not found[segments == segment, column].any():
                    problem = f"is 0 for every customer of {segment}"
                    remedy = (
                        "what all of a segment have in common is its rate in the scenario: state 0"
                        " there, and 1 here"
                    )
                    self.note(word, None, problem, remedy)
