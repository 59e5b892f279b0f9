"""How far the exact path is from 200,000 trials: prints a Markdown table, and passes whatever it says.

Over the shipped scenarios, and over books and drivers learnt from the example and from real ledgers where those lie
beside the project. The answer is that of `outlook.likely`, whichever way it took, in points of NRR. Where that was a
simulation, as such books are small, two more rows: the exact moments all the same, and those of ten such books.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import nrrsim as nr
from nrrsim.engine import quick
from nrrsim.engine.draws import SEED as EVEN
from nrrsim.engine.driver_rates import draw_rates
from nrrsim.engine.moments import odds_by_draw
from nrrsim.engine.outcomes import Sample

ROOT = Path(__file__).parent.parent.parent
SHARED = ROOT.parent / "shared" / "data"
TRIALS, AT_ONCE, SEED = 200_000, 20_000, 7
SHARES = {"p05": 0.05, "p50": 0.5, "p95": 0.95}


def books() -> Iterator[tuple[str, nr.Scenario]]:
    for path in sorted((ROOT / "params" / "scenarios").glob("*.yaml")):
        yield f"`{path.stem}`", nr.read_scenario(path)
    ledgers = {"the example": ROOT / "nrrsim" / "data" / "meridian.csv"}
    ledgers |= {
        "retainers of lobbying firms": SHARED / "sf_retainers.csv",
        "all clients of lobbyists": SHARED / "sf_clients.csv",
        "journal subscriptions in Finland": SHARED / "finland_journals.csv",
    }
    for name, path in ledgers.items():
        if path.exists():
            ledger = nr.read_ledger(path)
            yield f"{name}, {ledger.months[-1]}", nr.calibrate(ledger, ledger.months[-1]).scenario


def ten_of(scenario: nr.Scenario) -> nr.Scenario:
    """The same beliefs about a book with ten customers in place of each."""
    there = scenario.opening
    arrays = {
        name: np.repeat(getattr(there, name), 10)
        for name in ("segment", "arr", "anniversary", "tenure", "joins")
    }
    return nr.Scenario.of(scenario.plain(), opening=replace(there, **arrays))


def by_moments(scenario: nr.Scenario, target: float) -> dict[str, Any]:
    rates = draw_rates(scenario, scenario.opening, count=quick.ODDS_DRAWS, seed=EVEN, quasi=True)
    odds = odds_by_draw(scenario)(rates)
    told = dict(zip(SHARES, map(float, odds.quantiles([*SHARES.values()])), strict=True))
    return {
        **told,
        "mean": odds.expected,
        "p_target": odds.reaches(target),
        "quality": {"method": "exact moments"},
    }


def compared(name: str, scenario: nr.Scenario) -> Iterator[str]:
    target = scenario.target or 1.0
    told = quick.likely(scenario, target)
    nrr = played(scenario)
    yield row(name, scenario, target, told, nrr)
    if told["quality"]["method"] == "simulation":
        yield row("the same", scenario, target, by_moments(scenario, target), nrr)
        ten = ten_of(scenario)
        yield row("ten such books", ten, target, quick.likely(ten, target), played(ten))


def played(scenario: nr.Scenario) -> np.ndarray:
    parts = [
        nr.simulate(scenario, AT_ONCE, SEED, first=first) for first in range(0, TRIALS, AT_ONCE)
    ]
    return np.concatenate([np.asarray(nr.nrr(part)) for part in parts])


def row(
    name: str, scenario: nr.Scenario, target: float, told: dict[str, Any], nrr: np.ndarray
) -> str:
    off = {key: told[key] - float(np.quantile(nrr, share)) for key, share in SHARES.items()}
    odds = told["p_target"] - Sample(nrr).reaches(target)
    arr = scenario.opening.arr
    cells = [
        name,
        f"{len(arr):,}",
        f"{arr.max() / arr.sum():.1%}",
        told["quality"]["method"],
        *(
            f"{100 * each:+.2f}".replace("-", "−")
            for each in (told["mean"] - nrr.mean(), *off.values(), odds)
        ),
        f"{100 * nrr.std() / np.sqrt(TRIALS):.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    print(
        "| book | customers | largest | answered by | mean | P5 | P50 | P95 | P(target) | MC error of the mean |"
    )
    print("|---|--:|--:|---|--:|--:|--:|--:|--:|--:|")
    for name, scenario in books():
        for line in compared(name, scenario):
            print(line, flush=True)


if __name__ == "__main__":
    main()
