"""Rows under our names in, typed values and what is wrong with each out; never mends one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.errors import Finding, UsageError, did_you_mean
from nrrsim.ledger.amounts import read_amounts
from nrrsim.ledger.cells import is_text, numbers_of
from nrrsim.ledger.columns import UNUSED, Table
from nrrsim.ledger.dates import Dates, Read, read_dates
from nrrsim.ledger.lostcells import ERRORS, NO_VALUE, is_lost
from nrrsim.ledger.pairs import counts_of, has_twice, lie_in_order, pairs_of, which_twice
from nrrsim.ledger.paying import filled_from_totals
from nrrsim.ledger.reading import Reading
from nrrsim.ledger.rows import invisible
from nrrsim.ledger.sources import numbers
from nrrsim.ledger.vocabulary import SIGNS
from nrrsim.notation import counted, digits_of

DOLLARS = ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN")  # a sign `$` may be any
# Read and used up, or of the day of the export: no column to split by.
NOT_KEPT = (
    *("start", "end", "mrr", "arr", "amount", "total", "interval", "interval_count", "stopped"),
    *("is_trial", "name", "beginning", "term_months", "booked"),
)
ONE_SEGMENT, UNASSIGNED = "all", "unassigned"
MOST = 1e25  # a year, of any amount: beyond, floats no longer add up to the cent
MOST_LETTERS = 32_767  # of a text: no spreadsheet's cell holds more
MOST_ALIKE = 5  # findings of one rule in a column: of more one is told for all
MOST_SHOWN = 80  # characters of a cell that a finding quotes
# What is wrong, and what to do, by the rule that a value broke. {} is the value as it is written.
RULES = {
    "customer.empty": ("is empty", "every row needs the customer's name"),
    "segment.empty": ("is empty", "write one for every row, such as: unassigned"),
    "product.empty": ("is empty", "write one for every row, or leave the column out"),
    "currency.empty": ("is empty", "write one for every row, such as USD"),
    "month.date": ("{} is not a month", "write it as YYYY-MM, such as 2026-09"),
    "start.date": ("{} is not a date", "write it as YYYY-MM-DD, such as 2026-09-01"),
    "end.date": (
        "{} is not a date",
        "write it as YYYY-MM-DD, or leave it empty if the subscription runs on",
    ),
    "end.term": (
        "{} is not a number of months",
        "write the months of the term as a number, such as 12; the end is empty",
    ),
    "end.order": (
        "{} is not after the start",
        "a period ends after it starts; exchange the two or correct one",
    ),
    "booked.date": ("{} is not a date", "write the day on which the row was booked, YYYY-MM-DD"),
    "renewal.date": (
        "{} is not a month",
        "write it as YYYY-MM, or leave it empty if nothing is due",
    ),
    "amount.number": (
        "{} is not a number",
        "write digits and a decimal point only, such as 1234.50",
    ),
    "amount.finite": ("{} is not a finite number", "write the amount that recurs"),
    "amount.bound": ("{} is too large", "an amount is less than 1e25 a year; correct it"),
    "amount.sign": (
        "{} is negative",
        "a ledger holds what recurs; book credits against the month they belong to",
    ),
    "interval.known": (
        "{} is not an interval",
        "write day, week, month, quarter, half-year or year, or a number of months up to 60, such"
        " as 24",
    ),
    "quantity.empty": ("is empty", "the amount is that of one unit: write how many there are"),
    "quantity.number": (
        "{} is not a number of 0 or more",
        "write the number of units, or leave the cell empty",
    ),
    "unit_price.number": (
        "{} is not a price of 0 or more",
        "write the price of one unit, or leave the cell empty",
    ),
    "quantity.bound": ("{} is too large", "a quantity is less than 1e25; correct it"),
    "unit_price.bound": ("{} is too large", "a price is less than 1e25; correct it"),
    "text.invisible": (
        "{} holds a line end, or a character that nobody sees",
        "write it anew without it, or it would count as another",
    ),
    "text.length": (f"{{}} is longer than {MOST_LETTERS:,} characters", "is a quote not closed?"),
    "key.once": ("stands again for the same {}", "add the amounts up, or remove one of the rows"),
    "segment.one": (
        "is the second segment of this customer in this month",
        "a customer has one segment a month",
    ),
}
LOST = (
    "{} is an error of the spreadsheet: the value is lost",
    "open the file, let it compute, and save it with its values",
)
NOT_COMPUTED = ("is {}", LOST[1])
ZONED = (
    "{} is a time of a zone, and which day that is depends on where one stands",
    "write the day, or cast the column to a date in the ledger's own zone",
)


def typed_values(table: Table, reading: Reading) -> pd.DataFrame:
    """Each known column in its type; what cannot be read is nan, and is judged by the rules.

    `start` and `end` are days since 1970; `end` is the first day without service, however it is
    written. `day` is the day that a row of a ledger of months names. What is left open is asked.
    """
    raw = table.frame
    columns: dict[str, Any] = {"customer": as_text(raw["customer"])}
    refuse_lost_names(table)
    columns |= _dates(table, reading)
    columns |= _amounts(table, reading, columns)

    if "segment" in raw:
        columns["segment"] = as_text(raw["segment"])
    else:
        columns["segment"] = pd.Series(ONE_SEGMENT, index=raw.index, dtype="category")
        table.notice(
            "there is no column segment", f"all customers are read as one segment, {ONE_SEGMENT}"
        )

    if "product" in raw:
        columns["product"] = as_text(raw["product"])
    for name in ("quantity", "unit_price"):
        if name in raw and name not in columns:
            columns[name] = numbers(raw[name])
    further = [
        name
        for name in raw.columns
        if name not in columns
        and not (name in NOT_KEPT and name in table.headings)
        and not str(name).endswith(UNUSED)
    ]
    labels = [*(["product"] if "product" in columns else []), *further]
    typed = columns | {name: as_text(raw[name]) for name in further}
    frame = pd.DataFrame(typed, index=raw.index, copy=False)
    return _with_known_labels(table, frame, ["segment", *labels])


def _with_known_labels(table: Table, frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """What a file has no column for is each customer's last known from the other files.

    Who is in none of them is unassigned. What tells lines apart is none of a customer.
    """
    if len(table.parts) < 2:
        return frame
    when = frame["day"] if "day" in frame else frame["start"]
    for name in names:
        lacks = table.by_row([name not in part.frame for part in table.parts])
        if lacks.all() or not lacks.any():
            continue
        if name in table.lines:
            row = int(frame.index[int(np.argmax(lacks))])
            table.refuse(
                f"there is no column {name} in this file, and others have one",
                "its rows would be another line: add the column, or read the file apart",
                row=row,
            )
            frame[name] = as_text(frame[name].astype(object).mask(lacks, UNASSIGNED))
            continue
        known = frame.loc[~lacks, ["customer", name]].assign(when=when[~lacks]).dropna()
        last = known.sort_values("when", kind="stable").drop_duplicates("customer", keep="last")
        by_customer = last.set_index(last["customer"].astype(str))[name].astype(str)
        told = frame["customer"].astype(object).map(by_customer)
        unknown = lacks & told.isna().to_numpy() & frame["customer"].notna().to_numpy()
        label = frame[name].astype(object).mask(lacks, told.fillna(UNASSIGNED))
        frame[name] = as_text(label)
        said = f"there is no column {name} in a file: each customer's is the last known from others"
        if unknown.any():
            number = counted(int(unknown.sum()), "row")
            said += f"; {number} of customers who are in none of them: {UNASSIGNED}"
        table.notice(said, "", int(frame.index[int(np.argmax(lacks))]))
    return frame


def refuse_lost_names(table: Table) -> None:
    """Refuse a customer's cell that an error or a formula left."""
    cells = table.frame["customer"]
    if cells.dtype.kind in "biufmM":
        return
    is_mixed = cells.dtype == object
    lost = (cells.map(is_lost) if is_mixed else cells.isin(ERRORS)).to_numpy(bool)
    if lost.any():
        row = int(cells.index[int(np.argmax(lost))])
        problem, remedy = of_lost(cells[row])
        number = f", and {int(lost.sum()) - 1:,} more" if lost.sum() > 1 else ""
        table.refuse(problem.format(as_written(cells[row])) + number, remedy, "customer", row)


def of_lost(cell: object) -> tuple[str, str]:
    """What is wrong with a lost cell, and what to do."""
    return NOT_COMPUTED if cell == NO_VALUE else LOST


def _dates(table: Table, reading: Reading) -> dict[str, Any]:
    """The columns of dates, all read together: one order of day and month holds for a file."""
    raw = table.frame
    names = ["start", "end"] if table.has_periods else ["month"]
    names += [each for each in ("renewal", "stopped") if each in raw]
    # of a log each entry counts
    names += ["booked"] if table.has_versions and reading.rows != "changes" else []
    for option in ("ended_at", "stopped"):
        if (heading := getattr(reading, option)) and option not in raw:
            if heading not in raw:
                remedy = did_you_mean(heading, [str(each) for each in raw])
                raise UsageError(f"{option}: there is no column {heading}; {remedy}")
            names.append(heading)
    inclusive = is_inclusive(table, reading)
    try:
        read = read_dates(
            {name: raw[name] for name in names if name in raw},
            dates=reading.dates,
            timezone=reading.timezone,
            calendar=reading.calendar,
            year_end_said=reading.fiscal_year_end is not None,
            excel=all(part.typed for part in table.parts),
            ends=["end"],
            utc=names if table.shape.utc else (),
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    _say_of_dates(table, read, reading)

    columns: dict[str, Any] = {}
    for name, dates in read.columns.items():
        if name == "month":
            # short: of millions of rows there are two of them, and neither is large
            columns["month"] = dates.month_as(np.float32)
            columns["day"] = dates.last_as(np.float32)
        elif name == "renewal":
            columns["renewal"] = dates.month
        elif name == "booked":
            columns["booked"] = dates.last
        elif name == "end":
            columns["end"] = dates.last + 1 if inclusive else dates.first
        else:
            columns[name] = dates.first
        columns[f"{name}?"] = dates.hangs
    if table.has_periods:
        columns["end"] = _ends_of_terms(table, columns["start"], columns.get("end"))
    for option in ("ended_at", "stopped"):
        if (heading := getattr(reading, option)) and heading in columns:
            columns[option] = columns.pop(heading)
    # what hangs on a question is no finding of its own: told apart by its own column
    waits = [columns.pop(name) for name in list(columns) if name.endswith("?")]
    columns["waits"] = np.logical_or.reduce(waits) if waits else np.zeros(len(raw), bool)
    return columns


def _ends_of_terms(table: Table, start: np.ndarray, end: np.ndarray | None) -> np.ndarray:
    """The ends; an empty one is the first day after a term of so many months, if there is one."""
    empty = np.ones(len(start), dtype=bool)
    if end is not None:
        empty = table.frame["end"].isna().to_numpy(bool)
    else:
        end = np.full(len(start), np.nan)
    if "term_months" not in table.frame or not empty.any():
        return end
    months = np.nan_to_num(read_amounts(table.frame["term_months"]).values, nan=-1.0)
    day = np.nan_to_num(start).astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    later = month + months.astype(np.int64)
    in_month = np.minimum(day - month, (later + 1).astype("datetime64[D]") - later - 1)
    ends = (later.astype("datetime64[D]") + in_month).astype(np.int64).astype(float)
    ends = np.where(np.isnan(start) | (months < 1), np.nan, ends)
    if "end" not in table.frame:
        table.taken.append("a subscription ends with its term: there is no column end")
    elif number := int((empty & ~np.isnan(ends)).sum()):
        table.taken.append(
            f"{counted(number, 'end is', 'ends are')} empty: the term's end is taken"
        )
    return np.where(empty, ends, end)


def is_inclusive(table: Table, reading: Reading) -> bool:
    """Whether a subscription's end is its last day with service."""
    return (reading.period_end or table.shape.period_end) == "inclusive"


def _say_of_dates(table: Table, read: Read, reading: Reading) -> None:
    raw = table.frame

    def cell(column: str, position: int) -> tuple[str, int]:
        return as_written(raw[column].iloc[position]), int(raw.index[position])

    for asked in read.asked:
        written, row = cell(asked.column, asked.position)
        number = counted(asked.cells, "cell")
        if asked.option == "fiscal_year_end":
            table.ask(
                f"{number} such as {written}, the first here: a fiscal year",
                "say in which month it ends with --fiscal-year-end MM, such as 01 for January",
                asked.option,
                asked.choices,
                row=row,
                field=asked.column,
            )
            continue
        ways = {
            "dmy": "--dates dmy (day first)",
            "mdy": "--dates mdy (month first)",
            "serial": "--dates serial (Excel's day numbers)",
        }
        table.ask(
            (
                f"{number} such as {written}, the first here: which day that is depends on how it"
                " is read"
            ),
            f"say how with {' or '.join(ways[each] for each in asked.choices)}",
            asked.option,
            asked.choices,
            row=row,
            field=asked.column,
        )
    if read.contradictory:
        (one, at), (two, there) = read.contradictory
        (written, row), (other, second) = cell(one, at), cell(two, there)
        table.refuse(
            f"{written} has the day first, and {other} ({table.place(second)}) the month",
            "write all dates one way, such as 2026-09-01",
            one,
            row,
        )
    if read.order_told_by:
        written, row = cell(*read.order_told_by)
        first = "day" if read.order == "dmy" else "month"
        table.taken.append(
            f"dates such as {written} ({table.place(row)}) have the {first} first: only so each is"
            " a date"
        )
    for zoned in read.zoned:
        times = " and ".join(zoned.times)
        if reading.timezone:
            moved = counted(zoned.cells, "time")
            table.taken.append(
                f"{zoned.column}: {moved} in UTC count on their day in {reading.timezone}"
            )
            continue
        moves = (
            f"{counted(zoned.months, 'row')} would count in the next month"
            if zoned.months
            else "no month would move"
        )
        table.notice(
            f"{zoned.column}: the times are {times} UTC, which is midnight elsewhere, and are read"
            f" as the day in UTC: in that zone {moves}",
            "name the zone with --timezone, such as --timezone Europe/Berlin",
            int(raw.index[zoned.first]),
        )


def days_of(table: Table, column: str, reading: Reading, wanted: str) -> Dates:
    """The days that the dates of a column mean; what is none, or what it hangs on, is noted.

    wanted : how a date is to be written.
    """
    cells = table.frame[column]

    def read(dates: str | None) -> Read:
        return read_dates(
            {column: cells},
            dates=dates,
            timezone=reading.timezone,
            calendar=reading.calendar,
            year_end_said=reading.fiscal_year_end is not None,
            excel=all(part.typed for part in table.parts),
        )

    try:
        found = read(None)
        # what the ledger's dates are settles only what these do not tell themselves
        if reading.dates and any(asked.option == "dates" for asked in found.asked):
            found = read(reading.dates)
    except ValueError as error:
        raise UsageError(str(error)) from None
    _say_of_dates(table, found, reading)
    days = found.columns[column]
    refuse_rows(table, column, days.empty, "is empty", f"write it as {wanted}")
    refuse_rows(table, column, days.unreadable, "{} is not a date", f"write it as {wanted}")
    return days


def last_days(table: Table, column: str, reading: Reading, wanted: str) -> np.ndarray:
    """`ndarray[row]`: the last day that a date means (of a month, its last), nan where it is none.

    As `days_of`.
    """
    return days_of(table, column, reading, wanted).last


def _amounts(table: Table, reading: Reading, dates: Mapping[str, Any]) -> dict[str, Any]:
    """`amount` as it is written, `arr` of twelve months of it, and each row's currency."""
    raw, unit = table.frame, table.unit
    exact = all(part.exact for part in table.parts)
    decimal = reading.decimal or ("." if exact else None)
    read = read_amounts(raw[unit], decimal)
    values, blank = read.values, read.blank
    signs = read.currency if read.has_currency else None
    if unit == "arr" and "total" in table.headings and "total" in raw and table.has_periods:
        total = read_amounts(raw["total"], decimal or read.decimal or None)
        values, blank, signs = filled_from_totals(table, read, total, dates)
    if reading.blank == "zero":
        values = np.where(blank, 0.0, values)
    if read.multiplied.any():
        table.notice(
            f"{counted(int(read.multiplied.sum()), 'amount')} written in thousands (k) or millions"
            " (m)",
            "they are multiplied",
        )
    columns: dict[str, Any] = {}
    currency = _currencies(table, signs)
    if currency is not None:
        columns["currency"] = currency
    values = _whole_units(table, reading, values, currency)
    values = _times_scale(table, reading, values)
    columns["amount"] = pd.Series(values, index=raw.index, copy=False)
    columns["blank"] = blank & (reading.blank != "zero")
    # also where one cell tells one sign and another the other: that is told once
    columns["undecided"] = np.isnan(read.values) & ~read.blank & ~read.unreadable
    return columns


def ask_of_amounts(table: Table, frame: pd.DataFrame) -> None:
    """Ask what amounts are that count, where they are empty or can be read in two ways."""
    questions: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
        "undecided": (
            "{} such as {}: a thousands sign or a decimal sign",
            "say which is the decimal sign with --decimal . or --decimal ,",
            "decimal",
            (".", ","),
        ),
        "blank": (
            "the amount of {} is empty, such as {}",
            "fill in what is missing, or say that it is nothing with --blank zero",
            "blank",
            ("zero",),
        ),
    }
    for column, (problem, remedy, option, choices) in questions.items():
        rows = np.flatnonzero(frame[column].to_numpy(bool))
        if len(rows) and not (column == "undecided" and _refuse_two_signs(table, rows)):
            row = int(frame.index[rows[0]])
            written = as_written(table.frame[table.unit][row])
            problem = problem.format(counted(len(rows), "cell"), written)
            if column == "blank" and len(rows) == 1:
                problem = "is empty" if _is_empty(table.frame[table.unit][row]) else f"is {written}"
            table.ask(problem, remedy, option, choices, row=row, field=table.unit)


def _refuse_two_signs(table: Table, rows: np.ndarray) -> bool:
    """Refuse undecided amounts of which one tells a decimal point, another a decimal comma."""
    cells = table.frame[table.unit].iloc[rows]
    told = read_amounts(cells).contradicts
    if told:
        one, two = (int(cells.index[each]) for each in told)
        table.refuse(
            f"{as_written(cells[one])} and {as_written(cells[two])} ({table.place(two)}) have two"
            " decimal signs",
            "write all amounts one way",
            table.unit,
            one,
        )
    return told is not None


def _currencies(table: Table, signs: np.ndarray | None) -> pd.Series | None:
    """Each row's currency as text, from its column and from the signs of its amount."""
    raw = table.frame
    codes = None
    if "currency" in raw:
        codes = raw["currency"].map(
            lambda cell: cell.strip().upper() if isinstance(cell, str) else cell, na_action="ignore"
        )
    if signs is None:
        return None if codes is None else as_text(codes)
    said = pd.Series(signs, index=raw.index, dtype=object).map(
        lambda sign: SIGNS.get(sign, sign), na_action="ignore"
    )
    signed = said.dropna()
    if codes is None:
        if signed.empty:
            return None
        # a cell without a sign has the column's
        found = sorted(set(signed))
        return as_text(said.fillna(found[0]) if len(found) == 1 else said)
    beside = codes.loc[signed.index].astype(object)
    other = (beside != signed) & ~((signed == "USD") & beside.isin(DOLLARS))
    if other.any():
        row = int(signed.index[int(np.argmax(other.to_numpy()))])
        table.refuse(
            f"the amount says {signed[row]}, and the currency is {codes[row]}",
            "an amount has one currency: correct one of the two",
            "currency",
            row,
        )
    return as_text(codes)


def _whole_units(
    table: Table, reading: Reading, values: np.ndarray, currency: pd.Series | None
) -> np.ndarray:
    """Amounts in cents as whole units; of some currencies there are none, or a thousand."""
    if reading.minor_units is None and not any(table.minor):
        return values
    minor = table.by_row(table.minor)
    if reading.minor_units is not None:
        minor[:] = reading.minor_units
    if not minor.any():
        return values
    parts = np.full(len(values), 100.0)
    if currency is not None:
        parts = currency.map(lambda code: 10.0 ** digits_of(code)).to_numpy(float)
    why = "as --minor-units says" if reading.minor_units else "as the file or its format says"
    by = " or ".join(f"{each:,.0f}" for each in sorted(set(parts[minor])))
    of = "" if minor.all() else f" of {counted(int(minor.sum()), 'row')}"
    table.notice(f"amounts{of} are in minor units (cents)", f"they are divided by {by}, {why}")
    return np.asarray(np.where(minor, values / parts, values))


def _times_scale(table: Table, reading: Reading, values: np.ndarray) -> np.ndarray:
    """Amounts in thousands as money; those of months across are multiplied already."""
    if reading.scale is None and set(table.scale) == {1.0}:
        return values
    laid_out = table.by_row([part.block is not None for part in table.parts])
    if reading.scale is not None:
        scale = np.where(laid_out, 1.0, reading.scale)
        problem, remedy = f"amounts are multiplied by {reading.scale:,.10g}", "as --scale says"
    else:
        scale = table.by_row(table.scale)
        problem = " and ".join(f"by {by:,.0f}" for by in sorted(set(scale) - {1.0}))
        problem = f"amounts are in thousands or millions: multiplied {problem}"
        remedy = "as a title or the heading says; if they are not, say --scale 1"
    if (scale == 1.0).all():
        return values
    table.notice(problem, remedy)
    # 1.001 thousand is 1001, and not the 1000.9999999999999 of binary fractions
    return np.asarray(np.where(scale == 1.0, values, np.round(values * scale, 6)))


def as_text(values: pd.Series) -> pd.Series:
    """As sorted categories of text; blank is null, a spreadsheet's whole 1001.0 reads 1001."""
    if not is_text(values):
        values = values.map(_cell_text, na_action="ignore").astype("str")
    if isinstance(values.dtype, pd.CategoricalDtype):
        coded = with_used_names(values)
    else:
        codes, names = pd.factorize(values)
        kind = pd.CategoricalDtype(pd.Index(names, dtype="str"))
        numbered = pd.Categorical.from_codes(codes, dtype=kind, validate=False)
        coded = pd.Series(numbered, index=values.index)
    if not coded.cat.categories.is_monotonic_increasing:
        coded = coded.cat.set_categories(coded.cat.categories.sort_values())
    blank = [name for name in coded.cat.categories.tolist() if not name.strip()]
    return coded.cat.remove_categories(blank) if blank else coded


def with_used_names(values: pd.Series) -> pd.Series:
    """The same categories without those that no row has."""
    names = values.cat.categories
    stands = np.zeros(len(names) + 1, dtype=bool)
    stands[numbers_of(values)] = True  # null is -1, the last
    return values if stands[:-1].all() else values.cat.set_categories(names[stands[:-1]])


def codes_of(values: pd.Series) -> np.ndarray:
    """`ndarray[row]` of the number of each distinct value, -1 where null."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy(np.int64)
    return pd.factorize(values)[0].astype(np.int64)


def _cell_text(cell: object) -> str:
    whole = isinstance(cell, float) and math.isfinite(cell) and cell == int(cell)
    return str(int(cell)) if whole and isinstance(cell, float) else str(cell)


def kept(table: Table, frame: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """These rows alone (a boolean each), of the table and of its typed frame."""
    if rows.all():
        return frame
    table.keep(rows)
    return frame[rows]


def check_values(table: Table, frame: pd.DataFrame, reading: Reading) -> None:
    """Every rule on every row at once; each value that breaks one becomes a finding.

    What hangs on a question is not judged.
    """
    raw, unit = table.frame, table.unit
    may_be_negative = (
        bool(table.lines) or reading.several == "add" or table.shape.rows == "movements"
    )

    def fine(values: pd.Series, name: str) -> pd.Series:
        """Read, or empty in the source where empty is allowed."""
        return values.notna() | (raw[name].isna() if name in raw else False)

    def at_least_zero(values: pd.Series, name: str) -> pd.Series:
        finite = pd.Series(np.isfinite(values) | values.isna(), index=values.index)
        return fine(values, name) & finite & ~(values < 0)

    nothing = pd.Series(False, index=raw.index)
    has_end = raw["end"].notna() if "end" in raw else nothing
    no_term = raw["term_months"].isna() if "term_months" in raw else ~nothing
    no_quantity = raw["quantity"].isna() if "quantity" in raw else nothing
    multiplied = frame.get("multiplied", nothing)

    rules: dict[str, dict[str, Callable[[pd.Series], pd.Series]]] = {
        "customer": {"customer.empty": lambda s: s.notna()},
        "segment": {"segment.empty": lambda s: s.notna()},
        "product": {"product.empty": lambda s: s.notna()},
        "currency": {"currency.empty": lambda s: s.notna()},
        "month": {"month.date": lambda s: s.notna()},
        "start": {"start.date": lambda s: s.notna()},
        "end": {
            "end.date": lambda s: fine(s, "end") if "end" in raw else ~nothing,
            "end.term": lambda s: s.notna() | no_term | frame["start"].isna() | has_end,
            "end.order": lambda s: ~(s < frame["start"]),
        },
        "booked": {"booked.date": lambda s: s.notna()},
        "renewal": {"renewal.date": lambda s: fine(s, "renewal")},
        "amount": {
            "amount.number": lambda s: s.notna(),
            "amount.finite": lambda s: ~np.isinf(s),
            "amount.sign": lambda s: ~(s < 0) | np.isinf(s) | may_be_negative,
        },
        "arr": {"amount.bound": lambda s: ~(s >= MOST) | np.isinf(frame["amount"])},
        "interval": {"interval.known": lambda s: s.notna()},
        "quantity": {
            "quantity.empty": lambda s: ~multiplied | ~no_quantity,
            # an amendment of a charge may take units away
            "quantity.number": lambda s: (
                at_least_zero(s, "quantity") | (table.shape.side_by_side & np.isfinite(s))
            ),
            "quantity.bound": lambda s: ~(s >= MOST) | np.isinf(s),
        },
        "unit_price": {
            # that of an amount is told of the amount
            "unit_price.number": lambda s: at_least_zero(s, "unit_price") | (multiplied & s.isna()),
            "unit_price.bound": lambda s: ~(s >= MOST) | np.isinf(s),
        },
        "key": {"key.once": lambda s: ~s.duplicated() | (s < 0)},
        "one_segment": {"segment.one": lambda s: s.isna()},
    }
    is_log = table.shape.rows == "movements" or reading.rows == "changes"
    # lines are judged for themselves; and until a measure is chosen each row stands several times
    is_asked = table.tells_lines_apart and "month" in frame
    is_asked |= any(finding.option == "where" for finding in table.findings)
    # while a day of booking cannot be read, all versions stand side by side
    is_asked |= "booked" in frame and bool(frame["booked"].isna().any())
    judged = frame
    # where a customer has one row a month, nothing stands twice, and there is one segment
    if "month" not in frame or not lie_in_order(
        numbers_of(frame["customer"]), whole_months(frame["month"])
    ):
        if not (is_asked or is_log or reading.several is not None):
            key = keys_of(table, frame)
            judged = judged.assign(key=key) if has_twice(key.to_numpy()) else judged
        judged = judged.assign(one_segment=_second_segment(frame))
    broken = {
        (name, rule): judged.index[~is_kept(judged[name])].to_numpy()
        for name, of_column in rules.items()
        if name in judged
        for rule, is_kept in of_column.items()
    }
    _explain(table, {at: rows for at, rows in broken.items() if len(rows)}, unit, judged)
    check_texts(table, frame)


def check_texts(table: Table, frame: pd.DataFrame) -> None:
    """Every text of every column, each distinct one judged once."""
    rules: dict[str, Callable[[str], object]] = {
        "text.invisible": invisible,
        "text.length": lambda text: len(text) > MOST_LETTERS,
    }
    for field in frame.columns[frame.dtypes == "category"]:
        texts = frame[field].cat.categories.tolist()
        if "".join(texts).isprintable() and max(map(len, texts), default=0) <= MOST_LETTERS:
            continue
        for rule, breaks in rules.items():
            broken = [code for code, text in enumerate(texts) if breaks(text)]
            if not broken:
                continue
            problem, remedy = RULES[rule]
            codes = codes_of(frame[field])
            for row in np.flatnonzero(np.isin(codes, broken)):
                name, line = table.place(int(row))
                written = problem.format(as_written(texts[codes[row]]))
                table.findings.append(Finding(name, line, written, remedy, str(field)))


def refuse_cells(
    table: Table, field: str, rows: np.ndarray, cells: pd.Series, problem: str, remedy: str
) -> None:
    """Note what is wrong in each of these rows, with its cell; of many one finding for all."""
    for at, row in enumerate(rows[: MOST_ALIKE if len(rows) <= MOST_ALIKE else 1].tolist()):
        told = problem.format(as_written(cells.iloc[at]))
        if len(rows) > MOST_ALIKE:
            told = f"{counted(len(rows), 'cell')} like this, the first here: {told}"
        table.refuse(told, remedy, field, row)


def refuse_rows(table: Table, field: str, wrong: Any, problem: str, remedy: str) -> None:
    """The same of the rows (a boolean each) of a column."""
    at = np.flatnonzero(wrong)
    cells = table.frame[field].iloc[at]
    refuse_cells(table, field, cells.index.to_numpy(), cells, problem, remedy)


def keys_of(table: Table, frame: pd.DataFrame) -> pd.Series:
    """One number for each customer and month (and line), -1 where one is missing.

    Of periods, and of rows that a column tells apart as lines, it is one for each whole row.
    """
    if "month" not in frame or table.tells_lines_apart:
        return pd.Series(keys_of_rows(table, frame), index=frame.index)

    customer, month = codes_of(frame["customer"]), whole_months(frame["month"])
    parts = [customer, month, *([codes_of(frame["product"])] if "product" in frame else [])]
    key = pairs_of(customer, month) if len(parts) == 2 else pairs_of(pairs_of(*parts[:2]), parts[2])
    for part in parts:
        if part.min(initial=0) < 0:
            key[part < 0] = -1
    return pd.Series(key, index=frame.index)


def whole_months(month: pd.Series) -> np.ndarray:
    """`ndarray[row]` of month numbers, -1 where none can be read."""
    known = month.notna()
    return (month if known.all() else month.where(known, -1.0)).to_numpy(np.int16)


def keys_of_rows(table: Table, frame: pd.DataFrame) -> np.ndarray:
    """`ndarray[row]`: a number for each whole row, the same for those equal in all cells."""
    key = np.zeros(len(frame), dtype=np.int64)
    for name in table.frame.columns:
        # a column at a time, so that the number stays small however many columns there are
        typed = {table.unit: "amount", "month": "day"}.get(name, name)
        codes = codes_of(frame[typed] if typed in frame else table.frame[name]) + 1
        key = pd.factorize(key * (int(codes.max(initial=0)) + 1) + codes)[0].astype(np.int64)
    return key


def _second_segment(frame: pd.DataFrame) -> pd.Series:
    """1 where a customer's segment is not the one of its first row of that month, else nan."""
    second = np.full(len(frame), np.nan)
    if "month" not in frame or len(frame["segment"].cat.categories) < 2:
        return pd.Series(second, index=frame.index)
    customer, segment = codes_of(frame["customer"]), codes_of(frame["segment"])
    month = whole_months(frame["month"])
    pair = pairs_of(customer, month)
    if not has_twice(pair):
        return pd.Series(second, index=frame.index)

    # only who has several rows in a month can have two segments: those few are grouped
    several = np.flatnonzero(which_twice(pair) & (customer >= 0) & (month >= 0) & (segment >= 0))
    grouped = pd.Series(segment[several]).groupby(pair[several], sort=False)
    first = grouped.transform("first").to_numpy()
    second[several[first != segment[several]]] = 1.0
    return pd.Series(second, index=frame.index)


def _explain(
    table: Table, broken: Mapping[tuple[str, str], np.ndarray], unit: str, judged: pd.DataFrame
) -> None:
    """A finding for each value that broke a rule, with what is written there; of many one for all.

    broken : by column and rule, the rows. What is asked is not told again.
    """
    if not broken:
        return
    headings = {"amount": unit, "arr": unit, "key": "", "one_segment": "segment"}
    of_what = "customer, month and product" if "product" in table.frame else "customer and month"
    of_what = of_what if "month" in table.frame else "subscription"
    # a customer twice in one table of months across is no second snapshot
    across = all(part.block is not None for part in table.parts)
    doubled, first_row = None, pd.Series(dtype=np.int64)
    if ("key", "key.once") in broken:
        doubled = _of_doubled_months(judged) & (not across)
        first_row = _first_rows(judged["key"])
    waits, asked = judged["waits"], judged["blank"] | judged["undecided"]
    options = {finding.option for finding in table.findings}
    for (column, rule), rows in broken.items():
        field = headings.get(column, column)
        if rule == "customer.empty" and "fill_down" in options:
            continue
        if rule == "end.term" or (field == "interval" and "interval" not in table.frame):
            field = "term_months"
        if not rule.startswith("amount."):
            rows = _one_a_source_row(table, rows)
        if rule.endswith((".date", ".order")):
            rows = rows[~waits[rows].to_numpy(bool)]
        if rule == "amount.number":
            rows = rows[~asked[rows].to_numpy(bool)]
        if rule in ("customer.empty", "month.date"):
            rows = rows[~np.isin(rows, table.asked_rows)]
        written = table.frame.get(field, None)
        told = []
        for row in rows:
            problem, remedy = RULES[rule]
            cell = None if written is None else written[row]
            option, choices = "", tuple[str, ...]()
            if rule == "key.once":
                begin = int(first_row[judged["key"][row]])
                problem = problem.format(of_what) + f" (first in {table.place(begin)})"
                told_twice = _remedy_for_twice(
                    table, begin, int(row), doubled is not None and bool(doubled[row]), judged
                )
                remedy, option, choices = told_twice
            elif (
                written is not None
                and _is_empty(cell)
                and rule.endswith((".number", ".date", ".known"))
            ):
                problem = "is empty"
            elif rule.endswith(".date") and getattr(cell, "tzinfo", None):
                problem, remedy = ZONED
            elif is_lost(cell):
                problem, remedy = of_lost(cell)
            name, line = table.place(int(row))
            told.append(
                Finding(
                    name, line, problem.format(as_written(cell)), remedy, field, option, choices
                )
            )
            if len(told) > MOST_ALIKE:
                break
        table.findings += told if len(rows) <= MOST_ALIKE else [_of_all(told[0], len(rows), rule)]


def _first_rows(keys: pd.Series) -> pd.Series:
    """By key that stands twice, the label of its first row."""
    twice = keys[which_twice(keys.to_numpy())]
    first = twice[~twice.duplicated()]
    return pd.Series(first.index, index=first.to_numpy())


def _one_a_source_row(table: Table, rows: np.ndarray) -> np.ndarray:
    """The first of the rows of each source row: where months stood across it is told once."""
    if all(part.block is None for part in table.parts):
        return rows
    first: dict[tuple[int, int], int] = {}
    for row in map(int, rows):
        number = int(np.searchsorted(table.starts, row, side="right")) - 1
        block = table.parts[number].block
        at = row - int(table.starts[number])
        first.setdefault((number, at if block is None else int(block[at])), row)
    return np.array([*first.values()], dtype=rows.dtype)


def _of_all(first: Finding, number: int, rule: str) -> Finding:
    """One finding for many of one cause, at the first of them."""
    what = "row" if rule.startswith(("key.", "segment.one")) else "cell"
    problem = f"{counted(number, what)} like this, the first here: {first.problem}"
    return replace(first, problem=problem)


def _of_doubled_months(judged: pd.DataFrame) -> pd.Series:
    """Whether most rows of its month stand twice, of several customers, by the index of rows."""
    if "month" not in judged:
        return pd.Series(False, index=judged.index)
    twice = which_twice(judged["key"].to_numpy())
    place = whole_months(judged["month"]) + 1  # 0: none can be read
    rows = counts_of(place, int(place.max(initial=0)) + 1)
    is_doubled = counts_of(place[twice], len(rows)) > rows / 2
    for month in np.flatnonzero(is_doubled):
        payers = numbers_of(judged["customer"])[place == month]
        is_doubled[month] = len(np.unique(payers[payers >= 0])) > 1
    return pd.Series(is_doubled[place], index=judged.index)


def _remedy_for_twice(
    table: Table, first: int, row: int, is_doubled: bool, judged: pd.DataFrame
) -> tuple[str, str, tuple[str, ...]]:
    """What to do about a customer's second row in a month, and the option that settles it."""
    if table.frame.loc[[first, row]].duplicated().any() or "month" not in table.frame:
        remedy = (
            "a doubled export? keep one of equal rows with --several last; if each counts, say so"
            " with --several add"
        )
        return remedy, "several", ("last", "add")

    def differs(name: str) -> bool:
        return name in table.frame and table.frame[name][[first, row]].nunique() > 1

    if differs("currency"):
        remedy = (
            "two currencies are never one amount: tell the rows apart by a column product, and give"
            " rates"
        )
        return remedy, "", ()
    several_days = "day" in judged and judged["day"][[first, row]].nunique() > 1
    if is_doubled or differs("month") or several_days:
        remedy = (
            "the month seems to be there as several snapshots: keep its last one with --several"
            " last; if they are lines of one customer, add them with --several add"
        )
        return remedy, "several", ("last", "add")
    if table.lines and not differs(table.unit):
        remedy = "a doubled export, or two alike: say which with --several last or --several add"
        return remedy, "several", ("last", "add")
    remedy = (
        "add the amounts up, or remove one of the rows: --several add adds them, --several last"
        " keeps the last, and a column product tells them apart"
    )
    return remedy, "several", ("add", "last")


def _is_empty(cell: object) -> bool:
    is_nan = isinstance(cell, float) and math.isnan(cell)
    return cell is None or is_nan or cell is pd.NaT or cell is pd.NA


def as_written(cell: object) -> str:
    """A cell as a finding quotes it, cut short where it is long."""
    written = repr(cell) if isinstance(cell, str) else str(cell)
    return written if len(written) <= MOST_SHOWN else f"{written[:MOST_SHOWN]}..."
