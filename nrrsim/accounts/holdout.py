"""A ledger and an effect hoped for in, how many to hold out to see it out; never picks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nrrsim import special
from nrrsim.accounts.actions import HALF_YEAR, MOST_MONTHS, newcombe
from nrrsim.accounts.features import YEAR, Panel
from nrrsim.accounts.risk import FEW
from nrrsim.errors import UsageError, did_you_mean
from nrrsim.ledger.ledger import Ledger, as_ledger
from nrrsim.messages import months_ahead
from nrrsim.months import month_name, shift
from nrrsim.movements import json_ratio
from nrrsim.notation import label

POWER = 0.8
MOST = 100_000  # customers an arm: beyond, nobody has them
WIDE = 6.0  # standard deviations within which a count is looked at


@dataclass(frozen=True, kw_only=True)
class Holdout:
    """How large a lot must be, for an effect to be told from none.

    segment : of whom; "" for all. effect : on the hazard of leaving (-0.2: a fifth less). power :
        how often the effect is then found. base, treated_base : the share that leaves within the
        horizon, without the action (as over the last year) and with it.
    each : customers needed in each arm, None beyond MOST; there : customers now. known : the month
        whose end shows it, were the lot drawn in the month after `as_of`.
    power_now : how often it is found with half of those who are there held out. shortest : the
        first horizon within which they would be enough, None where none of MOST_MONTHS is.
    smallest : the smallest effect found as often with them, nan where none is.
    """

    as_of: str
    horizon: int
    segment: str
    effect: float
    power: float
    base: float
    treated_base: float
    each: int | None
    there: int
    known: str
    power_now: float
    shortest: int | None
    smallest: float

    @property
    def is_enough(self) -> bool:
        """Whether those who are there fill both arms."""
        return self.each is not None and 2 * self.each <= self.there

    def told(self) -> dict[str, Any]:
        """What `nrrsim actions --plan --json` prints."""
        ratios = ("effect", "power", "base", "treated_base", "power_now", "smallest")
        told = {**vars(self), **{name: json_ratio(getattr(self, name)) for name in ratios}}
        return told | {"segment": self.segment or None, "is_enough": self.is_enough}


def holdout(
    ledger: Ledger | str,
    as_of: str,
    effect: float,
    *,
    segment: str = "",
    horizon: int = HALF_YEAR,
    power: float = POWER,
) -> Holdout:
    """How many customers must be held out, and as many treated, for an effect to be found.

    effect : relative, on the hazard of leaving: -0.2 is a fifth less, as in a programme. It is
        found where the difference's 90 % interval (Newcombe) lies below 0, as `actions` has it.
    segment : of whose customers; "" for all.

    Raises UsageError for an effect that is no saving, a segment that is not there, and where fewer
    than ten left in the last year, so that nothing is known of how many would.
    """
    ledger = as_ledger(ledger)
    ledger.inside(as_of, "as_of")
    months = months_ahead(horizon, ledger.step, MOST_MONTHS)
    if not -1 <= effect < 0:
        raise UsageError(f"effect: must be from -1 to below 0, such as -20% (-0.2); got {effect:g}")
    if not 0 < power < 1:
        raise UsageError(f"power: must be between 0 and 1, such as 0.8; got {power}")
    panel = Panel.of(ledger, as_of, None, None)
    if segment and segment not in panel.segments:
        raise UsageError(f"segment: there is no {segment}; {did_you_mean(segment, panel.segments)}")
    mine = np.ones(len(panel.segment), bool)
    if segment:
        mine = panel.segment == panel.segments.index(segment)
    there = int(mine[panel.now].sum())
    base = _leaving(panel, mine, months, segment)
    treated = _eased(base, effect)
    each = _needed(base, treated, power)
    half = there // 2
    enough = (
        ahead
        for ahead in range(panel.ledger.step, MOST_MONTHS + 1, panel.ledger.step)
        if _power(_longer(base, months, ahead), effect, half) >= power
    )
    return Holdout(
        as_of=month_name(panel.origin),
        horizon=months,
        segment=segment,
        effect=float(effect),
        power=float(power),
        base=base,
        treated_base=treated,
        each=each,
        there=there,
        known=shift(as_of, panel.ledger.step + months),
        power_now=_power(base, effect, half),
        shortest=next(enough, None) if half else None,
        smallest=_smallest(base, half, power),
    )


def _leaving(panel: Panel, mine: np.ndarray, months: int, segment: str) -> float:
    """The share that left within so many months, of those who were there over a year of months the
    last of which has its horizon behind it.
    """
    last = panel.origin - months
    rows = mine & (panel.month <= last) & (panel.month > last - YEAR)
    left = panel.months_until("leave")[rows] <= months
    if left.sum() < FEW:
        who = f"of {label(segment)}" if segment else "of all"
        raise UsageError(
            f"only {int(left.sum())} {who} left within {months} months over the last year that is"
            f" known; {FEW} are needed to say how many would"
        )
    return float(left.mean())


def _eased(base: float, effect: float) -> float:
    """The share that leaves where the hazard is so much less."""
    return float(-np.expm1((1 + effect) * np.log1p(-base)))


def _longer(base: float, months: int, ahead: int) -> float:
    """The share that leaves within another time, at the same hazard."""
    return float(-np.expm1(ahead / months * np.log1p(-base)))


def _power(base: float, effect: float, each: int) -> float:
    return found(each, _eased(base, effect), base) if each > 0 else 0.0


def found(each: int, treated: float, base: float) -> float:
    """How often the interval lies below 0, with so many in each arm, who leave with these
    probabilities: summed over all that may come (binomial).
    """
    x, px = _counts(each, treated)
    y, py = _counts(each, base)
    _, high = newcombe(x[:, None] / each, each, y[None, :] / each, each)
    return float(px @ (high < 0) @ py)


def _counts(number: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """The counts that a binomial may come to, and how likely each is."""
    reach = WIDE * np.sqrt(number * share * (1 - share)) + WIDE
    low, high = max(0, int(number * share - reach)), min(number, int(number * share + reach) + 1)
    k = np.arange(low, high + 1)
    ways = special.gammaln(number + 1) - special.gammaln(k + 1) - special.gammaln(number - k + 1)
    log = ways + special.xlogy(k, share) + special.xlog1py(number - k, -share)
    return k, np.exp(log)


def _needed(base: float, treated: float, power: float) -> int | None:
    """The least number in each arm that finds the effect as often; None beyond MOST."""
    low, high = 1, 2
    while found(high, treated, base) < power:
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle, treated, base) >= power else (middle, high)
    return high


def _smallest(base: float, each: int, power: float) -> float:
    """The smallest effect that so many in each arm show as often; nan where not even the end of all
    leaving would.
    """
    if not each or _power(base, -1.0, each) < power:
        return np.nan
    low, high = -1.0, 0.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if _power(base, middle, each) >= power else (low, middle)
    return low
