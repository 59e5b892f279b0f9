"""How fast the engine is against its peers: prints a Markdown table, and passes whatever it says.

All run in one process and one thread, in turn, so that a busy minute of the machine meets both sides of a ratio. The
drivers are those of nrr-105, with its beliefs drawn anew for each trial; slow peers run fewer trials.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peers

import nrrsim as nr
from nrrsim.engine import kernel
from nrrsim.engine.driver_rates import draw_rates
from nrrsim.engine.outcomes import SHARES
from nrrsim.engine.simulation import available_threads

ROOT = Path(__file__).parent.parent.parent
SCENARIO = ROOT / "params" / "scenarios" / "nrr-105.yaml"
SEED, TIMES = 20260930, 5
# name: customers, months, trials, and the trials of each peer
WORKLOADS: dict[str, tuple[int, int, int, dict[str, int]]] = {
    "W1": (
        1_000,
        12,
        10_000,
        {
            "numpy_clock": 10_000,
            "numpy_expert": 4_000,
            "numpy_dense": 300,
            "python_loop": 100,
            "simpy_processes": 20,
        },
    ),
    "W2": (
        10_000,
        36,
        10_000,
        {
            "numpy_clock": 200,
            "numpy_expert": 100,
            "numpy_dense": 10,
            "python_loop": 3,
            "simpy_processes": 1,
        },
    ),
    "W3": (1_000_000, 12, 1_000, {"numpy_clock": 4, "numpy_expert": 3, "numpy_dense": 1}),
}
OURS = {"W1": 10_000, "W2": 1_000, "W3": 20}  # trials of nrrsim where it is compared
TITLES = {
    "numpy_clock": "NumPy, event clock (nrrsim's idea without a compiler)",
    "numpy_expert": "expert NumPy: sparse events, float32 draws, cache-sized blocks",
    "numpy_dense": "plain dense NumPy",
    "python_loop": "Python loop",
    "simpy_processes": "simpy, a process for each customer",
}


def book(customers: int, months: int) -> nr.Scenario:
    """nrr-105 with so many customers in all, over so many months."""
    plain = nr.read_scenario(SCENARIO).plain()
    segments = plain["book"]["segments"]
    whole = sum(segment["customers"] for segment in segments.values())
    for segment in segments.values():
        segment["customers"] = round(segment["customers"] * customers / whole)
    return nr.Scenario.of({**plain, "months": months})


def workload(scenario: nr.Scenario, trials: int) -> peers.Workload:
    """The same book and drivers, as the peers take them."""
    opening = scenario.opening
    rates = draw_rates(scenario, opening, count=trials, seed=SEED)
    names = (
        "uplift",
        "acceptance",
        "churn_per_point",
        "contraction",
        "adoption",
        "cross_sell",
        "reactivation",
        "reactivation_size",
    )
    sizes = {f"{name}_size": table for name, table in rates.sizes.items()}
    return peers.Workload(
        arr=opening.arr,
        segment=opening.segment,
        anniversary=opening.anniversary,
        annual=opening.annual,
        months=scenario.months,
        churn=rates.churn[:, :, 0],
        **{name: getattr(rates, name) for name in names},
        **sizes,
    )


def in_turn(each: dict[Any, Callable[[], Any]]) -> dict[Any, list[float]]:
    """Seconds of each, TIMES over, in turn; a first round is not counted."""
    seconds: dict[Any, list[float]] = {name: [] for name in each}
    for turn in range(TIMES + 1):
        for name, run in each.items():
            begin = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def compare(name: str) -> list[str]:
    """The rows of one workload: each peer, and nrrsim with one thread, in ns per customer-month."""
    customers, months, _, counts = WORKLOADS[name]
    scenario = book(customers, months)
    print(f"{name}: {customers:,} customers x {months} months ...", file=sys.stderr, flush=True)
    ours = f"nrrsim, {name}"
    runs: dict[str, Callable[[], Any]] = {
        ours: lambda: nr.simulate(scenario, OURS[name], SEED, threads=1)
    }
    for peer, trials in counts.items():
        given = workload(scenario, trials)
        runs[peer] = lambda given=given, peer=peer: getattr(peers, peer)(given, SEED)
    seconds = in_turn(runs)
    trials = counts | {ours: OURS[name]}
    cost = {
        each: statistics.median(taken) / (customers * months * trials[each]) * 1e9
        for each, taken in seconds.items()
    }
    rows = [
        f"| **{name}: {customers:,} customers x {months} months** nrrsim, one thread | {cost[ours]:.2f} | 1 | {OURS[name]:,} |"
    ]
    for peer in counts:
        rows.append(
            f"| {TITLES[peer]} | {cost[peer]:,.4g} | {cost[peer] / cost[ours]:,.3g} | {trials[peer]:,} |"
        )
    return rows


def whole() -> list[str]:
    """Whole runs of nrrsim: all threads there are, and against one."""
    rows = []
    for name, (customers, months, trials, _) in WORKLOADS.items():
        scenario = book(customers, months)

        def run(
            threads: int, scenario: nr.Scenario = scenario, trials: int = trials
        ) -> Callable[[], Any]:
            return lambda: nr.simulate(scenario, trials, SEED, threads=threads)

        taken = {
            n: statistics.median(each)
            for n, each in in_turn({n: run(n) for n in (1, available_threads())}).items()
        }
        most = max(taken)
        faster = f"{taken[1] / taken[most]:.2f} times as fast as one ({taken[1]:.3f} s)"
        rows.append(
            f"| {name}, {trials:,} trials, {most} threads | {taken[most]:.3f} s | {faster} |"
        )
    return rows


def events() -> str:
    """What an event costs with 10,000 customers: all that changes a customer's amount, and arrivals alone."""
    scenario, trials = book(10_000, 36), 200
    rates = draw_rates(scenario, scenario.opening, count=trials, seed=SEED)
    given = workload(scenario, trials)
    number = np.bincount(given.segment)
    yearly = (
        given.contraction
        + given.adoption
        + given.cross_sell
        + rates.churn[:, :, 0]
        + given.acceptance
    )
    changes = float((yearly.mean(axis=0) * number).sum()) / 12
    drawn = (
        float(((yearly - given.acceptance + (1 - given.acceptance)).mean(axis=0) * number).sum())
        / 12
    )
    seconds = statistics.median(
        in_turn({"run": lambda: nr.simulate(scenario, trials, SEED, threads=1)})["run"]
    )
    each = seconds / (trials * 36) * 1e9
    return f"| an event, 10,000 customers | {each / changes:.1f} ns | {each / drawn:.1f} ns if price rises are not counted as events (churned customers count in both) |"


FIRST = """
import time
begin = time.perf_counter()
import nrrsim as nr
scenario = nr.read_scenario({path!r})
read = time.perf_counter()
nr.simulate(scenario, 100)
print(time.perf_counter() - read, time.perf_counter() - begin)
"""
MEMORY = """
import resource, sys
sys.path[:0] = [{here!r}]
import engine, nrrsim as nr
nr.simulate(engine.book(10_000, 36), 10_000, 1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))
"""


def starts() -> list[str]:
    """The first call of a process, with nothing compiled and with all of it, and the memory of W2."""

    def run(code: str, cache: str) -> list[float]:
        env = {**os.environ, "NUMBA_CACHE_DIR": cache}
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        return [float(each) for each in done.stdout.split()]

    first = FIRST.format(path=str(SCENARIO))
    with tempfile.TemporaryDirectory() as cache:
        compiled = run(first, cache)
        cached = [run(first, cache) for _ in range(TIMES)]
        peak = run(MEMORY.format(here=str(Path(__file__).parent)), cache)
    call, process = (statistics.median(each) for each in zip(*cached, strict=True))
    return [
        f"| first call, nothing compiled | {compiled[0]:.1f} s | once on a machine |",
        f"| first call of a process, compiled before | {call:.2f} s | {process:.2f} s with the start of the libraries |",
        f"| W2, 10,000 trials: peak memory of the process | {peak[0]:,.0f} MiB | of which the result {15 * 10_000 * 3 * 36 * 8 / 2**20:,.0f} MiB |",
    ]


def exact() -> list[str]:
    """The bridge and the frontier of the shipped scenarios, on the exact expectation."""
    a, b = (nr.read_scenario(SCENARIO.with_name(f"{name}.yaml")) for name in ("nrr-105", "nrr-128"))
    taken = in_turn(
        {
            "bridge": lambda: nr.bridge(a, b),
            "frontier": lambda: nr.frontier(a, 1.28),
        }
    )
    lines = [
        f"| {name} of the shipped scenarios | {statistics.median(each) * 1e3:.0f} ms | exact |"
        for name, each in taken.items()
    ]
    return [*lines, *(computed(customers) for customers in (1_000, 100_000, 1_000_000))]


def computed(customers: int) -> str:
    """What a slider asks for: one number of nrr-105 changed, P5, P50, P95 and the probability of the target."""
    plain = book(customers, 12).plain()["book"]["segments"]
    even = book(customers, 12).with_(
        {"book.segments": {name: {**each, "spread": 0.5} for name, each in plain.items()}}
    )

    def move(number: int) -> float:
        begin = time.perf_counter()
        law = nr.law_of(even.with_({"drivers.churn.smb.rate": 0.1 + number / 1000}))
        assert law is not None
        assert len(law.nrr.quantiles(SHARES)) == 3
        assert 0 <= law.nrr.reaches(1.05) <= 1
        return time.perf_counter() - begin

    first, *later = (move(number) for number in range(21))
    return (
        f"| P5, P50, P95 and P(target) of {customers:,} customers, one number changed |"
        f" {statistics.median(later) * 1e3:.1f} ms | the first time {first * 1e3:.0f} ms |"
    )


def main() -> None:
    nr.simulate(book(1_000, 12), 10)  # compile
    assert len(kernel.VARIABLES) == 15
    print("| engine, one thread | ns per customer-month | times as long as nrrsim | trials |")
    print("|---|--:|--:|--:|")
    for name in WORKLOADS:
        print("\n".join(compare(name)), flush=True)
    print("\n| nrrsim | | |\n|---|--:|---|")
    print("\n".join([*whole(), events(), *starts(), *exact()]))


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(compare(sys.argv[1]), indent=1))
    else:
        main()
