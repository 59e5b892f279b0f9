"""Why customers left or shrank in, reasons sorted into kinds out; never guesses one.

A reason belongs to one loss (a churn or a contraction) of its customer: to that of its own month,
else to that of the next step (it stands in the last month that was paid), else to that of the step
before (it was noted late). A loss has one reason: the nearest in this order, of equal ones the
first of KINDS, then by name. What is left over is said, and explains nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.accounts.watch import REASON_KINDS, SignalsCard, read_signals_card
from nrrsim.errors import Finding
from nrrsim.ledger.columns import MONTHS, Table
from nrrsim.ledger.dates import month_of_day
from nrrsim.ledger.ledger import Ledger
from nrrsim.ledger.names import in_ledger, listed
from nrrsim.ledger.reading import Reading
from nrrsim.ledger.rollforward import MONTHS_APART, MOVEMENT_NUMBER
from nrrsim.ledger.rows import Rows, concat, refuse_twice
from nrrsim.ledger.sources import read_further
from nrrsim.ledger.values import (
    as_text,
    as_written,
    check_texts,
    last_days,
    refuse_lost_names,
    refuse_rows,
)
from nrrsim.ledger.vocabulary import CUSTOMER, MONTH, heading_of, plain
from nrrsim.months import month_name
from nrrsim.movements import LOSSES, MOVEMENTS
from nrrsim.notation import counted, visible

KINDS = REASON_KINDS
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
        *("churn month", "churn date", "month of churn", "cancelled at", "canceled at"),
        *("cancellation date", "lost date", *MONTH, "end date", "close date"),
    ),
    "reason": (
        *("reason", "churn reason", "cancellation reason", "cancel reason", "loss reason"),
        *("lost reason", "closed lost reason", "reason for leaving", "reason for churn", "grund"),
    ),
    "detail": ("detail", "details", "reason detail", "comment", "comments", "note", "notes"),
}
ONE_EACH = (
    "a loss has one: that of its own month, else of the month before, else of the month after"
)
COLUMNS = ("customer", "month", "reason", "kind", "detail", "dated")

_KIND_OF = {phrase: kind for kind, phrases in BY_KIND.items() for phrase in phrases}
# of phrases that begin alike the longest: "payment service" says nothing of the service
_PHRASES = re.compile(rf"\b({'|'.join(sorted(_KIND_OF, key=len, reverse=True))})\b")


@dataclass(frozen=True)
class Reasons:
    """Why customers left or shrank. Made by `read_reasons` and `of_column`.

    `frame`: a row for each loss of which that is known, sorted by customer and month: `customer`
    (the ledger's own name), `month` (of the loss, a month number), `reason` (as written; one
    spelling for all that differ by case alone), `kind` (one of KINDS), `detail` ("" where there is
    none), `dated` (the month number that stands beside it: before, it was not known). `notices`:
    what explains no loss, and what no word sorts. `files`: what was read.
    """

    frame: pd.DataFrame
    notices: tuple[Finding, ...] = ()
    files: tuple[str, ...] = ()


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
    card: SignalsCard | str | Path | None = None,
    reading: Reading | None = None,
) -> Reasons:
    """The reasons in a table `customer, month, reason[, detail]`, each with the loss it explains.

    source : a file, a folder, a pattern, a table, or a list of such, in any form that a ledger may
        have.
    card : the signals card, or its file, whose `reasons` say which kind a reason is of; else its
        words say it.
    reading : how dates, ids and headings are to be read where the files do not say; default: as the
        ledger was.

    Where the ledger's names are masked no detail is kept, and of a reason that a single customer
    gave the kind alone: a text may tell who it is. Raises UsageError for a source or a card that is
    not there, DataError with every finding if the data do not fit.
    """
    # the ledger's query and sheet say nothing of another file
    how = reading or replace(ledger.reading, query=None, sheet=None)
    parts, files = read_further(source, how.query, how.sheet, "the table of reasons")
    remedy = (
        "a table of reasons has the columns customer, month, reason and, if there is more to say,"
        " detail"
    )
    table = table_of(parts, ledger, how, HEADINGS, ("customer", "month", "reason"), remedy)
    stated = _stated(table, ledger, how)
    stated, unsorted = _sorted_into_kinds(stated, _card(card).reasons)
    if unsorted:
        problem, remedy = _unsorted(unsorted, ledger)
        words = stated["reason"].isin(unsorted)
        table.notice(problem, remedy, int(stated.loc[words, "row"].min()))
    matched = _matched(table, ledger, stated)
    return Reasons(_finished(matched, ledger), tuple(table.notices), files)


def of_column(ledger: Ledger, card: SignalsCard | str | Path | None = None) -> Reasons | None:
    """The reasons in a column of the ledger itself; None where it has none.

    A cell speaks of the loss of the month in which its line has it first, or of the loss that
    follows when its line ends: a subscription has its reason from its first month on. card : as for
    `read_reasons`.
    """
    column = reason_columns(ledger, "reason")
    if not column:
        return None
    entries = ledger.entries.frame
    entry = pd.DataFrame(
        {
            "code": entries["customer"].cat.codes.to_numpy(np.int64),
            "month": entries["month"].to_numpy(np.int64),
            "line": ledger.entries.line,
            "reason": one_line(entries[column[0]]),
            "detail": "",
        }
    ).sort_values(["code", "line", "month"], ignore_index=True)

    same = (entry["code"] == entry["code"].shift()) & (entry["line"] == entry["line"].shift())
    goes_on = same & (entry["month"] - entry["month"].shift() == ledger.step)
    is_new = goes_on & (entry["reason"] != entry["reason"].shift())
    ends = ~goes_on.shift(-1, fill_value=False)
    speaks = pd.concat(
        [entry[is_new], entry[ends].assign(month=entry["month"] + ledger.step)], ignore_index=True
    )
    losses = _keys_of_losses(ledger)
    speaks["loss"] = _found(losses, speaks["code"].to_numpy(), speaks["month"].to_numpy())
    speaks = speaks[(speaks["reason"] != "") & (speaks["loss"] >= 0)]
    speaks = speaks.assign(dated=speaks["month"], distance=0)
    stated, unsorted = _sorted_into_kinds(speaks, _card(card).reasons)
    counts, _, several = _one_each(stated, ledger)
    said = [_unsorted(unsorted, ledger)] * bool(unsorted) + [(several, ONE_EACH)] * bool(several)
    notices = tuple(Finding("the ledger", 0, *each, column[0]) for each in said)
    return Reasons(_finished(counts, ledger), notices)


def reason_columns(ledger: Ledger, *words: str) -> list[str]:
    """The ledger's columns that say why a customer left: of these of our words, or of both."""
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
    opening = ledger.cohort(as_of, window).amount("opening")
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


# --- what stands in a table -----------------------------------------------------------------------


def table_of(
    parts: Sequence[Rows],
    ledger: Ledger,
    reading: Reading,
    headings: Mapping[str, Sequence[str]],
    needed: Sequence[str],
    remedy: str,
) -> Table:
    """The rows of all sources under our words; raises DataError where a needed one is missing.

    headings : our word -> what its column may be called, the surest first. remedy : what such a
        table has.
    """
    name = ", ".join(dict.fromkeys(part.name for part in parts))
    table = Table(parts, pd.DataFrame(), np.zeros(1), name, MONTHS)
    known = {*ledger.true_names(ledger.entries.frame["customer"].cat.categories)}
    found = []
    for part in parts:
        refuse_twice(part)
        table.findings += part.findings
        table.notices += part.notices
        labels = columns_of(part, headings, known, reading)
        for word in needed:
            if word not in labels:
                here = ", ".join(map(str, part.frame.columns))
                problem = f"there is no column {word}"
                said = Finding(part.name, part.heading_line, problem, f"{remedy}; here are {here}")
                table.findings.append(said)
        frame = part.frame[[*labels.values()]].set_axis([*labels], axis=1)
        found.append(replace(part, frame=frame.reindex(columns=[*headings])))
    if table.findings:
        table.stop()
    table.frame, table.starts = concat(found)
    return table


def columns_of(
    part: Rows, headings: Mapping[str, Sequence[str]], known: set[str], reading: Reading
) -> dict[str, str]:
    """Our word -> the column that is it, of a table that stands beside a ledger.

    headings : by our word those that stand for it, the surest first. known : the customers.
    """
    labels = [str(label) for label in part.frame.columns]
    found = {}
    for word, names in headings.items():
        said = plain(reading.columns.get(word, ""))
        some = [each for each in labels if plain(each) == said]
        some = some or [each for each in labels if heading_of(each).plain in names]
        rank = {name: place for place, name in enumerate(names)}
        some.sort(key=lambda each: rank.get(heading_of(each).plain, -1))
        if word == "customer":
            # an id stands beside a name: the ledger knows its customers by one of them
            there = {each: int(as_text(part.frame[each]).isin(known).sum()) for each in some}
            some.sort(key=there.__getitem__, reverse=True)
        if some:
            found[word] = some[0]
    return found


def _stated(table: Table, ledger: Ledger, reading: Reading) -> pd.DataFrame:
    """Each reason of a customer of the ledger: `code`, `month`, `reason`, `detail`, `row`.

    Raises DataError with every finding.
    """
    refuse_lost_names(table)
    customers = as_text(table.frame["customer"])
    check_texts(table, pd.DataFrame({"customer": customers}))
    refuse_rows(table, "customer", customers.isna(), "is empty", "every row needs the customer")
    days = last_days(table, "month", reading, "YYYY-MM, or as YYYY-MM-DD")
    names = ledger.true_names(ledger.entries.frame["customer"].cat.categories)
    why = "no loss of the ledger is theirs"
    masked, others = bool(ledger.unmasked), ledger.elsewhere
    codes = in_ledger(table, customers, names, reading.ids, masked, why, others)
    if table.findings:
        table.stop()
    stated = pd.DataFrame(
        {
            "code": codes,
            "month": month_of_day(days),
            "reason": one_line(table.frame["reason"]),
            "detail": one_line(table.frame["detail"]),
            "row": table.frame.index,
        }
    )
    return without(
        table,
        stated[stated["code"] >= 0],
        stated["reason"] == "",
        ("row gives", "rows give"),
        "no reason",
        f"left out: what such rows are of counts as {NOT_GIVEN}",
    )


def one_line(cells: pd.Series) -> pd.Series:
    """Texts on one line, "" where there is none; a character that a terminal obeys is spelled."""
    texts = as_text(cells)
    plain_texts = {each: visible(" ".join(each.split())) for each in texts.cat.categories}
    return texts.astype(object).map(plain_texts).fillna("").astype("str")


def without(
    table: Table,
    stated: pd.DataFrame,
    out: pd.Series,
    words: tuple[str, str],
    what: str,
    remedy: str,
) -> pd.DataFrame:
    """The other rows; how many are left out, and why, is noted with the first of them."""
    gone = stated[out.reindex(stated.index)]
    if len(gone):
        table.notice(f"{counted(len(gone), *words)} {what}", remedy, int(gone["row"].min()))
    return stated.drop(gone.index)


# --- which kind a reason is of, and which loss it explains ----------------------------------------


def _card(card: SignalsCard | str | Path | None) -> SignalsCard:
    return card if isinstance(card, SignalsCard) else read_signals_card(card)


def _sorted_into_kinds(
    stated: pd.DataFrame, kinds: Mapping[str, str]
) -> tuple[pd.DataFrame, list[str]]:
    """With one spelling for one reason, its kind, and its rank in KINDS; and those of no kind."""
    words = stated["reason"].map(plain)
    # the most common spelling; of two as common the first by name, whatever order the rows have
    spellings = stated.groupby([words.rename("words"), "reason"]).size().reset_index(name="number")
    spellings = spellings.sort_values(["number", "reason"], ascending=[False, True])
    spelled = spellings.drop_duplicates("words").set_index("words")["reason"]
    told = {each: kind_of(each, kinds) for each in spelled.index}
    kind = words.map(lambda each: told[each] or "other").astype("str")
    rank = kind.map({name: place for place, name in enumerate(KINDS)})
    unsorted = sorted(spelled[each] for each, known in told.items() if not known)
    return stated.assign(reason=words.map(spelled), kind=kind, rank=rank), unsorted


def _unsorted(reasons: Sequence[str], ledger: Ledger) -> tuple[str, str]:
    """What is said of reasons of no kind, and what to do."""
    some = "" if ledger.unmasked else f": {listed([*map(as_written, reasons)])}"
    problem = f"{counted(len(reasons), 'reason')} that no word sorts, counted as other{some}"
    return problem, "sort them in the signals card, such as reasons: {too far away: service}"


def _matched(table: Table, ledger: Ledger, stated: pd.DataFrame) -> pd.DataFrame:
    """The reasons that explain a loss, one for each, with its month; others are noted."""
    step, losses = ledger.step, _keys_of_losses(ledger)
    first, last = ledger.entries.months[0], ledger.entries.months[-1]
    stated = without(
        table,
        stated,
        stated["month"] > last,
        ("reason is", "reasons are"),
        f"dated after the ledger's last month, {month_name(last)}",
        "left out: what is explained is not in the ledger yet",
    )
    # a day or month between two snapshots is of the second
    month = first + -((first - stated["month"].to_numpy(np.int64)) // step) * step
    tried = [_found(losses, stated["code"].to_numpy(), month + by) for by in (0, step, -step)]
    distance = np.argmax(np.array(tried) >= 0, axis=0)
    loss = np.choose(distance, tried)
    stated = stated.assign(loss=loss, distance=distance)
    stated = without(
        table,
        stated,
        stated["loss"] < 0,
        ("reason is", "reasons are"),
        "of a month in which the customer neither left nor shrank, nor in the one before or after",
        "left out, as there is no loss to explain: correct the month",
    )

    counts, others, problem = _one_each(stated, ledger)
    if problem:
        table.notice(problem, ONE_EACH, int(others["row"].min()))
    return counts.assign(dated=counts["month"], month=losses[counts.index] % MONTHS_APART)


def _one_each(stated: pd.DataFrame, ledger: Ledger) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """The reason that counts, by loss; the others; and what is said of them, "" without any."""
    order = ["loss", "distance", "rank", "reason", "detail"]
    stated = stated.sort_values(order).drop_duplicates(["loss", "reason"])
    counts = stated.drop_duplicates("loss").set_index("loss")
    others = stated[stated["loss"].duplicated()].drop_duplicates("loss")
    if others.empty:
        return counts, others, ""
    pairs = zip(counts["reason"].reindex(others["loss"]), others["reason"], strict=True)
    told = listed([f"{as_written(one)} counts, not {as_written(other)}" for one, other in pairs])
    problem = f"{counted(len(others), 'loss has', 'losses have')} several reasons"
    return counts, others, problem + ("" if ledger.unmasked else f": {told}")


def _keys_of_losses(ledger: Ledger) -> np.ndarray:
    """All losses of a ledger, sorted: customer and month as one number each."""
    _, events = ledger.histories(ledger.months[-1])
    lost = events[events["kind"].isin([MOVEMENT_NUMBER[name] for name in LOSSES])]
    return np.sort(_key(lost["customer"].to_numpy(), lost["month"].to_numpy()))


def _key(customer: np.ndarray, month: np.ndarray) -> np.ndarray:
    return np.asarray(customer, dtype=np.int64) * MONTHS_APART + np.asarray(month, dtype=np.int64)


def _found(losses: np.ndarray, customer: np.ndarray, month: np.ndarray) -> np.ndarray:
    """`ndarray[row]`: the place of each customer's loss in that month, -1 where it has none."""
    return np.asarray(pd.Index(losses).get_indexer(pd.Index(_key(customer, month))))


def _finished(matched: pd.DataFrame, ledger: Ledger) -> pd.DataFrame:
    """The frame of Reasons; where names are masked, without what may tell one."""
    frame = matched.sort_values(["code", "month"], ignore_index=True)
    names = np.asarray(ledger.entries.frame["customer"].cat.categories, dtype=object)
    frame["customer"] = names[frame["code"].to_numpy(np.int64)]
    if ledger.unmasked:
        alone = frame.groupby("reason")["customer"].transform("nunique") == 1
        frame["reason"] = frame["reason"].where(~alone, frame["kind"])
        frame["detail"] = ""
    texts = dict.fromkeys(("customer", "reason", "kind", "detail"), "str")
    return frame[[*COLUMNS]].astype({**texts, "month": np.int64, "dated": np.int64})
