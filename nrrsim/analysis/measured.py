"""Actuals, actions and a plan in, what each did beside what was planned out; never a cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.accounts.action_table import ActionTable
from nrrsim.accounts.actions import HALF_YEAR, Actions, Effect, actions
from nrrsim.accounts.signals import Signals
from nrrsim.accounts.watch import SignalsCard
from nrrsim.analysis.actuals import Actuals
from nrrsim.ledger.vocabulary import plain
from nrrsim.scenario.book import EVERY_SEGMENT
from nrrsim.scenario.plan import is_plan_of_a_scenario, read_plan
from nrrsim.scenario.programmes import Programme

CHURN = "churn"


@dataclass(frozen=True)
class Measured:
    """The actions of a report as measured so far, beside the programmes planned for them.

    planned : by action the name of the programme that it is, and the programme.
    """

    found: Actions
    planned: Mapping[str, tuple[str, Programme]]

    def frame(self) -> pd.DataFrame:
        """A row an action: the columns of `Actions.frame`, and `programme` ("" where none is
        planned), `planned` (its full effect on churn where the action was, -0.2: a fifth less),
        `effect`, `effect_low`, `effect_high` (the same as measured: of those treated, times the
        share of ARR that the action was for, as `Actions.programmes` has it), `of_treated` (of
        those treated alone) and `cost`; nan where it is not known.
        """
        frame = self.found.frame()
        own = [self.planned.get(each.action) for each in self.found.effects]
        pairs = [*zip(self.found.effects, own, strict=True)]
        both = [_planned(effect, each[1] if each else None) for effect, each in pairs]
        planned, part = np.array(both, dtype=float).reshape(-1, 2).T
        return frame.assign(
            programme=[each[0] if each else "" for each in own],
            planned=planned,
            effect=part * (frame["hazard_ratio"] - 1),
            effect_low=part * (frame["hazard_low"] - 1),
            effect_high=part * (frame["hazard_high"] - 1),
            of_treated=frame["hazard_ratio"] - 1,
            cost=[each[1].cost or np.nan if each else np.nan for each in own],
        )

    def record(self) -> dict[str, Any]:
        """The figures, for a report's manifest."""
        return {"actions": self.found.told()}


def actions_of(
    past: Actuals,
    table: ActionTable | Any = None,
    signals: Signals | Any = None,
    card: SignalsCard | str | Path | None = None,
    plan: str | Path | None = None,
) -> Measured | None:
    """What the actions of a table did by a report's date; None without a table.

    signals, card : as for `actions`. plan : where it is a scenario, its programmes are what was
        planned: that one is an action's whose `action` or name it has, or which is `for` it.

    Raises as `actions` and `read_plan` do.
    """
    if table is None:
        return None
    months = max(HALF_YEAR, past.ledger.step)
    asked: dict[str, Any] = {"horizon": months, "signals": signals, "card": card}
    found = actions(past.ledger, table, past.as_of, **asked)
    is_scenario = plan is not None and is_plan_of_a_scenario(plan)
    stated = read_plan(plan).scenario if plan is not None and is_scenario else None
    programmes = stated.programmes if stated else {}
    named = [(effect.action, _programme(effect.action, programmes)) for effect in found.effects]
    return Measured(found, {action: each for action, each in named if each})


def _programme(action: str, programmes: Mapping[str, Programme]) -> tuple[str, Programme] | None:
    """The programme that an action is, the one that says so first."""
    word = plain(action)
    for name, each in programmes.items():
        if plain(each.action) == word:
            return name, each
    for name, each in programmes.items():
        if plain(name) == word or word in map(plain, each.for_):
            return name, each
    return None


def _planned(effect: Effect, programme: Programme | None) -> tuple[float, float]:
    """A programme's full effect on churn, of the segments that the action was for, and the share of
    their ARR that it was for: means by that share.
    """
    stated = programme.means if programme else {}
    every = stated.get(CHURN, stated.get(f"{CHURN}.{EVERY_SEGMENT}", np.nan))
    own = {name: stated.get(f"{CHURN}.{name}", every) for name in effect.reach}
    known = [name for name, each in own.items() if not np.isnan(each)]
    if not effect.reach:
        return every, np.nan
    parts = np.array([effect.reach[name] for name in known or effect.reach])
    planned = float(np.average([own[name] for name in known], weights=parts)) if known else every
    return planned, float(np.average(parts, weights=parts))
