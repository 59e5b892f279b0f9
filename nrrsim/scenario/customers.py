"""A checked book in, its customers as arrays, with those to come, out; never moves one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nrrsim import special
from nrrsim.errors import UsageError, did_you_mean
from nrrsim.ledger.reading import as_keys, in_a_card
from nrrsim.messages import Problem, RefusedError
from nrrsim.months import parse_month
from nrrsim.scenario.book import (
    DECIDED,
    EVERY_SEGMENT,
    LedgerBook,
    NewBusiness,
    SyntheticBook,
    Term,
    no_segment,
)
from nrrsim.scenario.drivers import MULTIPLIERS

if TYPE_CHECKING:
    import pandas as pd

    from nrrsim.ledger.ledger import Ledger


@dataclass(frozen=True)
class Customers:
    """The customers of a scenario by segment and anniversary, with those who are yet to come.

    `segment`, `arr`, `anniversary` (1 to 12), `tenure` (months at month 0), `joins` (the month at
    whose end it joins; 0: it is there at the start): `ndarray[customer]`. `annual`:
    `ndarray[segment]`. `names`: `ndarray[customer]` of a ledger's customers as it calls them, ""
    of who is yet to come; None of a synthetic book. `multipliers`: `ndarray[customer, multiplier]`
    as a table of accounts states them, nan of who is yet to come; None without one. `decided`:
    `ndarray[customer]`, 0 of who renews, infinite of who leaves, nan of whom nothing is decided;
    None where of nobody. `currency`: "" where nobody says. `kept`: what was worked out of them, for
    the next who asks.
    """

    segments: tuple[str, ...]
    annual: np.ndarray
    segment: np.ndarray
    arr: np.ndarray
    anniversary: np.ndarray
    tenure: np.ndarray
    joins: np.ndarray
    names: np.ndarray | None = None
    multipliers: np.ndarray | None = None
    decided: np.ndarray | None = None
    currency: str = ""
    kept: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def total(self) -> float:
        """The ARR of all."""
        return float(self.arr.sum())

    @cached_property
    def differ(self) -> bool:
        """Whether accounts of one segment differ from each other: what they have in common is
        their segment's rate.
        """
        return self.uneven or (self.decided is not None and not np.isnan(self.decided).all())

    @cached_property
    def uneven(self) -> bool:
        """Whether they do so by a table; what is decided of some makes no more than these apart."""
        if self.multipliers is None:
            return False
        here = self.joins == 0
        each = (self.multipliers[here & (self.segment == n)] for n in range(len(self.segments)))
        return any(len(some) and bool((some != some[0]).any()) for some in each)

    @property
    def stated(self) -> np.ndarray:
        """What is stated of each account, `ndarray[customer, multiplier or decided]`: 1 and nan
        where nothing is.
        """
        own, decided = self.multipliers, self.decided
        own = np.ones((len(self.arr), len(MULTIPLIERS))) if own is None else own
        decided = np.full(len(self.arr), np.nan) if decided is None else decided
        return np.column_stack([own, decided])

    @cached_property
    def oldest(self) -> float:
        """The months of the longest tenure."""
        return float(self.tenure.max(initial=0))


def laid_out(book: SyntheticBook) -> Customers:
    """A synthetic book as customers.

    Customer j of n has ARR in proportion to exp(spread z_j), z_j = ndtri((j + 1/2) / n), and the
    anniversary 1 + j mod 12.
    """
    whole = sum(segment.share for segment in book.segments.values())
    arr, anniversary, tenure = [], [], []
    for segment in book.segments.values():
        j = np.arange(segment.customers)
        # a segment without customers has no weights, and divides nothing by nothing
        weight = np.exp(segment.spread * special.ndtri((j + 0.5) / max(segment.customers, 1)))
        arr.append(weight * (book.arr * segment.share / whole / max(weight.sum(), 1e-300)))
        anniversary.append(1 + j % 12)
        tenure.append(np.full(segment.customers, segment.tenure * 12))
    customers = _sorted(
        tuple(book.segments),
        np.array([segment.term == "annual" for segment in book.segments.values()]),
        np.repeat(np.arange(len(arr)), [len(each) for each in arr]),
        *(np.concatenate(each) for each in (arr, anniversary, tenure)),
    )
    return replace(customers, currency=book.currency or "")


def of_ledger(book: LedgerBook, folder: Path) -> Customers:
    """The customers of the ledger at `as_of`, with their renewals and tenures."""
    accounts = None if book.accounts is None else folder / book.accounts
    there = customers_of(ledger_of(book, folder), book.as_of, book.term, accounts=accounts)
    return as_decided(there, book)


def ledger_of(book: LedgerBook, folder: Path) -> Ledger:
    """The ledger that a book names, read as the book says."""
    from nrrsim.ledger.ledger import read_ledger

    try:
        with as_keys():  # as they stand beside the ledger
            return read_ledger(folder / book.ledger, currency=book.currency, reading=book.reading)
    except UsageError as error:
        said = str(error)
        own = ("until", "known_at", "currency")
        at = next((key for key in own if said.startswith(f"{key}: ")), "ledger")
        raise RefusedError(Problem(("book", at), said.removeprefix(f"{at}: "))) from None


def customers_of(
    ledger: Ledger,
    as_of: str,
    term: Mapping[str, Term],
    among: pd.Index | None = None,
    rate_of: str | None = None,
    accounts: Any = None,
) -> Customers:
    """The customers of a ledger at `as_of`; raises RefusedError with where in the book it is wrong.

    among : the names of those to take (default: all; segments that then have nobody stay). rate_of
        : see `customers`. accounts : a file with their multipliers (DataError with every finding
        where it is wrong), or a table, in which they are called as in the ledger.
    """
    import pandas as pd

    try:
        there = ledger.customers(as_of, rate_of)
    except UsageError as error:
        said = in_a_card(str(error)).removeprefix("month: ")
        raise RefusedError(Problem(("book", "as_of"), said)) from None
    if there.empty:
        problem = "nobody pays anything in this month: there is nothing to retain"
        raise RefusedError(Problem(("book", "as_of"), problem))

    now, first = parse_month(as_of, "book.as_of"), parse_month(ledger.months[0], "month")
    frame = ledger.entries.frame
    begun = frame.groupby("customer", observed=True)["month"].min().reindex(there.index).to_numpy()
    renewal = np.full(len(there), np.nan)
    if "renewal" in there:
        renewal = there["renewal"].to_numpy(float)
    known = ~np.isnan(renewal)

    # the first month to come in the calendar month of the renewal, else of the first revenue; who
    # was there in the ledger's first month came earlier, and is spread over the year by name
    month = np.where(known, np.nan_to_num(renewal), begun).astype(np.int64)
    anniversary = 1 + (month - now - 1) % 12
    unknown = ~known & (begun == first)
    names = pd.Series(ledger.true_names(there.index[unknown]), dtype=str)
    rank = names.rank(method="first").to_numpy(np.int64) - 1
    anniversary[unknown] = 1 + rank % 12

    segment = there["segment"].astype("category").cat.remove_unused_categories()
    chosen = np.ones(len(there), bool) if among is None else there.index.isin(among)
    segments = tuple(map(str, segment.cat.categories))
    # alone, `all` is the one segment of a ledger that has no column segment
    if EVERY_SEGMENT in segments and len(segments) > 1:
        problem = "has a segment called all, which stands for all segments; give it another name"
        raise RefusedError(Problem(("book", "ledger"), problem))
    if strange := [("book", "term", name) for name in term if name not in segments]:
        raise RefusedError(*(no_segment(at, segments) for at in strange))
    customers = _sorted(
        segments,
        np.array([term.get(name, "annual") == "annual" for name in segments]),
        segment.cat.codes.to_numpy(np.int64)[chosen],
        there["arr"].to_numpy(float)[chosen],
        anniversary[chosen],
        (now - begun).astype(float)[chosen],
        names=there.index.to_numpy(object)[chosen],
    )
    customers = replace(customers, currency=ledger.currency)
    return customers if accounts is None else _with_accounts(customers, accounts, ledger, as_of)


def _with_accounts(customers: Customers, accounts: Any, ledger: Ledger, as_of: str) -> Customers:
    """The customers with their multipliers; a file calls them by their true names."""
    from nrrsim.scenario.multipliers import read_multipliers

    assert customers.names is not None
    is_file = isinstance(accounts, str | Path)
    names = ledger.true_names(customers.names) if is_file else list(customers.names)
    try:
        segments = np.array(customers.segments)[customers.segment]
        found = read_multipliers(accounts, names, segments, f"the book in {as_of}")
    except UsageError as error:
        raise RefusedError(Problem(("book", "accounts"), str(error))) from None
    return replace(customers, multipliers=found)


def as_decided(customers: Customers, book: LedgerBook) -> Customers:
    """A ledger's customers, of whom some renew or leave for certain; the same object where that is
    so already. Raises RefusedError with every name that none of them has.
    """
    if not book.decided and customers.decided is None:
        return customers
    assert customers.names is not None
    names = customers.names.tolist()
    if strange := [name for name in book.decided if name not in set(names)]:
        raise RefusedError(*(_no_customer(name, names, book.as_of) for name in strange))
    churn = [DECIDED.get(book.decided.get(name, ""), np.nan) for name in names]
    decided = None if np.isnan(churn).all() else np.array(churn)
    before = customers.decided
    is_same = decided is before or (
        decided is not None and before is not None and np.array_equal(decided, before, True)
    )
    return customers if is_same else replace(customers, decided=decided)


def _no_customer(name: str, names: list[str], as_of: str) -> Problem:
    return Problem(
        ("book", "decided", name),
        lambda: f"is no customer of the book in {as_of}; {did_you_mean(name, names)}",
        of_key=True,
    )


def of_the_same_name(customers: Customers, others: Customers) -> Customers:
    """The customers, each with what is stated of the account of its name (of synthetic books: of
    its place) among the others; 1, and nothing decided, of who is not among them.
    """
    nobody = [*[1.0] * len(MULTIPLIERS), np.nan]
    stated = np.append(others.stated, [nobody], axis=0)[place_among(others, customers)]
    return replace(customers, multipliers=stated[:, :-1], decided=stated[:, -1])


def place_among(others: Customers, customers: Customers) -> np.ndarray:
    """`ndarray[customer]`, where among the others the customer of the same name is (of synthetic
    books that of the same place); -1 of who is not among them, or is yet to come.
    """
    if others.names is None or customers.names is None:
        here = customers.joins == 0
        place = np.cumsum(here) - 1
        return np.where(here & (place < len(others.arr)), place, -1)
    places = {name: place for place, name in enumerate(others.names.tolist())}
    return np.array([places.get(name, -1) for name in customers.names.tolist()])


def with_newcomers(opening: Customers, plan: Mapping[str, NewBusiness], months: int) -> Customers:
    """The opening book and the plan's newcomers, n a year: floor(n t / 12) up to month t."""
    if not plan:
        return opening
    old = opening
    parts: list[tuple[np.ndarray, ...]] = [
        (old.segment, old.arr, old.anniversary, old.tenure, old.joins)
    ]
    for name, new in plan.items():
        # whole customers, as many by each month as the year's plan has reached by then
        won = np.diff(new.customers * np.arange(months + 1) // 12)
        t = np.repeat(np.arange(1, months + 1), won)
        segment = np.full(len(t), old.segments.index(name))
        arr = np.full(len(t), new.arr / new.customers)
        # at month 0 a tenure of -t months: it is 0 when they join
        parts.append((segment, arr, 1 + (t - 1) % 12, -t.astype(float), t))
    segment, arr, anniversary, tenure, joins = map(np.concatenate, zip(*parts, strict=True))
    names, multipliers, decided = old.names, old.multipliers, old.decided
    more = len(arr) - len(old.arr)
    if names is not None:
        names = np.concatenate([names, np.full(more, "", object)])
    if multipliers is not None:
        as_nobody_knows = np.full((more, multipliers.shape[1]), np.nan)
        multipliers = np.concatenate([multipliers, as_nobody_knows])
    if decided is not None:
        decided = np.concatenate([decided, np.full(more, np.nan)])
    of_each = names, multipliers, decided
    customers = _sorted(
        old.segments, old.annual, segment, arr, anniversary, tenure, joins, *of_each
    )
    return replace(customers, currency=old.currency)


def _sorted(
    segments: tuple[str, ...],
    annual: np.ndarray,
    segment: np.ndarray,
    arr: np.ndarray,
    anniversary: np.ndarray,
    tenure: np.ndarray,
    joins: np.ndarray | None = None,
    names: np.ndarray | None = None,
    multipliers: np.ndarray | None = None,
    decided: np.ndarray | None = None,
) -> Customers:
    order = np.lexsort((anniversary, segment))
    joins = np.zeros(len(arr), np.int64) if joins is None else joins
    names, multipliers, decided = (
        None if each is None else each[order] for each in (names, multipliers, decided)
    )
    return Customers(
        segments,
        annual,
        segment[order],
        arr[order],
        anniversary[order],
        tenure[order],
        joins[order],
        names,
        multipliers,
        decided,
    )
