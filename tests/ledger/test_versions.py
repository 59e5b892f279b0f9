"""Versions: a ledger read as it stood on a day, and what is no version of anything."""

import json

import numpy as np
import pytest
from conftest import rejected

import nrrsim as nr

# January's 100 of Alder was booked in time, corrected to 80 in April and to nothing in June.
# Birch's February came late; Cedar's segment was corrected.
VERSIONS = """customer,month,mrr,segment,booked
Alder,2025-01,100,smb,2025-02-03
Alder,2025-01,80,smb,2025-04-10
Alder,2025-01,0,smb,2025-06-01
Birch,2025-01,50,smb,2025-02-03
Birch,2025-02,60,smb,2025-05-20
Cedar,2025-01,10,smb,2025-02-03
Cedar,2025-02,10,smb,2025-03-03
Cedar,2025-02,10,mid,2025-03-04
"""


def amounts(ledger):
    """MRR by customer and month, with the segment."""
    rows = ledger.frame()
    return {
        (row.customer, row.month): (row.arr / 12, str(row.segment)) for row in rows.itertuples()
    }


JANUARY = {("Birch", "2025-01"): (50, "smb"), ("Cedar", "2025-01"): (10, "smb")}
LATE = JANUARY | {("Birch", "2025-02"): (60, "smb"), ("Cedar", "2025-02"): (10, "mid")}


@pytest.mark.parametrize(
    ("known_at", "expected"),
    [
        ("2025-02", JANUARY | {("Alder", "2025-01"): (100, "smb")}),
        (
            "2025-03-03",
            JANUARY | {("Alder", "2025-01"): (100, "smb"), ("Cedar", "2025-02"): (10, "smb")},
        ),
        (
            "2025-04-09",
            JANUARY | {("Alder", "2025-01"): (100, "smb"), ("Cedar", "2025-02"): (10, "mid")},
        ),
        (
            "2025-04-10",
            JANUARY | {("Alder", "2025-01"): (80, "smb"), ("Cedar", "2025-02"): (10, "mid")},
        ),
        ("2025-05-31", LATE | {("Alder", "2025-01"): (80, "smb")}),
        ("2025-06-01", LATE),
        (None, LATE),
    ],
)
def test_the_latest_version_not_after_the_day_holds(write, known_at, expected):
    rows = VERSIONS.splitlines()
    for lines in (rows, [rows[0], *rows[:0:-1]]):
        assert amounts(nr.read_ledger(write("\n".join(lines)), known_at=known_at)) == expected


def test_every_reading_is_that_of_a_ledger_without_versions(write):
    """Seeded ledgers of up to four versions a row: the rows that hold, written out, read the same."""
    rng = np.random.default_rng(23)
    for _ in range(20):
        versions = {
            (name, month): sorted(rng.choice(28, size=rng.integers(1, 5), replace=False) + 1)
            for name in "ABCDE"
            for month in ("2025-01", "2025-02", "2025-03")
        }
        rows = [
            (name, month, int(rng.integers(0, 3)) * 10, int(day))
            for (name, month), days in versions.items()
            for day in days
        ]
        rows += [("Z", month, 5, 1) for month in ("2025-01", "2025-02", "2025-03")]
        rng.shuffle(rows)
        text = "customer,month,mrr,booked\n" + "".join(
            f"{name},{month},{mrr},2025-06-{int(day):02d}\n" for name, month, mrr, day in rows
        )
        until = int(rng.integers(1, 29))
        held = {}
        for name, month, mrr, day in sorted(rows, key=lambda row: int(row[3])):
            if int(day) <= until:
                held[name, month] = int(mrr)
        plain = "customer,month,mrr\n" + "".join(
            f"{name},{month},{mrr}\n" for (name, month), mrr in held.items()
        )
        read = nr.read_ledger(write(text), known_at=f"2025-06-{until:02d}")
        assert read.fingerprint == nr.read_ledger(write(plain)).fingerprint


def test_a_line_has_versions_of_its_own(write):
    text = """customer,month,mrr,product,booked
A,2025-01,10,basic,2025-02-01
A,2025-01,90,pro,2025-02-01
A,2025-01,70,pro,2025-03-01
"""
    assert nr.read_ledger(write(text)).customers("2025-01")["arr"].tolist() == [12 * 80]
    assert nr.read_ledger(write(text), known_at="2025-02").customers("2025-01")["arr"].tolist() == [
        12 * 100
    ]
    by_id = text.replace("product", "subscription_id")
    assert nr.read_ledger(write(by_id)).customers("2025-01")["arr"].tolist() == [12 * 80]


def test_what_was_superseded_and_what_came_later_is_said(write):
    told = [str(each) for each in nr.read_ledger(write(VERSIONS), known_at="2025-05-31").notices]
    assert any("csv:4: 1 row was booked after 2025-05-31" in each for each in told)
    assert any("csv:2: 2 rows are superseded by a later version" in each for each in told)
    once = "customer,month,mrr,booked\nA,2025-01,5,2025-02-01\n"
    assert not any("version" in str(each) for each in nr.read_ledger(write(once)).notices)


def test_the_day_of_booking_is_no_column_to_split_by(write):
    ledger = nr.read_ledger(write(VERSIONS))
    assert "booked" not in ledger.columns
    assert "booked" not in ledger.frame()


ROW = "customer,month,mrr,booked\nA,2025-01,5,{}\nA,2025-01,6,{}\n"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (ROW.format("2025-02-01", "2025-02-01"), 3, "second version of one customer and month"),
        (ROW.format("2025-02-01", "soon"), 3, "'soon' is not a date"),
        (ROW.format("2025-02-01", ""), 3, "is empty"),
        (ROW.format("01/02/2025", "02/03/2025"), 2, "which day that is depends"),
    ],
    ids=["one day", "no date", "empty", "order"],
)
def test_what_cannot_be_a_version_is_a_finding_and_nothing_else_is_told(write, text, line, problem):
    (told,) = rejected(write(text))
    assert told.startswith(f"ledger.csv:{line}: booked: ")
    assert problem in told


def test_a_doubled_export_of_versions_is_kept_once(write):
    text = VERSIONS + VERSIONS.partition("\n")[2]
    (told,) = rejected(write(text))
    assert "keep one of equal rows with --several last" in told
    read = nr.read_ledger(write(text), several="last")
    assert read.fingerprint == nr.read_ledger(write(VERSIONS)).fingerprint


def test_rows_that_are_added_supersede_nothing(write):
    """Postings of January: 100, 80 and 0, of which the last came in June."""
    path = write(VERSIONS.replace("mid", "smb"))
    read = [
        amounts(nr.read_ledger(path, several="add", known_at=day))["Alder", "2025-01"][0]
        for day in ("2025-02-03", "2025-04-10", None)
    ]
    assert read == [100, 180, 180]


def test_a_heading_of_ones_own(write):
    text = VERSIONS.replace("booked", "Posting Date")
    rejected(write(text))  # a second row of a customer and month
    read = nr.read_ledger(write(text), columns={"booked": "Posting date"}, known_at="2025-06-01")
    assert amounts(read) == LATE


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("customer,month,mrr\nA,2025-01,5\n", "has no column booked"),
        ("customer,start,end,mrr,booked\nA,2025-01-01,,5,2025-02-01\n", "has other rows"),
        ("customer,booked,2025-01,2025-02,2025-03\nA,2025-04-01,5,6,7\n", "has other rows"),
    ],
    ids=["no column", "periods", "months across"],
)
def test_known_at_is_refused_where_no_row_is_a_version(write, text, problem):
    with pytest.raises(nr.UsageError, match=problem):
        nr.read_ledger(write(text), known_at="2025-06-01", unit="mrr")


def test_of_periods_the_column_is_said_not_to_be_read(write):
    ledger = nr.read_ledger(write("customer,start,end,mrr,booked\nA,2025-01-01,,5,yes\n"))
    assert any("the column booked is not read" in str(each) for each in ledger.notices)


def test_of_a_log_of_changes_each_row_counts(write):
    """A change in January and another in February, booked on one day, are no versions."""
    text = "customer,month,mrr,booked\nA,2025-01,5,2025-03-01\nA,2025-02,6,2025-03-01\n"
    ledger = nr.read_ledger(write(text), rows="changes")
    assert amounts(ledger)["A", "2025-02"][0] == 6
    with pytest.raises(nr.UsageError, match="has other rows"):
        nr.read_ledger(write(text), rows="changes", known_at="2025-03")


@pytest.mark.parametrize("word", ["soon", "2025-13", "2025-02-30", "12/2025"])
def test_a_day_that_is_none_is_refused(write, word):
    with pytest.raises(nr.UsageError, match=r"known_at: .* is not a day or a month"):
        nr.read_ledger(write(VERSIONS), known_at=word)


def test_a_day_before_the_first_row_is_a_finding(write):
    (told,) = rejected(write(VERSIONS), known_at="2025-01-31")
    assert "the first row was on 2025-02-03" in told


def test_command_card_and_book_read_as_of_a_day(run, write, tmp_path):
    path = write(VERSIONS)
    code, out, _ = run("metrics", path, "--as-of", "2025-02", "--window", 1, "--json",
                       "--known-at", "2025-05-31")  # fmt: skip
    assert code == 0
    assert json.loads(out)["opening"] == 12 * (80 + 50 + 10)
    card = write('ledger: ledger.csv\nknown_at: "2025-03-31"\n', "card.yaml")
    assert json.loads(run("metrics", card, "--as-of", "2025-02", "--window", 1, "--json")[1])[
        "opening"
    ] == 12 * (100 + 50 + 10)
    code, _, err = run("metrics", path, "--known-at", "soon")
    assert (code, "known_at: 'soon'" in err) == (2, True)

    book = (
        "book: {ledger: ledger.csv, as_of: 2025-01, known_at: %s}\ndrivers: {churn: {all: 0.1}}\n"
    )
    opening = [
        float(nr.read_scenario(write(book % day, "s.yaml")).opening.arr.sum())
        for day in ("2025-02-03", "2025-05-31")
    ]
    assert opening == [12 * 160, 12 * 140]
    plain = VERSIONS.replace(",booked", "").partition("\n")[0] + "\nA,2025-01,5,smb\n"
    write(plain)
    with pytest.raises(
        nr.UsageError, match=r"s\.yaml:1:\d+ book\.known_at|s\.yaml:1:\d+ book\.ledger"
    ):
        nr.read_scenario(write(book % "2025-02-03", "s.yaml"))
