"""Actuals and a plan or an earlier forecast in, what makes them differ out; never reads a file.

A plan of ARR or NRR by segment is compared by segment. By movement a scenario can be, and what an
earlier report forecast: NRR is the sum over the segments of share x (1 + rates of the movements).
Every part has a formula of its own, and they add up to the difference.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.analysis.actuals import BRIDGE, Actuals
from nrrsim.analysis.since import Published, Since
from nrrsim.engine.expectation import expect
from nrrsim.errors import UsageError
from nrrsim.months import month_number, parse_month, shift
from nrrsim.movements import CENT, EXPANSION, LOSSES, MOVEMENTS, Movements, json_amount, json_ratio
from nrrsim.notation import label
from nrrsim.notation import month_name as month_in_words
from nrrsim.scenario.plan import ARR, NRR, Plan, read_plan
from nrrsim.scenario.scenario import Scenario

YEAR = 12
MIX, METHOD = "mix", "method"
MOST_PARTS = 8  # that a picture shows one by one
LEAST = 5e-4  # of NRR: a part that is printed as 0.0 points is no step
WHOLE = "all"
SAME = 1e-12  # of NRR: two that differ by less are one


def by_movement(planned: pd.DataFrame, actual: pd.DataFrame) -> pd.DataFrame:
    """What makes the actual NRR differ from the planned: a row a part, a column a segment.

    planned, actual : by segment `opening` and, over the window, each movement of the cohort in ARR,
        losses positive. A movement that one side lacks is 0 there.

    The parts are `mix`, the segments' shares of the opening, and each movement; they add up to
    actual less planned. Each is its Shapley value over all orders in which shares and rates change
    from planned to actual. As NRR is linear in each of them, a movement counts at the mean of both
    shares, and the shares at the mean of both rates. What one segment wins in share others lose, so
    each counts by how far it lies from the whole. A segment that only one side has differs in its
    share alone.
    """
    names = [name for name in MOVEMENTS if name in planned or name in actual]
    sides = [
        side.reindex(columns=["opening", *names], fill_value=0.0) for side in (planned, actual)
    ]
    segments = planned.index.union(actual.index, sort=False)
    then, now = (side.reindex(segments).fillna(0.0) for side in sides)
    signs = pd.Series({name: -1.0 if name in LOSSES else 1.0 for name in names})
    rates = [
        (side[names] * signs).div(side["opening"].replace(0.0, np.nan), axis=0)
        for side in (then, now)
    ]
    # who is not there has no rates: they are as on the other side, and then nothing
    rate, rate_now = rates[0].fillna(rates[1]).fillna(0.0), rates[1].fillna(rates[0]).fillna(0.0)
    share, share_now = (side["opening"] / side["opening"].sum() for side in (then, now))

    change = (rate_now - rate).mul((share + share_now) / 2, axis=0)
    nrr = 1 + (rate + rate_now).sum(axis=1) / 2
    whole = ((share + share_now) / 2 * nrr).sum()
    mix = (share_now - share) * (nrr - whole)
    return pd.concat([mix.rename(MIX).to_frame(), change], axis=1).T


def by_segment(planned: pd.Series, actual: pd.Series, share: pd.Series) -> pd.Series:
    """What each segment's NRR, planned and actual, makes of the difference of the whole's: its
    share of the opening times its own difference.
    """
    return (actual - planned) * share


@dataclass(frozen=True)
class Compared:
    """A figure as it was planned (or forecast) and as it is: what makes the difference.

    measure : `arr` or `nrr`. parts : by segment or, where `by_movement`, by movement; they add up
        to `actual` less `planned`.
    segments : by segment `planned`, `actual` (nan where that side has none) and `effect`, its part.
    merged : expansion is one part, as the ledger does not split it.
    since : the month up to which what was planned is what was known by then; None if nothing was.
    undated : a scenario does not say which months it is for, and was taken for these.
    """

    measure: str
    planned: float
    actual: float
    parts: pd.Series
    segments: pd.DataFrame
    by_movement: bool = False
    merged: bool = False
    since: str | None = None
    undated: bool = False

    @property
    def only_planned(self) -> tuple[str, ...]:
        """The segments that the plan alone has."""
        return tuple(map(str, self.segments.index[self.segments["actual"].isna()]))

    @property
    def only_actual(self) -> tuple[str, ...]:
        """The segments that the plan lacks."""
        return tuple(map(str, self.segments.index[self.segments["planned"].isna()]))

    @property
    def difference(self) -> float:
        return self.actual - self.planned

    def steps(self) -> pd.DataFrame:
        """From what was planned to the actual figure: `step`, `amount`, `start`, `end`, `kind`.

        Segments stand by the size of their part. Of many parts the smaller ones, and those too
        small to be printed, are one step, `others`, where they come to anything.
        """
        parts, least = self.parts, LEAST if self.measure == NRR else CENT / 2
        by_size = parts.abs().sort_values(ascending=False, kind="stable")
        if not self.by_movement:
            parts = parts.reindex(by_size.index)
        seen = by_size.index[by_size >= least]
        most = seen if len(seen) <= MOST_PARTS else seen[: MOST_PARTS - 1]
        is_own = parts.index.isin(most)
        others = pd.Series({"others": float(parts[~is_own].sum())})
        parts = pd.concat([parts[is_own], others[others.abs() >= least]])
        rows = [["planned", self.planned, 0.0, self.planned, "total"]]
        level = self.planned
        for name, part in parts.items():
            rows.append([str(name), part, level, level + part, "gain" if part > 0 else "loss"])
            level += part
        rows.append(["actual", self.actual, 0.0, self.actual, "total"])
        return pd.DataFrame(rows, columns=["step", "amount", "start", "end", "kind"])


@dataclass(frozen=True)
class Promise:
    """What the report of the month `made` published of NRR for now: median, and 80% range.

    place : the share of the range below what NRR came to; 0 or 1 outside all that was recorded.
    compared : the median and what makes NRR differ from it, if its expected movements are known.
    """

    made: str
    low: float
    median: float
    high: float
    place: float
    compared: Compared | None


@dataclass(frozen=True)
class Variance:
    """Plan, forecast and actual figures of a report; see `variance`."""

    past: Actuals
    plan: Plan | None = None
    before: Published | None = None

    # --- against the plan -------------------------------------------------------------------------

    @property
    def planned(self) -> Compared | None:
        """The plan and what came of it; None without one, or where there is a `reason`."""
        return self._planned if isinstance(self._planned, Compared) else None

    @property
    def reason(self) -> str:
        """Why the plan cannot be compared, in words; empty where it can, or there is none."""
        return self._planned if isinstance(self._planned, str) else ""

    @cached_property
    def _planned(self) -> Compared | str | None:
        if self.plan is None:
            return None
        scenario, stated = self.plan.scenario, self.plan.of(self.past.as_of)
        stated = stated.rename(self._as_in_ledger(stated.index))
        if scenario is None and stated.empty:
            months = list(map(month_in_words, self.plan.months))
            span = " to ".join(dict.fromkeys([months[0], months[-1]]))
            return f"it has no figures for {month_in_words(self.past.as_of)}; it covers {span}"
        if self.plan.measure == ARR:
            return self._of_amounts(stated)
        if isinstance(self._cohort, str):
            return self._cohort
        return self._of_ratios(stated) if scenario is None else self._of_scenario(scenario)

    def _as_in_ledger(self, stated: Collection[str]) -> dict[str, str]:
        """What the ledger calls the segments that a plan calls otherwise: as pages do (SMB)."""
        own = [str(name) for name in self.past.ledger.entries.frame["segment"].cat.categories]
        called: dict[str, list[str]] = {}
        for name in own:
            called.setdefault(label(name, self.past.labels).casefold(), []).append(name)
        renamed = {}
        for name in set(stated) - {*own, WHOLE}:
            meant = called.get(label(name, self.past.labels).casefold(), [])
            if len(meant) == 1 and meant[0] not in stated:
                renamed[name] = meant[0]
        return renamed

    @property
    def months_not_there(self) -> list[str]:
        """The months up to now that the plan has figures of, and the ledger has not."""
        months = self.plan.months if self.plan else []
        return [
            month
            for month in months
            if month <= self.past.as_of and month not in self.past.ledger.months
        ]

    def _of_amounts(self, stated: pd.Series) -> Compared:
        """ARR at the month's end, newcomers included, at the rates of the report."""
        past = self.past
        book = past.ledger.customers(past.as_of, rate_of=past.start)
        arr = book["arr"].groupby(book["segment"].astype(str)).sum()
        # where one side has no segments the whole is compared
        if [WHOLE] in ([*stated.index], [*arr.index]):
            stated, arr = (pd.Series({WHOLE: float(side.sum())}) for side in (stated, arr))
        both = _side_by_side(stated, arr, arr)
        effect = both["actual"].fillna(0.0) - both["planned"].fillna(0.0)
        whole = float(stated.sum()), float(arr.sum())
        return Compared(ARR, *whole, effect, both.assign(effect=effect))

    def _of_ratios(self, stated: pd.Series) -> Compared | str:
        """NRR of the twelve months, point to point, at the shares of their opening ARR."""
        amounts = _amounts(self._own)
        nrr = _nrr(amounts)
        if [*stated.index] == [WHOLE]:
            nrr, amounts = pd.Series({WHOLE: _whole(amounts)}), amounts.sum().to_frame(WHOLE).T
        both = _side_by_side(stated, nrr, amounts["opening"])
        known = both.dropna()
        if known.empty:
            return "it has none of the ledger's segments"
        share = amounts["opening"].reindex(known.index)
        share = share / share.sum()
        effect = by_segment(known["planned"], known["actual"], share)
        planned, actual = ((known[side] * share).sum() for side in ("planned", "actual"))
        return Compared(NRR, float(planned), float(actual), effect, both.assign(effect=effect))

    def _of_scenario(self, scenario: Scenario) -> Compared | str:
        """NRR as the scenario expects it, movement by movement."""
        past = self.past
        begins, end = month_number(scenario.start), parse_month(past.as_of, "as_of")
        start = end - YEAR
        first = start if begins is None else begins
        if end <= first or first + scenario.months < end:
            begun = month_in_words(shift(past.as_of, first - end))
            return (
                f"it covers the {scenario.months} months after {begun}, not the whole window to"
                f" {month_in_words(past.as_of)}"
            )
        window = (max(start - first, 0), end - first)
        outlook = _amounts(expect(scenario, window=window))
        outlook = outlook.rename(self._as_in_ledger(outlook.index))
        if first <= start:
            return _by_movement(outlook, self._own, undated=begins is None)
        month = shift(past.as_of, first - end)
        if month not in self._own.months:
            return f"it begins in {month_in_words(month)}, of which the ledger has no figures"
        return _by_movement(*self._from(month, outlook))

    # --- against what was forecast ----------------------------------------------------------------

    @cached_property
    def published(self) -> Promise | None:
        """What the last report that forecast this month said of it; None where none did."""
        judged = Since(self.past, self.before).judged
        if self.before is None or judged.empty or isinstance(self._cohort, str):
            return None
        last = judged.iloc[-1]
        made, median = str(last["origin"]), float(last["p50"])
        compared = self._forecast(made, self.before.quarters[made].get("expected"), median)
        range_ = (float(last["p10"]), median, float(last["p90"]))
        return Promise(made, *range_, float(last["place"]), compared)

    def _forecast(self, made: str, expected: Any, median: float) -> Compared | None:
        """From the published median to NRR. Its first part is the method's: a median is of a skewed
        range, and simulated, where the expected movements are on average and exact.
        """
        months = parse_month(self.past.as_of, "as_of") - parse_month(made, "made")
        is_known = made == self._own.start or made in self._own.months
        if not expected or not is_known or months > YEAR:
            return None
        outlook = pd.DataFrame(
            {
                segment: {
                    name: each[0] if name == "opening" else sum(each[:months])
                    for name, each in amounts.items()
                }
                for segment, amounts in expected.items()
            }
        ).T.fillna(0.0)
        found = _by_movement(*self._from(made, outlook))
        method = pd.Series({METHOD: found.planned - median})
        return replace(found, planned=median, parts=pd.concat([method, found.parts]))

    def _from(
        self, month: str, outlook: pd.DataFrame
    ) -> tuple[pd.DataFrame, Movements, str | None]:
        """What a cohort that was known up to a month was expected to become, from then on.

        outlook : the movements of the whole book after that month, by segment. What is left of the
            cohort moves at the rates of its segment; one that the outlook lacks stays as it is.
        """
        own = self._own
        if month <= own.start:
            return outlook, own, None
        known = own.until(month)
        amounts, left = _amounts(known), known.over("closing").to_series()
        rates = outlook.drop(columns="opening").div(outlook["opening"].replace(0.0, np.nan), axis=0)
        moved = rates.reindex(left.index).mul(left, axis=0).fillna(0.0)
        return amounts.add(moved, fill_value=0.0)[[*amounts]], own, month

    # --- the figures ------------------------------------------------------------------------------

    @property
    def _own(self) -> Movements:
        assert not isinstance(self._cohort, str)
        return self._cohort

    @cached_property
    def _cohort(self) -> Movements | str:
        """The twelve months' customers, whatever window the report has; or why there are none."""
        try:
            found = self.past.ledger.cohort(self.past.as_of, YEAR)
        except UsageError:
            return "it is of twelve months, and the ledger does not reach back so far"
        return found if found.amount("opening") > 0 else "nobody paid a year ago"

    @cached_property
    def nrr(self) -> float:
        """The actual NRR of twelve months, point to point; nan where there is none."""
        return float("nan") if isinstance(self._cohort, str) else _whole(_amounts(self._cohort))

    @property
    def is_part(self) -> bool:
        """Whether a plan of NRR is of some of the segments alone: theirs is another NRR."""
        planned = self.planned
        is_nrr = planned is not None and planned.measure == NRR
        return planned is not None and is_nrr and abs(planned.actual - self.nrr) > SAME

    @property
    def is_other_measure(self) -> bool:
        """Whether the report's own NRR is another than the one that is compared here."""
        return (self.past.window, self.past.definition, self.past.ex_price) != (
            YEAR,
            "point_to_point",
            False,
        )

    def figures(self) -> pd.DataFrame:
        """Actual, plan and forecast side by side: segments, and then the whole (`all`).

        Columns `name`, `actual`, `plan`, `variance` (actual less plan), `effect` (on the whole),
        `forecast` (of the whole the published median) and `place` (where NRR lies in what was
        published, from 0 to 1). All is ARR where the plan is, else NRR; what is not known is nan.
        """
        planned, published = self.planned, self.published
        ahead = published.compared if published else None
        columns = ["name", "actual", "plan", "variance", "effect", "forecast", "place"]
        if (compared := planned or ahead) is None:
            frame = pd.DataFrame([[WHOLE, self.nrr]] if published else [], columns=columns[:2])
        else:
            own = [WHOLE, compared.planned, compared.actual, compared.difference]
            frame = pd.DataFrame([own], columns=["name", "planned", "actual", "effect"])
            segments = compared.segments.rename_axis("name").reset_index()
            if [*segments["name"]] != [WHOLE]:
                frame = pd.concat([segments, frame], ignore_index=True)
        frame = frame.rename(columns={"planned": "plan"}).reindex(columns=columns)
        frame = frame.astype(dict.fromkeys(columns[1:], float))
        is_arr = planned is not None and planned.measure == ARR
        if is_arr:
            frame[["actual", "plan"]] = frame[["actual", "plan"]].fillna(0.0)
        if planned is None:
            frame[["plan", "effect"]] = np.nan
        if published and not (is_arr or self.is_part):
            if ahead is not None:
                frame["forecast"] = frame["name"].map(ahead.segments["planned"])
            last = frame.index[-1]
            frame.loc[last, ["forecast", "place"]] = [published.median, published.place]
        return frame.assign(variance=frame["actual"] - frame["plan"])

    def record(self) -> dict[str, Any]:
        """Every headline number, for a report's manifest."""
        found = {}
        if (planned := self.planned) is not None:
            in_currency = partial(json_amount, currency=self.past.ledger.currency)
            told = in_currency if planned.measure == ARR else json_ratio
            found["plan"] = {
                "measure": planned.measure,
                "planned": told(planned.planned),
                "actual": told(planned.actual),
                "parts": {str(name): told(part) for name, part in planned.parts.items() if part},
            }
        if (published := self.published) is not None:
            found["published_for_now"] = {
                "made": published.made,
                "median": published.median,
                "place": json_ratio(published.place),
            }
        return found


def variance(
    past: Actuals, plan: Plan | str | Path | None = None, before: Published | None = None
) -> Variance | None:
    """What was planned and what was forecast for the month of a report, beside what came of it.

    plan : a plan, or its file; before : what earlier reports published. None where neither says
    anything of the month. Raises what `read_plan` raises, and UsageError for a plan in another
    currency.
    """
    if plan is not None and not isinstance(plan, Plan):
        plan = read_plan(plan, past.ledger.calendar)
    if plan is not None and plan.currency and past.ledger.currency not in ("", plan.currency):
        raise UsageError(
            f"plan: {plan.name} is in {plan.currency}, and the report in {past.ledger.currency};"
            " state the plan in the currency of the report"
        )
    found = Variance(past, plan, before)
    return found if plan is not None or found.published is not None else None


# --- amounts by segment -------------------------------------------------------------------------


def _amounts(movements: Movements) -> pd.DataFrame:
    """By segment `opening` and each movement of the window, in ARR; losses positive."""
    return pd.DataFrame(
        {name: movements.over(name).to_series() for name in ("opening", *MOVEMENTS)}
    )


def _nrr(amounts: pd.DataFrame) -> pd.Series:
    """NRR by segment; nan where it had nothing."""
    gains = [name for name in MOVEMENTS if name in amounts and name not in LOSSES]
    losses = [name for name in LOSSES if name in amounts]
    closing = amounts["opening"] + amounts[gains].sum(axis=1) - amounts[losses].sum(axis=1)
    return closing / amounts["opening"].replace(0.0, np.nan)


def _whole(amounts: pd.DataFrame) -> float:
    return float(_nrr(amounts.sum().to_frame(WHOLE).T).iloc[0])


def _side_by_side(planned: pd.Series, actual: pd.Series, size: pd.Series) -> pd.DataFrame:
    """Both by segment, the largest first."""
    both = pd.DataFrame({"planned": planned, "actual": actual})
    order = size.reindex(both.index).fillna(0.0).sort_values(ascending=False, kind="stable")
    return both.reindex(order.index)


def _by_movement(
    planned: pd.DataFrame, own: Movements, since: str | None = None, undated: bool = False
) -> Compared:
    """Two sides compared by movement; expansion is one where either does not split it."""
    actual = _amounts(own)
    planned = planned.reindex(columns=[*actual], fill_value=0.0)
    # of a segment that had nothing there is no NRR, whatever may come back to it
    planned = planned.where(planned["opening"] > 0, 0.0)
    merged = bool(actual["unsplit"].any() or planned["unsplit"].any())
    parts = by_movement(planned, actual)
    whole = parts.sum(axis=1)
    if merged:
        split = [name for name in whole.index if name in EXPANSION]
        whole["unsplit"] = whole[split].sum()
        whole = whole.drop([name for name in split if name != "unsplit"])
    order = [name for name in (MIX, *BRIDGE) if name in whole.index]
    both = _side_by_side(_nrr(planned), _nrr(actual), actual["opening"])
    segments = both.assign(effect=parts.sum())
    return Compared(
        NRR,
        _whole(planned),
        _whole(actual),
        whole[order],
        segments[segments["planned"].notna() | segments["actual"].notna()],
        by_movement=True,
        merged=merged,
        since=since,
        undated=undated,
    )
