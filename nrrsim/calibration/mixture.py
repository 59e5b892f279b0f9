"""A ledger and draws of its model in, the published forecast and the rules it must beat out; never
looks past `as_of`.

Each is a distribution of 200 quantiles. The published one is made of three that know different
things: customers' own past (`ratios`), the book's past figures, and the model of drivers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from nrrsim.calibration.ratios import (  # fmt: skip
    DRAWS,
    LEVELS,
    MEASURES,
    MOST,
    YEAR,
    Group,
    OwnPast,
    PastYears,
    own_past,
)
from nrrsim.engine.draws import SEED
from nrrsim.ledger.ledger import Ledger, as_ledger

PAST = 0.3  # weight of past figures in the forecast of a year
MODEL_OF_LOGO = 0.5  # of the model in the whole book's logo retention
UNKNOWN = 0.03  # by how much a single past figure may be off
NORMAL = special.ndtri(LEVELS)


@dataclass(frozen=True)
class Mixture:
    """What is published, and what it is made of; by group (None: the whole book, or a segment).

    published : `ndarray[measure, 200]`. ingredients : the same of `ratios`, `past` and `model`, nan
        where an ingredient says nothing. weights : how much of each ingredient is in each measure.
    years : how many past years, one after the other, the figures of a group are known of.
    own_past : what the ratios rest on.
    """

    published: dict[Group, np.ndarray]
    ingredients: dict[str, dict[Group, np.ndarray]]
    weights: dict[Group, dict[str, np.ndarray]]
    years: dict[Group, int]
    own_past: OwnPast


def mixed(
    ledger: Ledger,
    as_of: str,
    model: Mapping[tuple[str, Group], Any],
    *,
    horizon: int = YEAR,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Mixture:
    """The forecast of the twelve months that end `horizon` months after `as_of`.

    model : draws of the structural model, by measure and group; those that are not given have no
        part in it.

    Raises UsageError as `own_past` does.
    """
    ledger = as_ledger(ledger)
    own = own_past(ledger, as_of, horizon=horizon, draws=draws, seed=seed)
    past = PastYears.of(ledger, as_of)
    none = np.full((len(MEASURES), len(LEVELS)), np.nan)
    ingredients: dict[str, dict[Group, np.ndarray]] = {
        "ratios": own.quantiles,
        "past": {},
        "model": {},
    }
    published, weights = {}, {}
    for group, ratios in own.quantiles.items():
        parts = {"ratios": ratios, "past": _past(past, group), "model": none.copy()}
        for k, measure in enumerate(MEASURES):
            if (measure, group) in model:
                parts["model"][k] = _even(np.asarray(model[measure, group], float), MOST[k])
        weight = _weights(parts, group, horizon)
        shares = np.array([weight[name] for name in parts])[:, :, None]
        known = np.nan_to_num(np.array(list(parts.values())))
        published[group] = (shares * known).sum(axis=0)
        weights[group] = weight
        for name in ("past", "model"):
            ingredients[name][group] = parts[name]
    return Mixture(published, ingredients, weights, own.years, own)


def _weights(parts: Mapping[str, np.ndarray], group: Group, horizon: int) -> dict[str, np.ndarray]:
    """`ndarray[measure]` by ingredient: what is not known has none, and the less of a year is to
    come, the more the ratios have, which know the rest.
    """
    there = {name: np.isfinite(part[:, 0]) for name, part in parts.items()}
    is_logo = np.array([measure == "logo" for measure in MEASURES])
    model = MODEL_OF_LOGO * (is_logo & there["model"] & (group is None))
    past = PAST * (there["past"] & (model == 0))
    model, past = model * horizon / YEAR, past * horizon / YEAR
    return {"ratios": 1 - model - past, "past": past, "model": model}


def past_figures(ledger: Ledger, as_of: str, segment: str | None = None) -> np.ndarray:
    """`ndarray[measure, 200]`: past figures as a distribution, the wider the fewer years are known.

    Those of every quarter's end (or step). nan where there is none.
    """
    return _past(PastYears.of(as_ledger(ledger), as_of), segment)


def rules(ledger: Ledger, as_of: str, segment: str | None = None) -> dict[str, np.ndarray]:
    """Forecasts that need no model, as distributions: `ndarray[measure, 200]` each; nan where there
    is no past figure.

    last : as the last year, normal, with the spread of changes from year to year. mean : as the
    mean of all years, with their spread. past : as `past_figures`.
    """
    past = PastYears.of(as_ledger(ledger), as_of)
    y = past.known(segment, yearly=True)
    found = {"past": _past(past, segment)}
    if not len(y):
        return dict.fromkeys(("last", "mean"), found["past"]) | found
    changes = UNKNOWN**2 + (np.diff(y, axis=0) ** 2).sum(axis=0)
    around = UNKNOWN**2 + ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    return {
        "last": _normal(y[0], changes / len(y)),
        "mean": _normal(y.mean(axis=0), around / len(y) * (1 + 1 / len(y))),
    } | found


def _past(past: PastYears, group: Group) -> np.ndarray:
    figures, years = past.known(group), len(past.known(group, yearly=True))
    if not len(figures):
        return np.full((len(MEASURES), len(LEVELS)), np.nan)
    seen = np.quantile(figures, LEVELS, axis=0, method="hazen").T
    return _possible(seen + UNKNOWN / np.sqrt(max(1, years)) * NORMAL)


def _normal(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return _possible(mean[:, None] + np.sqrt(variance)[:, None] * NORMAL)


def _possible(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(values, 0, MOST[:, None]))


def _even(drawn: np.ndarray, most: float) -> np.ndarray:
    return np.asarray(np.quantile(np.clip(drawn, 0, most), LEVELS, method="hazen"))
