"""A scenario or its simulated Movements in, the few numbers that are told of them out; never draws, never words."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim import compare, metrics
from nrrsim.errors import UsageError
from nrrsim.exact import Odds, Sample, odds_by_draw
from nrrsim.expectation import SEED, deviation, expect
from nrrsim.movements import MOVEMENTS, Movements, cents
from nrrsim.rates import draw_rates
from nrrsim.scenario import Scenario
from nrrsim.simulation import SEED as SIMULATED_SEED
from nrrsim.simulation import simulate

FEW_CUSTOMERS, LARGE_CUSTOMER = 500, 0.05  # below and above which a book is simulated
ODDS_DRAWS, FALLBACK_TRIALS = 1_024, 10_000
PART_OFF = 0.02  # of the standard deviation: how far quantiles from three moments may be off
MOST_WORK = 60_000_000  # customers, months and trials that are simulated for one answer: a tenth of a second
QUANTILES = {"p05": 0.05, "p25": 0.25, "p50": 0.50, "p75": 0.75, "p95": 0.95}


def expected(scenario: Scenario) -> dict[str, Any]:
    """What `nrrsim expect --json` prints: exact ratios, and amounts to the cent. GRR is that of flows."""
    m = expect(scenario)

    def ratios(part: Movements) -> dict[str, Any]:
        return {
            "nrr": float(metrics.nrr(part)),
            "grr_flow": float(metrics.grr(part, "flow")),
            "logo": float(metrics.logo(part)),
            "opening": cents(part.over("opening").sum()),
            "closing": cents(part.over("closing").sum()),
        }

    segments = {name: ratios(Movements(m.data.sel(segment=[name]), m.start)) for name in m.segments}
    return {
        "title": scenario.title,
        **ratios(m),
        "movements": {name: cents(m.over(name).sum()) for name in MOVEMENTS},
        "segments": {
            name: {key: None if np.isnan(each) else each for key, each in row.items()} for name, row in segments.items()
        },
    }


def expected_sd(scenario: Scenario) -> float:
    """The standard deviation of NRR, from luck and from beliefs, without a simulation."""
    opening = scenario.opening.total
    return float(deviation(scenario).sel(segment="all").isel(month=-1)) / opening


def share_reaching(nrr: np.ndarray, target: float) -> float:
    """In which share of the trials NRR is at the target or above."""
    return Sample(nrr).reaches(target)


@dataclass(frozen=True)
class Chances:
    """How NRR may turn out at each of some months, by which way that was worked out, and how far off it may be."""

    at: tuple[Odds | Sample, ...]
    method: str
    error: float


def chances(
    scenario: Scenario, months: Sequence[int] | None = None, seed: int = SIMULATED_SEED, threads: int | None = None
) -> Chances:
    """How NRR may turn out after each of `months` (default: the last): from the exact moments given each draw of the
    beliefs, in milliseconds; simulated where a book is too small or concentrated for that, or rare events decide.
    """
    ends, book = [scenario.months] if months is None else list(months), scenario.opening
    if len(book.arr) >= FEW_CUSTOMERS and book.largest <= LARGE_CUSTOMER:
        rates = draw_rates(scenario, book, count=ODDS_DRAWS, seed=SEED, quasi=True)
        odds = odds_by_draw(scenario)
        by_moments = tuple(odds(rates, month) for month in ends)
        if all(each.holds for each in by_moments):
            return Chances(by_moments, "exact moments", max(0.001, PART_OFF * by_moments[-1].spread))
    trials = min(FALLBACK_TRIALS, max(500, MOST_WORK // (len(book.arr) * scenario.months)))
    closing = simulate(scenario, trials, seed, threads=threads)["closing"].sum("segment").to_numpy() / book.total
    at = tuple(Sample(closing[:, month - 1]) for month in ends)
    return Chances(at, "simulation", max(_off(at[-1], p) for p in (0.05, 0.5, 0.95)))


def _off(sample: Sample, p: float) -> float:
    """How far off a quantile of trials may be: three standard errors of its rank to either side, halved."""
    by = 3 * _rank(p, len(sample.nrr))
    low, high = sample.quantiles([max(p - by, 0), min(p + by, 1)])
    return float(high - low) / 2


def likely(
    scenario: Scenario, target: float | None = None, seed: int = SIMULATED_SEED, threads: int | None = None
) -> dict[str, Any]:
    """How NRR may turn out (see `chances`): mean, quantiles and the probability of the target.

    `quality` says by which way, and how far off the quantiles may be, in NRR.
    """
    target = scenario.target if target is None else target
    told = chances(scenario, seed=seed, threads=threads)
    (last,) = told.at
    quantiles = dict(zip(("p05", "p50", "p95"), map(float, last.quantiles((0.05, 0.5, 0.95))), strict=True))
    reached = None if target is None else last.reaches(target)
    quality = {"method": told.method, "error": told.error}
    return {"mean": last.expected, **quantiles, "target": target, "p_target": reached, "quality": quality}


def simulated(scenario: Scenario, run: Movements, seed: int, target: float | None = None) -> dict[str, Any]:
    """What `nrrsim simulate --json` prints: how NRR, capped GRR and logo retention are spread over the trials.

    `se` is the Monte Carlo standard error of the mean; `standard_errors` holds that of every other figure.
    """
    target = scenario.target if target is None else target
    nrr = np.asarray(metrics.nrr(run))
    each = {"nrr": nrr, "grr": np.asarray(metrics.grr(run)), "logo": np.asarray(metrics.logo(run))}
    told = {name: _spread(values) for name, values in each.items()}
    reached = None if target is None else share_reaching(nrr, target)
    errors: dict[str, Any] = {name: errors for name, (_, errors) in told.items()}
    errors["p_target"] = None if reached is None else _share_error(reached, len(nrr))
    return {
        "title": scenario.title,
        "trials": len(nrr),
        "seed": seed,
        "target": target,
        "p_target": reached,
        **{name: figures for name, (figures, _) in told.items()},
        "standard_errors": errors,
    }


def _share_error(share: float, n: int) -> float:
    """The standard error of a share; not 0 where none or all were seen (Laplace's rule of succession)."""
    likely = (share * n + 1) / (n + 2)
    return float(np.sqrt(likely * (1 - likely) / n))


def _spread(values: np.ndarray) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """Mean, deviation and quantiles of one value a trial, and the standard error of each; one trial has none."""
    n, mean = len(values), float(values.mean())
    if n == 1:
        unknown = dict.fromkeys(("mean", "sd", *QUANTILES))
        return {"mean": mean, "sd": None, "se": None, **dict.fromkeys(QUANTILES, mean)}, unknown
    sd = values.std(ddof=1)
    fourth = ((values - mean) ** 4).mean()
    error = {"mean": sd / np.sqrt(n), "sd": np.sqrt(max(fourth - sd**4, 0) / n) / (2 * sd) if sd else 0.0}
    figures = {"mean": mean, "sd": sd, "se": error["mean"]}
    for name, p in QUANTILES.items():
        # the quantiles one standard error of their rank apart
        low, figures[name], high = np.quantile(values, np.clip([p - _rank(p, n), p, p + _rank(p, n)], 0, 1))
        error[name] = (high - low) / 2
    return {name: float(x) for name, x in figures.items()}, {name: float(x) for name, x in error.items()}


def _rank(p: float, n: int) -> float:
    return float(np.sqrt(p * (1 - p) / n))


def compared(a: Scenario, b: Scenario, runs: tuple[Movements, Movements]) -> dict[str, Any]:
    """What `nrrsim compare --json` prints: the bridge from A to B, exactly, and the difference under the same luck."""
    told = compare.bridge(a, b)
    apart = compare.difference(runs)
    figures, _ = _spread(apart)
    kept = ("mean", "sd", "se", "p05", "p50", "p95")
    return {
        "a": {"title": a.title, "nrr": told.a},
        "b": {"title": b.title, "nrr": told.b},
        "difference": told.difference,
        "bridge": told.parts,
        "vectors": told.vectors,
        "programmes": {
            each.name: {"nrr": each.nrr, "arr": cents(each.arr), "cost": each.cost, "return": each.returned}
            for each in compare.programmes(b)
        },
        "simulated": {name: figures[name] for name in kept} | {"p_b_above_a": float((apart > 0).mean())},
    }


def needed(scenario: Scenario, target: float, probability: float | None = None) -> dict[str, Any]:
    """What `nrrsim frontier --json` prints: what each lever alone, and all together, would have to be.

    Beside each stands what can be compared with published figures: the gross retention (of flows) that it comes to and
    where that stands among the survey's quartiles; of price, the largest uplift. They are of twelve months only.
    """
    told = compare.frontier(scenario, target, probability)
    yearly = scenario.months == 12

    def beside(name: str, factors: Mapping[str, float]) -> dict[str, Any]:
        losing = name in (*compare.LOSSES, "together")
        gross = float(metrics.grr(expect(compare.with_factors(scenario, factors)), "flow")) if losing else None
        uplift = max(told.levers["price"].now.values()) * factors.get("price", 1.0) if name == "price" else None
        return {
            "grr_flow": gross,
            "standing": metrics.standing("grr", gross) if gross is not None and yearly else None,
            "uplift": uplift,
            "usual_uplift": list(metrics.USUAL_UPLIFT) if name == "price" else None,
        }

    x = told.together
    return {
        "title": scenario.title,
        "target": target,
        "probability": probability,
        "nrr": told.nrr,
        "standing": metrics.standing("nrr", target) if yearly else None,
        "levers": {
            name: {"status": lever.status, "factor": lever.factor, "now": lever.now, "needed": lever.needed}
            | (beside(name, {name: lever.factor}) if lever.factor is not None else {})
            for name, lever in told.levers.items()
        },
        "together": x,
        "beside": beside("together", compare.all_together(x)) if x is not None else None,
    }


def write_trials(run: Movements, path: str | Path, about: Mapping[str, Any]) -> None:
    """Every trial, segment and month as a row of a Parquet file, with `about` (title, seed) in its metadata.

    The file is there whole or not at all. Raises UsageError where it cannot be written.
    """
    names = [str(name) for name in run.data if name != "unsplit"]
    trials, segments, months = run["closing"].shape
    frame = pd.DataFrame(
        {
            "trial": np.repeat(np.arange(trials), segments * months),
            "segment": np.tile(np.repeat(run.segments, months), trials),
            "month": np.tile(run.months, trials * segments),
            **{name: run[name].values.ravel() for name in names},
        }
    )
    write_parquet(frame, path, about)


def write_parquet(frame: pd.DataFrame, path: str | Path, about: Mapping[str, Any]) -> None:
    """A frame as a Parquet file with `about` in its metadata, whole or not at all; raises UsageError if not."""
    import duckdb

    final = Path(path)
    unfinished = final.with_name(f".{final.name}-{os.getpid()}")
    told = ", ".join(f"{key}: {_quoted(value)}" for key, value in about.items())
    try:
        with duckdb.connect() as database:
            database.register("rows", frame)
            database.execute(
                f"copy rows to {_quoted(unfinished)} (format parquet, compression zstd, kv_metadata {{{told}}})"
            )
        os.replace(unfinished, final)
    except (duckdb.IOException, OSError):
        raise UsageError(f"{path}: cannot be written; is its folder there, and may you write to it?") from None
    finally:
        unfinished.unlink(missing_ok=True)


def _quoted(text: Any) -> str:
    return "'" + str(text).replace("'", "''") + "'"
