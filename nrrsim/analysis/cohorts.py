"""A ledger up to a date in, what its cohorts became as they grew older out; never draws."""

from __future__ import annotations

import pandas as pd

from nrrsim.analysis.actuals import Actuals
from nrrsim.months import parse_month


def cohorts(past: Actuals) -> pd.DataFrame:
    """What became of each year's new customers as they grew older: `cohort`, `age`, `nrr`,
    `grr`, `opening`, `customers`, `complete`, `now`.

    Ages count in units of `age_unit` months; a ledger below two years is split by quarter. At an
    age that is not `complete` all are of the customers who have reached it, so far. `now` is the
    NRR of the whole cohort at `as_of`, whatever the age of each: the same at all ages.
    """
    by = "cohort_year" if _span(past) > 24 else "cohort_quarter"
    ages = past.ledger.ages(past.as_of, by, partial=True)
    ages = ages[ages["months"] % age_unit(past) == 0]
    ratios = {
        "nrr": ages["amount"] / ages["opening"],
        "grr": ages["retained"] / ages["opening"],
        "now": ages["now"] / ages.groupby("cohort")["opening"].transform("first"),
    }
    return ages.assign(age=ages["months"] // age_unit(past), **ratios).reset_index(drop=True)


def _span(past: Actuals) -> int:
    return parse_month(past.as_of, "as_of") - parse_month(past.ledger.months[0], "month")


def age_unit(past: Actuals) -> int:
    """Months that a cohort ages from one column to the next: 3, or 12 where quarters would be
    too many.
    """
    return 12 if _span(past) > 60 else past.pace
