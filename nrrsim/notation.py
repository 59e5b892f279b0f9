"""A number or a text in, the text to print out; never computes a metric, never asks for a locale.

House rules: three significant digits with K, M, B, T for money; one decimal for ratios; halves
round away from zero on the decimal number one sees (1.0535 is 105.4%); a true minus sign (U+2212);
no minus before a zero; "n/a" where there is no number.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from nrrsim.errors import did_you_mean
from nrrsim.months import CALENDAR_YEAR, Calendar

__all__ = [
    "count",
    "currency_sign",
    "digits_of",
    "disclosed",
    "distinct_labels",
    "escape_markdown",
    "label",
    "last_day",
    "minor_unit",
    "money",
    "money_exact",
    "month_name",
    "part",
    "percent",
    "points",
    "printed_band",
    "printed_quarter",
    "quarter_name",
    "share",
    "signed_money",
    "table_html",
    "typst_string",
    "visible",
    "year_name",
]
NOTHING = "n/a"
MOST_ROWS = 10  # of a table that stands for a frame
MINUS = "\u2212"
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
# ISO 4217's currencies in use of which no hundredth is the minor unit: how many digits that has.
DIGITS = dict.fromkeys(["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX",
                        "VND", "VUV", "XAF", "XOF", "XPF"], 0)  # fmt: skip
DIGITS |= dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3)
# What the minor unit is called, where a report can say so to anybody.
MINOR_UNITS = {"JPY": "yen", "GBP": "penny"}
MINOR_UNITS |= dict.fromkeys(["AUD", "CAD", "EUR", "HKD", "NZD", "SGD", "USD", "ZAR"], "cent")
# Control characters but line end and tab, the separators and the overrides of direction that look
# like none, and halves of surrogate pairs, which no file can hold.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# Identifiers that finance, and who looks after customers, write in capitals.
CAPITALS = frozenset(["amer", "anz", "apac", "api", "arr", "b2b", "b2c", "cee", "csat", "dach",
                      "dau", "emea", "eu", "grr", "latam", "mau", "mea", "mrr", "nps", "nrr",
                      "smb", "sme", "uk", "us", "usa"])  # fmt: skip
HYPHENED = re.compile(r"^(mid|self|pre|post|non)_")  # mid_market is one word
MONTHS = ("January", "February", "March", "April", "May", "June",
          "July", "August", "September", "October", "November", "December")  # fmt: skip


def money(x: Any, currency: str) -> str:
    """An amount in short form, three significant digits: `$982`, `$12.3K`, `−$45.1M`.

    currency : its code (`USD`); where it is not known, "": the amount has no sign then.
    """
    value = _decimal(x)
    return NOTHING if value is None else _sign(value, _short(abs(value)), currency)


def signed_money(x: Any, currency: str) -> str:
    """A change of an amount, in short form with its sign: `+$1.23M`, `−$45.1K`, `$0`."""
    value = _decimal(x)
    return NOTHING if value is None else _sign(value, _short(abs(value)), currency, plus="+")


def money_exact(x: Any, currency: str) -> str:
    """An amount to the currency's minor unit, and no `.00`: `$1,234,567.89`, `−$1,200`, `¥982`.

    A Decimal stays exact.
    """
    value = _decimal(x)
    if value is None:
        return NOTHING
    digits = digits_of(currency)
    shown = _round(abs(value), digits)
    return _sign(value, f"{shown:,.{0 if shown == int(shown) else digits}f}", currency)


def currency_sign(currency: str) -> str:
    """What stands before an amount: `$`, `CHF ` (its code and a blank), nothing where none is."""
    code = currency.upper()
    return SYMBOLS.get(code, code and f"{code} ")


def digits_of(currency: str) -> int:
    """How many decimals the amounts of a currency have: two, where ISO 4217 says nothing else."""
    return DIGITS.get(currency.upper(), 2)


def minor_unit(currency: str) -> str:
    """The smallest amount of a currency in words: "cent", "yen"; "minor unit" of most."""
    return MINOR_UNITS.get(currency.upper(), "minor unit")


def percent(x: Any) -> str:
    """A ratio in percent with one decimal: 1.053 is `105.3%`."""
    value = _decimal(x)
    return NOTHING if value is None else _sign(value, f"{_round(abs(value) * 100, 1):,}") + "%"


def disclosed(x: Any) -> str:
    """A ratio that somebody else published, with the decimals that it has: 1.08 is `108%`."""
    value = _decimal(x)
    if value is None:
        return NOTHING
    return f"{_sign(value, f'{_round(abs(value) * 100, 2).normalize():,f}')}%"


def points(x: Any) -> str:
    """A difference of two ratios in percentage points: 0.021 is `+2.1 pts`, none is `0.0 pts`."""
    value = _decimal(x)
    if value is None:
        return NOTHING
    return _sign(value, f"{_round(abs(value) * 100, 1):,}", plus="+") + " pts"


def part(x: Any) -> str:
    """A part of a difference in points: as `points`, and a dash where there is no such part."""
    value = _decimal(x)
    # what rounding leaves of no part is none
    return "–" if value is not None and abs(value) < Decimal("1e-9") else points(x)


def share(x: Any) -> str:
    """A share or probability (0 to 1) in whole percent, or `<1%`, `>99%` where that hid a rest."""
    value = _decimal(x)
    if value is None:
        return NOTHING
    whole = _round(abs(value) * 100, 0)
    if 0 < value < Decimal("0.01"):
        return "<1%"
    if Decimal("0.99") < value < 1:
        return ">99%"
    return _sign(value, f"{whole:,}") + "%"


def count(n: Any) -> str:
    """A whole number: 1234 is `1,234`."""
    value = _decimal(n)
    return NOTHING if value is None else _sign(value, f"{_round(abs(value), 0):,}")


def counted(number: float, one: str, several: str = "") -> str:
    """How many of something: 1 customer, 1,234 customers."""
    return f"{count(number)} {one if number == 1 else several or one + 's'}"


def month_name(month: Any) -> str:
    """A month written YYYY-MM (or a period or date) in words: `September 2026`."""
    found = _month(month)
    return NOTHING if found is None else f"{MONTHS[found[1] - 1]} {found[0]}"


def last_day(month: Any) -> str:
    """The day on which a month written YYYY-MM ends: `30 September 2026`."""
    found = _month(month)
    if found is None:
        return NOTHING
    return f"{monthrange(*found)[1]} {month_name(month)}"


def quarter_name(month: Any, calendar: Calendar = CALENDAR_YEAR) -> str:
    """The quarter that ends with this month, `Q3 2026`, `Q3 FY27`; of another month `Aug 2026`."""
    return printed_quarter(_unit_name(month, 3, calendar))


def year_name(month: Any, calendar: Calendar = CALENDAR_YEAR) -> str:
    """The year of this month, `2026`; a fiscal one, `FY27`, that ends with it, else `Aug 2026`."""
    return _unit_name(month, 12, calendar) if calendar.is_fiscal else str(month)[:4]


def printed_quarter(name: str) -> str:
    """The name of a quarter in data, `2024 Q1`, as it is printed: `Q1 2024`; others as they are.

    So is that of a cohort: `until 2023-12` is `until December 2023`.
    """
    plain = re.sub(r"^(\d{4}) (Q[1-4])$", r"\2 \1", name)
    return re.sub(r"^(until )?(\d{4}-\d{2})$", lambda m: f"{m[1] or ''}{month_name(m[2])}", plain)


def printed_band(name: str, currency: str) -> str:
    """The name of a size band in data, `10k to 50k`, as it is printed: `$10K to $50K`."""
    sign = currency_sign(currency)
    plain = re.sub(r"\d[\d.]*[kMBT]?", lambda bound: sign + bound[0].upper(), name)
    return plain[:1].upper() + plain[1:]


def label(name: Any, labels: Mapping[str, str] | None = None) -> str:
    """What a segment, plan or other identifier is called on a page: `mid_market` is `Mid-market`.

    A name with capitals or blanks is one already, and printed as it is. labels : a card's own.
    """
    text = str(name)
    if labels and text in labels:
        return labels[text]
    if not re.fullmatch(r"[a-z0-9_]*[a-z][a-z0-9_]*", text):
        return text
    words = HYPHENED.sub(r"\1-", text).strip("_").split("_")
    plain = " ".join(each.upper() if each in CAPITALS else each for each in words)
    return plain[:1].upper() + plain[1:]


def distinct_labels(names: Iterable[str], labels: Mapping[str, str]) -> dict[str, str]:
    """A card's `labels`, and besides the names that alone would be printed as one, as they are.

    `smb` and `SMB` are two segments, and stay two on a page. Raises ValueError where `labels` name
    what is none of the `names`, leave one empty, or call two alike.
    """
    known = list(names)
    for name, said in labels.items():
        if name not in known:
            raise ValueError(f"{name} is no segment; {did_you_mean(name, known)}")
        if not said.strip():
            raise ValueError(f"{name}: is empty; write what it is called, or leave it out")
    called: dict[str, list[str]] = {}
    for name in known:
        called.setdefault(label(name, labels), []).append(name)
    alike = {said: each for said, each in called.items() if len(each) > 1}
    for said, each in alike.items():
        if not labels.keys().isdisjoint(each):
            raise ValueError(
                f"{' and '.join(each)} would both be called {said}; give each a name of its own"
            )
    return {**labels, **{name: name for each in alike.values() for name in each}}


def escape_markdown(text: Any) -> str:
    """Text as Markdown that is shown literally: one line, a backslash before ASCII punctuation."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", re.sub(" +", " ", _printable(text)))


def unevaluated(text: Any) -> str:
    """A text in which Quarto finds no shortcode: what parts `{{` from `<` takes no room in print.

    A backslash would not do in front matter and attributes: pandoc takes it away before Quarto
    looks there.
    """
    return re.sub("{{(?=<)", "{{\u2060", str(text))


def typst_string(text: Any) -> str:
    r"""A Typst string literal, quotes included; all but plain ASCII as `\u{hex}`.

    Neither Typst nor pandoc nor a Quarto shortcode finds anything in it to evaluate.
    """

    def spelled(c: re.Match[str]) -> str:
        is_plain = re.match(r"[\w.,:;%()+\-/]", c[0]) and c[0] != "_"
        return c[0] if is_plain else f"\\u{{{ord(c[0]):x}}}"

    safe = re.sub(r"[\x21-\x7e]", spelled, _printable(text))
    return f'"{safe}"'


def table_html(frame: Any, formats: Mapping[str, Callable[[Any], str]], *row: str) -> str:
    """A pandas frame as a notebook shows it: its first rows, and how many there are.

    formats : by column, what writes its numbers. row : what one is called, and several.
    """
    table = frame.head(MOST_ROWS).to_html(
        index=False, border=0, na_rep=NOTHING, formatters=dict(formats)
    )
    told = counted(len(frame), *row)
    if len(frame) > MOST_ROWS:
        told = f"The first {MOST_ROWS} of {told}; <code>.frame()</code> has them all."
    return f"{table}\n<p>{told}</p>"


def visible(text: str, spelled: str = "") -> str:
    r"""Text that a terminal shows and does not obey: a control character is spelled out (`\x1b`).

    spelled : how each is, such as `\u{:04x}`; as Python writes it where it is empty.
    """

    def spell(c: re.Match[str]) -> str:
        return spelled.format(ord(c[0])) if spelled else ascii(c[0])[1:-1]

    return UNSEEN.sub(spell, text)


def _decimal(x: Any) -> Decimal | None:
    """The number as one reads it; None for nothing, NaN and infinity, an error for the rest."""
    if x is None or str(x) in {"<NA>", "NaT"}:
        return None
    # by its text: halves are judged on the digits one sees, not on the binary number below them
    try:
        value = Decimal(str(x))
    except InvalidOperation:
        raise ValueError(f"not a number: {x!r}; give a number, or use the format 'text'") from None
    return value if value.is_finite() else None


def _round(value: Decimal, digits: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def _short(size: Decimal) -> str:
    for power, suffix in ((0, ""), (3, "K"), (6, "M"), (9, "B"), (12, "T")):
        scaled = size.scaleb(-power)
        # three digits: 99.95 rounds to 100, and 9.995 to 10.0
        if power == 0 or scaled >= Decimal("99.95"):
            digits = 0
        else:
            digits = 1 if scaled >= Decimal("9.995") else 2
        shown = _round(scaled, digits)
        # 999.6K rounds to 1000K, which is 1.00M
        if shown < 1000 or suffix == "T":
            break
    return f"{shown:,}{suffix}"


def _sign(value: Decimal, text: str, currency: str = "", plus: str = "") -> str:
    """Sign, currency, digits: a sign only if a digit other than zero is shown."""
    sign = "" if not re.search("[1-9]", text) else MINUS if value < 0 else plus
    return f"{sign}{currency_sign(currency)}{text}"


def _month(month: Any) -> tuple[int, int] | None:
    if month is None or str(month) in {"<NA>", "NaT", "nan"}:
        return None
    found = re.match(r"(\d{4})-(0[1-9]|1[0-2])(?!\d)", str(month))
    if not found:
        raise ValueError(f"not a month: {month!r}; write it YYYY-MM, such as 2026-09")
    return int(found[1]), int(found[2])


def _unit_name(month: Any, unit: int, calendar: Calendar) -> str:
    found = _month(month)
    if found is None:
        return NOTHING
    year, number = found
    at = year * 12 + number - 1
    if calendar.ends(at, unit):
        return calendar.name(calendar.unit_of(at, unit), unit)
    return f"{MONTHS[number - 1][:3]} {year}"


def _printable(text: Any) -> str:
    """The text on one line: control characters and direction overrides become spaces."""
    hidden = {"Cc", "Zl", "Zp"}
    bidi = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    # half of a surrogate pair, which no file can hold, becomes a question mark
    plain = str(text).replace("\r\n", " ").encode("utf-8", "replace").decode("utf-8")
    return "".join(" " if c in bidi or unicodedata.category(c) in hidden else c for c in plain)
