"""What a ledger may look like, and what is said of a wrong one: every finding, with its line."""

import datetime

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, rejected

import nrrsim as nr

GOOD = "customer,month,mrr,segment\nA,2025-01,100,smb\nA,2025-02,110,smb\nB,2025-01,50,mid\nB,2025-02,40,mid\n"


def book(ledger: nr.Ledger, name: str) -> float:
    return float(ledger.book(ledger.months[0], ledger.months[-1]).over(name).sum())


# --- forms that are read --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        GOOD.encode(),
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r\n", 2).encode(),
        GOOD.replace(",", ";").encode(),
        GOOD.replace(",", "\t").encode(),
        GOOD.replace("customer,month,mrr,segment", "Customer, Month ,MRR,Segment").encode(),
        GOOD.replace("2025-01", "2025-01-31").encode(),
        GOOD.replace("\nA,2025-02", "\n\nA,2025-02").encode(),
        GOOD.strip().encode(),
    ],
    ids=[
        "plain",
        "BOM",
        "CRLF",
        "CRLF and LF",
        "semicolons",
        "tabs",
        "headings",
        "dates",
        "blank line",
        "no last newline",
    ],
)
def test_spellings_of_the_same_csv(write, text):
    ledger = nr.read_ledger(write(text))
    assert ledger.months == ["2025-01", "2025-02"]
    assert ledger.cohort("2025-02", 1).over("closing").to_series().to_dict() == {
        "mid": 480.0,
        "smb": 1320.0,
    }


def test_names_are_read_as_they_stand(write):
    names = [
        "Müller, Söhne & Co",
        'the "best" one',
        "日本語株式会社",
        "NA",
        "null",
        "1001",
        "نمی\u200cخواهم",
    ]
    rows = [f'"{name.replace(chr(34), chr(34) * 2)}",2025-01,1,x' for name in names]
    ledger = nr.read_ledger(write("customer,month,mrr,segment\n" + "\n".join(rows)))
    assert sorted(ledger.customers("2025-01").index) == sorted(names)


def test_arr_and_mrr_are_the_same_revenue(write):
    monthly = nr.read_ledger(write(GOOD))
    yearly = nr.read_ledger(
        write("customer,month,arr,segment\nA,2025-01,1200,smb\nB,2025-01,600,mid\n", "arr.csv")
    )
    assert (
        monthly.customers("2025-01")["arr"].to_dict()
        == yearly.customers("2025-01")["arr"].to_dict()
    )


def test_excel_parquet_and_csv_give_the_same_ledger(write, tmp_path):
    frame = pd.DataFrame(
        {
            "customer": ["1001", "1001", "B"],
            "month": [
                datetime.date(2025, 1, 31),
                datetime.date(2025, 2, 28),
                datetime.date(2025, 1, 31),
            ],
            "mrr": [100.0, 110.5, 50.0],
            "segment": ["smb", "smb", "mid"],
        }
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    book = pd.ExcelWriter(tmp_path / "a.xlsx", engine="xlsxwriter")
    frame.assign(customer=[1001, 1001, "B"]).to_excel(book, sheet_name="Book", index=False)
    pd.DataFrame({"x": [1]}).to_excel(book, sheet_name="Other", index=False)
    book.close()
    import duckdb

    duckdb.execute(f"copy (select * from frame) to '{tmp_path / 'a.parquet'}' (format parquet)")
    prints = {
        name: nr.read_ledger(tmp_path / name).fingerprint
        for name in ("a.csv", "a.xlsx", "a.parquet")
    }
    assert len(set(prints.values())) == 1, prints
    assert nr.read_ledger(tmp_path / "a.xlsx", sheet="Book").fingerprint == prints["a.csv"]
    with pytest.raises(nr.UsageError, match="its sheets: Book, Other"):
        nr.read_ledger(tmp_path / "a.xlsx", sheet="Boook")


def test_columns_mapping(write):
    text = GOOD.replace("customer,month,mrr", "Account,Period,Net fee")
    how = {"customer": "Account", "month": "Period", "mrr": "Net fee"}
    assert (
        nr.read_ledger(write(text), columns=how).fingerprint
        == nr.read_ledger(write(GOOD, "b.csv")).fingerprint
    )
    [finding] = rejected(write(text), columns={**how, "mrr": "Net fees"})
    assert (
        finding == "ledger.csv:1: columns.mrr: there is no column Net fees; did you mean Net fee?"
    )


def test_a_mapping_chooses_between_two_amounts(write):
    text = "customer,month,mrr,arr\nA,2025-01,100,9999\n"
    assert "are never added: name the one to read with --column mrr=mrr" in rejected(write(text))[0]
    assert nr.read_ledger(write(text), columns={"arr": "arr"}).customers("2025-01")[
        "arr"
    ].tolist() == [9999]


def test_files_split_by_month_are_one_ledger(write, tmp_path):
    lines = GOOD.splitlines()
    for number, row in enumerate(lines[1:]):
        write(f"{lines[0]}\n{row}\n", f"part-{number}.csv")
    whole = nr.read_ledger(write(GOOD, "whole.csv")).fingerprint
    assert nr.read_ledger(*sorted(tmp_path.glob("part-*.csv"))).fingerprint == whole
    assert nr.read_ledger(f"{tmp_path}/part-*.csv").fingerprint == whole


@pytest.mark.parametrize(
    ("months", "step"),
    [
        (["2024-12", "2025-12"], 12),
        (["2025-03", "2025-06", "2025-12", "2025-09"], 3),
        (["2025-01", "2025-02"], 1),
    ],
)
def test_step(write, months, step):
    ledger = nr.read_ledger(
        write("customer,month,arr\n" + "".join(f"A,{month},1\n" for month in months))
    )
    assert (ledger.step, ledger.months) == (step, sorted(months))


def test_quarters_may_be_written_as_quarters(write):
    assert nr.read_ledger(write("customer,month,arr\nA,2025Q1,1\nA,2025 Q2,1\n")).months == [
        "2025-03",
        "2025-06",
    ]


# --- subscription periods -------------------------------------------------------------------------

PERIODS = "customer,start,end,mrr\nA,2025-01-01,2025-04-01,10\nA,2025-03-01,,5\nB,2025-02-10,2025-03-20,7\n"


def test_periods_are_laid_out_at_month_ends(write):
    ledger = nr.read_ledger(write(PERIODS), until="2025-05", overlap="add")
    lives = {month: ledger.customers(month)["arr"].div(12).to_dict() for month in ledger.months}
    assert lives == {
        "2025-01": {"A": 10},
        "2025-02": {"A": 10, "B": 7},
        "2025-03": {"A": 15},
        "2025-04": {"A": 5},
        "2025-05": {"A": 5},
    }


def test_inclusive_ends_and_the_hint_at_them(write):
    text = "customer,start,end,mrr\nA,2025-01-01,2025-03-31,10\n"
    assert (
        "100% of the ends are the last day of a month" in rejected(write(text), until="2025-04")[0]
    )
    exclusive = nr.read_ledger(write(text), period_end="exclusive", until="2025-04")
    assert exclusive.ages("2025-04")["customers"].tolist() == [1, 1, 0, 0]
    inclusive = nr.read_ledger(write(text), period_end="inclusive", until="2025-04")
    assert inclusive.ages("2025-04")["customers"].tolist() == [1, 1, 1, 0]


def test_published_normalisation(write):
    """A published example: 100 subscriptions of 100 a month
    and 50 of 600 a year are 12,500 a month.
    """
    rows = [f"m{n},2025-01-01,,100,month" for n in range(100)] + [
        f"y{n},2025-01-01,,600,year" for n in range(50)
    ]
    ledger = nr.read_ledger(write("customer,start,end,amount,interval\n" + "\n".join(rows)))
    assert ledger.customers("2025-01")["arr"].sum() / 12 == pytest.approx(12_500)


def test_published_life_of_a_customer(write):
    """Gold at 2,000 a year, silver added at 60 a month and dropped again,
    then gold ends, then 150 a month.
    """
    text = """customer,start,end,amount,interval,product
X,2024-01-01,2025-01-01,2000,year,gold
X,2024-03-01,2024-06-01,60,month,silver
X,2025-03-01,2025-06-01,150,month,gold
Y,2024-01-01,2025-06-01,1,month,gold
"""
    moves = nr.read_ledger(write(text), until="2025-06").book("2024-01", "2025-05")
    booked = {
        name: float(moves.over(name).sum()) / 12
        for name in ("cross_sell", "contraction", "churn", "reactivation")
    }
    assert {name: round(amount, 2) for name, amount in booked.items()} == {
        "cross_sell": 60.0,
        "contraction": 60.0,
        "churn": 166.67,
        "reactivation": 150.0,
    }


def test_wrong_periods(write):
    text = "customer,start,end,mrr\nA,2025-03-01,2025-01-01,1\nB,03/01/2025,,1\nC,2025-01-01,,1\nC,2025-01-01,,1\n"
    found = rejected(write(text))
    assert [line.split(": ")[0] for line in found] == [
        "ledger.csv:2",
        "ledger.csv:3",
        "ledger.csv:5",
    ]
    assert "is not after the start" in found[0]
    assert "'03/01/2025', the first here: which day that is" in found[1]
    assert "stands again for the same subscription (first in" in found[2]


# --- what is rejected -----------------------------------------------------------------------------


def test_every_finding_at_once_with_its_line(write):
    text = """customer,month,mrr,segment
A,2025-01,100,smb
"B
two lines",2025-01,-5,smb
A,2025-01,100,smb

C,2025-13,1,smb
D,2025-01,1e999,smb
E,2025-01,NaN,smb
F,2025-01,"1,000",smb
G,2025-01
,2025-01,1,smb
H,2025-01,,smb
I,2025-01,1,
J,2025-01,1,smb,extra
A,2025-03,100,smb
"""
    assert rejected(write(text)) == [
        "ledger.csv:3: mrr: '-5' is negative; a ledger holds what recurs; book credits against the month they belong to",
        "ledger.csv:3: customer: 'B\\ntwo lines' holds a line end, or a character that nobody sees; write it anew"
        " without it, or it would count as another",
        "ledger.csv:5: stands again for the same customer and month (first in ledger.csv:2); a doubled export? keep"
        " one of equal rows with --several last; if each counts, say so with --several add",
        "ledger.csv:7: month: '2025-13' is not a month; write it as YYYY-MM, such as 2026-09",
        "ledger.csv:8: mrr: '1e999' is not a finite number; write the amount that recurs",
        "ledger.csv:9: mrr: 'NaN' is not a number; write digits and a decimal point only, such as 1234.50",
        "ledger.csv:10: mrr: 1 cell such as '1,000': a thousands sign or a decimal sign; say which is the decimal sign"
        " with --decimal . or --decimal ,",
        "ledger.csv:11: the row has fewer cells than the heading; complete the row or remove it",
        "ledger.csv:12: customer: is empty; every row needs the customer's name",
        "ledger.csv:13: mrr: is empty; fill in what is missing, or say that it is nothing with"
        " --blank zero",
        "ledger.csv:14: segment: is empty; write one for every row, such as: unassigned",
        "ledger.csv:15: the row has more cells than the heading; put names that hold the separator in double quotes",
    ]


def test_findings_name_the_file_they_stand_in(write):
    one, two = (
        write(GOOD, "one.csv"),
        write("customer,month,mrr,segment\nC,2025-01,x,smb\nA,2025-02,1,smb\n", "two.csv"),
    )
    found = rejected(one, two)
    assert found[0].startswith("two.csv:2: mrr: 'x' is not a number")
    assert found[1].startswith(
        "two.csv:3: stands again for the same customer and month (first in one.csv:3)"
    )


def test_a_hole_of_whole_months(write):
    text = "customer,month,mrr\n" + "".join(f"A,2025-{month:02d},1\n" for month in (1, 2, 5, 6))
    assert [line.split(";")[0] for line in rejected(write(text))] == [
        "ledger.csv:3: month: there is no row for 2025-03 to 2025-04 (2 snapshots),"
        " and this one is of 2025-02",
    ]


@pytest.mark.parametrize(("slip", "first"), [("1925-03", "1925-03"), ("2125-03", "2125-03")])
def test_a_slip_of_the_pen_is_one_finding_that_names_its_line(write, slip, first):
    rows = [f"{who},2025-{month:02d},1" for month in range(1, 7) for who in "AB"]
    found = rejected(write("customer,month,mrr\n" + "\n".join([*rows, f"A,{slip},1"]) + "\n"))
    assert len(found) == 1
    assert found[0].startswith("ledger.csv:14: month: there is no row for ")
    assert f"and this one is of {first}" in found[0]


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("which", [slice(0, 1), slice(1, 3), slice(0, None, 2)])
def test_two_kinds_of_line_ends_in_one_file(tmp_path, quoted, which):
    lines = ["customer,month,mrr,segment", "A,2025-01,10,n", "B,2025-01,5,s", "A,2025-02,20,n"]
    if quoted:
        lines = [",".join(f'"{cell}"' for cell in line.split(",")) for line in lines]
    ends = ["\n"] * len(lines)
    ends[which] = ["\r\n"] * len(ends[which])
    path = tmp_path / "ledger.csv"
    path.write_bytes("".join(map("".join, zip(lines, ends, strict=True))).encode())
    ledger = nr.read_ledger(path)
    assert nr.nrr(ledger.cohort("2025-02", 1)) == pytest.approx(20 / 15)
    assert set(ledger.entries.frame["segment"]) == {"n", "s"}


def test_snapshots_at_odd_steps(write):
    assert (
        "snapshots lie 2 months apart"
        in rejected(write("customer,month,mrr\nA,2025-01,1\nA,2025-03,1\n"))[0]
    )


def test_two_segments_in_one_month(write):
    text = "customer,month,mrr,segment,product\nA,2025-01,1,smb,x\nA,2025-01,1,mid,y\n"
    assert "is the second segment of this customer in this month" in rejected(write(text))[0]


def test_two_currencies_need_rates(write):
    text = "customer,month,mrr,currency\nA,2025-01,1,USD\nB,2025-01,1,EUR\n"
    assert "there are 2 currencies (EUR, USD) and no rates" in str(rejected(write(text)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("customer,month,mrr\n", "there are no rows"),
        ("customer,mrr\nA,1\n", "there is no column month"),
        ("month,mrr\n2025-01,1\n", "there is no column customer"),
        ("customer,month\nA,2025-01\n", "there is no amount"),
        ("customer,month,amount\nA,2025-01,1\n", "there is an amount and no interval"),
        ("customer,month,mrr,mrr\nA,2025-01,1,1\n", "the heading mrr stands twice"),
        ("customer,month,mrr\nA,2025-01,0\n", "there is no positive amount"),
        (
            "customer,month,amount,interval\nA,2025-01,1,fortnight\n",
            "'fortnight' is not an interval",
        ),
        ("customer,month,mrr,renewal\nA,2025-01,1,soon\n", "'soon' is not a month"),
        ("customer,month,mrr,quantity\nA,2025-01,1,-3\n", "'-3' is not a number of 0 or more"),
        (b"customer,month,mrr\nCaf\xff,2025-01,1\n", "is not UTF-8 text"),
        ("customer,month,mrr\n".encode("utf-16")[:-1], "is UTF-16 text that is damaged"),
        (b"PK\x03\x04xxxx", "is a spreadsheet, not CSV"),
        ('customer,month,mrr\n"A,2025-01,1\n', ""),
    ],
)
def test_tables_that_cannot_be_read(write, text, said):
    assert said in "\n".join(rejected(write(text)))


def test_missing_files_and_wrong_parameters(write):
    with pytest.raises(nr.UsageError, match="there is no such file"):
        nr.read_ledger("nowhere.csv")
    with pytest.raises(nr.UsageError, match="grace_months"):
        nr.read_ledger(write(GOOD), grace_months=-1)
    ledger = nr.read_ledger(write(GOOD))
    with pytest.raises(
        nr.UsageError, match="2025-03 is not in the ledger, which has 2025-01 to 2025-02"
    ):
        ledger.cohort("2025-03", 1)
    with pytest.raises(
        nr.UsageError, match=r"starts in 2024-02, before the ledger does \(2025-01\)"
    ):
        ledger.cohort("2025-02", 12)
    with pytest.raises(nr.UsageError, match="did you mean segment"):
        ledger.cohort("2025-02", 1, by="segmnt")
    with pytest.raises(nr.UsageError, match="is not a month"):
        ledger.cohort("Feb 2025", 1)
    with pytest.raises(nr.UsageError, match="do not fit a ledger"):
        nr.read_ledger(write("customer,month,arr\nA,2024-12,1\nA,2025-12,1\n", "y.csv")).cohort(
            "2025-12", 6
        )


# --- what is said and not rejected ----------------------------------------------------------------


def test_zeros_are_no_rows_and_are_counted(write):
    ledger = nr.read_ledger(write(GOOD + "C,2025-01,0,smb\n"))
    assert ledger.entries.zeros == 1
    assert "1 row holds the amount 0" in str(ledger.notices[0])
    assert "C" not in ledger.customers("2025-01").index


def test_names_that_differ_only_by_case_or_spaces(write):
    ledger = nr.read_ledger(
        write("customer,month,mrr,segment\nAcme,2025-01,1,x\nACME ,2025-02,1,x\n")
    )
    assert "'ACME ', 'Acme'" in str(ledger.notices[0])
    assert book(ledger, "churn") == book(ledger, "new") == 12


# --- movements ------------------------------------------------------------------------------------


def test_price_and_quantity(write):
    """q(t) (p(t) - p(t-1)) is price, the rest adoption or contraction."""
    text = """customer,month,mrr,quantity,unit_price
up,2025-01,100,10,10
up,2025-02,144,12,12
down,2025-01,100,10,10
down,2025-02,96,8,12
cheaper,2025-01,100,10,10
cheaper,2025-02,108,12,9
"""
    ledger = nr.read_ledger(write(text))
    moves = {
        name: book(ledger, name) / 12 for name in ("price", "adoption", "contraction", "unsplit")
    }
    assert moves == pytest.approx(
        {"price": 24 + 16, "adoption": 20 + 8, "contraction": 20, "unsplit": 0}
    )


def test_price_that_does_not_tie_is_said_and_not_split(write):
    text = "customer,month,mrr,quantity,unit_price\nA,2025-01,100,10,10\nA,2025-02,150,10,12\n"
    ledger = nr.read_ledger(write(text))
    assert "quantity x unit_price is not the mrr in 1 row;" in "\n".join(map(str, ledger.notices))
    assert (book(ledger, "price"), book(ledger, "unsplit")) == (0, 600)


def test_cross_sell_is_a_product_never_held_before(write):
    text = """customer,month,mrr,product
A,2025-01,10,base
A,2025-02,10,base
A,2025-02,5,extra
A,2025-03,10,base
A,2025-04,12,base
A,2025-04,5,extra
B,2025-01,10,base
B,2025-02,15,pro
B,2025-03,15,pro
B,2025-04,15,pro
"""
    moves = nr.read_ledger(write(text)).book("2025-01", "2025-04")
    by_month = {
        name: (moves[name].sum("segment") / 12).values.tolist()
        for name in ("cross_sell", "unsplit", "contraction")
    }
    assert by_month == {"cross_sell": [10, 0, 0], "unsplit": [0, 0, 7], "contraction": [0, 5, 0]}


def test_grace_months(write):
    months = [f"2025-{month:02d}" for month in range(1, 8)]
    rows = [f"A,{month},10" for month in months] + [
        f"B,{month},10" for month in (*months[:2], *months[4:])
    ]
    text = "customer,month,mrr\n" + "\n".join(rows)
    strict, late = nr.read_ledger(write(text)), nr.read_ledger(write(text), grace_months=2)
    assert (book(strict, "churn"), book(strict, "reactivation")) == (120, 120)
    assert (book(late, "churn"), book(late, "reactivation")) == (0, 0)
    assert nr.read_ledger(write(text), grace_months=1).gaps().tolist() == [2]
    # in April nobody knows yet that B comes back
    assert nr.nrr(late.cohort("2025-04", 3)) == 0.5


def test_grace_months_are_months_where_snapshots_are_quarterly(write):
    quarters = ["2024-03", "2024-06", "2024-09", "2024-12", "2025-03"]
    rows = [f"A,{month},10" for month in quarters] + [f"B,{month},10" for month in quarters[::2]]
    text = "customer,month,mrr\n" + "\n".join(rows)
    for grace, churned in ((2, 240), (3, 0)):  # B misses a quarter twice, three months each
        assert (
            book(nr.read_ledger(write(text), grace_months=grace, rows="months"), "churn") == churned
        )


RATES = "month,currency,rate\n2025-01,EUR,1.10\n2025-02,EUR,1.20\n"
TWO_CURRENCIES = """customer,month,mrr,currency
A,2025-01,100,USD
A,2025-02,100,USD
B,2025-01,100,EUR
B,2025-02,100,EUR
"""


def test_constant_currency_and_reported(write):
    rates = write(RATES, "rates.csv")
    constant = nr.read_ledger(write(TWO_CURRENCIES), rates=rates)
    reported = nr.read_ledger(write(TWO_CURRENCIES), rates=rates, reported=True)
    assert constant.currency == "USD"
    assert nr.nrr(constant.cohort("2025-02", 1)) == 1
    assert nr.nrr(reported.cohort("2025-02", 1)) == pytest.approx(220 / 210)
    assert float(constant.cohort("2025-02", 1).over("opening").sum()) == pytest.approx(210 * 12)
    assert constant.lines("2025-02", rate_of="2025-01")["arr"].sum() == pytest.approx(210 * 12)
    assert reported.lines("2025-02", rate_of="2025-01")["arr"].sum() == pytest.approx(220 * 12)


def test_rates_that_are_missing_or_wrong(write):
    rates = write("month,currency,rate\n2025-02,EUR,1.2\n", "rates.csv")
    ledger = nr.read_ledger(write(TWO_CURRENCIES), rates=rates)
    with pytest.raises(nr.UsageError, match="there is no rate for EUR in 2025-01"):
        ledger.cohort("2025-02", 1)
    with pytest.raises(nr.UsageError, match=r"rates.csv:3: one positive rate"):
        nr.read_ledger(
            write(TWO_CURRENCIES),
            rates=write("month,currency,rate\n2025-01,EUR,1\n2025-02,EUR,-1\n", "rates.csv"),
        )


def test_a_customer_keeps_the_segment_of_the_windows_start(write):
    text = "customer,month,mrr,segment\nA,2025-01,100,smb\nA,2025-02,300,mid\nB,2025-01,100,mid\nB,2025-02,100,mid\n"
    ledger = nr.read_ledger(write(text))
    for moves in (ledger.cohort("2025-02", 1), ledger.book("2025-01", "2025-02")):
        assert moves.over("closing").to_series().to_dict() == {"mid": 1200, "smb": 3600}
        assert moves.books_close()
    assert nr.nrr(ledger.cohort("2025-02", 1), by_segment=True).to_series().to_dict() == {
        "mid": 1,
        "smb": 3,
    }


def test_by_cohort_of_first_revenue(write):
    rows = [f"A,{y}-{m:02d},1" for y in (2024, 2025) for m in range(1, 13)]
    rows += [f"B,{y}-{m:02d},1" for y in (2024, 2025) for m in range(1, 13) if (y, m) >= (2024, 5)]
    ledger = nr.read_ledger(write("customer,month,mrr\n" + "\n".join(rows)))
    assert ledger.cohort("2025-12", 12, "cohort_quarter").over(
        "opening_customers"
    ).to_series().to_dict() == {
        "until 2024-01": 1,
        "2024 Q2": 1,
    }
    assert ledger.cohort("2025-12", 12, "cohort_year").segments == ["until 2024-01", "2024"]


def test_alive_in_the_last_month_is_alive(write):
    ledger = nr.read_ledger(write(GOOD))
    assert book(ledger, "churn") == 0


def test_reading_does_not_round(write):
    amounts = [0.1, 0.2, 1234567.89, 0.07]
    rows = [f"c{n},2025-01,{amount}" for n, amount in enumerate(amounts)]
    ledger = nr.read_ledger(write("customer,month,mrr\n" + "\n".join(rows)))
    assert np.allclose(
        ledger.customers("2025-01")["arr"].to_numpy(), [12 * amount for amount in amounts], rtol=0
    )


# --- found by review ------------------------------------------------------------------------------


def test_overlapping_subscriptions_in_two_currencies(write):
    text = "customer,start,end,mrr,currency\nA,2025-01-01,2025-06-01,100,USD\nA,2025-02-01,2025-06-01,100,EUR\n"
    assert "there are 2 currencies (EUR, USD) and no rates" in str(rejected(write(text)))
    rates = write(
        "month,currency,rate\n" + "".join(f"2025-0{m},EUR,2\n" for m in range(1, 7)), "rates.csv"
    )
    ledger = nr.read_ledger(
        write(text), rates=rates, currency="USD", until="2025-03", overlap="add"
    )
    assert ledger.customers("2025-03")["arr"].tolist() == [3600]


def test_late_renewal_at_a_higher_price_is_price(write):
    rows = "A,2025-01,10,10,1\nA,2025-03,20,10,2\n" + "".join(
        f"B,2025-0{m},1,1,1\n" for m in (1, 2, 3)
    )
    ledger = nr.read_ledger(
        write(f"customer,month,mrr,quantity,unit_price\n{rows}"), grace_months=1
    )
    assert (book(ledger, "price"), book(ledger, "adoption")) == (120, 0)


@pytest.mark.parametrize("hour", ["00:00:00+00", "23:00:00-08"])
def test_a_months_does_not_depend_on_the_machines_time_zone(tmp_path, monkeypatch, hour):
    import time

    import duckdb

    sql = f"select 'A' as customer, timestamptz '2025-02-01 {hour}' as month, 1.0 as mrr"
    duckdb.execute(f"copy ({sql}) to '{tmp_path / 'a.parquet'}' (format parquet)")
    for zone in ("UTC", "America/Los_Angeles", "Asia/Tokyo"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        if hour.startswith("00"):
            assert nr.read_ledger(tmp_path / "a.parquet").months == ["2025-02"]
        else:
            [said] = rejected(tmp_path / "a.parquet")
            assert "month: 2025-02-02 07:00:00+00:00 is a time of a zone" in said
    monkeypatch.undo()
    time.tzset()


def test_true_and_false_are_no_money(tmp_path):
    book = pd.ExcelWriter(tmp_path / "a.xlsx", engine="xlsxwriter")
    pd.DataFrame({"customer": ["A", "B"], "month": ["2025-01"] * 2, "mrr": [True, 5]}).to_excel(
        book, index=False
    )
    book.close()
    assert "True is not a number" in rejected(tmp_path / "a.xlsx")[0]


@pytest.mark.parametrize("heading", ["Customer,customer,month,mrr", "customer,month,MRR,mrr"])
def test_headings_that_are_the_same_to_us(write, heading):
    found = rejected(write(f"{heading}\nA,B,2025-01,1\n"))[0]
    assert "stands twice" in found or "there are the columns MRR and mrr" in found


def test_two_words_for_one_heading(write):
    assert (
        "is used twice" in rejected(write(GOOD), columns={"customer": "month", "month": "month"})[0]
    )


def test_what_came_back_is_what_the_book_says():
    ledger = nr.read_ledger(ROOT / "nrrsim" / "data" / "meridian.csv", grace_months=1)
    book = ledger.book(ledger.months[0], ledger.months[-1]).total()
    assert ledger.reactivation() == pytest.approx(book.amount("reactivation"), abs=0.001)
    assert ledger.reactivation() > 1e5


def test_a_column_of_parquet_is_whole_whatever_its_parts_hold(tmp_path):
    """A part is of 1,024,000 rows: here text, days and amounts begin, or end, with nothing."""
    import duckdb

    from nrrsim.ledger.containers import Opened
    from nrrsim.ledger.records import read_parquet

    path = tmp_path / "long.parquet"
    n, part = 1_100_000, 1_024_000
    sql = f"""
select i // 50 as id, date '2025-01-01' + (i % 50)::int as day,
    case when i < {part} then null else i * 0.5::double end as late,
    case when i < 9 then 1.5::double end as early,
    case when i % 2 = 0 then i end as some, case when i < {part} then null else 'a' || i end as own,
    case when i < {part} then null else 'b' end as few, timestamp '2025-01-01' as since
from range({n}) t(i)"""
    duckdb.execute(f"copy ({sql}) to '{path}' (format parquet)")
    found = read_parquet(Opened(path, "long.parquet", ".parquet")).frame
    i = np.arange(n)
    assert found["late"].notna().sum() == n - part
    assert (found["late"].to_numpy()[part:] == i[part:] * 0.5).all()
    assert found["early"].notna().sum() == 9
    assert (found["day"].to_numpy() == np.datetime64("2025-01-01") + i % 50).all()
    assert found["some"].to_numpy()[[0, 1, -2, -1]].tolist()[::2] == ["0", str(n - 2)]
    assert found["own"].iloc[-1] == f"a{n - 1}"
    assert found["own"].isna().sum() == found["few"].isna().sum() == part
    assert found["few"].dropna().unique().tolist() == ["b"]
    assert (found["since"].to_numpy() == np.datetime64("2025-01-01")).all()


def test_names_that_look_the_same(write):
    names = ["Café", "Cafe\u0301", "A B", "a b"]
    rows = "".join(f"{name},2025-01,1\n" for name in names)
    said = " ".join(map(str, nr.read_ledger(write(f"customer,month,mrr\n{rows}")).notices))
    assert said.count("look the same") == 2


def test_a_cohort_that_is_gone_is_shown_as_gone(write):
    rows = [f"{c},2024-{m:02d},10" for c in "AB" for m in range(1, 7)] + [
        f"C,2024-{m:02d},1" for m in range(5, 13)
    ]
    ages = nr.read_ledger(write("customer,month,mrr\n" + "\n".join(rows))).ages(
        "2024-12", "cohort_year"
    )
    first = ages[ages["cohort"] == "until 2024-01"]
    assert (first["amount"] / first["opening"]).tolist() == [1.0] * 6 + [0.0] * 6


# --- what a review found --------------------------------------------------------------------------


def test_a_rate_that_makes_an_amount_of_no_size_is_refused(write):
    text = "customer,month,mrr,currency\nA,2025-01,100,EUR\nA,2025-02,200,EUR\nB,2025-01,1,USD\n"
    for rate in ("1e308", "1e22"):
        rates = write(f"month,currency,rate\n2025-01,EUR,{rate}\n2025-02,EUR,1\n", "rates.csv")
        ledger = nr.read_ledger(write(text), rates=rates, currency="USD")
        with pytest.raises(nr.UsageError, match="rates: EUR in 2025-01 makes an amount of 1e25"):
            ledger.cohort("2025-02", 1)


def test_a_file_of_rates_that_breaks_off_says_so(write):
    rates = write("month,currency,rate\n2025-01,EUR,1.25\n2025-02,EUR,1", "rates.csv")
    ledger = nr.read_ledger(
        write("customer,month,mrr,currency\nA,2025-01,1,EUR\nA,2025-02,1,EUR\n"),
        rates=rates,
        currency="USD",
    )
    assert any("rates.csv" in str(each) and "no line end" in str(each) for each in ledger.notices)


@pytest.mark.parametrize(("one", "other"), [("1001", "1001.0"), ("7", "7.000"), ("c1.5", "c1.50")])
def test_ids_that_differ_by_a_decimal_point_and_zeros(write, one, other):
    text = f"customer,month,mrr\n{one},2025-01,1\n{other},2025-02,1\n"
    if "c" in one:  # 1.5 is no whole number, and 1.50 another text
        assert nr.nrr(nr.read_ledger(write(text)).cohort("2025-02", 1)) == 0
        return
    assert "differ by a decimal point and zeros alone" in rejected(write(text))[0]


def test_a_price_that_does_not_tie_is_said_of_the_subscription(write):
    text = "customer,start,end,mrr,quantity,unit_price\nB,2023-01-01,,10,1,10\nA,2023-01-01,,100,1,99\n"
    said = " ".join(map(str, nr.read_ledger(write(text), until="2024-06").notices))
    assert "ledger.csv:3: quantity x unit_price is not the mrr in 1 row;" in said


@pytest.mark.parametrize("blank", [0, 1, 2])
def test_a_row_of_one_cell_is_told_with_its_own_line(write, blank):
    rows = ["A;2025-01;1", *([""] * blank), "B;2025-01;5", "0", "A;2025-02;1"]
    found = rejected(write("customer;month;mrr\n" + "\n".join(rows) + "\n"))
    assert [line.split(" the row")[0] for line in found] == [f"ledger.csv:{4 + blank}:"]


def test_a_column_that_is_called_like_a_cohort_is_told(write):
    text = "customer,month,mrr,cohort_year\nA,2025-01,1,x\nA,2025-02,1,x\n"
    ledger = nr.read_ledger(write(text))
    assert any("a column cohort_year of its own" in str(each) for each in ledger.notices)
    assert ledger.columns.count("cohort_year") == 1
    assert ledger.cohort("2025-02", 1, "cohort_year").segments == ["until 2025-01"]
