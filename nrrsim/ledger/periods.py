"""Subscriptions with start and end in, a row for each of their months out; never fills a gap."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd

from nrrsim.errors import UsageError
from nrrsim.ledger.columns import Table
from nrrsim.ledger.dates import month_of_day
from nrrsim.months import YEARS, last_day_number, month_name
from nrrsim.notation import counted

# How billing systems write that something runs on, and the first day that no contract reaches.
RUNS_ON = np.array(
    [
        (np.datetime64(day, "D") + late).astype(int)
        for year in (9999, 4712, 2999, 2100)
        for day in (f"{year}-12-31", f"{year}-12-30", f"{year}-01-01")
        for late in (0, 1)
    ],
    dtype=float,
)
FAR = float(np.datetime64("2100-01-01", "D").astype(int))
DAY_OR_MONTH = re.compile(r"\d{4}-\d\d(-\d\d)?")


@dataclass(frozen=True)
class Known:
    """Until when a ledger of periods says anything: its last month, and why it is that one.

    `ahead` : how many ends lie after that month; `made` : when the export was made, as stated.
    """

    last: int
    ahead: int
    made: str | None
    of_what: str = "start"

    @property
    def why(self) -> str:
        """What makes this month the last."""
        if self.made is None:
            return f"the month of its latest {self.of_what}"
        return f"the last that had ended by {self.made}, when the export was made"


def day_text(day: float) -> str:
    """A day since 1970 as YYYY-MM-DD."""
    return str(np.datetime64(int(day), "D"))


def last_month_of(until: object) -> int:
    """The last month that had ended on a day; a month stands for its last day.

    Raises UsageError for what is neither.
    """
    text = str(until)
    last_day = last_day_number(text) if DAY_OR_MONTH.fullmatch(text) else None
    if last_day is None or int(text[:4]) not in YEARS:
        raise UsageError(
            f"until: {text!r} is not a day or a month; write when the export was made as"
            " YYYY-MM-DD or YYYY-MM"
        )
    return int(month_of_day(np.array([last_day + 1.0]))[0]) - 1


def look_at_ends(table: Table, frame: pd.DataFrame) -> None:
    """Ask where most ends look like the last day with service, not the first without.

    `end` is in days since 1970; those that run on are left out.
    """
    end = frame["end"].dropna().to_numpy()
    end = end[end < FAR]
    last_days = np.mean(month_of_day(end + 1) != month_of_day(end)) if len(end) else 0.0
    if last_days > 0.5:
        row = int(frame.index[int(np.argmax(frame["end"].notna().to_numpy()))])
        table.ask(
            f"{last_days:.0%} of the ends are the last day of a month: the last day with service,"
            " or the first without",
            "say which with --period-end inclusive (the last day with service) or --period-end"
            " exclusive",
            "period_end",
            ("inclusive", "exclusive"),
            row=row,
            field="end",
        )


def months_of_periods(
    table: Table, frame: pd.DataFrame, latest: float, until: str | None, inclusive: bool
) -> tuple[pd.DataFrame, np.ndarray, Known]:
    """Subscriptions as monthly rows, a line each; a month counts if one runs when the month ends.

    Beside the rows: the number of each one's line (`ndarray[row]`), and until when all is known.
    latest : the day of the latest start, of rows without an amount, too. until : the day on which
    the export was made. inclusive : whether an end is written as the last day with service.
    """
    made = None if until is None else last_month_of(until)
    last_month = int(month_of_day(np.array([latest]))[0]) if made is None else made
    starts = month_of_day(frame["start"].to_numpy())
    later = starts > last_month
    if later.all():
        raise UsageError(
            f"until: every subscription starts after {month_name(last_month)}, the last month that"
            f" had ended by {until}"
        )
    if later.any():
        number = int(later.sum())
        table.notice(
            f"{counted(number, 'subscription starts', 'subscriptions start')} after"
            f" {month_name(last_month)}, the last month that had ended by {until}, when the export"
            " was made",
            "they are left out",
        )

    first, frame = starts[~later], frame[~later]
    frame = _without_far_ends(table, frame)
    end_month = month_of_day(frame["end"].to_numpy())
    runs_on = frame["end"].isna().to_numpy()
    as_written = month_of_day(frame["end"].to_numpy() - 1) if inclusive else end_month
    ahead = int((~runs_on & (as_written > last_month)).sum())
    known = Known(last_month, ahead, None if until is None else str(until))
    last = np.where(runs_on, last_month, np.minimum(end_month - 1, last_month))
    lengths = np.maximum(last - first + 1, 0)
    _say_what_is_never_seen(table, int((~runs_on & (end_month <= first)).sum()))
    _say_what_lies_ahead(table, known)

    # a row for each month: its number among all rows, less where the subscription's rows begin,
    # counts from the first month on
    line = _lines(frame, first, last)
    rows = np.repeat(np.arange(len(frame)), lengths)
    begins = np.cumsum(lengths) - lengths
    month = np.repeat(first - begins, lengths) + np.arange(lengths.sum())
    laid_out = frame.drop(columns=["start", "end"], errors="ignore").iloc[rows]
    laid_out = laid_out.reset_index(drop=True).assign(month=month.astype(float))

    conflict = laid_out.groupby(["customer", "month"], observed=True)["segment"].nunique()
    for customer, number in conflict.index[conflict > 1][:1]:
        table.refuse(
            f"{customer} has two segments in {month_name(int(number))}",
            "a customer has one segment a month",
            "segment",
        )
    return laid_out, line[rows], known


def _without_far_ends(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Ends so far ahead that they mean that the subscription runs on, as none."""
    end = frame["end"].to_numpy(float)
    far = end >= FAR
    runs_on = np.isin(end, RUNS_ON)
    if (odd := far & ~runs_on).any():
        at = int(np.argmax(odd))
        table.notice(
            f"{counted(int(odd.sum()), 'end lies', 'ends lie')} after 2100, such as"
            f" {day_text(end[at])}",
            "it is read as running on; if it is a slip of the pen, correct it",
            int(frame["row"].iloc[at]) if "row" in frame else None,
        )
    return frame.assign(end=np.where(far, np.nan, end))


def _say_what_is_never_seen(table: Table, number: int) -> None:
    if number:
        table.notice(
            counted(number, "subscription starts and ends", "subscriptions start and end")
            + " inside one month",
            "no month's end meets them, so they count nowhere",
        )


def _say_what_lies_ahead(table: Table, known: Known) -> None:
    if known.ahead:
        remedy = "they count once a later export says that they have come"
        if known.made is None:
            remedy = (
                "if the export was made later, say when: --until YYYY-MM-DD (in a card or a"
                " scenario's book: until)"
            )
        table.notice(
            f"{counted(known.ahead, 'end lies', 'ends lie')} after"
            f" {month_name(known.last)}, the ledger's last month ({known.why}): what is not yet"
            " over is no churn",
            remedy,
        )


# --- lines ----------------------------------------------------------------------------------------


def _lines(frame: pd.DataFrame, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """`ndarray[subscription]`: the number of the line that each belongs to, by content.

    A subscription goes on with the line of the customer (and product) that ended before it: with
    the one whose further columns say the same, else with the only one that is free. So a renewal at
    a new price is a price movement, and two that run at once are two lines. The numbers come from
    what the rows say, not from their order: the same ledger in another order has the same lines.
    """
    texts = [name for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    numbers = [name for name in frame if name not in texts]
    codes = {name: frame[name].cat.codes.to_numpy(np.int64) for name in texts}
    owner = codes["customer"]
    if "product" in codes:
        owner = owner * (codes["product"].max(initial=0) + 1) + codes["product"]
    further = [codes[name] for name in texts if name not in ("customer", "product")]
    values = [np.nan_to_num(frame[name].to_numpy(float), nan=-1.0) for name in numbers]
    order = np.lexsort((*values[::-1], *further[::-1], last, first, owner))

    line = np.arange(len(frame))
    line[order] = np.arange(len(frame))
    # who has one subscription has one line: only the others are gone through
    several = np.bincount(owner, minlength=1)[owner[order]] > 1
    says = pd.DataFrame(dict(enumerate(further)), index=frame.index)
    words = says.groupby(list(says), sort=False).ngroup().to_numpy() if further else 0 * line
    for _, mine in groupby(order[several].tolist(), key=lambda row: owner[row]):
        _follow(list(mine), first, last, words, line)
    return line


def _follow(
    rows: Sequence[int], first: np.ndarray, last: np.ndarray, says: np.ndarray, line: np.ndarray
) -> None:
    """Give each of one customer's subscriptions, sorted by start, the line that it goes on with."""
    ended: list[int] = []  # the latest subscription of each line that has one
    for _, starting in groupby(rows, key=lambda row: first[row]):
        fresh, waiting = [], list(starting)
        for same_words in (True, False):
            for row in tuple(waiting):
                free = [
                    old
                    for old in ended
                    if last[old] < first[row] and (not same_words or says[old] == says[row])
                ]
                if len(free) == 1:
                    line[row] = line[free[0]]
                    ended.remove(free[0])
                    waiting.remove(row)
                    fresh.append(row)
        ended += fresh + waiting
