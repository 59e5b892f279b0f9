"""The first rows of a table in, the row that names its columns out; never reads an amount."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nrrsim.ledger.dates import month_of_heading
from nrrsim.ledger.exports import headings_of_formats
from nrrsim.ledger.vocabulary import names_a_customer, names_a_date, names_an_amount, plain

LOOKED_THROUGH = 25  # rows in which the headings are looked for
YEARS = range(1990, 2100)  # another number among headings is none


@dataclass(frozen=True)
class HeadingRow:
    """Which of the rows holds the headings, and `why`, where that is not plain to see."""

    index: int
    why: str = ""


def heading_row(head: Sequence[Sequence[object]]) -> HeadingRow:
    """The row of headings among the first rows, none of them blank.

    The first that names a customer and beside it an amount, a date to its right, two months, or two
    years to its right; all headings of a format settle it at once. Else the first row of text that
    is as wide as the rows below it.
    """
    rows = head[:LOOKED_THROUGH]
    known = headings_of_formats()
    for number, row in enumerate(rows):
        if _names_columns(row) or _is_of_a_format(row, known):
            return HeadingRow(number)
    width = max((_filled(row) for row in rows), default=0)
    for number, row in enumerate(rows):
        # beside a customer a year is a heading, too
        has_customer = any(_is_text(cell) and names_a_customer(cell) for cell in row)
        is_text = all(
            (isinstance(cell, str) and not _is_number(cell)) or (has_customer and _is_year(cell))
            for cell in _cells(row)
        )
        if is_text and _filled(row) >= max(2, width - 1):
            why = "the first row of text that is as wide as those below is read as the headings"
            return HeadingRow(number, why if number else "")
    return HeadingRow(0)


def looks_like_ledger(head: Sequence[Sequence[object]]) -> bool:
    """Whether one of the first rows names a customer and what belongs beside it."""
    known = headings_of_formats()
    return any(_names_columns(row) or _is_of_a_format(row, known) for row in head[:LOOKED_THROUGH])


def is_month(cell: object) -> bool:
    """Whether a heading is a month, with a year or without."""
    if not isinstance(cell, str | datetime.date):
        return False
    words = re.sub(r"\b(mrr|arr)\b", " ", cell, flags=re.I) if isinstance(cell, str) else cell
    found = month_of_heading(words.strip() if isinstance(words, str) else words)
    return found is not None and found.kind in ("month", "quarter")


def _names_columns(row: Sequence[object]) -> bool:
    customers = [at for at, cell in enumerate(row) if _is_text(cell) and names_a_customer(cell)]
    if not customers:
        return False
    right = [cell for cell in row[customers[0] + 1 :] if _is_text(cell)]
    return (
        any(names_an_amount(cell) for at, cell in enumerate(row) if _is_text(cell))
        or any(names_a_date(cell) for cell in right)
        or sum(map(is_month, row)) >= 2
        or sum(map(_is_year, row[customers[0] + 1 :])) >= 2
    )


def _is_year(cell: object) -> bool:
    """Whether a heading is a year alone: text, or a spreadsheet's number."""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return cell in YEARS
    if not isinstance(cell, str):
        return False
    found = month_of_heading(re.sub(r"\b(mrr|arr)\b", " ", cell, flags=re.I).strip())
    return found is not None and found.kind == "year" and (found.year or 0) in YEARS


def _is_of_a_format(row: Sequence[object], known: tuple[tuple[frozenset[str], ...], ...]) -> bool:
    there = {plain(cell) for cell in row if _is_text(cell)}
    return len(there) > 2 and any(
        all(not there.isdisjoint(one) for one in shape) for shape in known
    )


def _is_text(cell: object) -> bool:
    return isinstance(cell, str) and bool(cell.strip())


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[-+(]?[\d.,' ]+\)?", text.strip()))


def _cells(row: Sequence[object]) -> list[object]:
    return [cell for cell in row if cell is not None and str(cell).strip()]


def _filled(row: Sequence[object]) -> int:
    return len(_cells(row))
