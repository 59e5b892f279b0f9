"""Actuals and the reasons given in, what each reason cost out as frames; never guesses a reason."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from nrrsim.accounts.reasons import (
    Reasons,
    by_group,
    by_kind,
    by_reason,
    of_column,
    read_reasons,
    reason_bridge,
)
from nrrsim.accounts.watch import SignalsCard
from nrrsim.analysis.actuals import Actuals
from nrrsim.ledger.ledger import Ledger
from nrrsim.movements import json_amount, json_ratio


@dataclass(frozen=True)
class Losses:
    """Churn and contraction of the window's cohort by the reasons given; false without any given,
    and where nothing was lost.
    """

    past: Actuals
    reasons: Reasons | None

    def __bool__(self) -> bool:
        return self.reasons is not None and bool(self.kinds["share"].notna().any())

    @property
    def _of(self) -> tuple[Any, ...]:
        return self.past.ledger, self.past.as_of, self.past.window, self.reasons

    def bridge(self) -> pd.DataFrame:
        """From the opening ARR to what was left of it, as a waterfall takes it: a step a kind."""
        return reason_bridge(*self._of)

    def frame(self) -> pd.DataFrame:
        """Each reason as it was written: `kind`, `reason`, `customers`, `churn`, `contraction` and
        `share` of both together; amounts are ARR. Where names are masked each kind as a whole, its
        `reason` empty: people write names into what they write.
        """
        if not self.past.ledger.unmasked:
            return by_reason(*self._of)
        kinds = self.kinds.copy()
        kinds.insert(1, "reason", "")
        return kinds

    @cached_property
    def kinds(self) -> pd.DataFrame:
        """The same by kind."""
        return by_kind(*self._of)

    @cached_property
    def groups(self) -> pd.DataFrame:
        """The same by group: voluntary, involuntary, bankruptcy or merger, not given."""
        return by_group(*self._of)

    def record(self) -> dict[str, Any]:
        """The figures, for a report's manifest: ARR lost by kind, and each group's share."""
        cost = self.kinds["churn"] + self.kinds["contraction"]
        currency = self.past.ledger.currency
        amounts = zip(self.kinds["kind"], cost, strict=True)
        shares = zip(self.groups["group"], self.groups["share"], strict=True)
        return {
            "losses_by_reason": {kind: json_amount(each, currency) for kind, each in amounts},
            "losses_by_group": {group: json_ratio(each) for group, each in shares},
        }


def losses(
    past: Actuals,
    reasons: Reasons | str | Path | None = None,
    card: SignalsCard | str | Path | None = None,
) -> Losses:
    """What each reason cost: of a table of reasons (or its file), else of the ledger's own column.

    card : the signals card, whose `reasons` say which kind a reason is of. Raises as `read_reasons`
    and `read_signals_card` do.
    """
    return Losses(past, reasons_of(past.ledger, reasons, card))


def reasons_of(
    ledger: Ledger,
    source: Reasons | str | Path | None = None,
    card: SignalsCard | str | Path | None = None,
) -> Reasons | None:
    """The reasons of a table or its file, else of the ledger's own column; None where it has none.

    card, errors : as of `losses`.
    """
    if isinstance(source, Reasons):
        return source
    return of_column(ledger, card) if source is None else read_reasons(source, ledger, card)
