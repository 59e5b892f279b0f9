"""A chart's Vega-Lite in, the same chart laid out for a narrow screen out; never another picture.

Panels that stand side by side stand below each other, and names, legends and columns beside the
plot take less of the width. Data, marks, colours and scales are the same.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

NARROW = 264  # chart units: on a telephone a text of 8.5 units is as large as the page's small text
BESIDE = 70  # of them for what stands beside a panel that cannot be fitted: its axis, its names
CHANNELS = ("x", "x2", "y", "y2", "color", "fill", "stroke", "strokeDash", "shape", "opacity")
LIMITS = ("labelLimit", "titleLimit", "limit")
Spec = dict[str, Any]


def narrow(spec: Spec, wide: float) -> Spec:
    """Return the specification of a narrow version of a chart that is `wide` chart units wide."""
    spec = copy.deepcopy(spec)
    shrink = NARROW / wide
    _stack(spec)
    for view, stacked in _views(spec):
        before = view.get("width")
        if isinstance(before, int | float):
            fitted = isinstance(view.get("autosize"), dict)
            view["width"] = NARROW if fitted else NARROW - BESIDE
        for layer in _layers(view):
            mark = layer.get("mark")
            if isinstance(mark, dict) and not stacked:
                _slim(mark, shrink)
            for channel in CHANNELS:
                definition = layer.get("encoding", {}).get(channel)
                if isinstance(definition, dict):
                    _keep_right(definition, before)
                    _shrink(definition, 1 if stacked else shrink)
        view["height"] = view.get("height", 0) + _legends(view)
    return spec


def _stack(spec: Spec) -> None:
    """Panels that stand side by side, each with the axes that only the first one had."""
    facet = spec.get("facet")
    if isinstance(facet, dict) and "column" in facet:
        spec["facet"], spec["columns"] = facet["column"], 1
        spec["facet"].setdefault("header", {}).pop("labelLimit", None)
    if "hconcat" in spec:
        spec["concat"] = spec.pop("hconcat")
    if "concat" in spec:
        spec["columns"] = 1
        for panel in spec["concat"]:
            for layer in _layers(panel):
                for channel in ("x", "y"):
                    axis = layer.get("encoding", {}).get(channel, {}).get("axis")
                    if isinstance(axis, dict):
                        axis.pop("labels", None)


def _views(spec: Spec) -> Iterator[tuple[Spec, bool]]:
    """The views that have a size of their own, and whether they stand below each other."""
    if "concat" in spec:
        yield from ((panel, True) for panel in spec["concat"])
    elif "facet" in spec:
        yield spec["spec"], True
    else:
        yield spec, False


def _layers(view: Spec) -> Iterator[Spec]:
    yield view
    for layer in view.get("layer", ()):
        yield from _layers(layer)


def _keep_right(definition: Spec, width: Any) -> None:
    """What stood at the right edge stays there; columns to its right move together."""
    if width is not None and definition.get("value") == width:
        definition["value"] = {"expr": "width"}
    place = definition.get("value")
    if isinstance(place, dict) and (at := re.fullmatch(r"width \+ (\d+)", place.get("expr", ""))):
        place["expr"] = f"width + {0.74 * int(at[1]):.0f}"


def _shrink(definition: Spec, shrink: float) -> None:
    for part in ("axis", "legend", "header"):
        if isinstance(definition.get(part), dict):
            _limit(definition[part], shrink)


def _limit(options: Spec, shrink: float) -> None:
    for limit in LIMITS:
        if limit in options:
            options[limit] *= max(shrink, 0.6)
    if "tickCount" in options and shrink < 1:
        options["tickCount"] = -(-options["tickCount"] // 2)


def _slim(mark: Spec, shrink: float) -> None:
    """A mark whose size is a width, and a text that must not be longer."""
    _limit(mark, shrink)
    if mark.get("type") in ("bar", "tick") and "size" in mark:
        mark["size"] *= shrink


def _legends(view: Spec) -> float:
    """Lay legends of signs out in as many columns as fit; return the height that this takes."""
    higher = 0.0
    for layer in _layers(view):
        for channel in CHANNELS:
            definition = layer.get("encoding", {}).get(channel)
            legend = definition.get("legend") if isinstance(definition, dict) else None
            if not isinstance(legend, dict) or "gradientLength" in legend:
                continue
            names = definition.get("scale", {}).get("domain", [])
            if len(names) > 1 and isinstance(names[0], str):
                longest = max(map(len, names)) if "labelExpr" not in legend else 30
                before = legend.get("columns") or len(names)
                legend["columns"] = max(1, min(before, int(NARROW // (30 + 5 * longest))))
                rows = -(-len(names) // legend["columns"]) - -(-len(names) // before)
                higher = max(higher, 14.0 * rows)
    return higher
