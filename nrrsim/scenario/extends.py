"""A scenario's file in, one mapping of it and all that it extends out; never judges a value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nrrsim.errors import UsageError, did_you_mean
from nrrsim.messages import Problem, cut, located, shown
from nrrsim.scenario.book import FILES_OF_A_BOOK, is_address, is_mixed
from nrrsim.scenario.drivers import CHURN_FORMS, IN_THE_YEAR, TOLD, Churn
from nrrsim.scenario.workbook.read import SCENARIO_FILES, read_stated
from nrrsim.yamlfile import Document, Path_, Place

# How deep the numbers stand of what is not as deep as drivers.churn.smb.rate.
FIELDS_AT: Mapping[Any, int] = {"year_effects": 2, "programmes": 3}


def copied(values: Any) -> Any:
    """Plain values of our own, NumPy's numbers as Python's; raises UsageError for a wrong name."""
    if isinstance(values, Mapping):
        for name in values:
            if not isinstance(name, str):
                raise UsageError(f"{name!r}: a name must be text, such as {str(name)!r}")
        return {name: copied(value) for name, value in values.items()}
    if isinstance(values, list | tuple | np.ndarray):
        return [copied(value) for value in values]
    return values.item() if isinstance(values, np.generic) else deepcopy(values)


def extended(document: Document, file: Path, seen: tuple[Path, ...]) -> Document:
    """The document with every one that it extends merged below it."""
    document = with_churn_rates(document)
    if "extends" not in document.values:
        return document

    def refused(problem: str) -> UsageError:
        return UsageError("\n".join(located([Problem(("extends",), problem)], document)))

    parent = document.values["extends"]
    if not isinstance(parent, str):
        raise refused(f"must be the path of one scenario file, got {shown(parent)}")
    base = file.parent / parent
    # a name that no file can have is not there either
    if not os.path.isfile(base):
        beside = base.parent.iterdir() if os.path.isdir(base.parent) else ()
        others = sorted(
            each.name
            for each in beside
            if each.suffix in SCENARIO_FILES and each.resolve() not in seen
        )
        remedy = (
            did_you_mean(base.name, others)
            if others
            else f"there is no other in {cut(str(base.parent))}"
        )
        raise refused(f"there is no scenario {cut(parent)}; {remedy}")
    if base.resolve() in seen:
        chain = " -> ".join(each.name for each in (*seen, base.resolve()))
        raise refused(f"goes round in a circle ({chain}); one of them must stand alone")
    below = extended(read_stated(base), base, (*seen, base.resolve()))
    return merged(_seen_from(below, Path(parent).parent), document)


def merged(base: Document, over: Document) -> Document:
    """What a document states above what it extends; of what is replaced no place is kept."""
    replaced: set[Path_] = set()
    stated = {key: value for key, value in over.values.items() if key != "extends"}
    values = _merged_values(base.values, stated, (), replaced)

    def left(places: dict[Path_, Place]) -> dict[Path_, Place]:
        return {
            at: each
            for at, each in places.items()
            if not any(at[:n] in replaced for n in range(1, len(at) + 1))
        }

    return Document(values, left(base.keys) | over.keys, left(base.places) | over.places)


def gives_way(key: str, base: Mapping[str, Any], over: Mapping[str, Any], at: Path_) -> bool:
    """Whether what overrides a driver's entry drops this field: a form of churn, or a source."""
    if len(at) != 3 or at[0] != "drivers":
        return False
    if at[1] == "churn" and key in CHURN_FORMS and any(form in over for form in CHURN_FORMS):
        return True
    return key in TOLD and any(
        name not in TOLD and base.get(name) != value for name, value in over.items()
    )


def with_churn_rates(document: Document) -> Document:
    """A churn entry that is a bare number or belief, as an entry with a rate in its place."""
    drivers = document.values.get("drivers")
    entries = drivers.get("churn") if isinstance(drivers, Mapping) else None
    if not isinstance(drivers, Mapping) or not isinstance(entries, Mapping):
        return document
    churn = {key: _with_rate(entry) for key, entry in entries.items()}

    def with_rates(places: dict[Path_, Place]) -> dict[Path_, Place]:
        bare = {
            (*at[:3], "rate", *at[3:]): place
            for at, place in places.items()
            if len(at) > 2 and at[:2] == ("drivers", "churn") and churn[at[2]] is not entries[at[2]]
        }
        return places | bare

    values = {**document.values, "drivers": {**drivers, "churn": churn}}
    return Document(values, with_rates(document.keys), with_rates(document.places))


def _seen_from(document: Document, folder: Path) -> Document:
    """The document with the paths of its book as seen from the file that extends it."""
    book = document.values.get("book")
    if not isinstance(book, dict):
        return document
    files = {
        key: str(folder / book[key])
        for key in FILES_OF_A_BOOK
        if isinstance(book.get(key), str) and not is_address(book[key])
    }
    return replace(document, values={**document.values, "book": {**book, **files}})


def _merged_values(base: Any, over: Any, at: Path_, replaced: set[Path_]) -> Any:
    # drivers.churn.smb.rate: what stands deeper than a field is one value, and is replaced whole
    is_field = len(at) >= FIELDS_AT.get(at[0] if at else "", 4)
    is_value = is_field or not isinstance(base, Mapping) or not isinstance(over, Mapping)
    if is_value or (at == ("book",) and is_mixed({**base, **over})):
        replaced.add(at)
        return over
    gone = [key for key in base if gives_way(key, base, over, at)]
    replaced |= {(*at, key) for key in gone}
    result = {key: value for key, value in base.items() if key not in gone}
    for key, value in over.items():
        result[key] = (
            _merged_values(base[key], value, (*at, key), replaced) if key in base else value
        )
    return result


def _with_rate(entry: Any) -> Any:
    """A bare number or belief as an entry with a rate; any other entry, as it is."""
    if not isinstance(entry, Mapping):
        return entry if isinstance(entry, Churn) else {"rate": entry}
    if {"between", "dist"}.isdisjoint(entry) or not set(CHURN_FORMS).isdisjoint(entry):
        return entry
    beside = {key: value for key, value in entry.items() if key in (*TOLD, *IN_THE_YEAR)}
    return {"rate": {key: value for key, value in entry.items() if key not in beside}, **beside}
