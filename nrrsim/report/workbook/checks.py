"""Formulas and the report's figures in, a sheet that compares them out; never corrects one.

The figures are those of `manifest.json`. What has no formula stands there with its value, and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nrrsim.metrics import DEFINITIONS
from nrrsim.movements import LOSSES
from nrrsim.report.wording.labels import STEPS
from nrrsim.report.workbook.customersheet import NAMES
from nrrsim.report.workbook.live import GROSS, NET, Formula, Live, cell, put
from nrrsim.report.workbook.rows import MOST_CUSTOMERS
from nrrsim.report.workbook.styles import Styles, set_up

SHEET = "Checks"
RATIO, MONEY = "<=1E-9", "<0.01"  # how near a figure has to be, in a formula; and to the minor unit
WORDS = {"nrr": "NRR", "grr": "GRR", "logo": "Logo retention"}
HEADS = ("Figure", "Workbook", "Report", "Difference", "Result", "How")
NOTE = (
    "Workbook: formulas. Report: the figures in manifest.json. Ratios tie to 1E-9, amounts to the"
    " minor unit. After a change in Customers, the differences show its effect on each figure."
)
NO_ROWS = "no formula: the customers' rows are not in this workbook; this is the report's value"
LESS_PRICE = "NRR less price increases"
WHY_NOT = {
    "trailing_average": "no formula: the mean of four windows, of which this workbook has one;"
    " this is the report's value",
    "compounded": "no formula: compounded, less price increases; this is the report's value",
}


@dataclass
class Checks:
    """The sheet while it is written; `row` is the next free one, counted from 0."""

    sheet: Any
    style: Styles
    live: Live
    row: int = 4
    results: list[bool] = field(default_factory=list)

    def start(self, footer: str) -> None:
        """Print set-up, and room above for what comes of the checks."""
        set_up(self.sheet, footer, heads=(0, 0))
        self.sheet.set_column(0, 0, 46)
        self.sheet.set_column(1, 3, 18)
        self.sheet.set_column(4, 4, 12)
        self.sheet.set_column(5, 9, 18)
        self.sheet.write_string(0, 0, "Checks", self.style.title)
        self.sheet.set_row(0, 22)

    def finish(self) -> tuple[str, str]:
        """Write what comes of the checks; returns the cell in which it stands, and what it says."""
        if self.live.sheet is None:
            is_large = self.live.told["number"] > MOST_CUSTOMERS
            why = f": more than {MOST_CUSTOMERS:,} customers" * is_large
            text = f"Formulas are on Summary alone{why}"
            self.sheet.write_string(1, 0, text, self.style.heading)
            return "", ""
        off = f'COUNTIF({cell(4, 4)}:{cell(self.row, 4)},"differs")'
        wrong, number = self.results.count(False), len(self.results)
        good = f"All {number} figures tie to the report"
        bad = f" of {number} figures differ from the report"
        said = f"{wrong}{bad}" if wrong else good
        text = f'=IF({off}=0,"{good}",{off}&"{bad}")'
        self.sheet.write_formula(1, 0, text, self.style.heading, said)
        self.sheet.write_string(2, 0, NOTE, self.style.note)
        return f"{SHEET}!{cell(1, 0)}", said

    def heads(self, caption: str, *texts: str) -> None:
        """A table's caption, and the headings of its columns."""
        self.sheet.write_string(self.row, 0, caption, self.style.heading)
        for column, text in enumerate(texts):
            self.sheet.write_string(self.row + 1, column, text, self.style.head(0 < column < 4))
        self.row += 2

    def check(
        self, text: str, formula: Formula | None, reported: float | None, kind: str, how: str = ""
    ) -> None:
        """A figure by its formula, beside the report's; `how` it was made, or why it was not."""
        row, look = self.row, self.style
        self.row += 1
        if self.live.sheet is None:
            formula, how = None, NO_ROWS
        middle = look(align="center")
        self.sheet.write_string(row, 0, text, look())
        self.sheet.write_string(row, 5, how, look.note)
        put(self.sheet, row, 2, Formula("", reported), look(kind), look(align="right"))
        if formula is None or not formula.text or formula.value is None or reported is None:
            put(self.sheet, row, 1, Formula("", reported), look(kind), look(align="right"))
            self.sheet.write_string(row, 4, "value", middle)
            return
        put(self.sheet, row, 1, formula, look(kind), look(align="right"))
        off, near = formula.value - reported, MONEY if kind == "money" else RATIO
        ties = abs(off) < 0.01 if near == MONEY else abs(off) <= 1e-9
        difference = f"={cell(row, 1)}-{cell(row, 2)}"
        self.sheet.write_formula(row, 3, difference, look("tiny"), off)
        result = f'=IF(ABS({cell(row, 3)}){near},"OK","differs")'
        self.sheet.write_formula(row, 4, result, middle, "OK" if ties else "differs")
        self.results.append(ties)

    # --- what is checked --------------------------------------------------------------------------

    def figures(self, record: Mapping[str, Any], now: Mapping[str, Formula]) -> None:
        """Key figures and bridge, as the Summary has them."""
        live, used = self.live, self.live.told["definition"]
        self.heads("Key figures and bridge", *HEADS)
        for name, text in WORDS.items():
            there = self._of_summary(name, now[name].value) if now[name].text else None
            how = DEFINITIONS[used].title if there else WHY_NOT.get(used, "")
            self.check(text, there, record[name], "ratio", how)

        moved = record["movements"]
        signed = {name: -moved[name] if name in LOSSES else moved[name] for name in live.parts()}
        amounts = {"opening": record["opening"], **signed, "closing": record["closing"]}
        for name, reported in amounts.items():
            there = self._of_summary(name, self._sum(name))
            self.check(f"{STEPS[name]}, cohort", there, reported, "money")
        rows = live.amount("cohort", "closing")
        what = "what the cohort's customers have at the end"
        self.check("Closing ARR, cohort, by customer", rows, record["closing"], "money", what)
        company = live.amount("company", "closing")
        self.check("Closing ARR, whole company", company, record["company_closing"], "money")
        self.row += 1

    def _sum(self, name: str) -> float:
        """What the Summary's cell comes to; its closing is the sum of opening and movements."""
        names = ["opening", *self.live.parts()] if name == "closing" else [name]
        return sum(self.live.amount("cohort", each).value or 0.0 for each in names)

    def _of_summary(self, name: str, value: float | None) -> Formula:
        return Formula(f"={self.live.at['cohort', name]}", value)

    def definitions(self, compounded: Mapping[str, Formula]) -> None:
        """NRR, GRR and logo retention under every definition."""
        self.heads("Under each definition", *HEADS)
        for told in self.live.told["definitions"]:
            name, title = told["definition"], told["title"]
            for what, text in WORDS.items():
                formula = self.live.ratio(what, name)
                if name == "compounded" and what != "logo":
                    formula = compounded.get(what)
                if name == "trailing_average" and what != "logo":
                    formula = None
                said = DEFINITIONS[name].formula if name in DEFINITIONS else LESS_PRICE
                how = said if what == "nrr" else ""
                how = WHY_NOT.get(name, "") if formula is None else how
                self.check(f"{text}, {title}", formula, told[what], "ratio", how)
        self.row += 1

    def segments(self, record: Mapping[str, Any]) -> None:
        """NRR and GRR of each segment under the report's definition."""
        assert self.live.sheet is not None
        told, amounts = self.live.told, self.live.sheet.amounts
        used, names = told["definition"], told["segments"]
        self.heads("By segment", "Segment", *HEADS[1:-1], "Ratio")
        for raw, name in names.items():
            mine = [segment == name for segment in amounts.segments] & amounts.cohort
            opening = amounts.sum("opening", mine)
            for what, terms in (("nrr", NET.get(used)), ("grr", GROSS.get(used))):
                reported = record["segments"].get(raw, {}).get(what)
                formula = None
                if terms and opening and not (told["ex_price"] and what == "nrr"):
                    known = [each for each in terms if each in amounts.columns]
                    value = sum(
                        -amounts.sum(t, mine) if t in LOSSES else amounts.sum(t, mine)
                        for t in known
                    )
                    is_mine = f"EXACT(Segment,{cell(self.row, 0)})*(Opening_ARR>0)"
                    text = "".join(
                        f"{'-' if t in LOSSES else '+'}SUMPRODUCT({is_mine}*{NAMES[t]})"
                        for t in known
                    ).removeprefix("+")
                    over = f"SUMPRODUCT({is_mine}*Opening_ARR)"
                    formula = Formula(f"=({text})/{over}", value / opening)
                self.check(name, formula, reported, "ratio", WORDS[what])
        self.row += 1
