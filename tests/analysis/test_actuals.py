"""A report's answers, against ledgers small enough to work out by hand, and each other."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import ROOT, said_of
from scipy import stats

import nrrsim as nr
from nrrsim.analysis.actuals import PARTS, Actuals
from nrrsim.analysis.customers import interval
from nrrsim.errors import UsageError
from nrrsim.ledger.check import profile
from nrrsim.report.wording import quarterly

MERIDIAN = ROOT / "nrrsim" / "data" / "meridian.csv"


@pytest.fixture(scope="module")
def meridian():
    return Actuals(nr.read_ledger(MERIDIAN), "2026-09", target=1.10)


def test_the_books_close(meridian):
    checks = meridian.checks()
    assert checks["holds"].all()
    assert (checks["difference"] < 0.005).all()


def test_the_checks_can_fail(meridian, monkeypatch):
    broken = meridian.cohort.arrays["churn"].copy()
    broken[0, 0] += 1.0
    cohort = replace(meridian.cohort, arrays={**meridian.cohort.arrays, "churn": broken})
    assert not cohort.books_close()
    monkeypatch.setitem(meridian.__dict__, "cohort", cohort)
    assert not meridian.checks()["holds"].all()
    assert "do not close" in said_of(meridian, "checks")


def test_bridges_begin_and_end_where_they_should(meridian):
    for frame, moves in (
        (meridian.bridge(), meridian.cohort),
        (meridian.company_bridge(), meridian.book),
    ):
        assert frame["amount"].iloc[0] == pytest.approx(float(moves.over("opening").sum()))
        assert frame["end"].iloc[-2] == pytest.approx(frame["amount"].iloc[-1])
        assert (frame["end"] - frame["start"]).iloc[1:-1].values == pytest.approx(
            frame["amount"].iloc[1:-1].values
        )
    assert "new" not in set(meridian.bridge()["step"])
    company = meridian.company_bridge()
    latest = meridian.ledger.customers("2026-09")["arr"].sum()
    assert company["amount"].iloc[-1] == pytest.approx(latest)


def test_trend_and_headline_agree(meridian):
    trend = meridian.trend()
    assert trend["month"].tolist()[-2:] == ["2026-06", "2026-09"]
    assert len(trend) == 8
    for row in trend.itertuples():
        assert row.nrr == pytest.approx(nr.measure(meridian.ledger, row.month).nrr)


def test_a_window_that_nobody_starts_is_refused(write):
    path = write("customer,month,arr\nA,2024-12,9\nA,2025-03,0\nB,2025-06,9\nB,2025-09,9\n")
    said = "no customer had revenue in March 2025, where the window of 6 months to 2025-09 starts"
    with pytest.raises(nr.UsageError, match=said):
        nr.actuals(str(path), "2025-09", 6)


def test_splits_add_up_to_the_whole(meridian):
    for by in (
        "segment",
        "industry",
        "region",
        "plan",
        "cohort_year",
        "cohort_quarter",
        "cohort_month",
    ):
        frame = meridian.split(by)
        assert frame["opening"].sum() == pytest.approx(meridian.summary()["opening"])
        assert (frame["nrr"] * frame["opening"]).sum() / frame["opening"].sum() == pytest.approx(
            meridian.now.nrr
        )
        assert frame["effect"].sum() == pytest.approx(meridian.now.nrr - 1)


@pytest.mark.parametrize("definition", nr.DEFINITIONS)
def test_definitions_add_up(meridian, definition):
    row = meridian.definitions().set_index("definition").loc[definition]
    assert sum(row[part] for part in PARTS) == pytest.approx(row["difference"], abs=1e-12)
    assert row["nrr"] == pytest.approx(nr.measure(meridian.ledger, "2026-09", 12, definition).nrr)


def test_movers_are_the_largest(meridian):
    movers = nr.movers(meridian, 5)
    opening = meridian.ledger.customers("2025-09")["arr"]
    change = meridian.ledger.customers("2026-09")["arr"].reindex(opening.index).fillna(0) - opening
    assert movers["change"].tolist() == pytest.approx(
        [*change.nlargest(5).tolist(), *change.nsmallest(5).tolist()]
    )
    assert change.sum() / opening.sum() == pytest.approx(meridian.now.nrr - 1)


def test_concentration_by_hand(write):
    ledger = nr.read_ledger(
        write("customer,month,arr\nA,2025-01,50\nB,2025-01,30\nC,2025-01,20\nA,2025-02,1\n")
    )
    frame = nr.concentration(
        Actuals(
            nr.read_ledger(
                write(
                    "customer,month,arr\n"
                    + "".join(
                        f"{name},{month},{arr}\n"
                        for month in ("2025-01", "2025-02")
                        for name, arr in (("A", 50), ("B", 30), ("C", 20))
                    )
                )
            ),
            "2025-02",
            1,
        )
    )
    assert frame["arr_share"].tolist() == pytest.approx([0, 0.5, 0.8, 1])
    assert frame["customers_share"].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert profile(ledger)["largest_share"] == 1


RENEWALS = """customer,month,arr,renewal
A,2024-12,100,2025-03
A,2025-01,100,2025-03
A,2025-02,100,2025-03
A,2025-03,120,2026-03
A,2025-04,120,2026-03
B,2024-12,50,2025-04
B,2025-01,50,2025-04
B,2025-02,50,2025-04
B,2025-03,50,2025-04
C,2024-12,80,2024-02
C,2025-01,80,2024-02
C,2025-02,60,2024-02
C,2025-03,60,2024-02
C,2025-04,60,2024-02
D,2024-12,10,
D,2025-01,10,
D,2025-02,10,
D,2025-03,10,
D,2025-04,10,
"""


def test_renewals_by_hand(write):
    """A renews at a higher price in March, B leaves at its renewal in April, C (dated 2024-02) renews for less in
    February, D has no date. Windows of 3 months to April: February to April."""
    frame = nr.renewals(Actuals(nr.read_ledger(write(RENEWALS)), "2025-04", 3), ahead=4).set_index(
        "month"
    )
    row = frame.loc["2025-04"]
    assert (row["customers"], row["due"], row["renewed"], row["lost"], row["after"]) == (
        3,
        230,
        160,
        70,
        180,
    )
    assert row["rate"] == pytest.approx(160 / 230)
    coming = frame.loc["2025-07":]
    assert coming["due"].tolist() == [0, 0, 0, 180]  # C in 2026-02 and A in 2026-03
    assert coming["renewed"].isna().all()


def test_cohorts_by_age(write):
    rows = [f"A,2024-{month:02d},100" for month in range(1, 13)]
    rows += [f"B,2024-{month:02d},{100 if month < 8 else 50}" for month in range(4, 13)]
    rows += [f"C,2024-{month:02d},100" for month in range(5, 9)]
    ledger = nr.read_ledger(write("customer,month,arr\n" + "\n".join(rows)))
    frame = nr.cohorts(Actuals(ledger, "2024-12", 6))
    second = frame[frame["cohort"] == "2024 Q2"].set_index("age")
    assert second["nrr"].tolist() == [1.0, 1.0, 50 / 200]  # at 6 months: B 50, C gone in its fourth
    assert second["grr"].tolist() == [1.0, 1.0, 50 / 200]
    assert second.index.tolist() == [
        0,
        1,
        2,
    ]  # C, the younger, has been there 7 months: two quarters


def test_nothing_after_as_of_changes_anything(meridian, tmp_path):
    """A ledger ends at as_of: cut there, it gives the same answers."""
    lines = MERIDIAN.read_text().splitlines()
    kept = [line for line in lines[1:] if _month(line) <= "2025-09"]
    (tmp_path / "cut.csv").write_text("\n".join([lines[0], *kept]))
    whole, cut = (
        Actuals(nr.read_ledger(path), "2025-09") for path in (MERIDIAN, tmp_path / "cut.csv")
    )
    assert whole.headline() == cut.headline()
    assert whole.summary() == pytest.approx(cut.summary())
    answers = (
        Actuals.bridge,
        Actuals.company_bridge,
        Actuals.trend,
        Actuals.split,
        nr.cohorts,
        nr.movers,
        nr.renewals,
        Actuals.definitions,
    )
    for answer in answers:
        assert answer(whole).round(9).equals(answer(cut).round(9)), answer.__name__


def _month(line: str) -> str:
    return next(cell for cell in line.split(",") if len(cell) == 7 and cell[:2] == "20")


def test_wrong_targets_are_refused(meridian):
    with pytest.raises(nr.UsageError, match=r"write 110% as 1\.10"):
        Actuals(meridian.ledger, "2026-09", target=110)


def test_leaky_bucket_warning_and_its_absence(write, meridian):
    assert said_of(meridian, "leaky_bucket") == ""
    text = "customer,month,arr\n" + "A,2024-12,100\nB,2024-12,100\nA,2025-12,250\n"
    leaky = Actuals(nr.read_ledger(write(text)), "2025-12")
    said = said_of(leaky, "leaky_bucket")
    assert said.startswith('<div class="callout-warning">\n\n## Leaky bucket: ')
    assert "125.0%" in said
    assert "50.0%" in said


def test_sentences_hold_names_as_text(write):
    """A segment's name is escaped wherever a sentence says it."""
    rows = [
        f"{c},{m},{a},{s}"
        for m, b in (("2024-12", 2), ("2025-12", 3))
        for c, a, s in (("A", 1, "*x*_{{<"), ("B", b, "#y$"))
    ]
    past = Actuals(
        nr.read_ledger(write("customer,month,arr,segment\n" + "\n".join(rows))), "2025-12"
    )
    said = said_of(past, "segments")
    assert r"\*x\*\_\{\{\<" in said
    assert r"\#y\$" in said


def test_words_of_an_annual_ledger(write):
    rows = [f"{c},{y}-12,{a}" for y in (2022, 2023, 2024) for c, a in (("A", 10), ("B", 20))]
    past = Actuals(nr.read_ledger(write("customer,month,arr\n" + "\n".join(rows))), "2024-12")
    assert quarterly.Report.of(past).unit == "year"
    assert quarterly.last_report(past) == "2023"
    assert quarterly.periods(past.trend(), past)["period"].tolist() == ["2023", "2024"]
    assert "a year ago" not in said_of(past, "bottom_line")


def test_checks_hold_with_a_late_renewal(write):
    rows = [
        f"{c},{m},10"
        for m in _months("2024-01", 15)
        for c in "ab"
        if not (c == "a" and m == "2024-03")
    ]
    past = Actuals(
        nr.read_ledger(write("customer,month,mrr\n" + "\n".join(rows)), grace_months=1), "2025-03"
    )
    assert past.checks()["holds"].all()
    assert past.summary()["customers"] == 2


def test_renewals_of_each_product_on_its_own(write):
    rows = [
        f"A,{m},{product},{mrr},{due}"
        for m in _months("2024-12", 4)
        for product, mrr, due in (("p", 100, "2025-02"), ("q", 900, "2025-08"))
    ]
    past = Actuals(
        nr.read_ledger(write("customer,month,product,mrr,renewal\n" + "\n".join(rows))),
        "2025-03",
        3,
    )
    frame = nr.renewals(past).set_index("month")
    assert frame.loc["2025-03", "due"] == 1200
    assert frame.loc["2025-09", "due"] == 10_800


def test_definitions_add_up_where_the_cohort_ran_empty(write):
    rows = [f"A,{m},10" for m in _months("2024-01", 8)] + [
        f"B,{m},10" for m in _months("2024-06", 12)
    ]
    past = Actuals(nr.read_ledger(write("customer,month,mrr\n" + "\n".join(rows))), "2025-01")
    frame = past.definitions().set_index("definition")
    assert frame.loc["compounded", "nrr"] == 0.5  # A leaves a book of two: B is the other half
    assert frame.loc["point_to_point", "nrr"] == 0
    assert frame[list(PARTS)].sum(axis=1).values == pytest.approx(
        frame["difference"].values, abs=1e-12
    )


def test_months_may_be_written_as_people_do(meridian):
    assert (
        Actuals(meridian.ledger, "2026Q3").headline()
        == Actuals(meridian.ledger, "2026-09-30").headline()
    )
    assert Actuals(meridian.ledger, "2026Q3").as_of == "2026-09"


@pytest.mark.parametrize("definition", nr.DEFINITIONS)
@pytest.mark.parametrize("window", [1, 3, 12, 24])
def test_sentences_for_every_definition_and_window(meridian, definition, window):
    past = Actuals(meridian.ledger, "2026-09", window, definition, ex_price=window == 3)
    said = said_of(past, "bottom_line", "gross_line", "trend", "definition")
    assert ("Benchmark: " in said) == (window == 12)
    assert ("by the definition" in said) == (definition != "point_to_point")
    assert ("New customers never count" in said) == (definition != "compounded")
    assert "1 months" not in said.replace("11 months", "")
    assert "nan" not in said


def test_many_segments(write):
    rows = [f"c{n},{m},{10 + n},s{n:02d}" for m in ("2024-12", "2025-12") for n in range(25)]
    past = Actuals(
        nr.read_ledger(write("customer,month,arr,segment\n" + "\n".join(rows))), "2025-12"
    )
    assert past.segment_trend()["segment"].nunique() == 12
    assert len(past.split()) == 25


def test_segments_that_cannot_be_measured(write):
    """Its only customer changes segment: over four windows, neither segment has a base in each."""
    rows = [f"A,{m},10,{'x' if m < '2025-01' else 'y'}" for m in _months("2024-01", 30)]
    ledger = nr.read_ledger(write("customer,month,mrr,segment\n" + "\n".join(rows)))
    past = Actuals(ledger, "2026-03", 12, "trailing_average")
    assert "No segment had revenue at the start" in said_of(past, "segments")


def _months(first: str, number: int) -> list[str]:
    from nrrsim.months import shift

    return [shift(first, after) for after in range(number)]


def test_a_ledger_that_was_read_has_actuals():
    file = ROOT / "nrrsim" / "data" / "meridian.csv"
    ledger = nr.read_ledger(file, grace_months=1)
    read = nr.actuals(file, "2026-09", grace_months=1)
    assert nr.actuals(ledger, "2026-09").headline() == read.headline()
    with pytest.raises(nr.UsageError, match="grace_months: the ledger was read already"):
        nr.actuals(ledger, "2026-09", grace_months=1)


def test_the_interval_of_other_customers_is_the_bootstrap_s(meridian):
    past = Actuals(meridian.ledger, "2026-09")
    theirs = stats.bootstrap(
        (past.customers["closing"], past.customers["opening"]),
        lambda closing, opening, axis: closing.sum(axis) / opening.sum(axis),
        paired=True,
        batch=250,
        n_resamples=4_000,
        confidence_level=0.8,
        method="percentile",
        rng=np.random.default_rng(7),
    )
    assert interval(past, 0.8, seed=7) == pytest.approx(theirs.confidence_interval)


@pytest.mark.parametrize("target", ["110%", " 110 %", 1.1, np.float64(1.1)])
def test_a_target_is_a_ratio_or_a_percentage(target):
    """In every function that takes one."""
    ledger = nr.read_ledger(MERIDIAN)
    plan = nr.read_scenario(MERIDIAN.parents[2] / "params" / "scenarios" / "nrr-105.yaml")
    opened = nr.pipeline(
        ledger, MERIDIAN.with_name("meridian_pipeline.csv"), "2026-09", target=target
    )
    assert nr.actuals(ledger, "2026-09", target=target).target == 1.1
    assert nr.frontier(plan, target, levers=()).target == 1.1
    assert opened.target == 1.1


@pytest.mark.parametrize("target", ["110", "lots", 110, 0, -1, True, [1.1], float("nan")])
def test_what_is_no_target_is_refused_in_the_same_words(target):
    ledger = nr.read_ledger(MERIDIAN)
    said = "is not an NRR; write 110% as 1.10"
    with pytest.raises(UsageError, match=said):
        nr.actuals(ledger, "2026-09", target=target)
    with pytest.raises(UsageError, match=said):
        nr.pipeline(ledger, MERIDIAN.with_name("meridian_pipeline.csv"), "2026-09", target=target)
