"""The columns of reports' tables: headings and number forms; never a frame, never a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nrrsim.notation import label, percent, points
from nrrsim.report.wording.labels import shown, size_of

# --- the quarterly report ----------------------------------------------------------------------

MOVEMENTS = shown(
    step=("Movement", "text"),
    cohort=("This cohort", "money"),
    share=("Share of opening", "percent"),
    company=("Whole company", "money"),
)
MOVERS = shown(
    customer=("Customer", "text"),
    segment=("Segment", "text"),
    opening=("Opening ARR", "money"),
    closing=("Closing ARR", "money"),
    change=("Change", "signed_money"),
    contribution=("Effect on NRR", "points"),
)
INFLUENCE = shown(
    customer=("Customer", "text"),
    segment=("Segment", "text"),
    opening_share=("Share of opening", "percent"),
    without=("NRR without it", "percent"),
    change=("Its effect", "points"),
)
RENEWALS = shown(
    period=("Period", "text"),
    customers=("Contracts", "count"),
    due=("Due", "money"),
    renewed=("Renewed", "money"),
    lost=("Lost", "money"),
    rate=("Renewal rate", "percent"),
    after=("After renewal", "money"),
)
DEFINITION = shown(
    title=("Definition", "text"),
    nrr=("NRR", "percent"),
    grr=("GRR", "percent"),
    difference=("Difference", "part"),
    returns=("Returns", "part"),
    rebasing=("Re-basing", "part"),
    newcomers=("Newcomers", "part"),
    timing=("Timing", "part"),
    price=("Price", "part"),
)
CHECKS = shown(
    check=("Check", "text"),
    difference=("Largest difference", "money_exact"),
    holds=("Holds to the cent", "text"),
)


def split(label: str, last_report: str) -> dict[str, dict[str, Any]]:
    """Of a split, whose first column is called `label`, with what changed since the last report."""
    return shown(
        name=(label, "text"),
        customers=("Customers", "count"),
        opening=("Opening", "money"),
        closing=("Closing", "money"),
        nrr=("NRR", "percent"),
        change=(f"Since {last_report}", "points"),
        grr=("GRR", "percent"),
        logo=("Logo", "percent"),
        effect=("Effect on NRR", "points"),
    )


# --- the forecast and the back-test ------------------------------------------------------------

ASSUMED = shown(
    driver=("Driver", "text"),
    segment=("Segment", "text"),
    middle=("A year", "text"),
    interval=("90 % between", "text"),
    size=("Size", "text"),
    seen=("Seen", "text"),
)
SCORES = shown(
    measure=("Forecast of", "text"),
    n=("Outcomes", "count"),
    effective=("Of their own", "count"),
    cover50=("In 50 %", "share"),
    cover80=("In 80 %", "share"),
    cover90=("In 90 %", "share"),
    crps=("CRPS", size_of),
    last=("Last year", size_of),
    past=("Past mean", size_of),
)

# --- the comparison of scenarios ---------------------------------------------------------------

APART = shown(
    name=("vs the first scenario", "text"),
    mean=("Mean", "points"),
    sd=("SD", lambda each: points(each).lstrip("+")),
    p05=("90% low", "points"),
    p50=("Median", "points"),
    p95=("90% high", "points"),
    p_above=("Probability above", "share"),
)
NEEDED = shown(
    lever=("Driver", "text"),
    now=("Now", "text"),
    needed=("Needed", "text"),
    factor=("Factor", "text"),
    beside=("Published", "text"),
)
AHEAD = shown(
    year=("After", "text"),
    simple=("Simple compounding", "signed_money"),
    own=("Model", "signed_money"),
)
BELIEFS = shown(
    name=("Assumption", "text"),
    low=("NRR at low end", "percent"),
    high=("NRR at high end", "percent"),
    known=("Variance removed if known", "share"),
    effect=("Share of variance", "share"),
)
PROGRAMMES = shown(
    name=("Programme", "text"),
    months=("Start, full effect", "text"),
    nrr=("NRR", "points"),
    arr=("ARR", "signed_money"),
    cost=("Cost", "text"),
    returned=("ARR / cost", "text"),
)
VALUES = shown(
    name=("Scenario", "text"),
    nrr=("NRR", "percent"),
    arr=("ARR after a year", "money"),
    multiple=("Multiple", "text"),
    value=("Indicative value", "money"),
)
TIES = shown(check=("Check", "text"), difference=("Difference", "text"), holds=("Holds", "text"))


def overview(target: float) -> dict[str, dict[str, Any]]:
    """Of scenarios side by side, against a target."""
    return shown(
        name=("Scenario", "text"),
        nrr=("NRR", "percent"),
        p05=("90% low", "percent"),
        p95=("90% high", "percent"),
        to_target=("vs target", "points"),
        p_target=(f"Reaches {percent(target)}", "share"),
        grr_flow=("GRR", "percent"),
        closing=("ARR at end", "money"),
    )


def assumptions(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of what scenarios of these names assume, side by side."""
    return {"formats": dict.fromkeys(["Assumption", *names], "text"), "labels": {}}


def by_driver(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of the differences of scenarios of these names from the first, by driver."""
    return shown(group=("Driver", "text"), **{name: (name, "part") for name in names})


def parts(
    segments: Sequence[str], labels: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """Of a difference's parts: the whole, then each segment."""
    return shown(
        group=("Driver", "text"),
        part=("NRR", "points"),
        share=("Share", "share"),
        arr=("ARR", "signed_money"),
        **{name: (label(name, labels), "part") for name in segments},
    )
