"""Groups and what a month does to them in, what they come to out, compiled; never knows a scenario.

The month is that of `expectation`, which has it in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np


def compiled(function: Callable[..., Any]) -> Any:
    """Compiled at its first call, and kept on disk where there is a place for it."""
    try:
        return numba.njit(error_model="numpy", nogil=True, cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written to
        return numba.njit(error_model="numpy", nogil=True)(function)


@compiled
def close(  # type: ignore[no-untyped-def]
    segment,
    anniversary,
    tenure,
    weight,
    months,
    churn,
    due_churn,
    growth,
    lift,
    back,
    back_size,
    out,
):
    """What each segment's book is expected to close at, draw by draw, added to `out`,
    `float64[segment, draw]`.

    segment, anniversary, tenure (months), weight (ARR) : of each group of customers who share a
    path.
    churn, due_churn : `float64[phase, segment, year, draw]`, the probabilities of a month without
        and with anniversary.
    growth, lift, back : `float64[phase, segment, draw]`, what a month multiplies by on average:
        contraction, adoption and cross-sell together; price; and the probability to come back.
        back_size : `float64[segment, draw]`.
    """
    phases, years, draws = churn.shape[0], churn.shape[2], out.shape[1]
    amount, left = np.empty(draws), np.empty(draws)
    for g in range(segment.size):
        s = segment[g]
        for d in range(draws):
            amount[d], left[d] = weight[g], 0.0
        for t in range(1, months + 1):
            phase = min(t, phases) - 1
            year = min(max(np.int64(np.floor((tenure[g] + t - 1) / 12 + 1e-9)), 0), years - 1)
            is_due = (t - anniversary[g]) % 12 == 0
            c = due_churn[phase, s, year] if is_due else churn[phase, s, year]
            more, up, w, size = growth[phase, s], lift[phase, s], back[phase, s], back_size[s]
            for d in range(draws):
                lost = c[d] * amount[d]
                amount[d] = (amount[d] - lost) * more[d]
                if is_due:
                    amount[d] *= up[d]
                amount[d] += w[d] * size[d] * left[d]
                left[d] = left[d] * (1.0 - w[d]) + lost
        for d in range(draws):
            out[s, d] += amount[d]


@compiled
def moments(  # type: ignore[no-untyped-def]
    segment, anniversary, tenure, sums, months, churn, due_churn, growth, lift, back, back_size, out
):
    """Mean, variance and third central moment of what the book closes at, draw by draw: added to
    `out`, `float64[3, draw]`.

    sums : `float64[3, group]`, the sums of ARR, its squares and its cubes. growth, lift :
    `float64[phase, segment, 3, draw]`, by what a month multiplies the first three powers of an
    amount on average. The rest is as for `close`.
    """
    phases, years, draws = churn.shape[0], churn.shape[2], out.shape[1]
    amount, left = np.empty((3, draws)), np.empty((3, draws))
    for g in range(segment.size):
        s = segment[g]
        amount[:] = 1.0
        left[:] = 0.0
        for t in range(1, months + 1):
            phase = min(t, phases) - 1
            year = min(max(np.int64(np.floor((tenure[g] + t - 1) / 12 + 1e-9)), 0), years - 1)
            is_due = (t - anniversary[g]) % 12 == 0
            c = due_churn[phase, s, year] if is_due else churn[phase, s, year]
            w, size = back[phase, s], back_size[s]
            for k in range(3):
                more, up, a, b = growth[phase, s, k], lift[phase, s, k], amount[k], left[k]
                for d in range(draws):
                    lost = c[d] * a[d]
                    share = (
                        size[d]
                        if k == 0
                        else size[d] * size[d]
                        if k == 1
                        else size[d] * size[d] * size[d]
                    )
                    kept = (a[d] - lost) * more[d]
                    a[d] = (kept * up[d] if is_due else kept) + w[d] * share * b[d]
                    b[d] = b[d] * (1.0 - w[d]) + lost
        for d in range(draws):
            m = amount[0, d]
            out[0, d] += sums[0, g] * m
            out[1, d] += sums[1, g] * (amount[1, d] - m * m)
            out[2, d] += sums[2, g] * (amount[2, d] - 3.0 * m * amount[1, d] + 2.0 * m * m * m)
