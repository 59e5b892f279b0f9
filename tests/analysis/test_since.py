"""What moved since the last report: each part by its formula over random ledgers, and each kind of restatement."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from conftest import said_of

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals
from nrrsim.analysis.since import (
    KINDS,
    Published,
    Since,
    book_of,
    key_of,
    keyed,
    rates_of,
    terms_of,
)
from nrrsim.metrics import DEFINITIONS
from nrrsim.months import shift
from nrrsim.report.published import quarters_with
from nrrsim.report.wording import since as moved

COMPANY = "Alder Holdings"
LAST, NOW, FIRST = "2026-06", "2026-09", "2024-01"
MONTHS = [shift(FIRST, number) for number in range(33)]


def published(past: Actuals, book: bool = True, before: Published | None = None) -> Published:
    """What a report of it would have published, as it comes back from its files."""
    numbers = past.record() | {"as_of": past.as_of, "terms": terms_of(past)}
    numbers["rates"] = rates_of(past.ledger, past.as_of, past.start)
    quarters = quarters_with(None, json.loads(json.dumps(numbers)), {"company": COMPANY})
    rows = keyed(book_of(past.ledger, past.as_of, past.start), past.ledger, COMPANY)
    return Published(COMPANY, past.as_of, quarters, rows if book else None)


def ledger_of(amounts: dict[str, np.ndarray], segment: dict[str, str] | None = None, **how):
    """ARR by customer and month of MONTHS; 0 where it is no customer."""
    rows = [
        (name, month, float(amount), (segment or {}).get(name, "smb"))
        for name, each in amounts.items()
        for month, amount in zip(MONTHS, each, strict=True)
        if amount
    ]
    frame = pd.DataFrame(rows, columns=["customer", "month", "arr", "segment"])
    return nr.read_ledger(frame, rows="months", **how)


# --- the bridge, part by part ---------------------------------------------------------------------


def random_book(rng: np.random.Generator, customers: int) -> dict[str, np.ndarray]:
    """Customers who come, grow, shrink, leave and come back; one is there throughout."""
    book = {"throughout": rng.integers(100, 2_000, len(MONTHS)) * 12.0}
    for number in range(customers):
        there = np.cumsum(rng.random(len(MONTHS)) < 0.08) % 2 == rng.integers(2)
        steps = np.exp(rng.normal(0, 0.2, len(MONTHS)) * (rng.random(len(MONTHS)) < 0.2))
        book[f"c{number}"] = np.round(there * rng.lognormal(8, 1) * np.cumprod(steps), 2)
    return {name: each for name, each in book.items() if each.any()}


def moves(book: dict[str, np.ndarray], end: str, window: int) -> tuple[float, pd.DataFrame]:
    """A cohort's opening, and its movements by the words of the model: by month, losses negative."""
    last = MONTHS.index(end)
    inside = range(last - window + 1, last + 1)
    cohort = {name: each for name, each in book.items() if each[last - window] > 0}
    rows = []
    for name, each in cohort.items():
        for t in inside:
            before, after = each[t - 1], each[t]
            word = "unsplit" if after > before else "contraction"
            word = "churn" if after == 0 else "reactivation" if before == 0 else word
            if before != after:
                rows.append((name, MONTHS[t], word, after - before))
    opening = sum(each[last - window] for each in cohort.values())
    return opening, pd.DataFrame(rows, columns=["customer", "month", "word", "amount"])


def by_hand(book, now: str, then: str, window: int) -> dict[str, float]:
    """The parts that the design states, each by its formula."""
    (o, c), (o_last, c_last) = (moves(book, end, window) for end in (now, then))
    in_now = [shift(now, -back) for back in range(window)]
    in_last = [shift(then, -back) for back in range(window)]
    fresh = c[~c["month"].isin(in_last)]
    words = {word: amount / o for word, amount in fresh.groupby("word")["amount"].sum().items()}
    gone = c_last[~c_last["month"].isin(in_now)]["amount"].sum() / o_last
    both = c[c["month"].isin(in_last)]["amount"].sum() / o
    both_last = c_last[c_last["month"].isin(in_now)]["amount"].sum() / o_last
    return {**words, "rolled_off": -gone, "mix": both - both_last}


@pytest.mark.parametrize("seed", range(200))
def test_each_part_has_its_formula_and_they_add_up(seed):
    rng = np.random.default_rng(seed)
    window = int(rng.choice([12, 12, 6, 3]))
    definition = list(DEFINITIONS)[seed % len(DEFINITIONS)]
    apart = int(rng.choice([3, 3, 6, 1, 12, 15]))  # months from the last report to this one
    window = 12 if definition == "trailing_average" else window
    then = shift(NOW, -min(apart, 20 - window if definition != "trailing_average" else 9))
    book = random_book(rng, int(rng.integers(2, 9)))
    before = published(Actuals(ledger_of(book), then, window, definition))

    # the ledger of today: some customers' months are others
    restated = {name: each.copy() for name, each in book.items()}
    for name in rng.choice(list(book), int(rng.integers(0, 3))):
        places = rng.integers(0, len(MONTHS), 4)
        restated[name][places] = np.round(restated[name][places] * rng.uniform(0, 2), 2)
    today = Actuals(ledger_of(restated), NOW, window, definition)
    since = nr.since(today, before)
    parts = dict(zip(since.parts["part"], since.parts["change"], strict=True))

    last = Actuals(today.ledger, then, window, definition)
    plain = [nr.measure(today.ledger, end, window).nrr for end in (NOW, then)]
    expected = by_hand(restated, NOW, then, window) | {
        "restated": last.now.nrr - before.said["nrr"],
        "definition": (today.now.nrr - plain[0]) - (last.now.nrr - plain[1]),
    }
    expected = {name: change for name, change in expected.items() if abs(change) > 1e-12}
    assert set(expected) - set(parts) == set()
    for name in parts:
        assert parts[name] == pytest.approx(expected.get(name, 0.0), abs=1e-12), name
    assert sum(parts.values()) == pytest.approx(today.now.nrr - before.said["nrr"], abs=1e-12)
    steps = since.bridge()
    assert steps["end"].iloc[-2] == pytest.approx(steps["end"].iloc[-1], abs=1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_the_effect_of_a_customer_is_that_of_its_rows_alone(seed):
    """Of the old book with that customer's rows new, measured as a ledger of its own."""
    rng = np.random.default_rng(1_000 + seed)
    definition = list(DEFINITIONS)[seed % len(DEFINITIONS)]
    book = random_book(rng, 6)
    before = published(Actuals(ledger_of(book), LAST, 12, definition))
    other = {name: each.copy() for name, each in book.items()}
    for name in list(book)[1:4]:
        other[name][20:30] = np.round(other[name][20:30] * rng.uniform(0.5, 1.5), 2)
        other[name][int(rng.integers(18, 30))] = 0
    found = nr.since(Actuals(ledger_of(other), NOW, 12, definition), before)
    effects = found.restatements.set_index("customer")["effect"]
    assert len(effects) == sum((book[name][:30] != other[name][:30]).any() for name in book)
    for name, effect in effects.items():
        alone = Actuals(ledger_of(book | {name: other[name]}), LAST, 12, definition)
        assert effect == pytest.approx(alone.now.nrr - before.said["nrr"], abs=1e-12), name


def test_the_two_largest_names_stand_beside_each_part():
    flat = {name: np.full(33, 1_200.0) for name in ("Alder", "Birch", "Cedar", "Douglas")}
    book = {name: each.copy() for name, each in flat.items()}
    book["Alder"][31:] = 0
    book["Birch"][32] = 0
    book["Cedar"][32] = 1_800
    ledger = ledger_of(book)
    since = nr.since(Actuals(ledger, NOW), published(Actuals(ledger, LAST)))
    parts = since.parts.set_index("part")
    assert parts["change"].to_dict() == pytest.approx({"unsplit": 0.125, "churn": -0.5})
    assert parts.loc["churn", ["first", "second"]].tolist() == ["Alder", "Birch"]
    assert parts.loc["churn", ["first_change", "second_change"]].tolist() == [-0.25, -0.25]
    assert parts.loc["unsplit", "first"] == "Cedar"
    assert pd.isna(parts.loc["unsplit", "second"])
    said = said_of(since, "since")
    assert "NRR is 62.5%, down 37.5 points from the 100.0% published for Q2 2026" in said
    assert moved.bridge(since)["step"].tolist() == ["Q2 2026", "Expansion", "Churn", "Q3 2026"]


# --- what was restated ----------------------------------------------------------------------------

FLAT = {
    "Alder Ltd": np.full(33, 12_000.0),
    "Birch GmbH": np.full(33, 24_000.0),
    "Cedar Inc": np.concatenate([np.full(28, 6_000.0), np.zeros(5)]),  # churned in May 2026
    "Douglas AG": np.concatenate([np.zeros(10), np.full(23, 3_000.0)]),
}
SEGMENT = {"Birch GmbH": "mid_market"}


def other(name: str, months: slice, amount: float) -> dict[str, np.ndarray]:
    changed = FLAT[name].copy()
    changed[months] = amount
    return FLAT | {name: changed}


def without(name: str) -> dict[str, np.ndarray]:
    return {each: amounts for each, amounts in FLAT.items() if each != name}


# What is in today's ledger, and of the one restatement that follows: who, which months, by how much, the effect
# in points, what kind; by hand, NRR of June being 39,000 of 45,000.
KIND_CASES = {
    "amounts": (
        (other("Alder Ltd", slice(28, 30), 11_100.0), SEGMENT),
        ("Alder Ltd", "May to June 2026", -900.0, -900 / 45_000, "Amounts changed"),
    ),
    "late": (
        (other("Cedar Inc", slice(28, 30), 6_000.0), SEGMENT),
        ("Cedar Inc", "May to June 2026", 6_000.0, 6_000 / 45_000, "Rows came late"),
    ),
    "late, who was not there": (
        (FLAT | {"Elm KK": np.concatenate([np.zeros(17), np.full(16, 5_000.0)])}, SEGMENT),
        ("Elm KK", "June 2025 to June 2026", 5_000.0, 44 / 50 - 39 / 45, "Rows came late"),
    ),
    "gone": (
        (other("Douglas AG", slice(29, 30), 0.0), SEGMENT),
        ("Douglas AG", "June 2026", -3_000.0, -3_000 / 45_000, "Rows gone"),
    ),
    "wholly gone": (
        (without("Alder Ltd"), SEGMENT),
        ("one SMB customer, $12.0K, no longer in the ledger", "January 2024 to June 2026", -12000.0, 27 / 33 - 39 / 45, "Rows gone"),
    ),
    "renamed": (
        (without("Alder Ltd") | {"Alder Holding": FLAT["Alder Ltd"]}, SEGMENT),
        ("Alder Holding", "January 2024 to June 2026", 0.0, 0.0, "Renamed"),
    ),
    "renamed, in another segment": (
        (without("Alder Ltd") | {"Alder": FLAT["Alder Ltd"]}, SEGMENT | {"Alder": "mid_market"}),
        ("Alder", "January 2024 to June 2026", 0.0, 0.0, "Renamed, segment changed (SMB to Mid-market)"),
    ),
    "segment": (
        (FLAT, SEGMENT | {"Alder Ltd": "mid_market"}),
        ("Alder Ltd", "January 2024 to June 2026", 0.0, 0.0, "Segment changed (SMB to Mid-market)"),
    ),
    "amounts, and another segment": (
        (other("Alder Ltd", slice(28, 30), 11_100.0), SEGMENT | {"Alder Ltd": "mid_market"}),
        ("Alder Ltd", "January 2024 to June 2026", -900.0, -900 / 45_000, "Amounts changed, segment changed (SMB to Mid-market)"),
    ),
    "several of one": (
        (FLAT | {"Alder Ltd": np.concatenate([[0], np.full(31, 12_000.0), [9.0]])}
         | {"Birch GmbH": np.where(np.arange(33) == 20, 0, np.where(np.arange(33) == 29, 18_000.0, 24_000.0))},
         SEGMENT),
        ("Birch GmbH", "September 2025, June 2026", -24000.0, -6000 / 45000, "Amounts changed, rows gone"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KIND_CASES)
def test_a_kind_of_restatement(kind):
    (book, segment), (customer, months, change, effect, words) = KIND_CASES[kind]
    before = published(Actuals(ledger_of(FLAT, SEGMENT, currency="USD"), LAST))
    assert before.said["nrr"] == pytest.approx(39 / 45)
    since = nr.since(Actuals(ledger_of(book, segment, currency="USD"), NOW), before)
    frame = moved.restatements(since)
    told = frame.iloc[0]
    assert told["quarter"] == "Q2 2026"
    assert told[["customer", "months", "kind"]].tolist() == [customer, months, words]
    assert told["change"] == pytest.approx(change)
    assert told["effect"] == pytest.approx(effect, abs=1e-12)
    assert frame["quarter"].tolist()[-1] == ""
    assert frame["effect"].iloc[-1] == pytest.approx(since.restated)

    said = said_of(since, "restated").replace("\\", "")
    assert bool(said) == bool(since.figures["moved"].any())
    if abs(effect) > 5e-4:
        assert re.search(r"Q2 2026 now has NRR of [\d.]+% \(86.7% published\)", said)
        assert customer.split(",")[0] in said
        # the other pages compare with what today's ledger says, so this one says both
        change = said_of(since, "since").replace("\\", "")
        assert re.search(r"published for Q2 2026 and (up|down|unchanged) .* its restated", change)
    assert "covered" in said_of(since, "restatements")


def test_page_1_compares_with_one_figure_of_last_quarter():
    """That of today's ledger, as the key figures do: the restatement is not among the reasons."""
    before = published(Actuals(ledger_of(FLAT), LAST))
    since = nr.since(Actuals(ledger_of(other("Alder Ltd", slice(28, 30), 24_000.0)), NOW), before)
    assert abs(since.restated) > 0.01
    causes = moved.Why.of(since).causes
    assert sum(each.change for each in causes) == pytest.approx(
        since.past.now.nrr - since.then.now.nrr
    )
    said = said_of(since, "why")
    assert said.startswith("**Since Q2 2026: ")
    assert "published" not in said
    assert "restated" not in said


@pytest.mark.parametrize("definition", ["point_to_point", "compounded"])
def test_earlier_quarters_that_move_are_named(definition):
    """March of 2025 is in no window of June 2026; those of June to December 2025 begin or end there."""
    before = published(Actuals(ledger_of(FLAT), LAST, definition=definition))
    changed = ledger_of(other("Alder Ltd", slice(14, 15), 24_000.0))
    since = nr.since(Actuals(changed, NOW, definition=definition), before)
    assert not since.figures["moved"].any()
    moved_then = {
        month: (was, now)
        for month in MONTHS[14:30:3]
        if round(was := nr.measure(ledger_of(FLAT), month, definition=definition).nrr, 3)
        != round(now := nr.measure(changed, month, definition=definition).nrr, 3)
    }
    rows = since.earlier.set_index("month")
    assert dict(
        zip(
            rows.index, rows[["published", "today"]].itertuples(index=False, name=None), strict=True
        )
    ) == {month: pytest.approx(pair) for month, pair in moved_then.items()}
    assert "2025-03" in rows.index
    said = said_of(since, "restatements").replace("\\", "")
    assert "Earlier quarters change, too: NRR of " in said
    assert "Q1 2025 from " in said


def test_an_earlier_history_is_not_compared_where_one_of_the_ledgers_does_not_have_it():
    before = published(Actuals(ledger_of(FLAT), LAST))
    later = {name: np.where(np.arange(33) < 6, 0, each) for name, each in FLAT.items()}
    assert nr.since(Actuals(ledger_of(later), NOW), before).restatements.empty
    before = published(Actuals(ledger_of(later), LAST))
    assert nr.since(Actuals(ledger_of(FLAT), NOW), before).restatements.empty


@pytest.mark.parametrize("definition", ["point_to_point", "flow", "trailing_average"])
@pytest.mark.parametrize("steps", [(1, 3), (3, 1)])
def test_a_ledger_of_quarters_is_compared_with_one_of_months_by_its_quarters(steps, definition):
    """The months that one of the two does not know are neither gone nor late."""
    then, now = (
        nr.read_ledger(ledger_of(book).frame().query("month in @MONTHS[2::@step]"), rows="months")
        for step, book in zip(
            steps, (FLAT, other("Alder Ltd", slice(28, 30), 11_100.0)), strict=True
        )
    )
    before = published(Actuals(then, LAST, definition=definition))
    since = nr.since(Actuals(now, NOW, definition=definition), before)
    frame = moved.restatements(since)
    assert frame[["customer", "months", "change"]].values.tolist()[0] == [
        "Alder Ltd",
        "June 2026",
        pytest.approx(-900),
    ]
    assert len(since.restatements) == 1


@pytest.mark.parametrize(("nobody", "lacks"), [("2025-06", "Q2 2026"), ("2025-09", "Q3 2026")])
def test_a_quarter_without_an_nrr_is_compared_with_none(nobody, lacks):
    """A month of zeros alone is known: nobody paid."""
    rows = ledger_of(FLAT).frame()
    ledger = nr.read_ledger(
        rows.assign(arr=rows["arr"].where(rows["month"] != nobody, 0)), rows="months"
    )
    since = nr.since(Actuals(ledger, NOW), published(Actuals(ledger, LAST)))
    assert not since.is_compared
    assert since.bridge().empty
    assert f"{lacks} has no NRR" in said_of(since, "since")
    json.dumps(since.record(), allow_nan=False)


@pytest.mark.parametrize("restated", [False, True])
def test_an_earlier_quarter_in_several_currencies_moves_by_its_own_published_figure(
    write, restated
):
    """The last report's book is at the rates of its own window: those of others are another NRR."""
    rates = write(
        "month,currency,rate\n"
        + "".join(f"{month},EUR,{1 + number / 50}\n" for number, month in enumerate(MONTHS)),
        "rates.csv",
    )

    def ledger(book):
        frame = ledger_of(book).frame()
        frame["currency"] = np.where(frame["customer"] == "Birch GmbH", "EUR", "USD")
        return nr.read_ledger(frame, rows="months", rates=rates, currency="USD")

    earlier = published(Actuals(ledger(FLAT), "2026-03"))
    last = published(Actuals(ledger(FLAT), LAST))
    before = Published(COMPANY, LAST, {**earlier.quarters, **last.quarters}, last.book)
    changed = ledger(other("Alder Ltd", slice(26 if restated else 29, 30), 10_000.0))
    found = nr.since(Actuals(changed, NOW), before)
    assert len(found.restatements) == 1
    assert found.earlier["month"].tolist() == (["2026-03"] if restated else [])
    if restated:
        was, now = found.earlier[["published", "today"]].iloc[0]
        assert was == earlier.said["nrr"]
        assert now == nr.measure(changed, "2026-03").nrr


def test_a_window_that_todays_ledger_does_not_reach_is_said():
    before = published(Actuals(ledger_of(FLAT), LAST))
    short = {name: np.where(np.arange(33) < 20, 0, each) for name, each in FLAT.items()}
    since = nr.since(Actuals(ledger_of(short), NOW), before)
    assert since.parts.empty
    assert since.bridge().empty
    assert "before the ledger does (2025-09)" in said_of(since, "since").replace("\\", "")
    assert said_of(since, "restated", "restatements").strip() == ""
    json.dumps(since.record(), allow_nan=False)


RATES = "month,currency,rate\n" + "\n".join(
    f"{month},EUR,{1.1 + place / 1_000:.3f}" for place, month in enumerate(MONTHS)
)


def test_without_price_no_customer_is_a_cause_in_points():
    """Of the book that was published there are amounts alone, so an effect counts prices."""
    rows = ledger_of(FLAT).frame().assign(quantity=12)

    def past(rows, as_of):
        rows = rows.assign(unit_price=rows["arr"] / rows["quantity"])
        return Actuals(nr.read_ledger(rows, rows="months"), as_of, ex_price=True)

    before = published(past(rows, LAST))
    is_it = (rows["customer"] == "Alder Ltd") & (rows["month"] == LAST)
    since = nr.since(past(rows.assign(arr=rows["arr"].where(~is_it, 15_000)), NOW), before)
    assert since.restated == 0  # all of it is price
    assert since.restatements["effect"].tolist() == pytest.approx([3_000 / 45_000])
    assert "cause" not in said_of(since, "restated")
    assert "price movements included" in said_of(since, "restatements")
    assert moved.restatements(since)["customer"].tolist() == ["Alder Ltd"]


def test_who_is_renamed_may_have_other_rates_too(write):
    def ledger(rate, book):
        rates = write(RATES.replace("2025-06,EUR,1.117", f"2025-06,EUR,{rate}"), "rates.csv")
        frame = ledger_of(book).frame().assign(currency="EUR")
        return nr.read_ledger(frame, rows="months", rates=rates, currency="USD")

    renamed = without("Alder Ltd") | {"Alder Holding": FLAT["Alder Ltd"]}
    before = published(Actuals(ledger(1.117, FLAT), LAST))
    since = nr.since(Actuals(ledger(1.2, renamed), NOW), before)
    told = moved.restatements(since).set_index("kind")["change"]
    assert told["Renamed, other exchange rates"] == pytest.approx(12_000 * (1.2 - 1.117))


@pytest.mark.parametrize("reported", [False, True])
def test_other_rates_are_told_apart_from_other_amounts(write, reported):
    rows = [
        f"{name},{month},{amount},smb,{'USD' if name == 'Birch GmbH' else 'EUR'}"
        for name, each in FLAT.items()
        for month, amount in zip(MONTHS, each, strict=True)
        if amount
    ]
    text = "\n".join(["customer,month,arr,segment,currency", *rows])
    how = {"rates": write(RATES, "rates.csv"), "currency": "USD", "reported": reported}
    before = published(Actuals(nr.read_ledger(write(text), **how), LAST))

    june, august = MONTHS.index("2025-06"), MONTHS.index("2026-08")
    how["rates"] = write(
        RATES.replace(f"2026-08,EUR,{1.1 + august / 1_000:.3f}", "2026-08,EUR,9"), "rates.csv"
    )
    silent = nr.since(Actuals(nr.read_ledger(write(text), **how), LAST[:5] + "09"), before)
    assert silent.restatements.empty  # after the quarter

    was, now = 1.1 + june / 1_000, 1.2
    how["rates"] = write(RATES.replace(f"2025-06,EUR,{was:.3f}", "2025-06,EUR,1.2"), "rates.csv")
    text = text.replace("Alder Ltd,2026-06,12000.0", "Alder Ltd,2026-06,12600.0")
    since = nr.since(Actuals(nr.read_ledger(write(text), **how), NOW), before)
    assert since.other_rates == ("EUR",)
    told = moved.restatements(since).set_index("kind")
    # who has other amounts, too, is told alone; all others by the rates are one
    assert told.loc["Amounts changed, other exchange rates", "customer"] == "Alder Ltd"
    assert told.loc["Other exchange rates", "customer"] == "2 customers in EUR"
    at_end = MONTHS.index(LAST) / 1_000 + 1.1 if reported else was
    published_nrr = (24_000 + at_end * 15_000) / (24_000 + was * 21_000)
    assert before.said["nrr"] == pytest.approx(published_nrr)
    # Alder's 12,000 stay at the old rate; of the 9,000 of the others 3,000 are left
    closing = 24_000 + at_end * 12_000 + (at_end if reported else now) * 3_000
    effect = closing / (24_000 + was * 12_000 + now * 9_000) - published_nrr
    assert told.loc["Other exchange rates", "effect"] == pytest.approx(effect, abs=1e-12)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"definition": "flow"}, "definition flow then, point to point now"),
        ({"window": 6}, "window 6 months then, 12 months now"),
        ({"ex_price": True}, "price movements left out then, counted now"),
    ],
)
def test_other_terms_are_said_in_a_line_and_nothing_is_compared(how, said):
    ledger = ledger_of(FLAT)
    since = nr.since(Actuals(ledger, NOW), published(Actuals(ledger, LAST, **how)))
    assert said in said_of(since, "since").replace("\\", "")
    assert said_of(since, "restated", "restatements").strip() == ""
    assert since.parts.empty
    assert since.figures.empty
    assert moved.restatements(since).empty


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"grace_months": 2}, "grace for late renewals 0 months then, 2 months now"),
        ({"currency": "EUR"}, "currency"),
    ],
)
def test_so_are_other_terms_of_the_ledger(how, said):
    before = published(Actuals(ledger_of(FLAT), LAST))
    since = nr.since(Actuals(ledger_of(FLAT, **how), NOW), before)
    assert said in said_of(since, "since").replace("\\", "")
    assert since.parts.empty


def silences():
    shuffled = dict(reversed(FLAT.items()))
    yield "the same", lambda: ledger_of(FLAT, SEGMENT)
    yield "another order", lambda: ledger_of(shuffled, SEGMENT)
    yield (
        "rows after the quarter",
        lambda: ledger_of(
            other("Alder Ltd", slice(30, 33), 5.0)
            | {"New": np.concatenate([np.zeros(31), [7.0, 7.0]])},
            SEGMENT,
        ),
    )


@pytest.mark.parametrize("case", silences(), ids=lambda case: case[0])
def test_where_nothing_moved_nothing_is_said(case):
    since = nr.since(Actuals(case[1](), NOW), published(Actuals(ledger_of(FLAT, SEGMENT), LAST)))
    assert since.restatements.empty
    assert since.restated == 0
    assert "restated" not in since.parts["part"].tolist()
    assert said_of(since, "restated", "restatements").strip() == ""
    assert since.record()["before"]["restated"] == {}


def test_another_file_format_is_silent(tmp_path):
    rows = [
        (name, month, amount / 12, SEGMENT.get(name, "smb"))
        for name, each in FLAT.items()
        for month, amount in zip(MONTHS, each, strict=True)
        if amount
    ]
    pd.DataFrame(rows, columns=["Account", "Period", "MRR", "Tier"]).to_excel(
        tmp_path / "l.xlsx", index=False
    )
    columns = {"customer": "Account", "month": "Period", "segment": "Tier"}
    ledger = nr.read_ledger(tmp_path / "l.xlsx", columns=columns)
    since = nr.since(Actuals(ledger, NOW), published(Actuals(ledger_of(FLAT, SEGMENT), LAST)))
    assert since.restatements.empty
    assert not since.changed


def test_without_its_book_the_cause_is_not_recorded():
    before = published(Actuals(ledger_of(FLAT), LAST), book=False)
    since = nr.since(Actuals(ledger_of(other("Alder Ltd", slice(28, 30), 6_000.0)), NOW), before)
    assert "The cause is not recorded." in said_of(since, "restated")
    assert "cause not recorded" in said_of(since, "restatements")
    assert since.parts.set_index("part")["change"]["restated"] == pytest.approx(-6 / 45)
    assert nr.since(Actuals(ledger_of(FLAT), NOW), before).restatements.empty
    assert said_of(nr.since(Actuals(ledger_of(FLAT), NOW), before), "restatements") == ""


def test_who_has_no_name_left_is_told_by_segment_beside_others_who_have_one():
    """The rows of one that are gone, and another's amounts."""
    before = published(Actuals(ledger_of(FLAT, SEGMENT), LAST))
    today = {name: each for name, each in FLAT.items() if name != "Birch GmbH"}
    today["Alder Ltd"] = np.where(np.arange(33) == 29, 9_000.0, FLAT["Alder Ltd"])
    frame = moved.restatements(nr.since(Actuals(ledger_of(today), NOW), before))
    assert frame["customer"].tolist() == [
        "one Mid-market customer, 24.0K, no longer in the ledger",
        "Alder Ltd",
        "Together, beyond these",
        "Total",
    ]
    assert frame["effect"].iloc[:-1].sum() == pytest.approx(frame["effect"].iloc[-1])


def test_two_renamed_to_equal_histories_are_two_renames():
    twins = FLAT | {"Alder II": FLAT["Alder Ltd"].copy()}
    before = published(Actuals(ledger_of(twins), LAST))
    names = {"Alder Ltd": "Alpha", "Alder II": "Beta"}
    since = nr.since(
        Actuals(ledger_of({names.get(n, n): a for n, a in twins.items()}), NOW), before
    )
    assert sorted(since.restatements["customer"]) == ["Alpha", "Beta"]
    assert set(since.restatements["kinds"]) == {("renamed",)}


def test_a_masked_ledger_is_compared_by_the_names_behind():
    before = published(Actuals(ledger_of(FLAT), LAST))
    since = nr.since(Actuals(ledger_of(FLAT).masked(NOW), NOW), before)
    assert since.restatements.empty
    changed = ledger_of(other("Alder Ltd", slice(28, 30), 11_100.0)).masked(NOW)
    since = nr.since(Actuals(changed, NOW), before)
    assert since.restatements["customer"].tolist() == ["Customer 2"]


def test_the_key_tells_no_name_and_is_the_companys_own():
    key = key_of(COMPANY, "Alder Ltd")
    assert len(key) == 16
    assert key != key_of("Another", "Alder Ltd")
    assert key == key_of(COMPANY, "Alder Ltd")


def test_a_report_is_compared_with_an_earlier_one_alone():
    before = published(Actuals(ledger_of(FLAT), NOW))
    with pytest.raises(nr.UsageError, match="name an earlier one, or none"):
        nr.since(Actuals(ledger_of(FLAT), NOW), before)


def test_without_an_earlier_report_nothing_is_said():
    since = nr.since(Actuals(ledger_of(FLAT), NOW), None)
    for name in moved.SENTENCES:
        assert said_of(since, name) == "", name
    for frame in (moved.bridge(since), moved.parts(since), moved.restatements(since)):
        assert frame.empty
    assert since.record()["before"] is None


@pytest.mark.parametrize(
    ("actual", "place", "said"),
    [
        (1.05, 0.5, "at the 50th percentile"),
        (1.0, 0.1, "at the 10th percentile"),
        (1.084, 0.84, "at the 84th percentile"),
        (0.5, 0.0, "below the 1st percentile"),
        (1.5, 1.0, "above the 99th percentile"),
    ],
)
def test_the_range_that_was_published_is_judged(actual, place, said):
    book = {"A": np.concatenate([np.full(21, 100.0), np.full(12, 100 * actual)])}
    ledger = ledger_of(book)
    then = published(Actuals(ledger, "2025-09"))
    ahead = {"p01": 0.96, "p10": 1.0, "p50": 1.05, "p90": 1.09, "p99": 1.12}
    quarters = {
        "2025-09": dict(then.said) | {"ahead": {NOW: ahead}},
        LAST: published(Actuals(ledger, LAST)).said,
    }
    since = nr.since(Actuals(ledger, NOW), Published(COMPANY, LAST, quarters))
    assert since.judged["place"].tolist() == pytest.approx([place])
    text = said_of(nr.variance(since.past, None, since.before), "forecast").replace("\\", "")
    assert "The September 2025 report forecast a median NRR of 105.0%" in text
    assert "(80% range 100.0% to 109.0%) for September 2026" in text
    assert said in text
    assert ("**inside**" in text) == (0.1 <= place <= 0.9)
    # one range is judged once; of two, the older stands with the forecast's accuracy
    assert said_of(since, "ranges") == ""
    quarters[LAST] = dict(quarters[LAST]) | {"ahead": {NOW: ahead}}
    two = nr.since(since.past, Published(COMPANY, LAST, quarters))
    text = said_of(two, "ranges").replace("\\", "")
    assert "In the report of Q3 2025 we published 100% to 109% (80% range) for Q3 2026" in text
    assert text.count("we published") == 1
    assert said_of(nr.variance(two.past, None, two.before), "forecast").startswith("The June 2026")


def test_every_kind_has_its_words():
    assert set(moved.KIND_WORDS) == set(KINDS)
    assert set(moved.TERM_WORDS) == set(terms_of(Actuals(ledger_of(FLAT), NOW)))
    assert isinstance(nr.since(Actuals(ledger_of(FLAT), NOW), None), Since)
