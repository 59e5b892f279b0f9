"""Files, tables or a database query in, rows with the place of each out; never judges an amount.

Text stays text: CSV cells arrive as they are written, so that a finding can quote them. Excel,
Parquet, JSON and SQL cells keep the type they have there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.errors import Finding, UsageError
from nrrsim.ledger.cells import distinct, spread
from nrrsim.ledger.containers import PARQUET, SPREADSHEETS, TABLES, Opened, as_utf8, opened
from nrrsim.ledger.database import read_query
from nrrsim.ledger.lostcells import Lost as Lost
from nrrsim.ledger.records import is_table, read_json, read_parquet, rows_of_frame, typed_rows
from nrrsim.ledger.rows import Rows as Rows
from nrrsim.ledger.rows import concat as concat
from nrrsim.ledger.rows import invisible as invisible
from nrrsim.ledger.rows import month_in_name
from nrrsim.ledger.sheets import read_workbook
from nrrsim.ledger.textfiles import read_text
from nrrsim.messages import an_object

MOST_NAMED = 10  # files in one sentence


def read_rows(
    source: Any, query: str | None = None, sheet: str | None = None, table: str = "the table"
) -> list[Rows]:
    """The rows of a path, a folder, a pattern such as `ledger/*.csv`, a database address, a table.

    A folder is all files in it that can be a ledger. An address that holds a secret is given as
    `env:NAME`, the name of an environment variable, and has a query. A DataFrame of pandas, Arrow
    or Polars is called `table` in findings. A workbook may have several sheets that are read, each
    its own Rows. Raises UsageError if there is no such source, DataError if it cannot be read as a
    table.
    """
    if is_table(source):
        return [rows_of_frame(source, table)]
    if not isinstance(source, str | os.PathLike):
        raise UsageError(
            "a ledger is read from files, folders, tables or a database address, not from"
            f" {an_object(source)}"
        )
    text = str(source)
    if text.startswith("env:") or "://" in text:
        return [_read_sql(text, query)]
    if query is not None:
        raise UsageError(f"{text}: a query needs a database address, such as env:LEDGER_URL")
    found = [rows for path in matching(text) for rows in _read_file(path, sheet)]
    if Path(text).is_dir() and found:
        found[0] = replace(found[0], taken=(*_said_of_folder(Path(text)), *found[0].taken))
    return found


def read_further(
    source: Any, query: str | None, sheet: str | None, name: str
) -> tuple[list[Rows], tuple[str, ...]]:
    """The rows of a table that stands beside a ledger, or of a list of such; and their files.

    name : what a DataFrame is called. The `sheet` may be the ledger's: where there is none such the
    sheet is that of a workbook without a word. Raises as `read_rows` does.
    """
    each = [*source] if isinstance(source, list | tuple) else [source]
    if not each:
        raise UsageError(f"{name} needs at least one file")
    files = [
        str(path)
        for text in (str(one) for one in each if not is_table(one))
        if "://" not in text and not text.startswith("env:")
        for path in matching(text)
    ]

    def rows(one: Any) -> list[Rows]:
        try:
            return read_rows(one, query, sheet, name)
        except UsageError:
            if sheet is None:
                raise
            return read_rows(one, query, None, name)

    return [part for one in each for part in rows(one)], tuple(files)


def matching(pattern: str) -> list[Path]:
    """The files that a pattern such as `ledger/*.csv` or a folder names; else what was given."""
    if Path(pattern).is_dir():
        return [path for path in _files(Path(pattern)) if _is_ledger(path)] or [Path(pattern)]
    if Path(pattern).exists() or not re.search(r"[*?\[]", pattern):
        return [Path(pattern)]
    # glob takes no absolute pattern: it is looked for below its drive or root
    anchor = Path(pattern).anchor
    relative = pattern[len(anchor) :]
    return sorted(Path(anchor or ".").glob(relative)) or [Path(pattern)]


def _files(folder: Path) -> list[Path]:
    """The files of a folder, but for those that a system or an open spreadsheet leaves there."""
    try:
        found = [path for path in folder.iterdir() if path.is_file()]
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read ({error.strerror or error})") from error
    return sorted(path for path in found if not path.name.startswith((".", "~$")))


def _is_ledger(path: Path) -> bool:
    packed = path.suffix.lower() == ".gz" and Path(path.stem).suffix.lower() in TABLES
    return packed or path.suffix.lower() in (*TABLES, ".zip")


def _said_of_folder(folder: Path) -> tuple[str, ...]:
    files = _files(folder)
    others = [path.name for path in files if not _is_ledger(path)]
    said = f"of the folder {folder} {len(files) - len(others)} files are read"
    if not others:
        return (said,)
    more = f" and {len(others) - MOST_NAMED:,} more" if len(others) > MOST_NAMED else ""
    return (f"{said}, and not {', '.join(others[:MOST_NAMED])}{more}",)


def map_unique(values: pd.Series, parse: Callable[[object], float | None]) -> np.ndarray:
    """`ndarray[float]` of parse(value), nan where it gives None; each value is parsed once."""
    codes, found = pd.factorize(values, use_na_sentinel=True)
    parsed = [parse(value) for value in found]
    table = np.array(
        [np.nan if number is None else number for number in (*parsed, None)], dtype=float
    )
    return table[codes]


def numbers(values: pd.Series) -> pd.Series:
    """As numbers, nan where it is none: true and false, dates and durations are none."""
    # pandas would read true as 1, and a date as its nanoseconds since 1970
    if values.dtype.kind in "bmM":
        return pd.Series(np.nan, index=values.index)
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, found = distinct(values)
        of_distinct = numbers(pd.Series(found, dtype="str"))
        return pd.Series(spread(of_distinct, codes, float, np.nan), index=values.index)
    if values.dtype == object:
        values = values.mask(values.map(lambda cell: isinstance(cell, bool | np.bool_)), "")
    return pd.to_numeric(values, errors="coerce").astype(float)


def _read_file(path: Path, sheet: str | None) -> list[Rows]:
    if path.is_dir():
        known = ", ".join(TABLES)
        raise UsageError(f"{path}: there is no such file in this folder as a ledger is ({known})")
    if not path.exists():
        raise UsageError(
            f"{path}: there is no such file; check the path and the folder it is given from"
        )
    if not path.is_file():
        raise UsageError(f"{path}: is a pipe or a device; write its rows to a file and give that")
    before = _state(path)
    try:
        with _unchanged(path, before), opened(path) as file:
            if file.kind in SPREADSHEETS:
                found = read_workbook(file, sheet)
            elif file.kind in PARQUET:
                found = [read_parquet(file)]
            else:
                with as_utf8(file) as text:
                    is_json = file.kind == ".json"
                    found = [read_json(text) if is_json else read_text(text, partial(_text, path))]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from error

    def lines_of(rows: Rows) -> np.ndarray:
        with _unchanged(path, before):
            return rows.lines()

    month = month_in_name(Path(found[0].name).stem) if found else None
    return [
        replace(
            rows,
            lines=partial(lines_of, rows),
            named_month=month_in_name(rows.sheet) if rows.sheet and len(found) > 1 else month,
        )
        for rows in found
    ]


@contextmanager
def _text(path: Path) -> Iterator[Opened]:
    with opened(path) as file, as_utf8(file) as text:
        yield text


def _state(path: Path) -> tuple[int, ...]:
    now = path.stat()
    return now.st_ino, now.st_size, now.st_mtime_ns


@contextmanager
def _unchanged(path: Path, before: tuple[int, ...]) -> Iterator[None]:
    """Raise UsageError if a file is no longer what it was, whatever went wrong meanwhile."""
    error: Exception | None = None
    try:
        yield
    except Exception as caught:
        error = caught
    if not path.exists() or _state(path) != before:
        raise UsageError(
            f"{path}: was changed while it was read; wait for who writes it, and repeat"
        )
    if error:
        raise error


def _read_sql(address: str, query: str | None) -> Rows:
    """The rows of a query, and a word on the role that it should run under."""
    found = read_query(address, query)
    rows = typed_rows("query", found.frame)
    if not found.role:
        return rows
    problem = "nrrsim cannot make a session of this database read-only"
    said = Finding("query", 0, problem, f"log in with {found.role}")
    return replace(rows, notices=(*rows.notices, said))
