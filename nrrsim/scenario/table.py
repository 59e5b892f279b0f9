"""A checked scenario's drivers in, a table of its numbers out, each once; never draws one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nrrsim.scenario.beliefs import Belief
from nrrsim.scenario.drivers import TOLD, Entry, Sbg
from nrrsim.scenario.numbers import (
    GAIN,
    LOSS,
    POINT,
    PROBABILITY,
    SHAPE,
    SHARE,
    UPLIFT,
    YEARLY,
    Range,
    Sized,
)

# The range of every number that may be a belief. Its place among them gives it a Sobol dimension of
# its own.
RANGES: dict[str, Range] = {
    "churn.rate": PROBABILITY,
    "contraction.rate": YEARLY,
    "contraction.size": LOSS,
    "adoption.rate": YEARLY,
    "adoption.size": GAIN,
    "cross_sell.rate": YEARLY,
    "cross_sell.size": GAIN,
    "price.uplift": UPLIFT,
    "price.acceptance": SHARE,
    "price.churn_per_point": POINT,
    "reactivation.rate": PROBABILITY,
    "reactivation.size": SHARE,
    "churn.alpha": SHAPE,
    "churn.beta": SHAPE,
    "churn.by_tenure": PROBABILITY,
}


@dataclass(frozen=True)
class Uncertain:
    """A number that is believed to lie somewhere: `driver.segment.field`, and a Sobol dimension
    that is its own.
    """

    name: str
    belief: Belief
    range: Range
    slot: int


def numbers_of(entry: Entry) -> Iterator[tuple[str, Any]]:
    """The numbers of an entry and their names within it; a size that each event draws anew is none."""
    for field in type(entry).model_fields:
        value = getattr(entry, field)
        if field in TOLD or value is None or isinstance(value, Sized):
            continue
        if isinstance(value, Sbg):
            yield from (("alpha", value.alpha), ("beta", value.beta))
        elif isinstance(value, tuple):
            yield from ((f"by_tenure.{year}", each) for year, each in enumerate(value, 1))
        else:
            yield field, value
