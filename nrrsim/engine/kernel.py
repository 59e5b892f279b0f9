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

import numpy as np

from nrrsim.engine.paths import compiled, inlined, tenure_year

# What the kernel writes, in this order: `ndarray[variable, trial, segment, month]`.
VARIABLES = (
    "churn",
    "price",
    "contraction",
    "adoption",
    "cross_sell",
    "reactivation",
    "new",
    "opening",
    "closing",
    "retained",
    "stayed",
    "stayed_retained",
    "opening_customers",
    "customers",
    "stayed_customers",
)
# Columns of `hazard` and `keep`; and the streams of arrivals, where both kinds of churn share one.
CHURN, CHURN_DUE, REFUSAL, CONTRACTION, ADOPTION, CROSS_SELL = range(6)
STREAMS = 5
TILE = 16_384
KNOTS, LEVELS = (
    512,
    3,
)  # a size's quantile table: so many cells; the first and the last are cut again, twice
BUFFER = 64  # arrivals that are drawn at a time
_U = np.uint64
_GOLDEN = _U(0x9E3779B97F4A7C15)
_ONE = _U(
    0x3FF0000000000000
)  # the bits of 1.0: with random ones below they are a number from 1 to 2
# What tells one use of random bits from another: odd numbers without a pattern.
_TRIAL, _TILE, _STREAM = _U(0xBF58476D1CE4E5B9), _U(0xE7037ED1A0B428DB), _U(0xA0761D6478BD642F)
_MARK, _SIZE, _BACK = _U(0xD1B54A32D192ED03), _U(0x8CB92BA72F3D8DD7), _U(0xAEF17502108EF2D9)


@compiled
def _mix(z):  # type: ignore[no-untyped-def]
    """The finaliser of splitmix64: 64 bits to 64 bits that look random."""
    z = (z ^ (z >> _U(30))) * _U(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> _U(27))) * _U(0x94D049BB133111EB)
    return z ^ (z >> _U(31))


@compiled
def _uniform(bits):  # type: ignore[no-untyped-def]
    """From 0 to below 1."""
    return _U((bits >> _U(12)) | _ONE).view(np.float64) - 1.0


@compiled
def _exponential(bits):  # type: ignore[no-untyped-def]
    """-log of a uniform number above 0, by + - * / and shifts alone, so that loops of it vectorise."""
    b = np.float64(2.0 - _U((bits >> _U(12)) | _ONE).view(np.float64)).view(np.int64)
    e = (b - 0x3FE6A09E667F3BCD) >> 52
    m = np.int64(b - (e << 52)).view(np.float64)  # from sqrt(1/2) to sqrt(2)
    s = (m - 1.0) / (m + 1.0)
    w = s * s
    series = 1.0 + w * (
        1 / 3 + w * (1 / 5 + w * (1 / 7 + w * (1 / 9 + w / 11)))
    )  # to 1e-10 of itself
    return -e * 0.6931471805599453 - 2.0 * s * series


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
    return low + _uniform(bits) * (np.float64(table[at + 1]) - low)


@compiled
def _refill(times, begin, drawn, key):  # type: ignore[no-untyped-def]
    """The next arrivals after `begin`; `drawn` are drawn already. Sums of four, so that few wait
    for others.
    """
    at = key + _GOLDEN * _U(drawn)
    for j in range(BUFFER):
        times[j] = _exponential(_mix(at + _GOLDEN * _U(j)))
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
    return _uniform(_mix((key ^ _MARK) + _GOLDEN * _U(number))) < part


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
HERE, KEPT, COUNTED, AWAY, AWAY_KEPT, AWAY_COUNTED = range(6)


@inlined
def _churn(  # type: ignore[no-untyped-def]
    lo, hi, rate, thin, part, tenure, t, months, waits, back_size,
    times, place, axis, key, amount, base, gone, level, head, following, returning,
):  # fmt: skip
    """1. Churn among the customers from `lo` to `hi`; returns what is lost, and notes who will come
    back and when.
    """
    zero, end, last = axis[0], axis[0] + (hi - lo) * rate, -1
    at, before, scale = place[0, 0], place[0, 1], 1.0 / rate
    lost = lost_kept = away = away_kept = 0.0
    left = away_left = 0
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
        if thin:
            if i == last:
                continue
            last = i
            if not _is_kept(key, number, part[tenure_year(tenure[i], t, part.size)]):
                continue
        was_kept = min(was, base[i])
        lost += was
        lost_kept += was_kept
        left += 1
        if gone[i]:
            away += was
            away_kept += was_kept
            away_left += 1
        gone[i] = True
        amount[i] = 0.0
        if wait > 0.0 or waits[0] > 0.0:
            until = _exponential(_mix((key ^ _BACK) + _GOLDEN * _U(number)))
            back = t + 1
            while (
                back < waits.size and back <= months and until >= waits[back - 1]
            ):  # a programme changes the months
                until -= waits[back - 1]
                back += 1
            if back >= waits.size:
                until /= wait
                back = back + np.int64(until) if until < months else months + 1
            if back <= months:
                returning[i] = was * back_size
                following[i] = head[back]
                head[back] = i
    place[0, 0], place[0, 1] = at, before
    axis[0] = end
    level[KEPT] -= lost_kept
    level[COUNTED] -= left
    level[AWAY] -= away
    level[AWAY_KEPT] -= away_kept
    level[AWAY_COUNTED] -= away_left
    return lost


@inlined
def _price(  # type: ignore[no-untyped-def]
    lo, hi, rate, thin, part, uplift, times, place, axis, key, amount, base, level, away, next_away, refuser, refused
):  # fmt: skip
    """2. Price, in the anniversary month: everyone is raised, and who refuses is set back; returns
    the rise.
    """
    refusals = 0
    if rate > 0.0:
        zero, end, last = axis[1], axis[1] + (hi - lo) * rate, -1
        at, before, scale = place[1, 0], place[1, 1], 1.0 / rate
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
            if thin and not _is_kept(key, number, part):
                continue
            refuser[refusals] = i
            refused[refusals] = amount[i]
            amount[i] = 0.0
            refusals += 1
        place[1, 0], place[1, 1] = at, before
        axis[1] = end
    i = away[0]
    while i >= 0:
        if lo <= i < hi:
            level[AWAY] += amount[i] * uplift
            level[AWAY_KEPT] += min(amount[i] * (1.0 + uplift), base[i]) - min(amount[i], base[i])
        i = next_away[i]
    total, rise = _raise_prices(amount, base, lo, hi, uplift)
    level[KEPT] += rise
    for j in range(refusals):
        amount[refuser[j]] = refused[j]
    return total * uplift


@inlined
def _change(  # type: ignore[no-untyped-def]
    k, sign, lo, hi, rate, thin, part, same, anew, table, times, place, axis, key, amount, base, gone, level
):  # fmt: skip
    """3. to 5. Contraction (`sign` -1), adoption, cross-sell of the customers from `lo` to `hi`;
    returns the amount.
    """
    zero, end, last = axis[k], axis[k] + (hi - lo) * rate, -1
    total = rise = away = away_rise = 0.0
    at, before, scale, size_key = place[k, 0], place[k, 1], 1.0 / rate, key ^ _SIZE
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
        if thin and not _is_kept(key, number, part):
            continue
        by = (
            once
            * amount[i]
            * (_size(table, _mix(size_key + _GOLDEN * _U(number))) if anew else same)
        )
        now = amount[i] + sign * by
        more = min(now, base[i]) - min(amount[i], base[i])
        amount[i] = now
        total += by
        rise += more
        is_gone = np.float64(gone[i])
        away += by * is_gone
        away_rise += more * is_gone
    place[k, 0], place[k, 1] = at, before
    axis[k] = end
    level[KEPT] += rise
    level[AWAY] += sign * away
    level[AWAY_KEPT] += away_rise
    return total


@inlined
def _come_back(  # type: ignore[no-untyped-def]
    first, amount, base, level, following, returning, away, next_away, listed
):
    """6. Reactivation of the customers in the list that begins at `first`; returns their amount."""
    total = 0.0
    i = first
    while i >= 0:
        amount[i] = returning[i]
        total += returning[i]
        level[AWAY_KEPT] += min(returning[i], base[i])
        level[KEPT] += min(returning[i], base[i])
        level[AWAY_COUNTED] += 1
        level[COUNTED] += 1
        if not listed[i]:
            listed[i] = True
            next_away[i] = away[0]
            away[0] = i
        i = following[i]
    level[AWAY] += total
    return total


@inlined
def _join(  # type: ignore[no-untyped-def]
    t, lo, hi, joins, arr, amount, level, is_cohort, away, next_away, listed
):
    """Newcomers at the end of month t; returns their amount."""
    total = 0.0
    for i in range(lo, hi):
        if joins[i] == t:
            amount[i] = arr[i]
            total += arr[i]
            level[COUNTED] += 1
            if not is_cohort:
                level[AWAY] += arr[i]
                level[AWAY_COUNTED] += 1
                listed[i] = True
                next_away[i] = away[0]
                away[0] = i
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
    level[COUNTED] = number
    level[AWAY] = level[AWAY_KEPT] = level[AWAY_COUNTED] = 0.0


@compiled
def run(  # type: ignore[no-untyped-def]
    seed, first, lo_trial, hi_trial, months, start, closed,
    tiles, arr, bounds, tenure, joins, hazard, keep, thinned,
    uplift, sizes, tables, has_table, back_hazard, back_size, out,
):  # fmt: skip
    """Move every customer through the months, in each trial from `lo_trial` to `hi_trial`, and add
    up in `out`.

    seed, first : of the streams; trial k of `out` is trial `first` + k of the seed. The draws begin
        at `lo_trial`.
    months, start, closed : how long; the month whose customers are the cohort; whether nobody else
        is counted.
    tiles : `int64[tile + 1]` places in the arrays of customers: `arr`, `tenure` (months), `joins`
        (month).
    bounds : `int64[tile, segment, 13]` places within the tile where each anniversary of a segment
        begins.
    hazard : `float64[phase, draw, segment, 6]`, of the ceiling; a phase is a month that differs
        from the others, and the last one goes on; keep : `float64[phase, draw, segment, 6, year]`,
        the probability that an event of the ceiling is one of this scenario; thinned : `bool[6]`,
        whether any is below 1. uplift, back_hazard (a month's) : `float64[phase, draw, segment]`.
    back_size : `float64[draw, segment]`; sizes : `float64[draw, segment, 3]`.
    tables, has_table : `float32[3, segment, (2 LEVELS - 1) (KNOTS + 1)]`, `bool[3, segment]`: sizes
        drawn anew.
    out : `float64[variable, trial, segment, month]`, zeros to begin with; the order of VARIABLES.
    """
    segments = bounds.shape[1]
    widest = 0
    for tile in range(tiles.size - 1):
        widest = max(widest, tiles[tile + 1] - tiles[tile])
    all_amount, all_base, returning, refused = (
        np.empty(widest),
        np.empty(widest),
        np.empty(widest),
        np.empty(widest),
    )
    opening, all_gone = np.empty(widest), np.empty(widest, np.bool_)
    following, refuser, next_away = (
        np.empty(widest, np.int32),
        np.empty(widest, np.int32),
        np.empty(widest, np.int32),
    )
    listed, away = np.empty(widest, np.bool_), np.empty((segments, 1), np.int32)
    head = np.empty((segments, months + 1), np.int32)
    times, axis = np.empty((STREAMS, BUFFER)), np.empty(STREAMS)
    place, keys = np.empty((STREAMS, 2), np.int64), np.empty(STREAMS, np.uint64)
    level, opening_level = np.empty((segments, 6)), np.empty((segments, 6))

    for tile in range(tiles.size - 1):
        begin, n = tiles[tile], tiles[tile + 1] - tiles[tile]
        bound = bounds[tile]
        arrs, lived, joined = (
            arr[begin : begin + n],
            tenure[begin : begin + n],
            joins[begin : begin + n],
        )
        amount, base, gone = all_amount[:n], all_base[:n], all_gone[:n]
        for i in range(n):
            opening[i] = arrs[i] if joined[i] == 0 else 0.0
        for s in range(segments):
            _form_cohort(bound[s, 0], bound[s, 12], opening, base, gone, opening_level[s])
        for trial in range(lo_trial, hi_trial):
            draw = trial - lo_trial if hazard.shape[1] > 1 else 0
            key = _mix(_mix(_U(seed) + _TRIAL * _U(first + trial)) + _TILE * _U(tile))
            for k in range(STREAMS):
                keys[k] = _mix(key + _STREAM * _U(k + 1))
                place[k, 0], place[k, 1] = BUFFER, -BUFFER
                times[k, BUFFER - 1] = axis[k] = 0.0
            for i in range(n):  # loops, as assignments of whole arrays take seconds to compile
                amount[i] = opening[i]
                gone[i] = joined[i] != 0
                listed[i] = False
            if start > 0:
                for i in range(n):
                    base[i] = opening[i]
            for s in range(segments):
                for column in range(6):
                    level[s, column] = opening_level[s, column]
                for t in range(months + 1):
                    head[s, t] = -1
                away[s, 0] = -1

            for t in range(1, months + 1):
                due, phase = (t - 1) % 12, min(t, hazard.shape[0]) - 1
                for s in range(segments):
                    lo, hi, due_lo, due_hi = (
                        bound[s, 0],
                        bound[s, 12],
                        bound[s, due],
                        bound[s, due + 1],
                    )
                    now, heads, waits = level[s], head[s], back_hazard[:, draw, s]
                    before, before_count = now[HERE], now[COUNTED]
                    lost = raised = 0.0
                    for part in range(
                        3
                    ):  # those before the anniversary's customers, these, and those after them
                        a = lo if part == 0 else due_lo if part == 1 else due_hi
                        b = due_lo if part == 0 else due_hi if part == 1 else hi
                        column = CHURN_DUE if part == 1 else CHURN
                        rate = hazard[phase, draw, s, column]
                        if rate > 0.0 and b > a:
                            lost += _churn(
                                a, b, rate, thinned[column], keep[phase, draw, s, column], lived, t, months, waits,
                                back_size[draw, s], times[0], place, axis, keys[0],
                                amount, base, gone, now, heads, following, returning,
                            )  # fmt: skip
                    if uplift[phase, draw, s] > 0.0 and due_hi > due_lo:
                        raised = _price(
                            due_lo, due_hi, hazard[phase, draw, s, REFUSAL], thinned[REFUSAL],
                            keep[phase, draw, s, REFUSAL, 0],
                            uplift[phase, draw, s], times[1], place, axis, keys[1],
                            amount, base, now, away[s], next_away, refuser, refused,
                        )  # fmt: skip
                    less = more = cross = 0.0
                    for kind in range(3):
                        column = CONTRACTION + kind
                        rate = hazard[phase, draw, s, column]
                        if rate > 0.0 and hi > lo:
                            total = _change(
                                2 + kind, -1.0 if kind == 0 else 1.0, lo, hi, rate, thinned[column],
                                keep[phase, draw, s, column, 0], sizes[draw, s, kind],
                                has_table[kind, s], tables[kind, s],
                                times[2 + kind], place, axis, keys[2 + kind], amount, base, gone, now,
                            )  # fmt: skip
                            if kind == 0:
                                less = total
                            elif kind == 1:
                                more = total
                            else:
                                cross = total
                    returned = _come_back(
                        heads[t],
                        amount,
                        base,
                        now,
                        following,
                        returning,
                        away[s],
                        next_away,
                        listed,
                    )
                    came = 0.0
                    if t <= start or not closed:
                        came = _join(
                            t,
                            due_lo,
                            due_hi,
                            joined,
                            arrs,
                            amount,
                            now,
                            t <= start,
                            away[s],
                            next_away,
                            listed,
                        )
                    now[HERE] += raised + more + cross + returned + came - lost - less
                    if now[COUNTED] == 0:  # nobody is left: what rounding left goes, too
                        now[HERE] = now[KEPT] = now[AWAY] = now[AWAY_KEPT] = 0.0
                    if t == start:
                        _form_cohort(lo, hi, amount, base, gone, now)
                        away[s, 0] = -1
                        for i in range(lo, hi):
                            listed[i] = False
                        if closed:
                            for later in range(t, months + 1):
                                heads[later] = -1
                    elif t > start:
                        o = out[:, trial, s, t - start - 1]
                        o[0] += lost
                        o[1] += raised
                        o[2] += less
                        o[3] += more
                        o[4] += cross
                        o[5] += returned
                        o[6] += came
                        o[7] += before
                        o[8] += now[HERE]
                        o[9] += now[KEPT]
                        o[10] += max(
                            now[HERE] - now[AWAY], 0.0
                        )  # of nobody, rounding may leave less than nothing
                        o[11] += max(now[KEPT] - now[AWAY_KEPT], 0.0)
                        o[12] += before_count
                        o[13] += now[COUNTED]
                        o[14] += now[COUNTED] - now[AWAY_COUNTED]
