"""Twelve scenarios as unlike each other as the model allows, small enough to be played many times over."""

from conftest import ROOT

import nrrsim as nr


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
SIZED = {"rate": 0.6, "size": {"mean": 0.2, "sd": 0.15}}

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
        "drivers": {
            "churn": {"smb": 0.5, "mid": 0.1, "big": {"between": [0.02, 0.1]}},
            "contraction": {"all": {"rate": 0.3, "size": 0.2}},
            "adoption": {"all": SIZED},
            "cross_sell": {"all": {"rate": 0.3, "size": 0.1}},
            "price": {"all": {"uplift": 0.05, "churn_per_point": 0.5}},
            "reactivation": {"all": {"rate": 0.3}},
        },
        "shock": {
            "churn": 0.5,
            "contraction": 0.4,
            "adoption": -0.3,
            "cross_sell": -0.3,
            "price": 0.6,
            "reactivation": 0.5,
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
    """All twelve, over so many months."""
    all_of_them = VARIED | {"nrr-105, small": scaled_105()}
    return {
        name: nr.Scenario.of({**values, "months": months}) for name, values in all_of_them.items()
    }
