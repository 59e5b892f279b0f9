"""Plans: the forms of a table, a scenario, and what is wrong with one, by file and line."""

import pandas as pd
import pytest

import nrrsim as nr
from nrrsim.files import write_parquet
from nrrsim.months import Calendar

ROWS = {("2026-06", "smb"): 100.0, ("2026-06", "mid"): 200.5, ("2026-09", "smb"): 110.0}


def stated(plan):
    return {(row.month, row.segment): row.value for row in plan.rows.itertuples()}


@pytest.mark.parametrize(
    "text",
    [
        "month,segment,arr\n2026-06,smb,100\n2026-06,mid,200.5\n2026-09,smb,110\n",
        "ARR;Segment;Month\n100;smb;30.06.2026\n200,5;mid;30.06.2026\n110;smb;Sep-26\n",
        "month\tsegment\tarr\tnote\n2026Q2\tsmb\t$100\tx\n2026Q2\tmid\t$200.50\t\n2026Q3\tsmb\t$110\t\n",
    ],
    ids=["plain", "German", "quarters and signs"],
)
def test_a_table_of_arr_in_the_forms_of_a_ledger(write, text):
    plan = nr.read_plan(write(text, "plan.csv"))
    assert (plan.name, plan.measure) == ("plan.csv", "arr")
    assert stated(plan) == ROWS
    assert plan.months == ["2026-06", "2026-09"]
    assert plan.of("2026-09").to_dict() == {"smb": 110.0}
    assert plan.of("2026-07").empty


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["105%", "1.05", "98.5 %"], [1.05, 1.05, 0.985]),
        (["105,3 %", "1,05", "0"], [1.053, 1.05, 0.0]),
    ],
)
def test_an_nrr_is_a_ratio_or_says_percent(write, cells, expected):
    rows = "".join(f"2026-09;{name};{cell}\n" for name, cell in zip("abc", cells, strict=True))
    plan = nr.read_plan(write("month;segment;NRR\n" + rows, "plan.csv"))
    assert plan.measure == "nrr"
    assert plan.rows["value"].tolist() == expected


@pytest.mark.parametrize("ending", ["xlsx", "parquet"])
def test_a_spreadsheet_and_a_parquet_file_read_the_same(tmp_path, ending):
    frame = pd.DataFrame(
        [(month, segment, arr) for (month, segment), arr in ROWS.items()],
        columns=["month", "segment", "arr"],
    )
    path = tmp_path / f"plan.{ending}"
    if ending == "xlsx":
        frame.to_excel(path, index=False)
    else:
        write_parquet(frame, path, {})
    assert stated(nr.read_plan(path)) == ROWS


def test_a_total_alone_is_the_whole_company(write):
    plan = nr.read_plan(write("month,segment,arr\n2026-09,Total,5\n2026-06,all,4\n", "plan.csv"))
    assert stated(plan) == {("2026-09", "all"): 5.0, ("2026-06", "all"): 4.0}


@pytest.mark.parametrize(
    ("heading", "cell", "expected"),
    [("arr", "5", ""), ("ARR (EUR)", "5", "EUR"), ("arr", "€5", "EUR"), ("arr", "¥5", "JPY")],
)
def test_the_currency_that_a_table_says(write, heading, cell, expected):
    text = f"month,segment,{heading}\n2026-09,smb,{cell}\n"
    assert nr.read_plan(write(text, "plan.csv")).currency == expected


def test_a_scenario_is_a_plan(write):
    text = "book: {arr: 100, segments: {smb: {share: 1, customers: 2}}}\ndrivers: {}\n"
    plan = nr.read_plan(write(text, "plan.yaml"))
    assert plan.rows is None
    assert plan.scenario.segments == ("smb",)
    assert (plan.months, plan.of("2026-09").to_dict()) == ([], {})


def test_a_fiscal_quarter_is_of_the_companys_year(write):
    path = write("month,segment,arr\nFY27 Q3,smb,5\n", "plan.csv")
    assert nr.read_plan(path, Calendar(1)).months == ["2026-10"]


HEAD = "month,segment,arr\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("month,arr\n2026-09,5\n", [":1: there is no column segment"]),
        ("segment,when,sum\na,b,1\n", [":1: there is no column arr", ":1: there is no column month"]),
        ("month,segment,mrr\n2026-09,a,5\n", ["twelve times MRR"]),
        ("month,segment,arr,nrr\n2026-09,a,5,1\n", ["there are arr and nrr"]),
        (HEAD, ["there are no rows"]),
        (HEAD + "soon,a,5\n,b,5\n", [":2: month: 'soon' is not", ":3: month: is empty"]),
        (HEAD + "01/02/2026,a,5\n", ["'01/02/2026' is not, or not surely, a month"]),
        (HEAD + "2026-09,,5\n", [":2: segment: is empty"]),
        (HEAD + "2026-09,a,-5\n2026-09,b,much\n2026-09,c,\n2026-09,d,inf\n",
         [":2: arr: '-5'", ":3: arr: 'much'", ":4: arr: is empty", ":5: arr: 'inf'"]),
        (HEAD + '2026-09,a,"1,000"\n', ["'1,000' has a thousands sign or a decimal sign"]),
        (HEAD + "2026-09,a,5\n2026-09,a,6\n", [":3: segment: a stands again for the same month"]),
        (HEAD + "2026-09,a,5\n2026-09,Total,5\n", [":3: segment: a total stands beside"]),
        (HEAD + "2026-09,a,€5\n2026-09,b,$5\n", ["amounts are in EUR and USD"]),
        ("month,segment,nrr\n2026-09,a,105\n2026-09,b,x\n2026-09,c,-1\n",
         [":2: nrr: must be 0 or more, and at most 10", ":3: nrr: 'x' is not", ":4: nrr: must be"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_all_at_once_by_line(write, text, told):
    path = write(text, "plan.csv")
    with pytest.raises(nr.DataError) as caught:
        nr.read_plan(path)
    found = [str(finding) for finding in caught.value.findings]
    assert len(found) == len(told)
    for finding, expected in zip(found, told, strict=True):
        assert finding.startswith(f"{path}:")
        assert expected in finding


def test_a_ratio_that_is_a_percentage_is_asked_about(write):
    with pytest.raises(nr.DataError, match=r"got 105; did you mean 1\.05\?"):
        nr.read_plan(write("month,segment,nrr\n2026-09,a,105\n", "plan.csv"))


def test_a_file_that_is_not_there_and_one_of_several_tables(tmp_path):
    with pytest.raises(nr.UsageError, match="there is no such file"):
        nr.read_plan(tmp_path / "plan.csv")
    with pd.ExcelWriter(tmp_path / "plan.xlsx") as book:
        for sheet in ("2026-06", "2026-09"):
            pd.DataFrame({"customer": ["A"], "mrr": [5]}).to_excel(
                book, sheet_name=sheet, index=False
            )
    with pytest.raises(nr.NrrsimError, match="stands in one table, and here are 2"):
        nr.read_plan(tmp_path / "plan.xlsx")
