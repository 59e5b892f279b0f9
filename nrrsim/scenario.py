"""A YAML file of what is believed in, a checked and frozen Scenario out; never draws a random number.

A scenario states its book, its drivers and where each number is from. It may extend another one and state only what
differs: segments and fields are merged by key; a belief, a size, a tenure curve or a bare number replaces what it
overrides whole; changing a number of a driver drops the source and the reason that it had.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, PrivateAttr, Strict, Tag, ValidationError

from nrrsim import beliefs
from nrrsim.beliefs import Finite, Frozen
from nrrsim.book import (
    EVERY_SEGMENT,
    Customers,
    LedgerBook,
    NewBusiness,
    SyntheticBook,
    book_kind,
    is_address,
    is_mixed,
    laid_out,
    no_segment,
    of_ledger,
    of_one_kind,
    with_newcomers,
)
from nrrsim.drivers import (
    CHURN_FORMS,
    DRIVERS,
    OF_TARGET,
    RANGES,
    TARGET,
    TOLD,
    Churn,
    Driver,
    Drivers,
    Programme,
    Sized,
    Uncertain,
    numbers_of,
)
from nrrsim.errors import UsageError, did_you_mean
from nrrsim.months import shift
from nrrsim.problems import Problem, RefusedError, located, problems_of, shown
from nrrsim.yamlfile import Document, Path_, Place, read_yaml

MOST_MONTHS = 600
CHANGE_OF_NOTE = 1e-6  # of a correlation; to be tied by 1 or -1 takes less


class Scenario(Frozen):
    """What is believed about a book and a time to come. Made by `read_scenario` or `Scenario.of`."""

    title: str = ""
    because: str = ""
    source: str = ""
    months: Annotated[int, Strict(), Field(ge=1, le=MOST_MONTHS)] = 12
    target: Annotated[Finite, AfterValidator(TARGET.check), Field(json_schema_extra=OF_TARGET)] | None = None
    book: Annotated[
        Annotated[SyntheticBook, Tag("synthetic")] | Annotated[LedgerBook, Tag("from a ledger")],
        Discriminator(book_kind),
        BeforeValidator(of_one_kind),
    ]
    drivers: Drivers = Drivers()
    correlations: tuple[tuple[str, str, Annotated[Finite, Field(ge=-1, le=1)]], ...] = ()
    shock: dict[Driver, Annotated[Finite, Field(ge=-5, le=5)]] = Field(default_factory=dict)
    new_business: dict[str, NewBusiness] = Field(default_factory=dict)
    programmes: dict[str, Programme] = Field(default_factory=dict)
    also: ClassVar = ("extends",)

    _plain: dict[str, Any] = PrivateAttr(default_factory=dict)
    _folder: Path = PrivateAttr(default=Path())
    _given: Customers | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, values: Mapping[str, Any], folder: str | Path = ".", opening: Customers | None = None) -> Scenario:
        """From plain values as a file holds them; paths in them are relative to `folder`.

        opening : the customers at month 0, where they are at hand: then no ledger is read.
        """
        return _checked(_extended(Document(_copied(values)), Path(folder) / "scenario", ()), Path(folder), opening)

    def with_(self, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> Scenario:
        """A new scenario with some values changed, by dotted name: `with_({"drivers.churn.smb.rate": 0.1}, months=24)`.

        A driver that is changed loses its source and its reason.
        """
        plain = deepcopy(self._plain)
        for name, value in _copied({**(changes or {}), **fields}).items():
            _put(plain, name.split("."), value, name)
        parts = {name.partition(".")[0] for name in {**(changes or {}), **fields}}
        return _checked(_with_churn_rates(Document(plain)), self._folder, self._customers_kept(parts))

    def extended(self, over: Mapping[str, Any]) -> Scenario:
        """What a file would state that extends this scenario and holds the values `over`."""
        document = _merged(Document(self._plain), _with_churn_rates(Document(_copied(over))))
        return _checked(document, self._folder, self._customers_kept(over))

    def _customers_kept(self, changed: Collection[str]) -> Customers | None:
        """The opening customers, laid out or read once, where what is changed leaves them."""
        return None if "book" in changed else self.opening

    def plain(self) -> dict[str, Any]:
        """The values as they would stand in one file, with nothing left to extend."""
        return deepcopy(self._plain)

    @property
    def segments(self) -> tuple[str, ...]:
        return self.opening.segments

    @cached_property
    def opening(self) -> Customers:
        """The customers at month 0."""
        if self._given is not None:
            return self._given
        if isinstance(self.book, SyntheticBook):
            return laid_out(self.book)
        return of_ledger(self.book, self._folder)

    @cached_property
    def start(self) -> str:
        """The month before the first: the ledger's `as_of`, or M00 for a synthetic book."""
        return self.month(0)

    def month(self, t: int) -> str:
        """The name of month t: YYYY-MM where the book is a ledger's, else M01, M02, ..."""
        if isinstance(self.book, LedgerBook):
            return shift(self.book.as_of, t)
        return f"M{t:0{max(2, len(str(self.months)))}d}"

    def customers(self) -> Customers:
        """Those of the opening book, and those whom the `new_business` plan brings until the last month."""
        return with_newcomers(self.opening, self.new_business, self.months)

    def entry(self, driver: str, segment: str) -> tuple[Any, str] | None:
        """A driver's entry for a segment and under which key it stands: its own, or that of `all`."""
        entries = getattr(self.drivers, driver)
        for key in (segment, EVERY_SEGMENT):
            if key in entries:
                return entries[key], key
        return None

    def uncertain(self) -> list[Uncertain]:
        """Every number that is a belief."""
        keys = (EVERY_SEGMENT, *self.segments)
        fields, found = list(RANGES), []
        for driver in DRIVERS:
            for key, entry in getattr(self.drivers, driver).items():
                for field, value in numbers_of(entry):
                    if isinstance(value, float):
                        continue
                    kind, _, year = field.partition(".")
                    place = fields.index(f"{driver}.{kind}") + int(year or 1) - 1
                    name = f"{driver}.{key}.{field}"
                    slot = 1 + place * len(keys) + keys.index(key)
                    found.append(Uncertain(name, value, RANGES[f"{driver}.{kind}"], slot))
        return found

    def ties(self) -> list[tuple[str, str, float]]:
        """The correlations of beliefs, by their full names."""
        known = [each.name for each in self.uncertain()]
        pairs = [(_full_name(a, known), _full_name(b, known), rho) for a, b, rho in self.correlations]
        return [(a, b, rho) for a, b, rho in pairs if a and b]

    @property
    def notices(self) -> tuple[str, ...]:
        """What to know about the scenario that does not make it wrong."""
        known = [each.name for each in self.uncertain()]
        drawn = {
            f"{driver}.{key}.size"
            for driver in DRIVERS
            for key, entry in getattr(self.drivers, driver).items()
            if isinstance(getattr(entry, "size", None), Sized)
        }
        told = [
            f"correlations: {name} is {'drawn anew by each event' if name in drawn else 'a plain number'},"
            " so its correlation has no effect"
            for pair in self.correlations
            for name in pair[:2]
            if not _full_name(name, known)
        ]
        change = beliefs.correlation_matrix(self.ties())[2] if self.ties() else 0.0
        if change > CHANGE_OF_NOTE:
            by = f"up to {change:.2f}" if change >= 0.005 else "less than 0.01"
            told.append(
                "correlations: no such set of correlations can be;"
                f" the nearest one that can be is used (changed by {by})"
            )
        return tuple(dict.fromkeys(told))


def _full_name(name: str, known: Collection[str]) -> str:
    """A number's name with its field, which may be left out where it is the rate or the uplift; empty if not known."""
    return next((full for full in (f"{name}.rate", f"{name}.uplift", name) if full in known), "")


# --- reading, extending, checking --------------------------------------------------------------------------


def read_scenario(path: str | Path) -> Scenario:
    """The scenario of a file, with all that it extends; raises UsageError with everything that is wrong.

    A ledger that its book names is read, too (DataError if that is rejected).
    """
    file = Path(path)
    document = _extended(read_yaml(path, "scenario"), file, (file.resolve(),))
    if document.values.get("title", "") == "":
        document = replace(document, values={**document.values, "title": file.stem})
    return _checked(document, file.parent)


def files_of(path: str | Path) -> list[Path]:
    """The file of a scenario that can be read, those that it extends, and the ledger that its book names."""
    file = Path(path)
    values = read_yaml(file, "scenario").values
    book, parent = values.get("book"), values.get("extends")
    ledger = book.get("ledger") if isinstance(book, Mapping) else None
    named = [file.parent / ledger] if isinstance(ledger, str) and not is_address(ledger) else []
    return [file, *named, *(files_of(file.parent / parent) if isinstance(parent, str) else [])]


def _copied(values: Any) -> Any:
    """Plain values of our own, with the numbers of NumPy as Python's; raises UsageError for a name that is no text."""
    if isinstance(values, Mapping):
        for name in values:
            if not isinstance(name, str):
                raise UsageError(f"{name!r}: a name must be text, such as {str(name)!r}")
        return {name: _copied(value) for name, value in values.items()}
    if isinstance(values, list | tuple | np.ndarray):
        return [_copied(value) for value in values]
    return values.item() if isinstance(values, np.generic) else deepcopy(values)


def _extended(document: Document, file: Path, seen: tuple[Path, ...]) -> Document:
    """The document with every one that it extends merged below it."""
    document = _with_churn_rates(document)
    if "extends" not in document.values:
        return document

    def refused(problem: str) -> UsageError:
        return UsageError("\n".join(located([Problem(("extends",), problem)], document)))

    parent = document.values["extends"]
    if not isinstance(parent, str):
        raise refused(f"must be the path of one scenario file, got {shown(parent)}")
    base = file.parent / parent
    if base.resolve() in seen:
        chain = " -> ".join(each.name for each in (*seen, base.resolve()))
        raise refused(f"goes round in a circle ({chain}); one of them must stand alone")
    if not base.is_file():
        others = sorted(each.name for each in base.parent.glob("*.yaml") if each.resolve() not in seen)
        remedy = did_you_mean(base.name, others) if others else f"there is no other in {base.parent}"
        raise refused(f"there is no scenario {parent}; {remedy}")
    below = _extended(read_yaml(base, "scenario"), base, (*seen, base.resolve()))
    return _merged(_moved(below, Path(parent).parent), document)


def _moved(document: Document, folder: Path) -> Document:
    """The document with the path of its ledger as it is seen from where the file stands that extends it."""
    book = document.values.get("book")
    if not isinstance(book, dict) or not isinstance(ledger := book.get("ledger"), str) or is_address(ledger):
        return document
    return replace(document, values={**document.values, "book": {**book, "ledger": str(folder / ledger)}})


def _merged(base: Document, over: Document) -> Document:
    """What a document states above what it extends. Of what is replaced no place is kept: it stands nowhere now."""
    replaced: set[Path_] = set()
    stated = {key: value for key, value in over.values.items() if key != "extends"}
    values = _merged_values(base.values, stated, (), replaced)

    def left(places: dict[Path_, Place]) -> dict[Path_, Place]:
        return {at: each for at, each in places.items() if not any(at[:n] in replaced for n in range(1, len(at) + 1))}

    return Document(values, left(base.keys) | over.keys, left(base.places) | over.places)


def _merged_values(base: Any, over: Any, at: Path_, replaced: set[Path_]) -> Any:
    is_value = len(at) >= 4 or not isinstance(base, Mapping) or not isinstance(over, Mapping)
    if is_value or (at == ("book",) and is_mixed({**base, **over})):
        replaced.add(at)
        return over
    gone = [key for key in base if _gives_way(key, base, over, at)]
    replaced |= {(*at, key) for key in gone}
    result = {key: value for key, value in base.items() if key not in gone}
    for key, value in over.items():
        result[key] = _merged_values(base[key], value, (*at, key), replaced) if key in base else value
    return result


def _gives_way(key: str, base: Mapping[str, Any], over: Mapping[str, Any], at: Path_) -> bool:
    """Whether a field of a driver's entry goes because of what overrides the entry: a form of churn or a source."""
    if len(at) != 3 or at[0] != "drivers":
        return False
    if at[1] == "churn" and key in CHURN_FORMS and any(form in over for form in CHURN_FORMS):
        return True
    return key in TOLD and any(name not in TOLD and base.get(name) != value for name, value in over.items())


def _with_churn_rates(document: Document) -> Document:
    """A churn entry that is a bare number or belief, as an entry with a rate that stands where the entry does."""
    drivers = document.values.get("drivers")
    entries = drivers.get("churn") if isinstance(drivers, Mapping) else None
    if not isinstance(drivers, Mapping) or not isinstance(entries, Mapping):
        return document
    churn = {key: _with_rate(entry) for key, entry in entries.items()}

    def moved(places: dict[Path_, Place]) -> dict[Path_, Place]:
        bare = {
            (*at[:3], "rate", *at[3:]): place
            for at, place in places.items()
            if len(at) > 2 and at[:2] == ("drivers", "churn") and churn[at[2]] is not entries[at[2]]
        }
        return places | bare

    values = {**document.values, "drivers": {**drivers, "churn": churn}}
    return Document(values, moved(document.keys), moved(document.places))


def _with_rate(entry: Any) -> Any:
    """A bare number or belief as an entry with a rate; any other entry, as it is."""
    if not isinstance(entry, Mapping):
        return entry if isinstance(entry, Churn) else {"rate": entry}
    if {"between", "dist"}.isdisjoint(entry) or not set(CHURN_FORMS).isdisjoint(entry):
        return entry
    told = {key: value for key, value in entry.items() if key in TOLD}
    return {"rate": {key: value for key, value in entry.items() if key not in TOLD}, **told}


def _put(plain: dict[str, Any], parts: list[str], value: Any, name: str) -> None:
    """Set one value by its path, in place."""
    node: Any = plain
    for depth, part in enumerate(parts[:-1]):
        node = node.setdefault(part, {}) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            raise UsageError(f"{name}: {'.'.join(parts[: depth + 1])} holds one value, not parts of it")
        if depth == 2 and parts[0] == "drivers":
            for key in [key for key in node if _gives_way(key, node, {parts[3]: value}, tuple(parts[:3]))]:
                del node[key]
    node[parts[-1]] = value


def _checked(document: Document, folder: Path, opening: Customers | None = None) -> Scenario:
    """The scenario of a document; raises UsageError with every problem, in order of where it stands."""
    problems = _unknown_names(document.values)
    try:
        scenario = Scenario.model_validate(document.values)
        scenario._plain, scenario._folder, scenario._given = document.values, folder, opening
        if not problems and isinstance(scenario.book, LedgerBook):
            problems += _segments_not_in(document.values, scenario.segments)
    except ValidationError as error:
        problems += problems_of(error, Scenario)
    except RefusedError as refused:
        problems += refused.problems
    if problems:
        raise UsageError("\n".join(located(problems, document)))
    return scenario


def _unknown_names(plain: Mapping[str, Any]) -> list[Problem]:
    """Names in the file that stand for nothing: segments, and the two ends of a correlation."""
    book = plain.get("book")
    segments = book.get("segments") if isinstance(book, Mapping) and not is_mixed(book) else None
    problems: list[Problem] = []
    if isinstance(segments, Mapping) and segments:
        if EVERY_SEGMENT in segments:
            at = ("book", "segments", EVERY_SEGMENT)
            problems.append(Problem(at, "stands for all segments; choose another name", of_key=True))
        problems += _segments_not_in(plain, tuple(segments))
    pairs = plain.get("correlations")
    drivers = plain.get("drivers")
    problems += _wrong_effects(plain.get("programmes"), drivers)
    if isinstance(pairs, list | tuple) and isinstance(drivers, Mapping):
        problems += _wrong_pairs(pairs, drivers)
    return problems


def _segments_not_in(plain: Mapping[str, Any], known: tuple[str, ...]) -> list[Problem]:
    asked: list[Path_] = []
    drivers = plain.get("drivers")
    for driver, entries in drivers.items() if isinstance(drivers, Mapping) else ():
        if driver in DRIVERS and isinstance(entries, Mapping):
            asked += [("drivers", driver, key) for key in entries if key != EVERY_SEGMENT]
    new = plain.get("new_business")
    asked += [("new_business", key) for key in new] if isinstance(new, Mapping) else []
    return [no_segment(at, known) for at in asked if at[-1] not in known]


def _wrong_pairs(pairs: Any, drivers: Mapping[str, Any]) -> list[Problem]:
    known = _names(drivers)
    problems: list[Problem] = []
    seen: set[frozenset[str]] = set()
    for number, pair in enumerate(pairs):
        if not isinstance(pair, list | tuple) or not all(isinstance(name, str) for name in pair[:2]):
            continue
        full = [_full_name(name, known) for name in pair[:2]]
        for place, (name, found) in enumerate(zip(pair[:2], full, strict=True)):
            if not found:
                problem = f"{name} is no number of the drivers; {did_you_mean(name, sorted(known))}"
                problems.append(Problem(("correlations", number, place), problem))
        both = frozenset(full)
        if all(full) and len(full) == 2 and len(both) == 1:
            problems.append(Problem(("correlations", number), f"{pair[0]} is tied to itself"))
        elif all(full) and both in seen:
            problems.append(Problem(("correlations", number), f"{pair[0]} and {pair[1]} stand twice; keep one of them"))
        seen.add(both)
    return problems


def _wrong_effects(programmes: Any, drivers: Any) -> list[Problem]:
    """Effects of programmes on what is not there: a driver by its name, or in one segment, or in all."""
    there = (
        {key: value for key, value in drivers.items() if isinstance(value, Mapping)}
        if isinstance(drivers, Mapping)
        else {}
    )
    known = sorted({*there, *(f"{driver}.{key}" for driver, entries in there.items() for key in entries)})
    problems = []
    for name, programme in programmes.items() if isinstance(programmes, Mapping) else ():
        for key in programme if isinstance(programme, Mapping) else ():
            if key in ("cost", "from", "ramp", *TOLD):
                continue
            driver, _, segment = key.partition(".")
            own = there.get(driver, {})
            if driver not in own and not (segment in own or (own and (not segment or EVERY_SEGMENT in own))):
                at = ("programmes", name, key)
                problems.append(Problem(at, f"is no driver of the scenario; {did_you_mean(key, known)}", of_key=True))
    return problems


def _names(drivers: Mapping[str, Any]) -> set[str]:
    """The full name of every number of the drivers, whether it is right or not."""
    names = set()
    for driver, entries in drivers.items():
        for key, entry in entries.items() if isinstance(entries, Mapping) else ():
            names.add(f"{driver}.{key}")  # of a curve there is no rate: then it stands for nothing, and that is noted
            for field, value in entry.items() if isinstance(entry, Mapping) else ():
                if field in TOLD:
                    continue
                parts = value if field == "sbg" and isinstance(value, Mapping) else [field]
                if field == "by_tenure" and isinstance(value, list | tuple):
                    parts = [f"by_tenure.{year}" for year in range(1, len(value) + 1)]
                names |= {f"{driver}.{key}.{part}" for part in parts}
    return names


# --- the schema --------------------------------------------------------------------------------------------


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors. As a file may extend another, nothing is required."""
    schema = Scenario.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "An nrrsim scenario: what is believed about a book and a time to come"
    schema["properties"]["extends"] = {"type": "string", "title": "Extends", "description": "Path of another scenario"}
    definitions = schema["$defs"]
    for name in ("Scenario", "Churn", "Contraction", "Growth", "Price", "Reactivation", "Segment", "SyntheticBook"):
        definitions.get(name, schema).pop("required", None)
    schema.pop("required", None)
    rate = definitions["Churn"]["properties"]["rate"]["anyOf"][0]
    schema["$defs"]["Drivers"]["properties"]["churn"]["additionalProperties"] = {
        "anyOf": [{"$ref": "#/$defs/Churn"}, rate]
    }
    return schema
