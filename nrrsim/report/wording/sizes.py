"""Actuals in, the facts of a second split and of published rows out; never chooses a row.

A report splits NRR by segment, and besides by size of customer or by a column of the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from nrrsim import benchmarks
from nrrsim.analysis.beside import ALL, published_beside, why_none
from nrrsim.notation import label, printed_band
from nrrsim.report.wording.labels import Markdown
from nrrsim.report.wording.quarterly import Segments, split
from nrrsim.sizebands import SIZE, By, SizeBands, short

if TYPE_CHECKING:
    from nrrsim.analysis.actuals import Actuals

SURVEYED = Markdown(benchmarks.CONTRACTS_SOURCE)
SEGMENTS_BY = Markdown(benchmarks.SEGMENTS_SOURCE)
CHURN_BY = Markdown(benchmarks.CHURN_SOURCE)


def parts(past: Actuals, by: str | None = None) -> pd.DataFrame | None:
    """The second split with its parts by their names; None where there is none."""
    meant = _meant(past, by)
    return None if meant is None else split(past, meant)


def heading(past: Actuals, by: str | None = None) -> str:
    """What the column of the parts is called."""
    meant = _meant(past, by)
    return label(meant) if isinstance(meant, str) else "Size"


def beside(past: Actuals) -> pd.DataFrame:
    """The published rows, with all names as they stand on a page."""
    frame = published_beside(past)

    def called(kind: str, name: str) -> str:
        if kind == SIZE:
            return printed_band(name, past.ledger.currency)
        return "All" if kind == ALL else label(name, past.labels)

    names = [called(*each) for each in zip(frame["kind"], frame["name"], strict=True)]
    rows = [printed_band(row, benchmarks.SURVEYED_IN) for row in frame["row"]]
    return frame.assign(name=names, row=rows)


def _begun(band: str) -> str:
    """A band within a sentence: paying below $10K, paying $10K to $50K."""
    return band[:1].lower() + band[1:]


def _contracts(band: str) -> str:
    """The same of contracts: below $12K, of $12K to $25K."""
    return f"{'of ' if ' to ' in band else ''}{_begun(band)}"


def _meant(past: Actuals, by: str | None) -> By | None:
    """What a card's `by` means: where it says nothing, size bands if there are any; segments are
    there anyway.
    """
    if by == "segment":
        return None
    return past.ledger.reading.bands if by is None else past.ledger.split_by(by)


@dataclass(frozen=True, kw_only=True)
class Large:
    """The customers above a bound when the window began, and those above it now."""

    bound: Markdown
    number: int
    share: float | None
    nrr: float | None
    now: int
    share_now: float | None

    @classmethod
    def of(cls, past: Actuals) -> Self | None:
        told = past.large()
        if told is None:
            return None
        bound = Markdown(printed_band(short(told["bound"]), past.ledger.currency))
        shares = {name: told[name] for name in ("share", "nrr", "now", "share_now")}
        return cls(bound=bound, number=told["customers"], **shares)


@dataclass(frozen=True, kw_only=True)
class Parts(Segments):
    """The same of the second split; `large`: None where `size` is a column."""

    is_size: bool
    column: str
    large: Large | None

    @classmethod
    def of(cls, past: Actuals, by: str | None = None) -> Self | None:  # type: ignore[override]
        found, is_size = parts(past, by), isinstance(_meant(past, by), SizeBands)
        if found is None:
            return None
        if is_size:  # within a sentence
            found = found.assign(name=[*map(_begun, found["name"])])
        told = cls.facts(found)
        return cls(is_size=is_size, column=heading(past, by), large=Large.of(past), **told)


@dataclass(frozen=True)
class OfSegment:
    """A segment's NRR, and what is published of companies that sell to such."""

    name: str
    nrr: float
    published: float
    typical: float


@dataclass(frozen=True, kw_only=True)
class Published:
    """The row beside the whole book, and those of its segments by name.

    why : why there is none, in a word: window, currency, company. fitting, others : segments whose
    contracts are of the published size, and those whose are not.
    """

    why: str = ""
    typical: float | None = None
    row: Markdown | None = None
    of_nrr: float | None = None
    of_grr: float | None = None
    surveyed: Markdown = SURVEYED
    fitting: tuple[OfSegment, ...] = ()
    others: tuple[OfSegment, ...] = ()
    segments_by: Markdown = SEGMENTS_BY
    gross_churn: float | None = None
    churn_by: Markdown = CHURN_BY

    @classmethod
    def of(cls, past: Actuals) -> Self:
        frame = beside(past)
        if why := why_none(past) or ("" if len(frame) else "window"):
            return cls(why=why)
        whole, found = frame.iloc[0], {True: list[OfSegment](), False: list[OfSegment]()}
        for row in frame[frame["kind"] == "segment"].dropna(subset=["nrr"]).to_dict("records"):
            if of := benchmarks.of_segment(row["name"], row["typical"]):
                found[of[1]].append(OfSegment(row["name"], row["nrr"], of[0], row["typical"]))
        is_large = past.summary()["book_closing"] >= benchmarks.CHURN_FROM
        return cls(
            typical=float(whole["typical"]),
            row=Markdown(_contracts(whole["row"])),
            of_nrr=float(whole["published_nrr"]),
            of_grr=float(whole["published_grr"]),
            fitting=tuple(found[True]),
            others=tuple(found[False]),
            gross_churn=benchmarks.GROSS_CHURN if is_large else None,
        )


SENTENCES: Mapping[str, Any] = {"parts_heading": Parts, "parts": Parts, "published": Published}
