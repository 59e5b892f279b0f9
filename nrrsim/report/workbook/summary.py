"""A window's formulas in, the sheet that is looked at first out; never a customer's row.

A workbook whose notebook left no customers has a summary, too: title, key figures as they are
printed, and what stands in which sheet.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Any

from xlsxwriter.utility import quote_sheetname

from nrrsim.metrics import DEFINITIONS
from nrrsim.months import parse_month
from nrrsim.notation import month_name
from nrrsim.report.tables import GREY, NAVY, RULE, TEAL
from nrrsim.report.wording.labels import STEPS, span
from nrrsim.report.workbook.live import Formula, Live, cell, put
from nrrsim.report.workbook.sections import Figure
from nrrsim.report.workbook.styles import BRICK, Styles, number_code, set_up

SHEET = "Summary"
CHARTS_AT, CHART_NUMBERS = 5, 16  # columns; the numbers of the bridge's chart are not printed
WIDTH, HEIGHT, CHART_ROWS = 620, 300, 17  # of a chart, in pixels and in rows
FONT = {"name": "Arial", "size": 8}
QUIET = {
    "num_font": FONT,
    "line": {"none": True},
    "major_gridlines": {"visible": True, "line": {"color": RULE}},
}
RATIOS = {
    "nrr": "Net revenue retention (NRR)",
    "grr": "Gross revenue retention (GRR)",
    "logo": "Logo retention",
}


@dataclass(frozen=True)
class Step:
    """A step of a bridge: its name, the cell of its amount, and the amount."""

    name: str
    place: str
    amount: float


@dataclass
class Summary:
    """The sheet while it is written; `row` is the next free one, counted from 0."""

    workbook: Any
    sheet: Any
    style: Styles
    row: int = 0
    has_trend: bool = False

    def front(self, said: Mapping[str, Any], live: Live | None, footer: str) -> None:
        """Title, company, period, definition and currency."""
        set_up(self.sheet, footer, heads=(0, 0), pages=1)
        self.sheet.set_column(0, 0, 48)
        self.sheet.set_column(1, 3, 19)
        self.sheet.set_column(4, 4, 3)
        self.sheet.set_column(CHART_NUMBERS, CHART_NUMBERS + 6, 14)
        self.sheet.write_string(0, 0, str(said.get("title") or "Report"), self.style.title)
        self.sheet.set_row(0, 22)
        lines = {"Company": said.get("company"), "Report": said.get("subtitle")}
        if live is not None:
            start, end = live.told["months"][0], live.told["months"][-1]
            used = DEFINITIONS[live.told["definition"]]
            less = ", less price increases" if live.told["ex_price"] else ""
            months = parse_month(end, "as_of") - parse_month(start, "start")
            money = live.told["currency"]
            lines |= {
                "Period": f"{span(months)} ended {_last_day(end)}",
                "Definition of NRR": f"{used.title}: {used.formula}{less}",
                "Amounts": f"ARR in {money}" if money else "ARR; the ledger states no currency",
            }
        lines["Confidentiality"] = said.get("confidentiality")
        self.row = 1
        for name, text in lines.items():
            if text:
                self.sheet.write_string(self.row, 0, name, self.style.note)
                self.sheet.write_string(self.row, 1, str(text), self.style())
                self.row += 1
        self.row += 1

    def heads(self, caption: str, *texts: str, is_text: bool = False) -> None:
        """A table's caption, and the headings of its columns."""
        self.sheet.write_string(self.row, 0, caption, self.style.heading)
        for column, text in enumerate(texts):
            look = self.style.head(column > 0 and not is_text)
            self.sheet.write_string(self.row + 1, column, text, look)
        self.row += 2

    def line(self, text: str, *cells: tuple[Formula | None, str], is_total: bool = False) -> None:
        """A row of a table: its name, and formulas with the kind that each is shown as."""
        look = self.style.total if is_total else self.style
        self.sheet.write_string(self.row, 0, text, look())
        for column, (formula, kind) in enumerate(cells, 1):
            put(self.sheet, self.row, column, formula, look(kind), look(align="right"))
        self.row += 1

    # --- with formulas ----------------------------------------------------------------------------

    def bridge(self, live: Live) -> list[Step]:
        """From opening to closing ARR, cohort and company; returns the cohort's steps."""
        heads = ("Movement", "Cohort", "Share of opening", "Whole company")
        self.heads("From opening to closing ARR", *heads)
        columns, first = {"cohort": 1, "company": 3}, self.row
        base, level = live.amount("cohort", "opening").value, dict.fromkeys(columns, 0.0)
        for name in ("opening", *live.parts(), "closing"):
            # closing is what the cells above it add up to
            moved = {
                who: Formula(f"=SUM({cell(first, at)}:{cell(self.row - 1, at)})", level[who])
                if name == "closing"
                else live.amount(who, name)
                for who, at in columns.items()
            }
            level = {who: level[who] + (moved[who].value or 0.0) for who in level}
            text = f"={cell(self.row, 1)}/{cell(first, 1)}"
            share = Formula(text, (moved["cohort"].value or 0.0) / base) if base else None
            cells = ((moved["cohort"], "money"), (share, "percent"), (moved["company"], "money"))
            self.line(STEPS[name], *cells, is_total=name in ("opening", "closing"))
            for who, at in columns.items():
                live.at[who, name] = f"{SHEET}!{cell(self.row - 1, at)}"
        self.row += 1
        # of a cohort nobody is new
        steps = [name for name in live.parts() if name != "new"]
        amounts = (live.amount("cohort", name).value or 0.0 for name in steps)
        places = (live.at["cohort", name] for name in steps)
        return [*map(Step, map(STEPS.__getitem__, steps), places, amounts)]

    def behind(self, live: Live) -> None:
        """The other amounts that the ratios are made of."""
        stays_out = live.told["definition"] == "stays_out"
        self.heads("What the ratios are made of", "", "Cohort")
        amounts = {"retained": "Retained: each customer at no more than its opening ARR"}
        if stays_out:
            amounts |= {
                "stayed": "Closing ARR of customers never at zero",
                "stayed_retained": "Retained ARR of customers never at zero",
            }
        counts = {
            "opening_customers": "Customers at the start",
            "customers": "Of these, still customers",
        }
        if stays_out:
            counts["stayed_customers"] = "Of these, never at zero"
        for name, text in {**amounts, **counts}.items():
            kind = "money" if name in amounts else "count"
            self.line(text, (live.amount("cohort", name), kind))
            live.at["cohort", name] = f"{SHEET}!{cell(self.row - 1, 1)}"
        self.row += 1

    def key_rows(self, live: Live) -> int:
        """How many rows the key figures take."""
        return 4 + len(RATIOS) + 2 * (live.told["target"] is not None)

    def verdict(self, place: str, said: str) -> None:
        """What comes of the checks, below the key figures."""
        if place:
            self.sheet.write_formula(self.row, 0, f"={place}", self.style.note, said)

    def key_figures(self, live: Live, now: Mapping[str, Formula]) -> None:
        """The ratios, with those of the last report, and the target."""
        told, top = live.told, self.row + 2
        before = told["before"] or {}
        self.heads("Key figures", "", "Now", told["last_report"] if before else "Before", "Change")
        for name, text in RATIOS.items():
            past, change = before.get(name), None
            if past is not None and now[name].value is not None:
                difference = f"=({cell(self.row, 1)}-{cell(self.row, 2)})*100"
                change = Formula(difference, (now[name].value - past) * 100)
            text += "" if now[name].text else ", value of the report"
            cells = ((now[name], "percent"), (Formula("", past), "percent"), (change, "points"))
            self.line(text, *cells, is_total=name == "nrr")
            live.at["cohort", name] = f"{SHEET}!{cell(self.row - 1, 1)}"
        if (target := told["target"]) is not None:
            self.line("Target", (Formula("", target), "percent"))
            if now["nrr"].value is not None:
                gap = f"=({cell(top, 1)}-{cell(self.row - 1, 1)})*100"
                self.line(
                    "NRR vs target", (Formula(gap, (now["nrr"].value - target) * 100), "points")
                )

    # --- charts -----------------------------------------------------------------------------------

    def bridge_chart(self, steps: Sequence[Step], kind: str, title: str, top: int) -> None:
        """Steps as bars, each from where the one before it ends, and their sum; from row `top`.

        A bar that crosses zero is two, one above and one below; what holds them up has no colour.
        kind : that of the numbers along the axis.
        """
        at, first, number = CHART_NUMBERS, top + 1, self.style("number", font_color=GREY)
        heads = ("For the chart", "From", "To", "Up to", "Above zero", "Down to", "Below zero")
        for column, head in enumerate(heads):
            self.sheet.write_string(top, at + column, head, self.style.note)
        bars, level, net = [], 0.0, first + len(steps)
        for row, step in enumerate([*steps, None], first):
            begin, end = (level, level + step.amount) if step else (0.0, level)
            low, high, level = min(begin, end), max(begin, end), end
            a, b, before = cell(row, at + 1), cell(row, at + 2), cell(row - 1, at + 2)
            self.sheet.write_string(row, at, step.name if step else "Net change", self.style.note)
            cells = (
                (f"={before}" if step and row > first else "=0", begin),
                (f"={a}+{step.place}" if step else f"={before}", end),
                (f"=MAX(0,MIN({a},{b}))", max(0.0, low)),
                (f"=MAX(0,MAX({a},{b}))-{cell(row, at + 3)}", max(0.0, high) - max(0.0, low)),
                (f"=MIN(0,MAX({a},{b}))", min(0.0, high)),
                (f"=MIN(0,MIN({a},{b}))-{cell(row, at + 5)}", min(0.0, low) - min(0.0, high)),
            )
            for column, (text, value) in enumerate(cells, at + 1):
                self.sheet.write_formula(row, column, text, number, value)
            colour = NAVY if step is None else TEAL if step.amount >= 0 else BRICK
            bars.append({"fill": {"color": colour}})
        chart = self.workbook.add_chart({"type": "column", "subtype": "stacked"})
        unseen = {"fill": {"none": True}, "border": {"none": True}}
        for column in (3, 4, 5, 6):
            chart.add_series(
                {
                    "name": heads[column],
                    "categories": [SHEET, first, at, net, at],
                    "values": [SHEET, first, at + column, net, at + column],
                    "gap": 40,
                    **({"points": bars} if column in (4, 6) else unseen),
                }
            )
        _plain(chart, title)
        chart.set_x_axis({"label_position": "low", "num_font": FONT, "line": {"color": GREY}})
        chart.set_y_axis({"num_format": number_code(kind, self.style.currency), **QUIET})
        what = f"Columns: {title}. The numbers stand in a table of this workbook."
        self.sheet.insert_chart(top, CHARTS_AT, chart, {"description": what})

    def trend_chart(self, sheet: str, figure: Figure, first: int, top: int) -> None:
        """NRR and GRR of the last reports as lines, from the numbers on a section's sheet."""
        last, chart = first + len(figure.rows) - 1, self.workbook.add_chart({"type": "line"})
        period = figure.columns.index("period")
        for name, colour in (("nrr", NAVY), ("grr", TEAL)):
            column = figure.columns.index(name)
            chart.add_series(
                {
                    "name": figure.heads[column],
                    "categories": [sheet, first, period, last, period],
                    "values": [sheet, first, column, last, column],
                    "line": {"color": colour, "width": 2},
                    "marker": {
                        "type": "circle" if name == "nrr" else "diamond",
                        "size": 6,
                        "fill": {"color": colour},
                        "border": {"color": colour},
                    },
                }
            )
        _plain(chart, "NRR and GRR by period", legend={"position": "top", "font": FONT})
        values = [row[figure.columns.index(n)] for row in figure.rows for n in ("nrr", "grr")]
        low = min((each for each in values if each is not None), default=0.0)
        chart.set_x_axis({"num_font": FONT, "label_position": "low"})
        chart.set_y_axis({"num_format": "0%", "min": floor(low * 20 - 0.5) / 20, **QUIET})
        what = "Lines of NRR and GRR by period; the sheet of the section states them."
        self.sheet.insert_chart(top, CHARTS_AT, chart, {"description": what})
        self.has_trend = True

    # --- without ----------------------------------------------------------------------------------

    def printed(self, figures: Sequence[Figure]) -> None:
        """Key figures as they are printed."""
        for figure in figures:
            self.heads("Key figures", *figure.heads, is_text=True)
            for values in figure.rows:
                for column, value in enumerate(values):
                    self.sheet.write_string(self.row, column, str(value), self.style())
                self.row += 1
            self.row += 1

    def contents(self, sheets: Mapping[str, str]) -> None:
        """A link to each sheet, and what stands in it."""
        self.heads("In this workbook", "Sheet", "What it holds", is_text=True)
        for name, what in sheets.items():
            place = f"internal:{quote_sheetname(name)}!A1"
            self.sheet.write_url(self.row, 0, place, self.style.link, string=name)
            self.sheet.write_string(self.row, 1, what, self.style.note)
            self.row += 1
        self.sheet.print_area(0, 0, max(self.row, 2 * CHART_ROWS + 8), CHART_NUMBERS - 2)


def _plain(chart: Any, title: str, legend: Mapping[str, Any] | None = None) -> None:
    """A chart's title and size, without a frame."""
    look = {"name": "Arial", "size": 10, "bold": True, "color": NAVY}
    chart.set_title({"name": title, "name_font": look, "overlay": False})
    chart.set_legend(legend or {"none": True})
    chart.set_chartarea({"border": {"none": True}})
    chart.set_size({"width": WIDTH, "height": HEIGHT})


def _last_day(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{monthrange(year, number)[1]} {month_name(month)}"


def steps_of(figure: Figure, sheet: str, first: int) -> list[Step]:
    """The steps of a bridge that a section's sheet states from row `first`, its ends left out."""
    name, amount = figure.columns.index("step"), figure.columns.index("amount")
    return [
        Step(str(row[name]), f"{quote_sheetname(sheet)}!{cell(first + place, amount)}", row[amount])
        for place, row in enumerate(figure.rows)
        if 0 < place < len(figure.rows) - 1
    ]
