"""Two scenarios in, both simulated under the same luck and their difference out; never draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from nrrsim import metrics
from nrrsim.engine.simulation import simulate
from nrrsim.engine.switched import LEVERS
from nrrsim.errors import UsageError
from nrrsim.movements import Movements
from nrrsim.scenario.scenario import Scenario, as_scenario


def common_currency(*scenarios: Scenario) -> str:
    """The currency of all, "" where one of them does not state it.

    Raises UsageError where two are in two.
    """
    stated = [each.opening.currency for each in scenarios]
    known = [*dict.fromkeys(filter(None, stated))]
    if len(known) > 1:
        one, other = (scenarios[stated.index(code)].title or "one" for code in known[:2])
        raise UsageError(
            f"currency: {one} is in {known[0]}, {other} in {known[1]}; scenarios are compared in"
            " one currency: state both books in it"
        )
    return known[0] if all(stated) else ""


def comparable(a: Scenario, b: Scenario) -> tuple[str, ...]:
    """The segments of both; raises UsageError where the two cannot be compared."""
    common_currency(a, b)
    if a.months != b.months:
        raise UsageError(
            f"months: {a.months} against {b.months}; two scenarios are compared over the same time"
        )
    segments = tuple(dict.fromkeys([*a.segments, *b.segments]))
    for one, other in ((a, b), (b, a)):
        for segment in other.segments:
            if segment not in one.segments and not any(
                one.table.of_segment(driver, segment) for driver in LEVERS
            ):
                name = one.title or "the other"
                raise UsageError(
                    f"{segment}: is a segment of {other.title or 'one'}, and {name} has no"
                    " driver for it"
                )
    return segments


def paired(
    a: Scenario | str | Path,
    b: Scenario | str | Path,
    trials: int,
    seed: int,
    *,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Movements, Movements]:
    """Both simulated so that trial k meets the same luck in each; `progress` counts over both.

    Each is a scenario or its file.
    """
    a, b = as_scenario(a), as_scenario(b)
    comparable(a, b)

    # B's trials count on from where A's ended
    def further(done: int) -> None:
        assert progress is not None
        progress(trials + done)

    return (
        simulate(a, trials, seed, threads=threads, beside=b, progress=progress),
        simulate(
            b, trials, seed, threads=threads, beside=a, progress=further if progress else None
        ),
    )


def difference(runs: tuple[Movements, Movements]) -> np.ndarray:
    """NRR(B) - NRR(A), trial by trial."""
    first, second = (metrics.ratio(run, "nrr") for run in runs)
    return np.asarray(second - first)
