"""Frames of what may happen in, Altair charts out; never computes a metric, never mutates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd
from altair.typing import ChartType

from nrrsim.notation import percent
from nrrsim.report.charts import alternative
from nrrsim.report.charts.style import (
    BRICK,
    GREY,
    HIGH,
    INK,
    NAVY,
    PALE,
    RIGHT,
    RULE,
    SERIES,
    TEAL,
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

DASHES = ([1, 0], [6, 3], [2, 2], [10, 4], [8, 3, 2, 3], [3, 3])


def _told_apart(
    names: Sequence[str], beside: Sequence[str] = ()
) -> tuple[alt.Color, alt.StrokeDash, int]:
    """Colour and dash by `name`, in order, with one legend above the chart, and its height.

    beside : a text for each name that stands behind it in the legend.
    """
    shown = dict(zip(names, map("{}: {}".format, names, beside), strict=True)) if beside else {}
    # as many beside each other as fit: a sign of 45 and some 5 a character
    columns = max(1, min(3, room() // (45 + 5 * max(map(len, shown.values() or names)))))
    legend = alt.Legend(
        labelLimit=room() / columns - 45,
        labelExpr=f"({json.dumps(shown)})[datum.label]" if shown else "datum.label",
        columns=columns,
        symbolType="stroke",
        symbolStrokeWidth=2,
        symbolSize=400,
        symbolOpacity=1,
    )
    colour = alt.Color(
        "name:N", scale=alt.Scale(domain=[*names], range=[*SERIES[: len(names)]]), legend=legend
    )
    dash = alt.StrokeDash(
        "name:N", scale=alt.Scale(domain=[*names], range=[*DASHES[: len(names)]]), legend=legend
    )
    return colour, dash, 18 * -(-len(names) // columns)


@takes_columns("name", "nrr density")
def distributions(
    frame: Frame, target: float | None = None, means: Sequence[float] = (), height: int = 150
) -> ChartType:
    """Draw how likely each NRR (ratio) is, a curve by `name` in the order given, the target dashed.

    `density`: any scale, the same for all. `means`: an NRR for each name, beside it in the legend.
    """
    names, high = list(dict.fromkeys(frame["name"])), float(frame["density"].max())
    x = alt.X(
        "nrr",
        **ratio_axis(
            *bounds_of(frame["nrr"], (0.9, 1.1)), ticks=int(room() // 55), grid=False, title="NRR"
        ),
    )
    # a target's label stands above the curves
    top = 1.2 if target is not None else 1.02
    y = alt.Y("density", axis=None, scale=alt.Scale(domain=[0, top * high], nice=False))
    colour, dash, above = _told_apart(names, [f"expected {percent(mean)}" for mean in means])

    layers = density_layers(alt.Chart(frame).encode(x=x, y=y), y, colour, dash)
    if target is not None:
        goal = pd.DataFrame({"nrr": [target], "label": [f"Target {percent(target)}"]})
        layers += goal_layers(alt.Chart(goal).encode(x=x))
    told = alternative.distributions(frame, target, means)
    return alt.layer(*layers, height=height + above, description=told, **fit())


@takes_columns("name", "nrr below")
def cumulative(frame: Frame) -> ChartType:
    """Draw how likely NRR (ratio) is to come out at or `below` each place, a stepped line by `name`
    in the order given, the first one wide.
    """
    names = list(dict.fromkeys(frame["name"]))
    ends = bounds_of(frame["nrr"], (0.9, 1.1))
    x = alt.X("nrr", **ratio_axis(*ends, ticks=int(room() // 55), grid=False, title="NRR"))
    y = alt.Y("below", **ratio_axis(0, 1, title="Probability of NRR at or below"))
    colour, dash, above = _told_apart(names)
    wide = alt.condition(alt.datum.name == names[0], alt.value(2.4), alt.value(1.2))
    lines = alt.Chart(frame).mark_line(interpolate="step-after")
    lines = lines.encode(x=x, y=y, color=colour, strokeDash=dash, strokeWidth=wide)
    told = alternative.cumulative(frame)
    return alt.layer(lines, height=170 + above, description=told, **fit())


def density_layers(
    curves: alt.Chart, y: alt.Y, colour: alt.Color, dash: alt.StrokeDash
) -> list[alt.Chart]:
    """The layers of curves that have their x and their `y`: a pale area under each line."""
    area = curves.mark_area(opacity=0.14, interpolate="monotone")
    line = curves.mark_line(interpolate="monotone", strokeWidth=1.8)
    return [
        area.encode(y=y.stack(None), color=colour),
        line.encode(color=colour, strokeDash=dash),
    ]


def goal_layers(at: alt.Chart, down: float = 7) -> list[alt.Chart]:
    """The layers of a target that has its x: a dashed rule, and its `label` so far below its top.

    down : pixels; less than 0 is above the picture, where a curve may reach up to its edge.
    """
    text = at.mark_text(align="left", dx=5, color=GREY)
    return [
        at.mark_rule(color=GREY, strokeDash=[5, 3]),
        text.encode(y=alt.YValue(down), text=alt.Text("label:N")),
    ]


@takes_columns("name period", "middle low high")
def fan(frame: Frame, currency: str | None = "", target: float | None = None) -> ChartType:
    """Draw `middle` by `period` with a band from `low` to `high`, a labelled line by `name`.

    Amounts in `currency`, or ratios where that is None. `target`: a dashed line.
    """
    names, periods = list(dict.fromkeys(frame["name"])), list(dict.fromkeys(frame["period"]))
    colour, dash, above = _told_apart(names)
    goal = pd.Series([] if target is None else [target], dtype=float)
    low, high = bounds_of(
        pd.concat([frame["low"], frame["high"], frame["middle"], goal]), (0.0, 1.0)
    )
    # amounts are read against zero, ratios against each other
    bottom, height = (low - 0.05 * (high - low) if currency is None else min(low, 0.0)), 165
    scale = alt.Scale(domain=[bottom, high + 0.05 * (high - bottom)], nice=False, zero=False)
    y: dict[str, Any] = {"type": "quantitative", "scale": scale}
    y["axis"] = ratio_axis(0, 1)["axis"] if currency is None else amount_axis(currency)
    x = alt.X(
        "period:O",
        title=None,
        scale=alt.Scale(domain=periods, type="point", padding=0.15),
        axis=alt.Axis(labelOverlap=True, labelSeparation=8),
    )

    # at the right end the lines' values and those of the target; of one or two also their ranges
    ends = frame[frame["period"] == periods[-1]]
    shown = ["middle", "low", "high"] if len(ends) <= 2 else ["middle"]
    ends = ends.melt("name", shown, "which", "at").dropna(subset="at")
    ends = ends[(ends["which"] == "middle") | ~ends.duplicated(["name", "at"])]
    ends = ends.assign(colour=ends["name"].map(dict(zip(names, SERIES, strict=False))), before="")
    if target is not None:
        aim = {"at": target, "which": "target", "colour": GREY, "before": "Target "}
        ends = pd.concat([ends, pd.DataFrame([aim])], ignore_index=True)
    ends = ends.assign(
        label=[
            before + amount_text(value, currency)
            for before, value in zip(ends["before"], ends["at"], strict=True)
        ],
        place=spaced_out(ends["at"].tolist(), 12 * (high - bottom) / height),
    )
    # many labels of lines that end together stay below the legend
    ends["place"] -= max(0.0, float(ends["place"].max()) - high)
    text = alt.Chart(ends).encode(
        x=RIGHT,
        y=alt.Y("place", **y),
        text=alt.Text("label:N"),
        color=alt.Color("colour:N", scale=None),
    )
    middles = text.transform_filter("datum.which == 'middle'")
    edges = text.transform_filter("datum.which != 'middle'")
    layers = [
        *fan_layers(alt.Chart(frame).encode(x=x), y, colour, dash),
        middles.mark_text(align="left", dx=6, fontSize=9, fontWeight="bold"),
        edges.mark_text(align="left", dx=6, fontSize=8),
    ]

    # a line that ends before the others has its last value there
    last = frame.dropna(subset=["middle"]).groupby("name", sort=False).tail(1)
    last = last[last["period"] != periods[-1]]
    inner = alt.Chart(last.assign(label=[amount_text(v, currency) for v in last["middle"]]))
    inner = inner.encode(x=x, y=alt.Y("middle", **y), text=alt.Text("label:N"), color=colour)
    layers += [inner.mark_text(dy=-9, fontSize=9, fontWeight="bold", **halo) for halo in halos()]

    if target is not None:
        at = alt.Chart(pd.DataFrame({"at": [target]}))
        rule = at.mark_rule(color=GREY, strokeDash=[5, 3]).encode(y=alt.Y("at", **y))
        layers.insert(0, rule)
    told = alternative.fan(frame, currency, target)
    return alt.layer(*layers, height=height + above, description=told, **fit())


def fan_layers(
    chart: alt.Chart, y: dict[str, Any], colour: alt.Color, dash: alt.StrokeDash
) -> list[alt.Chart]:
    """The layers of ranges that have their x: a band from `low` to `high`, a line at `middle`."""
    band = chart.mark_area(opacity=0.15).encode(
        y=alt.Y("low", **y), y2=alt.Y2("high"), color=colour
    )
    line = chart.mark_line(strokeWidth=1.8).encode(y=alt.Y("middle", **y))
    return [band, line.encode(color=colour, strokeDash=dash)]


@takes_columns("name", "low high", seen=34)
def tornado(frame: Frame, base: float) -> ChartType:
    """Draw what each assumption does to NRR (ratio), by `name` in the order given.

    A bar from `base` to NRR at its low end (`low`, light) and one to NRR at its high end (`high`,
    dark), both values at their ends.
    """
    names = list(dict.fromkeys(frame["name"]))
    long = frame.melt("name", ["low", "high"], "end", "nrr").assign(base=base)
    long["away"], long["right"] = (long["nrr"] - base).abs(), long["nrr"] >= base
    # the longer bar first: where both are on one side, the shorter stands before it
    long = long.sort_values("away", ascending=False, kind="stable", ignore_index=True)
    sides = long.dropna(subset=["nrr"]).groupby(["name", "right"], sort=False)
    labels = sides.agg(nrr=("nrr", "first"), least=("nrr", "min"), most=("nrr", "max"))
    # of two on one side both values stand at the longer bar's end
    labels["label"] = [
        percent(least) if sides_of == 1 else f"{percent(least)} / {percent(most)}"
        for least, most, sides_of in zip(labels["least"], labels["most"], sides.size(), strict=True)
    ]

    low, high = visible_range(long["nrr"], pd.Series([base]))
    beside = min(170, 0.45 * room())  # for the names; and for a value at either end of the bars
    air = (36 if len(labels) == len(long) else 72) / (room() - beside) * (high - low)
    ratio = ratio_axis(low - air, high + air, grid=False)
    font = 8 if is_narrow() else 8.5
    axis = alt.Axis(labelLimit=beside, labelOverlap=False, labelFontSize=font)
    y = alt.Y("name:O", title=None, sort=names, scale=alt.Scale(domain=names), axis=axis)

    fills = alt.Scale(domain=["low", "high"], range=[TEAL, NAVY])
    legend = alt.Legend(
        labelExpr="(datum.label == 'low' ? 'Low' : 'High') + ' end of the assumption'",
        symbolType="square",
        columns=1 if is_narrow() else 2,
    )
    x = alt.X("nrr", **ratio)
    bars = (
        alt.Chart(long).encode(y=y, x=alt.X("base", **ratio), x2=alt.X2("nrr")).mark_bar(height=11)
    )
    rule = alt.Chart(pd.DataFrame({"base": [base]})).mark_rule(color=GREY)
    text = alt.Chart(labels.reset_index()).encode(y=y, x=x, text=alt.Text("label:N"))
    layers = [
        bars.encode(color=alt.Color("end:N", scale=fills, legend=legend)),
        rule.encode(x=alt.X("base", **ratio)),
        text.transform_filter("datum.right").mark_text(align="left", dx=4),
        text.transform_filter("!datum.right").mark_text(align="right", dx=-4),
    ]
    told = alternative.tornado(frame, base)
    return alt.layer(*layers, height=20 * len(names) + 40, description=told, **fit())


@takes_columns("period", "p05 p10 p50 p90 p95 actual")
def intervals(frame: Frame) -> ChartType:
    """Draw forecasts of a ratio by `period`, and what happened.

    Light from `p05` to `p95`, dark from `p10` to `p90`, a tick at `p50`; `actual` is a dot, or a
    hollow diamond where it lies outside the dark part.
    """
    kinds = {True: "Actual", False: "Actual, outside the 80% range"}
    data = frame.assign(kind=frame["actual"].between(frame["p10"], frame["p90"]).map(kinds))
    low, high = visible_range(frame["p05"], frame["p95"], frame["actual"])
    y = ratio_axis(low, high)
    wide = min(26.0, 0.64 * room() / max(frame["period"].nunique(), 1))
    chart = alt.Chart(data).encode(x=period_axis(frame, {"padding": 0.3}, labelOverlap=True))

    parts = {"90% range": PALE, "80% range": HIGH, "Median": NAVY}
    fills = alt.Scale(domain=[*parts], range=[*parts.values()])
    legend = alt.Legend(symbolType="square", symbolOpacity=1, symbolStrokeWidth=0.5)
    colour = alt.Color("part:N", scale=fills, legend=legend)

    def part(name: str) -> alt.Chart:
        return chart.encode(color=colour).transform_calculate(part=f"'{name}'")

    def by_kind(inside: str, outside: str) -> alt.Scale:
        return alt.Scale(domain=[*kinds.values()], range=[inside, outside])

    dots = chart.transform_filter("isValid(datum.actual)").encode(
        y=alt.Y("actual", **y),
        shape=alt.Shape("kind:N", scale=by_kind("circle", "diamond")),
        fill=alt.Fill("kind:N", scale=by_kind(INK, "white")),
        stroke=alt.Stroke("kind:N", scale=by_kind(INK, BRICK)),
    )
    layers = [
        part("90% range")
        .mark_bar(size=wide, stroke=RULE, strokeWidth=0.5)
        .encode(y=alt.Y("p05", **y), y2=alt.Y2("p95")),
        part("80% range").mark_bar(size=wide).encode(y=alt.Y("p10", **y), y2=alt.Y2("p90")),
        part("Median").mark_tick(size=wide, thickness=1.5).encode(y=alt.Y("p50", **y)),
        dots.mark_point(size=55, opacity=1),
    ]
    told = alternative.intervals(frame)
    return alt.layer(*layers, height=200, description=told, **fit())


@takes_columns("", "low high count")
def histogram(frame: Frame) -> ChartType:
    """Draw `count` of what fell between `low` and `high` (0 to 1), the even count as a line."""
    x = alt.X("low:Q", title="Percentile of the forecast", axis=alt.Axis(format=".0%"))
    x = x.scale(domain=[0, 1])
    y = alt.Y("count:Q", title="Actual figures", axis=alt.Axis(tickMinStep=1))
    bars = (
        alt.Chart(frame)
        .mark_bar(color=NAVY, stroke="white")
        .encode(x=x, x2=alt.X2("high"), y=y, y2=alt.Y2Datum(0))
    )
    mean = float(frame["count"].mean())
    even = alt.Chart(pd.DataFrame({"even": [mean], "label": [f"Evenly spread: {mean:.3g}"]}))
    even = even.encode(y=alt.Y("even:Q"))
    rule = even.mark_rule(color=GREY, strokeDash=[5, 3])
    text = even.mark_text(align="left", dx=6, color=GREY).encode(x=RIGHT, text=alt.Text("label:N"))
    told = alternative.histogram(frame)
    return alt.layer(bars, rule, text, height=140, description=told, **fit())
