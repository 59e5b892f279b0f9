"""Cells in, a PDF/UA page by Typst or by Quarto out; never judges what stands on it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import typst

from nrrsim.errors import RenderError
from nrrsim.report.pages.markdown import font_folders, install_fonts, quarto_markdown, run_pandoc
from nrrsim.report.pages.notebook import EXTENSION, Cell, chosen_mime, load_notebook

OLDEST_QUARTO = (1, 9)
KEPT_FOR = 11  # compilations after which Typst lets go of what none of them asked for
# What is no complaint: veraPDF's would be a second opinion on what Typst has checked itself.
QUARTO_MAY_SAY = ("verapdf is not installed",)
# Stands where Quarto's own template.typ stands, around the same partials.
TYPST_TEMPLATE = """\
#let horizontalrule = line(length: 100%, stroke: 0.5pt)
#let equation-numbering = "(1)"
$if(highlighting-definitions)$
$highlighting-definitions$
$endif$
$typst-template.typ()$
$page.typ()$
$typst-show.typ()$
$body$
"""


@dataclass(frozen=True)
class Quarto:
    """A Quarto command line on this machine: where it is, and the version it gives."""

    path: Path
    version: str

    @property
    def is_recent(self) -> bool:
        """Whether it knows what the extension asks for (PDF/UA-1 came with Quarto 1.9)."""
        return tuple(int(part) for part in re.findall(r"\d+", self.version)[:2]) >= OLDEST_QUARTO


def find_quarto() -> Quarto | None:
    """The `quarto` on the PATH, whatever its version; None if there is none that starts."""
    path = shutil.which("quarto")
    if path is None:
        return None
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return Quarto(Path(path), said.stdout.strip())


def pdf_by_typst(
    meta: Mapping[str, Any], cells: Sequence[Cell], style: Path, timestamp: int
) -> bytes:
    """The PDF by pandoc and the Typst that come with nrrsim; the same bytes for the same cells.

    timestamp : its creation time, seconds since 1970. Raises RenderError with what Typst says.
    """
    standards = meta.get("pdf-standard") or []
    pdf_standards: Any = [standards] if isinstance(standards, str) else list(standards)
    with tempfile.TemporaryDirectory(prefix="nrrsim-") as temporary:
        document = typst_document(meta, cells, style, Path(temporary))
        # the house's fonts, and those that one has put beside them
        beside = style / EXTENSION / "fonts"
        fonts = dict.fromkeys([*(font.parent for font in font_folders()), beside])

        try:
            pdf, warnings = typst.compile_with_warnings(
                str(document),
                format="pdf",
                root=temporary,
                font_paths=[str(folder) for folder in fonts if folder.is_dir()],
                ignore_system_fonts=True,  # the same page on every machine
                pdf_standards=pdf_standards,
                timestamp=timestamp,
            )
        except typst.TypstError as error:
            raise RenderError(
                _reason(str(error.diagnostic), document.read_text("utf-8"))
            ) from error
        finally:
            _let_go()
    if warnings:
        raise RenderError("Typst: " + "; ".join(sorted({warning.message for warning in warnings})))
    return bytes(pdf)


def _let_go() -> None:
    """Free what Typst keeps of a document for the next one: of a report some 160 MB, which no other
    report asks for; a process that makes many would grow by gigabytes.
    """
    nothing = typst.Compiler(font_paths=typst.Fonts(False, False, []))
    for _ in range(KEPT_FOR):
        nothing.compile(b"", format="pdf")


def typst_document(meta: Mapping[str, Any], cells: Sequence[Cell], style: Path, work: Path) -> Path:
    """The report in Typst's markup, in the folder `work` with its partials and pictures."""
    extension = style / EXTENSION
    for partial in extension.glob("*.typ"):
        shutil.copyfile(partial, work / partial.name)
    template, document = work / "template.typ", work / "report.typ"
    template.write_text(TYPST_TEMPLATE, "utf-8")
    text = quarto_markdown(cells, "pdf", work)
    formulas = f"--lua-filter={extension / 'formulas.lua'}"
    document.write_text(run_pandoc(text, meta, "typst", template, [formulas]), "utf-8")
    return document


def pdf_by_quarto(quarto: Quarto, notebook: Path, style: Path, timestamp: int) -> bytes:
    """In a project of its own: Quarto leaves a cache, and two renders would disturb each other."""
    with tempfile.TemporaryDirectory(prefix="nrrsim-") as folder:
        project = Path(folder)
        for name in ("_quarto.yml", "_brand.yml"):
            shutil.copyfile(style / name, project / name)
        shutil.copytree(style / "_extensions", project / "_extensions")
        install_fonts(project)
        content = load_notebook(notebook)
        for cell in content.cells:
            # for an output that it cannot show, Quarto prints a complaint
            if cell.cell_type == "code":
                cell.outputs = [output for output in cell.outputs if chosen_mime(output, "pdf")]
        nbformat.write(content, project / "report.ipynb")
        return quarto_render(quarto, project, "nrrsim-typst", "report.pdf", timestamp)


def quarto_render(quarto: Quarto, project: Path, to: str, made: str, timestamp: int) -> bytes:
    """What Quarto makes of a project's `report.ipynb`, in the file `made`; RenderError with all
    that it complains of.
    """
    command = [str(quarto.path), "render", "report.ipynb", "--to", to]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(timestamp), "NO_COLOR": "1"}
    try:
        ran = subprocess.run(
            command,
            cwd=project,
            env=environment,
            check=False,
            capture_output=True,
            encoding="utf-8",
        )
    except OSError as error:
        raise RenderError(f"Quarto: {error}") from error
    complaints = [line.strip() for line in ran.stderr.splitlines() if _is_complaint(line)]
    # Quarto exits with 0 on an unresolved reference, an unknown font and more: what it says
    # counts.
    if ran.returncode or complaints or not (project / made).is_file():
        lines = complaints or ran.stderr.strip().splitlines()[-10:] or [f"no {made} and no reason"]
        raise RenderError(
            "\n".join([f"Quarto {quarto.version} (exit code {ran.returncode}):", *lines])
        )
    return (project / made).read_bytes()


def _reason(said: str, document: str) -> str:
    """What Typst says; of characters that no font has, the name or phrase that each stands in."""
    unprintable = dict.fromkeys(re.findall(r"the text `\"(.+?)\"` could not be displayed", said))
    if not unprintable:
        return f"Typst: {said.strip()}"
    told, spelled = [], _decoded(document, keep='"[]\\')
    for text in unprintable:
        # the shortest is a table's cell: what stands in one is a name
        inside = r"(?:\\.|[^\[\]\n\"\\])*"
        around = re.findall(f"{inside}{re.escape(text)}{inside}", spelled)
        phrase = min((_read(each) for each in around), key=len, default=text)
        told.append(f"{text} in {phrase}" if phrase != text else text)
    return f"no font can print {'; nor '.join(told)}; write it without, in the ledger or the card"


def _read(typst_text: str) -> str:
    """A text of Typst's markup as it is printed."""
    return re.sub(r"\\(.)", r"\1", _decoded(typst_text)).strip()


def _decoded(typst_text: str, keep: str = "") -> str:
    r"""A text with `\u{26}` as the character that it spells, but for those to keep."""

    def character(escaped: re.Match[str]) -> str:
        found = chr(int(escaped[1], 16))
        return escaped[0] if found in keep else found

    return re.sub(r"\\u\{([0-9a-fA-F]{1,5})\}", character, typst_text)


def _is_complaint(line: str) -> bool:
    said = re.sub(r"\x1b\[[0-9;]*m", "", line)
    if any(known in said for known in QUARTO_MAY_SAY):
        return False
    level = r"^\s*(\[typst\]:.*?\.\.\.)?\s*(WARN(ING)?|ERROR|warning|error)\b[ :(]"
    return re.search(rf"{level}|Unable to resolve|unknown font family", said) is not None
