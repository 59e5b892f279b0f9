"""What people get wrong in a scenario or on the command line, and what they are told: where, what, and the remedy.

A row of a table says what is put for what in a small valid file. `§` stands before the line and column that must be
named, `¶` before a line whose column is free. All are held against `read_scenario`, and a few of each table against the
command, which must say the same.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import squeezed

import nrrsim as nr
from nrrsim.errors import UsageError
from nrrsim.scenario.scenario import Scenario

BASE = """\
title: Next year
months: 12
target: 1.05
book:
  arr: 1_000_000
  segments:
    smb: {share: 0.4, customers: 20, spread: 0.5, term: monthly, tenure: 1.5}
    mid: {share: 0.3, customers: 15}
    top: {share: 0.2, customers: 12}
    old: {share: 0.1, customers: 10}
drivers:
  churn:
    smb: {rate: 0.10, source: ledger}
    mid: 0.03
    top: {by_tenure: [0.25, 0.05]}
    old: {sbg: {alpha: 0.7, beta: 2.5}}
  contraction:
    all: {rate: 0.2, size: 0.11}
    smb: {rate: 0.21, size: {mean: 0.13, sd: 0.06}}
  adoption:
    smb: {rate: 0.8, size: {mean: 0.15, sd: 0.08}}
    top: {rate: 0.7, size: 0.14}
  cross_sell:
    top: {rate: 0.5, size: 0.12}
  price:
    all: {uplift: {between: [0.02, 0.07]}, acceptance: 0.85, churn_per_point: 0.22}
    smb: {uplift: 0.055}
  reactivation:
    smb: {rate: 0.15, size: 0.9}
    top: {rate: {dist: beta, a: 3.5, b: 17}}
correlations:
  - [price.all, reactivation.top, 0.55]
shock: {churn: 0.26}
year_effects: {churn: 0.31}
new_business:
  smb: {arr: 50_000, customers: 5}
"""
BOOK = BASE[BASE.index("book:") : BASE.index("drivers:")]
DRIVERS = BASE[BASE.index("drivers:") : BASE.index("correlations:")]
TIES = BASE[BASE.index("correlations:") : BASE.index("shock:")]
LEDGER = "customer,month,mrr,segment\n" + "".join(
    f"{customer},2025-{month:02d},{amount},{segment}\n"
    for customer, amount, segment in (("A", 10, "smb"), ("B", 20, "smb"), ("C", 70, "top"))
    for month in range(1, 13)
)
FROM_LEDGER = """\
title: From a ledger
book:
  ledger: ledger.csv
  as_of: "2025-12"
  term: {smb: monthly}
drivers:
  churn: {smb: 0.1}
"""

# What nobody in finance should have to read.
STRANGE = (
    *(
        "pydantic",
        "ruamel",
        "typer",
        "validationerror",
        "input should be",
        "type=",
        "for further information",
    ),
    *(
        "traceback",
        "does not expect",
        "nrrsim_debug",
        "runtimewarning",
        "codec can't",
        "<stream end>",
        "sys.set_",
    ),
)


# --- how a row is read and checked ----------------------------------------------------------------


def row(name: str, *values: object):
    return pytest.param(*values, id=re.sub(r"\s+", " ", re.sub("[§¶]", "", name))[:90])


def bad(
    old: str,
    new: str,
    field: str,
    *said: str,
    never: Sequence[str] = (),
    lines: int = 0,
    base: str = BASE,
):
    """`new` for `old` (or at the end): a line that names `field` and holds all of `said`;
    `lines`: how many there are.
    """
    assert base.count(old) == 1 or not old, f"{old!r} stands {base.count(old)} times"
    text = base.replace(old, new) if old else base + new
    return row(f"{field}|{new or 'without ' + old}", text, field, said, tuple(never), lines)


def marked(text: str) -> tuple[str, str]:
    """The text without its mark, and what must follow the file's name:
    `:LINE:COLUMN`, `:LINE` or nothing.
    """
    found = re.search("[§¶]", text)
    if not found:
        return text, ""
    before = text[: found.start()]
    line, column = before.count("\n") + 1, found.start() - before.rfind("\n")
    return before + text[found.end() :], f":{line}:{column}" if found[0] == "§" else f":{line}"


def complaint(err: str, place: str, field: str) -> str:
    """The lines about a field at a place; every line begins with a file."""
    assert [
        line for line in err.splitlines() if not re.match(r"\S+\.yaml(:\d+)*:? ", line)
    ] == [], err
    assert not [word for word in STRANGE if word in err.lower()], err
    free = r"(?::\d+)*" if not place.count(":") > 1 else ""
    lines = [
        line
        for line in err.splitlines()
        if re.match(rf"{re.escape(place)}{free}:? {re.escape(field)}[.\w]*: ", line)
    ]
    assert lines, f"no line begins with {place} {field}:\n{err}"
    return "\n".join(lines)


def refusal(path: Path) -> str:
    """What is wrong with a scenario's file, as the command writes it; paths without their folder."""
    with pytest.raises(UsageError) as caught:
        nr.read_scenario(path)
    return f"{caught.value}\n".replace(f"{path.parent}/", "")


@pytest.fixture
def refused(write) -> Callable[[str | bytes], str]:
    """What is wrong with a text."""

    def _refused(text: str | bytes) -> str:
        write(LEDGER)
        return refusal(write(text, "file.yaml"))

    return _refused


@pytest.fixture
def expect(run, write, tmp_path):
    """`nrrsim expect` of a text: exit code, stdout, stderr; paths in them without their folder."""

    def _expect(text: str | bytes, *options: str, command: str = "expect") -> tuple[int, str, str]:
        write(LEDGER)
        code, out, err = run(command, write(text, "file.yaml"), *options)
        return code, out.replace(f"{tmp_path}/", ""), err.replace(f"{tmp_path}/", "")

    return _expect


# --- every number, wrong in every way -------------------------------------------------------------

# fragment of BASE, the field's full name, too low, too high, whether the field must be there
NUMBERS = [
    ("months: 12", "months", "0", "601", False),
    ("target: 1.05", "target", "0", "10.5", False),
    ("arr: 1_000_000", "book.arr", "0", "", True),
    ("share: 0.4", "book.segments.smb.share", "-0.4", "", True),
    ("customers: 20", "book.segments.smb.customers", "-1", "10_000_001", True),
    ("spread: 0.5", "book.segments.smb.spread", "-0.1", "11", False),
    ("tenure: 1.5", "book.segments.smb.tenure", "-1", "201", False),
    ("rate: 0.10", "drivers.churn.smb.rate", "-0.01", "1.01", False),
    ("alpha: 0.7", "drivers.churn.old.sbg.alpha", "0", "", True),
    ("beta: 2.5", "drivers.churn.old.sbg.beta", "-2", "", True),
    ("rate: 0.2,", "drivers.contraction.all.rate", "-1", "12.1", True),
    ("size: 0.11", "drivers.contraction.all.size", "-0.1", "1.1", True),
    ("mean: 0.13", "drivers.contraction.smb.size.mean", "0", "", True),
    ("sd: 0.06", "drivers.contraction.smb.size.sd", "-0.06", "", True),
    ("rate: 0.8", "drivers.adoption.smb.rate", "-1", "12.1", True),
    ("mean: 0.15", "drivers.adoption.smb.size.mean", "0", "", True),
    ("sd: 0.08", "drivers.adoption.smb.size.sd", "-1", "", True),
    ("size: 0.14", "drivers.adoption.top.size", "-0.1", "", True),
    ("rate: 0.5,", "drivers.cross_sell.top.rate", "-1", "13", True),
    ("size: 0.12", "drivers.cross_sell.top.size", "-0.1", "", True),
    ("uplift: 0.055", "drivers.price.smb.uplift", "-0.05", "", True),
    ("acceptance: 0.85", "drivers.price.all.acceptance", "-0.1", "1.5", False),
    ("churn_per_point: 0.22", "drivers.price.all.churn_per_point", "-0.2", "", False),
    ("rate: 0.15", "drivers.reactivation.smb.rate", "-0.1", "1.01", True),
    ("size: 0.9", "drivers.reactivation.smb.size", "-0.1", "1.9", False),
    ("a: 3.5", "drivers.reactivation.top.rate.a", "0", "", True),
    ("b: 17", "drivers.reactivation.top.rate.b", "-1", "", True),
    ("churn: 0.26", "shock.churn", "-6", "6", False),
    ("churn: 0.31", "year_effects.churn", "-0.3", "2.1", False),
    ("arr: 50_000", "new_business.smb.arr", "-1", "", True),
    ("customers: 5}", "new_business.smb.customers", "0", "10_000_001", True),
]
WHOLE = ("months", "customers")


def numbers_that_are_wrong():
    for fragment, field, low, high, needed in NUMBERS:
        name, end = fragment.partition(":")[0], fragment[-1] if fragment[-1] in ",}" else ""
        kind = "must be a whole number" if name in WHOLE else "must be a number"

        def put(value: str, *said: str, fragment=fragment, field=field, name=name, end=end, **how):
            return bad(fragment, f"{name}: §{value}{end}", field, *said, **how)

        yield put(low, "must be", f"got {low}")
        if high:
            yield put(high, "must be")
        yield put(".nan", "whole number" if name in WHOLE else "finite number", "got nan")
        yield put("-.inf", "whole number" if name in WHOLE else "finite number", "got -inf")
        yield put("abc", kind, "'abc'")
        yield put("'12 % a year'", kind, "'12 % a year'")
        if name in (*WHOLE, "arr", "tenure", "spread", "a", "b"):
            yield put("'12 %'", kind, "'12 %'")
        yield put("yes please", kind, "yes please")
        yield put("true", kind)
        yield put("[0.1]", kind, "[0.1]")
        yield put("[]", kind)
        yield put("{}", kind)
        if name != "target" and field != "drivers.churn.smb.rate":
            yield put("null", kind, "nothing")
        if name != "churn":
            parts = [
                part
                for part in (f", {fragment}", f"{fragment}, ", fragment)
                if end != "}" and part in BASE
            ]
            wrong = fragment.replace(name, f"¶{name}x")
            yield bad(fragment, wrong, f"{field}x", "is not known", f"did you mean {name}?")
            if needed:
                parts = parts or [f", {fragment[:-1]}"]
                gone = parts[0] if end != "," else f"{fragment} "
                yield bad(gone, "", field, "is missing")


@pytest.mark.parametrize(("text", "field", "said", "never", "lines"), numbers_that_are_wrong())
def test_every_number_in_every_wrong_way(refused, text, field, said, never, lines):
    hold(refused, text, field, said, never, lines)


def hold(
    refused, text: str, field: str, said: Sequence[str], never: Sequence[str], lines: int
) -> None:
    plain, place = marked(text)
    err = refused(plain)
    told = complaint(err, f"file.yaml{place}", field)
    assert [part for part in said if part not in told] == [], told
    assert not [part for part in never if part in err], err
    assert err.count("\n") == lines or not lines, err


# --- books ----------------------------------------------------------------------------------------

SMB = "smb: {share: 0.4, customers: 20, spread: 0.5, term: monthly, tenure: 1.5}"
BLOCK = """\
book:
  arr: 100
  segments:
    smb:
      share: 1
      customers: 12
drivers:
  churn:
    smb:
      rate: 0.1
"""
ALONE = "book:\n  arr: 100\n  segments:\n    smb: {share: 1, customers: 12}\n"
LIST = "must be a list in square brackets"
PARTS = "must hold settings of its own"
BOOKS = [
    bad("months: 12", "months: §1.5", "months", "whole number", "1.5"),
    bad("months: 12", "months: §-3", "months", "at least 1"),
    bad("target: 1.05", "target: §105", "target", "at most 10", "did you mean 1.05?"),
    bad("target: 1.05", "target: §10500%", "target", "at most 10"),
    bad("target: 1.05", "target: §105,5%", "target", "'105,5%'", "did you mean 1.055?"),
    bad("target: 1.05", "target: §1051", "target", never=["did you mean"]),
    bad("target: 1.05", "target: §{between: [1.0, 1.1]}", "target", "must be a number", never=["a belief such as"]),
    bad("arr: 1_000_000", "arr: §{}", "book.arr", "must be a number", never=["a belief such as"]),
    bad("arr: 1_000_000", "arr: §1,000,000", "book.arr", "did you mean 1000000?"),
    bad("arr: 1_000_000", "arr: §$100M", "book.arr", "must be a number", "$100M"),
    bad("arr: 1_000_000", "arr: §'1,5'", "book.arr", never=["15"]),
    bad("arr: 1_000_000", "arr: §nan", "book.arr", "must be a number", never=["mean nan"]),
    bad("arr: 1_000_000", "arr: §0.0099", "book.arr", "at least 0.01", "0.0099"),
    bad("arr: 1_000_000", "arr: §true", "book.arr", "got true"),
    bad("arr: 1_000_000", "arr: §null", "book.arr", "got nothing"),
    bad("arr: 1_000_000", "arr: §1e300", "book.arr", "at most"),
    bad("months: 12", "months: ¶", "months", "whole number"),
    bad("customers: 20", "customers: §2.5", "book.segments.smb.customers", "whole number", "2.5"),
    bad("customers: 20", "customers: §'20'", "book.segments.smb.customers", "whole number", "did you mean 20?"),
    bad("customers: 20", "customers: §1.5e0", "book.segments.smb.customers", "whole number", "1.5"),
    bad("customers: 20", "customers: §true", "book.segments.smb.customers", "whole number", "true"),
    bad("months: 12", "months: §true", "months", "whole number", "true"),
    bad("customers: 20", "customers: §'12%'", "book.segments.smb.customers", "whole", never=["0.12"]),
    bad("customers: 20", "customers: §10_000_001", "book.segments.smb.customers", "10,000,000", never=["1e+07"]),
    bad("share: 0.4", "share: 0", "book.segments.smb", "customers 20", "both may be 0", lines=1),
    bad("customers: 20", "customers: 0", "book.segments.smb", "share 0.4", "both may be 0", lines=1),
    bad(SMB, "smb: {share: §1.0e+308, customers: 2}\n    more: {share: 1.0e+308, customers: 2}", "book.segments.smb.share", "at most"),
    bad("share: 1,", "share: 0,", "book.segments.smb", "share 0 and customers 12", "both may be 0", base=ALONE, lines=1),
    bad("share: 0.4", "share: §1e400", "book.segments.smb.share", "finite"),
    bad("term: monthly", "term: §month", "book.segments.smb.term", "monthly or annual", "did you mean monthly?"),
    bad("term: monthly", "term: §yearly", "book.segments.smb.term", "monthly or annual", "'yearly'"),
    bad("term: monthly", "term: §12", "book.segments.smb.term", "monthly or annual", "12"),
    bad("term: monthly", "¶terms: monthly", "book.segments.smb.terms", "is not known", "did you mean term?"),
    bad(SMB, "smb: §5", "book.segments.smb", PARTS, lines=1),
    bad(SMB, "smb: §small", "book.segments.smb", PARTS, "'small'"),
    bad(SMB, "smb: §[20, 0.4]", "book.segments.smb", PARTS),
    bad(SMB, "smb: ¶{}", "book.segments.smb.share", "is missing", lines=2),
    bad(BOOK, "", "book", "is missing"),
    bad("book:", "¶bok:", "bok", "is not known", "did you mean book?"),
    bad(BOOK, "book: §5\n", "book", PARTS),
    bad(BOOK, "book: §[]\n", "book", PARTS),
    bad(BOOK, "book: ¶{}\n", "book.arr", "is missing"),
    bad(BOOK, "book: {arr: 1, segments: ¶}\n", "book.segments", PARTS),
    bad(BOOK, "book: {arr: 1, segments: §[smb, mid]}\n", "book.segments", PARTS),
    bad(BOOK, "book: {arr: 1, segments: §{}}\n", "book.segments", "segment", never=["has 0 parts", "known: \n"]),
    bad("{share: 1, customers: 12}", "{share: 0, customers: 0}", "book", "no segment has a customer", "nothing to retain", base=ALONE),
    bad(SMB, f"¶all: {SMB[5:]}", "book.segments.all", "stands for all segments", "another name"),
    bad("drivers:", "¶driver:", "driver", "is not known", "did you mean drivers?"),
    bad("", "¶extra: 1\n", "extra", "is not known", "known: extends, title"),
    bad("", "¶target_nrr: 1\n", "target_nrr", "is not known", "did you mean target?"),
    bad("", "§extra: 1\n", "extra", "is not known"),
    bad("title: Next year", "title: §2026", "title", "must be text", "double quotes"),
    bad("title: Next year", "title: §[a]", "title", "must be text"),
    bad("source: ledger", "source: §5", "drivers.churn.smb.source", "must be text", "double quotes"),
    bad("source: ledger", "because: §[x]", "drivers.churn.smb.because", "must be text"),
    bad("source: ledger", "¶sorce: ledger", "drivers.churn.smb.sorce", "did you mean source?"),
    bad("      customers: 12", "      customers: 12\n      ¶tern: annual", "book.segments.smb.tern", "did you mean term?", base=BLOCK),
    bad("    smb:\n      share", "    ¶all:\n      share", "book.segments.all", "stands for all", base=BLOCK),
    bad("  segments:", "  starts: §2026-13\n  segments:", "book.starts", "not a month", "YYYY-MM", base=BLOCK),
]  # fmt: skip
SUMMER = "season: [0.5, 0.6, 0.8, 1, 1, 1.6, 2.2, 1.8, 0.9, 0.6, 0.5, 0.5]"
STARTED = BASE.replace("  arr:", "  starts: 2026-09\n  arr:")
JANUARY = "  price: {all: {uplift: 0.05, month: 1}}\n"
IN_THE_YEAR = [
    bad("drivers:\n", "drivers:\n" + JANUARY.replace("month", "¶month"), "drivers.price.all.month", "starts: YYYY-MM", base=ALONE + "drivers:\n"),
    bad("source: ledger", f"¶{SUMMER}", "drivers.churn.smb.season", "starts: YYYY-MM", lines=1),
    *(
        bad("drivers:\n", "drivers:\n" + JANUARY.replace("month: 1", f"month: §{month}"), "drivers.price.all.month", *said, base=ALONE.replace("  arr:", "  starts: 2026-09\n  arr:") + "drivers:\n", lines=1)
        for month, said in {
            "13": ["at most 12"],
            "0": ["at least 1"],
            "January": ["whole number", "January"],
            "{between: [1, 3]}": ["whole number"],
        }.items()
    ),
    bad("mid: 0.03", f"mid: {{rate: 0.03, ¶{SUMMER}}}", "drivers.churn.mid.season", "of mid are annual", "monthly terms", base=STARTED, lines=1),
    bad("mid: 0.03", f"all: {{rate: 0.03, ¶{SUMMER}}}", "drivers.churn.all.season", "of mid are annual", base=STARTED, lines=1),
    bad("{smb: 0.1}", f"{{all: {{rate: 0.1, ¶{SUMMER}}}}}", "drivers.churn.all.season", "of top are annual", base=FROM_LEDGER, lines=1),
    bad("source: ledger", "season: §[1, 1, 1]", "drivers.churn.smb.season", "12 factors", "got 3", base=STARTED),
    bad("source: ledger", f"season: §[{', '.join(['1.2'] * 12)}]", "drivers.churn.smb.season", "must be 1", "divide each by 1.2", base=STARTED),
    bad("source: ledger", f"season: [§-1, {', '.join(['1'] * 11)}]", "drivers.churn.smb.season.0", "at least 0", base=STARTED),
    bad("source: ledger", "season: §1.5", "drivers.churn.smb.season", LIST, base=STARTED),
    bad("", "correlations: [[§price.all.month, churn.smb, 0.5]]\n", "correlations.0.0", "no number of the drivers", base=BLOCK.replace("  arr:", "  starts: 2026-09\n  arr:") + JANUARY),
]  # fmt: skip
FROM_LEDGERS = [
    bad("ledger.csv", "§none.csv", "book.ledger", "no such file", base=FROM_LEDGER),
    bad("ledger: ledger.csv", "ledger: §5", "book.ledger", "must be text", base=FROM_LEDGER),
    bad("ledger: ledger.csv", "ledger: §[a.csv, b.csv]", "book.ledger", "must be text", base=FROM_LEDGER),
    bad("ledger: ledger.csv", "¶leger: ledger.csv", "book.leger", "did you mean ledger?", base=FROM_LEDGER),
    bad("ledger.csv", "§postgresql://me:secret@host/db", "book.ledger", "must be a file", "database address", never=["secret", "host"], base=FROM_LEDGER, lines=1),
    bad("ledger.csv", "§env:LEDGER_URL", "book.ledger", "must be a file", base=FROM_LEDGER, lines=1),
    bad('"2025-12"', '§"2030-01"', "book.as_of", "2030-01", "2025-01 to 2025-12", base=FROM_LEDGER),
    bad('"2025-12"', '§"2024-12"', "book.as_of", "2024-12", "2025-01 to 2025-12", base=FROM_LEDGER),
    bad('"2025-12"', "§soon", "book.as_of", "not a month", "YYYY-MM", base=FROM_LEDGER),
    bad('"2025-12"', "§2025", "book.as_of", "must be text", "double quotes", base=FROM_LEDGER),
    bad('  as_of: "2025-12"\n', "", "book.as_of", "is missing", base=FROM_LEDGER, lines=1),
    bad("{smb: monthly}", "{¶smbb: monthly}", "book.term.smbb", "not a segment", "did you mean smb?", base=FROM_LEDGER),
    bad("{smb: monthly}", "{smb: §mon}", "book.term.smb", "did you mean monthly?", base=FROM_LEDGER),
    bad("{smb: monthly}", "§monthly", "book.term", PARTS, base=FROM_LEDGER),
    bad("{smb: 0.1}", "{¶mid: 0.1}", "drivers.churn.mid", "not a segment of the book", base=FROM_LEDGER),
    bad("", "new_business: {¶mid: {arr: 1, customers: 1}}", "new_business.mid", "not a segment of the book", base=FROM_LEDGER),
    bad("  term:", "  columns: §5\n  term:", "book.columns", PARTS, base=FROM_LEDGER),
    bad("  term:", "  ¶colums: {mrr: x}\n  term:", "book.colums", "did you mean columns?", base=FROM_LEDGER),
    bad("  term:", "  ¶starts: 2025-12\n  term:", "book.starts", "is not known", "known: ledger, as_of", base=FROM_LEDGER),
    bad("  term:", "  arr: 100\n  term:", "book", "from a ledger or laid out from segments; keep one", base=FROM_LEDGER, lines=1),
    bad("  term: {smb: monthly}", "  segments: {top: {share: 1, customers: 1}}", "book", "keep one", base=FROM_LEDGER, lines=1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "field", "said", "never", "lines"), [*BOOKS, *IN_THE_YEAR, *FROM_LEDGERS]
)
def test_books(refused, text, field, said, never, lines):
    hold(refused, text, field, said, never, lines)


# --- drivers --------------------------------------------------------------------------------------

RATE, TOP, OLD = "rate: 0.10", "by_tenure: [0.25, 0.05]", "sbg: {alpha: 0.7, beta: 2.5}"
FORMS = "state one of rate, by_tenure and sbg"
SHRINK = "size: {mean: 0.13, sd: 0.06}"
GROW = "size: {mean: 0.15, sd: 0.08}"
DRIVEN = [
    bad(DRIVERS + TIES, "drivers: §5\n", "drivers", PARTS),
    bad(DRIVERS + TIES, "drivers: §[churn]\n", "drivers", PARTS),
    bad(DRIVERS + TIES, "drivers: {churn: §0.1}\n", "drivers.churn", PARTS),
    bad(DRIVERS + TIES, "drivers: {churn: {¶rate: 0.1}}\n", "drivers.churn.rate", "is not a segment of the book", "smb, mid"),
    bad(DRIVERS + TIES, "drivers: {¶chrun: {smb: 0.1}}\n", "drivers.chrun", "is not known", "did you mean churn?"),
    bad(DRIVERS + TIES, "drivers: {¶expansion: {smb: {rate: 1, size: 0.1}}}\n", "drivers.expansion", "is not known", "adoption, cross_sell"),
    bad(DRIVERS + TIES, "drivers: {price: {smb: §0.05}}\n", "drivers.price.smb", PARTS),
    bad("  reactivation:\n", "  ¶reactivaton:\n", "drivers.reactivaton", "did you mean reactivation?"),
    bad("mid: 0.03", "¶midd: 0.03", "drivers.churn.midd", "is not a segment of the book", "did you mean mid?"),
    bad("churn:\n    smb:\n", "churn:\n    ¶smbb:\n", "drivers.churn.smbb", "did you mean smb?", base=BLOCK),
    bad("mid: 0.03", "mid: ¶1.5", "drivers.churn.mid", "from 0 to 1", "a probability", "1.5"),
    bad("mid: 0.03", "mid: ¶-0.1", "drivers.churn.mid", "from 0 to 1", "-0.1"),
    bad("mid: 0.03", "mid: ¶3", "drivers.churn.mid", "from 0 to 1", "did you mean 0.03?"),
    bad("mid: 0.03", "mid: ¶.nan", "drivers.churn.mid", "finite"),
    bad("mid: 0.03", "mid: §true", "drivers.churn.mid"),
    bad("mid: 0.03", "mid: §[0.1]", "drivers.churn.mid"),
    bad("mid: 0.03", "mid: §{}", "drivers.churn.mid", FORMS),
    bad("mid: 0.03", "mid: §{source: a feeling}", "drivers.churn.mid", FORMS),
    bad("mid: 0.03", "mid: {¶betwen: [0.1, 0.2]}", "drivers.churn.mid.betwen", "did you mean between?"),
    bad("mid: 0.03", "mid: ¶{dist: nrmal, mean: 0.1, sd: 0.1}", "drivers.churn.mid", "'nrmal'", "did you mean normal?"),
    bad("mid: 0.03", "mid: §1.5", "drivers.churn.mid"),
    bad("mid: 0.03", "mid: §three", "drivers.churn.mid", "must be a number"),
    bad("mid: 0.03", "mid: §3,5%", "drivers.churn.mid", "did you mean 0.035?"),
    bad("mid: 0.03", "mid: {between: [0.02, 0.04], ¶rate: 0.1}", "drivers.churn.mid", never=["did you mean between?"]),
    bad(TOP, "by_tenure: §[]", "drivers.churn.top.by_tenure"),
    bad(TOP, "by_tenure: [0.2, §1.2]", "drivers.churn.top.by_tenure.1", "from 0 to 1", "1.2"),
    bad(TOP, "by_tenure: [0.2, §-1]", "drivers.churn.top.by_tenure.1", "from 0 to 1"),
    bad(TOP, "by_tenure: [0.2, §x]", "drivers.churn.top.by_tenure.1", "must be a number", "'x'"),
    bad(TOP, "by_tenure: [0.2, §null]", "drivers.churn.top.by_tenure.1", "must be a number"),
    bad(TOP, "by_tenure: [0.2, ¶{between: [0.2, 0.1]}]", "drivers.churn.top.by_tenure.1", "0 < low < high"),
    bad(TOP, "by_tenure: §0.2", "drivers.churn.top.by_tenure", LIST),
    bad(TOP, "by_tenure: §{1: 0.2}", "drivers.churn.top.by_tenure", LIST),
    bad(TOP, "by_tenure: [§25, 15]", "drivers.churn.top.by_tenure.0", "did you mean 0.25?"),
    bad(TOP, "by_tenure: [25, 15]", "drivers.churn.top.by_tenure.0", lines=2),
    bad(TOP, "rate: 0.1, by_tenure: [0.2]", "drivers.churn.top", FORMS, lines=1),
    bad(TOP, "rate: 0.1, sbg: {alpha: 1, beta: 1}", "drivers.churn.top", FORMS),
    bad(TOP, "source: none", "drivers.churn.top", FORMS),
    bad(TOP, "rate: null", "drivers.churn.top", FORMS),
    bad(OLD, "sbg: ¶{alpha: 1}", "drivers.churn.old.sbg.beta", "is missing", lines=1),
    bad(OLD, "sbg: {alpha: 1, beta: 1, ¶gamma: 1}", "drivers.churn.old.sbg.gamma", "is not known", "alpha, beta"),
    bad(OLD, "sbg: §0.5", "drivers.churn.old.sbg", PARTS),
    bad("alpha: 0.7", "alpha: §0", "drivers.churn.old.sbg.alpha", "more than 0"),
    bad("rate: 0.8", "rate: §80", "drivers.adoption.smb.rate", "from 0 to 12", "events per customer and year"),
    bad("size: 0.11", "size: §1", "drivers.contraction.all.size", "churn", never=["from 0 to 1 ("]),
    bad("size: 0.11", "size: §11", "drivers.contraction.all.size", "did you mean 0.11?"),
    bad("size: 0.11", "size: §1", "drivers.contraction.all.size", never=["did you mean"]),
    bad("size: 0.11", "size: ¶{between: [0.5, 1.2]}", "drivers.contraction.all.size", "between 0 and 1", "1.2"),
    bad("size: 0.11", "size: ¶{between: [0.5, 1.2]}", "drivers.contraction.all.size", never=["churn lies"]),
    bad(SHRINK, "size: §{mean: 0.2, sd: 0.5}", "drivers.contraction.smb.size", "no Beta has mean 0.2 and sd 0.5", "mean (1 - mean)"),
    bad(SHRINK, "size: §{mean: 0.5, sd: 0.5}", "drivers.contraction.smb.size", "no Beta", never=["did you mean"]),
    bad(SHRINK, "size: §{mean: 5, sd: 3}", "drivers.contraction.smb.size", "no Beta", "did you mean {mean: 0.05, sd: 0.03}?"),
    bad(SHRINK, "size: §{mean: 5%, sd: 3}", "drivers.contraction.smb.size", "3 times the mean", "did you mean {mean: 0.05, sd: 0.03}?"),
    bad(SHRINK, "size: §{mean: 1, sd: 0.1}", "drivers.contraction.smb.size", "a mean below 1"),
    bad(SHRINK, "size: ¶{mean: 0.2}", "drivers.contraction.smb.size.sd", "is missing", lines=1),
    bad(SHRINK, "size: ¶{sd: 0.2}", "drivers.contraction.smb.size.mean", "is missing", lines=1),
    bad(SHRINK, "size: {mean: 0.2, sd: 0.1, ¶max: 1}", "drivers.contraction.smb.size.max", "is not known", "mean, sd"),
    bad(SHRINK, "size: {mean: ¶{between: [0.1, 0.2]}, sd: 0.1}", "drivers.contraction.smb.size.mean", "must be a number"),
    bad(SHRINK, "size: {mean: §{between: [0.1, 0.2]}, sd: 0.1}", "drivers.contraction.smb.size.mean", never=["a belief such as"]),
    bad(SHRINK, "size: ¶{dist: beta, mean: 0.2, sd: 0.1}", "drivers.contraction.smb.size.mean", "is not known", "a, b"),
    bad(GROW, "size: {mean: 0.2, sd: §-5%}", "drivers.adoption.smb.size.sd", "at least 0", "-0.05"),
    bad("uplift: 0.055", "uplift: §-0.05", "drivers.price.smb.uplift", "0 or more", "a cut is contraction"),
    bad("size: 0.14", "size: §1.0e+200", "drivers.adoption.top.size", "at most"),
    bad("uplift: 0.055", "uplift: §1.0e+300", "drivers.price.smb.uplift", "at most"),
    bad("uplift: 0.055", "uplift: §5", "drivers.price.smb.uplift", "did you mean 0.05?"),
    bad("uplift: {between: [0.02, 0.07]}", "uplift: §{between: [2, 7]}", "drivers.price.all.uplift", "wholly outside", "did you mean {between: [0.02, 0.07]}?"),
    bad(GROW, "size: {mean: §15, sd: 8}", "drivers.adoption.smb.size.mean", "at most 10", "did you mean 0.15?"),
    bad(SHRINK, "size: {mean: 0.1, sd: 1.0e-200}", "drivers.contraction.smb.size", "too small to matter", "write 0"),
    bad("size: 0.14", "size: §14", "drivers.adoption.top.size", "did you mean 0.14?"),
]  # fmt: skip


def belief(value: str, *said: str, **how):
    return bad(RATE, f"rate: {value}", "drivers.churn.smb.rate", *said, **how)


INTERVAL = "0 < low < high"
BELIEFS = [
    belief("¶{between: [0.2, 0.1]}", INTERVAL, "[0.2, 0.1]"),
    belief("¶{between: [0.1, 0.1]}", INTERVAL),
    belief("¶{between: [0, 0.1]}", INTERVAL),
    belief("¶{between: [-0.1, 0.1]}", INTERVAL),
    belief("¶{between: [0.1, 1]}", "between 0 and 1"),
    belief("¶{between: [0.1, 1.5]}", "between 0 and 1", "1.5"),
    belief("¶{between: [8, 14]}", "between 0 and 1"),
    belief("¶{between: [8, 14]}", "did you mean", "0.08"),
    belief("¶{between: [0.1, 0.2, 0.3]}", "3", "2"),
    belief("¶{between: [0.1]}", "[low, high]", "got 1"),
    belief("¶{between: 0.1}", LIST),
    belief("¶{between: }", LIST),
    belief("¶{between: {low: 0.1, high: 0.2}}", LIST),
    belief("{between: [§low, 0.2]}", "must be a number", "'low'"),
    belief("¶{between: [20 %, 0.1]}", INTERVAL, "[0.2, 0.1]"),
    belief("{between: [§.nan, 0.2]}", "finite"),
    belief("{between: [0.1, §.inf]}", "finite"),
    belief("{between: [0.1, §true]}", "must be a number"),
    belief("§{betwen: [0.1, 0.2]}", "must be a number or a belief", "between: [0.08, 0.14]"),
    belief("§{mean: 0.1, sd: 0.02}", "must be a number or a belief"),
    belief("¶{between: [0.1, 0.2], mode: 0.15}", "mode"),
    belief("§{dist: gauss, mean: 0.1, sd: 0.1}", "'gauss' is not known", "uniform, pert, triangular, beta, normal"),
    belief("§{dist: Normal, mean: 0.1, sd: 0.1}", "'Normal' is not known", "did you mean normal?"),
    belief("§{dist: 5}", "5 is not known"),
    belief("§{dist: [normal]}", "is not known"),
    belief("§{dist: {}}", "is not known"),
    belief("¶{dist: normal}", "mean: is missing", "sd: is missing", lines=2),
    belief("¶{dist: normal, mean: 0.1}", "sd: is missing", lines=1),
    belief("{dist: normal, mean: 0.1, sd: §0}", "sd: must be more than 0"),
    belief("{dist: normal, mean: 0.1, sd: §-0.1}", "sd: must be more than 0", "-0.1"),
    belief("{dist: normal, mean: 0.1, sd: 0.1, ¶min: 0}", "min: is not known", "mean, sd"),
    belief("{dist: normal, mean: §.nan, sd: 0.1}", "finite"),
    belief("§{dist: normal, mean: 1000%, sd: 0.1}", "wholly outside"),
    belief("§{dist: normal, mean: 3, sd: 0.8}", "99.4% outside"),
    belief("{dist: lognormal, mean: §0, sd: 0.1}", "more than 0"),
    belief("§{dist: uniform, min: 0.2, max: 0.1}", "min must be below max", "0.2 and 0.1"),
    belief("§{dist: uniform, min: 0.1, max: 0.1}", "min must be below max"),
    belief("§{dist: pert, min: 0.1, mode: 0.3, max: 0.2}", "min <= mode <= max", "0.3"),
    belief("§{dist: pert, min: 0.1, mode: 0.05, max: 0.2}", "min <= mode <= max"),
    belief("¶{dist: pert, min: 0.1, max: 0.2}", "mode: is missing", lines=1),
    belief("§{dist: triangular, min: 0.1, mode: 0.1, max: 0.1}", "min <= mode <= max"),
    belief("{dist: beta, a: §0, b: 2}", "more than 0"),
    belief("{dist: beta, a: 2, b: §-2}", "more than 0"),
    belief("{dist: beta, a: 2, b: 2, ¶c: 2}", "c: is not known"),
    belief("§{dist: pert, min: 8, mode: 10, max: 12}", "probability", "did you mean {dist: pert, min: 0.08, mode: 0.1, max: 0.12}?"),
    belief("§{dist: uniform, min: -1, max: 0}", "wholly outside", never=["did you mean"]),
    belief("§{dist: normal, mean: 12, sd: 3}", "wholly outside", "did you mean {dist: normal, mean: 0.12, sd: 0.03}?"),
    belief("§{dist: normal, mean: 0.1, sd: 1.0e+7}", "beyond 1,000,000"),
    belief("§{dist: lognormal, mean: 1.0e-300, sd: 1}", "times the mean"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "field", "said", "never", "lines"), [*DRIVEN, *BELIEFS])
def test_drivers_and_beliefs(refused, text, field, said, never, lines):
    hold(refused, text, field, said, never, lines)


# --- ties, good and bad years, newcomers -------------------------------------------------------------------

PAIR = "  - [price.all, reactivation.top, 0.55]\n"
SHOCK, YEARS = "shock: {churn: 0.26}", "year_effects: {churn: 0.31}"
NEW = "  smb: {arr: 50_000, customers: 5}\n"
REST = [
    bad(PAIR, "  - [¶prize.all, reactivation.top, 0.5]\n", "correlations", "prize.all is no number", "did you mean price.all?"),
    bad(PAIR, "  - [price.all, ¶price.smb.size, 0.5]\n", "correlations", "price.smb.size is no number"),
    bad(PAIR, "  - [price.all, ¶nothing, 0.5]\n", "correlations", "nothing is no number", "known: ", never=[".source"]),
    bad(PAIR, "  - [price.all, reactivation.top, §1.5]\n", "correlations.0.2", "from -1 to 1", "1.5"),
    bad(PAIR, "  - [price.all, reactivation.top, §-1.1]\n", "correlations.0.2", "from -1 to 1"),
    bad(PAIR, "  - [price.all, reactivation.top, §'0.5']\n", "correlations.0.2", "must be a number", "did you mean 0.5?"),
    bad(PAIR, "  - [price.all, reactivation.top, §150%]\n", "correlations.0.2", "from -1 to 1", "1.5"),
    bad(PAIR, "  - [price.all, reactivation.top, §.nan]\n", "correlations.0.2", "finite"),
    bad(PAIR, "  - [price.all, reactivation.top, §true]\n", "correlations.0.2", "must be a number"),
    bad(PAIR, "  - §[price.all, price.all, 0.5]\n", "correlations.0", "tied to itself"),
    bad(PAIR, "  - §[price.all, price.all.uplift, 0.5]\n", "correlations.0", "tied to itself"),
    bad(PAIR, PAIR + "  - §[reactivation.top, price.all, 0.4]\n", "correlations.1", "stand twice", "keep one"),
    bad(PAIR, "  - ¶[price.all, reactivation.top]\n", "correlations.0", "is missing"),
    bad(PAIR, "  - ¶[price.all, reactivation.top, 0.5, 1]\n", "correlations.0", "4 parts", "3"),
    bad(PAIR, "  - [§1, reactivation.top, 0.5]\n", "correlations.0.0", "must be text"),
    bad(PAIR, "  - §price.all\n", "correlations.0", LIST),
    bad(PAIR, "  - §{price.all: 0.5}\n", "correlations.0", LIST),
    bad(TIES, "correlations: §0.5\n", "correlations", LIST),
    bad(TIES, "correlations: §{}\n", "correlations", LIST),
    bad(SHOCK, "shock: {¶chrun: 0.2}", "shock.chrun", "churn", "did you mean churn?"),
    bad(SHOCK, "shock: {¶rate: 0.2}", "shock.rate", "churn or contraction"),
    bad(SHOCK, "shock: §0.2", "shock", PARTS),
    bad(SHOCK, "shock: §[churn]", "shock", PARTS),
    bad(SHOCK, "shock: {churn: §big}", "shock.churn", "must be a number", "'big'"),
    bad(SHOCK, "shock: {churn: ¶{between: [0.1, 0.2]}}", "shock.churn", "must be a number"),
    bad(YEARS, "year_effects: {¶chrun: 0.2}", "year_effects.chrun", "churn", "did you mean churn?"),
    bad(YEARS, "year_effects: §0.2", "year_effects", PARTS),
    bad(YEARS, "year_effects: {churn: §{between: [0.3, 0.1]}}", "year_effects.churn", "low < high"),
    bad(YEARS, "year_effects: {churn: §{dist: bell}}", "year_effects.churn", "'bell' is not known"),
    bad(YEARS, "year_effects: {churn: §{dist: normal, mean: -1, sd: 0.1}}", "year_effects.churn", "from 0 to 2"),
    bad(NEW, "  smb: {arr: 1, customers: §0}\n", "new_business.smb.customers", "at least 1"),
    bad(NEW, "  smb: {arr: §-1, customers: 5}\n", "new_business.smb.arr", "at least 0.01"),
    bad(NEW, "  smb: {arr: 1, customers: §2.5}\n", "new_business.smb.customers", "whole number"),
    bad(NEW, "  smb: {arr: 1, customers: 5, ¶share: 1}\n", "new_business.smb.share", "is not known", "arr, customers"),
    bad(NEW, "  ¶smbb: {arr: 1, customers: 5}\n", "new_business.smbb", "is not a segment of the book", "did you mean smb?"),
    bad(NEW, "  ¶all: {arr: 1, customers: 5}\n", "new_business.all", "is not a segment of the book"),
    bad(NEW, "  smb: §5\n", "new_business.smb", PARTS),
    bad("", "¶months: 24\n", "months", "stands twice", "keep one"),
    bad("source: ledger", "¶rate: 0.2", "rate", "stands twice", "keep one"),
    bad("mid: 0.03", "¶smb: 0.03", "smb", "stands twice", "keep one"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "field", "said", "never", "lines"), REST)
def test_ties_years_and_newcomers(refused, text, field, said, never, lines):
    hold(refused, text, field, said, never, lines)


# --- files that are no scenario -------------------------------------------------------------------


def unread(name: str, text: str | bytes, *said: str, never: Sequence[str] = ()):
    return row(name, text, said, tuple(never))


HOLDS_NONE = "this file holds no settings"
NO_YAML = "not YAML that can be read"
UNREAD = [
    unread("empty", "", HOLDS_NONE, "title: Next year"),
    unread("a comment only", "# nothing yet\n", HOLDS_NONE),
    unread("a list", "- title\n- months\n", HOLDS_NONE),
    unread("a number", "5\n", HOLDS_NONE),
    unread("a sentence", "Next year will be good\n", HOLDS_NONE),
    unread("tab after a key", "months:¶\t12\n", NO_YAML),
    unread("tab as indent", "book:\n¶\tarr: 1\n", NO_YAML),
    unread("tab, in words", "book:\n§\tarr: 1\n", "tab", "spaces"),
    unread("open bracket", "months: 12\nbook: [1, 2\n", NO_YAML),
    unread("open bracket, in words", "months: 12\n¶book: [1, 2\n", "bracket", "closed"),
    unread("open brace", "book: ¶{arr: 1\nmonths: 12\n", NO_YAML, "bracket", "closed"),
    unread("open quote", 'title: "Next year\n', NO_YAML),
    unread("colon in text", "title: Plan: b\n", NO_YAML),
    unread("colon in text, in words", "¶title: Plan: b\n", "quotes"),
    unread("wrong indent", "months: 12\n ¶target: 1.05\n", NO_YAML),
    unread("percent first", "title: ¶%x\n", NO_YAML),
    unread("unknown alias", "title: x\nsource: ¶*base\n", NO_YAML),
    unread("two documents", f"{BASE}---\n{BASE}", NO_YAML),
    unread("a bell", "title: \x07\n", NO_YAML),
    unread("not UTF-8", b"title: caf\xe9\n", "UTF-8"),
    unread("UTF-16", BASE.encode("utf-16"), "UTF-8"),
    unread("bytes", b"\x00\x01\x02", NO_YAML),
    unread("very deep", "[" * 500),
    unread("a number of 5,000 digits", f"¶months: {'9' * 5000}\n", "months"),
    unread("YAML 1.1", f"§%YAML 1.1\n---\n{BASE}", "%YAML 1.1", "remove this line"),
    unread("a merge of a number", f"{BASE}<<: §3\n", "<<: must be a mapping"),
    unread("a list for a name", f"{BASE}§[a, b]: 3\n", "a name must be text"),
    unread("a line without a colon", "title: x\n§months\nsource: y\n", NO_YAML, "name: value"),
    unread("an anchor within itself", "title: ¶&a [*a]\n", "refers to itself"),
    unread("two keys that are one", f"{ALONE}    2024: {{share: 1, customers: 1}}\n    ¶'2024': {{share: 1, customers: 1}}\n", "stands twice"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said", "never"), UNREAD)
def test_files_that_are_no_scenario(refused, text, said, never):
    plain, place = marked(text) if isinstance(text, str) else (text, "")
    err = refused(plain)
    assert err.startswith(f"file.yaml{place}")
    assert not [word for word in (*STRANGE, *never) if word in err.lower()], err
    assert [part for part in said if part not in err] == [], err


def test_folder_and_file_that_is_not_there(run, tmp_path):
    for path in (tmp_path, tmp_path / "none.yaml"):
        code, out, err = run("expect", path)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"{path}: ")
    assert err.endswith("none.yaml: there is no such scenario\n")


def test_folder_is_called_one(run, tmp_path):
    assert "is a folder" in run("expect", tmp_path)[2]


# --- files that extend others ---------------------------------------------------------------------


def chain(
    name: str, files: dict[str, str], field: str, *said: str, never: Sequence[str] = (), lines=1
):
    """The first of the files is read; the mark stands in the file that must be named."""
    return row(name, files, field, said, tuple(never), lines)


CIRCLE = ("goes round in a circle", "must stand alone")
CHAINS = [
    chain("itself", {"a": "extends: §a.yaml\n"}, "extends", *CIRCLE, "a.yaml -> a.yaml"),
    chain("two", {"a": "extends: b.yaml\n", "b": "extends: §a.yaml\n"}, "extends", *CIRCLE),
    chain("three", {"a": "extends: b.yaml\n", "b": "title: b\nextends: c.yaml\n", "c": "months: 6\nextends: §a.yaml\n"}, "extends", *CIRCLE, "a.yaml -> b.yaml -> c.yaml -> a.yaml"),
    chain("two of three", {"a": "extends: b.yaml\n", "b": "extends: c.yaml\n", "c": "extends: §b.yaml\n"}, "extends", *CIRCLE),
    chain("parent is missing", {"a": "title: x\nextends: §bse.yaml\n", "base": BASE}, "extends", "there is no scenario bse.yaml", "did you mean base.yaml?"),
    chain("parent is missing, alone", {"a": "extends: §zzz.yaml\n"}, "extends", "there is no scenario zzz.yaml"),
    chain("offers no other", {"a": "extends: §zzz.yaml\n"}, "extends", never=["mean a.yaml"]),
    chain("grandparent is missing", {"a": "extends: b.yaml\n", "b": "title: b\nextends: §zzz.yaml\n"}, "extends", "there is no scenario zzz.yaml"),
    chain("a number", {"a": "extends: §5\n"}, "extends", "path of one scenario file"),
    chain("a list", {"a": "extends: §[b.yaml, c.yaml]\n", "b": BASE, "c": BASE}, "extends", "path of one scenario file"),
    chain("null", {"a": "extends: §null\n"}, "extends", "path of one scenario file"),
    chain("misspelt", {"a": "¶extend: b.yaml\n", "b": BASE}, "extend", "is not known", "did you mean extends?", lines=2),
    chain("error in the parent", {"a": "extends: b.yaml\nmonths: 24\n", "b": BASE.replace(RATE, "rate: §1.5")}, "drivers.churn.smb.rate", "from 0 to 1"),
    chain("error in the grandparent", {"a": "extends: b.yaml\n", "b": "extends: c.yaml\nmonths: 24\n", "c": BASE.replace("term: monthly", "term: §weekly")}, "book.segments.smb.term", "'weekly'"),
    chain("error in the child", {"a": "extends: b.yaml\ndrivers: {contraction: {all: {rate: §13}}}\n", "b": BASE}, "drivers.contraction.all.rate", "from 0 to 12"),
    chain("error that a child makes of its parent's", {"a": "extends: b.yaml\nbook: {segments: {smb: ¶{customers: 0}}}\n", "b": BASE}, "book.segments.smb", "share 0.4 and customers 0"),
    chain("key that stands twice in the parent", {"a": "extends: b.yaml\n", "b": BASE + "¶title: again\n"}, "title", "stands twice"),
    chain("unknown segment in the child", {"a": "extends: b.yaml\ndrivers: {churn: {¶smbb: 0.1}}\n", "b": BASE}, "drivers.churn.smbb", "did you mean smb?"),
    chain("a size in place of another", {"a": "extends: b.yaml\ndrivers: {adoption: {smb: {¶size: {mean: 0.1}}}}\n", "b": BASE}, "drivers.adoption.smb.size.sd", "is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "field", "said", "never", "lines"), CHAINS)
def test_files_that_extend_others(write, tmp_path, files, field, said, never, lines):
    where = ""
    for name, text in files.items():
        plain, place = marked(text)
        where = f"{name}.yaml{place}" if place else where
        write(plain, f"{name}.yaml")
    err = refusal(tmp_path / f"{next(iter(files))}.yaml")
    told = complaint(err, where, field)
    assert [part for part in said if part not in told] == [], told
    assert not [part for part in never if part in err], err
    assert err.count("\n") == lines, err


# --- all at once, in the order of the lines -------------------------------------------------------


def test_all_problems_come_at_once_in_the_order_of_the_lines(expect):
    text = BASE
    wrong = {
        "months: 12": "months: 0",
        "target: 1.05": "target: 105",
        "arr: 1_000_000": "arr: 0",
        RATE: "rate: 1.5",
        "size: 0.11": "size: -1",
        "acceptance": "aceptance",
    }
    for old, new in wrong.items():
        text = text.replace(old, new)
    code, out, err = expect(text)
    assert (code, out) == (2, "")
    fields = [
        "months",
        "target",
        "book.arr",
        "drivers.churn.smb.rate",
        "drivers.contraction.all.size",
    ]
    assert [line.split()[1][:-1] for line in err.splitlines()] == [
        *fields,
        "drivers.price.all.aceptance",
    ]
    assert [int(line.split(":")[1]) for line in err.splitlines()] == [2, 3, 5, 13, 18, 26]


def test_problems_of_numbers_and_of_names_come_together(expect):
    text = (
        BASE.replace("share: 0.4", "share: 0")
        .replace("mid: 0.03", "midd: 0.03")
        .replace("arr: 50_000", "arr: 0")
    )
    _, _, err = expect(text.replace("[price.all,", "[price.al,"))
    assert [line.split()[1][:-1] for line in err.splitlines()] == [
        *("book.segments.smb", "drivers.churn.midd", "correlations.0.0", "new_business.smb.arr")
    ]


def test_problems_of_two_files_come_together(run, write, tmp_path):
    write(BASE.replace(RATE, "rate: 1.5"), "b.yaml")
    code, _, err = run("expect", write("extends: b.yaml\nmonths: 0\nshock: {churn: 9}\n", "a.yaml"))
    lines = err.replace(f"{tmp_path}/", "").splitlines()
    assert code == 2
    assert [line.split()[0] for line in lines] == ["a.yaml:2:9", "a.yaml:3:16", "b.yaml:13:17"]


TABLES = (
    list(numbers_that_are_wrong()),
    BOOKS,
    IN_THE_YEAR,
    FROM_LEDGERS,
    DRIVEN,
    BELIEFS,
    REST,
    UNREAD,
)
FEW = [table[place * len(table) // 3] for table in TABLES for place in range(3)]


@pytest.mark.parametrize("text", [each.values[0] for each in FEW], ids=[each.id for each in FEW])
def test_the_command_says_what_reading_says(expect, refused, text):
    plain = marked(text)[0] if isinstance(text, str) else text
    assert expect(plain) == (2, "", refused(plain))


@pytest.mark.parametrize(
    ("command", "options"),
    [("simulate", []), ("expect", ["--json"]), ("expect", ["--quiet"]), ("simulate", ["--json"])],
)
def test_every_command_says_the_same(expect, command, options):
    assert expect(BASE.replace(RATE, "rate: 2"), *options, command=command) == expect(
        BASE.replace(RATE, "rate: 2")
    )


# --- the command line -----------------------------------------------------------------------------


def asked(*arguments: str, said: Sequence[str]):
    return row(" ".join(arguments), arguments, said)


PLAY = ("simulate", "SCENARIO", "--trials", "16")
NOT_OURS = "the words of the library that reads command lines"
COMMANDS = [
    asked(
        "simulate",
        "SCENARIO",
        "--trials",
        "0",
        said=["trials: must be from 1 to 10,000,000, got 0"],
    ),
    asked("simulate", "SCENARIO", "--trials", "-5", said=["trials: must be from 1", "got -5"]),
    asked(
        "simulate",
        "SCENARIO",
        "--trials",
        "10000001",
        said=["trials: must be from 1", "got 10,000,001"],
    ),
    asked("simulate", "SCENARIO", "--trials", said=["'--trials' requires an argument"]),
    asked("simulate", "SCENARIO", "--trials", "1.5e0", said=["--trials", "whole number", "1.5"]),
    asked("simulate", "SCENARIO", "--trials", "many", said=["--trials", "whole number", "many"]),
    asked(*PLAY, "--threads", "0", said=["threads: must be at least 1, got 0"]),
    asked(*PLAY, "--threads", "two", said=["--threads", "whole number", "two"]),
    asked(*PLAY, "--seed", "-1", said=["seed: must be a whole number from 0", "got -1"]),
    asked(*PLAY, "--seed", str(2**63), said=["seed: must be a whole number from 0"]),
    asked(*PLAY, "--seed", "1.5", said=["--seed", "whole number", "1.5"]),
    asked(*PLAY, "--target", "110,5%", said=["--target", "1.105"]),
    asked(*PLAY, "--target", "110", said=["target", "did you mean 1.1?"]),
    asked(*PLAY, "--target", "nan", "--json", said=["target", "finite"]),
    asked(*PLAY, "--out", "FOLDER/none/run.parquet", said=["none/run.parquet: there is no folder"]),
    asked(*PLAY, "--out", "FOLDER", said=["has no ending; write .csv, .xlsx or .parquet"]),
    asked(*PLAY, "--out", "FOLDER/run.xls", said=["a table does not end in .xls"]),
    asked(
        *PLAY,
        "--trials",
        "100000",
        "--out",
        "FOLDER/run.xlsx",
        said=["rows, and a sheet of Excel holds 1,048,575", ".parquet or .csv"],
    ),
    asked(*PLAY, "--trails", "5", said=["No such option: --trails", "--trials"]),
    asked("expect", "SCENARIO", "--nope", said=["No such option: --nope"]),
    asked("expect", "SCENARIO", "--seed", "-1", said=["seed: must be a whole number from 0"]),
    asked("expect", "SCENARIO", "--seed", "1.5", said=["--seed", "whole number", "1.5"]),
    asked("expect", "SCENARIO", "--target", "110", said=["target", "did you mean 1.1?"]),
    asked("expect", "SCENARIO", "another", said=["unexpected extra argument", "another"]),
    asked("simulate", "SCENARIO", "another", said=["unexpected extra argument", "another"]),
    asked("expect", said=["Missing argument 'SCENARIO'"]),
    asked("simulate", "--json", said=["Missing argument 'SCENARIO'"]),
    asked("expct", "SCENARIO", said=["No such command 'expct'", "expect"]),
    asked("schema", "--out", "FOLDER/none/x.json", said=["none/x.json: cannot be written"]),
]


@pytest.mark.parametrize(("arguments", "said"), COMMANDS)
def test_command_lines(run, write, tmp_path, arguments, said):
    put = {"SCENARIO": str(write(BASE, "file.yaml"))}
    code, out, err = run(
        *(put.get(each, each).replace("FOLDER", str(tmp_path)) for each in arguments)
    )
    assert (code, out) == (2, "")
    told = re.sub("[│╭╮╰╯─]", "", err)
    assert not [word for word in STRANGE if squeezed(word) in squeezed(told).lower()], err
    assert [part for part in said if squeezed(part) not in squeezed(told)] == [], err


def in_a_shell(*arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, "-c", "from nrrsim.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_in_a_process_of_its_own(write):
    path = write(BASE.replace(RATE, "rate: 10"), "file.yaml")
    code, out, err = in_a_shell("expect", path)
    assert (code, out) == (2, "")
    told = complaint(err, f"{path}:13:17", "drivers.churn.smb.rate")
    assert told.endswith("must be from 0 to 1 (a probability), got 10; did you mean 0.1?")


def test_one_line_is_all_that_is_said(run, write, tmp_path):
    said = "trials: must be from 1 to 10,000,000, got 0\n"
    assert run("simulate", write(BASE, "file.yaml"), "--trials", "0") == (2, "", said)
    none = tmp_path / "none.yaml"
    assert run("simulate", none, "--json") == (2, "", f"{none}: there is no such scenario\n")


def test_in_a_process_of_its_own_all_is_well(write):
    code, out, err = in_a_shell("expect", write(BASE, "file.yaml"), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["title"] == "Next year"


# --- odd, and right -------------------------------------------------------------------------------


def odd(
    name: str,
    segments: str,
    drivers: str = "",
    nrr: float | None = None,
    logo: float | None = None,
    rest="",
):
    """One segment in each line; the answer's NRR and logo retention, where they are simple."""
    lines = "".join(f"    {line.strip()}\n" for line in segments.split("\n"))
    text = f"{rest}book:\n  arr: 100\n  segments:\n{lines}" + (
        f"drivers: {{{drivers}}}\n" if drivers else ""
    )
    return row(name, text, nrr, logo)


ONE = "smb: {share: 1, customers: 12}"
MONTHLY = "smb: {share: 1, customers: 12, term: monthly}"
ODD = [
    odd("no drivers", ONE, nrr=1, logo=1),
    odd("empty drivers", ONE, "churn: {}", nrr=1, logo=1),
    odd("nobody leaves", ONE, "churn: {smb: 0}", nrr=1, logo=1),
    odd("everybody leaves", ONE, "churn: {smb: 1}", nrr=0, logo=0),
    odd("everybody leaves, monthly", MONTHLY, "churn: {smb: 1.0}", nrr=0, logo=0),
    odd("one customer", "smb: {share: 1, customers: 1}", "churn: {smb: 0.1}", nrr=0.9, logo=0.9),
    odd("12 contractions a year", ONE, "contraction: {smb: {rate: 12, size: 0.1}}", nrr=0.9**12, logo=1),
    odd("12 adoptions a year", ONE, "adoption: {all: {rate: 12, size: 0.1}}", nrr=1.1**12, logo=1),
    odd("a size of nothing", ONE, "cross_sell: {smb: {rate: 12, size: 0}}", nrr=1, logo=1),
    odd("a size without spread", ONE, "contraction: {smb: {rate: 12, size: {mean: 0.1, sd: 0}}}", nrr=0.9**12, logo=1),
    odd("back within the month", MONTHLY, "churn: {smb: 1}, reactivation: {smb: {rate: 0}}", nrr=0, logo=0),
    odd("shares of 25 and 75", "smb: {share: 25, customers: 10}\ntop: {share: 75, customers: 10}", "churn: {smb: 1}", nrr=0.75, logo=0.5),
    odd("nobody in the first segment", "smb: {share: 0, customers: 0}\ntop: {share: 1, customers: 12}", "churn: {all: 0.5}", nrr=0.5, logo=0.5),
    odd("nobody in the last segment", "smb: {share: 1, customers: 12}\ntop: {share: 0, customers: 0}", "churn: {all: 0.5}", nrr=0.5, logo=0.5),
    odd("hands off the own entry", ONE, "churn: {all: 1, smb: 0}", nrr=1, logo=1),
    odd("a segment called NO", "NO: {share: 1, customers: 12}", "churn: {NO: 0.25}", nrr=0.75, logo=0.75),
    odd("a segment called null", "'null': {share: 1, customers: 12}", "churn: {'null': 0.25}", nrr=0.75, logo=0.75),
    odd("a segment called 2024", "2024: {share: 1, customers: 12}", "churn: {2024: 0.25}", nrr=0.75, logo=0.75),
    odd("segments called as fields are", "rate: {share: 1, customers: 12}\nbetween: {share: 1, customers: 12}", "churn: {rate: 0.25, between: 0.75}", nrr=0.5, logo=0.5),
    odd("unicode", "Größe: {share: 0.5, customers: 12}\n日本: {share: 0.5, customers: 12}", "churn: {日本: 0.5}", nrr=0.75, logo=0.75),
    odd("unicode, written in two ways", "Gr\u00f6\u00dfe: {share: 1, customers: 12}", "churn: {Gro\u0308\u00dfe: 0.5}", nrr=0.5, logo=0.5),
    odd("a tenure of 200 years", "smb: {share: 1, customers: 12, tenure: 200}", "churn: {smb: {by_tenure: [0.9, 0.5]}}", nrr=0.5, logo=0.5),
    odd("a spread of 10", "smb: {share: 1, customers: 1000, spread: 10}", "churn: {smb: 0.5}", nrr=0.5, logo=0.5),
    odd("50 years", MONTHLY, "churn: {smb: 0.5}", nrr=0.5**50, logo=0.5**50, rest="months: 600\n"),
    odd("percents", "smb: {share: 60%, customers: 12}\ntop: {share: 40 %, customers: 12}", "churn: {smb: 50%, top: {rate: 12.5 %}}", nrr=0.65, logo=0.6875),
    odd("whole numbers as decimals", "smb: {share: 1, customers: 1.2e1}", "churn: {smb: 0.5}", nrr=0.25, logo=0.25, rest="months: 24.0\n"),
    odd("an anchor", "smb: &size {share: 1, customers: 12}\ntop: *size", "churn: {smb: 1}", nrr=0.5, logo=0.5),
    odd("a merge", "smb: &size {share: 1, customers: 12}\ntop: {<<: *size, term: monthly}", "churn: {smb: 1}", nrr=0.5, logo=0.5),
]  # fmt: skip


@pytest.mark.parametrize(("text", "nrr", "logo"), ODD)
def test_odd_and_right(expect, text, nrr, logo):
    code, out, err = expect(text, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert nrr is None or told["nrr"] == pytest.approx(nrr, abs=1e-12)
    assert logo is None or told["logo"] == pytest.approx(logo, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "nrr"),
    [(each.values[0], each.values[1]) for each in ODD[:6]],
    ids=[each.id for each in ODD[:6]],
)
def test_odd_and_right_when_played(expect, text, nrr):
    code, out, err = expect(text, "--json", "--trials", "64", "--target", "0.5", command="simulate")
    assert (code, err) == (0, "")
    told = json.loads(out)
    if nrr in (0, 1):
        assert told["nrr"]["mean"] == pytest.approx(nrr, abs=1e-12)
        assert told["nrr"]["sd"] == pytest.approx(0, abs=1e-12)
        assert told["p_target"] == nrr


@pytest.mark.parametrize(("command", "options"), [("expect", []), ("simulate", ["--trials", "4"])])
def test_50_years_of_growth_beyond_any_number(expect, command, options):
    text = f"months: 600\n{ALONE}drivers: {{adoption: {{smb: {{rate: 12, size: 5}}}}}}\n"
    code, out, err = expect(text, *options, "--json", command=command)
    assert (code, out) == (2, "")
    assert "months" in err


def test_a_million_customers_in_one_segment(expect):
    text = "book:\n  arr: 100\n  segments:\n    smb: {share: 1, customers: 1_000_000, spread: 0.8}\ndrivers: {churn: {smb: 0.1}}\n"
    code, out, _ = expect(text, "--json")
    assert code == 0
    assert json.loads(out)["nrr"] == pytest.approx(0.9)


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b"# made by hand\n", b"---\n", b"\n\n"])
def test_what_may_stand_at_the_start(expect, start):
    code, out, err = expect(start + BLOCK.encode(), "--json")
    assert (code, err) == (0, "")
    assert out == expect(BLOCK, "--json")[1]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends(expect, end):
    assert expect(BLOCK.replace("\n", end).encode()) == expect(BLOCK)
    _, _, err = expect(BASE.replace(RATE, "rate: 2").replace("\n", end).encode())
    assert err.startswith("file.yaml:13:17 drivers.churn.smb.rate: ")


def test_underscores_in_numbers(expect):
    text = "book:\n  arr: 100_000_000\n  segments:\n    smb: {share: 1, customers: 1_2}\n"
    told = json.loads(expect(text, "--json")[1])
    assert (told["opening"], told["closing"]) == (100_000_000, 100_000_000)


def test_no_is_a_name(expect):
    text = "book:\n  arr: 100\n  segments:\n    NO: {share: 1, customers: 12}\n    on: {share: 1, customers: 12}\n"
    assert list(json.loads(expect(text, "--json")[1])["segments"]) == ["NO", "on"]


def test_no_is_a_name_whatever_the_file_says(expect):
    text = "%YAML 1.1\n---\nbook:\n  arr: 100\n  segments:\n    NO: {share: 1, customers: 12}\n"
    code, out, err = expect(text, "--json")
    assert "False" not in out
    assert (code, err) == (0, "") or (code == 2 and "1.1" in err)


# --- correlations that are strange, and allowed ---------------------------------------------------

THREE = """\
book:
  arr: 100
  segments:
    a: {share: 1, customers: 12}
    b: {share: 1, customers: 12}
    c: {share: 1, customers: 12}
drivers:
  churn: {a: {between: [0.1, 0.2]}, b: {between: [0.1, 0.2]}, c: {between: [0.1, 0.2]}}
  adoption: {a: {rate: 0.5, size: {mean: 0.1, sd: 0.1}}, b: {rate: 0.5, size: 0.1}}
"""
IMPOSSIBLE = (
    "correlations: [[churn.a, churn.b, 0.9], [churn.b, churn.c, 0.9], [churn.a, churn.c, -0.9]]\n"
)


@pytest.mark.parametrize("command", ["expect", "simulate"])
def test_an_impossible_set_of_correlations_is_repaired_and_said_so(expect, command):
    options = ["--trials", "32"] if command == "simulate" else []
    code, out, err = expect(THREE + IMPOSSIBLE, *options, "--json", command=command)
    assert code == 0
    assert json.loads(out)["nrr"]
    assert err.count("\n") == 1
    assert "correlations" in err
    assert "the nearest one that can be is used (changed by up to 0.40)" in err
    assert expect(THREE + IMPOSSIBLE, *options, "--json", "--quiet", command=command) == (
        0,
        out,
        "",
    )


@pytest.mark.parametrize("rho", [1, 1.0, -1])
def test_correlations_at_the_end_of_the_scale(expect, rho):
    code, out, _ = expect(f"{THREE}correlations: [[churn.a, churn.b, {rho}]]\n", "--json")
    assert code == 0
    assert json.loads(out)["nrr"] == pytest.approx(
        json.loads(expect(THREE, "--json")[1])["nrr"], abs=1e-4
    )


@pytest.mark.parametrize("rho", [1, -1])
def test_correlations_at_the_end_of_the_scale_are_possible(expect, rho):
    assert expect(f"{THREE}correlations: [[churn.a, churn.b, {rho}]]\n", "--json")[2] == ""


def test_a_correlation_of_a_plain_number_has_no_effect_and_says_so(expect):
    code, _, err = expect(THREE + "correlations: [[churn.a, adoption.b, 0.5]]\n", "--json")
    assert code == 0
    assert "adoption.b is a plain number" in err


def test_a_correlation_of_a_size_that_is_drawn_by_event(expect):
    err = expect(THREE + "correlations: [[churn.a, adoption.a.size, 0.5]]\n", "--json")[2]
    assert "adoption.a.size" in err
    assert "plain number" not in err


# --- books from ledgers, odd and right ------------------------------------------------------------


def test_a_book_from_a_ledger(expect):
    code, out, err = expect(FROM_LEDGER, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["opening"] == 1200


@pytest.mark.parametrize("month", ["2025-12", "2025-12-31", '"2025-12"', "2025Q4"])
def test_as_of_need_not_be_quoted(expect, month):
    assert expect(FROM_LEDGER.replace('"2025-12"', month), "--json") == expect(
        FROM_LEDGER, "--json"
    )


def test_a_ledger_that_is_wrong_is_exit_3_with_its_own_lines(expect, write):
    write("customer,month,mrr,segment\nA,2025-0,x,smb\n", "wrong.csv")
    code, out, err = expect(FROM_LEDGER.replace("ledger.csv", "wrong.csv"))
    assert (code, out) == (3, "")
    assert "wrong.csv:2: month: '2025-0' is not a month" in err
    assert "wrong.csv:2: mrr: 'x' is not a number" in err


def test_a_ledger_with_a_segment_called_all(expect, write):
    write(LEDGER.replace("top", "all"), "all.csv")
    code, _, err = expect(FROM_LEDGER.replace("ledger.csv", "all.csv"))
    assert code in (2, 3)
    assert "all" in err


def test_a_child_may_change_only_the_month_of_its_parents_ledger(run, write):
    write(LEDGER)
    write(FROM_LEDGER, "b.yaml")
    code, _, err = run(
        "expect", write("extends: b.yaml\nbook: {as_of: 2025-11}\n", "a.yaml"), "--json"
    )
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    "own", [FROM_LEDGER[FROM_LEDGER.index("book:") : FROM_LEDGER.index("drivers:")], BOOK]
)
def test_a_book_of_the_other_kind_replaces_its_parents(run, write, own):
    write(LEDGER)
    write(f"{BOOK if 'ledger' in own else FROM_LEDGER}", "b.yaml")
    code, out, err = run("expect", write(f"extends: b.yaml\n{own}", "a.yaml"), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["opening"] == (1200 if "ledger" in own else 1_000_000)


def test_the_ledger_of_a_parent_stands_beside_the_parent(run, write, tmp_path):
    (tmp_path / "below").mkdir()
    write(LEDGER, "below/ledger.csv")
    write(FROM_LEDGER, "below/b.yaml")
    code, _, err = run("expect", write("extends: below/b.yaml\n", "a.yaml"), "--json")
    assert (code, err) == (0, "")


# --- scenarios that are changed in Python ---------------------------------------------------------

CHANGES = [
    ({"drivers.churn.smb.rate": 1.5}, "drivers.churn.smb.rate: must be from 0 to 1"),
    (
        {"drivers.churn.smb.rate": "10,5%"},
        "drivers.churn.smb.rate: must be a number, got '10,5%'; did you mean 0.105?",
    ),
    ({"drivers.churn.smb.rate": float("nan")}, "drivers.churn.smb.rate: must be a finite number"),
    ({"drivers.churn.smb.rate": True}, "drivers.churn.smb.rate: must be a number"),
    ({"drivers.churn.smb.rate": None}, f"drivers.churn.smb: {FORMS}"),
    ({"drivers.churn.smb.rate": {"between": [0.2, 0.1]}}, "drivers.churn.smb.rate"),
    ({"drivers.churn.smb.rte": 0.1}, "drivers.churn.smb.rte: is not known; did you mean rate?"),
    (
        {"drivers.churn.smbb.rate": 0.1},
        "drivers.churn.smbb: is not a segment of the book; did you mean smb?",
    ),
    ({"drivers.chrun.smb.rate": 0.1}, "drivers.chrun: is not known; did you mean churn?"),
    ({"drivers.churn": 0.1}, "drivers.churn: must hold settings"),
    (
        {"drivers.churn.top.by_tenure": [0.1, 1.2]},
        "drivers.churn.top.by_tenure.1: must be from 0 to 1",
    ),
    (
        {"drivers.adoption.smb.size.mean": -0.2},
        "drivers.adoption.smb.size.mean: must be more than 0",
    ),
    (
        {"drivers.price.smb.uplift.of.what": 1},
        "drivers.price.smb.uplift.of.what: drivers.price.smb.uplift holds one value",
    ),
    ({"month": 24}, "month: is not known; did you mean months?"),
    ({5: 1}, "5: a name must be text"),
    ({"new_business": {"smb": {"arr": 1, 2: 3}}}, "2: a name must be text"),
    ({"months": 0}, "months: must be at least 1"),
    ({"months": 601}, "months: must be at most 600"),
    ({"months": 1.5}, "months: must be a whole number"),
    ({"months.x": 1}, "months.x: months holds one value"),
    ({"target": 105}, "did you mean 1.05?"),
    ({"title": 5}, "title: must be text"),
    ({"book": None}, "book: must hold settings"),
    ({"book.arr": -1}, "book.arr: must be at least 0.01"),
    ({"months": True}, "months: must be a whole number"),
    ({"title": "one\ntwo"}, "title: a sign that is not seen stands in this text (U+000A)"),
    ({"because": "\x1b[31m"}, "because: a sign that is not seen stands in this text (U+001B)"),
    ({"book.segments.a\u202eb.share": 1}, "'a\\u202eb': a sign that is not seen"),
    ({"book.segments.smb.customers": 0}, "book.segments.smb: share 0.4 and customers 0"),
    ({"book.segments.extra.share": 1}, "book.segments.extra.customers: is missing"),
    ({"shock.churn": 9}, "shock.churn: must be from -5 to 5"),
    ({"correlations": [["a", "price.all", 1]]}, "correlations.0.0: a is no number of the drivers"),
]


@pytest.mark.parametrize(("changes", "said"), CHANGES, ids=[f"{changes}" for changes, _ in CHANGES])
def test_a_change_that_cannot_be(write, changes, said):
    scenario = nr.read_scenario(write(BASE, "file.yaml"))
    before = scenario.plain()
    with pytest.raises(UsageError) as caught:
        scenario.with_(changes)
    assert said in str(caught.value)
    assert not [word for word in STRANGE if word in str(caught.value).lower()]
    assert scenario.plain() == before


def test_two_changes_that_cannot_be_come_at_once(write):
    with pytest.raises(UsageError, match=r"(?s)months: .*\ntarget: "):
        nr.read_scenario(write(BASE, "file.yaml")).with_(months=0, target=105)


def test_a_change_of_a_number_drops_its_source(write):
    changed = nr.read_scenario(write(BASE, "file.yaml")).with_(
        {"drivers.churn.smb.rate": np.float64(0.2)}
    )
    assert (changed.drivers.churn["smb"].rate, changed.drivers.churn["smb"].source) == (0.2, "")


def test_whole_numbers_of_numpy_are_whole_numbers(write):
    scenario = nr.read_scenario(write(BASE, "file.yaml"))
    changed = scenario.with_(
        {"months": np.int64(24), "drivers.churn.top.by_tenure": np.array([0.2, 0.1])}
    )
    assert (changed.months, changed.drivers.churn["top"].by_tenure) == (24, (0.2, 0.1))
    assert json.dumps(changed.plain())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "book: is missing"),
        ({"book": 5}, "book: must hold settings"),
        ({1: 2}, "1: a name must be text"),
        ({"extends": "none.yaml"}, "extends: there is no scenario none.yaml"),
        (
            {"book": {"arr": 1, "segments": {"smb": {"share": 1, "customers": 1}}}, "month": 1},
            "did you mean months?",
        ),
    ],
)
def test_plain_values_that_cannot_be(tmp_path, values, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        Scenario.of(values, tmp_path)
