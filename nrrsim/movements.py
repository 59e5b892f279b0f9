"""The noun: recurring revenue by segment and month in, one roll-forward out; never reads files.

=============  ====  =======================================================  ==================
movement       sign  a customer's amount goes                                 part of
=============  ====  =======================================================  ==================
new            +     from 0, and it never was a customer before
adoption       +     up: seats, usage, tier                                   expansion
cross_sell     +     up: another product or a higher plan                     expansion
price          +     up: the same thing at a higher price                     expansion
unsplit        +     up, and the ledger does not say why                      expansion
contraction    -     down, but it stays a customer
churn          -     to 0
reactivation   +     from 0, and it was a customer before
=============  ====  =======================================================  ==================

Losses are stored as positive amounts and subtracted by name. All amounts are ARR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, SupportsFloat

import numpy as np

from nrrsim.notation import count, digits_of, money, table_html

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

EXPANSION = ("adoption", "cross_sell", "price", "unsplit")
GAINS = ("new", *EXPANSION, "reactivation")
LOSSES = ("contraction", "churn")
MOVEMENTS = (*GAINS, *LOSSES)
LEVELS = ("opening", "closing", "retained", "stayed", "stayed_retained")
COUNTS = ("opening_customers", "customers", "stayed_customers")
SHOWN = ("opening", *MOVEMENTS, "closing", "opening_customers", "customers")
CENT = 0.01


@dataclass(frozen=True, eq=False)
class Movements:
    """Recurring revenue, month by month, of the customers of one cohort or of a whole book.

    `arrays` holds `ndarray[(trial,) segment, month]` by name, `data` the same with its labels;
    `month` labels the end of each step, "YYYY-MM". Variables, in ARR of one currency: one for each
    movement, and

    - `opening`, `closing`: the amount before and after the month's movements;
    - `retained`: sum of min(a_i(t), a_i(0)), a_i(0) being the amount at the start of the window;
    - `stayed`, `stayed_retained`: closing and retained of the customers never at 0 since the start;
    - `opening_customers`, `customers`, `stayed_customers`: how many have a positive amount.

    `start` is the month before the first one. `closed`: of the customers of the start alone, so
    that nobody is `new`; else of a whole book, with those who come. Each definition of retention
    stands for one of the two.
    """

    arrays: Mapping[str, np.ndarray] = field(repr=False)
    segments: list[str]
    months: list[str]
    start: str
    closed: bool

    @classmethod
    def of(
        cls,
        arrays: Mapping[str, np.ndarray],
        *,
        segments: list[str],
        months: list[str],
        start: str,
        closed: bool,
    ) -> Movements:
        """From `ndarray[(trial,) segment, month]` by variable name; a movement left out is 0."""
        some = next(iter(arrays.values()))
        zero = np.broadcast_to(0.0, some.shape)  # takes no memory
        names = (*LEVELS, *MOVEMENTS, *COUNTS)
        unknown = sorted(set(arrays) - set(names))
        if unknown:
            raise ValueError(f"not a variable of Movements: {', '.join(unknown)}")
        whole = {name: arrays.get(name, zero) for name in names}
        return cls(whole, list(segments), list(months), start, closed)

    @cached_property
    def data(self) -> xr.Dataset:
        """The `arrays` with their labels: dims `(trial?, segment, month)`."""
        import xarray as xr  # late: see `labelled`

        # a DataArray each would tell the labels first, and the trials would come last
        some = next(iter(self.arrays.values()))
        dims = ("trial", "segment", "month")[3 - some.ndim :]
        return xr.Dataset(
            {name: (dims, each) for name, each in self.arrays.items()},
            {"segment": self.segments, "month": self.months},
        )

    def __eq__(self, other: object) -> bool:
        """Whether the two are of the same segments and months, with the same amounts."""
        if not isinstance(other, Movements):
            return NotImplemented
        told = [(each.segments, each.months, each.start, each.closed) for each in (self, other)]
        return told[0] == told[1] and all(
            np.array_equal(each, other.arrays[name], equal_nan=True)
            for name, each in self.arrays.items()
        )

    def __getitem__(self, name: str) -> xr.DataArray:
        """A variable, or `expansion`: the sum of its four parts."""
        return self._by_month(self.monthly(name), name)

    def monthly(self, name: str) -> np.ndarray:
        """The same without labels, `ndarray[(trial,) segment, month]`."""
        if name == "expansion":
            first, *others = (self.arrays[part] for part in EXPANSION)
            return np.asarray(sum(others, start=first))
        return self.arrays[name]

    def _by_month(self, values: np.ndarray, name: str | None = None) -> xr.DataArray:
        months = self.months[len(self.months) - values.shape[-1] :]
        return labelled(values, {"segment": self.segments, "month": months}, name)

    def frame(self) -> pd.DataFrame:
        """A row a month and segment: `month`, `segment`, `opening`, a column a movement, `closing`,
        `opening_customers`, `customers`.

        Losses are positive amounts, as everywhere here. Of trials it is the mean of each number.
        """
        import pandas as pd  # late, as xarray

        rows = self.data[list(SHOWN)]
        mean = rows.mean("trial") if "trial" in rows.dims else rows
        long = mean.to_dataframe(dim_order=["month", "segment"]).reset_index()
        return pd.DataFrame(long[["month", "segment", *SHOWN]])

    def _repr_html_(self) -> str:
        amounts = {name: partial(money, currency="") for name in SHOWN[:-2]}
        return table_html(self.frame(), amounts | dict.fromkeys(SHOWN[-2:], count), "row")

    def total(self) -> Movements:
        """All segments as one, called `all`."""
        return self._total

    @cached_property
    def _total(self) -> Movements:
        sums = {name: each.sum(axis=-2, keepdims=True) for name, each in self.arrays.items()}
        return replace(self, arrays=sums, segments=["all"])

    def until(self, month: str) -> Movements:
        """Up to a month, itself included."""
        months = [each for each in self.months if each <= month]
        known = {name: each[..., : len(months)] for name, each in self.arrays.items()}
        return replace(self, arrays=known, months=months)

    def only(self, segment: str) -> Movements:
        """One segment's."""
        at = [self.segments.index(segment)]
        own = {name: each[..., at, :] for name, each in self.arrays.items()}
        return replace(self, arrays=own, segments=[segment])

    def over(self, name: str) -> xr.DataArray:
        """A movement summed over the window, or a level at its end (`opening`: at its start)."""
        return labelled(self.of_window(name), {"segment": self.segments}, name)

    def of_window(self, name: str) -> np.ndarray:
        """The same without labels, `ndarray[(trial,) segment]`."""
        values = self.monthly(name)
        if name in (*MOVEMENTS, "expansion"):
            return np.asarray(np.nansum(values, axis=-1))
        return values[..., 0 if name.startswith("opening") else -1]

    def amount(self, name: str) -> float:
        """The same of all segments together, in ARR or customers; of trials, of all of them."""
        return float(np.nansum(self.of_window(name)))

    def residual(self) -> xr.DataArray:
        """Closing - (opening + gains - losses), by segment and month: what does not tie, in ARR."""
        gains = sum((self.arrays[name] for name in GAINS[1:]), start=self.arrays[GAINS[0]])
        opening, closing, contraction, churn = map(self.monthly, ("opening", "closing", *LOSSES))
        return self._by_month(closing - (opening + gains - contraction - churn))

    def gap(self) -> xr.DataArray:
        """opening[t+1] - closing[t], by segment: what is lost between two months, in ARR."""
        return self._by_month(self.arrays["opening"][..., 1:] - self.arrays["closing"][..., :-1])

    def books_close(self) -> bool:
        """Whether both identities hold to the cent for every month, segment and trial."""
        off = (np.abs(part.values).max(initial=0.0) for part in (self.residual(), self.gap()))
        return bool(max(off) < CENT / 2)


def labelled(
    values: np.ndarray, labels: Mapping[str, Sequence[str]], name: str | None = None
) -> xr.DataArray:
    """The last dimensions of an array with their labels; one more before them is the trials'."""
    # xarray takes longer to start than most commands to answer, and these look at no labels
    import xarray as xr

    trials = ["trial"] * (values.ndim - len(labels))
    return xr.DataArray(values, labels, [*trials, *labels], name)


def json_amount(amount: SupportsFloat, currency: str) -> float:
    """An amount as JSON tells it: to the currency's minor unit ("": two decimals), and no minus
    before a zero.
    """
    return round(float(amount), digits_of(currency)) + 0.0  # -0.0 + 0.0 is 0.0


def json_amounts(amounts: np.ndarray, currency: str) -> np.ndarray:
    """The same of several amounts, so that they add up to their own sum as JSON tells it: those
    that lost most by the cut are rounded up.
    """
    unit = 10.0 ** digits_of(currency)
    units = np.asarray(amounts, float) * unit
    cut = np.floor(units)
    up = max(round(float(units.sum())) - int(cut.sum()), 0)
    cut[np.argsort(cut - units, kind="stable")[:up]] += 1
    return np.round(cut / unit, digits_of(currency)) + 0.0


def json_ratio(value: SupportsFloat) -> float | None:
    """A ratio as JSON tells it: to the twelfth digit, and null where it has no base."""
    return None if np.isnan(float(value)) else round(float(value), 12)
