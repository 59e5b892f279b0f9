"""Every definition against numbers from outside: worked by hand, or published by others."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from conftest import ROOT

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals
from nrrsim.errors import UsageError
from nrrsim.metrics import FORMULAS
from nrrsim.movements import MOVEMENTS, Movements

# Six customers, months 2025-01 to 2026-01, worked by hand: A flat at 100; B 180 from July; C 60 from September;
# D gone from May, back at 120 in November; E gone from August; F new at 50 in April.
LIVES = {
    "A": [100] * 13,
    "B": [100] * 6 + [180] * 7,
    "C": [100] * 8 + [60] * 5,
    "D": [100] * 4 + [0] * 6 + [120] * 3,
    "E": [100] * 7 + [0] * 6,
    "F": [0] * 3 + [50] * 10,
}
MONTHS = [f"2025-{month:02d}" for month in range(1, 13)] + ["2026-01"]
BY_HAND = {
    "point_to_point": (460 / 500, 360 / 500, 4 / 5),
    "stays_out": (340 / 500, 260 / 500, 3 / 5),
    "flow": ((500 + 80 - 40 - 200) / 500, (500 - 40 - 200) / 500, 4 / 5),
    "flow_with_reactivation": ((500 + 80 + 120 - 40 - 200) / 500, (500 - 40 - 200) / 500, 4 / 5),
    "compounded": (
        (450 / 550) * (530 / 450) * (430 / 530) * (390 / 430),
        (450 / 550) * (430 / 530) * (390 / 430),
        4 / 5,
    ),
}


@pytest.fixture
def six(write):
    rows = [
        f"{customer},{month},{amount},all"
        for customer, life in LIVES.items()
        for month, amount in zip(MONTHS, life, strict=True)
        if amount
    ]
    return nr.read_ledger(write("\n".join(["customer,month,mrr,segment", *rows])))


@pytest.mark.parametrize("definition", BY_HAND)
def test_six_customers_by_hand(six, definition):
    found = nr.measure(six, "2026-01", 12, definition)
    assert (found.nrr, found.grr, found.logo) == pytest.approx(BY_HAND[definition], abs=1e-12)


def test_movements_are_equal_by_what_they_hold(six):
    one, again = (six.cohort("2026-01") for _ in range(2))
    assert one == again
    assert one != six.cohort("2026-01", 11)
    assert one != six.book("2025-01", "2026-01")
    assert one != replace(again, segments=["smb"])
    amounts = dict(again.arrays) | {"churn": again.arrays["churn"] + 0.01}
    assert one != replace(again, arrays=amounts)
    assert one != "Movements"


def test_every_definition_has_a_case_by_hand():
    assert set(BY_HAND) | {"trailing_average"} == set(nr.DEFINITIONS)


def test_trailing_average_is_the_mean_of_four_quarter_ends(six):
    found = nr.measure(six, "2026-01", 3, "trailing_average")
    # point to point over 3 months, to 2026-01, 2025-10, 2025-07 and 2025-04
    # openings: Oct (A B C F = 390), Jul (A B C E F = 530), Apr (A B C D E F = 550), Jan (A B C D E = 500)
    nrr = np.mean([390 / 390, 390 / 530, 530 / 550, 500 / 500])
    grr = np.mean([390 / 390, 390 / 530, 450 / 550, 500 / 500])
    assert (found.nrr, found.grr, found.logo) == pytest.approx((nrr, grr, 4 / 4), abs=1e-12)


def test_quick_ratio(six):
    book = six.book("2025-01", "2026-01")
    assert nr.quick_ratio(book) == pytest.approx((50 + 80 + 120) / (40 + 200))


def test_published_quick_ratio_and_bridge():
    """A published month: 2,000,000 opening, 100,000 new,
    80,000 expansion, 30,000 churn, 10,000 contraction.
    """
    month = one_month(
        opening=2_000_000, new=100_000, unsplit=80_000, churn=30_000, contraction=10_000
    )
    assert nr.quick_ratio(month) == pytest.approx(4.5)
    assert float(month.over("closing").sum()) == 2_140_000


@pytest.mark.parametrize(
    ("amounts", "nrr", "grr"),
    [
        (
            {"opening": 100, "churn": 10, "contraction": 10, "unsplit": 10},
            0.90,
            0.80,
        ),  # ChartMogul's help page
        (
            {"opening": 27_000, "unsplit": 8_000, "churn": 5_000},
            1.1111,
            None,
        ),  # ChurnZero's worked example
        (
            {"opening": 10, "contraction": 0.6, "churn": 0.9, "unsplit": 1.8},
            1.03,
            0.85,
        ),  # PulseRevOps
        (
            {"opening": 100, "unsplit": 15, "contraction": 3, "churn": 5},
            1.07,
            0.92,
        ),  # PitchKit's glossary
        ({"opening": 50_000, "unsplit": 5_000, "churn": 2_000}, 1.06, 0.96),  # ProductAnalyst
        (
            {"opening": 24e6, "unsplit": 960e3, "churn": 360e3, "contraction": 120e3},
            1.02,
            0.98,
        ),  # annual bridge
        (
            {
                "opening": 12_028e3,
                "new": 418e3,
                "unsplit": 122e3,
                "contraction": 63e3,
                "churn": 387e3,
            },
            0.9727,
            None,
        ),
    ],
)
def test_published_worked_examples(amounts, nrr, grr):
    month = one_month(**amounts)
    # of one month the whole book's compounded rate is that of its flows
    definition = "flow" if month.closed else "compounded"
    assert nr.nrr(month, definition) == pytest.approx(nrr, abs=5e-5)
    if grr is not None:
        assert nr.grr(month, definition) == pytest.approx(grr, abs=5e-5)


def test_reactivation_inside_and_outside_of_nrr():
    """A published month of a synthetic company:
    100.8 % with and 100.62 % without what came back.
    """
    moves = {
        "new": 11_656,
        "unsplit": 7_100,
        "contraction": 1_900,
        "churn": 3_716,
        "reactivation": 343,
    }
    month = one_month(opening=239_432, **moves)
    assert float(month.over("closing").sum()) == 252_915
    month = one_month(opening=239_432, **{name: moves[name] for name in moves if name != "new"})
    assert nr.nrr(month, "flow_with_reactivation") == pytest.approx(1.008, abs=5e-4)
    assert nr.nrr(month, "flow") == pytest.approx(1.0062, abs=5e-5)
    assert nr.grr(month, "flow") == pytest.approx(0.977, abs=5e-4)


def test_ex_price_takes_price_movements_out_of_nrr_and_not_of_grr():
    month = one_month(opening=100, price=5, adoption=3, churn=2)
    assert nr.nrr(month, "flow") == pytest.approx(1.06)
    assert nr.nrr(month, "flow", ex_price=True) == pytest.approx(1.01)
    assert nr.nrr(replace(month, closed=False), "compounded", ex_price=True) == pytest.approx(1.01)
    assert nr.grr(month, "flow") == pytest.approx(0.98)


def test_ex_price_is_compounded_month_by_month():
    """100 + 10 + 10 = 120, then 120 + 12 + 6 = 138, by price and adoption: 1.10 x 1.05 without price,
    where the flow of both months says 1.38 - 0.22.
    """
    arrays = {"opening": [100, 120], "price": [10, 12], "adoption": [10, 6], "closing": [120, 138]}
    year = Movements.of(
        {name: np.array([values], float) for name, values in arrays.items()},
        segments=["all"],
        months=["2025-01", "2025-02"],
        start="2024-12",
        closed=False,
    )
    assert nr.nrr(year, "compounded") == pytest.approx(1.38)
    assert nr.nrr(year, "compounded", ex_price=True) == pytest.approx(1.155)
    assert nr.nrr(replace(year, closed=True), "flow", ex_price=True) == pytest.approx(1.16)


def test_ratio_over_an_empty_base_is_null():
    nobody = one_month(opening=0)
    assert math.isnan(nr.nrr(nobody, "flow"))
    assert math.isnan(nr.grr(nobody))
    assert math.isnan(nr.logo(nobody))
    assert math.isnan(nr.quick_ratio(one_month(opening=0, new=0)))


BOOKS = ("compounded",)
COHORTS = ("point_to_point", "stays_out", "flow", "flow_with_reactivation")


@pytest.mark.parametrize("definition", FORMULAS)
def test_a_definition_refuses_what_it_is_not_defined_on(six, definition):
    cohort, book = six.cohort("2026-01", 12), six.book("2025-01", "2026-01")
    assert (definition in BOOKS) != (definition in COHORTS)
    fitting, other = (book, cohort) if definition in BOOKS else (cohort, book)
    for measured in (nr.nrr, nr.grr):
        assert 0 < measured(fitting, definition) < 1
        for by_segment in (False, True):
            with pytest.raises(UsageError, match=f"{definition}.* is of a .*; take ledger\\."):
                measured(other, definition, by_segment=by_segment)


def test_logo_retention_is_a_cohorts_and_the_quick_ratio_a_books(six):
    cohort, book = six.cohort("2026-01", 12), six.book("2025-01", "2026-01")
    with pytest.raises(UsageError, match="logo retention is of a closed cohort"):
        nr.logo(book)
    with pytest.raises(UsageError, match="quick ratio is of a whole book"):
        nr.quick_ratio(cohort)


def test_movements_say_whether_they_are_closed(six):
    cohort, book = six.cohort("2026-01", 12), six.book("2025-01", "2026-01")
    assert (cohort.closed, cohort.total().closed) == (True, True)
    assert (book.closed, book.total().closed) == (False, False)
    with pytest.raises(TypeError, match="closed"):
        Movements.of({"opening": np.ones((1, 1))}, segments=["all"], months=["a"], start="b")


def test_a_scenario_with_new_business_is_told_of_its_opening_customers_or_refused():
    scenario = nr.read_scenario(ROOT / "params/scenarios/nrr-105.yaml")
    for produced in (nr.expect, lambda *a, **how: nr.simulate(*a, trials=4, seed=1, **how)):
        assert produced(scenario).closed
        book = produced(scenario, book=True)
        with pytest.raises(UsageError, match="closed cohort"):
            nr.nrr(book)
        assert nr.quick_ratio(book) is not None


@pytest.mark.parametrize("step", [1, 3, 12])
def test_a_four_quarter_average_needs_quarter_ends(write, step):
    months = [f"{2020 + n // 12}-{n % 12 + 1:02d}" for n in range(11, 60, step)]
    ledger = nr.read_ledger(
        write("customer,month,arr\n" + "\n".join(f"A,{month},1" for month in months))
    )
    if step < 12:
        assert nr.measure(ledger, months[-1], 12, "trailing_average").nrr == 1
        return
    with pytest.raises(UsageError, match="every 12 months") as refused:
        nr.measure(ledger, months[-1], 12, "trailing_average")
    named = set(re.findall(r"\d{4}-\d\d", str(refused.value)))
    assert not named


def test_a_quick_ratio_without_losses_is_null():
    """Gains over nothing lost are no ratio, however large the gains."""
    assert math.isnan(nr.quick_ratio(one_month(opening=100, new=20, unsplit=10)))


@pytest.mark.parametrize("definition", FORMULAS)
def test_a_segment_that_joins_later_has_no_ratio(write, definition):
    """It had nothing to retain at the start of the window: null, not 0 %."""
    rows = [f"A,{month},100,old" for month in MONTHS] + [
        f"B,{month},50,late" for month in MONTHS[3:]
    ]
    ledger = nr.read_ledger(write("\n".join(["customer,month,mrr,segment", *rows])))
    found = nr.measure(ledger, "2026-01", 12, definition).by_segment
    for ratio in ("nrr", "grr", "logo"):
        values = found[ratio].sel(segment=["old", "late"]).values.tolist()
        assert values == pytest.approx([1.0, math.nan], nan_ok=True), ratio


def test_movements_with_trials_give_one_ratio_a_trial():
    arrays = {
        "opening": np.full((3, 2, 1), 50.0),
        "closing": np.array([50.0, 55, 60]).repeat(2).reshape(3, 2, 1),
    }
    run = Movements.of(
        arrays, segments=["a", "b"], months=["2026-01"], start="2025-12", closed=True
    )
    assert nr.nrr(run).dims == ("trial",)
    assert nr.nrr(run).values.tolist() == pytest.approx([1.0, 1.1, 1.2])
    assert nr.nrr(run, by_segment=True).dims == ("trial", "segment")


@pytest.mark.parametrize(
    ("ratio", "name"),
    [
        (1.28, "world class"),
        (1.2, "world class"),
        (1.0, "strong"),
        (0.9999, "needs improvement"),
        (0.5, "critical"),
    ],
)
def test_bands(ratio, name):
    assert nr.band(ratio) == name


def test_leaky_bucket():
    assert nr.leaky_bucket(1.08, 0.84)
    assert nr.leaky_bucket(1.0, 0.84)
    assert not nr.leaky_bucket(1.08, 0.85)
    assert not nr.leaky_bucket(0.98, 0.80)


def test_unknown_definition_names_the_nearest(six):
    with pytest.raises(nr.UsageError, match="did you mean stays_out"):
        nr.measure(six, "2026-01", 12, "stay_out")


def test_definitions_add_up_to_their_differences(six):
    frame = Actuals(six, "2026-01").definitions().set_index("definition")
    parts = frame[["returns", "rebasing", "newcomers", "timing", "price"]].sum(axis=1)
    assert parts.values == pytest.approx(frame["difference"].values, abs=1e-12)
    assert frame.loc["flow", "returns"] == pytest.approx(-0.24)
    assert frame.loc["compounded", "newcomers"] == pytest.approx(BY_HAND["compounded"][0] - 0.68)


def one_month(opening: float, **moves: float) -> Movements:
    """One month of one segment, with the closing that its movements give; a book if some are new."""
    gains = sum(amount for name, amount in moves.items() if name not in ("churn", "contraction"))
    closing = opening + gains - moves.get("churn", 0) - moves.get("contraction", 0)
    amounts = dict.fromkeys(MOVEMENTS, 0.0) | moves | {"opening": opening, "closing": closing}
    arrays = {name: np.full((1, 1), float(amount)) for name, amount in amounts.items()}
    month = Movements.of(
        arrays, segments=["all"], months=["2026-01"], start="2025-12", closed="new" not in moves
    )
    assert month.books_close()
    return month
