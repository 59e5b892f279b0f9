"""One's own and peers' NRR by definition in, an Altair chart out; never computes a metric."""

from __future__ import annotations

import json
from typing import cast

import altair as alt
import pandas as pd
from altair.typing import ChartType

from nrrsim.notation import disclosed, percent
from nrrsim.report.charts import alternative
from nrrsim.report.charts.style import (
    INK,
    SERIES,
    Frame,
    bounds_of,
    halos,
    ratio_axis,
    room,
    spaced_out,
    takes_columns,
    visible_range,
)

MOST_PEERS = len(SERIES) - 1  # that can be told apart
SIGNS = ("circle", "diamond", "square", "triangle-up", "cross", "triangle-down")
HIGH = 105  # of a panel


@takes_columns("panel name period", "at nrr")
def peers(frame: Frame) -> ChartType:
    """Draw NRR (ratio) over the months (`at`, a number; `period`, its name), a panel a definition.

    The first `name` is the company whose report it is; of more than MOST_PEERS others in a panel
    the first are drawn. Panels share their scales.
    """
    own, panels = frame["name"].iloc[0], list(dict.fromkeys(frame["panel"]))
    wide, charts = room() - 126, []
    y_range, (first, last) = visible_range(frame["nrr"]), bounds_of(frame["at"], (0.0, 1.0))
    for panel in panels:
        data = frame[frame["panel"] == panel]
        others = [name for name in dict.fromkeys(data["name"]) if name != own]
        note = f" (the first {MOST_PEERS} of {len(others)} peers)"
        y = alt.Y("nrr", **ratio_axis(*y_range, ticks=4))
        mine = data[data["name"] == own]
        x = _months(mine, [first - 0.5, last + 0.5], has_labels=panel == panels[-1])
        layers, ends = list[alt.Chart](), []
        for name, colour, sign in zip([own, *others], SERIES, SIGNS, strict=False):
            rows = data[data["name"] == name].dropna(subset=["nrr"])
            points = {"shape": sign, "size": 42, "color": colour, "filled": True}
            wide_line = 2 if name == own else 1.3
            line = alt.Chart(rows).mark_line(point=points, color=colour, strokeWidth=wide_line)
            layers.append(line.encode(x=x, y=y))
            form = percent if name == own else disclosed
            ends += [
                (f"{name} {form(nrr)}", at, nrr, colour)
                for at, nrr in rows[["at", "nrr"]].tail(1).itertuples(index=False)
            ]
        head = alt.TitleParams(
            f"{panel}{note if len(others) > MOST_PEERS else ''}",
            fontStyle="normal",
            fontWeight="bold",
            color=INK,
        )
        layers += _labels(ends, y_range, x, y) if ends else []
        charts.append(alt.layer(*layers, width=wide, height=HIGH, title=head))
    told = alternative.peers(frame)
    return cast(ChartType, alt.vconcat(*charts, spacing=10, description=told))


def _months(mine: Frame, ends: list[float], has_labels: bool) -> alt.X:
    """The axis of months, with a tick at each of one's own figures."""
    mine = mine.dropna(subset=["at"])
    words = {f"{at:.0f}": period for at, period in zip(mine["at"], mine["period"], strict=True)}
    axis = alt.Axis(
        title=None,
        values=[float(each) for each in mine["at"]],
        labelExpr=f"({json.dumps(words)})[datum.value]",
        labelOverlap=True,
        labels=has_labels,
        offset=5,  # clear of the lowest ratio's label
    )
    scale = alt.Scale(domain=ends, nice=False, zero=False)
    return alt.X("at", type="quantitative", scale=scale, axis=axis)


def _labels(
    ends: list[tuple[str, float, float, str]], shown: tuple[float, float], x: alt.X, y: alt.Y
) -> list[alt.Chart]:
    """The company and its latest figure beside the end of each line, none on another."""
    frame = pd.DataFrame(ends, columns=["label", "at", "nrr", "colour"])
    frame["nrr"] = spaced_out(frame["nrr"].tolist(), 12 * (shown[1] - shown[0]) / HIGH)
    text = alt.Chart(frame).encode(
        x=x, y=y, text=alt.Text("label:N"), color=alt.Color("colour:N", scale=None)
    )
    edge, ink = halos()
    # the wide edge has the ground's colour, not the line's
    plain = alt.Chart(frame).encode(x=x, y=y, text=alt.Text("label:N"))
    return [
        plain.mark_text(align="left", dx=7, fontSize=9, color="white", **edge),
        text.mark_text(align="left", dx=7, fontSize=9, **ink),
    ]
