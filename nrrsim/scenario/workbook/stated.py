"""The rows of a workbook's sheets in, what they state and where each stands out; never judges it.

What stands at a wrong place is refused here, all at once; what a value may be is the scenario's to
say, of a workbook as of any other file. Words of ours are known in any case, as in Excel's own
look-ups; names of segments, programmes and customers are taken to the letter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, time, timedelta
from typing import Any
from unicodedata import normalize

from nrrsim.errors import UsageError, did_you_mean
from nrrsim.ledger.reading import Reading
from nrrsim.messages import MOST_TOLD, as_whole
from nrrsim.months import month_name, month_number
from nrrsim.scenario.book import SAID, LedgerBook, SyntheticBook
from nrrsim.scenario.drivers import TOLD
from nrrsim.scenario.outlook import LEVELS, MOST, Outlook
from nrrsim.scenario.workbook.rows import (
    BOOK,
    CORRELATIONS,
    CURVES,
    DRIVERS,
    FIGURES,
    OUTLOOK,
    PROGRAMMES,
    RANKS,
    SBG,
    SCENARIO,
    SHAPES,
    TENURE,
    TEXTS,
)
from nrrsim.yamlfile import Document, Path_, Place

TOLD_APART = 1e15  # beyond, whole numbers are not told from each other
NEAR = 1e-6  # how near a level of an outlook stands to the one that it is
LONGEST_LIST = 250  # years, of a churn by tenure
ENDS = ("low", "likely", "high")
MERGED = "is empty; each row names its own (of merged cells the first alone holds anything)"
A_DATE = (
    "holds a date or a time: Excel makes one of what looks like it; format the cell as text or"
    " number, and type it anew"
)
HOW_STATED = (
    "state likely alone (a number), low and high (a 90% interval), or all three (a pert), or name a"
    " shape"
)
# The fields of the sheet Scenario.
OF_A_BOOK = {*SyntheticBook.model_fields, *LedgerBook.model_fields, *SAID} - {"segments"}
NUMBERS_OF_A_BOOK = {"arr", *(o.name for o in fields(Reading) if o.metadata["kind"] == "number")}
NEEDED_OF_A_BOOK = ("arr", "ledger", "as_of")
OF_A_PLAN = ("arr", "customers")  # of new_business
OF_AN_OUTLOOK = tuple(name for name in Outlook.model_fields if name not in MOST)
KNOWN_FIELDS = sorted(
    {"title", "extends", *TOLD, "months", "target", *OF_A_BOOK, "shock", "year_effects"}
    | {"new_business", "outlook"}
)
MONTHS, DAYS = ("starts", "as_of"), ("until", "known_at")


@dataclass(frozen=True)
class Line:
    """What is stated together, by heading, of the cells that hold anything; and where each stands.

    It is one row of a sheet, but for a belief on the sheet Scenario.
    """

    cells: Mapping[str, Any]
    places: Mapping[str, Place]

    def get(self, heading: str) -> Any:
        return self.cells.get(heading)

    def place(self, heading: str) -> Place:
        return self.places.get(heading) or next(iter(self.places.values()))


Lines = Sequence[Line]


def document_of(tables: Mapping[str, Lines], file: str) -> Document:
    """The document of a workbook's tables; raises UsageError with all that stands at a wrong place.

    A table that is not there states nothing.
    """
    stated = _Stated()
    stated.keys[()] = Place(file, SCENARIO, 1, 1)
    for sheet, read in READERS.items():
        read(stated, tables.get(sheet, ()))
    refuse_all(stated.problems)
    return Document(stated.values, stated.keys, stated.places)


def refuse_all(problems: Sequence[tuple[Place, str]]) -> None:
    """Raise UsageError with every problem, in the order of where they stand, if there is one."""
    if not problems:
        return
    lines = list(dict.fromkeys(f"{place}: {text}" for place, text in sorted(problems)))
    more = len(lines) - MOST_TOLD
    rest = [f"and {more:,} more; mend these first"] if more > 0 else []
    raise UsageError("\n".join([*lines[:MOST_TOLD], *rest]))


@dataclass
class _Stated:
    """What was read so far: the values, where each and its name stand, and what is wrong."""

    values: dict[str, Any] = field(default_factory=dict)
    keys: dict[Path_, Place] = field(default_factory=dict)
    places: dict[Path_, Place] = field(default_factory=dict)
    problems: list[tuple[Place, str]] = field(default_factory=list)
    sources: dict[Path_, list[tuple[str, Line]]] = field(default_factory=dict)
    curves: dict[str, tuple[str, Line]] = field(default_factory=dict)

    def refuse(self, line: Line, heading: str, problem: str) -> None:
        self.problems.append((line.place(heading), problem))

    def put(self, at: Path_, value: Any, line: Line, heading: str, named: str) -> None:
        """Set a value by its path; what is there already stands twice."""
        name, place = line.place(named), line.place(heading)
        node, dotted = self.values, ".".join(map(str, at))
        for depth, part in enumerate(at[:-1], 1):
            self.keys.setdefault(at[:depth], name)
            node = node.setdefault(str(part), {})
            if not isinstance(node, dict):
                self.problems.append((name, f"{dotted}: is stated whole and in parts; keep one"))
                return
        if at in self.keys:
            also = self.keys[at].cell
            self.problems.append(
                (name, f"{dotted}: stands twice, also at {also}; keep one of them")
            )
            return
        node[str(at[-1])] = value
        self.keys[at], self.places[at] = name, place

    def entry(self, at: Path_, line: Line, named: str) -> dict[str, Any]:
        """The mapping at a path, which is there from now on: entries keep the order of rows."""
        node = self.values
        for depth, part in enumerate(at, 1):
            self.keys.setdefault(at[:depth], line.place(named))
            node = node.setdefault(str(part), {})
        return node

    def number(self, line: Line, heading: str) -> Any:
        """A number as its cell holds it; text is the scenario's to judge: `11%` is a number."""
        value = line.get(heading)
        if isinstance(value, date | time | timedelta):
            self.refuse(line, heading, A_DATE)
            return 0
        if isinstance(value, float) and abs(value) < TOLD_APART:
            return as_whole(value)
        return _composed(value)

    def text(self, line: Line, heading: str) -> Any:
        """Text; a number that was typed in its place as one sees it."""
        value = self.number(line, heading)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return str(value) if is_number else value

    def name(self, line: Line, heading: str, is_word: bool = False) -> str:
        """What says what its row is about; empty, and said, where there is none."""
        value = self.text(line, heading)
        if value is None:
            self.refuse(line, heading, MERGED)
        elif isinstance(value, bool):
            self.refuse(line, heading, "holds TRUE or FALSE; format the cell as text, and type it")
        else:
            return value.casefold() if is_word else str(value)
        return ""

    def source(self, at: Path_, line: Line) -> None:
        """Note where an entry's number is from, as its row says."""
        if line.get("source") is not None:
            self.sources.setdefault(at, []).append((self.text(line, "source"), line))

    def nothing(self, line: Line, headings: Sequence[str], field: str, instead: str) -> None:
        """Say which cells of a row hold something that it has no place for."""
        for heading in headings:
            if line.get(heading) is not None:
                problem = f"{field} takes nothing in this column; {instead}"
                self.refuse(line, heading, problem)

    def belief(self, line: Line) -> tuple[Any, dict[str, Path_], str]:
        """A number or a belief, which of its parts each cell states, and the cell it stands for."""
        cells = {each: self.number(line, each) for each in ENDS if line.get(each) is not None}
        first = "likely" if "likely" in cells else next(iter(cells), "likely")
        shape = self.shape(line)
        kind = shape or {("low", "high"): "between", ENDS: "pert"}.get((*cells,), "")
        if not kind and set(cells) == {"likely"}:
            return cells["likely"], {}, first
        if kind == "between" and (*cells,) == ("low", "high"):
            parts: dict[str, Path_] = {"low": ("between", 0), "high": ("between", 1)}
            return {"between": list(cells.values())}, parts, first
        if kind in SHAPES and set(cells) == set(SHAPES[kind]):
            names = SHAPES[kind]
            value = {"dist": kind, **{names[each]: cell for each, cell in cells.items()}}
            return value, {each: (names[each],) for each in cells}, first
        # what cannot be read stands in nobody's way: it is refused
        if shape is not None:
            self.refuse(line, first, _misstated(kind))
        return 0, {}, first

    def shape(self, line: Line) -> str | None:
        """The shape that a row names, empty where none; None, and said, where it is not known."""
        said = line.get("shape")
        if said is None:
            return ""
        words = str(said).casefold().split()
        known = ("between", *SHAPES)
        if words and words[0] in known:
            return words[0]
        self.refuse(line, "shape", f"{said} is no shape; {did_you_mean(str(said), known)}")
        return None

    def put_belief(self, at: Path_, line: Line, named: str) -> None:
        """Set a number or a belief by its path, each part of it where its cell stands."""
        value, parts, first = self.belief(line)
        self.put(at, value, line, first, named)
        for heading, inside in parts.items():
            self.keys[*at, *inside] = self.places[*at, *inside] = line.place(heading)

    def put_list(self, at: Path_, lines: Mapping[int, Line], named: str) -> None:
        """Set a list of numbers or beliefs, of which each row states one by its number from 1."""
        last = max(lines)
        gap = next((n for n in range(1, min(last, LONGEST_LIST + 1)) if n not in lines), None)
        if gap is not None or last > LONGEST_LIST:
            many = f"{last:,} are more than can be; {LONGEST_LIST} can"
            there = f"{at[-1]} {gap} is missing, and {at[-1]} {last} is there"
            self.refuse(lines[last], named, many if gap is None else there)
            return
        ordered = [lines[number] for number in range(1, last + 1)]
        read = [self.belief(line) for line in ordered]
        self.put(at, [value for value, _, _ in read], ordered[0], named, named)
        for number, (line, (_, parts, heading)) in enumerate(zip(ordered, read, strict=True)):
            self.keys[*at, number] = line.place(named)
            self.places[*at, number] = line.place(heading)
            for each, inside in parts.items():
                where = (*at, number, *inside)
                self.keys[where] = self.places[where] = line.place(each)


def _misstated(kind: str) -> str:
    if not kind:
        return f"a number is missing; {HOW_STATED}"
    columns = SHAPES.get(kind, {"low": "", "high": ""})
    needs = " and ".join(f"{each} ({name})" if name else each for each, name in columns.items())
    return f"{kind} takes {needs}, and no more; {HOW_STATED}"


def _composed(value: Any) -> Any:
    return normalize("NFC", value) if isinstance(value, str) else value


# --- the sheet Scenario ---------------------------------------------------------------------------


def _read_fields(stated: _Stated, lines: Lines) -> None:
    effects: dict[str, dict[str, Line]] = {}
    for line in lines:
        name = stated.name(line, "field")
        head, _, rest = name.partition(".")
        head, at_once = head.casefold(), not rest
        if not name:
            continue
        if head in ("title", "extends", *TOLD) and at_once:
            if line.get("value") is not None:
                stated.put((head,), stated.text(line, "value"), line, "value", "field")
        elif head in ("months", "target") and at_once:
            if head == "months" or line.get("value") is not None:
                stated.put((head,), stated.number(line, "value"), line, "value", "field")
        elif head in OF_A_BOOK:
            _read_of_book(stated, line, head, rest)
        elif head == "year_effects" and rest:
            driver, _, part = rest.casefold().partition(".")
            own = effects.setdefault(driver, {})
            if (part or "likely") in own:
                stated.refuse(line, "field", f"{name} stands twice; keep one of them")
            own[part or "likely"] = line
        else:
            _read_mapped(stated, line, head, rest)
    for driver, own in effects.items():
        _read_effect(stated, driver, own)


def _read_of_book(stated: _Stated, line: Line, head: str, rest: str) -> None:
    """A field of the book: a month, a day, a number, or what says how its ledger is read."""
    value = line.get("value")
    at: Path_ = ("book", head, rest) if rest else ("book", head)
    if value is None and head not in NEEDED_OF_A_BOOK:
        return
    if head in MONTHS and isinstance(value, date):
        value = month_name(month_number(value) or 0)
    elif head in DAYS and isinstance(value, date):
        value = f"{value:%Y-%m-%d}"
    elif head in NUMBERS_OF_A_BOOK:
        value = stated.number(line, "value")
    else:
        value = stated.text(line, "value")
        value = value.casefold() if head == "term" and isinstance(value, str) else value
    stated.put(at, value, line, "value", "field")


def _read_mapped(stated: _Stated, line: Line, head: str, rest: str) -> None:
    """A field of shocks, of newcomers or of an outlook; else it is not known."""
    name, _, part = rest.rpartition(".")
    part = part.casefold()
    if head == "shock" and rest:
        stated.put((head, rest.casefold()), stated.number(line, "value"), line, "value", "field")
    elif head == "new_business" and name and part in OF_A_PLAN:
        stated.put((head, name, part), stated.number(line, "value"), line, "value", "field")
    elif head == "outlook" and part in OF_AN_OUTLOOK and not name:
        value = line.get("value")
        if part == "as_of" and isinstance(value, date):
            value = month_name(month_number(value) or 0)
        elif part in ("as_of", "source"):
            value = stated.text(line, "value")
        else:
            value = stated.number(line, "value")
        stated.put((head, part), value, line, "value", "field")
    else:
        said = line.get("field")
        stated.refuse(
            line, "field", f"{said} is not known; {did_you_mean(str(said), KNOWN_FIELDS)}"
        )


def _read_effect(stated: _Stated, driver: str, own: Mapping[str, Line]) -> None:
    """A year effect: a number, or a belief whose parts are fields of their own."""
    for part, line in own.items():
        if part not in (*ENDS, "shape"):
            known = [f"year_effects.{driver}.{each}" for each in (*ENDS, "shape")]
            said = str(line.get("field"))
            stated.refuse(line, "field", f"{said} is not known; {did_you_mean(said, known)}")
            return
    cells = {part: line.get("value") for part, line in own.items()}
    places = {part: line.place("value") for part, line in own.items()}
    name = {"field": next(iter(own.values())).place("field")}
    filled = {part: each for part, each in cells.items() if each is not None}
    stated.put_belief(("year_effects", driver), Line(filled, places | name), "field")


# --- the other sheets -----------------------------------------------------------------------------


def _read_book(stated: _Stated, lines: Lines) -> None:
    """Segments with share, or with ARR, of which the book's is then the sum."""
    total, first = 0.0, None
    for line in lines:
        name = stated.name(line, "segment")
        if not name:
            continue
        at: Path_ = ("book", "segments", name)
        if at in stated.keys:
            also = stated.keys[at].cell
            stated.refuse(line, "segment", f"{name} stands twice, also at {also}; keep one of them")
            continue
        stated.entry(at, line, "segment")
        size = "arr" if "arr" in line.places else "share"
        for heading in ("customers", size, "spread", "tenure"):
            if line.get(heading) is not None or heading in ("customers", size):
                key = "share" if heading == "arr" else heading
                stated.put((*at, key), stated.number(line, heading), line, heading, heading)
        for heading in ("term", *TOLD):
            if line.get(heading) is not None:
                said = stated.text(line, heading)
                said = said.casefold() if heading == "term" and isinstance(said, str) else said
                stated.put((*at, heading), said, line, heading, heading)
        if size == "arr":
            first, own = first or line, line.get("arr")
            total += own if isinstance(own, int | float) else 0.0
    if first is not None:
        _put_total(stated, first, total)


def _put_total(stated: _Stated, line: Line, total: float) -> None:
    """The book's ARR as the sum of its segments'; each segment's is then its share."""
    book = stated.values["book"]
    if "arr" in book and book["arr"] is not None:
        cell = stated.keys["book", "arr"].cell
        stated.refuse(line, "arr", f"the book's ARR stands at {cell}, too; keep one of them")
        return
    book["arr"] = total
    stated.keys["book", "arr"] = stated.places["book", "arr"] = line.place("arr")
    for each in book["segments"].values():
        if isinstance(each["share"], int | float) and total > 0:
            each["share"] /= total


def _read_drivers(stated: _Stated, lines: Lines) -> None:
    seasons: dict[Path_, dict[int, Line]] = {}
    for line in lines:
        driver, name = stated.name(line, "driver", True), stated.name(line, "field", True)
        segment = stated.name(line, "segment")
        if not (driver and segment and name):
            continue
        at: Path_ = ("drivers", driver, segment)
        stated.entry(at[:2], line, "driver")  # so that a driver that is not known has its own cell
        stated.entry(at, line, "segment")
        head, _, part = name.partition(".")
        if name == "because":
            stated.nothing(line, (*ENDS, "shape"), name, "its text stands in the column source")
            if line.get("source") is not None:
                stated.put((*at, name), stated.text(line, "source"), line, "source", "field")
            continue
        stated.source(at, line)
        if name in CURVES and driver == "churn":
            stated.nothing(line, (*ENDS, "shape"), name, f"its numbers stand on {TENURE}")
            stated.curves[segment] = name, line
        elif head == "season" and part in TWELVE:
            _once(
                stated, seasons.setdefault((*at, head), {}), TWELVE.index(part) + 1, line, "field"
            )
        elif name in ("size.mean", "size.sd"):
            stated.put_belief((*at, head, part), line, "field")
        else:
            stated.put_belief((*at, name), line, "field")
    for at, own in seasons.items():
        stated.put_list(at, own, "field")


TWELVE = [str(month) for month in range(1, 13)]


def _once(stated: _Stated, own: dict[int, Line], number: int, line: Line, named: str) -> None:
    """Note which row states a part of a list; a part that stands twice is refused."""
    if number in own:
        also = own[number].place(named).cell
        stated.refuse(line, named, f"stands twice, also at {also}; keep one of them")
    own.setdefault(number, line)


def _read_tenure(stated: _Stated, lines: Lines) -> None:
    years: dict[str, dict[int, Line]] = {}
    found = set()
    for line in lines:
        segment, year = stated.name(line, "segment"), line.get("year")
        if not segment:
            continue
        found.add(segment)
        at: Path_ = ("drivers", "churn", segment)
        stated.entry(at, line, "segment")
        stated.source(at, line)
        word = year.casefold() if isinstance(year, str) else ""
        if word in SBG:
            stated.put_belief((*at, "sbg", word), line, "year")
        elif isinstance(year, int | float) and year >= 1 and float(year).is_integer():
            _once(stated, years.setdefault(segment, {}), int(year), line, "year")
        else:
            stated.refuse(line, "year", "must be a year's number (1, 2, 3), alpha or beta")
    for segment, own in years.items():
        stated.put_list(("drivers", "churn", segment, "by_tenure"), own, "year")
    for segment, (name, line) in stated.curves.items():
        if segment not in found:
            problem = f"the numbers of {name} stand on the sheet {TENURE}, which has no {segment}"
            stated.refuse(line, "field", problem)


def _read_programmes(stated: _Stated, lines: Lines) -> None:
    for line in lines:
        programme, name = stated.name(line, "programme"), stated.name(line, "field")
        if not (programme and name):
            continue
        at: Path_ = ("programmes", programme)
        stated.entry(at, line, "programme")
        head, _, segment = name.partition(".")
        key = f"{head.casefold()}.{segment}" if segment else head.casefold()
        if key in TEXTS:
            stated.nothing(line, (*ENDS, "shape"), key, "it stands in the column text")
            _put_text(stated, (*at, key), line)
            continue
        stated.nothing(line, ("text",), key, "state it in a row with the field source or because")
        if key in FIGURES:
            stated.nothing(line, ("low", "high", "shape"), key, "its number is likely")
            stated.put((*at, key), stated.number(line, "likely"), line, "likely", "field")
        else:
            stated.put_belief((*at, key), line, "field")


def _put_text(stated: _Stated, at: Path_, line: Line) -> None:
    """What is said of a programme; of what it is for one row an item."""
    said = stated.text(line, "text")
    if said is None:
        return
    if at[-1] != "for":
        stated.put(at, said, line, "text", "field")
        return
    if at not in stated.keys:
        stated.put(at, [], line, "text", "field")
    items = stated.values["programmes"][at[1]]["for"]
    stated.keys[*at, len(items)] = stated.places[*at, len(items)] = line.place("text")
    items.append(said)


def _read_correlations(stated: _Stated, lines: Lines) -> None:
    pairs: list[Any] = []
    for number, line in enumerate(lines):
        ends = [stated.name(line, heading) for heading in ("number", "with")]
        pairs.append([*ends, stated.number(line, "correlation")])
        stated.keys["correlations", number] = line.place("number")
        for place, heading in enumerate(("number", "with", "correlation")):
            at: Path_ = ("correlations", number, place)
            stated.keys[at] = stated.places[at] = line.place(heading)
    if pairs:
        stated.values["correlations"] = pairs
        stated.keys["correlations",] = lines[0].place("number")


def _read_outlook(stated: _Stated, lines: Lines) -> None:
    for line in lines:
        measure, level = stated.name(line, "measure", True), line.get("level")
        if not measure:
            continue
        if measure not in MOST:
            problem = f"{measure} is no measure; {did_you_mean(measure, [*MOST])}"
            stated.refuse(line, "measure", problem)
        elif isinstance(level, str) and level.casefold() == "mean":
            stated.nothing(line, ("forecast",), "mean", "it is the model's own")
            at: Path_ = ("outlook", measure, "mean")
            stated.put(at, stated.number(line, "model"), line, "model", "level")
        elif isinstance(level, int | float) and (which := _level(level)) is not None:
            for name in RANKS:
                at = ("outlook", measure, name, which)
                _put_rank(stated, at, line)
        else:
            known = "mean, 1%, 5%, 10% and so on to 95%, 99%"
            stated.refuse(line, "level", f"is no level of an outlook; known: {known}")
    for measure in stated.values.get("outlook", {}):
        for name in RANKS if measure in MOST else ():
            _refuse_gaps(stated, measure, name)


def _level(level: float) -> int | None:
    return next((n for n, each in enumerate(LEVELS) if abs(each - level) < NEAR), None)


def _put_rank(stated: _Stated, at: Path_, line: Line) -> None:
    """Set one quantile of a measure: of the model, or of the forecast."""
    name, which = str(at[2]), int(at[3])
    whole = stated.entry(at[:2], line, "measure").setdefault(name, [None] * len(LEVELS))
    stated.keys.setdefault(at[:3], line.place(name))
    if at in stated.keys:
        also = stated.keys[at].cell
        stated.refuse(line, "level", f"stands twice, also at {also}; keep one of them")
    whole[which] = stated.number(line, name)
    stated.keys[at], stated.places[at] = line.place("level"), line.place(name)


def _refuse_gaps(stated: _Stated, measure: str, name: str) -> None:
    """Levels of a measure that no row states; an empty cell is the scenario's to judge."""
    for which, level in enumerate(LEVELS):
        if ("outlook", measure, name, which) not in stated.keys:
            place = stated.keys["outlook", measure]
            stated.problems.append((place, f"the level {level:.0%} of {measure} is missing"))


def _put_sources(stated: _Stated, lines: Lines) -> None:
    """Where an entry's numbers are from: of rows that differ, one after the other."""
    for at, told in stated.sources.items():
        texts = dict.fromkeys(text for text, _ in told)
        stated.put((*at, "source"), "; ".join(texts), told[0][1], "source", "source")


READERS: dict[str, Callable[[_Stated, Lines], None]] = {
    SCENARIO: _read_fields,
    BOOK: _read_book,
    DRIVERS: _read_drivers,
    TENURE: _read_tenure,
    "": _put_sources,  # of both
    PROGRAMMES: _read_programmes,
    CORRELATIONS: _read_correlations,
    OUTLOOK: _read_outlook,
}
