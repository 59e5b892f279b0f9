"""A workbook in, the cells of its sheets out; never takes this process along where it is damaged.

Sheets are read in a process of its own, with bounds: one cell in a sheet's last corner asks for
hundreds of gigabytes, and a damaged file may end whoever reads it.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nrrsim.ledger.lostcells import Lost, lost_cells

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

MOST_MEMORY = 4 * 2**30  # bytes for one sheet: a million rows of thirty columns need half of it
MOST_UNPACKED = 4 * 2**30  # bytes of a workbook's parts, unpacked
MOST_SECONDS = 600  # of a processor
MOST_ROWS, MOST_COLUMNS = 2**20, 2**14  # a sheet's, in every program that writes them
ROWS_AT_ONCE = 10_000
MOST_LOOKED_AT = 1_000  # rows of a sheet's XML, where only its first ones are asked for
BROKEN = (
    "it is damaged, or a cell stands far outside the table; open it, delete the rows and columns"
    " around the table and save it again, or save the sheet as CSV UTF-8"
)
READER = (sys.executable, "-P", "-c", "from nrrsim.ledger.spreadsheets import answer; answer()")
Row = tuple[int, list[Any]]


class SheetError(Exception):
    """What is wrong with a workbook; it cannot be read, or a sheet of it cannot."""


class Sheet(NamedTuple):
    """One sheet of cells: charts are none."""

    name: str
    is_visible: bool


class Workbook:
    """A workbook that is open: its `sheets`, and the rows of each.

    Its rows are those that hold anything, with their numbers. A cell is text, a number, true or
    false, a date, a time or a duration, "" where it is empty, and Lost where its value is. Raises
    SheetError for what cannot be read. Use it as a context: it is a process.
    """

    def __init__(self, path: Path) -> None:
        _refuse_bombs(path)
        # the same imports as here, and none from the folder that one stands in
        own = str(Path(__file__).parents[2])
        places = os.pathsep.join([own, *filter(None, map(str, sys.path))])
        self._reader = subprocess.Popen(
            [*READER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": places},
        )
        try:
            [self.sheets] = self._asked(None, None)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Workbook:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.kill()
        with self._reader:
            pass

    def rows(self, sheet: str, most: int | None = None) -> list[Row]:
        """The rows of a sheet that hold anything, or the first so many of them."""
        return [row for batch in self._asked(sheet, most) for row in batch]

    def _asked(self, sheet: str | None, most: int | None) -> Iterator[Any]:
        """What the other process answers, batch by batch; raises the SheetError that it met."""
        question, answers = self._reader.stdin, self._reader.stdout
        assert question is not None
        assert answers is not None
        try:
            pickle.dump((sheet, most), question)
            question.flush()
            while (batch := pickle.load(answers)) is not None:
                if isinstance(batch, str):
                    raise SheetError(batch)
                yield batch
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            raise SheetError(BROKEN) from None


def _refuse_bombs(path: Path) -> None:
    """Raise SheetError for a workbook that unpacks to more than any, or whose sums are wrong."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
            if unpacked > MOST_UNPACKED:
                raise SheetError(f"unpacked it has {unpacked / 2**30:,.0f} GB; {BROKEN}")
            # a flipped bit may leave a readable sheet with another number: the sums tell
            if packed.testzip() is not None:
                raise SheetError(BROKEN)
    except SheetError:
        raise
    except Exception:  # of what is damaged each part of the archive may fail in its own way
        raise SheetError(BROKEN) from None


# --- the other process ----------------------------------------------------------------------------


def answer() -> None:
    """Read what is asked for on stdin of the workbook that the command line names, in bounds."""
    asked, to_parent = sys.stdin.buffer, sys.stdout.buffer
    _stay_small()
    path = sys.argv[1]
    try:
        while True:
            sheet, most = pickle.load(asked)
            try:
                for batch in _sheets(path) if sheet is None else _batches(path, sheet, most):
                    pickle.dump(batch, to_parent)
                pickle.dump(None, to_parent)
            except SheetError as error:
                pickle.dump(str(error), to_parent)
            to_parent.flush()
    except (EOFError, BrokenPipeError):
        pass
    os._exit(0)


def _sheets(path: str) -> Iterator[tuple[Sheet, ...]]:
    import python_calamine as calamine

    kind, seen = calamine.SheetTypeEnum.WorkSheet, calamine.SheetVisibleEnum.Visible
    with _Refusing():
        told = _opened(path).sheets_metadata
        sheets = tuple(Sheet(one.name, one.visible == seen) for one in told if one.typ == kind)
        if not sheets:
            raise SheetError("it has no sheet")
    yield sheets


def _batches(path: str, sheet: str, most: int | None) -> Iterator[list[Row]]:
    """The rows of a sheet that hold anything, so many at once, with lost cells in their places."""
    with _Refusing():
        cells = _opened(path).get_sheet_by_name(sheet)
        width, height = cells.total_width or 0, cells.total_height or 0
        # a row number that no sheet has would be counted up to, row by row
        if height > MOST_ROWS or width > MOST_COLUMNS:
            raise SheetError(BROKEN)
        lost = lost_cells(path, sheet, most and MOST_LOOKED_AT)
        # what a reader takes for empty may stand to the right of, and below, all that it knows
        more = max((max(columns) for columns in lost.values()), default=0) - width
        below = range(height + 1, max(lost, default=0) + 1)
        batch: list[Row] = []
        found = 0
        for number, row in enumerate(chain(cells.iter_rows(), ([] for _ in below)), start=1):
            if number in lost:
                row = _with_lost(row, lost[number], width + max(more, 0))
            elif more > 0:
                row = [*row, *[""] * (width + more - len(row))]
            if any(cell != "" for cell in row):
                batch.append((number, row))
                found += 1
            if len(batch) == ROWS_AT_ONCE or found == most:
                yield batch
                batch = []
            if found == most:
                return
        yield batch


def _stay_small() -> None:
    """Bounds for this process, where the system has any."""
    if sys.platform != "win32":
        import resource

        for what, most in (
            (resource.RLIMIT_AS, MOST_MEMORY),
            (resource.RLIMIT_CPU, MOST_SECONDS),
            (resource.RLIMIT_CORE, 0),
        ):
            _, hard = resource.getrlimit(what)
            if hard != resource.RLIM_INFINITY:
                most = min(most, hard)
            try:
                resource.setrlimit(what, (most, hard))
            except (ValueError, OSError):  # a system that does not know this bound
                continue


def _with_lost(row: list[Any], lost: dict[int, Lost], width: int) -> list[Any]:
    row = [*row, *[""] * (width - len(row))]
    for column, what in lost.items():
        row[column - 1] = what
    return row


@cache
def _opened(path: str) -> CalamineWorkbook:
    import python_calamine as calamine

    try:
        return calamine.CalamineWorkbook.from_path(path)
    except calamine.PasswordError:
        raise
    except calamine.CalamineError:
        # it goes by the ending: many an export that is called .xls is an .xlsx
        return calamine.CalamineWorkbook.from_filelike(Path(path).open("rb"))


class _Refusing:
    """A context in which whatever a damaged workbook raises is a SheetError."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, *_: object) -> None:
        import python_calamine as calamine

        if isinstance(error, calamine.PasswordError):
            raise SheetError("it is protected by a password; save it without one") from None
        if isinstance(error, calamine.CalamineError):
            raise SheetError(f"{error}; {BROKEN}") from None
        # what Rust calls a panic is no Exception
        if error is not None and not isinstance(error, SheetError | GeneratorExit):
            raise SheetError(BROKEN) from None
