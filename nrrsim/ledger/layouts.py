"""Tables as they lie in files in, one row a customer and month (or period) out; never reads a value
that it does not have to turn.

Months across are laid out, a customer that stands above its rows is written beside each, a measure
is chosen, and the month of a sheet or a file becomes a column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from nrrsim.errors import Finding, UsageError, did_you_mean
from nrrsim.ledger.across import FEWEST
from nrrsim.ledger.amounts import read_amounts
from nrrsim.ledger.cells import unnumbered
from nrrsim.ledger.columns import filled, said_columns
from nrrsim.ledger.exports import Found, recognised
from nrrsim.ledger.reading import Reading
from nrrsim.ledger.rows import Rows
from nrrsim.ledger.vocabulary import (
    MONTH,
    OTHERS,
    heading_of,
    names_a_customer,
    names_a_date,
    names_an_amount,
    plain,
)
from nrrsim.ledger.wide import is_transposed, is_wide, laid_out, measure_column, transposed
from nrrsim.months import month_name
from nrrsim.notation import counted

ABOVE = "Customer"  # what the column of a customer that stands in a row of its own is called


def arranged(parts: Sequence[Rows], reading: Reading) -> list[Rows]:
    """Each part with one row a customer and month, or a period; questions are its findings."""
    parts = _without_other_files(parts, reading)
    # of several files each may hold one month across
    lone = [is_wide(part, fewest=1) and not _is_long(part) for part in parts]
    may_be_one = sum(lone) > 1
    laid = [
        _arranged(part, reading, may_be_one and one) for part, one in zip(parts, lone, strict=True)
    ]
    return _with_named_months(laid)


def _without_other_files(parts: Sequence[Rows], reading: Reading) -> list[Rows]:
    """The parts without those of a folder that are no table of customers, such as a readme."""

    def is_table(part: Rows) -> bool:
        words = [str(each) for each in part.frame.columns]
        said = {plain(each) for each in reading.columns.values()} & set(map(plain, words))
        names = any(map(names_a_customer, words)) or said
        amounts = any(map(names_an_amount, words)) and any(map(names_a_date, words))
        is_known = recognised(part.headings or words) is not None
        return bool(names or amounts or is_known or is_wide(part) or is_transposed(part))

    found = [part for part in parts if len(parts) > 1 and is_table(part)]
    if not found or len(found) == len(parts):
        return list(parts)
    others = [
        f"{part.name}, sheet {part.sheet}" if part.sheet else part.name
        for part in parts
        if not any(part is each for each in found)
    ]
    said = f"{', '.join(others)}: no table with a customer, left out"
    notice = Finding(others[0], 0, said, "if it is one, name its heading for the customer")
    found[0] = replace(found[0], notices=(*found[0].notices, notice))
    return found


def _arranged(part: Rows, reading: Reading, may_be_one: bool) -> Rows:
    found = recognised(part.headings or part.frame.columns, reading.format)
    if found is not None and found.shape.customer_above:
        part = _customers_beside(part)
    if is_transposed(part):
        if not reading.transpose:
            part = _asked(
                part,
                "months stand down and customers across",
                "turn the table with --transpose, or lay it out with customers down",
                "transpose",
            )
        # turned for the questions, too: all of a file are asked at once
        part = transposed(replace(part, frame=unnumbered(part.frame)))
    part = _filled_down(part, reading)
    fewest = 1 if may_be_one or (found is not None and found.shape.rows == "wide") else FEWEST
    if is_wide(part, fewest=fewest):
        part = laid_out(
            replace(part, frame=unnumbered(part.frame)),
            unit=reading.unit or _unit_of(found),
            decimal=reading.decimal,
            scale=reading.scale,
            dates=reading.dates,
            calendar=reading.calendar,
            year_end_said=reading.fiscal_year_end is not None,
            fewest=fewest,
            used=(*reading.columns.values(), *reading.where),
        )
    if found is None or found.shape.rows == "wide":
        part = _without_empty_columns(part, reading)
    return _of_one_measure(part, reading)


def _without_empty_columns(part: Rows, reading: Reading) -> Rows:
    """The rows without columns in which no cell is filled: as if they were not there.

    Customers, months, amounts and dates of a period stay, and what an option names.
    """
    named = [*reading.columns.values(), *reading.where, reading.ended_at, reading.stopped]
    needed = {plain(each) for each in (*named, reading.order) if each}
    empty = [
        str(label)
        for label, cells in part.frame.items()
        if not (plain(label) in needed or names_a_customer(label) or names_an_amount(label))
        and heading_of(label).plain not in (*MONTH, *OTHERS["start"], *OTHERS["end"])
        and not filled(cells).any()
    ]
    if not empty or part.frame.empty:
        return part
    headings = tuple(
        heading
        for heading, label in zip(part.headings, part.frame.columns, strict=False)
        if str(label) not in empty
    )
    return replace(part, frame=part.frame.drop(columns=empty), headings=headings)


def _unit_of(found: Found | None) -> str | None:
    return found.shape.unit if found is not None else None


def _asked(
    part: Rows, problem: str, remedy: str, option: str, choices: tuple[str, ...] = (), line: int = 0
) -> Rows:
    question = Finding(part.name, line or part.heading_line, problem, remedy, "", option, choices)
    return replace(part, findings=(*part.findings, question))


def _without(part: Rows, rows: np.ndarray, frame: pd.DataFrame) -> Rows:
    """The rows of `frame` that stay, each with its line."""
    kept = np.flatnonzero(rows)
    return replace(
        part,
        frame=frame.iloc[kept].reset_index(drop=True),
        lines=lambda: part.lines()[kept],
        block=None if part.block is None else part.block[kept],
    )


# --- a customer above its rows --------------------------------------------------------------------


def _customers_beside(part: Rows) -> Rows:
    """A customer that stands alone in a row above its invoices, written beside each of them.

    The row of its total (`Total for X`) goes with it.
    """
    frame = part.frame
    first, rest = frame.iloc[:, 0], frame.iloc[:, 1:]
    is_filled = rest.notna().to_numpy().any(axis=1)
    texts = first.map(lambda cell: str(cell).strip(), na_action="ignore").to_numpy(object)
    closes = [_closed_by(text) if isinstance(text, str) else "" for text in texts]
    totals = first.notna().to_numpy() & (is_filled | np.array([bool(each) for each in closes]))
    heads = first.notna().to_numpy() & ~totals
    names = pd.Series(_names_above(texts, heads, closes), index=frame.index, dtype=object)
    rows = ~heads & ~totals
    widened = frame.assign(**{ABOVE: names}).drop(columns=[str(frame.columns[0])])
    laid = _without(part, rows, widened)
    said = f"a customer stands in a row of its own: {counted(int(heads.sum()), 'customer')}"
    if totals.any():
        said += f", and {counted(int(totals.sum()), 'row of a total', 'rows of totals')} left out"
    headings = (*(part.headings or tuple(map(str, frame.columns)))[1:], ABOVE)
    return replace(laid, headings=headings, taken=(*part.taken, said))


def _closed_by(text: str) -> str:
    """The customer whose rows end with this row (`Total for X with sub-customers`), else empty."""
    told = re.fullmatch(r"total for (.+?)(?: with sub-customers)?", text, re.IGNORECASE)
    return told[1] if told else ""


def _names_above(texts: np.ndarray, heads: np.ndarray, closes: Sequence[str]) -> list[str | None]:
    """By row the customer above it; below a parent whose total is still to come, Parent:Child."""
    last = {name: at for at, name in enumerate(closes) if name}
    found: list[str | None] = []
    open_now: list[str] = []
    for at, text in enumerate(texts):
        if heads[at]:
            open_now = [name for name in open_now if last.get(name, -1) > at] + [text]
        elif closes[at] in open_now:
            open_now = open_now[: open_now.index(closes[at]) + 1]
        found.append(":".join(open_now) if open_now else None)
        if closes[at] in open_now and last[closes[at]] == at:
            open_now = open_now[: open_now.index(closes[at])]
    return found


def _filled_down(part: Rows, reading: Reading) -> Rows:
    """Empty customers' cells below a filled one, as a pivot table leaves them."""
    column = _customer_column(part, reading)
    if column is None:
        return part
    cells = part.frame[column]
    empty = cells.isna().to_numpy()
    if not empty.any() or not (~empty).any():
        return part
    # a row of a pivot holds what else there is; a total's row or a note's does not
    below = empty & (np.cumsum(~empty) > 0)
    filled = part.frame.drop(columns=[column]).notna().sum(axis=1).to_numpy()
    usual = np.median(filled[~empty])
    below &= filled >= usual
    if below.sum() < (1 if reading.fill_down else 2):
        return part
    if reading.fill_down:
        frame = part.frame.assign(**{column: cells.where(~below, cells.ffill())})
        said = f"{counted(int(below.sum()), 'empty cell')} below a customer are that customer's"
        return replace(part, frame=frame, taken=(*part.taken, said))
    first = int(np.argmax(below))
    # what is asked is not told again cell by cell
    return _asked(
        _without(part, ~below, part.frame),
        f"{counted(int(below.sum()), 'row has', 'rows have')} no customer, the first here, below"
        " one that has: so a pivot table leaves them",
        "repeat the customer in each row, or say that it is the one above with --fill-down",
        "fill_down",
        line=int(part.lines()[first]),
    )


def _customer_column(part: Rows, reading: Reading) -> str | None:
    said = said_columns(part, [str(each) for each in part.frame.columns], reading.columns)
    if "customer" in said:
        return said["customer"]
    named = [str(each) for each in part.frame.columns if names_a_customer(each)]
    return named[0] if named else None


# --- which rows -----------------------------------------------------------------------------------


def _of_one_measure(part: Rows, reading: Reading) -> Rows:
    """The rows that `where` says; without it a column of measures is asked."""
    by_words = {plain(each): str(each) for each in reversed(part.frame.columns)}
    for heading, value in reading.where.items():
        label = by_words.get(plain(heading))
        if label is None:
            remedy = did_you_mean(heading, [str(each) for each in part.frame.columns])
            raise UsageError(f"where: there is no column {heading}; {remedy}")
        rows = part.frame[label].map(lambda cell: plain(cell), na_action="ignore") == plain(value)
        if not rows.any():
            known = sorted({str(each) for each in part.frame[label].dropna()})
            raise UsageError(f"where: {label} is never {value}; {did_you_mean(value, known)}")
        left = int((~rows).sum())
        said = f"rows whose {label} is {value}: {counted(left, 'other row')} left out"
        part = _without(part, rows.to_numpy(bool), part.frame)
        part = replace(part, taken=(*part.taken, said))
        part = _of_unit(part, heading_of(value).plain, (label, *reading.columns.values()))
    asked = measure_column(part)
    if not asked or plain(asked) in map(plain, reading.where):
        return part
    values = list(dict.fromkeys(str(each) for each in part.frame[asked].dropna()))
    if len(values) == 1 and part.frame[asked].notna().all():
        part = replace(part, taken=(*part.taken, f"all rows are of the {asked} {values[0]}"))
        return _of_unit(part, heading_of(values[0]).plain, (asked, *reading.columns.values()))
    choices = tuple(f"{asked}={value}" for value in values)
    return _asked(
        part,
        f"the column {asked} holds several measures: {', '.join(values[:5])}",
        f"say which to read with --where {choices[0] if choices else asked + '=...'}",
        "where",
        choices,
    )


def _of_unit(part: Rows, unit: str, others: Sequence[str]) -> Rows:
    """What is chosen of several measures names the unit of the amounts: MRR or ARR."""
    headings = [str(each) for each in part.frame.columns]
    if unit not in ("mrr", "arr"):
        return part
    free = [each for each in headings if each not in others and not names_a_customer(each)]
    named = [each for each in free if names_an_amount(each)]
    named = named or [each for each in free if heading_of(each).plain in ("value", "wert")]
    if len(named) > 1:
        return part
    numeric = [
        each
        for each in free
        if not names_a_date(each)
        and not any(heading_of(each).plain in names for names in OTHERS.values())
        and not read_amounts(part.frame[each]).unreadable.any()
        and part.frame[each].notna().any()
    ]
    chosen = named[:1] or (numeric if len(numeric) == 1 else [])
    if not chosen:
        return part
    said = f"{chosen[0]} is {unit.upper()}, as --where says"
    return replace(
        part,
        frame=part.frame.rename(columns={chosen[0]: unit}),
        headings=tuple(unit if each == chosen[0] else each for each in part.headings),
        taken=(*part.taken, said) if plain(chosen[0]) != "amount" else part.taken,
    )


def _with_named_months(parts: list[Rows]) -> list[Rows]:
    """The month of a sheet's or a file's name, where the rows have none."""
    months = [part.named_month for part in parts]
    if len(parts) < 2 or None in months or any(map(_has_month, parts)):
        return parts
    found = []
    for part in parts:
        month = month_name(part.named_month or 0)
        where = f"sheet {part.sheet}" if part.sheet else part.name
        said = f"{where} is the month {month}"
        frame = part.frame.assign(month=month)
        headings = (*(part.headings or map(str, part.frame.columns)), "month")
        found.append(replace(part, frame=frame, headings=headings, taken=(*part.taken, said)))
    return found


def _has_month(part: Rows) -> bool:
    words = {heading_of(each).plain for each in part.frame.columns}
    return bool(words & {*MONTH, *OTHERS["start"]})


def _is_long(part: Rows) -> bool:
    """Whether a table has a column of months, or one of amounts that names none."""
    return _has_month(part) or any(map(names_an_amount, part.frame.columns))
