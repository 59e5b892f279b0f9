"""Cells in, amounts and what cannot be read out; never judges an amount, never guesses a sign.

One convention holds for a whole column. A cell that only one decimal sign can explain tells it
(`1,234.50`, `0,5`, `1.000.000`); where every cell with a sign is like `1.000`, it is asked.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pandas as pd

from nrrsim.ledger.cells import distinct, is_text, plain_text, spread
from nrrsim.ledger.vocabulary import CURRENCIES

# a dollar with its country's letters is the code that it stands for
_DOLLARS = {"US$": "USD", "A$": "AUD", "AU$": "AUD", "C$": "CAD", "CA$": "CAD", "NZ$": "NZD",
            "S$": "SGD", "HK$": "HKD", "NT$": "TWD", "MX$": "MXN", "R$": "BRL"}  # fmt: skip
_LETTERS = ("kr", "zł", "Kč", "Ft", "Fr")  # signs of money that are letters, as Excel writes them
# a sign and a code around one amount are one currency only where the code is one of these
_BESIDE = {"$": {"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "CLP", "COP", "ARS"},
           "€": {"EUR"}, "£": {"GBP"}, "¥": {"JPY", "CNY"}}  # fmt: skip
_TIMES = {"": "", "k": "e3", "m": "e6"}
MOST_LETTERS = 400  # of an amount: no number is longer

_SIGNS = "$£¥฿\u20a0-\u20c0"  # every sign of money between U+20A0 and U+20C0, the euro among them
_MONEY = (
    rf"(?:{'|'.join(map(re.escape, _DOLLARS))}|[{_SIGNS}]|{'|'.join(_LETTERS)}"
    r"|[A-Za-z]{3})"
)
_CELL = re.compile(
    rf"(?P<a>[-+(]?) *(?P<before>{_MONEY}?) *(?P<b>[-+(]?) *"
    rf"(?P<body>[0-9.,](?:[0-9.,' ]*[0-9.,])?(?i:e[-+]?[0-9]+)?)"
    rf" *(?P<times>[kKmM]?) *(?P<c>[-)]?) *(?P<after>{_MONEY}?) *(?P<d>[-)]?)"
)
_NOTHING = re.compile(rf"(?P<before>{_MONEY}?) *-{{1,3}} *(?P<after>{_MONEY}?)|")
_INFINITE = re.compile(r"[-+]?inf(inity)?", re.IGNORECASE)
# By its decimal sign: digits, or groups of three behind one thousands sign (the first is no lone 0,
# and no exponent follows), then the decimals. What only one of the two explains tells the sign.
_UNDER = {
    point: re.compile(
        rf"(?=.*[0-9])(?:[0-9]*(?:{re.escape(point)}[0-9]*)?(?:[eE][-+]?[0-9]+)?"
        rf"|(?!0[{re.escape(other)}' ])[0-9]{{1,3}}(?P<group>[{re.escape(other)}' ])[0-9]{{3}}"
        rf"(?:(?P=group)[0-9]{{3}})*(?:{re.escape(point)}[0-9]*)?)"
    )
    for point, other in ((".", ","), (",", "."))
}
# What most columns hold throughout, and a whole column is read at once: -12, 1,234.50, ($5), $ -
_USUAL = r"(?!0,)(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?"
_ALL_USUAL = re.compile(
    rf"(?: *(?:-?[$€£]? *{_USUAL}|[$€£]? *-(?:{_USUAL})?|\([$€£]? *{_USUAL}\)) *\n)*+"
)
_TELLS_POINT = re.compile(
    r"(?<![0-9])(?:0|[0-9]{4,})\.|\.(?:[0-9]{1,2}|[0-9]{4,})(?![0-9])|,[0-9]{3}[,.]"
)
_BARE = str.maketrans("(", "-", "$€£, )")


@dataclass(frozen=True)
class Amounts:
    """What the cells of a column say, each array by cell.

    `values` is nan where a cell is `blank` (null, blanks, a dash, a spreadsheet's `$ -`), is
    `unreadable`, or hangs on a decimal sign that is not told; what k or m multiplied is in them,
    and in `multiplied`. `currency` is the code (`USD`) or else the sign (`€`) in the cell, or None;
    `has_currency` says whether any is there.

    `decimal` is the decimal sign, "" where it is not told. Then `undecided` are the cells such as
    `1.000` for which it is needed, or `contradicts` is a cell that tells `.` and one that tells
    `,`: either way no cell with a sign is read.
    """

    values: np.ndarray
    blank: np.ndarray
    unreadable: np.ndarray
    currency: np.ndarray
    multiplied: np.ndarray
    decimal: str = ""
    undecided: tuple[int, ...] = ()
    contradicts: tuple[int, int] | None = None
    has_currency: bool = True


class _Cell(NamedTuple):
    """One distinct cell: its number as plain text under each decimal sign, None where it is none.

    `number` is that of a cell that has no text.
    """

    blank: bool = False
    number: float | None = None
    under: tuple[str | None, str | None] = (None, None)
    currency: str | None = None
    multiplied: bool = False

    @property
    def tells(self) -> str:
        """The decimal sign that alone explains the cell; "?" where either does, "" if any does."""
        point, comma = self.under
        if point == comma:
            return ""
        return "." if comma is None else "," if point is None else "?"


def read_amounts(cells: pd.Series, decimal: str | None = None) -> Amounts:
    """The amounts of a column, or of the month columns of a wide sheet one after the other.

    `decimal` (`.` or `,`) settles the decimal sign: a cell that cannot be read under it is
    unreadable. A number is what it is; true, false, dates and `nan` are none; `inf` and what is too
    large stay infinite.
    """
    usual = _typed(cells) or _usual(cells, decimal)
    if usual:
        return usual
    codes, found = distinct(cells)
    read = [_read(cell) for cell in found]
    tells = np.array([cell.tells for cell in read], dtype=object)
    contradicts = None
    if decimal is None:
        first = {sign: _first(np.isin(codes, np.flatnonzero(tells == sign))) for sign in ".,"}
        if first["."] is not None and first[","] is not None:
            contradicts = (first["."], first[","])
        else:
            decimal = next((sign for sign in ".," if first[sign] is not None), None)

    hangs = np.zeros(len(read), dtype=bool) if decimal else tells != ""
    amount = _numbers([cell.under[decimal == ","] for cell in read])
    for place, cell in enumerate(read):
        if cell.number is not None:
            amount[place] = cell.number
    amount[hangs] = np.nan
    blank = np.array([cell.blank for cell in read], dtype=bool)
    undecided = () if contradicts else np.flatnonzero(spread(hangs, codes, bool, False)).tolist()
    return Amounts(
        spread(amount, codes, float, np.nan),
        spread(blank, codes, bool, True),
        spread(np.isnan(amount) & ~blank & ~hangs, codes, bool, False),
        spread([cell.currency for cell in read], codes, object, None),
        spread([cell.multiplied for cell in read], codes, bool, False),
        (decimal or "") if (tells != "").any() else "",
        tuple(undecided),
        contradicts,
    )


def _typed(cells: pd.Series) -> Amounts | None:
    """The amounts of a column that holds numbers alone, or none; None where there is text, too."""
    kind: str = cells.dtype.kind
    if kind == "O" and cells.dtype == object:
        kind = pd.api.types.infer_dtype(cells, skipna=True)
    values = np.full(len(cells), np.nan)
    if kind in ("i", "u", "f", "integer", "floating", "mixed-integer-float", "decimal"):
        try:
            values = cells.astype(float).to_numpy()
        # an integer that no float holds, a signalling nan: cell by cell
        except (OverflowError, ValueError):
            return None
    elif kind not in ("b", "m", "M", "boolean", "empty"):
        return None
    return _at_once(values, cells.isna().to_numpy(), None, "")


def _usual(cells: pd.Series, decimal: str | None) -> Amounts | None:
    """The amounts of a column of nothing but usual text whose point is told; None of another."""
    if decimal == "," or not (
        is_text(cells) or pd.api.types.infer_dtype(cells, skipna=True) == "string"
    ):
        return None
    codes, found = distinct(cells)
    texts = [*map(str, found)]
    lines = "\n".join([*texts, ""])
    if lines.count("\n") > len(texts) or not _ALL_USUAL.fullmatch(lines):
        return None
    has_sign = "." in lines or "," in lines
    if has_sign and not decimal and not _TELLS_POINT.search(lines):
        return None

    numbers = spread(_numbers(lines.translate(_BARE).split("\n")[:-1]), codes, float, np.nan)
    currency = None
    if any(sign in lines for sign in "$€£"):
        signs = [next((sign for sign in "$€£" if sign in text), None) for text in texts]
        currency = spread(signs, codes, object, None)
    # what is usual and no number is a dash
    return _at_once(numbers, np.isnan(numbers), currency, "." if has_sign else "")


def _at_once(
    values: np.ndarray, blank: np.ndarray, currency: np.ndarray | None, decimal: str
) -> Amounts:
    none = np.broadcast_to(False, len(values))
    has_currency = currency is not None
    if currency is None:
        # the one None for every cell: a million of them would be the largest column
        currency = np.broadcast_to(np.array(None, dtype=object), len(values))
    unreadable = np.isnan(values) & ~blank
    return Amounts(values, blank, unreadable, currency, none, decimal, has_currency=has_currency)


def _numbers(texts: Sequence[str | None]) -> np.ndarray:
    cells = pd.Series(np.array(texts, dtype=object))
    return pd.to_numeric(cells, errors="coerce").to_numpy(float).copy()


def _first(found: np.ndarray) -> int | None:
    return int(found.argmax()) if found.any() else None


def _read(cell: object) -> _Cell:
    if isinstance(cell, str):
        return _read_text(plain_text(cell))
    if isinstance(cell, bool) or not isinstance(cell, int | float | Decimal | np.number):
        return _Cell()
    try:
        return _Cell(number=float(cell))
    except OverflowError:
        return _Cell(number=np.inf if cell > 0 else -np.inf)
    except ValueError:
        return _Cell()


def _read_text(text: str) -> _Cell:
    written = _CELL.fullmatch(text) if len(text) <= MOST_LETTERS else None
    if not written:
        return _read_nothing(text)

    body, times = written["body"], _TIMES[written["times"].lower()]
    marks = "".join(written.group("a", "b", "c", "d"))
    money = _currency(written["before"], written["after"])
    # the Swiss write a round amount as 1000.-, which is no minus
    is_round = body[-1] in ".," and "-" in written["c"] + written["d"]
    if marks not in ("", "+", "-", "()") or money is None or is_round:
        return _Cell()

    minus = "-" if marks in ("-", "()") else ""
    under = []
    for point, form in _UNDER.items():
        fits = form.fullmatch(body)
        digits = body.replace(fits["group"] or "", "").replace(point, ".") if fits else None
        under.append(None if digits is None else f"{minus}{digits}{times}")
    return _Cell(under=(under[0], under[1]), currency=money or None, multiplied=bool(times))


def _read_nothing(text: str) -> _Cell:
    """A cell without a number: a dash for none, infinite, or unreadable."""
    if _INFINITE.fullmatch(text):
        return _Cell(number=float(text))
    dash = _NOTHING.fullmatch(text)
    money = _currency(dash["before"] or "", dash["after"] or "") if dash else None
    return _Cell() if money is None else _Cell(blank=True, currency=money or None)


@functools.lru_cache(maxsize=1024)
def _currency(before: str, after: str) -> str | None:
    """The currency by what stands around an amount, "" if nothing does; None where that is none."""
    told = {_money(word) for word in (before, after) if word} or {""}
    if len(told) == 1:
        return told.pop()
    pairs = ((sign, code) for sign in told for code in told if code in _BESIDE.get(sign or "", ()))
    return next((code for _, code in pairs), None)


def _money(word: str) -> str | None:
    """A code as a code; a sign as it is written; None of three letters that are no code."""
    code = _DOLLARS.get(word, word.upper())
    if code in CURRENCIES:
        return code
    return None if len(word) == 3 else word
