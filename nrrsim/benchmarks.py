"""A ratio in, where it stands among published, sourced figures out; never computes one."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

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
SURVEY_SOURCE = "KBCM/Sapphire survey 2024, as restated"
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


def leaky_bucket(nrr: float, grr: float) -> bool:
    """A good NRR that hides a poor GRR: new sales to old customers fill a bucket that leaks."""
    return nrr >= 1.0 and grr < USUAL_GRR[0]
