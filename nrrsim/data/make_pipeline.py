"""What Meridian's sales team had open: its ledger and a seed in, `meridian_pipeline.csv` out.

A CRM's list at the end of each of the last six quarters, consistent with the ledger, which is fixed
(`make_meridian`). The truth, which a report should find:

- Of what is open in a stage, the share RATES becomes expansion, whatever probability the sales team
  writes beside it (SAID, which hopes for more): so many of each BATCH are sales that the ledger
  has, for a little less than the ledger says; the others are of customers who buy no seats until
  90 days after the close date.
- Proposals and negotiations are to close in the next quarter, discoveries in the one after it.
  Nobody knows yet what becomes of what was open in September 2026: its sales are those of the lives
  that go on (`LOOKAHEAD`), and of what closes later there is none.
- Nine in ten renewals of the next six months have an opportunity.
- Slips that every CRM has: a customer written otherwise, two who are no customers, opportunities of
  customers who left, close dates that have passed, an amount that nobody entered.

Run it as `python -m nrrsim.data.make_pipeline`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from nrrsim.data.make_meridian import LAST, Luck, invent_name, iso, lives, table, write
from nrrsim.data.make_signals import LOOKAHEAD, PROSPECTS, customers, day
from nrrsim.notation import month_name

PIPELINE = "customer,opportunity,arr,close,stage,probability,kind,snapshot\n"
RATES = {"Discovery": 0.15, "Proposal": 0.40, "Negotiation": 0.75}  # what becomes expansion
SAID = {"Discovery": "20%", "Proposal": "55%", "Negotiation": "85%"}
BATCH = {"Discovery": 40, "Proposal": 30, "Negotiation": 24}  # opportunities of a snapshot
LUCK, SNAPSHOTS = 2531, range(LAST - 15, LAST + 1, 3)
LEAST = 6_000  # ARR of a sale that a person closes; less is bought without one
RENEWED = 0.9  # share of the renewals that have an opportunity
WITHOUT = 4  # months from a close date on in which who does not buy buys no seats


class Buyer(NamedTuple):
    """A customer: seats and ARR by month, and what it bought by month (ARR, price left out)."""

    number: int
    name: str
    seats: dict[int, int]
    arr: dict[int, float]
    bought: dict[int, float]
    renews: dict[int, str]

    def buys(self, first: int, last: int) -> float:
        """What it buys after the month `first` up to `last`; nothing is known beyond lives."""
        return sum(self.bought.get(month, 0.0) for month in range(first + 1, last + 1))


class Deal(NamedTuple):
    """An opportunity: whose, for how much, to close in which month, and whether it comes."""

    buyer: Buyer
    arr: int
    month: int
    comes: bool

    def row(self, stage: str, snapshot: int) -> list[object]:
        luck = Luck(LUCK + self.month, self.buyer.number)
        close, name = day(self.month, luck.among(range(3, 28))), f"Seats {in_words(self.month)}"
        own = [self.buyer.name, name, self.arr, close, stage, SAID[stage], "Expansion"]
        return [*own, day(snapshot)]


def buyers() -> list[Buyer]:
    """All customers by name, with what their lives say until December 2026."""
    renews: dict[str, dict[int, str]] = {}
    for row in lives(LAST + LOOKAHEAD):
        month = 12 * int(row[1][:4]) + int(row[1][5:]) - 1
        renews.setdefault(row[0], {})[month] = row[9]
    found = []
    for life in customers():
        arr = {month: 12 * seats * life.price[month] for month, seats in life.seats.items()}
        bought = {
            month: 12 * (then - before) * life.price[month - 1]
            for month, before, then in life.steps
            if then > before
        }
        found.append(Buyer(life.number, life.name, life.seats, arr, bought, renews[life.name]))
    return found


def deals(who: list[Buyer], snapshot: int, stage: str) -> list[Deal]:
    """A batch of a stage: those that come, as the ledger has them, and those that do not."""
    ahead = 3 if stage == "Discovery" else 0
    quarter = range(snapshot + 1 + ahead, snapshot + 4 + ahead)
    there = shuffled([each for each in who if snapshot in each.seats], snapshot, stage)
    sales = [
        Deal(each, sold(each, month), month, comes=True)
        for each in there
        for month in quarter
        if each.bought.get(month, 0.0) >= LEAST
    ]
    # as many as on average, so that a small file tells the truth: 6 of 40, 12 of 30, 18 of 24
    sales = once(sales)[: round(RATES[stage] * BATCH[stage])]
    taken = {each.buyer.number for each in sales}
    idle = [each for each in there if each.number not in taken]
    idle = [each for each in idle if not each.buys(snapshot, quarter[-1] + WITHOUT)]
    lost: list[Deal] = []
    for place in range(BATCH[stage] - len(sales)):
        # as large as one that comes, of a customer as large: amounts say no more than numbers do
        like = sales[place % len(sales)] if sales else None
        size = like.buyer.arr[snapshot] if like else idle[0].arr[snapshot]
        each = min(idle, key=lambda one: abs(one.arr[snapshot] - size))
        idle.remove(each)
        luck = Luck(LUCK + snapshot, each.number)
        amount = (like.arr if like else 0.1 * size) * luck.between(0.8, 1.2)
        lost.append(Deal(each, round_down(amount), luck.among(quarter), comes=False))
    return [*sales, *lost]


def shuffled(who: list[Buyer], snapshot: int, stage: str) -> list[Buyer]:
    """The customers in an order of chance."""
    seed = LUCK + 7 * snapshot + list(RATES).index(stage)
    return sorted(who, key=lambda each: Luck(seed, each.number).random())


def once(found: list[Deal]) -> list[Deal]:
    """The first deal of each customer."""
    return [*{each.buyer.number: each for each in reversed(found)}.values()][::-1]


def sold(buyer: Buyer, month: int) -> int:
    """What the CRM has of a sale: a little less than the ledger."""
    return round_down(buyer.bought[month] * Luck(LUCK + month, buyer.number).between(0.85, 1.0))


def round_down(amount: float) -> int:
    """An amount as people enter it, in hundreds."""
    return int(amount // 100 * 100)


def batches(who: list[Buyer], snapshot: int) -> Iterator[tuple[str, Deal]]:
    """What is open at a snapshot, with its stage; each customer has one opportunity at most."""
    free = who
    for stage in reversed(RATES):
        found = deals(free, snapshot, stage)
        taken = {each.buyer.number for each in found}
        free = [each for each in free if each.number not in taken]
        yield from ((stage, each) for each in found)


def expansion(who: list[Buyer]) -> Iterator[list[object]]:
    """The open expansion of each snapshot, and in the last one what closed since the one before."""
    for snapshot in SNAPSHOTS:
        yield from (each.row(stage, snapshot) for stage, each in batches(who, snapshot))
    before, last = SNAPSHOTS[-2:]
    for stage, each in batches(who, before):
        if stage != "Discovery":
            row, won = each.row(stage, last), each.comes
            closed = ["Closed Won", "100%"] if won else ["Closed Lost", "0%"]
            yield [*row[:4], *closed, *row[6:]]


def in_words(month: int) -> str:
    """A month number as salespeople write it: November 2026."""
    return month_name(iso(month))


def renewals(who: list[Buyer]) -> Iterator[list[object]]:
    """Renewals of the six months after each snapshot, nine in ten of which have an opportunity."""
    for snapshot in SNAPSHOTS:
        for each in who:
            due = each.renews.get(snapshot, "")
            if iso(snapshot) < due <= iso(snapshot + 6):
                month = 12 * int(due[:4]) + int(due[5:]) - 1
                if Luck(LUCK + month, each.number).chance(RENEWED):
                    name, arr = f"Renewal {in_words(month)}", round(each.arr[snapshot])
                    own = [each.name, name, arr, day(month)]
                    yield [*own, "Renewal", "", "Renewal", day(snapshot)]


def slips(who: list[Buyer]) -> Iterator[list[object]]:
    """What is wrong in the last snapshot, as in every CRM."""
    there = sorted((each for each in who if LAST in each.seats), key=lambda e: -e.arr[LAST])
    gone = [each for each in who if LAST - 2 in each.seats and LAST not in each.seats]
    proposal = ["Proposal", SAID["Proposal"], "Expansion", day(LAST)]
    for each in gone[:3]:
        yield [each.name, "Seats November 2026", 6_000, "2026-11-15", *proposal]
    for each in there[40:43]:
        yield [each.name, "Seats August 2026", 9_600, "2026-08-20", *proposal]
    yield [there[60].name, "Analytics", "", "2026-12-10", *proposal]
    yield [f"{there[10].name} Group", "Second site", 36_000, "2026-12-01", *proposal]
    for number in PROSPECTS[:2]:
        name = invent_name(Luck(2502, number), number, "Software")
        yield [name, "First order", 12_000, "2026-11-20", *proposal[:2], "New Business", day(LAST)]


def pipeline() -> str:
    """The text of `meridian_pipeline.csv`, sorted by snapshot, customer and opportunity."""
    who = buyers()
    rows = [*expansion(who), *renewals(who), *slips(who)]
    return table(PIPELINE, sorted(rows, key=lambda row: (row[7], row[0], row[1])))


def main() -> None:
    """Write the file beside this script."""
    write("meridian_pipeline.csv", pipeline())


if __name__ == "__main__":
    main()
