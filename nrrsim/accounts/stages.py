"""Opportunities of older snapshots and a ledger in, what became of each stage out; never asks the
CRM whether one was won.

An opportunity that was open in a snapshot is resolved once 90 days have passed since its close date
(as it stood then). What became of it is what its customer's expansion in the ledger was from the
snapshot on until then: up to its amount, and of several open ones of a customer each part once, the
earliest close date first. Price increases are no sale.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from nrrsim.accounts.opportunities import EXPANSION, Opportunities, last_day_of, month_of
from nrrsim.ledger.ledger import Ledger
from nrrsim.ledger.rollforward import MONTHS_APART, MOVEMENT_NUMBER
from nrrsim.ledger.vocabulary import plain
from nrrsim.months import parse_month
from nrrsim.movements import EXPANSION as EXPANSIONS

DAYS_AFTER = 90  # after its close date, in which an opportunity may become expansion
FEWEST = 30  # resolved opportunities of a stage from which its rate counts as learnt
SOLD = tuple(name for name in EXPANSIONS if name != "price")
LEARNT, JUDGED, UNKNOWN = "learnt", "judged", "none"  # what a stage's rate rests on
LEDGER, CARD, CRM = "ledger", "card", "probability"  # and where it is from
BEFORE = 0.5, 0.5  # the beta posterior's a and b before anything is seen (Jeffreys)
SHARES = 0.05, 0.95
DRAWS, SEED = 20_000, 20260930
MOST_DRAWN = 20_000_000  # opportunities times draws
COLUMNS = ["stage", "resolved", "arr_resolved", "became", "a", "b", "rate", "low", "high"]
COLUMNS += ["basis", "source"]


def resolved(opportunities: Opportunities, ledger: Ledger) -> pd.DataFrame:
    """The opportunities of snapshots before the last of which it is known what became of them.

    A row for each opportunity and snapshot: `customer`, `opportunity`, `stage`, `arr`, `became`
    (ARR that its customer's expansion in the ledger has of it, from 0 to `arr`). Who had no amount
    in the snapshot's month could not expand and is left out, and so is what was overdue then.
    """
    frame, as_of = opportunities.frame, opportunities.as_of
    end, step = parse_month(as_of, "as_of"), ledger.step
    known = (
        opportunities.open() & frame["known"] & (frame["kind"] == EXPANSION) & (frame["arr"] > 0)
    )
    known &= (frame["close"] > frame["snapshot"]) & (frame["snapshot"] <= last_day_of(as_of))
    known &= frame["close"] + DAYS_AFTER <= last_day_of(as_of)
    rows = frame[known].copy()
    first = parse_month(ledger.months[0], "month")

    # a day between two snapshots of the ledger is seen in the second
    until = month_of(rows["close"] + DAYS_AFTER).astype(np.int64)
    rows["until"] = first + -(-(until - first) // step) * step
    # on its last day a month is over: what it sold came before
    month = month_of(rows["snapshot"] + 1).astype(np.int64)
    rows["since"], rows["seen"] = month, first + (month - 1 - first) // step * step
    rows = rows[rows["until"] <= end]
    lived, events = ledger.histories(as_of)
    codes = ledger.entries.frame["customer"].cat.categories.get_indexer(pd.Index(rows["customer"]))
    rows["code"] = codes
    was_there = np.isin(_key(rows["code"], rows["seen"]), _key(lived["customer"], lived["month"]))
    rows = rows[was_there]
    sold = events[events["kind"].isin([MOVEMENT_NUMBER[name] for name in SOLD])]
    rows["became"] = _became(rows, sold)
    return rows[["customer", "opportunity", "stage", "arr", "became"]].reset_index(drop=True)


def _key(customer: pd.Series, month: pd.Series) -> np.ndarray:
    return np.asarray(customer.to_numpy(np.int64) * MONTHS_APART + month.to_numpy(np.int64))


def _became(rows: pd.DataFrame, sold: pd.DataFrame) -> np.ndarray:
    """`ndarray[row]`: how much of each amount its customer's expansion in its months has."""
    keys = _key(sold["customer"], sold["month"])  # they stand in this order
    sums = np.append(0.0, np.cumsum(sold["arr"].to_numpy()))
    begins = np.searchsorted(keys, _key(rows["code"], rows["since"]))
    ends = np.searchsorted(keys, _key(rows["code"], rows["until"]), side="right")
    became = np.minimum(sums[ends] - sums[begins], rows["arr"].to_numpy())

    # of several of a customer in one snapshot, what one took another cannot have
    order = rows["close"].argsort(kind="stable").to_numpy()
    place = pd.Series(np.arange(len(rows)), index=rows.index).iloc[order]
    several = rows.iloc[order].duplicated(["code", "snapshot"], keep=False).to_numpy()
    pairs = [rows["code"].iloc[order][several], rows["snapshot"].iloc[order][several]]
    for _, mine in place[several].groupby(pairs):
        first = int(begins[mine].min())
        left = sold["arr"].to_numpy()[first : int(ends[mine].max())].copy()
        for at in mine:
            inside = slice(begins[at] - first, ends[at] - first)
            taken = np.minimum(np.cumsum(left[inside]), rows["arr"].iloc[at])
            became[at] = taken[-1] if len(taken) else 0.0
            left[inside] -= np.diff(taken, prepend=0.0)
    return np.asarray(became)


def stage_rates(
    opportunities: Opportunities, ledger: Ledger, said: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """What share of an amount becomes expansion, by stage: a row for each that is open now or was.

    Columns `stage`, `resolved` (opportunities, each counted once), `arr_resolved` and `became`
    (ARR, each snapshot's), `a` and `b` of the beta posterior, `rate`, its 90 % range from `low` to
    `high`, and `basis`: `learnt` where FEWEST opportunities are resolved; else `judged`, the
    `said` number of a stage (by its plain words), or the mean of the probabilities beside the open
    ones by amount; `none` where nobody says any. What is judged has no range. `source` is where the
    rate is from: `ledger`, `card`, `probability`, or "".

    An opportunity that several snapshots show in a stage counts by all of its rows, and as one: the
    posterior is of as many as their amounts are worth (the square of their sum over the sum of
    their squares).
    """
    found = resolved(opportunities, ledger)
    by_stage = dict([*found.groupby("stage")]) if len(found) else {}
    now = current(opportunities)
    now = now[now["kind"] == EXPANSION]
    names = dict.fromkeys([*now["stage"], *found["stage"]])
    rows = [
        _stage(name, by_stage.get(name), now[now["stage"] == name], said or {}) for name in names
    ]
    frame = pd.DataFrame(rows, columns=[*COLUMNS])
    order = frame["rate"].fillna(-1.0).sort_values(kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def _stage(
    name: str, past: pd.DataFrame | None, now: pd.DataFrame, said: Mapping[str, float]
) -> list[object]:
    number, amount, became, a, b = 0, 0.0, 0.0, np.nan, np.nan
    if past is not None:
        each = past.groupby(["customer", "opportunity"])["arr"].sum().to_numpy()
        number, amount, became = len(each), float(past["arr"].sum()), float(past["became"].sum())
        worth = amount**2 / float((each**2).sum())
        a, b = BEFORE[0] + worth * became / amount, BEFORE[1] + worth * (1 - became / amount)
    if number >= FEWEST:
        low, high = (float(betaincinv(a, b, share)) for share in SHARES)
        return [name, number, amount, became, a, b, a / (a + b), low, high, LEARNT, LEDGER]
    rate, source = said.get(plain(name), np.nan), CARD
    stated = now[now["probability"].notna() & (now["arr"] > 0)]
    if np.isnan(rate) and len(stated):
        rate, source = float(np.average(stated["probability"], weights=stated["arr"])), CRM
    judged = (UNKNOWN, "") if np.isnan(rate) else (JUDGED, source)
    return [name, number, amount, became, np.nan, np.nan, rate, np.nan, np.nan, *judged]


def current(opportunities: Opportunities) -> pd.DataFrame:
    """The open opportunities of the last snapshot that is not after `as_of`; of a file without
    snapshots, all that are open.
    """
    frame = opportunities.frame[opportunities.open()]
    if not opportunities.has_snapshots:
        return frame
    return frame[frame["snapshot"] == last_snapshot(opportunities)]


def last_snapshot(opportunities: Opportunities) -> float:
    """The day of the last snapshot that is not after `as_of`; nan where there is none."""
    days = opportunities.frame["snapshot"]
    return float(days[days <= last_day_of(opportunities.as_of)].max())


def rate_of(now: pd.DataFrame, rates: pd.DataFrame) -> np.ndarray:
    """`ndarray[row]`: what share of each amount is expected; nan where nothing says any.

    Learnt of its stage, else what was said of the stage, else its own probability.
    """
    by_stage, stage = rates.set_index("stage"), now["stage"]
    own = now["probability"].to_numpy(float)
    keeps = (stage.map(by_stage["source"]) == CRM).to_numpy(bool) & ~np.isnan(own)
    return np.where(keeps, own, stage.map(by_stage["rate"]).to_numpy(float))


def weighted_range(now: pd.DataFrame, rates: pd.DataFrame) -> tuple[float, float]:
    """The 90 % range of what becomes of open opportunities: each comes whole or not at all, at its
    stage's rate, which is drawn from what is learnt of it. 20,000 draws of a fixed seed, fewer of
    more than a thousand opportunities.
    """
    amount, rate = now["arr"].to_numpy(float), rate_of(now, rates)
    counts = ~np.isnan(rate) & ~np.isnan(amount)
    if not counts.any():
        return np.nan, np.nan
    # of thousands, which even out, fewer draws will do
    number = min(DRAWS, max(DRAWS // 10, MOST_DRAWN // int(counts.sum())))
    draws, luck = np.zeros(number), np.random.Generator(np.random.PCG64(SEED))
    for row in rates.to_dict("records"):
        mine = counts & (now["stage"] == row["stage"]).to_numpy(bool)
        is_learnt = row["basis"] == LEARNT
        drawn = luck.beta(row["a"], row["b"], number) if is_learnt else None
        for each, own in zip(amount[mine], rate[mine], strict=True):
            draws += each * (luck.random(number) < (own if drawn is None else drawn))
    low, high = np.quantile(draws, SHARES)
    return float(low), float(high)


def snapshot_day(opportunities: Opportunities) -> str | None:
    """The day of the snapshot that is read as today's, "2026-09-30"; None of a file without."""
    day = last_snapshot(opportunities) if opportunities.has_snapshots else np.nan
    return None if np.isnan(day) else str(np.int64(day).astype("datetime64[D]"))
