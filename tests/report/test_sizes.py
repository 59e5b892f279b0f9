"""The report's second split: bands from small to large, another column, none; and what is said below it."""

import altair as alt
import pandas as pd
import pytest
from conftest import ROOT, said_of

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals
from nrrsim.report.wording import quarterly, sizes

EXAMPLE = ROOT / "nrrsim" / "data" / "meridian.csv"
BANDS = ["Below $10K", "$10K to $50K", "$50K to $100K", "$100K to $1M", "Above $1M"]


@pytest.fixture(scope="module")
def past():
    return Actuals(nr.read_ledger(EXAMPLE, currency="USD"), "2026-09")


def plain(text: str) -> str:
    return text.replace("\\", "").replace("<span>$</span>", "$")


def test_bands_stand_from_small_to_large_and_add_up_to_all(past):
    parts = sizes.parts(past)
    assert parts["name"].tolist() == BANDS
    whole = quarterly.with_total(parts, past)
    for column in ("customers", "opening", "closing", "effect"):
        assert whole[column].iloc[:-1].sum() == pytest.approx(whole[column].iloc[-1])
    assert sizes.heading(past) == "Size"
    assert sizes.parts(past, "size").equals(parts)


def test_picture_and_frame_stand_by_name(past):
    parts = sizes.parts(past)
    chart = nr.charts.segment_bars(parts.rename(columns={"name": "segment"}), "Q2 2026")
    assert isinstance(parts, pd.DataFrame)
    assert isinstance(chart, alt.TopLevelMixin)
    assert "$10K to $50K: NRR 95.3%" in chart.to_dict()["description"]


def test_another_column_stands_by_size_of_its_parts(past):
    parts = sizes.parts(past, "industry")
    assert parts["opening"].is_monotonic_decreasing
    assert sizes.heading(past, "industry") == "Industry"
    said = plain(nr.say("parts_heading", past, beside="industry").bundle["text/markdown"])
    assert said == "## By industry"
    # the line of large customers does not depend on what NRR is split by
    told = plain(nr.say("parts", past, beside="industry").bundle["text/markdown"])
    assert told.startswith(
        "The 108 customers above $100K of ARR in September 2025 were 72.4% of ARR"
    )


def test_segments_are_not_split_by_once_more(past):
    assert sizes.parts(past, "segment") is None
    assert nr.say("parts", past, beside="segment").bundle["text/plain"] == ""
    assert nr.say("parts_heading", past, beside="segment").bundle["text/plain"] == ""


def test_the_large_are_counted_then_and_now_by_hand(past):
    """Customers of 2025-09 and of 2026-09 with twelve times their MRR at 100,000 or more."""
    frame = pd.read_csv(EXAMPLE).assign(arr=lambda rows: 12 * rows["mrr"])
    then, now = (
        frame[frame["month"] == month].set_index("customer")["arr"]
        for month in ("2025-09", "2026-09")
    )
    large, today = then[then >= 100_000], now[now >= 100_000]
    told = past.large()
    assert (told["customers"], told["now"]) == (len(large), len(today))
    assert told["share"] == pytest.approx(large.sum() / then.sum())
    assert told["share_now"] == pytest.approx(today.sum() / now.sum())
    assert told["nrr"] == pytest.approx(now.reindex(large.index).sum() / large.sum())
    said = plain(said_of(past, "parts"))
    assert f"were {large.sum() / then.sum():.1%} of ARR and have NRR of {told['nrr']:.1%}" in said
    assert f"the count is {len(today)} ({today.sum() / now.sum():.1%} of ARR)" in said
    assert past.record()["large"] == told


SIZED = "customer,month,arr,size\nA,2024-12,20000,S\nB,2024-12,9000,M\nA,2025-12,20000,S\nB,2025-12,9900,M\n"


def test_a_column_size_of_the_ledgers_own_asks_nothing_of_a_report_that_does_not_name_it(write):
    past = Actuals(nr.read_ledger(write(SIZED), currency="EUR"), "2025-12")
    assert sizes.parts(past)["name"].tolist() == ["Below €10K", "€10K to €50K"]
    with pytest.raises(nr.DataError, match="say --size-bands none for the column"):
        sizes.parts(past, "size")
    of_column = Actuals(nr.read_ledger(write(SIZED), size_bands="none"), "2025-12")
    assert sizes.parts(of_column) is None
    assert of_column.large() is None
    assert sizes.parts(of_column, "size")["name"].tolist() == ["S", "M"]
    assert sizes.heading(of_column, "size") == "Size"
    assert "above" not in said_of(of_column, "parts")
