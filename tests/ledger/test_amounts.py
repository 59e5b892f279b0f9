"""Amounts as people write them: each spelling of INTAKE's rule 4, and any column in one convention."""

import csv
import datetime
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nrrsim.ledger.amounts import read_amounts

INTAKE = Path(__file__).parents[3] / "shared" / "data" / "intake"
NO_AMOUNT, ERROR = "no amount", "error"

# Beside a plain 500, and so without another cell that tells the decimal sign.
ALONE = {
    "1000": 1000, " 1000 ": 1000, "-1000": -1000, "+1000": 1000, "1000.": 1000, ".5": 0.5, ",5": 0.5,
    "1.0E3": 1000, "1e3": 1000, "1,0E3": 1000, "-1.5E-3": -0.0015, "１０００": 1000, "1000,50": 1000.5,
    "1 000": 1000, "1\u00a0000": 1000, "1\u2009000": 1000, "1\u202f000,5": 1000.5, "1'000": 1000,
    "1’000.50": 1000.5, "1 000.000": 1000, "1,000.000": 1000, "1.000,5": 1000.5, "1,234,567": 1234567,
    "1.000.000": 1000000, "0.500": 0.5, "0,500": 0.5, "1000.500": 1000.5, "12.3456": 12.3456,
    "$1,000.00": 1000, "€1000": 1000, "1.000,00 €": 1000, "USD 1000": 1000, "1000usd": 1000, "US$ 5": 5,
    "1 000,00 kr": 1000, "$5 USD": 5, "￥5": 5, "($1,000.00)": -1000, "$(5)": -5, "(5) USD": -5,
    "-$5": -5, "$-5": -5, "$5-": -5, "1000.00-": -1000, "\u22125": -5, "–5": -5,
    "1.5k": 1500, "2.3K": 2300, "$2M": 2e6, "2 MUSD": 2e6, "5 MKD": 5, "5 KRW": 5, "1000.k": 1e6,
    "-": NO_AMOUNT, "—": NO_AMOUNT, "–": NO_AMOUNT, "": NO_AMOUNT, "  ": NO_AMOUNT, "$ -": NO_AMOUNT,
    " $-   ": NO_AMOUNT, "- €": NO_AMOUNT, "$ –": NO_AMOUNT,
    "inf": np.inf, "-Infinity": -np.inf, "1e400": np.inf,
    "1_000": ERROR, "0x3E8": ERROR, "1000%": ERROR, "abc": ERROR, "ABC 5": ERROR, "1000²": ERROR, "½": ERROR,
    "1000.0.0": ERROR, "1,00,000": ERROR, "1,000,00": ERROR, "1 00": ERROR, "0 500": ERROR, "1.000,000.5": ERROR,
    "--5": ERROR, "-(5)": ERROR, "5+": ERROR, "-5-": ERROR, "1000.-": ERROR, "1000,-": ERROR, "1e3k": ERROR,
    "$5 EUR": ERROR, "nan": ERROR, "NaN": ERROR, "null": ERROR, "n/a": ERROR, "TRUE": ERROR, "#REF!": ERROR,
    "2024-12-01": ERROR, "12-2024": ERROR, "$": ERROR, "k": ERROR, ".": ERROR, "٣": ERROR, "1\n2": ERROR,
    "9" * 500 + "x": ERROR,
}  # fmt: skip
UNDECIDED = [
    "1.000",
    "1,000",
    "-1.000",
    "(1,000)",
    "$1,000",
    "999.999",
    "1.000 €",
    "12,345k",
    "012.345",
]


@pytest.mark.parametrize(("text", "right"), ALONE.items(), ids=map(ascii, ALONE))
def test_a_spelling_alone_is_read_or_refused(text, right):
    read = read_amounts(pd.Series(["500", text]))
    assert (read.values[0], read.undecided, read.contradicts) == (500, (), None)
    assert bool(read.blank[1]) == (right is NO_AMOUNT)
    assert bool(read.unreadable[1]) == (right is ERROR)
    assert np.array_equal(
        read.values[1], np.nan if right in (NO_AMOUNT, ERROR) else right, equal_nan=True
    )


@pytest.mark.parametrize("text", UNDECIDED)
def test_a_thousands_sign_and_a_decimal_sign_look_alike(text):
    read = read_amounts(pd.Series(["500", text, text]))
    assert read.undecided == (1, 2)
    assert read.decimal == ""
    assert np.isnan(read.values[1:]).all()
    assert not (read.unreadable | read.blank).any()
    sign = "." if "." in text else ","
    as_decimal, as_thousands = (
        read_amounts(pd.Series([text]), decimal=mark).values[0]
        for mark in (sign, ".,".replace(sign, ""))
    )
    assert as_thousands == as_decimal * 1000


@pytest.mark.parametrize(
    ("telling", "cells", "right"),
    [
        ("1,234.50", ["1,000", "1.000", "12"], [1000, 1, 12]),
        ("1.234,50", ["1,000", "1.000", "12"], [1, 1000, 12]),
        ("0,5", ["1.000", "12,00,000"], [1000, np.nan]),
        ("1,000,000", ["1.000", "7,50"], None),
        ("1 000,5", ["1.000", "1,000"], [1000, 1]),
        ("12.3456", ["1,000", "1.000.000"], None),
        ("0,5", ["1.000", "1,000.5"], None),
        ("0,500", ["1.50"], None),
    ],
)
def test_one_cell_tells_it_for_the_column(telling, cells, right):
    for order in (1, -1):
        read = read_amounts(pd.Series([*cells, telling][::order]))
        if right is None:
            assert read.contradicts is not None
            assert read.decimal == ""
            assert np.isnan(read.values).all()
            assert not read.unreadable.any()
        else:
            assert np.array_equal(read.values[::order][:-1], right, equal_nan=True)
            assert np.array_equal(read.unreadable[::order][:-1], np.isnan(right))


def test_the_two_cells_that_contradict_are_told():
    read = read_amounts(pd.Series(["1.000", "7", "1.000.000", "0.5", "1,5"]))
    assert read.contradicts == (3, 2)
    assert read.undecided == ()
    assert read.values[1] == 7


def test_what_is_said_settles_it_and_what_does_not_fit_is_unreadable():
    read = read_amounts(pd.Series(["1.000", "1000.50", "1.000,5", "7"]), decimal=",")
    assert read.values[[0, 2, 3]].tolist() == [1000, 1000.5, 7]
    assert read.unreadable.tolist() == [False, True, False, False]
    assert read.decimal == ","


def test_currency_and_thousands_are_told_by_cell():
    read = read_amounts(pd.Series(["$5", "5 eur", "US$ 5", "$5 USD", "5", "$ -", "2.5k", None]))
    assert read.currency.tolist() == ["$", "EUR", "USD", "USD", None, "$", None, None]
    assert read.multiplied.tolist() == [False] * 6 + [True, False]
    assert read.blank.tolist() == [False] * 5 + [True, False, True]


def test_cells_with_a_type_are_what_they_are():
    cells = [
        1,
        1.0,
        1.5,
        Decimal("2.125"),
        True,
        datetime.date(2025, 1, 1),
        None,
        float("nan"),
        np.int64(3),
    ]
    read = read_amounts(pd.Series([*cells, "1,000.5"], dtype=object))
    right = [1, 1, 1.5, 2.125, np.nan, np.nan, np.nan, np.nan, 3, 1000.5]
    assert np.array_equal(read.values, right, equal_nan=True)
    assert np.flatnonzero(read.unreadable).tolist() == [4, 5]
    assert np.flatnonzero(read.blank).tolist() == [6, 7]


@pytest.mark.parametrize(
    ("cells", "right"),
    [
        (pd.Series([1.5, np.nan, np.inf]), [1.5, np.nan, np.inf]),
        (pd.Series([1, None], dtype="Int64"), [1, np.nan]),
        (pd.Series([1, 2.5, None], dtype=object), [1, 2.5, np.nan]),
        (pd.Series([10**400, 1], dtype=object), [np.inf, 1]),
        (pd.Series([True, False]), [np.nan, np.nan]),
        (pd.Series([True, None], dtype=object), [np.nan, np.nan]),
        (pd.to_datetime(pd.Series(["2025-01-01"])), [np.nan]),
        (pd.Series([None, None], dtype=object), [np.nan, np.nan]),
        (pd.Series([], dtype=object), []),
        (pd.Series([], dtype=str), []),
    ],
)  # fmt: skip
def test_columns_of_one_type(cells, right):
    read = read_amounts(cells)
    assert np.array_equal(read.values, np.array(right, float), equal_nan=True)
    assert np.array_equal(read.blank, cells.isna().to_numpy())
    assert np.array_equal(read.unreadable, np.isnan(read.values) & ~read.blank)


@given(
    st.lists(
        st.one_of(st.decimals(-(10**9), 10**9, places=places) for places in (0, 2, 5)), min_size=1
    )
)
def test_plain_text_is_read_as_pandas_reads_it(amounts):
    cells = pd.Series([f"{amount:f}" for amount in amounts] + ["0.5"])
    for read in (
        read_amounts(cells),
        read_amounts(cells.astype(object)),
        read_amounts(pd.concat([cells, pd.Series(["$1"])])),
    ):
        assert np.array_equal(read.values[: len(cells)], pd.to_numeric(cells).to_numpy(float))


@st.composite
def conventions(draw):
    """A way to write any number of units and decimals: (written, decimal sign)."""
    point = draw(st.sampled_from(".,"))
    group = draw(st.sampled_from(["", ".,".replace(point, ""), "'", " ", "\u00a0", "\u202f"]))
    before, after = draw(
        st.sampled_from([("", ""), ("$", ""), ("", " €"), ("USD ", ""), ("", " usd")])
    )
    minus = draw(st.sampled_from(["-{}", "({})", "{}-"]))

    def written(amount: Decimal, places: int) -> str:
        text = (
            f"{abs(amount):,.{places}f}".replace(".", "\0").replace(",", group).replace("\0", point)
        )
        whole = f"{before}{text}{after}"
        return minus.format(whole) if amount < 0 else whole

    return written, point


PLACES = st.integers(0, 4)
AMOUNTS = st.lists(
    st.tuples(st.integers(-(10**9), 10**9), PLACES).map(
        lambda each: (Decimal(each[0]).scaleb(-each[1]), each[1])
    ),
    min_size=1,
    max_size=12,
)


@given(conventions(), AMOUNTS, st.randoms())
def test_one_telling_cell_reads_a_whole_convention_back(convention, amounts, random):
    written, point = convention
    cells = [*(written(*each) for each in amounts), written(Decimal("1234.5"), 1)]
    right = [*(float(amount) for amount, _ in amounts), 1234.5]
    order = random.sample(range(len(cells)), len(cells))
    read = read_amounts(pd.Series([cells[place] for place in order]))
    assert read.values.tolist() == [right[place] for place in order]
    assert (read.decimal, read.undecided, read.contradicts) == (point, (), None)


@given(conventions(), AMOUNTS)
def test_no_column_of_one_convention_is_read_as_another_number(convention, amounts):
    written, point = convention
    cells = pd.Series([written(*each) for each in amounts])
    right = np.array([float(amount) for amount, _ in amounts])
    read = read_amounts(cells)
    assert not (read.unreadable | read.blank).any()
    assert read.contradicts is None
    assert np.flatnonzero(np.isnan(read.values)).tolist() == list(read.undecided)
    known = ~np.isnan(read.values)
    assert (read.values[known] == right[known]).all()
    assert read_amounts(cells, decimal=point).values.tolist() == right.tolist()


@given(
    st.lists(st.text("$€-(),. 0123456789k'", max_size=8), min_size=1, max_size=4),
    st.sampled_from([None, ".", ","]),
)
def test_a_column_read_at_once_is_read_as_cell_by_cell(texts, decimal):
    texts = [text for text in texts if text] + ["1"]
    at_once, by_cell = (read_amounts(pd.Series(each), decimal) for each in (texts, [*texts, "x"]))
    for name in ("values", "blank", "unreadable", "currency", "multiplied"):
        some, all_ = getattr(at_once, name), getattr(by_cell, name)
        assert np.array_equal(some, all_[: len(texts)], equal_nan=name == "values"), name
    assert at_once.undecided == by_cell.undecided
    assert at_once.contradicts == by_cell.contradicts
    assert at_once.decimal == by_cell.decimal
    assert not (at_once.blank & at_once.unreadable).any()


@pytest.mark.shared
@pytest.mark.skipif(not INTAKE.is_dir(), reason="the intake's files are not beside the project")
def test_the_shared_spellings():
    told = json.loads((INTAKE / "expected.json").read_text())["spellings"]
    tried = {name: right for name, right in told.items() if "_amount_" in name}
    assert len(tried) == 20
    for name, right in tried.items():
        with (INTAKE / "spellings" / name).open(encoding="utf-8", newline="") as file:
            cells = pd.Series([row["mrr"] for row in csv.DictReader(file)])
        read = read_amounts(cells)
        value = read.values[1]
        if isinstance(right, dict):
            assert read.undecided == (1,), name
            for sign, amount in right["then"].items():
                assert read_amounts(cells, decimal=sign).values[1] == amount, name
        elif (
            right == "error"
        ):  # a negative amount and an infinite one are the ledger's rules to judge
            assert read.unreadable[1] or value < 0 or np.isinf(value), name
        else:
            assert value == right, name
