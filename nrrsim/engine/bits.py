"""A number in, random bits and the uniform and exponential numbers in them out, compiled; never
keeps a state, so that what is drawn hangs on nothing but the number.
"""

from __future__ import annotations

import numpy as np

from nrrsim.engine.paths import compiled

_U = np.uint64
GOLDEN = _U(0x9E3779B97F4A7C15)  # steps of it lead to numbers that are far apart
_ONE = _U(0x3FF0000000000000)  # of 1.0: with random bits below they are a number from 1 to 2


@compiled
def mix(z):  # type: ignore[no-untyped-def]
    """The finaliser of splitmix64: 64 bits to 64 bits that look random."""
    z = (z ^ (z >> _U(30))) * _U(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> _U(27))) * _U(0x94D049BB133111EB)
    return z ^ (z >> _U(31))


@compiled
def uniform(bits):  # type: ignore[no-untyped-def]
    """From 0 to below 1."""
    return _U((bits >> _U(12)) | _ONE).view(np.float64) - 1.0


@compiled
def exponential(bits):  # type: ignore[no-untyped-def]
    """-log of a uniform number above 0, by + - * / and shifts alone, so that loops vectorise."""
    b = np.float64(2.0 - _U((bits >> _U(12)) | _ONE).view(np.float64)).view(np.int64)
    e = (b - 0x3FE6A09E667F3BCD) >> 52
    m = np.int64(b - (e << 52)).view(np.float64)  # from sqrt(1/2) to sqrt(2)
    s = (m - 1.0) / (m + 1.0)
    w = s * s
    # to 1e-10 of itself
    series = 1.0 + w * (1 / 3 + w * (1 / 5 + w * (1 / 7 + w * (1 / 9 + w / 11))))
    return -e * 0.6931471805599453 - 2.0 * s * series
