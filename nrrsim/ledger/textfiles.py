"""A text file in, the rows below its headings and their lines out; never judges an amount.

Cells arrive as they are written, so that a finding can quote them. What is read is the table alone:
where lines stand above the headings, or notes below it, it is written to a file of its own.
"""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding
from nrrsim.files import quiet_database
from nrrsim.ledger.containers import Opened
from nrrsim.ledger.database import literal_path, numbered_frame
from nrrsim.ledger.headings import LOOKED_THROUGH
from nrrsim.ledger.rows import (
    Cells,
    Head,
    Rows,
    above_of,
    head_of,
    heading_text,
    is_blank,
    labels,
    notes_below,
    notice_of_notes,
    refuse_unseen,
)

DELIMITERS = ",;\t|"
LONGEST_HEADINGS = 2**20  # characters of a file's first line
HEAD_BYTES, TAIL_BYTES = 4 * 2**20, 2**16  # that are looked at for headings, and for notes
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
class Layout:
    """Where in a text its table stands: from the byte `start` to the byte `end`, or to its own end.

    `notes` are the rows below it that are none.
    """

    delimiter: str
    head: Head
    start: int
    end: int | None
    notes: tuple[tuple[int, Cells], ...]
    taken: tuple[str, ...]


def read_text(file: Opened, again: Callable[[], AbstractContextManager[Opened]]) -> Rows:
    """The rows of a table in a UTF-8 text; `again` opens it once more when a line is asked for.

    Raises DataError for what is no table.
    """
    import duckdb

    name = file.name
    layout = _layout(file.path, name)
    written = [heading_text(cell) for cell in layout.head.cells]
    refuse_unseen(written, name, layout.head.line)
    headings, delimiter = labels(written), layout.delimiter
    with _table(file.path, layout) as table:
        mixes_ends, has_quotes = _looked_through(table)
        try:
            # DuckDB goes by one kind of line end: where there are two, a row is not where it looks
            read = _csv_by_hand if mixes_ends else _csv_by_duckdb
            frame, rejected = read(table, delimiter, headings)
        except duckdb.Error:
            # slower, and not so strict about the file as a whole
            frame, rejected = _csv_by_hand(table, delimiter, headings)

        def own_lines(table: Path) -> np.ndarray:
            return _csv_lines(table, delimiter, len(headings), frozenset(rejected))

        holding = _holding_quotes(frame) if has_quotes else {}
        if holding and len(own_lines(table)) != len(frame):
            # who reads quotes in another way than the lines are counted in cannot say where they
            # stand
            frame, rejected = _csv_by_hand(table, delimiter, headings)
            holding = _holding_quotes(frame)
        stray = dict.fromkeys(
            _stray_quotes(table, holding, lambda: own_lines(table)), "UNQUOTED VALUE"
        )
    before = layout.head.line - 1
    findings = tuple(
        Finding(
            name,
            line + before,
            "the row " + REJECTED.get(kind, "cannot be read; compare it with its neighbours"),
        )
        for line, kind in sorted((rejected | stray).items())
    )
    is_blank_cell = [cells.isna().to_numpy() for _, cells in frame.items()]
    filled = ~np.asarray(np.logical_and.reduce(is_blank_cell), dtype=bool)

    def lines() -> np.ndarray:
        with again() as text, _table(text.path, layout) as table:
            return np.asarray(own_lines(table)[filled] + before)

    used = [at for at, heading in enumerate(written) if heading or frame.iloc[:, at].notna().any()]
    if not filled.all():
        frame = frame[filled].reset_index(drop=True)
    if len(used) < len(written):
        frame = frame.iloc[:, used]
    return Rows(
        name,
        frame,
        lines,
        findings,
        (*_cut_off(file.path, name), *notice_of_notes(name, layout.notes)),
        headings=tuple(written[at] for at in used),
        above=above_of(layout.head, used),
        taken=(*file.taken, *layout.taken, *layout.head.taken),
        heading_line=layout.head.line,
    )


# --- where the table stands -----------------------------------------------------------------------


def _layout(path: Path, name: str) -> Layout:
    """Where the headings and the notes stand, and the separator that they are written with."""
    with path.open("rb") as raw:
        data = raw.read(HEAD_BYTES)
    begin = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    is_whole = len(data) < HEAD_BYTES
    text = data[begin:].decode(errors="surrogateescape")
    written = list(io.StringIO(text, newline=""))
    if written and len(written[0]) >= LONGEST_HEADINGS:
        problem = "is longer than any line of headings"
        raise DataError([Finding(name, 1, problem, "is it a CSV file?")])

    # Excel's own line says which sign separates cells
    told = re.fullmatch(r'"?sep=(.)"?\s*', written[0], re.IGNORECASE) if written else None
    known = told[1] if told else DELIMITERS
    taken = (f"line 1 is Excel's own: {told[1]} separates cells",) if told else ()
    heads = {sign: _head_rows(written, sign, bool(told), is_whole) for sign in known}
    delimiter = max(heads, key=lambda sign: _fits(heads[sign]))
    rows = heads[delimiter]
    if not rows:
        raise DataError([Finding(name, 1, "the file is empty", "its first line names the columns")])

    head = head_of(rows)
    ahead = written[: head.line - 1]
    # what the headings stand in is the start of the file, where nothing stands above them
    start = begin + len("".join(ahead).encode(errors="surrogateescape")) if ahead else 0
    notes, end = _notes(path, delimiter, len(head.cells), start)
    return Layout(delimiter, head, start, end, notes, taken)


def _head_rows(
    written: list[str], delimiter: str, is_excels: bool, is_whole: bool
) -> list[tuple[int, Cells]]:
    """The first rows that hold anything, each with the line on which it begins."""
    reader = _csv_reader(iter(written), delimiter)
    rows: list[tuple[int, Cells]] = []
    begin = 1
    for row in reader:
        is_cut = not is_whole and reader.line_num == len(written)
        if not (is_blank(row) or (is_excels and begin == 1) or (is_cut and rows)):
            rows.append((begin, row))
        begin = reader.line_num + 1
        if len(rows) == LOOKED_THROUGH:
            break
    return rows


def _fits(rows: list[tuple[int, Cells]]) -> tuple[int, int]:
    """How many rows are of the width that most have, and that width: 0 where it is one cell."""
    widths = [len(row) for _, row in rows]
    several = [width for width in widths if width > 1]
    if not several:
        return 0, 0
    return max((several.count(width), width) for width in set(several))


def _notes(
    path: Path, delimiter: str, width: int, start: int
) -> tuple[tuple[tuple[int, Cells], ...], int | None]:
    """The rows below the table that are notes, and the byte at which they begin."""
    with path.open("rb") as raw:
        size = raw.seek(0, os.SEEK_END)
        place = raw.seek(max(size - TAIL_BYTES, start))
        tail = raw.read()
    last = tail.splitlines(keepends=True)
    # the first line of all is the heading, or a part of a line
    rows: list[tuple[int, Cells]] = []
    for number, line in reversed([*enumerate(last)][1:]):
        text = line.decode(errors="replace")
        cells: list[str] = next(_csv_reader(iter([text.rstrip("\r\n")]), delimiter), [])
        if is_blank(cells):
            continue
        if text.count('"') % 2 or "\ufffd" in text or not notes_below([(0, cells)], width):
            rows.insert(0, (number, cells))
            break
        rows.insert(0, (number, cells))
    many = notes_below(rows, width)
    if not many or many == len(rows):
        return (), None
    # a last line that has no end may be a row that was cut off
    first, is_adjacent = rows[-many][0], rows[-many][0] - rows[-many - 1][0] == 1
    if first == len(last) - 1 and is_adjacent and not last[-1].endswith((b"\n", b"\r")):
        return (), None
    end = place + sum(map(len, last[:first]))
    with path.open("rb") as raw:
        before = sum(block.count(b"\n") for block in _blocks(raw, end))
    notes = tuple((before + 1 + number - first, cells) for number, cells in rows[-many:])
    return notes, end


def _blocks(raw: Any, end: int) -> Iterator[bytes]:
    left = end
    while left > 0 and (block := raw.read(min(2**20, left))):
        left -= len(block)
        yield block


@contextmanager
def _table(path: Path, layout: Layout) -> Iterator[Path]:
    """A file that is the table alone, from its headings on, while the context lasts."""
    if not layout.start and layout.end is None:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="nrrsim-") as folder:
        table = Path(folder, "table")
        with path.open("rb") as raw, table.open("wb") as out:
            raw.seek(layout.start)
            if layout.end is None:
                shutil.copyfileobj(raw, out, 2**20)
            else:
                out.writelines(_blocks(raw, layout.end - layout.start))
        yield table


# --- its rows -------------------------------------------------------------------------------------


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
    # every cell as text, as DuckDB is not to say what it means, and no limit to what is rejected
    named = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(headings)))
    with quiet_database() as con:
        con.execute("set preserve_insertion_order = true")
        con.execute(
            "create temp table cells as select *"
            " from read_csv(?, delim = ?, quote = '\"', escape = '\"', header = true,"
            f" auto_detect = false, columns = {{{named}}}, store_rejects = true,"
            " rejects_limit = 0)",
            [literal_path(path), delimiter],
        )
        frame = numbered_frame(con.table("cells"), con)
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


def _csv_reader(text: Iterable[str], delimiter: str) -> Any:
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
        texts = cells.astype("str") if cells.dtype == "category" else cells
        found = cells[texts.str.contains('"', regex=False).fillna(False).to_numpy(bool)]
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


def _cut_off(path: Path, name: str) -> Iterator[Finding]:
    """A notice where the last line has no end: a file that breaks off inside its last amount."""
    with path.open("rb") as raw:
        size = raw.seek(0, os.SEEK_END)
        raw.seek(max(size - 1, 0))
        if raw.read(1) in (b"\n", b"\r"):
            return
        raw.seek(0)
        line = sum(block.count(b"\n") for block in iter(lambda: raw.read(2**20), b"")) + 1
    yield Finding(
        name,
        line,
        "the last line has no line end, as in a file that was cut off",
        "compare the last row with the source",
    )


def _csv_lines(path: Path, delimiter: str, width: int, rejected: frozenset[int]) -> np.ndarray:
    """The line on which each accepted row begins; a quoted name may run over several lines.

    Empty cells to the right of the last heading are none: DuckDB accepts a row that ends with them.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        lines = [
            begin
            for begin, row in _csv_rows(text, delimiter)
            if len(row) >= width and not any(row[width:]) and begin not in rejected
        ]
    return np.array(lines, dtype=np.int64)
