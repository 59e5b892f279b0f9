"""What a review found of lines, totals, layouts and several files: each kind once, in tiny files."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

import nrrsim as nr
from nrrsim.errors import DataError


class Case(NamedTuple):
    """Files, what is said of them, and what comes out: words of findings, or amounts.

    says : words that some finding (or notice) has; never : words that none has. amounts : `customer
    month` -> the amount of the month. findings : how many.
    """

    files: dict[str, str]
    options: dict[str, Any] | None = None
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    amounts: dict[str, float] | None = None
    findings: int | None = None


def table(heading: str, *rows: str) -> str:
    return "\n".join([heading, *rows]) + "\n"


MONTHS, PERIODS = "customer,month,mrr", "customer,start,end,mrr"
STRIPE = (
    "id,Customer ID,Status,Amount,Currency,Interval,Quantity,Start Date (UTC),Ended At (UTC),"
    "Trial End (UTC),Cancel At Period End"
)
EXPORTS = {
    "2025-11.csv": table(STRIPE, "s1,c1,active,100,usd,month,1,2025-01-01,,,false"),
    "2025-12.csv": table(STRIPE, "s1,c1,active,150,usd,month,1,2025-01-01,,,false"),
}
DOUBLED = table(MONTHS, *["A,2024-01,1", "B,2024-01,2", "A,2024-02,1", "B,2024-02,2"] * 2)
DOUBLED_PERIODS = table(PERIODS, *["A,2024-01-01,,1", "B,2024-01-01,,2"] * 2)
LINES = ["A,2024-01,x,1", "A,2024-01,y,2", "B,2024-01,x,5"]
TIED = table(PERIODS + ",made", "A,2024-01-01,,1,2", "A,2024-01-01,,3,1", "B,2024-01-01,,1,1")
MOVES = "customer,month,mrr,note"
LOG = table(MOVES, "A,2024-01,1,n", "A,2024-01,1,n", "B,2024-01,2,n", "B,2024-03,0,n")
PIVOT = table(MONTHS, "A,2024-01,1", ",2024-02,2", "B,2024-01,3", "B,2024-02,3")
PIVOT_OF_THREE = table(MONTHS, "A,2024-01,1", ",2024-02,2", "B,2024-01,3", ",2024-02,3")
LONG = table("Customer,Month,Metric,Value", "A,2024-01,MRR,5", "A,2024-01,Seats,2")
BY_MONTH = [f"{who},2024-0{month},{amount}" for month in (1, 2, 3) for who, amount in ("A1", "B2")]
TOTALS = table(MONTHS, *BY_MONTH, "Total,2024-01,3", "Grand Total,,9", "Total Access,2024-02,7")
TOTAL_OF_PERIODS = table(PERIODS, "A,2024-01-01,,1", "B,2024-01-01,,2", "Total,,,3")
TOTAL_FOR_A_MONTH = table(MONTHS, "A,1/31/2024,1", "B,1/31/2024,2", ",Total - 1/31/2024,3")
SNOWBALL = "Customer,Month,Beginning ARR,New ARR,Ending ARR"
GAP = table(
    SNOWBALL,
    "A,2024-01,0,12,12",
    "B,2024-01,0,12,12",
    "B,2024-02,12,0,12",
    "A,2024-03,12,0,12",
    "B,2024-03,12,0,12",
)
CREDITS = table(
    "customer,month,product,mrr", *(f"A,2024-0{m},x,-5" for m in (1, 2, 3)), "B,2024-01,x,1"
)
ACROSS = table("Month,Alder,Birch,Cedar", "2024-01,1,2,3", "2024-02,1,2,3", "2024-03,1,2,4")
QUICKBOOKS = table(
    ",Date,Transaction Type,Num,Product/Service,Service Date,Amount",
    "Alder,,,,,,",
    "East,,,,,,",
    ",2024-01-01,Invoice,1,Seats (monthly),2024-01-01,10",
    "Total for East,,,,,,10",
    "Total for Alder with sub-customers,,,,,,10",
    "Birch,,,,,,",
    ",2024-01-01,Invoice,2,Seats (monthly),2024-01-01,20",
    "Total for Birch,,,,,,20",
)

CASES = {
    # 1
    "a blank currency": Case(
        {"l.csv": table(MONTHS + ",currency", "A,2024-01,1,EUR", "B,2024-01,1,")},
        says=("is empty",),
        findings=1,
    ),
    # 2
    "a doubled period below one left out": Case(
        {
            "l.csv": table(
                "customer,subscription,start,end,mrr,status",
                "Alder,s0,2025-12-20,,10,trialing",
                *["Alder,s1,2024-01-15,,100,active"] * 2,
            )
        },
        says=("doubled export", "--several last"),
        findings=1,
    ),
    # 3
    "months and periods": Case(
        {"z1.csv": table(MONTHS, "A,2024-01,1"), "z2.csv": table(PERIODS, "A,2024-01-01,,1")},
        says=("z2.csv is of periods, z1.csv of months",),
        findings=1,
    ),
    # 4
    "two exports": Case(EXPORTS, says=("two exports of the same", "2025-12.csv"), findings=1),
    "the last export": Case(
        EXPORTS, {"several": "last"}, says=("2025-12.csv",), amounts={"c1 2025-01": 150}
    ),
    "both exports": Case(
        EXPORTS, {"several": "add", "overlap": "add"}, amounts={"c1 2025-01": 250}
    ),
    "subscriptions side by side": Case(
        {
            "l.csv": table(
                "customer,subscription,start,end,mrr",
                *(f"A,s{n},2024-01-01,,1" for n in range(3)),
            )
        },
        says=("3 pairs of periods overlap", "they are added"),
        amounts={"A 2024-01": 3},
    ),
    # 5
    "a contract that is renewed early": Case(
        {
            "l.csv": table(
                "customer,contract,start,end,mrr",
                "A,c1,2024-01-01,2025-01-01,1",
                "A,c2,2024-12-01,2025-12-01,2",
            )
        },
        says=("--overlap replace",),
        findings=1,
    ),
    "one subscription twice at once": Case(
        {
            "l.csv": table(
                "customer,subscription,start,end,mrr",
                "A,s1,2024-01-01,2025-01-01,1",
                "A,s1,2024-03-01,2025-12-01,2",
            )
        },
        says=("--overlap replace",),
        findings=1,
    ),
    # 6
    "which of one start is later": Case(
        {"l.csv": TIED}, {"overlap": "replace"}, says=("--order COLUMN",), findings=1
    ),
    "the later of one start": Case(
        {"l.csv": TIED}, {"overlap": "replace", "order": "made"}, amounts={"A 2024-01": 1}
    ),
    # 7
    "a doubled log": Case(
        {"l.csv": LOG}, {"rows": "changes"}, says=("doubled export",), findings=1
    ),
    "a log once": Case(
        {"l.csv": LOG}, {"rows": "changes", "several": "last"}, amounts={"A 2024-01": 1}
    ),
    # 8
    "one of mrr and one of arr": Case(
        {
            "a.csv": table(MONTHS, "A,2024-01,1"),
            "b.csv": table("customer,month,arr", "B,2024-01,1"),
        },
        says=("b.csv states arr, a.csv mrr", "never added"),
        never=("--blank",),
        findings=1,
    ),
    "one without an amount": Case(
        {"a.csv": table(MONTHS, "A,2024-01,1"), "b.csv": table("customer,month", "B,2024-01")},
        says=("b.csv", "there is no amount in this file"),
        never=("--blank",),
        findings=1,
    ),
    # 9
    "the last known region is by month": Case(
        {
            "a.csv": table(MONTHS + ",region", "A,2024-02,1,North", "A,2024-01,1,South"),
            "b.csv": table(MONTHS, "A,2024-03,1"),
        },
        says=("no column region",),
        amounts={"A 2024-03": 1},
    ),
    "a file without the products of others": Case(
        {
            "a.csv": table("customer,month,product,mrr", *LINES),
            "b.csv": table(MONTHS, "A,2024-02,1"),
        },
        says=("b.csv", "there is no column product in this file"),
    ),
    # 10
    "a readme": Case(
        {"a.csv": table(MONTHS, "A,2024-01,1"), "readme.txt": "These files are ours.\nHave fun.\n"},
        says=("readme.txt: no table with a customer, left out",),
        amounts={"A 2024-01": 1},
    ),
    # 11
    "a measure names the unit": Case(
        {"l.csv": LONG}, {"where": {"Metric": "MRR"}}, amounts={"A 2024-01": 5}
    ),
    # 12
    "one empty customer": Case({"l.csv": PIVOT}, {"fill_down": True}, amounts={"A 2024-02": 2}),
    "empty customers are told once": Case(
        {"l.csv": PIVOT_OF_THREE}, says=("--fill-down",), findings=1
    ),
    # 13
    "a doubled export": Case({"l.csv": DOUBLED}, says=("doubled export", "--several last")),
    "a doubled export once": Case(
        {"l.csv": DOUBLED}, {"several": "last"}, amounts={"A 2024-01": 1, "B 2024-02": 2}
    ),
    "doubled periods": Case({"l.csv": DOUBLED_PERIODS}, says=("doubled export",), findings=2),
    "doubled periods once": Case(
        {"l.csv": DOUBLED_PERIODS}, {"several": "last"}, amounts={"A 2024-01": 1}
    ),
    "doubled periods added": Case(
        {"l.csv": DOUBLED_PERIODS}, {"several": "add"}, amounts={"A 2024-01": 2}
    ),
    "doubled lines once": Case(
        {"l.csv": table("customer,month,plan,mrr", *LINES * 2)},
        {"several": "last"},
        amounts={"A 2024-01": 3, "B 2024-01": 5},
    ),
    # 14
    "totals, each with its reason": Case(
        {"l.csv": TOTALS},
        says=("'Total'", "'Grand Total'", "'Total Access'", "too few", "no month"),
        never=("nan", "is empty"),
    ),
    "totals while amounts wait": Case(
        {
            "l.csv": table(
                "customer;month;mrr", "A;2024-01;1.000", "B;2024-01;2.000", "Total;;3.000"
            )
        },
        says=("--decimal",),
        never=("--totals",),
    ),
    "no total without a name": Case(
        {"l.csv": table(MONTHS, *(f",2024-0{month},3" for month in (1, 2, 3)), *BY_MONTH)},
        says=("is empty",),
        never=("--totals", "nan"),
    ),
    "a total of periods": Case(
        {"l.csv": TOTAL_OF_PERIODS}, says=("--totals drop",), never=("is empty",), findings=1
    ),
    "a total of periods left out": Case(
        {"l.csv": TOTAL_OF_PERIODS}, {"totals": "drop"}, amounts={"A 2024-01": 1, "B 2024-01": 2}
    ),
    "a total in the month's column": Case(
        {"l.csv": TOTAL_FOR_A_MONTH}, says=("'Total - 1/31/2024'", "--totals drop"), findings=1
    ),
    "a total in the month's column left out": Case(
        {"l.csv": TOTAL_FOR_A_MONTH}, {"totals": "drop"}, amounts={"A 2024-01": 1}
    ),
    # 15
    "two decimal signs": Case(
        {"l.csv": table(MONTHS, "A,2024-01,1.5", 'B,2024-01,"2,5"', "C,2024-01,3")},
        says=("two decimal signs",),
        never=("--decimal", "is not a number"),
        findings=1,
    ),
    # 16
    "a status beside an amount that is none": Case(
        {"l.csv": table(PERIODS + ",status", "A,2024-01-01,,x,strange", "B,2024-01-01,,1,strange")},
        says=("12 a year",),
        never=("nan a year",),
    ),
    # 17
    "sub-customers": Case(
        {"l.csv": QUICKBOOKS},
        {"invoices": "monthly"},
        amounts={"Alder:East 2024-01": 10, "Birch 2024-01": 20},
    ),
    # 18
    "months down, of no unit": Case({"l.csv": ACROSS}, says=("--transpose", "--unit")),
    # 19
    "an empty column": Case(
        {"l.csv": table(MONTHS + ",segment,product", "A,2024-01,1,,", "B,2024-01,1,,")},
        amounts={"A 2024-01": 1},
    ),
    # 20
    "a snowball's missing month": Case(
        {"l.csv": GAP}, says=("there is no row of 'A' for 2024-02",), findings=1
    ),
    "credits below nothing": Case(
        {"l.csv": CREDITS}, says=("'A'", "-60.00 a year in 2024-01", "2 further months"), findings=1
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_is_read_or_told_once(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    case = CASES[name]
    paths = [Path(file) for file in case.files]
    for path, text in zip(paths, case.files.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    found: list[Any] = []
    amounts = None
    try:
        ledger = nr.read_ledger(
            [*map(str, paths)] if len(paths) > 1 else str(paths[0]), **(case.options or {})
        )
    except DataError as error:
        found = list(error.findings)
    else:
        found = list(ledger.entries.notices)
        frame = ledger.frame().groupby(["customer", "month"], observed=True)["arr"].sum() / 12
        amounts = {f"{customer} {month}": value for (customer, month), value in frame.items()}
    told = "\n".join(map(str, found))
    assert (amounts is None) == (case.amounts is None), told
    for key, value in (case.amounts or {}).items():
        assert amounts[key] == pytest.approx(value), amounts
    assert [word for word in case.says if word not in told] == [], told
    assert [word for word in case.never if word in told] == [], told
    if case.findings is not None:
        assert len(found) == case.findings, told


def test_the_last_known_region_is_that_of_the_latest_month(tmp_path):
    files = CASES["the last known region is by month"].files
    for order in (list(files), list(files)[::-1]):
        paths = []
        for file in order:
            (tmp_path / file).write_text(files[file], encoding="utf-8")
            paths.append(str(tmp_path / file))
        frame = nr.read_ledger(paths).frame()
        assert frame.loc[frame["month"] == "2024-03", "region"].tolist() == ["North"]
