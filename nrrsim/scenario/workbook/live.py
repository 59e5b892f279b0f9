"""A scenario's input sheets in, sheets that compute its answer by formulas out; never draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nrrsim.scenario.scenario import Scenario
from nrrsim.scenario.workbook.rows import Layout


def write(
    workbook: Any, scenario: Scenario, layout: Layout, answer: Mapping[str, Any] | None
) -> None:
    """Add the sheets Model, Answer and Explain."""
