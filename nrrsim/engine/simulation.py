"""A scenario, a number of trials and a seed in, Movements with trials out; never reads files.

Customers are simulated one by one, month by month, by the event clock in `kernel`. The result
depends on the scenario, the seed and the trial alone: not on threads, on how the trials are cut up,
or on which process takes which of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import numpy as np

from nrrsim.engine import kernel
from nrrsim.engine.draws import SEED, checked_place
from nrrsim.engine.driver_rates import Rates, draw_rates, monthly, sizes_of
from nrrsim.engine.groups import common_phases, months_of, refuse_endless
from nrrsim.engine.sizes import size_tables
from nrrsim.errors import UsageError
from nrrsim.messages import whole_of
from nrrsim.movements import Movements
from nrrsim.scenario.customers import Customers
from nrrsim.scenario.drivers import COUNTED
from nrrsim.scenario.scenario import Scenario, as_scenario

TRIALS = 10_000
MOST_TRIALS = 10_000_000
MOST_BYTES = 16e9
CELLS_AT_ONCE = 100_000_000  # customer-months of one piece of work: about a tenth of a second
CERTAIN = (
    1e-16  # a certain event is given this probability not to happen, so that its hazard is finite
)


def simulate(
    scenario: Scenario | str | Path,
    trials: int = TRIALS,
    seed: int = SEED,
    *,
    threads: int | None = None,
    window: tuple[int, int] | None = None,
    book: bool = False,
    first: int = 0,
    chunk: int | None = None,
    beside: Scenario | None = None,
    progress: Callable[[int], None] | None = None,
) -> Movements:
    """Movements with dims (trial, segment, month) of the customers there at the start, in ARR.

    scenario : one that was read or made, or its file.
    trials, seed : the same two give the same bits, for any `threads` and `chunk`.
    threads : how many work at once (default: as many as the machine lets this process use).
    window, book : as for `expect`: whom to follow, and from which month to which.
    first : the number of the first trial: trials 0 to 99 and `first=100` of as many are two halves
        of one run.
    chunk : trials of one piece of work; changes nothing but the time it takes.
    beside : a scenario to be compared with: both meet the same luck if each is simulated beside the
        other.
    progress : called with the number of trials that are done, now and then.

    Raises UsageError for numbers that cannot be; KeyboardInterrupt ends it within a fraction of a
    second.
    """
    scenario = as_scenario(scenario)
    trials = whole_of("trials", trials)
    if not 1 <= trials <= MOST_TRIALS:
        raise UsageError(f"trials: must be from 1 to {MOST_TRIALS:,}, got {trials:,}")
    seed, first = (
        checked_place(name, at, trials) for name, at in (("seed", seed), ("first", first))
    )
    threads, chunk = (
        None if given is None else whole_of(name, given)
        for name, given in (("threads", threads), ("chunk", chunk))
    )
    for name, given in (("threads", threads), ("chunk", chunk)):
        if given is not None and given < 1:
            raise UsageError(f"{name}: must be at least 1, got {given}")
    start, end = months_of(scenario, window)
    customers = scenario.customers() if start or book else scenario.opening
    span = kernel.Span(end, start, not book)
    work = _Work.of(scenario, beside or scenario, customers, seed, first, span)
    shape = (len(kernel.VARIABLES), trials, len(customers.segments), end - start)
    if np.prod(shape, dtype=float) * 8 > MOST_BYTES:
        needs = f"{np.prod(shape, dtype=float) * 8 / 1e9:.0f} GB"
        raise UsageError(
            f"trials: the result of {trials:,} would take {needs} of memory; run fewer, or in parts"
        )
    out = np.zeros(shape)
    cells = max(1, len(customers.arr) * end)
    threads = threads or available_threads()
    step = chunk or max(1, min(-(-trials // (2 * threads)), CELLS_AT_ONCE // cells))
    _share_out(work, out, trials, step, threads, progress)
    arrays = dict(zip(kernel.VARIABLES, out, strict=True))
    refuse_endless(arrays["closing"])
    months = [scenario.month(t) for t in range(start + 1, end + 1)]
    return Movements.of(
        arrays,
        segments=list(customers.segments),
        months=months,
        start=scenario.month(start),
        closed=not book,
    )


def available_threads() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _share_out(
    work: _Work,
    out: np.ndarray,
    trials: int,
    step: int,
    threads: int,
    progress: Callable[[int], None] | None,
) -> None:
    """Let threads take the pieces; the kernel runs without Python's lock. An interrupt drops what
    has not begun.

    The main thread waits at one queue in C, because an interrupt inside a lock of Python's own
    would leave it locked.
    """
    pieces = [(lo, min(lo + step, trials)) for lo in range(0, trials, step)]
    if threads == 1 and progress is None:
        for lo, hi in pieces:
            work.run(lo, hi, out)
        return
    todo: SimpleQueue[tuple[int, int]] = SimpleQueue()
    ended: SimpleQueue[int | BaseException] = SimpleQueue()
    for piece in pieces:
        todo.put(piece)
    dropped: list[bool] = []

    def take() -> None:
        while not dropped:
            try:
                lo, hi = todo.get_nowait()
                work.run(lo, hi, out)
                ended.put(hi - lo)
            except Empty:
                return
            except BaseException as error:
                ended.put(error)
                return

    workers = [Thread(target=take, daemon=True) for _ in range(min(threads, len(pieces)))]
    try:
        for worker in workers:
            worker.start()
        done = 0
        while done < trials:
            each = ended.get()
            if isinstance(each, BaseException):
                raise each
            done += each
            if progress:
                progress(done)
    finally:
        dropped.append(True)
        for worker in workers:
            if worker.ident:
                worker.join()


@dataclass(frozen=True)
class _Work:
    """What the kernel needs, laid out as it wants it; see `kernel.run`."""

    scenario: Scenario
    beside: Scenario
    customers: Customers
    seed: int
    first: int
    span: kernel.Span
    book: kernel.Book
    tables: np.ndarray
    has_table: np.ndarray

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        beside: Scenario,
        customers: Customers,
        seed: int,
        first: int,
        span: kernel.Span,
    ) -> _Work:
        tables, has_table = size_tables(sizes_of(scenario, customers.segments))
        book = _tiled(customers)
        return cls(scenario, beside, customers, seed, first, span, book, tables, has_table)

    def _draw(self, scenario: Scenario, lo: int, hi: int) -> Rates:
        return draw_rates(
            scenario, self.customers, count=hi - lo, seed=self.seed, first=self.first + lo
        )

    def run(self, lo: int, hi: int, out: np.ndarray) -> None:
        """The trials from `lo` to `hi`, written to their place in `out`."""
        trials = kernel.Trials(self.seed, self.first, lo, hi)
        kernel.run(trials, self.span, self.book, self._drivers(lo, hi), out)

    def _drivers(self, lo: int, hi: int) -> kernel.Drivers:
        """What happens to the customers in these trials, by their draws of the beliefs."""
        rates = self._draw(self.scenario, lo, hi)
        other = rates if self.beside is self.scenario else self._draw(self.beside, lo, hi)
        draws = max(rates.draws, other.draws)
        if other is not rates:  # one of them may be certain
            rates, other = rates.spread(draws), other.spread(draws)

        cycle, number = common_phases((rates.phases, rates.cycle), (other.phases, other.cycle))
        phases = [rates.in_phase(phase) for phase in range(number)]
        others = phases if other is rates else [other.in_phase(phase) for phase in range(number)]
        pairs = zip(phases, others, strict=True)
        both = [clocks(one, another, self.customers.annual) for one, another in pairs]
        hazard, keep, thinned = map(np.stack, zip(*both, strict=True))

        # the calendar moves no return: from the last month that a programme changes, all are alike
        coming_back = phases[: number - cycle + 1]
        back_hazard = np.stack([hazard_of(monthly(each.reactivation)) for each in coming_back])
        return kernel.Drivers(
            hazard,
            keep,
            np.asarray(thinned.any(axis=0)),
            np.ascontiguousarray(np.stack([each.uplift for each in phases])),
            np.ascontiguousarray(back_hazard),
            np.ascontiguousarray(rates.reactivation_size),
            np.stack([getattr(rates, f"{driver}_size") for driver in COUNTED], axis=-1),
            self.tables,
            self.has_table,
            rates.in_the_year.together,
            cycle,
        )


def _tiled(customers: Customers) -> kernel.Book:
    """The customers tile after tile: each takes every n-th, so that it holds its part of every
    segment and anniversary, still sorted.
    """
    number = max(1, -(-len(customers.arr) // kernel.TILE))
    parts = [np.arange(tile, len(customers.arr), number) for tile in range(number)]
    segments = len(customers.segments)
    bounds = np.empty((number, segments, 13), np.int64)
    for tile, part in enumerate(parts):
        kind = customers.segment[part] * 12 + customers.anniversary[part] - 1
        begins = np.searchsorted(kind, np.arange(segments * 12 + 1))
        bounds[tile] = begins[np.arange(segments)[:, None] * 12 + np.arange(13)]
    order = np.concatenate(parts)
    return kernel.Book(
        np.cumsum([0, *map(len, parts)]),
        bounds,
        customers.arr[order],
        customers.tenure[order],
        customers.joins[order].astype(np.int32),
    )


def hazard_of(probability: np.ndarray) -> np.ndarray:
    """-log(1 - p): the length of a cell on the clock's axis."""
    return np.asarray(-np.log1p(-np.minimum(probability, 1 - CERTAIN)))


def clocks(
    rates: Rates, other: Rates, annual: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The kernel's `hazard`, `keep` and `thinned`: a ceiling over tenure years and over both
    scenarios, and what part of it is the first one's. A scenario beside itself has its own hazards.
    """
    own = _probabilities(rates, annual)
    ceiling = own.max(axis=3)
    if other is not rates:
        ceiling = np.maximum(ceiling, _probabilities(other, annual).max(axis=3))
    with np.errstate(invalid="ignore", divide="ignore"):
        keep = np.where(ceiling[..., None] > 0, own / ceiling[..., None], 1.0)
    return hazard_of(ceiling), keep, np.asarray((keep < 1).any(axis=(0, 1, 3)))


def _probabilities(rates: Rates, annual: np.ndarray) -> np.ndarray:
    """How likely each event is in a month: `ndarray[draw, segment, 6, year]`, in the order of the
    kernel's columns.
    """
    churn = [rates.monthly_churn(annual, due) for due in (False, True)]
    others = (
        1 - rates.acceptance,
        rates.contraction / 12,
        rates.adoption / 12,
        rates.cross_sell / 12,
    )
    years = churn[0].shape[2]
    return np.stack(
        [*churn, *(np.repeat(each[:, :, None], years, axis=2) for each in others)], axis=2
    )
