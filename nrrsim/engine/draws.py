"""A seed and a count in, normal scores out, evenly spread (Sobol) or random; never knows what is
believed.

Each belief has a dimension of its own, so that adding one moves no other's draws.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache, reduce
from importlib.resources import files
from operator import xor
from typing import Any

import numpy as np

from nrrsim import special
from nrrsim.errors import UsageError
from nrrsim.messages import whole_of
from nrrsim.scenario.beliefs import correlation_matrix

SEED = 20260930  # of everything that is drawn, where nobody says another
EVEN_DRAWS = 4096  # of the beliefs, where an expectation is averaged over them
BITS = 30  # of a Sobol draw
MOST_KEPT = 4096  # draws whose places are kept for the next time
MOST_DIMENSIONS = 1024  # beyond, draws are random: so many segments average out


def checked_place(name: str, value: Any, ahead: int = 0) -> int:
    """A seed, or the number of a first draw with as many `ahead` of it, checked: a whole number;
    raises UsageError with what it is called for one that cannot be.
    """
    place = whole_of(name, value)
    if not 0 <= place < 2**63 - ahead:
        raise UsageError(f"{name}: must be a whole number from 0 to 2^63 - 1, got {place}")
    return place


def scores(
    slots: Mapping[str, int],
    correlations: Iterable[tuple[str, str, float]] = (),
    *,
    count: int,
    seed: int,
    first: int = 0,
    quasi: bool = False,
) -> dict[str, np.ndarray]:
    """Standard normal scores by name, `ndarray[count]`, for the trials `first` to `first + count`.

    slots : each name and its place, which says which dimension of the Sobol sequence is its own.
    correlations : pairs of names and the correlation of their scores; names that are not in `slots`
        are passed over.
    quasi : evenly spread draws (scrambled Sobol) instead of random ones, for means rather than for
        luck.
    """
    even = {name: slot for name, slot in slots.items() if quasi and slot < MOST_DIMENSIONS}
    z = _sobol(even, count, seed) | _random(
        [name for name in slots if name not in even], count, seed, first
    )
    return tied(z, correlations)


def tied(
    z: dict[str, np.ndarray], correlations: Iterable[tuple[str, str, float]]
) -> dict[str, np.ndarray]:
    """Independent scores in, by name, the same with these correlations out."""
    pairs = [(a, b, rho) for a, b, rho in correlations if a in z and b in z]
    if not pairs:
        return z
    names, matrix, _ = correlation_matrix(pairs)
    alone, z = [z[name] for name in names], dict(z)
    for name, row in zip(names, np.linalg.cholesky(matrix), strict=True):
        # term by term: a matrix product would give other bits for other numbers of trials
        z[name] = np.asarray(
            sum((part * score for part, score in zip(row, alone, strict=True)), start=np.zeros(1))
        )
    return z


def _key(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:16], "little")


def _random(names: Iterable[str], count: int, seed: int, first: int) -> dict[str, np.ndarray]:
    def uniform(name: str) -> np.ndarray:
        stream = np.random.Philox(key=_key(seed, name))
        stream.advance(first // 4)  # of blocks of four
        return _open(np.random.Generator(stream).random(first % 4 + count)[first % 4 :])

    return {name: np.asarray(special.ndtri(uniform(name))) for name in names}


def _sobol(slots: Mapping[str, int], count: int, seed: int) -> dict[str, np.ndarray]:
    even = _kept if count <= MOST_KEPT else _even
    return {name: even(_key(seed, name), slot, count) for name, slot in slots.items()}


def _even(key: int, slot: int, count: int) -> np.ndarray:
    """Scores of one dimension: of points that are scrambled by `key`."""
    places = (lattice(slot, count, key) + 0.5) * 2.0**-BITS
    found = np.asarray(special.ndtri(places))
    found.setflags(write=False)
    return found


# The exact path asks for the same draws again and again: of hundreds of beliefs, some at a time.
_kept = lru_cache(4096)(_even)


def lattice(slot: int, count: int, key: int | None = None) -> np.ndarray:
    """The first points of one dimension of the Sobol sequence, as whole numbers of BITS bits; with
    a `key` scrambled by it.

    Those of `scipy.stats.qmc.Sobol`, whose module takes longer to start than a forecast to draw.
    """
    try:
        moves, begins = np.array(_directions(slot), np.uint64), np.uint64(0)
    except OSError:  # a scipy that keeps its table elsewhere: the same points, slower
        from scipy.stats import qmc

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that any count but a power of 2 is less even
            points = qmc.Sobol(slot + 1, scramble=False, bits=BITS).random(count)[:, slot]
        whole = np.asarray(points * 2.0**BITS).astype(np.uint64)
        return whole if key is None else _scrambled(whole, key)
    if key is not None:
        # a point is a sum of moves, bit by bit: who scrambles these and the first scrambles all
        begins, *scrambled = _scrambled(np.append(begins, moves), key)
        moves = np.array(scrambled) ^ begins
    found = np.full(count, begins)
    for bit in range((count - 1).bit_length()):
        # Gray code: the points so far come once more, the last first, each with one more move
        done = 1 << bit
        more = found[done : 2 * done]
        more[:] = found[:done][::-1][: len(more)] ^ moves[bit]
    return found


@cache
def _directions(slot: int) -> list[int]:
    """What each bit of a point's Gray code adds, from Joe and Kuo's table (2008)."""
    polynomial = int(_table()["poly"][slot])
    degree = polynomial.bit_length() - 1
    found = _table()["vinit"][slot, :degree].tolist() if slot else [1] * BITS
    for bit in range(len(found), BITS):
        before = [found[bit - k] << k for k in range(1, degree + 1) if polynomial >> degree - k & 1]
        found.append(reduce(xor, before, found[bit - degree]))
    return [each << BITS - 1 - bit for bit, each in enumerate(found)]


@cache
def _table() -> Mapping[str, np.ndarray]:
    with np.load(str(files("scipy") / "stats" / "_sobol_direction_numbers.npz")) as table:
        return {name: table[name][:MOST_DIMENSIONS] for name in ("poly", "vinit")}


def _scrambled(whole: np.ndarray, key: int) -> np.ndarray:
    """Each bit plus a random sum of the bits above it, plus a random bit (Matousek 1998): still
    evenly spread.
    """
    random = np.random.Generator(np.random.Philox(key=key))
    above = random.integers(1 << BITS, size=BITS, dtype=np.uint64)
    result = np.full(whole.shape, random.integers(1 << BITS, dtype=np.uint64))
    for bit in range(BITS):
        row = (above[bit] >> np.uint64(bit + 1) << np.uint64(bit + 1)) | np.uint64(1 << bit)
        result ^= (np.bitwise_count(whole & row) & 1).astype(np.uint64) << np.uint64(bit)
    return result


def _open(u: np.ndarray) -> np.ndarray:
    """Away from 0, whose normal score has no end."""
    return np.asarray(np.maximum(u, 2.0**-54))
