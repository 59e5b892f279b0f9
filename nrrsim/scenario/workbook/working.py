"""A workbook's input tables in, each number as it acts out, by hidden formulas; never a month.

Row by row this sheet reads what a person may sort, add to and delete from, so that no formula of
the model points at a row of theirs. What cannot be a number is told beside it, and stops the
answer: a formula must not pass over what `nrrsim` refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nrrsim.scenario.beliefs import LEAST_INSIDE, PERT_WEIGHT, Z90
from nrrsim.scenario.book import EVERY_SEGMENT, MOST_CUSTOMERS, MOST_SPREAD
from nrrsim.scenario.drivers import COUNTED, CURVE_FIELDS, DRIVERS, TOLD
from nrrsim.scenario.numbers import MEAN, PROBABILITY, Range
from nrrsim.scenario.programmes import EFFECT
from nrrsim.scenario.workbook.cells import (
    JOIN,
    NONE,
    Live,
    Page,
    after_dot,
    before_dot,
    begins_with,
    beta_below,
    both,
    either,
    exactly,
    exp,
    first_of,
    is_filled,
    is_number,
    least,
    live,
    ln,
    most,
    normal_below,
    or_else,
    root,
    sum_product,
    where,
    whole,
)
from nrrsim.scenario.workbook.rows import (
    BOOK,
    CURVES,
    HEADINGS,
    PROGRAMMES,
    SCENARIO,
    TENURE,
    Layout,
    Row,
    letter,
)

WORKING = "Working"
READ = 1_000  # rows of a sheet that are looked at: more than it has, so that none is passed over
ACTS = "acts with"
ERROR = "error"  # in the place of a cell that holds one
# What a row states: a text, a whole number, a number that no belief may be about, or one whose 90%
# interval is logit-normal, lognormal, or lognormal in the factor 1 + change.
TEXT, WHOLE, PLAIN, SHARE, POSITIVE, CHANGE = range(6)
# Of the quadrature of a logit-normal: scores from -9 to 9 in pieces, each by Gauss and Legendre.
FARTHEST, PIECES, NODES = 9.0, 60, 8
BEYOND = 38.0  # a score below which all lies
OTHER_CELLS = "a text, or not the cells of its shape: for one number empty low, high and shape"
WIDEST = 8.0  # of an interval: the standard deviation of its logs, or of its log odds
SHAPES = ("between", "pert", "triangular", "uniform", "normal", "lognormal", "beta")
COLUMNS = ("key", "of", "in", "low", "likely", "high", "shape", "place", "least", "most", "kind",
           "first", "second", "lower", "upper", "inside", "mean", "problem", "value",
           "begins", "ramp", "told")  # fmt: skip
OF_BOOK = ("segment", "customers", "share", "spread", "term", "tenure", "problem")
OF_DRIVERS = "Drivers"  # the sheet's name
Rows = Sequence[Row]


@dataclass(frozen=True)
class Acting:
    """The numbers of one table, row by row.

    keys : what each is called (`churn.rate`; a tenure year; of programmes the driver). owners : the
        segment it is of. values : what it acts with, 0 where it cannot. wrong : how many rows
        cannot be used, or are not read. begins, ramps : of programmes.
    """

    keys: Live
    owners: Live
    values: Live
    wrong: Live
    begins: Live
    ramps: Live

    def number(self, those: Live) -> Live:
        """The number of the one row that is meant; 0 where there is none."""
        return sum_product(those, self.values)


@dataclass(frozen=True)
class Working:
    """The hidden sheet: its tables, and of a synthetic book what each of its segments states."""

    page: Page
    drivers: Acting
    programmes: Acting
    tenure: Acting
    book: tuple[dict[str, Live], ...]
    wrong_book: Live
    steps: Live
    fields: Live
    values: Live
    listed: Any
    acting: dict[str, Live]

    def field(self, name: str) -> Live:
        """What `Scenario` states of a field; "" where it states nothing."""
        places = [_same(each, name) for each in self.fields.value]
        value = self.values.value[places.index(True)] if True in places else NONE
        at = f'INDEX({self.values.text},MATCH("{name}",{self.fields.text},0))'
        found = Live(at, value)
        return or_else(where(found.is_(NONE), NONE, found), NONE)


def _same(one: Any, other: str) -> bool:
    return isinstance(one, str) and one.lower() == other


def work_out(
    page: Page, layout: Layout, rows: Mapping[str, Rows], segments: Sequence[str], largest: int
) -> Working:
    """Write the hidden sheet.

    segments : of a ledger's book; of a synthetic one they are read from `Book`. largest : how many
        customers of one segment the model has to follow at most.
    """
    writer = _Writer(page, layout, rows)
    writer.constants(largest)
    book, wrong = writer.book() if BOOK in layout.sheets else ((), live(0))
    names = [each["segment"] for each in book] or [live(each) for each in segments]
    writer.name_segments([*names, EVERY_SEGMENT])
    return Working(
        page,
        writer.drivers(),
        writer.programmes(),
        writer.tenure(),
        book,
        wrong,
        writer.steps,
        writer.source(SCENARIO, "field"),
        writer.source(SCENARIO, "value"),
        writer.listed,
        writer.acting,
    )


def _limits() -> Iterator[tuple[str, float, float, int]]:
    """Of each number what it may be, and of which kind it is. Of a driver's: `churn.rate`."""

    def of(key: str, range_: Range, kind: int | None = None) -> tuple[str, float, float, int]:
        belief = SHARE if range_.share else POSITIVE
        return key, range_.low, range_.high, belief if kind is None else kind

    for driver, nature in DRIVERS.items():
        yield from (of(f"{driver}.{name}", range_) for name, range_ in nature.fields.items())
        yield from ((f"{driver}.{name}", 0, 0, TEXT) for name in TOLD)
        if driver in COUNTED:
            yield f"{driver}.size.mean", MEAN.low, nature.fields["size"].high, PLAIN
            yield f"{driver}.size.sd", 0, 100, PLAIN
    yield "price.month", 1, 12, WHOLE
    yield from ((f"churn.{name}", 0, 0, TEXT) for name in CURVES)
    yield from ((f"churn.season.{month}", 0, 12, PLAIN) for month in range(1, 13))
    # of other sheets, so without a dot
    yield of("year", PROBABILITY)
    yield from (of(name, CURVE_FIELDS[name]) for name in ("alpha", "beta"))
    yield of("effect", EFFECT, CHANGE)
    yield "cost", 0, 1e15, PLAIN
    yield from ((name, 1, 600, WHOLE) for name in ("from", "ramp"))
    yield from ((name, 0, 0, TEXT) for name in ("for", "action", "measured", *TOLD))


@dataclass
class _Writer:
    """One table after the other, in columns of its own, each row beside its like on the sheet that
    it reads.
    """

    page: Page
    layout: Layout
    rows: Mapping[str, Rows]
    column: int = 0
    read: int = READ
    acting: dict[str, Live] = field(default_factory=dict)
    _sources: dict[tuple[str, str], Live] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.read = max(READ, *(2 * grid.last for grid in self.layout.sheets.values()))

    def constants(self, largest: int) -> None:
        """What formulas look up: the limits of fields, and the places of a quadrature."""
        keys, lows, highs, kinds = zip(*_limits(), strict=True)
        self.limits = {
            name: self.listed(name, each)
            for name, each in (
                ("key", keys),
                ("place", range(1, len(keys) + 1)),
                ("least", lows),
                ("most", highs),
                ("kind", kinds),
            )
        }
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        steps = (np.arange(PIECES)[:, None] + (1 + nodes) / 2) / PIECES
        self.nodes = self.listed("node", steps.ravel().tolist())
        self.weights = self.listed("weight", np.tile(weights, PIECES).tolist())
        self.z90 = self._one("score of P95", Z90)
        self.places = {name: place for place, name in enumerate(keys, 1)}
        self.known = self.listed("driver", list(DRIVERS))
        # every twelfth customer of a segment has one anniversary
        self.steps = self.listed("customer", range(0, largest, 12))

    def _one(self, heading: str, value: float) -> Live:
        column = self.listed(heading, [value])
        return Live(column.text.split(":")[0], value)

    def listed(self, heading: str, values: Sequence[Any]) -> Live:
        """A column of values, or of formulas."""
        self.page.put(0, self.column, heading)
        for row, value in enumerate(values, 1):
            self.page.put(row, self.column, value)
        held = [live(each).value for each in values]
        found = self.page.range((1, self.column), (len(values), self.column), held)
        self.column += 1
        return found

    def name_segments(self, names: Sequence[Live | str]) -> None:
        """Those of the book, and `all`."""
        self.names = self.listed("segments", names)

    def source(self, sheet: str, heading: str) -> Live:
        """A column of an input sheet as far as it is read, its heading with it."""
        if (sheet, heading) not in self._sources:
            at = letter(self.layout.sheets[sheet].columns[heading])
            held = np.full(self.read, NONE, object)
            held[0] = heading
            stated = [row.get(heading) for row in self.rows[sheet]]
            held[1 : 1 + len(stated)] = [NONE if each is None else each for each in stated]
            text = f"{sheet}!${at}$1:${at}${self.read}"
            self._sources[sheet, heading] = Live(text, held)
        return self._sources[sheet, heading]

    def raw(self, sheet: str, heading: str, row: int) -> Live:
        """What stands in that column of an input sheet, in the row in which the formula does."""
        column = self.source(sheet, heading)
        here = Live(f"INDEX({column.text},ROW())", column.value[row])
        return or_else(where(here.is_(NONE), NONE, here), ERROR)

    def present(self, sheet: str) -> Live:
        """How many rows of a sheet hold anything."""
        filled, *more = (is_filled(self.source(sheet, each)) for each in HEADINGS[sheet])
        any_of = filled
        for each in more:
            any_of = any_of + each
        return sum_product((any_of > 0) * 1) - 1

    def book(self) -> tuple[tuple[dict[str, Live], ...], Live]:
        """What each segment of a synthetic book states, and how many rows cannot be used."""
        first, found = self.column, []
        for offset, heading in enumerate(OF_BOOK):
            self.page.put(0, first + offset, f"book: {heading}")
        for row in range(1, len(self.rows[BOOK]) + 1):
            raw = {name: self.raw(BOOK, name, row) for name in OF_BOOK[:-1]}
            cells = {
                name: self.page.put(row, first + place, raw[name], fixed=True)
                for place, name in enumerate(OF_BOOK[:-1])
            }
            cells["problem"] = self.page.put(row, first + len(cells), _wrong_segment(cells))
            found.append(cells)
        self.column += len(OF_BOOK) + 1
        problems = [each["problem"].value for each in found]
        at = first + len(OF_BOOK) - 1
        column = self.page.range((1, at), (len(found), at), problems)
        named = self.page.range(
            (1, first), (len(found), first), [e["segment"].value for e in found]
        )
        wrong = sum_product(column.is_not(NONE) * 1)
        unread = self.present(BOOK) - sum_product(named.is_not(NONE) * 1)
        return tuple(found), wrong + unread

    def drivers(self) -> Acting:
        table = _Table(self, OF_DRIVERS)
        for row in table.each():
            driver, segment, name = (
                self.raw(OF_DRIVERS, heading, row) for heading in ("driver", "segment", "field")
            )
            key = table.put(row, "key", table.unless_empty(row, driver.then(".").then(name)))
            table.put(row, "of", segment)
            table.numbers(row, self.place_of(key))
        return table.acting("no driver and field of one", "of")

    def tenure(self) -> Acting:
        table = _Table(self, TENURE)
        for row in table.each():
            key = table.put(row, "key", table.unless_empty(row, self.raw(TENURE, "year", row)))
            table.put(row, "of", self.raw(TENURE, "segment", row))
            is_year = where(is_number(key), both(key >= 1, whole(key).is_(key)), live(False))
            is_curve = either(key.is_("alpha"), key.is_("beta"))
            of_curve = where(is_curve, self.place_of(key), 0)
            table.numbers(row, where(is_year, self.places["year"], of_curve))
        return table.acting("no year (1, 2, 3), alpha or beta", "of")

    def programmes(self) -> Acting:
        table = _Table(self, PROGRAMMES)
        for row in table.each():
            key = table.put(row, "key", table.unless_empty(row, self.raw(PROGRAMMES, "field", row)))
            table.put(row, "of", self.raw(PROGRAMMES, "programme", row))
            segment = table.put(row, "in", after_dot(key))
            is_driver = sum_product(self.known.is_(before_dot(key)) * 1) > 0
            is_met = either(key.is_(before_dot(key)), self.is_segment(segment))
            own = where(self.place_of(key) > self.places["effect"], self.place_of(key), 0)
            table.numbers(row, where(both(is_driver, is_met), self.places["effect"], own))
        table.time()
        return table.acting("no driver, driver.segment or field of a programme", "in")

    def place_of(self, key: Live) -> Live:
        """Where a number stands among the limits; 0 of one that is not known."""
        return sum_product(self.limits["key"].is_(key) * self.limits["place"])

    def is_segment(self, name: Live) -> Live:
        return sum_product(exactly(self.names, name) * 1) > 0


@dataclass
class _Table:
    """The numbers of one input sheet, a row beside each of its rows, spare ones too."""

    writer: _Writer
    name: str

    def __post_init__(self) -> None:
        self.first, self.page = self.writer.column, self.writer.page
        self.writer.column += len(COLUMNS) + 1
        self.last = self.writer.layout.sheets[self.name].last - 1
        self.spare = len(self.writer.rows[self.name]) + 1
        self.cells: dict[tuple[int, str], Live] = {}
        self.formulas: dict[str, Live] = {}
        for heading in COLUMNS:
            self.page.put(0, self._at(heading), f"{self.name.lower()}: {heading}")

    def _at(self, heading: str) -> int:
        return self.first + COLUMNS.index(heading)

    def each(self) -> range:
        """Its rows, counted from 0, and the first spare one: the others are like that."""
        return range(1, self.spare + 1)

    def put(self, row: int, heading: str, what: Live) -> Live:
        self.cells[row, heading] = self.page.put(row, self._at(heading), what)
        self.formulas[heading] = what
        return self.cells[row, heading]

    def fill(self) -> None:
        """Write the formulas of the first spare row into the others, each with its own cells."""
        own = re.compile(rf"(?<![$A-Za-z0-9.])([A-Z]+){self.spare + 1}(?![0-9(])")
        for heading, what in self.formulas.items():
            between_rows = own.sub("\\g<1>\0", what.text).split("\0")
            for row in range(self.spare + 1, self.last + 1):
                text = str(row + 1).join(between_rows)
                self.page.put(row, self._at(heading), Live(text, what.value))

    def column(self, heading: str) -> Live:
        """A column of this table, spare rows with it."""
        values = [self.cells[row, heading].value for row in self.each()]
        values += values[-1:] * (self.last - self.spare)
        return self.page.range((1, self._at(heading)), (self.last, self._at(heading)), values)

    def unless_empty(self, row: int, what: Live) -> Live:
        """Nothing in a row that is empty, and a question mark in one that does not say what."""
        text, held = "", ""
        for heading in HEADINGS[self.name]:
            column = self.writer.source(self.name, heading)
            text += f"&INDEX({column.text},ROW())"
            held += str(column.value[row])
        is_empty = or_else(Live(text[1:], held, JOIN).is_(NONE), live(False))
        return where(is_empty, NONE, where(what.is_(NONE), "?", what))

    def numbers(self, row: int, place: Live) -> None:
        """The number or the belief of a row, and the mean with which it acts."""
        limits = self.writer.limits
        key, place = self.cells[row, "key"], where(self.cells[row, "key"].is_(NONE), 0, place)
        place = self.put(row, "place", place)
        none = place.is_(0)
        for name in ("least", "most", "kind"):
            value = limits[name].value[int(place.value) - 1]
            self.put(
                row, name, where(none, 0, Live(f"INDEX({limits[name].text},{place.text})", value))
            )
        for name in ("low", "likely", "high"):
            self.put(row, name, where(key.is_(NONE), NONE, self.writer.raw(self.name, name, row)))
        shape = self.put(row, "shape", where(none, NONE, self._shape(row)))
        self._spread(row, either(none, shape.is_(NONE), shape.is_("number")))

    def _shape(self, row: int) -> Live:
        """Its own word, or what the cells that are filled say."""
        stated = self.writer.raw(self.name, "shape", row)
        low, likely, high = (self.cells[row, name] for name in ("low", "likely", "high"))
        is_alone = both(low.is_(NONE), high.is_(NONE))
        found = where(is_alone, where(likely.is_(NONE), NONE, "number"),
                      where(likely.is_(NONE), "between", "pert"))  # fmt: skip
        named: Any = live("?")
        for name in SHAPES:
            # its first word, as it is read: "normally" is none
            named = where(begins_with(stated.then(" "), f"{name} "), name, named)
        return where(stated.is_(NONE), found, named)

    def _spread(self, row: int, is_certain: Live) -> None:
        """The parameters of a belief, how much of it lies in the range of its number, and its mean
        there. Those that are not asked for are not worked out.
        """
        low, likely, high, shape, kind = (
            self.cells[row, name] for name in ("low", "likely", "high", "shape", "kind")
        )
        lowest, highest = self.cells[row, "least"], self.cells[row, "most"]
        is_share, is_change = kind.is_(SHARE), kind.is_(CHANGE)
        off = where(both(is_change, shape.is_("between")), 1, 0)  # of a factor 1 + change
        wide = high - low
        is_between, is_normal = shape.is_("between"), shape.is_("normal")
        is_beta, is_pert = shape.is_("beta"), shape.is_("pert")
        is_bounded = either(is_beta, is_pert, shape.is_("triangular"), shape.is_("uniform"))

        def odds(each: Live) -> Live:
            return ln(each / (1 - each))

        def either_end(by: Any, logged: Any) -> Live:
            return where(is_share, by(odds(low), odds(high)), by(*logged))

        logs = ln(off + low), ln(off + high)
        spread_of_logs = root(ln(1 + (high / low) ** 2))
        first = self._put_unless(row, "first", is_certain, [
            (is_between, either_end(lambda a, b: (a + b) / 2, logs)),
            (shape.is_("lognormal"), ln(low) - ln(1 + (high / low) ** 2) / 2),
            (is_pert, 1 + PERT_WEIGHT * (likely - low) / wide),
            (shape.is_("triangular"), (likely - low) / wide)], low)  # fmt: skip
        z90 = self.writer.z90
        second = self._put_unless(row, "second", is_certain, [
            (is_between, either_end(lambda a, b: (b - a) / (2 * z90), logs)),
            (shape.is_("lognormal"), spread_of_logs),
            (is_pert, 1 + PERT_WEIGHT * (high - likely) / wide)], high)  # fmt: skip

        # a bounded one from 0 to 1; of another the normal scores at the ends of its range
        base, unit = where(is_beta, 0, low), where(is_beta, 1, wide)
        top = where(is_beta, 1, high)
        is_odds = both(is_between, is_share)
        lower = self._put_unless(row, "lower", is_certain, [
            (is_bounded, (most(base, lowest) - base) / unit),
            (is_normal, (lowest - first) / second),
            (off + lowest <= 0, live(-BEYOND)),
            (is_odds, (odds(lowest) - first) / second)],
            (ln(off + lowest) - first) / second)  # fmt: skip
        upper = self._put_unless(row, "upper", is_certain, [
            (is_bounded, (least(top, highest) - base) / unit),
            (is_normal, (highest - first) / second),
            (both(is_odds, highest >= 1), live(BEYOND)),
            (is_odds, (odds(highest) - first) / second)],
            (ln(off + highest) - first) / second)  # fmt: skip

        is_whole = both(lower.is_(0), upper.is_(1))

        def of_beta(more: float) -> Live:
            a = first + more if more else first
            return beta_below(upper, a, second) - beta_below(lower, a, second)

        inside = self._put_unless(row, "inside", is_certain, [
            (shape.is_("uniform"), upper - lower),
            (both(is_bounded, is_whole), live(1)),
            (shape.is_("triangular"), _below_peak(upper, first) - _below_peak(lower, first)),
            (is_bounded, of_beta(0))],
            normal_below(upper) - normal_below(lower))  # fmt: skip
        ups = normal_below(upper - second) - normal_below(lower - second)
        bells = (exp(0 - lower**2 / 2) - exp(0 - upper**2 / 2)) / root(2 * Live("PI()", np.pi))
        self.put(row, "mean", where(is_certain, likely, first_of([
            (shape.is_("uniform"), base + unit * (lower + upper) / 2),
            (both(shape.is_("triangular"), is_whole), (low + likely + high) / 3),
            (shape.is_("triangular"),
             base + unit * (_moment(upper, first) - _moment(lower, first)) / inside),
            (both(is_bounded, is_whole), base + unit * first / (first + second)),
            (is_bounded, base + unit * first / (first + second) * of_beta(1) / inside),
            (is_normal, first + second * bells / inside),
            (is_odds, self._of_odds(first, second, lower, upper))],
            exp(first + second**2 / 2) * ups / inside - off)))  # fmt: skip

    def _put_unless(
        self, row: int, heading: str, unless: Live, cases: list[tuple[Live, Live]], last: Live
    ) -> Live:
        return self.put(row, heading, where(unless, NONE, first_of(cases, last)))

    def _of_odds(self, first: Live, second: Live, lower: Live, upper: Live) -> Live:
        """The mean of a logit-normal between two scores: there is no closed form."""
        start, end = most(lower, -FARTHEST), least(upper, FARTHEST)
        z = start + (end - start) * self.writer.nodes
        weights = self.writer.weights * exp(0 - z**2 / 2)
        values = 1 / (1 + exp(0 - (first + second * z)))
        return sum_product(weights * values) / sum_product(weights)

    def time(self) -> None:
        """From when a programme acts, and after how many months in full, beside each effect."""
        keys, owners = self.column("key"), self.column("of")
        likely = self.writer.source(self.name, "likely")
        for row in self.each():
            own = exactly(owners, self.cells[row, "of"])
            for name, said in (("begins", "from"), ("ramp", "ramp")):
                those = keys.is_(said) * own
                rows_there = those.value.nonzero()[0]
                value = likely.value[rows_there[0] + 1] if len(rows_there) else 1
                # the last row that says so: two of them are refused
                place = sum_product(those * self._places())
                cells = Live(f"INDEX({likely.text},{place.text})", value)
                found = where(sum_product(those).is_(1), cells, 1)
                self.put(row, name, where(is_number(found), found, 1))

    def _places(self) -> Live:
        """The number of each row, as `INDEX` counts them."""
        at = self.writer.page.range((1, 0), (self.last, 0), range(2, self.last + 2))
        return Live(f"ROW({at.text})", at.value)

    def acting(self, unknown: str, owners: str) -> Acting:
        """Judge each row; what it comes to where it may be used."""
        keys, of = self.column("key"), self.column("of")
        for row in self.each():
            key = self.cells[row, "key"]
            problem = where(key.is_(NONE), NONE, self._problem(row, keys, of, unknown))
            problem = self.put(row, "problem", problem)
            mean = self.cells[row, "mean"]
            may_act = both(problem.is_(NONE), is_number(mean))
            self.put(row, "value", where(may_act, mean, 0))
            for name in ("begins", "ramp"):
                self.cells.setdefault((row, name), live(1))
        self._tell()
        self.fill()
        wrong = sum_product(self.column("problem").is_not(NONE) * 1)
        unread = self.writer.present(self.name) - sum_product(keys.is_not(NONE) * 1)
        return Acting(
            keys,
            self.column(owners),
            self.column("value"),
            wrong + unread,
            self.column("begins"),
            self.column("ramp"),
        )

    def _tell(self) -> None:
        """For the sheet that is read: what each row acts with, or what is wrong with it."""
        for row in self.each():
            problem, kind = self.cells[row, "problem"], self.cells[row, "kind"]
            is_told = both(kind.is_not(TEXT), self.cells[row, "key"].is_not(NONE))
            what = where(problem.is_(NONE), where(is_told, self.cells[row, "value"], NONE), problem)
            self.put(row, "told", what)
        self.writer.acting[self.name] = self.column("told")

    def _problem(self, row: int, keys: Live, owners: Live, unknown: str) -> Live:
        """What is wrong with a row; "" where nothing is."""
        cells = {name: self.cells[row, name] for name in COLUMNS[:17] if (row, name) in self.cells}
        key, owner, kind, shape = (cells[name] for name in ("key", "of", "kind", "shape"))
        low, likely, high = (cells[name] for name in ("low", "likely", "high"))
        inside, mean = cells["inside"], cells["mean"]
        is_named = owner.is_not(NONE) if self.name == PROGRAMMES else self.writer.is_segment(owner)
        may_repeat = both(kind.is_(TEXT), key.is_("for"))
        alike = keys.is_(key) * exactly(owners, owner)
        if self.name == PROGRAMMES:  # segments may differ in capitals alone
            alike = alike * exactly(self.column("in"), cells["in"])
        twice = sum_product(alike) > 1
        gap = live(False)
        if self.name == TENURE:
            before = sum_product(keys.is_(key - 1) * exactly(owners, owner)).is_(0)
            gap = where(is_number(key), where(key > 1, before, live(False)), live(False))
        nobody = "names no programme" if self.name == PROGRAMMES else "no such segment in the book"

        peaked = either(shape.is_("pert"), shape.is_("triangular"))
        ends = both(is_number(low), is_number(high))
        is_alone = shape.is_("number")
        alone = both(is_number(likely), low.is_(NONE), high.is_(NONE))
        by_ends = both(ends, where(peaked, is_number(likely), likely.is_(NONE)))
        has_cells = where(is_alone, alone, by_ends)
        is_scaled = either(*(shape.is_(each) for each in ("normal", "lognormal", "beta")))
        positive = both(either(shape.is_("normal"), low > 0), high > 0)
        lowest = where(kind.is_(CHANGE), -1, 0)
        of_interval = both(low > lowest, low < high, either(kind.is_not(SHARE), high < 1))
        between_them = both(low <= likely, likely <= high, low < high)
        in_order = where(is_scaled, positive, where(shape.is_("between"), of_interval,
                         where(peaked, between_them, low < high)))  # fmt: skip
        is_whole = where(kind.is_(WHOLE), whole(likely).is_(likely), live(True))
        out = either(likely < cells["least"], likely > cells["most"])
        too_wide = both(shape.is_("between"), cells["second"] > WIDEST)
        return first_of([
            (cells["place"].is_(0), live(unknown)),
            (both(twice, may_repeat.is_(False)), live("stands twice")),
            (kind.is_(TEXT), live(NONE)),
            (is_named.is_(False), live(nobody)),
            (gap, live("the year before it is missing")),
            (shape.is_(NONE), live("holds no number: fill in likely, or low and high")),
            (shape.is_("?"), live("no known shape")),
            (has_cells.is_(False), live(OTHER_CELLS)),
            (both(kind <= PLAIN, is_alone.is_(False)), live("must be one number, in likely")),
            (is_alone, where(either(out, is_whole.is_(False)), "outside of what it may be", NONE)),
            (in_order.is_(False), live("low and high are not in order")),
            (too_wide, live("too wide an interval for a workbook: ask nrrsim expect")),
            (or_else(inside < LEAST_INSIDE, True), live("lies outside of what it may be")),
            (is_number(mean).is_(False), live("comes to no number: ask nrrsim expect"))],
            live(NONE))  # fmt: skip


def _below_peak(at: Live, peak: Live) -> Live:
    """How much of a triangle from 0 to 1 lies below, with its peak where it is."""
    falling = where(at >= 1, 1, 1 - (1 - at) ** 2 / (1 - peak))
    return where(at < peak, at**2 / peak, falling)


def _moment(at: Live, peak: Live) -> Live:
    """The same of what lies there times where it lies."""
    rising = 2 * at**3 / (3 * peak)
    falling = 2 * peak**2 / 3 + (at**2 - peak**2 - 2 * (at**3 - peak**3) / 3) / (1 - peak)
    return where(either(at < peak, peak.is_(1)), rising, falling)


def _wrong_segment(cells: Mapping[str, Live]) -> Live:
    """What is wrong with a row of `Book`; "" where nothing is."""
    customers, share = cells["customers"], cells["share"]
    spread, term, tenure = cells["spread"], cells["term"], cells["tenure"]
    numbers = [is_number(each) for each in (customers, share)]
    numbers += [either(each.is_(NONE), is_number(each)) for each in (spread, tenure)]
    is_whole = both(whole(customers).is_(customers), customers >= 0, customers <= MOST_CUSTOMERS)
    ranges = both(share >= 0, either(spread.is_(NONE), both(spread >= 0, spread <= MOST_SPREAD)),
                  either(tenure.is_(NONE), both(tenure >= 0, tenure <= 200)))  # fmt: skip
    return where(cells["segment"].is_(NONE), NONE, first_of([
        (both(*numbers).is_(False), live("customers and share must be numbers")),
        (is_whole.is_(False), live("customers must be a whole number")),
        (ranges.is_(False), live("outside of what it may be")),
        ((share > 0).is_not(customers > 0), live("ARR needs customers, and customers ARR")),
        (either(term.is_(NONE), term.is_("annual"), term.is_("monthly")).is_(False),
         live("term: annual or monthly"))], live(NONE)))  # fmt: skip
