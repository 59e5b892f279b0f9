"""Actions measured in, the facts of what is said of them and frames in words out; never a cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from nrrsim.accounts.actions import RANDOMISED
from nrrsim.notation import NOTHING, count, label, money, percent, points, signed_money
from nrrsim.report.wording.facts import known

if TYPE_CHECKING:
    from nrrsim.analysis.measured import Measured

HOW = {True: "randomised", False: "matched"}


def intervals(found: Measured | None) -> pd.DataFrame:
    """By action (`name`) by how much more of the treated left (`difference`), `low` and `high` of
    its 90 % range; without those of which nothing can be said.
    """
    if found is None:
        return pd.DataFrame(columns=["name", "difference", "low", "high"])
    frame = found.frame().dropna(subset=["difference"])
    names = [_called(row) for row in frame.to_dict("records")]
    return frame.assign(name=names)[["name", "difference", "low", "high"]].reset_index(drop=True)


def table(found: Measured | None) -> pd.DataFrame:
    """The actions in words: who was compared, what was planned, and what was found."""
    if found is None or not found.found.effects:
        return pd.DataFrame()
    currency = found.found.currency
    rows = [
        {
            "name": _called(row),
            "compared": f"{count(row['treated'])} / {count(row['controls'])}",
            "planned": _effect(row["planned"]),
            "effect": _range(row, "effect", "effect_low", "effect_high", _change),
            "left": _range(row, "difference", "low", "high", points),
            "saved": _range(
                row, "arr_saved", "arr_low", "arr_high", lambda each: signed_money(each, currency)
            ),
            "cost": NOTHING if known(row["cost"]) is None else money(row["cost"], currency),
            "claimed": "yes" if row["claimed"] else "no",
        }
        for row in found.frame().to_dict("records")
    ]
    frame = pd.DataFrame(rows)
    # where something was planned the effect on churn stands beside it; how many left more is in the
    # picture and in the text, and a page is not wide enough for both
    frame[["left"] if found.planned else ["planned", "effect", "cost"]] = ""
    return frame


def _called(row: Mapping[Any, Any]) -> str:
    return f"{label(row['action'])} ({HOW[row['arm'] == RANDOMISED]})"


def _effect(value: float) -> str:
    return NOTHING if known(value) is None else _change(value)


def _change(value: float) -> str:
    return f"{'+' * (value > 0)}{percent(value)}"


def _range(row: Mapping[Any, Any], value: str, low: str, high: str, in_words: Any) -> str:
    if known(row[value]) is None:
        return NOTHING
    middle, first, last = (in_words(row[name]) for name in (value, low, high))
    return f"{middle} ({first.removesuffix(' pts')} to {last})"


# --- facts -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Action:
    """One action: who was compared, by how much more of the treated left, what it saved.

    planned : the programme's full effect on churn; effect : the same as measured, of_treated : that
    of those treated alone; cost : its cost. A figure that is not known is None.
    """

    name: str
    by_lot: bool
    treated: int
    controls: int
    too_recent: int
    difference: float | None
    low: float | None
    high: float | None
    saved: float | None
    saved_low: float | None
    saved_high: float | None
    planned: float | None
    effect: float | None
    of_treated: float | None
    cost: float | None
    claimed: bool
    why: str

    @classmethod
    def those(cls, found: Measured) -> tuple[Self, ...]:
        return tuple(
            cls(
                name=label(row["action"]),
                by_lot=row["arm"] == RANDOMISED,
                treated=int(row["treated"]),
                controls=int(row["controls"]),
                too_recent=int(row["too_recent"]),
                difference=known(row["difference"]),
                low=known(row["low"]),
                high=known(row["high"]),
                saved=known(row["arr_saved"]),
                saved_low=known(row["arr_low"]),
                saved_high=known(row["arr_high"]),
                planned=known(row["planned"]),
                effect=known(row["effect"]),
                of_treated=known(row["of_treated"]),
                cost=known(row["cost"]),
                claimed=bool(row["claimed"]),
                why=row["why"],
            )
            for row in found.frame().to_dict("records")
        )


@dataclass(frozen=True, kw_only=True)
class Report:
    """The months after an action that are looked at, and the currency of amounts."""

    horizon: int
    currency: str

    @classmethod
    def of(cls, found: Measured) -> Self:
        return cls(horizon=found.found.horizon, currency=found.found.currency)


@dataclass(frozen=True)
class Verdicts:
    """The actions of which a saving may be spoken of, those of which it may not, and those of
    which nothing can be said yet.
    """

    claimed: tuple[Action, ...]
    open: tuple[Action, ...]
    unknown: tuple[Action, ...]

    @classmethod
    def of(cls, found: Measured) -> Self:
        every = Action.those(found)
        measured = [each for each in every if each.difference is not None]
        return cls(
            tuple(each for each in measured if each.claimed),
            tuple(each for each in measured if not each.claimed),
            tuple(each for each in every if each.difference is None),
        )


@dataclass(frozen=True)
class Limits:
    """The names of the actions that were not randomised."""

    matched: tuple[str, ...]

    @classmethod
    def of(cls, found: Measured) -> Self | None:
        names = tuple(
            each.name
            for each in Action.those(found)
            if not each.by_lot and each.difference is not None
        )
        return cls(names) if names else None


SENTENCES: Mapping[str, Any] = {"heading": None, "verdicts": Verdicts, "limits": Limits}
