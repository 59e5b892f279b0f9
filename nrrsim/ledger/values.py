"""Rows under our names in, typed values and what is wrong with each out; never mends one."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.errors import Finding
from nrrsim.ledger.columns import KNOWN, Table
from nrrsim.ledger.sources import invisible, map_unique, numbers
from nrrsim.months import (
    Calendar,
    day_number,
    end_number,
    last_day_number,
    month_number,
)

# Months that an amount pays for, by the word a billing system uses for its interval.
INTERVALS = {
    "month": 1,
    "monthly": 1,
    "quarter": 3,
    "quarterly": 3,
    "half-year": 6,
    "semiannual": 6,
    "year": 12,
    "yearly": 12,
    "annual": 12,
    "annually": 12,
}
ONE_SEGMENT = "all"
MOST = 1e25  # a year, of any amount: beyond, floats no longer add up to the cent
MOST_LETTERS = 32_767  # of a text: no spreadsheet's cell holds more
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
    "end.order": (
        "{} is not after the start",
        "a period ends after it starts; exchange the two or correct one",
    ),
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
        f"known: {', '.join(INTERVALS)}, or a number of months up to 60, such as 24",
    ),
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
ZONED = (
    "{} is a time of a zone, and which day that is depends on where one stands",
    "write the day, or cast the column to a date in the ledger's own zone",
)


def typed_values(
    table: Table, unit: str, periods: bool, inclusive: bool, calendar: Calendar
) -> pd.DataFrame:
    """Each known column in its type; what cannot be read is nan, and is judged by the rules.

    `start` and `end` are days since 1970; `end` is the first day without service, however it is
    written.
    """
    raw = table.frame
    columns: dict[str, Any] = {"customer": _text(raw["customer"])}
    if periods:
        columns["start"] = map_unique(raw["start"], calendar.reader(day_number))
        end = raw["end"] if "end" in raw else pd.Series(None, index=raw.index, dtype=object)
        day_of_end = calendar.reader(last_day_number if inclusive else end_number)
        columns["end"] = map_unique(end, day_of_end) + (1 if inclusive else 0)
    else:
        columns["month"] = map_unique(raw["month"], calendar.reader(month_number))

    # twelve months of it, of which `amount` pays for as many as its interval has
    columns["amount"] = numbers(raw[unit])
    columns["arr"] = columns["amount"] * (1 if unit == "arr" else 12)
    if unit == "amount":
        columns["interval"] = map_unique(raw["interval"], _interval)
        columns["arr"] = columns["arr"] / columns["interval"]

    if "segment" in raw:
        columns["segment"] = _text(raw["segment"])
    else:
        columns["segment"] = pd.Series(ONE_SEGMENT, index=raw.index, dtype="category")
        table.notice(
            "there is no column segment", f"all customers are read as one segment, {ONE_SEGMENT}"
        )

    for name in ("product", "currency"):
        if name in raw:
            columns[name] = _text(raw[name])
    for name in ("quantity", "unit_price"):
        if name in raw:
            columns[name] = numbers(raw[name])
    if "renewal" in raw:
        columns["renewal"] = map_unique(raw["renewal"], calendar.reader(month_number))
    further = [
        name for name in raw.columns if name not in KNOWN and not str(name).endswith(" (unused)")
    ]
    return pd.DataFrame(columns | {name: _text(raw[name]) for name in further}, index=raw.index)


def _text(values: pd.Series) -> pd.Series:
    """As sorted categories of text; blank is null, a spreadsheet's whole 1001.0 reads 1001."""
    if not isinstance(values.dtype, pd.StringDtype):
        values = values.map(_cell_text, na_action="ignore").astype("str")
    coded = pd.Series(pd.Categorical(values), index=values.index)
    blank = [name for name in coded.cat.categories if not name.strip()]
    return coded.cat.remove_categories(blank) if blank else coded


def codes_of(values: pd.Series) -> np.ndarray:
    """`ndarray[row]` of the number of each distinct value, -1 where null."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy(np.int64)
    return pd.factorize(values)[0].astype(np.int64)


def _cell_text(cell: object) -> str:
    whole = isinstance(cell, float) and math.isfinite(cell) and cell == int(cell)
    return str(int(cell)) if whole and isinstance(cell, float) else str(cell)


def _interval(value: object) -> int | None:
    if isinstance(value, str):
        return INTERVALS.get(value.strip().lower()) or (
            int(value) if value in map(str, range(1, 61)) else None
        )
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return int(value) if 1 <= value <= 60 and value == int(value) else None


def check_values(table: Table, frame: pd.DataFrame, unit: str) -> None:
    """Every rule on every row at once, by pandera; each value that breaks one becomes a finding."""
    import pandera.pandas as pa

    raw = table.frame

    def fine(values: pd.Series, name: str) -> pd.Series:
        """Read, or empty in the source where empty is allowed."""
        return values.notna() | raw[name].isna()

    def at_least_zero(values: pd.Series, name: str) -> pd.Series:
        finite = pd.Series(np.isfinite(values) | values.isna(), index=values.index)
        return fine(values, name) & finite & ~(values < 0)

    rules: dict[str, dict[str, Any]] = {
        "customer": {"customer.empty": lambda s: s.notna()},
        "segment": {"segment.empty": lambda s: s.notna()},
        "product": {"product.empty": lambda s: s.notna()},
        "currency": {"currency.empty": lambda s: s.notna()},
        "month": {"month.date": lambda s: s.notna()},
        "start": {"start.date": lambda s: s.notna()},
        "end": {
            "end.date": lambda s: fine(s, "end") if "end" in raw else s.isna(),
            "end.order": lambda s: ~(s <= frame["start"]),
        },
        "renewal": {"renewal.date": lambda s: fine(s, "renewal")},
        "amount": {
            "amount.number": lambda s: s.notna(),
            "amount.finite": lambda s: ~np.isinf(s),
            "amount.sign": lambda s: ~(s < 0) | np.isinf(s),
        },
        "arr": {"amount.bound": lambda s: ~(s >= MOST) | np.isinf(frame["amount"])},
        "interval": {"interval.known": lambda s: s.notna()},
        "quantity": {
            "quantity.number": lambda s: at_least_zero(s, "quantity"),
            "quantity.bound": lambda s: ~(s >= MOST) | np.isinf(s),
        },
        "unit_price": {
            "unit_price.number": lambda s: at_least_zero(s, "unit_price"),
            "unit_price.bound": lambda s: ~(s >= MOST) | np.isinf(s),
        },
        "key": {"key.once": lambda s: ~s.duplicated() | s.isna()},
        "one_segment": {"segment.one": lambda s: s.isna()},
    }
    judged = frame.assign(key=_keys(frame), one_segment=_second_segment(frame))
    # without ignore_na=False no rule would see an empty value, and most are about those
    schema = pa.DataFrameSchema(
        {
            name: pa.Column(
                checks=[
                    pa.Check(rule, error=key, ignore_na=False) for key, rule in of_column.items()
                ],
                nullable=True,
                required=False,
            )
            for name, of_column in rules.items()
        }
    )

    try:
        schema.validate(judged, lazy=True)
    except pa.errors.SchemaErrors as broken:
        _explain(table, broken.failure_cases, unit, judged)
    _check_texts(table, frame)


def _check_texts(table: Table, frame: pd.DataFrame) -> None:
    """Every text of every column, each distinct one judged once."""
    rules: dict[str, Callable[[str], object]] = {
        "text.invisible": invisible,
        "text.length": lambda text: len(text) > MOST_LETTERS,
    }
    for field in frame.columns[frame.dtypes == "category"]:
        texts, codes = frame[field].cat.categories, codes_of(frame[field])
        for rule, breaks in rules.items():
            broken = [code for code, text in enumerate(texts) if breaks(text)]
            problem, remedy = RULES[rule]
            for row in np.flatnonzero(np.isin(codes, broken)) if broken else ():
                name, line = table.place(int(row))
                written = problem.format(as_written(texts[codes[row]]))
                table.findings.append(Finding(name, line, written, remedy, str(field)))


def _keys(frame: pd.DataFrame) -> pd.Series:
    """One number for each customer, month and product, nan where one is missing.

    Of periods it is one for each whole row.
    """
    if "month" not in frame:
        grouped = frame.groupby(list(frame.columns), dropna=False, sort=False, observed=True)
        return pd.Series(grouped.ngroup().to_numpy(float), index=frame.index)

    # the codes as the digits of one number: each combination has its own
    key: np.ndarray = np.zeros(len(frame), dtype=np.int64)
    missing = np.zeros(len(frame), dtype=bool)
    for name in ("customer", "month", "product"):
        if name in frame:
            codes = codes_of(frame[name])
            key = key * (codes.max(initial=0) + 1) + codes
            missing |= codes < 0
    return pd.Series(np.where(missing, np.nan, key), index=frame.index)


def _second_segment(frame: pd.DataFrame) -> pd.Series:
    """1 where a customer's segment is not the one of its first row of that month, else nan."""
    if "month" not in frame or frame["segment"].nunique() < 2:
        return pd.Series(np.nan, index=frame.index)
    customer, segment = codes_of(frame["customer"]), codes_of(frame["segment"])
    month = frame["month"].fillna(-1).to_numpy(np.int64)
    pair = pd.Series(customer * (month.max(initial=0) + 1) + month)

    # only who has several rows in a month can have two segments: those few are grouped
    several = np.flatnonzero(
        pair.duplicated(keep=False) & (customer >= 0) & (month >= 0) & (segment >= 0)
    )
    grouped = pd.Series(segment[several]).groupby(pair.to_numpy()[several], sort=False)
    first = grouped.transform("first").to_numpy()
    second = np.full(len(frame), np.nan)
    second[several[first != segment[several]]] = 1.0
    return pd.Series(second, index=frame.index)


def _explain(table: Table, failures: pd.DataFrame, unit: str, judged: pd.DataFrame) -> None:
    """A finding for each value that broke a rule, with what is written there."""
    headings = {"amount": unit, "arr": unit, "key": "", "one_segment": "segment"}
    of_what = "customer, month and product" if "product" in table.frame else "customer and month"
    of_what = of_what if "month" in table.frame else "subscription"
    keys = judged["key"]
    doubled = _of_doubled_months(judged)
    # backwards, so that of equal keys the first row stays
    first_row = dict(zip(keys[::-1], keys.index[::-1], strict=True))
    for (column, check), broken in failures.groupby(["column", "check"], sort=False):
        rule, field = str(check), headings.get(str(column), str(column))
        written = table.frame.get(field, None)
        for row in broken["index"].astype(int):
            problem, remedy = RULES[rule]
            cell = None if written is None else written.iat[row]
            if rule == "key.once":
                begin = int(first_row[keys.iat[row]])
                problem = problem.format(of_what) + f" (first in {table.place(begin)})"
                remedy = _remedy_for_twice(table, begin, row, bool(doubled[row])) or remedy
            elif (
                written is not None
                and _is_empty(cell)
                and rule.endswith((".number", ".date", ".known"))
            ):
                problem = "is empty"
            elif rule.endswith(".date") and getattr(cell, "tzinfo", None):
                problem, remedy = ZONED
            name, line = table.place(row)
            table.findings.append(
                Finding(name, line, problem.format(as_written(cell)), remedy, field)
            )


def _of_doubled_months(judged: pd.DataFrame) -> np.ndarray:
    """`ndarray[row]`: whether most rows of its month stand twice, of several customers."""
    if "month" not in judged:
        return np.zeros(len(judged), dtype=bool)
    twice = judged["key"].duplicated(keep=False)
    by_month = judged.assign(twice=twice).groupby("month", dropna=False)
    share = by_month["twice"].transform("mean").to_numpy(float)
    payers = by_month["customer"].transform("nunique").to_numpy(float)
    return np.asarray((share > 0.5) & (payers > 1))


def _remedy_for_twice(table: Table, first: int, row: int, is_doubled: bool) -> str:
    """What to do about a customer's second row in a month, where adding the two up is wrong."""
    if "month" not in table.frame:
        return ""

    def differs(name: str) -> bool:
        return name in table.frame and table.frame[name].iloc[[first, row]].nunique() > 1

    if differs("currency"):
        return (
            "two currencies are never one amount: tell the rows apart by a column product, and give"
            " rates"
        )
    if is_doubled or differs("month"):
        return (
            "the month seems to be there as several snapshots: keep its last one, and never add"
            " them up"
        )
    return ""


def _is_empty(cell: object) -> bool:
    is_nan = isinstance(cell, float) and math.isnan(cell)
    return cell is None or is_nan or cell is pd.NaT or cell is pd.NA


def as_written(cell: object) -> str:
    """A cell as a finding quotes it, cut short where it is long."""
    written = repr(cell) if isinstance(cell, str) else str(cell)
    return written if len(written) <= MOST_SHOWN else f"{written[:MOST_SHOWN]}..."
