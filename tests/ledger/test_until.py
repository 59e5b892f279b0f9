"""Until when a ledger of periods is known: its latest start, or the day of the export; months are."""

import datetime
import json

import numpy as np
import pytest
from conftest import fewer
from hypothesis import given
from hypothesis import strategies as st

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals
from nrrsim.calibration.backtest import backtest, origins
from nrrsim.errors import UsageError
from nrrsim.ledger.check import profile
from nrrsim.months import month_name, parse_month

# sixty yearly contracts, five each month, each renewed every year; the last ones end ahead
CONTRACTS = [
    f"c{n:02d},{2023 + year}-{n % 12 + 1:02d}-01,{2024 + year}-{n % 12 + 1:02d}-01,100"
    for n in range(60)
    for year in range(4)
]
HEADING = "customer,start,end,mrr\n"


@pytest.fixture
def contracts(write):
    return write(HEADING + "\n".join(CONTRACTS))


def said(ledger):
    return " ".join(map(str, ledger.notices))


def test_contracts_that_end_ahead_do_not_lengthen_the_ledger(contracts):
    ledger = nr.read_ledger(contracts)
    assert (ledger.months[0], ledger.months[-1]) == ("2023-01", "2026-12")
    assert profile(ledger)["customers_last_month"] == 60
    assert "60 ends lie after 2026-12" in said(ledger)
    assert "--until" in said(ledger)
    assert nr.nrr(ledger.cohort("2026-12")) == 1


def test_ends_to_come_are_neither_scored_nor_learnt_from(contracts):
    ledger = nr.read_ledger(contracts)
    assert origins(ledger)[-1] == "2025-12"
    scored = backtest(ledger, trials=50).frame
    assert scored.loc[scored["measure"] == "nrr", "actual"].tolist() == pytest.approx(
        [1.0] * (scored["measure"] == "nrr").sum()
    )
    learnt = nr.calibrate(ledger, "2026-12").told()["drivers"]["churn"]["all"]
    assert learnt["events"] == 0
    asked = (
        lambda: origins(ledger, to="2027-01"),
        lambda: nr.calibrate(ledger, "2027-01"),
    )
    with pytest.raises(UsageError, match="is `to`"):
        backtest(ledger, until="2026-12")
    for ask in asked:
        with pytest.raises(UsageError, match="2027-01"):
            ask()


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("2027-03", "2027-03"),
        ("2027-03-31", "2027-03"),
        ("2027-03-30", "2027-02"),
        ("2027-03-01", "2027-02"),
        ("2028-02-28", "2028-01"),
        ("2028-02-29", "2028-02"),
        ("2026-12-31", "2026-12"),
    ],
)
def test_the_last_month_is_the_last_that_was_over(contracts, until, last):
    ledger = nr.read_ledger(contracts, until=until)
    assert ledger.months[-1] == last
    # contracts end from 2027-01 on, five of them each month
    left = 5 * max(0, parse_month(last, "last") - parse_month("2026-12", "last"))
    assert len(ledger.customers(last)) == max(0, 60 - left)


def test_what_starts_later_is_left_out_and_said(contracts):
    ledger = nr.read_ledger(contracts, until="2026-06-15")
    assert ledger.months[-1] == "2026-05"
    assert "35 subscriptions start after 2026-05" in said(ledger)
    assert "they are left out" in said(ledger)
    assert ledger.customers("2026-05")["arr"].sum() == 72_000


@pytest.mark.parametrize("until", ["tomorrow", "2026", "2026-13", "2026-02-30", "26-01", "2026Q4"])
def test_what_is_no_day_is_refused(contracts, until):
    with pytest.raises(UsageError, match=r"until: .* is not a day or a month"):
        nr.read_ledger(contracts, until=until)


def test_a_ledger_of_months_has_no_use_for_it(write):
    with pytest.raises(UsageError, match=r"until: .*ledger of months"):
        nr.read_ledger(write("customer,month,mrr\nA,2025-01,1\n"), until="2025-01")


@pytest.mark.parametrize("command", ["metrics", "calibrate"])
def test_a_month_after_the_last_is_refused_with_the_remedy(run, contracts, command):
    code, _, told = run(command, str(contracts), "--as-of", "2040-12")
    assert code == 2
    assert "--until 2040-12" in told
    assert run(command, str(contracts), "--as-of", "2026-12", "--until", "2027-01-05")[0] == 0


def test_every_command_knows_the_day(run, contracts):
    code, out, _ = run("check", str(contracts), "--until", "2027-02-28", "--json")
    assert (code, json.loads(out)["last_month"]) == (0, "2027-02")
    found = json.loads(
        run("metrics", str(contracts), "--as-of", "2027-02", "--until", "2027-02", "--json")[1]
    )
    assert found["nrr"] == pytest.approx(50 / 60)


def test_a_written_scenario_names_the_day(run, contracts, tmp_path):
    out = tmp_path / "learnt.yaml"
    words = ("--as-of", "2027-02", "--until", "2027-02-28", "--out", str(out))
    assert run("calibrate", str(contracts), *words)[0] == 0
    assert "until: 2027-02-28" in out.read_text(encoding="utf-8").replace("'", "")
    assert len(nr.read_scenario(out).opening.arr) == 50


@st.composite
def periods(draw):
    """Starts and ends within four years, by day; each row a customer of its own."""
    day = st.dates(datetime.date(2024, 1, 1), datetime.date(2027, 12, 31))
    rows = draw(st.lists(st.tuples(day, st.one_of(st.none(), st.integers(1, 900))), min_size=1))
    return [
        (first, None if length is None else first + datetime.timedelta(days=length))
        for first, length in rows
    ]


@fewer
@given(
    periods(), st.one_of(st.none(), st.dates(datetime.date(2024, 2, 1), datetime.date(2028, 2, 1)))
)
def test_nothing_is_said_of_what_is_not_known(tmp_path_factory, rows, until):
    path = tmp_path_factory.mktemp("until") / "ledger.csv"
    lines = [f"c{n},{first},{end or ''},1" for n, (first, end) in enumerate(rows)]
    path.write_text(HEADING + "\n".join(lines) + "\n", encoding="utf-8")
    # the last month, told by days alone: the day after it begins the next
    if until is None:
        last = max(first for first, _ in rows)
        last = last.year * 12 + last.month - 1
    else:
        after = until + datetime.timedelta(days=1)
        last = after.year * 12 + after.month - 2
    ends = [datetime.date((n + 1) // 12, (n + 1) % 12 + 1, 1) for n in range(24_280, last + 1)]
    ends = [day - datetime.timedelta(days=1) for day in ends]

    def alive(day):
        return sum(first <= day and (end is None or end > day) for first, end in rows)

    if min(first.year * 12 + first.month - 1 for first, _ in rows) > last:
        with pytest.raises(UsageError, match="every subscription starts after"):
            nr.read_ledger(path, until=until.isoformat())
        return
    known = {month: alive(day) for month, day in zip(range(24_280, last + 1), ends, strict=True)}
    if not any(known.values()):
        with pytest.raises(nr.DataError, match="no positive amount"):
            nr.read_ledger(path, until=until and until.isoformat())
        return
    ledger = nr.read_ledger(path, until=until and until.isoformat())
    assert ledger.months[-1] == month_name(last)
    assert [len(ledger.customers(month)) for month in ledger.months] == [
        known[parse_month(month, "month")] for month in ledger.months
    ]
    ahead = sum(
        end is not None
        and end.year * 12 + end.month - 1 > last
        and first.year * 12 + first.month - 1 <= last
        for first, end in rows
    )
    assert ledger.entries.known.ahead == ahead
    assert f"after {month_name(last)}" in said(ledger) or not ahead
    # who has said when the export was made is not told to say so
    assert ("--until" in said(ledger)) == bool(ahead and until is None)
    with pytest.raises(UsageError, match="--until"):
        ledger.customers(month_name(last + 1))


# --- months that are known by a zero --------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 3, 12])
@pytest.mark.parametrize("free", [(1,), (1, 2), (0,), (3,)])
def test_a_month_of_zeros_is_known(write, step, free):
    """Four snapshots of one customer, some of them free: it has left, and comes back."""
    names = [month_name(24_300 + n * step) for n in range(4)]
    rows = [f"A,{name},{0 if n in free else 10}" for n, name in enumerate(names)]
    ledger = nr.read_ledger(write("customer,month,arr\n" + "\n".join(rows)))
    assert (ledger.months, ledger.step) == (names, step)
    paid = [0.0 if n in free else 10.0 for n in range(4)]
    assert [ledger.customers(name)["arr"].sum() for name in names] == paid
    moves = ledger.book(names[0], names[-1])
    assert moves.books_close()
    assert moves.over("closing").values.tolist() == [paid[-1]]
    nrr = nr.nrr(ledger.cohort(names[-1], 3 * step))
    assert np.isnan(nrr) if paid[0] == 0 else nrr == paid[-1] / paid[0]


def test_who_pays_after_a_first_month_of_zeros_is_new(write):
    ledger = nr.read_ledger(write("customer,month,mrr\nA,2025-01,0\nA,2025-02,1\nB,2025-03,1\n"))
    assert ledger.cohort("2025-03", 1, "cohort_month").segments[0] == "2025-02"
    assert float(ledger.book("2025-01", "2025-03").over("new").sum()) == 24


def test_less_than_half_a_cent_a_year_is_no_amount(write):
    text = "customer,month,arr\nA,2025-01,1\nA,2025-02,1\nB,2025-01,0.0049\nB,2025-02,0.005\n"
    ledger = nr.read_ledger(write(text))
    assert (ledger.entries.zeros, len(ledger.customers("2025-01"))) == (1, 1)
    assert len(ledger.customers("2025-02")) == 2


def test_the_report_reads_a_ledger_as_of_the_day_on_the_card(contracts):
    past = nr.actuals(str(contracts), "2027-02", until="2027-02-28")
    assert isinstance(past, Actuals)
    assert past.now.nrr == pytest.approx(50 / 60)


@pytest.mark.parametrize("end", ["9999-12-31", "9999-12", "4712-12-31", "2999-12-31"])
@pytest.mark.parametrize("period_end", ["exclusive", "inclusive"])
def test_an_end_that_means_none_lies_ahead(write, end, period_end):
    ledger = nr.read_ledger(
        write(f"{HEADING}A,2025-01-01,{end},1\nB,2025-03-01,,1\n"), period_end=period_end
    )
    assert ledger.months == ["2025-01", "2025-02", "2025-03"]
    assert len(ledger.customers("2025-03")) == 2


def test_a_start_in_another_century_is_a_slip(write):
    with pytest.raises(nr.DataError, match="start: '2205-03-01' is not a date"):
        nr.read_ledger(write(f"{HEADING}A,2205-03-01,,1\n"))


@pytest.mark.parametrize("until", [datetime.date(2026, 6, 30), "2026-06-30", "2026-06"])
def test_a_date_is_a_day_too(contracts, until):
    assert nr.read_ledger(contracts, until=until).months[-1] == "2026-06"


@pytest.mark.parametrize("until", [202606, 2026.5, "9999-12", "2200-01-01", "1899-12", ""])
def test_what_is_no_day_of_this_age_is_refused(contracts, until):
    with pytest.raises(UsageError, match="is not a day or a month"):
        nr.read_ledger(contracts, until=until)


def test_where_everything_starts_later_it_is_the_day_that_is_wrong(contracts):
    with pytest.raises(UsageError, match="every subscription starts after 2022-11"):
        nr.read_ledger(contracts, until="2022-12-30")


def test_a_free_start_lengthens_the_ledger(write):
    ledger = nr.read_ledger(write(f"{HEADING}A,2023-01-01,,100\nB,2024-06-01,,0\n"))
    assert ledger.months[-1] == "2024-06"
    assert nr.nrr(ledger.cohort("2024-06")) == 1


@pytest.mark.parametrize(("period_end", "ahead"), [("exclusive", 1), ("inclusive", 0)])
def test_an_end_lies_ahead_as_it_is_written(write, period_end, ahead):
    """30 June is June's last day of service, or the first day of July is the first without."""
    end = "2024-07-01" if period_end == "exclusive" else "2024-06-30"
    ledger = nr.read_ledger(
        write(f"{HEADING}A,2024-01-01,{end},1\nB,2024-06-01,,1\n"), period_end=period_end
    )
    assert ledger.entries.known.ahead == ahead
    assert len(ledger.customers("2024-06")) == 2


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("2018-01", "not in the ledger"),
        ("2023-01", "nothing can be tested"),
        ("2026-01", "nothing can be tested"),
    ],
)
def test_a_first_origin_that_cannot_be_is_said_in_its_own_words(contracts, first, said):
    with pytest.raises(UsageError, match=f"first.*{said}"):
        origins(nr.read_ledger(contracts), first=first)
