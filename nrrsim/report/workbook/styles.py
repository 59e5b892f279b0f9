"""A currency in, the looks of a workbook's cells and printed pages out; never a number."""

from __future__ import annotations

from typing import Any

from nrrsim.notation import MINUS, currency_sign, digits_of
from nrrsim.report.tables import AMOUNTS, GREY, INK, NAVY, RULE, TEAL, WASH

BRICK = "#C8553D"  # of what is lost, in charts
INPUT = "#1F4E9E"  # what was read, and may be changed, is blue: so modellers write it
WHOLE_MONEY = "money_whole"  # a kind: amounts along a chart's axis
MOST_FOOTER = 250  # characters of a footer that Excel takes


class Styles:
    """The formats of one workbook: `styles("money", bold=True)`; each is made once.

    Kinds are those of `tables.table`, `date` and `text`. What looks the same is one format.
    """

    def __init__(self, workbook: Any, currency: str) -> None:
        self.workbook, self.currency = workbook, currency
        self._made: dict[tuple[Any, ...], Any] = {}

    def __call__(self, kind: str = "text", currency: str | None = None, **extra: Any) -> Any:
        """The format of a kind, with xlsxwriter's properties besides."""
        code = number_code(kind, self.currency if currency is None else currency)
        key = (code, *sorted(extra.items()))
        if key not in self._made:
            look = {"font_name": "Arial", "font_size": 9, "font_color": INK, "valign": "top"}
            plain = {"num_format": code} if code else {}
            self._made[key] = self.workbook.add_format({**look, **plain, **extra})
        return self._made[key]

    @property
    def title(self) -> Any:
        """Of a sheet's first line."""
        return self(bold=True, font_size=14, font_color=NAVY)

    @property
    def heading(self) -> Any:
        """Of a table's caption."""
        return self(bold=True, font_size=10, font_color=NAVY)

    @property
    def note(self) -> Any:
        """Of a line that explains."""
        return self(font_color=GREY)

    @property
    def link(self) -> Any:
        """Of a link inside the workbook."""
        return self(font_color=TEAL, underline=1)

    def head(self, is_number: bool = False, **extra: Any) -> Any:
        """Of a column's heading."""
        side = "right" if is_number else "left"
        line: dict[str, Any] = {"bottom": 1, "bottom_color": NAVY}
        return self(bold=True, font_color=NAVY, text_wrap=True, align=side, **line, **extra)

    def total(self, kind: str = "text", **extra: Any) -> Any:
        """Of a cell in a row of totals."""
        return self(kind, **extra, bold=True, bg_color=WASH, top=1, top_color=RULE)


def number_code(kind: str, currency: str) -> str:
    """Excel's code for numbers of a kind; "" for texts."""
    if kind in AMOUNTS or kind == WHOLE_MONEY:
        digits = 0 if kind == WHOLE_MONEY else digits_of(currency)
        sign = currency_sign(currency).replace('"', "")
        amount = f'"{sign}"' * bool(sign) + "#,##0" + ("." + "0" * digits) * bool(digits)
        plus = "+" if kind == "signed_money" else ""
        return f"{plus}{amount};{MINUS}{amount};{amount}"
    return {
        "count": "#,##0",
        "percent": f"0.0%;{MINUS}0.0%",
        "ratio": f"0.0000%;{MINUS}0.0000%",
        "share": "0%",
        "points": f'+0.0" pts";{MINUS}0.0" pts";0.0" pts"',
        "part": f'+0.0" pts";{MINUS}0.0" pts";"–"',
        "tiny": "0.0E+00;-0.0E+00;0",
        "number": "#,##0.00",
        "decimals": "0.000",
        "date": "mmm yyyy",
    }.get(kind, "")


def set_up(sheet: Any, footer: str, heads: tuple[int, int] = (0, 1), pages: int = 0) -> None:
    """Landscape on A4, as wide as the page, `heads` on each page; `pages` high (0: as it comes)."""
    sheet.hide_gridlines(2)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.7)
    sheet.fit_to_pages(1, pages)
    sheet.repeat_rows(*heads)
    # & begins a code of the footer's; what a company is called is none
    said = footer.replace("&", "&&")[:MOST_FOOTER].rstrip("&")
    sheet.set_footer(f"&L&8 {said}&R&8 &A  ·  &P / &N")
