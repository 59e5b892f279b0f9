"""A scenario and what was moved in, sliders and what to state for it out; never an NRR."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, combinations, count
from typing import Any

import numpy as np

from nrrsim.errors import UsageError
from nrrsim.messages import shown
from nrrsim.scenario.beliefs import tidy
from nrrsim.scenario.book import AS_FORECAST, DECIDED, EVERY_SEGMENT, SyntheticBook
from nrrsim.scenario.drivers import DRIVERS, TOLD
from nrrsim.scenario.numbers import MOST_OF_A_BETA, Sized
from nrrsim.scenario.scenario import Scenario
from nrrsim.scenario.table import RANGES

# The field that stands for a churn by tenure: moved as a whole, relative to what it is.
CURVE = "curve"
# A segment that has none of these may get one: nothing else of it need be stated.
FIRST = ("churn", "price", "reactivation")
ENDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 12.0, 100.0)  # where a slider may end
MOST_OF_A_SIZE = 0.95  # a contraction that takes more is churn
PROGRAMME = "what-if"


@dataclass(frozen=True)
class Slider:
    """A number of a scenario that can be moved.

    It is at `value`, goes from `low` to `high`, at most to `most`; of a belief `value` is the mean
    as it acts, `span` the P5 and P95. A curve is moved relative to what it is: 0.1 is a tenth more.
    """

    driver: str
    segment: str
    field: str
    value: float
    low: float
    high: float
    most: float
    span: tuple[float, float] | None

    @property
    def name(self) -> str:
        return f"{self.driver}.{self.segment}.{self.field}"

    @property
    def kind(self) -> str:
        """Its driver and field, as RANGES has them."""
        return f"{self.driver}.{self.field}"


def sliders(scenario: Scenario) -> list[Slider]:
    """Every lever by driver, field and segment; what stands for all has one for each segment."""
    return [
        each
        for driver, nature in DRIVERS.items()
        for field in nature.fields
        for each in _sliders_of(scenario, driver, field)
    ]


def _sliders_of(scenario: Scenario, driver: str, field: str) -> Iterator[Slider]:
    for segment in scenario.segments:
        fields = scenario.table.of_segment(driver, segment)
        if not fields:
            if driver in FIRST and field == DRIVERS[driver].multiplied:
                yield Slider(driver, segment, field, 0.0, 0.0, 0.2, 1.0, None)
            continue
        if field not in fields:
            yield Slider(driver, segment, CURVE, 0.0, -1.0, 1.0, 9.0, None)
            continue
        value, range_ = fields[field].value, fields[field].range
        at = value.mean if isinstance(value, Sized) else range_.mean(value)
        most = MOST_OF_A_SIZE if driver == "contraction" and field == "size" else range_.high
        # room to double the number; an acceptance is a share of all, and ends at all
        high = min(most, next(end for end in ENDS if end >= min(2 * at, 100)))
        if field == "acceptance":
            high = 1.0
        span = None if isinstance(value, int | float | Sized) else range_.span(value)
        yield Slider(driver, segment, field, at, 0.0, high, most, span)


def decision_of(scenario: Scenario, customer: str) -> str:
    """Whether a customer renews, leaves, or is as forecast."""
    return str(getattr(scenario.book, "decided", {}).get(customer, AS_FORECAST))


def decided(scenario: Scenario, choices: Mapping[str, str]) -> dict[str, str]:
    """What a scenario that extends this one decides of customers, where that is not so already.

    Raises UsageError for a choice that there is not; `Scenario` says who is no customer.
    """
    known = (*DECIDED, AS_FORECAST)
    for name, choice in choices.items():
        if choice not in known:
            raise UsageError(
                f"accounts.{name}: must be one of {', '.join(known)}, got {shown(choice)}"
            )
    return {n: each for n, each in choices.items() if each != decision_of(scenario, n)}


def mix_of(scenario: Scenario) -> dict[str, float]:
    """The share of ARR of each segment that can have another: none of a book that is a ledger's."""
    if not isinstance(scenario.book, SyntheticBook):
        return {}
    whole = sum(each.share for each in scenario.book.segments.values())
    shares = {
        name: each.share / whole for name, each in scenario.book.segments.items() if each.share
    }
    return shares if len(shares) > 1 else {}


def over(
    scenario: Scenario, moves: Mapping[str, float], mix: Mapping[str, float]
) -> dict[str, Any]:
    """What a scenario that extends this one states of what was moved, each with where it was.

    moves : the new value of each slider, by name. mix : the new share of each segment; both may
        hold what is as it was.
    """
    known = {each.name: each for each in sliders(scenario)}
    if strange := [name for name in moves if name not in known]:
        raise UsageError(f"{strange[0]}: is no number of {scenario.title or 'the scenario'}")
    _check_mix(scenario, mix)
    changed = [
        (known[name], tidy(value))
        for name, value in moves.items()
        if tidy(value) != tidy(known[name].value)
    ]

    stated: dict[str, Any] = {}
    if segments := _segments(scenario, mix):
        stated["book"] = {"segments": segments}
    drivers: dict[str, Any] = {}
    for driver in DRIVERS:
        of_driver = [
            (each, value)
            for each, value in changed
            if each.driver == driver and each.field != CURVE
        ]
        if entries := _entries(scenario, driver, of_driver):
            drivers[driver] = entries
    if drivers:
        stated["drivers"] = drivers
        if ties := _ties(scenario, drivers):
            stated["correlations"] = ties

    curves = {
        f"{each.driver}.{each.segment}": value for each, value in changed if each.field == CURVE
    }
    if curves:
        names = chain([PROGRAMME], (f"{PROGRAMME} {number}" for number in count(2)))
        free = next(name for name in names if name not in scenario.programmes)
        stated["programmes"] = {free: curves | {"source": "what-if: the curve as a whole"}}
    return stated


def _entries(
    scenario: Scenario, driver: str, changed: list[tuple[Slider, float]]
) -> dict[str, Any]:
    """A driver's entries of what was moved, by segment; under `all` where all moved alike."""
    by_segment: dict[str, list[tuple[Slider, float]]] = {}
    for each, value in changed:
        by_segment.setdefault(each.segment, []).append((each, value))
    key_of = scenario.table.key_of
    sharing = [name for name in scenario.segments if key_of(driver, name) == EVERY_SEGMENT]
    # who shares an entry and moved alike goes on sharing it
    alike = {
        tuple((each.field, value) for each, value in by_segment.get(name, [])) for name in sharing
    }
    together = len(alike) == 1 and () not in alike
    entries: dict[str, Any] = {}
    for segment, changes in by_segment.items():
        if together and segment in sharing:
            entries[EVERY_SEGMENT] = _fields(scenario, driver, changes)
            continue
        whole = scenario.plain()["drivers"][driver][EVERY_SEGMENT] if segment in sharing else {}
        kept = {name: value for name, value in whole.items() if name not in TOLD}
        entries[segment] = kept | _fields(scenario, driver, changes)
    return entries


def _ties(scenario: Scenario, drivers: Mapping[str, Any]) -> list[list[Any]]:
    """All correlations, where a belief that segments shared is now stated for some of them.

    Each goes up and down with what it was taken from, and is tied to what that is tied to. Empty
    where no belief was shared.
    """
    after = {each.name for each in scenario.extended({"drivers": drivers}).table.uncertain}
    before = {each.name for each in scenario.table.uncertain}
    taken_from = {name: name for name in sorted(before & after)}
    for driver, entries in drivers.items():
        for segment, entry in entries.items():
            if scenario.table.key_of(driver, segment) == EVERY_SEGMENT != segment:
                new = {field: f"{driver}.{segment}.{field}" for field in entry if field not in TOLD}
                old = {name: f"{driver}.{EVERY_SEGMENT}.{field}" for field, name in new.items()}
                taken_from |= {
                    name: origin
                    for name, origin in old.items()
                    if name in after and origin in before
                }
    if all(name == origin for name, origin in taken_from.items()):
        return []
    known = {frozenset((a, b)): rho for a, b, rho in scenario.table.ties}
    pairs: list[list[Any]] = []
    for one, other in combinations(taken_from, 2):
        origins = frozenset((taken_from[one], taken_from[other]))
        # of one origin, the two are one belief: tied by 1
        rho = 1.0 if len(origins) == 1 else known.get(origins, 0.0)
        if rho:
            pairs.append([one, other, rho])
    return pairs


def _fields(scenario: Scenario, driver: str, changed: list[tuple[Slider, float]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for each, value in changed:
        stated = scenario.table.of_segment(driver, each.segment).get(each.field)
        was_stated, range_ = stated.value if stated else 0.0, RANGES[each.kind]
        if isinstance(was_stated, Sized):
            fields[each.field] = _sized(was_stated, value, range_.share)
        else:
            fields[each.field] = range_.moved(was_stated, value)
    was = ", ".join(f"{each.field} was {tidy(each.value):g}" for each, _ in changed)
    return fields | {"source": f"what-if: {was}"}


def _sized(size: Sized, mean: float, is_share: bool) -> Any:
    """A size of each event with another mean, as uneven as it was where a share can be that."""
    if mean <= 0:
        return 0.0
    sd = size.sd * mean / size.mean
    if is_share:
        # a little below what a scenario refuses, as `tidy` may round up
        sd = min(sd, 0.99 * np.sqrt(MOST_OF_A_BETA * mean * (1 - mean)))
    return {"mean": mean, "sd": tidy(sd)}


def _check_mix(scenario: Scenario, mix: Mapping[str, float]) -> None:
    """Raises UsageError for a share that none can be, and for a mix that leaves nobody."""
    was = mix_of(scenario)
    for name, share in mix.items():
        if name not in was:
            raise UsageError(f"mix.{name}: is no segment of which the share can be moved")
        if not 0 <= share <= 1:
            raise UsageError(f"mix.{name}: must be a share from 0 to 1, got {share:g}; 10% is 0.1")
    if was and not any({**was, **mix}.values()):
        raise UsageError("mix: every share is 0; leave one segment above it")


def _segments(scenario: Scenario, mix: Mapping[str, float]) -> dict[str, Any]:
    """The segments with other shares: contracts stay as large, customers get more or fewer."""
    was = mix_of(scenario)
    whole = sum(mix.get(name, share) for name, share in was.items())
    now: dict[str, float] = {}
    if whole > 0:
        now = {name: tidy(mix.get(name, share) / whole) for name, share in was.items()}
    # half of the last digit that the panel shows is no move
    if all(abs(now.get(name, share) - share) < 5e-5 for name, share in was.items()):
        return {}
    assert isinstance(scenario.book, SyntheticBook)
    customers = {name: scenario.book.segments[name].customers for name in was}
    source = "what-if: share was {:g}; contracts as large as before"
    return {
        name: {
            "share": share,
            "customers": max(1, round(customers[name] * share / was[name])) if share else 0,
            "source": source.format(tidy(was[name])),
        }
        for name, share in now.items()
    }
