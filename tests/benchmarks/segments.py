"""What a bridge, a tornado, the effects of beliefs and a sweep's point cost of a book of many segments: processor
seconds of this process, all that is compiled and drawn on the way left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import nrrsim as nr
from nrrsim.analysis.sweep import read_axis, sweep

NUMBERS, POINTS = (1, 5, 25), 5


def book(name: str, number: int) -> nr.Scenario:
    """An example's first three segments over and over, each smaller, as so many segments."""
    plain = nr.read_scenario(f"params/scenarios/{name}.yaml").plain()
    for of_the_example in ("programmes", "correlations"):
        plain.pop(of_the_example, None)
    given = plain["book"]["segments"]
    like = {f"s{at:02d}": [*given][at % len(given)] for at in range(number)}
    parts = {new: dict(given[old]) for new, old in like.items()}
    whole = sum(each["share"] for each in parts.values())
    for each in parts.values():
        each["share"] /= whole
        each["customers"] = max(2, round(each["customers"] * len(given) / number))
    plain["book"]["segments"] = parts
    for driver, stated in plain["drivers"].items():
        own = {new: stated[old] for new, old in like.items() if old in stated}
        plain["drivers"][driver] = own | ({"all": stated["all"]} if "all" in stated else {})
    return nr.Scenario.of(plain)


def seconds(of: Callable[[], Any]) -> float:
    of()
    begin = time.process_time()
    of()
    return time.process_time() - begin


def row(one: nr.Scenario, other: nr.Scenario) -> str:
    axes = [read_axis(f"drivers.churn.s00.rate=0.05:0.25:{POINTS}")]
    taken = (
        seconds(lambda: nr.bridge(one, other)),
        seconds(lambda: nr.sensitivity(one, effects=False)),
        seconds(lambda: nr.sensitivity(one)),
        seconds(lambda: sweep(one, axes)) / POINTS,
    )
    beliefs = len(nr.sensitivity(one, effects=False).beliefs)
    return " | ".join([str(beliefs), *(f"{each:.2f} s" for each in taken)])


def main() -> None:
    print("\n| segments | beliefs | bridge | tornado | with effects | a point of a sweep |")
    print("|--:|--:|--:|--:|--:|--:|")
    for number in NUMBERS:
        print(f"| {number} | {row(book('nrr-105', number), book('nrr-128', number))} |")


if __name__ == "__main__":
    main()
