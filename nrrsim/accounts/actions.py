"""Actions and a ledger in, what became of who got them beside others out; never calls it a cause.

By a lot, treated stand against holdout. Without one, each treated customer stands against those
who were there, had not got the action until then and looked alike: of the same month, segment and
tenth of the probability to leave. Who was chosen for what nobody sees differs from them all the
same. So the treated are held against them before the action, too (who contracted more was not
alike), and what is found is called alike customers' difference and no effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from nrrsim import special
from nrrsim.accounts.action_table import HOLDOUT, TREATED, ActionTable, read_actions
from nrrsim.accounts.features import Panel
from nrrsim.accounts.risk import FEW, Risk
from nrrsim.accounts.signals import Signals, read_signals
from nrrsim.accounts.watch import SignalsCard, read_signals_card
from nrrsim.cache import kept
from nrrsim.errors import UsageError
from nrrsim.files import write_again
from nrrsim.ledger.ledger import Ledger, as_ledger
from nrrsim.messages import months_ahead
from nrrsim.months import month_name
from nrrsim.movements import json_amount, json_ratio
from nrrsim.notation import counted, percent
from nrrsim.notation import month_name as in_words
from nrrsim.scenario.scenario import stated_in
from nrrsim.yamlfile import yaml_text

HALF_YEAR, MOST_MONTHS = 6, 36  # the horizon where none is said; the longest
RANDOMISED, MATCHED = "randomised", "matched"
Z = 1.6448536269514722  # of a 90 % interval
LEAST_LEFT = 1e-4  # of a hazard, at the end of an interval: at 0 there is no logarithm
ALIKE = 1.0  # standard errors by which the placebo may be off where a saving is claimed
NO_LOT = 0.001  # how unlikely a lot's arms may differ by segment or month
DECILES = 10
ROWS_A_SIGNAL = 5  # treated for each signal that the regression holds equal
FAR = np.int64(1) << 32
RATIOS = (
    *("left_treated", "left_controls", "difference", "low", "high", "hazard_ratio", "hazard_low"),
    *("hazard_high", "placebo", "placebo_low", "placebo_high"),
)
AMOUNTS = ("arr_saved", "arr_low", "arr_high")
CLAIMED_BY_LOT = "the treated left less often than the holdout, beyond chance"
CLAIMED_ALIKE = "similar customers left more often, and had contracted no more before"
BY_CHANCE = "the difference may be chance, as its 90% range includes zero"
LEFT_MORE = "the treated left more often, beyond chance"
NOT_ALIKE = "the treated differed before the action: they contracted {} than similar customers did"
NO_PLACEBO = "too few contracted before to tell whether the treated were like the others"
BEFORE_LEDGER = "all of it was done before the ledger begins"
NOT_RANDOMISED = "matched, not randomised"  # as a programme's file says it
MADE_BY = "# Made by nrrsim actions: programmes with the effects that were measured."
NO_ARM = "only a holdout separates what an action does from who was chosen for it"


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What became of those who got one action, beside the others, within the horizon.

    arm : "randomised" (treated against holdout) or "matched" (against alike customers).
    treated, controls : customers compared (of controls each once, however often it stands beside
        one). left_treated, left_controls : the share that left, of controls as they would weigh
        beside the treated. difference : the first less the second, with its 90 % interval low to
        high; -0.08: eight points fewer left. hazard_ratio, hazard_low, hazard_high : of leaving,
        treated over controls. arr : of the treated at the action; arr_saved, arr_low, arr_high :
        what they had more at the horizon's end than controls of the same ARR, positive when saved.
    placebo, placebo_low, placebo_high : by how much more of the treated had contracted in as many
        months before the action.
    claimed : whether a saving may be spoken of; why : why, or why not. first, last : months of the
        actions that are measured. unmatched : treated without anybody alike; too_recent : those of
        whom the horizon is not over. reach : by segment the share of ARR that the action was for.
    A figure of which nothing can be said is nan.
    """

    action: str
    arm: str
    treated: int
    controls: int = 0
    left_treated: float = np.nan
    left_controls: float = np.nan
    difference: float = np.nan
    low: float = np.nan
    high: float = np.nan
    hazard_ratio: float = np.nan
    hazard_low: float = np.nan
    hazard_high: float = np.nan
    arr: float = np.nan
    arr_saved: float = np.nan
    arr_low: float = np.nan
    arr_high: float = np.nan
    placebo: float = np.nan
    placebo_low: float = np.nan
    placebo_high: float = np.nan
    claimed: bool = False
    why: str = ""
    first: str = ""
    last: str = ""
    unmatched: int = 0
    too_recent: int = 0
    reach: Mapping[str, float]

    @property
    def is_measured(self) -> bool:
        """Whether there is a difference to speak of, proved or not."""
        return not np.isnan(self.difference)

    def planned(self, part: float) -> Any:
        """What a programme states of a segment's churn, of whose ARR the action was for a `part`: a
        belief where a saving is claimed, else 0.
        """
        ratios = self.hazard_ratio, self.hazard_low, self.hazard_high
        # there is no ratio where no other customer left
        if not self.claimed or np.isnan(ratios).any():
            return 0.0
        return belief_in(*(1 + part * (each - 1) for each in ratios))

    @property
    def measured_in_words(self) -> str:
        """The measured effect on the churn of the treated, with its interval."""
        ratios = self.hazard_ratio, self.hazard_low, self.hazard_high
        if np.isnan(ratios).any():
            return ""
        full, low, high = (percent(each - 1) for each in ratios)
        return f"; measured of the treated: {full} (90% interval {low} to {high})"


@dataclass(frozen=True)
class Actions:
    """What became of those who got each action, by name. Made by `actions`.

    horizon : months after an action. notices : what was left out, and why.
    """

    as_of: str
    horizon: int
    currency: str
    effects: tuple[Effect, ...]
    notices: tuple[str, ...] = ()

    def frame(self) -> pd.DataFrame:
        """A row an action, with the fields of `Effect` but for `reach`."""
        names = [each.name for each in fields(Effect) if each.name != "reach"]
        rows = [[getattr(effect, name) for name in names] for effect in self.effects]
        return pd.DataFrame(rows, columns=names)

    def programmes(self) -> dict[str, Any]:
        """What a scenario takes as `programmes`: each action that was measured, as if it went on
        for those it was for.

        The effect on a segment's churn is a belief: its mean is the hazard ratio less 1, times the
        share of the segment's ARR that the action was for. It is 0 where no saving is claimed.
        """
        found = {}
        for effect in self.effects:
            if not effect.is_measured:
                continue
            others = "holdout" if effect.arm == RANDOMISED else "alike"
            found[effect.action] = {
                **{f"churn.{name}": effect.planned(part) for name, part in effect.reach.items()},
                "action": effect.action,
                "measured": RANDOMISED if effect.arm == RANDOMISED else NOT_RANDOMISED,
                "source": f"measured: {effect.treated:,} treated, {effect.controls:,} {others},"
                f" {effect.first}..{effect.last}",
                "because": effect.why + effect.measured_in_words,
            }
        return found

    def ties(self) -> list[list[Any]]:
        """What a scenario takes as `correlations` of these programmes: an action was measured once,
        so that the beliefs of its segments are one.
        """
        return [
            [f"programmes.{name}.{one}", f"programmes.{name}.{other}", 1.0]
            for name, stated in self.programmes().items()
            for one, other in combinations(
                [key for key, value in stated.items() if isinstance(value, dict)], 2
            )
        ]

    def write(self, path: str, extends: str = "") -> None:
        """The programmes as a file that a scenario is made of; raises UsageError where none was
        measured, where the scenario cannot be read, the file cannot be written or another stands
        there.

        extends : the scenario that they join, as the file is to name it.
        """
        found, ties = self.programmes(), self.ties()
        if not found:
            raise UsageError("no action is measured yet, so there is no programme to write")
        if ties and extends:
            # what a file states of correlations replaces what it extends
            known = stated_in(Path(path).parent / extends).get("correlations")
            ties = [*(known or []), *ties]
        # a title and a reason of its own: those of the scenario that it extends say what that is
        words = f"as measured to {in_words(self.as_of)}"
        stated = {
            "extends": extends,
            "title": f"Programmes {words}",
            "because": f"The effect of each action is {words}; where no saving is claimed it is 0.",
            "programmes": found,
            "correlations": ties,
        }
        text = yaml_text({key: value for key, value in stated.items() if value})
        if not extends:
            more = ", and add its correlations to these" if ties else ""
            text = f"# Say which scenario they join, such as  extends: plan.yaml{more}\n{text}"
        write_again(path, MADE_BY, text, "nrrsim actions")

    def told(self) -> dict[str, Any]:
        """What `nrrsim actions --json` prints."""
        rows = []
        for effect in self.effects:
            row = {name: getattr(effect, name) for name in self.frame().columns}
            row |= {name: json_ratio(row[name]) for name in RATIOS}
            for name in ("arr", *AMOUNTS):
                is_known = not np.isnan(row[name])
                row[name] = json_amount(row[name], self.currency) if is_known else None
            reach = {name: json_ratio(part) for name, part in effect.reach.items()}
            rows.append(row | {"reach": reach})
        return {
            "as_of": self.as_of,
            "horizon": self.horizon,
            "currency": self.currency or None,
            "actions": rows,
        }


def actions(
    ledger: Ledger | str,
    table: ActionTable | Any,
    as_of: str,
    *,
    horizon: int = HALF_YEAR,
    signals: Signals | Any = None,
    card: SignalsCard | str | Path | None = None,
) -> Actions:
    """What became of those who got each action of a table, within `horizon` months, by `as_of`.

    table : what was done, read or to be read (`read_actions`). signals, card : as for `at_risk`:
        by them, and by the ledger, it is told who looks alike.

    A customer counts from the first time on that it got an action, if it had an amount in that
    month. Who looks alike is told by what was known a month before. Nothing after `as_of` is looked
    at, and an action counts when its horizon is over. Raises UsageError for a date that the ledger
    does not have or a horizon that does not fit, DataError for tables that cannot be read.
    """
    ledger = as_ledger(ledger)
    ledger.inside(as_of, "as_of")
    months = months_ahead(horizon, ledger.step, MOST_MONTHS)
    known = card if isinstance(card, SignalsCard) else read_signals_card(card)
    if signals is not None and not isinstance(signals, Signals):
        signals = read_signals(signals, ledger, known)
    done = table if isinstance(table, ActionTable) else read_actions(table, ledger)

    def measured() -> dict[str, Any]:
        with threadpool_limits(1, "blas"):
            past = _Past(Panel.of(ledger, as_of, signals, known), months)
            effects = [vars(each) for each in past.measured(done.frame)]
        return {"effects": effects, "notices": past.notices}

    asked = {"ledger": ledger, "as_of": as_of, "signals": signals, "card": known}
    found = kept("actions", asked | {"horizon": months, "table": done.frame}, measured)
    effects = tuple(Effect(**each) for each in found["effects"])
    notices = (*map(str, done.notices), *found["notices"])
    return Actions(as_of, months, ledger.currency or "", effects, notices)


def belief_in(factor: float, low: float, high: float) -> dict[str, Any] | float:
    """The plain values of a belief about a change of which 1 plus it was measured as `factor`, with
    the 90 % interval `low` to `high`.

    It is lognormal in 1 plus the change. Two numbers make it: its mean is what was measured, and
    its upper end, which says how little may have been saved, is the interval's. So a few leavers,
    whose interval ends at nobody, make no certainty. Where no such belief is that uncertain, all of
    the interval is equally likely. A number where its ends round to one.
    """
    # mean exp(-s^2 / 2 + Z s) = high
    root = Z**2 - 2 * np.log(high / factor) if factor > 0 else -1.0
    if root < 0:
        return {"dist": "uniform", "min": _to_four(low - 1), "max": _to_four(high - 1)}
    s = Z - np.sqrt(root)
    ends = [factor * np.exp(-(s**2) / 2 + z * s) for z in (-Z, Z)]
    between = [max(_to_four(each - 1), LEAST_LEFT - 1) for each in ends]
    # of so small a part of a segment there is no interval to state
    return {"between": between} if between[0] < between[1] else _to_four(factor - 1)


def _to_four(effect: float) -> float:
    return round(float(max(min(effect, 99.0), -1.0)), 4) + 0.0  # -0.0 + 0.0 is 0.0


# --- who is compared ------------------------------------------------------------------------------


class _Past:
    """All customer-months up to a date, and what followed each within a horizon."""

    def __init__(self, panel: Panel, horizon: int) -> None:
        self.panel, self.horizon, self.step = panel, horizon, panel.ledger.step
        self.key = panel.customer * FAR + panel.month
        self.left = (panel.months_until("leave") <= horizon) * 1.0
        after = self.row_of(panel.customer, panel.month + horizon)
        self.later = np.where(after >= 0, panel.arr[after], 0.0)
        self.notices: list[str] = []

    def row_of(self, customer: np.ndarray, month: np.ndarray) -> np.ndarray:
        """The row of each customer and month, -1 where it had no amount then."""
        key = customer * FAR + month
        at = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        return np.where(self.key[at] == key, at, -1)

    def measured(self, frame: pd.DataFrame) -> list[Effect]:
        """Each action of an `ActionTable`'s frame, by name."""
        panel = self.panel
        month = frame["month"].to_numpy(np.int64)
        self._note(month > panel.origin, f"dated after {in_words(month_name(panel.origin))}")
        self._note(month < panel.begin, "dated before the ledger begins")
        # who got it before the ledger begins is not measured, and no control of it either
        frame = frame[month <= panel.origin]
        month = frame["month"].to_numpy(np.int64)
        # between two snapshots the one before: what came after it is not known at the action
        snapshot = panel.begin + (month - panel.begin) // self.step * self.step
        customer = pd.Index(panel.names).get_indexer(frame["customer"])
        row = np.where(customer >= 0, self.row_of(customer, snapshot), -1)
        is_late = month >= panel.begin
        self._note(is_late & (row < 0), "of a customer without an amount in that month")
        frame = frame.assign(code=customer, snapshot=snapshot, at=row)
        self.risk = Risk(panel)
        return [self._of(str(name), rows) for name, rows in frame.groupby("action")]

    def _note(self, which: np.ndarray, what: str) -> None:
        if which.any():
            number = counted(int(which.sum()), "action is", "actions are")
            self.notices.append(f"{number} {what}: left out")

    def _of(self, action: str, rows: pd.DataFrame) -> Effect:
        """One action: `rows` are its customers, with their place in the panel."""
        is_lot = bool((rows["arm"] != "").all())
        there = rows[rows["at"] >= 0]
        over = there["snapshot"] + self.horizon <= self.panel.origin
        known, got = there[over], there["arm"] != HOLDOUT
        told: dict[str, Any] = {
            "action": action,
            "arm": RANDOMISED if is_lot else MATCHED,
            "treated": int((known["arm"] != HOLDOUT).sum()),
            "too_recent": int((got & ~over).sum()),
            "reach": self._reach(known),
        }
        if known.empty:
            why = f"no action is {counted(self.horizon, 'month')} ago yet"
            if there.empty:
                is_early = bool((rows["month"] < self.panel.begin).all())
                why = BEFORE_LEDGER if is_early else "nobody it was done for was a customer"
            return Effect(**told, why=why)
        months = known["snapshot"]
        told |= {"first": month_name(int(months.min())), "last": month_name(int(months.max()))}
        return Effect(**told | (self._by_lot(known) if is_lot else self._by_others(rows, known)))

    def _reach(self, known: pd.DataFrame) -> dict[str, float]:
        """By segment, which share of its ARR the action was for, treated and holdout alike."""
        panel, at = self.panel, known["at"].to_numpy(np.int64)
        number = len(panel.segments)
        months = np.unique(known["snapshot"])
        rows = np.flatnonzero(np.isin(panel.month, months))
        whole = np.bincount(panel.segment[rows], panel.arr[rows], number) / max(len(months), 1)
        own = np.bincount(panel.segment[at], panel.arr[at], number)
        return {
            name: float(min(own[place] / whole[place], 1.0))
            for place, name in enumerate(panel.segments)
            if own[place] > 0
        }

    # --- by a lot ---------------------------------------------------------------------------------

    def _by_lot(self, known: pd.DataFrame) -> dict[str, Any]:
        rows = known["at"].to_numpy(np.int64)
        treated = (known["arm"] == TREATED).to_numpy(float)
        number, held_out = int(treated.sum()), int((1 - treated).sum())
        if not number or not held_out:
            none = "treated" if not number else "holdout"
            return {"controls": held_out, "why": f"no {none} whose horizon is over"}
        alone = np.zeros(len(rows), np.int64)
        nothing = np.zeros((len(rows), 0))
        found = self._compared(rows, treated, alone, nothing, held_out)
        found |= self._placebo(rows, treated, alone, nothing)
        panel = self.panel
        if _differ(treated, panel.segment[rows]):
            why = "the arms differ by segment beyond chance: they were not randomised"
        elif _differ(treated, panel.month[rows]):
            why = "the arms differ by month beyond chance: they were not randomised"
        else:
            why = ""
        if why:
            return found | {"why": why}
        saved = found["high"] < 0
        more = LEFT_MORE if found["low"] > 0 else BY_CHANCE
        return found | {"claimed": bool(saved), "why": CLAIMED_BY_LOT if saved else more}

    # --- by alike customers -----------------------------------------------------------------------

    def _by_others(self, all_: pd.DataFrame, known: pd.DataFrame) -> dict[str, Any]:
        """Those treated beside those who had not got it until then, whatever came later."""
        panel = self.panel
        got = np.full(len(panel.names), np.iinfo(np.int64).max)
        here = all_[all_["code"] >= 0]
        got[here["code"]] = here["snapshot"]
        rows = np.flatnonzero(np.isin(panel.month, np.unique(known["snapshot"])))
        rows = rows[got[panel.customer[rows]] >= panel.month[rows]]
        treated = (got[panel.customer[rows]] == panel.month[rows]) * 1.0
        before = self.row_of(panel.customer[rows], panel.month[rows] - self.step)
        known_by = np.where(before >= 0, before, rows)
        has_signals = treated.sum() >= ROWS_A_SIGNAL * len(self.risk.features)

        def alike(without: str = "") -> tuple[np.ndarray, np.ndarray]:
            """The cell of each row, and what is held equal in it."""
            p, z = self.risk.held("leave", known_by, self.horizon, without)
            logit = special.logit(np.clip(p, 1e-6, 1 - 1e-6))
            equal = [logit, logit**2, np.log(panel.arr[rows]), *(z.T if has_signals else ())]
            return _cells(panel.month[rows], panel.segment[rows], p), np.stack(equal, 1)

        cell, equal = alike()
        beside = _weights(treated, cell) > 0
        number = int((treated * beside).sum())
        told = {"treated": number, "unmatched": int(treated.sum()) - number}
        controls = len(np.unique(panel.customer[rows[beside & (treated == 0)]]))
        told["controls"] = controls
        lost = int(self.left[rows[beside]].sum())
        if number < FEW:
            why = (
                f"only {number} of the treated have similar customers; {FEW} are needed to compare"
            )
            return told | {"why": why}
        if lost < FEW:
            why = f"only {lost} of all compared left; {FEW} are needed to compare"
            return told | {"why": why}
        found = told | self._compared(rows[beside], treated[beside], cell[beside], equal[beside])
        # who looks alike for having contracted would be no test of contraction
        found |= self._placebo(rows, treated, *alike(without="shrank"))
        z_before = found["placebo"] / max((found["placebo_high"] - found["placebo"]) / Z, 1e-12)
        if found["high"] >= 0:
            return found | {"why": LEFT_MORE if found["low"] > 0 else BY_CHANCE}
        if np.isnan(z_before):
            return found | {"why": NO_PLACEBO}
        if abs(z_before) >= ALIKE:
            return found | {"why": NOT_ALIKE.format("less" if z_before < 0 else "more")}
        return found | {"claimed": True, "why": CLAIMED_ALIKE}

    # --- the comparison ---------------------------------------------------------------------------

    def _compared(
        self,
        rows: np.ndarray,
        treated: np.ndarray,
        cell: np.ndarray,
        equal: np.ndarray,
        held_out: int | None = None,
    ) -> dict[str, Any]:
        """What became of the treated and of the others in their cells, `equal` held equal.

        held_out : customers of the other arm, where a lot made it.
        """
        panel = self.panel
        customer, left = panel.customer[rows], self.left[rows]
        one = _weights(treated, cell)
        gap = Gap.of(left, treated, equal, one, cell, customer)
        share = float(left @ treated / treated.sum())
        base = float(np.clip(share - gap.value, 0.0, 1.0))
        many = held_out or _size(base, gap.of_controls, int((treated == 0).sum()))
        low, high = _interval(share, float(treated.sum()) * gap.kept, base, many, gap.value)

        arr = panel.arr[rows]
        kept = Gap.of(
            self.later[rows] / arr, treated, equal, _weights(treated, cell, arr), cell, customer
        )
        whole = float(arr @ treated)
        return {
            "controls": len(np.unique(customer[treated == 0])),
            "left_treated": share,
            "left_controls": base,
            "difference": gap.value,
            "low": low,
            "high": high,
            "hazard_ratio": _ratio(share, base),
            "hazard_low": _ratio(max(base + low, 0.0), base),
            "hazard_high": _ratio(min(base + high, 1.0), base),
            "arr": whole,
            "arr_saved": whole * kept.value,
            "arr_low": whole * (kept.value - Z * kept.error),
            "arr_high": whole * (kept.value + Z * kept.error),
        }

    def _placebo(
        self, rows: np.ndarray, treated: np.ndarray, cell: np.ndarray, equal: np.ndarray
    ) -> dict[str, float]:
        """By how much more of the treated had contracted in as many months before the action."""
        panel = self.panel
        customer, until = panel.customer[rows], panel.month[rows] - self.step
        first = np.searchsorted(self.key, customer * FAR + until - self.horizon)
        end = np.searchsorted(self.key, customer * FAR + until)
        happened = np.append(0.0, np.cumsum(panel.outcome["contract"] == 1))
        shrank = (happened[end] > happened[first]) * 1.0
        # who was not there all the time had less time to contract in
        here = end - first == self.horizon // self.step
        here &= np.isin(cell, cell[here & (treated == 1)]) & np.isin(
            cell, cell[here & (treated == 0)]
        )
        if shrank[here].sum() < FEW:
            return dict.fromkeys(("placebo", "placebo_low", "placebo_high"), np.nan)
        weight = _weights(treated[here], cell[here])
        gap = Gap.of(shrank[here], treated[here], equal[here], weight, cell[here], customer[here])
        reach = Z * gap.error
        return {
            "placebo": gap.value,
            "placebo_low": gap.value - reach,
            "placebo_high": gap.value + reach,
        }


def _cells(month: np.ndarray, segment: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Month x segment x tenth of p among these; those of one p stay together."""
    keys = pd.DataFrame({"month": month, "segment": segment, "p": p})
    rank = keys.groupby(["month", "segment"])["p"].rank(pct=True)
    tenth = np.ceil(DECILES * rank - 1e-9)
    return keys.assign(tenth=tenth).groupby(["month", "segment", "tenth"]).ngroup().to_numpy()


def _weights(treated: np.ndarray, cell: np.ndarray, size: np.ndarray | float = 1.0) -> np.ndarray:
    """Each treated by its size, the others of a cell together as much as the treated in it; 0 in a
    cell that lacks one of them.
    """
    size = np.broadcast_to(size, treated.shape)
    ours = np.bincount(cell, treated * size)
    theirs = np.bincount(cell, (1 - treated) * size)
    times = np.divide(ours, theirs, out=np.zeros_like(ours), where=theirs > 0)
    return np.asarray(size * np.where(treated == 1, theirs[cell] > 0, times[cell]))


@dataclass(frozen=True)
class Gap:
    """By how much the treated lie above the others, its standard error, and the others' part.

    kept : what is held equal leaves that share of what tells treated from others.
    """

    value: float
    error: float
    of_controls: float
    kept: float

    @classmethod
    def of(
        cls,
        y: np.ndarray,
        treated: np.ndarray,
        equal: np.ndarray,
        weight: np.ndarray,
        cell: np.ndarray,
        customer: np.ndarray,
    ) -> Gap:
        """Least squares within cells, with what is held `equal`; errors by customer.

        weight : as `_weights` has it, so that the value is the mean over the treated of what each
            lies above the others of its cell.
        """
        in_cell = np.maximum(np.bincount(cell, weight), 1e-300)

        def within(values: np.ndarray) -> np.ndarray:
            return np.asarray(values - (np.bincount(cell, weight * values) / in_cell)[cell])

        root = np.sqrt(weight)
        columns = np.stack([within(each) for each in equal.T], 1) if equal.shape[1] else equal
        y, d = within(y), within(treated)
        apart = d
        slopes = np.zeros(equal.shape[1])
        if columns.shape[1]:
            both = np.column_stack([d, y]) * root[:, None]
            found = np.linalg.lstsq(columns * root[:, None], both, rcond=1e-9)[0]
            apart = d - columns @ found[:, 0]
        whole = float(weight * apart @ apart)
        value = float(weight * apart @ y) / whole
        if columns.shape[1]:
            slopes = found[:, 1] - value * found[:, 0]
        kept = whole / float(weight * d @ d)
        # what each adds to the value: of the treated against their cell's others, of these against
        # their own mean (a residual of least squares would hand half of a lone treated to them)
        rest, others = y - columns @ slopes, weight * (treated == 0)
        mean = np.bincount(cell, others * rest) / np.maximum(np.bincount(cell, others), 1e-300)
        apart_by = rest - mean[cell]
        adds = np.where(treated == 1, weight * (apart_by - value), -others * apart_by)
        number = len(np.unique(customer))
        few = np.sqrt(number / max(number - 1, 1) / kept) / float(weight @ treated)
        sums = np.bincount(customer, adds), np.bincount(customer, adds * (treated == 0))
        error, of_controls = (float(few * np.sqrt(each @ each)) for each in sums)
        return cls(value, error, of_controls, kept)


def _size(share: float, error: float, most: int) -> float:
    """Of how many customers a share would have that standard error."""
    return float(np.clip(share * (1 - share) / max(error**2, 1e-300), 1.0, most))


def wilson(share: Any, number: Any, z: float = Z) -> tuple[Any, Any]:
    """The 90 % interval of a share of so many (Wilson 1927), or that of another z; arrays too."""
    middle = (share + z**2 / (2 * number)) / (1 + z**2 / number)
    half = np.sqrt(share * (1 - share) / number + z**2 / (4 * number**2)) / (1 + z**2 / number)
    return middle - z * half, middle + z * half


def _interval(a: Any, n: Any, b: Any, m: Any, gap: Any, z: float = Z) -> tuple[Any, Any]:
    low_a, high_a = wilson(a, n, z)
    low_b, high_b = wilson(b, m, z)
    low = gap - np.sqrt((a - low_a) ** 2 + (high_b - b) ** 2)
    return low, gap + np.sqrt((high_a - a) ** 2 + (b - low_b) ** 2)


def newcombe(a: Any, n: Any, b: Any, m: Any, z: float = Z) -> tuple[Any, Any]:
    """The 90 % interval of the difference a - b of two shares, of n and of m (Newcombe 1998, his
    method 10), or that of another z; arrays too.
    """
    return _interval(a, n, b, m, a - b, z)


def _ratio(a: float, b: float) -> float:
    """Of two shares that left within a time: of the hazards, the first over the second."""
    if not 0 < b < 1:
        return np.nan
    return float(np.log1p(-min(a, 1 - 1e-12)) / np.log1p(-b))


def _differ(treated: np.ndarray, group: np.ndarray) -> bool:
    """Whether shares of treated differ between groups more than a lot lets them (chi-square)."""
    _, code = np.unique(group, return_inverse=True)
    number, ours = np.bincount(code), np.bincount(code, treated)
    share = treated.mean()
    if len(number) < 2 or not 0 < share < 1:
        return False
    chi = ((ours - share * number) ** 2 / (number * share * (1 - share))).sum()
    return bool(special.chdtrc(len(number) - 1, chi) < NO_LOT)
