"""Several rows of a customer that count at once in, one for each line out; never adds in silence.

A column such as product or subscription makes lines: their rows are added. Without one, two rows
of a customer and month, and two periods that overlap, are asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nrrsim.ledger.columns import Table, rows_with
from nrrsim.ledger.periods import day_text
from nrrsim.ledger.reading import Reading
from nrrsim.ledger.values import as_written, codes_of, kept, keys_of
from nrrsim.ledger.vocabulary import plain
from nrrsim.movements import CENT
from nrrsim.notation import counted

NO_LINE = ("invoice", "transaction")  # another one each time: no line that goes on


def settled_rows(table: Table, frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """The rows of a ledger of months with one of each key, as `several` says.

    `last` keeps the row of the latest day (or the highest of `order`), `add` adds them.
    """
    key = keys_of(table, frame)
    if reading.several == "last":
        return _last(table, frame, _key_without_lines(frame), reading)
    if reading.several != "add":
        return frame
    twice = key.duplicated(keep=False) & key.notna()
    if twice.any():
        table.notice(
            f"{counted(int(twice.sum()), 'row')} of the same customer and month",
            "their amounts are added, as --several says",
        )
    return frame


def netted(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """One row a customer, month and line: rows added, credits taken off what they belong to.

    What a credit leaves below nothing in its line is taken off the customer's largest lines of the
    month; a month below nothing is an error.
    """
    say_added(table, frame)
    line = line_codes(table, frame)
    customer, month = codes_of(frame["customer"]), frame["month"].to_numpy(float)
    frame = frame.assign(line=line)
    group = pd.DataFrame({"customer": customer, "month": month, "line": line}, index=frame.index)
    twice = group.duplicated(keep=False).to_numpy()
    negative = (frame["arr"] < 0).to_numpy()
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
    product = codes_of(frame["product"]) if "product" in frame else np.zeros(len(frame), int)
    lasting = [
        name
        for name in table.lines
        if name in frame and name != "product" and not set(plain(name).split()) & set(NO_LINE)
    ]
    if not lasting:
        return np.asarray(product, dtype=np.int64)
    customer = codes_of(frame["customer"])
    rows = pd.DataFrame({"customer": customer, "month": frame["month"].to_numpy(), "of": product})
    several = np.isin(customer, customer[rows.duplicated().to_numpy()])
    each = pd.DataFrame({name: codes_of(frame[name]) for name in lasting})
    number = each.groupby(lasting, sort=True).ngroup().to_numpy(np.int64)
    apart = product * (number.max(initial=0) + 2) + np.where(several, number + 1, 0)
    return np.asarray(apart, dtype=np.int64)


def settle_overlaps(table: Table, frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """Periods of one customer that run at once: asked, ended, or added, as is said.

    In a table without lines any overlap is asked, also of rows that differ in currency, term or
    renewal; of contracts, invoices and deals one that is shorter than either.
    """
    if reading.overlap == "add" or table.shape.side_by_side or len(frame) < 2:
        return frame
    frame = _replaced(table, frame, reading)
    if table.findings and table.findings[-1].option == "overlap":
        return frame
    order, begins, ends, customer = _by_start(frame)
    has_lines = bool([name for name in table.lines if name in frame])
    asked: list[tuple[int, int]] = []
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
            if has_lines and not _counts_as_overlap(table, before, at, begins, ends):
                continue
            asked.append((before, at))
            replaced[before] = min(replaced.get(before, np.inf), begins[at])
        running.append(at)
    if not asked:
        return frame
    if reading.overlap == "replace":
        end = frame["end"].to_numpy(float).copy()
        for before, day in replaced.items():
            end[order[before]] = day
        table.notice(
            f"{counted(len(replaced), 'period')} that another overlaps end where that one starts",
            "as --overlap says",
        )
        return frame.assign(end=end)
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
    order, begins, ends, customer = _by_start(frame)
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


def _counts_as_overlap(
    table: Table,
    before: int,
    at: int,
    begins: np.ndarray,
    ends: np.ndarray,
) -> bool:
    """Whether two periods of lines, the second beginning in the first, are no two side by side."""
    if table.shape.contracts:
        both = min(ends[before], ends[at]) - begins[at]
        shorter = min(ends[before] - begins[before], ends[at] - begins[at])
        return bool(both < shorter and ends[at] > ends[before])
    return False


def _by_start(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The rows of customers who have several, by customer and start; then start, end, customer."""
    customer = codes_of(frame["customer"])
    several = np.bincount(customer, minlength=1)[customer] > 1
    rows = np.flatnonzero(several)
    start, end = frame["start"].to_numpy(float)[rows], frame["end"].to_numpy(float)[rows]
    end = np.where(np.isnan(end), np.inf, end)
    order = np.lexsort([end, start, customer[rows]])
    return rows[order], start[order], end[order], customer[rows][order]


def _last(table: Table, frame: pd.DataFrame, key: pd.Series, reading: Reading) -> pd.DataFrame:
    """Of each key the row of the latest day, or the highest of `order`."""
    order = reading.order
    if order and order not in table.frame:
        table.refuse(f"there is no column {order}", "name one with --order COLUMN")
        return frame
    if order:
        cells = table.frame[order]
        as_number = pd.to_numeric(cells, errors="coerce")
        rank = as_number if as_number.notna().all() else cells.astype("str")
        value = pd.Series(pd.factorize(rank, sort=True)[0], index=frame.index)
    else:
        value = pd.Series(frame["day"].to_numpy(float), index=frame.index)
    highest = value.groupby(key).transform("max")
    last = (value == highest) | key.isna()
    tied = last & key.where(last).duplicated(keep=False) & key.notna()
    if tied.any():
        row = int(frame.index[int(np.argmax(tied.to_numpy()))])
        table.ask(
            f"{counted(int(tied.sum()), 'row')} of one customer and one day have no last one",
            "name the column by which they follow with --order COLUMN",
            "order",
            (),
            row=row,
        )
        return frame
    left = int((~last).sum())
    if left:
        table.notice(
            f"{counted(left, 'earlier row')} of the same customer and month",
            "the last one counts, as --several says",
        )
    return kept(table, frame, last.to_numpy())


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
    for rows in pd.Series(some).groupby(group[some], sort=False).groups.values():
        _take_off(table, frame, arr, some[np.asarray(rows, dtype=np.int64)].tolist())
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


def _take_off(table: Table, frame: pd.DataFrame, arr: np.ndarray, rows: Sequence[int]) -> None:
    owed = -sum(arr[at] for at in rows if arr[at] < 0)
    for at in rows:
        arr[at] = max(arr[at], 0.0)
    for at in sorted(rows, key=lambda row: -arr[row]):
        taken = min(owed, arr[at])
        arr[at] -= taken
        owed -= taken
    if owed > CENT / 2:
        table.refuse(
            "the amounts of this customer and month add up to less than nothing",
            "a ledger holds what recurs; book credits against the month they belong to",
            table.unit,
            int(frame["row"].iloc[rows[0]]),
        )
