"""A table of what was done for customers in, who got what and when out; never guesses an arm.

A row is a customer, a date, an action (a call, a review, an onboarding) and, where a lot decided
who gets it, the arm: treated or holdout. A holdout's date is that of the lot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.accounts.reasons import one_line, table_of, without
from nrrsim.errors import Finding
from nrrsim.ledger.columns import Table
from nrrsim.ledger.dates import month_of_day
from nrrsim.ledger.ledger import Ledger
from nrrsim.ledger.names import in_ledger, listed
from nrrsim.ledger.reading import Reading
from nrrsim.ledger.sources import read_further
from nrrsim.ledger.values import (
    as_text,
    as_written,
    check_texts,
    last_days,
    refuse_lost_names,
    refuse_rows,
)
from nrrsim.ledger.vocabulary import CUSTOMER, MONTH, plain
from nrrsim.notation import counted

TREATED, HOLDOUT = "treated", "holdout"
ARMS = {TREATED: TREATED, "treatment": TREATED, HOLDOUT: HOLDOUT, "hold out": HOLDOUT}
ARMS |= {"control": HOLDOUT, "": ""}
HEADINGS = {
    "customer": CUSTOMER,
    "date": (
        *("date", "day", "action date", "activity date", "completed at", "completed date"),
        *("completed on", "due date", "created at", *(name for name in MONTH if name != "date")),
    ),
    "action": (
        *("action", "activity", "activity type", "action type", "type", "playbook", "play"),
        *("programme", "program", "intervention", "subject"),
    ),
    "arm": ("arm", "group", "trial arm", "test group", "treatment group"),
}
COLUMNS = "a table of actions has the columns customer, date, action and, where randomised, arm"
COLUMNS_KEPT = ("customer", "month", "action", "arm")
NEVER_PAID = "who never paid cannot be kept"


@dataclass(frozen=True)
class ActionTable:
    """What was done for customers. Made by `read_actions`.

    `frame`: a row for each customer and action, the first of several, sorted by action, month and
    customer: `customer` (the ledger's own name), `month` (a month number), `action` (one spelling
    for all that differ by case alone), `arm` ("treated", "holdout", "" where no lot decided).
    `notices`: what is left out, and why. `files`: what was read.
    """

    frame: pd.DataFrame
    notices: tuple[Finding, ...] = ()
    files: tuple[str, ...] = ()


def read_actions(source: Any, ledger: Ledger, reading: Reading | None = None) -> ActionTable:
    """The actions in a table `customer, date, action[, arm]`.

    source : a file, a folder, a pattern, a table, or a list of such, in any form that a ledger may
        have. reading : how dates, ids and headings are to be read where the files do not say;
        default: as the ledger was.

    Of a customer that got an action more than once the first counts, and a notice says how often
    that was. Customers who are not in the ledger are left out, and counted in a notice. Raises
    UsageError for a source that is not there, DataError with every finding if the data do not fit:
    a customer in both arms of an action, or an action of which some rows have an arm and some none.
    """
    # the ledger's query and sheet say nothing of another file
    how = reading or replace(ledger.reading, query=None, sheet=None)
    parts, files = read_further(source, how.query, how.sheet, "the table of actions")
    table = table_of(parts, ledger, how, HEADINGS, ("customer", "date", "action"), COLUMNS)
    done = _done(table, ledger, how)
    _refuse_two_arms(table, ledger, done)
    if table.findings:
        table.stop()
    done = without(
        table,
        done[done["code"] >= 0].sort_values(["month", "row"], kind="stable"),
        done.sort_values(["month", "row"]).duplicated(["code", "action"]),
        ("row is", "rows are"),
        "of a customer who had got the action before",
        "left out: an action counts from the first time on",
    )
    names = np.asarray(ledger.entries.frame["customer"].cat.categories, dtype=object)
    done = done.assign(customer=names[done["code"].to_numpy(np.int64)])
    done = done.sort_values(["action", "month", "customer"], ignore_index=True)
    texts = dict.fromkeys(("customer", "action", "arm"), "str")
    frame = done[[*COLUMNS_KEPT]].astype({**texts, "month": np.int64})
    return ActionTable(frame, tuple(table.notices), files)


def _done(table: Table, ledger: Ledger, reading: Reading) -> pd.DataFrame:
    """Each row: `code` (-1: not in the ledger), `month`, `action`, `arm`, `row`; what is wrong with
    one is noted.
    """
    refuse_lost_names(table)
    customers = as_text(table.frame["customer"])
    check_texts(table, pd.DataFrame({"customer": customers}))
    refuse_rows(table, "customer", customers.isna(), "is empty", "every row needs the customer")
    days = last_days(table, "date", reading, "YYYY-MM-DD, or as YYYY-MM")
    action, arm = one_line(table.frame["action"]), one_line(table.frame["arm"])
    remedy = "write what was done, such as call"
    refuse_rows(table, "action", (action == "").to_numpy(), "is empty", remedy)
    known = arm.map(lambda each: ARMS.get(plain(each)))
    remedy = "write treated or holdout; leave the cell empty where nothing was randomised"
    refuse_rows(table, "arm", known.isna().to_numpy(), "{} is no arm", remedy)
    names = ledger.true_names(ledger.entries.frame["customer"].cat.categories)
    masked = bool(ledger.unmasked)
    others = ledger.elsewhere
    codes = in_ledger(table, customers, names, reading.ids, masked, NEVER_PAID, others)
    if table.findings:
        table.stop()
    words = action.map(plain)
    # the most common spelling; of two as common the first by name, whatever order the rows have
    number = action.groupby(action).transform("size")
    order = pd.DataFrame({"words": words, "number": -number, "action": action})
    spelled = order.sort_values(["number", "action"]).drop_duplicates("words").set_index("words")
    return pd.DataFrame(
        {
            "code": codes,
            "month": month_of_day(days),
            "action": words.map(spelled["action"]),
            "arm": known,
            "row": table.frame.index,
        },
        index=table.frame.index,
    )


def _refuse_two_arms(table: Table, ledger: Ledger, done: pd.DataFrame) -> None:
    """Note each action of which only some rows have an arm, and who is in both arms of one."""
    for action, rows in done.groupby("action", sort=True):
        bare = rows[rows["arm"] == ""]
        if 0 < len(bare) < len(rows):
            table.refuse(
                f"{as_written(action)}: {counted(len(bare), 'row has', 'rows have')} no arm and"
                f" {len(rows) - len(bare):,} have one",
                "if it was randomised, write treated or holdout for each; what was done without is"
                " another action: give it a name of its own",
                "arm",
                int(bare["row"].iloc[0]),
            )
            continue
        arms = rows[rows["code"] >= 0].groupby("code")["arm"].nunique()
        if (arms > 1).any():
            both = rows[rows["code"].isin(arms.index[arms > 1])]
            names = ledger.entries.frame["customer"].cat.categories[arms.index[arms > 1]]
            some = "" if ledger.unmasked else f": {listed([*map(as_written, names)])}"
            table.refuse(
                f"{as_written(action)}: {counted(len(names), 'customer is', 'customers are')} both"
                f" treated and holdout{some}",
                "each customer is drawn into one arm; a second draw is another action: give it a"
                " name of its own",
                "arm",
                int(both["row"].iloc[-1]),
            )
