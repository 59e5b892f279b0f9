"""Actuals and what the report before published in, what moved since then out; never reads a file.

Two questions are answered. What was restated: which customers' rows of the months that were
reported are others today, and what each does to the published NRR. What changed: the bridge from
the published NRR to this one, each part by a formula of its own, so that nothing is what is left
over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.analysis.actuals import Actuals
from nrrsim.errors import UsageError
from nrrsim.ledger.ledger import Ledger
from nrrsim.metrics import DEFINITIONS, measure, ratio
from nrrsim.months import month_name, parse_month, shift
from nrrsim.movements import LOSSES, MOVEMENTS, Movements, json_amount, json_ratio
from nrrsim.notation import digits_of, money, percent

KEY_DIGITS = 16
FIGURES = ("nrr", "grr", "logo", "company_closing")  # what page 1 prints of a quarter
# How the time that a row pays for is counted: other rules are other figures of the same rows.
PERIOD_RULES = ("end", "late_renewal", "period_end", "overlap", "invoices", "one_off")
KINDS = ("amounts", "late", "gone", "renamed", "segment", "rates")
MOST_TOLD = 200  # customers whose restatement is told in full
RATES = "\0rates"  # the customers whom other rates alone have moved, as one; no key is like it
NOTHING = 1e-13  # of NRR: what rounding leaves of a part that is 0
YEAR = 12
BOOK = ["customer", "month", "segment", "arr"]
RESTATED = [
    "unit",
    "customer",
    "segment",
    "segment_today",
    "customers",
    "arr",
    "months",
    "change",
    "effect",
    "kinds",
]


def key_of(company: str, customer: str) -> str:
    """A customer's key, the same in every report of the company, from which no name can be read."""
    return hashlib.sha256(f"{company}\0{customer}".encode()).hexdigest()[:KEY_DIGITS]


@dataclass(frozen=True)
class Published:
    """What the report of `company` as of `as_of` said, and the reports before it.

    quarters : by each report's month, its figures: FIGURES, the `terms` they were computed by, the
        `rates`, and of its forecast the quantiles of NRR `ahead` by month.
    book : the customer-months that it rests on: `customer` (its key), `month`, `segment`, `arr` at
        its rates; None where they were not kept.
    """

    company: str
    as_of: str
    quarters: Mapping[str, Mapping[str, Any]]
    book: pd.DataFrame | None = None

    @property
    def said(self) -> Mapping[str, Any]:
        """What that report itself said."""
        return self.quarters[self.as_of]


def terms_of(past: Actuals) -> dict[str, Any]:
    """What two reports must have in common to be compared."""
    ledger, rules = past.ledger, past.ledger.reading.said
    return {
        "window": past.window,
        "definition": past.definition,
        "ex_price": past.ex_price,
        "currency": ledger.currency,
        "reported": ledger.reported,
        "grace_months": ledger.grace_months,
        "rules": {name: rules[name] for name in PERIOD_RULES if name in rules},
    }


def rates_of(ledger: Ledger, as_of: str, start: str) -> dict[str, dict[str, float]]:
    """By currency and month the rates that a window's amounts are converted at."""
    if ledger.rates is None:
        return {}
    own, last = parse_month(start, "start"), parse_month(as_of, "as_of")
    found: dict[str, dict[str, float]] = {}
    codes, months = (ledger.rates.index.get_level_values(level) for level in (0, 1))
    for code, month, rate in zip(codes, months, ledger.rates, strict=True):
        if month == own or (ledger.reported and month <= last):
            found.setdefault(str(code), {})[month_name(int(month))] = float(rate)
    return found


def book_of(ledger: Ledger, as_of: str, start: str, first: str | None = None) -> pd.DataFrame:
    """A row a customer and month up to `as_of`: `customer`, `month`, `segment`, `arr`.

    Amounts at the rates of the window that begins with `start`. first : months before it are left
        out.
    """
    entries = ledger.entries.frame
    known = (entries["month"] <= parse_month(as_of, "as_of")).to_numpy()
    if first is not None:
        known = known & (entries["month"] >= parse_month(first, "first")).to_numpy()
    rate = None if ledger.rates is None or ledger.reported else parse_month(start, "start")
    rows = entries.loc[known, ["customer", "month", "segment"]]
    rows = rows.assign(arr=ledger.converted(rate)[known])
    # several lines of a customer are one amount, in the segment that all of them have
    if rows.duplicated(["customer", "month"]).any():
        by = rows.groupby(["customer", "month"], observed=True, sort=False)
        rows = by.agg(segment=("segment", "first"), arr=("arr", "sum")).reset_index()
    numbers = rows["month"].to_numpy()
    codes, months = pd.factorize(numbers)
    names = np.array([month_name(int(month)) for month in months], dtype=object)
    return rows.assign(month=pd.array(names[codes], dtype="str"))[BOOK].reset_index(drop=True)


def keyed(book: pd.DataFrame, ledger: Ledger, company: str) -> pd.DataFrame:
    """A book with customers' keys in the place of their names; masked names are of those behind."""
    names = book["customer"].astype("category").cat.remove_unused_categories()
    keys = keys_of(ledger, names.cat.categories, company)
    return book.assign(customer=names.cat.rename_categories(keys).astype("str"))


def keys_of(ledger: Ledger, names: Iterable[str], company: str) -> list[str]:
    """The keys of customers of a ledger, whose names may be masked."""
    return [key_of(company, name) for name in ledger.true_names(names)]


@dataclass(frozen=True)
class Since:
    """What moved from the report `before` to `past`; see `since`. No answer without one."""

    past: Actuals
    before: Published | None

    # --- may they be compared ---------------------------------------------------------------------

    @cached_property
    def changed(self) -> dict[str, tuple[Any, Any]]:
        """The terms that are others now: then and now. Where there are any nothing is compared."""
        if self.before is None:
            return {}
        then, now = self.before.said["terms"], terms_of(self.past)
        return {
            name: (then[name], now[name]) for name in now if then.get(name, now[name]) != now[name]
        }

    @cached_property
    def _then(self) -> Actuals | str:
        """The quarter of the report before from today's ledger, or why it cannot be had of it."""
        if self.before is None:
            return ""
        past = self.past
        try:
            return Actuals(
                past.ledger, self.before.as_of, past.window, past.definition, None, past.ex_price
            )
        except UsageError as error:
            return str(error)

    @property
    def then(self) -> Actuals | None:
        """The quarter of the report before, from today's ledger; None where nothing is compared."""
        return self._then if isinstance(self._then, Actuals) and not self.changed else None

    @property
    def why_not(self) -> str:
        """Why the quarter of the report before cannot be had of today's ledger; "" where it can."""
        return self._then if isinstance(self._then, str) else ""

    @property
    def is_compared(self) -> bool:
        """Whether there is a report before, and both have an NRR that can be compared."""
        return "nrr" in set(self.figures["figure"]) and not np.isnan(self.past.now.nrr)

    # --- what was restated ------------------------------------------------------------------------

    @cached_property
    def figures(self) -> pd.DataFrame:
        """What the report before published and what today's ledger says of its quarter.

        `figure` (of FIGURES), `published`, `today`, `change`, and `moved`: whether it would be
        printed otherwise. No row where nothing is compared.
        """
        columns = ["figure", "published", "today", "change", "moved"]
        if self.then is None or self.before is None:
            return pd.DataFrame(columns=columns)
        now, said = self.then.now, self.before.said
        closing = self.then.book.amount("closing")
        today = (
            *(json_ratio(each) for each in (now.nrr, now.grr, now.logo)),
            json_amount(closing, self.past.ledger.currency),
        )
        rows = [
            [
                name,
                said[name],
                value,
                value - said[name],
                _printed(name, value) != _printed(name, said[name]),
            ]
            for name, value in zip(FIGURES, today, strict=True)
            if value is not None and said.get(name) is not None
        ]
        return pd.DataFrame(rows, columns=columns).astype({"moved": bool})

    @property
    def restated(self) -> float:
        """Last quarter's NRR from today's ledger less the one published; 0 where there is none."""
        of_nrr = self.figures[self.figures["figure"] == "nrr"]["change"]
        return float(of_nrr.iloc[0]) if len(of_nrr) else 0.0

    @cached_property
    def restatements(self) -> pd.DataFrame:
        """Whose rows of the months that were reported are others today, the largest effect first.

        `customer` (null: no longer in the ledger, or of several), `segment`, how many `customers`,
        `arr` (the latest that was published, else of today), `months` (a tuple), `change` (of the
        month with the largest), `effect` (on the published NRR, that customer's rows alone being
        today's; price movements count in it even where the report leaves them out) and `kinds` (a
        tuple of KINDS). After the first MOST_TOLD a row has `unit`, `customers` and `effect` alone.
        """
        none = pd.DataFrame(columns=RESTATED)
        if self.then is None or self.before is None or self.before.book is None:
            return none
        moved = self._moved()
        if moved.empty:
            return none
        units = moved.groupby("unit", sort=True)
        change = (moved["arr_now"].fillna(0.0) - moved["arr"].fillna(0.0)).abs()
        found = pd.DataFrame(
            {"effect": self._effects(moved), "size": change.groupby(moved["unit"]).max()},
            index=sorted(map(str, units.groups)),
        )
        found["rank"] = found["effect"].abs().round(12)
        found = found.sort_values(["rank", "size"], ascending=False, kind="stable")
        # of thousands a page names few: of the others it says how many they are, and their effect
        told = pd.DataFrame(
            [
                self._restatement(str(unit), units.get_group(unit))
                for unit in found.index[:MOST_TOLD]
            ]
        )
        rest = pd.DataFrame({"unit": found.index[MOST_TOLD:], "customers": 1})
        frame = pd.concat([told, rest], ignore_index=True) if len(rest) else told
        return frame.assign(effect=found["effect"].to_numpy())[RESTATED]

    @cached_property
    def names(self) -> dict[str, str]:
        """Today's customers by key, also those who came after the report before."""
        assert self.before is not None
        all_of_them = self.past.ledger.entries.frame["customer"].cat.categories
        keys = keys_of(self.past.ledger, all_of_them, self.before.company)
        return dict(zip(keys, map(str, all_of_them), strict=True))

    @cached_property
    def _books(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """By key the published book, today's of the same months, and today's at the rates of then.

        Of the months that both ledgers know: one that begins later has not lost its rows, and of
        one that has quarters alone none are gone.
        """
        assert self.before is not None
        assert self.before.book is not None
        assert self.then is not None
        ledger, published = self.past.ledger, self.before.book
        numbers = sorted({parse_month(month, "month") for month in published["month"].unique()})
        first = max(ledger.months[0], month_name(numbers[0]))
        step = int(np.diff(numbers).min(initial=YEAR))
        known = [
            name
            for name, number in zip(ledger.months, ledger.entries.months, strict=True)
            if (number - numbers[0]) % step == 0
        ]
        then = ledger
        if ledger.rates is not None:
            then = replace(ledger, rates=_with_rates(ledger.rates, self._other_rates))
        own = (
            keyed(
                book_of(each, self.before.as_of, self.then.start, first),
                ledger,
                self.before.company,
            )
            for each in (ledger, then)
        )
        then_published, today, at_rates_of_then = (
            pd.DataFrame(book[book["month"].isin(known)]) for book in (published, *own)
        )
        return then_published, today, at_rates_of_then

    @cached_property
    def _other_rates(self) -> dict[str, dict[str, float]]:
        """By currency and month the published rates that are others today."""
        assert self.before is not None
        assert self.then is not None
        now = rates_of(self.past.ledger, self.before.as_of, self.then.start)
        then = self.before.said.get("rates", {})
        others = {
            code: {
                month: then[code][month]
                for month in then[code]
                if rates.get(month, then[code][month]) != then[code][month]
            }
            for code, rates in now.items()
            if code in then
        }
        return {code: rates for code, rates in others.items() if rates}

    @property
    def other_rates(self) -> tuple[str, ...]:
        """The currencies whose rates of the published window are others today."""
        return tuple(sorted(self._other_rates)) if self.then is not None else ()

    def _moved(self) -> pd.DataFrame:
        """The customer-months that are others today, with the `unit` that they are told as.

        `customer` (the key), `month`, `segment` and `arr` as published and (`_today`) as they are,
        `kind`, `unit`: the customer, of a rename the new one, of other rates all in one.
        """
        published, today, at_rates_of_then = self._books
        by = ["customer", "month"]
        both = published.merge(
            at_rates_of_then, "outer", by, suffixes=("", "_today"), indicator=True
        )
        both = both.merge(today[[*by, "arr"]].rename(columns={"arr": "arr_now"}), "left", by)
        there = (both["_merge"] == "both").to_numpy()
        # what is told apart is told by the currency's minor unit
        least = 10.0 ** -digits_of(self.past.ledger.currency) / 2
        others = there & ((both["arr_today"] - both["arr"]).abs() > least).to_numpy()
        split = (
            there
            & (both["segment"].astype(object) != both["segment_today"].astype(object)).to_numpy()
        )
        both["rated"] = ((both["arr_now"] - both["arr_today"]).abs() > least).to_numpy()
        kinds = {
            "amounts": others,
            "late": (both["_merge"] == "right_only").to_numpy(),
            "gone": (both["_merge"] == "left_only").to_numpy(),
            "segment": split,
            "rates": there & both["rated"].to_numpy() & ~others,
        }
        pieces = [both[which].assign(kind=kind) for kind, which in kinds.items() if which.any()]
        if not pieces:
            return both.iloc[:0].assign(kind="", unit="")
        moved = pd.concat(pieces, ignore_index=True)
        moved["unit"] = moved["customer"]
        renamed = _renames(moved, set(published["customer"]), set(today["customer"]))
        moved["unit"] = moved["unit"].replace(renamed)
        moved.loc[
            moved["unit"].isin(renamed.values()) & moved["kind"].isin(["late", "gone"]), "kind"
        ] = "renamed"
        by_rates_alone = (moved["kind"] == "rates").groupby(moved["unit"]).transform("all")
        moved.loc[by_rates_alone, "unit"] = RATES
        return pd.DataFrame(moved)

    def _restatement(self, unit: str, rows: pd.DataFrame) -> dict[str, Any]:
        """What is told of one unit's rows that are others today, but for their effect."""
        kinds = [kind for kind in KINDS if (rows["kind"] == kind).any()]
        is_renamed = "renamed" in kinds
        # a row of two kinds stands here twice, and counts once
        rows = rows.drop_duplicates(["customer", "month"]).sort_values("month", kind="stable")
        was, now = rows[rows["arr"].notna()], rows[rows["arr_now"].notna()]
        segment, segment_today = (
            str(of.iloc[-1]) if len(of) else None for of in (was["segment"], now["segment_today"])
        )
        if is_renamed and segment != segment_today:
            kinds.append("segment")
        # who is renamed is the same at the rates of then, and may be another at today's
        if is_renamed and rows["rated"].any():
            kinds.append("rates")
        by_month = (rows["arr_now"].fillna(0.0) - rows["arr"].fillna(0.0)).groupby(rows["month"])
        changes = by_month.sum()
        latest, amount = (was, "arr") if len(was) else (now, "arr_now")
        latest = latest[latest["month"] == latest["month"].max()]
        return {
            "unit": unit,
            "customer": self.names.get(unit),
            "segment": segment or segment_today,
            "segment_today": segment_today or segment,
            "customers": 1 if is_renamed else int(rows["customer"].nunique()),
            "arr": float(latest[amount].sum()),
            "months": tuple(sorted(set(rows["month"]))),
            "change": float(changes.iloc[np.abs(changes).argmax()]),
            "kinds": tuple(kinds),
        }

    def _effects(self, moved: pd.DataFrame) -> np.ndarray:
        """`ndarray[unit]`: what the published book's NRR gains by that unit's rows of today."""
        published, today, _ = self._books
        unit_of = dict(zip(moved["customer"], moved["unit"], strict=True))
        units = sorted(set(unit_of.values()))

        def ledger(book: pd.DataFrame, alone: bool) -> Ledger:
            book = book[book["customer"].isin(unit_of.keys())] if alone else book
            return _as_ledger(
                book.assign(unit=book["customer"].map(unit_of).fillna("")), self.past.ledger
            )

        whole, less, more = ledger(published, False), ledger(published, True), ledger(today, True)
        assert self.then is not None
        of_book = DEFINITIONS[self.then.definition].of_book
        back = (0, 3, 6, 9) if self.then.definition == "trailing_average" else (0,)
        name = self.then.definition if len(back) == 1 else "point_to_point"
        effects = []
        for months in back:
            end = shift(self.then.as_of, -months)
            # one trial more, the first: with nothing swapped
            swapped = _swapped(whole, less, more, units, end, self.then.window, of_book)
            found = ratio(swapped, "nrr", name)
            effects.append(found[1:] - found[0])
        return np.asarray(np.mean(effects, axis=0))

    @cached_property
    def earlier(self) -> pd.DataFrame:
        """The quarters before the last one whose NRR would be printed otherwise today.

        `month`, `published` (from the book that the report before rests on, as its trend had it)
        and `today`, the latest first. Of several currencies the book has one window's rates alone:
        of a quarter that moves by those, what its own report published.
        """
        rows = []
        if self.then is not None and self.before is not None and len(self.restatements):
            past, (published, today, _) = self.then, self._books
            book, at_its_rates = (
                _as_ledger(each.assign(unit=""), self.past.ledger) for each in (published, today)
            )
            is_own = past.ledger.rates is None or past.ledger.reported
            # of the old book's prices nothing is kept
            months = [] if past.ex_price else [*past.trend()["month"]][-2::-1]
            for month in months:
                try:
                    was, same, now = (
                        measure(each, month, past.window, past.definition).nrr
                        for each in (book, at_its_rates, past.ledger)
                    )
                except UsageError:  # before the months that both know
                    break
                if not is_own:
                    said = self.before.quarters.get(month, {})
                    is_told = (
                        said.get("terms") == self.before.said["terms"] and abs(was - same) > NOTHING
                    )
                    was = said["nrr"] if is_told and said["nrr"] is not None else now
                if _printed("nrr", was) != _printed("nrr", now):
                    rows.append([month, was, now])
        return pd.DataFrame(rows, columns=["month", "published", "today"])

    # --- what changed -----------------------------------------------------------------------------

    @cached_property
    def parts(self) -> pd.DataFrame:
        """The parts of what NRR changed by since the report before, each by its own formula.

        None where one of the two has no NRR: nobody paid at its start.

        `part` (a movement's name, or restated, rolled_off, mix, definition), `change` (of NRR),
        and its two largest customers as `first`, `first_change`, `second`, `second_change` (None
        and nan where there is none). What is 0 is left out; the rest adds up to this NRR less the
        one published.
        """
        columns = ["part", "change", "first", "first_change", "second", "second_change"]
        if self.then is None or self.before is None or not self.is_compared:
            return pd.DataFrame(columns=columns)
        past, then = self.past, self.then
        now, old = _Cohort.of(past), _Cohort.of(then)
        # (start, as_of] is the window; both are as long, and the later one ends later
        fresh = now.within(max(parse_month(then.as_of, "as_of"), now.start), now.end)
        gone = old.within(old.start, min(now.start, old.end))
        common = (now.start, old.end)
        rows: list[tuple[str, float, pd.Series]] = []
        named = self.restatements.dropna(subset=["customer"]).set_index("customer")
        effects = named["effect"].astype(float).iloc[: 0 if past.ex_price else None]
        rows.append(("restated", self.restated, effects))
        for number, name in enumerate(MOVEMENTS):
            mine = fresh[fresh["kind"] == number]
            rows.append((name, *_summed(mine, now)))
        total, each = _summed(gone, old)
        rows.append(("rolled_off", -total, -each))
        total, each = _summed(now.within(*common), now)
        less, each_less = _summed(old.within(*common), old)
        rows.append(("mix", total - less, each.sub(each_less, fill_value=0.0)))
        by_definition = [
            each.now.nrr - measure(each.ledger, each.as_of, each.window).nrr
            for each in (past, then)
        ]
        rows.append(("definition", by_definition[0] - by_definition[1], pd.Series(dtype=float)))
        names = past.ledger.entries.frame["customer"].cat.categories
        told = [
            [part, change, *_largest(each, names)]
            for part, change, each in rows
            if abs(change) > NOTHING
        ]
        return pd.DataFrame(told, columns=columns)

    def bridge(self) -> pd.DataFrame:
        """From the published NRR to this one: `step`, `amount`, `start`, `end`, `kind`.

        The first and the last step are the two reports' months.
        """
        if self.parts.empty or self.before is None:
            return pd.DataFrame(columns=["step", "amount", "start", "end", "kind"])
        level = float(self.before.said["nrr"])
        rows: list[list[Any]] = [[self.before.as_of, level, 0.0, level, "total"]]
        for part, change in zip(self.parts["part"], self.parts["change"], strict=True):
            kind = "gain" if change > 0 else "loss"
            rows.append([part, float(change), level, level + change, kind])
            level += float(change)
        now = self.past.now.nrr
        rows.append([self.past.as_of, now, 0.0, now, "total"])
        return pd.DataFrame(rows, columns=["step", "amount", "start", "end", "kind"])

    # --- the range that was published -------------------------------------------------------------

    @cached_property
    def judged(self) -> pd.DataFrame:
        """The ranges that earlier reports published for NRR of now, beside what it came to.

        `origin` (that report's month), `p10`, `p50`, `p90`, `actual` and `place`: the share of what
        was forecast that lay below it; 0 or 1 where it was below or above all that was recorded.
        """
        columns = ["origin", "p10", "p50", "p90", "actual", "place"]
        past, rows = self.past, []
        if self.before is not None and {past.as_of, shift(past.as_of, -YEAR)} <= set(
            past.ledger.months
        ):
            actual = json_ratio(measure(past.ledger, past.as_of, YEAR).nrr)
            now = terms_of(past)
            for origin, said in sorted(self.before.quarters.items()):
                same = all(
                    said["terms"].get(name, now[name]) == now[name]
                    for name in ("currency", "reported", "grace_months", "rules")
                )
                quantiles = said.get("ahead", {}).get(past.as_of)
                if actual is None or quantiles is None or not same:
                    continue
                shares = {name: int(name[1:]) / 100 for name in quantiles}
                order = sorted(shares, key=lambda name: shares[name])
                values = [quantiles[name] for name in order]
                place = float(np.interp(actual, values, [shares[name] for name in order], 0.0, 1.0))
                rows.append([origin, *(quantiles[name] for name in columns[1:4]), actual, place])
        return pd.DataFrame(rows, columns=columns)

    def record(self) -> dict[str, Any]:
        """What a later report compares itself with, and what was restated, for the manifest."""
        past = self.past
        figures = {
            str(name): {"published": published, "today": today}
            for name, published, today, _, moved in self.figures.itertuples(index=False)
            if moved
        }
        return {
            "terms": terms_of(past),
            "rates": rates_of(past.ledger, past.as_of, past.start),
            "before": None
            if self.before is None
            else {
                "as_of": self.before.as_of,
                "restated": figures,
                "not_compared": sorted(self.changed),
                "parts": dict(
                    zip(self.parts["part"], map(float, self.parts["change"]), strict=True)
                ),
                "judged": self.judged.to_dict("records"),
            },
        }


def since(past: Actuals, before: Published | None) -> Since:
    """What moved since the report before: `before` is what it published, None where there is none.

    Raises UsageError where that report is not of an earlier month.
    """
    if before is not None and before.as_of >= past.as_of:
        raise UsageError(
            f"previous: that report is as of {before.as_of}, and this one as of {past.as_of}; name"
            " an earlier one, or none"
        )
    return Since(past, before)


def _printed(figure: str, value: float) -> str:
    """A figure as page 1 prints it, but for the sign of its currency."""
    return money(value, "") if figure == "company_closing" else percent(value)


# --- the two cohorts ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cohort:
    """A window's cohort: its opening ARR, and its customers' movements, losses negative."""

    start: int
    end: int
    opening: float
    moves: pd.DataFrame

    @classmethod
    def of(cls, past: Actuals) -> _Cohort:
        end, start = past.ledger.window(past.as_of, past.window)
        rows, moves = past.ledger.histories(past.as_of, rate_of=past.start)
        there = rows[rows["month"] == start]
        moves = moves[moves["customer"].isin(there["customer"])]
        is_loss = moves["kind"].isin([MOVEMENTS.index(name) for name in LOSSES])
        moves = moves.assign(arr=moves["arr"].where(~is_loss, -moves["arr"]))
        return cls(start, end, float(there["arr"].sum()), moves)

    def within(self, after: int, until: int) -> pd.DataFrame:
        """The movements of the months after one and up to another."""
        return self.moves[(self.moves["month"] > after) & (self.moves["month"] <= until)]


def _summed(moves: pd.DataFrame, cohort: _Cohort) -> tuple[float, pd.Series]:
    """Movements as a share of the cohort's opening: all of them, and by customer's number."""
    each = moves.groupby("customer")["arr"].sum() / cohort.opening
    return float(moves["arr"].sum()) / cohort.opening, each


def _largest(each: pd.Series, names: Any) -> list[Any]:
    """The two customers with the largest parts, each with its part."""
    order = each.abs().sort_values(ascending=False, kind="stable").index[:2]
    told: list[Any] = []
    for customer in order:
        if abs(each[customer]) > NOTHING:
            told += [
                customer if isinstance(customer, str) else names[customer],
                float(each[customer]),
            ]
    return [*told, *[None, np.nan] * (2 - len(told) // 2)]


# --- one customer of another book -----------------------------------------------------------------


def _renames(moved: pd.DataFrame, before: set[str], after: set[str]) -> dict[str, str]:
    """Who is wholly gone and has the same amounts and months under a new key: old to new."""

    def histories(kind: str, others: set[str]) -> dict[tuple[tuple[str, float], ...], list[str]]:
        amount = "arr" if kind == "gone" else "arr_today"
        mine = moved[(moved["kind"] == kind) & ~moved["customer"].isin(others)]
        found: dict[tuple[tuple[str, float], ...], list[str]] = {}
        for key, rows in mine.sort_values(["customer", "month"]).groupby("customer"):
            history = tuple(zip(rows["month"], rows[amount].round(2), strict=True))
            found.setdefault(history, []).append(str(key))
        return found

    gone, come = histories("gone", after), histories("late", before)
    return {
        old: new
        for history, olds in gone.items()
        for old, new in zip(olds, come.get(history, []), strict=False)
    }


def _with_rates(rates: pd.Series, others: Mapping[str, Mapping[str, float]]) -> pd.Series:
    """The rates with others in the place of some."""
    changed = rates.copy()
    for code, by_month in others.items():
        for month, rate in by_month.items():
            changed[code, parse_month(month, "month")] = rate
    return changed


def _as_ledger(book: pd.DataFrame, like: Ledger) -> Ledger:
    """A book as a ledger in one currency, whose further column is the `unit`."""
    months = book["month"].map(
        {name: number for name, number in zip(like.months, like.entries.months, strict=True)}
    )
    frame = pd.DataFrame(
        {
            "customer": book["customer"].astype("category"),
            "month": months.astype(np.int64),
            "arr": book["arr"].astype(float),
            "segment": book["segment"].astype("str").astype("category"),
            "unit": book["unit"].astype("str").astype("category"),
        }
    ).sort_values(["customer", "month"], kind="stable", ignore_index=True)
    entries = replace(
        like.entries, frame=frame, line=np.zeros(len(frame), np.int64), rows=len(frame)
    )
    return Ledger(entries, like.currency, None, like.reported, like.grace_months, like.reading)


def _swapped(
    whole: Ledger,
    less: Ledger,
    more: Ledger,
    units: list[str],
    end: str,
    window: int,
    of_book: bool,
) -> Movements:
    """The Movements of a book with one unit's rows in the place of its own, a trial a unit.

    Before them all stands the trial in which nothing is swapped.
    """

    def of(ledger: Ledger, by: str) -> Movements:
        return (
            ledger.book(shift(end, -window), end, by) if of_book else ledger.cohort(end, window, by)
        )

    total = of(whole, "segment").total()
    swap = [of(each, "unit").data.reindex(segment=units, fill_value=0.0) for each in (more, less)]
    change = swap[0] - swap[1]
    arrays = {}
    for name, values in total.arrays.items():
        by_unit = change[name].transpose("segment", "month").values
        by_unit = np.concatenate([np.zeros((1, by_unit.shape[1])), by_unit])
        arrays[name] = (values + by_unit)[:, None, :]
    return Movements.of(
        arrays, segments=["all"], months=total.months, start=total.start, closed=total.closed
    )
