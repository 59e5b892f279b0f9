"""A ledger and a date in, the answers of a report out as frames; never draws, formats or forecasts.

How much was kept, why, where, by whom. Amounts are ARR, ratios are plain (1.05), shares are 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from nrrsim.benchmarks import band, leaky_bucket
from nrrsim.errors import UsageError
from nrrsim.ledger.ledger import Ledger, read_ledger
from nrrsim.metrics import DEFINITIONS, Retention, measure, nrr, quick_ratio
from nrrsim.months import month_name, parse_month, shift
from nrrsim.movements import CENT, LOSSES, MOVEMENTS, Movements, cents

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
MOST_RESAMPLED = 5_000
LEAST_EFFECT = 5e-4  # of one customer on NRR, that is worth a row


@dataclass(frozen=True)
class History:
    """What happened to a ledger's revenue in the `window` months up to `as_of`, under one
    `definition`.

    `target` is the NRR aimed for, if there is one. Raises UsageError where the ledger does not
    cover the window.
    """

    ledger: Ledger
    as_of: str
    window: int = 12
    definition: str = "point_to_point"
    target: float | None = None
    ex_price: bool = False
    _answers: dict[tuple[str, str], Retention] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "as_of", month_name(parse_month(self.as_of, "as_of")))
        measure(self.ledger, self.as_of, self.window, self.definition)
        if self.target is not None and not 0 < self.target < 10:
            raise UsageError(f"target: {self.target} is not an NRR; write 110 % as 1.10")

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

    def _at(self, month: str, by: str = "segment") -> Retention:
        if (month, by) not in self._answers:
            found = measure(self.ledger, month, self.window, self.definition, by, self.ex_price)
            self._answers[month, by] = found
        return self._answers[month, by]

    def _covers(self, month: str) -> bool:
        reach = self.window + (9 if self.definition == "trailing_average" else 0)
        return {month, shift(month, -reach)} <= set(self.ledger.months)

    def headline(self, by: str = "segment") -> dict[str, Any]:
        """What `nrrsim metrics --json` prints: ratios, and the cohort's amounts to the cent."""
        cohort = self.ledger.cohort(self.as_of, self.window, by)
        now = self._at(self.as_of, by)
        opening, closing = cohort.over("opening"), cohort.over("closing")
        ratios = now.by_segment
        return {
            "as_of": self.as_of,
            "window": self.window,
            "definition": self.definition,
            **({"ex_price": True} if self.ex_price else {}),
            "nrr": _ratio(now.nrr),
            "grr": _ratio(now.grr),
            "logo": _ratio(now.logo),
            "opening": cents(opening.sum()),
            "closing": cents(closing.sum()),
            "customers": int(cohort.over("opening_customers").sum()),
            "movements": {name: cents(cohort.over(name).sum()) for name in MOVEMENTS},
            "segments": {
                name: {key: _ratio(ratios[key].sel(segment=name)) for key in ("nrr", "grr", "logo")}
                | {
                    "opening": cents(opening.sel(segment=name)),
                    "closing": cents(closing.sel(segment=name)),
                }
                for name in cohort.segments
            },
        }

    def summary(self) -> dict[str, Any]:
        """The few numbers that sentences are made of; what is not known is None."""
        return dict(self._summary)

    @cached_property
    def _summary(self) -> dict[str, Any]:
        last, year_ago = self.before(self.pace), self.before(12)
        book, movers = self.book.total(), self.movers()
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
            "opening": float(self.cohort.over("opening").sum()),
            "closing": float(self.cohort.over("closing").sum()),
            "customers": int(self.cohort.over("opening_customers").sum()),
            "gains": float(
                sum(self.cohort.over(name).sum() for name in ("expansion", "reactivation"))
            ),
            "losses": float(sum(self.cohort.over(name).sum() for name in LOSSES)),
            "book_opening": float(book.over("opening").sum()),
            "book_closing": float(book.over("closing").sum()),
            "book_new": float(book.over("new").sum()),
            "book_customers": int(book.over("customers").sum()),
            "quick_ratio": quick_ratio(self.book),
            "largest_share": float(largest.max() / largest.sum()) if len(largest) else None,
            "largest_effect": None if movers.empty else float(movers["contribution"].abs().max()),
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
        closed = float(nrr(self.cohort, "compounded"))
        rows = []
        for name, definition in DEFINITIONS.items():
            if name == "trailing_average" and not self._reaches_back(9):
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

    def split(self, by: str = "segment") -> pd.DataFrame:
        """Retention by any column or by cohort (`cohort_year`, `cohort_quarter`, `cohort_month`),
        the largest first.

        Columns `name`, `customers`, `opening`, `closing`, `nrr`, `grr`, `logo`, `nrr_before`,
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
        return (
            frame
            if by.startswith("cohort_")
            else frame.sort_values("opening", ascending=False, ignore_index=True)
        )

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

    def cohorts(self) -> pd.DataFrame:
        """What became of each year's new customers as they grew older: `cohort`, `age`, `nrr`,
        `grr`, `opening`, `customers`. Ages count in units of `age_unit` months; a ledger below two
        years is split by quarter.
        """
        ages = self.ledger.ages(self.as_of, "cohort_year" if self._span > 24 else "cohort_quarter")
        ages = ages[ages["months"] % self.age_unit == 0]
        ratios = {
            "nrr": ages["amount"] / ages["opening"],
            "grr": ages["retained"] / ages["opening"],
        }
        return ages.assign(age=ages["months"] // self.age_unit, **ratios).reset_index(drop=True)

    @property
    def _span(self) -> int:
        return parse_month(self.as_of, "as_of") - parse_month(self.ledger.months[0], "month")

    @property
    def age_unit(self) -> int:
        """Months that a cohort ages from one column to the next: 3, or 12 where quarters would be
        too many.
        """
        return 12 if self._span > 60 else self.pace

    # --- who --------------------------------------------------------------------------------------

    @cached_property
    def _cohort_customers(self) -> pd.DataFrame:
        """The window's customers: `segment`, `opening`, `closing`."""
        opening = self.ledger.customers(self.start, known_at=self.as_of)
        closing = self.ledger.customers(self.as_of, rate_of=self.start)["arr"]
        frame = pd.DataFrame({"segment": opening["segment"].astype(str), "opening": opening["arr"]})
        return frame.assign(closing=closing.reindex(frame.index).fillna(0.0))

    def movers(self, most: int = 5) -> pd.DataFrame:
        """The cohort's largest gains, then its largest losses: `customer`, `segment`, `opening`,
        `closing`, `change`, `contribution` (change as a share of the whole opening: points of NRR).
        """
        frame = self._cohort_customers.copy()
        frame["change"] = frame["closing"] - frame["opening"]
        frame["contribution"] = frame["change"] / frame["opening"].sum()
        frame = frame.sort_values(["change", "opening"], kind="stable").reset_index()
        gains, losses = frame[frame["change"] > CENT].iloc[::-1], frame[frame["change"] < -CENT]
        return pd.concat([gains.head(most), losses.head(most)], ignore_index=True)

    def interval(self, level: float = 0.9, seed: int = 20260930) -> tuple[float, float]:
        """Between which values NRR (point to point) would lie with other customers of the same
        kind: the customers are drawn anew, with repetition (bootstrap); of more than 5,000 by the
        normal distribution that it comes to.
        """
        opening, closing = self._pairs()
        if len(opening) < 2:
            return np.nan, np.nan
        whole = opening.sum()
        ratio = closing.sum() / whole
        if len(opening) > MOST_RESAMPLED:
            error = np.sqrt(((closing - ratio * opening) ** 2).sum()) / whole
            z = float(stats.norm.ppf((1 + level) / 2))
            return float(ratio - z * error), float(ratio + z * error)
        found = stats.bootstrap(
            (closing, opening), lambda c, o, axis=-1: c.sum(axis=axis) / o.sum(axis=axis), paired=True, batch=250,
            n_resamples=4_000, confidence_level=level, method="percentile", rng=np.random.default_rng(seed),
        )  # fmt: skip
        return float(found.confidence_interval.low), float(found.confidence_interval.high)

    def influence(self, most: int = 5) -> pd.DataFrame:
        """The customers without whom NRR (point to point) would differ most: `customer`, `segment`,
        `opening`, `opening_share`, `closing`, `without` (NRR of all others), `change` (NRR less
        that).
        """
        opening, closing = self._pairs()
        frame = self._cohort_customers[["segment", "opening", "closing"]].reset_index()
        with np.errstate(divide="ignore", invalid="ignore"):
            frame["without"] = (closing.sum() - closing) / (opening.sum() - opening)
        frame["change"] = closing.sum() / opening.sum() - frame["without"]
        frame["opening_share"] = frame["opening"] / opening.sum()
        frame = frame[frame["change"].abs() >= LEAST_EFFECT]
        order = frame["change"].abs().sort_values(ascending=False, kind="stable").index
        return frame.loc[order].head(most).reset_index(drop=True)

    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        return tuple(self._cohort_customers[name].to_numpy() for name in ("opening", "closing"))  # type: ignore[return-value]

    def concentration(self, points: int = 200) -> pd.DataFrame:
        """Of the whole book at `as_of`, largest first: `customers` (how many), `customers_share`,
        `arr_share`.
        """
        arr = np.sort(self.ledger.customers(self.as_of)["arr"].to_numpy())[::-1]
        count = np.arange(len(arr) + 1)
        share = np.concatenate([[0.0], np.cumsum(arr) / arr.sum()])
        few = np.unique(
            np.concatenate(
                [[0, 1, min(10, len(arr))], np.linspace(0, len(arr), points).astype(int)]
            )
        )
        return pd.DataFrame(
            {"customers": count[few], "customers_share": few / len(arr), "arr_share": share[few]}
        )

    @property
    def has_renewals(self) -> bool:
        """Whether the ledger says when contracts come up for renewal."""
        return "renewal" in self.ledger.entries.frame and bool(
            self.ledger.entries.frame["renewal"].notna().any()
        )

    def renewals(self, ahead: int = 4) -> pd.DataFrame:
        """What came up for renewal in the window's quarters, and what comes up in the next ones.

        Columns `month` (the quarter's last), `customers`, `due` (ARR before renewal), `renewed`
        (capped at due), `lost`, `after` (ARR after renewal), `rate` (renewed / due). Coming
        quarters have only `customers` and `due`. A renewal date that has passed is read as the
        anniversary that comes next.
        """
        step = self.ledger.step
        past = [
            self._renewed(shift(self.as_of, step - back)) for back in range(self.window, 0, -step)
        ]
        frame = pd.concat(past, ignore_index=True) if past else pd.DataFrame()
        coming = self._due(self.as_of)
        coming = coming[coming["month"] <= parse_month(self.as_of, "as_of") + ahead * self.pace]
        frame = pd.concat([frame, coming.assign(renewed=np.nan, after=np.nan)], ignore_index=True)
        end = parse_month(self.as_of, "as_of")
        frame["month"] = end + -(-(frame["month"] - end) // self.pace) * self.pace
        sums = frame.groupby("month").agg(
            customers=("due", "size"),
            due=("due", "sum"),
            renewed=("renewed", lambda s: s.sum(skipna=False)),
            after=("after", lambda s: s.sum(skipna=False)),
        )
        every = range(
            end - (-(-self.window // self.pace) - 1) * self.pace,
            end + ahead * self.pace + 1,
            self.pace,
        )
        sums = (
            sums.reindex(pd.Index(every, name="month"))
            .fillna({"customers": 0, "due": 0.0})
            .reset_index()
        )
        happened = (sums["month"] <= end) & (sums["due"] == 0)
        sums.loc[happened, ["renewed", "after"]] = 0.0
        sums["lost"] = sums["due"] - sums["renewed"]
        sums["rate"] = (sums["renewed"] / sums["due"]).where(sums["due"] > 0)
        sums["month"] = [shift(self.as_of, int(month) - end) for month in sums["month"]]
        return sums.astype({"customers": int})

    def _due(self, month: str) -> pd.DataFrame:
        """Each contract's next renewal after `month` (`month`: a number) and its ARR (`due`), by
        customer, product.
        """
        lines = self.ledger.lines(month, rate_of=self.start)
        at = parse_month(month, "month")
        renewal = lines["renewal"].dropna()
        passed = np.ceil(np.maximum(at + 1 - renewal, 0) / 12) * 12
        return pd.DataFrame(
            {"month": (renewal + passed).astype(int), "due": lines["arr"].reindex(renewal.index)}
        )

    def _renewed(self, month: str) -> pd.DataFrame:
        """What was due in `month`, and what became of it."""
        due = self._due(shift(month, -self.ledger.step))
        due = due[due["month"] <= parse_month(month, "month")]
        after = self.ledger.lines(month, rate_of=self.start)["arr"].reindex(due.index).fillna(0.0)
        return due.assign(renewed=np.minimum(due["due"], after), after=after)

    # --- can it be trusted ------------------------------------------------------------------------

    def checks(self) -> pd.DataFrame:
        """What ties: `check`, `difference` (the largest, in ARR), `holds` (to the cent)."""
        told = self.ledger.customers(self.as_of, rate_of=self.start)["arr"].sum()
        opened = self.ledger.customers(self.start, known_at=self.as_of)["arr"].sum()
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
            "Company closing = sum of the ledger's rows": abs(
                float(company.over("closing").sum()) - told
            ),
            "Cohort opening = sum of the ledger's rows": abs(
                float(cohort.over("opening").sum()) - opened
            ),
        }
        frame = pd.DataFrame({"check": list(rows), "difference": list(rows.values())})
        return frame.assign(holds=frame["difference"] < CENT / 2)

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
        return (
            self.headline() | {"target": self.target, "ex_price": self.ex_price} | summary | books
        )

    @cached_property
    def profile(self) -> dict[str, Any]:
        """What `nrrsim check` prints of the ledger."""
        return profile(self.ledger)


def actuals(
    source: str | list[str],
    as_of: str,
    window: int = 12,
    definition: str = "point_to_point",
    target: float | None = None,
    ex_price: bool = False,
    **reading: Any,
) -> History:
    """The history of a ledger as a run card names it; `reading` goes to `read_ledger`."""
    sources = [source] if isinstance(source, str) else source
    parse_month(as_of, "as_of")
    ledger = read_ledger(*sources, until=as_of, **reading)
    return History(ledger, as_of, window, definition, target, ex_price)


PARTS = ("returns", "rebasing", "newcomers", "timing", "price")


def profile(ledger: Ledger) -> dict[str, Any]:
    """What is in a ledger: rows, customers, months, segments, gaps, reactivations, the largest
    customer's share.
    """
    months = ledger.months
    latest = ledger.customers(months[-1])
    moves = ledger.book(months[0], months[-1]).total() if len(months) > 1 else None
    leavers = ledger.gaps()
    arr = latest["arr"]
    return {
        "rows": ledger.entries.rows,
        "zeros": ledger.entries.zeros,
        "unit": ledger.entries.unit,
        "currency": ledger.currency,
        "first_month": months[0],
        "last_month": months[-1],
        "months": len(months),
        "step": ledger.step,
        "customers": int(ledger.entries.frame["customer"].nunique()),
        "customers_last_month": len(latest),
        "arr_last_month": cents(arr.sum()),
        "segments": {
            str(name): int(n)
            for name, n in latest["segment"].astype(str).value_counts().sort_index().items()
        },
        "gaps": len(leavers),
        "gaps_up_to_3_months": int((leavers <= 3).sum()),
        "reactivation": cents(moves.over("reactivation").sum()) if moves else 0.0,
        "largest_customer": str(arr.idxmax()) if len(arr) else None,
        "largest_share": _ratio(arr.max() / arr.sum()) if len(arr) else None,
        "columns": [name for name in ledger.columns if not name.startswith("cohort_")],
    }


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
    level = float(m.over("opening").sum())
    rows: list[dict[str, Any]] = [
        {"step": "opening", "amount": level, "start": 0.0, "end": level, "kind": "total"}
    ]
    for name in BRIDGE:
        size = float(m.over(name).sum())
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
    closing = float(m.over("closing").sum())
    return pd.DataFrame(
        [
            *rows,
            {"step": "closing", "amount": closing, "start": 0.0, "end": closing, "kind": "total"},
        ]
    )


def _largest(values: Any) -> float:
    return float(np.abs(values.values).max(initial=0.0))


def _ratio(value: Any) -> float | None:
    return None if np.isnan(value) else round(float(value), 12)
