"""Executed notebook in; PDF (Quarto, or pandoc and Typst) and HTML out; never runs a cell or fetches."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from html import escape
from html.parser import HTMLParser
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import nbformat
import pypandoc
import typst
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from nrrsim.errors import RenderError

FORMATS = ("pdf", "html")
ENGINES = ("auto", "quarto", "embedded")
OLDEST_QUARTO = (1, 9)
EXTENSION = Path("_extensions/nrrsim")
IMAGES = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg"}
QUARTO_MAY_SAY = (
    "verapdf is not installed",  # a second opinion: Typst itself refuses what is not PDF/UA-1
    "variable fonts are not currently supported",  # Typst 0.14, in Quarto 1.9: Inter without its bolder weights
)
# Which form of an output is shown. PDF: Quarto's order for Typst. HTML: a table there is not its print form.
CHOICE = {
    "pdf": ("text/markdown", *IMAGES, "text/html", "text/plain"),
    "html": ("text/html", *IMAGES, "text/markdown", "text/plain"),
}
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


@dataclass(frozen=True)
class _Cell:
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


def render(
    notebook: Path,
    out: Path,
    *,
    to: Sequence[str] = ("pdf",),
    engine: str = "auto",
    style: Path,
    timestamp: int,
) -> dict[str, Path]:
    """Write `report.pdf` and `report.html` (those in `to`) into `out`; return where each of them is.

    `notebook` is executed, its first cell the front matter. `style` is the folder with `_quarto.yml`,
    `_brand.yml` and `_extensions/`; it is only read. `timestamp` (seconds since 1970) is the PDF's creation
    time: the same notebook gives the same bytes. `engine` makes the PDF: "quarto", "embedded", or "auto"
    (Quarto 1.9 or newer where there is one); HTML is always embedded.

    Raises RenderError, with all that was found, before anything is written.
    """
    if unknown := [name for name in to if name not in FORMATS]:
        raise RenderError(f"cannot render to {', '.join(unknown)}: choose from {', '.join(FORMATS)}")
    quarto = _engine(engine) if "pdf" in to else None
    meta, cells = _read(notebook, style)

    def page(name: str) -> bytes:
        if name == "html":
            return _html(meta, cells, style)
        if quarto:
            return _pdf_by_quarto(quarto, notebook, style, timestamp)
        return _pdf(meta, cells, style, timestamp)

    try:
        with ThreadPoolExecutor() as pool:  # each format waits for a pandoc of its own
            pages = dict(zip(to, pool.map(page, to), strict=True))
    except RenderError as error:
        raise RenderError(f"{notebook.name}: {error}") from error
    out.mkdir(parents=True, exist_ok=True)
    paths = {name: out / f"report.{name}" for name in pages}
    for name, path in paths.items():
        unfinished = path.with_name(f".{path.name}.part")
        unfinished.write_bytes(pages[name])
        os.replace(unfinished, path)
    return paths


def find_quarto() -> Quarto | None:
    """The `quarto` on the PATH, of whatever version; None where there is none or it does not start."""
    path = shutil.which("quarto")
    if path is None:
        return None
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return Quarto(Path(path), said.stdout.strip())


def engine_used(engine: str = "auto") -> dict[str, str]:
    """What `render` makes a PDF with, names and versions for the manifest; RenderError as from `render`."""
    if quarto := _engine(engine):
        return {"engine": "quarto", "quarto": quarto.version}
    return {"engine": "embedded", "pandoc": _pandoc_version(), "typst": version("typst")}


def install_fonts(style: Path) -> Path:
    """Copy the fonts to where the extension's `font-paths` points, for Quarto; return that folder."""
    folder = style / EXTENSION / "fonts"
    folder.mkdir(parents=True, exist_ok=True)
    for font in _fonts():
        if not (folder / font.name).is_file():
            shutil.copyfile(font, folder / font.name)
    return folder


def _engine(engine: str) -> Quarto | None:
    """The Quarto to use, or None for the embedded engine."""
    if engine not in ENGINES:
        raise RenderError(f"unknown engine {engine!r}: choose from {', '.join(ENGINES)}")
    quarto = find_quarto() if engine != "embedded" else None
    if quarto and quarto.is_recent:
        return quarto
    if engine != "quarto":
        return None
    problem = f"Quarto {quarto.version} ({quarto.path}) is too old" if quarto else "no quarto on the PATH"
    wanted = ".".join(map(str, OLDEST_QUARTO))
    raise RenderError(f"{problem}; install Quarto {wanted} or newer (quarto.org), or use the embedded engine")


@cache
def _fonts() -> tuple[Path, ...]:
    """Inter, upright (the first) and italic, and a Japanese font for the names that Inter cannot print."""
    inter = Path(str(files("fontpkg_inter"))).glob("files/*.ttf")
    japanese = Path(str(files("noto_cjk_sans_jp_regular"))).glob("*.otf")
    return (*sorted(inter, key=lambda font: "Italic" in font.name), *japanese)


@cache
def _pandoc_version() -> str:
    return str(pypandoc.get_pandoc_version())


# The notebook: what it says, and what is wrong with it


def _load(notebook: Path) -> Any:
    try:
        return nbformat.read(notebook, as_version=4)
    except (OSError, ValueError) as error:
        raise RenderError(f"{notebook} cannot be read as a notebook: {error}") from error


def _yaml(text: str) -> dict[str, Any]:
    found = YAML(typ="safe", pure=True).load(text)
    return found if isinstance(found, dict) else {}


def _read(notebook: Path, style: Path) -> tuple[dict[str, Any], list[_Cell]]:
    """Front matter over the style's defaults; the cells to show. RenderError with all that is wrong."""
    raw_cells = _load(notebook).cells
    matter = re.fullmatch(r"---\n(.*?)\n---", raw_cells[0].source.strip(), re.DOTALL) if raw_cells else None
    if not matter:
        raise RenderError(f"{notebook.name}: the first cell must be front matter, YAML between lines of ---")
    try:
        extension = _yaml((style / EXTENSION / "_extension.yml").read_text("utf-8"))
        project = _yaml((style / "_quarto.yml").read_text("utf-8"))
        meta = _yaml(matter[1])
    except (OSError, YAMLError) as error:
        raise RenderError(f"{notebook.name}: {error}") from error
    execute = {**project.get("execute", {}), **(meta.get("execute") or {})}
    formats = meta.pop("format", None)
    own = formats.get("nrrsim-typst") if isinstance(formats, dict) else None
    meta = {**extension["contributes"]["formats"]["typst"], **(own if isinstance(own, dict) else {}), **meta}
    findings = [f"the front matter has no {key}" for key in ("title", "lang") if not meta.get(key)]
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z]+)*", str(meta.get("lang") or "en")):
        findings.append(f"lang must be a language such as en or en-GB, not {meta['lang']!r}")
    cells = []
    for number, raw in enumerate(raw_cells[1:], start=2):
        if raw.cell_type == "markdown":
            cells.append(_Cell(f"cell {number}", raw.source, {}))
        elif raw.cell_type == "code":
            cell = _code_cell(number, raw, execute)
            hidden = {"parameters", "injected-parameters"} & set(raw.metadata.get("tags", ()))
            findings += _findings(cell, raw)
            if not hidden and cell.options.get("include") is not False:
                cells.append(cell)
    if findings:
        raise RenderError("\n".join(f"{notebook.name}: {finding}" for finding in findings))
    return meta, cells


def _code_cell(number: int, raw: Any, defaults: Mapping[str, Any]) -> _Cell:
    lines = raw.source.splitlines()
    head = next((i for i, line in enumerate(lines) if not line.startswith("#|")), len(lines))
    source = "\n".join(lines[head:]).strip()
    try:
        options = _yaml("\n".join(line[2:].removeprefix(" ") for line in lines[:head]))
    except YAMLError as error:
        raise RenderError(f"cell {number}: its #| options are not YAML: {error}") from error
    known_by = options.get("label") or source.partition("\n")[0][:50]
    return _Cell(f"cell {number} ({known_by})", source, {**defaults, **options}, raw.outputs)


def _findings(cell: _Cell, raw: Any) -> Iterator[str]:
    """Why a code cell must not go into a report."""
    for output in raw.outputs:
        if output.output_type == "error":
            yield f"{cell.name} failed: {output.ename}: {output.evalue}"
    if raw.execution_count is None and raw.source.strip():
        yield f"{cell.name} has not been run; run the notebook to its end before rendering it"
        return
    if cell.options.get("include") is False:
        return
    shown = [mime for output in raw.outputs if (mime := _mime(output, "pdf"))]
    if cell.is_float and not shown:
        yield f"{cell.name} has a label but shows nothing"
    if any(mime in IMAGES for mime in shown) and not str(cell.options.get("fig-alt") or "").strip():
        yield f"{cell.name} is a picture without alternative text; add a line `#| fig-alt: what it shows`"


def _mime(output: Any, to: str) -> str | None:
    """The form of an output that the page shows; None where it shows nothing of it."""
    if output.output_type == "stream":
        return "text/plain" if output.name == "stdout" else None
    found = [mime for mime in CHOICE[to] if mime in output.get("data", {})]
    if to == "pdf":  # of HTML, print can show a table
        found = [mime for mime in found if mime != "text/html" or "<table" in output.data[mime]]
    return found[0] if found else None


# Quarto markdown


def _markdown(cells: Sequence[_Cell], to: str, work: Path) -> str:
    """The notebook as one Quarto markdown text; pictures for print go into the folder `work`."""
    return "\n\n".join(_cell_markdown(cell, to, work) for cell in cells)


def _cell_markdown(cell: _Cell, to: str, work: Path) -> str:
    if cell.outputs is None:
        return cell.source
    parts = [_fenced("python", cell.source)] if cell.options.get("echo", True) and cell.source else []
    asis = cell.options.get("output") == "asis"
    for number, output in enumerate(cell.outputs if cell.options.get("output") is not False else ()):
        mime = _mime(output, to)
        if mime in IMAGES:
            name = re.sub(r"\W+", "-", f"{cell.name.split(' (')[0]} {number}")
            parts.append(_picture(str(output.data[mime]), mime, name, cell.options, to, work))
        elif mime:
            printed = output.output_type == "stream"
            value = str(output.text if printed else output.data[mime])
            language = "{=html}" if mime == "text/html" else ""
            parts.append(value if mime == "text/markdown" or (printed and asis) else _fenced(language, value))
    text = "\n\n".join(parts)
    if not cell.is_float:
        return text
    caption = f"{cell.label[:3]}-cap"
    return f"::::: {{#{cell.label} {caption}={_attribute(cell.options.get(caption, ''))}}}\n\n{text}\n\n:::::"


def _picture(data: str, mime: str, name: str, options: Mapping[str, Any], to: str, work: Path) -> str:
    alt = " ".join(str(options.get("fig-alt", "")).split())
    if to == "pdf":
        file = work / f"{name}.{IMAGES[mime]}"
        file.write_bytes(data.encode() if mime == "image/svg+xml" else base64.b64decode(data))
        return _fenced("{=typst}", f'#box(image("{file.name}", alt: {_typst_string(alt)}))')
    if mime != "image/svg+xml":
        image = f'<img src="data:{mime};base64,{"".join(data.split())}" alt="{escape(alt)}">'
        return _fenced("{=html}", f'<div class="chart">{image}</div>')
    svg = data[data.index("<svg") :]
    for found in set(re.findall(r'\bid="([^"]+)"', svg)):  # two charts on one page must not share an id
        svg = re.sub(rf'(\bid="|url\(#|href="#){re.escape(found)}(?=["\)])', rf"\g<1>{name}-{found}", svg)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1)
    return _fenced("{=html}", f'<div class="chart">{svg}</div>')


def _fenced(language: str, text: str) -> str:
    """A fenced block that its own text cannot close."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _attribute(value: object) -> str:
    """A value of a pandoc attribute; the filter gets the text as it was, its backslashes included."""
    return _typst_string(" ".join(str(value).split()).replace("&", "&amp;"))


def _typst_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _pandoc(text: str, meta: Mapping[str, Any], to: str, template: Path, extra: Sequence[str]) -> str:
    """Quarto markdown to a whole page; in pandoc's sandbox: no file or address in the text is read."""
    front = json.dumps(_pandoc_metadata(meta), default=str, ensure_ascii=False)
    command = [str(pypandoc.get_pandoc_path()), "--sandbox", "--standalone", "--wrap=none", "--from=markdown"]
    command += [
        f"--to={to}",
        f"--template={template}",
        f"--lua-filter={files('nrrsim') / 'quarto.lua'}",
        *extra,
    ]
    document = f"---\n{front}\n---\n\n{text}"
    ran = subprocess.run(command, input=document, capture_output=True, encoding="utf-8", check=False)
    said = ran.stderr.strip()
    if ran.returncode == 3:  # quarto.lua's word for it
        raise RenderError(f"these references lead nowhere: {said}")
    if ran.returncode or said:
        raise RenderError(f"pandoc: {said or ran.returncode}")
    return ran.stdout


def _pandoc_metadata(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Front matter as Quarto hands it to the template's partials. Strings in it are Markdown."""
    author, keywords = meta.get("author") or [], meta.get("keywords") or []
    authors = author if isinstance(author, list) else [author]
    names = [str(one["name"] if isinstance(one, dict) else one) for one in authors]
    return {
        **{key: value for key, value in meta.items() if value is not None},
        "author": names,
        "by-author": [{"name": {"literal": name}} for name in names],
        "keywords": keywords if isinstance(keywords, list) else [keywords],
        "section-numbering": bool(meta.get("number-sections")),
    }


# PDF


def _pdf(meta: Mapping[str, Any], cells: Sequence[_Cell], style: Path, timestamp: int) -> bytes:
    extension = style / EXTENSION
    standards = meta.get("pdf-standard") or []
    pdf_standards: Any = [standards] if isinstance(standards, str) else list(standards)
    with tempfile.TemporaryDirectory(prefix="nrrsim-") as temporary:
        work = Path(temporary)
        for partial in extension.glob("*.typ"):
            shutil.copyfile(partial, work / partial.name)
        template, document = work / "template.typ", work / "report.typ"
        template.write_text(TYPST_TEMPLATE, "utf-8")
        text = _markdown(cells, "pdf", work)
        formulas = f"--lua-filter={extension / 'formulas.lua'}"
        document.write_text(_pandoc(text, meta, "typst", template, [formulas]), "utf-8")
        fonts = dict.fromkeys([*(font.parent for font in _fonts()), extension / "fonts"])
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
            raise RenderError(_reason(str(error.diagnostic))) from error
    if warnings:
        raise RenderError("Typst: " + "; ".join(sorted({warning.message for warning in warnings})))
    return bytes(pdf)


def _reason(said: str) -> str:
    unprintable = dict.fromkeys(re.findall(r"the text `\"(.+?)\"` could not be displayed", said))
    if not unprintable:
        return f"Typst: {said.strip()}"
    folder = f"{EXTENSION.as_posix()}/fonts"
    return f"no font can print {' '.join(unprintable)}; put one that can into {folder}, or write it differently"


def _pdf_by_quarto(quarto: Quarto, notebook: Path, style: Path, timestamp: int) -> bytes:
    """In a project of its own: Quarto leaves a cache in one, and two renders in one disturb each other."""
    with tempfile.TemporaryDirectory(prefix="nrrsim-") as folder:
        project = Path(folder)
        for name in ("_quarto.yml", "_brand.yml"):
            shutil.copyfile(style / name, project / name)
        shutil.copytree(style / "_extensions", project / "_extensions")
        install_fonts(project)
        content = _load(notebook)
        for cell in content.cells:
            if cell.cell_type == "code":  # for an output that it cannot show, Quarto prints a complaint
                cell.outputs = [output for output in cell.outputs if _mime(output, "pdf")]
        nbformat.write(content, project / "report.ipynb")
        command = [str(quarto.path), "render", "report.ipynb", "--to", "nrrsim-typst"]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(timestamp), "NO_COLOR": "1"}
        try:
            ran = subprocess.run(
                command, cwd=project, env=environment, check=False, capture_output=True, encoding="utf-8"
            )
        except OSError as error:
            raise RenderError(f"Quarto: {error}") from error
        complaints = [line.strip() for line in ran.stderr.splitlines() if _is_complaint(line)]
        pdf = project / "report.pdf"
        # Quarto exits with 0 on an unresolved reference, an unknown font and more: what it says counts.
        if ran.returncode or complaints or not pdf.is_file():
            lines = complaints or ran.stderr.strip().splitlines()[-10:] or ["no report.pdf and no reason"]
            raise RenderError("\n".join([f"Quarto {quarto.version} (exit code {ran.returncode}):", *lines]))
        return pdf.read_bytes()


def _is_complaint(line: str) -> bool:
    said = re.sub(r"\x1b\[[0-9;]*m", "", line)
    if any(known in said for known in QUARTO_MAY_SAY):
        return False
    level = r"^\s*(\[typst\]:.*?\.\.\.)?\s*(WARN(ING)?|ERROR|warning|error)\b[ :(]"
    return re.search(rf"{level}|Unable to resolve|unknown font family", said) is not None


# HTML


def _html(meta: Mapping[str, Any], cells: Sequence[_Cell], style: Path) -> bytes:
    extension = style / EXTENSION
    options = ["--embed-resources", "--mathml"]
    if meta.get("toc"):
        options += ["--toc", f"--toc-depth={int(meta.get('toc-depth') or 2) + 1}"]  # the title is the h1
    text = _markdown(cells, "html", Path())
    page = _with_scopes(_pandoc(text, {**meta, "toc": None}, "html5", extension / "house.html", options))
    css = (extension / "house.css").read_text("utf-8")
    page = page.replace("<style>", f"<style>\n{css}", 1)  # the first one is the head's
    guard = _Guard()
    guard.feed(page)
    if guard.found:
        raise RenderError("the HTML would run or fetch something: " + "; ".join(dict.fromkeys(guard.found)))
    inter = base64.b64encode(_fonts()[0].read_bytes()).decode()
    face = f'@font-face{{font-family:Inter;font-weight:100 900;src:url("data:font/ttf;base64,{inter}")}}'
    return page.replace("<style>", f"<style>\n{face}", 1).encode()


def _with_scopes(page: str) -> str:
    """Header cells say what they are the header of: a column in the head of a table, else a row."""
    parts = re.split(r"(<thead\b.*?</thead>)", page, flags=re.DOTALL)
    header = re.compile(r"<th(?=[\s>])(?![^>]*\sscope=)")
    return "".join(header.sub(f'<th scope="{("row", "col")[i % 2]}"', part) for i, part in enumerate(parts))


class _Guard(HTMLParser):
    """What a page would run or fetch: active tags, handlers, addresses other than data and plain links."""

    ACTIVE = ("script", "iframe", "frame", "object", "embed", "base", "form", "link", "foreignobject")
    ADDRESSES = (
        "src",
        "srcset",
        "href",
        "xlink:href",
        "poster",
        "data",
        "action",
        "formaction",
        "background",
    )

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.ACTIVE:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            address = re.sub(r"[\x00-\x20]", "", value or "").lower()
            allowed = ("#", "http:", "https:", "mailto:") if (tag, name) == ("a", "href") else ("#", "data:")
            fetches = name in self.ADDRESSES and not address.startswith(allowed)
            if fetches or name.startswith("on") or (name == "style" and self._css_fetches(address)):
                self.found.append(f'<{tag} {name}="{(value or "")[:60]}">')

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "style" and self._css_fetches(data.lower()):
            self.found.append("<style>")

    @staticmethod
    def _css_fetches(css: str) -> bool:
        return re.search(r"@import|url\((?!\s*[\"']?\s*(data:|#))", css) is not None
