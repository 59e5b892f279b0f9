"""Fiscal years on pages: every quarter and year that a report names follows the card's calendar."""

import json
import os
import re
import subprocess
from itertools import takewhile

import pytest
from conftest import ROOT, said_of, squeezed, text_of
from python_calamine import CalamineWorkbook
from ruamel.yaml import YAML

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals
from nrrsim.months import shift
from nrrsim.report import charts
from nrrsim.report.card import read_card
from nrrsim.report.manifest import verify
from nrrsim.report.run import run_card
from nrrsim.report.wording import forecast, quarterly

MERIDIAN = ROOT / "nrrsim" / "data" / "meridian.csv"
# A quarter or year of the calendar, as a report names it; months and FY27 are none.
OF_THE_CALENDAR = re.compile(r"\b(19|20)\d\d Q[1-4]|\bQ[1-4] (19|20)\d\d")


def names(first: str, number: int, calendar: dict[str, str]) -> list[str]:
    """What the reports of `number` quarters are called, from the month `first` on."""
    return [calendar[shift(first, 3 * after)] for after in range(number)]


# Worked by hand: each month in which a quarter ends, of years that end in January, June, September.
BY_HAND = {
    "01": {
        "2024-10": "Q3 FY25", "2025-01": "Q4 FY25", "2025-04": "Q1 FY26", "2025-07": "Q2 FY26",
        "2025-10": "Q3 FY26", "2026-01": "Q4 FY26", "2026-04": "Q1 FY27", "2026-07": "Q2 FY27",
        "2026-10": "Q3 FY27", "2027-01": "Q4 FY27", "2027-04": "Q1 FY28", "2027-07": "Q2 FY28",
    },
    "06": {
        "2024-12": "Q2 FY25", "2025-03": "Q3 FY25", "2025-06": "Q4 FY25", "2025-09": "Q1 FY26",
        "2025-12": "Q2 FY26", "2026-03": "Q3 FY26", "2026-06": "Q4 FY26", "2026-09": "Q1 FY27",
        "2026-12": "Q2 FY27", "2027-03": "Q3 FY27", "2027-06": "Q4 FY27", "2027-09": "Q1 FY28",
    },
    "09": {
        "2024-12": "Q1 FY25", "2025-03": "Q2 FY25", "2025-06": "Q3 FY25", "2025-09": "Q4 FY25",
        "2025-12": "Q1 FY26", "2026-03": "Q2 FY26", "2026-06": "Q3 FY26", "2026-09": "Q4 FY26",
        "2026-12": "Q1 FY27", "2027-03": "Q2 FY27", "2027-06": "Q3 FY27", "2027-09": "Q4 FY27",
    },
    "12": {
        "2024-12": "Q4 2024", "2025-03": "Q1 2025", "2025-06": "Q2 2025", "2025-09": "Q3 2025",
        "2025-12": "Q4 2025", "2026-03": "Q1 2026", "2026-06": "Q2 2026", "2026-09": "Q3 2026",
        "2026-12": "Q4 2026", "2027-03": "Q1 2027", "2027-06": "Q2 2027", "2027-09": "Q3 2027",
    },
}  # fmt: skip


# --- facts and frames -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "year_end",
    ["01", *(pytest.param(each, marks=pytest.mark.slow) for each in BY_HAND if each != "01")],
)
def test_everything_that_names_a_quarter_follows(year_end):
    calendar = BY_HAND[year_end]
    *_, as_of = [month for month in calendar if month <= "2026-09"]
    ledger = nr.read_ledger(MERIDIAN, fiscal_year_end=year_end)
    past = Actuals(ledger, as_of, target=1.1)
    last, now = calendar[shift(as_of, -3)], calendar[as_of]

    first = shift(as_of, -21)
    assert quarterly.last_report(past) == last
    assert quarterly.periods(past.trend(), past)["period"].tolist() == names(first, 8, calendar)
    of_segments = quarterly.periods(past.segment_trend(), past)["period"]
    assert of_segments.drop_duplicates().tolist() == names(first, 8, calendar)
    due = quarterly.renewals(past)["period"].tolist()
    assert due == names(shift(as_of, -9), 8, calendar)
    assert f"pts vs {last}" in quarterly.key_figures(past)[0][2]

    assert f"% in {last} and" in said_of(past, "bottom_line")
    assert f"p on {last}: " in said_of(past, "segments")
    assert f" points on {last}" in said_of(past, "stand")
    assert f"Since {calendar[first]}:" in said_of(past, "segment_trend")
    coming = re.search(r"most of it in (.+?) \(", said_of(past, "renewals"))
    assert coming[1] in names(shift(as_of, 3), 4, calendar)
    fiscal = "Quarters and years are fiscal" in said_of(past, "definition")
    assert fiscal == (year_end != "12")

    ahead = nr.forecast(past, trials=100)
    fan = forecast.fan(ahead)["period"].drop_duplicates().tolist()
    assert fan == names(first, 12, calendar)
    end = calendar[shift(as_of, 12)]
    assert f"twelve months to {end} is" in said_of(ahead, "fan")
    tested = forecast.intervals(ahead.backtest, ledger.step)["period"].tolist()
    assert tested[-1] == now

    every = [*quarterly.SENTENCES]
    text = said_of(past, *every) + said_of(ahead, *forecast.SENTENCES)
    assert bool(OF_THE_CALENDAR.search(text)) == (year_end == "12")
    assert "is not the end of a fiscal" not in text


def test_the_calendar_moves_no_number():
    """It says what months are called, and where cohorts begin: all else of a report is the same."""
    plain, fiscal = (
        Actuals(nr.read_ledger(MERIDIAN, fiscal_year_end=end), "2026-09", target=1.1)
        for end in (12, 1)
    )
    assert plain.record() == fiscal.record()
    assert plain.trend().equals(fiscal.trend())
    ahead = [nr.forecast(past, trials=100) for past in (plain, fiscal)]
    assert ahead[0].record() == ahead[1].record()
    assert nr.renewals(plain).equals(nr.renewals(fiscal))


@pytest.mark.parametrize(
    ("as_of", "year_end", "said"),
    [
        ("2026-09", "01", "September 2026 is not the end of a fiscal quarter (the fiscal year ends in January);"
         " the comparison is with Jun 2026, 3 months earlier."),
        ("2026-08", "12", ""),  # the calendar's year is not made much of
        ("2026-08", "09", "August 2026 is not the end of a fiscal quarter (the fiscal year ends in September);"
         " the comparison is with May 2026, 3 months earlier."),
        ("2023-11", "01", "November 2023 is not the end of a fiscal quarter (the fiscal year ends in January)."),
        ("2026-07", "01", ""),
        ("2026-06", "03", ""),
    ],
)  # fmt: skip
def test_a_report_that_ends_no_fiscal_quarter_says_so(as_of, year_end, said):
    past = Actuals(nr.read_ledger(MERIDIAN, fiscal_year_end=year_end), as_of)
    told = said_of(past, "bottom_line").replace("\\", "")
    assert said in told
    assert bool(said) == ("is not the end of a fiscal" in told)


def annual(month: str, years: int = 5) -> str:
    rows = [f"{who},{shift(month, -12 * n)},{9 + n}" for n in range(years) for who in "AB"]
    return "customer,month,arr\n" + "\n".join(rows)


@pytest.mark.parametrize(
    ("month", "year_end", "reports", "says_so"),
    [
        ("2026-01", "01", ["FY23", "FY24", "FY25", "FY26"], False),
        ("2026-06", "06", ["FY23", "FY24", "FY25", "FY26"], False),
        ("2026-06", "01", ["Jun 2023", "Jun 2024", "Jun 2025", "Jun 2026"], True),
        (
            "2026-06",
            "03",
            ["Jun 2023", "Jun 2024", "Jun 2025", "Jun 2026"],
            True,
        ),  # a quarter's end
        ("2026-06", "12", ["2023", "2024", "2025", "2026"], False),
    ],
)
def test_reports_of_an_annual_ledger(write, month, year_end, reports, says_so):
    ledger = nr.read_ledger(write(annual(month)), fiscal_year_end=year_end)
    past = Actuals(ledger, month)
    assert quarterly.last_report(past) == reports[-2]
    assert quarterly.periods(past.trend(), past)["period"].tolist() == reports
    assert ("is not the end of a fiscal year" in said_of(past, "bottom_line")) == says_so
    found = forecast.intervals(nr.backtest(ledger, trials=50), ledger.step)["period"].tolist()
    assert found[-1] == reports[-1]


def test_reports_of_a_quarterly_ledger(write):
    rows = [f"{who},{shift('2023-01', 3 * n)},{9 + n}" for n in range(14) for who in "AB"]
    path = write("customer,month,arr\n" + "\n".join(rows))
    for year_end, expected in (("01", "Q1 FY27"), ("10", "Q2 FY26"), ("12", "Apr 2026")):
        past = Actuals(nr.read_ledger(path, fiscal_year_end=year_end), "2026-04")
        assert quarterly.periods(past.trend(), past)["period"].iloc[-1] == expected


@pytest.mark.parametrize(("year_end", "name"), [("12", "Q3 2025"), ("01", "Q3 FY26")])
def test_a_heatmap_prints_the_quarters_of_a_young_ledger(write, year_end, name):
    """A cohort's quarter has another form in data, which no picture shows."""
    rows = [f"A,{shift('2025-01', n)},9" for n in range(20)]
    rows += [f"B,{shift('2025-09', n)},9" for n in range(12)]
    path = write("customer,month,mrr\n" + "\n".join(rows))
    found = nr.cohorts(Actuals(nr.read_ledger(path, fiscal_year_end=year_end), "2026-08"))
    assert found["cohort"].iloc[-1] == ("2025 Q3" if year_end == "12" else name)
    drawn = charts.cohort_heatmap(found, currency="USD").to_dict()
    shown = drawn["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert shown == ["until January 2025 ($108)", f"{name} ($108)"]


@pytest.mark.slow
def test_a_template_of_ones_own_names_fiscal_quarters(tmp_path):
    (tmp_path / "quarterly").mkdir()
    (tmp_path / "quarterly" / "trend.md.j2").write_text("Now: {{ as_of|quarter }}.")
    (tmp_path / "forecast").mkdir()
    (tmp_path / "forecast" / "fan.md.j2").write_text("Then: {{ as_of|quarter }}.")
    for year_end, now in (("01", "Q2 FY27"), ("12", "Jul 2026"), ("04", "Q1 FY27")):
        past = Actuals(nr.read_ledger(MERIDIAN, fiscal_year_end=year_end), "2026-07")
        ahead = nr.forecast(past, trials=100)
        for name, subject, word in (("trend", past, "Now"), ("fan", ahead, "Then")):
            told = nr.say(name, subject, own=tmp_path).bundle["text/markdown"]
            assert told == f"{word}: {now}."


# --- the whole report -----------------------------------------------------------------------------

CARD = """notebook: quarterly_report
company: Meridian Cloud
ledger: {ledger}
as_of: "2026-07"
target: 1.10
trials: 100
fiscal_year_end: 01
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The example's report in a year that ends in January."""
    folder = tmp_path_factory.mktemp("fiscal")
    card = folder / "fy27-q2.yaml"
    card.write_text(CARD.format(ledger=MERIDIAN.as_posix()))
    return run_card(card, out=folder / "reports", to=("pdf", "html", "xlsx"), engine="embedded")


@pytest.mark.slow
def test_the_pages_name_fiscal_quarters_alone(finished):
    page = (finished / "report.html").read_text()
    for text in (page, text_of(finished / "report.pdf")):
        assert not OF_THE_CALENDAR.search(text)
    told = squeezed(text_of(finished / "report.pdf"))
    # figures, tables and sentences; the last is the forecast's end
    for name in ("Q3FY25", "vsQ1FY27", "Q2FY27", "Q2FY28", "FY24(3.76M)"):
        assert name in told, name
    assert "Quartersandyearsarefiscal:ayearendsinJanuary" in told


@pytest.mark.slow
def test_the_workbook_names_fiscal_quarters_alone(finished):
    book = CalamineWorkbook.from_path(str(finished / "report.xlsx"))
    sheets = {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}
    assert not OF_THE_CALENDAR.search(json.dumps(sheets, default=str))
    periods = [*names("2025-10", 8, BY_HAND["01"]), "Past 4 quarters", "Next 4 quarters"]
    assert below(sheets, "Period", "Contracts") == periods
    cohorts = below(sheets, "Cohort", "Customers")
    assert cohorts == ["until October 2022", "FY23", "FY24", "FY25", "FY26", "All"]


def below(sheets, *heads):
    """The first column of the table whose headings begin so."""
    rows = next(each for each in sheets.values() if any(row[:2] == [*heads] for row in each))
    first = next(n for n, row in enumerate(rows) if row[:2] == [*heads]) + 1
    return [row[0] for row in takewhile(lambda row: row[0] != "", rows[first:])]


@pytest.mark.slow
def test_the_manifest_holds_the_year_end(finished):
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["parameters"]["reading"]["fiscal_year_end"] == 1
    assert manifest["numbers"]["as_of"] == "2026-07"
    assert verify(finished)


# --- cards ----------------------------------------------------------------------------------------

NOTEBOOKS = {
    "quarterly_report": "as_of: '2026-09'\n",
    "backtest": "",
}


@pytest.mark.parametrize("notebook", NOTEBOOKS)
@pytest.mark.parametrize(
    "wrong", ["0", "13", "Jan", "true", "1.5", "'00'", "[1]", "2026-01", "yes"]
)
def test_a_card_is_refused_with_its_line(write, notebook, wrong):
    text = f"notebook: {notebook}\ncompany: A\nledger: a.csv\nfiscal_year_end: {wrong}\n"
    path = write(text + NOTEBOOKS[notebook], "card.yaml")
    with pytest.raises(nr.UsageError) as caught:
        read_card(path)
    assert str(caught.value).startswith(f"{path}:4: fiscal_year_end: must be ")


def test_an_empty_year_end_is_refused(write):
    text = "notebook: backtest\ncompany: A\nledger: a.csv\nfiscal_year_end:\n"
    with pytest.raises(nr.UsageError, match="fiscal_year_end: is empty; give a value, or leave"):
        read_card(write(text, "card.yaml"))


@pytest.mark.parametrize("right", ["1", "01", "12", "'01'", '"09"', "09", "1.0", "12.0"])
def test_a_year_end_as_people_write_it_in_a_card(write, right):
    text = f"notebook: backtest\ncompany: A\nledger: a.csv\nfiscal_year_end: {right}\n"
    given = read_card(write(text, "card.yaml")).parameters["reading"]
    assert nr.read_ledger(MERIDIAN, reading=given).calendar.year_end == int(
        float(right.strip("'\""))
    )


@pytest.mark.parametrize(
    ("year_end", "today", "card"),
    [
        ("12", "2026-10", "2026Q3"),
        ("12", "2027-01", "2026Q4"),
        ("01", "2026-11", "FY2027Q3"),
        ("01", "2027-02", "FY2027Q4"),
        ("06", "2026-10", "FY2027Q1"),
        ("09", "2026-10", "FY2026Q4"),
    ],
)
def test_the_workflow_finds_the_card_of_the_quarter_that_has_ended(tmp_path, year_end, today, card):
    """Its own script, on a day of that month."""
    workflow = ROOT / ".github" / "workflows" / "quarterly-report.yml"
    steps = YAML(typ="safe").load(workflow)["jobs"]["report"]["steps"]
    script = next(step["run"] for step in steps if step.get("id") == "find")
    day = f'date() {{ [[ "$*" == "--utc +%Y-%m-01" ]] && echo {today}-01 || command date "$@"; }}\n'
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / f"{card}.yaml").touch()
    found = {"CARD": "", "YEAR_END": year_end, "GITHUB_OUTPUT": "found", "PATH": os.environ["PATH"]}
    subprocess.run(["bash", "-ec", day + script], cwd=tmp_path, env=found, check=True)
    assert (tmp_path / "found").read_text() == f"card=params/{card}.yaml\nname={card}\n"
