"""Single phrases of reports: names in words, numbers that are said once, and verbs that agree."""

import json

import pytest
from conftest import said_of
from scenarios import segments

import nrrsim as nr
from nrrsim.report.wording import comparison

PLAIN = {
    "title": "Plain",
    "target": 1.1,
    "book": segments(smb=(1, 40, "monthly"), key_accounts=(2, 20)),
    "drivers": {
        "churn": {"smb": 0.1, "key_accounts": {"between": [0.03, 0.08]}},
        "adoption": {"all": {"rate": {"between": [0.3, 0.6]}, "size": 0.2}},
    },
}


@pytest.fixture
def compared(write):
    """A report's Comparison of scenarios that are stated as mappings."""

    def read(*scenarios: dict, **how):
        paths = [
            write(json.dumps({**PLAIN, **each}), f"{place}.yaml")
            for place, each in enumerate(scenarios)
        ]
        return nr.read_comparison(list(map(str, paths)), trials=50, years=2, **how)

    return read


def test_programmes_have_names_and_no_identifiers(compared):
    programmes = {
        "usage_limits": {"adoption": 0.2, "cost": 100},
        "win_back": {"churn.smb": -0.1, "cost": 1e6},
    }
    c = compared({"programmes": programmes})
    assert comparison.programmes(c)["name"].tolist() == ["Usage limits", "Win back"]
    stated = comparison.assumptions(c).set_index("Assumption")["Plain"]
    assert stated["Programmes"] == "Usage limits, Win back"
    assert "*Usage limits* returns most" in said_of(c, "programmes")


def test_a_correlation_below_zero_has_a_minus_sign(compared):
    tied = [["churn.key_accounts", "adoption.all", -0.5]]
    stated = comparison.assumptions(compared({"correlations": tied})).set_index("Assumption")
    assert stated.loc["Correlations", "Plain"] == "Churn, Key accounts with Adoption: −0.5"
