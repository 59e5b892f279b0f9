"""The answers of a Actuals in, sentences and lines for people out; never computes a metric, never
draws.

Sentences are Markdown with every name escaped. Each picture of a report has one sentence on how to
read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nrrsim.analysis.cohorts import age_unit as unit_of_age
from nrrsim.analysis.customers import concentration, influence, interval, movers
from nrrsim.analysis.renewals import has_renewals
from nrrsim.analysis.renewals import renewals as due_and_renewed
from nrrsim.benchmarks import NRR_BANDS, SURVEY, SURVEY_SOURCE, USUAL_GRR
from nrrsim.ledger.check import profile
from nrrsim.metrics import DEFINITIONS
from nrrsim.months import shift
from nrrsim.notation import count, escape_markdown, money, month_name, percent, points, quarter_name
from nrrsim.report.wording.labels import STEPS, joined, size_of, span

if TYPE_CHECKING:
    from nrrsim.analysis.actuals import Actuals


BAND_RANGES = {
    "world class": "120% and above",
    "strong": "100% to 120%",
    "needs improvement": "90% to 100%",
}
BAND_RANGES |= {"critical": "below 90%"}


def steps(frame: pd.DataFrame) -> pd.DataFrame:
    """A bridge with its steps in words."""
    return frame.assign(step=frame["step"].map(STEPS))


def panels(past: Actuals) -> pd.DataFrame:
    """The cohort's bridge and the whole company's, below each other, with a `panel` to tell them
    apart.
    """
    cohort = steps(past.bridge()).assign(panel=f"Customers of {month_name(past.start)}")
    return pd.concat(
        [cohort, steps(past.company_bridge()).assign(panel="Whole company")], ignore_index=True
    )


def periods(frame: pd.DataFrame, past: Actuals) -> pd.DataFrame:
    """A frame by `month` with a `period` in words: quarters, or years where the ledger is annual."""
    name = quarter_name if past.pace == 3 else (lambda month: month[:4])
    return frame.assign(period=frame["month"].map(name))


def bands(past: Actuals) -> list[tuple[str, float, float]]:
    """The benchmark bands of NRR as (name, lower, upper): they are of twelve months, and of no
    other window.
    """
    if past.window != 12:
        return []
    uppers = [float("inf"), *(lower for _, lower in NRR_BANDS)]
    return [(name, lower, upper) for (name, lower), upper in zip(NRR_BANDS, uppers, strict=False)]


def pace(past: Actuals) -> str:
    """How often such a report is made: quarter, or year where the ledger is annual."""
    return "quarter" if past.pace == 3 else "year"


def age_unit(past: Actuals) -> str:
    """The unit in which cohorts age."""
    return "quarter" if unit_of_age(past) == 3 else "year"


def last_report(past: Actuals) -> str:
    """The period of the report before this one."""
    month = shift(past.as_of, -past.pace)
    return quarter_name(month) if past.pace == 3 else month[:4]


def segments(frame: pd.DataFrame) -> pd.DataFrame:
    """A split as the segment bars take it."""
    return frame.rename(columns={"name": "segment"})


def renewals(past: Actuals) -> pd.DataFrame:
    """The renewals by period in words."""
    return periods(due_and_renewed(past), past)


def checks(past: Actuals) -> pd.DataFrame:
    """The checks, with yes or no."""
    frame = past.checks()
    return frame.assign(holds=frame["holds"].map({True: "yes", False: "NO"}))


def key_figures(past: Actuals) -> list[tuple[str, str, str]]:
    """Label, value and comparison of each key figure."""
    s = past.summary()
    ago = f"since {last_report(past)}"

    def since(now: float, before: float | None) -> str:
        return f"{points(now - before)} {ago}" if before is not None else "no earlier report"

    growth = s["book_closing"] / s["book_opening"] - 1
    cards = [
        ("Net revenue retention", percent(s["nrr"]), since(s["nrr"], s["nrr_before"])),
        ("Gross revenue retention", percent(s["grr"]), since(s["grr"], s["grr_before"])),
        ("Logo retention", percent(s["logo"]), since(s["logo"], s["logo_before"])),
        (
            "Company ARR",
            money(s["book_closing"], past.ledger.currency),
            f"{_signed(growth)} in {span(past.window)}",
        ),
    ]
    if s["target"] is not None:
        cards.insert(
            1, ("Against target", points(s["nrr"] - s["target"]), f"target {percent(s['target'])}")
        )
    return cards


def bottom_line(past: Actuals) -> str:
    """How much was kept and grown, against the last report, the target and the benchmark."""
    s, currency = past.summary(), past.ledger.currency
    customers = f"{count(s['customers'])} {'customer' if s['customers'] == 1 else 'customers'}"
    text = (
        f"Of the {money(s['opening'], currency)} of annual recurring revenue (ARR) that {customers} stood for in"
        f" {month_name(past.start)}, **{money(s['closing'], currency)}** is there in {month_name(past.as_of)}. They"
        f" took away {money(s['losses'], currency)} ({percent(s['losses'] / s['opening'])}) by leaving or paying less,"
        f" and added {money(s['gains'], currency)} ({percent(s['gains'] / s['opening'])}) by buying more, paying"
        f" higher prices or coming back. Net revenue retention (NRR){_by(past)} is **{percent(s['nrr'])}**"
    )
    comparisons = []
    if s["nrr_before"] is not None:
        when = f"in {last_report(past)}"
        comparisons.append(
            f"{_than(s['nrr'] - s['nrr_before'], when)} ({percent(s['nrr_before'])})"
        )
    if s["nrr_year_ago"] is not None and past.pace != 12:
        comparisons.append(
            f"{_than(s['nrr'] - s['nrr_year_ago'], 'a year ago')} ({percent(s['nrr_year_ago'])})"
        )
    if s["target"] is not None:
        short = s["nrr"] - s["target"]
        hit = (
            "on target"
            if abs(short) < 0.0005
            else f"{size_of(short)} {'above' if short > 0 else 'short of'} the target"
        )
        comparisons.append(f"{hit} of {percent(s['target'])}")
    text += f": {joined(comparisons)}." if comparisons else "."
    if past.window == 12:
        text += f" By the common benchmark that is *{s['band']}* ({BAND_RANGES[s['band']]});"
        text += f" published quartiles are {_quartiles('nrr')} ({SURVEY_SOURCE})."
    return text


def gross_line(past: Actuals) -> str:
    """What is kept without any gain, and how much of the answer hangs on one customer."""
    s = past.summary()
    low, high = USUAL_GRR
    where = "below" if s["grr"] < low else "above" if s["grr"] > high else "inside"
    usual = (
        f": {where} the usual {low:.0%} to {high:.0%}; published quartiles are {_quartiles('grr')}"
    )
    usual = usual if past.window == 12 else ""
    stayed = "were customers all along" if past.definition == "stays_out" else "are still customers"
    text = (
        f"Without any gain, {percent(s['grr'])} is left (gross revenue retention, GRR){usual}."
        f" {percent(s['logo'])} of the customers {stayed}."
    )
    if s["largest_effect"] is not None:
        text += f" The one customer whose revenue changed most moved NRR by {size_of(s['largest_effect'])}."
    if s["largest_share"] is not None:
        text += f" The largest customer of today stands for {percent(s['largest_share'])} of ARR."
    if s["grr"] < 0:
        text += " This definition counts every loss, also after a return, so GRR can be negative."
    return text


def leaky_bucket(past: Actuals) -> tuple[str, str, str] | None:
    """The warning where a good NRR hides a poor GRR, as (kind, title, text); None where there is
    nothing to warn of.
    """
    s = past.summary()
    if not s["leaky"]:
        return None
    text = (
        f"NRR is {percent(s['nrr'])}, yet only {percent(s['grr'])} of the opening revenue was kept. Gains of"
        f" {money(s['gains'], past.ledger.currency)} from the same customers fill what runs out. When such gains"
        " slow down, NRR falls to what is kept. Look at churn and contraction first."
    )
    return "warning", "Leaky bucket: a good net retention hides a poor gross retention", text


def read_bridge(past: Actuals) -> str:
    """How to read the bridges."""
    frame = past.bridge()
    moves = frame[frame["kind"] != "total"]
    if moves.empty:
        return "From top to bottom: nothing changed; the opening revenue is the closing revenue."
    gain, loss = moves[moves["kind"] == "gain"], moves[moves["kind"] == "loss"]
    told = []
    for part, word in ((gain, "gain"), (loss, "loss")):
        if not part.empty:
            largest = part.iloc[int(part["amount"].abs().argmax())]
            amount = money(abs(largest["amount"]), past.ledger.currency)
            told.append(f"the largest {word} is {STEPS[largest['step']].lower()} ({amount})")
    text = (
        f"From top to bottom, each bar adds to or takes from what stands above it: {joined(told)}."
    )
    if "unsplit" in set(moves["step"]):
        text += " *Expansion* is what rose without the ledger saying why."
    return text


def read_trend(past: Actuals) -> str:
    """How to read the trend."""
    frame = past.trend()
    if len(frame) < 2:
        return "One point only: the ledger does not reach back to an earlier window."
    best, worst = frame.iloc[int(frame["nrr"].argmax())], frame.iloc[int(frame["nrr"].argmin())]
    said = periods(pd.DataFrame([best, worst]), past)["period"].tolist()
    if best["nrr"] - worst["nrr"] < 0.0005:
        return f"Each point is the {span(past.window)} up to that date: NRR was {percent(best['nrr'])} throughout."
    shared = ", so neighbours share most of their months" if past.window > 2 * past.pace else ""
    return (
        f"Each point is the {span(past.window)} up to that date{shared}: NRR was highest in {said[0]}"
        f" ({percent(best['nrr'])}) and lowest in {said[1]} ({percent(worst['nrr'])})."
        " The distance between the lines is what gains add."
    )


def read_split(frame: pd.DataFrame, what: str, since: str) -> str:
    """How to read the segment bars, and which segments get better or worse."""
    known = frame.dropna(subset=["nrr"])
    if known.empty:
        return f"No {what} has a base to be measured on."
    best, worst = known.iloc[int(known["nrr"].argmax())], known.iloc[int(known["nrr"].argmin())]
    text = "Bars run from 100% to NRR and the diamond is GRR"
    if known["nrr_before"].notna().any():
        text += f"; the tick is NRR in {since}"
    if len(known) == 1:
        return f"{text}. There is one {what} only.{_changes(known)}"
    if best["nrr"] - worst["nrr"] < 0.0005:
        return (
            f"{text}: every {what} keeps the same share ({percent(best['nrr'])}).{_changes(known)}"
        )
    text += f": {_name(best)} keeps most ({percent(best['nrr'])}), {_name(worst)} least ({percent(worst['nrr'])})."
    return text + _changes(known)


def _changes(frame: pd.DataFrame) -> str:
    moved = frame.dropna(subset=["change"])
    better, worse = moved[moved["change"] > 0.0005], moved[moved["change"] < -0.0005]
    told = []
    for part, word, order in ((better, "better", False), (worse, "worse", True)):
        if not part.empty:
            part = part.sort_values("change", ascending=order, kind="stable").head(3)
            names = [f"{_name(row)} ({points(row['change'])})" for _, row in part.iterrows()]
            told.append(f"{word}: {joined(names)}")
    return f" Getting {'; getting '.join(told)}." if told else ""


def read_segment_trend(past: Actuals) -> str:
    """How to read the segments over time."""
    frame = past.segment_trend()
    wide = frame.pivot(index="month", columns="segment", values="nrr")
    if len(wide) < 2:
        return "One point only: the ledger does not reach back to an earlier window."
    change = (wide.iloc[-1] - wide.iloc[0]).dropna()
    since = periods(pd.DataFrame({"month": [wide.index[0]]}), past)["period"].iloc[0]
    told = [f"{escape_markdown(name)} {points(size)}" for name, size in change.items()]
    return f"A line that falls away from the others shows where a good total hides a problem. Since {since}: {joined(told)}."


def read_vintages(frame: pd.DataFrame) -> str:
    """How to read the years of first revenue."""
    return (
        "Customers by the year of their first revenue; those already there when the ledger begins are a group of their"
        f" own.{_changes(frame)}"
    )


def read_cohorts(past: Actuals) -> str:
    """How to read the heatmap."""
    unit = age_unit(past)
    return (
        f"Read a row from left to right: what each 100 of first revenue had become after so many {unit}s, each customer"
        f" counted from its own first month. Read a column downwards: whether younger cohorts do better at the same"
        " age."
    )


def read_movers(past: Actuals) -> str:
    """How to read the gains and losses."""
    frame = movers(past)
    if frame.empty:
        return "No customer's revenue changed."
    gains = frame[frame["change"] > 0]["contribution"].sum()
    losses = frame[frame["change"] < 0]["contribution"].sum()
    whose = "point-to-point NRR" if past.definition != "point_to_point" else "NRR"
    return (
        "The effect is a customer's change as a share of the whole opening revenue. Those listed add"
        f" {size_of(gains)} to {whose} and take {size_of(losses)} from it."
    )


def read_influence(past: Actuals) -> str:
    """How much of the reported NRR hangs on which customers there happen to be."""
    frame = influence(past, 1)
    low, high = interval(past)
    if frame.empty or not np.isfinite(low):
        return ""
    first = frame.iloc[0]
    text = f"With other customers of the same kind NRR would lie between **{percent(low)} and {percent(high)}** (90 %)"
    if np.isfinite(first["without"]):
        text += f"; without {escape_markdown(first['customer'])} it would be {percent(first['without'])}"
    return (
        f"{text}. A change of NRR from one {pace(past)} to the next that is small beside this range says little of how"
        " customers behave."
    )


def read_concentration(past: Actuals) -> str:
    """How to read the concentration curve."""
    frame = concentration(past)
    ten = frame[frame["customers"] == min(10, int(frame["customers"].max()))].iloc[0]
    largest = frame[frame["customers"] == 1].iloc[0]
    return (
        f"The further the curve bends away from the diagonal, the more hangs on few: the largest customer is"
        f" {percent(largest['arr_share'])} of ARR"
        + (
            f", the {count(ten['customers'])} largest are {percent(ten['arr_share'])}."
            if len(frame) > 2
            else "."
        )
    )


def concentration_notes(past: Actuals) -> list[tuple[float, float, str]]:
    """Where to write the share of the ten largest into the concentration curve."""
    frame = concentration(past)
    ten = frame[frame["customers"] == min(10, int(frame["customers"].max()))].iloc[0]
    text = f"{count(ten['customers'])} largest: {percent(ten['arr_share'])}"
    return [(float(ten["customers_share"]), float(ten["arr_share"]), text)]


def renewals_heading(past: Actuals) -> str:
    """The heading of the section on renewals; nothing where the ledger does not say when contracts
    end.
    """
    return "# What comes up for renewal" if has_renewals(past) else ""


def read_renewals(past: Actuals) -> str:
    """What came up for renewal, and what comes next."""
    frame, currency = due_and_renewed(past), past.ledger.currency
    happened, coming = frame[frame["renewed"].notna()], frame[frame["renewed"].isna()]
    due, renewed, after = (float(happened[name].sum()) for name in ("due", "renewed", "after"))
    if not (len(happened) and due):
        return f"Nothing came up for renewal in the {span(past.window)}."
    text = (
        f"In the {span(past.window)} {money(due, currency)} came up for renewal and {money(renewed, currency)} of it"
        f" was renewed ({percent(renewed / due)}); with what was sold on top, {money(after, currency)}."
    )
    if len(coming) and coming["due"].sum():
        most = periods(coming, past).set_index("period")["due"]
        text += (
            f" In the next {len(coming)} {pace(past)}s {money(float(coming['due'].sum()), currency)} comes up, most of"
            f" it in {most.idxmax()} ({money(float(most.max()), currency)})."
        )
    return text


def read_definitions(past: Actuals) -> str:
    """How to read the definitions side by side."""
    frame = past.definitions()
    ratios = frame["nrr"].round(9)  # two definitions may agree but for the last digit
    low, high = frame.iloc[int(ratios.argmin())], frame.iloc[int(ratios.argmax())]
    if ratios.nunique() == 1 and frame["grr"].round(9).nunique() == 1:
        return f"On this ledger all of them give the same answer, {percent(low['nrr'])}."
    timing = " *timing* is the older quarters in an average," if frame["timing"].any() else ""
    return (
        f"The same ledger gives between {percent(low['nrr'])} ({low['title'].lower()}) and {percent(high['nrr'])}"
        f" ({high['title'].lower()}). Each row's parts add up to its difference from point to point: *returns* are"
        " customers who left and came back, *re-basing* is dividing each month by that month's opening, *newcomers*"
        f" were won during the window,{timing} *price* is price movements left out."
    )


def definition(past: Actuals) -> str:
    """Which definition this report uses, and what it means."""
    used = DEFINITIONS[past.definition]
    since = f"in {month_name(past.start)}"
    if past.definition == "trailing_average":
        since = f"{span(past.window)} before each of the four quarter-ends"
    capped = "GRR caps each customer at its opening amount."
    gross = (
        "GRR counts every loss."
        if past.definition in ("flow", "flow_with_reactivation", "compounded")
        else capped
    )
    newcomers = (
        "New customers enter the month after they come."
        if used.of_book
        else "New customers never enter."
    )
    text = (
        f"This report uses the definition **{used.title.lower()}**: {used.formula}; {used.why}. The cohort is every"
        f" customer with a positive amount {since}; each keeps the segment it had then. {newcomers} {gross}"
    )
    if past.ex_price:
        text += " Price movements are left out of NRR."
    if past.ledger.rates is not None:
        rate = (
            "each month's own rate"
            if past.ledger.reported
            else f"the rates of {month_name(past.start)}"
        )
        text += f" Amounts are converted to {past.ledger.currency} at {rate}."
    if past.ledger.grace_months:
        text += f" A gap of up to {past.ledger.grace_months} months is a late renewal, not churn."
    return text


def limits(past: Actuals) -> str:
    """What these numbers do not say."""
    told = [
        f"Nothing is said of months after {month_name(past.as_of)}; who is a customer then is not churned.",
        "Customers are told apart by name: one that is renamed looks like a churned and a new one.",
        "A window's result hangs on the customers it happens to hold; with few or unequal customers it moves by"
        " itself.",
    ]
    if (past.cohort["unsplit"].values > 0).any():
        told.append(
            "The ledger does not say why some amounts rose; such rises are one movement, expansion."
        )
    told += [escape_markdown(f"{each.problem}; {each.remedy}") for each in past.ledger.notices[:5]]
    return "\n".join(f"- {line}" for line in told)


def provenance(past: Actuals) -> str:
    """What the numbers were made from."""
    p = profile(past.ledger)
    return (
        f"Made from {count(p['rows'])} rows, {count(p['customers'])} customers, {p['first_month']} to {p['last_month']}"
        f" ({ {1: 'monthly', 3: 'quarterly', 12: 'annual'}[p['step']] } snapshots, amounts as {p['unit'].upper()});"
        f" fingerprint `{past.ledger.fingerprint[:16]}`. The manifest beside this report holds every hash and headline"
        " number."
    )


def checks_line(past: Actuals) -> str:
    """Whether the books close."""
    frame = past.checks()
    if frame["holds"].all():
        return f"The books close: all {len(frame)} checks hold to the cent."
    return "**The books do not close**: " + joined(
        [escape_markdown(name) for name in frame[~frame["holds"]]["check"]]
    )


def _name(row: Any) -> str:
    return escape_markdown(row["name"])


def _than(difference: float, when: str) -> str:
    if abs(difference) < 0.0005:
        return f"the same as {when}"
    return f"{size_of(difference)} {'more' if difference > 0 else 'less'} than {when}"


def _quartiles(metric: str) -> str:
    return joined([f"{ratio:.0%}" for ratio in SURVEY[metric]])


def _by(past: Actuals) -> str:
    """Under which definition, where it is not the default: said wherever NRR stands beside amounts."""
    told = [f"by the definition *{DEFINITIONS[past.definition].title.lower()}*"] * (
        past.definition != "point_to_point"
    )
    told += ["without price movements"] * past.ex_price
    return f", {', '.join(told)}," if told else ""


def _signed(ratio: float) -> str:
    return f"+{percent(ratio)}" if ratio > 0 else percent(ratio)
