"""Parquet, JSON and tables of this process in, their rows out; never takes a cell for a heading.

Cells keep the type they have there.
"""

from __future__ import annotations

import json
import re
import warnings
from base64 import b64decode
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding, UsageError
from nrrsim.files import quiet_database
from nrrsim.ledger.containers import Opened
from nrrsim.ledger.database import exact, exact_frame, literal_path, numbered_frame
from nrrsim.ledger.rows import Rows, heading_text, labels, plain_cells, refuse_unseen


def typed_rows(name: str, frame: pd.DataFrame, heading_line: int = 1) -> Rows:
    """Rows of a table whose headings are its own, and stand above no line."""
    headings = [heading_text(heading) for heading in frame.columns]
    refuse_unseen(headings, name, heading_line)
    frame, notices = plain_cells(frame.set_axis(pd.Index(labels(headings)), axis=1), name)
    lines = partial(np.arange, 1, len(frame) + 1)
    return Rows(
        name,
        frame,
        lines,
        notices=notices,
        headings=tuple(headings),
        heading_line=heading_line,
        exact=True,
    )


def read_parquet(file: Opened) -> Rows:
    """The rows of a Parquet file; the line of one is its number. Raises DataError for another."""
    import duckdb

    try:
        with quiet_database() as con:
            # a month must not depend on where the machine stands
            con.execute("set TimeZone = 'UTC'")
            path = literal_path(file.path).replace("'", "''")
            rows = con.sql(f"select * from read_parquet('{path}')")
            frame = _in_own_zones(numbered_frame(exact(rows), con), con, file.path)
    except (duckdb.Error, RuntimeError, UnicodeError, MemoryError) as error:
        # a damaged file may also fail on its way into the frame (RuntimeError)
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(
            [Finding(file.name, 0, f"cannot be read as Parquet ({reason})", "export it anew")]
        ) from None
    return replace(typed_rows(file.name, frame), taken=file.taken)


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


def read_json(file: Opened) -> Rows:
    """The rows of a list of records, whose line is their number, or of one record a line.

    Raises DataError for what is neither.
    """
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
    return replace(typed_rows(file.name, frame), lines=lambda: numbers, taken=taken)


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
    return replace(typed_rows(name, frame, heading_line=0), lines=lines, place=place)


def _frame_of(table: Any, name: str) -> pd.DataFrame:
    import duckdb

    if not hasattr(table, "__arrow_c_stream__"):
        with warnings.catch_warnings(action="ignore"):  # pandas would rather have Arrow
            return pd.api.interchange.from_dataframe(table)
    try:
        with quiet_database() as con:
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
