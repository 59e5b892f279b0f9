"""What is usual over companies: the file, and what is learnt against companies that are known."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from scipy import special, stats

import nrrsim as nr
from nrrsim.calibration import years
from nrrsim.calibration.frequency import Counts, posterior
from nrrsim.calibration.priors import (
    SHIPPED,
    SPREAD_SD,
    UNKNOWN_MIDDLE,
    Evidence,
    as_prior,
    evidence,
    learn_prior,
    read_prior,
)

EXAMPLE = ROOT / "nrrsim" / "data" / "meridian.csv"
USUAL = as_prior(None)


# --- the file -------------------------------------------------------------------------------------


def test_the_shipped_prior_is_what_was_in_the_code():
    """As it was before it was a file: who gives none gets the same bits as ever."""
    typical = {name: USUAL.usual(name).typical for name in USUAL.drivers.model_dump()}
    assert typical == {
        "churn": 0.12,
        "contraction": 0.2,
        "adoption": 0.35,
        "cross_sell": 0.15,
        "price": 0.7,
        "reactivation": 0.1,
    }
    assert {(each["sd"]) for each in USUAL.drivers.model_dump().values()} == {1.5}
    assert (USUAL.segments.unlike, USUAL.segments.sd) == (0.4, 0.7)
    gains = dict.fromkeys(("adoption", "cross_sell", "reactivation"), 0.25)
    assert USUAL.year_effects.model_dump() == {"churn": 0.15, "contraction": 0.3, **gains}
    sizes = {name: USUAL.size(name) for name in ("contraction", "adoption", "cross_sell")}
    assert sizes == {"contraction": (0.2, 0.15), "adoption": (0.2, 0.2), "cross_sell": (0.2, 0.2)}


def test_calibrate_without_a_prior_takes_the_shipped_one():
    ledger = nr.read_ledger(EXAMPLE)
    plain, given = (
        nr.calibrate(ledger, "2024-03", prior=prior).scenario.plain() for prior in (None, SHIPPED)
    )
    assert plain == given
    # learnt with the prior of 2026-11, when it was in the code
    assert plain["drivers"]["churn"]["smb"]["rate"] == {"dist": "beta", "a": 26.038, "b": 222.62}
    assert "lean on" not in plain["because"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("churn: {typical: 0.12", "churn: {typical: 12", "drivers.churn.typical: must be above 0 an"),
        ("churn: {typical: 0.12", "churn: {typical: 12", "did you mean 0.12?"),
        ("churn: {typical: 0.12", "churn: {typicl: 0.12", "typicl: is not known; did you mean typi"),
        ("churn: {typical: 0.12, sd: 1.5}", "churn: {typical: 0.12}", "drivers.churn.sd: is missing"),
        ("adoption: {typical: 0.35", "adoption: {typical: 13", "adoption.typical: must be from 0 to"),
        ("adoption: {typical: 0.35", "adoption: {typical: 0", "adoption.typical: must be more than 0"),
        ("segments: {unlike: 0.4", "segments: {unlike: much", "must be a number, got 'much'"),
        ("{churn: 0.15", "{churn: 15", "year_effects.churn: must be at m"),
        ("contraction: {mean: 0.2", "contraction: {mean: 1.2", "sizes.contraction: no Beta has mean"),
        ("title: ", "until: 2026-13\ntitle: ", "until: '2026-13' is not a month; write"),
        ("title: what is usual of recurring revenue\n", "", "title: is missing"),
        ("drivers:\n", "drivrs:\n", "drivrs: is not known; did you mean drivers?"),
    ],
)  # fmt: skip
def test_a_prior_is_read_strictly(tmp_path, old, new, said):
    text = SHIPPED.read_text()
    assert old in text
    (tmp_path / "prior.yaml").write_text(text.replace(old, new))
    with pytest.raises(nr.UsageError) as refused:
        read_prior(tmp_path / "prior.yaml")
    assert said in str(refused.value)
    place = re.escape(str(tmp_path / "prior.yaml")) + r":\d+:\d+ "
    assert all(re.match(place, line) for line in str(refused.value).splitlines())


def test_percentages_may_be_written(tmp_path):
    text = SHIPPED.read_text().replace("churn: {typical: 0.12", "churn: {typical: 12%")
    (tmp_path / "prior.yaml").write_text(text)
    assert read_prior(tmp_path / "prior.yaml") == USUAL


def test_what_is_learnt_is_read_as_it_was_written(tmp_path):
    learnt = learn_prior([company(["churn"], name='Ann\'s "Umbrellas": 5')])
    file = tmp_path / "prior.yaml"
    learnt.write(file)
    assert read_prior(file) == learnt.prior
    learnt.write(file)  # again
    file.write_text("title: mine\n")
    with pytest.raises(nr.UsageError, match="was not made by nrrsim prior; choose another --out"):
        learnt.write(file)


# --- companies of which everything is known -------------------------------------------------------


def company(drivers=("churn",), events=40.0, chances=400.0, segments=1, name="one", **more):
    """A company with these counts, in each segment and of each driver."""
    counts = Counts(np.full(segments, events), np.full(segments, chances), 1.0)
    about = {"begin": "2020-01", "as_of": "2024-12", "step": 1, "customers": 90, **more}
    return Evidence(name, **about, customer_years=400.0, counts=tuple((d, counts) for d in drivers))


def drawn(rng, usual, middle, spread, segments, chances, power):
    """Counts of a company drawn about a middle: and its own typical place, in the logit of a chance."""
    place = special.logit(usual.of_one_chance(power)) + rng.normal(middle, spread)
    mu, unlike = special.expit(place), usual.unlike * np.exp(rng.normal(0, usual.unlike_sd))
    alike = max((1 - mu) / (mu * unlike**2) - 1, 0.5)
    n = rng.integers(*chances, segments) * int(power)
    k = rng.binomial(n, rng.beta(mu * alike, (1 - mu) * alike, segments))
    return Counts(k.astype(float), n.astype(float), power), place


def companies(rng, driver, number, middle, spread, chances=(20, 400)):
    """So many companies with one to four segments each, of annual or monthly contracts."""
    found = []
    for _ in range(number):
        power, segments = float(rng.choice([1, 12])), int(rng.integers(1, 5))
        counts, _ = drawn(rng, USUAL.usual(driver), middle, spread, segments, chances, power)
        found.append(Evidence("one", "2020-01", "2024-12", 1, 90, 400.0, ((driver, counts),)))
    return found


def moved(learnt, driver):
    """By how much what is typical has moved, in its logit, and the sd over companies."""
    top = 12 if driver in ("adoption", "contraction") else 1
    now, then = (special.logit(each.usual(driver).typical / top) for each in (learnt.prior, USUAL))
    return now - then, learnt.prior.usual(driver).sd


def test_one_company_hardly_moves_what_is_usual():
    """It churns 38 % a year where 12 % is usual, 1.5 in the logit; a tenth to a fifth of that is taken."""
    middle, sd = moved(learn_prior([company(events=380.0, chances=1000.0)]), "churn")
    assert 0.1 < middle / (special.logit(0.38) - special.logit(0.12)) < 0.2
    assert sd == pytest.approx(1.5, abs=0.2)


def test_what_no_ledger_shows_stays_as_it_was():
    learnt = learn_prior([company(["churn"]), company(["churn"], chances=0.0, events=0.0)])
    for name, each in learnt.prior.drivers.model_dump().items():
        assert (each == USUAL.drivers.model_dump()[name]) == (name != "churn")
    assert learnt.prior.segments == USUAL.segments
    assert learnt.prior.sizes == USUAL.sizes
    with pytest.raises(nr.UsageError, match="there is none; give the ledger of one at least"):
        learn_prior([])


def test_the_order_of_companies_is_no_matter():
    found = companies(np.random.default_rng(3), "churn", 6, 0.5, 0.6)
    one, other = (learn_prior(each).prior.drivers.churn for each in (found, found[::-1]))
    assert one.typical == pytest.approx(other.typical, rel=1e-4)
    assert one.sd == pytest.approx(other.sd, rel=1e-4)


@pytest.mark.parametrize("driver", ["churn", "adoption"])
def test_many_companies_speak_for_themselves(driver):
    """Sixty whose logits lie about 0.7 below what is usual, with an sd of 0.4."""
    found = companies(np.random.default_rng(20260930), driver, 60, -0.7, 0.4)
    middle, sd = moved(learn_prior(found), driver)
    assert middle == pytest.approx(-0.7, abs=0.2)
    assert sd == pytest.approx(0.4, abs=0.2)


def test_the_grid_agrees_with_plain_drawing():
    """Two companies of one segment each: what was believed, drawn and weighed by the likelihood."""
    rng, n = np.random.default_rng(5), 1_000_000
    usual, seen = USUAL.usual("churn"), [(30, 100), (55, 110)]

    def believed(sd):
        middle = sd * np.sqrt(UNKNOWN_MIDDLE) * rng.standard_normal(n)
        most = sd * np.sqrt((1 - UNKNOWN_MIDDLE) / np.exp(2 * SPREAD_SD**2))
        return middle, most * np.exp(SPREAD_SD * rng.standard_normal(n))

    (middle, spread), (apart, apart_spread) = believed(usual.sd), believed(usual.unlike_sd)
    weight = np.ones(n)
    for events, chances in seen:
        place = special.logit(0.12) + middle + spread * rng.standard_normal(n)
        mu = special.expit(place)
        unlike = usual.unlike * np.exp(apart + apart_spread * rng.standard_normal(n))
        alike = np.maximum((1 - mu) / (mu * unlike**2) - 1, 0.5)
        weight *= stats.betabinom.pmf(events, chances, mu * alike, (1 - mu) * alike)
    weight /= weight.sum()
    assert 1 / (weight**2).sum() > 20_000  # so many draws count
    mean = weight @ middle
    sd = np.sqrt(weight @ (spread**2 + (middle - mean) ** 2))
    found = [company(events=float(k), chances=float(c), name=f"{k}") for k, c in seen]
    assert moved(learn_prior(found), "churn") == pytest.approx((mean, sd), abs=0.01)


def test_nine_of_ten_further_companies_lie_in_the_range():
    """Portfolios drawn as it is believed they are; in each a range, and forty companies more."""
    rng, usual = np.random.default_rng(20260930), USUAL.usual("churn")
    inside = []
    for number in [1, 2, 4, 8, 16] * 12:
        middle = usual.sd * np.sqrt(UNKNOWN_MIDDLE) * rng.standard_normal()
        most = usual.sd * np.sqrt((1 - UNKNOWN_MIDDLE) / np.exp(2 * SPREAD_SD**2))
        spread = most * np.exp(SPREAD_SD * rng.standard_normal())
        learnt = learn_prior(companies(rng, "churn", number, middle, spread))
        low, high = learnt.prior.span("churn")
        further = special.expit(special.logit(0.12) + rng.normal(middle, spread, 40))
        inside.append(np.mean((low < further) & (further < high)))
    assert np.mean(inside) == pytest.approx(0.9, abs=3 * np.std(inside) / np.sqrt(len(inside)))


def test_a_thin_ledger_gains_by_the_prior_of_its_like():
    """Twenty companies that churn 5 to 8 % a year, and then forty with a dozen customer-years each."""
    rng, usual = np.random.default_rng(11), USUAL.usual("churn")
    middle = special.logit(0.06) - special.logit(0.12)
    learnt = learn_prior(companies(rng, "churn", 20, middle, 0.2)).prior
    off = {"shipped": [], "learnt": []}
    for _ in range(40):
        counts, place = drawn(rng, usual, middle, 0.2, 1, (10, 15), 1.0)
        for name, prior in (("shipped", USUAL), ("learnt", learnt)):
            mean, *_ = posterior(counts, prior.usual("churn"))
            off[name].append(abs(mean[0] - special.expit(place)))
    assert np.mean(off["learnt"]) < 0.6 * np.mean(off["shipped"])


def test_how_uneven_years_are_is_learnt_over_companies():
    """Forty companies of five years each: their betas are half normal with twice the usual scale."""
    rng = np.random.default_rng(4)
    found = []
    for beta in abs(rng.normal(0, 0.3, 40)):
        factor = np.exp(beta * rng.standard_normal(5) - beta**2 / 2)
        chances = np.full(5, 800.0)
        events = rng.binomial(800, np.minimum(0.12 * factor, 1)).astype(float)
        likely = years._likely(events, chances, np.full(5, events.mean()))
        found.append(company(uneven={"churn": likely}))
    scales = [learn_prior(found[:number]).prior.year_effects for number in (1, 40)]
    assert scales[0].churn == pytest.approx(0.15, abs=0.06)
    assert scales[1].churn == pytest.approx(0.3, abs=0.06)
    assert scales[1].adoption == 0.25


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([company()], "One company does not show how far companies differ"),
        ([company()] * 4, "4 companies hardly show how far companies differ"),
        ([company()], "Price: no ledger tells price from volume; not learnt"),
        ([company()], "Cross-sell: no ledger has products; not learnt"),
        ([company(["price"]), company()], "Adoption: 1 of 2 ledgers do not tell price from volume;"),
        ([company(step=12)] * 2, "2 ledgers are annual and show one net rise or fall a year at most"),
        ([company()], "no company has two; not learnt"),
        ([company(as_of="2021-06")], "Year-to-year swings: no ledger has two full years; not learnt"),
    ],
)  # fmt: skip
def test_what_the_ledgers_cannot_tell_is_said(found, said):
    limits = learn_prior(found).limits
    assert any(said in each for each in limits)
    everything = ["churn", "contraction", "adoption", "cross_sell", "price", "reactivation"]
    clear = learn_prior([company(everything, segments=2)] * 5)
    assert clear.limits == ("Sizes of events: not learnt",)


def paying(rng, churn, customers=150, months=37):
    """A ledger of one segment in which customers of monthly contracts leave, and nothing else happens."""
    stay = rng.geometric(1 - (1 - churn) ** (1 / 12), customers)
    begin = pd.Period("2022-12", "M")
    rows = [
        (f"C{number}", str(begin + month), 100.0 + number)
        for number, last in enumerate(stay)
        for month in range(min(last, months))
    ]
    rows += [("ever", str(begin + month), 50.0) for month in range(months)]
    return nr.read_ledger(pd.DataFrame(rows, columns=["customer", "month", "mrr"]))


def test_ledgers_say_what_they_were_made_of():
    """Eight companies: the annual churn of each is counted, and most of the way to their middle is gone."""
    rng = np.random.default_rng(20260930)
    places = special.logit(0.25) + rng.normal(0, 0.3, 8)
    found = [evidence(paying(rng, special.expit(each)), "one") for each in places]
    for place, each in zip(places, found, strict=True):
        (counts,) = each.of("churn")
        annual = 1 - (1 - counts.events / counts.chances) ** 12
        assert special.logit(annual[0]) == pytest.approx(place, abs=0.35)
    learnt = learn_prior(found)
    middle, sd = moved(learnt, "churn")
    assert 0.5 < middle / (places.mean() - special.logit(0.12)) < 1
    assert sd < 1.1
    # of which none was seen, in 2,000 customer-years
    assert learnt.prior.drivers.adoption.typical < 0.8 * USUAL.drivers.adoption.typical


# --- ledgers --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example():
    return nr.read_ledger(EXAMPLE)


def test_a_ledger_is_evidence_in_counts_alone(example, tmp_path):
    """What calibrate counts is counted; nothing in the file says who a customer is."""
    shown, learnt = evidence(example, "meridian"), nr.calibrate(example, "2026-09")
    assert shown.customer_years == pytest.approx(1343, abs=1)
    for driver in ("churn", "contraction", "price", "reactivation"):
        events = sum(each.events for each in learnt.learnt if each.driver == driver)
        assert sum(each.events.sum() for each in shown.of(driver)) == events
    learn_prior([shown]).write(tmp_path / "prior.yaml")
    text = (tmp_path / "prior.yaml").read_text()
    assert not [name for name in set(example.frame()["customer"]) if name in text]


def test_nothing_after_the_month_is_looked_at(example):
    cut = nr.read_ledger(pd.read_csv(EXAMPLE).query("month <= '2025-06'"))
    assert repr(evidence(example, "it", "2025-06")) == repr(evidence(cut, "it"))


def test_where_a_ledger_shows_little_it_leans_on_the_prior(example):
    """A quarter of history; the prior says that hardly anybody leaves."""
    prior = learn_prior([company(events=20.0, chances=2000.0)] * 30).prior
    alone, leant = (nr.calibrate(example, "2023-01", prior=each) for each in (None, prior))
    means = [
        {(each.driver, each.segment): each.mean for each in learnt.learnt}
        for learnt in (alone, leant)
    ]
    for key in means[0]:
        assert (means[1][key] < means[0][key]) == (key[0] == "churn")
    assert "estimates lean on 30 companies to December 2024." in leant.scenario.because


def test_a_backtest_knows_no_prior_from_later(example):
    """A prior learnt up to June 2025 is there in September, and in March the shipped one is."""
    prior = learn_prior([company(events=20.0, chances=400.0, as_of="2025-06")] * 30).prior
    assert prior.known_at("2025-06") == prior
    assert prior.known_at("2025-05") == USUAL
    how = {"trials": 100, "every": 3, "first": "2025-03"}
    plain, leant = (nr.backtest(example, prior=each, **how).frame for each in (None, prior))
    same = pd.concat(
        [plain["origin"], (plain == leant).all(axis=1) | plain.isna().any(axis=1)], axis=1
    )
    assert same.groupby("origin")[0].all().to_dict() == {
        "2025-03": True,
        "2025-06": False,
        "2025-09": False,
    }
