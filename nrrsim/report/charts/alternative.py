"""A chart's checked frame in, its alternative text out; never draws, never computes a metric.

What a reader of the picture gets, in words: its numbers, or where they are more than one listens
to, the first and last, the highest and lowest of each row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd

from nrrsim.notation import counted, money, percent, points, share, signed_money

MOST = 600  # characters of a text: what one listens to
Frame = pd.DataFrame
Form = Callable[[float], str]


def waterfall(frame: Frame, currency: str | None) -> str:
    """Of each panel, what it opens and closes with, and the steps between."""
    level, change = _amount(currency), _amount(currency, is_change=True)
    parts, panels = [], frame.groupby("panel", sort=False)
    for panel, rows in panels:
        told = [
            f"{step} {(level if kind == 'total' else change)(amount)}"
            for step, amount, kind in zip(rows["step"], rows["amount"], rows["kind"], strict=True)
        ]
        opening = f"{panel!s}: " if panel else ""
        parts.append(_together(told, opening, ", ", MOST // len(panels)))
    return " ".join(parts)


def trend(frame: Frame, target: float | None) -> str:
    """NRR and GRR of each period, and the target."""
    parts = [
        _row(name.upper(), frame["period"], frame[name], percent, 2) for name in ("nrr", "grr")
    ]
    return _together([*parts, *_goal(target, percent)])


def segment_trend(frame: Frame) -> str:
    """NRR of each segment by period."""
    groups = frame.groupby("segment", sort=False)
    rows = [
        _row(str(name), each["period"], each["nrr"], percent, len(groups)) for name, each in groups
    ]
    return _together(rows, "NRR. ")


def peers(frame: Frame) -> str:
    """NRR of each company by month, definition by definition."""
    groups = frame.groupby(["panel", "name"], sort=False)
    rows = [
        _row(f"{name}, {str(panel).lower()}", each["period"], each["nrr"], percent, len(groups))
        for (panel, name), each in groups
    ]
    return _together(rows, "NRR. ")


def sparklines(frame: Frame) -> str:
    """NRR of each by month, first and last."""
    rows = []
    for name, each in frame.dropna(subset=["nrr"]).groupby("name", sort=False):
        first, last = each.iloc[0], each.iloc[-1]
        rows.append(
            f"{name}: {percent(first['nrr'])} in {first['month']}, {percent(last['nrr'])} in"
            f" {last['month']}"
        )
    return _together(rows, "NRR. ", "; ")


def standings(frame: Frame) -> str:
    """NRR of each now, its target, and the range of next year."""
    rows = []
    for row in frame.to_dict("records"):
        goal = f", target {percent(row['target'])}" if row["target"] == row["target"] else ""
        is_known = row["p50"] == row["p50"]
        ahead = f", next year {percent(row['p10'])} to {percent(row['p90'])}" if is_known else ""
        rows.append(f"{row['name']} {percent(row['nrr'])}{goal}{ahead}")
    return _together(rows, "NRR now, and the 80% range of next year. ", "; ")


def cohorts(frame: Frame, unit: str, names: Callable[[str], str]) -> str:
    """NRR of each cohort today, and at what age it was highest and lowest."""
    parts = []
    for cohort, rows in frame.groupby("cohort", sort=False):
        told = [f"now {percent(rows['now'].iloc[0])}"]
        # it starts at 100%, which says nothing
        whole = rows[(rows["complete"] == 1) & (rows["age"] > 0)].dropna(subset=["nrr"])
        if len(whole):
            ages = [counted(round(age), unit) for age in whole["age"]]
            told += _extremes(ages, whole["nrr"].tolist(), percent, "after")
        parts.append(f"{names(str(cohort))}: {', '.join(told)}")
    return _together(parts, "NRR of each cohort since its first revenue. ")


def segment_bars(frame: Frame, before: str) -> str:
    """NRR and GRR of each segment, and NRR of the report before."""
    rows = zip(frame["segment"], frame["nrr"], frame["grr"], frame["nrr_before"], strict=True)
    return _together(
        [f"{s}: NRR {percent(n)} ({before} {percent(b)}), GRR {percent(g)}" for s, n, g, b in rows]
    )


def concentration(frame: Frame, notes: Sequence[tuple[float, float, str]]) -> str:
    """What is named on the curve, and how much some shares of the customers have."""
    parts = [text for *_, text in notes]
    for part in (0.1, 0.2, 0.5):
        if len(reached := frame[frame["customers_share"] >= part - 1e-9]):
            row = reached.iloc[0]
            largest, held = share(row["customers_share"]), share(row["arr_share"])
            parts.append(f"the largest {largest} of customers have {held} of ARR")
    return _together(parts, "ARR by customer. ")


def renewals(frame: Frame, currency: str) -> str:
    """What was due in each period, and what became of it."""
    parts = []
    columns = (frame[name] for name in ("period", "due", "renewed", "lost"))
    for period, due, renewed, lost in zip(*columns, strict=True):
        told = [f"{money(due, currency)} due"]
        if renewed == renewed:  # null: it is to come
            told += [f"{money(renewed, currency)} renewed", f"{money(lost, currency)} lost"]
        parts.append(f"{period}: {', '.join(told)}")
    return _together(parts, "ARR up for renewal. ")


def distributions(frame: Frame, target: float | None, means: Sequence[float]) -> str:
    """Where each curve is highest, and the mean of each where they are given."""
    parts = []
    for number, (name, rows) in enumerate(frame.groupby("name", sort=False)):
        mean = f"expected NRR {percent(means[number])}, " if number < len(means) else ""
        known = rows.dropna(subset=["density"])
        peak = known["nrr"].iloc[int(known["density"].argmax())] if len(known) else float("nan")
        parts.append(f"{name}: {mean}most likely {percent(peak)}")
    return _together([*parts, *_goal(target, percent)])


def cumulative(frame: Frame) -> str:
    """The median of each line: where it passes one half."""
    parts = []
    for name, rows in frame.dropna().groupby("name", sort=False):
        half = rows["below"] >= 0.5
        median = rows["nrr"][half].min() if half.any() else rows["nrr"].max()
        parts.append(f"{name}: median {percent(median)}")
    return _together(parts)


def fan(frame: Frame, currency: str | None, target: float | None) -> str:
    """The middle of each line by period, with the range where there is one."""
    form, parts = _amount(currency), []
    groups = frame.groupby("name", sort=False)
    for name, rows in groups:
        has_range = bool((rows["high"] > rows["low"]).any())
        parts.append(_row(str(name), rows["period"], rows["middle"], form, 2 * len(groups)))
        if has_range:
            last = rows.iloc[-1]
            ends = f"{form(last['low'])} to {form(last['high'])}"
            parts[-1] += f" (range then {ends})"
    return _together([*parts, *_goal(target, form)])


def tornado(frame: Frame, base: float) -> str:
    """NRR with each assumption at its low and at its high end."""
    rows = zip(frame["name"], frame["low"], frame["high"], strict=True)
    parts = [f"{name}: {percent(low)} and {percent(high)}" for name, low, high in rows]
    opening = f"NRR of {percent(base)} with each assumption at its low and its high end. "
    return _together(parts, opening)


def intervals(frame: Frame) -> str:
    """The median and 80% range of each forecast, and what happened."""
    rows = frame.itertuples()
    return _together(
        [
            f"{row.period}: {percent(row.actual)} (median {percent(row.p50)},"
            f" 80% range {percent(row.p10)} to {percent(row.p90)})"
            for row in rows
        ],
        "Actual figures and their forecasts. ",
    )


def histogram(frame: Frame) -> str:
    """How many outcomes fell between which percentiles of their forecasts."""
    rows = zip(frame["low"], frame["high"], frame["count"], strict=True)
    parts = [f"{share(low)} to {share(high)}: {count:g}" for low, high, count in rows]
    return _together(parts, "Actual figures by percentile of their forecast. ")


def calibration(frame: Frame) -> str:
    """Which share was predicted to leave and which left, band by band."""
    rows = zip(frame["name"], frame["predicted"], frame["observed"], strict=True)
    parts = [f"{name}: {share(left)} left, {share(said)} predicted" for name, said, left in rows]
    return _together(parts)


def effects(frame: Frame) -> str:
    """By how much more of the treated left, action by action, with its range."""
    rows = zip(frame["name"], frame["difference"], frame["low"], frame["high"], strict=True)
    return _together([f"{n}: {points(d)} ({points(a)} to {points(z)})" for n, d, a, z in rows])


def at_risk(frame: Frame, currency: str) -> str:
    """ARR at risk of the renewals of each period."""
    amount = partial(money, currency=currency)
    return _together([_row("ARR at risk", frame["period"], frame["arr_at_risk"], amount, 1)])


def pipeline(frame: Frame, currency: str) -> str:
    """What is open in each period, what that is worth, and what was booked a year before."""
    amount = partial(money, currency=currency)
    rows = zip(frame["period"], frame["arr"], frame["weighted"], frame["booked"], strict=True)
    return _together(
        [
            f"{period}: {amount(arr)} open, weighted {amount(worth)},"
            f" {amount(booked)} booked a year before"
            for period, arr, worth, booked in rows
        ],
        "Open expansion. ",
    )


def heatmap(frame: Frame, x: str, y: str, target: float | None) -> str:
    """Where in the grid NRR is highest and lowest, and the probability of the target there."""
    known, parts = frame.dropna(subset=["nrr"]), []
    if len(known):
        for word, at in (("highest", known["nrr"].argmax()), ("lowest", known["nrr"].argmin())):
            row = known.iloc[int(at)]
            where = f"{x} of {row['x']:g}, {y} of {row['y']:g}"
            parts.append(f"{word} {percent(row['nrr'])} ({where}{_chance(row, target)})")
    return _together(parts, "Expected NRR. ")


def slope(frame: Frame, x: str, target: float | None) -> str:
    """NRR at each value, its 90% range and the probability of the target."""
    parts = [
        f"{row['x']:g}: {percent(row['nrr'])}"
        f" (90% range {percent(row['p05'])} to {percent(row['p95'])}{_chance(row, target)})"
        for _, row in frame.dropna(subset=["nrr"]).iterrows()
    ]
    return _together(parts, f"Expected NRR by {x}. ")


def _chance(row: pd.Series[float], target: float | None) -> str:
    return "" if target is None else f", probability of the target {share(row['p_target'])}"


def _amount(currency: str | None, is_change: bool = False) -> Form:
    if currency is None:
        return points if is_change else percent
    return partial(signed_money if is_change else money, currency=currency)


def _goal(target: float | None, form: Form) -> list[str]:
    return [] if target is None else [f"Target {form(target)}"]


def _row(name: str, places: pd.Series[str], values: pd.Series[float], form: Form, of: int) -> str:
    """A row's numbers one by one, or its ends where the text of so many rows would be too long."""
    pairs = [(at, value) for at, value in zip(places, values, strict=True) if value == value]
    if not pairs:
        return f"{name}: n/a"
    text = f"{name}: " + ", ".join(f"{at} {form(value)}" for at, value in pairs)
    if len(text) <= MOST // of - 20:
        return text
    first, last = (f"{at} {form(value)}" for at, value in (pairs[0], pairs[-1]))
    known = _extremes([at for at, _ in pairs], [value for _, value in pairs], form)
    return f"{name}: from {first} to {last}, {', '.join(known)}"


def _extremes(
    places: Sequence[str], values: Sequence[float], form: Form, at: str = "in"
) -> list[str]:
    ends = (("highest", max(values)), ("lowest", min(values)))
    return [f"{word} {form(value)} {at} {places[values.index(value)]}" for word, value in ends]


def _together(
    parts: Sequence[str], opening: str = "", between: str = "; ", most: int = MOST
) -> str:
    """The parts as one text, as many as one listens to, and how many are left out."""
    told, length = list[str](), len(opening)
    for part in parts:
        length += len(part) + len(between)
        if told and length > most - 20:
            return f"{opening}{between.join(told)}{between}and {len(parts) - len(told)} more."
        told.append(part)
    return f"{opening}{between.join(told)}." if told else "No data."
