"""A ratio in, where it stands among published, sourced figures out; never computes one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf

import numpy as np

from nrrsim.sizebands import SizeBands

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
    return nrr >= 1.0 and grr < USUAL_GRR[0]
