"""A scenario or its simulated Movements in, the few numbers told of them out; never words."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nrrsim import metrics
from nrrsim.analysis.bridge import bridge
from nrrsim.analysis.paired import common_currency, difference
from nrrsim.analysis.programmes import programmes
from nrrsim.engine.draws import SEED
from nrrsim.engine.expectation import expect
from nrrsim.engine.law import Law, law_of
from nrrsim.engine.outcomes import MORE_SHARES, Computed, Distribution, Sample, foreseen
from nrrsim.files import write_table
from nrrsim.movements import MOVEMENTS, Movements, json_amount
from nrrsim.scenario.scenario import Scenario


def expected(scenario: Scenario, seed: int = SEED) -> dict[str, Any]:
    """What `nrrsim expect --json` prints of the mean: exact ratios (GRR of flows), and amounts to
    the minor unit of `currency` (null where it is not known).
    """
    m = expect(scenario, seed=seed)
    told = partial(json_amount, currency=scenario.opening.currency)

    def ratios(part: Movements) -> dict[str, Any]:
        return {
            "nrr": float(metrics.ratio(part, "nrr")),
            "grr_flow": float(metrics.ratio(part, "grr", "flow")),
            "logo": float(metrics.ratio(part, "logo")),
            "opening": told(part.amount("opening")),
            "closing": told(part.amount("closing")),
        }

    segments = {name: ratios(m.only(name)) for name in m.segments}
    return {
        "title": scenario.title,
        "currency": scenario.opening.currency or None,
        **ratios(m),
        "movements": {name: told(m.amount(name)) for name in MOVEMENTS},
        "segments": {
            name: {key: None if np.isnan(each) else each for key, each in row.items()}
            for name, row in segments.items()
        },
    }


def ranges(scenario: Scenario, seed: int = SEED, target: float | None = None) -> dict[str, Any]:
    """What `nrrsim expect --json` prints beside the mean: the `law`, and the `forecast` that it
    moves, None where the scenario states none.
    """
    target = scenario.target if target is None else target
    law = law_of(scenario, seed)
    return {
        "seed": seed,
        "target": target,
        "law": told_of_law(law, target),
        "forecast": _told_of_forecast(scenario, _measures(law), target),
    }


def told_of_law(law: Law | None, target: float | None) -> dict[str, Any] | None:
    """How NRR, capped GRR and logo may turn out, computed, as `--json` prints it; None where no
    law is given.

    `error` is in units of its measure, `p_target_error` in those of the probability; both of the
    target are None where there is none.
    """
    if law is None:
        return None
    reached = error = None
    if target is not None:
        reached, error = law.nrr.reaches(target), law.nrr.reach_error(target)
    told = {name: each.figures() for name, each in _measures(law).items()}
    return {**told, "p_target": reached, "p_target_error": error}


def _measures(law: Law) -> dict[str, Computed]:
    return {"nrr": law.nrr, "grr": law.grr, "logo": law.logo}


def _told_of_forecast(
    scenario: Scenario, own: Mapping[str, Distribution], target: float | None
) -> dict[str, Any] | None:
    """The forecast that a scenario states, moved as far as its `own` distribution of each measure
    says; None where it states none.
    """
    if scenario.transport() is None:
        return None
    ahead = {name: foreseen(each, scenario, name) for name, each in own.items()}
    told: dict[str, Any] = {name: each.percentiles(MORE_SHARES) for name, each in ahead.items()}
    return told | {"p_target": None if target is None else ahead["nrr"].reaches(target)}


def simulated(
    scenario: Scenario,
    run: Movements,
    seed: int,
    target: float | None = None,
    law: Law | None = None,
) -> dict[str, Any]:
    """What `nrrsim simulate --json` prints: how NRR, capped GRR and logo spread over the trials,
    beside the scenario's `law`.

    `forecast` holds the same quantiles of the forecast that the scenario states (None: it states
    none): moved by the law, or by the trials where none is given.

    `se` is the Monte Carlo standard error of the mean; `standard_errors` holds that of every other
    figure.
    """
    target = scenario.target if target is None else target
    samples = {name: Sample(metrics.ratio(run, name)) for name in ("nrr", "grr", "logo")}
    nrr = samples["nrr"]
    reached = None if target is None else nrr.reaches(target)
    errors: dict[str, Any] = {name: each.errors() for name, each in samples.items()}
    errors["p_target"] = None if reached is None else nrr.share_error(reached)
    own = samples if law is None else _measures(law)
    return {
        "title": scenario.title,
        "currency": scenario.opening.currency or None,
        "opening": json_amount(scenario.opening.total, scenario.opening.currency),
        "trials": len(nrr.values),
        "seed": seed,
        "target": target,
        "p_target": reached,
        **{name: each.figures() for name, each in samples.items()},
        "standard_errors": errors,
        "law": told_of_law(law, target),
        "forecast": _told_of_forecast(scenario, own, target),
    }


def compared(
    a: Scenario, b: Scenario, runs: tuple[Movements, Movements], seed: int
) -> dict[str, Any]:
    """What `nrrsim compare --json` prints: the exact bridge, how each may turn out (computed, for
    the target that B states, else A), and the difference under one luck, simulated.

    seed : that of the `runs`; the beliefs that the laws are over are drawn with it, too.
    """
    target = a.target if b.target is None else b.target
    laws = [told_of_law(law_of(each, seed), target) for each in (a, b)]
    steps, currency = bridge(a, b), common_currency(a, b)
    apart = difference(runs)
    figures = Sample(apart).figures()
    kept = ("mean", "sd", "se", "p05", "p50", "p95")
    added = {
        each.name: {
            "nrr": each.nrr,
            "arr": json_amount(each.arr, currency),
            "cost": each.cost,
            "return": each.returned,
            "measured": each.measured,
            "effects": {
                effect.field: dict(zip(("mean", "p05", "p95"), effect.ends, strict=True))
                for effect in b.table.effects
                if effect.key == each.name
            },
        }
        for each in programmes(b)
    }
    return {
        "currency": currency or None,
        "target": target,
        "a": {"title": a.title, "nrr": steps.a, "law": laws[0]},
        "b": {"title": b.title, "nrr": steps.b, "law": laws[1]},
        "difference": steps.difference,
        "bridge": steps.parts,
        "vectors": steps.vectors,
        "programmes": added,
        "trials": len(apart),
        "seed": seed,
        "simulated": {name: figures[name] for name in kept}
        | {"p_b_above_a": float((apart > 0).mean())},
    }


def write_trials(run: Movements, path: str | Path, about: Mapping[str, Any]) -> None:
    """Every trial, segment and month as a row of a table with `about` (title, seed) in it.

    The file is there whole or not at all. Raises UsageError where it cannot be written.
    """
    import pandas as pd  # late: who writes no trials does not wait for it

    # a simulation knows why each amount moved: nothing is unsplit
    names = [name for name in run.arrays if name != "unsplit"]
    trials, segments, months = run.arrays["closing"].shape
    frame = pd.DataFrame(
        {
            "trial": np.repeat(np.arange(trials), segments * months),
            "segment": np.tile(np.repeat(run.segments, months), trials),
            "month": np.tile(run.months, trials * segments),
            **{name: run.arrays[name].ravel() for name in names},
        }
    )
    write_table(frame, path, about)
