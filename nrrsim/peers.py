"""A file of published NRR in, checked figures and what each measures out; never computes one.

Companies measure different things under one name. What is alike to a definition of ours can stand
beside it; what is not stands apart, with how it differs.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from nrrsim.errors import DataError, Finding, UsageError, did_you_mean
from nrrsim.messages import NUMBER
from nrrsim.metrics import DEFINITIONS
from nrrsim.months import last_day_number, month_name, month_number

PUBLISHED = Path(__file__).parent / "data" / "peers.csv"
FILE = ".csv"
OTHER_TABLES = (".xlsx", ".xls", ".ods", ".parquet", ".tsv", ".txt")
NEEDED = ("company", "period_end", "value_pct", "definition_key", "source")
FURTHER = ("period_label", "metric", "status")
UNUSED = ("companion", "companion_value")  # what a disclosure stood beside
# How sure a figure is: read in the source, read in somebody's restatement, or worked out from a
# change that was stated.
STATUSES = ("verified-excerpt", "secondary", "derived")
LEAST, MOST = 20.0, 400.0  # NRR in percent that a company may have
RATIO = 4.0  # below it, a number is meant as a ratio
GROSS = re.compile(r"gross|\bgrr\b|\bgdr\b", re.IGNORECASE)
OVERHANG = 7  # days: a year of 52 weeks may end early in the month after
MOST_CELLS = 20_000  # characters of a line


class Measure(NamedTuple):
    """What a company measures: in our words, the definition of ours that is `like` it ("" where
    none is), and how it differs from that, or from all of ours.
    """

    words: str
    like: str = ""
    differs: str = ""


_OF_ARR = Measure(
    "ARR now of the customers of twelve months ago / their ARR then", "point_to_point"
)
_OF_A_QUARTER = Measure(
    "revenue of a quarter from the customers of that quarter a year before / theirs then",
    differs="is of a quarter's revenue, usage included, and not of ARR",
)
MEASURES: Mapping[str, Measure] = {
    "PD_12m_cohort_ARR": _OF_ARR,
    "CRWD_fixed_cohort_ARR": _OF_ARR,
    "GTLB_12m_cohort_ARR": _OF_ARR,
    "NET_quarter_vs_year_ago": _OF_A_QUARTER,
    "DOCN_quarterly_revenue_vs_year_ago": _OF_A_QUARTER,
    "BRZE_TTM": Measure(
        "the average over the last twelve months of ARR now / ARR a year before",
        "trailing_average",
        "averages twelve month-ends, weighted by ARR; ours averages four quarter-ends",
    ),
    "FSLY_NRR_last_month_vs_year_ago_month": Measure(
        "revenue of the last month from the customers of that month a year before / theirs then",
        "point_to_point",
        "is of a month's revenue, with usage, and not of ARR",
    ),
    "FSLY_LTM_NRR": Measure(
        "revenue of twelve months from the customers of the twelve before / theirs then",
        differs="compares whole years of revenue, so that a change takes a year to show in full",
    ),
    "FSLY_DBNER_excludes_churned": Measure(
        "revenue of the customers who are still there / theirs a year before",
        differs="leaves churned customers out of both sides, so it is higher than NRR",
    ),
    "SNOW_2yr_cohort_product_revenue": Measure(
        "product revenue of the second of two years / of the first, same customers",
        differs="sets the revenue of a whole year, usage included, against the year before",
    ),
    "TWLO_expansion_active_customers": Measure(
        "revenue of a quarter from the accounts active in that quarter a year before / theirs then",
        differs="is of usage revenue, and not of ARR",
    ),
}
NOT_STATED = Measure(
    "definition not stated", differs="comes from a source that does not state the definition"
)


@dataclass(frozen=True, order=True)
class Figure:
    """One disclosed NRR. `month`: the last one of its period (YYYY-MM); `nrr`: a ratio."""

    company: str
    metric: str
    definition_key: str
    month: str
    period_end: str
    period_label: str
    nrr: float
    source: str
    status: str

    @property
    def measure(self) -> Measure:
        """What it measures. A definition of ours is like itself; own words differ from all."""
        key = self.definition_key
        if key in DEFINITIONS:
            return Measure(DEFINITIONS[key].formula, key)
        own = Measure(key, differs="is by the company's own definition")
        return MEASURES.get(key, own if key else NOT_STATED)

    def told(self) -> dict[str, Any]:
        """As JSON has it: the figure and what it measures, null where nothing is said."""
        all_ = {**vars(self), **self.measure._asdict()}
        return {name: None if value == "" else value for name, value in all_.items()}

    @property
    def series(self) -> tuple[str, str, str]:
        """What figures of one line share: company, measure and definition."""
        return self.company, self.metric, self.definition_key


@cache
def published() -> tuple[Figure, ...]:
    """The disclosures that come with nrrsim, by company and month."""
    return read_peers(PUBLISHED)


def latest() -> list[Figure]:
    """The latest disclosure of each company and measure that comes with nrrsim."""
    return [*{each.series: each for each in published()}.values()]


def names(figures: Sequence[Figure]) -> list[str]:
    """The companies, each once."""
    return list(dict.fromkeys(each.company for each in figures))


def is_file(name: str) -> bool:
    """Whether a peer is named by a file of one's own, and not by its company's name."""
    return name.lower().endswith((FILE, *OTHER_TABLES))


def said(peers: object) -> list[str]:
    """What a card or a call names as peers, one by one; UsageError for what names none."""
    named = peers if isinstance(peers, list | tuple) else [peers]
    texts = [each.strip() for each in named if isinstance(each, str)]
    if not named or len(texts) < len(named) or "" in texts:
        raise UsageError(
            "peers: must be companies' names, such as [Braze, PagerDuty], or a file of your own,"
            f" such as peers.csv; got {str(peers)[:80]!r}"
        )
    return texts


def chosen(peers: object, folder: str | Path = ".") -> tuple[Figure, ...]:
    """The figures of the peers that are named, companies of ours and those of one's own files.

    folder : from which files are named. Raises UsageError with all names that are not known, and
    DataError with all that is wrong in a file.
    """
    found: dict[str, list[Figure]] = {}
    wrong = []
    for name in said(peers):
        if is_file(name):
            some = read_peers(Path(folder) / name)
        else:
            ours = {each.casefold(): each for each in names(published())}
            company = ours.get(name.casefold())
            if company is None:
                remedy = did_you_mean(name, [*ours.values()])
                own = "; another company goes into a file of your own, such as peers.csv"
                wrong.append(f"peers: no figure of {name} is known; {remedy}{own}")
                continue
            some = tuple(each for each in published() if each.company == company)
        for company in names(some):
            if company in found:
                wrong.append(f"peers: {company} is named twice; name it once")
            else:
                found[company] = [each for each in some if each.company == company]
    if wrong:
        raise UsageError("\n".join(wrong))
    return tuple(each for figures in found.values() for each in figures)


# --- the file -------------------------------------------------------------------------------------


def read_peers(path: str | Path) -> tuple[Figure, ...]:
    """The figures in a file, by company, measure and month.

    The columns are NEEDED, and if there is more to say FURTHER. Raises UsageError where there is no
    such file, and DataError with all that is wrong, a line each with line, column and remedy.
    """
    rows, findings = _rows(Path(path)), list[Finding]()
    figures: dict[Figure, int] = {}
    spelled: dict[str, str] = {}
    for line, row in rows:
        mistakes = [*_mistakes(row)]
        first = spelled.setdefault(row["company"].casefold(), row["company"])
        if first != row["company"]:
            mistakes.append(("company", f"is spelled {first} above", f"write {first} everywhere"))
        findings += [Finding(str(path), line, *_in_order(each)) for each in mistakes]
        if mistakes:
            continue
        figure = _figure(row)
        at = [each for each in figures if each.series == figure.series]
        same = next((each for each in at if each.month == figure.month), None)
        if same:
            problem = f"{figure.company} has a figure for {figure.month} in line {figures[same]}"
            findings.append(Finding(str(path), line, problem, "keep one of them", "period_end"))
        figures[figure] = line
    if findings:
        raise DataError(findings)
    return tuple(sorted(figures, key=lambda each: (each.company.casefold(), each)))


def _in_order(mistake: tuple[str, str, str]) -> tuple[str, str, str]:
    """Problem, remedy and field, as a Finding has them."""
    field, problem, remedy = mistake
    return problem, remedy, field


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows with their lines, cells without blanks around; refuses what is no such table."""
    file = str(path)
    if path.suffix.lower() != FILE:
        raise UsageError(f"{file}: peers are read from a CSV file; save the sheet as CSV (UTF-8)")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError:
        raise UsageError(f"{file}: there is no such file of peers") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file}: is not UTF-8; save it as CSV (UTF-8)") from None
    first = next((line for line in text.splitlines() if line.strip()), "")
    # as spreadsheets of half of Europe write it
    comma = max(",;\t", key=first.count)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=comma)
    try:
        lines = [(table.line_num, [cell.strip() for cell in row]) for row in table]
    except csv.Error as error:
        problem = f"cannot be read as CSV ({error})"
        raise DataError([Finding(file, table.line_num, problem, "save it again")]) from None
    lines = [(line, row) for line, row in lines if any(row)]
    heads = [head.casefold().replace(" ", "_") for head in (lines[0][1] if lines else ())]
    if wrong := [Finding(file, *each) for each in _wrong_heads(lines, heads)]:
        raise DataError(wrong)
    wide = [
        Finding(file, line, f"has {len(row)} cells, the heading has {len(heads)}", "mend the row")
        for line, row in lines[1:]
        if len(row) != len(heads)
    ]
    if wide:
        raise DataError(wide)
    empty = dict.fromkeys((*NEEDED, *FURTHER), "")
    return [(line, empty | dict(zip(heads, row, strict=True))) for line, row in lines[1:]]


def _wrong_heads(
    lines: Sequence[tuple[int, Sequence[str]]], heads: Sequence[str]
) -> Iterator[tuple[int, str, str]]:
    """Line, problem and remedy of a heading that is none."""
    if not lines:
        yield 0, "is empty", f"a file of peers has the columns {', '.join(NEEDED)}"
        return
    known, line = (*NEEDED, *FURTHER, *UNUSED), lines[0][0]
    for head in dict.fromkeys(heads):
        if head not in known:
            yield line, f"there is no column {head or 'without a name'}", did_you_mean(head, known)
        elif heads.count(head) > 1:
            yield line, f"the column {head} is there twice", "keep one of them"
    for head in NEEDED:
        if head not in heads:
            yield line, f"there is no column {head}", f"it needs {', '.join(NEEDED)}"
    if len(lines) == 1:
        yield line, "holds a heading and no row", "write a row for each figure"


def _mistakes(row: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Column, problem and remedy of all that is wrong in a row."""
    for column, remedy in (
        ("company", "name the company"),
        ("source", "say where the figure was published"),
    ):
        if not row[column]:
            yield column, "is empty", remedy
    if not row["period_end"]:
        yield "period_end", "is empty", "write the day on which the period ended, as 2025-07-31"
    elif _month_of(row["period_end"]) is None:
        yield "period_end", f"{row['period_end']} is no day", "write it as 2025-07-31, or 2025-07"
    if problem := _no_nrr(row["value_pct"]):
        yield "value_pct", *problem
    if GROSS.search(row["metric"]):
        yield "metric", f"{row['metric']} is gross retention", "leave it out: peers are of NRR"
    key = row["definition_key"]
    # a word is a key; several are the company's definition in one's own words
    if key and " " not in key and key not in DEFINITIONS and key not in MEASURES:
        remedy = did_you_mean(key, [*DEFINITIONS, *MEASURES])
        yield "definition_key", f"{key} is no definition", f"{remedy}; or say it in words"
    if row["status"] and row["status"] not in STATUSES:
        yield "status", f"{row['status']} is no status", did_you_mean(row["status"], STATUSES)


def _no_nrr(text: str) -> tuple[str, str] | None:
    """Why a cell states no NRR in percent, and what to do."""
    number = _number(text)
    if not text:
        return "is empty", "write NRR in percent, such as 108"
    if number is None:
        return f"{text} is no number", "write NRR in percent, such as 108"
    if not LEAST <= number <= MOST:
        meant = f"; did you mean {100 * number:g}?" if 0 < number < RATIO else ""
        return f"{text} is no NRR in percent", f"write it as 108 for 108%{meant}"
    return None


def _number(text: str) -> float | None:
    """A number as it may stand in such a cell: 108, 108.5, 108,5 and 108%."""
    plain = text.removesuffix("%").strip()
    plain = re.sub(r"^(\d+),(\d{1,2})$", r"\1.\2", plain)
    return float(plain) if NUMBER.fullmatch(plain) and "," not in plain else None


def _month_of(text: str) -> int | None:
    """The last month of the period that ends on this day.

    A year of 52 or 53 weeks may end a few days into the next month, and is named by the one before.
    """
    month, day = month_number(text), last_day_number(text)
    # a quarter may be one of the company's own year
    if month is None or day is None or "q" in text.casefold():
        return None
    early = (datetime.date(1970, 1, 1) + datetime.timedelta(day)).day <= OVERHANG
    return month - early


def _figure(row: Mapping[str, str]) -> Figure:
    number, month = _number(row["value_pct"]), _month_of(row["period_end"])
    assert number is not None and month is not None  # noqa: PT018 - both were checked
    told = {name: row[name] for name in ("company", "definition_key", "period_end", "source")}
    return Figure(
        **told,
        metric=row["metric"] or "NRR",
        month=month_name(month),
        period_label=row["period_label"],
        nrr=round(number / 100, 12),
        status=row["status"],
    )
