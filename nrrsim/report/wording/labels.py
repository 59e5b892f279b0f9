"""Names of the model in, words for pictures, tables and the command out; never a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from nrrsim.months import Calendar
from nrrsim.notation import (
    count,
    counted,
    label,
    money,
    money_exact,
    month_name,
    percent,
    points,
    printed_band,
    printed_quarter,
    quarter_name,
    year_name,
)
from nrrsim.sizebands import short

if TYPE_CHECKING:
    from nrrsim.scenario.scenario import Scenario

STEPS = {
    "opening": "Opening ARR",
    "new": "New customers",
    "adoption": "Adoption",
    "cross_sell": "Cross-sell",
    "price": "Price",
    "unsplit": "Expansion",
    "reactivation": "Reactivation",
    "contraction": "Contraction",
    "churn": "Churn",
    "closing": "Closing ARR",
}
GROUP_WORDS = STEPS | {"mix": "Segment mix", "accounts": "Accounts", "all": "All together"}
FIELD_WORDS = {
    "rate": "",
    "size": " per event",
    "uplift": " increase",
    "acceptance": " acceptance",
    "alpha": " by tenure, first parameter",
    "beta": " by tenure, second parameter",
}
OWN_WORDS = {
    "churn.season": "Churn by month",
    "price.month": "Price increase comes",
    "price.churn_per_point": "Churn per point of price increase",
    "reactivation.size": "Reactivated share of former ARR",
}

MEASURES = {"nrr": "NRR", "grr": "GRR", "logo": "Logo retention"}
# What a back-test compares: the forecast, what it is mixed from, and the rules that need no model
# (past figures are both).
FORECASTERS = {
    "crps": "Forecast",
    "ratios": "Customers' own past",
    "past": "Past figures",
    "model": "Model of drivers",
    "last": "Last year's figure",
    "mean": "Mean of past years",
}
ENOUGH_YEARS = 5  # independent ones, of a back-test: fewer prove little
# Where a ratio stands among published quartiles.
STANDINGS = {
    "below p25": "in the lower quarter",
    "p25 to p50": "between the lower quarter and the middle",
    "p50 to p75": "between the middle and the upper quarter",
    "above p75": "in the upper quarter",
}

DOES_NOT_RECUR = (
    "Past years do not bear the drivers out: this revenue does not recur in the way they assume, so"
    " what moving one would bring is not known."
)
SHOCK, YEAR_EFFECT = "shock", "year_effects."  # how good the year is: for all, for one driver
# Of the name of a programme's effect: the programme, what it changes, and where.
EFFECT = re.compile(rf"programmes\.(.*)\.({'|'.join(STEPS)})(?:\.(.*))?", re.DOTALL)


class Markdown(str):
    """The house's own words, which a template prints as they stand; other text is escaped."""


def shown(**columns: tuple[str, Any]) -> dict[str, dict[str, Any]]:
    """What `tables.table` needs of columns: their formats and their headings."""
    return {
        "formats": {name: form for name, (_, form) in columns.items()},
        "labels": {name: label for name, (label, _) in columns.items()},
    }


def period(month: str, pace: int, calendar: Calendar) -> str:
    """The quarter that ends with a month, or its year where reports are yearly (`pace` 12)."""
    return (quarter_name if pace == 3 else year_name)(month, calendar)


def span(months: int) -> str:
    """So many months, in words."""
    return counted(months, "month")


def size_of(difference: float) -> str:
    """A difference of two ratios without its sign, in words: 2.1 points."""
    return points(abs(difference)).lstrip("+").replace("pts", "points")


def percentile(place: float) -> str:
    """Where a value lies in what was forecast, from 0 to 1: 71st percentile."""
    if not 0 < place < 1:
        return "below the 1st percentile" if place <= 0 else "above the 99th percentile"
    number = round(100 * place)
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending} percentile"


def at_percentile(place: float) -> str:
    """The same inside a sentence: at the 71st percentile."""
    return f"{'at the ' if 0 < place < 1 else ''}{percentile(place)}"


def joined(parts: Sequence[str], last: str = " and ") -> str:
    """Several texts as one: a, b and c."""
    return last.join([*([", ".join(parts[:-1])] if len(parts) > 1 else []), *parts[-1:]])


def parts_of(belief: str) -> tuple[str, str, str]:
    """Driver, segment (which may have dots in its name) and field of a belief's name."""
    found = re.fullmatch(r"(\w+)\.(.*?)\.(by_tenure\.\d+|\w+)", belief, re.DOTALL)
    return (found[1], found[2], found[3]) if found else (belief, "all", "")


def belief(name: str, labels: Mapping[str, str] | None = None) -> str:
    """A belief's name in words; the common shock and a year effect are beliefs, too.

    labels : a card's own.
    """
    if name == SHOCK:
        return "Market-wide good or bad year"
    if name.startswith(YEAR_EFFECT):
        return f"Year-to-year swings in {STEPS[name.removeprefix(YEAR_EFFECT)].lower()}"
    if found := EFFECT.fullmatch(name):
        return effect(found[1], found[2], found[3] or "all", labels)
    driver, segment, field = parts_of(name)
    return of_segment(assumption(driver, field), segment, labels)


def effect(
    programme: str, driver: str, segment: str = "all", labels: Mapping[str, str] | None = None
) -> str:
    """What a programme's effect is called: Effect of Rescue call on churn, SMB."""
    return of_segment(f"Effect of {label(programme)} on {STEPS[driver].lower()}", segment, labels)


def of_segment(what: str, segment: str, labels: Mapping[str, str] | None = None) -> str:
    """What is said of a segment; of all, without their name."""
    return what if segment == "all" else f"{what}, {label(segment, labels)}"


def assumption(driver: str, field: str) -> str:
    """What a driver's number is called: Churn, Price increase, Contraction per event."""
    return OWN_WORDS.get(f"{driver}.{field}") or f"{STEPS[driver]}{field_of(field)}"


def of_accounts(scenario: Scenario) -> str:
    """How many accounts have rates of their own, by which file; empty where none do."""
    own = scenario.opening.multipliers
    if own is None:
        return ""
    file = PurePath(getattr(scenario.book, "accounts", None) or "").name
    some = f"{count((own != 1).any(axis=1).sum())} of {counted(len(own), 'customer')}"
    return f"{some} ({file})" if file else some


def decided_of(scenario: Scenario) -> list[str]:
    """Who renews and who leaves, as it is decided."""
    return [f"{name} {each}" for name, each in getattr(scenario.book, "settled", {}).items()]


def lasting(months: int) -> str:
    """The length of a window in words: twelve months, 3 months."""
    return "twelve months" if months == 12 else span(months)


def field_of(field: str) -> str:
    """What is said after a driver's name of one of its numbers; nothing of its rate."""
    kind, _, year = field.partition(".")
    return f" in year {year}" if year else FIELD_WORDS.get(kind, f" {kind}")


def _printed_as(by: str, large: Any, currency: str) -> Callable[[str], str]:
    """What prints a label of a split: a segment's identifier as a name, a column's as it is.

    large : what is said of large customers; where it is, labels are size bands.
    """
    if large:
        return partial(printed_band, currency=currency)
    if by == "segment":
        return label
    return printed_quarter if by.startswith("cohort_") else str


def large_line(large: Mapping[str, Any], customers: int, currency: str) -> str:
    """The line that listed companies print of their large customers."""
    bound = printed_band(short(large["bound"]), currency)
    return (
        f"customers above {bound}: {count(large['customers'])} of {count(customers)},"
        f" {percent(large['share'])} of opening ARR, NRR {percent(large['nrr'])}"
    )


def unsigned_lines(currency: str | None) -> list[str]:
    """What the command says below amounts whose currency is not known; nothing of others."""
    return [] if currency else ["", "no currency is stated: amounts are printed without a sign"]


def headline_lines(headline: Mapping[str, Any], by: str = "segment") -> list[str]:
    """What `nrrsim metrics` prints for people; `by`: what the segments are split by."""
    from nrrsim.metrics import DEFINITIONS  # here: pages name columns, and compute nothing

    currency = headline["currency"] or ""
    title = DEFINITIONS[headline["definition"]].title.lower()
    title += ", without price" if headline.get("ex_price") else ""
    # a column's own values are printed as they are
    large = headline.get("large")
    printed = _printed_as(by, large, currency)
    segments = [(printed(name), row) for name, row in headline["segments"].items()]
    rows = [("", headline), *segments]
    width = max(len("segment"), *(len(name) for name, _ in rows))
    lines = [
        f"{span(headline['window'])} to {month_name(headline['as_of'])}, {title},"
        f" {counted(headline['customers'], 'customer')}",
        "",
        f"{'size' if large else 'segment':<{width}} {'NRR':>8} {'GRR':>8} {'logo':>8}"
        f" {'opening ARR':>18} {'closing ARR':>18}",
    ]
    for name, row in [*rows[1:], ("all", headline)]:
        ratios = " ".join(f"{percent(row[key]):>8}" for key in ("nrr", "grr", "logo"))
        amounts = " ".join(
            f"{money_exact(row[key], currency):>18}" for key in ("opening", "closing")
        )
        lines.append(f"{name:<{width}} {ratios} {amounts}")
    moves = [
        # what is not nothing is not told as $0
        f"{STEPS[name].lower()} {(money if amount >= 0.5 else money_exact)(amount, currency)}"
        for name, amount in headline["movements"].items()
        if amount
    ]
    several = headline.get("apart", 0)
    apart = (
        f"{counted(several, 'customer is', 'customers are')} in several of these parts, with what"
        " each holds there: NRR of the parts adds up to that of all, GRR and logo need not"
    )
    return [
        *lines,
        *(["", apart] if several else []),
        "",
        "movements of the cohort: " + (", ".join(moves) or "none"),
        *([large_line(large, headline["customers"], currency)] if large else []),
        *unsigned_lines(currency),
    ]
