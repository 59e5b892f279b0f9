"""A scenario's input sheets in, the sheets that compute its answer by formulas out; never reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nrrsim.scenario.book import LedgerBook
from nrrsim.scenario.customers import Customers
from nrrsim.scenario.drivers import HAZARD, MULTIPLIERS
from nrrsim.scenario.scenario import Scenario
from nrrsim.scenario.workbook.answer import ANSWER, Answer
from nrrsim.scenario.workbook.cells import Page, shown
from nrrsim.scenario.workbook.explain import EXPLAIN, write_explain
from nrrsim.scenario.workbook.looks import Looks
from nrrsim.scenario.workbook.model import MODEL, Column, columns_of, write_model
from nrrsim.scenario.workbook.rows import Layout, Row
from nrrsim.scenario.workbook.working import ACTS, WORKING, Working, work_out

MOST_CELLS = 12_000  # columns times months that a workbook computes
# Customers of a segment that formulas lay out: room for more than there are, to some number.
FEWEST_LAID_OUT, MOST_LAID_OUT = 6_000, 120_000
ROOM = 2  # times as many customers as a segment has may be asked for


def write(
    workbook: Any,
    scenario: Scenario,
    layout: Layout,
    tables: Mapping[str, Sequence[Row]],
    answer: Mapping[str, Any] | None,
) -> None:
    """Add the sheets Model, Answer and Explain, and the hidden one that they stand on.

    answer : what `expect` says: `at_means` and `over_beliefs`, and how accounts differ (`acting`,
        `ndarray[customer, multiplier]`). Each formula is saved with its value.
    """
    answer = answer or {}
    looks = Looks(workbook)
    names = (MODEL, ANSWER, EXPLAIN, WORKING)
    pages = {name: Page(workbook.add_worksheet(name), name) for name in names}
    columns, why_not = _columns(scenario, answer.get("acting"))
    work = work_out(pages[WORKING], layout, tables, scenario.segments, _largest(scenario))
    _write_acting(workbook, work, layout, looks)
    blocks = [] if why_not else write_model(pages[MODEL], looks, scenario, work, columns)
    Answer(pages[ANSWER], looks, scenario, blocks, answer, why_not).write(layout, work)
    write_explain(pages[EXPLAIN], looks, scenario, why_not)
    pages[WORKING].sheet.hide()
    pages[ANSWER].sheet.activate()


def _columns(scenario: Scenario, acting: np.ndarray | None) -> tuple[dict[str, list[Column]], str]:
    """The columns of each segment's block, and why there is no model; "" where there is one."""
    there = scenario.opening
    if there.differ and acting is None:
        if there.uneven:
            return {}, "accounts differ, and by how much nrrsim alone can say: ask nrrsim expect"
        acting = _decided(there)
    columns = columns_of(scenario, acting)
    cells = sum(map(len, columns.values())) * scenario.months
    if cells > MOST_CELLS:
        return {}, (
            f"{cells:,} cells of customers and months are more than a workbook computes"
            f" ({MOST_CELLS:,}): ask nrrsim expect"
        )
    return columns, ""


def _decided(there: Customers) -> np.ndarray:
    """Accounts that are as their segment, but for what is decided."""
    assert there.decided is not None
    acting = np.ones((len(there.arr), len(MULTIPLIERS)))
    is_decided = ~np.isnan(there.decided)
    acting[is_decided, HAZARD] = there.decided[is_decided]
    return acting


def _largest(scenario: Scenario) -> int:
    """How many customers of a segment are laid out by formulas at most."""
    if isinstance(scenario.book, LedgerBook):
        return 12
    most = max(each.customers for each in scenario.book.segments.values())
    return min(max(ROOM * most, FEWEST_LAID_OUT), MOST_LAID_OUT)


def _write_acting(workbook: Any, work: Working, layout: Layout, looks: Looks) -> None:
    """Beside each number of an input sheet what it acts with, or what is wrong with it."""
    for name, told in work.acting.items():
        grid = layout.sheets[name]
        sheet = workbook.get_worksheet_by_name(name)
        column = len(grid.columns)
        sheet.set_column(column, column, 12)
        sheet.print_area(0, 0, grid.filled - 1, column)
        sheet.write_string(0, column, ACTS, looks("head"))
        first, _, last = told.text.partition(":")
        start = first.replace("$2", "$1")
        for row in range(1, grid.last):
            text = f"INDEX({start}:{last},ROW())"
            sheet.write_formula(
                row, column, text, looks("number", align="right"), shown(told.value[row - 1])
            )
