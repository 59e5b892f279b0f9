"""A ledger and a date in, a Scenario whose every number is learnt from it out; never simulates, never draws charts.

What a segment did is counted over what it could have done. Segments learn from each other as far as they are alike: an
annual frequency has a typical value and a spread over segments, both unknown; given them it is Beta, and what is
counted makes it another Beta. The typical value and the spread are averaged over a grid, so all of it is exact.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from nrrsim.beliefs import beta_of, lognormal_of
from nrrsim.book import customers_of
from nrrsim.errors import UsageError, did_you_mean
from nrrsim.ledger import Ledger
from nrrsim.months import month_name, parse_month
from nrrsim.movements import MOVEMENTS
from nrrsim.scenario import Scenario
from nrrsim.yamlfile import yaml_text

MADE_BY = "# Learnt by nrrsim calibrate. A change made here is lost when it is made again: extend this file instead."
KIND = {name: number for number, name in enumerate(MOVEMENTS)}
TERMS = (("month", "monthly"), ("annual", "annual"), ("year", "annual"))
COUNTED = ("churn", "contraction", "adoption", "cross_sell", "price", "reactivation")
BAD_YEAR = {"churn": 1, "contraction": 1, "adoption": -1, "cross_sell": -1}  # what it does to each driver
# The prior: how often a year, typically, with a standard deviation of its logit; and how much segments differ (the
# coefficient of variation of their frequencies), with one of its logarithm.
TYPICAL = {"churn": 0.12, "contraction": 0.2, "adoption": 0.35, "cross_sell": 0.15, "price": 0.7, "reactivation": 0.1}
TYPICAL_SD, UNLIKE, UNLIKE_SD = 1.5, 0.4, 0.7
SHOCK_SD = 0.2  # of the prior of a common shock, half normal
MOST_SHOCK = 1.5
USUAL_SIZE = {"contraction": (0.2, 0.15), "adoption": (0.2, 0.2), "cross_sell": (0.2, 0.2)}  # where none was seen

MONEY = 0.5  # power of ARR by which a size counts: 0 is each customer alike, 1 is each dollar; by back-tests
FEW_SIZES = 8  # events below which a segment takes the sizes of all segments
MOST_SPREAD, MOST_OF_A_BETA = 2.9, 0.75  # of a size, below what a scenario takes
MOST_ALIKE = 20_000.0  # the sum of a Beta's parameters, of a size
MOST_GAIN, MOST_UPLIFT = 10.0, 1.0  # of a mean size: what a scenario takes
LOWER_AIC = 10.0  # by how much a tenure curve must be better than a constant churn
FALSE_ALARM = 0.01  # of a test for drift or season
SAME_STEP, SAME_SHARE = 5, 0.2  # customers, and share of a segment, that rise alike in one month: a price increase?
LATE = 12  # months after leaving in which a return is counted: a scenario's customers leave within its year


@dataclass(frozen=True)
class Learnt:
    """One driver of one segment: what was counted, and what it says.

    `events` over `chances` (customer-years; for annual contracts, renewals); `mean` and `sd` of the annual probability
    or rate; `size` of an event (mean, sd) and how far its distribution is from the one fitted (Kolmogorov-Smirnov).
    """

    driver: str
    segment: str
    events: float
    chances: float
    mean: float
    sd: float
    size: tuple[float, float] | None = None
    misfit: float | None = None
    sized: int = 0


@dataclass(frozen=True)
class Calibration:
    """What a ledger teaches up to `as_of`: the scenario, each number that it is made of, and what to know of it."""

    scenario: Scenario
    learnt: tuple[Learnt, ...]
    shock: dict[str, float]
    years: int
    findings: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """A row for each driver and segment, with the fields of Learnt."""
        rows = [{**vars(each), "size": each.size[0] if each.size else np.nan} for each in self.learnt]
        return pd.DataFrame(rows)

    def told(self) -> dict[str, Any]:
        """What `nrrsim calibrate --json` prints."""
        drivers: dict[str, Any] = {}
        for each in self.learnt:
            size = None if each.size is None else dict(zip(("mean", "sd"), each.size, strict=True))
            figures = {"events": each.events, "chances": each.chances, "mean": each.mean, "sd": each.sd}
            drivers.setdefault(each.driver, {})[each.segment] = figures | {"size": size, "misfit": each.misfit}
        term = self.scenario.plain()["book"]["term"]
        learnt = {"years": self.years, "term": term, "drivers": drivers, "shock": self.shock}
        return {"title": self.scenario.title, **learnt, "findings": list(self.findings)}

    def write(self, path: str | Path) -> None:
        """The scenario as a file; raises UsageError where something else stands there, or it cannot be written."""
        final, text = Path(path), yaml_text(self.scenario.plain())
        try:
            if final.exists() and not final.read_bytes().startswith(MADE_BY.encode()):
                raise UsageError(f"{path}: is there, and was not made by nrrsim calibrate; choose another --out")
            unfinished = final.with_name(f".{final.name}-{os.getpid()}")
            unfinished.write_text(f"{MADE_BY}\n{text}", encoding="utf-8")
            os.replace(unfinished, final)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror}); is its folder there?") from None


def calibrate(
    ledger: Ledger,
    as_of: str,
    *,
    term: Mapping[str, str] | None = None,
    half_life: float | None = None,
    price_months: Sequence[str] = (),
    file: str = "ledger.csv",
    columns: Mapping[str, str] | None = None,
) -> Calibration:
    """The scenario that a ledger's history up to `as_of` speaks for; nothing after it is looked at.

    term : monthly or annual, by segment; of the others it is what the ledger's column `term` says of most of their
        customers, else it is told from when they leave.
    half_life : months after which what was seen counts half; default: all of it counts the same.
    price_months : months in which those who rose by a common percentage met a price increase ("YYYY-MM").
    file, columns : the ledger's path and headings, as the scenario's book is to name them.

    Raises UsageError for a date that the ledger does not have, and for a history of less than two snapshots.
    """
    panel = _Panel.of(ledger, as_of, half_life, price_months)
    if wrong := [each for each in (term or {}).values() if each not in ("monthly", "annual")]:
        raise UsageError(f"term: {wrong[0]!r} is no term; take monthly or annual")
    if strange := [name for name in term or {} if name not in panel.segments]:
        raise UsageError(
            f"term: {strange[0]} is not a segment of the ledger; {did_you_mean(strange[0], panel.segments)}"
        )
    terms = panel.terms(dict(term or {}))
    annual = np.array([terms[name] == "annual" for name in panel.segments])
    learnt, findings = _learn(panel, annual)
    curves, told = _curves(panel, annual)
    shock, years = _shock(panel, learnt, annual)
    here = [name for name in panel.segments if name in set(panel.present)]
    drivers = _drivers(panel, [each for each in learnt if each.segment in here], curves)
    values: dict[str, Any] = {
        "title": f"Learnt from the ledger up to {as_of}",
        "because": _because(panel, years, half_life),
        "months": 12,
        "book": {
            "ledger": file,
            "as_of": as_of,
            "term": {name: terms[name] for name in here},
            **({"columns": dict(columns)} if columns else {}),
        },
        "drivers": drivers,
    }
    if shock:
        values["shock"] = shock
        values["source"] = f"shock: how much the drivers differed over {years} past years, and that there were so few"
    ties = [[f"churn.{name}.alpha", f"churn.{name}.beta", curve.rho] for name, curve in curves.items() if name in here]
    if ties:
        values["correlations"] = ties
    scenario = Scenario.of(values, opening=customers_of(ledger, as_of, values["book"]["term"]))
    alone = set(price_months) - {month_name(month) for _, month, _ in panel.alike}
    missing = [
        f"price month {month}: no rise is shared by many in it; nothing is taken as price" for month in sorted(alone)
    ]
    notes = [*findings, *told, *panel.steps_alike(), *missing, *_moving(panel, annual)]
    return Calibration(scenario, tuple(learnt), shock, years, tuple(dict.fromkeys(notes)))


def check_half_life(half_life: float | None) -> None:
    """Raises UsageError for a half-life below a month."""
    if half_life is not None and not half_life >= 1:
        raise UsageError(f"half_life: must be a month at least, got {half_life:g}")


# --- what happened, and what could have --------------------------------------------------------------------


@dataclass(frozen=True)
class _Panel:
    """A row for each customer and step in which something could happen to it, `ndarray[row]`.

    `customer` and `segment` (their numbers), `arr` (at the step's start), `month` (of the step's end), `age` (months
    since its first revenue, nan where that came before the ledger), `due` (whether its anniversary is in the step; -1:
    not known), `due_to_leave` (the same, told from when it left where nothing else tells it), `weight`; `amount`: by
    movement, what it moved. `away`: the same of who has left: segment, month, weight, back (the ARR it came back with
    over what it left with, 0: it stayed away).
    """

    ledger: Ledger
    as_of: int
    step: int
    segments: tuple[str, ...]
    present: tuple[str, ...]
    customer: np.ndarray
    segment: np.ndarray
    arr: np.ndarray
    month: np.ndarray
    age: np.ndarray
    due: np.ndarray
    due_to_leave: np.ndarray
    weight: np.ndarray
    amount: dict[str, np.ndarray]
    away: dict[str, np.ndarray]

    @property
    def a_year(self) -> float:
        """Steps a year."""
        return 12 / self.step

    @classmethod
    def of(cls, ledger: Ledger, as_of: str, half_life: float | None, price_months: Sequence[str]) -> _Panel:
        rows, events = ledger.histories(as_of)
        end, step, begin = parse_month(as_of, "as_of"), ledger.step, parse_month(ledger.months[0], "month")
        if end - begin < step:
            raise UsageError(
                f"as_of: {as_of} is the ledger's first month; there is nothing to learn from before a second one"
            )
        check_half_life(half_life)
        category = rows["segment"].astype("category").cat.remove_unused_categories()
        segment = category.cat.codes.to_numpy(np.int64)
        customer, month, arr = (rows[name].to_numpy() for name in ("customer", "month", "arr"))
        heads = np.diff(customer, prepend=-1) != 0
        first = month[np.flatnonzero(heads)[np.cumsum(heads) - 1]]
        renewal = rows["renewal"].to_numpy(float)
        at = np.where(np.isnan(renewal), np.where(first > begin, first, -1), np.nan_to_num(renewal)).astype(np.int64)
        place = customer * 100_000 + month  # sorted
        exposed = month < end
        moved = {name: np.zeros(len(rows)) for name in KIND}
        kind = events["kind"].to_numpy()
        before = np.searchsorted(place, events["customer"].to_numpy() * 100_000 + events["month"].to_numpy() - step)
        for name, number in KIND.items():
            if name not in ("new", "reactivation"):
                of_kind = kind == number
                np.add.at(moved[name], before[of_kind], events["arr"].to_numpy()[of_kind])
        moved["adoption"] = moved["adoption"] + moved.pop("unsplit")
        # an annual contract whose anniversary is not known left at one
        left = np.full(int(customer.max()) + 1, -1, dtype=np.int64)
        left[customer[moved["churn"] > 0]] = month[moved["churn"] > 0] + step
        went = np.where(at < 0, left[customer], at)
        panel = cls(
            ledger,
            end,
            step,
            tuple(map(str, category.cat.categories)),
            tuple(map(str, category[month == end].unique())),
            customer[exposed],
            segment[exposed],
            arr[exposed],
            month[exposed] + step,
            np.where(first > begin, month - first, np.nan)[exposed],
            np.where(at < 0, -1, (month + step - at) % 12 < step)[exposed],
            np.where(went < 0, -1, (month + step - went) % 12 < step)[exposed],
            _weight(month[exposed] + step, end, half_life),
            {name: values[exposed] for name, values in moved.items() if name not in ("new", "reactivation")},
            _away(rows, segment, end, step, half_life),
        )
        panel._take_as_price([parse_month(each, "price_months") for each in price_months])
        return panel

    def _take_as_price(self, months: Sequence[int]) -> None:
        """Book rises by a common percentage in these months as price."""
        for _, month, ratio in self.alike:
            if month in months:
                mine = (self.month == month) & (self._rise == ratio)
                self.amount["price"][mine] += self.amount["adoption"][mine]
                self.amount["adoption"][mine] = 0.0

    @cached_property
    def _rise(self) -> np.ndarray:
        """By how many tenths of a percent each row rose in one movement that the ledger does not split."""
        return np.asarray(np.round(1000 * self.amount["adoption"] / self.arr))

    @cached_property
    def alike(self) -> list[tuple[int, int, int]]:
        """Segment, month and rise (tenths of a percent) that many customers share."""
        rose = self._rise > 0
        frame = pd.DataFrame({"segment": self.segment[rose], "month": self.month[rose], "rise": self._rise[rose]})
        counted = frame.value_counts().reset_index(name="number")
        there = pd.DataFrame({"segment": self.segment, "month": self.month}).value_counts().reset_index(name="there")
        both = counted.merge(there, on=["segment", "month"])
        alike = both[(both["number"] >= SAME_STEP) & (both["number"] >= SAME_SHARE * both["there"])]
        return list(alike[["segment", "month", "rise"]].astype(int).itertuples(index=False, name=None))

    def steps_alike(self) -> list[str]:
        """What looks like a price increase, in words."""
        told = []
        for segment, month, rise in sorted(self.alike, key=lambda each: (each[1], each[0])):
            mine = (self.segment == segment) & (self.month == month)
            number = int((self._rise[mine] == rise).sum())
            booked = self.amount["price"][mine & (self._rise == rise)].any()
            told.append(
                f"{month_name(month)}: {number} of {int(mine.sum())} customers of {self.segments[segment]} rose by"
                f" {rise / 10:g} %; "
                + (
                    "taken as a price increase"
                    if booked
                    else "if that was a price increase, name the month as price month"
                )
            )
        return told

    def terms(self, given: dict[str, str]) -> dict[str, str]:
        """Monthly or annual, by segment: annual where most of those who leave do so at an anniversary."""
        found = {}
        stated = self._stated_terms()
        gone = self.amount["churn"] > 0
        for number, name in enumerate(self.segments):
            mine = gone & (self.segment == number) & (self.due >= 0)
            at_renewal = float(np.mean(self.due[mine] == 1)) if mine.any() else 0.0
            is_annual = self.step == 12 or (mine.sum() >= 3 and at_renewal > 0.5)
            if not mine.any() and self.ledger.entries.frame.get("renewal") is not None:
                is_annual = bool((self.due[self.segment == number] >= 0).any())
            found[name] = given.get(name) or stated.get(name) or ("annual" if is_annual else "monthly")
        return found

    def _stated_terms(self) -> dict[str, str]:
        """What the ledger's own column `term` says of most customers of a segment, where it has one."""
        frame = self.ledger.entries.frame
        if "term" not in frame:
            return {}
        known = frame[frame["month"] <= self.as_of]
        words = known["term"].astype(str).str.strip().str.lower()
        term = words.map(lambda word: next((each for start, each in TERMS if word.startswith(start)), None))
        told = pd.DataFrame({"segment": known["segment"].astype(str), "term": term}).dropna()
        return dict(told.groupby("segment")["term"].agg(lambda each: each.mode().iloc[0]))

    def chances(self, driver: str, annual: np.ndarray) -> np.ndarray:
        """`ndarray[row]`: how many chances for the driver a row is: steps; of what happens once a year, years."""
        gone = self.amount["churn"] > 0
        off = (self.amount[driver] > 0) & (self.due == 0)
        if driver == "churn":
            yearly = np.where(self.due_to_leave < 0, 1 / self.a_year, np.where(self.due_to_leave == 1, 1.0, off))
            return np.where(annual[self.segment], yearly, 1.0)
        return np.where(gone, 0.0, 1.0)

    def whole_years(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each customer and whole year before `as_of` in which it was there: segment, weight, whether a price rose.

        Whenever in the year increases come, at an anniversary or each January, there is one chance of it in each.
        """
        block = (self.as_of - self.month) // 12
        keys, first, place, number = np.unique(
            self.customer * 1_000 + block, return_index=True, return_inverse=True, return_counts=True
        )
        gone = np.bincount(place, self.amount["churn"] > 0, len(keys))
        rose = np.bincount(place, self.amount["price"] > 0, len(keys)) > 0
        whole = (number == self.a_year) & (gone == 0)
        return self.segment[first][whole], self.weight[first][whole], rose[whole]


def _weight(month: np.ndarray, end: int, half_life: float | None) -> np.ndarray:
    return np.ones(len(month)) if half_life is None else 0.5 ** ((end - month) / half_life)


def _away(
    rows: pd.DataFrame, segment: np.ndarray, end: int, step: int, half_life: float | None
) -> dict[str, np.ndarray]:
    """Each step of the year after a customer left, until it comes back or the ledger ends."""
    customer, month, arr = (rows[name].to_numpy() for name in ("customer", "month", "arr"))
    same = np.append(customer[1:] == customer[:-1], False)
    until = np.where(same, np.append(month[1:], 0), end + step)
    left = np.flatnonzero(until > month + step)
    waits = np.minimum((until[left] - month[left]) // step - 1, LATE // step)
    came = same[left] & ((until[left] - month[left]) // step - 1 <= LATE // step)
    row = np.repeat(left, waits)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(waits) - waits, waits)
    when = month[row] + (nth + 2) * step
    share = np.where(came, np.append(arr[1:], 0.0)[left] / arr[left], 0.0)
    back = np.where(nth == np.repeat(waits, waits) - 1, np.repeat(share, waits), 0.0)
    seen = when <= end
    told = {"segment": segment[row], "month": when, "weight": _weight(when, end, half_life), "back": back}
    return {name: values[seen] for name, values in told.items()}


# --- how often ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Counts:
    """Events and chances by segment, and what a frequency of one chance makes of a year: `power` chances."""

    events: np.ndarray
    chances: np.ndarray
    power: float
    is_probability: bool


def _counts(panel: _Panel, driver: str, annual: np.ndarray) -> list[tuple[np.ndarray, _Counts]]:
    """The counts of the segments that learn from each other, with the numbers of these segments."""
    number = len(panel.segments)
    if driver == "reactivation":
        away = panel.away
        events = np.bincount(away["segment"], away["weight"] * (away["back"] > 0), number)
        chances = np.bincount(away["segment"], away["weight"], number)
        return [(np.arange(number), _Counts(events, chances, panel.a_year, True))]
    if driver == "price":
        segment, weight, rose = panel.whole_years()
        events, chances = (np.bincount(segment, each, number) for each in (weight * rose, weight))
        return [(np.arange(number), _Counts(events, chances, 1.0, True))]
    happened = panel.amount[driver] > 0
    part = panel.chances(driver, annual)
    events = np.bincount(panel.segment, panel.weight * happened, number)
    chances = np.bincount(panel.segment, panel.weight * part, number)
    if driver != "churn":
        return [(np.arange(number), _Counts(events, chances, panel.a_year, False))]
    return [
        (where, _Counts(events[where], chances[where], power, True))
        for where, power in ((np.flatnonzero(annual), 1.0), (np.flatnonzero(~annual), panel.a_year))
        if len(where)
    ]


def posterior(
    events: np.ndarray, chances: np.ndarray, typical: float, power: float, is_probability: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each segment's annual frequency, `ndarray[segment]` each.

    events, chances : `ndarray[segment]`; recent ones may weigh more, so they need not be whole.
    typical : the prior's annual frequency. power : chances a year.
    is_probability : the year's is 1 - (1 - p)^power, else p x power, where p is that of one chance.
    """
    a, b, weight = _mixture(events, chances, typical, power, is_probability)
    if is_probability:
        stay, square = (_moment(a, b, n * power) for n in (1, 2))
        first, second = 1 - stay, 1 - 2 * stay + square
    else:
        first = power * a / (a + b)
        second = first * power * (a + 1) / (a + b + 1)
    mean = (weight * first).sum(axis=(1, 2))
    return mean, np.sqrt(np.maximum((weight * second).sum(axis=(1, 2)) - mean**2, 0))


def _mixture(
    events: np.ndarray, chances: np.ndarray, typical: float, power: float, is_probability: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The Beta distributions of one chance, `ndarray[segment, typical, unlike]` each parameter, and their weights."""
    places = PLACES
    for _ in range(2):  # a wide grid, and a fine one where the weight is
        mu, alike, prior = prior_grid(typical, power, is_probability, places)
        a, b = mu * alike + events[:, None, None], (1 - mu) * alike + (chances - events)[:, None, None]
        likely = special.betaln(a, b) - special.betaln(mu * alike, (1 - mu) * alike)
        log = np.log(prior) + likely.sum(axis=0)
        weight = np.exp(log - log.max())
        weight = weight / weight.sum()
        of_place = weight.sum(axis=1)
        middle = float(of_place @ places)
        reach = 5 * np.sqrt(of_place @ (places - middle) ** 2) + 2 * (PLACES[1] - PLACES[0])
        places = np.linspace(max(middle - reach, PLACES[0]), min(middle + reach, PLACES[-1]), 61)
    return a, b, np.broadcast_to(weight, a.shape)


PLACES = np.linspace(-3, 3, 31)  # of the prior's grid, in standard deviations


def prior_grid(
    typical: float, power: float, is_probability: bool, places: np.ndarray = PLACES
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What one chance may typically be, how alike segments are (the sum of their Beta's parameters), and the weights:
    `ndarray[typical, unlike]` each.
    """
    one = -np.expm1(np.log1p(-typical) / power) if is_probability else typical / power
    mu = special.expit(special.logit(one) + TYPICAL_SD * places)[:, None]
    unlike = UNLIKE * np.exp(UNLIKE_SD * PLACES[::2])[None, :]
    alike = np.maximum((1 - mu) / (mu * unlike**2) - 1, 0.5)
    prior = np.exp(-(places[:, None] ** 2 + PLACES[None, ::2] ** 2) / 2)
    return np.broadcast_to(mu, alike.shape), alike, prior / prior.sum()


def _moment(a: np.ndarray, b: np.ndarray, power: float) -> np.ndarray:
    """E[(1 - p)^power] of a Beta."""
    return np.asarray(np.exp(special.betaln(a, b + power) - special.betaln(a, b)))


def _learn(panel: _Panel, annual: np.ndarray) -> tuple[list[Learnt], list[str]]:
    """Every driver of every segment, and what to know of them."""
    learnt: list[Learnt] = []
    findings: list[str] = []
    seen = [name for name in COUNTED if name not in ("cross_sell", "price") or panel.amount[name].any()]
    sizes_of = {driver: _sizes(panel, driver) for driver in seen if driver in USUAL_SIZE}
    shown = _shown(panel, sizes_of)
    for driver in seen:
        part = shown.get(driver, np.ones(len(panel.segments)))
        for where, counts in _counts(panel, driver, annual):
            chances = np.maximum(counts.chances * part[where], counts.events)
            means, sds = posterior(counts.events, chances, TYPICAL[driver], counts.power, counts.is_probability)
            for place, number in enumerate(where):
                name = panel.segments[number]
                size, misfit, sized = sizes_of.get(driver, {}).get(int(number), (None, None, 0))
                years = counts.chances[place] / counts.power
                events, mean, sd = (float(each[place]) for each in (counts.events, means, sds))
                learnt.append(Learnt(driver, name, events, float(years), mean, sd, size, misfit, sized))
                if size and size[0] > MOST_GAIN:
                    findings.append(
                        f"{name}: {driver} multiplies amounts by {1 + size[0]:.0f} on average; taken as"
                        f" {1 + MOST_GAIN:.0f}. Is this recurring revenue?"
                    )
                missed = counts.events[place] == 0 and name in panel.present and years >= 0.5
                if missed and driver in ("churn", "contraction", "adoption"):
                    findings.append(
                        f"{name}: no {driver} in {years:.0f} customer-years; what is believed of it comes from"
                        f" {'the other segments and from ' if len(panel.segments) > 1 else ''}what is usual"
                    )
    return learnt, findings


def _shown(panel: _Panel, sizes: Mapping[str, Mapping[int, _Size]]) -> dict[str, np.ndarray]:
    """By driver, `ndarray[segment]`: in which share of its chances an event shows. A month that rises and falls shows
    the net alone: the fall hides the smaller rise, and the rise the smaller fall.
    """
    nobody = np.zeros(len(panel.segments))
    n = np.maximum(np.bincount(panel.segment, minlength=len(nobody)), 1)
    often = {name: np.bincount(panel.segment, panel.amount[name] > 0, len(nobody)) / n for name in sizes}
    wins = {name: np.array([_wins(sizes["contraction"][k][0], of[k][0]) for k in of]) for name, of in sizes.items()}
    gains = [name for name in sizes if name != "contraction"]
    shown = {name: 1 - often["contraction"] * (1 - wins[name]) for name in gains}
    return shown | {"contraction": 1 - sum((often[name] * wins[name] for name in gains), nobody)}


def _wins(fall: tuple[float, float], rise: tuple[float, float]) -> float:
    """How likely a rise is to outweigh a fall of the same month."""
    places = (np.arange(60) + 0.5) / 60
    mean, sd = fall
    lost = special.betaincinv(*beta_of(mean, max(sd, 1e-3 * mean)), places)
    mu, sigma = lognormal_of(rise[0], max(rise[1], 1e-3 * rise[0]))
    gained = np.exp(mu + sigma * special.ndtri(places))
    return float(((1 - lost[:, None]) * (1 + gained) > 1).mean())


# --- how much ----------------------------------------------------------------------------------------------


_Size = tuple[tuple[float, float], float | None, int]


def _sizes(panel: _Panel, driver: str) -> dict[int, _Size]:
    """Of each segment: mean and sd of what an event takes or adds, how badly it fits, and how many were seen."""
    moved = np.flatnonzero(panel.amount[driver] > 0)
    share = panel.amount[driver][moved] / panel.arr[moved]
    segment, weight = panel.segment[moved], panel.weight[moved] * panel.arr[moved] ** MONEY
    fit = _beta_size if driver == "contraction" else _lognormal_size
    whole: _Size = (*fit(share, weight), len(share)) if len(share) >= 2 else (USUAL_SIZE[driver], None, len(share))
    sizes: dict[int, _Size] = {}
    for number in range(len(panel.segments)):
        mine = segment == number
        enough = mine.sum() >= FEW_SIZES
        sizes[number] = (*fit(share[mine], weight[mine]), int(mine.sum())) if enough else whole
    return sizes


def _lognormal_size(share: np.ndarray, weight: np.ndarray) -> tuple[tuple[float, float], float]:
    """By maximum likelihood: the mean and the standard deviation of the logarithm are those of what was seen."""
    log = np.log(share)
    mu = np.average(log, weights=weight)
    sigma = np.sqrt(np.average((log - mu) ** 2, weights=weight))
    sigma = float(min(sigma, np.sqrt(np.log1p(MOST_SPREAD**2))))
    mean = float(np.exp(mu + sigma**2 / 2))
    misfit = _misfit(share, special.ndtr((np.log(np.sort(share)) - mu) / max(sigma, 1e-9)))
    return (mean, max(mean * float(np.sqrt(np.expm1(sigma**2))), 0.3 * mean / np.sqrt(len(share)))), misfit


def _beta_size(share: np.ndarray, weight: np.ndarray) -> tuple[tuple[float, float], float]:
    """By maximum likelihood, from the means of log x and log(1 - x)."""
    x = np.clip(share, 1e-6, 1 - 1e-6)
    up, down = np.average(np.log(x), weights=weight), np.average(np.log1p(-x), weights=weight)
    mean, sd = np.average(x, weights=weight), np.sqrt(np.cov(x, aweights=weight)) if len(x) > 1 else 0.1
    start = np.log(beta_of(float(mean), float(np.clip(sd, 0.01, 0.9 * np.sqrt(mean * (1 - mean))))))

    def short(log: np.ndarray) -> float:
        a, b = np.exp(log)
        return float(special.betaln(a, b) - (a - 1) * up - (b - 1) * down)

    found = optimize.minimize(short, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10})
    a, b = np.exp(found.x)
    whole = float(np.clip(a + b, 0.1, MOST_ALIKE))  # identical sizes have no likeliest spread
    mean = float(a / (a + b))
    sd = min(np.sqrt(mean * (1 - mean) / (whole + 1)), np.sqrt(MOST_OF_A_BETA * mean * (1 - mean)))
    fitted = special.betainc(*beta_of(mean, float(sd)), np.sort(x))
    return (mean, max(float(sd), _least_spread(mean, len(x)))), _misfit(share, fitted)


def _least_spread(mean: float, number: int) -> float:
    """A few events that were alike do not say that all are."""
    return float(min(0.3 * mean / np.sqrt(number), 0.3 * np.sqrt(mean * max(1 - mean, 0.01))))


def _misfit(share: np.ndarray, expected: np.ndarray) -> float:
    """The Kolmogorov-Smirnov distance of what was seen from what was fitted."""
    n = len(share)
    return float(max(np.abs(expected - np.arange(n) / n).max(), np.abs(expected - np.arange(1, n + 1) / n).max()))


# --- tenure ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """A shifted beta-geometric churn (Fader and Hardie 2007) by maximum likelihood, with standard errors of the
    logarithms of `alpha` and `beta`, their correlation, and the AIC of a constant churn less its own.
    """

    alpha: float
    beta: float
    errors: tuple[float, float]
    rho: float
    gain: float
    log_likelihood: float


def fit_curve(lost: Sequence[float] | np.ndarray, kept: Sequence[float] | np.ndarray, power: float = 1.0) -> Curve:
    """The curve that speaks best for who was lost and kept in tenure year 1, 2, ...

    power : chances a year, of which `lost` and `kept` count each: 1 where they are whole years.
    """
    lost, kept = np.asarray(lost, float), np.asarray(kept, float)
    year = np.arange(len(lost))

    def likelihood(theta: np.ndarray) -> float:
        stays = np.log1p(-theta) / power
        return float((lost * np.log(-np.expm1(stays)) + kept * stays).sum())

    def short(log: np.ndarray) -> float:
        alpha, beta = np.exp(np.clip(log, -6, 9))
        return -likelihood(np.clip(alpha / (alpha + beta + year), 1e-12, 1 - 1e-12))

    mean = -np.expm1(power * np.log1p(-np.clip(lost.sum() / max(lost.sum() + kept.sum(), 1e-9), 1e-6, 1 - 1e-6)))
    starts = [np.log([mean * n, (1 - mean) * n]) for n in (1.0, 10.0)]
    options = {"xatol": 1e-7, "fatol": 1e-9, "maxiter": 2000}
    found = min(
        (optimize.minimize(short, x, method="Nelder-Mead", options=options) for x in starts), key=lambda f: f.fun
    )
    x, h = found.x, 1e-3
    steps = np.eye(2) * h
    bend = np.array([[(short(x + p + q) - short(x + p - q) - short(x - p + q) + short(x - p - q)) / (4 * h * h)
                      for q in steps] for p in steps])  # fmt: skip
    try:
        spread = np.linalg.inv(bend)
    except np.linalg.LinAlgError:
        spread = np.eye(2)
    sure = bool((np.diag(spread) > 0).all())
    errors = np.sqrt(np.clip(np.diag(spread), 1e-6, 1.0)) if sure else np.ones(2)
    rho = float(np.clip(spread[0, 1] / np.sqrt(np.diag(spread).prod()), -0.99, 0.99)) if sure else 0.0
    constant = likelihood(np.full(len(lost), mean))
    alpha, beta = np.exp(np.clip(x, -6, 9))
    gain = (2 - 2 * constant) - (4 + 2 * found.fun)
    return Curve(float(alpha), float(beta), (float(errors[0]), float(errors[1])), rho, float(gain), float(-found.fun))


def _curves(panel: _Panel, annual: np.ndarray) -> tuple[dict[str, Curve], list[str]]:
    """The segments whose churn falls with tenure clearly enough, where the tenure is known."""
    curves, told = {}, []
    part = panel.chances("churn", annual) * panel.weight
    known = ~np.isnan(panel.age)
    for number, name in enumerate(panel.segments):
        mine = known & (panel.segment == number)
        year = np.floor(panel.age[mine] / 12).astype(int)
        if len(set(year)) < 2:
            continue
        gone = panel.amount["churn"][mine] > 0
        chances = np.bincount(year, part[mine])
        lost = np.bincount(year, panel.weight[mine] * gone, len(chances))
        kept = np.maximum(chances - lost, 0)
        if _most_gain(lost, kept) <= LOWER_AIC:
            continue
        curve = fit_curve(lost, kept, 1.0 if annual[number] else panel.a_year)
        if curve.gain > LOWER_AIC and max(curve.alpha, curve.beta) < 1e4:
            curves[name] = curve
            told.append(
                f"{name}: churn falls with tenure (AIC lower by {curve.gain:.0f}); a curve stands in place of one rate"
            )
    return curves, told


def _most_gain(lost: np.ndarray, kept: np.ndarray) -> float:
    """The AIC that a curve could save at most: what a rate of its own for each year would."""

    def likelihood(k: Any, rest: Any) -> float:
        return float((special.xlogy(k, k) + special.xlogy(rest, rest) - special.xlogy(k + rest, k + rest)).sum())

    return 2 * (likelihood(lost, kept) - likelihood(lost.sum(), kept.sum())) - 2


# --- good and bad years ------------------------------------------------------------------------------------


def _shock(panel: _Panel, learnt: Sequence[Learnt], annual: np.ndarray) -> tuple[dict[str, float], int]:
    """How much a year that is good or bad for all moves each driver, and from how many whole years that is known.

    Its square is the posterior mean of the variance between years, so what few years leave open widens it; and as the
    rates themselves were learnt in years that were good or bad, it is widened by one part in the number of years.
    """
    back = (panel.as_of - panel.month) // 12
    years = int((panel.as_of - parse_month(panel.ledger.months[0], "month")) // 12)
    shock: dict[str, float] = {}
    residual: dict[str, np.ndarray] = {}
    for driver, sign in BAD_YEAR.items():
        if not any(each.driver == driver for each in learnt):
            continue
        events, chances, expected = (np.zeros(max(years, 1)) for _ in range(3))
        part, happened = panel.chances(driver, annual), panel.amount[driver] > 0
        for number in range(len(panel.segments)):
            rows = (panel.segment == number) & (back < years)
            counted = part[rows]
            if not counted.sum():
                continue
            by_year = np.bincount(back[rows], counted, len(chances))
            chances += by_year
            expected += happened[rows].sum() / counted.sum() * by_year
            events += np.bincount(back[rows], happened[rows].astype(float), len(chances))
        spread = _between_years(events[:years], chances[:years], expected[:years])
        shock[driver] = round(sign * float(np.sqrt(spread * (1 + 1 / max(years, 1)))), 4)
        with np.errstate(divide="ignore", invalid="ignore"):
            residual[driver] = (events - expected) / np.sqrt(np.maximum(expected, 1e-9))
    if years >= 4 and "churn" in residual:  # then the years themselves say which way each driver goes with churn
        for driver in ("adoption", "cross_sell", "contraction"):
            if driver in residual:
                together = float((residual["churn"] * residual[driver]).sum())
                shock[driver] = abs(shock[driver]) * (1 if together > 0 else -1)
    return {name: beta for name, beta in shock.items() if beta}, years


def _between_years(events: np.ndarray, chances: np.ndarray, expected: np.ndarray) -> float:
    """The posterior mean of the variance of a year's factor, over a grid: binomial counts, lognormal factor."""
    beta = np.linspace(0, MOST_SHOCK, 76)
    prior = np.exp(-((beta / SHOCK_SD) ** 2) / 2)
    z, w = np.polynomial.hermite_e.hermegauss(31)
    level = np.linspace(-1, 1, 241)  # of the typical year, which is not known either
    few = level[::6]
    between = np.array([np.interp(level, few, row) for row in np.eye(len(few))])
    log = np.zeros((len(beta), len(level)))
    for k, n, e in zip(events, chances, expected, strict=True):
        if not (n > 0 and e > 0):
            continue
        if 100 <= k < n:  # so many that log(k / e) is normal; no quadrature would see so narrow a peak
            variance = beta[:, None] ** 2 + (1 - k / n) / k
            log -= (np.log(k / e) - level + beta[:, None] ** 2 / 2) ** 2 / variance / 2 + np.log(variance) / 2
            continue
        factor = np.exp(few[:, None] + beta[:, None, None] * z - beta[:, None, None] ** 2 / 2)
        p = np.clip(e / n * factor, 1e-12, 1 - 1e-9)
        each = k * np.log(p) + np.maximum(n - k, 0) * np.log1p(-p)
        top = each.max(axis=2, keepdims=True)
        log += (np.log((np.exp(each - top) * w).sum(axis=2)) + top[..., 0]) @ between
    weight = (np.exp(log - log.max()).sum(axis=1)) * prior
    return float((weight * beta**2).sum() / weight.sum())


# --- drift and season --------------------------------------------------------------------------------------


def _moving(panel: _Panel, annual: np.ndarray) -> list[str]:
    """Drivers that drift, or that have a season: tested at a false-alarm rate of 1 % each."""
    told = []
    for driver in ("churn", "contraction", "adoption", "cross_sell"):
        happened = panel.amount[driver] > 0
        part = panel.chances(driver, annual)
        frame = pd.DataFrame({"month": panel.month, "events": happened.astype(float), "chances": part})
        by_month = frame.groupby("month")[["events", "chances"]].sum()
        by_month = by_month[by_month["chances"] > 0]
        k, n = by_month["events"].to_numpy(), by_month["chances"].to_numpy()
        if len(k) < 3 or k.sum() < 20 or (k.sum() >= n.sum()):
            continue
        t = by_month.index.to_numpy(float)
        p = k.sum() / n.sum()
        centred = t - (n * t).sum() / n.sum()
        z = (centred * (k - n * p)).sum() / np.sqrt(p * (1 - p) * (n * centred**2).sum())
        if 2 * special.ndtr(-abs(z)) < FALSE_ALARM:
            told.append(
                f"{driver.replace('_', '-')} drifts {'up' if z > 0 else 'down'} over the ledger's time (z = {z:.1f}); a"
                " half-life of 12 or 24 months gives recent months more weight"
            )
        if panel.step == 1 and len(k) >= 24:
            season = by_month.groupby(by_month.index % 12).sum()
            sk, sn = season["events"].to_numpy(), season["chances"].to_numpy()
            chi2 = ((sk - sn * p) ** 2 / (sn * p * (1 - p))).sum()
            if stats.chi2.sf(chi2, len(sk) - 1) < FALSE_ALARM:
                most = int(season.index.to_numpy()[np.argmax(sk / sn)])
                told.append(
                    f"{driver.replace('_', '-')} has a season, most of it in month {most + 1:02d} of the year;"
                    " a scenario spreads it evenly"
                )
    return told


# --- the scenario ------------------------------------------------------------------------------------------


def _drivers(panel: _Panel, learnt: Sequence[Learnt], curves: Mapping[str, Curve]) -> dict[str, Any]:
    span = f"ledger {month_name(int(panel.month.min()) - panel.step)}..{month_name(panel.as_of)}"
    drivers: dict[str, Any] = {}
    for each in learnt:
        unit = "whole customer-years" if each.driver == "price" else "customer-years"
        source = f"{span}, {each.events:,.0f} in {each.chances:,.0f} {unit}"
        entry: dict[str, Any]
        if each.driver == "churn" and each.segment in curves:
            curve = curves[each.segment]
            entry = {
                "sbg": {
                    name: _lognormal(value, error)
                    for name, value, error in zip(
                        ("alpha", "beta"), (curve.alpha, curve.beta), curve.errors, strict=True
                    )
                }
            }
        elif each.driver == "price":
            entry = {"uplift": _uplift(panel, each.segment), "acceptance": _beta(each.mean, each.sd)}
        elif each.driver in ("churn", "reactivation"):
            entry = {"rate": _beta(each.mean, each.sd)}
        else:
            entry = {"rate": _rate(each.mean, each.sd)}
        if each.driver == "reactivation":
            entry["size"] = _return_size(panel)
            source += " of those who had left within a year"
        if each.size:
            mean, sd = each.size
            mean = min(mean, MOST_GAIN)
            sd = min(sd, MOST_SPREAD * mean)
            entry["size"] = {"mean": _short(mean), "sd": _short(sd)} if sd > 1e-3 * mean else _short(mean)
            source += f"; sizes of {each.sized} events"
            source += f", KS {each.misfit:.2f}" if each.misfit is not None else ", as is usual"
        drivers.setdefault(each.driver, {})[each.segment] = {**entry, "source": source}
    return drivers


def _uplift(panel: _Panel, segment: str) -> float:
    """The mean rise of those who took a price increase, in this segment or, where none did, in all."""
    rose = panel.amount["price"] > 0
    mine = rose & (panel.segment == panel.segments.index(segment))
    use = mine if mine.any() else rose
    mean = float(np.average(panel.amount["price"][use] / panel.arr[use], weights=panel.weight[use]))
    return _short(min(mean, MOST_UPLIFT))


def _return_size(panel: _Panel) -> float:
    """At which share of what they left with customers come back: the median, as a few come back much larger."""
    back = panel.away["back"]
    return _short(float(np.clip(np.median(back[back > 0]), 0.01, 1))) if (back > 0).any() else 1.0


def _beta(mean: float, sd: float) -> dict[str, Any]:
    mean = float(np.clip(mean, 1e-6, 1 - 1e-6))
    most = np.sqrt(mean * (1 - mean))
    a, b = beta_of(mean, float(np.clip(sd, most / 700, 0.95 * most)))  # a belief's numbers are at most a million
    return {"dist": "beta", "a": _short(a), "b": _short(b)}


def _rate(mean: float, sd: float) -> dict[str, Any]:
    return {"dist": "lognormal", "mean": _short(min(mean, 11.0)), "sd": _short(max(sd, 1e-6))}


def _lognormal(median: float, error: float) -> dict[str, Any]:
    mean = median * np.exp(error**2 / 2)
    return {"dist": "lognormal", "mean": _short(mean), "sd": _short(mean * np.sqrt(np.expm1(error**2)))}


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _because(panel: _Panel, years: int, half_life: float | None) -> str:
    weight = f"; what lies {half_life:g} months back counts half" if half_life else ""
    yearly = (
        " The ledger is annual: each interval shows at most one net rise or fall, read as at most one event a year."
        if panel.step == 12
        else ""
    )
    alike = " Segments learn from each other as far as they are alike." if len(panel.segments) > 1 else ""
    whole = f"{years} whole {'year' if years == 1 else 'years'}"
    return (
        f"Learnt from {month_name(int(panel.month.min()) - panel.step)} to {month_name(panel.as_of)} ({whole}){weight}."
        f"{alike}{yearly} What is not in the ledger,"
        " such as a new product or a recession of a kind not seen, is not in here."
    )
