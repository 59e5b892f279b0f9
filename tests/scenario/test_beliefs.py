"""Draws against their distributions: one test for every belief, size and stream."""

import math
from functools import cache

import numpy as np
import pytest
from scenarios import segments, varied
from scipy import special, stats

import nrrsim as nr
from nrrsim.engine import bits as random_bits
from nrrsim.engine import kernel
from nrrsim.engine.draws import scores
from nrrsim.engine.driver_rates import draw_rates, slots_of
from nrrsim.engine.sizes import MOST_LOST, size_tables
from nrrsim.errors import UsageError
from nrrsim.scenario import beliefs
from nrrsim.scenario.beliefs import Beta, Between, Lognormal, Normal, Pert, Triangular, Uniform
from nrrsim.scenario.numbers import LOSS, SHARE, UPLIFT, YEARLY

COUNT, SEED = 100_000, 20260930
# About 60 tests at this level: a false alarm once in 160 runs, if the seed were not fixed.
FALSE_ALARM = 1e-4
Z = stats.norm.isf(FALSE_ALARM / 2)


def assert_drawn_from(
    sample: np.ndarray, truth, low: float = -np.inf, high: float = np.inf
) -> None:
    """Kolmogorov-Smirnov, mean and deviation of a sample against a distribution cut to [low, high].

    `truth` has `cdf`; its mean and deviation are taken by its quantiles, so that cutting needs no formula.
    """
    n = len(sample)
    assert low <= sample.min()
    assert sample.max() <= high
    inside = sample[(sample > low) & (sample < high)]
    ends = truth.cdf(low), truth.cdf(high)
    test = stats.kstest(truth.cdf(inside), lambda p: (p - ends[0]) / (ends[1] - ends[0]))
    assert test.pvalue > FALSE_ALARM, f"KS distance {test.statistic:.5f} of {n}"
    exact = np.clip(quantiles(truth), low, high)
    mean, sd = exact.mean(), exact.std()
    fourth = ((exact - mean) ** 4).mean()
    assert abs(sample.mean() - mean) < Z * sd / math.sqrt(n)
    assert abs(sample.std() - sd) < Z * math.sqrt((fourth - sd**4) / n) / (2 * sd) + 1e-4 * sd


@cache
def quantiles(truth) -> np.ndarray:
    """Of a distribution, evenly spread: many where it has a tail, fewer where its values are bounded."""
    number = 2**20 if np.isinf(truth.ppf(1)) else 2**16
    return truth.ppf((np.arange(number) + 0.5) / number)


class Transformed:
    """A standard normal score seen through an increasing function."""

    def __init__(self, forward, back):
        self.forward, self.back = forward, back

    def cdf(self, x):
        with np.errstate(divide="ignore", invalid="ignore"):
            return special.ndtr(self.back(x))

    def ppf(self, p):
        return self.forward(special.ndtri(p))


def interval(low, high, share):
    """What a 90 % interval means, written from its definition: P5 and P95 stand at its ends."""
    into, out = (special.logit, special.expit) if share else (np.log, np.exp)
    middle, half = (into(low) + into(high)) / 2, (into(high) - into(low)) / 2 / stats.norm.ppf(0.95)
    return Transformed(lambda z: out(middle + half * z), lambda x: (into(x) - middle) / half)


def lognormal(mean, sd):
    variance = math.log(1 + (sd / mean) ** 2)
    return stats.lognorm(math.sqrt(variance), scale=mean / math.sqrt(1 + (sd / mean) ** 2))


def beta(mean, sd):
    weight = mean * (1 - mean) / sd**2 - 1
    return stats.beta(mean * weight, (1 - mean) * weight)


BELIEFS = {
    "90 % interval of a share": (Between(between=(0.08, 0.14)), True, interval(0.08, 0.14, True)),
    "90 % interval of a rate": (Between(between=(0.3, 0.9)), False, interval(0.3, 0.9, False)),
    "uniform": (Uniform(dist="uniform", min=0.1, max=0.4), True, stats.uniform(0.1, 0.3)),
    "triangular": (
        Triangular(dist="triangular", min=0.1, mode=0.2, max=0.6),
        True,
        stats.triang(0.2, 0.1, 0.5),
    ),
    "triangular, mode at its end": (
        Triangular(dist="triangular", min=0, mode=0, max=1),
        True,
        stats.triang(0, 0, 1),
    ),
    # PERT of weight 4: mean (min + 4 mode + max) / 6, by its Beta parameters
    "pert": (Pert(dist="pert", min=0.1, mode=0.2, max=0.6), True, stats.beta(1.8, 4.2, 0.1, 0.5)),
    "beta": (Beta(dist="beta", a=2, b=5), True, stats.beta(2, 5)),
    "normal": (Normal(dist="normal", mean=0.05, sd=0.01), False, stats.norm(0.05, 0.01)),
    "lognormal": (Lognormal(dist="lognormal", mean=0.3, sd=0.2), False, lognormal(0.3, 0.2)),
}


@pytest.mark.parametrize("name", BELIEFS)
def test_beliefs(name):
    belief, share, truth = BELIEFS[name]
    z = scores({name: 3}, count=COUNT, seed=SEED)[name]
    high = 1 if share else np.inf
    assert_drawn_from(beliefs.quantile(belief, z, 0, high, share), truth, 0, high)


@pytest.mark.parametrize("name", BELIEFS)
def test_even_draws_of_beliefs_have_the_same_mean(name):
    belief, share, truth = BELIEFS[name]
    z = scores({name: 37}, count=4096, seed=SEED, quasi=True)[name]
    exact = quantiles(truth)
    drawn = belief.quantile(z, share)
    assert drawn.mean() == pytest.approx(exact.mean(), abs=exact.std() * 2e-3)
    assert drawn.std() == pytest.approx(exact.std(), rel=2e-2)


def test_the_ends_of_an_interval_hold_ninety_percent():
    for share in (True, False):
        z = scores({"x": 0}, count=COUNT, seed=SEED)["x"]
        drawn = Between(between=(0.08, 0.14)).quantile(z, share)
        for inside, p in (((drawn < 0.08).mean(), 0.05), ((drawn > 0.14).mean(), 0.05)):
            assert abs(inside - p) < Z * math.sqrt(p * (1 - p) / COUNT)


class Inside:
    """What of a distribution lies between two bounds."""

    def __init__(self, whole, low, high):
        self.whole, self.bounds, self.low = whole, (low, high), whole.cdf(low)
        self.mass = whole.cdf(high) - self.low

    def cdf(self, x):
        return (self.whole.cdf(np.clip(x, *self.bounds)) - self.low) / self.mass

    def ppf(self, p):
        return self.whole.ppf(self.low + p * self.mass)


# A belief that its number cannot wholly hold, the range of that number, and the truth.
CUT = {
    "normal below 0": (Normal(dist="normal", mean=0.02, sd=0.05), SHARE, stats.norm(0.02, 0.05)),
    "normal, its mean below 0": (
        Normal(dist="normal", mean=-0.1, sd=0.1),
        SHARE,
        stats.norm(-0.1, 0.1),
    ),
    "normal beyond both": (Normal(dist="normal", mean=0.6, sd=0.5), SHARE, stats.norm(0.6, 0.5)),
    "normal, one in fifty inside": (
        Normal(dist="normal", mean=-0.2, sd=0.1),
        SHARE,
        stats.norm(-0.2, 0.1),
    ),
    "uniform": (Uniform(dist="uniform", min=-0.2, max=0.4), SHARE, stats.uniform(-0.2, 0.6)),
    "triangular": (
        Triangular(dist="triangular", min=-0.5, mode=0.1, max=1.5),
        SHARE,
        stats.triang(0.3, -0.5, 2.0),
    ),
    "triangular, its mode at an end": (
        Triangular(dist="triangular", min=-1, mode=-1, max=1),
        SHARE,
        stats.triang(0, -1, 2),
    ),
    # a = 1 + 4 * 0.3 / 1.6, b = 1 + 4 * 1.3 / 1.6
    "pert": (
        Pert(dist="pert", min=-0.2, mode=0.1, max=1.4),
        SHARE,
        stats.beta(1.75, 4.25, -0.2, 1.6),
    ),
    "lognormal of a probability": (
        Lognormal(dist="lognormal", mean=0.8, sd=0.6),
        SHARE,
        lognormal(0.8, 0.6),
    ),
    "90 % interval of a rate": (Between(between=(6, 30)), YEARLY, interval(6, 30, False)),
    "90 % interval of a rise": (Between(between=(0.5, 1.2)), UPLIFT, interval(0.5, 1.2, False)),
    "beta of a loss": (Beta(dist="beta", a=0.5, b=0.05), LOSS, stats.beta(0.5, 0.05)),
}


@pytest.mark.parametrize("name", CUT)
def test_what_lies_outside_the_range_of_a_number_is_cut_away(name):
    belief, range_, truth = CUT[name]
    z = scores({name: 0}, count=COUNT, seed=SEED)[name]
    drawn = range_.drawn(belief, z)
    inside = Inside(truth, range_.low, range_.high)
    assert_drawn_from(drawn, inside)
    # none is set to a bound, and what comes later in one comes later in the other
    assert range_.low < drawn.min()
    assert drawn.max() < range_.high
    assert (np.diff(drawn[np.argsort(z)]) >= 0).all()
    assert range_.inside(belief) == pytest.approx(inside.mass, rel=1e-9)
    assert range_.mean(belief) == pytest.approx(quantiles(inside).mean(), rel=2e-4)
    assert range_.check(belief) is belief


@pytest.mark.parametrize("name", BELIEFS)
def test_a_belief_that_lies_wholly_inside_stays_the_same_bits(name):
    belief, share, truth = BELIEFS[name]
    z = scores({name: 3}, count=1000, seed=SEED)[name]
    range_ = SHARE if share else YEARLY
    assert (range_.drawn(belief, z) == belief.quantile(z, share)).all()
    assert range_.mean(belief) == pytest.approx(quantiles(truth).mean(), rel=2e-4)


@pytest.mark.parametrize(
    ("rate", "inside"),
    [
        ({"dist": "normal", "mean": -0.3, "sd": 0.1}, False),
        ({"dist": "normal", "mean": -0.23, "sd": 0.1}, True),
        ({"dist": "normal", "mean": 3, "sd": 0.8}, False),
        ({"dist": "normal", "mean": 3, "sd": 1.0}, True),
        ({"dist": "uniform", "min": 0.995, "max": 1.995}, False),
        ({"dist": "uniform", "min": 0.98, "max": 1.98}, True),
        ({"dist": "pert", "min": -5, "mode": -4, "max": 0.5}, False),
        ({"dist": "triangular", "min": -1, "mode": -0.5, "max": 0.05}, False),
        ({"dist": "triangular", "min": -1, "mode": -0.5, "max": 0.2}, True),
        ({"dist": "lognormal", "mean": 5, "sd": 0.5}, False),
        ({"dist": "lognormal", "mean": 5, "sd": 9}, True),
    ],
    ids=str,
)
def test_less_than_one_percent_inside_is_refused(rate, inside):
    stated = {"book": segments(a=(1, 10, "annual")), "drivers": {"churn": {"a": rate}}}
    if inside:
        (notice,) = nr.Scenario.of(stated).notices
        assert "cut away" in notice
        return
    with pytest.raises(UsageError, match=r"churn\.a\.rate: lies .* outside"):
        nr.Scenario.of(stated)


# --- sizes and streams of the event clock ---------------------------------------------------------

SIZES = {
    "contraction 0.2 (0.1)": ("contraction", 0.2, 0.1, beta(0.2, 0.1)),
    "contraction 0.5 (0.45), both ends": ("contraction", 0.5, 0.45, beta(0.5, 0.45)),
    "contraction 0.02 (0.01)": ("contraction", 0.02, 0.01, beta(0.02, 0.01)),
    "adoption 0.15 (0.1)": ("adoption", 0.15, 0.1, lognormal(0.15, 0.1)),
    "adoption 0.2 (0.6), a long tail": ("adoption", 0.2, 0.6, lognormal(0.2, 0.6)),
    "contraction 0.18 (0.34), near the most there can be": (
        "contraction",
        0.18,
        0.34,
        beta(0.18, 0.34),
    ),
    "contraction 0.01 (0.03)": ("contraction", 0.01, 0.03, beta(0.01, 0.03)),
    "contraction 0.18 (0.0001)": ("contraction", 0.18, 1e-4, beta(0.18, 1e-4)),
    "cross-sell 3 (0.1)": ("cross_sell", 3.0, 0.1, lognormal(3.0, 0.1)),
}


def bits(count: int) -> np.ndarray:
    return np.random.default_rng(SEED).integers(0, 2**64, count, dtype=np.uint64)


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name):
    kind, mean, sd, truth = SIZES[name]
    none = {other: np.zeros((1, 2)) for other in ("contraction", "adoption", "cross_sell")}
    tables, used = size_tables(none | {kind: np.array([[mean, sd]])})
    assert used.sum() == 1
    table = tables[list(none).index(kind), 0]
    sample = np.array([kernel._size(table, each) for each in bits(COUNT)])
    assert_drawn_from(sample, truth, high=MOST_LOST if kind == "contraction" else np.inf)
    exact = quantiles(truth)
    assert truth.mean() == pytest.approx(mean)
    assert truth.std() == pytest.approx(sd)
    assert np.quantile(sample, 0.99) == pytest.approx(np.quantile(exact, 0.99), rel=0.03)


def test_uniform_and_exponential_numbers():
    uniform = np.array([random_bits.uniform(each) for each in bits(COUNT)])
    assert_drawn_from(uniform, stats.uniform())
    assert_drawn_from(
        np.array([random_bits.exponential(each) for each in bits(COUNT)]), stats.expon()
    )


def arrivals(key: int, count: int) -> np.ndarray:
    times, begin, found = np.empty(kernel.BUFFER), 0.0, []
    for drawn in range(0, count, kernel.BUFFER):
        kernel._refill(times, begin, drawn, np.uint64(key))
        begin = times[-1]
        found.append(times.copy())
    return np.concatenate(found)


def test_arrivals_are_a_poisson_process():
    gaps = np.diff(arrivals(12345, COUNT), prepend=0.0)
    assert_drawn_from(gaps, stats.expon())
    for lag in (1, 2, kernel.BUFFER):
        assert abs(np.corrcoef(gaps[:-lag], gaps[lag:])[0, 1]) < Z / math.sqrt(COUNT)


def test_neighbouring_streams_hang_together_in_nothing():
    """Keys of neighbouring trials and drivers:
    their gaps, and the number of events in the first hundred cells.
    """
    keys = random_bits.mix.py_func(np.uint64(7) + kernel._TRIAL * np.arange(400, dtype=np.uint64))
    gaps = np.array([np.diff(arrivals(int(key), 256), prepend=0.0) for key in keys])
    correlation = np.corrcoef(gaps)[np.triu_indices(400, 1)]
    assert abs(correlation.mean()) < Z / math.sqrt(256 * len(correlation))
    assert correlation.std() == pytest.approx(1 / 16, rel=0.05)


# --- ties and shocks ------------------------------------------------------------------------------


def test_rank_correlations_of_the_copula():
    """Spearman's rho of a Gaussian copula is 6/pi arcsin(r/2)."""
    tied = [("a", "b", 0.6), ("b", "c", -0.4), ("a", "d", 0.3)]
    z = scores({name: slot for slot, name in enumerate("abcde")}, tied, count=COUNT, seed=SEED)
    wanted = {
        ("a", "b"): 0.6,
        ("b", "c"): -0.4,
        ("a", "c"): 0.0,
        ("a", "d"): 0.3,
        ("a", "e"): 0.0,
        ("c", "d"): 0.0,
    }
    for (one, other), r in wanted.items():
        found = stats.spearmanr(z[one], z[other]).statistic
        assert abs(found - 6 / math.pi * math.asin(r / 2)) < Z / math.sqrt(COUNT), (one, other)
    for name in "abcde":
        assert_drawn_from(z[name], stats.norm())


def test_an_impossible_set_is_repaired_to_the_nearest():
    """Higham 2002, section 4: the nearest correlation matrix of a tridiagonal one has 0.7607
    and 0.1573.
    """
    names, matrix, change = beliefs.correlation_matrix(
        [("a", "b", 1.0), ("b", "c", 1.0), ("a", "c", 0.0)]
    )
    assert names == ["a", "b", "c"]
    assert matrix[0, 1] == pytest.approx(0.7607, abs=5e-5)
    assert matrix[0, 2] == pytest.approx(0.1573, abs=5e-5)
    assert change == pytest.approx(1 - 0.7607, abs=5e-5)
    assert np.linalg.eigvalsh(matrix)[0] > 0
    assert np.diag(matrix) == pytest.approx(np.ones(3))
    assert beliefs.correlation_matrix([("a", "b", 0.5)])[2] == 0


def test_a_repair_is_said():
    plain = varied(12)["beliefs of every form, tied"].plain()
    plain["drivers"]["price"]["all"]["uplift"]["sd"] = 0.01  # else a notice says what is cut away
    assert nr.Scenario.of(plain).notices == ()
    plain["correlations"] = [
        ["churn.smb", "churn.mid", 0.9],
        ["churn.mid", "churn.big", 0.9],
        ["churn.smb", "churn.big", -0.9],
    ]
    (notice,) = nr.Scenario.of(plain).notices
    assert "nearest" in notice
    plain["correlations"] = [
        ["churn.smb", "contraction.all", 0.9],
        ["churn.smb", "adoption.big.size", 0.1],
    ]
    (notice,) = nr.Scenario.of(plain).notices
    assert "adoption.big.size is a plain number" in notice


@pytest.mark.parametrize("quasi", [False, True])
def test_one_belief_moves_no_other(quasi):
    def drawn(**slots):
        return scores(slots, [("a", "b", 0.5)], count=64, seed=SEED, quasi=quasi)

    few, many = drawn(a=2, b=9), drawn(a=2, b=9, c=40, d=1)
    assert all((few[name] == many[name]).all() for name in few)
    assert (drawn(a=2)["a"] == few["a"]).all()


def test_trials_can_be_drawn_in_parts():
    whole = scores({"a": 0, "b": 1}, [("a", "b", 0.5)], count=100, seed=SEED)
    rest = scores({"a": 0, "b": 1}, [("a", "b", 0.5)], count=60, seed=SEED, first=40)
    assert all((rest[name] == whole[name][40:]).all() for name in whole)


def test_a_common_shock_multiplies_every_segment_alike_and_keeps_the_mean():
    believed = nr.Scenario.of(
        {
            "book": segments(a=(1, 1, "monthly"), b=(1, 1, "annual")),
            "drivers": {
                "churn": {"a": 0.1, "b": 0.02},
                "adoption": {"all": {"rate": 0.5, "size": 0.1}},
            },
            "shock": {"churn": 0.4, "adoption": -0.2},
        }
    )
    rates = draw_rates(believed, believed.opening, count=COUNT, seed=SEED)
    factor = rates.churn[:, 0, 0] / 0.1
    assert rates.churn[:, 1, 0] / 0.02 == pytest.approx(factor)
    assert_drawn_from(factor, stats.lognorm(0.4, scale=math.exp(-0.08)))
    # one score for all drivers: the adoption's factor is a power of the churn's
    assert np.corrcoef(np.log(rates.adoption[:, 0]), np.log(factor))[0, 1] == pytest.approx(-1)
    assert factor.mean() == pytest.approx(1, abs=Z * factor.std() / math.sqrt(COUNT))


def of_years(**beta: object) -> nr.Scenario:
    drivers = {
        "churn": {"a": 0.1, "b": 0.02},
        "adoption": {"all": {"rate": 0.5, "size": {"between": [0.05, 0.2]}}},
    }
    book = segments(a=(1, 1, "monthly"), b=(1, 1, "annual"))
    return nr.Scenario.of({"book": book, "drivers": drivers, "year_effects": beta})


def test_a_year_effect_is_one_drivers_own_in_every_segment():
    believed = of_years(churn=0.4, adoption=0.2)
    rates = draw_rates(believed, believed.opening, count=COUNT, seed=SEED)
    churn, adoption = rates.churn[:, 0, 0] / 0.1, rates.adoption[:, 0] / 0.5
    assert rates.churn[:, 1, 0] / 0.02 == pytest.approx(churn)
    assert_drawn_from(churn, stats.lognorm(0.4, scale=math.exp(-0.08)))
    assert_drawn_from(adoption, stats.lognorm(0.2, scale=math.exp(-0.02)))
    assert abs(np.corrcoef(np.log(churn), np.log(adoption))[0, 1]) < Z / math.sqrt(COUNT)


@pytest.mark.parametrize(
    ("beta", "law"),
    [
        ({"dist": "beta", "a": 1.4, "b": 10}, stats.beta(1.4, 10)),
        ({"dist": "normal", "mean": 0, "sd": 0.3}, stats.halfnorm(scale=0.3)),
        ({"dist": "uniform", "min": 0, "max": 1}, stats.uniform()),
        ({"dist": "lognormal", "mean": 0.2, "sd": 0.001}, stats.norm(0.2, 0.001)),
    ],
)
def test_an_uncertain_year_effect_mixes_the_years_of_all_its_betas(beta, law):
    """Against draws of the beta and then of the year."""
    rng = np.random.default_rng(SEED)
    betas, z = law.rvs(COUNT, random_state=rng), rng.standard_normal(COUNT)
    two_steps = np.exp(betas * z - betas**2 / 2)
    believed = of_years(churn=beta)
    factor = draw_rates(believed, believed.opening, count=COUNT, seed=SEED).churn[:, 0, 0] / 0.1
    assert stats.ks_2samp(factor, two_steps).pvalue > 0.001
    evenly = draw_rates(believed, believed.opening, count=2**14, seed=SEED, quasi=True)
    assert evenly.churn[:, 0, 0].mean() == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("quasi", [False, True])
def test_a_year_effect_moves_no_other_draw(quasi):
    plain, uneven = of_years(), of_years(churn=0.3, cross_sell={"between": [0.1, 0.3]})
    before, after = (
        draw_rates(each, each.opening, count=64, seed=SEED, quasi=quasi) for each in (plain, uneven)
    )
    assert (before.adoption_size == after.adoption_size).all()
    alone = draw_rates(of_years(churn=0.3), plain.opening, count=64, seed=SEED, quasi=quasi)
    assert (alone.churn == after.churn).all()
    slots = slots_of(varied(12)["years that differ, driver by driver"])
    assert len(set(slots.values())) == len(slots) > 6


def test_a_year_effect_of_none_is_certain():
    assert draw_rates(of_years(churn=0), of_years().opening, count=9, seed=SEED).churn.size == 2 * 9
    notices = of_years(churn={"dist": "normal", "mean": 0, "sd": 0.2}).notices
    assert notices == (
        "year_effects.churn: 50.0% of this distribution lies outside 0.0% to 200.0% and is cut"
        " away: it acts with a mean of 16.0%, not 0.0%",
    )


def test_a_belief_for_all_segments_is_one_belief():
    believed = varied(12)["beliefs of every form, tied"]
    rates = draw_rates(believed, believed.opening, count=50, seed=SEED)
    assert (rates.contraction[:, 0] == rates.contraction[:, 2]).all()
    assert len(np.unique(rates.contraction[:, 0])) == 50
    assert (rates.adoption[:, 0] == rates.adoption[:, 1]).all()
    assert not (rates.adoption[:, 0] == rates.adoption[:, 2]).any()


@pytest.mark.parametrize(
    ("belief", "is_told"),
    [
        ({"dist": "lognormal", "mean": 0.002, "sd": 1.0}, True),
        ({"dist": "normal", "mean": 0.05, "sd": 0.05}, True),
        ({"dist": "normal", "mean": 0.2, "sd": 0.02}, False),
        ({"dist": "lognormal", "mean": 0.1, "sd": 0.02}, False),
    ],
)
def test_another_mean_that_acts_is_said_however_little_is_cut(tmp_path, belief, is_told):
    """A heavy tail moves the mean with little of its mass: 0.002 acts as 0.001."""
    file = tmp_path / "s.yaml"
    book = "book: {arr: 1200, segments: {smb: {share: 1, customers: 12}}}"
    file.write_text(f"title: t\n{book}\ndrivers: {{price: {{all: {{uplift: {belief}}}}}}}\n")
    notices = nr.read_scenario(file).notices
    assert any("it acts with a mean of" in each for each in notices) == is_told
