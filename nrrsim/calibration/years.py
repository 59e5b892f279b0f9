"""Past years in, how much they differ, what drifts and what has a season out; never forecasts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special, stats

from nrrsim.calibration.exposure import Exposure
from nrrsim.calibration.frequency import Learnt
from nrrsim.months import parse_month
from nrrsim.movements import LOSSES
from nrrsim.notation import MONTHS
from nrrsim.scenario.drivers import COUNTED

# What a bad year does to each driver that a year moves.
BAD_YEAR = {name: 1 if name in LOSSES else -1 for name in ("churn", *COUNTED)}
SHOCK_SD = 0.2  # of the prior of a common shock, half normal
MOST_SHOCK = 1.5
FALSE_ALARM = 0.01  # of a test for drift or season


def common_shock(
    exposure: Exposure, learnt: Sequence[Learnt], annual: np.ndarray
) -> tuple[dict[str, float], int]:
    """How much a good or a bad year moves each driver, and from how many whole years that is known.

    Its square is the posterior mean of the variance between years, so what few years leave open
    widens it; and as the rates themselves were learnt in years that were good or bad, it is widened
    by one part in the number of years.
    """
    # whole years back from `as_of`; the ledger's first months, less than one, are left out
    back = (exposure.as_of - exposure.month) // 12
    years = int((exposure.as_of - parse_month(exposure.ledger.months[0], "month")) // 12)
    shock: dict[str, float] = {}
    residual: dict[str, np.ndarray] = {}
    for driver, sign in BAD_YEAR.items():
        if not any(each.driver == driver for each in learnt):
            continue
        events, chances, expected = (np.zeros(max(years, 1)) for _ in range(3))
        part, happened = exposure.chances(driver, annual), exposure.amount[driver] > 0
        for number in range(len(exposure.segments)):
            rows = (exposure.segment == number) & (back < years)
            counted = part[rows]
            if not counted.sum():
                continue
            # what a year would have seen at the segment's frequency of all years
            by_year = np.bincount(back[rows], counted, len(chances))
            chances += by_year
            expected += happened[rows].sum() / counted.sum() * by_year
            events += np.bincount(back[rows], happened[rows].astype(float), len(chances))
        variance = _between_years(events[:years], chances[:years], expected[:years])
        shock[driver] = round(sign * float(np.sqrt(variance * (1 + 1 / max(years, 1)))), 4)
        with np.errstate(divide="ignore", invalid="ignore"):
            residual[driver] = (events - expected) / np.sqrt(np.maximum(expected, 1e-9))

    # with four years, they say themselves which way each driver goes with churn
    if years >= 4 and "churn" in residual:
        for driver in ("adoption", "cross_sell", "contraction"):
            if driver in residual:
                together = float((residual["churn"] * residual[driver]).sum())
                shock[driver] = abs(shock[driver]) * (1 if together > 0 else -1)
    return {name: beta for name, beta in shock.items() if beta}, years


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


def _between_years(events: np.ndarray, chances: np.ndarray, expected: np.ndarray) -> float:
    """The posterior mean of the variance of a year's factor: binomial counts, lognormal factor."""
    beta = np.linspace(0, MOST_SHOCK, 76)
    prior = np.exp(-((beta / SHOCK_SD) ** 2) / 2)
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
    return float((weight * beta**2).sum() / weight.sum())
