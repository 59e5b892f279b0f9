"""Rows as people keep them in, checked entries out; never drops or mends a row without a word.

Two forms are read. Snapshots: one row a customer and month (and product) with the amount of that
month. Subscription periods: one row a subscription with `start`, `end` and its amount.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding, UsageError
from nrrsim.ledger.amounts import read_amounts
from nrrsim.ledger.cells import numbers_of
from nrrsim.ledger.columns import Table, filled, require
from nrrsim.ledger.dates import month_of_day
from nrrsim.ledger.habits import (
    ask_about_doubled_rows,
    ask_about_snapshots,
    ask_what_a_row_is,
    look_at_customers,
    look_at_names_of_ids,
)
from nrrsim.ledger.layouts import arranged
from nrrsim.ledger.lines import (
    credited,
    latest_export,
    line_codes,
    netted,
    once,
    settle_overlaps,
    settled_rows,
)
from nrrsim.ledger.logs import months_of_log
from nrrsim.ledger.names import check_ids, look_at_names, look_at_number_cells, look_at_renames
from nrrsim.ledger.pairs import distinct_numbers, in_order, lie_in_order, pairs_of
from nrrsim.ledger.paying import with_arr
from nrrsim.ledger.periods import Known, last_month_of, look_at_ends, months_of_periods
from nrrsim.ledger.reading import AS_IT_IS, Reading
from nrrsim.ledger.rollforward import COHORT_BY
from nrrsim.ledger.rows import Rows
from nrrsim.ledger.statuses import counted_rows, recorded_ends, settle_late_renewals
from nrrsim.ledger.totals import find_totals, says_total
from nrrsim.ledger.values import (
    as_written,
    ask_of_amounts,
    check_values,
    is_inclusive,
    kept,
    typed_values,
    with_used_names,
)
from nrrsim.ledger.versions import latest_versions
from nrrsim.ledger.vocabulary import plain
from nrrsim.months import month_name
from nrrsim.movements import CENT, json_amount, json_ratio
from nrrsim.notation import counted
from nrrsim.sizebands import NO_BANDS, SIZE

if TYPE_CHECKING:
    from nrrsim.ledger.ledger import Ledger

STEPS = (1, 3, 12)
MOST_TOTALS = 5  # names in one question
# Columns that have done their work, and are none of an entry.
NOT_OF_AN_ENTRY = (
    "row",
    "waits",
    "blank",
    "undecided",
    "multiplied",
    "day",
    "line",
    "stopped",
    "ended_at",
    "status",
    "booked",
)


@dataclass(frozen=True)
class Entries:
    """Checked entries, sorted by customer, month and line; every amount is positive.

    `frame`: `customer`, `month` (months since year 0), `arr`, `segment`, and where the ledger has
    them `product`, `quantity`, `unit_price`, `currency`, `renewal` (a month number or nan) and any
    further column as text. `quantity` and `unit_price` are nan where their product is not the
    amount. `line`: `ndarray[entry]`, which of the customer's lines a row is of, the same from month
    to month (a customer-month's row with its product; a subscription with those that went on from
    it). `unit` is how amounts were written, `mrr` or `arr`. `notices` are things to know that do
    not make a number wrong, `taken` what was taken for what. `step` is 1, 3 or 12 months, and
    `months` are all months of the ledger, also those in which nobody paid. `known` : until when a
    ledger of periods says anything. `is_zoned` : whether its times seem to be another zone's
    midnight.
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
    taken: tuple[str, ...] = ()
    is_zoned: bool = False


def check_rows(
    parts: Sequence[Rows], reading: Reading = AS_IT_IS, rates_given: bool = False
) -> Entries:
    """The entries of the rows, read as `reading` says; raises DataError with every finding.

    A ledger of months has no use for `reading.until`, and refuses it with UsageError.
    """
    until = reading.until
    laid = arranged(parts, reading)
    if any(each.option == "transpose" for part in laid for each in part.findings):
        raise DataError([each for part in laid for each in part.findings])
    table = Table.of(laid, reading)
    periods = table.has_periods
    if not require(table, ["customer", "start" if periods else "month", table.unit or "mrr"]):
        table.stop()
    if periods and "end" not in table.frame and reading.end != "none":
        _ask_for_ends(table)
    if table.shape.rows == "invoices" and reading.invoices != "monthly":
        table.ask(
            "invoices have no service period: what each is for is not in the file",
            "add the period's start and end, or, if every item is of one month, say so with"
            " --invoices monthly",
            "invoices",
            ("monthly",),
        )
    is_log = table.shape.rows == "movements" or reading.rows == "changes"
    if until is not None and not periods and not is_log:
        raise UsageError(
            f"--until: {table.name} is a ledger of months: it ends with the last that it names;"
            " leave out --until"
        )

    frame = with_arr(table, typed_values(table, reading), reading)
    frame = latest_export(table, frame, reading)
    frame = once(table, frame, reading)
    frame = latest_versions(table, frame, reading)
    # while amounts hang on a question, or cannot be read, they show no sums
    shows_sums = not (frame["undecided"] | (frame["amount"].isna() & ~frame["blank"])).any()
    if shows_sums:
        frame = _without_totals(table, frame, reading)
    frame = counted_rows(table, frame, reading)
    ask_of_amounts(table, frame)
    if periods:
        frame = _with_length(table, frame)
    frame["customer"] = check_ids(table, frame["customer"], reading.ids)
    check_values(table, frame, reading)
    are_added = table.tells_lines_apart or is_log
    if are_added and not periods and reading.several is None:
        ask_about_doubled_rows(table, frame)
        if table.tells_lines_apart and not is_log:
            ask_about_snapshots(table, frame)
    if periods and not _waits(table, frame):
        latest = _latest_day(table, frame)
        last = int(month_of_day(np.array([latest]))[0]) if until is None else last_month_of(until)
        frame = settle_late_renewals(table, frame, last, reading)
        frame = settle_overlaps(table, frame, reading)
        if reading.period_end is None and not table.shape.recognised_by:
            look_at_ends(table, frame)
    _check_currencies(table, frame, rates_given)
    _check_beginnings(table, frame)
    if not (shows_sums or table.findings):
        frame = _without_totals(table, frame, reading)
    if table.findings:
        table.stop()

    if "customer" not in reading.columns:
        _look_at_ids(table, frame)
        if table.findings:
            table.stop()
    table_rows = len(frame)
    # the month of a zero is known: one of zeros alone is a month in which nobody paid
    named = None if periods else frame["month"].astype(np.int16)
    known: Known | None = None
    if is_log:
        are_movements = table.shape.rows == "movements"
        frame, line, known = months_of_log(table, frame, reading, are_movements)
        zeros = 0
    elif periods:
        frame, zeros = _without_zeros(table, frame)
        _look_at_prices(table, frame, table.unit)
        if not frame.empty:
            inclusive = is_inclusive(table, reading)
            frame = frame.drop(columns=NOT_OF_AN_ENTRY, errors="ignore")
            frame = frame.assign(row=frame.index).reset_index(drop=True)
            frame, line, known = months_of_periods(table, frame, latest, until, inclusive)
            frame, line = credited(table, frame, line)
        else:
            line = np.zeros(0, dtype=np.int64)
    else:
        if reading.rows is None:
            ask_what_a_row_is(table, frame)
        if table.findings:
            table.stop()
        frame = settled_rows(table, frame, reading)
        frame, zeros = _without_zeros(table, netted(table, frame))
        line = frame["line"].to_numpy(np.int64) if "line" in frame else line_codes(table, frame)
        _look_at_prices(table, frame, table.unit)
    if table.findings:
        table.stop()
    months, step = _check_months(table, frame, named, known)

    if table.findings:
        table.stop()
    look_at_names(table, frame)
    look_at_customers(table, frame, months)
    if own := [name for name in COHORT_BY if name in frame]:
        table.notice(
            f"the ledger has a column {', '.join(own)} of its own",
            "to split by it, give it another name: here this is told from the first revenue",
        )

    if SIZE in frame and reading.size_bands is None:
        table.notice(
            f"the ledger has a column {SIZE} of its own",
            f"to split by it say --size-bands {NO_BANDS}; --size-bands 10k,50k,100k,1M are bands of"
            " ARR",
        )

    frame = frame.drop(columns=[*NOT_OF_AN_ENTRY, "amount", "interval"], errors="ignore")
    frame = frame.assign(month=frame["month"].astype(np.int32))
    # by customer, month and line, whatever order the file has: the same ledger, the same bits
    customer, month = numbers_of(frame["customer"]), frame["month"].to_numpy()
    if not lie_in_order(customer, month):
        rank = in_order(pairs_of(customer, month))
        if rank is None or line.any():
            rank = np.lexsort([line, month, customer])
        frame, line = frame.iloc[rank], line[rank]
    frame = frame.reset_index(drop=True)
    for name in frame.columns[frame.dtypes == "category"]:
        frame[name] = with_used_names(frame[name])
    look_at_renames(table, frame, months)
    return Entries(
        frame=frame,
        line=line,
        unit="arr" if table.unit == "arr" else "mrr",
        step=step,
        notices=tuple(table.notices),
        rows=table_rows,
        zeros=zeros,
        months=tuple(map(int, months)),
        known=known,
        taken=tuple(table.taken),
        is_zoned=any("--timezone" in notice.remedy for notice in table.notices),
    )


def _ask_for_ends(table: Table) -> None:
    if "term_months" in table.frame:
        return
    table.ask(
        "there is no column end: when a subscription ends is not in the file",
        "name your heading for it with --column end=..., or say that none has ended with --end"
        " none",
        "end",
        ("none",),
    )


def _waits(table: Table, frame: pd.DataFrame) -> bool:
    """Whether starts or ends hang on a question, or cannot be read."""
    start, end = frame["start"], frame["end"]
    unread = table.frame["end"].notna() & end.isna() if "end" in table.frame else end.isna() & False
    return bool(frame["waits"].any() or start.isna().any() or unread.any() or frame.empty)


def _latest_day(table: Table, frame: pd.DataFrame) -> float:
    """The day of the latest start, or of a later end that is recorded as having come."""
    recorded = recorded_ends(table, frame)
    ends = recorded[~np.isnan(recorded)]
    return float(max(frame["start"].max(), ends.max(initial=-np.inf)))


def _with_length(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Periods that last a day at least: one of no length was never paid."""
    of_trial = _starts_with_trials_end(table) & (frame["end"] < frame["start"]).to_numpy()
    none = (frame["end"] == frame["start"]).to_numpy() | of_trial
    if none.any():
        table.notice(
            f"{counted(int(none.sum()), 'subscription ends', 'subscriptions end')}"
            f" {'on the day of the start' if not of_trial.any() else 'before the trial does'}",
            "a period of no length was never paid: left out",
            int(frame.index[int(np.argmax(none))]),
        )
    return kept(table, frame, ~none)


def _starts_with_trials_end(table: Table) -> np.ndarray:
    """`ndarray[row]`: whether the start is the end of a trial: `Trial End else Start Date`."""
    of_trial, open = np.zeros((2, len(table.frame)), dtype=bool)
    open[:] = True
    for heading in table.headings.get("start", "").split(" else "):
        if heading in table.frame:
            is_filled = filled(table.frame[heading]).to_numpy(bool)
            of_trial |= open & is_filled & ("trial" in plain(heading).split())
            open &= ~is_filled
    return of_trial


def _without_totals(table: Table, frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """The rows without totals; what is one by its name or by its sum alone is asked.

    What is asked is left out, too: of such rows nothing else is told.
    """
    names = frame["customer"]
    out, why = _without_a_month(table, frame)
    asked = out.copy()
    out[:] = False
    if "month" in frame:
        month, amount = frame["month"].to_numpy(), frame["arr"].to_numpy(float)
        found = find_totals(names, month, amount, block=_blocks(table))
        out = found.left_out & ~asked
        is_new = found.asked & ~found.left_out & ~asked
        asked |= is_new
        for at in np.flatnonzero(is_new).tolist():
            why[at] = found.why.get(str(names.iloc[at]), "") or "may be a total"
    if reading.totals == "keep":
        asked[:] = False
    if asked.any() and reading.totals is None:
        _ask_about_totals(table, frame, {at: why[at] for at in np.flatnonzero(asked).tolist()})
    elif asked.any():
        out |= asked
    if out.any():
        whose = list(
            dict.fromkeys(_called(table, frame, at) for at in np.flatnonzero(out).tolist())
        )
        table.notice(
            f"{counted(int(out.sum()), 'row')} of totals left out: {', '.join(whose[:5])}",
            "a total is no customer",
            int(frame.index[int(np.argmax(out))]),
        )
    return kept(table, frame, ~(out | asked))


def _without_a_month(table: Table, frame: pd.DataFrame) -> tuple[np.ndarray, dict[int, str]]:
    """Which rows say total, of a customer without a start or where a month should stand, and why.

    Of a customer without a month the sums say it, too.
    """
    day = "start" if "start" in frame else "month"
    none = np.flatnonzero(frame[day].isna().to_numpy() & ~frame["waits"].to_numpy(bool))
    cells = table.frame[day].iloc[none]
    says = cells.map(lambda cell: isinstance(cell, str) and says_total(cell)).to_numpy(bool)
    rows = dict.fromkeys(none[says].tolist(), f"a total stands where the {day} should")
    if day == "start":
        names = frame["customer"].iloc[none].astype(object)
        named = names.map(lambda name: isinstance(name, str) and says_total(name)).to_numpy(bool)
        named = named & cells.isna().to_numpy()
        rows |= dict.fromkeys(none[named].tolist(), "its name says total, and it has no start")
    out = np.zeros(len(frame), dtype=bool)
    out[[*rows]] = True
    return out, rows


def _called(table: Table, frame: pd.DataFrame, at: int) -> str:
    """What a row of a total calls itself, in the customer's cell or in the month's."""
    day = "start" if "start" in frame else "month"
    cell, name = table.frame[day].iloc[at], frame["customer"].iloc[at]
    says = isinstance(cell, str) and says_total(cell) and not says_total(str(name))
    return cell if says else str(name)


def _ask_about_totals(table: Table, frame: pd.DataFrame, why: dict[int, str]) -> None:
    """Ask of rows that may be totals, once for each reason: their names, each with its line."""
    by_reason: dict[str, dict[str, list[int]]] = {}
    for at, reason in why.items():
        named = by_reason.setdefault(reason, {})
        named.setdefault(_called(table, frame, at), []).append(int(frame.index[at]))
    for reason, named in by_reason.items():
        first = next(iter(named.values()))[0]
        told = [
            as_written(name) + (f" ({table.place(rows[0])})" if rows[0] != first else "")
            for name, rows in named.items()
        ]
        more = f" and {len(told) - MOST_TOTALS:,} more" if len(told) > MOST_TOTALS else ""
        number = counted(sum(map(len, named.values())), "row")
        table.ask(
            f"{', '.join(told[:MOST_TOTALS])}{more}: {reason} ({number})",
            "say what such rows are with --totals drop (totals: leave them out) or --totals"
            " keep (customers)",
            "totals",
            ("drop", "keep"),
            row=first,
            field="customer",
        )


def _check_beginnings(table: Table, frame: pd.DataFrame) -> None:
    """Refuse a snowball in which a customer does not begin with what it ended with before."""
    if "beginning" not in table.frame or "beginning" not in table.headings:
        return
    begins = read_amounts(table.frame["beginning"]).values
    book = frame.assign(begins=np.nan_to_num(begins)).sort_values(["customer", "month"])
    before = book["amount"].groupby(book["customer"], observed=True).shift()
    apart = book["month"].groupby(book["customer"], observed=True).diff()
    step = max(float(apart.min()), 1.0) if apart.notna().any() else 1.0
    # who was not there ended with nothing; of the first row of each nothing is known
    is_next = apart == step
    missing = (apart > step) & (book["begins"].abs() > CENT / 2)
    if missing.any():
        at = int(np.argmax(missing.to_numpy()))
        row, month = int(book.index[at]), int(book["month"].iloc[at])
        number = counted(int(missing.sum()), "row begins", "rows begin")
        table.refuse(
            f"{number} with an amount after a month that is missing: there is no row of"
            f" {as_written(str(book['customer'].iloc[at]))} for {month_name(month - int(step))}",
            "a snowball has a row for each month in which a customer pays: add what is missing",
            table.headings["beginning"],
            row,
        )
    wrong = is_next & ((book["begins"] - before).abs() > CENT / 2)
    if wrong.any():
        row = int(book.index[int(np.argmax(wrong.to_numpy()))])
        number = counted(int(wrong.sum()), "row begins", "rows begin")
        table.refuse(
            f"{number} with another amount than the customer's last one ended with, the first here:"
            f" {as_written(table.frame['beginning'][row])}",
            "a snowball's beginning is the ending before it: correct one of the two",
            table.headings["beginning"],
            row,
        )


def _blocks(table: Table) -> np.ndarray | None:
    """The source row of each row, where months stood across."""
    blocks = [part.block for part in table.parts if part.block is not None]
    if len(blocks) < len(table.parts):
        return None
    begins = np.cumsum([0, *(block.max(initial=-1) + 1 for block in blocks)])
    numbered = [block + begin for block, begin in zip(blocks, begins, strict=False)]
    return np.asarray(np.concatenate(numbered)[table.frame.index.to_numpy()])


def _look_at_ids(table: Table, frame: pd.DataFrame) -> None:
    """Ids beside names, numbers beside text, and a snowball's beginnings."""
    look_at_number_cells(table, table.frame["customer"], frame["customer"])
    if "name" in table.frame and "name" in table.headings:
        headings = (table.headings["customer"], table.headings["name"])
        month = month_of_day(frame["start"]) if "start" in frame else frame["month"]
        look_at_names_of_ids(
            table, frame["customer"], table.frame["name"], np.asarray(month, float), headings
        )


def _without_zeros(table: Table, frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The rows that hold an amount, and how many hold none: less than half a cent a year."""
    arr = frame["arr"].to_numpy()
    is_zero = (arr < CENT / 2) & (arr > -CENT / 2)
    zeros = int(is_zero.sum())
    if zeros:
        table.notice(
            f"{counted(zeros, 'row holds', 'rows hold')} the amount 0",
            "a zero is read as no row: not a customer in that month",
        )
    return (frame[~is_zero] if zeros else frame), zeros


def _check_months(
    table: Table, frame: pd.DataFrame, named: pd.Series | None, known: Known | None
) -> tuple[np.ndarray, int]:
    """The ledger's months and the step between them; a missing one is a hole (not of periods).

    `named` : the months that the rows of a ledger of months name, by row, those of a zero too.
    """
    paid = np.zeros(0, dtype=np.int64)
    if "month" in frame:
        paid = distinct_numbers(frame["month"].to_numpy(np.int16))
    if len(paid) == 0:
        table.refuse(
            "there is no positive amount (what rounds to no cent a year is none)",
            "a ledger has one row for each customer and month",
        )
        return paid, 1
    if known is not None:
        return np.arange(paid[0], known.last + 1), 1

    months = paid if named is None else distinct_numbers(named.to_numpy())
    if named is None or len(months) == 1:
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
    for before, gap in zip(months[:-1].tolist(), gaps.tolist(), strict=True):
        if gap > step:
            _refuse_hole(table, named, before, before + gap, step)
    return months, step


def _refuse_hole(table: Table, named: pd.Series, before: int, after: int, step: int) -> None:
    """Say which months no row names, and where the rarer of the two months beside them stands.

    A month that is a slip of the pen is alone, and years away from its neighbours.
    """
    missing = month_name(before + step)
    if after - before > 2 * step:
        number = (after - before) // step - 1
        missing += f" to {month_name(after - step)} ({number:,} snapshots)"
    rows = {month: np.flatnonzero(named == month) for month in (before, after)}
    rarer = min(rows, key=lambda month: len(rows[month]))
    name, line = table.place(int(rows[rarer][0]))
    table.findings.append(
        Finding(
            name,
            line,
            f"there is no row for {missing}, and this one is of {month_name(rarer)}",
            "if the month here is right, a whole month is missing: add it, or every customer would"
            " seem to leave and come back",
            "month",
        )
    )


def _check_currencies(table: Table, frame: pd.DataFrame, rates_given: bool) -> None:
    if "currency" in frame and not rates_given:
        found = sorted(frame["currency"].dropna().unique().astype(str))
        if len(found) > 1:
            table.refuse(
                f"there are {len(found)} currencies ({', '.join(found)}) and no rates",
                "give rates: a file with month,currency,rate",
                "currency",
            )


def _look_at_prices(table: Table, frame: pd.DataFrame, unit: str) -> None:
    """Where quantity x unit price is not the amount, what is price cannot be told from the rest."""
    if not {"quantity", "unit_price"} <= set(frame.columns):
        return
    product = frame["quantity"] * frame["unit_price"]
    # off by more than rounding to the cent: half a cent for the amount, and for each unit's price
    off = (product - frame["amount"]).abs() > 0.005 + 0.005 * frame["quantity"].abs()
    if off.any():
        first = int(off.index.to_numpy()[int(np.argmax(off.to_numpy(bool)))])
        table.notice(
            f"quantity x unit_price is not the {unit} in {counted(int(off.sum()), 'row')}",
            "rises there are booked as unsplit, not as price and adoption",
            first,
        )
    frame.loc[off | product.isna(), ["quantity", "unit_price"]] = np.nan


def profile(ledger: Ledger) -> dict[str, Any]:
    """What is in a ledger: rows, customers, months, segments, gaps, reactivations, the largest
    customer's share.
    """
    months = ledger.months
    latest = ledger.customers(months[-1])
    leavers = ledger.gaps()
    arr = latest["arr"]
    return {
        "rows": ledger.entries.rows,
        "zeros": ledger.entries.zeros,
        "unit": ledger.entries.unit,
        "currency": ledger.currency or None,
        "first_month": months[0],
        "last_month": months[-1],
        "months": len(months),
        "step": ledger.step,
        **({"fiscal_year_end": ledger.calendar.year_end} if ledger.calendar.is_fiscal else {}),
        "customers": int(ledger.entries.frame["customer"].nunique()),
        "customers_last_month": len(latest),
        "arr_last_month": json_amount(arr.sum(), ledger.currency),
        "segments": {
            str(name): int(n)
            for name, n in latest["segment"].astype(str).value_counts().sort_index().items()
        },
        "gaps": len(leavers),
        "gaps_up_to_3_months": int((leavers <= 3).sum()),
        "reactivation": json_amount(ledger.reactivation(), ledger.currency),
        "largest_customer": str(arr.idxmax()) if len(arr) else None,
        "largest_share": json_ratio(arr.max() / arr.sum()) if len(arr) else None,
        "columns": [name for name in ledger.columns if not name.startswith("cohort_")],
    }
