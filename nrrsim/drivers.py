"""Numbers as people state them in, checked drivers of a book out; never draws one, never knows a customer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

import numpy as np
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic.config import JsonDict

from nrrsim import beliefs
from nrrsim.beliefs import Belief, Between, Finite, Frozen
from nrrsim.errors import did_you_mean
from nrrsim.problems import shown, written

MOST_OF_A_BELIEF = 1e6  # the size of any number that a belief is made of
MOST_SPREAD = 3.0  # of a size: its sd over its mean; beyond, no table holds its tail
MOST_OF_A_BETA = 0.8  # of the variance that a share of that mean can have at all
SMALLEST = 1e-9  # what stands for "more than 0" where a belief is cut to the range of its number
Driver = Literal["churn", "contraction", "adoption", "cross_sell", "price", "reactivation"]


# --- numbers and beliefs -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """What a number may be, and what a belief about it is cut to.

    `share`: a 90 % interval of it is logit-normal, else lognormal. `percent`: from where on a number that is too large
    is taken for a percentage.
    """

    what: str
    low: float
    high: float
    rule: str
    share: bool = False
    percent: float = 2.0

    def check(self, value: Any) -> Any:
        """The value, as it is; raises ValueError saying what is wrong with it, and what may have been meant."""
        if problem := self._problem(value):
            raise ValueError(f"{problem}, got {shown(value)}{self._hint(value)}")
        return value

    def _problem(self, value: float | Belief) -> str:
        rule = f"must be {self.rule} ({self.what})"
        if isinstance(value, int | float):
            return "" if self.low <= value <= self.high else rule if np.isfinite(value) else "must be a finite number"
        if isinstance(value, Between) and self.share and value.between[1] >= 1:
            return f"a 90 % interval of {self.what} lies between 0 and 1"
        if max(map(abs, _parts(value))) > MOST_OF_A_BELIEF:
            return f"no number of a belief may be beyond {written(MOST_OF_A_BELIEF)}"
        if isinstance(value, beliefs.Lognormal) and value.sd > MOST_OF_A_BELIEF * value.mean:
            return f"the sd may be at most {written(MOST_OF_A_BELIEF)} times the mean"
        return f"lies wholly outside: {rule}" if self._is_outside(value) else ""

    def _is_outside(self, belief: Belief) -> bool:
        if isinstance(belief, beliefs.Normal | beliefs.Lognormal):
            return not self.low <= belief.mean <= self.high
        if isinstance(belief, beliefs.Beta):
            return False
        low, high = belief.between if isinstance(belief, Between) else (belief.min, belief.max)
        return high <= self.low or low >= self.high

    def _hint(self, value: float | Belief) -> str:
        """What is meant if the numbers are percentages, and that may be."""
        if isinstance(value, beliefs.Beta) or not self.percent <= max(_parts(value)) <= 1000:
            return ""
        meant = _of_percent(value)
        return "" if self._problem(meant) else f"; did you mean {shown(meant)}?"


def _parts(value: float | Belief) -> list[float]:
    """The numbers that a belief is made of."""
    if isinstance(value, int | float):
        return [value]
    stated = value.model_dump(exclude={"dist"})
    return list(stated.get("between") or stated.values())


def _of_percent(value: float | Belief) -> float | Belief:
    if isinstance(value, int | float):
        return value / 100
    if isinstance(value, Between):
        return Between(between=(value.between[0] / 100, value.between[1] / 100))
    return value.model_copy(update={name: each / 100 for name, each in value.model_dump(exclude={"dist"}).items()})


PROBABILITY = Range("a probability", 0, 1, "from 0 to 1", share=True)
SHARE = Range("a share", 0, 1, "from 0 to 1", share=True)
LOSS = Range("a share of its ARR", 0, 1 - SMALLEST, "0 or more, and less than 1, as to lose all is churn", share=True)
GAIN = Range("a share of its ARR", 0, 10, "0 or more, and at most 10")
UPLIFT = Range("a rise in price: 0.05 is 5 %; a cut is contraction", 0, 1, "0 or more, and at most 1")
POINT = Range("extra churn probability per unit of uplift", 0, 100, "0 or more, and at most 100")
YEARLY = Range("events per customer and year", 0, 12, "from 0 to 12")
SHAPE = Range("a parameter of the curve", SMALLEST, 1e6, "more than 0, and at most 1,000,000")
MEAN = Range("a share of its ARR", SMALLEST, 10, "more than 0, and at most 10")
TARGET = Range("1.05 is an NRR of 105 %", SMALLEST, 10, "more than 0, and at most 10", percent=20)
OF_TARGET: JsonDict = {"exclusiveMinimum": 0, "maximum": 10}

DISTRIBUTIONS = [get_args(each.model_fields["dist"].annotation)[0] for each in get_args(Belief)[1:]]


def _in_a_known_form(value: Any) -> Any:
    """A number or a belief, as it is; raises ValueError where it has the form of neither."""
    if not isinstance(value, Mapping):
        return value
    if "between" in value:
        ends = value["between"]
        if isinstance(ends, list | tuple) and len(ends) != 2:
            raise ValueError(f"an interval is [low, high], 2 numbers; got {len(ends)}")
    elif "dist" not in value:
        raise ValueError(f"must be a number or a belief such as {{between: [0.08, 0.14]}}, got {shown(value)}")
    elif (kind := value["dist"]) not in DISTRIBUTIONS:
        raise ValueError(f"dist: {shown(kind)} is not known; {did_you_mean(str(kind), DISTRIBUTIONS)}")
    return value


def _kind(value: Any) -> str:
    """Which of the forms of a number this is."""
    if isinstance(value, Mapping):
        return "between" if "between" in value else str(value.get("dist"))
    return getattr(value, "dist", None) or ("between" if isinstance(value, Between) else "number")


Number = Annotated[
    Annotated[Finite, Tag("number")]
    | Annotated[Between, Tag("between")]
    | Annotated[beliefs.Uniform, Tag("uniform")]
    | Annotated[beliefs.Pert, Tag("pert")]
    | Annotated[beliefs.Triangular, Tag("triangular")]
    | Annotated[beliefs.Beta, Tag("beta")]
    | Annotated[beliefs.Normal, Tag("normal")]
    | Annotated[beliefs.Lognormal, Tag("lognormal")],
    Discriminator(_kind),
    BeforeValidator(_in_a_known_form),
]
Probability = Annotated[Number, AfterValidator(PROBABILITY.check)]


class Sized(Frozen):
    """A size that each event draws anew, with that mean and standard deviation."""

    mean: Annotated[Finite, Field(gt=0), AfterValidator(MEAN.check)]
    sd: Annotated[Finite, Field(ge=0, le=100)]

    @model_validator(mode="after")
    def _spread(self) -> Self:
        if 0 < self.sd < SMALLEST:
            raise ValueError(f"sd {self.sd:g} is too small to matter; write 0")
        if self.sd > MOST_SPREAD * self.mean:
            raise ValueError(f"sd {self.sd:g} is more than {MOST_SPREAD:g} times the mean {self.mean:g}")
        return self


class LossSize(Sized):
    """The share that one contraction takes: Beta."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.mean >= 1 or self.sd**2 >= self.mean * (1 - self.mean):
            raise ValueError(
                f"no Beta has mean {self.mean:g} and sd {self.sd:g}: a share needs a mean below 1"
                " and sd^2 < mean (1 - mean)"
            )
        if self.sd**2 > MOST_OF_A_BETA * self.mean * (1 - self.mean):
            raise ValueError(
                f"a Beta with mean {self.mean:g} and sd {self.sd:g} is all or nothing; an sd of at most"
                f" {np.sqrt(MOST_OF_A_BETA * self.mean * (1 - self.mean)):.3g} can be used"
            )
        return self


class GainSize(Sized):
    """The share that one adoption or cross-sell adds: lognormal."""


def _size_kind(value: Any) -> str:
    is_sized = isinstance(value, Mapping) and not {"between", "dist"} & set(value) and {"mean", "sd"} & set(value)
    return "sized" if is_sized or isinstance(value, Sized) else "number"


Loss = Annotated[
    Annotated[Annotated[Number, AfterValidator(LOSS.check)], Tag("number")] | Annotated[LossSize, Tag("sized")],
    Discriminator(_size_kind),
]
Gain = Annotated[
    Annotated[Annotated[Number, AfterValidator(GAIN.check)], Tag("number")] | Annotated[GainSize, Tag("sized")],
    Discriminator(_size_kind),
]


# --- drivers -----------------------------------------------------------------------------------------------


class Entry(Frozen):
    """What a driver is believed to be in one segment, or in all; where that is from, and why."""

    source: str = ""
    because: str = ""


class Sbg(Frozen):
    """Shifted beta geometric churn (Fader and Hardie 2007): alpha / (alpha + beta + k - 1) in year k."""

    alpha: Annotated[Number, AfterValidator(SHAPE.check)]
    beta: Annotated[Number, AfterValidator(SHAPE.check)]


class Churn(Entry):
    """The probability that a customer leaves within a year: one, by tenure year, or a curve over them."""

    rate: Probability | None = None
    by_tenure: Annotated[tuple[Probability, ...], Field(min_length=1)] | None = None
    sbg: Sbg | None = None
    also: ClassVar = ("between", "dist")

    @model_validator(mode="before")
    @classmethod
    def _not_a_belief_too(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and {"between", "dist"} & set(value):
            raise ValueError("a belief stands alone or as the rate, such as rate: {between: [0.08, 0.14]}; keep one")
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
    """The yearly increase, who takes it, and who leaves because of it."""

    uplift: Annotated[Number, AfterValidator(UPLIFT.check)]
    acceptance: Annotated[Number, AfterValidator(SHARE.check)] = 1.0
    churn_per_point: Annotated[Number, AfterValidator(POINT.check)] = 0.0


class Reactivation(Entry):
    """The probability that a lapsed customer returns within a year, and at which share of what it left with."""

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


DRIVERS: tuple[Driver, ...] = get_args(Driver)
TOLD = ("source", "because")  # of a driver's numbers
CHURN_FORMS = ("rate", "by_tenure", "sbg")
# The range of every number that may be a belief. Its place among them gives it a Sobol dimension of its own.
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


# --- programmes --------------------------------------------------------------------------------------------


EFFECT = Range("relative to the driver: -0.2 or -20 % is a fifth less", -1, 99, "from -1 to 99", percent=1000)


def _of_percent_text(value: Any) -> Any:
    """-20 % as -0.2; anything else, as it is."""
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            return float(value.strip().removesuffix("%")) / 100
        except ValueError:
            return value
    return value


Effect = Annotated[
    Finite,
    BeforeValidator(_of_percent_text),
    AfterValidator(EFFECT.check),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*[-+]?[0-9.]+\s*%\s*$"}]}),
]


class Programme(Frozen):
    """What changes drivers from a month on, relative to what they are: each further key is `driver` or
    `driver.segment`, its value the full effect, which is reached after `ramp` months.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Effect]

    cost: Annotated[Finite, Field(ge=0, le=1e15)] = 0.0
    begins: Annotated[int, Strict(), Field(ge=1, le=600, alias="from")] = 1
    ramp: Annotated[int, Strict(), Field(ge=1, le=600)] = 1
    source: str = ""
    because: str = ""

    @property
    def effects(self) -> dict[str, float]:
        """The full effect on each driver or driver's segment."""
        return dict(self.__pydantic_extra__)

    @property
    def complete(self) -> int:
        """The first month in which it has its full effect."""
        return self.begins + self.ramp - 1

    def reached(self, t: int) -> float:
        """Which part of its effect it has in month t."""
        return min(1.0, max(0.0, (t - self.begins + 1) / self.ramp))


@dataclass(frozen=True)
class Uncertain:
    """A number that is believed to lie somewhere: `driver.segment.field`, and a Sobol dimension that is its own."""

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
