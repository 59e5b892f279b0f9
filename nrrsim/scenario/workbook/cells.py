"""Cells and numbers in, formulas of them out with what they come to; never knows a scenario.

An expression such as `a * (1 - b)` holds two things: the text of the formula, and its value. So a
workbook shows the right figure where nothing computes it, and no formula is written twice. Only
functions that Excel has had since 2007 are used, none of which spills.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nrrsim import special

ATOM, POWER, PRODUCT, SUM, JOIN, COMPARISON = range(6)  # what binds first comes first
NONE = ""  # what a formula shows where there is nothing
NOT_A_NUMBER = "#N/A"


@dataclass(frozen=True, eq=False)
class Live:
    """A formula's text, without its equals sign, and its value: a number, a text, or of a range
    `ndarray[cell]`. `binds`: how closely what is outermost in it holds together.
    """

    text: str
    value: Any
    binds: int = ATOM

    def __add__(self, other: Any) -> Live:
        return _joined(self, "+", other, SUM, _arith(np.add))

    def __radd__(self, other: Any) -> Live:
        return live(other) + self

    def __sub__(self, other: Any) -> Live:
        return _joined(self, "-", other, SUM, _arith(np.subtract))

    def __rsub__(self, other: Any) -> Live:
        return live(other) - self

    def __mul__(self, other: Any) -> Live:
        return _joined(self, "*", other, PRODUCT, _arith(np.multiply))

    def __rmul__(self, other: Any) -> Live:
        return live(other) * self

    def __truediv__(self, other: Any) -> Live:
        return _joined(self, "/", other, PRODUCT, _arith(np.divide))

    def __rtruediv__(self, other: Any) -> Live:
        return live(other) / self

    def __pow__(self, other: Any) -> Live:
        return _joined(self, "^", other, POWER, _arith(np.power))

    def __lt__(self, other: Any) -> Live:
        return _joined(self, "<", other, COMPARISON, _arith(np.less))

    def __le__(self, other: Any) -> Live:
        return _joined(self, "<=", other, COMPARISON, _arith(np.less_equal))

    def __gt__(self, other: Any) -> Live:
        return _joined(self, ">", other, COMPARISON, _arith(np.greater))

    def __ge__(self, other: Any) -> Live:
        return _joined(self, ">=", other, COMPARISON, _arith(np.greater_equal))

    def is_(self, other: Any) -> Live:
        """Whether it is the same, capitals and small letters alike, as `=` has it."""
        return _joined(self, "=", other, COMPARISON, lambda a, b: _lower(a) == _lower(b))

    def is_not(self, other: Any) -> Live:
        return _joined(self, "<>", other, COMPARISON, lambda a, b: _lower(a) != _lower(b))

    def then(self, other: Any) -> Live:
        """A text and another one behind it."""
        return _joined(self, "&", other, JOIN, lambda a, b: _text(a) + _text(b))


def live(what: Any) -> Live:
    """A number, or a text, as a formula has it; an expression as it is."""
    if isinstance(what, Live):
        return what
    if isinstance(what, str):
        doubled = what.replace('"', '""')
        return Live(f'"{doubled}"', what)
    if isinstance(what, bool):
        return Live(str(what).upper(), what)
    is_whole = float(what).is_integer() and abs(what) < 1e15
    text = str(int(what)) if is_whole else repr(float(what)).upper()
    return Live(text, float(what), ATOM if what >= 0 else SUM)


def _joined(left: Any, sign: str, right: Any, binds: int, by: Any) -> Live:
    left, right = live(left), live(right)
    # of two that bind alike a formula takes the left first
    one = left.text if left.binds <= binds - (binds == POWER) else f"({left.text})"
    other = right.text if right.binds < binds else f"({right.text})"
    return Live(f"{one}{sign}{other}", by(left.value, right.value), binds)


def _arith(by: Any) -> Any:
    """Done with numbers: what is none, such as an empty text, comes to none."""

    def done(*parts: Any) -> Any:
        try:
            with np.errstate(all="ignore"):
                return by(*map(_number, parts))
        except ValueError:
            return np.nan

    return done


def _number(value: Any) -> Any:
    return np.asarray(value, float) if isinstance(value, np.ndarray) else np.float64(value)


def _text(value: Any) -> str:
    """A value as `&` has it."""
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _lower(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == object:
        return np.array([_lower(each) for each in value], object)
    return value.lower() if isinstance(value, str) else value


def _called(name: str, parts: Sequence[Any], value: Any) -> Live:
    return Live(f"{name}({','.join(live(each).text for each in parts)})", value)


def where(condition: Live, one: Any, other: Any) -> Live:
    """IF: one thing or the other."""
    value = live(one if condition.value else other).value
    return _called("IF", (condition, one, other), np.nan if _is_error(condition.value) else value)


def first_of(cases: Sequence[tuple[Live, Live]], last: Live) -> Live:
    """What belongs to the first condition that holds."""
    found = last
    for condition, what in reversed(cases):
        found = where(condition, what, found)
    return found


def either(*conditions: Live) -> Live:
    """OR."""
    return _called("OR", conditions, any(bool(each.value) for each in conditions))


def both(*conditions: Live) -> Live:
    """AND."""
    return _called("AND", conditions, all(bool(each.value) for each in conditions))


def or_else(one: Live, other: Any) -> Live:
    """IFERROR: the other where the first comes to no number."""
    value = live(other).value if _is_error(one.value) else one.value
    return _called("IFERROR", (one, other), value)


def _is_error(value: Any) -> bool:
    return isinstance(value, float) and not np.isfinite(value)


def is_number(what: Live) -> Live:
    """ISNUMBER; cell by cell of a range."""
    value = what.value
    if isinstance(value, np.ndarray):
        return _called("ISNUMBER", [what], np.array([_is_number(each) for each in value]))
    return _called("ISNUMBER", [what], _is_number(value))


def is_filled(range_: Live) -> Live:
    """Cell by cell whether there is anything, an error too: 1 or 0."""
    held = np.array([float(each != NONE) for each in range_.value])
    return Live(f"1-ISBLANK({range_.text})", held, SUM)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)


def exactly(range_: Live, what: Any) -> Live:
    """EXACT: whether texts are the same to the letter, cell by cell of a range."""
    wanted = _text(live(what).value)
    cells = range_.value
    if not isinstance(cells, np.ndarray):
        return _called("EXACT", (range_, what), _text(cells) == wanted)
    return _called("EXACT", (range_, what), np.array([_text(each) == wanted for each in cells]))


def _mapped(name: str, by: Any, *parts: Any) -> Live:
    value = _arith(by)(*(live(each).value for each in parts))
    return _called(name, parts, value if isinstance(value, np.ndarray) else float(value))


def exp(what: Any) -> Live:
    """EXP."""
    return _mapped("EXP", np.exp, what)


def ln(what: Any) -> Live:
    """LN."""
    return _mapped("LN", np.log, what)


def root(what: Any) -> Live:
    """SQRT."""
    return _mapped("SQRT", np.sqrt, what)


def size_of(what: Any) -> Live:
    """ABS."""
    return _mapped("ABS", np.abs, what)


def whole(what: Any) -> Live:
    """INT: the whole number below."""
    return _mapped("INT", np.floor, what)


def rounded(what: Any, digits: int) -> Live:
    """ROUND, to so many digits."""
    return _mapped("ROUND", lambda value, to: np.round(value, int(to)), what, digits)


def left_over(what: Any, by: Any) -> Live:
    """MOD."""
    return _mapped("MOD", np.mod, what, by)


def least(*parts: Any) -> Live:
    """MIN."""
    return _mapped("MIN", lambda *each: np.min(each), *parts)


def most(*parts: Any) -> Live:
    """MAX."""
    return _mapped("MAX", lambda *each: np.max(each), *parts)


def normal_below(score: Any) -> Live:
    """NORMSDIST: how much of a standard normal lies below a score."""
    return _mapped("NORMSDIST", special.ndtr, score)


def normal_score(below: Any) -> Live:
    """NORMSINV: the score below which so much of a standard normal lies."""
    return _mapped("NORMSINV", special.ndtri, below)


def beta_below(at: Any, a: Any, b: Any) -> Live:
    """BETADIST: how much of a Beta variable lies below."""
    return _mapped("BETADIST", lambda x, a, b: special.betainc(a, b, x), at, a, b)


def before_dot(what: Live) -> Live:
    """What stands before the first dot of a text; all of it where there is none."""
    text = f'LEFT({what.text},FIND(".",{what.text}&".")-1)'
    return Live(text, _text(what.value).partition(".")[0])


def after_dot(what: Live) -> Live:
    """What stands behind the first dot of a text; nothing where there is none."""
    text = f'MID({what.text},FIND(".",{what.text}&".")+1,255)'
    return Live(text, _text(what.value).partition(".")[2])


def begins_with(what: Live, start: str) -> Live:
    """Whether a text begins so, capitals and small letters alike; cell by cell of a range."""
    cells = what.value if isinstance(what.value, np.ndarray) else [what.value]
    found = [_text(each).lower().startswith(start) for each in cells]
    value = np.array(found) if isinstance(what.value, np.ndarray) else found[0]
    return Live(f"LEFT({what.text},{len(start)})={live(start).text}", value, COMPARISON)


def nth(range_: Live, place: Live) -> Live:
    """INDEX: the cell of a range at a place, the first being 1."""
    return _called("INDEX", (range_, place), range_.value[int(place.value) - 1])


def sum_of(range_: Live) -> Live:
    """SUM of a range."""
    return _called("SUM", [range_], float(np.sum(_number(range_.value))))


def sum_product(*arrays: Live) -> Live:
    """SUMPRODUCT: the sum of what comes of ranges cell by cell."""
    with np.errstate(all="ignore"):
        value = np.prod(np.broadcast_arrays(*(_number(each.value) for each in arrays)), axis=0)
    return _called("SUMPRODUCT", arrays, float(np.sum(value)))


def largest(array: Live) -> Live:
    """The largest of what comes of ranges cell by cell; SUMPRODUCT makes MAX go through them."""
    return Live(f"SUMPRODUCT(MAX({array.text}))", float(np.max(_number(array.value))))


def product_of(array: Live) -> Live:
    """PRODUCT of what comes of ranges cell by cell: to be written as an array formula."""
    return _called("PRODUCT", [array], float(np.prod(_number(array.value))))


def total_of(parts: Sequence[Live]) -> Live:
    """One and another and another."""
    found = parts[0]
    for part in parts[1:]:
        found = found + part
    return found


def texts(cells: Sequence[Live]) -> Live:
    """Cells with texts that stand beside each other, as a range."""
    ends = f"{cells[0].text}:{cells[-1].text.partition('!')[2]}"
    return Live(ends, np.array([each.value for each in cells], object))


def cell_of(column: Live, place: int) -> Live:
    """One cell of a column, by its place in it from 0."""
    at, _, row = column.text.split(":")[0].rpartition("$")
    return Live(f"{at}${int(row) + place}", column.value[place])


@dataclass(frozen=True)
class Page:
    """A sheet that is written on, cell by cell; rows and columns count from 0."""

    sheet: Any
    name: str

    def put(
        self,
        row: int,
        column: int,
        what: Any,
        look: Any = None,
        *,
        array: bool = False,
        fixed: bool = False,
    ) -> Live:
        """Write a number, a text or a formula with its value; the cell, for further formulas.

        array : whether the formula is to be computed cell by cell of its ranges. fixed : whether
        the cell is the same one where a formula is copied.
        """
        if not isinstance(what, Live):
            write = self.sheet.write_string if isinstance(what, str) else self.sheet.write_number
            write(row, column, what, look)
            held = what if isinstance(what, str) else float(what)
            return self.cell(row, column, held, fixed)
        text, value = what.text.replace(f"{self.name}!", ""), shown(what.value)
        if array:
            self.sheet.write_array_formula(row, column, row, column, text, look, value)
        else:
            self.sheet.write_formula(row, column, text, look, value)
        return self.cell(row, column, what.value, fixed)

    def cell(self, row: int, column: int, value: Any, fixed: bool = False) -> Live:
        return Live(f"{self.name}!{address(row, column, fixed)}", value)

    def range(
        self,
        first: tuple[int, int],
        last: tuple[int, int],
        values: Sequence[Any] | np.ndarray,
        fixed: bool = True,
    ) -> Live:
        """The cells of a row or a column, with their values."""
        is_text = any(isinstance(each, str) for each in values)
        held = np.array(list(values), object if is_text else float)
        ends = f"{address(*first, fixed)}:{address(*last, fixed)}"
        return Live(f"{self.name}!{ends}", held)


def address(row: int, column: int, fixed: bool = False) -> str:
    """Where a cell is, both counted from 0: `C5`; `$C$5` of one that is `fixed`."""
    from xlsxwriter.utility import xl_rowcol_to_cell

    return str(xl_rowcol_to_cell(row, column, row_abs=fixed, col_abs=fixed))


def shown(value: Any) -> Any:
    """A value as a formula's cell holds it; what is no number as an error of Excel's."""
    if isinstance(value, bool | np.bool_ | str):
        return bool(value) if not isinstance(value, str) else value
    return float(value) if np.isfinite(value) else NOT_A_NUMBER
