"""What is open of the year to come, beside what is needed: by hand, and by what must always hold."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, fewer
from hypothesis import given
from hypothesis import strategies as st

import nrrsim as nr
from nrrsim.accounts.opportunities import read_opportunities
from nrrsim.errors import DataError, UsageError

AS_OF = "2026-09"
COLUMNS = ["customer", "opportunity", "arr", "close", "stage", "probability", "kind"]
NO_MOVES = "{book: {arr: 1000000, segments: {smb: {share: 1, customers: 10}}}, drivers: {}}"
NRR_105 = ROOT / "params" / "scenarios" / "nrr-105.yaml"


def months(first: str, number: int) -> list[str]:
    start = pd.Period(first, "M")
    return [str(start + n) for n in range(number)]


def made(amounts: dict[str, dict[str, float]], segments=None, renewals=None, **said) -> nr.Ledger:
    """A ledger of 2025-09 to 2026-09: each customer's first amount, and from which month another."""
    rows = []
    for customer, own in amounts.items():
        arr = 0.0
        for month in months("2025-09", 13):
            arr = own.get(month, arr)
            segment = (segments or {}).get(customer, "smb")
            if arr:
                renewal = (renewals or {}).get(customer)
                rows.append((customer, month, arr, segment, renewal))
    frame = pd.DataFrame(rows, columns=["customer", "month", "arr", "segment", "renewal"])
    return nr.read_ledger(frame if renewals else frame.drop(columns="renewal"), **said)


def deal(customer, close, arr=100, stage="Proposal", probability="50%", kind="Expansion", n=[0]):  # noqa: B006
    n[0] += 1
    return (customer, f"O{n[0]}", arr, close, stage, probability, kind)


def sold_of(ledger, *rows, as_of=AS_OF, **asked):
    return nr.pipeline(ledger, pd.DataFrame(rows, columns=COLUMNS), as_of, **asked)


TWO = {"A": {"2025-09": 1000}, "B": {"2025-09": 3000, "2026-02": 3600}}
SEGMENTS = {"A": "smb", "B": "enterprise"}
WITH_GONE = made({**TWO, "Gone": {"2025-09": 7, "2026-05": 0}}, SEGMENTS)


# --- by period and segment ----------------------------------------------------------------------------------


def test_open_expansion_by_quarter_and_segment_beside_what_was_booked():
    ledger = made(TWO, SEGMENTS)
    sold = sold_of(
        ledger,
        deal("A", "2026-10-01"),
        deal("A", "2026-12-31"),
        deal("B", "2027-01-01", 500),
        deal("B", "2027-09-30", 40),
    )
    frame = sold.open().set_index(["month", "segment"])
    assert frame.index.get_level_values(0).unique().tolist() == months("2026-12", 10)[::3]
    assert frame.loc[("2026-12", "smb")].tolist() == [2, 200, 100, 0]
    assert frame.loc[("2027-03", "enterprise")].tolist() == [1, 500, 250, 600]  # booked in 2026 Q1
    assert frame.loc[("2027-09", "enterprise")].tolist() == [1, 40, 20, 0]
    assert frame["arr"].sum() == 740


def test_quarters_follow_the_ledgers_fiscal_year():
    ledger = made(TWO, SEGMENTS, fiscal_year_end=1)
    frame = sold_of(ledger, deal("A", "2026-10-31"), deal("A", "2026-11-01")).open()
    assert frame["month"].unique().tolist() == [
        "2026-10",
        "2027-01",
        "2027-04",
        "2027-07",
        "2027-10",
    ]
    by_month = frame.groupby("month")["arr"].sum()
    assert (by_month["2026-10"], by_month["2027-01"]) == (100, 100)
    # what September begins with is the quarter's rest: a year has twelve months whatever it is called
    assert frame["booked"].sum() == 600


def test_an_annual_ledger_has_years(write):
    rows = [f"A,{year}-12,{arr}" for year, arr in ((2024, 5), (2025, 8))]
    ledger = nr.read_ledger(write("\n".join(["customer,month,arr", *rows])))
    frame = sold_of(ledger, deal("A", "2026-06-30"), as_of="2025-12").open()
    assert frame[["month", "arr", "booked"]].values.tolist() == [["2026-12", 100, 3]]


def test_what_is_booked_is_the_books_expansion_without_price(write):
    rows = ["customer,month,arr,quantity,unit_price"]
    for n, month in enumerate(months("2025-09", 13)):
        seats, price = 10 + n, 5 if n < 6 else 7
        rows.append(f"A,{month},{seats * price},{seats},{price}")
    ledger = nr.read_ledger(write("\n".join(rows)))
    book = ledger.book("2025-09", AS_OF)
    booked = sold_of(ledger, deal("A", "2026-12-01")).open()["booked"].sum()
    assert booked == pytest.approx(book.amount("adoption"))
    assert book.amount("price") > 0


# --- what counts where --------------------------------------------------------------------------------------


def test_each_opportunity_is_in_one_list():
    ledger = made({**TWO, "Gone": {"2025-09": 7, "2026-05": 0}}, SEGMENTS)
    rows = {
        "open": deal("A", "2027-09-30"),
        "later": deal("A", "2027-10-01"),
        "overdue": deal("A", "2026-09-30"),
        "undated": deal("A", ""),
        "no amount": deal("A", "2026-12-01", ""),
        "left": deal("Gone", "2026-12-01"),
        "unknown": deal("Gome", "2026-12-01"),
        "renewal": deal("A", "2026-12-01", kind="Renewal"),
        "new": deal("Else", "2026-12-01", kind="New Business"),
        "downgrade": deal("A", "2026-12-01", -5),
        "won": deal("A", "2026-08-01", stage="Closed Won"),
        "lost": deal("A", "2026-08-01", stage="Closed Lost"),
    }
    sold = sold_of(ledger, *rows.values())
    assert sold.now["status"].tolist() == list(rows)[:-2]
    assert sold.apart().set_index("what")["opportunities"].to_dict() == dict.fromkeys(
        [name for name in rows if name != "open"], 1
    )
    assert sold.weighted["open"] == 100


@fewer
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["A", "B", "Gone", "Else"]),
            st.sampled_from(["2026-08-01", "2026-10-05", "2027-06-30", "2028-01-01", ""]),
            st.sampled_from(["", 0, -20, 5, 700.5]),
            st.sampled_from(["Proposal", "Discovery", "Closed Won", "lost"]),
            st.sampled_from(["", "50%"]),
            st.sampled_from(["Expansion", "Renewal", "New Business", "Existing Business", ""]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_nothing_is_dropped_and_parts_add_up(rows):
    ledger = WITH_GONE
    frame = pd.DataFrame(
        [deal("A", "2026-10-05"), *(deal(*each) for each in rows)], columns=COLUMNS
    )
    sold = nr.pipeline(ledger, frame, AS_OF, target=1.1)
    assert len(sold.counted) + sold.apart()["opportunities"].sum() == len(frame)
    assert sold.open()["arr"].sum() == pytest.approx(sold.weighted["open"])
    assert sold.open()["weighted"].sum() == pytest.approx(np.nan_to_num(sold.weighted["arr"]))
    assert sold.by_stage()["arr"].sum() == pytest.approx(sold.weighted["open"])
    assert json.loads(json.dumps(sold.told(), allow_nan=False)) == sold.told()


def test_who_left_and_who_is_not_known_are_listed_with_why():
    ledger = made({"A": {"2025-09": 5}, "Gone": {"2025-09": 7, "2026-05": 0}})
    sold = sold_of(
        ledger,
        deal("Gone", "2026-12-01", 9),
        deal("gone ltd", "2026-12-01", 8),
        deal("A", "2026-12-01"),
    )
    (left,), (unknown,) = (frame.to_dict("records") for frame in (sold.left(), sold.unknown()))
    assert (left["customer"], left["since"], left["arr"]) == ("Gone", "2026-05", 9)
    assert (unknown["customer"], unknown["did_you_mean"]) == ("gone ltd", "Gone")
    assert sold.weighted["open"] == 100  # nobody is matched by a name that is alike


def test_who_comes_after_the_reports_month_is_not_known_yet():
    ledger = made({"A": {"2025-09": 5}, "Late": {"2026-08": 7}})
    sold = sold_of(ledger, deal("Late", "2026-12-01"), deal("A", "2026-12-01"), as_of="2026-06")
    assert sold.now["status"].tolist() == ["unknown", "open"]


def test_masked_names_are_masked_and_opportunities_have_none():
    ledger = made(
        {"Alder": {"2025-09": 9}, "Gone": {"2025-09": 7, "2026-05": 0}},
        renewals={"Alder": "2026-12"},
    )
    frame = pd.DataFrame(
        [
            ("Alder", "Alder seats", 5, "2026-12-01", "Proposal", "50%", "Expansion"),
            ("Alder", "Alder renewal", 5, "2026-12-01", "Proposal", "50%", "Renewal"),
            ("Gone", "Gone again", 5, "2026-12-01", "Proposal", "50%", "Expansion"),
            ("Zelkova", "Zelkova seats", 5, "2026-12-01", "Proposal", "50%", "Expansion"),
        ],
        columns=COLUMNS,
    )
    sold = nr.pipeline(ledger.masked(AS_OF), frame, AS_OF)
    told = json.dumps(sold.told()) + "".join(map(str, sold.notices))
    assert not any(name in told for name in ("Alder", "Gone", "Zelkova"))
    assert sold.renewals()["covered"].tolist() == [True]
    assert sold.left()["customer"].tolist() == ["Customer 2"]
    shown = json.dumps(nr.pipeline(ledger, frame, AS_OF).told())
    assert all(name in shown for name in ("Alder renewal", "Gone again", "Zelkova"))


# --- renewals -----------------------------------------------------------------------------------------------


def test_renewals_are_matched_to_what_is_due():
    names = ["Soon", "Early", "Far", "Bare", "Later", "Won"]
    due = dict(
        zip(names, ["2026-10", "2027-03", "2026-11", "2027-01", "2027-04", "2026-12"], strict=True)
    )
    ledger = made({name: {"2025-09": 10 * (n + 1)} for n, name in enumerate(names)}, renewals=due)
    sold = sold_of(
        ledger,
        deal("Soon", "2026-10-31", 10, kind="Renewal"),
        deal("Early", "2026-09-30", 20, kind="Renewal"),  # half a year before it is due
        deal("Far", "2027-06-30", 30, kind="Renewal"),  # seven months after
        deal("Bare", "2027-01-31", 40),  # an expansion is no renewal
        deal("Won", "2026-09-10", 60, "Closed Won", kind="Renewal"),  # renewed ahead of time
    )
    frame = sold.renewals().set_index("customer")
    covered = {"Soon": True, "Far": False, "Won": True, "Bare": False, "Early": True}
    assert frame["covered"].to_dict() == covered
    assert frame["month"].to_dict() == {name: due[name] for name in covered}
    assert sold.uncovered()[["customer", "due"]].values.tolist() == [["Bare", 40], ["Far", 30]]


def test_a_ledger_without_renewals_has_none_due():
    sold = sold_of(made(TWO), deal("A", "2026-12-01"))
    assert not sold.has_renewals
    assert sold.renewals().empty
    assert sold.uncovered().empty


# --- what is needed -----------------------------------------------------------------------------------------


def test_a_target_needs_what_losses_take_beside_what_it_adds():
    """Needed is target x ARR less what is left of it after the moves that are no sale, written anew."""
    ledger, learnt = made(TWO, SEGMENTS), nr.read_scenario(NRR_105)
    sold = sold_of(ledger, deal("A", "2026-12-01", 200), learnt=learnt, target=1.2)
    outlook = nr.expect(learnt)
    left = 0.0
    for segment, arr in (("smb", 1000), ("enterprise", 3600)):
        own = outlook.only(segment)
        other = own.amount("price") + own.amount("reactivation")
        other -= own.amount("contraction") + own.amount("churn")
        left += arr * (1 + other / float(own.arrays["opening"][0, 0]))
    (row,) = sold.coverage().to_dict("records")
    assert (row["of"], row["segment"], row["until"], row["open"]) == (
        "target",
        "all",
        "2027-09",
        200,
    )
    assert row["needed"] == pytest.approx(1.2 * 4600 - left)
    assert row["coverage"] == pytest.approx(200 / row["needed"])
    assert sold.expected == pytest.approx(outlook.amount("adoption") + outlook.amount("cross_sell"))


def test_a_plan_of_nrr_needs_what_is_missing_of_its_own_cohort(write):
    """The plan's December is of those of December 2025, who have grown already."""
    ledger = made(TWO, SEGMENTS)
    learnt = nr.read_scenario(write(NO_MOVES, "still.yaml"))
    plan = write("month,segment,nrr\n2026-12,smb,110%\n2026-12,enterprise,1.3\n", "plan.csv")
    sold = sold_of(
        ledger, deal("B", "2026-12-01", 150), deal("B", "2027-03-01", 150), learnt=learnt, plan=plan
    )
    frame = sold.coverage().set_index("segment")
    assert frame["needed"].to_dict() == pytest.approx(
        {"smb": 1.1 * 1000 - 1000, "enterprise": 1.3 * 3000 - 3600, "all": 400}
    )
    assert frame["open"].to_dict() == {"smb": 0, "enterprise": 150, "all": 150}
    assert set(frame["until"]) == {"2026-12"}
    whole = write("month,segment,nrr\n2027-09,all,1.25\n", "whole.csv")
    (row,) = (
        sold_of(ledger, deal("B", "2026-12-01"), learnt=learnt, plan=whole)
        .coverage()
        .to_dict("records")
    )
    assert row["needed"] == pytest.approx(0.25 * 4600)


def test_a_scenarios_expansion_is_needed_at_its_rates_on_todays_book():
    ledger, plan = made(TWO, SEGMENTS), nr.read_scenario(NRR_105)
    sold = sold_of(ledger, deal("A", "2026-12-01"), plan=nr.read_plan(NRR_105))
    frame = sold.coverage().set_index("segment")["needed"]
    outlook = nr.expect(plan)
    for segment, arr in (("smb", 1000), ("enterprise", 3600)):
        own = outlook.only(segment)
        rate = (own.amount("adoption") + own.amount("cross_sell")) / own.arrays["opening"][0, 0]
        assert frame[segment] == pytest.approx(arr * rate)


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        ("month,segment,arr\n2027-09,all,5\n", "newcomers included"),
        (
            "month,segment,nrr\n2026-06,all,1.1\n",
            "no NRR for the twelve months after September 2026",
        ),
    ],
)
def test_why_a_plan_is_not_compared_is_said(write, plan, why):
    sold = sold_of(made(TWO), deal("A", "2026-12-01"), plan=write(plan, "plan.csv"))
    assert sold.coverage().empty
    assert why in sold.why_no_plan


def test_of_a_plan_the_ledgers_own_months_are_asked(write):
    rows = [f"A,{month},5" for month in months("2025-09", 13)[::3]]
    ledger = nr.read_ledger(write("\n".join(["customer,month,arr", *rows])))
    learnt = nr.read_scenario(write(NO_MOVES, "still.yaml"))

    def asked(text):
        plan = write(f"month,segment,nrr\n{text}", "plan.csv")
        return sold_of(ledger, deal("A", "2026-12-01"), learnt=learnt, plan=plan)

    found = asked("2026-12,all,1.2\n2027-02,all,1.4\n").coverage()
    assert found[["until", "needed"]].values.tolist() == [["2026-12", pytest.approx(0.2 * 5)]]
    assert asked("2027-02,all,1.4\n").why_no_plan == (
        "its months are none of the ledger's, which come every 3 months"
    )


def test_where_nothing_is_needed_there_is_no_coverage(write):
    learnt = nr.read_scenario(write(NO_MOVES, "still.yaml"))
    (row,) = (
        sold_of(made(TWO), deal("A", "2026-12-01"), learnt=learnt, target=0.9)
        .coverage()
        .to_dict("records")
    )
    assert row["needed"] < 0
    assert np.isnan(row["coverage"])


# --- snapshots ----------------------------------------------------------------------------------------------


def snapshots(ledger, *days, as_of=AS_OF):
    rows = [(*deal("A", "2026-12-01"), day) for day in days]
    return nr.pipeline(ledger, pd.DataFrame(rows, columns=[*COLUMNS, "snapshot"]), as_of)


def test_the_last_snapshot_by_then_is_read_and_a_later_one_is_not_looked_at():
    sold = snapshots(made(TWO), "2026-06-30", "2026-09-30", "2026-10-05")
    assert (sold.snapshot, len(sold.now)) == ("2026-09-30", 1)
    assert any(
        "1 row is of snapshots after September 2026" in each.problem for each in sold.notices
    )
    early = snapshots(made(TWO), "2026-03-31")
    assert any("the last snapshot is of 2026-03-31" in each.problem for each in early.notices)
    with pytest.raises(DataError, match="every snapshot is after September 2026"):
        snapshots(made(TWO), "2026-10-05")


def test_a_number_for_a_stage_that_is_not_used_is_said():
    rows = "nrrsim/data/meridian_pipeline.csv"
    said = {"proposal": "40%", "Proposl": "30%", "Closed Won": "100%"}
    sold = nr.pipeline("nrrsim/data/meridian.csv", rows, AS_OF, stages=said)
    told = [str(each) for each in sold.notices if each.field == "stages"]
    assert told == [
        f"{rows}: stages: proposal: 40% is not used; its own past says 41% (120 resolved)",
        f"{rows}: stages: 'Proposl' is no stage of the file; did you mean Proposal?",
    ]
    used = snapshots(made(TWO), "2026-09-30")
    assert not [each for each in used.notices if each.field == "stages"]


def test_what_was_read_once_serves_another_month():
    ledger = made(TWO)
    rows = [(*deal("A", "2026-12-01"), day) for day in ("2026-03-31", "2026-09-30")]
    frame = pd.DataFrame(rows, columns=[*COLUMNS, "snapshot"])
    found = read_opportunities(frame, ledger, AS_OF)
    assert nr.pipeline(ledger, found, "2026-06").snapshot == "2026-03-31"
    assert replace(found).as_of == AS_OF


def test_without_a_list_there_is_no_pipeline_and_a_wrong_target_is_refused():
    assert nr.pipeline(made(TWO), None, AS_OF) is None
    with pytest.raises(UsageError, match="write 110% as"):
        sold_of(made(TWO), deal("A", "2026-12-01"), target=110)
