"""A workbook changed as a person would, and computed anew by another program."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl

SOFFICE = shutil.which("soffice")
FIGURES = ("nrr", "grr_flow", "logo", "opening", "adoption", "cross_sell", "price", "reactivation",
           "contraction", "churn", "closing")  # fmt: skip
ROWS = (6, 7, 8, 13, 14, 15, 16, 17, 18, 19, 20)  # of Answer, in which they stand


def recalculated(paths: Sequence[Path], folder: Path) -> list[Any]:
    """The workbooks as LibreOffice computes them from their formulas alone, no saved value left."""
    assert SOFFICE
    bare, made = folder / "bare", folder / "computed"
    bare.mkdir(exist_ok=True)
    for path in paths:
        workbook = openpyxl.load_workbook(path)  # and with it the values of formulas go
        workbook.save(bare / path.name)
    profile = f"-env:UserInstallation=file://{folder}/profile"
    files = [str(bare / path.name) for path in paths]
    command = [
        SOFFICE,
        profile,
        "--headless",
        "--convert-to",
        "xlsx",
        "--outdir",
        str(made),
        *files,
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return [openpyxl.load_workbook(made / path.name, data_only=True) for path in paths]


def answer(workbook: Any) -> dict[str, Any]:
    """The figures of Answer, and what it says of them."""
    sheet = workbook["Answer"]
    found = {name: sheet.cell(row, 2).value for name, row in zip(FIGURES, ROWS, strict=True)}
    return found | {"said": sheet["A2"].value}


def change(path: Path, rng: np.random.Generator, number: int = 20) -> list[str]:
    """Change so many cells of a scenario's workbook as a person may: numbers, beliefs, rows, and
    their order; what was changed.
    """
    workbook = openpyxl.load_workbook(path)
    ways = [_number, _number, _number, _number, _belief, _own_entry, _sort, _delete, _of_book,
            _of_book, _of_scenario, _programme, _new_programme, _tenure]  # fmt: skip
    done: list[str] = []
    while len(done) < number:
        if said := ways[rng.integers(len(ways))](workbook, rng):
            done.append(said)
    workbook.save(path)
    return done


def change_a_number(workbook: Any, rng: np.random.Generator) -> str:
    return _number(workbook, rng)


def _rows(sheet: Any) -> list[int]:
    return [row for row in range(2, sheet.max_row + 1) if sheet.cell(row, 1).value is not None]


def _some(rows: Sequence[int], rng: np.random.Generator) -> int | None:
    return int(rng.choice(rows)) if len(rows) else None


def _numeric(sheet: Any, first: int) -> list[int]:
    """The rows with one plain number or a belief."""
    return [
        row
        for row in _rows(sheet)
        if any(
            isinstance(sheet.cell(row, column).value, int | float)
            for column in range(first, first + 3)
        )
    ]


def _scaled(sheet: Any, row: int, first: int, rng: np.random.Generator) -> None:
    factor = float(rng.uniform(0.85, 1.1))
    for column in range(first, first + 3):
        if isinstance(value := sheet.cell(row, column).value, int | float):
            sheet.cell(row, column).value = value * factor


FIXED = ("month", "season")  # what is no number that one may scale alone


def _number(workbook: Any, rng: np.random.Generator) -> str:
    sheet = workbook["Drivers"]
    rows = [r for r in _numeric(sheet, 4) if not str(sheet.cell(r, 3).value).startswith(FIXED)]
    if (row := _some(rows, rng)) is None:
        return ""
    if str(sheet.cell(row, 7).value).startswith(("uniform", "triangular")) and rng.random() < 0.5:
        return ""
    _scaled(sheet, row, 4, rng)
    return f"Drivers {row} scaled"


def _belief(workbook: Any, rng: np.random.Generator) -> str:
    """A plain rate becomes a belief, or a belief a plain number."""
    sheet = workbook["Drivers"]
    rows = [
        r for r in _numeric(sheet, 4) if sheet.cell(r, 3).value in ("rate", "acceptance", "size")
    ]
    if (row := _some(rows, rng)) is None:
        return ""
    shape = rng.choice(
        ["", "pert", "triangular", "uniform", "normal", "lognormal", "beta", "number"]
    )
    low, likely, high = sorted(map(float, rng.uniform(0.02, 0.5, 3)))
    cells: dict[str, tuple[Any, ...]] = {
        "": (low, None, high, None),
        "pert": (low, likely, high, None),
        "triangular": (low, likely, high, "triangular"),
        "uniform": (low, None, high, "uniform"),
        "normal": (likely, None, low, "normal (mean, sd)"),
        "lognormal": (likely, None, low, "Lognormal"),
        "beta": (1 + 9 * low, None, 2 + 9 * high, "beta (a, b)"),
        "number": (None, likely, None, None),
    }
    for column, value in enumerate(cells[str(shape)], 4):
        sheet.cell(row, column).value = value
    return f"Drivers {row} {shape}"


def _own_entry(workbook: Any, rng: np.random.Generator) -> str:
    """A segment's own entry below what is there, in place of that of all."""
    sheet = workbook["Drivers"]
    names = _segments(workbook)
    there = {(sheet.cell(r, 1).value, sheet.cell(r, 2).value) for r in _rows(sheet)}
    free = [
        (d, n)
        for d in ("contraction", "adoption", "reactivation")
        for n in names
        if (d, n) not in there
    ]
    if not free:
        return ""
    driver, name = free[rng.integers(len(free))]
    row = sheet.max_row + 1
    last = max([*_rows(sheet), 1])
    row = last + 1 if rng.random() < 0.7 else last + 3
    for field in ("size", "rate"):
        for column, value in (
            (1, driver),
            (2, name),
            (3, field),
            (5, float(rng.uniform(0.05, 0.4))),
        ):
            sheet.cell(row, column).value = value
        row += 1
    return f"Drivers own {driver}.{name}"


def _segments(workbook: Any) -> list[str]:
    if "Book" not in workbook.sheetnames:
        return []
    sheet = workbook["Book"]
    return [sheet.cell(row, 1).value for row in _rows(sheet)]


def _sort(workbook: Any, rng: np.random.Generator) -> str:
    """The rows of a sheet in another order."""
    sheet = workbook[
        str(
            rng.choice(
                [n for n in ("Drivers", "Book", "Programmes", "Tenure") if n in workbook.sheetnames]
            )
        )
    ]
    rows, width = _rows(sheet), 8 if sheet.title in ("Drivers", "Book") else 7
    held = [[sheet.cell(row, column).value for column in range(1, width + 1)] for row in rows]
    for row, place in zip(rows, rng.permutation(len(rows)), strict=True):
        for column, value in enumerate(held[place], 1):
            sheet.cell(row, column).value = value
    return f"{sheet.title} sorted"


def _delete(workbook: Any, rng: np.random.Generator) -> str:
    """An entry of a driver emptied, where another has the driver, too: rows with nothing in them."""
    sheet = workbook["Drivers"]
    entries = {(sheet.cell(r, 1).value, sheet.cell(r, 2).value) for r in _rows(sheet)}
    own = sorted(
        e
        for e in entries
        if e[0] in ("adoption", "contraction", "cross_sell")
        and (e[0], "all") in entries
        and e[1] != "all"
    )
    if not own:
        return ""
    driver, name = own[rng.integers(len(own))]
    for row in _rows(sheet):
        if (sheet.cell(row, 1).value, sheet.cell(row, 2).value) == (driver, name):
            for column in range(1, 9):
                sheet.cell(row, column).value = None
    return f"Drivers {driver}.{name} emptied"


def _of_book(workbook: Any, rng: np.random.Generator) -> str:
    if "Book" not in workbook.sheetnames:
        return ""
    sheet = workbook["Book"]
    row, column = int(rng.choice(_rows(sheet))), int(rng.integers(2, 7))
    cell = sheet.cell(row, column)
    if column == 2:
        cell.value = int(rng.integers(1, 2 * cell.value + 2))
    elif column == 3:
        cell.value = cell.value * float(rng.uniform(0.5, 2))
    elif column == 4:
        cell.value = float(rng.uniform(0, 1.5)) if rng.random() < 0.8 else None
    elif column == 6:
        cell.value = float(rng.uniform(0, 4))
    elif any(
        str(workbook["Drivers"].cell(r, 3).value).startswith("season")
        for r in _rows(workbook["Drivers"])
    ):
        return ""  # a season is for monthly terms
    else:
        cell.value = ["annual", "monthly", None][rng.integers(3)]
    return f"Book {cell.coordinate} {cell.value}"


def _of_scenario(workbook: Any, rng: np.random.Generator) -> str:
    sheet = workbook["Scenario"]
    at = {sheet.cell(row, 1).value: row for row in _rows(sheet)}
    field = str(rng.choice(["arr", "months", "starts"]))
    if field not in at:
        return ""
    cell = sheet.cell(at[field], 2)
    if field == "arr":
        cell.value = cell.value * float(rng.uniform(0.5, 2))
    elif field == "months":
        cell.value = int(rng.integers(max(1, cell.value - 2), cell.value + 1))
    elif cell.value is None:
        return ""
    else:
        cell.value = f"2026-{rng.integers(1, 13):02d}"
    return f"Scenario {field} {cell.value}"


def _programme(workbook: Any, rng: np.random.Generator) -> str:
    sheet = workbook["Programmes"]
    if (row := _some(_numeric(sheet, 3), rng)) is None:
        return ""
    if sheet.cell(row, 2).value in ("from", "ramp"):
        sheet.cell(row, 4).value = int(rng.integers(1, 10))
    else:
        _scaled(sheet, row, 3, rng)
    return f"Programmes {row}"


def _new_programme(workbook: Any, rng: np.random.Generator) -> str:
    """A programme more, with a ramp, on a driver that is there; now and then a belief."""
    sheet, drivers = workbook["Programmes"], workbook["Drivers"]
    there = sorted({drivers.cell(row, 1).value for row in _rows(drivers)})
    rows = _rows(sheet)
    if not there or len(rows) > 30:
        return ""
    name, row = f"more {len(rows)}", max([*rows, 1]) + 1
    driver = there[rng.integers(len(there))]
    is_belief = rng.random() < 0.5
    effect = (-0.4, None, -0.1) if is_belief else (None, float(rng.uniform(-0.5, 0.5)), None)
    for field, cells in ((driver, effect), ("from", (None, int(rng.integers(1, 8)), None)),
                         ("ramp", (None, int(rng.integers(1, 7)), None))):  # fmt: skip
        for column, value in enumerate((name, field, *cells), 1):
            sheet.cell(row, column).value = value
        row += 1
    return f"Programmes new on {driver}"


def _tenure(workbook: Any, rng: np.random.Generator) -> str:
    sheet = workbook["Tenure"]
    if (row := _some(_numeric(sheet, 3), rng)) is None:
        return ""
    _scaled(sheet, row, 3, rng)
    return f"Tenure {row} scaled"
