"""The page as a file: what is in it for each width, what it saves, what it weighs, what it never runs."""

from __future__ import annotations

import base64
import csv
import io
import re
import zlib
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from conftest import HOSTILE, ROOT

from nrrsim.report import charts, tables
from nrrsim.report.charts import style
from nrrsim.report.pages.downloads import csv_of, smaller_png
from nrrsim.report.pages.html import html_page
from nrrsim.report.pages.notebook import Cell

TREND = pd.DataFrame(
    {
        "period": ["Q1 2026", "Q2 2026", "Q3 2026"],
        "nrr": [1.01, 1.0625, None],
        "grr": [0.9, 0.91, 0.92],
    }
)
MOVERS = pd.DataFrame({"customer": ["Acme", *HOSTILE], "arr": 1_234_567.89, "nrr": 1 / 3})
META = {"title": "Net Revenue Retention", "lang": "en"}


def shown(printed: Any) -> Any:
    bundle = printed._repr_mimebundle_()
    bundle = bundle[0] if isinstance(bundle, tuple) else bundle
    return nbformat.v4.new_output("display_data", data=bundle)


@pytest.fixture(scope="module")
def outputs() -> Iterator[dict[str, Any]]:
    import altair as alt

    before = alt.renderers.active, alt.theme.active
    charts.enable()
    formats = {"customer": "text", "arr": "money", "nrr": "percent"}
    yield {
        "fig-trend": shown(charts.trend(TREND)),
        "fig-again": shown(charts.trend(TREND)),
        "tbl-movers": shown(tables.table(MOVERS, formats, {"arr": "ARR"}, [0], "EUR")),
    }
    alt.renderers.enable(before[0])
    alt.theme.enable(before[1])


@pytest.fixture(scope="module")
def page(outputs: dict[str, Any]) -> str:
    cells = [Cell("one", "# The bottom line\n\n## Where", {})]
    for label, output in outputs.items():
        options = {"label": label, f"{label[:3]}-cap": f"What {label} is", "fig-alt": "NRR rose"}
        cells.append(Cell(label, "", {**options, "echo": False}, [output]))
    unlabelled = Cell("t", "", {"echo": False}, [outputs["tbl-movers"]])
    return html_page(META, [*cells, unlabelled], ROOT / "reports").decode()


def saved(page: str) -> dict[str, bytes]:
    """What each link of the page saves, by the name of its file; nothing else is an address of data."""
    found = re.findall(
        r'<a download="([^"]+)" aria-label="[^"]+" href="data:([a-z/]+);base64,([^"]+)"', page
    )
    assert len(found) == len(re.findall(r'href="data:', page))
    assert {kind for _, kind, _ in found} == {"text/csv", "image/png"}
    return {file: base64.b64decode(data) for file, _, data in found}


def rows_of(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf"), "the mark by which Excel knows UTF-8"
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def pixels(png: bytes) -> bytes:
    parts, at = b"", 8
    while at < len(png):
        size, kind = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        content = png[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + content) == int.from_bytes(
            png[at + 8 + size : at + 12 + size], "big"
        )
        parts += content if kind == b"IDAT" else b""
        at += 12 + size
    return zlib.decompress(parts)


def test_each_picture_is_there_for_a_wide_and_for_a_narrow_screen(page: str) -> None:
    pictures = re.findall(
        r'<div class="chart (\w+)"><svg role="img" aria-label="NRR rose".*?viewBox="0 0 (\d+)', page
    )
    assert [kind for kind, _ in pictures] == ["wide", "narrow"] * 2
    assert {kind: int(wide) <= style.NARROW + 6 for kind, wide in pictures} == {
        "wide": False,
        "narrow": True,
    }
    assert not re.search(r'<g[^>]* (role|aria-[a-z]+)="', page), "one picture, one text"
    assert len(re.findall(r"\.chart\.(?:narrow|wide)[ ,].*display: none", page)) >= 2


def test_contents_stand_beside_and_above_and_no_id_twice(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    navs = re.findall(r"<nav.*?</nav>", page, re.S)
    assert [re.findall(r'href="#([\w-]+)"', nav) for nav in navs] == [
        ["the-bottom-line", "where"]
    ] * 2
    assert re.search(r'<details class="contents narrow">\s*<summary>Contents', page)


def test_tables_have_row_headers_a_box_that_scrolls_and_the_pages_own_style(page: str) -> None:
    assert len(re.findall(r'<tr>\s*<th [^>]*scope="row"', page)) == 2 * len(MOVERS)
    boxes = re.findall(
        r'<div class="scroll" role="group" tabindex="0" aria-label="Table[ 1]*">', page
    )
    assert len(boxes) == 2
    assert page.count("<style>") == 1


def test_what_the_links_save_is_what_is_drawn_and_printed(
    page: str, outputs: dict[str, Any]
) -> None:
    files = saved(page)
    assert list(files) == [
        "trend-chart.csv",
        "trend-chart.png",
        "again-chart.csv",
        "again-chart.png",
        "movers-table.csv",
        "data-4.csv",
    ]
    assert rows_of(files["trend-chart.csv"]) == [
        ["Period", "NRR (ratio)", "GRR (ratio)"], ["Q1 2026", "1.01", "0.9"], ["Q2 2026", "1.0625", "0.91"], ["Q3 2026", "", "0.92"],
    ]  # fmt: skip
    drawn = base64.b64decode(outputs["fig-trend"].data["image/png"])
    assert pixels(files["trend-chart.png"]) == pixels(drawn)
    assert len(files["trend-chart.png"]) < 0.7 * len(drawn)
    head, *rows = rows_of(files["movers-table.csv"])
    assert head == ["customer", "ARR (EUR)", "nrr (ratio)"]
    assert [row[1:] for row in rows] == [["1234567.89", "0.333333333333333"]] * len(MOVERS)


@pytest.mark.usefixtures("outputs")
def test_a_charts_amounts_have_their_currency_and_each_file_a_name_of_its_own() -> None:
    steps = pd.DataFrame(
        [("Opening", "total", 5.0, 0.0, 5.0), ("Closing", "total", 5.0, 0.0, 5.0)],
        columns=["step", "kind", "amount", "start", "end"],
    )
    both = {"fig": charts.bridge(steps, "EUR"), "tbl": tables.table(steps, {"step": "text"})}
    cells = [
        Cell(kind, "", {"label": f"{kind}-one", "fig-alt": "A", "echo": False}, [shown(it)])
        for kind, it in both.items()
    ]
    files = saved(html_page(META, cells, ROOT / "reports").decode())
    assert list(files) == ["one-chart.csv", "one-chart.png", "one-table.csv"]
    head, *_ = rows_of(files["one-chart.csv"])
    assert head == ["Movement", "Kind", "Amount (EUR)", "From (EUR)", "To (EUR)"]


def test_no_text_of_a_ledger_becomes_a_formula(page: str) -> None:
    _, *rows = rows_of(saved(page)["movers-table.csv"])
    names = [row[0] for row in rows]
    assert [name.removeprefix("'") for name in names] == MOVERS["customer"].tolist()
    assert not any(name.startswith(("=", "+", "-", "@", "\t")) for name in names)


@pytest.mark.parametrize("value", [-5, -0.25, 12345678901.23])
def test_a_number_stays_what_it_is(value: float) -> None:
    assert rows_of(csv_of({"heads": ["Change"], "rows": [[value]]}))[1] == [str(value)]


def test_the_page_at_most_doubles(page: str) -> None:
    """By pictures for narrow screens, and all that can be saved."""
    added = re.findall(r'href="data:[^"]+"', page) + re.findall(
        r'<div class="chart narrow">.*?</div>', page
    )
    assert sum(map(len, added)) < 0.5 * len(page)


def test_a_picture_that_is_none_of_ours_stands_once(tmp_path: Path) -> None:
    svg = '<svg viewBox="0 0 9 9"><text>"quoted" role="x"</text></svg>'
    output = nbformat.v4.new_output("display_data", data={"image/svg+xml": svg})
    cell = Cell("one", "", {"label": "fig-x", "fig-alt": 'A "picture"', "echo": False}, [output])
    page = html_page(META, [cell], ROOT / "reports").decode()
    found = re.findall(r'<div class="chart ">(<svg role="img" aria-label="([^"]*)".*?</svg>)', page)
    assert [unescape(alt) for _, alt in found] == ['A "picture"']
    assert '"quoted" role="x"' in found[0][0], "what is text stays"
    assert "download=" not in page


@pytest.mark.parametrize(
    "active", ["<script>x</script>", '<img src="a.png">', '<p onclick="x">', "<iframe></iframe>"]
)
def test_what_runs_or_fetches_is_refused_also_in_a_picture(active: str) -> None:
    from nrrsim.errors import RenderError

    svg = f'<svg viewBox="0 0 9 9">{active}</svg>'
    output = nbformat.v4.new_output("display_data", data={"image/svg+xml": svg})
    with pytest.raises(RenderError, match="would run or fetch something"):
        html_page(META, [Cell("one", "", {"fig-alt": "x"}, [output])], ROOT / "reports")


def test_a_png_in_several_parts_is_packed_as_one() -> None:
    import vl_convert

    drawn = vl_convert.svg_to_png(
        '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200"><rect width="99" height="9"/></svg>'
    )
    packed = smaller_png(base64.b64encode(drawn).decode())
    assert packed.count(b"IDAT") == 1
    assert pixels(packed) == pixels(drawn)


def test_a_chart_is_drawn_twice_only_where_somebody_shows_both() -> None:
    import altair as alt

    with alt.renderers.enable("default"):
        assert "usermeta" not in charts.trend(TREND).to_dict()
    charts.enable()
    assert charts.trend(TREND).to_dict()["usermeta"]["narrow"]
    alt.renderers.enable("default")
