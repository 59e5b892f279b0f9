"""How long one card takes for many companies: `python tests/benchmarks/portfolio.py 20 2000`.

So many companies of so many customers each, 36 months: a first run, a second one of which nothing
has changed, and one after a single company's ledger has. What 200 companies would take is stated
as what it is, an extrapolation by the number of reports.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

MONTHS, MANY, SEED = 36, 200, 20260930
LAST = pd.Period("2026-09", "M")
CARD = """notebook: quarterly_report
company: Fund
as_of: "2026-09"
target: 1.05
each: {companies: companies/all.yaml}
"""
COMMAND = (sys.executable, "-c", "from nrrsim.cli import main; main()", "report")


def write_company(path: Path, customers: int, seed: int) -> None:
    """A ledger of customers who come, grow, shrink and leave."""
    luck = np.random.default_rng(seed)
    amount = np.round(luck.lognormal(6.5, 1.0, customers) + 1, 2)
    segment = np.where(luck.random(customers) < 0.3, "enterprise", "smb")
    since = np.where(luck.random(customers) < 0.6, 0, luck.integers(0, MONTHS, customers))
    is_there, parts = np.ones(customers, dtype=bool), []
    for month in range(MONTHS):
        moves = luck.random(customers) < 0.03
        amount = np.round(np.where(moves, amount * luck.uniform(0.8, 1.3, customers), amount), 2)
        is_there &= (luck.random(customers) > 0.012) | (since >= month)
        at = np.flatnonzero(is_there & (since <= month))
        columns = {"customer": at, "mrr": amount[at], "segment": segment[at]}
        parts.append(pd.DataFrame(columns).assign(month=str(LAST - (MONTHS - 1 - month))))
    pd.concat(parts)[["customer", "month", "mrr", "segment"]].to_csv(path, index=False)


def seconds(card: Path) -> float:
    """How long a run takes; an error of it is one here."""
    begun = time.perf_counter()
    subprocess.run([*COMMAND, str(card), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main(companies: int = 20, customers: int = 2000) -> None:
    """Print a Markdown table of the three runs."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "params" / "companies").mkdir(parents=True)
        (home / "reports").mkdir()
        listed = ["companies:"]
        for number in range(companies):
            write_company(home / f"params/companies/c{number}.csv", customers, SEED + number)
            listed.append(f"  - {{name: Company {number}, ledger: c{number}.csv}}")
        (home / "params/companies/all.yaml").write_text("\n".join(listed) + "\n")
        card = home / "params" / "fund.yaml"
        card.write_text(CARD)
        first, second = seconds(card), seconds(card)
        write_company(home / "params/companies/c0.csv", customers, SEED - 1)
        third = seconds(card)
    print("| run | seconds |\n|---|---|")
    print(f"| {companies} companies of {customers:,} customers, PDF and HTML | {first:.0f} |")
    print(f"| the same again: nothing has changed | {second:.1f} |")
    print(f"| after one ledger has changed | {third:.0f} |")
    print(f"| {MANY} companies, extrapolated and not measured | {first / companies * MANY:.0f} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
