"""A column's cells in, its distinct cells and their plain text out; never reads what they mean.

A ledger of a million rows has a few thousand distinct cells in a column: each is judged once.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable

import numpy as np
import pandas as pd

# Full-width forms, each blank that a keyboard or a spreadsheet knows, and the dashes and quotes
# that are written for a minus and an apostrophe. Nothing that looks like a digit and is another
# number (², ½) is among them: those stay what they are, and are refused.
_PLAIN = (
    {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
    | {0xFFE1: "£", 0xFFE5: "¥", 0xFFE6: "₩"}
    | dict.fromkeys([0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
    | dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")
    | dict.fromkeys(map(ord, "\u2018\u2019\u02bc\u00b4`"), "'")
)
AT_ONCE = 2**16  # rows that are looked at together: as many as stay near the processor


def plain_text(text: str) -> str:
    """A cell's text with plain digits, blanks, dashes and apostrophes, and none at its ends."""
    return (text if text.isascii() else text.translate(_PLAIN)).strip()


def is_text(cells: pd.Series) -> bool:
    """Whether a column is of text alone: each cell by itself, or numbers of the distinct ones."""
    return isinstance(cells.dtype, pd.StringDtype | pd.CategoricalDtype)


def unnumbered(frame: pd.DataFrame) -> pd.DataFrame:
    """The same cells, each text by itself."""
    numbered = frame.columns[frame.dtypes == "category"]
    return frame.astype(dict.fromkeys(numbered, "str"))


def numbers_of(cells: pd.Series) -> np.ndarray:
    """`ndarray[row]` of the number of each cell's category, -1 where null: as it stands there.

    Not to be written to. `Series.cat.codes` would be a copy.
    """
    codes: np.ndarray = cells.array.codes
    return codes


def distinct(cells: pd.Series) -> tuple[np.ndarray, list[object]]:
    """`ndarray[row]` of the place of each cell among the distinct ones, -1 where null; and these.

    They stand in the order in which they first appear. 1, 1.0 and true are three cells, and so is
    one instant in two zones.
    """
    if isinstance(cells.dtype, pd.CategoricalDtype):
        codes = numbers_of(cells)
        order = appearing(codes, len(cells.cat.categories))
        if len(order) == len(cells.cat.categories) and (order[1:] > order[:-1]).all():
            return codes, cells.cat.categories.tolist()
        place = np.full(len(cells.cat.categories) + 1, -1, dtype=codes.dtype)
        place[order] = np.arange(len(order))
        return place[codes], cells.cat.categories[order].tolist()
    if cells.dtype != object:
        codes, found = pd.factorize(cells, use_na_sentinel=True)
        return codes, list(found)
    places: dict[object, int] = {}
    null = cells.isna().to_numpy()
    codes = np.fromiter(
        (
            -1 if is_null else places.setdefault(_key(cell), len(places))
            for cell, is_null in zip(cells, null, strict=True)
        ),
        dtype=np.int64,
        count=len(cells),
    )
    # of equal cells the first stands for all
    first = np.unique(codes, return_index=True)[1][-len(places) :] if places else ()
    return codes, [cells.iat[place] for place in first]


def spread(values: Iterable[object], codes: np.ndarray, dtype: type, null: object) -> np.ndarray:
    """What is told of each distinct cell, for each cell; `null` where a cell is."""
    table: np.ndarray = np.array([*values, null], dtype=dtype)
    return np.asarray(table[codes])


def appearing(codes: np.ndarray, number: int) -> np.ndarray:
    """The codes from 0 to `number` - 1 that appear, in the order in which they do."""
    found: list[np.ndarray] = []
    is_new = np.append(np.ones(number, dtype=bool), False)  # the last stands for null, which is -1
    # a part at a time: once all have appeared the rest is passed over
    for begin in range(0, len(codes), AT_ONCE):
        if not is_new.any():
            break
        part = codes[begin : begin + AT_ONCE]
        first, at = np.unique(part[is_new[part]], return_index=True)
        found.append(first[np.argsort(at)])
        is_new[first] = False
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def _key(cell: object) -> object:
    offset = cell.utcoffset() if isinstance(cell, datetime.datetime) else None
    return (type(cell), cell, offset)
