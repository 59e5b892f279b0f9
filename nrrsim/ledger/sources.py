"""Files or a database query in, rows with the place of each out; never judges an amount.

Text stays text: CSV cells arrive as they are written, so that a finding can quote them. Excel,
Parquet and SQL cells keep the type they have there.
"""

from __future__ import annotations

import json
import re
import warnings
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding, UsageError
from nrrsim.ledger.containers import PARQUET, SPREADSHEETS, TABLES, Opened, as_utf8, opened
from nrrsim.ledger.database import exact_frame, literal_path, read_query
from nrrsim.ledger.lostcells import Lost as Lost
from nrrsim.ledger.lostcells import can_tell
from nrrsim.ledger.rows import (
    Rows as Rows,
)
from nrrsim.ledger.rows import (
    above_of,
    head_of,
    heading_text,
    labels,
    month_in_name,
    notes_below,
    notice_of_notes,
    refuse_unseen,
)
from nrrsim.ledger.rows import concat as concat
from nrrsim.ledger.rows import invisible as invisible
from nrrsim.ledger.sheets import chosen_sheets
from nrrsim.ledger.spreadsheets import Row, SheetError, Workbook
from nrrsim.ledger.textfiles import read_text

PLAIN = (str, bool, int, float, Decimal, date, time, UUID)  # cells that are one value
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
    text = str(source)
    if text.startswith("env:") or "://" in text:
        return [_read_sql(text, query)]
    if query is not None:
        raise UsageError(f"{text}: a query needs a database address, such as env:LEDGER_URL")
    found = [rows for path in matching(text) for rows in _read_file(path, sheet)]
    if Path(text).is_dir() and found:
        found[0] = replace(found[0], taken=(*_said_of_folder(Path(text)), *found[0].taken))
    return found


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
    found = (path for path in folder.iterdir() if path.is_file())
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


def map_unique(values: pd.Series, parse: Callable[[object], int | None]) -> np.ndarray:
    """`ndarray[float]` of parse(value), nan where it gives None; each value is parsed once."""
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    parsed = [parse(value) for value in distinct]
    table = np.array(
        [np.nan if number is None else number for number in (*parsed, None)], dtype=float
    )
    return table[codes]


def numbers(values: pd.Series) -> pd.Series:
    """As numbers, nan where it is none: true and false, dates and durations are none."""
    # pandas would read true as 1, and a date as its nanoseconds since 1970
    if values.dtype.kind in "bmM":
        return pd.Series(np.nan, index=values.index)
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
        with opened(path) as file:
            if file.kind in SPREADSHEETS:
                found = _read_workbook(file, sheet)
            elif file.kind in PARQUET:
                found = [_read_parquet(file)]
            else:
                with as_utf8(file) as text:
                    is_json = file.kind == ".json"
                    found = [_read_json(text) if is_json else read_text(text, partial(_text, path))]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from error
    _same_state(path, before)

    def unchanged(lines: Callable[[], np.ndarray]) -> np.ndarray:
        numbers = lines()
        _same_state(path, before)
        return numbers

    month = month_in_name(Path(found[0].name).stem) if found else None
    return [
        replace(
            rows,
            lines=partial(unchanged, rows.lines),
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


def _same_state(path: Path, before: tuple[int, ...]) -> None:
    """Raise UsageError if a file is no longer what it was when its reading began."""
    if not path.exists() or _state(path) != before:
        raise UsageError(
            f"{path}: was changed while it was read; wait for who writes it, and repeat"
        )


def _counting(rows: int, first: int) -> Callable[[], np.ndarray]:
    return lambda: np.arange(first, first + rows)


# --- tables with types ----------------------------------------------------------------------------


def _read_parquet(file: Opened) -> Rows:
    import duckdb

    try:
        with duckdb.connect() as con:
            # a month must not depend on where the machine stands
            con.execute("set TimeZone = 'UTC'")
            rows = con.sql("select * from read_parquet(?)", params=[literal_path(file.path)])
            frame = _in_own_zones(exact_frame(rows), con, file.path)
    except (duckdb.Error, RuntimeError, UnicodeError, MemoryError) as error:
        # a damaged file may also fail on its way into the frame (RuntimeError)
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(
            [Finding(file.name, 0, f"cannot be read as Parquet ({reason})", "export it anew")]
        ) from None
    return replace(_typed(file.name, frame), taken=file.taken)


def _in_own_zones(frame: pd.DataFrame, con: Any, path: Path) -> pd.DataFrame:
    """Instants in the zone that the file names for them, if it does: there midnight is a day.

    Parquet itself keeps the instant alone; who writes it through pandas or Arrow adds the zone.
    """
    zoned = [isinstance(kind, pd.DatetimeTZDtype) for kind in frame.dtypes]
    if any(zoned):
        known, named = available_timezones(), _named_zones(con, path)
        for heading in frame.columns[zoned]:
            zone = named.get(heading, named.get("", ""))
            if zone in known:
                frame[heading] = frame[heading].dt.tz_convert(zone)
    return frame


def _named_zones(con: Any, path: Path) -> dict[str, str]:
    """The zones that a Parquet file names for its columns: under "" the only one of all of them."""
    told = "select key, value from parquet_kv_metadata(?)"
    zones: dict[str, str] = {}
    for key, value in con.execute(told, [literal_path(path)]).fetchall():
        # what others write there may be anything
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            if key == b"pandas":
                columns = json.loads(value)["columns"]
                named = {each["name"]: (each["metadata"] or {}).get("timezone") for each in columns}
                zones |= {str(name): zone for name, zone in named.items() if zone}
            elif key == b"ARROW:schema":
                names = re.findall(rb"[A-Z][A-Za-z]+(?:/[A-Za-z_+-]+)+", b64decode(value))
                found = {name.decode() for name in names} & available_timezones()
                zones |= {"": found.pop()} if len(found) == 1 else {}
    return zones


def _read_json(file: Opened) -> Rows:
    """The rows of a list of records, or of one record a line."""
    text = file.path.read_text(encoding="utf-8-sig", errors="surrogateescape")

    def refused(problem: str, remedy: str, line: int = 0) -> DataError:
        return DataError([Finding(file.name, line, problem, remedy)])

    def record(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        cells = dict(pairs)
        if len(cells) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise refused(f"a record has {twice[:80]!r} twice", "rename one")
        return cells

    # digits stay as they are written: a float would round an id or an amount
    parse = partial(json.loads, object_pairs_hook=record, parse_constant=str, parse_float=Decimal)
    try:
        try:
            found, lines = parse(text), None
        except json.JSONDecodeError as error:
            if error.msg != "Extra data":
                raise
            written = [(n, one) for n, one in enumerate(text.split("\n"), start=1) if one.strip()]
            found, lines = [], [number for number, _ in written]
            for number, one in written:
                try:
                    found.append(parse(one))
                except json.JSONDecodeError as wrong:
                    raise refused(f"is no JSON ({wrong.msg})", "export it anew", number) from None
    except json.JSONDecodeError as error:
        raise refused(f"is no JSON ({error.msg})", "export it anew", error.lineno) from None
    except (RecursionError, ValueError) as error:
        raise refused(f"is no JSON that can be read ({error})", "export it anew") from None

    taken = file.taken
    if isinstance(found, dict) and lines is None:
        lists = [name for name, value in found.items() if isinstance(value, list)]
        if len(lists) == 1:
            taken = (*taken, f"the records are those of {lists[0]}")
            found = found[lists[0]]
    found = [found] if isinstance(found, dict) else found
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        problem = "is no list of records"
        raise refused(problem, 'write it as [{"customer": "Alder", "month": "2025-01", ...}, ...]')
    if not found:
        raise refused("the file is empty", "each record has the names of its columns")
    headings = dict.fromkeys(name for each in found for name in each)
    cells = [[each.get(name) for name in headings] for each in found]
    frame = pd.DataFrame(cells, columns=pd.Index([*headings], dtype=object), dtype=object)
    frame = frame.mask(frame == "", None)
    numbers = np.array(lines or range(1, len(frame) + 1), dtype=np.int64)
    return replace(_typed(file.name, frame), lines=lambda: numbers, taken=taken)


def _read_workbook(file: Opened, sheet: str | None) -> list[Rows]:
    if file.kind in SPREADSHEETS and (text := _text_in(file.path)):
        problem = f"cannot be read as a spreadsheet: it is {text}"
        remedy = "give it the ending .csv, or open it and save it as .xlsx"
        raise DataError([Finding(file.name, 0, problem, remedy)])
    try:
        with Workbook(file.path) as book:
            names, said = chosen_sheets(book, file.name, sheet)
            found = [_rows_of_sheet(file, name, book.rows(name)) for name in names]
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


def _rows_of_sheet(file: Opened, sheet: str, full: list[Row]) -> Rows:
    name = file.name
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
    frame, notices = _plain(frame, name)
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


def _typed(name: str, frame: pd.DataFrame, heading_line: int = 1) -> Rows:
    """Rows of a table whose headings are its own, and stand above no line."""
    headings = [heading_text(heading) for heading in frame.columns]
    refuse_unseen(headings, name, heading_line)
    frame, notices = _plain(frame.set_axis(pd.Index(labels(headings)), axis=1), name)
    lines = partial(np.arange, 1, len(frame) + 1)
    return Rows(
        name,
        frame,
        lines,
        notices=notices,
        headings=tuple(headings),
        heading_line=heading_line,
    )


def _plain(frame: pd.DataFrame, name: str) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Lists, bytes, durations and the like as text, and a notice that says of which columns."""

    def is_plain(cell: object) -> bool:
        return cell is None or cell is pd.NaT or cell is pd.NA or isinstance(cell, PLAIN)

    notices = []
    for heading in frame.columns[[kind.kind in "Om" for kind in frame.dtypes]]:
        plain = frame[heading].map(is_plain).to_numpy(bool)
        if not plain.all():
            as_text = frame[heading].astype(object).map(str, na_action="ignore")
            frame[heading] = frame[heading].astype(object).where(plain, as_text)
            problem = "holds lists, records, bytes or durations"
            notices.append(
                Finding(name, 0, f"the column {heading} {problem}", "they are read as text")
            )
    return frame, tuple(notices)


def _read_sql(address: str, query: str | None) -> Rows:
    """The rows of a query, and a word on the role that it should run under."""
    found = read_query(address, query)
    rows = _typed("query", found.frame)
    if not found.role:
        return rows
    problem = "nrrsim cannot make a session of this database read-only"
    said = Finding("query", 0, problem, f"log in with {found.role}")
    return replace(rows, notices=(*rows.notices, said))


# --- tables of this process -----------------------------------------------------------------------


def is_table(source: object) -> bool:
    """Whether a source is a table itself: a DataFrame, or what hands itself on as one."""
    return any(hasattr(source, name) for name in ("__arrow_c_stream__", "__dataframe__"))


def rows_of_frame(table: Any, name: str = "the table") -> Rows:
    """The rows of a DataFrame of pandas, Polars or Arrow; a finding names the label of its row.

    A level of the index that has a name is a column, too. The table is not changed. Raises
    UsageError for what is none.
    """
    if not isinstance(table, pd.DataFrame):
        table = _frame_of(table, name)
    index = table.index
    named = [level for level in index.names if level is not None and level not in table]
    frame = table.reset_index(level=named) if named else table.copy()
    frame = frame.set_axis(pd.RangeIndex(len(frame)))
    frame.columns = pd.Index([_flat(heading) for heading in frame.columns], dtype=object)
    for at, kind in enumerate(frame.dtypes):
        if not isinstance(kind, np.dtype | pd.StringDtype | pd.DatetimeTZDtype):
            # categories, periods and numbers that may be missing: as what each of them says
            cells = frame.iloc[:, at].astype(object)
            says = str if isinstance(kind, pd.PeriodDtype) else lambda cell: cell
            frame.isetitem(at, cells.map(says, na_action="ignore").where(cells.notna(), None))

    def place(line: int) -> str:
        label = index[line]
        if isinstance(label, tuple):
            return f"{name}, row {tuple(map(_as_python, label))!r}"
        return f"{name}, row {_as_python(label)!r}"

    lines = partial(np.arange, len(frame))
    return replace(_typed(name, frame, heading_line=0), lines=lines, place=place)


def _frame_of(table: Any, name: str) -> pd.DataFrame:
    import duckdb

    if not hasattr(table, "__arrow_c_stream__"):
        with warnings.catch_warnings(action="ignore"):  # pandas would rather have Arrow
            return pd.api.interchange.from_dataframe(table)
    try:
        with duckdb.connect() as con:
            con.execute("set TimeZone = 'UTC'")
            return exact_frame(con.from_arrow(_Stream(table)))
    except duckdb.Error as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(f"{name}: cannot be read as a table ({reason})") from None


class _Stream:
    """A table as Arrow alone: DuckDB would ask what it knows by name for more than that."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def _as_python(label: object) -> object:
    """A row's label as it is typed: 9, not np.int64(9)."""
    return label.item() if isinstance(label, np.generic) else label


def _flat(heading: object) -> object:
    """The heading of a column; of several levels one below the other, with blanks between."""
    if isinstance(heading, tuple):
        return " ".join(text for text in map(heading_text, heading) if text)
    return heading
