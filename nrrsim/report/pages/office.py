"""Cells in, a Word document by pandoc or by Quarto out; never judges what stands in it.

Both engines get the same Markdown, pictures in it, and a reference document: the house's, or a
company's own.
"""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from ruamel.yaml import YAML

from nrrsim.errors import UsageError
from nrrsim.report.pages.markdown import office_file, quarto_markdown
from nrrsim.report.pages.notebook import EXTENSION, Cell
from nrrsim.report.pages.package import packed
from nrrsim.report.pages.pdf import Quarto, quarto_render

MAIN = {"docx": "word/document.xml", "pptx": "ppt/presentation.xml"}
LAYOUTS = ("Title Slide", "Title and Content", "Content with Caption")  # that pandoc asks for
FOOT = "nrrsim-foot"  # stands in the house's footer where a report's own line goes


def reference_of(style: Path, to: str) -> Path:
    """The house's reference document for a format."""
    return style / EXTENSION / f"house.{to}"


def check_reference(path: Path, said: str) -> str:
    """The format that a company's own reference document is for, by its ending.

    said : how the card names it. Raises UsageError where it is none, or lacks what pandoc asks for.
    """
    to = path.suffix.lower().removeprefix(".")
    if to not in MAIN:
        raise UsageError(
            f"reference_doc: {said} is no .pptx or .docx; name a deck, or a Word document"
            " (a template, too, is saved as one of them first)"
        )
    try:
        with zipfile.ZipFile(path) as parts:
            has = parts.namelist()
            texts = {name: parts.read(name) for name in has if _names(name)}
    except OSError:
        raise UsageError(f"reference_doc: there is no file {said} beside the card") from None
    except zipfile.BadZipFile:
        texts, has = {}, []
    if MAIN[to] not in has:
        what = {"pptx": "PowerPoint", "docx": "Word"}[to]
        raise UsageError(f"reference_doc: {said} is no {what} file; save it as .{to} once more")
    pattern = rb'<p:cSld[^>]* name="([^"]*)"' if to == "pptx" else rb'<w:name w:val="([^"]*)"'
    known = {each.decode().lower() for text in texts.values() for each in re.findall(pattern, text)}
    wanted = LAYOUTS if to == "pptx" else ()
    if missing := [name for name in wanted if name.lower() not in known]:
        raise UsageError(
            f"reference_doc: {said} has no layout called {', '.join(missing)}; a deck needs"
            f" {', '.join(wanted)}: add them in PowerPoint's slide master, by these names"
        )
    return to


def _names(part: str) -> bool:
    return bool(re.fullmatch(r"ppt/slideLayouts/[^/]+\.xml|word/styles\.xml", part))


def word(
    meta: Mapping[str, Any],
    cells: Sequence[Cell],
    reference: Path,
    timestamp: int,
    quarto: Quarto | None,
) -> bytes:
    """The Word document; the same bytes for the same cells."""
    made = by_engine(
        quarto, quarto_markdown(cells, "docx", Path()), meta, "docx", reference, timestamp
    )
    return packed(_with_foot(made, meta), timestamp)


def by_engine(
    quarto: Quarto | None,
    text: str,
    meta: Mapping[str, Any],
    to: str,
    reference: Path,
    timestamp: int,
) -> bytes:
    """What Quarto, or without one the pandoc that comes with nrrsim, makes of Markdown."""
    if quarto is None:
        return office_file(text, meta, to, reference, timestamp)
    # in a project of its own, which holds the Markdown as a notebook, and the reference
    with tempfile.TemporaryDirectory(prefix="nrrsim-") as folder:
        project = Path(folder)
        (project / f"reference.{to}").write_bytes(reference.read_bytes())
        known = ("title", "subtitle", "author", "date", "lang", "keywords")
        front = {key: meta[key] for key in known if meta.get(key)}
        front["format"] = {to: {"reference-doc": f"reference.{to}", "slide-level": 2}}
        said = io.StringIO()
        YAML(typ="safe", pure=True).dump(front, said)
        book = nbformat.v4.new_notebook()
        book.cells = [
            nbformat.v4.new_raw_cell(f"---\n{said.getvalue()}---", id="front"),
            nbformat.v4.new_markdown_cell(text, id="text"),
        ]
        nbformat.write(book, project / "report.ipynb")
        return quarto_render(quarto, project, to, f"report.{to}", timestamp)


def foot(meta: Mapping[str, Any]) -> str:
    """What stands at the foot of each page or slide: whose it is, and for whom."""
    said = (str(meta.get(key) or "") for key in ("company", "confidentiality"))
    return " · ".join(re.sub(r"\\([^\w\s])", r"\1", each) for each in said if each)


def _with_foot(file: bytes, meta: Mapping[str, Any]) -> bytes:
    """A document with the report's own line in the house's footer."""
    out, line = io.BytesIO(), escape(foot(meta)).encode()
    with zipfile.ZipFile(io.BytesIO(file)) as there, zipfile.ZipFile(out, "w") as made:
        for name in there.namelist():
            part = there.read(name)
            made.writestr(name, part.replace(FOOT.encode(), line) if "/footer" in name else part)
    return out.getvalue()
