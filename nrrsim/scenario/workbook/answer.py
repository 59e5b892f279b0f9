"""What the model comes to in, the sheet Answer out; never a number that cells do not support.

NRR and each movement, live, beside the figures of `nrrsim expect` when the file was written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nrrsim.scenario.scenario import Scenario
from nrrsim.scenario.workbook.cells import (
    NONE,
    Live,
    Page,
    both,
    is_number,
    largest,
    least,
    live,
    nth,
    or_else,
    rounded,
    sum_of,
    texts,
    total_of,
    where,
)
from nrrsim.scenario.workbook.checks import checks_of
from nrrsim.scenario.workbook.looks import NAVY, Looks
from nrrsim.scenario.workbook.model import Block, span
from nrrsim.scenario.workbook.rows import Layout
from nrrsim.scenario.workbook.working import Working

ANSWER = "Answer"
NOT_COMPUTED = "n/a"
STOPPED = "Not computed: "
FINE = "ok"  # what a check says that finds nothing
COMPUTED = "Computed from the cells of this workbook, each assumption at its mean"
RATIOS = {
    "nrr": "Net revenue retention (NRR)",
    "grr_flow": "Gross revenue retention (flow GRR)",
    "logo": "Logo retention",
}
GAINS = ("adoption", "cross_sell", "price", "reactivation")
LOSSES = ("contraction", "churn")
MONTHLY = ("opening", *GAINS, *LOSSES, "closing", "customers")
OF_START = ("closing", "customers")  # what there is of month 0
COMPARED = ("This workbook", "nrrsim expect, assumptions at their means", "Difference",
            "nrrsim expect, over all assumptions", "Difference")  # fmt: skip
TOLD = ("at_means", "over_beliefs")  # of an answer, what stands beside a figure
# Rows, counted from 0.
AT_MONTHS, AT_HEADS, AT_RATIOS, AT_TARGET, AT_BRIDGE, AT_TIE, AT_SEGMENTS = 3, 4, 5, 8, 12, 20, 23
RULE = "#E5E7EB"


class Answer:
    """The sheet, part by part: what stands below is written first, as the figures are made of it.

    answer : what `expect` said of the scenario. why_not : why there is no model; "" where there is.
    """

    def __init__(
        self,
        page: Page,
        looks: Looks,
        scenario: Scenario,
        blocks: Sequence[Block],
        answer: Mapping[str, Any],
        why_not: str,
    ) -> None:
        self.page, self.looks, self.scenario = page, looks, scenario
        self.blocks, self.answer, self.why_not = blocks, answer, why_not
        self.at_rollforward = AT_SEGMENTS + len(scenario.segments) + 4
        self.at_checks = self.at_rollforward + scenario.months + 5
        self.cells: dict[str, list[Live]] = {name: [] for name in MONTHLY}

    def write(self, layout: Layout, work: Working) -> None:
        """Write the sheet."""
        self._checks(layout, work)
        self._head(work)
        self._rollforward()
        self._figures(work.field("target"))
        self._by_segment()
        self._chart()
        self._set_up()

    def _put(self, row: int, column: int, what: Any, look: str, **extra: Any) -> Live:
        return self.page.put(row, column, what, self.looks(look, **extra), fixed=True)

    def _heads(self, row: int, heads: Sequence[str]) -> None:
        for column, text in enumerate(heads):
            self._put(row, column, text, "head" if column else "head_left")

    def _checks(self, layout: Layout, work: Working) -> None:
        """Each check with what it finds, and the first that finds anything."""
        self._put(self.at_checks - 1, 0, "Checks: while one fails, no figure is shown", "heading")
        of_model = checks_of(self.scenario, layout, work, self.blocks)
        checks = [("Model", live(self.why_not))] if self.why_not else list(of_model)
        found = []
        for row, (label, finding) in enumerate(checks, self.at_checks):
            self._put(row, 0, label, "label")
            # an error in a cell runs through all that is made of it: what is shown is words
            of_error = f"{label}: a cell that counts holds an error, such as #DIV/0!: correct it"
            said = or_else(where(finding.is_(NONE), FINE, finding), of_error)
            found.append(self._put(row, 1, said, "text"))
        # the first that finds anything, without conditions within conditions: Excel has 64 at most
        column, last = texts(found), len(found)
        back = work.listed("checks, from the last", range(last, 0, -1))
        first = last + 1 - largest(column.is_not(FINE) * back)
        self.problem = where(first > last, NONE, nth(column, least(first, last)))
        self.problem = self._put(self.at_checks - 1, 1, self.problem, "text", font_color="#FFFFFF")
        self.is_fine = self.problem.is_(NONE)

    def _head(self, work: Working) -> None:
        """The title, whether there is an answer, and for how many months."""
        title = work.field("title")
        self._put(0, 0, title if title.value else self.scenario.title, "title")
        self._put(1, 0, where(self.is_fine, COMPUTED, live(STOPPED).then(self.problem)), "note")
        red = self.looks("warning", text_wrap=False)
        rule = {"type": "text", "criteria": "begins with", "value": STOPPED.strip(), "format": red}
        self.page.sheet.conditional_format(1, 0, 1, 0, rule)
        self._put(AT_MONTHS, 0, "Months", "label")
        months = where(self.is_fine, work.field("months"), 0)
        self.months = self._put(AT_MONTHS, 1, months, "count", align="right")

    def _rollforward(self) -> None:
        """All segments month by month, as far as the scenario goes."""
        top = self.at_rollforward
        self._put(top - 2, 0, "Month by month, all segments", "heading")
        self._heads(top - 1, ("Month", *map(_capital, MONTHLY)))
        for t in range(self.scenario.months + 1 if self.blocks else 0):
            self._put(top + t, 0, self.blocks[0].months[t], "label")
            is_shown = both(self.is_fine, self.months >= t)
            for column, name in enumerate(MONTHLY, 1):
                if t == 0 and name not in OF_START:
                    continue
                amount = total_of([block.flows[name][t] for block in self.blocks])
                look = "customers" if name == "customers" else "money"
                shown = where(is_shown, amount, NONE)
                self.cells[name].append(self._put(top + t, column, shown, look))

    def _figures(self, target: Live) -> None:
        """The bridge from opening to closing ARR, and above it the ratios that follow."""
        currency = self.scenario.opening.currency
        self._heads(AT_HEADS, (f"ARR in {currency}" if currency else "ARR", *COMPARED))
        self._put(AT_BRIDGE - 1, 0, "From opening to closing ARR", "heading")
        lines = {"opening": "Opening ARR"}
        lines |= {name: f"+ {_capital(name)}" for name in GAINS}
        lines |= {name: f"- {_capital(name)}" for name in LOSSES} | {"closing": "Closing ARR"}
        flows: dict[str, Live] = {}
        for row, (name, text) in enumerate(lines.items(), AT_BRIDGE):
            total = {"bold": True, "top": 1} if name == "closing" else {}
            self._put(row, 0, text, "label", **total)
            told = [_amount(self.answer.get(key), name) for key in TOLD]
            flows[name] = self._compared(row, self._flow(name), told, "money", **total)

        gains, losses = (total_of([flows[name] for name in names]) for names in (GAINS, LOSSES))
        tie = flows["opening"] + gains - losses - flows["closing"]
        self._put(AT_TIE, 0, "Check: opening and movements less closing", "note")
        self._put(AT_TIE, 1, or_else(rounded(tie, 2), NOT_COMPUTED), "check", align="right")
        ratios = {
            "nrr": flows["closing"] / flows["opening"],
            "grr_flow": 1 - losses / flows["opening"],
            "logo": self._flow("customers") / self._of_start("customers"),
        }
        for row, (name, what) in enumerate(ratios.items(), AT_RATIOS):
            told = [(self.answer.get(key) or {}).get(name) for key in TOLD]
            bold = {"bold": name == "nrr"}
            self._put(row, 0, RATIOS[name], "label", **bold)
            what = or_else(what, NOT_COMPUTED)
            ratios[name] = self._compared(row, what, told, "ratio", **bold)
        self._target(target, ratios["nrr"])

    def _flow(self, name: str) -> Live:
        """What a movement adds up to, or what is there at the end."""
        if not self.blocks:
            return live(NOT_COMPUTED)
        cells = span(self.cells[name]) if name != "opening" else span(self.cells["closing"])
        if name == "opening":
            return where(self.is_fine, nth(cells, live(1)), NOT_COMPUTED)
        found = nth(cells, self.months + 1) if name in OF_START else sum_of(cells)
        return where(self.is_fine, found, NOT_COMPUTED)

    def _of_start(self, name: str) -> Live:
        return nth(span(self.cells[name]), live(1)) if self.blocks else live(NOT_COMPUTED)

    def _target(self, target: Live, nrr: Live) -> None:
        """Whether the mean meets the target."""
        self._put(AT_TARGET, 0, "Target NRR", "label")
        stated = where(is_number(target), target, "none stated")
        self._put(AT_TARGET, 1, stated, "ratio", align="right")
        self._put(AT_TARGET + 1, 0, "Target met", "label")
        is_met = where(nrr >= target, "yes", "no")
        met = where(both(is_number(nrr), is_number(target)), is_met, NOT_COMPUTED)
        self._put(AT_TARGET + 1, 1, met, "text", align="right", bold=True)
        said = "by the mean; how likely it is, nrrsim simulate says"
        self._put(AT_TARGET + 1, 2, said, "note")

    def _compared(
        self, row: int, what: Live, told: Sequence[float | None], look: str, **extra: Any
    ) -> Live:
        """A figure, and by how much it differs from what nrrsim said: in points, or in money."""
        here = self._put(row, 1, what, look, align="right", **extra)
        for column, value in zip((2, 4), told, strict=True):
            if value is None or not np.isfinite(value):
                self._put(row, column, NOT_COMPUTED, "note", align="right")
                continue
            then = self._put(row, column, float(value), look, **extra)
            is_ratio = look == "ratio"
            # what rounding leaves is no difference
            off = rounded((here - then) * 100 if is_ratio else here - then, 6)
            self._put(
                row, column + 1, or_else(off, NOT_COMPUTED), "points" if is_ratio else "change"
            )
        return here

    def _by_segment(self) -> None:
        self._put(AT_SEGMENTS - 1, 0, "By segment", "heading")
        self._heads(AT_SEGMENTS, ("Segment", "NRR", *COMPARED[1:], "Opening ARR", "Closing ARR"))
        for place, block in enumerate(self.blocks):
            row, closing = AT_SEGMENTS + 1 + place, span(block.flows["closing"])
            self._put(row, 0, block.name, "label")
            ends = [
                self._put(
                    row, column, where(self.is_fine, what, NOT_COMPUTED), "money", align="right"
                )
                for column, what in (
                    (6, nth(closing, live(1))),
                    (7, nth(closing, self.months + 1)),
                )
            ]
            name = self.scenario.segments[place]
            segments = [(self.answer.get(key) or {}).get("segments", {}) for key in TOLD]
            told = [each.get(name, {}).get("nrr") for each in segments]
            self._compared(row, or_else(ends[1] / ends[0], NOT_COMPUTED), told, "ratio")

    def _chart(self) -> None:
        """ARR month by month, as columns."""
        if not self.blocks:
            return
        chart = self.looks.workbook.add_chart({"type": "column"})
        first, last = self.at_rollforward, self.at_rollforward + self.scenario.months
        column = 1 + MONTHLY.index("closing")
        chart.add_series({
            "name": "ARR",
            "categories": [ANSWER, first, 0, last, 0],
            "values": [ANSWER, first, column, last, column],
            "fill": {"color": NAVY},
            "gap": 60,
        })  # fmt: skip
        font = {"size": 11, "color": NAVY}
        chart.set_title({"name": "ARR of the opening customers by month", "name_font": font})
        chart.set_legend({"none": True})
        lines = {"visible": True, "line": {"color": RULE}}
        # from zero, as the height of a column says how much
        chart.set_y_axis({"num_format": "#,##0", "min": 0, "major_gridlines": lines})
        chart.set_size({"width": 500, "height": 350})
        told = "Columns: ARR of the opening customers, month by month"
        self.page.sheet.insert_chart(AT_MONTHS, 6, chart, {"x_offset": 24, "description": told})

    def _set_up(self) -> None:
        sheet = self.page.sheet
        sheet.set_column(0, 0, 38)
        sheet.set_column(1, len(MONTHLY), 15)
        for row in (AT_HEADS, AT_SEGMENTS):
            sheet.set_row(row, 38)
        sheet.hide_gridlines(2)
        sheet.freeze_panes(AT_HEADS + 1, 1)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.protect("", {"format_columns": True})


def _amount(told: Mapping[str, Any] | None, name: str) -> float | None:
    """An amount as nrrsim said it: one of both ends, or a movement."""
    said = told or {}
    found: float | None = said.get("movements", {}).get(name, said.get(name))
    return found


def _capital(name: str) -> str:
    return name.replace("_", "-").capitalize()
