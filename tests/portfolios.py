"""Reports of a ledger's parts, or of companies, as their manifests alone: made in no time."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nrrsim as nr
from nrrsim.report.manifest import _sealed
from nrrsim.report.wording import portfolio as words
from nrrsim.report.wording.facts import Checks
from nrrsim.report.wording.labels import Markdown

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


def rare() -> list[tuple[str, tuple[Any, ...]]]:
    """Facts of an overview's sentences in every combination that a template asks about."""
    reports = [
        words.Report(
            currency="USD",
            kind="segment",
            kinds="segments",
            number=number,
            as_of="2026-09",
            window=window,
            lasting=Markdown("twelve months"),
            is_parts=is_parts,
            apart=apart,
            target=target,
            last=last,
        )
        for number, window, target, last in ((3, 12, 1.1, "2026-06"), (1, 3, None, None))
        for is_parts in (True, False)
        for apart in ("", "rates", "terms", "months")
    ]
    worst, best = words.Change("SMB", 0.9), words.Change("Enterprise", 1.2)
    sums = ((5e6, 1.05, 1.04), (5e6, 1.05, None), (None, None, None))
    facts: dict[str, list[Any]] = {
        "stand": [words.Stand(*each, best, worst) for each in sums],
        "short": [
            words.Short(with_target, below, (worst, best)[:below], in_money)
            for with_target in (0, 1, 2, 3)
            for below in (0, 1, 2)
            for in_money in (True, False)
        ],
        "ahead": [words.Ahead(3, n, g) for n in (1, 2) for g in (True, False)]
        + [words.Ahead(0, 0, False)],
        "missing": [
            words.Missing(failed, absent)
            for failed in ((), ("A",), ("A", "B"))
            for absent in ((), ("C",))
        ],
        "order": [words.Where(Markdown("a survey"))],
        "needs": [
            words.Needs(*each) for each in ((0, 0, ()), (2, 2, ("A",)), (2, 1, ()), (2, 3, ()))
        ],
        "trend": [
            words.Moved(2, 1, 3, best, worst),
            words.Moved(0, 1, 1, best, worst),
            words.Moved(0, 0, 3, best, worst),
            words.Moved(0, 0, 0, None, None),
        ],
        "totals": [
            words.Rule("2025-09", netted, ("EUR", "USD"), converted, "2025-09")
            for netted in (0, 2)
            for converted in (True, False)
        ],
        "checks": [Checks(6, ()), Checks(6, ("Closing",))],
        "attention": [
            words.Need(need, figure, 1.02, 1.1, "2027-09")
            for need in (
                "books",
                "restated",
                "leaky",
                "unlikely",
                "fell",
                "grr",
                "short",
                "ahead",
                "",
            )
            for figure in (1.0, 0.2)
        ],
    }
    facts["ranges"], facts["rule"] = facts["ahead"], facts["totals"]
    return [
        (f"portfolio/{name}", (report, each))
        for name, some in facts.items()
        for each in some
        for report in reports
    ]
