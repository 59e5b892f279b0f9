"""Scenarios as unlike as the model allows, small enough to be played often."""

from dataclasses import replace

import numpy as np
from conftest import ROOT

import nrrsim as nr
from nrrsim.scenario.scenario import Scenario


def segments(**each: tuple) -> dict:
    """name=(share, customers, term, spread, tenure) as a synthetic book."""
    keys = ("share", "customers", "term", "spread", "tenure")
    return {
        "arr": 12e6,
        "segments": {name: dict(zip(keys, values, strict=False)) for name, values in each.items()},
    }


THREE = segments(
    smb=(25, 90, "monthly", 0.8), mid=(35, 40, "annual", 0.5, 1.5), big=(40, 13, "annual", 1.2, 3)
)
SUMMER = [0.5, 0.6, 0.8, 1, 1, 1.6, 2.2, 1.8, 0.9, 0.6, 0.5, 0.5]  # by calendar month, mean 1
SIZED = {"rate": 0.6, "size": {"mean": 0.2, "sd": 0.15}}
ALL_SIX = {
    "churn": {"smb": 0.5, "mid": 0.1, "big": {"between": [0.02, 0.1]}},
    "contraction": {"all": {"rate": 0.3, "size": 0.2}},
    "adoption": {"all": SIZED},
    "cross_sell": {"all": {"rate": 0.3, "size": 0.1}},
    "price": {"all": {"uplift": 0.05, "churn_per_point": 0.5}},
    "reactivation": {"all": {"rate": 0.3}},
}

VARIED = {
    "monthly churn alone": {
        "book": segments(all_of_it=(1, 50, "monthly")),
        "drivers": {"churn": {"all": 0.3}},
    },
    "annual, price and who leaves for it": {
        "book": segments(a=(60, 37, "annual", 0.7), b=(40, 24, "monthly", 0.2)),
        "drivers": {
            "churn": {"a": 0.1, "b": 0.2},
            "price": {"all": {"uplift": 0.08, "acceptance": 0.7, "churn_per_point": 0.9}},
        },
    },
    "every event has its own size": {
        "book": THREE,
        "drivers": {
            "churn": {"all": 0.08},
            "contraction": {"all": {"rate": 0.4, "size": {"mean": 0.3, "sd": 0.25}}},
            "adoption": {"all": SIZED, "big": {"rate": 3, "size": {"mean": 0.05, "sd": 0.1}}},
            "cross_sell": {"smb": {"rate": 0.2, "size": {"mean": 0.5, "sd": 0.5}}},
        },
    },
    "beliefs of every form, tied": {
        "book": THREE,
        "drivers": {
            "churn": {
                "smb": {"between": [0.1, 0.3]},
                "mid": {"dist": "beta", "a": 4, "b": 30},
                "big": {"rate": {"dist": "uniform", "min": 0.0, "max": 0.1}},
            },
            "contraction": {
                "all": {
                    "rate": {"dist": "lognormal", "mean": 0.3, "sd": 0.2},
                    "size": {"between": [0.1, 0.4]},
                }
            },
            "adoption": {
                "all": {
                    "rate": {"dist": "pert", "min": 0.2, "mode": 0.5, "max": 1.5},
                    "size": {"between": [0.1, 0.3]},
                },
                "big": {
                    "rate": {"dist": "triangular", "min": 0, "mode": 0.2, "max": 2},
                    "size": 0.2,
                },
            },
            "price": {
                "all": {
                    "uplift": {"dist": "normal", "mean": 0.05, "sd": 0.04},
                    "acceptance": {"between": [0.5, 0.9]},
                    "churn_per_point": {"between": [0.1, 0.6]},
                }
            },
            "reactivation": {
                "all": {
                    "rate": {"between": [0.05, 0.2]},
                    "size": {"dist": "uniform", "min": 0.5, "max": 1},
                }
            },
        },
        "correlations": [
            ["churn.smb", "churn.mid", 0.6],
            ["churn.smb", "price.all", 0.3],
            ["adoption.all", "churn.smb", -0.5],
        ],
    },
    "a common shock to everything": {
        "book": THREE,
        "drivers": ALL_SIX,
        "shock": {
            "churn": 0.5,
            "contraction": 0.4,
            "adoption": -0.3,
            "cross_sell": -0.3,
            "price": 0.6,
            "reactivation": 0.5,
        },
    },
    "years that differ, driver by driver": {
        "book": THREE,
        "drivers": ALL_SIX,
        "year_effects": {
            "churn": 0.4,
            "contraction": {"dist": "beta", "a": 1.5, "b": 4},
            "adoption": {"between": [0.1, 0.6]},
            "cross_sell": {"dist": "normal", "mean": 0, "sd": 0.4},
            "price": 0.3,
            "reactivation": {"dist": "uniform", "min": 0, "max": 0.8},
        },
    },
    "churn by tenure year": {
        "book": THREE,
        "drivers": {
            "churn": {"all": {"by_tenure": [0.4, {"between": [0.1, 0.3]}, 0.05]}, "mid": 0.2},
            "price": {"all": {"uplift": 0.1, "churn_per_point": 0.4}},
        },
        "shock": {"churn": 0.3},
    },
    "shifted beta geometric": {
        "book": segments(new=(1, 60, "annual", 0.4), old=(1, 60, "monthly", 0.4, 2.75)),
        "drivers": {
            "churn": {"all": {"sbg": {"alpha": 0.7, "beta": 1.2}}},
            "adoption": {"all": SIZED},
        },
    },
    "many come back": {
        "book": segments(a=(1, 80, "monthly", 0.9), b=(2, 30, "annual", 0.1)),
        "drivers": {
            "churn": {"all": 0.5},
            "reactivation": {"a": {"rate": 0.8, "size": 0.6}, "b": {"rate": 0.4}},
            "adoption": {"all": SIZED},
            "contraction": {"all": {"rate": 0.4, "size": 0.3}},
            "price": {"all": {"uplift": 0.06, "acceptance": 0.8}},
        },
    },
    "newcomers": {
        "book": THREE,
        "drivers": {
            "churn": {"smb": {"by_tenure": [0.3, 0.2, 0.1]}, "mid": 0.1, "big": 0.05},
            "adoption": {"all": SIZED},
            "price": {"all": {"uplift": 0.05, "acceptance": 0.9}},
            "reactivation": {"all": {"rate": 0.2, "size": 0.9}},
        },
        "new_business": {"smb": {"arr": 2e6, "customers": 31}, "big": {"arr": 3e6, "customers": 5}},
    },
    "at the edges": {
        "book": segments(
            gone=(1, 20, "monthly"), busy=(1, 20, "annual", 2.0), still=(1, 7, "annual")
        ),
        "drivers": {
            "churn": {"gone": 1.0, "busy": 0.9},
            "reactivation": {"gone": {"rate": 1.0, "size": 0.5}},
            "adoption": {"busy": {"rate": 12, "size": 0.01}},
            "price": {
                "busy": {"uplift": 0.3, "churn_per_point": 5},
                "still": {"uplift": 0.2, "acceptance": 0.0},
            },
        },
    },
    "prices in January, churn in summer": {
        "book": THREE | {"starts": "2026-09"},
        "drivers": {
            "churn": {
                "smb": {"by_tenure": [0.4, {"between": [0.1, 0.3]}], "season": SUMMER},
                "mid": 0.1,
                "big": 0.05,
            },
            "price": {
                "all": {"uplift": 0.08, "acceptance": 0.7, "churn_per_point": 0.6, "month": 1},
                "big": {"uplift": 0.05, "churn_per_point": 0.4},
            },
            "reactivation": {"all": {"rate": 0.3, "size": 0.8}},
        },
        "new_business": {"smb": {"arr": 1e6, "customers": 17}},
    },
    "a handful of very unequal customers": {
        "book": segments(only=(1, 5, "annual", 3.0)),
        "drivers": {
            "churn": {"all": 0.2},
            "contraction": {"all": {"rate": 2, "size": {"mean": 0.1, "sd": 0.05}}},
            "cross_sell": {"all": {"rate": 2, "size": {"mean": 0.15, "sd": 0.3}}},
            "reactivation": {"all": {"rate": 0.3}},
        },
    },
}


def scaled_105() -> dict:
    """The shipped nrr-105 with a twentieth of its customers."""
    plain = nr.read_scenario(ROOT / "params" / "scenarios" / "nrr-105.yaml").plain()
    for segment in plain["book"]["segments"].values():
        segment["customers"] //= 20
    return plain


def varied(months: int) -> dict[str, nr.Scenario]:
    """All of them, over so many months."""
    all_of_them = VARIED | {"nrr-105, small": scaled_105()}
    return {
        name: nr.Scenario.of({**values, "months": months}) for name, values in all_of_them.items()
    }


def by_chance(seed: int) -> nr.Scenario:
    """A small scenario drawn at random: which drivers, for whom, how certain, over how many months."""
    rng = np.random.default_rng(seed)
    is_certain = rng.random() < 0.5

    def number(low: float, high: float) -> float | dict:
        """A number of that range, or a belief about one."""
        ends = sorted(rng.uniform(low, high, 2))
        if is_certain or rng.random() < 0.5:
            return ends[0]
        return {"dist": "uniform", "min": ends[0], "max": ends[1]}

    def churn() -> dict:
        form = rng.choice(["rate", "by_tenure", "sbg"])
        if form == "sbg":
            return {"sbg": {"alpha": number(0.3, 2), "beta": number(1, 8)}}
        if form == "by_tenure":
            return {"by_tenure": [number(0, 0.5) for _ in range(3)]}
        return {"rate": number(0, 0.6)}

    def events(size: float) -> dict:
        each_anew = {"mean": float(rng.uniform(0.05, size)), "sd": 0.04}
        size_of_one = each_anew if rng.random() < 0.3 else number(0.01, size)
        return {"rate": number(0, 3), "size": size_of_one}

    def price() -> dict:
        of = {"uplift": number(0, 0.2), "acceptance": number(0, 1)}
        return of | {"churn_per_point": number(0, 2)}

    entries = {
        "churn": churn,
        "price": price,
        "contraction": lambda: events(0.5),
        "adoption": lambda: events(0.6),
        "cross_sell": lambda: events(0.6),
        "reactivation": lambda: {"rate": number(0, 0.9), "size": number(0.2, 1)},
    }
    names = ["a", "b", "c"][: rng.integers(1, 4)]
    drivers = {
        driver: {key: entry() for key in ("all", *names) if rng.random() < 0.5}
        for driver, entry in entries.items()
        if rng.random() < 0.8
    }
    book = {
        name: (
            float(rng.uniform(1, 9)),
            int(rng.integers(1, 15)),
            str(rng.choice(["annual", "monthly"])),
            float(rng.uniform(0, 1)),
            float(rng.uniform(0, 4)),
        )
        for name in names
    }
    values = {"months": int(rng.integers(1, 31)), "book": segments(**book), "drivers": drivers}
    _by_calendar(values, np.random.default_rng([seed, 12]))
    if not is_certain and rng.random() < 0.5:
        values["shock"] = {driver: float(rng.uniform(-0.4, 0.4)) for driver in drivers}
    if drivers.get("churn") and rng.random() < 0.4:
        values["programmes"] = {
            "early": {"churn": -0.4, "from": 2, "ramp": 5},
            "late": {"churn": 0.3, "from": 4},
        }
    own = np.random.default_rng([seed, 1])  # what came later leaves the others as they were
    if not is_certain and own.random() < 0.5:
        values["year_effects"] = {driver: float(own.uniform(0, 0.5)) for driver in drivers}
    return nr.Scenario.of(values)


def _by_calendar(values: dict, rng: np.random.Generator) -> None:
    """Put some prices into a calendar month, and some monthly churn into seasons."""
    book, drivers = values["book"], values["drivers"]
    book["starts"] = f"2026-{rng.integers(1, 13):02d}"
    terms = {name: each["term"] for name, each in book["segments"].items()}
    for entry in drivers.get("price", {}).values():
        if rng.random() < 0.4:
            entry["month"] = int(rng.integers(1, 13))
    for key, entry in drivers.get("churn", {}).items():
        where = {terms[key]} if key in terms else set(terms.values())
        if where == {"monthly"} and rng.random() < 0.6:
            factors = rng.exponential(size=12)
            entry["season"] = (factors / factors.mean()).tolist()


def differing(scenario: nr.Scenario, seed: int = 5, by: float = 0.8) -> nr.Scenario:
    """The same with accounts whose multipliers are lognormal."""
    rng = np.random.default_rng(seed)
    drawn = np.exp(by * rng.normal(size=(len(scenario.opening.arr), 3)))
    return with_multipliers(scenario, drawn)


def with_multipliers(scenario: nr.Scenario, drawn: np.ndarray) -> nr.Scenario:
    opening = replace(scenario.opening, multipliers=np.asarray(drawn, float))
    return Scenario.of(scenario.plain(), opening=opening)
