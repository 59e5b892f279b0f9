"""A ledger, its signals and a date in, the accounts with what each has at risk out; never a colour
that past dates do not bear out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from nrrsim.accounts.features import KINDS, YEAR, Panel
from nrrsim.accounts.proof import JUDGED, Horizon, Proof, Quality, judged_rules, steps_of
from nrrsim.accounts.risk import Ahead, Risk
from nrrsim.accounts.signals import Signals, read_signals
from nrrsim.accounts.watch import Health, SignalsCard, read_signals_card
from nrrsim.accounts.worth import worth
from nrrsim.cache import columns_of, kept
from nrrsim.calibration.calibrate import calibrate, known_by_value
from nrrsim.errors import UsageError
from nrrsim.ledger.ledger import Ledger, as_ledger
from nrrsim.messages import months_ahead
from nrrsim.months import NEXT_RENEWAL, month_name, shift
from nrrsim.movements import json_amount, json_amounts, json_ratio
from nrrsim.scenario.drivers import MULTIPLIERS
from nrrsim.scenario.multipliers import MOST
from nrrsim.scenario.scenario import Scenario

TOLD = ["customer", "segment", "arr", "renewal", "p_leave", "p_expand", "arr_at_risk"]
TOLD += ["expected_gain", "health", "reasons", "alerts", "play"]
AMOUNTS, RATIOS = ("arr", "arr_at_risk", "expected_gain"), ("p_leave", "p_expand")
WHY = 3  # reasons of an account


@dataclass(frozen=True)
class Alert:
    """A rule that holds now: its words, the signal's value, the month it has held since."""

    rule: str
    value: float
    since: str
    means: str
    play: str = ""


@dataclass(frozen=True)
class Accounts:
    """The accounts of `as_of`, those with most ARR at risk first, and how good such a list was.

    frame : a row an account: `customer`, `segment`, `arr`, `renewal` (its next, "2026-12", "" where
        none is known), `p_leave`, `p_contract` and `p_expand` (within the horizon),
        `p_leave_segment` (its segment's), `arr_at_risk`, `expected_gain`, `health` (green, yellow,
        red; "" where nothing is proved), `reasons` (in words), `alerts`, `play` (a programme),
        `hazard`, `expansion`, `contraction` (multipliers of its segment's rates). These are those
        of a whole year: within less, what is at risk may imply another probability than `p_leave`.
    quality : what the score was worth at past dates. rules : each rule of the card, judged.
    totals : `arr`, `at_risk`, `gain`, `expected` (arr + gain - at risk), `plain` (expected where
        all are as their segment) and `accounts` (expected - plain).
    scenario : what a ledger teaches, with these accounts in it.
    """

    ledger: Ledger
    as_of: str
    horizon: Horizon
    frame: pd.DataFrame
    quality: Quality
    rules: pd.DataFrame
    totals: Mapping[str, float]
    scenario: Scenario

    def multipliers(self) -> pd.DataFrame:
        """What a scenario takes as `accounts`: `customer`, and by how much it differs."""
        return self.frame[["customer", *MULTIPLIERS]].sort_values("customer", ignore_index=True)

    def told(self) -> dict[str, Any]:
        """What `nrrsim accounts --json` prints."""
        currency = self.ledger.currency
        rows = []
        frame = self.frame[TOLD].assign(
            **{name: json_amounts(self.frame[name].to_numpy(), currency) for name in AMOUNTS}
        )
        for row in frame.to_dict("records"):
            row |= {name: json_ratio(row[name]) for name in RATIOS}
            row |= {"renewal": row["renewal"] or None, "health": row["health"] or None}
            row |= {"play": row["play"] or None, "reasons": list(row["reasons"])}
            row["alerts"] = [asdict(each) for each in row["alerts"]]
            rows.append(row)
        quality = {name: _plain(value) for name, value in vars(self.quality).items()}
        rules = [
            {name: _plain(value) for name, value in rule.items()}
            | {"arr": json_amount(rule["arr"], currency=currency)}
            for rule in self.rules.to_dict("records")
        ]
        return {
            "as_of": self.as_of,
            "horizon": self.horizon,
            "currency": currency or None,
            "totals": {
                name: json_amount(value, currency=currency) for name, value in self.totals.items()
            },
            "accounts": rows,
            "quality": quality | {"proves": self.quality.proves},
            "rules": rules,
        }


def at_risk(
    ledger: Ledger | str,
    as_of: str,
    *,
    signals: Signals | Any = None,
    card: SignalsCard | str | None = None,
    horizon: Horizon = YEAR,
    scenarios: Sequence[Scenario] = (),
    learning: Mapping[str, Any] | None = None,
    unproved: bool = False,
) -> Accounts:
    """The accounts of a ledger at `as_of`, with what each has at risk and may gain, and why.

    signals : what customers do, read or to be read (a file, a table); without them the ledger
        alone is learnt from. card : what the signals are and what to watch (default: what comes
        with nrrsim).
    horizon : months, or "next renewal" (each account's own, within a year).
    scenarios : whose programmes are suggested, where one is `for` an account's reasons.
    learning : as for `calibrate`.
    unproved : accounts differ in the scenario by what past dates do not bear out, too; for a
        back-test, which says what that would have been worth.

    Nothing after `as_of` is looked at. Raises UsageError for a date that the ledger does not have
    or a horizon that does not fit, DataError for signals that cannot be read.
    """
    ledger = as_ledger(ledger)
    ledger.inside(as_of, "as_of")
    horizon = checked_horizon(horizon, ledger)
    if ledger.customers(as_of).empty:
        raise UsageError(f"as_of: nobody has an amount in {as_of}, so there is no account to list")
    known = card if isinstance(card, SignalsCard) else read_signals_card(card)
    if signals is not None and not isinstance(signals, Signals):
        signals = read_signals(signals, ledger, known)
    teaches = dict(learning or {})

    def worth_at(risk: Risk) -> np.ndarray:
        """ARR at risk of a past date, in the order of the panel's rows of that date."""
        panel = risk.panel
        told = _worth(ledger, month_name(panel.origin), risk, horizon, teaches).worth
        return np.asarray(told.loc[panel.names[panel.customer[panel.now]], "at_risk"])

    def judged() -> dict[str, Any]:
        return {
            "quality": Proof(panel, as_of, horizon, worth_at).quality().plain(),
            "model": risk.learnt(),
        }

    # sums of several threads would be added up in another order on another machine
    with threadpool_limits(1, "blas"):
        panel = Panel.of(ledger, as_of, signals, known)
        risk = Risk(panel)
        # what is the same for all accounts; of each one of them nothing is kept
        asked = {"ledger": ledger, "as_of": as_of, "signals": signals, "card": known}
        asked |= {"horizon": horizon, "learning": known_by_value(teaches)}
        past = kept("accounts", asked, judged)
        quality = Quality.of(past["quality"])
        risk.take(past["model"])
        acting = KINDS if unproved else quality.proved
        found = _worth(ledger, as_of, risk, horizon, teaches, acting)
        frame = _listed(risk, found, quality, known.health, horizon, scenarios)
    months = YEAR if isinstance(horizon, str) else horizon
    rules = kept("rules", asked, lambda: columns_of(judged_rules(panel, months)))
    return Accounts(
        ledger=ledger,
        as_of=as_of,
        horizon=horizon,
        frame=frame,
        quality=quality,
        rules=pd.DataFrame(rules, columns=JUDGED),
        totals=found.totals,
        scenario=found.scenario,
    )


def checked_horizon(horizon: Any, ledger: Ledger) -> Horizon:
    """A horizon that fits the ledger; raises UsageError for another."""
    if horizon == NEXT_RENEWAL:
        return NEXT_RENEWAL
    return months_ahead(horizon, ledger.step, YEAR, f', or "{NEXT_RENEWAL}"')


# --- what each is worth ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Worth:
    """Accounts by name: multipliers, ARR at risk and gain; and the book's totals."""

    multipliers: pd.DataFrame
    worth: pd.DataFrame
    totals: dict[str, float]
    scenario: Scenario
    ahead: dict[str, Ahead]


def _worth(
    ledger: Ledger,
    as_of: str,
    risk: Risk,
    horizon: Horizon,
    learning: Mapping[str, Any],
    proved: Collection[str] = KINDS,
) -> _Worth:
    """What a calibrated scenario says of each account, multiplied by what the model says of it."""
    panel = risk.panel
    names = panel.names[panel.customer[panel.now]]
    ahead = {kind: risk.ahead(kind) for kind in KINDS}
    plain = calibrate(ledger, as_of, **learning).scenario
    of_segment = worth(plain, YEAR).loc[names]
    factors = pd.DataFrame(1.0, index=pd.Index(names, name="customer"), columns=[*MULTIPLIERS])
    if "leave" in proved:
        leaves = ahead["leave"].within(len(ahead["leave"].model))
        factors["hazard"] = _factor(leaves, of_segment["p_leave"].to_numpy())
    for kind, word in (("expand", "expansion"), ("contract", "contraction")):
        if kind in proved:
            factors[word] = np.minimum(ahead[kind].times(), MOST)
    differ = bool((factors != 1).any(axis=None))
    months = _months_of(panel, horizon)
    scenario, before = plain, worth(plain, months)
    told = before
    if differ:
        table = factors.reset_index()
        scenario = calibrate(ledger, as_of, accounts=table, **learning).scenario
        told = worth(scenario, months)
    told = told.assign(
        at_risk=told["churn"] + told["contraction"],
        gain=told["adoption"] + told["cross_sell"] + told["price"] + told["reactivation"],
    )
    sums = told[["arr", "at_risk", "gain", "closing"]].sum()
    totals = dict(zip(("arr", "at_risk", "gain", "expected"), map(float, sums), strict=True))
    totals["plain"] = float(before["closing"].sum())
    totals["accounts"] = totals["expected"] - totals["plain"]
    return _Worth(factors, told, totals, scenario, ahead)


def _months_of(panel: Panel, horizon: Horizon) -> int | pd.Series:
    """How many months ahead each account is followed, as its probability to leave is: a year where
    no renewal is known. A scenario has a month for each, but of those one that follows from names.
    """
    if not isinstance(horizon, str):
        return horizon
    months = np.nan_to_num(panel.to_renewal(panel.now), nan=YEAR).astype(np.int64)
    return pd.Series(months, index=panel.names[panel.customer[panel.now]])


def _factor(p: np.ndarray, of_segment: np.ndarray) -> np.ndarray:
    """The factor on a hazard that makes `of_segment` a probability of `p`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log1p(-np.minimum(p, 1 - 1e-12)) / np.log1p(-np.minimum(of_segment, 1 - 1e-12))
    return np.where(np.isfinite(found), np.clip(found, 0.0, MOST), 1.0)


# --- the list -------------------------------------------------------------------------------------


def _listed(
    risk: Risk,
    found: _Worth,
    quality: Quality,
    health: Health,
    horizon: Horizon,
    scenarios: Sequence[Scenario],
) -> pd.DataFrame:
    panel = risk.panel
    rows = panel.now
    names = panel.names[panel.customer[rows]]
    steps = steps_of(panel, rows, horizon)
    p = {
        kind: found.ahead[kind].within(steps, "model" if kind in quality.proved else "segment")
        for kind in KINDS
    }
    base = found.ahead["leave"].within(steps, "segment")
    mine = found.worth.loc[names]
    to_renewal = panel.to_renewal(rows)
    origin = month_name(panel.origin)
    alerts = _alerts(panel)
    why, themes = _why(risk, p["leave"] > base, quality.proves)
    frame = pd.DataFrame(
        {
            "customer": names,
            "segment": np.array(panel.segments, object)[panel.segment[rows]],
            "arr": mine["arr"].to_numpy(),
            "renewal": [
                "" if np.isnan(months) else shift(origin, int(months)) for months in to_renewal
            ],
            **{f"p_{kind}": p[kind] for kind in KINDS},
            "p_leave_segment": base,
            "arr_at_risk": mine["at_risk"].to_numpy(),
            "expected_gain": mine["gain"].to_numpy(),
            "health": _health(p["leave"], base, health) if quality.proves else "",
            "reasons": why,
            "alerts": alerts,
            "play": [
                _play(each, mine_, scenarios) for each, mine_ in zip(alerts, themes, strict=True)
            ],
            **{word: found.multipliers[word].to_numpy() for word in MULTIPLIERS},
        }
    )
    # what is at risk; where nothing is proved, as the segment's rate has it
    order = frame["arr_at_risk"] if quality.proves else frame["arr"] * frame["p_leave_segment"]
    rank = np.lexsort((frame["customer"].astype(str), -frame["arr"], -order))
    return frame.iloc[rank].reset_index(drop=True)


def _health(p: np.ndarray, base: np.ndarray, health: Health) -> np.ndarray:
    """Green up to the segment's own rate, red above twice that, or as the card says."""
    # a customer without anything to tell it apart is as its segment, whatever the last digit says
    times = np.round(p / np.maximum(base, 1e-300), 9)
    return np.select([times <= health.yellow, times <= health.red], ["green", "yellow"], "red")


def _why(
    risk: Risk, above: np.ndarray, proves: bool
) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """For each account what moves it most to where it is, in words, and what may answer it."""
    if not proves:
        nothing: list[tuple[str, ...]] = [()] * len(above)
        return nothing, nothing
    words, themes = [], []
    for moves, is_above in zip(risk.why("leave", 2 * WHY), above, strict=True):
        own = [each for each in moves if (each[1] > 0) == is_above and each[2]][:WHY]
        words.append(tuple(dict.fromkeys(text for _, _, text in own)))
        themes.append(tuple(dict.fromkeys(each.theme for each, part, _ in own if part > 0)))
    return words, themes


def _alerts(panel: Panel) -> list[tuple[Alert, ...]]:
    """The rules that hold now, of each account."""
    own: list[list[Alert]] = [[] for _ in panel.now]
    customers = panel.customer[panel.now]
    for rule in panel.rules:
        fires, value = panel.fires(rule)
        for place in np.flatnonzero(fires[customers, -1]):
            row = fires[customers[place]]
            since = len(row) - int(np.argmin(row[::-1])) if not row.all() else 0
            month = month_name(panel.begin + since)
            told = float(value[customers[place]])
            own[place].append(Alert(rule.words, told, month, rule.means, rule.play or ""))
    return [tuple(each) for each in own]


def _play(alerts: Sequence[Alert], themes: Sequence[str], scenarios: Sequence[Scenario]) -> str:
    """The first programme that is for what an account shows; else what its rules suggest."""
    plays = [each.play for each in alerts if each.play]
    asked = [*plays, *themes]
    for theme in filter(None, asked):
        for scenario in scenarios:
            for name, programme in scenario.programmes.items():
                if theme.lower() in {each.lower() for each in programme.for_}:
                    return name
    return plays[0] if plays else ""


def _plain(value: Any) -> Any:
    """A figure as JSON tells it: nan is none, and a NumPy number a plain one."""
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    return json_ratio(value) if isinstance(value, float) else value
