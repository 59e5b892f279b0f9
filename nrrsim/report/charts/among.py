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

    The first `name` of a panel is the company whose report it is; of more than MOST_PEERS others
    the first are drawn. Panels share their scales.
    """
    companies = list(dict.fromkeys(frame["name"]))
    others = [name for name in companies if name not in set(frame.groupby("panel")["name"].first())]
    drawn = frame[~frame["name"].isin(others[MOST_PEERS:])]
    own = [name for name in companies if name not in others]
    names = [*own, *others[:MOST_PEERS]]
    looks = {name: (SERIES[at], SIGNS[at]) for at, name in enumerate(names)}
    note = f"The first {MOST_PEERS} of {len(others)} peers" if len(others) > MOST_PEERS else ""

    wide = room() - 126
    y_range = visible_range(drawn["nrr"])
    x_range = [float(drawn["at"].min()) - 0.5, float(drawn["at"].max()) + 0.5]
    panels = list(dict.fromkeys(drawn["panel"]))
    charts = []
    for number, panel in enumerate(panels):
        data = drawn[drawn["panel"] == panel]
        mine = data[data["name"] == data["name"].iloc[0]]
        y = alt.Y("nrr", **ratio_axis(*y_range, ticks=4))
        x = _months(mine, x_range, has_labels=number == len(panels) - 1)
        layers: list[alt.Chart] = []
        ends = []
        for name, rows in data.dropna(subset=["nrr"]).groupby("name", sort=False):
            colour, sign = looks[str(name)]
            points = {"shape": sign, "size": 42, "color": colour, "filled": True}
            line = alt.Chart(rows).mark_line(
                color=colour, point=points, strokeWidth=2 if name in own else 1.3
            )
            layers.append(line.encode(x=x, y=y))
            last = rows.iloc[-1]
            form = percent if name in own else disclosed
            ends.append((f"{name} {form(last['nrr'])}", last["at"], last["nrr"], colour))
        layers += _labels(ends, y_range, x, y)
        head = alt.TitleParams(
            f"{panel}{f' ({note})' if note else ''}",
            fontStyle="normal",
            fontWeight="bold",
            color=INK,
        )
        charts.append(alt.layer(*layers, width=wide, height=HIGH, title=head))
    told = alternative.peers(frame)
    return cast(ChartType, alt.vconcat(*charts, spacing=10, description=told))


def _months(mine: Frame, ends: list[float], has_labels: bool) -> alt.X:
    """The axis of months, with a tick at each of one's own figures."""
    words = {f"{at:.0f}": period for at, period in zip(mine["at"], mine["period"], strict=True)}
    axis = alt.Axis(
        title=None,
        values=[float(each) for each in mine["at"]],
        labelExpr=f"({json.dumps(words)})[datum.value]",
        labelOverlap=True,
        labels=has_labels,
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
