"""A report's pages on the pipeline: frames in words, the sentence beside each, and who may see it."""

import json

import nbformat
import pandas as pd
import pytest
from conftest import ROOT
from english import unlike_a_board

import nrrsim as nr
from nrrsim.notation import money, percent
from nrrsim.report.run import run_card
from nrrsim.report.wording import pipeline as words

DATA = ROOT / "nrrsim" / "data"
AS_OF = "2026-09"


@pytest.fixture(scope="module")
def sold():
    ledger = nr.read_ledger(DATA / "meridian.csv", currency="USD")
    learnt = nr.calibrate(ledger, AS_OF).scenario
    how = {"learnt": learnt, "target": 1.1, "plan": ROOT / "params" / "scenarios" / "nrr-105.yaml"}
    return nr.pipeline(ledger, DATA / "meridian_pipeline.csv", AS_OF, **how)


def said_of(sold, name) -> str:
    return str(nr.say(name, sold).bundle["text/plain"]).replace("\\", "")


def test_every_sentence_is_one_that_a_board_reads(sold):
    for name in words.SENTENCES:
        said = said_of(sold, name)
        assert said, name
        assert unlike_a_board(said) == [] or name == "notes", said


def test_the_sentences_say_the_frames_figures(sold):
    amount, near = sold.weighted["open"], words.by_period(sold)["arr"].iloc[0]
    said = said_of(sold, "open")
    assert money(amount, "USD") in said
    assert f"{money(near, 'USD')} of it in Q4 2026" in said
    worth = said_of(sold, "worth")
    assert "lower than the" in worth
    assert money(sold.expected, "USD") in worth
    assert "never added" in worth
    target = sold.coverage().set_index("of").loc["target"]
    assert f"{percent(target['coverage'])} of the" in said_of(sold, "coverage")


def test_where_the_pipeline_is_worth_more_than_the_forecast_expects_it_says_so(write):
    rows = [f"A,{year}-{month:02d},100,smb" for year in (2025, 2026) for month in range(1, 10)]
    rows += [f"A,2025-{month},100,smb" for month in (10, 11, 12)]
    ledger = nr.read_ledger(write("\n".join(["customer,month,arr,segment", *rows])))
    file = write(
        "customer,opportunity,arr,close,stage,probability\nA,1,50,2026-12-01,Idea,50%\n",
        "pipeline.csv",
    )
    still = "{book: {arr: 100, segments: {smb: {share: 1, customers: 1}}}, drivers: {}}"
    learnt = nr.read_scenario(write(still, "still.yaml"))
    told = said_of(nr.pipeline(ledger, file, AS_OF, learnt=learnt), "worth")
    assert "Weighted by judged probabilities (no stage has enough of a past)" in told
    assert "higher than the 0 of expansion" in told
    alone = said_of(nr.pipeline(ledger, file, AS_OF), "worth")
    assert "forecast" not in alone
    assert "Idea is judged, not learnt" in said_of(nr.pipeline(ledger, file, AS_OF), "stages")


def test_frames_in_words_add_up_to_the_numbers(sold):
    frame = words.open_(sold)
    assert frame["segment"].iloc[-1] == "All"
    parts = frame.iloc[:-1]
    for amount in ("opportunities", "arr", "weighted", "booked"):
        assert parts[amount].sum() == pytest.approx(frame[amount].iloc[-1])
    assert set(parts["segment"]) == {"SMB", "Mid-market", "Enterprise", "All"}
    assert parts.loc[parts["segment"] == "All", "arr"].tolist() == [0, 0]  # Q2 and Q3 2027
    assert parts["period"].iloc[0] == "Q4 2026"
    stages = words.stages(sold)
    assert stages["basis"].tolist() == ["Learnt"] * 3
    assert stages["arr"].sum() == pytest.approx(sold.weighted["open"])
    assert words.coverage(sold)["of"].tolist() == ["Target", *["Plan"] * 4]
    assert (words.uncovered(sold)["due"].diff().dropna() <= 0).all()
    assert words.stray(sold)["why"].str.contains("did you mean").sum() == 1


@pytest.mark.parametrize(
    "frame", ["by_period", "open_", "stages", "coverage", "uncovered", "stray"]
)
def test_without_a_pipeline_every_frame_is_empty(frame):
    assert getattr(words, frame)(None).empty


def test_the_chart_has_what_the_frame_has(sold):
    frame = words.by_period(sold)
    chart = nr.charts.pipeline(frame, "USD")
    assert isinstance(frame, pd.DataFrame)
    told = chart.to_dict()["description"]
    assert money(frame["booked"].iloc[0], "USD") in told


# --- the report -------------------------------------------------------------------------------------------


def texts_of(folder) -> str:
    return json.dumps(nbformat.read(folder / "report.ipynb", as_version=4), ensure_ascii=False)


def card(folder, *lines: str):
    path = folder / "card.yaml"
    known = {"company": "Meridian", "ledger": DATA / "meridian.csv", "as_of": AS_OF, "trials": 0}
    known |= {"notebook": "quarterly_report", "pipeline": DATA / "meridian_pipeline.csv"}
    path.write_text("\n".join([f"{key}: {value}" for key, value in known.items()] + [*lines]))
    return path


def test_a_report_has_the_section_the_manifest_its_figures_and_masked_names_no_customer(tmp_path):
    folder = run_card(card(tmp_path, "names: masked", "target: 110%"), to=["xlsx"], out=tmp_path)
    said, manifest = texts_of(folder), json.loads((folder / "manifest.json").read_text())
    told = manifest["numbers"]["pipeline"]
    assert {"open", "coverage", "stages", "weighted", "expected", "apart"} <= set(told)
    assert any(name.endswith("meridian_pipeline.csv") for name in manifest["inputs"])
    assert "expansion opportunities with" in said
    ledger = nr.read_ledger(DATA / "meridian.csv")
    names = set(pd.read_csv(DATA / "meridian_pipeline.csv")["customer"]) | {
        *ledger.frame()["customer"]
    }
    printed = said + json.dumps(manifest, ensure_ascii=False)
    assert not [name for name in names if name in printed]
    assert "Seats November 2026" not in said


def test_an_investor_gets_no_pipeline(tmp_path):
    folder = run_card(card(tmp_path, "audience: investor"), to=[], out=tmp_path)
    assert "opportunit" not in texts_of(folder).replace("opportunities, plan as plans", "").replace(
        "a table customer, opportunity, amount", ""
    )
    assert "pipeline" not in json.loads((folder / "manifest.json").read_text())["numbers"]
