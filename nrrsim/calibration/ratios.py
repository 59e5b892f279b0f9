"""A ledger in, what its own customers' past says of the coming year out; never needs a model of
events, and never looks past `as_of`.

Each customer of today meets twelve months that a customer like it met before: what that one had at
their end over what it had at their start. Returns, pauses and rises that were undone come along as
they were. What is not known of the coming year is told twice: past customers are weighted at random
(Bayesian bootstrap, Rubin 1981), and all customers of today meet one good or bad year.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from nrrsim import special
from nrrsim.engine.bits import GOLDEN, exponential, mix, uniform
from nrrsim.engine.draws import SEED, scores
from nrrsim.engine.paths import compiled
from nrrsim.engine.simulation import available_threads
from nrrsim.errors import UsageError, did_you_mean
from nrrsim.ledger.ledger import Ledger, as_ledger
from nrrsim.ledger.rollforward import MONTHS_APART, Kept
from nrrsim.messages import whole_of
from nrrsim.months import month_name, parse_month
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
    past : the past years themselves.
    """

    quantiles: dict[Group, np.ndarray]
    tau: dict[Group, np.ndarray]
    customers: dict[Group, int]
    customer_years: dict[Group, int]
    years: dict[Group, int]
    borrowing: dict[Group, int]
    past: PastYears


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
    origin = ledger.inside(as_of, "as_of")
    if draws < 1:
        raise UsageError(f"draws: must be 1 at least, got {draws}")
    if horizon % ledger.step or not 0 < horizon <= YEAR:
        raise UsageError(
            f"horizon: must be {YEAR} months or less, in steps of {ledger.step}, got {horizon}"
        )
    past = PastYears.of(ledger, as_of)
    today = Cohort.of(ledger, origin + horizon, horizon, origin)
    if not len(today.customer):
        start = in_words(month_name(origin + horizon - YEAR))
        raise UsageError(f"as_of: nobody had an amount in {start}, so nothing can be retained")
    pairs = past.pairs if horizon == YEAR else Pairs.of(ledger, origin, horizon)
    pools = _pools(today, pairs)
    borrows = np.zeros(len(today.customer))
    for pool in pools:
        borrows[pool.who] = pool.is_borrowed

    numbers, segment = np.unique(today.segment, return_inverse=True)
    names: list[Group] = [None, *(ledger.segments[number] for number in numbers)]

    def by_group(values: np.ndarray) -> np.ndarray:
        """The sums of all segments, and of each: `ndarray[group, ...]`."""
        return np.concatenate([values.sum(axis=0, keepdims=True), values])

    opening, heads, borrowing = (
        by_group(np.bincount(segment, each))
        for each in (today.opening, np.ones(len(segment)), borrows)
    )
    played = _played(*_laid_out(today, pairs, pools), draws, seed, origin)
    retained = by_group(played) / np.stack([opening, opening, heads], axis=1)[:, :, None]
    # one good or bad year for all, the less of it the less is to come
    even = {f"{month_name(origin)}/{name}": place for place, name in enumerate(("year", "tau"))}
    year, rank = scores(even, count=draws, seed=seed, quasi=True).values()
    tau = {name: past.year_effects(name, special.ndtr(rank)) * horizon / YEAR for name in names}
    return OwnPast(
        {
            name: quantiles(each + tau[name] * year)
            for name, each in zip(names, retained, strict=True)
        },
        {name: each.mean(axis=1) for name, each in tau.items()},
        dict(zip(names, heads.astype(int).tolist(), strict=True)),
        {name: past.customer_years(name) for name in names},
        {name: len(past.known(name, yearly=True)) for name in names},
        dict(zip(names, borrowing.astype(int).tolist(), strict=True)),
        past,
    )


def quantiles(drawn: np.ndarray, most: np.ndarray = MOST) -> np.ndarray:
    """`ndarray[measure, 200]` of `ndarray[measure, draw]`, cut to 0 and the `most` of each measure.

    Rounded, so that what did not change is equal to what was.
    """
    possible = np.clip(drawn, 0, most[:, None])
    return np.asarray(np.quantile(possible, LEVELS, axis=1, method="hazen").T.round(12))


# --- who is like whom -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Cohort:
    """The customers of a year's first month, looked at from that or a later one:
    `ndarray[customer]`.

    customer, segment : their numbers. opening : ARR in the first month. scale : what a ratio is of:
    ARR in the later month, or `opening` of who is away by then. kinds : `ndarray[customer, 4]`,
    from the widest to the finest: who has the same number is alike.
    """

    customer: np.ndarray
    segment: np.ndarray
    opening: np.ndarray
    scale: np.ndarray
    kinds: np.ndarray

    @classmethod
    def of(cls, ledger: Ledger, end: int, horizon: int, known: int) -> Self:
        """Those of the twelve months to `end`, looked at `horizon` months before, as it is known in
        the month `known`.

        From their first month they are alike by segment, size and age: large is who has the median
        of its segment or more, there and then; old who came a year or more before, or before the
        ledger. From a later one by segment, by whether they have less, as much or more than at
        first (who once had more returns to it more often, and GRR hangs on that), and by size. Who
        is away by then is like others who are.
        """
        begin = parse_month(ledger.months[0], "month")
        # in the first year of a ledger its first month stands for one before it
        first, month = max(end - YEAR, begin), end - horizon
        kept = _kept(ledger, first, month, known)
        middle = pd.Series(kept.opening).groupby(kept.segment).transform("median").to_numpy()
        is_large = kept.opening >= middle
        is_old = (kept.since == begin) | (first - kept.since >= YEAR)
        moved = 1 + np.sign(np.round(kept.closing / kept.opening - 1, 9)).astype(int)

        finer, finest = (is_large, is_old) if horizon == YEAR else (moved, is_large)
        third = 3 * kept.segment + finer
        kinds = np.column_stack([0 * third, kept.segment, third, 2 * third + finest])
        is_away = kept.closing == 0
        kinds[is_away] = -1 - kinds[is_away]
        scale = np.where(is_away, kept.opening, kept.closing)
        return cls(kept.customer, kept.segment, kept.opening, scale, kinds)


@dataclass(frozen=True)
class Pairs:
    """Customers of past months, each with what it had some months later: `ndarray[row]`.

    segment, scale, kinds : as Cohort's. ratio : ARR later over `scale`, 0 if gone. back : months
    from then to the latest end of all. unit : whose year it is, a number.
    """

    segment: np.ndarray
    scale: np.ndarray
    kinds: np.ndarray
    ratio: np.ndarray
    back: np.ndarray
    unit: np.ndarray

    @classmethod
    def of(cls, ledger: Ledger, origin: int, horizon: int) -> Self:
        """All that is known at the origin: of whole years one to a quarter (or step), of parts of a
        year those of the same calendar months as the coming ones.

        Raises UsageError where the ledger is too short for one.
        """
        begin, latest = parse_month(ledger.months[0], "month"), origin + horizon - YEAR
        every = max(3, ledger.step) if horizon == YEAR else YEAR
        parts = []
        for end in range(latest, begin + horizon - 1, -every):
            cohort = Cohort.of(ledger, end, horizon, end)
            closing = _kept(ledger, max(end - YEAR, begin), end, end).closing
            back = np.full(len(closing), latest - end)
            unit = cohort.customer * MONTHS_APART + back // YEAR
            own = cohort.segment, cohort.scale, cohort.kinds
            parts.append((*own, closing / cohort.scale, back, unit))
        if not parts:
            first, earliest = (in_words(month_name(begin + after)) for after in (0, YEAR))
            raise UsageError(
                f"as_of: a forecast takes a year of the past; with a ledger that begins in {first}"
                f" the earliest is of {earliest}"
            )
        segment, scale, kinds, ratio, back, unit = map(np.concatenate, zip(*parts, strict=True))
        if not len(ratio):
            raise UsageError(
                f"as_of: nobody was there a year before {in_words(month_name(origin))}, so there is"
                " nothing to learn from"
            )
        return cls(segment, scale, kinds, ratio, back, np.unique(unit, return_inverse=True)[1])


def _kept(ledger: Ledger, *months: int) -> Kept:
    return ledger.kept(*map(month_name, months))


@dataclass(frozen=True)
class _Pool:
    """Customers of today (`who`) of one kind, and the pairs that they draw from (`rows`).

    is_borrowed : whether some of these are of other segments.
    """

    who: np.ndarray
    rows: np.ndarray
    is_borrowed: bool


def _pools(today: Cohort, pairs: Pairs) -> list[_Pool]:
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

    pairs : their customers. groups : which place is whose. figures : `ndarray[end, group,
    measure]`, as published then; nan over an empty base. chance : the variance that a figure has by
    the luck of its customers, each like others of its kind. a_year : how many ends a year has.
    """

    pairs: Pairs
    groups: dict[Group, int]
    figures: np.ndarray
    chance: np.ndarray
    a_year: int

    @classmethod
    def of(cls, ledger: Ledger, as_of: str) -> Self:
        """What a ledger knows at `as_of`; raises UsageError where that is no whole year."""
        pairs = Pairs.of(ledger, ledger.inside(as_of, "as_of"), YEAR)
        every = max(3, ledger.step)
        kind = np.unique(pairs.kinds[:, FINEST], return_inverse=True)[1]
        end, ends = pairs.back // every, int(pairs.back.max()) // every + 1
        cell, size = end * len(ledger.segments) + pairs.segment, (ends, len(ledger.segments))

        def by_group(weights: np.ndarray) -> np.ndarray:
            """`ndarray[end, group]`: sums over customers."""
            own = np.bincount(cell, weights, size[0] * size[1]).reshape(size)
            return np.column_stack([np.bincount(end, weights), own])

        figures, chance = [], []
        by_heads = np.ones(len(kind))
        for value, weight in (
            (pairs.ratio, pairs.scale),
            (np.minimum(pairs.ratio, 1.0), pairs.scale),
            (pairs.ratio > 0, by_heads),
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

    def _place(self, group: Group) -> int:
        if group not in self.groups:
            segments = [name for name in self.groups if name is not None]
            raise UsageError(
                f"segment: the ledger has no {group}; {did_you_mean(str(group), segments)}"
            )
        return self.groups[group]

    def known(self, group: Group, *, yearly: bool = False) -> np.ndarray:
        """`ndarray[end, measure]`: a group's figures, of every end, or a year apart."""
        own = self.figures[:: self.a_year if yearly else 1, self._place(group)]
        return np.asarray(own[np.isfinite(own[:, 0])])

    def customer_years(self, group: Group) -> int:
        """How many years of a customer there are of a group."""
        own = self.pairs.unit
        if group is not None:
            own = own[self.pairs.segment == self._place(group) - 1]
        return len(np.unique(own))

    def year_effects(self, group: Group, u: np.ndarray) -> np.ndarray:
        """`ndarray[measure, draw]`: tau from its posterior, at the ranks `u`.

        By how much a group's own years differ beyond the luck of their customers (where it has
        none: the book's). They are normal about a mean that is not known; the fewer they are, the
        farther off is the year to come.
        """
        place = self._place(group)
        place = place if np.isfinite(self.figures[:: self.a_year, place, 0]).any() else 0
        # where nobody was there whole years before, any year that is known says more than none
        apart = self.a_year if np.isfinite(self.figures[:: self.a_year, place, 0]).any() else 1
        years, chance = (each[::apart, place] for each in (self.figures, self.chance))
        is_known = np.isfinite(years[:, 0])
        # where all customers were alike there is no luck, and years that are equal would be certain
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
    """Who draws, pool after pool: `ndarray[customer]`.

    pools : where each begins. segment : that of each pool's customers, counted among those of
    today. opening, scale : as Cohort's.
    """

    pools: np.ndarray
    segment: np.ndarray
    opening: np.ndarray
    scale: np.ndarray


def _laid_out(today: Cohort, pairs: Pairs, pools: Sequence[_Pool]) -> tuple[_Past, _Drawing]:
    """What `_play` goes through."""
    rows = np.concatenate([each.rows for each in pools])
    pool = np.repeat(np.arange(len(pools)), [len(each.rows) for each in pools])
    weight = pairs.unit[rows] % LUCKS
    order = np.lexsort((weight, pool))
    rows, key = rows[order], (pool * LUCKS + weight)[order]
    keys, cell = np.unique(key, return_inverse=True)
    opening, ratio = pairs.scale[rows], pairs.ratio[rows]
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
    number = np.unique(today.segment, return_inverse=True)[1]
    segment = np.array([number[each.who[0]] for each in pools])
    return past, _Drawing(begin, segment, today.opening[who], today.scale[who])


def _played(past: _Past, drawing: _Drawing, draws: int, seed: int, month: int) -> np.ndarray:
    """`ndarray[segment, 3, draw]`: what `_play` adds up, by as many threads as there may be."""
    out = np.zeros((drawing.segment.max() + 1, len(MEASURES), draws))
    bounds = np.linspace(0, draws, available_threads() + 1).astype(int)
    with ThreadPoolExecutor(len(bounds) - 1) as threads:  # it runs without Python's lock

        def play(lo: int, hi: int) -> None:
            _play(seed, month, past, drawing, out, lo, hi)

        list(threads.map(play, bounds[:-1], bounds[1:]))
    return out


@compiled
def _play(seed, month, past, drawing, out, first, last):  # type: ignore[no-untyped-def]
    """What customers have at the end, that capped at the opening, and how many there are: added to
    `out`, `float64[segment, 3, draw]`, from one draw to another. A draw is a function of seed,
    month and its number alone.
    """
    luck, reached = np.empty(LUCKS), np.empty(past.weight.size)
    guide = np.empty(past.weight.size, np.int64)  # by even parts of what is reached: where to look
    for draw in range(first, last):
        key = mix(mix(_U(seed) + GOLDEN * _U(month)) + _DRAW * _U(draw + 1))
        of_money, of_heads = mix(key + _MONEY), mix(key + _HEADS)
        for j in range(LUCKS):
            luck[j] = exponential(mix(key + GOLDEN * _U(j + 1)))

        for pool in range(past.pools.size - 1):
            lo, hi = past.pools[pool], past.pools[pool + 1]
            if lo == hi:  # nobody who was away ever returned
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

            closing, capped, number = 0.0, 0.0, 0.0
            for i in range(drawing.pools[pool], drawing.pools[pool + 1]):
                bits = mix(of_money + GOLDEN * _U(i))
                u = uniform(bits)  # of which the last bits are no part
                cell = guide[lo + np.int64(u * (hi - lo))]
                while cell < hi - 1 and reached[cell] <= u * money:
                    cell += 1
                amount = drawing.scale[i] * past.ratios[cell, bits & _U(SHARES - 1)]
                closing += amount
                capped += min(amount, drawing.opening[i])
                if uniform(mix(of_heads + GOLDEN * _U(i))) * heads < stayed:
                    number += 1.0
            s = drawing.segment[pool]
            out[s, 0, draw] += closing
            out[s, 1, draw] += capped
            out[s, 2, draw] += number
