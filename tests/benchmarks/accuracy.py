"""How far what is computed is from 200,000 trials: prints a Markdown table, and passes whatever it says.

Over the shipped scenarios, and over books and drivers learnt from the example and from real ledgers where those lie
beside the project. In points of NRR, and in standard errors of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import nrrsim as nr
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


def main() -> None:
    print("| book (largest customer) | customers | P5 | P50 | P95 | P(target) | stated error |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, scenario in books():
        print(row(name, scenario), flush=True)


if __name__ == "__main__":
    main()
