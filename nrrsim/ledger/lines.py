"""Several rows of a customer that count at once in, one for each line out; never adds in silence.

A column such as product or subscription makes lines: their rows are added. Without one, two rows
of a customer and month, and two periods that overlap, are asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nrrsim.ledger.cells import numbers_of
from nrrsim.ledger.columns import Table, rows_with
from nrrsim.ledger.pairs import has_twice, lie_in_order, pairs_of
from nrrsim.ledger.periods import day_text
from nrrsim.ledger.reading import AS_IT_IS, Reading
from nrrsim.ledger.values import (
    as_written,
    codes_of,
    kept,
    keys_of,
    keys_of_rows,
    whole_months,
)
from nrrsim.ledger.vocabulary import plain
from nrrsim.months import month_name
from nrrsim.movements import CENT
from nrrsim.notation import counted

NO_LINE = ("invoice", "transaction")  # another one each time: no line that goes on
AGREED = ("contract", "invoice", "deal")  # what is agreed anew: an overlap is an early renewal
LASTING = ("subscription", "sub", "contract", "deal", "charge")  # an id of what runs on once


def settled_rows(table: Table, frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """The rows of a ledger of months with one of each key, as `several` says.

    `last` keeps the row of the latest day (or the highest of `order`), `add` adds them.
    """
    if reading.several == "last":
        return _last(table, frame, reading)
    if reading.several != "add":
        return frame
    key = keys_of(table, frame)
    twice = key.duplicated(keep=False) & (key >= 0)
    if twice.any():
        table.notice(
            f"{counted(int(twice.sum()), 'row')} of the same customer and month",
            "their amounts are added, as --several says",
        )
    return frame


def equal_rows(table: Table, frame: pd.DataFrame) -> np.ndarray:
    """`ndarray[row]`: a number that rows share that are equal in all cells, -1 of all others.

    frame : the typed rows of `table`, as many.
    """
    found = np.full(len(frame), -1)
    twins = np.flatnonzero(frame.duplicated(keep=False))
    if len(twins):
        # the cells that are not read may tell the rows apart
        cells = table.frame.iloc[twins]
        number = cells.groupby([*cells], dropna=False, sort=False, observed=True).ngroup()
        found[twins] = number.where(number.duplicated(keep=False), -1).to_numpy()
    return found


def stands_again(equal: np.ndarray) -> np.ndarray:
    """`ndarray[row]` of bool: whether a row is equal to an earlier one, by `equal_rows`."""
    return (equal >= 0) & pd.Series(equal).duplicated().to_numpy(bool)


def once(table: Table, frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """The rows of a doubled export once, where `several` is `last`: of equal rows one counts."""
    if reading.several != "last":
        return frame
    again = stands_again(equal_rows(table, frame))
    if again.any():
        table.is_doubled = True
        table.notice(
            f"{counted(int(again.sum()), 'row is', 'rows are')} equal to an earlier one in all"
            " cells",
            "each counts once, as --several says",
            int(frame.index[int(np.argmax(again))]),
        )
    return kept(table, frame, ~again)


def latest_export(table: Table, frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """Of an export's lines that stand in several files those of the last, as `several` says.

    An export of subscriptions holds each of them as it is on its day: two are not to be added.
    """
    lines = [name for name in table.lines if name in table.frame and _is_id(name)]
    if len(table.parts) < 2 or not (table.shape.recognised_by and table.has_periods and lines):
        return frame
    # by the month in each name, else by the names: not as they happen to be given
    months = [part.named_month or 0 for part in table.parts]
    months = months if all(months) else [0] * len(months)
    names = [(month, part.name) for month, part in zip(months, table.parts, strict=True)]
    ranks = {name: rank for rank, name in enumerate(sorted(set(names)))}
    rank = pd.Series(table.by_row([ranks[name] for name in names]), index=table.frame.index)
    cells = table.frame[["customer", *lines]]
    number = cells.groupby([*cells], dropna=False, sort=False, observed=True).ngroup()
    number = number.where(table.frame[lines].notna().any(axis=1))
    last = rank.groupby(number).transform("max")
    earlier = (rank < last).to_numpy(bool)
    if not earlier.any() or reading.several == "add":
        return frame
    later = max(names)[1]
    number_of = counted(int(earlier.sum()), "row")
    if reading.several == "last":
        table.notice(
            f"{number_of} of lines ({', '.join(lines)}) that stand in a later file, too, left out",
            f"the file whose name comes last counts, {later}, as --several says",
            int(frame.index[int(np.argmax(earlier))]),
        )
        return kept(table, frame, ~earlier)
    table.ask(
        f"{number_of} of lines ({', '.join(lines)}) stand in another file, too: two exports of the"
        " same",
        f"keep those of the file whose name comes last, {later}, with --several last, or say with"
        " --several add that each counts",
        "several",
        ("last", "add"),
        row=int(frame.index[int(np.argmax(earlier))]),
    )
    return kept(table, frame, ~earlier)


def netted(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """One row a customer, month and line: rows added, credits taken off what they belong to.

    What a credit leaves below nothing in its line is taken off the customer's largest lines of the
    month; a month below nothing is an error.
    """
    say_added(table, frame)
    negative = (frame["arr"] < 0).to_numpy()
    whose = numbers_of(frame["customer"])
    if not negative.any() and lie_in_order(whose, whole_months(frame["month"])):
        return frame.drop(columns="line", errors="ignore")  # theirs: ours are numbers
    line = line_codes(table, frame)
    frame = frame.assign(line=line)
    pair = pairs_of(whose, whole_months(frame["month"]))
    if not negative.any() and not line.any() and not has_twice(pair):
        return frame
    customer, month = codes_of(frame["customer"]), frame["month"].to_numpy(float)
    group = pd.DataFrame({"customer": customer, "month": month, "line": line}, index=frame.index)
    twice = group.duplicated(keep=False).to_numpy()
    if not twice.any() and not negative.any():
        return frame
    keys = ["customer", "month", "line"]
    total = frame["arr"].groupby([group[name] for name in keys]).transform("sum")
    amount = frame["amount"].groupby([group[name] for name in keys]).transform("sum")
    first = ~group.duplicated().to_numpy()
    frame = frame.assign(arr=total, amount=amount)
    for name in ("quantity", "unit_price"):
        if name in frame:
            frame[name] = frame[name].mask(pd.Series(twice, index=frame.index))
    frame = kept(table, frame, first)
    frame, line = credited(table, frame.assign(row=frame.index), frame["line"].to_numpy(np.int64))
    return frame.assign(line=line)


def say_added(table: Table, frame: pd.DataFrame) -> None:
    """Say that several rows of a customer and month are added, and by which column."""
    if not table.lines:
        return
    both = pd.DataFrame(
        {"customer": codes_of(frame["customer"]), "month": frame["month"].to_numpy()},
        index=frame.index,
    )
    twice = both.duplicated(keep=False).to_numpy()
    if twice.any():
        row = int(frame.index[int(np.argmax(twice))])
        table.notice(
            f"{counted(int(twice.sum()), 'row')} are several of a customer and month, told apart by"
            f" {', '.join(table.lines)}",
            "their amounts are added",
            row,
        )


def line_codes(table: Table, frame: pd.DataFrame) -> np.ndarray:
    """`ndarray[row]`: the line that a row of a month is of, the same from month to month.

    It is the product. The other columns that make lines tell those of a customer apart who has
    several rows in a month: who has one goes on with it, also under another plan.
    """
    # of one line for all the one number stands for every row
    product = np.broadcast_to(np.int64(0), len(frame))
    if "product" in frame:
        product = codes_of(frame["product"])
    number = lasting_codes(table, frame)
    if number is None:
        return np.asarray(product, dtype=np.int64)
    customer = codes_of(frame["customer"])
    rows = pd.DataFrame({"customer": customer, "month": frame["month"].to_numpy(), "of": product})
    several = np.isin(customer, customer[rows.duplicated().to_numpy()])
    apart = product * (number.max(initial=0) + 2) + np.where(several, number + 1, 0)
    return np.asarray(apart, dtype=np.int64)


def lasting_codes(table: Table, frame: pd.DataFrame) -> np.ndarray | None:
    """`ndarray[row]` of one number for what the columns of lines say beside the product.

    None where there are none but those that are another each time, such as an invoice's number.
    """
    lasting = [
        name
        for name in table.lines
        if name in frame and name != "product" and not set(plain(name).split()) & set(NO_LINE)
    ]
    if not lasting:
        return None
    each = pd.DataFrame({name: codes_of(frame[name]) for name in lasting})
    return each.groupby(lasting, sort=True).ngroup().to_numpy(np.int64)


def settle_overlaps(table: Table, frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """Periods of one customer that run at once: asked, ended, or added, as is said.

    In a table without lines any overlap is asked, also of rows that differ in currency, term or
    renewal; of contracts, invoices and deals one that is shorter than either, and of one line any.
    What runs side by side is said.
    """
    if len(frame) < 2:
        return frame
    frame = _replaced(table, frame, reading)
    if table.findings and table.findings[-1].option == "overlap":
        return frame
    order, begins, ends, customer, follows = _by_start(table, frame, reading)
    lines = [name for name in table.lines if name in frame]
    line = _line_numbers(table, frame, lines)[order]
    equal = equal_rows(table, frame)[order]
    are_agreed = table.shape.contracts or (
        not table.shape.recognised_by
        and any(word in plain(name).split() for name in lines for word in AGREED)
    )
    asked: list[tuple[int, int]] = []
    beside, first = 0, 0
    replaced: dict[int, float] = {}
    # each row beside the one before it that runs longest
    running: list[int] = []
    for at in range(len(order)):
        running = [
            before
            for before in running
            if customer[before] == customer[at] and ends[before] > begins[at]
        ]
        for before in running:
            if equal[before] == equal[at] >= 0:
                continue  # a doubled export, which is asked or said as such
            is_asked = not lines or (line[before] == line[at] >= 0)
            is_asked = is_asked or (are_agreed and _is_early_renewal(before, at, begins, ends))
            if table.shape.side_by_side or reading.overlap == "add" or not is_asked:
                beside, first = beside + 1, first or at
                continue
            asked.append((before, at))
            replaced[before] = min(replaced.get(before, np.inf), begins[at])
        running.append(at)
    if beside:
        number = counted(beside, "pair of periods overlaps", "pairs of periods overlap")
        table.notice(
            f"{number}, such as {as_written(str(frame['customer'].iloc[order[first]]))}'s from"
            f" {day_text(begins[first])}, told apart by {', '.join(lines) or 'their rows'}",
            "they are added",
            int(frame.index[order[first]]),
        )
    if not asked:
        return frame
    if reading.overlap == "replace":
        if _has_no_later(table, frame, order, begins, follows, asked, reading):
            return frame
        end = frame["end"].to_numpy(float).copy()
        for before, day in replaced.items():
            end[order[before]] = day
        table.notice(
            f"{counted(len(replaced), 'period')} that another overlaps end where that one starts",
            "as --overlap says",
        )
        frame = frame.assign(end=end)
        return kept(table, frame, ~(end <= frame["start"].to_numpy(float)))
    before, at = asked[0]
    rows = [int(frame.index[order[each]]) for each in (before, at)]
    whose = frame["customer"].iloc[order[at]]
    number = counted(len(asked), "pair of periods overlaps", "pairs of periods overlap")
    table.ask(
        (
            f"{number}, such as {as_written(str(whose))}'s from {day_text(begins[at])} with that of"
            f" {table.place(rows[0])}"
        ),
        (
            "say whether the later one takes the place of the earlier or runs beside it with"
            " --overlap replace or --overlap add"
        ),
        "overlap",
        ("replace", "add"),
        row=rows[1],
        field="start",
    )
    return frame


def _replaced(table: Table, frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """The rows, each ended where a renewal or the like takes its place; of several: asked."""
    replaces = np.zeros(len(frame), dtype=bool)
    for heading, values in table.shape.replaces.items():
        if label := table.label(heading):
            replaces |= rows_with(table.frame, label, values).to_numpy(bool)
    if not replaces.any():
        return frame
    order, begins, ends, customer, _ = _by_start(table, frame, AS_IT_IS)
    end = frame["end"].to_numpy(float).copy()
    number, several = 0, list[int]()
    for at in np.flatnonzero(replaces[order]).tolist():
        first = int(np.searchsorted(customer, customer[at]))
        running = [
            before
            for before in range(first, at)
            if begins[before] < begins[at] and ends[before] > begins[at]
        ]
        if len(running) > 1 and reading.overlap is None:
            several.append(at)
            continue
        for before in running:
            ends[before] = end[order[before]] = begins[at]
            number += 1
    if several:
        at = several[0]
        whose = as_written(str(frame["customer"].iloc[order[at]]))
        table.ask(
            f"{counted(len(several), 'row takes', 'rows take')} the place of one before, and"
            f" several run, such as {whose}'s from {day_text(begins[at])}",
            (
                "fill in when the one that it replaces ended, or say that it replaces all of them"
                " or runs beside them with --overlap replace or --overlap add"
            ),
            "overlap",
            ("replace", "add"),
            row=int(frame.index[order[at]]),
            field="start",
        )
    if number:
        words = ", ".join(word for words in table.shape.replaces.values() for word in words)
        table.notice(
            f"{counted(number, 'period ends', 'periods end')} where what takes its place starts",
            f"a row of {words} ends what the customer had before",
        )
    return frame.assign(end=end)


def _is_early_renewal(before: int, at: int, begins: np.ndarray, ends: np.ndarray) -> bool:
    """Whether the second period begins in the first and outlives it: they are no two side by side.

    The overlap is shorter than either.
    """
    both = min(ends[before], ends[at]) - begins[at]
    shorter = min(ends[before] - begins[before], ends[at] - begins[at])
    return bool(both < shorter and ends[at] > ends[before])


def _has_no_later(
    table: Table,
    frame: pd.DataFrame,
    order: np.ndarray,
    begins: np.ndarray,
    follows: np.ndarray,
    asked: Sequence[tuple[int, int]],
    reading: Reading,
) -> bool:
    """Ask by what column periods that start on one day follow: none of them is the later one."""
    tied = [
        (before, at)
        for before, at in asked
        if begins[before] == begins[at] and follows[before] == follows[at]
    ]
    if not tied:
        return False
    before, at = tied[0]
    row, first = (int(frame.index[order[each]]) for each in (at, before))
    number = counted(len(tied), "pair of periods starts", "pairs of periods start")
    by = f", and {reading.order} is the same" if reading.order else ""
    table.ask(
        f"{number} on one day, this one with that of {table.place(first)}{by}: neither is the"
        " later, which takes the other's place",
        "name the column by which they follow with --order COLUMN, or add them with --overlap add",
        "order",
        (),
        row=row,
        field="start",
    )
    return True


def _line_numbers(table: Table, frame: pd.DataFrame, lines: Sequence[str]) -> np.ndarray:
    """`ndarray[row]`: the number of the subscription, contract or deal, -1 where there is none.

    Of one several plans and products may run at once, and credits: those are no overlap.
    """
    found = np.full(len(frame), -1)
    if ids := [name for name in lines if _is_id(name) and not _is_of_an_invoice(name)]:
        by = list(dict.fromkeys([*lines, *(each for each in ("plan", "product") if each in frame)]))
        cells = pd.DataFrame({name: codes_of(frame[name]) for name in by})
        stands = (cells[ids] >= 0).all(axis=1).to_numpy() & (frame["arr"] > 0).to_numpy()
        found[stands] = cells.groupby(by, sort=False).ngroup().to_numpy()[stands]
    return found


def _is_id(name: str) -> bool:
    """Whether a column of lines holds ids, and not what several customers have, as a plan."""
    words = plain(name).split()
    of_what = set(words) & {*LASTING, *AGREED}
    return bool(of_what) or words[-1] in ("id", "oid", "uuid") or "number" in words


def _is_of_an_invoice(name: str) -> bool:
    return "invoice" in plain(name).replace("invoicenumber", "invoice").split()


def _by_start(
    table: Table, frame: pd.DataFrame, reading: Reading
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The rows of customers who have several, by customer and start; then start, end, customer.

    Last the rank in the column `order`, all 0 without one: it tells those of one start apart.
    """
    customer = codes_of(frame["customer"])
    several = np.bincount(customer, minlength=1)[customer] > 1
    rows = np.flatnonzero(several)
    start, end = frame["start"].to_numpy(float)[rows], frame["end"].to_numpy(float)[rows]
    end = np.where(np.isnan(end), np.inf, end)
    rank = np.zeros(len(rows))
    if reading.order and reading.overlap == "replace" and reading.order in table.frame:
        rank = _rank(table.frame[reading.order]).to_numpy(float)[rows]
    order = np.lexsort([end, rank, start, customer[rows]])
    return rows[order], start[order], end[order], customer[rows][order], rank[order]


def _rank(cells: pd.Series) -> pd.Series:
    """Each cell's place among all, of numbers by their size."""
    as_number = pd.to_numeric(cells, errors="coerce")
    values = as_number if as_number.notna().all() else cells.astype("str")
    return pd.Series(pd.factorize(values, sort=True)[0], index=cells.index)


def _last(table: Table, frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """Of each customer and month the rows of its latest day, one a line; or the highest of `order`.

    Of rows that are equal in all cells one stays.
    """
    month = _key_without_lines(frame)
    last = ~pd.Series(keys_of_rows(table, frame), index=frame.index).duplicated() | month.isna()
    line = pd.Series(line_codes(table, frame), index=frame.index)
    by = [month, line]
    if reading.order:
        rank = rank_of(table, frame, reading.order)
        if rank is None:
            return frame
        last &= (rank == rank.where(last).groupby(by).transform("max")) | month.isna()
    elif "day" in frame:
        last &= (frame["day"] == frame["day"].groupby(month).transform("max")) | month.isna()
    kept_rows = pd.DataFrame({"month": month, "line": line})[last & month.notna()]
    tied = kept_rows.index[kept_rows.duplicated(keep=False)]
    if len(tied):
        table.ask(
            f"{counted(len(tied), 'row')} of one customer and one day have no last one",
            "name the column by which they follow with --order COLUMN",
            "order",
            (),
            row=int(tied[0]),
        )
        return frame
    left = int((~last).sum())
    if left:
        table.notice(
            f"{counted(left, 'earlier row')} of the same customer and month",
            "the last one counts, as --several says",
        )
    return kept(table, frame, last.to_numpy())


def rank_of(table: Table, frame: pd.DataFrame, order: str) -> pd.Series | None:
    """By row its place in the order of a column, numbers as numbers; None where there is none."""
    by_words = {plain(each): str(each) for each in table.frame.columns}
    label = by_words.get(plain(order))
    if label is None:
        table.refuse(f"there is no column {order}", "name one with --order COLUMN")
        return None
    cells = table.frame[label]
    as_number = pd.to_numeric(cells, errors="coerce")
    rank = as_number if as_number.notna().all() else cells.astype("str")
    return pd.Series(pd.factorize(rank, sort=True)[0], index=frame.index)


def _key_without_lines(frame: pd.DataFrame) -> pd.Series:
    customer, month = codes_of(frame["customer"]), frame["month"].to_numpy(float)
    codes = customer * 40_000.0 + month
    return pd.Series(np.where(customer < 0, np.nan, codes), index=frame.index)


def credited(
    table: Table, frame: pd.DataFrame, line: np.ndarray
) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of months without the negative ones, taken off the customer's largest of the month.

    `frame` has `row`, that of the table. A month below nothing is an error.
    """
    arr = frame["arr"].to_numpy(float).copy()
    below = arr < 0
    if not below.any():
        return frame, line
    customer, month = codes_of(frame["customer"]), frame["month"].to_numpy(float)
    both = pd.DataFrame({"customer": customer, "month": month})
    group = both.groupby(["customer", "month"], sort=False).ngroup().to_numpy()
    some = np.flatnonzero(np.isin(group, group[below]))
    # of a customer and line the first month, and in how many the credits are too large
    owing: dict[tuple[int, int], list[tuple[int, int, float]]] = {}
    for rows in pd.Series(some).groupby(group[some], sort=False).groups.values():
        here = some[np.asarray(rows, dtype=np.int64)]
        credit = int(here[int(np.argmin(arr[here]))])
        owed = _take_off(arr, here.tolist())
        if owed > CENT / 2:
            whose = int(customer[credit]), int(line[credit])
            row = int(frame["row"].iloc[credit])
            owing.setdefault(whose, []).append((int(month[credit]), row, owed))
    of_customers = frame["customer"].iloc[below.nonzero()[0]]
    names = dict(zip(customer[below].tolist(), of_customers.astype(str), strict=True))
    for (whose_number, _), owed_in in owing.items():
        first, row, owed = min(owed_in)
        further = counted(len(owed_in) - 1, "further month")
        more = f", and in {further}" if len(owed_in) > 1 else ""
        table.refuse(
            f"the amounts of {as_written(names[whose_number])} add up to {-owed:,.2f} a year in"
            f" {month_name(first)}{more}: less than nothing",
            "a ledger holds what recurs; book credits against the month they belong to",
            table.unit,
            row,
        )
    number, months = int(below.sum()), "row of a month" if below.sum() == 1 else "rows of months"
    table.notice(
        f"{number:,} {months} below nothing (credits)",
        "each is taken off what the customer has in the month",
    )
    stay = arr >= CENT / 2
    # what is less than quantity x price is neither
    changed = arr != frame["arr"].to_numpy(float)
    for name in ("quantity", "unit_price"):
        if name in frame:
            frame = frame.assign(**{name: frame[name].mask(changed)})
    return frame.assign(arr=arr)[stay], line[stay]


def _take_off(arr: np.ndarray, rows: Sequence[int]) -> float:
    """Credits taken off the largest amounts of these rows; what is left of them."""
    owed = -sum(arr[at] for at in rows if arr[at] < 0)
    for at in rows:
        arr[at] = max(arr[at], 0.0)
    for at in sorted(rows, key=lambda row: -arr[row]):
        taken = min(owed, arr[at])
        arr[at] -= taken
        owed -= taken
    return float(owed)
