"""A Comparison in, the facts of its report's sentences out; never writes one, never a metric.

`Report` holds what every template of `comparison/` may say, the other classes what single ones may
say besides; plain values all. Amounts are ARR in `currency`, ratios are plain (1.05); what is not
known is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from nrrsim.benchmarks import SURVEY, SURVEY_SOURCE, USUAL_UPLIFT, USUAL_UPLIFT_SOURCE
from nrrsim.notation import MINUS, count, counted, money, percent, points, signed_money
from nrrsim.report.wording.facts import Change, Checks, Ratio, changes
from nrrsim.report.wording.labels import GROUP_WORDS, Markdown, belief, field_of, span
from nrrsim.scenario.drivers import DRIVERS
from nrrsim.scenario.numbers import Sized
from nrrsim.scenario.table import PLAIN_NUMBERS

if TYPE_CHECKING:
    from nrrsim.analysis.comparison import Comparison
    from nrrsim.scenario.scenario import Scenario

SMALL = 5e-4  # of NRR: below what is printed
PUBLISHED_BY, USUAL_UPLIFT_BY = Markdown(SURVEY_SOURCE), Markdown(USUAL_UPLIFT_SOURCE)


# --- frames for pictures and tables ------------------------------------------------------------


def believed(c: Comparison) -> pd.DataFrame:
    """What the scenarios believe, only where they differ: a row a number, a column a scenario."""
    rows = _rows(c.scenarios)
    texts = {
        label: [cells.get(number, "–") for number in range(len(c.scenarios))]
        for label, cells in rows.items()
    }
    differing = [[label, *cells] for label, cells in texts.items() if len(set(cells)) > 1]
    return pd.DataFrame(differing, columns=["What", *c.names])


def parts(c: Comparison, number: int = 1) -> pd.DataFrame:
    """The bridge's parts with their names in words."""
    frame = c.parts(number)
    return frame.assign(group=frame["group"].map(GROUP_WORDS))


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
        form = _number if f"{name}.rate" in PLAIN_NUMBERS else percent
        rows.append(
            {
                "lever": GROUP_WORDS[name],
                "now": _range(lever["now"], form),
                "needed": _range(lever["needed"], form) if reached else "not reachable alone",
                "factor": f"{lever['factor']:.2f}" if reached else "–",
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
    """The beliefs that matter, with their names in words."""
    frame = c.tornado()
    return frame.assign(name=frame["name"].map(belief), effect=frame["effect"].clip(lower=0))


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
        f"{b} ({a})" if several else b
        for a, b in zip(frame["scenario"], frame["name"], strict=True)
    ]
    returned = [
        f"{each:.1f}".replace("-", MINUS) if each == each else "–" for each in frame["returned"]
    ]
    cost = [money(each, c.currency) if each == each else "–" for each in frame["cost"]]
    return frame.assign(months=months, name=names, returned=returned, cost=cost)


def values(c: Comparison) -> pd.DataFrame:
    """What a rule of thumb would make of each, with the multiple in words."""
    frame = c.values()
    return frame.assign(
        multiple=[
            f"{each:.1f} x" if each == each else "none published" for each in frame["multiple"]
        ]
    )


def checks(c: Comparison) -> pd.DataFrame:
    """The checks, with yes or no."""
    frame = c.checks()
    return frame.assign(
        holds=frame["holds"].map({True: "yes", False: "NO"}),
        difference=[f"{100 * each:.4f} pts" for each in frame["difference"]],
    )


def _rows(scenarios: tuple[Scenario, ...]) -> dict[str, dict[int, str]]:
    """By label, what each scenario (by its place) says: segments, drivers, programmes."""
    rows: dict[str, dict[int, str]] = {}

    def say(label: str, place: int, text: str) -> None:
        rows.setdefault(label, {})[place] = text

    for place, scenario in enumerate(scenarios):
        book = scenario.opening
        say("Opening ARR", place, money(book.arr.sum(), book.currency))
        for number, name in enumerate(book.segments):
            mine = book.segment == number
            say(f"{name}: share of ARR", place, percent(book.arr[mine].sum() / book.arr.sum()))
            say(f"{name}: customers", place, count(mine.sum()))
            say(f"{name}: term", place, "annual" if book.annual[number] else "monthly")
    for driver in DRIVERS:
        for place, scenario in enumerate(scenarios):
            for key, fields in scenario.table.entries[driver].items():
                for field, each in fields.items():
                    of = "" if key == "all" else f", {key}"
                    form = _number if f"{driver}.{field}" in PLAIN_NUMBERS else percent
                    text = _value(each.value, form)
                    if each.is_cut:
                        text += f", on average {form(each.range.mean(each.value))}"
                    say(f"{GROUP_WORDS[driver]}{field_of(field)}{of}", place, text)
    for place, scenario in enumerate(scenarios):
        for driver, beta in scenario.shock.items():
            say(
                f"Shock of a year: {GROUP_WORDS[driver].lower()}",
                place,
                f"{beta:+.2f}".replace("-", MINUS),
            )
        if scenario.correlations:
            say(
                "Tied beliefs",
                place,
                ", ".join(f"{a} with {b} {rho:g}" for a, b, rho in scenario.correlations),
            )
        if scenario.programmes:
            say("Programmes", place, ", ".join(scenario.programmes))
    return rows


def _value(value: Any, form: Any) -> str:
    """A number, an interval, or a distribution, short."""
    if isinstance(value, int | float):
        return str(form(value))
    if isinstance(value, Sized):
        return f"{form(value.mean)} ± {form(value.sd)}"
    if between := getattr(value, "between", None):
        return f"{form(between[0])} to {form(between[1])}"
    plain = value.model_dump() if hasattr(value, "model_dump") else dict(value)
    numbers = ", ".join(f"{key} {form(each)}" for key, each in plain.items() if key != "dist")
    return f"{plain.get('dist', '')} {numbers}".strip()


def _number(value: float) -> str:
    return f"{value:.2f}"


def _range(values: Mapping[str, float], form: Any) -> str:
    """What a lever is in its segments: one number, or from the smallest to the largest."""
    known = sorted(
        {form(each) for each in values.values() if each},
        key=lambda text: float(text.strip("%").replace(",", "")),
    )
    return known[0] if len(known) == 1 else f"{known[0]} to {known[-1]}" if known else "–"


def _beside(told: Mapping[str, Any]) -> str:
    if told.get("standing"):
        return f"GRR {percent(told['grr_flow'])}, {told['standing']}"
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


# --- what stands on cards ----------------------------------------------------------------------


def key_figures(c: Comparison) -> list[tuple[str, str, str]]:
    """Label, value and comparison of each key figure of the first two scenarios."""
    a, b = c.expected[:2]
    apart = c.apart[0]
    return [
        ("From", percent(a["nrr"]), c.names[0]),
        ("To", percent(b["nrr"]), c.names[1]),
        (
            "Difference",
            points(b["nrr"] - a["nrr"]),
            f"{points(apart['p05'])} to {points(apart['p95'])}",
        ),
        (
            "In money",
            signed_money(_gained(c), c.currency),
            f"in {span(c.first.months)}, on {money(c.opening, c.currency)}",
        ),
    ]


def _gained(c: Comparison) -> float:
    """What the second scenario adds to the first's opening ARR."""
    return float((c.expected[1]["nrr"] - c.expected[0]["nrr"]) * c.opening)


# --- facts -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Report:
    """What every sentence may say; what is published is of twelve months."""

    names: tuple[str, ...]
    first: str
    second: str
    first_nrr: float
    second_nrr: float
    gained: float  # by the second's NRR, on the first's opening ARR
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
            second=c.names[1],
            first_nrr=c.expected[0]["nrr"],
            second_nrr=c.expected[1]["nrr"],
            gained=_gained(c),
            months=c.first.months,
            opening=c.opening,
            currency=c.currency,
            target=c.target,
            trials=c.trials,
            seed=Markdown(c.seed),
        )


@dataclass(frozen=True)
class HowFar:
    """The difference under the same luck; what is gained in two years, if scenarios are of one."""

    p05: float
    p95: float
    p_above: float
    two_years: float | None  # by simple compounding
    two_years_own: float | None  # on the model's own path

    @classmethod
    def of(cls, c: Comparison) -> Self:
        ahead, apart = c.ahead(), c.apart[0]
        is_told = len(ahead) > 1 and c.first.months == 12
        two = (float(ahead["simple"][1]), float(ahead["own"][1])) if is_told else (None, None)
        return cls(apart["p05"], apart["p95"], apart["p_above"], *two)


@dataclass(frozen=True)
class Why:
    """The parts of the difference that show, the largest first.

    Where all work the same way: the share of the first three, if there are more, and the segment
    that accounts for most.
    """

    parts: tuple[Change, ...]
    share_of_three: float | None
    segment: Change | None

    @classmethod
    def of(cls, c: Comparison) -> Self:
        frame = c.parts()
        whole = float(frame["part"].iloc[-1])
        parts = tuple(each for each in _parts(frame) if abs(each.change) >= SMALL)
        if abs(whole) < SMALL or not all(each.change * whole > 0 for each in parts):
            return cls(parts, None, None)
        three = round(sum(each.change for each in parts[:3]) / whole, 3) if len(parts) > 3 else None
        by_segment = [
            Change(name, float(frame[name].iloc[-1])) for name in c.bridges[0].segments["mix"]
        ]
        most = max(by_segment, key=lambda each: abs(each.change))
        return cls(parts, three, most if len(by_segment) > 1 and most.change * whole > 0 else None)


def _parts(frame: pd.DataFrame) -> tuple[Change, ...]:
    """The parts of a bridge, without their sum."""
    return changes(
        frame.iloc[:-1].assign(group=frame["group"].map(GROUP_WORDS).map(Markdown)), "group", "part"
    )


@dataclass(frozen=True)
class Lever:
    """A lever that reaches the target alone: how many times as often, or the price increase."""

    name: Markdown
    factor: float
    uplift: float | None


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """What it takes to get from the first scenario to the target.

    A standing among published figures is one of below p25, p25 to p50, p50 to p75, above p75.
    """

    nrr: float
    met: bool
    standing: str | None
    ways: tuple[Lever, ...]  # price last
    never: tuple[Markdown, ...]
    together: float | None  # by how much all levers move at once
    together_grr: float | None
    together_standing: str | None
    likely: float | None  # all levers at once, to get there in four of five cases
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
            standing=told["standing"],
            ways=tuple(ways),
            never=tuple(
                Markdown(GROUP_WORDS[n]) for n in levers if levers[n]["status"] == "not reachable"
            ),
            together=told["together"],
            together_grr=beside.get("grr_flow"),
            together_standing=beside.get("standing"),
            likely=likely,
            likely_share=likely_share,
        )


@dataclass(frozen=True)
class Bridge:
    """The largest standard error of the parts, and the parts by vector (gross retention, ...)."""

    error: float
    vectors: tuple[Change, ...]

    @classmethod
    def of(cls, c: Comparison) -> Self:
        words, told = GROUP_WORDS | {"gross_retention": "Gross retention"}, c.bridges[0]
        shown = ((name, part) for name, part in told.vectors.items() if abs(part) >= 5e-5)
        vectors = tuple(Change(Markdown(words[name]), part) for name, part in shown)
        return cls(max(told.standard_errors.values()), vectors)


@dataclass(frozen=True)
class Other:
    """A further scenario: its difference from the first, and the parts of it."""

    name: str
    change: float
    parts: tuple[Change, ...]


@dataclass(frozen=True)
class OtherBridges:
    """What makes the further scenarios differ from the first."""

    others: tuple[Other, ...]

    @classmethod
    def of(cls, c: Comparison) -> Self:
        further = enumerate(c.names[2:], start=2)
        return cls(
            tuple(
                Other(name, c.bridges[n - 1].difference, _parts(c.parts(n))) for n, name in further
            )
        )


@dataclass(frozen=True)
class Believed:
    """Whether the scenarios believe anything that differs."""

    differ: bool

    @classmethod
    def of(cls, c: Comparison) -> Self:
        return cls(len(believed(c)) > 0)


@dataclass(frozen=True)
class Distributions:
    """The scenario that reaches the target most often, and in which share of its trials."""

    best: str
    p_target: float

    @classmethod
    def of(cls, c: Comparison) -> Self:
        told = c.overview().set_index("name")["p_target"]
        return cls(str(told.idxmax()), float(told.max()))


@dataclass(frozen=True)
class Apart:
    """The standard error of the mean difference; how many times the same luck narrows it."""

    error: float
    narrower: float | None

    @classmethod
    def of(cls, c: Comparison) -> Self:
        times = c.apart[0]["narrower"]
        return cls(c.apart[0]["se"], times if times >= 1.5 and isfinite(times) else None)


@dataclass(frozen=True)
class Tornado:
    """The belief that the second scenario hangs on most, and its share of the variance."""

    belief: str | None
    known: float | None

    @classmethod
    def of(cls, c: Comparison) -> Self:
        first = next(iter(c.sensitivity.beliefs), None)
        return cls(None, None) if first is None else cls(belief(first.name), first.known)


@dataclass(frozen=True)
class Drift:
    """The segment whose share of ARR grows most over the years, from and to."""

    segment: str
    start: float
    end: float


@dataclass(frozen=True)
class Paths:
    """By how much ARR the second scenario is ahead at the end, and how its mix has drifted."""

    years: int
    ahead: float
    ahead_simple: float
    drift: Drift | None

    @classmethod
    def of(cls, c: Comparison) -> Self:
        last, mix = c.ahead().iloc[-1], c.mix()
        mine = mix[mix["name"] == c.names[1]]
        moved = mine.iloc[int((mine["end"] - mine["start"]).argmax())]
        drift = Drift(moved["segment"], float(moved["start"]), float(moved["end"]))
        shows = len(mine) > 1 and drift.end - drift.start > 0.005
        return cls(
            int(last["year"]), float(last["own"]), float(last["simple"]), drift if shows else None
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
            best=best.name,
            returned=best.returned if (best.returned or 0.0) >= 0.05 else None,
            others=tuple(Ratio(name, each) for name, each in nrr.items()),
        )


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
        told = (
            Reason(each.title, " ".join(each.because.split()))
            for each in c.scenarios
            if each.because
        )
        return cls(tuple(told))


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Scenarios with a flow GRR below 0, books that differ in size, and what each has to note."""

    below_zero: tuple[str, ...]
    books_differ: bool
    notices: tuple[str, ...]

    @classmethod
    def of(cls, c: Comparison) -> Self:
        sizes = [each.opening.total / c.opening for each in c.scenarios]
        return cls(
            below_zero=tuple(each["title"] for each in c.expected if each["grr_flow"] < 0),
            books_differ=any(abs(size - 1) > 1e-6 for size in sizes),
            notices=tuple(dict.fromkeys(note for each in c.scenarios for note in each.notices)),
        )


SENTENCES: Mapping[str, Any] = {
    "how_far": HowFar,
    "why": Why,
    "what_it_takes": Frontier,
    "bridge": Bridge,
    "overview": None,  # Report alone
    "why_each": WhyEach,
    "believed": Believed,
    "distributions": Distributions,
    "apart": Apart,
    "parts": Bridge,
    "other_bridges": OtherBridges,
    "rare": Frontier,
    "needed": Frontier,
    "tornado": Tornado,
    "paths": Paths,
    "values": Values,
    "programmes_heading": Programmes,
    "programmes": Programmes,
    "checks": Checks,
    "limits": Limits,
    "provenance": None,
}
