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

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import SupportsFloat

import numpy as np
import pandas as pd
import xarray as xr

from nrrsim.notation import count, digits_of, money, table_html

EXPANSION = ("adoption", "cross_sell", "price", "unsplit")
GAINS = ("new", *EXPANSION, "reactivation")
LOSSES = ("contraction", "churn")
MOVEMENTS = (*GAINS, *LOSSES)
LEVELS = ("opening", "closing", "retained", "stayed", "stayed_retained")
COUNTS = ("opening_customers", "customers", "stayed_customers")
SHOWN = ("opening", *MOVEMENTS, "closing", "opening_customers", "customers")
CENT = 0.01


@dataclass(frozen=True)
class Movements:
    """Recurring revenue, month by month, of the customers of one cohort or of a whole book.

    `data` has dims `(trial?, segment, month)`; `month` labels the end of each step, "YYYY-MM".
    Variables, in ARR of one currency: one for each movement, and

    - `opening`, `closing`: the amount before and after the month's movements;
    - `retained`: sum of min(a_i(t), a_i(0)), a_i(0) being the amount at the start of the window;
    - `stayed`, `stayed_retained`: closing and retained of the customers never at 0 since the start;
    - `opening_customers`, `customers`, `stayed_customers`: how many have a positive amount.

    `start` is the month before the first one. `closed`: of the customers of the start alone, so
    that nobody is `new`; else of a whole book, with those who come. Each definition of retention
    stands for one of the two.
    """

    data: xr.Dataset
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
        # without trials there is no first dimension
        dims = ("trial", "segment", "month")[3 - some.ndim :]
        zero = np.broadcast_to(0.0, some.shape)  # takes no memory
        names = (*LEVELS, *MOVEMENTS, *COUNTS)
        unknown = sorted(set(arrays) - set(names))
        if unknown:
            raise ValueError(f"not a variable of Movements: {', '.join(unknown)}")
        data = xr.Dataset(
            {name: (dims, arrays.get(name, zero)) for name in names},
            coords={"segment": segments, "month": months},
        )
        return cls(data, start, closed)

    def __getitem__(self, name: str) -> xr.DataArray:
        """A variable, or `expansion`: the sum of its four parts."""
        if name == "expansion":
            return sum((self.data[part] for part in EXPANSION[1:]), start=self.data[EXPANSION[0]])
        return self.data[name]

    @property
    def segments(self) -> list[str]:
        return [str(name) for name in self.data["segment"].values]

    @property
    def months(self) -> list[str]:
        return [str(month) for month in self.data["month"].values]

    def frame(self) -> pd.DataFrame:
        """A row a month and segment: `month`, `segment`, `opening`, a column a movement, `closing`,
        `opening_customers`, `customers`.

        Losses are positive amounts, as everywhere here. Of trials it is the mean of each number.
        """
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
        sums = {
            str(name): values.values.sum(axis=-2, keepdims=True)
            for name, values in self.data.items()
        }
        return Movements.of(
            sums, segments=["all"], months=self.months, start=self.start, closed=self.closed
        )

    def over(self, name: str) -> xr.DataArray:
        """A movement summed over the window, or a level at its end (`opening`: at its start)."""
        values = self[name]
        if name in (*MOVEMENTS, "expansion"):
            return values.sum("month")
        return values.isel(month=0 if name.startswith("opening") else -1)

    def residual(self) -> xr.DataArray:
        """Closing - (opening + gains - losses), by segment and month: what does not tie, in ARR."""
        gains = sum((self.data[name] for name in GAINS[1:]), start=self.data[GAINS[0]])
        return self["closing"] - (self["opening"] + gains - self["contraction"] - self["churn"])

    def gap(self) -> xr.DataArray:
        """opening[t+1] - closing[t], by segment: what is lost between two months, in ARR."""
        following = self["opening"].isel(month=slice(1, None))
        # plain values: xarray would take one month from the same month
        return following - self["closing"].isel(month=slice(0, -1)).values

    def books_close(self) -> bool:
        """Whether both identities hold to the cent for every month, segment and trial."""
        off = (np.abs(part.values).max(initial=0.0) for part in (self.residual(), self.gap()))
        return bool(max(off) < CENT / 2)


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
