"""Past years in, how much they differ, what drifts and what has a season out; never forecasts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special, stats

from nrrsim.calibration.exposure import Exposure
from nrrsim.calibration.frequency import Learnt
from nrrsim.months import parse_month
from nrrsim.notation import MONTHS

# The prior of how uneven a driver's years are: half normal of that scale, on its own.
UNEVEN = {
    "churn": 0.15,
    "contraction": 0.30,
    "adoption": 0.25,
    "cross_sell": 0.25,
    "reactivation": 0.25,
}
MOST_BETA = 1.5
FALSE_ALARM = 0.01  # of a test for drift or season


def year_effects(
    exposure: Exposure, learnt: Sequence[Learnt], annual: np.ndarray
) -> tuple[dict[str, tuple[float, float]], int]:
    """How uneven each driver's years are, and from how many whole years that is known.

    By driver the mean and the standard deviation of its beta, the standard deviation of the
    logarithm of a year's rate: of its posterior, so what few years leave open widens it. As the
    rates themselves were learnt in years that were good or bad, it is widened by one part in the
    number of years.
    """
    years = int((exposure.as_of - parse_month(exposure.ledger.months[0], "month")) // 12)
    widened = float(np.sqrt(1 + 1 / max(years, 1)))
    found: dict[str, tuple[float, float]] = {}
    for driver, scale in UNEVEN.items():
        if any(each.driver == driver for each in learnt):
            mean, sd = _between_years(*_by_year(exposure, driver, annual, years), scale)
            found[driver] = (widened * mean, widened * sd)
    return found, years


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


def drift_and_season(exposure: Exposure, annual: np.ndarray) -> list[str]:
    """Drivers that drift, or that have a season: tested at a false-alarm rate of 1 % each."""
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
        if len(k) < 3 or k.sum() < 20 or (k.sum() >= n.sum()):
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
            season = by_month.groupby(by_month.index % 12).sum()
            sk, sn = season["events"].to_numpy(), season["chances"].to_numpy()
            chi2 = ((sk - sn * p) ** 2 / (sn * p * (1 - p))).sum()
            if stats.chi2.sf(chi2, len(sk) - 1) < FALSE_ALARM:
                most = int(season.index.to_numpy()[np.argmax(sk / sn)])
                notes.append(
                    f"{name} peaks in {MONTHS[most]}; a scenario spreads it evenly over the year"
                )
    return notes


def _between_years(
    events: np.ndarray, chances: np.ndarray, expected: np.ndarray, scale: float
) -> tuple[float, float]:
    """Mean and standard deviation of beta's posterior: binomial counts, lognormal factors.

    scale : of the prior, half normal.
    """
    beta = np.linspace(0, MOST_BETA, 151)
    prior = np.exp(-((beta / scale) ** 2) / 2)
    z, w = np.polynomial.hermite_e.hermegauss(31)
    level = np.linspace(-1, 1, 241)  # of the typical year, which is not known either

    # the quadrature is worked out at every sixth level, and taken straight between them
    few = level[::6]
    between = np.array([np.interp(level, few, row) for row in np.eye(len(few))])
    log = np.zeros((len(beta), len(level)))
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
        log += (np.log((np.exp(each - top) * w).sum(axis=2)) + top[..., 0]) @ between
    weight = (np.exp(log - log.max()).sum(axis=1)) * prior
    weight /= weight.sum()
    mean = float(weight @ beta)
    return mean, float(np.sqrt(weight @ (beta - mean) ** 2))
