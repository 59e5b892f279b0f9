"""Descriptions of exports in, the one that a table's headings speak for out; never reads a cell.

A format is data: a YAML file under `formats/`, or one of the user's own with the same keys.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from nrrsim.errors import UsageError, did_you_mean
from nrrsim.ledger.vocabulary import plain
from nrrsim.messages import located, problems_of
from nrrsim.yamlfile import read_yaml

FOLDER = Path(__file__).parent / "formats"
FIELDS = (
    *("customer", "name", "month", "start", "end", "mrr", "arr", "amount", "total", "interval"),
    *("interval_count", "quantity", "unit_price", "currency", "segment", "product", "status"),
    *("is_trial", "stopped", "term_months", "renewal", "item", "plan", "beginning"),
    "booked",
)
Words = str | list[str]


def _field(name: str) -> str:
    if name not in FIELDS:
        raise ValueError(f"{name} is no word of a format; {did_you_mean(name, FIELDS)}")
    return name


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Latest(_Described):
    """Of the rows that agree in `by`, the one with the highest `of` counts."""

    of: Words
    by: list[str]


class Shape(_Described):
    """One kind of table that a format comes in.

    recognised_by : headings that are all there; a list among them: one of these is.
    rows : what a row is; `invoices` have no period, `movements` are changes of an amount.
    columns : our word -> the heading that it is read from; of several the first that is there, and
        with `A else B else C` in each row the first that is filled. Where `arr` and `total` are
        both named, the total by its term is read in rows without ARR.
    lines : headings that tell a customer's lines apart. left_out : headings that nobody needs.
    amount_is : what `amount` pays for (`unit`: it is multiplied with the quantity); where
        `amount_asked` the length of its period is not in the file, and is asked.
    period_end : whether an end is the first day without service, or the last with it.
    ended : an end is recorded when it happens; ended_if : of rows with these values alone.
    statuses : further words of status, as counts or never; open : what any other is.
    only : heading -> the values that count. latest : the version that counts.
    replaces : heading -> values of rows that end what the customer had before.
    contracts : a renewal that overlaps is early, not beside. side_by_side : any overlap is added,
        and a negative quantity takes away.
    customer_above : the customer stands in a row of its own above its rows.
    needs : heading -> why there is no right number without it. says : what it cannot know.
    """

    recognised_by: list[Words] = Field(default_factory=list)
    rows: Literal["months", "periods", "movements", "invoices", "wide"]
    unit: Literal["mrr", "arr"] | None = None
    columns: dict[Annotated[str, AfterValidator(_field)], Words] = Field(default_factory=dict)
    lines: list[str] = Field(default_factory=list)
    left_out: list[str] = Field(default_factory=list)
    amount_is: Literal["unit", "line", "period", "total", "month", "year"] = "line"
    amount_asked: bool = False
    minor_units: bool = False
    period_end: Literal["exclusive", "inclusive"] = "exclusive"
    ended: bool = False
    ended_if: dict[str, list[str]] = Field(default_factory=dict)
    statuses: dict[str, Literal["counts", "never"]] = Field(default_factory=dict)
    open: Literal["never"] | None = None
    only: dict[str, list[str]] = Field(default_factory=dict)
    latest: Latest | None = None
    replaces: dict[str, list[str]] = Field(default_factory=dict)
    contracts: bool = False
    side_by_side: bool = False
    customer_above: bool = False
    utc: bool = False
    needs: dict[str, str] = Field(default_factory=dict)
    says: list[str] = Field(default_factory=list)

    def fits(self, headings: frozenset[str]) -> int:
        """How many of these (plain) headings speak for this shape; 0 where one is missing."""
        there = [not headings.isdisjoint(map(plain, _each(one))) for one in self.recognised_by]
        return len(there) if all(there) else 0


class Format(_Described):
    """What one vendor's export is: where that is from, what is assumed, and its shapes."""

    title: str
    source: str
    unverified: str = ""
    assumes: list[str] = Field(default_factory=list)
    says: list[str] = Field(default_factory=list)
    shapes: Annotated[list[Shape], Field(min_length=1)]


class Found(Format):
    """A format by its name, and the shape that a table has of it."""

    name: str
    shape: Shape


@functools.cache
def formats() -> dict[str, Format]:
    """All that nrrsim brings, by name."""
    return {path.stem: _described(path) for path in sorted(FOLDER.glob("*.yaml"))}


def recognised(headings: Iterable[object], asked: str | None = None) -> Found | None:
    """The format that headings speak for most, or the one that is asked for; None: a plain table.

    Raises UsageError where no such format is known, or its headings are not there.
    """
    there = frozenset(map(plain, headings))
    known = formats()
    if asked is not None:
        known = {Path(asked).stem: _asked(asked)}
    best: tuple[int, str, Shape] | None = None
    for name, described in known.items():
        for shape in described.shapes:
            fits = shape.fits(there)
            if fits and (best is None or fits > best[0]):
                best = fits, name, shape
    if asked is not None and best is None:
        described = _asked(asked)
        bare = [shape for shape in described.shapes if not shape.recognised_by]
        if not bare:
            raise UsageError(f"format: {asked}: {_missing(described, there)}")
        best = 0, Path(asked).stem, bare[0]
    if best is None:
        return None
    _, name, shape = best
    return Found(**dict(known[name]), name=name, shape=shape)


def headings_of_formats() -> tuple[tuple[frozenset[str], ...], ...]:
    """Of each shape the plain headings that make it out, each with its other spellings."""
    return tuple(
        tuple(frozenset(map(plain, _each(one))) for one in shape.recognised_by)
        for described in formats().values()
        for shape in described.shapes
        if shape.recognised_by
    )


def _each(one: Words) -> list[str]:
    return [one] if isinstance(one, str) else one


def _missing(described: Format, there: frozenset[str]) -> str:
    """Of the shape that comes nearest, the headings that are not there."""

    def absent(shape: Shape) -> list[str]:
        return [
            " or ".join(_each(one))
            for one in shape.recognised_by
            if there.isdisjoint(map(plain, _each(one)))
        ]

    nearest: Sequence[str] = min((absent(shape) for shape in described.shapes), key=len)
    return f"the headings {', '.join(nearest)} are not there"


def _asked(name: str) -> Format:
    if name in formats():
        return formats()[name]
    if not name.endswith((".yaml", ".yml")):
        raise UsageError(f"format: {name} is not known; {did_you_mean(name, list(formats()))}")
    return _described(Path(name))


def _described(path: Path) -> Format:
    document = read_yaml(path, "format")
    try:
        return Format.model_validate(document.values)
    except ValidationError as error:
        problems = located(problems_of(error, Format), document)
        placed = [line if line.startswith(f"{path}:") else f"{path}: {line}" for line in problems]
        raise UsageError("\n".join(placed)) from None
