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

NEXT_RENEWAL = "next renewal"
A_YEAR = 12  # months in which each account has its renewal


def worth(scenario: Scenario | str | Path, horizon: int | str | pd.Series = A_YEAR) -> pd.DataFrame:
    """What each account of a scenario's book comes to on average, each belief at its mean, in a
    year like any other.

    scenario : one that was read or made, or its file; its `book.accounts` say how accounts differ
        (without them each has its segment's rates).
    horizon : for how many months, of all or by customer; or "next renewal": each up to the month of
        its own, that month included.

    Index `customer`, as the ledger names them (of a synthetic book their numbers). Columns: `arr`
    at month 0; the ARR that moves, `churn`, `contraction`, `adoption`, `cross_sell`, `price`,
    `reactivation` (losses positive); `closing`, which is arr + gains - losses; `p_leave`, the
    probability to leave within the horizon, also where it may come back. The sums of amounts are
    those of `expect(scenario.at_means())`, with the horizon for `months`.

    Raises UsageError for a horizon that is none.
    """
    by_customer = horizon if isinstance(horizon, pd.Series) else None
    is_renewal = by_customer is None and horizon == NEXT_RENEWAL
    longest = horizon if by_customer is None else int(by_customer.max())
    months = A_YEAR if is_renewal else whole_of("horizon", longest)
    if not 1 <= months <= MOST_MONTHS:
        raise UsageError(
            f"horizon: {months} is none; take 1 to {MOST_MONTHS} months, or {NEXT_RENEWAL!r}"
        )

    def until(customers: Customers) -> np.ndarray:
        if by_customer is not None:
            return by_customer.loc[customers.names].to_numpy(np.int64)
        return customers.anniversary if is_renewal else np.full(len(customers.arr), months)

    customers, found = by_account(as_scenario(scenario).at_means().with_(months=months), until)
    names = customers.names
    if names is None:
        names = np.arange(1, len(customers.arr) + 1)
    return pd.DataFrame(found, index=pd.Index(names, name="customer")).sort_index()
