"""What a command starts: each takes a part of a second, in the command and again in its kernel."""

import subprocess
import sys

import pytest
from conftest import ROOT

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals
from nrrsim.cli.commands import main

LEDGER, SCENARIO = "nrrsim/data/meridian.csv", "params/scenarios/nrr-105.yaml"
OTHER = "params/scenarios/nrr-128.yaml"
PAGES = ("altair", "great_tables", "papermill", "IPython", "jinja2")
NOBODY = ("scipy.stats", "dask", "pandera", "hypothesis", "numpy.f2py.f2py2e", "rich", *PAGES)
# Nobody computes with numba's compiler, as what it made is kept; with labels, nobody but who asks.
LABELS, COMPILER = ("xarray",), ("numba.np.arraymath",)
NUMBERS = ("numpy", "pandas", "scipy.special", "numba", "duckdb")
OF_A_LEDGER = ("numba", "scipy.special", "scipy.optimize", *LABELS, *NOBODY)
SCENARIOS = ("nrrsim.scenario.drivers", "nrrsim.scenario.beliefs", "nrrsim.accounts.watch")
OF_A_SCENARIO = ("pandas", "duckdb", "scipy.optimize", *LABELS, *COMPILER, *NOBODY)
CODE = """
import atexit, sys
from nrrsim.cli import main
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
main()
"""
COMMANDS = [
    ("--help", (*NUMBERS, "pydantic", *NOBODY)),
    ("--version", (*NUMBERS, "pydantic", *NOBODY)),
    ("metrics --help", (*NUMBERS, *NOBODY)),
    ("mcp --help", (*NUMBERS, "mcp", *NOBODY)),
    (f"check {LEDGER}", (*OF_A_LEDGER, *SCENARIOS)),
    (f"metrics {LEDGER} --as-of 2026-09", (*OF_A_LEDGER, *SCENARIOS)),
    (f"metrics {LEDGER} --definition compounded --json", OF_A_LEDGER),
    ("formats", ("numba", "duckdb", *NOBODY)),
    (f"expect {SCENARIO}", OF_A_SCENARIO),
    (f"expect {SCENARIO} --at-means --json", OF_A_SCENARIO),
    (f"simulate {SCENARIO} --trials 10", OF_A_SCENARIO),
    (f"compare {SCENARIO} {OTHER} --trials 10", OF_A_SCENARIO),
    (f"frontier {SCENARIO}", ("pandas", "duckdb", *LABELS, *COMPILER, *NOBODY)),
    (f"sweep {SCENARIO} --vary drivers.churn.smb.rate=0.1:0.2:2 --out {{0}}/grid.csv", NOBODY[:-5]),
    ("benchmarks --arr 50M", ("pandas", "numba", "duckdb", *LABELS, *NOBODY)),
    ("schema", ("pandas", "numba", "duckdb", *LABELS, *NOBODY)),
    (f"calibrate {LEDGER} --as-of 2026-09", (*LABELS, *COMPILER, *NOBODY)),
    (f"forecast {LEDGER} --as-of 2026-09 --trials 200", (*LABELS, *COMPILER, *NOBODY)),
    (f"backtest {LEDGER} --trials 50", (*LABELS, *COMPILER, *NOBODY)),
    (f"accounts {LEDGER}", PAGES),
    (f"actions {LEDGER} nrrsim/data/meridian_actions.csv", PAGES),
    (f"actions {LEDGER} --plan --effect -50% --segment smb", ("scipy.stats", *PAGES)),
    (f"prior {LEDGER}", NOBODY),
    (f"new {{0}}/own --ledger {LEDGER}", PAGES),
    ("next {1}", OF_A_LEDGER),
    ("verify {0}", (*NUMBERS, *NOBODY)),
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A folder of reports; and all that commands compile is compiled, and kept."""
    one, other = map(nr.read_scenario, (ROOT / SCENARIO, ROOT / OTHER))
    (
        nr.bridge(one, other),
        nr.simulate(one, 10),
        nr.forecast(Actuals(nr.read_ledger(ROOT / LEDGER), "2026-09")),
    )
    for law in map(nr.law_of, (one, other)):
        _ = law.nrr, law.grr, law.logo
    folder = tmp_path_factory.mktemp("own") / "reports"
    with pytest.raises(SystemExit):
        main(["new", str(folder), "--ledger", str(ROOT / LEDGER), "--quiet"])
    return folder


@pytest.mark.parametrize(("words", "unused"), COMMANDS, ids=[words for words, _ in COMMANDS])
def test_a_command_starts_nothing_that_it_does_not_use(words, unused, tmp_path, workspace):
    words = words.format(tmp_path, workspace)
    ran = subprocess.run(
        [sys.executable, "-c", CODE, *words.split()], capture_output=True, text=True, cwd=ROOT
    )
    # there is no report to verify
    assert ran.returncode == (2 if words.startswith("verify") else 0), ran.stderr[:1000]
    assert "nrrsim.errors" in ran.stderr  # modules are listed there
    assert sorted(set(unused) & set(ran.stderr.split())) == []
