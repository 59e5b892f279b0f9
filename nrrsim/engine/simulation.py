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
from nrrsim.engine.groups import Kinds, common_phases, months_of, refuse_endless
from nrrsim.engine.levels import without_levels
from nrrsim.engine.sizes import size_tables
from nrrsim.errors import UsageError
from nrrsim.messages import whole_of
from nrrsim.movements import Movements
from nrrsim.scenario.customers import Customers, place_among
from nrrsim.scenario.drivers import COUNTED, MULTIPLIERS
from nrrsim.scenario.scenario import Scenario, as_scenario

TRIALS = 10_000
MOST_TRIALS = 10_000_000
MOST_BYTES = 16e9
CELLS_AT_ONCE = 100_000_000  # customer-months of one piece of work: about a tenth of a second
APART = 16.0  # times that multipliers of one kind of customers are from each other, at most
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
    kinds: tuple[Kinds, Kinds] | None

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
        own, kinds = _multipliers(scenario, beside, customers), None
        kind, segment = customers.segment, np.arange(len(customers.segments))
        if own is not None:
            kind, kinds = _kinds(customers, own)
            segment = kinds[0].segment
        book = _tiled(customers, kind, segment, None if own is None else own[0])
        return cls(scenario, beside, customers, seed, first, span, book, tables, has_table, kinds)

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
        annual = self.customers.annual
        both = [clocks(one, another, annual, self.kinds) for one, another in pairs]
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


def _multipliers(
    scenario: Scenario, beside: Scenario, customers: Customers
) -> tuple[np.ndarray, np.ndarray] | None:
    """By what these customers differ from their segments, `ndarray[customer, multiplier]`, in the
    scenario and in the one beside it, each of the same name; None where nobody does in either.
    """
    own, other = without_levels(scenario, customers), None
    if beside is not scenario and beside.opening.differ:
        other = without_levels(beside, beside.opening)
    if own is None and other is None:
        return None
    alike = np.ones((len(customers.arr), len(MULTIPLIERS)))
    own = alike if own is None else own
    if other is not None:
        other = np.append(other, alike[:1], axis=0)[place_among(beside.opening, customers)]
    return own, (own if beside is scenario else alike) if other is None else other


def _kinds(
    customers: Customers, own: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, tuple[Kinds, Kinds]]:
    """The kind of each customer, and what each kind has at most in either scenario: so near to
    each other that few events of a ceiling are for nothing. The same whichever of two scenarios is
    beside the other.
    """
    with np.errstate(divide="ignore"):
        near = np.rint(np.log(np.maximum(*own)) / np.log(APART))
    rows = np.column_stack([customers.segment, near])
    alike, kind = np.unique(rows, axis=0, return_inverse=True)
    kind = kind.ravel()
    most = [np.zeros((len(alike), len(MULTIPLIERS))) for _ in own]
    for each, highest in zip(own, most, strict=True):
        np.maximum.at(highest, kind, each)
    segment = alike[:, 0].astype(np.int64)
    first, second = (Kinds(segment, each, kind) for each in most)
    return kind, (first, second)


def _tiled(
    customers: Customers, kind: np.ndarray, segment: np.ndarray, own: np.ndarray | None
) -> kernel.Book:
    """The customers tile after tile: each takes every n-th, so that it holds its part of every
    kind and anniversary, still sorted.
    """
    number = max(1, -(-len(customers.arr) // kernel.TILE))
    place = kind * 12 + customers.anniversary - 1
    sorted_ = np.argsort(place, kind="stable")
    parts = [sorted_[tile::number] for tile in range(number)]
    bounds = np.empty((number, len(segment), 13), np.int64)
    for tile, part in enumerate(parts):
        begins = np.searchsorted(place[part], np.arange(len(segment) * 12 + 1))
        bounds[tile] = begins[np.arange(len(segment))[:, None] * 12 + np.arange(13)]
    order = np.concatenate(parts)
    return kernel.Book(
        np.cumsum([0, *map(len, parts)]),
        bounds,
        segment,
        customers.arr[order],
        customers.tenure[order],
        customers.joins[order].astype(np.int32),
        np.ones((len(MULTIPLIERS), 0)) if own is None else np.ascontiguousarray(own[order].T),
    )


def hazard_of(probability: np.ndarray) -> np.ndarray:
    """-log(1 - p): the length of a cell on the clock's axis."""
    return np.asarray(-np.log1p(-np.minimum(probability, 1 - CERTAIN)))


def clocks(
    rates: Rates,
    other: Rates,
    annual: np.ndarray,
    kinds: tuple[Kinds, Kinds] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The kernel's `hazard`, `keep` and `thinned`: a ceiling over tenure years and over both
    scenarios, and what part of it is the first one's. A scenario beside itself has its own hazards.

    kinds : of customers, with what each has at most in either scenario.
    """
    own = _probabilities(rates, annual)
    if kinds is not None:
        return _clocks_of(kinds, own, rates, other, annual)
    ceiling = own.max(axis=3)
    if other is not rates:
        ceiling = np.maximum(ceiling, _probabilities(other, annual).max(axis=3))
    with np.errstate(invalid="ignore", divide="ignore"):
        keep = np.where(ceiling[..., None] > 0, own / ceiling[..., None], 1.0)
    return hazard_of(ceiling), keep, np.asarray((keep < 1).any(axis=(0, 1, 3)))


def _clocks_of(
    kinds: tuple[Kinds, Kinds], own: np.ndarray, rates: Rates, other: Rates, annual: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `clocks`, where accounts differ: a ceiling for each kind of customers, and the month's
    probabilities at their segment's `own` rates.
    """
    most = [
        _probabilities(each, annual, some).max(axis=3)
        for each, some in zip((rates, other), kinds, strict=True)
    ]
    ceiling = np.maximum(*most)
    # a refusal is the segment's: the same ceiling, and a part of it
    refusals, mine = ceiling[:, :, kernel.REFUSAL], own[:, :, kernel.REFUSAL]
    first = np.searchsorted(kinds[0].segment, np.arange(own.shape[1]))
    known = np.minimum(first, len(kinds[0].segment) - 1)  # of a segment without customers: any
    highest = np.maximum(refusals[:, known, None], mine)
    with np.errstate(invalid="ignore", divide="ignore"):
        own[:, :, kernel.REFUSAL] = np.where(highest > 0, mine / highest, 1.0)
    return hazard_of(ceiling), own, np.ones(own.shape[2], bool)


def _probabilities(rates: Rates, annual: np.ndarray, kinds: Kinds | None = None) -> np.ndarray:
    """How likely each event is in a month: `ndarray[draw, kind, 6, year]`, in the order of the
    kernel's columns.
    """
    churn = [rates.monthly_churn(annual, due, kinds) for due in (False, True)]
    refuses = 1 - rates.acceptance
    others = (
        refuses if kinds is None else refuses[:, kinds.segment],
        *(rates.how_often(driver, kinds) / 12 for driver in COUNTED),
    )
    years = churn[0].shape[2]
    return np.stack(
        [*churn, *(np.repeat(each[:, :, None], years, axis=2) for each in others)], axis=2
    )
