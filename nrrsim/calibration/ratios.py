"""A ledger in, what its own customers' past says of the coming year out; never needs a model of
events, and never looks past `as_of`.

Each customer of today meets twelve months that a customer like it met before: what that one had at
their end over what it had at their start. Returns, pauses and rises that were undone come along as
they were. What is not known of the coming year is told twice: past customers are weighted at random
(Bayesian bootstrap, Rubin 1981), and all customers of today meet one good or bad year.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from scipy import special

from nrrsim.engine.bits import GOLDEN, exponential, mix, uniform
from nrrsim.engine.draws import SEED, scores
from nrrsim.engine.paths import compiled
from nrrsim.errors import UsageError
from nrrsim.ledger.ledger import Ledger, as_ledger
from nrrsim.ledger.rollforward import MONTHS_APART, Kept
from nrrsim.messages import whole_of
from nrrsim.months import month_name, parse_month, shift
from nrrsim.notation import month_name as in_words

YEAR = 12
DRAWS = 4_000
MEASURES = ("nrr", "grr", "logo")
MOST = np.array([np.inf, 1.0, 1.0])  # of each measure
LEVELS = (np.arange(200) + 0.5) / 200  # of the quantiles that stand for a distribution
FEW = 40  # customer-years: where a kind of customer has fewer, a wider kind stands for it
# By how much years differ beyond their customers' luck: half normal, of this scale times what a
# usual year loses and gains (GRR: loses), in shares of opening ARR.
YEAR_EFFECT = 0.15
TAU = np.linspace(0, 4, 81)  # in such scales
LUCKS = 1_024  # random weights of a draw: where there are more customer-years, some share one
SHARES = 64  # so finely is told which part of a weight's opening ARR a pair has: a power of 2
_U = np.uint64
# What tells one use of random bits from another: odd numbers without a pattern.
_DRAW, _MONEY, _HEADS = map(_U, (0xBF58476D1CE4E5B9, 0xE7037ED1A0B428DB, 0xA0761D6478BD642F))
WIDEST, FINEST = 0, 3  # of the kinds
Group = str | None  # a segment, or the whole book


@dataclass(frozen=True)
class OwnPast:
    """Where the measures may go by the past of the customers alone; each field by group.

    quantiles : `ndarray[measure, 200]`, at LEVELS. tau : `ndarray[measure]`, by how much a usual
        good or bad year moves each, averaged over what is believed of it.
    customers : how many of today they are about. customer_years : how many years of customers of
        that group the ledger knows. years : how many past years, one after the other, it knows the
        group's figures of. borrowing : how many of the customers stand on the past of others than
        their segment's, as there are few of it.
    """

    quantiles: dict[Group, np.ndarray]
    tau: dict[Group, np.ndarray]
    customers: dict[Group, int]
    customer_years: dict[Group, int]
    years: dict[Group, int]
    borrowing: dict[Group, int]


def own_past(
    ledger: Ledger, as_of: str, *, horizon: int = YEAR, draws: int = DRAWS, seed: int = SEED
) -> OwnPast:
    """NRR, GRR and logo retention of the twelve months that end `horizon` months after `as_of`.

    horizon : 12, or less: then the first of those months are known, and the others are like the
        same calendar months of past years.
    draws, seed : the same two give the same bits.

    Raises UsageError where nobody is there, or no whole year of the past is known.
    """
    ledger, draws, seed = as_ledger(ledger), whole_of("draws", draws), whole_of("seed", seed)
    past = PastYears.of(ledger, as_of)
    today = _Today.of(ledger, as_of, horizon)
    pairs = past.pairs if horizon == YEAR else Pairs.of(ledger, as_of, horizon)
    pools = _pools(today, pairs)
    sums = np.zeros((draws, 3, len(ledger.segments)))
    _play(seed, parse_month(as_of, "as_of"), *_laid_out(today, pairs, pools), sums)
    sums = sums.transpose(1, 2, 0)

    # one good or bad year for all, the less of it the less is to come
    even = scores({f"{as_of}/year": 0, f"{as_of}/tau": 1}, count=draws, seed=seed, quasi=True)
    z, u = even[f"{as_of}/year"], special.ndtr(even[f"{as_of}/tau"])
    borrows = np.zeros(len(today.opening), bool)
    for pool in pools:
        borrows[pool.who] = pool.is_borrowed

    found = OwnPast({}, {}, {}, {}, {}, {})
    for group, segment in today.groups(ledger.segments):
        inside, own = (
            (slice(None),) * 2 if segment is None else (today.segment == segment, [segment])
        )
        opening = today.opening[inside]
        base = np.array([opening.sum(), opening.sum(), len(opening)])
        tau = past.year_effects(group, u) * horizon / YEAR
        drawn = sums[:, own].sum(axis=1) / base[:, None] + tau * z
        found.quantiles[group] = quantiles(drawn)
        found.tau[group] = tau.mean(axis=1)
        found.customers[group] = len(opening)
        found.customer_years[group] = past.pairs.customer_years(segment)
        found.years[group] = len(past.known(group, yearly=True))
        found.borrowing[group] = int(borrows[inside].sum())
    return found


def quantiles(drawn: np.ndarray) -> np.ndarray:
    """`ndarray[measure, 200]` of `ndarray[measure, draw]`, which is first cut to what can be.

    Rounded, so that what did not change is equal to what was.
    """
    possible = np.clip(drawn, 0, MOST[:, None])
    return np.asarray(np.quantile(possible, LEVELS, axis=1, method="hazen").T.round(12))


# --- who is like whom -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Pairs:
    """Customers at past snapshots and what became of each some months later: `ndarray[row]`.

    segment : its number. opening : ARR at the snapshot. ratio : ARR later over that, 0 if gone.
    back : months from the later snapshot to the latest of all. unit : whose year it is, a number.
    kinds : `ndarray[row, 4]`, from the widest to the finest.
    """

    segment: np.ndarray
    opening: np.ndarray
    ratio: np.ndarray
    back: np.ndarray
    unit: np.ndarray
    kinds: np.ndarray

    @property
    def values(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What of each the measures are means of: NRR's and GRR's by ARR, logo's by heads."""
        return self.ratio, np.minimum(self.ratio, 1.0), (self.ratio > 0) * 1.0

    def customer_years(self, segment: int | None) -> int:
        """How many, of a segment or of all."""
        own = self.unit if segment is None else self.unit[self.segment == segment]
        return len(np.unique(own))

    @classmethod
    def of(cls, ledger: Ledger, as_of: str, horizon: int) -> Self:
        """All that is known at `as_of`: of years one to a quarter (or step), of parts of a year
        those of the same calendar months as the coming ones.

        Of a part there are two sorts: customers there at its start, and customers of the base, a
        year before its end, who were away by then (and may return).
        """
        begin = parse_month(ledger.months[0], "month")
        latest = parse_month(as_of, "as_of") + horizon - YEAR
        every = max(3, ledger.step) if horizon == YEAR else YEAR
        parts = []
        for end in range(latest, begin + horizon - 1, -every):
            here = _kept(ledger, end - horizon, end)
            sorts = [(here, _kinds(here, end - horizon, begin), here.customer >= 0)]
            if horizon < YEAR and end - YEAR >= begin:
                base = _kept(ledger, end - YEAR, end)
                away = ~np.isin(base.customer, here.customer)
                sorts.append((base, _away(_kinds(base, end - YEAR, begin)), away))
            for kept, kinds, which in sorts:
                back = np.full(which.sum(), latest - end)
                unit = kept.customer[which] * MONTHS_APART + back // YEAR
                opening, ratio = kept.opening[which], (kept.closing / kept.opening)[which]
                parts.append((kept.segment[which], opening, ratio, back, unit, kinds[which]))
        if not parts:  # of a ledger that is shorter than that
            none = np.zeros(0, np.int64)
            return cls(
                none, none * 1.0, none * 1.0, none, none, np.zeros((0, FINEST + 1), np.int64)
            )
        segment, opening, ratio, back, unit, kinds = map(np.concatenate, zip(*parts, strict=True))
        return cls(segment, opening, ratio, back, np.unique(unit, return_inverse=True)[1], kinds)


def _kept(ledger: Ledger, start: int, end: int) -> Kept:
    return ledger.kept(month_name(start), month_name(end))


def _kinds(kept: Kept, month: int, begin: int) -> np.ndarray:
    """`ndarray[customer, 4]`: everybody, its segment, that and its size, that and its age.

    Large is who has the median of its segment or more, there and then. Old is who came a year or
    more before, or before the ledger.
    """
    middle = pd.Series(kept.opening).groupby(kept.segment).transform("median").to_numpy()
    large = kept.opening >= middle
    old = (kept.since == begin) | (month - kept.since >= YEAR)
    by_size = 2 * kept.segment + large
    return np.column_stack([0 * kept.segment, kept.segment, by_size, 2 * by_size + old])


def _away(kinds: np.ndarray) -> np.ndarray:
    """The same kinds of customers who are away: no one who is there is like them."""
    return -1 - kinds


@dataclass(frozen=True)
class _Today:
    """The customers whose retention is measured: `ndarray[customer]`.

    segment : its number. opening : ARR at the start of the twelve months. scale :
    what a ratio is a multiple of: ARR of today, or `opening` where it is away. kinds : as Pairs'.
    """

    segment: np.ndarray
    opening: np.ndarray
    scale: np.ndarray
    kinds: np.ndarray

    @classmethod
    def of(cls, ledger: Ledger, as_of: str, horizon: int) -> Self:
        begin, origin = parse_month(ledger.months[0], "month"), parse_month(as_of, "as_of")
        start = origin + horizon - YEAR
        base, here = _kept(ledger, start, origin), _kept(ledger, origin, origin)
        if not len(base.customer):
            raise UsageError(f"as_of: nobody has an amount in {in_words(month_name(start))}")
        kinds = _away(_kinds(base, start, begin))
        there = base.closing > 0
        own = np.searchsorted(here.customer, base.customer[there])
        kinds[there] = _kinds(here, origin, begin)[own]
        scale = np.where(there, base.closing, base.opening)
        return cls(base.segment, base.opening, scale, kinds)

    def groups(self, segments: Sequence[str]) -> list[tuple[Group, int | None]]:
        """The whole book, and each segment that has customers with its number."""
        return [(None, None), *((segments[each], int(each)) for each in np.unique(self.segment))]


@dataclass(frozen=True)
class _Pool:
    """Customers of today (`who`) of one kind, and the pairs that they draw from (`rows`).

    is_borrowed : whether some of these are of other segments.
    """

    who: np.ndarray
    rows: np.ndarray
    is_borrowed: bool


def _pools(today: _Today, pairs: Pairs) -> list[_Pool]:
    """For each finest kind of today the finest kind of the past that is not few."""
    pools = []
    for finest in np.unique(today.kinds[:, FINEST]):
        who = np.flatnonzero(today.kinds[:, FINEST] == finest)
        for level in range(FINEST, WIDEST - 1, -1):
            rows = np.flatnonzero(pairs.kinds[:, level] == today.kinds[who[0], level])
            if level == WIDEST or len(np.unique(pairs.unit[rows])) >= FEW:
                of_others = pairs.kinds[rows, 1] != today.kinds[who[0], 1]
                pools.append(_Pool(who, rows, bool(of_others.any())))
                break
    return pools


# --- good and bad years ---------------------------------------------------------------------------


@dataclass(frozen=True)
class PastYears:
    """The years that end at `as_of` and a quarter (or step) earlier each, the latest first.

    figures : `ndarray[end, group, measure]`, as published then; nan over an empty base. chance :
    the variance that a figure has by the luck of its customers, each like others of its kind.
    groups : which place is whose: the whole book's is the first.
    """

    pairs: Pairs
    groups: dict[Group, int]
    figures: np.ndarray
    chance: np.ndarray
    a_year: int

    @classmethod
    def of(cls, ledger: Ledger, as_of: str) -> Self:
        """What a ledger knows at `as_of`; raises UsageError where that is no whole year."""
        ledger.inside(as_of, "as_of")
        pairs = Pairs.of(ledger, as_of, YEAR)
        if not len(pairs.unit):
            raise UsageError(
                f"as_of: a forecast takes a year of the past, and the ledger begins in"
                f" {in_words(ledger.months[0])}; choose {in_words(shift(ledger.months[0], YEAR))}"
                " or a later month"
            )
        every = max(3, ledger.step)
        kind = np.unique(pairs.kinds[:, FINEST], return_inverse=True)[1]
        end, ends = pairs.back // every, int(pairs.back.max()) // every + 1
        cell, size = end * len(ledger.segments) + pairs.segment, (ends, len(ledger.segments))

        def by_group(weights: np.ndarray) -> np.ndarray:
            """`ndarray[end, group]`: sums over customers."""
            own = np.bincount(cell, weights, size[0] * size[1]).reshape(size)
            return np.column_stack([np.bincount(end, weights), own])

        figures, chance = [], []
        for weight, value in zip(
            (pairs.opening, pairs.opening, np.ones(len(kind))), pairs.values, strict=True
        ):
            of_kind = np.bincount(kind, weight)
            mean = np.bincount(kind, weight * value) / of_kind
            variance = np.bincount(kind, weight * (value - mean[kind]) ** 2) / of_kind
            with np.errstate(invalid="ignore"):
                figures.append(by_group(weight * value) / by_group(weight))
                chance.append(by_group(weight**2 * variance[kind]) / by_group(weight) ** 2)
        groups: dict[Group, int] = {None: 0}
        groups |= {name: number + 1 for number, name in enumerate(ledger.segments)}
        arrays = np.stack(figures, axis=2), np.stack(chance, axis=2)
        return cls(pairs, groups, *arrays, YEAR // every)

    def known(self, group: Group, *, yearly: bool = False) -> np.ndarray:
        """`ndarray[end, measure]`: a group's figures, of every end, or a year apart."""
        own = self.figures[:: self.a_year if yearly else 1, self.groups[group]]
        return np.asarray(own[np.isfinite(own[:, 0])])

    def year_effects(self, group: Group, u: np.ndarray) -> np.ndarray:
        """`ndarray[measure, draw]`: tau from its posterior, at the ranks `u`.

        By how much a group's own years differ beyond the luck of their customers; where it has
        none, by how much the book's do. Years are normal about a mean that is not known; what is
        known of them all widens with the share of one more year.
        """
        place = self.groups[group]
        place = place if np.isfinite(self.figures[:: self.a_year, place, 0]).any() else 0
        years, chance = (each[:: self.a_year, place] for each in (self.figures, self.chance))
        is_known = np.isfinite(years[:, 0])
        years, chance = years[is_known], np.maximum(chance[is_known], 1e-8)
        nrr, grr, _ = years.mean(axis=0)
        moved = np.array([1 - grr + nrr - grr, 1 - grr, 1 - grr + nrr - grr])
        drawn = []
        for k, scale in enumerate(np.maximum(YEAR_EFFECT * moved, 1e-4)):
            v = (TAU[:, None] * scale) ** 2 + chance[:, k]
            level = (years[:, k] / v).sum(axis=1, keepdims=True) / (1 / v).sum(1, keepdims=True)
            log = -(np.log(v) + (years[:, k] - level) ** 2 / v).sum(axis=1) / 2
            log -= np.log((1 / v).sum(axis=1)) / 2 + TAU**2 / 2
            reached = np.cumsum(np.exp(log - log.max()))
            drawn.append(scale * TAU[np.searchsorted(reached, u * reached[-1])])
        return np.asarray(np.array(drawn) * np.sqrt(1 + 1 / len(is_known)))


# --- one draw after the other ---------------------------------------------------------------------


class _Past(NamedTuple):
    """What customers of today draw from, pool after pool: `ndarray[cell]`.

    A cell is the pairs of a pool that share a random weight, and says what they come to. pools :
    where the cells of each pool begin. weight : which. money, heads, stayed : the opening ARR of
    its pairs, how many they are, and how many of them stayed. ratios : `ndarray[cell, SHARES]`,
    their ratios, each as often as it has opening ARR.
    """

    pools: np.ndarray
    weight: np.ndarray
    money: np.ndarray
    heads: np.ndarray
    stayed: np.ndarray
    ratios: np.ndarray


class _Drawing(NamedTuple):
    """Who draws, pool after pool: `ndarray[customer]`. pools : where each begins."""

    pools: np.ndarray
    segment: np.ndarray
    opening: np.ndarray
    scale: np.ndarray


def _laid_out(today: _Today, pairs: Pairs, pools: Sequence[_Pool]) -> tuple[_Past, _Drawing]:
    """What `_play` goes through."""
    rows = np.concatenate([each.rows for each in pools])
    pool = np.repeat(np.arange(len(pools)), [len(each.rows) for each in pools])
    weight = pairs.unit[rows] % LUCKS
    order = np.lexsort((weight, pool))
    rows, key = rows[order], (pool * LUCKS + weight)[order]
    keys, cell = np.unique(key, return_inverse=True)
    opening, ratio = pairs.opening[rows], pairs.ratio[rows]
    money, heads, stayed = (
        np.bincount(cell, each, len(keys)) for each in (opening, np.ones(len(rows)), ratio > 0)
    )
    # all cells one after the other on one axis, each of length 1, and in it even places
    reached = pd.Series(opening).groupby(cell).cumsum().to_numpy() / money[cell]
    even = np.arange(len(keys))[:, None] + (np.arange(SHARES) + 0.5) / SHARES
    ratios = ratio[np.searchsorted(cell + reached, even)]
    begin = np.searchsorted(keys, np.arange(len(pools) + 1) * LUCKS)
    past = _Past(begin, keys % LUCKS, money, heads, stayed, ratios)

    who = np.concatenate([each.who for each in pools])
    begin = np.cumsum([0, *(len(each.who) for each in pools)])
    return past, _Drawing(begin, today.segment[who], today.opening[who], today.scale[who])


@compiled
def _play(seed, month, past, drawing, out):  # type: ignore[no-untyped-def]
    """What customers have at the end, that capped at the opening, and how many there are: added to
    `out`, `float64[draw, 3, segment]`. A draw is a function of seed, month and its number alone.
    """
    luck, reached = np.empty(LUCKS), np.empty(past.weight.size)
    guide = np.empty(past.weight.size, np.int64)  # by even parts of what is reached: where to look
    for draw in range(out.shape[0]):
        key = mix(mix(_U(seed) + GOLDEN * _U(month)) + _DRAW * _U(draw + 1))
        of_money, of_heads = mix(key + _MONEY), mix(key + _HEADS)
        for j in range(LUCKS):
            luck[j] = exponential(mix(key + GOLDEN * _U(j + 1)))

        for pool in range(past.pools.size - 1):
            lo, hi = past.pools[pool], past.pools[pool + 1]
            if lo == hi:  # none such was ever seen: whoever is away stays away
                continue
            money, heads, stayed = 0.0, 0.0, 0.0
            for cell in range(lo, hi):
                weight = luck[past.weight[cell]]
                money += weight * past.money[cell]
                reached[cell] = money
                heads += weight * past.heads[cell]
                stayed += weight * past.stayed[cell]
            part = 0
            for cell in range(lo, hi):
                while part < hi - lo and part * money < reached[cell] * (hi - lo):
                    guide[lo + part] = cell
                    part += 1

            for i in range(drawing.pools[pool], drawing.pools[pool + 1]):
                u = uniform(mix(of_money + GOLDEN * _U(i)))
                cell = guide[lo + np.int64(u * (hi - lo))]
                while cell < hi - 1 and reached[cell] <= u * money:
                    cell += 1
                bits = mix(of_money - GOLDEN * _U(i + 1))
                closing = drawing.scale[i] * past.ratios[cell, bits >> _U(64 - 6)]
                s = drawing.segment[i]
                out[draw, 0, s] += closing
                out[draw, 1, s] += min(closing, drawing.opening[i])
                if uniform(mix(of_heads + GOLDEN * _U(i))) * heads < stayed:
                    out[draw, 2, s] += 1.0
