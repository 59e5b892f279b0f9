"""An Altair chart in, the house's look and its SVG and PNG out; never knows what a chart shows.

A chart fills the text width of an A4 page, is told apart by shape or label besides colour, and
shows a name as literal text whatever it holds. `enable()` turns on the house theme and the renderer
for notebooks.
"""

from __future__ import annotations

import base64
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import signature
from itertools import pairwise
from math import inf
from typing import Any, Concatenate, ParamSpec, cast

import altair as alt
import pandas as pd
from altair.typing import ChartType
from altair.utils.schemapi import debug_mode

from nrrsim.notation import currency_sign, label, money, percent, points, signed_money
from nrrsim.report.charts.picture import BESIDE, SPEC, png_of, svg_of
from nrrsim.report.tables import FIGURE

MOST_ROWS = 5_000  # of a frame that is drawn
WIDTH = 470  # one chart unit is a point on paper: A4's text width
NARROW = 264  # a telephone's: text that is 8.5 units high is as large there as small print
# Contrast as WCAG asks for it: a mark at least 3:1 on white, a text at least 4.5:1. What stands
# beside each other differs in luminance, too: it is told apart on a grey print.
NAVY, TEAL, AMBER, BRICK = "#12355B", "#4F9FB0", "#B7791F", "#A63D2F"
INK, GREY, TEAL_TEXT = "#1F2A37", "#44546A", "#2B6F7D"
# Of lines with names, and of their labels.
SERIES = (NAVY, "#2E8090", "#8F3324", "#0E1116", "#8A5A12", "#6B2D4A")
RULE, PALE, FAINT, SHADES = "#7F8A97", "#E3E8EE", "#D8DEE5", ("#F4F6F8", "#E9EEF3")
# A heatmap's, the darker the more: ink is readable on each mix of these, and on what is likely.
LOW, EVEN, HIGH = "#FBE3B5", "#C4CFD9", "#6498C4"
RARE, OFTEN = "#F7F6F3", "#6FB1BE"
NAMES = {"name", "segment", "panel"}  # columns of names that somebody else gave
# What a report's column is called in a frame of the analysis that no report has worded yet.
AS_ANALYSED = {"period": "month", "segment": "name"}
NOT_DESCRIBED = "<chart>"  # the plain text of one that does not say what it shows
SAID = ("target", "before", "base")  # of a chart's options, what stands in it beside its frame
MOST_SEEN = 20  # characters of a name: wherever it stands, so many have room
# Letters of other scripts that look as Latin ones do, and signs that take no room.
SHAPES = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухΑΒΕΖΗΙΚΜΝΟΡΤΥΧο",
    "ABESIJKMHOPCTYXaesijopcyxABEZHIKMNOPTYXo",
    "\u00ad\u200b\u200c\u200d\u2060\ufeff",
)
RIGHT = alt.XValue(alt.ExprRef("width"))
Frame = pd.DataFrame
P = ParamSpec("P")
RENDERER = "nrrsim"
_ROOM: ContextVar[int] = ContextVar("room", default=WIDTH)
Drawing = Callable[Concatenate[Frame, P], ChartType]


def room() -> int:
    """How wide the chart that is being drawn may be, in chart units: a page, or a narrow screen."""
    return _ROOM.get()


def is_narrow() -> bool:
    """Whether panels stand below each other, and what stands beside a plot takes less of it."""
    return room() < WIDTH


@contextmanager
def _narrow_room() -> Iterator[None]:
    before = _ROOM.set(NARROW)
    try:
        yield
    finally:
        _ROOM.reset(before)


def fit() -> dict[str, Any]:
    """The size of a chart that fills its room, whatever stands beside its plot."""
    return {"width": room(), "autosize": alt.AutoSizeParams(type="fit", contains="padding")}


def theme() -> alt.theme.ThemeConfig:
    """Return the house style as an Altair theme: Inter, quiet axes, no frame."""
    plain = {
        "labelFontSize": 8.5,
        "titleFontSize": 8.5,
        "titleFontWeight": "normal",
        "titleColor": GREY,
    }
    config = {
        "font": "Inter",
        "background": "transparent",
        "view": {"stroke": None},
        "axis": plain
        | {"labelColor": GREY, "gridColor": PALE, "domainColor": RULE, "labelPadding": 5},
        "axisX": {"grid": False, "labelAngle": 0, "labelFlush": False, "ticks": False},
        "axisY": {"domain": False, "ticks": False},
        "legend": plain
        | {"labelColor": INK, "orient": "top", "symbolSize": 70, "offset": 6, "title": None},
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
    alt.renderers.register(RENDERER, _bundle)
    alt.renderers.enable(RENDERER)


def svg(chart: ChartType) -> str:
    """Return a chart in the house theme as SVG; the same chart gives the same bytes."""
    # what a chart is drawn from, which may be no JSON, is no part of the picture
    return svg_of({**chart.to_dict(), **theme(), "usermeta": {}})


def _bundle(spec: dict[str, Any], **_: Any) -> dict[str, Any]:
    figure = dict(spec.pop("usermeta", {}))
    said = str(spec.get("description") or NOT_DESCRIBED)
    bundle: dict[str, Any] = {"text/plain": said}
    if os.environ.get(BESIDE):
        bundle[SPEC] = spec
    else:
        drawn = svg_of(spec)
        # from the SVG, so that the chart is laid out once
        image = str(base64.b64encode(png_of(drawn)).decode())
        bundle |= {"image/svg+xml": drawn, "image/png": image}
    if figure:
        # a page has it drawn while print is set: here it would be waited for
        figure["narrow"] = {**json.loads(figure["narrow"]), **theme()}
    return bundle | ({FIGURE: figure} if figure else {})


def takes_columns(
    texts: str, numbers: str, seen: int = MOST_SEEN
) -> Callable[[Drawing[P]], Drawing[P]]:
    """Hand a chart a checked copy of its columns, texts as str, numbers as float.

    Without rows it draws a line that says so. `seen`: characters of a name that it has room for.
    """

    def wrap(draw: Drawing[P]) -> Drawing[P]:
        @wraps(draw)
        def checked(frame: Frame, *args: P.args, **options: P.kwargs) -> ChartType:
            columns = [*texts.split(), *numbers.split()]
            frame = frame.rename(
                columns={
                    theirs: ours
                    for ours, theirs in AS_ANALYSED.items()
                    if ours in columns and ours not in frame
                }
            )
            if missing := [c for c in columns if c not in frame]:
                raise ValueError(
                    f"{draw.__name__}: no column {missing} in {list(frame)}; it takes {columns}"
                )
            if len(frame) > MOST_ROWS:
                raise ValueError(
                    f"{draw.__name__}: {len(frame):,} rows, {MOST_ROWS:,} at most;"
                    " aggregate them first"
                )
            if frame.empty:
                empty = pd.DataFrame({"text": ["No data"]})
                note = alt.Chart(empty, width=WIDTH, height=60, description="No data.")
                note = note.mark_text(color=GREY)
                return cast(alt.Chart, note.encode(text=alt.Text("text:N")))
            data = pd.DataFrame({c: [str(v) for v in frame[c]] for c in texts.split()})
            for c in NAMES.intersection(data):
                data[c] = data[c].map(told_apart(data[c], seen))
            for c in numbers.split():
                values = pd.to_numeric(frame[c]).astype(float)
                data[c] = values.replace([inf, -inf], float("nan")).to_numpy()  # JSON has none
            with debug_mode(False):  # it is checked as a whole when it is shown, not part by part
                chart = draw(data.copy(), *args, **options)
            if alt.renderers.active != RENDERER:
                return chart
            with _narrow_room(), debug_mode(False):
                narrow = draw(data.copy(), *args, **options).to_dict(validate=False)
            # Vega-Lite's own place for what it does not draw; a text, which nobody looks through
            names = {c: [str(v) for v in frame[c]] for c in NAMES.intersection(data)}
            drawn_from = data.assign(**names)
            about = _numbers(draw, drawn_from, *args, **options) | {"narrow": json.dumps(narrow)}
            chart["usermeta"] = about  # by itself: `properties` would copy all that is drawn
            return chart

        return cast("Drawing[P]", checked)

    return wrap


def _numbers(draw: Drawing[P], frame: Frame, *args: P.args, **options: P.kwargs) -> dict[str, Any]:
    """What a chart draws, as plain values: for spreadsheets, and for whoever downloads it.

    Null is nothing; `heads` are the columns in words.
    """
    how = signature(draw).bind(frame, *args, **options)
    how.apply_defaults()
    said = {
        name: value
        for name, value in how.arguments.items()
        if name in SAID and isinstance(value, str | int | float)
    }
    return {
        "chart": draw.__name__,
        **({"said": said} if said else {}),
        "columns": list(frame),
        "heads": [label(re.sub(r"^p0?(?=\d)", "P", str(name))) for name in frame],
        "rows": frame.astype(object).where(frame.notna(), None).values.tolist(),
        "currency": how.arguments.get("currency"),
    }


def told_apart(names: Iterable[str], seen: int = MOST_SEEN) -> dict[str, str]:
    """Each name as a figure shows it: two that it would cut to the same text, or that look alike,
    by their beginning and end, or by a number before them. `seen`: characters that it has room for.
    """
    known = list(dict.fromkeys(names))
    shown = {name: name for name in known}
    alike: dict[str, list[str]] = {}
    for name in known:
        alike.setdefault(_look(name, seen), []).append(name)
    for group in (each for each in alike.values() if len(each) > 1):
        ends = [f"{name[: seen // 2]}…{name[-(seen // 2 - 1) :]}" for name in group]
        others = {_look(text, seen) for name, text in shown.items() if name not in group}
        looks = {_look(text, seen) for text in ends}
        is_cut = all(len(name) > seen for name in group)
        is_apart = is_cut and len(looks) == len(group) and not looks & others
        # by name, not by place: another figure of the report may have them in another order
        numbered = {name: f"{number}: {name}" for number, name in enumerate(sorted(group), 1)}
        shown |= dict(zip(group, ends, strict=True)) if is_apart else numbered
    return shown


def _look(name: str, seen: int) -> str:
    """What of a name is seen in a figure: its beginning, and letters by their shapes."""
    text = unicodedata.normalize("NFKC", name).translate(SHAPES)
    return " ".join(text.split())[:seen]


def amount_axis(currency: str, ticks: int = 4, **options: Any) -> alt.Axis:
    """Return an axis of amounts in short form (`$1.2M`); `options`: those of an Altair axis."""
    # the short form of `notation.money`, in Vega's own language: it says k and G, we K and B
    unit = json.dumps(currency_sign(currency))
    size = "abs(datum.value)"
    short = f"replace(replace(format({size}, '.3~s'), 'k', 'K'), 'G', 'B')"
    digits = f"{size} < 1000 ? format({size}, ',.4~r') : {short}"
    label = f"(datum.value < 0 ? '−' : '') + {unit} + ({digits})"
    return alt.Axis(title=None, tickCount=ticks, labelExpr=label, grid=False, **options)


def ratio_axis(low: float, high: float, ticks: int = 5, **options: Any) -> dict[str, Any]:
    """Return the options of a channel of ratios from `low` to `high`, in whole percent."""
    axis = alt.Axis(**{"title": None, "format": ".0%", "tickCount": ticks, "grid": True} | options)
    return {
        "type": "quantitative",
        "axis": axis,
        "scale": alt.Scale(domain=[low, high], nice=False, zero=False),
    }


def period_axis(frame: Frame, scale: dict[str, Any], **options: Any) -> alt.X:
    """Return the x channel of `period`, its values in the frame's order."""
    names = list(dict.fromkeys(frame["period"]))
    return alt.X(
        "period:O", title=None, scale=alt.Scale(domain=names, **scale), axis=alt.Axis(**options)
    )


def halos(ground: str = "white") -> list[dict[str, Any]]:
    """Options to draw a text twice, first with a wide edge in the `ground`'s colour, so that no
    line crosses it.
    """
    return [{"stroke": ground, "strokeWidth": 3}, {}]


def bounds_of(values: pd.Series[float], otherwise: tuple[float, float]) -> tuple[float, float]:
    """Return the lowest and the highest value; `otherwise` where all are null."""
    known = values.dropna()
    return (float(known.min()), float(known.max())) if len(known) else otherwise


def visible_range(*ratios: pd.Series[float]) -> tuple[float, float]:
    """Return the range of ratios to show: some air around them, at least ten points."""
    low, high = bounds_of(pd.concat(ratios), (0.9, 1.1))
    air = max((high - low) * 0.1, (0.1 - (high - low)) / 2)
    return low - air, high + air


def spaced_out(places: Sequence[float], gap: float) -> list[float]:
    """Move labels as little as it takes for each pair to be `gap` apart."""
    # neighbours push each other apart, half each; after fifty rounds all have found their place
    out, order = list(places), sorted(range(len(places)), key=lambda i: places[i])
    for a, b in list(pairwise(order)) * 50:
        push = max(0.0, gap - (out[b] - out[a])) / 2
        out[a], out[b] = out[a] - push, out[b] + push
    return out


def amount_text(value: float, currency: str | None, is_change: bool = False) -> str:
    """Return an amount as money in `currency`, or a ratio in percent (a change in points)."""
    if currency is None:
        return points(value) if is_change else percent(value)
    return (signed_money if is_change else money)(value, currency)
