"""A portfolio in, frames in words and the facts of its sentences out; never writes a sentence.

`Report` holds what every template of `portfolio/` may say, the other classes what single ones may
say besides. Amounts are ARR in `currency`, ratios are plain (1.05); what is not known is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from nrrsim.benchmarks import SURVEY_SOURCE
from nrrsim.months import shift
from nrrsim.movements import CENT
from nrrsim.notation import count, label, money, month_name, percent, points
from nrrsim.report.wording.facts import Change, Checks, known
from nrrsim.report.wording.labels import STEPS, Markdown, lasting, shown
from nrrsim.report.wording.templates import Templates, own_templates

if TYPE_CHECKING:
    from nrrsim.analysis.portfolio import Portfolio

YEAR = 12
MOST = 3  # names in one sentence
SMALL = 5e-4  # of NRR: below what is printed
ATTENTION = "portfolio/attention"


# --- frames for pictures and tables ------------------------------------------------------------


def kind_of(p: Portfolio, several: bool = False) -> str:
    """What one of the entities is: company, segment, or a value of the column that is named."""
    if p.column is None:
        return "companies" if several else "company"
    if p.column == "segment":
        return "segments" if several else "segment"
    name = p.column.replace("_", " ").strip()
    if not several:
        return name
    ends = re.sub(r"(?<=[^aeiou])y$", "ie", name)
    return f"{ends}{'es' if re.search('(s|x|z|ch|sh)$', ends) else 's'}"


def entities(p: Portfolio) -> pd.DataFrame:
    """The overview's rows, and below them all together where they can be."""
    frame = p.frame()
    frame["published"] = [_published(each) for each in frame["among"]]
    frame["range"] = [_range(row) for row in frame.to_dict("records")]
    if frame["currency"].nunique() > 1:
        pairs = zip(frame["arr"], frame["currency"], strict=True)
        frame["arr_text"] = [money(arr, currency) for arr, currency in pairs]
    return frame


def with_total(frame: pd.DataFrame, p: Portfolio) -> pd.DataFrame:
    """The rows and all together below them, where amounts are added."""
    told = p.together
    if told["arr"] is None:
        return frame
    before = told.get("nrr_before")
    row = {
        "name": "All",
        **{name: told[name] for name in ("arr", "nrr", "grr", "logo")},
        "change": None if before is None or told["nrr"] is None else told["nrr"] - before,
        "distance": None if p.target is None or told["nrr"] is None else told["nrr"] - p.target,
        "published": "",
        "arr_text": money(told["arr"], p.currency),
    }
    number = {name: float for name in ("arr", "nrr", "grr", "logo", "change", "distance")}
    total = pd.DataFrame([{key: each for key, each in row.items() if key in frame}])
    return pd.concat([frame, total.astype({k: v for k, v in number.items() if k in total})],
                     ignore_index=True)  # fmt: skip


def columns(p: Portfolio, frame: pd.DataFrame) -> dict[str, Any]:
    """The columns of the overview: those in which something is known."""
    wide = {
        "name": (label(kind_of(p)), "text"),
        "arr_text" if "arr_text" in frame else "arr": (
            "ARR",
            "text" if "arr_text" in frame else "money",
        ),
        "nrr": ("NRR", "percent"),
        "change": (_versus(p), "points"),
        "grr": ("GRR", "percent"),
        "logo": ("Logo", "percent"),
        "distance": ("vs target", "points"),
        "at_stake": ("Short of target", partial(_short, currency=p.currency)),
        "published": ("Published", "text"),
    }
    empty = {
        name
        for name in ("change", "distance", "at_stake")
        if frame[name].isna().all() or (name == "at_stake" and frame["target"].isna().all())
    }
    return shown(**{name: each for name, each in wide.items() if name not in empty})


def outlook(p: Portfolio) -> pd.DataFrame:
    """Next year's range of each entity, where there is a forecast."""
    frame = entities(p)
    return frame[frame["p50"].notna()].reset_index(drop=True)


def outlook_columns(p: Portfolio, frame: pd.DataFrame) -> dict[str, Any]:
    """The columns of next year's range."""
    wide = {
        "name": (label(kind_of(p)), "text"),
        "nrr": ("NRR now", "percent"),
        "p50": ("Median, a year on", "percent"),
        "range": ("80% range", "text"),
        "target": ("Target", "percent"),
        "p_target": ("Probability of it", "share"),
    }
    none = frame["target"].isna().all()
    return shown(**{k: v for k, v in wide.items() if not (none and k in ("target", "p_target"))})


def needs(p: Portfolio, own: str | Path | None = None) -> pd.DataFrame:
    """What needs attention, a row an entity that does: `name`, `says`, `restated`."""
    frame, templates = p.frame(), Templates(own_templates(own))
    frame = frame[frame["kind"] != ""].reset_index(drop=True)
    shared = vars(Report.of(p))
    facts = [shared | vars(Need.of_row(row)) for row in frame.to_dict("records")]
    says = [templates.render(ATTENTION, each) for each in facts]
    return frame[["name", "restated"]].assign(says=says)


def needs_columns(p: Portfolio) -> dict[str, Any]:
    """The columns of what needs attention."""
    return shown(name=(label(kind_of(p)), "text"), says=("Needs attention", "text"))


def lines(p: Portfolio) -> pd.DataFrame:
    """Each entity's last reports as its own line, in the order of the overview."""
    return p.trend()


def ranges(p: Portfolio) -> pd.DataFrame:
    """NRR now and next year's range by entity."""
    return p.frame()


def totals(p: Portfolio) -> pd.DataFrame:
    """What adds up, its figures in words."""
    names = {**STEPS, "opening": "Opening ARR", "closing": "Closing ARR"}
    frame = p.totals()
    return frame.assign(figure=[names.get(each, label(each)) for each in frame["figure"]])


def totals_columns(p: Portfolio) -> dict[str, Any]:
    """The columns of what adds up; what netted or left out nothing has none."""
    frame = p.totals()
    wide = {
        "figure": ("", "text"),
        "entities": (label(kind_of(p, several=True)), "money_exact"),
        "others": ("Without a report", "money_exact"),
        "netted": ("Netted", "money_exact"),
        "whole": ("Ledger", "money_exact"),
        "difference": ("Difference", "money_exact"),
    }
    idle = [
        name
        for name in ("others", "netted")
        if name in frame and not frame[name].abs().fillna(0).max() >= CENT
    ]
    idle += [name for name in ("whole", "difference") if frame[name].isna().all()]
    return shown(**{name: each for name, each in wide.items() if name not in idle})


def without(p: Portfolio) -> pd.DataFrame:
    """Entities without a report, and why."""
    return p.without()


CHECKS = shown(
    check=("Check", "text"),
    difference=("Largest difference", "money_exact"),
    holds=("Holds", "text"),
)
WITHOUT = shown(name=("Without a report", "text"), why=("Why", "text"))


def subtitle(p: Portfolio) -> str:
    """What the overview is, as its title page says."""
    what = "by company" if p.column is None else f"by {kind_of(p)}"
    return f"Net revenue retention {what}"


def key_figures(p: Portfolio) -> list[tuple[str, str, str]]:
    """Label, value and comparison of what is known of all together."""
    s, number = p.together, len(p.found)
    cards = []
    if s["nrr"] is not None:
        before = s.get("nrr_before")
        against = "" if before is None else f"{points(s['nrr'] - before)} {_versus(p)}"
        cards.append(("Net revenue retention", percent(s["nrr"]), against))
    if s["grr"] is not None:
        cards.append(("Gross revenue retention", percent(s["grr"]), ""))
    if s["arr"] is not None:
        cards.append(("ARR", money(s["arr"], p.currency), ""))
    with_target = p.frame()[p.frame()["target"].notna()]
    if len(with_target):
        there = int((with_target["distance"] >= -SMALL).sum())
        cards.append(("At or above target", f"{there} of {len(with_target)}", ""))
    cards.append((label(kind_of(p, several=True)), count(number), ""))
    return cards


def _versus(p: Portfolio) -> str:
    return f"vs {month_name(p.last) if p.last else 'last report'}"


def _published(among: str | None) -> str:
    return "n/a" if among is None else among


def _range(row: Mapping[Any, Any]) -> str:
    if row["p10"] != row["p10"]:  # nan
        return "n/a"
    return f"{percent(row['p10'])} to {percent(row['p90'])}"


def _short(value: float, currency: str) -> str:
    """What is missing to the target; nothing is missing where it is exceeded."""
    return money(value, currency) if value > 0 else "none"


# --- facts -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """What every sentence may say: `kinds`, what the entities are, in the plural."""

    currency: str
    kind: str
    kinds: str
    number: int
    as_of: str
    window: int
    lasting: Markdown
    is_parts: bool
    apart: str
    target: float | None
    last: str | None

    @classmethod
    def of(cls, p: Portfolio) -> Self:
        last = max(p.found, key=lambda each: str(each["as_of"]))
        return cls(
            currency=p.currency,
            kind=kind_of(p),
            kinds=kind_of(p, several=True),
            number=len(p.found),
            as_of=last["as_of"],
            window=last["window"],
            lasting=Markdown(lasting(last["window"])),
            is_parts=p.whole is not None,
            apart=p.apart,
            target=p.target,
            last=p.last,
        )


@dataclass(frozen=True)
class Stand:
    """All together: ARR, NRR, and NRR of the report before."""

    arr: float | None
    nrr: float | None
    nrr_before: float | None
    best: Change
    worst: Change

    @classmethod
    def of(cls, p: Portfolio) -> Self:
        told, frame = p.together, p.frame().sort_values("nrr", kind="stable")
        ends = [
            Change(row["name"], float(row["nrr"])) for row in frame.iloc[[-1, 0]].to_dict("records")
        ]
        return cls(told["arr"], told["nrr"], told.get("nrr_before"), *ends)


@dataclass(frozen=True)
class Short:
    """Who misses its target, or 100%, by how much; `most`: those with most ARR at stake."""

    with_target: int
    below: int
    most: tuple[Change, ...]
    in_money: bool

    @classmethod
    def of(cls, p: Portfolio) -> Self:
        frame = p.frame()
        goal = frame["target"].fillna(1.0)
        below = frame[frame["nrr"] < goal - SMALL]
        in_money = not p.apart
        sizes = below["at_stake"] if in_money else goal[below.index] - below["nrr"]
        most = tuple(
            Change(name, float(size)) for name, size in zip(below["name"], sizes, strict=True)
        )
        return cls(int(frame["target"].notna().sum()), len(below), most[:MOST], in_money)


@dataclass(frozen=True)
class Ahead:
    """Next year: of those with a forecast, whose median reaches its target, or 100%."""

    forecast: int
    reach: int
    with_target: bool

    @classmethod
    def of(cls, p: Portfolio) -> Self:
        frame = p.frame()
        frame = frame[frame["p50"].notna()]
        reach = frame["p50"] >= frame["target"].fillna(1.0) - SMALL
        return cls(len(frame), int(reach.sum()), bool(frame["target"].notna().any()))


@dataclass(frozen=True)
class Moved:
    """How many rose and fell since their last report, and who most."""

    rose: int
    fell: int
    known: int
    most: Change | None
    least: Change | None

    @classmethod
    def of(cls, p: Portfolio) -> Self:
        frame = p.frame().dropna(subset=["change"]).sort_values("change", kind="stable")
        if frame.empty:
            return cls(0, 0, 0, None, None)
        rows = [
            Change(row["name"], float(row["change"]))
            for row in frame.iloc[[-1, 0]].to_dict("records")
        ]
        change = frame["change"]
        rose, fell = int((change >= SMALL).sum()), int((change <= -SMALL).sum())
        return cls(rose, fell, len(frame), *rows)


@dataclass(frozen=True)
class Missing:
    """Who has no report: making it failed, or there is none to be made."""

    failed: tuple[str, ...]
    absent: tuple[str, ...]

    @classmethod
    def of(cls, p: Portfolio) -> Self:
        return cls(tuple(p.failed), tuple(p.absent))


@dataclass(frozen=True)
class Needs:
    """How many need attention, how many are compared with an earlier report, and whose figures of
    it are restated.
    """

    needy: int
    compared: int
    restated: tuple[str, ...]

    @classmethod
    def of(cls, p: Portfolio) -> Self:
        frame = p.frame()
        compared = sum(bool(each.get("before")) for each in p.found)
        return cls(
            int((frame["kind"] != "").sum()), compared, tuple(frame["name"][frame["restated"]])
        )


@dataclass(frozen=True)
class Need:
    """What of one entity needs attention, and the figure that says it; `by`: a year on."""

    need: str
    figure: float
    nrr: float
    goal: float | None
    by: str

    @classmethod
    def of_row(cls, row: Mapping[Any, Any]) -> Self:
        """Of a row of the portfolio's frame."""
        year = shift(row["as_of"], YEAR)
        return cls(row["kind"], row["figure"], row["nrr"], known(row["target"]), year)

    @classmethod
    def of(cls, p: Portfolio) -> Self:
        """Of the entity that matters most."""
        return cls.of_row(p.frame().iloc[0].to_dict())


@dataclass(frozen=True)
class Rule:
    """How parts of a ledger are told apart, or companies are added."""

    start: str
    netted: int
    currencies: tuple[str, ...]
    converted: bool
    rate_month: str

    @classmethod
    def of(cls, p: Portfolio) -> Self:
        first = p.found[0]
        start = shift(first["as_of"], -first["window"])
        money = sorted({str(each["currency"] or "") for each in p.found})
        return cls(start, p.netted_customers, tuple(money), p.rates_needed and not p.apart, start)


@dataclass(frozen=True)
class Where:
    """The source of published quartiles."""

    published_by: Markdown

    @classmethod
    def of(cls, p: Portfolio) -> Self:
        return cls(Markdown(SURVEY_SOURCE))


SENTENCES: Mapping[str, Any] = {
    "stand": Stand,
    "short": Short,
    "ahead": Ahead,
    "missing": Missing,
    "order": Where,
    "needs": Needs,
    "trend": Moved,
    "ranges": Ahead,
    "totals": Rule,
    "rule": Rule,
    "checks": Checks,
    "provenance": None,
    "attention": Need,
}
