"""A table as people export it in, its columns under our names out; never reads a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nrrsim.errors import DataError, Finding, UsageError, did_you_mean
from nrrsim.ledger import captions
from nrrsim.ledger.cells import distinct, is_text, spread, unnumbered
from nrrsim.ledger.exports import FIELDS, Found, Shape, recognised
from nrrsim.ledger.lostcells import Lost
from nrrsim.ledger.reading import AS_IT_IS, Reading
from nrrsim.ledger.rows import Rows, concat, refuse_twice
from nrrsim.ledger.vocabulary import (
    ALSO_CUSTOMERS,
    AMOUNTS,
    CUSTOMER,
    MONTH,
    OF_AN_INVOICE,
    OTHERS,
    SECOND_CHOICE,
    STATUSES,
    heading_of,
    makes_lines,
    plain,
)

MOST_SHOWN, MOST_FILES = 30, 3  # headings, and files, in one message
# what a heading of an account, a parent and the like may say, too
BESIDE_A_CUSTOMER = ("id", "name", "number", "no", "customer", "company")
UNUSED = " (unused)"  # what a heading is called that would be read as another
# Words whose column is read as ours: another that is called so by chance is not.
KNOWN = (
    *("customer", "month", "start", "end", *AMOUNTS, "interval", "interval_count", "segment"),
    *("product", "quantity", "unit_price", "currency", "renewal", "status", "is_trial", "booked"),
)
PERIODS, MONTHS = Shape(rows="periods"), Shape(rows="months")


class Place(NamedTuple):
    """Where a row stands: the source and its line there, 0 where the name says it all."""

    name: str
    line: int

    def __str__(self) -> str:
        return f"{self.name}:{self.line}" if self.line else self.name


@dataclass(frozen=True)
class Named:
    """Which heading of one table stands for which of our words, and what that says.

    `lines` are the headings that tell a customer's lines apart, `left_out` those that nobody needs;
    `currency`, `minor` and `scale` are what the amount's heading (or a title) says of it; `taken`
    and `asked` are told before anything else.
    """

    ours: Mapping[str, str]
    shape: Shape
    lines: tuple[str, ...] = ()
    currency: str = ""
    minor: bool = False
    scale: float = 1.0
    taken: tuple[str, ...] = ()
    asked: tuple[Finding, ...] = ()
    says: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """Which amount is read, empty if there is none: `mrr`, `arr`, `amount` or `total`."""
        return next((word for word in (*AMOUNTS, "total") if word in self.ours), "")


@dataclass
class Table:
    """The rows of all sources under nrrsim's names, and where each stands.

    `frame` has a column for each of our words that is there, and the further ones under their own
    headings; its index numbers the rows of all sources, also where some were left out. `lines` are
    the columns that tell a customer's lines apart, `headings` those of our words as they are
    written in the first source. `minor` and `scale`: by source, whether its amounts are in cents,
    and in how many (1,000). `asked_rows`: those of which it is asked whether they are any;
    `is_doubled`: equal rows were left out. What is noted is raised by `stop`.
    """

    parts: Sequence[Rows]
    frame: pd.DataFrame
    starts: np.ndarray
    name: str
    shape: Shape
    lines: tuple[str, ...] = ()
    minor: tuple[bool, ...] = ()
    scale: tuple[float, ...] = ()
    headings: Mapping[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    notices: list[Finding] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    asked_rows: list[int] = field(default_factory=list)
    is_doubled: bool = False
    _lines: dict[int, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: Sequence[Rows], reading: Reading = AS_IT_IS) -> Table:
        """The table of all parts, each column of each under the word that it stands for."""
        named = [names_of(part, reading) for part in parts]
        frames = [renamed(part, each) for part, each in zip(parts, named, strict=True)]
        frame, starts = concat(frames)
        table = cls(
            parts=frames,
            frame=frame,
            starts=starts,
            # of a workbook's sheets, the workbook
            name=_names(
                [*dict.fromkeys(part.name.removesuffix(f", sheet {part.sheet}") for part in parts)]
            ),
            shape=named[0].shape,
            lines=tuple(dict.fromkeys(name for each in named for name in each.lines)),
            minor=tuple(each.minor for each in named),
            scale=tuple(each.scale for each in named),
            headings=named[0].ours,
        )
        for part, each in zip(frames, named, strict=True):
            table.findings += [*part.findings, *each.asked]
            table.notices += part.notices
            table.taken += [said for said in (*part.taken, *each.taken) if said not in table.taken]
            table.notices += [
                Finding(part.name, 0, said)
                for said in each.says
                if said not in [notice.problem for notice in table.notices]
            ]
        _refuse_several_kinds(table, named)
        return table

    @property
    def unit(self) -> str:
        """Which amount is read, empty if there is none: `mrr`, `arr`, `amount` or `total`."""
        return next((name for name in (*AMOUNTS, "total") if name in self.frame), "")

    @property
    def has_periods(self) -> bool:
        """Whether a row is a subscription with its start, and not a month."""
        return "start" in self.frame and self.shape.rows == "periods"

    @property
    def has_versions(self) -> bool:
        """Whether a row of a month may be a later version of another: it says when it was booked.

        Of months that stood across in one row there is no version of a single one.
        """
        is_long = self.shape.rows == "months" and all(part.block is None for part in self.parts)
        return is_long and {"booked", "month"} <= set(self.frame)

    @property
    def tells_lines_apart(self) -> bool:
        """Whether a column other than the product makes lines, whose rows are added."""
        return bool(set(self.lines) - {"product"})

    def label(self, heading: str) -> str:
        """What the column with this heading is called here, empty if there is none."""
        wanted = plain(heading)
        ours = [word for word, theirs in self.headings.items() if plain(theirs) == wanted]
        here = [*ours, *(str(each) for each in self.frame if plain(each) == wanted)]
        return next((each for each in here if each in self.frame), "")

    def place(self, row: int) -> Place:
        """Where a row stands."""
        part = int(np.searchsorted(self.starts, row, side="right")) - 1
        # lines are counted for the first finding of a source: that reads it once more
        if part not in self._lines:
            self._lines[part] = self.parts[part].lines()
        line = int(self._lines[part][row - self.starts[part]])
        in_words = self.parts[part].place
        return Place(in_words(line), 0) if in_words else Place(self.parts[part].name, line)

    def by_row(self, of_sources: Sequence[Any]) -> np.ndarray:
        """`ndarray[row]` of what holds for each source."""
        if len(of_sources) == 1:
            return np.full(len(self.frame), of_sources[0])
        part = np.searchsorted(self.starts, self.frame.index.to_numpy(), side="right") - 1
        return np.asarray(of_sources)[part]

    def keep(self, rows: np.ndarray) -> None:
        """Go on with these rows alone: a boolean by row of `frame`."""
        self.frame = self.frame[rows]

    def refuse(self, problem: str, remedy: str, field: str = "", row: int | None = None) -> None:
        """Note what is wrong with the ledger as a whole; `stop` raises all that was noted."""
        name, line = (self.name, 0) if row is None else self.place(row)
        self.findings.append(Finding(name, line, problem, remedy, field))

    def ask(
        self,
        problem: str,
        remedy: str,
        option: str,
        choices: Sequence[str] = (),
        *,
        field: str = "",
        row: int | None = None,
    ) -> None:
        """Note a question of how the file is to be read, which an option settles."""
        name, line = (self.name, 0) if row is None else self.place(row)
        self.findings.append(Finding(name, line, problem, remedy, field, option, tuple(choices)))

    def notice(self, problem: str, remedy: str = "", row: int | None = None) -> None:
        """Note what makes no number wrong, with the first row in which it is seen."""
        name, line = (self.name, 0) if row is None else self.place(row)
        self.notices.append(Finding(name, line, problem, remedy))

    def stop(self) -> None:
        """Raise DataError with every finding."""
        raise DataError(self.findings)


def _names(files: Sequence[str]) -> str:
    more = f" and {len(files) - MOST_FILES:,} more" if len(files) > MOST_FILES else ""
    return ", ".join(files[:MOST_FILES]) + more


def _refuse_several_kinds(table: Table, named: Sequence[Named]) -> None:
    """Raise DataError where files differ in what a row or an amount is, or one lacks either.

    Below each other one's cells would be empty in the other: nothing that one fills in.
    """
    if len(named) < 2:
        return
    parts = table.parts
    names = [f"{part.name}, sheet {part.sheet}" if part.sheet else part.name for part in parts]
    kinds = [each.shape.rows.replace("wide", "months") for each in named]
    for name, kind in zip(names, kinds, strict=True):
        if kind != kinds[0]:
            table.refuse(
                f"the files are of two kinds: {name} is of {kind}, {names[0]} of {kinds[0]}",
                "read files of one kind together",
            )
            table.stop()

    asked = {finding.option for finding in table.findings}
    if asked & {"column", "where", "unit"}:
        return
    amounts = [
        next((word for word in (*AMOUNTS, "total") if word in each.frame), "") for each in parts
    ]
    day = "start" if kinds[0] == "periods" else "month"
    refused = len(table.findings)
    for part, name, amount in zip(parts, names, amounts, strict=True):
        where = f"{name}: " if part.sheet else ""
        missing = [word for word in ("customer", day) if word not in part.frame]
        missing += [] if amount else ["amount"]
        there = {word for other in parts for word in other.frame} | {"amount"}
        if any(amounts) and (missing := [word for word in missing if word in there]):
            problem = f"{where}there is no {' and no '.join(missing)} in this file, as in others"
            remedy = "name its heading with --column, or leave the file out"
            table.findings.append(Finding(part.name, part.heading_line, problem, remedy))
        elif amount and amounts[0] and amount != amounts[0]:
            problem = f"{name} states {amount}, {names[0]} {amounts[0]}"
            remedy = "MRR and ARR are never added; read them apart, or convert one"
            table.findings.append(Finding(part.name, part.heading_line, problem, remedy))
    if len(table.findings) > refused:
        table.stop()


def renamed(part: Rows, named: Named) -> Rows:
    """The rows under our words; a heading of ours that was not taken is not read as ours."""
    used = {one for each in named.ours.values() for one in each.split(" else ")}
    refuse_twice(part, used if part.block is not None else None)
    headings = list(map(str, part.frame.columns))
    whole = {ours: theirs for ours, theirs in named.ours.items() if " else " not in theirs}
    theirs_to_ours = {theirs: ours for ours, theirs in whole.items()}
    labels = [
        theirs_to_ours.get(heading) or (heading + UNUSED if heading in KNOWN else heading)
        for heading in headings
    ]
    twice = sorted(name for name, times in Counter(labels).items() if times > 1)
    if twice or len(theirs_to_ours) < len(whole):
        given = [*whole.values()]
        names = twice or [name for name in theirs_to_ours if given.count(name) > 1]
        problem = f"the heading {', '.join(names)} stands twice, or is used twice"
        remedy = "rename one, or map each of our words to a heading of its own"
        raise DataError([Finding(part.name, part.heading_line, problem, remedy)])
    frame = part.frame.set_axis(pd.Index(labels), axis=1)
    for ours, theirs in named.ours.items():
        first, *others = theirs.split(" else ")
        if others:
            each = unnumbered(part.frame[[first, *others]])
            cells = each[first]
            for other in others:
                cells = cells.where(filled(cells), each[other])
            frame[ours] = cells
    frame = frame.drop(columns=[each for each in named.left_out if each in frame])
    if named.currency and "currency" not in frame:
        frame["currency"] = named.currency
    return replace(part, frame=frame)


def require(table: Table, names: Sequence[str]) -> bool:
    """Whether there is enough to judge the values."""
    asked = {finding.option for finding in table.findings}
    for name in names:
        if name not in table.frame and not ("column" in asked and name in ("customer", "mrr")):
            word = "amount" if name == "mrr" else f"column {name}"
            table.refuse(f"there is no {word}", _remedy_for_heading(table, name))
    if len(table.frame) == 0 and not table.findings:
        table.refuse("there are no rows", "a ledger has one row for each customer and month")
    return len(table.frame) > 0 and all(name in table.frame for name in names)


# --- which heading is what ------------------------------------------------------------------------


def names_of(part: Rows, reading: Reading) -> Named:
    """Which column of a table is what: as is said, as its format says, else by its headings.

    Raises DataError for a heading that is said and not there, UsageError for no word of ours.
    """
    headings = list(map(str, part.frame.columns))
    said = said_columns(part, headings, reading.columns)
    found = recognised(part.headings or headings, reading.format)
    if found is not None and found.shape.rows == "wide" and "month" not in headings:
        found = None
    if found is None or not found.shape.columns:
        return _with_what_is_told(part, _plain(part, headings, said), reading)
    return _with_what_is_told(part, _described(part, headings, said, found, reading), reading)


def _with_what_is_told(part: Rows, named: Named, reading: Reading) -> Named:
    """With what titles and the amount's heading tell: thousands, cents, a currency.

    Where months stood across, that was read with them.
    """
    if part.block is not None:
        return named
    named = _of_unit(part, named, reading)
    heading = named.ours.get(named.unit, "")
    titles = [cell for _, cells in part.above for cell in cells if isinstance(cell, str)]
    scales = {
        told.scale: text for text in (*titles, heading) if (told := captions.said(text)).scale
    }
    in_cents = scales.pop(0.01, None) is not None
    asked = named.asked
    if len(scales) > 1 and reading.scale is None:
        choices = tuple(f"{by:,.0f}".replace(",", "") for by in sorted(scales))
        problem = f"amounts are in two scales: {' and '.join(map(repr, scales.values()))}"
        remedy = f"say which with {' or '.join(f'--scale {each}' for each in choices)}"
        question = Finding(part.name, part.heading_line, problem, remedy, "", "scale", choices)
        asked = (*asked, question)
    currencies = captions.said(heading).currencies
    currency = named.currency
    if len(currencies) == 1 and "currency" not in named.ours:
        currency = currency or next(iter(currencies))
    scale = next(iter(scales), 1.0)
    minor = named.minor or in_cents
    return replace(named, minor=minor, scale=scale, currency=currency, asked=asked)


def _of_unit(part: Rows, named: Named, reading: Reading) -> Named:
    """With an amount as MRR or ARR, where that is said; raises UsageError where it is another."""
    said, is_open = reading.unit, named.unit == "amount" and "interval" not in named.ours
    if said is None or not named.unit or named.unit == said:
        return named
    heading = named.ours[named.unit]
    if not is_open:
        raise UsageError(
            f"unit: the column {heading} of {part.name} is read as {named.unit}; if it is"
            f' {said.upper()}, say so with --column {said}="{heading}", else leave unit out'
        )
    ours = {said if word == "amount" else word: theirs for word, theirs in named.ours.items()}
    return replace(named, ours=ours)


def said_columns(part: Rows, headings: list[str], columns: Mapping[str, str]) -> dict[str, str]:
    """Our word -> the heading that was said, however its case and blanks are written."""
    if unknown := [word for word in columns if word not in (*KNOWN, *FIELDS)]:
        near = did_you_mean(unknown[0], list(dict.fromkeys((*KNOWN, *FIELDS))))
        raise UsageError(f"--column {unknown[0]}: is none of our words; {near}")
    by_words = {plain(heading): heading for heading in reversed(headings)}
    said, missing = {}, []
    for ours, theirs in columns.items():
        heading = theirs if theirs in headings else by_words.get(plain(theirs))
        if heading is None:
            near = did_you_mean(theirs, headings)
            problem = f"there is no column {theirs}"
            missing.append(Finding(part.name, part.heading_line, problem, near, f"columns.{ours}"))
        else:
            said[ours] = heading
    if missing:
        raise DataError(missing)
    return said


def _described(
    part: Rows, headings: list[str], said: dict[str, str], found: Found, reading: Reading
) -> Named:
    """As a format says; what it does not name keeps its heading."""
    shape = found.shape
    by_words = {plain(heading): heading for heading in reversed(headings)}
    ours: dict[str, str] = {}
    for word, theirs in shape.columns.items():
        for choice in [theirs] if isinstance(theirs, str) else theirs:
            each = [by_words.get(plain(one)) for one in choice.split(" else ")]
            there = [heading for heading in each if heading]
            used = {*said.values(), *ours.values()}
            if there and word not in said and not (set(there) & used):
                ours[word] = " else ".join(there)
                break
    if shape.rows == "wide":
        ours = {"month": "month"} | ours
        for unit in ("mrr", "arr", "amount"):
            if unit in headings:
                ours[unit] = unit
    # of two amounts the first that the format names; a contract's total fills what ARR leaves open
    amounts = [word for word in (*AMOUNTS, "total") if word in ours or word in said]
    chosen = [word for word in amounts if word in said] or amounts[:1]
    chosen += ["total"] * (chosen == ["arr"] and "total" in ours)
    ours = {word: theirs for word, theirs in ours.items() if word not in amounts or word in chosen}
    asked = [
        Finding(part.name, part.heading_line, why, "", "", "format")
        for heading, why in shape.needs.items()
        if plain(heading) not in by_words
    ]
    for word in ("segment", "renewal", "product", "currency", "booked"):
        if word not in ours and word not in said and word in by_words:
            ours[word] = by_words[word]
    # two columns of ours are never one of theirs
    lines = [by_words[plain(one)] for one in shape.lines if plain(one) in by_words]
    back = {theirs: word for word, theirs in {**ours, **said}.items()}
    taken = [f"it is read as {found.name}: {found.title}", *map(_sentence, _reads(ours | said))]
    return Named(
        {**ours, **said},
        shape,
        tuple(back.get(each, each) for each in lines),
        minor=shape.minor_units,
        taken=tuple(taken),
        asked=tuple(asked),
        says=(*found.says, *shape.says),
        left_out=tuple(by_words[plain(one)] for one in shape.left_out if plain(one) in by_words),
    )


def _plain(part: Rows, headings: list[str], said: dict[str, str]) -> Named:
    """By the words of its headings."""
    free = [heading for heading in headings if heading not in said.values()]
    asked: list[Finding] = []
    taken: list[str] = []
    ours = dict(said)
    if "customer" not in said:
        customer, name, why, question = _customer(part, free)
        taken += [why] if why else []
        asked += [question] if question else []
        if customer:
            ours["customer"] = customer
        if name and "name" not in said:
            ours["name"] = name
    if not {"month", "start"} & set(said):
        months = _matching(free, MONTH)
        if months:
            ours["month"] = months[0]
    for word, names in OTHERS.items():
        there = _matching(free, names) if word not in said else []
        if word == "status":
            there = [each for each in there if _is_status(part.frame[each], each)]
        if there:
            ours[word] = there[0]
    if plain(ours.get("month", "")) not in ("month", "", "monat") and {"start", "end"} <= set(ours):
        del ours["month"]  # beside a start and an end a date is another thing

    for word, heading in ours.items():
        twins = [each for each in free if heading_of(each) == heading_of(heading)]
        if word not in said and len(twins) > 1:
            problem = f"the heading {' and '.join(twins)} stands twice"
            asked.append(Finding(part.name, part.heading_line, problem, "rename one"))
    amount, question = _amount(part, free, said)
    asked += [question] if question else []
    if amount:
        ours[amount[0]] = amount[1]
    elif {"unit_price", "quantity"} <= set(ours):
        ours["amount"] = ours.pop("unit_price")
    told = heading_of(amount[1]) if amount else heading_of("")
    is_of_one_unit = (
        "quantity" in ours and heading_of(ours.get("amount", "")).plain in OTHERS["unit_price"]
    )
    shape = PERIODS if "start" in ours and "month" not in ours else MONTHS
    lines = [
        {theirs: word for word, theirs in ours.items()}.get(heading, heading)
        for heading in headings
        if makes_lines(heading) and heading not in (ours.get("customer"), ours.get("month"))
    ]
    taken += list(map(_sentence, _reads(ours)))
    currency = "" if "currency" in ours else told.currency
    return Named(
        ours,
        shape.model_copy(update={"amount_is": "unit"}) if is_of_one_unit else shape,
        lines=tuple(lines),
        currency=currency,
        minor=told.minor,
        taken=tuple(taken),
        asked=tuple(asked),
    )


def _is_status(cells: pd.Series, heading: str) -> bool:
    """Whether a column is one of status: `State` may be a place."""
    return plain(heading) != "state" or any(
        plain(each) in STATUSES for each in cells.dropna().unique()
    )


def _matching(headings: Iterable[str], names: Sequence[str]) -> list[str]:
    """The headings that are one of these names, the surest first."""
    by_words = [(heading_of(heading).plain, heading) for heading in headings]
    found = [(names.index(words), heading) for words, heading in by_words if words in names]
    return [heading for _, heading in sorted(found, key=lambda each: each[0])]


def _customer(part: Rows, headings: list[str]) -> tuple[str, str, str, Finding | None]:
    """The customer's column, that of its name, why it is this one, and what to ask if unsure."""
    words = {heading: plain(heading).split() for heading in headings}
    is_invoice = any(set(each) & set(OF_AN_INVOICE) for each in words.values())
    of_books = [each for each in headings if is_invoice and words[each][0] == "account"]
    found = [each for each in _matching(headings, CUSTOMER) if each not in of_books]
    if not found:
        return "", "", "", None
    first = found[0]
    noun = words[first][0]
    others = [
        heading
        for heading in headings
        if heading not in of_books
        and set(words[heading]) <= {*ALSO_CUSTOMERS, *BESIDE_A_CUSTOMER}
        and set(words[heading]) & set(ALSO_CUSTOMERS)
    ]
    customers = [each for each in found if words[each][0].startswith("customer")]
    if customers and others:
        choices = tuple(dict.fromkeys((customers[0], *others)))
        remedy = " or ".join(f'--column customer="{each}"' for each in choices)
        problem = f"a customer may be the column {' or '.join(choices)}"
        said = f"say which with {remedy}"
        question = Finding(part.name, part.heading_line, problem, said, "customer")
        return first, "", "", replace(question, option="column", choices=choices)
    same = [each for each in found[1:] if words[each][0].rstrip("s") == noun.rstrip("s")]
    if same and words[first][-1] != "name":
        why = f"the customer is {first}, not {same[0]}: an id beats a name"
        return first, same[0], why, None
    return first, "", "", None


def _amount(
    part: Rows, headings: list[str], said: Mapping[str, str]
) -> tuple[tuple[str, str] | None, Finding | None]:
    """The amount's word and column, and what to ask where there are several."""
    if given := [(word, said[word]) for word in AMOUNTS if word in said]:
        return given[0], None
    found = [
        (word, heading) for word, names in AMOUNTS.items() for heading in _matching(headings, names)
    ]
    found += [
        (word, heading)
        for heading in headings
        if (word := _told_amount(heading)) and heading not in [each for _, each in found]
    ]
    sure = [each for each in found if heading_of(each[1]).plain not in SECOND_CHOICE] or found
    # an amount beside MRR or ARR is what was billed
    recurring = [each for each in sure if each[0] != "amount"] or sure
    if len(recurring) < 2:
        return (recurring[0] if recurring else None), None
    lost = [each for each in recurring if _all_lost(part.frame[each[1]])]
    whole = [each for each in recurring if each not in lost]
    why = f"; {lost[0][1]} is formulas without saved values" if lost else ""
    remedy = " or ".join(
        f"--column {word}=" + (f'"{head}"' if " " in head else head)
        for word, head in whole or recurring
    )
    problem = f"there are the columns {' and '.join(head for _, head in recurring)}{why}"
    question = Finding(
        part.name,
        part.heading_line,
        problem,
        f"MRR and ARR, and two currencies, are never added: name the one to read with {remedy}",
    )
    choices = tuple(f"{word}={head}" for word, head in whole or recurring)
    return (whole or recurring)[0], replace(question, option="column", choices=choices)


def _told_amount(heading: str) -> str:
    """The amount of a heading such as `MRR (USD k)` or `ARR in thousands`, empty if it is none."""
    told = captions.read_caption(heading)
    if told.kind or told.plan or told.other or not (told.scale or told.currencies):
        return ""
    words = [*told.units] or [word for word in plain(heading).split() if word == "amount"]
    return words[0] if len(words) == 1 else ""


def _all_lost(cells: pd.Series) -> bool:
    some = cells[filled(cells)]
    return len(some) > 0 and all(isinstance(cell, Lost) for cell in some)


def filled(cells: pd.Series) -> pd.Series:
    """Where a cell holds anything."""
    if is_text(cells):
        codes, found = distinct(cells)
        holds = spread([bool(str(each).strip()) for each in found], codes, bool, False)
        return pd.Series(holds, index=cells.index)
    if cells.dtype == object:
        return cells.notna() & cells.astype("str").str.strip().ne("").fillna(False).astype(bool)
    return cells.notna()


def _reads(ours: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(word, theirs) for word, theirs in ours.items() if word != theirs]


def _sentence(read: tuple[str, str]) -> str:
    return f"{read[0]} is the column {read[1]}"


def _remedy_for_heading(table: Table, name: str) -> str:
    """What to do where a column is not there, with the headings that are likely it."""
    headings = [str(each) for each in table.frame.columns]
    words = {"customer": "customer account client name company", "month": "month date period"}
    likely = [
        each
        for each in headings
        if set(plain(each).split())
        & set(words.get(name, "mrr arr revenue amount recurring value").split())
    ]
    option = f'--column {name}="{likely[0]}"' if likely else f"--column {name}=..."
    shown = ", ".join(headings[:MOST_SHOWN])
    if (more := len(headings) - MOST_SHOWN) > 0:
        shown += f" and {more:,} more"
    hint = f"; likely: {', '.join(likely[:3])}" if likely else ""
    return f"name your heading for it with {option}{hint}; there are: {shown}"


def rows_with(frame: pd.DataFrame, heading: str, values: Iterable[str]) -> Any:
    """`Series[bool]`: rows whose cell under a heading is one of these, however it is written."""
    wanted = {plain(value) for value in values}
    return frame[heading].map(lambda cell: plain(cell) in wanted, na_action="ignore").eq(True)
