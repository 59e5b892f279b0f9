"""Ledgers of several companies in, what is usual of a company out; never a figure of one customer.

What is usual is a file: `calibrate` starts from it, and the less a ledger shows, the more of it is
left. The one that comes with nrrsim was chosen by its authors, and says so. `learn_prior` learns
another from ledgers: those of a fund's portfolio, say, or of a group's subsidiaries.

Companies have a typical frequency each, of a driver: normal, in the logit of one chance, about a
middle and with a spread that are both unknown. Given these two, what a company's segments show has
the likelihood by which `frequency` learns from them; a grid over both makes all of it exact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field, ValidationError

from nrrsim import special
from nrrsim.calibration.exposure import Exposure
from nrrsim.calibration.frequency import (
    UNLIKE_SCORES,
    Counts,
    Usual,
    counts_of,
    finer,
    one_chance,
    weighed,
)
from nrrsim.calibration.sizes import fitted_sizes, share_that_shows
from nrrsim.calibration.years import likely_betas, prior_of_betas
from nrrsim.errors import UsageError
from nrrsim.files import write_again
from nrrsim.ledger.ledger import Ledger
from nrrsim.messages import an_object, located, problems_of
from nrrsim.months import month_name, parse_month
from nrrsim.notation import count, counted, table_html
from nrrsim.notation import month_name as in_words
from nrrsim.scenario.beliefs import OR_PERCENT, Z90, Finite, Frozen
from nrrsim.scenario.checks import unseen_signs
from nrrsim.scenario.drivers import COUNTED, DRIVERS
from nrrsim.scenario.numbers import ODDS, YEARLY, GainSize, LossSize
from nrrsim.yamlfile import read_yaml, rounded, yaml_text

MADE_BY = "# Learnt by nrrsim prior. A change made here is lost when it is made again."
SHIPPED = Path(__file__).parents[1] / "data" / "prior.yaml"
# How the variance over companies that a prior states splits, where ledgers are to change it: so
# much is that nobody knows the middle, the rest that companies lie about it. By this a prior counts
# like six companies that differ as much as it says, and like fewer as they are found to be alike.
UNKNOWN_MIDDLE = 0.15
# Of the logarithm of the spread, and of the scale of years' unevenness. Below so FEW companies a
# prior says more of how they differ than they do: n know that logarithm to sqrt(1 / 2n).
SPREAD_SD, FEW = 0.35, 5
# Why a driver may be shown by no ledger.
WHY_SILENT = {
    "cross_sell": "no ledger has products",
    "price": "no ledger tells price from volume",
    **dict.fromkeys(("churn", "contraction", "adoption"), "no ledger shows a chance of it"),
    "reactivation": "no customer has left",
}
Often = Annotated[Finite, Field(gt=0), OR_PERCENT, AfterValidator(YEARLY.check)]
Chance = Annotated[Finite, OR_PERCENT, AfterValidator(ODDS.check)]
Spread = Annotated[Finite, Field(gt=0, le=5)]
Swing = Annotated[Finite, Field(gt=0, le=1.5), OR_PERCENT]


def _month(text: str) -> str:
    """A month as it is, or none; raises ValueError for anything else."""
    try:
        return month_name(parse_month(text, "until")) if text else ""
    except UsageError as error:
        raise ValueError(str(error).removeprefix("until: ")) from None


# --- the file -------------------------------------------------------------------------------------


class YearlyChance(Frozen):
    """A year's probability at the company in the middle, and how far companies lie from it."""

    typical: Chance
    sd: Spread


class YearlyRate(Frozen):
    """Events a year at the company in the middle, and how far companies lie from it."""

    typical: Often
    sd: Spread


class UsualDrivers(Frozen):
    """What is usual of each driver; `sd` is that of the logit of one chance, over companies."""

    churn: YearlyChance
    contraction: YearlyRate
    adoption: YearlyRate
    cross_sell: YearlyRate
    price: YearlyChance
    reactivation: YearlyChance


class UsualSegments(Frozen):
    """How much the segments of a company differ: the coefficient of variation of their frequencies.

    `unlike`: of the company in the middle; `sd`: of its logarithm, over companies.
    """

    unlike: Spread
    sd: Spread


class UsualYears(Frozen):
    """How uneven years are: the scale of what beta may be at a company, half normal, by driver."""

    churn: Swing
    contraction: Swing
    adoption: Swing
    cross_sell: Swing
    reactivation: Swing


class UsualSizes(Frozen):
    """Mean and standard deviation of the share of ARR that an event moves."""

    contraction: LossSize
    adoption: GainSize
    cross_sell: GainSize


class Prior(Frozen):
    """What is usual of a company before its ledger says anything, and where that is from.

    `title` goes into what is learnt with it ("estimates lean on ..."); `until` is the last month
    that a ledger of its sources shows (YYYY-MM; empty: none does).
    """

    title: Annotated[str, Field(min_length=1)]
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    until: Annotated[str, AfterValidator(_month)] = ""
    drivers: UsualDrivers
    segments: UsualSegments
    year_effects: UsualYears
    sizes: UsualSizes

    def usual(self, driver: str) -> Usual:
        """What is usual of a driver's frequency."""
        often, segments = getattr(self.drivers, driver), self.segments
        return Usual(often.typical, often.sd, segments.unlike, segments.sd, driver not in COUNTED)

    def known_at(self, month: str) -> Prior:
        """The prior, or the shipped one where it was learnt from what came after a month."""
        return self if self.until <= month else as_prior(None)

    def size(self, driver: str) -> tuple[float, float]:
        """Mean and standard deviation of the share of ARR that an event usually moves."""
        size = getattr(self.sizes, driver)
        return size.mean, size.sd

    def span(self, driver: str) -> tuple[float, float]:
        """Between which annual frequencies nine of ten companies lie."""
        usual = self.usual(driver)
        low, high = _moved(usual, usual.sd * np.array([-Z90, Z90])).tolist()
        return low, high

    def write(self, path: str | Path) -> None:
        """The prior as a file; raises UsageError where it cannot be, or another is there."""
        values = self.model_dump(mode="json", exclude_defaults=True)
        # a source a line: what JSON puts into quotes YAML reads, too
        lines = [f"- {json.dumps(each, ensure_ascii=False)}" for each in values.pop("sources")]
        text = yaml_text(values) + "\n".join(["sources:", *lines]) + "\n"
        write_again(path, MADE_BY, text, "nrrsim prior")


def read_prior(path: str | Path) -> Prior:
    """The prior of a file; raises UsageError with all that is wrong in it, and where."""
    document = read_yaml(path, "prior")
    problems = [*unseen_signs(document.values)]
    try:
        prior = Prior.model_validate(document.values)
    except ValidationError as error:
        problems += problems_of(error, Prior)
    if problems:
        raise UsageError("\n".join(located(problems, document)))
    return prior


def as_prior(given: Prior | str | Path | None) -> Prior:
    """A prior as it is, or the one of a file; None: the one that comes with nrrsim."""
    if isinstance(given, Prior):
        return given
    if not isinstance(given, str | Path | None):
        raise UsageError(
            f"prior: takes what nrrsim prior wrote, or its file, not {an_object(given)}"
        )
    return _shipped() if given is None else read_prior(given)


@cache
def _shipped() -> Prior:
    return read_prior(SHIPPED)


# --- what companies' ledgers show -----------------------------------------------------------------


@dataclass(frozen=True)
class Evidence:
    """What the ledger of a company shows up to a month, in counts alone.

    `counts`: drivers, each with segments that learn from each other; a driver that the ledger
    cannot show has none. `uneven`: by driver how likely each of BETAS makes what its past years
    saw. `customer_years`: how long its customers were there, in all.
    """

    company: str
    begin: str
    as_of: str
    step: int
    customers: int
    customer_years: float
    counts: tuple[tuple[str, Counts], ...]
    uneven: Mapping[str, np.ndarray] = field(default_factory=dict)

    def of(self, driver: str) -> list[Counts]:
        """The driver's counts that say something."""
        return [each for name, each in self.counts if name == driver and each.chances.sum() > 0]

    @property
    def years(self) -> int:
        """Full years up to the month."""
        first, last = (parse_month(each, "month") for each in (self.begin, self.as_of))
        return (last - first) // 12

    @property
    def told(self) -> str:
        """In words, where it is from and how much it is."""
        span = f"{in_words(self.begin)} to {in_words(self.as_of)}"
        customers = counted(self.customers, "customer")
        years = counted(round(self.customer_years), "customer-year")
        return f"{self.company}: {span}, {customers}, {years}"


def evidence(
    ledger: Ledger, company: str, as_of: str | None = None, price_months: Sequence[str] = ()
) -> Evidence:
    """What a company's ledger shows up to `as_of` (default: its last month).

    company : what it is called in a prior's sources. price_months : as for `calibrate`. Raises
    UsageError as `calibrate` does.
    """
    exposure = Exposure.of(ledger, as_of or ledger.months[-1], None, price_months)
    terms = exposure.terms({})
    annual = np.array([terms[name] == "annual" for name in exposure.segments])
    seen = [driver for driver in DRIVERS if exposure.tells(driver)]

    # a size only says here what would have hidden what, and the usual one where none was seen
    shown = share_that_shows(
        exposure,
        {
            driver: fitted_sizes(exposure, driver, as_prior(None).size(driver))
            for driver in seen
            if driver in COUNTED
        },
    )
    whole = np.ones(len(exposure.segments))
    return Evidence(
        company=company,
        begin=ledger.months[0],
        as_of=month_name(exposure.as_of),
        step=exposure.step,
        customers=len(np.unique(exposure.customer)),
        customer_years=float(exposure.weight.sum() / exposure.a_year),
        counts=tuple(
            (driver, counts.that_show(shown.get(driver, whole)[where]))
            for driver in seen
            for where, counts in counts_of(exposure, driver, annual)
        ),
        uneven={
            driver: likely_betas(exposure, driver, annual)
            for driver in UsualYears.model_fields
            if driver in seen
        },
    )


# --- what is usual of them ------------------------------------------------------------------------


@dataclass(frozen=True)
class LearntPrior:
    """What several companies' ledgers say is usual, and how much they say of it.

    `limits`: in words, what they cannot tell.
    """

    prior: Prior
    companies: tuple[Evidence, ...]
    limits: tuple[str, ...]

    def told(self) -> dict[str, Any]:
        """What `nrrsim prior --json` prints."""
        stated = self.prior.model_dump(mode="json")
        for driver, each in stated["drivers"].items():
            groups = [group for company in self.companies for group in company.of(driver)]
            low, high = self.prior.span(driver)
            each |= {
                "p05": low,
                "p95": high,
                "companies": sum(bool(company.of(driver)) for company in self.companies),
                "events": float(sum(group.events.sum() for group in groups)),
                "chances": float(sum(group.chances.sum() / group.power for group in groups)),
            }
        ledgers = [
            {
                "company": each.company,
                "from": each.begin,
                "to": each.as_of,
                "customers": each.customers,
                "customer_years": each.customer_years,
            }
            for each in self.companies
        ]
        return {
            **stated,
            "companies": len(self.companies),
            "customer_years": sum(each.customer_years for each in self.companies),
            "ledgers": ledgers,
            "limits": list(self.limits),
        }

    def frame(self) -> pd.DataFrame:
        """A row for each driver: what is usual, and the events over chances that say so."""
        return pd.DataFrame(
            [{"driver": name, **each} for name, each in self.told()["drivers"].items()]
        )

    def _repr_html_(self) -> str:
        three = "{:.3g}".format
        numbers = dict.fromkeys(("typical", "sd", "p05", "p95"), three)
        whole = dict.fromkeys(("companies", "events", "chances"), count)
        return table_html(self.frame(), {**numbers, **whole}, "row")

    def write(self, path: str | Path) -> None:
        """The prior as a file, as `Prior.write`."""
        self.prior.write(path)


def learn_prior(
    companies: Iterable[Evidence], before: Prior | str | Path | None = None
) -> LearntPrior:
    """What is usual of these companies, given what was believed `before` (default: the shipped).

    Of each driver the typical frequency is learnt, how far companies differ in it and how uneven
    its years are; and how much segments of one company differ. Sizes stay as they were. With one
    company all of it hardly moves; with many what was believed before is gone.

    Raises UsageError where there is no company.
    """
    found, before = tuple(companies), as_prior(before)
    if not found:
        raise UsageError("companies: there is none; give the ledger of one at least")
    groups = {
        driver: [group for company in found for group in company.of(driver)] for driver in DRIVERS
    }
    drivers, unlike = _posterior({name: each for name, each in groups.items() if each}, before)

    limits = _limits(found)
    stated = before.model_dump(mode="json")
    stated["drivers"] |= drivers
    for driver, scale in stated["year_effects"].items():
        seen = [company.uneven[driver] for company in found if driver in company.uneven]
        stated["year_effects"][driver] = _scale(seen, scale)
    if any(map(_has_segments, found)):
        stated["segments"] = unlike
    until = max(each.as_of for each in found)
    stated |= {
        "title": f"{counted(len(found), 'company', 'companies')} to {in_words(until)}",
        "sources": [*(each.told for each in found), *limits, f"before them: {before.title}"],
        "until": until,
    }
    return LearntPrior(Prior.model_validate(stated), found, limits)


class _Unknown(NamedTuple):
    """What a normal over companies may be: a middle and a spread on a grid, `ndarray[grid]` each.

    `middle_scores`, `spread_scores`: the grid's two axes, in standard deviations of what was
    believed; `prior`: what was believed, its logarithm.
    """

    middle_scores: np.ndarray
    spread_scores: np.ndarray
    middle: np.ndarray
    spread: np.ndarray
    prior: np.ndarray

    @classmethod
    def about(cls, sd: float, middle_scores: np.ndarray, spread_scores: np.ndarray) -> _Unknown:
        """About 0, where a company was believed to lie `sd` from it, all in all."""
        one, other = (
            each.ravel() for each in np.meshgrid(middle_scores, spread_scores, indexing="ij")
        )
        # the spread's mean square and the middle's variance add up to sd^2
        usual = sd * np.sqrt((1 - UNKNOWN_MIDDLE) / np.exp(2 * SPREAD_SD**2))
        return cls(
            middle_scores,
            spread_scores,
            sd * np.sqrt(UNKNOWN_MIDDLE) * one,
            usual * np.exp(SPREAD_SD * other),
            -(one**2 + other**2) / 2,
        )

    def likely(self, score: np.ndarray, sd: float, at: np.ndarray) -> np.ndarray:
        """By how much likelier each value is than it was believed, `ndarray[grid, value]`.

        score : the value in standard deviations, of those `sd`, of what was believed; at : the
        value itself, from each middle, `ndarray[grid, value]`.
        """
        spread = self.spread[:, None]
        return np.asarray(np.exp(score**2 / 2 - (at / spread) ** 2 / 2) * sd / spread)

    def found(self, weight: np.ndarray) -> tuple[float, float]:
        """The middle, and how far from it a further company is to be expected."""
        middle = float(weight @ self.middle)
        square = float(weight @ (self.spread**2 + (self.middle - middle) ** 2))
        return middle, float(np.sqrt(square))

    def finer(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both axes where the weight is."""
        table = weight.reshape(len(self.middle_scores), len(self.spread_scores))
        one = finer(self.middle_scores, table.sum(axis=1))
        other = finer(self.spread_scores, table.sum(axis=0))
        return one[::2], other[::4]


def _posterior(
    groups: dict[str, list[Counts]], before: Prior
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """By driver the typical frequency and its sd over companies, and how unlike segments are."""
    usual = {driver: before.usual(driver) for driver in groups}
    # what each group says, given what was believed: the weights of its own grid
    spoken = {
        driver: [weighed(each, usual[driver]) for each in groups[driver]] for driver in groups
    }
    segments = _Unknown.about(before.segments.sd, np.linspace(-4, 4, 9), np.linspace(-2, 2, 5))
    axes = dict.fromkeys(groups, (np.linspace(-6, 6, 41), np.linspace(-3, 3, 11)))
    for _ in range(2):  # a wide grid, and a fine one where the weight is
        over = {driver: _Unknown.about(usual[driver].sd, *axes[driver]) for driver in groups}
        log = {
            driver: _log_likely(over[driver], segments, groups[driver], spoken[driver], each)
            + over[driver].prior[:, None]
            for driver, each in usual.items()
        }
        # how unlike segments are is one for all drivers
        of_segments = special.softmax(
            segments.prior + sum(special.logsumexp(each, axis=0) for each in log.values())
        )
        weight = {
            driver: special.softmax(each, axis=0) @ of_segments for driver, each in log.items()
        }
        axes = {driver: over[driver].finer(weight[driver]) for driver in groups}

    learnt = {}
    for driver, each in usual.items():
        middle, sd = over[driver].found(weight[driver])
        learnt[driver] = {"typical": rounded(_moved(each, middle)), "sd": rounded(sd)}
    middle, sd = segments.found(of_segments)
    unlike = {"unlike": rounded(before.segments.unlike * np.exp(middle)), "sd": rounded(sd)}
    return learnt, unlike


def _log_likely(
    over: _Unknown,
    segments: _Unknown,
    groups: Sequence[Counts],
    spoken: Sequence[tuple[np.ndarray, ...]],
    usual: Usual,
) -> np.ndarray:
    """Of what all companies show of a driver, `ndarray[grid of companies, grid of segments]`."""
    log = np.zeros((len(over.middle), len(segments.middle)))
    for counts, (_, _, weight, score) in zip(groups, spoken, strict=True):
        typical = special.logit(usual.of_one_chance(counts.power)) + usual.sd * score
        middle = special.logit(
            one_chance(_moved(usual, over.middle), counts.power, usual.is_probability)
        )
        by_company = over.likely(score, usual.sd, typical - middle[:, None])
        apart = usual.unlike_sd * UNLIKE_SCORES
        by_segment = segments.likely(
            UNLIKE_SCORES, usual.unlike_sd, apart - segments.middle[:, None]
        )
        log += np.log(np.maximum(by_company @ weight[0] @ by_segment.T, 1e-300))
    return log


def _scale(seen: Sequence[np.ndarray], before: float) -> float:
    """The scale of how uneven years are over companies, given what each one's BETAS are like."""
    score = np.linspace(-4, 4, 81)
    log = -(score**2) / 2
    scales = before * np.exp(SPREAD_SD * score)
    believed = np.array([prior_of_betas(scale) for scale in scales])
    believed /= believed.sum(axis=1, keepdims=True)
    for likely in seen:
        log += np.log(believed @ likely)
    return rounded(before * np.exp(SPREAD_SD * (special.softmax(log) @ score)))


def _moved(usual: Usual, by: Any) -> Any:
    """The typical annual frequency, moved in the logit of a year, or of a month of events."""
    top = 1.0 if usual.is_probability else YEARLY.high
    return top * special.expit(special.logit(usual.typical / top) + by)


def _limits(companies: Sequence[Evidence]) -> tuple[str, ...]:
    """What these companies cannot tell, in words."""
    number = len(companies)
    said = []
    if number < FEW:
        who = "One company does not show" if number == 1 else f"{number} companies hardly show"
        said.append(f"{who} how far companies differ")
    silent = [driver for driver in DRIVERS if not any(each.of(driver) for each in companies)]
    said += [
        f"{driver.replace('_', '-').capitalize()}: {WHY_SILENT[driver]}; not learnt"
        for driver in silent
    ]
    together = sum(not each.of("price") for each in companies)
    if together and "price" not in silent:
        said.append(
            f"Adoption: {together} of {counted(number, 'ledger does', 'ledgers do')} not tell price"
            " from volume; their price increases count as adoption"
        )
    if annual := sum(each.step == 12 for each in companies):
        is_one = (
            "1 ledger is annual and shows"
            if annual == 1
            else f"{annual} ledgers are annual and show"
        )
        said.append(f"{is_one} one net rise or fall a year at most")
    if not any(_has_segments(each) for each in companies):
        said.append("How far segments of a company differ: no company has two; not learnt")
    if not any(each.years > 1 for each in companies):
        said.append("Year-to-year swings: no ledger has two full years; not learnt")
    return (*said, "Sizes of events: not learnt")


def _has_segments(company: Evidence) -> bool:
    return any(len(counts.events) > 1 for _, counts in company.counts)
