"""Tables of this process as ledgers: the same checks, and findings that name the row's label."""

import datetime
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import pytest

import nrrsim as nr
from nrrsim.ledger.records import rows_of_frame

GOOD = pd.DataFrame(
    {"customer": ["Alder", "Birch"], "month": ["2025-01"] * 2, "mrr": [100.0, 50.25]},
    index=["x", "y"],
)


class Arrow:
    """What hands itself on as Arrow, and can do nothing else: as Polars and PyArrow do."""

    def __init__(self, sql: str) -> None:
        self.rows = duckdb.connect().sql(sql)

    def __arrow_c_stream__(self, requested_schema=None):
        return self.rows.__arrow_c_stream__(requested_schema)


def said_of(*frames) -> str:
    with pytest.raises(nr.DataError) as caught:
        nr.read_ledger(*frames)
    return str(caught.value)


def test_a_frame_is_the_ledger_of_its_file(write):
    path = write("customer,month,mrr\nAlder,2025-01,100\nBirch,2025-01,50.25\n")
    before = GOOD.copy()
    assert nr.read_ledger(GOOD).fingerprint == nr.read_ledger(path).fingerprint
    pd.testing.assert_frame_equal(GOOD, before)


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (["x", "y"], "the table, row 'y': mrr: 'abc' is not a number"),
        (None, "the table, row 1: mrr: 'abc'"),
        ([np.int64(7), np.int64(9)], "the table, row 9: mrr: 'abc'"),
        (pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]), "the table, row ('a', 2): mrr: 'abc'"),
    ],
)
def test_a_finding_names_the_label_of_its_row(index, said):
    frame = pd.DataFrame(GOOD.to_dict("list"), index=index, dtype=object)
    frame.iloc[1, 2] = "abc"
    assert said in said_of(frame)


def test_a_row_that_stands_twice_names_both(write):
    frame = pd.concat([GOOD, GOOD.iloc[:1].set_axis(["z"])])
    said = said_of(frame)
    assert said.startswith("the table, row 'z': stands again")
    assert "(first in the table, row 'x')" in said


def test_two_tables_and_a_file_are_one_ledger(write):
    path = write("customer,month,mrr\nAlder,2025-02,100\n")
    later = GOOD.assign(month="2025-03")
    assert nr.read_ledger(GOOD, path, later).months == ["2025-01", "2025-02", "2025-03"]
    later.loc["y", "mrr"] = -1
    assert said_of(GOOD, later).startswith("table 2, row 'y': mrr: ")


CELLS = {
    "a date": [datetime.date(2025, 1, 1)] * 2,
    "a timestamp": pd.to_datetime(["2025-01-31"] * 2),
    "a period": pd.PeriodIndex(["2025-01"] * 2, freq="M"),
    "a quarter": pd.PeriodIndex(["2025Q1"] * 2, freq="Q"),
    "a category": pd.Categorical(["2025-01"] * 2),
    "a string": pd.array(["2025-01"] * 2, dtype="string"),
}


@pytest.mark.parametrize("kind", CELLS)
def test_months_of_each_kind(kind):
    [month] = nr.read_ledger(GOOD.assign(month=CELLS[kind])).months
    assert month == ("2025-03" if kind == "a quarter" else "2025-01")


@pytest.mark.parametrize(
    "amounts",
    [
        pd.array([100, 50], dtype="Int64"),
        pd.array([100.0, 50], dtype="Float64"),
        [Decimal(100), Decimal("50.00")],
        pd.Categorical([100, 50]),
        ["100", "50.00"],
        np.array([100, 50], dtype="float32"),
    ],
)
def test_amounts_of_each_kind(amounts):
    ledger = nr.read_ledger(GOOD.assign(mrr=amounts))
    assert ledger.customers("2025-01")["arr"].tolist() == [1200, 600]


def test_what_is_missing_is_missing():
    for missing in (pd.array([100, None], dtype="Int64"), [100, np.nan], [100, None]):
        said = said_of(GOOD.assign(mrr=missing))
        assert said.splitlines() == [said]
        assert said.startswith("the table, row 'y': mrr: is empty")


def test_a_named_index_is_a_column():
    assert nr.read_ledger(GOOD.set_index(["customer", "month"])).months == ["2025-01"]
    said = said_of(GOOD.set_index("customer").assign(mrr=-1))
    assert said.startswith("the table, row 'Alder': mrr: ")


def test_months_across_have_headings():
    frame = pd.DataFrame([["Alder", 1.0]], columns=["customer", pd.Timestamp("2025-01-31")])
    assert rows_of_frame(frame).headings == ("customer", "2025-01-31")
    frame = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", ""), ("2025", "Jan")]))
    assert rows_of_frame(frame).headings == ("a", "2025 Jan")
    twice = pd.DataFrame([["Alder", 1, 2]], columns=["customer", "mrr", "mrr"])
    assert "the heading mrr stands twice" in said_of(twice)


def test_what_hands_itself_on_as_arrow():
    sql = "select * from (values ('Alder', date '2025-01-01', 100.50), ('Birch', '2025-01-01', {})) t(customer, month, mrr)"
    ledger = nr.read_ledger(Arrow(sql.format("7::decimal(5, 2)")))
    assert ledger.customers("2025-01")["arr"].to_dict() == {"Alder": 1206.0, "Birch": 84.0}
    assert said_of(Arrow(sql.format("-7"))).startswith("the table, row 1: mrr: '-7' is negative")


def test_what_hands_itself_on_by_the_interchange():
    class Interchange:
        def __dataframe__(self, *given, **how):
            return GOOD.reset_index(drop=True).__dataframe__()

    assert nr.read_ledger(Interchange()).fingerprint == nr.read_ledger(GOOD).fingerprint


def test_what_is_no_table_is_refused():
    class Broken:
        def __arrow_c_stream__(self, requested_schema=None):
            return 1

    with pytest.raises(nr.UsageError, match="cannot be read as a table"):
        nr.read_ledger(Broken())
