"""A table with months across in, one row a customer and month out; never judges who is a customer.

What is decided on the way is said: which columns are months, which are their sums, whether amounts
are MRR or ARR, in which currency, in thousands or not.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import chain

import numpy as np
import pandas as pd

from nrrsim.ledger.across import (
    FEWEST,
    Across,
    Column,
    Told,
    columns_of,
    headings_of,
    months_across,
    periods_of,
    quoted,
    text_of,
)
from nrrsim.ledger.amounts import read_amounts
from nrrsim.ledger.captions import MAY_BE, UNITS, Caption, read_caption, said
from nrrsim.ledger.monthcells import (
    Cells,
    Turned,
    columns_of_sums,
    filled_months,
    line_of,
    read_cells,
)
from nrrsim.ledger.rows import Rows, labels
from nrrsim.ledger.vocabulary import AMOUNTS, MEASURES, MONTH, OTHERS, SIGNS, heading_of, plain
from nrrsim.months import Calendar, month_name
from nrrsim.notation import counted

# what a column of measures is filled with, MRR or ARR among them
MEASURED = {"mrr", "arr", "seats", "users", "licenses", "licences", "quantity", "revenue",
            "bookings", "billings", "acv", "tcv", "usage", "price", "headcount"}  # fmt: skip
# words of roll-forwards, ledgers and key figures: columns headed so are no customers
NO_CUSTOMER = (
    r"\b(?:mrr|arr|nrr|grr|revenue|amount|customers?|clients?|accounts?|segment|currency|months?"
    r"|dates?|opening|closing|beginning|ending|new|expansion|contraction|churn(?:ed)?|net|logos?"
    r"|reactivation|upgrades?|downgrades?|adoption|cross.?sell|price|count|seats|quantity|rate"
    r"|start|end|status|plan|product|invoice|retention)\b"
)


def is_wide(rows: Rows, *, fewest: int = FEWEST) -> bool:
    """Whether months (quarters, years) stand across, two at least, right of another column.

    A lone date column such as a start is no month. Where `fewest` is 1, one month is enough: a
    known export's, or that of one file of several.
    """
    columns = columns_of(rows, fewest=fewest)
    _, periods = periods_of(columns, fewest)
    first = min((column.at for column in periods), default=0)
    return any(not column.caption.kind for column in columns[:first])


def is_transposed(rows: Rows) -> bool:
    """Whether months stand down, each once, and amounts below what look like customers' names.

    A plain ledger, in which a month stands once a customer, never is; nor is a roll-forward.
    """
    frame = rows.frame
    across = headings_of(rows)[1:]
    names = [head for head in across if head and not re.search(NO_CUSTOMER, head, re.IGNORECASE)]
    months = _months_down(frame)
    if len(across) < FEWEST or 2 * len(names) <= len(across) or months < FEWEST or is_wide(rows):
        return False
    cells = frame.iloc[:months, 1:].to_numpy(object).ravel()
    return not read_amounts(pd.Series(cells, dtype=object)).unreadable.any()


def transposed(rows: Rows) -> Rows:
    """The same table with its months across, findings still by the line of their month."""
    frame = rows.frame
    is_row = frame.iloc[:, 0].notna().to_numpy()
    headings = ("Customer", *(text_of(cell) for cell in frame.iloc[:, 0][is_row]))
    cells = [headings_of(rows)[1:], *frame.iloc[:, 1:][is_row].to_numpy(object)]
    turned = pd.DataFrame(dict(zip(labels(headings), cells, strict=True)), dtype=object)
    # what stood above customers says nothing of months: it is kept as a title
    above = tuple(
        (line, (" ".join(filter(None, map(text_of, cells))), *[None] * (len(headings) - 1)))
        for line, cells in rows.above
    )
    month_lines = rows.lines()[is_row]
    known = {each.name: getattr(rows, each.name) for each in dataclasses.fields(Rows)}
    turned_rows = {
        "frame": turned,
        "lines": lambda: np.full(len(turned), rows.heading_line),
        "headings": headings,
        "above": above,
        "taken": (*rows.taken, "months stand down and customers across: the table is turned"),
    }
    return Turned(**known | turned_rows, month_lines=month_lines)


def measure_column(rows: Rows) -> str | None:
    """The column that says what a row is of (MRR, seats): headed so, or of such words alone."""
    named = list(zip(rows.frame.columns, headings_of(rows), strict=True))
    for label, heading in named:
        if plain(heading) in MEASURES:
            return str(label)
    for label, _ in named:
        cells = rows.frame[label].dropna()
        if text_of(cells.iat[0] if len(cells) else "").casefold() in MEASURED:
            words = {text_of(cell).casefold() for cell in cells.unique()}
            if len(words) > 1 and words <= MEASURED and words & UNITS.keys():
                return str(label)
    return None


def laid_out(
    rows: Rows,
    *,
    unit: str | None,
    decimal: str | None,
    scale: float | None,
    dates: str | None,
    calendar: Calendar,
    year_end_said: bool = False,
    fewest: int = FEWEST,
    used: Collection[str] = (),
) -> Rows:
    """One row a customer and month with an amount, and what was decided on the way.

    Columns beside the months stay as they are; `month` is text (`YYYY-MM`), and `mrr` or `arr` the
    amount, a float, multiplied where the table is in thousands. With a column of measures (MRR,
    seats) the amount's column is `amount`: which rows count is still to be said. `currency` is
    added where it is told outside a column.

    `unit`, `decimal`, `scale` and `dates` are the options of that name; `year_end_said`: the
    calendar is the company's own, so that FY25 is read by it. `fewest` is that of `is_wide`; `used`
    are headings that somebody named, which stay wherever they stand. Questions and what cannot be
    read are findings of the rows; while the unit is asked, amounts stand under `mrr`.
    """
    told = Told(
        rows.name, rows.heading_line, rows.place, [*rows.findings], [*rows.notices], [*rows.taken]
    )
    across = months_across(rows, unit, dates, calendar, year_end_said, told, fewest=fewest)
    titles = [caption for caption in map(said, _titles(rows)) if caption.text]
    name = "amount" if measure_column(rows) else _unit(across, titles, unit, told)
    cells, sign = read_cells(rows, across, decimal, told)
    sums = columns_of_sums(rows, across, cells, sign, calendar, told, used)
    not_kept = (*across.unread, *sums, *(column for column, _ in across.months))
    kept = [column for column in across.columns if column not in not_kept]

    _say_without_amounts(rows, kept, cells, told)
    cells = filled_months(rows.frame, cells, told)
    told.taken[len(rows.taken) : len(rows.taken)] = _says_months(cells)
    values = _scaled(cells, titles, scale, told)
    row, month = np.nonzero(~np.isnan(values))
    long = _beside(rows.frame, kept, told).take(row).reset_index(drop=True)
    if not any(heading_of(column.heading).plain in OTHERS["currency"] for column in kept):
        by_row = _currency(rows, cells, titles, told)
        long = long if by_row is None else long.assign(currency=by_row[row])
    names = np.array([month_name(number) for _, number in cells.months], dtype=object)
    long = long.assign(month=names[month].astype(object), **{name: values[row, month]})

    return dataclasses.replace(
        rows,
        frame=long,
        lines=lambda: _lines(rows, cells, row, month),
        findings=tuple(told.findings),
        notices=tuple(told.notices),
        headings=tuple(map(str, long.columns)),
        taken=tuple(told.taken),
        block=row,
    )


def _say_without_amounts(rows: Rows, kept: Sequence[Column], cells: Cells, told: Told) -> None:
    """Name the rows in which no month has an amount: a heading among the customers, or nobody."""
    bare = np.isnan(cells.values).all(axis=1) & ~cells.unreadable.any(axis=1) & ~cells.repeats
    if not cells.months or not bare.any() or bare.all():
        return
    beside = rows.frame.iloc[np.flatnonzero(bare), [column.at for column in kept]]
    names = [next(filter(None, map(text_of, row)), "?") for row in beside.to_numpy(object)]
    told.notice(
        f"{counted(len(names), 'row')} without any amount: {quoted(names)}",
        "headings among the customers, or customers who paid nothing: not read",
        line_of(rows, cells.months[0][0], int(np.argmax(bare))),
    )


def _lines(rows: Rows, cells: Cells, row: np.ndarray, month: np.ndarray) -> np.ndarray:
    """The line of each amount: its row's, or its month's where months stood down."""
    if isinstance(rows, Turned):
        at = np.array([column.at for column, _ in cells.months], dtype=np.int64)
        return np.asarray(rows.month_lines[at[month] - 1])
    return np.asarray(rows.lines()[row])


def _months_down(frame: pd.DataFrame) -> int:
    """In how many rows the first column says a month, each once; 0 if other rows stand between."""
    first = frame.iloc[:, 0].dropna() if frame.shape[1] else pd.Series(dtype=object)
    # most tables say so with their first cell
    if first.empty or read_caption(text_of(first.iloc[0])).kind != "month":
        return 0
    down = [text_of(cell) for cell in frame.iloc[:, 0]]
    captions = [read_caption(text) for text in down if text]
    months = [(caption.year, caption.number) for caption in captions if caption.kind == "month"]
    is_first = all(caption.kind == "month" for caption in captions[: len(months)])
    # below them there may be a total
    return len(months) if is_first and len(set(months)) == len(months) else 0


# --- what titles and headings say of the amounts --------------------------------------------------


def _titles(rows: Rows) -> Iterator[str]:
    for _, cells in rows.above:
        yield from map(text_of, cells)
    yield rows.sheet or ""


def _unit(across: Across, titles: Sequence[Caption], unit: str | None, told: Told) -> str:
    """Mrr or arr, by the headings, the titles and the sheet's name, or asked."""
    if unit is not None or not across.months:
        return unit or "mrr"
    headings = {each for column, _ in across.months for each in said(column.heading).units}
    sources = [
        (headings, "the headings"),
        *((title.units, repr(title.text)) for title in titles),
        (across.units, "the rows above the headings"),
    ]
    found = {each: source for units, source in reversed(sources) for each in sorted(units)}
    if len(found) == 1:
        ((unit, source),) = found.items()
        told.taken.append(f"amounts are {unit.upper()}, by {source}")
        return unit
    says = "says both" if found else "does not say which"
    told.ask("unit", ("mrr", "arr"), f"the amounts are MRR or ARR: the table {says}")
    return "mrr"


def _scaled(cells: Cells, titles: Sequence[Caption], scale: float | None, told: Told) -> np.ndarray:
    """The amounts as money: where titles or headings say thousands, multiplied, and said."""
    by_title = {title.scale: title.text for title in titles if title.scale}
    by_column = {
        column.caption.scale: column.heading for column, _ in cells.months if column.caption.scale
    }
    whole = next(iter(by_title), 1.0)
    if len(by_title) > 1 and scale is None:
        told.ask(
            "scale",
            tuple(f"{by:g}" for by in sorted(by_title)),
            f"the titles say two scales ({' and '.join(map(repr, by_title.values()))})",
        )
    for by, source in (by_title | by_column).items() if scale is None else ():
        told.notice(
            f"amounts are {_in_words(by)} ({source!r}): {_times(by)}",
            "if they are not, say --scale 1",
        )
    if cells.multiplied.any():
        told.notice(f"{counted(int(cells.multiplied.sum()), 'amount')} with k or m: multiplied")
    if scale is not None:
        factors = np.full(len(cells.months), scale)
    else:
        factors = np.array([column.caption.scale or whole for column, _ in cells.months])
    if (factors == 1).all():
        return cells.values
    # 1.001 thousand is 1001, and not the 1000.9999999999999 of binary fractions
    money = np.round(cells.values * factors, 6)
    return np.where(cells.multiplied, cells.values, money)


def _in_words(by: float) -> str:
    return {1_000.0: "in thousands", 1_000_000.0: "in millions", 0.01: "in cents"}[by]


def _times(by: float) -> str:
    return f"multiplied by {by:,.0f}" if by > 1 else f"divided by {1 / by:,.0f}"


def _currency(rows: Rows, cells: Cells, titles: Sequence[Caption], told: Told) -> np.ndarray | None:
    """The currency of each row, where cells, headings or titles tell it; else None.

    A row without a sign has the table's, where there is one alone.
    """
    captions = [*titles, *(column.caption for column, _ in cells.months)]
    outside = {code for caption in captions for code in caption.currencies}
    signs = [sign for sign in pd.unique(cells.currency.ravel()) if sign is not None]
    # $ in the cells is what the title says of it, CAD; else SIGNS has its code
    codes = {
        sign: next(iter(outside.intersection(MAY_BE.get(sign, ()))), SIGNS.get(sign, sign))
        for sign in signs
    }
    inside = set(codes.values())
    if len(inside) < 2:
        if inside and outside and not inside <= outside:
            told.refuse(
                f"cells say {signs[0]}, and the titles or headings {' and '.join(sorted(outside))}",
                "write the currency once, or add a column currency",
            )
        (code,) = inside or (outside if len(outside) == 1 else {None})
        return None if code is None else np.full(len(rows.frame), code, dtype=object)

    by_row = np.full(len(rows.frame), None, dtype=object)
    for sign, code in codes.items():
        here = (cells.currency == sign).any(axis=1)
        two = np.flatnonzero(here & (by_row != None) & (by_row != code))  # noqa: E711
        if len(two):
            told.refuse(
                "has amounts in two currencies",
                "give each currency a row of its own",
                line=line_of(rows, cells.months[0][0], int(two[0])),
            )
        by_row[here] = code
    bare = np.flatnonzero((by_row == None) & ~np.isnan(cells.values).all(axis=1))  # noqa: E711
    if len(bare):
        told.refuse(
            f"{counted(len(bare), 'row')} without a currency in a table of"
            f" {' and '.join(sorted(inside))}",
            "add a column currency",
            line=line_of(rows, cells.months[0][0], int(bare[0])),
        )
    return by_row


def _says_months(cells: Cells) -> Iterator[str]:
    if cells.months:
        (first, start), *_ = by_month = sorted(cells.months, key=lambda each: each[1])
        last, end = by_month[-1]
        if len(by_month) == 1:
            yield f"the column {first.heading} is the month {month_name(start)}"
            return
        yield (
            f"{counted(len(by_month), 'column')} of months across, from {first.heading}"
            f" ({month_name(start)}) to {last.heading} ({month_name(end)})"
        )


def _beside(frame: pd.DataFrame, kept: Sequence[Column], told: Told) -> pd.DataFrame:
    """The columns beside the months; one that has a heading of ours is not read as ours."""
    names = [str(frame.columns[column.at]) for column in kept]
    ours = {
        label: f"{label} (unused)"
        for label in names
        if heading_of(label).plain in (*MONTH, *chain(*AMOUNTS.values()))
    }
    if ours:
        told.notice(f"{', '.join(ours)}: stands beside the months, not read", "rename what it says")
    beside = frame.iloc[:, [column.at for column in kept]]
    return beside.set_axis(pd.Index([ours.get(label, label) for label in names]), axis=1)
