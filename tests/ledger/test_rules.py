"""Rules 1 to 14 of intake, sentence by sentence: a few lines of text each, and what comes out.

What comes out is written so: `A 100 100 . | B 50 . 70`, each customer's MRR in the months of the
ledger (a dot where there is none); `? unit, dates`, the options that are asked; or `! customer`, a
word of the refusal where no option settles it.
"""

import io
import itertools
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

import nrrsim as nr

MONTHS = [f"2025-{month:02d}" for month in range(1, 13)]


class Case(NamedTuple):
    """A file (or several, by name), the options, what comes out, and what must be said."""

    about: str
    files: str | bytes | dict[str, str | bytes]
    right: str
    options: dict[str, Any] = {}  # noqa: RUF012
    says: tuple[str, ...] = ()


def of(about: str, files: Any, right: str, *says: str, **options: Any) -> Case:
    return Case(about, files, right, options, says)


def what_comes_out(folder: Path, case: Case) -> tuple[str, str]:
    """As written above, and all that is said."""
    files = case.files if isinstance(case.files, dict) else {"ledger.csv": case.files}
    for name, data in files.items():
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    try:
        ledger = nr.read_ledger(*(folder / name for name in files), **case.options)
    except nr.UsageError as error:
        return f"! {error}", str(error)
    except nr.DataError as error:
        options = sorted({each.option for each in error.findings if each.option})
        said = "; ".join(map(str, error.findings))
        if all(each.option for each in error.findings):
            return f"? {', '.join(options)}", said
        return f"! {said}", said
    frame = ledger.entries.frame
    paid = frame.groupby([frame["customer"].astype(str), "month"])["arr"].sum() / 12
    customers = sorted(set(frame["customer"].astype(str)))
    lines = []
    for customer in customers:
        amounts = [paid.get((customer, month)) for month in ledger.entries.months]
        told = ["." if each is None else f"{each:.10g}" for each in amounts]
        lines.append(" ".join([customer, *told]))
    return " | ".join(lines), "; ".join([*ledger.entries.taken, *map(str, ledger.notices)])


def long(*rows: str, head: str = "customer,month,mrr") -> str:
    """Lines such as `A 100 110`, amounts from 2025-01 on, as one row a customer and month."""
    found = [head]
    for row in rows:
        customer, *amounts = row.rsplit(" ", row.count(" ") - customer_blanks(row))
        pairs = zip(MONTHS, amounts, strict=False)
        found += [f"{customer},{month},{amount}" for month, amount in pairs if amount != "."]
    return "\n".join(found) + "\n"


def customer_blanks(row: str) -> int:
    """How many blanks are inside the customer's name: all before the first amount."""
    words = row.split(" ")
    return next(at for at, word in enumerate(words) if word[:1].isdigit() or word == ".") - 1


def wide(*rows: str, months: list[str] = MONTHS, title: str = "MRR\n") -> str:
    """The same with months across."""
    found = []
    width = 0
    for row in rows:
        customer, *amounts = row.rsplit(" ", row.count(" ") - customer_blanks(row))
        width = max(width, len(amounts))
        found.append(",".join([customer, *("" if each == "." else each for each in amounts)]))
    return title + ",".join(["customer", *months[:width]]) + "\n" + "\n".join(found) + "\n"


def cells(*written: str, months: int = 1) -> str:
    """Amounts as they are written, of customers A, B, C."""
    rows = [f'{name},2025-01,"{each}"' for name, each in zip("ABCDEF", written, strict=False)]
    return "customer,month,mrr\n" + "\n".join(rows) + "\n"


def periods(*rows: str, head: str = "customer,start,end,mrr") -> str:
    return head + "\n" + "\n".join(rows) + "\n"


def months_of(*written: str) -> str:
    """Months as they are written, with 1, 2, 3 in them."""
    return "customer,month,mrr\n" + "".join(f"A,{each},{n}\n" for n, each in enumerate(written, 1))


BOOK = long("A 100 100 110", "B 50 50 50")
READ = "A 100 100 110 | B 50 50 50"
CUSTOMERS = ("customer id", "customer external id", "customer oid", "customers.id", "account id",
             "customer name", "customer", "account name", "account", "client", "contactname",
             "associated company", "company", "kunde", "Customer_ID", "CUSTOMER-NAME",
             "Sum of customer")  # fmt: skip
AMOUNTS = ("mrr amount", "monthly recurring revenue", "mrr billing currency", "ending balance mrr",
           "Sum of MRR", "MRR (USD)", "MRR USD", "MRR_EUR", "MRR €", "MRR ($)")  # fmt: skip
NAMES = [
    *(of(f"customer: {each}", BOOK.replace("customer", each, 1), READ) for each in CUSTOMERS),
    *(
        of(f"month: {each}", BOOK.replace("month", each, 1), READ)
        for each in ("date month", "reporting month", "revenue month end date", "period", "as of",
                     "date", "monat", "DATE_MONTH")
    ),
    *(of(f"mrr: {each}", BOOK.replace("mrr", each, 1), READ) for each in AMOUNTS),
    of("the heading's unit", BOOK.replace("mrr", "mrr cents"), "A 1 1 1.1 | B 0.5 0.5 0.5", "cents"),
    of("the same in words", BOOK.replace("mrr", "MRR in cents"), "A 1 1 1.1 | B 0.5 0.5 0.5"),
    of("start and end", periods("A,2025-01-01,2025-03-01,1", "B,2025-03-01,,2",
       head="customer,Start Date,End_Date,mrr"), "A 1 1 . | B . . 2"),
    of("a likely heading is suggested", BOOK.replace("mrr", "Recurring Rev"), '! mrr="Recurring Rev"'),
    of("a likely customer", BOOK.replace("customer", "Acct Name"), '! customer="Acct Name"'),
    of("an id beats the name of its noun",
       "Customer ID,Customer,month,mrr\n1,Al,2025-01,5\n1,Alder,2025-02,5\n", "1 5 5",
       "one id and several names"),
    of("an account's too", "Account Name,Account ID,month,mrr\nA,1,2025-01,5\nA,1,2025-02,5\n",
       "1 5 5", "an id beats a name"),
    *(
        of(f"{beside} beside customer", f"Customer,{beside},month,mrr\nA,x,2025-01,5\n", "? column")
        for beside in ("Account", "Account Name", "Account ID", "Subsidiary", "Parent",
                       "Parent Account", "Parent Company")
    ),
    of("account id beside a customer's name",
       "Account ID,Customer Name,month,mrr\n1,A,2025-01,5\n", "? column"),
    of("which is said", "Customer,Account,month,mrr\nA,x,2025-01,5\n", "x 5",
       columns={"customer": "Account"}),
    of("an account code is the ledger's", "Customer,Account Code,month,mrr\nA,4000,2025-01,5\n", "A 5"),
    of("account beside an invoice's number",
       "Account,Invoice Number,Customer,month,mrr\n4000,7,A,2025-01,5\n", "A 5"),
    of("is no customer", "Account,Invoice Number,month,mrr\n4000,7,2025-01,5\n", "! customer"),
    of("nor beside a transaction's", "Account,Transaction Number,month,mrr\n4000,7,2025-01,5\n",
       "! customer"),
    of("one name with two ids, one after the other",
       "Customer ID,Customer,month,mrr\n1,A,2025-01,5\n2,A,2025-02,5\n3,B,2025-01,1\n3,B,2025-02,1\n",
       "? column"),
    of("that is one customer",
       "Customer ID,Customer,month,mrr\n1,A,2025-01,5\n2,A,2025-02,5\n3,B,2025-01,1\n3,B,2025-02,1\n",
       "A 5 5 | B 1 1", columns={"customer": "Customer"}),
    of("mrr beside arr", "customer,month,mrr,arr\nA,2025-01,5,60\n", "? column"),
    of("two currencies", "customer,month,MRR (USD),MRR (EUR)\nA,2025-01,5,4\n", "? column"),
    of("one is named", "customer,month,MRR (USD),MRR (EUR)\nA,2025-01,5,4\n", "A 4",
       columns={"mrr": "MRR (EUR)"}),
    of("unit against a heading", BOOK, "! --column arr", unit="arr"),
    of("unit of an open amount", BOOK.replace("mrr", "amount"), READ, unit="mrr"),
]  # fmt: skip

HEADINGS = [
    of("titles above", "Revenue by customer\nof 2025\n\n" + BOOK, READ, "as a title"),
    of("24 lines of them", "x\n" * 24 + BOOK, READ),
    of("a date left of the customer is no heading", "Date,01.01.2025,Customer\n"
       "month,customer,mrr\n2025-01,A,5\n2025-02,A,5\n", "A 5 5"),
    of("else the first row of text as wide as those below", "Revenue\n"
       + BOOK.replace("customer,month,mrr", "Acct,Mth,Val"), READ, "is read as the headings",
       columns={"customer": "Acct", "month": "Mth", "mrr": "Val"}),
    of("sep=;", "sep=;\n" + BOOK.replace(",", ";"), READ),
    of("blank rows", BOOK.replace("\n", "\n\n").replace("B", "\n,,\nB", 1), READ),
    of("notes below", BOOK + "\nSource: billing\nNote: without services\n", READ, "as a note"),
]  # fmt: skip

SUM = "150 150 160 180"
ABC = ("A 100 100 110 120", "B 40 40 40 45", "C 10 10 10 15")
ABC_READ = "A 100 100 110 120 | B 40 40 40 45 | C 10 10 10 15"
TOTALS = [
    *(
        of(f"{name}, {shape.__name__}", shape(*ABC, f"{name} {SUM}"), ABC_READ, "totals left out")
        for name in ("Total", "Grand Total", "Sum", "Summe", "Gesamt", "All customers", "TOTAL")
        for shape in (long, wide)
    ),
    of("of blocks", wide(ABC[0], "Ent Total 100 100 110 120", *ABC[1:], "Total SMB 50 50 50 60",
                         f"Grand Total {SUM}"), ABC_READ, "Ent Total, Total SMB, Grand Total"),
    of("total for", wide(ABC[0], "Total for Ent 100 100 110 120", *ABC[1:],
                         "Total for SMB 50 50 50 60", f"Total {SUM}"), ABC_READ),
    of("a block by its sum alone, the last row a total",
       wide(*ABC, f"EMEA {SUM}", "D 7 8 9 7", "E 13 1 5 6", "US 20 9 14 13",
            "Total 170 159 174 193"), "? totals"),
    of("such a block, and no total", wide(*ABC[1:], "EMEA 50 50 50 60", ABC[0]),
       "A 100 100 110 120 | B 40 40 40 45 | C 10 10 10 15 | EMEA 50 50 50 60"),
    of("the sum of all without the word", long(*ABC, f"Portfolio {SUM}"), "? totals"),
    of("the word without the sum", long(*ABC, "Total 150 150 160 999"), "? totals"),
    of("dropped", long(*ABC, "Total 150 150 160 999"), ABC_READ, totals="drop"),
    of("kept", long(*ABC, "Groupe Total 7 7 7 7"), f"{ABC_READ} | Groupe Total 7 7 7 7",
       totals="keep"),
    of("Total Access", long(*ABC, "Total Access 7 7 7 7"), "? totals"),
    of("two that equal the only other", long("A 5 5 5", "Total Access 5 5 5", "Groupe Total 5 5 5"),
       "? totals"),
    of("without a month", long(*ABC) + "Total,,640\n", "? totals"),
    of("and dropped", long(*ABC) + "Total,,640\n", ABC_READ, totals="drop"),
    of("in two months", long(*ABC, "Total 150 150 . ."), "? totals"),
    of("a column of totals", wide(*ABC, months=[*MONTHS[:3], "Total"]).replace(
       "110,120", "110,310").replace("40,45", "40,120").replace("10,15", "10,30"),
       "A 100 100 110 | B 40 40 40 | C 10 10 10", "Total"),
    of("of nobody", wide(*ABC) + f",{SUM.replace(' ', ',')}\n", "? totals"),
]  # fmt: skip

ONE_CELL = {
    "$1000": 1000, "1000 USD": 1000, "€1,000.00": 1000, "1 000": 1000, "1\u00a0000": 1000,
    "1'000": 1000, "1\u2009000": 1000, "+1000": 1000, "1000.": 1000, "1.0E3": 1000,
    "１０００": 1000, "1,234,567": 1234567, "1.234.567": 1234567, "1,234.50": 1234.5,
    "1.234,50": 1234.5, "0,5": 0.5, "0,500": 0.5, "0.500": 0.5, "1234,500": 1234.5, "1,2": 1.2,
    "1,23": 1.23, "1,2345": 1.2345, "1.000,": 1000, "1.5k": 1500, "2m": 2e6,
}  # fmt: skip
AMOUNT_CELLS = [
    *(of(written, cells(written), f"A {right:.10g}") for written, right in ONE_CELL.items()),
    *(of(each, cells(each), "! not a number") for each in ("1_000", "0x10", "10%", "abc", "1,00.0")),
    *(of(each, cells(each), "! negative") for each in ("(100)", "-100", "100-", "−100")),
    of("1.000 alone", cells("1.000", "500"), "? decimal"),
    of("a thousands sign", cells("1.000", "500"), "A 1000 | B 500", decimal=","),
    of("a decimal sign", cells("1.000", "500"), "A 1 | B 500", decimal="."),
    of("another cell tells it", cells("1.000", "500,5"), "A 1000 | B 500.5"),
    of("both are decimal", cells("1.000,50", "1,000.50"), "! two decimal signs"),
    of("nothing, in a long file", cells("1000", "-"), "? blank"),
    of("an em dash", cells("1000", "—"), "? blank"),
    of("is zero", cells("1000", ""), "A 1000", blank="zero"),
    of("nothing, in a wide one", wide("A 1 2 3", "B 7 . 5", "C 1 8 5").replace("7", "-").replace(
       "8", "—"), "A 1 2 3 | B . . 5 | C 1 . 5"),
    of("a cell without a sign", cells("$1000", "500"), "A 1000 | B 500"),
    of("two signs are two currencies", cells("$1000", "€500"), "! 2 currencies"),
    of("$ beside USD", "customer,month,mrr,currency\nA,2025-01,$5,USD\n", "A 5"),
    of("€ beside USD", "customer,month,mrr,currency\nA,2025-01,€5,USD\n", "! one currency"),
    of("thousands in a title", "MRR in thousands\n" + cells("1", "2"), "A 1000 | B 2000", "thousand"),
    of("in a heading", cells("1", "2").replace("mrr", "MRR (USD k)"), "A 1000 | B 2000"),
    of("in a heading that is named", cells("1", "2").replace("mrr", "Rev (k)"), "A 1000 | B 2000",
       columns={"mrr": "Rev (k)"}),
    of("in a wide title", wide("A 1 2", "B 3 4", title="MRR in thousands\n"),
       "A 1000 2000 | B 3000 4000", "multiplied"),
    of("scale", cells("1", "2"), "A 1000 | B 2000", scale=1000),
    of("scale of a wide sheet", wide("A 1 2", "B 3 4"), "A 1000 2000 | B 3000 4000", scale=1000),
    of("scale 1 against a title", "MRR in thousands\n" + cells("1", "2"), "A 1 | B 2", scale=1),
]  # fmt: skip

ONE_MONTH = {
    "2025-12-01": 12, "2025-11-30T23:30:00-05:00": 11, "2025-11-30 23:30 UTC": 11, "Dec-25": 12,
    "Dec 2025": 12, "December 2025": 12, "12-2025": 12, "202512": 12, "20251231": 12,
    "2025/12/01": 12, "2025-1": 1, "05-Feb-2025": 2, "Q4 2025": 12, "2025Q4": 12, "2025-Q4": 12,
    "2025-M12": 12, "2025M12": 12, "31.12.2025": 12, "1.2.25": 2, "Dez 25": 12, "März 2025": 3,
    "12/31/2025": 12, "31/12/2025": 12,
}  # fmt: skip
WIDE_MONTHS = {
    ("2025-01", "2025-02"): "", ("Jan-25", "Feb-25"): "", ("01/2025", "02/2025"): "",
    ("202501", "202502"): "", ("Jan 25", "Feb 25"): "", ("31.01.2025", "28.02.2025"): "",
    ("01/31/2025", "02/28/2025"): "", ("01/02/2025", "02/03/2025"): "? dates",
    ("24-Dec", "25-Jan"): "! year", ("FY25 Q1", "FY25 Q2"): "? fiscal_year_end",
}  # fmt: skip
DATES = [
    *(
        of(written, f"customer,start,end,mrr\nA,{written},,1\nB,2025-12-02,,1\n",
           f"A {' '.join(['1'] * (13 - month))} | B {' '.join(['.'] * (12 - month))} 1".replace(
               "B  1", "B 1"))
        for written, month in ONE_MONTH.items() if not written.startswith(("Q", "2025Q", "2025-Q"))
    ),
    *(of(each, months_of("2025-11", each), "A 1 2")
      for each in ("Q4 2025", "2025Q4", "2025-Q4")),
    *(of(each, months_of(each), "! not a month") for each in ("24-Dec", "2025", "2025-13")),
    of("two files tell it together", {"a.csv": months_of("01/02/2025"), "b.csv":
       months_of("31/03/2025").replace("A", "B")}, "A 1 . | B . 1"),
    of("a part above 12 in one of them", months_of("01/02/2025", "13/03/2025"), "A 1 2"),
    of("in another column", periods("A,01/02/2025,13/05/2025,1", "B,03/04/2025,,2"),
       "A 1 1 1 | B . . 2"),
    of("contradictory", months_of("13/02/2025", "03/14/2025"), "! the day first"),
    of("asked", months_of("01/02/2025", "02/03/2025"), "? dates"),
    of("day first", months_of("01/02/2025", "01/03/2025"), "A 1 2", dates="dmy"),
    of("month first", months_of("01/02/2025", "02/03/2025"), "A 1 2", dates="mdy"),
    of("serials of a text file", months_of("45658", "45689"), "? dates"),
    of("said", months_of("45658", "45689"), "A 1 2", dates="serial"),
    of("a fiscal quarter", months_of("FY25 Q3", "FY25 Q4"), "? fiscal_year_end"),
    of("of a year that ends in January", months_of("FY25 Q3", "FY25 Q4"), "A 1 2",
       fiscal_year_end=1),
    *(
        of(f"wide {' '.join(heads)}", wide("A 1 2", "B 3 4", months=[*heads]), right or
           "A 1 2 | B 3 4")
        for heads, right in WIDE_MONTHS.items()
    ),
    of("midnight elsewhere", months_of("2025-01-31T23:00:00Z", "2025-02-28T23:00:00Z"), "A 1 2",
       "--timezone Europe/Berlin", "2 rows would count in the next month"),
    of("in its zone", months_of("2025-01-31T23:00:00Z", "2025-02-28T23:00:00Z"), "A 1 2",
       "Europe/Berlin", timezone="Europe/Berlin"),
]  # fmt: skip

TWO = wide("A 1 2", "B 3 4", title="")
UNITS = [
    of("yen have no cents", "customer,month,mrr cents,currency\nA,2025-01,1000,JPY\n", "A 1000"),
    of("a dinar has a thousand", "customer,month,mrr cents,currency\nA,2025-01,1000,KWD\n", "A 1"),
    of("said", cells("1000"), "A 10", "minor units", minor_units="yes"),
    of("denied", cells("1000").replace("mrr", "mrr cents"), "A 1000", minor_units="no"),
    of("of one file alone", {"a.csv": cells("1000").replace("mrr", "mrr cents"), "b.csv":
       cells("10").replace("2025-01", "2025-02")}, "A 10 10", "amounts of 1 row"),
    of("cents in a title", "MRR in cents\n" + cells("1000"), "A 10", "minor units"),
    of("MRR and ARR in two files", {"a.csv": cells("10"), "b.csv": cells("120").replace(
       "mrr", "arr").replace("2025-01", "2025-02")}, "! never added"),
    of("neither is said", TWO, "? unit"),
    of("both are", "MRR and ARR\n" + TWO, "? unit"),
    of("never by the file's name", {"mrr.csv": TWO}, "? unit"),
    of("asked and said", TWO, "A 1 2 | B 3 4", unit="mrr"),
    of("by the headings", TWO.replace("2025-0", "ARR 2025-0"),
       "A 0.08333333333 0.1666666667 | B 0.25 0.3333333333"),
    of("a currency's case", "customer,month,mrr,currency\nA,2025-01,1,USD\nA,2025-02,2,usd\n",
       "A 1 2"),
    of("two currencies", "customer,month,mrr,currency\nA,2025-01,1,USD\nB,2025-01,2,EUR\n",
       "! 2 currencies"),
]  # fmt: skip


def paid(interval: str, amount: str = "1200") -> str:
    return periods(f"A,2025-01-01,2025-02-01,{amount},{interval}", "B,2025-01-01,,1,month",
                   head="customer,start,end,amount,interval")  # fmt: skip


INTERVALS = {"day": 36500, "daily": 36500, "week": 5200, "weeks": 5200, "Monthly": 1200, "3": 400,
             "quarter": 400, "half-year": 200, "annually": 100, "24": 50}  # fmt: skip
SEATS = (
    "customer,start,end,{},quantity,interval\nA,2025-01-01,,120,2,year\nB,2025-01-01,,1,3,month\n"
)
TERM = periods("A,2025-01-01,2026-01-01,1200", "B,2025-01-15,2025-03-01,45",
               head="customer,start,end,amount")  # fmt: skip
AMOUNTS_OF_PERIODS = [
    *(of(word, paid(word), f"A {right:.10g} | B 1") for word, right in INTERVALS.items()),
    *(of(word, paid(word), "! not an interval") for word in ("biweekly", "yr", "61", "0")),
    of("unit price", SEATS.format("unit price"), "A 20 | B 3", "multiplied with the quantity"),
    of("unit amount", SEATS.format("Unit Amount"), "A 20 | B 3"),
    of("amount beside quantity", SEATS.format("amount"), "? amount_is"),
    of("of a unit", SEATS.format("amount"), "A 20 | B 3", amount_is="unit"),
    of("of a line", SEATS.format("amount"), "A 10 | B 1", amount_is="line"),
    of("no interval", TERM, "? amount_is"),
    of("of a month", TERM, "A 1200 | B 45", amount_is="month"),
    of("of a year", TERM, "A 100 | B 3.75", amount_is="year"),
    of("of its period, whole months or days", TERM, "A 100 | B 30.41666667", amount_is="period"),
    of("of its term, which is not there", TERM, "! term_months", amount_is="total"),
    of("of its term", TERM.replace("amount", "amount,Term Months").replace("00\n", "00,24\n").replace(
       "45\n", "45,3\n"), "A 50 | B 15", amount_is="total"),
    of("by plan", "customer,plan,start,end,amount\nA,seat_m,2025-01-01,,12\nB,ent_y,2025-01-01,,12\n",
       "A 12 | B 1", amount_is="seat_m=month,ent_y=year"),
    of("a plan that is not said",
       "customer,plan,start,end,amount\nA,seat_m,2025-01-01,,12\nB,ent_y,2025-01-01,,12\n",
       "? amount_is", amount_is="seat_m=month"),
    of("said of MRR", BOOK, "! amount_is", amount_is="year"),
]  # fmt: skip

LAST_DAY = periods("A,2025-01-15,2025-03-31,1", "B,2025-04-15,,2")
NO_END = periods("A,2025-01-15,1", "B,2025-02-15,2", head="customer,start,mrr")
WITH_STATUS = "customer,start,end,mrr,status"
GONE = periods("A,2025-01-15,,1,canceled", "B,2025-03-15,,2,active", head=WITH_STATUS)
LATE = periods("A,2025-01-15,2025-03-10,1,active", "B,2025-04-15,,2,active", head=WITH_STATUS)
WHEN_IT_COUNTS = [
    of("ends that are last days", LAST_DAY, "? period_end"),
    of("with service", LAST_DAY, "A 1 1 1 . | B . . . 2", period_end="inclusive"),
    of("without", LAST_DAY, "A 1 1 . . | B . . . 2", period_end="exclusive"),
    of("half of the ends are no question",
       periods("A,2025-01-15,2025-03-31,1", "B,2025-04-15,2025-05-15,2"), "A 1 1 . . | B . . . 2"),
    of("those that run on are left out",
       periods("A,2025-01-15,2025-03-31,1", "B,2025-04-15,9999-12-31,2"), "? period_end"),
    of("no length, no row, and no longer ledger",
       periods("A,2025-04-15,2025-04-15,1", "B,2025-01-15,,2"), "B 2", "never paid"),
    of("who never paid makes no longer ledger", periods(
       "A,2025-05-15,,1,trialing", "B,2025-01-15,,2,active", head=WITH_STATUS), "B 2", "trialing"),
    of("no end", NO_END, "? end"),
    of("none has ended", NO_END, "A 1 1 | B . 2", end="none"),
    of("start and term", NO_END.replace("mrr", "mrr,term months").replace(",1\n", ",1,1\n").replace(
       ",2\n", ",2,12\n"), "A 1 . | B . 2", "ends with its term"),
    of("ended, and no end", GONE, "? ended_at"),
    of("ended, though none has", GONE, "? ended_at", end="none"),
    of("when", GONE.replace("status", "status,Stop").replace("canceled", "canceled,2025-02-15")
       .replace("active", "active,"), "A 1 . . | B . . 2", ended_at="Stop"),
    of("active after its end", LATE, "? late_renewal"),
    of("it runs on", LATE, "A 1 1 1 1 | B . . . 2", late_renewal="runs-on"),
    of("it ended", LATE, "A 1 1 . . | B . . . 2", late_renewal="ends"),
    of("its renewal is there", LATE + "A,2025-03-10,,1,active\n", "A 1 1 1 1 | B . . . 2"),
    of("an end after the last month", LATE.replace("03-10", "05-01"), "A 1 1 1 1 | B . . . 2"),
    *(
        of(f"the end {day}", periods(f"A,2025-01-15,{day},1", "B,2025-02-15,,2"), "A 1 1 | B . 2")
        for day in ("9999-12-31", "4712-12-31", "2999-12-31", "2100-01-01")
    ),
    of("a slip of the pen", periods("A,2025-01-15,2205-06-30,1", "B,2025-02-15,,2"),
       "A 1 1 | B . 2", "2205-06-30"),
    of("until", periods("A,2025-01-15,,1", "B,2025-04-15,,2"), "A 1 1", "starts after",
       until="2025-03-30"),
    of("until, of months", BOOK, "! until", until="2025-06"),
]  # fmt: skip


def of_status(word: str, end: str = "2025-02-10") -> str:
    return periods(f"A,2025-01-15,{end},1,{word}", "B,2025-03-15,,2,active", head=WITH_STATUS)


STATUS = [
    *(
        of(f"{word} counts", of_status(word), "A 1 . . | B . . 2")
        for word in ("past_due", "Past Due", "non_renewing", "canceled", "CANCELLED", "expired",
                     "ended", "renewed", "Closed Won", "paid")
    ),
    *(
        of(f"{word} never paid", of_status(word), "B 2", "left out (12 a year)")
        for word in ("trialing", "trialling", "trial", "in_trial", "incomplete",
                     "incomplete_expired", "future", "draft", "open", "lost")
    ),
    of("another word", of_status("weird"), "? count"),
    of("switched on", of_status("trialing"), "A 1 . . | B . . 2", count="trialing"),
    of("switched off", of_status("past_due"), "B 2", count="past_due=no"),
    *(of(f"{word} today", of_status(word, ""), "? stopped") for word in ("unpaid", "paused")),
    of("it counts", of_status("unpaid", ""), "A 1 1 1 | B . . 2", count="unpaid=yes"),
    of("it does not", of_status("unpaid", ""), "B 2", count="unpaid=no"),
    of("when it stopped", of_status("unpaid", "").replace("status", "status,Stop").replace(
       "unpaid", "unpaid,2025-02-10").replace("active", "active,"), "A 1 . . | B . . 2",
       "uncertain", stopped="Stop"),
    of("it began in the last month", of_status("unpaid", "").replace("2025-01", "2025-03"),
       "A 1 | B 2"),
    of("is_trial", BOOK.replace("mrr", "mrr,is_trial").replace("0\n", "0,False\n")
       + "C,2025-01,5,TRUE\n", READ, "trial"),
    of("a state that is a place", BOOK.replace("mrr", "mrr,State").replace("0\n", "0,CA\n"), READ),
]  # fmt: skip

LINES_OF_TWO = "customer,month,mrr,{}\nA,2025-01,1,x\nA,2025-01,2,y\nA,2025-02,1,x\n"
TWICE = "customer,month,mrr\nA,2025-01,1\nA,2025-01,2\nA,2025-02,1\n"
DAYS = "customer,month,mrr\nA,2025-01-15,2\nA,2025-01-01,1\nA,2025-02-15,1\n"
DOUBLED = "customer,month,mrr,{0}\nA,2025-01,1,x\nA,2025-01,1,x\nA,2025-02,1,x\n"
MEASURES = ("customer,Metric,month,amount\nA,ARR,2025-01,12\nA,Seats,2025-01,9\nA,ARR,2025-02,24\n"
            "A,Seats,2025-02,9\n")  # fmt: skip
SETUP = "customer,month,mrr,{}\nA,2025-01,10,Seats\nA,2025-01,99,{}\nA,2025-02,10,Seats\n"
DAILY = "customer,month,{},mrr\n" + "".join(
    f"{who},2025-{month:02d}-{day:02d},x,{amount}\n"
    for who, amount in (("A", 5), ("B", 7))
    for month, days in ((1, (1, 15, 31)), (2, (1, 15, 28)))
    for day in days
)
LINES = [
    *(
        of(f"{head} makes lines", LINES_OF_TWO.format(head), "A 3 1", "added")
        for head in ("product", "item", "line", "plan", "sku", "subscription", "charge", "invoice",
                     "Plan ID", "Product Name", "Invoice Number", "sub_id", "contract")
    ),
    of("another column does not", LINES_OF_TWO.format("region"), "? several"),
    of("credits net", LINES_OF_TWO.format("item").replace("1,2,y", "1,-0.4,y"), "A 0.6 1"),
    of("a negative net", LINES_OF_TWO.format("item").replace("1,2,y", "1,-1.4,y"), "! less than"),
    *(of(f"equal in all cells, {head}", DOUBLED.format(head), "? several")
      for head in ("product", "plan", "region")),
    *(of(f"both count, {head}", DOUBLED.format(head), "A 2 1", several="add")
      for head in ("product", "plan")),
    *(of(f"one counts, {head}", DOUBLED.format(head), "A 1 1", several="last")
      for head in ("product", "plan", "region")),
    of("twice without a line", TWICE, "? several", "product", "--several add"),
    of("added", TWICE, "A 3 1", "added", several="add"),
    of("of one date none is the last", TWICE, "? order", several="last"),
    of("the column by which they follow", TWICE.replace("mrr", "mrr,Seq").replace("1,1", "1,1,10")
       .replace("1,2\n", "1,2,9\n").replace("2,1\n", "2,1,1\n"), "A 1 1", several="last",
       order="seq"),
    of("several dates", DAYS, "? several", "keep its last one with --several last; if"),
    of("the last", DAYS, "A 2 1", several="last"),
    *(of(f"snapshots of days beside {head}", DAILY.format(head), "? several")
      for head in ("region", "product", "plan")),
    *(of(f"their last, {head}", DAILY.format(head), "A 5 5 | B 7 7", several="last")
      for head in ("region", "product", "plan")),
    of("measures", MEASURES, "? where"),
    of("the one that is chosen is its unit", MEASURES, "A 1 2", where="Metric=ARR"),
    of("whatever its column says", MEASURES.replace("amount", "mrr"), "A 1 2", where="Metric=ARR"),
    of("measures by their words", MEASURES.replace("Metric", "What"), "? where"),
    of("one measure alone", "customer,KPI,month,amount\nA,ARR,2025-01,12\n", "A 1", "KPI ARR"),
    *(
        of(f"{item} under {head}", SETUP.format(head, item), "A 10 10", "one-off")
        for head, item in itertools.product(
            ("item", "product", "line", "plan", "sku", "charge", "Product Name", "Line Item"),
            ("One-time fee", "Setup", "Onboarding", "Professional services",
             "Implementation services", "Consulting services"),
        )
    ),
    of("a bare services", SETUP.format("item", "Services"), "A 109 10"),
    of("added as well", SETUP.format("item", "Setup"), "A 109 10", one_off="add"),
]  # fmt: skip

EARLY = periods("A,2025-01-15,2025-06-15,1,x", "A,2025-05-15,2025-07-15,2,y", "B,2025-06-01,,1,x",
                head="customer,start,end,mrr,{}")  # fmt: skip
NEXT = "B . . . . . 1"
HUBSPOT = ("Record ID,Deal Stage,Close Date,Associated Company,Recurring revenue amount,Recurring"
           " revenue inactive date,Recurring revenue deal type\n1,Closed won,2025-01-01,A,10,"
           "2025-05-01,New business\n2,Closed won,2025-02-01,A,15,2025-05-01,Upgrade\n"
           "3,Closed won,2025-03-01,B,5,2026-03-01,New business\n")  # fmt: skip
CONTRACTS = ("Account Name,Contract Start Date,Contract End Date,Contract Term (months),ACV,TCV,"
             "Status\nA,2025-01-01,2026-12-31,24,12,{},Activated\nB,2025-02-01,2026-01-31,12,24,24,"
             "Activated\n")  # fmt: skip
OVERLAPS = [
    of("a contract's total", CONTRACTS.format(24), "A 1 1 | B . 2", "it is read as salesforce"),
    of("another total", CONTRACTS.format(30), "A 1 1 | B . 2", "by the term is not"),
    of("any, without lines", EARLY.format("region"), "? overlap"),
    of("replaced", EARLY.format("region"), f"A 1 1 1 1 2 2 | {NEXT}", overlap="replace"),
    of("added", EARLY.format("region"), f"A 1 1 1 1 3 2 | {NEXT}", "overlap", overlap="add"),
    of("of terms that differ", EARLY.format("term months").replace(",x", ",12").replace(",y", ",2"),
       "? overlap"),
    *(of(f"of {head}: shorter than either", EARLY.format(head), "? overlap")
      for head in ("contract", "Contract Number", "invoice")),
    *(of(f"of {head}: side by side", EARLY.format(head), f"A 1 1 1 1 3 2 | {NEXT}", "they are added")
      for head in ("subscription", "plan", "product")),
    of("a deal that takes another's place", HUBSPOT, "A 10 15 15 | B . . 5", "takes its place",
       until="2025-03"),
    of("equal in all cells", EARLY.format("plan") + "B,2025-06-01,,1,x\n", "? several"),
    of("one counts", EARLY.format("plan") + "B,2025-06-01,,1,x\n", f"A 1 1 1 1 3 2 | {NEXT}",
       several="last"),
    of("both count", EARLY.format("plan") + "B,2025-06-01,,1,x\n",
       "A 1 1 1 1 3 2 | B . . . . . 2", several="add"),
]  # fmt: skip

ZEROS = "customer,month,mrr\n001000,2025-01,1\n1000,2025-02,1\n"
LOG = "customer,month,mrr\n" + "".join(
    f"{who},2025-{month:02d},{amount}\n"
    for who, entries in {
        "A": ((1, 10), (8, 20)), "B": ((1, 5), (12, 0)), "C": ((3, 5), (11, 8)), "D": ((2, 1),),
        "E": ((4, 1), (5, 2), (6, 3), (7, 4)), "F": ((9, 1), (10, 2)),
    }.items()
    for month, amount in entries
)  # fmt: skip
PLANS = "customer,month,{},mrr\nA,2025-01,x,1\nA,2025-02,y,2\nA,2025-03,x,0\n"
LOG_READ = ("A 10 10 10 10 10 10 10 20 20 20 20 20 | B 5 5 5 5 5 5 5 5 5 5 5 . |"
            " C . . 5 5 5 5 5 5 5 5 8 8 | D . 1 1 1 1 1 1 1 1 1 1 1 |"
            " E . . . 1 2 3 4 4 4 4 4 4 | F . . . . . . . . 1 2 2 2")  # fmt: skip
PAID_QUARTERLY = long("A 10 10 10 10 10 10 10", "Q 30 . . 30 . . 30")
SAVED = [
    of("zeros", ZEROS, "? ids"),
    of("one", ZEROS, "001000 1 1", ids="one"),
    of("two", ZEROS, "001000 1 . | 1000 . 1", ids="two"),
    of("a log of changes", LOG, "? rows"),
    of("an amount holds", LOG, LOG_READ, rows="changes"),
    of("it is none", LOG, "A 10 . . . . . . 20 . . . . | B 5 . . . . . . . . . . . |"
       " C . . 5 . . . . . . . 8 . | D . 1 . . . . . . . . . . | E . . . 1 2 3 4 . . . . . |"
       " F . . . . . . . . 1 2 . .", rows="months"),
    of("by product", PLANS.format("product"), "A 1 3 2", rows="changes"),
    of("another plan", PLANS.format("plan"), "? several", rows="changes"),
    of("beside the first", PLANS.format("plan"), "A 1 3 2", rows="changes", several="add"),
    of("in its place", PLANS.format("plan"), "A 1 2 .", rows="changes", several="last"),
    of("two in a month", "customer,month,mrr\nA,2025-01-20,2\nA,2025-01-01,1\nB,2025-02-01,1\n",
       "A 2 2 | B . 1", rows="changes"),
    of("two in a day", "customer,month,mrr\nA,2025-01-01,2\nA,2025-01-01,1\nB,2025-02-01,1\n",
       "? order", rows="changes"),
    of("and their order",
       "customer,month,mrr,n\nA,2025-01-01,2,2\nA,2025-01-01,1,1\nB,2025-02-01,1,1\n",
       "A 2 2 | B . 1", rows="changes", order="n"),
    of("payments", PAID_QUARTERLY, "? rows"),
    of("as they stand", PAID_QUARTERLY, "A 10 10 10 10 10 10 10 | Q 30 . . 30 . . 30", rows="months"),
    of("a month that is not complete",
       long(*(f"{name} 1 1 {1 if name < 'g' else '.'}" for name in "abcdefghij")),
       " | ".join(f"{name} 1 1 {1 if name < 'g' else '.'}" for name in "abcdefghij"),
       "the last month, has 6 customers"),
    of("ids that were exchanged", long(*(f"a{n} {n}1 ." for n in range(1, 5)),
                                       *(f"b{n} . {n}2" for n in range(1, 5))),
       " | ".join([*(f"a{n} {n}1 ." for n in range(1, 5)), *(f"b{n} . {n}2" for n in range(1, 5))]),
       "more than half of the customers leave"),
    of("one that is large", BOOK, READ, "'A' has 69% of ARR in 2025-03"),
]  # fmt: skip


def zipped(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.csv", text)
    return buffer.getvalue()


def workbook(**sheets: list[list[object]]) -> bytes:
    buffer = io.BytesIO()
    with pd.ExcelWriter(buffer, engine="xlsxwriter") as book:
        for name, rows in sheets.items():
            sheet = name.replace("_", "-")
            pd.DataFrame(rows).to_excel(book, sheet_name=sheet, header=False, index=False)
    return buffer.getvalue()


LEDGER: list[list[object]] = [
    ["customer", "month", "mrr"],
    ["A", "2025-01", 1],
    ["A", "2025-02", 2],
]
SUMMARY: list[list[object]] = [["Segment", "2025-01", "2025-02"], ["SMB", 1, 2], ["All", 1, 2]]
MONTH: list[list[object]] = [["customer", "mrr"], ["A", 1], ["B", 2]]
PIVOT = "customer,month,mrr\nA,2025-01,1\n,2025-02,1\nB,2025-01,2\n,2025-02,2\n"
STRIPE = "Customer ID,Customer,Customer Email,Currency,2025-{}\n1,A,a@x,usd,10\n"
CONTAINERS = [
    of("a zip with one table", {"ledger.zip": zipped(a=BOOK)}, READ),
    of("with two", {"ledger.zip": zipped(a=BOOK, b=BOOK)}, "! 2 tables"),
    of("UTF-16", BOOK.encode("utf-16"), READ),
    of("cp1252", BOOK.replace("A", "Müller").encode("cp1252"),
       "B 50 50 50 | Müller 100 100 110", "cp1252"),
    of("two sheets that are ledgers", {"a.xlsx": workbook(one=LEDGER, two=LEDGER)}, "? sheet"),
    of("one of them", {"a.xlsx": workbook(one=LEDGER, two=LEDGER)}, "A 1 2", sheet="two"),
    of("a summary before it", {"a.xlsx": workbook(Summary=SUMMARY, data=LEDGER)}, "A 1 2",
       "it alone looks like a ledger"),
    of("a sheet a month", {"a.xlsx": workbook(Jan_25=MONTH, Feb_25=MONTH)}, "A 1 1 | B 2 2",
       "sheet Jan-25 is the month 2025-01"),
    of("a file a month", {"mrr_2025-01.csv": "customer,mrr\nA,1\n", "mrr_2025-02.csv":
       "customer,mrr\nA,2\n"}, "A 1 2", "is the month 2025-01"),
    of("an export a month", {"a.csv": STRIPE.format("01"), "b.csv": STRIPE.format("02")}, "1 10 10",
       "stripe-mrr"),
    of("a pivot", PIVOT, "? fill_down"),
    of("filled down", PIVOT, "A 1 1 | B 2 2", fill_down=True),
    of("a pivot across", "MRR\ncustomer,plan,2025-01,2025-02\nA,x,1,1\n,y,2,2\nB,x,2,2\n,y,1,1\n",
       "? fill_down"),
]  # fmt: skip
ONE_CAUSE = [
    of("91 months", "customer,month,mrr\n" + "".join(f"C{n},foo{n},1\n" for n in range(91)),
       "! 91 cells like this, the first here: 'foo0' is not a month"),
    of("91 amounts", "customer,month,mrr\n" + "".join(f"C{n},2025-01,foo{n}\n" for n in range(91)),
       "! 91 cells like this, the first here: 'foo0' is not a number"),
]  # fmt: skip

RULES = {
    "1 names": NAMES, "2 headings": HEADINGS, "3 totals": TOTALS, "4 amounts": AMOUNT_CELLS,
    "5 dates": DATES, "6 units": UNITS, "7 amount of a period": AMOUNTS_OF_PERIODS,
    "8 when it counts": WHEN_IT_COUNTS, "9 status": STATUS, "10 lines": LINES,
    "11 overlap": OVERLAPS, "12 what saves a number": SAVED, "13 containers": CONTAINERS,
    "14 one finding a cause": ONE_CAUSE,
}  # fmt: skip
ALL = [(rule, case) for rule, cases in RULES.items() for case in cases]


@pytest.mark.parametrize(("rule", "case"), ALL, ids=[f"{r}: {c.about}" for r, c in ALL])
def test_a_rule_gives_its_figures_or_its_question(rule, case, tmp_path):
    found, said = what_comes_out(tmp_path, case)
    if case.right.startswith("!"):
        assert found.startswith("!")
        assert case.right[2:] in found
    else:
        assert found == case.right, said
    assert [each for each in case.says if each not in said] == []


def test_one_cause_is_one_finding(tmp_path):
    """A row that is asked about is not told as another fault as well."""
    for case in (
        *(each for each in TOTALS if each.right == "? totals"),
        *(each for each in CONTAINERS if each.right == "? fill_down"),
        *(each for each in AMOUNT_CELLS if each.right.startswith("! two decimal")),
    ):
        found, said = what_comes_out(tmp_path, case)
        assert said.count("; ledger") + said.count(f"{tmp_path}") <= 2, (case.about, found)


def test_segments_of_other_files_are_the_last_known(tmp_path):
    """Whatever the order of the rows; who is in none of them is unassigned."""
    (tmp_path / "a.csv").write_text(
        "customer,month,mrr,segment,region\nA,2025-02,1,new,n\nA,2025-01,1,old,s\n"
    )
    (tmp_path / "b.csv").write_text("customer,month,mrr\nA,2025-03,1\nB,2025-03,1\n")
    ledger = nr.read_ledger(tmp_path / "a.csv", tmp_path / "b.csv")
    found = ledger.entries.frame.set_index(["customer", "month"])[["segment", "region"]].astype(str)
    assert found.loc[("A", 2025 * 12 + 2)].tolist() == ["new", "n"]
    assert found.loc[("B", 2025 * 12 + 2)].tolist() == ["unassigned", "unassigned"]
    assert any("unassigned" in str(notice) for notice in ledger.notices)
