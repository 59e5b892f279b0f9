"""A scenario in, a file of its assumptions out, YAML or a workbook that computes; never a belief
of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nrrsim import metrics
from nrrsim.engine.expectation import expect
from nrrsim.engine.levels import without_levels
from nrrsim.errors import UsageError
from nrrsim.files import whole
from nrrsim.movements import MOVEMENTS, Movements
from nrrsim.scenario.scenario import Scenario
from nrrsim.yamlfile import yaml_text

AS_YAML, AS_WORKBOOK = (".yaml", ".yml"), (".xlsx",)


def write_scenario(scenario: Scenario, path: str | Path) -> None:
    """Write a scenario, whole and with nothing left to extend, as the path's ending says: `.yaml`,
    or `.xlsx` of which Model and Answer compute what is changed in it.

    Raises UsageError for another ending, where a file is there, and where none can be written.
    """
    made = scenario_file(scenario, path)
    try:
        with whole(path, new=True) as unfinished:
            unfinished.write_bytes(made)
    except FileExistsError:
        raise UsageError(f"{path}: is there already; choose another name, or remove it") from None


def scenario_file(scenario: Scenario, path: str | Path) -> bytes:
    """What is to stand in the file at `path`; raises UsageError as `write_scenario`."""
    ending = Path(path).suffix.lower()
    if ending in AS_YAML:
        return yaml_text(scenario.seen_from(Path(path).parent)).encode()
    if ending not in AS_WORKBOOK:
        said = f"a scenario does not end in {ending}" if ending else "has no ending"
        raise UsageError(f"{path}: {said}; write .yaml or .xlsx")
    from nrrsim.scenario.workbook.write import workbook_of

    return workbook_of(scenario, Path(path), answer_of(scenario))


def answer_of(scenario: Scenario) -> dict[str, Any]:
    """What `expect` says of a scenario, for the sheet Answer: `at_means`, each belief at its mean
    as the sheet Model has it, and `over_beliefs`, averaged; amounts are not rounded. `acting`: how
    accounts differ, None where they do not.
    """
    told = {"at_means": scenario.at_means(), "over_beliefs": scenario}
    figures = {name: _figures(expect(each)) for name, each in told.items()}
    return figures | {"acting": without_levels(scenario, scenario.opening)}


def _figures(m: Movements) -> dict[str, Any]:
    movements = {name: float(m.amount(name)) for name in MOVEMENTS}
    segments = {name: _ratios(m.only(name)) for name in m.segments}
    return {**_ratios(m), "movements": movements, "segments": segments}


def _ratios(m: Movements) -> dict[str, float | None]:
    """NRR, GRR of flows and logo retention, None where they are of nobody; and both ends."""
    ratios = {
        "nrr": float(metrics.ratio(m, "nrr")),
        "grr_flow": float(metrics.ratio(m, "grr", "flow")),
        "logo": float(metrics.ratio(m, "logo")),
    }
    ends = {name: float(m.amount(name)) for name in ("opening", "closing")}
    return {name: None if each != each else each for name, each in ratios.items()} | ends
