"""Frames of what may happen in, Altair charts out; never computes a metric, never mutates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd
from altair.typing import ChartType

from nrrsim.notation import percent
from nrrsim.report.charts.style import (
    AMBER,
    BRICK,
    FIT,
    GREY,
    HIGH,
    INK,
    NAVY,
    PALE,
    RIGHT,
    TEAL,
    TEAL_TEXT,
    WIDTH,
    Frame,
    amount_axis,
    amount_text,
    bounds_of,
    period_axis,
    ratio_axis,
    spaced_out,
    takes_columns,
    visible_range,
)

MOST_LABELS = 3
SERIES = (NAVY, TEAL_TEXT, AMBER, BRICK, GREY, INK)
DASHES = ([1, 0], [6, 3], [2, 2], [10, 4], [8, 3, 2, 3], [3, 3])


def _told_apart(names: Sequence[str]) -> tuple[alt.Color, alt.StrokeDash, int]:
    """Colour and dash by `name`, in order, with one legend above the chart, and its height."""
    # as many beside each other as fit: a sign of 45 and some 5 a character
    columns = max(1, min(3, WIDTH // (45 + 5 * max(map(len, names)))))
    wide = WIDTH / columns - 45
    legend = alt.Legend(
        labelLimit=wide,
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

    `density`: any scale, the same for all. `means`: an NRR for each name, printed above its curve
    where they are few.
    """
    names, high = list(dict.fromkeys(frame["name"])), float(frame["density"].max())
    x = alt.X(
        "nrr", **ratio_axis(*bounds_of(frame["nrr"], (0.9, 1.1)), ticks=8, grid=False, title="NRR")
    )
    y = alt.Y("density", axis=None, scale=alt.Scale(domain=[0, 1.3 * high], nice=False))
    colour, dash, above = _told_apart(names)

    layers = density_layers(alt.Chart(frame).encode(x=x, y=y), y, colour, dash)
    if target is not None:
        goal = pd.DataFrame({"nrr": [target], "label": [f"Target {percent(target)}"]})
        layers += goal_layers(alt.Chart(goal).encode(x=x))

    if 0 < len(means) <= MOST_LABELS:
        peak = frame.groupby("name", sort=False)["density"].max()
        labels = pd.DataFrame(
            {"name": names, "nrr": means, "density": [peak[name] for name in names]}
        )
        labels = labels.sort_values("nrr", ignore_index=True)
        where, heights = labels["nrr"].tolist(), labels["density"].tolist()
        near = 0.09 * float(frame["nrr"].max() - frame["nrr"].min())  # one label wide
        for row in range(1, len(where)):  # a label that would cover the one before stands above it
            apart = abs(heights[row] - heights[row - 1])
            if where[row] - where[row - 1] < near and apart < 0.1 * high:
                heights[row] = heights[row - 1] + 0.1 * high
        labels["density"] = heights

        text = alt.Chart(labels.assign(label=labels["nrr"].map(percent))).encode(
            x=x, y=y, text="label:N"
        )
        layers.append(text.mark_text(dy=-8, fontWeight="bold", stroke="white", strokeWidth=4))
        layers.append(text.mark_text(dy=-8, fontWeight="bold").encode(color=colour))
    return alt.layer(*layers).properties(height=height + above, **FIT)


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
        text.encode(y=alt.value(down), text="label:N"),
    ]


@takes_columns("name period", "middle low high")
def fan(frame: Frame, currency: str | None = "USD", target: float | None = None) -> ChartType:
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
    bottom, height = (min(low, 0.0) if currency else low - 0.05 * (high - low)), 165
    scale = alt.Scale(domain=[bottom, high + 0.05 * (high - bottom)], nice=False, zero=False)
    y: dict[str, Any] = {"type": "quantitative", "scale": scale}
    y["axis"] = amount_axis(currency) if currency else ratio_axis(0, 1)["axis"]
    x = alt.X(
        "period:O",
        title=None,
        scale=alt.Scale(domain=periods, type="point", padding=0.15),
        axis=alt.Axis(labelOverlap=True, labelSeparation=8),
    )

    base = alt.Chart(frame).encode(x=x)

    ends = frame[frame["period"] == periods[-1]]
    ends = ends.assign(
        label=[amount_text(value, currency) for value in ends["middle"]],
        place=spaced_out(ends["middle"].tolist(), 12 * (high - bottom) / height),
    )
    text = alt.Chart(ends).mark_text(align="left", dx=6, fontSize=9, fontWeight="bold")

    layers = [
        *fan_layers(base, y, colour, dash),
        text.encode(x=RIGHT, y=alt.Y("place", **y), text="label:N", color=colour),
    ]

    if target is not None:
        at = alt.Chart(
            pd.DataFrame({"at": [target], "label": [f"Target {amount_text(target, currency)}"]})
        )
        layers.append(at.mark_rule(color=GREY, strokeDash=[5, 3]).encode(y=alt.Y("at", **y)))
        text = at.mark_text(align="left", dx=4, dy=-6, color=GREY)
        layers.append(text.encode(x=alt.value(0), y=alt.Y("at", **y), text="label:N"))
    return alt.layer(*layers).properties(height=height + above, **FIT)


def fan_layers(
    chart: alt.Chart, y: dict[str, Any], colour: alt.Color, dash: alt.StrokeDash
) -> list[alt.Chart]:
    """The layers of ranges that have their x: a band from `low` to `high`, a line at `middle`."""
    band = chart.mark_area(opacity=0.15).encode(y=alt.Y("low", **y), y2="high", color=colour)
    line = chart.mark_line(strokeWidth=1.8).encode(y=alt.Y("middle", **y))
    return [band, line.encode(color=colour, strokeDash=dash)]


@takes_columns("name", "low high", seen=34)
def tornado(frame: Frame, base: float) -> ChartType:
    """Draw what each belief does to NRR (ratio), by `name` in the order given.

    A bar from `base` to NRR at its P5 (`low`, light) and one to NRR at its P95 (`high`, dark), both
    values at their ends.
    """
    long = frame.melt("name", ["low", "high"], "end", "nrr").assign(base=base)
    long["label"], long["right"] = long["nrr"].map(percent), long["nrr"] >= base

    low, high = visible_range(long["nrr"], pd.Series([base]))
    air = 0.12 * (high - low)
    ratio = ratio_axis(low - air, high + air, grid=False)
    names = alt.Axis(labelLimit=170, labelOverlap=False)
    chart = alt.Chart(long).encode(y=alt.Y("name:O", title=None, sort=None, axis=names))

    fills = alt.Scale(domain=["low", "high"], range=[TEAL, NAVY])
    legend = alt.Legend(
        labelExpr="'Belief at its ' + (datum.label == 'low' ? 'P5' : 'P95')", symbolType="square"
    )
    x = alt.X("nrr", **ratio)
    bars = chart.mark_bar(height=11).encode(x=alt.X("base", **ratio), x2="nrr")
    rule = alt.Chart(pd.DataFrame({"base": [base]})).mark_rule(color=GREY)
    right = chart.transform_filter("datum.right").mark_text(align="left", dx=4)
    left = chart.transform_filter("!datum.right").mark_text(align="right", dx=-4)
    layers = [
        bars.encode(color=alt.Color("end:N", scale=fills, legend=legend)),
        rule.encode(x=alt.X("base", **ratio)),
        right.encode(x=x, text="label:N"),
        left.encode(x=x, text="label:N"),
    ]
    return alt.layer(*layers).properties(height=20 * frame["name"].nunique() + 40, **FIT)


@takes_columns("period", "p05 p10 p50 p90 p95 actual")
def intervals(frame: Frame) -> ChartType:
    """Draw forecasts of a ratio by `period`, and what happened.

    Light from `p05` to `p95`, dark from `p10` to `p90`, a tick at `p50`; `actual` is a dot, or a
    hollow diamond where it lies outside the dark part.
    """
    data = frame.assign(inside=frame["actual"].between(frame["p10"], frame["p90"]))
    low, high = visible_range(frame["p05"], frame["p95"], frame["actual"])
    y = ratio_axis(low, high)
    wide = min(26.0, 300 / max(frame["period"].nunique(), 1))
    chart = alt.Chart(data).encode(x=period_axis(frame, {"padding": 0.3}, labelOverlap=True))
    dots = chart.encode(y=alt.Y("actual", **y))
    layers = [
        chart.mark_bar(color=PALE, size=wide).encode(y=alt.Y("p05", **y), y2="p95"),
        chart.mark_bar(color=HIGH, size=wide).encode(y=alt.Y("p10", **y), y2="p90"),
        chart.mark_tick(color=NAVY, size=wide, thickness=1.5).encode(y=alt.Y("p50", **y)),
        dots.transform_filter("datum.inside").mark_point(
            color=INK, filled=True, size=45, opacity=1
        ),
        dots.transform_filter("!datum.inside").mark_point(
            shape="diamond", color=BRICK, fill="white", size=70, opacity=1
        ),
    ]
    return alt.layer(*layers).properties(height=200, **FIT)


@takes_columns("", "low high count")
def histogram(frame: Frame) -> ChartType:
    """Draw `count` of what fell between `low` and `high` (0 to 1), the even count as a line."""
    x = alt.X("low:Q", title="Where the outcome lay in its forecast", axis=alt.Axis(format=".0%"))
    x = x.scale(domain=[0, 1])
    bars = (
        alt.Chart(frame)
        .mark_bar(color=NAVY, stroke="white")
        .encode(x=x, x2="high", y=alt.Y("count:Q", title=None), y2=alt.datum(0))
    )
    even = alt.Chart(pd.DataFrame({"even": [float(frame["count"].mean())]})).mark_rule(
        color=GREY, strokeDash=[5, 3]
    )
    return alt.layer(bars, even.encode(y="even:Q")).properties(height=140, **FIT)
