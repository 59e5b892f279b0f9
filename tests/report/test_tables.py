"""Tables and cards in all their forms: nothing lost, nothing evaluated, nothing mutated."""

from __future__ import annotations

import re
from decimal import Decimal
from html import unescape
from typing import Any

import numpy as np
import pandas as pd
import pypandoc
import pytest
import typst

from nrrsim.notation import MINUS, typst_string
from nrrsim.report import tables

FORMS = ("text/html", "text/markdown", "text/plain")

TEMPLATE = """
#let report-table(columns: auto, emphasis: (), ..args) = table(columns: columns, ..args)
#let kpi-row(..items) = grid(columns: items.pos().len(), ..items.pos().map(((a, b, c)) => [#a #b #c]))
"""
HOSTILE = [
    "<script>alert(1)</script>",
    "*a*_b_$c$@d",
    "{{< pagebreak >}} {{x}}",
    "``` `x` ~~~",
    '") #panic("x") //',
    "\\u{41} [#text(red)[x]]",
    "a & b &lt; c",
    "日本語株式会社",
]


def html(printed: tables.Printed) -> str:
    return str(printed._repr_mimebundle_()["text/html"])


def raw(printed: tables.Printed) -> str:
    """The Typst of a printed thing, as pandoc finds it in its Markdown."""
    markdown = printed._repr_mimebundle_()["text/markdown"]
    document = pypandoc.convert_text(markdown, "json", "markdown")
    assert document.count('"t":"RawBlock"') == document.count('"t":') == 1
    return str(re.sub(r"\A```\{=typst\}\n|\n```\Z", "", markdown))


def compiles(text: str) -> bool:
    return bool(typst.compile((TEMPLATE + text).encode(), format="pdf"))


@pytest.fixture
def frame() -> pd.DataFrame:
    data = {
        "name": ["SMB", None, "Total"],
        "arr": [1_234_567.0, -2.5e6, None],
        "nrr": [1.053, float("nan"), 0.9],
        "change": [0.021, 0.0, -0.004],
        "customers": [1200, 3, 1203],
        "holds": [True, False, True],
    }
    return pd.DataFrame(data, index=[7, 8, 9])


FORMATS = {
    "name": "text",
    "arr": "money",
    "nrr": "percent",
    "change": "points",
    "customers": "count",
    "holds": "text",
}


def test_each_form_says_the_same(frame: pd.DataFrame) -> None:
    printed = tables.table(
        frame,
        FORMATS,
        {"name": "Segment", "arr": "ARR"},
        total=[-1],
        currency="EUR",
        note="In euros",
    )
    bundle = printed._repr_mimebundle_()
    assert list(bundle) == [*FORMS, tables.CELLS]
    assert [len(row) for row in bundle[tables.CELLS]["rows"]] == [len(FORMATS)] * len(frame)
    assert bundle["text/plain"].splitlines() == [
        "Segment      ARR     nrr    change  customers  holds",
        "SMB       €1.23M  105.3%  +2.1 pts      1,200  yes",
        "n/a      −€2.50M     n/a   0.0 pts          3  no",
        "Total        n/a   90.0%  −0.4 pts      1,203  yes",
        "In euros",
    ]
    cells = re.findall(r"<t[dh] [^>]*>(.*?)</t[dh]>", html(printed))
    assert cells[6:9] == ["SMB", "€1.23M", "105.3%"]
    assert len(cells) == 4 * 6 + 1
    assert [html(printed).count(f'scope="{side}"') for side in ("col", "row")] == [6, 3]
    assert '"Total", "n/a", "90.0%", "−0.4 pts", "1,203", "yes",' in raw(printed)
    assert "align: (left, right, right, right, right, left,), emphasis: (3,)," in raw(printed)
    assert compiles(raw(printed))


def test_numbers_stand_right_and_totals_are_bold(frame: pd.DataFrame) -> None:
    shown = html(
        tables.table(frame, {"name": "text", "arr": "money"}, total=frame["name"] == "Total")
    )
    rows = re.findall(r"<tr>.*?</tr>", shown, re.S)
    assert [row.count("font-weight: bold") for row in rows] == [0, 0, 2]
    assert all(re.search(r'text-align: left.*gt_left">.*gt_right">', row, re.S) for row in rows)


def test_columns_are_those_with_a_format_in_that_order(frame: pd.DataFrame) -> None:
    plain = tables.table(frame, {"customers": "count", "name": "text"})._repr_mimebundle_()[
        "text/plain"
    ]
    assert plain.splitlines()[0] == "customers  name"


def test_nothing_is_mutated(frame: pd.DataFrame) -> None:
    before, formats, labels, total = frame.copy(deep=True), dict(FORMATS), {"name": "Name"}, [0, -1]
    tables.table(frame, formats, labels, total)
    pd.testing.assert_frame_equal(frame, before)
    assert (formats, labels, total) == (FORMATS, {"name": "Name"}, [0, -1])


def test_the_same_table_is_the_same_bytes(frame: pd.DataFrame) -> None:
    once, again = (tables.table(frame, FORMATS)._repr_mimebundle_() for _ in range(2))
    assert once == again


def test_every_row_of_a_long_table_is_there() -> None:
    long = pd.DataFrame(
        {
            "customer": [f"Customer {i:03d}" for i in range(120)],
            "arr": [Decimal(i) / 100 for i in range(120)],
        }
    )
    printed = tables.table(long, {"customer": "text", "arr": "money_exact"})
    for form in (printed.bundle[mime] for mime in FORMS):
        assert re.findall(r"Customer (\d{3})", form) == [f"{i:03d}" for i in range(120)]
    assert "#block" not in raw(printed)
    pages = typst.compile(
        (TEMPLATE + "#set page(height: 15cm)\n" + raw(printed)).encode(), format="png"
    )
    assert isinstance(pages, list)
    assert len(pages) > 3


def test_two_amounts_in_a_cell_are_no_formula() -> None:
    """As JupyterLab reads it: between two dollars of one text, and not across a tag."""
    texts = ["$10K to $50K", "+$1 (−$2 to $3)", "$5"]
    page = html(tables.table(pd.DataFrame({"band": texts}), {"band": "text"}))
    for text in re.findall(">([^<>]*)<", page):
        assert text.count("$") < 2
    shown = re.sub("<[^>]*>", "", page)
    assert all(text in shown for text in texts)


def test_an_empty_frame_says_so(frame: pd.DataFrame) -> None:
    printed = tables.table(frame.head(0), FORMATS, {"name": "Segment"}, total=[0, -1])
    for form in (printed.bundle[mime] for mime in FORMS):
        assert "No rows" in form
        assert "Segment" in form
    assert compiles(raw(printed))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_only_text(text: str) -> None:
    printed = tables.table(
        pd.DataFrame({text: [text], "n": [1]}),
        {text: "text", "n": "count"},
        {text: text},
        note=text,
    )
    shown = html(printed)
    table = shown[shown.index("<table") :]
    headers = [unescape(found) for found in re.findall(r"<th[^>]*>(.*?)</th>", table)]
    assert headers == [text, "n", text]
    assert unescape(re.findall(r"<td[^>]*>(.*?)</td>", table)[0]) == "1"
    assert unescape(re.findall(r'class="gt_from_md">(.*?)</span>', table)[0]) == text
    assert "<script" not in shown
    assert raw(printed).count(typst_string(text)) == 3
    assert compiles(raw(printed))
    cards = tables.key_figures([(text, text, text)])
    assert [
        unescape(found) for found in re.findall(r"<d[td] [^>]*>(.*?)</d[td]>", html(cards))
    ] == [text] * 3
    assert raw(cards).count(typst_string(text)) == 3
    assert compiles(raw(cards))
    box = tables.callout("warning", text, "Fine.")._repr_mimebundle_()["text/markdown"]
    plain = pypandoc.convert_text(box, "plain", "markdown", extra_args=["--wrap=none"])
    assert plain.split() == [*text.split(), "Fine."]


def test_cards() -> None:
    printed = tables.key_figures([("NRR", "105.3%", "+2.1 pts"), ("ARR", "$1.23M", "")])
    bundle = printed._repr_mimebundle_()
    assert bundle["text/plain"] == "NRR: 105.3% (+2.1 pts)\nARR: $1.23M"
    assert html(printed).count("<dt ") == 2
    assert raw(printed).startswith('#kpi-row(("NRR", "105.3%", "+2.1 pts"), ("ARR"')
    assert compiles(raw(printed))
    assert compiles(raw(tables.key_figures([("NRR", "105.3%", "")])))


@pytest.mark.parametrize(
    ("comparison", "colour"),
    [
        ("+2.1 pts vs Q2 2026", tables.TEAL),
        (f"{MINUS}2.1 pts vs Q2 2026", tables.BRICK),
        ("0.0 pts vs Q2 2026", tables.GREY),
        ("target 110.0%", tables.GREY),
        ("", tables.GREY),
    ],
)
def test_a_fall_does_not_look_good(comparison, colour):
    page = html(tables.key_figures([("NRR", "105.3%", comparison)]))
    assert re.findall(r"<dd class[^>]*color:(#\w+)", page) == [colour]


@pytest.mark.parametrize("text", ["Plain.", "One.\n\nTwo, **bold**.\n\n- a\n- b", "$5M", ""])
def test_a_box_is_the_one_that_pandoc_knows_and_shows_no_colons(text: str) -> None:
    """JupyterLab prints `:::`; a div of HTML is the same to pandoc, and Markdown inside it to both."""
    fenced = f"::: {{.callout-note}}\n## A title\n\n{text}\n:::"
    said = tables.sentence(f"Before.\n\n{fenced}\n\nAfter.")._repr_mimebundle_()["text/markdown"]
    assert ":::" not in said
    plain = f"Before.\n\n{fenced}\n\nAfter.".replace("$5M", r"<span>\$</span>5M")
    trees = [pypandoc.convert_text(each, "json", "markdown") for each in (said, plain)]
    assert trees[0] == trees[1]
    assert said.count("<div class=") == said.count("</div>") == 1


def test_sentences_and_callouts() -> None:
    assert tables.sentence("**NRR** is x")._repr_mimebundle_() == {
        "text/markdown": "**NRR** is x",
        "text/plain": "**NRR** is x",
    }
    warning = ("warning", "Leaky bucket", "GRR is *low*.")
    assert tables.callout(warning) == tables.callout(*warning)
    document = pypandoc.convert_text(
        tables.callout(warning)._repr_mimebundle_()["text/markdown"], "html", "markdown"
    )
    assert 'class="callout-warning"' in document
    assert re.search(r"<h2[^>]*>Leaky bucket</h2>", document)
    assert tables.callout(None)._repr_mimebundle_()["text/markdown"] == ""


def test_a_record_is_found_by_the_report() -> None:
    left = tables.record({"nrr": 1.05})._repr_mimebundle_()
    assert left == {tables.RECORD: {"nrr": 1.05}, "text/plain": ""}


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        ({"formats": {"x": "text"}}, "no column"),
        ({"formats": {"name": "dollars"}}, "take text, money"),
        ({"formats": {"name": "money"}}, "not a number"),
        ({"formats": {"name": "text"}, "total": [3]}, "there are 3"),
        ({"formats": {"name": "text"}, "total": [True]}, "one for each row"),
    ],
)
def test_errors_say_what_to_do(frame: pd.DataFrame, call: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        tables.table(frame, **call)
    with pytest.raises(ValueError, match="unknown kind"):
        tables.callout("alarm", "t", "x")  # type: ignore[arg-type]


def test_own_formats_and_masks(frame: pd.DataFrame) -> None:
    printed = tables.table(
        frame, {"name": "text", "nrr": lambda x: f"x{x:.1f}"}, total=np.array([False, True, False])
    )
    assert printed._repr_mimebundle_()["text/plain"].split() == [
        "name",
        "nrr",
        "SMB",
        "x1.1",
        "n/a",
        "n/a",
        "Total",
        "x0.9",
    ]
    assert "emphasis: (2,)" in raw(printed)


def test_every_public_name_is_there() -> None:
    assert all(hasattr(tables, name) for name in tables.__all__)
