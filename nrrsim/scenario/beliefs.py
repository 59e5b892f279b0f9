"""A belief about a number in, its values at normal scores out; never knows what it drives.

A belief is drawn once per trial, at a normal score that the engine draws. Ties between beliefs are
those of their scores (Gaussian copula).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator
from scipy import special

# The 95 % point of the standard normal: the ends of a 90 % interval lie there on both sides.
Z90 = 1.6448536269514722
PERT_WEIGHT = 4.0
SMALLEST_EIGENVALUE = 1e-8
Finite = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Positive = Annotated[Finite, Field(gt=0)]


class Frozen(BaseModel):
    """A value: what it holds cannot be changed, and what it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Between(Frozen):
    """A 90 % interval: logit-normal for a share or a probability, lognormal for the rest."""

    between: tuple[Finite, Finite]

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


class Uniform(Frozen):
    """Any value from `min` to `max` is equally likely."""

    dist: Literal["uniform"]
    min: Finite
    max: Finite

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min < self.max:
            raise ValueError(f"min must be below max, got {self.min:g} and {self.max:g}")
        return self

    def quantile(self, z: np.ndarray, share: bool) -> np.ndarray:
        return np.asarray(self.min + (self.max - self.min) * special.ndtr(z))


class _Peaked(Frozen):
    min: Finite
    mode: Finite
    max: Finite

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
        a = 1 + PERT_WEIGHT * (self.mode - self.min) / width
        b = 1 + PERT_WEIGHT * (self.max - self.mode) / width
        return np.asarray(self.min + width * special.betaincinv(a, b, special.ndtr(z)))


class Triangular(_Peaked):
    """A straight rise from `min` to `mode` and a straight fall to `max`."""

    dist: Literal["triangular"]

    def quantile(self, z: np.ndarray, share: bool) -> np.ndarray:
        width, rise, u = self.max - self.min, self.mode - self.min, special.ndtr(z)
        rising = self.min + np.sqrt(u * width * rise)
        # ndtr(-z), as 1 - u would have lost its digits near the end
        falling = self.max - np.sqrt(special.ndtr(-z) * width * (self.max - self.mode))
        return np.asarray(np.where(u * width < rise, rising, falling))


class Beta(Frozen):
    """A share with `a` - 1 successes and `b` - 1 failures seen."""

    dist: Literal["beta"]
    a: Positive
    b: Positive

    def quantile(self, z: np.ndarray, share: bool) -> np.ndarray:
        return np.asarray(special.betaincinv(self.a, self.b, special.ndtr(z)))


class Normal(Frozen):
    """`mean` and `sd` are the variable's own, before draws outside the field's range are cut."""

    dist: Literal["normal"]
    mean: Finite
    sd: Positive

    def quantile(self, z: np.ndarray, share: bool) -> np.ndarray:
        return np.asarray(self.mean + self.sd * z)


class Lognormal(Frozen):
    """`mean` and `sd` are the variable's own, not those of its logarithm."""

    dist: Literal["lognormal"]
    mean: Positive
    sd: Positive

    def quantile(self, z: np.ndarray, share: bool) -> np.ndarray:
        mu, sigma = lognormal_of(self.mean, self.sd)
        return np.asarray(np.exp(mu + sigma * z))


Dist = Annotated[
    Uniform | Pert | Triangular | Beta | Normal | Lognormal, Field(discriminator="dist")
]
Belief = Between | Uniform | Pert | Triangular | Beta | Normal | Lognormal


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
    """The belief's values at normal scores `z`, cut to the range of the number it stands for."""
    return np.asarray(np.clip(belief.quantile(z, share), low, high))


def middle(value: Any, share: bool) -> float:
    """Where a number or a belief has its middle: the median, or the mean of a Beta."""
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, Beta):
        return value.a / (value.a + value.b)
    return float(value.quantile(np.zeros(1), share)[0])


def moved(value: Any, to: float, share: bool) -> Any:
    """The plain values of a number or a belief with its middle at `to`.

    It is as uncertain as it was, in proportion to its middle, or in log odds (the interval of a
    share). A belief whose middle goes to an end of what it can be is certain.
    """
    was = middle(value, share)
    is_at_end = to <= 0 or was <= 0 or (share and to >= 1)
    if isinstance(value, int | float) or is_at_end:
        return to
    if isinstance(value, Between) and share:
        shift = special.logit(to) - special.logit(was)
        ends = special.expit(special.logit(np.array(value.between)) + shift)
        return {"between": [tidy(each) for each in ends]}
    plain = value.model_dump()
    if isinstance(value, Beta):
        seen = value.a + value.b
        return plain | {"a": tidy(seen * to), "b": tidy(seen * (1 - to))}
    factor = to / was
    if isinstance(value, Between):
        return {"between": [tidy(each * factor) for each in value.between]}
    return {name: each if name == "dist" else tidy(each * factor) for name, each in plain.items()}


def tidy(value: Any) -> float:
    """A number with four significant digits, as one would write it."""
    return float(f"{float(value):.4g}")
