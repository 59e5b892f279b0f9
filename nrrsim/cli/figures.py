"""A command's JSON object in, the figures that may be quoted of it out; never computes a number.

A figure has all that it means: number, unit, definition, window, month, currency and range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from nrrsim.months import shift
from nrrsim.notation import counted, money, percent, points
from nrrsim.notation import month_name as in_words

Answer = Mapping[str, Any]
RATIO, DIFFERENCE, ODDS, COUNT = "ratio", "difference of ratios", "probability", "count"
DISTANCE, SHARE = "distance of ratios", "share"
MONEY = "ARR"  # a year's run-rate, in the currency that is told
POINT, FLOW, STAYS_OUT = "point_to_point", "flow", "stays_out"
BETWEEN = "90%"  # of the ranges: from p05 to p95
MEASURES = ("nrr", "grr", "logo")
CALLED = {"nrr": "NRR", "grr": "GRR", "logo": "logo retention"}


class Told(NamedTuple):
    """A figure before it is known of which months it is.

    at : of what stands on a day, so many months after the answer's `as_of`; None of what a window
        shows.
    """

    name: str
    value: Any
    unit: str
    definition: str | None = None
    range: tuple[Any, Any] | None = None
    at: int | None = None


class Context(NamedTuple):
    """Of which months and in which currency the figures of an answer are.

    ahead : the window begins at `as_of`; else it ends there.
    """

    as_of: str | None = None
    window: int | None = None
    currency: str | None = None
    ahead: bool = False


def figures_of(tool: str, answer: Mapping[str, Any], about: Context) -> list[dict[str, Any]]:
    """The figures of an answer, each whole and with words to quote it in."""
    told = TOLD[tool](answer, about.window or 0)
    return [_whole(each, about) for each in told if each.value is not None]


def _whole(told: Told, about: Context) -> dict[str, Any]:
    ends = None if told.range is None or None in told.range else list(told.range)
    as_of = about.as_of if not told.at or about.as_of is None else shift(about.as_of, told.at)
    window = about.window if told.at is None else None
    return {
        "name": told.name,
        "value": told.value,
        "unit": told.unit,
        "definition": told.definition,
        "window": window,
        "as_of": as_of,
        "currency": about.currency,
        "range": ends,
        "range_holds": BETWEEN if ends else None,
        "quote": _quote(told, about, as_of, window, ends),
    }


def _quote(
    told: Told, about: Context, as_of: str | None, window: int | None, ends: list[Any] | None
) -> str:
    """A figure in words and numbers of ours alone."""
    spell: dict[str, Callable[[Any], str]] = {
        RATIO: percent,
        ODDS: percent,
        SHARE: percent,
        DIFFERENCE: points,
        DISTANCE: lambda apart: points(apart).lstrip("+"),
        MONEY: lambda amount: money(amount, about.currency or ""),
        COUNT: lambda number: f"{number:,}",
    }
    write = spell[told.unit]
    means = [told.definition.replace("_", " ")] if told.definition else []
    if window and as_of:
        means.append(
            f"{counted(window, 'month')} {'from' if about.ahead else 'to'} {in_words(as_of)}"
        )
    elif window:
        means.append(counted(window, "month"))
    elif as_of:
        means.append(in_words(as_of))
    if ends:
        means.append(f"{BETWEEN} range {write(ends[0])} to {write(ends[1])}")
    return f"{told.name} {write(told.value)}" + (f" ({', '.join(means)})" if means else "")


# --- of each command ------------------------------------------------------------------------------


def _checked(answer: Answer, _: int) -> Iterator[Told]:
    yield Told("ARR", answer.get("arr_last_month"), MONEY, at=0)
    yield Told("customers", answer.get("customers_last_month"), COUNT, at=0)


def _measured(answer: Answer, window: int) -> Iterator[Told]:
    for name in MEASURES:
        # NRR alone is without price movements
        without = " without price movements" if name == "nrr" and answer.get("ex_price") else ""
        definition = answer.get("definition")
        if name == "logo" and definition != STAYS_OUT:
            definition = POINT  # of customers there are no flows
        yield Told(CALLED[name] + without, _number(answer.get(name)), RATIO, definition)
    yield Told("opening ARR", _number(answer.get("opening")), MONEY, at=-window)
    yield Told("closing ARR of the opening customers", _number(answer.get("closing")), MONEY, at=0)


def _expected(answer: Answer, window: int) -> Iterator[Told]:
    law = answer["law"]
    yield Told("expected NRR", answer["nrr"], RATIO, POINT, _ends(law["nrr"]))
    yield Told("expected GRR", law["grr"]["mean"], RATIO, POINT, _ends(law["grr"]))
    yield Told("expected GRR, every loss counted", answer["grr_flow"], RATIO, FLOW)
    yield Told("expected logo retention", answer["logo"], RATIO, POINT, _ends(law["logo"]))
    yield Told("opening ARR", answer["opening"], MONEY, at=0)
    yield Told("expected closing ARR of the opening customers", answer["closing"], MONEY, at=window)
    yield Told(f"probability {_target(answer)}", law.get("p_target"), ODDS)


def _simulated(answer: Answer, _: int) -> Iterator[Told]:
    for name in MEASURES:
        what = f"mean simulated {CALLED[name]}"
        yield Told(what, answer[name]["mean"], RATIO, POINT, _ends(answer[name]))
    yield Told(f"simulated probability {_target(answer)}", answer.get("p_target"), ODDS)


def _compared(answer: Answer, _: int) -> Iterator[Told]:
    for name in ("a", "b"):
        law = answer[name]["law"]["nrr"]
        yield Told(f"expected NRR of {name}", answer[name]["nrr"], RATIO, POINT, _ends(law))
    apart = _ends(answer["simulated"])
    yield Told("difference in NRR, b less a", answer["difference"], DIFFERENCE, POINT, apart)


def _needed(answer: Answer, _: int) -> Iterator[Told]:
    yield Told("expected NRR", answer["nrr"], RATIO, POINT)
    odds = answer.get("probability")
    with_odds = "" if odds is None else f" with a probability of {percent(odds)}"
    yield Told(f"NRR to be reached{with_odds}", answer["target"], RATIO, POINT)


def _judged(answer: Answer, _: int) -> Iterator[Told]:
    for name in MEASURES:
        of = answer["whole"].get(name) or {}
        what = f"average forecast error of {CALLED[name]} (CRPS)"
        yield Told(what, of.get("crps"), DISTANCE, POINT)
        what = f"outcomes inside the {BETWEEN} range of {CALLED[name]}"
        yield Told(what, of.get("cover90"), SHARE, POINT)
    yield Told("forecasts that were made", len(answer["origins"]), COUNT)


def _of_accounts(answer: Answer, window: int) -> Iterator[Told]:
    totals = answer["totals"]
    yield Told("ARR", totals["arr"], MONEY, at=0)
    yield Told("ARR at risk", totals["at_risk"], MONEY)
    yield Told("expected gain in ARR", totals["gain"], MONEY)
    at = window or None  # up to a renewal each customer has a month of its own
    yield Told("expected ARR of today's customers", totals["expected"], MONEY, at=at)


def _target(answer: Answer) -> str:
    return f"of NRR of at least {percent(answer.get('target'))}"


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) else None


def _ends(law: Answer) -> tuple[Any, Any]:
    return law.get("p05"), law.get("p95")


TOLD: dict[str, Callable[[Answer, int], Iterator[Told]]] = {
    "check": _checked,
    "metrics": _measured,
    "expect": _expected,
    "simulate": _simulated,
    "compare": _compared,
    "frontier": _needed,
    "backtest": _judged,
    "accounts": _of_accounts,
    "reports": _measured,  # by the numbers that it left in its manifest
}
