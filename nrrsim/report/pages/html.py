"""Cells in, one HTML page that fetches nothing out; never a PDF."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from nrrsim.errors import RenderError
from nrrsim.report.pages.markdown import font_faces, quarto_markdown, run_pandoc
from nrrsim.report.pages.notebook import EXTENSION, Cell


def html_page(meta: Mapping[str, Any], cells: Sequence[Cell], style: Path) -> bytes:
    """The page, with its style, pictures and font in it.

    meta : the front matter. style : the folder that holds the house's extension.
    Raises RenderError where the page would run or fetch something.
    """
    extension = style / EXTENSION
    options = ["--embed-resources", "--mathml"]
    if meta.get("toc"):
        # the title is the h1, so that what Quarto counts as depth 1 is an h2 here
        options += ["--toc", f"--toc-depth={int(meta.get('toc-depth') or 2) + 1}"]
    text = quarto_markdown(cells, "html", Path())
    page = _with_scopes(
        run_pandoc(text, {**meta, "toc": None}, "html5", extension / "house.html", options)
    )
    css = (extension / "house.css").read_text("utf-8")
    page = page.replace("<style>", f"<style>\n{css}", 1)  # the first one is the head's
    guard = _Guard()
    guard.feed(page)
    if guard.found:
        raise RenderError(
            "the HTML would run or fetch something: " + "; ".join(dict.fromkeys(guard.found))
        )
    return page.replace("<style>", f"<style>\n{font_faces()}", 1).encode()


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
