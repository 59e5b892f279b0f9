"""A scenario in, each driver's numbers by draw and segment out; never moves a customer.

Beliefs are drawn, cut to the range of their field, multiplied by how good the year is and by
programmes, and capped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from nrrsim.engine.draws import scores
from nrrsim.engine.groups import Kinds, tenure_year
from nrrsim.months import month_number
from nrrsim.scenario.book import EVERY_SEGMENT
from nrrsim.scenario.customers import Customers
from nrrsim.scenario.drivers import COUNTED, DRIVERS, HAZARD, MULTIPLIER_OF
from nrrsim.scenario.numbers import Sized
from nrrsim.scenario.programmes import Programme
from nrrsim.scenario.scenario import Scenario
from nrrsim.scenario.table import PROGRAMMES, Table
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
class InTheYear:
    """What the calendar does in each segment, from the scenario's first month on: `ndarray[segment,
    month]` of twelve months that go round, or of one where all are alike.

    season : by what it multiplies monthly churn (its hazard). rises : 1 where prices may rise, else
        0. together : `ndarray[segment]`, whether they rise for all customers at once instead of at
        each one's anniversary.
    """

    season: np.ndarray
    rises: np.ndarray
    together: np.ndarray

    @property
    def cycle(self) -> int:
        """After how many months it goes round."""
        return int(self.season.shape[1])

    def in_phase(self, phase: int) -> InTheYear:
        """What holds in month `phase` + 1 alone."""
        here = [phase % self.cycle]
        return replace(self, season=self.season[:, here], rises=self.rises[:, here])


@dataclass(frozen=True)
class Rates:
    """What drives a book, draw by draw: `ndarray[draw, segment]`, with one draw where nothing is
    uncertain.

    `churn` has a third axis: the tenure year (one where churn does not depend on it). Rates are a
    year's, sizes are means. `sizes` holds, for contraction, adoption and cross-sell, the mean and
    standard deviation of a size that each event draws anew: `ndarray[segment, 2]`, sd 0 where every
    event of a draw has the same. `effects` is what programmes multiply rates by: `ndarray[phase,
    draw, segment]`, with one draw where an effect is certain.
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
    in_the_year: InTheYear
    effects: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def phases(self) -> int:
        """How many months differ from each other; later ones are as the last `cycle` of these, in
        turn (see `phase_of`).
        """
        return max(map(len, self.effects.values()), default=1) + self.cycle - 1

    @property
    def cycle(self) -> int:
        """How many of the phases go round: a year's where the calendar acts, else the last."""
        return self.in_the_year.cycle

    def in_phase(self, phase: int) -> Rates:
        """The rates in month `phase` + 1, with what programmes and the calendar do to them, and no
        more than they may be.
        """
        changed = {name: getattr(self, name) for name in LIMITS}
        for name, effects in self.effects.items():
            factor = effects[min(phase, len(effects) - 1)]
            changed[name] = changed[name] * (factor[:, :, None] if name == "churn" else factor)
        limited = {name: np.minimum(each, LIMITS[name]) for name, each in changed.items()}
        now = self.in_the_year.in_phase(phase)
        limited["uplift"] = limited["uplift"] * now.rises[:, 0]
        return replace(self, **limited, in_the_year=now, effects={})

    def how_often(self, driver: str, kinds: Kinds | None) -> np.ndarray:
        """`ndarray[draw, kind]`: how often a year a counted driver meets each kind of customers
        (None: each segment), no more often than it may at most; of rates `in_phase`.
        """
        rate = np.asarray(getattr(self, driver))
        if kinds is None:
            return rate
        often = rate[:, kinds.segment] * kinds.multipliers[:, MULTIPLIER_OF[driver]]
        return np.asarray(np.minimum(often, LIMITS[driver]))

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
            if each.name not in ("churn", *OF_ALL_DRAWS):
                changed[each.name] = np.broadcast_to(
                    getattr(self, each.name), (draws, self.uplift.shape[1])
                )
        return replace(self, **changed)

    def part(self, first: int, last: int) -> Rates:
        """The draws from `first` to `last`; all of them where there is one."""
        if self.draws == 1:
            return self
        arrays = [each.name for each in fields(self) if each.name not in OF_ALL_DRAWS]
        effects = {
            name: each[:, first:last] if each.shape[1] > 1 else each
            for name, each in self.effects.items()
        }
        parts = {name: getattr(self, name)[first:last] for name in arrays}
        return replace(self, **parts, effects=effects)

    def monthly_churn(
        self, annual: np.ndarray, anniversary: bool, kinds: Kinds | None = None
    ) -> np.ndarray:
        """`ndarray[draw, kind, year]`: the probability of each kind of customers (None: of each
        segment) to leave in a month that is, or is not, the anniversary; of rates `in_phase`.

        annual : `ndarray[segment]`, whether its contracts are.
        """
        now = self.in_the_year
        at_renewal = self.churn if anniversary else 0.0
        in_any_month = monthly(self.churn, now.season[:, :1])
        regular = np.where(annual[None, :, None], at_renewal, in_any_month)
        by_price = np.where(now.together | anniversary, self.churn_per_point * self.uplift, 0.0)
        leaves = np.minimum(1.0, regular + by_price[:, :, None])
        if kinds is not None:
            stays = 1 - leaves[:, kinds.segment]
            leaves = 1 - stays ** kinds.multipliers[:, HAZARD, None]
        return np.asarray(leaves)


# Of Rates, what has no draws in its first axis.
OF_ALL_DRAWS = ("sizes", "in_the_year", "effects")


def monthly(annual_probability: np.ndarray, season: Any = 1.0) -> np.ndarray:
    """The probability of a month whose twelve make up the year's, 1 - (1 - p)^(1/12); `season`: by
    what that month's hazard is multiplied.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        each = -np.expm1(np.log1p(-annual_probability) * season / 12)
    # a month without churn has none, even where all leave within the year
    return np.where(np.equal(season, 0), 0.0, each)


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
    the parameters, and `rates_at`.

    own : the Sobol dimension of each belief, where two scenarios are to meet the same draws
        (default: its own).
    """
    slots = slots_of(scenario)
    if own is not None:
        slots = {name: own[name] for name in slots}
    z = scores(slots, scenario.table.ties, count=count, seed=seed, first=first, quasi=quasi)
    return rates_at(scenario, customers, z, count if slots else 1)


def drawn_effects(scenario: Scenario, z: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Each full effect of a programme by its name among beliefs: a number, or `ndarray[draw]`."""
    return {
        each.name: each.value
        if isinstance(each.value, float)
        else each.range.drawn(each.value, z[each.name])
        for each in scenario.table.effects
    }


def slots_of(scenario: Scenario) -> dict[str, int]:
    """Every belief, the common shock and each year effect with a Sobol dimension of its own."""
    own = {each.name: each.slot for each in scenario.table.uncertain}
    places = {driver: scenario.table.slots + place for place, driver in enumerate(DRIVERS)}
    years = {year_name(name): places[name] for name, beta in scenario.year_effects.items() if beta}
    return own | ({SHOCK: 0} if any(scenario.shock.values()) else {}) | years


def rates_at(
    scenario: Scenario,
    customers: Customers,
    z: Mapping[str, np.ndarray],
    count: int,
) -> Rates:
    """The rates of each segment where the beliefs, the shock and the year effects have the normal
    scores `z`, `ndarray[count]` of each. What single accounts differ in is not in them.
    """
    drawn: dict[str, Any] = {each.name: each.value for each in scenario.table.stated}
    for each in scenario.table.uncertain:
        if each.driver != PROGRAMMES:
            drawn[each.name] = each.range.drawn(each.value, z[each.name])
    years = 1 + int(tenure_year(customers.oldest, scenario.months, np.inf))
    arrays = _filled(scenario.table, customers.segments, drawn, count, years)
    return Rates(
        **_of_the_year(scenario, arrays, z),
        sizes=sizes_of(scenario, customers.segments),
        in_the_year=in_the_year(scenario, customers.segments),
        effects=effects_of(
            scenario.programmes, drawn_effects(scenario, z), customers.segments, scenario.months
        ),
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
    programmes: Mapping[str, Programme],
    full: Mapping[str, Any],
    segments: tuple[str, ...],
    months: int,
) -> dict[str, np.ndarray]:
    """By what programmes multiply each rate, `ndarray[phase, draw, segment]`: several multiply each
    other.

    full : their full effects, as `drawn_effects` has them.
    """
    phases = min(months, max((each.complete for each in programmes.values()), default=1))
    effects: dict[str, np.ndarray] = {}
    for name, programme in programmes.items():
        reached = np.array([programme.reached(t) for t in range(1, phases + 1)])
        for key in programme.effects:
            driver, _, segment = key.partition(".")
            met = np.array([segment in ("", EVERY_SEGMENT, each) for each in segments])
            by_draw = np.atleast_1d(full[f"{PROGRAMMES}.{name}.{key}"])
            factor = 1 + by_draw[:, None] * reached[:, None, None] * met
            rate = RATES_OF[driver][0]
            effects[rate] = effects.get(rate, 1.0) * factor
    return effects


def in_the_year(scenario: Scenario, segments: tuple[str, ...]) -> InTheYear:
    """What the calendar does to these segments, from the scenario's first month on."""
    entries = {
        driver: [
            None if key is None else getattr(scenario.drivers, driver)[key]
            for key in (scenario.table.key_of(driver, segment) for segment in segments)
        ]
        for driver in ("churn", "price")
    }
    seasons = [each and each.season for each in entries["churn"]]
    months = [each and each.month for each in entries["price"]]
    together = np.array([month is not None for month in months])
    start = month_number(scenario.start)  # no number where nothing speaks of calendar months
    if start is None or not (any(seasons) or together.any()):
        alike = np.ones((len(segments), 1))
        return InTheYear(alike, alike, together)

    # in the order of the calendar first, then from the month after the start on
    season = np.array([each or np.ones(12) for each in seasons], float)
    season /= season.mean(axis=1, keepdims=True)
    january_on = np.arange(1, 13)
    rises = np.array([np.isin(january_on, month or january_on) for month in months], float)
    begins = (start + 1) % 12
    season, rises = (np.roll(each, -begins, axis=1) for each in (season, rises))
    return InTheYear(season, rises, together)


def sizes_of(scenario: Scenario, segments: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The `sizes` of `Rates`: no draw changes them."""
    sizes = {driver: np.zeros((len(segments), 2)) for driver in COUNTED}
    for driver, table in sizes.items():
        for number, segment in enumerate(segments):
            fields = scenario.table.of_segment(driver, segment)
            if fields and isinstance(size := fields["size"].value, Sized):
                table[number] = size.mean, size.sd
    return sizes
