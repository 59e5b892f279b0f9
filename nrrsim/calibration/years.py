"""Past years in, how much they differ, what drifts and what has a season out; never forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from nrrsim import special
from nrrsim.calibration.exposure import Exposure
from nrrsim.calibration.frequency import Learnt
from nrrsim.months import parse_month
from nrrsim.notation import MONTHS

BETAS = np.linspace(0, 1.5, 151)  # how uneven a driver's years may be
SHRUNK_BY = 50  # events without a season, which a season of churn has beside its own
LEAST_EVENTS = 20  # that such a test needs
FALSE_ALARM = 0.01  # of a test for drift or season
Season = tuple[float, ...]  # a factor for each calendar month, January first; their mean is 1


def year_effects(
    exposure: Exposure, learnt: Sequence[Learnt], annual: np.ndarray, usual: Mapping[str, float]
) -> tuple[dict[str, tuple[float, float]], int]:
    """How uneven each driver's years are, and from how many whole years that is known.

    usual : by driver how uneven years are at other companies: the scale of a half normal, each on
        its own.

    By driver the mean and the standard deviation of its beta, the standard deviation of the
    logarithm of a year's rate: of its posterior, so what few years leave open widens it. As the
    rates themselves were learnt in years that were good or bad, it is widened by one part in the
    number of years.
    """
    years = _whole_years(exposure)
    widened = float(np.sqrt(1 + 1 / max(years, 1)))
    found: dict[str, tuple[float, float]] = {}
    for driver, scale in usual.items():
        if any(each.driver == driver for each in learnt):
            mean, sd = _between_years(likely_betas(exposure, driver, annual), scale)
            found[driver] = (widened * mean, widened * sd)
    return found, years


def likely_betas(exposure: Exposure, driver: str, annual: np.ndarray) -> np.ndarray:
    """How likely each of BETAS makes what past years saw of a driver, up to a factor.

    Binomial counts, lognormal factors; how often in a typical year is integrated out.
    """
    return _likely(*_by_year(exposure, driver, annual, _whole_years(exposure)))


def prior_of_betas(scale: float) -> np.ndarray:
    """What is believed of BETAS before: half normal of that scale, up to a factor."""
    return np.asarray(np.exp(-((BETAS / scale) ** 2) / 2))


def _whole_years(exposure: Exposure) -> int:
    return int((exposure.as_of - parse_month(exposure.ledger.months[0], "month")) // 12)


def _by_year(
    exposure: Exposure, driver: str, annual: np.ndarray, years: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`ndarray[year]`, the last first: events, chances, and the events that these would have seen
    at each segment's frequency of all years.
    """
    if driver == "reactivation":
        segment, month, moved = (exposure.away[name] for name in ("segment", "month", "back"))
        part = np.ones(len(segment))
    else:
        segment, month, moved = exposure.segment, exposure.month, exposure.amount[driver]
        part = exposure.chances(driver, annual)
    # whole years back from `as_of`; the ledger's first months, less than one, are left out
    back = (exposure.as_of - month) // 12
    inside = (back < years) & (part > 0)
    table = (len(exposure.segments), years)
    place = np.ravel_multi_index((segment[inside], back[inside]), table) if years else back[inside]

    def summed(weights: np.ndarray) -> np.ndarray:
        return np.bincount(place, weights[inside].astype(float), table[0] * years).reshape(table)

    chances, events = summed(part), summed(moved > 0)
    counted = np.maximum(chances.sum(axis=1, keepdims=True), 1e-9)
    expected = events.sum(axis=1, keepdims=True) / counted * chances
    return events.sum(axis=0), chances.sum(axis=0), expected.sum(axis=0)


def drift_and_season(exposure: Exposure, annual: np.ndarray, season: Season | None) -> list[str]:
    """Drivers that drift, or that have a season: tested at a false-alarm rate of 1 % each.

    season : that of monthly churn, which a scenario has (`season_of_churn`).
    """
    notes = []
    for driver in ("churn", "contraction", "adoption", "cross_sell"):
        name, happened = driver.replace("_", "-").capitalize(), exposure.amount[driver] > 0
        part = exposure.chances(driver, annual)
        frame = pd.DataFrame(
            {"month": exposure.month, "events": happened.astype(float), "chances": part}
        )
        by_month = frame.groupby("month")[["events", "chances"]].sum()
        by_month = by_month[by_month["chances"] > 0]
        k, n = by_month["events"].to_numpy(), by_month["chances"].to_numpy()
        if len(k) < 3 or k.sum() < LEAST_EVENTS or (k.sum() >= n.sum()):
            continue

        # Cochran and Armitage: do later months have more events for their chances?
        t = by_month.index.to_numpy(float)
        p = k.sum() / n.sum()
        centred = t - (n * t).sum() / n.sum()
        z = (centred * (k - n * p)).sum() / np.sqrt(p * (1 - p) * (n * centred**2).sum())
        if 2 * special.ndtr(-abs(z)) < FALSE_ALARM:
            notes.append(
                f"{name} drifts {'up' if z > 0 else 'down'} over the ledger's months (z = {z:.1f});"
                " a half-life of 12 or 24 months gives recent months more weight"
            )

        # two years of months at least: are the calendar's months alike?
        if exposure.step == 1 and len(k) >= 24:
            year = by_month.groupby(by_month.index % 12).sum()
            sk, sn = year["events"].to_numpy(), year["chances"].to_numpy()
            is_learnt = driver == "churn" and season is not None
            if not is_learnt and _differ(sk, sn * p, sn * p * (1 - p)):
                most = int(year.index.to_numpy()[np.argmax(sk / sn)])
                notes.append(
                    f"{name} peaks in {MONTHS[most]}; a scenario spreads it evenly over the year"
                )
    if season is not None:
        high, low = (season.index(end(season)) for end in (max, min))
        notes.append(
            f"Churn of monthly contracts peaks in {MONTHS[high]} ({season[high]:.2f} times an"
            f" average month) and is lowest in {MONTHS[low]} ({season[low]:.2f}); the scenario"
            " follows that"
        )
    return notes


def season_of_churn(exposure: Exposure, annual: np.ndarray) -> Season | None:
    """By what each calendar month, January first, multiplies the churn of monthly contracts: mean
    1. None without two years of months, or where the months do not differ (false-alarm rate 1 %).
    """
    mine = ~annual[exposure.segment]
    if exposure.step > 1 or len(np.unique(exposure.month[mine])) < 24:
        return None
    segment, month = exposure.segment[mine], exposure.month[mine] % 12
    left = exposure.amount["churn"][mine] > 0

    # what each calendar month would have seen at its segments' frequencies of all months
    number = len(annual)
    there = np.maximum(np.bincount(segment, minlength=number), 1)
    often = np.bincount(segment, left, number) / there
    expected = np.bincount(month, often[segment], 12)
    events = np.bincount(month, left, 12)
    variance = np.bincount(month, (often * (1 - often))[segment], 12)
    if events.sum() < LEAST_EVENTS or not _differ(events, expected, variance):
        return None
    own = events.sum() / (events.sum() + SHRUNK_BY)
    factors = 1 + own * (events / expected - 1)
    return tuple(round(float(each), 3) for each in factors / factors.mean())


def _differ(events: np.ndarray, expected: np.ndarray, variance: np.ndarray) -> bool:
    """Whether months differ by more than their luck; where they are as expected, wrongly said in
    one of 1 / FALSE_ALARM.
    """
    chi2 = ((events - expected) ** 2 / variance).sum()
    return bool(special.chdtrc(len(events) - 1, chi2) < FALSE_ALARM)


def _between_years(likely: np.ndarray, scale: float) -> tuple[float, float]:
    """Mean and standard deviation of beta's posterior."""
    weight = likely * prior_of_betas(scale)
    weight /= weight.sum()
    mean = float(weight @ BETAS)
    return mean, float(np.sqrt(weight @ (BETAS - mean) ** 2))


def _likely(events: np.ndarray, chances: np.ndarray, expected: np.ndarray) -> np.ndarray:
    beta = BETAS
    z, w = np.polynomial.hermite_e.hermegauss(31)
    level = np.linspace(-1, 1, 241)  # of the typical year, which is not known either

    few = level[::6]  # of which the quadrature is worked out, and taken straight between them
    log, coarse = np.zeros((len(beta), len(level))), np.zeros((len(beta), len(few)))
    for k, n, e in zip(events, chances, expected, strict=True):
        if not (n > 0 and e > 0):
            continue

        # so many that log(k / e) is normal; no quadrature would see so narrow a peak
        if 100 <= k < n:
            variance = beta[:, None] ** 2 + (1 - k / n) / k
            off = np.log(k / e) - level + beta[:, None] ** 2 / 2
            log -= off**2 / variance / 2 + np.log(variance) / 2
            continue

        factor = np.exp(few[:, None] + beta[:, None, None] * z - beta[:, None, None] ** 2 / 2)
        p = np.clip(e / n * factor, 1e-12, 1 - 1e-9)
        each = k * np.log(p) + np.maximum(n - k, 0) * np.log1p(-p)
        top = each.max(axis=2, keepdims=True)
        coarse += np.log((np.exp(each - top) * w).sum(axis=2)) + top[..., 0]
    # row by row: for a matrix product threads would start, which take longer than all of this
    log += np.array([np.interp(level, few, row) for row in coarse])
    return np.asarray(np.exp(log - log.max()).sum(axis=1))
