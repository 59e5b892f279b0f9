"""Ledgers of a few customers in, what their cohorts became out; counted by hand."""

import pytest

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals
from nrrsim.months import shift

# MRR from the first month on; B is gone from October, C pays more from September
PAID = {
    "A": ("2025-01", [10] * 11),
    "B": ("2025-04", [100, 100, 100, 120, 120, 120]),
    "C": ("2025-06", [50, 50, 50, 60, 60, 60]),
}


@pytest.fixture
def found(write):
    rows = [
        f"{customer},{shift(first, month)},{mrr}"
        for customer, (first, paid) in PAID.items()
        for month, mrr in enumerate(paid)
    ]
    path = write("customer,month,mrr\n" + "\n".join(rows))
    frame = nr.cohorts(Actuals(nr.read_ledger(path), "2025-11", window=6))
    return frame[frame["cohort"] == "2025 Q2"].set_index("age")


def test_an_age_that_a_part_has_reached_is_of_that_part(found):
    """After six months B is gone; C is not as old yet, and must not count as if it were."""
    assert found.index.tolist() == [0, 1, 2]
    assert found["complete"].tolist() == [True, True, False]
    assert found["opening"].tolist() == [150 * 12, 150 * 12, 100 * 12]
    assert found["nrr"].tolist() == pytest.approx([1, 180 / 150, 0])
    assert found["grr"].tolist() == pytest.approx([1, 1, 0])


def test_now_is_of_all_customers_whatever_their_age(found):
    assert found["now"].tolist() == pytest.approx([60 / 150] * 3)


def test_complete_ages_are_those_that_a_ledger_gives_alone(write):
    rows = [
        f"{c},{shift('2022-01', s + n)},{9 + n % (s + 2)}"
        for c, s in (("A", 0), ("B", 14), ("C", 20))
        for n in range(30 - s)
    ]
    ledger = nr.read_ledger(write("customer,month,mrr\n" + "\n".join(rows)))
    every = ledger.ages("2024-06", partial=True)
    alone = ledger.ages("2024-06")
    complete = every[every["complete"]].reset_index(drop=True)
    assert complete[alone.columns].equals(alone)
    assert len(every) > len(alone)
