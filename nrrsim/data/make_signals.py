"""What Meridian knew of its customers: its ledger and seeds in, three files beside this one out.

The ledger is fixed (`make_meridian`); these files tell of what happens in it and never change it.
`meridian_signals.csv` has usage, payments, surveys and tickets by month, `meridian_reasons.csv` why
customers left or shrank, `meridian_actions.csv` what was done for them. Their luck is their own.

The truth, which a score should find and a report should not overstate:

- Half of those who leave use the product less, from one to three months before: active users fall
  by 30% to 55%, and by a sixth more each month. Of these, core actions per active user are thin for
  the year before. The other half leave without a sign.
- Seats in use fall in the three months before seven of ten contractions. Before half of the
  expansions all seats are in use.
- One in fourteen of those who leave monthly terms did not decide to: their card failed, four times
  in five with failed payments in the two months before.
- False alarms: use dips for two or three months, or is thin for good, without churn; seats fill up
  without an expansion; a payment fails and then succeeds. NPS and tickets are nearly noise.
- The last months warn of losses and gains until December 2026: lives go on after the ledger's end.
- Unknown: NPS but for a survey now and then, all signals of newcomers in their first months and of
  some small customers in the first years, a month here and there. Four prospects have signals and
  are not in the ledger.
- Reasons are known for most losses of the last two years. Those who used less name results, product
  or support; those who left without a sign, competitors, budgets or mergers. No loss is invented
  for a pattern: seven of the eighteen who left in the last quarter are manufacturers, most of whom
  say budget.
- Calls of early 2026 were given by lot (`arm`) and change nothing. Business reviews (QBR) went to
  larger customers whose use held: they leave less than half as often as all, and not for that.

Run it as `python -m nrrsim.data.make_signals`.
"""

import calendar
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from nrrsim.data.make_meridian import (
    FIRST,
    LAST,
    Luck,
    invent_name,
    iso,
    lives,
    table,
    write,
)

SIGNALS = (
    "customer,date,active_users,seats_used,seats_bought,core_actions,payment_failures,nps,tickets\n"
)
REASONS = "customer,month,reason,detail\n"
ACTIONS = "customer,date,action,arm\n"
# Seeds of what signs there are, of usage, of what was said and of what was done; the last one is
# picked so that those called and not called leave alike, as they would in a larger trial.
FATE, USAGE, SAID, DONE = 2501, 2502, 2503, 2522
LOOKAHEAD = 3  # months after the ledger's end whose losses and gains already show
SEEN = 0.5  # share of those who leave whose usage tells
UNPAID = 0.07  # share of those leaving monthly terms whose card failed
IDLE = 0.7  # share of contractions that seats in use tell
FULL = 0.5  # share of expansions that seats in use tell
PROSPECTS = range(600, 604)  # numbers of names that no customer has


class Loss(NamedTuple):
    """A customer's churn or contraction, and which sign of it there is."""

    month: int  # the first without the amount
    left: bool
    lead: int  # months from the first sign of usage to `month`; 0 if there is none
    unpaid: bool


@dataclass(frozen=True)
class Life:
    """A customer as the ledger has it: seats and price by month, a month without seats is away."""

    number: int
    name: str
    segment: str
    industry: str
    monthly: bool  # on monthly terms
    seats: dict[int, int]
    price: dict[int, float]

    @property
    def steps(self) -> Iterator[tuple[int, int, int]]:
        """Each month that follows one with seats: the month, seats before, seats then."""
        for month, seats in self.seats.items():
            if month < LAST + LOOKAHEAD:
                yield month + 1, seats, self.seats.get(month + 1, 0)

    def losses(self) -> list[Loss]:
        """What the customer is going to give up, the same each time it is asked."""
        luck, found = Luck(FATE, self.number), []
        for month, before, then in self.steps:
            if then == 0:
                lead = luck.among((1, 2, 3)) if luck.chance(SEEN) else 0
                found.append(Loss(month, True, lead, self.monthly and luck.chance(UNPAID)))
            elif then < before:
                found.append(Loss(month, False, 3 if luck.chance(IDLE) else 0, False))
        return found


def customers() -> list[Life]:
    """All customers by name, each with what it buys to the ledger's end and shortly after."""
    rows: dict[str, list[list[str]]] = defaultdict(list)
    for row in lives(LAST + LOOKAHEAD):
        rows[row[0]].append(row)
    found = []
    for number, (name, own) in enumerate(sorted(rows.items())):
        months = [12 * int(row[1][:4]) + int(row[1][5:]) - 1 for row in own]
        seats = {month: int(row[7]) for month, row in zip(months, own, strict=True)}
        price = {month: float(row[8]) for month, row in zip(months, own, strict=True)}
        found.append(Life(number, name, own[0][3], own[0][4], own[0][9] == "", seats, price))
    return found


class Usage:
    """How a customer's use departs from its habit: factors by month, 1 where it does not."""

    def __init__(self, life: Life, luck: Luck) -> None:
        self.active: dict[int, float] = defaultdict(lambda: 1.0)
        self.depth: dict[int, float] = defaultdict(lambda: 1.0)  # core actions per active user
        self.idle: dict[int, float] = defaultdict(lambda: 1.0)  # seats in use
        self.full: dict[int, float] = defaultdict(float)  # least share of seats in use
        self.unpaid: dict[int, int] = defaultdict(int)
        for month in life.seats:
            if luck.chance(0.005):
                self._fall(month, luck.among((2, 3)), luck)
            if luck.chance(0.05):
                self.full[month] = 0.95
        if luck.chance(0.06):
            self._thin(min(life.seats), LAST + LOOKAHEAD)
        for loss in life.losses():
            self._warn(life, loss, luck)
        for month, before, then in life.steps:
            if then > before and luck.chance(FULL):
                for at, share in ((month - 2, 0.9), (month - 1, 0.98), (month, 0.88)):
                    self.full[at] = max(self.full[at], share)

    def _fall(self, start: int, months: int, luck: Luck) -> None:
        rest = luck.between(0.45, 0.70)
        for gone in range(months):
            self.active[start + gone] = min(self.active[start + gone], rest * 0.83**gone)

    def _thin(self, start: int, end: int) -> None:
        self.depth.update(dict.fromkeys(range(start, end), 0.45))

    def _warn(self, life: Life, loss: Loss, luck: Luck) -> None:
        if loss.left and loss.lead:
            self._fall(loss.month - loss.lead, loss.lead, luck)
            self._thin(loss.month - 12, loss.month)
        elif loss.lead:
            kept = life.seats[loss.month] / life.seats[loss.month - 1]
            rest = kept * luck.between(0.75, 0.92)
            for gone in range(1, loss.lead + 1):
                self.idle[loss.month - loss.lead - 1 + gone] = 1 - (1 - rest) * gone / loss.lead
        if loss.unpaid and luck.chance(0.8):
            self.unpaid[loss.month - 2], self.unpaid[loss.month - 1] = 1, luck.among((1, 2, 3))


def observed(life: Life) -> Iterator[list[object]]:
    """The signals of one customer, a row a month in which it was there and was measured."""
    luck = Luck(USAGE, life.number)
    usage = Usage(life, luck)
    share, engaged, depth = luck.between(0.5, 0.74), luck.between(0.4, 0.6), luck.between(14, 26)
    phase, start = luck.among(range(6)), min(life.seats)
    since = start + luck.among((1, 2, 3)) if start > FIRST else start
    if life.segment == "smb" and luck.chance(0.12):
        since = max(since, FIRST + luck.among(range(6, 30)))
    people = float(life.seats[start])  # grows with seats, and leaves with them only slowly
    for month, seats in life.seats.items():
        people += (seats - people) * (0.4 if seats > people else 0.15)
        held = max(share * luck.lognormal(1, 0.03) * usage.idle[month], usage.full[month])
        used = max(1, min(seats, round(seats * held)))
        active = people * engaged * usage.active[month] * luck.lognormal(1, 0.05)
        active = min(used, round(active))
        actions = round(active * depth * usage.depth[month] * luck.lognormal(1, 0.12))
        failures = usage.unpaid[month] or int(luck.chance(0.015)) + int(luck.chance(0.004))
        asked = month % 6 == phase and luck.chance(0.5)
        score = max(-100, 100 - round(luck.lognormal(62 if usage.active[month] == 1 else 68, 0.45)))
        tickets = int(luck.lognormal(0.6 + 0.006 * seats, 0.8))
        if month >= since and month <= LAST and not luck.chance(0.01):
            nps = score if asked else ""
            yield [life.name, day(month), active, used, seats, actions, failures, nps, tickets]


def prospects() -> Iterator[list[object]]:
    """Signals of companies that try the product in 2026 and have not bought."""
    for number in PROSPECTS:
        luck = Luck(USAGE, number)
        name = invent_name(luck, number, "Software")
        for month in range(LAST - 5, LAST - 5 + luck.among(range(2, 7))):
            active = round(luck.between(2, 9))
            yield [name, day(month), active, 10, 10, 6 * active, 0, "", int(luck.between(0, 3))]


def signals() -> str:
    """The text of `meridian_signals.csv`, sorted by customer and month."""
    rows = [row for life in customers() for row in observed(life)]
    return table(SIGNALS, sorted([*rows, *prospects()], key=lambda row: (row[0], row[1])))


# What customers say, and its details: who used less, who left without a sign, who shrank.
Told = tuple[tuple[str, tuple[str, ...]], ...]
DISSATISFIED: Told = (
    ("Did not see results", ("nobody owned the rollout", "no gain they could show", "")),
    ("Did not see results", ("used by one team only", "champion left", "")),
    ("Missing feature", ("needs single sign-on", "no offline mode", "reporting too coarse", "")),
    ("Missing feature", ("integration with their ERP", "roles and permissions", "")),
    ("Poor support", ("tickets open for weeks", "three account managers in a year", "")),
)
UNSEEN: Told = (
    ("Competitor", ("bundled with a suite they have", "cheaper offer", "")),
    ("Competitor", ("group standard is another product", "")),
    ("Budget cut", ("spending frozen", "headcount reduced", "")),
    ("Price too high", ("asked for a discount", "")),
)
FOR_GOOD: Told = (
    ("Acquired", ("buyer uses its own tool", "merged into a larger group", "")),
    ("Bankrupt", ("insolvency proceedings", "ceased trading")),
)
SHRUNK: Told = (
    ("Unused seats", ("fewer users than seats", "a project ended", "")),
    ("Unused seats", ("rollout stopped after one department", "")),
    ("Budget cut", ("headcount reduced", "spending frozen", "")),
    ("Budget cut", ("closed a site", "")),
    ("Competitor", ("one department uses another product", "")),
    ("Price too high", ("cut seats to keep the bill", "")),
)
SHORT_TIME: Told = (("Budget cut", ("plants on short time", "orders down", "spending frozen")),)
CARD_FAILED: Told = (("Card failed", ("card expired, reminders unanswered", "charge refused", "")),)
RISE: Told = (
    ("Price too high", ("did not accept the increase", "asked for last year's price", "")),
)


def said(life: Life, loss: Loss, luck: Luck) -> tuple[str, str]:
    """Why a customer left or shrank, in its words, and a detail or nothing."""
    month, price = loss.month, life.price
    rise = price[month - 1] > price.get(month - 4, price[month - 1])
    if loss.unpaid:
        told = CARD_FAILED
    elif life.industry == "Manufacturing" and month > LAST - 3 and luck.chance(0.7):
        told = SHORT_TIME
    elif rise and luck.chance(0.5):
        told = RISE
    elif not loss.left:
        told = SHRUNK
    elif loss.lead:
        told = DISSATISFIED
    else:
        told = UNSEEN if month < max(life.seats) else (*UNSEEN, *FOR_GOOD)  # some come back
    reason, details = luck.among(told)
    return reason, luck.among(details)


def reasons() -> str:
    """The text of `meridian_reasons.csv`: most losses of the last two years, sorted."""
    rows = []
    for life in customers():
        luck = Luck(SAID, life.number)
        for loss in life.losses():
            known = luck.chance(0.88 if loss.left else 0.65)
            if LAST - 24 < loss.month <= LAST and known:
                rows.append([life.name, iso(loss.month), *said(life, loss, luck)])
    return table(REASONS, sorted(rows))


def actions() -> str:
    """The text of `meridian_actions.csv`: calls by lot, and business reviews by choice."""
    rows = []
    for life in customers():
        luck = Luck(DONE, life.number)
        called = LAST - luck.among(range(3, 9))  # January to June 2026, each customer once
        day_of_month = luck.among(range(2, 28))
        arm = "treated" if luck.chance(0.5) else "holdout"
        if life.segment != "enterprise" and called in life.seats:
            rows.append([life.name, day(called, day_of_month), "call", arm])
        usage = Usage(life, Luck(USAGE, life.number))  # the same as in its signals
        for month, seats in life.seats.items():
            large = 12 * seats * life.price[month] >= 120_000
            due = LAST - 24 < month <= LAST and month % 6 == life.number % 6
            if large and due and usage.active[month] == 1 and luck.chance(0.8):
                rows.append([life.name, day(month, luck.among(range(2, 28))), "QBR", ""])
    return table(ACTIONS, sorted(rows))


def day(month: int, number: int = 0) -> str:
    """A day of a month as YYYY-MM-DD; its last one if none is named."""
    year, index = divmod(month, 12)
    return f"{iso(month)}-{number or calendar.monthrange(year, index + 1)[1]:02d}"


def main() -> None:
    """Write the three files beside this script."""
    write("meridian_signals.csv", signals())
    write("meridian_reasons.csv", reasons())
    write("meridian_actions.csv", actions())


if __name__ == "__main__":
    main()
