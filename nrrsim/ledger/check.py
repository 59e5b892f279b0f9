"""Rows as people keep them in, checked entries out; never drops or mends a row without a word.

Two forms are read. Snapshots: one row a customer and month (and product) with the amount of that
month. Subscription periods: one row a subscription with `start`, `end` and its amount.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nrrsim.errors import Finding, UsageError, did_you_mean
from nrrsim.ledger.columns import KNOWN, Table, amount_column, require
from nrrsim.ledger.periods import Known, look_at_ends, months_of_periods
from nrrsim.ledger.sources import Rows, invisible, map_unique, numbers
from nrrsim.months import (
    CALENDAR_YEAR,
    Calendar,
    day_number,
    end_number,
    last_day_number,
    month_name,
    month_number,
)
from nrrsim.movements import CENT, cents, json_ratio
from nrrsim.notation import counted

if TYPE_CHECKING:
    from nrrsim.ledger.ledger import Ledger

STEPS = (1, 3, 12)
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
MOST_PAIRS = 5  # of names in one notice
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
MOST_SHOWN = 80  # characters of a cell that a finding quotes


@dataclass(frozen=True)
class Entries:
    """Checked entries, sorted by customer, month and line; every amount is positive.

    `frame`: `customer`, `month` (months since year 0), `arr`, `segment`, and where the ledger has
    them `product`, `quantity`, `unit_price`, `currency`, `renewal` (a month number or nan) and any
    further column as text. `quantity` and `unit_price` are nan where their product is not the
    amount. `line`: `ndarray[entry]`, which of the customer's lines a row is of, the same from month
    to month (a customer-month's row with its product; a subscription with those that went on from
    it). `unit` is how amounts were written, `mrr` or `arr`. `notices` are things to know that do
    not make a number wrong. `step` is 1, 3 or 12 months, and `months` are all months of the ledger,
    also those in which nobody paid. `known` : until when a ledger of periods says anything.
    """

    frame: pd.DataFrame
    line: np.ndarray
    unit: str
    step: int
    notices: tuple[Finding, ...]
    rows: int
    zeros: int
    months: tuple[int, ...]
    known: Known | None = None


def check_rows(
    parts: Sequence[Rows],
    *,
    columns: Mapping[str, str] | None = None,
    period_end: str = "exclusive",
    until: str | None = None,
    rates_given: bool = False,
    calendar: Calendar = CALENDAR_YEAR,
) -> Entries:
    """The entries of the rows; raises DataError with every finding.

    `columns` names our word -> your heading. `period_end` says whether a subscription's end is its
    first day without service (`exclusive`) or its last day with it (`inclusive`). `until` is the
    day on which an export of periods was made (default: its last month is that of the latest
    start); a ledger of months has no use for it, and refuses it with UsageError. A fiscal
    `calendar` takes no quarter for a month.
    """
    if period_end not in ("exclusive", "inclusive"):
        remedy = did_you_mean(period_end, ["exclusive", "inclusive"])
        raise UsageError(f"period_end: {period_end!r} is not known; {remedy}")
    table = Table(parts, columns or {})
    unit = amount_column(table, columns or {})
    periods = "start" in table.frame.columns and "month" not in table.frame.columns
    if not require(table, ["customer", "start" if periods else "month", unit]):
        table.stop()
    frame = _parsed(table, unit, periods, period_end == "inclusive", calendar)
    _check_values(table, frame, unit)
    if until is not None and not periods:
        raise UsageError(
            f"until: {table.name} is a ledger of months: it ends with the last that it names;"
            " leave until out"
        )

    known: Known | None = None
    if not table.findings:
        _check_currencies(table, frame, rates_given)
        is_zero = frame["arr"] < CENT / 2
        zeros = int(is_zero.sum())
        # the month of a zero is known: one of zeros alone is a month in which nobody paid
        named = np.unique(frame["month"].to_numpy(np.int64)) if not periods else None
        frame = frame[~is_zero]
        if periods and not frame.empty:
            if period_end == "exclusive":
                look_at_ends(table, frame)
            frame, line, known = months_of_periods(table, frame.reset_index(drop=True), until)
        else:
            line = _codes(frame["product"]) if "product" in frame else np.zeros(len(frame), int)
        months, step = _check_months(table, frame, named, known)

    if table.findings:
        table.stop()
    if zeros:
        table.notice(
            f"{counted(zeros, 'row holds', 'rows hold')} the amount 0",
            "a zero is read as no row: not a customer in that month",
        )
    _look_at_names(table, frame)
    _look_at_prices(table, frame, unit)

    # by customer, month and line, whatever order the file has: the same ledger, the same bits
    rank = np.lexsort([line, frame["month"].to_numpy(), _codes(frame["customer"])])
    frame = frame.drop(columns=["amount", "interval"], errors="ignore")
    frame = frame.iloc[rank].reset_index(drop=True)
    for name in frame.columns[frame.dtypes == "category"]:
        frame[name] = frame[name].cat.remove_unused_categories()
    frame = frame.assign(month=frame["month"].astype(np.int64))
    _look_at_renames(table, frame, months)
    return Entries(
        frame=frame,
        line=line[rank],
        unit="arr" if unit == "arr" else "mrr",
        step=step,
        notices=tuple(table.notices),
        rows=len(table.frame),
        zeros=zeros,
        months=tuple(map(int, months)),
        known=known,
    )


def _parsed(
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


def _codes(values: pd.Series) -> np.ndarray:
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


def _check_values(table: Table, frame: pd.DataFrame, unit: str) -> None:
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
    _check_ids(table, frame["customer"])


def _check_texts(table: Table, frame: pd.DataFrame) -> None:
    """Every text of every column, each distinct one judged once."""
    rules: dict[str, Callable[[str], object]] = {
        "text.invisible": invisible,
        "text.length": lambda text: len(text) > MOST_LETTERS,
    }
    for field in frame.columns[frame.dtypes == "category"]:
        texts, codes = frame[field].cat.categories, _codes(frame[field])
        for rule, breaks in rules.items():
            broken = [code for code, text in enumerate(texts) if breaks(text)]
            problem, remedy = RULES[rule]
            for row in np.flatnonzero(np.isin(codes, broken)) if broken else ():
                name, line = table.place(int(row))
                written = problem.format(_as_written(texts[codes[row]]))
                table.findings.append(Finding(name, line, written, remedy, str(field)))


def _check_ids(table: Table, customers: pd.Series) -> None:
    """Two names that differ by leading zeros alone, or by a joiner, are one customer, or a slip."""
    alike: dict[str, Callable[[str], str]] = {
        "leading zeros": lambda name: re.sub(r"^0+(?=\w)", "", name.strip()),
        "a character that nobody sees": _visible,
    }
    names = customers.cat.categories
    codes, rows = np.unique(customers.cat.codes, return_index=True)
    row_of = dict(zip(codes.tolist(), rows.tolist(), strict=True))
    for what, folded in alike.items():
        first: dict[str, int] = {}
        for code, name in enumerate(names):
            other = first.setdefault(folded(name), code)
            if other == code:
                continue
            (one, at), (two, there) = table.place(row_of[code]), table.place(row_of[other])
            table.findings.append(
                Finding(
                    one,
                    at,
                    f"{_as_written(name)} and {_as_written(names[other])} ({two}:{there})"
                    f" differ by {what} alone",
                    "write a customer in one way everywhere; a spreadsheet keeps the zeros of text",
                    "customer",
                )
            )


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
            codes = _codes(frame[name])
            key = key * (codes.max(initial=0) + 1) + codes
            missing |= codes < 0
    return pd.Series(np.where(missing, np.nan, key), index=frame.index)


def _second_segment(frame: pd.DataFrame) -> pd.Series:
    """1 where a customer's segment is not the one of its first row of that month, else nan."""
    if "month" not in frame or frame["segment"].nunique() < 2:
        return pd.Series(np.nan, index=frame.index)
    customer, segment = _codes(frame["customer"]), _codes(frame["segment"])
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
                first_name, first_line = table.place(begin)
                problem = problem.format(of_what) + f" (first in {first_name}:{first_line})"
                remedy = _remedy_for_twice(table, judged, begin, row) or remedy
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
                Finding(name, line, problem.format(_as_written(cell)), remedy, field)
            )


def _remedy_for_twice(table: Table, judged: pd.DataFrame, first: int, row: int) -> str:
    """What to do about a customer's second row in a month, where adding the two up is wrong."""
    if "month" not in table.frame:
        return ""
    if "currency" in table.frame and len(set(table.frame["currency"].iloc[[first, row]])) > 1:
        return (
            "two currencies are never one amount: tell the rows apart by a column product, and give"
            " rates"
        )
    in_month = judged["month"] == judged["month"].iat[row]
    of_month = judged[in_month]
    doubled = of_month["key"].duplicated(keep=False).sum() > len(of_month) / 2
    several_dates = len(set(table.frame["month"].iloc[[first, row]])) > 1
    if several_dates or (doubled and of_month["customer"].nunique() > 1):
        month = month_name(int(judged["month"].to_numpy()[row]))
        return (
            f"{month} seems to be there as several snapshots: keep the last one of the month, and"
            " never add them up"
        )
    return ""


def _is_empty(cell: object) -> bool:
    is_nan = isinstance(cell, float) and math.isnan(cell)
    return cell is None or is_nan or cell is pd.NaT or cell is pd.NA


def _as_written(cell: object) -> str:
    written = repr(cell) if isinstance(cell, str) else str(cell)
    return written if len(written) <= MOST_SHOWN else f"{written[:MOST_SHOWN]}..."


def _check_months(
    table: Table, frame: pd.DataFrame, named: np.ndarray | None, known: Known | None
) -> tuple[np.ndarray, int]:
    """The ledger's months and the step between them; a missing one is a hole (not of periods).

    `named` : the months that the rows of a ledger of months name, those of a zero too.
    """
    paid = np.unique(frame["month"].to_numpy(np.int64)) if "month" in frame else np.array([])
    if len(paid) == 0:
        table.refuse(
            "there is no positive amount (what rounds to no cent a year is none)",
            "a ledger has one row for each customer and month",
        )
        return paid, 1
    if known is not None:
        return np.arange(paid[0], known.last + 1), 1

    months = paid if named is None else named
    if len(months) == 1:
        return months, 1
    gaps = np.diff(months)
    step = math.gcd(*map(int, gaps))
    if step not in STEPS:
        allowed = max(size for size in STEPS if step % size == 0)
        every = {1: "month", 3: "three months", 12: "year"}[allowed]
        table.refuse(
            f"snapshots lie {step} months apart, such as {month_name(int(months[0]))} and"
            f" {month_name(int(months[1]))}",
            f"a ledger is monthly, quarterly or annual; add those in between, one every {every}",
        )
    for before, gap in zip(months[:-1], gaps, strict=True):
        for missing in range(int(before) + step, int(before + gap), step):
            table.refuse(
                f"there is no row for {month_name(missing)}",
                "a whole month is missing:"
                " add it, or every customer would seem to leave and come back",
                "month",
            )
    return months, step


def _check_currencies(table: Table, frame: pd.DataFrame, rates_given: bool) -> None:
    if "currency" in frame and not rates_given:
        found = sorted(frame["currency"].unique().astype(str))
        if len(found) > 1:
            table.refuse(
                f"there are {len(found)} currencies ({', '.join(found)}) and no rates",
                "give rates: a file with month,currency,rate",
                "currency",
            )


def _folded(name: str) -> str:
    """A name without what the eye does not see: case, spaces, the invisible, forms of accents."""
    return " ".join(_visible(unicodedata.normalize("NFKC", name)).split()).casefold()


def _visible(name: str) -> str:
    if name.isprintable():
        return name
    return "".join(each for each in name if unicodedata.category(each) != "Cf")


def _look_at_names(table: Table, frame: pd.DataFrame) -> None:
    """Names that differ only by case or spaces would be a false churn and a false new customer."""
    names = pd.Series(frame["customer"].cat.remove_unused_categories().cat.categories)
    alike = names.map(_folded)
    twins = alike.duplicated(keep=False)
    for _, group in names[twins].groupby(alike[twins]):
        table.notice(
            f"customers whose names look the same: {', '.join(map(ascii, sorted(group)))}",
            "each spelling counts as a customer of its own",
        )


def _words(name: str) -> set[str]:
    return {word for word in re.findall(r"\w+", _folded(name)) if len(word) > 2}


def _look_at_renames(table: Table, frame: pd.DataFrame, months: np.ndarray) -> None:
    """Who goes as another comes with the same amount may be one customer under a new name.

    Told where the amount singles the two out: nobody else goes, comes or stays with it.
    """
    customer, month = _codes(frame["customer"]), frame["month"].to_numpy()
    begins = np.flatnonzero(np.diff(customer, prepend=-1) | np.diff(month, prepend=-1))
    cents_paid = np.round(100 * np.add.reduceat(frame["arr"].to_numpy(), begins))
    paid = pd.DataFrame({"customer": customer[begins], "month": month[begins], "cents": cents_paid})
    new = paid[~paid["customer"].duplicated()]
    gone = paid[~paid["customer"].duplicated(keep="last")]
    following = dict(zip(months[:-1].tolist(), months[1:].tolist(), strict=True))
    gone = gone.assign(month=gone["month"].map(following)).dropna()

    # beside the two nobody goes, comes or stays with the amount
    both = gone.merge(new, on=["month", "cents"], suffixes=("", "_new"))
    pairs = both.value_counts(["month", "cents"])
    payers = paid.merge(both[["month", "cents"]].drop_duplicates()).value_counts(["month", "cents"])
    once = pairs.index[(pairs == 1) & (payers.reindex(pairs.index) == 1)]
    alone = both.set_index(["month", "cents"]).loc[once]
    if alone.empty:
        return

    names = frame["customer"].cat.categories
    pairs_of_names = [
        (str(names[old]), str(names[new]), month_name(int(month)))
        for (month, _), old, new in alone.sort_index().itertuples()
    ]
    # those that have a word in common first
    pairs_of_names.sort(key=lambda each: _words(each[0]).isdisjoint(_words(each[1])))
    shown = [f"{old!a} -> {new!a} in {month}" for old, new, month in pairs_of_names]
    more = f" and {len(shown) - MOST_PAIRS:,} more" if len(shown) > MOST_PAIRS else ""
    table.notice(
        "one customer gone and another new with the same amount:"
        f" {'; '.join(shown[:MOST_PAIRS])}{more}",
        "if one was renamed, give both rows one name: else it counts as churn and as new",
    )


def _look_at_prices(table: Table, frame: pd.DataFrame, unit: str) -> None:
    """Where quantity x unit price is not the amount, what is price cannot be told from the rest."""
    if not {"quantity", "unit_price"} <= set(frame.columns):
        return
    product = frame["quantity"] * frame["unit_price"]
    # off by more than rounding to the cent: half a cent for the amount, and for each unit's price
    off = (product - frame["amount"]).abs() > 0.005 + 0.005 * frame["quantity"].abs()
    if off.any():
        # the months that a subscription is laid out to have no line of their own
        has_lines = len(frame) <= len(table.frame) and "month" in table.frame
        first = int(off.index.to_numpy()[int(np.argmax(off.to_numpy(bool)))])
        table.notice(
            f"quantity x unit_price is not the {unit} in {counted(int(off.sum()), 'row')}",
            "rises there are booked as unsplit, not as price and adoption",
            first if has_lines else None,
        )
    frame.loc[off | product.isna(), ["quantity", "unit_price"]] = np.nan


def profile(ledger: Ledger) -> dict[str, Any]:
    """What is in a ledger: rows, customers, months, segments, gaps, reactivations, the largest
    customer's share.
    """
    months = ledger.months
    latest = ledger.customers(months[-1])
    moves = ledger.book(months[0], months[-1]).total() if len(months) > 1 else None
    leavers = ledger.gaps()
    arr = latest["arr"]
    return {
        "rows": ledger.entries.rows,
        "zeros": ledger.entries.zeros,
        "unit": ledger.entries.unit,
        "currency": ledger.currency,
        "first_month": months[0],
        "last_month": months[-1],
        "months": len(months),
        "step": ledger.step,
        **({"fiscal_year_end": ledger.calendar.year_end} if ledger.calendar.is_fiscal else {}),
        "customers": int(ledger.entries.frame["customer"].nunique()),
        "customers_last_month": len(latest),
        "arr_last_month": cents(arr.sum()),
        "segments": {
            str(name): int(n)
            for name, n in latest["segment"].astype(str).value_counts().sort_index().items()
        },
        "gaps": len(leavers),
        "gaps_up_to_3_months": int((leavers <= 3).sum()),
        "reactivation": cents(moves.over("reactivation").sum()) if moves else 0.0,
        "largest_customer": str(arr.idxmax()) if len(arr) else None,
        "largest_share": json_ratio(arr.max() / arr.sum()) if len(arr) else None,
        "columns": [name for name in ledger.columns if not name.startswith("cohort_")],
    }
