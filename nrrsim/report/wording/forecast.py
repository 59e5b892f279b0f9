"""The answers of a Forecast in, sentences and labels for people out; never computes a metric, never
draws.

Sentences are Markdown with every name escaped. Where a ledger is too short for a forecast, there is
nothing to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from nrrsim.months import shift
from nrrsim.notation import count, escape_markdown, percent, quarter_name, share
from nrrsim.report.wording.labels import STEPS, belief, joined, shown, size_of
from nrrsim.scenario.drivers import COUNTED

if TYPE_CHECKING:
    from nrrsim.analysis.forecast import Forecast, NoForecast
    from nrrsim.calibration.backtest import Backtest


TORNADO = shown(
    name=("Assumption", "text"),
    low=("NRR at its P5", "percent"),
    high=("NRR at its P95", "percent"),
    known=("Variance gone if known", "share"),
)
MEASURES = {"nrr": "NRR", "grr": "GRR", "logo": "Logo retention"}


def _when(month: str, pace: int) -> str:
    return quarter_name(month) if pace == 3 else month[:4]


def assumptions(ahead: Forecast) -> pd.DataFrame:
    """The assumptions, with numbers as text: probabilities in percent, events as counts a customer."""
    frame = ahead.assumptions()
    often = frame["driver"].isin(COUNTED)

    def told(value: float, is_rate: bool) -> str:
        return f"{value:.2f}" if is_rate else percent(value)

    rows = zip(frame["mean"], frame["low"], frame["high"], often, strict=True)
    numbers = [
        (told(mean, rate), f"{told(low, rate)} and {told(high, rate)}")
        for mean, low, high, rate in rows
    ]
    seen = [
        f"{count(k)} in {count(n)} {_years(n)}"
        for k, n in zip(frame["events"], frame["chances"], strict=True)
    ]
    return frame.assign(
        driver=frame["driver"].map(STEPS),
        middle=[middle for middle, _ in numbers],
        interval=[
            "a curve over tenure" if "nan" in interval else interval for _, interval in numbers
        ],
        seen=seen,
        size=[percent(each) if each == each else "–" for each in frame["size"]],
    )


def _years(number: float) -> str:
    return "year" if count(number) == "1" else "years"


def fan(ahead: Forecast) -> pd.DataFrame:
    """The fan with its periods and names in words."""
    frame, pace = ahead.fan(), ahead.history.pace
    names = {"reported": "Reported", "forecast": "Forecast, 90 % range"}
    return frame.assign(
        name=frame["name"].map(names), period=[_when(month, pace) for month in frame["month"]]
    )


def tornado(ahead: Forecast) -> pd.DataFrame:
    """The assumptions that matter, with their names in words."""
    frame = ahead.tornado()
    return frame.assign(name=[belief(name) for name in frame["name"]])


def scores(past: Backtest, segments: bool = False) -> pd.DataFrame:
    """The scores of a back-test, with the measures in words."""
    frame = past.summary(segments)
    frame = frame[frame["n"] > 0]
    return frame.assign(measure=frame["measure"].map(MEASURES))


def heading(ahead: Forecast | NoForecast, title: str) -> str:
    """A section's heading, of a year's report where the ledger is annual; nothing where there is no
    forecast.
    """
    if not ahead:
        return ""
    return f"# {title if ahead.history.pace == 3 else title.replace('quarter', 'year')}"


def why_not(ahead: Forecast | NoForecast) -> str:
    """Why nothing is forecast, where something should be; nothing else."""
    reason = "" if ahead else getattr(ahead, "reason", "")
    return f"# What may happen\n\nNothing is forecast: {escape_markdown(reason)}." if reason else ""


def read_assumptions(ahead: Forecast | NoForecast) -> str:
    """What the forecast assumes, and why."""
    if not ahead:
        return ""
    told = ahead.calibration
    plain = told.scenario.plain()
    shocks = [
        f"{STEPS[name].lower()} {abs(beta):.0%}"
        for name, beta in told.shock.items()
        if abs(beta) >= 0.005
    ]
    terms = plain["book"]["term"]
    yearly = [escape_markdown(name) for name, term in terms.items() if term == "annual"]
    monthly = [escape_markdown(name) for name, term in terms.items() if term == "monthly"]
    parts = [
        f"{word} in {joined(names)}"
        for names, word in ((yearly, "by the year"), (monthly, "by the month"))
        if names
    ]
    text = (
        f"{escape_markdown(plain['because'])} By when customers left, contracts run {joined(parts)}. Probabilities are"
        " a year's; contraction and adoption are events a customer and year, *size* what each takes or adds (of price:"
        " the increase)."
    )
    if len(terms) > len(ahead.largest):
        text += f" The table has the {len(ahead.largest)} largest of {len(terms)} segments."
    if shocks:
        text += (
            f" A year that is good or bad for all moves {joined(shocks)} (one standard deviation)."
        )
    return text


def read_findings(ahead: Forecast | NoForecast) -> str:
    """What to know of the history that was learnt from."""
    if not ahead:
        return ""
    return "\n".join(f"- {escape_markdown(each)}." for each in ahead.calibration.findings[:6])


def read_fan(ahead: Forecast | NoForecast) -> str:
    """Where NRR may be in a year, and how likely the target is."""
    if not ahead:
        return ""
    end, pace = shift(ahead.as_of, 12), ahead.history.pace
    told = ahead.range_at(end)
    text = (
        f"In nine of ten simulated futures the NRR of the twelve months to {_when(end, pace)} lies between"
        f" **{percent(told['p05'])} and {percent(told['p95'])}**, with {percent(told['p50'])} in the middle."
    )
    if ahead.p_target is not None:
        text += f" The target of {percent(ahead.history.target)} is reached in **{share(ahead.p_target)}** of them."
    if pace == 3:
        text += " The nearer quarters are narrower, as most of their twelve months have happened."
    if (
        ahead.history.definition != "point_to_point"
        or ahead.history.window != 12
        or ahead.history.ex_price
    ):
        text += " The forecast is point to point over twelve months, price included, whatever this report's definition."
    return text


def read_tornado(ahead: Forecast | NoForecast) -> str:
    """Which assumption matters most."""
    if not ahead or not ahead.sensitivity.beliefs:
        return ""
    first = ahead.sensitivity.beliefs[0]
    return (
        "Each bar is the next year's expected NRR with one assumption at the low or the high end of its 90 % range. To"
        f" know *{escape_markdown(belief(first.name))}* would take away {share(first.known)} of the variance; the luck"
        " of single customers is not in these bars."
    )


def read_before(ahead: Forecast | NoForecast) -> str:
    """Whether the ranges that earlier reports would have given held."""
    if not ahead:
        return ""
    if not ahead.before:
        return "The ledger does not reach back far enough to say what an earlier report would have forecast for now."
    told = []
    for each in ahead.before:
        inside = each["p10"] <= each["actual"] <= each["p90"]
        when = _when(each["origin"], ahead.history.pace)
        told.append(
            f"From what was known in {when} the forecast for now was {percent(each['p10'])} to {percent(each['p90'])}"
            f" (four in five), {percent(each['p50'])} in the middle; it came to {percent(each['actual'])},"
            f" **{'inside' if inside else 'outside'}**"
        )
    return f"{'. '.join(told)}."


def read_backtest(ahead: Forecast | NoForecast) -> str:
    """How often such forecasts were right on this ledger, in one paragraph."""
    if not ahead:
        return ""
    if ahead.backtest is None:
        return "For a back-test the ledger is too short: it takes two years to learn from and one to compare with."
    return summary(ahead.backtest)


def summary(past: Backtest) -> str:
    """A back-test's NRR in one paragraph."""
    whole, split = (
        past.summary(segments).set_index("measure").loc["nrr"].astype(float).to_dict()
        for segments in (False, True)
    )
    years = f"{count(whole['effective'])} {'year' if whole['effective'] == 1 else 'years'}"
    made = f"{count(whole['n'])} {'forecast' if whole['n'] == 1 else 'forecasts'}"
    text = (
        f"Back-test: of {made} of NRR a year ahead, made from what was known then and covering {years} of their own,"
        f" {share(whole['cover80'])} held in their 80 % range"
    )
    if split["n"]:
        text += f" ({share(split['cover80'])} of {count(split['n'])} by segment)"
    better = [
        f"{'better' if whole['crps'] < whole[name] else 'not better'} than {what} ({size_of(whole[name])})"
        for name, what in (("last", "last year's NRR"), ("past", "the mean of past years"))
        if whole[name] == whole[name]
    ]
    text += f". They were off by {size_of(whole['crps'])} (CRPS, which counts the spread)"
    text += f", {joined(better)}." if better else "."
    return f"{text} So few years prove little." if whole["effective"] < 5 else text


def intervals(past: Backtest, step: int) -> pd.DataFrame:
    """The whole book's NRR forecasts with their origins in words."""
    frame = past.forecasts()
    return frame.assign(
        period=[_when(shift(month, 12), 12 if step == 12 else 3) for month in frame["origin"]]
    )


def read_intervals(past: Backtest) -> str:
    """How to read the forecasts beside what happened."""
    frame = past.forecasts()
    outside = int(((frame["actual"] < frame["p10"]) | (frame["actual"] > frame["p90"])).sum())
    return (
        "Each bar is what was forecast a year before, dark for four in five and light for nine in ten, with its median;"
        " the"
        f" dot is what happened. {count(outside)} of {count(len(frame))} dots lie outside the dark part; one in five"
        " should."
    )


def read_scores(past: Backtest) -> str:
    """How to read the table of scores."""
    whole = past.summary().set_index("measure")
    beaten = [
        MEASURES[name]
        for name in whole.index
        if whole.loc[name, "n"]
        and whole.loc[name, "crps"] < min(whole.loc[name, "last"], whole.loc[name, "past"])
    ]
    text = (
        "*In 50 %* is how many outcomes lay in the middle half of their forecast, and so on: so many should. CRPS is"
        " how far"
        " off a forecast was on average, its spread included; beside it the errors of last year's figure and of the"
        " mean of past years, which need no model. *Of their own* counts years that do not overlap."
    )
    return text + (
        f" The model is closer than both for {joined(beaten)}."
        if beaten
        else " The model is closer for none."
    )


def read_pit() -> str:
    """How to read the histogram."""
    return (
        "If the forecasts are right, outcomes fall evenly on the ten parts (the line). A heap in the middle means"
        " ranges that are too wide, heaps at the ends too narrow, a heap at one side a bias."
    )


def limits_of_backtest() -> str:
    """What a back-test does not say."""
    told = [
        "Each forecast knows only what was known at its origin; the way in which nrrsim learns was chosen once for all"
        " ledgers, with a view on three of them.",
        "Forecasts a quarter apart share nine of their twelve months, so their outcomes are not so many proofs.",
        "A past in which nothing broke says little of a year in which something does.",
    ]
    return "\n".join(f"- {line}" for line in told)
