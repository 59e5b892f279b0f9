"""What several reports published in, the answers of their overview out as frames; never a report.

Of parts of one ledger also that ledger, to which they add up; of companies the rates at which their
amounts are added. Amounts are ARR, ratios are plain (1.05).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nrrsim.analysis.actuals import Actuals
from nrrsim.benchmarks import USUAL_GRR, leaky_bucket, standing
from nrrsim.errors import UsageError
from nrrsim.ledger.currency import read_rates
from nrrsim.ledger.ledger import Ledger
from nrrsim.months import CALENDAR_YEAR, parse_month, shift
from nrrsim.movements import LOSSES, MOVEMENTS, json_amount, json_ratio
from nrrsim.notation import digits_of

YEAR = 12
FALL = 0.02  # of NRR since the last report, from which on it is one to look at
UNLIKELY = 0.5  # a probability of the target below which it is more likely missed
FIGURES = ("opening", *MOVEMENTS, "closing")
LINEAR = ("point_to_point", "stays_out", "flow", "flow_with_reactivation")  # weights: opening ARR


class Attention(NamedTuple):
    """What of an entity needs attention first: a kind, and the figure that says it."""

    kind: str
    figure: float = np.nan


@dataclass(frozen=True, eq=False)
class Portfolio:
    """Several entities' reports: parts of a `whole` ledger by its `column`, or companies.

    found : their numbers as published. failed, absent : by name why there is no report. currency :
    that of sums; "" where amounts are not added, and then `apart` says why. rates : what one unit
    of each currency is worth in it, by currency and month number.
    """

    found: Sequence[Mapping[str, Any]]
    failed: Mapping[str, str]
    absent: Mapping[str, str]
    target: float | None = None
    column: str | None = None
    whole: Actuals | None = None
    currency: str = ""
    rates: pd.Series | None = None
    reported: bool = False

    # --- the entities -----------------------------------------------------------------------------

    @cached_property
    def apart(self) -> str:
        """Why amounts of the entities are not added; "" where they are: terms, months, rates."""
        terms = {(each["definition"], each["window"], each["ex_price"]) for each in self.found}
        if len(terms) > 1:
            return "terms"
        if len({each["as_of"] for each in self.found}) > 1:
            return "months"
        money = {each["currency"] or "" for each in self.found}
        if len(money) > 1 and any(self._rate(each) is None for each in self.found):
            return "rates"
        return ""

    def _rate(self, of: Mapping[str, Any]) -> float | None:
        """What one unit of an entity's currency is worth in that of the sums when the window
        starts; None where it is not known.
        """
        money = of["currency"] or ""
        if money == self.currency or not self.rates_needed:
            return 1.0
        month = parse_month(shift(of["as_of"], -of["window"]), "as_of")
        rate = None if self.rates is None else self.rates.get((money, month))
        return None if rate is None else float(rate)

    @cached_property
    def rates_needed(self) -> bool:
        """Whether entities report in several currencies, or in another than that of the sums."""
        money = {each["currency"] or "" for each in self.found}
        return len(money) > 1 or bool(self.currency and money != {self.currency})

    def frame(self) -> pd.DataFrame:
        """A row an entity, those that matter most first: ARR times the distance to its target, or
        to 100% without one.

        Columns `name`, `folder`, `currency`, `as_of`; `arr` of the whole entity now, in its own
        currency; `nrr`, `grr`, `logo`; `change` of NRR since the report before and `change_year`
        since a year ago; `p05`, `p10`, `p50`, `p90`, `p95` of next year's NRR and `p_target`;
        `target`, `distance` (NRR less it); `at_stake`, ARR times what is missing to it, in the
        currency of the sums (negative where it is exceeded); `among`, `among_grr` (between which
        published quartiles); `restated`; `kind` and `figure` of what needs attention. nan, None:
        not known.
        """
        return self._frame.copy()

    @cached_property
    def _frame(self) -> pd.DataFrame:
        rows = [self._row(each) for each in self.found]
        frame = pd.DataFrame(rows, columns=COLUMNS)
        order = frame.assign(
            worth=frame["at_stake"] if not self.apart else -(frame["nrr"] - frame["goal"])
        )
        order = order.sort_values(["worth", "name"], ascending=[False, True], kind="stable")
        return frame.loc[order.index].drop(columns="goal").reset_index(drop=True)

    def _row(self, of: Mapping[str, Any]) -> dict[str, Any]:
        ahead = (of.get("forecast") or {}).get("ahead") or {}
        year = ahead.get(shift(of["as_of"], YEAR)) or {}
        target = of.get("target")
        goal, arr = 1.0 if target is None else target, of["company_closing"]
        missing, rate = goal - _number(of["nrr"]), self._rate(of)
        is_usual = of["window"] == YEAR and not of["ex_price"]
        needs = attention(of)
        return {
            "name": of["name"],
            "folder": of["folder"],
            "currency": of["currency"] or "",
            "as_of": of["as_of"],
            "arr": arr,
            **{name: _number(of[name]) for name in ("nrr", "grr", "logo")},
            "change": _number(of["nrr"]) - _before(of, PACE),
            "change_year": _number(of["nrr"]) - _before(of, YEAR),
            **{name: _number(year.get(name)) for name in QUANTILES},
            "p_target": _number((of.get("forecast") or {}).get("p_target")),
            "target": _number(target),
            "distance": np.nan if target is None else -missing,
            "goal": goal,
            "at_stake": np.nan if rate is None else arr * rate * missing,
            "among": standing("nrr", of["nrr"]) if is_usual and of["nrr"] is not None else None,
            "among_grr": standing("grr", of["grr"]) if is_usual and of["grr"] is not None else None,
            "restated": bool((of.get("before") or {}).get("restated")),
            "kind": needs.kind,
            "figure": needs.figure,
        }

    @property
    def last(self) -> str | None:
        """The month of the report before, where it is one for all of them."""
        trends = (each.get("trend") or [] for each in self.found)
        months = {trend[-2]["month"] if len(trend) > 1 else None for trend in trends}
        return months.pop() if len(months) == 1 else None

    def trend(self) -> pd.DataFrame:
        """NRR and GRR of each entity's last reports, in the order of `frame`: `name`, `month`,
        `nrr`, `grr`.
        """
        known = {each["folder"]: each.get("trend", []) for each in self.found}
        rows = [
            {"name": name, "month": then["month"], "nrr": then["nrr"], "grr": then["grr"]}
            for name, folder in zip(self._frame["name"], self._frame["folder"], strict=True)
            for then in known[folder]
        ]
        frame = pd.DataFrame(rows, columns=["name", "month", "nrr", "grr"])
        return frame.astype({"nrr": float, "grr": float})

    def without(self) -> pd.DataFrame:
        """Entities without a report: `name`, `why`, and whether making it `failed`."""
        rows = [
            *({"name": name, "why": why, "failed": True} for name, why in self.failed.items()),
            *({"name": name, "why": why, "failed": False} for name, why in self.absent.items()),
        ]
        return pd.DataFrame(rows, columns=["name", "why", "failed"])

    # --- together ---------------------------------------------------------------------------------

    @cached_property
    def together(self) -> dict[str, float | None]:
        """Of all entities: `arr`, `nrr`, `grr`, `logo`, `nrr_before`, `customers`; None where they
        cannot be added up. Of all parts of a ledger those of the ledger itself.
        """
        if self.whole is not None and self.is_all:
            s = self.whole.summary()
            known = {name: s[name] for name in ("nrr", "grr", "logo", "nrr_before", "customers")}
            return {"arr": s["book_closing"], **known}
        names = ("arr", "nrr", "grr", "logo", "nrr_before", "customers")
        if self.apart or not self.found:
            return dict.fromkeys(names)
        opening = np.array([each["opening"] * self._known_rate(each) for each in self.found])
        closing = np.array([each["closing"] * self._known_rate(each) for each in self.found])
        arr = sum(each["company_closing"] * self._known_rate(each) for each in self.found)
        customers = np.array([each["customers"] for each in self.found])
        is_linear = self.found[0]["definition"] in LINEAR and not self.found[0]["ex_price"]

        def mean(name: str, weights: np.ndarray) -> float | None:
            if not is_linear or not weights.sum() > 0:
                return None
            return float((np.array([_number(each[name]) for each in self.found]) * weights).sum()
                         / weights.sum())  # fmt: skip

        return {
            "arr": float(arr),
            "nrr": mean("nrr", opening),
            "grr": mean("grr", opening),
            "logo": mean("logo", customers),
            "nrr_before": None,
            "customers": int(customers.sum()),
            "opening": float(opening.sum()),
            "closing": float(closing.sum()),
        }

    @property
    def is_all(self) -> bool:
        """Whether the parts are all of the ledger, in the window and today."""
        if self.whole is None or self.apart:
            return False
        there = sum(each["company_closing"] for each in self.found)
        left = abs(self.whole.summary()["book_closing"] - there)
        return bool(left < self._allowed and not self._totals["others"].abs().max() > self._allowed)

    @property
    def _allowed(self) -> float:
        """What sums of published amounts may differ by: each was rounded to the minor unit."""
        unit = 10.0 ** -digits_of(self.currency)
        return unit / 2 * (1 + len(self.found) * len(FIGURES))

    def _known_rate(self, of: Mapping[str, Any]) -> float:
        rate = self._rate(of)
        return np.nan if rate is None else rate

    def totals(self) -> pd.DataFrame:
        """What adds up: a row a figure (`opening`, each movement, `closing`, losses negative).

        Columns `figure`, `entities` (the sum of what their reports published) and of a ledger's
        parts `others` (its parts without a report here), `netted` (what parts of one customer take
        from each other, which the ledger nets), `whole` and `difference` (what is left, nothing).
        Empty where amounts are not added.
        """
        return self._totals.copy()

    @cached_property
    def _totals(self) -> pd.DataFrame:
        columns = ["figure", "entities", "others", "netted", "whole", "difference"]
        if self.apart or not self.found:
            return pd.DataFrame(columns=columns)
        frame = pd.DataFrame({"figure": [*FIGURES]})
        sums = [_sum_of(self.found, name, self._known_rate) for name in FIGURES]
        frame["entities"] = sums
        if self.whole is not None and self.column is not None:
            past = self.whole
            parts = past.ledger.parts(self.column, past.as_of, past.window)
            amounts = {name: _amounts(each, past) for name, each in parts.items()}
            here = {each["part"]["value"] for each in self.found}
            others = [amounts[name] for name in amounts if name not in here]
            whole = _amounts(past.ledger, past)
            frame["others"] = np.sum([np.zeros(len(FIGURES)), *others], axis=0)
            frame["netted"] = whole - np.sum([*amounts.values()], axis=0)
            frame["whole"] = whole
            rest = frame["entities"] + frame["others"] + frame["netted"] - frame["whole"]
            frame["difference"] = rest
        signs = [-1.0 if name in LOSSES else 1.0 for name in FIGURES]
        numbers = [name for name in columns[1:] if name in frame]
        frame[numbers] = frame[numbers].mul(signs, axis=0)
        used = frame[numbers].abs().to_numpy().max(axis=1) > 0
        is_end = frame["figure"].isin(("opening", "closing"))
        kept = frame[used | is_end].reset_index(drop=True)
        return pd.DataFrame(kept.reindex(columns=columns))

    def checks(self) -> pd.DataFrame:
        """What ties: `check`, `difference` (the largest, in ARR), `holds`: to half a minor unit of
        the currency for each amount that was rounded.
        """
        rows: dict[str, float] = {}
        totals = self._totals
        if len(totals):
            sums = totals.set_index("figure")["entities"]
            moved = sums.drop(["opening", "closing"]).sum()
            rows["Opening and movements of the entities = their closing"] = abs(
                sums["opening"] + moved - sums["closing"]
            )
        if self.whole is not None and len(totals):
            both = totals.set_index("figure")
            left, netted = both["difference"].abs(), both["netted"]
            moves = netted.drop(["opening", "closing"])
            rows["Opening of the parts = the ledger's"] = float(left["opening"])
            rows["Closing of the parts = the ledger's"] = float(left["closing"])
            rows["Each movement of the parts, netted = the ledger's"] = float(left.max())
            rows["What is netted moves no opening, no closing"] = float(
                max(netted[["opening", "closing"]].abs().max(), abs(moves.sum()))
            )
        rows["Books of each entity close (entities whose do not)"] = float(
            sum(not each["books_close"] for each in self.found)
        )
        frame = pd.DataFrame({"check": list(rows), "difference": list(rows.values())})
        return frame.assign(holds=frame["difference"] < self._allowed)

    @property
    def netted_customers(self) -> int:
        """How many customers of the window are in several parts."""
        if self.whole is None or self.column is None:
            return 0
        return self.whole.ledger.apart(self.whole.as_of, self.whole.window, self.column)

    def record(self) -> dict[str, Any]:
        """Every headline number, for the overview's manifest."""
        told, totals = self.together, self._totals.set_index("figure")
        amount = partial(json_amount, currency=self.currency)
        forms: dict[str, Any] = dict.fromkeys(("arr", "opening", "closing"), amount)
        forms["customers"] = int
        return {
            "entities": [_plain(row) for row in self._frame.to_dict("records")],
            "failed": dict(self.failed),
            "absent": dict(self.absent),
            "together": {
                name: None if each is None else forms.get(name, json_ratio)(each)
                for name, each in told.items()
            },
            "not_added": self.apart or None,
            "totals": {
                figure: {name: amount(each) for name, each in row.items() if each == each}
                for figure, row in totals.to_dict("index").items()
            },
            "ties": bool(self.checks()["holds"].all()),
            "currency": self.currency or None,
        }


PACE = 0  # the report before, whatever its distance
QUANTILES = ("p05", "p10", "p50", "p90", "p95")
COLUMNS = [
    *("name", "folder", "currency", "as_of", "arr", "nrr", "grr", "logo", "change", "change_year"),
    *QUANTILES,
    *("p_target", "target", "distance", "goal", "at_stake", "among", "among_grr", "restated"),
    *("kind", "figure"),
]


def attention(of: Mapping[str, Any]) -> Attention:
    """What of a report's numbers needs attention first; the kind is "" where nothing does."""
    nrr, grr, target = _number(of["nrr"]), _number(of["grr"]), of.get("target")
    chance = _number((of.get("forecast") or {}).get("p_target"))
    fallen = nrr - _before(of, PACE)
    found = (
        (not of["books_close"], Attention("books")),
        (
            bool((of.get("before") or {}).get("restated")),
            Attention("restated", _number(len((of.get("before") or {}).get("restated") or ()))),
        ),
        (leaky_bucket(nrr, grr) and of["window"] == YEAR, Attention("leaky", grr)),
        (
            target is not None and nrr < target - SMALL and chance < UNLIKELY,
            Attention("unlikely", chance),
        ),
        (fallen <= -FALL, Attention("fell", -fallen)),
        (grr < USUAL_GRR[0] and of["window"] == YEAR, Attention("grr", grr)),
        (target is not None and nrr < target - SMALL, Attention("short", _number(target) - nrr)),
        (target is not None and chance < UNLIKELY, Attention("ahead", chance)),
    )
    return next((each for holds, each in found if holds), Attention(""))


SMALL = 5e-4  # of NRR: below what is printed


def portfolio(
    found: Sequence[Mapping[str, Any]],
    failed: Mapping[str, str] | None = None,
    absent: Mapping[str, str] | None = None,
    *,
    target: float | None = None,
    column: str | None = None,
    whole: Actuals | None = None,
    currency: str | None = None,
    rates: str | Path | None = None,
    reported: bool = False,
) -> Portfolio:
    """The overview of reports that were `found`, and why others were not made.

    whole : the actuals of the ledger whose parts by `column` they are. currency : that of sums;
        without one that of all entities. rates : a file month,currency,rate, as for `read_ledger`.

    Raises UsageError for rates that cannot be read, and where no report was found.
    """
    if not found:
        raise UsageError(
            "reports: there is none to look at together; a card with each makes them, and names"
            " their manifests here"
        )
    money = {str(each["currency"] or "") for each in found}
    ours = currency or (money.pop() if len(money) == 1 else "")
    table = None if rates is None or whole is not None else read_rates(rates, CALENDAR_YEAR)[0]
    return Portfolio(
        found, failed or {}, absent or {}, target, column, whole, ours, table, reported
    )


def _before(of: Mapping[str, Any], months: int) -> float:
    """NRR of so many months before, 0: of the report before; nan where it is not known."""
    trend = of.get("trend") or []
    if months == PACE:
        return _number(trend[-2]["nrr"]) if len(trend) > 1 else np.nan
    then = shift(of["as_of"], -months)
    return next((_number(each["nrr"]) for each in trend if each["month"] == then), np.nan)


RECORDED = ("name", "folder", "currency", "as_of", "kind")


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """What a manifest has of an entity."""
    ratios = ("nrr", "grr", "logo", "change", "distance", "p50", "p_target")
    money = {name: json_amount(row[name], row["currency"]) for name in ("arr",)}
    return {
        **{name: row[name] for name in RECORDED},
        **money,
        **{name: json_ratio(row[name]) for name in ratios},
    }


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)


def _sum_of(found: Sequence[Mapping[str, Any]], name: str, rate: Any) -> float:
    values = (
        (each["movements"][name] if name in each["movements"] else each[name]) * rate(each)
        for each in found
    )
    return float(sum(values))


def _amounts(ledger: Ledger, past: Actuals) -> np.ndarray:
    """The figures of a cohort, in the order of FIGURES."""
    cohort = ledger.cohort(past.as_of, past.window)
    return np.array([float(cohort.amount(name)) for name in FIGURES])
