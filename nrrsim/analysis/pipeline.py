"""Opportunities and a ledger in, what of the next year is open out; never added to a forecast.

A pipeline says what NRR is sold, not what it will be. What is needed and what was booked are
expansion without price increases: no opportunity is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.accounts.opportunities import (
    DOWNGRADE,
    EXPANSION,
    LOST,
    NEW,
    RENEWAL,
    WON,
    Opportunities,
    last_day_of,
    month_of,
    near_names,
    outcome_of,
    read_opportunities,
    stage_numbers,
)
from nrrsim.accounts.stages import (
    LEARNT,
    SOLD,
    current,
    last_snapshot,
    rate_of,
    snapshot_day,
    stage_rates,
    weighted_range,
)
from nrrsim.analysis.actuals import Actuals
from nrrsim.analysis.forecast import Forecast, NoForecast
from nrrsim.analysis.renewals import contracts_due
from nrrsim.engine.expectation import expect
from nrrsim.errors import DataError, Finding, did_you_mean
from nrrsim.ledger.ledger import Ledger, as_ledger
from nrrsim.ledger.vocabulary import plain
from nrrsim.messages import aimed_for
from nrrsim.months import month_name, month_number, parse_month
from nrrsim.movements import Movements, json_amount, json_ratio
from nrrsim.notation import counted, label
from nrrsim.notation import month_name as month_in_words
from nrrsim.scenario.plan import ARR, Plan, read_plan
from nrrsim.scenario.scenario import Scenario

YEAR = 12
ALL = "all"
AHEAD = 6  # months in which a renewal is to have an opportunity
APART = 6  # months that the close date of its opportunity may lie from a renewal
STALE = 100  # days before the report's month ends, from which a last snapshot is old
# What becomes of an open opportunity here: one of these, or a kind that is no expansion.
OPEN, LATER, OVERDUE, UNDATED, UNPRICED = "open", "later", "overdue", "undated", "no amount"
LEFT, UNKNOWN = "left", "unknown"
TARGET, PLAN = "target", "plan"
OTHER_MOVES = {"price": 1.0, "reactivation": 1.0, "contraction": -1.0, "churn": -1.0}


@dataclass(frozen=True, eq=False)
class Pipeline:
    """What of the year after `as_of` is open in a CRM, beside what is needed; see `pipeline`.

    stages : what share of an amount becomes expansion, by stage; see `stage_rates`. learnt : the
        scenario that tells which losses, price and expansion to expect; None where none does.
        target, plan : what the year is to bring. labels : what segments are called on pages.
    """

    ledger: Ledger
    as_of: str
    opportunities: Opportunities
    stages: pd.DataFrame
    learnt: Scenario | None = None
    target: float | None = None
    plan: Plan | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def currency(self) -> str:
        return self.ledger.currency

    @property
    def snapshot(self) -> str | None:
        """The day as of which the list is, "2026-09-30"; None where it does not say."""
        return snapshot_day(self.opportunities)

    @property
    def _end(self) -> int:
        return parse_month(self.as_of, "as_of")

    @property
    def pace(self) -> int:
        """Months of a period: 3, or 12 where the ledger is annual."""
        return max(3, self.ledger.step)

    # --- what is open -----------------------------------------------------------------------------

    @cached_property
    def now(self) -> pd.DataFrame:
        """The open opportunities, a row each, in the order of the file.

        The columns of `Opportunities.frame`, and `segment` (as at `as_of`; "" of who has no amount
        then), `status` (`open`: counted; `later` than a year, `overdue`, `undated`, `no amount`,
        `left`, `unknown`, or a kind that is no expansion), `rate`, `weighted` (ARR times rate),
        `month` (of the close date, a number, nan without one).
        """
        frame = current(self.opportunities)
        segment = self.ledger.customers(self.as_of)["segment"].astype(str)
        segments = frame["customer"].map(segment).fillna("").astype("str")
        month, rate = month_of(frame["close"]), rate_of(frame, self.stages)
        is_known = (frame["known"] & frame["customer"].isin(self._seen)).to_numpy(bool)
        kind = frame["kind"].to_numpy(object)
        status = np.select(
            [
                kind == NEW,
                ~is_known,
                (segments == "").to_numpy(bool),
                kind != EXPANSION,
                frame["arr"].isna(),
                np.isnan(month),
                frame["close"] <= last_day_of(self.as_of),
                month > self._end + YEAR,
            ],
            [NEW, UNKNOWN, LEFT, kind, UNPRICED, UNDATED, OVERDUE, LATER],
            OPEN,
        )
        return frame.assign(
            segment=segments,
            status=pd.Series(status, index=frame.index).astype("str"),
            rate=rate,
            weighted=rate * frame["arr"],
            month=month,
        ).reset_index(drop=True)

    @cached_property
    def _listing(self) -> pd.DataFrame:
        """All rows of the last snapshot, the closed ones among them."""
        frame = self.opportunities.frame
        if self.snapshot is None:
            return frame
        return frame[frame["snapshot"] == last_snapshot(self.opportunities)]

    @cached_property
    def _seen(self) -> dict[str, int]:
        """The last month up to `as_of` in which each customer had an amount."""
        entries = self.ledger.entries.frame
        there = entries[(entries["month"] <= self._end) & (entries["arr"] > 0)]
        last = there.groupby("customer", observed=True)["month"].max()
        return {str(name): int(month) for name, month in last.items()}

    @cached_property
    def counted(self) -> pd.DataFrame:
        """The expansion that is open and due to close within a year."""
        return self.now[self.now["status"] == OPEN]

    def open(self) -> pd.DataFrame:
        """Open expansion by period and segment, beside what the same period booked a year ago.

        Columns `month` (the period's last; a fiscal quarter's, where the year is fiscal),
        `segment`, `opportunities`, `arr`, `weighted` (nothing of a stage without a rate), `booked`
        (expansion without price, of the whole book). A row for each period and each segment that
        has any of either.
        """
        sold = _booked(self.ledger, self._end)
        sold["month"] += YEAR  # a year ago
        found = self.counted.assign(opportunities=1)
        columns = ["month", "segment", "opportunities", "arr", "weighted"]
        both = pd.concat([found[columns], sold.rename(columns={"arr": "booked"})])
        both = both.assign(month=[self._period(int(month)) for month in both["month"]])
        amounts = ["opportunities", "arr", "weighted", "booked"]
        sums = both.groupby(["month", "segment"])[amounts].sum()
        has_any = sums.groupby("segment")[["arr", "booked"]].sum().sum(axis=1) > 0
        segments = [name for name in self._segments if has_any.get(name, False)]
        months = sorted({self._period(self._end + ahead) for ahead in range(1, YEAR + 1)})
        every = pd.MultiIndex.from_product([months, segments], names=["month", "segment"])
        sums = sums.reindex(every, fill_value=0.0).reset_index()
        sums["month"] = [month_name(month) for month in sums["month"]]
        return sums[["month", "segment", *amounts]].astype({"opportunities": int})

    def _period(self, month: int) -> int:
        """The last month of the period in which a month lies."""
        calendar, unit = self.ledger.calendar, self.pace
        return calendar.last_month(calendar.unit_of(month, unit), unit)

    @cached_property
    def _segments(self) -> list[str]:
        """The segments of today's book, the largest first."""
        book = self.ledger.customers(self.as_of)
        arr = book["arr"].groupby(book["segment"].astype(str)).sum()
        order = [str(name) for name in arr.sort_values(ascending=False, kind="stable").index]
        return [*order, *(name for name in self.ledger.segments if name not in order)]

    # --- what it is worth -------------------------------------------------------------------------

    @cached_property
    def weighted(self) -> dict[str, float]:
        """What open expansion is worth at its stages' rates: `arr`, and its 90 % range `low` to
        `high`; `open` is all of it, `unrated` what has no rate and so no worth. nan without any.
        """
        found = self.counted
        rated = found[found["weighted"].notna()]
        low, high = weighted_range(rated, self.stages)
        total = float(rated["weighted"].sum()) if len(rated) else np.nan
        amounts = {"open": float(found["arr"].sum()), "arr": total, "low": low, "high": high}
        return amounts | {"unrated": amounts["open"] - float(rated["arr"].sum())}

    @cached_property
    def _outlook(self) -> Movements | None:
        return expect(self.learnt) if self.learnt is not None else None

    @property
    def expected(self) -> float | None:
        """The expansion without price that the forecast's drivers expect of the same year."""
        return None if self._outlook is None else sum(_sold(self._outlook, YEAR).values())

    # --- what is needed ---------------------------------------------------------------------------

    def coverage(self) -> pd.DataFrame:
        """Open expansion over the expansion that target and plan need.

        Columns `of` (target, plan), `segment` (`all`: the whole), `until` (the month up to which
        both count), `needed`, `open`, `coverage` (nan where nothing is needed). Needed is what NRR
        asks for after the losses, the price increases and the returns that are expected; of a plan
        that is a scenario its own expansion.
        """
        rows = [*self._of_target(), *(self._of_plan if isinstance(self._of_plan, list) else ())]
        frame = pd.DataFrame(rows, columns=["of", "segment", "until", "needed"])
        found = [
            self._open_until(segment, parse_month(until, "until"))
            for segment, until in zip(frame["segment"], frame["until"], strict=True)
        ]
        frame["open"] = np.array(found, dtype=float)
        frame["needed"] = frame["needed"].astype(float)
        return frame.assign(coverage=(frame["open"] / frame["needed"]).where(frame["needed"] > 0))

    @property
    def why_no_plan(self) -> str:
        """Why the plan asks for no expansion that could be covered; empty where it does."""
        return self._of_plan if isinstance(self._of_plan, str) else ""

    def _open_until(self, segment: str, until: int) -> float:
        found = self.counted[self.counted["month"] <= until]
        return float((found if segment == ALL else found[found["segment"] == segment])["arr"].sum())

    def _of_target(self) -> Iterator[tuple[str, str, str, float]]:
        if self.target is not None and (sides := self._cohort_ahead(YEAR)) is not None:
            opening, other = sides
            yield TARGET, ALL, self._ahead(YEAR), self.target * opening.sum() - other.sum()

    @cached_property
    def _of_plan(self) -> list[tuple[str, str, str, float]] | str:
        """What the plan needs, or why it cannot be told."""
        plan = self.plan
        if plan is None:
            return []
        if plan.scenario is not None:
            return self._of_scenario(plan.scenario)
        if plan.measure == ARR:
            return "it states ARR, newcomers included, and not what today's customers are to add"
        ahead = [month for month in plan.months if self.as_of < month <= self._ahead(YEAR)]
        if not ahead:
            return f"it has no NRR for the twelve months after {month_in_words(self.as_of)}"
        # NRR of other months than the ledger's has no cohort
        step = self.ledger.step
        ahead = [each for each in ahead if (parse_month(each, "month") - self._end) % step == 0]
        if not ahead:
            return f"its months are none of the ledger's, which come every {step} months"
        months = parse_month(ahead[-1], "month") - self._end
        if (sides := self._cohort_ahead(months)) is None:
            return "the ledger is too short to say which losses to expect"
        opening, other = sides
        stated = self._as_in_ledger(plan.of(ahead[-1]))
        known = stated.reindex([name for name in stated.index if name in opening.index])
        if [*stated.index] == [ALL]:
            return [(PLAN, ALL, ahead[-1], float(stated[ALL] * opening.sum() - other.sum()))]
        needed = known * opening[known.index] - other[known.index]
        rows = [(PLAN, str(name), ahead[-1], float(each)) for name, each in needed.items()]
        is_whole = set(known.index) == set(opening.index[opening > 0])
        return [*rows, *([(PLAN, ALL, ahead[-1], float(needed.sum()))] if is_whole else [])]

    def _of_scenario(self, scenario: Scenario) -> list[tuple[str, str, str, float]] | str:
        """The expansion of a scenario in those of its months that are still to come: by segment its
        rate on what it then has, times today's book.
        """
        begins = month_number(scenario.start)
        first = self._end if begins is None else begins
        gone, until = self._end - first, min(scenario.months, self._end + YEAR - first)
        if not 0 <= gone < until:
            begun = month_in_words(month_name(first))
            return f"it is for the {scenario.months} months after {begun}"
        outlook, book = expect(scenario), self.ledger.customers(self.as_of)
        whole, past = _sold(outlook, until), _sold(outlook, gone)
        there = outlook.arrays["opening"][:, gone]
        rates = {
            name: (whole[name] - past[name]) / base if base > 0 else 0.0
            for name, base in zip(outlook.segments, there, strict=True)
        }
        arr = book["arr"].groupby(book["segment"].astype(str)).sum()
        known = self._as_in_ledger(pd.Series(rates, dtype=float)).reindex(arr.index).dropna()
        if known.empty:
            return "it has none of the ledger's segments"
        amounts, last = known * arr[known.index], month_name(first + until)
        rows = [(PLAN, str(name), last, float(each)) for name, each in amounts.items()]
        is_whole = len(known) == len(arr)
        whole_rows = [(PLAN, ALL, last, float(amounts.sum()))] if is_whole else []
        return [*(rows if len(arr) > 1 else []), *whole_rows]

    def _cohort_ahead(self, months: int) -> tuple[pd.Series, pd.Series] | None:
        """By segment the opening ARR of the cohort whose year ends `months` after now, and what is
        expected to be there of it then without any further sale.
        """
        if self._outlook is None:
            return None
        start = month_name(self._end + months - YEAR)
        if start not in self.ledger.months:
            return None
        kept, names = self.ledger.kept(start, self.as_of), np.array(self.ledger.segments, object)
        sides = pd.DataFrame({"opening": kept.opening, "now": kept.closing})
        sides = sides.groupby(names[kept.segment]).sum()
        opening, now = sides["opening"], sides["now"]
        moves, outlook = {}, self._outlook
        for at, name in enumerate(outlook.segments):
            sums = (
                sign * outlook.arrays[move][at, :months].sum() for move, sign in OTHER_MOVES.items()
            )
            base = float(outlook.arrays["opening"][at, 0])
            moves[name] = sum(sums) / base if base > 0 else 0.0
        rates = pd.Series(moves, dtype=float).reindex(now.index).fillna(0.0)
        return opening, now * (1 + rates)

    def _as_in_ledger(self, stated: pd.Series) -> pd.Series:
        """Amounts by segment as the ledger calls them: a plan may as pages do (SMB)."""
        called = {label(name, self.labels).casefold(): name for name in self.ledger.segments}
        own = {*self.ledger.segments, ALL}
        return stated.rename(
            lambda name: name if name in own else called.get(str(name).casefold(), name)
        )

    def _ahead(self, months: int) -> str:
        return month_name(self._end + months)

    # --- who is not where one would look ----------------------------------------------------------

    @cached_property
    def has_renewals(self) -> bool:
        """Whether the ledger says when contracts come up for renewal."""
        renewal = self.ledger.entries.frame.get("renewal")
        return renewal is not None and bool(renewal.notna().any())

    def renewals(self) -> pd.DataFrame:
        """The contracts that come up within six months, each with the opportunity that is for it.

        A row a customer and month, the soonest first: `customer`, `segment`, `month`, `due` (ARR),
        `covered` (whether there is one), `opportunity`, `name`, `stage`, `arr` (of its renewal
        opportunity, open or closed, the nearest whose close date lies within six months of it; ""
        and nan where there is none). Where names are masked, no opportunity is named.
        """
        columns = ["customer", "segment", "month", "due", "covered"]
        columns += ["opportunity", "name", "stage", "arr"]
        if not self.has_renewals:
            return pd.DataFrame(columns=columns)
        due = contracts_due(self.ledger, self.as_of, self.as_of).reset_index()
        due = due[due["month"] <= self._end + AHEAD]
        due = due.groupby(["customer", "month"], as_index=False).agg(due=("due", "sum"))
        mine = self._listing[(self._listing["kind"] == RENEWAL) & self._listing["known"]]
        mine = mine.assign(month=month_of(mine["close"]))
        pairs = due.merge(mine, "left", on="customer", suffixes=("", "_close"))
        pairs["distance"] = (pairs["month_close"] - pairs["month"]).abs()
        pairs = pairs.sort_values(["month", "customer", "distance"], kind="stable")
        pairs = pairs.drop_duplicates(["customer", "month"])
        far = ~(pairs["distance"] <= APART)
        pairs["arr"], pairs["covered"] = pairs["arr"].mask(far), ~far
        for name in ("opportunity", "name", "stage"):
            pairs[name] = pairs[name].mask(far, "").fillna("")
        segment = self.ledger.customers(self.as_of)["segment"].astype(str)
        pairs["segment"] = pairs["customer"].map(segment).fillna("")
        pairs = pairs.sort_values(["month", "due"], ascending=[True, False], kind="stable")
        pairs["month"] = [month_name(int(month)) for month in pairs["month"]]
        if self.ledger.unmasked:
            pairs = pairs.assign(opportunity="", name="")
        return pairs[columns].reset_index(drop=True)

    def uncovered(self) -> pd.DataFrame:
        """Those of the renewals for which there is no opportunity, the largest first."""
        frame = self.renewals()
        frame = frame[~frame["covered"].astype(bool)]
        order = frame["due"].astype(float).sort_values(ascending=False, kind="stable").index
        return frame.loc[order, ["customer", "segment", "month", "due"]].reset_index(drop=True)

    def left(self) -> pd.DataFrame:
        """Open opportunities of customers who have no revenue any more, the largest first.

        Columns `customer`, `since` (the first month without an amount), `opportunity`, `name`,
        `kind`, `stage`, `close` ("2026-12-31"), `arr`.
        """
        frame = self.now[self.now["status"] == LEFT]
        step = self.ledger.step
        since = [month_name(self._seen[customer] + step) for customer in frame["customer"]]
        return self._listed(frame.assign(since=since), "customer", "since")

    def unknown(self) -> pd.DataFrame:
        """Open opportunities of customers who are not in the ledger, the largest first.

        Columns `customer` (as the pipeline has it), `did_you_mean` (the ledger's name that is most
        like it, "" where none is: a hint, by which nothing is matched), `opportunity`, `name`,
        `kind`, `stage`, `close`, `arr`. Where names are masked, neither names nor hints.
        """
        frame = self.now[self.now["status"] == UNKNOWN]
        names = self.ledger.entries.frame["customer"].cat.categories
        if self.ledger.unmasked:
            frame = frame.assign(customer="", did_you_mean="")
        else:
            known = list(dict.fromkeys(frame["customer"]))
            near = dict(zip(known, near_names(known, [*names]), strict=True))
            frame = frame.assign(did_you_mean=frame["customer"].map(near))
        return self._listed(frame, "customer", "did_you_mean")

    def _listed(self, frame: pd.DataFrame, *first: str) -> pd.DataFrame:
        """Opportunities, the largest first; where names are masked, none says what it is called."""
        close = [
            "" if np.isnan(day) else str(np.int64(day).astype("datetime64[D]"))
            for day in frame["close"]
        ]
        frame = frame.assign(close=close)
        if self.ledger.unmasked:
            frame = frame.assign(opportunity="", name="")
        order = frame["arr"].fillna(-np.inf).sort_values(ascending=False, kind="stable").index
        columns = [*first, "opportunity", "name", "kind", "stage", "close", "arr"]
        return frame.loc[order, columns].reset_index(drop=True)

    def apart(self) -> pd.DataFrame:
        """What the list has besides open expansion of the year: `what`, `opportunities`, `arr`.

        won and lost (as closed in this snapshot), new (business), renewal, downgrade, left,
        unknown, later, overdue, undated, no amount; those alone of which there are any. With
        `open` these are all rows of the snapshot.
        """
        found = self.now[self.now["status"] != OPEN].groupby("status")["arr"].agg(["size", "sum"])
        frame = self._listing
        outcome = frame["stage"].map({each: outcome_of(each) for each in frame["stage"].unique()})
        closed = frame.groupby(outcome)["arr"].agg(["size", "sum"]).drop("", errors="ignore")
        order = [
            RENEWAL,
            LATER,
            OVERDUE,
            UNDATED,
            UNPRICED,
            LEFT,
            UNKNOWN,
            NEW,
            DOWNGRADE,
            WON,
            LOST,
        ]
        both = pd.concat([found, closed])
        both = both.reindex([name for name in order if name in both.index])
        both = both.rename_axis("what").reset_index()
        return both.rename(columns={"size": "opportunities", "sum": "arr"})

    # --- for files --------------------------------------------------------------------------------

    def told(self) -> dict[str, Any]:
        """What `nrrsim accounts --pipeline --json` prints of it."""
        amount = partial(json_amount, currency=self.currency)

        def rows(frame: pd.DataFrame, *amounts: str) -> list[dict[str, Any]]:
            return [
                {
                    str(key): _plain(value, amount if key in amounts else json_ratio)
                    for key, value in row.items()
                }
                for row in frame.to_dict("records")
            ]

        weighted, expected = self.weighted, self.expected
        stages = self._stages_told()
        return {
            "as_of": self.as_of,
            "snapshot": self.snapshot,
            "open": rows(self.open(), "arr", "weighted", "booked"),
            "coverage": rows(self.coverage(), "needed", "open"),
            "why_no_plan": self.why_no_plan or None,
            "stages": rows(stages, "arr", "arr_resolved", "became", "weighted"),
            "weighted": {
                name: None if np.isnan(value) else amount(value) for name, value in weighted.items()
            },
            "expected": None if expected is None else amount(expected),
            "renewals": rows(self.renewals(), "due", "arr"),
            "without_opportunity": rows(self.uncovered(), "due"),
            "left": rows(self.left(), "arr"),
            "unknown": rows(self.unknown(), "arr"),
            "apart": rows(self.apart(), "arr"),
        }

    def _stages_told(self) -> pd.DataFrame:
        """The stages with what is open of each: `opportunities`, `arr`, `weighted`."""
        found = self.counted.groupby("stage").agg(
            opportunities=("arr", "size"), arr=("arr", "sum"), weighted=("weighted", "sum")
        )
        frame = self.stages.drop(columns=["a", "b"]).merge(found, "left", on="stage")
        zero = {"opportunities": 0, "arr": 0.0, "weighted": 0.0}
        return frame.fillna(zero).astype({"opportunities": int, "resolved": int})

    def by_stage(self) -> pd.DataFrame:
        """What is open of each stage, the least likely first, and what its rate rests on.

        Columns `stage`, `opportunities`, `arr`, `weighted`, `rate`, `low`, `high`, `basis`,
        `resolved`; see `stage_rates`.
        """
        columns = ["stage", "opportunities", "arr", "weighted", "rate", "low", "high", "basis"]
        return self._stages_told()[[*columns, "resolved"]]

    def record(self) -> dict[str, Any]:
        """The figures, for a report's manifest."""
        told = self.told()
        kept = ("snapshot", "open", "coverage", "stages", "weighted", "expected", "apart")
        counts = {
            "renewals_due": len(told["renewals"]),
            "renewals_without": len(told["without_opportunity"]),
        }
        return {"pipeline": {name: told[name] for name in kept} | counts}

    @cached_property
    def notices(self) -> tuple[Finding, ...]:
        """What to know: of the file, and of how old its last snapshot is."""
        found, name = (
            [*self.opportunities.notices],
            ", ".join(self.opportunities.files) or "pipeline",
        )
        if self.opportunities.taken:
            found.insert(0, Finding(name, 0, "; ".join(self.opportunities.taken)))
        later = self.opportunities.frame["snapshot"] > last_day_of(self.as_of)
        if later.any():
            problem = f"{counted(int(later.sum()), 'row is', 'rows are')} of snapshots after"
            problem += f" {month_in_words(self.as_of)}"
            found.append(Finding(name, 0, problem, "not looked at"))
        day = self.snapshot
        if day and last_day_of(self.as_of) - last_snapshot(self.opportunities) > STALE:
            problem = (
                f"the last snapshot is of {day}, and the report of {month_in_words(self.as_of)}"
            )
            found.append(Finding(name, 0, problem, "export the pipeline anew"))
        return tuple(found)


def pipeline(
    ledger: Ledger | str,
    source: Any,
    as_of: str,
    *,
    unit: str | None = None,
    stages: Mapping[str, Any] | None = None,
    learnt: Scenario | None = None,
    target: float | None = None,
    plan: Plan | str | Path | None = None,
    labels: Mapping[str, str] | None = None,
) -> Pipeline | None:
    """What of the next twelve months' expansion is open in a CRM's list of opportunities, beside
    what target and plan need and what was booked a year ago; None without a list.

    source : the list, as `read_opportunities` takes it, or what that read.
    unit : what its amounts are where no heading says it: `arr` or `mrr`.
    stages : how likely a stage is, such as {"Proposal": "40%"}, for one whose past is not known.
    learnt : what a ledger teaches (`calibrate`), for the losses and the expansion to expect.
    target : the NRR aimed for twelve months from now. plan : a plan, or its file. labels : what
        segments are called in a plan, where it calls them otherwise.

    Raises UsageError for what is not there or does not fit, DataError with every finding.
    """
    if source is None:
        return None
    ledger = as_ledger(ledger)
    as_of = month_name(ledger.inside(as_of, "as_of"))
    said = stage_numbers(stages)
    if not isinstance(source, Opportunities):
        source = read_opportunities(source, ledger, as_of, unit)
    elif source.as_of != as_of:
        source = replace(source, as_of=as_of)
    if source.has_snapshots and np.isnan(last_snapshot(source)):
        name = ", ".join(source.files) or "the pipeline"
        problem = f"every snapshot is after {month_in_words(as_of)}"
        remedy = "choose a later month, or leave the column snapshot out: it is as of then, too"
        raise DataError([Finding(name, 0, problem, remedy, "snapshot")])
    if plan is not None and not isinstance(plan, Plan):
        plan = read_plan(plan, ledger.calendar)
    target = aimed_for(target)
    rates = stage_rates(source, ledger, said)
    unused = _unused(list(stages or ()), said, rates, source)
    source = replace(source, notices=(*source.notices, *unused))
    return Pipeline(ledger, as_of, source, rates, learnt, target, plan, labels or {})


def _unused(
    stages: list[str], said: Mapping[str, float], rates: pd.DataFrame, source: Opportunities
) -> Iterator[Finding]:
    """A notice of each number that was said of a stage and decides nothing."""
    name, known = ", ".join(source.files) or "pipeline", rates.set_index(rates["stage"].map(plain))
    every = dict.fromkeys(source.frame["stage"].astype(str))
    for stage in stages:
        if plain(stage) not in map(plain, every):
            problem, remedy = f"{stage!r} is no stage of the file", did_you_mean(stage, [*every])
        elif plain(stage) in known.index and known.at[plain(stage), "basis"] == LEARNT:
            row = known.loc[plain(stage)]
            problem = f"{stage}: {said[plain(stage)]:.0%} is not used"
            remedy = f"its own past says {row['rate']:.0%} ({row['resolved']} resolved)"
        else:
            continue
        yield Finding(name, 0, problem, remedy, "stages")


def _plain(value: Any, write: Callable[[float], float | None]) -> Any:
    """A cell as JSON tells it: null where nothing is known."""
    if isinstance(value, float):
        return None if np.isnan(value) else write(value)
    return None if value == "" else value


def pipeline_of(
    past: Actuals,
    ahead: Forecast | NoForecast,
    source: Any,
    unit: str | None = None,
    stages: Mapping[str, Any] | None = None,
    plan: Plan | str | Path | None = None,
) -> Pipeline | None:
    """The pipeline of a report: against its target, where that is of twelve months and includes
    price, its plan, and what its forecast has learnt. The others as for `pipeline`.
    """
    is_of_a_year = past.window == YEAR and not past.ex_price
    return pipeline(
        past.ledger,
        source,
        past.as_of,
        unit=unit,
        stages=stages,
        learnt=ahead.calibration.scenario if isinstance(ahead, Forecast) else None,
        target=past.target if is_of_a_year else None,
        plan=plan,
        labels=past.labels,
    )


def _booked(ledger: Ledger, end: int) -> pd.DataFrame:
    """Expansion of the whole book in the year up to `end`, price left out, where the ledger covers
    it: `month` (a number), `segment`, `arr`.
    """
    first = max(end - YEAR, parse_month(ledger.months[0], "month"))
    columns = ["month", "segment", "arr"]
    if first >= end:
        return pd.DataFrame(columns=columns).astype({"month": int, "arr": float})
    book = ledger.book(month_name(first), month_name(end))
    amounts = sum(np.asarray(book.arrays[name]) for name in SOLD)
    rows = [
        (parse_month(month, "month"), segment, float(each))
        for segment, own in zip(book.segments, np.asarray(amounts), strict=True)
        for month, each in zip(book.months, own, strict=True)
    ]
    return pd.DataFrame(rows, columns=columns)


def _sold(outlook: Movements, months: int) -> dict[str, float]:
    """Expansion without price of the first months, by segment."""
    return {
        segment: float(sum(outlook.arrays[name][at, :months].sum() for name in SOLD))
        for at, segment in enumerate(outlook.segments)
    }
