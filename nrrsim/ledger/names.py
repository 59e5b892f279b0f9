"""Customers' names in, those that may be one customer out; never takes two for one itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import numpy as np
import pandas as pd

from nrrsim.errors import Finding
from nrrsim.ledger.columns import Table
from nrrsim.ledger.values import as_written, codes_of
from nrrsim.months import month_name

MOST_PAIRS = 5  # of names in one notice


def check_ids(table: Table, customers: pd.Series) -> None:
    """Two names that differ by leading zeros alone, or by a joiner, are one customer, or a slip."""
    alike: dict[str, Callable[[str], str]] = {
        "leading zeros": lambda name: re.sub(r"^\s*0+(?=\w)", "", name),
        "a decimal point and zeros": lambda name: re.sub(r"(?<=\d)\.0+$", "", name),
        "a character that nobody sees": _visible,
    }
    names = customers.cat.categories
    codes, rows = np.unique(customers.cat.codes, return_index=True)
    row_of = dict(zip(codes.tolist(), rows.tolist(), strict=True))
    for what, folded in alike.items():
        first: dict[str, int] = {}
        for code, name in enumerate(names):
            other = first.setdefault(folded(name), code)
            if other == code:
                continue
            (one, at), other_place = table.place(row_of[code]), table.place(row_of[other])
            table.findings.append(
                Finding(
                    one,
                    at,
                    f"{as_written(name)} and {as_written(names[other])} ({other_place})"
                    f" differ by {what} alone",
                    "write a customer in one way everywhere"
                    + ("" if "nobody" in what else "; a spreadsheet keeps the zeros of text"),
                    "customer",
                )
            )


def look_at_names(table: Table, frame: pd.DataFrame) -> None:
    """Names that differ only by case or spaces would be a false churn and a false new customer."""
    names = pd.Series(frame["customer"].cat.remove_unused_categories().cat.categories)
    alike = names.map(_folded)
    twins = alike.duplicated(keep=False)
    for _, group in names[twins].groupby(alike[twins]):
        table.notice(
            f"customers whose names look the same: {', '.join(map(ascii, sorted(group)))}",
            "each spelling counts as a customer of its own",
        )


def look_at_renames(table: Table, frame: pd.DataFrame, months: np.ndarray) -> None:
    """Who goes as another comes with the same amount may be one customer under a new name.

    Told where the amount singles the two out: nobody else goes, comes or stays with it.
    """
    customer, month = codes_of(frame["customer"]), frame["month"].to_numpy()
    begins = np.flatnonzero(np.diff(customer, prepend=-1) | np.diff(month, prepend=-1))
    cents_paid = np.round(100 * np.add.reduceat(frame["arr"].to_numpy(), begins))
    paid = pd.DataFrame({"customer": customer[begins], "month": month[begins], "cents": cents_paid})
    new = paid[~paid["customer"].duplicated()]
    gone = paid[~paid["customer"].duplicated(keep="last")]
    following = dict(zip(months[:-1].tolist(), months[1:].tolist(), strict=True))
    gone = gone.assign(month=gone["month"].map(following)).dropna()

    # beside the two nobody goes, comes or stays with the amount
    both = gone.merge(new, on=["month", "cents"], suffixes=("", "_new"))
    if both.empty:
        return
    pairs = both.value_counts(["month", "cents"])
    payers = paid.merge(both[["month", "cents"]].drop_duplicates()).value_counts(["month", "cents"])
    once = pairs.index[(pairs == 1) & (payers.reindex(pairs.index) == 1)]
    alone = both.set_index(["month", "cents"]).loc[once]
    if alone.empty:
        return

    names = frame["customer"].cat.categories
    pairs_of_names = [
        (str(names[old]), str(names[new]), month_name(int(month)))
        for (month, _), old, new in alone.sort_index().itertuples()
    ]
    # those that have a word in common first
    pairs_of_names.sort(key=lambda each: _words(each[0]).isdisjoint(_words(each[1])))
    shown = [f"{old!a} -> {new!a} in {month}" for old, new, month in pairs_of_names]
    more = f" and {len(shown) - MOST_PAIRS:,} more" if len(shown) > MOST_PAIRS else ""
    table.notice(
        "one customer gone and another new with the same amount:"
        f" {'; '.join(shown[:MOST_PAIRS])}{more}",
        "if one was renamed, give both rows one name: else it counts as churn and as new",
    )


def _folded(name: str) -> str:
    """A name without what the eye does not see: case, spaces, the invisible, forms of accents."""
    return " ".join(_visible(unicodedata.normalize("NFKC", name)).split()).casefold()


def _visible(name: str) -> str:
    if name.isprintable():
        return name
    return "".join(each for each in name if unicodedata.category(each) != "Cf")


def _words(name: str) -> set[str]:
    return {word for word in re.findall(r"\w+", _folded(name)) if len(word) > 2}
