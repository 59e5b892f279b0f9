"""A checked scenario's drivers in, a table of its numbers out, each once; never draws one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nrrsim.scenario.beliefs import Frozen
from nrrsim.scenario.book import EVERY_SEGMENT
from nrrsim.scenario.checks import full_name
from nrrsim.scenario.drivers import CURVE_FIELDS, DRIVERS, TOLD, Drivers, Entry, Sbg
from nrrsim.scenario.numbers import POINT, SHAPE, YEARLY, Range, Sized

# The range of every number that may be a belief. Its place among them gives it a Sobol dimension of
# its own; what may stand for several years comes last.
RANGES: dict[str, Range] = {
    f"{driver}.{name}": range_
    for driver, nature in DRIVERS.items()
    for name, range_ in nature.fields.items()
} | {f"churn.{name}": range_ for name, range_ in CURVE_FIELDS.items()}
# Those that are no probability and no share: printed as they are, not in percent.
PLAIN_NUMBERS = tuple(name for name, range_ in RANGES.items() if range_ in (YEARLY, POINT, SHAPE))


@dataclass(frozen=True)
class Stated:
    """A number as a scenario states it.

    key : the segment, or `all`, under which it stands. field : `rate`, `size`, ...; `by_tenure.2`
        of the second tenure year. value : a number, a belief, or a size that each event draws anew.
    slot : its own Sobol dimension, whether it is a belief or not.
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
    def is_cut(self) -> bool:
        """Whether so much of a belief lies outside its range, or so far, that another mean acts."""
        if isinstance(self.value, float | Sized):
            return False
        stated = getattr(self.value, "mean", None)
        is_off = stated is not None and abs(self.range.mean(self.value) - stated) > MOST_OFF * abs(
            stated
        )
        return is_off or 1 - self.range.inside(self.value) >= LEAST_TOLD


def believed(value: Any) -> str:
    """A number, an interval, a distribution, a size drawn anew by each event, or a curve."""
    if isinstance(value, Frozen):
        return believed(value.model_dump())
    if isinstance(value, Mapping):
        if "between" in value:
            return "{:g} to {:g} (90 %)".format(*value["between"])
        if set(value) == {"mean", "sd"}:
            return f"{value['mean']:g} on average (sd {value['sd']:g})"
        parts = " ".join(f"{key} {believed(each)}" for key, each in value.items() if key != "dist")
        return f"{value.get('dist', '')} ({parts})".strip()
    if isinstance(value, tuple | list):
        return " then ".join(map(believed, value))
    return f"{value:g}"


LEAST_TOLD = 0.001  # of a belief that is cut away
MOST_OFF = 0.005  # of a stated mean, that another may act unsaid
Fields = dict[str, Stated]


@dataclass(frozen=True)
class Table:
    """Every number of a scenario: by driver, by the key under which it stands, by field.

    correlations : pairs of names as the scenario states them, and how closely they are tied.
    """

    entries: dict[str, dict[str, Fields]]
    correlations: tuple[tuple[str, str, float], ...] = field(default=())

    @classmethod
    def of(
        cls,
        drivers: Drivers,
        segments: Iterable[str],
        correlations: tuple[tuple[str, str, float], ...],
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
        return cls(entries, correlations)

    def of_segment(self, driver: str, segment: str) -> Fields:
        """The numbers of a driver in a segment; empty where it has none."""
        key = self.key_of(driver, segment)
        return {} if key is None else self.entries[driver][key]

    def key_of(self, driver: str, segment: str) -> str | None:
        """Under which key the driver of a segment stands: the segment's own, or `all`."""
        keys = (segment, EVERY_SEGMENT)
        return next((key for key in keys if key in self.entries[driver]), None)

    @cached_property
    def stated(self) -> tuple[Stated, ...]:
        """Every number, one after the other."""
        return tuple(
            number
            for entries in self.entries.values()
            for fields in entries.values()
            for number in fields.values()
        )

    @cached_property
    def uncertain(self) -> tuple[Stated, ...]:
        """Every number that is a belief."""
        return tuple(each for each in self.stated if not isinstance(each.value, float | Sized))

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


def _numbers_of(entry: Entry) -> Iterator[tuple[str, Any]]:
    """The numbers of an entry and their names within it."""
    for name in type(entry).model_fields:
        value = getattr(entry, name)
        if name in TOLD or value is None:
            continue
        if isinstance(value, Sbg):
            yield from (("alpha", value.alpha), ("beta", value.beta))
        elif isinstance(value, tuple):
            yield from ((f"by_tenure.{year}", each) for year, each in enumerate(value, 1))
        else:
            yield name, value
