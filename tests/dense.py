"""A scenario in, its simulated movements by trial, segment and month out; never shares code with the package's engine.

A second reading of the model (notebooks/the_model.ipynb), for the tests to hold the engine against: dense arrays of
[trial, customer], a loop over the months, and in each month the six steps in the model's order. Slow and plain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

LEVELS = ("opening", "closing", "retained", "stayed", "stayed_retained")
MOVEMENTS = ("new", "adoption", "cross_sell", "price", "contraction", "churn", "reactivation")
COUNTS = ("opening_customers", "customers", "stayed_customers")
NAMES = (*LEVELS, *MOVEMENTS, *COUNTS)

# What a correlation means that names no field; `rate` for all other drivers.
MAIN_FIELD = {"price": "uplift"}
ABSENT = {
    "churn": {"rate": 0.0},
    "contraction": {"rate": 0.0, "size": 0.0},
    "adoption": {"rate": 0.0, "size": 0.0},
    "cross_sell": {"rate": 0.0, "size": 0.0},
    "price": {"uplift": 0.0, "acceptance": 1.0, "churn_per_point": 0.0},
    "reactivation": {"rate": 0.0, "size": 1.0},
}
NOTES = ("source", "because")
IN_THE_YEAR = ("month", "season")  # by calendar month, and nothing that is drawn
CELLS = 20_000_000  # customer-months simulated at once


def simulate(
    scenario: dict,
    trials: int,
    seed: int,
    *,
    window: tuple[int, int] | None = None,
    book: bool = False,
    customers: dict | None = None,
) -> dict[str, np.ndarray]:
    """The closed cohort of the end of month s, or the whole book, over the months s+1..t of `window`.

    Returns one array [trial, segment, month of the window] for each of NAMES. `customers` are those of a ledger:
    arrays `segment`, `arr`, `anniversary` (1..12) and `tenure` (years).
    """
    rng = np.random.default_rng(seed)
    start, end = window or (0, int(scenario.get("months", 12)))
    groups = {
        name: everybody(scenario, name, end, customers) for name in segments(scenario, customers)
    }
    largest = max(len(group.arr) for group in groups.values())
    starts = scenario["book"].get("starts") or scenario["book"].get("as_of") or "0000-12"
    january = 13 - int(starts[5:7])  # the first of the scenario's months, from 1, that is one
    block = max(1, CELLS // max(1, largest * end))
    result = {name: np.zeros((trials, len(groups), end - start)) for name in NAMES}
    for first in range(0, trials, block):
        rows = slice(first, min(first + block, trials))
        drivers = draw_drivers(scenario, rows.stop - rows.start, rng)
        for column, (segment, group) in enumerate(groups.items()):
            own = {name: entries.get(segment, entries["all"]) for name, entries in drivers.items()}
            history = follow(group, own, rows.stop - rows.start, (start, end), book, rng, january)
            for name in NAMES:
                result[name][rows, column] = history[name]
    return result


# --- the customers ---------------------------------------------------------------------------------------------------


@dataclass
class Customers:
    """The customers of one segment, of the opening book and then who join; arrays [customer]."""

    arr: np.ndarray  # at the opening, or when it joins
    # it renews in each month t > joins for which 12 divides t - anniversary
    anniversary: np.ndarray
    tenure: np.ndarray  # years at t = 0, below 0 for those who join later
    joins: np.ndarray  # month; 0 for the opening book
    monthly: bool  # the segment's term

    def tenure_year(self, month: int) -> np.ndarray:
        """1 in a customer's first year; the hair keeps a whole year of twelfths from falling short of itself."""
        return 1 + np.floor(self.tenure + (month - 1) / 12 + 1e-9).astype(int)


def segments(scenario: dict, customers: dict | None) -> list[str]:
    """The names in the order of the result."""
    if customers is None:
        return list(scenario["book"]["segments"])
    return sorted({str(name) for name in customers["segment"]})


def everybody(scenario: dict, segment: str, end: int, customers: dict | None) -> Customers:
    """Who is there at the opening or joins up to month `end`."""
    if customers is None:
        plan = scenario["book"]["segments"][segment]
        arr, anniversary, tenure = synthetic(scenario["book"], segment)
        term = plan.get("term", "annual")
    else:
        mine = np.asarray(customers["segment"]).astype(str) == segment
        arr, anniversary, tenure = (
            np.asarray(customers[name])[mine] for name in ("arr", "anniversary", "tenure")
        )
        term = (scenario["book"].get("term") or {}).get(segment, "annual")
    joins, each = newcomers((scenario.get("new_business") or {}).get(segment), end)
    return Customers(
        arr=np.concatenate([arr, np.full(len(joins), each)]).astype(float),
        anniversary=np.concatenate([anniversary, joins]).astype(int),
        tenure=np.concatenate([tenure, -joins / 12]).astype(float),
        joins=np.concatenate([np.zeros(len(arr)), joins]).astype(int),
        monthly=term == "monthly",
    )


def synthetic(book: dict, segment: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ARR, anniversary and tenure of a segment's made-up customers: log-normal quantiles, renewals round the year."""
    plan = book["segments"][segment]
    amount = (
        book["arr"] * plan["share"] / sum(other["share"] for other in book["segments"].values())
    )
    j = np.arange(plan["customers"])
    weight = np.exp(plan.get("spread", 0.0) * special.ndtri((j + 0.5) / len(j)))
    return (
        amount * weight / weight.sum(),
        1 + j % 12,
        np.full(len(j), float(plan.get("tenure", 0.0))),
    )


def newcomers(plan: dict | None, end: int) -> tuple[np.ndarray, float]:
    """The month in which each newcomer joins, and the ARR it joins with."""
    if not plan or not plan["customers"]:
        return np.zeros(0), 0.0
    total = np.floor(plan["customers"] * np.arange(end + 1) / 12).astype(int)
    return np.repeat(np.arange(1, end + 1), np.diff(total)), plan["arr"] / plan["customers"]


# --- the beliefs -----------------------------------------------------------------------------------------------------


def draw_drivers(
    scenario: dict, trials: int, rng: np.random.Generator
) -> dict[str, dict[str, dict]]:
    """By driver and segment (or `all`) the entry with each of its numbers drawn, arrays [trial, 1].

    A `shock` field comes with each entry: the factor of the year, common and own, on its annual rate. `{mean, sd}` stays: each event draws its own.
    """
    scores = tied_scores(scenario.get("correlations") or [], trials, rng)
    common = rng.standard_normal((trials, 1))

    def drawn(value: object, driver: str, field: str, name: str) -> object:
        if isinstance(value, list):
            return [drawn(one, driver, field, f"{name}.{year}") for year, one in enumerate(value)]
        if not isinstance(value, dict):
            return np.full((trials, 1), float(value))
        if is_belief(value):
            score = scores[name] if name in scores else rng.standard_normal(trials)
            return believed(value, score, *limits(driver, field))[:, None]
        if field == "sbg":
            return {
                part: drawn(value[part], driver, field, f"{name}.{part}")
                for part in ("alpha", "beta")
            }
        return value

    drivers = {}
    for driver, absent in ABSENT.items():
        beta = (scenario.get("shock") or {}).get(driver, 0.0)
        shock = np.exp(beta * common - beta**2 / 2)
        beta = (scenario.get("year_effects") or {}).get(driver, 0.0)
        if is_belief(beta):  # drawn, and then the year's own score
            beta = believed(beta, rng.standard_normal(trials), 0.0, 2.0)[:, None]
        own = rng.standard_normal((trials, 1)) if np.any(beta) else 0.0
        shock = shock * np.exp(beta * own - beta**2 / 2)
        drivers[driver] = {}
        for where, entry in {
            "all": {},
            **((scenario.get("drivers") or {}).get(driver) or {}),
        }.items():
            bare = not isinstance(entry, dict) or is_belief(entry)
            fields = {**absent, **({"rate": entry} if bare else entry)}
            drivers[driver][where] = {"shock": shock} | {
                field: drawn(value, driver, field, f"{driver}.{where}.{field}")
                for field, value in fields.items()
                if field not in (*NOTES, *IN_THE_YEAR)
            }
            drivers[driver][where] |= {f: fields[f] for f in IN_THE_YEAR if fields.get(f)}
    return drivers


def tied_scores(correlations: list, trials: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Normal scores [trial] of the beliefs that are correlated, by `driver.segment.field`."""

    def full(name: str) -> str:
        return (
            name if name.count(".") > 1 else f"{name}.{MAIN_FIELD.get(name.split('.')[0], 'rate')}"
        )

    names = sorted({full(name) for *pair, _ in correlations for name in pair})
    matrix = np.eye(len(names))
    for one, other, correlation in correlations:
        i, j = names.index(full(one)), names.index(full(other))
        matrix[i, j] = matrix[j, i] = correlation
    scores = rng.standard_normal((trials, len(names))) @ np.linalg.cholesky(matrix).T
    return dict(zip(names, scores.T, strict=True))


def is_belief(value: object) -> bool:
    return isinstance(value, dict) and ("between" in value or "dist" in value)


def limits(driver: str, field: str) -> tuple[float, float]:
    """The range of a field: 0..1 for a probability or a share, 0..12 for events a year, else 0 and up."""
    if field == "acceptance" or driver == "reactivation" or (driver == "churn" and field != "sbg"):
        return 0.0, 1.0
    if driver == "contraction" and field == "size":
        return 0.0, 1.0
    return 0.0, 12.0 if field == "rate" else np.inf


def believed(belief: dict, score: np.ndarray, low: float, high: float) -> np.ndarray:
    """The belief's values at these normal scores, of what of it lies in low..high."""
    if "between" in belief:
        ends = np.array(belief["between"], dtype=float)
        to, back = (special.logit, special.expit) if high == 1 else (np.log, np.exp)
        left, right = to(ends)
        law = stats.norm((left + right) / 2, (right - left) / 2 / special.ndtri(0.95))
        low, high = to(low) if low else -np.inf, to(high)
    else:
        law = distribution(**{name: it for name, it in belief.items() if name not in NOTES})
        back = np.asarray
    below, above = law.cdf(low), law.cdf(high)
    return back(law.ppf(below + (above - below) * special.ndtr(score)))


def distribution(dist: str, **about: float):
    """A frozen scipy distribution; mean and sd are the variable's own."""
    if dist == "beta":
        return stats.beta(about["a"], about["b"])
    if dist == "normal":
        return stats.norm(about["mean"], about["sd"])
    if dist == "lognormal":
        variance = np.log1p((about["sd"] / about["mean"]) ** 2)
        return stats.lognorm(np.sqrt(variance), scale=about["mean"] * np.exp(-variance / 2))
    low, width = about["min"], about["max"] - about["min"]
    if dist == "uniform":
        return stats.uniform(low, width)
    mode = (about["mode"] - low) / width
    if dist == "triangular":
        return stats.triang(mode, low, width)
    if dist == "pert":
        return stats.beta(1 + 4 * mode, 1 + 4 * (1 - mode), low, width)
    raise ValueError(f"no such distribution: {dist}")


# --- the months ------------------------------------------------------------------------------------------------------


def follow(
    group: Customers,
    drivers: dict,
    trials: int,
    window: tuple[int, int],
    book: bool,
    rng: np.random.Generator,
    january: int,
) -> dict[str, np.ndarray]:
    """One segment from month 0 to the end of the window; arrays [trial, month of the window].

    `january`: a month of the scenario that is one.
    """
    start, end = window
    shape = (trials, len(group.arr))
    kept = {name: np.zeros((trials, end - start)) for name in NAMES}
    amount = np.tile(np.where(group.joins == 0, group.arr, 0.0), (trials, 1))
    left_with = np.zeros(shape)  # ARR of a customer when it churned; 0 while it is there

    def happens(probability: np.ndarray) -> np.ndarray:
        return rng.random(shape) < probability

    price, returning = drivers["price"], drivers["reactivation"]
    uplift = price["uplift"] * price["shock"]
    comes_back = monthly(struck(returning["rate"], returning, 1))
    for month in range(1, end + 1):
        if month == start + 1:
            at_start = amount.copy()
            always = at_start > 0
            shown = np.ones(shape, dtype=bool) if book else always.copy()
        moved = {}
        opening = amount
        renews = (month - group.anniversary) % 12 == 0
        calendar = (month - january) % 12 + 1
        dearer = np.full(shape, calendar == price["month"]) if "month" in price else renews
        season = drivers["churn"].get("season", [1] * 12)[calendar - 1]
        lapsed = left_with > 0

        # 1. churn
        annual = annual_churn(drivers["churn"], group.tenure_year(month))
        leaves = monthly(annual, season) if group.monthly else np.where(renews, annual, 0.0)
        leaves = np.where(dearer, np.minimum(1, leaves + price["churn_per_point"] * uplift), leaves)
        gone = happens(leaves) & (opening > 0)
        moved["churn"] = np.where(gone, amount, 0.0)
        left_with = np.where(gone, amount, left_with)
        amount = amount - moved["churn"]
        # 2. price
        moved["price"] = np.where(dearer & happens(price["acceptance"]), amount * uplift, 0.0)
        amount = amount + moved["price"]
        # 3. contraction
        moved["contraction"] = amount * shares(drivers["contraction"], beta_sizes, happens, rng)
        amount = amount - moved["contraction"]
        # 4. adoption
        moved["adoption"] = amount * shares(drivers["adoption"], lognormal_sizes, happens, rng)
        amount = amount + moved["adoption"]
        # 5. cross-sell
        moved["cross_sell"] = amount * shares(drivers["cross_sell"], lognormal_sizes, happens, rng)
        amount = amount + moved["cross_sell"]
        # 6. reactivation of those who lapsed in an earlier month
        returned = lapsed & happens(comes_back)
        moved["reactivation"] = np.where(returned, returning["size"] * left_with, 0.0)
        left_with = np.where(returned, 0.0, left_with)
        amount = amount + moved["reactivation"]
        # newcomers come last: the drivers act on them from the next month on
        moved["new"] = np.broadcast_to(np.where(group.joins == month, group.arr, 0.0), shape)
        amount = amount + moved["new"]

        if month > start:
            always &= amount > 0
            held = np.minimum(amount, at_start)
            everyone = {"opening": opening, "closing": amount, "retained": held, **moved}
            everyone |= {"opening_customers": opening > 0, "customers": amount > 0}
            stayed = {"stayed": amount, "stayed_retained": held, "stayed_customers": amount > 0}
            for values, of in ((everyone, shown), (stayed, always)):
                for name, value in values.items():
                    kept[name][:, month - start - 1] = (value * of).sum(axis=1)
    return kept


def struck(rate: np.ndarray, entry: dict, cap: float) -> np.ndarray:
    """An annual rate in the trial's good or bad year."""
    return np.minimum(rate * entry["shock"], cap)


def monthly(annual: np.ndarray, season: float = 1.0) -> np.ndarray:
    """The probability in a month that makes `annual` in a year; of a `season` that is no plain one."""
    return 1 - (1 - annual) ** (season / 12)


def annual_churn(entry: dict, year: np.ndarray) -> np.ndarray:
    """The probability to leave within a year [trial, customer], each customer being in its tenure year."""
    if "by_tenure" in entry:
        curve = np.hstack(entry["by_tenure"])
        rate = curve[:, np.clip(year, 1, curve.shape[1]) - 1]
    elif "sbg" in entry:
        alpha, beta = entry["sbg"]["alpha"], entry["sbg"]["beta"]
        rate = alpha / (alpha + beta + np.maximum(year, 1) - 1)
    else:
        rate = entry["rate"]
    return struck(rate, entry, 1)


def shares(entry: dict, sizes, happens, rng: np.random.Generator) -> np.ndarray:
    """The share of its ARR that each customer [trial, customer] loses or gains by this driver in a month."""
    hit = happens(struck(entry["rate"], entry, 12) / 12)
    if not isinstance(entry["size"], dict):
        return np.where(hit, entry["size"], 0.0)
    share = np.zeros(hit.shape)
    share[hit] = sizes(entry["size"]["mean"], entry["size"]["sd"], hit.sum(), rng)
    return share


def beta_sizes(mean: float, sd: float, events: int, rng: np.random.Generator) -> np.ndarray:
    if sd == 0:
        return np.full(events, mean)
    weight = mean * (1 - mean) / sd**2 - 1
    return rng.beta(mean * weight, (1 - mean) * weight, events)


def lognormal_sizes(mean: float, sd: float, events: int, rng: np.random.Generator) -> np.ndarray:
    if mean == 0:
        return np.zeros(events)
    variance = np.log1p((sd / mean) ** 2)
    return rng.lognormal(np.log(mean) - variance / 2, np.sqrt(variance), events)
