"""The columns of reports' tables: headings and number forms; never a frame, never a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from nrrsim.notation import disclosed, label, percent, points, signed_money
from nrrsim.report.wording.labels import shown, size_of

# --- the quarterly report ----------------------------------------------------------------------

MOVEMENTS = shown(
    step=("Movement", "text"),
    cohort=("Cohort", "money"),
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
    without=("NRR without", "percent"),
    change=("With vs without", "points"),
)
DECISIVE = shown(
    customer=("Customer", "text"),
    segment=("Segment", "text"),
    renews=("Renews in", "text"),
    arr=("ARR", "money"),
    share=("Share of ARR", "percent"),
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
SINCE = shown(
    part=("Part", "text"),
    change=("Change of NRR", "points"),
    first=("Largest customer", "text"),
    second=("Second largest", "text"),
)
CHECKS = shown(
    check=("Check", "text"),
    difference=("Largest difference", "money_exact"),
    holds=("Holds", "text"),
)


def restated(currency: str) -> dict[str, dict[str, Any]]:
    """Of what was restated; sums of several customers' months are none."""
    return shown(
        quarter=("Published for", "text"),
        customer=("Customer", "text"),
        months=("Months", "text"),
        change=("Change of ARR", lambda each: "" if each == "" else signed_money(each, currency)),
        effect=("Effect on NRR", "points"),
        kind=("What changed", "text"),
    )


def split(label: str, last_report: str) -> dict[str, dict[str, Any]]:
    """Of a split, whose first column is called `label`, with what changed since the last report."""
    return shown(
        name=(label, "text"),
        customers=("Customers", "count"),
        opening=("Opening ARR", "money"),
        closing=("Closing ARR", "money"),
        nrr=("NRR", "percent"),
        change=(f"vs {last_report}", "points"),
        grr=("GRR", "percent"),
        logo=("Logo", "percent"),
        effect=("Effect on NRR", "points"),
    )


PUBLISHED = shown(
    name=("Part", "text"),
    typical=("Median customer", "money"),
    row=("Contracts of companies surveyed", "text"),
    nrr=("NRR", "percent"),
    published_nrr=("Published", "share"),
    grr=("GRR", "percent"),
    published_grr=("Published", "share"),
)

PEERS = shown(
    company=("Company", "text"),
    period=("Period to", "text"),
    nrr=("NRR", disclosed),
    before=("A year before", disclosed),
    own=("NRR here", "percent"),
    difference=("Here vs peer", "points"),
    definition=("Definition", "text"),
)
PEERS_APART = shown(
    company=("Company", "text"),
    period=("Period to", "text"),
    nrr=("Disclosed", disclosed),
    words=("What it measures", "text"),
)

# --- the forecast and the back-test ------------------------------------------------------------

ASSUMED = shown(
    driver=("Driver", "text"),
    segment=("Segment", "text"),
    middle=("Per year", "text"),
    interval=("90% range", "text"),
    size=("Size", "text"),
    seen=("Evidence", "text"),
    own=("Own events", "text"),
)
SCORES = shown(
    measure=("Forecast of", "text"),
    n=("Outcomes", "count"),
    years=("Independent years", "count"),
    cover50=("In 50% range", "share"),
    cover80=("In 80% range", "share"),
    cover90=("In 90% range", "share"),
    width80=("Average width", size_of),
)
ERRORS = shown(
    name=("Average error of", "text"),
    nrr=("NRR", size_of),
    grr=("GRR", size_of),
    logo=("Logo", size_of),
    nrr_segment=("NRR by segment", size_of),
    grr_segment=("GRR by segment", size_of),
    logo_segment=("Logo by segment", size_of),
)

# --- accounts ----------------------------------------------------------------------------------


def decimals(number: float) -> str:
    """A score of three decimals."""
    return f"{number:.3f}"


QUALITY = shown(
    by=("By", "text"),
    auc=("AUC", decimals),
    brier=("Error (Brier)", decimals),
    captured=("ARR lost in the top tenth", "share"),
    lost=("ARR that leaves", "percent"),
)
BANDS = shown(
    name=("Band", "text"),
    n=("Accounts", "count"),
    predicted=("Predicted to leave", "percent"),
    observed=("Left", "percent"),
)
RULES = shown(
    words=("Alert", "text"),
    announces=("Announces", "text"),
    fired=("Fired", "count"),
    hit_rate=("Came true", "share"),
    base_rate=("All accounts", "share"),
    range=("Lift, 90% range", "text"),
    lead_months=("Months before", "count"),
    predicts=("Predicts", "text"),
)
AT_RISK = shown(
    customer=("Account", "text"),
    renews=("Renews in", "text"),
    arr=("ARR", "money"),
    p_leave=("Leaves", "share"),
    arr_at_risk=("At risk", "money"),
    health=("Health", "text"),
    why=("Why", "text"),
)
CALLS = shown(
    customer=("Account", "text"),
    segment=("Segment", "text"),
    renews=("Renews in", "text"),
    arr=("ARR", "money"),
    p_leave=("Leaves", "share"),
    arr_at_risk=("At risk", "money"),
    health=("Health", "text"),
    play=("Suggested play", "text"),
)
WHY = shown(
    customer=("Account", "text"),
    why=("Why", "text"),
    alerts=("Alerts", "text"),
)
GROWING = shown(
    customer=("Account", "text"),
    segment=("Segment", "text"),
    arr=("ARR", "money"),
    p_expand=("Expands", "share"),
    expected_gain=("Expected gain", "money"),
    signs=("Alerts", "text"),
)
ALERTS = shown(
    customer=("Account", "text"),
    segment=("Segment", "text"),
    arr=("ARR", "money"),
    rule=("Alert", "text"),
    announces=("Announces", "text"),
    play=("Suggested play", "text"),
)
ACTIONS = shown(
    name=("Action", "text"),
    compared=("Treated / others", "text"),
    planned=("Planned, churn", "text"),
    effect=("Measured, churn", "text"),
    left=("Left, vs others", "text"),
    saved=("ARR saved", "text"),
    cost=("Cost", "text"),
    claimed=("Saving", "text"),
)
PLAYS = shown(
    play=("Suggested play", "text"),
    accounts=("Accounts", "count"),
    arr=("ARR", "money"),
    arr_at_risk=("ARR at risk", "money"),
    expected_gain=("Expected gain", "money"),
)
REASONS = shown(
    kind=("Kind", "text"),
    reason=("Reason", "text"),
    customers=("Accounts", "count"),
    churn=("Churn", "money"),
    contraction=("Contraction", "money"),
    share=("Share of losses", "percent"),
)
CLUSTERS = shown(
    finding=("Finding", "text"),
    group=("Group", "text"),
    customers=("Accounts", "count"),
    lost=("Left or shrank", "count"),
    expected=("Expected", lambda each: f"{each:.1f}"),
    arr_lost=("ARR lost", "money"),
    names=("Who", "text"),
    reasons=("Reasons", "text"),
)

# --- the pipeline ------------------------------------------------------------------------------

PIPELINE = shown(
    period=("Close date in", "text"),
    segment=("Segment", "text"),
    opportunities=("Opportunities", "count"),
    arr=("Open", "money"),
    weighted=("Weighted", "money"),
    booked=("Booked a year ago", "money"),
)
STAGES = shown(
    stage=("Stage", "text"),
    opportunities=("Open", "count"),
    arr=("Open ARR", "money"),
    resolved=("Resolved", "count"),
    rate=("Becomes expansion", "share"),
    range=("90% range", "text"),
    basis=("Rate is", "text"),
)
COVERAGE = shown(
    of=("Against", "text"),
    segment=("Segment", "text"),
    until=("Until", "text"),
    needed=("Expansion needed", "money"),
    open=("Open", "money"),
    coverage=("Coverage", "percent"),
)
UNCOVERED = shown(
    customer=("Customer", "text"),
    segment=("Segment", "text"),
    renews=("Renews in", "text"),
    due=("ARR due", "money"),
)
STRAY = shown(
    customer=("Customer", "text"),
    why=("Why", "text"),
    opportunity=("Opportunity", "text"),
    arr=("ARR", "money"),
)


def filled(frame: pd.DataFrame, columns: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Those of the columns in which anything stands: no health, no play, no column of it."""
    kept = [name for name in columns["formats"] if not (frame[name] == "").all()]
    return {what: {name: each[name] for name in kept} for what, each in columns.items()}


# --- the comparison of scenarios ---------------------------------------------------------------

APART = shown(
    name=("vs the first scenario", "text"),
    mean=("Mean", "points"),
    sd=("SD", lambda each: points(each).lstrip("+")),
    p05=("Low", "points"),
    p50=("Median", "points"),
    p95=("High", "points"),
    p_above=("Above the first", "share"),
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
    effect=("Effect", "text"),
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
        p05=("Low", "percent"),
        p95=("High", "percent"),
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
        **{f"in {name}": (label(name, labels), "part") for name in segments},
    )


# --- what charts are drawn from ----------------------------------------------------------------

# Ratios are ratios in every chart, AMOUNTS are in its currency: ratios, too, where it has none.
RATIOS = {
    "nrr": "NRR",
    "grr": "GRR",
    "nrr_before": "NRR, last report",
    "now": "NRR now",
    "p_target": "Reaches target",
    "p05": "P5",
    "p10": "P10",
    "p50": "Median",
    "p90": "P90",
    "p95": "P95",
    "actual": "Actual",
    "customers_share": "Share of customers",
    "arr_share": "Share of ARR",
    "predicted": "Predicted to leave",
    "observed": "Left",
    "difference": "Difference",
}
AMOUNTS = {
    "amount": "Amount",
    "start": "From",
    "end": "To",
    "opening": "Opening ARR",
    "middle": "Median",
    "low": "Low",
    "high": "High",
    "due": "Due",
    "renewed": "Renewed",
    "lost": "Lost",
    "arr_at_risk": "ARR at risk",
    "arr": "Open",
    "weighted": "Weighted",
    "booked": "Booked a year ago",
}
TEXTS = {
    "period": "Period",
    "panel": "Scope",
    "step": "Movement",
    "segment": "Segment",
    "cohort": "Cohort",
    "name": "Scenario",
}
OTHERS = {
    "age": ("Age", "count"),
    "count": ("Outcomes", "count"),
    "density": ("Density", "number"),
    "below": ("Probability at or below", "share"),
}
OF_CHART = {
    "fan": {"name": "Series", "low": "Low end of range", "high": "High end of range"},
    "tornado": {"name": "Assumption", "low": "Low end", "high": "High end"},
    "calibration": {"name": "Band"},
    "effects": {"name": "Action", "low": "Low end of range", "high": "High end of range"},
    "cumulative": {"name": "Series"},
    "histogram": {"low": "From", "high": "To"},
    "peers": {"name": "Company", "panel": "Definition"},
}


def charted(chart: str, columns: Iterable[str], currency: str | None) -> dict[str, tuple[str, str]]:
    """Heading and number form of the columns that a chart is drawn from, those of its looks aside.

    currency : that of its amounts; None where they are ratios.
    """
    texts = {name: (head, "text") for name, head in TEXTS.items()}
    ratios = {name: (head, "percent") for name, head in RATIOS.items()}
    amounts = {
        name: (head, "percent" if currency is None else "money") for name, head in AMOUNTS.items()
    }
    known, own = texts | ratios | amounts | OTHERS, OF_CHART.get(chart, {})
    return {
        name: (own.get(name, known[name][0]), known[name][1]) for name in columns if name in known
    }
