"""The example company's ledger: seeds in, `meridian.csv` beside this file out; it reads no file.

Meridian Cloud sells seats of four plans. Its customers are invented; what happens to them has the
model's names: churn, price, contraction, adoption, reactivation. The story that a report should
find: retention dips in 2025 and recovers, small customers get worse, enterprises get better, the
largest customer gives up seats. Each segment has a seed, picked from up to two thousand so that its
luck tells that story.

Run it as `python -m nrrsim.data.make_meridian`.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple, TypeVar

import numpy as np

# 2022-10 and 2026-09: a month is 12 * year + (month - 1).
FIRST, LAST = 2022 * 12 + 9, 2026 * 12 + 8
HEADER = "customer,month,mrr,segment,industry,region,plan,quantity,unit_price,renewal\n"
# Weights of January to December: most renew when a budget year ends.
RENEWALS = (6, 1, 2, 1, 1, 5, 1, 1, 2, 1, 1, 7)
# Cents per seat and month.
LIST_PRICE = {"Starter": 1900, "Team": 2900, "Business": 4200, "Enterprise": 5800}
PLANS = list(LIST_PRICE)
REGIONS = ("North America",) * 5 + ("Europe",) * 3 + ("Asia Pacific",) * 2
TRADES = {
    "Manufacturing": ("Works", "Foundry", "Tooling"),
    "Software": ("Labs", "Systems", "Logic"),
    "Healthcare": ("Clinics", "Care", "Biologics"),
    "Finance": ("Capital", "Mutual", "Trust"),
    "Retail": ("Stores", "Outfitters", "Grocers"),
    "Logistics": ("Freight", "Haulage", "Lines"),
}
HEADS = """Brann Corv Dask Elph Fyrr Garv Hesk Istr Jorv Kelm Lumb Morv Nard Oltr Pelk Quav Rusk
    Sarn Tolv Ulm Vesk Wend Yarb Zelk Brû Sø Thran Glind Ambr Orrin"""
TAILS = """amere avoy adine ebrook elund erith essary idane ifold inster ithe obar olane orrow oskel
    ovar ubry umond undel ysse astor emby oquin"""
PLAIN = ("{} {}",) * 14
FORMS = (
    *PLAIN,
    "{}, Inc.",
    "{}'s {}",
    "{} & Daughters",
    "{} {}, Ltd.",
    "Société {}, S.A.",
    "{} {} GmbH",
)
RARE = {
    359: "O'Pellorrow's, Ltd.",
    384: "Ñerrova e Hijos",
    433: "Ångvik, Llorë & Co.",
    548: "Brûlé & Søn, S.A.",
}
T = TypeVar("T")


class Segment(NamedTuple):
    """What to expect of a segment's customers, per customer and year; five are 2022 to 2026."""

    name: str
    seed: int  # of its luck
    customers: int  # on the books in the first month
    signed: float  # newcomers in the first year, and a fifth more in each later one
    seats: float  # of a newcomer: median, and lognormal spread
    spread: float
    plans: tuple[str, ...]  # that newcomers buy
    annual: float  # share with annual contracts; the others pay by the month
    churn: tuple[float, ...]
    back: float  # share of the churned who come back
    acceptance: float  # of the yearly price rise
    contraction: float
    adoption: tuple[float, ...]
    upgrade: float


# The largest customer never leaves, but gives up seats at its last renewal.
ANCHOR = Segment(
    "enterprise", 18, 1, 0, 3400, 0, ("Enterprise",), 1, (0,) * 5, 0, 1, 0, (1,) * 5, 0
)
SEGMENTS = (
    ANCHOR,
    Segment("smb", 1776, 150, 35, 74, 0.75, ("Starter", "Team", "Team"), 0.15,
            (0.12, 0.13, 0.14, 0.17, 0.18), 0.13, 0.65, 0.40, (2.0, 2.0, 2.0, 1.9, 1.8), 0.06),
    Segment("mid_market", 857, 80, 18, 165, 0.60, ("Team", "Business", "Business"), 0.85,
            (0.08, 0.08, 0.08, 0.11, 0.10), 0.25, 0.75, 0.45, (1.8, 1.8, 2.0, 1.5, 2.2), 0.08),
    Segment("enterprise", 248, 32, 5, 330, 0.55, ("Business", "Enterprise", "Enterprise"), 1.0,
            (0.04, 0.04, 0.04, 0.05, 0.04), 0.15, 0.85, 0.35, (1.6, 1.6, 1.6, 1.7, 2.9), 0.10),
)  # fmt: skip


class Luck:
    """A customer's random numbers, all from `random()`: no life moves another's."""

    def __init__(self, seed: int, customer: int) -> None:
        self.random = np.random.Generator(np.random.PCG64([seed, customer])).random

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def among(self, options: Sequence[T]) -> T:
        return options[int(self.random() * len(options))]

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    def lognormal(self, median: float, spread: float) -> float:
        return median * math.exp(spread * NormalDist().inv_cdf(self.random() or 0.5))


@dataclass
class Customer:
    """A customer as it stands in a month. Money is in whole cents."""

    luck: Luck
    terms: Segment
    name: str
    industry: str
    region: str
    plan: str
    seats: int
    price: int  # per seat and month
    annual: bool
    anniversary: (
        int  # the next one: month of the price rise and, under an annual contract, of the renewal
    )

    def decides(self, rate: float, month: int) -> bool:
        """Whether it happens now, at this yearly rate: at a renewal, or monthly in any month."""
        if self.annual:
            return month == self.anniversary and self.luck.chance(rate)
        return self.luck.chance(1 - (1 - rate) ** (1 / 12))

    def churns(self, month: int) -> bool:
        return self.decides(self.terms.churn[month // 12 - 2022], month)

    def price_rise(self, month: int) -> None:
        if month == self.anniversary and self.luck.chance(self.terms.acceptance):
            self.price = round(self.price * self.luck.between(1.03, 1.06))

    def contraction(self, month: int) -> None:
        if self.decides(self.terms.contraction, month):
            self.seats = max(2, round(self.seats * self.luck.between(0.65, 0.95)))
        if self.terms is ANCHOR and month == self.anniversary and month > LAST - 12:
            self.seats = round(self.seats * 0.84)

    def adoption(self, month: int) -> None:
        if self.luck.chance(self.terms.adoption[month // 12 - 2022] / 12):
            self.seats += math.ceil(self.seats * self.luck.between(0.03, 0.16))

    def upgrade(self, month: int) -> None:
        if self.plan != PLANS[-1] and self.decides(self.terms.upgrade, month):
            self.plan, self.price = PLANS[PLANS.index(self.plan) + 1], round(self.price * 1.2)

    def renew(self, month: int) -> None:
        if month == self.anniversary:
            self.anniversary += 12

    def come_back(self, month: int) -> None:
        self.seats, self.anniversary = (
            max(2, round(self.seats * self.luck.between(0.75, 1.0))),
            month + 12,
        )

    def row(self, month: int) -> list[str]:
        who = [self.terms.name, self.industry, self.region]
        what = [
            self.plan,
            str(self.seats),
            money(self.price),
            iso(self.anniversary) if self.annual else "",
        ]
        return [self.name, iso(month), money(self.seats * self.price), *who, *what]


def iso(month: int) -> str:
    """A month number as YYYY-MM."""
    return f"{month // 12}-{month % 12 + 1:02d}"


def money(cents: int) -> str:
    """Cents as an amount with two decimals."""
    return f"{cents // 100}.{cents % 100:02d}"


def invent_name(luck: Luck, number: int, industry: str) -> str:
    """A name that no other number gets: 257 has no factor in common with heads x tails = 690."""
    heads, tails = HEADS.split(), TAILS.split()
    tail, head = divmod(number * 257 % (len(heads) * len(tails)), len(heads))
    name = luck.among(FORMS).format(heads[head] + tails[tail], luck.among(TRADES[industry]))
    return RARE.get(number, name)


def sign(luck: Luck, terms: Segment, month: int, number: int) -> Customer:
    """A new customer: who it is, what it buys, for how long (first up to a budget year's end)."""
    industry, plan, annual = (
        luck.among(list(TRADES)),
        luck.among(terms.plans),
        luck.chance(terms.annual),
    )
    name = invent_name(luck, number, industry)
    seats = max(3, round(luck.lognormal(terms.seats, terms.spread)))
    price = round(LIST_PRICE[plan] * luck.between(0.8, 1.05))
    region = luck.among(REGIONS)
    year = range(month + 1, month + 13)
    ends = luck.among([m for m in year for _ in range(RENEWALS[m % 12] if annual else 1)])
    return Customer(
        luck, terms, name, industry, region, plan, seats, price, annual, anniversary=ends
    )


def live(customer: Customer, month: int, last: int) -> Iterator[list[str]]:
    """The rows of one customer from the month it signs to the last one asked for."""
    while month <= last:
        yield customer.row(month)
        month += 1
        if month > last:
            return
        if customer.churns(month):
            if not customer.luck.chance(customer.terms.back):
                return
            month += customer.luck.among(range(2, 10))
            customer.come_back(month)
        else:
            customer.price_rise(month)
            customer.contraction(month)
            customer.adoption(month)
            customer.upgrade(month)
            customer.renew(month)


def signings() -> Iterator[tuple[Segment, int]]:
    """Who signs when: the opening book, then a growing number of newcomers."""
    for terms in SEGMENTS:
        yield from [(terms, FIRST)] * terms.customers
        total = 0.0
        for month in range(FIRST + 1, LAST + 1):
            before, total = total, total + terms.signed / 12 * 1.2 ** ((month - FIRST) / 12)
            yield from [(terms, month)] * (int(total) - int(before))


def lives(last: int = LAST) -> list[list[str]]:
    """The rows of all who sign by September 2026, sorted by customer and month.

    A life that is lived on after that, to December 2026 at most, has the same rows before.
    """
    rows: list[list[str]] = []
    for number, (terms, month) in enumerate(signings()):
        rows += live(sign(Luck(terms.seed, number), terms, month, number), month, last)
    return sorted(rows)


def table(header: str, rows: Iterable[Sequence[object]]) -> str:
    """The text of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return header + text.getvalue()


def ledger() -> str:
    """The text of `meridian.csv`: one line per customer and month, sorted by both."""
    return table(HEADER, lives())


def write(name: str, text: str) -> None:
    """Write a file beside this script: the same bytes on every machine."""
    Path(__file__).with_name(name).write_text(text, encoding="utf-8", newline="\n")


def main() -> None:
    """Write the ledger beside this script."""
    write("meridian.csv", ledger())


if __name__ == "__main__":
    main()
