"""A scenario and what to vary in, NRR at each point of the grid out; never half a file.

A point's result depends on the scenario, the point and the seed alone, not on who works it out.
What is done is kept beside the result until all is done, so that a sweep that was killed goes on
where it stopped, and ends with the same numbers.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.engine.draws import SEED
from nrrsim.engine.law import nrr_of
from nrrsim.engine.outcomes import foreseen
from nrrsim.engine.simulation import TRIALS, available_threads
from nrrsim.errors import UsageError
from nrrsim.files import add_line, write_text
from nrrsim.messages import number_in, whole_of
from nrrsim.scenario.scenario import Scenario, as_scenario
from nrrsim.workers import in_processes, on_cluster

MOST_POINTS = 100_000
SECONDS_TO_START = 2.0  # of worker processes: Python, the libraries, the kernel
AT_ONCE = 2  # points of a block: handing it out is little beside their work
RESULTS = ("nrr", "p05", "p50", "p95", "p_target")
Point = tuple[int, tuple[float, ...]]  # its number and its values
Row = dict[str, float | None]  # the results at a point


@dataclass(frozen=True)
class Axis:
    """One number of a scenario, by its dotted name, and the values that it takes."""

    name: str
    values: tuple[float, ...]


def read_axis(text: str) -> Axis:
    """An axis as the command states it: `drivers.churn.smb.rate=FROM:TO:NUMBER`."""
    name, _, span = text.partition("=")
    parts = span.split(":")
    try:
        low, high, points = map(number_in, parts)
        low, high = float(low), float(high)
        number = points if isinstance(points, int) else 0
        fits = bool(name) and 1 <= number <= MOST_POINTS and np.isfinite([low, high]).all()
    except (ValueError, OverflowError):
        fits = False
    if not fits:
        raise UsageError(
            "--vary: write NAME=FROM:TO:NUMBER, such as drivers.churn.smb.rate=0.05:0.25:21;"
            f" got {text!r}"
        )
    # twelve digits: 0.15, not the 0.15000000000000002 that steps add up to
    return Axis(name, tuple(float(f"{value:.12g}") for value in np.linspace(low, high, number)))


def sweep(
    scenario: Scenario | str | Path,
    axes: Sequence[Axis],
    *,
    exact: bool = False,
    trials: int = TRIALS,
    seed: int = SEED,
    target: float | None = None,
    kept: str | Path | None = None,
    workers: int | None = 1,
    scheduler: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """A row a point: the values of the axes, then `nrr` (mean), `p05`, `p50`, `p95` and `p_target`,
    computed.

    scenario : one that was read or made, or its file. seed : of the draws of the beliefs.
    exact, trials : move nothing, as no point is simulated; kept so that older calls run.
    kept : a file of what is done, in whatever order; a sweep that finds its own goes on from there.
    workers : processes that share the points; 1 is this process itself. None: as many as there are
        processors, once this process has worked as long as starting them takes. They are spawned: a
        script that asks for them needs `if __name__ == "__main__":`.
    scheduler : the address of a Dask scheduler, such as tcp://127.0.0.1:8786, whose workers do it
        instead.

    Raises UsageError for what cannot be varied, before anything is run where it can be seen, and
    for a scheduler that cannot be used.
    """
    points = list(product(*(axis.values for axis in axes)))
    names = [axis.name for axis in axes]
    if not axes or len(points) > MOST_POINTS:
        number = len(points) if axes else 0
        raise UsageError(f"--vary: {number:,} points; between 1 and {MOST_POINTS:,} can be run")
    if len(set(names)) < len(names):
        raise UsageError(
            f"--vary: {next(name for name in names if names.count(name) > 1)} stands twice"
        )
    workers = None if workers is None else whole_of("workers", workers)
    if workers is not None and workers < 1:
        raise UsageError(f"workers: must be at least 1, got {workers}")

    scenario = as_scenario(scenario)
    target = scenario.target if target is None else target

    # no point reads the ledger again
    given = Scenario.of(scenario.plain(), opening=scenario.opening)

    seed = whole_of("seed", seed)

    # what cannot be varied so far shows at a corner, before anything is run
    for corner in product(*map(_telling, axes)):
        given.with_(dict(zip(names, corner, strict=True)))

    # all that a point's result depends on: what was kept under another key is not gone on with
    settings: dict[str, Any] = {
        "scenario": scenario.plain(),
        "axes": [[axis.name, axis.values] for axis in axes],
        "seed": seed,
        "target": target,
        "nrrsim": version("nrrsim"),
    }
    there = given.opening
    customers = b"".join(
        each.tobytes() for each in (there.segment, there.arr, there.anniversary, there.tenure)
    )
    customers += there.stated.tobytes() if there.differ else b""
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode() + customers).hexdigest()

    done = _Done.of(kept, key)
    task = _Task(given, tuple(names), seed, target)
    todo = [(number, values) for number, values in enumerate(points) if number not in done.rows]
    with closing(_shared_out(task, todo, workers, scheduler, key)) as ended:
        for some in ended:
            for number, row in some:
                done.add(number, row)
            if progress:
                progress(len(done.rows))

    rows = [
        [*values, *(done.rows[number][name] for name in RESULTS)]
        for number, values in enumerate(points)
    ]
    return pd.DataFrame(rows, columns=[*names, *RESULTS]).astype(float)


def _telling(axis: Axis) -> list[float]:
    """Its ends, and its first value that is no whole number: a number that must be one shows it."""
    broken = (value for value in axis.values if not value.is_integer())
    return [*dict.fromkeys((axis.values[0], axis.values[-1], *islice(broken, 1)))]


def told(frame: pd.DataFrame) -> dict[str, Any]:
    """What `nrrsim sweep --json` prints: how many points, and where NRR is lowest and highest."""
    ends = {"lowest": int(frame["nrr"].argmin()), "highest": int(frame["nrr"].argmax())}
    rows = {
        # what is nan, which is not equal to itself, is not told
        name: {key: float(each) for key, each in frame.iloc[at].items() if each == each}
        for name, at in ends.items()
    }
    return {"points": len(frame), **rows}


def kept_beside(out: str | Path) -> Path:
    """Where a sweep keeps what is done until its result stands at `out`."""
    return Path(out).with_name(f".{Path(out).name}.done")


@dataclass(frozen=True)
class _Task:
    """What all points of a sweep share."""

    scenario: Scenario
    names: tuple[str, ...]
    seed: int
    target: float | None


def _shared_out(
    task: _Task, todo: list[Point], workers: int | None, scheduler: str | None, key: str
) -> Generator[list[tuple[int, Row]]]:
    """The rows of all points, some at a time, in whatever order."""
    # worked here, one by one, as long as it takes to start others: a small grid needs none
    first = 0
    if scheduler is None:
        begin = time.monotonic()
        while first < len(todo) and (
            workers == 1 or (workers is None and time.monotonic() - begin < SECONDS_TO_START)
        ):
            yield _rows(task, todo[first : first + 1])
            first += 1
    blocks = [todo[at : at + AT_ONCE] for at in range(first, len(todo), AT_ONCE)]
    if blocks and scheduler is not None:
        yield from on_cluster(_rows, task, blocks, scheduler, key)
    elif blocks:
        yield from in_processes(
            _rows, task, blocks, min(workers or available_threads(), len(blocks))
        )


def _rows(task: _Task, block: Sequence[Point]) -> list[tuple[int, Row]]:
    return [(number, _point(task, values)) for number, values in block]


def _point(task: _Task, values: tuple[float, ...]) -> Row:
    scenario, target = task.scenario.with_(dict(zip(task.names, values, strict=True))), task.target
    own = nrr_of(scenario, task.seed)
    nrr = foreseen(own, scenario)
    reached = None if target is None else nrr.reaches(target)
    return {"nrr": own.expected, **nrr.percentiles(), "p_target": reached}


@dataclass(frozen=True)
class _Done:
    """The points that are done, by number, and the file that keeps them; a cut line is none."""

    path: Path | None
    rows: dict[int, Row]

    @classmethod
    def of(cls, path: str | Path | None, key: str) -> _Done:
        if path is None:
            return cls(None, {})
        file, rows = Path(path), {}
        # after the last line's end comes nothing, or what was cut when the sweep was killed
        try:
            lines = file.read_text(encoding="utf-8").split("\n")[:-1] if file.is_file() else []
            if lines and lines[0] != key:
                raise UsageError(
                    f"{path}: is of a sweep with other settings; remove it, or choose another --out"
                )
            for line in lines[1:]:
                number, row = json.loads(line)
                rows[int(number)] = row
        except (ValueError, TypeError):
            raise UsageError(
                f"{path}: is not what a sweep has kept; remove it, or choose another --out"
            ) from None
        done = (json.dumps([number, row]) for number, row in rows.items())
        write_text(file, "".join(f"{line}\n" for line in (key, *done)))
        return cls(file, rows)

    def add(self, number: int, row: Row) -> None:
        self.rows[number] = dict(row)
        if self.path is not None:
            add_line(self.path, json.dumps([number, row]))
