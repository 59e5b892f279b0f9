"""A ledger and what its model says in, the published forecast and the rules it must beat out; never
looks past `as_of`.

Each is a distribution of 200 quantiles. The published one is made of three that know different
things: customers' own past (`ratios`), the book's past figures, and the model of drivers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from nrrsim import special
from nrrsim.calibration.ratios import (
    DRAWS,
    LEVELS,
    MEASURES,
    MOST,
    YEAR,
    Group,
    OwnPast,
    PastYears,
    own_past,
    quantiles,
)
from nrrsim.engine.draws import SEED
from nrrsim.ledger.ledger import Ledger, as_ledger

PAST = 0.3  # weight of past figures in the forecast of a year
MODEL_OF_LOGO = 0.5  # of the model in the whole book's logo retention, where past figures have none
UNKNOWN = 0.03  # by how much a single past figure may be off
NORMAL = special.ndtri(LEVELS)
INGREDIENTS = ("ratios", "past", "model")
BY_GROUP = tuple(each.name for each in fields(OwnPast) if each.name != "past")


@dataclass(frozen=True)
class Mixture:
    """What is published, and what it is made of; by group (None: the whole book, or a segment).

    published : `ndarray[measure, 200]`. ingredients : the same of `ratios`, `past` and `model`, nan
        where one says nothing. weights : `ndarray[measure]`, how much of each ingredient is in it.
    own_past : what the ratios and the figures rest on.
    """

    published: dict[Group, np.ndarray]
    ingredients: dict[str, dict[Group, np.ndarray]]
    weights: dict[str, dict[Group, np.ndarray]]
    own_past: OwnPast

    def plain(self) -> dict[str, Any]:
        """All of it but the past years, as `cache` keeps it."""
        groups = [*self.published]

        def in_order(by_group: Mapping[Group, Any]) -> list[Any]:
            return [by_group[group] for group in groups]

        return {
            "groups": groups,
            "published": in_order(self.published),
            "ingredients": {name: in_order(each) for name, each in self.ingredients.items()},
            "weights": {name: in_order(each) for name, each in self.weights.items()},
            "own_past": {name: in_order(getattr(self.own_past, name)) for name in BY_GROUP},
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any], past: PastYears) -> Mixture:
        """What `plain` was made of. past : the past years of the same ledger and month."""

        def by_group(values: Sequence[Any]) -> dict[Group, Any]:
            return dict(zip(plain["groups"], values, strict=True))

        def by_name(told: Mapping[str, Sequence[Any]]) -> dict[str, dict[Group, Any]]:
            return {name: by_group(each) for name, each in told.items()}

        own = OwnPast(**by_name(plain["own_past"]), past=past)
        made_of, weights = by_name(plain["ingredients"]), by_name(plain["weights"])
        return cls(by_group(plain["published"]), made_of, weights, own)

    @property
    def years(self) -> dict[Group, int]:
        """How many past years, one after the other, a group's figures are known of."""
        return self.own_past.years

    def rules(self, group: Group = None) -> dict[str, np.ndarray]:
        """What `rules` gives for the same ledger and month."""
        return _rules(self.own_past.past, group)


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

    Its quantiles are averages of its ingredients' quantiles. model : equally likely values of the
    structural model (quantiles at `LEVELS`, or draws), by measure and group; what is not given has
    no part in it.

    Raises UsageError as `own_past` does.
    """
    own = own_past(ledger, as_of, horizon=horizon, draws=draws, seed=seed)
    made_of: dict[str, dict[Group, np.ndarray]] = {
        "ratios": own.quantiles,
        "past": {group: _past(own.past, group) for group in own.quantiles},
        "model": {group: _model(model, group) for group in own.quantiles},
    }
    weights: dict[str, dict[Group, np.ndarray]] = {name: {} for name in INGREDIENTS}
    published = {}
    for group in own.quantiles:
        parts = np.stack([made_of[name][group] for name in INGREDIENTS])
        shares = _weights(np.isfinite(parts[:, :, 0]), group, horizon)
        published[group] = (shares[:, :, None] * np.nan_to_num(parts)).sum(axis=0)
        for name, share in zip(INGREDIENTS, shares, strict=True):
            weights[name][group] = share
    return Mixture(published, made_of, weights, own)


def _model(draws: Mapping[tuple[str, Group], Any], group: Group) -> np.ndarray:
    """`ndarray[measure, 200]`; nan where it says nothing."""
    nothing = [np.nan]
    return np.concatenate(
        [
            quantiles(np.atleast_2d(draws.get((measure, group), nothing)), MOST[k : k + 1])
            for k, measure in enumerate(MEASURES)
        ]
    )


def _weights(is_known: np.ndarray, group: Group, horizon: int) -> np.ndarray:
    """`ndarray[ingredient, measure]`; is_known : the same, which of them say something.

    The less of the year is to come, the more the ratios have, which know the rest.
    """
    _, past_is_known, model_is_known = is_known
    is_logo = np.array([measure == "logo" for measure in MEASURES])
    model = MODEL_OF_LOGO * (is_logo & model_is_known & (group is None))
    past = PAST * (past_is_known & (model == 0))
    model, past = model * horizon / YEAR, past * horizon / YEAR
    return np.stack([1 - past - model, past, model])


def past_figures(ledger: Ledger, as_of: str, segment: str | None = None) -> np.ndarray:
    """`ndarray[measure, 200]`: the figures of every quarter's end (or step) as a distribution, the
    wider the fewer years they are of; nan where there is none.
    """
    return _past(PastYears.of(as_ledger(ledger), as_of), segment)


def rules(ledger: Ledger, as_of: str, segment: str | None = None) -> dict[str, np.ndarray]:
    """Forecasts that need no model, as distributions: `ndarray[measure, 200]` each; nan where there
    is no past figure.

    last : as the last year, normal, with the spread of changes from year to year. mean : as the
    mean of all years, normal, with their spread. past : as `past_figures`.
    """
    return _rules(PastYears.of(as_ledger(ledger), as_of), segment)


def _rules(past: PastYears, group: Group) -> dict[str, np.ndarray]:
    figures = _past(past, group)
    y = past.known(group, yearly=True)
    if not len(y):
        return dict.fromkeys(("last", "mean", "past"), figures)
    k, mean = len(y), y.mean(axis=0)
    # no figure is known to the point: of a single one there would be no spread at all
    changes = (UNKNOWN**2 + (np.diff(y, axis=0) ** 2).sum(axis=0)) / k
    around = (UNKNOWN**2 + ((y - mean) ** 2).sum(axis=0)) / k * (1 + 1 / k)
    return {"last": _normal(y[0], changes), "mean": _normal(mean, around), "past": figures}


def _past(past: PastYears, group: Group) -> np.ndarray:
    figures, years = past.known(group), len(past.known(group, yearly=True))
    if not len(figures):
        return np.full((len(MEASURES), len(LEVELS)), np.nan)
    seen = np.quantile(figures, LEVELS, axis=0, method="hazen").T
    return _possible(seen + UNKNOWN / np.sqrt(max(1, years)) * NORMAL)


def _normal(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """`ndarray[measure, 200]` of means and variances by measure."""
    return _possible(mean[:, None] + np.sqrt(variance)[:, None] * NORMAL)


def _possible(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(values, 0, MOST[:, None]))
