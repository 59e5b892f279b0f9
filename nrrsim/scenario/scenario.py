"""A YAML file of beliefs in, a checked and frozen Scenario out; never draws a random number.

A scenario states its book, its drivers and where each number is from. It may extend another one and
state only what differs: segments and fields are merged by key; a belief, a size, a tenure curve or
a bare number replaces what it overrides whole; changing a number of a driver drops the source and
the reason that it had.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import cached_property
from math import isclose, isinf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PrivateAttr,
    Strict,
    Tag,
    ValidationError,
)

from nrrsim.errors import UsageError, did_you_mean
from nrrsim.files import shared
from nrrsim.messages import RefusedError, located, problems_of, shown
from nrrsim.months import shift
from nrrsim.notation import counted, table_html
from nrrsim.scenario import beliefs
from nrrsim.scenario.beliefs import AS_PERCENT, OR_DECIMAL, Frozen, Ratio
from nrrsim.scenario.book import (
    FILES_OF_A_BOOK,
    LedgerBook,
    NewBusiness,
    SyntheticBook,
    book_kind,
    is_address,
    of_one_kind,
)
from nrrsim.scenario.checks import (
    full_name,
    seasons_of_annual,
    segments_not_in,
    unknown_names,
    unseen_signs,
)
from nrrsim.scenario.customers import (
    Customers,
    as_decided,
    laid_out,
    ledger_of,
    of_ledger,
    with_newcomers,
)
from nrrsim.scenario.drivers import DRIVERS, Driver, Drivers
from nrrsim.scenario.extends import copied, extended, gives_way, merged, with_churn_rates
from nrrsim.scenario.numbers import (
    CORRELATION,
    OF_TARGET,
    SWING,
    TARGET,
    YEAR_EFFECT,
    Range,
    Sized,
)
from nrrsim.scenario.outlook import MONTHS, Outlook, Transport
from nrrsim.scenario.programmes import Programme
from nrrsim.scenario.table import PROGRAMMES, Table, between, in_words, is_cut
from nrrsim.scenario.workbook.read import is_workbook, read_stated
from nrrsim.scenario.year_effects import YearEffect
from nrrsim.yamlfile import Document

if TYPE_CHECKING:
    import pandas as pd

    from nrrsim.ledger.ledger import Ledger

MOST_MONTHS = 600
# What a scenario alone states.
OF_SCENARIOS = {"extends", "book", "drivers", "correlations", "shock", "year_effects",
                "new_business", "programmes", "outlook"}  # fmt: skip
# What a file that extends another may state in part.
REQUIRE_NOTHING = ("Churn", "Contraction", "Growth", "Price", "Reactivation", "Segment",
                   "SyntheticBook")  # fmt: skip
CHANGE_OF_NOTE = 1e-6  # of a correlation; to be tied by 1 or -1 takes less


Correlation = Annotated[
    Ratio,
    AfterValidator(CORRELATION.check),
    Field(json_schema_extra={**AS_PERCENT, "minimum": -1, "maximum": 1}),
]
ShockBeta = Annotated[
    Ratio,
    AfterValidator(SWING.check),
    Field(json_schema_extra={**AS_PERCENT, "minimum": -5, "maximum": 5}),
]


class Scenario(Frozen):
    """What is believed of a book and a time to come. Made by `read_scenario` or `Scenario.of`."""

    title: Annotated[str, AfterValidator(str.strip)] = ""
    because: str = ""
    source: str = ""
    months: Annotated[int, Strict(), Field(ge=1, le=MOST_MONTHS), OR_DECIMAL] = 12
    target: (
        Annotated[Ratio, AfterValidator(TARGET.check), Field(json_schema_extra=OF_TARGET)] | None
    ) = None
    book: Annotated[
        Annotated[SyntheticBook, Tag("synthetic")] | Annotated[LedgerBook, Tag("from a ledger")],
        Discriminator(book_kind),
        BeforeValidator(of_one_kind),
    ]
    drivers: Drivers = Drivers()
    correlations: tuple[tuple[str, str, Correlation], ...] = ()
    shock: dict[Driver, ShockBeta] = Field(default_factory=dict)
    year_effects: dict[Driver, YearEffect] = Field(default_factory=dict)
    new_business: dict[str, NewBusiness] = Field(default_factory=dict)
    programmes: dict[str, Programme] = Field(default_factory=dict)
    outlook: Outlook | None = None
    also: ClassVar = ("extends",)

    _plain: dict[str, Any] = PrivateAttr(default_factory=dict)
    _folder: Path = PrivateAttr(default=Path())
    _given: Customers | None = PrivateAttr(default=None)
    _noted: tuple[str, ...] = PrivateAttr(default=())

    @classmethod
    def of(
        cls, values: Mapping[str, Any], folder: str | Path = ".", opening: Customers | None = None
    ) -> Scenario:
        """From plain values as a file holds them; paths in them are relative to `folder`.

        opening : the customers at month 0, where they are at hand: then no ledger is read.
        """
        return _checked(
            extended(Document(copied(values)), Path(folder) / "scenario", ()), Path(folder), opening
        )

    def with_(self, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> Scenario:
        """A new scenario, some values changed: `with_({"drivers.churn.smb.rate": 0.1}, months=24)`.

        A driver that is changed loses its source and its reason.
        """
        plain = deepcopy(self._plain)
        for name, value in copied({**(changes or {}), **fields}).items():
            _put(plain, _path(name), value, name)
        parts = {".".join(name.split(".")[:2]) for name in {**(changes or {}), **fields}}
        return _checked(
            with_churn_rates(Document(plain)), self._folder, self._customers_kept(parts)
        )

    def extended(self, over: Mapping[str, Any]) -> Scenario:
        """What a file would state that extends this scenario and holds the values `over`."""
        document = merged(Document(self._plain), with_churn_rates(Document(copied(over))))
        book = over.get("book", {})
        parts = {f"book.{key}" for key in book} if isinstance(book, Mapping) else {"book"}
        return _checked(document, self._folder, self._customers_kept(parts))

    def _customers_kept(self, changed: Collection[str]) -> Customers | None:
        """The opening customers, laid out or read once, where what is changed leaves them: what is
        decided of one is no matter of its ledger.
        """
        of_book = {name for name in changed if name.partition(".")[0] == "book"}
        return self.opening if of_book <= {"book.decided"} else None

    def plain(self) -> dict[str, Any]:
        """The values as they would stand in one file, with nothing left to extend."""
        return deepcopy(self._plain)

    def in_folder(self, folder: str | Path) -> Scenario:
        """The same as of a file in `folder`, from where the paths of its book lead already."""
        return _checked(Document(self.plain()), Path(folder), self.opening)

    def seen_from(self, folder: str | Path) -> dict[str, Any]:
        """The same of a file in `folder`: the paths of its book lead from there."""
        plain, own = self.plain(), self._folder
        if own.resolve() != Path(folder).resolve():
            for key in FILES_OF_A_BOOK:
                path = plain["book"].get(key)
                if isinstance(path, str) and not os.path.isabs(path):
                    to = os.path.relpath(own.resolve() / path, Path(folder).resolve())
                    plain["book"][key] = Path(to).as_posix()
        return plain

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

    def ledger(self) -> Ledger | None:
        """The ledger that its book is of, read anew; None of a synthetic book."""
        if isinstance(self.book, SyntheticBook):
            return None
        return ledger_of(self.book, self._folder)

    @cached_property
    def start(self) -> str:
        """The month before the first: the ledger's `as_of`, the month in which a synthetic book
        `starts`, or M00.
        """
        return self.month(0)

    def month(self, t: int) -> str:
        """The name of month t: YYYY-MM where the book says when it is of, else M01, M02, ..."""
        begun = self.book.as_of if isinstance(self.book, LedgerBook) else self.book.starts
        if begun is not None:
            return shift(begun, t)
        return f"M{t:0{max(2, len(str(self.months)))}d}"

    def at_means(self) -> Scenario:
        """The same with each belief at its mean as it acts, in a year like any other: nothing is
        uncertain, so that no shock, year effect, correlation or outlook is left.
        """
        plain = deepcopy(self._plain)
        for each in self.table.uncertain:
            if each.driver == PROGRAMMES:
                plain[PROGRAMMES][each.key][each.field] = each.mean
                continue
            entry = plain["drivers"][each.driver][each.key]
            name, _, year = each.field.partition(".")
            if year:
                entry[name][int(year) - 1] = each.mean
            else:
                (entry["sbg"] if name in ("alpha", "beta") else entry)[name] = each.mean
        for key in ("shock", "year_effects", "correlations", "outlook"):
            plain.pop(key, None)
        return _checked(Document(plain), self._folder, self.opening)

    def customers(self) -> Customers:
        """Those of the opening book, and those whom `new_business` brings until the last month."""
        return with_newcomers(self.opening, self.new_business, self.months)

    @cached_property
    def table(self) -> Table:
        """Every number of the drivers and every effect of programmes, laid out once."""
        return Table.of(self.drivers, self.segments, self.correlations, self.programmes)

    def transport(self, measure: str = "nrr") -> Transport | None:
        """What takes this scenario's own results onto the forecast that its `outlook` states; None
        where it states none, or one of another book or time.
        """
        return self.outlook.transports[measure] if self.outlook and self._foreseen else None

    @property
    def _foreseen(self) -> bool:
        """Whether the outlook is of the scenario's book and time."""
        stated = self.outlook
        if stated is None or self.months != MONTHS:
            return False
        # a ledger that was restated, and another one of the same month, are another book
        same_arr = isclose(self.opening.total, stated.arr, rel_tol=1e-9, abs_tol=0.01)
        return getattr(self.book, "as_of", None) == stated.as_of and same_arr

    def frame(self) -> pd.DataFrame:
        """A row for each number of the drivers: `driver`, `segment` (or `all`), `field`, `value`
        (the number, or the belief's mean and 90% range, as text), `mean` (the one that acts) and
        `source`.
        """
        import pandas as pd

        rows = [
            {"driver": each.driver, "segment": each.key, "field": each.field}
            | {"value": each.words, "mean": each.mean}
            | {"source": " ".join(getattr(self.drivers, each.driver)[each.key].source.split())}
            for each in self.table.stated
        ]
        columns = ["driver", "segment", "field", "value", "mean", "source"]
        return pd.DataFrame(rows, columns=columns)

    def _repr_html_(self) -> str:
        return table_html(self.frame(), {"mean": "{:.3g}".format}, "number")

    @property
    def notices(self) -> tuple[str, ...]:
        """What to know about the scenario that does not make it wrong."""
        known = [each.name for each in self.table.uncertain]
        drawn = {each.name for each in self.table.stated if isinstance(each.value, Sized)}

        def kind(name: str) -> str:
            return "drawn anew by each event" if name in drawn else "a plain number"

        notices = [*self._noted]
        notices += [_cut(each.name, each.value, each.range) for each in self.table.uncertain]
        notices += [
            _cut(f"year_effects.{driver}", beta, YEAR_EFFECT)
            for driver, beta in self.year_effects.items()
        ]
        notices += [
            f"correlations: {name} is {kind(name)}, so its correlation has no effect"
            for pair in self.correlations
            for name in pair[:2]
            if not full_name(name, known)
        ]

        notices += [
            f"{key}.{driver}: no segment has {driver.replace('_', '-')}, so it has no effect"
            for key in ("shock", "year_effects")
            for driver in getattr(self, key)
            if not self.table.entries[driver]
        ]
        if stays := self._cannot_leave():
            more = f" and {len(stays) - 3:,} more" if len(stays) > 3 else ""
            notices.append(
                f"book.decided: {', '.join(map(shown, stays[:3]))}{more} cannot leave: there is no"
                f" churn in the segment, or no anniversary within {counted(self.months, 'month')};"
                " the decision has no effect"
            )
        if self.outlook and not self._foreseen:
            notices.append(
                f"outlook: is of the {MONTHS} months after {self.outlook.as_of} and a book with ARR"
                f" of {self.outlook.arr:,.2f}; this scenario is of {self.months} after {self.start}"
                f" and ARR of {self.opening.total:,.2f}: it is not used, and ranges are those of"
                " the drivers alone"
            )
        ties = self.table.ties
        change = beliefs.correlation_matrix(ties)[2] if ties else 0.0
        if change > CHANGE_OF_NOTE:
            by = f"up to {change:.2f}" if change >= 0.005 else "less than 0.01"
            notices.append(
                "correlations: no such set of correlations can be;"
                f" the nearest one that can be is used (changed by {by})"
            )
        return tuple(dict.fromkeys(filter(None, notices)))

    def _without_churn(self) -> tuple[str, ...]:
        """That a segment has no churn where others have: a row that was lost would be unseen."""
        names = self.segments if self.drivers.churn else ()
        return tuple(
            f"drivers.churn: {shown(name)} has none, and there is none for all: nobody there"
            " leaves, but over a price"
            for name in names
            if self.table.key_of("churn", name) is None
        )

    def _cannot_leave(self) -> list[str]:
        """Of whom it is decided that they leave, and who have no month in which anybody may."""
        there, found = self.opening, []
        if there.decided is None or there.names is None:
            return []
        for place, decided in enumerate(there.decided):
            if not isinf(decided):
                continue
            segment = int(there.segment[place])
            name = there.segments[segment]
            churn, price = (self.table.of_segment(each, name) for each in ("churn", "price"))
            by_churn = any(each.mean > 0 for each in churn.values())
            by_price = bool(price) and min(price[each].mean for each in BY_PRICE) > 0
            entry = self.drivers.price.get(self.table.key_of("price", name) or "")
            # at the anniversary alone: churn of annual contracts, and a price without a month
            is_met = there.anniversary[place] <= self.months
            at_any_time = by_churn and not there.annual[segment]
            at_any_time |= by_price and entry is not None and entry.month is not None
            if not (at_any_time or (is_met and (by_churn or by_price))):
                found.append(str(there.names[place]))
        return found


BY_PRICE = ("uplift", "churn_per_point")  # what makes customers leave over a price


def _cut(name: str, value: Any, range_: Range) -> str:
    """That part of a belief lies outside its range, and which mean acts; empty if none does."""
    if not is_cut(value, range_):
        return ""
    outside, acting = 1 - range_.inside(value), in_words(range_.mean(value), range_)
    stated = getattr(value, "mean", None)
    was = acting if stated is None else in_words(stated, range_)
    return (
        f"{name}: {outside:.1%} of this distribution lies outside"
        f" {between(range_.low, range_.high, range_)} and is cut away: it acts with a mean of"
        f" {acting}{f', not {was}' if was != acting else ''}"
    )


def read_scenario(path: str | Path) -> Scenario:
    """The scenario of a file, with all that it extends; raises UsageError with all that is wrong.

    A ledger that its book names is read, too (DataError if that is rejected).
    """
    file, stated = Path(path), read_stated(path)
    if is_card(stated.values):
        raise UsageError(
            f"{path}: is a run card, as it names a notebook: `nrrsim report` runs it; name a"
            " scenario here"
        )
    document = extended(stated, file, (file.resolve(),))
    if document.values.get("title", "") == "":
        document = replace(document, values={**document.values, "title": file.stem})
    scenario = _checked(document, file.parent)
    # in a workbook a row goes with a key press
    scenario._noted = stated.notices + (scenario._without_churn() if is_workbook(path) else ())
    return scenario


def find_scenario(name: str) -> Path:
    """The file of that name; where there is none, the example that is so called (`nrr-105`).

    Raises UsageError for a bare name that is neither. What looks like a file is never an example:
    one that was not found must not give another's numbers.
    """
    if os.path.exists(name) or not re.fullmatch(r"[^./\\]+", name):
        return Path(name)
    known = examples()
    if name not in known:
        raise UsageError(
            f"{name}: there is no such scenario, and none of that name comes with nrrsim;"
            f" {did_you_mean(name, sorted(known))}"
        )
    return known[name]


def examples() -> dict[str, Path]:
    """The scenarios that come with nrrsim, by name."""
    return {each.stem: each for each in sorted(shared("params", "scenarios").glob("*.yaml"))}


def stated_in(path: str | Path) -> dict[str, Any]:
    """What a scenario's file states, with all that it extends, unchecked.

    Raises UsageError where there is no such file, or it cannot be read.
    """
    file = Path(path)
    return extended(read_stated(file), file, (file.resolve(),)).values


def is_card(values: Collection[str]) -> bool:
    """Whether what a file states makes it a run card."""
    return "notebook" in values


def is_scenario(values: Collection[str]) -> bool:
    """Whether what a file states makes it a scenario; a title and a target may stand in others."""
    return not is_card(values) and not OF_SCENARIOS.isdisjoint(values)


def as_scenario(given: Scenario | str | Path) -> Scenario:
    """A scenario as it is, or the one of a file."""
    return read_scenario(given) if isinstance(given, str | Path) else given


def files_of(path: str | Path) -> list[Path]:
    """A scenario's file, those that it extends, and the files that its book names."""
    from nrrsim.ledger.sources import matching

    file = Path(path)
    values = read_stated(file).values
    book, parent = values.get("book"), values.get("extends")
    said = [book.get(key) for key in FILES_OF_A_BOOK] if isinstance(book, Mapping) else []
    named = [
        path
        for each in said
        if isinstance(each, str) and not is_address(each)
        for path in matching(str(file.parent / each))
    ]
    return [file, *named, *(files_of(file.parent / parent) if isinstance(parent, str) else [])]


def _path(name: str) -> list[str]:
    """The keys that a dotted name leads through; a programme's effect is one: `churn.smb`."""
    parts = name.split(".")
    is_effect = parts[0] == "programmes" and len(parts) > 3 and parts[2] in DRIVERS
    return [*parts[:2], ".".join(parts[2:])] if is_effect else parts


def _put(plain: dict[str, Any], parts: list[str], value: Any, name: str) -> None:
    """Set one value by its path, in place."""
    node: Any = plain
    for depth, part in enumerate(parts[:-1]):
        node = node.setdefault(part, {}) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            raise UsageError(
                f"{name}: {'.'.join(parts[: depth + 1])} holds one value, not parts of it"
            )
        # the entry drivers.churn.smb, of which a field is set: a source does not stand for what
        # one changed, and one form of churn replaces another
        if depth == 2 and parts[0] == "drivers":
            at, over = tuple(parts[:3]), {parts[3]: value}
            for key in [key for key in node if gives_way(key, node, over, at)]:
                del node[key]
    node[parts[-1]] = value


def _checked(document: Document, folder: Path, opening: Customers | None = None) -> Scenario:
    """The scenario of a document; raises UsageError with every problem, in order of place."""
    problems = [*unseen_signs(document.values), *unknown_names(document.values)]
    try:
        scenario = Scenario.model_validate(document.values)
        scenario._plain, scenario._folder, scenario._given = document.values, folder, opening
        # a ledger is read for a scenario that is right so far
        if not problems and isinstance(scenario.book, LedgerBook):
            if opening is not None:
                scenario._given = as_decided(opening, scenario.book)
            problems += segments_not_in(document.values, scenario.segments)
            terms = {name: scenario.book.term.get(name, "annual") for name in scenario.segments}
            problems += seasons_of_annual(document.values, terms)
    except ValidationError as error:
        problems += problems_of(error, Scenario)
    except RefusedError as refused:
        problems += refused.problems
    if problems:
        raise UsageError("\n".join(located(problems, document)))
    return scenario


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors. Nothing is required: a file may extend."""
    schema = Scenario.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "An nrrsim scenario: what is believed about a book and a time to come"
    schema["properties"]["extends"] = {
        "type": "string",
        "title": "Extends",
        "description": "Path of another scenario",
    }
    definitions = schema["$defs"]
    for each in (schema, *definitions.values()):  # a docstring's lines end where the code's do
        if "description" in each:
            each["description"] = re.sub(r"(?<!\n)\n(?!\n)", " ", each["description"])
    for name in REQUIRE_NOTHING:
        definitions[name].pop("required", None)
    schema.pop("required", None)
    # a churn may be a bare number or belief, too
    rate = definitions["Churn"]["properties"]["rate"]["anyOf"][0]
    schema["$defs"]["Drivers"]["properties"]["churn"]["additionalProperties"] = {
        "anyOf": [{"$ref": "#/$defs/Churn"}, rate]
    }
    return schema
