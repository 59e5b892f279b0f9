"""An executed notebook in, its pages and slides out as files; never runs a cell, never fetches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from nrrsim.errors import RenderError
from nrrsim.files import whole
from nrrsim.report.charts.picture import svg_of
from nrrsim.report.pages.html import Drawing, html_page
from nrrsim.report.pages.markdown import pandoc_version
from nrrsim.report.pages.notebook import read_cells
from nrrsim.report.pages.office import reference_of, word
from nrrsim.report.pages.pdf import OLDEST_QUARTO, Quarto, find_quarto, pdf_by_quarto, pdf_by_typst

FORMATS = ("pdf", "html", "docx", "pptx")
ENGINES = ("auto", "quarto", "embedded")


def render(
    notebook: Path,
    out: Path,
    *,
    to: Sequence[str] = ("pdf",),
    engine: str = "auto",
    style: Path,
    timestamp: int,
    draw: Drawing = svg_of,
    references: Mapping[str, Path] | None = None,
) -> dict[str, Path]:
    """Write `report.pdf`, .html, .docx and .pptx (those in `to`) into `out`; return where each is.

    `notebook` is executed, its first cell the front matter. `style` is the folder with
    `_quarto.yml`, `_brand.yml` and `_extensions/`; it is only read. `timestamp` (seconds since
    1970) is the PDF's creation time: the same notebook gives the same bytes. `engine` makes the
    PDF, the document and the deck: "quarto", "embedded", or "auto" (Quarto 1.9 or newer where there
    is one); HTML is always embedded. `draw` makes the SVG of a chart for a narrow screen.
    `references`: by format, a company's own reference document in the place of the house's.

    Raises RenderError, with all that was found, before anything is written.
    """
    if unknown := [name for name in to if name not in FORMATS]:
        raise RenderError(
            f"cannot render to {', '.join(unknown)}: choose from {', '.join(FORMATS)}"
        )
    quarto = _engine(engine) if {"pdf", "docx", "pptx"} & {*to} else None
    meta, cells = read_cells(notebook, style)

    def page(name: str) -> bytes:
        if name == "html":
            return html_page(meta, cells, style, draw)
        if name in ("docx", "pptx"):
            reference = (references or {}).get(name) or reference_of(style, name)
            if name == "docx":
                return word(meta, cells, reference, timestamp, quarto)
            from nrrsim.report.pages.slides import deck  # late: python-pptx takes its time

            return deck(meta, cells, reference, timestamp, quarto)
        if quarto:
            return pdf_by_quarto(quarto, notebook, style, timestamp)
        return pdf_by_typst(meta, cells, style, timestamp)

    try:
        with ThreadPoolExecutor() as pool:  # each format waits for a pandoc of its own
            pages = dict(zip(to, pool.map(page, to), strict=True))
    except RenderError as error:
        raise RenderError(f"{notebook.name}: {error}") from error
    out.mkdir(parents=True, exist_ok=True)
    paths = {name: out / f"report.{name}" for name in pages}
    for name, path in paths.items():
        with whole(path) as unfinished:
            unfinished.write_bytes(pages[name])
    return paths


def engine_used(engine: str = "auto", to: Sequence[str] = ("pdf",)) -> dict[str, str] | None:
    """What `render` makes a PDF, a document and a deck with, names and versions; None of others.

    RenderError as from `render`.
    """
    if not {"pdf", "docx", "pptx"} & {*to}:
        return None
    own = {"python-pptx": version("python-pptx")} if "pptx" in to else {}  # it draws the charts
    if quarto := _engine(engine):
        return {"engine": "quarto", "quarto": quarto.version, **own}
    typesetter = {"typst": version("typst")} if "pdf" in to else {}
    return {"engine": "embedded", "pandoc": pandoc_version(), **typesetter, **own}


def _engine(engine: str) -> Quarto | None:
    """The Quarto to use, or None for the embedded engine."""
    if engine not in ENGINES:
        raise RenderError(f"unknown engine {engine!r}: choose from {', '.join(ENGINES)}")
    quarto = find_quarto() if engine != "embedded" else None
    if quarto and quarto.is_recent:
        return quarto
    if engine != "quarto":
        return None
    problem = (
        f"Quarto {quarto.version} ({quarto.path}) is too old" if quarto else "no quarto on the PATH"
    )
    wanted = ".".join(map(str, OLDEST_QUARTO))
    raise RenderError(
        f"{problem}; install Quarto {wanted} or newer (quarto.org), or use the embedded engine"
    )
