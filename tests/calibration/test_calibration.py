"""What is learnt from a ledger, against known drivers, published estimates, thin ledgers."""

import os
from functools import partial

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, SHARED
from scipy import stats

import nrrsim as nr
from nrrsim.calibration import frequency
from nrrsim.calibration.calibrate import calibrate
from nrrsim.calibration.frequency import Counts, prior_grid
from nrrsim.calibration.priors import as_prior
from nrrsim.calibration.tenure import fit_curve
from nrrsim.calibration.years import _between_years, _likely
from nrrsim.months import month_name, parse_month
from nrrsim.notation import month_name as in_words
from nrrsim.scenario.beliefs import beta_of

LEDGERS = int(os.environ.get("NRRSIM_LEDGERS", "40"))  # `make bench` takes 200
EXAMPLE = ROOT / "nrrsim" / "data" / "meridian.csv"
BEGIN, MONTHS = parse_month("2022-12", "month"), 37
UNEVEN = as_prior(None).year_effects.model_dump()
DRIVERS = ("churn", "contraction", "adoption", "price", "reactivation")


# --- ledgers of which everything is known ---------------------------------------------------------


def from_the_prior(
    rng: np.random.Generator, driver: str, segments: int, power: float
) -> np.ndarray:
    """The annual frequency of a driver in each segment,
    drawn as the calibration believes it before it has seen any.
    """
    is_probability = driver in ("churn", "price", "reactivation")
    mu, alike, prior = prior_grid(as_prior(None).usual(driver), power)
    place = rng.choice(prior.size, p=prior.ravel())
    m, k = mu.ravel()[place], alike.ravel()[place]
    p = rng.beta(m * k, (1 - m) * k, segments)
    return 1 - (1 - p) ** power if is_probability else p * power


def grown(
    rng: np.random.Generator,
    truth: dict[str, np.ndarray],
    number: np.ndarray,
    annual: np.ndarray,
    months: int = MONTHS,
) -> pd.DataFrame:
    """A ledger month by month, as the_model says it goes;
    each customer joins in the first year, and some later.
    """
    rows = []
    for segment, customers in enumerate(number):
        joined = rng.integers(1, 13, customers)
        joined[0] = 1  # no month without anybody
        quantity, price = (
            np.round(rng.lognormal(3, 0.8, customers) * 100 + 50),
            np.full(customers, 10.0),
        )
        alive, left = np.zeros(customers, bool), np.zeros(customers)
        rate = {name: truth[name][segment] for name in DRIVERS}
        month_of = {name: 1 - (1 - rate[name]) ** (1 / 12) for name in ("churn", "reactivation")}
        for t in range(months):
            due = (t - joined) % 12 == 0
            back = (left > 0) & (rng.random(customers) < month_of["reactivation"])
            churn = np.where(annual[segment], np.where(due, rate["churn"], 0), month_of["churn"])
            gone = alive & (rng.random(customers) < churn)
            alive &= ~gone
            rises = alive & due & (rng.random(customers) < rate["price"])
            price = np.where(rises, price * 1.05, price)
            falls = alive & (rng.random(customers) < rate["contraction"] / 12)
            quantity = np.where(falls, quantity * (1 - rng.beta(4, 12, customers)), quantity)
            grows = alive & (rng.random(customers) < rate["adoption"] / 12)
            quantity = np.where(
                grows, quantity * (1 + rng.lognormal(-1.6, 0.5, customers)), quantity
            )
            alive |= back
            left = np.where(gone, 1.0, np.where(back, 0.0, left))
            alive |= joined == t
            rows.append(
                pd.DataFrame(
                    {
                        "customer": [f"{segment}-{n:04d}" for n in np.flatnonzero(alive)],
                        "month": month_name(BEGIN + t),
                        "quantity": quantity[alive],
                        "unit_price": price[alive],
                        "mrr": quantity[alive] * price[alive],
                        "segment": f"s{segment}",
                    }
                )
            )
    frame = pd.concat(rows, ignore_index=True)
    opening = pd.DataFrame(
        {"customer": ["first"], "month": [month_name(BEGIN)], "quantity": 1.0, "unit_price": 10.0}
    )
    return pd.concat([opening.assign(mrr=10.0, segment="s0"), frame], ignore_index=True)


@pytest.fixture(scope="module")
def recovered(tmp_path_factory):
    """By driver: of one segment of each ledger,
    where the truth lies in what was learnt, from 0 to 1.
    """
    rng = np.random.default_rng(20260930)
    folder = tmp_path_factory.mktemp("ledgers")
    places: dict[str, list[float]] = {name: [] for name in DRIVERS}
    for _ in range(LEDGERS):
        segments = int(rng.integers(1, 4))
        annual = rng.random(segments) < 0.5
        number = rng.integers(20, 160, segments)
        truth = {
            name: from_the_prior(rng, name, segments, 12.0)
            for name in DRIVERS
            if name not in ("churn", "price")
        }
        truth["price"] = from_the_prior(rng, "price", segments, 1.0)
        # annual and monthly contracts learn apart
        truth["churn"] = np.empty(segments)
        for kind, power in ((annual, 1.0), (~annual, 12.0)):
            truth["churn"][kind] = from_the_prior(rng, "churn", int(kind.sum()), power)
        try:
            ledger = written(grown(rng, truth, number, annual), folder)
        except nr.DataError:
            continue  # everybody left before the end: one in hundreds
        term = {f"s{n}": "annual" if annual[n] else "monthly" for n in range(segments)}
        told = calibrate(
            ledger, ledger.months[-1], term={k: v for k, v in term.items() if has(ledger, k)}
        )
        segment = int(rng.integers(segments))
        for name in DRIVERS:
            fields = told.scenario.table.of_segment(name, f"s{segment}")
            often = fields.get("acceptance" if name == "price" else "rate")
            if often is None:
                continue  # nobody of that segment is left, no price rose at all, or a curve
            scores = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
            draws = often.value.quantile(scores, often.range.share)
            places[name].append(float((draws < truth[name][segment]).mean()))
    return places


def written(frame: pd.DataFrame, folder) -> nr.Ledger:
    frame.to_csv(folder / "ledger.csv", index=False)
    return nr.read_ledger(folder / "ledger.csv")


def has(ledger: nr.Ledger, segment: str) -> bool:
    return segment in set(ledger.entries.frame["segment"].astype(str))


CHECKS = len(DRIVERS) * 4
ALARM = 0.01 / CHECKS


@pytest.mark.parametrize("driver", DRIVERS)
def test_recovery_of_known_drivers(recovered, driver):
    """Simulation-based calibration: truths from the prior lie evenly in what is learnt;
    1 % false alarms in all.
    """
    places = np.array(recovered[driver])
    assert len(places) > 0.6 * LEDGERS
    for level in (0.80, 0.90, 0.95):
        inside = int((np.abs(places - 0.5) <= level / 2).sum())
        assert stats.binomtest(inside, len(places), level).pvalue > ALARM, (
            level,
            inside,
            len(places),
        )
    assert stats.kstest(places, "uniform").pvalue > ALARM, np.sort(places)


# --- the pieces, against truth from outside -------------------------------------------------------


def posterior(events, chances, power=1.0):
    """Of a driver that is usual as churn is."""
    return frequency.posterior(Counts(events, chances, power), as_prior(None).usual("churn"))


def test_many_chances_speak_for_themselves():
    """With 200,000 chances the posterior is the share that was seen, with the binomial's error."""
    mean, sd, _ = posterior(np.array([2_000.0]), np.array([200_000.0]))
    assert mean[0] == pytest.approx(0.01, rel=0.02)
    assert sd[0] == pytest.approx(np.sqrt(0.01 * 0.99 / 200_000), rel=0.05)


def test_a_small_segment_learns_from_the_others():
    """Three of nine left; in the other segments one in ten did:
    the nine are believed to be much nearer to that.
    """
    events, chances = np.array([3.0, 40, 41, 39]), np.array([9.0, 400, 400, 400])
    mean, sd, _ = posterior(events, chances)
    assert 0.09 < mean[0] < 0.25
    assert mean[1:] == pytest.approx(0.1, abs=0.01)
    alone, sd_alone, _ = posterior(events[:1], chances[:1])
    assert alone[0] > mean[0]
    assert sd[0] < sd_alone[0]


def test_how_much_of_a_rate_is_a_segments_own(monkeypatch):
    """One Beta(4, 36) of 0.1 as the prior: of ten chances' mean a fifth is own, 10 / (40 + 10), and
    four fifths are the prior's.
    """

    def one(usual, power, scores):
        return tuple(np.full((len(scores), 3), each) for each in (0.1, 40.0, 1.0))

    monkeypatch.setattr("nrrsim.calibration.frequency.prior_grid", one)
    events, chances = np.array([3.0, 0, 300]), np.array([10.0, 0, 3960])
    mean, _, own = posterior(events, chances)
    assert own == pytest.approx([0.2, 0.0, 0.99])
    shown = np.divide(events, chances, out=np.zeros(3), where=chances > 0)
    assert mean == pytest.approx(own * shown + (1 - own) * 0.1)


def test_nothing_seen_is_not_never():
    mean, sd, _ = posterior(np.zeros(1), np.array([50.0]))
    assert 0 < mean[0] < 0.03
    assert sd[0] > mean[0] / 2


def test_without_any_chance_the_prior_is_left():
    mean, sd, _ = posterior(np.zeros(2), np.zeros(2))
    assert mean[0] == pytest.approx(mean[1])
    assert 0.1 < mean[0] < 0.3
    assert sd[0] > 0.1


@pytest.mark.shared
def test_the_curve_of_fader_and_hardie():
    """Regular customers, years 1 to 7:
    alpha 0.704, beta 1.182 as published (Fader and Hardie 2007), and year 12.
    """
    table = pd.read_csv(SHARED / "retention_regular.csv")
    alive = table["surviving_pct"].to_numpy() * 10  # of 1,000
    seven = alive[:8]
    curve = fit_curve(-np.diff(seven), seven[1:])
    assert curve.alpha == pytest.approx(0.704, abs=0.005)
    assert curve.beta == pytest.approx(1.182, abs=0.005)
    assert curve.log_likelihood == pytest.approx(-1680.265, abs=0.01)
    assert curve.gain > 10
    stays = np.cumprod([1 - curve.alpha / (curve.alpha + curve.beta + year) for year in range(12)])
    assert 100 * stays[-1] == pytest.approx(17.0, abs=0.1)
    # 17.3 in fact
    assert 100 * stays[-1] == pytest.approx(table["surviving_pct"].iloc[12], abs=0.5)


def test_a_constant_churn_gets_no_curve():
    alive = 1000 * 0.85 ** np.arange(8)
    assert fit_curve(-np.diff(alive), alive[1:]).gain < 0


def of_uneven_years(betas: dict[str, float], years: int = 12) -> pd.DataFrame:
    """A book of 3,000 that replaces who leaves; each driver has good and bad years of its own."""
    rng = np.random.default_rng(7)
    arr = np.full(3000, 100.0)
    name, newest, rows = np.arange(3000), 3000, []
    for t in range(12 * years + 1):
        if t % 12 == 1:
            year = {
                driver: 0.012 * np.exp(beta * rng.standard_normal() - beta**2 / 2)
                for driver, beta in betas.items()
            }
        if t:
            happens = {driver: rng.random(3000) < year[driver] for driver in betas}
            arr = np.where(happens["contraction"], 0.8 * arr, arr)
            arr = np.where(happens["adoption"] & ~happens["contraction"], 1.2 * arr, arr)
            gone = happens["churn"]
            arr = np.where(gone, 100.0, arr)
            name = np.where(gone, newest + np.cumsum(gone), name)
            newest += int(gone.sum())
        rows.append(pd.DataFrame({"customer": name, "month": month_name(BEGIN + t), "mrr": arr}))
    frame = pd.concat(rows)
    return frame.assign(customer="c" + frame["customer"].astype(str), segment="one")


@pytest.mark.parametrize(
    "betas",
    [
        {"churn": 0.0, "contraction": 0.15, "adoption": 0.45},
        {"churn": 0.15, "contraction": 0.45, "adoption": 0.0},
        {"churn": 0.45, "contraction": 0.0, "adoption": 0.15},
    ],
    ids=str,
)
def test_good_and_bad_years_are_told_from_luck(betas, tmp_path):
    """Twelve years of a large book: each driver's beta is near its truth, and no other's."""
    ledger = written(of_uneven_years(betas), tmp_path)
    told = calibrate(ledger, ledger.months[-1])
    assert told.years == 12
    found = told.told()["year_effects"]
    for driver, beta in betas.items():
        assert found[driver]["mean"] == pytest.approx(max(beta, 0.05), abs=0.05 + beta * 0.4)
        assert found[driver]["p05"] <= max(beta, 0.03) <= found[driver]["p95"]


@pytest.mark.parametrize("driver", UNEVEN)
def test_betas_from_the_prior_lie_evenly_in_what_is_learnt(driver):
    """Simulation-based calibration of 400 betas, as beliefs that a scenario states."""
    rng, places = np.random.default_rng(20260930), []
    for _ in range(400):
        beta, years = abs(rng.normal(0, UNEVEN[driver])), int(rng.integers(2, 9))
        chances = np.full(years, float(rng.integers(100, 2_000)))
        factor = np.exp(beta * rng.standard_normal(years) - beta**2 / 2)
        events = rng.binomial(chances.astype(int), np.minimum(0.12 * factor, 1)).astype(float)
        expected = np.full(years, events.mean())
        mean, sd = _between_years(_likely(events, chances, expected), UNEVEN[driver])
        places.append(stats.beta.cdf(beta, *beta_of(mean, sd)))
    assert stats.kstest(places, "uniform").pvalue > 0.01 / len(UNEVEN)


# --- ledgers that say something -------------------------------------------------------------------


def test_the_example_is_learnt_from():
    ledger = nr.read_ledger(EXAMPLE)
    told = calibrate(ledger, "2026-09", file="ledger.csv")
    term = told.scenario.book.term
    assert term == {"enterprise": "annual", "mid_market": "annual", "smb": "monthly"}
    frame = told.frame()
    assert set(frame["driver"]) == {"churn", "contraction", "adoption", "price", "reactivation"}
    assert (frame["sd"] > 0).all()
    assert set(told.scenario.year_effects) == {"churn", "contraction", "adoption", "reactivation"}
    assert not told.scenario.shock
    source = told.scenario.drivers.churn["smb"].source
    assert source.startswith("ledger 2022-10..2026-09, ")
    assert source.endswith("customer-years")
    assert told.scenario.segments == ("enterprise", "mid_market", "smb")


def test_nothing_after_the_date_is_looked_at(tmp_path):
    frame = pd.read_csv(EXAMPLE)
    early = frame[frame["month"] <= "2025-06"]
    cut, whole = written(early, tmp_path), nr.read_ledger(EXAMPLE)
    assert (
        calibrate(cut, "2025-06").scenario.plain() == calibrate(whole, "2025-06").scenario.plain()
    )


def test_recent_months_may_weigh_more():
    """Churn doubles half way: with a half-life of six months the later rate is believed."""
    ledger = nr.read_ledger(EXAMPLE)
    plain, recent = calibrate(ledger, "2026-09"), calibrate(ledger, "2026-09", half_life=12)
    before, after = (each.frame().set_index(["driver", "segment"]) for each in (plain, recent))
    assert (after["events"] < before["events"]).all()
    assert (after.loc["churn", "sd"] > before.loc["churn", "sd"] * 0.9).all()
    with pytest.raises(nr.UsageError, match="half_life: must be a month at least"):
        calibrate(ledger, "2026-09", half_life=0)


def test_a_step_that_many_share_is_a_finding(tmp_path):
    """38 of 50 rise by 5 % in one month: said, and taken as price only where asked."""
    rng = np.random.default_rng(3)
    amount = np.round(rng.lognormal(5, 1, 50), 2)
    rows = []
    for t in range(30):
        if t == 15:
            amount = np.where(np.arange(50) < 38, amount * 1.05, amount)
        rows.append(
            pd.DataFrame(
                {
                    "customer": [f"c{n}" for n in range(50)],
                    "month": month_name(BEGIN + t),
                    "mrr": amount,
                }
            )
        )
    ledger = written(pd.concat(rows).assign(segment="one"), tmp_path)
    told = calibrate(ledger, ledger.months[-1])
    month = month_name(BEGIN + 15)
    assert any(
        f"{in_words(month)}: 38 of 50 customers of One rose by 5%" in each for each in told.findings
    )
    assert "price" not in told.scenario.plain()["drivers"]
    asked = calibrate(ledger, ledger.months[-1], price_months=[month])
    assert asked.scenario.drivers.price["one"].uplift == pytest.approx(0.05, abs=1e-3)
    assert any("counted as a price increase" in each for each in asked.findings)
    adoption = asked.frame().set_index("driver").loc["adoption", "events"]
    assert adoption == 0


def test_the_scenario_can_be_written_and_read_again(tmp_path):
    ledger = nr.read_ledger(EXAMPLE)
    told = calibrate(ledger, "2026-09", file=str(EXAMPLE))
    again = nr.Scenario.of(told.scenario.plain())
    assert nr.nrr(nr.expect(again)) == pytest.approx(nr.nrr(nr.expect(told.scenario)), abs=1e-12)


# --- ledgers too thin to learn from ---------------------------------------------------------------


def thin(**how: list) -> pd.DataFrame:
    """Customers with the months in which each pays 100, numbered from 0."""
    rows = [
        (name, month_name(BEGIN + t), 100, "one") for name, months in how.items() for t in months
    ]
    return pd.DataFrame(rows, columns=["customer", "month", "mrr", "segment"])


@pytest.mark.parametrize(
    ("frame", "as_of"),
    [
        (thin(a=range(25)), 24),  # one customer
        (thin(**{f"c{n}": range(6) for n in range(9)}), 5),  # six months
        (thin(**{f"c{n}": range(30) for n in range(9)}), 29),  # nobody left, nothing changed
        (thin(a=range(2)), 1),  # two months of one customer
        (
            thin(**{f"c{n}": range(5 + n) for n in range(10)}, last=range(20)),
            19,
        ),  # all but one left
    ],
    ids=["one customer", "six months", "no churn", "two months", "nearly all left"],
)
def test_a_thin_ledger_gives_wide_beliefs(frame, as_of, tmp_path):
    ledger = written(frame, tmp_path)
    told = calibrate(ledger, month_name(BEGIN + as_of))
    assert (told.frame()["sd"] > 0.1 * told.frame()["mean"]).all()
    for driver, belief in told.told()["year_effects"].items():
        assert belief["mean"] > 0.5 * UNEVEN[driver]
    run = nr.simulate(told.scenario, 2_000)
    low, high = np.quantile(nr.nrr(run), (0.05, 0.95))
    assert high - low > 0.05
    for driver in ("churn", "adoption", "contraction"):
        belief = getattr(told.scenario.drivers, driver)["one"].rate
        five, ninety_five = belief.quantile(np.array([-1.645, 1.645]), True)
        assert ninety_five > 1.5 * five


def test_a_segment_without_churn_beside_others_that_have(tmp_path):
    rng = np.random.default_rng(5)
    steady = thin(**{f"a{n}": range(30) for n in range(12)})
    others = thin(**{f"b{n}": range(int(rng.integers(5, 60))) for n in range(200)})
    others = others[others["month"] < month_name(BEGIN + 30)].assign(segment="two")
    ledger = written(pd.concat([steady, others]), tmp_path)
    told = calibrate(ledger, month_name(BEGIN + 29))
    found = told.frame().set_index(["driver", "segment"])
    assert 0.005 < found.loc[("churn", "one"), "mean"] < found.loc[("churn", "two"), "mean"]
    assert any(each.startswith("One: no churn in 29 customer-years") for each in told.findings)


def test_what_cannot_be_learnt_is_an_error(tmp_path):
    gone = thin(a=range(3), b=range(4), c=range(6)).assign(
        mrr=lambda f: np.where(f["month"] > month_name(BEGIN + 3), 0, 100)
    )
    ledger = written(gone, tmp_path)
    last = ledger.months[-1]
    with pytest.raises(nr.UsageError, match=r"nobody pays|is not in the ledger"):
        calibrate(ledger, month_name(BEGIN + 5))
    with pytest.raises(nr.UsageError, match="nothing to learn from before a second one"):
        calibrate(ledger, month_name(BEGIN))
    with pytest.raises(nr.UsageError, match="is not in the ledger"):
        calibrate(ledger, "2040-01")
    with pytest.raises(nr.UsageError, match="term: smb is not a segment"):
        calibrate(ledger, last, term={"smb": "annual"})


# --- what an independent review found -------------------------------------------------------------


def paying(amounts: dict[str, list[float]], step: int = 1, **columns: object) -> pd.DataFrame:
    """A ledger of customers with an amount a step, from BEGIN on."""
    rows = [
        {
            "customer": name,
            "month": month_name(BEGIN + step * t),
            "mrr": amount,
            "segment": "one",
            **columns,
        }
        for name, each in amounts.items()
        for t, amount in enumerate(each)
        if amount
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_contractions_that_are_alike_keep_their_size(share, tmp_path):
    amounts = {
        f"c{n}": [100.0] * 12 + [100.0 * (1 - share) if n < 12 else 100.0] * 12 for n in range(40)
    }
    told = (
        calibrate(written(paying(amounts), tmp_path), month_name(BEGIN + 23))
        .frame()
        .set_index("driver")
    )
    assert told.loc["contraction", "size"] == pytest.approx(share, rel=0.02)


@pytest.mark.parametrize("step", [3, 12])
def test_a_renewal_between_two_snapshots_is_in_its_step(step, tmp_path):
    """Renewals in May, snapshots each December or each quarter:
    a tenth of the contracts ends a year.
    """
    rng = np.random.default_rng(4)
    years = 6
    amounts = {}
    for n in range(200):
        stays = next((year for year in range(1, years + 1) if rng.random() < 0.1), years + 1)
        steps = (12 * (stays - 1) + 5) // step + 1 if stays <= years else 12 * years // step + 1
        amounts[f"c{n}"] = [100.0] * steps
    frame = paying(amounts, step, renewal="2023-05")
    told = calibrate(
        written(frame, tmp_path), month_name(BEGIN + 12 * years), term={"one": "annual"}
    )
    churn = told.frame().set_index("driver").loc["churn"]
    assert churn["mean"] == pytest.approx(churn["events"] / churn["chances"], abs=0.02)
    assert churn["mean"] == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("begins", ["at any month", "in the first month"])
def test_price_increases_each_january_are_one_a_year(begins, tmp_path):
    rng = np.random.default_rng(6)
    rows = []
    for n in range(60):
        first = int(rng.integers(0, 24)) if begins == "at any month" else 0
        for t in range(first, 49):
            price = round(10 * 1.05 ** ((BEGIN + t) // 12 - (BEGIN + first) // 12), 6)
            rows.append((f"c{n}", month_name(BEGIN + t), 100, price, 100 * price, "one"))
    frame = pd.DataFrame(
        rows, columns=["customer", "month", "quantity", "unit_price", "mrr", "segment"]
    )
    told = calibrate(written(frame, tmp_path), month_name(BEGIN + 48))
    price = told.frame().set_index("driver").loc["price"]
    assert price["events"] == price["chances"]
    assert price["mean"] > 0.95
    assert told.scenario.drivers.price["one"].uplift == pytest.approx(0.05)


def test_who_leaves_in_the_first_year_or_never(tmp_path):
    curve = fit_curve([30, 0, 0, 0], [300, 250, 200, 100])
    assert 1e-3 < curve.alpha < 1e4
    assert curve.errors == (1.0, 1.0) or min(curve.errors) > 0.05
    rng = np.random.default_rng(8)
    months = {
        f"c{n}": range(
            1 + n % 12, 50 if rng.random() < 0.6 else 2 + n % 12 + int(rng.integers(0, 10))
        )
        for n in range(300)
    }
    ledger = written(thin(first=range(50), **months), tmp_path)
    told = calibrate(ledger, ledger.months[-1])
    assert 0.8 < nr.nrr(nr.expect(told.scenario)) <= 1.2


def test_what_grows_beyond_a_scenario_is_cut_and_said(tmp_path):
    rng = np.random.default_rng(1)
    amounts = {
        f"c{n}": [float(x) for x in np.where(rng.random(30) < 0.5, 3000.0, 100.0)]
        for n in range(30)
    }
    told = calibrate(written(paying(amounts), tmp_path), month_name(BEGIN + 29))
    assert any("Is this recurring revenue?" in each for each in told.findings)
    assert told.scenario.drivers.adoption["one"].size.mean == 10


@pytest.mark.parametrize(
    ("events", "chances", "spread"),
    [
        ([9500, 10_000, 10_500], 324_000, 0.1183),
        ([900, 400, 1500, 700, 1100], 10_000, 0.4057),
        ([1000, 1010, 990, 1005], 10_000, 0.035),
        ([30, 60, 20, 45], 500, None),
    ],
)
def test_the_spread_between_years_by_brute_force(events, chances, spread):
    """A fine grid over each year's factor, the typical level and the spread;
    large counts included.
    """
    k, n = np.array(events, float), float(chances)
    e = np.full(len(k), k.mean())
    betas = np.linspace(0, 1.5, 76)
    z = np.linspace(-8, 8, 2001)
    weight = np.exp(-(z**2) / 2)
    levels = np.linspace(-1, 1, 101)
    mass = np.zeros(len(betas))
    for place, beta in enumerate(betas):
        total = np.zeros(len(levels))
        for events_of, expected in zip(k, e, strict=True):
            p = np.clip(
                expected / n * np.exp(levels[:, None] + beta * z - beta**2 / 2), 1e-12, 1 - 1e-9
            )
            log = events_of * np.log(p) + (n - events_of) * np.log1p(-p)
            top = log.max()
            total += np.log((np.exp(log - top) * weight).sum(axis=1) + 1e-300) + top
        mass[place] = total.max() + np.log(np.exp(total - total.max()).sum())
    posterior_of = np.exp(mass - mass.max()) * np.exp(-((betas / 0.2) ** 2) / 2)
    mean = float((posterior_of * betas).sum() / posterior_of.sum())
    sd = float(np.sqrt((posterior_of * (betas - mean) ** 2).sum() / posterior_of.sum()))
    told = _between_years(_likely(k, np.full(len(k), n), e), 0.2)
    assert told == pytest.approx((mean, sd), rel=0.06, abs=0.005)
    if spread:
        assert np.hypot(*told) == pytest.approx(spread, abs=0.02)


@pytest.mark.parametrize(
    ("segments", "events", "chances"), [(40, 23, 600), (10, 50, 1200), (20, 23, 600)]
)
def test_many_like_segments_are_believed_as_they_are(segments, events, chances):
    mean, *_ = posterior(np.full(segments, float(events)), np.full(segments, float(chances)), 12.0)
    assert mean[0] == pytest.approx(1 - (1 - events / chances) ** 12, rel=0.01)


def test_annual_contracts_of_unknown_anniversary_are_not_overrated(tmp_path):
    """3,000 customers from the first month on, 30 % leave at each anniversary,
    which the ledger does not tell.
    """
    rng = np.random.default_rng(9)
    due = rng.integers(1, 13, 3000)
    leaves = np.array([next((d + 12 * y for y in range(4) if rng.random() < 0.3), 99) for d in due])
    rows = [(f"c{n}", month_name(BEGIN + t)) for t in range(37) for n in np.flatnonzero(leaves > t)]
    frame = pd.DataFrame(rows, columns=["customer", "month"]).assign(mrr=100, segment="one")
    told = (
        calibrate(written(frame, tmp_path), month_name(BEGIN + 36), term={"one": "annual"})
        .frame()
        .set_index("driver")
    )
    assert told.loc["churn", "mean"] == pytest.approx(0.3, abs=0.012)


def test_what_cannot_be_asked_is_said(tmp_path):
    ledger = nr.read_ledger(EXAMPLE)
    told = calibrate(ledger, "2026-09", price_months=["2031-01"])
    assert any(
        "Price month January 2031: few customers share a rise" in each for each in told.findings
    )
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(nr.UsageError, match="choose another --out"):
        told.write(tmp_path / "bytes.yaml")


def test_a_column_says_the_term(tmp_path):
    frame = thin(**{f"c{n}": range(30) for n in range(20)})
    frame["term"] = ["Yearly" if int(name[1:]) % 3 else "monthly" for name in frame["customer"]]
    ledger = written(frame, tmp_path)
    assert calibrate(ledger, ledger.months[-1]).scenario.book.term == {"one": "annual"}
    asked = calibrate(ledger, ledger.months[-1], term={"one": "monthly"})
    assert asked.scenario.book.term == {"one": "monthly"}
    # an empty cell says nothing, and of as many of each it is annual
    for told, term in (
        (["Monthly ", "", ""], "monthly"),
        (["monthly", "a year"], "monthly"),
        (["monthly", "year", "annual"], "annual"),
        (["year", "monthly"], "annual"),
    ):
        frame["term"] = [told[int(name[1:]) % len(told)] for name in frame["customer"]]
        ledger = written(frame, tmp_path)
        assert calibrate(ledger, ledger.months[-1]).scenario.book.term == {"one": term}, told


# --- what is of the wrong kind --------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [None, 3, 2.5, [], {}, b"ledger.csv", object()])
def test_what_is_no_ledger_is_refused_in_words(wrong):
    for ask in (
        nr.read_ledger,
        nr.backtest,
        *(partial(each, as_of="2026-09") for each in (nr.actuals, nr.calibrate)),
    ):
        with pytest.raises(nr.UsageError, match=r"^a ledger (is read from files|needs at least)"):
            ask(wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"half_life": "a year"}, "half_life: must be a number, got 'a year'"),
        ({"price_months": "2026-01"}, "price_months: write a list"),
        ({"price_months": 202601}, "price_months: write a list"),
        ({"prior": 0.1}, "prior: takes what nrrsim prior wrote, or its file, not a float"),
        ({"term": ["monthly"]}, "term: write it by segment"),
    ],
)
def test_what_was_said_of_learning_is_refused_in_words(wrong, said):
    ledger = nr.read_ledger(EXAMPLE)
    past = nr.actuals(ledger, "2026-09")
    asks = [partial(calibrate, ledger, "2026-09"), partial(nr.backtest, ledger, trials=10)]
    if "term" not in wrong:
        asks.append(partial(nr.forecast, past))
    for ask in asks:
        with pytest.raises(nr.UsageError) as refused:
            ask(**wrong)
        assert said in str(refused.value)


def test_a_forecast_follows_on_actuals():
    for wrong in (None, EXAMPLE, nr.read_ledger(EXAMPLE)):
        with pytest.raises(nr.UsageError, match="past: a forecast follows on what happened"):
            nr.forecast(wrong)


def test_nobody_there_before_is_nothing_to_learn_from(write):
    late = write("customer,month,arr\nA,2024-12,0\nA,2025-01,0\nA,2025-02,90\n")
    with pytest.raises(nr.UsageError, match="nobody was there before 2025-02"):
        calibrate(late, "2025-02")


def test_a_month_is_one_however_it_is_written():
    ledger = nr.read_ledger(EXAMPLE)
    quarter, month = (calibrate(ledger, as_of) for as_of in ("2026Q3", "2026-09"))
    assert quarter.scenario.plain() == month.scenario.plain()


def test_contractions_to_next_to_nothing_are_learnt(write):
    rows = [
        f"C{number},{month},{1 if month[-2:] > '06' else 5000}"
        for number in range(6)
        for month in (f"{year}-{of:02d}" for year in (2024, 2025) for of in range(1, 13))
    ]
    found = calibrate(write("\n".join(["customer,month,arr", *rows])), "2025-12")
    size = found.scenario.plain()["drivers"]["contraction"]["all"]["size"]
    assert 0.999 < size["mean"] < 1
