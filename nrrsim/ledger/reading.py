"""What people say of how a file is to be read in, one checked statement out; never reads a file.

Each field is an option of the command line (`--late-renewal runs-on`), a key of a run card or of a
scenario's book (`late_renewal: runs-on`) and a keyword of `read_ledger`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nrrsim.errors import DataError, UsageError, did_you_mean
from nrrsim.months import Calendar
from nrrsim.sizebands import NO_BANDS, SizeBands

PAYS_FOR = ("unit", "line", "month", "year", "period", "total")
# What may follow an option in a message: a pair, a word, a sign or a number.
VALUE = (
    r"""[\w.%-]+=(?:"[^"]*"|\.\.\.|\S*[\w)>])|"[^"]*"|[A-Z]\w*|[a-z][a-z-]*[a-z]\b"""
    r"|[.,](?= |;|$)|\d[\d-]*"
)
# Text that YAML needs no quotes for, and three dots in its place.
IN_YAML = re.compile(r"[^\W\d_](?:[\w %.|()/-]*[\w%.|)])?|\.\.\.")
NOT_TEXT = ("true", "false", "null")
YES = {"yes": True, "true": True, "no": False, "false": False}


def _said(help: str, *choices: str, kind: str = "", metavar: str = "") -> Any:
    """An option that may be left out. `kind`: text, switch, number, pairs, yes or no."""
    kind = kind or ("choice" if choices else "text")
    told = {"help": help, "choices": choices, "kind": kind, "metavar": metavar}
    return field(default=False if kind == "switch" else None, metadata=told)


@dataclass(frozen=True)
class Reading:
    """How a ledger is to be read: what its files cannot say of themselves. None: nothing is said.

    Raises UsageError for what is no such thing.
    """

    columns: Any = _said("Read your heading as our word", kind="pairs", metavar="OURS=YOURS")
    query: str | None = _said("The query to read from a database")
    sheet: str | None = _said("The sheet of a spreadsheet")
    format: str | None = _said(
        "Read it as this export, or as a file of your own says", metavar="NAME|FILE.yaml"
    )
    transpose: bool = _said("Months stand down and customers across", kind="switch")
    fill_down: bool = _said("An empty customer's cell is the customer above it", kind="switch")
    totals: str | None = _said("Rows that may be totals", "drop", "keep")
    blank: str | None = _said("What an empty amount is", "zero")
    decimal: str | None = _said("The decimal sign", ".", ",")
    scale: float | None = _said("Amounts are in so many, such as 1000", kind="number")
    dates: str | None = _said("How dates such as 01/12/2025 are written", "dmy", "mdy", "serial")
    timezone: str | None = _said("The zone whose days count", metavar="ZONE")
    minor_units: bool | None = _said("Amounts are in cents", "yes", "no", kind="yes or no")
    unit: str | None = _said("What the amounts are, where the file does not say", "mrr", "arr")
    amount_is: Any = _said(
        "What an amount is of", *PAYS_FOR, kind="each", metavar="|".join(PAYS_FOR)
    )
    end: str | None = _said("No subscription has an end in this file", "none")
    ended_at: str | None = _said("The column that says when what ended did", metavar="COLUMN")
    late_renewal: str | None = _said("Who is active after the end", "runs-on", "ends")
    period_end: str | None = _said(
        "A subscription's end: the first day without service, or the last with it",
        "exclusive",
        "inclusive",
    )
    until: str | None = _said(
        "When an export of subscriptions was made: the last month is the last that was over",
        metavar="DAY",
    )
    known_at: str | None = _said(
        "Of rows that are versions (a column booked) those booked by then", metavar="DAY"
    )
    count: Any = _said("Whether a status counts", kind="pairs", metavar="STATUS=yes|no")
    stopped: str | None = _said("The column that says when unpaid ones stopped", metavar="COLUMN")
    several: str | None = _said("Several rows of a customer and month", "add", "last")
    order: str | None = _said("The column by which several rows follow", metavar="COLUMN")
    where: Any = _said("Rows with this value alone", kind="pairs", metavar="COLUMN=VALUE")
    one_off: str | None = _said("One-off items such as onboarding", "add")
    overlap: str | None = _said("Periods of a customer that overlap", "replace", "add")
    ids: str | None = _said("Ids that differ by leading zeros: one customer, or two", "one", "two")
    rows: str | None = _said("Whether a row is a change, or a month", "changes", "months")
    invoices: str | None = _said("Invoices without a period are for a month each", "monthly")
    fiscal_year_end: Any = _said("The month in which the company's year ends", metavar="MM")
    size_bands: Any = _said(
        "Bounds of ARR between size bands; none: size is a column of the ledger",
        metavar="10k,50k,100k,1M",
    )

    def __post_init__(self) -> None:
        for option in dataclasses.fields(self):
            given = getattr(self, option.name)
            meant = _checked(option, given)
            if meant is not given:
                object.__setattr__(self, option.name, meant)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Reading:
        """What is said by keyword; raises UsageError for a word that is no option."""
        for word in said:
            if word not in OPTIONS:
                raise UsageError(f"{word}: is no option of reading; {did_you_mean(word, OPTIONS)}")
        return cls(**said)

    @property
    def said(self) -> dict[str, Any]:
        """What is said, and nothing else."""
        told = {option.name: getattr(self, option.name) for option in dataclasses.fields(self)}
        silent = {name: False if name in SWITCHES else None for name in OPTIONS}
        return {name: value for name, value in told.items() if value not in (silent[name], {})}

    @cached_property
    def calendar(self) -> Calendar:
        """The company's quarters and years."""
        return Calendar.of(12 if self.fiscal_year_end is None else self.fiscal_year_end)

    @cached_property
    def bands(self) -> SizeBands | None:
        """The bands of a customer's ARR; None where `size` was said to be a column."""
        if self.size_bands is None:
            return SizeBands()
        return None if self.size_bands == NO_BANDS else SizeBands(self.size_bands)

    def counts(self, status: str) -> bool | None:
        """Whether a status was said to count; None where nothing is said."""
        said: bool | None = self.count.get(plain_word(status))
        return said


OPTIONS = tuple(option.name for option in dataclasses.fields(Reading))
KINDS = {option.name: str(option.metadata["kind"]) for option in dataclasses.fields(Reading)}
SWITCHES = [
    option.name for option in dataclasses.fields(Reading) if option.metadata["kind"] == "switch"
]


def plain_word(word: str) -> str:
    """A word without case, and with blanks between its parts however they are joined."""
    return " ".join(word.lower().replace("_", " ").replace("-", " ").split())


def in_a_card(text: str) -> str:
    """A message with the options of the command line in it, as a run card writes them."""

    def key(found: re.Match[str]) -> str:
        name, value = found[1].replace("-", "_"), found[2] or ""
        name = {"column": "columns"}.get(name, name)
        if name not in OPTIONS:
            return found[0]
        if name in SWITCHES:
            return f"{name}: true{' ' * bool(value)}{value}"
        if "=" in value and KINDS[name] in ("pairs", "each"):
            whole = value[1:-1] if value.startswith('"') else value
            pairs = whole.split(",") if KINDS[name] == "each" else [whole]
            return f"{name}: {{{', '.join(map(_pair_in_yaml, pairs))}}}"
        if not value:
            return name
        return f"{name}: {value}" if value not in (",", ".") else f'{name}: "{value}"'

    return re.sub(f"--([a-z][a-z-]+)(?: ({VALUE}))?", key, text)


def _pair_in_yaml(pair: str) -> str:
    """`customer="Customer ID"` as YAML has it, `customer: Customer ID`."""
    ours, _, theirs = pair.partition("=")
    texts = (text.strip().strip('"') for text in (ours, theirs))
    return ": ".join(
        text
        if IN_YAML.fullmatch(text) and text.lower() not in NOT_TEXT
        else json.dumps(text, ensure_ascii=False)
        for text in texts
    )


@contextmanager
def as_keys(said_so: bool = True) -> Iterator[None]:
    """Within it, what is wrong with a ledger names options as keys (if it was `said_so`)."""
    try:
        yield
    except (DataError, UsageError) as error:
        if not said_so:
            raise
        raise _with_keys(error) from None


def _with_keys(error: DataError | UsageError) -> DataError | UsageError:
    if isinstance(error, UsageError):
        return UsageError(in_a_card(str(error)))
    return DataError(
        dataclasses.replace(each, problem=in_a_card(each.problem), remedy=in_a_card(each.remedy))
        for each in error.findings
    )


def _checked(option: dataclasses.Field[Any], given: Any) -> Any:
    name, told = option.name, option.metadata
    kind, choices = told["kind"], told["choices"]
    if kind == "pairs":
        return _pairs(name, given)
    if name == "amount_is":
        return _pays_for(given)
    if given is None or (kind == "switch" and given is False):
        return given
    if name == "fiscal_year_end":
        try:
            return Calendar.of(given).year_end
        except ValueError as error:
            raise UsageError(f"fiscal_year_end: {error}") from None
    if name == "size_bands":
        return _size_bands(given)
    if kind == "switch" and isinstance(given, bool):
        return given
    if kind == "number":
        return _scale(given)
    if kind == "yes or no":
        word = str(given).lower()
        if word not in YES:
            raise UsageError(f"{name}: must be yes or no, got {given!r}")
        return YES[word]
    text = str(given).strip()
    if isinstance(given, bool | Mapping | list) or kind == "switch":
        wanted = "true or false" if kind == "switch" else f"text{_or(choices)}"
        raise UsageError(f"{name}: must be {wanted}, got {given!r}")
    if choices and text not in choices:
        raise UsageError(f"{name}: {text!r} is not known; {did_you_mean(text, choices)}")
    return text


def _size_bands(given: Any) -> Any:
    """The bounds that are stated, or NO_BANDS."""
    if isinstance(given, str) and given.strip().lower() == NO_BANDS:
        return NO_BANDS
    try:
        return SizeBands.of(given).bounds
    except ValueError as error:
        raise UsageError(f"size_bands: {error}") from None


def _or(choices: tuple[str, ...]) -> str:
    return f", one of {', '.join(choices)}" if choices else ""


def _scale(given: Any) -> float:
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(given, bool) or not 0 < number < 1e13:
        raise UsageError(f"scale: must be a number such as 1000, got {given!r}")
    return number


def _pairs(name: str, given: Any) -> dict[str, Any]:
    """A mapping, however it is written: `{a: b}`, or a list of `a=b` as on a command line."""
    if given is None:
        return {}
    if isinstance(given, str):
        given = [given]
    if isinstance(given, list | tuple):
        split = [str(each).partition("=") for each in given]
        if name != "count" and any(not (ours.strip() and theirs) for ours, _, theirs in split):
            words = {
                "columns": "our word, an equals sign and your heading, such as customer=Account",
                "where": "a heading, an equals sign and a value, such as Metric=MRR",
            }
            raise UsageError(f"{name}: write {words[name]}")
        given = {ours.strip(): theirs.strip() or "yes" for ours, _, theirs in split}
    if not isinstance(given, Mapping):
        raise UsageError(f"{name}: must be a mapping such as {{customer: Account}}, got {given!r}")
    if name != "count":
        return {str(ours): str(theirs) for ours, theirs in given.items()}
    words = {status: str(word).lower() for status, word in given.items()}
    if wrong := [status for status, word in words.items() if word not in YES]:
        raise UsageError(f"count: {wrong[0]}: must be yes or no, got {given[wrong[0]]!r}")
    return {plain_word(str(status)): YES[word] for status, word in words.items()}


def _pays_for(given: Any) -> dict[str, str]:
    """What an amount is of, by plan; under "" that of every other."""
    if given is None:
        return {}
    if isinstance(given, str):
        parts = [part.strip().partition("=") for part in given.split(",")]
        given = {plan if word else "": word or plan for plan, _, word in parts}
    if not isinstance(given, Mapping):
        raise UsageError(f"amount_is: must be one of {', '.join(PAYS_FOR)}, got {given!r}")
    for word in given.values():
        if word not in PAYS_FOR:
            known = did_you_mean(str(word), PAYS_FOR)
            raise UsageError(f"amount_is: {word!r} is not known; {known}")
    return {str(plan): str(word) for plan, word in given.items()}


AS_IT_IS = Reading()

# What each choice says of the file, for who is asked and for who reads the card afterwards.
MEANS = {
    "totals": {"drop": "they are totals, and left out", "keep": "they are customers, and count"},
    "blank": {"zero": "there was nothing to pay"},
    "decimal": {".": "1.000 is one", ",": "1.000 is one thousand"},
    "dates": {
        "dmy": "01/12/2025 is the first of December",
        "mdy": "01/12/2025 is the twelfth of January",
        "serial": "numbers such as 45992 are Excel's dates",
    },
    "minor_units": {"yes": "in cents: 1200 is 12.00", "no": "as they stand: 1200 is 1,200.00"},
    "unit": {
        "mrr": "monthly recurring revenue: 100 is 1,200 a year",
        "arr": "annual recurring revenue: 100 is 100 a year",
    },
    "amount_is": {
        "unit": "of one unit: it is multiplied by the quantity",
        "line": "of the whole line, whatever its quantity",
        "month": "of a month",
        "year": "of a year",
        "period": "of the time from start to end",
        "total": "of the whole term of the contract",
    },
    "end": {"none": "nobody's has ended: each runs on"},
    "late_renewal": {
        "runs-on": "the renewal is late, and the customer still there",
        "ends": "the customer is gone from the end on",
    },
    "period_end": {
        "exclusive": "the end is the first day without service",
        "inclusive": "the end is the last day with service",
    },
    "several": {
        "add": "they are parts of what the customer pays, and are added up",
        "last": "they are versions of one amount, and the last one counts",
    },
    "one_off": {"add": "they recur, and count"},
    "overlap": {
        "replace": "the later one takes the place of the earlier one",
        "add": "they run side by side, and are added up",
    },
    "ids": {"one": "they are one customer", "two": "they are two customers"},
    "rows": {
        "changes": "a row is a change: its amount holds until the next row",
        "months": "a row is a month: without one nothing was paid",
    },
    "invoices": {"monthly": "each is for the month of its date"},
}
