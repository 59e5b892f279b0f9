"""nrrsim: net revenue retention that ties to the ledger, says its definition and can be traced.

    import nrrsim as nr
    ledger = nr.read_ledger("ledger.csv")
    actual = ledger.cohort(as_of="2026-09", window=12)      # Movements
    scenario = nr.read_scenario("scenario.yaml")
    outlook = nr.expect(scenario)                           # Movements, exact
    run = nr.simulate(scenario, trials=10_000, seed=1)      # Movements, with trials
    nr.nrr(actual), nr.nrr(outlook), nr.nrr(run)            # the same function

Names are loaded when they are first used, so that the command line starts at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nrrsim import backtest, charts, compare, formats, lines, prospects, sensitivity, tables, verdicts, words
    from nrrsim.calibration import calibrate
    from nrrsim.comparison import read_comparison
    from nrrsim.errors import DataError, Finding, NotebookError, NrrsimError, RenderError, UsageError, VerifyError
    from nrrsim.expectation import deviation, expect
    from nrrsim.forecast import look_ahead
    from nrrsim.history import History, read_history
    from nrrsim.ledger import Ledger, read_ledger
    from nrrsim.metrics import DEFINITIONS, Retention, band, grr, leaky_bucket, logo, measure, nrr, quick_ratio
    from nrrsim.movements import Movements
    from nrrsim.scenario import Scenario, read_scenario
    from nrrsim.simulation import simulate
    from nrrsim.whatif import what_if

_HOME = {
    "calibration": ("calibrate",),
    "comparison": ("read_comparison",),
    "errors": ("DataError", "Finding", "NotebookError", "NrrsimError", "RenderError", "UsageError", "VerifyError"),
    "expectation": ("deviation", "expect"),
    "forecast": ("look_ahead",),
    "history": ("History", "read_history"),
    "ledger": ("Ledger", "read_ledger"),
    "metrics": ("DEFINITIONS", "Retention", "band", "grr", "leaky_bucket", "logo", "measure", "nrr", "quick_ratio"),
    "movements": ("Movements",),
    "scenario": ("Scenario", "read_scenario"),
    "simulation": ("simulate",),
    "whatif": ("what_if",),
}
_MODULES = (
    "backtest",
    "charts",
    "compare",
    "formats",
    "lines",
    "prospects",
    "sensitivity",
    "tables",
    "verdicts",
    "words",
)

__all__ = [
    "DEFINITIONS",
    "DataError",
    "Finding",
    "History",
    "Ledger",
    "Movements",
    "NotebookError",
    "NrrsimError",
    "RenderError",
    "Retention",
    "Scenario",
    "UsageError",
    "VerifyError",
    "backtest",
    "band",
    "calibrate",
    "charts",
    "compare",
    "deviation",
    "expect",
    "formats",
    "grr",
    "leaky_bucket",
    "lines",
    "logo",
    "look_ahead",
    "measure",
    "nrr",
    "prospects",
    "quick_ratio",
    "read_comparison",
    "read_history",
    "read_ledger",
    "read_scenario",
    "sensitivity",
    "simulate",
    "tables",
    "verdicts",
    "what_if",
    "words",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"nrrsim.{name}")
    for module, names in _HOME.items():
        if name in names:
            return getattr(importlib.import_module(f"nrrsim.{module}"), name)
    raise AttributeError(f"nrrsim has no {name}")


def __dir__() -> list[str]:
    return __all__
