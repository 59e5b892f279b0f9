"""Fiscal years in a ledger: cohorts, every command, and what is no month of the year."""

import json

import pandas as pd
import pytest
from conftest import ROOT, SHARED, fewer, rejected, shared_json
from hypothesis import given
from hypothesis import strategies as st

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals
from nrrsim.ledger.check import check_rows
from nrrsim.ledger.reading import Reading
from nrrsim.ledger.sources import Rows
from nrrsim.months import month_name, shift

MERIDIAN = ROOT / "nrrsim" / "data" / "meridian.csv"
ENDS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


# --- cohorts --------------------------------------------------------------------------------------


def fiscal_names(month: str, year_end: int) -> dict[str, str]:
    """A month's cohorts by name, as pandas counts fiscal quarters."""
    quarter = pd.Period(month, "M").asfreq(f"Q-{ENDS[year_end - 1]}")
    fiscal = f"FY{quarter.qyear % 100:02d}"
    if year_end == 12:
        names = {"quarter": f"{quarter.qyear} Q{quarter.quarter}", "year": str(quarter.qyear)}
    else:
        names = {"quarter": f"Q{quarter.quarter} {fiscal}", "year": fiscal}
    return {f"cohort_{unit}": name for unit, name in (names | {"month": month}).items()}


@st.composite
def arrivals(draw):
    """When each of 2 to 12 customers came, in a ledger of a step; they all stay to its end."""
    step = draw(st.sampled_from([1, 3, 12]))
    first, length = draw(st.integers(2019 * 12, 2021 * 12)), draw(st.integers(24 // step, 40))
    came = draw(st.lists(st.integers(0, length - 1 - 12 // step), min_size=1, max_size=11))
    return first, step, length, [0, *came]


@fewer
@given(
    made=arrivals(), year_end=st.integers(1, 12), by=st.sampled_from(["year", "quarter", "month"])
)
def test_each_customer_is_in_the_cohort_of_its_first_month(made, year_end, by):
    """Whatever the step and wherever the year ends: cohorts part the book, in their order in time."""
    first, step, length, came = made
    rows = [
        (f"c{number}", month_name(first + at * step), 10.0 + number, "s")
        for number, start in enumerate(came)
        for at in range(start, length)
    ]
    frame = pd.DataFrame(rows, columns=["customer", "month", "mrr", "segment"])
    entries = check_rows([Rows("ledger.csv", frame, lambda: range(2, len(frame) + 2))])
    as_of = month_name(first + (length - 1) * step)
    ledger = nr.Ledger(entries, "USD", reading=Reading(fiscal_year_end=year_end))
    found = Actuals(ledger, as_of).split(f"cohort_{by}")

    started, expected = month_name(first), {}
    for number, start in sorted(enumerate(came), key=lambda each: each[1]):
        name = fiscal_names(month_name(first + start * step), year_end)[f"cohort_{by}"]
        name = f"until {started}" if start == 0 else name
        expected[name] = expected.get(name, 0.0) + 12 * (10.0 + number)
    assert found["name"].tolist() == list(expected)
    assert found["opening"].tolist() == pytest.approx(list(expected.values()))
    # the calendar moves no amount
    plain = Actuals(nr.Ledger(entries, "USD"), as_of)
    assert Actuals(ledger, as_of).headline() == plain.headline()


@pytest.mark.shared
@pytest.mark.parametrize("run_of", range(5))
def test_the_case(run, run_of):
    """Cohorts by month, quarter and year, also of a year that ends in January."""
    name = "23_fiscal_cohorts.csv"
    case = shared_json("cases/expected.json")["ledgers"][name]["run"][run_of]
    command, *options = case["args"]
    code, out, _ = run(command, SHARED / "cases" / name, *options, "--json")
    assert code == case["rc"]
    told = json.loads(out)
    assert told["segments"].keys() == case["segments"].keys()
    for ratios, expected in [(told, case), *zip_of(told["segments"], case["segments"])]:
        for key in ("nrr", "grr", "logo", "opening", "closing"):
            assert ratios[key] == pytest.approx(expected[key], abs=1e-9), key


def zip_of(told: dict, expected: dict) -> list[tuple[dict, dict]]:
    return [(told[name], expected[name]) for name in expected]


FORMS = {
    "monthly": "customer,month,mrr\n"
    + "".join(f"A,{shift('2023-12', n)},10\n" for n in range(27))
    + "".join(f"B,{shift('2024-01', n)},10\n" for n in range(26))
    + "".join(f"C,{shift('2024-02', n)},10\n" for n in range(26 - 1)),
    "subscriptions": "customer,start,end,mrr\nA,2023-12-05,,10\nB,2024-01-31,,10\n"
    "C,2024-02-01,,10\nA,2026-02-01,,10\n",
    "quarterly": "customer,month,arr\n"
    + "".join(f"A,{shift('2023-10', 3 * n)},120\n" for n in range(10))
    + "".join(f"B,{shift('2024-01', 3 * n)},120\n" for n in range(9))
    + "".join(f"C,{shift('2024-04', 3 * n)},120\n" for n in range(8)),
    "annual": "customer,month,arr\nA,2023-01,1\nA,2024-01,1\nA,2025-01,1\nA,2026-01,1\n"
    "B,2024-01,1\nB,2025-01,1\nB,2026-01,1\nC,2025-01,1\nC,2026-01,1\n",
}
COHORTS = {  # by form, of a year that ends in January: by quarter, by year
    "monthly": (["until 2023-12", "Q4 FY24", "Q1 FY25"], ["until 2023-12", "FY24", "FY25"]),
    "subscriptions": (["until 2023-12", "Q4 FY24", "Q1 FY25"], ["until 2023-12", "FY24", "FY25"]),
    "quarterly": (["until 2023-10", "Q4 FY24", "Q1 FY25"], ["until 2023-10", "FY24", "FY25"]),
    "annual": (["until 2023-01", "Q4 FY24", "Q4 FY25"], ["until 2023-01", "FY24", "FY25"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_cohorts_of_every_form_of_ledger(write, form):
    ledger = nr.read_ledger(write(FORMS[form]), fiscal_year_end="01", overlap="add")
    past = Actuals(ledger, ledger.months[-1])
    quarters, years = COHORTS[form]
    assert past.split("cohort_quarter")["name"].tolist() == quarters
    assert past.split("cohort_year")["name"].tolist() == years
    assert nr.cohorts(past)["cohort"].drop_duplicates().tolist() == years


def test_cohorts_of_a_young_ledger_are_quarters(write):
    rows = [f"A,{shift('2025-01', n)},9" for n in range(20)]
    rows += [f"B,{shift('2025-08', n)},9" for n in range(13)]
    path = write("customer,month,mrr\n" + "\n".join(rows))
    ledger = nr.read_ledger(path, fiscal_year_end=6)
    found = nr.cohorts(Actuals(ledger, "2026-08"))["cohort"].drop_duplicates()
    assert found.tolist() == ["until 2025-01", "Q1 FY26"]


# --- the commands ---------------------------------------------------------------------------------

COMMANDS = {
    "check": (),
    "metrics": ("--as-of", "2026-09", "--by", "cohort_quarter"),
    "calibrate": ("--as-of", "2026-09"),
    "backtest": ("--every", "12", "--trials", "50"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_december_is_the_calendars_year(run, command):
    """Whoever says it gets the same bytes as who says nothing."""
    words = (command, MERIDIAN, *COMMANDS[command])
    for also in ((), ("--json",)):
        assert run(*words, *also, "--fiscal-year-end", "12") == run(*words, *also)


@pytest.mark.parametrize("command", ["calibrate", "backtest"])
def test_what_is_learnt_is_the_same_in_every_calendar(run, command):
    """Learning and scoring count twelve months back from a month, wherever a year ends."""
    words = (command, MERIDIAN, *COMMANDS[command], "--json")
    code, fiscal, _ = run(*words, "--fiscal-year-end", "01")
    assert code == 0
    # a season is named by its month, which is the same in every calendar
    assert ("peaks in June" in fiscal) == (command == "calibrate")
    assert fiscal == run(*words)[1]


def test_check_says_where_the_year_ends(run):
    code, out, _ = run("check", MERIDIAN, "--fiscal-year-end", "01")
    assert code == 0
    assert "\nfiscal year   ends in January\n" in out
    _, out, _ = run("check", MERIDIAN, "--fiscal-year-end", "01", "--json")
    assert json.loads(out)["fiscal_year_end"] == 1


def test_a_cohorts_quarter_in_data_and_in_print(run):
    """`2024 Q1` in JSON, "Q1 2024" where it is printed; a fiscal one has one form."""
    words = ("metrics", MERIDIAN, *COMMANDS["metrics"])
    data, printed = run(*words, "--json")[1], run(*words)[1]
    assert '"2024 Q1"' in data
    assert "\nQ1 2024 " in printed
    assert "2024 Q1" not in printed
    data, printed = (run(*words, "--fiscal-year-end", "3", *also)[1] for also in (("--json",), ()))
    assert '"Q4 FY24"' in data
    assert "\nQ4 FY24 " in printed
    assert "2024" not in "".join(json.loads(data)["segments"])


def test_a_columns_own_value_is_printed_as_it_is(run, write):
    path = write("customer,month,mrr,won\nA,2024-12,1,2024 Q1\nA,2025-12,1,2024 Q1\n")
    assert "\n2024 Q1 " in run("metrics", path, "--as-of", "2025-12", "--by", "won")[1]


def test_a_calibrated_scenario_is_written_in_every_calendar(run, tmp_path):
    """Where the year ends changes no number of it, so its book need not say it."""
    written = []
    for year_end in ("12", "01"):
        out = tmp_path / f"{year_end}.yaml"
        words = ("calibrate", MERIDIAN, "--as-of", "2026-09", "--out", out)
        code, _, err = run(*words, "--fiscal-year-end", year_end)
        assert code == 0, err
        written.append(out.read_text())
    assert written[0] == written[1]
    assert nr.expect(nr.read_scenario(tmp_path / "01.yaml"))


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("wrong", ["0", "13", "Jan", "1.5", "true", "", "2026-01"])
def test_what_is_no_month_of_the_year_is_refused(run, command, wrong):
    code, out, err = run(command, MERIDIAN, *COMMANDS[command], f"--fiscal-year-end={wrong}")
    assert (code, out) == (2, "")
    assert err.startswith("--fiscal-year-end: must be the month in which the year ends, from 01")
    assert err.endswith(f"got {wrong!r}\n")


@pytest.mark.parametrize("wrong", [0, 13, 1.5, True, "", "Jan"])
def test_the_same_in_python(wrong):
    with pytest.raises(nr.UsageError, match=r"^fiscal_year_end: must be the month in which"):
        nr.read_ledger(MERIDIAN, fiscal_year_end=wrong)


QUARTERS = "customer,month,arr\n" + "".join(
    f"A,{year}Q{quarter},9\n" for year in (2024, 2025) for quarter in (1, 2, 3, 4)
)


def test_a_ledger_of_quarters_is_the_calendars(write):
    """`2024Q1` in a file may be a quarter of either year: with a fiscal one the month is asked for."""
    path = write(QUARTERS)
    assert nr.read_ledger(path).months[0] == "2024-03"
    assert nr.read_ledger(path, fiscal_year_end="12").months[0] == "2024-03"
    findings = rejected(path, fiscal_year_end="06")
    assert len(findings) == 1
    assert findings[0].startswith(
        "ledger.csv:2: month: 8 cells like this, the first here: '2024Q1' is not a month"
    )


@pytest.mark.parametrize(
    "text",
    [
        "customer,month,mrr,renewal\nA,2024-12,1,2025Q4\nA,2025-12,1,2026Q4\n",
        "customer,month,mrr,renewal\nA,2024-12,1,\nA,2025-12,1,2026-Q4\n",
    ],
)
def test_neither_is_a_quarter_a_renewals_month(write, text):
    assert nr.read_ledger(write(text))
    assert "renewal: '202" in rejected(write(text), fiscal_year_end=1)[0]


@pytest.mark.parametrize("period_end", ["exclusive", "inclusive"])
@pytest.mark.parametrize("row", ["A,2025Q1,,1", "A,2024-01-01,2025Q1,1"])
def test_nor_a_subscriptions_day(write, row, period_end):
    path = write(f"customer,start,end,mrr\n{row}\nB,2024-01-01,,1\n")
    assert nr.read_ledger(path, period_end=period_end)
    found = rejected(path, period_end=period_end, fiscal_year_end=1)
    assert len(found) == 1
    assert "'2025Q1' is not a date; write it as YYYY-MM-DD" in found[0]


def test_nor_a_rates(write):
    path = write("customer,month,mrr,currency\nA,2024-12,1,EUR\nA,2025-12,1,EUR\n")
    rates = write("month,currency,rate\n2024Q4,EUR,1.1\n2025Q4,EUR,1.1\n", "rates.csv")
    assert nr.read_ledger(path, rates=rates, currency="USD").converted(None).sum() > 0
    with pytest.raises(nr.UsageError, match="one positive rate for each month"):
        nr.read_ledger(path, rates=rates, currency="USD", fiscal_year_end=1)


EITHER = "quarter of the calendar or of the fiscal year; write its last month as YYYY-MM"
ASKED = {
    "metrics": ("metrics", MERIDIAN, "--as-of", "2026Q3"),
    "calibrate": ("calibrate", MERIDIAN, "--as-of", "2026Q3"),
    "price month": ("calibrate", MERIDIAN, "--as-of", "2026-09", "--price-month", "2026Q1"),
    "backtest": ("backtest", MERIDIAN, "--every", "12", "--trials", "50", "--to", "2026Q3"),
}


@pytest.mark.parametrize("words", ASKED.values(), ids=ASKED)
def test_a_quarter_asked_for_is_the_calendars(run, words):
    assert run(*words)[0] == 0
    code, out, err = run(*words, "--fiscal-year-end", "01")
    assert (code, out) == (2, "")
    assert EITHER in err


def test_the_same_of_what_a_ledger_is_asked():
    ledger = nr.read_ledger(MERIDIAN, fiscal_year_end=1)
    asked = [
        lambda: ledger.cohort("2026Q3"),
        lambda: ledger.book("2026Q1", "2026-09"),
        lambda: ledger.book("2026-03", "2026Q3"),
        lambda: ledger.customers("2026Q3"),
        lambda: Actuals(ledger, "2026Q3"),
        lambda: nr.calibrate(ledger, "2026Q3"),
        lambda: nr.backtest(ledger, first="2025Q3", trials=50),
        lambda: nr.backtest(ledger, to="2026Q3", trials=50),
        lambda: nr.forecast(Actuals(ledger, "2026-09"), price_months=["2026Q1"]),
    ]
    for ask in asked:
        with pytest.raises(nr.UsageError, match=EITHER):
            ask()
