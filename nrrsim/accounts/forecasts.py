"""A past date and its published forecast in, the same with its accounts out; never looks ahead.

Where accounts differ from their segment, more or less ARR is expected than by the segment's rates:
by as much NRR moves. How wide it is then follows the scenario's own law, of the whole book and a
year; elsewhere it stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.accounts.at_risk import at_risk
from nrrsim.accounts.features import YEAR
from nrrsim.accounts.signals import Signals
from nrrsim.accounts.watch import SignalsCard
from nrrsim.accounts.worth import worth
from nrrsim.calibration.backtest import Backtest, Published, backtest, equally_likely
from nrrsim.calibration.calibrate import calibrate
from nrrsim.calibration.ratios import Group
from nrrsim.engine.law import law_of
from nrrsim.ledger.ledger import Ledger
from nrrsim.months import shift
from nrrsim.scenario.outlook import Transport
from nrrsim.scenario.scenario import Scenario


@dataclass(frozen=True)
class WithAccounts:
    """Makes the forecast of NRR with accounts, of one without; see `backtest`.

    unproved : also where the score had not proved itself by then, at dates before. proved : filled
        with what it had proved at each date that was asked.
    """

    ledger: Ledger
    signals: Signals | None = None
    card: SignalsCard | None = None
    unproved: bool = False
    proved: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __call__(
        self, origin: str, horizon: int, learning: Mapping[str, Any], published: Published
    ) -> Published:
        plain, known = self.scenarios(origin, horizon, learning)
        if not known.opening.differ:
            return published
        moved = self._moved(plain, known, origin, horizon)
        ahead = {group: np.maximum(each + moved[group], 0.0) for group, each in published.items()}
        if horizon == YEAR:
            ahead[None] = _by_law(plain, known, published[None][0])[None]
        return ahead

    def scenarios(
        self, origin: str, horizon: int, learning: Mapping[str, Any]
    ) -> tuple[Scenario, Scenario]:
        """What a date teaches, without accounts and with them."""
        how: dict[str, Any] = {"signals": self.signals, "card": self.card, "horizon": horizon}
        listed = at_risk(self.ledger, origin, learning=learning, unproved=self.unproved, **how)
        self.proved[origin] = listed.quality.proved
        return calibrate(self.ledger, origin, **learning).scenario, listed.scenario

    def moved(self, origin: str, horizon: int, learning: Mapping[str, Any]) -> dict[Group, float]:
        """By how much NRR is expected to differ for the accounts of `origin`, by segment, and of
        all (None); over the twelve months that end `horizon` months later.
        """
        return self._moved(*self.scenarios(origin, horizon, learning), origin, horizon)

    def _moved(
        self, plain: Scenario, known: Scenario, origin: str, horizon: int
    ) -> dict[Group, float]:
        differs = worth(known, horizon)["closing"] - worth(plain, horizon)["closing"]
        # those of the window's start alone: who came since is in no NRR of it
        opened = self.ledger.customers(shift(origin, horizon - YEAR), renewed_by=origin)
        gained = differs.reindex(opened.index).fillna(0.0)
        names = opened["segment"].astype(str)
        by_segment = gained.groupby(names).sum() / opened["arr"].groupby(names).sum()
        every = float(gained.sum() / opened["arr"].sum())
        return {None: every} | {str(name): float(each) for name, each in by_segment.items()}


def _by_law(plain: Scenario, known: Scenario, published: np.ndarray) -> np.ndarray:
    """What is published of the whole book, `ndarray[200]`, where accounts make the scenario's own
    law another: mapped as a scenario's stated forecast is.
    """
    without, with_them = (law_of(each, is_rough=True).nrr for each in (plain, known))
    stated = Transport.of(equally_likely(without), published, without.mean, np.inf)
    return np.sort(stated.moved(with_them.mean)(equally_likely(with_them)))


@dataclass(frozen=True)
class WithAndWithout:
    """Forecasts of NRR at past dates: `without` accounts, `proved`: with those of dates at which
    the score had proved itself by then, `always`: with them at every date.

    at : the dates, and what the score had proved at each.
    """

    without: Backtest
    proved: Backtest
    always: Backtest
    at: Mapping[str, tuple[str, ...]]

    def summary(self, segments: bool = False) -> pd.DataFrame:
        """A row each of `without`, `proved` and `always`, as `Backtest.summary` has it."""
        found = {"without": self.without, "proved": self.proved, "always": self.always}
        rows = [each.summary(segments).iloc[:1] for each in found.values()]  # NRR comes first
        columns = ["n", "years", "cover50", "cover80", "cover90", "width80", "crps"]
        return pd.concat(rows).set_axis([*found], axis=0)[columns]

    def told(self) -> dict[str, Any]:
        """What `nrrsim backtest --accounts --json` prints of accounts."""
        told = {
            "horizon": self.without.horizon,
            "proved": {origin: list(kinds) for origin, kinds in self.at.items()},
        }
        for name, segments in (("whole", False), ("segments", True)):
            frame = self.summary(segments).astype(object)
            told[name] = {
                str(row): {key: _plain(value) for key, value in columns.items()}
                for row, columns in frame.to_dict("index").items()
            }
        return told


def backtest_with_accounts(
    ledger: Ledger,
    *,
    signals: Signals | None = None,
    card: SignalsCard | None = None,
    progress: Callable[[int], None] | None = None,
    **how: Any,
) -> WithAndWithout:
    """Back-tests of NRR with and without accounts, from the same origins.

    how : as for `backtest`. progress : is told of three forecasts an origin. What was published
    without is moved by what accounts come to; signals of later days and what became of an account
    later are not looked at.
    """
    done = count(1)

    def advance(_: int) -> None:
        if progress:
            progress(next(done))

    known = [WithAccounts(ledger, signals, card, unproved) for unproved in (False, True)]
    without, proved, always = (
        backtest(ledger, **how, progress=advance, forecaster=each) for each in (None, *known)
    )
    return WithAndWithout(without, proved, always, dict(known[0].proved))


def _plain(value: Any) -> float | int | None:
    number = float(value)
    if np.isnan(number):
        return None
    return int(number) if number.is_integer() else round(number, 6)
