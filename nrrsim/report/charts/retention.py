"""Frames of what happened in, Altair charts out; never computes a metric, never mutates."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import floor, log10
from typing import Any, cast

import altair as alt
import pandas as pd
from altair.typing import ChartType

from nrrsim import benchmarks
from nrrsim.notation import count, money, percent, printed_quarter
from nrrsim.report.charts.style import (
    AMBER,
    BRICK,
    EVEN,
    FAINT,
    FIT,
    GREY,
    HIGH,
    LOW,
    NAVY,
    RIGHT,
    RULE,
    SHADES,
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

MOST_SEGMENTS = 12
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

    Columns: `step` (label), `amount` (signed change; the level for totals), `start` and `end` (the
    bar's from and to), `kind` (total, gain or loss); amounts in `currency`, or ratios where that is
    None. An axis that does not start at zero says so.
    """
    steps, wide = frame["step"].tolist(), WIDTH - 45
    chart, note = _waterfall(
        frame.assign(panel=""), steps, currency, upright=True, band=wide / len(steps)
    )
    return chart.properties(width=wide, height=height, title=note)


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
    wide, band = (WIDTH - 10 - min(90, 4.6 * max(map(len, steps)))) / len(panels) - 16, 20
    chart, note = _waterfall(frame, steps, currency, upright=False, band=band)
    facet = alt.Column("panel:N", sort=panels, header=alt.Header(labelLimit=wide))
    return chart.properties(width=wide, height=band * len(steps)).facet(
        column=facet, spacing=16, title=note
    )


def _waterfall(
    data: Frame, steps: list[str], currency: str | None, upright: bool, band: float
) -> tuple[alt.LayerChart, str]:
    if data.duplicated(["panel", "step"]).any():
        raise ValueError("bridge: a step occurs twice in a panel; give each step its own label")
    total = data["kind"] == "total"
    low, high = bounds_of(pd.concat([data["end"], data.loc[~total, "start"]]), (0.0, 1.0))
    bottom, top, base = min(low, 0.0), max(high, 0.0), 0.0
    # on an axis from zero the changes would be slivers
    if low > 0 and 0.005 * high < high - low < 0.6 * high:
        # from a round amount, three tenths of the changes below the lowest bar's end or more
        power = 10.0 ** floor(log10((high - low) / 2))
        unit = max(m * power for m in (1, 2, 5) if m * power <= (high - low) / 2 or m == 1)
        base = bottom = max(0.0, unit * floor((low - 0.3 * (high - low)) / unit))
    air = (0.1 if upright else 0.42) * (top - bottom)  # for the labels
    scale = alt.Scale(
        domain=[bottom - (air if bottom < base else 0), top + air], nice=False, zero=False
    )

    data = data.assign(
        label=[
            amount_text(a, currency, is_change=not t)
            for a, t in zip(data["amount"], total, strict=True)
        ],
        lower=data[["start", "end"]].min(axis=1).clip(lower=base if base else None),
        upper=data[["start", "end"]].max(axis=1),
        next=data.groupby("panel", sort=False)["step"].shift(-1),
        tear=(base + 0.07 * (top - bottom)) if base else None,
        under=upright & (data["kind"] == "loss"),
    )
    data["place"] = data["lower"].where(data["under"], data["upper"])

    # upright, a label's words stand below each other, three lines at most
    several = upright and all(len(s.split()) < 4 for s in steps)
    label = "split(datum.label, ' ')" if several else "datum.label"
    limit = band + 8 if upright else 90
    size = 8 if upright and band < 56 else 8.5
    names = alt.Axis(
        title=None,
        domain=upright,
        labelOverlap=False,
        labelLimit=limit,
        labelExpr=label,
        labelFontSize=size,
    )
    place = alt.Scale(domain=steps, paddingInner=0.3, paddingOuter=0.15)
    step = {"field": "step", "type": "ordinal", "axis": names, "scale": place}

    ticks = 4 if upright else 3
    fine = ".0%" if top - bottom > 0.04 else ".1%"
    if currency is not None:
        axis = amount_axis(currency, ticks, domain=False)
    else:
        axis = ratio_axis(0, 1, ticks, grid=False, format=fine)["axis"]

    # the same waterfall standing and lying: amount and step change their axes
    def at(field: str, to: str | None = None, next_step: str | None = None) -> dict[str, Any]:
        amount = {"field": field, "type": "quantitative", "scale": scale, "axis": axis}
        here = step | {"bandPosition": 1 if next_step else 0.5}
        x, y, x2, y2 = (here, amount, next_step, to) if upright else (amount, here, to, next_step)
        ends = {"x2": x2 and alt.X2(x2, bandPosition=0), "y2": y2 and alt.Y2(y2, bandPosition=0)}
        return {"x": alt.X(**x), "y": alt.Y(**y)} | {k: v for k, v in ends.items() if v}

    chart = alt.Chart(data)
    # two white strokes across a total whose bar does not start at zero
    zigzag = "M-1,.06L1,-.06L1,.02L-1,.14Z" if upright else "M.06,-1L-.06,1L.02,1L.14,-1Z"
    beside: dict[str, Any] = {"dy": -7} if upright else {"dx": 4, "align": "left"}

    tears = chart.transform_filter("datum.kind == 'total'").mark_point(
        shape=zigzag, filled=True, color="white", opacity=1, size=(band * 0.75) ** 2
    )
    above = chart.transform_filter("!datum.under").mark_text(**beside)
    below = chart.transform_filter("datum.under").mark_text(dy=8)
    layers = [
        *step_layers(chart, at),
        tears.encode(**at("tear")),
        above.encode(text="label:N", **at("place")),
        below.encode(text="label:N", **at("place")),
    ]
    start = re.sub(r"\.0+(?=\D|$)", "", amount_text(base, currency))
    return cast(
        alt.LayerChart, alt.layer(*layers)
    ), f"Axis starts at {start}, not at zero" if base else ""


def step_layers(chart: alt.Chart, at: Callable[..., dict[str, Any]]) -> list[alt.Chart]:
    """The layers of a waterfall: a rule from each bar's end to the next bar, and the bars.

    `at(field, to=, next_step=)`: where a field stands along the steps, and where its mark ends.
    """
    kinds = alt.Scale(domain=["total", "gain", "loss", "none"], range=[NAVY, TEAL, BRICK, RULE])
    to_next = chart.transform_filter("isValid(datum.next)").mark_rule(color=RULE)
    bars = chart.mark_bar().encode(color=alt.Color("kind:N", legend=None, scale=kinds))
    return [to_next.encode(**at("end", next_step="next")), bars.encode(**at("lower", to="upper"))]


@takes_columns("period", "nrr grr")
def trend(
    frame: Frame,
    target: float | None = None,
    bands: bool | Sequence[tuple[str, float, float]] = True,
) -> ChartType:
    """Draw NRR and GRR (ratios) by `period`, with the target and the benchmark bands of NRR.

    `bands`: (label, lower, upper) in ratios, cut to what is visible; True for the benchmark's,
    False for none.
    """
    goal = pd.Series([] if target is None else [target], dtype=float)
    (low, high), height = visible_range(frame["nrr"], frame["grr"], goal), 190
    unit, y = (high - low) / height, ratio_axis(low, high, grid=False)

    given = benchmarks.bands() if bands is True else bands or ()
    shown = [
        (f"NRR: {name}", max(a, low), min(b, high)) for name, a, b in given if a < high and b > low
    ]
    curves = frame[["nrr", "grr"]].assign(target=target)
    layers: list[alt.Chart] = []
    for i, (label, a, b) in enumerate(shown):
        area = alt.Chart(pd.DataFrame({"low": [a], "high": [b], "label": [label]}))
        layers.append(area.mark_rect(color=SHADES[i % 2]).encode(y=alt.Y("high", **y), y2="low"))
        if corner := _quiet_corner(curves, a, b, 12 * unit):
            right, at = corner
            text = area.mark_text(
                align="right" if right else "left", dx=-5 if right else 5, fontSize=7.5, color=GREY
            )
            layers.append(
                text.encode(
                    x=RIGHT if right else alt.value(0), y=alt.YDatum(at, **y), text="label:N"
                )
            )

    ends = []
    if target is not None:
        rule = alt.Chart(goal.to_frame("at")).mark_rule(color=GREY, strokeDash=[5, 3])
        layers.append(rule.encode(y=alt.Y("at", **y)))
        ends.append((f"Target {percent(target)}", float(target), GREY))

    x = period_axis(frame, {"padding": 0.3}, labelOverlap=True)
    for name, colour, shape in (("nrr", NAVY, "circle"), ("grr", TEAL_TEXT, "diamond")):
        line = alt.Chart(frame).mark_line(
            color=colour, point={"shape": shape, "size": 42, "color": colour}
        )
        layers.append(line.encode(x=x, y=alt.Y(name, **y)))
        ends += [(f"{name.upper()} {percent(v)}", v, colour) for v in frame[name].dropna().tail(1)]

    labels = pd.DataFrame(ends, columns=["label", "value", "colour"])
    labels["place"] = spaced_out(labels["value"].tolist(), 12 * unit)
    text = alt.Chart(labels).mark_text(align="left", dx=6, fontSize=9)
    colours = alt.Color("colour:N", scale=None)
    layers.append(text.encode(x=RIGHT, y=alt.Y("place", **y), text="label:N", color=colours))
    return alt.layer(*layers).properties(height=height + 25, **FIT)


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

    columns = {1: 1, 2: 2, 4: 2}.get(len(segments), 3)
    wide, high = (WIDTH - 34) / columns - 14, 190 if columns == 1 else 84
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
        head = alt.Chart(heads).encode(y=alt.value(-8))

        layers = [
            alt.Chart(frame)
            .mark_line(color=FAINT, strokeWidth=0.8)
            .encode(x=x, y=y, detail="segment:N"),
            alt.Chart(heads).mark_rule(color=RULE, strokeDash=[4, 3]).encode(y=alt.datum(1)),
            alt.Chart(own)
            .mark_line(color=NAVY, point={"color": NAVY, "size": 14})
            .encode(x=x, y=y),
            head.mark_text(align="left", fontWeight="bold", limit=wide - 42).encode(
                x=alt.value(0), text="name:N"
            ),
            head.mark_text(align="right").encode(x=alt.value(wide), text="last:N"),
        ]
        panels.append(alt.layer(*layers).properties(width=wide, height=high))
    return alt.concat(*panels, columns=columns, align="each", spacing=14)


@takes_columns("cohort", "age nrr opening")
def cohort_heatmap(frame: Frame, unit: str = "quarter", currency: str = "") -> ChartType:
    """Draw NRR (ratio) of each `cohort` by `age` in units: red below 100%, blue above.

    `opening`, an amount in `currency`, stands beside the cohort's name. Cells hold whole percent
    where there is room.
    """
    data = frame.dropna(subset=["age", "nrr"]).astype({"age": int})
    opening = frame.groupby("cohort", sort=False)["opening"].first()
    names = {
        c: f"{printed_quarter(str(c))} ({money(amount, currency)})" for c, amount in opening.items()
    }
    ages = sorted({int(age) for age in frame["age"].dropna()})

    # cells as large as they fit beside the names, and text as large as fits into a cell: a digit is
    # some 0.6 of its font's size wide
    wide = min(44.0, (WIDTH - 112) / max(len(ages), 1))
    high = min(20.0, max(13.0, 300 / len(names)))
    data = data.assign(name=data["cohort"].map(names), text=[count(v * 100) for v in data["nrr"]])
    font = min(8.5, 0.62 * high, (wide - 3) / (0.62 * max(map(len, data["text"]), default=1)))

    half = float((data["nrr"] - 1).abs().clip(0.05, 0.5).max()) if len(data) else 0.5
    scale = alt.Scale(
        domain=[1 - half, 1, 1 + half], range=[LOW, EVEN, HIGH], clamp=True, interpolate="rgb"
    )
    legend = alt.Legend(
        title="NRR in %, 100 is even",
        titleOrient="left",
        format=".0%",
        values=[1 - half, 1, 1 + half],
        gradientLength=120,
        gradientThickness=8,
    )

    rows = alt.Scale(domain=[*names.values()])
    x = alt.X(
        "age:O",
        title=f"{unit.capitalize()}s since the cohort started",
        scale=alt.Scale(domain=ages),
        axis=alt.Axis(labelOverlap=True),
    )
    chart = alt.Chart(data).encode(x=x, y=alt.Y("name:O", title=None, scale=rows))

    cells = chart.mark_rect(stroke="white").encode(
        color=alt.Color("nrr:Q", scale=scale, legend=legend)
    )
    texts = chart.mark_text(fontSize=font).encode(text="text:N")
    layers = [cells] if font < 5.5 else [cells, texts]  # smaller, nobody reads it
    return alt.layer(*layers).properties(width=wide * max(len(ages), 1), height=high * len(names))


@takes_columns("segment", "nrr grr nrr_before")
def segment_bars(frame: Frame) -> ChartType:
    """Draw NRR by `segment`, a bar from 100%; GRR a diamond, NRR a period before a tick.

    `nrr`, `grr` and `nrr_before` are ratios; they stand in three columns at the right as well, null
    as n/a.
    """
    even = pd.Series([1.0])
    ratio = ratio_axis(*visible_range(frame["nrr"], frame["grr"], frame["nrr_before"], even))
    names = alt.Axis(labelLimit=120, labelOverlap=False)
    chart = alt.Chart(frame.assign(even=1.0)).encode(
        y=alt.Y("segment:O", title=None, sort=None, axis=names)
    )

    sign = alt.condition("datum.nrr < 1", alt.value(BRICK), alt.value(NAVY))
    layers = [
        chart.mark_bar(height=11).encode(x=alt.X("even", **ratio), x2="nrr", color=sign),
        alt.Chart(even.to_frame("even")).mark_rule(color=GREY).encode(x=alt.X("even", **ratio)),
        chart.mark_point(**TICK).encode(x=alt.X("nrr_before", **ratio)),
        chart.mark_point(**DIAMOND).encode(x=alt.X("grr", **ratio)),
    ]

    columns = [("nrr", "NRR", BAR), ("grr", "GRR", DIAMOND), ("nrr_before", "Before", TICK)]
    for i, (column, title, mark) in enumerate(columns):
        x = alt.value(alt.ExprRef(f"width + {46 + 50 * i}"))
        texts = alt.Chart(frame.assign(label=frame[column].map(percent))).mark_text(align="right")
        head = alt.Chart(pd.DataFrame({"title": [title]})).encode(x=x, y=alt.value(-9))
        sign_of = mark | {"xOffset": -8 - 5.2 * len(title), "size": min(mark["size"], 90)}
        layers.append(texts.encode(x=x, y=alt.Y("segment:O", sort=None), text="label:N"))
        layers += [
            head.mark_text(align="right", color=GREY).encode(text="title:N"),
            head.mark_point(**sign_of),
        ]
    return alt.layer(*layers).properties(height=22 * frame["segment"].nunique() + 36, **FIT)


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
            y=alt.Y("place", **ratio_axis(0, 1, title="Share of ARR")), text="text:N"
        )
        # each text twice, first as a wide edge in the ground's colour, so that no line crosses it
        halos: list[dict[str, Any]] = [{"stroke": SHADES[1], "strokeWidth": 4}, {}]
        for halo in halos:
            right = text.transform_filter("datum.customers_share <= 0.6")
            left = text.transform_filter("datum.customers_share > 0.6")
            layers.append(right.mark_text(align="left", dx=10, fontSize=9, **halo))
            layers.append(left.mark_text(align="right", dx=-4, dy=12, fontSize=9, **halo))
    return alt.layer(*layers).properties(height=200, **FIT)


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
    y = alt.Y("amount:Q", stack="zero", axis=amount_axis(currency))
    wide = min(48, 280 / frame["period"].nunique())
    bars = (
        alt.Chart(parts)
        .mark_bar(strokeWidth=1, size=wide)
        .encode(
            x=x,
            y=y,
            order="lost:N",
            fill=alt.Fill("part:N", scale=fills, legend=legend),
            stroke=alt.Stroke("part:N", scale=edges, legend=legend),
        )
    )

    labels = [money(value, currency) for value in frame["due"]]
    dues = alt.Chart(frame.assign(label=labels)).mark_text(dy=-7)
    due = bars.transform_filter(f"datum.part == '{names['due']}'")
    done = bars.transform_filter(f"datum.part != '{names['due']}'")
    layers = alt.layer(due, done, dues.encode(x=x, y="due:Q", text="label:N"))
    return layers.properties(height=210, **FIT)
