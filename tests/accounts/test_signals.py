"""Signals as people keep them: read to the cell, or refused by file and line; never half read."""

import gzip
import json
import re
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED
from hypothesis import assume, given
from hypothesis import strategies as st

import nrrsim as nr
from nrrsim.accounts.signals import LONG, Signals, findings_of, read_signals
from nrrsim.accounts.watch import SignalsCard, read_signals_card
from nrrsim.errors import DataError, UsageError
from nrrsim.ledger.reading import Reading
from nrrsim.months import parse_month

NAMES = ("001", "Acme", "Bolt", "Ümlaut")
BOOK = pd.DataFrame(
    [(name, f"2026-{month:02d}", 100.0) for name in NAMES for month in range(1, 10)],
    columns=["customer", "month", "mrr"],
)
LEDGER = nr.read_ledger(BOOK)


def read(tmp_path, text, name="signals.csv", **how):
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_signals(file, LEDGER, **how)


def cells(signals):
    """`Acme 2026-03-31 users 5, ...`: each value that is known, in the order of the frame."""
    days = pd.to_datetime(signals.frame["day"], unit="D").dt.strftime("%Y-%m-%d")
    return ", ".join(
        f"{customer} {day} {name} {value:.10g}"
        for customer, day, (_, row) in zip(
            signals.frame["customer"], days, signals.frame[[*signals.names]].iterrows(), strict=True
        )
        for name, value in row.items()
        if not np.isnan(value)
    )


def told(signals):
    return "\n".join([*signals.taken, *map(str, signals.notices)])


# --- what is read ---------------------------------------------------------------------------------

READ = {
    # kind: the file, what is read, what is said of it
    "wide": (
        "customer,date,users\nBolt,2026-04,7\nAcme,2026-03-31,5\n",
        "Acme 2026-03-31 users 5, Bolt 2026-04-30 users 7",
        "",
    ),
    "long": (
        "date,customer,value,signal\n2026-03-31,Acme,5,users\n2026-03-31,Acme,-3,nps\n2026-04,Bolt,,users\n",
        "Acme 2026-03-31 nps -3, Acme 2026-03-31 users 5",
        "",
    ),
    "a missing value is not zero": (
        "customer,date,users,nps\nAcme,2026-03,5,\nBolt,2026-03,,0\n",
        "Acme 2026-03-31 users 5, Bolt 2026-03-31 nps 0",
        "",
    ),
    "unknown in words": (
        "customer,date,users\nAcme,2026-01,n/a\nBolt,2026-01,7\n001,2026-01,-\nAcme,2026-02,NULL\n",
        "Bolt 2026-01-31 users 7",
        "",
    ),
    "German": (
        "Kunde;Datum;users\nAcme;31.03.2026;1.234,5\nBolt;01.04.2026;7\n",
        "Acme 2026-03-31 users 1234.5, Bolt 2026-04-01 users 7",
        "customer is the column Kunde of the signals\ndate is the column Datum of the signals",
    ),
    "one column tells the decimal sign of the other": (
        "customer,date,users,depth\nAcme,2026-01,1.234,0.5\nBolt,2026-01,2.345,0.25\n",
        "Acme 2026-01-31 depth 0.5, Acme 2026-01-31 users 1.234,"
        " Bolt 2026-01-31 depth 0.25, Bolt 2026-01-31 users 2.345",
        "",
    ),
    "times": (
        "customer,timestamp,users\nAcme,2026-01-05T10:22:33Z,4\nBolt,2026-01-05 23:59,7\n",
        "Acme 2026-01-05 users 4, Bolt 2026-01-05 users 7",
        "date is the column timestamp",
    ),
    "a quarter": ("customer,date,nps\nAcme,2026Q1,5\n", "Acme 2026-03-31 nps 5", ""),
    "a week is known at its end": (
        "customer,week,users\nAcme,2026-01-05,5\n",
        "Acme 2026-01-11 users 5",
        "a week is known on its last day",
    ),
    "the end of a week": (
        "customer,week ending,users\nAcme,2026-01-11,5\n",
        "Acme 2026-01-11 users 5",
        "date is the column week ending",
    ),
    "before the ledger": (
        "customer,date,users\nBolt,1999-01-01,3\n", "Bolt 1999-01-01 users 3", ""),
    "yes and no": (
        "customer,date,sso\nAcme,2026-01,yes\nBolt,2026-01,No\n001,2026-01,\n",
        "Acme 2026-01-31 sso 1, Bolt 2026-01-31 sso 0",
        "sso: yes and no are 1 and 0",
    ),
    "percent": (
        "customer,date,use\nAcme,2026-01,85%\nBolt,2026-01,7 %\n",
        "Acme 2026-01-31 use 0.85, Bolt 2026-01-31 use 0.07",
        "use: 85% is 0.85",
    ),
    "thousands": (
        "customer,date,volume\nAcme,2026-01,5k\nBolt,2026-01,$3\n",
        "Acme 2026-01-31 volume 5000, Bolt 2026-01-31 volume 3",
        ":2: volume: 1 number written in thousands",
    ),
    "text is no signal": (
        "customer,date,users,owner,plan\nAcme,2026-01,3,Jo,Pro\nBolt,2026-01,2,Al,\n",
        "Acme 2026-01-31 users 3, Bolt 2026-01-31 users 2",
        "no number stands in owner, plan; left out",
    ),
    "nothing known": (
        "customer,date,users,nps\nAcme,2026-01,3,\n",
        "Acme 2026-01-31 users 3",
        "nothing is known of nps; left out",
    ),
    "said twice alike": (
        "customer,date,users\nAcme,2026-01,3\nAcme,2026-01-31,3.0\n", "Acme 2026-01-31 users 3", ""),
    "in two halves": (
        "customer,date,users,nps\nAcme,2026-01,3,\nAcme,2026-01-31,,9\n",
        "Acme 2026-01-31 nps 9, Acme 2026-01-31 users 3",
        "",
    ),
    "who is not in the ledger": (
        "customer,date,users\nAcme,2026-01,3\nZed,2026-01,4\nYul,2026-01,4\n",
        "Acme 2026-01-31 users 3",
        ":3: 2 customers are not in the ledger, such as 'Yul', 'Zed'; left out",
    ),
    "who looks like one of the ledger": (
        "customer,date,users\nAcme,2026-01,3\nACME,2026-01,4\n",
        "Acme 2026-01-31 users 3",
        "'ACME' is 'Acme' there; each spelling counts as a customer of its own",
    ),
    "a title above, a note below": (
        "Usage\n\ncustomer,date,users\nAcme,2026-01,5\n\nNote: as exported\n",
        "Acme 2026-01-31 users 5",
        "is read as a note",
    ),
    "a name beside the id": (
        "Customer ID,Customer Name,date,users\nAcme,Acme Inc,2026-01,5\n",
        "Acme 2026-01-31 users 5",
        "customer is the column Customer ID",
    ),
    "a column with the name of ours": (
        "customer,date,month,users\nAcme,2026-01-03,1,2\n",
        "Acme 2026-01-03 users 2",
        "the column month is left out",
    ),
    "as the card writes it": (
        "customer,date,Active Users,NPS\nAcme,2026-01,2,1\n",
        "Acme 2026-01-31 active_users 2, Acme 2026-01-31 nps 1",
        "",
    ),
    "a byte order mark": (
        "\ufeffcustomer,date,users\nÜmlaut,2026-01,2\n", "Ümlaut 2026-01-31 users 2", ""),
    "windows' letters": (
        "customer,date,users\nÜmlaut,2026-01,2\n".encode("cp1252"), "Ümlaut 2026-01-31 users 2", ""),
    "rows that are numbered": (
        ",customer,date,users\n0,Acme,2026-01,2\n1,Bolt,2026-01,3\n",
        "Acme 2026-01-31 users 2, Bolt 2026-01-31 users 3",
        "signals.csv:1: a column has no heading: left out",
    ),
    "only empty cells": ("customer,date,users\nAcme,2026-01,\n", "", "nothing is known of users"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected", "said"), READ.values(), ids=READ)
def test_what_a_file_says_is_read(tmp_path, text, expected, said):
    signals = read(tmp_path, text)
    assert cells(signals) == expected
    assert said in told(signals)
    assert bool(said) == bool(told(signals))


# --- what is refused ------------------------------------------------------------------------------

REFUSED = {
    # kind: the file, a finding a line
    "no customer": ("who,date,users\nAcme,2026-01,3\n", [":1: there is no column customer; write"]),
    "no date": ("customer,users\nAcme,3\n", [":1: there is no column date; write"]),
    "months across": (
        "customer,2026-01,2026-02\nAcme,3,4\n",
        [":1: there is no column date; months stand across, such as 2026-01: write a row for each"],
    ),
    "the number of a week": (
        "customer,week,users\nAcme,2026-05,3\n",
        [":2: date: '2026-05' is a month, and the column is of weeks; write the first day"],
    ),
    "neither": ("who,when\nAcme,3\n", [":1: there is no column customer", ":1: there is no column date"]),
    "no signal": ("customer,date\nAcme,2026-01\n", [": there is no signal"]),
    "no rows": ("customer,date,users\n", [": there are no rows"]),
    "nothing": ("", [":1: the file is empty"]),
    "two signals of one name": (
        "customer,date,Users,users\nAcme,2026-01,1,2\n",
        [":1: the heading users stands twice: Users; rename one"],
    ),
    "a long table with more": (
        "customer,date,signal,value,unit\nAcme,2026-01-03,users,1,n\n",
        [":1: a long table has customer, date, signal and value, and here is unit"],
    ),
    "a long table without a name": (
        "customer,date,signal,value\nAcme,2026-01-03,,1\nBolt,2026-01-03,users,1\n",
        [":2: signal: 1 cell is empty; write the signal's name"],
    ),
    "text among numbers": (
        "customer,date,users,nps\nAcme,2026-01,many,1\nBolt,2026-01,2,good\n",
        [
            ":2: users: 'many' is not a number; write a number, or leave the cell empty",
            ":3: nps: 'good' is not a number; .* signals card: nps: {kind: text}",
        ],
    ),
    "percent beside numbers": (
        "customer,date,use\nAcme,2026-01,85%\nBolt,2026-01,7\n", [":2: use: '85%' is not a number"]),
    "an error of a spreadsheet": (
        "customer,date,users\nAcme,2026-01,#N/A\nBolt,2026-01,7\n",
        [":2: users: '#N/A' is an error of the spreadsheet"],
    ),
    "infinite, and too large": (
        "customer,date,users\nAcme,2026-01,inf\nBolt,2026-01,1e30\n",
        [":2: users: 'inf' is too large", ":3: users: '1e30' is too large"],
    ),
    "two values": (
        "customer,date,users\nAcme,2026-01,3\nBolt,2026-01,3\nAcme,2026-01-31,4\n",
        [r":4: users: 4 stands beside 3 \(\S+:2\) for the same customer and day; keep one"],
    ),
    "dates that are none": (
        "customer,date,users\nAcme,soon,3\nBolt,2026-13,4\nBolt,,4\nAcme,1850-01-01,1\n",
        [
            ":2: date: 'soon' is not a date",
            ":3: date: '2026-13' is not a date",
            ":4: date: is empty",
            ":5: date: '1850-01-01' is not a date",
        ],
    ),
    "a date that may be two": (
        "customer,date,users\nAcme,01/12/2025,5\n", [":2: date: 1 cell such as .* --dates dmy"]),
    "dates of two orders": (
        "customer,date,users\nAcme,13/01/2026,5\nBolt,01/13/2026,5\n",
        [r":2: date: '13/01/2026' has the day first, and '01/13/2026' \(\S+:3\) the month"],
    ),
    "a number that may be two": (
        "customer,date,users\nAcme,2026-01,1.234\nBolt,2026-01,2.345\n",
        [":2: users: 2 cells such as '1.234': a thousands sign or a decimal sign; .*--decimal"],
    ),
    "two decimal signs": (
        'customer,date,users\nAcme,2026-01,0.5\nBolt,2026-01,"0,5"\n',
        [r":2: users: '0.5' and '0,5' \(\S+:3\) have two decimal signs"],
    ),
    "two currencies": (
        "customer,date,spend\nAcme,2026-01,€5\nBolt,2026-01,$3\n", [":2: spend: .* in \\$ and €"]),
    "no name": (
        "customer,date,users\n,2026-01,3\nAcme,2026-01,3\n", [":2: customer: is empty; every row"]),
    "a name with a character that nobody sees": (
        "customer,date,users\nAc\u200bme,2026-01,3\nBolt,2026-01,3\n", [":2: customer: .* nobody sees"]),
    "an id without its zeros": (
        "customer,date,users\n1,2026-01,3\nAcme,2026-01,3\n",
        [":2: customer: '1' and the ledger's '001' differ by zeros alone; .*--ids one"],
    ),
    "nobody of the ledger": (
        "customer,date,users\nZed,2026-01,3\n",
        [":2: customer: none of 1 customer is in the ledger, such as 'Zed'; write them as"],
    ),
    "all at once": (
        "customer,date,users\n,2026-01,3\nAcme,soon,3\nBolt,2026-01,few\n",
        [":2: customer: is empty", ":3: date: 'soon'", ":4: users: 'few'"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "findings"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_by_its_line(tmp_path, text, findings):
    with pytest.raises(DataError) as refused:
        read(tmp_path, text)
    lines = [str(each).removeprefix(f"{tmp_path}/signals.csv") for each in refused.value.findings]
    assert len(lines) == len(findings), lines
    for line, said in zip(lines, findings, strict=True):
        assert re.match(said, line), line


def test_many_cells_of_one_cause_are_one_finding(tmp_path):
    rows = "".join(f"Acme,2026-01-{day:02d},x\n" for day in range(1, 10))
    with pytest.raises(DataError) as refused:
        read(tmp_path, f"customer,date,users\n{rows}Bolt,2026-01-01,1\n")
    (only,) = refused.value.findings
    assert ":2: users: 9 cells like this, the first here: 'x' is not a number" in str(only)


def test_a_card_says_what_is_a_signal_and_what_is_text(tmp_path):
    text = "customer,date,users,zip\nAcme,2026-01,few,80331\nBolt,2026-01,2,x\n"
    card = SignalsCard.model_validate(
        {"signals": {"users": {"kind": "text"}, "Zip": {"kind": "text"}}}
    )
    with pytest.raises(DataError):
        read(tmp_path, text)
    with pytest.raises(DataError, match="there is no signal"):
        read(tmp_path, "customer,date,users\nAcme,2026-01,few\n", card=card)
    both = read(
        tmp_path,
        text.replace("users", "nps,users").replace(",few", ",1,few").replace("01,2", "01,3,2"),
        card=card,
    )
    assert cells(both) == "Acme 2026-01-31 nps 1, Bolt 2026-01-31 nps 3"
    # what the card names is a signal, also where no number stands
    card = SignalsCard.model_validate({"signals": {"users": {}}})
    with pytest.raises(DataError, match="'few' is not a number"):
        read(tmp_path, "customer,date,users,n\nAcme,2026-01,few,1\n", card=card)


@pytest.mark.parametrize(
    ("text", "how", "expected"),
    [
        ("customer,date,n\nAcme,01/12/2025,5\n", {"dates": "dmy"}, "Acme 2025-12-01 n 5"),
        ("customer,date,n\nAcme,01/12/2025,5\n", {"dates": "mdy"}, "Acme 2025-01-12 n 5"),
        # what was said of the ledger does not turn round what a file tells itself
        ("customer,date,n\nAcme,13/01/2026,5\n", {"dates": "mdy"}, "Acme 2026-01-13 n 5"),
        ("customer,date,n\nAcme,2026-01,1.234\n", {"decimal": "."}, "Acme 2026-01-31 n 1.234"),
        ("customer,date,n\nAcme,2026-01,1.234\n", {"decimal": ","}, "Acme 2026-01-31 n 1234"),
        ("customer,date,n\nAcme,2026-01,1.5\n", {"decimal": ","}, "Acme 2026-01-31 n 1.5"),
        ("customer,date,n\n1,2026-01,5\n", {"ids": "one"}, "001 2026-01-31 n 5"),
        ("customer,date,n\n1,2026-01,5\nAcme,2026-01,1\n", {"ids": "two"}, "Acme 2026-01-31 n 1"),
        ("Who,When,n\nAcme,2026-01,5\n", {"columns": {"customer": "who", "month": "When"}}, "Acme 2026-01-31 n 5"),
        ("customer,date,n\nAcme,2026-01,5\n", {"columns": {"customer": "Account"}}, "Acme 2026-01-31 n 5"),
        ("customer,date,n\nAcme,FY26 Q4,5\n", {"fiscal_year_end": 1}, "Acme 2026-01-31 n 5"),
        ("customer,date,n\nAcme,2026-01-05T23:30:00Z,5\n", {"timezone": "Europe/Berlin"}, "Acme 2026-01-06 n 5"),
    ],
)  # fmt: skip
def test_the_ledgers_options_settle_what_is_asked(tmp_path, text, how, expected):
    assert cells(read(tmp_path, text, reading=Reading(**how))) == expected


# --- other containers -----------------------------------------------------------------------------

TABLE = pd.DataFrame(
    {
        "customer": ["Acme", "Bolt", "001"],
        "date": pd.to_datetime(["2026-01-31", "2026-02-28", "2026-03-05"]),
        "users": [5, None, 7],
        "sso": [True, False, True],
        "owner": ["Jo", None, "Al"],
    }
)
OF_TABLE = (
    "001 2026-03-05 sso 1, 001 2026-03-05 users 7, Acme 2026-01-31 sso 1, Acme 2026-01-31 users 5,"
    " Bolt 2026-02-28 sso 0"
)


@pytest.mark.parametrize("kind", ["frame", "xlsx", "parquet", "json", "csv.gz", "zip", "folder"])
def test_signals_come_in_every_container_of_a_ledger(tmp_path, kind):
    file = tmp_path / f"signals.{kind}"
    if kind == "xlsx":
        TABLE.to_excel(file, index=False)
    elif kind == "parquet":
        nr.files.write_parquet(TABLE, file, {})
    elif kind == "json":
        TABLE.assign(date=TABLE["date"].astype(str)).to_json(file, orient="records")
    elif kind == "csv.gz":
        file.write_bytes(gzip.compress(TABLE.to_csv(index=False).encode()))
    elif kind == "zip":
        TABLE.to_csv(file, index=False, compression={"method": "zip", "archive_name": "s.csv"})
    elif kind == "folder":
        file.mkdir()
        for at in range(len(TABLE)):
            TABLE.iloc[[at]].to_csv(file / f"{at}.csv", index=False)
    assert cells(read_signals(TABLE if kind == "frame" else file, LEDGER)) == OF_TABLE


def test_a_workbook_need_not_have_the_ledgers_sheet(tmp_path):
    TABLE.to_excel(tmp_path / "signals.xlsx", index=False, sheet_name="Usage")
    how = Reading(sheet="ARR")
    assert cells(read_signals(tmp_path / "signals.xlsx", LEDGER, reading=how)) == OF_TABLE
    with pytest.raises(UsageError, match="there is no such file"):
        read_signals(tmp_path / "none.csv", LEDGER, reading=how)


def test_a_finding_of_a_frame_names_its_row():
    wrong = TABLE.assign(users=["5", "few", "7"]).set_index(pd.Index(["a", "b", "c"]))
    with pytest.raises(DataError, match="the table of signals, row 'b': users: 'few'"):
        read_signals(wrong, LEDGER)


# --- what comes out -------------------------------------------------------------------------------


def test_customers_have_the_ledgers_own_codes(tmp_path):
    signals = read(tmp_path, "customer,date,users\nBolt,2026-01,1\nAcme,2026-01,1\n")
    ours, theirs = (each["customer"] for each in (signals.frame, LEDGER.entries.frame))
    assert ours.cat.categories.equals(theirs.cat.categories)
    assert signals.frame["month"].tolist() == [parse_month("2026-01", "")] * 2


def test_masked_names_stay_masked(tmp_path):
    masked = LEDGER.masked("2026-09")
    text = "customer,date,users\nBolt,2026-01,1\nAcme,2026-01,2\nZed,2026-01,3\nACME,2026-01,3\n1,2026-01,4\n"
    (tmp_path / "s.csv").write_text(text)
    signals = read_signals(tmp_path / "s.csv", masked, reading=Reading(ids="one"))
    by_name = dict(zip(signals.frame["customer"], signals.frame["users"], strict=True))
    assert {masked.unmasked[name]: users for name, users in by_name.items()} == {
        "Acme": 2, "Bolt": 1, "001": 4}  # fmt: skip
    assert "2 customers are not in the ledger; left out" in told(signals)
    assert not re.search("Acme|Bolt|Zed|ACME|001", told(signals))


def test_nothing_later_is_left(tmp_path):
    signals = read(tmp_path, "customer,date,users\nAcme,2026-01-31,1\nAcme,2026-02-01,2\n")
    assert cells(signals.until(parse_month("2026-01", ""))) == "Acme 2026-01-31 users 1"
    assert signals.until(parse_month("2025-12", "")).frame.empty
    assert len(signals.frame) == 2


def test_two_hundred_columns(tmp_path):
    names = [f"s{number:03d}" for number in range(200)]
    text = f"customer,date,{','.join(names)}\nAcme,2026-01,{','.join(map(str, range(200)))}\n"
    signals = read(tmp_path, text)
    assert signals.names == tuple(names)
    assert signals.frame.loc[0, "s199"] == 199


def test_a_rejected_ledger_hides_nothing_of_the_signals(tmp_path):
    (tmp_path / "s.csv").write_text("customer,date,users\nNobody,soon,1\n")
    (only,) = findings_of(tmp_path / "s.csv", read_signals_card(), Reading())
    assert "'soon' is not a date" in str(only)


@pytest.mark.shared
def test_a_real_companys_first_thirty_days():
    ledger = nr.read_ledger(SHARED / "buffer_ledger.csv", unit="mrr")
    signals = read_signals(SHARED / "buffer_signals.csv", ledger)
    written = pd.read_csv(SHARED / "buffer_signals.csv")
    assert signals.names == tuple(sorted(written.columns[2:]))
    known = written[written["customer"].isin(ledger.entries.frame["customer"].unique())]
    assert len(signals.frame) == len(known)
    assert signals.not_in_ledger == written["customer"].nunique() - known["customer"].nunique()
    for name in signals.names:
        assert signals.frame[name].sum() == known[name].sum()


# --- order and files ------------------------------------------------------------------------------

rows = st.lists(
    st.tuples(
        st.sampled_from([*NAMES, "Zed"]),
        st.dates(min_value=pd.Timestamp("2025-12-01").date(), max_value=pd.Timestamp("2026-10-31").date()),
        st.sampled_from(["users", "nps", "tickets"]),
        st.integers(-5, 2000).map(lambda number: number / 4),
    ),
    min_size=1,
    unique_by=lambda row: row[:3],
)  # fmt: skip


def same(one: Signals, other: Signals) -> bool:
    return one.names == other.names and one.frame.equals(other.frame)


@given(rows, st.integers(0, 2**32 - 1))
def test_order_files_and_form_change_nothing(tmp_path_factory, rows, seed):
    assume(any(row[0] in NAMES for row in rows))
    folder = tmp_path_factory.mktemp("signals")
    long = pd.DataFrame(rows, columns=[*LONG])
    wide = long.pivot(index=["customer", "date"], columns="signal", values="value").reset_index()
    whole = read_signals(long, LEDGER)
    assert same(whole, read_signals(long.sample(frac=1, random_state=seed), LEDGER))
    assert same(whole, read_signals(wide.sample(frac=1, axis=1, random_state=seed), LEDGER))

    drawn = np.random.default_rng(seed).integers(0, 3, len(long))
    for number, part in long.groupby(drawn):
        part.to_csv(folder / f"{number}.csv", index=False)
    files = sorted(map(str, folder.iterdir()))
    assert same(whole, read_signals(files, LEDGER))
    assert same(whole, read_signals(files[::-1], LEDGER))


@given(rows)
def test_other_names_of_customers_change_nothing_else(rows):
    assume(any(row[0] in NAMES for row in rows))
    # in the same order, so that the frame's is the same
    new = {name: f"{at}-{name}" for at, name in enumerate(NAMES)}
    ledger = nr.read_ledger(BOOK.assign(customer=BOOK["customer"].map(new)))
    long = pd.DataFrame(rows, columns=[*LONG])
    one = read_signals(long, LEDGER)
    other = read_signals(long.assign(customer=long["customer"].replace(new)), ledger)
    assert one.frame.drop(columns="customer").equals(other.frame.drop(columns="customer"))
    assert one.not_in_ledger == other.not_in_ledger


# --- hostile bytes --------------------------------------------------------------------------------

PLAIN = "customer,date,users,nps\n" + "".join(
    f"{name},2026-{month:02d},{month + 3},{month - 5}\n" for name in NAMES for month in (1, 2, 3)
)
BAD = [
    "\0",
    "\r",
    '"',
    ",",
    ";",
    "\n",
    "\u202e",
    "\u200b",
    "'",
    "=1+1",
    "1e400",
    "-inf",
    "nan",
    "½",
    "٣",
    "１",
]
BAD += [
    "9999-12-31",
    "0000-00",
    "2026-02-30",
    "1,2,3",
    "--5",
    "(5)",
    "5-",
    "%",
    "#REF!",
    "TRUE",
    "🚀" * 50,
]


@given(st.lists(st.tuples(st.integers(0, len(PLAIN)), st.sampled_from(BAD)), max_size=4))
def test_whatever_stands_in_a_file_there_is_an_answer_or_a_refusal(tmp_path_factory, slips):
    file = tmp_path_factory.mktemp("hostile") / "signals.csv"
    text = PLAIN
    for place, slip in slips:
        text = text[:place] + slip + text[place:]
    file.write_bytes(text.encode())
    with suppress(DataError, UsageError):
        signals = read_signals(file, LEDGER)
        assert not np.isinf(signals.frame[[*signals.names]].to_numpy()).any()
        assert slips or len(signals.frame) == len(PLAIN.splitlines()) - 1


# --- nrrsim check ---------------------------------------------------------------------------------

GOOD = "customer,month,mrr\nAcme,2026-01,1\nBolt,2026-01,1\nAcme,2026-02,1\nBolt,2026-02,1\n"
SEEN = "customer,date,nps,logins\nAcme,2026-01-15,0,3\nAcme,2026-02-15,0,\nZed,2026-01,1,1\n"


def test_check_tells_what_is_in_the_signals(run, write):
    ledger, signals = str(write(GOOD)), str(write(SEEN, "signals.csv"))
    code, out, _ = run("check", ledger, "--signals", signals)
    assert code == 0
    assert "2 rows of 1 customer, 2026-01-15 to 2026-02-15; 1 customer not in the ledger" in out
    assert re.search(r"logins +level, known of 50.0% of customers, the same throughout\n", out)
    assert re.search(r"NPS +score, known of 50.0% of customers, the same throughout\n", out)
    assert re.search(r"^rule +NPS below 0: never fired$", out, re.MULTILINE)
    assert "reached 80% of seats bought: no signal seats used, seats bought" in out
    assert "1 customer is not in the ledger, such as 'Zed'" in out

    found = json.loads(run("check", ledger, "--signals", signals, "--json")[1])
    assert found["customers"] == 2
    assert found["signals"]["signals"]["nps"] == {"kind": "score", "known": 0.5, "constant": True}
    assert found["signals"]["rules"] == {"NPS below 0": 0}
    assert "signals" not in json.loads(run("check", ledger, "--json")[1])


def test_check_tells_what_is_wrong_with_both_files(run, write):
    bad = write(SEEN.replace("2026-02-15", "soon"), "signals.csv")
    code, out, err = run("check", str(write(GOOD + "Cube,2026-02,x\n")), "--signals", str(bad))
    assert code == 3
    assert [line.rpartition("/")[2].split(" ")[0] for line in out.splitlines()] == [
        "ledger.csv:6:", "signals.csv:3:"]  # fmt: skip
    assert "2 findings: the ledger, with what stands beside it, is rejected" in err
    code, out, _ = run("check", str(write(GOOD)), "--signals", str(bad), "--json")
    assert code == 3
    assert len(json.loads(out)["findings"]) == 1


def test_check_reads_a_card_of_signals(run, write):
    ledger, signals = str(write(GOOD)), str(write(SEEN, "signals.csv"))
    card = str(write("watch: [{signal: logins, above: 2, means: risk}]\n", "card.yaml"))
    code, out, _ = run("check", ledger, "--signals", signals, "--signals-card", card)
    assert code == 0
    assert re.search(r"^rule +logins above 2: fired for 1 customer$", out, re.MULTILINE)
    assert "silent rule" not in out
    code, _, err = run("check", ledger, "--signals-card", card)
    assert code == 2
    assert "none are named" in err


def test_check_reads_reasons_beside_signals(run, write):
    ledger = str(write(GOOD.replace("Bolt,2026-02,1\n", "")))
    signals = str(write(SEEN, "signals.csv"))
    reasons = str(write("customer,month,reason\nBolt,2026-02,too dear\n", "reasons.csv"))
    card = str(write("reasons: {too dear: price}\n", "card.yaml"))
    words = ("--signals", signals, "--reasons", reasons, "--signals-card", card)
    code, out, err = run("check", ledger, *words)
    assert code == 0, err
    assert "reasons       1 loss has one: Price 1" in out
    found = json.loads(run("check", ledger, *words, "--json")[1])
    assert found["reasons"] == {"losses": 1, "kinds": {"price": 1}}

    write(SEEN.replace("2026-02-15", "soon"), "signals.csv")
    write("customer,month,reason\nBolt,later,too dear\n", "reasons.csv")
    code, out, _ = run("check", ledger, *words)
    assert code == 3
    assert [line.rpartition("/")[2].split(" ")[0] for line in out.splitlines()] == [
        "reasons.csv:2:", "signals.csv:3:"]  # fmt: skip
