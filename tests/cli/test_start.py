"""What a command starts: each takes a part of a second, in the command and again in its kernel."""

import subprocess
import sys

import pytest
from conftest import ROOT

LEDGER, SCENARIO = "nrrsim/data/meridian.csv", "params/scenarios/nrr-105.yaml"
PAGES = ("altair", "great_tables", "papermill", "IPython")
NOBODY = ("scipy.stats", "pandera", "hypothesis", *PAGES)
CODE = """
import atexit, sys
from nrrsim.cli import main
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
main()
"""


@pytest.mark.parametrize(
    ("words", "unused"),
    [
        ("--help", ("numpy", "pandas", *NOBODY)),
        (f"check {LEDGER}", ("numba", "scipy.optimize", *NOBODY)),
        (f"metrics {LEDGER} --as-of 2026-09", ("numba", "scipy.optimize", *NOBODY)),
        (f"expect {SCENARIO}", ("duckdb", "scipy.optimize", *NOBODY)),
        (f"simulate {SCENARIO} --trials 10", ("duckdb", "scipy.optimize", *NOBODY)),
        (f"calibrate {LEDGER} --as-of 2026-09", NOBODY),
        (f"forecast {LEDGER} --as-of 2026-09 --trials 200", NOBODY),
    ],
)
def test_a_command_starts_nothing_that_it_does_not_use(words, unused):
    ran = subprocess.run(
        [sys.executable, "-c", CODE, *words.split()], capture_output=True, text=True, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stderr
    assert "nrrsim.errors" in ran.stderr  # modules are listed there
    assert not set(unused) & set(ran.stderr.split())
