"""A workbook's tables in, what its formulas cannot follow out, with a remedy; never a figure.

Each check is a formula that finds nothing ("") where all is well. While one finds anything, Answer
shows no figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nrrsim.scenario.book import A_CENT, EVERY_SEGMENT, MOST_ARR
from nrrsim.scenario.scenario import Scenario
from nrrsim.scenario.workbook.cells import (
    NONE,
    Live,
    begins_with,
    both,
    cell_of,
    either,
    exactly,
    first_of,
    is_number,
    live,
    size_of,
    sum_of,
    sum_product,
    total_of,
    where,
    whole,
)
from nrrsim.scenario.workbook.model import Block, span
from nrrsim.scenario.workbook.rows import (
    BOOK,
    DRIVERS,
    HEADINGS,
    PROGRAMMES,
    SCENARIO,
    TENURE,
    Layout,
    letter,
)
from nrrsim.scenario.workbook.working import Working

# What of `Scenario` formulas follow, or is of no matter to an expectation; of a ledger's book all
# else says which customers there are.
FOLLOWED = ("title", "because", "source", "months", "target")
FOLLOWED_PARTS = ("term.", "shock.", "year_effects.", "new_business.", "outlook.")
OF_A_BOOK = ("arr", "currency", "starts")
LEAST_TIE = 1e-9  # of the opening: what rounding leaves
SAME = 1e-12
ANEW = "make a new workbook (see Explain)"


def checks_of(
    scenario: Scenario, layout: Layout, work: Working, blocks: Sequence[Block]
) -> Iterator[tuple[str, Live]]:
    """Each check's name, and what it finds."""
    if work.book:  # first: who moves a segment moves what drivers are of
        more = f"correct them, leave no empty row between segments; for a segment more, {ANEW}"
        yield "Rows of Book", _rows(BOOK, work.wrong_book, more)
    acts = "the column acts with says why"
    yield "Rows of Drivers", _rows(DRIVERS, work.drivers.wrong, acts)
    yield "Rows of Programmes", _rows(PROGRAMMES, work.programmes.wrong, acts)
    yield "Rows of Tenure", _rows(TENURE, work.tenure.wrong, acts)
    yield "Months", _months(work, scenario.months)
    yield "Headings", _headings(layout)
    yield "Fields", _fields(work)
    if work.book:
        arr = work.field("arr")
        within = both(arr >= A_CENT, arr <= MOST_ARR)
        is_arr = where(is_number(arr), within, live(False))
        wanted = f"Scenario: arr must be a number above 0, at most {MOST_ARR:,.0f}"
        yield "ARR", where(is_arr, NONE, wanted)
        no_month = "Scenario: starts must be a month, such as 2026-09"
        yield "Start", where(blocks[0].begins.is_("?"), no_month, NONE)
    else:
        yield "Customers", _as_read(scenario, work)
    yield "Effects", _effects(work, blocks)
    for block in blocks:
        said = block.name.then(": ").then(block.problem)
        yield f"Segment {block.name.value}", where(block.problem.is_(NONE), NONE, said)
        if block.fixed:
            yield f"Accounts of {block.name.value}", _as_written(block)
    off = [sum_product(size_of(span(block.flows["check"][1:]))) for block in blocks]
    opening = total_of([block.flows["closing"][0] for block in blocks])
    ties = total_of(off) <= opening * LEAST_TIE
    yield "Movements tie", where(ties, NONE, "the movements of a month do not tie")


def _rows(sheet: str, wrong: Live, what: str) -> Live:
    said = live(f"{sheet}: rows that cannot be used: ").then(wrong).then(f"; {what}")
    return where(wrong.is_(0), NONE, said)


def _months(work: Working, written: int) -> Live:
    months = work.field("months")
    follows = both(months >= 1, months <= written, whole(months).is_(months))
    said = f"Scenario: months must be a whole number, 1 to {written}; for more, {ANEW}"
    return where(where(is_number(months), follows, live(False)), NONE, said)


def _headings(layout: Layout) -> Live:
    """Whether the columns are called as they were."""
    same = []
    for name in (SCENARIO, BOOK, DRIVERS, PROGRAMMES, TENURE):
        for heading in HEADINGS[name] if name in layout.sheets else ():
            at = letter(layout.sheets[name].columns[heading])
            same.append(Live(f"{name}!${at}$1", heading).is_(heading))
    return where(both(*same), NONE, f"a heading in row 1 is another than it was: {ANEW}")


def _effects(work: Working, blocks: Sequence[Block]) -> Live:
    """Whether programmes change drivers that some segment has: one that has no such driver is named
    by its own check.
    """
    cases = []
    for driver in blocks[0].entries:
        stated = either(*(block.entries[driver].is_not(NONE) for block in blocks))
        idle = both(stated.is_(False), sum_product(work.programmes.keys.is_(driver) * 1) > 0)
        said = f"Programmes: {driver} is changed, and no segment has it"
        cases.append((idle, live(said)))

        # the entry for all segments, which must be there: each may have one of its own
        to_all, all_there = (
            sum_product(begins_with(of.keys, f"{driver}.") * exactly(of.owners, EVERY_SEGMENT))
            for of in (work.programmes, work.drivers)
        )
        if driver == "churn":
            all_there = all_there + sum_product(exactly(work.tenure.owners, EVERY_SEGMENT) * 1)
        said = f"Programmes: {driver}.{EVERY_SEGMENT} is changed, and there is none for all"
        cases.append((both(to_all > 0, all_there.is_(0)), live(said)))
    return first_of(cases, live(NONE))


def _as_read(scenario: Scenario, work: Working) -> Live:
    """Whether the book is the one whose customers stand in the model as numbers."""
    fields, values = work.fields, work.values
    stated = zip(fields.value[1:], values.value[1:], strict=True)
    pairs = [(name, value) for name, value in stated if value != NONE and not _is_followed(name)]
    columns = list(zip(*pairs, strict=True))
    names, wanted = (
        work.listed(f"as read: {what}", column)
        for what, column in zip(("field", "value"), columns, strict=True)
    )
    there = [
        sum_product(exactly(fields, cell_of(names, n)) * exactly(values, cell_of(wanted, n)))
        for n in range(len(pairs))
    ]
    held = sum_of(work.listed("as read: there", there))

    stands = sum_product(values.is_not(NONE) * (1 - _followed(fields, FOLLOWED)))
    is_same = both(held.is_(len(pairs)), stands.is_(len(pairs)))
    other = "Scenario: which customers there are was changed (ledger, as_of, accounts, decided)"
    cases = [(is_same.is_(False), live(f"{other}: {ANEW}"))]
    if not scenario.table.is_curved:
        by_tenure = sum_product(work.tenure.keys.is_not(NONE) * 1) > 0
        said = "Tenure: churn by tenure was added, and no tenures of the ledger are here"
        cases.append((by_tenure, live(f"{said}: {ANEW}")))
    return first_of(cases, live(NONE))


def _fields(work: Working) -> Live:
    """Whether `Scenario` states what is followed, once, and of a book of numbers no more."""
    fields, values = work.fields, work.values
    known = (*FOLLOWED, *(OF_A_BOOK if work.book else ()))
    twice = [sum_product(fields.is_(name) * 1) > 1 for name in known]
    cases = [(either(*twice), live("Scenario: a field stands twice"))]
    if work.book:
        others = sum_product(values.is_not(NONE) * (1 - _followed(fields, known)))
        said = "Scenario: a field was added that this workbook does not follow"
        cases.append((others > 0, live(f"{said}: {ANEW}")))
    return first_of(cases, live(NONE))


def _followed(fields: Live, known: Sequence[str]) -> Live:
    """Cell by cell whether a field is one of those; the heading is, too."""
    found = fields.is_("field") * 1
    for part in FOLLOWED_PARTS:
        found = found + begins_with(fields, part)
    for name in known:
        found = found + fields.is_(name)
    return found


def _is_followed(name: str) -> bool:
    return name in FOLLOWED or name.startswith(FOLLOWED_PARTS)


def _as_written(block: Block) -> Live:
    """Whether what the levels of accounts were taken out with is as it was."""
    changed = [size_of(each - each.value) > SAME for each in block.fixed]
    said = block.name.then(": how accounts differ depends on churn, price and terms, and these")
    return where(either(*changed), said.then(f" were changed: {ANEW}"), NONE)
