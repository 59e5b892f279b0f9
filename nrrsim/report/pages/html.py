"""Cells in, one HTML page that fetches nothing out; never a PDF."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat

from nrrsim.errors import RenderError
from nrrsim.report.charts.picture import svg_of
from nrrsim.report.pages.downloads import csv_of, download, smaller_png
from nrrsim.report.pages.markdown import font_faces, quarto_markdown, run_pandoc
from nrrsim.report.pages.notebook import EXTENSION, IMAGES, Cell, chosen_mime
from nrrsim.report.tables import CELLS, FIGURE

Drawing = Callable[[dict[str, Any]], str]
KINDS = {"fig": "chart", "tbl": "table"}  # what the files are called that a page saves


def html_page(
    meta: Mapping[str, Any], cells: Sequence[Cell], style: Path, draw: Drawing = svg_of
) -> bytes:
    """The page, with its style, pictures, their data and the font in it.

    meta : the front matter. style : the folder that holds the house's extension. draw : makes the
        SVG of a chart for a narrow screen.
    Raises RenderError where the page would run or fetch something.
    """
    extension = style / EXTENSION
    holes, pieces = _with_holes(cells, draw)
    # the title is the h1, so that what Quarto counts as depth 1 is an h2 here
    depth = int(meta.get("toc-depth") or 2) + 1
    page = run_pandoc(
        quarto_markdown(holes, "html", Path()),
        {**meta, "toc": None},  # print's; a page that is scrolled always has its contents
        "html5",
        extension / "house.html",
        ["--mathml", "--toc", f"--toc-depth={depth}"],
    )
    # the contents stand twice, for wide and for narrow screens: they cannot both have the ids
    page = re.sub(r' id="toc-[^"]*"', "", page)
    page = _with_scopes(_filled(page, {hole: shown for hole, (shown, _) in pieces.items()}))
    css = (extension / "house.css").read_text("utf-8")
    page = page.replace("<style>", f"<style>\n{css}", 1)  # the first one is the head's

    guard = _Guard()
    guard.feed(page)
    if guard.found:
        raise RenderError(
            "the HTML would run or fetch something: " + "; ".join(dict.fromkeys(guard.found))
        )
    # our own, and long: put in once all else has been looked at
    page = _filled(page, {f"{hole}-data": data for hole, (_, data) in pieces.items()})
    return page.replace("<style>", f"<style>\n{font_faces()}", 1).encode()


def _with_holes(
    cells: Sequence[Cell], draw: Drawing
) -> tuple[list[Cell], dict[str, tuple[str, str]]]:
    """Cells with a hole for each picture and table, and what belongs into it: it, and its data.

    Pandoc takes long over what it only has to hand on.
    """
    holes: list[Cell] = []
    pieces: dict[str, tuple[str, str]] = {}
    for cell in cells:
        outputs = []
        for output in cell.outputs or ():
            mime = chosen_mime(output, "html")
            piece = _piece(output, mime, cell, len(pieces), draw) if mime else None
            if piece:
                hole = f"hole-{len(pieces)}"
                pieces[hole] = piece
                html = _hole(hole) + _hole(f"{hole}-data")
                output = nbformat.v4.new_output("display_data", data={"text/html": html})
            outputs.append(output)
        holes.append(cell if cell.outputs is None else replace(cell, outputs=outputs))
    return holes, pieces


def _hole(name: str) -> str:
    return f'<div id="{name}"></div>'


def _filled(page: str, pieces: Mapping[str, str]) -> str:
    hole = re.compile(r'<div id="(hole-\d+(?:-data)?)"></div>')
    return hole.sub(lambda found: pieces.get(found[1], found[0]), page)


def _piece(
    output: Any, mime: str, cell: Cell, number: int, draw: Drawing
) -> tuple[str, str] | None:
    """A picture or a table as the page shows it, and links to its data; None for other outputs."""
    kind, _, name = cell.label.partition("-")
    # a picture and a table of one name are two files
    name = f"{name}-{KINDS.get(kind, kind)}" if name else f"data-{number + 1}"
    caption = cell.options.get(f"{cell.label[:3]}-cap") or cell.options.get("fig-alt") or ""
    link = partial(download, about=" ".join(str(caption).split()))
    value = str(output.data.get(mime, "")) if output.output_type != "stream" else ""
    if mime in IMAGES:
        links = []
        if numbers := output.data.get(FIGURE):
            links.append(link(f"{name}.csv", "Data (CSV)", "text/csv", csv_of(numbers)))
        if image := output.data.get("image/png"):
            links.append(link(f"{name}.png", "Picture (PNG)", "image/png", smaller_png(image)))
        return _picture(output.data, mime, cell, number, draw), _downloads(links)
    if mime == "text/html" and "<table" in value:
        numbers, links = output.data.get(CELLS), []
        if numbers:
            value = _plain_table(value)
            links = [link(f"{name}.csv", "Data (CSV)", "text/csv", csv_of(numbers))]
        # in a float the filter makes the box that scrolls
        box = '<div class="scroll" role="group" tabindex="0" aria-label="Table">{}</div>'
        return value if cell.is_float else box.format(value), _downloads(links)
    return None


def _downloads(links: Sequence[str]) -> str:
    return f'<p class="downloads">{" ".join(links)}</p>' if links else ""


def _plain_table(html: str) -> str:
    """A house table alone: its frame and its style are the page's."""
    found = re.search(r"<table\b.*</table>", html, re.DOTALL)
    return re.sub(r' (?:id|headers|data-quarto-[a-z]+)="[^"]*"', "", found[0]) if found else html


def _picture(data: Mapping[str, Any], mime: str, cell: Cell, number: int, draw: Drawing) -> str:
    alt = escape(" ".join(str(cell.options.get("fig-alt", "")).split()))
    if mime != "image/svg+xml":
        image = "".join(str(data[mime]).split())
        return f'<div class="chart"><img src="data:{mime};base64,{image}" alt="{alt}"></div>'
    narrow = data.get(FIGURE, {}).get("narrow")
    widths = {"wide": data[mime], "narrow": draw(narrow)} if narrow else {"": data[mime]}
    return "".join(
        f'<div class="chart {width}">{_inline(str(svg), f"{width}{number}", alt)}</div>'
        for width, svg in widths.items()
    )


def _inline(svg: str, name: str, alt: str) -> str:
    """An SVG inside of a page: one picture with one text, and no id that another one has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<[^>]+>", lambda tag: re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", tag[0]), svg)
    ids = "|".join(map(re.escape, dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg))))
    if ids:
        svg = re.sub(rf'(\bid="|url\(#|href="#)({ids})(?=["\)])', rf"\g<1>{name}-\g<2>", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{alt}"', 1)


def _with_scopes(page: str) -> str:
    """Header cells say what they are the header of: a column in the head of a table, else a row."""
    parts = re.split(r"(<thead\b.*?</thead>)", page, flags=re.DOTALL)
    header = re.compile(r"<th(?=[\s>])(?![^>]*\sscope=)")
    return "".join(
        header.sub(f'<th scope="{("row", "col")[i % 2]}"', part) for i, part in enumerate(parts)
    )


class _Guard(HTMLParser):
    """What a page would run or fetch: active tags, handlers, addresses but data and plain links."""

    ACTIVE = ("script", "iframe", "frame", "object", "embed", "base", "form", "link",
              "foreignobject")  # fmt: skip
    ADDRESSES = ("src", "srcset", "href", "xlink:href", "poster", "data", "action", "formaction",
                 "background")  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.ACTIVE:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            # browsers skip line ends and tabs in an address, and blanks before it: so does this
            address = re.sub(r"[\x00-\x20]", "", value or "").lower()
            is_link = (tag, name) == ("a", "href")
            allowed = ("#", "http:", "https:", "mailto:") if is_link else ("#", "data:")
            fetches = name in self.ADDRESSES and not address.startswith(allowed)
            if fetches or name.startswith("on") or (name == "style" and self._css_fetches(address)):
                self.found.append(f'<{tag} {name}="{(value or "")[:60]}">')

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "style" and self._css_fetches(data.lower()):
            self.found.append("<style>")

    @staticmethod
    def _css_fetches(css: str) -> bool:
        return re.search(r"@import|url\((?!\s*[\"']?\s*(data:|#))", css) is not None
