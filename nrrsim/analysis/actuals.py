"""A ledger and a date in, the answers of a report out as frames; never draws, formats or forecasts.

How much was kept, why, where, by whom. Amounts are ARR, ratios are plain (1.05), shares are 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd

from nrrsim.benchmarks import band, leaky_bucket
from nrrsim.errors import UsageError
from nrrsim.files import write_text
from nrrsim.ledger.ledger import Ledger, read_ledger
from nrrsim.messages import aimed_for, whole_of
from nrrsim.metrics import (
    DEFINITIONS,
    Retention,
    Source,
    compounded_rate,
    measure,
    nrr,
    quick_ratio,
)
from nrrsim.months import month_name, parse_month, shift
from nrrsim.movements import CENT, LOSSES, MOVEMENTS, Movements, json_amount, json_ratio
from nrrsim.notation import digits_of, distinct_labels
from nrrsim.notation import month_name as spoken_month
from nrrsim.sizebands import By, SizeBands

BRIDGE = (
    "new",
    "adoption",
    "cross_sell",
    "price",
    "unsplit",
    "reactivation",
    "contraction",
    "churn",
)


@dataclass(frozen=True)
class NoAnswer:
    """No answer, and the reason; in a condition it is false."""

    reason: str

    def __bool__(self) -> Literal[False]:
        return False


@dataclass(frozen=True, eq=False)
class Actuals:
    """What happened to a ledger's revenue in the `window` months up to `as_of`, under one
    `definition`.

    `target` is the NRR aimed for, if there is one. `labels`: what a segment is called on pages,
    where its name alone would not do. Raises UsageError where the ledger does not cover the window.
    """

    ledger: Ledger
    as_of: str
    window: int = 12
    definition: str = "point_to_point"
    target: float | None = None
    ex_price: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    _answers: dict[tuple[str, By], Retention] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        as_of = self.ledger.calendar.parse_month(self.as_of, "as_of")
        object.__setattr__(self, "as_of", month_name(as_of))
        self._at(self.as_of)
        object.__setattr__(self, "target", aimed_for(self.target))
        try:
            labels = distinct_labels(self.ledger.segments, self.labels)
        except ValueError as error:
            raise UsageError(f"labels: {error}") from None
        object.__setattr__(self, "labels", labels)

    # --- the answer -------------------------------------------------------------------------------

    @property
    def start(self) -> str:
        """The month the window starts from."""
        return shift(self.as_of, -self.window)

    @property
    def pace(self) -> int:
        """Months between two reports: 3, or 12 where the ledger is annual."""
        return max(3, self.ledger.step)

    @cached_property
    def cohort(self) -> Movements:
        return self.ledger.cohort(self.as_of, self.window)

    @cached_property
    def book(self) -> Movements:
        return self.ledger.book(self.start, self.as_of)

    @cached_property
    def now(self) -> Retention:
        return self._at(self.as_of)

    def before(self, months: int) -> Retention | None:
        """Retention as it stood that many months earlier; None where the ledger does not reach back
        so far.
        """
        return (
            self._at(shift(self.as_of, -months))
            if self._covers(shift(self.as_of, -months))
            else None
        )

    def _at(self, month: str, by: By = "segment") -> Retention:
        if (month, by) not in self._answers:
            found = measure(self.ledger, month, self.window, self.definition, by, self.ex_price)
            self._answers[month, by] = found
        return self._answers[month, by]

    def _covers(self, month: str) -> bool:
        reach = self.window + (9 if self.definition == "trailing_average" else 0)
        return {month, shift(month, -reach)} <= set(self.ledger.months)

    def headline(self, by: str = "segment") -> dict[str, Any]:
        """What `nrrsim metrics --json` prints: ratios, and the cohort's amounts to the minor unit
        of `currency` (null where it is not known).

        `apart`: how many customers have lines under several labels, if any; see `Ledger.apart`.
        `large`: by size bands, those that are large together; see `large`.
        """
        now = self._at(self.as_of, by)
        return headline(
            self.ledger, self.as_of, self.window, self.definition, by, self.ex_price, now
        )

    def summary(self) -> dict[str, Any]:
        """The few numbers that sentences are made of; what is not known is None."""
        return dict(self._summary)

    @cached_property
    def _summary(self) -> dict[str, Any]:
        last, year_ago = self.before(self.pace), self.before(12)
        book, changes = self.book.total(), self.customers["closing"] - self.customers["opening"]
        moved = changes[changes.abs() > CENT]
        largest = self.ledger.customers(self.as_of)["arr"]
        return {
            "nrr": self.now.nrr,
            "grr": self.now.grr,
            "logo": self.now.logo,
            "nrr_before": last and last.nrr,
            "grr_before": last and last.grr,
            "logo_before": last and last.logo,
            "nrr_year_ago": year_ago and year_ago.nrr,
            "target": self.target,
            "band": band(self.now.nrr),
            "leaky": self.window == 12 and leaky_bucket(self.now.nrr, self.now.grr),
            "opening": self.cohort.amount("opening"),
            "closing": self.cohort.amount("closing"),
            "customers": int(self.cohort.amount("opening_customers")),
            "gains": float(sum(self.cohort.amount(name) for name in ("expansion", "reactivation"))),
            "losses": float(sum(self.cohort.amount(name) for name in LOSSES)),
            "book_opening": book.amount("opening"),
            "book_closing": book.amount("closing"),
            "book_new": book.amount("new"),
            "book_customers": int(book.amount("customers")),
            "quick_ratio": quick_ratio(self.book),
            "largest_share": float(largest.max() / largest.sum()) if len(largest) else None,
            "largest_effect": None
            if moved.empty
            else float(moved.abs().max() / self.customers["opening"].sum()),
        }

    # --- why --------------------------------------------------------------------------------------

    def bridge(self) -> pd.DataFrame:
        """From opening to closing ARR of the cohort: `step`, `amount` (signed), `start`, `end`,
        `kind`.
        """
        return _bridge(self.cohort)

    def company_bridge(self) -> pd.DataFrame:
        """The same for the whole company, with its new and returned customers."""
        return _bridge(self.book)

    def movements(self) -> pd.DataFrame:
        """Cohort and company side by side, movement by movement, losses negative."""
        cohort, company = self.bridge(), self.company_bridge()
        both = company[["step", "amount"]].merge(
            cohort[["step", "amount"]], "left", on="step", suffixes=("", "_cohort")
        )
        both["share"] = both["amount_cohort"] / cohort["amount"].iloc[0]
        both = both.rename(columns={"amount": "company", "amount_cohort": "cohort"}).fillna(
            {"cohort": 0.0, "share": 0.0}
        )
        return both[["step", "cohort", "share", "company"]]

    def trend(self, periods: int = 8) -> pd.DataFrame:
        """The last reports' retention, oldest first: `month`, `nrr`, `grr`, `logo`."""
        rows = []
        for back in range(periods):
            month = shift(self.as_of, -back * self.pace)
            if not self._covers(month):
                break
            then = self._at(month)
            rows.append({"month": month, "nrr": then.nrr, "grr": then.grr, "logo": then.logo})
        return pd.DataFrame(rows[::-1])

    def definitions(self) -> pd.DataFrame:
        """One ledger, several published answers, and what makes each differ from point to point.

        Columns `definition`, `title`, `nrr`, `grr`, `logo`, `difference` (NRR less the
        point-to-point NRR), and its parts, which add up to it: `returns`, `rebasing`, `newcomers`,
        `timing`, `price`.
        """
        return self._definitions.copy()

    @cached_property
    def _definitions(self) -> pd.DataFrame:
        base = measure(self.ledger, self.as_of, self.window)
        flow = float(nrr(self.cohort, "flow"))
        closed = compounded_rate(self.cohort)
        rows = []
        for name, definition in DEFINITIONS.items():
            if name == "trailing_average" and not (
                self.ledger.step in (1, 3) and self._reaches_back(9)
            ):
                continue
            then = measure(self.ledger, self.as_of, self.window, name)
            parts = dict.fromkeys(PARTS, 0.0)
            if name in ("stays_out", "flow"):
                parts["returns"] = then.nrr - base.nrr
            elif name == "compounded":
                parts |= {
                    "returns": flow - base.nrr,
                    "rebasing": closed - flow,
                    "newcomers": then.nrr - closed,
                }
            elif name == "trailing_average":
                parts["timing"] = then.nrr - base.nrr
            rows.append(_answer(name, definition.title, then, base.nrr, parts))
        without = measure(self.ledger, self.as_of, self.window, ex_price=True)
        parts = dict.fromkeys(PARTS, 0.0) | {"price": without.nrr - base.nrr}
        rows.append(_answer("ex_price", "Without price", without, base.nrr, parts))
        return pd.DataFrame(rows)

    def _reaches_back(self, months: int) -> bool:
        ends = {shift(self.as_of, -back) for back in range(0, months + 1, 3)}
        return ends | {shift(end, -self.window) for end in ends} <= set(self.ledger.months)

    # --- where ------------------------------------------------------------------------------------

    def split(self, by: By = "segment") -> pd.DataFrame:
        """Retention by any column, by cohort (`cohort_year`, `cohort_quarter`, `cohort_month`) or
        by `size` bands of ARR; of a column the largest first.

        A customer whose lines differ in the column is a part in each of them: NRR of the parts adds
        up to the book's, GRR and logo need not (`Ledger.apart` counts such customers). Columns
        `name`, `customers`, `opening`, `closing`, `nrr`, `grr`, `logo`, `nrr_before`,
        `change` (since the last report), `effect` (closing less opening, as a share of the whole
        opening). Empty cohorts are left out.
        """
        cohort = self.ledger.cohort(self.as_of, self.window, by)
        now = self._at(self.as_of, by).by_segment
        last = shift(self.as_of, -self.pace)
        before = (
            self._at(last, by).by_segment["nrr"].to_series()
            if self._covers(last)
            else pd.Series(dtype=float)
        )
        opening, closing = cohort.over("opening").to_series(), cohort.over("closing").to_series()
        frame = pd.DataFrame(
            {
                "customers": cohort.over("opening_customers").to_series().astype(int),
                "opening": opening,
                "closing": closing,
                "nrr": now["nrr"].to_series(),
                "grr": now["grr"].to_series(),
                "logo": now["logo"].to_series(),
                "nrr_before": before.reindex(opening.index),
                "effect": (closing - opening) / opening.sum(),
            }
        )
        frame["change"] = frame["nrr"] - frame["nrr_before"]
        frame = frame[frame["opening"] > 0].rename_axis("name").reset_index()
        # cohorts stand from old to young, size bands from small to large
        if isinstance(self.ledger.split_by(by), SizeBands) or str(by).startswith("cohort_"):
            return frame
        return frame.sort_values("opening", ascending=False, ignore_index=True)

    def large(self) -> dict[str, Any] | None:
        """The customers above $100K (or the last of one's own bounds) at the window's start.

        `bound`, `customers`, `share` (of opening ARR) and `nrr`, and the same of today: `now`, how
        many are above it, and `share_now`. None where `size` is a column.
        """
        bands = self.ledger.reading.bands
        if bands is None:
            return None
        told = large(self.ledger, bands, self.as_of, self.window, self.definition, self.ex_price)
        today = self.ledger.customers(self.as_of, rate_of=self.start)["arr"].to_numpy()
        is_mrr = self.ledger.entries.unit == "mrr"
        above = today[bands.two().numbers(today, self.ledger.currency, is_mrr) == 1]
        share = float(above.sum() / today.sum()) if len(today) else np.nan
        return told | {"now": len(above), "share_now": json_ratio(share)}

    def segment_trend(self, periods: int = 8, by: str = "segment") -> pd.DataFrame:
        """NRR of each of the twelve largest segments in the last reports: `month`, `segment`,
        `nrr`.
        """
        months = self.trend(periods)["month"]
        largest = self.split(by)["name"].head(12)
        parts = [
            self._at(month, by).by_segment["nrr"].to_series().reindex(largest).rename(month)
            for month in months
        ]
        long = (
            pd.concat(parts, axis=1)
            .rename_axis("segment")
            .reset_index()
            .melt("segment", var_name="month")
        )
        return long.rename(columns={"value": "nrr"})[["month", "segment", "nrr"]].dropna(
            ignore_index=True
        )

    @cached_property
    def customers(self) -> pd.DataFrame:
        """The window's customers: `segment`, `opening`, `closing`."""
        opening = self.ledger.customers(self.start, renewed_by=self.as_of)
        closing = self.ledger.customers(self.as_of, rate_of=self.start)["arr"]
        frame = pd.DataFrame({"segment": opening["segment"].astype(str), "opening": opening["arr"]})
        return frame.assign(closing=closing.reindex(frame.index).fillna(0.0))

    # --- can it be trusted ------------------------------------------------------------------------

    def checks(self) -> pd.DataFrame:
        """What ties: `check`, `difference` (the largest, in ARR), `holds` (to the minor unit of the
        ledger's currency).
        """
        told = self.ledger.customers(self.as_of, rate_of=self.start)["arr"].sum()
        opened = self.ledger.customers(self.start, renewed_by=self.as_of)["arr"].sum()
        company, cohort = self.book.total(), self.cohort.total()
        rows = {
            "Cohort: closing = opening + gains - losses, each month and segment": _largest(
                self.cohort.residual()
            ),
            "Cohort: each month opens as the last one closed": _largest(self.cohort.gap()),
            "Company: closing = opening + gains - losses, each month and segment": _largest(
                self.book.residual()
            ),
            "Company: each month opens as the last one closed": _largest(self.book.gap()),
            "Company closing = sum of the ledger's rows": abs(company.amount("closing") - told),
            "Cohort opening = sum of the ledger's rows": abs(cohort.amount("opening") - opened),
        }
        frame = pd.DataFrame({"check": list(rows), "difference": list(rows.values())})
        minor_unit = 10.0 ** -digits_of(self.ledger.currency)
        return frame.assign(holds=frame["difference"] < minor_unit / 2)

    def record(self) -> dict[str, Any]:
        """Every headline number, for a report's manifest."""
        books = {
            "books_close": bool(self.checks()["holds"].all()),
            "ledger": self.ledger.fingerprint,
        }
        summary = {
            f"company_{key[5:]}": value
            for key, value in self.summary().items()
            if key.startswith("book_")
        }
        asked = {"target": self.target, "ex_price": self.ex_price, "large": self.large()}
        trend = [
            {"month": month, **{name: json_ratio(each) for name, each in ratios.items()}}
            for month, ratios in self.trend().set_index("month").to_dict("index").items()
        ]
        own = self.ledger.part
        part = {"column": own.column, "value": own.value, "sha256": own.sha256} if own else None
        more = {"trend": trend, **({"part": part} if part else {})}
        return self.headline() | asked | summary | books | more


class Measured(Source, Protocol):
    """What a headline can be told of: a Ledger, or a Warehouse, which computes where it lies."""

    @property
    def currency(self) -> str: ...
    def apart(self, as_of: str, window: int = 12, by: By = "segment") -> int: ...
    def split_by(self, by: By) -> By: ...


def headline(
    source: Measured,
    as_of: str,
    window: int = 12,
    definition: str = "point_to_point",
    by: str = "segment",
    ex_price: bool = False,
    now: Retention | None = None,
) -> dict[str, Any]:
    """As `Actuals.headline`, of any source; `now`: its retention, if that was measured already."""
    now = now or measure(source, as_of, window, definition, by, ex_price)
    cohort, whole = source.cohort(as_of, window, by), source.cohort(as_of, window)
    told = partial(json_amount, currency=source.currency)
    columns = {name: json_ratio for name in now.ratios} | {"opening": told, "closing": told}
    values = [*now.ratios.values(), *map(cohort.of_window, ("opening", "closing"))]
    apart, bands = source.apart(as_of, window, by), source.split_by(by)
    asked = (as_of, window, definition, ex_price)
    return {
        "as_of": as_of,
        "window": window,
        "definition": definition,
        **({"ex_price": True} if ex_price else {}),
        "currency": source.currency or None,
        **({"apart": apart} if apart else {}),
        "nrr": json_ratio(now.nrr),
        "grr": json_ratio(now.grr),
        "logo": json_ratio(now.logo),
        "opening": told(whole.amount("opening")),
        "closing": told(whole.amount("closing")),
        "customers": int(whole.amount("opening_customers")),
        "movements": {name: told(whole.amount(name)) for name in MOVEMENTS},
        "segments": {
            name: {
                key: told_so(each)
                for (key, told_so), each in zip(columns.items(), row, strict=True)
            }
            for name, row in zip(cohort.segments, np.transpose(values), strict=True)
        },
        **({"large": large(source, bands, *asked)} if isinstance(bands, SizeBands) else {}),
    }


def large(
    source: Measured,
    bands: SizeBands,
    as_of: str,
    window: int = 12,
    definition: str = "point_to_point",
    ex_price: bool = False,
) -> dict[str, Any]:
    """The large customers of the window's start, as listed companies print them: `bound`,
    `customers`, `share` of opening ARR, and `nrr`.
    """
    cohort = source.cohort(as_of, window, bands.two())
    opening, number = cohort.of_window("opening"), cohort.of_window("opening_customers")
    now = measure(source, as_of, window, definition, bands.two(), ex_price)
    return {
        "bound": bands.large,
        "customers": int(number[1]),
        "share": json_ratio(opening[1] / opening.sum() if opening.any() else np.nan),
        "nrr": json_ratio(now.ratios["nrr"][1]),
    }


def actuals(
    source: Ledger | str | Path | list[str],
    as_of: str,
    window: int = 12,
    definition: str = "point_to_point",
    target: float | None = None,
    ex_price: bool = False,
    labels: Mapping[str, str] | None = None,
    masked: bool = False,
    names_key: str | Path | None = None,
    part: Mapping[str, str] | None = None,
    **reading: Any,
) -> Actuals:
    """The actuals of a ledger that was read, or as a run card names it.

    reading : goes to `read_ledger`; none with a ledger that was read.

    labels : what segments are called on pages. masked : customers are numbered instead of named
        (`Ledger.masked`). names_key : a file that gets, as CSV, who is who then. part : the lines
        with one value of a column alone, such as {"region": "EMEA"} (`Ledger.parts`).
    """
    parse_month(as_of, "as_of")
    if isinstance(source, Ledger) and reading:
        raise UsageError(f"{min(reading)}: the ledger was read already; say it to read_ledger")
    ledger = source if isinstance(source, Ledger) else read_ledger(source, **reading)
    window = whole_of("window", window)
    if part:
        ledger = _part_of(ledger, part, as_of, window)
    if masked:
        ledger = ledger.masked(as_of)
        if names_key:
            who = pd.DataFrame(ledger.unmasked.items(), columns=["masked", "customer"])
            write_text(names_key, who.to_csv(index=False))
    elif names_key:
        raise UsageError("names_key: names are shown, and need no key; leave it out")
    past = Actuals(ledger, as_of, window, definition, target, ex_price, labels or {})
    if not past.cohort.amount("opening") > 0:
        raise UsageError(
            f"no customer had revenue in {spoken_month(past.start)}, where the window of"
            f" {past.window} months to {past.as_of} starts: there is nothing to retain; choose a"
            " later as_of or a shorter window"
        )
    return past


def _part_of(ledger: Ledger, part: Mapping[str, str], as_of: str, window: int) -> Ledger:
    try:
        ((column, value),) = part.items()
    except ValueError:
        raise UsageError("part: name one column and its value, such as {region: EMEA}") from None
    try:
        return ledger.part_of(column, value, as_of, window)
    except UsageError as error:
        raise UsageError(f"part: {error}") from None


PARTS = ("returns", "rebasing", "newcomers", "timing", "price")


def _answer(
    name: str, title: str, then: Retention, base: float, parts: dict[str, float]
) -> dict[str, Any]:
    answer = {
        "definition": name,
        "title": title,
        "nrr": then.nrr,
        "grr": then.grr,
        "logo": then.logo,
    }
    return answer | {"difference": then.nrr - base} | parts


def _bridge(movements: Movements) -> pd.DataFrame:
    m = movements.total()
    level = m.amount("opening")
    rows: list[dict[str, Any]] = [
        {"step": "opening", "amount": level, "start": 0.0, "end": level, "kind": "total"}
    ]
    for name in BRIDGE:
        size = m.amount(name)
        amount = -size if name in LOSSES else size
        kind = "loss" if name in LOSSES else "gain"
        if size:
            rows.append(
                {
                    "step": name,
                    "amount": amount,
                    "start": level,
                    "end": level + amount,
                    "kind": kind,
                }
            )
            level += amount
    closing = m.amount("closing")
    return pd.DataFrame(
        [
            *rows,
            {"step": "closing", "amount": closing, "start": 0.0, "end": closing, "kind": "total"},
        ]
    )


def _largest(values: Any) -> float:
    return float(np.abs(values.values).max(initial=0.0))
