"""A CRM's list of opportunities in, its checked rows out; never guesses whose customer one is of,
and never whether its amount is of a month or a year.

A row is an opportunity as it stood on a day (`snapshot`); without that column, as of the report's.
Salesforce's and HubSpot's headings are read as they are: labels of their reports and exports, and
the names of Salesforce's own fields.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.accounts.reasons import columns_of, one_line
from nrrsim.errors import MOST_SEARCHED, Finding, UsageError, did_you_mean
from nrrsim.ledger import captions
from nrrsim.ledger.amounts import read_amounts
from nrrsim.ledger.cells import unnumbered
from nrrsim.ledger.columns import MONTHS, Table, filled
from nrrsim.ledger.dates import month_of_day
from nrrsim.ledger.ledger import Ledger
from nrrsim.ledger.lostcells import is_lost
from nrrsim.ledger.names import ELSEWHERE, folded, in_ledger
from nrrsim.ledger.reading import Reading
from nrrsim.ledger.rows import Rows, concat, refuse_twice
from nrrsim.ledger.sources import read_further
from nrrsim.ledger.values import (
    MOST,
    as_text,
    as_written,
    check_texts,
    last_days,
    of_lost,
    refuse_cells,
    refuse_lost_names,
    refuse_rows,
)
from nrrsim.ledger.vocabulary import AMOUNTS, CUSTOMER, OTHERS, SIGNS, heading_of, plain
from nrrsim.messages import number_in
from nrrsim.months import month_name, parse_month
from nrrsim.notation import counted

EXPANSION, RENEWAL, NEW, DOWNGRADE = "expansion", "renewal", "new", "downgrade"
KINDS = (EXPANSION, RENEWAL, NEW, DOWNGRADE)
WON, LOST = "won", "lost"
UNITS = {"arr": 1.0, "mrr": 12.0}
# Our word: the headings that stand for it, the surest first. "associated company" is HubSpot's;
# "stagename", "closedate", "accountid" are names of fields of Salesforce's.
HEADINGS = {
    "customer": (
        *CUSTOMER,
        *("account name account name", "accountid", "associated company primary"),
        *("associated company ids", "associated company ids primary"),
    ),
    "opportunity": (
        *("opportunity", "opportunity id", "opportunityid", "deal id", "record id", "id"),
        *("opportunity name", "deal name", "deal", "name"),
    ),
    "name": ("opportunity name", "deal name", "name"),
    "arr": (
        *AMOUNTS["arr"],
        *("acv", "annual contract value", "expansion arr", "net new arr", "amount arr"),
    ),
    "mrr": AMOUNTS["mrr"],
    "amount": (*AMOUNTS["amount"], "opportunity amount", "deal amount"),
    "close": (
        *("close", "close date", "closedate", "expected close date", "expected close"),
        *("close month", "closing date"),
    ),
    "stage": ("stage", "stage name", "stagename", "opportunity stage", "deal stage", "dealstage"),
    "probability": ("probability", "probability %", "deal probability", "win probability"),
    "kind": ("kind", "type", "opportunity type", "deal type", "dealtype", "opportunity kind"),
    "snapshot": ("snapshot", "snapshot date", "as of", "as of date", "export date"),
    "currency": (*OTHERS["currency"], "amount currency", "opportunity currency", "currencyisocode"),
}
NEEDED = ("customer", "opportunity", "close", "stage")
# Words of a kind or of an opportunity's name; what a kind says goes before.
_RENEWS = re.compile(r"\brenew")
_SHRINKS = re.compile(r"\b(downgrade|downsell|down sell|contraction|reduction)")
_IS_NEW = re.compile(r"\b(new business|newbusiness|new customer|new logo|new client)\b|^new$")
_EXPANDS = re.compile(
    r"\b(expansion|expand|upsell|up sell|cross ?sell|add ?on|upgrade|growth|amendment|replacement)"
)
_EXISTS = re.compile(r"\bexisting ?(business|customer|client)?\b")
_WON = re.compile(r"\bwon\b|\bclosed ?won\b")
_LOST = re.compile(r"\blost\b|\bclosed\b|\bclosed ?lost\b|\b(cancel+ed|disqualified|abandoned)\b")
COLUMNS = [*("customer", "known", "opportunity", "name", "arr", "close", "stage", "kind")]
COLUMNS += ["probability", "snapshot"]
MOST_NEAR = 50  # unknown customers for whom a name like theirs is looked for
NOT_THERE = "they are listed separately, as nobody is matched by a similar name"


@dataclass(frozen=True)
class Opportunities:
    """The opportunities of a CRM's list. Made by `read_opportunities`.

    `frame`: a row for each opportunity and snapshot, as the file has them: `customer` (the ledger's
    own name; of who is not in it, as written), `known` (whether it is in the ledger), `opportunity`
    (its id, else its name), `name` ("" where there is none), `arr` (in the ledger's currency at the
    rates of `as_of`; nan where no amount is stated), `close` (days since 1970, nan where none is
    stated), `stage`, `kind` (one of KINDS), `probability` (0 to 1, nan where none is stated),
    `snapshot` (days since 1970; nan of a file without snapshots).
    `notices` are what to know, `taken` what was taken for what, `files` what was read.
    """

    frame: pd.DataFrame
    as_of: str
    currency: str
    notices: tuple[Finding, ...] = ()
    taken: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def has_snapshots(self) -> bool:
        """Whether the file says on which day each row was so."""
        return bool(self.frame["snapshot"].notna().any())

    def open(self) -> pd.Series[bool]:
        """Which rows are of opportunities that were neither won nor lost then."""
        ended = {stage: bool(outcome_of(stage)) for stage in self.frame["stage"].unique()}
        return ~self.frame["stage"].map(ended).astype(bool)


def outcome_of(stage: str) -> str:
    """Whether a stage says that an opportunity is WON or LOST; "" of one that is open."""
    words = plain(stage)
    if (_WON.search(words) or words == "closedwon") and "not won" not in words:
        return WON
    return LOST if _LOST.search(words) or words == "closedlost" else ""


def read_opportunities(
    source: Any,
    ledger: Ledger,
    as_of: str,
    unit: str | None = None,
    reading: Reading | None = None,
) -> Opportunities:
    """The opportunities in a table `customer, opportunity, amount, close, stage[, probability,
    kind, snapshot]`, or in an export of Salesforce's opportunities or HubSpot's deals.

    source : a file, a folder, a pattern, a table, or a list of such, in any form that a ledger may
        have.
    as_of : the month at whose rates other currencies are converted.
    unit : what amounts are where no heading says it, `arr` or `mrr`.
    reading : how dates, decimal signs and ids are to be read; default: as the ledger was.

    Who is not in the ledger stays in the frame, and is never matched to a name that is like its
    own. Raises UsageError for a source that is not there, DataError with every finding if the data
    do not fit.
    """
    if unit is not None and unit not in UNITS:
        raise UsageError(f"pipeline_unit: {unit!r} is not known; {did_you_mean(unit, [*UNITS])}")
    month = ledger.inside(as_of, "as_of")
    how = reading or replace(ledger.reading, query=None, sheet=None)
    parts, files = read_further(source, how.query, how.sheet, "the pipeline")
    return _Reader(parts, ledger, how, unit, month).opportunities(files)


class _Reader:
    """Reads the rows of all sources together; what is wrong is noted in `table`."""

    def __init__(
        self,
        parts: Sequence[Rows],
        ledger: Ledger,
        reading: Reading,
        unit: str | None,
        month: int,
    ) -> None:
        self.ledger, self.reading, self.month = ledger, reading, month
        name = ", ".join(dict.fromkeys(part.name for part in parts))
        self.table = table = Table(parts, pd.DataFrame(), np.zeros(1), name, MONTHS)
        self.masked = bool(ledger.unmasked)
        names = ledger.entries.frame["customer"].cat.categories
        self.names, self.true = np.asarray(names, dtype=object), ledger.true_names(names)
        found: list[Rows] = []
        self.units, self.money = list[float](), list[str]()
        for part in parts:
            refuse_twice(part)
            table.findings += part.findings
            table.notices += part.notices
            found.append(self._under_our_words(part, unit))
        if table.findings:
            table.stop()
        table.frame, table.starts = concat(found)
        if table.frame.empty:
            table.refuse("there are no rows", "a pipeline has one row for each opportunity")
            table.stop()

    # --- which column is what ---------------------------------------------------------------------

    def _under_our_words(self, part: Rows, unit: str | None) -> Rows:
        labels = columns_of(part, HEADINGS, {*self.true}, self.reading)
        here = ", ".join(map(str, part.frame.columns))
        if missing := [word for word in NEEDED if word not in labels]:
            remedy = (
                "a pipeline has the columns customer, opportunity, amount, close and stage and, if"
                f" they are known, probability, kind and snapshot; here are {here}"
            )
            self._of_headings(part, f"there is no column {' and none '.join(missing)}", remedy)
        # an export may have a column of ARR that nobody fills
        told = [word for word in (*UNITS, "amount") if word in labels]
        said = [word for word in told if filled(part.frame[labels[word]]).any()] or told
        amount = next(iter(said), "")
        if not amount:
            remedy = f"write arr, mrr or amount above the column that it is; here are {here}"
            self._of_headings(part, "there is no amount", remedy)
        else:
            scale = self._scale(part, labels[amount])
            self.units.append(scale * self._unit(part, amount, labels[amount], unit))
            self.money.append(heading_of(labels[amount]).currency)
            labels["amount"] = labels[amount]
        for word, label in labels.items():
            if word not in (*UNITS, "name", label) and plain(label) not in UNITS:
                said_so = f"{word} is the column {label} of the pipeline"
                self.table.taken += [said_so] * (said_so not in self.table.taken)
        kept = {word: label for word, label in labels.items() if word not in UNITS}
        if kept.get("name") == kept.get("opportunity"):
            kept.pop("name", None)
        frame = unnumbered(part.frame[[*kept.values()]]).set_axis([*kept], axis=1)
        words = [word for word in HEADINGS if word not in UNITS]
        return replace(part, frame=frame.reindex(columns=words))

    def _unit(self, part: Rows, word: str, heading: str, unit: str | None) -> float:
        """How many times an amount is ARR; where neither heading nor anybody says, it is asked."""
        if word in UNITS:
            if unit not in (None, word):
                raise UsageError(
                    f"pipeline_unit: the column {heading} of {part.name} is {word.upper()} by its"
                    " heading; leave pipeline_unit out, or rename the column"
                )
            return UNITS[word]
        if unit is None:
            problem = f"the amounts ({heading}) may be ARR or MRR"
            remedy = (
                "say which with --pipeline-unit arr or --pipeline-unit mrr (pipeline_unit in a run"
                " card); the value of a whole contract is neither: export its annual amount"
            )
            place = Finding(part.name, part.heading_line, problem, remedy, "amount")
            asked = replace(place, option="pipeline_unit", choices=(*UNITS,))
            self.table.findings.append(asked)
        return UNITS[unit or "arr"]

    def _scale(self, part: Rows, heading: str) -> float:
        """How many times an amount is what is written: a title or the heading may say thousands."""
        titles = [cell for _, cells in part.above for cell in cells if isinstance(cell, str)]
        scales = {told for text in (*titles, heading) if (told := captions.said(text).scale)}
        if len(scales) > 1:
            remedy = "write them in full, and leave out what says otherwise"
            self._of_headings(part, "a title and a heading say amounts in two scales", remedy)
        for scale in scales:
            self.table.taken.append(f"amounts of the pipeline are multiplied by {scale:,.10g}")
            return float(scale)
        return 1.0

    def _of_headings(self, part: Rows, problem: str, remedy: str) -> None:
        self.table.findings.append(Finding(part.name, part.heading_line, problem, remedy))

    # --- what the cells say -----------------------------------------------------------------------

    def opportunities(self, files: tuple[str, ...]) -> Opportunities:
        """All rows with what each cell means; raises DataError with every finding."""
        table, raw = self.table, self.table.frame
        refuse_lost_names(table)
        texts = {word: as_text(raw[word]) for word in ("customer", "opportunity", "name", "stage")}
        check_texts(table, pd.DataFrame(texts))
        for word in NEEDED[:2]:
            remedy = f"every row needs the {word}; a total is none: leave it out"
            refuse_rows(table, word, texts[word].isna(), "is empty", remedy)
        remedy = "every opportunity has a stage, such as Proposal or Closed Won"
        refuse_rows(table, "stage", texts["stage"].isna(), "is empty", remedy)
        ids, others = self.reading.ids, self.ledger.elsewhere
        how = (self.true, ids, self.masked, NOT_THERE, others)
        codes = in_ledger(table, texts["customer"], *how)
        known = codes >= 0
        written = texts["customer"].astype(object).to_numpy()
        frame = pd.DataFrame(
            {
                "customer": np.where(known, np.append(self.names, "")[codes], written),
                "known": known,
                "opportunity": one_line(raw["opportunity"]),
                "name": one_line(raw["name"]),
                "arr": self._amounts(),
                "close": self._days("close"),
                "stage": one_line(raw["stage"]),
                "probability": self._probabilities(),
                "snapshot": self._snapshots(),
            },
            index=raw.index,
        )
        frame["kind"] = self._kinds(frame)
        self._refuse_twice(frame)
        if table.findings:
            table.stop()
        frame = frame[codes != ELSEWHERE]
        self._say_what_is_not_there(frame)
        frame = frame[[*COLUMNS]].reset_index(drop=True)
        return Opportunities(
            frame,
            month_name(self.month),
            self.ledger.currency,
            tuple(table.notices),
            tuple(table.taken),
            files,
        )

    def _days(self, column: str) -> np.ndarray:
        """`ndarray[row]`: the day of each date (of a month, its last), nan of an empty cell."""
        cells = self.table.frame[column]
        days, there = np.full(len(cells), np.nan), filled(cells).to_numpy(bool)
        if there.any():
            some = replace(self.table, frame=self.table.frame[there])
            days[there] = last_days(some, column, self.reading, "YYYY-MM-DD")
        return days

    def _snapshots(self) -> np.ndarray:
        """The day of each row: of its own column, else of the month in its file's name."""
        table = self.table
        if filled(table.frame["snapshot"]).any():
            return last_days(table, "snapshot", self.reading, "YYYY-MM-DD")
        named = [part.named_month for part in table.parts]
        if len(named) < 2 or None in named:
            return np.full(len(table.frame), np.nan)
        table.taken.append("each file is the snapshot at the end of the month in its name")
        ends = (np.array(named) + 1 - 12 * 1970).astype("datetime64[M]").astype("datetime64[D]")
        return np.asarray(table.by_row([float(day) for day in ends.astype(np.int64) - 1]))

    def _amounts(self) -> np.ndarray:
        """`ndarray[row]` of ARR in the ledger's currency; nan where no amount is stated."""
        table, cells = self.table, self.table.frame["amount"]
        exact = all(part.exact for part in table.parts)
        read = read_amounts(cells, "." if exact else None)
        if read.undecided:  # what the ledger's sign is settles only what these do not tell
            read = read_amounts(cells, self.reading.decimal)
        rows = cells.index.to_numpy()
        if read.undecided:
            at = read.undecided[0]
            table.ask(
                f"{counted(len(read.undecided), 'cell')} such as {as_written(cells.iloc[at])}: a"
                " thousands sign or a decimal sign",
                "say which is the decimal sign with --decimal . or --decimal ,",
                "decimal",
                (".", ","),
                field="amount",
                row=int(rows[at]),
            )
        if read.contradicts:
            one, two = read.contradicts
            both = f"{as_written(cells.iloc[one])} and {as_written(cells.iloc[two])}"
            remedy = "write all amounts one way"
            table.refuse(f"{both} have two decimal signs", remedy, "amount", int(rows[one]))
        wrong = np.flatnonzero(read.unreadable | (np.abs(read.values) >= MOST))
        for is_error in (True, False):
            some = np.array([at for at in wrong if is_lost(cells.iloc[at]) == is_error], dtype=int)
            if not len(some):
                continue
            problem, remedy = "{} is not an amount", "write digits, or leave the cell empty"
            if is_error:
                problem, remedy = of_lost(cells.iloc[some[0]])
            refuse_cells(table, "amount", rows[some], cells.iloc[some], problem, remedy)
        # 0 is how a CRM says that nobody has thought of an amount yet
        values = np.where(read.values == 0, np.nan, read.values) * table.by_row(self.units)
        return np.asarray(values * self._worth(read.currency if read.has_currency else None))

    def _worth(self, signs: np.ndarray | None) -> np.ndarray:
        """`ndarray[row]`: what one of each row's currency is worth in the ledger's."""
        table, cells = self.table, self.table.frame["currency"]
        said = as_text(cells).astype(object).str.strip().str.upper()
        if signs is not None:
            signed = pd.Series(signs, index=cells.index, dtype=object)
            said = said.fillna(signed.map(lambda each: SIGNS.get(each, each), na_action="ignore"))
        said = said.fillna(pd.Series(table.by_row(self.money), index=cells.index).replace("", None))
        ours, worth = self.ledger.currency, np.ones(len(said))
        others = said.dropna()
        if not ours and others.nunique() == 1:
            return worth  # the ledger says no currency, and the pipeline one
        for code in sorted(set(others) - {ours}):
            rates, is_it = self.ledger.rates, (said == code).to_numpy(bool)
            rate = np.nan if rates is None else rates.get((code, self.month), np.nan)
            if np.isnan(rate):
                row = int(cells.index[int(np.argmax(is_it))])
                report = f"the ledger is in {ours}" if ours else "the ledger states no currency"
                remedy = f"give a rate for {code} in {month_name(self.month)} (rates)"
                problem = f"{counted(int(is_it.sum()), 'amount')} in {code}, and {report}"
                table.refuse(problem, remedy, "currency", row)
            worth[is_it] = rate
        return worth

    def _probabilities(self) -> np.ndarray:
        """`ndarray[row]` from 0 to 1; nan where none is stated.

        In percent where one is above 1, whatever the heading: a spreadsheet's 40% is a cell of 0.4.
        """
        cells = self.table.frame["probability"]
        texts = cells.map(
            lambda cell: cell.strip().removesuffix("%").strip() if isinstance(cell, str) else cell
        )
        has_sign = cells.map(lambda cell: isinstance(cell, str) and cell.strip().endswith("%"))
        # no probability has thousands: a sign is the decimal one
        sign = "," if texts.map(lambda text: isinstance(text, str) and "," in text).any() else "."
        read = read_amounts(pd.Series(texts.astype(object), index=cells.index), sign)
        values = read.values
        signed = has_sign.to_numpy(bool)
        in_percent = signed | bool(np.nanmax(values[~signed], initial=0.0) > 1)
        if not (in_percent | np.isnan(values)).all():
            self.table.taken.append("probability is read from 0 to 1: 0.4 is 40%")
        small = ~signed & (values > 0) & (values < 1)
        if (in_percent & small).any():
            least = f"{float(values[small].min()):g}"
            said = f"probability is read in percent, as some are above 1: {least} is {least}%"
            self.table.taken.append(said)
        values = np.where(in_percent, np.round(values / 100, 14), values)
        wrong = read.unreadable | (values < 0) | (values > 1)
        remedy = "write it as 40%, 40 or 0.4, or leave the cell empty"
        refuse_rows(self.table, "probability", wrong, "{} is not a probability", remedy)
        return np.asarray(values)

    # --- which kind -------------------------------------------------------------------------------

    def _kinds(self, frame: pd.DataFrame) -> pd.Series:
        """Each row's kind: by its own column, else by its name; what is decided so is said."""
        table = self.table
        words = as_text(table.frame["kind"]).astype(object)
        told = {each: kind_of(each) for each in words.dropna().unique()}
        for word in sorted(each for each, kind in told.items() if kind is None):
            is_it = (words == word).to_numpy(bool)
            row = int(words.index[int(np.argmax(is_it))])
            problem = f"{as_written(word)} is no kind that is known ({counted(is_it.sum(), 'row')})"
            table.refuse(problem, "write expansion, renewal, new or downgrade", "kind", row)
        kind = words.map(told).fillna("").astype("str")
        is_open = kind == ""
        named = frame["name"].where(frame["name"] != "", frame["opportunity"])
        renews = is_open & named.map(plain).str.contains(_RENEWS)
        kind = kind.mask(is_open, EXPANSION).mask(renews, RENEWAL)
        if is_open.any():
            what = "whose kind does not say what they are" if len(told) else "without a kind"
            found = "all are read as expansion"
            if renews.any():
                called = counted(int(renews.sum()), "that is called", "that are called")
                found = f"{called} a renewal count as such, all others as expansion"
            row = int(kind.index[int(np.argmax(is_open))])
            table.notice(
                f"{counted(int(is_open.sum()), 'row')} {what}: {found}",
                "if that is wrong, write expansion, renewal or new in a column kind",
                row,
            )
        # less than nothing is no expansion
        return kind.mask((frame["arr"] < 0) & (kind == EXPANSION), DOWNGRADE)

    # --- what is wrong, and what to know ----------------------------------------------------------

    def _refuse_twice(self, frame: pd.DataFrame) -> None:
        """An opportunity that stands twice in one snapshot would be counted twice."""
        keys = ["customer", "opportunity", "snapshot"]
        again = frame.duplicated(keys) & (frame["opportunity"] != "")
        table, rows = self.table, frame.index[again].to_numpy()
        if not len(rows):
            return
        same = (frame[keys].fillna(-1) == frame.loc[rows[0], keys].fillna(-1)).all(axis=1)
        before = int(frame.index[int(np.argmax(same))])
        cells = table.frame["opportunity"].loc[rows]
        problem = f"{{}} stands again in the same snapshot (first in {table.place(before)})"
        if len(rows) > 1:
            problem = "{} stands again for its customer in the same snapshot"
        remedy = (
            "keep one row for each (of several products the sum); if they are two, export their ids"
        )
        refuse_cells(table, "opportunity", rows, cells, problem, remedy)

    def _say_what_is_not_there(self, frame: pd.DataFrame) -> None:
        table = self.table
        for column, what in (("arr", "amount"), ("close", "close date")):
            none = frame[column].isna()
            if none.any():
                row = int(frame.index[int(np.argmax(none))])
                told = f"{counted(int(none.sum()), 'row has', 'rows have')} no {what}"
                remedy = "counted separately: not part of what is open"
                table.notice(told, remedy, row)


def kind_of(word: str) -> str | None:
    """The kind that a CRM's word stands for, one of KINDS; "" where it says only that the customer
    exists, None where it says nothing known.
    """
    words = plain(word)
    if _RENEWS.search(words):
        return RENEWAL
    if _SHRINKS.search(words):
        return DOWNGRADE
    is_new, expands = _IS_NEW.search(words), _EXPANDS.search(words)
    if is_new and expands:  # New Business / Add-on
        return ""
    if is_new:
        return NEW
    if expands:
        return EXPANSION
    return "" if _EXISTS.search(words) or words == "existingbusiness" else None


def near_names(written: Sequence[str], names: Sequence[str]) -> list[str]:
    """For each name the ledger's that is most like it, "" where none is: a hint, and no match."""
    by_look = {folded(name): name for name in names}
    looks, found = [*by_look][:MOST_SEARCHED], []
    for each in written[:MOST_NEAR]:
        near = difflib.get_close_matches(folded(each), looks, n=1, cutoff=0.75)
        begun = [look for look in looks if min(look, folded(each), key=len) and _begins(look, each)]
        found.append(by_look[near[0]] if near else by_look[begun[0]] if len(begun) == 1 else "")
    return [*found, *[""] * (len(written) - len(found))]


def _begins(look: str, written: str) -> bool:
    """Whether of two names one is the beginning of the other: Acme, and Acme Holdings Ltd."""
    one, other = sorted((look, folded(written)), key=len)
    return len(one) >= 4 and other.startswith(f"{one} ")


def stage_numbers(said: Mapping[str, Any] | None) -> dict[str, float]:
    """What was said of stages (`{Proposal: 40%}`) as numbers from 0 to 1, by their plain words.

    Raises UsageError for what is no probability.
    """
    found = {}
    for stage, value in (said or {}).items():
        try:
            number = float(number_in(value) if isinstance(value, str) else value)
        except (TypeError, ValueError):
            number = np.nan
        if isinstance(value, bool) or not 0 <= number <= 1:
            raise UsageError(f"stages: {stage}: {value!r} is not a probability; write 40% or 0.4")
        found[plain(stage)] = number
    return found


def last_day_of(month: str) -> int:
    """Days since 1970 of a month's last day."""
    after = np.int64(parse_month(month, "month") + 1 - 12 * 1970)
    return int(after.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)) - 1


def month_of(days: pd.Series) -> np.ndarray:
    """`ndarray[row]` of month numbers, nan where there is no day."""
    return np.asarray(month_of_day(days.to_numpy(float), nan=True), dtype=float)
