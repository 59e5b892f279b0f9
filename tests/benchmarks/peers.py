"""A `Workload` comes in, monthly sums per trial and segment go out; the package never imports it.

The peers that a Monte Carlo engine for net revenue retention is measured against, each written as well as its style
allows: plain Python, one simpy process per customer, dense NumPy, sparse NumPy. All simulate the same month of one
customer (churn, price, contraction, adoption, cross-sell, reactivation: each step on what is then there), each in one
thread; they share no random numbers, so they agree in distribution, not draw by draw.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
MOVEMENTS = ("churn", "price", "contraction", "adoption", "cross_sell", "reactivation")
OUTPUTS = (*MOVEMENTS, "closing", "retained", "customers")
ALMOST_ONE = 1 - 1e-12  # an event that is certain would have no finite hazard
# numpy_dense: trials x customers at a time; more is slower and takes more memory.
DENSE_CELLS = 2**16
# numpy_expert and numpy_clock: 2 MB of amounts; less costs more in calls than it saves in cache.
EXPERT_CELLS = 2**18


@dataclass(frozen=True)
class Workload:
    """A book of n customers in S segments, and what each trial believes about them.

    arr: float64[n], opening ARR; customers are sorted by segment, then anniversary; no segment is empty
    segment: int[n], 0..S-1
    anniversary: int[n], r in 1..12: it falls in every month t >= 1 for which 12 divides t - r
    annual: bool[S], the term
    months: H
    churn, uplift, acceptance, churn_per_point, contraction, adoption, cross_sell, reactivation, reactivation_size:
        float64[trials, S]; rates are annual
    contraction_size, adoption_size, cross_sell_size: float64[S, 2], mean and sd per event; sd 0: every event the same.
        A contraction is Beta, a gain lognormal, with that mean and sd.
    """

    arr: Array
    segment: Array
    anniversary: Array
    annual: Array
    months: int
    churn: Array
    uplift: Array
    acceptance: Array
    churn_per_point: Array
    contraction: Array
    adoption: Array
    cross_sell: Array
    reactivation: Array
    reactivation_size: Array
    contraction_size: Array
    adoption_size: Array
    cross_sell_size: Array

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of each output: trials, segments, months."""
        return (*self.churn.shape, self.months)

    @property
    def bounds(self) -> Array:
        """The customers of segment s are bounds[s]:bounds[s + 1]."""
        return np.searchsorted(self.segment, np.arange(len(self.annual) + 1))

    @property
    def leaving(self) -> tuple[Array, Array]:
        """The probabilities, [trials, S], of leaving in a month without anniversary,
        and in one with it.
        """
        ordinary = np.where(
            self.annual, 0, np.minimum(1 - (1 - self.churn) ** (1 / 12), ALMOST_ONE)
        )
        return ordinary, np.minimum(
            np.where(self.annual, self.churn, ordinary) + self.churn_per_point * self.uplift, 1
        )

    @property
    def leaving_at_term(self) -> Array:
        """The probability, [trials, S],
        that an anniversary makes a customer leave who would have stayed without it.
        """
        ordinary, at_term = self.leaving
        return (at_term - ordinary) / (1 - ordinary)

    @property
    def monthly(self) -> tuple[Array, Array, Array, Array]:
        """The probabilities, [trials, S], of a contraction, an adoption, a cross-sell, a return."""
        returning = 1 - (1 - self.reactivation) ** (1 / 12)
        return self.contraction / 12, self.adoption / 12, self.cross_sell / 12, returning

    @property
    def sizes(self) -> tuple[Array, Array, Array]:
        """In the order of `monthly`: the first is a loss, the others are gains."""
        return self.contraction_size, self.adoption_size, self.cross_sell_size


def _hazard(probability: Array) -> Array:
    """The rate of the Poisson process that hits at least once with this probability."""
    return -np.log1p(-np.minimum(probability, ALMOST_ONE))


def _beta(mean: Any, sd: Any) -> tuple[Any, Any]:
    """The two shapes of the Beta distribution with this mean and sd."""
    both = mean * (1 - mean) / sd**2 - 1
    return mean * both, (1 - mean) * both


def _lognormal(mean: Any, sd: Any) -> tuple[Any, Any]:
    """The mean and sd of the logarithm of what has this mean and sd."""
    variance = np.log1p((sd / mean) ** 2)
    return np.log(mean) - variance / 2, np.sqrt(variance)


def _samplers(workload: Workload, rng: random.Random) -> list[list[Callable[[], float]]]:
    """Of each segment: what draws the size of a contraction, an adoption, a cross-sell."""

    def sampler(mean: float, sd: float, loss: bool) -> Callable[[], float]:
        if sd == 0:
            return lambda: mean
        first, second = map(float, (_beta if loss else _lognormal)(mean, sd))
        draw = rng.betavariate if loss else rng.lognormvariate
        return lambda: draw(first, second)

    return [
        [
            sampler(float(pairs[s, 0]), float(pairs[s, 1]), k == 0)
            for k, pairs in enumerate(workload.sizes)
        ]
        for s in range(len(workload.annual))
    ]


def _draw_sizes(rng: np.random.Generator, mean: Any, sd: Any, shape: Any, loss: bool) -> Array:
    """Draws as many sizes; mean and sd are numbers, or arrays of that shape."""
    if not np.any(sd):
        return np.full(shape, mean)
    if loss:
        return rng.beta(*_beta(mean, np.maximum(sd, 1e-9)), shape)
    location, scale = _lognormal(mean, sd)
    sizes = rng.standard_normal(shape)
    sizes *= scale
    sizes += location
    return np.exp(sizes, out=sizes)


def _accumulate(workload: Workload, out: dict[str, Array]) -> dict[str, Array]:
    """Adds `closing`, the movements' sum; `customers` comes in as changes and leaves as a level."""
    opening = np.add.reduceat(workload.arr, workload.bounds[:-1])[:, None]
    gains = out["price"] + out["adoption"] + out["cross_sell"] + out["reactivation"]
    out["closing"] = opening + np.cumsum(gains - out["contraction"] - out["churn"], axis=2)
    out["customers"] = np.diff(workload.bounds)[:, None] + np.cumsum(out["customers"], axis=2)
    return out


def python_loop(workload: Workload, seed: int) -> dict[str, Array]:
    """Loops over trials, months and customers, as one writes it without NumPy."""
    rng = random.Random(seed)
    draw, samplers = rng.random, _samplers(workload, rng)
    trials, segments, months = workload.shape
    out = {name: np.zeros(workload.shape) for name in OUTPUTS}
    bounds, opening, anniversary = (
        workload.bounds.tolist(),
        workload.arr.tolist(),
        workload.anniversary.tolist(),
    )
    price_drivers = (workload.acceptance, workload.uplift, workload.reactivation_size)
    drivers = np.stack((*workload.leaving, *workload.monthly, *price_drivers), axis=2).tolist()
    for trial in range(trials):
        amounts, left = opening.copy(), [0.0] * len(opening)
        for month in range(months):
            due = month % 12 + 1
            for s in range(segments):
                ordinary, at_term, contracts, adopts, buys, returns, accepts, uplift, part = (
                    drivers[trial][s]
                )
                contraction_size, adoption_size, cross_sell_size = samplers[s]
                churn = price = contraction = adoption = cross_sell = reactivation = closing = (
                    retained
                ) = 0.0
                customers = 0
                for i in range(bounds[s], bounds[s + 1]):
                    amount = amounts[i]
                    if amount == 0.0:
                        if draw() >= returns:
                            continue
                        amount = part * left[i]
                        reactivation += amount
                    else:
                        renews = anniversary[i] == due
                        leaves = at_term if renews else ordinary
                        if leaves and draw() < leaves:
                            churn += amount
                            left[i], amounts[i] = amount, 0.0
                            continue
                        if renews and draw() < accepts:
                            change = amount * uplift
                            price += change
                            amount += change
                        if draw() < contracts:
                            change = amount * contraction_size()
                            contraction += change
                            amount -= change
                        if draw() < adopts:
                            change = amount * adoption_size()
                            adoption += change
                            amount += change
                        if draw() < buys:
                            change = amount * cross_sell_size()
                            cross_sell += change
                            amount += change
                    amounts[i] = amount
                    closing += amount
                    retained += amount if amount < opening[i] else opening[i]
                    customers += 1
                sums = (
                    churn,
                    price,
                    contraction,
                    adoption,
                    cross_sell,
                    reactivation,
                    closing,
                    retained,
                    customers,
                )
                for name, value in zip(OUTPUTS, sums, strict=True):
                    out[name][trial, s, month] = value
    return out


def simpy_processes(workload: Workload, seed: int) -> dict[str, Array]:
    """One simpy process per customer,
    which sleeps until the next month in which something happens to it.
    """
    import simpy

    rng = random.Random(seed)
    draw, exponential, samplers = rng.random, rng.expovariate, _samplers(workload, rng)
    trials, segments, months = workload.shape
    hazards = _hazard(np.stack((workload.leaving[0], *workload.monthly), axis=2))
    waits = (1 / np.maximum(hazards, 1e-300)).tolist()  # mean months to the next event
    shares = (
        workload.leaving_at_term,
        workload.acceptance,
        workload.uplift,
        workload.reactivation_size,
    )
    drivers = np.stack(shares, axis=2).tolist()
    names = (*MOVEMENTS, "retained", "customers")
    out = {name: np.zeros(workload.shape) for name in names}

    def live(
        env: simpy.Environment, first: float, anniversary: int, segment: Any
    ) -> Generator[Any, None, None]:
        (
            (to_leave, *to_change, to_return),
            (leaves_at_term, accepts, uplift, part),
            changes,
            book,
        ) = segment
        churn, price, reactivation, retained, customers = book
        amount, kept, now = first, first, 0

        def wait(mean: float) -> float:
            """The month of the next success: a geometric wait is an exponential one, rounded up."""
            return now + 1 + exponential(1.0) * mean // 1

        while True:
            leaves, due = wait(to_leave), [wait(mean) for mean in to_change]
            renews = now + 1 + (anniversary - now - 1) % 12
            while True:
                month = min(leaves, renews, *due)
                if month > months:
                    return
                now = int(month)
                yield env.timeout(now - env.now)
                if leaves == now or (renews == now and draw() < leaves_at_term):
                    break
                if renews == now:
                    renews += 12
                    if draw() < accepts:
                        price[now] += amount * uplift
                        amount += amount * uplift
                for k, sign, booked, size in changes:
                    if due[k] == now:
                        due[k] = wait(to_change[k])
                        change = amount * size()
                        booked[now] += change
                        amount += sign * change
                retained[now] += min(amount, first) - kept
                kept = min(amount, first)
            churn[now] += amount
            retained[now] -= kept
            customers[now] -= 1
            month = wait(to_return)
            if month > months:
                return
            now = int(month)
            yield env.timeout(now - env.now)
            amount *= part
            kept = min(amount, first)
            reactivation[now] += amount
            retained[now] += kept
            customers[now] += 1

    everyone = list(
        zip(
            workload.arr.tolist(),
            workload.anniversary.tolist(),
            workload.segment.tolist(),
            strict=True,
        )
    )
    for trial in range(trials):
        env = simpy.Environment()
        books = [[[0.0] * (months + 1) for _ in names] for _ in range(segments)]
        in_segment = []
        for s, (churn, price, *changed, reactivation, retained, customers) in enumerate(books):
            changes = tuple(zip(range(3), (-1, 1, 1), changed, samplers[s], strict=True))
            book = (churn, price, reactivation, retained, customers)
            in_segment.append((waits[trial][s], drivers[trial][s], changes, book))
        for first, anniversary, s in everyone:
            env.process(live(env, first, anniversary, in_segment[s]))
        env.run()
        for name, sums in zip(names, np.array(books).transpose(1, 0, 2), strict=True):
            out[name][trial] = sums[:, 1:]
    opening = np.add.reduceat(workload.arr, workload.bounds[:-1])[:, None]
    out["retained"] = opening + np.cumsum(out["retained"], axis=2)
    return _accumulate(workload, out)


def numpy_dense(workload: Workload, seed: int) -> dict[str, Array]:
    """Arrays of [trial, customer] for each month,
    and as many draws of everything, whether it happens or not.
    """
    rng = np.random.default_rng(seed)
    trials, segments, months = workload.shape
    out = {name: np.zeros(workload.shape) for name in OUTPUTS}
    bounds = workload.bounds
    block = max(1, DENSE_CELLS // len(workload.arr))
    for rows in (slice(begin, min(begin + block, trials)) for begin in range(0, trials, block)):
        shape = (rows.stop - rows.start, len(workload.arr))
        of_price = (workload.acceptance, workload.uplift, workload.reactivation_size)
        ordinary, at_term, *rates, returns, accepts, uplift, part = (
            driver[rows][:, workload.segment]
            for driver in (*workload.leaving, *workload.monthly, *of_price)
        )
        amount, left = np.tile(workload.arr, (shape[0], 1)), np.zeros(shape)
        for month in range(months):
            renews = workload.anniversary == month % 12 + 1
            lapsed = amount == 0
            churn = np.where(rng.random(shape) < np.where(renews, at_term, ordinary), amount, 0.0)
            left = np.where(churn > 0, churn, left)
            amount = amount - churn
            price = np.where(renews & (rng.random(shape) < accepts), amount * uplift, 0.0)
            amount = amount + price
            changes = []
            for k, (rate, pairs) in enumerate(zip(rates, workload.sizes, strict=True)):
                sizes = np.empty(shape)
                for s in range(segments):
                    own = sizes[:, bounds[s] : bounds[s + 1]]
                    own[:] = _draw_sizes(rng, pairs[s, 0], pairs[s, 1], own.shape, loss=k == 0)
                changes.append(np.where(rng.random(shape) < rate, amount * sizes, 0.0))
                amount = amount - changes[k] if k == 0 else amount + changes[k]
            reactivation = np.where(lapsed & (rng.random(shape) < returns), left * part, 0.0)
            amount = amount + reactivation
            levels = (amount, np.minimum(amount, workload.arr), (amount > 0).astype(float))
            for name, cells in zip(
                OUTPUTS, (churn, price, *changes, reactivation, *levels), strict=True
            ):
                out[name][rows, :, month] = np.add.reduceat(cells, bounds[:-1], axis=1)
    return out


class _Events:
    """Where one driver's event happens, among the cells of some trials and months, and how large it is.

    A row is one month, trial and segment; its cells have the same hazard. A Poisson process runs through all rows: it
    hits a cell with just the probability of the event, independently of the others. Given their number, its points are
    uniform order statistics: partial sums of exponentials, so they come sorted. A second hit on a cell does nothing.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        hazard: Array,
        first: Array,
        width: Array,
        cells: int,
        months: int,
    ):
        """hazard, first: [trial, segment], first:
        the first of `width[segment]` cells; cells: of one month.
        """
        inverse = np.divide(1, hazard, out=np.zeros_like(hazard), where=hazard > 0)
        inverse, ends = (
            np.tile(inverse.ravel(), months),
            np.cumsum(np.tile((hazard * width).ravel(), months)),
        )
        offset = np.tile((first + width).ravel(), months) - ends * inverse
        offset += np.repeat(np.arange(months) * cells, hazard.size)
        point = rng.random(rng.poisson(ends[-1]) + 1)
        np.subtract(1, point, out=point)
        np.log(point, out=point)  # twice as fast as standard_exponential; the sign cancels
        np.cumsum(point, out=point)
        total, point = point[-1], point[:-1]
        point *= ends[-1] / total
        stops = np.searchsorted(point, ends)
        stops[-1] = len(point)
        self.counts = np.diff(stops, prepend=0)
        self.starts = stops - self.counts
        point *= np.repeat(inverse, self.counts)
        point += np.repeat(offset, self.counts)
        self.cell = point.astype(np.int64)
        self.twice = np.flatnonzero(self.cell[1:] == self.cell[:-1])
        self.months, self.cells = [0, *stops[hazard.size - 1 :: hazard.size].tolist()], cells
        # the last one is no event, but lets an empty row start there
        self.booked = np.ones(len(point) + 1)
        self.booked[self.twice] = 0

    def draw_sizes(self, rng: np.random.Generator, pairs: Array, loss: bool) -> None:
        mean, sd = pairs[0]
        if (pairs != pairs[0]).any():
            mean, sd = np.repeat(
                np.tile(pairs, (len(self.counts) // len(pairs), 1)), self.counts, axis=0
            ).T
        self.booked[:-1] = _draw_sizes(rng, mean, sd, len(self.cell), loss)
        self.booked[self.twice] = 0

    def of(self, month: int) -> tuple[Array, Array]:
        part = slice(self.months[month], self.months[month + 1])
        return self.cell[part] - month * self.cells, self.booked[part]

    def change(self, month: int, amount: Array, sign: int) -> None:
        """Changes the flat amounts; what is booked takes the place of the sizes."""
        cell, booked = self.of(month)
        changed = amount[cell]
        booked *= changed
        (np.add if sign > 0 else np.subtract)(changed, booked, out=changed)
        amount[cell] = (
            changed  # of a cell that is hit twice the last one holds, whose size is not 0
        )

    def sums(self) -> Array:
        sums = np.add.reduceat(self.booked, self.starts)
        sums[self.counts == 0] = 0
        return sums


class _Draws(_Events):
    """The same, by one float32 draw for each cell:
    a customer has the event where it is below the probability.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        hazard: Array,
        first: Array,
        width: Array,
        cells: int,
        months: int,
    ):
        size, segments = hazard.shape
        probability = (-np.expm1(-hazard)).astype(np.float32)
        uniform, happens = (
            np.empty((size, cells // size), np.float32),
            np.zeros((size, cells // size), bool),
        )
        found = []
        for month in range(months):
            rng.random(dtype=np.float32, out=uniform)
            for s in range(segments):
                own = slice(first[0, s], first[0, s] + width[s])
                np.less(uniform[:, own], probability[:, s, None], out=happens[:, own])
            found.append(np.flatnonzero(happens) + month * cells)
        self.cell = np.concatenate(found)
        stops = np.searchsorted(
            self.cell, ((first + width).ravel() + np.arange(months)[:, None] * cells).ravel()
        )
        self.counts = np.diff(stops, prepend=0)
        self.starts = stops - self.counts
        self.twice = np.empty(0, np.int64)
        self.months, self.cells = [0, *stops[hazard.size - 1 :: hazard.size].tolist()], cells
        self.booked = np.ones(len(self.cell) + 1)


def numpy_expert(workload: Workload, seed: int) -> dict[str, Array]:
    """Sparse events in cache-sized blocks, found by one float32 draw a cell and driver."""
    return _sparse(workload, seed, _Draws)


def numpy_clock(workload: Workload, seed: int) -> dict[str, Array]:
    """The same, its events found by a Poisson process over the cells:
    the idea of nrrsim's own engine, in NumPy.
    """
    return _sparse(workload, seed, _Events)


def _sparse(workload: Workload, seed: int, events_of: type[_Events]) -> dict[str, Array]:
    """Only the cells in which something happens. Anniversaries are dense, in the month they fall in.

    Trials come in blocks, and months in years, so that a customer has one anniversary in each, and one draw for it.
    """
    rng = np.random.Generator(np.random.SFC64(seed))
    trials, segments, months = workload.shape
    out = {
        name: np.zeros((months, trials, segments)) for name in (*MOVEMENTS, "retained", "customers")
    }
    bounds, width, n = workload.bounds, np.diff(workload.bounds), len(workload.arr)
    edges = np.searchsorted(
        workload.segment * 12 + workload.anniversary - 1, np.arange(segments * 12 + 1)
    ).tolist()
    month_of = (workload.anniversary - 1).astype(np.uint8)
    by_month = np.flatnonzero(~workload.annual)
    *changing, returning = map(_hazard, workload.monthly)
    exiting = _hazard(workload.leaving[0])
    absences = 1 / np.maximum(returning, 1e-300)  # mean months
    # one draw: below leaves, below stays, above
    leaves = workload.leaving_at_term.astype(np.float32)
    stays = leaves + (1 - leaves) * workload.acceptance.astype(np.float32)
    blocks = -(-trials // max(1, EXPERT_CELLS // n))
    for rows in (slice(trials * k // blocks, trials * (k + 1) // blocks) for k in range(blocks)):
        size = rows.stop - rows.start
        cells = size * n
        flat = np.zeros(cells + 1)  # a rounded point may be off by one: the last cell is nobody's
        amount = flat[:-1].reshape(size, n)
        amount[:] = workload.arr
        first = np.arange(size)[:, None] * n + bounds[:-1]
        absence, part = absences[rows].ravel(), workload.reactivation_size[rows].ravel()
        uniform, capped = np.empty((size, n), np.float32), np.empty((size, n))
        left, accepted = np.empty((2, size, n), bool)
        away = np.empty((4, 0))  # who will be back: month, row, cell, the ARR it left with

        def by_row(row: Array, values: Array | None = None, size: int = size) -> Array:
            return np.bincount(row, values, size * segments).reshape(size, segments)

        for year in range(0, months, 12):
            span = min(12, months - year)
            exits, changes = None, []
            if len(by_month):
                exits = events_of(
                    rng,
                    exiting[rows][:, by_month],
                    first[:, by_month],
                    width[by_month],
                    cells,
                    span,
                )
            for k in range(3):
                changes.append(events_of(rng, changing[k][rows], first, width, cells, span))
                changes[k].draw_sizes(rng, workload.sizes[k], loss=k == 0)
            rng.random(dtype=np.float32, out=uniform)
            for s in range(segments):
                own = slice(bounds[s], bounds[s + 1])
                np.less(uniform[:, own], leaves[rows, s, None], out=left[:, own])
                np.less(uniform[:, own], stays[rows, s, None], out=accepted[:, own])
            at_term = np.flatnonzero(left)
            due = month_of[at_term % n]
            order = np.argsort(due, kind="stable")
            at_term, stops = at_term[order], np.searchsorted(due[order], np.arange(13)).tolist()
            for month in range(span):
                t = year + month
                cell, lost = exits.of(month) if exits else (at_term[:0], capped[0, :0])
                also = at_term[stops[month] : stops[month + 1]]
                lost = lost * flat[cell]
                flat[cell] = 0
                cell, lost = np.concatenate((cell, also)), np.concatenate((lost, flat[also]))
                flat[also] = 0
                alive = np.flatnonzero(lost)
                cell, lost = cell[alive], lost[alive]
                trial = cell // n
                row = trial * segments + workload.segment[cell - trial * n]
                out["churn"][t, rows] = by_row(row, lost)
                out["customers"][t, rows] -= by_row(row)
                for s in range(segments):
                    own = slice(edges[12 * s + month], edges[12 * s + month + 1])
                    price = amount[:, own] * accepted[:, own]
                    price *= workload.uplift[rows, s, None]
                    amount[:, own] += price
                    out["price"][t, rows, s] = np.einsum("ij->i", price)
                for events, sign in zip(changes, (-1, 1, 1), strict=True):
                    events.change(month, flat, sign)
                back = away[:, away[0] == t]
                if back.size:
                    back_row, back_cell = back[1:3].astype(np.int64)
                    flat[back_cell] = booked = back[3] * part[back_row]
                    out["reactivation"][t, rows] = by_row(back_row, booked)
                    out["customers"][t, rows] += by_row(back_row)
                wait = rng.standard_exponential(len(row)) * absence[row]
                soon = np.flatnonzero(wait < months - t - 1)
                away = np.hstack(
                    (away, (t + 1 + wait[soon] // 1, row[soon], cell[soon], lost[soon]))
                )
                np.minimum(amount, workload.arr, out=capped)
                out["retained"][t, rows] = np.add.reduceat(capped, bounds[:-1], axis=1)
            for name, events in zip(
                ("contraction", "adoption", "cross_sell"), changes, strict=True
            ):
                out[name][year : year + span, rows] = events.sums().reshape(span, size, segments)
    return _accumulate(workload, {name: np.moveaxis(sums, 0, 2) for name, sums in out.items()})
