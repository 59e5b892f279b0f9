"""Frames of a sweep in, its heatmap or curves out as Altair charts; never computes a metric."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
from altair.typing import ChartType

from nrrsim.notation import percent, share
from nrrsim.report.charts import alternative
from nrrsim.report.charts.style import (
    EVEN,
    GREY,
    HIGH,
    LOW,
    NAVY,
    OFTEN,
    RARE,
    RULE,
    Frame,
    is_narrow,
    ratio_axis,
    room,
    takes_columns,
    visible_range,
)


@takes_columns("", "x y nrr p_target")
def heatmap(frame: Frame, x: str, y: str, target: float | None = None) -> ChartType:
    """Draw NRR (ratio) over a grid of `x` and `y`, whose names are given: the darker, the higher.

    The colour turns at the target, or at 100%, which the legend has in its middle. Beside it
    `p_target`, how likely the target is, where there is one. Cells hold the value where there is
    room.
    """
    panels, wide, high = _panels(target), (room() - 76) / _beside(target), 170
    sides = {name: _sides(frame[name]) for name in "xy"}
    for name, (_, step) in sides.items():
        frame = frame.assign(
            **{f"{name}0": frame[name] - step / 2, f"{name}1": frame[name] + step / 2}
        )
    cell = [size / max(len(sides[name][0]), 1) for name, size in (("x", wide), ("y", high))]
    middle = 1.0 if target is None else target
    # the colours reach as far to both sides as NRR does to one: 2 points at least, 50 at most
    half = float((frame["nrr"] - middle).abs().max())
    half = min(max(half, 0.02), 0.5) if half == half else 0.5

    ratios = ([middle - half, middle, middle + half], [LOW, EVEN, HIGH])
    chances = ([0.0, 1.0], [RARE, OFTEN])
    drawn: list[Any] = []
    for column, title in panels.items():
        domain, colours = ratios if column == "nrr" else chances
        scale = alt.Scale(domain=domain, range=colours, clamp=True, interpolate="rgb")
        form = ".0%" if column == "p_target" or half > 0.04 else ".1%"
        legend = alt.Legend(format=form, values=domain, gradientLength=120, gradientThickness=8)

        texts = frame[column].map(percent if column == "nrr" else share)
        chart = alt.Chart(frame.assign(text=texts).dropna(subset=column))
        across, up = _along(x, *sides["x"]), _along(y, *sides["y"])
        if drawn and not is_narrow():
            up["axis"] = None  # the first one's labels stand for both
        colour = alt.Color(column, type="quantitative", scale=scale, legend=legend)
        cells = chart.mark_rect(stroke="white", strokeWidth=min(1, min(cell) / 12))
        cells = cells.encode(
            x=alt.X("x0", **across),
            x2=alt.X2("x1"),
            y=alt.Y("y0", **up),
            y2=alt.Y2("y1"),
            color=colour,
        )

        values = chart.mark_text(fontSize=8).encode(
            x=alt.X("x", **across), y=alt.Y("y", **up), text=alt.Text("text:N")
        )
        # a cell of 30 by 11 just holds a percentage
        layers = [cells, values] if cell[0] > 30 and cell[1] > 11 else [cells]
        drawn.append(alt.layer(*layers, width=wide, height=high, title=title))
    told = alternative.heatmap(frame, x, y, target)
    return _row(drawn, told, resolve={"scale": {"color": "independent"}})


@takes_columns("", "x nrr p05 p95 p_target")
def slope(frame: Frame, x: str, target: float | None = None) -> ChartType:
    """Draw NRR (ratio) along `x`, whose name is given, between `p05` and `p95`; the target dashed.

    Beside it `p_target`, how likely the target is, where there is one.
    """
    panels, wide = _panels(target), (room() - 80) / _beside(target)
    goal = pd.Series([] if target is None else [target], dtype=float)
    ends = {
        "nrr": visible_range(frame["p05"], frame["p95"], frame["nrr"], goal),
        "p_target": (0.0, 1.05),
    }
    across = alt.X("x", **_along(x, *_sides(frame["x"])))
    drawn: list[Any] = []
    for column, title in panels.items():
        ratio = ratio_axis(*ends[column])
        chart = alt.Chart(frame.dropna(subset=["x", column])).encode(x=across)
        point: dict[str, Any] | bool = {"color": NAVY, "size": 18} if len(frame) <= 25 else False
        layers = [chart.mark_line(color=NAVY, point=point).encode(y=alt.Y(column, **ratio))]
        if column == "nrr":
            layers.insert(
                0,
                chart.mark_area(color=HIGH, opacity=0.4).encode(
                    y=alt.Y("p05", **ratio), y2=alt.Y2("p95")
                ),
            )
            rule = alt.Chart(goal.to_frame("at")).mark_rule(color=GREY, strokeDash=[5, 3])
            layers += [rule.encode(y=alt.Y("at", **ratio))] if len(goal) else []
            title += ", 90% range"
        drawn.append(alt.layer(*layers, width=wide, height=170, title=title))
    told = alternative.slope(frame, x, target)
    return _row(drawn, told)


def _beside(target: float | None) -> int:
    """How many panels stand beside each other."""
    return 1 if target is None or is_narrow() else 2


def _row(panels: list[Any], told: str, **options: Any) -> alt.HConcatChart | alt.VConcatChart:
    concat = alt.vconcat if is_narrow() else alt.hconcat
    return concat(*panels, spacing=22, description=told, **options)


def _panels(target: float | None) -> dict[str, str]:
    """The answers at each point of a sweep, and their titles; without a target there is one."""
    goal = {} if target is None else {"p_target": f"Probability of {percent(target)} or more"}
    return {"nrr": "Expected NRR"} | goal


def _sides(values: pd.Series[float]) -> tuple[list[float], float]:
    """The values of an even axis, from the lowest on, and how far apart they are."""
    known = sorted({float(value) for value in values.dropna()})
    apart = (known[-1] - known[0]) / (len(known) - 1) if len(known) > 1 else 1.0
    return known, apart


def _along(title: str, known: list[float], step: float) -> dict[str, Any]:
    """An axis of numbers as a scenario states them: each where they are few, else round ones."""
    few = {"values": known} if 0 < len(known) <= 6 else {"tickCount": 5}
    axis = alt.Axis(
        title=title, format="~g", grid=False, ticks=True, tickColor=RULE, titleLimit=190, **few
    )
    low, high = (known[0], known[-1]) if known else (0.0, 1.0)
    scale = alt.Scale(domain=[low - step / 2, high + step / 2], nice=False, zero=False)
    return {"type": "quantitative", "axis": axis, "scale": scale}
