"""A workbook in, the cells of one sheet out; never takes this process with it where one is damaged.

A sheet is read in a process of its own, with bounds: one cell in a sheet's last corner asks for
hundreds of gigabytes, and a damaged file may end whoever reads it.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

MOST_MEMORY = 4 * 2**30  # bytes for one sheet: a million rows of thirty columns need half of it
MOST_UNPACKED = 4 * 2**30  # bytes of a workbook's parts, unpacked
MOST_SECONDS = 600  # of a processor
MOST_ROWS, MOST_COLUMNS = 2**20, 2**14  # a sheet's, in every program that writes them
ROWS_AT_ONCE = 10_000
BROKEN = (
    "it is damaged, or a cell stands far outside the table; open it, delete the rows and columns"
    " around the table and save it again, or save the sheet as CSV UTF-8"
)
Row = tuple[int, list[Any]]


class SheetError(Exception):
    """What is wrong with a workbook; `sheets` are those it has, where the one asked for is not."""

    def __init__(self, reason: str, sheets: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.sheets = sheets


def sheet_rows(path: Path, sheet: str | None) -> list[Row]:
    """The rows of a sheet (the first, if none is named) that hold anything, with their numbers.

    A cell is text, a number, true or false, a date, a time or a duration, "" where it is empty.
    Raises SheetError for a sheet that is not there, and for what cannot be read.
    """
    if zipfile.is_zipfile(path):
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

    # the same imports as here, and none from the folder that one stands in
    code = "from nrrsim.ledger.spreadsheets import answer; answer()"
    words = [sys.executable, "-P", "-c", code, str(path), *([] if sheet is None else [sheet])]
    own = str(Path(__file__).parents[2])
    places = os.pathsep.join([own, *filter(None, map(str, sys.path))])
    environment = os.environ | {"PYTHONPATH": places}
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environment,
    ) as reader:  # fmt: skip
        try:
            assert reader.stdout is not None
            return list(_received(reader.stdout))
        except (EOFError, pickle.UnpicklingError):
            raise SheetError(BROKEN) from None
        finally:
            reader.kill()


def answer() -> None:
    """Read the sheet that the command line names, in bounds, and write its rows to stdout."""
    to_parent = sys.stdout.buffer
    _stay_small()
    path, *sheet = sys.argv[1:]
    try:
        for rows in _batches(path, sheet[0] if sheet else None):
            pickle.dump(rows, to_parent)
        pickle.dump(None, to_parent)
    except SheetError as error:
        pickle.dump((str(error), error.sheets), to_parent)
    except BrokenPipeError:
        pass
    to_parent.flush()
    os._exit(0)


def _received(stream: IO[bytes]) -> Iterator[Row]:
    """The rows that the other process writes; raises the SheetError that it met."""
    while (batch := pickle.load(stream)) is not None:
        if isinstance(batch, tuple):
            raise SheetError(*batch)
        yield from batch


def _batches(path: str, sheet: str | None) -> Iterator[list[Row]]:
    import python_calamine as calamine

    try:
        workbook = calamine.CalamineWorkbook.from_path(path)
        names = workbook.sheet_names
        if not names:
            raise SheetError("it has no sheet")
        if sheet is not None and sheet not in names:
            raise SheetError(f"there is no sheet {sheet}", tuple(names))
        cells = workbook.get_sheet_by_name(sheet or names[0])
        # a row number that no sheet has would be counted up to, row by row
        if (cells.total_height or 0) > MOST_ROWS or (cells.total_width or 0) > MOST_COLUMNS:
            raise SheetError(BROKEN)
        batch: list[Row] = []
        for number, row in enumerate(cells.iter_rows(), start=1):
            if any(cell != "" for cell in row):
                batch.append((number, row))
            if len(batch) == ROWS_AT_ONCE:
                yield batch
                batch = []
        yield batch
    except calamine.PasswordError:
        raise SheetError("it is protected by a password; save it without one") from None
    except calamine.CalamineError as error:
        raise SheetError(f"{error}; {BROKEN}") from None
    except (SheetError, GeneratorExit):
        raise
    # what Rust calls a panic is no Exception
    except BaseException:
        raise SheetError(BROKEN) from None


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
