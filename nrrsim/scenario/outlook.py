"""A published forecast in, the map that takes a scenario's own results onto it out; never draws.

What drives a year (the scenario's drivers) and how far a year may turn out (the forecast) are known
from different evidence. A calibrated scenario states both: where its own results lie, and where the
forecast lies at the same ranks. Whoever changes a driver moves both by as much.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Self

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from nrrsim.scenario.beliefs import OR_PERCENT, Finite, Frozen
from nrrsim.scenario.book import Month
from nrrsim.scenario.numbers import SHARE, SOME_NRR

MONTHS = 12  # of the forecast
LEVELS = (0.01, *(number / 20 for number in range(1, 20)), 0.99)
TO_THE_BIT = 1e-9  # a target that is met is met, whatever rounding says
MOST = {"nrr": np.inf, "grr": 1.0, "logo": 1.0}


@dataclass(frozen=True)
class Transport:
    """The monotone map of one measure: quantile to quantile, beyond the outermost by as much as
    they are apart. `by` : how far a changed scenario's mean is from the one that it was made for.
    """

    own: np.ndarray
    published: np.ndarray
    mean: float
    most: float
    by: float = 0.0

    @classmethod
    def of(cls, own: Any, published: Any, mean: float, most: float) -> Self:
        """own, published : ascending quantiles of the same levels; where a model's own are equal
        (a point of mass), the mean of what is published there stands for them.
        """
        places, which = np.unique(np.asarray(own, float), return_inverse=True)
        there = np.bincount(which, np.asarray(published, float)) / np.bincount(which)
        return cls(places, there, mean, most)

    def moved(self, mean: float) -> Self:
        """The map for a scenario whose own mean is that: it moves what is published by as much."""
        return replace(self, by=mean - self.mean)

    def __call__(self, values: Any) -> np.ndarray:
        """Where results of the model, `ndarray[...]`, lie in what is published."""
        x = np.asarray(values, float) - self.by
        beyond = x - np.clip(x, self.own[0], self.own[-1])
        mapped = np.interp(x, self.own, self.published) + beyond
        return np.asarray(np.clip(mapped + self.by, 0.0, self.most))

    def back(self, value: float) -> float:
        """The lowest result of the model that lies at `value` or above in what is published."""
        if value > self.most:
            return np.inf
        if value <= 0:
            return -np.inf
        y = value - self.by - TO_THE_BIT
        beyond = y - float(np.clip(y, self.published[0], self.published[-1]))
        if beyond:
            return float(self.own[0 if beyond < 0 else -1]) + beyond + self.by
        # where several results of the model are published alike, the lowest of them
        at = int(np.searchsorted(self.published, y))
        near = slice(max(at - 1, 0), at + 1)
        return float(np.interp(y, self.published[near], self.own[near])) + self.by


def _ascending(values: tuple[float, ...]) -> tuple[float, ...]:
    if len(values) != len(LEVELS) or list(values) != sorted(values):
        raise ValueError(
            f"must be {len(LEVELS)} quantiles, none below the one before it; has {len(values)}"
        )
    return values


Ratio = Annotated[Finite, OR_PERCENT, Field(ge=0)]
Share = Annotated[Finite, OR_PERCENT, AfterValidator(SHARE.check)]


class Ranks(Frozen):
    """One measure: the mean and the quantiles of the scenario's own results, and the forecast's
    quantiles of the same levels: 1%, 5%, 10% and so on to 95%, 99%.
    """

    mean: Ratio
    model: Annotated[tuple[Ratio, ...], AfterValidator(_ascending)]
    forecast: Annotated[tuple[Ratio, ...], AfterValidator(_ascending)]

    @model_validator(mode="after")
    def _in_one_unit(self) -> Self:
        # a ledger may grow twentyfold, but not next to what its own model says of it
        for name, value in (("mean", self.mean), ("forecast", self.forecast[len(LEVELS) // 2])):
            if self.model[-1] <= SOME_NRR.high < value:
                try:
                    SOME_NRR.check(value)
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
        return self


class Shares(Ranks):
    """The same of a measure that is never above 1."""

    mean: Share
    model: Annotated[tuple[Share, ...], AfterValidator(_ascending)]
    forecast: Annotated[tuple[Share, ...], AfterValidator(_ascending)]


class Outlook(Frozen):
    """The forecast of the twelve months after `as_of`, beside what the drivers alone say of them.

    `arr`: that of the book that it is of, by which another one is told from it. `recurs` is false
    where past years show that the book does not recur in the way the drivers assume.
    """

    as_of: Month
    arr: Annotated[Finite, Field(gt=0)]
    source: str = ""
    recurs: bool = True
    nrr: Ranks
    grr: Shares
    logo: Shares

    @cached_property
    def transports(self) -> dict[str, Transport]:
        """The map of each measure."""
        found = {}
        for name, most in MOST.items():
            ranks: Ranks = getattr(self, name)
            found[name] = Transport.of(ranks.model, ranks.forecast, ranks.mean, most)
        return found
