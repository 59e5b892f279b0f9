"""Dates as people write them: each spelling of INTAKE's rule 5, order and zones told by the file."""

import csv
import datetime
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nrrsim.ledger.dates import month_of_heading, read_dates
from nrrsim.months import Calendar

INTAKE = Path(__file__).parents[3] / "shared" / "data" / "intake"
EPOCH = datetime.date(1970, 1, 1)
DAYS = {
    "2025-12-31": [
        "2025-12-31", "2025/12/31", "2025.12.31", "20251231", "20251231.0", "31.12.2025", "31. 12. 2025", "31.12.25",
        "12/31/2025", "31/12/2025", "31-12-2025", "12-31-2025", "12/31/25", "31-Dec-2025", "31 Dez 2025", "31-DEC-25",
        "31. Dezember 2025", "Dec 31, 2025", "December 31 2025", "31st December 2025", "２０２５-１２-３１", "31 Dec. 2025",
        "2025-12-31 00:00:00", "2025-12-31T00:00:00Z", "2025-12-31T00:00:00+00:00", "2025-12-31 00:00:00+00",
        "2025-12-31 00:00:00 UTC", "2025-12-31T23:30:00-05:00", "2025-12-31T00:00:00.000+0100", " 2025-12-31 ",
        "2025-12-31 23:59:59.9994", "12/31/2025 12:00:00 AM", "12/31/2025 11:59 pm", "12/31/2025 12:30 PM", "31.12.2025, 08:15", "2025-12-31 9:05",
    ],
    "2026-01-01": ["2025-12-31 23:59:59.9996", "2025-12-31T23:59:59.999999Z", "12/31/2025 11:59:59.9999 PM"],
    "2023-02-05": ["2023-2-5", "05-Feb-2023", "5. Februar 2023", "Feb 5, 2023", "2023/02/05"],
    "2024-05-05": ["5/5/2024", "05-05-2024"],
}  # fmt: skip
MONTHS = {
    "2025-12": [
        "2025-12", "2025/12", "12-2025", "12/2025", "12.2025", "202512", "202512.0", "2025M12", "2025-M12", "2025 M12",
        "Dec-25", "Dec 25", "Dec-2025", "Dec 2025", "DEC 2025", "Dec. 2025", "Dec'25", "Dec’25", "Dec–25", "December 2025",
        "December, 2025", "Dez 25", "Dez. 2025", "Dezember 2025", "2025-Dec", "2025 December",
        "2025Q4", "2025-Q4", "2025 Q4", "Q4 2025", "Q4-2025", "q4 25", "Q4'25", "4Q25", "4Q 2025", "25Q4",
    ],
    "2025-01": ["2025-1", "1-2025", "Jan 2025", "Januar 2025", "Jän 25", "2025M1"],
    "2025-03": ["Mar-25", "März 2025", "Mär 25", "Mrz 25", "March 2025", "Q1 2025"],
    "2025-05": ["May-25", "Mai 2025"],
    "2025-10": ["Okt 25", "October 2025"],
    "2025-09": ["Sept 2025", "Sep-25"],
}  # fmt: skip
NO_DATE = [
    "24-Dec", "24 Dec", "2025", "25", "Dec", "Q1", "H1 2025", "FY25", "2025-13", "2025-00", "202513", "20251301", "25-12-31",
    "2025-02-30", "30/02/2025", "31/31/2025", "29.02.2025", "12.31.2025", "Foo 2025", "Dec 5", "2025-12-31 25:00",
    "2025-12-31 13:00 PM", "2025-12-31 0:00 AM", "2025-12 00:00", "2025-12-31T00:00:00+25:00", "13:00", "1899-12-31",
    "2205-01-01", "1000", "1735689600", "-", "n/a", "nan", "#REF!", "2025-26", "Week 5 2025", "x" * 100,
]  # fmt: skip


def read(*cells, **said):
    return read_dates({"month": pd.Series(list(cells))}, **said)


def days(dates):
    return [
        None if np.isnan(day) else str(EPOCH + datetime.timedelta(day))
        for day in (*dates.first, *dates.last)
    ]


@pytest.mark.parametrize(
    ("text", "day"), [(text, day) for day, texts in DAYS.items() for text in texts]
)
def test_a_day(text, day):
    found = read(text)
    assert days(found.columns["month"]) == [day, day]
    assert (found.asked, found.zoned) == ((), ())


@pytest.mark.parametrize(
    ("text", "month"), [(text, month) for month, texts in MONTHS.items() for text in texts]
)
def test_a_month_is_its_first_to_its_last_day(text, month):
    found = read(text)
    last = (pd.Timestamp(month) + pd.offsets.MonthEnd()).date()
    assert days(found.columns["month"]) == [f"{month}-01", str(last)]
    assert found.asked == ()


FORMS = [
    "%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%d.%m.%y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y", "%B %d, %Y",
    "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%d.%m.%Y %H:%M", "%d-%b-%Y %I:%M %p",
    "%Y-%m", "%Y%m", "%m-%Y", "%m/%Y", "%m.%Y", "%b-%y", "%b %Y", "%B %Y", "%B-%y", "%YM%m", "%Y-M%m", "%Y-%b",
]  # fmt: skip


@given(
    st.datetimes(datetime.datetime(2000, 1, 1), datetime.datetime(2099, 12, 31)),
    st.sampled_from(FORMS),
)
def test_any_day_and_month_is_read_back(time, form):
    found = read(time.replace(microsecond=0).strftime(form))
    first = time.date() if "%d" in form else time.date().replace(day=1)
    assert days(found.columns["month"])[0] == str(first)
    assert found.asked == ()


@given(st.lists(st.text("0123456789 -/.:,'+TZQMFYHdecDEZmärzoktpu", max_size=14), min_size=1))
def test_any_text_is_read_or_refused(texts):
    for said in ({}, {"dates": "dmy", "timezone": "Asia/Tokyo", "excel": True}):
        found = read(*texts, **said)
        dates = found.columns["month"]
        known = ~np.isnan(dates.first)
        assert not (known & (dates.empty | dates.unreadable)).any()
        assert (dates.first[known] <= dates.last[known]).all()
        hang = ~known & ~dates.empty & ~dates.unreadable
        assert hang.sum() == sum(each.cells for each in found.asked) or found.contradictory
        for text in texts:
            month_of_heading(text)


@pytest.mark.parametrize("text", NO_DATE)
def test_no_date(text):
    found = read(text, "2025-12")
    assert found.columns["month"].unreadable.tolist() == [True, False]
    assert days(found.columns["month"])[0] is None
    assert found.asked == ()


def test_empty_is_neither():
    dates = read(None, "", "  ", "\u00a0").columns["month"]
    assert dates.empty.all()
    assert not dates.unreadable.any()


@pytest.mark.parametrize("text", ["FY25 Q4", "Q4 FY25", "FY2025-Q4", "FY25Q4", "4QFY25", "GJ25 Q4"])
def test_a_fiscal_quarter_hangs_on_the_year_end(text):
    found = read("2025-01", text, text)
    assert found.asked[0][:1] + found.asked[0][2:] == ("fiscal_year_end", "month", 1, 2)
    assert found.asked[0].choices == tuple(f"{month:02d}" for month in range(1, 13))
    assert found.columns["month"].unreadable.tolist() == [False] * 3
    assert days(found.columns["month"])[1] is None
    said = {"12": "2025-12-01", "01": "2025-01-01", "06": "2025-06-01", "11": "2025-11-01"}
    for end, first in said.items():
        settled = read(text, calendar=Calendar.of(end), year_end_said=True)
        assert days(settled.columns["month"])[0] == first
        assert settled.asked == ()


def test_quarters_of_a_fiscal_year():
    fiscal = Calendar(1)
    cells = ["FY25 Q1", "FY25 Q2", "FY25 Q3", "FY25 Q4", "2025Q4", "Q4 2025"]
    dates = read(*cells, calendar=fiscal).columns["month"]
    assert days(dates)[:6] == ["2024-04-01", "2024-07-01", "2024-10-01", "2025-01-01", None, None]
    assert dates.unreadable.tolist() == [False] * 4 + [True] * 2


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cells", [("46022", "45000"), (46022, 45000), (46022.0, 45000.5), ("46022.0", "45000.25")]
)
def test_a_day_number_is_asked_outside_a_spreadsheet(cells):
    found = read(*cells)
    assert found.asked == (("dates", ("serial",), "month", 0, 2),)
    assert not found.columns["month"].unreadable.any()
    for said in ({"dates": "serial"}, {"excel": True}):
        settled = read(*cells, **said)
        assert days(settled.columns["month"])[:2] == ["2025-12-31", "2023-03-15"]
        assert settled.asked == ()


def test_numbers_that_are_no_day_numbers():
    cells = pd.Series(
        [202512, 20251231, 2025, 12, True, 0, -46022, 1e12, 46022.9999999999], dtype=object
    )
    dates = read_dates({"month": cells}, excel=True).columns["month"]
    right = ["2025-12-01", "2025-12-31", None, None, None, None, None, None, "2026-01-01"]
    assert days(dates)[:9] == right
    assert dates.unreadable.tolist() == [day is None for day in right]


def test_what_runs_on_lies_as_far_ahead_as_one_writes():
    cells = {
        "start": pd.Series(["9999-12-31", "2299-01-01"]),
        "end": pd.Series(["9999-12-31", "2299-01-01"]),
    }
    found = read_dates(cells)
    assert found.columns["start"].unreadable.all()
    assert days(found.columns["end"])[:2] == ["9999-12-31", "2299-01-01"]
    numbers = read_dates({"end": pd.Series([2958465, 401768, 401404])}, excel=True)
    assert days(numbers.columns["end"])[:3] == ["9999-12-31", "2999-12-31", "2999-01-01"]


@pytest.mark.parametrize(
    "text", ["9999-12-31 23:59:59.9999999", "9999-12-31T23:00:00Z", "12/31/9999"]
)
@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_the_calendars_last_day_has_none_after(text, zone):
    found = read_dates({"end": pd.Series([text, text])}, timezone=zone)
    assert days(found.columns["end"])[0] == "9999-12-31"


# --- a/b/yyyy -------------------------------------------------------------------------------------


def test_one_part_above_12_tells_it_for_all_columns():
    cells = {
        "start": pd.Series(["02/05/2023", "5/5/2023"]),
        "end": pd.Series([None, "07/31/2025 00:00"]),
    }
    found = read_dates(cells)
    assert (found.order, found.order_told_by, found.asked) == ("mdy", ("end", 1), ())
    assert days(found.columns["start"])[:2] == ["2023-02-05", "2023-05-05"]
    assert days(found.columns["end"])[1] == "2025-07-31"


def test_only_ambiguous_dates_are_asked():
    cells = {
        "start": pd.Series(["2024-01", "01/12/2024", "1/12/2024"]),
        "end": pd.Series(["01-02-2025", "3/3/2025", "x"]),
    }
    found = read_dates(cells)
    assert found.asked == (("dates", ("dmy", "mdy"), "start", 1, 3),)
    assert (found.order, found.contradictory) == ("", None)
    assert found.columns["end"].unreadable.tolist() == [False, False, True]
    assert days(found.columns["end"])[:2] == [None, "2025-03-03"]
    for order, first in {"dmy": "2024-12-01", "mdy": "2024-01-12"}.items():
        settled = read_dates(cells, dates=order)
        assert days(settled.columns["start"])[1] == first
        assert (settled.asked, settled.order, settled.order_told_by) == ((), order, None)


def test_cells_of_both_orders_are_refused():
    found = read("01/02/2024", "13/12/2024", "12/13/2024", "5/5/2024", "2024-01-01")
    assert found.contradictory == (("month", 1), ("month", 2))
    assert (found.order, found.asked) == ("", ())
    assert days(found.columns["month"])[:5] == [None, None, None, "2024-05-05", "2024-01-01"]
    assert not found.columns["month"].unreadable.any()
    said = read("01/02/2024", "13/12/2024", dates="mdy")
    assert said.columns["month"].unreadable.tolist() == [False, True]


@given(
    st.lists(st.dates(datetime.date(2000, 1, 1), datetime.date(2099, 12, 31)), min_size=1),
    st.sampled_from(["{d}/{m}/{y}", "{m}/{d}/{y}", "{d:02}-{m:02}-{y}", "{m:02}/{d:02}/{yy:02}"]),
)
def test_no_order_is_read_as_another(dates, form):
    cells = [form.format(d=day.day, m=day.month, y=day.year, yy=day.year % 100) for day in dates]
    found = read(*cells)
    assert found.contradictory is None
    assert not found.columns["month"].unreadable.any()
    hangs = {day for day in dates if day.day != day.month} and all(day.day <= 12 for day in dates)
    assert bool(found.asked) == bool(hangs)
    for day, right in zip(days(found.columns["month"]), dates, strict=False):
        assert day in (str(right), None if found.asked else "")
    order = "dmy" if form.index("d") < form.index("m") else "mdy"
    assert days(read(*cells, dates=order).columns["month"])[: len(dates)] == list(map(str, dates))


# --- zones ----------------------------------------------------------------------------------------

BERLIN = ["2024-11-30T23:00:00Z", "2025-03-31T22:00:00Z"]


def test_local_midnight_is_said_and_settled_by_a_zone():
    found = read(*BERLIN, "2025-04-14T22:00:00Z")
    assert days(found.columns["month"])[:3] == ["2024-11-30", "2025-03-31", "2025-04-14"]
    assert found.zoned == (("month", 0, 3, ("22:00", "23:00"), 3, 2),)
    settled = read(*BERLIN, "2025-04-14T22:00:00Z", timezone="Europe/Berlin")
    assert days(settled.columns["month"])[:3] == ["2024-12-01", "2025-04-01", "2025-04-15"]
    assert settled.zoned == found.zoned


@pytest.mark.parametrize(
    ("zone", "offset_ahead"),
    [("Europe/Berlin", True), ("Asia/Kolkata", True), ("Australia/Sydney", True), ("Asia/Tokyo", True),
     ("Pacific/Auckland", True), ("Europe/London", True), ("America/New_York", False), ("America/Los_Angeles", False)],
)  # fmt: skip
def test_midnights_of_a_zone_are_found_out_where_days_move(zone, offset_ahead):
    months = pd.date_range("2024-12-01", periods=13, freq="MS", tz=zone)
    for spelt in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S+00:00", "%Y-%m-%d %H:%M:%S UTC"):
        cells = [month.tz_convert("UTC").strftime(spelt) for month in months]
        assert bool(read(*cells).zoned) == offset_ahead
        assert days(read(*cells, timezone=zone).columns["month"])[:13] == [
            str(month.date()) for month in months
        ]


@pytest.mark.parametrize(
    "cells",
    [
        ["2024-12-01T08:00:00.000Z"],
        ["2024-12-01T00:00:00Z", "2025-12-01T00:00:00Z"],
        ["2024-12-31T23:59:59Z"],
        ["2024-12-01T10:12:44Z", "2024-12-02T11:00:00Z", "2024-12-02T12:00:00Z"],
        ["2024-12-01T22:00:00+02:00"],
        ["2024-12-01 23:00:00"],
        ["2024-12-01"],
    ],
)
def test_other_times_say_nothing(cells):
    assert read(*cells).zoned == ()
    assert days(read(*cells).columns["month"])[: len(cells)] == [cell[:10] for cell in cells]


def test_an_offset_counts_on_its_own_day_whatever_zone_is_named():
    assert (
        days(read("2024-12-01T00:00:00+01:00", timezone="Asia/Tokyo").columns["month"])[0]
        == "2024-12-01"
    )
    assert (
        days(read("2025-12-31T00:00:00Z", timezone="America/New_York").columns["month"])[0]
        == "2025-12-31"
    )
    assert days(read("9999-12-31T23:00:00Z", timezone="Asia/Tokyo").columns["month"])[0] is None


def test_times_without_a_zone_are_utc_where_the_heading_says_so():
    cells = {
        "start": pd.Series(["2024-12-31 23:30:00", "2024-12-31 10:12:44", "2025-01-01 00:00:00"])
    }
    plain, utc = (
        read_dates(cells, timezone="Europe/Berlin"),
        read_dates(cells, timezone="Europe/Berlin", utc=["start"]),
    )
    assert days(plain.columns["start"])[:3] == ["2024-12-31", "2024-12-31", "2025-01-01"]
    assert days(utc.columns["start"])[:3] == ["2025-01-01", "2024-12-31", "2025-01-01"]
    assert utc.zoned == (("start", 0, 3, (), 1, 1),)
    # winter and summer of one zone speak for themselves
    for dtype in (str, "datetime64[us]"):
        seasons = pd.Series(["2024-12-31 23:00", "2025-06-30 22:00"]).astype(dtype)
        assert read_dates({"a": seasons}).zoned == (("a", 0, 2, ("22:00", "23:00"), 2, 2),)


def test_a_type_with_a_zone_is_days_only_where_all_are_midnight():
    utc = pd.Series(pd.to_datetime(["2024-11-30 23:00", "2025-03-31 22:00"])).dt.tz_localize("UTC")
    berlin = utc.dt.tz_convert("Europe/Berlin")
    late = berlin + pd.to_timedelta([0, 1], unit="h")
    right = ["2024-12-01", "2025-04-01"]
    assert days(read_dates({"month": berlin}).columns["month"])[:2] == right
    assert days(read_dates({"month": berlin.astype(object)}).columns["month"])[:2] == right
    for cells in (utc, late, late.astype(object)):
        assert read_dates({"month": cells}).columns["month"].unreadable.all()
        assert (
            days(read_dates({"month": cells}, timezone="Europe/Berlin").columns["month"])[:2]
            == right
        )
    evening = pd.Series(pd.to_datetime(["2024-11-30 20:00"])).dt.tz_localize("America/New_York")
    there = read_dates({"month": evening}, timezone="Europe/Berlin").columns["month"]
    assert days(there)[0] == "2024-12-01"
    one_instant = pd.Series([berlin[0].to_pydatetime(), utc[0].to_pydatetime()], dtype=object)
    assert read_dates({"month": one_instant}).columns["month"].unreadable.all()


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", "Europe", "", "/etc"])
def test_a_zone_that_is_none_is_told_in_words(zone):
    with pytest.raises(ValueError, match="is no zone that this machine knows"):
        read("2025-12", timezone=zone)


# --- types, speed's short cuts, headings ----------------------------------------------------------


def test_dates_with_a_type():
    cells = [datetime.datetime(2024, 12, 31, 23, 59, 59, 999_900), datetime.date(2024, 1, 1), pd.NaT, None,
             datetime.datetime(2024, 12, 31, 12), pd.Timestamp("2024-05-05"), True, datetime.timedelta(1)]  # fmt: skip
    dates = read_dates({"month": pd.Series(cells, dtype=object)}).columns["month"]
    right = ["2025-01-01", "2024-01-01", None, None, "2024-12-31", "2024-05-05", None, None]
    assert days(dates)[:8] == right
    assert np.flatnonzero(dates.unreadable).tolist() == [6, 7]


def test_many_times_are_rounded_before_they_are_cut():
    times = ["2024-12-31 23:59:59.999600", "2024-12-30 10:00", "2024-12-30 11:00"]
    cells = pd.to_datetime(pd.Series(times), format="ISO8601")
    right = ["2025-01-01", "2024-12-30", "2024-12-30"]
    for column in (cells, cells.astype(object), pd.Series(times)):
        assert days(read_dates({"a": column}).columns["a"])[:3] == right


@given(
    st.lists(
        st.datetimes(datetime.datetime(2000, 1, 1), datetime.datetime(2099, 12, 30)), min_size=1
    )
)
def test_many_times_are_read_as_each_alone(times):
    spelt = pd.Series([time.isoformat(timespec="milliseconds") for time in times])
    right = [str(pd.Timestamp(time).round("ms").date()) for time in times]
    assert days(read_dates({"a": pd.Series(times)}).columns["a"])[: len(times)] == right
    assert days(read_dates({"a": spelt}).columns["a"])[: len(times)] == [
        text[:10] for text in spelt
    ]
    assert [days(read(cell).columns["month"])[0] for cell in spelt] == [text[:10] for text in spelt]


HEADINGS = {
    ("month", 2024, 12): ["Dec-24", "Dez 24", "Dec 2024", "2024-12", "2024-12-31", "12/31/2024", "31.12.2024", "202412",
                          datetime.date(2024, 12, 1), datetime.datetime(2024, 12, 31), "2024-12-31 00:00:00", "12/2024"],
    ("month", None, 12): ["Dec", "Dez", "December", "dec."],
    ("month", None, 5): ["May", "Mai"],
    ("month", 2024, None): ["01/12/2024", "1/12/24"],
    ("quarter", 2025, 1): ["Q1 2025", "2025Q1", "2025-Q1", "1Q25", "Q1'25"],
    ("quarter", None, 1): ["Q1", "1Q"],
    ("half", 2025, 1): ["H1 2025", "1H25", "2025 H1", "HJ1 2025"],
    ("half", None, 2): ["H2", "2H"],
    ("year", 2025, None): ["2025", 2025, 2025.0, "CY25", "CY 2025"],
    ("ytd", None, None): ["YTD", "Dec YTD", "Year to date"],
    ("ytd", 2025, None): ["YTD 2025", "2025 YTD"],
    None: ["24-Dec", "Customer", "Total", "MRR", "ARR Dec-24", "", None, "12", 12, "45627", 45627, "Segment", "Plan", True,
           "Sum", "FY25 total", "Marge", "Q5", "H3"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "right"), [(cell, right) for right, cells in HEADINGS.items() for cell in cells]
)
def test_what_a_heading_means(cell, right):
    found = month_of_heading(cell)
    assert (found and found[:3]) == right
    assert found is None or not found.fiscal


def test_headings_of_fiscal_years_and_day_numbers():
    assert month_of_heading("FY25") == ("year", 2025, None, True)
    assert month_of_heading("Q4 FY25") == ("quarter", 2025, 4, True)
    assert month_of_heading("H1 FY25") == ("half", 2025, 1, True)
    assert month_of_heading(45627, excel=True)[:3] == ("month", 2024, 12)
    assert [month_of_heading("01/12/2024", order)[2] for order in ("dmy", "mdy")] == [12, 1]
    assert month_of_heading("13/12/2024", "mdy") is None


@pytest.mark.shared
@pytest.mark.skipif(not INTAKE.is_dir(), reason="the intake's files are not beside the project")
def test_the_shared_spellings():
    told = json.loads((INTAKE / "expected.json").read_text())["spellings"]
    tried = {name: right for name, right in told.items() if "_month_" in name}
    assert len(tried) == 19
    for name, right in tried.items():
        with (INTAKE / "spellings" / name).open(encoding="utf-8", newline="") as file:
            cells = [row["month"] for row in csv.DictReader(file)]
        found = read(*cells)
        if isinstance(right, str):
            assert days(found.columns["month"])[1][:7] == right, name
            continue
        assert [f"--{each.option}".replace("_", "-") for each in found.asked] == [right["asked"]], (
            name
        )
        for said, month in right["then"].items():
            options = (
                {"dates": said}
                if said == "serial"
                else {"calendar": Calendar.of(said), "year_end_said": True}
            )
            assert days(read(*cells, **options).columns["month"])[1][:7] == month, name
