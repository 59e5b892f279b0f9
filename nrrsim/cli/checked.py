"""What is in a ledger in, the lines that `check` and `formats` print out; never computes a number.

Apart from `text`, which starts what a scenario is made of: a ledger needs none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nrrsim.notation import MONTHS, count, counted, label, money, money_exact, percent

if TYPE_CHECKING:
    from nrrsim.ledger.exports import Format

MOST_SIGNALS = 20  # lines of a profile


def profile_lines(profile: Mapping[str, Any]) -> list[str]:
    """What `nrrsim check` prints for people."""
    currency = profile["currency"] or ""
    segments = ", ".join(f"{label(name)} {count(n)}" for name, n in profile["segments"].items())
    every = {1: "monthly", 3: "quarterly", 12: "annual"}[profile["step"]]
    fiscal = profile.get("fiscal_year_end")  # not of a calendar year
    return [
        f"rows          {count(profile['rows'])} (of which {count(profile['zeros'])} of amount 0),"
        f" as {profile['unit']}",
        f"months        {count(profile['months'])} {every},"
        f" {profile['first_month']} to {profile['last_month']}",
        *([f"fiscal year   ends in {MONTHS[fiscal - 1]}"] if fiscal else []),
        f"customers     {count(profile['customers'])},"
        f" {count(profile['customers_last_month'])} of them in the last month",
        f"ARR           {money_exact(profile['arr_last_month'], currency)} in the last month",
        f"currency      {currency or 'not stated (--currency says it)'}",
        f"segments      {segments}",
        f"gaps          {count(profile['gaps'])} left and came back,"
        f" {count(profile['gaps_up_to_3_months'])} of them within 3 months;"
        f" reactivation {money(profile['reactivation'], currency)}",
        f"largest       {profile['largest_customer']}, {percent(profile['largest_share'])} of ARR",
        f"split by      {', '.join(profile['columns'])}",
    ]


def signals_lines(profile: Mapping[str, Any]) -> list[str]:
    """What `nrrsim check --signals` prints of the signals for people."""
    from nrrsim.accounts.watch import called  # late: a ledger alone has no rules

    days = f", {profile['first_day']} to {profile['last_day']}" if profile["first_day"] else ""
    shown = list(profile["signals"].items())[:MOST_SIGNALS]
    width = max((len(called(name)) for name, _ in shown), default=0)
    rest, who = len(profile["signals"]) - len(shown), "customer"
    return [
        f"signals       {counted(profile['rows'], 'row')} of"
        f" {counted(profile['customers'], 'customer')}{days};"
        f" {counted(profile['not_in_ledger'], 'customer')} not in the ledger",
        *(
            f"              {called(name):<{width}}  {of['kind']}, known of {percent(of['known'])}"
            f" of customers{', the same throughout' if of['constant'] else ''}"
            for name, of in shown
        ),
        *([f"              and {count(rest)} more: --json lists them"] if rest > 0 else []),
        *(
            f"rule          {words}: {f'fired for {counted(n, who)}' if n else 'never fired'}"
            for words, n in profile["rules"].items()
        ),
        *(
            f"silent rule   {words}: no signal {', '.join(map(called, missing))}"
            for words, missing in profile["silent"].items()
        ),
    ]


def reasons_lines(profile: Mapping[str, Any]) -> list[str]:
    """What `nrrsim check --reasons` prints of the reasons for people."""
    # late, as it needs all that reads a ledger, and other commands read none
    from nrrsim.report.wording.accounts import KINDS

    found = profile["kinds"]
    kinds = ", ".join(f"{KINDS[kind]} {count(found[kind])}" for kind in KINDS if kind in found)
    losses = counted(profile["losses"], "loss has", "losses have")
    return [f"reasons       {losses} one{f': {kinds}' if kinds else ''}"]


def formats_lines(known: Mapping[str, Format]) -> list[str]:
    """What `nrrsim formats` prints for people."""
    lines = []
    for name, each in known.items():
        lines += [f"{name}: {each.title}", f"  from {each.source}"]
        if each.unverified:
            lines.append(f"  not checked against the vendor's page: {each.unverified}")
        cannot = [*each.says, *(said for shape in each.shapes for said in shape.says)]
        lines += [f"  - {said}" for said in (*each.assumes, *cannot)]
    return [*lines, "", "a format of your own: --format FILE.yaml, with the same keys"]
