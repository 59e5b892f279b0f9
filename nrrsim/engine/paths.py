"""Groups and what a month does to them in, what they come to out, compiled; never knows a scenario.

The month is that of `expectation`, which has it in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys

from nrrsim.engine import groups


class _Kept(FunctionCache):
    """Numba's own, that looks on disk before it loads all that the compiler knows: that takes a
    quarter of a second, and of what is compiled already nothing needs it.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)  # arrays are counted by it
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):  # a place that can no longer be written to costs time alone
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


def compiled(function: Callable[..., Any]) -> Any:
    """Compiled at its first call, and kept on disk where there is a place for it: until its own
    file changes, whatever becomes of those that it calls.
    """
    made: Any = numba.njit(error_model="numpy", nogil=True)(function)
    # neither the package's folder nor the user's cache may be there to write to
    with suppress(RuntimeError):
        made._cache = _Kept(function)  # type: ignore[no-untyped-call]
    return made


def inlined(function: Callable[..., Any]) -> Any:
    """A part of a compiled function that has a name: put into it where it is called, as a call with
    so many arrays takes long.
    """
    return numba.njit(error_model="numpy", forceinline=True)(function)


tenure_year, phase_of = compiled(groups.tenure_year), compiled(groups.phase_of)


class Month(NamedTuple):
    """What each month does on average to the powers of an amount: 1, or 1 to 3; draws last, as the
    innermost loop runs over them. A kind is a segment or, where accounts differ, those of one whose
    rates are alike.

    A phase is a month that differs from the one before; the last `cycle` go round (`phase_of`).

    segment : `int64[kind]`. churn, due_churn : `float64[phase, kind, year, draw]`, the probability
        to leave in a month without and with anniversary.
    growth : `float64[phase, kind, power, draw]`, the factor of contraction, adoption and cross-sell
        together; lift : as `growth`, by segment, of price, in the month of the anniversary, or
        `together`, `bool[segment]`, in any (1 where it is not the price's).
    back : `float64[phase, segment, draw]`, the probability of those who left to come back.
    back_size : `float64[segment, power, draw]`, the share of what they left with, to each power.
    """

    segment: np.ndarray
    churn: np.ndarray
    due_churn: np.ndarray
    growth: np.ndarray
    lift: np.ndarray
    back: np.ndarray
    back_size: np.ndarray
    together: np.ndarray
    cycle: int


@inlined
def _follow(kind, anniversary, tenure, months, month, amount, left):  # type: ignore[no-untyped-def]
    """Move one group through all months, in place: `amount`, as it is at month 0, and `left`, of
    those who may come back, `float64[power, draw]` each.
    """
    phases, years, segment = month.churn.shape[0], month.churn.shape[2], month.segment[kind]
    for t in range(1, months + 1):
        phase, year = phase_of(t, phases, month.cycle), tenure_year(tenure, t, years)
        is_due = (t - anniversary) % 12 == 0
        may_rise = is_due or month.together[segment]
        churn = (month.due_churn if is_due else month.churn)[phase, kind, year]
        back = month.back[phase, segment]

        for power in range(amount.shape[0]):
            growth, lift = month.growth[phase, kind, power], month.lift[phase, segment, power]
            size, here, away = month.back_size[segment, power], amount[power], left[power]
            for d in range(here.size):
                lost = churn[d] * here[d]
                kept = (here[d] - lost) * growth[d]
                if may_rise:
                    kept *= lift[d]
                here[d] = kept + back[d] * size[d] * away[d]
                # who leaves in this month comes back in a later one at the earliest
                away[d] = away[d] * (1.0 - back[d]) + lost


@compiled
def close(kind, anniversary, tenure, arr, months, month, out):  # type: ignore[no-untyped-def]
    """What each segment's book is expected to close at, draw by draw, in ARR: added to `out`,
    `float64[segment, draw]`.

    kind, anniversary, tenure (months), arr : of each group of customers who share a path.
    month : a Month of one power.
    """
    amount, left = np.empty((1, out.shape[1])), np.empty((1, out.shape[1]))
    for g in range(kind.size):
        amount[:], left[:] = arr[g], 0.0
        _follow(kind[g], anniversary[g], tenure[g], months, month, amount, left)
        segment = month.segment[kind[g]]
        for d in range(out.shape[1]):
            out[segment, d] += amount[0, d]


@compiled
def moments(kind, anniversary, tenure, sums, months, month, out):  # type: ignore[no-untyped-def]
    """Mean, variance and third central moment of what the book closes at, draw by draw: added to
    `out`, `float64[3, draw]`.

    sums : `float64[3, group]`, the sums of ARR, its squares and its cubes. month : a Month of three
    powers. The rest is as for `close`.
    """
    amount, left = np.empty((3, out.shape[1])), np.empty((3, out.shape[1]))
    for g in range(kind.size):
        amount[:], left[:] = 1.0, 0.0
        _follow(kind[g], anniversary[g], tenure[g], months, month, amount, left)

        # customers have their luck apart from each other, so their central moments add up
        for d in range(out.shape[1]):
            mean, square, cube = amount[0, d], amount[1, d], amount[2, d]
            out[0, d] += sums[0, g] * mean
            out[1, d] += sums[1, g] * (square - mean * mean)
            out[2, d] += sums[2, g] * (cube - 3.0 * mean * square + 2.0 * mean * mean * mean)


@compiled
def powers(kind, anniversary, tenure, months, month, out):  # type: ignore[no-untyped-def]
    """What a unit of ARR comes to on average, to each of some powers, real or imaginary:
    `complex128[group, power]`, written to `out`.

    month : a Month of one power, in which those powers stand in the draws' place. The rest is as
    for `close`.
    """
    amount = np.empty((1, out.shape[1]), np.complex128)
    left = np.empty((1, out.shape[1]), np.complex128)
    for g in range(kind.size):
        amount[:], left[:] = 1.0, 0.0
        _follow(kind[g], anniversary[g], tenure[g], months, month, amount, left)
        for v in range(out.shape[1]):
            out[g, v] = amount[0, v]
