"""Why customers left or shrank in, reasons sorted into kinds out; never guesses one.

A reason belongs to one loss (a churn or a contraction) of its customer: to that of its own month,
else to that of the next step (it stands in the last month that was paid), else to that of the step
before (it was noted late). A loss has one reason: the nearest by this order, of equal ones the
first of KINDS, then by name. What is left over is said, and explains nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding, UsageError, did_you_mean
from nrrsim.ledger.across import text_of
from nrrsim.ledger.dates import month_of_day, read_dates
from nrrsim.ledger.ledger import Ledger
from nrrsim.ledger.names import listed
from nrrsim.ledger.reading import Reading
from nrrsim.ledger.rollforward import MONTHS_APART, MOVEMENT_NUMBER
from nrrsim.ledger.rows import Rows, refuse_twice
from nrrsim.ledger.sources import read_rows
from nrrsim.ledger.values import as_written
from nrrsim.ledger.vocabulary import CUSTOMER, MONTH, heading_of, plain
from nrrsim.months import month_name
from nrrsim.movements import LOSSES, MOVEMENTS
from nrrsim.notation import counted

BY_KIND = {
    "price": ("price", "prices", "pricing", "expensive", "cost", "costs", "value for money"),
    "product": (
        *("product", "feature", "features", "functionality", "quality", "performance", "complex"),
        *("bug", "bugs", "usability", "integration", "integrations"),
    ),
    "service": ("service", "support", "onboarding", "implementation", "relationship"),
    "budget": (
        *("budget", "budgets", "cost cutting", "cost reduction", "downsizing", "layoffs"),
        *("funding", "headcount"),
    ),
    "outcome": (
        *("outcome", "outcomes", "value", "roi", "results", "usage", "low usage", "adoption"),
        *("unused", "not used", "no longer needed"),
    ),
    "competitor": (
        *("competitor", "competitors", "competition", "switched", "switched service"),
        *("switched product", "competing product", "in house"),
    ),
    "bankruptcy": (
        *("bankruptcy", "bankrupt", "insolvency", "insolvent", "liquidation", "out of business"),
        *("merger", "merged", "acquisition", "acquired", "closed down"),
    ),
    "payment": (
        *("payment", "payments", "unpaid", "not paid", "non payment", "card", "credit card"),
        *("dunning", "overdue", "chargeback", "payment service", "involuntary"),
    ),
    "other": ("other", "unknown", "misc", "miscellaneous"),
}
KINDS = tuple(BY_KIND)
NOT_GIVEN = "not given"
# A customer whose payment failed did not choose to leave; one that is bankrupt or was merged into
# another chose nothing either, and is counted apart from both.
INVOLUNTARY, APART = ("payment",), ("bankruptcy",)
GROUPS = (
    dict.fromkeys([kind for kind in KINDS if kind not in (*INVOLUNTARY, *APART)], "voluntary")
    | dict.fromkeys(INVOLUNTARY, "involuntary")
    | {kind: kind for kind in (*APART, NOT_GIVEN)}
)
HEADINGS = {
    "customer": CUSTOMER,
    "month": (
        *MONTH,
        *("churn month", "churn date", "month of churn", "cancelled at", "canceled at"),
        *("cancellation date", "lost date", "end date", "close date"),
    ),
    "reason": (
        *("reason", "churn reason", "cancellation reason", "cancel reason", "loss reason"),
        *("lost reason", "closed lost reason", "reason for leaving", "reason for churn", "grund"),
    ),
    "detail": ("detail", "details", "reason detail", "comment", "comments", "note", "notes"),
}
COLUMNS = ("customer", "month", "reason", "kind", "detail")

_KIND_OF = {phrase: kind for kind, phrases in BY_KIND.items() for phrase in phrases}
# of phrases that begin alike the longest: "payment service" says nothing of the service
_PHRASES = re.compile(rf"\b({'|'.join(sorted(_KIND_OF, key=len, reverse=True))})\b")


@dataclass(frozen=True)
class Reasons:
    """Why customers left or shrank, a row for each loss of which that is known.

    `frame`: `customer` (the ledger's own name), `month` (of the loss, a month number), `reason`
    (as written; one spelling for all that differ by case alone), `kind` (one of KINDS), `detail`
    ("" where there is none), `dated` (the month number that stands beside it); sorted by customer
    and month. `file` : where they were read, "" of a column of the ledger. `notices` : what
    explains no loss, and what could not be sorted.
    """

    frame: pd.DataFrame
    notices: tuple[Finding, ...] = ()
    file: str = ""

    def __post_init__(self) -> None:
        if list(self.frame.columns) != [*COLUMNS, "dated"]:
            raise ValueError(f"reasons have the columns {', '.join(COLUMNS)} and dated")


def kind_of(reason: str, own: Mapping[str, str] | None = None) -> str:
    """The kind of a reason: as `own` says, else by its words; "" where they tell none, or several.

    `own` : reason -> kind, however case and blanks are written.
    """
    words = plain(reason)
    said = {plain(text): kind for text, kind in (own or {}).items()}
    if words in said:
        return said[words]
    kinds = {_KIND_OF[phrase] for phrase in _PHRASES.findall(words)}
    return kinds.pop() if len(kinds) == 1 else ""


def read_reasons(
    source: Any,
    ledger: Ledger,
    kinds: Mapping[str, str] | None = None,
    reading: Reading | None = None,
) -> Reasons:
    """The reasons in a table `customer, month, reason[, detail]`, each with the loss it explains.

    source : a file of any form that a ledger may have, or a table of pandas, Polars or Arrow.
    kinds : which kind a reason is of, where its words do not say it. reading : how the file is to
        be read (dates, headings of customer and month); default: as the ledger was. Where the
        ledger's names are masked no detail is kept, and no reason of a single customer but its
        kind: a text may tell who it is.

    Raises DataError with every finding: a column that is missing, a row without a customer, a month
    that is none. UsageError for a file that is none, and a kind that there is not.
    """
    _check_kinds(kinds)
    rows, *more = read_rows(source)
    if more:
        raise UsageError(f"{source}: reasons stand in one table, and here are {len(more) + 1}")
    refuse_twice(rows)
    table = _Table(rows, ledger, reading or ledger.reading)
    stated = table.stated()
    table.stop()
    stated = _sorted_into_kinds(table, stated, kinds)
    matched = _matched(table, stated)
    notices = (*rows.notices, *table.notices)
    return Reasons(_finished(matched, ledger), notices, rows.name)


def of_column(ledger: Ledger, kinds: Mapping[str, str] | None = None) -> Reasons | None:
    """The reasons in a column of the ledger itself; None where it has none.

    A cell speaks of the loss of the month in which its line has it first, or of the loss that
    follows when its line ends: a subscription has its reason from its first month on. kinds : as
    for `read_reasons`.
    """
    _check_kinds(kinds)
    column = reason_columns(ledger, "reason")
    if not column:
        return None
    entries = ledger.entries.frame
    entry = pd.DataFrame(
        {
            "code": entries["customer"].cat.codes.to_numpy(np.int64),
            "month": entries["month"].to_numpy(np.int64),
            "line": ledger.entries.line,
            "reason": entries[column[0]].astype(object).fillna("").map(str.strip),
            "row": np.arange(len(entries)),
        }
    ).sort_values(["code", "line", "month"], ignore_index=True)

    same = (entry["code"] == entry["code"].shift()) & (entry["line"] == entry["line"].shift())
    next_to = same & (entry["month"] - entry["month"].shift() == ledger.step)
    is_new = next_to & (entry["reason"] != entry["reason"].shift())
    ends = ~next_to.shift(-1, fill_value=False)
    speaks = pd.concat(
        [entry[is_new], entry[ends].assign(month=entry["month"] + ledger.step)], ignore_index=True
    )
    speaks = speaks[speaks["reason"] != ""].assign(detail="")
    table = _Notes(ledger)
    stated = _sorted_into_kinds(table, speaks.assign(dated=speaks["month"]), kinds)
    losses = _losses_until(ledger, int(ledger.entries.months[-1]))
    stated["loss"] = _found(losses, stated["code"].to_numpy(), stated["month"].to_numpy())
    first = stated[stated["loss"] >= 0].sort_values(["loss", "rank", "reason"], kind="stable")
    return Reasons(_finished(first.drop_duplicates("loss"), ledger), tuple(table.notices))


def reason_columns(ledger: Ledger, *words: str) -> list[str]:
    """The ledger's text columns that say why a customer left: of these of our words, or of both."""
    names = [name for word in words or ("reason", "detail") for name in HEADINGS[word]]
    return [each for each in ledger.columns if heading_of(each).plain in names]


# --- what it comes to -----------------------------------------------------------------------------


def losses(
    ledger: Ledger, as_of: str, window: int = 12, reasons: Reasons | None = None
) -> pd.DataFrame:
    """Each churn and contraction of the window's cohort, with its reason as known at `as_of`.

    Columns `customer`, `month` (a number), `movement` (churn or contraction), `arr` (positive, at
    the rates of the window's start), `kind`, `reason`, `detail`; where none is given the kind is
    NOT_GIVEN and the others are empty. The amounts are those of `ledger.cohort(as_of, window)`.
    """
    end, start = ledger.window(as_of, window)
    rows, events = ledger.histories(as_of, rate_of=month_name(start))
    names = np.asarray(ledger.entries.frame["customer"].cat.categories, dtype=object)
    in_cohort = np.zeros(len(names), dtype=bool)
    in_cohort[rows.loc[rows["month"].to_numpy() == start, "customer"].to_numpy()] = True
    lost = np.isin(events["kind"].to_numpy(), [MOVEMENT_NUMBER[name] for name in LOSSES])
    lost &= (events["month"].to_numpy() > start) & in_cohort[events["customer"].to_numpy()]
    found = events[lost]
    frame = pd.DataFrame(
        {
            "customer": names[found["customer"].to_numpy()],
            "month": found["month"].to_numpy(),
            "movement": np.array(MOVEMENTS, dtype=object)[found["kind"].to_numpy()],
            "arr": found["arr"].to_numpy(),
        }
    )
    if reasons is None:
        return frame.assign(kind=NOT_GIVEN, reason="", detail="")
    known = reasons.frame[reasons.frame["dated"] <= end].drop(columns="dated")
    frame = frame.merge(known, "left", on=["customer", "month"])
    return frame.fillna({"kind": NOT_GIVEN, "reason": "", "detail": ""})[
        ["customer", "month", "movement", "arr", "kind", "reason", "detail"]
    ]


def by_reason(
    ledger: Ledger, as_of: str, window: int = 12, reasons: Reasons | None = None
) -> pd.DataFrame:
    """What each reason cost the window's cohort: the largest kind first, in it the largest reason.

    Columns `kind`, `reason`, `customers` (with such a loss), `churn`, `contraction` (ARR, positive;
    their sums are the cohort's to the cent), `share` of both together. What has no reason is the
    last row, of the kind NOT_GIVEN, also where that is nothing.
    """
    return _summed(losses(ledger, as_of, window, reasons), ["kind", "reason"])


def by_kind(
    ledger: Ledger, as_of: str, window: int = 12, reasons: Reasons | None = None
) -> pd.DataFrame:
    """The same, kind by kind: `kind` and the amounts of `by_reason`."""
    return _summed(losses(ledger, as_of, window, reasons), ["kind"])


def by_group(
    ledger: Ledger, as_of: str, window: int = 12, reasons: Reasons | None = None
) -> pd.DataFrame:
    """The same, by what GROUPS has: voluntary, involuntary, bankruptcy, NOT_GIVEN, in this order.

    Columns `group` and the amounts of `by_reason`; every group has its row.
    """
    lost = losses(ledger, as_of, window, reasons)
    found = _summed(lost.assign(group=lost["kind"].map(GROUPS)), ["group"]).set_index("group")
    every = pd.Index(dict.fromkeys(GROUPS.values()), name="group")
    found = found.reindex(every, fill_value=0)
    total = found["churn"].sum() + found["contraction"].sum()
    return found.assign(share=_share(found, total)).reset_index()


def reason_bridge(
    ledger: Ledger, as_of: str, window: int = 12, reasons: Reasons | None = None
) -> pd.DataFrame:
    """From the cohort's opening ARR to what its losses left of it, a step for each kind.

    As a waterfall takes it: `step` ("opening", the kinds, "after losses"), `amount` (signed; the
    level of the two ends), `start`, `end`, `kind` (total or loss).
    """
    kinds = by_kind(ledger, as_of, window, reasons)
    cost = (kinds["churn"] + kinds["contraction"]).to_numpy()
    opening = float(ledger.cohort(as_of, window).over("opening").sum())
    levels = opening - np.append(0.0, np.cumsum(cost))
    return pd.DataFrame(
        {
            "step": ["opening", *kinds["kind"], "after losses"],
            "amount": [opening, *(-cost), levels[-1]],
            "start": [0.0, *levels[:-1], 0.0],
            "end": [opening, *levels[1:], levels[-1]],
            "kind": ["total", *["loss"] * len(cost), "total"],
        }
    )


def _summed(lost: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Losses summed by the columns `by`, the first of which is the kind or the group."""
    first = by[0]
    amounts = {name: lost["arr"].where(lost["movement"] == name, 0.0) for name in LOSSES}
    groups = lost.assign(**amounts).groupby(by, sort=True)
    found = groups.agg(
        customers=("customer", "nunique"),
        churn=("churn", "sum"),
        contraction=("contraction", "sum"),
        arr=("arr", "sum"),
    ).reset_index()
    if NOT_GIVEN not in set(found[first]):
        blank = {name: [""] for name in by} | {first: [NOT_GIVEN]}
        nothing = pd.DataFrame(blank | {"customers": [0], "churn": [0.0], "contraction": [0.0]})
        found = pd.concat([found, nothing.assign(arr=0.0)], ignore_index=True)
    found["share"] = _share(found, lost["arr"].sum())
    found["whole"] = found.groupby(first)["arr"].transform("sum")
    found["is_last"] = found[first] == NOT_GIVEN
    order = ["is_last", "whole", first, "arr", *by[1:]]
    ascending = [True, False, True, False, *[True] * len(by[1:])]
    found = found.sort_values(order, ascending=ascending, ignore_index=True)
    return found[[*by, "customers", "churn", "contraction", "share"]].astype({"customers": int})


def _share(found: pd.DataFrame, total: float) -> pd.Series:
    return (found["churn"] + found["contraction"]) / (total if total > 0 else np.nan)


# --- which loss a reason explains -----------------------------------------------------------------


def _losses_until(ledger: Ledger, end: int) -> np.ndarray:
    """The keys of all losses up to a month, sorted: customer and month in one number."""
    _, events = ledger.histories(month_name(end))
    lost = np.isin(events["kind"].to_numpy(), [MOVEMENT_NUMBER[name] for name in LOSSES])
    return np.sort(_key(events["customer"].to_numpy()[lost], events["month"].to_numpy()[lost]))


def _key(customer: np.ndarray, month: np.ndarray) -> np.ndarray:
    return np.asarray(customer, dtype=np.int64) * MONTHS_APART + np.asarray(month, dtype=np.int64)


def _found(losses: np.ndarray, customer: np.ndarray, month: np.ndarray) -> np.ndarray:
    """`ndarray[row]`: the place of each customer's loss in that month, -1 where it has none."""
    key = _key(customer, month)
    if not len(losses):
        return np.full(len(key), -1)
    place = np.minimum(np.searchsorted(losses, key), len(losses) - 1)
    return np.where(losses[place] == key, place, -1)


def _matched(table: _Table, stated: pd.DataFrame) -> pd.DataFrame:
    """The reasons that explain a loss, one each, with its month; others are noted."""
    ledger, step = table.ledger, table.ledger.step
    last = int(ledger.entries.months[-1])
    later = stated["month"].to_numpy() > last
    if later.any():
        table.notice(
            stated[later],
            f"{counted(int(later.sum()), 'reason is', 'reasons are')} of a month after the"
            f" ledger's last, {month_name(last)}",
            "what they explain is not in the ledger yet: left out",
        )
        stated = stated[~later]

    # a day or month between two snapshots is of the second
    first = int(ledger.entries.months[0])
    month = first + -((first - stated["month"].to_numpy(np.int64)) // step) * step
    losses, code = _losses_until(ledger, last), stated["code"].to_numpy()
    found, distance = np.full(len(stated), -1), np.zeros(len(stated), dtype=np.int64)
    for rank, away in enumerate((0, step, -step)):
        open_ = found < 0
        place = _found(losses, code[open_], month[open_] + away)
        found[open_], distance[open_] = place, rank
    none = found < 0
    if none.any():
        table.notice(
            stated[none],
            f"{counted(int(none.sum()), 'reason is', 'reasons are')} of a month in which the"
            " customer neither left nor shrank, nor in the one before or after",
            "they explain no loss, and are left out: correct the month",
        )
    stated = stated.assign(loss=found, distance=distance)[~none]
    order = ["loss", "distance", "rank", "reason", "detail"]
    stated = stated.sort_values(order, kind="stable").drop_duplicates(["loss", "reason"])
    surplus = stated["loss"].duplicated()
    if surplus.any():
        number = stated.loc[surplus, "loss"].nunique()
        several = stated[surplus].drop_duplicates("loss")
        counting = stated.drop_duplicates("loss").set_index("loss")["reason"]
        told = [
            f"{as_written(counting[loss])} counts, not {as_written(reason)}"
            for loss, reason in zip(several["loss"], several["reason"], strict=True)
        ]
        table.notice(
            several,
            f"{counted(number, 'loss has', 'losses have')} several reasons" + table.examples(told),
            "a loss has one: that of its own month, else of the month before, else of the month"
            " after",
        )
    matched = stated[~surplus]
    return matched.assign(dated=matched["month"], month=losses[matched["loss"]] % MONTHS_APART)


def _sorted_into_kinds(
    table: _Notes, stated: pd.DataFrame, kinds: Mapping[str, str] | None
) -> pd.DataFrame:
    """With the kind of each reason, its rank in KINDS, and one spelling for one reason."""
    words = stated["reason"].map(plain)
    # of two spellings that are as common the first by name, whatever order the rows have
    counts = stated.groupby([words, stated["reason"].rename("spelling")]).size()
    common = counts.reset_index(name="n").sort_values(
        ["n", "spelling"], ascending=[False, True], kind="stable"
    )
    spelled = common.drop_duplicates("reason").set_index("reason")["spelling"]
    told = {each: kind_of(each, kinds) for each in spelled.index}
    if unsorted := sorted(spelled[each] for each, kind in told.items() if not kind):
        table.notice(
            stated[words.map(told) == ""],
            f"{counted(len(unsorted), 'reason')} of no kind that its words tell, sorted under other"
            + table.examples(list(map(as_written, unsorted))),
            "say which it is in the signals card, such as reasons: {too far away: service}",
        )
    kind = words.map(lambda each: told[each] or "other")
    rank = kind.map({name: place for place, name in enumerate(KINDS)})
    return stated.assign(reason=words.map(spelled), kind=kind, rank=rank)


def _finished(matched: pd.DataFrame, ledger: Ledger) -> pd.DataFrame:
    """The frame of Reasons; where names are masked, without what may tell one."""
    names = np.asarray(ledger.entries.frame["customer"].cat.categories, dtype=object)
    frame = matched.sort_values(["code", "month"], ignore_index=True)
    frame["customer"] = names[frame["code"].to_numpy(np.int64)]
    if ledger.unmasked:
        alone = frame.groupby("reason")["customer"].transform("nunique") == 1
        frame["reason"] = frame["reason"].where(~alone, frame["kind"])
        frame["detail"] = ""
    texts = dict.fromkeys(("customer", "reason", "kind", "detail"), "str")
    return frame[[*COLUMNS, "dated"]].astype({**texts, "month": np.int64, "dated": np.int64})


def _check_kinds(kinds: Mapping[str, str] | None) -> None:
    for reason, kind in (kinds or {}).items():
        if kind not in KINDS:
            near = did_you_mean(str(kind), KINDS)
            raise UsageError(f"reasons: {reason}: {kind!r} is no kind of reason; {near}")


# --- the table ------------------------------------------------------------------------------------


class _Notes:
    """What there is to know of reasons, where there is no file to name."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.notices: list[Finding] = []

    def notice(self, stated: pd.DataFrame, problem: str, remedy: str) -> None:
        """Note what makes no number wrong."""
        self.notices.append(Finding("the ledger's column of reasons", 0, problem, remedy))

    def examples(self, told: list[str]) -> str:
        """The first few of what is noted; nothing where names are masked: a text may tell one."""
        return "" if self.ledger.unmasked else f": {listed(told)}"


class _Table(_Notes):
    """The rows of a file of reasons, and what is wrong with them, by file and line."""

    def __init__(self, rows: Rows, ledger: Ledger, reading: Reading) -> None:
        super().__init__(ledger)
        self.rows, self.reading = rows, reading
        self.findings = list(rows.findings)
        own = ledger.entries.frame["customer"].cat.categories
        self.codes = {name: code for code, name in enumerate(ledger.true_names(own))}

    def stop(self) -> None:
        """Raise DataError with every finding, if there is one."""
        if self.findings:
            raise DataError(self.findings)

    def notice(self, stated: pd.DataFrame, problem: str, remedy: str) -> None:
        """Note what makes no number wrong, with the first of the rows in which it is seen."""
        name, line = self.place(int(stated["row"].min()))
        self.notices.append(Finding(name, line, problem, remedy))

    def place(self, row: int) -> tuple[str, int]:
        line = int(self.rows.lines()[row])
        return (self.rows.name, line) if self.rows.place is None else (self.rows.place(line), 0)

    def refuse(self, field: str, row: int, problem: str, remedy: str) -> None:
        """Note what is wrong with a row."""
        name, line = self.place(row)
        self.findings.append(Finding(name, line, problem, remedy, field))

    def stated(self) -> pd.DataFrame:
        """Each reason of a customer of the ledger: `code`, `month`, `reason`, `detail`, `row`."""
        cells = self.columns()
        self.stop()
        customer = cells["customer"].map(text_of)
        for row in np.flatnonzero(customer == "").tolist():
            self.refuse("customer", row, "is empty", "write the customer as the ledger does")
        frame = pd.DataFrame(
            {
                "code": customer.map(self.codes).fillna(-1).astype(np.int64),
                "month": self.months(cells["month"]),
                "reason": cells["reason"].map(text_of),
                "detail": cells["detail"].map(text_of) if "detail" in cells else "",
                "row": np.arange(len(customer)),
            }
        )
        self.stop()
        frame = self.without(
            frame,
            frame["reason"] == "",
            ("row gives", "rows give"),
            "no reason",
            f"their losses are among those of which it is {NOT_GIVEN}",
        )
        strange = frame["code"] < 0
        names = customer[frame.index[strange]].unique()
        return self.without(
            frame,
            strange,
            ("reason is", "reasons are"),
            "of customers who are not in the ledger" + self.examples(list(map(as_written, names))),
            "they explain no loss of it, and are left out",
        )

    def without(
        self, frame: pd.DataFrame, out: pd.Series, words: tuple[str, str], what: str, remedy: str
    ) -> pd.DataFrame:
        """The other rows; how many are left out, and why, is noted."""
        if out.any():
            self.notice(frame[out], f"{counted(int(out.sum()), *words)} {what}", remedy)
        return frame[~out]

    def columns(self) -> dict[str, pd.Series]:
        """Our word -> its cells; a column that is missing is noted."""
        frame = self.rows.frame
        labels = [str(label) for label in frame.columns]
        found: dict[str, pd.Series] = {}
        for word, names in HEADINGS.items():
            said = plain(self.reading.columns.get(word, "")) if self.reading.columns else ""
            some = [each for each in labels if said and plain(each) == said]
            some = some or [each for each in labels if heading_of(each).plain in names]
            if word == "customer":
                # an id stands beside a name: the ledger knows its customers by one of them
                some.sort(key=lambda each: -frame[each].map(text_of).isin(self.codes).sum())
            elif len(some) > 1:
                some.sort(key=lambda each: names.index(heading_of(each).plain))
            if some:
                found[word] = frame[some[0]]
        for word in ("customer", "month", "reason"):
            if word not in found:
                self.findings.append(
                    Finding(
                        self.rows.name,
                        self.rows.heading_line,
                        f"there is no column {word}",
                        "a file of reasons has the columns customer, month, reason and, if there"
                        f" is more to say, detail; here are {', '.join(labels)}",
                    )
                )
        return found

    def months(self, cells: pd.Series) -> np.ndarray:
        """`ndarray[row]` of month numbers, 0 where a cell is none."""
        read = read_dates(
            {"month": cells},
            dates=self.reading.dates,
            timezone=self.reading.timezone,
            calendar=self.ledger.calendar,
            year_end_said=self.reading.fiscal_year_end is not None,
            excel=self.rows.typed,
        ).columns["month"]
        numbers = month_of_day(read.last, nan=True)
        for row in np.flatnonzero(np.isnan(numbers)).tolist():
            written = as_written(cells.iloc[row])
            problem = "is empty" if read.empty[row] else f"{written} is not, or not surely, a month"
            self.refuse("month", row, problem, "write it as YYYY-MM, such as 2026-09")
        return np.asarray(np.nan_to_num(numbers), dtype=np.int64)
