"""A plan's file in, planned ARR or NRR by month and segment out; never compares it with a ledger.

A plan is a table, `month, segment, arr` (the run-rate at the month's end, newcomers included) or
`month, segment, nrr` (of the twelve months to it), or a scenario.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding, UsageError
from nrrsim.ledger.amounts import Amounts, read_amounts
from nrrsim.ledger.cells import plain_text, unnumbered
from nrrsim.ledger.dates import month_of_day, read_dates
from nrrsim.ledger.rows import Rows, refuse_twice
from nrrsim.ledger.sources import read_rows
from nrrsim.ledger.totals import says_total
from nrrsim.ledger.values import as_written
from nrrsim.ledger.vocabulary import AMOUNTS, MONTH, OTHERS, SIGNS, heading_of
from nrrsim.months import CALENDAR_YEAR, Calendar, month_name
from nrrsim.scenario.book import EVERY_SEGMENT
from nrrsim.scenario.numbers import SOME_NRR
from nrrsim.scenario.scenario import Scenario, read_scenario
from nrrsim.scenario.workbook.read import holds_a_scenario

ARR, NRR = "arr", "nrr"
HEADINGS = {
    "month": MONTH,
    "segment": OTHERS["segment"],
    ARR: AMOUNTS["arr"],
    NRR: ("nrr", "ndr", "net revenue retention", "net dollar retention"),
}
SCENARIOS = (".yaml", ".yml")
MOST_ARR = 1e25  # beyond, amounts no longer add up to the cent


@dataclass(frozen=True)
class Plan:
    """What was planned, called as its file is.

    rows : of a table `month` ("YYYY-MM"), `segment` (`all`: the whole company) and `value`, ARR or
        an NRR (1.05) as `measure` says, `arr` or `nrr`; None of a `scenario`.
    currency : that of the amounts, empty where the table does not say.
    """

    name: str
    measure: str = NRR
    rows: pd.DataFrame | None = None
    currency: str = ""
    scenario: Scenario | None = None

    @property
    def months(self) -> list[str]:
        """The months that a table has figures of, in order; none of a scenario."""
        return [] if self.rows is None else sorted(set(self.rows["month"]))

    def of(self, month: str) -> pd.Series:
        """What a table plans for a month, by segment; empty where it says nothing of it."""
        if self.rows is None:
            return pd.Series(dtype=float)
        return self.rows[self.rows["month"] == month].set_index("segment")["value"]


def is_plan_of_a_scenario(path: str | Path) -> bool:
    """Whether a plan's file is a scenario, and no table."""
    return Path(path).suffix.lower() in SCENARIOS or holds_a_scenario(path)


def read_plan(path: str | Path, calendar: Calendar = CALENDAR_YEAR) -> Plan:
    """The plan of a file: a scenario's (YAML or a workbook), else a table in any form that a
    ledger's may have.

    calendar : the company's, which says what `FY27 Q3` is. Raises DataError with every finding of a
    table; UsageError for a file that is none, and for a scenario that is wrong.
    """
    name = Path(path).name
    if is_plan_of_a_scenario(path):
        return Plan(name, scenario=read_scenario(path))
    rows, *more = read_rows(path)
    if more:
        raise UsageError(f"{path}: a plan stands in one table, and here are {len(more) + 1}")
    refuse_twice(rows)
    rows = replace(rows, frame=unnumbered(rows.frame))
    table = _Table(rows)
    columns = table.columns()
    table.stop()

    measure = ARR if ARR in columns else NRR
    cells = rows.frame[columns[measure]]
    segments = table.segments(rows.frame[columns["segment"]])
    months = table.months(rows.frame[columns["month"]], calendar)
    amounts = table.amounts(cells) if measure == ARR else table.ratios(cells)
    found = pd.DataFrame({"month": months, "segment": segments, "value": amounts})
    table.judge(found)
    table.stop()
    currency = table.currency(columns[measure], cells) if measure == ARR else ""
    table.stop()
    found["month"] = [month_name(int(month)) for month in found["month"]]
    return Plan(name, measure, found, currency)


class _Table:
    """The rows of a plan, and what is wrong with them, by file and line."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.findings = list(rows.findings)

    def stop(self) -> None:
        """Raise DataError with every finding, if there is one."""
        if self.findings:
            raise DataError(self.findings)

    def note(self, field: str, row: int | None, problem: str, remedy: str) -> None:
        """Note what is wrong with a row, or (None) with the headings."""
        line = self.rows.heading_line if row is None else int(self.rows.lines()[row])
        name = self.rows.name
        if row is not None and self.rows.place is not None:
            name, line = self.rows.place(line), 0
        self.findings.append(Finding(name, line, problem, remedy, field))

    def columns(self) -> dict[str, str]:
        """Our word -> the column that is it; one that is missing or there twice is noted."""
        labels = [str(label) for label in self.rows.frame.columns]
        found = {
            word: [label for label in labels if heading_of(label).plain in names]
            for word, names in HEADINGS.items()
        }
        here = f"a plan has the columns month, segment and arr or nrr; here are {', '.join(labels)}"
        if self.rows.sheet:
            here += f", on the sheet {self.rows.sheet}: save the plan's sheet as a file of its own"
        for word in ("month", "segment"):
            if not found[word]:
                self.note("", None, f"there is no column {word}", here)
        if not found[ARR] and not found[NRR]:
            has_mrr = any(heading_of(label).plain in AMOUNTS["mrr"] for label in labels)
            remedy = "a plan states ARR, twelve times MRR" if has_mrr else here
            self.note("", None, "there is no column arr and none nrr", remedy)
        if found[ARR] and found[NRR]:
            self.note("", None, "there are arr and nrr", "a plan states one: leave the other out")
        for word, some in found.items():
            if len(some) > 1:
                twins = " and ".join(some)
                self.note("", None, f"{word} may be the column {twins}", "leave one of them out")
        if not len(self.rows.frame):
            self.note("", None, "there are no rows", "a plan has one for each month and segment")
        return {word: some[0] for word, some in found.items() if some}

    def segments(self, cells: pd.Series) -> list[str]:
        texts = ["" if pd.isna(cell) else plain_text(str(cell)) for cell in cells]
        for row in (row for row, text in enumerate(texts) if not text):
            remedy = f"write the segment as the ledger does, or {EVERY_SEGMENT}: the whole company"
            self.note("segment", row, "is empty", remedy)
        # the whole may be called a total; beside parts it is refused
        return [EVERY_SEGMENT if says_total(text) else text for text in texts]

    def months(self, cells: pd.Series, calendar: Calendar) -> np.ndarray:
        """`ndarray[row]` of month numbers, nan where a cell is none."""
        read = read_dates({"month": cells}, calendar=calendar, excel=self.rows.typed)
        numbers = month_of_day(read.columns["month"].last, nan=True)
        for row in np.flatnonzero(np.isnan(numbers)).tolist():
            written = as_written(cells.iloc[row])
            is_empty = read.columns["month"].empty[row]
            problem = "is empty" if is_empty else f"{written} is not, or not surely, a month"
            self.note("month", row, problem, "write it as YYYY-MM, such as 2026-09")
        return np.asarray(numbers)

    def amounts(self, cells: pd.Series) -> np.ndarray:
        """`ndarray[row]` of ARR, nan where a cell holds none."""
        read = read_amounts(cells)
        remedy = "write digits and a decimal point only, such as 1234500.00"
        for row in np.flatnonzero(~((read.values >= 0) & (read.values < MOST_ARR))).tolist():
            written = as_written(cells.iloc[row])
            problem = f"{written} is not an amount of 0 or more"
            if row in read.undecided:
                problem = f"{written} has a thousands sign or a decimal sign: which is not told"
            self.note(ARR, row, "is empty" if _is_empty(cells.iloc[row]) else problem, remedy)
        return read.values

    def ratios(self, cells: pd.Series) -> np.ndarray:
        """`ndarray[row]` of NRR, nan where a cell holds none; `105%` is 1.05."""
        texts = cells.map(lambda cell: plain_text(cell) if isinstance(cell, str) else cell)
        is_percent = texts.map(lambda text: isinstance(text, str) and text.endswith("%"))
        has_comma = texts.map(lambda text: isinstance(text, str) and "," in text).any()
        bare = texts.map(lambda text: text.removesuffix("%") if isinstance(text, str) else text)
        # no NRR has thousands: a sign is the decimal one
        values = read_amounts(bare, "," if has_comma else ".").values
        values = np.where(is_percent, np.round(values / 100, 14), values)
        for row in range(len(values)):
            written, remedy = cells.iloc[row], "write an NRR as 1.05 or 105%"
            if _is_empty(written):
                self.note(NRR, row, "is empty", remedy)
            elif np.isnan(values[row]):
                self.note(NRR, row, f"{as_written(written)} is not a number", remedy)
            else:
                try:
                    SOME_NRR.check(float(values[row]))
                except ValueError as error:
                    self.note(NRR, row, str(error), "")
        return values

    def judge(self, found: pd.DataFrame) -> None:
        """Note a month and segment that stand twice, and a whole that stands beside its parts."""
        stated = found[found["month"].notna() & (found["segment"] != "")]
        for row in np.flatnonzero(stated.duplicated(["month", "segment"]).to_numpy()).tolist():
            self.note(
                "segment",
                int(stated.index[row]),
                f"{stated['segment'].iloc[row]} stands again for the same month",
                "a plan has one row for each month and segment",
            )
        whole = stated["segment"] == EVERY_SEGMENT
        parts = set(stated.loc[~whole, "month"])
        for row in stated.index[whole & stated["month"].isin(parts)].tolist():
            self.note(
                "segment",
                int(row),
                "a total stands beside the segments of its month",
                "leave it out, it is not a segment; or state the total alone",
            )

    def currency(self, heading: str, cells: pd.Series) -> str:
        """The currency that the amounts' heading or cells say, empty where they do not."""
        read: Amounts = read_amounts(cells)
        signs = {SIGNS.get(sign, sign) for sign in read.currency if sign is not None}
        told = sorted(
            {*signs, *([heading_of(heading).currency] if heading_of(heading).currency else [])}
        )
        if len(told) > 1:
            remedy = "a plan is in the currency of the report"
            self.note(ARR, None, f"amounts are in {' and '.join(told)}", remedy)
        return told[0] if told else ""


def _is_empty(cell: Any) -> bool:
    return bool(pd.isna(cell)) or (isinstance(cell, str) and not cell.strip())
