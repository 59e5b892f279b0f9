"""A Comparison in, the facts of its report's sentences out; never writes one, never a metric.

`Report` holds what every template of `comparison/` may say, the other classes what single ones may
say besides; plain values all. Amounts are ARR in `currency`, ratios are plain (1.05); what is not
known is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from nrrsim.benchmarks import SURVEY, SURVEY_SOURCE, USUAL_UPLIFT, USUAL_UPLIFT_SOURCE
from nrrsim.movements import LOSSES
from nrrsim.notation import (
    MINUS,
    count,
    counted,
    label,
    money,
    percent,
    points,
    share,
    signed_money,
)
from nrrsim.report.wording.facts import Change, Checks, Ratio, bad_to_good, changes
from nrrsim.report.wording.labels import (
    GROUP_WORDS,
    SHOCK,
    STANDINGS,
    YEAR_EFFECT,
    Markdown,
    assumption,
    belief,
    decided_of,
    of_accounts,
    of_segment,
    span,
)
from nrrsim.scenario.drivers import DRIVERS
from nrrsim.scenario.table import between, in_words
from nrrsim.scenario.year_effects import factor_range, swing

if TYPE_CHECKING:
    from nrrsim.analysis.comparison import Comparison
    from nrrsim.scenario.numbers import Range
    from nrrsim.scenario.scenario import Scenario

SMALL = 5e-4  # of NRR: below what is printed
ON_CARDS = 2  # scenarios whose key figures fit on cards; more stand in a table
PUBLISHED_BY, USUAL_UPLIFT_BY = Markdown(SURVEY_SOURCE), Markdown(USUAL_UPLIFT_SOURCE)


# --- frames for pictures and tables ------------------------------------------------------------


def assumptions(c: Comparison) -> pd.DataFrame:
    """What the scenarios assume where they differ, or all of one alone: a row a number, a column a
    scenario.
    """
    texts = {
        what: [cells.get(number, "–") for number in range(len(c.scenarios))]
        for what, cells in _rows(c).items()
    }
    if len(c.scenarios) > ON_CARDS:  # what a range is stands below the table, once
        texts = {
            what: [re.sub(r"\(90% (range|of events) ", "(", cell) for cell in cells]
            for what, cells in texts.items()
        }
    rows = [
        [what, *cells]
        for what, cells in texts.items()
        if len(c.scenarios) == 1 or len(set(cells)) > 1
    ]
    return pd.DataFrame(rows, columns=["Assumption", *c.names])


def parts(c: Comparison, number: int = 1) -> pd.DataFrame:
    """The bridge's parts with their names in words."""
    frame = c.parts(number)
    return frame.assign(group=frame["group"].map({**GROUP_WORDS, "all": "Total"}))


def by_driver(c: Comparison) -> pd.DataFrame:
    """Every scenario's difference from the first, with the drivers in words."""
    frame = c.by_driver()
    return frame.assign(group=frame["group"].map({**GROUP_WORDS, "all": "Total"}))


def bridge(c: Comparison, number: int = 1) -> pd.DataFrame:
    """The bridge with its steps in words."""
    frame = c.bridge(number)
    ends = frame["kind"] == "total"
    return frame.assign(step=frame["step"].where(ends, frame["step"].map(GROUP_WORDS)))


def needed(c: Comparison) -> pd.DataFrame:
    """What each lever would have to be, in words: a row a lever, and one for all together."""
    rows = []
    for name, lever in c.frontier["levers"].items():
        if lever["status"] == "absent":
            continue
        reached = lever["factor"] is not None
        range_ = DRIVERS[name].fields[DRIVERS[name].multiplied]
        rows.append(
            {
                "lever": assumption(name, DRIVERS[name].multiplied),
                "now": _range(lever["now"], range_),
                "needed": _range(lever["needed"], range_) if reached else "not reachable alone",
                "factor": f"{lever['factor']:.2f}x" if reached else "–",
                "beside": _beside(lever) if reached else "–",
            }
        )
    x, beside = c.frontier["together"], c.frontier["beside"]
    text = "not reachable" if x is None else _moves(x)
    told = _beside(beside) if beside else "–"
    rows.append(
        {"lever": GROUP_WORDS["all"], "now": "", "needed": text, "factor": "", "beside": told}
    )
    return pd.DataFrame(rows)


def tornado(c: Comparison) -> pd.DataFrame:
    """The assumptions that matter most, with their names in words."""
    frame = bad_to_good(c.tornado())
    names = [belief(name, c.labels) for name in frame["name"]]
    return frame.assign(name=names, effect=frame["effect"].clip(lower=0))


def paths(c: Comparison) -> pd.DataFrame:
    """The ARR paths as the fan takes them."""
    frame = c.paths().rename(columns={"own": "middle"})
    return frame.assign(period=frame["year"].map(lambda year: f"Year {year}" if year else "Today"))


def ahead(c: Comparison) -> pd.DataFrame:
    """By how much the second scenario is ahead, with the years in words."""
    frame = c.ahead()
    return frame.assign(year=[counted(year, "year") for year in frame["year"]])


def programmes(c: Comparison) -> pd.DataFrame:
    """The programmes, with their months and returns in words."""
    frame = c.programmes()
    months = [
        f"month {a}, month {b}" for a, b in zip(frame["begins"], frame["complete"], strict=True)
    ]
    several = frame["scenario"].nunique() > 1
    names = [
        f"{label(b)} ({a})" if several else label(b)
        for a, b in zip(frame["scenario"], frame["name"], strict=True)
    ]
    returned = [
        f"{each:.1f}x".replace("-", MINUS) if each == each else "–" for each in frame["returned"]
    ]
    cost = [money(each, c.currency) if each == each else "–" for each in frame["cost"]]
    how = [each.capitalize() if isinstance(each, str) else "Judged" for each in frame["measured"]]
    return frame.assign(months=months, name=names, returned=returned, cost=cost, effect=how)


def values(c: Comparison) -> pd.DataFrame:
    """What a rule of thumb would make of each, with the multiple in words."""
    frame = c.values()
    return frame.assign(
        multiple=[
            f"{each:.1f}x" if each == each else "none published" for each in frame["multiple"]
        ]
    )


def checks(c: Comparison) -> pd.DataFrame:
    """The checks, with yes or no."""
    frame = c.checks()
    return frame.assign(
        holds=frame["holds"].map({True: "yes", False: "NO"}),
        difference=[f"{100 * each:.4f} pts" for each in frame["difference"]],
    )


def _rows(c: Comparison) -> dict[str, dict[int, str]]:
    """By assumption, what each scenario (by its place) states: book, drivers, programmes."""
    rows: dict[str, dict[int, str]] = {}

    def say(what: str, place: int, text: str) -> None:
        rows.setdefault(what, {})[place] = text

    for place, scenario in enumerate(c.scenarios):
        book = scenario.opening
        say("Opening ARR", place, money(book.arr.sum(), book.currency))
        for number, segment in enumerate(book.segments):
            mine, name = book.segment == number, label(segment, c.labels)
            say(f"{name}: share of ARR", place, percent(book.arr[mine].sum() / book.arr.sum()))
            say(f"{name}: customers", place, count(mine.sum()))
            say(f"{name}: term", place, "annual" if book.annual[number] else "monthly")
    for driver in DRIVERS:
        for place, scenario in enumerate(c.scenarios):
            for key in scenario.table.entries[driver]:
                for field, text in scenario.table.words(driver, key).items():
                    say(of_segment(assumption(driver, field), key, c.labels), place, text)
    for place, scenario in enumerate(c.scenarios):
        for driver, common in scenario.shock.items():
            what = f"{belief(SHOCK)}: {GROUP_WORDS[driver].lower()}"
            say(what, place, f"{swing(*factor_range(common))} (90% range)")
        for driver, own in scenario.year_effects.items():
            say(belief(YEAR_EFFECT + driver), place, f"{swing(*factor_range(own))} (90% range)")
        if scenario.table.ties:
            say("Correlations", place, _correlations(c, scenario))
        if scenario.programmes:
            say("Programmes", place, ", ".join(map(label, scenario.programmes)))
        for each in scenario.table.uncertain_effects:
            say(belief(each.name, c.labels), place, each.words)
        if some := of_accounts(scenario):
            say("Accounts with rates of their own", place, some)
        if decided := decided_of(scenario):
            say("Decided accounts", place, "; ".join(decided))
    return rows


def _correlations(c: Comparison, scenario: Scenario) -> str:
    return "; ".join(
        f"{belief(a, c.labels)} with {belief(b, c.labels)}: {rho:g}".replace(": -", f": {MINUS}")
        for a, b, rho in scenario.table.ties
    )


def _range(values: Mapping[str, float], range_: Range) -> str:
    """What a lever is in its segments: one number, or from the smallest to the largest."""
    known = [each for each in values.values() if each]
    if not known:
        return "–"
    low, high = in_words(min(known), range_), in_words(max(known), range_)
    return low if low == high else between(min(known), max(known), range_)


def _beside(told: Mapping[str, Any]) -> str:
    if told.get("standing"):
        return f"GRR {percent(told['grr_flow'])}, {STANDINGS[told['standing']]}"
    if told.get("usual_uplift"):
        low, high = told["usual_uplift"]
        return f"{low:.0%} to {high:.0%} a year is usual"
    return "no published figure"


def _moves(x: float) -> str:
    """All levers together by x: what that means."""
    more, less = ("+", "−") if x > 0 else ("−", "+")
    # no less than none of either
    losses, gains = min(abs(x), 1.0) if x > 0 else -x, x if x > 0 else min(-x, 1.0)
    return f"losses {less}{losses:.0%}, gains {more}{gains:.0%}"


# --- key figures -------------------------------------------------------------------------------


def key_figures(c: Comparison) -> list[tuple[str, str, str]]:
    """Label, value and comparison of each key figure of one or two scenarios; none of more, whose
    figures stand in a table.
    """
    if len(c.scenarios) > ON_CARDS:
        return []
    rows, goal = c.overview().to_dict("records"), percent(c.target)
    if len(rows) == 1:
        (row,) = rows
        low, high = percent(row["p05"]), percent(row["p95"])
        grown = signed_money(row["closing"] - c.opening, c.currency)
        closing = money(row["closing"], c.currency)
        return [
            ("Expected NRR", percent(row["nrr"]), _vs_target(row["to_target"], goal)),
            (f"Probability of {goal}", share(row["p_target"]), f"90% range {low} to {high}"),
            ("Expected GRR", percent(row["grr_flow"]), f"logo retention {percent(row['logo'])}"),
            (f"ARR after {span(c.first.months)}", closing, f"{grown} vs today"),
        ]
    (apart,) = c.apart
    return [
        *((row["name"], percent(row["nrr"]), _vs_target(row["to_target"], goal)) for row in rows),
        (
            "Difference",
            points(rows[1]["difference"]),
            f"90% range {points(apart['p05'])} to {points(apart['p95'])}",
        ),
        (
            "Difference in ARR",
            signed_money(_gained(c), c.currency),
            f"after {span(c.first.months)}, on {money(c.opening, c.currency)}",
        ),
    ]


def _vs_target(difference: float, goal: str) -> str:
    if abs(difference) < SMALL:
        return f"on target ({goal})"
    return f"{points(difference)} vs target of {goal}"


def _gained(c: Comparison) -> float:
    """What the scenario that is judged adds to the first's opening ARR."""
    told = c.overview()["difference"].tolist()
    return float(told[:ON_CARDS][-1] * c.opening)


# --- facts -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Report:
    """What every sentence may say; what is published is of twelve months.

    `proposed` is the scenario that is judged: the second, or the only one (`alone`).
    """

    names: tuple[str, ...]
    first: str
    proposed: str
    alone: bool
    months: int
    opening: float
    currency: str
    target: float
    trials: int
    seed: Markdown  # a number without thousands
    published_nrr: tuple[float, ...] = SURVEY["nrr"]
    published_grr: tuple[float, ...] = SURVEY["grr"]
    published_by: Markdown = PUBLISHED_BY
    usual_uplift: tuple[float, float] = USUAL_UPLIFT
    usual_uplift_by: Markdown = USUAL_UPLIFT_BY

    @classmethod
    def of(cls, c: Comparison) -> Self:
        """The facts of a Comparison."""
        return cls(
            names=tuple(c.names),
            first=c.names[0],
            proposed=c.proposed.title,
            alone=len(c.scenarios) == 1,
            months=c.first.months,
            opening=c.opening,
            currency=c.currency,
            target=c.target,
            trials=c.trials,
            seed=Markdown(c.seed),
        )


@dataclass(frozen=True)
class Standing:
    """Where a scenario stands; `to_target`: its NRR less the target, None where it is met exactly.

    `p_target`: how likely it is to be reached.
    """

    name: str
    nrr: float
    to_target: float | None
    p05: float
    p95: float
    p_target: float
    closing: float


@dataclass(frozen=True)
class Pair:
    """The second scenario less the first: ARR gained, and the 90% range of the difference in NRR.

    `p_above`: in which share of trials it is above. What is gained in two years is told of
    scenarios of one.
    """

    gained: float
    p05: float
    p95: float
    p_above: float
    two_years: float | None
    two_years_simple: float | None  # by simple compounding

    @classmethod
    def of(cls, c: Comparison) -> Self:
        ahead, apart = c.ahead(), c.apart[0]
        is_told = len(ahead) > 1 and c.first.months == 12
        two = (float(ahead["own"][1]), float(ahead["simple"][1])) if is_told else (None, None)
        return cls(_gained(c), apart["p05"], apart["p95"], apart["p_above"], *two)


@dataclass(frozen=True)
class Cost:
    """What a scenario's programmes cost together."""

    name: str
    cost: float


@dataclass(frozen=True)
class WhereWeStand:
    """Each scenario against the target, the one that reaches it most often; of two, the pair.

    `actual`: NRR of the twelve months to `start`, where the first scenario's book is of a ledger.
    `costs`: those of the scenarios whose programmes cost anything.
    """

    standings: tuple[Standing, ...]
    best: Standing
    pair: Pair | None
    actual: float | None
    start: str
    costs: tuple[Cost, ...]

    @classmethod
    def of(cls, c: Comparison) -> Self:
        rows = c.overview().to_dict("records")
        known = ("name", "nrr", "to_target", "p05", "p95", "p_target", "closing")
        met = {"to_target": None}
        standings = tuple(
            Standing(
                **{key: row[key] for key in known} | (met if abs(row["to_target"]) < SMALL else {})
            )
            for row in rows
        )
        best = max(standings, key=lambda each: each.p_target)
        pair = Pair.of(c) if len(rows) == ON_CARDS else None
        costs = (
            Cost(each.title, sum(one.cost for one in each.programmes.values()))
            for each in c.scenarios
        )
        told = tuple(each for each in costs if each.cost > 0)
        return cls(standings, best, pair, c.actual, c.first.start, told)


@dataclass(frozen=True)
class Difference:
    """A scenario's difference from the first, and the parts of it that show, the largest first."""

    name: str
    change: float
    parts: tuple[Change, ...]

    @classmethod
    def of(cls, c: Comparison, number: int) -> Self:
        frame = c.parts(number).iloc[:-1]
        causes = [_cause(*each) for each in zip(frame["group"], frame["part"], strict=True)]
        told = changes(frame.assign(group=causes), "group", "part")
        shown = tuple(each for each in told if abs(each.change) >= SMALL)
        return cls(c.names[number], c.bridges[number - 1].difference, shown)


def _cause(group: str, part: float) -> Markdown:
    """What a part of a difference comes from: lower churn, higher adoption; price; segment mix."""
    word = GROUP_WORDS[group].lower()
    if group in ("price", "mix", "accounts"):
        return Markdown(word)
    is_more = (part > 0) != (group in LOSSES)
    return Markdown(f"{'higher' if is_more else 'lower'} {word}")


@dataclass(frozen=True, kw_only=True)
class Why:
    """What makes the scenarios differ; of one alone what it expects, and its largest uncertainty.

    Where all of the second's parts work the same way: the share of the first three, if there are
    more, and the segment that accounts for most. `lost` and `gained` are shares of opening ARR.
    """

    differences: tuple[Difference, ...] = ()
    share_of_three: float | None = None
    segment: Change | None = None
    lost: float = 0.0
    gained: float = 0.0
    gains: tuple[Change, ...] = ()
    belief: str | None = None
    is_year: bool = False
    known: float | None = None

    @classmethod
    def of(cls, c: Comparison) -> Self:
        if len(c.scenarios) == 1:
            frame = c.movements()
            frame = frame.assign(step=frame["step"].map(GROUP_WORDS).str.lower().map(Markdown))
            frame = frame.sort_values("part", ascending=False)
            told = changes(frame, "step", "part")
            return cls(
                lost=-sum(each.change for each in told if each.change < 0),
                gained=sum(each.change for each in told if each.change > 0),
                gains=tuple(each for each in told if each.change >= SMALL),
                **vars(Tornado.of(c)),
            )
        differences = tuple(Difference.of(c, number) for number in range(1, len(c.scenarios)))
        parts, whole = differences[0].parts, differences[0].change
        if abs(whole) < SMALL or not all(each.change * whole > 0 for each in parts):
            return cls(differences=differences)
        three = round(sum(each.change for each in parts[:3]) / whole, 3) if len(parts) > 3 else None
        totals = c.parts().iloc[-1]
        by_segment = [
            Change(label(name, c.labels), float(totals[f"in {name}"]))
            for name in c.bridges[0].segments["mix"]
        ]
        most = max(by_segment, key=lambda each: abs(each.change))
        shows = len(by_segment) > 1 and most.change * whole > 0
        return cls(differences=differences, share_of_three=three, segment=most if shows else None)


@dataclass(frozen=True)
class Lever:
    """A lever that reaches the target alone: the factor on its rate, or the price increase."""

    name: Markdown
    factor: float
    uplift: float | None


def _standing(told: Mapping[str, Any]) -> Markdown | None:
    name = told.get("standing")
    return Markdown(STANDINGS[name]) if name else None


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """What it takes to get from the first scenario to the target.

    A standing is where a figure lies among published ones, in words; `is_rare`: that of the target
    is above three of four.
    """

    nrr: float
    met: bool
    standing: Markdown | None
    is_rare: bool
    ways: tuple[Lever, ...]  # price last
    never: tuple[Markdown, ...]
    together: float | None  # by how much all levers move at once
    together_grr: float | None
    together_standing: Markdown | None
    likely: float | None  # all levers at once, for a probability of 80%
    likely_share: float | None

    @classmethod
    def of(cls, c: Comparison) -> Self:
        told, levers = c.frontier, c.frontier["levers"]
        beside = told["beside"] or {}
        reached = [name for name, lever in levers.items() if lever["factor"] is not None]
        reached.sort(key=lambda name: name == "price")
        ways = (
            Lever(Markdown(GROUP_WORDS[n]), levers[n]["factor"], levers[n]["uplift"])
            for n in reached
        )
        likely, likely_share = c.likely or (None, None)
        return cls(
            nrr=told["nrr"],
            met=told["nrr"] >= c.target - SMALL,
            standing=_standing(told),
            is_rare=told["standing"] == "above p75",
            ways=tuple(ways),
            never=tuple(
                Markdown(GROUP_WORDS[n]) for n in levers if levers[n]["status"] == "not reachable"
            ),
            together=told["together"],
            together_grr=beside.get("grr_flow"),
            together_standing=_standing(beside),
            likely=likely,
            likely_share=likely_share,
        )


@dataclass(frozen=True)
class Bridge:
    """The largest standard error of the parts, and what churn and contraction contribute together.

    None where those do not both differ.
    """

    error: float
    gross_retention: float | None

    @classmethod
    def of(cls, c: Comparison) -> Self | None:
        if len(c.scenarios) == 1:
            return None
        told = c.bridges[0]
        both = all(abs(told.parts[each]) >= SMALL for each in LOSSES)
        gross = told.vectors["gross_retention"]
        return cls(max(told.standard_errors.values()), gross if both else None)


@dataclass(frozen=True)
class Assumptions:
    """Whether the scenarios assume anything that differs."""

    differ: bool

    @classmethod
    def of(cls, c: Comparison) -> Self:
        return cls(len(assumptions(c)) > 0)


@dataclass(frozen=True)
class Apart:
    """The standard error of the mean difference; by how much common draws narrow its variance."""

    error: float
    narrower: float | None

    @classmethod
    def of(cls, c: Comparison) -> Self | None:
        if len(c.scenarios) == 1:
            return None
        times = c.apart[0]["narrower"]
        return cls(c.apart[0]["se"], times if times >= 1.5 and isfinite(times) else None)


@dataclass(frozen=True)
class Tornado:
    """The belief that matters most in the scenario that is judged, and its share of the variance.

    `is_year`: it is how good the year is for all customers.
    """

    belief: str | None
    is_year: bool
    known: float | None

    @classmethod
    def of(cls, c: Comparison) -> Self:
        first = next(iter(c.sensitivity.beliefs), None)
        if first is None:
            return cls(None, False, None)
        return cls(belief(first.name, c.labels), first.name == SHOCK, first.known)


@dataclass(frozen=True)
class Drift:
    """The segment whose share of ARR grows most over the years, from and to."""

    segment: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Paths:
    """ARR of the scenario that is judged at the end, by how much it is ahead, and its mix's drift.

    `ahead` is None of one scenario alone.
    """

    years: int
    closing: float
    low: float
    high: float
    ahead: float | None
    ahead_simple: float | None
    drift: Drift | None

    @classmethod
    def of(cls, c: Comparison) -> Self:
        ahead, mix, frame = c.ahead(), c.mix(), c.paths()
        name = c.proposed.title
        end = frame[frame["name"] == name].iloc[-1]
        mine = mix[mix["name"] == name]
        moved = mine.iloc[int((mine["end"] - mine["start"]).argmax())]
        drift = Drift(label(moved["segment"], c.labels), float(moved["start"]), float(moved["end"]))
        shows = len(mine) > 1 and drift.end - drift.start > 0.005
        own, simple = (
            float(ahead[key].iloc[-1]) if len(ahead) else None for key in ("own", "simple")
        )
        return cls(
            years=c.years,
            closing=float(end["own"]),
            low=float(end["low"]),
            high=float(end["high"]),
            ahead=own,
            ahead_simple=simple,
            drift=drift if shows else None,
        )


@dataclass(frozen=True)
class Values:
    """Where the multiples of the rule of thumb are from."""

    source: str

    @classmethod
    def of(cls, c: Comparison) -> Self | None:
        return cls(" ".join(c.multiples_source.split()).rstrip(".")) if c.multiples else None


@dataclass(frozen=True, kw_only=True)
class Programmes:
    """What the programmes of one scenario add, and which brings most ARR for its cost."""

    title: str
    added: float
    nrr: float
    best: str
    returned: float | None  # ARR for each 1 spent on the best, where that shows
    others: tuple[Ratio, ...]

    @classmethod
    def of(cls, c: Comparison) -> Self | None:
        if not c.shares:
            return None
        title, shares = c.shares[0]
        best = max(shares, key=lambda each: each.returned or 0.0)
        nrr = {name: told["nrr"] for name, told in zip(c.names, c.expected, strict=True)}
        return cls(
            title=title,
            added=sum(each.nrr for each in shares),
            nrr=nrr.pop(title),
            best=label(best.name),
            returned=best.returned if (best.returned or 0.0) >= 0.05 else None,
            others=tuple(Ratio(name, each) for name, each in nrr.items()),
        )


@dataclass(frozen=True)
class Distance(Checks):
    """The checks, and how far simulated ranges are from computed ones at most, in standard
    errors.
    """

    distance: float

    @classmethod
    def of(cls, c: Comparison) -> Self:
        most = max(each["ratio"] for each in c.apart_from_trials)
        return cls(**vars(Checks.of(c)), distance=most)


@dataclass(frozen=True)
class Provenance:
    """The largest standard error of a computed range."""

    error: float

    @classmethod
    def of(cls, c: Comparison) -> Self:
        return cls(max(law.nrr.error for law in c.laws))


@dataclass(frozen=True)
class Reason:
    """What a scenario says of itself."""

    name: str
    because: str


@dataclass(frozen=True)
class WhyEach:
    """What those scenarios that give a reason say of themselves."""

    reasons: tuple[Reason, ...]

    @classmethod
    def of(cls, c: Comparison) -> Self:
        told: dict[str, str] = {}  # a scenario that states no reason has that of the one it extends
        for each in c.scenarios:
            told.setdefault(" ".join(each.because.split()), each.title)
        return cls(tuple(Reason(title, because) for because, title in told.items() if because))


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Scenarios with a flow GRR below 0, books that differ in size, and what each has to note.

    `forecast`: those whose ranges are of the forecast that they state, `driven` those without one;
    `unproven`: of the former those whose drivers past years do not bear out.
    """

    below_zero: tuple[str, ...]
    books_differ: bool
    notices: tuple[str, ...]
    forecast: tuple[str, ...] = ()
    driven: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()

    @classmethod
    def of(cls, c: Comparison) -> Self:
        sizes = [each.opening.total / c.opening for each in c.scenarios]
        ahead = [each for each in c.scenarios if each.outlook and each.transport() is not None]
        return cls(
            forecast=tuple(each.title for each in ahead),
            driven=tuple(each.title for each in c.scenarios if each not in ahead),
            unproven=tuple(
                each.title for each in ahead if each.outlook and not each.outlook.recurs
            ),
            below_zero=tuple(each["title"] for each in c.expected if each["grr_flow"] < 0),
            books_differ=any(abs(size - 1) > 1e-6 for size in sizes),
            notices=tuple(dict.fromkeys(note for each in c.scenarios for note in each.notices)),
        )


SENTENCES: Mapping[str, Any] = {
    "where_we_stand": WhereWeStand,
    "why": Why,
    "what_it_takes": Frontier,
    "distributions": WhereWeStand,
    "overview": None,  # Report alone
    "scenarios_heading": None,
    "why_each": WhyEach,
    "assumptions": Assumptions,
    "by_driver_heading": Bridge,
    "parts": Bridge,
    "apart": Apart,
    "rare": Frontier,
    "needed": Frontier,
    "tornado": Tornado,
    "paths": Paths,
    "values": Values,
    "programmes_heading": Programmes,
    "programmes": Programmes,
    "checks": Distance,
    "limits": Limits,
    "provenance": Provenance,
    "slide_scenarios": WhereWeStand,
    "slide_difference": WhereWeStand,
}
