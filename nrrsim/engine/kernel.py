"""Amounts, hazards and a seed in, movements trial by trial out: the compiled event clock; never
knows a scenario.

The cells of a driver (each customer in each month) lie on one axis of cumulative hazard, -log(1 -
p) each. A cell has the event if and only if an arrival of a unit-rate Poisson process falls into
it, so the cost goes with the events and not with the cells. A second arrival in the same cell is
dropped before anything else is decided.

Every draw is a function of (seed, trial, tile, driver, number of the arrival) alone: the same bits
however the work is cut up.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nrrsim.engine.bits import GOLDEN, exponential, mix, uniform
from nrrsim.engine.paths import compiled, inlined, phase_of, tenure_year


class Variables(NamedTuple):
    """What the kernel writes, in this order; each month's are of a trial and a segment."""

    churn: int
    price: int
    contraction: int
    adoption: int
    cross_sell: int
    reactivation: int
    new: int
    opening: int
    closing: int
    retained: int
    stayed: int
    stayed_retained: int
    opening_customers: int
    customers: int
    stayed_customers: int


VARIABLES = Variables._fields
OUT = Variables(*range(len(VARIABLES)))  # where in `out` each of them stands


class Trials(NamedTuple):
    """Which trials: from `lo` to `hi` of `out`; trial k of it is trial `first` + k of `seed`."""

    seed: int
    first: int
    lo: int
    hi: int


class Span(NamedTuple):
    """How many months; the month whose customers are the cohort; whether nobody else is counted."""

    months: int
    start: int
    closed: bool


class Book(NamedTuple):
    """The customers, tile after tile, in each sorted by kind and anniversary. A kind is a segment;
    where accounts differ, a part of one whose multipliers are not too far apart.

    tiles : `int64[tile + 1]`, where each tile begins. bounds : `int64[tile, kind, 13]`, where in a
        tile each anniversary of a kind begins. segment : `int64[kind]`.
    arr, tenure (months), joins (month) : `ndarray[customer]`.
    own : `float64[multiplier, customer]`, hazard, expansion and contraction; without customers
        where all have their segment's rates.
    """

    tiles: np.ndarray
    bounds: np.ndarray
    segment: np.ndarray
    arr: np.ndarray
    tenure: np.ndarray
    joins: np.ndarray
    own: np.ndarray


class Drivers(NamedTuple):
    """What happens to them; a phase is a month that differs from the one before, and the last
    `cycle` go round. Draws begin at the first trial of a run, or there is one for all.

    hazard : `float64[phase, draw, kind, 6]`, of the ceiling: what any tenure year, any customer of
        the kind, and any of two scenarios that meet the same luck, needs.
    keep : `float64[phase, draw, segment, 6, year]`, the probability that an event of the ceiling is
        one of this scenario; where accounts differ, of a month's event at the segment's own rate
        (but for a refusal, which they do not move). thinned : `bool[6]`, whether any is below 1.
    uplift, back_hazard (a month's) : `float64[phase, draw, segment]`; of `back_hazard` the last
        phase goes on, as no calendar moves it.
    together : `bool[segment]`, whether prices rise for all in the months that have an uplift, and
        not for those whose anniversary it is.
    back_size : `float64[draw, segment]`; sizes : `float64[draw, segment, 3]`.
    tables, has_table : `float32[3, segment, (2 LEVELS - 1) (KNOTS + 1)]`, `bool[3, segment]`: sizes
        that each event draws anew.
    """

    hazard: np.ndarray
    keep: np.ndarray
    thinned: np.ndarray
    uplift: np.ndarray
    back_hazard: np.ndarray
    back_size: np.ndarray
    sizes: np.ndarray
    tables: np.ndarray
    has_table: np.ndarray
    together: np.ndarray
    cycle: int


class Clock(NamedTuple):
    """The arrivals of each stream: `ndarray[stream, ...]`.

    times : the arrivals that are drawn already, BUFFER at a time. place : the next of them, and how
        many were drawn before them. axis : how much hazard has gone by. keys : of its random bits.
    """

    times: np.ndarray
    place: np.ndarray
    axis: np.ndarray
    keys: np.ndarray


class State(NamedTuple):
    """Where each customer of a tile is in a trial: `ndarray[customer]`.

    amount : now; base : at the cohort's month. gone : whether it was away at some time, or is not
    of the cohort.
    """

    amount: np.ndarray
    base: np.ndarray
    gone: np.ndarray


class Away(NamedTuple):
    """The customers who left: `ndarray[customer]`. Two kinds of lists run through them, of those
    who return in a month, and of those who are back, or new.

    returning : what it comes back with; following : the next who returns in the same month.
    listed : whether it is back, or new; beside : the next of those. -1 ends a list.
    """

    returning: np.ndarray
    following: np.ndarray
    listed: np.ndarray
    beside: np.ndarray


class Event(NamedTuple):
    """One kind of event this month: the hazard of each cell, whether events are thinned, and which
    part of them is kept (by tenure year, where it is churn). Where accounts differ, `own` has each
    customer's multiplier, and `keep` is the probability at its segment's rate.
    """

    hazard: float
    is_thinned: bool
    keep: Any
    own: np.ndarray


# Columns of `hazard` and `keep`; and the streams of arrivals, where both kinds of churn share one.
CHURN, CHURN_DUE, REFUSAL, CONTRACTION, ADOPTION, CROSS_SELL = range(6)
STREAMS = 5
TILE = 16_384
# A size's quantile table: so many cells; the first and the last are cut again, twice.
KNOTS, LEVELS = 512, 3
BUFFER = 64  # arrivals that are drawn at a time
_U = np.uint64
# What tells one use of random bits from another: odd numbers without a pattern.
_TRIAL, _TILE, _STREAM = _U(0xBF58476D1CE4E5B9), _U(0xE7037ED1A0B428DB), _U(0xA0761D6478BD642F)
_MARK, _SIZE, _BACK = _U(0xD1B54A32D192ED03), _U(0x8CB92BA72F3D8DD7), _U(0xAEF17502108EF2D9)


@compiled
def _size(table, bits):  # type: ignore[no-untyped-def]
    """The quantile of a size at the uniform number in `bits`: linear between knots, finer in both
    tails.
    """
    at = np.int64(0)
    cell = np.int64(bits >> _U(64 - 9))
    bits = bits << _U(9)
    for level in range(1, LEVELS):
        if cell != 0 and cell != KNOTS - 1:
            break
        if level == 1:
            at = np.int64(KNOTS + 1 if cell == 0 else LEVELS * (KNOTS + 1))
        elif (cell == 0) != (at < LEVELS * (KNOTS + 1)):
            break
        else:
            at += KNOTS + 1
        cell = np.int64(bits >> _U(64 - 9))
        bits = bits << _U(9)
    at += cell
    low = np.float64(table[at])
    return low + uniform(bits) * (np.float64(table[at + 1]) - low)


@compiled
def _refill(times, begin, drawn, key):  # type: ignore[no-untyped-def]
    """The next arrivals after `begin`; `drawn` are drawn already. Sums of four, so that few wait
    for others.
    """
    at = key + GOLDEN * _U(drawn)
    for j in range(BUFFER):
        times[j] = exponential(mix(at + GOLDEN * _U(j)))
    for j in range(0, BUFFER, 4):
        first = times[j]
        second = first + times[j + 1]
        third = second + times[j + 2]
        fourth = third + times[j + 3]
        times[j] = begin + first
        times[j + 1] = begin + second
        times[j + 2] = begin + third
        begin += fourth
        times[j + 3] = begin


@compiled
def _is_kept(key, number, part):  # type: ignore[no-untyped-def]
    """Whether an event of the ceiling is one of this scenario."""
    return uniform(mix((key ^ _MARK) + GOLDEN * _U(number))) < part


@compiled
def _raise_prices(amount, base, lo, hi, uplift):  # type: ignore[no-untyped-def]
    """Raise amounts from `lo` to `hi`; returns the sum before and by how much what is retained goes
    up.

    Four sums side by side, so that few additions wait for others; always the same four, so that the
    bits are the same.
    """
    factor = 1.0 + uplift
    s0 = s1 = s2 = s3 = r0 = r1 = r2 = r3 = 0.0
    whole = lo + (hi - lo) // 4 * 4
    for i in range(lo, whole, 4):
        s0 += amount[i]
        s1 += amount[i + 1]
        s2 += amount[i + 2]
        s3 += amount[i + 3]
        r0 += min(amount[i] * factor, base[i]) - min(amount[i], base[i])
        r1 += min(amount[i + 1] * factor, base[i + 1]) - min(amount[i + 1], base[i + 1])
        r2 += min(amount[i + 2] * factor, base[i + 2]) - min(amount[i + 2], base[i + 2])
        r3 += min(amount[i + 3] * factor, base[i + 3]) - min(amount[i + 3], base[i + 3])
    for i in range(whole, hi):
        s0 += amount[i]
        r0 += min(amount[i] * factor, base[i]) - min(amount[i], base[i])
    for i in range(lo, hi):
        amount[i] *= factor
    return (s0 + s1) + (s2 + s3), (r0 + r1) + (r2 + r3)


# Columns of `level`: what a segment has now. `AWAY`: of those who were gone at some time, or are
# not of the cohort.
HERE, KEPT, NUMBER, AWAY, AWAY_KEPT, AWAY_NUMBER = range(6)


@inlined
def _churn(  # type: ignore[no-untyped-def]
    lo, hi, t, months, event, waits, back_size, tenure, clock, state, level, away, returns
):
    """1. Churn among the customers from `lo` to `hi`; returns what is lost, and notes who will come
    back and when.

    waits : `float64[phase]`, the hazard of coming back; back_size : at which share of what it left
        with. returns : `int32[month + 1]`, where each month's list begins.
    """
    times, place, key = clock.times[0], clock.place[0], clock.keys[0]
    amount, base, gone = state.amount, state.base, state.gone
    keep, own = event.keep, event.own
    ceiling = 1.0 - np.exp(-event.hazard) if own.size > 0 else 1.0
    returning, following = away.returning, away.following
    zero, end, last = clock.axis[0], clock.axis[0] + (hi - lo) * event.hazard, -1
    at, before, scale = place[0], place[1], 1.0 / event.hazard
    lost = lost_kept = back_lost = back_kept = 0.0
    left = back_left = 0
    wait = waits[waits.size - 1]  # of every month from the last phase on

    while True:
        if at == BUFFER:
            before += BUFFER
            _refill(times, times[BUFFER - 1], before, key)
            at = 0
        time = times[at]
        if time >= end:
            break
        number = before + at
        at += 1
        i = min(lo + np.int64((time - zero) * scale), hi - 1)
        was = amount[i]
        if was <= 0.0:  # gone before, maybe just now, by an arrival in the same cell
            continue
        if event.is_thinned:
            if i == last:
                continue
            last = i
            part = keep[tenure_year(tenure[i], t, keep.size)]
            if own.size > 0:
                part = (1.0 - (1.0 - part) ** own[i]) / ceiling
            if not _is_kept(key, number, part):
                continue

        was_kept = min(was, base[i])
        lost += was
        lost_kept += was_kept
        left += 1
        if gone[i]:
            back_lost += was
            back_kept += was_kept
            back_left += 1
        gone[i] = True
        amount[i] = 0.0

        if wait > 0.0 or waits[0] > 0.0:
            until = exponential(mix((key ^ _BACK) + GOLDEN * _U(number)))
            back = t + 1
            # month by month, as far as a programme makes them differ; in one step from there on
            while back < waits.size and back <= months and until >= waits[back - 1]:
                until -= waits[back - 1]
                back += 1
            if back >= waits.size:
                until /= wait
                back = back + np.int64(until) if until < months else months + 1
            if back <= months:
                returning[i] = was * back_size
                following[i] = returns[back]
                returns[back] = i

    place[0], place[1] = at, before
    clock.axis[0] = end
    level[KEPT] -= lost_kept
    level[NUMBER] -= left
    level[AWAY] -= back_lost
    level[AWAY_KEPT] -= back_kept
    level[AWAY_NUMBER] -= back_left
    return lost


@inlined
def _price(  # type: ignore[no-untyped-def]
    lo, hi, event, uplift, clock, state, level, refusals, beside, first
):
    """2. Price, of the customers from `lo` to `hi`: everyone is raised, and who refuses is set
    back; returns the rise.

    refusals : room for their numbers and amounts. first, beside : the list of those who are back.
    """
    times, place, key = clock.times[1], clock.place[1], clock.keys[1]
    amount, base = state.amount, state.base
    (refuser, refused), refused_by = refusals, 0
    if event.hazard > 0.0:
        zero, end, last = clock.axis[1], clock.axis[1] + (hi - lo) * event.hazard, -1
        at, before, scale = place[0], place[1], 1.0 / event.hazard
        while True:
            if at == BUFFER:
                before += BUFFER
                _refill(times, times[BUFFER - 1], before, key)
                at = 0
            time = times[at]
            if time >= end:
                break
            number = before + at
            at += 1
            i = min(lo + np.int64((time - zero) * scale), hi - 1)
            if i == last:
                continue
            last = i
            if event.is_thinned and not _is_kept(key, number, event.keep):
                continue
            refuser[refused_by] = i
            refused[refused_by] = amount[i]
            amount[i] = 0.0
            refused_by += 1
        place[0], place[1] = at, before
        clock.axis[1] = end

    i = first
    while i >= 0:
        if lo <= i < hi:
            level[AWAY] += amount[i] * uplift
            level[AWAY_KEPT] += min(amount[i] * (1.0 + uplift), base[i]) - min(amount[i], base[i])
        i = beside[i]

    total, rise = _raise_prices(amount, base, lo, hi, uplift)
    level[KEPT] += rise
    for j in range(refused_by):
        amount[refuser[j]] = refused[j]
    return total * uplift


@inlined
def _change(  # type: ignore[no-untyped-def]
    k, sign, lo, hi, event, same, anew, table, clock, state, level
):
    """3. to 5. Contraction (`sign` -1), adoption, cross-sell of the customers from `lo` to `hi`, by
    stream k; returns the amount.

    same : the size of every event; or, where it is drawn `anew`, `table` has its quantiles.
    """
    times, place, key = clock.times[k], clock.place[k], clock.keys[k]
    amount, base, gone = state.amount, state.base, state.gone
    zero, end, last = clock.axis[k], clock.axis[k] + (hi - lo) * event.hazard, -1
    total = rise = away = away_rise = 0.0
    at, before, scale, size_key = place[0], place[1], 1.0 / event.hazard, key ^ _SIZE
    own = event.own
    ceiling = 1.0 - np.exp(-event.hazard) if own.size > 0 else 1.0

    while True:
        if at == BUFFER:
            before += BUFFER
            _refill(times, times[BUFFER - 1], before, key)
            at = 0
        time = times[at]
        if time >= end:
            break
        number = before + at
        at += 1
        i = min(lo + np.int64((time - zero) * scale), hi - 1)

        # no branches on what cannot be predicted: a second arrival in a cell, or a customer who is
        # gone, moves nothing
        once = np.float64(i != last)
        last = i
        if event.is_thinned:
            part = event.keep
            if own.size > 0:
                part = min(part * own[i], 1.0) / ceiling
            if not _is_kept(key, number, part):
                continue
        size = _size(table, mix(size_key + GOLDEN * _U(number))) if anew else same
        by = once * amount[i] * size
        now = amount[i] + sign * by
        more = min(now, base[i]) - min(amount[i], base[i])
        amount[i] = now
        total += by
        rise += more
        is_gone = np.float64(gone[i])
        away += by * is_gone
        away_rise += more * is_gone

    place[0], place[1] = at, before
    clock.axis[k] = end
    level[KEPT] += rise
    level[AWAY] += sign * away
    level[AWAY_KEPT] += away_rise
    return total


@inlined
def _list_back(i, listed, beside, back):  # type: ignore[no-untyped-def]
    """Put a customer on the list of those who are back, or new."""
    listed[i] = True
    beside[i] = back[0]
    back[0] = i


@inlined
def _come_back(first, state, level, away, back):  # type: ignore[no-untyped-def]
    """6. Reactivation of those on the list that begins at `first`; returns their amount."""
    amount, base, returning, following = state.amount, state.base, away.returning, away.following
    listed, beside = away.listed, away.beside
    total = 0.0
    i = first
    while i >= 0:
        amount[i] = returning[i]
        total += returning[i]
        level[AWAY_KEPT] += min(returning[i], base[i])
        level[KEPT] += min(returning[i], base[i])
        level[AWAY_NUMBER] += 1
        level[NUMBER] += 1
        if not listed[i]:
            _list_back(i, listed, beside, back)
        i = following[i]
    level[AWAY] += total
    return total


@inlined
def _join(  # type: ignore[no-untyped-def]
    t, lo, hi, joins, arr, is_cohort, amount, level, away, back
):
    """Newcomers at the end of month t; returns their amount."""
    listed, beside = away.listed, away.beside
    total = 0.0
    for i in range(lo, hi):
        if joins[i] == t:
            amount[i] = arr[i]
            total += arr[i]
            level[NUMBER] += 1
            if not is_cohort:
                level[AWAY] += arr[i]
                level[AWAY_NUMBER] += 1
                _list_back(i, listed, beside, back)
    return total


@inlined
def _form_cohort(lo, hi, amount, base, gone, level):  # type: ignore[no-untyped-def]
    """Who has a positive amount now is the cohort: what is retained is counted from here."""
    total, number = 0.0, 0
    for i in range(lo, hi):
        base[i] = amount[i]
        gone[i] = amount[i] <= 0.0
        total += amount[i]
        number += amount[i] > 0.0
    level[HERE] = level[KEPT] = total
    level[NUMBER] = number
    level[AWAY] = level[AWAY_KEPT] = level[AWAY_NUMBER] = 0.0


@inlined
def _wind(clock, key):  # type: ignore[no-untyped-def]
    """Begin each stream anew: with bits of its own, and before its first arrival."""
    for k in range(STREAMS):
        clock.keys[k] = mix(key + _STREAM * _U(k + 1))
        clock.place[k, 0], clock.place[k, 1] = BUFFER, -BUFFER
        clock.times[k, BUFFER - 1] = clock.axis[k] = 0.0


@inlined
def _add_level(o, level):  # type: ignore[no-untyped-def]
    """What a segment has at the end of a month, added to its place in `out`."""
    o[OUT.closing] += level[HERE]
    o[OUT.retained] += level[KEPT]
    # of nobody, rounding may leave less than nothing
    o[OUT.stayed] += max(level[HERE] - level[AWAY], 0.0)
    o[OUT.stayed_retained] += max(level[KEPT] - level[AWAY_KEPT], 0.0)
    o[OUT.customers] += level[NUMBER]
    o[OUT.stayed_customers] += level[NUMBER] - level[AWAY_NUMBER]


@compiled
def run(trials, span, book, drivers, out):  # type: ignore[no-untyped-def]
    """Move every customer of a Book through the months of a Span, in each of the Trials, and add up
    in `out`: `float64[variable, trial, segment, month]`, zeros to begin with.
    """
    months, start, kinds = span.months, span.start, book.bounds.shape[1]
    # named once, as to take an array out of a tuple inside a loop costs time
    hazard, keep, thinned, uplift = drivers.hazard, drivers.keep, drivers.thinned, drivers.uplift
    back_hazard, back_size = drivers.back_hazard, drivers.back_size
    sizes, tables, has_table = drivers.sizes, drivers.tables, drivers.has_table
    together, cycle, segment_of = drivers.together, drivers.cycle, book.segment
    widest = 0
    for tile in range(book.tiles.size - 1):
        widest = max(widest, book.tiles[tile + 1] - book.tiles[tile])
    opening = np.empty(widest)
    state = State(np.empty(widest), np.empty(widest), np.empty(widest, np.bool_))
    amount, base, gone = state
    listed = np.empty(widest, np.bool_)
    away = Away(np.empty(widest), np.empty(widest, np.int32), listed, np.empty(widest, np.int32))
    refusals = (np.empty(widest, np.int32), np.empty(widest))
    returns, back = np.empty((kinds, months + 1), np.int32), np.empty((kinds, 1), np.int32)
    levels, opening_level = np.empty((kinds, 6)), np.empty((kinds, 6))
    clock = Clock(
        np.empty((STREAMS, BUFFER)),
        np.empty((STREAMS, 2), np.int64),
        np.empty(STREAMS),
        np.empty(STREAMS, np.uint64),
    )
    changed = np.empty(3)  # by contraction, adoption and cross-sell

    for tile in range(book.tiles.size - 1):
        begin, end, bound = book.tiles[tile], book.tiles[tile + 1], book.bounds[tile]
        n, arr = end - begin, book.arr[begin:end]
        tenure, joins = book.tenure[begin:end], book.joins[begin:end]
        own = book.own[:, begin:end]
        churns, expands, contracts = own[0], own[1], own[2]
        for i in range(n):
            opening[i] = arr[i] if joins[i] == 0 else 0.0
        for s in range(kinds):
            _form_cohort(bound[s, 0], bound[s, 12], opening, base, gone, opening_level[s])

        for trial in range(trials.lo, trials.hi):
            draw = trial - trials.lo if hazard.shape[1] > 1 else 0
            key = mix(_U(trials.seed) + _TRIAL * _U(trials.first + trial))
            key = mix(key + _TILE * _U(tile))
            _wind(clock, key)
            for i in range(n):  # loops, as assignments of whole arrays take seconds to compile
                amount[i] = opening[i]
                gone[i] = joins[i] != 0
                listed[i] = False
            if start > 0:
                for i in range(n):
                    base[i] = opening[i]
            for s in range(kinds):
                for column in range(6):
                    levels[s, column] = opening_level[s, column]
                for t in range(months + 1):
                    returns[s, t] = -1
                back[s, 0] = -1

            for t in range(1, months + 1):
                due, phase = (t - 1) % 12, phase_of(t, hazard.shape[0], cycle)
                for s in range(kinds):
                    segment, lo, hi = segment_of[s], bound[s, 0], bound[s, 12]
                    due_lo, due_hi = bound[s, due], bound[s, due + 1]
                    now = levels[s]
                    before, before_count = now[HERE], now[NUMBER]

                    # those before the anniversary's customers, these, and those after them
                    begins, ends = (lo, due_lo, due_hi), (due_lo, due_hi, hi)
                    lost = 0.0
                    for part in range(3):
                        column = CHURN_DUE if part == 1 else CHURN
                        rate = hazard[phase, draw, s, column]
                        if rate > 0.0 and ends[part] > begins[part]:
                            kept = keep[phase, draw, segment, column]
                            event = Event(rate, thinned[column], kept, churns)
                            lost += _churn(
                                begins[part], ends[part], t, months, event,
                                back_hazard[:, draw, segment], back_size[draw, segment],
                                tenure, clock, state, now, away, returns[s],
                            )  # fmt: skip

                    raised, rise = 0.0, uplift[phase, draw, segment]
                    price_lo = lo if together[segment] else due_lo
                    price_hi = hi if together[segment] else due_hi
                    if rise > 0.0 and price_hi > price_lo:
                        rate, part_kept = hazard[phase, draw, s], keep[phase, draw, segment]
                        refusal = Event(
                            rate[REFUSAL], thinned[REFUSAL], part_kept[REFUSAL, 0], churns
                        )
                        raised = _price(
                            price_lo, price_hi, refusal, rise, clock, state, now,
                            refusals, away.beside, back[s, 0],
                        )  # fmt: skip

                    for kind in range(3):
                        column = CONTRACTION + kind
                        rate = hazard[phase, draw, s, column]
                        changed[kind] = 0.0
                        if rate > 0.0 and hi > lo:
                            kept = keep[phase, draw, segment, column, 0]
                            often = contracts if kind == 0 else expands
                            change = Event(rate, thinned[column], kept, often)
                            changed[kind] = _change(
                                2 + kind, -1.0 if kind == 0 else 1.0, lo, hi, change,
                                sizes[draw, segment, kind],
                                has_table[kind, segment], tables[kind, segment],
                                clock, state, now,
                            )  # fmt: skip
                    less, more, cross = changed[0], changed[1], changed[2]

                    returned = _come_back(returns[s, t], state, now, away, back[s])
                    came = 0.0
                    if t <= start or not span.closed:
                        came = _join(
                            t, due_lo, due_hi, joins, arr, t <= start, amount, now, away, back[s]
                        )
                    now[HERE] += raised + more + cross + returned + came - lost - less
                    if now[NUMBER] == 0:  # nobody is left: what rounding left goes, too
                        now[HERE] = now[KEPT] = now[AWAY] = now[AWAY_KEPT] = 0.0

                    if t == start:
                        _form_cohort(lo, hi, amount, base, gone, now)
                        back[s, 0] = -1
                        for i in range(lo, hi):
                            listed[i] = False
                        if span.closed:
                            for later in range(t, months + 1):
                                returns[s, later] = -1
                    elif t > start:
                        o = out[:, trial, segment, t - start - 1]
                        o[OUT.churn] += lost
                        o[OUT.price] += raised
                        o[OUT.contraction] += less
                        o[OUT.adoption] += more
                        o[OUT.cross_sell] += cross
                        o[OUT.reactivation] += returned
                        o[OUT.new] += came
                        o[OUT.opening] += before
                        o[OUT.opening_customers] += before_count
                        _add_level(o, now)
