"""Plain values of a scenario in, the rows of a workbook's sheets out; never judges a value.

A number or a belief is one row: `low`, `likely`, `high` and a `shape` (SHAPES says which of them it
takes). What a scenario states once is a field of the sheet `Scenario`, by its dotted name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nrrsim.messages import of_percent
from nrrsim.scenario.drivers import DRIVERS as ALL_DRIVERS
from nrrsim.scenario.drivers import TOLD
from nrrsim.scenario.outlook import LEVELS, MOST
from nrrsim.scenario.programmes import OWN_KEYS

SCENARIO, BOOK, DRIVERS = "Scenario", "Book", "Drivers"
PROGRAMMES, CORRELATIONS, TENURE, OUTLOOK = "Programmes", "Correlations", "Tenure", "Outlook"
BELIEF = ("low", "likely", "high", "shape")
# The headings of each sheet, in row 1.
HEADINGS: dict[str, tuple[str, ...]] = {
    SCENARIO: ("field", "value"),
    BOOK: ("segment", "customers", "share", "spread", "term", "tenure", "source", "because"),
    DRIVERS: ("driver", "segment", "field", *BELIEF, "source"),
    PROGRAMMES: ("programme", "field", *BELIEF, "text"),
    CORRELATIONS: ("number", "with", "correlation"),
    TENURE: ("segment", "year", *BELIEF, "source"),
    OUTLOOK: ("measure", "level", "model", "forecast"),
}
COMPUTED_SHEETS = ("Model", "Answer", "Explain", "Working")  # formulas and words: never read
COMPUTED_HEADINGS = ("acts with",)
# The last row of a table with its spare ones, for people to write in.
LAST_ROWS = {BOOK: 60, DRIVERS: 120, PROGRAMMES: 60, CORRELATIONS: 100, TENURE: 40}
MORE_ROWS = 20  # spare ones below a table that has none of its own, or is longer

# What a belief of each shape states in which column; `between` and one number have no names.
ENDS = {"low": "min", "high": "max"}
PEAKED = {"low": "min", "likely": "mode", "high": "max"}
MOMENTS = {"low": "mean", "high": "sd"}
SHAPES: dict[str, dict[str, str]] = {
    "pert": PEAKED,
    "triangular": PEAKED,
    "uniform": ENDS,
    "normal": MOMENTS,
    "lognormal": MOMENTS,
    "beta": {"low": "a", "high": "b"},
}
# As the drop-down offers them: where columns hold something else, it says what.
SHAPE_TEXTS = {name: name for name in ("between", *SHAPES)} | {
    "normal": "normal (mean, sd)",
    "lognormal": "lognormal (mean, sd)",
    "beta": "beta (a, b)",
}

CURVES = ("by_tenure", "sbg")  # forms of churn whose numbers stand on the sheet Tenure
SBG = ("alpha", "beta")
TEXTS = ("for", "action", "measured", *TOLD)  # of a programme; for: a row an item
FIGURES = ("cost", "from", "ramp")
# Fields that have a row, whether anything is stated in it or not: people look for them.
ALWAYS = ("title", "months", "target")
ALWAYS_OF_A_BOOK = ("arr", "currency", "starts")
RANKS = ("model", "forecast")
Row = dict[str, Any]


@dataclass(frozen=True)
class Grid:
    """A sheet's table. Rows count from 1, as a spreadsheet does; columns from 0.

    first, last : its rows below the headings, spare ones with them. filled : the last that is
        written in.
    """

    name: str
    columns: Mapping[str, int]
    filled: int
    last: int
    first: int = 2

    def cell(self, heading: str, row: int) -> str:
        """A cell as a formula names it: `Drivers!$D$5`."""
        return f"{self.name}!${letter(self.columns[heading])}${row}"

    def range(self, heading: str) -> str:
        """A column of the table as a formula names it: `Drivers!$D$2:$D$200`."""
        at = letter(self.columns[heading])
        return f"{self.name}!${at}${self.first}:${at}${self.last}"


@dataclass(frozen=True)
class Layout:
    """Where everything stands: each sheet's table, and the row of each field of `Scenario`."""

    sheets: Mapping[str, Grid]
    fields: Mapping[str, int]

    @classmethod
    def of(cls, tables: Mapping[str, list[Row]]) -> Layout:
        """The layout of the rows of each sheet."""
        sheets = {}
        for name, rows in tables.items():
            filled = len(rows) + 1
            last = max(LAST_ROWS.get(name, 0), filled + MORE_ROWS)
            columns = {heading: at for at, heading in enumerate(HEADINGS[name])}
            sheets[name] = Grid(name, columns, filled, last)
        fields = {row["field"]: number for number, row in enumerate(tables[SCENARIO], 2)}
        return cls(sheets, fields)

    def value(self, field: str) -> str:
        """The cell of a field of `Scenario`, as a formula names it."""
        return self.sheets[SCENARIO].cell("value", self.fields[field])


def letter(column: int) -> str:
    """A column's name: of 0 it is A, of 26 AA."""
    more, own = divmod(column, 26)
    return (letter(more - 1) if more else "") + chr(ord("A") + own)


def tables_of(plain: Mapping[str, Any]) -> dict[str, list[Row]]:
    """The rows of each sheet, by heading, of a checked scenario's plain values with nothing left
    to extend. A ledger's book has no sheet Book, and without an outlook there is none of that.
    """
    book = plain["book"]
    tables = {SCENARIO: [{"field": name, "value": each} for name, each in _fields(plain)]}
    if "segments" in book:
        tables[BOOK] = [
            {"segment": name, **{key: of_percent(each) for key, each in _stated(segment)}}
            for name, segment in book["segments"].items()
        ]
    tables[DRIVERS], tables[TENURE] = _driver_rows(plain.get("drivers") or {})
    programmes = _stated(plain.get("programmes"))
    tables[PROGRAMMES] = [row for name, each in programmes for row in _programme_rows(name, each)]
    tables[CORRELATIONS] = [
        dict(zip(HEADINGS[CORRELATIONS], (*names, of_percent(rho)), strict=True))
        for *names, rho in plain.get("correlations") or ()
    ]
    if plain.get("outlook"):
        tables[OUTLOOK] = list(_outlook_rows(plain["outlook"]))
    return tables


def _stated(values: Mapping[str, Any] | None) -> Iterator[tuple[str, Any]]:
    """What is stated: null is what is left out."""
    return ((key, each) for key, each in (values or {}).items() if each is not None)


# --- the sheet Scenario ---------------------------------------------------------------------------


def _fields(plain: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every field with its value, in the order in which people ask; None where none is stated."""
    book = plain["book"]
    yield "title", plain.get("title", "")
    yield from ((key, plain[key]) for key in TOLD[::-1] if plain.get(key))
    yield "months", plain.get("months", 12)
    yield "target", of_percent(plain.get("target"))

    always = dict.fromkeys(ALWAYS_OF_A_BOOK) if "segments" in book else {}
    for key, value in {**always, **dict(_stated(book))}.items():
        if key != "segments":
            yield from _flat(key, value)

    for driver, beta in _stated(plain.get("shock")):
        yield f"shock.{driver}", of_percent(beta)
    for driver, beta in _stated(plain.get("year_effects")):
        row, name = belief_row(beta), f"year_effects.{driver}"
        if set(row) == {"likely"}:
            yield name, row["likely"]
        else:
            yield from ((f"{name}.{key}", each) for key, each in row.items())
    for segment, new in _stated(plain.get("new_business")):
        yield from _flat(f"new_business.{segment}", new)
    for key, value in _stated(plain.get("outlook")):
        if key not in MOST:
            yield f"outlook.{key}", value


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A value by its name; of a mapping each by a dotted one."""
    if not isinstance(value, Mapping):
        yield name, value
        return
    for key, each in _stated(value):
        yield f"{name}.{key}", each


# --- drivers, programmes, an outlook --------------------------------------------------------------


def belief_row(value: Any) -> Row:
    """A number or a belief as the cells of one row; those that it leaves empty are not there."""
    if not isinstance(value, Mapping):
        return {"likely": of_percent(value)}
    if "between" in value:
        return dict(zip(("low", "high"), map(of_percent, value["between"]), strict=True))
    shape = value["dist"]
    cells = {column: of_percent(value[name]) for column, name in SHAPES[shape].items()}
    return {**cells, "shape": SHAPE_TEXTS[shape]}


def _driver_rows(drivers: Mapping[str, Any]) -> tuple[list[Row], list[Row]]:
    """The rows of the sheets Drivers and Tenure; entries in the order in which they are stated."""
    rows: list[Row] = []
    curves: list[Row] = []
    for driver in ALL_DRIVERS:
        for segment, entry in _stated(drivers.get(driver)):
            own = [
                {"driver": driver, "segment": segment, "field": field, **cells}
                for field, cells in _entry_rows(entry)
            ]
            if entry.get("source"):
                own[0]["source"] = entry["source"]
            rows += own
            curves += [{"segment": segment, **row} for row in _curve_rows(entry)]
    return rows, curves


def _entry_rows(entry: Mapping[str, Any]) -> Iterator[tuple[str, Row]]:
    """Each field of a driver's entry with its cells, numbers first."""
    for field, value in _stated(entry):
        if field in CURVES:
            yield field, {}  # its numbers stand on the sheet Tenure
        elif field == "season":
            yield from (
                (f"season.{month}", belief_row(each)) for month, each in enumerate(value, 1)
            )
        elif field == "size" and isinstance(value, Mapping) and not {"between", "dist"} & {*value}:
            yield from ((f"size.{key}", belief_row(each)) for key, each in value.items())
        elif field not in TOLD:
            yield field, belief_row(value)
    if entry.get("because"):
        yield "because", {"source": entry["because"]}


def _curve_rows(entry: Mapping[str, Any]) -> Iterator[Row]:
    """Churn by tenure year, or the two parameters of its curve."""
    years = enumerate(entry.get("by_tenure") or (), 1)
    for year, value in (*years, *_stated(entry.get("sbg"))):
        yield {"year": year, **belief_row(value)}


def _programme_rows(name: str, programme: Mapping[str, Any]) -> Iterator[Row]:
    """What a programme changes, and what is said of it."""
    own = dict(_stated(programme))
    effects = {key: belief_row(each) for key, each in own.items() if key not in OWN_KEYS}
    figures = {key: {"likely": own[key]} for key in FIGURES if key in own}
    # a programme that changes nothing yet has a row, too
    for field, cells in ({**effects, **figures} or {"from": {"likely": 1}}).items():
        yield {"programme": name, "field": field, **cells}
    for field in TEXTS:
        said = own.get(field) or ()
        for each in [said] if isinstance(said, str) else said:
            yield {"programme": name, "field": field, "text": each}


def _outlook_rows(outlook: Mapping[str, Any]) -> Iterator[Row]:
    """The quantiles of each measure by level, and the mean of the model's own."""
    for measure in MOST:
        ranks = outlook[measure]
        yield {"measure": measure, "level": "mean", "model": of_percent(ranks["mean"])}
        for place, level in enumerate(LEVELS):
            both = {name: of_percent(ranks[name][place]) for name in RANKS}
            yield {"measure": measure, "level": level, **both}
