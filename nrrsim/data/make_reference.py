"""The house's look for slides and Word: reports/_extensions/nrrsim/house.pptx and house.docx.

Made from the reference documents that come with pandoc: its names of layouts and styles, our fonts,
colours, sizes and places. Run as `python -m nrrsim.data.make_reference` in a clone; the same files
each time.
"""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pypandoc
from pptx import Presentation
from pptx.oxml import parse_xml
from pptx.oxml.ns import nsdecls
from pptx.util import Emu, Inches

from nrrsim.files import shared, whole
from nrrsim.report.charts.style import AMBER, BRICK, GREY, INK, NAVY, RULE, SHADES, TEAL
from nrrsim.report.pages.office import FOOT as FOOT_OF_WORD
from nrrsim.report.pages.package import packed

FOLDER = Path("reports", "_extensions", "nrrsim")
FONT = "Inter"
COLOURS = {"dk1": INK, "lt1": "#FFFFFF", "dk2": NAVY, "lt2": SHADES[0], "accent1": NAVY,
           "accent2": TEAL, "accent3": AMBER, "accent4": BRICK, "accent5": GREY, "accent6": RULE,
           "hlink": NAVY, "folHlink": GREY}  # fmt: skip
MADE = 1_767_225_600  # 1 January 2026: the files say it, and nobody reads it
WIDE, HIGH = 13.333, 7.5  # inches, 16:9
LEFT, ACROSS = 0.6, 12.133
# Where things stand on a slide: left, top, width, height in inches.
TITLE = (LEFT, 0.4, ACROSS, 1.15)
BELOW_TITLE = (LEFT, 1.7, ACROSS, 5.0)
PICTURE, LINES = (LEFT, 1.7, ACROSS, 4.05), (LEFT, 5.85, ACROSS, 0.85)
FOOT = {
    "dt": (9.6, 6.93, 2.3, 0.32),
    "ftr": (LEFT, 6.93, 8.9, 0.32),
    "sldNum": (12.0, 6.93, 0.733, 0.32),
}
LAYOUTS = {
    "Title Slide": {0: (LEFT, 2.2, ACROSS, 1.4), 1: (LEFT, 3.7, ACROSS, 1.2)},
    "Title and Content": {0: TITLE, 1: BELOW_TITLE},
    "Two Content": {0: TITLE, 1: (LEFT, 1.7, 5.97, 5.0), 2: (6.77, 1.7, 5.97, 5.0)},
    "Content with Caption": {0: TITLE, 1: PICTURE, 2: LINES},
    "Title Only": {0: TITLE},
}
SIZES = {"title": 26, "body": 18, "caption": 16, "foot": 10, "cover": 40, "subtitle": 20}  # points


def default(name: str) -> bytes:
    """A reference document as pandoc has it."""
    command = [str(pypandoc.get_pandoc_path()), "--print-default-data-file", name]
    return subprocess.run(command, check=True, capture_output=True).stdout


def themed(theme: str) -> str:
    """A theme with the house's colours and font."""
    for name, colour in COLOURS.items():
        said = f'<a:{name}><a:srgbClr val="{colour[1:]}"/></a:{name}>'
        theme = re.sub(rf"<a:{name}>.*?</a:{name}>", said, theme, count=1, flags=re.DOTALL)
    return re.sub(
        r"(<a:(?:major|minor)Font>\s*<a:latin typeface=)\"[^\"]*\"", rf'\1"{FONT}"', theme
    )


# --- slides --------------------------------------------------------------------------------------


def slides() -> bytes:
    """The reference deck, 16:9."""
    deck = Presentation(io.BytesIO(default("reference.pptx")))
    ratio = Inches(WIDE) / deck.slide_width
    deck.slide_width, deck.slide_height = Inches(WIDE), Inches(HIGH)
    for number in range(len(deck.slides._sldIdLst)):
        deck.part.drop_rel(deck.slides._sldIdLst[number].rId)
    deck.slides._sldIdLst.clear()

    master = deck.slide_master
    for layout in (master, *deck.slide_layouts):
        for shape in layout.placeholders:
            _placed(shape, layout.name if layout is not master else "Title and Content", ratio)
    _styled(master)
    for layout in deck.slide_layouts:
        _sized(layout)
    for part in deck.part.package.iter_parts():
        if "/theme/" in str(part.partname):
            part._blob = themed(part.blob.decode()).encode()
    out = io.BytesIO()
    deck.save(out)
    return packed(out.getvalue(), MADE)


def _placed(shape: Any, layout: str, ratio: float) -> None:
    """A placeholder where the house has it; another one as much larger as the slide is."""
    kind = shape._element.nvSpPr.nvPr.find(
        "{http://schemas.openxmlformats.org/presentationml/2006/main}ph"
    ).get("type", "")
    index = shape.placeholder_format.idx
    inches = FOOT.get(kind) or LAYOUTS.get(layout, {}).get(index)
    if inches:
        shape.left, shape.top, shape.width, shape.height = map(Inches, inches)
        return
    places = [
        Emu(round(each * ratio)) for each in (shape.left, shape.top, shape.width, shape.height)
    ]
    shape.left, shape.top, shape.width, shape.height = places


def _styled(master: Any) -> None:
    """Titles bold and navy at the left, texts in ink, a rule above the foot."""
    styles = master._element.find(
        "{http://schemas.openxmlformats.org/presentationml/2006/main}txStyles"
    )
    title, body = styles[0], styles[1]
    first = title[0]
    first.set("algn", "l")
    run = first.find("{http://schemas.openxmlformats.org/drawingml/2006/main}defRPr")
    run.set("sz", str(SIZES["title"] * 100))
    run.set("b", "1")
    _coloured(run, "tx2")
    for number, level in enumerate(each for each in body if each.tag.endswith("pPr")):
        run = level.find("{http://schemas.openxmlformats.org/drawingml/2006/main}defRPr")
        run.set("sz", str((SIZES["body"] - 2 * min(number, 3)) * 100))
    for shape in master.placeholders:
        frame = shape._element.txBody.bodyPr
        kind = shape.placeholder_format.type
        if shape.placeholder_format.idx == 0:
            frame.set("anchor", "b")
        frame.set("lIns", "0")
        frame.set("rIns", "0")
        if "FOOTER" in str(kind) or "NUMBER" in str(kind) or "DATE" in str(kind):
            level = shape._element.txBody.find(".//{*}lvl1pPr")
            level.set("algn", "l" if "FOOTER" in str(kind) else "r")
            run = level.find("{*}defRPr")
            run.set("sz", str(SIZES["foot"] * 100))
            _coloured(run, "accent5")
    _ruled(master, TITLE[0], 6.88, ACROSS, "accent6", 9525)


def _sized(layout: Any) -> None:
    """What a layout has of its own: the cover's sizes, and those of the lines under a picture."""
    sizes = {
        "Title Slide": {0: "cover", 1: "subtitle"},
        "Content with Caption": {0: "title", 2: "caption"},
    }
    for shape in layout.placeholders:
        index, body = shape.placeholder_format.idx, shape._element.txBody
        said = sizes.get(layout.name, {}).get(index)
        if index < 10:
            body.bodyPr.attrib.pop("anchor", None)
        else:
            _footed(shape)
        for level in body.iterfind(".//{*}lvl1pPr"):
            if index < 10:
                level.set("algn", "l")
            for run in level.iterfind("{*}defRPr"):
                if said:
                    run.set("sz", str(SIZES[said] * 100))
                    run.set("b", "1" if said in ("title", "cover") else "0")
                    for colour in run.findall("{*}solidFill"):
                        run.remove(colour)
                    _coloured(run, {"subtitle": "accent5", "caption": "tx1"}.get(said, "tx2"))
        if layout.name == "Title Slide" and index in (0, 1):
            body.bodyPr.set("anchor", "b" if index == 0 else "t")
    if layout.name == "Title Slide":
        _ruled(layout, LEFT, 2.0, 1.2, "accent2", 57150)


def _footed(shape: Any) -> None:
    """Say at the foot's own place how it looks: not every program asks the master."""
    kind = str(shape.placeholder_format.type)
    for style in shape._element.txBody.findall("{*}lstStyle"):
        style.clear()
        style.append(
            parse_xml(
                f'<a:lvl1pPr {nsdecls("a")} algn="{"l" if "FOOTER" in kind else "r"}"><a:defRPr'
                f' sz="{SIZES["foot"] * 100}"><a:solidFill><a:schemeClr val="accent5"/>'
                '</a:solidFill><a:latin typeface="+mn-lt"/></a:defRPr></a:lvl1pPr>'
            )
        )
    shape._element.txBody.bodyPr.set("lIns", "0")
    shape._element.txBody.bodyPr.set("rIns", "0")


def _coloured(run: Any, scheme: str) -> None:
    for colour in run.findall("{*}solidFill"):
        run.remove(colour)
    fill = f'<a:solidFill {nsdecls("a")}><a:schemeClr val="{scheme}"/></a:solidFill>'
    run.insert(0, parse_xml(fill))


def _ruled(layout: Any, left: float, top: float, wide: float, scheme: str, thick: int) -> None:
    """A rule, which no slide has to have and no reader is told of."""
    line = layout.shapes._spTree
    number = 1 + max(int(each.get("id")) for each in line.iterfind(".//{*}cNvPr"))
    line.append(
        parse_xml(
            f'<p:cxnSp {nsdecls("p", "a")}><p:nvCxnSpPr><p:cNvPr id="{number}"'
            f' name="Rule {number}"/><p:cNvCxnSpPr/><p:nvPr userDrawn="1"/></p:nvCxnSpPr>'
            "<p:spPr>"
            f'<a:xfrm><a:off x="{Inches(left)}" y="{Inches(top)}"/>'
            f'<a:ext cx="{Inches(wide)}" cy="0"/>'
            f'</a:xfrm><a:prstGeom prst="line"><a:avLst/></a:prstGeom><a:ln w="{thick}">'
            f'<a:solidFill><a:schemeClr val="{scheme}"/></a:solidFill></a:ln></p:spPr></p:cxnSp>'
        )
    )


# --- Word ----------------------------------------------------------------------------------------

# Size in half points, colour, and whether it is bold, of a style by its id.
STYLES: Mapping[str, tuple[int, str, bool]] = {
    "Title": (52, NAVY, True), "Subtitle": (28, GREY, False), "Author": (20, GREY, False),
    "Date": (20, GREY, False), "Heading1": (32, NAVY, True), "Heading2": (26, NAVY, True),
    "Heading3": (22, NAVY, True), "Heading4": (20, NAVY, True), "TableCaption": (18, GREY, False),
    "ImageCaption": (18, GREY, False), "Compact": (18, INK, False),
}  # fmt: skip
PAGE = (
    '<w:sectPr><w:footerReference w:type="default" r:id="rIdFoot"/>'
    '<w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1247" w:right="1247" w:bottom="1247"'
    ' w:left="1247" w:header="624" w:footer="624" w:gutter="0"/></w:sectPr>'
)
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATION = f'<Relationship Id="rIdFoot" Type="{OFFICE}/footer" Target="footer1.xml"/>'
KIND = (
    '<Override PartName="/word/footer1.xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.wordprocessingml.footer+xml"/>'
)
CAPTION = '<w:spacing w:before="200" w:after="100" />'
RUN = f'<w:rPr><w:color w:val="{GREY[1:]}"/><w:sz w:val="16"/></w:rPr>'
FOOTER = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:ftr xmlns:w='
    '"http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:p><w:pPr><w:tabs>'
    f'<w:tab w:val="right" w:pos="9412"/></w:tabs></w:pPr><w:r>{RUN}<w:t>{FOOT_OF_WORD}</w:t></w:r>'
    f'<w:r>{RUN}<w:tab/></w:r><w:r>{RUN}<w:fldChar w:fldCharType="begin"/></w:r><w:r>{RUN}'
    f'<w:instrText xml:space="preserve"> PAGE </w:instrText></w:r><w:r>{RUN}'
    f'<w:fldChar w:fldCharType="separate"/></w:r><w:r>{RUN}<w:t>1</w:t></w:r><w:r>{RUN}'
    '<w:fldChar w:fldCharType="end"/></w:r></w:p></w:ftr>'
)
RULED = (
    f'<w:tblBorders><w:top w:val="single" w:sz="8" w:space="0" w:color="{NAVY[1:]}"/>'
    f'<w:bottom w:val="single" w:sz="8" w:space="0" w:color="{NAVY[1:]}"/>'
    f'<w:insideH w:val="single" w:sz="4" w:space="0" w:color="{RULE[1:]}"/></w:tblBorders>'
)


def word() -> bytes:
    """The reference document, A4."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(default("reference.docx"))) as there,
        zipfile.ZipFile(out, "w") as made,
    ):
        for name in there.namelist():
            part = there.read(name)
            if name == "word/theme/theme1.xml":
                part = themed(part.decode()).encode()
            elif name == "word/styles.xml":
                part = _word_styles(part.decode()).encode()
            elif name == "word/document.xml":
                text = re.sub(
                    r"<w:sectPr\b.*?</w:sectPr>|<w:sectPr\s*/>", "", part.decode(), flags=re.DOTALL
                )
                part = text.replace("</w:body>", f"{PAGE}</w:body>").encode()
            elif name == "word/_rels/document.xml.rels":
                part = part.replace(b"</Relationships>", RELATION.encode() + b"</Relationships>")
            elif name == "[Content_Types].xml":
                part = part.replace(b"</Types>", KIND.encode() + b"</Types>")
            made.writestr(name, part)
        made.writestr("word/footer1.xml", FOOTER)
    return packed(out.getvalue(), MADE)


def _word_styles(text: str) -> str:
    head, end, rest = text.partition("</w:docDefaults>")
    text = re.sub(r'(<w:szC?s? w:val=)"24"', r'\1"20"', head) + end + rest
    for style, how in STYLES.items():
        named = rf'<w:style\b[^>]*w:styleId="{style}(?:Char)?".*?</w:style>'
        for found in dict.fromkeys(re.findall(named, text, flags=re.DOTALL)):
            text = text.replace(found, _restyled(found, *how))
    # a caption keeps its distance from the table before
    text = text.replace('<w:spacing w:before="0" w:after="120" />', CAPTION)
    return re.sub(r'(w:styleId="Table".*?<w:tblPr>)', rf"\1{RULED}", text, count=1, flags=re.DOTALL)


def _restyled(style: str, size: int, colour: str, bold: bool) -> str:
    style = re.sub(r"<w:jc [^>]*/>", "", style)
    style = re.sub(r"<w:(?:color|sz|szCs|b|bCs|i|iCs|spacing w:val)\b[^>]*/>", "", style)
    look = "<w:b/>" if bold else ""
    look += f'<w:color w:val="{colour[1:]}"/><w:sz w:val="{size}"/><w:szCs w:val="{size}"/>'
    if "<w:rPr>" not in style:
        return style.replace("</w:style>", f"<w:rPr>{look}</w:rPr></w:style>")
    return style.replace("</w:rPr>", f"{look}</w:rPr>", 1)


def main() -> None:
    """Write both beside the house's other parts."""
    for name, content in (("house.pptx", slides()), ("house.docx", word())):
        with whole(shared(*FOLDER.parts) / name) as unfinished:
            unfinished.write_bytes(content)


if __name__ == "__main__":
    main()
