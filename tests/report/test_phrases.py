"""Single phrases of reports: names in words, numbers that are said once, and verbs that agree."""

import json

import pytest
from conftest import said_of
from scenarios import segments

import nrrsim as nr
from nrrsim.notation import share
from nrrsim.report.wording import comparison, quarterly
from nrrsim.report.wording.say import house
from nrrsim.scenario.outlook import LEVELS

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


def test_a_reason_that_was_taken_over_is_told_once(compared):
    said = [{"because": "As it was"}, {"title": "More", "because": "As it was"}, {"because": ""}]
    reasons = comparison.WhyEach.of(compared(*said, {"because": "To grow"})).reasons
    assert [each.because for each in reasons] == ["As it was", "To grow"]


def test_programmes_have_names_and_no_identifiers(compared):
    programmes = {
        "usage_limits": {"adoption": 0.2, "cost": 100},
        "win_back": {"churn.smb": -0.1, "cost": 1e6},
    }
    c = compared({"programmes": programmes})
    assert comparison.programmes(c)["name"].tolist() == ["Usage limits", "Win back"]
    assert comparison.programmes(c)["effect"].tolist() == ["Judged", "Judged"]
    told = {**programmes, "calls": {"churn": -0.1, "measured": "randomised"}}
    some = comparison.programmes(compared({"programmes": told}))["effect"].tolist()
    assert some == ["Judged", "Judged", "Randomised"]
    stated = comparison.assumptions(c).set_index("Assumption")["Plain"]
    assert stated["Programmes"] == "Usage limits, Win back"
    assert "*Usage limits* returns most" in said_of(c, "programmes")


def test_a_range_that_is_the_forecasts_says_so_and_one_of_drivers_beside_it(compared, tmp_path):
    (tmp_path / "ledger.csv").write_text(
        "customer,month,arr,segment\n"
        + "".join(f"c{n},2025-12,100,{('smb', 'key_accounts')[n % 2]}\n" for n in range(20))
    )
    ranks = {"mean": 1.0, "model": [*LEVELS], "forecast": [*LEVELS]}
    ahead = {"as_of": "2025-12", "arr": 2000, "recurs": False}
    learnt = {
        "title": "Learnt",
        "book": {"ledger": "ledger.csv", "as_of": "2025-12"},
        "outlook": ahead | dict.fromkeys(("nrr", "grr", "logo"), ranks),
    }
    said = said_of(compared(learnt, {}), "limits")
    assert "probabilities of *Learnt* are the forecast's" in said
    assert "probabilities of *Plain* are by the drivers alone" in said
    assert "do not bear the drivers of *Learnt* out" in said
    assert "forecast's" not in said_of(compared({}), "limits")


def test_a_correlation_below_zero_has_a_minus_sign(compared):
    tied = [["churn.key_accounts", "adoption.all", -0.5]]
    stated = comparison.assumptions(compared({"correlations": tied})).set_index("Assumption")
    assert stated.loc["Correlations", "Plain"] == "Churn, Key accounts with Adoption: −0.5"


def test_a_single_gain_is_stated_once_and_every_gain_that_shows_is_named(compared):
    alone = said_of(compared({}), "why")
    assert "; adoption adds " in alone
    drivers = PLAIN["drivers"] | {
        "cross_sell": {"all": {"rate": 0.2, "size": 0.2}},
        "price": {"all": {"uplift": 0.03}},
        "reactivation": {"all": {"rate": 0.5}},
    }
    several = said_of(compared({"drivers": drivers}), "why")
    assert "adoption (+" in several
    assert "reactivation (+" in several


def test_a_curve_of_churn_has_words_for_its_parameters(compared):
    curve = {"all": {"sbg": {"alpha": {"between": [1, 2]}, "beta": {"between": [5, 9]}}}}
    named = comparison.tornado(compared({"drivers": {"churn": curve}}))["name"].tolist()
    assert sorted(named) == [
        "Churn by tenure, first parameter",
        "Churn by tenure, second parameter",
    ]


@pytest.mark.parametrize("lost", [10, 90])
def test_verbs_agree_with_one_gain_and_with_several(write, lost):
    rows = ["customer,month,arr", "A,2024-12,100", "B,2024-12,100"]
    rows += ["A,2025-12,150", f"B,2025-12,{100 - lost}"]
    past = nr.actuals(str(write("\n".join(rows))), "2025-12", 12)
    verb = "more than offset" if lost < 50 else "did not offset"
    assert f"Expansion +25.0 pts {verb} contraction −" in said_of(past, "why").replace("\\", "")


def test_two_scenarios_that_are_the_same_are_worth_nothing_more(compared):
    stand = said_of(compared({}, {"title": "Plan"}), "where_we_stand")
    assert "*Plan* and *Plain* do not differ by a tenth of a point." in stand
    assert "worth" not in stand


@pytest.mark.parametrize("odds", [0.001, 0.08, 0.8, 0.95])
def test_a_probability_has_no_article(odds):
    told = {"end": "Q3 2027", "p05": 0.9, "p50": 1.0, "p95": 1.1, "target": 1.05}
    told |= {"at_risk": None, "renewal": None, "hump": None, "same_measure": True}
    said = house().render("forecast/next", {**told, "p_target": odds})
    assert f"; the probability of reaching 105.0% is {share(odds)}" in said


def test_segments_that_differ_in_case_stay_two(write, compared):
    rows = ["customer,month,arr,segment"]
    rows += [f"{each},{month},{arr},{segment}"
             for each, segment, arr in (("A", "smb", 100), ("B", "SMB", 300), ("C", "key_accounts", 50))
             for month in ("2024-12", "2025-12")]  # fmt: skip
    past = nr.actuals(str(write("\n".join(rows))), "2025-12", 12)
    assert quarterly.split(past, "segment")["name"].tolist() == ["SMB", "smb", "Key accounts"]
    books = segments(smb=(1, 40), SMB=(2, 20)), segments(smb=(1, 30), SMB=(2, 20))
    a, b = ({"title": str(len(str(each))), "book": each, "drivers": {"churn": {"all": 0.1}}} for each in books)  # fmt: skip
    c = compared(a, {**b, "title": "Other"})
    assert {"smb: customers"} <= set(comparison.assumptions(c)["Assumption"])


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"smb": "Key accounts"}, "labels: .* would both be called Key accounts; give each a name"),
        ({"smbb": "Small"}, r"labels: smbb is no segment; did you mean smb\?"),
        ({"smb": " "}, "labels: smb: is empty"),
    ],
)
def test_labels_that_mislead_are_refused(write, compared, labels, said):
    rows = "customer,month,arr,segment\nA,2024-12,1,smb\nB,2024-12,1,key_accounts"
    with pytest.raises(nr.UsageError, match=said):
        nr.actuals(str(write(rows + rows.partition("segment")[2].replace("2024", "2025"))), "2025-12", 12, labels=labels)  # fmt: skip
    with pytest.raises(nr.UsageError, match=said):
        compared({}, labels=labels)


def test_one_scenario_is_not_spoken_of_as_several(compared):
    c = compared({})
    said = " ".join(said_of(c, name) for name in comparison.SENTENCES)
    assert "each scenario" not in said
    assert "scenarios" not in said
