"""Numbers and pictures in, links that save them without a network out; never reads a file."""

from __future__ import annotations

import base64
import csv
import io
import struct
import zlib
from collections.abc import Mapping
from html import escape
from typing import Any

from nrrsim.report.wording.columns import charted

# What a format of a table says about the plain number below it.
UNITS = {"percent": "ratio", "share": "ratio", "points": "ratio", "part": "ratio"}


def csv_of(numbers: Mapping[str, Any]) -> bytes:
    """A table's or figure's own numbers (`heads`, `rows`, `formats`, `currency`) as CSV.

    Full precision, a ratio as a ratio, an empty field for what does not exist. UTF-8 with the mark
    by which Excel knows it; no text begins as a formula does.
    """
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\r\n")
    heads, currency = numbers["heads"], numbers.get("currency") or ""
    formats = numbers.get("formats") or [""] * len(heads)
    if "chart" in numbers:  # which knows its columns, and no words
        names = numbers["columns"]
        said = charted(numbers["chart"], names, numbers["currency"])
        told = [said.get(name, (head, "")) for name, head in zip(names, heads, strict=True)]
        heads, formats = zip(*told, strict=True)
    units = [currency if "money" in form else UNITS.get(form, "") for form in formats]
    write.writerow(
        _field(f"{head} ({unit})" if unit else head)
        for head, unit in zip(heads, units, strict=True)
    )
    write.writerows(map(_field, row) for row in numbers["rows"])
    return text.getvalue().encode("utf-8-sig")


def _field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.15g}"  # as many as a spreadsheet keeps: 13 of them are billions in cents
    text = str(value)
    # a spreadsheet would run it
    return f"'{text}" if isinstance(value, str) and text.startswith(tuple("=+-@\t\r")) else text


def download(file: str, text: str, mime: str, content: bytes, about: str) -> str:
    """A link that saves `content` as `file`; `about` tells it from the page's other ones."""
    data = base64.b64encode(content).decode()
    names = f'download="{escape(file)}" aria-label="{escape(f"{text}: {about}")}"'
    return f'<a {names} href="data:{mime};base64,{data}">{escape(text)}</a>'


def smaller_png(image: str) -> bytes:
    """A PNG in base64, packed again: the charts' own writer is quick, and a third as good."""
    png, packed, out = base64.b64decode(image), b"", b""
    at = 8
    while at < len(png):
        size = int.from_bytes(png[at : at + 4], "big")
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += 12 + size
        if kind == b"IDAT":
            packed += content
            continue
        if kind == b"IEND":
            out += _chunk(b"IDAT", zlib.compress(zlib.decompress(packed), 6))
        out += _chunk(kind, content)
    return png[:8] + out


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )
