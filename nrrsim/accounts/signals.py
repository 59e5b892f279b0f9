"""A table of signals in, checked values by customer and day out; never fills a missing one.

A table is wide (`customer, date, active users, tickets ...`) or long (exactly `customer, date,
signal, value`), and is read by the ledger's own readers. A month counts on its last day, as it is
known then.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nrrsim.accounts.watch import SignalsCard, read_signals_card
from nrrsim.errors import Finding, UsageError
from nrrsim.ledger.amounts import Amounts, read_amounts
from nrrsim.ledger.cells import plain_text
from nrrsim.ledger.columns import MONTHS, Table
from nrrsim.ledger.dates import month_of_day, read_dates
from nrrsim.ledger.lostcells import is_lost
from nrrsim.ledger.names import folded, listed, without_zeros
from nrrsim.ledger.reading import Reading
from nrrsim.ledger.records import is_table
from nrrsim.ledger.rows import Rows, concat
from nrrsim.ledger.sources import matching, read_rows
from nrrsim.ledger.values import (
    MOST,
    MOST_ALIKE,
    as_text,
    as_written,
    check_texts,
    of_lost,
    refuse_lost_names,
    say_of_dates,
)
from nrrsim.ledger.vocabulary import CUSTOMER, MONTH, plain
from nrrsim.notation import counted

if TYPE_CHECKING:
    from nrrsim.ledger.ledger import Ledger

# What a date's column is called, the surest first.
DATE = (
    *("date", "day", "timestamp", "datetime", "time", "snapshot date", "event date", "as of date"),
    *("week ending", "week end", "week", "observed at", "recorded at", "created at", "updated at"),
    *(each for each in MONTH if each != "date"),
)
LONG = {"customer", "date", "signal", "value"}
OWN = ("customer", "day", "month")  # columns of what comes out: no signal is called so
UNKNOWN = frozenset(("n/a", "na", "nan", "null", "none", "unknown", "?", "<na>", "nat"))
ONES, ZEROS = frozenset(("yes", "true", "y")), frozenset(("no", "false", "n"))
NOT_A_NUMBER = (
    "write a number, or leave the cell empty where it is not known; if the column is no signal, say"
    " so in the signals card with {name}: {{kind: text}}"
)


@dataclass(frozen=True)
class Signals:
    """What is known of customers, and since when. Made by `read_signals`.

    `frame`: `customer` (as the ledger names them; its codes are those of the ledger's own column),
    `day` (days since 1970-01-01 on which it was known), `month` (months since year 0), and a column
    of floats for each of `names`, nan where it is not known; sorted by customer and day, one row
    for both. `notices` are things to know that make no number wrong; `files` what was read.
    """

    frame: pd.DataFrame
    names: tuple[str, ...]
    notices: tuple[Finding, ...] = ()
    files: tuple[str, ...] = ()

    def until(self, month: int) -> Signals:
        """What was known at the end of a month (a month number): nothing that is dated later."""
        known = self.frame[self.frame["month"] <= month].reset_index(drop=True)
        return replace(self, frame=known)


def read_signals(
    source: Any,
    ledger: Ledger,
    card: SignalsCard | str | os.PathLike[str] | None = None,
    reading: Reading | None = None,
) -> Signals:
    """The signals of a file, a folder, a pattern, a table, or of a list of such.

    card : what the columns are, or its file; default: the card that comes with nrrsim. reading :
    how dates, decimal signs and the like are to be read; default: as the ledger was.

    Customers who are not in the ledger are left out, and counted in a notice. Raises UsageError for
    a source that is not there, DataError with every finding if the data do not fit.
    """
    if not isinstance(card, SignalsCard):
        card = read_signals_card(card)
    how = reading or ledger.reading
    table = _Table(source, card, how)
    return table.signals(ledger)


class _Table:
    """The rows of all sources, and the cells of each signal; what is wrong is noted in `table`."""

    def __init__(self, source: Any, card: SignalsCard, reading: Reading) -> None:
        self.card, self.reading = card, reading
        self.files, self.parts = _parts(source, reading)
        self.table = Table([], pd.DataFrame(), np.zeros(1), "", MONTHS)
        self.table.name = ", ".join(dict.fromkeys(part.name for part in self.parts))
        self.table.findings = [each for part in self.parts for each in part.findings]
        self.table.notices = [each for part in self.parts for each in part.notices]
        named = [self._named(part) for part in self.parts]
        if self.table.findings:
            self.table.stop()
        bases = [
            replace(
                part,
                frame=part.frame[[ours["customer"], ours["date"]]].set_axis(
                    ["customer", "date"], axis=1
                ),
            )
            for part, ours in zip(self.parts, named, strict=True)
        ]
        frame, starts = concat(bases)
        self.table.parts, self.table.frame, self.table.starts = self.parts, frame, starts
        if not len(frame):
            remedy = "a table of signals has one row for each customer and date"
            self.table.refuse("there are no rows", remedy)
            self.table.stop()
        self.cells = self._cells(named)

    def _named(self, part: Rows) -> dict[str, str]:
        """Our word -> the heading that stands for it; what is missing is noted."""
        headings = [str(each) for each in part.frame.columns]
        words = {
            "customer": (CUSTOMER, ("customer",)),
            "date": (DATE, ("date", "month")),
        }
        found: dict[str, str] = {}
        for ours, (known, said) in words.items():
            asked = [
                plain(self.reading.columns[each]) for each in said if each in self.reading.columns
            ]
            ranked = [*asked, *known]
            there = [each for each in headings if plain(each) in ranked]
            there.sort(key=lambda each: ranked.index(plain(each)))
            if there:
                found[ours] = there[0]
                continue
            shown = ", ".join(headings[:30])
            remedy = f"write {ours} above the column that is it; there are: {shown}"
            problem = f"there is no column {ours}"
            finding = Finding(part.name, part.heading_line, problem, remedy)
            self.table.findings.append(finding)
        return found

    def _cells(self, named: Sequence[Mapping[str, str]]) -> dict[str, tuple[np.ndarray, pd.Series]]:
        """By signal the rows in which it stands, and its cells."""
        found: dict[str, list[tuple[np.ndarray, pd.Series]]] = {}
        spelt: dict[str, set[str]] = {}
        for part, ours, start in zip(self.parts, named, self.table.starts, strict=False):
            rows = start + np.arange(len(part.frame))
            back = {theirs: word for word, theirs in ours.items()}
            words = [back.get(str(each), plain(each)) for each in part.frame.columns]
            if set(words) == LONG and len(words) == len(LONG):
                frame = part.frame.set_axis(words, axis=1)
                text = as_text(frame["signal"])
                codes = text.cat.codes.to_numpy()
                for row in np.flatnonzero(codes < 0)[:1].tolist():
                    self.table.refuse(
                        "is empty", "write the signal's name", "signal", int(rows[row])
                    )
                order = np.argsort(codes, kind="stable")
                edges = np.searchsorted(codes[order], np.arange(len(text.cat.categories) + 1))
                for code, name in enumerate(text.cat.categories):
                    at = order[edges[code] : edges[code + 1]]
                    if len(at):
                        found.setdefault(plain(name), []).append(
                            (rows[at], frame["value"].iloc[at])
                        )
                        spelt.setdefault(plain(name), set()).add(name)
                continue
            for at, heading in enumerate(map(str, part.frame.columns)):
                if heading in back:
                    continue
                found.setdefault(plain(heading), []).append((rows, part.frame.iloc[:, at]))
                spelt.setdefault(plain(heading), set()).add(heading)
        of_card = {plain(name): name for name in self.card.signals}
        of_card |= {plain(each): each for rule in self.card.watch for each in rule.needs}
        return {
            of_card.get(key, min(spelt[key])): (
                np.concatenate([rows for rows, _ in parts]),
                parts[0][1]
                if len(parts) == 1
                else pd.concat([c for _, c in parts], ignore_index=True),
            )
            for key, parts in sorted(found.items())
        }

    def signals(self, ledger: Ledger | None) -> Signals:
        """The signals of the ledger's customers; raises DataError with every finding."""
        table = self.table
        refuse_lost_names(table)
        customers = as_text(table.frame["customer"])
        check_texts(table, pd.DataFrame({"customer": customers}))
        self._note(
            "customer",
            np.flatnonzero(customers.isna()),
            "is empty",
            "every row needs the customer's name",
        )
        days = self._days()
        values = {
            name: read
            for name, (rows, cells) in self.cells.items()
            if (read := self._values(name, rows, cells)) is not None
        }
        code, names = self._in_ledger(customers, ledger)

        good = (code >= 0) & ~np.isnan(days)
        key = np.full(len(code), -1, dtype=np.int64)
        pair = code[good] * 2**32 + (np.nan_to_num(days[good]).astype(np.int64) + 2**31)
        found, key[good] = np.unique(pair, return_inverse=True)
        grid = np.full((len(found), len(values)), np.nan)
        for column, (name, cells) in enumerate(values.items()):
            rows = self.cells[name][0]
            there = ~np.isnan(cells) & (key[rows] >= 0)
            at, value = rows[there], cells[there]
            grid[key[at], column] = value
            self._note_different(name, at[grid[key[at], column] != value], key, at, customers)
        if table.findings:
            table.stop()

        any_known = ~np.isnan(grid).all(axis=0)
        any_row = ~np.isnan(grid).all(axis=1)
        kept = tuple(name for name, is_known in zip(values, any_known, strict=True) if is_known)
        found, grid = found[any_row], grid[any_row][:, any_known]
        day = found % 2**32 - 2**31
        frame = pd.DataFrame(
            {
                "customer": pd.Categorical.from_codes(found // 2**32, names),
                "day": day,
                "month": month_of_day(day.astype(float)),
            }
        )
        frame = pd.concat([frame, pd.DataFrame(grid, columns=list(kept))], axis=1)
        return Signals(frame, kept, tuple(table.notices), self.files)

    def _days(self) -> np.ndarray:
        table, reading = self.table, self.reading
        cells = {"date": table.frame["date"]}
        try:
            read = read_dates(
                cells,
                dates=reading.dates,
                timezone=reading.timezone,
                calendar=reading.calendar,
                year_end_said=reading.fiscal_year_end is not None,
                excel=all(part.typed for part in self.parts),
            )
        except ValueError as error:
            raise UsageError(str(error)) from None
        say_of_dates(table, read, reading)
        dates = read.columns["date"]
        remedy = "write it as YYYY-MM-DD, such as 2026-09-30, or as YYYY-MM"
        self._note("date", np.flatnonzero(dates.empty), "is empty", remedy)
        self._note("date", np.flatnonzero(dates.unreadable), "{} is not a date", remedy)
        return dates.last

    def _note(self, field: str, rows: np.ndarray, problem: str, remedy: str) -> None:
        """Note what is wrong with each of these rows; of many one finding for all."""
        cells = self.table.frame[field]
        for row in rows[: MOST_ALIKE if len(rows) <= MOST_ALIKE else 1].tolist():
            told = problem.format(as_written(cells.iloc[row]))
            if len(rows) > MOST_ALIKE:
                told = f"{counted(len(rows), 'cell')} like this, the first here: {told}"
            self.table.refuse(told, remedy, field, row)

    def _values(self, name: str, rows: np.ndarray, cells: pd.Series) -> np.ndarray | None:
        read: Amounts = read_amounts(cells, self.reading.decimal)
        return read.values

    def _note_different(
        self, name: str, wrong: np.ndarray, key: np.ndarray, at: np.ndarray, customers: pd.Series
    ) -> None:
        for row in np.unique(wrong)[:MOST_ALIKE].tolist():
            self.table.refuse("is the second value", "", name, row)

    def _in_ledger(
        self, customers: pd.Series, ledger: Ledger | None
    ) -> tuple[np.ndarray, pd.Index]:
        """Each row's customer by its number in the ledger, -1 of who is not in it; and the names."""
        codes = customers.cat.codes.to_numpy(np.int64)
        if ledger is None:
            return codes, customers.cat.categories
        names = ledger.entries.frame["customer"].cat.categories
        true = pd.Index(ledger.true_names(names))
        return np.r_[true.get_indexer(customers.cat.categories), -1][codes], names


def _parts(source: Any, reading: Reading) -> tuple[tuple[str, ...], list[Rows]]:
    """The files that a source names, and the rows of each of them."""
    each = list(source) if isinstance(source, list | tuple) else [source]
    if not each:
        raise UsageError("signals need at least one file")
    files = [
        str(path)
        for one in each
        if not is_table(one) and "://" not in str(one) and not str(one).startswith("env:")
        for path in matching(str(one))
    ]
    parts = [part for one in each for part in read_rows(one, reading.query, reading.sheet)]
    return tuple(files), parts
