"""Cells in, a deck with native charts out, by pandoc or by Quarto; never says what is not there.

A slide begins at each heading of the second level and holds one picture or table and a few lines.
Where they stand is the reference deck's matter; a picture whose numbers PowerPoint can draw becomes
a chart in its place. Text is fitted: what is too long even small is cut, and whole in the notes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from nrrsim.errors import RenderError
from nrrsim.report.pages.markdown import font_folders, picture_in_text, quarto_markdown
from nrrsim.report.pages.native import Plot, add_chart, plot_of
from nrrsim.report.pages.notebook import IMAGES, Cell, chosen_mime
from nrrsim.report.pages.office import by_engine, foot
from nrrsim.report.pages.package import packed
from nrrsim.report.pages.pdf import Quarto
from nrrsim.report.tables import CELLS, FIGURE, NOTES

MOST_ROWS, MOST_SLIDES = 7, 8  # of a table, of a deck with its title
HEADING = re.compile(r"^## (?=\S)", re.MULTILINE)
TITLE_SIZES, LINE_SIZES, CELL_SIZES = range(26, 15, -1), range(16, 10, -1), range(15, 8, -1)
COVER, COVER_TITLE_SIZES, COVER_LINE_SIZES = "Title Slide", range(40, 15, -1), range(20, 11, -1)
FOOT_SIZES = range(10, 5, -1)
TITLE_LINES = 2
WITH_LINES, ALONE = "Content with Caption", "Title and Content"  # layouts, as pandoc calls them
LEAST_TITLE = 0.6  # of a slide's width: a narrower title holds no sentence
SHARE_SHOWN, SHARE_LINES = 0.78, 0.82  # of what is below a title: down to there, and from there on
PICTURE = 13  # a shape's type, in python-pptx's numbers
Box = tuple[int, int, int, int]  # left, top, width, height in EMU
AIR = 1.08  # a line is that much wider elsewhere: another font may stand in for ours
LEADING = 1.25


@dataclass
class Slide:
    """What a slide is made of: Markdown, and the one thing that it shows."""

    heading: str
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)  # a picture or a table
    alt: str = ""
    plot: Plot | None = None
    numbers: Mapping[str, Any] | None = None

    def markdown(self) -> str:
        """Text before what is shown: so that pandoc takes the layout that has room for both."""
        notes = "\n\n".join(self.notes)
        parts = [f"## {self.heading}", *self.lines, *self.shown]
        return "\n\n".join([*parts, *([f"::: {{.notes}}\n{notes}\n:::"] if notes else [])])


def deck(
    meta: Mapping[str, Any],
    cells: Sequence[Cell],
    reference: Path,
    timestamp: int,
    quarto: Quarto | None,
) -> bytes:
    """The deck; the same bytes for the same cells. RenderError where a slide has no room."""
    slides = slides_of(cells)
    text = "\n\n".join(slide.markdown() for slide in slides)
    made = by_engine(quarto, text, meta, "pptx", reference, timestamp)
    return packed(_finished(made, slides, meta, timestamp), timestamp)


# --- cells to slides -----------------------------------------------------------------------------


def slides_of(cells: Sequence[Cell]) -> list[Slide]:
    """The slides of a notebook's cells, in order."""
    slides: list[Slide] = []
    for cell in cells:
        if cell.outputs is None:
            _said(slides, cell.source)
            continue
        for output in cell.outputs:
            _shown(slides, cell, output)
    wrong = [
        f"the slide {each.heading!r} shows {len(each.shown)} pictures and tables; one at most"
        for each in slides
        if len(each.shown) > 1
    ]
    if 1 + len(slides) > MOST_SLIDES:
        wrong.append(f"{1 + len(slides)} slides with the title; {MOST_SLIDES} at most")
    if not slides:
        wrong.append("no slide: nothing stands below a heading of the second level (##)")
    if wrong:
        raise RenderError("\n".join(wrong))
    return slides


def _said(slides: list[Slide], text: str) -> None:
    """Take up Markdown: a heading of the second level begins a slide."""
    before, *parts = HEADING.split(text)
    if before.strip() and not slides:
        raise RenderError(f"{before.strip()[:60]!r} stands before the first slide's heading (##)")
    if before.strip():
        slides[-1].lines.append(before.strip())
    for part in parts:
        heading, _, rest = part.partition("\n")
        slides.append(Slide(heading.strip(), [rest.strip()] if rest.strip() else []))


def _shown(slides: list[Slide], cell: Cell, output: Any) -> None:
    data = output.get("data", {})
    if slides and data.get(NOTES):
        slides[-1].notes.append(str(data[NOTES]))
    mime = chosen_mime(output, "pptx")
    if mime == "text/markdown":
        _said(slides, str(data[mime]))
    elif mime in IMAGES or mime == "text/html":
        if not slides:
            raise RenderError(f"{cell.name} stands before the first slide's heading")
        slide = slides[-1]
        alt = cell.options.get("fig-alt") or cell.options.get("tbl-cap") or ""
        slide.alt = " ".join(str(alt).split())
        if mime in IMAGES:
            slide.numbers, slide.plot = data.get(FIGURE), plot_of(data.get(FIGURE))
            slide.shown.append(picture_in_text(data, mime, {}))
        else:
            rows = len(data.get(CELLS, {}).get("rows", ()))
            if rows > MOST_ROWS:
                raise RenderError(f"{cell.name}: {rows} rows on a slide; {MOST_ROWS} at most")
            alone = Cell(cell.name, "", {"echo": False}, [output])
            slide.shown.append(quarto_markdown([alone], "pptx", Path()))


# --- the deck finished ---------------------------------------------------------------------------


def _finished(
    made: bytes, slides: Sequence[Slide], meta: Mapping[str, Any], timestamp: int
) -> bytes:
    """The deck with its charts, texts that fit, feet, numbers and names that tell shapes apart."""
    from pptx import Presentation

    there = Presentation(io.BytesIO(made))
    pages = list(there.slides)
    if len(pages) != len(slides) + 1:
        raise RenderError(
            f"the deck has {len(pages)} slides where {len(slides) + 1} were meant: a slide holds"
            " more than a heading, one picture or table, and lines of text"
        )
    _cover(pages[0], meta)
    for number, (page, slide) in enumerate(zip(pages[1:], slides, strict=True), start=2):
        room = _room(page, there)
        _picture(page, slide, room, timestamp)
        _table(page, slide, room)
        _texts(page)
        _foot(page, foot(meta), number)
    for page in pages:
        _in_order(page)
        _told_apart(page)
    out = io.BytesIO()
    there.save(out)
    return out.getvalue()


def _cover(page: Any, meta: Mapping[str, Any]) -> None:
    """The title slide: what it is, whose, of when; the date with the rest, not at the foot."""
    keys = ("subtitle", "company", "date", "confidentiality")
    said = [re.sub(r"\\([^\w\s])", r"\1", str(meta.get(key) or "")) for key in keys]
    for shape in list(page.placeholders):
        if shape.placeholder_format.idx == 1:
            shape.text_frame.text = "\n".join(filter(None, said))
        elif shape.placeholder_format.idx != 0:
            shape._element.getparent().remove(shape._element)
    _texts(page)


def _room(page: Any, deck: Any) -> Box:
    """Where there is room for what a slide shows: as its layout has it.

    A company's layout for a picture and text (PowerPoint's own, too) may leave a heading a third of
    the slide, which holds no sentence: then all have its whole width, the lines at the bottom.
    """
    from pptx.opc.constants import RELATIONSHIP_TYPE as KIND

    title = page.shapes.title
    if title is None or not title.width:
        raise RenderError(f"the layout {page.slide_layout.name} of the reference deck has no title")
    for place in title._element.spPr.findall("{*}xfrm"):  # its layout says where
        title._element.spPr.remove(place)
    shown = next((each for each in page.shapes if _is_shown(each)), None)
    if page.slide_layout.name != WITH_LINES or title.width >= LEAST_TITLE * deck.slide_width:
        return _place(page, shown) if shown is not None else (0, 0, 0, 0)
    wide = next(each for each in deck.slide_layouts if each.name == ALONE)
    before = next(r for r in page.part.rels.values() if r.reltype == KIND.SLIDE_LAYOUT)
    page.part.rels.pop(before.rId)
    page.part.relate_to(wide.part, KIND.SLIDE_LAYOUT)
    body = next(each for each in wide.placeholders if each.placeholder_format.idx == 1)
    below = body.top + round(body.height * SHARE_LINES)
    for shape in page.placeholders:
        if shape.placeholder_format.idx == 2:
            held = next(shape._element.iter("{*}ph"))
            held.attrib.clear()
            held.set("idx", "1")
            shape.left, shape.top, shape.width = body.left, below, body.width
            shape.height = body.top + body.height - below
    return body.left, body.top, body.width, round(body.height * SHARE_SHOWN)


def _is_shown(shape: Any) -> bool:
    return bool(shape.shape_type == PICTURE or shape.has_chart or shape.has_table)


def _picture(page: Any, slide: Slide, box: Box, timestamp: int) -> None:
    """A chart in the picture's place; or the picture, as large as its place allows."""
    picture = next((shape for shape in page.shapes if shape.shape_type == PICTURE), None)
    if picture is None:
        return
    if slide.plot is None:
        ratio = min(box[2] / picture.width, box[3] / picture.height)
        wide, high = round(picture.width * ratio), round(picture.height * ratio)
        picture.left, picture.top = box[0] + (box[2] - wide) // 2, box[1] + (box[3] - high) // 2
        picture.width, picture.height = wide, high
        shown = picture._element
    else:
        assert slide.numbers is not None
        shown = add_chart(page.shapes, slide.plot, slide.numbers, box, timestamp)._element
        picture._element.addprevious(shown)
        picture._element.getparent().remove(picture._element)
        page.part.drop_rel(picture._element.blip_rId)
    _described(shown, slide.alt)


def _place(page: Any, shape: Any) -> Box:
    """Where its layout has room for what a slide shows; else where it stands."""
    middle = shape.left + shape.width // 2, shape.top + shape.height // 2
    for each in page.slide_layout.placeholders:
        kind = str(each.placeholder_format.type)
        inside = (
            each.left <= middle[0] <= each.left + each.width
            and each.top <= middle[1] <= each.top + each.height
        )
        if inside and ("OBJECT" in kind or "PICTURE" in kind):
            return each.left, each.top, each.width, each.height
    return shape.left, shape.top, shape.width, shape.height


def _described(element: Any, text: str) -> None:
    named = next(element.iter("{*}cNvPr"))
    named.set("descr", text)
    named.attrib.pop("title", None)


def _table(page: Any, slide: Slide, box: Box) -> None:
    """A table whose columns are as wide as their texts, in a size at which all fits."""
    from pptx.util import Pt

    shape = next((shape for shape in page.shapes if shape.has_table), None)
    if shape is None:
        return
    table = shape.table
    texts = [[cell.text_frame.text for cell in row.cells] for row in table.rows]
    high = {each: _rows_high(_columns(texts, each, box[2]), texts, each) for each in CELL_SIZES}
    size = next((each for each in CELL_SIZES if high[each] <= box[3]), CELL_SIZES[-1])
    widths = _columns(texts, size, box[2])
    if high[size] > box[3]:
        texts = [_shortened(page, row, widths, size) for row in table.rows]
    shape.left, shape.top, shape.width = box[0], box[1], sum(widths)
    for column, wide in zip(table.columns, widths, strict=True):
        column.width = wide
    for number, (row, line) in enumerate(zip(table.rows, texts, strict=True)):
        row.height = _row_high(widths, line, size, bold=not number)
        for cell in row.cells:
            cell.margin_left = cell.margin_right = Pt(6)
            cell.margin_top = cell.margin_bottom = Pt(6)
            for paragraph in cell.text_frame.paragraphs:
                for run in paragraph.runs:
                    run.font.size = Pt(size)
    shape.height = sum(row.height for row in table.rows)
    _described(shape._element, slide.alt)


POINT = 12_700  # EMU


def _shortened(page: Any, row: Any, widths: Sequence[int], size: int) -> list[str]:
    """A row whose texts go over two lines at most; what is cut stands whole in the notes."""
    for cell, wide in zip(row.cells, widths, strict=True):
        room, whole = wide / POINT - 12, cell.text_frame.text
        if _wrapped(whole, size, room) > TITLE_LINES:
            _cut(cell.text_frame, lambda text, room=room: _wrapped(text, size, room) <= TITLE_LINES)
            notes = page.notes_slide.notes_text_frame
            notes.text = f"{notes.text}\n{whole}".strip()
    return [cell.text_frame.text for cell in row.cells]


def _columns(texts: Sequence[Sequence[str]], size: int, wide: int) -> list[int]:
    """Widths of columns: as their longest texts need, and together as wide as the place."""
    needs = [
        max(_wide(text, size, bold=not row) for row, text in enumerate(column)) * AIR + 14
        for column in zip(*texts, strict=True)
    ]
    room = wide / POINT
    if sum(needs) > room:  # the longest share what the short ones leave
        most = room / len(needs)
        short = sum(need for need in needs if need <= most)
        long = sum(need for need in needs if need > most)
        needs = [n if n <= most else n * (room - short) / long for n in needs]
    else:
        needs[0] += room - sum(needs)
    return [int(need * POINT) for need in needs]


def _row_high(widths: Sequence[int], line: Sequence[str], size: int, bold: bool) -> int:
    lines = max(
        _wrapped(text, size, wide / POINT - 12, bold)
        for text, wide in zip(line, widths, strict=True)
    )
    return int((lines * size * LEADING + 13) * POINT)


def _rows_high(widths: Sequence[int], texts: Sequence[Sequence[str]], size: int) -> int:
    return sum(_row_high(widths, line, size, not row) for row, line in enumerate(texts))


# --- texts that fit ------------------------------------------------------------------------------


def _texts(page: Any) -> None:
    """Title and lines in the largest size at which they fit; what does not: whole in the notes."""
    for shape in page.placeholders:
        if shape.has_text_frame and shape.text_frame.text.strip():
            _fitted(page, shape)


def _fitted(page: Any, shape: Any) -> None:
    from pptx.util import Pt

    frame, is_title = shape.text_frame, shape.placeholder_format.idx == 0
    wide, high = shape.width / POINT - 14, shape.height / POINT - 7
    sizes = TITLE_SIZES if is_title else LINE_SIZES
    if page.slide_layout.name == COVER:
        sizes = COVER_TITLE_SIZES if is_title else COVER_LINE_SIZES

    def fits(size: int, text: str) -> bool:
        lines = sum(_wrapped(part, size, wide, bold=is_title) for part in text.split("\n"))
        return lines * size * LEADING <= high and (not is_title or lines <= TITLE_LINES)

    whole = frame.text
    size = next((each for each in sizes if fits(each, whole)), sizes[-1])
    if not fits(size, whole):
        _cut(frame, partial(fits, size))
        notes = page.notes_slide.notes_text_frame
        notes.text = f"{whole}\n{notes.text}".strip()
    for paragraph in frame.paragraphs:
        for run in paragraph.runs:
            run.font.size = Pt(size)


def _cut(frame: Any, fits: Any) -> None:
    """Leave of a text as many words as fit, and three dots."""
    words = frame.text.split(" ")
    while len(words) > 1 and not fits(" ".join(words) + "…"):
        words.pop()
    text = " ".join(words)
    while len(text) > 1 and not fits(text + "…"):
        text = text[:-1]
    frame.text = text.rstrip(" ,;:") + "…"


@cache
def _font(bold: bool) -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(str(font_folders()[2 if bold else 0]), 100)


def _wide(text: str, size: float, bold: bool = False) -> float:
    """How wide a text is, in points."""
    return float(_font(bold).getlength(text)) * size / 100


def _wrapped(text: str, size: float, wide: float, bold: bool = False) -> int:
    """Over how many lines a text goes in a place so wide, in points."""
    lines, at, blank = 1, 0.0, _wide(" ", size)
    for word in text.split(" "):
        needs = _wide(word, size, bold) * AIR
        if at and at + blank + needs > wide:
            lines, at = lines + 1, 0.0
        while needs > wide:  # it is broken where the line ends
            lines, needs = lines + 1, needs - wide
        at += needs + (blank if at else 0.0)
    return lines


# --- feet, order, names --------------------------------------------------------------------------


def _foot(page: Any, line: str, number: int) -> None:
    """Whose the deck is and for whom, and the slide's number: where the layout has them."""
    from copy import deepcopy

    from pptx.util import Pt

    there = {str(shape.placeholder_format.type) for shape in page.placeholders}
    for each in page.slide_layout.placeholders:
        kind = str(each.placeholder_format.type)
        if not ("FOOTER" in kind or "SLIDE_NUMBER" in kind):
            continue
        if kind not in there:
            copy = deepcopy(each._element)
            for place in copy.spPr.findall("{*}xfrm"):
                copy.spPr.remove(place)
            page.shapes._spTree.append(copy)
    for shape in page.placeholders:
        kind = str(shape.placeholder_format.type)
        if "FOOTER" in kind:
            shape.text_frame.text = line
            wide = shape.width / POINT - 14
            for run in shape.text_frame.paragraphs[0].runs:
                run.font.name = "+mn-lt"  # the deck's own: not every program finds it
                size = next((s for s in FOOT_SIZES if _wrapped(line, s, wide) == 1), FOOT_SIZES[-1])
                run.font.size = Pt(size)
        elif "SLIDE_NUMBER" in kind:
            for text in shape._element.iter("{*}t"):
                text.text = str(number)


def _in_order(page: Any) -> None:
    """Title, what is shown, lines, foot: the order in which a screen reader tells them."""
    tree = page.shapes._spTree

    def rank(shape: Any) -> int:
        if not shape.is_placeholder or _is_shown(shape):
            return 1
        kind = str(shape.placeholder_format.type)
        if "TITLE" in kind and "SUBTITLE" not in kind:
            return 0
        return {"FOOTER": 3, "SLIDE_NUMBER": 4}.get(kind.partition(" ")[0], 2)

    for shape in sorted(page.shapes, key=rank):
        tree.remove(shape._element)
        tree.append(shape._element)


def _told_apart(page: Any) -> None:
    """No two shapes of a slide with one number or one name, which pandoc gives."""
    for number, shape in enumerate(page.shapes, start=2):
        named = next(shape._element.iter("{*}cNvPr"))
        kind = re.sub(r" \d+$", "", named.get("name") or "Shape")
        if shape.has_chart or shape.has_table:
            kind = "Chart" if shape.has_chart else "Table"
        named.set("id", str(number))
        named.set("name", f"{kind} {number - 1}")
