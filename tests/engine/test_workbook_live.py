"""Answer of a scenario's workbook: what its formulas come to is what `expect` says of its cells."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
import recalculated as anew
import scenarios as unlike
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothetical import scenarios

import nrrsim as nr
from nrrsim.analysis.assumptions import answer_of
from nrrsim.scenario.scenario import Scenario
from nrrsim.scenario.workbook import rows, working

EXAMPLES = ("nrr-105", "nrr-128", "nrr-128-ramp")
CLOSE = 1e-11  # of two sums of the same numbers in another order
needs_soffice = pytest.mark.skipif(anew.SOFFICE is None, reason="LibreOffice is not there")


def written(scenario: Scenario, path: Path) -> Path:
    nr.write_scenario(scenario, path)
    return path


def saved(path: Path) -> Any:
    return openpyxl.load_workbook(path, data_only=True)


def off(scenario: Scenario, got: dict[str, Any]) -> float:
    """By how much Answer is off, of the figure, or of the opening where that is next to nothing."""
    told = answer_of(scenario)["at_means"]
    want = {**told, **told["movements"]}
    least = 1e-6 * told["opening"]
    assert isinstance(got["nrr"], float | int), got["said"]
    return max(
        abs(got[name] - want[name]) / (max(abs(want[name]), least) if name not in RATIOS else 1)
        for name in anew.FIGURES
    )


RATIOS = ("nrr", "grr_flow", "logo")


def example(name: str) -> Scenario:
    return nr.read_scenario(ROOT / "params" / "scenarios" / f"{name}.yaml")


SMALL = {
    "months": 6,
    "target": 1.02,
    "book": {
        "arr": 1e6,
        "starts": "2026-03",
        "segments": {
            "smb": {"share": 1, "customers": 31, "spread": 0.5, "term": "monthly"},
            "big": {"share": 3, "customers": 14, "spread": 1.0, "tenure": 1.5},
        },
    },
    "drivers": {
        "churn": {"smb": {"between": [0.1, 0.3]}, "big": {"by_tenure": [0.2, 0.1, 0.05]}},
        "contraction": {"all": {"rate": 0.3, "size": {"mean": 0.2, "sd": 0.1}}},
        "adoption": {"all": {"rate": 0.6, "size": 0.2}, "big": {"rate": 0.3, "size": 0.1}},
        "price": {"all": {"uplift": 0.05, "churn_per_point": 0.5}},
        "reactivation": {"smb": {"rate": 0.2, "size": 0.8}},
    },
    "programmes": {"care": {"churn": -0.3, "adoption.smb": 0.4, "from": 2, "ramp": 3}},
}


# --- what is saved beside formulas -------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_figures_saved_are_those_of_expect(name: str, tmp_path: Path) -> None:
    """Who opens the file where nothing computes sees the right figure."""
    scenario = example(name)
    assert off(scenario, anew.answer(saved(written(scenario, tmp_path / "plan.xlsx")))) < CLOSE


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios())
def test_figures_saved_of_any_scenario(tmp_path_factory: Any, scenario: Scenario) -> None:
    path = written(scenario, tmp_path_factory.mktemp("live") / "plan.xlsx")
    assert off(scenario, anew.answer(saved(path))) < CLOSE


BELIEFS: list[tuple[str, Any]] = [
    ("churn.rate", {"between": [0.1, 0.3]}),
    ("churn.rate", {"between": [0.0001, 0.99]}),
    ("churn.rate", {"dist": "normal", "mean": 0.05, "sd": 0.1}),
    ("churn.rate", {"dist": "beta", "a": 0.4, "b": 3}),
    ("churn.rate", {"dist": "lognormal", "mean": 0.4, "sd": 0.5}),
    ("churn.rate", {"dist": "uniform", "min": -0.2, "max": 0.4}),
    ("churn.rate", {"dist": "triangular", "min": -0.1, "mode": 0.2, "max": 1.5}),
    ("churn.rate", {"dist": "triangular", "min": 0, "mode": 0, "max": 0.5}),
    ("churn.rate", {"dist": "triangular", "min": 0.1, "mode": 0.5, "max": 0.5}),
    ("churn.rate", {"dist": "pert", "min": -0.1, "mode": 0.1, "max": 0.6}),
    ("contraction.size", {"between": [0.05, 0.95]}),
    ("contraction.size", {"dist": "beta", "a": 2, "b": 0.3}),
    ("adoption.rate", {"between": [0.5, 30]}),
    ("adoption.rate", {"dist": "pert", "min": 0.2, "mode": 0.5, "max": 1.5}),
    ("adoption.rate", {"dist": "lognormal", "mean": 3, "sd": 9}),
    ("price.uplift", {"dist": "normal", "mean": -0.02, "sd": 0.1}),
    ("price.churn_per_point", {"between": [0.1, 4]}),
    ("churn.alpha", {"between": [0.3, 3]}),
    ("effect", {"between": [-0.4, 0.3]}),
    ("effect", {"between": [-0.99, 400]}),
    ("effect", {"dist": "normal", "mean": -0.8, "sd": 0.4}),
]


def of_every_belief() -> Scenario:
    """Each of them in a segment, or a programme, of its own."""
    names = [f"s{number}" for number in range(len(BELIEFS))]
    segments = {name: {"share": 1, "customers": 3, "term": "monthly"} for name in names}
    drivers: dict[str, Any] = {"churn": {"all": 0.1}}
    programmes = {}
    entries = {
        "churn": {},
        "contraction": {"rate": 0.1, "size": 0.1},
        "adoption": {"rate": 0.1, "size": 0.1},
        "price": {"uplift": 0.1},
    }
    for name, (what, belief) in zip(names, BELIEFS, strict=True):
        driver, _, field = what.partition(".")
        if what == "effect":
            programmes[name] = {f"churn.{name}": belief}
        elif field == "alpha":
            drivers["churn"][name] = {"sbg": {"alpha": belief, "beta": 4}}
        else:
            drivers.setdefault(driver, {})[name] = {**entries[driver], field: belief}
    values = {"book": {"arr": 1e6, "segments": segments}, "drivers": drivers}
    return Scenario.of({"months": 3, **values, "programmes": programmes})


def acting(workbook: Any) -> dict[str, float]:
    """What each row acts with, by the name that the scenario's table gives the number."""
    found = {}
    for row in workbook["Drivers"].iter_rows(min_row=2, values_only=True):
        if row[0]:
            found[".".join(row[:3])] = row[8]
    for row in workbook["Programmes"].iter_rows(min_row=2, values_only=True):
        if row[0]:
            found[f"programmes.{row[0]}.{row[1]}"] = row[7]
    for row in workbook["Tenure"].iter_rows(min_row=2, values_only=True):
        if row[0]:
            found[f"churn.{row[0]}.{row[1]}"] = row[7]
    return found


def check_means(scenario: Scenario, workbook: Any) -> None:
    found, numbers = acting(workbook), (*scenario.table.stated, *scenario.table.effects)
    for each in numbers:
        # a size that each event draws anew; a default stands in no row
        name = each.name if each.name in found else f"{each.name}.mean"
        if name not in found and each.value in (0.0, 1.0):
            continue
        assert found[name] == pytest.approx(each.mean, rel=1e-10, abs=1e-12), name


def test_beliefs_act_with_the_means_of_the_model(tmp_path: Path) -> None:
    """In closed form, but for the logit-normal; cut to the range of the number."""
    scenario = of_every_belief()
    workbook = saved(written(scenario, tmp_path / "plan.xlsx"))
    check_means(scenario, workbook)
    assert off(scenario, anew.answer(workbook)) < CLOSE


def test_a_book_too_large_to_lay_out_by_formulas_stands_in_numbers(tmp_path: Path) -> None:
    segments = {"smb": {"share": 1, "customers": 200_001, "spread": 1.1}}
    plain = {
        "months": 3,
        "book": {"arr": 1e9, "segments": segments},
        "drivers": {"churn": {"all": 0.2}},
    }
    scenario = Scenario.of(plain)
    workbook = saved(written(scenario, tmp_path / "plan.xlsx"))
    assert off(scenario, anew.answer(workbook)) < CLOSE


def test_a_book_of_too_many_columns_says_so(tmp_path: Path) -> None:
    segments = {f"s{n}": {"share": 1, "customers": 2} for n in range(30)}
    book = {"arr": 1e6, "segments": segments}
    scenario = Scenario.of({"months": 48, "book": book, "drivers": {"churn": {"all": 0.1}}})
    workbook = saved(written(scenario, tmp_path / "plan.xlsx"))
    got = anew.answer(workbook)
    assert got["nrr"] == "n/a"
    assert got["said"].startswith("Not computed: 17,280 cells")
    assert workbook["Answer"]["C6"].value == pytest.approx(0.6561)


def test_the_same_scenario_gives_the_same_bytes(tmp_path: Path) -> None:
    paths = [written(Scenario.of(SMALL), tmp_path / name) for name in ("a.xlsx", "b.xlsx")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


# Functions that Excel has had since 2007, none of which spills or is volatile.
KNOWN = (
    "ABS AND BETADIST EXACT EXP FIND IF IFERROR INDEX INT ISBLANK ISNUMBER LEFT LN MATCH MAX MID MIN MOD"
    " MONTH NORMSDIST NORMSINV OR PI PRODUCT ROUND ROW SQRT SUM SUMPRODUCT VALUE YEAR"
)


def test_formulas_are_such_as_every_excel_takes(tmp_path: Path) -> None:
    """No newer function, no link, no text or formula or nesting beyond what Excel holds."""
    workbook = openpyxl.load_workbook(written(example("nrr-128-ramp"), tmp_path / "plan.xlsx"))
    formulas = [
        getattr(cell.value, "text", cell.value)
        for sheet in workbook
        for row in sheet.iter_rows()
        for cell in row
        if cell.data_type == "f"
    ]
    assert len(formulas) > 5_000
    for each in formulas:
        bare = re.sub(r'"[^"]*"', "", each)
        assert set(re.findall(r"([A-Z][A-Z.0-9]*)\(", bare)) <= {*KNOWN.split()}, each
        assert "[" not in bare, each
        assert len(each) <= 8_192
        assert all(len(text) <= 255 for text in re.findall(r'"([^"]*)"', each))
        depth = deepest = 0
        for sign in bare:
            depth += (sign == "(") - (sign == ")")
            deepest = max(deepest, depth)
        assert deepest <= 64, each


# --- recomputed ----------------------------------------------------------------------------------


def test_formulas_come_to_what_expect_says_of_changed_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a library that computes workbooks; small, as it takes a hundredth of a second a cell."""
    formulas = pytest.importorskip("formulas")
    monkeypatch.setattr(rows, "LAST_ROWS", {})
    monkeypatch.setattr(rows, "MORE_ROWS", 1)
    monkeypatch.setattr(working, "READ", 20)
    plain = {
        "months": 2,
        "book": {"arr": 1e6, "segments": {"smb": {"share": 1, "customers": 30, "spread": 0.5}}},
        "drivers": {
            "churn": {"smb": {"between": [0.1, 0.3]}},
            "contraction": {"all": {"rate": 0.3, "size": 0.2}},
        },
        "programmes": {"p": {"churn": -0.3, "from": 2, "ramp": 3}},
    }
    path = written(Scenario.of(plain), tmp_path / "plan.xlsx")
    workbook = openpyxl.load_workbook(path)
    workbook["Drivers"]["D2"], workbook["Drivers"]["E4"] = 0.05, 0.25
    workbook["Book"]["D2"], workbook["Book"]["B2"], workbook["Book"]["E2"] = 0.9, 41, "monthly"
    workbook["Programmes"]["D4"] = 2
    workbook.save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library's own
        computed = formulas.ExcelModel().loads(str(path)).finish().calculate()

    def at(row: int) -> float:
        return float(computed[f"'[plan.xlsx]ANSWER'!B{row}"].value[0, 0])

    changed = nr.read_scenario(path)
    assert changed.book.segments["smb"].customers == 41
    got = {name: at(row) for name, row in zip(anew.FIGURES, anew.ROWS, strict=True)}
    assert off(changed, got | {"said": ""}) < CLOSE


@pytest.mark.slow
@needs_soffice
def test_every_formula_recomputed_is_what_was_saved(tmp_path: Path) -> None:
    scenarios_ = {
        "ramp": example("nrr-128-ramp"),
        "small": Scenario.of(SMALL),
        "all": of_every_belief(),
    }
    paths = [written(each, tmp_path / f"{name}.xlsx") for name, each in scenarios_.items()]
    compared = 0
    for path, computed in zip(paths, anew.recalculated(paths, tmp_path), strict=True):
        for sheet in saved(path):
            for row in sheet.iter_rows():
                for cell in row:
                    now = computed[sheet.title][cell.coordinate].value
                    if isinstance(cell.value, float | int) and not isinstance(cell.value, bool):
                        # the check of a month may be what rounding leaves of millions
                        assert now == pytest.approx(cell.value, rel=1e-10, abs=1e-6), cell
                        compared += 1
                    elif cell.value:
                        assert now == cell.value, cell
    assert compared > 20_000
    check_means(scenarios_["all"], anew.recalculated(paths[2:], tmp_path)[0])


def calibrated(folder: Path) -> dict[str, Scenario]:
    """Of the example's ledger: as calibrate has it, with decisions, by tenure, and with accounts."""
    ledger = str(ROOT / "nrrsim" / "data" / "meridian.csv")
    found = nr.calibrate(ledger, "2026-09", file=ledger).scenario
    names = [str(each) for each in found.opening.names[:4]]
    decided = dict(zip(names, ("leaves", "renews", "leaves", "renews"), strict=True))
    curve = {"drivers.churn.smb": {"sbg": {"alpha": 1.2, "beta": 7}}}
    rng = np.random.default_rng(7)
    factors = np.exp(0.5 * rng.normal(size=(len(found.opening.arr), 3))).round(3)
    table = folder / "accounts.csv"
    lines = ["customer,hazard,expansion,contraction"]
    for name, row in zip(found.opening.names, factors, strict=True):
        lines.append(",".join([f'"{name}"', *map(str, row)]))
    table.write_text("\n".join(lines))
    return {
        "calibrated": found,
        "decided": found.with_({"book.decided": decided}),
        "by tenure": found.with_(curve),
        "accounts": found.with_({"book.accounts": str(table)}),
    }


@pytest.mark.slow
@needs_soffice
@pytest.mark.parametrize("seed", range(4))
def test_twenty_changed_cells_give_what_expect_says_of_the_file(seed: int, tmp_path: Path) -> None:
    """Numbers, beliefs, rows and their order, terms, programmes: the file as a person changes it,
    computed from its formulas alone, against the same file as nrrsim reads it.
    """
    some = {f"chance {n}": unlike.by_chance(n) for n in range(12 * seed, 12 * seed + 12)}
    if seed == 0:
        some |= {name: example(name) for name in EXAMPLES}
    if seed == 1:
        some |= unlike.varied(9)
    paths = []
    for place, (name, scenario) in enumerate(some.items()):
        paths.append(
            written(scenario, tmp_path / f"{name.replace(' ', '-').replace(',', '')}.xlsx")
        )
        anew.change(paths[-1], np.random.default_rng([seed, place]))
    refused = 0
    for path, computed in zip(paths, anew.recalculated(paths, tmp_path), strict=True):
        got = anew.answer(computed)
        try:
            changed = nr.read_scenario(path)
        except nr.UsageError:
            refused += 1
            assert got["nrr"] == "n/a", path
            continue
        assert off(changed, got) < 1e-10, path
    assert refused <= len(paths) / 4


@pytest.mark.slow
@needs_soffice
def test_books_of_ledgers(tmp_path: Path) -> None:
    """As they are, and with numbers changed that formulas can follow."""
    some = calibrated(tmp_path)
    paths = {name: written(each, tmp_path / f"{name}.xlsx") for name, each in some.items()}
    for name, path in paths.items():
        assert off(some[name], anew.answer(saved(path))) < CLOSE, name
    for name in ("calibrated", "decided", "by tenure"):
        workbook, rng = openpyxl.load_workbook(paths[name]), np.random.default_rng(3)
        for _ in range(8):
            anew.change_a_number(workbook, rng)
        workbook.save(paths[name])
    # how accounts differ depends on churn, and so on no rate of contraction
    workbook = openpyxl.load_workbook(paths["accounts"])
    row = next(r for r in range(2, 60) if workbook["Drivers"].cell(r, 1).value == "contraction")
    for column in (4, 5, 6):
        if isinstance(value := workbook["Drivers"].cell(row, column).value, float):
            workbook["Drivers"].cell(row, column).value = value * 1.2
    workbook.save(paths["accounts"])
    workbook = openpyxl.load_workbook(paths["accounts"])
    row = next(r for r in range(2, 60) if workbook["Drivers"].cell(r, 1).value == "churn")
    workbook["Drivers"].cell(row, 4).value *= 1.2
    workbook.save(tmp_path / "churn of accounts.xlsx")
    workbook = openpyxl.load_workbook(paths["decided"])
    place = next(
        r for r in range(2, 60) if str(workbook["Scenario"].cell(r, 1).value).startswith("decided.")
    )
    workbook["Scenario"].cell(place, 2).value = "as forecast"
    workbook.save(tmp_path / "other decision.xlsx")

    refused = [tmp_path / "churn of accounts.xlsx", tmp_path / "other decision.xlsx"]
    computed = anew.recalculated([*paths.values(), *refused], tmp_path)
    for path, each in zip(paths.values(), computed, strict=False):
        assert off(nr.read_scenario(path), anew.answer(each)) < 1e-10, path
    for each in computed[len(paths) :]:
        assert anew.answer(each)["nrr"] == "n/a"


Edit = Callable[[Any], None]


def put(sheet: str, **cells: Any) -> Edit:
    def edit(workbook: Any) -> None:
        for at, value in cells.items():
            workbook[sheet][at] = value

    return edit


def row_of(sheet: str, row: int, *values: Any) -> Edit:
    def edit(workbook: Any) -> None:
        for column, value in enumerate(values, 1):
            workbook[sheet].cell(row, column).value = value

    return edit


# Of SMALL: Drivers 2 churn.smb.rate (between), 3 churn.big.by_tenure, 4 to 6 contraction.all (rate, size.mean,
# size.sd), 7, 8 adoption.all, 9, 10 adoption.big, 11, 12 price.all, 13, 14 reactivation.smb; Tenure 2 to 4;
# Programmes 2 churn, 3 adoption.smb, 4 from, 5 ramp.
DAMAGED: dict[str, Edit] = {
    "a field misspelt": put("Drivers", C4="rat"),
    "a driver misspelt": put("Drivers", A7="adopt"),
    "a segment that is not there": put("Drivers", B13="smbx"),
    "a wildcard for a field": put("Drivers", C7="r*"),
    "a probability above 1": put("Drivers", E13=1.5),
    "low above high": put("Drivers", D2=0.5),
    "low alone": put("Drivers", F2=None),
    "an error": put("Drivers", E7="=1/0"),
    "an error among the fields": put("Scenario", B5="=1/0"),
    "an error in the book": put("Book", D3="=1/0"),
    "an error beside a row": put("Drivers", D9="=1/0"),
    "a row twice": row_of("Drivers", 20, "adoption", "all", "rate", None, 0.9),
    "a size missing": put("Drivers", A8=None, B8=None, C8=None, E8=None),
    "a row far below": row_of("Drivers", 400, "adoption", "smb", "rate", None, 0.9),
    "a number without a driver": row_of("Drivers", 20, None, None, None, None, 0.9),
    "a rate beside tenure years": row_of("Drivers", 20, "churn", "big", "rate", None, 0.2),
    "a season of annual terms": row_of("Drivers", 20, "churn", "big", "season.3", None, 1.2),
    "a season of one month": row_of("Drivers", 20, "churn", "smb", "season.3", None, 1.2),
    "an unknown shape": put("Drivers", G2="bell"),
    "a shape that begins like one": put("Drivers", G2="betweens"),
    "a shape with other cells": put("Drivers", E2=0.2, G2="uniform"),
    "a belief wholly outside": put("Drivers", D2=30, F2=0.1, G2="normal"),
    "a heading renamed": put("Book", C1="arr"),
    "half a customer": put("Book", B2=2.5),
    "no customers": put("Book", B2=0),
    "ARR as text": put("Scenario", B5="a million"),
    "an unknown term": put("Book", E2="yearly"),
    "an effect on nothing": put("Programmes", B2="chrn"),
    "a programme from month 0": put("Programmes", D4=0),
    "a ramp of one and a half": put("Programmes", D5=1.5),
    "two starts of a programme": row_of("Programmes", 8, "care", "from", None, 3),
    "more than all": put("Programmes", D2=-1.5),
    "a year left out": put("Tenure", B4=5),
    "no months": put("Scenario", B3=None),
    "a field twice": row_of("Scenario", 12, "months", 3),
    "months of text": put("Scenario", B3="six"),
    "more ARR than adds up": put("Scenario", B5=2e12),
    "a mean without its sd": put("Drivers", A6=None, B6=None, C6=None, E6=None),
    "an sd beside a bare size": row_of("Drivers", 20, "adoption", "all", "size.sd", None, 0.1),
    "an sd that no share has": put("Drivers", E6=0.6),
    "an effect on a driver that nobody has": row_of("Programmes", 8, "p", "cross_sell", None, 0.1),
    "an effect on one segment without it": row_of(
        "Programmes", 8, "p", "reactivation.big", None, 0.1
    ),
    "an effect on all, and none for all": row_of("Programmes", 8, "p", "churn.all", None, 0.1),
}
# What nrrsim takes, and these formulas do not follow.
BEYOND: dict[str, Edit] = {
    "more months than were written": put("Scenario", B3=24),
    "very many customers": put("Book", B2=50_000),
    "a number as text": put("Drivers", E7="60%"),
    "a segment more": row_of("Book", 4, "mid", 10, 1),
    "a start as a quarter": put("Scenario", B7="2026Q3"),
}


@pytest.mark.slow
@needs_soffice
def test_what_is_wrong_or_cannot_be_followed_stops_the_answer(tmp_path: Path) -> None:
    fields = [row["field"] for row in rows.tables_of(Scenario.of(SMALL).plain())["Scenario"]]
    made = written(Scenario.of(SMALL), tmp_path / "plan.xlsx")
    paths = []
    for number, edit in enumerate((DAMAGED | BEYOND).values()):
        workbook = openpyxl.load_workbook(made)
        at = {workbook["Scenario"].cell(row, 1).value: row for row in range(2, 20)}
        assert (at["months"], at["arr"], at["starts"]) == (3, 5, 7), fields
        edit(workbook)
        paths.append(tmp_path / f"{number}.xlsx")
        workbook.save(paths[-1])
    computed = anew.recalculated(paths, tmp_path)
    shown, taken = [], []
    for name, path, each in zip(DAMAGED | BEYOND, paths, computed, strict=True):
        got = anew.answer(each)
        if not got["said"].startswith("Not computed: ") or any(
            got[figure] != "n/a" for figure in anew.FIGURES
        ):
            shown.append((name, got))
        with suppress(nr.UsageError):
            nr.read_scenario(path)
            taken.append(name)
    assert not shown
    assert taken == list(BEYOND)


ODD_NAMES = ["a*", "b?", "SMB", "smb", ">0", "~x", "2024", 'say "no"', "Größe", "=1+1"]


@pytest.mark.slow
@needs_soffice
def test_odd_names_and_spellings_are_followed(tmp_path: Path) -> None:
    """Wildcards, operators, quotes, capitals alone; words as people type them; dates; hidden rows."""
    segments = {name: {"share": 1 + n, "customers": 5 + n} for n, name in enumerate(ODD_NAMES)}
    churn = {name: 0.05 + 0.02 * n for n, name in enumerate(ODD_NAMES)}
    plain = {
        "months": 4,
        "book": {"arr": 1e6, "starts": "2026-01", "segments": segments},
        "drivers": {"churn": churn, "price": {"all": {"uplift": 0.1, "month": 3}}},
        "programmes": {"p": {f"churn.{name}": -0.1 - 0.05 * n for n, name in enumerate(ODD_NAMES)}},
    }
    path = written(Scenario.of(plain), tmp_path / "odd.xlsx")
    before = off(Scenario.of(plain), anew.answer(saved(path)))
    workbook = openpyxl.load_workbook(path)
    drivers = workbook["Drivers"]
    drivers["A2"], drivers["C3"], drivers["E4"] = "Churn", "RATE", 0.3
    drivers.row_dimensions[5].hidden = True
    drivers.insert_rows(7)
    scenario = workbook["Scenario"]
    at = next(row for row in range(2, 20) if scenario.cell(row, 1).value == "starts")
    import datetime

    scenario.cell(at, 2).value = datetime.date(2026, 2, 28)
    workbook.save(path)
    computed = anew.recalculated([path], tmp_path)[0]
    changed = nr.read_scenario(path)
    assert changed.start == "2026-02"
    assert before < CLOSE
    assert off(changed, anew.answer(computed)) < 1e-10
