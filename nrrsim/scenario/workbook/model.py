"""Numbers as they act in, the expectation month by month out, by formulas; never averages beliefs.

A block a segment: what drives it, then a row a month. To the left stand a month's rates and what
they move, to the right a column for all customers who share an anniversary (of a ledger's book
also their tenure, and what tells accounts apart): the probability to leave, the ARR that is there
(A) and that left (L), and the same of customers. See `engine.expectation`, whose steps and caps
these are:

    A <- A (1 - c) (1 + price) (1 - contraction) (1 + adoption) (1 + cross-sell) + back L
    L <- L (1 - w) + c A
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nrrsim import special
from nrrsim.months import month_number
from nrrsim.scenario.book import EVERY_SEGMENT, SyntheticBook
from nrrsim.scenario.drivers import (
    COUNTED,
    DRIVERS,
    HAZARD,
    MOST_OFF_ONE,
    MULTIPLIER_OF,
    MULTIPLIERS,
)
from nrrsim.scenario.numbers import MOST_OF_A_BETA
from nrrsim.scenario.scenario import Scenario
from nrrsim.scenario.workbook.cells import (
    NONE,
    Live,
    Page,
    begins_with,
    both,
    either,
    exactly,
    exp,
    first_of,
    is_number,
    least,
    left_over,
    live,
    most,
    normal_score,
    or_else,
    product_of,
    size_of,
    sum_of,
    sum_product,
    where,
    whole,
)
from nrrsim.scenario.workbook.looks import Looks
from nrrsim.scenario.workbook.working import Acting, Working

MODEL = "Model"
A_YEAR = 12  # months over which the levels of accounts are taken out
A_BIT = 1e-9  # a tenure in years times 12 may be a bit short of a month
REQUIRED = {driver: [("rate",), ("size", "size.mean")] for driver in COUNTED}
REQUIRED |= {"price": [("uplift",)], "reactivation": [("rate",)]}
DEFAULTS = {("price", "acceptance"): 1, ("reactivation", "size"): 1}
# What the levels of accounts are taken out with (`engine.levels`), beside seasons and curves.
OF_LEVELS = ("monthly terms", "churn: rate", "price: uplift", "price: churn_per_point",
             "price: month")  # fmt: skip
COUNTS = ("customers", "tenure years", "months of a season", "price: month")  # whole numbers
HAZARD_NAME = MULTIPLIERS[HAZARD]
LEAVES = "leaves"  # in the place of a hazard: leaves at the first chance
# Rates of a month, then what they move, each a column of a block.
OF_MONTH = ("month", "number", "calendar month", *(f"programmes: {each}" for each in DRIVERS),
            "tenure year", "churn a year", "season", "leaves, other month", "leaves, anniversary",
            "uplift", "price, other month", "price, anniversary", "contraction", "adoption",
            "cross_sell", "returns", "returns with")  # fmt: skip
FLOWS = ("opening", "churn", "price", "contraction", "adoption", "cross_sell", "reactivation",
         "closing", "customers", "check")  # fmt: skip
PATHS = ("leaves", "A", "L", "customers", "lapsed")
LOOK_OF = dict.fromkeys(("A", "L"), "money") | dict.fromkeys(("customers", "lapsed"), "customers")
LOOK_OF |= {"number": "count", "month": "text", "calendar month": "count", "tenure year": "count"}
LOOK_OF |= {"season": "number", "leaves": "percent", "check": "check"}
LOOK_OF |= {f"programmes: {driver}": "number" for driver in DRIVERS}


@dataclass(frozen=True)
class Column:
    """Customers who share a path: `arr` and `number` at the start, None where formulas say."""

    anniversary: int
    tenure: float = 0.0
    arr: float | None = None
    number: float | None = None
    multipliers: tuple[float, ...] | None = None


@dataclass
class Block:
    """A segment's cells: its `name`, what of it cannot be used (`problem`), and by flow the cells
    of each month, month 0 first; `months`, their names.
    fixed : what must stay as it was, where accounts differ. entries : by driver whose entry acts.
    """

    name: Live
    problem: Live
    flows: dict[str, list[Live]]
    months: list[Live]
    begins: Live
    fixed: list[Live] = field(default_factory=list)
    entries: dict[str, Live] = field(default_factory=dict)


def columns_of(scenario: Scenario, acting: np.ndarray | None) -> dict[str, list[Column]]:
    """By segment the columns of a ledger's book; twelve of a synthetic one."""
    if isinstance(scenario.book, SyntheticBook):
        return {name: [Column(r) for r in range(1, 13)] for name in scenario.segments}
    there = scenario.opening
    tenure = there.tenure if scenario.table.is_curved else np.zeros(len(there.arr))
    own = np.ones((len(there.arr), len(MULTIPLIERS))) if acting is None else acting
    keys = np.column_stack([there.segment, there.anniversary, tenure, own])
    kinds, of_customer = np.unique(keys, axis=0, return_inverse=True)
    arr = np.bincount(of_customer.ravel(), there.arr, len(kinds))
    number = np.bincount(of_customer.ravel(), minlength=len(kinds))
    found: dict[str, list[Column]] = {name: [] for name in there.segments}
    for kind, amount, count in zip(kinds, arr, number, strict=True):
        own_of = None if acting is None else tuple(map(float, kind[3:]))
        column = Column(int(kind[1]), float(kind[2]), float(amount), float(count), own_of)
        found[there.segments[int(kind[0])]].append(column)
    return found


def write_model(
    page: Page, looks: Looks, scenario: Scenario, work: Working, columns: dict[str, list[Column]]
) -> list[Block]:
    """Write the sheet; each segment's block."""
    start = _start(work, scenario)
    begins = page.put(1, 1, start, looks("count"), fixed=True)
    page.put(1, 0, "Month of the start, counted from year 0", looks("note"))
    arr = page.put(2, 1, work.field("arr"), looks("money"), fixed=True) if work.book else live(0)
    page.put(2, 0, "ARR at the start" if work.book else NONE, looks("note"))
    blocks, row = [], 4
    shares = sum_of(_shares(work)) if work.book else live(1)
    for place, name in enumerate(scenario.segments):
        writer = _Block(page, looks, scenario, work, row, begins, columns[name])
        stated = work.book[place] if work.book else None
        blocks.append(writer.write(name, stated, arr, shares))
        row = writer.end + 2
    page.put(0, 0, "The exact expectation, month by month", looks("title"))
    _set_up(page.sheet, max(map(len, columns.values())), row)
    return blocks


def _set_up(sheet: Any, widest: int, rows: int) -> None:
    """Widths, what stays in sight, and what is printed: rates and movements, not each column."""
    left = len(OF_MONTH) + len(FLOWS)
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, len(OF_MONTH) - 1, 11)
    sheet.set_column(len(OF_MONTH), left - 1, 12)
    sheet.set_column(left, left, 22)
    sheet.set_column(left + 1, left + len(PATHS) * (widest + 1), 11)
    sheet.freeze_panes(1, 1)
    sheet.hide_gridlines(2)
    sheet.set_landscape()
    sheet.set_paper(8)
    sheet.fit_to_pages(1, 0)
    sheet.print_area(0, 0, rows, left - 1)
    sheet.protect("", {"format_columns": True})


def _shares(work: Working) -> Live:
    cells = [each["share"] for each in work.book]
    first, last = cells[0].text, cells[-1].text.partition("!")[2]
    values = [each.value if is_number(each).value else 0.0 for each in cells]
    return Live(f"{first}:{last}", np.array(values, float))


def _start(work: Working, scenario: Scenario) -> Live:
    """The month of the start as a number: a text, or a date that a spreadsheet made of it."""
    stated = work.field("starts" if work.book else "as_of")
    text, value = stated.text, month_number(scenario.start)
    month = f"VALUE(LEFT({text},4))*12+VALUE(MID({text},6,2))-1"
    written = f'IF(MID({text},5,1)="-",{month},"?")'
    dated = f"IF(ISNUMBER({text}),YEAR({text})*12+MONTH({text})-1,{written})"
    held = NONE if value is None else float(value)
    return or_else(where(stated.is_(NONE), NONE, Live(dated, held)), "?")


@dataclass
class _Block:
    """One segment, from `row` on."""

    page: Page
    looks: Looks
    scenario: Scenario
    work: Working
    row: int
    begins: Live
    columns: list[Column]
    inputs: dict[str, Live] = field(default_factory=dict)
    fixed: list[Live] = field(default_factory=list)
    named: list[Live] = field(default_factory=list)

    def write(self, name: str, stated: dict[str, Live] | None, arr: Live, shares: Live) -> Block:
        named = live(name) if stated is None else stated["segment"]
        self.name = self.page.put(self.row, 0, named, self.looks("segment"), fixed=True)
        self.row += 1
        self._of_book(name, stated, arr, shares)
        self._drivers()
        problem = self._put("what is wrong", self._problem(), "text")
        flows = self._months()
        if self.scenario.opening.uneven:
            self.fixed += [self.inputs[name] for name in OF_LEVELS]
        entries = {driver: self.inputs[f"{driver}: entry"] for driver in DRIVERS}
        return Block(self.name, problem, flows, self.named, self.begins, self.fixed, entries)

    def _put(self, label: str, what: Any, look: str = "number") -> Live:
        """One line of what drives the segment."""
        self.page.put(self.row, 0, label, self.looks("label"))
        look = "count" if label.endswith(COUNTS) else look
        shown = self.looks(look, align="right")
        self.inputs[label] = self.page.put(self.row, 1, what, shown, fixed=True)
        self.row += 1
        return self.inputs[label]

    def _of_book(self, name: str, stated: dict[str, Live] | None, arr: Live, shares: Live) -> None:
        if stated is None:
            fields = self.work.fields, self.work.values
            is_its = exactly(fields[0], live("term.").then(self.name)) * fields[1].is_("monthly")
            self._put("monthly terms", sum_product(is_its) > 0, "text")
            return
        self._put("monthly terms", stated["term"].is_("monthly"), "text")
        share = where(is_number(stated["share"]), stated["share"], 0)
        self._put("ARR", or_else(arr * share / shares, 0), "money")
        for each in ("customers", "spread", "tenure"):
            self._put(each, where(is_number(stated[each]), stated[each], 0))

    def _drivers(self) -> None:
        """What each driver states of the segment: in its own entry, else in that of all."""
        for driver, nature in DRIVERS.items():
            self._put(f"{driver}: entry", self._entry(driver), "text")
            for name in nature.fields:
                if name == "size" and driver in COUNTED:
                    self._number(driver, name, "size", "size.mean")
                else:
                    self._number(driver, name, name)
            if driver == "price":
                self._number(driver, "month", "month")
            if driver == "churn":
                self._curve()

    def _of_entry(self, driver: str, numbers: Acting | None = None) -> Live:
        """The rows of the entry that acts, among all rows."""
        owners = (numbers or self.work.drivers).owners
        return exactly(owners, self.inputs[f"{driver}: entry"])

    def _entry(self, driver: str) -> Live:
        def stated(owner: Any) -> Live:
            drivers, tenure = self.work.drivers, self.work.tenure
            rows = sum_product(
                begins_with(drivers.keys, f"{driver}.") * exactly(drivers.owners, owner)
            )
            if driver != "churn":
                return rows
            return rows + sum_product(tenure.keys.is_not(NONE) * exactly(tenure.owners, owner))

        of_all = where(stated(EVERY_SEGMENT) > 0, EVERY_SEGMENT, NONE)
        return where(stated(self.name) > 0, self.name, of_all)

    def _named(self, driver: str, *names: str) -> Live:
        """The rows of those fields in the entry that acts."""
        keys = self.work.drivers.keys
        found = keys.is_(f"{driver}.{names[0]}")
        for name in names[1:]:
            found = found + keys.is_(f"{driver}.{name}")
        return found * self._of_entry(driver)

    def _number(self, driver: str, label: str, *names: str) -> None:
        """A number with its default; how often it is stated is told by `_stated`."""
        those = self._named(driver, *names)
        found = self.work.drivers.number(those)
        default = DEFAULTS.get((driver, label), 0)
        if default:
            found = where(sum_product(those).is_(0), default, found)
        self._put(f"{driver}: {label}", found)

    def _stated(self, driver: str, *names: str) -> Live:
        """How many rows state it."""
        return sum_product(self._named(driver, *names))

    def _curve(self) -> None:
        """Churn by tenure year, or its curve; and its season."""
        tenure = self.work.tenure
        mine = self._of_entry("churn", tenure)
        self._put("churn: tenure years", sum_product(is_number(tenure.keys) * mine))
        for name in ("alpha", "beta"):
            self._put(f"churn: {name}", tenure.number(tenure.keys.is_(name) * mine))
        drivers = self.work.drivers
        seasons = begins_with(drivers.keys, "churn.season.") * self._of_entry("churn")
        self._put("churn: months of a season", sum_product(seasons))
        self._put("churn: mean of the season", drivers.number(seasons) / 12)

    def _problem(self) -> Live:
        """What of the segment's entries cannot be used; "" where nothing is wrong."""
        of = self.inputs
        curve = of["churn: alpha"] + of["churn: beta"] > 0
        forms = self._stated("churn", "rate") + (of["churn: tenure years"] > 0) + curve
        half = (of["churn: alpha"] > 0).is_not(of["churn: beta"] > 0)
        seasons = of["churn: months of a season"]
        off = size_of(of["churn: mean of the season"] - 1) > MOST_OFF_ONE
        cases = [
            (both(of["churn: entry"].is_not(NONE), either(forms.is_not(1), half)),
             live("churn: state one of rate, tenure years, alpha and beta")),
            (both(seasons > 0, either(seasons.is_not(12), off)),
             live("churn: a season has 12 factors with a mean of 1")),
            (both(seasons > 0, of["monthly terms"].is_(False)),
             live("churn: a season is for monthly terms")),
            (both(either(seasons > 0, of["price: month"] > 0), is_number(self.begins).is_(False)),
             live("a season, or a month of the price, needs starts")),
        ]  # fmt: skip
        if "customers" in of:
            cases += self._of_laying_out(of["customers"], of["spread"])
        for driver, required in REQUIRED.items():
            for names in required:
                missing = self._stated(driver, *names).is_not(1)
                lacks = both(of[f"{driver}: entry"].is_not(NONE), missing)
                cases.append((lacks, live(f"{driver}: needs {names[0]}, once")))
        cases += self._of_sizes() + self._of_programmes()
        return first_of(cases, live(NONE))

    def _of_sizes(self) -> list[tuple[Live, Live]]:
        """A size that each event draws anew has mean and sd, and a Beta of them must exist."""
        cases = []
        for driver in COUNTED:
            mean, sd = (self._named(driver, f"size.{each}") for each in ("mean", "sd"))
            lacks = sum_product(mean).is_not(sum_product(sd))
            cases.append((lacks, live(f"{driver}: size.mean and size.sd go together")))
            if DRIVERS[driver].fields["size"].share:
                m, s = self.work.drivers.number(mean), self.work.drivers.number(sd)
                wide = both(s > 0, s**2 > MOST_OF_A_BETA * m * (1 - m))
                cases.append((wide, live(f"{driver}: no share has so large a size.sd")))
        return cases

    def _of_programmes(self) -> list[tuple[Live, Live]]:
        """A programme that changes a driver of this segment alone, which has no such driver."""
        of, cases = self.work.programmes, []
        for driver in DRIVERS:
            mine = begins_with(of.keys, f"{driver}.") * exactly(of.owners, self.name)
            idle = both(self.inputs[f"{driver}: entry"].is_(NONE), sum_product(mine) > 0)
            said = f"{driver}: a programme changes it, and the segment has none"
            cases.append((idle, live(said)))
        return cases

    def _of_laying_out(self, customers: Live, spread: Live) -> list[tuple[Live, Live]]:
        """What of a book's size the formulas cannot follow."""
        if self._is_beyond:
            changed = either(customers.is_not(customers.value), spread.is_not(spread.value))
            said = "customers or spread were changed, and so many are laid out by nrrsim alone"
            return [(changed, live(f"{said}: make a new workbook"))]
        most_of = 12 * len(self.work.steps.value)
        said = f"more customers than this workbook lays out ({most_of:,}): make a new one"
        return [(customers > most_of, live(said))]

    # --- months -------------------------------------------------------------------------------

    def _months(self) -> dict[str, list[Live]]:
        """A row a month, month 0 first."""
        self._heads()
        self.number = self._put_month(0)
        self.paths: dict[str, list[list[Live]]] = self._opening()
        flows = {name: [live(0.0)] for name in FLOWS}  # of month 0 only what is there
        for name, path in (("closing", "A"), ("customers", "customers")):
            flows[name] = [self._put_flow(name, sum_of(span(self.paths[path][0])))]
        for t in range(1, self.scenario.months + 1):
            self.row += 1
            rates = self._rates(t)
            self._move(rates, t)
            for name, cell in self._flows(rates, flows["closing"][-1], t).items():
                flows[name].append(cell)
        self.end = self.row
        return flows

    def _at(self, path: str, place: int = 0) -> int:
        """The column of a path."""
        before = len(OF_MONTH) + len(FLOWS) + 1
        return before + PATHS.index(path) * (len(self.columns) + 1) + place

    @property
    def _is_by_column(self) -> bool:
        """Whether the probability to leave depends on each column's own tenure."""
        return not self.work.book and self.scenario.table.is_curved

    def _heads(self) -> None:
        """What tells the columns apart, what churn comes to by tenure year, and the headings."""
        each = self.columns
        self.heads = {"anniversary": self._line("anniversary", [one.anniversary for one in each])}
        if self.work.book:
            weights = [self._weight(one.anniversary) for one in each]
            self.heads["weight"] = self._line("share of ARR, before it is scaled", weights)
        if any(one.multipliers for one in each):
            for place, name in enumerate(MULTIPLIERS):
                stated = [one.multipliers[place] for one in each if one.multipliers]
                told = [LEAVES if np.isinf(value) else value for value in stated]
                self.heads[name] = self._line(name, told)
        if self._is_by_column:
            self._line("tenure, months", [one.tenure for one in each])
            years = 1 + max((_year_of(one.tenure, self.scenario.months) for one in each), default=0)
            curve = [self._churn_in(live(y)) for y in range(years)]
            self.curve = self._line("churn by tenure year", curve)
            self.fixed += self.curve if self.scenario.opening.uneven else []

        self.page.sheet.set_row(self.row, 26)
        for place, name in enumerate((*OF_MONTH, *FLOWS)):
            self.page.put(self.row, place, _words(name), self.looks("head"))
        for path in PATHS:
            for place, one in enumerate(each):
                heading = f"{_words(path)} {one.anniversary}"
                self.page.put(self.row, self._at(path, place), heading, self.looks("head"))
        self.row += 1

    def _line(self, name: str, values: Sequence[Any]) -> list[Live]:
        """A line above the months, one cell a column."""
        first = self._at("leaves")
        self.page.put(self.row, first - 1, name, self.looks("note"))
        cells = [
            self.page.put(self.row, first + place, value, self.looks("plain"), fixed=True)
            for place, value in enumerate(values)
        ]
        self.row += 1
        return cells

    def _weight(self, anniversary: int) -> Live:
        """Of a segment's customers j = 0, 1, ... those of one anniversary, every twelfth: the sum
        of exp(spread z_j), z_j the normal score of (j + 1/2) / n.
        """
        customers, spread = self.inputs["customers"], self.inputs["spread"]
        if self._is_beyond:
            return live(self._laid_out(anniversary))
        j = self.work.steps + (anniversary - 1)
        is_one = j < customers
        # who is none of them has a score, too, so that no cell fails
        below = is_one * (j + 0.5) / most(customers, 1) + (1 - is_one * 1) * 0.5
        return sum_product(is_one * exp(spread * normal_score(below)))

    @property
    def _is_beyond(self) -> bool:
        """Whether the segment has more customers than formulas lay out."""
        return bool(self.inputs["customers"].value > 12 * len(self.work.steps.value))

    def _laid_out(self, anniversary: int) -> float:
        """The same sum as a number."""
        customers, spread = self.inputs["customers"].value, self.inputs["spread"].value
        j = np.arange(anniversary - 1, int(customers), 12)
        return float(np.exp(spread * special.ndtri((j + 0.5) / customers)).sum())

    def _opening(self) -> dict[str, list[list[Live]]]:
        """Each column at the start: a ledger's amounts, or a book's laid out by formulas."""
        paths: dict[str, list[list[Live]]] = {name: [[]] for name in PATHS}
        weights = sum_of(span(self.heads["weight"])) if self.work.book else live(1)
        for place, column in enumerate(self.columns):
            arr: Any = column.arr
            number: Any = column.number
            if self.work.book:
                of = self.inputs
                arr = or_else(of["ARR"] * self.heads["weight"][place] / weights, 0)
                number = whole((of["customers"] - column.anniversary + 12) / 12)
            paths["A"][0].append(self._put_path("A", place, arr))
            paths["customers"][0].append(self._put_path("customers", place, number))
            for name in ("L", "lapsed"):
                paths[name][0].append(self._put_path(name, place, 0.0))
        return paths

    def _put_path(self, path: str, place: int, what: Any) -> Live:
        return self.page.put(self.row, self._at(path, place), what, self.looks(LOOK_OF[path]))

    def _put_rate(self, name: str, what: Any, array: bool = False) -> Live:
        look = self.looks(LOOK_OF.get(name, "percent"))
        return self.page.put(self.row, OF_MONTH.index(name), what, look, array=array)

    def _put_flow(self, name: str, what: Live) -> Live:
        at = len(OF_MONTH) + FLOWS.index(name)
        return self.page.put(self.row, at, what, self.looks(LOOK_OF.get(name, "money")))

    def _put_month(self, t: int, before: Live | None = None) -> Live:
        """The month's name, its number and, where the book says which it is, its calendar month."""
        number = self._put_rate("number", t if before is None else before + 1)
        months = self.begins + number
        # in figures, as a format of dates is another one in another language
        zero = where(left_over(months, 12) < 9, "-0", "-")
        calendar = left_over(months, 12) + 1
        named = whole(months / 12).then(zero).then(calendar)
        named = where(is_number(self.begins), named, live("M").then(number))
        self.named.append(self._put_rate("month", named))
        self._put_rate("calendar month", where(is_number(self.begins), calendar, NONE))
        return number

    def _rates(self, t: int) -> dict[str, Live]:
        """What acts in a month, from the year's rates and programmes."""
        of, put = self.inputs, self._put_rate
        self.number = self._put_month(t, self.number)
        calendar = Live(*self._cell_of("calendar month", t))
        effect = {
            driver: put(f"programmes: {driver}", self._effect(driver), array=True)
            for driver in DRIVERS
        }
        self.effect_on_churn = effect["churn"]

        months = of.get("tenure", live(0)) * 12 + self.number - 1
        year = put("tenure year", most(whole(months / 12 + A_BIT), 0))
        annual = put("churn a year", least(1, self._churn_in(year) * effect["churn"]))
        season = put("season", self._season(calendar))
        if self.scenario.opening.uneven and t <= A_YEAR:
            self.fixed.append(season)
        rises = where(of["price: month"].is_(0), 1, where(calendar.is_(of["price: month"]), 1, 0))
        uplift = put("uplift", of["price: uplift"] * effect["price"] * rises)
        by_price, together = of["price: churn_per_point"] * uplift, of["price: month"] > 0

        rates = {"annual": annual, "season": season, "by price": by_price, "together": together}
        monthly = of["monthly terms"]
        other = where(monthly, _monthly(annual, season), 0) + where(together, by_price, 0)
        due = where(monthly, _monthly(annual, season), annual) + by_price
        rates["leaves"] = put("leaves, other month", least(1, other))
        rates["leaves due"] = put("leaves, anniversary", least(1, due))

        taken = of["price: acceptance"] * uplift
        rates["price due"] = put("price, anniversary", taken)
        rates["price"] = put("price, other month", where(together, taken, 0))
        for driver in COUNTED:
            often = least(DRIVERS[driver].most, of[f"{driver}: rate"] * effect[driver])
            rates[driver] = put(driver, often / 12 * of[f"{driver}: size"])
        back = least(1, of["reactivation: rate"] * effect["reactivation"])
        # who would come back with nothing does not come back
        back = where(of["reactivation: size"] > 0, _monthly(back), 0)
        rates["back"] = put("returns", back)
        rates["back with"] = put("returns with", rates["back"] * of["reactivation: size"])
        return rates

    def _cell_of(self, name: str, t: int) -> tuple[str, Any]:
        start = self.begins.value
        value = (start + t) % 12 + 1 if is_number(self.begins).value else NONE
        cell = self.page.cell(self.row, OF_MONTH.index(name), value)
        return cell.text, value

    def _effect(self, driver: str) -> Live:
        """By what the programmes multiply a driver's rate in a month: several multiply."""
        of = self.work.programmes
        in_segment = exactly(of.owners, self.name) + exactly(of.owners, EVERY_SEGMENT)
        met = of.keys.is_(driver) + begins_with(of.keys, f"{driver}.") * in_segment
        since = (self.number - of.begins + 1) / of.ramps
        reached = (since >= 1) + (since > 0) * (since < 1) * since
        return product_of(1 + met * of.values * reached)

    def _churn_in(self, year: Live) -> Live:
        """The annual probability to leave in a tenure year, the first being 0."""
        of, tenure = self.inputs, self.work.tenure
        stated = tenure.keys.is_(least(year + 1, of["churn: tenure years"]))
        by_year = tenure.number(stated * self._of_entry("churn", tenure))
        curve = of["churn: alpha"] / (of["churn: alpha"] + of["churn: beta"] + year)
        return where(of["churn: tenure years"] > 0, by_year,
                     where(of["churn: alpha"] > 0, curve, of["churn: rate"]))  # fmt: skip

    def _season(self, calendar: Live) -> Live:
        """By what a month's hazard is multiplied."""
        of, drivers = self.inputs, self.work.drivers
        those = drivers.keys.is_(live("churn.season.").then(calendar)) * self._of_entry("churn")
        factor = drivers.number(those) / of["churn: mean of the season"]
        return where(of["churn: months of a season"].is_(0), 1, or_else(factor, 0))

    def _move(self, rates: dict[str, Live], t: int) -> None:
        """Each column of a month, from the one before."""
        for path in self.paths.values():
            path.append([])
        size = {driver: self.inputs[f"{driver}: size"] for driver in COUNTED}
        for place, column in enumerate(self.columns):
            before = {name: self.paths[name][t - 1][place] for name in PATHS[1:]}
            is_due = left_over(self.number - self.heads["anniversary"][place], 12).is_(0)
            leaves = self._leaves(rates, place, column, is_due)
            leaves = self._put_path("leaves", place, leaves)
            often = {driver: rates[driver] for driver in COUNTED}
            if column.multipliers:
                for driver in COUNTED:
                    own = self.heads[MULTIPLIERS[MULTIPLIER_OF[driver]]][place]
                    # no more than one event a month
                    often[driver] = least(own * rates[driver], size[driver])
            price = where(is_due, rates["price due"], rates["price"])
            kept = before["A"] * (1 - leaves) * (1 + price) * (1 - often["contraction"])
            kept = kept * (1 + often["adoption"]) * (1 + often["cross_sell"])
            back, returns = rates["back"], rates["back with"]
            now = {
                "A": kept + returns * before["L"],
                "L": before["L"] * (1 - back) + leaves * before["A"],
                "customers": before["customers"] * (1 - leaves) + back * before["lapsed"],
                "lapsed": before["lapsed"] * (1 - back) + leaves * before["customers"],
            }
            self.paths["leaves"][t].append(leaves)
            for name, what in now.items():
                self.paths[name][t].append(self._put_path(name, place, what))

    def _leaves(self, rates: dict[str, Live], place: int, column: Column, is_due: Live) -> Live:
        """The probability that who shares a path leaves in a month."""
        found = where(is_due, rates["leaves due"], rates["leaves"])
        if self._is_by_column:
            year = self.curve[_year_of(column.tenure, int(self.number.value))]
            annual = least(1, year * self.effect_on_churn)
            by_price = where(either(is_due, rates["together"]), rates["by price"], 0)
            of_term = where(self.inputs["monthly terms"], _monthly(annual, rates["season"]),
                            where(is_due, annual, 0))  # fmt: skip
            found = least(1, of_term + by_price)
        if column.multipliers:
            own = self.heads[MULTIPLIERS[HAZARD]][place]
            at_first = where(found > 0, 1, 0)
            found = where(own.is_(LEAVES), at_first, where(own.is_(0), 0, 1 - (1 - found) ** own))
        return found

    def _flows(self, rates: dict[str, Live], opening: Live, t: int) -> dict[str, Live]:
        """What moves a segment in a month, in the order of the steps; it must tie."""
        put, here = self._put_flow, span(self.paths["A"][t - 1])
        leaves = span(self.paths["leaves"][t])
        anniversary = span(self.heads["anniversary"])
        is_due = left_over(self.number - anniversary, 12).is_(0)
        price = rates["price"] + is_due * (rates["price due"] - rates["price"])
        flow = {"opening": put("opening", opening)}
        flow["churn"] = put("churn", sum_product(leaves, here))
        flow["price"] = put("price", sum_product((1 - leaves) * here * price))

        kept: Live = flow["opening"] - flow["churn"] + flow["price"]
        of_each = (1 - leaves) * here * (1 + price)
        for driver, sign in (("contraction", -1), ("adoption", 1), ("cross_sell", 1)):
            if HAZARD_NAME not in self.heads:
                flow[driver] = put(driver, kept * rates[driver])
            else:
                share = self._capped(driver, rates)
                flow[driver] = put(driver, sum_product(of_each * share))
                of_each = of_each * (1 + sign * share)
            kept = kept + flow[driver] if sign > 0 else kept - flow[driver]
        lapsed = sum_of(span(self.paths["L"][t - 1]))
        flow["reactivation"] = put("reactivation", rates["back with"] * lapsed)
        flow["closing"] = put("closing", sum_of(span(self.paths["A"][t])))
        flow["customers"] = put("customers", sum_of(span(self.paths["customers"][t])))
        flow["check"] = put("check", kept + flow["reactivation"] - flow["closing"])
        return flow

    def _capped(self, driver: str, rates: dict[str, Live]) -> Live:
        """The share of ARR that a driver moves in a month, account by account: no more than one
        event a month moves.
        """
        share = span(self.heads[MULTIPLIERS[MULTIPLIER_OF[driver]]]) * rates[driver]
        size = self.inputs[f"{driver}: size"]
        return (share < size) * share + (share >= size) * size


def span(cells: Sequence[Live]) -> Live:
    """Cells that stand beside each other, as a range."""
    last = cells[-1].text.partition("!")[2]
    # where a check fails cells are empty
    values = [each.value if is_number(each).value else np.nan for each in cells]
    return Live(f"{cells[0].text}:{last}", np.array(values, float))


def _monthly(annual: Live, season: Live | None = None) -> Live:
    """The probability of a month whose twelve make up the year's; by its season, where it has."""
    if season is None:
        return 1 - (1 - annual) ** (live(1) / 12)
    return where(season.is_(0), 0, 1 - (1 - annual) ** (season / 12))


def _year_of(tenure: float, t: int) -> int:
    """The tenure year in month t, the first being 0, of who has that many months at the start."""
    return max(int((tenure + t - 1) // 12), 0)


def _words(name: str) -> str:
    return name.replace("_", " ")
