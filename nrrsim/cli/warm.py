"""Nothing in, all that answers are made with loaded out; never answers.

It is imported by the process that others begin as copies of, before any of them is confined: what
takes a second to load or to compile is there already. We leave no thread running; what OpenBLAS and
Arrow keep, they give up and begin anew around a copy by themselves.
"""

from __future__ import annotations

import logging

import duckdb  # noqa: F401
import python_calamine  # noqa: F401

from nrrsim.accounts.at_risk import at_risk  # noqa: F401
from nrrsim.analysis import summary
from nrrsim.analysis.frontier import needed
from nrrsim.analysis.paired import paired
from nrrsim.calibration.backtest import backtest  # noqa: F401
from nrrsim.engine.law import law_of
from nrrsim.engine.simulation import simulate
from nrrsim.errors import NrrsimError
from nrrsim.scenario.scenario import examples, read_scenario

SEED = 1


def _load() -> None:
    """What is compiled for scenarios, by asking each question of one once."""
    before, after = (read_scenario(examples()[each]) for each in ("nrr-105", "nrr-128"))
    run = simulate(before, 10, SEED, threads=1)
    summary.simulated(before, run, SEED, None, law_of(before, SEED))
    summary.expected(before, SEED)
    summary.ranges(before, SEED, None)
    summary.compared(before, after, paired(before, after, 10, SEED, threads=1), SEED)
    needed(before, 1.1, None)


try:
    _load()
except (NrrsimError, OSError, KeyError) as error:  # then each answer takes longer, and is right
    logging.getLogger("nrrsim").debug("not all is loaded: %s", error)
