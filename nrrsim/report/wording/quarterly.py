"""Actuals in, the facts of its report's sentences out; never writes one, never a metric.

`Report` holds what every template of `quarterly/` may say, the other classes what single ones may
say besides; plain values all. Amounts are ARR in `currency`, ratios are plain (1.05), months are
YYYY-MM; what is not known is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar, Self

import pandas as pd

from nrrsim import benchmarks
from nrrsim.analysis.cohorts import age_unit as months_of_age
from nrrsim.analysis.cohorts import cohorts
from nrrsim.analysis.customers import concentration, influence, interval, movers
from nrrsim.analysis.renewals import has_renewals, next_renewals
from nrrsim.analysis.renewals import renewals as due_and_renewed
from nrrsim.benchmarks import NRR_BANDS, SURVEY, SURVEY_SOURCE, USUAL_GRR
from nrrsim.ledger.check import profile
from nrrsim.metrics import DEFINITIONS
from nrrsim.months import month_name as month_of
from nrrsim.months import parse_month, shift
from nrrsim.movements import GAINS
from nrrsim.notation import (
    MONTHS,
    count,
    counted,
    label,
    money,
    month_name,
    percent,
    points,
    printed_band,
    printed_quarter,
)
from nrrsim.report.wording.accounts import AtRisk
from nrrsim.report.wording.facts import Change, Checks, Ratio, changes, ends, known
from nrrsim.report.wording.labels import STEPS, Markdown, lasting, period, span
from nrrsim.sizebands import By, SizeBands

if TYPE_CHECKING:
    from nrrsim.accounts.at_risk import Accounts
    from nrrsim.analysis.actuals import Actuals

SMALL = 5e-4  # of NRR: below what is printed
PUBLISHED_BY = Markdown(SURVEY_SOURCE)


# --- frames for pictures and tables ------------------------------------------------------------


def steps(frame: pd.DataFrame) -> pd.DataFrame:
    """A bridge with its steps in words."""
    return frame.assign(step=frame["step"].map(STEPS))


def bridges(past: Actuals) -> pd.DataFrame:
    """The cohort's bridge and the whole company's, told apart by their `panel`."""
    cohort = steps(past.bridge()).assign(panel=f"Customers of {month_name(past.start)}")
    company = steps(past.company_bridge()).assign(panel="Whole company")
    return pd.concat([cohort, company], ignore_index=True)


def periods(frame: pd.DataFrame, past: Actuals) -> pd.DataFrame:
    """A frame by `month` with a `period` in words: quarters, or years of an annual ledger."""
    return frame.assign(period=[_period(month, past) for month in frame["month"]])


def split(past: Actuals, by: By = "segment") -> pd.DataFrame:
    """A split with its parts by the names that they have on a page."""
    frame = past.split(by)
    name: Callable[[str], str] = str  # a column's own values are names
    if isinstance(past.ledger.split_by(by), SizeBands):
        name = partial(printed_band, currency=past.ledger.currency)
    elif str(by).startswith("cohort_"):
        name = printed_quarter
    elif by == "segment":
        name = partial(label, labels=past.labels)
    return frame.assign(name=frame["name"].map(name))


def with_total(parts: pd.DataFrame, past: Actuals) -> pd.DataFrame:
    """A split and the whole cohort below it, as the report's own NRR, GRR and logo retention."""
    s = past.summary()
    before = s["nrr_before"]
    total = {
        "name": "All",
        "customers": s["customers"],
        "opening": s["opening"],
        "closing": s["closing"],
        "nrr": s["nrr"],
        "change": None if before is None else s["nrr"] - before,
        "grr": s["grr"],
        "logo": s["logo"],
        "effect": s["closing"] / s["opening"] - 1,
    }
    return pd.concat([parts, pd.DataFrame([total])], ignore_index=True)


def renewals_with_totals(past: Actuals) -> pd.DataFrame | None:
    """The renewals by period, below them those of the window and those to come."""
    frame = renewals(past)
    if frame is None:
        return None
    unit, sums = "quarter" if past.pace == 3 else "year", []
    for word, mine in (
        ("Past", frame[frame["renewed"].notna()]),
        ("Next", frame[frame["renewed"].isna()]),
    ):
        row = mine[["customers", "due", "renewed", "lost", "after"]].sum(min_count=1)
        rate = row["renewed"] / row["due"] if row["due"] else None
        sums.append({**row, "period": f"{word} {counted(len(mine), unit)}", "rate": rate})
    return pd.concat([frame, pd.DataFrame(sums)], ignore_index=True)


def in_words(frame: pd.DataFrame, past: Actuals) -> pd.DataFrame:
    """A frame with a `segment` by the name that it has on a page."""
    return frame.assign(segment=frame["segment"].map(partial(label, labels=past.labels)))


def segment_trend(past: Actuals) -> pd.DataFrame:
    """Each segment's NRR by period, both in words."""
    return periods(in_words(past.segment_trend(), past), past)


def renewals(past: Actuals) -> pd.DataFrame | None:
    """The renewals by period in words; None where the ledger does not say when contracts end."""
    return periods(_due_and_renewed(past), past) if has_renewals(past) else None


# A report asks several times, always about the same window.
_due_and_renewed = lru_cache(1)(due_and_renewed)


def checks(past: Actuals) -> pd.DataFrame:
    """The checks, with yes or no."""
    frame = past.checks()
    return frame.assign(holds=frame["holds"].map({True: "yes", False: "NO"}))


# --- what stands on pictures and cards ---------------------------------------------------------


def subtitle(past: Actuals) -> str:
    """What the report is, as its title page says: reports of an annual ledger are a year apart."""
    return "Quarterly report" if past.pace == 3 else "Annual report"


def deck_subtitle(audience: str) -> str:
    """What a deck is, as its first slide says."""
    return {"team": "Team meeting", "investor": "For investors"}.get(audience, "Board meeting")


def last_report(past: Actuals) -> str:
    """The period of the report before this one."""
    return _period(shift(past.as_of, -past.pace), past)


def age_unit(past: Actuals) -> str:
    """The unit in which cohorts age."""
    return "quarter" if months_of_age(past) == 3 else "year"


def bands(past: Actuals) -> list[tuple[str, float, float]]:
    """The benchmark bands of NRR as (name, lower, upper); they are of twelve months alone."""
    return benchmarks.bands() if past.window == 12 else []


def key_figures(past: Actuals) -> list[tuple[str, str, str]]:
    """Label, value and comparison of each key figure."""
    s = past.summary()
    ago = f"vs {last_report(past)}"

    def against(name: str) -> str:
        before = s[f"{name}_before"]
        return "first report" if before is None else f"{points(s[name] - before)} {ago}"

    growth = s["book_closing"] / s["book_opening"] - 1
    grown = f"{'+' if growth > 0 else ''}{percent(growth)} in {span(past.window)}"
    cards = [
        ("Net revenue retention", percent(s["nrr"]), against("nrr")),
        ("Gross revenue retention", percent(s["grr"]), against("grr")),
        ("Logo retention", percent(s["logo"]), against("logo")),
        ("Company ARR", money(s["book_closing"], past.ledger.currency), grown),
    ]
    if past.target is not None:
        cards.insert(
            1, ("vs target", points(s["nrr"] - past.target), f"target {percent(past.target)}")
        )
    return cards


def concentration_notes(past: Actuals) -> list[tuple[float, float, str]]:
    """Where to write the share of the ten largest into the concentration curve."""
    ten = _ten(concentration(past))
    text = f"{count(ten['customers'])} largest: {percent(ten['arr_share'])}"
    return [(float(ten["customers_share"]), float(ten["arr_share"]), text)]


def _period(month: str, past: Actuals) -> str:
    return period(month, past.pace, past.ledger.calendar)


def _ten(frame: pd.DataFrame) -> Any:
    return frame[frame["customers"] == min(10, int(frame["customers"].max()))].iloc[0]


@dataclass(frozen=True)
class Largest:
    """A customer whose revenue moved NRR most, by how much, and whether it left: by which month."""

    name: str
    effect: float
    lost: bool
    left_by: str | None = None


@dataclass(frozen=True)
class Renewal:
    """A contract that comes up for renewal: its customer, its ARR, and the period."""

    name: str
    due: float
    due_in: str

    @classmethod
    def of(cls, past: Actuals) -> Self | None:
        """The largest of the next two quarters; None where the ledger tells of none."""
        due = next_renewals(past) if has_renewals(past) else pd.DataFrame()
        if due.empty:
            return None
        row = due.iloc[0]
        end = past.ledger.calendar
        number = parse_month(row["month"], "month")
        last = end.last_month(end.unit_of(number, past.pace), past.pace)
        return cls(row["customer"], float(row["due"]), _period(month_of(last), past))


def moved_most(past: Actuals) -> tuple[Largest | None, tuple[Largest, ...]]:
    """Who added most to NRR over the window; and who cost it most, with up to two more who cost at
    least half as much. Those alone who moved it by what is printed.
    """
    found = []
    for _, row in movers(past, 3).iterrows():
        effect, lost = float(row["contribution"]), not row["closing"] > 0
        if abs(effect) >= SMALL:
            left_by = _left_by(row["customer"], past) if lost else None
            found.append(Largest(row["customer"], effect, lost, left_by))
    losses = [each for each in found if each.effect < 0]
    named = tuple(each for each in losses if each.effect <= losses[0].effect / 2)
    return next((each for each in found if each.effect > 0), None), named


def _left_by(customer: str, past: Actuals) -> str:
    """The first month without one who left."""
    rows = past.ledger.entries.frame
    rows = rows[(rows["customer"] == customer) & (rows["arr"] > 0)]
    known = rows["month"][rows["month"] <= parse_month(past.as_of, "as_of")]
    return month_of(int(known.max()) + past.ledger.step)


# --- facts -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Report:
    """What every sentence may say; what is published, and the bands, are of twelve months."""

    # the window, and the report that is made each `pace` months
    as_of: str
    start: str
    window: int
    lasting: str  # the window's length in words
    later: str  # twelve months later: a year later
    pace: int
    unit: str  # quarter or year
    age_unit: str  # in which cohorts age
    last_report: str
    currency: str

    # the company's year: the month it ends in, 12 of a calendar year
    fiscal_year_end: int
    year_ends_in: Markdown
    ends_its_unit: bool  # whether `as_of` is the last month of a quarter, or year

    # the definition, and how amounts were read
    definition: str
    definition_title: Markdown
    formula: Markdown
    why: Markdown
    of_book: bool
    ex_price: bool
    converted: bool  # from several currencies
    reported: bool  # each month at its own rate
    grace_months: int

    # the few numbers of the first page
    customers: int
    opening: float
    closing: float
    losses: float
    gains: float
    nrr: float
    nrr_before: float | None
    nrr_year_ago: float | None  # where that is another report than the last
    grr: float
    logo: float
    target: float | None
    leaky: bool
    largest: Largest | None
    largest_gain: Largest | None
    largest_losses: tuple[Largest, ...]  # the largest first
    gain_names: tuple[str, ...]  # of the movements that added something
    has_unsplit: bool  # rises for which the ledger gives no reason

    # what they are compared with
    band: Markdown
    band_from: float | None
    band_to: float | None
    usual_grr: tuple[float, float] = USUAL_GRR
    published_nrr: tuple[float, ...] = SURVEY["nrr"]
    published_grr: tuple[float, ...] = SURVEY["grr"]
    published_by: Markdown = PUBLISHED_BY

    @classmethod
    @lru_cache(1)  # every sentence asks
    def of(cls, past: Actuals) -> Self:
        """The facts of Actuals."""
        s, used, ledger = past.summary(), DEFINITIONS[past.definition], past.ledger
        place = [name for name, _ in NRR_BANDS].index(s["band"])
        calendar = ledger.calendar
        edges = [None, *(low if isfinite(low) else None for _, low in NRR_BANDS)]
        gain, losses = moved_most(past)
        moved = [*losses, gain] if gain else losses
        told = s | {
            "as_of": past.as_of,
            "start": past.start,
            "window": past.window,
            "lasting": lasting(past.window),
            "later": "a year later" if past.window == 12 else f"{span(past.window)} later",
            "largest": max(moved, key=lambda each: abs(each.effect), default=None),
            "largest_gain": gain,
            "largest_losses": losses,
            "gain_names": tuple(STEPS[name] for name in GAINS if past.cohort.amount(name) > 0),
            "pace": past.pace,
            "unit": "quarter" if past.pace == 3 else "year",
            "age_unit": age_unit(past),
            "last_report": last_report(past),
            "currency": ledger.currency,
            "fiscal_year_end": calendar.year_end,
            "year_ends_in": Markdown(MONTHS[calendar.year_end - 1]),
            "ends_its_unit": calendar.ends(parse_month(past.as_of, "as_of"), past.pace),
            "definition": past.definition,
            "definition_title": Markdown(used.title),
            "formula": Markdown(used.formula),
            "why": Markdown(used.why),
            "of_book": used.of_book,
            "ex_price": past.ex_price,
            "converted": ledger.rates is not None,
            "reported": ledger.reported,
            "grace_months": ledger.grace_months,
            "nrr_year_ago": None if past.pace == 12 else s["nrr_year_ago"],
            "has_unsplit": bool((past.cohort["unsplit"].values > 0).any()),
            "band": Markdown(s["band"]),
            "band_from": edges[place + 1],
            "band_to": edges[place],
        }
        return cls(**{name: told[name] for name in cls.__dataclass_fields__ if name in told})


@dataclass(frozen=True)
class Why:
    """What added to the cohort's ARR and what took from it, as shares of the opening.

    The two largest of each, or all where these say otherwise than all together (`is_gain`): a
    definition may leave out what came back.
    """

    ups: tuple[Change, ...]
    downs: tuple[Change, ...]
    is_gain: bool

    @classmethod
    def of(cls, past: Actuals) -> Self:
        frame = steps(past.movements())
        moves = [
            each for each in changes(frame.iloc[1:-1], "step", "share") if abs(each.change) >= SMALL
        ]
        moves.sort(key=lambda each: -abs(each.change))
        ups = tuple(each for each in moves if each.change > 0)
        downs = tuple(each for each in moves if each.change < 0)
        is_gain = sum(each.change for each in moves) >= 0
        if (sum(each.change for each in (*ups[:2], *downs[:2])) >= 0) == is_gain:
            ups, downs = ups[:2], downs[:2]
        return cls(ups, downs, is_gain)


@dataclass(frozen=True)
class Next:
    """The account with most ARR at risk; where accounts are not listed, the largest renewal of the
    next two quarters, if the ledger tells of one.
    """

    at_risk: AtRisk | None
    renewal: Renewal | None

    @classmethod
    def of(cls, past: Actuals, listed: Accounts | None = None) -> Self:
        at_risk = AtRisk.of(listed)
        return cls(at_risk, None if at_risk else Renewal.of(past))


@dataclass(frozen=True)
class Bridge:
    """The largest gain and loss of the window's customers; None where there is none."""

    gain: Change | None
    loss: Change | None

    @classmethod
    def of(cls, past: Actuals) -> Self:
        def largest(kind: str) -> Change | None:
            mine = frame[frame["kind"] == kind].reset_index()
            row = None if mine.empty else mine.iloc[int(mine["amount"].abs().argmax())]
            return None if row is None else Change(row["step"], float(abs(row["amount"])))

        frame = steps(past.bridge())
        return cls(largest("gain"), largest("loss"))


@dataclass(frozen=True)
class Trend:
    """The periods in which NRR was highest and lowest; None where there is one period only."""

    highest: Ratio | None
    lowest: Ratio | None

    @classmethod
    def of(cls, past: Actuals) -> Self:
        frame = periods(past.trend(), past)
        return cls(*(ends(frame, "period") if len(frame) > 1 else (None, None)))


@dataclass(frozen=True, kw_only=True)
class Segments:
    """Of the segments that can be measured, the best, the worst, and which changed most."""

    number: int
    highest: Ratio | None
    lowest: Ratio | None
    has_last_report: bool
    better: tuple[Change, ...]
    worse: tuple[Change, ...]
    by: ClassVar[str] = "segment"

    @classmethod
    def of(cls, past: Actuals) -> Self:
        return cls(**cls.facts(split(past, cls.by)))

    @staticmethod
    def facts(parts: pd.DataFrame) -> dict[str, Any]:
        """What is said of the parts of a split, by name."""
        frame = parts.dropna(subset=["nrr"])
        highest, lowest = ends(frame) if len(frame) else (None, None)
        moved = sorted(changes(frame, "name", "change"), key=lambda each: -abs(each.change))
        return {
            "number": len(frame),
            "highest": highest,
            "lowest": lowest,
            "has_last_report": bool(frame["nrr_before"].notna().any()),
            "better": tuple(each for each in moved if each.change > SMALL),
            "worse": tuple(each for each in moved if each.change < -SMALL),
        }


@dataclass(frozen=True, kw_only=True)
class Vintages(Segments):
    """The same of customers by the year of their first revenue."""

    by: ClassVar[str] = "cohort_year"


@dataclass(frozen=True)
class Cohorts:
    """The cohorts that kept most and least of their first revenue after a year; None: none yet."""

    best: Ratio | None
    worst: Ratio | None

    @classmethod
    def of(cls, past: Actuals) -> Self:
        frame = cohorts(past)
        year = frame[(frame["months"] == 12) & frame["complete"].astype(bool)]
        year = year.assign(
            name=[printed_quarter(str(name)) for name in year["cohort"]],
            nrr=year["amount"] / year["opening"],
        )
        return cls(*(ends(year) if len(year) else (None, None)))


@dataclass(frozen=True)
class SegmentTrend:
    """How each segment's NRR changed since the first period; None if there is one only."""

    since: str
    changes: tuple[Change, ...] | None

    @classmethod
    def of(cls, past: Actuals) -> Self:
        trend = in_words(past.segment_trend(), past)
        wide = trend.pivot(index="month", columns="segment", values="nrr")
        if len(wide) < 2:
            return cls("", None)
        change = (wide.iloc[-1] - wide.iloc[0]).dropna().rename("change").reset_index()
        return cls(_period(str(wide.index[0]), past), changes(change, "segment", "change"))


@dataclass(frozen=True)
class Movers:
    """What the listed customers add to NRR and what they cost; None where there are none."""

    added: float | None
    lost: float | None

    @classmethod
    def of(cls, past: Actuals) -> Self:
        frame = movers(past)
        effects = frame["contribution"]
        sums = (float(effects[effects > 0].sum()), float(effects[effects < 0].sum()))
        return cls(None, None) if frame.empty else cls(*sums)


@dataclass(frozen=True)
class Influence:
    """The 90 % range of NRR with other customers of the same kind, and NRR without one customer."""

    low: float
    high: float
    customer: str
    without: float | None

    @classmethod
    def of(cls, past: Actuals) -> Self | None:
        frame = influence(past, 1)
        low, high = interval(past)
        if frame.empty or not isfinite(low):
            return None
        return cls(low, high, frame["customer"][0], known(frame["without"][0]))


@dataclass(frozen=True)
class Concentration:
    """What the largest customer, and the `few` largest (ten, or all of fewer), are of ARR."""

    customers: int
    largest: float
    few: int
    share_of_few: float

    @classmethod
    def of(cls, past: Actuals) -> Self:
        frame = concentration(past)
        ten, one = _ten(frame), frame[frame["customers"] == 1].iloc[0]
        number, few = int(frame["customers"].max()), int(ten["customers"])
        return cls(number, float(one["arr_share"]), few, float(ten["arr_share"]))


@dataclass(frozen=True, kw_only=True)
class Renewals:
    """What came up for renewal, and what comes up in the `ahead` next periods."""

    due: float
    renewed: float
    after: float
    ahead: int
    coming: float
    most: float | None
    most_in: str

    @classmethod
    def of(cls, past: Actuals) -> Self | None:
        frame = renewals(past)
        if frame is None:
            return None
        happened, coming = frame[frame["renewed"].notna()], frame[frame["renewed"].isna()]
        by_period = coming.set_index("period")["due"]
        return cls(
            due=float(happened["due"].sum()),
            renewed=float(happened["renewed"].sum()),
            after=float(happened["after"].sum()),
            ahead=len(coming),
            coming=float(coming["due"].sum()),
            most=float(by_period.max()) if len(coming) else None,
            most_in=str(by_period.idxmax()) if len(coming) else "",
        )


@dataclass(frozen=True)
class Definitions:
    """Between which NRR lies by the definitions that are not the report's; if all of them agree
    with it as printed, and if one is an average.
    """

    highest: Ratio
    lowest: Ratio
    agree: bool
    has_timing: bool

    @classmethod
    def of(cls, past: Actuals) -> Self:
        frame = past.definitions()
        used = "ex_price" if past.ex_price else past.definition
        others = frame[frame["definition"] != used]
        near = others["nrr"].round(9)  # two definitions may agree but for the last digit
        rows = (others.iloc[int(near.argmax())], others.iloc[int(near.argmin())])
        highest, lowest = (Ratio(Markdown(row["title"]), float(row["nrr"])) for row in rows)
        printed = {percent(each) for each in (past.now.nrr, highest.nrr, lowest.nrr)}
        return cls(highest, lowest, len(printed) == 1, bool(frame["timing"].any()))


@dataclass(frozen=True)
class Basis(Checks):
    """The checks, and what `Definitions` says."""

    highest: Ratio
    lowest: Ratio
    agree: bool

    @classmethod
    def of(cls, past: Actuals) -> Self:
        checked, by_other = Checks.of(past), Definitions.of(past)
        return cls(
            checked.number, checked.failed, by_other.highest, by_other.lowest, by_other.agree
        )


@dataclass(frozen=True)
class Notes:
    """The first notices of the ledger, for who prepares the report."""

    notices: tuple[str, ...]

    @classmethod
    def of(cls, past: Actuals) -> Self:
        return cls(tuple(f"{each.problem}; {each.remedy}" for each in past.ledger.notices[:5]))


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What the numbers were made from; `step`: months from one snapshot to the next."""

    rows: int
    customers: int
    first_month: str
    last_month: str
    step: int
    amounts: Markdown
    fingerprint: Markdown

    @classmethod
    def of(cls, past: Actuals) -> Self:
        p = profile(past.ledger)
        return cls(
            rows=p["rows"],
            customers=p["customers"],
            first_month=p["first_month"],
            last_month=p["last_month"],
            step=p["step"],
            amounts=Markdown(p["unit"].upper()),
            fingerprint=Markdown(past.ledger.fingerprint[:16]),
        )


SENTENCES: Mapping[str, Any] = {
    "stand": None,  # Report alone
    "why": Why,
    "next": Next,
    "bottom_line": None,
    "gross_line": None,
    "leaky_bucket": None,
    "bridge": Bridge,
    "trend": Trend,
    "segments": Segments,
    "segment_trend": SegmentTrend,
    "cohorts": Cohorts,
    "vintages": Vintages,
    "movers": Movers,
    "influence": Influence,
    "concentration": Concentration,
    "renewals_heading": Renewals,
    "renewals": Renewals,
    "definitions": Definitions,
    "definition": Definitions,
    "checks": Checks,
    "basis": Basis,
    "limits": None,
    "notes": Notes,
    "provenance": Provenance,
    # a deck's: its slides' headings, the lines on them, and what the speaker is told
    "slide_stand": None,
    "slide_why": Why,
    "slide_levels": None,
    "slide_bridge": None,
    "slide_cohort": None,
    "slide_segments": Segments,
    "slide_segments_moved": Segments,
    "slide_basis": Provenance,
}
