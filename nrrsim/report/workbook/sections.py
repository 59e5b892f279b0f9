"""An executed notebook in, a sheet for each of its sections out; never runs a cell or computes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nrrsim.notation import NOTHING
from nrrsim.report.tables import AMOUNTS, CELLS, FIGURE
from nrrsim.report.wording.columns import charted
from nrrsim.report.workbook.styles import Styles, set_up

OPTION = re.compile(r"^#\| (tbl-cap|fig-cap): *\"?(.*?)\"?$", re.MULTILINE)
HEADING = re.compile(r"^# +(.+?)(?: *\{[^{}]*\})?$", re.MULTILINE)
FORBIDDEN = re.compile(r"[\[\]:*?/\\]")  # in the name of a sheet
LONGEST = 31  # characters of a sheet's name
# Charts of two dimensions: which one goes across the sheet, and what is told of both.
ACROSS = {"segment_trend": ("segment", "nrr"), "cohort_heatmap": ("age", "nrr")}
POINTS = ("points", "part")
WIDEST = 60


@dataclass(frozen=True)
class Figure:
    """The numbers of a table or chart: `heads`, `formats` and `rows`; `total`: rows in bold.

    chart : what draws it, and `columns` as it knows them; "" of a table.
    """

    caption: str
    heads: list[str]
    formats: list[str]
    rows: list[list[Any]]
    currency: str
    total: tuple[int, ...] = ()
    chart: str = ""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """What stands under one heading of the report; `name` is its sheet's."""

    heading: str
    figures: list[Figure] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The heading as a sheet can be called, cut between words."""
        plain = re.sub(" +", " ", FORBIDDEN.sub(" ", self.heading)).strip(" '") or "Section"
        if len(plain) <= LONGEST:
            return plain
        return plain[: LONGEST + 1].rpartition(" ")[0] or plain[:LONGEST]


def sections(cells: Sequence[Any]) -> list[Section]:
    """The sections of an executed notebook that have figures, in its order."""
    found = [Section("Report")]
    for cell in cells:
        outputs = [output.get("data", {}) for output in cell.get("outputs", [])]
        said = [cell.source] if cell.cell_type == "markdown" else []
        said += [bundle["text/markdown"] for bundle in outputs if "text/markdown" in bundle]
        for text in said:
            # `\#` is how a heading's text is escaped, and ``` begins what is no Markdown
            if not text.startswith("```") and (heading := HEADING.search(text)):
                found.append(Section(re.sub(r"\\(.)", r"\1", heading[1])))
        captions = [caption for _, caption in OPTION.findall(cell.source)]
        for bundle in outputs:
            for mime in {CELLS, FIGURE} & set(bundle):
                found[-1].figures.append(_figure(bundle[mime], (captions or [""])[0]))
    return [section for section in found if section.figures]


def _figure(told: dict[str, Any], caption: str) -> Figure:
    currency, total = told["currency"] or "", tuple(told.get("total", ()))
    if "chart" not in told:
        return Figure(caption, told["heads"], told["formats"], told["rows"], currency, total)
    # a chart knows its columns, and no words
    shown = charted(told["chart"], told["columns"], told["currency"])
    heads, formats = map(list, zip(*shown.values(), strict=True))
    places = [told["columns"].index(name) for name in shown]
    rows = [[row[place] for place in places] for row in told["rows"]]
    figure = Figure(caption, heads, formats, rows, currency, total, told["chart"], tuple(shown))
    return _across(figure, *ACROSS[figure.chart]) if figure.chart in ACROSS else figure


def _across(figure: Figure, name: str, of: str) -> Figure:
    """The same with a column for each value of `name`, in which `of` stands."""
    at, value = figure.columns.index(name), figure.columns.index(of)
    kept = [place for place in range(len(figure.columns)) if place not in (at, value)]
    names = list(dict.fromkeys(row[at] for row in figure.rows))
    texts = [place for place in kept if figure.formats[place] == "text"]
    lines: dict[tuple[Any, ...], tuple[list[Any], dict[Any, Any]]] = {}
    for row in figure.rows:
        key = tuple(row[place] for place in texts)
        # of numbers beside the name the first: a cohort's opening is another at an age that only a
        # part of it has reached
        lines.setdefault(key, ([row[place] for place in kept], {}))[1][row[at]] = row[value]
    return replace(
        figure,
        heads=[figure.heads[place] for place in kept] + [_head(figure.heads[at], n) for n in names],
        formats=[figure.formats[place] for place in kept] + [figure.formats[value]] * len(names),
        rows=[[*first, *map(line.get, names)] for first, line in lines.values()],
        columns=(),
    )


def _head(of: str, name: Any) -> str:
    return name if isinstance(name, str) else f"{of} {name:g}"


def write_section(sheet: Any, section: Section, style: Styles, footer: str) -> list[int]:
    """Write a section's figures below each other; returns the first row of each one's numbers."""
    set_up(sheet, footer, heads=(0, 0))
    sheet.write_string(0, 0, section.heading, style.title)
    sheet.set_row(0, 22)
    widths: dict[int, float] = {}
    places, row = [], 2
    for figure in section.figures:
        sheet.write_string(row, 0, figure.caption, style.heading)
        places.append(row + 2)
        row = _write(sheet, figure, row + 1, style, widths) + 2
    for column, width in widths.items():
        sheet.set_column(column, column, width)
    return places


def _write(sheet: Any, figure: Figure, top: int, style: Styles, widths: dict[int, float]) -> int:
    """Write a figure from row `top`; returns the row below it."""
    numbers = [
        any(_is_number(row[column]) for row in figure.rows) for column in range(len(figure.heads))
    ]
    for column, (head, is_number) in enumerate(zip(figure.heads, numbers, strict=True)):
        # what is left-aligned does not touch the numbers before it
        indent = int(column > 0 and not is_number)
        sheet.write_string(top, column, head, style.head(is_number, indent=indent))
        texts = [len(row[column]) for row in figure.rows if isinstance(row[column], str)]
        width = min(max(13, *texts, 0), WIDEST) if texts else 13
        widths[column] = max(widths.get(column, 0), width, len(head) / 2)
    for place, values in enumerate(figure.rows):
        row, look = top + 1 + place, style.total if place in figure.total else style
        for column, (value, kind) in enumerate(zip(values, figure.formats, strict=True)):
            if _is_number(value):
                # a percent sign multiplies by 100, a text such as pts does not
                shown = value * 100 if kind in POINTS else value
                shown = 0 if abs(shown) < 1e-9 else shown  # what rounding leaves of nothing
                money = {"currency": figure.currency} if kind in AMOUNTS else {}
                kind = "number" if kind == "text" else kind
                sheet.write_number(row, column, shown, look(kind, **money))
            elif value is None:
                what = "" if figure.chart else NOTHING
                sheet.write_string(row, column, what, look(align="right"))
            else:
                sheet.write_string(row, column, str(value), look(indent=int(column > 0)))
    return top + 1 + len(figure.rows)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
