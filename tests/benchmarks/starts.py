"""How long each command takes on the example, its start included: processor seconds, and as a ratio.

The ratio is to a Python that imports numpy, pandas and DuckDB and does nothing, in the same run, in turn: it tells
how much of a command is its own.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TIMES = 7
LEDGER, SCENARIO = "nrrsim/data/meridian.csv", "params/scenarios/nrr-105.yaml"
OTHER = "params/scenarios/nrr-128.yaml"
NOTHING = "python that imports numpy, pandas, duckdb"
COMMANDS = (
    "--help",
    "--version",
    f"check {LEDGER}",
    f"metrics {LEDGER} --as-of 2026-09",
    f"expect {SCENARIO}",
    f"simulate {SCENARIO}",
    f"compare {SCENARIO} {OTHER}",
    f"frontier {SCENARIO}",
    f"calibrate {LEDGER} --as-of 2026-09",
    f"forecast {LEDGER} --as-of 2026-09",
)
ENTRY = "from nrrsim.cli import main; main()"


def processor_seconds(words: list[str]) -> float:
    """Of a process and all that it waited for."""
    process = subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} failed")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    asked = {NOTHING: ["-c", "import numpy, pandas, duckdb"]}
    asked |= {f"nrrsim {each}": ["-c", ENTRY, *each.split()] for each in COMMANDS}
    for words in asked.values():  # what is compiled on the way is kept
        processor_seconds(words)
    turns = [
        {name: processor_seconds(words) for name, words in asked.items()} for _ in range(TIMES)
    ]
    taken = {name: statistics.median(turn[name] for turn in turns) for name in asked}
    print("\n| what | processor time (median) | least | ratio |\n|---|--:|--:|--:|")
    for name, median in taken.items():
        least = min(turn[name] for turn in turns)
        print(f"| {name} | {median:.2f} s | {least:.2f} s | {median / taken[NOTHING]:.2f} |")


if __name__ == "__main__":
    main()
