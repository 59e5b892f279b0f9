"""Reports of a ledger's parts, or of companies, as their manifests alone: made in no time."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nrrsim as nr
from nrrsim.report.manifest import _sealed

MERIDIAN = str(Path(__file__).parent.parent / "nrrsim" / "data" / "meridian.csv")
RANGE = {"p05": 0.95, "p10": 0.97, "p50": 1.02, "p90": 1.08, "p95": 1.1}


def numbers_of(past: nr.Actuals, **more: Any) -> dict[str, Any]:
    """What a report records of actuals, with a forecast that is made up."""
    year = str(int(past.as_of[:4]) + 1) + past.as_of[4:]
    forecast = {"ahead": {year: RANGE}, "p_target": 0.2}
    return {**past.record(), "before": None, "forecast": forecast, **more}


def manifest(folder: Path, name: str, numbers: Mapping[str, Any]) -> str:
    """The manifest of one of several reports; returns its path."""
    (folder / name).mkdir(parents=True)
    content = {"of": {"name": name, "folder": name}, "parameters": {"company": name}}
    path = folder / name / "manifest.json"
    path.write_bytes(_sealed({**content, "numbers": numbers}))
    return str(path)


def of_parts(
    folder: Path, column: str, as_of: str = "2026-09", **form: Any
) -> tuple[list[str], nr.Actuals]:
    """The manifests of the example's parts, and the actuals of the whole."""
    ledger = nr.read_ledger(MERIDIAN, currency="USD")
    made = []
    for value in ledger.parts(column, as_of):
        past = nr.actuals(ledger, as_of, part={column: value}, target=1.1, **form)
        made.append(manifest(folder, value, numbers_of(past)))
    return made, nr.actuals(ledger, as_of, target=1.1, **form)


def parameters() -> dict[str, Any]:
    """The parameters of the overview's notebook for the example's segments."""
    made, _ = of_parts(Path(tempfile.mkdtemp()), "segment")
    said = {"ledger": MERIDIAN, "column": "segment", "as_of": "2026-09", "currency": "USD"}
    return {"reports": made, "target": 1.1, **json.loads(json.dumps(said))}
