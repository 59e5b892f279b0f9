"""Movements in, NRR, GRR and logo retention under every definition out; never asks where from.

A ratio over an empty base is nan (null in JSON).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from nrrsim.errors import UsageError, did_you_mean
from nrrsim.months import shift
from nrrsim.movements import Movements, labelled
from nrrsim.sizebands import By

if TYPE_CHECKING:
    import xarray as xr

Ratio: TypeAlias = "xr.DataArray | float"


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


def _point_to_point(m: Movements) -> tuple[np.ndarray, np.ndarray]:
    opening = m.of_window("opening")
    return m.of_window("closing") / opening, m.of_window("retained") / opening


def _stays_out(m: Movements) -> tuple[np.ndarray, np.ndarray]:
    opening = m.of_window("opening")
    return m.of_window("stayed") / opening, m.of_window("stayed_retained") / opening


def _flow(m: Movements) -> tuple[np.ndarray, np.ndarray]:
    opening, losses = m.of_window("opening"), m.of_window("contraction") + m.of_window("churn")
    return (opening + m.of_window("expansion") - losses) / opening, 1 - losses / opening


def _flow_with_reactivation(m: Movements) -> tuple[np.ndarray, np.ndarray]:
    nrr, grr = _flow(m)
    return nrr + m.of_window("reactivation") / m.of_window("opening"), grr


def _compounded(m: Movements) -> tuple[np.ndarray, np.ndarray]:
    opening, losses = m.monthly("opening"), m.monthly("contraction") + m.monthly("churn")
    monthly_nrr = (opening + m.monthly("expansion") - losses) / opening
    return _product(monthly_nrr), _product(1 - losses / opening)


def _product(rates: np.ndarray) -> np.ndarray:
    """Of all months; a book that has run empty has kept nothing: its later months have no rate, the
    product is 0.
    """
    return np.asarray(np.where(np.isnan(rates), 0.0, rates).prod(axis=-1))


FORMULAS: dict[str, Callable[[Movements], tuple[np.ndarray, np.ndarray]]] = {
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
    return _told(m, ratio(m, "nrr", definition, by_segment, ex_price), by_segment)


def grr(m: Movements, definition: str = "point_to_point", *, by_segment: bool = False) -> Ratio:
    """Gross revenue retention: what is kept without any gain. Under `flow` it may be negative."""
    return _told(m, ratio(m, "grr", definition, by_segment), by_segment)


def logo(m: Movements, definition: str = "point_to_point", *, by_segment: bool = False) -> Ratio:
    """Logo retention: the share of the opening customers that are customers at the end."""
    return _told(m, ratio(m, "logo", definition, by_segment), by_segment)


def ratio(
    m: Movements,
    measure: str,
    definition: str = "point_to_point",
    by_segment: bool = False,
    ex_price: bool = False,
) -> np.ndarray:
    """What `nrr`, `grr` or `logo` (the `measure`) says, without labels:
    `ndarray[(trial,) (segment)]`, of no dimension where there are neither.
    """
    rolled = m if by_segment else m.total()
    # a segment without an opening divides by 0: it has no retention, whatever comes of that
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure == "logo":
            _refuse_the_other_kind(m, "logo retention", of_book=False)
            counted = "stayed_customers" if definition == "stays_out" else "customers"
            found = rolled.of_window(counted) / rolled.of_window("opening_customers")
        else:
            _refuse_an_unknown(m, definition)
            found = FORMULAS[definition](rolled)[("nrr", "grr").index(measure)]
            if ex_price:
                found = found - _price_effect(rolled, definition)
    found = np.where(rolled.of_window("opening") > 0, found, np.nan)
    return found if by_segment else found[..., 0]


def quick_ratio(book: Movements) -> Ratio:
    """(new + expansion + reactivation) / (contraction + churn) of a book; nan without losses."""
    _refuse_the_other_kind(book, "the quick ratio", of_book=True)
    m = book.total()
    losses = m.of_window("contraction") + m.of_window("churn")
    gains = m.of_window("new") + m.of_window("expansion") + m.of_window("reactivation")
    return _told(m, (gains / np.where(losses > 0, losses, np.nan))[..., 0], by_segment=False)


def _refuse_an_unknown(m: Movements, definition: str) -> None:
    """Raises UsageError for a definition that these Movements cannot have."""
    if definition not in FORMULAS:
        remedy = did_you_mean(definition, list(DEFINITIONS))
        raise UsageError(
            f"definition: {definition!r} cannot be had from one window's Movements; {remedy}"
        )
    _refuse_the_other_kind(m, f"definition {definition!r}", DEFINITIONS[definition].of_book)


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
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(_compounded(m.total())[0][..., 0])


def _price_effect(m: Movements, definition: str) -> np.ndarray:
    if definition != "compounded":
        return np.asarray(m.of_window("price") / m.of_window("opening"))
    # of a product of months the price is what it would be without it, month by month
    kept = m.monthly("opening") + m.monthly("expansion")
    kept = kept - m.monthly("price") - m.monthly("contraction") - m.monthly("churn")
    return np.asarray(_compounded(m)[0] - _product(kept / m.monthly("opening")))


def _told(m: Movements, found: np.ndarray, by_segment: bool) -> Ratio:
    if not found.ndim:
        return float(found)
    return labelled(found, {"segment": m.segments} if by_segment else {})


class Source(Protocol):
    """What retention can be measured on; so far, a Ledger."""

    @property
    def step(self) -> int: ...
    def cohort(self, as_of: str, window: int = 12, by: By = "segment") -> Movements: ...
    def book(self, start: str, end: str, by: By = "segment") -> Movements: ...


@dataclass(frozen=True)
class Retention:
    """NRR, GRR and logo retention in total and by segment; nan without a base.

    ratios : `ndarray[segment]` by measure, of the `segments`; `by_segment` is the same, labelled.
    """

    nrr: float
    grr: float
    logo: float
    ratios: Mapping[str, np.ndarray]
    segments: list[str]

    @cached_property
    def by_segment(self) -> xr.Dataset:
        import xarray as xr  # late: see `movements.labelled`

        labels = {"segment": self.segments}
        return xr.Dataset({name: labelled(each, labels) for name, each in self.ratios.items()})


def measure(
    source: Source,
    as_of: str,
    window: int = 12,
    definition: str = "point_to_point",
    by: By = "segment",
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
        ratios = {
            name: np.stack([quarter.ratios[name] for quarter in quarters]).mean(axis=0)
            for name in ("nrr", "grr")
        }
        return Retention(
            nrr=float(np.mean([quarter.nrr for quarter in quarters])),
            grr=float(np.mean([quarter.grr for quarter in quarters])),
            logo=float(ratio(whole, "logo")),
            ratios=ratios | {"logo": ratio(cohort, "logo", by_segment=True)},
            segments=cohort.segments,
        )

    total, m = whole, cohort
    if DEFINITIONS[definition].of_book:
        start = shift(as_of, -window)
        total = source.book(start, as_of)
        m = total if by == "segment" else source.book(start, as_of, by)
    return Retention(
        nrr=float(ratio(total, "nrr", definition, ex_price=ex_price)),
        grr=float(ratio(total, "grr", definition)),
        logo=float(ratio(whole, "logo", definition)),
        ratios={
            "nrr": ratio(m, "nrr", definition, by_segment=True, ex_price=ex_price),
            "grr": ratio(m, "grr", definition, by_segment=True),
            "logo": ratio(cohort, "logo", definition, by_segment=True),
        },
        segments=cohort.segments,
    )
