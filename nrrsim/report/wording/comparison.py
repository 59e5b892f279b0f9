"""The answers of a Comparison in, sentences and labels for people out; never computes a metric,
never draws.

Sentences are Markdown with every name escaped. Each picture of a report has one sentence on how to
read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from nrrsim.benchmarks import SURVEY, SURVEY_SOURCE, USUAL_UPLIFT, USUAL_UPLIFT_SOURCE
from nrrsim.notation import (
    MINUS,
    count,
    escape_markdown,
    money,
    percent,
    points,
    share,
    signed_money,
)
from nrrsim.report.wording.labels import (
    EVENT_WORDS,
    GROUP_WORDS,
    belief,
    field_of,
    joined,
    shown,
    span,
)
from nrrsim.scenario.drivers import DRIVERS
from nrrsim.scenario.numbers import Sized

if TYPE_CHECKING:
    from nrrsim.analysis.comparison import Comparison
    from nrrsim.scenario.scenario import Scenario


SMALL = 5e-4  # of NRR: below what is printed
_VECTORS = {"gross_retention": "Gross retention"}
STANDINGS = {
    "below p25": "below the 25th percentile",
    "p25 to p50": "between the 25th percentile and the median",
    "p50 to p75": "between the median and the 75th percentile",
    "above p75": "above the 75th percentile",
}
CHECKS = shown(check=("Check", "text"), difference=("Difference", "text"), holds=("Holds", "text"))


def believed(c: Comparison) -> pd.DataFrame:
    """What the scenarios believe, only where they differ: a row a number, a column a scenario."""
    rows = _rows(c.scenarios)
    texts = {
        label: [cells.get(number, "–") for number in range(len(c.scenarios))]
        for label, cells in rows.items()
    }
    differing = [[label, *cells] for label, cells in texts.items() if len(set(cells)) > 1]
    return pd.DataFrame(differing, columns=["What", *c.names])


def believed_columns(c: Comparison) -> dict[str, dict[str, str]]:
    """The columns of `believed`."""
    return {"formats": dict.fromkeys(["What", *c.names], "text"), "labels": {}}


def parts(c: Comparison, number: int = 1) -> pd.DataFrame:
    """The bridge's parts with their names in words."""
    frame = c.parts(number)
    return frame.assign(group=frame["group"].map(GROUP_WORDS))


def parts_columns(c: Comparison, number: int = 1) -> dict[str, dict[str, str]]:
    """The columns of `parts`: the whole, then each segment."""
    names = list(c.bridges[number - 1].segments["mix"])
    whole = {
        "part": ("Part", "points"),
        "share": ("Share", "share"),
        "arr": ("ARR", "signed_money"),
    }
    return shown(group=("Driver", "text"), **whole, **{name: (name, "part") for name in names})


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
        form = _number if f"{name}.rate" in EVENT_WORDS else percent
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
    return frame.assign(
        year=[f"{count(year)} {'year' if year == 1 else 'years'}" for year in frame["year"]]
    )


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
                    form = _number if f"{driver}.{field}" in EVENT_WORDS else percent
                    text = _value(each.value, form)
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
    return f"{plain.pop('dist', '')} {', '.join(f'{key} {form(each)}' for key, each in plain.items())}".strip()


def _number(value: float) -> str:
    return f"{value:.2f}"


def _range(values: Mapping[str, float], form: Any) -> str:
    """What a lever is in the segments that have it: one number, or from the smallest to the
    largest.
    """
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
    return f"losses {less}{abs(x):.0%}, gains {more}{abs(x):.0%}"


def _name(title: str) -> str:
    return f"*{escape_markdown(title)}*"


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
        ("In money", _gained(c), f"in {span(c.first.months)}, on {money(c.opening, c.currency)}"),
    ]


def _gained(c: Comparison, number: int = 1) -> str:
    return signed_money((c.expected[number]["nrr"] - c.expected[0]["nrr"]) * c.opening, c.currency)


def how_far(c: Comparison) -> str:
    """How far apart the first two scenarios are."""
    a, b, apart = c.expected[0], c.expected[1], c.apart[0]
    ahead = c.ahead()
    text = (
        f"**How far apart?** {_name(c.names[0])} turns 100 of this year's recurring revenue into"
        f" **{100 * a['nrr']:.1f}** after {span(c.first.months)}, {_name(c.names[1])} into **{100 * b['nrr']:.1f}**. On"
        f" {money(c.opening, c.currency)} of ARR that is **{_gained(c)}** without one new customer"
    )
    if len(ahead) > 1 and c.first.months == 12:
        two = ahead.iloc[1]
        text += (
            f", and {signed_money(two['simple'], c.currency)} after two years by simple compounding"
            f" ({signed_money(two['own'], c.currency)} on the model's own path)"
        )
    above = "all of them" if apart["p_above"] == 1 else f"{share(apart['p_above'])} of them"
    return (
        f"{text}. Under the same luck the difference is {points(apart['p05'])} to {points(apart['p95'])} in nine of ten"
        f" trials, and the second is above the first in {above}."
    )


def why(c: Comparison) -> str:
    """What makes the difference between the first two."""
    frame = c.parts()
    whole, rows = float(frame["part"].iloc[-1]), frame.iloc[:-1]
    rows = rows[rows["part"].abs() >= SMALL]
    if rows.empty:
        return "**What makes the difference?** Nothing that shows: no driver moves NRR by a tenth of a point."
    told = [f"{GROUP_WORDS[row['group']]} ({points(row['part'])})" for _, row in rows.iterrows()]
    told = [told[0], *(each[0].lower() + each[1:] for each in told[1:3])]
    text = f"**What makes the difference?** {joined(told)}"
    same_way = (rows["part"] * whole > 0).all() and abs(whole) >= SMALL
    if len(rows) > 3 and same_way:
        text += f": together {share(round(rows['part'].head(3).sum() / whole, 3))} of it"
    by_segment = {name: frame.iloc[-1][name] for name in c.bridges[0].segments["mix"]}
    where = max(by_segment, key=lambda name: abs(by_segment[name]))
    if len(by_segment) > 1 and same_way and by_segment[where] * whole > 0:
        text += f"; of the segments, {escape_markdown(where)} accounts for most ({points(by_segment[where])})"
    return f"{text}."


def what_it_takes(c: Comparison) -> str:
    """What would have to be believed to get from the first scenario to the target."""
    told, levers = c.frontier, c.frontier["levers"]
    reached = {
        name: lever["factor"] for name, lever in levers.items() if lever["factor"] is not None
    }
    never = [
        GROUP_WORDS[name].lower()
        for name, lever in levers.items()
        if lever["status"] == "not reachable"
    ]
    ways = [
        f"{GROUP_WORDS[name].lower()} {factor:.1f} times as often"
        for name, factor in reached.items()
        if name != "price"
    ]
    if "price" in reached:
        low, high = USUAL_UPLIFT
        ways.append(
            f"price increases of {percent(levers['price']['uplift'])} a year ({low:.0%} to {high:.0%} is usual)"
        )
    met = told["nrr"] >= c.target - SMALL
    text = f"**What would we have to believe?** {_name(c.names[0])} is expected at {percent(told['nrr'])}"
    if met:
        text += (
            f", so {percent(c.target)} is met already. It would be missed by one lever alone with"
        )
    else:
        text += f". To get from there to {percent(c.target)} by one lever alone:"
    text += f" {joined(ways, ' or ') or 'none'}."
    if never and ways and not met:
        text += f" Not by {joined(never, ' or ')} alone, whatever the effort."
    if (x := told["together"]) is None:
        text += (
            " All together do not reach it, even with no losses and twice the gains."
            if not met
            else ""
        )
    elif abs(x) >= SMALL:
        text += f" By all together: **{_moves(x)}**"
        if told["beside"]["standing"]:
            where = STANDINGS[told["beside"]["standing"]]
            text += f", which is a gross retention of {percent(told['beside']['grr_flow'])} ({where} of published surveys)"
        if c.likely is not None and not met:
            text += f"; to get there in four of five cases, {_moves(c.likely[0])} ({share(c.likely[1])} of trials, played)"
        text += "."
    if told["standing"]:
        where = STANDINGS[told["standing"]]
        text += f" An NRR of {percent(c.target)} is {where} of published surveys ({_quartiles('nrr')}; {SURVEY_SOURCE})."
    return text


def rare(c: Comparison) -> tuple[str, str, str] | None:
    """The warning where the target is beyond what most companies have, as (kind, title, text)."""
    if c.frontier["standing"] != "above p75":
        return None
    text = (
        f"{percent(c.target)} is above the 75th percentile of published surveys ({SURVEY['nrr'][2]:.0%},"
        f" {SURVEY_SOURCE})."
        " A plan that needs it needs reasons that most companies do not have. Look at the levers below, one by one."
    )
    return "warning", "A rare target", text


def _quartiles(metric: str) -> str:
    return "quartiles " + joined([f"{ratio:.0%}" for ratio in SURVEY[metric]])


def read_bridge(c: Comparison, number: int = 1) -> str:
    """How to read the bridge."""
    error = max(c.bridges[number - 1].standard_errors.values())
    return (
        "From left to right, each bar is what NRR gains or loses when that group of drivers goes from the first"
        " scenario's values to the second's, averaged over every order of switching (Shapley values); over beliefs the"
        f" standard error is at most {100 * error:.2f} points."
    )


def read_parts(c: Comparison, number: int = 1) -> str:
    """How to read the parts by segment, and the vectors."""
    vectors = {
        name: part for name, part in c.bridges[number - 1].vectors.items() if abs(part) >= 5e-5
    }
    told = [
        f"{_VECTORS.get(name, GROUP_WORDS.get(name, name)).lower()} {points(part)}"
        for name, part in vectors.items()
    ]
    return (
        "A row adds up over its segments, and a column over the drivers, exactly and in no order: points of NRR of the"
        " whole book, so that a large"
        f" segment has large parts. By vector: {joined(told)}."
    )


def other_bridges(c: Comparison) -> str:
    """What makes the further scenarios differ from the first, a line each."""
    told = []
    for number in range(2, len(c.scenarios)):
        rows = c.parts(number).iloc[:-1]
        named = [
            f"{GROUP_WORDS[row['group']].lower()} {points(row['part'])}"
            for _, row in rows.iterrows()
        ]
        whole = points(c.bridges[number - 1].difference)
        told.append(
            f"- {_name(c.names[number])}: {whole} from the first: {joined(named) or 'nothing differs'}."
        )
    return "\n".join(told)


def read_believed(c: Comparison) -> str:
    """How to read the table of beliefs."""
    if not len(believed(c)):
        return "They believe the same."
    return (
        "Rates are a year's and ranges are 90 % intervals: churn and coming back as probabilities, contraction,"
        " adoption and cross-sell as events a customer, sizes as the share of its ARR that an event takes or adds."
    )


def read_overview(c: Comparison) -> str:
    """How to read the table of scenarios."""
    return (
        f"Expected figures are exact; P5, P95 and the share of trials that reach {percent(c.target)} come from"
        f" {count(c.trials)} trials each. GRR is that of flows."
    )


def read_distributions(c: Comparison) -> str:
    """How to read the distributions."""
    told = c.overview()
    best = told.iloc[int(told["p_target"].argmax())]
    text = "The further to the right the better, the wider the less is known."
    if not best["p_target"]:
        return f"{text} In no trial of any scenario the target of {percent(c.target)} is reached."
    return (
        f"{text} The target of {percent(c.target)} is reached most often by {_name(best['name'])}, in"
        f" {share(best['p_target'])} of its trials."
    )


def read_apart(c: Comparison) -> str:
    """How to read the paired differences."""
    told = c.apart[0]
    text = "Both meet the same luck and the same year, so that what is left is the scenarios"
    if 1.5 <= told["narrower"] < float("inf"):
        text += (
            f": the variance of the difference is {told['narrower']:.0f} times smaller than without"
        )
    return f"{text}. Its mean is known to {100 * told['se']:.2f} points."


def read_needed(c: Comparison) -> str:
    """How to read the frontier."""
    low, high = USUAL_UPLIFT
    if c.frontier["nrr"] >= c.target - SMALL:
        return (
            f"Each row changes one lever of {_name(c.names[0])} in all segments and leaves the rest: so far it may go"
            f" before {percent(c.target)} is missed."
        )
    return (
        f"Each row changes one lever of {_name(c.names[0])} in all segments and leaves the rest; putting the value back"
        f" gives {percent(c.target)}. A needed value far from the one now, or above the 75th percentile of published"
        " gross"
        f" retention ({SURVEY['grr'][2]:.0%}; {SURVEY_SOURCE}) or the usual price increase ({low:.0%} to {high:.0%};"
        f" {USUAL_UPLIFT_SOURCE}), marks a plan that hopes."
    )


def read_tornado(c: Comparison) -> str:
    """How to read the tornado."""
    told = c.sensitivity
    if not told.beliefs:
        return (
            f"{_name(c.names[1])} states plain numbers only: there is no belief to be sensitive to."
        )
    first = told.beliefs[0]
    return (
        f"Each bar is the expected NRR of {_name(c.names[1])} with one belief at the low or the high end of its 90 %"
        f" interval. To know *{escape_markdown(belief(first.name))}* would narrow the forecast most:"
        f" {share(first.known)} of"
        " the variance of expected NRR would be gone. The last column shares all of it out, also where beliefs are"
        " tied."
    )


def read_paths(c: Comparison) -> str:
    """How to read the ARR paths."""
    ahead = c.ahead().iloc[-1]
    mix = c.mix()
    last = mix[mix["name"] == c.names[1]]
    moved = last.iloc[int((last["end"] - last["start"]).argmax())]
    drift = ""
    if len(last) > 1 and moved["end"] - moved["start"] > 0.005:
        drift = (
            f" The model's path differs from simple compounding because the mix drifts"
            f" ({escape_markdown(moved['segment'])}"
            f" from {percent(moved['start'])} to {percent(moved['end'])} of ARR in {_name(c.names[1])})"
            " and because of what begins or ends after the first year."
        )
    years = int(ahead["year"])
    return (
        f"Lines are the model's expected ARR of today's customers, bands hold nine of ten simulated paths: after"
        f" {years} {'year' if years == 1 else 'years'} {_name(c.names[1])} is {money(abs(ahead['own']), c.currency)}"
        f" {'ahead' if ahead['own'] >= 0 else 'behind'}, {money(abs(ahead['simple']), c.currency)} by simple"
        f" compounding.{drift}"
    )


def read_values(c: Comparison) -> str:
    """What the rule of thumb is, and what it is not."""
    source = " ".join(c.multiples_source.split()).rstrip(".")
    return (
        f"Source of the multiples: {escape_markdown(source)}. **A rule of thumb, not a valuation**: growth, margin,"
        " size and the market's mood move multiples as much as NRR does, and the medians of a year do not last."
    )


def programmes_heading(c: Comparison) -> str:
    """The heading of the section on programmes; nothing where no scenario has any."""
    return "# What each programme brings" if c.shares else ""


def read_programmes(c: Comparison) -> str:
    """How to read the programmes, and what the first year is beside the steady state."""
    if not c.shares:
        return ""
    title, shares = c.shares[0]
    whole = sum(each.nrr for each in shares)
    best = max(shares, key=lambda each: each.returned or 0.0)
    place = c.names.index(title)
    text = (
        f"Together the programmes of {_name(title)} add {points(whole)} to its NRR; each one's part is its Shapley"
        " share, so that programmes which help each other share what they add together."
    )
    if best.returned and best.returned >= 0.05:
        spent = f"{best.returned:.1f} of ARR for each 1 spent"
        text += f" Most ARR for its cost brings *{escape_markdown(best.name)}* ({spent})."
    others = [
        f"{_name(c.names[n])} {percent(c.expected[n]['nrr'])}"
        for n in range(len(c.names))
        if n != place
    ]
    text += (
        f" So {_name(title)} comes to {percent(c.expected[place]['nrr'])} in its first {span(c.first.months)}; beside"
        f" it {joined(others[:3])}."
    )
    return text


def why_each(c: Comparison) -> str:
    """What each scenario says of itself."""
    told = [
        f"{_name(each.title)}: {escape_markdown(' '.join(each.because.split()))}"
        for each in c.scenarios
        if each.because
    ]
    return "\n".join(f"- {line}" for line in told)


def limits(c: Comparison) -> str:
    """What these numbers do not say."""
    told = [
        "A scenario is what somebody believes; the range is wide where they are unsure, and wrong where they are"
        " wrong.",
        "No multi-year terms; annual contracts may contract in mid-term; churn does not depend on a customer's size"
        " within its segment, expansion not on tenure; sizes of one customer's events are independent.",
        "New customers are left out everywhere here: NRR and the paths are of the customers of today.",
        "Published quartiles are a survey of private companies, restated by a second source: indicative.",
        *(
            f"Flow GRR of {_name(each['title'])} is negative: it counts every loss, also what was gained before."
            for each in c.expected
            if each["grr_flow"] < 0
        ),
        *(
            "The books of the scenarios differ in size: money is told on the first one's opening ARR."
            for each in c.scenarios[1:]
            if abs(each.opening.total / c.opening - 1) > 1e-6
        ),
        *(escape_markdown(note) for each in c.scenarios for note in each.notices),
    ]
    return "\n".join(f"- {line}" for line in dict.fromkeys(told))


def provenance(c: Comparison) -> str:
    """What the numbers were made from."""
    return (
        f"{count(c.trials)} trials each, seed {c.seed}; expected figures over 4,096 even draws of the beliefs. The"
        " manifest beside this report holds the hash of every scenario file, those that are extended included."
    )


def checks_line(c: Comparison) -> str:
    """Whether the checks hold."""
    frame = c.checks()
    if frame["holds"].all():
        return f"All {len(frame)} checks hold; simulated means may differ from exact ones by four standard errors."
    return "**Not all checks hold**: " + joined(
        [escape_markdown(name) for name in frame[~frame["holds"]]["check"]]
    )
