"""How far what is computed is from 200,000 trials, and what it costs beside 10,000: prints two Markdown tables, and
passes whatever they say.

The first goes over the shipped scenarios, and over books and drivers learnt from the example and from real ledgers
where those lie beside the project. In points of NRR, and in standard errors of both. The second is in processor time
of one thread: of NRR alone, of all three measures, and of the trials; and says how many times smaller than the
trials' own a standard error is.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from engine import SCENARIO, book

import nrrsim as nr
from nrrsim.engine.law import nrr_of
from nrrsim.engine.outcomes import SHARES, Sample
from nrrsim.notation import MINUS

ROOT = Path(__file__).parent.parent.parent
SHARED = ROOT.parent / "shared" / "data"
TRIALS, AT_ONCE, SEED = 200_000, 20_000, 7


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


def played(scenario: nr.Scenario) -> Sample:
    parts = [
        nr.simulate(scenario, AT_ONCE, SEED, first=first) for first in range(0, TRIALS, AT_ONCE)
    ]
    return Sample(np.concatenate([np.asarray(nr.nrr(part)) for part in parts]))


def row(name: str, scenario: nr.Scenario) -> str:
    law, trials, target = nr.law_of(scenario).nrr, played(scenario), scenario.target or 1.0
    off, errors = [], []
    for share, computed in zip(SHARES, law.quantiles(SHARES), strict=True):
        low, high = trials.around(share)
        off.append(computed - trials.quantiles([share])[0])
        errors.append(np.hypot((high - low) / 2, law.error))
    p = trials.reaches(target)
    off.append(law.reaches(target) - p)
    errors.append(np.hypot(trials.share_error(p), law.reach_error(target)))
    arr = scenario.opening.arr
    told = (
        f"{100 * by:+.2f} ({abs(by) / error:.1f})" for by, error in zip(off, errors, strict=True)
    )
    cells = [
        f"{name} ({arr.max() / arr.sum():.1%})",
        f"{len(arr):,}",
        *told,
        f"{100 * law.error:.2f}",
    ]
    return f"| {' | '.join(cells)} |".replace(" -", f" {MINUS}")


# --- what it costs --------------------------------------------------------------------------------

SEEDS, TIMES, PLAYED = 12, 5, 10_000
HELD = (0.05, 0.5, 0.95)


def workloads() -> Iterator[tuple[str, nr.Scenario]]:
    for name, customers, months in (("W1", 1_000, 12), ("W2", 10_000, 36)):
        yield f"{name}, certain", book(customers, months).at_means()
    for name in ("nrr-105", "nrr-128"):
        yield f"`{name}`", nr.read_scenario(SCENARIO.with_name(f"{name}.yaml"))
    yield "50 customers", book(50, 12)


def seconds(work: Callable[[], Any]) -> float:
    """Of the processor, the median of some times."""
    taken = []
    for _ in range(TIMES):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return statistics.median(taken)


def all_three(scenario: nr.Scenario) -> None:
    law = nr.law_of(scenario)
    assert law is not None
    assert law.nrr.sd + law.grr.sd + law.logo.sd > 0


def cost(name: str, scenario: nr.Scenario) -> str:
    all_three(scenario)  # all that is compiled and kept
    one, three = seconds(lambda: nrr_of(scenario)), seconds(lambda: all_three(scenario))
    trials = seconds(lambda: nr.simulate(scenario, PLAYED, SEED, threads=1))
    told = [nrr_of(scenario, seed) for seed in range(SEEDS)]
    cells = [name, *(f"{1e3 * each:,.0f} ms" for each in (one, three, trials))]
    if told[0].p_error is None:
        return f"| {' | '.join([*cells, *['no error'] * 4, ''])} |"
    x = told[0].quantiles(HELD)
    of_trials = np.sqrt(np.array(HELD) * (1 - np.array(HELD)) / PLAYED)
    errors = np.median([np.interp(x, each.places, each.p_error) for each in told], axis=0)
    of_mean = told[0].sd / np.sqrt(PLAYED) / np.std([each.mean for each in told], ddof=1)
    # what hardly ever happens: a target at P99.9
    rare = float(told[0].quantiles([0.999])[0])
    begin = time.process_time()
    p, error = told[0].reaches(rare), told[0].reach_error(rare)
    of_rare = f"{error / p:.1%} in {1e3 * (time.process_time() - begin):,.0f} ms"
    ratios = [f"{each:.1f}" for each in (*of_trials / errors, of_mean)]
    return f"| {' | '.join([*cells, *ratios, of_rare])} |"


def main() -> None:
    print("| book (largest customer) | customers | P5 | P50 | P95 | P(target) | stated error |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, scenario in books():
        print(row(name, scenario), flush=True)
    print("\n| scenario | NRR | all three | 10,000 trials | P5 | P50 | P95 | mean | 1 in 1,000 |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, scenario in workloads():
        print(cost(name, scenario), flush=True)


if __name__ == "__main__":
    main()
