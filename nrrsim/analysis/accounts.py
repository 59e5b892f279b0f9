"""Actuals and signals in, a report's accounts out, or why there are none; never a report's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nrrsim.accounts.at_risk import Accounts, at_risk, checked_horizon
from nrrsim.accounts.features import YEAR
from nrrsim.accounts.signals import Signals, read_signals
from nrrsim.accounts.watch import SignalsCard, read_signals_card
from nrrsim.analysis.actuals import Actuals, NoAnswer
from nrrsim.calibration.priors import as_prior
from nrrsim.errors import UsageError
from nrrsim.scenario.scenario import Scenario, as_scenario


class NoAccounts(NoAnswer):
    """No accounts to list, and the reason."""


def accounts_of(
    past: Actuals,
    signals: Signals | Any = None,
    card: SignalsCard | str | Path | None = None,
    *,
    horizon: int | str | None = None,
    scenarios: Sequence[Scenario | str | Path] = (),
    learning: Mapping[str, Any] | None = None,
) -> Accounts | NoAccounts:
    """The accounts of a report's date as `at_risk` lists them; why there are none where the ledger
    is too short, or nobody is left.

    horizon : months, 12 where it is left out, or "next renewal". scenarios : whose programmes are
        suggested. learning : how drivers are learnt, as `forecast` has it (half_life, price_months,
        prior).

    Raises UsageError and DataError for a horizon that does not fit, and for a card, signals or
    scenarios that cannot be read.
    """
    known = card if isinstance(card, SignalsCard) else read_signals_card(card)
    if signals is not None and not isinstance(signals, Signals):
        signals = read_signals(signals, past.ledger, known)
    plans = [as_scenario(each) for each in scenarios]
    how = {**(learning or {})}
    how |= {"prior": as_prior(how.get("prior")), "price_months": how.get("price_months") or ()}
    months = YEAR if horizon is None else checked_horizon(horizon, past.ledger)
    asked: dict[str, Any] = {"horizon": months, "scenarios": plans, "learning": how}
    try:
        return at_risk(past.ledger, past.as_of, signals=signals, card=known, **asked)
    except UsageError as error:
        return NoAccounts(str(error).removeprefix("as_of: "))
