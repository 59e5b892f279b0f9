"""A log of movements or of changes in, the amount of each month out; never fills before the first.

A movement is added to what a customer had, a change takes its place; both hold until the next.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nrrsim.errors import UsageError
from nrrsim.ledger.columns import Table
from nrrsim.ledger.lines import lasting_codes, rank_of
from nrrsim.ledger.periods import Known, last_month_of
from nrrsim.ledger.reading import Reading
from nrrsim.ledger.values import as_written, codes_of, kept
from nrrsim.months import month_name
from nrrsim.movements import CENT
from nrrsim.notation import counted


def months_of_log(
    table: Table, frame: pd.DataFrame, reading: Reading, are_movements: bool
) -> tuple[pd.DataFrame, np.ndarray, Known]:
    """Each customer's amount at the end of each month, up to the last entry's or to `until`.

    Changes are of a line where a column tells lines apart. Of several changes in a month the one
    of the latest day holds (or the highest of `order`). Beside the rows: the line of each.
    """
    until = reading.until
    latest = int(frame["month"].max())
    made = None if until is None else last_month_of(until)
    last = latest if made is None else made
    later = (frame["month"] > last).to_numpy()
    if later.all():
        raise UsageError(f"until: every entry is after {month_name(last)}")
    if later.any():
        table.notice(
            f"{counted(int(later.sum()), 'entry is', 'entries are')} after {month_name(last)}, the"
            f" last month that had ended by {until}, when the export was made",
            "they are left out",
        )
        frame = kept(table, frame, ~later)

    customer = codes_of(frame["customer"])
    line = np.zeros(len(frame), dtype=np.int64)
    if not are_movements:
        line = _lines_of_changes(table, frame, reading)
    rank = np.zeros(len(frame))
    if reading.order and (found := rank_of(table, frame, reading.order)) is not None:
        rank = found.to_numpy(float)
    holder = customer * (line.max(initial=0) + 1) + line
    order = np.lexsort([rank, frame["day"].to_numpy(), holder])
    frame, customer, line = frame.iloc[order], holder[order], line[order]
    if not are_movements:
        _ask_for_order(table, frame, customer, rank[order])
    if are_movements:
        frame = frame.assign(arr=frame["arr"].groupby(customer).cumsum())
        below = (frame["arr"] < -CENT / 2).to_numpy()
    month = frame["month"].to_numpy(np.int64)
    # of a customer's month what stands at its end
    ends = np.append((np.diff(customer) != 0) | (np.diff(month) != 0), True)
    if are_movements and (below & ends).any():
        row = int(frame.index[int(np.argmax(below & ends))])
        whose = as_written(str(frame["customer"][row]))
        table.refuse(
            f"the movements of {whose} add up to less than nothing",
            "the log has to begin with what each customer had; export it from the beginning",
            "",
            row,
        )
    frame, customer, month, line = frame[ends], customer[ends], month[ends], line[ends]
    following = np.append(month[1:], last + 1)
    following[np.append(customer[1:] != customer[:-1], True)] = last + 1
    lengths = following - month
    lengths[(frame["arr"] < CENT / 2).to_numpy()] = 0
    rows = np.repeat(np.arange(len(frame)), lengths)
    begins = np.cumsum(lengths) - lengths
    months = np.repeat(month - begins, lengths) + np.arange(lengths.sum())
    laid_out = frame.iloc[rows].reset_index(drop=True).assign(month=months.astype(float))
    known = Known(last, 0, None if until is None else str(until), "entry")
    return laid_out, line[rows], known


def _lines_of_changes(table: Table, frame: pd.DataFrame, reading: Reading) -> np.ndarray:
    """`ndarray[row]`: the line of which an amount changes, its product alone with `--several last`.

    Whether a change under another plan is one of another line is asked.
    """
    product = codes_of(frame["product"]) if "product" in frame else np.zeros(len(frame), np.int64)
    number = lasting_codes(table, frame)
    if number is None or reading.several == "last":
        return product
    holder = pd.Series(codes_of(frame["customer"]) * (product.max(initial=0) + 1) + product)
    several = pd.Series(number).groupby(holder).transform("nunique").to_numpy() > 1
    if several.any() and reading.several is None:
        row = int(frame.index[int(np.argmax(several))])
        names = ", ".join(name for name in table.lines if name != "product")
        table.ask(
            f"{counted(int(several.sum()), 'change is', 'changes are')} of customers who have"
            f" several {names}, the first here: each may have an amount of its own, or the later"
            " one takes the place of the earlier",
            "say which with --several add (each has its own) or --several last",
            "several",
            ("add", "last"),
            row=row,
        )
    return np.asarray(product * (number.max(initial=0) + 1) + number, dtype=np.int64)


def _ask_for_order(table: Table, frame: pd.DataFrame, holder: np.ndarray, rank: np.ndarray) -> None:
    """Ask which of two changes of one day is the later. All is sorted by holder, day and rank."""
    day, arr = frame["day"].to_numpy(), frame["arr"].to_numpy(float)
    tied = (np.diff(holder) == 0) & (np.diff(day) == 0) & (np.diff(rank) == 0)
    tied &= np.abs(np.diff(arr)) >= CENT / 2
    if tied.any():
        table.ask(
            f"{counted(int(tied.sum()), 'change is', 'changes are')} of one day with another of the"
            " same customer: which is the later is not in the file",
            "name the column by which they follow with --order COLUMN",
            "order",
            (),
            row=int(frame.index[int(np.argmax(tied)) + 1]),
        )
