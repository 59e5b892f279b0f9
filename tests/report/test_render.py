"""From a notebook to PDF and HTML: what must be there, what must not, what is refused."""

from __future__ import annotations

import atexit
import html
import json
import os
import re
import resource
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from html.parser import HTMLParser
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import nbformat
import pikepdf
import pypandoc
import pypdfium2  # type: ignore[import-untyped]
import pytest
from conftest import HOSTILE, ROOT, squeezed, unmet_rules

from nrrsim.errors import RenderError
from nrrsim.report.pages import notebook, pdf
from nrrsim.report.pages.markdown import font_folders, install_fonts
from nrrsim.report.pages.pdf import Quarto, find_quarto
from nrrsim.report.pages.render import engine_used, render

# A copy of the house style as it is in git: without what was rendered, and without the font for Quarto by hand.
STYLE = Path(tempfile.mkdtemp(prefix="style-"))
atexit.register(shutil.rmtree, STYLE, ignore_errors=True)
REPORTS = ROOT / "reports"
shutil.copytree(
    REPORTS / "_extensions", STYLE / "_extensions", ignore=shutil.ignore_patterns("*.otf")
)
for name in ("_quarto.yml", "_brand.yml"):
    shutil.copy(REPORTS / name, STYLE / name)
EXTENSION = STYLE / "_extensions" / "nrrsim"
TIMESTAMP = 1_793_232_000

FRONT = """---
title: "{title}"
subtitle: "Third quarter of 2026"
company: "{company}"
date: "29 October 2026"
author:
  - name: "Office of the CFO"
lang: en-GB
abstract: |
  Net revenue retention was **104.6 %**.
confidentiality: "Prepared for the board"
keywords: [net revenue retention, ARR]
format:
  nrrsim-typst:
    toc: true
    number-sections: true
execute:
  echo: false
---"""

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="120" viewBox="0 0 400 120">'
    '<defs><clipPath id="c"><rect width="400" height="120"/></clipPath></defs>'
    '<g clip-path="url(#c)"><rect x="10" y="20" width="80" height="90" fill="#12355B"/>'
    '<text x="120" y="60" font-family="Inter" font-size="14">Churn</text></g></svg>'
)


def markdown_text(text: str) -> str:
    """A text as literal Markdown, as the notebooks' helpers write it."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def typst_text(text: str) -> str:
    """A text as a Typst string in which neither Typst nor Quarto finds anything to evaluate."""
    return (
        '"'
        + "".join(c if c.isalnum() or c in " .,%+-" else f"\\u{{{ord(c):x}}}" for c in text)
        + '"'
    )


def output(**data: str) -> Any:
    names = {
        "md": "text/markdown",
        "html": "text/html",
        "svg": "image/svg+xml",
        "text": "text/plain",
    }
    bundle = {names.get(key, key): value for key, value in data.items()}
    return nbformat.v4.new_output("display_data", data=bundle)  # type: ignore[no-untyped-call]


def code(source: str, *outputs: Any, tags: tuple[str, ...] = (), count: int | None = 1) -> Any:
    cell = nbformat.v4.new_code_cell(source, outputs=list(outputs), execution_count=count)  # type: ignore[no-untyped-call]
    cell.metadata.tags = list(tags)
    return cell


def text(source: str) -> Any:
    return nbformat.v4.new_markdown_cell(source)  # type: ignore[no-untyped-call]


def table(header: list[str], rows: list[list[str]]) -> Any:
    columns = "1fr" + ", auto" * (len(header) - 1)
    cells = ",\n".join(", ".join(map(typst_text, row)) for row in rows)
    head = ", ".join(map(typst_text, header))
    typst = f"#report-table(columns: ({columns}), table.header({head}),\n{cells})"
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows
    )
    names = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    page = f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
    return output(html=page, md=f"```{{=typst}}\n{typst}\n```", text="<table>")


def cards(*items: tuple[str, str, str]) -> Any:
    typst = ", ".join(f"({', '.join(map(typst_text, item))})" for item in items)
    page = "".join(
        f"<div class='kpi'>{''.join(f'<span>{html.escape(part)}</span>' for part in item)}</div>"
        for item in items
    )
    return output(
        html=f"<div class='kpi-row'>{page}</div>", md=f"```{{=typst}}\n#kpi-row({typst})\n```"
    )


CHART = code(
    '#| label: fig-bridge\n#| fig-cap: "From opening to closing, in \\\\$M."\n'
    '#| fig-alt: "Bridge, 100 to 104.6"\nchart',
    output(svg=SVG, text="<chart>"),
)
SAMPLE = [
    code("target = 1.1", tags=("parameters",)),
    code("target = 1.2", tags=("injected-parameters",)),
    code("#| include: false\nimport x", output(md="IMPORTED")),
    text("## The bottom line\n\nSee @fig-bridge, @tbl-segments, @sec-terms and @eq-nrr."),
    code(
        "cards",
        cards(
            ("Net revenue retention", "104.6 %", "+0.8 points"), ("Gross", "91.2 %", "unchanged")
        ),
    ),
    code(
        "several",
        output(md="Of every \\$100, \\$91 stayed."),
        table(["Move", "ARR"], [["Churn", "5.6"]]),
    ),
    CHART,
    code("#| fig-alt: The same again\nagain", output(svg=SVG, text="<chart>")),
    text(
        "::: {.callout-warning}\n## A leaky bucket\n\nGross retention is low.\n:::\n\n- one\n- two"
    ),
    code("note", output(md="::: {.callout-note}\nThe books close.\n:::")),
    code(
        '#| label: tbl-segments\n#| tbl-cap: "By segment; SMB \\"leaks\\"."\nt',
        table(["Segment", "NRR"], [["SMB", "95 %"]]),
    ),
    code(
        "frame",
        output(
            html="<table><tr><th>Lever</th></tr><tr><td>Adoption 6.9</td></tr></table>",
            text="frame",
        ),
    ),
    code("record", output(**{"application/vnd.nrrsim+json": "{}"})),
    text(
        "## Terms {#sec-terms}\n\nWith $A_0$ at the start,[^1]\n\n"
        '$$ \\frac{R}{A_0} $$ {#eq-nrr alt="retained over opening"}\n\n[^1]: New customers are not in it.\n\n'
        "| Lever | Points |\n|:--|--:|\n| Price | 6.5 |\n\n## Checks {.unnumbered}\n\nAll is well."
    ),
]


def write(
    folder: Path, *cells: Any, title: str = "Net revenue retention", company: str = "Meridian"
) -> Path:
    notebook = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    front = FRONT.replace("{title}", title).replace("{company}", company)
    notebook.cells = [nbformat.v4.new_raw_cell(front), *cells]  # type: ignore[no-untyped-call]
    path = folder / "executed.ipynb"
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
    return path


def made(
    folder: Path, *cells: Any, to: tuple[str, ...] = ("pdf", "html"), **front: str
) -> dict[str, Path]:
    notebook = write(folder, *cells, **front)
    return render(
        notebook, folder / "out", to=to, engine="embedded", style=STYLE, timestamp=TIMESTAMP
    )


def refused(folder: Path, *cells: Any, to: tuple[str, ...] = ("pdf", "html"), **front: str) -> str:
    with pytest.raises(RenderError) as error:
        made(folder, *cells, to=to, **front)
    assert not (folder / "out").exists()
    return str(error.value)


def pages_of(pdf: Path) -> list[str]:
    return [page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(pdf)]


def fonts_of(pdf: Path) -> set[str]:
    """The names of a PDF's fonts, without the letters that mark a part of one."""
    with pikepdf.open(pdf) as document:
        fonts = [
            each
            for each in document.objects
            if isinstance(each, pikepdf.Dictionary) and "/BaseFont" in each
        ]
        return {str(font.BaseFont).partition("+")[2] for font in fonts}


class Page(HTMLParser):
    """The text of a page, and its tags with their attributes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += "" if self.cdata_elem else data


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return made(tmp_path_factory.mktemp("sample"), *SAMPLE)


def test_the_pdf_shows_what_the_notebook_shows(sample: dict[str, Path]) -> None:
    seen = " ".join(" ".join(pages_of(sample["pdf"])).split())
    for part in (
        "Meridian", "Third quarter of 2026", "29 October 2026", "Office of the CFO", "was 104.6 %",
        "1 The bottom line", "See Figure 1, Table 1, Section 2 and Equation 1.",
        "+0.8 points", "Of every $100, $91 stayed.", "Figure 1 From opening to closing, in $M.", "Churn",
        "A leaky bucket", "Note", "The books close.", "Table 1 By segment; SMB “leaks”.", "95 %",
        "Adoption 6.9", "(1)", "New customers are not in it.", "Price", "Prepared for the board",
    ):  # fmt: skip
        assert part in seen
    for part in ("IMPORTED", "target", "import x", "vnd.nrrsim", "#|"):
        assert part not in seen


def test_the_html_shows_the_same(sample: dict[str, Path]) -> None:
    page = Page(sample["html"])
    seen = " ".join(page.text.split())
    for part in (
        "Meridian", "29 October 2026", "1 The bottom line",
        "See Figure 1, Table 1, Section 2 and Equation 1.", "104.6 %",
        "Figure 1 From opening to closing, in $M.", "A leaky bucket", "The books close.",
        "Table 1 By segment; SMB “leaks”.", "Adoption 6.9", "(1)", "New customers are not in it.",
    ):  # fmt: skip
        assert part in seen
    assert "IMPORTED" not in seen
    assert "report-table" not in seen
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {"fig-bridge", "tbl-segments", "sec-terms", "eq-nrr"} <= set(ids)
    targets = {(attrs.get("href") or "")[1:] for tag, attrs in page.tags if tag == "a"}
    assert targets <= set(ids)
    assert [tag for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)] == ["h1", "h2", "h2", "h2"]
    assert ("html", {"lang": "en-GB"}) in page.tags
    assert "<title>Net revenue retention</title>" in sample["html"].read_text("utf-8")


def test_the_html_needs_nothing_from_elsewhere(sample: dict[str, Path]) -> None:
    source, page = sample["html"].read_text("utf-8"), Page(sample["html"])
    assert sample["html"].stat().st_size < 2_500_000
    assert "font/ttf;base64," in source
    for tag, attrs in page.tags:
        assert tag not in {"script", "link", "iframe", "object"}
        for name, value in attrs.items():
            if name in {"src", "href", "xlink:href", "srcset", "data"}:
                assert (value or "").startswith(("#", "data:"))
    assert not re.search(r"@import|url\((?!\s*[\"']?(#|data:))", source)


def test_the_html_is_for_screen_readers_too(sample: dict[str, Path]) -> None:
    page = Page(sample["html"])
    headers = [attrs.get("scope") for tag, attrs in page.tags if tag == "th"]
    assert headers
    assert set(headers) <= {"col", "row"}
    pictures = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert [picture["aria-label"] for picture in pictures] == [
        "Bridge, 100 to 104.6",
        "The same again",
    ]
    assert {picture["role"] for picture in pictures} == {"img"}


def test_the_pdf_is_tagged_and_says_what_it_is(sample: dict[str, Path]) -> None:
    with pikepdf.open(sample["pdf"]) as pdf:
        assert pdf.Root.MarkInfo.Marked
        assert "/StructTreeRoot" in pdf.Root
        assert str(pdf.Root.Lang) == "en"
        about = pdf.open_metadata()
        assert about["dc:title"] == "Net revenue retention — Meridian"
        assert about["dc:creator"] == ["Office of the CFO"]
        assert about["pdfuaid:part"] == "1"
        assert "ARR" in about["pdf:Keywords"]
        alternatives = {
            str(item.Alt)
            for item in pdf.objects
            if isinstance(item, pikepdf.Dictionary) and "/Alt" in item
        }
    assert {"Bridge, 100 to 104.6", "retained over opening", "A 0"} <= alternatives


def test_the_pdf_keeps_the_rules_of_pdf_ua(sample: dict[str, Path], tmp_path: Path) -> None:
    assert unmet_rules(sample["pdf"]) == []
    with pikepdf.open(sample["pdf"]) as pdf:
        for item in pdf.objects:
            if isinstance(item, pikepdf.Dictionary) and item.get("/S") == "/Figure":
                del item["/Alt"]
        pdf.save(tmp_path / "silent.pdf")
    assert any("ALTERNATIVE-TEXT" in rule for rule in unmet_rules(tmp_path / "silent.pdf"))


def test_same_notebook_same_bytes(sample: dict[str, Path], tmp_path: Path) -> None:
    again = made(tmp_path, *SAMPLE)
    assert {name: path.read_bytes() for name, path in again.items()} == {
        name: path.read_bytes() for name, path in sample.items()
    }
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "report.html",
        "report.pdf",
    ]


def test_hostile_texts_are_only_texts(tmp_path: Path) -> None:
    title, company = (
        markdown_text(" ".join(HOSTILE)).replace("\\", "\\\\").replace('"', '\\"') for _ in "ab"
    )
    out = made(
        tmp_path,
        text("## Names"),
        code("s", output(md="Said: " + markdown_text(" and ".join(HOSTILE)))),
        code(
            f"#| label: tbl-x\n#| tbl-cap: {json.dumps(markdown_text(HOSTILE[4]))}\nt",
            table(["N"], [[n] for n in HOSTILE]),
        ),
        code("k", cards(*((name, name, name) for name in HOSTILE))),
        code(f"#| fig-alt: {json.dumps(HOSTILE[0] + HOSTILE[6])}\nc", output(svg=SVG)),
        title=title,
        company=company,
    )
    printed, page = squeezed(" ".join(pages_of(out["pdf"]))), Page(out["html"])
    shown = squeezed(page.text)
    for name in HOSTILE:
        # title and company, sentence, table, three times a card
        assert printed.count(squeezed(name)) >= 7
        assert shown.count(squeezed(name)) >= 7
    assert squeezed("Table 1" + HOSTILE[4]) in printed
    assert squeezed("Table 1" + HOSTILE[4]) in shown
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert HOSTILE[0] + HOSTILE[6] in [attrs.get("aria-label") for _, attrs in page.tags]
    with pikepdf.open(out["pdf"]) as pdf:
        assert pdf.open_metadata()["dc:title"] == f"{' '.join(HOSTILE)} — {' '.join(HOSTILE)}"


def test_each_row_of_a_long_table_is_printed_under_its_head(tmp_path: Path) -> None:
    rows = [[f"Customer {number:03d}", f"{number}.25"] for number in range(120)]
    cell = code(
        '#| label: tbl-long\n#| tbl-cap: "All customers."\nt',
        table(["Customer", "ARR in $M"], rows),
    )
    pages = pages_of(made(tmp_path, text("## Long\n\nSee @tbl-long."), cell, to=("pdf",))["pdf"])
    seen = " ".join(pages)
    assert all(name in seen and amount in seen for name, amount in rows)
    with_rows = [page for page in pages if "Customer 0" in page or "Customer 1" in page]
    assert len(with_rows) >= 3
    assert all("ARR in $M" in page for page in with_rows)
    caption = next(page for page in pages if "All customers." in page)
    assert "Customer 000" in caption


def boxes(pdf: Path, words: str) -> list[tuple[int, float]]:
    """Page and height above its foot (points) of each place where the words stand."""
    found = []
    for number, page in enumerate(pypdfium2.PdfDocument(pdf)):
        content = page.get_textpage()
        search = content.search(words)
        while place := search.get_next():
            found.append((number, content.get_charbox(place[0])[1]))
    return found


def test_headings_and_captions_stay_with_what_they_belong_to(tmp_path: Path) -> None:
    """Blocks of many heights, so that page ends fall everywhere."""
    cells = []
    for number in range(24):
        cells.append(
            text(f"Filler.\n\n{'A line of text. ' * (3 + 7 * number % 40)}\n\n## Heading {number}x")
        )
        alt, caption = f"Picture {number}", f"Caption {number}x"
        kind = (
            ("fig", output(svg=SVG))
            if number % 2
            else ("tbl", table(["H"], [[f"First {number}x"], ["b"], ["c"]]))
        )
        options = f"#| label: {kind[0]}-{number}\n#| {kind[0]}-cap: {caption}\n#| fig-alt: {alt}\n"
        cells.append(code(options + "x", kind[1]))
    pdf = made(tmp_path, *cells, to=("pdf",))["pdf"]
    assert len(pages_of(pdf)) > 6
    for number in range(24):
        (heading,), (caption_at,) = (
            boxes(pdf, f"Heading {number}x")[-1:],
            boxes(pdf, f"Caption {number}x"),
        )
        assert heading[0] == caption_at[0], (
            f"heading {number} is not on the page of what follows it"
        )
        if number % 2 == 0:
            (first,) = boxes(pdf, f"First {number}x")
            assert first[0] == caption_at[0]
        assert caption_at[1] > 60  # above the foot of the page


def captioned(kind: str, number: int, caption: str) -> nbformat.NotebookNode:
    """A picture or a table with a caption."""
    options = f"#| label: {kind}-{number}\n#| {kind}-cap: {caption}\n#| fig-alt: P\nx"
    return code(options, output(svg=SVG) if kind == "fig" else table(["H"], [["a"], ["b"], ["c"]]))


@pytest.mark.parametrize("kind", ["fig", "tbl"])
def test_a_picture_or_a_table_and_its_sentence_stay_on_one_page(kind: str, tmp_path: Path) -> None:
    """It stands lower and lower on its page, until it leaves it; the sentence has five lines."""
    cells, lowered = [], range(12)
    least = {"fig": 140, "tbl": 175}[kind]
    for number in lowered:
        cells += [
            text(f"```{{=typst}}\n#pagebreak()\n#block(height: {least + 4 * number}mm)\n```"),
            captioned(kind, number, f"P{number}x"),
            text(f"Begin{number}x {'and what it shows, ' * 24}to its end{number}x."),
        ]
    pdf = made(tmp_path, *cells, to=("pdf",))["pdf"]
    places = [
        [boxes(pdf, f"{word}{number}x")[0][0] for word in ("P", "Begin", "end")]
        for number in lowered
    ]
    assert all(len(set(each)) == 1 for each in places)
    assert len(pages_of(pdf)) > 1 + len(lowered)  # some left their page


def test_a_tall_table_leaves_no_hole(tmp_path: Path) -> None:
    """It begins where there is room for some rows, wherever on its page that is, and loses none."""
    cells, lowered = [], range(100, 230, 10)  # mm of 246 that stand above it
    rows = [f"Row {number:02d}" for number in range(16)]
    for high in lowered:
        cells += [
            text(f"```{{=typst}}\n#pagebreak()\nTop{high}x\n#block(height: {high}mm)\n```"),
            code(
                f"#| label: tbl-{high}\n#| tbl-cap: Under {high}x\nx",
                table(["H"], [[r] for r in rows]),
            ),
            text("What it shows."),
        ]
    pages = pages_of(made(tmp_path, *cells, to=("pdf",))["pdf"])
    for high in lowered:
        at = next(n for n, page in enumerate(pages) if f"Under {high}x" in page)
        here = [row for row in rows if row in pages[at]]
        if len(here) < len(rows):
            assert here + [row for row in rows if row in pages[at + 1]] == rows
        assert len(here) >= 3
        is_moved = f"Top{high}x" not in pages[at]
        assert is_moved == (high > 246 - 36 - 5), high


def _growth(folder: Path) -> float:
    """By how many MB a process grows over four PDFs, after two of them."""

    def resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6

    def make(number: int) -> None:
        rows = [[f"Customer {number} {row:03d}", f"{row}.25"] for row in range(300)]
        options = '#| label: tbl-all\n#| tbl-cap: "All."\nt'
        made(folder, code(options, table(["Customer", "ARR"], rows)), to=("pdf",))

    for number in range(2):
        make(number)
    before = resident()
    for number in range(2, 6):
        make(number)
    return resident() - before


def test_a_process_that_makes_many_pdfs_does_not_grow(tmp_path: Path) -> None:
    """Typst would keep what it knows of each, here some 60 MB; less than one is room for chance.

    In a process of its own: one that ran other tests has memory of theirs to hand back.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        growth = pool.submit(_growth, tmp_path).result()
    assert growth < 50, growth


def test_of_two_tables_in_a_row_the_second_goes_with_its_sentence_alone(tmp_path: Path) -> None:
    """And between two that stay on one page there is no more room than between others."""
    pdf = made(
        tmp_path,
        *(captioned("tbl", number, f"T{number}x") for number in (0, 1)),
        text("```{=typst}\n#pagebreak()\n#block(height: 178mm)\n```"),
        *(captioned("tbl", number, f"T{number}x") for number in (2, 3)),
        text(f"{'What they show, ' * 24}to its end."),
        *(captioned("tbl", number, f"T{number}x") for number in (4, 5)),
        to=("pdf",),
    )["pdf"]
    at = [boxes(pdf, f"T{number}x")[-1] for number in range(6)]
    assert [page - at[0][0] for page, _ in at] == [0, 0, 1, 2, 2, 2]
    assert at[4][1] - at[5][1] == pytest.approx(at[0][1] - at[1][1], abs=0.1)
    assert 0 < at[0][1] - at[1][1] < 130


def test_a_heading_between_two_tables_goes_with_the_second(tmp_path: Path) -> None:
    lowered = range(150, 211, 6)
    cells = [
        each
        for high in lowered
        for each in (
            text(f"```{{=typst}}\n#pagebreak()\n#block(height: {high}mm)\n```"),
            captioned("tbl", high, f"T{high}x"),
            text(f"# Section {high}x"),
            captioned("tbl", high + 1, f"U{high}x"),
        )
    ]
    pdf = made(tmp_path, *cells, to=("pdf",))["pdf"]
    for high in lowered:
        (heading, _), (second, _) = (boxes(pdf, f"{each}{high}x")[-1] for each in ("Section ", "U"))
        assert heading == second, high
    assert len(pypdfium2.PdfDocument(pdf)) > len(lowered) + 1  # some of them had no room


def test_a_picture_that_a_heading_follows_need_not_go_with_it(tmp_path: Path) -> None:
    pdf = made(
        tmp_path,
        text("```{=typst}\n#pagebreak()\n#block(height: 165mm)\n```"),
        code("#| label: fig-a\n#| fig-cap: Picture\n#| fig-alt: P\nx", output(svg=SVG)),
        text(f"# Next section\n\n{'A line of text. ' * 40}"),
        to=("pdf",),
    )["pdf"]
    (picture, _), (heading, height) = boxes(pdf, "Picture")[-1], boxes(pdf, "Next section")[-1]
    assert heading == picture + 1
    assert height > 740  # no gap above it on its page


def test_the_head_of_a_page_holds_long_names(tmp_path: Path) -> None:
    long = {"company": "A company of many words " * 5, "title": "Afirst and many more words " * 5}
    below = text("```{=typst}\n#pagebreak()\n```\n\nText.")
    pdf = made(tmp_path, below, to=("pdf",), **long)
    heights = [height for page, height in boxes(pdf["pdf"], "Afirst") if page == 1]
    assert len(heights) == 5
    assert max(heights) < 842 - 20  # A4's height, less a margin


def test_wide_cells_wrap(tmp_path: Path) -> None:
    long = "long words that go on and on " * 12
    out = made(
        tmp_path,
        code("t", table(["A", "B", "C"], [["x" * 120, long, "y"], ["Churn", "W" * 60, long]])),
    )
    page = pypdfium2.PdfDocument(out["pdf"])[0]
    content = page.get_textpage()
    seen = squeezed(content.get_text_range())
    assert "x" * 120 in seen
    assert squeezed(long) in seen
    assert "W" * 60 in seen
    edges = [content.get_charbox(i) for i in range(content.count_chars())]
    assert max(edge[2] for edge in edges) <= page.get_width() - 60
    assert not boxes(out["pdf"], "Churn" + "x")


def test_what_is_not_finished_is_not_rendered(tmp_path: Path) -> None:
    error = nbformat.v4.new_output("error", ename="KeyError", evalue="'arr'", traceback=[])  # type: ignore[no-untyped-call]
    message = refused(
        tmp_path,
        code("#| label: tbl-a\nfails()", error),
        code("later()", count=None),
        code("#| label: fig-b\nchart", output(svg=SVG)),
        code("#| label: fig-c\n#| fig-alt: none\nnothing"),
        code("", count=None),
    )
    assert "cell 2 (tbl-a) failed: KeyError: 'arr'" in message
    assert "cell 3 (later()) has not been run" in message
    assert "cell 4 (fig-b) is a picture without alternative text" in message
    assert "cell 5 (fig-c) has a label but shows nothing" in message
    assert "cell 6" not in message


def test_alternative_texts_say_what_is_in_the_picture(tmp_path: Path) -> None:
    """A chart's own description comes behind what the cell says, and nothing in it is evaluated."""
    several = "#| label: fig-b\n#| fig-alt: >\n#|   Bars\n#|   by year.\n#| fig-cap: Years\nbars"
    cells = [
        code('#| fig-alt: "Bridge."\nchart', output(svg=SVG, text=f"Opening 5. {HOSTILE[3]}")),
        code(several, output(svg=SVG, text=HOSTILE[6])),
        code("#| fig-alt: Nothing more\nchart", output(svg=SVG, text="<chart>")),
        code("chart", output(svg=SVG, text="Churn 3.0%")),
        code("frame", output(text="no picture")),
    ]
    book = nbformat.read(write(tmp_path, *cells), as_version=4)  # type: ignore[no-untyped-call]
    notebook.describe_pictures(book)
    nbformat.write(book, tmp_path / "executed.ipynb")  # type: ignore[no-untyped-call]
    described = notebook.read_cells(tmp_path / "executed.ipynb", STYLE)[1]
    assert [cell.options.get("fig-alt") for cell in described] == [
        "Bridge. Opening 5. {{\u2060< env HOME >}}",
        f"Bars by year. {HOSTILE[6]}",
        "Nothing more",
        "Churn 3.0%",
        None,
    ]
    assert described[1].options["fig-cap"] == "Years"
    assert [cell.source for cell in described] == ["chart", "bars", "chart", "chart", "frame"]
    (tmp_path / "out").mkdir()
    out = render(
        tmp_path / "executed.ipynb",
        tmp_path / "out",
        to=("pdf", "html"),
        engine="embedded",
        style=STYLE,
        timestamp=0,
    )
    labels = [attrs.get("aria-label") for _, attrs in Page(out["html"]).tags]
    with pikepdf.open(out["pdf"]) as document:
        printed = [
            str(item.Alt)
            for item in document.objects
            if isinstance(item, pikepdf.Dictionary) and "/Alt" in item
        ]
    for cell in described[:4]:
        assert cell.options["fig-alt"] in labels
        assert cell.options["fig-alt"] in printed


def test_references_that_lead_nowhere(tmp_path: Path) -> None:
    for to in ("pdf", "html"):
        message = refused(tmp_path, text("See @fig-none, @tbl-gone and @smith."), to=(to,))
        assert "these references lead nowhere: @fig-none, @tbl-gone, @smith" in message


@pytest.mark.parametrize(
    ("front", "said"),
    [
        ("no front matter", "front matter"),
        ("---\nlang: en\n---", "no title"),
        ("---\ntitle: [\n---", "expected"),
    ],
)
def test_front_matter_is_needed(tmp_path: Path, front: str, said: str) -> None:
    notebook = write(tmp_path)
    content = json.loads(notebook.read_text("utf-8"))
    content["cells"][0]["source"] = front
    notebook.write_text(json.dumps(content), "utf-8")
    with pytest.raises(RenderError, match=said):
        render(notebook, tmp_path, engine="embedded", style=STYLE, timestamp=0)


def test_the_html_runs_and_fetches_nothing(tmp_path: Path) -> None:
    for bad in (
        "<script>alert(1)</script>",
        '<p onclick="alert(1)">x</p>',
        '<a href="javascript:alert(1)">x</a>',
        '<p style="background: url(//evil.example/x)">x</p>',
        "<style>@import 'x.css';</style>",
        '<iframe srcdoc="x"></iframe>',
    ):
        message = refused(tmp_path, code("x", output(html=bad)), to=("html",))
        assert re.search("would run or fetch|Could not fetch", message)
    message = refused(
        tmp_path, code("x", output(html='<img src="http://127.0.0.1:9/x.png">')), to=("html",)
    )
    assert "127.0.0.1" in message
    made(tmp_path, text("A plain [link](https://example.org/)."), to=("html",))


@pytest.mark.parametrize("name", ["Rocket \U0001f680 & Söhne", "𓂀 Ltd", "[\U0001f98a] *Fox*"])
def test_a_name_that_no_font_can_print_is_named(tmp_path: Path, name: str) -> None:
    said = f"The largest customer is {markdown_text(name)}, as the table says."
    cells = code("s", output(md=said)), code("t", table(["N"], [[name], ["Alder"]]))
    message = refused(tmp_path, *cells, to=("pdf",))
    assert "no font can print" in message
    assert next(each for each in name if each in "\U0001f680𓂀\U0001f98a") in message
    assert re.sub(r"[][]", "", name).split()[-1] in message
    assert "largest" not in message
    assert "fonts" not in message


def test_a_missing_font_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typst only warns, and Quarto by hand exits with 0: the template itself refuses another font."""
    style = tmp_path / "style"
    shutil.copytree(STYLE, style, ignore=shutil.ignore_patterns("fonts"))
    monkeypatch.setattr(pdf, "font_folders", lambda: ())
    notebook = write(tmp_path, text("x"))
    with pytest.raises(RenderError, match="the font Inter is missing: copy the folder fonts"):
        render(notebook, tmp_path / "out", engine="embedded", style=style, timestamp=TIMESTAMP)


def test_what_can_be_asked_for(tmp_path: Path) -> None:
    notebook = write(tmp_path)
    with pytest.raises(RenderError, match="odt: choose from pdf, html, docx, pptx"):
        render(notebook, tmp_path, to=["odt"], style=STYLE, timestamp=0)
    with pytest.raises(RenderError, match="unknown engine 'word'"):
        render(notebook, tmp_path, engine="word", style=STYLE, timestamp=0)
    with pytest.raises(RenderError, match="cannot be read"):
        render(tmp_path / "no.ipynb", tmp_path, engine="embedded", style=STYLE, timestamp=0)


# Quarto: a stand-in on the PATH that records how it was called. Nothing here says that Quarto itself ran.

FAKE_QUARTO = f"""#!{sys.executable}
import json, os, pathlib, sys
if sys.argv[1:] == ["--version"]:
    print(os.environ["FAKE_VERSION"])
    sys.exit()
here = pathlib.Path.cwd()
seen = {{"argv": sys.argv[1:], "cwd": str(here), "epoch": os.environ.get("SOURCE_DATE_EPOCH"),
        "files": sorted(str(p.relative_to(here)) for p in here.rglob("*") if p.is_file()),
        "notebook": json.loads((here / "report.ipynb").read_text())}}
pathlib.Path(os.environ["FAKE_RECORD"]).write_text(json.dumps(seen))
sys.stderr.write(os.environ.get("FAKE_STDERR", ""))
if "FAKE_NOTHING" not in os.environ:
    (here / "report.pdf").write_bytes(b"%PDF-fake")
sys.exit(int(os.environ.get("FAKE_EXIT", "0")))
"""


@pytest.fixture
def fake_quarto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in writes down how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "quarto").write_text(FAKE_QUARTO)
    (folder / "quarto").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_VERSION", "1.9.38")
    monkeypatch.setenv("FAKE_RECORD", str(tmp_path / "record.json"))
    return tmp_path / "record.json"


def test_how_quarto_is_called(fake_quarto: Path, tmp_path: Path) -> None:
    notebook = write(tmp_path, *SAMPLE)
    before = sorted(STYLE.rglob("*"))
    out = render(notebook, tmp_path / "out", to=("pdf", "html"), style=STYLE, timestamp=TIMESTAMP)
    assert out["pdf"].read_bytes() == b"%PDF-fake"
    assert Page(out["html"]).text
    seen = json.loads(fake_quarto.read_text())
    assert seen["argv"] == ["render", "report.ipynb", "--to", "nrrsim-typst"]
    assert seen["epoch"] == str(TIMESTAMP)
    assert not Path(seen["cwd"]).exists()
    for name in (
        "_quarto.yml", "_brand.yml",
        "_extensions/nrrsim/_extension.yml", "_extensions/nrrsim/typst-template.typ",
        "_extensions/nrrsim/fonts/Inter-Bold.ttf", "_extensions/nrrsim/fonts/NotoSansCJKjp-Regular.otf",
    ):  # fmt: skip
        assert name in seen["files"]
    assert sorted(STYLE.rglob("*")) == before
    shown = [set(o["data"]) for cell in seen["notebook"]["cells"] for o in cell.get("outputs", ())]
    assert {"application/vnd.nrrsim+json"} not in shown
    assert engine_used() == {"engine": "quarto", "quarto": "1.9.38"}


@pytest.mark.parametrize(
    "said",
    [
        "[typst]: Compiling report.typ to report.pdf...warning: unknown font family: inter",
        "WARNING (main.lua:17580) Unable to resolve crossref @fig-none",
        "\x1b[33mWARNING: something\x1b[39m",
        "ERROR: Typst compilation failed",
        "[typst]: Compiling report.typ to report.pdf...warning: variable fonts are not currently supported",
    ],
)
def test_what_quarto_complains_of_is_an_error(
    fake_quarto: Path, tmp_path: Path, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_STDERR", f"pandoc\n  to: typst\n{said}\nDONE\n")
    with pytest.raises(RenderError) as error:
        render(write(tmp_path), tmp_path / "out", style=STYLE, timestamp=0)
    assert said.split("...")[-1][:20].strip() in str(error.value)
    assert "DONE" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_what_quarto_says_otherwise_is_not(
    fake_quarto: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "metadata\n  title: Forecast error and warning signs\n[typst]: Compiling report.typ...DONE\n"
    said += "WARNING: PDF standard validation requested but verapdf is not installed.\nOutput created: x\n"
    monkeypatch.setenv("FAKE_STDERR", said)
    render(write(tmp_path), tmp_path / "out", engine="quarto", style=STYLE, timestamp=0)


@pytest.mark.parametrize("variable", ["FAKE_NOTHING", "FAKE_EXIT"])
def test_quarto_without_a_pdf(
    fake_quarto: Path, tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    monkeypatch.setenv("FAKE_STDERR", "the reason\n")
    with pytest.raises(RenderError, match="the reason"):
        render(write(tmp_path), tmp_path / "out", style=STYLE, timestamp=0)


def test_which_quarto_will_do(fake_quarto: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_VERSION", "1.10.2")
    assert engine_used("auto")["quarto"] == "1.10.2"
    monkeypatch.setenv("FAKE_VERSION", "1.8.25")
    found = find_quarto()
    assert isinstance(found, Quarto)
    assert found.version == "1.8.25"
    assert not found.is_recent
    assert engine_used("auto")["engine"] == "embedded"
    with pytest.raises(RenderError, match=r"too old; install Quarto 1\.9 or newer"):
        engine_used("quarto")


def test_without_quarto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_quarto() is None
    used = engine_used("auto")
    assert used["engine"] == "embedded"
    assert used["pandoc"]
    assert used["typst"]
    with pytest.raises(RenderError, match="no quarto on the PATH"):
        engine_used("quarto")


def test_fonts_for_quarto_by_hand(tmp_path: Path) -> None:
    folder = install_fonts(tmp_path)
    assert folder == tmp_path / "_extensions/nrrsim/fonts"
    assert install_fonts(tmp_path) == folder
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(font.name for font in font_folders())
    assert len(names) == 7
    # the extension in git holds Inter itself: who takes the folder takes the font
    assert {font.parent for font in font_folders()[:6]} == {REPORTS / "_extensions/nrrsim/fonts"}


def test_one_palette_in_three_files() -> None:
    brand = notebook._yaml((STYLE / "_brand.yml").read_text("utf-8"))["color"]["palette"]
    template = (EXTENSION / "typst-template.typ").read_text("utf-8")
    css = (EXTENSION / "house.css").read_text("utf-8")
    for name, colour in brand.items():
        assert f'#let {name} = rgb("{colour}")' in template
        assert f"--{name}: {colour};" in css


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_texts_can_be_read() -> None:
    """WCAG's 4.5:1, on paper, on what is shaded, and on a callout, which is 6% of its accent."""
    template = (EXTENSION / "typst-template.typ").read_text("utf-8")
    colours = dict(re.findall(r'#let ([\w-]+) = rgb\("(#\w+)"\)', template))
    used = set(re.findall(r"text\([^()]*?fill: ([\w-]+)", template))
    assert {"ink", "muted", "navy", "teal-text", "accent-text", "on-navy"} <= used
    accents = {"accent-text": ("navy", "brick", "teal-text", "amber-text")}
    accents["moved"] = ("teal-text", "brick", "muted")  # a rise, a fall, and neither
    # the dots of the contents are no text
    texts = {each for name in used - {"hairline"} for each in accents.get(name, (name,))}
    for name in texts:
        dark = colours.get(name, "#FFFFFF")
        grounds = ["#FFFFFF", colours["wash"]]
        if name in {"white", "on-navy"}:
            grounds = [colours["navy"]]
        elif name in accents["accent-text"]:
            accent = colours[name.removesuffix("-text")]
            mixed = (int(0.06 * int(accent[i : i + 2], 16) + 0.94 * 255) for i in (1, 3, 5))
            grounds.append("#" + "".join(f"{part:02X}" for part in mixed))
        for ground in grounds:
            low, high = sorted((luminance(dark), luminance(ground)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (name, ground)


def test_the_partials_survive_pandoc() -> None:
    """Pandoc reads them as templates: a lone dollar breaks them, and the last newline is lost."""
    for name in ("typst-template.typ", "page.typ", "typst-show.typ"):
        source = (EXTENSION / name).read_text("utf-8")
        assert source.endswith("\n\n")
        assert name == "typst-show.typ" or "$" not in source.replace("$$", "")


def test_formulas_as_quarto_leaves_them(tmp_path: Path) -> None:
    """Quarto numbers a labelled formula by raw Typst around it;
    the alternative text goes into that.
    """
    quarto = [
        {
            "t": "RawInline",
            "c": ["typst", "#math.equation(block: true, numbering: equation-numbering, [ "],
        },
        {"t": "Math", "c": [{"t": "DisplayMath"}, " a \\cdot b "]},
        {"t": "RawInline", "c": ["typst", " ])<eq-x>"]},
        {"t": "Math", "c": [{"t": "InlineMath"}, "\\alpha"]},
    ]
    document = {
        "pandoc-api-version": [1, 23, 1],
        "meta": {},
        "blocks": [{"t": "Para", "c": quarto}],
    }
    written = pypandoc.convert_text(
        json.dumps(document),
        "typst",
        format="json",
        extra_args=[f"--lua-filter={EXTENSION / 'formulas.lua'}"],
    )
    assert (
        '#math.equation(alt: "a times b", block: true, numbering: equation-numbering, [ $'
        in written
    )
    assert '#math.equation(alt: "alpha", block: false, $alpha$)' in written


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        (r"a_i(0)", "a i of 0"),
        (r"A[t]", "A at t"),
        (r"a\,(1 + \text{uplift})", "a (1 plus uplift)"),
        (
            r"\frac{\sum_i a_i(w)}{\sum_i a_i(0)}",
            "the sum over i of a i of w over the sum over i of a i of 0",
        ),
        (r"\mathrm{NRR} - 1 \leq 10\%", "NRR minus 1 at most 10 percent"),
        (r"1 - (1 - r_c)^{1/12}", "1 minus (1 minus r c) to the power 1/12"),
        (
            r"\min(a, b) \times \frac{\tfrac{a}{b}}{c}",
            "the smaller of (a, b) times a over b over c",
        ),
    ],
)
def test_a_formula_is_read_aloud(formula: str, said: str) -> None:
    written = pypandoc.convert_text(
        f"${formula}$",
        "typst",
        format="markdown",
        extra_args=[f"--lua-filter={EXTENSION / 'formulas.lua'}"],
    )
    assert re.findall(r'alt: "(.*?)"', written) == [said]
