"""Bounds of ARR in, size bands and the band of each amount out; never knows whose amounts they are.

Listed companies print how many customers are above $100K, and what these retain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nrrsim.notation import digits_of

if TYPE_CHECKING:
    import numpy as np

SIZE = "size"  # what a cohort is split by, where it is by these
NO_BANDS = "none"  # said where `size` is a column of the ledger
LARGE = 100_000.0  # from which on customers are counted by themselves
UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
BOUND = re.compile(r"(\d[\d_]*(?:\.\d+)?) ?([kmbt]?)", re.IGNORECASE)
MOST_BANDS = 12  # that a page can show
MOST_BOUND = 1e15
IN_WORDS = (
    "must be one bound of ARR or more, each above the one before, such as 10k, 50k, 100k, 1M; or"
    " none, where size is a column of the ledger"
)


@dataclass(frozen=True)
class SizeBands:
    """Bands of a customer's ARR: below the first of the `bounds`, between two, above the last.

    Who is at a bound is in the band above it.
    """

    bounds: tuple[float, ...] = (10e3, 50e3, LARGE, 1e6)

    @classmethod
    def of(cls, given: Any) -> SizeBands:
        """The bands that are stated, as `10k,50k` or as a list; raises ValueError for no such."""
        parts = given.split(",") if isinstance(given, str) else given
        if not isinstance(parts, list | tuple):
            parts = [parts]
        bounds = tuple(map(_bound, parts))
        if not bounds or any(low >= high for low, high in pairwise(bounds)):
            raise ValueError(f"{IN_WORDS}; got {repr(given)[:80]}")
        if len(bounds) >= MOST_BANDS:
            raise ValueError(f"{len(bounds)} bounds are too many; {MOST_BANDS - 1} at most")
        return cls(bounds)

    @property
    def names(self) -> list[str]:
        """What the bands are called, from small to large: below 10k, 10k to 50k, ..., above 1M."""
        at = [*map(short, self.bounds)]
        between = [f"{low} to {high}" for low, high in pairwise(at)]
        return [f"below {at[0]}", *between, f"above {at[-1]}"]

    @property
    def large(self) -> float:
        """From which ARR on a customer is large: 100k where that is a bound, else the last one."""
        return LARGE if LARGE in self.bounds else self.bounds[-1]

    def numbers(self, arr: np.ndarray, currency: str = "", is_mrr: bool = False) -> np.ndarray:
        """`ndarray`: the number of the band of each amount, in this currency.

        is_mrr : the amounts are twelve times what was written, to the minor unit each: 8,333.33 a
            month is a contract of 100,000 a year.
        """
        import numpy as np  # late: options of the command know bands, and need no arrays

        return np.searchsorted(self.reached(currency, is_mrr), arr, side="right")

    def reached(self, currency: str = "", is_mrr: bool = False) -> list[float]:
        """From which amount on each bound is reached, as amounts are written; see `numbers`."""
        rounding = 0.5 * 10.0 ** -digits_of(currency) * (12 if is_mrr else 1)
        # a sum of lines is itself off by a billionth
        return [bound * (1 - 1e-9) - rounding for bound in self.bounds]

    def two(self) -> SizeBands:
        """The customers that are not large, and those that are."""
        return SizeBands((self.large,))


By = str | SizeBands  # what customers are split by: a column, a cohort, or bands


def short(amount: float) -> str:
    """An amount as it stands in a band's name, in full: 10k, 2.5k, 1M, 999."""
    for sign in ("T", "B", "M", "k"):
        if amount >= UNITS[sign.lower()]:
            return f"{amount / UNITS[sign.lower()]:.15g}{sign}"
    return f"{amount:.15g}"


def amount_in(text: str) -> float:
    """An amount without a currency, in short form or in full: 50M, 2.5k, 50_000_000; else 0."""
    found = BOUND.fullmatch(text.strip())
    return float(found[1].replace("_", "")) * UNITS[found[2].lower()] if found else 0.0


def _bound(given: Any) -> float:
    number = amount_in(str(given))
    if isinstance(given, bool) or not 1 <= number <= MOST_BOUND:
        raise ValueError(f"{IN_WORDS}; got {repr(given)[:80]}")
    return number
