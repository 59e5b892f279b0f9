"""Files or a database query in, rows with the place of each out; never judges an amount.

Text stays text: CSV cells arrive as they are written, so that a finding can quote them. Excel,
Parquet and SQL cells keep the type they have there.
"""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding, UsageError
from nrrsim.ledger.database import exact_frame, read_query
from nrrsim.ledger.spreadsheets import SheetError, sheet_rows

DELIMITERS = ",;\t|"
LONGEST_HEADING, LONGEST_HEADINGS = 1_000, 2**20  # characters: of one, of a file's first line
PLAIN = (str, bool, int, float, Decimal, date, time, UUID)  # cells that are one value
INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode's categories
JOINERS = "\u200c\u200d"
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
    source; `taken` are sentences that say what was taken for what, and why.

    `headings` are as written, one a column, where the frame's own labels are made unique; `above`
    are the line and the cells, one a column, of each row above them that holds anything. `sheet` is
    the spreadsheet's. Rows laid out from months across have `known_months` (numbers), in some of
    which nobody may have paid, and `block`, the row of the table that each row comes from.
    """

    name: str
    frame: pd.DataFrame
    lines: Callable[[], np.ndarray]
    findings: tuple[Finding, ...] = ()
    notices: tuple[Finding, ...] = ()
    headings: tuple[str, ...] = ()
    above: tuple[tuple[int, tuple[object, ...]], ...] = ()
    sheet: str | None = None
    taken: tuple[str, ...] = ()
    known_months: tuple[int, ...] = ()
    block: np.ndarray | None = None


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


def numbers(values: pd.Series) -> pd.Series:
    """As numbers, nan where it is none: true and false, dates and durations are none."""
    # pandas would read true as 1, and a date as its nanoseconds since 1970
    if values.dtype.kind in "bmM":
        return pd.Series(np.nan, index=values.index)
    if values.dtype == object:
        values = values.mask(values.map(lambda cell: isinstance(cell, bool | np.bool_)), "")
    return pd.to_numeric(values, errors="coerce").astype(float)


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
    if not path.is_file():
        raise UsageError(f"{path}: is a pipe or a device; write its rows to a file and give that")
    before = _state(path)
    try:
        if path.suffix.lower() in SPREADSHEETS:
            rows = _read_spreadsheet(path, sheet)
        elif path.suffix.lower() in (".parquet", ".pq"):
            rows = _read_parquet(path)
        else:
            rows = _read_csv(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from error
    _same_state(path, before)

    def lines() -> np.ndarray:
        numbers = rows.lines()
        _same_state(path, before)
        return numbers

    return replace(rows, lines=lines)


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


# --- CSV ------------------------------------------------------------------------------------------


def _read_csv(path: Path) -> Rows:
    import duckdb

    name = str(path)
    headings, delimiter = _csv_headings(path)
    mixes_ends, has_quotes = _looked_through(path)
    try:
        # DuckDB goes by one kind of line end: where there are two, a row is not where it looks
        read = _csv_by_hand if mixes_ends else _csv_by_duckdb
        frame, rejected = read(path, delimiter, headings)
    except duckdb.Error:
        # slower, and not so strict about the file as a whole
        frame, rejected = _csv_by_hand(path, delimiter, headings)

    def lines() -> np.ndarray:
        return _csv_lines(path, delimiter, len(headings), frozenset(rejected))

    holding = _holding_quotes(frame) if has_quotes else {}
    if holding and len(lines()) != len(frame):
        # who reads quotes in another way than the lines are counted in cannot say where they stand
        frame, rejected = _csv_by_hand(path, delimiter, headings)
        holding = _holding_quotes(frame)
    stray = dict.fromkeys(_stray_quotes(path, holding, lines), "UNQUOTED VALUE")
    findings = tuple(
        Finding(
            name,
            line,
            "the row " + REJECTED.get(kind, "cannot be read; compare it with its neighbours"),
        )
        for line, kind in sorted((rejected | stray).items())
    )
    return Rows(name, frame, lines, findings, tuple(_cut_off(path)))


def _looked_through(path: Path) -> tuple[bool, bool]:
    """Whether a file has two kinds of line ends, and whether it has a double quote."""
    with path.open("rb") as raw:
        ends = both = 0
        has_quotes, before = False, b""
        for block in iter(lambda: raw.read(2**20), b""):
            ends += block.count(b"\n")
            both += block.count(b"\r\n") + (before == b"\r" and block[:1] == b"\n")
            has_quotes = has_quotes or b'"' in block
            before = block[-1:]
    return 0 < both < ends, has_quotes


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
            "select line_byte_position, csv_line, error_type from reject_errors order by all"
        ).fetchall()
    kinds = [kind for *_, kind in rejects]
    lines = _lines_at(path, [(start, text or "") for start, text, _ in rejects])
    return frame.set_axis(pd.Index(headings), axis=1), dict(zip(lines, kinds, strict=True))


def _csv_by_hand(
    path: Path, delimiter: str, headings: list[str]
) -> tuple[pd.DataFrame, dict[int, str]]:
    rows, rejected = [], {}
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        for begin, row in _csv_rows(text, delimiter):
            if row and len(row) != len(headings):
                rejected[begin] = (
                    "MISSING COLUMNS" if len(row) < len(headings) else "TOO MANY COLUMNS"
                )
            elif any("\ufffd" in cell for cell in row):
                rejected[begin] = "INVALID ENCODING"
            elif row:
                rows.append([cell or None for cell in row])
    return pd.DataFrame(rows, columns=pd.Index(headings), dtype="str"), rejected


def _csv_rows(text: TextIO, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows below the heading, each with the line on which it begins."""
    reader = _csv_reader(text, delimiter)
    next(reader, None)
    begin = reader.line_num + 1
    for row in reader:
        yield begin, row
        begin = reader.line_num + 1


def _csv_reader(text: TextIO, delimiter: str) -> Any:
    # a cell of any length: how long a name may be is judged with the other values
    csv.field_size_limit(2**31 - 1)
    return csv.reader(text, delimiter=delimiter)


def _lines_at(path: Path, rows: list[tuple[int, str]]) -> list[int]:
    """The lines on which rows begin, from their first bytes; blank lines before do not count.

    DuckDB tells where a row of one cell ends instead: its text says which of the two it is.
    """
    if not rows:
        return []
    data = path.read_bytes()
    starts = []
    for start, text in rows:
        before = start - len(text.encode())
        ends_there = data[start : start + 1] in (b"\r", b"\n") and before >= 0
        starts.append(before if ends_there and data[before:start] == text.encode() else start)
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n"))
    firsts = [re.compile(rb"[\r\n]*").match(data, start) for start in starts]
    begins = [first.end() if first else start for first, start in zip(firsts, starts, strict=True)]
    return [int(line) for line in np.searchsorted(ends, begins) + 1]


def _holding_quotes(frame: pd.DataFrame) -> dict[int, list[str]]:
    """The cells that hold a double quote, by row."""
    quoted: dict[int, list[str]] = {}
    for column in range(frame.shape[1]):
        cells = frame.iloc[:, column]
        found = cells[cells.str.contains('"', regex=False).fillna(False).to_numpy(bool)]
        for row, cell in zip(found.index.tolist(), found.tolist(), strict=True):
            quoted.setdefault(row, []).append(cell)
    return quoted


def _stray_quotes(
    path: Path, quoted: dict[int, list[str]], lines: Callable[[], np.ndarray]
) -> Iterator[int]:
    """The lines of rows with a double quote in a cell that is not written in quotes."""
    if not quoted:
        return
    # a quote inside a cell is written twice, and the cell stands in quotes
    text = path.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    begins = [*lines().tolist(), len(text) + 1]
    for row, holding in quoted.items():
        written = "\n".join(text[begins[row] - 1 : begins[row + 1] - 1]).replace("\r", "")
        doubled = (cell.replace("\r", "").replace('"', '""') for cell in holding)
        if not all(f'"{cell}"' in written for cell in doubled):
            yield begins[row]


def _cut_off(path: Path) -> Iterator[Finding]:
    """A notice where the last line has no end: a file that breaks off inside its last amount."""
    with path.open("rb") as raw:
        size = raw.seek(0, os.SEEK_END)
        raw.seek(max(size - 1, 0))
        if raw.read(1) in (b"\n", b"\r"):
            return
        raw.seek(0)
        line = sum(block.count(b"\n") for block in iter(lambda: raw.read(2**20), b"")) + 1
    yield Finding(
        str(path),
        line,
        "the last line has no line end, as in a file that was cut off",
        "compare the last row with the source",
    )


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
        first = text.readline(LONGEST_HEADINGS)
        if len(first) == LONGEST_HEADINGS:
            problem = "is longer than any line of headings"
            raise DataError([Finding(name, 1, problem, "is it a CSV file?")])
        delimiter = max(DELIMITERS, key=first.count)
        text.seek(0)
        headings: list[str] = next(_csv_reader(text, delimiter), [])
    if not any(headings):
        raise DataError([Finding(name, 1, "the file is empty", "its first line names the columns")])
    return _distinct([heading.strip() for heading in headings], name), delimiter


def _distinct(headings: list[str], name: str) -> list[str]:
    findings = [
        Finding(name, 1, f"the heading {head[:80]} stands twice", "rename one")
        for head, times in sorted(Counter(headings).items())
        if head and times > 1
    ]
    findings += [
        Finding(name, 1, f"the heading {head[:80]!a} holds {invisible(head)}", "write it anew")
        for head in headings
        if invisible(head)
    ]
    findings += [
        Finding(name, 1, f"the heading {head[:80]}... has {len(head):,} characters", "is it one?")
        for head in headings
        if len(head) > LONGEST_HEADING
    ]
    if findings:
        raise DataError(findings)
    return [heading or f"unnamed_{index + 1}" for index, heading in enumerate(headings)]


def invisible(text: str) -> str:
    """The first character of a text that nobody sees, in words; empty if there is none.

    A control character, an end of a line, or one of format: but for the joiners that some scripts
    need inside a word.
    """
    if text.isprintable():
        return ""
    for place, character in enumerate(text):
        hidden = unicodedata.category(character) in INVISIBLE
        if hidden and not (character in JOINERS and _inside_a_word(text, place)):
            called = unicodedata.name(character, "a control character").lower()
            return f"U+{ord(character):04X} ({called})"
    return ""


def _inside_a_word(text: str, place: int) -> bool:
    around = text[max(place - 1, 0) : place] + text[place + 1 : place + 2]
    return len(around) == 2 and all(unicodedata.category(each)[0] in "LMNS" for each in around)


def _csv_lines(path: Path, delimiter: str, width: int, rejected: frozenset[int]) -> np.ndarray:
    """The line on which each accepted row begins; a quoted name may run over several lines."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        lines = [
            begin
            for begin, row in _csv_rows(text, delimiter)
            if len(row) == width and begin not in rejected
        ]
    return np.array(lines, dtype=np.int64)


# --- other sources --------------------------------------------------------------------------------


def _read_parquet(path: Path) -> Rows:
    import duckdb

    try:
        with duckdb.connect() as con:
            # a month must not depend on where the machine stands
            con.execute("set TimeZone = 'UTC'")
            rows = con.sql("select * from read_parquet(?)", params=[_literal_path(path)])
            frame = exact_frame(rows)
    except (duckdb.Error, RuntimeError, UnicodeError, MemoryError) as error:
        # a damaged file may also fail on its way into the frame (RuntimeError)
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(
            [Finding(str(path), 0, f"cannot be read as Parquet ({reason})", "export it anew")]
        ) from None
    frame.columns = pd.Index(
        _distinct([str(heading).strip() for heading in frame.columns], str(path))
    )
    frame, notices = _plain(frame, str(path))
    return Rows(str(path), frame, _counting(len(frame), 1), notices=notices)


def _read_spreadsheet(path: Path, sheet: str | None) -> Rows:
    try:
        full = sheet_rows(path, sheet)
    except SheetError as error:
        if error.sheets:
            raise UsageError(f"{path}: {error}; its sheets: {', '.join(error.sheets)}") from None
        raise DataError(
            [Finding(str(path), 0, f"cannot be read as a spreadsheet: {error}")]
        ) from None
    if not full:
        raise DataError(
            [Finding(str(path), 1, "the sheet is empty", "its first row names the columns")]
        )
    (_, first), *rest = full
    # a column without a heading and without a cell is none: it lies before one that stands far out
    used = [
        column
        for column, heading in enumerate(first)
        if str(heading).strip() or any(row[column] != "" for _, row in rest)
    ]
    headings = _distinct([str(first[column]).strip() for column in used], str(path))
    cells = [[row[column] for column in used] for _, row in rest]
    frame = pd.DataFrame(cells, columns=pd.Index(headings), dtype=object)
    frame = frame.mask(frame == "", None)
    numbers = np.array([number for number, _ in rest], dtype=np.int64)
    frame, notices = _plain(frame, str(path))
    return Rows(str(path), frame, lambda: numbers, notices=notices)


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
    headings = _distinct([str(heading).strip() for heading in found.frame.columns], "query")
    frame, notices = _plain(found.frame.set_axis(pd.Index(headings), axis=1), "query")
    if found.role:
        problem = "nrrsim cannot make a session of this database read-only"
        notices += (Finding("query", 0, problem, f"log in with {found.role}"),)
    return Rows("query", frame, _counting(len(frame), 1), notices=notices)
