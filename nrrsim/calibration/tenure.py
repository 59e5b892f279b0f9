"""Who left and who stayed by tenure year in, churn that falls with tenure out; never a size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # whose `optimize` is loaded when it is first asked for

from nrrsim import special
from nrrsim.calibration.exposure import Exposure
from nrrsim.notation import label

LOWER_AIC = 10.0  # by how much a tenure curve must be better than a constant churn


@dataclass(frozen=True)
class Curve:
    """A shifted beta-geometric churn (Fader and Hardie 2007) by maximum likelihood.

    `errors`: standard errors of the logarithms of `alpha` and `beta`, `rho` their correlation;
    `gain`: the AIC of a constant churn less its own.
    """

    alpha: float
    beta: float
    errors: tuple[float, float]
    rho: float
    gain: float
    log_likelihood: float


def fit_curve(
    lost: Sequence[float] | np.ndarray, kept: Sequence[float] | np.ndarray, power: float = 1.0
) -> Curve:
    """The curve that speaks best for who was lost and kept in tenure year 1, 2, ...

    power : chances a year, of which `lost` and `kept` count each: 1 where they are whole years.
    """
    lost, kept = np.asarray(lost, float), np.asarray(kept, float)
    year = np.arange(len(lost))

    def likelihood(theta: np.ndarray) -> float:
        stays = np.log1p(-theta) / power
        return float((lost * np.log(-np.expm1(stays)) + kept * stays).sum())

    def unlikely(log: np.ndarray) -> float:
        alpha, beta = np.exp(np.clip(log, -6, 9))
        return -likelihood(np.clip(alpha / (alpha + beta + year), 1e-12, 1 - 1e-12))

    # from the constant churn of a year, once with much and once with little difference between
    # customers (alpha + beta is 1 and 10)
    share = np.clip(lost.sum() / max(lost.sum() + kept.sum(), 1e-9), 1e-6, 1 - 1e-6)
    mean = -np.expm1(power * np.log1p(-share))
    starts = [np.log([mean * n, (1 - mean) * n]) for n in (1.0, 10.0)]
    options = {"xatol": 1e-7, "fatol": 1e-9, "maxiter": 2000}
    found = min(
        (
            scipy.optimize.minimize(unlikely, x, method="Nelder-Mead", options=options)
            for x in starts
        ),
        key=lambda f: f.fun,
    )

    # the second derivatives there, by central differences: their inverse is the covariance of the
    # two logarithms
    x, h = found.x, 1e-3
    steps = np.eye(2) * h
    corners = [
        [
            unlikely(x + p + q) - unlikely(x + p - q) - unlikely(x - p + q) + unlikely(x - p - q)
            for q in steps
        ]
        for p in steps
    ]
    bend = np.array(corners) / (4 * h * h)
    try:
        covariance = np.linalg.inv(bend)
    except np.linalg.LinAlgError:
        covariance = np.eye(2)
    # where the likelihood is too flat to tell, they are as uncertain as is let through, and untied
    variances, errors, rho = np.diag(covariance), np.ones(2), 0.0
    if (variances > 0).all():
        errors = np.sqrt(np.clip(variances, 1e-6, 1.0))
        rho = float(np.clip(covariance[0, 1] / np.sqrt(variances.prod()), -0.99, 0.99))

    constant = likelihood(np.full(len(lost), mean))
    alpha, beta = np.exp(np.clip(x, -6, 9))
    # AIC: two for each parameter, one of them or two
    gain = (2 - 2 * constant) - (4 + 2 * found.fun)
    return Curve(
        float(alpha),
        float(beta),
        (float(errors[0]), float(errors[1])),
        rho,
        float(gain),
        float(-found.fun),
    )


def tenure_curves(exposure: Exposure, annual: np.ndarray) -> tuple[dict[str, Curve], list[str]]:
    """The segments whose churn falls with tenure clearly enough, where the tenure is known."""
    curves, notes = {}, []
    part = exposure.chances("churn", annual) * exposure.weight
    known = ~np.isnan(exposure.age)
    for number, name in enumerate(exposure.segments):
        mine = known & (exposure.segment == number)
        year = np.floor(exposure.age[mine] / 12).astype(int)
        if len(set(year)) < 2:
            continue
        gone = exposure.amount["churn"][mine] > 0
        chances = np.bincount(year, part[mine])
        lost = np.bincount(year, exposure.weight[mine] * gone, len(chances))
        kept = np.maximum(chances - lost, 0)
        # a cheap bound first: most segments have no curve
        if _most_gain(lost, kept) <= LOWER_AIC:
            continue
        curve = fit_curve(lost, kept, 1.0 if annual[number] else exposure.a_year)
        # beyond, alpha and beta tell a constant churn: one rate says it better
        if curve.gain > LOWER_AIC and max(curve.alpha, curve.beta) < 1e4:
            curves[name] = curve
            notes.append(
                f"{label(name)}: churn falls with tenure (AIC lower by {curve.gain:.0f}), so it is"
                " a curve, not one rate"
            )
    return curves, notes


def _most_gain(lost: np.ndarray, kept: np.ndarray) -> float:
    """The AIC that a curve could save at most: what a rate of its own for each year would."""

    def likelihood(k: Any, rest: Any) -> float:
        return float(
            (
                special.xlogy(k, k) + special.xlogy(rest, rest) - special.xlogy(k + rest, k + rest)
            ).sum()
        )

    return 2 * (likelihood(lost, kept) - likelihood(lost.sum(), kept.sum())) - 2
