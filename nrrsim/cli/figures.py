"""A command's JSON object in, the figures that may be quoted of it out; never computes a number.

A figure has all that it means: number, unit, definition, window, month, currency and range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from nrrsim.notation import counted, money, month_name, percent, points

RATIO, DIFFERENCE, ODDS, COUNT = "ratio", "difference of ratios", "probability", "count"
DISTANCE, SHARE = "distance of ratios", "share"
MONEY = "ARR"  # a year's run-rate, in the currency that is told
POINT, FLOW = "point_to_point", "flow"
BETWEEN = "90%"  # of the ranges: from p05 to p95
MEASURES = ("nrr", "grr", "logo")
CALLED = {"nrr": "NRR", "grr": "GRR", "logo": "logo retention"}


class Told(NamedTuple):
    """A figure before it is known of which months it is."""

    name: str
    value: Any
    unit: str
    definition: str | None = None
    range: tuple[Any, Any] | None = None


class Context(NamedTuple):
    """Of which months and in which currency the figures of an answer are."""

    as_of: str | None = None
    window: int | None = None
    currency: str | None = None


def figures_of(tool: str, answer: Mapping[str, Any], about: Context) -> list[dict[str, Any]]:
    """The figures of an answer, each whole and with a sentence to quote."""
    told = TOLD.get(tool)
    found = [] if told is None else [each for each in told(answer) if each.value is not None]
    return [_whole(each, about) for each in found]


def _whole(told: Told, about: Context) -> dict[str, Any]:
    low_high = None if told.range is None or None in told.range else list(told.range)
    return {
        "name": told.name,
        "value": told.value,
        "unit": told.unit,
        "definition": told.definition,
        "window": about.window,
        "as_of": about.as_of,
        "currency": about.currency,
        "range": low_high,
        "range_holds": BETWEEN if low_high else None,
        "quote": _quote(told, about, low_high),
    }


def _quote(told: Told, about: Context, low_high: list[Any] | None) -> str:
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
    if about.window and told.unit in (RATIO, DIFFERENCE, DISTANCE, ODDS):
        means.append(counted(about.window, "month"))
    if about.as_of:
        means.append(f"as of {month_name(about.as_of)}" if _is_month(about.as_of) else about.as_of)
    if low_high:
        means.append(f"{BETWEEN} range {write(low_high[0])} to {write(low_high[1])}")
    return f"{told.name} {write(told.value)}" + (f" ({', '.join(means)})" if means else "")


def _is_month(text: str) -> bool:
    return len(text) == 7 and text[:4].isdecimal()


# --- of each command ------------------------------------------------------------------------------


def _checked(answer: Mapping[str, Any]) -> Iterator[Told]:
    yield Told("ARR in the last month", answer.get("arr_last_month"), MONEY)
    yield Told("customers in the last month", answer.get("customers_last_month"), COUNT)


def _measured(answer: Mapping[str, Any]) -> Iterator[Told]:
    for name in MEASURES:
        yield Told(CALLED[name], answer[name], RATIO, answer["definition"])
    yield Told("opening ARR", answer["opening"], MONEY)
    yield Told("closing ARR", answer["closing"], MONEY)


def _expected(answer: Mapping[str, Any]) -> Iterator[Told]:
    law = answer.get("law") or {}
    yield Told("expected NRR", answer["nrr"], RATIO, POINT, _ends(law.get("nrr")))
    yield Told(
        "expected GRR", (law.get("grr") or {}).get("mean"), RATIO, POINT, _ends(law.get("grr"))
    )
    yield Told("expected GRR, every loss counted", answer["grr_flow"], RATIO, FLOW)
    yield Told("expected logo retention", answer["logo"], RATIO, POINT, _ends(law.get("logo")))
    yield Told("opening ARR", answer["opening"], MONEY)
    yield Told("expected closing ARR", answer["closing"], MONEY)
    yield Told("probability of the target", law.get("p_target"), ODDS)


def _simulated(answer: Mapping[str, Any]) -> Iterator[Told]:
    for name in MEASURES:
        what = f"mean simulated {CALLED[name]}"
        yield Told(what, answer[name]["mean"], RATIO, POINT, _ends(answer[name]))
    yield Told("simulated probability of the target", answer.get("p_target"), ODDS)


def _compared(answer: Mapping[str, Any]) -> Iterator[Told]:
    for name in ("a", "b"):
        law = answer[name]["law"]["nrr"]
        yield Told(f"expected NRR of {name}", answer[name]["nrr"], RATIO, POINT, _ends(law))
    apart = _ends(answer["simulated"])
    yield Told("difference in NRR, b less a", answer["difference"], DIFFERENCE, POINT, apart)


def _needed(answer: Mapping[str, Any]) -> Iterator[Told]:
    yield Told("expected NRR", answer["nrr"], RATIO, POINT)
    yield Told("NRR to be reached", answer["target"], RATIO, POINT)


def _judged(answer: Mapping[str, Any]) -> Iterator[Told]:
    for name in MEASURES:
        of = answer["whole"].get(name) or {}
        yield Told(
            f"average forecast error of {CALLED[name]} (CRPS)", of.get("crps"), DISTANCE, POINT
        )
        yield Told(f"outcomes inside the 90% range of {CALLED[name]}", of.get("cover90"), SHARE)
    yield Told("forecasts that were made", len(answer["origins"]), COUNT)


def _of_accounts(answer: Mapping[str, Any]) -> Iterator[Told]:
    totals = answer["totals"]
    yield Told("ARR", totals["arr"], MONEY)
    yield Told("ARR at risk", totals["at_risk"], MONEY)
    yield Told("expected gain", totals["gain"], MONEY)
    yield Told("expected ARR", totals["expected"], MONEY)


def _reported(numbers: Mapping[str, Any]) -> Iterator[Told]:
    for name in MEASURES:
        yield Told(CALLED[name], _number(numbers.get(name)), RATIO, numbers.get("definition"))
    yield Told("opening ARR", _number(numbers.get("opening")), MONEY)
    yield Told("closing ARR", _number(numbers.get("closing")), MONEY)


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) else None


def _ends(law: Mapping[str, Any] | None) -> tuple[Any, Any] | None:
    return (law.get("p05"), law.get("p95")) if law else None


TOLD: dict[str, Callable[[Mapping[str, Any]], Iterator[Told]]] = {
    "check": _checked,
    "metrics": _measured,
    "expect": _expected,
    "simulate": _simulated,
    "compare": _compared,
    "frontier": _needed,
    "backtest": _judged,
    "accounts": _of_accounts,
    "reports": _reported,
}
