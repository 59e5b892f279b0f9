"""A workbook of assumptions in, the document that it states out; never computes a formula.

Headings stand in row 1, in any order; what stands in other columns and on other sheets is not read.
A formula counts with its saved value. Hidden rows count, as they do in the workbook's own formulas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nrrsim.errors import UsageError, did_you_mean
from nrrsim.ledger.containers import SPREADSHEETS as WORKBOOKS
from nrrsim.ledger.lostcells import NO_VALUE, Lost, can_tell
from nrrsim.ledger.spreadsheets import BROKEN, SheetError, Workbook
from nrrsim.ledger.spreadsheets import Row as Cells
from nrrsim.messages import shown
from nrrsim.scenario.workbook.rows import (
    BOOK,
    COMPUTED_HEADINGS,
    COMPUTED_SHEETS,
    DRIVERS,
    HEADINGS,
    SCENARIO,
)
from nrrsim.scenario.workbook.stated import Line, document_of, refuse_all
from nrrsim.yamlfile import Document, Place, read_yaml, refuse_no_file

NO_XML = (".xls", ".xlsb")  # which are refused in words
SCENARIO_FILES = (".yaml", ".yml", ".xlsx", ".xlsm", ".ods")  # what a scenario may stand in
ONE_SHEET = (".csv", ".tsv", ".txt")  # what is left of a workbook that is saved as one
DAMAGED = "it is empty or damaged; open it in Excel and save it, or make it anew (nrrsim scenario)"
MOST_ROWS = 50_000  # of a sheet that people may have written
MOST_BYTES = 100_000_000
LOST = {
    NO_VALUE: "holds a formula without a saved value; open the workbook in Excel, save it, and try"
    " again"
}


def is_workbook(path: str | Path) -> bool:
    """Whether a file is called as a workbook is."""
    return Path(path).suffix.lower() in WORKBOOKS


def holds_a_scenario(path: str | Path) -> bool:
    """Whether a file is a workbook with a sheet of assumptions in it; a ledger's has none."""
    if not (is_workbook(path) and Path(path).is_file()):
        return False
    try:
        with Workbook(Path(path)) as book:
            is_there = SCENARIO in (sheet.name for sheet in book.sheets)
            first = _headings(book.rows(SCENARIO, 1)) if is_there else []
    except SheetError:
        return False
    return set(HEADINGS[SCENARIO]) <= {said.casefold() for said in first}


def read_stated(path: str | Path) -> Document:
    """What a scenario's file states, a workbook or YAML, with the place of each value.

    Raises UsageError with everything that stands at a wrong place.
    """
    if Path(path).suffix.lower() in ONE_SHEET and Path(path).is_file():
        raise UsageError(
            f"{path}: holds one table, and a scenario is YAML or a workbook; save the workbook as"
            " .xlsx, with all of its sheets"
        )
    return read_workbook(path) if is_workbook(path) else read_yaml(path, "scenario")


def read_workbook(path: str | Path) -> Document:
    """What a workbook states, its values as YAML would have them; their places are cells."""
    sheets, others = _sheets(Path(path), [*HEADINGS])
    _refuse_missing(str(path), sheets)
    problems: list[tuple[Place, str]] = []
    tables = {
        name: _lines(str(path), name, rows, problems)
        for name, rows in sheets.items()
        if name in HEADINGS
    }
    refuse_all(problems)
    _refuse_partial(str(path), tables)
    return replace(document_of(tables, str(path)), notices=_of_copies(str(path), others))


def beside(path: str | Path) -> list[str]:
    """What a workbook holds that is not read: its own sheets, and columns beside ours."""
    sheets, _ = _sheets(Path(path), None)
    own = [f"sheet {name}" for name in sheets if name not in HEADINGS]
    for name in HEADINGS:
        heads = _headings(sheets.get(name, []))
        known = (*HEADINGS[name], *COMPUTED_HEADINGS, "arr")
        own += [f"column {said} of {name}" for said in heads if said.casefold() not in known]
    return own


def _of_copies(path: str, others: list[str]) -> tuple[str, ...]:
    """That a sheet called as a copy of one of ours is not read: its cells move nothing."""
    return tuple(
        f"{path}: the sheet {shown(name)} is not read; what {ours} says counts"
        for name in others
        for ours in HEADINGS
        if name.casefold().startswith(ours.casefold())
    )


def _sheets(path: Path, wanted: list[str] | None) -> tuple[dict[str, list[Cells]], list[str]]:
    """The rows of the wanted sheets (None: of all that are not computed) that hold anything; where
    one is missing, the headings of all others, too. And the names of the others.
    """
    _refuse_what_is_none(path)
    try:
        with Workbook(path) as book:
            if not can_tell(path):
                raise SheetError("it is no .xlsx, whatever its ending; open it and save it as one")
            names = [each.name for each in book.sheets if each.name not in COMPUTED_SHEETS]
            ours = names if wanted is None else [name for name in names if name in wanted]
            found = {name: book.rows(name) for name in ours}
            if len(ours) < len(wanted or ours):
                found |= {name: book.rows(name, 1) for name in names if name not in found}
    except SheetError as error:
        said = str(error).replace(BROKEN, DAMAGED)  # no remedy of a ledger's table
        raise UsageError(f"{path}: cannot be read: {said}") from None
    return found, [name for name in names if name not in ours]


def _refuse_what_is_none(path: Path) -> None:
    """Raise UsageError for what is no file of a workbook at all."""
    refuse_no_file(path, "scenario")
    if path.suffix.lower() in NO_XML:
        raise UsageError(
            f"{path}: of this kind of workbook one cannot tell whether its formulas are up to date;"
            " open it in Excel and save it as .xlsx"
        )
    if path.stat().st_size > MOST_BYTES:
        raise UsageError(f"{path}: is larger than 100 MB; no scenario is, so look at what it is")


def _headings(rows: list[Cells]) -> list[str]:
    """The texts of the first row of a sheet; none where nothing stands in it."""
    first = rows[0] if rows else (0, [])
    return [cell for cell in first[1] if isinstance(cell, str) and cell] if first[0] == 1 else []


def _refuse_missing(path: str, sheets: Mapping[str, list[Cells]]) -> None:
    """Raise UsageError where it is no scenario, or a sheet of ours has another name."""
    for name, headings in HEADINGS.items():
        others = [other for other in sheets if other not in HEADINGS]
        for other in others if name not in sheets else ():
            said = {each.casefold() for each in _headings(sheets[other])}
            if set(headings) <= said or other.casefold() == name.casefold():
                raise UsageError(
                    f"{path}: its sheet {other} looks like {name}, and is not called so; call it"
                    f" {name}, or change its headings"
                )
    if SCENARIO not in sheets:
        raise UsageError(
            f"{path}: holds no scenario, as it has no sheet {SCENARIO}; `nrrsim scenario` writes"
            " such workbooks"
        )


def _refuse_partial(path: str, tables: Mapping[str, list[Line]]) -> None:
    """Raise UsageError where a sheet is not there without which nothing would be believed."""
    fields = {str(line.get("field")).casefold() for line in tables[SCENARIO]}
    if "extends" in fields:
        return
    needed = [DRIVERS] if "ledger" in fields else [BOOK, DRIVERS]
    if missing := [name for name in needed if name not in tables]:
        raise UsageError(
            f"{path}: has no sheet {' and no sheet '.join(missing)}; `nrrsim scenario` writes a"
            " workbook that has them"
        )


def _lines(
    path: str, sheet: str, rows: list[Cells], problems: list[tuple[Place, str]]
) -> list[Line]:
    """The rows of a sheet by heading; what is wrong with headings and single cells is noted."""
    columns = _columns(path, sheet, rows, problems)
    if len(rows) > MOST_ROWS:
        at = Place(path, sheet, rows[MOST_ROWS][0], 1)
        problems.append((at, f"has more than {MOST_ROWS:,} rows; no scenario has: delete the rest"))
        return []
    lines = []
    for number, row in rows:
        cells = {
            heading: row[column]
            for heading, column in columns.items()
            if column < len(row) and row[column] != ""
        }
        if number == 1 or not cells:
            continue
        places = {
            heading: Place(path, sheet, number, column + 1) for heading, column in columns.items()
        }
        for heading, value in cells.items():
            if isinstance(value, Lost):
                said = LOST.get(value, f"holds the error {value}; mend its formula, and save it")
                problems.append((places[heading], said))
        lines.append(Line(cells, places))
    return lines


def _columns(
    path: str, sheet: str, rows: list[Cells], problems: list[tuple[Place, str]]
) -> dict[str, int]:
    """Where each heading stands, from 0; all must be there, each once, in row 1."""
    first: list[Any] = rows[0][1] if rows and rows[0][0] == 1 else []
    columns: dict[str, int] = {}
    said = [cell.casefold() if isinstance(cell, str) else "" for cell in first]
    known = list(HEADINGS[sheet])
    if sheet == BOOK and "arr" in said and "share" not in said:
        known[known.index("share")] = "arr"
    for heading in known:
        found = [place for place, cell in enumerate(said) if cell == heading]
        if len(found) == 1:
            columns[heading] = found[0]
        elif found:
            at = Place(path, sheet, 1, found[1] + 1)
            problems.append((at, f"the heading {heading} stands twice; keep one of them"))
        else:
            others = [cell for cell in said if cell and cell not in known]
            near = did_you_mean(heading, others) if others else ""
            hint = f"; {near.replace('did you mean', 'is it')}" if near.endswith("?") else ""
            problem = f"the heading {heading} is missing in row 1{hint}"
            problems.append((Place(path, sheet, 1, 1), problem))
    return columns
