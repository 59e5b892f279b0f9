"""A scenario's plain values in, what in them names nothing that is there out; never mends it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from nrrsim.errors import did_you_mean
from nrrsim.messages import Problem
from nrrsim.scenario.book import EVERY_SEGMENT, is_mixed, no_segment
from nrrsim.scenario.drivers import DRIVERS, IN_THE_YEAR, TOLD
from nrrsim.scenario.programmes import OWN_KEYS
from nrrsim.yamlfile import UNSEEN, Path_, unseen


def full_name(name: str, known: Collection[str]) -> str:
    """A number's name with its field (left out: the rate or the uplift); empty if not known."""
    return next((full for full in (f"{name}.rate", f"{name}.uplift", name) if full in known), "")


def unknown_names(plain: Mapping[str, Any]) -> list[Problem]:
    """Names in the file that stand for nothing: segments, and the two ends of a correlation."""
    book = plain.get("book")
    # a ledger's segments are known once it is read: `segments_not_in` is asked again then
    laid_out = book if isinstance(book, Mapping) and not is_mixed(book) else {}
    segments = laid_out.get("segments")
    problems: list[Problem] = []
    if isinstance(segments, Mapping) and segments:
        if EVERY_SEGMENT in segments:
            at = ("book", "segments", EVERY_SEGMENT)
            problems.append(
                Problem(at, "stands for all segments; choose another name", of_key=True)
            )
        problems += segments_not_in(plain, tuple(segments))
        terms = {
            name: "monthly" if isinstance(each, Mapping) and each.get("term") == "monthly" else ""
            for name, each in segments.items()
        }
        problems += [*_without_a_start(plain, laid_out), *seasons_of_annual(plain, terms)]
    pairs = plain.get("correlations")
    drivers = plain.get("drivers")
    problems += _wrong_effects(plain.get("programmes"), drivers)
    if isinstance(pairs, list | tuple) and isinstance(drivers, Mapping):
        problems += _wrong_pairs(pairs, _names(drivers) | _effects(plain.get("programmes")))
    return problems


def unseen_signs(value: Any, at: Path_ = ()) -> Iterator[Problem]:
    """Texts with a sign that is not seen, which would act on a terminal or make two names one.

    A name, and the title, is one line.
    """
    if isinstance(value, Mapping):
        for key, each in value.items():
            if sign := unseen(key):
                yield Problem((*at, ascii(key)), UNSEEN.format(sign), of_key=True)
            yield from unseen_signs(each, (*at, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from unseen_signs(each, (*at, number))
    elif isinstance(value, str) and (sign := unseen(value.rstrip("\n"), at != ("title",))):
        yield Problem(at, UNSEEN.format(sign))


def segments_not_in(plain: Mapping[str, Any], known: tuple[str, ...]) -> list[Problem]:
    """Segments that drivers and the new-business plan name, and the book does not have."""
    asked: list[Path_] = []
    drivers = plain.get("drivers")
    for driver, entries in drivers.items() if isinstance(drivers, Mapping) else ():
        if driver in DRIVERS and isinstance(entries, Mapping):
            asked += [("drivers", driver, key) for key in entries if key != EVERY_SEGMENT]
    new = plain.get("new_business")
    asked += [("new_business", key) for key in new] if isinstance(new, Mapping) else []
    return [no_segment(at, known) for at in asked if at[-1] not in known]


def seasons_of_annual(plain: Mapping[str, Any], terms: Mapping[str, str]) -> list[Problem]:
    """Seasons of churn that would act in a segment whose `terms` are not monthly."""
    entries = _entries_of(plain, "churn")
    problems = []
    for key, entry in entries.items():
        if entry.get("season") is None:
            continue
        own = set(entries) - {EVERY_SEGMENT}
        mine = [name for name in terms if name == key or (key == EVERY_SEGMENT and name not in own)]
        if annual := [name for name in mine if terms[name] != "monthly"]:
            problem = (
                f"contracts of {' and '.join(annual)} are annual and end at their anniversary: a"
                " season is for monthly terms; state it in those segments alone"
            )
            problems.append(Problem(("drivers", "churn", key, "season"), problem, of_key=True))
    return problems


def _without_a_start(plain: Mapping[str, Any], book: Mapping[str, Any]) -> list[Problem]:
    """What speaks of calendar months in a scenario whose book does not say which its months are."""
    if book.get("starts") is not None:
        return []
    problem = (
        "which month of the scenario that is, the book does not say; state starts: YYYY-MM in it,"
        " the month of its ARR"
    )
    return [
        Problem(("drivers", driver, key, field), problem, of_key=True)
        for driver in DRIVERS
        for key, entry in _entries_of(plain, driver).items()
        for field in IN_THE_YEAR
        if entry.get(field) is not None
    ]


def _entries_of(plain: Mapping[str, Any], driver: str) -> dict[str, Mapping[str, Any]]:
    """A driver's entries by segment, whether they are right or not."""
    drivers = plain.get("drivers")
    entries = drivers.get(driver) if isinstance(drivers, Mapping) else None
    entries = entries if isinstance(entries, Mapping) else {}
    return {key: entry for key, entry in entries.items() if isinstance(entry, Mapping)}


def _wrong_pairs(pairs: Any, known: Collection[str]) -> list[Problem]:
    problems: list[Problem] = []
    seen: set[frozenset[str]] = set()
    for number, pair in enumerate(pairs):
        # what is no pair of names is pydantic's to say
        if not isinstance(pair, list | tuple):
            continue
        if not all(isinstance(name, str) for name in pair[:2]):
            continue
        full = [full_name(name, known) for name in pair[:2]]
        for end, (name, found) in enumerate(zip(pair[:2], full, strict=True)):
            if not found:
                problem = (
                    f"{name} is no number of the drivers and no effect of a programme;"
                    f" {did_you_mean(name, sorted(known))}"
                )
                problems.append(Problem(("correlations", number, end), problem))
        both = frozenset(full)
        if all(full) and len(full) == 2 and len(both) == 1:
            problems.append(Problem(("correlations", number), f"{pair[0]} is tied to itself"))
        elif all(full) and both in seen:
            problem = f"{pair[0]} and {pair[1]} stand twice; keep one of them"
            problems.append(Problem(("correlations", number), problem))
        seen.add(both)
    return problems


def _wrong_effects(programmes: Any, drivers: Any) -> list[Problem]:
    """Effects of programmes on what is not there: a driver, alone or in one segment or in all."""
    there: dict[str, Mapping[str, Any]] = {}
    if isinstance(drivers, Mapping):
        there = {key: value for key, value in drivers.items() if isinstance(value, Mapping)}
    full = (f"{driver}.{key}" for driver, entries in there.items() for key in entries)
    known = sorted({*there, *full})
    problems = []
    for name, programme in programmes.items() if isinstance(programmes, Mapping) else ():
        for key in programme if isinstance(programme, Mapping) else ():
            if key in OWN_KEYS:
                continue
            driver, _, segment = key.partition(".")
            own = there.get(driver, {})
            # without a segment it acts wherever the driver is; in one, on its own entry or all's
            acts = own and (not segment or EVERY_SEGMENT in own)
            if driver not in own and segment not in own and not acts:
                problem = f"is no driver of the scenario; {did_you_mean(key, known)}"
                problems.append(Problem(("programmes", name, key), problem, of_key=True))
    return problems


def _effects(programmes: Any) -> set[str]:
    """The full name of every effect of the programmes, whether it is right or not."""
    return {
        f"programmes.{name}.{key}"
        for name, each in (programmes.items() if isinstance(programmes, Mapping) else ())
        for key in (each if isinstance(each, Mapping) else ())
        if key not in OWN_KEYS
    }


def _names(drivers: Mapping[str, Any]) -> set[str]:
    """The full name of every number of the drivers, whether it is right or not."""
    names = set()
    for driver, entries in drivers.items():
        for key, entry in entries.items() if isinstance(entries, Mapping) else ():
            # of a curve there is no rate: then it stands for nothing, and a notice says so
            names.add(f"{driver}.{key}")
            for field, value in entry.items() if isinstance(entry, Mapping) else ():
                if field in (*TOLD, *IN_THE_YEAR):
                    continue
                parts = value if field == "sbg" and isinstance(value, Mapping) else [field]
                if field == "by_tenure" and isinstance(value, list | tuple):
                    parts = [f"by_tenure.{year}" for year in range(1, len(value) + 1)]
                names |= {f"{driver}.{key}.{part}" for part in parts}
    return names
