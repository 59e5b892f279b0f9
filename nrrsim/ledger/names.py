"""Customers' names in, those that may be one customer out; never takes two for one itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence

import numpy as np
import pandas as pd

from nrrsim.ledger.cells import numbers_of
from nrrsim.ledger.columns import Table
from nrrsim.ledger.pairs import AT_ONCE
from nrrsim.ledger.values import as_written, codes_of, with_used_names
from nrrsim.months import month_name
from nrrsim.notation import counted

MOST_PAIRS = 5  # of names in one notice
ELSEWHERE = -2  # the place of a customer of another part of the ledger
# zeros that a spreadsheet drops, and that it adds
ZEROS = re.compile(r"^\s*0+(?=\w)|(?<=\d)\.0+$")
# the same in names one below the other, each after a line end and before one
LEADING_ZEROS, TRAILING_ZEROS = re.compile(r"\n\s*0+(?=\w)"), re.compile(r"\.0+\n")
# in names one below the other: a blank that is none, two of them, or one at an end
UNEVEN = re.compile(r"[^\S \n]|  |^ | $", re.MULTILINE)
MOST_OTHERS = 10  # customers of another table, in one notice


def check_ids(table: Table, customers: pd.Series, ids: str | None = None) -> pd.Series:
    """The customers; whether names that differ by zeros alone are one customer or two is asked.

    `ids` is the answer. With `one`, all rows get the name that keeps its leading zeros and has none
    behind a decimal point, and a notice says so; with `two` they stay as they are. Names that
    differ by a character that nobody sees are refused.
    """
    names = customers.cat.categories.tolist()
    hidden = [] if "".join(names).isprintable() else _alike(names, _visible)
    if hidden:
        problem, row = _as_found(table, customers, hidden[0], "a character that nobody sees")
        remedy = "write a customer in one way everywhere"
        table.ask(problem + _and_more(hidden), remedy, "", field="customer", row=row)
    # of all names together it is told whether any may have such zeros
    text = "\n".join(["", *names, ""])
    may_differ = LEADING_ZEROS.search(text) or TRAILING_ZEROS.search(text)
    groups = _alike(names, without_zeros) if may_differ and ids != "two" else []
    if not groups:
        return customers

    if ids is None:
        problem, row = _as_found(table, customers, groups[0], _zeros_of(*groups[0][:2]))
        table.ask(
            problem + _and_more(groups),
            "a spreadsheet drops the zeros of ids: say which with --ids one (they are one customer)"
            " or --ids two",
            "ids",
            ("one", "two"),
            field="customer",
            row=row,
        )
        return customers
    one = {name: max(group, key=_written_out) for group in groups for name in group}
    told = [f"{name!a} is read as {kept!a}" for name, kept in one.items() if name != kept]
    table.notice(f"ids that differ by zeros: {listed(told)}", "as --ids one says")
    merged = pd.Categorical(customers.astype(object).replace(one))
    return pd.Series(merged, index=customers.index)


def look_at_number_cells(table: Table, written: pd.Series, customers: pd.Series) -> None:
    """Say so where a spreadsheet holds an id as a number here and as text there: they are one.

    `written` are the cells as they came.
    """
    if written.dtype != object:
        return
    is_text = written.map(lambda cell: isinstance(cell, str)).to_numpy(bool)
    codes = codes_of(customers)
    both = np.intersect1d(codes[is_text], codes[~is_text])
    if len(both := both[both >= 0]):
        names = [f"{customers.cat.categories[code]!a}" for code in both.tolist()]
        table.notice(
            f"customers that stand as a number here and as text there: {listed(names)}",
            "number and text of the same digits are read as one customer",
        )


def _alike(names: Sequence[str], plain: Callable[[str], str]) -> list[list[str]]:
    """The names that are several for one plain name, those of one together."""
    all_names = pd.Series(names, dtype=object)
    folded = all_names.map(plain)
    twins = folded.duplicated(keep=False)
    return [group.tolist() for _, group in all_names[twins].groupby(folded[twins], sort=False)]


def _as_found(table: Table, customers: pd.Series, group: list[str], what: str) -> tuple[str, int]:
    """What is told of the first two of a group, and in which row the second stands."""
    first, second = group[:2]
    names = customers.to_numpy(object)
    rows = [int(customers.index[int(np.argmax(names == name))]) for name in (first, second)]
    place = table.place(rows[0])
    return f"{as_written(second)} and {as_written(first)} ({place}) differ by {what} alone", rows[1]


def _and_more(groups: list[list[str]]) -> str:
    return f", and so do {len(groups) - 1:,} more" if len(groups) > 1 else ""


def without_zeros(name: str) -> str:
    """An id as a spreadsheet may leave it: no leading zeros, and none behind a decimal point."""
    return ZEROS.sub("", name)


def _zeros_of(one: str, other: str) -> str:
    """By which zeros two ids differ."""
    point = re.compile(r"(?<=\d)\.0+$")
    if point.sub("", one) == point.sub("", other):
        return "a decimal point and zeros"
    return "zeros" if point.search(one) or point.search(other) else "leading zeros"


def _written_out(name: str) -> tuple[bool, int]:
    """How much an id has of what a spreadsheet drops, and how little of what it adds."""
    return not re.search(r"\.0+$", name), len(name)


def look_at_names(table: Table, frame: pd.DataFrame) -> None:
    """Names that differ only by case or spaces would be a false churn and a false new customer."""
    all_names = with_used_names(frame["customer"]).cat.categories.tolist()
    each_folded = _all_folded(all_names)
    if len(set(each_folded)) == len(all_names):
        return
    names, alike = pd.Series(all_names), pd.Series(each_folded)
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
    customer, month = numbers_of(frame["customer"]), frame["month"].to_numpy()
    arr = frame["arr"].to_numpy()
    is_next = customer[1:] != customer[:-1]
    begins = np.append(True, is_next | (month[1:] != month[:-1]))
    if not begins.all():  # of several lines what they come to
        begins = np.flatnonzero(begins)
        customer, month, arr = customer[begins], month[begins], np.add.reduceat(arr, begins)
        is_next = customer[1:] != customer[:-1]

    def cents(rows: np.ndarray | slice) -> np.ndarray:
        return np.asarray(np.round(100 * arr[rows]))

    def paid(rows: np.ndarray) -> pd.DataFrame:
        each = {"customer": customer[rows], "month": month[rows], "cents": cents(rows)}
        return pd.DataFrame(each)

    new = paid(np.append(0, np.flatnonzero(is_next) + 1))
    gone = paid(np.append(np.flatnonzero(is_next), len(customer) - 1))
    following = dict(zip(months[:-1].tolist(), months[1:].tolist(), strict=True))
    gone = gone.assign(month=gone["month"].map(following)).dropna()

    # beside the two nobody goes, comes or stays with the amount: what several do is passed over
    # before pairs are made, of which a list price would have millions
    keys = ["month", "cents"]
    new = new[new["cents"].isin(gone["cents"])]
    gone = gone[gone["cents"].isin(new["cents"])]
    new, gone = (each[~each.duplicated(keys, keep=False)] for each in (new, gone))
    both = gone.merge(new, on=keys, suffixes=("", "_new"))
    if both.empty:
        return
    wanted = both["cents"].unique()
    of_amounts = np.concatenate(
        [
            begin + np.flatnonzero(pd.Series(cents(slice(begin, begin + AT_ONCE))).isin(wanted))
            for begin in range(0, len(arr), AT_ONCE)
        ]
    )
    payers = paid(of_amounts).merge(both[keys]).value_counts(keys)
    alone = both.set_index(keys).loc[payers.index[payers == 1]]
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
    table.notice(
        f"one customer gone and another new with the same amount: {listed(shown)}",
        "if one was renamed, give both rows one name: else it counts as churn and as new",
    )


def listed(told: Sequence[str]) -> str:
    """The first few of what is told, and how many more there are."""
    more = f" and {len(told) - MOST_PAIRS:,} more" if len(told) > MOST_PAIRS else ""
    return "; ".join(told[:MOST_PAIRS]) + more


def folded(name: str) -> str:
    """A name without what the eye does not see: case, spaces, the invisible, forms of accents."""
    return " ".join(_visible(unicodedata.normalize("NFKC", name)).split()).casefold()


def _all_folded(names: Sequence[str]) -> list[str]:
    """The same of all names: at once where they are plain text with single blanks."""
    text = "\n".join(names)
    is_plain = text.isascii() and not UNEVEN.search(text) and text.count("\n") == len(names) - 1
    return text.casefold().split("\n") if is_plain else [*map(folded, names)]


def _visible(name: str) -> str:
    if name.isprintable():
        return name
    return "".join(each for each in name if unicodedata.category(each) != "Cf")


def _words(name: str) -> set[str]:
    return {word for word in re.findall(r"\w+", folded(name)) if len(word) > 2}


# --- other tables of the same customers -----------------------------------------------------------


def in_ledger(
    table: Table,
    customers: pd.Series,
    names: Sequence[str],
    ids: str | None,
    masked: bool,
    left_out: str,
    elsewhere: Collection[str] = (),
) -> np.ndarray:
    """`ndarray[row]`: the place of each row's customer among a ledger's `names`, -1: none of them.

    elsewhere : the customers of a ledger's other parts, of which nothing is said; -2.

    Ids that differ by zeros are one customer, or two, as was said of the ledger (`ids`); else it is
    asked. How many are not there is noted, with why they are `left_out`; that nobody is, is
    refused. Where names are `masked` no notice holds one.
    """
    codes, mine = codes_of(customers), customers.cat.categories
    known = pd.Index([*names, *sorted(elsewhere)])
    found = known.get_indexer(mine)
    if (found < 0).any() and ids != "two":
        _match_zeros(table, customers, known, found, ids, masked)
    others = mine[found < 0]
    if len(others) and not table.findings:
        _say_of_others(table, customers, known, others, masked, left_out)
    found[found >= len(names)] = ELSEWHERE
    return np.asarray(np.r_[found, -1][codes])


def _match_zeros(
    table: Table,
    customers: pd.Series,
    known: pd.Index,
    found: np.ndarray,
    ids: str | None,
    masked: bool,
) -> None:
    """Find (in `found`) who is in the ledger but for the zeros of an id."""
    mine = customers.cat.categories
    stripped = pd.Series(np.arange(len(known)), index=[without_zeros(each) for each in known])
    stripped = stripped[~stripped.index.duplicated(keep=False)]
    lost = np.flatnonzero(found < 0)
    near = stripped.reindex([without_zeros(each) for each in mine[lost]]).to_numpy()
    near, lost = near[~np.isnan(near)].astype(int), lost[~np.isnan(near)]
    if not len(lost):
        return
    if ids == "one":
        found[lost] = near
        pairs = [f"{mine[a]!a} is {known[b]!a}" for a, b in zip(lost, near, strict=True)]
        told = counted(len(pairs), "id") if masked else listed(pairs)
        table.notice(f"ids that differ by zeros: {told}", "as --ids one says")
        return
    written, ours = as_written(mine[int(lost[0])]), as_written(known[int(near[0])])
    more = f", and so do {len(lost) - 1:,} more" if len(lost) > 1 else ""
    table.ask(
        f"{written} and the ledger's {ours} differ by zeros alone{more}",
        "say which with --ids one (they are one customer) or --ids two",
        "ids",
        ("one", "two"),
        field="customer",
        row=_first_row(customers, customers.cat.codes == lost[0]),
    )


def _say_of_others(
    table: Table,
    customers: pd.Series,
    known: pd.Index,
    others: pd.Index,
    masked: bool,
    left_out: str,
) -> None:
    """Say of those who are not in the ledger how many they are, and whom they look like."""
    row = _first_row(customers, customers.isin(others))
    more = f" and {len(others) - MOST_OTHERS:,} more" if len(others) > MOST_OTHERS else ""
    some = ", ".join(as_written(name) for name in others[:MOST_OTHERS])
    such = "" if masked else f", such as {some}{more}"
    if len(others) == len(customers.cat.categories):
        problem = f"none of {counted(len(others), 'customer')} is in the ledger{such}"
        table.refuse(problem, "write them as the ledger does", "customer", row)
        return
    problem = f"{counted(len(others), 'customer is', 'customers are')} not in the ledger{such}"
    table.notice(problem, f"left out: {left_out}", row)
    of_ledger = {folded(name): name for name in known}
    like = [(each, of_ledger[key]) for each in others if (key := folded(each)) in of_ledger]
    if like and not masked:
        told = listed([f"{each!a} is {name!a} there" for each, name in like])
        remedy = "each spelling counts as a customer of its own: write them alike"
        table.notice(f"names that look like the ledger's: {told}", remedy, row)


def _first_row(customers: pd.Series, which: pd.Series) -> int:
    return int(customers.index[int(np.argmax(which))])
