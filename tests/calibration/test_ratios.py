"""Customers' own past: against closed forms, a prototype of its own, and ledgers made to mislead it."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from scipy import integrate, special, stats

import nrrsim as nr
from nrrsim.calibration import ratios
from nrrsim.calibration.ratios import MEASURES, PastYears, own_past
from nrrsim.months import month_name, parse_month, shift

EXAMPLE = ROOT / "nrrsim" / "data" / "meridian.csv"
BEGIN = parse_month("2019-12", "month")


def ledger_of(rows, **reading) -> nr.Ledger:
    """(customer, months since the first, arr, segment) as a ledger."""
    frame = pd.DataFrame(rows, columns=["customer", "month", "arr", "segment"])
    return nr.read_ledger(
        frame.assign(month=[month_name(BEGIN + t) for t in frame["month"]]), **reading
    )


def annual(stays: int, leaves: int, now: int, segment: str = "all of it") -> list[tuple]:
    """Two yearly snapshots of equal customers, some of whom leave, and `now` who are there in the last."""
    past = [(f"{segment}{n}", 0, 100, segment) for n in range(stays + leaves)]
    there = [(f"{segment}{n}", 12, 100, segment) for n in range(stays)]
    return past + there + [(f"{segment} new{n}", 12, 100, segment) for n in range(now - stays)]


# --- closed forms ---------------------------------------------------------------------------------


@pytest.fixture
def no_years(monkeypatch):
    """Years that do not differ."""
    monkeypatch.setattr(ratios, "TAU", np.zeros(81))


@pytest.mark.parametrize(
    ("stays", "leaves", "now"), [(50, 10, 60), (30, 30, 31), (2_700, 300, 3_000)]
)
def test_equal_customers_are_a_beta_binomial(no_years, stays, leaves, now):
    """With a weight from Exp(1) each, the share of past customers who stayed is Beta(stays, leaves), and how many
    of today's stay is binomial. Of 3,000 customers some share a weight, which must not narrow it.
    """
    origin, draws = month_name(BEGIN + 12), 20_000 if now < 1_000 else 4_000
    found = own_past(ledger_of(annual(stays, leaves, now)), origin, draws=draws).quantiles[None]
    exact = stats.betabinom(now, stays, leaves)
    for row in found:
        # standard errors: 0.7 and 1.6 % of the spread; it is 5 % off where weights are shared
        assert row.mean() == pytest.approx(exact.mean() / now, abs=0.05 * exact.std() / now)
        assert row.std() == pytest.approx(exact.std() / now, rel=0.03 if now < 1_000 else 0.1)


def test_draws_by_money_and_by_heads(no_years):
    """One customer has as much as the 99 others, and leaves: revenue hangs on it, heads do not.

    Its weight is Exp(1), all the others' together nearly 99: what is kept is 1 / (1 + Exp(1)),
    on average e E1(1).
    """
    rows = [*annual(99, 0, 99), ("whale", 0, 9_900, "all of it")]
    found = own_past(ledger_of(rows), month_name(BEGIN + 12), draws=4_000).quantiles[None]
    kept = np.e * special.exp1(1)
    assert found[:2].mean(axis=1) == pytest.approx([kept, kept], abs=0.01)
    assert found[2].mean() == pytest.approx(0.99, abs=0.002)


def test_the_year_effect_is_its_posterior():
    """Half normal prior, figures normal about an unknown mean: against numerical integration."""
    figures = np.array([[1.08, 0.90, 0.95], [0.97, 0.88, 0.86], [1.15, 0.93, 0.91]])
    chance = np.array([[4e-4, 2e-4, 1e-4], [6e-4, 3e-4, 1e-4], [5e-4, 1e-4, 1e-4]])
    past = PastYears(None, {None: 0}, figures[:, None], chance[:, None], 1)
    drawn = past.year_effects(None, (np.arange(2_000) + 0.5) / 2_000)
    nrr, grr, _ = figures.mean(axis=0)
    for k, moved in enumerate((1 - grr + nrr - grr, 1 - grr, 1 - grr + nrr - grr)):
        scale = 0.15 * moved

        def likelihood(tau, k=k, scale=scale):
            # all three figures less their mean: two contrasts, normal with the variances of differences
            v = np.diag(tau**2 + chance[:, k])
            apart = np.array([[1, -1, 0], [0, 1, -1]])
            density = stats.multivariate_normal.pdf(apart @ figures[:, k], cov=apart @ v @ apart.T)
            return density * np.exp(-((tau / scale) ** 2) / 2)

        top = 4 * scale
        mean = (
            integrate.quad(lambda t: t * likelihood(t), 0, top)[0]
            / integrate.quad(likelihood, 0, top)[0]
        )
        assert drawn[k].mean() == pytest.approx(mean * np.sqrt(4 / 3), rel=0.03), MEASURES[k]


def test_nothing_ever_moved():
    """Then nothing will, but for what is never known of a year."""
    rows = [(f"c{n}", t, 100 + n, "ab"[n % 2]) for n in range(50) for t in range(25)]
    for horizon in (3, 12):
        found = own_past(ledger_of(rows), month_name(BEGIN + 24), horizon=horizon, draws=400)
        assert found.quantiles[None][:, 100] == pytest.approx(1, abs=1e-4)
        assert np.ptp(found.quantiles[None]) < 1e-3


# --- the figures of the past are the product's ----------------------------------------------------


def test_past_figures_are_those_of_the_product(tmp_path):
    """With two currencies whose rates move, holes that a grace fills, and customers who change their segment."""
    rng = np.random.default_rng(4)
    rows = []
    for n in range(60):
        first, last = sorted(rng.integers(0, 40, 2)) if n % 3 else (0, 36)
        for t in range(first, last + 1):
            if rng.random() > 0.04:
                arr = 1_000 + 10 * n + 100 * rng.integers(0, 3)
                rows.append(
                    (
                        f"c{n:02d}",
                        month_name(BEGIN + t),
                        arr,
                        "ab"[(n + t // 20) % 2],
                        ("EUR", "USD")[n % 2],
                    )
                )
    frame = pd.DataFrame(rows, columns=["customer", "month", "arr", "segment", "currency"])
    months = sorted(set(frame["month"]))
    rates = pd.DataFrame(
        {"month": months, "currency": "USD", "rate": 0.8 + 0.2 * rng.random(len(months))}
    )
    rates.to_csv(tmp_path / "rates.csv", index=False)
    for said in ({}, {"grace_months": 2}, {"reported": True}):
        ledger = nr.read_ledger(frame, rates=tmp_path / "rates.csv", currency="EUR", **said)
        past = PastYears.of(ledger, "2022-12")
        for k, end in enumerate(shift("2022-12", -3 * back) for back in range(len(past.figures))):
            cohort = ledger.cohort(end)
            for column, measure in enumerate((nr.nrr, nr.grr, nr.logo)):
                assert past.figures[k, 0, column] == pytest.approx(
                    float(measure(cohort)), abs=1e-12
                )
                own = measure(cohort, by_segment=True)
                assert past.figures[k, 1:, column] == pytest.approx(
                    own.to_numpy(), abs=1e-12, nan_ok=True
                )


# --- the same bits --------------------------------------------------------------------------------


def test_what_comes_later_changes_no_bit():
    """Not the months after the origin, nor a segment and customers who are new by then, named before all others."""
    frame = pd.read_csv(EXAMPLE)[["customer", "month", "mrr", "segment"]]
    later = frame[frame["month"] > "2024-09"]
    newer = later.assign(customer="A " + later["customer"], segment="A" + later["segment"])
    cut, whole = (
        nr.read_ledger(frame[frame["month"] <= "2024-09"]),
        nr.read_ledger(pd.concat([frame, newer])),
    )
    for horizon in (3, 12):
        known, more = (
            own_past(each, "2024-09", horizon=horizon, draws=200) for each in (cut, whole)
        )
        assert list(known.quantiles) == list(more.quantiles)
        for group, values in known.quantiles.items():
            assert np.array_equal(values, more.quantiles[group]), group
            assert np.array_equal(known.tau[group], more.tau[group]), group
        assert (known.customer_years, known.years, known.borrowing) == (
            more.customer_years,
            more.years,
            more.borrowing,
        )


def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads(monkeypatch):
    ledger = nr.read_ledger(EXAMPLE)
    alone = own_past(ledger, "2025-09", draws=100).quantiles[None]
    for number in (1, 3, 7):
        monkeypatch.setattr(ratios, "available_threads", lambda number=number: number)
        assert np.array_equal(own_past(ledger, "2025-09", draws=100).quantiles[None], alone)
    assert not np.array_equal(own_past(ledger, "2025-09", draws=100, seed=2).quantiles[None], alone)


def test_names_that_are_masked_change_nothing():
    ledger = nr.read_ledger(EXAMPLE)
    masked = ledger.masked("2025-09")
    for group, values in own_past(ledger, "2025-09", draws=100).quantiles.items():
        assert np.array_equal(own_past(masked, "2025-09", draws=100).quantiles[group], values)


# --- thin ledgers ---------------------------------------------------------------------------------

FIFTY = range(50)
NEW = [(f"n{n}", 30 + t, 100, "new") for n in range(5) for t in range(7)]


@pytest.mark.parametrize(
    ("rows", "horizon", "groups", "borrowing", "years"),
    [
        ([("a", t, 100, "one") for t in range(37)], 12, 2, 0, 3),  # one customer
        ([(f"c{n}", t, 100, "one") for n in FIFTY for t in range(13)], 12, 2, 0, 1),  # the shortest
        ([(f"c{n}", t, 100, "one") for n in FIFTY for t in range(13)], 3, 2, 0, 1),
        (
            [(f"c{n}", t, 100, "ab"[n % 2]) for n in FIFTY for t in range(24)],
            6,
            3,
            50,
            1,
        ),  # 25 each are few
        ([(f"c{n}", t, 100, "ab"[n % 2]) for n in FIFTY for t in range(33)], 9, 3, 0, 2),
        (
            [(f"c{n}", t, 100, "one") for n in FIFTY for t in range(0, 49, 12)],
            12,
            2,
            0,
            4,
        ),  # yearly
        (
            [(f"c{n}", t, 100, "one") for n in FIFTY for t in range(0, 25, 3)],
            3,
            2,
            0,
            2,
        ),  # quarterly
        (
            [(f"c{n}", t, 100, "one") for n in FIFTY for t in range(37)] + NEW,
            12,
            3,
            5,
            3,
        ),  # a segment is new
    ],
)
def test_a_thin_ledger_says_what_it_rests_on(rows, horizon, groups, borrowing, years):
    last = month_name(BEGIN + max(row[1] for row in rows))
    found = own_past(ledger_of(rows), last, horizon=horizon, draws=100)
    assert len(found.quantiles) == groups
    assert np.isfinite(list(found.quantiles.values())).all()
    assert (found.borrowing[None], found.years[None]) == (borrowing, years)
    if "new" in found.quantiles:
        assert (found.customers["new"], found.customer_years["new"], found.years["new"]) == (
            5,
            0,
            0,
        )
        assert np.array_equal(found.tau["new"], found.tau[None])  # the book's


@pytest.mark.parametrize(
    ("months", "as_of", "horizon", "told"),
    [
        (
            range(12),
            11,
            12,
            "a ledger that begins in December 2019 the earliest is of December 2020",
        ),
        (range(12), 11, 3, "the earliest is of December 2020"),
        (range(37), 5, 12, "the earliest is of December 2020"),
        (range(37), 36, 13, "must be 12 months or less, in steps of 1, got 13"),
        (range(0, 37, 3), 36, 4, "in steps of 3, got 4"),
        (range(30), 36, 12, "nobody had an amount in December 2022"),
    ],
)
def test_or_says_why_there_is_none(months, as_of, horizon, told):
    rows = [(f"c{n}", t, 100, "one") for n in range(9) for t in months]
    if as_of > rows[-1][1]:  # all are gone, and the ledger goes on
        rows += [("late", t, 0 if t == as_of else 5, "one") for t in range(30, as_of + 1)]
    with pytest.raises(nr.UsageError, match=told):
        own_past(ledger_of(rows), month_name(BEGIN + as_of), horizon=horizon, draws=10)


def test_a_book_that_is_gone_comes_back_as_it_did_before():
    """Everybody left three months ago; nobody ever returned, and nobody will."""
    rows = [(f"c{n}", t, 100, "one") for n in range(50) for t in range(30)]
    rows += [("other", t, 5, "one") for t in range(22, 34)]
    found = own_past(ledger_of(rows), month_name(BEGIN + 32), horizon=3, draws=100)
    assert found.quantiles[None][:, 100] == pytest.approx([1 / 1001, 1 / 1001, 1 / 51], abs=1e-3)


@pytest.mark.parametrize("draws", [0, -1])
def test_no_draws_are_refused(draws):
    with pytest.raises(nr.UsageError, match="must be 1 at least"):
        own_past(ledger_of(annual(9, 1, 9)), month_name(BEGIN + 12), draws=draws)


# --- ledgers made to mislead ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def januaries():
    """Five years of 400 customers who stay: 5 % more for nine in ten each January."""
    rng, rows = np.random.default_rng(3), []
    arr = rng.lognormal(7, 0.7, 400)
    for t in range(61):
        if (BEGIN + t) % 12 == 0:
            arr = np.where(rng.random(400) < 0.9, arr * 1.05, arr)
        rows += [(f"c{n}", t, arr[n].round(2), "one") for n in range(400)]
    return ledger_of(rows)


@pytest.mark.parametrize("horizon", [3, 6, 9, 12])
def test_a_price_that_rises_each_january_is_met_once(januaries, horizon):
    """From every quarter's end, whether the coming January lies in the months ahead or not; met twice or never it would
    be off by more than four points.
    """
    for origin in (shift(month_name(BEGIN), months) for months in range(24, 61 - horizon, 3)):
        found = own_past(januaries, origin, horizon=horizon, draws=200).quantiles[None]
        actual = float(nr.nrr(januaries.cohort(shift(origin, horizon))))
        assert abs(found[0].mean() - actual) < 0.01, origin


def test_who_is_away_returns_as_others_did():
    """Half of those who pause in spring are back by winter: from summer on they are counted as that."""
    rows = [(f"c{n:03d}", t, 100, "one") for n in range(100) for t in range(43)]
    # each year ten others pause from April on; five of them for six months, five for good
    year = {n: n // 10 for n in range(40)}
    rows = [
        row
        for row in rows
        if not (
            (n := int(row[0][1:])) in year
            and row[1] >= (begins := 4 + 12 * year[n])
            and (n % 2 or row[1] < begins + 6)
        )
    ]
    found = own_past(ledger_of(rows), month_name(BEGIN + 42), horizon=6, draws=500)
    # 85 of the base, ten of whom are away; five of these return
    assert found.customers[None] == 85
    assert found.quantiles[None][2].mean() == pytest.approx(80 / 85, abs=0.01)
