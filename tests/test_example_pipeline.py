"""The example's pipeline: what its script writes, with the truth it states."""

import pandas as pd
import pytest

import nrrsim as nr
from nrrsim.accounts.opportunities import read_opportunities
from nrrsim.accounts.stages import resolved, stage_rates
from nrrsim.data import make_pipeline
from nrrsim.data.make_meridian import LAST
from tests.test_example import DATA

FILE = DATA / "meridian_pipeline.csv"


@pytest.fixture(scope="module")
def ledger():
    return nr.read_ledger(DATA / "meridian.csv")


@pytest.fixture(scope="module")
def found(ledger):
    return read_opportunities(FILE, ledger, "2026-09")


def test_the_script_writes_the_committed_file_byte_for_byte():
    assert make_pipeline.pipeline().encode("utf-8") == FILE.read_bytes()
    assert FILE.stat().st_size < 120_000


def test_of_each_batch_the_true_share_comes():
    who = make_pipeline.buyers()
    for snapshot in make_pipeline.SNAPSHOTS:
        made = list(make_pipeline.batches(who, snapshot))
        for stage, rate in make_pipeline.RATES.items():
            own = [each.comes for name, each in made if name == stage]
            is_ahead = stage == "Discovery" and snapshot == LAST  # of 2027, which nobody knows
            assert len(own) == make_pipeline.BATCH[stage]
            assert sum(own) / len(own) == (0 if is_ahead else rate)


def test_the_ledger_has_each_sale_and_none_that_was_lost(ledger, found):
    """By number the shares that became expansion are the true ones, of all that is resolved."""
    rows = resolved(found, ledger)
    for stage, rate in make_pipeline.RATES.items():
        own = rows[rows["stage"] == stage]
        whole = own["became"] >= 0.999 * own["arr"]
        assert set(own["became"][~whole]) == {0.0}
        assert whole.mean() == rate


def test_the_true_rates_lie_in_what_is_learnt_and_what_sales_says_above(ledger, found):
    rates = stage_rates(found, ledger).set_index("stage")
    assert set(rates["basis"]) == {"learnt"}
    for stage, rate in make_pipeline.RATES.items():
        assert rates["low"][stage] < rate < rates["high"][stage]
        assert float(make_pipeline.SAID[stage].rstrip("%")) / 100 > rates["rate"][stage]


def test_nine_in_ten_renewals_have_an_opportunity(ledger):
    sold = nr.pipeline(ledger, FILE, "2026-09")
    frame = sold.renewals()
    assert 0.85 < frame["covered"].mean() < 0.97
    assert (frame["arr"].dropna() - frame["due"][frame["covered"]]).abs().max() <= 0.5


def test_the_slips_of_every_crm_are_in_it(ledger):
    sold = nr.pipeline(ledger, FILE, "2026-09")
    apart = sold.apart().set_index("what")["opportunities"].to_dict()
    assert {"left", "unknown", "overdue", "no amount", "new", "won", "lost", "renewal"} == set(
        apart
    )
    (stranger,) = sold.unknown().to_dict("records")
    assert stranger["did_you_mean"] == stranger["customer"].removesuffix(" Group")
    rows = pd.read_csv(FILE)
    last = rows[rows["snapshot"] == "2026-09-30"]
    assert len(last) == len(sold.counted) + sum(apart.values())
