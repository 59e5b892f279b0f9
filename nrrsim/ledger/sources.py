"""Files or a database query in, rows with the place of each out; never judges an amount.

Text stays text: CSV cells arrive as they are written, so that a finding can quote them. Excel,
Parquet and SQL cells keep the type they have there.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding, UsageError
from nrrsim.ledger.database import read_query

DELIMITERS = ",;\t|"
SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
REJECTED = {
    "MISSING COLUMNS": "has fewer cells than the heading; complete the row or remove it",
    "TOO MANY COLUMNS": "has more cells than the heading;"
    " put names that hold the separator in double quotes",
    "UNQUOTED VALUE": "has a double quote that is not closed or stands inside a name;"
    " write such a quote twice",
    "INVALID ENCODING": "is not UTF-8 text; save the file as CSV UTF-8",
    "LINE SIZE OVER MAXIMUM": "is longer than any row can be; is a quote not closed?",
}


@dataclass(frozen=True)
class Rows:
    """The rows of one source.

    `frame` has one column a heading, null where a cell is empty. `lines()` gives the line of each
    row in the source (spreadsheet row; row number of a query), worked out only when a finding needs
    it. `findings` are rows that could not be read at all; `notices` are things to know of the
    source.
    """

    name: str
    frame: pd.DataFrame
    lines: Callable[[], np.ndarray]
    findings: tuple[Finding, ...] = ()
    notices: tuple[Finding, ...] = ()


def read_rows(source: str | Path, query: str | None = None, sheet: str | None = None) -> list[Rows]:
    """The rows of a path, a pattern such as `ledger/*.csv`, or a database address with a query.

    An address that holds a secret is given as `env:NAME`, the name of an environment variable.
    Raises UsageError if there is no such source, DataError if it cannot be read as a table.
    """
    text = str(source)
    if text.startswith("env:") or "://" in text:
        return [_read_sql(text, query)]
    if query is not None:
        raise UsageError(f"{text}: a query needs a database address, such as env:LEDGER_URL")
    return [_read_file(path, sheet) for path in matching(text)]


def matching(pattern: str) -> list[Path]:
    """The files that a pattern such as `ledger/*.csv` names; if there is none, the pattern."""
    if Path(pattern).exists() or not re.search(r"[*?\[]", pattern):
        return [Path(pattern)]
    # glob takes no absolute pattern: it is looked for below its drive or root
    anchor = Path(pattern).anchor
    relative = pattern[len(anchor) :]
    return sorted(Path(anchor or ".").glob(relative)) or [Path(pattern)]


def map_unique(values: pd.Series, parse: Callable[[object], int | None]) -> np.ndarray:
    """`ndarray[float]` of parse(value), nan where it gives None; each value is parsed once."""
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    parsed = [parse(value) for value in distinct]
    table = np.array(
        [np.nan if number is None else number for number in (*parsed, None)], dtype=float
    )
    return table[codes]


def concat(parts: Sequence[Rows]) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows of all parts below each other, and where each part begins."""
    frame = parts[0].frame  # a single one is not copied
    if len(parts) > 1:
        frame = pd.concat([part.frame for part in parts], ignore_index=True)
    starts = np.cumsum([0] + [len(part.frame) for part in parts])
    return frame, starts


def _read_file(path: Path, sheet: str | None) -> Rows:
    if path.is_dir() or not path.exists():
        raise UsageError(
            f"{path}: there is no such file; check the path and the folder it is given from"
        )
    try:
        if path.suffix.lower() in SPREADSHEETS:
            return _read_spreadsheet(path, sheet)
        if path.suffix.lower() in (".parquet", ".pq"):
            return _read_parquet(path)
        return _read_csv(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from error


def _counting(rows: int, first: int) -> Callable[[], np.ndarray]:
    return lambda: np.arange(first, first + rows)


# --- CSV ------------------------------------------------------------------------------------------


def _read_csv(path: Path) -> Rows:
    import duckdb

    name = str(path)
    headings, delimiter = _csv_headings(path)
    try:
        frame, rejected = _csv_by_duckdb(path, delimiter, headings)
    except duckdb.Error:
        # a mixture of line ends, say: slower, and not so strict about the file as a whole
        frame, rejected = _csv_by_hand(path, delimiter, headings)
    findings = tuple(
        Finding(
            name,
            line,
            "the row " + REJECTED.get(kind, "cannot be read; compare it with its neighbours"),
        )
        for line, kind in sorted(rejected.items())
    )
    return Rows(
        name,
        frame,
        lambda: _csv_lines(path, delimiter, len(headings), frozenset(rejected)),
        findings,
    )


def _csv_by_duckdb(
    path: Path, delimiter: str, headings: list[str]
) -> tuple[pd.DataFrame, dict[int, str]]:
    """The rows as text, and for each line that was rejected, why."""
    import duckdb

    # every cell as text, as DuckDB is not to say what it means, and no limit to what is rejected
    named = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(headings)))
    with duckdb.connect() as con:
        con.execute("set preserve_insertion_order = true")
        frame = con.execute(
            "select * from read_csv(?, delim = ?, quote = '\"', escape = '\"', header = true,"
            f" auto_detect = false, columns = {{{named}}}, store_rejects = true,"
            " rejects_limit = 0)",
            [_literal_path(path), delimiter],
        ).df()
        rejects = con.execute(
            "select line_byte_position, error_type from reject_errors order by all"
        ).fetchall()
    return frame.set_axis(pd.Index(headings), axis=1), {
        _line_at(path, start): kind for start, kind in rejects
    }


def _csv_by_hand(
    path: Path, delimiter: str, headings: list[str]
) -> tuple[pd.DataFrame, dict[int, str]]:
    rows, rejected = [], {}
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter)
        next(reader, None)
        begin = reader.line_num + 1
        for row in reader:
            if row and len(row) != len(headings):
                rejected[begin] = (
                    "MISSING COLUMNS" if len(row) < len(headings) else "TOO MANY COLUMNS"
                )
            elif any("\ufffd" in cell for cell in row):
                rejected[begin] = "INVALID ENCODING"
            elif row:
                rows.append([cell or None for cell in row])
            begin = reader.line_num + 1
    return pd.DataFrame(rows, columns=pd.Index(headings), dtype="str"), rejected


def _line_at(path: Path, start: int) -> int:
    """The line on which a row begins, from its first byte; blank lines before it do not count."""
    data = path.read_bytes()
    while data[start : start + 1] in (b"\n", b"\r"):
        start += 1
    return data[:start].count(b"\n") + 1


def _literal_path(path: Path) -> str:
    """DuckDB reads `*` and `[` in a path as a pattern; a file may be called so."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _csv_headings(path: Path) -> tuple[list[str], str]:
    """The headings, and the separator they are written with."""
    name = str(path)
    # how files begin that are called CSV and are something else
    with path.open("rb") as raw:
        start = raw.read(4)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError([Finding(name, 1, "is UTF-16 text, not UTF-8", "save it as CSV UTF-8")])
    if start == b"PK\x03\x04":
        raise DataError([Finding(name, 0, "is a spreadsheet, not CSV", "give it the ending .xlsx")])
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        first = text.readline()
        delimiter = max(DELIMITERS, key=first.count)
        text.seek(0)
        headings = next(csv.reader(text, delimiter=delimiter), [])
    if not any(headings):
        raise DataError([Finding(name, 1, "the file is empty", "its first line names the columns")])
    return _distinct([heading.strip() for heading in headings], name), delimiter


def _distinct(headings: list[str], name: str) -> list[str]:
    twice = sorted({heading for heading in headings if heading and headings.count(heading) > 1})
    if twice:
        raise DataError(
            [Finding(name, 1, f"the heading {head} stands twice", "rename one") for head in twice]
        )
    return [heading or f"unnamed_{index + 1}" for index, heading in enumerate(headings)]


def _csv_lines(path: Path, delimiter: str, width: int, rejected: frozenset[int]) -> np.ndarray:
    """The line on which each accepted row begins; a quoted name may run over several lines."""
    lines = []
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter)
        next(reader, None)
        begin = reader.line_num + 1
        for row in reader:
            if len(row) == width and begin not in rejected:
                lines.append(begin)
            begin = reader.line_num + 1
    return np.array(lines, dtype=np.int64)


# --- other sources --------------------------------------------------------------------------------


def _read_parquet(path: Path) -> Rows:
    import duckdb

    try:
        with duckdb.connect() as con:
            # a month must not depend on where the machine stands
            con.execute("set TimeZone = 'UTC'")
            frame = con.execute("select * from read_parquet(?)", [_literal_path(path)]).df()
    except duckdb.Error as error:
        raise DataError(
            [Finding(str(path), 0, f"cannot be read as Parquet ({str(error).splitlines()[0]})")]
        ) from None
    frame.columns = pd.Index(
        _distinct([str(heading).strip() for heading in frame.columns], str(path))
    )
    return Rows(str(path), frame, _counting(len(frame), 1))


def _read_spreadsheet(path: Path, sheet: str | None) -> Rows:
    import python_calamine as calamine

    try:
        workbook = calamine.CalamineWorkbook.from_path(path)
    except calamine.CalamineError as error:
        raise DataError(
            [Finding(str(path), 0, f"cannot be read as a spreadsheet ({error})")]
        ) from None
    if sheet is not None and sheet not in workbook.sheet_names:
        raise UsageError(
            f"{path}: there is no sheet {sheet}; its sheets: {', '.join(workbook.sheet_names)}"
        )
    chosen = workbook.get_sheet_by_name(sheet or workbook.sheet_names[0])
    cells = chosen.to_python(skip_empty_area=False)
    numbered = enumerate(cells, start=1)
    full = [(number, row) for number, row in numbered if any(cell != "" for cell in row)]
    if not full:
        raise DataError(
            [Finding(str(path), 1, "the sheet is empty", "its first row names the columns")]
        )
    headings = _distinct([str(cell).strip() for cell in full[0][1]], str(path))
    frame = pd.DataFrame([row for _, row in full[1:]], columns=pd.Index(headings), dtype=object)
    frame = frame.mask(frame == "", None)
    numbers = np.array([number for number, _ in full[1:]], dtype=np.int64)
    return Rows(str(path), frame, lambda: numbers)


def _read_sql(address: str, query: str | None) -> Rows:
    """The rows of a query, and a word on the role that it should run under."""
    found = read_query(address, query)
    headings = _distinct([str(heading).strip() for heading in found.frame.columns], "query")
    frame = found.frame.set_axis(pd.Index(headings), axis=1)
    notices = [
        Finding("query", 0, "nrrsim cannot make this database's session read-only", f"use {role}")
        for role in [found.role]
        if role
    ]
    return Rows("query", frame, _counting(len(frame), 1), notices=tuple(notices))
