"""Frames of several entities in, Altair charts out; never computes a metric, never mutates."""

from __future__ import annotations

from typing import cast

import altair as alt
import pandas as pd
from altair.typing import ChartType

from nrrsim.notation import percent
from nrrsim.report.charts import alternative
from nrrsim.report.charts.style import (
    BRICK,
    FAINT,
    GREY,
    HIGH,
    NAVY,
    PALE,
    Frame,
    bounds_of,
    fit,
    ratio_axis,
    room,
    takes_columns,
    visible_range,
)

MOST_DRAWN = 24  # rows that a page has room for
ROW, TALL, FEW = 22, 34, 8  # how high one is, and where there are few


@takes_columns("name month", "nrr")
def sparklines(frame: Frame) -> ChartType:
    """Draw NRR of each `name` by `month` as a line of its own, all to one scale, 100% dotted.

    Its first and last value stand beside it. Of more than MOST_DRAWN the first ones are drawn.
    """
    told = alternative.sparklines(frame)
    names, number = list(dict.fromkeys(frame["name"])), frame["name"].nunique()
    names = names[:MOST_DRAWN]
    note = f"The first {MOST_DRAWN} of {number}; the table has all" if number > MOST_DRAWN else ""
    frame = frame[frame["name"].isin(names)].dropna(subset=["nrr"])
    low, high = bounds_of(frame["nrr"], (0.9, 1.1))
    low, high = min(low, 1.0), max(high, 1.0)
    # each row is one unit high, and its line fills most of it
    scale = 0.8 / max(high - low, 0.02)
    place = {name: float(at) for at, name in enumerate(names)}
    row = frame["name"].map(place)
    data = frame.assign(y=row + 0.9 - (frame["nrr"] - low) * scale, row=row)
    data["text"] = data["nrr"].map(percent)
    months = sorted(data["month"].unique())
    x = alt.X(
        "month:O",
        title=None,
        scale=alt.Scale(domain=months, padding=0.1),
        axis=alt.Axis(values=[months[0], months[-1]], labelExpr=_MONTH) if months else None,
    )
    y = alt.Y("y:Q", scale=alt.Scale(domain=[len(names), 0], nice=False), axis=None)
    even = pd.DataFrame({"y": [at + 0.9 - (1.0 - low) * scale for at in place.values()]})
    chart = alt.Chart(data).encode(x=x, y=y, detail="name:N")
    last = data.groupby("name", sort=False).tail(1)
    first = data.groupby("name", sort=False).head(1)
    heads = pd.DataFrame({"name": names, "y": [at + 0.55 for at in place.values()]})
    side = min(130.0, 0.34 * room())
    right, left = alt.XValue(alt.ExprRef("width + 44")), alt.XValue(-52)
    text = alt.Text("text:N")
    layers = [
        alt.Chart(even).mark_rule(color=FAINT, strokeDash=[2, 2]).encode(y=y),
        chart.mark_line(color=NAVY, strokeWidth=1.4),
        alt.Chart(last).mark_point(color=NAVY, filled=True, size=22, opacity=1).encode(x=x, y=y),
        alt.Chart(heads)
        .mark_text(align="left", limit=side - 8)
        .encode(x=alt.XValue(-52 - side), y=y, text=alt.Text("name:N")),
        alt.Chart(first.assign(y=first["row"] + 0.55))
        .mark_text(align="left", color=GREY)
        .encode(x=left, y=y, text=text),
        alt.Chart(last.assign(y=last["row"] + 0.55))
        .mark_text(align="right", fontWeight="bold")
        .encode(x=right, y=y, text=text),
    ]
    height = (TALL if len(names) <= FEW else ROW) * len(names) + 24
    return alt.layer(*layers, height=height, title=note, description=told, **fit())


_MONTH = (
    "split('Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec', ',')"
    "[toNumber(substring(datum.label, 5)) - 1] + ' ' + substring(datum.label, 0, 4)"
)


@takes_columns("name", "nrr p05 p10 p50 p90 p95 target")
def standings(frame: Frame) -> ChartType:
    """Draw NRR of each `name` as a dot, next year's forecast as a bar, and its `target`.

    Dark from `p10` to `p90` with a tick at `p50`, a thin line from `p05` to `p95`; null is not
    drawn. Of more than MOST_DRAWN the first ones are drawn.
    """
    told, number = alternative.standings(frame), frame["name"].nunique()
    frame = frame[:MOST_DRAWN]
    note = f"The first {MOST_DRAWN} of {number}; the table has all" if number > MOST_DRAWN else ""
    even = pd.Series([1.0])
    measured = [frame[name] for name in ("nrr", "p05", "p95", "target")]
    ratio = ratio_axis(*visible_range(*measured, even))
    names = alt.Axis(labelLimit=min(130, 0.34 * room()), labelOverlap=False)
    chart = alt.Chart(frame).encode(y=alt.Y("name:O", title=None, sort=None, axis=names))
    ahead = chart.transform_filter("isValid(datum.p50)")
    parts = {"80% range a year on": HIGH, "Median": NAVY, "NRR now": "#0E1116", "Target": BRICK}
    kinds = ("square", "stroke", "circle", "triangle-down")
    shapes = dict(zip(parts, kinds, strict=True))
    fills = alt.Scale(domain=[*parts], range=[*parts.values()])
    marks = alt.Scale(domain=[*shapes], range=[*shapes.values()])
    legend = alt.Legend(symbolOpacity=1, symbolStrokeWidth=1.4)
    fill = alt.Fill("part:N", scale=fills, legend=legend)
    stroke = alt.Stroke("part:N", scale=fills, legend=legend)
    shape = alt.Shape("part:N", scale=marks, legend=legend)

    def point(column: str, part: str, size: int) -> alt.Chart:
        there = chart.transform_filter(f"isValid(datum.{column})")
        there = there.transform_calculate(part=f"'{part}'")
        at = there.encode(x=alt.X(column, **ratio), fill=fill, stroke=stroke, shape=shape)
        return cast(alt.Chart, at.mark_point(opacity=1, size=size))

    layers = [
        alt.Chart(even.to_frame("even")).mark_rule(color=GREY).encode(x=alt.X("even", **ratio)),
        ahead.mark_rule(color=HIGH, strokeWidth=1.2).encode(
            x=alt.X("p05", **ratio), x2=alt.X2("p95")
        ),
        ahead.mark_bar(color=HIGH, height=9, stroke=PALE).encode(
            x=alt.X("p10", **ratio), x2=alt.X2("p90")
        ),
        ahead.mark_tick(color=NAVY, thickness=2, size=11).encode(x=alt.X("p50", **ratio)),
        point("target", "Target", 40),
        point("nrr", "NRR now", 34),
    ]
    high = ROW * len(frame) + 40
    return alt.layer(*layers, height=high, title=note, description=told, **fit())
