"""A checked scenario in, a workbook of its assumptions out; never computes a result.

Inputs are blue on light yellow and may be changed, rows added and sorted. Numbers keep their bits,
texts are texts: nothing becomes a formula or a link. The same scenario gives the same bytes.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nrrsim.errors import UsageError
from nrrsim.files import whole
from nrrsim.scenario.drivers import DRIVERS as ALL_DRIVERS
from nrrsim.scenario.numbers import POINT, YEARLY
from nrrsim.scenario.scenario import Scenario
from nrrsim.scenario.workbook import live
from nrrsim.scenario.workbook.rows import (
    BOOK,
    DRIVERS,
    FIGURES,
    HEADINGS,
    OUTLOOK,
    PROGRAMMES,
    SCENARIO,
    SHAPE_TEXTS,
    TENURE,
    TEXTS,
    Grid,
    Layout,
    Row,
    tables_of,
)
from nrrsim.yamlfile import Place

if TYPE_CHECKING:
    from xlsxwriter import Workbook

LONG_AGO = datetime.datetime(2000, 1, 1)  # the same inputs give the same file
LONGEST = 32_767  # of a cell's text
MOST_ROWS_WRITTEN = 40_000
FONT = {"font_name": "Arial", "font_size": 9, "valign": "top"}
INPUT = {**FONT, "font_color": "#1F4E9E", "bg_color": "#FFFBE6", "locked": False}
INPUT |= {"border": 1, "border_color": "#E5DFC5"}
FIELD, CHOICE = {**INPUT, "align": "left"}, {**INPUT, "align": "left", "indent": 1}
CHOSEN = ("term", "shape")  # words beside numbers
KEY = {**FONT, "bold": True, "font_color": "#14213D", "locked": False}
HEAD = {**FONT, "bold": True, "font_color": "#14213D", "bottom": 1}
CHOSEN_HEAD = {**HEAD, "align": "left", "indent": 1}
NUMBERS_HEAD = {**HEAD, "align": "right"}
WIDTHS = {"field": 24, "value": 60, "source": 60, "because": 40, "text": 60, "segment": 18}
WIDTHS |= {"driver": 14, "programme": 24, "number": 24, "with": 24, "shape": 16, "term": 10}
WIDTHS |= {"measure": 11}
WRAPPED = ("value", "source", "because", "text")
LINE, MOST_LINES = 12.0, 30  # the height of a line, and how many a row shows
SIGNS = 1.6  # of a line, to one of its width
PERCENT, A_YEAR, MONEY, WHOLE = "0.0##%", "0.00####", "#,##0", "0"
PLAIN, TEXT = "General", "@"
# What a field of Scenario, and of the book, is shown as; all else as text.
FORMATS = {
    "months": WHOLE,
    "target": PERCENT,
    "arr": MONEY,
    "shock": PERCENT,
    "year_effects": PERCENT,
    "customers": "#,##0",
    "share": PERCENT,
    "spread": PLAIN,
    "tenure": PLAIN,
    "correlation": "0.00##",
    "level": "0%",
    "model": PERCENT,
    "forecast": PERCENT,
}


def write_workbook(
    scenario: Scenario, path: str | Path, answer: Mapping[str, Any] | None = None
) -> None:
    """Write a scenario, with nothing left to extend, into a workbook at `path`.

    Raises as `workbook_of`, and what `files.whole` does.
    """
    made = workbook_of(scenario, Path(path), answer)
    with whole(path) as unfinished:
        unfinished.write_bytes(made)


def workbook_of(scenario: Scenario, path: Path, answer: Mapping[str, Any] | None = None) -> bytes:
    """A scenario as the workbook that is to stand at `path`, from where its ledger is seen.

    answer : what `expect` says of it, `at_means` and `over_beliefs`, for the sheets that compute.
    Raises UsageError for what no workbook can hold.
    """
    made = BytesIO()
    plain = scenario.seen_from(path.parent)
    tables = tables_of(plain)
    _refuse_what_no_cell_holds(tables, str(path))
    layout = Layout.of(tables)
    with _workbook(made) as workbook:
        workbook.set_properties({"created": LONG_AGO, "title": scenario.title})
        looks = _Looks(workbook)
        for name, rows in tables.items():
            _write_sheet(workbook.add_worksheet(name), layout.sheets[name], rows, looks)
        _add_choices(workbook, layout)
        live.write(workbook, scenario, layout, tables, answer)
    return made.getvalue()


def _workbook(made: BytesIO) -> Workbook:
    """A workbook of xlsxwriter, whose numbers are written with all their bits."""
    import xlsxwriter
    from xlsxwriter.worksheet import Worksheet

    class Exact(Worksheet):  # type: ignore[misc]
        """A sheet of numbers that are read again as they are: 16 digits are one too few."""

        def _xml_number_element(self, number: float, attributes: Any = ()) -> None:
            said = "".join(
                f' {key}="{self._escape_attributes(value)}"' for key, value in attributes
            )
            self.fh.write(f"<c{said}><v>{float(number)!r}</v></c>")

        def _prepare_formula(self, formula: str, expand_future_functions: bool = False) -> str:
            """Ours need no prefixes; to look for them takes longer than all else."""
            return formula.removeprefix("=")

    class Book(xlsxwriter.Workbook):  # type: ignore[misc]
        worksheet_class = Exact

    return Book(made, {"strings_to_formulas": False, "strings_to_urls": False})


def _refuse_what_no_cell_holds(tables: Mapping[str, list[Row]], path: str) -> None:
    """Raise UsageError for a text that is too long for a cell, or would not be one."""
    problems = []
    for sheet, rows in tables.items():
        if len(rows) > MOST_ROWS_WRITTEN:
            problems.append(
                f"{path}: {sheet} would have {len(rows):,} rows, and a workbook of assumptions"
                f" holds {MOST_ROWS_WRITTEN:,}; write YAML"
            )
        for number, row in enumerate(rows, 2):
            for heading, value in row.items():
                at = Place(path, sheet, number, HEADINGS[sheet].index(heading) + 1)
                if isinstance(value, str) and len(value.encode("utf-16-le")) > 2 * LONGEST:
                    problems.append(
                        f"{at}: a cell holds {LONGEST:,} characters, and this text has"
                        f" {len(value):,}; shorten it"
                    )
                # to the library that is a text with formats
                elif isinstance(value, str) and value.startswith("<r>") and value.endswith("</r>"):
                    problems.append(f"{at}: a text in <r> and </r> is no text in a workbook")
    if problems:
        raise UsageError("\n".join(problems[:40]))


class _Looks:
    """The formats of one workbook, each made once."""

    def __init__(self, workbook: Workbook) -> None:
        self.workbook = workbook
        self.made: dict[tuple[Any, ...], Any] = {}

    def __call__(self, base: Mapping[str, Any], number: str = PLAIN, wraps: bool = False) -> Any:
        key = (id(base), number, wraps)
        if key not in self.made:
            look = {**base, "num_format": number, "text_wrap": wraps}
            self.made[key] = self.workbook.add_format(look)
        return self.made[key]


def _write_sheet(sheet: Any, grid: Grid, rows: list[Row], looks: _Looks) -> None:
    """A sheet's headings, its rows and its spare ones, which look like them."""
    keys = 3 if grid.name == DRIVERS else 2 if grid.name in (PROGRAMMES, TENURE, OUTLOOK) else 1
    for heading, column in grid.columns.items():
        sheet.set_column(column, column, WIDTHS.get(heading, 11))
        sheet.write_string(0, column, heading, looks(_head(heading)))
    spare: list[Row] = [{}] * (grid.last - grid.filled)
    for number, row in enumerate([*rows, *spare], 1):
        if (lines := _lines_of(row)) > 1:
            sheet.set_row(number, LINE * lines)
        for heading, column in grid.columns.items():
            base = _base(grid.name, heading, column < keys and bool(row))
            value = row.get(heading)
            _write_cell(
                sheet, (number, column), value, looks(base, *_look(grid.name, row, heading))
            )
    sheet.freeze_panes(1, keys)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.print_area(0, 0, grid.filled - 1, len(grid.columns) - 1)


def _head(heading: str) -> Mapping[str, Any]:
    """The look of a heading: as what stands below it."""
    if heading in CHOSEN:
        return CHOSEN_HEAD
    return HEAD if heading in WIDTHS else NUMBERS_HEAD


def _base(sheet: str, heading: str, is_key: bool) -> Mapping[str, Any]:
    """The look of a cell, but for its number."""
    if sheet == SCENARIO and heading == "value":
        return FIELD
    if heading in CHOSEN:
        return CHOICE
    return KEY if is_key else INPUT


def _lines_of(row: Row) -> int:
    """How many lines the longest text of a row takes where it is broken: not every program that
    shows the sheet works that out.
    """
    texts = ((WIDTHS[key], each) for key, each in row.items() if key in WRAPPED)
    broken = (
        sum(math.ceil(max(len(line), 1) / (SIGNS * width)) for line in each.split("\n"))
        for width, each in texts
        if isinstance(each, str)
    )
    return min(max(broken, default=1), MOST_LINES)


def _write_cell(sheet: Any, at: tuple[int, int], value: Any, look: Any) -> None:
    if value is None or value == "":
        sheet.write_blank(*at, None, look)
    elif isinstance(value, bool):
        sheet.write_boolean(*at, value, look)
    elif isinstance(value, str):
        sheet.write_string(*at, value, look)
    else:
        sheet.write_number(*at, value, look)


def _look(sheet: str, row: Row, heading: str) -> tuple[str, bool]:
    """How a cell's number is shown, and whether its text is broken into lines."""
    if sheet == SCENARIO and heading == "value":
        first, *_, last = [*str(row.get("field", "")).split(".")] * 2
        is_text = isinstance(row.get("value"), str) or first in ("starts", "currency", "title")
        number = FORMATS.get(first) or FORMATS.get(last, PLAIN)
        if first == "year_effects" and last in ("low", "high"):
            number = PLAIN  # the shape stands in another row, and a beta's two are no shares
        return (TEXT, True) if is_text else (number, False)
    if heading in WRAPPED:
        return PLAIN, True
    if heading in ("low", "likely", "high"):
        return _number_format(sheet, row, heading), False
    return FORMATS.get(heading, PLAIN), False


def _number_format(sheet: str, row: Row, heading: str) -> str:
    """How a number or a part of a belief is shown, by what it is."""
    field, shape = str(row.get("field", "")), str(row.get("shape", ""))
    if not row or shape == SHAPE_TEXTS["beta"]:
        return PLAIN
    if sheet == PROGRAMMES:
        return {"cost": MONEY, "from": WHOLE, "ramp": WHOLE}.get(field, PERCENT)
    if sheet == TENURE:
        return PERCENT if isinstance(row.get("year"), int) else A_YEAR
    if field == "month":
        return WHOLE
    if field.startswith("season."):
        return "0.00##"
    range_ = ALL_DRIVERS[row["driver"]].fields.get(field.partition(".")[0])
    return A_YEAR if range_ in (YEARLY, POINT) else PERCENT


def _add_choices(workbook: Workbook, layout: Layout) -> None:
    """Drop-downs where only some words can stand; what else is typed is asked about."""
    fields = list(dict.fromkeys(name for nature in ALL_DRIVERS.values() for name in nature.fields))
    fields += ["size.mean", "size.sd", "month", "by_tenure", "sbg", "because"]
    fields += [f"season.{month}" for month in range(1, 13)]
    choices: dict[tuple[str, str], list[str]] = {
        (DRIVERS, "driver"): [*ALL_DRIVERS],
        (DRIVERS, "field"): fields,
        (BOOK, "term"): ["annual", "monthly"],
        (PROGRAMMES, "field"): [*ALL_DRIVERS, *FIGURES, *TEXTS],
    }
    choices |= {(name, "shape"): [*SHAPE_TEXTS.values()] for name in (DRIVERS, PROGRAMMES, TENURE)}
    # the segments of the sheet Book, as it is when somebody looks; a ledger's are its own
    if book := layout.sheets.get(BOOK):
        for name in (DRIVERS, TENURE):
            _choose(workbook, layout.sheets[name], "segment", f"={book.range('segment')}")
    for (name, heading), words in choices.items():
        if name in layout.sheets:
            _choose(workbook, layout.sheets[name], heading, words)


def _choose(workbook: Workbook, grid: Grid, heading: str, source: Any) -> None:
    """One drop-down for a column. A word that is not in it is asked about, not refused: a dotted
    field (`churn.smb`) and `all` are right, too.
    """
    column = grid.columns[heading]
    rule = {"validate": "list", "source": source, "error_type": "information"}
    rule["error_message"] = "nrrsim may not know this word."
    sheet = workbook.get_worksheet_by_name(grid.name)
    sheet.data_validation(grid.first - 1, column, grid.last - 1, column, rule)
