"""Accounts in, a workbook to work through them out; never scores one, never a formula.

One row an account, how good the score has been, and what each column means.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from nrrsim.files import whole
from nrrsim.notation import last_day, month_name
from nrrsim.report.wording import accounts as words
from nrrsim.report.wording import columns
from nrrsim.report.workbook.sections import Figure, Section, write_section
from nrrsim.report.workbook.styles import Styles, set_up

if TYPE_CHECKING:
    from nrrsim.accounts.at_risk import Accounts
    from nrrsim.accounts.clusters import Clusters

LONG_AGO = datetime.datetime(2000, 1, 1)  # the same inputs give the same file
# Each column: its heading, the kind of its numbers, and how wide it is.
SHOWN: dict[str, tuple[str, str, int]] = {
    "customer": ("Account", "text", 30),
    "segment": ("Segment", "text", 14),
    "arr": ("ARR", "money", 13),
    "renewal": ("Next renewal", "date", 11),
    "health": ("Health", "text", 9),
    "arr_at_risk": ("ARR at risk", "money", 13),
    "expected_gain": ("Expected gain", "money", 13),
    "p_leave": ("Leaves", "percent", 9),
    "p_leave_segment": ("Leaves, segment's rate", "percent", 11),
    "p_contract": ("Contracts", "percent", 10),
    "p_expand": ("Expands", "percent", 9),
    "why": ("Reasons", "text", 60),
    "alerts": ("Alerts", "text", 60),
    "play": ("Suggested play", "text", 22),
}
COLOURS = {  # of a health's cell and its word, each readable on the other
    "Red": {"bg_color": "#F6D5CF", "font_color": "#8F3324"},
    "Yellow": {"bg_color": "#FBE9C6", "font_color": "#6B4A06"},
    "Green": {"bg_color": "#D5EBDD", "font_color": "#1E5B3A"},
}
NOTES = (
    ("Leaves", "probability that the account loses all its revenue within {horizon}"),
    ("Leaves, segment's rate", "the same by the churn rate of the account's segment alone"),
    ("Contracts, Expands", "probability that it pays less, or more, at least once in that time"),
    ("ARR at risk", "contraction and churn expected in that time"),
    ("Expected gain", "adoption, cross-sell, price and reactivation expected in that time"),
    ("Health", "Leaves against the segment's rate: green up to 1 times, yellow up to 2 times, red"
     " above, or as the signals card says; empty where scores do no better than that rate"),
    ("Reasons", "what moves the probability most, the strongest first"),
    ("Alerts", "rules of the signals card that hold at the end of {as_of}, and since when"),
    ("Suggested play", "a programme of the scenarios that answers the reasons or alerts, else what"
     " the signals card says of the alert"),
    ("Skill", "by how much the score's error (Brier) is below that of the segment's rate"),
    ("AUC", "how often a leaver had the higher probability, of a leaver and a stayer"),
    ("Lift", "share that left (or expanded) after an alert, over the share of all accounts"),
)  # fmt: skip


def write_accounts(listed: Accounts, path: str | Path, clusters: Clusters | None = None) -> None:
    """Write the accounts, how good the score has been, and notes into a workbook at `path`.

    Texts are texts: no name becomes a formula or a link. Raises what `files.whole` does.
    """
    import xlsxwriter

    options = {"strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": True}
    footer = f"Accounts  ·  {last_day(listed.as_of)}"
    made = BytesIO()  # a disk that takes nothing says so as it does of every file
    with xlsxwriter.Workbook(made, options) as book:
        book.set_properties({"created": LONG_AGO, "title": "Accounts"})
        style = Styles(book, listed.ledger.currency)
        _write_rows(book.add_worksheet("Accounts"), words.in_words(listed), style, footer)
        parts = [Section("How good", _quality(listed))]
        if clusters is not None:
            found = (words.looked_at(clusters), words.clusters(clusters), columns.CLUSTERS)
            parts.append(Section("Clusters", [_figure(*found, listed.ledger.currency)]))
        for part in parts:
            write_section(book.add_worksheet(part.name), part, style, footer)
        _write_notes(book.add_worksheet("Notes"), listed, style, footer)
    with whole(path) as unfinished:
        unfinished.write_bytes(made.getvalue())


def _write_rows(sheet: Any, frame: pd.DataFrame, style: Styles, footer: str) -> None:
    set_up(sheet, footer, heads=(0, 0))
    sheet.set_row(0, 26)
    for column, (head, kind, width) in enumerate(SHOWN.values()):
        sheet.set_column(column, column, width)
        sheet.write_string(0, column, head, style.head(kind not in ("text", "date")))
    for row, values in enumerate(frame[[*SHOWN]].itertuples(index=False, name=None), 1):
        for column, (value, (_, kind, _)) in enumerate(zip(values, SHOWN.values(), strict=True)):
            if kind == "date":
                _write_month(sheet, row, column, value, style)
            elif kind == "text":
                look = {"text_wrap": True} if SHOWN_WIDE[column] else COLOURS.get(value, {})
                sheet.write_string(row, column, value, style(**look))
            else:
                sheet.write_number(row, column, value, style(kind))
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, max(len(frame), 1), len(SHOWN) - 1)


SHOWN_WIDE = [width > 30 for *_, width in SHOWN.values()]


def _write_month(sheet: Any, row: int, column: int, month: str, style: Styles) -> None:
    """A month as the date of its first day; one that is not stated as an empty cell."""
    if month:
        day = datetime.datetime.strptime(month, "%Y-%m")
        sheet.write_datetime(row, column, day, style("date", align="left"))
    else:
        sheet.write_blank(row, column, None, style())


def _quality(listed: Accounts) -> list[Figure]:
    """The figures of how good the score has been, those alone of which there are any."""
    frames = [
        (words.verdict(listed), words.quality(listed), columns.QUALITY),
        ("Predicted and observed", words.bands(listed), columns.BANDS),
        ("Alerts of the past", words.rules(listed), columns.RULES),
    ]
    # the verdict stands also where there is nothing to judge by
    some = [frames[0], *(each for each in frames[1:] if len(each[1]))]
    return [_figure(*each, listed.ledger.currency) for each in some]


def _figure(caption: str, frame: pd.DataFrame, shown: Mapping[str, Any], currency: str) -> Figure:
    """A table below its caption; of nothing the headings."""
    formats, heads = shown["formats"], [*shown["labels"].values()]
    kinds = ["decimals" if callable(kind) else kind for kind in formats.values()]
    cells = frame.reindex(columns=[*formats]).astype(object)
    return Figure(caption, heads, kinds, cells.where(cells.notna(), None).values.tolist(), currency)


def _write_notes(sheet: Any, listed: Accounts, style: Styles, footer: str) -> None:
    set_up(sheet, footer, heads=(0, 0))
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 100)
    sheet.write_string(0, 0, "Notes", style.title)
    said = {"horizon": words.horizon_of(listed), "as_of": month_name(listed.as_of)}
    lines: Sequence[tuple[str, str]] = [(head, text.format(**said)) for head, text in NOTES]
    for row, (head, text) in enumerate(lines, 2):
        sheet.write_string(row, 0, head, style(bold=True))
        sheet.write_string(row, 1, text, style(text_wrap=True))
