"""Forecasts of past dates in, how good they were out; never fits a model to what came after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.accounts.features import KINDS, YEAR, Panel
from nrrsim.accounts.risk import FEW, Risk
from nrrsim.accounts.watch import Rule
from nrrsim.engine.draws import SEED
from nrrsim.months import month_name, shift
from nrrsim.notation import counted
from nrrsim.notation import month_name as in_words

MOST_ORIGINS, LEAST_PAST = 4, 12  # dates that are asked; months known before each
RESAMPLED, AT_ONCE = 1_000, 50  # of customers; how many at a time
LEVELS = (0.05, 0.95)
BANDS, TOP = 5, 0.1
Horizon = int | str  # months, or the next renewal of each
NO_SKILL = (np.nan, np.nan, np.nan)
AtRisk = Callable[[Risk], np.ndarray]  # of a fitted model's accounts


@dataclass(frozen=True)
class Quality:
    """How good the list would have been at past dates.

    n : accounts asked about, all dates together. events : of these, how many left within the
        horizon. origins : the dates. auc, brier : of the model; `*_segment` of the segment's own
        rate, renewals told apart. skill : 1 - brier / brier_segment, with a 90 % interval.
    captured_* : the share of the ARR lost later that a tenth of the accounts held: those with most
        ARR at risk, or with most ARR x the segment's rate. expected_lost, lost, lost_by_segment :
        ARR expected to leave, that left, and by the segment's rate, as shares of ARR.
    calibration : five bands of `predicted` against `observed`, `n` in each.
    contract, expand : skill with its interval, low and high, of who contracts and who expands; nan
        where too few did, or did not.
    A measure that nothing can be said of is nan.
    """

    n: int = 0
    events: int = 0
    origins: tuple[str, ...] = ()
    auc: float = np.nan
    auc_segment: float = np.nan
    brier: float = np.nan
    brier_segment: float = np.nan
    skill: float = np.nan
    skill_low: float = np.nan
    skill_high: float = np.nan
    captured_by_top_tenth: float = np.nan
    captured_by_segment_rate: float = np.nan
    expected_lost: float = np.nan
    lost: float = np.nan
    lost_by_segment: float = np.nan
    calibration: tuple[dict[str, float], ...] = ()
    contract: tuple[float, float, float] = NO_SKILL
    expand: tuple[float, float, float] = NO_SKILL
    why: str = ""

    def plain(self) -> dict[str, Any]:
        """All of it, as `cache` keeps it."""
        return {
            name: [*value] if isinstance(value, tuple) else value
            for name, value in vars(self).items()
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Quality:
        """What `plain` was made of."""
        told: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in plain.items()
        }
        return cls(**told)

    @property
    def proved(self) -> tuple[str, ...]:
        """Of what the model was better than the segment's rate beyond chance: leave, contract,
        expand; of nothing where it was not of leaving.
        """
        is_enough = min(self.events, self.n - self.events) >= FEW
        leave = self.skill_low if is_enough else np.nan
        low = {"leave": leave, "contract": self.contract[1], "expand": self.expand[1]}
        return tuple(kind for kind in KINDS if leave > 0 and low[kind] > 0)

    @property
    def proves(self) -> bool:
        """Whether the score of leaving was better than the segment's rate beyond chance."""
        return "leave" in self.proved


@dataclass(frozen=True)
class _Asked:
    """Accounts at one past date: `ndarray[account]`.

    left, p, segment_p : whether it left, and its probability by the model and by its segment's
        rate; others : the same of those who contract and expand.
    """

    customer: np.ndarray
    left: np.ndarray
    p: np.ndarray
    segment_p: np.ndarray
    arr: np.ndarray
    at_risk: np.ndarray
    others: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Proof:
    """The past dates of a list: what was foreseen of each, and what became of it.

    panel : all that is known at `as_of`, for what came after each date.
    """

    panel: Panel
    as_of: str
    horizon: Horizon
    at_risk: AtRisk

    @property
    def months(self) -> int:
        """Months that a date is asked about, at most."""
        return YEAR if isinstance(self.horizon, str) else self.horizon

    @property
    def origins(self) -> list[str]:
        """The dates: `as_of` less the horizon, less it again, each with a year of past."""
        found = [shift(self.as_of, -self.months * (k + 1)) for k in range(MOST_ORIGINS)]
        first = shift(month_name(self.panel.begin), LEAST_PAST)
        return [each for each in found if each >= first]

    def quality(self) -> Quality:
        """What the score was worth."""
        origins = self.origins
        if not origins:
            begin = in_words(month_name(self.panel.begin))
            need = counted(LEAST_PAST + self.months, "month")
            return Quality(why=f"the ledger begins in {begin}; a score is judged after {need}")
        asked = [self._at(each) for each in origins]
        return _judged(asked, tuple(origins))

    def _at(self, origin: str) -> _Asked:
        panel = self.panel
        then = Panel.of(panel.ledger, origin, panel.signals, panel.card)
        risk = Risk(then)
        steps = steps_of(then, then.now, self.horizon)
        # the same customers among all that is known today, in their order of today
        place = pd.Index(panel.names).get_indexer(then.names[then.customer[then.now]])
        key = place * (np.int64(1) << 32) + then.origin
        rows = np.searchsorted(panel.customer * (np.int64(1) << 32) + panel.month, key)

        def told(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            ahead = risk.ahead(kind, self.months)
            happened = panel.months_until(kind)[rows] <= steps * panel.ledger.step
            return happened * 1.0, ahead.within(steps), ahead.within(steps, "segment")

        left, p, base = told("leave")
        others = {kind: told(kind) for kind in KINDS[1:]}
        arr = then.arr[then.now]
        return _Asked(place, left, p, base, arr, self.at_risk(risk), others)


def steps_of(panel: Panel, rows: np.ndarray, horizon: Horizon) -> np.ndarray:
    """Of each row, how many steps the horizon has: to its next renewal, where that is asked and
    known, else a year.
    """
    step = panel.ledger.step
    if not isinstance(horizon, str):
        return np.full(len(rows), horizon // step)
    to_renewal = np.nan_to_num(panel.to_renewal(rows), nan=YEAR)
    return np.asarray(np.ceil(to_renewal / step)).astype(int)


def _judged(asked: Sequence[_Asked], origins: tuple[str, ...]) -> Quality:
    customer, y, p, base, arr = (
        np.concatenate([getattr(each, name) for each in asked])
        for name in ("customer", "left", "p", "segment_p", "arr")
    )
    n, events = len(y), int(y.sum())
    if not n:
        return Quality(origins=origins, why="nobody was there at the dates that are asked")
    figures: dict[str, Any] = {
        "n": n,
        "events": events,
        "origins": origins,
        "auc": auc(y, p),
        "auc_segment": auc(y, base),
        "brier": float(((y - p) ** 2).mean()),
        "brier_segment": float(((y - base) ** 2).mean()),
        "expected_lost": float(p @ arr / arr.sum()),
        "lost": float(y @ arr / arr.sum()),
        "lost_by_segment": float(base @ arr / arr.sum()),
        "calibration": _bands(y, p),
    }
    held = [_held(each, each.at_risk) for each in asked]
    by_segment = [_held(each, each.segment_p * each.arr) for each in asked]
    if lost := sum(float(each.left @ each.arr) for each in asked):
        figures["captured_by_top_tenth"] = sum(held) / lost
        figures["captured_by_segment_rate"] = sum(by_segment) / lost
    for kind in KINDS[1:]:
        of_kind = [
            np.concatenate(each) for each in zip(*(a.others[kind] for a in asked), strict=True)
        ]
        happened = of_kind[0].sum()
        if min(happened, n - happened) >= FEW:
            figures[kind] = _skill(customer, *of_kind)
    skill, low, high = _skill(customer, y, p, base)
    why = "" if low > 0 else "no better than the segment's rate"
    if np.array_equal(p, base):
        why = "nothing in the ledger or its signals tells who leaves"
    if min(events, n - events) < FEW:
        few = min((events, "left"), (n - events, "stayed"))
        why = f"{few[0] or 'none'} of {n:,} {few[1]} at the dates asked; {FEW} are needed to judge"
    return Quality(**figures, skill=skill, skill_low=low, skill_high=high, why=why)


def _skill(
    customer: np.ndarray, y: np.ndarray, p: np.ndarray, base: np.ndarray
) -> tuple[float, float, float]:
    """1 - Brier / Brier of the segment's rate, with its 90 % interval: customers resampled whole,
    models as they are.
    """
    if np.array_equal(p, base):
        return 0.0, 0.0, 0.0
    loss = np.stack([(y - p) ** 2, (y - base) ** 2])
    sums = np.vstack([loss.sum(axis=1), resampled(customer, loss)])
    with np.errstate(divide="ignore", invalid="ignore"):
        skills = 1 - sums[:, 0] / sums[:, 1]
    low, high = np.nanquantile(skills[1:], LEVELS)
    return float(skills[0]), float(low), float(high)


def auc(y: np.ndarray, p: np.ndarray) -> float:
    """How often who left had the higher p than who stayed; nan where one of them is nobody."""
    n = y.sum()
    if not 0 < n < len(y):
        return np.nan
    rank = pd.Series(p).rank().to_numpy()
    return float((rank[y == 1].sum() - n * (n + 1) / 2) / n / (len(y) - n))


def _bands(y: np.ndarray, p: np.ndarray) -> tuple[dict[str, float], ...]:
    parts = np.array_split(np.argsort(p, kind="stable"), min(BANDS, len(p)))
    return tuple(
        {"predicted": float(p[k].mean()), "observed": float(y[k].mean()), "n": len(k)}
        for k in parts
    )


def _held(asked: _Asked, score: np.ndarray) -> float:
    """ARR that left, of the tenth of a date's accounts with the highest score; where more have the
    last one's than there is room for, what so many of them held on average.
    """
    room = max(1, int(TOP * len(score)))
    edge = np.sort(score)[-room]
    above, at_edge = score > edge, score == edge
    share = above + at_edge * ((room - above.sum()) / at_edge.sum())
    return float(share @ (asked.left * asked.arr))


def resampled(customer: np.ndarray, values: Iterable[np.ndarray]) -> np.ndarray:
    """Sums over customers drawn with repetition: `ndarray[draw, value]` of `[value, row]`."""
    _, code = np.unique(customer, return_inverse=True)
    sums = np.stack([np.bincount(code, each) for each in values], 1)
    number, rng = len(sums), np.random.default_rng(SEED)
    even = np.full(number, 1 / number)
    parts = [rng.multinomial(number, even, AT_ONCE) @ sums for _ in range(RESAMPLED // AT_ONCE)]
    return np.concatenate(parts)


# --- rules ----------------------------------------------------------------------------------------

JUDGED = ["rule", "means", "fired", "hit_rate", "base_rate", "lift", "lift_low", "lift_high", "arr"]
JUDGED += ["lead_months", "predicts"]
KIND = {"risk": "leave", "expansion": "expand"}  # what comes after a rule that means so


def judged_rules(panel: Panel, horizon: int) -> pd.DataFrame:
    """Each rule of the card by what came after it fired, over the months that the proof covers.

    A rule fires when it holds in a step and did not in the one before. `fired`: how often;
    `hit_rate`: how many of these left (or expanded, where it `means` expansion) within the horizon;
    `base_rate`: of all customer-months; `lift`: of the two, with a 90 % interval; `arr`: of those
    it fired for; `lead_months`: the median from the first firing
    to leaving. `predicts`: whether the lift is
    above 1 beyond chance, of FEW firings at least.
    """
    rows = np.flatnonzero(
        (panel.month <= panel.origin - horizon)
        & (panel.month > panel.origin - (MOST_ORIGINS + 1) * max(horizon, YEAR))
    )
    waits = {means: panel.months_until(KIND[means])[rows] for means in KIND}
    begun = [(rule, waits[rule.means], _begins(panel, rule, rows)) for rule in panel.rules]
    every = np.ones(len(rows), bool)
    counts = [
        each
        for _, wait, on in begun
        for each in ((wait <= horizon) & on, on, wait <= horizon, every)
    ]
    # of many customers a draw takes far longer than its sums: one serves all rules
    fires = any(on.any() for *_, on in begun)
    sums = resampled(panel.customer[rows], counts) if fires else np.zeros((1, len(counts)))
    found = [
        _judged_rule(panel, rows, horizon, *each, sums[:, 4 * n : 4 * n + 4])
        for n, each in enumerate(begun)
    ]
    return pd.DataFrame(found, columns=JUDGED)


def _begins(panel: Panel, rule: Rule, rows: np.ndarray) -> np.ndarray:
    """`ndarray[row]`: whether a rule holds in the row's step and did not in the one before."""
    fires, step = panel.fires_in_step(rule), panel.ledger.step
    begins = fires & ~np.pad(fires, ((0, 0), (step, 0)))[:, :-step]
    return np.asarray(begins[panel.customer[rows], panel.month[rows] - panel.begin])


def _judged_rule(
    panel: Panel,
    rows: np.ndarray,
    horizon: int,
    rule: Rule,
    waits: np.ndarray,
    on: np.ndarray,
    sums: np.ndarray,
) -> dict[str, Any]:
    """A row of what is judged.

    waits, on : `ndarray[row]`, months until it comes, and whether the rule fires. sums :
        `ndarray[draw, 4]`, of drawn customers: firings that it came after, firings, rows that it
        came after, rows.
    """
    hits = waits <= horizon
    fired, base = int(on.sum()), float(hits.mean()) if len(hits) else np.nan
    told: dict[str, Any] = {"rule": rule.words, "means": rule.means, "fired": fired}
    told |= dict.fromkeys(("hit_rate", "lift", "lift_low", "lift_high", "lead_months"), np.nan)
    told |= {"base_rate": base, "arr": float(panel.arr[rows][on].sum()), "predicts": False}
    if not fired:
        return told
    told["hit_rate"] = float(hits[on].mean())
    if base > 0:
        with np.errstate(divide="ignore", invalid="ignore"):
            lift = (sums[:, 0] / sums[:, 1]) / (sums[:, 2] / sums[:, 3])
        low, high = np.nanquantile(lift, LEVELS)
        if told["hit_rate"] in (0, 1):
            # what always came, or never, comes so in every resample: of so many customers each may
            # do so by luck, and by how rare they may be this is exact
            alike = LEVELS[0] ** (1 / len(np.unique(panel.customer[rows][on])))
            low, high = (alike / base, 1 / base) if told["hit_rate"] else (0.0, (1 - alike) / base)
        told |= {"lift": told["hit_rate"] / base, "lift_low": float(low), "lift_high": float(high)}
        told["predicts"] = bool(low > 1 and fired >= FEW)
    if (hits & on).any():
        # of several firings before a customer left once, from the first
        when = {"customer": panel.customer[rows], "gone": panel.month[rows]}
        whose = pd.DataFrame({name: each[on & hits] for name, each in when.items()})
        wait = waits[on & hits]
        first = whose.assign(wait=wait, gone=whose["gone"] + wait)
        told["lead_months"] = float(first.groupby(["customer", "gone"])["wait"].max().median())
    return told
