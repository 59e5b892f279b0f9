"""Rows as people keep them in, checked ledger entries out; never drops or repairs a row without saying so.

Two forms are read. Snapshots: one row a customer and month (and product) with the amount of that month.
Subscription periods: one row a subscription with `start`, `end` and its amount.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding, UsageError, did_you_mean
from nrrsim.months import day_number, last_day_number, month_name, month_number
from nrrsim.reading import Rows, concat, map_unique

AMOUNTS = ("mrr", "arr", "amount")
KNOWN: tuple[str, ...] = (
    "customer",
    "month",
    "start",
    "end",
    *AMOUNTS,
    "interval",
    "segment",
    "product",
    "quantity",
    "unit_price",
)
KNOWN += ("currency", "renewal")
STEPS = (1, 3, 12)
# Months that an amount pays for, by the word a billing system uses for its interval.
INTERVALS = {"month": 1, "monthly": 1, "quarter": 3, "quarterly": 3, "half-year": 6, "semiannual": 6}
INTERVALS |= {"year": 12, "yearly": 12, "annual": 12, "annually": 12}
ONE_SEGMENT = "all"

# What is wrong, and what to do, by the rule that a value broke. {} is the value as it is written.
RULES = {
    "customer.empty": ("is empty", "every row needs the customer's name"),
    "segment.empty": ("is empty", "write one for every row, such as: unassigned"),
    "product.empty": ("is empty", "write one for every row, or leave the column out"),
    "currency.empty": ("is empty", "write one for every row, such as USD"),
    "month.date": ("{} is not a month", "write it as YYYY-MM, such as 2026-09"),
    "start.date": ("{} is not a date", "write it as YYYY-MM-DD, such as 2026-09-01"),
    "end.date": ("{} is not a date", "write it as YYYY-MM-DD, or leave it empty if the subscription runs on"),
    "end.order": ("{} is not after the start", "a period ends after it starts; exchange the two or correct one"),
    "renewal.date": ("{} is not a month", "write it as YYYY-MM, or leave it empty if nothing is due"),
    "amount.number": ("{} is not a number", "write digits and a decimal point only, such as 1234.50"),
    "amount.finite": ("{} is not a finite number", "write the amount that recurs"),
    "amount.sign": ("{} is negative", "a ledger holds what recurs; book credits against the month they belong to"),
    "interval.known": ("{} is not an interval", f"known: {', '.join(INTERVALS)}"),
    "quantity.number": ("{} is not a number of 0 or more", "write the number of units, or leave the cell empty"),
    "unit_price.number": ("{} is not a price of 0 or more", "write the price of one unit, or leave the cell empty"),
    "key.once": ("stands again for the same {}", "add the amounts up, or remove one of the rows"),
    "segment.one": ("is the second segment of this customer in this month", "a customer has one segment a month"),
}


@dataclass(frozen=True)
class Entries:
    """Checked entries, sorted by customer, month and product; every amount is positive.

    `frame`: `customer`, `month` (months since year 0), `arr`, `segment`, and where the ledger has them `product`,
    `quantity`, `unit_price`, `currency`, `renewal` (a month number or nan) and any further column as text.
    `quantity` and `unit_price` are nan where their product is not the amount. `unit` is how amounts were written,
    `mrr` or `arr`. `notices` are things to know that do not make a number wrong. `step` is 1, 3 or 12 months,
    and `months` are all months of the ledger.
    """

    frame: pd.DataFrame
    unit: str
    step: int
    notices: tuple[Finding, ...]
    rows: int
    zeros: int
    months: tuple[int, ...]


class _Table:
    """The rows of all sources under nrrsim's names, and where each stands."""

    def __init__(self, parts: Sequence[Rows], columns: Mapping[str, str]) -> None:
        self.findings = [finding for part in parts for finding in part.findings]
        self.notices: list[Finding] = []
        self.parts = [_renamed(part, columns) for part in parts]
        self.frame, self.starts = concat(self.parts)
        self.name = ", ".join(part.name for part in parts)
        self.ambiguous = False
        self._lines: dict[int, np.ndarray] = {}

    def place(self, row: int) -> tuple[str, int]:
        part = int(np.searchsorted(self.starts, row, side="right")) - 1
        if part not in self._lines:
            self._lines[part] = self.parts[part].lines()
        return self.parts[part].name, int(self._lines[part][row - self.starts[part]])

    def refuse(self, problem: str, remedy: str, field: str = "") -> None:
        self.findings.append(Finding(self.name, 0, problem, remedy, field))

    def notice(self, problem: str, remedy: str, row: int | None = None) -> None:
        name, line = (self.name, 0) if row is None else self.place(row)
        self.notices.append(Finding(name, line, problem, remedy))

    def stop(self) -> None:
        raise DataError(self.findings)


def check_rows(
    parts: Sequence[Rows],
    *,
    columns: Mapping[str, str] | None = None,
    period_end: str = "exclusive",
    until: int | None = None,
    rates_given: bool = False,
) -> Entries:
    """The entries of the rows; raises DataError with every finding.

    `columns` names our word -> your heading. `period_end` says whether a subscription's end is its first day
    without service (`exclusive`) or its last day with it (`inclusive`). `until` is the last month to lay out for
    subscriptions that run on (default: the last month in which one starts or ends).
    """
    if period_end not in ("exclusive", "inclusive"):
        raise UsageError(
            f"period_end: {period_end!r} is not known; {did_you_mean(period_end, ['exclusive', 'inclusive'])}"
        )
    table = _Table(parts, columns or {})
    unit = _amount_column(table, columns or {})
    periods = "start" in table.frame.columns and "month" not in table.frame.columns
    if not _require(table, ["customer", "start" if periods else "month", unit]):
        table.stop()
    frame = _parsed(table, unit, periods, inclusive=period_end == "inclusive")
    _check_values(table, frame, unit)
    if not table.findings:
        _check_currencies(table, frame, rates_given)
        if periods:
            if period_end == "exclusive":
                _look_at_ends(table, frame)
            frame = _months_of_periods(table, frame, until)
        zeros = int((_number(table.frame[unit]) == 0).sum())
        frame = frame[frame["arr"] > 0]
        months, step = _check_months(table, frame, periods, until)
    if table.findings:
        table.stop()
    if zeros:
        table.notice(
            f"{zeros:,} {'row holds' if zeros == 1 else 'rows hold'} the amount 0",
            "a zero is read as no row: not a customer in that month",
        )
    _look_at_names(table, frame)
    _look_at_prices(table, frame, unit)
    order = ["product", "month", "customer"] if "product" in frame else ["month", "customer"]
    rank = np.lexsort([_codes(frame[name]) if name != "month" else frame[name].to_numpy() for name in order])
    frame = frame.drop(columns=["amount", "interval"], errors="ignore").iloc[rank].reset_index(drop=True)
    for name in frame.columns[frame.dtypes == "category"]:
        frame[name] = frame[name].cat.remove_unused_categories()
    return Entries(
        frame=frame.assign(month=frame["month"].astype(np.int64)),
        unit="arr" if unit == "arr" else "mrr",
        step=step,
        notices=tuple(table.notices),
        rows=len(table.frame),
        zeros=zeros,
        months=tuple(map(int, months)),
    )


# --- headings ----------------------------------------------------------------------------------------------


def _renamed(part: Rows, columns: Mapping[str, str]) -> Rows:
    headings = [str(heading) for heading in part.frame.columns]
    missing = [
        Finding(part.name, 1, f"there is no column {theirs}", did_you_mean(theirs, headings), f"columns.{ours}")
        for ours, theirs in columns.items()
        if theirs not in headings
    ]
    if missing:
        raise DataError(missing)
    theirs_to_ours = {theirs: ours for ours, theirs in columns.items()}
    plain = {heading: heading.strip().lower().replace(" ", "_") for heading in headings}
    ours = [
        theirs_to_ours.get(heading) or (plain[heading] if plain[heading] in KNOWN else heading) for heading in headings
    ]
    # A heading that a mapping gave away is not read twice: `columns: {mrr: Net fee}` beside a column mrr.
    ours = [
        f"{name} (unused)" if name in columns and columns[name] != heading else name
        for name, heading in zip(ours, headings, strict=True)
    ]
    twice = sorted({name for name in ours if ours.count(name) > 1})
    if twice or len(theirs_to_ours) < len(columns):
        names = ", ".join(twice) or ", ".join(
            theirs for theirs in theirs_to_ours if [*columns.values()].count(theirs) > 1
        )
        problem = f"the heading {names} stands twice, or is used twice"
        raise DataError(
            [Finding(part.name, 1, problem, "rename one, or map each of our words to a heading of its own")]
        )
    frame = part.frame.set_axis(pd.Index(ours), axis=1)
    return Rows(part.name, frame, part.lines, part.findings)


def _amount_column(table: _Table, columns: Mapping[str, str]) -> str:
    present = [name for name in AMOUNTS if name in table.frame]
    chosen = [name for name in present if name in columns]
    unit = (chosen or present or [""])[0]
    table.ambiguous = len(chosen or present) > 1 or (unit == "amount" and "interval" not in table.frame)
    if len(chosen or present) > 1:
        table.refuse(
            f"there are the columns {' and '.join(chosen or present)}",
            "MRR and ARR are never added: name the one to read, such as columns: {arr: arr}",
        )
    if not unit:
        table.refuse("there is no amount", _remedy_for_heading(table, "mrr or arr, or amount with interval"))
    if unit == "amount" and "interval" not in table.frame:
        table.refuse("there is an amount and no interval", "add the column interval: month, quarter or year")
    return unit


def _require(table: _Table, names: Sequence[str]) -> bool:
    """Whether there is enough to judge the values."""
    for name in names:
        if name and name not in table.frame:
            table.refuse(f"there is no column {name}", _remedy_for_heading(table, name))
    if len(table.frame) == 0 and not table.findings:
        table.refuse("there are no rows", "a ledger has one row for each customer and month")
    return len(table.frame) > 0 and all(name in table.frame for name in names) and not table.ambiguous


def _remedy_for_heading(table: _Table, name: str) -> str:
    headings = ", ".join(map(str, table.frame.columns))
    word = name.split(" ")[0]
    return f"name your heading for it with columns: {{{word}: ...}}; there are: {headings}"


# --- values ------------------------------------------------------------------------------------------------


def _parsed(table: _Table, unit: str, periods: bool, inclusive: bool) -> pd.DataFrame:
    """Each known column in its type; what cannot be read is nan, and is judged by the rules.

    `start` and `end` are days since 1970; `end` is the first day without service, however it is written.
    """
    raw = table.frame
    columns: dict[str, Any] = {"customer": _text(raw["customer"])}
    if periods:
        columns["start"] = map_unique(raw["start"], day_number)
        end = raw["end"] if "end" in raw else pd.Series(None, index=raw.index, dtype=object)
        columns["end"] = map_unique(end, last_day_number) + 1 if inclusive else map_unique(end, day_number)
    else:
        columns["month"] = map_unique(raw["month"], month_number)
    columns["amount"] = _number(raw[unit])
    columns["arr"] = columns["amount"] * (1 if unit == "arr" else 12)
    if unit == "amount":
        columns["interval"] = map_unique(raw["interval"], _interval)
        columns["arr"] = columns["arr"] / columns["interval"]
    if "segment" in raw:
        columns["segment"] = _text(raw["segment"])
    else:
        columns["segment"] = pd.Series(ONE_SEGMENT, index=raw.index, dtype="category")
        table.notice("there is no column segment", f"all customers are read as one segment, {ONE_SEGMENT}")
    for name in ("product", "currency"):
        if name in raw:
            columns[name] = _text(raw[name])
    for name in ("quantity", "unit_price"):
        if name in raw:
            columns[name] = _number(raw[name])
    if "renewal" in raw:
        columns["renewal"] = map_unique(raw["renewal"], month_number)
    further = [name for name in raw.columns if name not in KNOWN and not str(name).endswith(" (unused)")]
    return pd.DataFrame(columns | {name: _text(raw[name]) for name in further}, index=raw.index)


def _text(values: pd.Series) -> pd.Series:
    """As categories of text, sorted; a whole number that a spreadsheet stores as 1001.0 reads 1001; blank is null."""
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


def _number(values: pd.Series) -> pd.Series:
    """As numbers, nan where it is none: true and false are none."""
    if values.dtype == object or values.dtype == bool:
        values = values.mask(values.map(lambda cell: isinstance(cell, bool | np.bool_)).astype(bool), "")
    return pd.to_numeric(values, errors="coerce").astype(float)


def _interval(value: object) -> int | None:
    if isinstance(value, str):
        return INTERVALS.get(value.strip().lower()) or (int(value) if value in map(str, range(1, 61)) else None)
    whole = isinstance(value, int | float) and value == int(value) and 1 <= value <= 60
    return int(value) if whole and isinstance(value, int | float) else None


def _check_values(table: _Table, frame: pd.DataFrame, unit: str) -> None:
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
        "interval": {"interval.known": lambda s: s.notna()},
        "quantity": {"quantity.number": lambda s: at_least_zero(s, "quantity")},
        "unit_price": {"unit_price.number": lambda s: at_least_zero(s, "unit_price")},
        "key": {"key.once": lambda s: ~s.duplicated() | s.isna()},
        "one_segment": {"segment.one": lambda s: s.isna()},
    }
    judged = frame.assign(key=_keys(frame), one_segment=_second_segment(frame))
    schema = pa.DataFrameSchema(
        {
            name: pa.Column(
                checks=[pa.Check(rule, error=key, ignore_na=False) for key, rule in of_column.items()],
                nullable=True,
                required=False,
            )
            for name, of_column in rules.items()
        }
    )
    try:
        schema.validate(judged, lazy=True)
    except pa.errors.SchemaErrors as broken:
        _explain(table, broken.failure_cases, unit, judged["key"])


def _keys(frame: pd.DataFrame) -> pd.Series:
    """One number for each customer, month and product; nan where a part is missing. Periods: the whole row."""
    names = ["customer", "month", "product"] if "month" in frame else list(frame.columns)
    codes = [_codes(frame[name]) for name in names if name in frame]
    key: np.ndarray = np.zeros(len(frame), dtype=np.int64)
    missing = np.zeros(len(frame), dtype=bool)
    for name_codes in codes:
        key, missing = key * (name_codes.max(initial=0) + 1) + name_codes, missing | (name_codes < 0)
    if "month" not in frame:
        grouped = frame.groupby(list(frame.columns), dropna=False, sort=False, observed=True)
        key, missing = grouped.ngroup().to_numpy(np.int64), missing & False
    return pd.Series(np.where(missing, np.nan, key), index=frame.index)


def _second_segment(frame: pd.DataFrame) -> pd.Series:
    """1 where a customer's segment is not the one of its first row of that month, else nan."""
    if "month" not in frame or frame["segment"].nunique() < 2:
        return pd.Series(np.nan, index=frame.index)
    customer, segment = _codes(frame["customer"]), _codes(frame["segment"])
    month = frame["month"].fillna(-1).to_numpy(np.int64)
    pair = pd.Series(customer * (month.max(initial=0) + 1) + month)
    several = np.flatnonzero(pair.duplicated(keep=False) & (customer >= 0) & (month >= 0) & (segment >= 0))
    first = pd.Series(segment[several]).groupby(pair.to_numpy()[several], sort=False).transform("first").to_numpy()
    second = np.full(len(frame), np.nan)
    second[several[first != segment[several]]] = 1.0
    return pd.Series(second, index=frame.index)


def _explain(table: _Table, failures: pd.DataFrame, unit: str, keys: pd.Series) -> None:
    """A finding for each value that broke a rule, with what is written there."""
    headings = {"amount": unit, "key": "", "one_segment": "segment"}
    of_what = "customer, month and product" if "product" in table.frame else "customer and month"
    of_what = of_what if "month" in table.frame else "subscription"
    first_row = dict(zip(keys[::-1], keys.index[::-1], strict=True))
    for (column, check), broken in failures.groupby(["column", "check"], sort=False):
        rule, field = str(check), headings.get(str(column), str(column))
        written = table.frame.get(field, None)
        for row in broken["index"].astype(int):
            problem, remedy = RULES[rule]
            cell = None if written is None else written.iat[row]
            if rule == "key.once":
                first_name, first_line = table.place(int(first_row[keys.iat[row]]))
                problem = problem.format(of_what) + f" (first in {first_name}:{first_line})"
            elif written is not None and _is_empty(cell) and rule.endswith((".number", ".date", ".known")):
                problem = "is empty"
            name, line = table.place(row)
            table.findings.append(Finding(name, line, problem.format(_as_written(cell)), remedy, field))


def _is_empty(cell: object) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell)) or cell is pd.NaT or cell is pd.NA


def _as_written(cell: object) -> str:
    return repr(cell.item() if isinstance(cell, np.generic) else cell)


# --- the whole table ---------------------------------------------------------------------------------------


def _month_of_day(days: np.ndarray) -> np.ndarray:
    """The month number of days since 1970; a day that is nan gives a month that means nothing."""
    whole = np.nan_to_num(days).astype("datetime64[D]")
    months: np.ndarray = whole.astype("datetime64[M]").astype(np.int64)
    return months + 1970 * 12


def _look_at_ends(table: _Table, frame: pd.DataFrame) -> None:
    end = frame["end"].dropna().to_numpy()
    last_days = np.mean(_month_of_day(end + 1) != _month_of_day(end)) if len(end) else 0.0
    if last_days > 0.5:
        table.notice(
            f"{last_days:.0%} of the ends are the last day of a month, and an end is read as the first day without"
            " service",
            "if it is the last day with service, say so with period_end: inclusive",
        )


def _months_of_periods(table: _Table, frame: pd.DataFrame, until: int | None) -> pd.DataFrame:
    """Subscriptions as monthly rows: a month counts if the subscription is running when the month ends."""
    first = _month_of_day(frame["start"].to_numpy())
    end_month = _month_of_day(frame["end"].to_numpy())
    runs_on = frame["end"].isna().to_numpy()
    edge = max(first.max(), end_month[~runs_on].max(initial=0), until or 0)
    last = np.where(runs_on, edge, end_month - 1)
    lengths = np.maximum(last - first + 1, 0)
    never = int((lengths == 0).sum())
    if never:
        table.notice(
            f"{never:,} subscriptions start and end inside one month",
            "they are customers at no month's end, and count nowhere",
        )
    rows = np.repeat(np.arange(len(frame)), lengths)
    month = np.repeat(first - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) + np.arange(lengths.sum())
    laid_out = frame.drop(columns=["start", "end"], errors="ignore").iloc[rows].reset_index(drop=True)
    laid_out["month"] = month.astype(float)
    names = ["customer", "month", *(name for name in ("product", "currency") if name in frame)]
    conflict = laid_out.groupby(["customer", "month"], observed=True)["segment"].nunique()
    for customer, number in conflict.index[conflict > 1][:1]:
        table.refuse(
            f"{customer} has two segments in {month_name(int(number))}", "a customer has one segment a month", "segment"
        )
    adding = {"arr": "sum", "amount": "sum"} | ({"quantity": "sum"} if "quantity" in laid_out else {})
    rest = {name: "first" for name in laid_out.columns if name not in (*names, *adding)}
    several = laid_out.duplicated(names, keep=False)
    summed = laid_out[several].groupby(names, as_index=False, sort=False, observed=True).agg(adding | rest)
    if "unit_price" in summed:
        summed["unit_price"] = np.nan
    summed = summed[list(laid_out.columns)].astype(laid_out.dtypes.to_dict())
    return pd.concat([laid_out[~several], summed], ignore_index=True)


def _check_months(table: _Table, frame: pd.DataFrame, periods: bool, until: int | None) -> tuple[np.ndarray, int]:
    """The ledger's months, and the step between snapshots; a missing one is a hole. Periods have every month."""
    months = np.unique(frame["month"].to_numpy(np.int64))
    if len(months) == 0:
        table.refuse("there is no positive amount", "a ledger has one row for each customer and month")
        return months, 1
    if periods:
        return np.arange(months[0], max(months[-1], until or 0) + 1), 1
    if len(months) == 1:
        return months, 1
    gaps = np.diff(months)
    step = math.gcd(*map(int, gaps))
    if step not in STEPS:
        allowed = max(size for size in STEPS if step % size == 0)
        table.refuse(
            f"snapshots lie {step} months apart, from {month_name(int(months[0]))}",
            f"a ledger is monthly, quarterly or annual; add those in between, every {allowed} months",
        )
    for before, gap in zip(months[:-1], gaps, strict=True):
        for missing in range(int(before) + step, int(before + gap), step):
            table.refuse(
                f"there is no row for {month_name(missing)}",
                "a whole month is missing: add it, or every customer would seem to leave and come back",
                "month",
            )
    return months, step


def _check_currencies(table: _Table, frame: pd.DataFrame, rates_given: bool) -> None:
    if "currency" in frame and not rates_given:
        found = sorted(frame["currency"].unique().astype(str))
        if len(found) > 1:
            table.refuse(
                f"there are {len(found)} currencies ({', '.join(found)}) and no rates",
                "give rates: a file with month,currency,rate",
                "currency",
            )


def _folded(name: str) -> str:
    """A name without what the eye does not see: case, spaces, invisible characters, ways to write an accent."""
    plain = unicodedata.normalize("NFKC", name)
    return " ".join("".join(c for c in plain if unicodedata.category(c) != "Cf").split()).casefold()


def _look_at_names(table: _Table, frame: pd.DataFrame) -> None:
    """Names that differ only by case or spaces would be a false churn and a false new customer."""
    names = pd.Series(frame["customer"].cat.remove_unused_categories().cat.categories)
    alike = names.map(_folded)
    twins = alike.duplicated(keep=False)
    for _, group in names[twins].groupby(alike[twins]):
        table.notice(
            f"customers whose names look the same: {', '.join(map(ascii, sorted(group)))}",
            "each spelling counts as a customer of its own",
        )


def _look_at_prices(table: _Table, frame: pd.DataFrame, unit: str) -> None:
    """Where quantity x unit price is not the amount, a price movement cannot be told from the rest."""
    if not {"quantity", "unit_price"} <= set(frame.columns):
        return
    product = frame["quantity"] * frame["unit_price"]
    off = (product - frame["amount"]).abs() > 0.005 + 0.005 * frame["quantity"].abs()
    if off.any():
        first = int(off.index.to_numpy()[int(np.argmax(off.to_numpy(bool)))])
        table.notice(
            f"quantity x unit_price is not the {unit} in {int(off.sum()):,} rows",
            "rises there are booked as unsplit, not as price and adoption",
            first if len(frame) <= len(table.frame) and "month" in table.frame else None,
        )
    frame.loc[off | product.isna(), ["quantity", "unit_price"]] = np.nan
