"""A checked scenario's drivers in, a table of its numbers out, each once; never draws one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from nrrsim import special
from nrrsim.notation import MONTHS, percent
from nrrsim.scenario.book import EVERY_SEGMENT
from nrrsim.scenario.checks import full_name
from nrrsim.scenario.drivers import (
    CURVE_FIELDS,
    DRIVERS,
    IN_THE_YEAR,
    TOLD,
    Drivers,
    Entry,
    Sbg,
)
from nrrsim.scenario.numbers import POINT, PROBABILITY, SHAPE, YEARLY, Range, Sized
from nrrsim.scenario.programmes import EFFECT, Programme

# The range of every number that may be a belief. Its place among them gives it a Sobol dimension of
# its own; what may stand for several years comes last.
RANGES: dict[str, Range] = {
    f"{driver}.{name}": range_
    for driver, nature in DRIVERS.items()
    for name, range_ in nature.fields.items()
} | {f"churn.{name}": range_ for name, range_ in CURVE_FIELDS.items()}
# Those that are no probability and no share: printed as they are, not in percent.
UNITS = {YEARLY: " a year", POINT: " pts", SHAPE: ""}
PLAIN_NUMBERS = tuple(name for name, range_ in RANGES.items() if range_ in UNITS)


@dataclass(frozen=True)
class Stated:
    """A number as a scenario states it.

    key : the segment, or `all`, under which it stands. field : `rate`, `size`, ...; `by_tenure.2`
        of the second tenure year. value : a number, a belief, or a size that each event draws anew.
    slot : its own Sobol dimension, whether it is a belief or not.

    Of an effect the driver is `programmes`, the key its programme's name, and the field what it
    changes (`churn`, `churn.smb`).
    """

    driver: str
    key: str
    field: str
    value: Any
    range: Range
    slot: int

    @property
    def name(self) -> str:
        return f"{self.driver}.{self.key}.{self.field}"

    @property
    def mean(self) -> float:
        """The mean that acts; of a number, itself."""
        return self.value.mean if isinstance(self.value, Sized) else self.range.mean(self.value)

    @property
    def ends(self) -> tuple[float, float, float]:
        """Of a number or a belief the mean, the P5 and the P95 as they act."""
        if isinstance(self.value, float):
            return self.value, self.value, self.value
        return self.mean, *self.range.span(self.value)

    @property
    def words(self) -> str:
        """The number as it is printed; of a belief its mean and its 90% range, both as they act.

        Of a size that each event draws anew: the mean, and where nine of ten events lie.
        """
        if isinstance(self.value, float):
            return in_words(self.value, self.range)
        if isinstance(self.value, Sized):
            told = in_words(self.mean, self.range, self.value.span)
            return told.replace("90% range", "90% of events")
        return in_words(self.mean, self.range, self.range.span(self.value))


def is_cut(value: Any, range_: Range) -> bool:
    """Whether so much of a belief lies outside its range, or so far, that another mean acts."""
    if isinstance(value, float | Sized):
        return False
    stated = getattr(value, "mean", None)
    is_off = stated is not None and abs(range_.mean(value) - stated) > MOST_OFF * abs(stated)
    return is_off or 1 - range_.inside(value) >= LEAST_TOLD


def in_words(mean: float, range_: Range, span: tuple[float, float] | None = None) -> str:
    """A number as it is printed, with its 90% range: `15.8% (90% range 8.4% to 24.7%)`, or events,
    `0.37 a year (90% range 0.21 to 0.58)`.

    range_ : what kind of number it is. span : the ends of its range, None of a certain number.
    """
    unit = UNITS.get(range_)
    told = percent(mean) if unit is None else f"{_decimals(mean)}{unit}"
    if span is None:
        return told
    low, high = (percent(each) if unit is None else _decimals(each) for each in span)
    return f"{told} (90% range {low} to {high})"


def between(one: float, other: float, range_: Range) -> str:
    """From one number to another of its kind: `15.2% to 8.0%`, `0.38 to 0.54 a year`."""
    return (
        f"{in_words(one, range_).removesuffix(UNITS.get(range_, ''))} to {in_words(other, range_)}"
    )


def _decimals(value: float) -> str:
    """Two decimals, or the two digits that these would hide."""
    return f"{value:#.2g}" if 0 < value < 0.1 else f"{value:.2f}"


PROGRAMMES = "programmes"  # what stands in the place of a driver in the names of effects
CURVE_YEARS, CURVE_DRAWS = 3, 2584  # years that are told; a Fibonacci number
LEAST_TOLD = 0.001  # of a belief that is cut away
MOST_OFF = 0.005  # of a stated mean, that another may act unsaid
Fields = dict[str, Stated]


@dataclass(frozen=True)
class Table:
    """Every number of a scenario: by driver, by the key under which it stands, by field.

    when : in words, by driver and key, what an entry states of the calendar year.
    correlations : pairs of names as the scenario states them, and how closely they are tied.
    slots : how many Sobol dimensions they have, beliefs or not; what else is drawn comes after.
    effects : the full effects of programmes, in dimensions after those of all else.
    """

    entries: dict[str, dict[str, Fields]]
    when: dict[str, dict[str, dict[str, str]]]
    slots: int
    correlations: tuple[tuple[str, str, float], ...] = field(default=())
    effects: tuple[Stated, ...] = ()

    @classmethod
    def of(
        cls,
        drivers: Drivers,
        segments: Iterable[str],
        correlations: tuple[tuple[str, str, float], ...],
        programmes: Mapping[str, Programme],
    ) -> Table:
        """`segments`: those of the book, whose order gives each number its Sobol dimension."""
        keys = (EVERY_SEGMENT, *segments)
        places = {name: place for place, name in enumerate(RANGES)}

        def stated(driver: str, key: str, name: str, value: Any) -> Stated:
            kind, _, year = name.partition(".")
            full = f"{driver}.{kind}"
            place = places[full] + int(year or 1) - 1
            slot = 1 + place * len(keys) + keys.index(key)
            return Stated(driver, key, name, value, RANGES[full], slot)

        entries = {
            driver: {
                key: {name: stated(driver, key, name, value) for name, value in _numbers_of(entry)}
                for key, entry in getattr(drivers, driver).items()
            }
            for driver in DRIVERS
        }
        when = {
            driver: {key: _in_the_year(entry) for key, entry in getattr(drivers, driver).items()}
            for driver in DRIVERS
        }
        # `by_tenure` is the last of the places, and has one for each year
        years = [sum(map(_is_of_year, fields)) for fields in entries["churn"].values()]
        slots = 1 + (len(places) - 1 + max([1, *years])) * len(keys)
        # the years of the drivers are drawn after the numbers, and the effects after these
        effects = _effects_of(programmes, slots + len(DRIVERS))
        return cls(entries, when, slots, correlations, effects)

    def of_segment(self, driver: str, segment: str) -> Fields:
        """The numbers of a driver in a segment; empty where it has none."""
        key = self.key_of(driver, segment)
        return {} if key is None else self.entries[driver][key]

    def key_of(self, driver: str, segment: str) -> str | None:
        """Under which key the driver of a segment stands: the segment's own, or `all`."""
        keys = (segment, EVERY_SEGMENT)
        return next((key for key in keys if key in self.entries[driver]), None)

    def words(self, driver: str, key: str) -> dict[str, str]:
        """The numbers of an entry as they are printed, by field, and when in the year it acts.

        Of a churn curve what comes of it in the first years (`by_tenure.1`), and no parameters.
        """
        fields = self.entries[driver][key]
        when = self.when[driver][key]
        if "alpha" not in fields:
            return {name: each.words for name, each in fields.items()} | when
        alpha, beta = self._curve_draws(fields["alpha"], fields["beta"])
        # P(leave in year k + 1 | alive) of a shifted beta geometric churn
        return {
            f"by_tenure.{k + 1}": _spread(alpha / (alpha + beta + k), PROBABILITY)
            for k in range(CURVE_YEARS)
        } | when

    def _curve_draws(self, alpha: Stated, beta: Stated) -> tuple[np.ndarray, np.ndarray]:
        """Both parameters of a curve where they lie together, as beliefs that may be tied."""
        pair = {alpha.name, beta.name}
        rho = next((rho for a, b, rho in self.ties if {a, b} == pair), 0.0)
        z = special.ndtri(_evenly_spread(CURVE_DRAWS))
        scores = (z[0], rho * z[0] + np.sqrt(1 - rho**2) * z[1])
        first, second = (
            np.full(CURVE_DRAWS, each.value)
            if isinstance(each.value, float)
            else each.range.drawn(each.value, score)
            for each, score in zip((alpha, beta), scores, strict=True)
        )
        return first, second

    @cached_property
    def stated(self) -> tuple[Stated, ...]:
        """Every number of the drivers, one after the other."""
        return tuple(
            number
            for entries in self.entries.values()
            for fields in entries.values()
            for number in fields.values()
        )

    @cached_property
    def uncertain(self) -> tuple[Stated, ...]:
        """Every number that is a belief, and every effect that is one."""
        numbers = (*self.stated, *self.effects)
        return tuple(each for each in numbers if not isinstance(each.value, float | Sized))

    @property
    def uncertain_effects(self) -> tuple[Stated, ...]:
        """Every effect of a programme that is a belief."""
        return tuple(each for each in self.uncertain if each.driver == PROGRAMMES)

    @cached_property
    def is_curved(self) -> bool:
        """Whether churn depends on the tenure year, in any segment."""
        return any("rate" not in fields for fields in self.entries["churn"].values())

    @cached_property
    def ties(self) -> tuple[tuple[str, str, float], ...]:
        """The correlations of beliefs, by their full names; others have no effect."""
        known = [each.name for each in self.uncertain]
        pairs = ((full_name(a, known), full_name(b, known), rho) for a, b, rho in self.correlations)
        return tuple((a, b, rho) for a, b, rho in pairs if a and b)


def _effects_of(programmes: Mapping[str, Programme], first: int) -> tuple[Stated, ...]:
    """The effects of programmes, each in a dimension of its own, a belief or not."""
    listed = [
        (name, what, value)
        for name, programme in programmes.items()
        for what, value in programme.effects.items()
    ]
    return tuple(
        Stated(PROGRAMMES, name, what, value, EFFECT, first + place)
        for place, (name, what, value) in enumerate(listed)
    )


def _numbers_of(entry: Entry) -> Iterator[tuple[str, Any]]:
    """The numbers of an entry and their names within it."""
    for name in type(entry).model_fields:
        value = getattr(entry, name)
        if name in (*TOLD, *IN_THE_YEAR) or value is None:
            continue
        if isinstance(value, Sbg):
            yield from (("alpha", value.alpha), ("beta", value.beta))
        elif isinstance(value, tuple):
            yield from ((f"by_tenure.{year}", each) for year, each in enumerate(value, 1))
        else:
            yield name, value


def _is_of_year(name: str) -> bool:
    """Whether a number is churn's in one tenure year."""
    return name.startswith("by_tenure.")


def _in_the_year(entry: Entry) -> dict[str, str]:
    """What an entry states of the calendar year, in words: `each January`, and a season's ends."""
    told: dict[str, str] = {}
    if month := getattr(entry, "month", None):
        told["month"] = f"each {MONTHS[month - 1]}"
    season = getattr(entry, "season", None)
    if season and max(season) > min(season):
        ends = [season.index(end(season)) for end in (max, min)]
        high, low = (f"{MONTHS[each]} ({season[each]:.2f} times the average)" for each in ends)
        told["season"] = f"highest in {high}, lowest in {low}"
    return told


def _evenly_spread(count: int) -> np.ndarray:
    """`ndarray[2, count]` of points of the unit square: a Fibonacci lattice, count one of them."""
    number = np.arange(count) + 0.5
    golden = round(count * (np.sqrt(5) - 1) / 2)
    return np.stack([number / count, number * golden / count % 1])


def _spread(values: np.ndarray, range_: Range) -> str:
    """The mean of draws, and their 90% range unless all are one number."""
    low, high = map(float, np.quantile(values, (0.05, 0.95)))
    return in_words(float(values.mean()), range_, None if low == high else (low, high))
