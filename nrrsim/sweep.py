"""A scenario and what to vary in, NRR at each point of a grid out; never leaves a part of a file at a final path.

A point's result depends on the scenario, the point, trials and seed alone. What is done is kept beside the result until
all is done, so that a sweep that was killed goes on where it stopped, and ends with the same numbers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim import metrics, outlook
from nrrsim.errors import UsageError
from nrrsim.scenario import Scenario
from nrrsim.simulation import SEED, TRIALS, simulate

MOST_POINTS = 100_000
RESULTS = ("nrr", "p05", "p50", "p95", "p_target")


@dataclass(frozen=True)
class Axis:
    """One number of a scenario, by its dotted name, and the values that it takes."""

    name: str
    values: tuple[float, ...]


def read_axis(text: str) -> Axis:
    """An axis as the command states it: `drivers.churn.smb.rate=0.05:0.25:21` (from, to, how many)."""
    name, _, span = text.partition("=")
    parts = span.split(":")
    try:
        low, high, number = float(parts[0]), float(parts[1]), int(parts[2])
        fits = bool(name) and len(parts) == 3 and 1 <= number <= MOST_POINTS and np.isfinite([low, high]).all()
    except (ValueError, IndexError):
        fits = False
    if not fits:
        raise UsageError(
            f"--vary: write NAME=FROM:TO:NUMBER, such as drivers.churn.smb.rate=0.05:0.25:21; got {text!r}"
        )
    return Axis(name, tuple(float(f"{value:.12g}") for value in np.linspace(low, high, number)))


def sweep(
    scenario: Scenario,
    axes: Sequence[Axis],
    *,
    exact: bool = False,
    trials: int = TRIALS,
    seed: int = SEED,
    target: float | None = None,
    kept: str | Path | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """A row a point: the values of the axes, then `nrr` (mean), `p05`, `p50`, `p95` and `p_target`.

    exact : by the exact path (`outlook.likely`), in milliseconds a point, instead of full simulations.
    kept : a file of what is done, line by line; a sweep that finds its own goes on from there.

    Raises UsageError for what cannot be varied, before anything is run where it can be seen.
    """
    points = list(product(*(axis.values for axis in axes)))
    names = [axis.name for axis in axes]
    if not axes or len(points) > MOST_POINTS:
        raise UsageError(f"--vary: {len(points) if axes else 0:,} points; between 1 and {MOST_POINTS:,} can be run")
    if len(set(names)) < len(names):
        raise UsageError(f"--vary: {next(name for name in names if names.count(name) > 1)} stands twice")
    target = scenario.target if target is None else target
    for corner in product(*((axis.values[0], axis.values[-1]) for axis in axes)):
        scenario.with_(dict(zip(names, corner, strict=True)))
    settings: dict[str, Any] = {"scenario": scenario.plain(), "axes": [[axis.name, axis.values] for axis in axes]}
    settings |= {"exact": exact, "trials": trials, "seed": seed, "target": target}
    done = _Done.of(kept, hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest())
    for number, values in enumerate(points):
        if number not in done.rows:
            moved = scenario.with_(dict(zip(names, values, strict=True)))
            done.add(number, _point(moved, exact, trials, seed, target, threads))
        if progress:
            progress(number + 1)
    rows = [[*values, *(done.rows[number][name] for name in RESULTS)] for number, values in enumerate(points)]
    return pd.DataFrame(rows, columns=[*names, *RESULTS]).astype(float)


def _point(
    scenario: Scenario, exact: bool, trials: int, seed: int, target: float | None, threads: int | None
) -> dict[str, float | None]:
    if exact:
        told = outlook.likely(scenario, target, seed)
        return {"nrr": told["mean"], **{name: told[name] for name in RESULTS[1:]}}
    nrr = np.asarray(metrics.nrr(simulate(scenario, trials, seed, threads=threads)))
    p05, p50, p95 = map(float, np.quantile(nrr, (0.05, 0.5, 0.95)))
    reached = None if target is None else outlook.share_reaching(nrr, target)
    return {"nrr": float(nrr.mean()), "p05": p05, "p50": p50, "p95": p95, "p_target": reached}


@dataclass(frozen=True)
class _Done:
    """The points that are done, by number, and the file that they are kept in; a line that was cut is not one."""

    path: Path | None
    rows: dict[int, dict[str, float | None]]

    @classmethod
    def of(cls, path: str | Path | None, key: str) -> _Done:
        if path is None:
            return cls(None, {})
        file, rows = Path(path), {}
        lines = file.read_text(encoding="utf-8").split("\n")[:-1] if file.is_file() else []
        if lines and lines[0] != key:
            raise UsageError(f"{path}: is of a sweep with other settings; remove it, or choose another --out")
        for line in lines[1:]:
            number, row = json.loads(line)
            rows[int(number)] = row
        text = "".join(f"{line}\n" for line in (key, *(json.dumps([n, row]) for n, row in rows.items())))
        unfinished = file.with_name(f"{file.name}-{os.getpid()}")
        try:
            unfinished.write_text(text, encoding="utf-8")
            os.replace(unfinished, file)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror}); is its folder there?") from None
        return cls(file, rows)

    def add(self, number: int, row: Mapping[str, float | None]) -> None:
        self.rows[number] = dict(row)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([number, row]) + "\n")


def told(frame: pd.DataFrame) -> dict[str, Any]:
    """What `nrrsim sweep --json` prints: how many points, and those with the lowest and the highest NRR."""
    ends = {"lowest": int(frame["nrr"].argmin()), "highest": int(frame["nrr"].argmax())}
    rows = {
        name: {key: float(each) for key, each in frame.iloc[at].items() if each == each} for name, at in ends.items()
    }
    return {"points": len(frame), **rows}


def kept_beside(out: str | Path) -> Path:
    """Where a sweep keeps what is done until its result stands at `out`."""
    return Path(out).with_name(f".{Path(out).name}.done")
