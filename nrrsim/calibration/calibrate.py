"""A ledger and a date in, a Scenario whose every number is learnt from it out; never simulates.

What a segment did is counted over what it could have done (`exposure`). Of that are made annual
frequencies (`frequency`), sizes of events (`sizes`), churn that falls with tenure (`tenure`), and
how much good and bad years differ (`years`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrrsim.cache import kept
from nrrsim.calibration.accounts import with_level
from nrrsim.calibration.exposure import Exposure, price_months_of
from nrrsim.calibration.frequency import Learnt, counts_of, posterior
from nrrsim.calibration.priors import Prior, as_prior
from nrrsim.calibration.sizes import MOST_UNEVEN, fitted_sizes, share_that_shows
from nrrsim.calibration.tenure import Curve, tenure_curves
from nrrsim.calibration.years import Season, drift_and_season, season_of_churn, year_effects
from nrrsim.errors import UsageError, did_you_mean
from nrrsim.files import write_again
from nrrsim.ledger.ledger import Ledger, as_ledger
from nrrsim.messages import RefusedError
from nrrsim.months import month_name
from nrrsim.notation import MONTHS, count, counted, label, percent, share, table_html
from nrrsim.notation import month_name as in_words
from nrrsim.scenario.beliefs import Z90, Beta, Lognormal, beta_of
from nrrsim.scenario.book import book_reading, is_address
from nrrsim.scenario.customers import customers_of
from nrrsim.scenario.drivers import COUNTED, DRIVERS
from nrrsim.scenario.numbers import YEAR_EFFECT
from nrrsim.scenario.scenario import Scenario
from nrrsim.scenario.year_effects import factor_range
from nrrsim.yamlfile import rounded, yaml_text

MADE_BY = (
    "# Learnt by nrrsim calibrate. A change made here is lost when it is made again: extend this"
    " file instead."
)
MOST_OFTEN = 11.0  # events a year: below what a scenario takes
MOST_GAIN, MOST_UPLIFT = 10.0, 1.0  # of a mean size: what a scenario takes


@dataclass(frozen=True)
class Calibration:
    """What a ledger teaches up to `as_of`: a scenario, its numbers, and what to know of them."""

    scenario: Scenario
    learnt: tuple[Learnt, ...]
    years: int
    findings: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """A row for each driver and segment, with the fields of Learnt."""
        rows = [
            {**vars(each), "size": each.size[0] if each.size else np.nan} for each in self.learnt
        ]
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        three = "{:.3g}".format  # rates of events a year, and probabilities
        numbers = {"events": count, "chances": count, "mean": three, "sd": three}
        shares = {"own": share, "size": percent, "misfit": "{:.2f}".format}
        return table_html(self.frame(), {**numbers, **shares}, "row")

    def told(self) -> dict[str, Any]:
        """What `nrrsim calibrate --json` prints."""
        drivers: dict[str, Any] = {}
        for each in self.learnt:
            size = None if each.size is None else dict(zip(("mean", "sd"), each.size, strict=True))
            low, high = _belief(each).quantile(np.array([-Z90, Z90]), share=True).tolist()
            figures: dict[str, Any] = {
                "events": each.events,
                "chances": each.chances,
                "mean": each.mean,
                "sd": each.sd,
                "p05": low,
                "p95": high,
            }
            figures |= {"size": size, "misfit": each.misfit}
            # when in the year it acts; a segment that is no more has no entry
            entry = getattr(self.scenario.drivers, each.driver).get(each.segment)
            if (when := {"price": "month", "churn": "season"}.get(each.driver)) is not None:
                figures[when] = getattr(entry, when, None)
            drivers.setdefault(each.driver, {})[each.segment] = figures
        term = self.scenario.plain()["book"]["term"]
        uneven = {name: _uneven(beta) for name, beta in self.scenario.year_effects.items()}
        learnt = {"years": self.years, "term": term, "drivers": drivers, "year_effects": uneven}
        about = {"title": self.scenario.title, "currency": self.scenario.opening.currency or None}
        return {**about, **learnt, "findings": list(self.findings)}

    def kept(self) -> dict[str, Any]:
        """All of it but who its customers are and where its ledger lies, as `cache` keeps it."""
        values = self.scenario.plain()
        about = {name: values["book"][name] for name in ("as_of", "term")}
        learnt = [{**vars(each), "size": each.size and [*each.size]} for each in self.learnt]
        return {
            "values": {**values, "book": about},
            "learnt": learnt,
            "years": self.years,
            "findings": [*self.findings],
        }

    @classmethod
    def of(cls, kept: Mapping[str, Any], ledger: Ledger, file: str) -> Calibration:
        """What was `kept` of the same ledger, which the scenario's book calls `file`."""
        values = kept["values"]
        values["book"] = _book(ledger, file, **values["book"])
        scenario = Scenario.of(values, opening=_customers(ledger, values["book"]))
        learnt = [
            Learnt(**{**each, "size": each["size"] and tuple(each["size"])})
            for each in kept["learnt"]
        ]
        return cls(scenario, tuple(learnt), kept["years"], tuple(kept["findings"]))

    def with_outlook_of(self, other: Calibration) -> Calibration:
        """The same, with the forecast that another of the same book states, if it states one."""
        outlook = other.scenario.plain().get("outlook")
        if outlook is None:
            return self
        return replace(self, scenario=self.scenario.with_({"outlook": outlook}))

    def write(self, path: str | Path) -> None:
        """The scenario as a file; raises UsageError where it cannot be, or another is there."""
        write_again(path, MADE_BY, yaml_text(self.scenario.plain()), "nrrsim calibrate")


def calibrate(
    ledger: Ledger | str | Path,
    as_of: str,
    *,
    term: Mapping[str, str] | None = None,
    half_life: float | None = None,
    price_months: Sequence[str] | None = None,
    prior: Prior | str | Path | None = None,
    file: str | None = None,
    accounts: Any = None,
    accounts_file: str | None = None,
) -> Calibration:
    """The scenario that a ledger's history up to `as_of` speaks for; nothing after it is looked at.

    ledger : one that was read, or its file.
    term : monthly or annual, by segment; of the others it is what the ledger's column `term` says
        of most of their customers, else it is told from when they leave.
    half_life : months after which what was seen counts half; default: all of it counts the same.
    price_months : months in which those who rose by a common percentage met a price increase
        ("YYYY-MM").
    prior : what is usual before the ledger says anything, or the file that `nrrsim prior` wrote of
        it (default: what comes with nrrsim).
    file : the ledger's path as the scenario's book is to name it (default: as it is given, else
        ledger.csv); beside it stands how it was read.
    accounts : a table of how accounts differ from their segment as it is learnt here, or its file
        (see `read_multipliers`): each segment's rates are multiplied by what its accounts come to
        together, so that each account has its own as the table says.
    accounts_file : their path as the scenario's book is to name it (default: as it is given, else
        accounts.csv).

    Raises UsageError for a date that the ledger does not have, and for a history of less than two
    snapshots.
    """
    file = _file_of(ledger, file, "ledger.csv")
    ledger, prior = as_ledger(ledger), as_prior(prior)
    how = (term, half_life, price_months, prior, file)
    if accounts is not None:
        return _learnt_of(ledger, as_of, *how, accounts, accounts_file)
    asked = {"ledger": ledger, "as_of": as_of, "term": term, "half_life": half_life}
    asked |= {"price_months": price_months, "prior": prior}
    found = kept("calibrate", asked, lambda: _learnt_of(ledger, as_of, *how).kept())
    return Calibration.of(found, ledger, file)


def _learnt_of(
    ledger: Ledger,
    as_of: str,
    term: Mapping[str, str] | None,
    half_life: float | None,
    price_months: Sequence[str] | None,
    prior: Prior,
    file: str,
    accounts: Any = None,
    accounts_file: str | None = None,
) -> Calibration:
    """As `calibrate`, made anew."""
    exposure = Exposure.of(ledger, as_of, half_life, price_months)
    if not isinstance(term or {}, Mapping):
        raise UsageError(f'term: write it by segment, such as {{"smb": "monthly"}}, got {term!r}')
    if wrong := [each for each in (term or {}).values() if each not in ("monthly", "annual")]:
        raise UsageError(f"term: {wrong[0]!r} is no term; take monthly or annual")
    if strange := [name for name in term or {} if name not in exposure.segments]:
        remedy = did_you_mean(strange[0], exposure.segments)
        raise UsageError(f"term: {strange[0]} is not a segment of the ledger; {remedy}")

    terms = exposure.terms(dict(term or {}))
    annual = np.array([terms[name] == "annual" for name in exposure.segments])
    learnt, findings = _learn(exposure, annual, prior)
    curves, of_tenure = tenure_curves(exposure, annual)
    uneven, years = year_effects(exposure, learnt, annual, prior.year_effects.model_dump())

    # a scenario is of today's book: who else there was has taught the others
    here = [name for name in exposure.segments if name in set(exposure.present)]
    asked = price_months_of(price_months, ledger)
    season = season_of_churn(exposure, annual)

    def stated(learnt: Sequence[Learnt], curves: Mapping[str, Curve]) -> dict[str, Any]:
        drivers = _drivers(exposure, [each for each in learnt if each.segment in here], curves)
        _put_in_the_year(drivers, exposure, terms, asked, season)
        return drivers

    drivers = stated(learnt, curves)
    values: dict[str, Any] = {
        "title": f"Estimated from the ledger to {in_words(month_name(exposure.as_of))}",
        "because": _because(exposure, years, half_life, prior),
        "months": 12,
        "book": _book(
            ledger, file, month_name(exposure.as_of), {name: terms[name] for name in here}
        ),
        "drivers": drivers,
    }

    # what a segment of today's book has
    acting = {name: each for name, each in uneven.items() if name in drivers}
    if acting:
        values["year_effects"] = {name: _beta(mean, sd) for name, (mean, sd) in acting.items()}
        values["source"] = (
            f"year_effects: how much each driver differed over {counted(years, 'past year')}"
            " beyond the luck of single customers, and what is usual"
        )
    ties = [
        [f"churn.{name}.alpha", f"churn.{name}.beta", curve.rho]
        for name, curve in curves.items()
        if name in here
    ]
    if ties:
        values["correlations"] = ties

    there = _customers(ledger, values["book"], accounts)
    scenario = Scenario.of(values, opening=there)
    if accounts is not None:
        plain = learnt
        learnt, curves = with_level(scenario, learnt, curves)
        values["drivers"] = stated(learnt, curves)
        values["book"]["accounts"] = _file_of(accounts, accounts_file, "accounts.csv")
        _name_accounts(values, plain, learnt)
        scenario = Scenario.of(values, opening=there)
    alone = asked - {month for _, month, _ in exposure.alike}
    missing = [
        f"Price month {in_words(month_name(month))}: few customers share a rise; none counts as"
        " price"
        for month in sorted(alone)
    ]
    notes = [
        *findings,
        *of_tenure,
        *exposure.steps_alike(),
        *missing,
        *drift_and_season(exposure, annual, season),
    ]
    return Calibration(scenario, tuple(learnt), years, tuple(dict.fromkeys(notes)))


def _book(ledger: Ledger, file: str, as_of: str, term: Mapping[str, str]) -> dict[str, Any]:
    """What a scenario says of its book: where the ledger lies, and how it is read."""
    currency = {"currency": ledger.currency} if ledger.currency else {}
    stated = {"ledger": file, "as_of": as_of, "term": dict(term), **currency}
    return {**stated, **book_reading(ledger.reading)}


def _customers(ledger: Ledger, book: Mapping[str, Any], accounts: Any = None) -> Any:
    """Who is there: they are at hand, so that the file that a book names need not be there."""
    try:
        return customers_of(ledger, book["as_of"], book["term"], accounts=accounts)
    except RefusedError as refused:
        raise UsageError(str(refused).removeprefix("book.")) from None


def known_by_value(calibrating: Mapping[str, Any]) -> dict[str, Any]:
    """What `calibrate` is told, as a question that `cache` can tell from every other: files as what
    stands in them. A file that only `calibrate` itself reads stays a path, which has no hash.
    """
    told = {**calibrating, "prior": as_prior(calibrating.get("prior"))}
    if isinstance(told.get("accounts"), str):
        told["accounts"] = Path(told["accounts"])
    return told


def _file_of(source: Any, file: str | None, else_: str) -> str:
    """What a scenario's book calls a file: as somebody says, else as it is given."""
    if file is not None:
        return file
    named = isinstance(source, str | Path) and not is_address(str(source))
    return Path(str(source)).as_posix() if named else else_


def _name_accounts(values: dict[str, Any], plain: list[Learnt], learnt: list[Learnt]) -> None:
    """Say in the source of each rate by how much the accounts changed it."""
    name = Path(values["book"]["accounts"]).name
    for before, after in zip(plain, learnt, strict=True):
        entry = values["drivers"].get(before.driver, {}).get(before.segment)
        if entry is not None and after.mean != before.mean:
            entry["source"] += f"; by {name} {after.mean / before.mean:.3g} times that"


def _learn(exposure: Exposure, annual: np.ndarray, prior: Prior) -> tuple[list[Learnt], list[str]]:
    """Every driver of every segment, and what to know of them."""
    learnt: list[Learnt] = []
    findings: list[str] = []
    seen = [driver for driver in DRIVERS if exposure.tells(driver)]

    sizes_of = {
        driver: fitted_sizes(exposure, driver, prior.size(driver))
        for driver in seen
        if driver in COUNTED
    }
    shown = share_that_shows(exposure, sizes_of)
    for driver in seen:
        part = shown.get(driver, np.ones(len(exposure.segments)))
        for where, counts in counts_of(exposure, driver, annual):
            means, sds, owns = posterior(counts.that_show(part[where]), prior.usual(driver))

            for row, number in enumerate(where):
                name = exposure.segments[number]
                size, misfit, sized = sizes_of.get(driver, {}).get(int(number), (None, None, 0))
                years = counts.chances[row] / counts.power
                found = (counts.events, means, sds, owns)
                events, mean, sd, own = (float(each[row]) for each in found)
                learnt.append(
                    Learnt(driver, name, events, float(years), mean, sd, own, size, misfit, sized)
                )

                if size and size[0] > MOST_GAIN:
                    findings.append(
                        f"{label(name)}: {label(driver).lower()} multiplies amounts by"
                        f" {1 + size[0]:.0f} on average; capped at {1 + MOST_GAIN:.0f}. Is this"
                        " recurring revenue?"
                    )
                missed = counts.events[row] == 0 and name in exposure.present and years >= 0.5
                if missed and driver in ("churn", "contraction", "adoption"):
                    others = "the other segments and from " if len(exposure.segments) > 1 else ""
                    findings.append(
                        f"{label(name)}: no {driver} in {counted(round(years), 'customer-year')};"
                        f" the rate comes from {others}what is usual"
                    )
    return learnt, findings


def _drivers(
    exposure: Exposure, learnt: Sequence[Learnt], curves: Mapping[str, Curve]
) -> dict[str, Any]:
    """The drivers of a scenario: what was learnt as beliefs, each with what it was learnt from."""
    begin = month_name(int(exposure.month.min()) - exposure.step)
    span = f"ledger {begin}..{month_name(exposure.as_of)}"
    drivers: dict[str, Any] = {}
    for each in learnt:
        unit = "whole customer-year" if each.driver == "price" else "customer-year"
        source = f"{span}, {each.events:,.0f} in {counted(round(each.chances), unit)}"
        entry: dict[str, Any]
        if each.driver == "churn" and each.segment in curves:
            curve = curves[each.segment]
            entry = {
                "sbg": {
                    name: _lognormal(value, error)
                    for name, value, error in zip(
                        ("alpha", "beta"), (curve.alpha, curve.beta), curve.errors, strict=True
                    )
                }
            }
        elif each.driver == "price":
            entry = {
                "uplift": _uplift(exposure, each.segment),
                "acceptance": _beta(each.mean, each.sd),
            }
        elif each.driver in COUNTED:
            entry = {"rate": _rate(each.mean, each.sd)}
        else:
            entry = {"rate": _beta(each.mean, each.sd)}
        if each.driver == "reactivation":
            entry["size"] = _return_size(exposure)
            source += " of those who had left within a year"
        if each.size:
            mean, sd = each.size
            mean = min(mean, MOST_GAIN)
            sd = min(sd, MOST_UNEVEN * mean)
            # sizes that hardly differ are one size
            varies = sd > 1e-3 * mean
            entry["size"] = {"mean": rounded(mean), "sd": rounded(sd)} if varies else rounded(mean)
            source += f"; sizes of {each.sized} events"
            source += f", KS {each.misfit:.2f}" if each.misfit is not None else ", as is usual"
        drivers.setdefault(each.driver, {})[each.segment] = {**entry, "source": source}
    return drivers


def _put_in_the_year(
    drivers: dict[str, Any],
    exposure: Exposure,
    terms: Mapping[str, str],
    stated: Set[int],
    season: Season | None,
) -> None:
    """State in which calendar month prices rise, and the season of monthly churn, where the ledger
    shows them.

    stated : months of price increases, as a person says.
    """
    for name, entry in drivers.get("price", {}).items():
        if month := exposure.price_month(exposure.segments.index(name), stated):
            entry |= {"month": month, "source": f"{entry['source']}; in {MONTHS[month - 1]}"}
    for name, entry in drivers.get("churn", {}).items():
        if season is not None and terms[name] == "monthly":
            entry["season"] = list(season)


def _uplift(exposure: Exposure, segment: str) -> float:
    """The mean rise of those who took a price increase, here or, where none did, anywhere."""
    rose = exposure.amount["price"] > 0
    mine = rose & (exposure.segment == exposure.segments.index(segment))
    use = mine if mine.any() else rose
    mean = float(
        np.average(exposure.amount["price"][use] / exposure.arr[use], weights=exposure.weight[use])
    )
    return rounded(min(mean, MOST_UPLIFT))


def _return_size(exposure: Exposure) -> float:
    """At which share of what they left with customers come back.

    The median, as a few come back much larger.
    """
    back = exposure.away["back"]
    return rounded(float(np.clip(np.median(back[back > 0]), 0.01, 1))) if (back > 0).any() else 1.0


def _beta(mean: float, sd: float) -> dict[str, Any]:
    mean = float(np.clip(mean, 1e-6, 1 - 1e-6))
    most = np.sqrt(mean * (1 - mean))
    # as sd^2 >= (most / 700)^2, a + b < 490,000: a belief's numbers are at most a million
    a, b = beta_of(mean, float(np.clip(sd, most / 700, 0.95 * most)))
    return {"dist": "beta", "a": rounded(a), "b": rounded(b)}


def _rate(mean: float, sd: float) -> dict[str, Any]:
    # a scenario takes 12 events a year at most, and a belief needs room above its mean
    return {
        "dist": "lognormal",
        "mean": rounded(min(mean, MOST_OFTEN)),
        "sd": rounded(max(sd, 1e-6)),
    }


def _uneven(beta: Any) -> dict[str, Any]:
    """How uneven a driver's years are, and the 90 % range of a year's factor that comes of it."""
    (p05, p95), (low, high) = YEAR_EFFECT.span(beta), factor_range(beta)
    factor = {"p05": low, "p95": high}
    return {"mean": YEAR_EFFECT.mean(beta), "p05": p05, "p95": p95, "factor": factor}


def _belief(each: Learnt) -> Beta | Lognormal:
    """How often a driver acts, as a scenario states it; of churn by tenure, its rate over all."""
    if each.driver in COUNTED:
        return Lognormal.model_validate(_rate(each.mean, each.sd))
    return Beta.model_validate(_beta(each.mean, each.sd))


def _lognormal(median: float, error: float) -> dict[str, Any]:
    mean = median * np.exp(error**2 / 2)
    return {
        "dist": "lognormal",
        "mean": rounded(mean),
        "sd": rounded(mean * np.sqrt(np.expm1(error**2))),
    }


def _because(exposure: Exposure, years: int, half_life: float | None, prior: Prior) -> str:
    weight = f"; evidence {half_life:g} months old counts half" if half_life else ""
    yearly = alike = lean = ""
    if exposure.step == 12:
        yearly = (
            " The ledger is annual: each year shows one net rise or fall at most, counted as one"
            " event."
        )
    if len(exposure.segments) > 1:
        alike = " Similar segments are estimated together."
    if prior != as_prior(None):
        lean = f" Where the data are thin, estimates lean on {prior.title}."
    lasting = counted(years, "full year")
    ends = (int(exposure.month.min()) - exposure.step, exposure.as_of)
    first, last = (in_words(month_name(month)) for month in ends)
    return (
        f"Estimated from {first} to {last} ({lasting}){weight}.{alike}{lean}{yearly} Events outside"
        " the data, such as a new product or a recession, are not included."
    )
