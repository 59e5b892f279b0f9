"""Quarters and years: of the calendar, and of a company whose year ends in another month."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nrrsim import notation
from nrrsim.errors import UsageError
from nrrsim.months import CALENDAR_YEAR, Calendar, month_name, month_number

YEAR_ENDS = list(range(1, 13))
ABBREVIATED = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
MONTH = st.integers(1900 * 12, 2200 * 12 - 1)

of_each_year_end = pytest.mark.parametrize("year_end", YEAR_ENDS)


@of_each_year_end
def test_quarters_and_years_partition_the_months(year_end):
    """Each quarter has three months in a row, each year four quarters, and it ends when it should."""
    calendar, first = Calendar(year_end), 2020 * 12 + year_end  # the month after a year's last
    for begin in range(first, first + 60, 12):
        year = calendar.unit_of(begin, 12)
        assert {calendar.unit_of(begin + n, 12) for n in range(12)} == {year}
        assert calendar.unit_of(begin + 12, 12) == year + 1
        assert [calendar.unit_of(begin + n, 3) for n in range(12)] == [
            4 * year + n // 3 for n in range(12)
        ]
        assert [n for n in range(12) if calendar.ends(begin + n, 3)] == [2, 5, 8, 11]
        assert [n for n in range(12) if calendar.ends(begin + n, 12)] == [11]
        # the name is that of the year in which it ends
        assert year == (begin + 11) // 12
        assert (begin + 11) % 12 + 1 == year_end


@given(month=MONTH, year_end=st.sampled_from(YEAR_ENDS))
def test_pandas_counts_fiscal_quarters_alike(month, year_end):
    """Its frequencies, such as Q-JAN, name a fiscal year by the one in which it ends, too."""
    calendar, period = Calendar(year_end), pd.Period(month_name(month), "M")
    quarter = period.asfreq(f"Q-{ABBREVIATED[year_end - 1]}")
    assert calendar.unit_of(month, 3) == 4 * quarter.qyear + quarter.quarter - 1
    assert calendar.unit_of(month, 12) == quarter.qyear
    assert calendar.ends(month, 3) == (quarter.asfreq("M", how="end") == period)
    assert calendar.name(calendar.unit_of(month, 1), 1) == str(period)


@of_each_year_end
@pytest.mark.parametrize("unit", [1, 3, 12])
def test_no_two_quarters_or_years_have_one_name(year_end, unit):
    """Not in three hundred years: FY99 and FY1999 are two."""
    calendar = Calendar(year_end)
    numbers = {calendar.unit_of(month, unit) for month in range(1900 * 12, 2200 * 12)}
    assert len({calendar.name(number, unit) for number in numbers}) == len(numbers)


@pytest.mark.parametrize(
    ("year_end", "month", "quarter", "year", "ends_it"),
    [
        (1, "2026-01", "Q4 FY26", "FY26", True),  # a year that ends in January: worked by hand
        (1, "2026-02", "Q1 FY27", "FY27", False),
        (1, "2026-04", "Q1 FY27", "FY27", True),
        (1, "2026-10", "Q3 FY27", "FY27", True),
        (1, "2026-12", "Q4 FY27", "FY27", False),
        (1, "2027-01", "Q4 FY27", "FY27", True),
        (6, "2026-06", "Q4 FY26", "FY26", True),  # in June, as in Australia
        (6, "2026-07", "Q1 FY27", "FY27", False),
        (6, "2026-12", "Q2 FY27", "FY27", True),
        (3, "2026-04", "Q1 FY27", "FY27", False),  # in March, as in Japan
        (3, "2026-03", "Q4 FY26", "FY26", True),
        (9, "2026-09", "Q4 FY26", "FY26", True),
        (9, "2026-10", "Q1 FY27", "FY27", False),
        (11, "2026-11", "Q4 FY26", "FY26", True),
        (11, "2026-12", "Q1 FY27", "FY27", False),
        (1, "1999-02", "Q1 FY00", "FY00", False),  # the turn of centuries
        (1, "1998-02", "Q1 FY1999", "FY1999", False),
        (1, "2099-02", "Q1 FY2100", "FY2100", False),
        (12, "2026-01", "2026 Q1", "2026", False),  # the calendar's year
        (12, "2026-12", "2026 Q4", "2026", True),
    ],
)
def test_names_at_the_boundaries(year_end, month, quarter, year, ends_it):
    calendar, number = Calendar(year_end), month_number(month)
    assert calendar.name(calendar.unit_of(number, 3), 3) == quarter
    assert calendar.name(calendar.unit_of(number, 12), 12) == year
    assert calendar.ends(number, 3) == ends_it
    # a report is named by the quarter that its month ends, else by the month
    plain = f"{notation.month_name(month)[:3]} {month[:4]}"
    assert notation.quarter_name(month, calendar) == (
        notation.printed_quarter(quarter) if ends_it else plain
    )


def test_a_yearly_report_is_named_by_the_year_that_it_ends():
    assert notation.year_name("2026-06", Calendar(6)) == "FY26"
    assert notation.year_name("2026-12", Calendar(6)) == "Dec 2026"
    assert notation.year_name("2026-06") == notation.year_name("2026-12") == "2026"
    assert notation.year_name(None, Calendar(6)) == "n/a"


def test_a_quarter_in_data_and_in_print():
    assert notation.printed_quarter("2024 Q1") == "Q1 2024"
    assert notation.printed_quarter("until 2023-12") == "until December 2023"
    assert notation.printed_quarter("2024-01") == "January 2024"
    for same in ("Q1 FY25", "2024", "FY25", "2024 Q5", "a 2024 Q1"):
        assert notation.printed_quarter(same) == same


@of_each_year_end
def test_a_year_end_as_people_write_it(year_end):
    written = [year_end, float(year_end), str(year_end), f"{year_end:02d}", f" {year_end:02d} "]
    assert {Calendar.of(each) for each in written} == {Calendar(year_end)}


@pytest.mark.parametrize(
    "wrong",
    [0, 13, -1, 1.5, True, False, None, "", "Jan", "January", "00", "13", "001", "1.5", "2026-01",
     "0x1", "１", float("nan"), [1], "1\n2"],
)  # fmt: skip
def test_what_is_no_month_of_the_year(wrong):
    with pytest.raises(ValueError, match=r"must be the month .* 01 \(January\) to 12 \(December\)"):
        Calendar.of(wrong)


@pytest.mark.parametrize("quarter", ["2026Q3", "2026-Q3", "2026 q3", " 2026Q3 "])
def test_a_quarters_name_says_nothing_sure_where_the_year_is_fiscal(quarter):
    assert CALENDAR_YEAR.reader(month_number)(quarter) == month_number("2026-09")
    assert CALENDAR_YEAR.parse_month(quarter, "as_of") == month_number("2026-09")
    assert Calendar(1).reader(month_number)(quarter) is None
    with pytest.raises(
        UsageError, match=r"as_of: .* quarter of the calendar or of the fiscal year"
    ):
        Calendar(1).parse_month(quarter, "as_of")


@given(month=MONTH, year_end=st.sampled_from(YEAR_ENDS))
def test_a_months_name_is_the_same_month_in_every_calendar(month, year_end):
    assert Calendar(year_end).parse_month(month_name(month), "as_of") == month
    assert Calendar(year_end).reader(month_number)(month_name(month)) == month
