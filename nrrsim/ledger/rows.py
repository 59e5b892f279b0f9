"""The cells of a table in, its rows under its headings out; never judges what a cell says."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from nrrsim.errors import DataError, Finding
from nrrsim.ledger.cells import is_text
from nrrsim.ledger.dates import Heading, month_of_heading
from nrrsim.ledger.headings import LOOKED_THROUGH, HeadingRow, heading_row
from nrrsim.ledger.lostcells import Lost

LONGEST_HEADING = 1_000  # characters
INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode's categories
JOINERS = "\u200c\u200d"
# How a line begins that is about a table, and is no row of it.
NOTE = re.compile(
    r"\W*(notes?|sources?|remarks?|comments?|disclaimer|confidential|copyright|generated|exported"
    r"|prepared|printed|created|filter(s|ed)?|as of|as at|report|unaudited|excludes|excluding"
    r"|includes|including|hinweise?|quelle|stand|anmerkung(en)?|erstellt|vertraulich)\b"
    r"|[*†‡§]|[(\[]?\d{1,2}[)\]]\s",
    re.IGNORECASE,
)
MANY_WORDS = 5  # in one cell of a row without others: a sentence
MOST_PARTS = 4  # of a name, that are one month: `Q4 - 2024`
YEARS_IN_NAMES = range(1990, 2100)  # another number in a name is none
PLAIN = (str, bool, int, float, Decimal, date, time, UUID)  # cells that are one value
Cells = Sequence[Any]


@dataclass(frozen=True)
class Rows:
    """The rows of one source.

    `frame` has one column a heading, null where a cell is empty; its labels are unique. `lines()`
    gives the line of each row in the source (spreadsheet row; row number of a query), worked out
    only when a finding needs it. `findings` are rows that could not be read at all; `notices` are
    things to know of the source.

    `headings` are as written, one a column of the frame, "" where there is none. `above` holds
    lines and cells (one a column, None where empty) of the rows above the headings, which stand in
    line `heading_line`. `sheet` is the one that the rows are of, `named_month` the month number in
    its name or the file's. `taken` says what was taken for what. `typed` : cells are a
    spreadsheet's own, in which a date may be a number. `exact` : a number in text is a program's,
    with a decimal point. `place` gives the place of a line in words,
    where a source has no lines: of a DataFrame's row its label.

    Of a table that had months across, `block` is the number of the source row that each row comes
    from.
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
    typed: bool = False
    exact: bool = False
    heading_line: int = 1
    named_month: int | None = None
    place: Callable[[int], str] | None = None
    block: np.ndarray | None = None


@dataclass(frozen=True)
class Head:
    """Where the headings of a table stand: `index` in its rows that hold anything, `line`, cells.

    `above` are the rows before, with their lines; `taken` says of both what they are taken for.
    """

    index: int
    line: int
    cells: tuple[Any, ...]
    above: tuple[tuple[int, Cells], ...]
    taken: tuple[str, ...]


def head_of(rows: Sequence[tuple[int, Cells]]) -> Head:
    """Where the headings stand in the first LOOKED_THROUGH rows of a table that hold anything."""
    found: HeadingRow = heading_row([list(cells) for _, cells in rows[:LOOKED_THROUGH]])
    above = tuple(rows[: found.index])
    line, cells = rows[found.index]
    taken = []
    if above:
        taken.append(f"{_lines([line for line, _ in above])} as a title: {_quoted(above)}")
    if found.why:
        taken.append(f"line {line}: {found.why}")
    return Head(found.index, line, tuple(cells), above, tuple(taken))


def heading_text(cell: object) -> str:
    """A heading as text: a date is YYYY-MM-DD, a spreadsheet's whole number has no decimals."""
    if isinstance(cell, datetime):
        cell = cell.date() if cell.time() == time() else cell
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).strip()


def labels(headings: Sequence[str]) -> list[str]:
    """Unique labels for columns of these headings: `Dec-25`, `Dec-25 (2)`, `unnamed_3`."""
    known, found = {*headings} - {""}, dict[str, None]()
    for number, heading in enumerate(headings, start=1):
        first = label = heading or f"unnamed_{number}"
        times = 1
        while label in found or (label in known and label != heading):
            times += 1
            label = f"{first} ({times})"
        found[label] = None
    return [*found]


def refuse_unseen(headings: Sequence[str], name: str, line: int) -> None:
    """Raise DataError for a heading with a character that nobody sees, or that is too long."""
    findings = [
        Finding(name, line, f"the heading {head[:80]!a} holds {invisible(head)}", "write it anew")
        for head in headings
        if invisible(head)
    ]
    findings += [
        Finding(
            name, line, f"the heading {head[:80]}... has {len(head):,} characters", "is it one?"
        )
        for head in headings
        if len(head) > LONGEST_HEADING
    ]
    if findings:
        raise DataError(findings)


def refuse_twice(part: Rows, used: Collection[str] | None = None) -> None:
    """Raise DataError for headings that stand twice: of all, or of those in `used`."""
    written = part.headings or tuple(map(str, part.frame.columns))
    findings = [
        Finding(part.name, part.heading_line, f"the heading {head[:80]} stands twice", "rename one")
        for head, times in sorted(Counter(written).items())
        if head and times > 1 and (used is None or head in used)
    ]
    if findings:
        raise DataError(findings)


def plain_cells(frame: pd.DataFrame, name: str) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Lists, bytes, durations and the like as text, and a notice that says of which columns."""

    def is_plain(cell: object) -> bool:
        return cell is None or cell is pd.NaT or cell is pd.NA or isinstance(cell, PLAIN)

    notices = []
    mixed = [isinstance(kind, np.dtype) and kind.kind in "Om" for kind in frame.dtypes]
    for heading in frame.columns[mixed]:
        plain = frame[heading].map(is_plain).to_numpy(bool)
        if not plain.all():
            as_text = frame[heading].astype(object).map(str, na_action="ignore")
            frame[heading] = frame[heading].astype(object).where(plain, as_text)
            problem = "holds lists, records, bytes or durations"
            notices.append(
                Finding(name, 0, f"the column {heading} {problem}", "they are read as text")
            )
    return frame, tuple(notices)


def above_of(head: Head, columns: Sequence[int]) -> tuple[tuple[int, tuple[object, ...]], ...]:
    """The rows above the headings, cut to the columns of the table."""
    return tuple(
        (line, tuple(_or_none(cells[at]) if at < len(cells) else None for at in columns))
        for line, cells in head.above
    )


def concat(parts: Sequence[Rows]) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows of all parts below each other, and where each part begins."""
    frame = parts[0].frame  # a single one is not copied
    if len(parts) > 1:
        frame = pd.concat(_of_one_numbering([part.frame for part in parts]), ignore_index=True)
    starts = np.cumsum([0] + [len(part.frame) for part in parts])
    return frame, starts


def _of_one_numbering(frames: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """The same frames, with one numbering for the texts of a column that is text in all of them."""
    found = [*frames]
    for name in dict.fromkeys(name for frame in frames for name in frame):
        columns = [frame[name] for frame in frames if name in frame]
        if not any(isinstance(each.dtype, pd.CategoricalDtype) for each in columns):
            continue
        if len(columns) == len(frames) and all(map(is_text, columns)):
            names = union_categoricals([each.astype("category") for each in columns]).categories
            kind: Any = pd.CategoricalDtype(names.sort_values())
        else:
            kind = "str"
        found = [
            frame.astype({name: kind}) if name in frame and is_text(frame[name]) else frame
            for frame in found
        ]
    return found


# --- what is no row -------------------------------------------------------------------------------


def is_blank(cells: Cells) -> bool:
    """Whether a row holds nothing."""
    return all(_is_empty(cell) for cell in cells)


def notes_below(rows: Sequence[tuple[int, Cells]], width: int) -> int:
    """How many of the last rows are notes below a table of so many columns, and no rows of it.

    A note is text in the first one or two cells. One that stands right below the table, with no
    blank line between, reads like one, too: it begins with such a word, or is a sentence. `rows`
    are those that hold anything, with their lines.
    """
    first = len(rows)
    while first > 0 and _may_be_note(rows[first - 1][1], width):
        first -= 1
    for at in range(first, len(rows)):
        line, cells = rows[at]
        after_blank = at == 0 or line - rows[at - 1][0] > 1
        if after_blank or _reads_like_note(cells):
            return len(rows) - at
    return 0


def notice_of_notes(name: str, notes: Sequence[tuple[int, Cells]]) -> tuple[Finding, ...]:
    """What is said of the notes below a table."""
    if not notes:
        return ()
    said = f"below the table is read as a note, not as a row: {_quoted(notes)}"
    remedy = "if it is a row, complete it"
    return (Finding(name, notes[0][0], said, remedy),)


def _may_be_note(cells: Cells, width: int) -> bool:
    filled = [(at, cell) for at, cell in enumerate(cells) if not _is_empty(cell)]
    if not filled or len(filled) > 2 or any(at > 1 for at, _ in filled):
        return False
    texts = [cell for _, cell in filled if isinstance(cell, str) and not isinstance(cell, Lost)]
    if len(texts) < len(filled) or not re.search(r"[^\W\d_]{2}", texts[0]):
        return False
    # beside the first a date or an amount makes it a row, unless other cells are missing
    return len(texts) == 1 or len(cells) < width or not re.search(r"\d", texts[1])


def _reads_like_note(cells: Cells) -> bool:
    filled = [cell for cell in cells if not _is_empty(cell)]
    return bool(NOTE.match(filled[0])) or (
        len(filled) == 1 and len(filled[0].split()) >= MANY_WORDS
    )


def _is_empty(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _or_none(cell: object) -> object:
    return None if _is_empty(cell) else cell


def _lines(lines: Sequence[int]) -> str:
    if len(lines) == 1:
        return f"line {lines[0]} is read"
    if lines[-1] - lines[0] == len(lines) - 1:
        return f"lines {lines[0]} to {lines[-1]} are read"
    return f"lines {', '.join(map(str, lines[:-1]))} and {lines[-1]} are read"


def _quoted(rows: Sequence[tuple[int, Cells]]) -> str:
    texts = [
        ", ".join(heading_text(cell) for cell in cells if not _is_empty(cell)) for _, cells in rows
    ]
    shown = [text if len(text) <= 80 else f"{text[:80]}..." for text in texts[:5]]
    more = f" and {len(texts) - 5:,} more" if len(texts) > 5 else ""
    return "; ".join("".join(c if c.isprintable() else "?" for c in each) for each in shown) + more


# --- names ----------------------------------------------------------------------------------------


def month_in_name(name: str) -> int | None:
    """The month number that the name of a file or a sheet states; None where it is not just one.

    `arr_2024-12`, `202412`, `2024-12-31`, `Dec-24`, `December 2024`, `Q4 2024` (its last month).
    """
    parts = list(re.finditer(r"\d+|[^\W\d_]+", name))
    # of `v2_2024-12` it is the year that begins a month
    years = [at for at, part in enumerate(parts) if re.fullmatch(r"\d{4,8}", part[0])]
    found = _months_at(name, parts, years) or _months_at(name, parts, range(len(parts)))
    return found.pop() if len(found) == 1 else None


def _months_at(name: str, parts: list[re.Match[str]], places: Sequence[int]) -> set[int | None]:
    """The months that begin with one of these parts of a name, None for one of a fiscal year."""
    found, after = set[int | None](), 0
    for at in places:
        for end in range(min(at + MOST_PARTS, len(parts)), at, -1):
            text = name[parts[at].start() : parts[end - 1].end()]
            said = _said_month(text)
            if at >= after and said:
                found.add(None if said.fiscal else _last_month(said))
                after = end
                break
    return found


def _said_month(text: str) -> Heading | None:
    for sign in "- ":
        said = month_of_heading(re.sub(r"[_\s]+", sign, text))
        if said and said.kind in ("month", "quarter") and said.year in YEARS_IN_NAMES:
            return said
    return None


def _last_month(said: Heading) -> int | None:
    if said.year is None or said.number is None:
        return None
    return 12 * said.year + said.number * (3 if said.kind == "quarter" else 1) - 1


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
