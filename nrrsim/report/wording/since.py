"""What moved since the last report in, its frames and facts in words out; never a metric.

Of a report that is compared with none there are no facts, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from nrrsim.analysis.since import FIGURES, RATES
from nrrsim.metrics import DEFINITIONS
from nrrsim.months import shift
from nrrsim.notation import counted, label, money, month_name, percent, points
from nrrsim.report.wording.facts import Change
from nrrsim.report.wording.labels import STEPS, Markdown, at_percentile, joined, period

if TYPE_CHECKING:
    from nrrsim.analysis.since import Since

FIGURE_WORDS = dict(zip(FIGURES, ("NRR", "GRR", "logo retention", "company ARR"), strict=True))
KIND_WORDS = {
    "amounts": "amounts changed",
    "late": "rows came late",
    "gone": "rows gone",
    "renamed": "renamed",
    "segment": "segment changed",
    "rates": "other exchange rates",
}
TERM_WORDS = {
    "window": "window",
    "definition": "definition",
    "ex_price": "price movements",
    "currency": "currency",
    "reported": "conversion",
    "grace_months": "grace for late renewals",
    "rules": "rules for periods",
}
PART_WORDS = STEPS | {"rolled_off": "Rolled off", "mix": "Cohort mix"}
PART_WORDS |= {"restated": "Restated", "definition": "Definition"}
MOST_ROWS, MOST_CAUSES = 12, 2
SMALL = 5e-4  # of NRR: below what is printed
PLACES = 3  # of NRR, that are printed


# --- frames for pictures and tables ------------------------------------------------------------


def bridge(since: Since) -> pd.DataFrame:
    """The bridge from the last report's NRR to this one with its steps in words."""
    frame = since.bridge()
    words = [PART_WORDS.get(step) or _period(step, since) for step in frame["step"]]
    return frame.assign(step=words)


def parts(since: Since) -> pd.DataFrame:
    """The parts of the change with their months and their two largest customers in words."""
    frame = since.parts
    pairs = {
        name: [
            f"{customer} {points(change)}" if abs(change) >= SMALL else "–"
            for customer, change in zip(frame[name], frame[f"{name}_change"], strict=True)
        ]
        for name in ("first", "second")
    }
    return frame.assign(part=[_part(part, since) for part in frame["part"]], **pairs)


def restatements(since: Since) -> pd.DataFrame:
    """Who was restated: `quarter`, `customer`, `months`, `change`, `effect`, `kind`; then the rest
    and the total, whose `quarter` is empty.
    """
    found = since.restatements
    rows = [
        [
            _last(since),
            _whom(row, since),
            spans(row["months"], since.past.ledger.step),
            row["change"],
            row["effect"],
            _kinds(row, since),
        ]
        for _, row in found.head(MOST_ROWS).iterrows()
    ]
    if len(found) > MOST_ROWS:
        others = found.iloc[MOST_ROWS:]
        told = counted(int(others["customers"].sum()), "other customer")
        rows.append(["", told, "", "", float(others["effect"].sum()), ""])
    if rows and not since.past.ex_price:
        together = since.restated - float(found["effect"].sum())
        if abs(together) >= SMALL:
            rows.append(["", "Together, beyond these", "", "", together, ""])
        rows.append(["", "Total", "", "", since.restated, ""])
    columns = ["quarter", "customer", "months", "change", "effect", "kind"]
    return pd.DataFrame(rows, columns=columns)


def restated_lines(numbers: Mapping[str, Any]) -> list[str]:
    """What the command warns of, from the numbers that a report recorded: a line a figure."""
    before = numbers.get("before") or {"restated": {}}
    return [
        f"restated: {words} of {month_name(before['as_of'])} was published as"
        f" {_figure(name, before['restated'][name]['published'], numbers['terms']['currency'])};"
        " from today's ledger it is"
        f" {_figure(name, before['restated'][name]['today'], numbers['terms']['currency'])}"
        for name, words in FIGURE_WORDS.items()
        if name in before["restated"]
    ]


def spans(months: Sequence[str], step: int = 1) -> str:
    """Months as the stretches that they are: June to August 2026, October 2026."""
    runs: list[list[str]] = [[months[0]]]
    for before, month in pairwise(months):
        if shift(before, step) == month:
            runs[-1].append(month)
        else:
            runs.append([month])
    if len(runs) > 3:
        return f"{counted(len(months), 'month')}, {_stretch(months[0], months[-1])}"
    return ", ".join(_stretch(run[0], run[-1]) for run in runs)


def _stretch(first: str, last: str) -> str:
    if first == last:
        return month_name(first)
    begins = month_name(first)
    return f"{begins.split()[0] if first[:4] == last[:4] else begins} to {month_name(last)}"


def _whom(row: Any, since: Since) -> str:
    currency = since.past.ledger.currency
    if row["unit"] == RATES:
        of = f"{counted(row['customers'], 'customer')} in {joined(since.other_rates)}"
    elif not isinstance(row["customer"], str):
        segment = label(row["segment"], since.past.labels)
        of = f"one {segment} customer, {money(row['arr'], currency)}, no longer in the ledger"
    else:
        of = str(row["customer"])
    return of


def _kinds(row: Any, since: Since) -> str:
    words = [KIND_WORDS[kind] for kind in row["kinds"]]
    if "segment" in row["kinds"]:
        was, now = (label(row[name], since.past.labels) for name in ("segment", "segment_today"))
        words[row["kinds"].index("segment")] += f" ({was} to {now})"
    text = ", ".join(words)
    return text[:1].upper() + text[1:]


def _part(part: str, since: Since) -> str:
    """A part of the change, and the months that it is of."""
    past, before, then = since.past, since.before, since.then
    assert before is not None
    assert then is not None
    if part in STEPS:
        return f"{STEPS[part]} in {_time(max(before.as_of, past.start), past.as_of, since)}"
    if part == "rolled_off":
        return f"{_time(then.start, min(past.start, before.as_of), since)} rolled off"
    if part == "mix":
        return "Customers who entered or left the cohort, and the new base"
    if part == "restated":
        return f"{_last(since)} restated"
    return f"{DEFINITIONS[past.definition].title} less point to point"


def _time(after: str, until: str, since: Since) -> str:
    """The months after one and up to another: a quarter's name, where they are one."""
    past = since.past
    if shift(after, past.pace) == until:
        return _period(until, since)
    return _stretch(shift(after, past.ledger.step), until)


def _figure(name: str, value: float, currency: str) -> str:
    return money(value, currency) if name == "company_closing" else percent(value)


def _period(month: str, since: Since) -> str:
    return period(month, since.past.pace, since.past.ledger.calendar)


def _last(since: Since) -> str:
    return "" if since.before is None else _period(since.before.as_of, since)


def _term(name: str, value: Any) -> str:
    """A term of a report in words."""
    if name == "definition":
        return DEFINITIONS[value].title.lower() if value in DEFINITIONS else str(value)
    if name in ("window", "grace_months"):
        return counted(value, "month")
    if name == "ex_price":
        return "left out" if value else "counted"
    if name == "reported":
        return "at each month's rate" if value else "at the rate of the window's start"
    if name == "rules":
        told = ", ".join(f"{key}: {each}" for key, each in sorted(value.items()))
        return told.replace("_", " ") or "none stated"
    return str(value) or "not stated"


# --- facts -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Report:
    """What every sentence may say: the two reports, and their NRR."""

    last: str  # the last report's period
    now: str
    unit: str  # quarter or year
    currency: str
    fiscal_year_end: int
    nrr: float
    published: float
    same_measure: bool  # point to point over twelve months, as the forecast's NRR

    @classmethod
    def of(cls, since: Since) -> Self | None:
        """The facts; None where there is no earlier report."""
        past, before = since.past, since.before
        if before is None:
            return None
        default = past.definition == "point_to_point" and past.window == 12 and not past.ex_price
        return cls(
            last=_last(since),
            now=_period(past.as_of, since),
            unit="quarter" if past.pace == 3 else "year",
            currency=past.ledger.currency,
            fiscal_year_end=past.ledger.calendar.year_end,
            nrr=past.now.nrr,
            published=float(before.said["nrr"] if before.said["nrr"] is not None else "nan"),
            same_measure=default,
        )


@dataclass(frozen=True)
class Figure:
    """A published figure and what it is from today's ledger, as they are printed."""

    name: Markdown
    published: Markdown
    today: Markdown


@dataclass(frozen=True)
class Restated:
    """The published figures that moved, and the customers who moved NRR most.

    None where none would be printed otherwise. has_book : whether the causes are known.
    """

    figures: tuple[Figure, ...]
    causes: tuple[Change, ...]
    has_book: bool

    @classmethod
    def of(cls, since: Since) -> Self | None:
        frame, currency = since.figures, since.past.ledger.currency
        moved = tuple(
            Figure(
                Markdown(FIGURE_WORDS[name]),
                Markdown(_figure(name, published, currency)),
                Markdown(_figure(name, today, currency)),
            )
            for name, published, today, _, is_moved in frame.itertuples(index=False)
            if is_moved
        )
        if not moved:
            return None
        found = since.restatements
        # an effect is of amounts, whose prices nobody kept
        least = float("inf") if since.past.ex_price else SMALL
        found = found[found["effect"].abs() >= least].head(MOST_CAUSES)
        causes = tuple(Change(_whom(row, since), row["effect"]) for _, row in found.iterrows())
        return cls(moved, causes, since.before is not None and since.before.book is not None)


@dataclass(frozen=True)
class Quarter:
    """An earlier quarter's NRR, as the last report had it and from today's ledger."""

    name: str
    published: float
    today: float


@dataclass(frozen=True)
class Restatements:
    """How many customers' rows of the reported months are others today; None where none are."""

    customers: int
    moved: bool  # whether a published figure moved
    has_book: bool
    earlier: tuple[Quarter, ...]
    with_price: bool  # whether the effects count price movements, which the report's NRR leaves out

    @classmethod
    def of(cls, since: Since) -> Self | None:
        found, moved = since.restatements, bool(since.figures["moved"].any())
        has_book = since.before is not None and since.before.book is not None
        if found.empty and (has_book or not moved):
            return None
        earlier = tuple(
            Quarter(_period(month, since), float(published), float(today))
            for month, published, today in since.earlier.itertuples(index=False)
        )
        customers = int(found["customers"].sum())
        return cls(customers, moved, has_book, earlier, since.past.ex_price)


@dataclass(frozen=True)
class Term:
    """A term that is another now."""

    name: str
    then: str
    now: str


@dataclass(frozen=True)
class Terms:
    """The terms in which two reports differ, or why nothing is compared; none where all is.

    lacks : the period of the two that has no NRR. restated : last quarter's NRR as it is today,
    where it would be printed otherwise than it was published.
    """

    changed: tuple[Term, ...]
    why_not: str
    lacks: str
    restated: float | None

    @classmethod
    def of(cls, since: Since) -> Self:
        has_none = since.past.now.nrr != since.past.now.nrr
        lacks = _period(since.past.as_of, since) if has_none else _last(since)
        return cls(
            tuple(
                Term(TERM_WORDS[name], _term(name, then), _term(name, now))
                for name, (then, now) in since.changed.items()
            ),
            since.why_not,
            "" if since.is_compared else lacks,
            _restated_nrr(since),
        )


@dataclass(frozen=True)
class Cause:
    """A part of the change on page 1, and the customer who had most of it."""

    name: str
    change: float
    customer: str | None


@dataclass(frozen=True)
class Why:
    """The two or three parts that explain most of the change; none where nothing moved.

    Page 1 compares with last quarter as it is today: what was restated stands there by itself.
    """

    causes: tuple[Cause, ...]

    @classmethod
    def of(cls, since: Since) -> Self:
        frame = since.parts[since.parts["part"] != "restated"]
        order = frame["change"].abs().sort_values(ascending=False, kind="stable").index
        largest = frame.loc[order].head(MOST_CAUSES + 1)
        found = []
        for _, row in largest[largest["change"].abs() >= SMALL].iterrows():
            part = row["part"]
            is_movement = part in STEPS
            name = _part(part, since) if part == "rolled_off" else PART_WORDS[part].lower()
            customer = row["first"] if is_movement and isinstance(row["first"], str) else None
            found.append(Cause(name, float(row["change"]), customer))
        # with what the others come to, so that a reader can add them up: as they are printed
        rest = round(float(frame["change"].sum()), PLACES) - sum(
            round(each.change, PLACES) for each in found
        )
        others = [Cause("other parts", rest, None)] if found and abs(rest) >= SMALL else []
        return cls((*found, *others))


@dataclass(frozen=True)
class Slide:
    """The parts that `Why` has as a slide's heading, where the two reports are compared."""

    causes: tuple[Cause, ...]

    @classmethod
    def of(cls, since: Since) -> Self | None:
        return cls(Why.of(since).causes) if since.is_compared else None


@dataclass(frozen=True)
class Judged:
    """A range that was published for now, and where the outcome lies in it."""

    last: str
    p10: float
    p90: float
    actual: float
    place: Markdown
    inside: bool


@dataclass(frozen=True)
class Ranges:
    """What the oldest report published for now; None where only the last did, which is judged
    beside the actual figure (`plan.Forecast`).
    """

    judged: tuple[Judged, ...]

    @classmethod
    def of(cls, since: Since) -> Self | None:
        frame = since.judged.iloc[:-1]
        if frame.empty:
            return None
        return cls(
            tuple(
                Judged(
                    _period(row["origin"], since),
                    float(row["p10"]),
                    float(row["p90"]),
                    float(row["actual"]),
                    Markdown(at_percentile(row["place"])),
                    bool(row["p10"] <= row["actual"] <= row["p90"]),
                )
                for _, row in frame.head(1).iterrows()
            )
        )


def _restated_nrr(since: Since) -> float | None:
    """Last quarter's NRR from today's ledger; None where it would be printed as it was."""
    figures = since.figures.set_index("figure")
    return float(figures["today"]["nrr"]) if figures["moved"].get("nrr", False) else None


SENTENCES: Mapping[str, Any] = {
    "why": Why,
    "restated": Restated,
    "since_heading": None,  # Report alone
    "since": Terms,
    "restatements": Restatements,
    "ranges": Ranges,
    "slide_since": Slide,
}
