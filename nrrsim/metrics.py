"""Movements in, NRR, GRR and logo retention under every definition out; never asks where from.

A ratio over an empty base is nan (null in JSON).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import xarray as xr

from nrrsim.errors import UsageError, did_you_mean
from nrrsim.months import shift
from nrrsim.movements import Movements

Ratio = xr.DataArray | float


@dataclass(frozen=True)
class Definition:
    """A published way to compute retention. `of_book`: from the whole book, not a closed cohort."""

    name: str
    title: str
    formula: str
    why: str
    of_book: bool = False


DEFINITIONS = {
    definition.name: definition
    for definition in (
        Definition(
            "point_to_point",
            "Point to point",
            "the cohort's amount now / its amount at the start of the window",
            "who left and came back inside the window counts at the amount of today",
        ),
        Definition(
            "stays_out",
            "Churned stays out",
            "as point to point, but a customer that was at 0 in any month of the window counts 0",
            "a return is a new sale, not retention",
        ),
        Definition(
            "flow",
            "Flow",
            "(opening + expansion - contraction - churn) / opening",
            "adds up monthly movements of the cohort; what comes back is left out",
        ),
        Definition(
            "flow_with_reactivation",
            "Flow with reactivation",
            "(opening + expansion + reactivation - contraction - churn) / opening",
            "as flow, and what comes back is counted",
        ),
        Definition(
            "compounded",
            "Compounded",
            "the product of the flow rates of each month, each on that month's whole opening book",
            "customers won during the window enter the base the month after",
            of_book=True,
        ),
        Definition(
            "trailing_average",
            "Four-quarter average",
            "the mean of the last four quarter-ends' point-to-point retention",
            "smooths one quarter's news over a year",
        ),
    )
}


def _point_to_point(m: Movements) -> tuple[xr.DataArray, xr.DataArray]:
    opening = m.over("opening")
    return m.over("closing") / opening, m.over("retained") / opening


def _stays_out(m: Movements) -> tuple[xr.DataArray, xr.DataArray]:
    opening = m.over("opening")
    return m.over("stayed") / opening, m.over("stayed_retained") / opening


def _flow(m: Movements) -> tuple[xr.DataArray, xr.DataArray]:
    opening, losses = m.over("opening"), m.over("contraction") + m.over("churn")
    return (opening + m.over("expansion") - losses) / opening, 1 - losses / opening


def _flow_with_reactivation(m: Movements) -> tuple[xr.DataArray, xr.DataArray]:
    nrr, grr = _flow(m)
    return nrr + m.over("reactivation") / m.over("opening"), grr


def _compounded(m: Movements) -> tuple[xr.DataArray, xr.DataArray]:
    opening, losses = m["opening"], m["contraction"] + m["churn"]
    monthly_nrr = (opening + m["expansion"] - losses) / opening
    monthly_grr = 1 - losses / opening
    # a book that has run empty has kept nothing: its later months have no rate, the product is 0
    return monthly_nrr.fillna(0).prod("month"), monthly_grr.fillna(0).prod("month")


FORMULAS: dict[str, Callable[[Movements], tuple[xr.DataArray, xr.DataArray]]] = {
    "point_to_point": _point_to_point,
    "stays_out": _stays_out,
    "flow": _flow,
    "flow_with_reactivation": _flow_with_reactivation,
    "compounded": _compounded,
}


def nrr(
    m: Movements,
    definition: str = "point_to_point",
    *,
    by_segment: bool = False,
    ex_price: bool = False,
) -> Ratio:
    """Net revenue retention of the window: 1.05 is 105 %. `ex_price` leaves price movements out.

    A float, or a DataArray with the dims `trial` and `segment` that are there and asked for.
    """
    ratio = _ratios(m, definition, by_segment)[0]
    if ex_price:
        ratio = ratio - _price_effect(m if by_segment else m.total(), definition)
    return _plain(ratio, by_segment)


def grr(m: Movements, definition: str = "point_to_point", *, by_segment: bool = False) -> Ratio:
    """Gross revenue retention: what is kept without any gain. Under `flow` it may be negative."""
    return _plain(_ratios(m, definition, by_segment)[1], by_segment)


def logo(m: Movements, definition: str = "point_to_point", *, by_segment: bool = False) -> Ratio:
    """Logo retention: the share of the opening customers that are customers at the end."""
    _refuse_the_other_kind(m, "logo retention", of_book=False)
    rolled = m if by_segment else m.total()
    counted = "stayed_customers" if definition == "stays_out" else "customers"
    return _plain(
        _known(rolled, rolled.over(counted) / rolled.over("opening_customers")), by_segment
    )


def quick_ratio(book: Movements) -> Ratio:
    """(new + expansion + reactivation) / (contraction + churn) of a book; nan without losses."""
    _refuse_the_other_kind(book, "the quick ratio", of_book=True)
    m = book.total()
    losses = m.over("contraction") + m.over("churn")
    gains = m.over("new") + m.over("expansion") + m.over("reactivation")
    return _plain(gains / losses.where(losses > 0), by_segment=False)


def _ratios(m: Movements, definition: str, by_segment: bool) -> tuple[xr.DataArray, xr.DataArray]:
    if definition not in FORMULAS:
        remedy = did_you_mean(definition, list(DEFINITIONS))
        raise UsageError(
            f"definition: {definition!r} cannot be had from one window's Movements; {remedy}"
        )
    _refuse_the_other_kind(m, f"definition {definition!r}", DEFINITIONS[definition].of_book)
    rolled = m if by_segment else m.total()
    # a segment without an opening divides by 0: `_known` makes nan of what comes of that
    with np.errstate(divide="ignore", invalid="ignore"):
        net, gross = FORMULAS[definition](rolled)
    return _known(rolled, net), _known(rolled, gross)


def _refuse_the_other_kind(m: Movements, what: str, of_book: bool) -> None:
    """Raises UsageError for a book where a closed cohort is needed, and the reverse."""
    if m.closed is of_book:
        needed, given, remedy = (
            ("a whole book", "a closed cohort", "ledger.book(start, end)")
            if of_book
            else (
                "a closed cohort",
                "a whole book, newcomers and all",
                "ledger.cohort(as_of, window)",
            )
        )
        raise UsageError(f"{what} is of {needed}, and this is {given}; take {remedy}")


def compounded_rate(m: Movements) -> float:
    """The product of the months' flow rates, whoever they are of: a step from one definition to
    another, and no definition where it is a closed cohort's.
    """
    return float(_plain(_compounded(m.total())[0], by_segment=False))


def _price_effect(m: Movements, definition: str) -> xr.DataArray:
    if definition != "compounded":
        return m.over("price") / m.over("opening")
    # of a product of months the price is what it would be without it, month by month
    kept = m["opening"] + m["expansion"] - m["price"] - m["contraction"] - m["churn"]
    without = kept / m["opening"]
    return _compounded(m)[0] - without.fillna(0).prod("month")


def _known(m: Movements, ratio: xr.DataArray) -> xr.DataArray:
    return ratio.where(m.over("opening") > 0)


def _plain(ratio: xr.DataArray, by_segment: bool) -> Ratio:
    # a level at the window's end is labelled with its month, which is not the ratio's
    ratio = ratio.drop_vars("month", errors="ignore")
    ratio = ratio if by_segment else ratio.isel(segment=0, drop=True)
    return ratio if ratio.ndim else float(ratio)


class Source(Protocol):
    """What retention can be measured on; so far, a Ledger."""

    @property
    def step(self) -> int: ...
    def cohort(self, as_of: str, window: int = 12, by: str = "segment") -> Movements: ...
    def book(self, start: str, end: str, by: str = "segment") -> Movements: ...


@dataclass(frozen=True)
class Retention:
    """NRR, GRR and logo retention in total and by segment (an array each); nan without a base."""

    nrr: float
    grr: float
    logo: float
    by_segment: xr.Dataset


def measure(
    source: Source,
    as_of: str,
    window: int = 12,
    definition: str = "point_to_point",
    by: str = "segment",
    ex_price: bool = False,
) -> Retention:
    """Retention of the window that ends at `as_of`, under any of DEFINITIONS, in total and by `by`.

    In total it is that of whole customers, also where `by` parts them. Raises UsageError where the
    source does not cover the window, or the definition is not known or not to be had of it.
    """
    if definition not in DEFINITIONS:
        remedy = did_you_mean(definition, list(DEFINITIONS))
        raise UsageError(f"definition: {definition!r} is not known; {remedy}")
    whole = source.cohort(as_of, window)
    cohort = whole if by == "segment" else source.cohort(as_of, window, by)
    if definition == "trailing_average":
        if source.step not in (1, 3):
            raise UsageError(
                f"definition: trailing_average needs quarter-ends, and this ledger has one snapshot"
                f" every {source.step} months; choose point_to_point"
            )
        ends = [shift(as_of, -months) for months in (0, 3, 6, 9)]
        quarters = [measure(source, end, window, "point_to_point", by, ex_price) for end in ends]
        # the mean is of NRR and GRR alone, and of a segment that is there in all four quarters
        return Retention(
            nrr=float(np.mean([quarter.nrr for quarter in quarters])),
            grr=float(np.mean([quarter.grr for quarter in quarters])),
            logo=float(logo(whole)),
            by_segment=xr.concat([quarter.by_segment for quarter in quarters], "quarter")
            .mean("quarter", skipna=False)
            .assign(logo=logo(cohort, by_segment=True)),
        )

    total, m = whole, cohort
    if DEFINITIONS[definition].of_book:
        start = shift(as_of, -window)
        total = source.book(start, as_of)
        m = total if by == "segment" else source.book(start, as_of, by)
    by_segment = {
        "nrr": nrr(m, definition, by_segment=True, ex_price=ex_price),
        "grr": grr(m, definition, by_segment=True),
        "logo": logo(cohort, definition, by_segment=True),
    }
    return Retention(
        nrr=float(nrr(total, definition, ex_price=ex_price)),
        grr=float(grr(total, definition)),
        logo=float(logo(whole, definition)),
        by_segment=xr.Dataset(by_segment),
    )
