"""Size bands: by hand, at their bounds, against another reckoning, and what is asked where `size` may be two things."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from command import asked
from hypothesis import given
from hypothesis import strategies as st
from test_properties import books, read, snapshots_of_lines

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals, headline
from nrrsim.errors import DataError, UsageError
from nrrsim.ledger.reading import Reading
from nrrsim.metrics import FORMULAS
from nrrsim.months import shift
from nrrsim.movements import MOVEMENTS
from nrrsim.sizebands import SizeBands, short

BANDS = ["below 10k", "10k to 50k", "50k to 100k", "100k to 1M", "above 1M"]


def ledger_of(write, text, heads="customer,month,arr", **how):
    return nr.read_ledger(write("\n".join([heads, *text.split()]) + "\n"), **how)


# --- by hand --------------------------------------------------------------------------------------

# Ash 8k -> 12k, Birch 40k -> 30k, Cedar 60k -> gone, Dogwood 100k -> 130k, Elm 900k -> 990k;
# Fir comes in the year: it is in no cohort of the start.
SIX = """A,2024-12,8000 B,2024-12,40000 C,2024-12,60000 D,2024-12,100000 E,2024-12,900000
A,2025-12,12000 B,2025-12,30000 D,2025-12,130000 E,2025-12,990000 F,2025-12,30000"""


def test_nrr_by_band_by_hand(write):
    ledger = ledger_of(write, SIX, rows="months", currency="USD")
    told = headline(ledger, "2025-12", by="size")
    assert list(told["segments"]) == BANDS
    rows = {
        name: (each["nrr"], each["grr"], each["logo"]) for name, each in told["segments"].items()
    }
    assert rows == {
        "below 10k": (1.5, 1.0, 1.0),
        "10k to 50k": (0.75, 0.75, 1.0),
        "50k to 100k": (0.0, 0.0, 0.0),
        "100k to 1M": (pytest.approx(1.12), 1.0, 1.0),  # (130 + 990) / (100 + 900)
        "above 1M": (None, None, None),
    }
    assert told["large"] == {
        "bound": 100_000,
        "customers": 2,
        "share": pytest.approx(1000 / 1108),
        "nrr": pytest.approx(1.12),
    }
    past = Actuals(ledger, "2025-12")
    # of today's customers D and E are above, A, B and F are not
    assert past.large()["now"] == 2
    assert past.large()["share_now"] == pytest.approx((130 + 990) / (12 + 30 + 130 + 990 + 30))


def test_compounded_by_band_by_hand(write):
    """F enters the band of its first amount, 20k, the step after it comes, and grows there."""
    rows = """A,2025-06,8000 B,2025-06,40000 A,2025-09,12000 B,2025-09,36000 F,2025-09,20000
    A,2025-12,12000 B,2025-12,30000 F,2025-12,60000"""
    ledger = ledger_of(write, rows, rows="months")
    found = nr.measure(ledger, "2025-12", 6, "compounded", by="size")
    of = {
        measure: dict(zip(found.segments, found.ratios[measure], strict=True))
        for measure in ("nrr", "grr")
    }
    # B alone in the first quarter; B and F in the second: 36 + 20 become 30 + 60
    assert of["nrr"]["10k to 50k"] == pytest.approx(36 / 40 * 90 / 56)
    assert of["grr"]["10k to 50k"] == pytest.approx(36 / 40 * 50 / 56)
    assert of["nrr"]["below 10k"] == pytest.approx(1.5)


def test_a_four_quarter_average_by_band_is_of_bands_at_each_start(write):
    months = [shift("2023-12", n) for n in range(25)]
    # A is above 10k from 2024-07 on: it moves to the next band for windows that start then
    rows = [f"A,{month},{9000 if month < '2024-07' else 18000},x" for month in months]
    rows += [f"B,{month},20000,x" for month in months]
    ledger = ledger_of(write, " ".join(rows), "customer,month,arr,segment")
    told = headline(ledger, "2025-12", definition="trailing_average", by="size")["segments"]
    by_quarter = [
        nr.measure(ledger, shift("2025-12", -n), by="size").ratios["nrr"] for n in (0, 3, 6, 9)
    ]
    # windows start in 2024-12 and 2024-09 (A among the larger), 2024-06 and 2024-03 (below 10k)
    assert [each[0] for each in by_quarter[2:]] == [2.0, 2.0]
    assert np.isnan([each[0] for each in by_quarter[:2]]).all()
    assert told["below 10k"]["nrr"] is None  # not there in all four quarters
    assert told["10k to 50k"]["nrr"] == 1.0


# --- bounds ---------------------------------------------------------------------------------------


def test_who_is_at_a_bound_is_in_the_band_above():
    arr = np.array([9_999.98, 10_000, 49_999, 50_000, 99_999.98, 100_000, 999_999, 1e6, 5e6])
    assert SizeBands().numbers(arr).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize("yearly", [10_000, 50_000, 100_000, 1_000_000])
def test_a_contract_at_a_bound_that_is_written_by_the_month_is_at_it(write, yearly):
    """100,000 a year are 8,333.33 a month, which are 99,999.96 a year."""
    monthly = round(yearly / 12, 2)
    rows = (
        f"A,2024-12,{monthly},x B,2024-12,{round(monthly - 0.05, 2)},x A,2025-12,1,x B,2025-12,1,x"
    )
    ledger = ledger_of(write, rows, "customer,month,mrr,segment", rows="months", currency="USD")
    cohort = ledger.cohort("2025-12", by="size")
    number = dict(zip(cohort.segments, cohort.of_window("opening_customers"), strict=True))
    at = [name for name in BANDS if number[name]]
    assert len(at) == 2
    assert at[1].split()[-3 if " to " in at[1] else -1] == short(yearly)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("10k,50k", ["below 10k", "10k to 50k", "above 50k"]),
        ([2_500, "1.5M"], ["below 2.5k", "2.5k to 1.5M", "above 1.5M"]),
        (["12_345", 100_000.0], ["below 12.345k", "12.345k to 100k", "above 100k"]),
        (20_000, ["below 20k", "above 20k"]),
        ("1, 999, 1b", ["below 1", "1 to 999", "999 to 1B", "above 1B"]),
    ],
)
def test_bounds_of_ones_own(given, names):
    bands = Reading(size_bands=given).bands
    assert bands.names == names
    assert Reading(size_bands=list(bands.bounds)).bands == bands


@pytest.mark.parametrize(
    "given",
    [
        "",
        "x",
        "50k,10k",
        "10k,10k",
        "0",
        "-5k",
        [],
        [True],
        "10k,,50k",
        {"a": 1},
        "1e5",
        "none,10k",
    ],
)
def test_what_is_no_bound_is_refused(given):
    with pytest.raises(UsageError, match="size_bands: must be one bound"):
        Reading(size_bands=given)
    with pytest.raises(UsageError, match="size_bands: 12 bounds are too many"):
        Reading(size_bands=list(range(1, 13)))


def test_who_starts_with_nobody_has_no_share_and_no_warning(write):
    ledger = ledger_of(write, "A,2024-01,5 A,2024-02,0 A,2024-03,7")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = headline(ledger, "2024-03", 1, by="size")
    assert told["large"] == {"bound": 100_000.0, "customers": 0, "share": None, "nrr": None}


def test_large_is_100k_where_that_is_a_bound_and_else_the_last(write):
    assert SizeBands().large == 100_000
    assert SizeBands((5e3, 1e5, 2e6)).large == 100_000
    assert SizeBands((5e3, 2e4)).large == 20_000


# --- whatever a ledger holds ----------------------------------------------------------------------

BOUNDS = st.sets(st.sampled_from([2e3, 1e4, 5e4, 1e5, 1e6, 5e6]), min_size=1).map(
    lambda found: SizeBands(tuple(sorted(found)))
)


@given(
    st.one_of(books(), books(prices=True), snapshots_of_lines()),
    BOUNDS,
    st.integers(1, 12),
    st.booleans(),
)
def test_parts_add_up_to_the_book(frame, bands, window, closed):
    """Opening, closing, customers and each movement of every month, of the cohort and of all."""
    ledger = read(frame)
    end = ledger.months[-1]
    how = (end, window) if closed else (shift(end, -window), end)
    make = ledger.cohort if closed else ledger.book
    parts, whole = make(*how, by=bands), make(*how)
    assert parts.segments == bands.names
    names = (
        "opening",
        "closing",
        "retained",
        "stayed",
        "customers",
        "opening_customers",
        *MOVEMENTS,
    )
    for name in names:
        of_parts, of_all = (each.monthly(name).sum(axis=0) for each in (parts, whole))
        assert of_parts == pytest.approx(of_all, rel=1e-12, abs=0.005), name
    assert parts.books_close()


@given(st.one_of(books(), snapshots_of_lines()), BOUNDS, st.integers(1, 12))
def test_bands_are_those_of_another_reckoning(frame, bands, window):
    """Each customer's amount at the window's start, summed by pandas, and its amount at the end."""
    ledger = read(frame)
    end = ledger.months[-1]
    wide = (frame.assign(arr=12 * frame["mrr"])).pivot_table(
        index="customer",
        columns="month",
        values="arr",
        aggfunc="sum",
        fill_value=0.0,
        observed=True,
    )
    opening, closing = wide[shift(end, -window)], wide[end]
    there = opening > 0
    edges = [-np.inf, *(bound - 0.06 for bound in bands.bounds), np.inf]
    label = pd.cut(opening[there], edges, right=False, labels=bands.names)
    expected = closing[there].groupby(label, observed=False).sum() / opening[there].groupby(
        label, observed=False
    ).sum().replace(0, np.nan)
    found = nr.measure(ledger, end, window, by=bands)
    assert found.segments == list(expected.index)
    assert found.ratios["nrr"] == pytest.approx(expected.to_numpy(), rel=1e-9, nan_ok=True)


@given(books(), st.sampled_from([*FORMULAS]))
def test_one_band_of_all_is_the_book(frame, definition):
    ledger, bands = read(frame), SizeBands((1e12,))
    found, whole = (nr.measure(ledger, "2025-02", 12, definition, by) for by in (bands, "segment"))
    assert found.ratios["nrr"][0] == pytest.approx(whole.nrr, rel=1e-12, nan_ok=True)
    assert found.ratios["grr"][0] == pytest.approx(whole.grr, rel=1e-12, nan_ok=True)


# --- currencies, late renewals --------------------------------------------------------------------


def test_bands_are_in_the_currency_of_the_report(write):
    rates = write("month,currency,rate\n2024-12,EUR,2\n2025-12,EUR,1\n", "rates.csv")
    rows = "A,2024-12,60000,EUR B,2024-12,60000,USD A,2025-12,60000,EUR B,2025-12,60000,USD"
    for reported in (False, True):
        how = {"rates": rates, "currency": "USD", "reported": reported}
        told = headline(
            ledger_of(write, rows, "customer,month,arr,currency", **how), "2025-12", by="size"
        )
        # 60,000 euros are 120,000 dollars when the window begins
        assert told["segments"]["100k to 1M"]["opening"] == 120_000
        assert told["segments"]["50k to 100k"]["opening"] == 60_000
        assert told["large"]["nrr"] == (0.5 if reported else 1.0)


def test_a_late_renewal_has_the_band_of_what_it_paid(write):
    rows = "A,2024-11,12000 B,2024-11,1 B,2024-12,1 A,2025-01,12000 B,2025-01,1"
    ledger = ledger_of(write, rows, rows="months", grace_months=1)
    told = headline(ledger, "2025-01", 1, by="size")["segments"]
    assert (told["10k to 50k"]["opening"], told["10k to 50k"]["nrr"]) == (12_000, 1.0)


# --- a column of that name ------------------------------------------------------------------------

SIZED = "A,2024-12,20000,small B,2024-12,20000,big A,2025-12,10000,small B,2025-12,30000,big"


def test_a_ledger_with_a_column_size_of_its_own_is_asked(write):
    ledger = ledger_of(write, SIZED, "customer,month,arr,size")
    assert any("column size of its own" in each.problem for each in ledger.notices)
    for ask in (ledger.cohort, ledger.apart):
        with pytest.raises(
            DataError, match="say --size-bands none for the column, or for the bands"
        ):
            ask("2025-12", by="size")
    assert ledger.cohort("2025-12").amount("opening") == 40_000  # nothing else asks


def test_each_answer_settles_it(write):
    by_column = ledger_of(write, SIZED, "customer,month,arr,size", size_bands="none")
    told = headline(by_column, "2025-12", by="size")
    assert {name: each["nrr"] for name, each in told["segments"].items()} == {
        "big": 1.5,
        "small": 0.5,
    }
    assert "large" not in told
    by_bands = ledger_of(write, SIZED, "customer,month,arr,size", size_bands=[15_000])
    assert list(headline(by_bands, "2025-12", by="size")["segments"]) == ["below 15k", "above 15k"]
    for ledger in (by_column, by_bands):
        assert not any("size" in each.problem for each in ledger.notices)


def test_no_bands_and_no_such_column_is_an_error(write):
    ledger = ledger_of(write, SIX, rows="months", size_bands="none")
    with pytest.raises(UsageError, match="the ledger has no column size"):
        ledger.cohort("2025-12", by="size")


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def six(tmp_path):
    (tmp_path / "six.csv").write_text("customer,month,arr\n" + "\n".join(SIX.split()) + "\n")
    return tmp_path


def test_the_command_prints_bands_from_small_to_large(six):
    words = ["metrics", "six.csv", "--as-of", "2025-12", "--rows", "months", "--by", "size"]
    told = asked([*words, "--currency", "EUR"], six)
    printed = ["Below €10K", "€10K to €50K", "€50K to €100K", "€100K to €1M", "Above €1M"]
    places = [told.out.index(f"\n{name} ") for name in printed]
    assert places == sorted(places)
    assert "customers above €100K: 2 of 5, 90.3% of opening ARR, NRR 112.0%" in told.out
    assert "\nBelow 10K " in asked(words, six).out  # no sign where no currency is stated
    as_json = json.loads(asked([*words, "--json", "-q"], six).out)
    assert list(as_json["segments"]) == BANDS
    own = json.loads(asked([*words, "--json", "-q", "--size-bands", "50k,0.5M"], six).out)
    assert list(own["segments"]) == ["below 50k", "50k to 500k", "above 500k"]
    assert own["large"] == {
        "bound": 500_000, "customers": 1, "share": pytest.approx(900 / 1108), "nrr": 1.1,
    }  # fmt: skip


def test_a_card_says_by_and_its_bounds(six):
    (six / "card.yaml").write_text(
        "ledger: six.csv\nas_of: 2025-12\nrows: months\nby: size\nsize_bands: [10k, 100k]\n"
    )
    told = json.loads(asked(["metrics", "card.yaml", "--json", "-q"], six).out)
    assert list(told["segments"]) == ["below 10k", "10k to 100k", "above 100k"]
    typed = asked(["metrics", "card.yaml", "--json", "-q", "--by", "segment"], six)
    assert list(json.loads(typed.out)["segments"]) == ["all"]


def test_two_sizes_are_a_question_with_exit_code_3(six):
    (six / "sized.csv").write_text("customer,month,arr,size\n" + "\n".join(SIZED.split()) + "\n")
    words = ["metrics", "sized.csv", "--as-of", "2025-12", "--rows", "months", "-q", "--by", "size"]
    told = asked(words, six)
    assert told.code == 3
    assert "--size-bands none" in told.err
    for said, name in (("none", "big"), ("15k", "Above 15K")):
        answer = asked([*words, "--size-bands", said], six)
        assert answer.code == 0
        assert f"\n{name} " in answer.out
    (six / "card.yaml").write_text("ledger: sized.csv\nas_of: 2025-12\nrows: months\nby: size\n")
    of_a_card = asked(["metrics", "card.yaml", "-q"], six)
    assert of_a_card.code == 3
    assert "size_bands: none" in of_a_card.err  # in the card's words
    assert asked([*words, "--size-bands", "5k,1k"], six).code == 2


def test_every_definition_has_bands_or_says_why_not(write):
    ledger = ledger_of(write, SIX, rows="months")
    for definition in nr.DEFINITIONS:
        if definition == "trailing_average":
            with pytest.raises(UsageError, match="one snapshot every 12 months"):
                nr.measure(ledger, "2025-12", 12, definition, by="size")
        else:
            assert nr.measure(ledger, "2025-12", 12, definition, by="size").segments == BANDS
