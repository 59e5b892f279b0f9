"""The overview of several reports: what is added, what is not, and in which order it is told."""

import numpy as np
import pandas as pd
import pytest
from portfolios import manifest, numbers_of, of_parts

import nrrsim as nr
from nrrsim.analysis.portfolio import attention
from nrrsim.errors import UsageError
from nrrsim.report.charts import portfolio as drawn
from nrrsim.report.wording import portfolio as words
from nrrsim.report.wording.portfolio import SENTENCES

SIGNED = {"contraction": -1, "churn": -1}


@pytest.fixture(scope="module")
def segments(tmp_path_factory):
    made, whole = of_parts(tmp_path_factory.mktemp("made"), "segment")
    sums = {"column": "segment", "whole": whole, "currency": "USD", "target": 1.1}
    return nr.portfolio(nr.reports_of(made), **sums)


def companies(folder, *said):
    """Companies of a customer each that pays 100 a month and then so much, in their currencies."""
    made = []
    for name, then, currency in said:
        months = pd.period_range("2025-01", "2026-03", freq="M").astype(str)
        rows = {"customer": "A", "month": months, "mrr": [*[100.0] * 14, then], "segment": "all"}
        past = nr.actuals(
            nr.read_ledger(pd.DataFrame(rows), currency=currency), "2026-03", target=1.0
        )
        made.append(manifest(folder, name, numbers_of(past)))
    return nr.reports_of(made)


def test_parts_tie_to_the_ledger_line_by_line(segments):
    totals = segments.totals().set_index("figure")
    assert totals["difference"].abs().max() < 0.005
    cohort = segments.whole.cohort
    for figure, row in totals.iterrows():
        own = SIGNED.get(figure, 1) * float(cohort.amount(figure))
        assert row["whole"] == pytest.approx(own, abs=0.005)
        assert row["entities"] == pytest.approx(own, abs=0.005)
    assert segments.checks()["holds"].all()
    assert segments.record()["ties"]


def test_a_part_that_is_left_out_stands_as_such(segments):
    some = [each for each in segments.found if each["name"] != "smb"]
    sums = {"column": "segment", "whole": segments.whole, "currency": "USD"}
    p = nr.portfolio(some, {"smb": "line 3: wrong"}, **sums)
    totals = p.totals().set_index("figure")
    assert totals.at["opening", "others"] > 0
    assert totals["difference"].abs().max() < 0.005
    assert p.without()["failed"].tolist() == [True]
    # all of those that are here, and not the whole ledger
    assert not p.is_all
    assert p.together["arr"] == pytest.approx(sum(each["company_closing"] for each in some))
    opening, closing = (sum(each[name] for each in some) for name in ("opening", "closing"))
    assert p.together["nrr"] == pytest.approx(closing / opening)
    assert segments.is_all
    assert "could not be made: smb" in str(nr.say("missing", p).bundle["text/plain"])


def test_a_figure_that_was_changed_does_not_tie(segments):
    first, *rest = segments.found
    wrong = [{**first, "opening": first["opening"] + 1.0}, *rest]
    sums = {"column": "segment", "whole": segments.whole, "currency": "USD"}
    checks = nr.portfolio(wrong, **sums).checks()
    assert not checks["holds"].all()
    assert "What does not tie" in str(
        nr.say("checks", nr.portfolio(wrong, **sums)).bundle["text/plain"]
    )


def test_what_matters_most_stands_first(segments):
    frame = segments.frame()
    assert frame["at_stake"].is_monotonic_decreasing
    assert np.allclose(frame["at_stake"], frame["arr"] * (1.1 - frame["nrr"]))
    assert frame["name"].iloc[0] == "smb"
    assert frame["among"].iloc[0] == "below p25"
    trend = segments.trend()
    assert set(trend["name"]) == set(frame["name"])
    ends = trend.groupby("name")["nrr"]
    last, before = ends.nth(-1).to_numpy(), ends.nth(-2).to_numpy()
    assert np.allclose(last, frame["nrr"])
    assert np.allclose(last - before, frame["change"])


def test_every_sentence_is_said(segments):
    for name in SENTENCES:
        said = str(nr.say(name, segments).bundle["text/plain"])
        assert "nan" not in said
    overview = words.with_total(words.entities(segments), segments)
    assert overview["name"].iloc[-1] == "All"
    assert overview["nrr"].iloc[-1] == segments.whole.now.nrr
    assert (
        words.kind_of(nr.portfolio(segments.found, column="industry"), several=True) == "industries"
    )
    for chart in (drawn.sparklines(words.lines(segments)), drawn.standings(words.ranges(segments))):
        assert chart.to_dict()["description"].startswith("NRR")


RATES = "month,currency,rate\n2025-03,EUR,1.25\n2026-03,EUR,9\n"


def test_companies_are_added_at_the_rates_of_the_windows_start(tmp_path):
    (tmp_path / "rates.csv").write_text(RATES)
    found = companies(tmp_path, ("Acme", 50.0, "USD"), ("Birch", 200.0, "EUR"))
    p = nr.portfolio(found, currency="USD", rates=tmp_path / "rates.csv")
    totals = p.totals().set_index("figure")["entities"]
    assert totals["opening"] == 1200 + 1200 * 1.25
    assert totals["closing"] == 600 + 2400 * 1.25
    assert p.together["nrr"] == pytest.approx((600 + 3000) / (1200 + 1500))
    assert p.checks()["holds"].all()
    assert "USD are converted at the rates of March 2025" in str(
        nr.say("totals", p).bundle["text/plain"]
    )
    assert words.entities(p)["arr_text"].tolist() == ["$600", "€2.40K"]


@pytest.mark.parametrize("rates", [None, "month,currency,rate\n2025-03,GBP,1.25\n"])
def test_companies_in_currencies_without_a_rate_are_not_added(tmp_path, rates):
    found = companies(tmp_path, ("Acme", 50.0, "USD"), ("Birch", 200.0, "EUR"))
    file = tmp_path / "rates.csv"
    if rates:
        file.write_text(rates)
    p = nr.portfolio(found, currency="USD", rates=file if rates else None)
    assert p.apart == "rates"
    assert p.totals().empty
    assert p.together["arr"] is None
    assert "not added" in str(nr.say("totals", p).bundle["text/plain"])
    assert [*p.frame()["name"]] == ["Acme", "Birch"]  # by the distance alone
    assert words.with_total(words.entities(p), p)["name"].tolist() == ["Acme", "Birch"]


def test_reports_of_different_terms_are_not_added(tmp_path):
    found = companies(tmp_path, ("Acme", 50.0, "USD"), ("Birch", 200.0, "USD"))
    assert nr.portfolio([found[0], {**found[1], "definition": "flow"}]).apart == "terms"
    assert nr.portfolio([found[0], {**found[1], "as_of": "2026-02"}]).apart == "months"
    assert nr.portfolio(found).apart == ""


CALM = {
    "books_close": True,
    "nrr": 1.2,
    "grr": 0.95,
    "target": 1.1,
    "window": 12,
    "forecast": {"p_target": 0.9},
    "trend": [{"month": "2026-06", "nrr": 1.2}, {"month": "2026-09", "nrr": 1.2}],
}


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({}, ""),
        ({"books_close": False}, "books"),
        ({"before": {"restated": {"nrr": {}}}}, "restated"),
        ({"grr": 0.8}, "leaky"),
        ({"nrr": 1.0, "forecast": {"p_target": 0.3}}, "unlikely"),
        ({"trend": [{"month": "2026-06", "nrr": 1.3}, {"month": "2026-09", "nrr": 1.2}]}, "fell"),
        ({"nrr": 0.95, "grr": 0.8, "target": None}, "fell"),
        ({"nrr": 1.05}, "fell"),
        ({"forecast": {"p_target": 0.3}}, "ahead"),
        ({"forecast": None}, ""),
    ],
)
def test_what_needs_attention_first(said, kind):
    assert attention({**CALM, **said}).kind == kind


def test_a_manifest_that_was_changed_is_refused(tmp_path):
    (path, *_), _ = of_parts(tmp_path, "segment")
    with open(path, "r+") as file:
        text = file.read().replace('"nrr": 1.', '"nrr": 2.', 1)
        file.seek(0)
        file.write(text)
    with pytest.raises(UsageError, match="was changed after it was written"):
        nr.reports_of([path])
    with pytest.raises(UsageError, match="no report's manifest"):
        nr.reports_of([tmp_path / "none.json"])
    with pytest.raises(UsageError, match="there is none"):
        nr.portfolio([])
