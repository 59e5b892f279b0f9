"""Amounts and what they pay for in, ARR out; never takes a price of one unit for what is billed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.errors import UsageError
from nrrsim.ledger.amounts import Amounts, read_amounts
from nrrsim.ledger.columns import Table
from nrrsim.ledger.dates import month_of_day
from nrrsim.ledger.reading import Reading
from nrrsim.ledger.sources import map_unique
from nrrsim.ledger.vocabulary import plain
from nrrsim.notation import counted

# Months that an amount pays for, by the word for its interval, its plural and its adverb.
INTERVALS = {
    **dict.fromkeys(["day", "days", "daily"], 12 / 365),
    **dict.fromkeys(["week", "weeks", "weekly"], 12 / 52),
    **dict.fromkeys(["month", "months", "monthly"], 1.0),
    **dict.fromkeys(["quarter", "quarters", "quarterly"], 3.0),
    **dict.fromkeys(["half", "half year", "half years", "half yearly", "semiannual"], 6.0),
    **dict.fromkeys(["semiannually", "semi annual", "semi annually"], 6.0),
    **dict.fromkeys(["year", "years", "yearly", "annual", "annually"], 12.0),
}
LONGEST = 60  # months
OFF = 0.01  # of an ARR, by which a contract's total may differ without a word
BILLED = ("month", "year", "period", "total")


def with_arr(table: Table, frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """The rows with `arr`, twelve months of their amount; what it pays for is asked where unsaid.

    Where the amount is that of one unit it is multiplied with the quantity, and the unit's price is
    kept beside.
    """
    raw, unit = table.frame, table.unit
    frame = frame.assign(arr=frame["amount"])
    if unit == "mrr":
        frame["arr"] = 12 * frame["amount"]
    if unit in ("mrr", "arr"):
        if reading.amount_is:
            raise UsageError(
                f"amount_is: the amounts of {table.name} are {unit.upper()}, by their heading;"
                " leave amount_is out"
            )
        return frame

    months = pd.Series(np.nan, index=frame.index)
    if "interval" in raw:
        each = map_unique(raw["interval"], _interval)
        if "interval_count" in raw:
            each = each * map_unique(raw["interval_count"], _count)
        months = pd.Series(each, index=frame.index)
    pays_for = _pays_for(table, reading)
    if pays_for is None:
        return frame
    per_unit = (pays_for == "unit").to_numpy()
    if table.shape.amount_is == "unit" and "quantity" in raw:
        per_unit = per_unit | ~(pays_for == "line").to_numpy()
    if per_unit.any() and "quantity" not in raw:
        table.refuse(
            "the amount is that of one unit, and there is no column quantity",
            "name your heading for it with --column quantity=...",
        )
        return frame
    if per_unit.any():
        quantity = read_amounts(raw["quantity"]).values
        price = frame["amount"].to_numpy()
        frame["quantity"] = np.where(per_unit, quantity, np.nan)
        frame["unit_price"] = np.where(per_unit, price, np.nan)
        # where it is the quantity that cannot be read the amount is not what is wrong
        multiplied = per_unit & ~np.isnan(quantity)
        frame["amount"] = np.where(multiplied, price * quantity, price)
        frame["multiplied"] = per_unit
        table.taken.append("the amount is that of one unit, and is multiplied with the quantity")
    months[(pays_for == "month").to_numpy()] = 1.0
    months[(pays_for == "year").to_numpy()] = 12.0
    if (of_period := (pays_for == "period").to_numpy()).any():
        months[of_period] = _months_between(frame["start"], frame["end"])[of_period]
    if (of_term := (pays_for == "total").to_numpy()).any():
        if "term_months" not in raw and unit != "total":
            table.refuse(
                "an amount is of the whole term, and there is no column of terms",
                "name the one that holds their months with --column term_months=..., or say"
                " --amount-is period (from start to end)",
            )
            return frame
        months[of_term] = months_of_terms(raw, frame["start"], frame["end"])[of_term]
    if pays_for.isin(["unit", "line"]).any() and "interval" not in raw:
        table.refuse(
            "there is no column interval: for how long an amount is paid is not in the file",
            "add the column (month, quarter or year), or name your heading for it with --column"
            " interval=...",
        )
        return frame
    frame["interval"] = months
    frame["arr"] = frame["amount"] * 12 / months
    return frame


def _pays_for(table: Table, reading: Reading) -> pd.Series | None:
    """What each row's amount is of; None where it was asked."""
    raw, shape, unit = table.frame, table.shape, table.unit
    said = reading.amount_is
    if unit == "total":
        return pd.Series("total", index=raw.index)
    of_plan = next((each for each in raw if plain(each) in ("plan", "plan id", "plan name")), None)
    plan = raw[of_plan].astype("str") if of_plan else pd.Series("", index=raw.index)
    if said:
        told = plan.map(lambda each: said.get(each, said.get("")))
        if told.notna().all():
            return told
    if any(finding.option == "where" for finding in table.findings):
        return None  # which measure is read is asked first: it may name what it is of
    if shape.amount_asked or said:
        plans = sorted(set(plan)) if of_plan else []
        some = ",".join(f"{each}=month" for each in plans[:3]) or "month"
        table.ask(
            "the length of the period that an amount pays for is not in the file",
            f"say it with --amount-is month or --amount-is year, or by plan: --amount-is {some}",
            "amount_is",
            BILLED,
        )
        return None
    if "interval" in raw:
        is_told = shape.recognised_by or shape.amount_is == "unit"
        if is_told or "quantity" not in raw or "unit_price" in raw:
            return pd.Series("line" if shape.amount_is == "line" else "unit", index=raw.index)
        table.ask(
            "there is an amount beside a quantity: it may be that of one unit or of the whole line",
            "say which with --amount-is unit or --amount-is line",
            "amount_is",
            ("unit", "line"),
        )
        return None
    if shape.amount_is in BILLED:
        return pd.Series(shape.amount_is, index=raw.index)
    table.ask(
        "there is an amount and no interval",
        (
            "add the column interval (month, quarter or year), or say what an amount pays for with"
            " --amount-is month, --amount-is year, --amount-is period (from start to end) or"
            " --amount-is total (of the term)"
        ),
        "amount_is",
        BILLED,
    )
    return None


def filled_from_totals(
    table: Table, read: Amounts, total: Amounts, dates: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, blanks and currencies of ARR; where that is empty it is the contract's total by term.

    Where both are there and differ by more than OFF it is said.
    """
    frame = pd.DataFrame({name: dates[name] for name in ("start", "end")}, index=table.frame.index)
    by_term = total.values * 12 / months_of_terms(table.frame, frame["start"], frame["end"])
    fills = read.blank & ~np.isnan(by_term)
    if fills.any():
        number = counted(int(fills.sum()), "row has", "rows have")
        table.taken.append(
            f"{number} no {table.headings['arr']}: it is {table.headings['total']} by the term"
        )
    off = ~read.blank & (np.abs(by_term - read.values) > OFF * np.abs(read.values))
    if off.any():
        rows = counted(int(off.sum()), "row")
        table.notice(
            f"{table.headings['total']} by the term is not {table.headings['arr']} in {rows}",
            f"{table.headings['arr']} counts",
            int(table.frame.index[int(np.argmax(off))]),
        )
    currency = np.where(fills, total.currency, read.currency)
    return np.where(fills, by_term, read.values), read.blank & ~fills, currency


def months_of_terms(raw: pd.DataFrame, start: pd.Series, end: pd.Series) -> np.ndarray:
    """`ndarray[row]`: the months of each term; where that is empty, those from start to end."""
    between = _months_between(start, end).to_numpy()
    if "term_months" not in raw:
        return between
    months = read_amounts(raw["term_months"]).values
    return np.where(raw["term_months"].isna(), between, np.where(months > 0, months, np.nan))


def _months_between(start: pd.Series, end: pd.Series) -> pd.Series:
    """Months from each start to its end: whole ones where both fall on one day, else by days."""
    one, two = start.to_numpy(), end.to_numpy()
    day_one, day_two = (np.nan_to_num(each).astype("datetime64[D]") for each in (one, two))
    first = [
        each - each.astype("datetime64[M]").astype("datetime64[D]") for each in (day_one, day_two)
    ]
    whole = month_of_day(two, nan=True) - month_of_day(one, nan=True)
    months = np.where(first[0] == first[1], whole, (two - one) * 12 / 365)
    return pd.Series(np.where(months > 0, months, np.nan), index=start.index)


def _interval(value: object) -> float | None:
    if isinstance(value, str):
        word = " ".join(value.strip().lower().replace("-", " ").split())
        if word in INTERVALS:
            return INTERVALS[word]
        return int(word) if word in map(str, range(1, LONGEST + 1)) else None
    return _count(value)


def _count(value: object) -> float | None:
    if isinstance(value, str):
        text = value.strip().removesuffix(".0")
        return int(text) if text in map(str, range(1, LONGEST + 1)) else None
    if isinstance(value, bool | np.bool_) or not isinstance(
        value, int | float | Decimal | np.number
    ):
        return None
    return int(value) if 1 <= value <= LONGEST and value == int(value) else None
