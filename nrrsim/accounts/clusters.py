"""Losses of the last months in, those that come together out; never looks at losses alone.

Three accounts of one industry that leave in one quarter may be chance, or the first sign of what
costs more next quarter. For each value of each text column (an industry, a region, a plan) the
customers who have it are counted, and of these who contracted or left in the window. Their number
is held against the one that each one's own risk of the months before, raised where the whole book
lost more than that, lets expect: how likely so many are by chance is a binomial tail. As many
values are looked at, what counts as found is told by the procedure of Benjamini and Hochberg.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nrrsim import special
from nrrsim.accounts.features import Panel
from nrrsim.accounts.reasons import Reasons, losses, reason_columns
from nrrsim.accounts.risk import CELLS, rates
from nrrsim.ledger.ledger import Ledger
from nrrsim.ledger.rollforward import COHORT_BY
from nrrsim.months import month_name, parse_month
from nrrsim.movements import json_amount, json_ratio

MONTHS = 3  # of the window: a quarter; of an annual ledger its step
PAST = 12  # months before the window, at least, from which the usual risk is learnt
FEWEST, TOGETHER = 3, 2  # customers who have a value; losses that may come together
FALSE_SHARE = 0.05  # of what is found, at most, on average
WORTH_A_LOOK = 0.01  # how unlikely by chance what is shown beside it has to be
SHOWN = (
    *("column", "value", "also", "customers", "lost", "expected", "p", "arr_lost"),
    *("names", "reasons"),
)


@dataclass(frozen=True)
class Clusters:
    """Which values of text columns had more losses in the `window` than chance explains.

    window : its first and last month, "YYYY-MM". looked_at : how many values were compared, those
        that the same customers have counted once. found, worth_a_look : a row each, the least
        likely first: `column`, `value`, `also` (a tuple of further (column, value) that stand for
        the same losses), `customers` (who have the value), `lost` (how many of them contracted or
        left), `expected`, `p` (how likely so many are by chance), `arr_lost` (positive, at the
        rates of the window's start), `names` (a tuple, the largest loss first), `reasons` (the kind
        of each in the same order; empty where no reasons were given). expected_by_chance : how many
        values, at most, would on average be found or worth a look if as many losses as there were
        had come by chance. currency : of amounts. why : why nothing could be looked at, else "".
    """

    as_of: str
    window: tuple[str, str]
    looked_at: int
    found: pd.DataFrame
    worth_a_look: pd.DataFrame
    expected_by_chance: float
    currency: str = ""
    why: str = ""

    def told(self) -> dict[str, Any]:
        """What `nrrsim accounts --json` prints of them."""

        def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
            return [
                row
                | {name: json_ratio(row[name]) for name in ("expected", "p")}
                | {name: [*map(_listed, row[name])] for name in ("also", "names", "reasons")}
                | {"arr_lost": json_amount(row["arr_lost"], self.currency)}
                for row in frame.to_dict("records")
            ]

        return {
            "window": [*self.window],
            "looked_at": self.looked_at,
            "why": self.why,
            "found": rows(self.found),
            "worth_a_look": rows(self.worth_a_look),
            "expected_by_chance": json_ratio(self.expected_by_chance),
        }


def _listed(value: Any) -> Any:
    return [*value] if isinstance(value, tuple) else value


def clusters(ledger: Ledger, as_of: str, reasons: Reasons | None = None) -> Clusters:
    """The losses of the last three months that come together, of all customers of their start.

    A customer whose lines have several values of a column has each of them. Columns that say why
    a customer left, and values that everybody has, are left out, and so is who has no value.
    Nothing after `as_of` is looked at. Raises UsageError where it is not in the ledger.
    """
    end = ledger.inside(as_of, "as_of")
    months = max(MONTHS, ledger.step)
    start, first = end - months, parse_month(ledger.months[0], "month")
    span = month_name(start + 1), month_name(end)
    if start - first < PAST:
        why = (
            f"needs {PAST} months before the last {months}; the ledger has {max(start - first, 0)}"
        )
        return Clusters(month_name(end), span, 0, _nothing(), _nothing(), 0.0, why=why)

    chances = _chances(ledger, start, end)
    # in the order of the account model, which no name moves
    at_start = ledger.customers(month_name(start), renewed_by=month_name(end)).loc[chances.index]
    lost = losses(ledger, as_of, months, reasons)
    has_lost, chance = at_start.index.isin(lost["customer"]), chances.to_numpy()
    # where the whole book has a bad quarter, that is no cluster
    chance = np.minimum(chance * max(1.0, has_lost.sum() / max(chance.sum(), 1e-9)), 1.0)

    columns = [name for name in ledger.columns if name not in (*COHORT_BY, *reason_columns(ledger))]
    holds = _who_has_what(ledger, columns, at_start, start)
    values = _counted(holds, has_lost, chance)
    if values.empty:
        why = f"no column has a value that {FEWEST} customers have and others have not"
        return Clusters(month_name(end), span, 0, _nothing(), _nothing(), 0.0, why=why)

    looked_at = values.drop_duplicates("who").set_index("who")
    n, number = looked_at["customers"].to_numpy(), looked_at["lost"].to_numpy()
    q = looked_at["expected"].to_numpy() / n
    p, together = special.bdtrc(number - 1, n, q), number >= TOGETHER
    found = together & (_adjusted(p) < FALSE_SHARE)
    looked_at = looked_at.assign(p=p, found=found, shown=found | (together & (p < WORTH_A_LOOK)))
    # the fewest losses with which each would be worth a look, and how likely so many are where all
    # that were lost are spread by chance
    fewest = np.maximum(_rare(WORTH_A_LOOK, n, q), TOGETHER)
    spread = q * min(1.0, has_lost.sum() / chance.sum())
    by_chance = float(special.bdtrc(fewest - 1, n, spread).sum())

    values = values.join(looked_at[["p", "found", "shown"]], on="who")
    told = _told(values[values["shown"]], columns, holds, at_start, lost)
    if reasons is None:
        told["reasons"] = [()] * len(told)
    is_found = told.pop("found").to_numpy(bool)
    return Clusters(
        as_of=month_name(end),
        window=span,
        looked_at=len(looked_at),
        found=told[is_found].reset_index(drop=True),
        worth_a_look=told[~is_found].reset_index(drop=True),
        expected_by_chance=by_chance,
        currency=ledger.currency,
    )


# The next two are in scipy.stats as well, which takes longer to load than a page's accounts.


def _adjusted(p: np.ndarray) -> np.ndarray:
    """Benjamini and Hochberg's: the share of false ones among all that are no likelier."""
    order = np.argsort(-p)
    of_each = p[order] * len(p) / np.arange(len(p), 0, -1)
    found = np.empty(len(p))
    found[order] = np.minimum(np.minimum.accumulate(of_each), 1.0)
    return found


def _rare(chance: float, n: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The fewest of n, each with probability q, of whom so many or more are no likelier than
    `chance`.
    """
    low, high = np.zeros(len(n)), n + 1.0  # by halving: all of n + 1 never happen
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        is_rare = special.bdtrc(middle - 1, n, q) <= chance
        low, high = np.where(is_rare, low, middle), np.where(is_rare, middle, high)
    return high


def _nothing() -> pd.DataFrame:
    return pd.DataFrame(columns=list(SHOWN))


def _chances(ledger: Ledger, start: int, end: int) -> pd.Series:
    """How likely each customer of `start` is to contract or leave up to `end`, by its name.

    By the rates that the account model begins with (a segment's, of steps into a renewal and of
    others apart), of all steps up to `start`.
    """
    panel = Panel.of(ledger, month_name(end), None, None)
    lost = (panel.outcome["leave"] == 1) | (panel.outcome["contract"] == 1)
    before, now = np.flatnonzero(panel.month < start), np.flatnonzero(panel.month == start)
    cells = CELLS * len(panel.segments)
    rate = rates(panel.cell(before), lost[before], cells, ledger.step)
    stays = np.ones(len(now))
    for ahead in range(0, end - start, ledger.step):
        stays *= 1 - rate[panel.cell(now, ahead)]
    return pd.Series(1 - stays, index=panel.names[panel.customer[now]])


# --- who has which value --------------------------------------------------------------------------


def _who_has_what(
    ledger: Ledger, columns: list[str], at_start: pd.DataFrame, start: int
) -> pd.DataFrame:
    """Each value that each customer has: `column`, `value` and `customer`, all by number, sorted.

    A customer's number is its place in `at_start`. Of lines with several values each counts; of who
    is late in renewing, the largest line's.
    """
    entries, people = ledger.entries.frame, len(at_start)
    lines = entries[entries["month"].to_numpy() == start]
    place = at_start.index.get_indexer(lines["customer"].astype(object))
    lines, place = lines[place >= 0], place[place >= 0]
    customer = np.concatenate([np.arange(people), place])
    parts = []
    for number, column in enumerate(columns):
        codes = [at_start[column].cat.codes.to_numpy(), lines[column].cat.codes.to_numpy()]
        value = np.concatenate(codes).astype(np.int64)
        pairs = np.unique((value * people + customer)[value >= 0])
        parts.append(np.stack([np.full(len(pairs), number), pairs // people, pairs % people]))
    found = np.concatenate(parts, axis=1)
    return pd.DataFrame(dict(zip(("column", "value", "customer"), found, strict=True)))


def _counted(holds: pd.DataFrame, has_lost: np.ndarray, chance: np.ndarray) -> pd.DataFrame:
    """The values that may be a cluster: `column`, `value`, `customers`, `lost`, `expected`.

    Beside them `who` and `losers`, a number each that is equal where the same customers are meant.
    """
    column, value, customer = (holds[name].to_numpy() for name in ("column", "value", "customer"))
    begins = np.flatnonzero(np.diff(column, prepend=-1) | np.diff(value, prepend=-1))
    # a sum of random numbers of 64 bits stands for a set; whatever the seed, the sets are the same
    mark = np.random.default_rng(0).integers(2**63, size=len(chance), dtype=np.uint64)[customer]
    is_lost = has_lost[customer]
    sums = {
        "customers": np.ones(len(holds), dtype=np.int64),
        "lost": is_lost.astype(np.int64),
        "expected": chance[customer],
        "who": mark,
        "losers": np.where(is_lost, mark, 0),
    }
    by_value = {name: np.add.reduceat(each, begins) for name, each in sums.items()}
    frame = pd.DataFrame({"column": column[begins], "value": value[begins], **by_value})
    is_some = (frame["customers"] >= FEWEST) & (frame["customers"] < len(chance))
    return frame[is_some].reset_index(drop=True)


def _told(
    values: pd.DataFrame,
    columns: list[str],
    holds: pd.DataFrame,
    at_start: pd.DataFrame,
    lost: pd.DataFrame,
) -> pd.DataFrame:
    """A row for each set of losses that come together, with names; and whether it is `found`.

    Of values that stand for the same losses the least likely one tells of them.
    """
    by_size = lost.sort_values(["arr", "customer"], ascending=[False, True], kind="stable")
    cost = by_size.groupby("customer", sort=False).agg(arr=("arr", "sum"), kind=("kind", "first"))
    rows = []
    for _, same in values.sort_values("p", kind="stable").groupby("losers", sort=False):
        pairs = [
            (columns[column], str(at_start[columns[column]].cat.categories[value]))
            for column, value in zip(same["column"], same["value"], strict=True)
        ]
        head = same.iloc[0]
        has_it = (holds["column"] == head["column"]) & (holds["value"] == head["value"])
        members = at_start.index[holds.loc[has_it, "customer"].to_numpy()]
        left = cost[cost.index.isin(members)].reset_index()
        left = left.sort_values(["arr", "customer"], ascending=[False, True], kind="stable")
        rows.append(
            {
                "column": pairs[0][0],
                "value": pairs[0][1],
                "also": tuple(pairs[1:]),
                **{name: head[name] for name in ("customers", "lost", "expected", "p")},
                "arr_lost": float(left["arr"].sum()),
                "names": tuple(map(str, left["customer"])),
                "reasons": tuple(left["kind"]),
                "found": head["found"],
            }
        )
    return pd.DataFrame(rows, columns=[*SHOWN, "found"])
