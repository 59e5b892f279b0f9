"""A scenario and its accounts in, what each has at risk and may gain out; never rescales them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from nrrsim.engine.expectation import by_account
from nrrsim.errors import UsageError
from nrrsim.messages import whole_of
from nrrsim.scenario.customers import Customers
from nrrsim.scenario.scenario import MOST_MONTHS, Scenario, as_scenario

A_YEAR = 12  # months in which each account has its renewal


def uncertain(scenario: Scenario, most: int = 5) -> pd.DataFrame:
    """The accounts of a ledger's book that move a scenario's NRR most by whether they leave: those
    with the most ARR times sqrt(p (1 - p)), p the probability to leave within its months, and all
    of whom something is decided.

    Index `customer`; `arr` and `p_leave`, as if nothing were decided. Of a book of numbers none.
    """
    if scenario.opening.names is None:
        return pd.DataFrame({"arr": [], "p_leave": []})
    undecided = scenario.with_({"book.decided": {}}) if scenario.opening.differ else scenario
    found = worth(undecided, scenario.months)[["arr", "p_leave"]]
    moves = found["arr"] * np.sqrt(found["p_leave"] * (1 - found["p_leave"]))
    listed = moves.sort_values(ascending=False, kind="stable").index[:most]
    stated = scenario.plain()["book"].get("decided", {})
    decided = [name for name in stated if name not in listed]
    return found.loc[[*listed, *decided]]


def worth(scenario: Scenario | str | Path, horizon: int | pd.Series = A_YEAR) -> pd.DataFrame:
    """What each account of a scenario's book comes to on average, each belief at its mean, in a
    year like any other.

    scenario : one that was read or made, or its file; its `book.accounts` say how accounts differ
        (without them each has its segment's rates).
    horizon : for how many months; by customer (a Series), each for its own.

    Index `customer`, as the ledger names them (of a synthetic book their numbers). Columns: `arr`
    at month 0; the ARR that moves, `churn`, `contraction`, `adoption`, `cross_sell`, `price`,
    `reactivation` (losses positive); `closing`, which is arr + gains - losses; `p_leave`, the
    probability to leave within the horizon, also where it may come back. The sums of amounts are
    those of `expect(scenario.at_means())`, with the horizon for `months`.

    Raises UsageError for a horizon that is none.
    """
    own = horizon if isinstance(horizon, pd.Series) else None
    months = int(own.max()) if own is not None else whole_of("horizon", horizon)
    if not 1 <= months <= MOST_MONTHS:
        raise UsageError(f"horizon: {months} is none; take 1 to {MOST_MONTHS} months")

    def until(customers: Customers) -> np.ndarray:
        if own is None:
            return np.full(len(customers.arr), months)
        assert customers.names is not None  # of a ledger: who else has months by name
        return own.reindex(customers.names).to_numpy()

    customers, found = by_account(as_scenario(scenario).at_means().with_(months=months), until)
    names = customers.names
    if names is None:
        names = np.arange(1, len(customers.arr) + 1)
    return pd.DataFrame(found, index=pd.Index(names, name="customer")).sort_index()
