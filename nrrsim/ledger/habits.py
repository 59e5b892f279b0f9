"""A ledger's typed rows in, what they may be instead of a ledger out; never changes one unasked.

A log of changes, payments, a doubled export, a second scheme of ids: each reads like a ledger and
gives a wrong number without a word. What is sure enough is asked, the rest is a notice.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from nrrsim.ledger.cells import numbers_of
from nrrsim.ledger.columns import Table
from nrrsim.ledger.lines import equal_rows, stands_again
from nrrsim.ledger.names import listed
from nrrsim.ledger.pairs import (
    AT_ONCE,
    count_into,
    counts_of,
    distinct_numbers,
    lie_in_order,
    pairs_of,
)
from nrrsim.months import month_name
from nrrsim.movements import CENT
from nrrsim.notation import counted

PAID_EVERY = (3, 6, 12)  # months: for a quarter, half a year, a year
LEAST_CHANGING = 3  # customers: the lives of one or two may be anything
LEAST_PAYMENTS = 3  # of a customer: two are no habit
LEAST_PAID = 0.01  # of all amounts: payments of less are no cause to refuse a ledger
LEAST_STAYING = 0.9  # of the customers of the month before the last
LEAST_GONE = 3  # customers: fewer are no habit
MOST_AGAIN = 0.5  # of a month's rows: more that stand again on another day are snapshots
LARGEST_SHARE = 0.4  # of ARR


# --- rows that are no months ----------------------------------------------------------------------


def ask_what_a_row_is(table: Table, frame: pd.DataFrame) -> None:
    """Ask (`rows`) where the rows of a ledger of months look like changes, or like payments.

    frame : `customer`, `month` (its number) and `arr`, rows of zeros too; nothing is null.

    A log of changes: most customers of two months or more, three at least, have rows in under half
    of the steps from their first to their last. Payments: customers of three months or more, each
    3, 6 or 12 months after the one before, where the ledger's step is smaller, with a hundredth of
    all amounts. Who pays so makes no log.
    """
    customer, month = numbers_of(frame["customer"]), frame["month"].to_numpy(np.int16)
    paid = frame["arr"].to_numpy(float)
    number = len(frame["customer"].cat.categories)
    step = _step(month)
    holder, stands = _lives(customer, month)
    is_paid = paid >= CENT / 2
    paying = (holder, stands)
    if not is_paid.all():
        paying = _lives(customer[is_paid], month[is_paid])
    pays = _payers(*paying, number, step)

    rows = counts_of(holder, number)
    begins = np.append(0, np.cumsum(rows))
    here = np.flatnonzero(rows)
    steps = np.ones(number)
    steps[here] += (stands[begins[here + 1] - 1] - stands[begins[here]]) / step
    is_log = (rows > 1) & (rows < steps / 2) & ~pays
    several = int((rows > 1).sum())
    if is_log.sum() > several / 2 and is_log.sum() >= LEAST_CHANGING:
        first = int(np.flatnonzero(is_log[customer])[0])
        table.ask(
            f"{is_log.sum():,} of {counted(several, 'customer')} with two rows or more, such as"
            f" {frame['customer'].iloc[first]!a}, stand in fewer than half of the months between"
            " their first and their last: this looks like a log of changes, not a row a month",
            "say which with --rows changes (an amount holds until the customer's next row, and 0"
            " ends it) or --rows months (no row is no revenue)",
            "rows",
            ("changes", "months"),
            row=int(frame.index[first]),
        )
        return
    share = paid[pays[customer]].sum() / paid.sum() if pays.any() else 0.0
    if share >= LEAST_PAID:
        first = int(np.flatnonzero(pays[customer])[0])
        table.ask(
            f"{counted(pays.sum(), 'customer')}, such as {frame['customer'].iloc[first]!a}, with"
            f" {share:.0%} of all amounts, stand only every 3, 6 or 12 months: these look like"
            " payments, not like what recurs in a month",
            "state them as periods (columns start, end, amount and interval), or take them as they"
            " stand with --rows months",
            "rows",
            ("months",),
            row=int(frame.index[first]),
        )


def _step(month: np.ndarray) -> int:
    """Of how many months all gaps between two months of the ledger are multiples."""
    return int(np.gcd.reduce(np.diff(distinct_numbers(month)))) or 1


def _lives(customer: np.ndarray, month: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The months of each customer, in order and once: `ndarray[pair]` of customers and months."""
    if lie_in_order(customer, month):
        return customer, month
    pairs = pairs_of(customer, month)
    first, span = month.min(), int(np.ptp(month)) + 1
    # sorted by hand: np.unique hashes, and takes a hundred times as long for a million pairs
    pairs = np.sort(pairs)
    pairs = pairs[np.diff(pairs, prepend=-1) != 0]
    return pairs // span, pairs % span + first


def _payers(holder: np.ndarray, month: np.ndarray, number: int, step: int) -> np.ndarray:
    """`ndarray[customer]`: whether all its rows are as far apart as payments are."""
    others = np.zeros(number, dtype=np.int64)
    for begin in range(0, len(month), AT_ONCE):
        whose, when = (each[begin : begin + AT_ONCE + 1] for each in (holder, month))
        gap = np.diff(when)
        is_other = whose[1:] == whose[:-1]
        for each in PAID_EVERY:
            is_other &= (gap != each) | (each <= step)
        count_into(others, whose[1:][is_other])
    rows = counts_of(holder, number)
    return np.asarray((rows >= LEAST_PAYMENTS) & (others == 0))


# --- ids and their names --------------------------------------------------------------------------


def look_at_names_of_ids(
    table: Table,
    ids: pd.Series,
    names: pd.Series,
    month: np.ndarray,
    headings: tuple[str, str],
) -> None:
    """Say so where an id has several names; ask (`column`) where a name goes on under another id.

    ids, names : the cells of each row, the id being read as the customer. month : `ndarray[row]`.
    headings : the column of ids and that of names. A name goes on where one of its ids begins in
    the step in which another ended, or in the next.
    """
    rows = pd.DataFrame({"id": ids.to_numpy(), "name": names.to_numpy(), "month": month}).dropna()
    if rows.empty:
        return
    lives = rows.groupby(["id", "name"], sort=False, observed=True)["month"].agg(["min", "max"])
    lives = lives.reset_index().sort_values(["min", "max"], kind="stable")
    renamed = lives[lives["id"].duplicated(keep=False)].groupby("id", sort=False, observed=True)
    if len(renamed):
        told = [f"{one} ({', '.join(map(ascii, each['name']))})" for one, each in renamed]
        table.notice(
            f"{counted(len(told), 'customer has', 'customers have')} one id and several names:"
            f" {listed(told)}",
            f"the customer is the id, {headings[0]}: under all its names it is one customer",
        )

    step = _step(rows["month"].to_numpy(np.int64))
    goes_on = [
        f"{name!a} ({before} until {month_name(int(end))}, then {after})"
        for name, each in lives[lives["name"].duplicated(keep=False)].groupby(
            "name", sort=False, observed=True
        )
        for before, end, after, begin in _pairs(each)
        if 0 <= begin - end <= step
    ]
    if goes_on:
        by_name, by_id = (f'customer="{heading}"' for heading in (headings[1], headings[0]))
        table.ask(
            f"{counted(len(goes_on), 'name goes', 'names go')} on under another id:"
            f" {listed(goes_on)}",
            f"say what the customer is: --column {by_name} (each such name is one customer) or"
            f" --column {by_id} (one leaves and another comes)",
            "column",
            tuple(f"customer={heading}" for heading in (headings[1], headings[0])),
            field="customer",
        )


def _pairs(lives: pd.DataFrame) -> Iterator[tuple[object, float, object, float]]:
    """Of an id and the one that begins next: the first, its last month, the other, its first."""
    ids, begins, ends = (lives[name].tolist() for name in ("id", "min", "max"))
    yield from zip(ids[:-1], ends[:-1], ids[1:], begins[1:], strict=True)


# --- rows that stand twice ------------------------------------------------------------------------


def ask_about_doubled_rows(table: Table, frame: pd.DataFrame) -> None:
    """Ask (`several`) where rows that would be added up are equal in all cells: a doubled export.

    frame : the typed rows of `table`, as many.
    """
    equal = equal_rows(table, frame)
    again = stands_again(equal)
    if not again.any():
        return
    second = int(np.argmax(again))
    row = int(frame.index[second])
    first = table.place(int(frame.index[int(np.argmax(equal == equal[second]))]))
    table.ask(
        f"{counted(again.sum(), 'row is', 'rows are')} equal to an earlier one in all cells, this"
        f" one to {first}: is the export doubled?",
        "a doubled export: say with --several last that one of equal rows counts; if each does, say"
        " so with --several add",
        "several",
        ("add", "last"),
        row=row,
    )


def ask_about_snapshots(table: Table, frame: pd.DataFrame) -> None:
    """Ask (`several`) where most lines of a month stand there on several days: they are snapshots.

    frame : the typed rows of `table`. Lines that are billed on days of their own are added.
    """
    names = ["customer", "month", *(name for name in table.lines if name in frame)]
    lines = frame.groupby(names, observed=True, dropna=False, sort=False)["day"]
    days = lines.transform("nunique").to_numpy()
    if days.max(initial=1) < 2:
        return
    again = days > 1
    of_month = pd.Series(again).groupby(frame["month"].to_numpy())
    most = (of_month.transform("mean") > MOST_AGAIN).to_numpy() & again
    if most.any():
        row = int(frame.index[int(np.argmax(most))])
        table.ask(
            f"{counted(int(most.sum()), 'row')} are of one line and month on several days, the"
            " first here: the month seems to be there as several snapshots",
            "keep its last one with --several last; if each is billed for itself, add them with"
            " --several add",
            "several",
            ("last", "add"),
            row=row,
        )


# --- what may be so, and may be a slip ------------------------------------------------------------


def look_at_customers(table: Table, frame: pd.DataFrame, months: np.ndarray) -> None:
    """Say what is unusual of those who pay.

    frame : `customer`, `month`, `arr` (and `currency`), positive amounts alone. months : all months
    of the ledger, in order, also those in which nobody paid.

    A last month of a monthly ledger that lacks customers may be incomplete; where more than half
    leave and as many come in one month, ids may have been exchanged; and where one customer is
    large, it makes the ratios.
    """
    customer, month = numbers_of(frame["customer"]), frame["month"].to_numpy(np.int16)
    holder, stands = _lives(customer, month)
    at = stands - np.int16(months[0])
    if len(months) <= at.max():  # some months have no place of their own
        place = np.zeros(months[-1] - months[0] + 1, dtype=np.int16)
        place[months - months[0]] = np.arange(len(months))
        at = place[at]
    number = counts_of(at, len(months))
    staying = np.zeros(len(months), dtype=np.int64)
    for begin in range(0, len(at), AT_ONCE):
        whose, when = (each[begin : begin + AT_ONCE + 1] for each in (holder, at))
        stays = (whose[1:] == whose[:-1]) & (np.diff(when) == 1)
        staying += counts_of(when[:-1][stays], len(months))
    staying = staying[:-1]
    leave, come = number[:-1] - staying, number[1:] - staying
    _look_at_last_month(table, number, months)

    exchanged = (np.minimum(leave, come) > number[:-1] / 2) & (leave >= LEAST_GONE)
    if exchanged.any():
        told = [
            f"{month_name(int(months[step + 1]))} ({leave[step]:,} of {number[step]:,} leave,"
            f" {come[step]:,} come)"
            for step in np.flatnonzero(exchanged)
        ]
        table.notice(
            f"more than half of the customers leave and as many come in {listed(told)}",
            "if they were given other names or ids, give them one throughout: else all this is"
            " churn and new",
        )
    if "currency" not in frame or frame["currency"].nunique() == 1:
        _look_at_largest(table, frame, int(months[-1]))


def _look_at_last_month(table: Table, number: np.ndarray, months: np.ndarray) -> None:
    if len(months) < 2 or _step(months) > 1:
        return
    before, last = number[-2:].tolist()
    if last < LEAST_STAYING * before and before - last >= LEAST_GONE:
        table.notice(
            f"{month_name(int(months[-1]))}, the last month, has {counted(last, 'customer')}, and"
            f" the month before it {before:,}",
            "if it is not complete yet, leave it out, or report as of the month before",
        )


def _look_at_largest(table: Table, frame: pd.DataFrame, month: int) -> None:
    latest = np.flatnonzero(frame["month"].to_numpy() == month)
    whose = frame["customer"].iloc[latest].cat
    paid = np.bincount(whose.codes, frame["arr"].to_numpy()[latest])
    if len(paid) and (share := paid.max() / paid.sum()) > LARGEST_SHARE:
        largest = whose.categories[int(paid.argmax())]
        table.notice(
            f"{largest!a} has {share:.0%} of ARR in {month_name(month)}",
            "what this one customer does makes the ratios",
        )
