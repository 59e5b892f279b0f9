"""A workbook in, the looks of what computes in it out; never a number.

Inputs look as `write` has them: blue on light yellow. What is computed is black.
"""

from __future__ import annotations

from typing import Any

INK, NAVY, GREY, WASH, BRICK = "#1B2631", "#14213D", "#6B7280", "#EEF2F7", "#B23A22"
FONT = {"font_name": "Arial", "font_size": 9, "font_color": INK, "valign": "top"}
KINDS: dict[str, dict[str, Any]] = {
    "text": {},
    "plain": {"num_format": "General"},
    "label": {"indent": 1},
    "note": {"font_color": GREY},
    "title": {"bold": True, "font_size": 14, "font_color": NAVY},
    "segment": {"bold": True, "font_size": 11, "font_color": NAVY, "bg_color": WASH},
    "heading": {"bold": True, "font_size": 10, "font_color": NAVY},
    "head": {"bold": True, "font_color": NAVY, "bottom": 1, "text_wrap": True, "align": "right"},
    "head_left": {"bold": True, "font_color": NAVY, "bottom": 1, "text_wrap": True},
    "count": {"num_format": "0"},
    "number": {"num_format": "#,##0.0###"},
    "customers": {"num_format": "#,##0.0"},
    "percent": {"num_format": "0.0##%"},
    "ratio": {"num_format": "0.00%"},
    "points": {"num_format": '+0.00" pts";-0.00" pts";0.00" pts"', "font_color": GREY},
    "money": {"num_format": "#,##0"},
    "change": {"num_format": "+#,##0;-#,##0;0", "font_color": GREY},
    "check": {"num_format": "0.00;-0.00;0", "font_color": GREY},
    "wrapped": {"text_wrap": True},
    "warning": {"bold": True, "font_color": BRICK, "text_wrap": True},
    "input": {
        "font_color": "#1F4E9E",
        "bg_color": "#FFFBE6",
        "border": 1,
        "border_color": "#E5DFC5",
    },
}


class Looks:
    """The formats of one workbook by kind, each made once."""

    def __init__(self, workbook: Any) -> None:
        self.workbook = workbook
        self.made: dict[tuple[Any, ...], Any] = {}

    def __call__(self, kind: str, **extra: Any) -> Any:
        key = (kind, *sorted(extra.items()))
        if key not in self.made:
            self.made[key] = self.workbook.add_format({**FONT, **KINDS[kind], **extra})
        return self.made[key]
