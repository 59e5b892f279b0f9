"""A workbook in, the rows of the sheets that hold the ledger out; never picks one of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding, UsageError
from nrrsim.ledger.containers import Opened
from nrrsim.ledger.headings import LOOKED_THROUGH, looks_like_ledger
from nrrsim.ledger.lostcells import can_tell
from nrrsim.ledger.rows import (
    Rows,
    above_of,
    head_of,
    heading_text,
    is_blank,
    labels,
    month_in_name,
    notes_below,
    notice_of_notes,
    plain_cells,
    refuse_unseen,
)
from nrrsim.ledger.spreadsheets import Row, SheetError, Workbook

MOST_NAMED = 20  # sheets in one message
FEW_AMOUNTS = 3  # rows of amounts that a summary has at the least


def read_workbook(file: Opened, sheet: str | None) -> list[Rows]:
    """The rows of the sheets of a workbook that hold the ledger: of `sheet` where it is named.

    Raises DataError for what is none, or is to be asked, UsageError for a sheet that is not there.
    """
    if text := _text_in(file.path):
        problem = f"cannot be read as a spreadsheet: it is {text}"
        remedy = "give it the ending .csv, or open it and save it as .xlsx"
        raise DataError([Finding(file.name, 0, problem, remedy)])
    try:
        with Workbook(file.path) as book:
            names, said = _chosen(book, file.name, sheet)
            found = [_rows_of_sheet(file, name, book.rows(name), len(names) > 1) for name in names]
    except SheetError as error:
        raise DataError(
            [Finding(file.name, 0, f"cannot be read as a spreadsheet: {error}")]
        ) from None
    found[0] = replace(found[0], taken=(*file.taken, *said, *found[0].taken))
    return found


def _text_in(path: Path) -> str:
    """What kind of text a file is; empty where it is none. Some exports call one .xls."""
    with path.open("rb") as raw:
        start = raw.read(512)
    if not start or start[:2] == b"PK" or not start.isascii() or b"\0" in start:
        return ""
    return "a web page" if start.lstrip()[:1] == b"<" else "text"


def _rows_of_sheet(file: Opened, sheet: str, full: list[Row], is_one_of_several: bool) -> Rows:
    name = f"{file.name}, sheet {sheet}" if is_one_of_several else file.name
    full = [(number, cells) for number, cells in full if not is_blank(cells)]
    if not full:
        raise DataError([Finding(name, 1, "the sheet is empty", "its first row names the columns")])
    head = head_of(full)
    rest = full[head.index + 1 :]
    notes = [*rest[len(rest) - notes_below(rest, len(head.cells)) :]]
    rest = rest[: len(rest) - len(notes)]
    # a column without a heading and without a cell is none: it lies before one that stands far out
    written = [heading_text(cell) for cell in head.cells]
    used = [
        column
        for column, heading in enumerate(written)
        if heading or any(row[column] != "" for _, row in rest)
    ]
    headings = [written[column] for column in used]
    refuse_unseen(headings, name, head.line)
    cells = [[row[column] for column in used] for _, row in rest]
    frame = pd.DataFrame(cells, columns=pd.Index(labels(headings)), dtype=object)
    frame = frame.mask(frame == "", None)
    numbers = np.array([number for number, _ in rest], dtype=np.int64)
    frame, notices = plain_cells(frame, name)
    if not can_tell(file.path) and _has_gaps(frame):
        problem = f"the sheet {sheet} has empty cells among its numbers"
        remedy = "in this kind of workbook an error such as #REF! looks like one; save it as .xlsx"
        notices += (Finding(name, 0, problem, remedy),)
    return Rows(
        name,
        frame,
        lambda: numbers,
        notices=(*notices, *notice_of_notes(name, notes)),
        headings=tuple(headings),
        above=above_of(head, used),
        sheet=sheet,
        taken=head.taken,
        typed=True,
        heading_line=head.line,
    )


def _has_gaps(frame: pd.DataFrame) -> bool:
    """Whether a column with numbers has an empty cell."""
    gaps = frame.columns[frame.isna().any().to_numpy(bool)]
    return any(isinstance(cell, int | float) for column in gaps for cell in frame[column].dropna())


# --- which of the sheets -------------------------------------------------------------------------


def _chosen(book: Workbook, name: str, sheet: str | None) -> tuple[list[str], tuple[str, ...]]:
    """The sheets to read, and what is said of the choice.

    The one that is named; else the only one that looks like a ledger; else all whose names are
    months; else the first. Raises UsageError for a sheet that is not there, DataError with the
    question where two may be meant.
    """
    names = [each.name for each in book.sheets]
    if sheet is not None:
        if sheet not in names:
            raise UsageError(f"{name}: there is no sheet {sheet}; its sheets: {', '.join(names)}")
        return [sheet], ()
    if len(names) == 1:
        return names, ()

    heads = _heads(book, name)
    visible = [each.name for each in book.sheets if each.is_visible]
    for among in (visible, names):
        ledgers = [each for each in among if looks_like_ledger(heads[each])]
        if ledgers:
            break
    # one that is headed in another way is a month, too: what is wrong with it will be said
    months = [each for each in visible if heads[each] and month_in_name(each) is not None]
    if len(months) > 1 and (not ledgers or {*months} & {*ledgers}):
        others = [each for each in ledgers if each not in months]
        if others:
            problem = f"{_and(others)} may be the ledger, or the {len(months)} sheets of a month"
            remedy = f"say which with {_options(others)}, or take it out to read the months"
            raise _question(name, problem, remedy, others)
        return months, _said_of_months(months, names)
    if len(ledgers) > 1:
        problem = f"the sheets {_and(ledgers)} each look like a ledger"
        raise _question(name, problem, f"say which with {_options(ledgers)}", ledgers)
    if not ledgers:
        first = (visible or names)[0]
        return [first], (f"the first sheet, {first}, is read: none looks like a ledger",)

    [ledger] = ledgers
    if visible and ledger != visible[0] and _is_summary(heads[visible[0]]):
        choices = [ledger, visible[0]]
        problem = f"the first sheet, {visible[0]}, looks like a summary, and {ledger} like a ledger"
        raise _question(name, problem, f"say which with {_options(choices)}", choices)
    others = [each for each in names if each != ledger]
    return [ledger], (
        f"the sheet {ledger} is read, and not {_and(others)}: it alone looks like a ledger",
    )


def _heads(book: Workbook, name: str) -> dict[str, list[list[Any]]]:
    """The first rows of each sheet."""
    found: dict[str, list[list[Any]]] = {}
    for each in book.sheets:
        try:
            found[each.name] = [cells for _, cells in book.rows(each.name, LOOKED_THROUGH)]
        except SheetError as error:
            known = [other.name for other in book.sheets if other != each]
            problem = f"the sheet {each.name} cannot be looked at: {error}"
            raise _question(name, problem, f"or say which with {_options(known)}", known) from None
    return found


def _question(name: str, problem: str, remedy: str, choices: Sequence[str]) -> DataError:
    return DataError([Finding(name, 0, problem, remedy, option="sheet", choices=tuple(choices))])


def _said_of_months(months: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    said = f"{len(months)} sheets are read as a month each, from {months[0]} to {months[-1]}"
    others = [each for each in names if each not in months]
    return (f"{said}, and not {_and(others)}" if others else said,)


def _and(names: Sequence[str]) -> str:
    shown = [
        *names[:MOST_NAMED],
        *([f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []),
    ]
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _options(names: Sequence[str]) -> str:
    words = [f'"{name}"' if " " in name else name for name in names[:MOST_NAMED]]
    return " or ".join(f"--sheet {word}" for word in words)


def _is_summary(head: Sequence[Sequence[Any]]) -> bool:
    """Whether a sheet has amounts in several rows below each other, under a row of headings."""
    for above, *below in (head[at : at + 1 + FEW_AMOUNTS] for at in range(len(head) - FEW_AMOUNTS)):
        for column, heading in enumerate(above):
            if not isinstance(heading, str | date) or heading == "":
                continue
            if all(_is_number(row[column]) and any(map(_is_text, row)) for row in below):
                return True
    return False


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _is_text(cell: object) -> bool:
    return isinstance(cell, str) and bool(cell.strip())
