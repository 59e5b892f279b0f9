"""Frames of accounts and of a pipeline in, Altair charts out; never scores an account, never
mutates.
"""

from __future__ import annotations

import altair as alt
import pandas as pd
from altair.typing import ChartType

from nrrsim.notation import money, points, share
from nrrsim.report.charts import alternative
from nrrsim.report.charts.style import (
    AMBER,
    BRICK,
    FAINT,
    GREY,
    NAVY,
    Frame,
    amount_axis,
    bounds_of,
    fit,
    is_narrow,
    period_axis,
    ratio_axis,
    room,
    takes_columns,
)

WIDEST = 48  # of a bar


@takes_columns("name", "predicted observed")
def calibration(frame: Frame) -> ChartType:
    """Draw by band (`name`) the share that left (`observed`), a bar, and the one `predicted`, a
    tick; shares are from 0 to 1.
    """
    both = pd.concat([frame["predicted"], frame["observed"]])
    most = max(1.15 * bounds_of(both, (0.0, 1.0))[1], 0.01)  # room for a label on top
    axis = ratio_axis(0, most, ticks=4, grid=False)
    wide = min(WIDEST, 0.5 * room() / len(frame))
    names = alt.Scale(domain=frame["name"].tolist(), padding=0.3)
    x = alt.X("name:O", title=None, scale=names, axis=alt.Axis(labelOverlap=True))
    parts = {"Left": NAVY, "Predicted": AMBER}
    legend = alt.Legend(symbolType="square", symbolOpacity=1, symbolStrokeWidth=0)
    fills = alt.Scale(domain=[*parts], range=[*parts.values()])
    colour = alt.Color("part:N", scale=fills, legend=legend)
    chart = alt.Chart(frame.assign(label=frame["observed"].map(share))).encode(x=x)
    bars = chart.transform_calculate(part="'Left'").mark_bar(size=wide)
    ticks = chart.transform_calculate(part="'Predicted'").mark_tick(size=wide + 10, thickness=2.5)
    # above whichever of the two is higher
    top = chart.transform_calculate(top="max(datum.observed || 0, datum.predicted || 0)")
    layers = [
        bars.encode(y=alt.Y("observed:Q", **axis), y2=alt.Y2Datum(0), color=colour),
        ticks.encode(y=alt.Y("predicted:Q", **axis), color=colour),
        top.mark_text(dy=-8).encode(y=alt.Y("top:Q", **axis), text=alt.Text("label:N")),
    ]
    return alt.layer(*layers, height=170, description=alternative.calibration(frame), **fit())


@takes_columns("period", "arr_at_risk")
def at_risk(frame: Frame, currency: str = "") -> ChartType:
    """Draw `arr_at_risk` of the renewals of each `period`, in its order."""
    _, most = bounds_of(frame["arr_at_risk"], (0.0, 1.0))
    scale = alt.Scale(domain=[0, 1.1 * max(most, 1e-9)], nice=False)
    y = alt.Y("arr_at_risk:Q", axis=amount_axis(currency), scale=scale)
    step = room() / frame["period"].nunique()
    labels = [money(value, currency) for value in frame["arr_at_risk"]]
    chart = alt.Chart(frame.assign(label=labels)).encode(
        x=period_axis(frame, {"padding": 0.2}, labelOverlap=True), y=y
    )
    bars = chart.mark_bar(color=BRICK, size=min(WIDEST, 0.6 * step))
    text = chart.mark_text(dy=-7, fontSize=min(8.5, step / 4)).encode(text=alt.Text("label:N"))
    told = alternative.at_risk(frame, currency)
    return alt.layer(bars, text, height=170, description=told, **fit())


@takes_columns("name", "difference low high", seen=34)
def effects(frame: Frame, currency: str | None = None) -> ChartType:
    """Draw by action (`name`) by how much more of the treated left than of the others
    (`difference`, a dot) and its range from `low` to `high`; left of 0 fewer left.
    """
    names = list(dict.fromkeys(frame["name"]))
    ends = pd.concat([frame["low"], frame["high"], pd.Series([0.0])])
    low, high = bounds_of(ends, (-0.1, 0.1))
    air = max(0.08 * (high - low), 0.01)
    in_points = "(datum.value ? datum.label : '0%')"
    expression = f"replace({in_points}, '%', ' pts')"
    ratio = ratio_axis(low - air, high + air, format="+.0%", labelExpr=expression)
    beside = min(170, 0.45 * room())
    axis = alt.Axis(labelLimit=beside, labelFontSize=8 if is_narrow() else 8.5)
    y = alt.Y("name:O", title=None, sort=names, scale=alt.Scale(domain=names), axis=axis)
    labels = [points(each) for each in frame["difference"]]
    chart = alt.Chart(frame.assign(label=labels)).encode(y=y, x=alt.X("difference", **ratio))
    rule = alt.Chart(pd.DataFrame({"none": [0.0]})).mark_rule(color=GREY)
    bars = chart.encode(x=alt.X("low", **ratio), x2=alt.X2("high"))
    layers = [
        rule.encode(x=alt.X("none:Q", **ratio)),
        bars.mark_rule(color=NAVY, strokeWidth=2),
        chart.mark_point(color=NAVY, filled=True, size=50, opacity=1),
        chart.mark_text(dy=-10, fontSize=8.5).encode(text=alt.Text("label:N")),
    ]
    told = alternative.effects(frame)
    return alt.layer(*layers, height=36 * len(names) + 30, description=told, **fit())


@takes_columns("period", "arr weighted booked")
def pipeline(frame: Frame, currency: str = "") -> ChartType:
    """Draw open expansion (`arr`) by `period`, a bar, in it what that is worth (`weighted`), and
    what the period `booked` a year before, a tick.
    """
    parts = {"Open": FAINT, "Weighted": NAVY, "Booked a year ago": AMBER}
    _, most = bounds_of(pd.concat([frame["arr"], frame["booked"]]), (0.0, 1.0))
    scale = alt.Scale(domain=[0, 1.1 * max(most, 1e-9)], nice=False)
    axis = amount_axis(currency)
    wide = min(WIDEST, 0.5 * room() / frame["period"].nunique())
    legend = alt.Legend(symbolType="square", symbolOpacity=1, symbolStrokeWidth=0)
    fills = alt.Scale(domain=[*parts], range=[*parts.values()])
    colour = alt.Color("part:N", scale=fills, legend=legend)
    labels = [money(value, currency) for value in frame["arr"]]
    chart = alt.Chart(frame.assign(label=labels)).encode(
        x=period_axis(frame, {"padding": 0.2}, labelOverlap=True)
    )

    def amount(name: str) -> alt.Y:
        return alt.Y(f"{name}:Q", axis=axis, scale=scale)

    open_ = chart.transform_calculate(part="'Open'").mark_bar(size=wide)
    worth = chart.transform_calculate(part="'Weighted'").mark_bar(size=0.55 * wide)
    before = chart.transform_calculate(part="'Booked a year ago'")
    ticks = before.mark_tick(size=wide + 10, thickness=2.5)
    text = chart.mark_text(dy=-7).encode(text=alt.Text("label:N"))
    layers = [
        open_.encode(y=amount("arr"), color=colour),
        worth.encode(y=amount("weighted"), color=colour),
        ticks.encode(y=amount("booked"), color=colour),
        text.encode(y=amount("arr")),
    ]
    told = alternative.pipeline(frame, currency)
    return alt.layer(*layers, height=190, description=told, **fit())
