"""A ledger cut by a column: its parts, each an own ledger, add up to it whatever customers do."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

import nrrsim as nr
from nrrsim.errors import UsageError
from nrrsim.months import month_name, parse_month
from nrrsim.movements import MOVEMENTS

END, WINDOW = "2026-03", 12
MONTHS = [month_name(parse_month("2025-01", "month") + at) for at in range(16)]
REGIONS = np.array(["North", "South", "West"])


def ledger_of(seed: int, customers: int = 6) -> nr.Ledger:
    """A ledger whose customers come, go, move between regions and have lines in several at once."""
    luck, rows = np.random.default_rng(seed), []
    for customer in range(customers):
        for line in ("seats", "storage")[: 1 + int(luck.integers(2))]:
            region = luck.choice(REGIONS)
            first, stays, moves = luck.integers(0, 12), luck.uniform(0.5, 1), luck.uniform(0, 0.4)
            for month in MONTHS[first:]:
                region = luck.choice(REGIONS) if luck.random() < moves else region
                if luck.random() < stays:
                    rows.append(
                        (f"C{customer}", month, luck.integers(1, 99_999) / 100, line, region)
                    )
    rows += [("Anchor", month, 100.0, "seats", "North") for month in MONTHS]
    frame = pd.DataFrame(rows, columns=["customer", "month", "mrr", "product", "region"])
    return nr.read_ledger(frame.assign(segment="all"))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_parts_add_up_to_the_ledger(seed):
    ledger = ledger_of(seed)
    parts = ledger.parts("region", END, WINDOW)
    assert sum(len(part.entries.frame) for part in parts.values()) == len(ledger.entries.frame)
    whole = ledger.cohort(END, WINDOW)
    cohorts = [part.cohort(END, WINDOW) for part in parts.values()]
    for figure in ("opening", "closing"):
        total = sum(float(each.amount(figure)) for each in cohorts)
        assert total == pytest.approx(float(whole.amount(figure)), abs=0.004)
    # what a rise in one part and a fall in another net moves no total
    signed = sum(
        (-1 if name in ("churn", "contraction") else 1)
        * (sum(float(each.amount(name)) for each in cohorts) - float(whole.amount(name)))
        for name in MOVEMENTS
    )
    assert signed == pytest.approx(0.0, abs=0.01)
    if not ledger.apart(END, WINDOW, "region"):
        for name in MOVEMENTS:
            total = sum(float(each.amount(name)) for each in cohorts)
            assert total == pytest.approx(float(whole.amount(name)), abs=0.004), name
    # the book, newcomers and all
    book = ledger.book(month_name(parse_month(END, "end") - WINDOW), END).total()
    books = [part.book(book.start, END).total() for part in parts.values()]
    for figure in ("opening", "closing"):
        total = sum(float(each.amount(figure)) for each in books)
        assert total == pytest.approx(float(book.amount(figure)), abs=0.004)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_part_is_what_the_split_says_of_it(seed):
    ledger = ledger_of(seed)
    split = ledger.cohort(END, WINDOW, "region")
    parts = ledger.parts("region", END, WINDOW)
    for at, label in enumerate(split.segments):
        own = parts[str(label)].cohort(END, WINDOW)
        for figure in ("opening", "closing", *MOVEMENTS):
            assert float(own.amount(figure)) == pytest.approx(
                float(split.of_window(figure)[at]), abs=0.004
            ), (label, figure)


def test_every_movement_of_the_example_ties():
    ledger = nr.read_ledger(ROOT / "nrrsim" / "data" / "meridian.csv")
    for column in ("segment", "region", "industry"):
        parts = ledger.parts(column, "2026-09")
        whole = ledger.cohort("2026-09")
        for figure in ("opening", *MOVEMENTS, "closing"):
            total = sum(float(each.cohort("2026-09").amount(figure)) for each in parts.values())
            assert total == pytest.approx(float(whole.amount(figure)), abs=0.004), (column, figure)


MOVER = [  # Alder moves from North to South within the window; Birch is there before it alone
    *[("Alder", month, 100, "North" if month < "2025-09" else "South") for month in MONTHS],
    *[("Birch", month, 50, "South") for month in MONTHS[:2]],
    *[("Cedar", month, 70, "South") for month in MONTHS[6:]],
]


def mover() -> nr.Ledger:
    rows = pd.DataFrame(MOVER, columns=["customer", "month", "mrr", "region"])
    return nr.read_ledger(rows.assign(segment="all"))


def test_who_moves_stays_with_all_months_where_the_window_starts():
    parts = mover().parts("region", END, WINDOW)
    of = {name: {*part.entries.frame["customer"]} for name, part in parts.items()}
    assert of == {"North": {"Alder"}, "South": {"Birch", "Cedar"}}
    assert len(parts["North"].entries.frame) == len(MONTHS)
    assert parts["North"].elsewhere == {"Birch", "Cedar"}
    assert parts["North"].months == mover().months
    assert list(parts["South"].segments) == ["all"]


def test_a_part_has_another_hash_when_it_changes_and_only_then():
    before = mover().parts("region", END, WINDOW)
    changed = [(*row[:2], row[2] + (row[0] == "Cedar"), row[3]) for row in MOVER]
    rows = pd.DataFrame(changed, columns=["customer", "month", "mrr", "region"])
    after = nr.read_ledger(rows.assign(segment="all")).parts("region", END, WINDOW)
    again = mover().parts("region", END, WINDOW)
    assert {n: p.part.sha256 for n, p in again.items()} == {
        n: p.part.sha256 for n, p in before.items()
    }
    assert after["North"].part.sha256 == before["North"].part.sha256
    assert after["South"].part.sha256 != before["South"].part.sha256


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("regoin", "North", "no column regoin to be cut by; did you mean region"),
        ("cohort_year", "2025", "no column cohort_year"),
        ("region", "Nroth", "no value Nroth; did you mean North"),
    ],
)
def test_what_is_not_there_is_told_with_what_is_meant(column, value, says):
    with pytest.raises(UsageError, match=says):
        mover().part_of(column, value, END, WINDOW)


def test_actuals_of_a_part():
    whole, part = mover(), {"region": "North"}
    past = nr.actuals(whole, END, part=part)
    assert past.ledger.part is not None
    assert past.cohort.amount("opening") == 1200
    recorded = past.record()
    assert recorded["part"] == {
        "column": "region",
        "value": "North",
        "sha256": past.ledger.part.sha256,
    }
    assert nr.actuals(whole, END).record().get("part") is None
    with pytest.raises(UsageError, match="part: name one column"):
        nr.actuals(whole, END, part={"region": "North", "segment": "all"})
    masked = nr.actuals(whole, END, part=part, masked=True)
    assert masked.ledger.part == past.ledger.part
    assert np.isclose(masked.now.nrr, past.now.nrr)
