"""Frames and sentences in, things that print themselves out; never computes a metric or mutates.

Everything here shows itself three ways: HTML for JupyterLab and the HTML report, Markdown for print
(a raw Typst block that calls the report template's `report-table` or `kpi-row`), and plain text.
Texts are escaped in each.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from nrrsim import notation as house
from nrrsim.notation import NOTHING, escape_markdown, typst_string

__all__ = ["Printed", "callout", "front", "key_figures", "notes", "record", "sentence", "table"]


def __dir__() -> list[str]:
    return __all__


INK, GREY, NAVY, RULE, WASH, TEAL = "#1F2A37", "#44546A", "#12355B", "#CBD3DB", "#F2F5F8", "#2B6F7D"
BRICK = "#A63D2F"
MOVED = {"better": TEAL, "worse": BRICK, "level": GREY}
RECORD = "application/vnd.nrrsim+json"  # a notebook output that no page shows
FRONT = "application/vnd.nrrsim.front+json"  # what the notebook says of its title page
NOTES = "application/vnd.nrrsim.notes+json"  # what a slide's speaker is told, and no page shows
CELLS = "application/vnd.nrrsim.table+json"  # a table's own numbers, for spreadsheets
KEY_FIGURES = ["Figure", "Value", "Compared"]  # how such cells call their columns
FIGURE = "application/vnd.nrrsim.figure+json"  # a chart's own numbers, and it for a narrow screen
ROW_HEADER = re.compile(r'(<tr>\s*)<td((?! class="gt_sourcenote)[^>]*)>(.*?)</td>', re.DOTALL)
MONEY = re.compile(r"\$(?=\d)")
AMOUNTS_OF_A_CELL = re.compile(rf">([^<>]*{MONEY.pattern}){{2}}[^<>]*<")
NUMBERS = ("count", "part", "percent", "points", "share")
AMOUNTS = ("money", "money_exact", "signed_money")
BOX = re.compile(r"^::: \{\.(callout-\w+)\}\n(.*?)\n:::$", re.DOTALL | re.MULTILINE)
Format = str | Callable[[Any], str]


@dataclass(frozen=True)
class Printed:
    """Something with a form for each place it is shown: `bundle` maps a MIME type to its text."""

    bundle: Mapping[str, Any] = field(repr=False)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return dict(self.bundle)


def table(
    frame: pd.DataFrame,
    formats: Mapping[str, Format],
    labels: Mapping[str, str] | None = None,
    total: Sequence[int] | Sequence[bool] | pd.Series[bool] | None = None,
    currency: str = "",
    note: str | None = None,
) -> Printed:
    """Return the house table of the columns in `formats`, in that order; no index is printed.

    `formats`: by column, `text`, `count`, `money`, `money_exact`, `signed_money`, `percent`,
    `points`, `share`, or a function from value to text. Texts stand left, numbers right, null is
    n/a. `labels`: headings by column. `total`: rows in bold, as positions (-1 is the last) or as a
    mask. `currency`: that of the amounts. `note`: one line below the table.
    """
    if missing := [c for c in formats if c not in frame]:
        raise ValueError(f"table: no column {missing}; the frame has {list(frame)}")
    heads = [str((labels or {}).get(c, c)) for c in formats]
    sides = ["left" if f == "text" else "right" for f in formats.values()]

    columns = [
        [write(v) for v in frame[c]]
        for c, write in ((c, _writer(f, currency)) for c, f in formats.items())
    ]
    rows = [list(row) for row in zip(*columns, strict=True)]
    bold = _positions(total, len(rows))

    # what only a function can write is a number of no known unit: its text says more
    plain = [
        texts if callable(form) else [_json(value) for value in frame[name]]
        for (name, form), texts in zip(formats.items(), columns, strict=True)
    ]
    numbers = {
        "heads": heads,
        "formats": ["text" if callable(form) else form for form in formats.values()],
        "rows": [list(row) for row in zip(*plain, strict=True)],
        "currency": currency,
        "total": bold,
    }
    # without rows there is a table that says so
    if not rows:
        heads, sides, rows = heads[:1] or [""], ["left"], [["No rows"]]

    bundle = {
        "text/html": _html(heads, sides, rows, bold, note),
        "text/markdown": _typst(heads, sides, rows, bold, note),
        "text/plain": _plain(heads, sides, rows, note),
        CELLS: numbers,
    }
    return Printed(bundle)


def key_figures(items: Sequence[tuple[str, str, str]]) -> Printed:
    """Return cards of (label, value, comparison), each a text that is ready to print.

    More is better in each of them: a comparison that begins with a plus has the colour of a gain,
    with a minus that of a loss, any other that of a label.
    """
    # JupyterLab lets the names of a list float, and styles by class it takes from nobody it does
    # not trust; the page's own colours stand in its style
    line = "float:none;clear:none;width:auto;margin:0;padding:0;line-height:1.4"
    box = (
        "flex:1 1 9rem;min-width:0;margin:0;padding:.6rem .75rem;"
        f"background-color:{WASH};border-top:2px solid {NAVY}"
    )
    cards = "".join(
        f'<div style="{box}">'
        f'<dt style="{line};font-size:.8rem;font-weight:400;color:{GREY}">{escape(a)}</dt>'
        f'<dd style="{line};font-size:1.5rem;font-weight:600;color:{NAVY}">{escape(b)}</dd>'
        f'<dd class="{_moved(c)}" style="{line};font-size:.8rem;font-weight:600;'
        f'color:{MOVED[_moved(c)]}">{escape(c)}</dd></div>'
        for a, b, c in items
    )
    row = "display:flex;flex-wrap:wrap;gap:.5rem;margin:1rem 0"
    html = f'<dl class="key-figures" style="{row}">{cards}</dl>'
    typst = ", ".join(f"({', '.join(typst_string(text) for text in item)})" for item in items)
    plain = "\n".join(f"{a}: {b}" + (f" ({c})" if c else "") for a, b, c in items)
    bundle = {
        "text/html": html,
        "text/markdown": _raw(f"#kpi-row({typst})") if items else "",
        "text/plain": plain,
        CELLS: {
            "heads": KEY_FIGURES,
            "formats": ["text"] * 3,
            "rows": [list(item) for item in items],
            "currency": "",
        },
    }
    return Printed(bundle)


def _moved(comparison: str) -> str:
    return {"+": "better", house.MINUS: "worse"}.get(comparison[:1], "level")


def sentence(text: str) -> Printed:
    """Return Markdown as it is: escape the names in it with `notation.escape_markdown`."""
    return Printed({"text/markdown": _for_lab(text), "text/plain": text})


def callout(
    kind: Literal["note", "tip", "important", "caution", "warning"] | tuple[str, str, str] | None,
    title: str = "",
    text: str = "",
) -> Printed:
    """Return a box of Quarto's `kind` with a plain `title` and a Markdown `text`, or of such three.

    None gives nothing, so that a warning can be asked for where there may be none.
    """
    if kind is None:
        return sentence("")
    name, title, text = (kind, title, text) if isinstance(kind, str) else kind
    if name not in {"note", "tip", "important", "caution", "warning"}:
        raise ValueError(
            f"callout: unknown kind {name!r}; take note, tip, important, caution or warning"
        )
    heading = f"## {escape_markdown(title)}\n\n" if title else ""
    bundle = {
        "text/markdown": _for_lab(f"::: {{.callout-{name}}}\n{heading}{text}\n:::"),
        "text/plain": f"{title}\n{text}",
    }
    return Printed(bundle)


def record(*found: Any) -> Printed:
    """Return what shows nothing and leaves numbers (plain JSON values) in the notebook.

    found : mappings of such, or answers that `record()` theirs; of what is not there nothing.
    """
    numbers: dict[str, Any] = {}
    for each in filter(None, found):
        numbers |= each if isinstance(each, Mapping) else each.record()
    return Printed({RECORD: numbers, "text/plain": ""})


def front(**said: str) -> Printed:
    """Return what shows nothing and says lines of the title page that a notebook has to find out.

    said : by the front matter's keys, such as subtitle.
    """
    return Printed({FRONT: said, "text/plain": ""})


def notes(*said: Printed) -> Printed:
    """Return what shows nothing, and is told to who speaks on the slide that it stands in.

    said : sentences, a paragraph each.
    """
    told = [str(each.bundle["text/markdown"]) for each in said]
    return Printed({NOTES: "\n\n".join(filter(None, told)), "text/markdown": "", "text/plain": ""})


def _for_lab(markdown: str) -> str:
    """Markdown that JupyterLab shows as it is meant, and pandoc reads as it was.

    Dollars before digits are money: JupyterLab would set what is between two as a formula. It looks
    for them in what a reader sees, where no backslash is left, but not across a tag. A box between
    `:::` is HTML's own, as JupyterLab would print the colons.
    """
    money = re.sub(r"\\?\$(?=\d)", r"<span>\\$</span>", markdown)
    return BOX.sub(r'<div class="\1">\n\n\2\n\n</div>', money)


def _writer(name: Format, currency: str) -> Callable[[Any], str]:
    if callable(name):
        return lambda value: NOTHING if _is_null(value) else name(value)
    if name == "text":
        return _text
    if name in AMOUNTS:
        return partial(getattr(house, name), currency=currency)
    if name in NUMBERS:
        return cast(Callable[[Any], str], getattr(house, name))
    raise ValueError(
        f"table: no format {name!r}; take text, {', '.join((*AMOUNTS, *NUMBERS))} or a function"
    )


def _json(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    value = value.item() if isinstance(value, np.generic) else value
    if _is_null(value):
        return None
    return value if isinstance(value, int | float | str) else str(value)


def _text(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return NOTHING if _is_null(value) else str(value)


def _is_null(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def _positions(total: Any, rows: int) -> list[int]:
    """Return the rows to embolden, counted from 0, of a mask or of positions from either end."""
    chosen = [] if total is None or not rows else list(total)
    if chosen and all(isinstance(each, bool | np.bool_) for each in chosen):
        if len(chosen) != rows:
            raise ValueError(
                f"table: total has {len(chosen)} flags for {rows} rows; give one for each row"
            )
        return [i for i, each in enumerate(chosen) if each]
    if wrong := [each for each in chosen if not -rows <= each < rows]:
        raise ValueError(
            f"table: total names rows {wrong}, there are {rows};"
            " count from 0, or from -1 at the end"
        )
    return sorted({each % rows for each in chosen})


def _html(
    heads: list[str], sides: list[str], rows: list[list[str]], bold: list[int], note: str | None
) -> str:
    from great_tables import GT, html, loc, style

    names = [f"c{i}" for i in range(len(heads))]  # no text of the data in an id
    # an id of its own on a page of several tables, and the same for the same table
    content = repr((heads, sides, rows, bold, note)).encode("utf-8", "replace")
    digest = hashlib.sha256(content).hexdigest()
    shown = GT(pd.DataFrame(rows, columns=names), id=f"table-{digest[:10]}")
    shown = shown.cols_label(
        dict(zip(names, (html(_literal(head)) for head in heads), strict=True))
    )

    named = sides[0] == "left"  # by its first column, a row is told from the others
    if named:
        shown = shown.tab_style(style.text(weight="normal"), loc.body(columns=names[:1]))
    for side in ("left", "right"):
        if mine := [name for name, its in zip(names, sides, strict=True) if its == side]:
            shown = shown.cols_align(side, columns=mine)
            # JupyterLab puts what it does not trust to the right, by no class of its own
            if side == "left":
                left = [loc.column_labels(columns=mine), loc.body(columns=mine)]
                shown = shown.tab_style(style.text(align="left"), left)
    if bold:
        shown = shown.tab_style(
            [style.text(weight="bold"), style.fill(color=WASH)], loc.body(rows=bold)
        )
    if note:
        shown = shown.tab_source_note(html(_literal(note)))

    options: dict[str, Any] = {
        "table_font_names": ["Inter", "sans-serif"],
        "table_font_size": "13px",
        "table_font_color": INK,
        "table_border_top_color": NAVY,
        "column_labels_font_weight": "600",
        "column_labels_border_bottom_color": NAVY,
        "table_body_hlines_color": RULE,
        "data_row_padding": "5px",
    }
    page = str(shown.tab_options(**options).as_raw_html())
    # JupyterLab would set what is between two amounts of a cell as a formula, but not across a tag
    page = AMOUNTS_OF_A_CELL.sub(lambda cell: MONEY.sub("<span>$</span>", cell[0]), page)
    return ROW_HEADER.sub(r'\1<th scope="row"\2>\3</th>', page) if named else page


def _literal(text: str) -> str:
    return escape(text).replace("{", "&#123;")  # great_tables reads {{...}} as a unit


def _typst(
    heads: list[str], sides: list[str], rows: list[list[str]], bold: list[int], note: str | None
) -> str:
    def cells(texts: list[str]) -> str:
        return ", ".join(typst_string(text) for text in texts)

    columns = ", ".join(["1fr", *["auto"] * (len(heads) - 1)])
    totals = f" emphasis: ({', '.join(str(i + 1) for i in bold)},)," if bold else ""
    lines = [f"  {cells(row)}," for row in rows]
    if note:
        below = f"text(size: 0.9em, {typst_string(note)})"
        lines.append(
            f"  table.cell(colspan: {len(heads)}, align: left, stroke: (bottom: none), {below}),"
        )
    head = f"#report-table(columns: ({columns},), align: ({', '.join(sides)},),{totals}"
    return _raw("\n".join([head, f"  table.header({cells(heads)}),", *lines, ")"]))


def _raw(typst: str) -> str:
    return f"```{{=typst}}\n{typst}\n```"


def _plain(heads: list[str], sides: list[str], rows: list[list[str]], note: str | None) -> str:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    turn = {"left": str.ljust, "right": str.rjust}
    lines = [
        "  ".join(turn[side](text, w) for text, w, side in zip(row, widths, sides, strict=True))
        for row in [heads, *rows]
    ]
    return "\n".join([*(line.rstrip() for line in lines), *([note] if note else [])])
