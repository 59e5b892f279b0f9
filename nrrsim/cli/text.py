"""Answers in, the lines that the command prints for people out; never computes a number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import floor, log10
from typing import TYPE_CHECKING, Any

from nrrsim.months import NEXT_RENEWAL, shift
from nrrsim.notation import (
    MINUS,
    NOTHING,
    count,
    counted,
    label,
    money,
    money_exact,
    month_name,
    percent,
    points,
    share,
    signed_money,
)
from nrrsim.report.wording.labels import (
    DOES_NOT_RECUR,
    ENOUGH_YEARS,
    FORECASTERS,
    GROUP_WORDS,
    MEASURES,
    STANDINGS,
    STEPS,
    assumption,
    belief,
    decided_of,
    joined,
    of_accounts,
    of_segment,
    span,
    unsigned_lines,
)
from nrrsim.scenario.book import EVERY_SEGMENT
from nrrsim.scenario.drivers import COUNTED, DRIVERS
from nrrsim.scenario.numbers import PROBABILITY, YEARLY
from nrrsim.scenario.programmes import EFFECT
from nrrsim.scenario.table import between, in_words
from nrrsim.scenario.year_effects import factor_range, swing

if TYPE_CHECKING:
    from nrrsim.scenario.scenario import Scenario

HEADS = ("mean", "sd", "p05", "p25", "p50", "p75", "p95")  # of a distribution, as columns
RATIOS = {"nrr": "NRR", "grr": "GRR", "logo": "Logo retention"}
MOST_NAMES = 6  # of a group of customers
RAREST, RARE = 1e-6, 1e-3  # probabilities that are computed, and those that one decimal would hide
HALF_BELOW = 0.6745  # of a half normal of scale 1: its median


def expected_lines(answer: Mapping[str, Any], months: int, customers: int) -> list[str]:
    """What `nrrsim expect` prints for people."""
    rows = [*((label(name), row) for name, row in answer["segments"].items()), ("All", answer)]
    currency = answer["currency"] or ""
    width = max(len("segment"), *(len(name) for name, _ in rows))
    lines = [
        f"{answer['title']}: expected over {span(months)}, {counted(customers, 'customer')}",
        "",
        f"{'Segment':<{width}} {'NRR':>8} {'Flow GRR':>9} {'Logo':>8}"
        f" {'Opening ARR':>18} {'Closing ARR':>18}",
    ]
    for name, row in rows:
        ratios = f"{percent(row['nrr']):>8} {percent(row['grr_flow']):>9} {percent(row['logo']):>8}"
        amounts = " ".join(
            f"{money_exact(row[key], currency):>18}" for key in ("opening", "closing")
        )
        lines.append(f"{name:<{width}} {ratios} {amounts}")
    moves = [
        f"{STEPS[name].lower()} {money(amount, currency)}"
        for name, amount in answer["movements"].items()
        if amount
    ]
    return [
        *lines,
        "",
        "Movements: " + (", ".join(moves) or "none"),
        "",
        _heading(),
        *_computed_lines(answer["law"]),
        *_ahead_lines(answer),
        *unsigned_lines(currency),
    ]


def simulated_lines(answer: Mapping[str, Any], months: int) -> list[str]:
    """What `nrrsim simulate` prints for people."""
    currency, law = answer["currency"] or "", answer["law"]
    trials = counted(answer["trials"], "trial")
    lines = [
        f"{answer['title']}: {trials} over {span(months)},"
        f" seed {answer['seed']}, from an ARR of {money(answer['opening'], currency)}",
        "",
        _heading(),
        *([] if law is None else [*_computed_lines(law), f"Simulated as a check, in {trials}"]),
    ]
    for name, title in RATIOS.items():
        errors = answer["standard_errors"][name]
        lines += [
            _percents(title, answer[name]),
            _columns("  standard error", (_points(errors[head]) for head in HEADS)),
        ]
    return [*lines, *_ahead_lines(answer), *unsigned_lines(currency)]


# --- how NRR, GRR and logo retention may turn out -------------------------------------------------


def _columns(title: str, cells: Iterable[str]) -> str:
    return f"{title:<18}" + "".join(f"{cell:>9}" for cell in cells)


def _percents(title: str, told: Mapping[str, Any]) -> str:
    """A distribution's row; a forecast has neither mean nor standard deviation."""
    return _columns(title, (percent(told[head]) if head in told else "" for head in HEADS))


def _heading() -> str:
    return _columns("", ("Mean", "SD", *(head.upper().replace("P0", "P") for head in HEADS[2:])))


def _points(error: float | None) -> str:
    return NOTHING if error is None else f"{100 * error:.2f} pt"


def _error(error: float, digits: int) -> str:
    """How accurate a computed figure is, in points: no better than its last digit."""
    return f"{max(100 * error, 10.0**-digits):.{digits}f}"


def _computed_lines(law: Mapping[str, Any]) -> list[str]:
    each = [_error(law[name]["error"], 2) for name in RATIOS]
    off = each[0] if len({*each}) == 1 else joined(each)  # of the rows, in their order
    said = f"Computed, without trials; accurate to {off} points"
    return [said, *(_percents(title, law[name]) for name, title in RATIOS.items())]


def _ahead_lines(answer: Mapping[str, Any]) -> list[str]:
    """The forecast, where the scenario states one, and how likely the target is."""
    lines, ahead, target = [], answer["forecast"], answer["target"]
    if ahead:
        lines += ["", "Forecast (customers' own past and past figures; the drivers move it)"]
        lines += [_percents(title, ahead[name]) for name, title in RATIOS.items()]
    reached = [] if target is None else _reached(answer)
    if not reached:
        return lines
    by_drivers = ", ".join(reached)
    if ahead:
        by_drivers = f"{ahead['p_target']:.1%} by the forecast; by the drivers alone {by_drivers}"
    return [*lines, "", f"Probability of NRR reaching {percent(target)}: {by_drivers}"]


def _reached(answer: Mapping[str, Any]) -> list[str]:
    """How likely the target is by the drivers: computed, and in trials, as far as it is known."""
    said = []
    if law := answer["law"]:
        said.append(_chance(law["p_target"], law["p_target_error"]))
    if "p_target" in answer:
        error = answer["standard_errors"]["p_target"]
        said.append(f"{answer['p_target']:.1%} of trials (standard error {error:.1%})")
    return said


def _chance(p: float, error: float) -> str:
    """A computed probability with its error; of a rare case, or of a rare exception, two digits."""
    rest = min(p, 1 - p)
    digits = 1 - floor(log10(100 * rest)) if RAREST <= rest < RARE else 1
    return f"{100 * p:.{digits}f}% (computed, accurate to {_error(error, digits)} points)"


def compared_lines(answer: Mapping[str, Any]) -> list[str]:
    """What `nrrsim compare` prints for people."""
    a, b, apart = answer["a"], answer["b"], answer["simulated"]
    currency = answer["currency"] or ""
    # one trial has none
    error = "n/a" if apart["se"] is None else f"{100 * apart['se']:.2f} points"
    width = max(len(name) for name in (a["title"], b["title"], *answer["bridge"]))
    target = answer["target"]
    known = "NRR and range" if target is None else "NRR, range and probability"

    def ends(each: Mapping[str, Any]) -> tuple[str, str, str]:
        law = each["law"]
        told = f"  90% range {percent(law['nrr']['p05'])} to {percent(law['nrr']['p95'])}"
        if target is not None:
            told += f", reaches {percent(target)} with a probability of {law['p_target']:.1%}"
        return each["title"], percent(each["nrr"]), told

    rows = [
        ends(a),
        *((GROUP_WORDS[name], points(part), "") for name, part in answer["bridge"].items() if part),
        ends(b),
    ]

    def spent(each: Mapping[str, Any]) -> str:
        if not each["cost"]:
            return ""
        return f" for {money(each['cost'], currency)}, {each['return']:.1f} for each 1 spent"

    def uncertain(each: Mapping[str, Any]) -> list[tuple[str, Mapping[str, float]]]:
        return [(what, ends) for what, ends in each["effects"].items() if ends["p05"] < ends["p95"]]

    programmes = [
        f"Programme {label(name)}: {points(each['nrr'])}, {signed_money(each['arr'], currency)}"
        + spent(each)
        + f" (effect {'measured: ' + each['measured'] if each['measured'] else 'judged'})"
        + "".join(f"; {_effect_words(what, *ends.values())}" for what, ends in uncertain(each))
        for name, each in answer["programmes"].items()
    ]
    return [
        *(f"{name:<{width}} {value:>10}{told}" for name, value, told in rows),
        *(["", *programmes, *unsigned_lines(currency)] if programmes else []),
        "",
        f"Difference {points(answer['difference'])}; 90% range {points(apart['p05'])} to"
        f" {points(apart['p95'])} (standard error of the mean {error});"
        f" {b['title']} is above {a['title']} in {apart['p_b_above_a']:.1%} of trials",
        f"Each scenario's {known}, and the bridge, are computed; the range of the"
        f" difference is simulated ({counted(answer['trials'], 'trial')}, seed {answer['seed']})",
    ]


def frontier_lines(answer: Mapping[str, Any]) -> list[str]:
    """What `nrrsim frontier` prints for people."""
    often = answer["probability"]
    how = "on average" if often is None else f"in {often:.0%} of cases"
    standing = f" ({_standing(answer)})" if answer["standing"] else ""
    lines = [
        f"{answer['title']}: NRR {percent(answer['nrr'])};"
        f" what each lever alone would have to be for {percent(answer['target'])}{standing} {how}",
        "",
    ]
    for name, lever in answer["levers"].items():
        if lever["status"] != "reached":
            lines.append(f"{STEPS[name]:<14} {lever['status']}")
            continue
        range_ = DRIVERS[name].fields[DRIVERS[name].multiplied]
        by_segment = ", ".join(
            f"{label(segment)} {between(lever['now'][segment], value, range_)}"
            for segment, value in lever["needed"].items()
            if value
        )
        lines.append(
            f"{STEPS[name]:<14} {_moved(lever['factor'] - 1)}: {by_segment}{_published(lever)}"
        )
    x = answer["together"]
    together = "not reachable"
    if any(lever["status"] == "reached" for lever in answer["levers"].values()):
        together += ": moved alike, some of them undo what others bring"
    if x is not None:
        # no less than none of either
        losses, gains = (max(by, -1.0) for by in (-x, x))
        together = f"losses {_moved(losses)}, gains {_moved(gains)}"
    return [*lines, f"{'All together':<14} {together}{_published(answer['beside'] or {})}"]


def _moved(by: float) -> str:
    """A relative change in percent, with its sign."""
    return f"{100 * by:+.1f}%".replace("-", MINUS)


def _standing(answer: Mapping[str, Any]) -> str:
    return f"{STANDINGS[answer['standing']]} of published surveys"


def _published(beside: Mapping[str, Any]) -> str:
    """What a needed value comes to, beside what is published."""
    if beside.get("standing"):
        gross = f"gross retention {percent(beside['grr_flow'])}"
        return f"; {gross}, {_standing(beside)}"
    if beside.get("usual_uplift"):
        return "; {:.0%} to {:.0%} a year is usual".format(*beside["usual_uplift"])
    return ""


def sweep_lines(answer: Mapping[str, Any], picture: object = None) -> list[str]:
    """What `nrrsim sweep` prints for people, with where its picture is."""
    from nrrsim.analysis.sweep import RESULTS

    lines = [f"{counted(answer['points'], 'point')}, each computed, none simulated"]
    for name in ("lowest", "highest"):
        each = answer[name]
        at = ", ".join(f"{key} {value:g}" for key, value in each.items() if key not in RESULTS)
        reach = f"{percent(each['p05'])} to {percent(each['p95'])}"
        lines.append(
            f"{name.capitalize():<8} NRR {percent(each['nrr'])} (90% range {reach}) at {at}"
        )
    return [*lines, *([f"Picture  {picture}"] if picture else [])]


def calibrated_lines(answer: Mapping[str, Any]) -> list[str]:
    """What `nrrsim calibrate` prints for people."""
    stated = f", in {answer['currency']}" if answer["currency"] else ", no currency is stated"
    lines = [f"{answer['title']}, {counted(answer['years'], 'full year')}{stated}", ""]
    names = {name: label(name) for name in answer["term"]}
    width = max(len("Segment"), *map(len, names.values())) + 1
    heads = f"{'Events':>8} {'Customer-years':>15} {'Size':>7}  Per year"
    lines += [f"{'Driver':<14}{'Segment':<{width}} {heads}"]
    for driver, segments in answer["drivers"].items():
        range_ = YEARLY if driver in COUNTED else PROBABILITY
        for name, each in segments.items():
            if name in names:
                size = "" if each["size"] is None else percent(each["size"]["mean"])
                often = in_words(each["mean"], range_, (each["p05"], each["p95"]))
                seen = f"{each['events']:>8,.0f} {each['chances']:>15,.1f} {size:>7}"
                lines.append(f"{STEPS[driver]:<14}{names[name]:<{width}} {seen}  {often}")
    years = {name: tuple(each["factor"].values()) for name, each in answer["year_effects"].items()}
    terms = ", ".join(f"{names[name]} {term}" for name, term in answer["term"].items())
    return [*lines, "", f"Contracts: {terms}", *_swing_lines("Year-to-year swings", years)]


def forecast_lines(answer: Mapping[str, Any]) -> list[str]:
    """What `nrrsim forecast` prints for people."""
    from nrrsim.calibration.ratios import FEW

    heads = ("P5", "P25", "P50", "P75", "P95")
    shares = [head.lower() if len(head) > 2 else f"p0{head[1]}" for head in heads]
    rows = answer["forecasts"]
    named = [(each, "All" if each["segment"] is None else label(each["segment"])) for each in rows]
    width = max(16, *(len(name) + 1 for _, name in named), *map(len, FORECASTERS.values()))
    far = max(each["horizon"] for each in rows)

    def line(name: str, measure: str, told: Mapping[str, float]) -> str:
        cells = "".join(f"{percent(told[share]):>9}" for share in shares)
        return f"{name:<{width}} {MEASURES[measure]:<15}{cells}"

    def table(title: str, lines: list[str]) -> list[str]:
        return ["", f"{title:<{width}} {'':<15}" + "".join(f"{head:>9}" for head in heads), *lines]

    ahead = [each for each in rows if each["segment"] is None and each["measure"] == "nrr"]
    lines = [
        f"Forecast as of {month_name(answer['as_of'])}, from"
        f" {counted(answer['years'], 'past year')}",
        *table(
            "Twelve months to",
            [line(month_name(shift(answer["as_of"], row["horizon"])), "nrr", row) for row in ahead],
        ),
    ]
    last = [(row, name) for row, name in named if row["horizon"] == far]
    lines += table(f"In {span(far)}", [line(name, row["measure"], row) for row, name in last])
    whole = next(row for row, _ in last if row["segment"] is None and row["measure"] == "nrr")
    parts = {name: part for name, part in whole["ingredients"].items() if part is not None}
    lines += table(
        "What it is made of", [line(FORECASTERS[name], "nrr", part) for name, part in parts.items()]
    )
    lines += [
        "",
        "Customers' own past: what became of customers like today's in"
        f" {counted(answer['customer_years'], 'customer-year')}",
    ]
    if answer["customer_years"] < FEW:
        lines.append("So few say little: the year may well turn out otherwise.")
    lines += [
        f"{label(name)}: few of its own are known, so the past of other segments stands for"
        f" {counted(number, 'customer')}"
        for name, number in answer["borrowing"].items()
    ]
    return [*lines, *([] if answer["recurs"] else ["", DOES_NOT_RECUR])]


def prior_lines(answer: Mapping[str, Any]) -> list[str]:
    """What `nrrsim prior` prints for people."""
    years = counted(round(answer["customer_years"]), "customer-year")
    heads = f"{'Companies':>10} {'Events':>8} {'Customer-years':>15}  Per year, over companies"
    lines = [f"What is usual of {answer['title']}, {years}", ""]
    lines += [f"{'Driver':<14}{heads}"]
    for driver, each in answer["drivers"].items():
        range_ = YEARLY if driver in COUNTED else PROBABILITY
        often = in_words(each["typical"], range_, (each["p05"], each["p95"]))
        seen = f"{each['companies']:>10} {each['events']:>8,.0f} {each['chances']:>15,.0f}"
        lines.append(f"{STEPS[driver]:<14}{seen}  {often}")
    apart = percent(answer["segments"]["unlike"])
    betas = {name: HALF_BELOW * scale for name, scale in answer["year_effects"].items()}
    uneven = {name: factor_range(beta) for name, beta in betas.items()}
    lines += ["", f"Rates of a company's segments differ by {apart}"]
    lines += _swing_lines("Year-to-year swings of a typical company", uneven)
    return [*lines, "", *(f"- {each}" for each in answer["limits"])]


def backtest_lines(answer: Mapping[str, Any]) -> list[str]:
    """What `nrrsim backtest` prints for people."""
    origins, titles = answer["origins"], {"whole": "The whole book", "segments": "Each segment"}
    parts = {title: answer[of] for of, title in titles.items() if answer[of]["nrr"]["n"]}
    begin, end = month_name(origins[0]), month_name(origins[-1])
    made = f"made in {end}" if begin == end else f"made from {begin} to {end}"
    ahead = answer["forecasts"][0]["horizon"] if answer["forecasts"] else 12
    ending = "" if ahead == 12 else f" of the year that ends {counted(ahead, 'month')} later"
    lines = [
        f"{counted(len(origins), 'twelve-month forecast')}{ending}, {made},"
        f" {counted(answer['trials'], 'trial')} each"
    ]
    heads = ("Outcomes", "Years", "In 50%", "In 80%", "In 90%", "80% range")
    for title, measures in parts.items():
        lines += ["", _row(title, heads)]
        for name, each in measures.items():
            shares = [f"{each[f'cover{level}']:.0%}" for level in (50, 80, 90)]
            cells = (str(each["n"]), str(each["years"]), *shares, _size(each["width80"]))
            lines.append(_row(MEASURES[name], cells))

    scored = [each for measures in parts.values() for each in measures.values()]
    above = [cell for title in parts for cell in ("", title, "")]  # over three columns
    lines += ["", _row("", above).rstrip()]
    lines.append(_row("Average error", ("NRR", "GRR", "Logo") * len(parts)))
    for key, name in FORECASTERS.items():
        errors = [(each | each["ingredients"] | each["rules"])[key] for each in scored]
        lines.append(_row(name, map(_size, errors)))
    lines += _with_accounts_lines(answer["accounts"]) if "accounts" in answer else []
    return [
        *lines,
        "",
        "Years: independent ones (forecasts share months); of segments added up, though they share"
        " years.",
        "In 50%: outcomes inside the 50% range. 80% range: its average width. Average error: CRPS,"
        " of ranges: position and width count.",
        "Forecast: customers' own past and past figures (the whole book's logo retention: and the"
        " model of drivers).",
        "Past figures, last year's figure and the mean of past years are naive forecasts.",
        *_what_it_proves(answer),
    ]


ACCOUNTS_IN = {
    "without": "Without accounts",
    "proved": "With, where proved",
    "always": "With, at every date",
}


def _with_accounts_lines(tried: Mapping[str, Any]) -> list[str]:
    """NRR with and without accounts, and at how many dates their score had proved itself."""
    lines, heads = [], ("Outcomes", "In 50%", "In 80%", "In 90%", "80% range", "Error")
    for title, of in (("NRR of the whole book", "whole"), ("NRR of each segment", "segments")):
        rows = tried[of]
        if not rows["without"]["n"]:
            continue
        lines += ["", _row(title, heads)]
        for name, words in ACCOUNTS_IN.items():
            shares = [f"{rows[name][f'cover{level}']:.0%}" for level in (50, 80, 90)]
            sizes = map(_size, (rows[name]["width80"], rows[name]["crps"]))
            lines.append(_row(words, (str(rows[name]["n"]), *shares, *sizes)))
    number = sum("leave" in kinds for kinds in tried["proved"].values())
    dates = counted(len(tried["proved"]), "date")
    return [
        *lines,
        f"Where proved: at {number} of {dates} the score of accounts had been better than the"
        " segment's rate before;",
        "at others each account counts as its segment.",
    ]


def _what_it_proves(answer: Mapping[str, Any]) -> list[str]:
    """How little so few years prove, and what follows where revenue does not recur."""
    whole, lines = answer["whole"]["nrr"], []
    if whole["years"] < ENOUGH_YEARS:
        one = whole["years"] == 1
        number = "One independent year" if one else counted(whole["years"], "independent year")
        lines.append(f"{number}: too {'little' if one else 'few'} to judge.")
    if not answer["recurs"]:
        off, naive = _size(whole["ingredients"]["model"]), _size(whole["rules"]["mean"])
        lines += [
            f"NRR by the model of drivers was off by {off} on average, by the mean of past years by"
            f" {naive}.",
            DOES_NOT_RECUR,
        ]
    return lines


def _row(name: str, cells: Iterable[str]) -> str:
    return f"{name:<21}" + "".join(f"{cell:>11}" for cell in cells)


def _size(difference: float | None) -> str:
    """A difference of two ratios without its sign: 2.1 pts."""
    return NOTHING if difference is None else points(abs(difference)).lstrip("+")


def _effect_words(what: str, mean: float, low: float, high: float) -> str:
    """An uncertain effect: churn, SMB −17.9% (90% range −32.0% to −2.0%)."""
    driver, _, segment = what.partition(".")
    where = of_segment(STEPS[driver].lower(), segment or EVERY_SEGMENT)
    return f"{where} {in_words(mean, EFFECT, (low, high))}"


def belief_lines(scenario: Scenario) -> list[str]:
    """What a scenario believes, a line for each driver and segment, with its source."""
    lines = [scenario.because.strip()] if scenario.because else []
    for driver, entries in scenario.drivers:
        for segment, entry in entries.items():
            words = scenario.table.words(driver, segment)
            # what the file states, without the defaults
            numbers = "; ".join(
                f"{assumption(driver, field)} {text}"
                for field, text in words.items()
                if field.partition(".")[0] in {*entry.model_fields_set, "by_tenure"}
            )
            because, source = (" ".join(text.split()) for text in (entry.because, entry.source))
            why = f"{because} [{source}]".strip() if source else because
            where = "All segments" if segment == EVERY_SEGMENT else label(segment)
            lines.append(f"{where}: {numbers} {why or '[no source given]'}")
    for each in scenario.table.uncertain_effects:
        source = " ".join(scenario.programmes[each.key].source.split())
        why = f"[{source}]" if source else "[no source given]"
        lines.append(f"{belief(each.name)}: {each.words} {why}")
    if own := of_accounts(scenario):
        lines.append(f"Accounts with rates of their own: {own}")
    if decided := decided_of(scenario):
        lines.append(f"Decided: {'; '.join(decided)}")
    shock, years = (
        {str(name): factor_range(beta) for name, beta in betas.items() if beta}
        for betas in (scenario.shock, scenario.year_effects)
    )
    lines += _swing_lines("Market-wide good or bad year", shock)
    return [*lines, *_swing_lines("Year-to-year swings", years)]


def _swing_lines(title: str, ranges: Mapping[str, tuple[float, float]]) -> list[str]:
    """In one line, or none, what good and bad years do to each driver."""
    swings = ", ".join(f"{STEPS[name].lower()} {swing(*ends)}" for name, ends in ranges.items())
    return [f"{title} (90% range): {swings}"] if swings else []


def accounts_lines(answer: Mapping[str, Any], top: int) -> list[str]:
    """What `nrrsim accounts` prints for people: the first `top` accounts, and how good that is."""
    currency, totals, quality = answer["currency"] or "", answer["totals"], answer["quality"]
    listed, rows = answer["accounts"], answer["accounts"][:top]
    over = (
        "until the next renewal (12 months where none is known)"
        if answer["horizon"] == NEXT_RENEWAL
        else span(answer["horizon"])
    )
    lines = [
        f"Accounts as of {month_name(answer['as_of'])}, {over}: {counted(len(listed), 'account')},"
        f" ARR {money(totals['arr'], currency)}",
        "",
        *_listed_lines(rows, quality["proves"], currency),
    ]
    if len(rows) < len(listed):
        lines.append(f"and {counted(len(listed) - len(rows), 'account')} more (--top, --out)")
    return [
        *lines,
        "",
        *_total_lines(totals, currency),
        "",
        *_quality_lines(quality),
        *_rule_lines(answer["rules"]),
        *_cluster_lines(answer["clusters"], currency),
        *(_pipeline_lines(answer["pipeline"], currency, top) if "pipeline" in answer else ()),
        *unsigned_lines(currency),
    ]


def _listed_lines(rows: Sequence[Mapping[str, Any]], is_scored: bool, currency: str) -> list[str]:
    """The accounts, a line each with their numbers, below it why and what to do."""
    named = [(each["customer"], label(each["segment"])) for each in rows]
    wide = max([len("Account"), *(len(name) for name, _ in named)])
    part = max([len("Segment"), *(len(segment) for _, segment in named)])
    heads = f"{'ARR':>8} {'Renewal':>8} {'Leaves':>7} {'Grows':>7} {'At risk':>9} {'Gain':>9}"
    lines = [f"{'Account':<{wide}} {'Segment':<{part}} {heads}{'  Health' * is_scored}".rstrip()]
    for each, (name, segment) in zip(rows, named, strict=True):
        at_risk, gain = (money(each[key], currency) for key in ("arr_at_risk", "expected_gain"))
        numbers = (
            f"{money(each['arr'], currency):>8} {each['renewal'] or NOTHING:>8}"
            f" {share(each['p_leave']):>7} {share(each['p_expand']):>7} {at_risk:>9} {gain:>9}"
        )
        lines.append(f"{name:<{wide}} {segment:<{part}} {numbers}  {each['health'] or ''}".rstrip())
        alerts = [f"{one['rule']} (since {one['since']})" for one in each["alerts"]]
        rules = {one["rule"] for one in each["alerts"]}
        why = "; ".join([*(text for text in each["reasons"] if text not in rules), *alerts])
        lines += [f"  {why}"] * bool(why)
        lines += [f"  play: {label(each['play'])}"] * bool(each["play"])
    return lines


def _total_lines(totals: Mapping[str, float], currency: str) -> list[str]:
    """What is expected of all accounts, beside what the segments' own rates say."""
    part = f" ({percent(totals['at_risk'] / totals['arr'])})" if totals["arr"] else ""
    told = [
        ("ARR at risk", money(totals["at_risk"], currency) + part),
        ("Expected gain", money(totals["gain"], currency)),
        ("Expected ARR", money(totals["expected"], currency)),
        ("By segments' rates", money(totals["plain"], currency)),
        ("Accounts", signed_money(totals["accounts"], currency)),
    ]
    return [f"{name:<19} {value}" for name, value in told]


def _quality_lines(quality: Mapping[str, Any]) -> list[str]:
    """How good earlier scores were, and the sentence that says so where they were not."""
    lines = []
    if quality["n"]:
        made = counted(len(quality["origins"]), "earlier date")
        reach = f"{percent(quality['skill_low'])} to {percent(quality['skill_high'])}"
        known = quality["skill"] is not None
        lines += [
            f"How good: {counted(quality['n'], 'score')} made on {made}, {count(quality['events'])}"
            " of these accounts left",
            f"{'':<24}{'Score':>8} {'Segment rate':>13}",
            f"{'AUC':<24}{_number(quality['auc'], 3):>8} {_number(quality['auc_segment'], 3):>13}",
            f"{'Brier score':<24}{_number(quality['brier'], 4):>8}"
            f" {_number(quality['brier_segment'], 4):>13}",
            f"{'ARR lost in top tenth':<24}{share(quality['captured_by_top_tenth']):>8}"
            f" {share(quality['captured_by_segment_rate']):>13}",
            *([f"Skill {percent(quality['skill'])} (90% range {reach})"] if known else []),
            f"{'Band':<8}{'Predicted':>10}{'Left':>8}{'Accounts':>10}",
            *(
                f"{place:<8}{share(band['predicted']):>10}{share(band['observed']):>8}"
                f"{count(band['n']):>10}"
                for place, band in enumerate(quality["calibration"], 1)
            ),
        ]
    if not quality["proves"]:
        verdict = "No better than the segment's rate"
        # too few who left, or no past to judge by, is another reason than a score that is no better
        why = "" if quality["why"].lower() == verdict.lower() else f" ({quality['why']})"
        lines.append(f"{verdict}{why}: no colours, and the list is by ARR times that rate")
    return lines


def _number(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def _rule_lines(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each rule that fired, judged; those named that do not predict."""
    from nrrsim.accounts.risk import FEW

    fired = [each for each in rules if each["fired"]]
    if not fired:
        return []
    wide = max(len(each["rule"]) for each in fired)
    lines = [
        "",
        f"{'Rule':<{wide}} {'Fired':>7} {'Then':>6} {'All':>6} {'Lift (90% range)':>20} Lead",
    ]
    for each in fired:
        # where nobody left there is nothing to compare with
        ends = [each[key] for key in ("lift", "lift_low", "lift_high")]
        reach = NOTHING if None in ends else "{:.1f} ({:.1f} to {:.1f})".format(*ends)
        lead = "" if each["lead_months"] is None else span(int(each["lead_months"] + 0.5))
        lines.append(
            f"{each['rule']:<{wide}} {count(each['fired']):>7} {share(each['hit_rate']):>6}"
            f" {share(each['base_rate']):>6} {reach:>20} {lead}".rstrip()
        )
    for word, is_enough in (("Do not predict", True), ("Fired too seldom to judge", False)):
        named = [
            each["rule"]
            for each in fired
            if not each["predicts"] and (each["fired"] >= FEW) == is_enough
        ]
        lines += [f"{word}: {'; '.join(named)}"] if named else []
    return lines


def _cluster_lines(clusters: Mapping[str, Any], currency: str) -> list[str]:
    """Losses that come together, those worth a look, and what chance alone would show."""
    title = "Losses that come together"
    if clusters["why"]:
        return ["", f"{title}: nothing to look at ({clusters['why']})"]
    lines = []
    for word, rows in (("", clusters["found"]), ("worth a look: ", clusters["worth_a_look"])):
        for each in rows:
            pairs = [(each["column"], each["value"]), *each["also"]]
            group = " and ".join(f"{label(column)} {label(value)}" for column, value in pairs)
            names = ", ".join(each["names"][:MOST_NAMES])
            more = len(each["names"]) - MOST_NAMES
            lines.append(
                f"  {word}{group}: {each['lost']} of {each['customers']} left or shrank,"
                f" {each['expected']:.1f} expected, {money(each['arr_lost'], currency)}: {names}"
                + (f" and {more} more" if more > 0 else "")
            )
    if clusters["worth_a_look"]:
        by_chance = f"{clusters['expected_by_chance']:.1f}"
        lines.append(f"  ({by_chance} such groups are expected by chance)")
    looked = f"{title}, {counted(clusters['looked_at'], 'group')} looked at:"
    return ["", looked if lines else f"{looked} none", *lines]


def actions_lines(answer: Mapping[str, Any]) -> list[str]:
    """What `nrrsim actions` prints for people: each action with what can be said of it."""
    from nrrsim.accounts.actions import NO_ARM, RANDOMISED

    currency = answer["currency"] or ""
    over = span(answer["horizon"])
    lines = [f"Actions as of {month_name(answer['as_of'])}, {over} after each"]
    for each in answer["actions"]:
        is_lot = each["arm"] == RANDOMISED
        others = "held out" if is_lot else "similar customers"
        months = dict.fromkeys(month_name(each[end]) for end in ("first", "last") if each[end])
        when = f", {' to '.join(months)}" * bool(months)
        recent = f"; {count(each['too_recent'])} too recent" * bool(each["too_recent"])
        alone = f"; {count(each['unmatched'])} with nobody similar" * bool(each["unmatched"])
        lines += [
            "",
            f"{label(each['action'])}: {count(each['treated'])} treated,"
            f" {count(each['controls'])} {others}{when}{recent}{alone}",
        ]
        if each["difference"] is not None:
            left = f"{percent(each['left_treated'])} vs {percent(each['left_controls'])}"
            ends = (each["hazard_ratio"], each["hazard_low"], each["hazard_high"])
            ratio = NOTHING if None in ends else "{:.2f} ({:.2f} to {:.2f})".format(*ends)
            rows = [
                ("Left", left),
                ("Difference", _within(each, ("difference", "low", "high"), points)),
                ("Hazard ratio", ratio),
                (
                    "ARR saved",
                    _within(
                        each,
                        ("arr_saved", "arr_low", "arr_high"),
                        lambda amount: signed_money(amount, currency),
                    ),
                ),
                (
                    "Contracted before",
                    _within(each, ("placebo", "placebo_low", "placebo_high"), points),
                ),
            ]
            lines += [f"  {name:<18} {value}" for name, value in rows]
        verdict = "Saving" if each["claimed"] else "No saving claimed"
        lines.append(f"  {verdict}: {each['why']}")
        lines += [f"  Matched, not randomised: {NO_ARM}"] * (not is_lot)
    lines += ["", "No action is dated within the months of the ledger"] * (not answer["actions"])
    if any(each["difference"] is not None for each in answer["actions"]):
        lines += ["", "Treated less the others; ranges are 90%"]
    return [*lines, *unsigned_lines(currency)]


def _within(
    row: Mapping[str, Any], names: tuple[str, str, str], in_words: Callable[[Any], str]
) -> str:
    """A figure with its 90 % range."""
    if row[names[0]] is None:
        return NOTHING
    value, low, high = (in_words(row[name]) for name in names)
    return f"{value} ({low.removesuffix(' pts')} to {high})"


def holdout_lines(answer: Mapping[str, Any]) -> list[str]:
    """What `nrrsim actions --plan` prints for people."""
    who = f"{label(answer['segment'])} customers" if answer["segment"] else "customers"
    over, base = span(answer["horizon"]), answer["base"]
    lines = [
        f"{percent(base)} of {who} left within {over} over the last year; with"
        f" {percent(answer['effect'])} on churn {percent(answer['treated_base'])} would",
    ]
    often, there = f"{answer['power']:.0%}", answer["there"]
    if answer["each"] is None:
        lines.append(f"No number of customers finds that {often} of the time")
    else:
        lines.append(
            f"To find it {often} of the time: {count(answer['each'])} treated and"
            f" {count(answer['each'])} held out; there are {count(there)} {who}"
        )
    if answer["is_enough"]:
        month = month_name(answer["known"])
        known = f"the result is known at the end of {month}, after {over}"
        return [*lines, f"Drawn next month, {known}"]
    lines.append(
        f"With half of them held out it is found {percent(answer['power_now'])} of the time"
    )
    if answer["shortest"]:
        lines.append(f"Measured after {span(answer['shortest'])}, they are enough")
    small = answer["smallest"]
    found = f"is {percent(small)}" if small is not None else "is more than all who leave"
    return [*lines, f"The smallest effect that they show {often} of the time {found}"]


def _pipeline_lines(sold: Mapping[str, Any], currency: str, top: int) -> list[str]:
    """What is open in the CRM, what it is worth, what it covers, and who is not in it."""
    # late, as it needs all that reads a ledger, and other commands read none
    from nrrsim.report.wording.pipeline import APART

    amount = partial(_amount, currency=currency)
    as_of = sold["snapshot"] or month_name(sold["as_of"])
    lines = ["", f"Pipeline as of {as_of}: open expansion by close date, price left out"]
    periods: dict[str, list[Mapping[str, Any]]] = {}
    for each in sold["open"]:
        periods.setdefault(each["month"], []).append(each)
    heads = f"{'Open':>9} {'Weighted':>9} {'Booked a year ago':>18}"
    lines.append(f"{'Until':<10} {'Opportunities':>13} {heads}")
    for month, rows in periods.items():
        sums = (sum(each[key] for each in rows) for key in ("arr", "weighted", "booked"))
        arr, weighted, booked = map(amount, sums)
        number = count(sum(each["opportunities"] for each in rows))
        lines.append(f"{month:<10} {number:>13} {arr:>9} {weighted:>9} {booked:>18}")
        own = [each for each in rows if each["opportunities"] and len(rows) > 1]
        lines += [
            f"  {label(each['segment']):<10} {count(each['opportunities']):>11}"
            f" {amount(each['arr']):>9} {amount(each['weighted']):>9} {amount(each['booked']):>18}"
            for each in own
        ]
    lines += _worth_lines(sold, currency)
    for each in sold["coverage"]:
        whose = "" if each["segment"] == "all" else f", {label(each['segment'])}"
        covers = NOTHING if each["coverage"] is None else percent(each["coverage"])
        lines.append(
            f"{each['of'].capitalize()}{whose}: {amount(each['needed'])} of expansion needed by"
            f" {month_name(each['until'])}, {amount(each['open'])} open, coverage {covers}"
        )
    lines += [f"Plan: not compared, as {sold['why_no_plan']}"] if sold["why_no_plan"] else []
    due, without = len(sold["renewals"]), sold["without_opportunity"]
    if due:
        missing = amount(sum(each["due"] for each in without))
        lines.append(
            f"Renewals due within six months: {count(due)}, of them {count(len(without))} without"
            f" an opportunity ({missing})"
        )
    lines += _some(without, top, lambda each: f"{each['month']}  {amount(each['due'])}")
    for key, title in (
        ("left", "Opportunities of customers who left"),
        ("unknown", "Opportunities of customers who are not in the ledger"),
    ):
        lines += [f"{title}: {count(len(sold[key]))}"] if sold[key] else []
        lines += _some(sold[key], top, partial(_whose, currency=currency))
    for each in sold["apart"]:
        what = APART[each["what"]]
        lines.append(f"Not counted: {what}, {count(each['opportunities'])} ({amount(each['arr'])})")
    return lines


def _worth_lines(sold: Mapping[str, Any], currency: str) -> list[str]:
    """Each stage with its rate and what that rests on; what all is worth beside the forecast."""
    amount = partial(_amount, currency=currency)
    shown = [each for each in sold["stages"] if each["opportunities"] or each["resolved"]]
    wide = max([len("Stage"), *(len(each["stage"]) for each in shown)])
    lines = [f"{'Stage':<{wide}} {'Open':>9} {'Becomes':>8} {'90% range':>11}  Rate is"] * bool(
        shown
    )
    for each in shown:
        is_learnt = each["basis"] == "learnt"
        ends = f"{share(each['low'])} to {share(each['high'])}" if is_learnt else NOTHING
        rests = NOTHING if each["basis"] == "none" else each["basis"]
        lines.append(
            f"{each['stage']:<{wide}} {amount(each['arr']):>9} {share(each['rate']):>8} {ends:>11}"
            f"  {rests} ({count(each['resolved'])} resolved)"
        )
    worth, expected = sold["weighted"], sold["expected"]
    if worth["arr"] is not None:
        line = f"Weighted pipeline: {amount(worth['arr'])}"
        line += f" (90% range {amount(worth['low'])} to {amount(worth['high'])})"
        if expected is not None:
            side = "higher" if worth["arr"] > expected else "lower"
            line += f", {side} than the forecast's expansion of {amount(expected)}; never added up"
        lines.append(line)
    return lines


def _some(rows: Sequence[Mapping[str, Any]], top: int, tell: Callable[[Any], str]) -> list[str]:
    """The first rows, a line each, and how many more there are."""
    lines = [f"  {each['customer'] or NOTHING}  {tell(each)}" for each in rows[:top]]
    more = len(rows) - top
    return [*lines, *([f"  and {counted(more, 'more', 'more')} (--json)"] if more > 0 else [])]


def _whose(each: Mapping[str, Any], currency: str) -> str:
    """An opportunity, and the ledger's name that is like its customer's."""
    close = f", to close {each['close']}" if each["close"] else ""
    told = f"{each['opportunity'] or NOTHING}, {_amount(each['arr'], currency)}{close}"
    since = f", no revenue since {each['since']}" if each.get("since") else ""
    near = f"; did you mean {each['did_you_mean']}?" if each.get("did_you_mean") else ""
    return f"{told}{since}{near}"


def _amount(x: float | None, currency: str) -> str:
    return NOTHING if x is None else money(x, currency)
