"""A currency in, the what-if panel's charts without rows out; never computes a metric.

They are made of the layers of the printed ones: here a page puts the rows in, and moves them.
"""

from __future__ import annotations

from typing import Any

import altair as alt
from altair.typing import ChartType

from nrrsim.report.charts.outlook import density_layers, fan_layers, goal_layers
from nrrsim.report.charts.retention import change_axis, step_layers
from nrrsim.report.charts.style import (
    SERIES,
    amount_axis,
    fit,
    theme,
)

# The panel's pictures change their rows, and with them how much room the labels take.
REFIT: dict[str, Any] = fit() | {
    "autosize": alt.AutoSizeParams(type="fit", contains="padding", resize=True)
}


def live(currency: str = "") -> dict[str, dict[str, Any]]:
    """The Vega-Lite of a what-if's pictures, in the house theme; a page puts their rows in later.

    `curve`: how likely each NRR is; data `curve` (series, nrr, density) and `goal` (nrr, label).
    `bridge`: from one NRR to another; data `bridge` (step, kind, lower, upper, end, next, label,
    place). `fan`: ARR in `currency` by month; data `fan` (series, month, low, middle, high). A
    series is `now` or `base`.
    """
    drawn = {"curve": _live_curve(), "bridge": _live_bridge(), "fan": _live_fan(currency)}
    return {name: {**chart.to_dict(), **theme()} for name, chart in drawn.items()}


def _series() -> tuple[alt.Color, alt.StrokeDash]:
    order = ["now", "base"]
    colour = alt.Color("series:N", legend=None, scale=alt.Scale(domain=order, range=[*SERIES[:2]]))
    return colour, alt.StrokeDash(
        "series:N", legend=None, scale=alt.Scale(domain=order, range=[[1, 0], [6, 3]])
    )


def _named(name: str) -> alt.Chart:
    return alt.Chart(alt.NamedData(name))


def _live_curve() -> ChartType:
    axis = alt.Axis(format=".0%", tickCount=8)
    x = alt.X("nrr:Q", title="NRR", axis=axis, scale=alt.Scale(zero=False, nice=False))
    y = alt.Y("density:Q", axis=None)
    layers = density_layers(_named("curve").encode(x=x, y=y), y, *_series())
    return alt.layer(
        *layers, *goal_layers(_named("goal").encode(x=x), down=-8), height=140, **REFIT
    )


def _live_bridge() -> ChartType:
    label = alt.Axis(
        title=None, labelExpr="split(datum.label, ' ')", labelFontSize=8, labelOverlap=False
    )
    steps = alt.Scale(paddingInner=0.3, paddingOuter=0.15)
    axis = change_axis(None, 4)
    scale = alt.Scale(zero=False, nice=False, padding=14)

    def at(field: str, to: str | None = None, next_step: str | None = None) -> dict[str, Any]:
        band = 1 if next_step else 0.5
        step = alt.X("step:O", sort=None, axis=label, scale=steps, bandPosition=band)
        ends: dict[str, Any] = {"y2": alt.Y2(f"{to}:Q")} if to else {}
        if next_step:
            ends = {"x2": alt.X2(f"{next_step}:O", bandPosition=0)}
        return {"x": step, "y": alt.Y(f"{field}:Q", axis=axis, scale=scale)} | ends

    chart = _named("bridge")
    labels = chart.mark_text(dy=-7).encode(**at("place"), text=alt.Text("label:N"))
    return alt.layer(*step_layers(chart, at), labels, height=150, **REFIT)


def _live_fan(currency: str) -> ChartType:
    axis = alt.Axis(tickMinStep=1, grid=False)
    x = alt.X("month:Q", title="Months from now", axis=axis, scale=alt.Scale(nice=False))
    y: dict[str, Any] = {"type": "quantitative", "axis": amount_axis(currency)}
    y["scale"] = alt.Scale(zero=False, padding=6)
    layers = fan_layers(_named("fan").encode(x=x), y, *_series())
    return alt.layer(*layers, height=130, **REFIT)
