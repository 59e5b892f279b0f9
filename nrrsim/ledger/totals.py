"""Names, months and amounts in, the rows that are totals of others out; never drops one itself.

A total is told by its name and by its sums, and only both together are sure: Groupe Total and
Total Access are customers, and a subtotal may be called EMEA.

By name: the words are total, subtotal, sum, Summe, Gesamt and their like, alone, at a name's
beginning or at its end. (`Sum Up Ltd` and `Summa Health` are no sums.)

By sum: in each month in which it stands, three at least, a row is the sum of all others that are no
totals, or, where months stand across, of those above it since a total. One row is enough for a sum
where the name says total, else there must be two.

Where the name says nothing, a customer among few list prices often equals the sum of the others by
chance: 500 beside 100, 200 and 200, month after month. So such a sum counts only

- where it holds through a month in which the others' sum changes, also if counted in the largest
  unit that they have in common (a price rise for all moves both sides alike and shows nothing); or
  where four different amounts or more add up to it, and to a hundred such units;
- where no total adds the row up as a customer: that settles it at once;
- of the rows above: where the table's last row is a total of all rows but such sums.

And where the one name that says total says more, a sum of two or three rows counts only if it is no
such coincidence: Total Access may pay what its neighbour pays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, combinations

import numpy as np
import pandas as pd

from nrrsim.ledger.cells import distinct
from nrrsim.ledger.pairs import AT_ONCE, counts_of, lie_in_order
from nrrsim.movements import CENT
from nrrsim.notation import counted

LEAST_MONTHS = 3  # in fewer a sum shows nothing
UNITS, LEAST_AMOUNTS = 100, 4  # a sum of so many units and different amounts is no coincidence
LEAST_ADDED = 4  # rows: a sum of so many is none if the name says total, too
MOST_DOUBTED = 12  # names such as Total Access of which each may be a customer
MOST_TRIED = 300  # ways to tell subtotals from customers
MOST_CENTS = 1e12  # of an amount: a million such still add up in whole numbers

_TOTAL = (
    "(?:(?:grand|sub|net|overall) ?)?totals?|gesamt(?:summe|ergebnis|betrag)?|insgesamt"
    "|(?:zwischen|teil|end)?summe"
)
ALONE = re.compile(
    f"(?:{_TOTAL}|sum|ergebnis)(?: (?:of|for|der|aller))?(?: (?:all|alle))?"
    "(?: (?:arr|mrr|revenue|customers|clients|accounts|kunden))?"
    "|all (?:customers|clients|accounts)|alle kunden"
)
STEMS = ("total", "gesamt", "ergebnis", "sum", "all")
STEM = re.compile("|".join(STEMS), re.IGNORECASE)
WITH_OTHERS = re.compile(f"(?:{_TOTAL}) .+|.+ (?:{_TOTAL}|ergebnis)")
# Total Outdoor Corporation is no total; Total for Alder Ltd is, and Total SE may be of Sweden
COMPANY = re.compile(
    "total (?!for |of )(?:.+ )?(?:inc|incorporated|corp|corporation|company|ltd|limited|llc|llp|plc"
    "|gmbh|mbh|sarl|sas|spa|srl|pty|pte)"
    "|total (?!for |of ).+ (?:co|ag|se|sa|kg|ug|ab|as|oy|bv|nv|kk|lp)"
)


@dataclass(frozen=True)
class Totals:
    """What was found: `left_out` and `asked` are `ndarray[row]` of bool.

    `left_out` are totals by name and by sum; `asked` are so by one of the two only. `why` says it
    in words, by name ("" where there is none).
    """

    left_out: np.ndarray
    asked: np.ndarray
    why: dict[str, str]


def find_totals(
    names: Sequence[str | None] | pd.Series,
    month: np.ndarray,
    amount: np.ndarray,
    *,
    block: np.ndarray | None = None,
    scale: float = 1.0,
) -> Totals:
    """The totals among rows; those of one name (or `block`) and month are added before.

    names : the customer's cell of each row. month, amount : `ndarray[row]`, nan where there is
    none. block : `ndarray[row]`, for a table with months across: the number of the source row that
    each row comes from. What is judged is a name as a whole; with `block`, a source row. scale :
    what the amounts were multiplied by, 1000 if they are written in thousands: then each may be off
    by half a last digit, for rounding.
    """
    cells = names if isinstance(names, pd.Series) else pd.Series([*names], dtype="str")
    code, found_names = distinct(cells)
    texts = [*map(str, found_names)]
    if (code < 0).any():
        code, texts = np.where(code < 0, len(texts), code), [*texts, ""]
    item = code
    if block is not None:
        _, first, item = np.unique(block, return_index=True, return_inverse=True)
        texts = [texts[name] for name in code[first]]
    book = _Book.of_rows(item, np.asarray(month), np.asarray(amount, float), len(texts))
    book = replace(book, across=block is not None, scale=scale)

    told = [n for n in _with_a_stem(texts) if says_total(texts[n])]
    doubted = [n for n in told if not ALONE.fullmatch(_plain(texts[n]))]
    found = _judged(book, told, _without(np.ones(book.items, dtype=bool), told))
    found = _with_customers(book, told, doubted, found)
    if not found.is_whole:
        found = _with_unnamed(book, told, found)

    # Total Access may equal its neighbours as any customer may, and so may Groupe Total beside it
    is_sure = any(
        n not in doubted or _is_proven(book, n, found, least=LEAST_ADDED) for n in found.sums
    )
    by_chance = [] if is_sure else [n for n in doubted if n in found.sums]
    left_out, asked = np.zeros((2, book.items), dtype=bool)
    left_out[[n for n in told if n in found.sums and n not in by_chance]] = True
    asked[[*told, *found.sums]] = True
    asked &= ~left_out
    why = {
        texts[n]: _in_words(book, n, n in told, found.sums.get(n), n in by_chance)
        for n in (*np.flatnonzero(left_out).tolist(), *np.flatnonzero(asked).tolist())
    }
    return Totals(left_out[item], asked[item], why)


def _with_a_stem(names: Sequence[str]) -> list[int]:
    """The places of the names that may say total: of all of them it is told at once."""
    text = "\n".join(names).casefold()
    if text.count("\n") != len(names) - 1:
        return [*range(len(names))]
    found = set[int]()
    for stem in STEMS:
        number, begin = 0, 0
        while begin >= 0 and (at := text.find(stem, begin)) >= 0:
            number += text.count("\n", begin, at)
            found.add(number)
            begin = text.find("\n", at)  # the rest of this name is passed over
    return sorted(found)


def says_total(name: str) -> bool:
    """Whether a name says that it is a total's: a company called so is none."""
    if not STEM.search(name):
        return False
    plain = _plain(name)
    is_told = ALONE.fullmatch(plain) or WITH_OTHERS.fullmatch(plain)
    return bool(is_told) and not COMPANY.fullmatch(plain)


def _plain(name: str) -> str:
    """A name's words in small letters, a blank between two."""
    return " ".join(re.findall(r"\w+", name.casefold()))


def _in_words(book: _Book, item: int, is_told: bool, parts: range | None, by_chance: bool) -> str:
    number = len(book.of(item)[0])
    its_name = "its name says total"
    if parts is None and number < LEAST_MONTHS:
        months = counted(number, "month") if number else "no month"
        return f"{its_name}, but it stands in {months}, too few to tell by its sums"
    if parts is None:
        return f"{its_name}, but it is not the sum of other rows in all its {number} months"
    sum_of = "all others" if len(parts) == book.items else "the rows above it"
    if by_chance:
        return f"{its_name}, but it may equal {sum_of} by chance, as a customer may"
    by_sum = f"it is the sum of {sum_of} in all its {number} months"
    return f"{its_name}, and {by_sum}" if is_told else f"{by_sum}, but its name does not say total"


# --- sums -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Book:
    """Amounts by item (a name, or a source row) and month, one for each pair, sorted by both."""

    item: np.ndarray
    month: np.ndarray
    amount: np.ndarray
    items: int
    months: int
    across: bool = False
    scale: float = 1.0

    @classmethod
    def of_rows(cls, item: np.ndarray, month: np.ndarray, amount: np.ndarray, items: int) -> _Book:
        """Of the rows that have a month and an amount; those of one pair are added up."""
        stands = np.isfinite(month) & np.isfinite(amount)
        if not stands.all():
            item, month, amount = item[stands], month[stands], amount[stands]
        if not len(item):
            return cls(item, item, amount, items, 0)
        # months are numbered from the first, and those that nobody names are passed over
        number = month.astype(np.int16)
        number -= number.min()
        named = counts_of(number, int(number.max()) + 1) > 0
        months = int(named.sum())
        if not named.all():
            number = (np.cumsum(named) - 1).astype(np.int16)[number]
        if lie_in_order(item, number):
            return cls(item, number, amount, items, months)
        pair = item * np.int64(months) + number
        if items * months <= 4 * len(pair) + 2**20:
            pairs = np.flatnonzero(np.bincount(pair))
            sums = np.bincount(pair, amount)[pairs]
        else:
            pairs, place = np.unique(pair, return_inverse=True)
            sums = np.bincount(place, amount)
        return cls(pairs // months, pairs % months, sums, items, months)

    @cached_property
    def _begins(self) -> np.ndarray:
        return np.searchsorted(self.item, np.arange(self.items + 1, dtype=self.item.dtype))

    @cached_property
    def _last_digit(self) -> float:
        """What the last digit of the amounts is worth as they were written, at most `scale`."""
        digits = self.scale / 10.0 ** np.arange(6 if self.scale > 1 else 0)
        for digit in digits[digits > CENT].tolist():
            written = self.amount / digit
            if (np.abs(written - np.rint(written)) < 1e-6).all():
                return float(digit)
        return CENT

    def of(self, item: int) -> tuple[np.ndarray, np.ndarray]:
        """The months in which an item stands, and its amounts."""
        mine = slice(*self._begins[item : item + 2])
        return self.month[mine], self.amount[mine]

    def sums(self, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`ndarray[month]` of what these items add up to, and of how many hold an amount."""
        month, amount = self.month, self.amount
        if not among.all():
            chosen = among[self.item]
            month, amount = month[chosen], amount[chosen]
        sums, numbers = np.zeros(self.months), np.zeros(self.months, dtype=np.int64)
        for begin in range(0, len(month), AT_ONCE):
            here, paid = month[begin : begin + AT_ONCE], amount[begin : begin + AT_ONCE]
            sums += np.bincount(here, paid, minlength=self.months)
            numbers += np.bincount(here[paid != 0], minlength=self.months)
        return sums, numbers

    def sums_above(self, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `sums`, `ndarray[item + 1, month]`, of the items above each one."""
        amounts, numbers = np.zeros((2, self.items + 1, self.months))
        chosen = among[self.item]
        place = self.item[chosen] + 1, self.month[chosen]
        amounts[place], numbers[place] = self.amount[chosen], self.amount[chosen] != 0
        return amounts.cumsum(0), numbers.cumsum(0)

    def of_parts(self, among: np.ndarray) -> tuple[np.ndarray, ...]:
        """`ndarray[month]` of the sum of these items in cents, the largest unit in which all of
        them can be counted, how many different amounts there are, and how many items.
        """
        chosen = among[self.item] & (self.amount != 0)
        exact = np.clip(100 * self.amount[chosen], -MOST_CENTS, MOST_CENTS)
        cents = np.rint(exact).astype(np.int64)
        rank = np.lexsort([cents, self.month[chosen]])
        cents, month = cents[rank], self.month[chosen][rank]
        is_other = (np.diff(cents, prepend=0) != 0) | (np.diff(month, prepend=-1) != 0)
        different = np.bincount(month, is_other, minlength=self.months)
        number = np.bincount(month, minlength=self.months)
        total, unit = np.zeros(self.months, dtype=np.int64), np.ones(self.months, dtype=np.int64)
        named = np.flatnonzero(number)
        if len(named):
            begins = (np.cumsum(number) - number)[named]
            total[named] = np.add.reduceat(cents, begins)
            unit[named] = np.maximum(np.gcd.reduceat(np.abs(cents), begins), 1)
        return total, unit, different, number

    def is_total(self, total: np.ndarray, parts: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Whether it is the sum of so many parts, if each was rounded to its last digit.

        Amounts of a digit or two are prices and not rounded: there nothing may be off.
        """
        slack = (numbers + 1) * self._last_digit / 2
        is_fine = slack.sum(axis=-1) <= np.abs(parts).sum(axis=-1) / 10
        return _is_sum(total, parts, slack * is_fine[..., None])


def _is_sum(total: np.ndarray, parts: np.ndarray, slack: np.ndarray | float = 0.0) -> np.ndarray:
    """To the cent, or to the ninth digit."""
    most = np.maximum(np.maximum(CENT / 2, 1e-9 * np.abs(parts)), slack)
    return np.asarray(np.abs(total - parts) <= most * (1 + 1e-6))


# --- totals by name, and by sum -------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """Which items are customers, and which others are the sum of the customers in what range.

    `is_whole` : whether one is the sum of all customers, so that none of them can be a total.
    """

    customers: np.ndarray
    sums: dict[int, range]
    is_whole: bool


def _without(items: np.ndarray, those: Sequence[int]) -> np.ndarray:
    rest = items.copy()
    rest[[*those]] = False
    return rest


def _judged(book: _Book, told: list[int], customers: np.ndarray) -> _Found:
    """Which of those whose name says total are sums, if these are the customers."""
    sums: dict[int, range] = {}
    is_whole = False
    judged = [item for item in told if not customers[item]]
    if judged:
        amounts, numbers = book.sums(customers)
    if judged and book.across:
        above, numbers_above = book.sums_above(customers)

    begins = [0]  # of blocks: the first item, and each that follows a total
    for item in judged:
        month, total = book.of(item)
        parts, number = amounts[month], numbers[month]
        if book.is_total(total, parts, number).all() and (number > 0).sum() >= LEAST_MONTHS:
            sums[item], is_whole = range(book.items), True
        elif book.across:
            at = np.ix_(np.array(begins), month)
            parts = above[item, month] - above[at]
            number = numbers_above[item, month] - numbers_above[at]
            fits = book.is_total(total, parts, number).all(axis=1)
            fits &= (number > 0).sum(axis=1) >= LEAST_MONTHS
            if fits.any():
                sums[item] = range(begins[int(np.flatnonzero(fits)[-1])], item)
        if item in sums:
            begins.append(item + 1)
    return _Found(customers, sums, is_whole)


def _with_customers(book: _Book, told: list[int], doubted: list[int], found: _Found) -> _Found:
    """With one or two of the doubted as customers, where that makes more of the rest a total.

    A total of all that adds up Groupe Total, too, says that it is a customer.
    """

    def sure(judged: _Found) -> int:
        return sum(item not in doubted for item in judged.sums) if judged.is_whole else -1

    if sure(found) == len(told) - len(doubted) or len(doubted) > MOST_DOUBTED:
        return found
    for those in chain(combinations(doubted, 1), combinations(doubted, 2)):
        customers = found.customers.copy()
        customers[[*those]] = True
        judged = _judged(book, told, customers)
        if sure(judged) > sure(found):
            return judged
    return found


def _is_proven(book: _Book, item: int, found: _Found, least: float = np.inf) -> bool:
    """Whether that it is a sum is no coincidence of few list prices (nor so of `least` rows)."""
    among = np.zeros(book.items, dtype=bool)
    parts = found.sums[item]
    among[parts.start : parts.stop] = found.customers[parts.start : parts.stop]
    month, _ = book.of(item)
    total, unit, different, number = (each[month] for each in book.of_parts(among))
    if (number >= least).any():
        return True
    several = number > 1
    total, units, different = total[several], total[several] // unit[several], different[several]
    moves = (np.diff(total) != 0) & (np.diff(units) != 0)
    return bool(moves.any() or ((units >= UNITS) & (different >= LEAST_AMOUNTS)).any())


# --- totals by their sums alone -------------------------------------------------------------------


def _with_unnamed(book: _Book, told: list[int], found: _Found) -> _Found:
    """With one that is the sum of all others, or with subtotals that the last row leaves out."""
    everyone = np.ones(book.items, dtype=bool)
    for among in (found.customers, everyone) if told else (everyone,):
        for item in _halves(book, among):
            with_it = _with_sum(book, told, _without(among, [item]), item)
            if _is_proven(book, item, with_it):
                return with_it
    return _with_subtotals(book, told, found) if book.across and len(book.item) else found


def _with_sum(book: _Book, told: list[int], customers: np.ndarray, item: int) -> _Found:
    """As judged, and the item is the sum of all customers."""
    judged = _judged(book, told, customers)
    return replace(judged, sums=judged.sums | {item: range(book.items)}, is_whole=True)


def _halves(book: _Book, among: np.ndarray) -> list[int]:
    """Which of these are as much as all others together, in each month in which they stand."""
    amounts, numbers = book.sums(among)
    # in a pass or two it is told who may be: there, by a wider measure, in all of its months
    about = 2 * CENT + 1e-8 * np.abs(amounts)
    lowest, highest = (amounts - about) / 2, (amounts + about) / 2
    near = np.zeros(len(book.amount), dtype=bool)
    for begin in range(0, len(near), AT_ONCE):
        rows = slice(begin, begin + AT_ONCE)
        amount, month = book.amount[rows], book.month[rows]
        near[rows] = (amount >= lowest[month]) & (amount <= highest[month])
    months = np.bincount(book.item[near], minlength=book.items)
    likely = among & (months >= LEAST_MONTHS) & (months == np.diff(book._begins))
    found = []
    for item in np.flatnonzero(likely).tolist():
        month, amount = book.of(item)
        is_half = _is_sum(amount, amounts[month] - amount)
        if is_half.all() and (numbers[month] > 2).sum() >= LEAST_MONTHS:
            found.append(item)
    return found


def _with_subtotals(book: _Book, told: list[int], found: _Found) -> _Found:
    """With those that are sums of the rows above, if the last row is the sum of all the rest."""
    last = int(book.item[-1])
    others = _without(found.customers, [last])
    chosen = _subtotals(book, last, last in told, others, [each + 1 for each in found.sums])
    if not chosen:
        return found
    customers = _without(others, [*chosen])
    with_them = _with_sum(book, told, customers, last)
    if last not in told and not _is_proven(book, last, with_them):
        return found
    return replace(with_them, sums=with_them.sums | chosen)


def _subtotals(
    book: _Book, last: int, rounded: bool, others: np.ndarray, begins: list[int]
) -> dict[int, range]:
    """Those of the others that are sums of the rows above, and what of; none if the last row is
    not the sum of the rest. `begins` : where blocks begin that follow a total.
    """

    def is_total(total: np.ndarray, parts: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        return book.is_total(total, parts, numbers) if rounded else _is_sum(total, parts)

    month, total = book.of(last)
    amounts, numbers = (each[month] for each in book.sums(others))
    # the last row adds up no more than the others, and subtotals no more than the last row does
    if (total > amounts * 1.01 + CENT).any() or (amounts > total * 2.02 + CENT).any():
        return {}
    above, numbers_above = book.sums_above(others)
    own, stands = np.diff(above, axis=0), np.diff(numbers_above, axis=0) > 0
    seen: set[tuple[int, float]] = set()

    def tried(begin: int, chosen: dict[int, range]) -> dict[int, range]:
        removed = own[[*chosen]].sum(axis=0)[month]
        state = begin, round(float(removed.sum()), 2)
        is_too_much = (removed > amounts - total + 0.01 * amounts + CENT).any()
        if is_too_much or state in seen or len(seen) == MOST_TRIED:
            return {}
        seen.add(state)
        following = min((each for each in begins if each > begin), default=last)
        parts = above[begin:following] - above[begin]
        number = numbers_above[begin:following] - numbers_above[begin]
        fits = is_total(own[begin:following], parts, number) | ~stands[begin:following]
        several = (number * stands[begin:following]).max(axis=1)
        # sums of one row are tried last: a neighbour at the same price is no subtotal
        likely = np.argsort(several < 2, kind="stable")
        for item in likely[(fits.all(axis=1) & (several > 0))[likely]].tolist():
            parts_of = range(begin, begin + item)
            if found := tried(parts_of.stop + 1, chosen | {parts_of.stop: parts_of}):
                return found
        if following < last and (found := tried(following, chosen)):
            return found
        is_whole = is_total(total, amounts - removed, numbers - len(chosen)).all()
        return chosen if is_whole else {}

    return tried(0, {})
