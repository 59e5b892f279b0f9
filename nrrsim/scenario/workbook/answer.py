"""What the model comes to in, the sheet Answer out: NRR and each movement, live, beside the figures
of `nrrsim expect` when the file was written; never a number that the cells do not support.

Whatever the formulas cannot follow is one of the checks, and while one fails no figure is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nrrsim.scenario.scenario import Scenario
from nrrsim.scenario.workbook.cells import (
    NONE,
    Live,
    Page,
    begins_with,
    both,
    either,
    exactly,
    first_of,
    is_number,
    live,
    nth,
    or_else,
    rounded,
    size_of,
    sum_of,
    sum_product,
    where,
    whole,
)
from nrrsim.scenario.workbook.looks import Looks
from nrrsim.scenario.workbook.model import Block, span
from nrrsim.scenario.workbook.rows import HEADINGS, Layout
from nrrsim.scenario.workbook.working import Working

ANSWER = "Answer"
NOT_COMPUTED = "n/a"
FINE = "ok"  # what a check finds where nothing is wrong
COMPUTED = "Computed from the cells of this workbook, each assumption at its mean"
RATIOS = {"nrr": "Net revenue retention (NRR)", "grr_flow": "Gross revenue retention (flow GRR)",
          "logo": "Logo retention"}  # fmt: skip
GAINS = {"adoption": "Adoption", "cross_sell": "Cross-sell", "price": "Price",
         "reactivation": "Reactivation"}  # fmt: skip
LOSSES = {"contraction": "Contraction", "churn": "Churn"}
MONTHLY = ("opening", *GAINS, *LOSSES, "closing", "customers")
HEADS = ("", "This workbook", "nrrsim expect, assumptions at their means", "Difference",
         "nrrsim expect, over all assumptions", "Difference")  # fmt: skip
# What of `Scenario` formulas follow, or is of no matter to an expectation; of a ledger's book all
# else says which customers there are.
FOLLOWED = ("title", "because", "source", "months", "target")
FOLLOWED_PARTS = ("term.", "shock.", "year_effects.", "new_business.", "outlook.")
LEAST_TIE = 1e-9  # of the opening: what rounding leaves


def write_answer(
    page: Page,
    looks: Looks,
    scenario: Scenario,
    layout: Layout,
    work: Working,
    blocks: Sequence[Block],
    answer: Mapping[str, Any],
    why_not: str,
) -> None:
    """Write the sheet. why_not : why there is no model; "" where there is one."""
    _Answer(page, looks, scenario, layout, work, blocks, answer, why_not).write()


class _Answer:
    """The sheet, line by line."""

    def __init__(
        self,
        page: Page,
        looks: Looks,
        scenario: Scenario,
        layout: Layout,
        work: Working,
        blocks: Sequence[Block],
        answer: Mapping[str, Any],
        why_not: str,
    ) -> None:
        self.page, self.looks, self.scenario, self.layout = page, looks, scenario, layout
        self.work, self.blocks, self.answer, self.why_not = work, blocks, answer, why_not
        self.row = 0

    def write(self) -> None:
        segments, months = len(self.scenario.segments), self.scenario.months
        # the figures stand first, and are made of what stands below
        self.at_segments = 23
        self.at_months = self.at_segments + segments + 4
        self.at_checks = self.at_months + months + 5
        self._checks()
        self._by_month()
        self._figures()
        self._by_segment()
        self._chart()
        self._set_up()

    def _say(self, row: int, text: Any, look: str = "heading") -> None:
        self.page.put(row, 0, text, self.looks(look))

    def _heads(self, row: int, heads: Sequence[str]) -> None:
        for column, text in enumerate(heads):
            self.page.put(row, column, text, self.looks("head" if column else "head_left"))

    # --- checks -------------------------------------------------------------------------------

    def _checks(self) -> None:
        self._say(self.at_checks - 1, "Checks: while one fails, nothing is computed")
        found = []
        for row, (label, finding) in enumerate(self._each_check(), self.at_checks):
            self.page.put(row, 0, label, self.looks("label"))
            told = where(finding.is_(NONE), FINE, finding)
            found.append(self.page.put(row, 1, told, self.looks("plain", align="left"), fixed=True))
        self.problem = self._first(found)
        self.is_fine = self.problem.is_(NONE)

    def _first(self, found: Sequence[Live]) -> Live:
        """What the first check says that fails, in a cell."""
        column, row = 1, self.at_checks - 1
        cases = [(each.is_not(FINE), each) for each in found]
        return self.page.put(
            row,
            column,
            first_of(cases, live(NONE)),
            self.looks("warning", text_wrap=False),
            fixed=True,
        )

    def _each_check(self) -> Iterator[tuple[str, Live]]:
        """Each check with what it finds: "" where all is well."""
        if self.why_not:
            yield "Size", live(self.why_not)
            return
        work, months = self.work, self.work.field("months")
        tables = {"Book": work.wrong_book, "Drivers": work.drivers.wrong,
                  "Programmes": work.programmes.wrong, "Tenure": work.tenure.wrong}  # fmt: skip
        for name, wrong in tables.items():
            if name in self.layout.sheets:
                told = (
                    live(f"{name}: ")
                    .then(wrong)
                    .then(f" rows cannot be used; see its column acts with")
                )
                if name == "Book":
                    told = (
                        live("Book: ")
                        .then(wrong)
                        .then(" rows cannot be used; a segment more needs a new workbook")
                    )
                yield f"Rows of {name}", where(wrong.is_(0), NONE, told)
        most = self.scenario.months
        yield "Months", where(
            where(is_number(months), both(months >= 1, months <= most, whole(months).is_(months)), live(False)),
            NONE, f"Scenario: months must be a whole number, 1 to {most}; for more, make a new workbook")  # fmt: skip
        yield "Headings", self._headings()
        if work.book:
            arr = work.field("arr")
            is_arr = where(is_number(arr), arr >= 0.01, live(False))
            yield "ARR", where(is_arr, NONE, "Scenario: arr must be a number above 0")
            yield (
                "Start",
                where(
                    self.blocks[0].begins.is_("?"),
                    "Scenario: starts must be a month, such as 2026-09",
                    NONE,
                ),
            )
        else:
            yield "Customers", self._as_read()
        for block in self.blocks:
            yield (
                f"Segment {block.name.value}",
                where(block.problem.is_(NONE), NONE, block.name.then(": ").then(block.problem)),
            )
            if block.fixed:
                yield f"Accounts of {block.name.value}", self._as_written(block)
        yield "Ties", self._ties()

    def _headings(self) -> Live:
        """Whether the columns are called as they were."""
        same = []
        for name in ("Scenario", "Book", "Drivers", "Programmes", "Tenure"):
            if name in self.layout.sheets:
                for heading in HEADINGS[name]:
                    column = self.layout.sheets[name].columns[heading]
                    at = Live(f"{name}!$" + "ABCDEFGHIJ"[column] + "$1", heading)
                    same.append(at.is_(heading))
        return where(
            both(*same), NONE, "a column has another heading than it had: make a new workbook"
        )

    def _as_read(self) -> Live:
        """Whether the book is the one whose customers stand in the model."""
        work = self.work
        fields, values = work.fields, work.values
        pairs = [
            (field, value)
            for field, value in zip(fields.value[1:], values.value[1:], strict=True)
            if field != NONE and value != NONE and field not in FOLLOWED
            and not str(field).startswith(FOLLOWED_PARTS)
        ]  # fmt: skip
        names, stated = (work.listed(f"as read: {what}", [each[place] for each in pairs])
                         for place, what in enumerate(("field", "value")))  # fmt: skip
        found = []
        for place in range(len(pairs)):
            name, value = (_cell_of(each, place) for each in (names, stated))
            found.append(sum_product(exactly(fields, name) * exactly(values, value)))
        held = sum_of(work.listed("as read: there", found))
        followed = sum_product(begins_with(fields, FOLLOWED_PARTS[0]) * 1)
        for part in FOLLOWED_PARTS[1:]:
            followed = followed + sum_product(begins_with(fields, part) * 1)
        for name in FOLLOWED:
            followed = followed + sum_product(fields.is_(name) * values.is_not(NONE))
        empty = sum_product(fields.is_not(NONE) * values.is_(NONE))
        for part in FOLLOWED_PARTS:
            empty = empty - sum_product(begins_with(fields, part) * values.is_(NONE))
        rows = sum_product(fields.is_not(NONE) * 1) - 1 - followed - empty
        is_same = both(held.is_(len(pairs)), rows.is_(len(pairs)))
        is_flat = (
            live(True)
            if self.scenario.table.is_curved
            else sum_product(work.tenure.keys.is_not(NONE) * 1).is_(0)
        )
        return first_of([
            (is_same.is_(False), live("Scenario: which customers there are was changed (ledger, as_of, accounts, decided): make a new workbook")),
            (is_flat.is_(False), live("Tenure: churn by tenure was added, and the ledger's tenures are not in this workbook: make a new one")),
        ], live(NONE))  # fmt: skip

    def _as_written(self, block: Block) -> Live:
        """Whether what the levels of accounts were taken out with is as it was."""
        changed = [size_of(each - each.value) > 1e-12 for each in block.fixed]
        return where(
            either(*changed),
            "churn, price or terms were changed, and how accounts differ depends on them: ask nrrsim expect",
            NONE,
        )

    def _ties(self) -> Live:
        """Whether the movements of every month add up."""
        off = [sum_product(size_of(span(block.flows["check"][1:]))) for block in self.blocks]
        opening = [block.flows["closing"][0] for block in self.blocks]
        return where(_sum(off) <= _sum(opening) * LEAST_TIE, NONE, "the movements do not tie")

    # --- figures ------------------------------------------------------------------------------

    def _by_month(self) -> None:
        """The roll-forward of all segments, and where they stand when the scenario ends."""
        top = self.at_months
        self._say(top - 2, "Month by month, all segments")
        self._heads(top - 1, ("Month", *map(_capital, MONTHLY)))
        self.months = where(self.is_fine, self.work.field("months"), 0)
        self.months = self.page.put(
            3, 1, self.months, self.looks("count", align="right"), fixed=True
        )
        self._say(3, "Months", "label")
        cells: dict[str, list[Live]] = {name: [] for name in MONTHLY}
        if not self.blocks:
            return
        for t in range(self.scenario.months + 1):
            row = top + t
            self.page.put(row, 0, self.blocks[0].months[t], self.looks("label"))
            is_shown = both(self.is_fine, self.months >= t)
            for column, name in enumerate(MONTHLY, 1):
                parts = [block.flows[name][t] for block in self.blocks]
                if parts[0] is not None:
                    look = self.looks("customers" if name == "customers" else "money")
                    cells[name].append(
                        self.page.put(
                            row, column, where(is_shown, _sum(parts), NONE), look, fixed=True
                        )
                    )
        self.cells = cells

    def _figures(self) -> None:
        page, looks, fine = self.page, self.looks, self.is_fine
        title = self.work.field("title")
        page.put(0, 0, title if title.value else self.scenario.title, looks("title"))
        said = live("Not computed: ").then(self.problem)
        page.put(1, 0, where(fine, COMPUTED, said), looks("note"))
        red = looks("warning", text_wrap=False)
        page.sheet.conditional_format(1, 0, 1, 0, {
            "type": "text", "criteria": "begins with", "value": "Not", "format": red})  # fmt: skip
        currency = self.scenario.opening.currency
        self._heads(4, (f"ARR{f' in {currency}' if currency else ''}", *HEADS[1:]))
        flows = {}
        if self.blocks:
            closing = span(self.cells["closing"])
            flows = {"opening": nth(closing, live(1)), "closing": nth(closing, self.months + 1)}
            flows |= {name: sum_of(span(self.cells[name])) for name in (*GAINS, *LOSSES)}
            customers = span(self.cells["customers"])
            flows["logo"] = nth(customers, self.months + 1) / nth(customers, live(1))

        placed: dict[str, Live] = {}
        lines = [("opening", "Opening ARR", "money"), *((name, f"+ {text}", "money") for name, text in GAINS.items()),
                 *((name, f"- {text}", "money") for name, text in LOSSES.items()), ("closing", "Closing ARR", "money")]  # fmt: skip
        for row, (name, text, look) in enumerate(lines, 12):
            total = {"bold": True, "top": 1} if name == "closing" else {}
            what = where(fine, flows[name], NOT_COMPUTED) if flows else live(NOT_COMPUTED)
            placed[name] = self._line(row, text, what, self._told("movements", name), look, **total)
        self._say(11, "From opening to closing ARR")
        if flows:
            gains, losses = ([placed[name] for name in names] for names in (GAINS, LOSSES))
            tie = placed["opening"] + _sum(gains) - _sum(losses) - placed["closing"]
            page.put(20, 0, "Check: opening and movements less closing", looks("note"))
            page.put(20, 1, or_else(rounded(tie, 2), NOT_COMPUTED), looks("check", align="right"))

        ratios = {}
        if flows:
            losses = placed["contraction"] + placed["churn"]
            ratios = {
                "nrr": placed["closing"] / placed["opening"],
                "grr_flow": 1 - losses / placed["opening"],
            }
            ratios["logo"] = where(fine, flows["logo"], NOT_COMPUTED)
        for row, (name, text) in enumerate(RATIOS.items(), 5):
            what = or_else(ratios[name], NOT_COMPUTED) if flows else live(NOT_COMPUTED)
            placed[name] = self._line(
                row, text, what, self._told("", name), "ratio", bold=name == "nrr"
            )
        self._target(placed["nrr"])

    def _target(self, nrr: Live) -> None:
        target = self.work.field("target")
        self._say(8, "Target NRR", "label")
        self.page.put(
            8,
            1,
            where(is_number(target), target, "none stated"),
            self.looks("ratio", align="right"),
        )
        self._say(9, "Target met", "label")
        met = where(
            both(is_number(nrr), is_number(target)), where(nrr >= target, "yes", "no"), NOT_COMPUTED
        )
        self.page.put(9, 1, met, self.looks("plain", align="right", bold=True))
        self.page.put(
            9, 2, "by the mean; how likely it is, nrrsim simulate says", self.looks("note")
        )

    def _told(self, group: str, name: str) -> list[float | None]:
        """What nrrsim said of a figure when the file was written: at means, and over beliefs."""
        found = []
        for key in ("at_means", "over_beliefs"):
            told = self.answer.get(key) or {}
            inner = told.get(group, {}) if group and name not in told else told
            found.append(inner.get(name))
        return found

    def _line(
        self, row: int, text: str, what: Live, told: Sequence[float | None], look: str, **extra: Any
    ) -> Live:
        """A figure, and by how much it differs from what nrrsim said."""
        self.page.put(row, 0, text, self.looks("label", **extra))
        return self._compared(row, 1, what, told, look, **extra)

    def _compared(
        self,
        row: int,
        column: int,
        what: Live,
        told: Sequence[float | None],
        look: str,
        **extra: Any,
    ) -> Live:
        here = self.page.put(
            row, column, what, self.looks(look, align="right", **extra), fixed=True
        )
        for place, value in enumerate(told):
            at = column + 1 + 2 * place
            if value is None or not np.isfinite(value):
                self.page.put(row, at, NOT_COMPUTED, self.looks("note", align="right"))
                continue
            then = self.page.put(row, at, float(value), self.looks(look, **extra))
            off = (here - then) * 100 if look == "ratio" else here - then
            shown = self.looks("points" if look == "ratio" else "change")
            # what rounding leaves is no difference
            self.page.put(row, at + 1, or_else(rounded(off, 6), NOT_COMPUTED), shown)
        return here

    def _by_segment(self) -> None:
        top = self.at_segments
        self._say(top - 1, "By segment")
        self._heads(top, ("Segment", "NRR", *HEADS[2:], "Opening ARR", "Closing ARR"))
        for row, block in enumerate(self.blocks, top + 1):
            closing = span(block.flows["closing"])
            self.page.put(row, 0, block.name, self.looks("label"))
            opening, last = (
                self.page.put(
                    row,
                    column,
                    where(self.is_fine, what, NOT_COMPUTED),
                    self.looks("money", align="right"),
                )
                for column, what in ((6, nth(closing, live(1))), (7, nth(closing, self.months + 1)))
            )
            name = self.scenario.segments[row - top - 1]
            told = [
                ((self.answer.get(key) or {}).get("segments", {}).get(name) or {}).get("nrr")
                for key in ("at_means", "over_beliefs")
            ]
            self._compared(row, 1, or_else(last / opening, NOT_COMPUTED), told, "ratio")

    def _chart(self) -> None:
        if not self.blocks:
            return
        workbook, top = self.looks.workbook, self.at_months
        chart = workbook.add_chart({"type": "column"})
        last = top + self.scenario.months
        at = 1 + MONTHLY.index("closing")
        chart.add_series({
            "name": "ARR", "categories": [ANSWER, top, 0, last, 0], "values": [ANSWER, top, at, last, at],
            "fill": {"color": "#14213D"}, "gap": 60})  # fmt: skip
        chart.set_title(
            {
                "name": "ARR of the opening customers by month",
                "name_font": {"size": 11, "color": "#14213D"},
            }
        )
        chart.set_legend({"none": True})
        chart.set_y_axis(
            {
                "num_format": "#,##0",
                "major_gridlines": {"visible": True, "line": {"color": "#E5E7EB"}},
                "line": {"none": True},
            }
        )
        chart.set_size({"width": 500, "height": 350})
        self.page.sheet.insert_chart(
            3,
            6,
            chart,
            {
                "x_offset": 24,
                "description": "Columns: ARR of the opening customers, month by month",
            },
        )

    def _set_up(self) -> None:
        sheet = self.page.sheet
        sheet.set_column(0, 0, 38)
        sheet.set_column(1, 9, 15)
        sheet.set_row(4, 38)
        sheet.set_row(self.at_segments, 38)
        sheet.hide_gridlines(2)
        sheet.freeze_panes(5, 1)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.protect("", {"select_unlocked_cells": True, "format_columns": True})


def _sum(parts: Sequence[Live | None]) -> Live:
    found: Any = None
    for part in parts:
        if part is not None:
            found = part if found is None else found + part
    return live(0) if found is None else found


def _cell_of(column: Live, place: int) -> Live:
    """One cell of a column, by its place."""
    first = column.text.split(":")[0]
    at, _, row = first.rpartition("$")
    return Live(f"{at}${int(row) + place}", column.value[place])


def _capital(name: str) -> str:
    return name.replace("_", "-").capitalize()
