"""Python for who works in a notebook: frames, tables, files where objects are, names that complete."""

import dataclasses
import html
import importlib
import inspect
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from conftest import HOSTILE, ROOT

import nrrsim as nr
from nrrsim.ledger.reading import Reading
from nrrsim.movements import MOVEMENTS
from nrrsim.notation import MOST_ROWS, money, percent
from nrrsim.report.charts import svg

MERIDIAN = ROOT / "nrrsim" / "data" / "meridian.csv"
PLAN, OTHER = (ROOT / "params" / "scenarios" / f"nrr-{each}.yaml" for each in (105, 128))


@pytest.fixture(scope="module")
def ledger():
    return nr.read_ledger(MERIDIAN)


@pytest.fixture(scope="module")
def comparison():
    return nr.read_comparison([str(PLAN), str(OTHER)], trials=200)


# --- frames ---------------------------------------------------------------------------------------


def test_a_ledgers_frame_is_its_file_as_arr(ledger):
    frame = ledger.frame()
    assert list(frame.columns[:4]) == ["customer", "month", "arr", "segment"]
    assert {"industry", "region", "plan", "quantity", "unit_price", "renewal"} < set(frame)
    written = pd.read_csv(MERIDIAN).sort_values(["customer", "month"], ignore_index=True)
    for name in ("customer", "month", "segment", "industry"):
        assert frame[name].astype(str).tolist() == written[name].tolist()
    assert np.allclose(frame["arr"], 12 * written["mrr"])
    assert frame["renewal"].isna().tolist() == written["renewal"].isna().tolist()
    assert set(frame["renewal"].dropna()) == set(written["renewal"].dropna())
    frame["arr"] = 0.0
    assert ledger.frame()["arr"].sum() > 0


@pytest.mark.parametrize("trials", [0, 40])
def test_movements_as_rows_tie(ledger, trials):
    m = nr.simulate(PLAN, trials, 1) if trials else ledger.cohort("2026-09")
    frame = m.frame()
    assert list(frame) == [
        *("month", "segment", "opening", *MOVEMENTS, "closing", "opening_customers", "customers")
    ]
    assert len(frame) == len(m.months) * len(m.segments)
    gains = frame[[name for name in MOVEMENTS if name not in ("churn", "contraction")]].sum(axis=1)
    left = frame["opening"] + gains - frame["churn"] - frame["contraction"] - frame["closing"]
    assert left.abs().max() < 0.01
    ends = frame.groupby("month")[["opening", "closing"]].sum()
    nrr = ends["closing"].iloc[-1] / ends["opening"].iloc[0]
    assert nrr == pytest.approx(float(np.mean(nr.nrr(m))))


def test_a_scenarios_frame_has_each_number_with_its_source():
    scenario = nr.Scenario.of(
        {
            "book": {"arr": 1e6, "segments": {"one": {"share": 1, "customers": 9}}},
            "drivers": {
                "churn": {"one": {"rate": {"between": [0.1, 0.2]}, "source": "seen\n twice"}},
                "adoption": {"all": {"rate": 0.4, "size": {"mean": 0.3, "sd": 0.1}}},
            },
        }
    )
    rows = scenario.frame().drop(columns="mean").to_numpy().tolist()
    assert rows == [
        ["churn", "one", "rate", "14.5% (90% range 10.0% to 20.0%)", "seen twice"],
        ["adoption", "all", "rate", "0.40 a year", ""],
        ["adoption", "all", "size", "30.0% (90% of events 16.7% to 48.5%)", ""],
    ]
    assert scenario.frame()["mean"].tolist() == pytest.approx([0.1448, 0.4, 0.3], abs=1e-3)
    assert list(scenario.with_({"drivers": {}}).frame()) == list(scenario.frame())


def test_a_comparisons_frame_is_its_overview(comparison):
    pd.testing.assert_frame_equal(comparison.frame(), comparison.overview())


# --- as tables ------------------------------------------------------------------------------------


def test_each_shows_its_first_rows_in_the_houses_numbers(ledger, comparison):
    cohort, learnt = ledger.cohort("2026-09"), nr.calibrate(ledger, "2026-09")
    for each, number, many in (
        (ledger, money(ledger.frame()["arr"][0], ledger.currency), "16,553 entries"),
        (cohort, money(cohort.frame()["opening"][0], ""), "36 rows"),
        (nr.read_scenario(PLAN), "15.2% (90% range 11.0% to 20.0%)", "22 numbers"),
        (learnt, percent(learnt.frame()["size"].dropna().iloc[0]), "rows"),
        (comparison, percent(comparison.frame()["nrr"][1]), "2 scenarios"),
    ):
        table = html.unescape(each._repr_html_())
        assert f"<td>{number}</td>" in table
        assert many in table
        assert table.split("<tbody>")[1].count("<tr>") == min(len(each.frame()), MOST_ROWS)
        assert (".frame()" in table) == (len(each.frame()) > MOST_ROWS)


def test_a_name_is_never_markup(write):
    for name in HOSTILE:
        text = f'customer,month,mrr\n"{name.replace(chr(34), chr(34) * 2)}",2025-01,1\n'
        shown = nr.read_ledger(write(text))._repr_html_()
        assert "<script" not in shown
        assert f"<td>{name}</td>" in html.unescape(shown)


def test_amounts_of_several_currencies_have_no_sign(write):
    ledger = write("customer,month,mrr,currency\nA,2025-01,100,USD\nB,2025-01,100,EUR\n")
    rates = write("month,currency,rate\n2025-01,EUR,1.1\n", "rates.csv")
    shown = nr.read_ledger(ledger, rates=rates, currency="USD")._repr_html_()
    assert shown.count("<td>1.20K</td>") == 2


def test_pictures_take_the_frames_of_the_analysis(ledger):
    past = nr.Actuals(ledger, "2026-09")
    assert "Mid" not in svg(nr.charts.segment_bars(past.split()))
    assert "mid_market" in svg(nr.charts.segment_bars(past.split()))
    assert "2026-09" in svg(nr.charts.trend(past.trend()))
    assert "smb" in svg(nr.charts.segment_trend(past.segment_trend()))


# --- files where objects are ----------------------------------------------------------------------


@pytest.mark.parametrize("as_text", [False, True], ids=["Path", "str"])
def test_a_file_is_taken_where_what_it_holds_is(ledger, as_text):
    plan, other, book = (str(each) if as_text else each for each in (PLAN, OTHER, MERIDIAN))
    a, b = nr.read_scenario(PLAN), nr.read_scenario(OTHER)
    for function, given, meant in (
        (lambda s: nr.nrr(nr.expect(s)), plan, a),
        (lambda s: float(nr.deviation(s).sum()), plan, a),
        (lambda s: nr.nrr(nr.simulate(s, 20, 1)).mean(), plan, a),
        (lambda s: nr.frontier(s, 1.1), plan, a),
        (lambda s: nr.sensitivity(s, effects=False).beliefs[0].low, plan, a),
        (lambda s: len(nr.programmes(s)), plan, a),
        (lambda s: nr.bridge(a, s).parts, other, b),
        (lambda s: nr.bridge(s, b).parts, plan, a),
        (lambda s: nr.nrr(nr.paired(s, b, 20, 1)[0]).mean(), plan, a),
        (lambda s: nr.calibrate(s, "2026-09").told(), book, ledger),
        (lambda s: nr.backtest(s, every=12, trials=20).told(), book, ledger),
        (lambda s: nr.nrr(nr.actuals(s, "2026-09").cohort), book, [str(book)]),
    ):
        assert function(given) == function(meant)


def test_what_is_learnt_from_a_file_names_it(ledger, monkeypatch, tmp_path):
    assert nr.calibrate(ledger, "2026-09").scenario.book.ledger == "ledger.csv"
    (tmp_path / "own.csv").write_bytes(MERIDIAN.read_bytes())
    monkeypatch.chdir(tmp_path)
    nr.calibrate("own.csv", "2026-09").write("learnt.yaml")
    assert nr.read_scenario("learnt.yaml").book.ledger == "own.csv"


def test_a_files_mistakes_are_said_as_ever(tmp_path):
    with pytest.raises(nr.UsageError, match="there is no such scenario"):
        nr.expect(tmp_path / "plan.yaml")
    with pytest.raises(nr.UsageError, match="there is no such file"):
        nr.calibrate(tmp_path / "ledger.csv", "2026-09")


def test_a_books_remedies_are_keys(write):
    write("customer,start,end,mrr\nA,2025-01-01,2026-01-01,5\n")
    plan = write("book: {ledger: ledger.csv, as_of: 2026-01}\n", "plan.yaml")
    with pytest.raises(nr.UsageError, match=r"book.as_of: .*until: 2026-01") as caught:
        nr.read_scenario(plan)
    assert "--" not in str(caught.value)


# --- names ----------------------------------------------------------------------------------------


def test_every_option_of_reading_completes():
    shown = inspect.signature(nr.read_ledger).parameters
    assert {each.name for each in dataclasses.fields(Reading)} < set(shown)
    assert shown["unit"].default is None
    assert shown["transpose"].default is False
    assert not any(each.kind is each.VAR_KEYWORD for each in shown.values())
    with pytest.raises(nr.UsageError, match="did you mean unit"):
        nr.read_ledger(MERIDIAN, units="mrr")


WINGS = [
    "",
    "ledger",
    "scenario",
    "engine",
    "calibration",
    "accounts",
    "analysis",
    "report",
    "whatif",
    "cli",
]
WINGS += ["report.charts", "report.tables", "report.wording", "report.pages"]


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_shows_what_it_offers_and_nothing_else(wing):
    module = importlib.import_module(f"nrrsim.{wing}".rstrip("."))
    assert sorted(module.__all__) == sorted(dir(module))
    assert not {"np", "pd", "re", "Any", "annotations"} & set(dir(module))


def test_the_version_is_the_packages():
    assert re.fullmatch(r"\d+\.\d+\.\d+", nr.__version__)
    assert (ROOT / "nrrsim" / "py.typed").is_file()


def test_what_is_shown_can_be_sent(ledger):
    """A signature of its own keeps a function what it was."""
    assert pickle.loads(pickle.dumps(nr.read_ledger)) is nr.read_ledger
