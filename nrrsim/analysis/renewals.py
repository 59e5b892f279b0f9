"""A window in, the contracts due for renewal in it and after it out, as a frame; never draws."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nrrsim.analysis.actuals import Actuals
from nrrsim.ledger.ledger import Ledger
from nrrsim.months import parse_month, shift


def has_renewals(past: Actuals) -> bool:
    """Whether the ledger says when contracts come up for renewal."""
    return "renewal" in past.ledger.entries.frame and bool(
        past.ledger.entries.frame["renewal"].notna().any()
    )


def renewals(past: Actuals, ahead: int = 4) -> pd.DataFrame:
    """What came up for renewal in the window's quarters, and what comes up in the next ones.

    Columns `month` (the quarter's last), `customers`, `due` (ARR before renewal), `renewed`
    (capped at due), `lost`, `after` (ARR after renewal), `rate` (renewed / due). Coming
    quarters have only `customers` and `due`. A renewal date that has passed is read as the
    anniversary that comes next.
    """
    step = past.ledger.step
    happened = [
        _renewed(past, shift(past.as_of, step - back)) for back in range(past.window, 0, -step)
    ]
    frame = pd.concat(happened, ignore_index=True) if happened else pd.DataFrame()
    coming = _due(past, past.as_of)
    coming = coming[coming["month"] <= parse_month(past.as_of, "as_of") + ahead * past.pace]
    frame = pd.concat([frame, coming.assign(renewed=np.nan, after=np.nan)], ignore_index=True)
    end = parse_month(past.as_of, "as_of")
    frame["month"] = end + -(-(frame["month"] - end) // past.pace) * past.pace
    sums = frame.groupby("month").agg(
        customers=("due", "size"),
        due=("due", "sum"),
        renewed=("renewed", lambda s: s.sum(skipna=False)),
        after=("after", lambda s: s.sum(skipna=False)),
    )
    every = range(
        end - (-(-past.window // past.pace) - 1) * past.pace,
        end + ahead * past.pace + 1,
        past.pace,
    )
    sums = (
        sums.reindex(pd.Index(every, name="month"))
        .fillna({"customers": 0, "due": 0.0})
        .reset_index()
    )
    empty = (sums["month"] <= end) & (sums["due"] == 0)
    sums.loc[empty, ["renewed", "after"]] = 0.0
    sums["lost"] = sums["due"] - sums["renewed"]
    sums["rate"] = (sums["renewed"] / sums["due"]).where(sums["due"] > 0)
    sums["month"] = [shift(past.as_of, int(month) - end) for month in sums["month"]]
    return sums.astype({"customers": int})


def next_renewals(past: Actuals, ahead: int = 2) -> pd.DataFrame:
    """The contracts that come up in the next `ahead` quarters, the largest first.

    Columns `customer`, `month` (of the renewal), `due` (its ARR).
    """
    due = _due(past, past.as_of).reset_index()
    end = parse_month(past.as_of, "as_of")
    due = due[due["month"] <= end + ahead * past.pace]
    due = due.sort_values("due", ascending=False, kind="stable", ignore_index=True)
    due["month"] = [shift(past.as_of, int(month) - end) for month in due["month"]]
    return due[["customer", "month", "due"]]


def decisive(past: Actuals, most: int = 10) -> pd.DataFrame:
    """The largest customers of today's book, whose renewals decide the year to come.

    Columns `customer`, `segment`, `arr`, `share` (of all ARR: by so much NRR falls if it leaves),
    `month` (of its next renewal, the earliest where it has several; "" where none is stated).
    """
    frame = past.ledger.customers(past.as_of).sort_values("arr", ascending=False, kind="stable")
    frame = frame.assign(share=frame["arr"] / frame["arr"].sum()).head(most)
    months = pd.Series("", index=frame.index)
    if has_renewals(past):
        due, end = _due(past, past.as_of)["month"], parse_month(past.as_of, "as_of")
        first = due.groupby("customer", observed=True).min().reindex(frame.index).dropna()
        months.update(first.map(lambda month: shift(past.as_of, int(month) - end)))
    frame = frame.assign(month=months).rename_axis("customer").reset_index()
    return frame[["customer", "segment", "arr", "share", "month"]].astype({"segment": str})


def contracts_due(ledger: Ledger, month: str, rate_of: str) -> pd.DataFrame:
    """Each contract's next renewal after `month` (`month`: a number) and its ARR (`due`) at the
    rates of `rate_of`, by customer, line.
    """
    lines = ledger.lines(month, rate_of)
    at = parse_month(month, "month")
    renewal = lines["renewal"].dropna()
    passed = np.ceil(np.maximum(at + 1 - renewal, 0) / 12) * 12
    return pd.DataFrame(
        {"month": (renewal + passed).astype(int), "due": lines["arr"].reindex(renewal.index)}
    )


def _due(past: Actuals, month: str) -> pd.DataFrame:
    return contracts_due(past.ledger, month, past.start)


def _renewed(past: Actuals, month: str) -> pd.DataFrame:
    """What was due in `month`, and what became of it."""
    due = _due(past, shift(month, -past.ledger.step))
    due = due[due["month"] <= parse_month(month, "month")]
    after = past.ledger.lines(month, rate_of=past.start)["arr"].reindex(due.index).fillna(0.0)
    return due.assign(renewed=np.minimum(due["due"], after), after=after)
