"""Numbers as people state them in, checked drivers of a book out; never draws one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, Strict, model_validator

from nrrsim.scenario.beliefs import OR_DECIMAL, Frozen, Ratio
from nrrsim.scenario.numbers import (
    GAIN,
    LOSS,
    POINT,
    PROBABILITY,
    SHAPE,
    SHARE,
    UPLIFT,
    YEARLY,
    Gain,
    Loss,
    Number,
    Probability,
    Range,
)

Driver = Literal["churn", "contraction", "adoption", "cross_sell", "price", "reactivation"]

# What a table of accounts may state, each the factor on what its segment has: hazard on churn,
# expansion on the rates of adoption and cross-sell, contraction on the rate of contraction.
MULTIPLIERS = ("hazard", "expansion", "contraction")
HAZARD, EXPANSION, CONTRACTION = range(len(MULTIPLIERS))
MULTIPLIER_OF = {
    "churn": HAZARD,
    "contraction": CONTRACTION,
    "adoption": EXPANSION,
    "cross_sell": EXPANSION,
}
MOST_OFF_ONE = 0.005  # of a season's mean: what rounding to two digits may leave


def _a_year(factors: tuple[float, ...]) -> tuple[float, ...]:
    """The factors of a season, as they are; raises ValueError where they make no year."""
    if len(factors) != 12:
        raise ValueError(f"needs 12 factors, January to December; got {len(factors)}")
    mean = sum(factors) / 12
    if abs(mean - 1) > MOST_OFF_ONE:
        remedy = f"; divide each by {mean:.4g}" if mean else ""
        raise ValueError(
            f"the mean of the 12 factors must be 1, so that the rate stays the year's; it is"
            f" {mean:.4g}{remedy}"
        )
    return factors


Season = Annotated[
    tuple[Annotated[Ratio, Field(ge=0, le=12)], ...],
    AfterValidator(_a_year),
    Field(json_schema_extra={"minItems": 12, "maxItems": 12}),
]


class Entry(Frozen):
    """What a driver is believed to be in one segment, or in all; where that is from, and why."""

    source: str = ""
    because: str = ""


class Sbg(Frozen):
    """Shifted beta geometric churn (Fader and Hardie 2007).

    In year k a customer leaves with probability alpha / (alpha + beta + k - 1).
    """

    alpha: Annotated[Number, AfterValidator(SHAPE.check)]
    beta: Annotated[Number, AfterValidator(SHAPE.check)]


class Churn(Entry):
    """The probability that a customer leaves within a year: one, by tenure year, or a curve.

    `season`: by what each calendar month multiplies it, in segments with monthly terms.
    """

    rate: Probability | None = None
    by_tenure: Annotated[tuple[Probability, ...], Field(min_length=1)] | None = None
    sbg: Sbg | None = None
    season: Season | None = None
    also: ClassVar = ("between", "dist")

    @model_validator(mode="before")
    @classmethod
    def _not_a_belief_too(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and {"between", "dist"} & set(value):
            raise ValueError(
                "a belief stands alone or as the rate, such as rate: {between: [0.08, 0.14]};"
                " keep one"
            )
        return value

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if sum(form is not None for form in (self.rate, self.by_tenure, self.sbg)) != 1:
            raise ValueError("state one of rate, by_tenure and sbg")
        return self


class Contraction(Entry):
    """A smaller contract: how often, and how much of its ARR goes."""

    rate: Annotated[Number, AfterValidator(YEARLY.check)]
    size: Loss


class Growth(Entry):
    """Adoption or cross-sell: how often, and how much is added."""

    rate: Annotated[Number, AfterValidator(YEARLY.check)]
    size: Gain


class Price(Entry):
    """The yearly increase, who takes it, and who leaves because of it.

    `month`: the calendar month in which it comes to all customers; else at each one's anniversary.
    """

    uplift: Annotated[Number, AfterValidator(UPLIFT.check)]
    acceptance: Annotated[Number, AfterValidator(SHARE.check)] = 1.0
    churn_per_point: Annotated[Number, AfterValidator(POINT.check)] = 0.0
    month: Annotated[int, Strict(), Field(ge=1, le=12), OR_DECIMAL] | None = None


class Reactivation(Entry):
    """The probability that a lapsed customer returns within a year, and at what share of ARR."""

    rate: Probability
    size: Annotated[Number, AfterValidator(SHARE.check)] = 1.0


class Drivers(Frozen):
    """Each driver by segment, or for `all`; a segment's own entry replaces that of `all` whole."""

    churn: dict[str, Churn] = Field(default_factory=dict)
    contraction: dict[str, Contraction] = Field(default_factory=dict)
    adoption: dict[str, Growth] = Field(default_factory=dict)
    cross_sell: dict[str, Growth] = Field(default_factory=dict)
    price: dict[str, Price] = Field(default_factory=dict)
    reactivation: dict[str, Reactivation] = Field(default_factory=dict)


@dataclass(frozen=True)
class Nature:
    """What a driver is, for all who work with it.

    fields : its numbers and what each may be; the first is what a shock, a programme or a lever
        multiplies. most : what that may become of it.
    """

    fields: dict[str, Range]
    most: float

    @property
    def multiplied(self) -> str:
        """The field that a shock, a programme or a lever multiplies."""
        return next(iter(self.fields))

    @property
    def is_count(self) -> bool:
        """Whether its rate counts events a year, each with a size; else it is a probability, or a
        rise in price.
        """
        return self.fields[self.multiplied] is YEARLY


# In the order in which scenarios and reports state them.
DRIVERS: dict[str, Nature] = {
    "churn": Nature({"rate": PROBABILITY}, 1.0),
    "contraction": Nature({"rate": YEARLY, "size": LOSS}, 12.0),
    "adoption": Nature({"rate": YEARLY, "size": GAIN}, 12.0),
    "cross_sell": Nature({"rate": YEARLY, "size": GAIN}, 12.0),
    "price": Nature({"uplift": UPLIFT, "acceptance": SHARE, "churn_per_point": POINT}, inf),
    "reactivation": Nature({"rate": PROBABILITY, "size": SHARE}, 1.0),
}
COUNTED = tuple(name for name, nature in DRIVERS.items() if nature.is_count)
# The fields of a churn by tenure year, beside those of DRIVERS.
CURVE_FIELDS = {"alpha": SHAPE, "beta": SHAPE, "by_tenure": PROBABILITY}
TOLD = ("source", "because")  # of a driver's numbers
# What says when in the calendar year a driver acts: no number that one may believe in.
IN_THE_YEAR = ("month", "season")
CHURN_FORMS = ("rate", "by_tenure", "sbg")
