"""A belief about a number in, its values at normal scores out; never knows what it drives.

A belief is drawn once per trial, at a normal score that the engine draws. Ties between beliefs are
those of their scores (Gaussian copula). What of a belief lies outside the range of its number is
cut away, and what lies inside takes its place: no draw is set to the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from math import exp, inf, log
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator
from pydantic.config import JsonDict

from nrrsim import special
from nrrsim.messages import PERCENT, as_whole, of_percent

# The 95 % point of the standard normal: the ends of a 90 % interval lie there on both sides.
Z90 = 1.6448536269514722
PERT_WEIGHT = 4.0
SMALLEST_EIGENVALUE = 1e-8
LEAST_INSIDE = 0.01  # of a belief, in the range of its number
LEAST_CUT = 1e-6  # of a belief
MOST_KEPT = 4096  # scores of a belief whose values are kept for the next time
# Of the quadrature of a mean: scores from -14 to 14, in pieces of 0.1, each by Gauss and Legendre.
FARTHEST, PIECES, NODES = 14.0, 280, 5
Finite = Annotated[float, Strict(), Field(allow_inf_nan=False)]
# A ratio may be written in percent; a whole number, as 6.0 or 1e3.
AS_PERCENT: JsonDict = {"type": ["number", "string"], "pattern": PERCENT}
OR_PERCENT, OR_DECIMAL = BeforeValidator(of_percent), BeforeValidator(as_whole)
Ratio = Annotated[Finite, Field(json_schema_extra=AS_PERCENT), OR_PERCENT]
Positive = Annotated[Finite, Field(gt=0, json_schema_extra=AS_PERCENT), OR_PERCENT]


class Frozen(BaseModel):
    """A value: what it holds cannot be changed, and what it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Between(Frozen):
    """A 90 % interval: logit-normal for a share or a probability, lognormal for the rest."""

    between: tuple[Ratio, Ratio]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.between
        if not 0 < low < high:
            raise ValueError(
                f"an interval is [low, high] with 0 < low < high, got [{low:g}, {high:g}]"
            )
        return self

    def quantile(self, z: np.ndarray, share: bool) -> np.ndarray:
        ends = np.array(self.between)
        low, high = special.logit(ends) if share else np.log(ends)
        scaled = (low + high) / 2 + z * (high - low) / (2 * Z90)
        return np.asarray(special.expit(scaled) if share else np.exp(scaled))

    def score(self, at: float, share: bool) -> float:
        if at <= 0 or (share and at >= 1):
            return -inf if at <= 0 else inf
        points = np.array([*self.between, at])
        low, high, here = special.logit(points) if share else np.log(points)
        return float((here - (low + high) / 2) * 2 * Z90 / (high - low))


class BetweenChanges(Between):
    """A 90 % interval of a change (-0.3: three tenths less): lognormal in the factor 1 + change."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.between
        if not -1 < low < high:
            meant = tuple(each / 100 for each in self.between)
            hint = (
                f"; did you mean [{meant[0]:g}, {meant[1]:g}]?" if -1 < meant[0] < meant[1] else ""
            )
            raise ValueError(
                "an interval of an effect is [low, high] with -100% < low < high, got"
                f" [{low:g}, {high:g}]{hint if low < high else ''}"
            )
        return self

    def quantile(self, z: np.ndarray, share: bool) -> np.ndarray:
        low, high = np.log1p(self.between)
        return np.asarray(np.expm1((low + high) / 2 + z * (high - low) / (2 * Z90)))

    def score(self, at: float, share: bool) -> float:
        if at <= -1:
            return -inf
        low, high, here = np.log1p([*self.between, at])
        return float((here - (low + high) / 2) * 2 * Z90 / (high - low))


class Uniform(Frozen):
    """Any value from `min` to `max` is equally likely."""

    dist: Literal["uniform"]
    min: Ratio
    max: Ratio

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min < self.max:
            raise ValueError(f"min must be below max, got {self.min:g} and {self.max:g}")
        return self

    def quantile(self, z: np.ndarray, share: bool) -> np.ndarray:
        return np.asarray(self.min + (self.max - self.min) * special.ndtr(z))

    def score(self, at: float, share: bool) -> float:
        at, width = min(max(at, self.min), self.max), self.max - self.min
        return _score((at - self.min) / width, (self.max - at) / width)


class _Peaked(Frozen):
    min: Ratio
    mode: Ratio
    max: Ratio

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not (self.min <= self.mode <= self.max and self.min < self.max):
            raise ValueError(
                f"must be min <= mode <= max, got {self.min:g}, {self.mode:g} and {self.max:g}"
            )
        return self


class Pert(_Peaked):
    """A Beta between `min` and `max` whose mean is (min + 4 mode + max) / 6."""

    dist: Literal["pert"]

    def quantile(self, z: np.ndarray, share: bool) -> np.ndarray:
        width = self.max - self.min
        a, b = self._shape
        return np.asarray(self.min + width * _beta_at(a, b, z))

    def score(self, at: float, share: bool) -> float:
        inside = (min(max(at, self.min), self.max) - self.min) / (self.max - self.min)
        return _score(
            special.betainc(*self._shape, inside),
            special.betaincc(*self._shape, inside),
        )

    @property
    def _shape(self) -> tuple[float, float]:
        width = self.max - self.min
        a = 1 + PERT_WEIGHT * (self.mode - self.min) / width
        return a, 1 + PERT_WEIGHT * (self.max - self.mode) / width


class Triangular(_Peaked):
    """A straight rise from `min` to `mode` and a straight fall to `max`."""

    dist: Literal["triangular"]

    def quantile(self, z: np.ndarray, share: bool) -> np.ndarray:
        width, rise, u = self.max - self.min, self.mode - self.min, special.ndtr(z)
        rising = self.min + np.sqrt(u * width * rise)
        # ndtr(-z), as 1 - u would have lost its digits near the end
        falling = self.max - np.sqrt(special.ndtr(-z) * width * (self.max - self.mode))
        return np.asarray(np.where(u * width < rise, rising, falling))

    def score(self, at: float, share: bool) -> float:
        width, at = self.max - self.min, min(max(at, self.min), self.max)
        if at <= self.mode and self.mode > self.min:
            below = (at - self.min) ** 2 / (width * (self.mode - self.min))
            return _score(below, 1 - below)
        if at <= self.mode:
            return -inf
        above = (self.max - at) ** 2 / (width * (self.max - self.mode))
        return _score(1 - above, above)


class Beta(Frozen):
    """A share with `a` - 1 successes and `b` - 1 failures seen."""

    dist: Literal["beta"]
    a: Annotated[Finite, Field(gt=0)]
    b: Annotated[Finite, Field(gt=0)]

    def quantile(self, z: np.ndarray, share: bool) -> np.ndarray:
        return _beta_at(self.a, self.b, z)

    def score(self, at: float, share: bool) -> float:
        at = min(max(at, 0.0), 1.0)
        return _score(special.betainc(self.a, self.b, at), special.betaincc(self.a, self.b, at))


class Normal(Frozen):
    """`mean` and `sd` are the variable's own, before draws outside the field's range are cut."""

    dist: Literal["normal"]
    mean: Ratio
    sd: Positive

    def quantile(self, z: np.ndarray, share: bool) -> np.ndarray:
        return np.asarray(self.mean + self.sd * z)

    def score(self, at: float, share: bool) -> float:
        return (at - self.mean) / self.sd


class Lognormal(Frozen):
    """`mean` and `sd` are the variable's own, not those of its logarithm."""

    dist: Literal["lognormal"]
    mean: Positive
    sd: Positive

    def quantile(self, z: np.ndarray, share: bool) -> np.ndarray:
        mu, sigma = lognormal_of(self.mean, self.sd)
        return np.asarray(np.exp(mu + sigma * z))

    def score(self, at: float, share: bool) -> float:
        mu, sigma = lognormal_of(self.mean, self.sd)
        return float((np.log(at) - mu) / sigma) if at > 0 else -inf


Belief = Between | Uniform | Pert | Triangular | Beta | Normal | Lognormal


def _beta_at(a: float, b: float, z: np.ndarray) -> np.ndarray:
    """The values of a Beta variable at normal scores."""
    return (_kept_beta if z.size <= MOST_KEPT else _beta)(a, b, z.tobytes()).reshape(z.shape)


def _beta(a: float, b: float, scores: bytes) -> np.ndarray:
    """Each distinct score is inverted once, at about a microsecond."""
    z, place = np.unique(np.frombuffer(scores), return_inverse=True)
    values = special.betaincinv(a, b, special.ndtr(z))[place]
    values.setflags(write=False)
    return np.asarray(values)


# What an expectation hangs on is asked with all beliefs but one as they were.
_kept_beta = lru_cache(512)(_beta)


def lognormal_of(mean: float, sd: float) -> tuple[float, float]:
    """Mean and sd of the logarithm of a lognormal variable with that `mean` and `sd`."""
    variance = np.log1p((sd / mean) ** 2)
    return float(np.log(mean) - variance / 2), float(np.sqrt(variance))


def beta_of(mean: float, sd: float) -> tuple[float, float]:
    """The parameters of a Beta variable of that `mean` and `sd`; needs sd^2 < mean (1 - mean)."""
    weight = mean * (1 - mean) / sd**2 - 1
    return mean * weight, (1 - mean) * weight


def correlation_matrix(
    correlations: Sequence[tuple[str, str, float]],
) -> tuple[list[str], np.ndarray, float]:
    """The names, their positive definite matrix, and by how much it had to be changed for that."""
    names = list(dict.fromkeys(name for a, b, _ in correlations for name in (a, b)))
    matrix = np.eye(len(names))
    for a, b, rho in correlations:
        i, j = names.index(a), names.index(b)
        matrix[i, j] = matrix[j, i] = rho
    if np.linalg.eigvalsh(matrix)[0] >= SMALLEST_EIGENVALUE:
        return names, matrix, 0.0
    repaired = _nearest_correlation(matrix)
    return names, repaired, float(np.abs(repaired - matrix).max())


def _nearest_correlation(matrix: np.ndarray) -> np.ndarray:
    """The nearest correlation matrix (Frobenius norm) by alternating projections (Higham 2002)."""
    current, correction = matrix.copy(), np.zeros_like(matrix)
    for _ in range(1000):
        # to the nearest positive matrix, and from there to the nearest one with a unit diagonal;
        # the correction (Dykstra's) is what makes the two end at the nearest that is both
        shifted = current - correction
        values, vectors = np.linalg.eigh(shifted)
        positive = (vectors * np.maximum(values, 2 * SMALLEST_EIGENVALUE)) @ vectors.T
        correction = positive - shifted
        previous, current = current, positive.copy()
        np.fill_diagonal(current, 1.0)
        if np.abs(current - previous).max() < 1e-12:
            break

    # the last positive matrix, not the last unit one: positive it must be, the diagonal can be set
    scale = 1 / np.sqrt(np.diag(positive))
    return np.asarray(positive * np.outer(scale, scale))


def quantile(belief: Any, z: np.ndarray, low: float, high: float, share: bool) -> np.ndarray:
    """The belief's values at normal scores `z`, cut to the range of the number it stands for.

    Of a belief that lies wholly inside each draw is what it is. Of another, what lies inside is all
    there is.
    """
    first, last = ends(belief, low, high, share)
    # where hardly a draw in a million lies outside, those inside are left as they are
    is_hardly_cut = 1 - _mass(first, last) < LEAST_CUT
    if not is_hardly_cut or ((z < first) | (z > last)).any():
        z = np.where(is_hardly_cut & (first <= z) & (z <= last), z, _within(z, first, last))
    # the bound itself is where rounding left the range
    return np.asarray(np.clip(belief.quantile(z, share), low, high))


def ends(belief: Any, low: float, high: float, share: bool) -> tuple[float, float]:
    """The normal scores between which a belief lies in the range of its number."""
    return belief.score(low, share), belief.score(high, share)


def inside(belief: Any, low: float, high: float, share: bool) -> float:
    """How much of a belief lies in the range of its number: 1 is all of it."""
    return _mass(*ends(belief, low, high, share))


def mean(value: Any, low: float, high: float, share: bool) -> float:
    """The mean of a number or a belief as it acts: of what lies in the range of its number."""
    if isinstance(value, int | float):
        return float(value)
    first, last = ends(value, low, high, share)
    if first >= FARTHEST or last <= -FARTHEST:
        return low if first > 0 else high
    edges = np.linspace(max(first, -FARTHEST), min(last, FARTHEST), PIECES + 1)
    if isinstance(value, Triangular):
        # at its peak the values have a kink, which no piece may hold within it
        peak = np.clip(value.score(value.mode, share), edges[0], edges[-1])
        edges = np.sort(np.append(edges, peak))
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(edges)[:, None] / 2
    z = edges[:-1, None] + half * (1 + nodes)
    density = weights * half * np.exp(-(z**2) / 2)
    values = np.clip(value.quantile(z, share), low, high)
    return float((density * values).sum() / density.sum())


def _score(below: float, above: float) -> float:
    """The normal score below which, and above which, so much lies."""
    # from the smaller side, as 1 less a small number has lost its digits
    return float(special.ndtri(below) if below < above else -special.ndtri(above))


def _mass(first: float, last: float) -> float:
    """How much of a standard normal lies between two scores."""
    if first > 0:
        first, last = -last, -first
    return float(special.ndtr(last) - special.ndtr(first))


def _within(z: np.ndarray, first: float, last: float) -> np.ndarray:
    """Standard normal scores as those of a normal that is cut to `first` to `last`."""
    mass = _mass(first, last)
    below = special.ndtr(first) + special.ndtr(z) * mass
    above = special.ndtr(-last) + special.ndtr(-z) * mass
    # each from its own side, as 1 less a small number has lost its digits
    return np.asarray(np.where(below < above, special.ndtri(below), -special.ndtri(above)))


def moved(value: Any, to: float, low: float, high: float, share: bool) -> Any:
    """The plain values of a number or a belief whose mean, as it acts, is `to`.

    It is as uncertain as it was, in proportion to its mean, or in log odds (the interval of a
    share). A belief that cannot have such a mean, as one at an end of its range, is certain.
    """
    if isinstance(value, int | float):
        return to
    from scipy.optimize import brentq

    def off(by: float) -> float:
        return mean(_shifted(value, by, share), low, high, share) - to

    was = mean(value, low, high, share)
    if not (0 < to < min(high, 1.0 if share else inf) and was > 0):
        return to
    by = (
        float(special.logit(to) - special.logit(was))
        if _in_log_odds(value, share)
        else log(to / was)
    )
    with suppress(ValueError, ArithmeticError):
        # exact where nothing is cut; else the more is cut, the farther it has to go
        if abs(off(by)) > 1e-6 * to:
            by = float(brentq(off, by - 3, by + 3, xtol=1e-9))
        told = type(value).model_validate(_plain(_shifted(value, by, share)))
        if inside(told, low, high, share) >= LEAST_INSIDE:
            return _plain(told)
    return to


def tidy(value: Any) -> float:
    """A number with four significant digits, as one would write it."""
    return float(f"{float(value):.4g}")


def _in_log_odds(value: Any, share: bool) -> bool:
    return isinstance(value, Beta) or (isinstance(value, Between) and share)


def _shifted(value: Any, by: float, share: bool) -> Any:
    """A belief moved in log odds (the interval of a share, a Beta), or in logs."""
    if isinstance(value, Beta):
        seen = value.a + value.b
        now = float(special.expit(special.logit(value.a / seen) + by))
        return value.model_copy(update={"a": seen * now, "b": seen * (1 - now)})
    if isinstance(value, Between) and share:
        odds = special.logit(np.array(value.between)) + by
        return value.model_copy(update={"between": tuple(map(float, special.expit(odds)))})
    factor, stated = exp(by), value.model_dump(exclude={"dist"})
    if isinstance(value, Between):
        return value.model_copy(update={"between": tuple(each * factor for each in value.between)})
    return value.model_copy(update={name: each * factor for name, each in stated.items()})


def _plain(value: Any) -> dict[str, Any]:
    """A belief as a file states it, its numbers as one would write them."""
    if isinstance(value, Between):
        return {"between": [tidy(each) for each in value.between]}
    return {
        name: each if name == "dist" else tidy(each) for name, each in value.model_dump().items()
    }
