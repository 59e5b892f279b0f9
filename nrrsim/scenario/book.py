"""A book as a scenario states it in, the same checked out; never lays out a customer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, Strict, create_model, model_validator

from nrrsim.errors import UsageError, did_you_mean
from nrrsim.ledger.reading import OPTIONS, Reading
from nrrsim.ledger.vocabulary import currency_code
from nrrsim.messages import Problem, shown
from nrrsim.months import month_name, month_number
from nrrsim.scenario.beliefs import AS_PERCENT, OR_DECIMAL, OR_PERCENT, Finite, Frozen
from nrrsim.yamlfile import Path_

MOST_CUSTOMERS = 10_000_000
MOST_SPREAD = 10.0
MOST_ARR = 1e12  # above that, amounts do not add up to the cent any more
A_CENT = 0.01
MOST_BYTES_OF_A_NAME = 255
EVERY_SEGMENT = "all"
Term = Literal["monthly", "annual"]
Arr = Annotated[Finite, Field(ge=A_CENT, le=MOST_ARR)]
Currency = Annotated[str, AfterValidator(currency_code)]


class Segment(Frozen):
    """A part of a synthetic book. `spread`: standard deviation of log ARR; `tenure` in years."""

    share: Annotated[Finite, Field(ge=0, le=1e9, json_schema_extra=AS_PERCENT), OR_PERCENT]
    customers: Annotated[int, Strict(), Field(ge=0, le=MOST_CUSTOMERS), OR_DECIMAL]
    spread: Annotated[Finite, Field(ge=0, le=MOST_SPREAD)] = 0.0
    term: Term = "annual"
    tenure: Annotated[Finite, Field(ge=0, le=200)] = 0.0
    source: str = ""
    because: str = ""

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if (self.share > 0) != (self.customers > 0):
            raise ValueError(
                f"share {self.share:g} and customers {self.customers}: ARR needs customers, and"
                " customers ARR; both may be 0"
            )
        return self


def _a_month(text: str) -> str:
    if (number := month_number(text)) is None:
        raise ValueError(f"{shown(text)} is not a month; write it as YYYY-MM, such as 2026-09")
    return month_name(number)


Month = Annotated[str, AfterValidator(_a_month)]


class SyntheticBook(Frozen):
    """A book laid out from a few numbers; shares are normalised.

    `currency`: that of the ARR; where it is not stated, amounts print without a sign. `starts`: the
    month at whose end the book is as it says (month 0); without it months have numbers alone.
    """

    arr: Arr
    currency: Currency | None = None
    starts: Month | None = None
    segments: Annotated[dict[str, Segment], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_customers(self) -> Self:
        if not any(segment.customers for segment in self.segments.values()):
            raise ValueError("no segment has a customer: there is nothing to retain")
        return self


def is_address(text: str) -> bool:
    """Whether it is the address of a database."""
    return "://" in text or text.startswith("env:")


def _a_file(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; name a file, or leave the key out")
    if is_address(text):
        raise ValueError("must be a file; a database address does not belong in a scenario")
    if any(len(part.encode()) > MOST_BYTES_OF_A_NAME for part in text.split("/")):
        raise ValueError(f"is longer than the name of a file can be, got {shown(text)}")
    return text


FILES_OF_A_BOOK = ("ledger", "accounts")
# What may be decided of a customer, and by what its churn is then multiplied.
DECIDED = {"renews": 0.0, "leaves": inf}
AS_FORECAST = "as forecast"  # nothing is decided: takes back what an extended scenario decides
Decision = Literal["renews", "leaves", "as forecast"]
NOT_OF_A_BOOK = ("query", "fiscal_year_end", "size_bands")  # of a database, and of reports


class _LedgerBook(Frozen):
    """The customers of a ledger at `as_of`; beside it, how its file is read.

    `accounts`: a table of what tells single customers from their segment (`multipliers`).
    `decided`: by customer, that it renews (never churns), leaves (at its first chance), or that
    nothing is decided (as forecast); nobody else's churn changes with it. `currency`: that of the
    ledger, where it does not say.
    """

    ledger: Annotated[str, AfterValidator(_a_file)]
    as_of: Month
    accounts: Annotated[str, AfterValidator(_a_file)] | None = None
    decided: dict[str, Decision] = Field(default_factory=dict)
    term: dict[str, Term] = Field(default_factory=dict)
    currency: str | None = None

    @property
    def settled(self) -> dict[str, Decision]:
        """Of whom it is decided that it renews, or leaves."""
        return {name: each for name, each in self.decided.items() if each != AS_FORECAST}

    @property
    def reading(self) -> Reading:
        """How the file is read."""
        said = {name: getattr(self, name) for name in SAID}
        return Reading.of({name: value for name, value in said.items() if value is not None})

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        try:
            _ = self.reading
        except UsageError as error:
            raise ValueError(str(error)) from None
        return self


SAID = tuple(name for name in OPTIONS if name not in NOT_OF_A_BOOK)
OF_KIND: dict[str, Any] = {
    "pairs": dict[str, str | bool],  # a status counts, or not
    "yes or no": str | bool,
    "each": str | dict[str, str],
    "switch": bool,
    "number": float,
}
if TYPE_CHECKING:
    LedgerBook = _LedgerBook
else:
    _of_reading = {
        option.name: (OF_KIND.get(option.metadata["kind"], str) | None, None)
        for option in fields(Reading)
        if option.name in SAID
    }
    LedgerBook = create_model("LedgerBook", __base__=_LedgerBook, **_of_reading)
    LedgerBook.__doc__ = _LedgerBook.__doc__


def book_reading(reading: Reading) -> dict[str, Any]:
    """What a scenario's book says of how its ledger is read."""
    return {name: value for name, value in reading.said.items() if name in SAID}


class NewBusiness(Frozen):
    """What is won a year: its ARR, and from how many customers."""

    arr: Arr
    customers: Annotated[int, Strict(), Field(ge=1, le=MOST_CUSTOMERS), OR_DECIMAL]


# a currency any book may state, and where a ledger is named `starts` is told that it is `as_of`
LAID_OUT = {"arr", "segments"}


def is_mixed(book: Any) -> bool:
    """Whether a book says that it is from a ledger, and lays out segments, too."""
    return isinstance(book, Mapping) and "ledger" in book and not LAID_OUT.isdisjoint(book)


def of_one_kind(book: Any) -> Any:
    """The book, as it is; raises ValueError where it says both."""
    if is_mixed(book):
        raise ValueError("a book is from a ledger or laid out from segments; keep one")
    return book


def book_kind(book: Any) -> str:
    """Which of the two kinds a book is of."""
    keys = set(book) if isinstance(book, Mapping) else set()
    is_ledger = isinstance(book, LedgerBook) or (
        keys & set(LedgerBook.model_fields) - {"currency"} and not keys & LAID_OUT
    )
    return "from a ledger" if is_ledger else "synthetic"


def no_segment(at: Path_, known: tuple[str, ...]) -> Problem:
    """That a name stands for no segment of the book."""
    return Problem(
        at, lambda: f"is not a segment of the book; {did_you_mean(str(at[-1]), known)}", of_key=True
    )
