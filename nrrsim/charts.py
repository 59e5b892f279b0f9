"""Aggregated frames come in, Altair charts go out; never computes a metric, never reads a file, never mutates.

A chart fills the text width of an A4 page, is told apart by shape or label besides colour, and shows a name as
literal text whatever it holds. `enable()` turns on the house theme and the renderer for notebooks.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from functools import cache, wraps
from importlib.resources import files
from itertools import pairwise
from math import floor, inf, log10
from typing import Any, Concatenate, ParamSpec, cast

import altair as alt
import pandas as pd
from altair.typing import ChartType

from nrrsim.formats import SYMBOLS, count, money, percent, points, share, signed_money

__all__ = [
    "bridge", "bridges", "cohort_heatmap", "concentration", "distributions", "enable", "fan", "heatmap",
    "histogram", "intervals", "live", "renewals", "segment_bars", "segment_trend", "slope", "svg", "theme",
    "tornado", "trend",
]  # fmt: skip

WIDTH = 470  # one chart unit is a point on paper: A4's text width
MOST_ROWS, MOST_SEGMENTS = 5_000, 12
NAVY, TEAL, AMBER, BRICK = "#12355B", "#3E8E9E", "#B7791F", "#C8553D"  # each at least 3:1 on white
INK, GREY, TEAL_TEXT = "#1F2A37", "#44546A", "#2B6F7D"  # text: at least 4.5:1
RULE, PALE, FAINT, SHADES = "#7F8A97", "#E3E8EE", "#D8DEE5", ("#F4F6F8", "#E9EEF3")
LOW, EVEN, HIGH = "#E08E75", "#F7F6F3", "#7CA7C8"  # a heatmap's: ink is readable on each mix of them
OFTEN = "#6FB1BE"  # and on this, of what is likely
BANDS = (("world class", 1.2, inf), ("strong", 1.0, 1.2), ("needs improvement", 0.9, 1.0), ("critical", -inf, 0.9))
BAR: dict[str, Any] = {"color": NAVY, "shape": "square", "size": 50, "filled": True, "opacity": 1}
TICK: dict[str, Any] = {"color": AMBER, "shape": "stroke", "size": 260, "angle": 90, "strokeWidth": 2.5, "opacity": 1}
DIAMOND: dict[str, Any] = {
    "color": TEAL,
    "shape": "diamond",
    "size": 60,
    "filled": True,
    "opacity": 1,
    "stroke": "white",
    "strokeWidth": 0.8,
}
RIGHT = alt.value(alt.ExprRef("width"))
FIT: dict[str, Any] = {"width": WIDTH, "autosize": alt.AutoSizeParams(type="fit", contains="padding")}

Frame = pd.DataFrame
P = ParamSpec("P")
Drawing = Callable[Concatenate[Frame, P], ChartType]


def theme() -> alt.theme.ThemeConfig:
    """Return the house style as an Altair theme: Inter, quiet axes, no frame."""
    plain = {"labelFontSize": 8.5, "titleFontSize": 8.5, "titleFontWeight": "normal", "titleColor": GREY}
    config = {
        "font": "Inter",
        "background": "transparent",
        "view": {"stroke": None},
        "axis": plain | {"labelColor": GREY, "gridColor": PALE, "domainColor": RULE, "labelPadding": 5},
        "axisX": {"grid": False, "labelAngle": 0, "labelFlush": False, "ticks": False},
        "axisY": {"domain": False, "ticks": False},
        "legend": plain | {"labelColor": INK, "orient": "top", "symbolSize": 70, "offset": 6, "title": None},
        "header": {
            "title": None,
            "labelFontSize": 9,
            "labelFontWeight": "bold",
            "labelColor": INK,
            "labelAnchor": "start",
        },
        "title": {
            "fontSize": 8.5,
            "fontWeight": "normal",
            "fontStyle": "italic",
            "color": GREY,
            "anchor": "start",
            "offset": 8,
        },
        "text": {"fontSize": 8.5, "color": INK},
    }
    return cast(alt.theme.ThemeConfig, {"config": config})


def enable() -> None:
    """Turn on the house theme and the renderer that shows a chart as SVG with a PNG beside it."""
    alt.theme.register("nrrsim", enable=True)(theme)
    alt.renderers.register("nrrsim", _bundle)
    alt.renderers.enable("nrrsim")


def svg(chart: ChartType) -> str:
    """Return a chart in the house theme as SVG; the same chart gives the same bytes."""
    return _svg({**chart.to_dict(), **theme()})


def _bundle(spec: dict[str, Any], **_: Any) -> dict[str, str]:
    drawn = _svg(spec)
    image: str = base64.b64encode(_converter().svg_to_png(drawn, scale=2)).decode()  # drawn once, not laid out twice
    return {"image/svg+xml": drawn, "image/png": image, "text/plain": "<chart>"}


def _svg(spec: dict[str, Any]) -> str:
    drawn = _converter().vegalite_to_svg(spec)
    for number, name in enumerate(re.findall(r'<linearGradient id="(\w+)"', drawn)):  # Vega counts them up for ever
        drawn = re.sub(rf'(<linearGradient id="|"url\(#){name}\b', rf"\1gradient{number or ''}", drawn)
    return re.sub(r'(<svg [^>]*?width="[\d.]+)(" height="[\d.]+)', r"\1pt\2pt", drawn, count=1)


@cache
def _converter() -> Any:
    import vl_convert

    for fonts in (files("fontpkg_inter") / "files", files("noto_cjk_sans_jp_regular")):
        vl_convert.register_font_directory(str(fonts))
    return vl_convert


def _takes(texts: str, numbers: str) -> Callable[[Drawing[P]], Drawing[P]]:
    """Check a chart's columns and hand it a copy of them, texts as str, numbers as float; say so if it has no rows."""

    def wrap(draw: Drawing[P]) -> Drawing[P]:
        @wraps(draw)
        def checked(frame: Frame, *args: P.args, **options: P.kwargs) -> ChartType:
            columns = [*texts.split(), *numbers.split()]
            if missing := [c for c in columns if c not in frame]:
                raise ValueError(f"{draw.__name__}: no column {missing} in {list(frame)}; it takes {columns}")
            if len(frame) > MOST_ROWS:
                raise ValueError(f"{draw.__name__}: {len(frame):,} rows, {MOST_ROWS:,} at most; aggregate them first")
            if frame.empty:
                note = alt.Chart(pd.DataFrame({"text": ["No data"]}), width=WIDTH, height=60).mark_text(color=GREY)
                return cast(alt.Chart, note.encode(text="text:N"))
            data = pd.DataFrame({c: [str(v) for v in frame[c]] for c in texts.split()})
            for c in numbers.split():
                data[c] = pd.to_numeric(frame[c]).astype(float).replace([inf, -inf], float("nan")).to_numpy()
            return draw(data, *args, **options)

        return cast("Drawing[P]", checked)

    return wrap


def _amounts(currency: str, ticks: int = 4, **options: Any) -> alt.Axis:
    unit = json.dumps(SYMBOLS.get(currency, f"{currency} "))
    size = "abs(datum.value)"
    short = f"replace(replace(format({size}, '.3~s'), 'k', 'K'), 'G', 'B')"
    label = f"(datum.value < 0 ? '−' : '') + {unit} + ({size} < 1000 ? format({size}, ',.4~r') : {short})"
    return alt.Axis(title=None, tickCount=ticks, labelExpr=label, grid=False, **options)


def _ratios(low: float, high: float, ticks: int = 5, **options: Any) -> dict[str, Any]:
    axis = alt.Axis(**{"title": None, "format": ".0%", "tickCount": ticks, "grid": True} | options)
    return {"type": "quantitative", "axis": axis, "scale": alt.Scale(domain=[low, high], nice=False, zero=False)}


def _periods(frame: Frame, scale: dict[str, Any], **options: Any) -> alt.X:
    names = list(dict.fromkeys(frame["period"]))
    return alt.X("period:O", title=None, scale=alt.Scale(domain=names, **scale), axis=alt.Axis(**options))


def _bounds(values: pd.Series[float], otherwise: tuple[float, float]) -> tuple[float, float]:
    known = values.dropna()
    return (float(known.min()), float(known.max())) if len(known) else otherwise


def _visible(*ratios: pd.Series[float]) -> tuple[float, float]:
    """Return the range of ratios to show: some air around them, at least ten points."""
    low, high = _bounds(pd.concat(ratios), (0.9, 1.1))
    air = max((high - low) * 0.1, (0.1 - (high - low)) / 2)
    return low - air, high + air


def _spread(places: Sequence[float], gap: float) -> list[float]:
    """Move labels as little as it takes for each pair to be `gap` apart."""
    out, order = list(places), sorted(range(len(places)), key=lambda i: places[i])
    for a, b in list(pairwise(order)) * 50:
        push = max(0.0, gap - (out[b] - out[a])) / 2
        out[a], out[b] = out[a] - push, out[b] + push
    return out


@_takes("step kind", "amount start end")
def bridge(frame: Frame, currency: str | None = "USD", height: int = 200) -> ChartType:
    """Draw a waterfall from an opening to a closing amount, steps along x in the order given.

    Columns: `step` (label), `amount` (signed change; the level for totals), `start` and `end` (the bar's from and
    to), `kind` (total, gain or loss); amounts in `currency`, or ratios where that is None. An axis that does not start
    at zero says so.
    """
    steps, wide = frame["step"].tolist(), WIDTH - 45
    chart, note = _waterfall(frame.assign(panel=""), steps, currency, upright=True, band=wide / len(steps))
    return chart.properties(width=wide, height=height, title=note)


@_takes("panel step kind", "amount start end")
def bridges(frame: Frame, currency: str = "USD") -> ChartType:
    """Draw waterfalls (`panel`, otherwise the columns of `bridge`) side by side on one scale, steps down the page."""
    panels = list(dict.fromkeys(frame["panel"]))
    longest = frame.loc[frame["panel"] == frame["panel"].mode()[0], "step"].tolist()
    steps = [*longest[:-1], *(s for s in dict.fromkeys(frame["step"]) if s not in longest), longest[-1]]
    wide, band = (WIDTH - 10 - min(90, 4.6 * max(map(len, steps)))) / len(panels) - 16, 20
    chart, note = _waterfall(frame, steps, currency, upright=False, band=band)
    facet = alt.Column("panel:N", sort=panels, header=alt.Header(labelLimit=wide))
    return chart.properties(width=wide, height=band * len(steps)).facet(column=facet, spacing=16, title=note)


def _waterfall(
    data: Frame, steps: list[str], currency: str | None, upright: bool, band: float
) -> tuple[alt.LayerChart, str]:
    if data.duplicated(["panel", "step"]).any():
        raise ValueError("bridge: a step occurs twice in a panel; give each step its own label")
    total = data["kind"] == "total"
    low, high = _bounds(pd.concat([data["end"], data.loc[~total, "start"]]), (0.0, 1.0))
    bottom, top, base = min(low, 0.0), max(high, 0.0), 0.0
    if low > 0 and 0.005 * high < high - low < 0.6 * high:  # on an axis from zero the changes would be slivers
        power = 10.0 ** floor(log10((high - low) / 2))
        unit = max(m * power for m in (1, 2, 5) if m * power <= (high - low) / 2 or m == 1)
        base = bottom = max(0.0, unit * floor((low - 0.3 * (high - low)) / unit))
    air = (0.1 if upright else 0.42) * (top - bottom)  # for the labels
    scale = alt.Scale(domain=[bottom - (air if bottom < base else 0), top + air], nice=False, zero=False)
    data = data.assign(
        label=[_amount(a, currency, is_change=not t) for a, t in zip(data["amount"], total, strict=True)],
        lower=data[["start", "end"]].min(axis=1).clip(lower=base if base else None),
        upper=data[["start", "end"]].max(axis=1),
        next=data.groupby("panel", sort=False)["step"].shift(-1),
        tear=(base + 0.07 * (top - bottom)) if base else None,
        under=upright & (data["kind"] == "loss"),
    )
    data["place"] = data["lower"].where(data["under"], data["upper"])
    several = upright and all(len(s.split()) < 4 for s in steps)
    label = "split(datum.label, ' ')" if several else "datum.label"
    limit = band + 8 if upright else 90
    size = 8 if upright and band < 56 else 8.5
    names = alt.Axis(
        title=None, domain=upright, labelOverlap=False, labelLimit=limit, labelExpr=label, labelFontSize=size
    )
    place = alt.Scale(domain=steps, paddingInner=0.3, paddingOuter=0.15)
    step = {"field": "step", "type": "ordinal", "axis": names, "scale": place}
    ticks = 4 if upright else 3
    fine = ".0%" if top - bottom > 0.04 else ".1%"
    axis = (
        _amounts(currency, ticks, domain=False) if currency else _ratios(0, 1, ticks, grid=False, format=fine)["axis"]
    )

    def at(field: str, to: str | None = None, next_step: str | None = None) -> dict[str, Any]:
        amount = {"field": field, "type": "quantitative", "scale": scale, "axis": axis}
        here = step | {"bandPosition": 1 if next_step else 0.5}
        x, y, x2, y2 = (here, amount, next_step, to) if upright else (amount, here, to, next_step)
        ends = {"x2": x2 and alt.X2(x2, bandPosition=0), "y2": y2 and alt.Y2(y2, bandPosition=0)}
        return {"x": alt.X(**x), "y": alt.Y(**y)} | {k: v for k, v in ends.items() if v}

    chart = alt.Chart(data)
    colours = alt.Scale(domain=["total", "gain", "loss"], range=[NAVY, TEAL, BRICK])
    colour = alt.Color("kind:N", legend=None, scale=colours)
    zigzag = "M-1,.06L1,-.06L1,.02L-1,.14Z" if upright else "M.06,-1L-.06,1L.02,1L.14,-1Z"
    beside: dict[str, Any] = {"dy": -7} if upright else {"dx": 4, "align": "left"}
    layers = [
        chart.transform_filter("isValid(datum.next)").mark_rule(color=RULE).encode(**at("end", next_step="next")),
        chart.mark_bar().encode(color=colour, **at("lower", to="upper")),
        chart.transform_filter("datum.kind == 'total'").encode(**at("tear")).mark_point(
            shape=zigzag, filled=True, color="white", opacity=1, size=(band * 0.75) ** 2),
        chart.transform_filter("!datum.under").mark_text(**beside).encode(text="label:N", **at("place")),
        chart.transform_filter("datum.under").mark_text(dy=8).encode(text="label:N", **at("place")),
    ]  # fmt: skip
    start = re.sub(r"\.0+(?=\D|$)", "", _amount(base, currency))
    return cast(alt.LayerChart, alt.layer(*layers)), f"Axis starts at {start}, not at zero" if base else ""


def _amount(value: float, currency: str | None, is_change: bool = False) -> str:
    if currency is None:
        return points(value) if is_change else percent(value)
    return (signed_money if is_change else money)(value, currency)


@_takes("period", "nrr grr")
def trend(
    frame: Frame, target: float | None = None, bands: bool | Sequence[tuple[str, float, float]] = True
) -> ChartType:
    """Draw NRR and GRR (ratios) by `period`, in the order given, with the target and the benchmark bands of NRR.

    `bands`: (label, lower, upper) in ratios, cut to what is visible; True for the model's own, False for none.
    """
    goal = pd.Series([] if target is None else [target], dtype=float)
    (low, high), height = _visible(frame["nrr"], frame["grr"], goal), 190
    unit, y = (high - low) / height, _ratios(low, high, grid=False)
    given = BANDS if bands is True else bands or ()
    shown = [(f"NRR: {name}", max(a, low), min(b, high)) for name, a, b in given if a < high and b > low]
    lines = frame[["nrr", "grr"]].assign(target=target)
    layers: list[alt.Chart] = []
    for i, (label, a, b) in enumerate(shown):
        area = alt.Chart(pd.DataFrame({"low": [a], "high": [b], "label": [label]}))
        layers.append(area.mark_rect(color=SHADES[i % 2]).encode(y=alt.Y("high", **y), y2="low"))
        if corner := _quiet_corner(lines, a, b, 12 * unit):
            right, at = corner
            text = area.mark_text(align="right" if right else "left", dx=-5 if right else 5, fontSize=7.5, color=GREY)
            layers.append(text.encode(x=RIGHT if right else alt.value(0), y=alt.YDatum(at, **y), text="label:N"))
    ends = []
    if target is not None:
        rule = alt.Chart(goal.to_frame("at")).mark_rule(color=GREY, strokeDash=[5, 3])
        layers.append(rule.encode(y=alt.Y("at", **y)))
        ends.append((f"Target {percent(target)}", float(target), GREY))
    x = _periods(frame, {"padding": 0.3}, labelOverlap=True)
    for name, colour, shape in (("nrr", NAVY, "circle"), ("grr", TEAL_TEXT, "diamond")):
        line = alt.Chart(frame).mark_line(color=colour, point={"shape": shape, "size": 42, "color": colour})
        layers.append(line.encode(x=x, y=alt.Y(name, **y)))
        ends += [(f"{name.upper()} {percent(v)}", v, colour) for v in frame[name].dropna().tail(1)]
    labels = pd.DataFrame(ends, columns=["label", "value", "colour"])
    labels["place"] = _spread(labels["value"].tolist(), 12 * unit)
    text = alt.Chart(labels).mark_text(align="left", dx=6, fontSize=9)
    colours = alt.Color("colour:N", scale=None)
    layers.append(text.encode(x=RIGHT, y=alt.Y("place", **y), text="label:N", color=colours))
    return alt.layer(*layers).properties(height=height + 25, **FIT)


def _quiet_corner(lines: Frame, low: float, high: float, gap: float) -> tuple[bool, float] | None:
    """Return the corner of a band, (at the right?, height), that is farthest from all lines; None if none is free."""
    near, corners = len(lines) // 3 + 1, []
    for right, part in ((False, lines[:near]), (True, lines[-near:])):
        for at in (high - 0.6 * gap, low + 0.6 * gap):
            crossed = ((part.min() <= at) & (part.max() >= at)).any()
            room = 0.0 if crossed else float((part - at).abs().min().fillna(gap).min())
            corners.append((room, right, at))
    room, right, at = max(corners, key=lambda corner: corner[0])
    return (right, at) if room > 0.6 * gap and high - low > gap else None


@_takes("period segment", "nrr")
def segment_trend(frame: Frame) -> ChartType:
    """Draw NRR (ratio) of 1 to 12 segments by `period`: a small panel each, the others in grey behind, 100% dashed."""
    segments, periods = list(dict.fromkeys(frame["segment"])), list(dict.fromkeys(frame["period"]))
    if len(segments) > MOST_SEGMENTS:
        raise ValueError(f"segment_trend: {len(segments)} segments, {MOST_SEGMENTS} at most; group the smallest ones")
    columns = {1: 1, 2: 2, 4: 2}.get(len(segments), 3)
    wide, high = (WIDTH - 34) / columns - 14, 190 if columns == 1 else 84
    low, top = _visible(frame["nrr"], pd.Series([1.0]))
    flush = alt.condition("datum.index == 0", alt.value("left"), alt.value("right"))
    panels = []
    for i, segment in enumerate(segments):
        own = frame[frame["segment"] == segment]
        y = alt.Y("nrr", **_ratios(low, top, ticks=3, labels=i % columns == 0))
        x = _periods(frame, {"padding": 0.1}, values=[periods[0], *periods[1:][-1:]], labelLimit=wide / 2,
                     labelAlign=flush, labels=i + columns >= len(segments))  # fmt: skip
        heads = pd.DataFrame({"name": [segment], "last": [percent(v) for v in own["nrr"].dropna().tail(1)] or ["n/a"]})
        head = alt.Chart(heads).encode(y=alt.value(-8))
        layers = [
            alt.Chart(frame).mark_line(color=FAINT, strokeWidth=0.8).encode(x=x, y=y, detail="segment:N"),
            alt.Chart(heads).mark_rule(color=RULE, strokeDash=[4, 3]).encode(y=alt.datum(1)),
            alt.Chart(own).mark_line(color=NAVY, point={"color": NAVY, "size": 14}).encode(x=x, y=y),
            head.mark_text(align="left", fontWeight="bold", limit=wide - 42).encode(x=alt.value(0), text="name:N"),
            head.mark_text(align="right").encode(x=alt.value(wide), text="last:N"),
        ]
        panels.append(alt.layer(*layers).properties(width=wide, height=high))
    return alt.concat(*panels, columns=columns, align="each", spacing=14)


@_takes("cohort", "age nrr opening")
def cohort_heatmap(frame: Frame, unit: str = "quarter", currency: str = "USD") -> ChartType:
    """Draw NRR (ratio) of each `cohort` (rows, in order) by `age` in units since its start, red below 100%, blue above.

    `opening`, an amount in `currency`, stands beside the cohort's name. Cells hold whole percent where there is room.
    """
    data = frame.dropna(subset=["age", "nrr"]).astype({"age": int})
    opening = frame.groupby("cohort", sort=False)["opening"].first()
    names = {c: f"{c} ({money(amount, currency)})" for c, amount in opening.items()}
    ages = sorted({int(age) for age in frame["age"].dropna()})
    wide, high = min(44.0, (WIDTH - 112) / max(len(ages), 1)), min(20.0, max(13.0, 300 / len(names)))
    data = data.assign(name=data["cohort"].map(names), text=[count(v * 100) for v in data["nrr"]])
    font = min(8.5, 0.62 * high, (wide - 3) / (0.62 * max(map(len, data["text"]), default=1)))
    half = float((data["nrr"] - 1).abs().clip(0.05, 0.5).max()) if len(data) else 0.5
    scale = alt.Scale(domain=[1 - half, 1, 1 + half], range=[LOW, EVEN, HIGH], clamp=True, interpolate="rgb")
    legend = alt.Legend(title="NRR in %, 100 is even", format=".0%", gradientLength=120, gradientThickness=8,
                        values=[1 - half, 1, 1 + half], titleOrient="left")  # fmt: skip
    rows = alt.Scale(domain=[*names.values()])
    x = alt.X("age:O", title=f"{unit.capitalize()}s since the cohort started", scale=alt.Scale(domain=ages),
              axis=alt.Axis(labelOverlap=True))  # fmt: skip
    chart = alt.Chart(data).encode(x=x, y=alt.Y("name:O", title=None, scale=rows))
    cells = chart.mark_rect(stroke="white").encode(color=alt.Color("nrr:Q", scale=scale, legend=legend))
    layers = [cells] if font < 5.5 else [cells, chart.mark_text(fontSize=font).encode(text="text:N")]
    return alt.layer(*layers).properties(width=wide * max(len(ages), 1), height=high * len(names))


@_takes("", "x y nrr p_target")
def heatmap(frame: Frame, x: str, y: str, target: float | None = None) -> ChartType:
    """Draw NRR (ratio) over a grid of `x` and `y`, whose names are given: red below the target, or 100%, blue above.

    Beside it `p_target`, how likely the target is, where there is one. Cells hold the value where there is room.
    """
    panels, wide, high = _panels(target), (WIDTH - 76) / (1 if target is None else 2), 170
    sides = {name: _sides(frame[name]) for name in "xy"}
    for name, (_, step) in sides.items():
        frame = frame.assign(**{f"{name}0": frame[name] - step / 2, f"{name}1": frame[name] + step / 2})
    cell = [size / max(len(sides[name][0]), 1) for name, size in (("x", wide), ("y", high))]
    middle = 1.0 if target is None else target
    half = float((frame["nrr"] - middle).abs().max())
    half = min(max(half, 0.02), 0.5) if half == half else 0.5
    reds, teals = ([middle - half, middle, middle + half], [LOW, EVEN, HIGH]), ([0.0, 1.0], [EVEN, OFTEN])
    drawn: list[Any] = []
    for column, title in panels.items():
        domain, colours = reds if column == "nrr" else teals
        scale = alt.Scale(domain=domain, range=colours, clamp=True, interpolate="rgb")
        legend = alt.Legend(format=".0%" if column == "p_target" or half > 0.04 else ".1%", values=domain,
                            gradientLength=120, gradientThickness=8)  # fmt: skip
        texts = frame[column].map(percent if column == "nrr" else share)
        chart = alt.Chart(frame.assign(text=texts).dropna(subset=column))
        across, up = _along(x, *sides["x"]), _along(y, *sides["y"])
        up["axis"] = None if drawn else up["axis"]  # the first one's labels stand for both
        colour = alt.Color(column, type="quantitative", scale=scale, legend=legend)
        cells = chart.mark_rect(stroke="white", strokeWidth=min(1, min(cell) / 12)).encode(
            x=alt.X("x0", **across), x2="x1", y=alt.Y("y0", **up), y2="y1", color=colour)  # fmt: skip
        values = chart.mark_text(fontSize=8).encode(x=alt.X("x", **across), y=alt.Y("y", **up), text="text:N")
        layers = [cells, values] if cell[0] > 30 and cell[1] > 11 else [cells]
        title += f"; pale: {percent(middle)}" if column == "nrr" else ""
        drawn.append(alt.layer(*layers).properties(width=wide, height=high, title=title))
    return cast(ChartType, alt.hconcat(*drawn, spacing=22).resolve_scale(color="independent"))


@_takes("", "x nrr p05 p95 p_target")
def slope(frame: Frame, x: str, target: float | None = None) -> ChartType:
    """Draw NRR (ratio) along `x`, whose name is given, with a band from `p05` to `p95` and the target dashed.

    Beside it `p_target`, how likely the target is, where there is one.
    """
    panels, wide = _panels(target), (WIDTH - 80) / (1 if target is None else 2)
    goal = pd.Series([] if target is None else [target], dtype=float)
    ends = {"nrr": _visible(frame["p05"], frame["p95"], frame["nrr"], goal), "p_target": (0.0, 1.05)}
    across = alt.X("x", **_along(x, *_sides(frame["x"])))
    drawn: list[Any] = []
    for column, title in panels.items():
        ratio = _ratios(*ends[column])
        chart = alt.Chart(frame.dropna(subset=["x", column])).encode(x=across)
        point: dict[str, Any] | bool = {"color": NAVY, "size": 18} if len(frame) <= 25 else False
        layers = [chart.mark_line(color=NAVY, point=point).encode(y=alt.Y(column, **ratio))]
        if column == "nrr":
            layers.insert(0, chart.mark_area(color=HIGH, opacity=0.4).encode(y=alt.Y("p05", **ratio), y2="p95"))
            rule = alt.Chart(goal.to_frame("at")).mark_rule(color=GREY, strokeDash=[5, 3])
            layers += [rule.encode(y=alt.Y("at", **ratio))] if len(goal) else []
            title += ", P5 to P95"
        drawn.append(alt.layer(*layers).properties(width=wide, height=170, title=title))
    return alt.hconcat(*drawn, spacing=22)


def _panels(target: float | None) -> dict[str, str]:
    """The answers at each point of a sweep, and their titles; without a target there is one."""
    goal = {} if target is None else {"p_target": f"Probability of {percent(target)} or more"}
    return {"nrr": "NRR on average"} | goal


def _sides(values: pd.Series[float]) -> tuple[list[float], float]:
    """The values of an even axis, from the lowest on, and how far apart they are."""
    known = sorted({float(value) for value in values.dropna()})
    apart = (known[-1] - known[0]) / (len(known) - 1) if len(known) > 1 else 1.0
    return known, apart


def _along(title: str, known: list[float], step: float) -> dict[str, Any]:
    """An axis of numbers as a scenario states them: each one where they are few, else round ones."""
    few = {"values": known} if 0 < len(known) <= 6 else {"tickCount": 5}
    axis = alt.Axis(title=title, format="~g", grid=False, ticks=True, tickColor=RULE, titleLimit=190, **few)
    low, high = (known[0], known[-1]) if known else (0.0, 1.0)
    scale = alt.Scale(domain=[low - step / 2, high + step / 2], nice=False, zero=False)
    return {"type": "quantitative", "axis": axis, "scale": scale}


@_takes("segment", "nrr grr nrr_before")
def segment_bars(frame: Frame) -> ChartType:
    """Draw NRR by `segment`, in the order given, as a bar from 100%; GRR a diamond, NRR a period before a tick.

    `nrr`, `grr` and `nrr_before` are ratios; they stand in three columns at the right as well, null as n/a.
    """
    even = pd.Series([1.0])
    ratio = _ratios(*_visible(frame["nrr"], frame["grr"], frame["nrr_before"], even))
    names = alt.Axis(labelLimit=120, labelOverlap=False)
    chart = alt.Chart(frame.assign(even=1.0)).encode(y=alt.Y("segment:O", title=None, sort=None, axis=names))
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
        layers += [head.mark_text(align="right", color=GREY).encode(text="title:N"), head.mark_point(**sign_of)]
    return alt.layer(*layers).properties(height=22 * frame["segment"].nunique() + 36, **FIT)


@_takes("", "customers_share arr_share")
def concentration(frame: Frame, notes: Sequence[tuple[float, float, str]] = ()) -> ChartType:
    """Draw cumulative `arr_share` over cumulative `customers_share` (0 to 1, largest first), an even split dashed.

    `notes`: points of the curve to name, (customers_share, arr_share, text).
    """
    x = alt.X("customers_share", **_ratios(0, 1, title="Share of customers, largest first"))
    y = alt.Y("arr_share", **_ratios(0, 1, title="Share of ARR"))
    curve, ends = alt.Chart(frame).encode(x=x, y=y), pd.DataFrame({"customers_share": [0, 1], "arr_share": [0, 1]})
    layers = [
        curve.mark_area(color=SHADES[1]),
        alt.Chart(ends).mark_line(color=RULE, strokeDash=[4, 3], strokeWidth=1).encode(x=x, y=y),
        curve.mark_line(color=NAVY),
    ]
    if notes:
        named = pd.DataFrame(notes, columns=["customers_share", "arr_share", "text"])
        named["place"] = _spread((named["arr_share"] - 0.03).tolist(), 0.07)
        point = alt.Chart(named).encode(x=x)
        layers.append(point.mark_point(filled=True, color=BRICK, size=50, opacity=1).encode(y=y))
        text = point.encode(y=alt.Y("place", **_ratios(0, 1, title="Share of ARR")), text="text:N")
        halos: list[dict[str, Any]] = [{"stroke": SHADES[1], "strokeWidth": 4}, {}]
        for halo in halos:
            right = text.transform_filter("datum.customers_share <= 0.6")
            left = text.transform_filter("datum.customers_share > 0.6")
            layers.append(right.mark_text(align="left", dx=10, fontSize=9, **halo))
            layers.append(left.mark_text(align="right", dx=-4, dy=12, fontSize=9, **halo))
    return alt.layer(*layers).properties(height=200, **FIT)


@_takes("period", "due renewed lost")
def renewals(frame: Frame, currency: str = "USD") -> ChartType:
    """Draw the amounts `due` by `period` as an outline, `renewed` and `lost` stacked inside it (null: to come)."""
    names = {"renewed": "Renewed", "lost": "Lost", "due": "Not yet decided"}
    parts = frame.melt("period", list(names), "part", "amount").dropna(subset="amount")
    parts = parts.assign(part=parts["part"].map(names), lost=parts["part"] == "lost")
    fills = alt.Scale(domain=[*names.values()], range=[NAVY, BRICK, "white"])
    edges = alt.Scale(domain=[*names.values()], range=["white", "white", RULE])
    legend = alt.Legend(symbolStrokeWidth=1)
    x = _periods(frame, {"padding": 0.2}, labelOverlap=True)
    y = alt.Y("amount:Q", stack="zero", axis=_amounts(currency))
    bars = alt.Chart(parts).mark_bar(strokeWidth=1, size=min(48, 280 / frame["period"].nunique())).encode(
        x=x, y=y, order="lost:N", fill=alt.Fill("part:N", scale=fills, legend=legend),
        stroke=alt.Stroke("part:N", scale=edges, legend=legend))  # fmt: skip
    dues = alt.Chart(frame.assign(label=[money(v, currency) for v in frame["due"]])).mark_text(dy=-7)
    due = bars.transform_filter(f"datum.part == '{names['due']}'")
    done = bars.transform_filter(f"datum.part != '{names['due']}'")
    layers = alt.layer(due, done, dues.encode(x=x, y="due:Q", text="label:N"))
    return layers.properties(height=210, **FIT)


MOST_LABELS = 3
SERIES = (NAVY, TEAL_TEXT, AMBER, BRICK, GREY, INK)
DASHES = ([1, 0], [6, 3], [2, 2], [10, 4], [8, 3, 2, 3], [3, 3])


def _told_apart(names: Sequence[str]) -> tuple[alt.Color, alt.StrokeDash, int]:
    """Colour and dash by `name`, in order, with one legend above the chart; and how high that is."""
    columns = max(1, min(3, WIDTH // (45 + 5 * max(map(len, names)))))
    wide = WIDTH / columns - 45
    legend = alt.Legend(
        labelLimit=wide, columns=columns, symbolType="stroke", symbolStrokeWidth=2, symbolSize=400, symbolOpacity=1
    )
    colour = alt.Color("name:N", scale=alt.Scale(domain=[*names], range=[*SERIES[: len(names)]]), legend=legend)
    dash = alt.StrokeDash("name:N", scale=alt.Scale(domain=[*names], range=[*DASHES[: len(names)]]), legend=legend)
    return colour, dash, 18 * -(-len(names) // columns)


@_takes("name", "nrr density")
def distributions(frame: Frame, target: float | None = None, means: Sequence[float] = ()) -> ChartType:
    """Draw how likely each NRR (ratio) is, a curve by `name` in the order given, with the target dashed.

    `density`: any scale, the same for all. `means`: an NRR for each name, printed above its curve where they are few.
    """
    names, high = list(dict.fromkeys(frame["name"])), float(frame["density"].max())
    x = alt.X("nrr", **_ratios(*_bounds(frame["nrr"], (0.9, 1.1)), ticks=8, grid=False, title="NRR"))
    y = alt.Y("density", axis=None, scale=alt.Scale(domain=[0, 1.3 * high], nice=False))
    colour, dash, above = _told_apart(names)
    curves = alt.Chart(frame).encode(x=x, y=y)
    unstacked = y.stack(None)
    area = curves.mark_area(opacity=0.14, interpolate="monotone").encode(y=unstacked, color=colour)
    line = curves.mark_line(interpolate="monotone", strokeWidth=1.8).encode(color=colour, strokeDash=dash)
    layers: list[Any] = [area, line]
    if target is not None:
        at = alt.Chart(pd.DataFrame({"nrr": [target], "label": [f"Target {percent(target)}"]})).encode(x=x)
        layers.append(at.mark_rule(color=GREY, strokeDash=[5, 3]))
        layers.append(at.mark_text(align="left", dx=5, color=GREY).encode(y=alt.value(7), text="label:N"))
    if 0 < len(means) <= MOST_LABELS:
        peak = frame.groupby("name", sort=False)["density"].max()
        place = pd.DataFrame({"name": names, "nrr": means, "density": [peak[name] for name in names]})
        place = place.sort_values("nrr", ignore_index=True)
        where, heights = place["nrr"].tolist(), place["density"].tolist()
        near = 0.09 * float(frame["nrr"].max() - frame["nrr"].min())  # one label wide
        for row in range(1, len(where)):  # a label that would cover the one before stands above it
            if where[row] - where[row - 1] < near and abs(heights[row] - heights[row - 1]) < 0.1 * high:
                heights[row] = heights[row - 1] + 0.1 * high
        place["density"] = heights
        text = alt.Chart(place.assign(label=place["nrr"].map(percent))).encode(x=x, y=y, text="label:N")
        layers.append(text.mark_text(dy=-8, fontWeight="bold", stroke="white", strokeWidth=4))
        layers.append(text.mark_text(dy=-8, fontWeight="bold").encode(color=colour))
    return alt.layer(*layers).properties(height=150 + above, **FIT)


@_takes("name period", "middle low high")
def fan(frame: Frame, currency: str | None = "USD", target: float | None = None) -> ChartType:
    """Draw `middle` by `period` with a band from `low` to `high`, a line by `name`; the last value at its end.

    Amounts in `currency`, or ratios where that is None. `target`: a dashed line.
    """
    names, periods = list(dict.fromkeys(frame["name"])), list(dict.fromkeys(frame["period"]))
    colour, dash, above = _told_apart(names)
    goal = pd.Series([] if target is None else [target], dtype=float)
    low, high = _bounds(pd.concat([frame["low"], frame["high"], frame["middle"], goal]), (0.0, 1.0))
    bottom, height = (min(low, 0.0) if currency else low - 0.05 * (high - low)), 165
    scale = alt.Scale(domain=[bottom, high + 0.05 * (high - bottom)], nice=False, zero=False)
    y: dict[str, Any] = {"type": "quantitative", "scale": scale}
    y["axis"] = _amounts(currency) if currency else _ratios(0, 1)["axis"]
    x = alt.X(
        "period:O",
        title=None,
        scale=alt.Scale(domain=periods, type="point", padding=0.15),
        axis=alt.Axis(labelOverlap=True, labelSeparation=8),
    )
    base = alt.Chart(frame).encode(x=x)
    ends = frame[frame["period"] == periods[-1]]
    ends = ends.assign(
        label=[_amount(value, currency) for value in ends["middle"]],
        place=_spread(ends["middle"].tolist(), 12 * (high - bottom) / height),
    )
    text = alt.Chart(ends).mark_text(align="left", dx=6, fontSize=9, fontWeight="bold")
    layers = [
        base.mark_area(opacity=0.15).encode(y=alt.Y("low", **y), y2="high", color=colour),
        base.mark_line(strokeWidth=1.8).encode(y=alt.Y("middle", **y), color=colour, strokeDash=dash),
        text.encode(x=RIGHT, y=alt.Y("place", **y), text="label:N", color=colour),
    ]
    if target is not None:
        at = alt.Chart(pd.DataFrame({"at": [target], "label": [f"Target {_amount(target, currency)}"]}))
        layers.append(at.mark_rule(color=GREY, strokeDash=[5, 3]).encode(y=alt.Y("at", **y)))
        text = at.mark_text(align="left", dx=4, dy=-6, color=GREY)
        layers.append(text.encode(x=alt.value(0), y=alt.Y("at", **y), text="label:N"))
    return alt.layer(*layers).properties(height=height + above, **FIT)


@_takes("name", "low high")
def tornado(frame: Frame, base: float) -> ChartType:
    """Draw what each belief does to NRR (ratio), by `name` in the order given: a bar from `base` to NRR at its P5
    (`low`, light) and one to NRR at its P95 (`high`, dark), both values at their ends.
    """
    long = frame.melt("name", ["low", "high"], "end", "nrr").assign(base=base)
    long["label"], long["right"] = long["nrr"].map(percent), long["nrr"] >= base
    low, high = _visible(long["nrr"], pd.Series([base]))
    air = 0.12 * (high - low)
    ratio = _ratios(low - air, high + air, grid=False)
    names = alt.Axis(labelLimit=170, labelOverlap=False)
    chart = alt.Chart(long).encode(y=alt.Y("name:O", title=None, sort=None, axis=names))
    fills = alt.Scale(domain=["low", "high"], range=[TEAL, NAVY])
    legend = alt.Legend(labelExpr="'Belief at its ' + (datum.label == 'low' ? 'P5' : 'P95')", symbolType="square")
    x = alt.X("nrr", **ratio)
    bars = chart.mark_bar(height=11).encode(x=alt.X("base", **ratio), x2="nrr")
    layers = [
        bars.encode(color=alt.Color("end:N", scale=fills, legend=legend)),
        alt.Chart(pd.DataFrame({"base": [base]})).mark_rule(color=GREY).encode(x=alt.X("base", **ratio)),
        chart.transform_filter("datum.right").mark_text(align="left", dx=4).encode(x=x, text="label:N"),
        chart.transform_filter("!datum.right").mark_text(align="right", dx=-4).encode(x=x, text="label:N"),
    ]
    return alt.layer(*layers).properties(height=20 * frame["name"].nunique() + 40, **FIT)


@_takes("period", "p05 p10 p50 p90 p95 actual")
def intervals(frame: Frame) -> ChartType:
    """Draw forecasts of a ratio by `period`: light from `p05` to `p95`, dark from `p10` to `p90`, a tick at `p50`; and
    `actual` as a dot, a hollow diamond where it lies outside the dark part.
    """
    data = frame.assign(inside=frame["actual"].between(frame["p10"], frame["p90"]))
    low, high = _visible(frame["p05"], frame["p95"], frame["actual"])
    y = _ratios(low, high)
    wide = min(26.0, 300 / max(frame["period"].nunique(), 1))
    chart = alt.Chart(data).encode(x=_periods(frame, {"padding": 0.3}, labelOverlap=True))
    dots = chart.encode(y=alt.Y("actual", **y))
    layers = [
        chart.mark_bar(color=PALE, size=wide).encode(y=alt.Y("p05", **y), y2="p95"),
        chart.mark_bar(color=HIGH, size=wide).encode(y=alt.Y("p10", **y), y2="p90"),
        chart.mark_tick(color=NAVY, size=wide, thickness=1.5).encode(y=alt.Y("p50", **y)),
        dots.transform_filter("datum.inside").mark_point(color=INK, filled=True, size=45, opacity=1),
        dots.transform_filter("!datum.inside").mark_point(
            shape="diamond", color=BRICK, fill="white", size=70, opacity=1
        ),
    ]
    return alt.layer(*layers).properties(height=200, **FIT)


@_takes("", "low high count")
def histogram(frame: Frame) -> ChartType:
    """Draw `count` of what fell between `low` and `high` (0 to 1), with the even count as a line."""
    x = alt.X("low:Q", title="Where the outcome lay in its forecast", axis=alt.Axis(format=".0%"))
    x = x.scale(domain=[0, 1])
    bars = (
        alt.Chart(frame)
        .mark_bar(color=NAVY, stroke="white")
        .encode(x=x, x2="high", y=alt.Y("count:Q", title=None), y2=alt.datum(0))
    )
    even = alt.Chart(pd.DataFrame({"even": [float(frame["count"].mean())]})).mark_rule(color=GREY, strokeDash=[5, 3])
    return alt.layer(bars, even.encode(y="even:Q")).properties(height=140, **FIT)


# --- pictures that move ------------------------------------------------------------------------------------


def live(currency: str | None = "USD") -> dict[str, dict[str, Any]]:
    """The Vega-Lite of a what-if's pictures, in the house theme; a page puts the rows of their data sets in later.

    `curve`: how likely each NRR is; data `curve` (series, nrr, density) and `goal` (nrr, label). `bridge`: from one NRR
    to another; data `bridge` (step, kind, lower, upper, end, next, label, place). `fan`: ARR in `currency` by month;
    data `fan` (series, month, low, middle, high). A series is `now` or `base`.
    """
    drawn = {"curve": _live_curve(), "bridge": _live_bridge(), "fan": _live_fan(currency or "USD")}
    return {name: {**chart.to_dict(), **theme()} for name, chart in drawn.items()}


REFIT: dict[str, Any] = FIT | {"autosize": alt.AutoSizeParams(type="fit", contains="padding", resize=True)}


def _series() -> tuple[alt.Color, alt.StrokeDash]:
    order = ["now", "base"]
    colour = alt.Color("series:N", legend=None, scale=alt.Scale(domain=order, range=[NAVY, TEAL_TEXT]))
    return colour, alt.StrokeDash("series:N", legend=None, scale=alt.Scale(domain=order, range=[[1, 0], [6, 3]]))


def _named(name: str) -> alt.Chart:
    return alt.Chart(alt.NamedData(name))


def _live_curve() -> ChartType:
    colour, dash = _series()
    x = alt.X("nrr:Q", title="NRR", axis=alt.Axis(format=".0%", tickCount=8), scale=alt.Scale(zero=False, nice=False))
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
    label = alt.Axis(title=None, labelExpr="split(datum.label, ' ')", labelFontSize=8, labelOverlap=False)
    place = alt.Scale(paddingInner=0.3, paddingOuter=0.15)
    axis, scale = alt.Axis(title=None, format=".1%", tickCount=4), alt.Scale(zero=False, nice=False, padding=14)

    def at(field: str, band: float = 0.5) -> dict[str, Any]:
        step = alt.X("step:O", sort=None, axis=label, scale=place, bandPosition=band)
        return {"x": step, "y": alt.Y(f"{field}:Q", axis=axis, scale=scale)}

    chart = _named("bridge")
    kinds = alt.Scale(domain=["total", "gain", "loss", "none"], range=[NAVY, TEAL, BRICK, RULE])
    to_next = chart.transform_filter("isValid(datum.next)").mark_rule(color=RULE)
    layers = [
        to_next.encode(**at("end", band=1), x2=alt.X2("next:O", bandPosition=0)),
        chart.mark_bar().encode(**at("lower"), y2="upper:Q", color=alt.Color("kind:N", legend=None, scale=kinds)),
        chart.mark_text(dy=-7).encode(**at("place"), text="label:N"),
    ]
    return alt.layer(*layers).properties(height=150, **REFIT)


def _live_fan(currency: str) -> ChartType:
    colour, dash = _series()
    x = alt.X("month:Q", title="Months from now", axis=alt.Axis(tickMinStep=1, grid=False), scale=alt.Scale(nice=False))
    scale = alt.Scale(zero=False, padding=6)
    y: dict[str, Any] = {"axis": _amounts(currency), "scale": scale}
    fan = _named("fan").encode(x=x, color=colour)
    layers = [
        fan.mark_area(opacity=0.14).encode(y=alt.Y("low:Q", **y), y2="high:Q"),
        fan.mark_line(strokeWidth=1.8).encode(y=alt.Y("middle:Q", **y), strokeDash=dash),
    ]
    return alt.layer(*layers).properties(height=130, **REFIT)
