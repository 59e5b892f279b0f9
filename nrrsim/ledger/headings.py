"""STAND-IN until the lead's own: the first rows of a table in, where its headings stand out; never judges a value."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

CUSTOMER = re.compile(r"(customers?|account|client|kunde)( (id|name))?", re.IGNORECASE)


@dataclass(frozen=True)
class HeadingRow:
    index: int
    why: str = ""


def _customer(row: Sequence[Any]) -> bool:
    return any(isinstance(cell, str) and CUSTOMER.fullmatch(cell.strip()) for cell in row)


def heading_row(head: Sequence[Sequence[Any]]) -> HeadingRow:
    for index, row in enumerate(head):
        if _customer(row) and sum(str(cell) != "" for cell in row) > 1:
            return HeadingRow(index)
    return HeadingRow(0)


def looks_like_ledger(head: Sequence[Sequence[Any]]) -> bool:
    for row in head:
        if _customer(row):
            rest = [str(cell).strip().lower() for cell in row]
            months = sum(isinstance(cell, datetime.date) for cell in row)
            return months > 1 or bool({"mrr", "arr", "amount", "sum of mrr"} & set(rest))
    return False
