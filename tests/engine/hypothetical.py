"""Scenarios that hypothesis draws: all drivers, sizes fixed and drawn, curves, programmes, calendars."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

import nrrsim as nr
from nrrsim.scenario.scenario import Scenario

MOST_CUSTOMERS = 3_000


def _number(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False).map(lambda each: round(each, 4))


@st.composite
def _size(draw: st.DrawFn, low: float, high: float) -> Any:
    mean = draw(_number(low, high))
    if draw(st.booleans()):
        return mean
    return {"mean": mean, "sd": round(mean * draw(_number(0.2, 0.9)), 4)}


@st.composite
def _drivers(draw: st.DrawFn, segments: list[str], programme: dict[str, Any]) -> dict[str, Any]:
    drivers: dict[str, Any] = {"churn": {}}
    for segment in segments:
        kind = draw(st.sampled_from(["rate", "rate", "by_tenure", "sbg"]))
        drivers["churn"][segment] = {
            "rate": {"rate": draw(_number(0.01, 0.4))},
            "by_tenure": {"by_tenure": draw(st.lists(_number(0.02, 0.4), min_size=2, max_size=4))},
            "sbg": {"sbg": {"alpha": draw(_number(0.3, 2)), "beta": draw(_number(1, 8))}},
        }[kind]
    for name, most, size in (
        ("contraction", 1.0, (0.05, 0.5)),
        ("adoption", 2.0, (0.02, 0.4)),
        ("cross_sell", 1.0, (0.05, 0.6)),
    ):
        if draw(st.booleans()):
            drivers[name] = {
                segment: {"rate": draw(_number(0.05, most)), "size": draw(_size(*size))}
                for segment in segments
            }
    if draw(st.booleans()):
        price = {
            "uplift": draw(_number(0.0, 0.1)),
            "acceptance": draw(st.sampled_from([1.0, 0.8, 0.4])),
            "churn_per_point": draw(st.sampled_from([0.0, 0.3])),
        }
        if draw(st.booleans()):
            price["month"] = draw(st.integers(1, 12))
        drivers["price"] = {"all": price}
    if draw(st.booleans()):
        drivers["reactivation"] = {
            "all": {"rate": draw(_number(0.05, 0.5)), "size": draw(_number(0.3, 1.0))}
        }
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(drivers)))
        programme["push"] = {
            name: draw(_number(-0.5, 0.5)),
            "from": draw(st.integers(1, 8)),
            "ramp": draw(st.integers(1, 6)),
        }
    return drivers


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Certain ones: 1 to 3,000 customers, 1 to 25 segments, 3 to 36 months."""
    number = draw(st.sampled_from([1, 1, 2, 3, 25]))
    segments = [f"s{n}" for n in range(number)]
    most = draw(st.sampled_from([1, 3, 12, 40, 150, MOST_CUSTOMERS]))
    customers = draw(
        st.lists(st.integers(1, max(1, most // number)), min_size=number, max_size=number)
    )
    programmes: dict[str, Any] = {}
    drivers = draw(_drivers(segments, programmes))
    book = {
        segment: {
            "share": draw(_number(0.1, 1)),
            "customers": n,
            "spread": draw(st.sampled_from([0.0, 0.0, 0.5, 1.2])),
            "term": draw(st.sampled_from(["annual", "monthly"])),
            "tenure": draw(st.sampled_from([0, 0.5, 2.5])),
        }
        for segment, n in zip(segments, customers, strict=True)
    }
    return nr.Scenario.of(
        {
            "months": draw(st.sampled_from([3, 6, 12, 24, 36])),
            "book": {"arr": 1_000_000, "starts": "2026-02", "segments": book},
            "drivers": drivers,
            "programmes": programmes,
        }
    )
