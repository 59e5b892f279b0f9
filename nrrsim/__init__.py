"""nrrsim: net revenue retention that ties to the ledger, says its definition and can be traced.

    import nrrsim as nr
    ledger = nr.read_ledger("ledger.csv")
    actual = ledger.cohort(as_of="2026-09", window=12)      # Movements
    nr.nrr(actual), nr.grr(actual), nr.logo(actual)

Names are loaded when they are first used, so that the command line starts at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nrrsim import charts, formats, tables, words
    from nrrsim.errors import DataError, Finding, NotebookError, NrrsimError, RenderError, UsageError, VerifyError
    from nrrsim.history import History, read_history
    from nrrsim.ledger import Ledger, read_ledger
    from nrrsim.metrics import DEFINITIONS, Retention, band, grr, leaky_bucket, logo, measure, nrr, quick_ratio
    from nrrsim.movements import Movements

_HOME = {
    "errors": ("DataError", "Finding", "NotebookError", "NrrsimError", "RenderError", "UsageError", "VerifyError"),
    "history": ("History", "read_history"),
    "ledger": ("Ledger", "read_ledger"),
    "metrics": ("DEFINITIONS", "Retention", "band", "grr", "leaky_bucket", "logo", "measure", "nrr", "quick_ratio"),
    "movements": ("Movements",),
}
_MODULES = ("charts", "formats", "tables", "words")

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
    "UsageError",
    "VerifyError",
    "band",
    "charts",
    "formats",
    "grr",
    "leaky_bucket",
    "logo",
    "measure",
    "nrr",
    "quick_ratio",
    "read_history",
    "read_ledger",
    "tables",
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
