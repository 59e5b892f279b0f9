"""A scenario in, each driver's numbers by draw and segment out; never moves a customer.

Beliefs are drawn, cut to the range of their field, multiplied by how good the year is and by
programmes, and capped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from nrrsim.engine.draws import scores
from nrrsim.engine.groups import tenure_year
from nrrsim.scenario.book import EVERY_SEGMENT
from nrrsim.scenario.customers import Customers
from nrrsim.scenario.drivers import COUNTED, DRIVERS
from nrrsim.scenario.numbers import Sized
from nrrsim.scenario.programmes import Programme
from nrrsim.scenario.scenario import Scenario
from nrrsim.scenario.table import Table
from nrrsim.scenario.year_effects import year_factor

SHOCK = "shock"  # its name among the scores of beliefs


def year_name(driver: str) -> str:
    """What a driver's year effect is called among the scores of beliefs."""
    return f"year_effects.{driver}"


def rates_name(driver: str, field: str) -> str:
    """What `Rates` calls a field of a driver."""
    return {"rate": driver, "size": f"{driver}_size"}.get(field, field)


# What of `Rates` belongs to each driver, that which a shock, a programme or a lever multiplies
# first; and the most that this may become.
RATES_OF = {
    driver: tuple(rates_name(driver, field) for field in nature.fields)
    for driver, nature in DRIVERS.items()
}
LIMITS = {RATES_OF[driver][0]: nature.most for driver, nature in DRIVERS.items()}


@dataclass(frozen=True)
class Rates:
    """What drives a book, draw by draw: `ndarray[draw, segment]`, with one draw where nothing is
    uncertain.

    `churn` has a third axis: the tenure year (one where churn does not depend on it). Rates are a
    year's, sizes are means. `sizes` holds, for contraction, adoption and cross-sell, the mean and
    standard deviation of a size that each event draws anew: `ndarray[segment, 2]`, sd 0 where every
    event of a draw has the same.
    """

    churn: np.ndarray
    contraction: np.ndarray
    contraction_size: np.ndarray
    adoption: np.ndarray
    adoption_size: np.ndarray
    cross_sell: np.ndarray
    cross_sell_size: np.ndarray
    uplift: np.ndarray
    acceptance: np.ndarray
    churn_per_point: np.ndarray
    reactivation: np.ndarray
    reactivation_size: np.ndarray
    sizes: dict[str, np.ndarray]
    effects: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def phases(self) -> int:
        """How many months differ from each other; all later ones are as the last of these."""
        return max(map(len, self.effects.values()), default=1)

    def in_phase(self, phase: int) -> Rates:
        """The rates in month `phase` + 1, with what programmes do to them, and no more than they
        may be.
        """
        changed = {name: getattr(self, name) for name in LIMITS}
        for name, effects in self.effects.items():
            factor = effects[phase]
            changed[name] = changed[name] * (factor[:, None] if name == "churn" else factor)
        limited = {name: np.minimum(each, LIMITS[name]) for name, each in changed.items()}
        return replace(self, **limited, effects={})

    @property
    def draws(self) -> int:
        return len(self.churn)

    def spread(self, draws: int, years: int = 1) -> Rates:
        """The same rates with that many draws, and tenure years at least: what is certain is the
        same in each.
        """
        if self.draws == draws and self.churn.shape[2] >= years:
            return self
        last = self.churn.shape[2] - 1
        churn = self.churn[:, :, np.minimum(np.arange(max(years, last + 1)), last)]
        changed: dict[str, Any] = {"churn": np.broadcast_to(churn, (draws, *churn.shape[1:]))}
        for each in fields(self):
            if each.name not in ("churn", "sizes", "effects"):
                changed[each.name] = np.broadcast_to(
                    getattr(self, each.name), (draws, self.uplift.shape[1])
                )
        return replace(self, **changed)

    def part(self, first: int, last: int) -> Rates:
        """The draws from `first` to `last`; all of them where there is one."""
        if self.draws == 1:
            return self
        arrays = [each.name for each in fields(self) if each.name not in ("sizes", "effects")]
        return replace(self, **{name: getattr(self, name)[first:last] for name in arrays})

    def monthly_churn(self, annual: np.ndarray, anniversary: bool) -> np.ndarray:
        """`ndarray[draw, segment, year]`: the probability to leave in a month that is, or is not,
        the anniversary.
        """
        is_annual = annual[None, :, None]
        if not anniversary:
            return np.where(is_annual, 0.0, monthly(self.churn))
        by_price = (self.churn_per_point * self.uplift)[:, :, None]
        return np.asarray(
            np.minimum(1.0, np.where(is_annual, self.churn, monthly(self.churn)) + by_price)
        )


def monthly(annual_probability: np.ndarray) -> np.ndarray:
    """The probability of a month whose twelve make up the year's: 1 - (1 - p)^(1/12)."""
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(np.log1p(-annual_probability) / 12))


def draw_rates(
    scenario: Scenario,
    customers: Customers,
    *,
    count: int,
    seed: int,
    first: int = 0,
    quasi: bool = False,
    own: Mapping[str, int] | None = None,
) -> Rates:
    """The rates of `count` draws; one draw where the scenario is certain. See `draws.scores` for
    the parameters.

    own : the Sobol dimension of each belief, where two scenarios are to meet the same draws
        (default: its own).
    """
    slots = slots_of(scenario)
    if own is not None:
        slots = {name: own[name] for name in slots}
    z = scores(slots, scenario.table.ties, count=count, seed=seed, first=first, quasi=quasi)
    return rates_at(scenario, customers, z, count if slots else 1)


def slots_of(scenario: Scenario) -> dict[str, int]:
    """Every belief, the common shock and each year effect with a Sobol dimension of its own."""
    own = {each.name: each.slot for each in scenario.table.uncertain}
    places = {driver: scenario.table.slots + place for place, driver in enumerate(DRIVERS)}
    years = {year_name(name): places[name] for name, beta in scenario.year_effects.items() if beta}
    return own | ({SHOCK: 0} if any(scenario.shock.values()) else {}) | years


def rates_at(
    scenario: Scenario, customers: Customers, z: Mapping[str, np.ndarray], count: int
) -> Rates:
    """The rates where the beliefs, the shock and the year effects have the normal scores `z`,
    `ndarray[count]` of each.
    """
    drawn: dict[str, Any] = {each.name: each.value for each in scenario.table.stated}
    for each in scenario.table.uncertain:
        drawn[each.name] = each.range.drawn(each.value, z[each.name])
    years = 1 + int(tenure_year(customers.oldest, scenario.months, np.inf))
    arrays = _filled(scenario.table, customers.segments, drawn, count, years)
    return Rates(
        **_of_the_year(scenario, arrays, z),
        sizes=sizes_of(scenario, customers.segments),
        effects=effects_of(scenario.programmes.values(), customers.segments, scenario.months),
    )


def _filled(
    table: Table, segments: tuple[str, ...], drawn: Mapping[str, Any], count: int, years: int
) -> dict[str, np.ndarray]:
    """The arrays of `Rates`, with each number where it belongs: a driver that a segment does not
    have is 0 in it.
    """
    arrays = {
        name: np.zeros((count, len(segments))) for names in RATES_OF.values() for name in names
    }
    years = years if table.is_curved else 1
    arrays["churn"] = np.zeros((count, len(segments), years))

    for driver in DRIVERS:
        for number, segment in enumerate(segments):
            fields = table.of_segment(driver, segment)
            values = {name: drawn[each.name] for name, each in fields.items()}
            if driver == "churn" and values:
                arrays["churn"][:, number, :] = _churn_by_year(values, years)
                continue
            for name, value in values.items():
                mean = value.mean if isinstance(value, Sized) else value
                arrays[rates_name(driver, name)][:, number] = mean

    # who would come back with nothing does not come back
    arrays["reactivation"] = np.where(arrays["reactivation_size"] > 0, arrays["reactivation"], 0.0)
    return arrays


def _churn_by_year(values: Mapping[str, Any], years: int) -> np.ndarray:
    """`ndarray[draw or 1, year]`: the annual probability in each tenure year, from one of the forms
    in which it is stated.
    """
    stated = {name: np.atleast_1d(value) for name, value in values.items()}
    if "rate" in stated:
        return stated["rate"][:, None]
    if "alpha" in stated:
        alpha, beta = stated["alpha"], stated["beta"]
        return np.asarray(alpha[:, None] / ((alpha + beta)[:, None] + np.arange(years)))
    by_year = np.stack(np.broadcast_arrays(*stated.values()), axis=1)
    return by_year[:, np.minimum(np.arange(years), len(stated) - 1)]


def _of_the_year(
    scenario: Scenario, arrays: dict[str, np.ndarray], z: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Annual rates in a year that is good or bad for all, and for each driver by itself."""
    common = ((driver, beta, SHOCK) for driver, beta in scenario.shock.items())
    own = ((driver, beta, year_name(driver)) for driver, beta in scenario.year_effects.items())
    for driver, beta, name in (*common, *own):
        if beta:
            rate = arrays[RATES_OF[driver][0]]
            factor = year_factor(beta, z[name]).reshape(-1, *[1] * (rate.ndim - 1))
            arrays[RATES_OF[driver][0]] = rate * factor
    return arrays


def effects_of(
    programmes: Iterable[Programme], segments: tuple[str, ...], months: int
) -> dict[str, np.ndarray]:
    """By what programmes multiply each rate, `ndarray[phase, segment]`: several multiply each
    other.
    """
    programmes = list(programmes)
    phases = min(months, max((each.complete for each in programmes), default=1))
    effects: dict[str, np.ndarray] = {}
    for programme in programmes:
        reached = np.array([programme.reached(t) for t in range(1, phases + 1)])
        for key, full in programme.effects.items():
            driver, _, segment = key.partition(".")
            met = np.array([segment in ("", EVERY_SEGMENT, each) for each in segments])
            factor = 1 + full * reached[:, None] * met
            name = RATES_OF[driver][0]
            effects[name] = effects.get(name, 1.0) * factor
    return effects


def sizes_of(scenario: Scenario, segments: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The `sizes` of `Rates`: no draw changes them."""
    sizes = {driver: np.zeros((len(segments), 2)) for driver in COUNTED}
    for driver, table in sizes.items():
        for number, segment in enumerate(segments):
            fields = scenario.table.of_segment(driver, segment)
            if fields and isinstance(size := fields["size"].value, Sized):
                table[number] = size.mean, size.sd
    return sizes
