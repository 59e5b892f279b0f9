"""A signals card in, what each signal is and which rules to watch out; never reads a signal.

A rule is a condition of one signal, such as a fall by 20% within 3 weeks. It fires in a month if it
holds at the month's end by what was known then, or, where it is about a change, on a day of the
month on which something became known.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

import numpy as np
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from nrrsim.errors import UsageError
from nrrsim.files import shared
from nrrsim.messages import Problem, located, problems_of, shown, written
from nrrsim.notation import CAPITALS, label
from nrrsim.scenario.beliefs import Finite, Frozen, Ratio
from nrrsim.scenario.numbers import Range
from nrrsim.yamlfile import read_yaml

if TYPE_CHECKING:
    from nrrsim.accounts.signals import Signals

Kind = Literal["level", "count", "score", "money", "text"]
ReasonKind = Literal[
    "price",
    "product",
    "service",
    "budget",
    "outcome",
    "competitor",
    "bankruptcy",
    "payment",
    "other",
]
REASON_KINDS: tuple[str, ...] = get_args(ReasonKind)
CONDITIONS = ("falls", "rises", "crosses", "reaches", "below", "above", "more_than")
FALL = Range(
    "a fall of the value before: 0.2 or 20% is a fifth less", 1e-6, 1, "more than 0, and at most 1"
)
RISE = Range("a rise of the value before: 1 or 100% is twice as much", 1e-6, 1e6, "more than 0")
PART = Range("a share of another signal", 1e-6, 100, "more than 0, and at most 100")
TIMES = Range("times the segment's own rate", 1e-6, 1e6, "more than 0")
SPAN = re.compile(r"(?P<number>[0-9]{1,4}) *(?P<unit>day|week|month|quarter|year)s?")
DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "quarter": 3, "year": 12}
LONGEST = 120  # months that a rule may look back
ROUNDING = 1e-12  # 0.88 is 20% less than 1.1, by the digits that one sees
DAY_ZERO = 2**31  # so that a customer and a day are one number, also of days before 1970


class Within(Frozen):
    """A stretch of time as people say it, `3 weeks` or `12 months`: so many months and days."""

    months: int = 0
    days: int = 0
    words: str = ""

    def before(self, day: np.ndarray) -> np.ndarray:
        """The day so long before each; of a month's last day, so many months before, the last."""
        if not self.months:
            return np.asarray(day - self.days)
        month, in_month, is_last = _in_month(day)
        first = (month - self.months).astype("datetime64[D]").astype(np.int64)
        length = (month - self.months + 1).astype("datetime64[D]").astype(np.int64) - first
        return np.asarray(first + np.where(is_last, length, np.minimum(in_month + 1, length)) - 1)


def _in_month(day: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of days since 1970 the month, the number in it (the first is 0), whether it is the last."""
    month = day.astype("datetime64[D]").astype("datetime64[M]")
    first = month.astype("datetime64[D]").astype(np.int64)
    after = (month + 1).astype("datetime64[D]").astype(np.int64)
    return month, day - first, day == after - 1


def _span_of(value: Any) -> Any:
    """`3 weeks` as a Within; raises ValueError for what is no stretch of time."""
    if isinstance(value, Within):
        return value
    told = SPAN.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if told is None or int(told["number"]) == 0:
        remedy = 'write a number of days, weeks, months or years, such as "3 weeks"'
        raise ValueError(f"{shown(value)} is no stretch of time; {remedy}")
    number, unit = int(told["number"]), told["unit"]
    months, days = number * MONTHS.get(unit, 0), number * DAYS.get(unit, 0)
    if months > LONGEST or days > LONGEST * 31:
        raise ValueError(f"{shown(value)} is longer than ten years; write less")
    return Within(months=months, days=days, words=f"{number} {unit}{'s' if number > 1 else ''}")


Span = Annotated[Within, BeforeValidator(_span_of)]


class Fall(Frozen):
    """A fall by at least this share of the value before, within so long."""

    by: Annotated[Ratio, AfterValidator(FALL.check)]
    within: Span


class Rise(Frozen):
    """A rise by at least this share of the value before, within so long."""

    by: Annotated[Ratio, AfterValidator(RISE.check)]
    within: Span


class Signal(Frozen):
    """What a column of signals is.

    kind : `level` (how much there is: users, seats), `count` (how often something happened since
        the row before), `score` (a mark, such as NPS), `money`, or `text`: no signal, left out.
    of : the signal that this one is a part of, as seats used are of seats bought.
    """

    kind: Kind = "level"
    of: str | None = None
    source: str = ""
    because: str = ""


class Rule(Frozen):
    """One condition of a signal, and what it means for the customer: a risk, or an expansion.

    It has one of CONDITIONS. `within` belongs to `more_than`; `of` to `reaches`, and is the
    signal's own where it is not said. `play`: what to do, a programme's name.
    """

    signal: str
    falls: Fall | None = None
    rises: Rise | None = None
    crosses: Finite | None = None
    reaches: Annotated[Ratio, AfterValidator(PART.check)] | None = None
    below: Finite | None = None
    above: Finite | None = None
    more_than: Finite | None = None
    within: Span | None = None
    of: str | None = None
    means: Literal["risk", "expansion"]
    play: str | None = None
    source: str = ""
    because: str = ""

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        stated = [name for name in CONDITIONS if getattr(self, name) is not None]
        if len(stated) != 1:
            told = f"has {' and '.join(stated)}" if stated else "says nothing of when it fires"
            raise ValueError(f"{told}; a rule has one of {', '.join(CONDITIONS)}")
        if (self.within is not None) != (self.more_than is not None):
            if self.within is None:
                raise ValueError('more_than needs within, such as within: "30 days"')
            inside = f"; write {stated[0]}: {{by: 20%, within: {self.within.words}}}"
            is_change = stated[0] in ("falls", "rises")
            raise ValueError(f"within belongs to more_than{inside if is_change else ''}")
        if self.of is not None and self.reaches is None:
            raise ValueError("of belongs to reaches")
        return self

    @property
    def condition(self) -> str:
        """The one of CONDITIONS that it has."""
        return next(name for name in CONDITIONS if getattr(self, name) is not None)

    @property
    def needs(self) -> tuple[str, ...]:
        """The signals without which it cannot fire."""
        return (self.signal, *([self.of] if self.of else []))

    @property
    def words(self) -> str:
        """What is seen where it fires: `active users fell by 20% within 3 weeks`."""
        name = called(self.signal)
        if change := self.falls or self.rises:
            verb = "fell" if self.falls else "rose"
            return f"{name} {verb} by {_percent(change.by)} within {change.within.words}"
        if self.crosses is not None:
            return f"{name} crossed {written(self.crosses)}"
        if self.reaches is not None:
            whole = called(self.of) if self.of else "the whole"
            return f"{name} reached {_percent(self.reaches)} of {whole}"
        if self.more_than is not None and self.within is not None:
            more = f"more than {written(self.more_than)} " if self.more_than else ""
            return f"{more}{name} within {self.within.words}"
        bound = self.below if self.below is not None else self.above
        assert bound is not None  # the one condition that is left
        return f"{name} {self.condition} {written(bound)}"


class Health(Frozen):
    """From how many times its segment's own rate an account is yellow, and red."""

    yellow: Annotated[Ratio, AfterValidator(TIMES.check)] = 1.0
    red: Annotated[Ratio, AfterValidator(TIMES.check)] = 2.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.yellow < self.red:
            raise ValueError(f"yellow is below red, got {self.yellow:g} and {self.red:g}")
        return self


class SignalsCard(Frozen):
    """What each signal is, which rules to watch, what reasons mean, where health turns.

    Made by `read_signals_card`. `reasons`: by a reason as it is written, its kind.
    """

    signals: dict[str, Signal] = Field(default_factory=dict)
    watch: tuple[Rule, ...] = ()
    reasons: dict[str, ReasonKind] = Field(default_factory=dict)
    health: Health = Field(default_factory=Health)
    _path: Path | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _wholes_of_rules(self) -> Self:
        """Each rule with the whole that its signal is a part of."""
        whole = {name: each.of for name, each in self.signals.items()}
        told = tuple(
            rule.model_copy(update={"of": whole[rule.signal]})
            if rule.reaches is not None and rule.of is None and whole.get(rule.signal)
            else rule
            for rule in self.watch
        )
        object.__setattr__(self, "watch", told)
        return self

    @property
    def path(self) -> Path | None:
        """The file; None where it was made of none."""
        return self._path

    def kind_of(self, signal: str) -> Kind:
        """What a signal is; one that the card does not name is a level."""
        return self.signals[signal].kind if signal in self.signals else "level"

    def heard(self, names: Collection[str]) -> tuple[Rule, ...]:
        """The rules that can fire where these are the signals."""
        return tuple(rule for rule in self.watch if set(rule.needs) <= {*names})

    def silent(self, names: Collection[str]) -> tuple[Rule, ...]:
        """The rules that cannot, as a signal of theirs is not there."""
        return tuple(rule for rule in self.watch if not set(rule.needs) <= {*names})


def called(signal: str) -> str:
    """What a signal is called within a sentence: `active_users` is `active users`."""
    text = label(signal)
    is_name = text == signal or signal.split("_")[0] in CAPITALS
    return text if is_name else text[:1].lower() + text[1:]


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.10g}%"


def read_signals_card(path: str | Path | None = None) -> SignalsCard:
    """The signals card of a file; the one that comes with nrrsim where none is given.

    Raises UsageError with all that is wrong, each with its line.
    """
    file = shared("params", "signals", "default.yaml") if path is None else Path(path)
    document = read_yaml(file, "signals card")
    try:
        card = SignalsCard.model_validate(document.values)
    except ValidationError as error:
        problems = problems_of(error, SignalsCard)
        raise UsageError("\n".join(located(problems, document))) from None
    if problems := [*_problems(card)]:
        raise UsageError("\n".join(located(problems, document)))
    card._path = file
    return card


def _problems(card: SignalsCard) -> list[Problem]:
    """What is wrong between the parts of a card that are right in themselves."""
    found = []
    for name, signal in card.signals.items():
        if signal.of == name:
            found.append(Problem(("signals", name, "of"), "is the signal itself; name the whole"))
    first: dict[str, int] = {}
    for at, rule in enumerate(card.watch):
        place = ("watch", at)
        kind = card.kind_of(rule.signal)
        if rule.reaches is not None and rule.of is None:
            remedy = f"say so under signals, such as {rule.signal}: {{of: seats_bought}}"
            found.append(Problem((*place, "reaches"), f"is a share of another signal; {remedy}"))
        if kind == "text":
            found.append(Problem((*place, "signal"), f"{rule.signal} is text, and no signal"))
        if rule.more_than is not None and kind in ("level", "score"):
            problem = f"adds up what is counted, and {rule.signal} is a {kind}"
            remedy = f"write above, or {rule.signal}: {{kind: count}} under signals"
            found.append(Problem((*place, "more_than"), f"{problem}; {remedy}"))
        if rule.words in first:
            problem = f"stands twice: rule {first[rule.words] + 1} says so, too"
            found.append(Problem((*place, "signal"), problem))
        first.setdefault(rule.words, at)
    return found


# --- firing ---------------------------------------------------------------------------------------


class _Known:
    """What is known of one signal: values by customer (a number from 0) and day, in their order.

    A search finds the latest at a day by one number for both, customer and day.
    """

    def __init__(self, signals: Signals, name: str, customers: np.ndarray) -> None:
        frame = signals.frame
        value = frame[name].to_numpy(float)
        there = ~np.isnan(value) & (customers >= 0)
        customer, day = customers[there], frame["day"].to_numpy(np.int64)[there]
        order = np.lexsort((day, customer))
        self.customer, self.day = customer[order], day[order]
        self.value = value[there][order]
        self._keys = self._key(self.customer, self.day)

    def latest(self, customer: np.ndarray, day: np.ndarray) -> np.ndarray:
        """The latest value of each customer that is dated at a day or before it, nan if none is."""
        at = np.searchsorted(self._keys, self._key(customer, day), side="right") - 1
        return np.where(self._is_of(at, customer), self._taken(self.value, at), np.nan)

    def total(self, customer: np.ndarray, after: np.ndarray, until: np.ndarray) -> np.ndarray:
        """The sum of what is dated after a day, up to another, nan where nothing is."""
        first = np.searchsorted(self._keys, self._key(customer, after), side="right")
        last = np.searchsorted(self._keys, self._key(customer, until), side="right")
        # each stretch by itself: differences of one long sum would carry others' rounding
        sums = np.add.reduceat(np.append(self.value, 0.0), np.stack([first, last], 1).ravel())[::2]
        return np.where(last > first, sums, np.nan)

    def before(self) -> np.ndarray:
        """The value before each, of the same customer; nan of the first."""
        is_first = np.diff(self.customer, prepend=-1) != 0
        return np.asarray(np.where(is_first, np.nan, np.roll(self.value, 1)))

    def _is_of(self, at: np.ndarray, customer: np.ndarray) -> np.ndarray:
        return np.asarray((at >= 0) & (self._taken(self.customer, at) == customer))

    @staticmethod
    def _taken(values: np.ndarray, at: np.ndarray) -> np.ndarray:
        return np.asarray(values[np.maximum(at, 0)] if len(values) else np.full(len(at), -1))

    @staticmethod
    def _key(customer: np.ndarray, day: np.ndarray) -> np.ndarray:
        return np.asarray(customer.astype(np.int64) * 2**32 + day + DAY_ZERO)


def fired(
    rule: Rule, signals: Signals, customers: Sequence[str], months: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Whether a rule fired, and what it saw: two `ndarray[customer, month]`, bool and float.

    customers : as the ledger names them. months : month numbers, in order; each is judged by what
    was dated no later than its end. What it saw is the change (-0.25: a fall by a quarter), the
    share, the sum, or the value itself; nan where it is not known, and where a signal that it needs
    is not there.
    """
    import pandas as pd

    fires = np.zeros((len(customers), len(months)), dtype=bool)
    saw = np.full(fires.shape, np.nan)
    if not set(rule.needs) <= set(signals.names) or not fires.size:
        return fires, saw
    numbers = np.asarray(months, dtype=np.int64)
    named = signals.frame["customer"]
    codes = pd.Index(customers).get_indexer(named.cat.categories)[named.cat.codes.to_numpy()]
    known = _Known(signals, rule.signal, codes)

    ends = (numbers - 1970 * 12 + 1).astype("datetime64[M]").astype("datetime64[D]")
    customer = np.repeat(np.arange(len(customers)), len(numbers))
    end = np.tile(ends.astype(np.int64) - 1, len(customers))
    whole = _Known(signals, rule.of, codes) if rule.of else None
    at_end, seen = _judged(rule, known, whole, customer, end)
    fires[:], saw[:] = at_end.reshape(fires.shape), seen.reshape(fires.shape)

    # a change in the middle of a month is over at its end, as seen from there
    if rule.condition in ("falls", "rises", "crosses", "more_than") and len(known.day):
        met, seen = _judged(rule, known, whole, known.customer, known.day)
        if rule.crosses is not None:
            met = (known.before() < rule.crosses) & (known.value >= rule.crosses)
        month = known.day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        column = pd.Index(numbers - 1970 * 12).get_indexer(month)
        met &= column >= 0
        # days stand in order: of several the last is what was seen; the month's end comes after it
        cells = known.customer[met], column[met]
        new = ~fires[cells]
        fires[cells] = True
        saw[cells[0][new], cells[1][new]] = seen[met][new]
    return fires, saw


def _judged(
    rule: Rule, known: _Known, whole: _Known | None, customer: np.ndarray, day: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the rule's condition is met by each customer on a day, and what it sees."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if rule.more_than is not None and rule.within is not None:
            seen = known.total(customer, rule.within.before(day), day)
            return seen > rule.more_than + ROUNDING, seen
        now = known.latest(customer, day)
        if change := rule.falls or rule.rises:
            before = known.latest(customer, change.within.before(day))
            # nothing is a share of nothing
            seen = np.where(before == 0, np.nan, (now - before) / np.abs(before))
            reached = -seen if rule.falls else seen
            return reached >= change.by - ROUNDING, seen
        if rule.reaches is not None and whole is not None:
            of = whole.latest(customer, day)
            seen = np.where(of > 0, now / of, np.nan)
            return seen >= rule.reaches - ROUNDING, seen
        if rule.crosses is not None:  # on the day on which it does, and on no other
            return np.zeros(len(now), dtype=bool), now
        bound = rule.below if rule.below is not None else rule.above
        return (now < bound) if rule.below is not None else (now > bound), now
