"""A table of signals in, checked values by customer and day out; never fills a missing one.

A table is wide (`customer, date, active users, tickets ...`) or long (exactly `customer, date,
signal, value`), and is read by the ledger's own readers. A month and a week count on their last
day: before it nobody knows them whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nrrsim.accounts.watch import DAY_ZERO, SignalsCard, fired, read_signals_card
from nrrsim.errors import DataError, Finding
from nrrsim.ledger.amounts import Amounts, read_amounts
from nrrsim.ledger.cells import distinct, plain_text, spread
from nrrsim.ledger.columns import MONTHS, Table
from nrrsim.ledger.dates import month_of_day, month_of_heading
from nrrsim.ledger.lostcells import is_lost
from nrrsim.ledger.names import in_ledger
from nrrsim.ledger.rows import Rows, concat
from nrrsim.ledger.sources import read_further
from nrrsim.ledger.values import (
    MOST,
    MOST_ALIKE,
    as_text,
    as_written,
    check_texts,
    codes_of,
    days_of,
    of_lost,
    refuse_cells,
    refuse_lost_names,
    refuse_rows,
)
from nrrsim.ledger.vocabulary import CUSTOMER, MONTH, plain
from nrrsim.movements import json_ratio
from nrrsim.notation import counted

if TYPE_CHECKING:
    from nrrsim.ledger.ledger import Ledger
    from nrrsim.ledger.reading import Reading

# What the column of dates is called, the surest first; of a week it may be the first day.
OF_A_WEEK = ("week", "week start", "week starting", "week beginning", "week commencing", "week of")
DATE = (
    *("date", "day", "timestamp", "datetime", "time", "snapshot date", "event date", "as of date"),
    *("week ending", "week end", *OF_A_WEEK, "observed at", "recorded at", "created at"),
    *(name for name in MONTH if name not in ("date", "as of date", "snapshot date")),
)
LONG = ("customer", "date", "signal", "value")
OWN = ("customer", "day", "month")  # columns of what comes out: no signal can be called so
# Cells that say that nothing is known, and those that are 1 and 0.
UNKNOWN = frozenset(("n/a", "na", "nan", "null", "none", "unknown", "?", "<na>", "nat"))
YES_OR_NO = {"yes": 1.0, "true": 1.0, "y": 1.0, "no": 0.0, "false": 0.0, "n": 0.0}
MOST_SHOWN = 10  # names in one sentence
NEVER_PAID = "who never paid cannot leave"


@dataclass(frozen=True)
class Signals:
    """What is known of customers, and since when. Made by `read_signals`.

    `frame`: `customer` (as the ledger names them; its codes are those of the ledger's own column),
    `day` (days since 1970-01-01 on which it is known), `month` (months since year 0), and a column
    of floats for each of `names`, nan where it is not known; sorted by customer and day, one row
    for both. `notices` are things to know that make no number wrong, `taken` what was taken for
    what, `files` what was read; `not_in_ledger` counts the customers who were left out.
    """

    frame: pd.DataFrame
    names: tuple[str, ...]
    notices: tuple[Finding, ...] = ()
    taken: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    not_in_ledger: int = 0

    def until(self, month: int) -> Signals:
        """What was known at the end of a month (a month number): nothing that is dated later, and
        no signal of which nothing was.
        """
        is_known = self.frame["month"] <= month
        # of the last month a copy would hold all of a large table twice
        known = self.frame if is_known.all() else self.frame[is_known].reset_index(drop=True)
        names = tuple(name for name in self.names if known[name].notna().any())
        return replace(self, frame=known, names=names)


def read_signals(
    source: Any,
    ledger: Ledger,
    card: SignalsCard | str | Path | None = None,
    reading: Reading | None = None,
) -> Signals:
    """The signals of a file, a folder, a pattern, a table, or of a list of such.

    card : what the columns are, or its file; default: the card that comes with nrrsim. reading :
    how dates, decimal signs and ids are to be read where the files do not say; default: as the
    ledger was.

    Customers who are not in the ledger are left out, and counted in a notice. Raises UsageError for
    a source that is not there, DataError with every finding if the data do not fit.
    """
    own = card if isinstance(card, SignalsCard) else read_signals_card(card)
    # a query of the ledger says nothing of signals
    how = reading or replace(ledger.reading, query=None)
    return _Reader(source, own, how).signals(ledger)


def findings_of(source: Any, card: SignalsCard, reading: Reading) -> tuple[Finding, ...]:
    """What is wrong with a table of signals alone, where its ledger cannot be read."""
    try:
        _Reader(source, card, reading).signals(None)
    except DataError as error:
        return error.findings
    return ()


def profile(signals: Signals, ledger: Ledger, card: SignalsCard) -> dict[str, Any]:
    """What is in a table of signals: customers, days, how many know each, which rules can fire.

    `known` is the share of the ledger's customers of whom a signal says anything at any time;
    `rules` tells for how many customers each has fired, `silent` what a rule that cannot lacks.
    """
    frame = signals.frame
    customers = ledger.entries.frame["customer"].nunique()
    days = np.unique(frame["day"]).astype("datetime64[D]").astype(str)
    of_signal = {
        name: {
            "kind": card.kind_of(name),
            "known": json_ratio(frame["customer"][frame[name].notna()].nunique() / customers),
            "constant": bool(frame[name].nunique() == 1),
        }
        for name in signals.names
    }
    names, months = ledger.entries.frame["customer"].cat.categories, ledger.entries.months
    return {
        "rows": len(frame),
        "customers": int(frame["customer"].nunique()),
        "not_in_ledger": signals.not_in_ledger,
        "first_day": str(days[0]) if len(days) else None,
        "last_day": str(days[-1]) if len(days) else None,
        "signals": of_signal,
        "rules": {
            rule.words: int(fired(rule, signals, [*names], months)[0].any(axis=1).sum())
            for rule in card.heard(signals.names)
        },
        "silent": {
            rule.words: [name for name in rule.needs if name not in signals.names]
            for rule in card.silent(signals.names)
        },
    }


class _Cells(NamedTuple):
    """The cells of one signal, and in which rows of all sources they stand."""

    rows: np.ndarray
    cells: pd.Series


class _Reader:
    """Reads the rows of all sources together; what is wrong is noted in `table`."""

    def __init__(self, source: Any, card: SignalsCard, reading: Reading) -> None:
        self.card, self.reading = card, reading
        called = "the table of signals"
        parts, self.files = read_further(source, reading.query, reading.sheet, called)
        name = ", ".join(dict.fromkeys(part.name for part in parts))
        self.table = table = Table(parts, pd.DataFrame(), np.zeros(1), name, MONTHS)
        table.findings += [each for part in parts for each in part.findings]
        table.notices += [each for part in parts for each in part.notices]
        headings = [self._headings(part) for part in parts]
        if table.findings:
            table.stop()

        # the two that all rows have; a signal's cells are looked up in its source
        both = [
            replace(
                part, frame=part.frame[[ours["customer"], ours["date"]]].set_axis(LONG[:2], axis=1)
            )
            for part, ours in zip(parts, headings, strict=True)
        ]
        table.frame, table.starts = concat(both)
        if table.frame.empty:
            remedy = "a table of signals has one row for each customer and date"
            table.refuse("there are no rows", remedy)
            table.stop()
        self.is_of_week = table.by_row([plain(ours["date"]) in OF_A_WEEK for ours in headings])
        self.cells = self._by_signal(headings)

    # --- which column is what ---------------------------------------------------------------------

    def _headings(self, part: Rows) -> dict[str, str]:
        """The columns of the customer and the date; what is missing, or there twice, is noted."""
        headings = [str(each) for each in part.frame.columns]
        said = self.reading.columns
        # the ledger's word for a date is the month
        ranked = {
            "customer": [*filter(None, [said.get("customer")]), *CUSTOMER],
            "date": [*filter(None, [said.get("month")]), *DATE],
        }
        found: dict[str, str] = {}
        for ours, names in ranked.items():
            rank = {plain(name): at for at, name in reversed([*enumerate(names)])}
            there = [each for each in headings if plain(each) in rank]
            if there:
                found[ours] = min(there, key=lambda each: rank[plain(each)])
                if found[ours] != ours:
                    self._take(f"{ours} is the column {found[ours]} of the signals")
            else:
                remedy = f"write {ours} above the column that is it; there are: {_shown(headings)}"
                months = [each for each in headings if month_of_heading(each)]
                if ours == "date" and len(months) > 1:
                    remedy = f"months stand across, such as {months[0]}: write a row for each"
                self._of_headings(part, f"there is no column {ours}", remedy)
        for heading, twin in _twins(headings):
            self._of_headings(part, f"the heading {heading} stands twice: {twin}", "rename one")
        further = [
            each for each in headings if plain(each) not in LONG and each not in found.values()
        ]
        if {"signal", "value"} <= {plain(each) for each in headings} and further:
            problem = (
                f"a long table has customer, date, signal and value, and here is {_shown(further)}"
            )
            self._of_headings(part, problem, "leave it out, or write a column for each signal")
        return found

    def _of_headings(self, part: Rows, problem: str, remedy: str) -> None:
        self.table.findings.append(Finding(part.name, part.heading_line, problem, remedy))

    def _take(self, said: str) -> None:
        if said not in self.table.taken:
            self.table.taken.append(said)

    def _by_signal(self, headings: Sequence[Mapping[str, str]]) -> dict[str, _Cells]:
        """The cells of each signal, those of all sources together, in the order of their names."""
        found: dict[str, list[_Cells]] = {}
        spelt: dict[str, set[str]] = {}
        for part, ours, start in zip(self.table.parts, headings, self.table.starts, strict=False):
            for name, each in self._of_part(part, ours, int(start)):
                found.setdefault(plain(name), []).append(each)
                spelt.setdefault(plain(name), set()).add(name)
        # as the card writes it; else of several spellings one, whichever file comes first
        of_card = {plain(name): name for rule in self.card.watch for name in rule.needs}
        of_card |= {plain(name): name for name in self.card.signals}
        names = {key: of_card.get(key, min(spelt[key])) for key in sorted(found)}
        if own := [name for name in names.values() if name in OWN]:
            remedy = "give it another name, if it is a signal"
            self.table.notice(f"the column {_shown(own)} is left out", remedy)
        signals = {
            name: _Cells(
                np.concatenate([each.rows for each in found[key]]),
                _joined([each.cells for each in found[key]]),
            )
            for key, name in names.items()
            if name not in OWN and self.card.kind_of(name) != "text"
        }
        if not signals:
            problem = "there is no signal: no column but of the customer, the date and text"
            self.table.refuse(problem, "a table of signals has a column for each")
            self.table.stop()
        return signals

    def _of_part(
        self, part: Rows, ours: Mapping[str, str], start: int
    ) -> Iterator[tuple[str, _Cells]]:
        """Each signal of one source, and its cells."""
        words = {plain(each): str(each) for each in part.frame.columns}
        rows = start + np.arange(len(part.frame))
        if not {"signal", "value"} <= words.keys():
            written = part.headings or tuple(map(str, part.frame.columns))
            for label, heading in zip(map(str, part.frame.columns), written, strict=True):
                if not heading:  # as of the number of each row, which no person wrote
                    said = "a column has no heading: left out"
                    self.table.notices.append(Finding(part.name, part.heading_line, said))
                elif label not in ours.values():
                    yield label, _Cells(rows, part.frame[label])
            return
        signal = as_text(part.frame[words["signal"]])
        if signal.isna().any():
            row = int(rows[int(np.argmax(signal.isna()))])
            told = counted(int(signal.isna().sum()), "cell is", "cells are")
            self.table.refuse(f"{told} empty", "write the signal's name", "signal", row)
        order = np.argsort(signal.cat.codes.to_numpy(), kind="stable")
        codes = signal.cat.codes.to_numpy()[order]
        for code, name in enumerate(signal.cat.categories):
            at = order[slice(*np.searchsorted(codes, [code, code + 1]))]
            yield str(name), _Cells(rows[at], part.frame[words["value"]].iloc[at])

    # --- what the cells say -----------------------------------------------------------------------

    def signals(self, ledger: Ledger | None) -> Signals:
        """The signals of the ledger's customers; raises DataError with every finding."""
        table = self.table
        refuse_lost_names(table)
        customers = as_text(table.frame["customer"])
        check_texts(table, pd.DataFrame({"customer": customers}))
        refuse_rows(table, "customer", customers.isna(), "is empty", "every row needs the customer")
        days = self._days()
        codes, names = codes_of(customers), customers.cat.categories
        if ledger is not None:
            names = ledger.entries.frame["customer"].cat.categories
            true, masked = ledger.true_names(names), bool(ledger.unmasked)
            ids, others = self.reading.ids, ledger.elsewhere
            codes = in_ledger(table, customers, true, ids, masked, NEVER_PAID, others)
        left_out = int(customers[codes == -1].nunique())

        # one number for a customer and a day: a row of what comes out for each
        is_known = (codes >= 0) & ~np.isnan(days)
        pair = codes[is_known] * 2**32 + days[is_known].astype(np.int64) + DAY_ZERO
        pairs, place = np.unique(pair, return_inverse=True)
        at = np.full(len(codes), -1)
        at[is_known] = place
        columns = {name: self._column(name, numbers, at) for name, numbers in self._numbers()}
        if table.findings:
            table.stop()

        if silent := [name for name, column in columns.items() if np.isnan(column).all()]:
            table.notice(f"nothing is known of {_shown(silent)}", "left out: no cell holds a value")
        known = [name for name in self.cells if name in columns and name not in silent]
        own = {
            "customer": pd.Categorical.from_codes(pairs // 2**32, names),
            "day": pairs % 2**32 - DAY_ZERO,
            "month": month_of_day(pairs % 2**32 - DAY_ZERO),
        }
        frame = pd.DataFrame(own | {name: columns[name] for name in known}, copy=False)
        says = np.zeros(len(frame), dtype=bool)
        for name in known:
            says |= ~np.isnan(columns[name])
        frame = frame if says.all() else frame[says].reset_index(drop=True)
        return Signals(
            frame, tuple(known), tuple(table.notices), tuple(table.taken), self.files, left_out
        )

    def _column(self, name: str, numbers: np.ndarray, at: np.ndarray) -> np.ndarray:
        """A signal's numbers by customer and day; two different ones are noted.

        at : `ndarray[row of all sources]`, the place of its customer and day, -1 of neither.
        """
        rows = self.cells[name].rows
        there = ~np.isnan(numbers) & (at[rows] >= 0)
        rows, numbers = rows[there], numbers[there]
        column = np.full(at.max(initial=-1) + 1, np.nan)
        column[at[rows]] = numbers
        self._refuse_two_values(name, rows, at[rows], numbers, column[at[rows]])
        return column

    def _days(self) -> np.ndarray:
        """`ndarray[row]`: the day on which a row is known, nan where its date is none."""
        days = days_of(self.table, "date", self.reading, "YYYY-MM-DD, or as YYYY-MM")
        is_month = self.is_of_week & (days.first < days.last)
        remedy = "write the first day of the week, YYYY-MM-DD"
        problem = "{} is a month, and the column is of weeks"
        refuse_rows(self.table, "date", is_month, problem, remedy)
        if self.is_of_week.any():
            self._take("a week is known on its last day, six days after the day that names it")
        return np.asarray(days.last + 6 * self.is_of_week)

    def _numbers(self) -> Iterator[tuple[str, np.ndarray]]:
        """Each signal's numbers by cell; of columns of text, which are none, a notice."""
        decimal = "." if all(part.exact for part in self.table.parts) else None
        told, waiting, texts = set[str](), [], []
        for name, each in self.cells.items():
            read = _read(each.cells, decimal)
            told.add(read.amounts.decimal)
            if read.amounts.undecided:
                waiting.append(name)
            elif read.is_text and name not in self.card.signals:
                texts.append(name)
            else:
                yield name, self._judged(name, read)
        if texts:
            self.table.notice(f"no number stands in {_shown(texts)}", "left out: text is no signal")
        # a file has one decimal sign: a column that tells it tells it for those that do not
        told -= {""}
        sign = told.pop() if len(told) == 1 else self.reading.decimal
        for name in waiting:
            yield name, self._judged(name, _read(self.cells[name].cells, sign))

    def _judged(self, name: str, read: _Read) -> np.ndarray:
        """The numbers of a signal; a cell that is none, or may be two, is noted."""
        rows, cells = self.cells[name]
        amounts, table = read.amounts, self.table
        if read.how:
            said = "yes and no are 1 and 0" if read.how == "yes" else "85% is 0.85"
            self._take(f"{name}: {said}")
        if amounts.undecided:
            first = amounts.undecided[0]
            number = counted(len(amounts.undecided), "cell")
            table.ask(
                f"{number} such as {as_written(cells.iloc[first])}: a thousands sign or a decimal"
                " sign",
                "say which is the decimal sign with --decimal . or --decimal ,",
                "decimal",
                (".", ","),
                field=name,
                row=int(rows[first]),
            )
        if amounts.contradicts:
            one, two = amounts.contradicts
            both = f"{as_written(cells.iloc[one])} and {as_written(cells.iloc[two])}"
            where = table.place(int(rows[two]))
            problem = f"{both} ({where}) have two decimal signs"
            table.refuse(problem, "write all numbers one way", name, int(rows[one]))
        none = np.flatnonzero(amounts.unreadable)
        is_error = cells.iloc[none].map(is_lost).to_numpy(bool)
        lost, none = none[is_error], none[~is_error]
        if len(lost):
            problem, remedy = of_lost(cells.iloc[lost[0]])
            refuse_cells(table, name, rows[lost], cells.iloc[lost], problem, remedy)
        remedy = (
            "write a number, or leave the cell empty where it is not known; if the column is no"
            f" signal, say so in the signals card: {name}: {{kind: text}}"
        )
        refuse_cells(table, name, rows[none], cells.iloc[none], "{} is not a number", remedy)
        huge = np.flatnonzero(np.abs(amounts.values) >= MOST)
        remedy = "write a number below 1e25, or leave the cell empty"
        refuse_cells(table, name, rows[huge], cells.iloc[huge], "{} is too large", remedy)
        signs = sorted(pd.Series(amounts.currency).dropna().unique())
        if len(signs) > 1:
            problem = f"amounts are in {' and '.join(signs)}"
            first = int(np.argmax(amounts.currency == signs[1]))
            table.refuse(problem, "write them in one currency", name, int(rows[first]))
        if amounts.multiplied.any():
            number = counted(int(amounts.multiplied.sum()), "number")
            said = f"{name}: {number} written in thousands (k) or millions (m)"
            table.notice(said, "they are multiplied", int(rows[int(np.argmax(amounts.multiplied))]))
        return np.round(amounts.values / 100, 14) if read.how == "percent" else amounts.values

    # --- what is wrong ----------------------------------------------------------------------------

    def _refuse_two_values(
        self, name: str, rows: np.ndarray, at: np.ndarray, values: np.ndarray, last: np.ndarray
    ) -> None:
        """Note each customer and day for which a signal has two values."""
        wrong = np.unique(at[values != last])
        shown = wrong if len(wrong) <= MOST_ALIKE else wrong[:1]
        for place in shown.tolist():
            here = np.flatnonzero(at == place)
            here = here[np.argsort(rows[here])]
            other = here[int(np.argmax(values[here] != values[here[0]]))]
            told = (
                f"{values[other]:.10g} stands beside {values[here[0]]:.10g}"
                f" ({self.table.place(int(rows[here[0]]))}) for the same customer and day"
            )
            if len(wrong) > MOST_ALIKE:
                told = f"{len(wrong):,} customers and days have two values, the first here: {told}"
            self.table.refuse(told, "keep one of them", name, int(rows[other]))


# --- cells ----------------------------------------------------------------------------------------


class _Read(NamedTuple):
    """What the cells of a signal say. `how`: they are `yes` (or no), or all in `percent`."""

    amounts: Amounts
    how: str = ""

    @property
    def is_text(self) -> bool:
        """Whether something stands there, and no number."""
        read = self.amounts
        return bool(read.unreadable.any() and (read.unreadable | read.blank).all())


def _read(cells: pd.Series, decimal: str | None) -> _Read:
    """The numbers of cells, some of which may say that nothing is known."""
    read = read_amounts(cells, decimal)
    if not read.unreadable.any():
        return _Read(read)
    codes, found = distinct(cells)
    words = [plain_text(cell).lower() if isinstance(cell, str) else cell for cell in found]
    filled = {word for word in words if not (isinstance(word, str) and word in UNKNOWN | {""})}
    how, meant = "", dict[Any, Any]()
    if filled and all(isinstance(word, bool | np.bool_) or word in YES_OR_NO for word in filled):
        how = "yes"
        meant = {word: YES_OR_NO[str(word).lower()] for word in filled}
    elif filled and all(isinstance(word, str) and word.endswith("%") for word in filled):
        how = "percent"
        meant = {word: str(word).removesuffix("%") for word in filled}
    told = [meant.get(w, c) if w in filled else None for w, c in zip(words, found, strict=True)]
    plain_cells = pd.Series(spread(told, codes, object, None))
    return _Read(read_amounts(plain_cells, decimal), how)


def _joined(cells: Sequence[pd.Series]) -> pd.Series:
    """The cells of all sources below each other; those of one are not copied."""
    return cells[0] if len(cells) == 1 else pd.concat(cells)


def _twins(headings: Sequence[str]) -> list[tuple[str, str]]:
    """The headings that are the same words as one before them, and that one."""
    first: dict[str, str] = {}
    return [
        (heading, first[plain(heading)])
        for heading in headings
        if first.setdefault(plain(heading), heading) != heading
    ]


def _shown(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - MOST_SHOWN:,} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(str(name)[:80] for name in names[:MOST_SHOWN]) + more
