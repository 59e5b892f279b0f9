"""A chart's Vega-Lite in, its SVG and its PNG out; never knows the house's style.

Apart from the style, so that a page can have a picture made without all that draws charts.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

from nrrsim.files import shared


def svg_of(spec: dict[str, Any]) -> str:
    """The SVG of a specification, its config included; the same one gives the same bytes."""
    # no names for its marks: a picture has one text that says it all
    config = {**spec.get("config", {}), "aria": False}
    drawn = _converter().vegalite_to_svg({**spec, "config": config})

    # Vega counts its gradients up for ever: the second chart of a process would differ
    for number, name in enumerate(re.findall(r'<linearGradient id="(\w+)"', drawn)):
        used = rf'(<linearGradient id="|"url\(#){name}\b'
        drawn = re.sub(used, rf"\1gradient{number or ''}", drawn)

    # a chart unit is a point on paper: without a unit it would be a pixel, 3/4 of that
    return re.sub(r'(<svg [^>]*?width="[\d.]+)(" height="[\d.]+)', r"\1pt\2pt", drawn, count=1)


def png_of(svg: str) -> bytes:
    """The PNG of an SVG on white, twice as many pixels to a side."""
    # on no ground the converter makes grey of every colour that is half seen through
    white = re.sub("(<svg [^>]*>)", r'\1<rect width="100%" height="100%" fill="white"/>', svg)
    return bytes(_converter().svg_to_png(white, scale=2))


def warm_up() -> None:
    """Start what draws, which takes longer than a picture, for whoever has time before he asks."""
    svg_of({"data": {"values": [{}]}, "mark": "point"})


@cache
def _converter() -> Any:
    import vl_convert

    inter = shared("reports", "_extensions", "nrrsim", "fonts")
    for fonts in (inter, files("noto_cjk_sans_jp_regular")):
        vl_convert.register_font_directory(str(fonts))
    return vl_convert
