"""Actuals in, the published row beside each of its parts out; never one of another size.

A row is chosen by what the median customer of a part pays, in the survey's own currency.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nrrsim import benchmarks
from nrrsim.sizebands import SIZE, By

if TYPE_CHECKING:
    from nrrsim.analysis.actuals import Actuals

ALL = "all"


def why_none(past: Actuals) -> str | None:
    """Why nothing published by size stands beside a report: window, currency, company, or None."""
    if past.window != 12:
        return "window"
    if past.ledger.currency != benchmarks.SURVEYED_IN:
        return "currency"
    small = past.summary()["book_closing"] < benchmarks.LEAST_COMPANY
    return "company" if small else None


def published_beside(past: Actuals) -> pd.DataFrame:
    """A row for the whole book, each segment, and each size band that has customers.

    Columns `kind` (all, segment, size), `name`, `customers`, `typical` (the ARR of the median one
    at the window's start), `row` (the contracts of the companies surveyed, as the survey has them),
    `nrr`, `published_nrr`, `grr`, `published_grr`. Without rows where `why_none` says why.
    """
    rows = [] if why_none(past) else [*_parts(past)]
    frame = pd.DataFrame(rows, columns=["kind", "name", "customers", "typical", "nrr", "grr"])
    number = [benchmarks.beside(each) for each in frame["typical"]]
    found = frame.assign(row=[benchmarks.CONTRACTS.names[each] for each in number])
    for name, medians in benchmarks.BY_CONTRACT.items():
        found[f"published_{name}"] = [medians[each] for each in number]
    order = ["kind", "name", "customers", "typical", "row"]
    order += ["nrr", "published_nrr", "grr", "published_grr"]
    return found[order]


def _parts(past: Actuals) -> Iterator[tuple[str, str, int, float, float, float]]:
    """Kind, name, customers, median ARR, NRR and GRR of the book and of each of its parts."""
    opening = past.customers["opening"]
    yield (ALL, ALL, len(opening), float(opening.median()), past.now.nrr, past.now.grr)
    bands = past.ledger.reading.bands
    splits: dict[By, np.ndarray] = {"segment": past.customers["segment"].to_numpy(dtype=object)}
    if bands is not None:
        is_mrr = past.ledger.entries.unit == "mrr"
        numbers = bands.numbers(opening.to_numpy(), past.ledger.currency, is_mrr)
        splits[bands] = np.array(bands.names, dtype=object)[numbers]
    for by, labels in splits.items():
        kind, typical = by if isinstance(by, str) else SIZE, opening.groupby(labels)
        count, median = typical.size(), typical.median()
        for row in past.split(by).to_dict("records"):
            name = row["name"]
            yield (kind, name, int(count[name]), float(median[name]), row["nrr"], row["grr"])
