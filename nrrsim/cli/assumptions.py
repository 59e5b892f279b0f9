"""A scenario's file in, the same as a workbook or as YAML out; never another scenario."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nrrsim.cli.options import Quiet, ScenarioFile

if TYPE_CHECKING:
    from nrrsim.calibration.calibrate import Calibration


def write_learnt(learnt: Calibration, out: str) -> None:
    """What a ledger taught as YAML, over what was learnt before; or as a workbook, over nothing."""
    if not out.lower().endswith(".xlsx"):
        learnt.write(out)
        return
    from nrrsim.analysis.assumptions import write_scenario

    # its ledger is named as it is seen from there
    write_scenario(learnt.scenario.in_folder(Path(out).parent), out)


def scenario_(
    scenario: ScenarioFile,
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Where to write it: .xlsx, which computes as its cells are changed, or .yaml.",
        ),
    ],
    quiet: Quiet = False,
) -> None:
    """A scenario as an Excel workbook that computes, or a workbook as YAML: whole, with all that it
    extends.
    """
    from nrrsim.analysis.assumptions import write_scenario
    from nrrsim.notation import visible
    from nrrsim.scenario.scenario import find_scenario, read_scenario
    from nrrsim.scenario.workbook.read import beside, is_workbook

    file = find_scenario(scenario)
    write_scenario(read_scenario(file), out)
    typer.echo(str(out))
    left = beside(file) if is_workbook(file) and not quiet else []
    if left:
        typer.echo(f"note: {visible(', '.join(left))}: not nrrsim's, so not in {out}", err=True)
