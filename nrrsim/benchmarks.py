"""A ratio in, where it stands among published, sourced figures out; never computes one."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nrrsim.sizebands import SizeBands, amount_in

NRR_BANDS: Sequence[tuple[str, float]] = (
    ("world class", 1.20),
    ("strong", 1.00),
    ("needs improvement", 0.90),
    ("critical", -np.inf),
)
USUAL_GRR = (0.85, 0.90)
# Quartiles of private software companies over twelve months: KBCM/Sapphire Private SaaS Survey
# 2024, as restated by docs.imboard.ai (a secondary source: indicative).
SURVEY = {"nrr": (0.96, 1.01, 1.09), "grr": (0.82, 0.91, 0.95)}
SURVEY_SOURCE = "KBCM/Sapphire survey 2024 of companies of all sizes, as restated"
# Medians of private companies by the size of their contracts, in US dollars a year: figure 1 of
# SaaS Capital's 2023 B2B SaaS Retention Benchmarks, which leaves out companies below 1M of ARR.
CONTRACTS = SizeBands((12e3, 25e3, 50e3, 100e3, 250e3))
BY_CONTRACT = {
    "nrr": (1.00, 1.02, 1.03, 1.05, 1.07, 1.10),
    "grr": (0.90, 0.90, 0.92, 0.93, 0.93, 0.93),
}
LEAST_COMPANY = 1e6
CONTRACTS_SOURCE = "SaaS Capital survey 2023"
# Median NRR by segment, and the contracts that it is of: digitalapplied 2024, an aggregator
# (a secondary source: indicative).
BY_SEGMENT = {
    "enterprise": (1.18, 100e3, inf),
    "midmarket": (1.08, 0.0, inf),
    "smb": (0.97, 0.0, 25e3),
}
SEGMENTS_SOURCE = "digitalapplied 2024, a secondary source"
# Gross churn of companies above 5M US dollars of ARR: KBCM, 2019 Private SaaS Company Survey
# (figures for 2018, approximate).
GROSS_CHURN, CHURN_FROM = 0.13, 5e6
CHURN_SOURCE = "KBCM survey 2019, figures for 2018"
SURVEYED_IN = "USD"
# Escalators of contracts, a year: knowledgelib.io (a secondary source: indicative).
USUAL_UPLIFT = (0.03, 0.05)
USUAL_UPLIFT_SOURCE = "knowledgelib.io, secondary"

PUBLISHED = Path(__file__).parent / "data" / "benchmarks.csv"  # with what is read beside reports
LEAKY_FROM = 1.0  # the NRR from which on a poor GRR is hidden


def bands() -> list[tuple[str, float, float]]:
    """The bands of NRR as (name, from, up to), each up to where the one above it begins."""
    tops = (inf, *(low for _, low in NRR_BANDS))
    return [(name, low, top) for (name, low), top in zip(NRR_BANDS, tops, strict=False)]


def band(ratio: float) -> str:
    """The benchmark band of an NRR."""
    if np.isnan(ratio):
        return "n/a"
    return next(name for name, lower in NRR_BANDS if ratio >= lower)


def standing(metric: str, ratio: float) -> str:
    """Where a twelve-month NRR or GRR stands among the survey's quartiles: `p50 to p75`."""
    names = ("below p25", "p25 to p50", "p50 to p75", "above p75")
    return names[int(np.searchsorted(SURVEY[metric], ratio + 1e-9))]


def beside(typical: float) -> int:
    """The number of the row of CONTRACTS whose companies have such contracts.

    typical : what the median customer pays a year, in US dollars.
    """
    return int(CONTRACTS.numbers(np.array([typical]), SURVEYED_IN)[0])


def of_segment(name: str, typical: float) -> tuple[float, bool] | None:
    """The published NRR of a segment of that name, and whether it is of contracts of that size.

    None where nothing is published of such a segment.
    """
    found = BY_SEGMENT.get(re.sub("[^a-z]", "", name.lower()))
    return None if found is None else (found[0], found[1] <= typical < found[2])


def leaky_bucket(nrr: float, grr: float) -> bool:
    """A good NRR that hides a poor GRR: new sales to old customers fill a bucket that leaks."""
    return nrr >= LEAKY_FROM and grr < USUAL_GRR[0]


# --- what would stand beside a company of some size -----------------------------------------------

SEGMENTS = ("enterprise", "mid-market", "smb")
ARR, ACV, SEGMENT = "arr", "acv", "segment"
# A size in the condition of a published figure: ARR > 5M USD, ACV < 12k USD, ACV 12k-25k USD.
SIZE = re.compile(r"(ARR|ACV) (?:([<>]) ?)?([\d.]+[kM]?)(?:-([\d.]+[kM]?))?(?: USD)?")


class Published(NamedTuple):
    """A published figure: ratios (points of one where `unit` is points), null where none is given.

    of : which companies it is of; p50 holds the figure where no quartiles were given, and `basis`
    says what it is. tag : primary, or secondary where it was read in a restatement.
    """

    metric: str
    unit: str
    of: str
    basis: str
    p25: float | None
    p50: float | None
    p75: float | None
    source: str
    year: int | None
    tag: str

    @property
    def conditions(self) -> Iterator[tuple[str, Any]]:
        """What a company must be for the figure to be of such: (arr or acv, (from, up to)), or
        (segment, its name). A figure without any is of all.
        """
        for part in self.of.split(", "):
            if found := SIZE.fullmatch(part):
                name, sign, low, high = found.groups()
                ends = (amount_in(low), amount_in(high) if high else inf)
                yield name.lower(), (0.0, ends[0]) if sign == "<" else ends
            elif part.lower() in SEGMENTS:
                yield SEGMENT, part.lower()


@cache
def published() -> tuple[Published, ...]:
    """All published figures that come with nrrsim, with their sources."""
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        return tuple(map(_published, csv.DictReader(file)))


def _published(row: Mapping[str, str]) -> Published:
    name, _, unit = row["metric"].rpartition("_")
    p25, p50, p75 = (
        round(float(row[each]) / 100, 12) if row[each] else None for each in ("p25", "p50", "p75")
    )
    return Published(
        name,
        {"pct": "ratio", "pp": "points"}[unit],
        row["segment"],
        row["basis"],
        p25,
        p50,
        p75,
        row["source"],
        int(row["year"]) if row["year"] else None,
        row["tag"],
    )


def of_company(
    arr: float | None = None, acv: float | None = None, segment: str | None = None
) -> dict[str, Any]:
    """What stands beside a company of that size, as `nrrsim benchmarks --json` prints it.

    arr : its ARR, acv : what a contract brings a year, both in US dollars; segment : one of
    SEGMENTS. A size at a bound is above it.

    `published`: the figures that fit, as Published has them; `needs`: by what is not said, how many
    more could be chosen by it; `left_out`: how many do not fit; `bands` of NRR, `usual_grr`, from
    where on a bucket is leaky; `peers`: each listed company's latest disclosed NRR.
    """
    from nrrsim import peers  # late: a report's metrics need none of them

    said = {ARR: arr, ACV: acv, SEGMENT: segment}
    fitting, needs, left_out = [], dict.fromkeys(said, 0), 0
    for each in published():
        is_met = {name: _is_met(of, said[name]) for name, of in each.conditions}
        if False in is_met.values() or not _is_surveyed(each, arr):
            left_out += 1
        elif is_met and not any(is_met.values()):
            needs[next(iter(is_met))] += 1
        else:
            fitting.append(each._asdict())
    edges = [None if edge in (inf, -inf) else edge for _, *ends in bands() for edge in ends]
    return {
        **said,
        "currency": SURVEYED_IN,
        "published": fitting,
        "needs": {name: number for name, number in needs.items() if number},
        "left_out": left_out,
        "bands": [
            {"name": name, "from": low, "to": high}
            for (name, *_), low, high in zip(bands(), edges[::2], edges[1::2], strict=True)
        ],
        "usual_grr": list(USUAL_GRR),
        "leaky_bucket": {"nrr_from": LEAKY_FROM, "grr_below": USUAL_GRR[0]},
        "peers": [each.told() for each in peers.latest()],
    }


def _is_met(of: Any, value: Any) -> bool | None:
    """Whether a condition holds; None where nothing is said of it."""
    if value is None:
        return None
    return bool(value == of) if isinstance(of, str) else bool(of[0] <= value < of[1])


def _is_surveyed(each: Published, arr: float | None) -> bool:
    """Whether a survey asked companies as small as this one."""
    return arr is None or arr >= LEAST_COMPANY or not each.source.startswith("SaaS Capital")
