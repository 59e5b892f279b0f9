"""`nrrsim accounts --pipeline`: what it prints and says no to, of a file and by a run card."""

import json

import pytest
from english import unlike_a_board

HEAD = "customer,opportunity,arr,close,stage,probability,kind"
ROWS = [
    "Alder,A1,1200,2026-11-15,Proposal,40%,Expansion",
    "Birch,B1,600,2027-02-15,Idea,,Expansion",
    "Birch,B2,9000,2026-12-31,Renewal,,Renewal",
    "Gone,G1,300,2026-12-01,Proposal,40%,Expansion",
    "Aldr,X1,500,2026-12-01,Proposal,40%,Expansion",
]


@pytest.fixture
def ledger(write):
    months = [f"{2024 + m // 12}-{m % 12 + 1:02d}" for m in range(33)]
    rows = ["customer,month,arr,segment,currency,renewal"]
    for n, name in enumerate(("Alder", "Birch", "Cedar", "Gone")):
        there = [month for month in months if name != "Gone" or month < "2026-05"]
        rows += [f"{name},{m},{9000 + 100 * n},smb,USD,{2027 - (n < 2)}-12" for m in there]
    return write("\n".join(rows))


@pytest.fixture
def pipeline(write):
    return write("\n".join([HEAD, *ROWS]), "pipeline.csv")


def test_it_says_what_is_open_what_it_covers_and_who_is_missing(run, ledger, pipeline):
    code, out, err = run("accounts", ledger, "--pipeline", pipeline, "--target", "1.1")
    assert code == 0, err
    said = out[out.index("Pipeline as of") :]
    assert "2026-12                1    $1.20K      $480" in said
    assert "Weighted pipeline: $480" in said
    assert "Proposal    $1.20K      40%         n/a  judged (0 resolved)" in said
    assert "learnt" not in said  # there are no snapshots
    assert "Renewals due within six months: 2, of them 1 without an opportunity ($9.00K)" in said
    assert "Gone  G1, $300, to close 2026-12-01, no revenue since 2026-05" in said
    assert "Aldr  X1, $500, to close 2026-12-01; did you mean Alder?" in said
    assert "Target: " in said
    assert "1 customer is not in the ledger, such as 'Aldr'" in err
    assert unlike_a_board(said, months=False) == []


def test_json_has_it_under_a_key_of_its_own_the_same_bytes_each_time(run, ledger, pipeline):
    words = ("accounts", ledger, "--pipeline", pipeline, "--json", "--stage", "Idea=20%")
    code, out, err = run(*words)
    assert code == 0, err
    told = json.loads(out)["pipeline"]
    assert [each["stage"] for each in told["stages"]] == ["Idea", "Proposal"]
    assert told["stages"][0]["basis"] == "judged"
    assert told["weighted"]["arr"] == 0.4 * 1200 + 0.2 * 600
    assert told["coverage"] == []
    assert {"open", "renewals", "without_opportunity", "left", "unknown", "apart"} <= set(told)
    assert run(*words)[1] == out
    assert "pipeline" not in json.loads(run("accounts", ledger, "--json")[1])


def test_a_run_card_says_it_once(run, ledger, pipeline, write):
    card = write(
        "ledger: ledger.csv\nas_of: 2026-09\ntarget: 110%\npipeline: pipeline.csv\n"
        "stages: {Idea: 20%}\nfiscal_year_end: 1\n",
        "card.yaml",
    )
    code, out, err = run("accounts", card, "--json")
    assert code == 0, err
    told = json.loads(out)["pipeline"]
    assert told["coverage"][0]["of"] == "target"
    assert told["weighted"]["arr"] == 600
    assert told["open"][0]["month"] == "2026-10"  # the fiscal quarter ends in October


@pytest.mark.parametrize("other", ["window: 3", "ex_price: true"])
def test_a_cards_target_of_another_nrr_is_none_of_the_year_to_come(
    run, ledger, pipeline, write, other
):
    """As in the report: 102% of three months, or without price, asks for no year's expansion."""
    text = f"ledger: '{ledger}'\nas_of: '2026-09'\npipeline: '{pipeline}'\ntarget: 102%\n"
    of_a_year, of_another = (
        write(text + more, f"{name}.yaml") for name, more in (("one", ""), ("two", other + "\n"))
    )
    told = [json.loads(run("accounts", card, "--json")[1]) for card in (of_a_year, of_another)]
    assert [len(each["pipeline"]["coverage"]) for each in told] == [1, 0]
    code, out, _ = run("accounts", of_another, "--target", "1.1", "--json")
    assert (code, len(json.loads(out)["pipeline"]["coverage"])) == (0, 1)


def test_what_an_amount_is_of_is_asked_with_exit_code_3(run, ledger, write):
    file = write("\n".join([HEAD.replace("arr", "amount"), *ROWS]), "pipeline.csv")
    code, out, err = run("accounts", ledger, "--pipeline", file)
    assert (code, out) == (3, "")
    assert "say which with --pipeline-unit arr or --pipeline-unit mrr" in err
    code, out, err = run("accounts", ledger, "--pipeline", file, "--pipeline-unit", "mrr", "--json")
    assert code == 0, err
    assert json.loads(out)["pipeline"]["open"][0]["arr"] == 14_400


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--pipeline", "nowhere.csv"), "there is no such file"),
        (("--pipeline-unit", "acv"), "'acv' is not known"),
        (("--stage", "Proposal"), "write a stage, an equals sign and a probability"),
        (("--stage", "Proposal=40"), "write 40% or 0.4"),
    ],
)
def test_what_cannot_be_is_refused(run, ledger, pipeline, words, said):
    code, out, err = run("accounts", ledger, "--pipeline", pipeline, *words)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("words", ["--target 1.1", "--stage Idea=20%", "--pipeline-unit arr"])
def test_what_is_of_a_pipeline_is_not_ignored_without_one(run, ledger, words):
    code, _, err = run("accounts", ledger, *words.split())
    assert (code, "are of --pipeline; add it" in err) == (2, True)
