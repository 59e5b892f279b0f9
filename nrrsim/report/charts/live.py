"""A currency in, the what-if panel's charts without rows out; never computes a metric."""

from __future__ import annotations

from typing import Any

import altair as alt
from altair.typing import ChartType

from nrrsim.report.charts.style import (
    BRICK,
    FIT,
    GREY,
    NAVY,
    RULE,
    TEAL,
    TEAL_TEXT,
    amount_axis,
    theme,
)

# The panel's pictures change their rows, and with them how much room the labels take.
REFIT: dict[str, Any] = FIT | {
    "autosize": alt.AutoSizeParams(type="fit", contains="padding", resize=True)
}


def live(currency: str | None = "USD") -> dict[str, dict[str, Any]]:
    """The Vega-Lite of a what-if's pictures, in the house theme; a page puts their rows in later.

    `curve`: how likely each NRR is; data `curve` (series, nrr, density) and `goal` (nrr, label).
    `bridge`: from one NRR to another; data `bridge` (step, kind, lower, upper, end, next, label,
    place). `fan`: ARR in `currency` by month; data `fan` (series, month, low, middle, high). A
    series is `now` or `base`.
    """
    drawn = {"curve": _live_curve(), "bridge": _live_bridge(), "fan": _live_fan(currency or "USD")}
    return {name: {**chart.to_dict(), **theme()} for name, chart in drawn.items()}


def _series() -> tuple[alt.Color, alt.StrokeDash]:
    order = ["now", "base"]
    colour = alt.Color(
        "series:N", legend=None, scale=alt.Scale(domain=order, range=[NAVY, TEAL_TEXT])
    )
    return colour, alt.StrokeDash(
        "series:N", legend=None, scale=alt.Scale(domain=order, range=[[1, 0], [6, 3]])
    )


def _named(name: str) -> alt.Chart:
    return alt.Chart(alt.NamedData(name))


def _live_curve() -> ChartType:
    colour, dash = _series()
    x = alt.X(
        "nrr:Q",
        title="NRR",
        axis=alt.Axis(format=".0%", tickCount=8),
        scale=alt.Scale(zero=False, nice=False),
    )
    y = alt.Y("density:Q", axis=None, stack=None)
    goal = _named("goal").encode(x=x)
    layers = [
        _named("curve").mark_area(opacity=0.14).encode(x=x, y=y, color=colour),
        _named("curve").mark_line(strokeWidth=1.8).encode(x=x, y=y, color=colour, strokeDash=dash),
        goal.mark_rule(color=GREY, strokeDash=[5, 3]),
        goal.mark_text(color=GREY).encode(y=alt.value(-8), text="label:N"),
    ]
    return alt.layer(*layers).properties(height=140, **REFIT)


def _live_bridge() -> ChartType:
    label = alt.Axis(
        title=None, labelExpr="split(datum.label, ' ')", labelFontSize=8, labelOverlap=False
    )
    place = alt.Scale(paddingInner=0.3, paddingOuter=0.15)
    axis, scale = (
        alt.Axis(title=None, format=".1%", tickCount=4),
        alt.Scale(zero=False, nice=False, padding=14),
    )

    def at(field: str, band: float = 0.5) -> dict[str, Any]:
        step = alt.X("step:O", sort=None, axis=label, scale=place, bandPosition=band)
        return {"x": step, "y": alt.Y(f"{field}:Q", axis=axis, scale=scale)}

    chart = _named("bridge")
    kinds = alt.Scale(domain=["total", "gain", "loss", "none"], range=[NAVY, TEAL, BRICK, RULE])
    to_next = chart.transform_filter("isValid(datum.next)").mark_rule(color=RULE)
    layers = [
        to_next.encode(**at("end", band=1), x2=alt.X2("next:O", bandPosition=0)),
        chart.mark_bar().encode(
            **at("lower"), y2="upper:Q", color=alt.Color("kind:N", legend=None, scale=kinds)
        ),
        chart.mark_text(dy=-7).encode(**at("place"), text="label:N"),
    ]
    return alt.layer(*layers).properties(height=150, **REFIT)


def _live_fan(currency: str) -> ChartType:
    colour, dash = _series()
    x = alt.X(
        "month:Q",
        title="Months from now",
        axis=alt.Axis(tickMinStep=1, grid=False),
        scale=alt.Scale(nice=False),
    )
    scale = alt.Scale(zero=False, padding=6)
    y: dict[str, Any] = {"axis": amount_axis(currency), "scale": scale}
    fan = _named("fan").encode(x=x, color=colour)
    layers = [
        fan.mark_area(opacity=0.14).encode(y=alt.Y("low:Q", **y), y2="high:Q"),
        fan.mark_line(strokeWidth=1.8).encode(y=alt.Y("middle:Q", **y), strokeDash=dash),
    ]
    return alt.layer(*layers).properties(height=130, **REFIT)
