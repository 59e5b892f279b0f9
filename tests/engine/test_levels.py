"""Accounts that differ within a segment: against a recursion by hand, and what must not change."""

import numpy as np
import pandas as pd
import pytest
from scenarios import differing, segments, varied, with_multipliers

import nrrsim as nr
from nrrsim.accounts.worth import worth
from nrrsim.engine.draws import SEED
from nrrsim.engine.driver_rates import draw_rates
from nrrsim.engine.levels import mean_rates, staying, without_levels

FLOWS = ("churn", "contraction", "adoption", "cross_sell", "price", "reactivation")


CERTAIN = {
    "book": segments(smb=(3, 9, "monthly", 0.8), mid=(4, 14, "annual", 0.5, 1.5)),
    "drivers": {
        "churn": {"smb": 0.4, "mid": {"by_tenure": [0.3, 0.2, 0.1]}},
        "contraction": {"all": {"rate": 0.9, "size": 0.2}},
        "adoption": {"smb": {"rate": 2.5, "size": 0.1}, "mid": {"rate": 0.4, "size": 0.3}},
        "cross_sell": {"mid": {"rate": 0.2, "size": {"mean": 0.15, "sd": 0.1}}},
        "price": {"all": {"uplift": 0.06, "acceptance": 0.7, "churn_per_point": 0.8}},
        "reactivation": {"all": {"rate": 0.3, "size": 0.8}},
    },
}


def by_hand(customers, months: int) -> pd.DataFrame:
    """Each customer of CERTAIN by itself, month by month, its level found by bisection."""
    drivers, annual = CERTAIN["drivers"], {"smb": False, "mid": True}

    def churn(i: int, t: int) -> float:
        name = customers.segments[customers.segment[i]]
        year = int((customers.tenure[i] + t - 1) / 12 + 1e-9)
        rate = 0.4 if name == "smb" else drivers["churn"]["mid"]["by_tenure"][min(year, 2)]
        is_due = (t - customers.anniversary[i]) % 12 == 0
        c = (rate if is_due else 0.0) if annual[name] else 1 - (1 - rate) ** (1 / 12)
        return min(1.0, c + (0.8 * 0.06 if is_due else 0.0))

    there = np.array(
        [np.cumprod([1 - churn(i, t) for t in range(1, 13)]) for i in range(len(customers.segment))]
    )
    own = np.empty_like(customers.multipliers)
    for n in range(len(customers.segments)):
        mine = customers.segment == n
        stated, stays = customers.multipliers[mine], there[mine]
        low, high = 1e-6, 1e6
        for _ in range(200):
            level = np.sqrt(low * high)
            too_many = (stays[:, -1] ** (stated[:, 0] / level)).sum() < stays[:, -1].sum()
            low, high = (level, high) if too_many else (low, level)
        own[mine, 0] = stated[:, 0] / level
        weight = (stays ** own[mine, :1]).sum(axis=1)
        own[mine, 1:] = stated[:, 1:] / (weight @ stated[:, 1:] / weight.sum())

    rows = []
    for i in range(len(customers.segment)):
        name = customers.segments[customers.segment[i]]
        mine = {driver: each.get(name, each.get("all")) for driver, each in drivers.items()}
        a = customers.arr[i]
        away, still, moved = 0.0, 1.0, dict.fromkeys(FLOWS, 0.0)
        back = 1 - (1 - 0.3) ** (1 / 12)
        for t in range(1, months + 1):
            c = 1 - (1 - churn(i, t)) ** own[i, 0]
            lost, still = c * a, still * (1 - c)
            moved["churn"] += lost
            a -= lost
            steps = [("price", 0.7 * 0.06 if (t - customers.anniversary[i]) % 12 == 0 else 0.0)]
            for driver, at in (("contraction", 2), ("adoption", 1), ("cross_sell", 1)):
                if mine[driver] is not None:
                    size = mine[driver]["size"]
                    size = size["mean"] if isinstance(size, dict) else size
                    often = min(own[i, at] * mine[driver]["rate"], 12) / 12
                    steps.append((driver, often * size * (-1 if driver == "contraction" else 1)))
            for driver, rise in steps:
                moved[driver] += abs(rise) * a
                a *= 1 + rise
            moved["reactivation"] += 0.8 * back * away
            a += 0.8 * back * away
            away = away * (1 - back) + lost
        rows.append({"arr": customers.arr[i], **moved, "closing": a, "p_leave": 1 - still})
    return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="customer"))


@pytest.mark.parametrize("months", [1, 7, 12, 30])
def test_each_account_is_its_own_recursion(months):
    scenario = differing(nr.Scenario.of({**CERTAIN, "months": months}))
    truth = by_hand(scenario.opening, months)
    pd.testing.assert_frame_equal(worth(scenario, months), truth, rtol=1e-9)
    expected = nr.expect(scenario)
    for name in FLOWS:
        assert float(expected.over(name).sum()) == pytest.approx(truth[name].sum(), rel=1e-9)
    assert float(expected["customers"].sel(month=expected.months[-1]).sum()) > 0


@pytest.mark.parametrize("name", sorted(varied(14)))
def test_as_many_leave_as_by_the_segments_rate_and_levels_do_not_matter(name):
    plain = nr.Scenario.of({**varied(14)[name].plain(), "programmes": {}})
    scenario = differing(plain)
    customers = scenario.opening
    acting = without_levels(scenario, customers)
    own = staying(mean_rates(scenario), customers)
    for n in range(len(customers.segments)):
        mine = customers.segment == n
        stays = own[-1, mine]
        assert (stays ** acting[mine, 0]).sum() == pytest.approx(stays.sum(), abs=1e-9)
        # who is still there has as many events, on average, as the segment's rate says
        months = (own[:, mine] ** acting[mine, 0]).sum(axis=0)
        if months.any():
            assert np.average(acting[mine, 1:], axis=0, weights=months) == pytest.approx(1)
    stated = customers.multipliers * np.array([7.3, 0.02, 40])
    elsewhere = with_multipliers(plain, stated)
    assert without_levels(elsewhere, elsewhere.opening) == pytest.approx(acting, rel=1e-9)


@pytest.mark.parametrize("name", ["beliefs of every form, tied", "newcomers", "at the edges"])
@pytest.mark.parametrize("book", [False, True])
def test_who_is_alike_is_as_without_accounts_to_the_bit(name, book):
    plain = varied(12)[name]
    alike = np.array([0.5, 3.0, 7.0])[plain.opening.segment % 3][:, None] * [1.0, 2.0, 1 / 3]
    same = with_multipliers(plain, alike)
    asked = {"window": (3, 12), "book": book, "draws": 64}
    one, other = nr.expect(plain, **asked), nr.expect(same, **asked)
    assert one.data.identical(other.data)
    assert not same.opening.differ
    assert nr.simulate(same, 20).data.identical(nr.simulate(plain, 20).data)


def test_beliefs_are_averaged_over_their_draws():
    """One draw at a time, each with the multipliers of the means."""
    book = segments(a=(1, 6, "monthly", 0.5), b=(1, 5, "annual", 0.2))
    drivers = {
        "churn": {"a": {"between": [0.1, 0.4]}, "b": 0.2},
        "adoption": {"all": {"rate": {"between": [0.2, 0.9]}, "size": 0.2}},
    }
    scenario = differing(nr.Scenario.of({"book": book, "drivers": drivers}))
    rates = draw_rates(scenario, scenario.opening, count=8, seed=SEED, quasi=True)
    acting = without_levels(scenario, scenario.opening)
    closing = []
    for k in range(8):
        sure = scenario.opening
        total = 0.0
        for i in range(len(sure.arr)):
            segment, amount = sure.segment[i], sure.arr[i]
            for t in range(1, 13):
                rate = rates.churn[k, segment, 0]
                is_due = (t - sure.anniversary[i]) % 12 == 0
                c = 1 - (1 - rate) ** (1 / 12) if segment == 0 else rate * is_due
                amount *= (1 - c) ** acting[i, 0]
                amount *= 1 + min(rates.adoption[k, segment] * acting[i, 1], 12) / 12 * 0.2
            total += amount
        closing.append(total)
    told = nr.expect(scenario, draws=8)["closing"].sum("segment")[-1]
    assert float(told) == pytest.approx(np.mean(closing), rel=1e-12)


def test_the_spread_of_accounts_is_that_of_each():
    """After one month, by the second moment of one customer: it may leave, and may grow once."""
    drivers = {"churn": {"all": 0.5}, "adoption": {"all": {"rate": 3, "size": 0.4}}}
    book = segments(a=(1, 7, "monthly", 0.9))
    scenario = differing(nr.Scenario.of({"book": book, "drivers": drivers, "months": 1}))
    hazard, often, _ = without_levels(scenario, scenario.opening).T
    stays, grows = 0.5 ** (hazard / 12), np.minimum(3 * often, 12) / 12
    mean, square = stays * (1 + grows * 0.4), stays * (1 + grows * (1.4**2 - 1))
    variance = (scenario.opening.arr**2 * (square - mean**2)).sum()
    told = nr.deviation(scenario).sel(segment="all")[-1]
    assert float(told) == pytest.approx(np.sqrt(variance))


def test_thousands_of_accounts_are_the_sum_of_each():
    """More than move together at a time; fewer draws then, which are even, too."""
    book = segments(smb=(1, 1_500, "monthly", 0.8), mid=(1, 1_000, "annual", 0.5, 1.5))
    scenario = differing(nr.Scenario.of({**CERTAIN, "book": book}))
    told, exact = worth(scenario), nr.expect(scenario)
    for name in FLOWS:
        assert float(exact.over(name).sum()) == pytest.approx(told[name].sum(), abs=0.005)
    churn = {"smb": {"between": [0.2, 0.6]}, "mid": {"between": [0.1, 0.3]}}
    believed = scenario.with_({"drivers.churn": churn, "months": 3})
    few, many = (float(nr.nrr(nr.expect(believed, draws=each))) for each in (None, 4096))
    assert few == pytest.approx(many, abs=1e-4)
    assert few == float(nr.nrr(nr.expect(believed, draws=1024)))


def test_newcomers_have_their_segments_rates():
    new = {"a": {"arr": 60_000, "customers": 24}}
    values = {"book": segments(a=(1, 10, "monthly", 0.5)), "drivers": {"churn": {"a": 0.4}}}
    plain = nr.Scenario.of({**values, "new_business": new, "months": 24})
    book = nr.expect(differing(plain), book=True), nr.expect(plain, book=True)
    cohort = nr.expect(differing(plain)), nr.expect(plain)
    later = [
        float((b["closing"] - c["closing"]).sum("segment")[-1])
        for b, c in zip(book, cohort, strict=True)
    ]
    assert later[0] == pytest.approx(later[1], rel=1e-12)


def test_no_level_can_make_up_for_too_many_who_never_leave():
    base = nr.Scenario.of(
        {"book": segments(smb=(1, 10, "monthly")), "drivers": {"churn": {"all": 0.5}}}
    )
    hazard = np.ones((10, 3))
    hazard[:6, 0] = 0
    with pytest.raises(nr.UsageError, match=r"0 for 6 customers of smb, .* only 5\.0 of all 10"):
        nr.expect(with_multipliers(base, hazard))
    hazard[4:6, 0] = 1e-6
    assert float(nr.logo(nr.expect(with_multipliers(base, hazard)))) == pytest.approx(0.5)
