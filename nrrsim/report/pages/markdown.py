"""Cells in, Quarto's Markdown and what pandoc makes of it out; never a page."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import pypandoc

from nrrsim.errors import RenderError
from nrrsim.files import shared
from nrrsim.report.charts.picture import png_of
from nrrsim.report.pages.notebook import EXTENSION, IMAGES, Cell, chosen_mime
from nrrsim.report.tables import CELLS

OFFICE = ("docx", "pptx")


def quarto_markdown(cells: Sequence[Cell], to: str, work: Path) -> str:
    """The notebook as one Quarto markdown text; pictures for print go into the folder `work`."""
    return "\n\n".join(_cell_markdown(cell, to, work) for cell in cells)


def run_pandoc(
    text: str, meta: Mapping[str, Any], to: str, template: Path, extra: Sequence[str]
) -> str:
    """Quarto markdown to a whole page, in pandoc's sandbox: it reads no file and no address."""
    return _pandoc(text, meta, to, [f"--template={template}", *extra]).decode()


def office_file(
    text: str, meta: Mapping[str, Any], to: str, reference: Path, timestamp: int
) -> bytes:
    """Quarto markdown to a .docx or .pptx in the look of `reference`, in pandoc's sandbox."""
    how = ["--output=-", f"--reference-doc={reference}", "--slide-level=2"]
    return _pandoc(text, meta, to, how, {**os.environ, "SOURCE_DATE_EPOCH": str(timestamp)})


def _pandoc(
    text: str,
    meta: Mapping[str, Any],
    to: str,
    extra: Sequence[str],
    environment: Mapping[str, str] | None = None,
) -> bytes:
    front = json.dumps(_pandoc_metadata(meta), default=str, ensure_ascii=False)
    command = [
        str(pypandoc.get_pandoc_path()),
        "--sandbox",
        "--standalone",
        "--wrap=none",
        "--from=markdown",
        f"--to={to}",
        f"--lua-filter={files('nrrsim.report.pages') / 'quarto.lua'}",
        *extra,
    ]
    document = f"---\n{front}\n---\n\n{text}"
    ran = subprocess.run(
        command, input=document.encode(), capture_output=True, env=environment, check=False
    )
    said = ran.stderr.decode("utf-8", "replace").strip()
    if ran.returncode == 3:  # quarto.lua's word for it
        raise RenderError(f"these references lead nowhere: {said}")
    # a warning is a page that is not as it was meant to be: none is let through
    if ran.returncode or said:
        raise RenderError(f"pandoc: {said or ran.returncode}")
    return ran.stdout


@cache
def font_folders() -> tuple[Path, ...]:
    """Inter, its regular (the first), semibold and bold, upright before italic, and a Japanese font
    for names that Inter cannot print.
    """
    inter = shared("reports") / EXTENSION / "fonts"
    weights = ("Regular", "SemiBold", "Bold", "Italic", "SemiBoldItalic", "BoldItalic")
    japanese = Path(str(files("noto_cjk_sans_jp_regular"))).glob("*.otf")
    return (*(inter / f"Inter-{weight}.ttf" for weight in weights), *japanese)


def font_faces() -> str:
    """Inter's upright weights as CSS that holds them, for a page that fetches nothing."""
    return "".join(
        f"@font-face{{font-family:Inter;font-weight:{weight};"
        f'src:url("data:font/ttf;base64,{base64.b64encode(font.read_bytes()).decode()}")}}'
        for weight, font in zip((400, 600, 700), font_folders(), strict=False)
    )


def install_fonts(style: Path) -> Path:
    """Copy the fonts to where the extension's `font-paths` points, for Quarto; return where.

    Inter lies there with the extension, unless somebody took it without; the Japanese font is 16 MB
    of a package of its own.
    """
    folder = style / EXTENSION / "fonts"
    folder.mkdir(parents=True, exist_ok=True)
    for font in font_folders():
        if not (folder / font.name).is_file():
            shutil.copyfile(font, folder / font.name)
    return folder


@cache
def pandoc_version() -> str:
    """The version of the pandoc that comes with pypandoc."""
    return str(pypandoc.get_pandoc_version())


def _cell_markdown(cell: Cell, to: str, work: Path) -> str:
    if cell.outputs is None:
        return cell.source
    is_shown = cell.options.get("echo", True) and cell.source
    parts = [_fenced("python", cell.source)] if is_shown else []
    asis = cell.options.get("output") == "asis"
    outputs = cell.outputs if cell.options.get("output") is not False else ()
    for number, output in enumerate(outputs):
        mime = chosen_mime(output, to)
        if mime in IMAGES and to != "pdf":
            parts.append(picture_in_text(output.data, mime, cell.options))
        elif mime in IMAGES:
            name = re.sub(r"\W+", "-", f"{cell.name.split(' (')[0]} {number}")
            parts.append(_picture(str(output.data[mime]), mime, name, cell.options, work))
        elif mime:
            printed = output.output_type == "stream"
            value = str(output.text if printed else output.data[mime])
            if mime == "text/html" and to in OFFICE and "<table" not in value:
                value = table_of(output.data[CELLS])
            language = "{=html}" if mime == "text/html" else ""
            parts.append(
                value if mime == "text/markdown" or (printed and asis) else _fenced(language, value)
            )
    text = "\n\n".join(parts)
    if not cell.is_float:
        return text
    caption = f"{cell.label[:3]}-cap"
    attributes = f"#{cell.label} {caption}={_attribute(cell.options.get(caption, ''))}"
    return f"::::: {{{attributes}}}\n\n{text}\n\n:::::"


def picture_in_text(data: Mapping[str, Any], mime: str, options: Mapping[str, Any]) -> str:
    """A picture that stands in the Markdown itself, as pixels, which every Word shows."""
    value = str(data[mime])
    if mime == "image/svg+xml":
        mime, value = "image/png", base64.b64encode(png_of(value)).decode()
    alt = _attribute(options.get("fig-alt", ""))
    return f"![](data:{mime};base64,{''.join(value.split())}){{alt={alt} fig-alt={alt}}}"


def table_of(cells: Mapping[str, Any]) -> str:
    """A table's own texts as HTML: what is cards on a page is a table in Word."""
    head, *rows = (
        "".join(f"<{tag}>{escape(str(text))}</{tag}>" for text in row)
        for tag, row in [("th", cells["heads"]), *(("td", row) for row in cells["rows"])]
    )
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _picture(data: str, mime: str, name: str, options: Mapping[str, Any], work: Path) -> str:
    """A picture in print, in a file of the folder `work`; those of a page stand in it."""
    alt = " ".join(str(options.get("fig-alt", "")).split())
    file = work / f"{name}.{IMAGES[mime]}"
    file.write_bytes(data.encode() if mime == "image/svg+xml" else base64.b64decode(data))
    return _fenced("{=typst}", f'#box(image("{file.name}", alt: {_typst_string(alt)}))')


def _fenced(language: str, text: str) -> str:
    """A fenced block that its own text cannot close."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _attribute(value: object) -> str:
    """A value of a pandoc attribute; the filter gets the text as it was, backslashes included."""
    return _typst_string(" ".join(str(value).split()).replace("&", "&amp;"))


def _typst_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


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
