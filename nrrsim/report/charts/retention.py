"""Frames of what happened in, Altair charts out; never computes a metric, never mutates."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, cast

import altair as alt
import pandas as pd
from altair.typing import ChartType

from nrrsim import benchmarks
from nrrsim.notation import count, money, percent, printed_quarter, share
from nrrsim.report.charts import alternative
from nrrsim.report.charts.style import (
    AMBER,
    BRICK,
    EVEN,
    FAINT,
    GREY,
    HIGH,
    LOW,
    NAVY,
    RIGHT,
    RULE,
    SHADES,
    TEAL,
    TEAL_TEXT,
    Frame,
    amount_axis,
    amount_text,
    bounds_of,
    fit,
    halos,
    is_narrow,
    period_axis,
    ratio_axis,
    room,
    spaced_out,
    takes_columns,
    visible_range,
)

MOST_SEGMENTS = 12
MOST_BARS = 30  # of segments: with more of them on a page nobody can read their names
NOW = "Now"
LEAST_CHARACTER = 3.9  # how wide one of a step's name is at least, in chart units
BAND = 20  # of a step that lies
BAR: dict[str, Any] = {"color": NAVY, "shape": "square", "size": 50, "filled": True, "opacity": 1}
TICK: dict[str, Any] = {
    "color": AMBER,
    "shape": "stroke",
    "size": 260,
    "angle": 90,
    "strokeWidth": 2.5,
    "opacity": 1,
}
DIAMOND: dict[str, Any] = {
    "color": TEAL,
    "shape": "diamond",
    "size": 60,
    "filled": True,
    "opacity": 1,
    "stroke": "white",
    "strokeWidth": 0.8,
}


@takes_columns("step kind", "amount start end")
def bridge(frame: Frame, currency: str | None = "", height: int = 200) -> ChartType:
    """Draw a waterfall from an opening to a closing amount, steps along x in the order given.

    Columns: `step` (label), `amount` (signed change; the level for totals), `start` and `end` (from
    and to which level), `kind` (total, gain or loss); amounts in `currency`, or ratios where that
    is None. Steps are bars on a scale of changes that has its zero; a total is a mark at its level.
    """
    data = frame.assign(panel="")
    wide: float = room() - 45
    steps = data["step"].tolist()
    word = max(len(word) for step in steps for word in (step.split() or [""]))
    # it lies where names have no room beside each other: on a narrow screen, and of many steps
    lies = is_narrow() or LEAST_CHARACTER * word > wide / len(steps)
    size = _lying(steps) if lies else (wide, height)
    told = alternative.waterfall(data, currency)
    return _waterfall(data, steps, currency, *size, upright=not lies, description=told)


@takes_columns("panel step kind", "amount start end")
def bridges(frame: Frame, currency: str = "") -> ChartType:
    """Draw waterfalls (`panel`, else as `bridge`) side by side on one scale, steps downwards."""
    panels = list(dict.fromkeys(frame["panel"]))
    # the steps of the panel with the most of them, and before the closing what only others have
    longest = frame.loc[frame["panel"] == frame["panel"].mode()[0], "step"].tolist()
    steps = [
        *longest[:-1],
        *(s for s in dict.fromkeys(frame["step"]) if s not in longest),
        longest[-1],
    ]
    wide, high = _lying(steps, 1 if is_narrow() else len(panels))
    chart = _waterfall(frame, steps, currency, wide, high, upright=False)
    told = alternative.waterfall(frame, currency)
    header = alt.Header(labelLimit=wide)
    if is_narrow():
        panel = alt.Facet("panel:N", sort=panels, header=header)
        return chart.facet(facet=panel, columns=1, spacing=16, description=told)
    column = alt.Column("panel:N", sort=panels, header=header)
    return chart.facet(column=column, spacing=16, description=told)


def _lying(steps: Sequence[str], beside: int = 1) -> tuple[float, int]:
    """How wide and high each of so many waterfalls beside each other is, its steps downwards."""
    wide = (room() - 10 - min(_most_of_names(), 4.6 * max(map(len, steps)))) / beside - 16
    return wide, BAND * len(steps)


def _most_of_names() -> int:
    """How wide the names of steps may be that stand below each other."""
    return 90 if is_narrow() else 130


def _waterfall(
    data: Frame,
    steps: list[str],
    currency: str | None,
    wide: float,
    high: float,
    upright: bool,
    **options: Any,
) -> alt.LayerChart:
    """Waterfalls of that size, their steps along x (`upright`) or downwards."""
    band, long = (wide / len(steps), high) if upright else (BAND, wide)
    if data.duplicated(["panel", "step"]).any():
        raise ValueError("bridge: a step occurs twice in a panel; give each step its own label")
    total = data["kind"] == "total"
    # from the level that a panel begins with: beside a whole book the changes would be slivers, and
    # on an axis that is cut a total's bar would have a length that means nothing
    begins = data["start"].mask(total, data["end"]).groupby(data["panel"]).transform("first")
    change = data["end"] - begins
    data = data.assign(start=(data["start"] - begins).mask(total, change), end=change)
    # how far a closing is from its opening stands beside it, or upright below it
    net = [
        f"({amount_text(c, currency, is_change=True)})" if t and c else ""
        for c, t in zip(change, total, strict=True)
    ]
    labels = [
        amount_text(amount, currency, is_change=not t)
        for amount, t in zip(data["amount"], total, strict=True)
    ]
    if not upright:
        labels = [f"{label} {c}".strip() for label, c in zip(labels, net, strict=True)]
    data = data.assign(
        label=labels,
        net=net,
        lower=data[["start", "end"]].min(axis=1),
        upper=data[["start", "end"]].max(axis=1),
        next=data.groupby("panel", sort=False)["step"].shift(-1),
        under=upright & (data["kind"] == "loss"),
    )
    data["place"] = data["lower"].where(data["under"], data["upper"])
    longest = max(map(len, [*labels, *net]))
    font = min(8.5, max(6.0, (band + 2) / (0.6 * longest))) if upright else 8.5
    scale = alt.Scale(domain=_with_labels(data, upright, long, font), nice=False, zero=False)

    # upright, a name has three lines at most, each as wide as its step
    wrap = textwrap.TextWrapper(
        int(band / 4.6), break_long_words=False, max_lines=3, placeholder="…"
    )
    lines = {step: wrap.wrap(step) for step in steps}
    longest = max([1, *(len(line) for each in lines.values() for line in each)])
    names = alt.Axis(
        title=None,
        domain=False,
        labelOverlap=False,
        labelLimit=band + 4 if upright else _most_of_names(),
        labelExpr=f"({json.dumps(lines)})[datum.label]" if upright else "datum.label",
        labelFontSize=min(8.5, max(6.5, band / (0.56 * longest))) if upright else 8.5,
    )
    place = alt.Scale(domain=steps, paddingInner=0.3, paddingOuter=0.15)
    step = {"field": "step", "type": "ordinal", "axis": names, "scale": place}
    # lying, the labels at the ends stay inside: beside another panel they would touch its own
    axis = change_axis(currency, 4 if upright else 3)
    axis["labelFlush"] = False if upright else 20

    # the same waterfall standing and lying: amount and step change their axes
    def at(field: str, to: str | None = None, next_step: str | None = None) -> dict[str, Any]:
        amount = {"field": field, "type": "quantitative", "scale": scale, "axis": axis}
        here = step | {"bandPosition": 1 if next_step else 0.5}
        x, y, x2, y2 = (here, amount, next_step, to) if upright else (amount, here, to, next_step)
        ends = {"x2": x2 and alt.X2(x2, bandPosition=0), "y2": y2 and alt.Y2(y2, bandPosition=0)}
        return {"x": alt.X(**x), "y": alt.Y(**y)} | {k: v for k, v in ends.items() if v}

    chart = alt.Chart(data)
    beside: dict[str, Any] = {"dy": -9} if upright else {"dx": 5, "align": "left"}
    texts = [
        ("datum.kind == 'total'", "label", beside | {"fontWeight": "bold"}),
        ("datum.kind != 'total' && !datum.under", "label", beside),
        ("datum.under", "label", {"dy": 9}),
        *([("datum.net", "net", {"dy": 10})] if upright else []),
    ]
    layers = step_layers(chart, at)
    for which, text, mark in texts:
        shown = chart.transform_filter(which).mark_text(fontSize=font, **mark)
        layers.append(shown.encode(text=alt.Text(f"{text}:N"), **at("place")))
    return cast(alt.LayerChart, alt.layer(*layers, width=wide, height=high, **options))


def _with_labels(data: Frame, upright: bool, long: float, font: float) -> list[float]:
    """The lowest and highest change to show, so that each label has its room, in `long` pixels."""
    low, high = bounds_of(pd.concat([data["lower"], data["upper"]]), (0.0, 1.0))
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return [low - 1, high + 1]
    if upright:
        one = (high - low) * (font + 7) / (long - 2 * (font + 7))
        return [low - one, high + one]
    # from the left end on, each label of its bar's end and its text as wide as it is
    wide = 9 + 0.58 * font * data["label"].str.len()
    reach = (data["place"] - low) / (1 - (wide / long).clip(upper=0.8))
    return [low - 0.02 * (high - low), low + max(float(reach.max()), high - low)]


def change_axis(currency: str | None, ticks: int) -> alt.Axis:
    """An axis of changes: amounts in `currency`, or points of a ratio where that is None."""
    size = "format(abs(datum.value) * 100, ',.3~r') + ' pts'"
    sign = "datum.value > 0 ? '+' : ''"
    if currency is None:
        return alt.Axis(
            title="Change",
            tickCount=ticks,
            grid=False,
            labelExpr=f"({sign}) + (datum.value < 0 ? '−' : '') + {size}",
        )
    axis = amount_axis(currency, ticks, domain=False)
    axis["title"], axis["labelExpr"] = "Change", f"({sign}) + {axis['labelExpr']}"
    return axis


def step_layers(chart: alt.Chart, at: Callable[..., dict[str, Any]]) -> list[alt.Chart]:
    """The layers of a waterfall: a rule from each step's end to the next, the bars, the totals.

    `at(field, to=, next_step=)`: where a field stands along the steps, and where its mark ends.
    """
    kinds = alt.Scale(domain=["gain", "loss", "none"], range=[TEAL, BRICK, RULE])
    to_next = chart.transform_filter("isValid(datum.next)").mark_rule(color=RULE)
    bars = chart.transform_filter("datum.kind != 'total'").mark_bar()
    # a total is a level, not a length: a bar without one, whose edge is seen
    totals = chart.transform_filter("datum.kind == 'total'").mark_bar(stroke=NAVY, strokeWidth=2.5)
    return [
        to_next.encode(**at("end", next_step="next")),
        bars.encode(color=alt.Color("kind:N", legend=None, scale=kinds), **at("lower", to="upper")),
        totals.encode(**at("end", to="upper")),
    ]


@takes_columns("period", "nrr grr")
def trend(
    frame: Frame,
    target: float | None = None,
    bands: bool | Sequence[tuple[str, float, float]] = True,
) -> ChartType:
    """Draw NRR and below it GRR (ratios) by `period`, each with its benchmark; NRR with the target.

    `bands`: those of NRR, (label, lower, upper) in ratios, cut to what is visible; True for the
    benchmark's, False for none, of GRR neither.
    """
    # bands are NRR's, and so is the target: GRR has a panel of its own
    goal = pd.Series([] if target is None else [target], dtype=float)
    given = list(benchmarks.bands() if bands is True else bands or ())
    low, high = benchmarks.USUAL_GRR
    usual = [(f"usual: {share(low)} to {share(high)}", low, high)] if given else []
    panels = {
        "nrr": (visible_range(frame["nrr"], goal), given, NAVY, "circle"),
        "grr": (visible_range(frame["grr"]), usual, TEAL_TEXT, "diamond"),
    }
    # a point of either is as high, as far as both can be read
    spans = {name: high - low for name, ((low, high), *_) in panels.items()}
    part = min(max(spans["nrr"] / sum(spans.values()), 0.55), 0.7)
    wide, heights = room() - 104, {"nrr": 210 * part, "grr": 210 * (1 - part)}

    drawn = []
    for name, ((low, high), areas, colour, shape) in panels.items():
        unit = (high - low) / (heights[name] - 14)
        low, high = low - 7 * unit, high + 7 * unit  # for the labels
        y = ratio_axis(low, high, ticks=4, grid=False)
        data = frame[["period", name]].rename(columns={name: "value"})
        data = data.assign(label=data["value"].map(percent), **_beside(data["value"], 9 * unit))
        curves = data[["value", "place"]].assign(target=target if name == "nrr" else None)
        layers = _bands(curves, areas, y, (low, high), unit)

        ends = [(f"{name.upper()} {percent(v)}", v, colour) for v in data["value"].dropna().tail(1)]
        if name == "nrr" and target is not None:
            rule = alt.Chart(goal.to_frame("at")).mark_rule(color=GREY, strokeDash=[5, 3])
            layers.append(rule.encode(y=alt.Y("at", **y)))
            ends.append((f"Target {percent(target)}", float(target), GREY))

        x = period_axis(frame, {"padding": 0.3}, labelOverlap=True, labels=name == "grr")
        points = {"shape": shape, "size": 42, "color": colour}
        line = alt.Chart(data).mark_line(color=colour, point=points)
        layers.append(line.encode(x=x, y=alt.Y("value", **y)))

        shown = data[:-1].dropna(subset=["value"])
        if wide < 38 * len(data) and len(shown):  # too many for all: the ends of their range
            shown = shown.iloc[sorted({int(shown["value"].argmax()), int(shown["value"].argmin())})]
        text = alt.Chart(shown).encode(x=x, y=alt.Y("place", **y), text=alt.Text("label:N"))
        for lean, halo in product((-8, 0, 8), halos(SHADES[0])):
            own = text.transform_filter(f"datum.lean == {lean}")
            layers.append(own.mark_text(fontSize=8, color=colour, dx=lean, **halo))

        labels = pd.DataFrame(ends, columns=["label", "value", "colour"])
        labels["place"] = spaced_out(labels["value"].tolist(), 12 * unit)
        text = alt.Chart(labels).mark_text(align="left", dx=6, fontSize=9)
        colours = alt.Color("colour:N", scale=None)
        layers.append(
            text.encode(x=RIGHT, y=alt.Y("place", **y), text=alt.Text("label:N"), color=colours)
        )
        drawn.append(alt.layer(*layers, width=wide, height=heights[name]))
    told = alternative.trend(frame, target)
    return alt.vconcat(*drawn, spacing=8, bounds="flush", description=told)


def _beside(values: pd.Series[float], gap: float) -> dict[str, Any]:
    """The height of each point's label, and how far it leans to a side (pixels), off the line."""
    before, after = values - values.shift(1), values.shift(-1) - values
    # on the side that the line bends away from; beside a line that only rises or falls, above it
    # and to the side where it is lower
    above = before.fillna(0) >= after.fillna(0)
    rises, falls = (before > 0) & (after > 0), (before < 0) & (after < 0)
    lean = 8 * (falls.astype(int) - rises.astype(int))
    return {
        "place": values + gap * (above | rises | falls).map({True: 1.0, False: -1.0}),
        "lean": lean,
    }


def _bands(
    curves: Frame,
    areas: Sequence[tuple[str, float, float]],
    y: dict[str, Any],
    visible: tuple[float, float],
    unit: float,
) -> list[alt.Chart]:
    """The layers of a panel's benchmark: areas, each with its name where no curve is near."""
    low, high = visible
    shown = [(name, max(a, low), min(b, high)) for name, a, b in areas if a < high and b > low]
    layers: list[alt.Chart] = []
    for i, (label, a, b) in enumerate(shown):
        area = alt.Chart(pd.DataFrame({"low": [a], "high": [b], "label": [label]}))
        layers.append(
            area.mark_rect(color=SHADES[i % 2]).encode(y=alt.Y("high", **y), y2=alt.Y2("low"))
        )
        if corner := _quiet_corner(curves, a, b, 12 * unit):
            right, at = corner
            text = area.mark_text(
                align="right" if right else "left", dx=-5 if right else 5, fontSize=7.5, color=GREY
            )
            x = RIGHT if right else alt.XValue(0)
            layers.append(text.encode(x=x, y=alt.YDatum(at, **y), text=alt.Text("label:N")))
    return layers


def _quiet_corner(curves: Frame, low: float, high: float, gap: float) -> tuple[bool, float] | None:
    """The corner of a band farthest from all curves, (at the right?, height), or None."""
    # the left and the right third of the curves, and in each the band's upper and lower corner
    near, corners = len(curves) // 3 + 1, []
    for right, part in ((False, curves[:near]), (True, curves[-near:])):
        for at in (high - 0.6 * gap, low + 0.6 * gap):
            crossed = ((part.min() <= at) & (part.max() >= at)).any()
            room = 0.0 if crossed else float((part - at).abs().min().fillna(gap).min())
            corners.append((room, right, at))
    room, right, at = max(corners, key=lambda corner: corner[0])
    return (right, at) if room > 0.6 * gap and high - low > gap else None


@takes_columns("period segment", "nrr")
def segment_trend(frame: Frame) -> ChartType:
    """Draw NRR (ratio) by `period`, a panel for each segment (1 to 12), the others behind it."""
    segments, periods = list(dict.fromkeys(frame["segment"])), list(dict.fromkeys(frame["period"]))
    if len(segments) > MOST_SEGMENTS:
        raise ValueError(
            f"segment_trend: {len(segments)} segments, {MOST_SEGMENTS} at most;"
            " group the smallest ones"
        )

    columns = 1 if is_narrow() else {1: 1, 2: 2, 4: 2}.get(len(segments), 3)
    wide, high = (room() - 34) / columns - 14, 190 if len(segments) == 1 else 84
    low, top = visible_range(frame["nrr"], pd.Series([1.0]))

    flush = alt.condition("datum.index == 0", alt.value("left"), alt.value("right"))
    panels = []
    for i, segment in enumerate(segments):
        own = frame[frame["segment"] == segment]
        y = alt.Y("nrr", **ratio_axis(low, top, ticks=3, labels=i % columns == 0))
        x = period_axis(
            frame,
            {"padding": 0.1},
            values=[periods[0], *periods[1:][-1:]],
            labelLimit=wide / 2,
            labelAlign=flush,
            labels=i + columns >= len(segments),
        )

        heads = pd.DataFrame(
            {
                "name": [segment],
                "last": [percent(v) for v in own["nrr"].dropna().tail(1)] or ["n/a"],
            }
        )
        head = alt.Chart(heads).encode(y=alt.YValue(-8))

        layers = [
            alt.Chart(frame)
            .mark_line(color=FAINT, strokeWidth=0.8)
            .encode(x=x, y=y, detail=alt.Detail("segment:N")),
            alt.Chart(heads).mark_rule(color=RULE, strokeDash=[4, 3]).encode(y=alt.YDatum(1)),
            alt.Chart(own)
            .mark_line(color=NAVY, point={"color": NAVY, "size": 14})
            .encode(x=x, y=y),
            head.mark_text(align="left", fontWeight="bold", limit=wide - 42).encode(
                x=alt.XValue(0), text=alt.Text("name:N")
            ),
            head.mark_text(align="right").encode(x=alt.XValue(wide), text=alt.Text("last:N")),
        ]
        panels.append(alt.layer(*layers, width=wide, height=high))
    told = alternative.segment_trend(frame)
    return alt.concat(*panels, columns=columns, align="each", spacing=14, description=told)


@takes_columns("cohort", "age nrr opening complete now")
def cohort_heatmap(frame: Frame, unit: str = "quarter", currency: str = "") -> ChartType:
    """Draw NRR (ratio) of each `cohort` by `age` in units, and `now`: the darker, the more is kept.

    `opening`, an amount in `currency`, stands beside the cohort's name; an age that is not
    `complete` (1 or 0) is hatched. Cells hold whole percent where there is room.
    """
    data = frame.dropna(subset=["age", "nrr"]).astype({"age": int})
    firsts = frame.groupby("cohort", sort=False)[["opening", "now"]].first()
    names = {
        c: f"{printed_quarter(str(c))} ({money(amount, currency)})"
        for c, amount in firsts["opening"].items()
    }
    ages = [str(age) for age in sorted({int(age) for age in frame["age"].dropna()})]
    # what all of a cohort's customers are now stands at the right, after a gap
    today = firsts["now"].dropna().rename("nrr").reset_index().assign(age=NOW, complete=1.0)
    data = pd.concat([data.astype({"age": str}), today])
    columns = [*ages, "", NOW]

    # cells as large as they fit beside the names, and text as large as fits into a cell: a digit is
    # some 0.6 of its font's size wide
    wide = min(44.0, (room() - 112) / len(columns))
    high = min(20.0, max(13.0, 300 / len(names)))
    data = data.assign(name=data["cohort"].map(names), text=[count(v * 100) for v in data["nrr"]])
    font = min(8.5, 0.62 * high, (wide - 3) / (0.62 * max(map(len, data["text"]), default=1)))

    # nine in ten cells have a colour of their own: one small cohort does not pale all others
    half = float((data["nrr"] - 1).abs().quantile(0.9)) if len(data) else 0.5
    half = min(max(half, 0.05), 0.5)
    scale = alt.Scale(
        domain=[1 - half, 1, 1 + half], range=[LOW, EVEN, HIGH], clamp=True, interpolate="rgb"
    )
    legend = alt.Legend(
        title="NRR",
        titleOrient="left",
        labelExpr="format(datum.value, '.0%') + (datum.value < 1 ? ' or less' :"
        " datum.value > 1 ? ' or more' : '')",
        values=[1 - half, 1, 1 + half],
        gradientLength=180,
        gradientThickness=8,
    )

    rows = alt.Scale(domain=[*names.values()])
    x = alt.X(
        "age:O",
        title=f"{unit.capitalize()}s since the cohort started",
        scale=alt.Scale(domain=columns),
        axis=alt.Axis(labelOverlap=True),
    )
    chart = alt.Chart(data).encode(x=x, y=alt.Y("name:O", title=None, scale=rows))

    cells = chart.mark_rect(stroke="white").encode(
        color=alt.Color("nrr:Q", scale=scale, legend=legend)
    )
    layers = [cells]
    if partly := bool((data["complete"] == 0).any()):
        hatched = chart.transform_filter("datum.complete == 0").mark_point(
            shape=_hatching(wide - 2, high - 2), size=4, stroke="white", strokeWidth=0.9, opacity=1
        )
        layers.append(hatched)
    if font >= 5.5:  # smaller, nobody reads it
        text = chart.encode(text=alt.Text("text:N")).mark_text(fontSize=font)
        layers.append(text)
    size = {"width": wide * len(columns), "height": high * len(names)}
    note = "Hatched: only the customers who have reached that age" if partly else ""
    told = alternative.cohorts(frame, unit, names.__getitem__)
    return alt.layer(*layers, title=note, description=told, **size)


def _hatching(wide: float, high: float) -> str:
    """An SVG path of slanting strokes over a cell of that size, in units of half a mark's side."""
    strokes = []
    for at in range(-int(high), int(wide), 6):  # where each stroke is at the cell's lower edge
        left, right = max(at, 0), min(at + high, wide)
        if right > left:
            x0, x1 = left - wide / 2, right - wide / 2
            y0, y1 = (high / 2 - (each - at) for each in (left, right))
            strokes.append(f"M{x0:.2f},{y0:.2f}L{x1:.2f},{y1:.2f}")
    return "".join(strokes)


@takes_columns("segment", "nrr grr nrr_before")
def segment_bars(frame: Frame, before: str = "Before") -> ChartType:
    """Draw NRR by `segment`, a bar from 100%; GRR a diamond, NRR of the report `before` a tick.

    `nrr`, `grr` and `nrr_before` are ratios; they stand in three columns at the right as well, null
    as n/a. `before`: what its column is called. Of more than MOST_BARS the first ones are drawn.
    """
    number, told = frame["segment"].nunique(), alternative.segment_bars(frame, before)
    frame = frame[:MOST_BARS]
    note = f"The first {MOST_BARS} of {number}; the table has all" if number > MOST_BARS else ""
    even = pd.Series([1.0])
    ratio = ratio_axis(*visible_range(frame["nrr"], frame["grr"], frame["nrr_before"], even))
    names = alt.Axis(labelLimit=min(120, 0.3 * room()), labelOverlap=False)
    chart = alt.Chart(frame.assign(even=1.0)).encode(
        y=alt.Y("segment:O", title=None, sort=None, axis=names)
    )

    sign = alt.condition("datum.nrr < 1", alt.value(BRICK), alt.value(NAVY))
    layers = [
        chart.mark_bar(height=11).encode(x=alt.X("even", **ratio), x2=alt.X2("nrr"), color=sign),
        alt.Chart(even.to_frame("even")).mark_rule(color=GREY).encode(x=alt.X("even", **ratio)),
        chart.mark_point(**TICK).encode(x=alt.X("nrr_before", **ratio)),
        chart.mark_point(**DIAMOND).encode(x=alt.X("grr", **ratio)),
    ]

    columns, right = (
        [("nrr", "NRR", BAR), ("grr", "GRR", DIAMOND), ("nrr_before", before, TICK)],
        0.0,
    )
    for column, title, mark in columns:
        right += max(36, 20 + 5.2 * len(title)) if is_narrow() else max(48, 26 + 5.2 * len(title))
        x = alt.XValue(alt.ExprRef(f"width + {right}"))
        texts = alt.Chart(frame.assign(label=frame[column].map(percent))).mark_text(align="right")
        head = alt.Chart(pd.DataFrame({"title": [title]})).encode(x=x, y=alt.YValue(-9))
        sign_of = mark | {"xOffset": -8 - 5.2 * len(title), "size": min(mark["size"], 90)}
        layers += [
            texts.encode(x=x, y=alt.Y("segment:O", sort=None), text=alt.Text("label:N")),
            head.mark_text(align="right", color=GREY).encode(text=alt.Text("title:N")),
            head.mark_point(**sign_of),
        ]
    high = 22 * len(frame) + 36
    return alt.layer(*layers, height=high, title=note, description=told, **fit())


@takes_columns("", "customers_share arr_share")
def concentration(frame: Frame, notes: Sequence[tuple[float, float, str]] = ()) -> ChartType:
    """Draw cumulative `arr_share` over `customers_share` (0 to 1, largest first) and an even split.

    `notes`: points of the curve to name, (customers_share, arr_share, text).
    """
    x = alt.X("customers_share", **ratio_axis(0, 1, title="Share of customers, largest first"))
    y = alt.Y("arr_share", **ratio_axis(0, 1, title="Share of ARR"))
    curve = alt.Chart(frame).encode(x=x, y=y)
    ends = pd.DataFrame({"customers_share": [0, 1], "arr_share": [0, 1]})
    layers = [
        curve.mark_area(color=SHADES[1]),
        alt.Chart(ends).mark_line(color=RULE, strokeDash=[4, 3], strokeWidth=1).encode(x=x, y=y),
        curve.mark_line(color=NAVY),
    ]

    if notes:
        named = pd.DataFrame(notes, columns=["customers_share", "arr_share", "text"])
        named["place"] = spaced_out((named["arr_share"] - 0.03).tolist(), 0.07)
        point = alt.Chart(named).encode(x=x)
        layers.append(point.mark_point(filled=True, color=BRICK, size=50, opacity=1).encode(y=y))
        text = point.encode(
            y=alt.Y("place", **ratio_axis(0, 1, title="Share of ARR")), text=alt.Text("text:N")
        )
        for halo in halos(SHADES[1]):
            right = text.transform_filter("datum.customers_share <= 0.6")
            left = text.transform_filter("datum.customers_share > 0.6")
            layers.append(right.mark_text(align="left", dx=10, fontSize=9, **halo))
            layers.append(left.mark_text(align="right", dx=-4, dy=12, fontSize=9, **halo))
    told = alternative.concentration(frame, notes)
    return alt.layer(*layers, height=200, description=told, **fit())


@takes_columns("period", "due renewed lost")
def renewals(frame: Frame, currency: str = "") -> ChartType:
    """Draw the amounts `due` by `period`; `renewed` and `lost` stacked inside (null: to come)."""
    names = {"renewed": "Renewed", "lost": "Lost", "due": "Not yet decided"}
    parts = frame.melt("period", list(names), "part", "amount").dropna(subset="amount")
    parts = parts.assign(part=parts["part"].map(names), lost=parts["part"] == "lost")
    fills = alt.Scale(domain=[*names.values()], range=[NAVY, BRICK, "white"])
    edges = alt.Scale(domain=[*names.values()], range=["white", "white", RULE])
    legend = alt.Legend(symbolStrokeWidth=1)

    x = period_axis(frame, {"padding": 0.2}, labelOverlap=True)
    _, most = bounds_of(frame["due"], (0.0, 1.0))
    scale = alt.Scale(domain=[0, 1.1 * max(most, 1e-9)], nice=False)  # room for a label on top
    y = alt.Y("amount:Q", stack="zero", axis=amount_axis(currency), scale=scale)
    step = room() / frame["period"].nunique()  # how far apart the bars are, somewhat less
    wide = min(48, 0.6 * step)
    bars = (
        alt.Chart(parts)
        .mark_bar(strokeWidth=1, size=wide)
        .encode(
            x=x,
            y=y,
            order=alt.Order("lost:N"),
            fill=alt.Fill("part:N", scale=fills, legend=legend),
            stroke=alt.Stroke("part:N", scale=edges, legend=legend),
        )
    )

    labels = [money(value, currency) for value in frame["due"]]
    dues = alt.Chart(frame.assign(label=labels)).mark_text(dy=-7, fontSize=min(8.5, step / 4))
    due = bars.transform_filter(f"datum.part == '{names['due']}'")
    done = bars.transform_filter(f"datum.part != '{names['due']}'")
    layers = [due, done, dues.encode(x=x, y=alt.Y("due:Q"), text=alt.Text("label:N"))]
    told = alternative.renewals(frame, currency)
    return alt.layer(*layers, height=210, description=told, **fit())
