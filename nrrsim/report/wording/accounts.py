"""Accounts in, the facts of what is said of them and frames in words out; never scores one.

Amounts are ARR in `currency`, probabilities and shares are plain (0.31), months are YYYY-MM; what
is not known is None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from nrrsim.accounts.reasons import APART, INVOLUNTARY, NOT_GIVEN
from nrrsim.accounts.risk import FEW
from nrrsim.errors import UsageError
from nrrsim.messages import whole_of
from nrrsim.months import shift
from nrrsim.notation import NOTHING, counted, label, month_name, percent
from nrrsim.report.wording.facts import Nothing, known
from nrrsim.report.wording.labels import Markdown, lasting

if TYPE_CHECKING:
    from nrrsim.accounts.at_risk import Accounts, Alert
    from nrrsim.accounts.clusters import Clusters
    from nrrsim.analysis.accounts import NoAccounts
    from nrrsim.analysis.actuals import Actuals
    from nrrsim.analysis.losses import Losses

YEAR = 12
TOP = 10  # accounts that a board's report lists
QUARTERS = 2  # whose renewals are near
HEALTH = {"red": "Red", "yellow": "Yellow", "green": "Green"}
RISK, EXPANSION = "risk", "expansion"  # what a rule means
PLAIN = ["customer", "segment", "arr", "renewal", "p_leave", "p_leave_segment", "p_contract"]
PLAIN += ["p_expand", "arr_at_risk", "expected_gain", "health", "reasons", "alerts", "play"]
# What the kinds of reasons are called, and the levels between which they stand.
KINDS = {
    "price": "Price",
    "product": "Product",
    "service": "Service",
    "budget": "Budget",
    "outcome": "Outcome",
    "competitor": "Competitor",
    "bankruptcy": "Bankruptcy or merger",
    "payment": "Failed payment",
    "other": "Other",
    NOT_GIVEN: "Not given",
}
LEVELS = {"opening": "Opening ARR", "after losses": "After losses"}
MEANS = {RISK: "Leaving", EXPANSION: "Expansion"}
TOO_FEW = "too few"  # times that a rule fired, to judge it
AFTER = {RISK: "left", EXPANSION: "expanded"}


# --- frames for pictures and tables ------------------------------------------------------------
# What is of accounts is empty where there are none to list, and where there is nothing of it.


def in_words(
    listed: Accounts, labels: Mapping[str, str] | None = None, most_reasons: int | None = None
) -> pd.DataFrame:
    """The accounts with all that is no number in words, in their order.

    `renews` is a month, `health` a colour's name, `why` the reasons (the strongest first, of
    `most_reasons` at most), `alerts` the rules that hold with the month since when, `signs` those
    of them that announce expansion, `play` a programme; "" where there is none. labels : a card's
    own.
    """
    frame = listed.frame
    why = zip(frame["reasons"], frame["alerts"], strict=True)
    return frame.assign(
        customer=frame["customer"].astype(str),
        segment=[label(each, labels) for each in frame["segment"]],
        renews=[_short(each) if each else NOTHING for each in frame["renewal"]],
        health=[HEALTH.get(each, "") for each in frame["health"]],
        why=[_cell(_beside(reasons, alerts)[:most_reasons]) for reasons, alerts in why],
        alerts=[_cell(map(alert_words, each)) for each in frame["alerts"]],
        signs=[_cell(a.rule for a in each if a.means == EXPANSION) for each in frame["alerts"]],
        play=[_play(each) for each in frame["play"]],
    )


def _cell(texts: Iterable[str]) -> str:
    """Several texts as a table's cell has them."""
    told = "; ".join(filter(None, texts))
    return told[:1].upper() + told[1:]


def _play(name: str) -> str:
    """A programme as a table's cell has it: `onboarding_calls` is `Onboarding calls`."""
    return _cell([label(name)])


def _beside(reasons: Iterable[str], alerts: Iterable[Alert]) -> list[str]:
    """The reasons that no alert says."""
    rules = {each.rule for each in alerts}
    return [each for each in reasons if each not in rules]


def alert_words(alert: Alert) -> str:
    """A rule that fired, and since when."""
    return f"{alert.rule} (since {month_name(alert.since)})"


def _short(month: str) -> str:
    return f"{month_name(month)[:3]} {month[:4]}"


def plain(listed: Accounts) -> pd.DataFrame:
    """The accounts as a table of numbers and texts, for files: called as `--json` calls them."""
    frame = listed.frame[PLAIN]
    return frame.assign(
        reasons=["; ".join(each) for each in frame["reasons"]],
        alerts=["; ".join(f"{one.rule} ({one.since})" for one in each) for each in frame["alerts"]],
    )


def record(
    listed: Accounts | NoAccounts, found: Clusters | None = None, most: int = TOP
) -> dict[str, Any]:
    """The figures of a report's section, for its manifest; nothing of accounts that are not there.

    found : the losses that come together, where the report shows them.
    Those listed are the accounts of `at_risk` and `growing`, as `nrrsim accounts --json` has them.
    Raises UsageError where a table is to list less than one.
    """
    if whole_of("most", most) < 1:
        raise UsageError(f"most: must be 1 or more, got {most}")
    if not listed:
        return {}
    told = listed.told()
    by_name = {each["customer"]: each for each in told.pop("accounts")}
    tables = {"at_risk": at_risk(listed, most=most), "growing": growing(listed, most=most)}
    shown = {
        name: [by_name[each] for each in frame.get("customer", ())]
        for name, frame in tables.items()
    }
    clusters = {} if found is None else {"clusters": found.told()}
    return {"accounts": told | shown | clusters}


def at_risk(
    listed: Accounts | NoAccounts,
    labels: Mapping[str, str] | None = None,
    most: int = TOP,
    *,
    near: bool = True,
    most_reasons: int | None = None,
) -> pd.DataFrame:
    """Those with most ARR at risk, of the renewals of the next two quarters; of all accounts where
    none is stated, and where they need not be `near`.
    """
    if not listed:
        return pd.DataFrame()
    frame = in_words(listed, labels, most_reasons)
    frame = frame[_is_near(listed)] if near else frame
    # the list itself goes by the segment's rate where no score is proved, and not by what is shown
    order = frame["arr_at_risk"].sort_values(ascending=False, kind="stable").index
    return frame.loc[order].head(most).reset_index(drop=True)


def growing(
    listed: Accounts | NoAccounts, labels: Mapping[str, str] | None = None, most: int = TOP
) -> pd.DataFrame:
    """Those with most expected gain, and the alerts that announce it."""
    if not listed:
        return pd.DataFrame()
    frame = in_words(listed, labels)
    frame = frame[frame["expected_gain"] > 0]
    order = frame["expected_gain"].sort_values(ascending=False, kind="stable").index
    return frame.loc[order].head(most).reset_index(drop=True)


TO_RENEWAL = "the time to its next renewal (twelve months where none is known)"


def horizon_of(listed: Accounts) -> str:
    """The time that probabilities and amounts are of: twelve months, the time to the renewal."""
    months = listed.horizon
    return lasting(months) if isinstance(months, int) else TO_RENEWAL


def verdict(listed: Accounts) -> str:
    """Whether the score proved itself on the past, in a line."""
    q = listed.quality
    reach = f"{percent(q.skill_low)} to {percent(q.skill_high)}"
    if q.proves:
        return f"Error {percent(q.skill)} below that of the segment's rate (90% range {reach})"
    said = "No better than the segment's rate"
    is_that = q.why.lower() == said.lower()
    why = f"skill {percent(q.skill)}, 90% range {reach}" if is_that else q.why
    return f"{said} ({why}): no colours, listed by ARR times that rate"


def quality(listed: Accounts | NoAccounts) -> pd.DataFrame:
    """How good the score has been, the segment's rate below it, and what happened.

    `lost` is the share of ARR that was expected to leave, at last the one that left.
    """
    if not listed or not listed.quality.n:
        return pd.DataFrame()
    q = listed.quality
    rows = [
        ("Score", q.auc, q.brier, q.captured_by_top_tenth, q.expected_lost),
        ("Segment's rate", q.auc_segment, q.brier_segment, q.captured_by_segment_rate,
         q.lost_by_segment),
        ("What happened", np.nan, np.nan, np.nan, q.lost),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["by", "auc", "brier", "captured", "lost"])


def bands(listed: Accounts | NoAccounts) -> pd.DataFrame:
    """Which share was predicted to leave, and which left: band by band, the safest first."""
    frame = pd.DataFrame(listed.quality.calibration if listed else ())
    if frame.empty:
        return frame
    names = [f"Band {place}" for place in range(1, len(frame) + 1)]
    return frame.assign(name=names)[["name", "n", "predicted", "observed"]]


def by_renewal(listed: Accounts | NoAccounts) -> pd.DataFrame:
    """ARR at risk by the month of the renewals of the year to come."""
    if not listed:
        return pd.DataFrame()
    step, frame = listed.ledger.step, listed.frame
    months = [shift(listed.as_of, after) for after in range(step, YEAR + 1, step)]
    due = frame[(frame["renewal"] != "") & (frame["renewal"] <= months[-1])]
    if due.empty:
        return pd.DataFrame()
    sums = due.groupby("renewal")["arr_at_risk"].sum()
    every = sorted({*months, *sums.index})
    amounts = sums.reindex(every, fill_value=0.0).to_numpy()
    return pd.DataFrame({"renewal": every, "period": [*map(_short, every)], "arr_at_risk": amounts})


def new_alerts(
    listed: Accounts | NoAccounts, labels: Mapping[str, str] | None = None, most: int | None = None
) -> pd.DataFrame:
    """The alerts that hold since this month: those of risk first, of these the largest accounts."""
    if not listed:
        return pd.DataFrame()
    before = shift(listed.as_of, -listed.ledger.step)
    found = pd.DataFrame(
        [
            (at, _cell([each.rule]), MEANS[each.means], _play(each.play))
            for at, alerts in enumerate(listed.frame["alerts"])
            for each in alerts
            if each.since > before
        ],
        columns=["at", "rule", "announces", "play"],
    )
    if found.empty:
        return pd.DataFrame()
    whose = in_words(listed, labels)[["customer", "segment", "arr"]].iloc[found["at"]]
    frame = whose.reset_index(drop=True).join(found.drop(columns="at"))
    order = np.lexsort((-frame["arr"], frame["announces"] == MEANS[EXPANSION]))
    return frame.iloc[order].reset_index(drop=True)[:most]


def plays(listed: Accounts | NoAccounts) -> pd.DataFrame:
    """For how many accounts each programme is suggested, what they have at risk and may gain."""
    frame = listed.frame[listed.frame["play"] != ""] if listed else pd.DataFrame()
    if frame.empty:
        return pd.DataFrame()
    sums = frame.groupby("play")[["arr", "arr_at_risk", "expected_gain"]].sum()
    sums = sums.assign(accounts=frame.groupby("play").size())
    sums = sums.sort_values("arr_at_risk", ascending=False, kind="stable").reset_index()
    return sums.assign(play=[_play(each) for each in sums["play"]])


def rules(listed: Accounts | NoAccounts) -> pd.DataFrame:
    """The rules that were watched, and whether what they announce then came more often."""
    if not listed or listed.rules.empty:
        return pd.DataFrame()
    frame = listed.rules
    ends = zip(frame["lift_low"], frame["lift_high"], strict=True)
    return frame.assign(
        words=[_cell([each]) for each in frame["rule"]],
        predicts=np.select(
            [frame["predicts"].astype(bool), frame["fired"] < FEW], ["yes", TOO_FEW], "no"
        ),
        range=[NOTHING if np.isnan(low) else f"{low:.1f} to {high:.1f}" for low, high in ends],
        announces=frame["means"].map(MEANS),
    )


def clusters(found: Clusters, labels: Mapping[str, str] | None = None) -> pd.DataFrame:
    """The losses that come together, and below them those worth a look."""
    frames = {"Beyond chance": found.found, "Worth a look": found.worth_a_look}
    some = [each.assign(finding=name) for name, each in frames.items() if len(each)]
    if not some:
        return pd.DataFrame()
    frame = pd.concat(some, ignore_index=True)
    return frame.assign(
        group=[" and ".join(names_of(row, labels)) for row in frame.to_dict("records")],
        names=[", ".join(each) for each in frame["names"]],
        reasons=[_cell(kinds_in_words(each)) for each in frame["reasons"]],
    )


def names_of(group: Mapping[Any, Any], labels: Mapping[str, str] | None = None) -> list[str]:
    """What a cluster's customers have in common: Industry Retail, and what comes to the same."""
    pairs = [(group["column"], group["value"]), *group["also"]]
    return [f"{label(of)} {label(it, labels if of == 'segment' else None)}" for of, it in pairs]


def kinds_in_words(kinds: Iterable[str]) -> list[str]:
    """The kinds of several reasons, each once, the most frequent first; of those not given none."""
    counts = Counter(each for each in kinds if each and each != NOT_GIVEN)
    return [KINDS[kind].lower() for kind, _ in counts.most_common()]


def looked_at(found: Clusters) -> str:
    """Over which months and how many groups losses were looked at, in a line."""
    if found.why:
        return f"Losses that come together: nothing to look at ({found.why})"
    first, last = map(month_name, found.window)
    groups = counted(found.looked_at, "group")
    none = "" if len(found.found) or len(found.worth_a_look) else ": none"
    return f"Losses that come together, {first} to {last}, {groups} looked at{none}"


def by_reason(lost: Losses) -> pd.DataFrame:
    """From the cohort's opening ARR to what its losses left, a step for each kind of reason."""
    if not lost:
        return pd.DataFrame()
    frame = lost.bridge()
    return frame.assign(step=frame["step"].map(KINDS | LEVELS))


def reasons(lost: Losses, most: int = TOP) -> pd.DataFrame:
    """The reasons as they were given, those of the kinds that cost most first; kinds alone where
    names are masked.
    """
    if not lost:
        return pd.DataFrame()
    frame = lost.frame()
    nothing = KINDS[NOT_GIVEN] if not lost.past.ledger.unmasked else NOTHING
    given = frame["reason"].where(frame["reason"] != "", nothing)
    return frame.assign(kind=frame["kind"].map(KINDS), reason=given).head(most)


def _is_near(listed: Accounts) -> pd.Series[bool]:
    """Whose renewal comes up in the next two quarters; everyone, where none is stated."""
    renewal = listed.frame["renewal"]
    near = (renewal != "") & (renewal <= _until(listed))
    return near if near.any() else pd.Series(True, index=renewal.index)


def _until(listed: Accounts) -> str:
    return shift(listed.as_of, QUARTERS * max(3, listed.ledger.step))


# --- facts -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AtRisk:
    """An account, what of its ARR is at risk, and the month of its renewal ("" if not stated)."""

    name: str
    at_risk: float
    arr: float
    renews: str

    @classmethod
    def of(cls, listed: Accounts | NoAccounts | None) -> Self | None:
        """The one with most at risk; None where nobody has anything."""
        if not listed or not len(listed.frame):
            return None
        row = listed.frame.iloc[int(listed.frame["arr_at_risk"].argmax())]
        amounts = float(row["arr_at_risk"]), float(row["arr"])
        return cls(str(row["customer"]), *amounts, str(row["renewal"])) if amounts[0] > 0 else None


@dataclass(frozen=True, kw_only=True)
class Report:
    """What every sentence may say: of whom, over which time, and what of it is expected."""

    as_of: str
    currency: str
    fiscal_year_end: int
    accounts: int
    horizon: Markdown  # "over the next twelve months", or "until its next renewal"
    arr: float
    at_risk: float
    gain: float
    expected: float
    plain: float  # by each segment's own rates
    proves: bool

    @classmethod
    def of(cls, listed: Accounts) -> Self:
        totals, months = listed.totals, listed.horizon
        until = f"over the next {lasting(months)}" if isinstance(months, int) else RENEWAL
        return cls(
            as_of=listed.as_of,
            currency=listed.ledger.currency,
            fiscal_year_end=listed.ledger.calendar.year_end,
            accounts=len(listed.frame),
            horizon=Markdown(until),
            arr=totals["arr"],
            at_risk=totals["at_risk"],
            gain=totals["gain"],
            expected=totals["expected"],
            plain=totals["plain"],
            proves=listed.quality.proves,
        )


RENEWAL = "until the next renewal (twelve months where none is known)"


@dataclass(frozen=True)
class Listed:
    """Who has most at risk, and how many renew until when with how much of it (None where none is
    stated, or all that are lie later).
    """

    largest: AtRisk | None
    near: int
    until: str | None
    near_at_risk: float

    @classmethod
    def of(cls, listed: Accounts) -> Self:
        mine = listed.frame[_is_near(listed)]
        # where nobody's is near, `mine` is everyone
        is_near = bool(((mine["renewal"] != "") & (mine["renewal"] <= _until(listed))).any())
        until = _until(listed) if is_near else None
        return cls(AtRisk.of(listed), len(mine), until, float(mine["arr_at_risk"].sum()))


@dataclass(frozen=True)
class Growing:
    """What those with most expected gain add, and who adds most."""

    number: int
    most: float
    first: str
    by_first: float

    @classmethod
    def of(cls, listed: Accounts) -> Self | None:
        frame = growing(listed)
        if frame.empty:
            return None
        gains, first = frame["expected_gain"], str(frame["customer"][0])
        return cls(len(frame), float(gains.sum()), first, float(gains[0]))


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How good scores made on earlier dates were at who then left, beside the segment's rate.

    skill : by how much their error (Brier) was below that rate's, with its 90 % range; captured :
    the share of the ARR lost later that the tenth with most at risk held; expected_lost, lost : of
    all their ARR.
    """

    n: int
    events: int
    origins: int
    skill: float | None
    low: float | None
    high: float | None
    captured: float | None
    captured_by_rate: float | None
    expected_lost: float | None
    lost: float | None
    why: str

    @classmethod
    def of(cls, listed: Accounts) -> Self:
        q = listed.quality
        return cls(
            n=q.n,
            events=q.events,
            origins=len(q.origins),
            skill=known(q.skill),
            low=known(q.skill_low),
            high=known(q.skill_high),
            captured=known(q.captured_by_top_tenth),
            captured_by_rate=known(q.captured_by_segment_rate),
            expected_lost=known(q.expected_lost),
            lost=known(q.lost),
            why=q.why,
        )


@dataclass(frozen=True)
class Colour:
    """How many accounts have a health, and their ARR."""

    health: Markdown
    number: int
    arr: float


@dataclass(frozen=True)
class Health:
    """The accounts by health, red first; none of a colour that nobody has."""

    colours: tuple[Colour, ...]

    @classmethod
    def of(cls, listed: Accounts) -> Self | None:
        if not listed.quality.proves:
            return None
        found = listed.frame.groupby("health")["arr"].agg(["size", "sum"])
        there = [each for each in HEALTH if each in found.index]
        numbers = ((int(found["size"][each]), float(found["sum"][each])) for each in there)
        return cls(
            tuple(Colour(Markdown(each), *of) for each, of in zip(there, numbers, strict=True))
        )


@dataclass(frozen=True)
class Alerts:
    """How many alerts are new, of them how many announce expansion, of how many accounts with how
    much ARR; and how many hold in all.
    """

    new: int
    expanding: int
    of_accounts: int
    of_arr: float
    holding: int

    @classmethod
    def of(cls, listed: Accounts) -> Self:
        holding = int(listed.frame["alerts"].map(len).sum())
        frame = new_alerts(listed)
        if frame.empty:
            return cls(0, 0, 0, 0.0, holding)
        whose = frame.drop_duplicates("customer")
        expanding = int((frame["announces"] == MEANS[EXPANSION]).sum())
        return cls(len(frame), expanding, len(whose), float(whose["arr"].sum()), holding)


@dataclass(frozen=True)
class Renewals:
    """The month in which most of the ARR at risk comes up for renewal, and how much of it."""

    most_in: str
    most: float
    total: float

    @classmethod
    def of(cls, listed: Accounts) -> Self | None:
        frame = by_renewal(listed)
        if frame.empty:
            return None
        row = frame.iloc[int(frame["arr_at_risk"].argmax())]
        return cls(row["renewal"], float(row["arr_at_risk"]), float(frame["arr_at_risk"].sum()))


@dataclass(frozen=True)
class Plays:
    """Which programmes are suggested, for how many accounts, and what these have at risk."""

    names: tuple[str, ...]
    of_accounts: int
    of_at_risk: float

    @classmethod
    def of(cls, listed: Accounts) -> Self | None:
        frame = plays(listed)
        if frame.empty:
            return None
        sums = frame[["accounts", "arr_at_risk"]].sum()
        names = tuple(each[:1].lower() + each[1:] for each in frame["play"])
        return cls(names, int(sums["accounts"]), float(sums["arr_at_risk"]))


@dataclass(frozen=True)
class Judged:
    """A rule, which share of the accounts at which it fired then left (or expanded), and of all."""

    rule: str
    after: Markdown
    hit_rate: float
    base_rate: float
    lead_months: float | None

    @classmethod
    def those(cls, frame: pd.DataFrame) -> tuple[Self, ...]:
        return tuple(
            cls(
                row["rule"],
                Markdown(AFTER[row["means"]]),
                float(row["hit_rate"]),
                float(row["base_rate"]),
                known(row["lead_months"]),
            )
            for row in frame.to_dict("records")
        )


@dataclass(frozen=True)
class Rules:
    """The rules that predicted what they announce, those that did not, and how many fired too
    seldom to tell.
    """

    good: tuple[Judged, ...]
    poor: tuple[Judged, ...]
    silent: int

    @classmethod
    def of(cls, listed: Accounts) -> Self | None:
        frame = rules(listed)
        if frame.empty:
            return None
        good, poor = (frame[frame["predicts"] == word] for word in ("yes", "no"))
        return cls(
            Judged.those(good), Judged.those(poor), int((frame["predicts"] == TOO_FEW).sum())
        )


@dataclass(frozen=True)
class Group:
    """A group of customers, how many it has, of these who left or shrank, and what chance lets
    expect; their ARR, names (the largest loss first) and reasons.
    """

    where: tuple[str, ...]
    customers: int
    lost: int
    expected: float
    arr_lost: float
    names: tuple[str, ...]
    reasons: tuple[str, ...]

    @classmethod
    def those(cls, frame: pd.DataFrame) -> tuple[Self, ...]:
        return tuple(
            cls(
                where=tuple(names_of(row)),
                customers=int(row["customers"]),
                lost=int(row["lost"]),
                expected=float(row["expected"]),
                arr_lost=float(row["arr_lost"]),
                names=tuple(map(str, row["names"])),
                reasons=tuple(kinds_in_words(row["reasons"])),
            )
            for row in frame.to_dict("records")
        )


@dataclass(frozen=True, kw_only=True)
class Together:
    """The losses of some months that come together, those worth a look, and how many groups were
    looked at; why : why none could be.
    """

    currency: str
    first: str
    last: str
    looked_at: int
    found: tuple[Group, ...]
    worth_a_look: tuple[Group, ...]
    by_chance: float
    why: str

    @classmethod
    def of(cls, found: Clusters, past: Actuals) -> Self:
        return cls(
            currency=past.ledger.currency,
            first=found.window[0],
            last=found.window[1],
            looked_at=found.looked_at,
            found=Group.those(found.found),
            worth_a_look=Group.those(found.worth_a_look),
            by_chance=found.expected_by_chance,
            why=found.why,
        )


@dataclass(frozen=True)
class Cost:
    """What a kind of reason cost, and which share of all churn and contraction it is."""

    kind: str
    arr: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Reasons:
    """What churn and contraction came to by the reasons given, the largest first, and which share
    was involuntary (a failed payment), by bankruptcy or merger, and without a reason.
    """

    currency: str
    lasting: str
    total: float
    costs: tuple[Cost, ...]
    involuntary: float
    apart: float
    not_given: float

    @classmethod
    def of(cls, lost: Losses) -> Self | None:
        if not lost:
            return None
        kinds = lost.kinds.assign(arr=lost.kinds["churn"] + lost.kinds["contraction"])
        given = kinds[(kinds["kind"] != NOT_GIVEN) & (kinds["arr"] > 0)]
        share = kinds.set_index("kind")["share"]
        return cls(
            currency=lost.past.ledger.currency,
            lasting=lasting(lost.past.window),
            total=float(kinds["arr"].sum()),
            costs=tuple(
                Cost(KINDS[row["kind"]].lower(), float(row["arr"]), float(row["share"]))
                for row in given.to_dict("records")
            ),
            involuntary=float(share.reindex(INVOLUNTARY).sum()),
            apart=float(share.reindex(APART).sum()),
            not_given=float(share[NOT_GIVEN]),
        )


@dataclass(frozen=True)
class WhyNot:
    """Why no account is listed, where any should be."""

    reason: str

    @classmethod
    def of(cls, listed: Accounts | NoAccounts) -> Self | None:
        reason = getattr(listed, "reason", "")
        return cls(reason) if reason else None


SENTENCES: Mapping[str, Any] = {
    "heading": None,
    "why_not": WhyNot,
    "reason": WhyNot,
    "at_risk": Listed,
    "growing": Growing,
    "quality": Quality,
    "health": Health,
    "alerts": Alerts,
    "renewals": Renewals,
    "plays": Plays,
    "definitions": None,
    "rules": Rules,
    "slide_at_risk": Listed,
    "slide_gain": Listed,
}
OF_NO_ACCOUNTS: Mapping[str, Any] = {
    **dict.fromkeys(SENTENCES, Nothing),
    "why_not": WhyNot,
    "reason": WhyNot,
    "definitions": None,
}
OF_CLUSTERS: Mapping[str, Any] = {"clusters": Together}
OF_LOSSES: Mapping[str, Any] = {"reasons": Reasons}
