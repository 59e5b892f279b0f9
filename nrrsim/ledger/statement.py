"""A table's headings in, the SQL of its checks and its roll-forward out; never runs any.

It is written once (`sql/`), in the part of the language that every warehouse has, and put into the
dialect of this one by sqlglot: tables and columns as names in quotes, never as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from nrrsim.errors import UsageError
from nrrsim.ledger.columns import Named
from nrrsim.ledger.database import Headings
from nrrsim.ledger.rollforward import COHORT_BY, EMPTY
from nrrsim.ledger.statuses import ONE_OFF
from nrrsim.ledger.values import MOST, ONE_SEGMENT
from nrrsim.ledger.vocabulary import plain
from nrrsim.months import YEARS
from nrrsim.sizebands import By, SizeBands

if TYPE_CHECKING:
    from sqlglot import exp

SQL = Path(__file__).parent / "sql"
# A month's number, of a day and of a text that is written so: its digits are numbers only then.
OF_A_DAY = (
    "CASE WHEN EXTRACT(YEAR FROM :cell) BETWEEN :first AND :last THEN"
    " CAST(EXTRACT(YEAR FROM :cell) AS INT) * 12 + CAST(EXTRACT(MONTH FROM :cell) AS INT) - 1 END"
)
OF_A_TEXT = (
    "CASE WHEN TRIM(:cell) ~ :form THEN"
    " CASE WHEN CAST(SUBSTRING(TRIM(:cell), 1, 4) AS INT) BETWEEN :first AND :last THEN"
    " CAST(SUBSTRING(TRIM(:cell), 1, 4) AS INT) * 12"
    " + CAST(SUBSTRING(TRIM(:cell), 6, 2) AS INT) - 1 END END"
)
OF_A_LABEL = "CASE WHEN TRIM(CAST(:cell AS TEXT)) <> '' THEN CAST(:cell AS TEXT) ELSE :empty END"
# What a cohort is called by here: the month of the first revenue, in either query.
OF_A_COHORT = {
    "checks": "CAST(MIN(month) OVER (PARTITION BY customer) AS TEXT)",
    "rollforward": "CAST(first_month AS TEXT)",
}
OF_A_MONTH = "MAX(CASE WHEN size_rank = 1 THEN label END)"  # of a column, or a cohort
# How a month is written where it is text: YYYY-MM or YYYY-MM-DD, of a day that its month has.
MONTH_TEXT = (
    "^[0-9]{4}-((0[1-9]|1[0-2])(-(0[1-9]|1[0-9]|2[0-9]))?|(0[13-9]|1[0-2])-30|(0[13578]|1[02])-31)$"
)
# Names that say total, and companies called so, as `totals` has them: in the regular expressions
# that every warehouse has, of a whole name in small letters.
_TOTAL = (
    "((grand|sub|net|overall) ?)?totals?|gesamt(summe|ergebnis|betrag)?|insgesamt"
    "|(zwischen|teil|end)?summe"
)
SAYS_TOTAL = (
    f"^[^a-z]*({_TOTAL})([^a-z].*)?$",
    f"^.*[^a-z]({_TOTAL}|ergebnis)[^a-z]*$",
    "^[^a-z]*((sum|ergebnis)( of all)?|all (customers|clients|accounts)|alle kunden)[^a-z]*$",
)
A_COMPANY = (
    "^[^a-z]*total( .*)?[^a-z](inc|incorporated|corp|corporation|company|ltd|limited|llc|llp|plc"
    "|gmbh|mbh|sarl|sas|spa|srl|pty|pte)[^a-z]*$"
)
NO_COMPANY = "^[^a-z]*total (for|of) .*$"
# What the SQL may be made of, by sqlglot's names: what every warehouse computes alike.
PORTABLE = (
    *("abs", "and", "case", "cast", "chr", "coalesce", "count", "extract", "if", "lag", "lead"),
    *("length", "like", "lower", "max", "min", "mod", "not", "nullif", "or", "regexplike"),
    *("rownumber", "strposition", "substring", "sum", "trim", "trycast", "upper"),
)


@dataclass(frozen=True)
class Statement:
    """The queries of one table, in its database's dialect; `by` is what customers are split by:
    `segment`, a heading, a cohort, or size bands.

    rates : what a unit of each currency is worth, by currency and month. reported : at the rate of
    each month, not at that of the window's start. grace_months : as a Ledger has it.
    blank_is_zero : an empty amount is nothing.
    """

    headings: Headings
    named: Named
    rates: pd.Series | None = None
    reported: bool = False
    grace_months: int = 0
    blank_is_zero: bool = False

    def checks(self, by: By) -> str:
        """What is in the table, and how many rows break which rule."""
        return self._query("checks", by, {"most": _number(MOST), **_conditions()})

    def rollforward(self, by: By, start: int, end: int, currency: str) -> str:
        """The sums of a window by label, of its cohort or not, and month; in this currency."""
        values = {"start": _number(start), "as_of": _number(end)}
        values |= {"grace": _number(self.grace_months), "worth": self._worth(currency, start, end)}
        values["of_month"] = self._of_month(by, currency)
        return self._query("rollforward", by, values)

    def _of_month(self, by: By, currency: str) -> exp.Expr:
        """What a customer is called by of a month's lines."""
        from sqlglot import exp

        if not isinstance(by, SizeBands):
            return _parsed(OF_A_MONTH)
        names, reached = by.names, by.reached(currency, self.named.unit == "mrr")
        band = exp.Case(default=exp.Literal.string(names[0]))
        for name, amount in reversed([*zip(names[1:], reached, strict=True)]):
            at_least = {"sum": _parsed("SUM(arr)"), "amount": _number(amount)}
            band = band.when(_filled(":sum >= :amount", at_least), exp.Literal.string(name))
        return band

    def _query(self, name: str, by: By, values: Mapping[str, exp.Expr]) -> str:
        from sqlglot import exp

        label = OF_A_COHORT[name] if by in COHORT_BY else "label"
        tree = _filled(
            (SQL / f"{name}.sql").read_text("utf-8"), {"label": _parsed(label), **values}
        )
        parts = {
            "written": self._written(by),
            "steps": _parsed((SQL / "steps.sql").read_text("utf-8")),
        }
        for each in [each for each in tree.find_all(exp.CTE) if each.alias in parts]:
            each.set("this", parts[each.alias])
        return rendered(tree, self.headings.dialect)

    def _written(self, by: By) -> exp.Expr:
        """The table's rows under our names."""
        from sqlglot import exp

        text, unit = exp.Literal.string, self.named.unit
        amount: exp.Expr = exp.cast(self._column(unit), "double")
        if self.blank_is_zero:
            amount = exp.Coalesce(this=amount, expressions=[_number(0)])
        instead = {"segment": text(ONE_SEGMENT), "product": text("-")}
        instead["currency"] = text(self.named.currency or "-")
        words = ("customer", "name", "segment", "product", "currency", "quantity", "unit_price")
        values = {word: self._column(word, instead.get(word)) for word in words}
        values |= {"amount": amount, "times": _number(12 if unit == "mrr" else 1)}
        values |= {"month": self._month(), "items": self._items(), "label": self._label(by)}
        tree = _filled((SQL / "written.sql").read_text("utf-8"), values)
        for table in tree.find_all(exp.Table):
            table.replace(self.headings.table.copy())
        return tree

    def _column(self, word: str, instead: exp.Expr | None = None) -> exp.Expr:
        """The column that is read as a word of ours; where there is none, what holds instead."""
        from sqlglot import exp

        if word in self.named.ours:
            return _quoted(self.named.ours[word])
        return exp.null() if instead is None else instead

    def _label(self, by: By) -> exp.Expr:
        from sqlglot import exp

        if isinstance(by, SizeBands) or by in COHORT_BY:
            return exp.null()
        if by == "segment":
            return self._column("segment", exp.Literal.string(ONE_SEGMENT))
        cell = _quoted(self.named.ours.get(by, by))
        if by == "currency":
            cell = exp.Upper(this=exp.Trim(this=cell))
        return _filled(OF_A_LABEL, {"cell": cell, "empty": exp.Literal.string(EMPTY)})

    def _items(self) -> exp.Expr:
        """What tells a customer's lines apart, in small letters between blanks, as one text."""
        from sqlglot import exp

        there = [self.named.ours.get(line, line) for line in self.named.lines]
        there += [each for each in self.headings.kinds if plain(each) == "item"]
        found: exp.Expr = exp.Literal.string(" ")
        for each in dict.fromkeys(there):
            if self.headings.kinds.get(each) == "text":
                word = {"found": found, "cell": _quoted(each)}
                found = _filled("(:found || COALESCE(LOWER(:cell), '')) || ' '", word)
        return found

    def _month(self) -> exp.Expr:
        """The month's number; null where it is none."""
        from sqlglot import exp

        cell = self._column("month")
        years = {"first": _number(YEARS[0]), "last": _number(YEARS[-1])}
        if self.headings.kinds[self.named.ours["month"]] == "date":
            return _filled(OF_A_DAY, {"cell": cell, **years})
        return _filled(OF_A_TEXT, {"cell": cell, "form": exp.Literal.string(MONTH_TEXT), **years})

    def _worth(self, ours: str, start: int, end: int) -> exp.Expr:
        """What a unit of a row's currency is worth in ours, by its currency (and month)."""
        from sqlglot import exp

        if self.rates is None:
            return _number(1)
        codes = self.rates.index.get_level_values(0)
        months = self.rates.index.get_level_values(1)
        worth = exp.Case(this=exp.column("currency")).when(exp.Literal.string(ours), _number(1))
        for code in sorted(set(map(str, codes))):
            # at the rate of the window's start, or of each month
            known = (codes == code) & ((months <= end) if self.reported else (months == start))
            if known.any():
                each = exp.Case(this=exp.column("month"))
                for month, rate in zip(months[known], self.rates[known], strict=True):
                    each = each.when(_number(month), _number(rate))
                rate_of = each if self.reported else _number(self.rates[known].iloc[0])
                worth = worth.when(exp.Literal.string(code), rate_of)
        return worth


def _conditions() -> dict[str, exp.Expr]:
    """By which a customer's name says total, and items are paid once."""
    from sqlglot import exp

    def is_like(form: str) -> exp.Expr:
        return _filled("LOWER(customers.customer) ~ :form", {"form": exp.Literal.string(form)})

    company = exp.and_(is_like(A_COMPANY), exp.not_(is_like(NO_COMPANY)))
    total = exp.and_(exp.or_(*map(is_like, SAYS_TOTAL)), exp.not_(company))
    items = exp.column("items")
    one_off = [items.copy().like(exp.Literal.string(f"% {word} %")) for word in ONE_OFF]
    return {"says_total": total, "one_off": exp.or_(*one_off)}


def _parsed(text: str) -> exp.Expr:
    from sqlglot import parse_one

    return parse_one(text, read="postgres")


def _filled(text: str, values: Mapping[str, exp.Expr]) -> exp.Expr:
    """A text of SQL with a part of a query, and never a text, in the place of each `:word`."""
    from sqlglot import exp

    return _parsed(text).transform(
        lambda node: values[node.name].copy() if isinstance(node, exp.Placeholder) else node
    )


def _quoted(heading: str) -> exp.Expr:
    from sqlglot import exp

    return exp.column(exp.to_identifier(heading, quoted=True))


def _number(value: float) -> exp.Expr:
    from sqlglot import exp

    is_whole = value == int(value) and value < MOST
    return exp.Literal.number(int(value) if is_whole else repr(float(value)))


def rendered(tree: exp.Expr, dialect: str) -> str:
    """A query as a database writes it: every name in quotes, nothing that only another one knows.

    Raises UsageError where the dialect has no word for something, sqlglot would hand one on that it
    does not know, or a name or a text does not come back as it went in.
    """
    import sqlglot
    from sqlglot import exp

    def said(query: exp.Expr) -> set[tuple[bool, str]]:
        """The names in a query, and the texts in quotes."""
        names = {(False, each.name) for each in query.find_all(exp.Identifier)}
        return names | {(True, each.name) for each in query.find_all(exp.Literal) if each.is_string}

    # nothing that rows are put in order by is null: any database's own place for it will do
    large = sqlglot.Dialect.get_or_raise(dialect).NULL_ORDERING == "nulls_are_large"
    for ordered in tree.find_all(exp.Ordered):
        ordered.set("nulls_first", bool(ordered.args.get("desc")) == large)
    try:
        text = tree.sql(
            dialect, pretty=True, identify=True, unsupported_level=sqlglot.ErrorLevel.RAISE
        )
        again = sqlglot.parse_one(text, dialect=dialect)
    except sqlglot.errors.SqlglotError as error:
        reason = next(iter(str(error).splitlines()), "")
        raise UsageError(
            f"the roll-forward cannot be written as {dialect}'s SQL: {reason}"
        ) from None
    if said(again) - said(tree):
        raise UsageError(f"a name or a text in the table cannot be written as {dialect}'s SQL")
    for node in (*tree.walk(), *again.walk()):
        unknown = isinstance(node, exp.Anonymous | exp.AnonymousAggFunc | exp.Placeholder)
        if unknown or (isinstance(node, exp.Func) and node.key not in PORTABLE):
            name = node.name if unknown else node.key
            raise UsageError(
                f"the roll-forward cannot be written as {dialect}'s SQL: not every warehouse has"
                f" {name}"
            )
    return text
