"""An executed notebook in, its cells with what each shows out; never runs one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from nrrsim.errors import RenderError
from nrrsim.notation import unevaluated
from nrrsim.report.tables import CELLS

EXTENSION = Path("_extensions/nrrsim")
IMAGES = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg"}
# Which form of an output is shown. PDF: Quarto's order for Typst. HTML: a table there is not its
# print form. Word and PowerPoint: pixels, as older ones draw no SVG, and HTML's tables.
OFFICE = ("image/png", "image/jpeg", "image/svg+xml", "text/html", "text/markdown", "text/plain")
CHOICE = {
    "pdf": ("text/markdown", *IMAGES, "text/html", "text/plain"),
    "html": ("text/html", *IMAGES, "text/markdown", "text/plain"),
    "docx": OFFICE,
    "pptx": OFFICE,
}


@dataclass(frozen=True)
class Cell:
    """A cell that the page shows: its `#|` options read, its source without them, its outputs."""

    name: str
    source: str
    options: Mapping[str, Any]
    outputs: Sequence[Any] | None = None  # None: a Markdown cell

    @property
    def label(self) -> str:
        return str(self.options.get("label", ""))

    @property
    def is_float(self) -> bool:
        return self.label.startswith(("fig-", "tbl-", "lst-"))


def load_notebook(notebook: Path) -> Any:
    """The notebook in nbformat 4; raises RenderError where it cannot be read as one."""
    try:
        return nbformat.read(notebook, as_version=4)
    except (OSError, ValueError) as error:
        raise RenderError(f"{notebook} cannot be read as a notebook: {error}") from error


def _yaml(text: str) -> dict[str, Any]:
    found = YAML(typ="safe", pure=True).load(text)
    return found if isinstance(found, dict) else {}


def formats_of(notebook: Any) -> dict[str, Any]:
    """The formats that a notebook says it is made as, each with its options."""
    first = notebook.cells[0].source if notebook.cells else ""
    found = _yaml(first.strip().strip("-")).get("format")
    return found if isinstance(found, dict) else {str(found): None} if found else {}


def read_cells(notebook: Path, style: Path) -> tuple[dict[str, Any], list[Cell]]:
    """Front matter over the style's defaults, and the cells to show; RenderError with all wrong."""
    raw_cells = load_notebook(notebook).cells
    first = raw_cells[0].source.strip() if raw_cells else ""
    matter = re.fullmatch(r"---\n(.*?)\n---", first, re.DOTALL)
    if not matter:
        raise RenderError(
            f"{notebook.name}: the first cell must be front matter, YAML between lines of ---"
        )
    try:
        extension = _yaml((style / EXTENSION / "_extension.yml").read_text("utf-8"))
        project = _yaml((style / "_quarto.yml").read_text("utf-8"))
        meta = _yaml(matter[1])
    except (OSError, YAMLError) as error:
        raise RenderError(f"{notebook.name}: {error}") from error

    # what the notebook says goes before what the project and the extension say
    execute = {**project.get("execute", {}), **(meta.get("execute") or {})}
    formats = meta.pop("format", None)
    own = formats.get("nrrsim-typst") if isinstance(formats, dict) else None
    meta = {
        **extension["contributes"]["formats"]["typst"],
        **(own if isinstance(own, dict) else {}),
        **meta,
    }

    findings = [f"the front matter has no {key}" for key in ("title", "lang") if not meta.get(key)]
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z]+)*", str(meta.get("lang") or "en")):
        findings.append(f"lang must be a language such as en or en-GB, not {meta['lang']!r}")
    cells = []
    for number, raw in enumerate(raw_cells[1:], start=2):
        if raw.cell_type == "markdown":
            cells.append(Cell(f"cell {number}", raw.source, {}))
        elif raw.cell_type == "code":
            cell = _code_cell(number, raw, execute)
            hidden = {"parameters", "injected-parameters"} & set(raw.metadata.get("tags", ()))
            findings += _findings(cell, raw)
            if not hidden and cell.options.get("include") is not False:
                cells.append(cell)
    if findings:
        raise RenderError("\n".join(f"{notebook.name}: {finding}" for finding in findings))
    return meta, cells


def describe_pictures(notebook: Any) -> None:
    """Let each picture's alternative text say what is in it, too: its chart's own description.

    Written into the executed notebook's `#| fig-alt`, where every engine looks for it.
    """
    for cell in notebook.cells:
        drawn = (output.get("data", {}) for output in cell.get("outputs", []))
        pictures = [data for data in drawn if IMAGES.keys() & data.keys()]
        told = [str(data.get("text/plain", "")) for data in pictures]
        described = " ".join(text for text in told if text and not text.startswith("<"))
        if not described:
            continue
        stated, code = _options_of(cell.source)
        text = "\n".join(stated)
        shown = str(_yaml(text).get("fig-alt") or "").strip()
        written = json.dumps(unevaluated(f"{shown} {described}".strip()), ensure_ascii=False)
        others = re.sub(r"^fig-alt:.*(\n[ \t]+.*)*", "", text, flags=re.MULTILINE)
        options = [*filter(str.strip, others.splitlines()), f"fig-alt: {written}"]
        cell.source = "\n".join([*(f"#| {option}" for option in options), *code])


def chosen_mime(output: Any, to: str) -> str | None:
    """The form of an output that the page shows; None where it shows nothing of it."""
    if output.output_type == "stream":
        return "text/plain" if output.name == "stdout" else None
    data = output.get("data", {})
    found = [mime for mime in CHOICE[to] if mime in data]
    if to != "html":  # of HTML, print can show a table; Word those cards, too, that know their rows
        has_rows = "<table" in data.get("text/html", "") or (to != "pdf" and CELLS in data)
        found = [mime for mime in found if mime != "text/html" or has_rows]
    return found[0] if found else None


def _code_cell(number: int, raw: Any, defaults: Mapping[str, Any]) -> Cell:
    stated, code = _options_of(raw.source)
    source = "\n".join(code).strip()
    try:
        options = _yaml("\n".join(stated))
    except YAMLError as error:
        raise RenderError(f"cell {number}: its #| options are not YAML: {error}") from error
    known_by = options.get("label") or source.partition("\n")[0][:50]
    return Cell(f"cell {number} ({known_by})", source, {**defaults, **options}, raw.outputs)


def _options_of(source: str) -> tuple[list[str], list[str]]:
    """The lines of a cell's `#|` options, without that mark, and of its code."""
    lines = source.splitlines()
    head = next((i for i, line in enumerate(lines) if not line.startswith("#|")), len(lines))
    return [line[2:].removeprefix(" ") for line in lines[:head]], lines[head:]


def _findings(cell: Cell, raw: Any) -> Iterator[str]:
    """Why a code cell must not go into a report."""
    for output in raw.outputs:
        if output.output_type == "error":
            yield f"{cell.name} failed: {output.ename}: {output.evalue}"
    if raw.execution_count is None and raw.source.strip():
        yield f"{cell.name} has not been run; run the notebook to its end before rendering it"
        return
    if cell.options.get("include") is False:
        return
    shown = [mime for output in raw.outputs if (mime := chosen_mime(output, "pdf"))]
    if cell.is_float and not shown:
        yield f"{cell.name} has a label but shows nothing"
    if any(mime in IMAGES for mime in shown) and not str(cell.options.get("fig-alt") or "").strip():
        yield (
            f"{cell.name} is a picture without alternative text;"
            " add a line `#| fig-alt: what it shows`"
        )
