"""The board's slides and Word: native charts that hold the report's numbers, in a whole package."""

import io
import itertools
import json
import os
import re
import sys
import zipfile
from pathlib import PurePosixPath

import nbformat
import pandas as pd
import pypandoc
import pytest
from conftest import HOSTILE, ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from openpyxl import load_workbook
from pptx import Presentation

import nrrsim as nr
from nrrsim.data.make_reference import FOLDER, slides, word
from nrrsim.errors import RenderError, UsageError, VerifyError
from nrrsim.files import shared
from nrrsim.notation import escape_markdown
from nrrsim.report import tables
from nrrsim.report.charts import style
from nrrsim.report.manifest import verify
from nrrsim.report.pages.native import plot_of
from nrrsim.report.pages.office import check_reference, reference_of
from nrrsim.report.pages.render import render
from nrrsim.report.pages.slides import TITLE_LINES, _wrapped, slides_of
from nrrsim.report.run import run_card
from nrrsim.report.tables import CELLS, FIGURE

CARD = """\
notebook: board_deck
company: Meridian Cloud
ledger: {root}/nrrsim/data/meridian.csv
as_of: "2026-09"
target: 1.10
currency: USD
trials: 100
scenarios: [{root}/params/scenarios/nrr-105.yaml, {root}/params/scenarios/nrr-128.yaml]
"""
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP6DwABBQECz6AuzQAAAABJRU5ErkJggg=="
)
TIMESTAMP = 1_793_232_000
STYLE = shared("reports")
P, A = (
    "{http://schemas.openxmlformats.org/presentationml/2006/main}",
    "{http://schemas.openxmlformats.org/drawingml/2006/main}",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A deck that has a report before it, and the same as a Word document."""
    home = tmp_path_factory.mktemp("deck")
    card = home / "board.yaml"
    card.write_text(CARD.format(root=ROOT))
    earlier = {"as_of": "2026-06", "trials": 0, "scenarios": None}
    run_card(card, to=(), out=home / "reports", over=earlier)
    return run_card(card, to=("pptx", "docx"), out=home / "reports", engine="embedded")


@pytest.fixture(scope="module")
def deck(folder):
    return Presentation(folder / "report.pptx")


def titles(deck):
    told = (page.shapes.title.text_frame.text for page in deck.slides)
    return [title.replace("\u00a0", " ") for title in told]


def charts_of(deck):
    return [shape.chart for page in deck.slides for shape in page.shapes if shape.has_chart]


def figures(folder, mime=FIGURE):
    book = nbformat.read(folder / "report.ipynb", as_version=4)
    found = (output.get("data", {}) for cell in book.cells for output in cell.get("outputs", []))
    return [data[mime] for data in found if mime in data]


def sheet_of(chart):
    book = load_workbook(io.BytesIO(chart.part.chart_workbook.xlsx_part.blob))
    return [list(row) for row in book.active.iter_rows(values_only=True)]


# --- what stands on the slides -------------------------------------------------------------------


def test_few_slides_each_with_its_message(deck):
    assert len(deck.slides) == 8
    told = titles(deck)
    assert len(set(told)) == len(told)
    for page, title in list(zip(deck.slides, told, strict=True))[1:]:
        assert re.search(r"\d", title), title
        shown = [s for s in page.shapes if s.has_chart or s.has_table or s.shape_type == 13]
        assert len(shown) == 1, title
        texts = [s for s in page.placeholders if s.placeholder_format.idx == 2]
        assert len(texts) == 1
        assert 1 <= len(texts[0].text_frame.paragraphs) <= 2
    assert deck.slide_width * 9 == pytest.approx(deck.slide_height * 16, rel=1e-3)
    assert len(charts_of(deck)) == 6


def test_titles_and_lines_are_those_of_the_report(deck, folder):
    past = nr.actuals(ROOT / "nrrsim/data/meridian.csv", "2026-09", target=1.10)
    assert titles(deck)[1] == "NRR is 107.5%: up 1.4 points on Q2 2026 and 2.5 points short of the 110.0% target"  # fmt: skip
    assert past.now.nrr == pytest.approx(1.0747, abs=5e-5)
    assert "published for Q2 2026" in titles(deck)[3]
    assert not re.search(r"[\\*{}]|&#", "".join(titles(deck)))


def test_each_slide_has_foot_number_and_notes(deck, folder):
    fingerprint = json.loads((folder / "manifest.json").read_text())["numbers"]["ledger"][:16]
    for number, page in list(enumerate(deck.slides, start=1))[1:]:
        texts = [shape.text_frame.text for shape in page.placeholders if shape.has_text_frame]
        assert "Meridian Cloud · Unaudited. Prepared from the revenue ledger." in texts
        assert str(number) in texts
        notes = page.notes_slide.notes_text_frame.text
        if number < len(deck.slides):  # the last is of scenarios, not of the ledger
            assert fingerprint in notes
            assert "Definition: point to point" in notes
            assert "30 September 2026" in notes
        else:
            assert "seed 20260930" in notes


def test_text_fits_its_place(deck):
    """In our own font, eight hundredths wider, each text is inside the place that it stands in."""
    for page in list(deck.slides)[1:]:
        for shape in page.placeholders:
            index = shape.placeholder_format.idx
            if index not in (0, 1, 2) or not shape.has_text_frame:
                continue
            sizes = {run.font.size.pt for part in shape.text_frame.paragraphs for run in part.runs}
            assert len(sizes) == 1
            size, wide = sizes.pop(), shape.width / 12_700 - 14
            lines = sum(
                _wrapped(part.text, size, wide, bold=index == 0)
                for part in shape.text_frame.paragraphs
            )
            assert lines * size * 1.25 <= shape.height / 12_700
            assert index or lines <= TITLE_LINES


def test_what_is_shown_stays_on_the_slide_and_off_the_text(deck):
    for page in deck.slides:
        boxes = []
        for shape in page.shapes:
            box = (shape.left, shape.top, shape.left + shape.width, shape.top + shape.height)
            assert min(box) >= 0
            assert box[2] <= deck.slide_width
            assert box[3] <= deck.slide_height
            boxes.append(box)
        for a, b in itertools.combinations(boxes, 2):
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_a_screen_reader_gets_it_in_order(deck):
    for page in deck.slides:
        kinds = []
        for shape in page.shapes:
            named = next(shape._element.iter(f"{P}cNvPr"))
            if shape.has_chart or shape.has_table or shape.shape_type == 13:
                assert len(named.get("descr")) > 20
                kinds.append(1)
            elif shape == page.shapes.title:
                kinds.append(0)
            else:
                kinds.append(2)
        assert kinds == sorted(kinds)
        assert kinds[0] == 0


# --- the charts' numbers -------------------------------------------------------------------------


def test_the_sheet_behind_each_chart_holds_the_figures_own_frame(deck, folder):
    """To the bit: a number in the sheet is the same double as in the notebook's frame."""
    drawn = [each for each in figures(folder) if plot_of(each)]
    assert len(drawn) == len(charts_of(deck)) == 6
    for chart, numbers in zip(charts_of(deck), drawn, strict=True):
        rows = sheet_of(chart)
        first = rows[0].index(None, 1) + 1  # right of the empty column
        kept = [i for i, name in enumerate(numbers["columns"]) if name != "kind"]
        frame = [[row[i] for i in kept] for row in numbers["rows"]]
        assert [row[first:] for row in rows[1 : len(frame) + 1]] == frame


def test_what_is_drawn_is_what_stands_in_its_sheet(deck):
    for chart in charts_of(deck):
        rows = sheet_of(chart)
        heads = rows[0][1 : rows[0].index(None, 1)]
        series = [each for plot in chart.plots for each in plot.series]
        assert sorted(heads) == sorted(each.name for each in series)
        categories = list(chart.plots[0].categories)
        for each in series:
            column = heads.index(each.name) + 1
            in_sheet = [row[column] for row in rows[1 : len(categories) + 1]]
            assert list(each.values) == in_sheet
            reference = each._element.find(".//{*}val//{*}f").text
            letter = "ABCDEFGHIJ"[column]
            assert reference == f"Sheet1!${letter}$2:${letter}${len(categories) + 1}"


def test_the_charts_say_what_the_ledger_says(deck):
    """From the ledger anew, not from what the notebook left."""
    past = nr.actuals(ROOT / "nrrsim/data/meridian.csv", "2026-09", target=1.10)
    trend, bridge, _, segments, fan, _ = charts_of(deck)
    lines = {each.name: list(each.values) for plot in trend.plots for each in plot.series}
    assert lines["NRR"] == past.trend()["nrr"].tolist()
    assert lines["GRR"] == past.trend()["grr"].tolist()
    assert lines["Target 110.0%"] == [1.10] * 8
    bars = {each.name: list(each.values) for plot in bridge.plots for each in plot.series}
    level = [value for value in bars["Level"] if value is not None]
    assert level == [past.summary()["opening"], past.summary()["closing"]]
    rises, falls = (sum(filter(None, bars[name])) for name in ("Increase", "Decrease"))
    assert level[0] + rises - falls == pytest.approx(level[1], rel=1e-12)
    split = past.split("segment")
    parts = {each.name: list(each.values) for each in segments.plots[0].series}
    assert parts["NRR"] == split["nrr"].tolist()
    assert parts["GRR"] == split["grr"].tolist()
    ranges = {each.name: list(each.values) for plot in fan.plots for each in plot.series}
    assert ranges["Reported"][7] == pytest.approx(past.now.nrr, abs=1e-9)
    assert ranges["90% range"][:8] == [0.0] * 8
    assert all(width > 0 for width in ranges["90% range"][8:])


@given(st.lists(st.floats(-5e6, 8e6, allow_subnormal=False), min_size=1, max_size=9))
@settings(deadline=None)
def test_a_waterfall_of_columns_reaches_each_level(amounts):
    """Each step's bar lies between the level before it and after, whatever the steps are."""
    rows, level = [["Opening", "total", 4e7, 0.0, 4e7]], 4e7
    for number, amount in enumerate(amounts):
        kind = "gain" if amount > 0 else "loss"
        rows.append([f"Step {number}", kind, amount, level, level + amount])
        level += amount
    rows.append(["Closing", "total", level, 0.0, level])
    numbers = {"chart": "bridge", "columns": ["step", "kind", "amount", "start", "end"], "rows": rows, "currency": "USD"}  # fmt: skip
    plot = plot_of(numbers)
    drawn = {each.name: each.values for each in plot.series}
    for place, (_, kind, amount, start, end) in enumerate(rows):
        below = drawn.get("Level below (not drawn)", [None] * len(rows))[place]
        if kind == "total":
            assert drawn["Level"][place] == end
            continue
        bar = drawn["Increase" if amount > 0 else "Decrease"][place] if amount else None
        assert bar == (abs(amount) or None)
        assert below == min(start, end)
        assert below + (bar or 0.0) == pytest.approx(max(start, end), rel=1e-12)
        assert plot.low <= below <= plot.high
        assert plot.low <= max(start, end) <= plot.high


def test_what_powerpoint_cannot_draw_stays_a_picture():
    frame = nr.concentration(nr.actuals(ROOT / "nrrsim/data/meridian.csv", "2026-09"))
    assert plot_of({"chart": "concentration", "columns": list(frame), "rows": [[1]]}) is None
    assert plot_of(None) is None
    several = [["a", "now", 1.0, 0.9, 1.1], ["b", "now", 1.0, 0.8, 1.2]]
    columns = ["name", "period", "middle", "low", "high"]
    assert plot_of({"chart": "fan", "columns": columns, "rows": several, "currency": None}) is None


# --- the package ---------------------------------------------------------------------------------


def parts_of(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len(set(archive.namelist()))
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("name", ["report.pptx", "report.docx"])
def test_the_package_is_whole(folder, name):
    """Each part has its kind, each relation its target, each relation that is asked for is there."""
    parts = parts_of(folder / name)
    kinds = etree.fromstring(parts["[Content_Types].xml"])
    named = {each.get("PartName", "").lstrip("/") for each in kinds}
    endings = {each.get("Extension") for each in kinds}
    for part in parts.keys() - {"[Content_Types].xml"}:
        assert part in named or part.rpartition(".")[2] in endings, part
    assert not {each for each in named if each} - parts.keys()
    reached = {"[Content_Types].xml"}
    for part, content in parts.items():
        if not part.endswith(".rels"):
            continue
        home = PurePosixPath(part).parent.parent
        source = str(home / PurePosixPath(part).stem)
        ids = set()
        for relation in etree.fromstring(content):
            assert relation.get("Id") not in ids
            ids.add(relation.get("Id"))
            assert relation.get("TargetMode") != "External"
            target = os.path.normpath(home / relation.get("Target").lstrip("/")) if not relation.get("Target").startswith("/") else relation.get("Target").lstrip("/")  # fmt: skip
            assert target in parts, (part, target)
            reached |= {target, part}
        if source in parts:
            asked = set(re.findall(rb'r:(?:id|embed|link)="([^"]+)"', parts[source]))
            assert {each.decode() for each in asked} <= ids, source
    stray = {"word/_rels/footnotes.xml.rels"}  # pandoc's own, which says nothing
    assert parts.keys() - reached <= stray
    for part, content in parts.items():
        if part.endswith((".xml", ".rels")):
            etree.fromstring(content)


def test_no_two_shapes_of_a_slide_are_called_alike(deck):
    for page in deck.slides:
        named = [each for each in page._element.iter(f"{P}cNvPr")]
        assert len({each.get("id") for each in named}) == len(named)
        names = [each.get("name") for each in named if each.get("name")]
        assert len(set(names)) == len(names)


CHART_ORDER = ["tx", "spPr", "invertIfNegative", "marker", "dLbls", "cat", "val", "smooth"]


def test_a_charts_parts_stand_in_the_order_that_the_standard_asks_for(deck):
    for chart in charts_of(deck):
        area = chart._chartSpace.chart.plotArea
        kinds = [etree.QName(each).localname for each in area]
        order = ["layout", "areaChart", "barChart", "lineChart", "catAx", "valAx"]
        assert [order.index(kind) for kind in kinds] == sorted(order.index(kind) for kind in kinds)
        axes = {each.get("val") for each in area.iterfind("{*}*/{*}axId")}
        assert len(axes) == 2
        index = [each.get("val") for each in area.iter("{*}ser") for each in each.findall("{*}idx")]
        assert len(set(index)) == len(index)
        for series in area.iter("{*}ser"):
            kinds = [etree.QName(each).localname for each in series][2:]
            assert kinds == sorted(kinds, key=CHART_ORDER.index)


def test_the_same_notebook_gives_the_same_bytes(folder, tmp_path):
    for number in (1, 2):
        made = render(folder / "report.ipynb", tmp_path / str(number), to=["pptx", "docx"], engine="embedded", style=STYLE, timestamp=TIMESTAMP)  # fmt: skip
    for name in ("report.pptx", "report.docx"):
        first, second = ((tmp_path / str(n) / name).read_bytes() for n in (1, 2))
        assert first == second
        assert b"2026-10-29T00:00:00Z" in parts_of(made[name[-4:]])["docProps/core.xml"]
    for chart in charts_of(Presentation(tmp_path / "1" / "report.pptx")):
        inner = tmp_path / "inner.xlsx"
        inner.write_bytes(chart.part.chart_workbook.xlsx_part.blob)
        assert b"2026-10-29T00:00:00Z" in parts_of(inner)["docProps/core.xml"]


def test_verify_covers_both(folder, tmp_path):
    assert any("report.pptx: intact" in line for line in verify(folder))
    assert any("report.docx: intact" in line for line in verify(folder))
    file = folder / "report.pptx"
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:-1] + b"!")
        with pytest.raises(VerifyError, match=r"report\.pptx: was changed"):
            verify(folder)
    finally:
        file.write_bytes(whole)
    made_by = json.loads((folder / "manifest.json").read_text())["rendered_by"]
    assert {"engine", "pandoc", "python-pptx"} == made_by.keys()


# --- a company's own look ------------------------------------------------------------------------


def own_reference(path, without=()):
    there = Presentation()  # python-pptx's: 4:3, Calibri
    for layout in there.slide_layouts:
        if layout.name in without:
            layout._element.cSld.set("name", f"Our {layout.name}")
    there.save(path)
    return path


def test_a_companys_own_deck_is_the_deck_s_look(folder, tmp_path):
    own = own_reference(tmp_path / "brand.pptx")
    how = {"engine": "embedded", "style": STYLE, "timestamp": TIMESTAMP}
    made = render(folder / "report.ipynb", tmp_path, to=["pptx"], references={"pptx": own}, **how)
    there = Presentation(made["pptx"])
    test_text_fits_its_place(there)
    test_what_is_shown_stays_on_the_slide_and_off_the_text(there)
    test_a_screen_reader_gets_it_in_order(there)
    assert (there.slide_width, there.slide_height) == (9_144_000, 6_858_000)
    assert titles(there) == titles(Presentation(folder / "report.pptx"))


def test_a_reference_that_cannot_be_used_is_refused_before_anything_runs(tmp_path):
    card = tmp_path / "board.yaml"

    def refused(name):
        card.write_text(CARD.format(root=ROOT) + f"reference_doc: {name}\n")
        with pytest.raises(UsageError) as error:
            run_card(card, to=("pptx",), out=tmp_path / "out")
        return str(error.value)

    assert "board.yaml:9: reference_doc: look.key is no .pptx or .docx" in refused("look.key")
    assert "is saved as one of them first" in refused("look.potx")
    assert "there is no file none.pptx" in refused("none.pptx")
    (tmp_path / "text.pptx").write_text("no package")
    assert "text.pptx is no PowerPoint file" in refused("text.pptx")
    own_reference(tmp_path / "few.pptx", without=("Content with Caption", "Title Slide"))
    assert "few.pptx has no layout called Title Slide, Content with Caption" in refused("few.pptx")
    assert not (tmp_path / "out").exists()
    assert check_reference(own_reference(tmp_path / "all.pptx"), "all.pptx") == "pptx"
    assert check_reference(reference_of(STYLE, "docx"), "house.docx") == "docx"


def test_a_flowing_report_makes_no_slides(tmp_path):
    with pytest.raises(UsageError, match=r"flows over pages.*notebook: board_deck"):
        run_card(ROOT / "params" / "2026Q3.yaml", to=("pptx",), out=tmp_path)


def test_the_house_s_references_are_what_their_script_makes():
    assert (ROOT / FOLDER / "house.pptx").read_bytes() == slides()
    assert (ROOT / FOLDER / "house.docx").read_bytes() == word()


# --- what has no room ----------------------------------------------------------------------------


def made_of(*markdown):
    """A deck of Markdown alone, through pandoc and what comes after it."""
    from nrrsim.report.pages.notebook import Cell
    from nrrsim.report.pages.slides import deck

    cells = [Cell("cell", text, {}) for text in markdown]
    meta = {"title": "T", "lang": "en", "company": "C", "confidentiality": "For the board"}
    return Presentation(io.BytesIO(deck(meta, cells, reference_of(STYLE, "pptx"), 0, None)))


def test_what_is_too_long_is_made_small_then_cut_and_whole_in_the_notes():
    long = "Retention of customers " * 12
    there = made_of(f"## {long}\n\n{long * 9}", "## Short 1\n\nOne line.")
    first, second = list(there.slides)[1:]
    assert first.shapes.title.text_frame.text.endswith("…")
    assert " ".join(long.split()) in " ".join(first.notes_slide.notes_text_frame.text.split())
    assert second.shapes.title.text_frame.text == "Short 1"
    sizes = [p.shapes.title.text_frame.paragraphs[0].runs[0].font.size.pt for p in (first, second)]
    assert sizes[0] < sizes[1]


def test_bars_of_many_segments_can_be_read_and_a_negative_one_is_seen():
    from nrrsim.report.pages.native import segment_bars

    def plot(n, grr=0.8):
        rows = [[f"Segment {each}", 1.1, grr, 1.05] for each in range(n)]
        return segment_bars({"columns": ["segment", "nrr", "grr", "nrr_before"], "rows": rows})

    assert [each.labels for each in plot(3).series] == ["end", "end", "end"]
    assert [each.labels for each in plot(12).series] == ["end", "", ""]
    assert plot(3).low == 0.0
    # a flow GRR counts losses after a return, too
    assert plot(3, -0.35).low < -0.35
    assert (plot(3, 40.0).high - plot(3, 40.0).low) / plot(3, 40.0).step < 12


def test_names_stay_names(tmp_path):
    """In a heading, a table, a chart and its sheet; none is a formula, markup or a shortcode."""
    from nrrsim.report.pages.notebook import Cell
    from nrrsim.report.pages.slides import deck

    def cell(data, **options):
        shown = nbformat.v4.new_output("display_data", data)
        return Cell("cell", "", {"echo": False, **options}, [shown])

    heading = " and ".join(map(escape_markdown, HOSTILE[:2]))
    rows = [[name, 1.1, 0.9, None] for name in HOSTILE]
    figure = {"chart": "segment_bars", "columns": ["segment", "nrr", "grr", "nrr_before"], "rows": rows, "currency": None}  # fmt: skip
    table = tables.table(pd.DataFrame({"a": HOSTILE}), {"a": "text"}, {"a": "Name"})
    cells = [
        cell({"text/markdown": f"## {heading}"}),
        cell({"image/png": PIXEL, FIGURE: figure}, **{"fig-alt": "Bars"}),
        cell({"text/markdown": "## Table 1"}),
        cell(dict(table.bundle), **{"tbl-cap": "Names"}),
    ]
    meta = {"title": "T", "lang": "en", "company": HOSTILE[0]}
    made = deck(meta, cells, reference_of(STYLE, "pptx"), 0, None)
    there = Presentation(io.BytesIO(made))
    assert titles(there)[1] == " and ".join(HOSTILE[:2])
    (chart,) = charts_of(there)
    assert list(chart.plots[0].categories) == HOSTILE
    book = load_workbook(io.BytesIO(chart.part.chart_workbook.xlsx_part.blob))
    assert all(each.data_type != "f" for row in book.active for each in row)
    assert [row[0] for row in sheet_of(chart)[1:]] == HOSTILE
    (found,) = (shape.table for shape in there.slides[2].shapes if shape.has_table)
    assert [row.cells[0].text_frame.text for row in found.rows] == ["Name", *HOSTILE]


def test_a_table_of_long_texts_stays_above_the_lines():
    from nrrsim.report.pages.notebook import Cell
    from nrrsim.report.pages.slides import deck

    long = "a customer with a name that does not end " * 30
    frame = pd.DataFrame({"a": [f"{n} {long}" for n in range(7)], "b": [1.5] * 7})
    table = tables.table(frame, {"a": "text", "b": "percent"}, {"a": "Name", "b": "NRR"})
    outputs = [
        nbformat.v4.new_output("display_data", data)
        for data in ({"text/markdown": "## Seven 7\n\nA line."}, dict(table.bundle))
    ]
    cells = [Cell("cell", "", {"echo": False, "tbl-cap": "Long names"}, outputs)]
    meta = {"title": "T", "lang": "en"}
    made = deck(meta, cells, reference_of(STYLE, "pptx"), 0, None)
    page = Presentation(io.BytesIO(made)).slides[1]
    (shape,) = (each for each in page.shapes if each.has_table)
    place = next(p for p in page.slide_layout.placeholders if p.placeholder_format.idx == 1)
    assert shape.top + shape.height <= place.top + place.height
    assert shape.table.cell(1, 0).text_frame.text.endswith("…")
    assert shape.table.cell(1, 1).text_frame.text == "150.0%"
    assert " ".join(long.split()) in page.notes_slide.notes_text_frame.text


def test_a_slide_shows_one_thing_and_a_deck_is_short():
    def shows(*outputs):
        cell = type("Cell", (), {"outputs": outputs, "options": {}, "name": "cell 3", "source": ""})
        return [cell]

    picture = nbformat.v4.new_output("display_data", {"image/png": "iVBORw0KGgo="})
    heading = nbformat.v4.new_output("display_data", {"text/markdown": "## One 1"})
    with pytest.raises(RenderError, match="shows 2 pictures and tables; one at most"):
        slides_of(shows(heading, picture, picture))
    with pytest.raises(RenderError, match="stands before the first slide's heading"):
        slides_of(shows(picture))
    with pytest.raises(RenderError, match="9 slides with the title; 8 at most"):
        slides_of(shows(*[heading] * 8))
    rows = nbformat.v4.new_output("display_data", {"text/html": "<table></table>", CELLS: {"rows": [[1]] * 8}})  # fmt: skip
    with pytest.raises(RenderError, match="8 rows on a slide; 7 at most"):
        slides_of(shows(heading, rows))
    with pytest.raises(RenderError, match=r"'Hello' stands before the first slide's heading"):
        slides_of([type("Cell", (), {"outputs": None, "source": "Hello"})])
    with pytest.raises(RenderError, match="no slide"):
        slides_of([])


# --- Quarto, of which only the call is here ------------------------------------------------------

FAKE = f"""#!{sys.executable}
import json, os, pathlib, re, subprocess, sys
if sys.argv[1:] == ["--version"]:
    print("1.9.2")
    sys.exit()
here, to = pathlib.Path.cwd(), sys.argv[-1]
book = json.loads((here / "report.ipynb").read_text())
cells = ["".join(cell["source"]) for cell in book["cells"]]
pathlib.Path(os.environ["FAKE_RECORD"]).write_text(json.dumps(
    {{"argv": sys.argv[1:], "cells": cells, "files": sorted(p.name for p in here.iterdir()),
      "epoch": os.environ["SOURCE_DATE_EPOCH"]}}))
subprocess.run([os.environ["FAKE_PANDOC"], "-f", "markdown", "-t", to, "-o", f"report.{{to}}",
    "--slide-level=2", f"--reference-doc=reference.{{to}}"], input="\\n\\n".join(cells), text=True, check=True)
"""


@pytest.mark.parametrize("to", ["pptx", "docx"])
def test_quarto_is_given_the_same_markdown_and_the_reference(to, folder, tmp_path, monkeypatch):
    """No Quarto runs here: a stand-in records how it was called, and lets pandoc make the file."""
    fake = tmp_path / "quarto"
    fake.write_text(FAKE)
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("FAKE_RECORD", str(tmp_path / "seen.json"))
    monkeypatch.setenv("FAKE_PANDOC", str(pypandoc.get_pandoc_path()))
    made = render(folder / "report.ipynb", tmp_path, to=[to], engine="quarto", style=STYLE, timestamp=TIMESTAMP)  # fmt: skip
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["argv"] == ["render", "report.ipynb", "--to", to]
    assert seen["files"] == [f"reference.{to}", "report.ipynb"]
    assert f"reference-doc: reference.{to}" in seen["cells"][0]
    assert "title: Net Revenue Retention" in seen["cells"][0]
    assert seen["epoch"] == str(TIMESTAMP)
    if to == "pptx":
        there, ours = Presentation(made["pptx"]), Presentation(folder / "report.pptx")
        assert titles(there) == titles(ours)
        assert [sheet_of(each) for each in charts_of(there)] == [sheet_of(each) for each in charts_of(ours)]  # fmt: skip


# --- Word ----------------------------------------------------------------------------------------

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def test_word_has_tables_pictures_and_no_markup(folder):
    parts = parts_of(folder / "report.docx")
    body = etree.fromstring(parts["word/document.xml"])
    text = "\n".join("".join(p.itertext(f"{W}t")) for p in body.iter(f"{W}p"))
    assert len(list(body.iter(f"{W}tbl"))) == 1
    pictures = [each.get("descr") for each in body.iter("{*}docPr")]
    assert len(pictures) == 6
    assert all(len(each or "") > 20 for each in pictures)
    assert "Figure\u00a01 Net and gross revenue retention" in text
    assert "NRR is 107.5%: up 1.4\u00a0points" in text
    assert not re.search(r":::|\{=|\\\$|<span|#report-table|\*\*|!\[", text)
    assert "Meridian Cloud · Unaudited." in parts["word/footer1.xml"].decode()
    assert "Definition: point to point" not in text  # what a speaker is told


def test_word_numbers_refers_and_boxes(tmp_path):
    from test_render import SAMPLE, write

    notebook = write(tmp_path, *SAMPLE)
    made = render(notebook, tmp_path / "out", to=["docx"], engine="embedded", style=STYLE, timestamp=0)  # fmt: skip
    body = etree.fromstring(parts_of(made["docx"])["word/document.xml"])
    marks = {each.get(f"{W}name") for each in body.iter(f"{W}bookmarkStart")}
    asked = {each.get(f"{W}anchor") for each in body.iter(f"{W}hyperlink")} - {None}
    assert {"fig-bridge", "tbl-segments", "eq-nrr"} <= asked <= marks
    text = "".join(body.itertext(f"{W}t", "{*}t"))
    assert "Figure\u00a01" in text
    assert "Table\u00a01" in text
    assert not re.search(r":::|\{=|#report-table|#kpi|\{#", text)


def test_the_options_of_a_chart_that_stand_in_it_are_kept_with_its_numbers():
    past = nr.actuals(ROOT / "nrrsim/data/meridian.csv", "2026-09", target=1.10)
    frame = past.trend().rename(columns={"month": "period"})
    from nrrsim.report.charts.retention import trend

    said = style._numbers(trend.__wrapped__, frame[["period", "nrr", "grr"]], target=1.10)
    assert said["said"] == {"target": 1.10}
