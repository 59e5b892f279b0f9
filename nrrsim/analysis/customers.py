"""A window's customers in, who moved it and how much hangs on whom out, as frames; never draws."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nrrsim import special
from nrrsim.analysis.actuals import Actuals
from nrrsim.engine.draws import SEED
from nrrsim.movements import CENT

MOST_RESAMPLED = 5_000  # customers
RESAMPLES, AT_ONCE = 4_000, 250  # in parts, so that they take little memory
LEAST_EFFECT = 5e-4  # of one customer on NRR, that is worth a row


def movers(past: Actuals, most: int = 5) -> pd.DataFrame:
    """The cohort's largest gains, then its largest losses: `customer`, `segment`, `opening`,
    `closing`, `change`, `contribution` (change as a share of the whole opening: points of NRR).
    """
    frame = past.customers.copy()
    frame["change"] = frame["closing"] - frame["opening"]
    frame["contribution"] = frame["change"] / frame["opening"].sum()
    frame = frame.sort_values(["change", "opening"], kind="stable").reset_index()
    gains, losses = frame[frame["change"] > CENT].iloc[::-1], frame[frame["change"] < -CENT]
    return pd.concat([gains.head(most), losses.head(most)], ignore_index=True)


def interval(past: Actuals, level: float = 0.9, seed: int = SEED) -> tuple[float, float]:
    """Between which values NRR (point to point) would lie with other customers of the same
    kind: the customers are drawn anew, with repetition (bootstrap); of more than 5,000 by the
    normal distribution that it comes to.
    """
    opening, closing = _pairs(past)
    if len(opening) < 2:
        return np.nan, np.nan
    whole = opening.sum()
    ratio = closing.sum() / whole
    if len(opening) > MOST_RESAMPLED:
        error = np.sqrt(((closing - ratio * opening) ** 2).sum()) / whole
        z = float(special.ndtri((1 + level) / 2))
        return float(ratio - z * error), float(ratio + z * error)
    rng, drawn = np.random.default_rng(seed), np.empty(RESAMPLES)
    for part in np.split(drawn, RESAMPLES // AT_ONCE):
        who = rng.integers(len(opening), size=(AT_ONCE, len(opening)))
        part[:] = closing[who].sum(axis=1) / opening[who].sum(axis=1)
    low, high = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def influence(past: Actuals, most: int = 5) -> pd.DataFrame:
    """The customers without whom NRR (point to point) would differ most: `customer`, `segment`,
    `opening`, `opening_share`, `closing`, `without` (NRR of all others), `change` (NRR less
    that).
    """
    opening, closing = _pairs(past)
    frame = past.customers[["segment", "opening", "closing"]].reset_index()
    with np.errstate(divide="ignore", invalid="ignore"):
        frame["without"] = (closing.sum() - closing) / (opening.sum() - opening)
    frame["change"] = closing.sum() / opening.sum() - frame["without"]
    frame["opening_share"] = frame["opening"] / opening.sum()
    frame = frame[frame["change"].abs() >= LEAST_EFFECT]
    order = frame["change"].abs().sort_values(ascending=False, kind="stable").index
    return frame.loc[order].head(most).reset_index(drop=True)


def _pairs(past: Actuals) -> tuple[np.ndarray, np.ndarray]:
    return tuple(past.customers[name].to_numpy() for name in ("opening", "closing"))  # type: ignore[return-value]


def concentration(past: Actuals, points: int = 200) -> pd.DataFrame:
    """Of the whole book at `as_of`, largest first: `customers` (how many), `customers_share`,
    `arr_share`.
    """
    arr = np.sort(past.ledger.customers(past.as_of)["arr"].to_numpy())[::-1]
    count = np.arange(len(arr) + 1)
    share = np.concatenate([[0.0], np.cumsum(arr) / arr.sum()])
    few = np.unique(
        np.concatenate([[0, 1, min(10, len(arr))], np.linspace(0, len(arr), points).astype(int)])
    )
    return pd.DataFrame(
        {"customers": count[few], "customers_share": few / len(arr), "arr_share": share[few]}
    )
