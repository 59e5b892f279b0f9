"""A plain monthly ledger's bytes in, its retention out; never guesses: what is not plain raises.

Written from MODEL.md alone, with nothing of nrrsim in it, to hold nrrsim's answers against.
"""

import csv
import datetime
import io
import math
import re
import unicodedata
from decimal import Decimal

CELL = r'(?:"(?:[^"]|"")*"|[^"{0}\r\n]*)'
OTHER_FORMS = {"start", "end", "interval", "amount", "product", "currency"}


def plain(is_plain: object, what: str) -> None:
    if not is_plain:
        raise ValueError(f"{what}: not plain")


def table(data: bytes) -> list[dict[str, str]]:
    """The rows by heading, all of one width, with every quote where it belongs."""
    text = data.decode("utf-8-sig")
    by = ";" if ";" in text.split("\n")[0] else ","
    cell = CELL.format(by)
    plain(re.fullmatch(f"(?:{cell}(?:{by}{cell})*\r?\n)+", text), "quotes or line ends")
    limit = csv.field_size_limit(len(text) + 1)
    headings, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=by, strict=True)
    csv.field_size_limit(limit)
    plain(len({*headings, ""}) == len(headings) + 1 and not OTHER_FORMS & {*headings}, "headings")
    plain(rows and {len(cells) for cells in rows} == {len(headings)}, "rows")
    return [dict(zip(headings, cells, strict=True)) for cells in rows]


def name(cell: str) -> str:
    controls = any(unicodedata.category(letter)[0] == "C" for letter in cell)
    plain(cell and cell == cell.strip() and not controls, "a name")
    return cell


def month(cell: str) -> int:
    plain(re.fullmatch(r"[12]\d{3}-\d\d(-\d\d)?", cell), "a month")
    date = datetime.date.fromisoformat(cell if len(cell) > 7 else f"{cell}-01")
    return date.year * 12 + date.month - 1


def retention(data: bytes, as_of: str, window: int = 12) -> dict[str, dict[str, float | None]]:
    """NRR, GRR, logo, opening and closing ARR point to point: of all (""), and by segment."""
    rows, arr, segment = table(data), {}, {}
    (unit,) = {"mrr", "arr"} & {*rows[0]}
    for row in rows:
        key, amount = (name(row["customer"]), month(row["month"])), row[unit]
        plain(key not in arr and re.fullmatch(r"\d+(\.\d+)?", amount), "a row or its amount")
        arr[key] = Decimal(amount) * (1 if unit == "arr" else 12)
        segment[key] = name(row.get("segment", "all"))
    names = {customer for customer, _ in arr}
    plain(len({each.lstrip("0") for each in names}) == len(names), "zeros before a name")
    months, end = sorted({when for _, when in arr}), month(as_of)
    step = math.gcd(*(later - months[0] for later in months)) or 1
    plain(step in (1, 3, 12) and len(months) == 1 + (months[-1] - months[0]) // step, "months")
    plain({end - window, end} <= {*months} and max(arr.values()) < Decimal("1e25"), "window")
    paid = {key: amount for key, amount in arr.items() if amount >= Decimal("0.005")}
    cohort = [(who, amount) for (who, when), amount in paid.items() if when == end - window]
    parts: dict[str, list[tuple[Decimal, Decimal]]] = {"": []}
    for who, before in cohort:
        for of in ("", segment[who, end - window]):
            parts.setdefault(of, []).append((before, paid.get((who, end), Decimal(0))))
    return {of: ratios(pairs) for of, pairs in parts.items()}


def ratios(pairs: list[tuple[Decimal, Decimal]]) -> dict[str, float | None]:
    opening, closing = (
        float(sum(side)) for side in (zip(*pairs, strict=True) if pairs else [(), ()])
    )
    kept, stayed = float(sum(map(min, pairs))), sum(after > 0 for _, after in pairs)
    over = {"nrr": (closing, opening), "grr": (kept, opening), "logo": (stayed, len(pairs))}
    found = {name: part / of if of else None for name, (part, of) in over.items()}
    return found | {"opening": opening, "closing": closing}
