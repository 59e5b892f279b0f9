"""The signals card, and the rules that it watches: held against rules written out day by day."""

import datetime
import re
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nrrsim.accounts.reasons import KINDS
from nrrsim.accounts.signals import Signals
from nrrsim.accounts.watch import (
    ReasonKind,
    Rule,
    SignalsCard,
    Within,
    called,
    fired,
    read_signals_card,
)
from nrrsim.errors import UsageError
from nrrsim.months import parse_month
from nrrsim.scenario.scenario import examples, read_scenario

EPOCH = datetime.date(1970, 1, 1).toordinal()


def day(text):
    return datetime.date.fromisoformat(text).toordinal() - EPOCH


def signals_of(rows):
    """Signals of rows (customer, date, {signal: value}), as the reader makes them."""
    frame = pd.DataFrame(
        [{"customer": name, "day": day(date), **values} for name, date, values in rows]
    )
    frame = frame.sort_values(["customer", "day"], ignore_index=True)
    month = pd.to_datetime(frame["day"], unit="D")
    frame.insert(2, "month", month.dt.year * 12 + month.dt.month - 1)
    names = tuple(frame.columns[3:])
    return Signals(frame.astype({"customer": "category", **dict.fromkeys(names, float)}), names)


def rule(**said):
    """A rule as a card states it."""
    card = {"signals": {"seats": {"of": "bought"}, "failures": {"kind": "count"}}}
    stated = {"signal": "users", "means": "risk"} | said
    return SignalsCard.model_validate(card | {"watch": [stated]}).watch[0]


# --- the card -------------------------------------------------------------------------------------


def test_the_card_that_comes_with_nrrsim_names_its_folklore():
    card = read_signals_card()
    assert [each.words for each in card.watch] == [
        "active users fell by 20% within 3 weeks",
        "core actions fell by 30% within 4 weeks",
        "payment failures within 30 days",
        "NPS below 0",
        "seats used reached 80% of seats bought",
        "active users crossed 10",
        "data volume rose by 100% within 12 months",
    ]
    assert all(each.source.startswith("Folklore") and each.because for each in card.watch)
    assert {each.means for each in card.watch} == {"risk", "expansion"}
    programmes = {name for path in examples().values() for name in read_scenario(path).programmes}
    assert {each.play for each in card.watch} - {None} <= programmes


WRONG = {
    "signals: {users: {kind: levl}}": "2:1? signals.users.kind: must be level or .* did you mean level?",
    "signals: {users: {knd: level}}": "signals.users.knd: is not known; did you mean kind?",
    "signals: {users: {of: users}}": "signals.users.of: is the signal itself",
    "watch: [{signal: users, means: risk}]": "watch.0: says nothing of when it fires",
    "watch: [{signal: users, below: 1, above: 2, means: risk}]": "has below and above; a rule has one",
    "watch: [{signal: users, below: 1, means: danger}]": "watch.0.means: must be risk or expansion",
    "watch: [{signal: users, below: 1}]": "watch.0.means: is missing",
    "watch: [{signal: users, falls: {by: 20, within: 3 weeks}, means: risk}]": "did you mean 0.2?",
    "watch: [{signal: users, falls: {by: 20 %}, means: risk}]": "watch.0.falls.within: is missing",
    "watch: [{signal: users, falls: {by: 20 %, within: soon}, means: risk}]": "'soon' is no stretch of",
    "watch: [{signal: users, falls: {by: 20 %, within: 0 days}, means: risk}]": "'0 days' is no stretch",
    "watch: [{signal: users, falls: {by: 20 %, within: 30}, means: risk}]": "30 is no stretch of time",
    "watch: [{signal: users, falls: {by: 20 %, within: {months: 3}}, means: risk}]": "is no stretch of",
    "watch: [{signal: users, rises: {by: 1, within: 11 years}, means: risk}]": "longer than ten years",
    "watch: [{signal: users, more_than: 0, means: risk}]": "watch.0: more_than needs within",
    "watch: [{signal: users, below: 0, within: 3 days, means: risk}]": "within belongs to more_than",
    "watch: [{signal: users, more_than: 3, within: 3 days, means: risk}]": "users is a level; write above",
    "watch: [{signal: users, reaches: 80 %, means: risk}]": "is a share of another signal; say so",
    "watch: [{signal: users, below: 0, of: seats, means: risk}]": "of belongs to reaches",
    "watch: [{signal: users, below: .nan, means: risk}]": "must be a finite number",
    "signals: {notes: {kind: text}}\nwatch: [{signal: notes, below: 1, means: risk}]": "notes is text",
    "health: {yellow: 2, red: 1}": "health: yellow is below red, got 2 and 1",
    "health: {yellow: 0}": "health.yellow: must be more than 0",
    "reasons: {too dear: prise}": "reasons.too dear: must be price or .* did you mean price?",
    "wach: []": "wach: is not known; did you mean watch?",
}


@pytest.mark.parametrize(("text", "said"), WRONG.items())
def test_a_wrong_card_is_refused_with_its_line(tmp_path, text, said):
    file = tmp_path / "signals.yaml"
    file.write_text(text + "\n")
    with pytest.raises(UsageError) as refused:
        read_signals_card(file)
    line = str(refused.value)
    assert re.match(rf"{re.escape(str(file))}:[12]:\d+ ", line)
    assert re.search(said.removeprefix("2:1? "), line), line


def test_all_that_is_wrong_with_a_card_is_said_at_once(tmp_path):
    file = tmp_path / "signals.yaml"
    file.write_text(
        "signals:\n  users: {kind: levl}\nwatch:\n  - {signal: users, below: 1, means: bad}\n"
        "  - {signal: users, means: risk}\nhealth: {red: 0}\n"
    )
    with pytest.raises(UsageError) as refused:
        read_signals_card(file)
    lines = [int(each.split(":")[1]) for each in str(refused.value).splitlines()]
    assert lines == [2, 4, 5, 6]


def test_a_rule_that_stands_twice_is_refused(tmp_path):
    file = tmp_path / "signals.yaml"
    one = "  - {signal: users, below: 1, means: risk}\n"
    file.write_text(f"watch:\n{one}{one}")
    with pytest.raises(UsageError, match=r"3:14 watch\.1\.signal: stands twice: rule 1"):
        read_signals_card(file)


def test_a_card_says_which_rules_can_fire():
    card = read_signals_card()
    assert [each.words for each in card.heard(["nps", "seats_used"])] == ["NPS below 0"]
    assert len(card.heard(["seats_used", "seats_bought"])) == 1
    assert len(card.silent([])) == len(card.watch)
    assert card.kind_of("nps") == "score"
    assert card.kind_of("whatever") == "level"


def test_a_card_knows_the_kinds_that_reasons_are_sorted_into():
    assert get_args(ReasonKind) == KINDS


@pytest.mark.parametrize(
    ("name", "text"),
    [("active_users", "active users"), ("nps", "NPS"), ("api_calls", "API calls"), ("MAU", "MAU"),
     ("Logins per Day", "Logins per Day"), ("mid_week_logins", "mid-week logins")],
)  # fmt: skip
def test_a_signal_is_called_as_within_a_sentence(name, text):
    assert called(name) == text


# --- firing ---------------------------------------------------------------------------------------

FALLS = {"falls": {"by": "20%", "within": "3 weeks"}}
YEAR = {"rises": {"by": "100%", "within": "12 months"}}
FIRING = {
    # condition: what is known, and in which months of 2026 it fires
    "a fall at the edge": (FALLS, "01-31 100, 02-28 80", [2]),
    "a smaller fall": (FALLS, "01-31 100, 02-28 81", []),
    "a fall by the digits that one sees": (FALLS, "01-31 1.1, 02-28 0.88", [2]),
    "a fall in the month's first week": (FALLS, "01-10 100, 02-03 70, 02-10 71, 02-28 72", [2]),
    "a fall as of each month's first": (FALLS, "01-01 100, 02-01 70, 03-01 69", [2]),
    "a fall that is slower": (FALLS, "01-31 100, 02-10 90, 02-28 82, 03-31 75", []),
    "a fall to nothing": (FALLS, "01-31 5, 02-28 0", [2]),
    "a fall from nothing": (FALLS, "01-31 0, 02-28 -5", []),
    "a fall below nothing": (FALLS, "01-31 -10, 02-28 -13", [2]),
    "what was not known three weeks before": (FALLS, "01-31 100, 02-03 60", []),
    "what was not known before": (FALLS, "02-28 1", []),
    "a rise in a year": (YEAR, "01-31 10, 12-31 15", []),
    "a crossing": ({"crosses": 10}, "01-31 9, 02-28 10, 03-31 12, 04-30 8, 05-31 11", [2, 5]),
    "above from the first": ({"crosses": 10}, "01-31 12, 02-28 13", []),
    "a crossing within a month": ({"crosses": 10}, "01-31 9, 02-10 12, 02-20 8", [2]),
    "below": ({"below": 0}, "01-31 0, 03-31 -1, 05-31 4", [3, 4]),
    "above": ({"above": 5}, "02-28 6, 04-30 5", [2, 3]),
    "below at the month's end alone": ({"below": 0}, "01-05 -1, 01-20 1", []),
}  # fmt: skip


def known(text, name="users"):
    """`01-31 100, 02-28 80` of one customer in 2026."""
    pairs = [each.split() for each in text.split(", ")]
    return [("Acme", f"2026-{date}", {name: float(value)}) for date, value in pairs]


def months_of(fires):
    return [1 + int(at) for at in np.flatnonzero(fires)]


MONTHS = range(parse_month("2026-01", ""), parse_month("2026-06", ""))


@pytest.mark.parametrize(("condition", "text", "months"), FIRING.values(), ids=FIRING)
def test_when_a_rule_fires(condition, text, months):
    fires, _ = fired(rule(**condition), signals_of(known(text)), ["Acme", "Bolt"], MONTHS)
    assert months_of(fires[0]) == months
    assert not fires[1].any()


def test_failures_are_added_up_over_the_days_before():
    more = rule(signal="failures", more_than=1, within="30 days")
    # one on the first of March is thirty days away from the first: added up on its own day
    text = "01-30 1, 03-01 1, 03-31 1, 05-15 2"
    fires, saw = fired(more, signals_of(known(text, "failures")), ["Acme"], MONTHS)
    assert months_of(fires[0]) == [5]
    assert np.array_equal(saw[0], [1, 1, 1, np.nan, 2], equal_nan=True)
    more = rule(signal="failures", more_than=1, within="31 days")
    assert months_of(fired(more, signals_of(known(text, "failures")), ["Acme"], MONTHS)[0][0]) == [
        3,
        5,
    ]


def test_sums_carry_nothing_of_other_customers():
    rows = [("Acme", "2026-01-31", {"failures": 1e20}), ("Bolt", "2026-01-31", {"failures": 0.1})]
    rows += [("Bolt", "2026-01-20", {"failures": 0.2}), ("Cube", "2026-01-31", {"failures": 0.0})]
    more = rule(signal="failures", more_than=0.3, within="30 days")
    fires, saw = fired(more, signals_of(rows), ["Acme", "Bolt", "Cube"], MONTHS[:1])
    assert fires.ravel().tolist() == [True, False, False]
    assert saw.ravel().tolist() == [1e20, pytest.approx(0.3), 0.0]


def test_a_share_is_of_what_was_bought_then():
    full = rule(signal="seats", reaches="80%")
    rows = [
        ("Acme", "2026-01-31", {"seats": 8.0, "bought": 10.0}),
        ("Acme", "2026-02-28", {"seats": np.nan, "bought": 20.0}),
        ("Acme", "2026-04-30", {"seats": 16.0, "bought": np.nan}),
        ("Bolt", "2026-01-31", {"seats": 8.0, "bought": 0.0}),
        ("Cube", "2026-01-31", {"seats": 8.0, "bought": np.nan}),
    ]
    fires, saw = fired(full, signals_of(rows), ["Cube", "Acme", "Bolt"], MONTHS)
    assert [months_of(each) for each in fires] == [[], [1, 4, 5], []]
    assert saw[1].tolist() == [0.8, 0.4, 0.4, 0.8, 0.8]
    assert np.isnan(saw[[0, 2]]).all()


def test_what_a_rule_saw_is_the_fall_that_it_fired_for():
    fires, saw = fired(
        rule(**FALLS), signals_of(known("01-10 100, 02-03 60, 02-28 90")), ["Acme"], MONTHS
    )
    assert months_of(fires[0]) == [2]
    assert saw[0, 1] == pytest.approx(-0.4)


def test_a_rule_without_its_signal_is_silent():
    full = rule(signal="seats", reaches="80%")
    fires, saw = fired(full, signals_of(known("01-31 8", "seats")), ["Acme"], MONTHS)
    assert not fires.any()
    assert np.isnan(saw).all()


@pytest.mark.parametrize(
    ("words", "date", "before"),
    [("3 weeks", "2026-03-01", "2026-02-08"), ("30 days", "2026-03-01", "2026-01-30"),
     ("1 month", "2026-03-31", "2026-02-28"), ("1 month", "2026-03-15", "2026-02-15"),
     ("12 months", "2025-02-28", "2024-02-29"), ("1 month", "2026-03-30", "2026-02-28"),
     ("1 quarter", "2026-06-30", "2026-03-31"), ("2 years", "2026-06-10", "2024-06-10")],
)  # fmt: skip
def test_so_long_before_a_day(words, date, before):
    within = rule(falls={"by": "20%", "within": words}).falls.within
    assert within.before(np.array([day(date)])).tolist() == [day(before)]
    assert within.words == words


# --- against rules written out --------------------------------------------------------------------


def looked_up(values, at):
    """The latest value of one customer at a day, None where none is known."""
    dated = [value for date, value in sorted(values.items()) if date <= at]
    return dated[-1] if dated else None


def holds(one, values, wholes, at):
    """Whether a rule's condition is met on a day: as ACCOUNTS states it, without arrays."""
    now = looked_up(values, at)
    if one.more_than is not None:
        dated = [v for date, v in values.items() if at - one.within.days < date <= at]
        return bool(dated) and sum(dated) > one.more_than
    if now is None:
        return False
    if change := one.falls or one.rises:
        was = looked_up(values, int(change.within.before(np.array([at]))[0]))
        if was is None or was == 0:
            return False
        moved = (now - was) / abs(was)
        return (-moved if one.falls else moved) >= change.by - 1e-12
    if one.reaches is not None:
        whole = looked_up(wholes, at)
        return whole is not None and whole > 0 and now / whole >= one.reaches - 1e-12
    if one.crosses is not None:
        before = looked_up(values, at - 1)
        return at in values and before is not None and before < one.crosses <= now
    return now < one.below if one.below is not None else now > one.above


RULES = [
    rule(**FALLS),
    rule(rises={"by": "50%", "within": "1 month"}),
    rule(crosses=3),
    rule(below=2),
    rule(above=4),
    rule(signal="seats", reaches="60%"),
    rule(signal="failures", more_than=3, within="30 days"),
]
FIRST = day("2026-01-01")
histories = st.dictionaries(st.integers(0, 150), st.integers(0, 8).map(float), max_size=25)


@given(
    st.sampled_from(RULES),
    st.lists(st.tuples(histories, histories), min_size=1, max_size=3),
)
def test_rules_fire_as_they_are_written(one, customers):
    rows, names = [], [f"c{n}" for n in range(len(customers))]
    for name, (values, wholes) in zip(names, customers, strict=True):
        for at in sorted({*values, *wholes}):
            date = datetime.date.fromordinal(EPOCH + FIRST + at).isoformat()
            seen = {one.signal: values.get(at, np.nan), "bought": wholes.get(at, np.nan)}
            rows.append((name, date, seen))
    if not rows:
        return
    fires, _ = fired(one, signals_of(rows), names, MONTHS)
    is_change = one.condition in ("falls", "rises", "crosses", "more_than")
    for row, (values, wholes) in enumerate(customers):
        values = {FIRST + at: value for at, value in values.items()}
        wholes = {FIRST + at: value for at, value in wholes.items()}
        for column, month in enumerate(MONTHS):
            first = datetime.date(month // 12, month % 12 + 1, 1).toordinal() - EPOCH
            after = datetime.date((month + 1) // 12, (month + 1) % 12 + 1, 1).toordinal() - EPOCH
            days = {after - 1} | ({d for d in values if first <= d < after} if is_change else set())
            expected = any(holds(one, values, wholes, at) for at in days)
            assert fires[row, column] == expected


@given(st.sampled_from(RULES), histories, histories, st.integers(0, 4))
def test_nothing_dated_later_is_seen(one, values, later, month):
    end = datetime.date(2026, month + 2, 1).toordinal() - EPOCH - FIRST
    past = {at: value for at, value in values.items() if at < end}
    rest = {at: value for at, value in later.items() if at >= end}

    def firing(history):
        rows = [
            (
                "Acme",
                datetime.date.fromordinal(EPOCH + FIRST + at).isoformat(),
                {one.signal: v, "bought": 5.0},
            )
            for at, v in history.items()
        ]
        return fired(one, signals_of(rows), ["Acme"], MONTHS[: month + 1])

    if past:
        for one_answer, other in zip(firing(past), firing(past | rest), strict=True):
            assert np.array_equal(one_answer, other, equal_nan=True)


def test_a_stretch_of_time_is_a_value():
    assert Within(days=21, words="3 weeks") == rule(**FALLS).falls.within
    assert isinstance(rule(**FALLS), Rule)
