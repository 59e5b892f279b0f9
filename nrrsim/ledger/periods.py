"""Subscriptions with start and end in, a row for each of their months out; never fills a gap."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nrrsim.ledger.columns import Table
from nrrsim.months import month_name


def look_at_ends(table: Table, frame: pd.DataFrame) -> None:
    """Say so where most ends look like the last day with service, not the first without.

    `end` is in days since 1970.
    """
    end = frame["end"].dropna().to_numpy()
    last_days = np.mean(_month_of_day(end + 1) != _month_of_day(end)) if len(end) else 0.0
    if last_days > 0.5:
        table.notice(
            f"{last_days:.0%} of the ends are the last day of a month, and an end is read as the"
            " first day without service",
            "if it is the last day with service, say so with period_end: inclusive",
        )


def months_of_periods(table: Table, frame: pd.DataFrame, until: int | None) -> pd.DataFrame:
    """Subscriptions as monthly rows: a month counts if the subscription runs when it ends."""
    first = _month_of_day(frame["start"].to_numpy())
    end_month = _month_of_day(frame["end"].to_numpy())
    runs_on = frame["end"].isna().to_numpy()
    # what runs on does so to the last month of which the ledger says anything
    edge = max(first.max(), end_month[~runs_on].max(initial=0), until or 0)
    last = np.where(runs_on, edge, end_month - 1)
    lengths = np.maximum(last - first + 1, 0)
    never = int((lengths == 0).sum())
    if never:
        table.notice(
            f"{never:,} subscriptions start and end inside one month",
            "they are customers at no month's end, and count nowhere",
        )

    # a row for each month: its number among all rows, less where the subscription's rows begin,
    # counts from the first month on
    rows = np.repeat(np.arange(len(frame)), lengths)
    begins = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    month = np.repeat(first - begins, lengths) + np.arange(lengths.sum())
    laid_out = frame.drop(columns=["start", "end"], errors="ignore").iloc[rows]
    laid_out = laid_out.reset_index(drop=True)
    laid_out["month"] = month.astype(float)

    names = ["customer", "month", *(name for name in ("product", "currency") if name in frame)]
    conflict = laid_out.groupby(["customer", "month"], observed=True)["segment"].nunique()
    for customer, number in conflict.index[conflict > 1][:1]:
        table.refuse(
            f"{customer} has two segments in {month_name(int(number))}",
            "a customer has one segment a month",
            "segment",
        )

    # subscriptions of a customer (and product) that run at the same time are one row: amounts and
    # quantities add up, and a unit price of several is none
    adding = {name: "sum" for name in ("arr", "amount", "quantity") if name in laid_out}
    rest = {name: "first" for name in laid_out.columns if name not in (*names, *adding)}
    several = laid_out.duplicated(names, keep=False)
    grouped = laid_out[several].groupby(names, as_index=False, sort=False, observed=True)
    summed = grouped.agg(adding | rest)
    if "unit_price" in summed:
        summed["unit_price"] = np.nan
    summed = summed[list(laid_out.columns)].astype(laid_out.dtypes.to_dict())
    return pd.concat([laid_out[~several], summed], ignore_index=True)


def _month_of_day(days: np.ndarray) -> np.ndarray:
    """The month number of days since 1970; a day that is nan gives a month that means nothing."""
    whole = np.nan_to_num(days).astype("datetime64[D]")
    months: np.ndarray = whole.astype("datetime64[M]").astype(np.int64)
    return months + 1970 * 12
