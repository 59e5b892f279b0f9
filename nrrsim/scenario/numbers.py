"""What a number may be in, checked numbers and beliefs out; never draws one or names a driver."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Self, get_args

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic.config import JsonDict

from nrrsim.errors import did_you_mean
from nrrsim.messages import shown, written
from nrrsim.scenario import beliefs
from nrrsim.scenario.beliefs import (
    AS_PERCENT,
    LEAST_INSIDE,
    OR_PERCENT,
    Z90,
    Belief,
    Between,
    Finite,
    Frozen,
    Positive,
    Ratio,
)

MOST_OF_A_BELIEF = 1e6  # the size of any number that a belief is made of
MOST_UNEVEN = 3.0  # of a size: its sd over its mean; beyond, no table holds its tail
MOST_OF_A_BETA = 0.8  # of the variance that a share of that mean can have at all
SMALLEST = 1e-9  # what stands for "more than 0" where a belief is cut to the range of its number


@dataclass(frozen=True)
class Range:
    """What a number may be, and what a belief about it is cut to.

    `share`: a 90% interval of it is logit-normal, else lognormal.
    """

    what: str
    low: float
    high: float
    rule: str
    share: bool = False

    def check(self, value: Any) -> Any:
        """The value as it is; raises ValueError with what is wrong, and what may be meant.

        A number outside whose hundredth is inside may be meant in percent. Every ratio that anybody
        states, in a scenario, a card, an option or a plan, is checked here.
        """
        if problem := self._problem(value):
            raise ValueError(f"{problem}, got {shown(value)}{self._hint(value)}")
        return value

    def _problem(self, value: float | Belief) -> str:
        rule = f"must be {self.rule} ({self.what})"
        if isinstance(value, int | float):
            if not np.isfinite(value):
                return "must be a finite number"
            return "" if self.low <= value <= self.high else rule
        if isinstance(value, Between) and self.share and value.between[1] >= 1:
            return f"a 90% interval of {self.what} lies between 0 and 1"
        if max(map(abs, _parts(value))) > MOST_OF_A_BELIEF:
            return f"no number of a belief may be beyond {written(MOST_OF_A_BELIEF)}"
        if isinstance(value, beliefs.Lognormal) and value.sd > MOST_OF_A_BELIEF * value.mean:
            return f"the sd may be at most {written(MOST_OF_A_BELIEF)} times the mean"
        inside = self.inside(value)
        if inside >= LEAST_INSIDE:
            return ""
        how = f"lies to {1 - inside:.1%}" if inside > 0.0005 else "lies wholly"
        return f"{how} outside: {rule}"

    def inside(self, value: float | Belief) -> float:
        """How much of a belief lies in the range; what lies outside is cut away."""
        if isinstance(value, int | float):
            return 1.0
        return beliefs.inside(value, self.low, self.high, self.share)

    def drawn(self, value: Belief, z: np.ndarray) -> np.ndarray:
        """A belief's values at normal scores: of what lies in the range."""
        return beliefs.quantile(value, z, self.low, self.high, self.share)

    def mean(self, value: float | Belief) -> float:
        """The mean of a number or a belief as it acts: of what lies in the range."""
        return beliefs.mean(value, self.low, self.high, self.share)

    def span(self, value: Belief) -> tuple[float, float]:
        """The P5 and the P95 of a belief as it acts."""
        low, high = self.drawn(value, np.array([-Z90, Z90]))
        return float(low), float(high)

    def moved(self, value: Any, to: float) -> Any:
        """The plain values of a number or a belief with its mean, as it acts, at `to`."""
        return beliefs.moved(value, to, self.low, self.high, self.share)

    def _hint(self, value: float | Belief) -> str:
        """What is meant if the numbers are percentages, and that may be."""
        # nobody writes 1 or less in percent: who asks for a probability of 1 does not mean 0.01
        if isinstance(value, beliefs.Beta) or max(map(abs, _parts(value))) <= 1:
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
        return float(Decimal(str(value)).scaleb(-2))  # on the digits that one sees
    if isinstance(value, Between):
        return type(value)(between=(value.between[0] / 100, value.between[1] / 100))
    return value.model_copy(
        update={name: each / 100 for name, each in value.model_dump(exclude={"dist"}).items()}
    )


PROBABILITY = Range("a probability", 0, 1, "from 0 to 1", share=True)
SHARE = Range("a share", 0, 1, "from 0 to 1", share=True)
LOSS = Range(
    "a share of its ARR",
    0,
    1 - SMALLEST,
    "0 or more, and less than 1, as to lose all is churn",
    share=True,
)
GAIN = Range("a share of its ARR", 0, 10, "0 or more, and at most 10")
UPLIFT = Range(
    "a rise in price: 0.05 is 5%; a cut is contraction", 0, 1, "0 or more, and at most 1"
)
POINT = Range("extra churn probability per unit of uplift", 0, 100, "0 or more, and at most 100")
YEARLY = Range("events per customer and year", 0, 12, "from 0 to 12")
SHAPE = Range("a parameter of the curve", SMALLEST, 1e6, "more than 0, and at most 1,000,000")
MEAN = Range("a share of its ARR", SMALLEST, 10, "more than 0, and at most 10")
TARGET = Range("1.05 is an NRR of 105%", SMALLEST, 10, "more than 0, and at most 10")
SOME_NRR = Range("1.05 is an NRR of 105%", 0, 10, "0 or more, and at most 10")
ODDS = Range("0.8 is 80%", SMALLEST, 1 - SMALLEST, "above 0 and below 1")
CORRELATION = Range("a correlation", -1, 1, "from -1 to 1")
SWING = Range("0.2 is a swing of 20%", -5, 5, "from -5 to 5")
YEAR_EFFECT = Range("0.15 is a swing of 15% from year to year", 0, 2, "from 0 to 2")
OF_TARGET: JsonDict = {**AS_PERCENT, "exclusiveMinimum": 0, "maximum": 10}
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
        raise ValueError(
            f"must be a number or a belief such as {{between: [0.08, 0.14]}}, got {shown(value)}"
        )
    elif (kind := value["dist"]) not in DISTRIBUTIONS:
        raise ValueError(
            f"dist: {shown(kind)} is not known; {did_you_mean(str(kind), DISTRIBUTIONS)}"
        )
    return value


def _kind(value: Any) -> str:
    """Which of the forms of a number this is."""
    if isinstance(value, Mapping):
        return "between" if "between" in value else str(value.get("dist"))
    return getattr(value, "dist", None) or ("between" if isinstance(value, Between) else "number")


Distribution = (
    Annotated[beliefs.Uniform, Tag("uniform")]
    | Annotated[beliefs.Pert, Tag("pert")]
    | Annotated[beliefs.Triangular, Tag("triangular")]
    | Annotated[beliefs.Beta, Tag("beta")]
    | Annotated[beliefs.Normal, Tag("normal")]
    | Annotated[beliefs.Lognormal, Tag("lognormal")]
)
Number = Annotated[
    Annotated[Ratio, Tag("number")] | Annotated[Between, Tag("between")] | Distribution,
    Discriminator(_kind),
    BeforeValidator(_in_a_known_form),
]
# A change relative to what is there: its interval may lie below 0.
Change = Annotated[
    Annotated[Ratio, Tag("number")]
    | Annotated[beliefs.BetweenChanges, Tag("between")]
    | Distribution,
    Discriminator(_kind),
    BeforeValidator(_in_a_known_form),
]
Probability = Annotated[Number, AfterValidator(PROBABILITY.check)]


class Sized(Frozen):
    """A size that each event draws anew, with that mean and standard deviation."""

    mean: Annotated[Positive, AfterValidator(MEAN.check)]
    sd: Annotated[Finite, Field(ge=0, le=100, json_schema_extra=AS_PERCENT), OR_PERCENT]

    @property
    def span(self) -> tuple[float, float]:
        """Between which sizes nine of ten events lie."""
        if not self.sd:
            return self.mean, self.mean
        low, high = self._distribution().quantile(np.array([-Z90, Z90]), share=True)
        return float(low), float(high)

    def _distribution(self) -> beliefs.Beta | beliefs.Lognormal:
        return beliefs.Lognormal(dist="lognormal", mean=self.mean, sd=self.sd)

    @model_validator(mode="after")
    def _not_too_uneven(self) -> Self:
        if 0 < self.sd < SMALLEST:
            raise ValueError(f"sd {self.sd:g} is too small to matter; write 0")
        if self.sd > MOST_UNEVEN * self.mean:
            raise ValueError(
                f"sd {self.sd:g} is more than {MOST_UNEVEN:g} times the mean {self.mean:g}"
                + self._hint()
            )
        return self

    def _hint(self) -> str:
        """What is meant if what is above 1 is a percentage, and that may be."""
        stated = {"mean": self.mean, "sd": self.sd}
        meant = {
            name: each if each <= 1 else float(Decimal(str(each)).scaleb(-2))
            for name, each in stated.items()
        }
        with suppress(ValueError):
            return "" if meant == stated else f"; did you mean {shown(type(self)(**meant))}?"
        return ""


class LossSize(Sized):
    """The share that one contraction takes: Beta."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.mean >= 1 or self.sd**2 >= self.mean * (1 - self.mean):
            raise ValueError(
                f"no Beta has mean {self.mean:g} and sd {self.sd:g}: a share needs a mean below 1"
                f" and sd^2 < mean (1 - mean){self._hint()}"
            )
        if self.sd**2 > MOST_OF_A_BETA * self.mean * (1 - self.mean):
            raise ValueError(
                f"a Beta with mean {self.mean:g} and sd {self.sd:g} is all or nothing; an sd of at"
                f" most {np.sqrt(MOST_OF_A_BETA * self.mean * (1 - self.mean)):.3g} can be used"
            )
        return self

    def _distribution(self) -> beliefs.Beta:
        a, b = beliefs.beta_of(self.mean, self.sd)
        return beliefs.Beta(dist="beta", a=a, b=b)


class GainSize(Sized):
    """The share that one adoption or cross-sell adds: lognormal."""


def _size_kind(value: Any) -> str:
    is_sized = (
        isinstance(value, Mapping)
        and not {"between", "dist"} & set(value)
        and {"mean", "sd"} & set(value)
    )
    return "sized" if is_sized or isinstance(value, Sized) else "number"


Loss = Annotated[
    Annotated[Annotated[Number, AfterValidator(LOSS.check)], Tag("number")]
    | Annotated[LossSize, Tag("sized")],
    Discriminator(_size_kind),
]
Gain = Annotated[
    Annotated[Annotated[Number, AfterValidator(GAIN.check)], Tag("number")]
    | Annotated[GainSize, Tag("sized")],
    Discriminator(_size_kind),
]
