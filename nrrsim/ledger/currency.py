"""A file of exchange rates in, checked rates and the reporting currency out; never guesses one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nrrsim.errors import Finding, UsageError
from nrrsim.ledger.cells import unnumbered
from nrrsim.ledger.rows import refuse_twice
from nrrsim.ledger.sources import map_unique, numbers, read_rows
from nrrsim.ledger.vocabulary import currency_code
from nrrsim.months import Calendar, month_number

if TYPE_CHECKING:
    from nrrsim.ledger.check import Entries


def read_rates(source: str | Path, calendar: Calendar) -> tuple[pd.Series, tuple[Finding, ...]]:
    """What one unit of each currency is worth, by currency and month number, and notices.

    A fiscal `calendar` takes no quarter for a month. Raises UsageError, with the line, for a
    column, month or rate that is missing or stands twice.
    """
    rows, *more = read_rows(source)
    if more:
        raise UsageError(f"{source}: rates stand in one file")
    refuse_twice(rows)
    frame = unnumbered(rows.frame)
    missing = [name for name in ("month", "currency", "rate") if name not in frame]
    if missing:
        raise UsageError(
            f"{source}: a file of rates has the columns month,currency,rate;"
            f" missing: {', '.join(missing)}"
        )

    if rows.findings:
        raise UsageError("\n".join(map(str, rows.findings)))
    rate = numbers(frame["rate"])
    month = map_unique(frame["month"], calendar.reader(month_number))
    wrong = rate.isna() | np.isnan(month) | ~(rate > 0) | np.isinf(rate)
    index = pd.MultiIndex.from_arrays([frame["currency"], np.nan_to_num(month).astype(np.int64)])
    if wrong.any() or index.has_duplicates:
        row = int((wrong | index.duplicated()).to_numpy().argmax())
        raise UsageError(
            f"{source}:{rows.lines()[row]}: one positive rate for each month (YYYY-MM) and currency"
        )
    return pd.Series(rate.to_numpy(float), index=index), rows.notices


def reporting_currency(entries: Entries, rates: pd.Series | None, asked: str | None) -> str:
    """The currency to report in: the one asked for, else the only one that needs no rate; "" where
    neither the ledger nor anybody says.

    Raises UsageError where that is not one, or cannot be had without rates.
    """
    found: list[str] = []
    if "currency" in entries.frame:
        found = sorted(entries.frame["currency"].unique().astype(str))
    # what the ledger calls it need be no code
    if asked is not None and asked not in found:
        try:
            asked = currency_code(asked)
        except ValueError as error:
            raise UsageError(f"currency: {error}") from None
    if rates is None:
        if asked and found and found != [asked]:
            raise UsageError(
                f"currency: the ledger is in {', '.join(found)}; give rates to report in {asked}"
            )
        return asked or (found[0] if found else "")
    if asked:
        return asked
    # the file of rates says what the others are worth in: the one that it does not name
    without = sorted(set(found) - set(rates.index.get_level_values(0)))
    if len(without) != 1:
        raise UsageError("currency: say which currency to report in, such as currency: USD")
    return str(without[0])
