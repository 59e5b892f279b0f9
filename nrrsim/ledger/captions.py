"""A heading of a table with months across in, what it says out; never reads an amount.

`ARR Dec-24 (USD k)` says a month, a unit, a currency and thousands; `FY25 Budget` a year, and that
it is a plan. The same is read of the cells above the headings, of title lines and sheets' names.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace

from nrrsim.ledger.dates import month_of_heading
from nrrsim.ledger.vocabulary import CURRENCIES, SIGNS

TOTAL = "total"  # a kind of column beside month, quarter, half, year and ytd
UNITS = {
    "mrr": r"\bmrr\b|\bmonthly recurring revenue\b",
    "arr": r"\barr\b|\bannual(?:i[sz]ed)? recurring revenue\b",
}
# a title may hold these words, and mean no money
_WORDS = {"ALL", "AMD", "BAM", "BOB", "COP", "CUP", "GEL", "MAD", "MOP", "PEN", "RON", "SOS",
          "TOP", "TRY"}  # fmt: skip
# what a bare sign may be, where a code says so
MAY_BE = {"$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN"), "¥": ("JPY", "CNY")}
_CODES = "|".join(sorted(CURRENCIES - _WORDS))

_SUM = rf"(?:{_CODES}|(?:US)?\$|[€£])"
_MONEY = rf"(?<![a-su-z]){_SUM}"
_000 = r"['’]?000(?:['’]?s)?\b"
_SCALES = {
    1_000.0: rf"{_MONEY}\s?(?:k\b|thousands?\b|tsd\b|{_000})|\b(?:k|tsd\.?|thousands?)\s?{_SUM}"
    rf"|\bt{_SUM}|\bin (?:k|thousands?|tsd|tausend|1[,.'’]?000s?|{_000})\b|\bthousands\b|\btsd\b"
    rf"|\((?:k|{_000})\)|(?<![\d.,])['’]?000['’]?s\b|(?<![\d.,])['’]000\b",
    1_000_000.0: rf"{_MONEY}\s?(?:m|mn|mm|mio|millions?)\b|\b(?:m|mn|mm|mio\.?|millions?)\s?"
    rf"{_SUM}|\bin (?:m|mn|mm|mio|millions?|millionen)\b|\bmillions\b|\bmio\b|\((?:m|mn|mm)\)",
    0.01: r"\bcents\b|\bpence\b",
}
_CURRENCY = rf"(?<![a-z])[kt]?({_CODES})(?=(?:k|m|mn|mm|mio)?(?![a-z]))|((?:US|(?<![a-z]))\$|[€£])"
_PLAN = (
    r"\b(?:budget(?:ed)?|bud|(?:re)?forecast(?:ed)?|fcst|fc|plan(?:ned)?|outlook|targets?|projected|projections?"
    r"|estimated?|prognose|soll|hochrechnung)\b"
)
ACTUAL = r"\b(?:actuals?|act|ist)\b"
_TOTAL = r"\b(?:(?:grand )?totals?|sum|summe|gesamt)\b"
_SUM_OF = r"^(?:sum of|summe von) "
# words that make no other measure of a month
_GLUE = (
    r"[()\[\]{}|:;,*†‡@]|\b(?:in|of|as of|as at|at|per|amounts?|prelim(?:inary)?|restated|revised"
    r"|final|(?:un)?audited|vorläufig)\b"
)
_SUFFIX = {"E": "estimate", "F": "forecast", "B": "budget", "P": "plan", "A": ""}  # of 2025E
_LONGEST = 80  # characters of a heading: a longer text is a sentence, and names no month


@dataclass(frozen=True)
class Caption:
    """What a heading says of its column.

    `kind` is month, quarter, half, year, ytd or total, and empty for any other column; `year` and
    `number` are the month's (quarter's, half's), None where they are not told; `fiscal`: the year
    is a fiscal one. `plan` is the word by which the column is no actual one. `units` holds mrr or
    arr, `scale` by how much amounts are to be multiplied. `other` are the words that say something
    else: `Seats` of `Seats Dec-24`.
    """

    text: str
    kind: str = ""
    year: int | None = None
    number: int | None = None
    fiscal: bool = False
    plan: str = ""
    units: frozenset[str] = frozenset()
    currencies: frozenset[str] = frozenset()
    scale: float | None = None
    other: str = ""

    @property
    def is_bare(self) -> bool:
        """Whether it says nothing but what a row above the headings says of columns."""
        tells = self.kind or self.plan or self.units or self.scale or self.currencies
        return not self.other and bool(tells or re.fullmatch(ACTUAL, self.text, re.IGNORECASE))


@functools.lru_cache(maxsize=4096)
def read_caption(text: str, serial: bool = False) -> Caption:
    """What a heading, or a cell above the headings, says. `serial`: its number may be a day's."""
    text = " ".join(text.split())
    if not text:
        return Caption("")
    if found := _period(text, serial):
        return replace(found, text=text)

    words = " ".join(text.replace("_", " ").split())
    tells = said(words)
    plan = re.search(_PLAN, words, re.IGNORECASE)
    if plan is not None:
        tells = replace(tells, plan=plan[0])
    rest = re.sub(_SUM_OF, "", words, flags=re.IGNORECASE)
    is_total = re.search(_TOTAL, rest, re.IGNORECASE) is not None
    patterns = (*_SCALES.values(), _CURRENCY, *UNITS.values(), _PLAN, ACTUAL, _TOTAL, _GLUE)
    for pattern in patterns:
        rest = re.sub(pattern, " ", rest, flags=re.IGNORECASE)
    rest = " ".join(rest.split()).strip(" -–—/.")
    found = _with_words(rest)
    if is_total and not found.other:
        found = replace(found, kind=TOTAL)
    # a subscription's `Plan`, `Target` or `Currency` is a column like any other
    scale = 1_000.0 if found.kind and found.other.lower() == "k" else tells.scale
    other = "" if scale != tells.scale else found.other
    return replace(found, text=text, plan=found.plan or tells.plan, units=tells.units,
                   currencies=tells.currencies, scale=scale, other=other)  # fmt: skip


def said(text: str) -> Caption:
    """The unit, the currencies and the scale that a title, or a sheet's name, says."""
    words = text.replace("_", " ")
    units = [unit for unit, written in UNITS.items() if re.search(written, words, re.IGNORECASE)]
    scales = [by for by, written in _SCALES.items() if re.search(written, words, re.IGNORECASE)]
    found = re.findall(_CURRENCY, words, re.IGNORECASE)
    codes = {code.upper() for code, _ in found if code}
    signs = {sign.upper() for _, sign in found if sign}
    currencies = codes | {SIGNS[sign] for sign in signs if codes.isdisjoint(MAY_BE.get(sign, ()))}
    return Caption(text, units=frozenset(units), currencies=frozenset(currencies),
                   scale=scales[0] if scales else None)  # fmt: skip


def _with_words(rest: str) -> Caption:
    """The period that a heading names, with the words before or after it."""
    if found := _period(rest):
        return found
    plain, suffix = rest[:-1].rstrip(), rest[-1:]
    if suffix in _SUFFIX and plain[-1:].isdigit() and (found := _period(plain)):
        return replace(found, plan=_SUFFIX[suffix])
    words = rest.split(" ") if len(rest) <= _LONGEST else []
    for cut in range(1, len(words)):
        for head, tail in ((words[:cut], words[cut:]), (words[-cut:], words[:-cut])):
            found = _period(" ".join(tail))
            # `Since 2019` and `May renew` are no periods: a month or a quarter with its year is
            if found and found.kind in ("month", "quarter", "half") and found.year is not None:
                return replace(found, other=" ".join(head).casefold())
    return Caption(rest, other=rest.casefold())


def _period(text: str, serial: bool = False) -> Caption | None:
    # a database's column is called 2024_12
    for written in (text, text.replace(" ", "-")) if text else ():
        found = month_of_heading(written, excel=serial)
        if found and (found.kind != "month" or found.number is not None):
            return Caption(text, *found)
    # Excel makes 24-Dec of Dec-24: a month, and not told of which year
    turned = re.fullmatch(r"\d{1,2}-([^\W\d_]+)", text)
    month = month_of_heading(turned[1]) if turned else None
    return Caption(text, "month", None, month.number) if month else None
