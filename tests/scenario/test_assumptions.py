"""A scenario as a workbook: there and back with the same bits, whoever takes a scenario takes one, and
forty damaged or odd workbooks, each with an answer or a message that names sheet and cell.
"""

import datetime
import json
import shutil
import zipfile
from functools import cache
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import openpyxl
import pytest
from conftest import HOSTILE, ROOT, fewer
from hypothesis import given
from hypothesis import strategies as st
from scenarios import VARIED, by_chance

import nrrsim as nr
from nrrsim.analysis.assumptions import scenario_file
from nrrsim.errors import UsageError
from nrrsim.scenario.outlook import LEVELS
from nrrsim.scenario.scenario import Scenario
from nrrsim.scenario.workbook import live
from nrrsim.scenario.workbook.read import holds_a_scenario, read_workbook
from nrrsim.scenario.workbook.rows import DRIVERS, HEADINGS, Layout, tables_of
from nrrsim.scenario.workbook.write import write_workbook
from nrrsim.yamlfile import yaml_text

EXAMPLES = ROOT / "params" / "scenarios"
RANKS = {"mean": 0.9, "model": [n / 20 for n in range(21)], "forecast": [n / 21 for n in range(21)]}


@pytest.fixture(autouse=True)
def _inputs_alone(request, monkeypatch):
    """Most tests are of the sheets that are read: those that compute take their time to write."""
    if "computing" not in request.fixturenames:
        monkeypatch.setattr(live, "write", lambda *_: None)


@pytest.fixture
def computing():
    """A workbook with all of its sheets."""


def there_and_back(scenario: Scenario, folder: Path) -> Scenario:
    """Through a workbook and YAML, as `nrrsim scenario` takes it."""
    write_workbook(scenario, folder / "there.xlsx")
    read = nr.read_scenario(folder / "there.xlsx")
    (folder / "back.yaml").write_text(yaml_text(read.plain()), encoding="utf-8")
    return nr.read_scenario(folder / "back.yaml")


def same(one: Scenario, other: Scenario) -> bool:
    """Every value, and the order in which parts are stated: draws go by it."""
    return json.dumps(one.model_dump(mode="json")) == json.dumps(other.model_dump(mode="json"))


def same_bits(one: Scenario, other: Scenario, trials: int = 40) -> bool:
    runs = [nr.simulate(each, trials, seed=3).arrays for each in (one, other)]
    return all(np.array_equal(runs[0][name], runs[1][name]) for name in runs[0])


def titled(scenario: Scenario) -> Scenario:
    """With a title, as a file without one is called by its name."""
    return scenario.with_(title=scenario.title or "There and back")


# --- there and back -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_examples_come_back(path, tmp_path):
    scenario = nr.read_scenario(path)
    back = there_and_back(scenario, tmp_path)
    assert same(scenario, back)
    if path.stem in ("nrr-105", "nrr-128", "nrr-128-ramp"):
        assert same_bits(scenario, back)


@pytest.mark.parametrize("name", VARIED)
def test_scenarios_as_unlike_as_can_be_come_back(name, tmp_path):
    scenario = titled(Scenario.of(VARIED[name]))
    back = there_and_back(scenario, tmp_path)
    assert same(scenario, back)
    assert same_bits(scenario, back)


SIGNS = st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"))
TEXT = st.text(SIGNS, min_size=1, max_size=40).map(lambda text: normalize("NFC", text))  # as files
NAMES = TEXT.filter(lambda text: text.strip() and text != "all" and len(text) < 60)


@st.composite
def whole_scenarios(draw: st.DrawFn) -> Scenario:
    """Scenarios of every field that a file may state, with names and numbers of any kind."""
    base = by_chance(draw(st.integers(0, 10_000))).plain()
    number = st.floats(0.001, 0.9)
    names = draw(st.lists(NAMES, min_size=3, max_size=3, unique=True))
    renamed = dict(zip("abc", names, strict=True))

    def with_names(entries: dict[str, Any]) -> dict[str, Any]:
        return {renamed.get(key, key): value for key, value in entries.items()}

    base["book"]["segments"] = with_names(base["book"]["segments"])
    base["drivers"] = {key: with_names(each) for key, each in base["drivers"].items()}
    segments = [*base["book"]["segments"]]
    for segment in base["book"]["segments"].values():
        segment["share"] = draw(st.floats(1e-6, 9e8))
        segment |= draw(st.sampled_from([{}, {"source": "the board"}, {"because": "=1+1"}]))
    for entries in base["drivers"].values():
        for entry in entries.values():
            entry["source"], entry["because"] = draw(TEXT), draw(st.sampled_from(["", *HOSTILE]))
    for driver, beta in draw(
        st.dictionaries(st.sampled_from([*base["drivers"], "price"]), number)
    ).items():
        effects = base.setdefault("year_effects", {})
        effects[driver] = draw(st.sampled_from([beta, {"between": [beta / 2, beta]}]))
        effects[driver] = draw(st.sampled_from([effects[driver], _belief(beta)]))
    if draw(st.booleans()):
        plan = {"arr": draw(st.floats(1, 1e9)), "customers": draw(st.integers(1, 50))}
        base["new_business"] = {draw(st.sampled_from(segments)): plan}
    if there := [driver for driver, entries in base["drivers"].items() if entries]:
        driver = draw(st.sampled_from(there))
        key = draw(
            st.sampled_from([driver, *(f"{driver}.{each}" for each in base["drivers"][driver])])
        )
        effect = draw(st.floats(-0.9, 3))
        base.setdefault("programmes", {})[draw(NAMES)] = {
            key: draw(st.sampled_from([effect, {"between": [-0.2, 0.1]}, _belief(0.2)])),
            "cost": draw(st.floats(0, 1e9)),
            "from": draw(st.integers(1, 600)),
            "for": draw(st.lists(TEXT, max_size=3)),
            "action": draw(TEXT),
            "measured": draw(st.sampled_from([None, "randomised"])),
            "because": draw(TEXT),
        }
    return Scenario.of({**base, "title": draw(TEXT).strip() or "x", "because": draw(TEXT)})


def _belief(mean: float) -> dict[str, Any]:
    """A belief of one of the forms, by the last digits of its mean."""
    forms = [
        {"dist": "lognormal", "mean": mean, "sd": mean / 3},
        {"dist": "normal", "mean": mean, "sd": mean / 7},
        {"dist": "pert", "min": mean / 2, "mode": mean, "max": mean * 1.1},
        {"dist": "triangular", "min": mean / 2, "mode": mean / 1.5, "max": mean},
        {"dist": "uniform", "min": mean / 2, "max": mean},
        {"dist": "beta", "a": 1 + mean, "b": 9 / mean},
    ]
    return forms[int(mean * 1e6) % len(forms)]


@fewer
@given(whole_scenarios())
def test_what_may_be_stated_comes_back(tmp_path_factory, scenario):
    back = there_and_back(scenario, tmp_path_factory.mktemp("round"))
    assert same(scenario, back)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(50))
def test_the_same_bits_come_of_what_came_back(seed, tmp_path):
    scenario = titled(by_chance(seed))
    assert same_bits(scenario, there_and_back(scenario, tmp_path))


@fewer
@given(st.lists(st.floats(0.0, 12.0), min_size=12, max_size=12), st.floats(0.01, 1e12))
def test_numbers_keep_their_bits(tmp_path_factory, rates, arr):
    segments = {f"s{n}": {"share": 1, "customers": 2} for n in range(12)}
    drivers = {
        "contraction": {f"s{n}": {"rate": rate, "size": 0.1} for n, rate in enumerate(rates)}
    }
    scenario = Scenario.of(
        {"title": "bits", "book": {"arr": arr, "segments": segments}, "drivers": drivers}
    )
    path = tmp_path_factory.mktemp("bits") / "there.xlsx"
    write_workbook(scenario, path)
    read = nr.read_scenario(path)
    assert read.book.arr.hex() == arr.hex()
    assert [each.rate for each in read.drivers.contraction.values()] == rates


@pytest.fixture(scope="module")
def learnt(tmp_path_factory) -> Path:
    """A folder with the example ledger, and what it teaches with its forecast."""
    from conftest import main

    folder = tmp_path_factory.mktemp("learnt")
    shutil.copy(ROOT / "nrrsim" / "data" / "meridian.csv", folder / "ledger.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with pytest.raises(SystemExit) as ended:
            main(["calibrate", "ledger.csv", "--out", "learnt.yaml", "--quiet"])
        assert not ended.value.code
    return folder


@pytest.mark.slow
def test_what_a_ledger_teaches_comes_back(learnt):
    scenario = nr.read_scenario(learnt / "learnt.yaml")
    assert scenario.outlook is not None
    assert scenario.year_effects
    back = there_and_back(scenario, learnt)
    assert same(scenario, back)
    assert back.notices == scenario.notices  # the outlook is of its book
    assert same_bits(scenario, back)


@pytest.mark.slow
def test_what_a_ledger_teaches_may_be_written_as_a_workbook(learnt, run, monkeypatch):
    monkeypatch.chdir(learnt)
    assert run("calibrate", "ledger.csv", "--out", "taught.xlsx", "--quiet")[0] == 0
    assert nr.read_scenario("taught.xlsx").plain() == nr.read_scenario("learnt.yaml").plain()
    code, _, err = run("prior", "ledger.csv", "--out", "prior.xlsx")
    assert code == 2
    assert "choose an --out in .yaml" in err


def test_a_ledgers_book_with_all_that_may_be_said_of_it(tmp_path):
    (tmp_path / "books").mkdir()
    rows = [
        f"c{n},2026-{month:02d},{n + 1}00,{'smb' if n % 2 else 'big'}"
        for month in range(1, 7)
        for n in range(6)
    ]
    (tmp_path / "books" / "ledger.csv").write_text("\n".join(["customer,month,mrr,segment", *rows]))
    book = {
        "ledger": "books/ledger.csv",
        "as_of": "2026-06",
        "term": {"smb": "monthly"},
        "decided": {"c0": "leaves", "c1": "renews", "c2": "as forecast"},
        "currency": "EUR",
        "columns": {"customer": "customer"},
        "scale": 1000,
        "blank": "zero",
    }
    plain = {
        "title": "Said",
        "book": book,
        "drivers": {"churn": {"all": 0.2, "smb": {"rate": "11%"}}},
    }
    scenario = Scenario.of(plain, tmp_path)
    back = there_and_back(scenario, tmp_path)
    assert back.plain()["book"] == {key: each for key, each in book.items() if each}
    assert same(scenario, back)
    # from elsewhere its ledger is seen from there
    (tmp_path / "plans").mkdir()
    write_workbook(scenario, tmp_path / "plans" / "a.xlsx")
    elsewhere = nr.read_scenario(tmp_path / "plans" / "a.xlsx")
    assert elsewhere.plain()["book"]["ledger"] == "../books/ledger.csv"
    assert elsewhere.opening.total == scenario.opening.total
    # of a ledger there is no sheet of segments, and none may be added beside it
    book_of = openpyxl.load_workbook(tmp_path / "plans" / "a.xlsx")
    assert "Book" not in book_of.sheetnames
    book_of.create_sheet("Book").append(HEADINGS["Book"])
    book_of["Book"].append(["smb", 3, 1])
    book_of.save(tmp_path / "plans" / "a.xlsx")
    with pytest.raises(
        UsageError, match=r"a.xlsx Scenario!A\d+ book: a book is from a ledger or laid out"
    ):
        nr.read_scenario(tmp_path / "plans" / "a.xlsx")


def test_the_same_scenario_gives_the_same_bytes(tmp_path):
    scenario = nr.read_scenario(EXAMPLES / "nrr-128-ramp.yaml")
    first = scenario_file(scenario, tmp_path / "a.xlsx")
    assert first == scenario_file(scenario, tmp_path / "a.xlsx")
    # what came back writes them again
    (tmp_path / "a.xlsx").write_bytes(first)
    again = nr.read_scenario(tmp_path / "a.xlsx")
    assert scenario_file(again, tmp_path / "a.xlsx") == first


def test_no_text_becomes_a_formula_or_a_link(tmp_path, computing):
    segments = {name: {"share": 1, "customers": 3, "source": name} for name in HOSTILE}
    plain = {
        "title": "=1+1",
        "because": "http://example.com",
        "book": {"arr": 1e6, "segments": segments},
    }
    write_workbook(Scenario.of(plain), tmp_path / "a.xlsx")
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    ours = [book[name] for name in HEADINGS if name in book.sheetnames]
    for sheet in ours:
        computed = {cell.column for cell in sheet[1] if cell.value == "acts with"}
        for cell in (cell for row in sheet for cell in row if cell.column not in computed):
            assert cell.data_type in ("s", "n"), cell
            assert cell.hyperlink is None
    assert same(nr.read_scenario(tmp_path / "a.xlsx"), Scenario.of(plain))


def test_what_no_cell_can_hold_is_refused_with_its_cell(tmp_path):
    plain = VARIED["monthly churn alone"]
    for text, said in (("a" * 32_768, "32,767 characters"), ("<r>x</r>", "<r>")):
        with pytest.raises(UsageError, match=rf"a.xlsx Scenario!B\d+: .*{said}"):
            write_workbook(
                Scenario.of({**plain, "title": "t", "because": text}), tmp_path / "a.xlsx"
            )
    assert not (tmp_path / "a.xlsx").exists()


def test_the_layout_is_where_things_stand(tmp_path):
    scenario = nr.read_scenario(EXAMPLES / "nrr-128-ramp.yaml")
    write_workbook(scenario, tmp_path / "a.xlsx")
    layout = Layout.of(tables_of(scenario.plain()))
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    for field, row in layout.fields.items():
        assert book["Scenario"].cell(row, 1).value == field
    for grid in layout.sheets.values():
        for heading, column in grid.columns.items():
            assert book[grid.name].cell(1, column + 1).value == heading
    assert layout.sheets[DRIVERS].range("low") == "Drivers!$D$2:$D$120"
    assert book["Scenario"][layout.value("months").partition("!")[2].replace("$", "")].value == 12


# --- wherever a scenario is taken -----------------------------------------------------------------


@pytest.fixture
def pair(tmp_path, monkeypatch) -> Path:
    """One scenario as YAML and as a workbook, in a folder of each's own."""
    monkeypatch.chdir(tmp_path)
    for name in ("yaml", "xlsx"):
        (tmp_path / name).mkdir()
        nr.write_scenario(
            nr.read_scenario(EXAMPLES / "churn-programme.yaml"), tmp_path / name / f"plan.{name}"
        )
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        "expect {}",
        "simulate {} --trials 50",
        "compare nrr-105 {} --trials 50",
        "compare {} nrr-105 --trials 50",
        "frontier {} --target 1.1",
        "sweep {} --vary drivers.churn.smb.rate=0.1:0.2:2 --out {}.csv --json",
    ],
    ids=lambda words: words.split()[0],
)
def test_commands_take_either_and_say_the_same(words, pair, run):
    said = []
    for name in ("yaml", "xlsx"):
        file = f"{name}/plan.{name}"
        code, *told = run(*words.replace("{}", file).split())
        assert code == 0, told
        said.append([text.replace(file, "plan") for text in told])
    assert said[0] == said[1]


def test_a_scenario_extends_a_workbook_and_a_workbook_extends_yaml(pair):
    (pair / "over.yaml").write_text(
        "extends: xlsx/plan.xlsx\ntitle: Over\ndrivers: {churn: {smb: 0.11}}\n"
    )
    over, base = nr.read_scenario(pair / "over.yaml"), nr.read_scenario(pair / "xlsx" / "plan.xlsx")
    assert over.drivers.churn["smb"].rate == 0.11
    assert over.drivers.adoption == base.drivers.adoption

    sheets = {
        "Scenario": [
            ("field", "value"),
            ("extends", "over.yaml"),
            ("title", "Above"),
            ("months", 6),
        ]
    }
    sheets["Drivers"] = [
        HEADINGS["Drivers"],
        ("churn", "smb", "rate", None, 0.12, None, None, "judgement"),
    ]
    _book(pair / "above.xlsx", sheets)
    above = nr.read_scenario(pair / "above.xlsx")
    assert (above.title, above.months) == ("Above", 6)
    assert above.drivers.churn["smb"].rate == 0.12
    assert above.drivers.churn["enterprise"] == over.drivers.churn["enterprise"]
    _edit(pair / "above.xlsx", Scenario__B2="ovr.yaml")
    with pytest.raises(
        UsageError, match=r"above\.xlsx Scenario!B2 extends: there is no scenario ovr"
    ):
        nr.read_scenario(pair / "above.xlsx")


def test_a_plan_may_be_a_workbook_of_assumptions_or_a_table(pair):
    assert nr.read_plan(pair / "xlsx" / "plan.xlsx").scenario is not None
    _book(pair / "table.xlsx", {"Plan": [("month", "segment", "nrr"), ("2026-12", "all", 1.05)]})
    assert nr.read_plan(pair / "table.xlsx").months == ["2026-12"]
    assert not holds_a_scenario(pair / "table.xlsx")


def test_the_command_writes_each_form_and_refuses_what_is_there(pair, run, computing):
    assert run("scenario", "nrr-105", "--out", "a.xlsx")[0] == 0
    assert run("scenario", "a.xlsx", "--out", "a.yaml")[0] == 0
    assert run("scenario", "a.yaml", "--out", "b.xlsx")[0] == 0
    assert Path("a.xlsx").read_bytes() == Path("b.xlsx").read_bytes()
    code, _, err = run("scenario", "a.yaml", "--out", "b.xlsx")
    assert (code, err) == (2, "b.xlsx: is there already; choose another name, or remove it\n")
    code, _, err = run("scenario", "a.yaml", "--out", "b.csv")
    assert (code, err) == (2, "b.csv: a scenario does not end in .csv; write .yaml or .xlsx\n")
    code, _, err = run("scenario", "a.yaml", "--out", "nowhere/b.xlsx")
    assert code == 2
    assert "nowhere" in err


def test_what_is_ones_own_in_a_workbook_is_left_and_said(pair, run, computing):
    book = openpyxl.load_workbook("xlsx/plan.xlsx")
    book.create_sheet("My notes")["A1"] = "ask Ann"
    book["Drivers"]["K1"] = "owner"
    book["Drivers"]["K2"] = "Ann"
    book.save("own.xlsx")
    code, _, err = run("scenario", "own.xlsx", "--out", "c.xlsx")
    assert code == 0
    assert "My notes" in err
    assert "owner" in err
    assert Path("c.xlsx").read_bytes() == scenario_file(
        nr.read_scenario("xlsx/plan.xlsx"), "c.xlsx"
    )


# --- damaged and odd workbooks --------------------------------------------------------------------


def _book(path: Path, sheets: dict[str, list[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.save(path)
    return path


def _edit(path: Path, **cells: Any) -> None:
    """Set cells by name (`Drivers__E14`), as a person's program saves them."""
    book = openpyxl.load_workbook(path)
    for name, value in cells.items():
        sheet, _, cell = name.partition("__")
        book[sheet][cell] = value
    book.save(path)


SMALL = {
    "title": "Small",
    "months": 12,
    "book": {
        "arr": 1_000_000,
        "starts": "2026-08",
        "segments": {
            "smb": {"share": 0.5, "customers": 20, "term": "monthly"},
            "mid": {"share": 0.5, "customers": 12},
        },
    },
    "drivers": {
        "churn": {"smb": {"between": [0.1, 0.2]}, "mid": {"by_tenure": [0.2, 0.1]}},
        "contraction": {"all": {"rate": 0.2, "size": {"mean": 0.2, "sd": 0.1}}},
        "price": {"all": {"uplift": 0.05, "month": 1}},
    },
    "programmes": {"push": {"churn": -0.2, "from": 3, "source": "judgement"}},
    "correlations": [["churn.smb", "price.all", 0.1]],
}
# Where things stand in it: Scenario B4 is months; Drivers row 2 is churn smb, 3 churn mid (by_tenure), 4 the rate of
# contraction, 5 and 6 its size, 7 the uplift and 8 its month.


@pytest.fixture
def small(tmp_path) -> Path:
    write_workbook(Scenario.of(SMALL), tmp_path / "plan.xlsx")
    return tmp_path / "plan.xlsx"


def _cells(**cells: Any):
    return lambda path: _edit(path, **cells)


def _changed(change):
    def changed(path: Path) -> None:
        book = openpyxl.load_workbook(path)
        change(book)
        book.save(path)

    return changed


def _rename(old: str, new: str):
    return _changed(lambda book: setattr(book[old], "title", new))


def _remove(name: str):
    return _changed(lambda book: book.remove(book[name]))


def _merge(book: Any) -> None:
    book["Drivers"]["A4"], book["Drivers"]["A5"] = "contraction", None
    book["Drivers"].merge_cells("A4:A5")


def _raw(make):
    return lambda path: path.write_bytes(make(path))


REFUSED: dict[str, tuple[Any, str]] = {
    # what a number may be is said as of YAML, with the cell
    "in percent": (_cells(Drivers__E4=20), r"Drivers!E4 drivers\.contraction\.all\.rate: .*did you mean 0\.2\?"),
    "low above high": (_cells(Drivers__D2=0.3), r"Drivers!D2 drivers\.churn\.smb\.rate: .*0 < low < high"),
    "text": (_cells(Drivers__E4="often"), r"Drivers!E4 .*must be a number, got 'often'"),
    "a comma": (_cells(Drivers__E4="0,2"), r"Drivers!E4 .*did you mean 0\.2\?"),
    "a number stored as text": (_cells(Drivers__E4="0.2"), r"Drivers!E4 .*did you mean 0\.2\?"),
    "true": (_cells(Drivers__E4=True), r"Drivers!E4 .*must be a number, got true"),
    "a date in a number": (_cells(Drivers__E4=datetime.date(2026, 1, 2)), r"Drivers!E4: holds a date"),
    "an unknown driver": (_cells(Drivers__A4="contractions"), r"Drivers!A4 .*contractions.*did you mean contraction"),
    "a blank after a driver": (_cells(Drivers__A4="contraction "), r"Drivers!A4 .*did you mean contraction"),
    "an unknown segment": (_cells(Drivers__B2="smbs"), r"Drivers!B2 .*not a segment.*did you mean smb"),
    "an unknown field": (_cells(Drivers__C4="rates"), r"Drivers!C4 .*rates: is not known; did you mean rate"),
    "an unknown shape": (_cells(Drivers__G2="gamma"), r"Drivers!G2: gamma is no shape"),
    "low alone": (_cells(Drivers__F2=None), r"Drivers!D2: a number is missing; state likely alone"),
    "likely and high": (_cells(Drivers__D2=None, Drivers__E2=0.15), r"Drivers!E2: a number is missing"),
    "no number": (_cells(Drivers__E4=None), r"Drivers!E4: a number is missing"),
    "normal without sd": (_cells(Drivers__G4="normal (mean, sd)"), r"Drivers!E4: normal takes low \(mean\) and high \(sd\)"),
    "a row without a driver": (_cells(Drivers__A4=None), r"Drivers!A4: is empty"),
    "a row without a field": (_cells(Drivers__C4=None), r"Drivers!C4: is empty"),
    "merged drivers": (_changed(_merge), r"Drivers!A5: is empty; .*merged"),
    "a row twice": (_cells(Drivers__A9="contraction", Drivers__B9="all", Drivers__C9="rate", Drivers__E9=1), r"Drivers!C9: drivers\.contraction\.all\.rate: stands twice, also at Drivers!C4"),
    "a size twice": (_cells(Drivers__A9="contraction", Drivers__B9="all", Drivers__C9="size", Drivers__E9=0.1), r"Drivers!C9: .*stands twice"),
    "a curve without its years": (_cells(Tenure__A2=None, Tenure__B2=None, Tenure__D2=None, Tenure__A3=None, Tenure__B3=None, Tenure__D3=None), r"Drivers!C3: the numbers of by_tenure stand on the sheet Tenure"),
    "a year missing": (_cells(Tenure__B3=3), r"Tenure!B3: by_tenure 2 is missing"),
    "a year twice": (_cells(Tenure__B3=1), r"Tenure!B3: stands twice, also at Tenure!B2"),
    "a year in words": (_cells(Tenure__B3="second"), r"Tenure!B3: must be a year's number"),
    "a year far ahead": (_cells(Tenure__B3=1e9), r"Tenure!B3: .*by_tenure 2 is missing"),
    "an unknown field of the scenario": (_cells(Scenario__A3="month"), r"Scenario!A3: month is not known; did you mean months"),
    "months left empty": (_cells(Scenario__B3=None), r"Scenario!B3 months: must be a whole number, got nothing"),
    "months with a part": (_cells(Scenario__B3=12.5), r"Scenario!B3 months: must be a whole number"),
    "a field twice": (_cells(Scenario__A4="months", Scenario__B4=6), r"Scenario!A4: months: stands twice, also at Scenario!A3"),
    "a term": (_cells(Book__E2="yearly"), r"Book!E2 .*must be monthly or annual"),
    "customers left empty": (_cells(Book__B2=None), r"Book!B2 .*must be a whole number, got nothing"),
    "a segment twice": (_cells(Book__A3="smb"), r"Book!A3: smb stands twice, also at Book!A2"),
    "a programme's unknown driver": (_cells(Programmes__B2="churns"), r"Programmes!B2 .*did you mean churn"),
    "text beside an effect": (_cells(Programmes__G2="a guess"), r"Programmes!G2: churn takes nothing in this column"),
    "a correlation of nothing": (_cells(Correlations__A2="churn.big"), r"Correlations!A2 correlations\.0\.0: churn\.big is no number"),
    "an error value": (_cells(Drivers__E4="#DIV/0!"), r"Drivers!E4: holds the error #DIV/0!"),
    "a formula never computed": (_cells(Drivers__E4="=1/5"), r"Drivers!E4: holds a formula without a saved value; open the workbook in Excel"),
    "a heading renamed": (_cells(Drivers__D1="lows"), r"Drivers!A1: the heading low is missing in row 1; is it lows\?"),
    "a heading twice": (_cells(Drivers__I1="low"), r"Drivers!I1: the heading low stands twice"),
    "headings below row 1": (_changed(lambda book: book["Drivers"].insert_rows(1)), r"Drivers!A1: the heading driver is missing in row 1"),
    "no sheet Scenario": (_remove("Scenario"), r"plan\.xlsx: holds no scenario, as it has no sheet Scenario"),
    "no sheet Drivers": (_remove("Drivers"), r"plan\.xlsx: has no sheet Drivers"),
    "no sheet Book": (_remove("Book"), r"plan\.xlsx: has no sheet Book"),
    "a sheet renamed": (_rename("Programmes", "Programmes 2027"), r"plan\.xlsx: its sheet Programmes 2027 looks like Programmes"),
    "a sheet in capitals": (_rename("Tenure", "TENURE"), r"plan\.xlsx: its sheet TENURE1? looks like Tenure"),
    "no workbook": (_raw(lambda path: b"title: Next year\n"), r"plan\.xlsx: cannot be read"),
    "an empty file": (_raw(lambda path: b""), r"plan\.xlsx: cannot be read"),
    "half a workbook": (_raw(lambda path: path.read_bytes()[:4000]), r"plan\.xlsx: cannot be read"),
    "a flipped bit": (_raw(lambda path: _flipped(path)), r"plan\.xlsx: cannot be read: it is empty or damaged"),
    "another zip": (_raw(lambda path: _zip(path)), r"plan\.xlsx: cannot be read"),
    "a password": (_raw(lambda path: bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2000)), r"plan\.xlsx: cannot be read"),
}  # fmt: skip


def _flipped(path: Path) -> bytes:
    with zipfile.ZipFile(path) as book:
        info = book.getinfo("xl/worksheets/sheet3.xml")
    content = bytearray(path.read_bytes())
    content[info.header_offset + 200] ^= 4
    return bytes(content)


def _zip(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("a.txt", "nothing")
    return path.read_bytes()


@pytest.mark.parametrize("what", REFUSED)
def test_a_wrong_workbook_is_refused_where_it_is_wrong(what, small):
    damage, said = REFUSED[what]
    damage(small)
    with pytest.raises(UsageError, match=said) as refused:
        nr.read_scenario(small)
    # the place first, the same file in each line, and no word of a program's own
    for line in str(refused.value).splitlines():
        assert line.startswith(str(small)), line
        assert not any(word in line for word in ("Traceback", "NoneType", "dict", "KeyError")), line


def test_a_wrong_workbook_is_refused_by_the_command_too(small, run):
    _edit(small, Drivers__E4=2000, Scenario__B3=0, Book__E2="yearly")
    code, out, err = run("expect", str(small))
    assert (code, out) == (2, "")
    assert [line.split(" ")[1] for line in err.splitlines()] == [
        "Book!E2",
        "Drivers!E4",
        "Scenario!B3",
    ]


FINE: dict[str, Any] = {
    "text in percent": _cells(Drivers__E4="20%"),
    "capitals": _cells(Drivers__A4="CONTRACTION", Drivers__C4="Rate", Book__E2="Monthly"),
    "a shape said": _cells(Drivers__G2="between"),
    "empty rows between": _changed(lambda book: book["Drivers"].insert_rows(4, 3)),
    "an own sheet": _changed(lambda book: book.create_sheet("Notes", 0)),
    "an own column": _cells(Drivers__M1="owner", Drivers__M2="=1/0"),
    "hidden rows": _changed(
        lambda book: setattr(book["Drivers"].row_dimensions[4], "hidden", True)
    ),
    "a sheet hidden": _changed(lambda book: setattr(book["Book"], "sheet_state", "hidden")),
    "a date for a month": _cells(Scenario__B7=datetime.date(2026, 8, 1)),
    "columns moved": _changed(lambda book: _move(book["Drivers"])),
    "a number for a title": _cells(),
    "sheets moved": _changed(lambda book: book.move_sheet("Scenario", 3)),
}


def _move(sheet: Any) -> None:
    """The column of sources becomes the first, the others follow."""
    rows = [[cell.value for cell in row[:8]] for row in sheet.iter_rows()]
    for number, row in enumerate(rows, 1):
        for column, value in enumerate([row[7], *row[:7]], 1):
            sheet.cell(number, column).value = value


@pytest.mark.parametrize("what", FINE)
def test_an_odd_workbook_says_the_same(what, small):
    before = nr.read_scenario(small)
    FINE[what](small)
    assert same(nr.read_scenario(small), before)


WORDS = (
    "x all churn 11% =1/0 #N/A mean season.13 by_tenure size.mean a.b.c between nan term columns."
)
WORDS += (
    " year_effects.churn.low shock.churn outlook.nrr decided.x extends book new_business.smb.arr"
)
NUMBERS = (True, 0, -1, 1, 2, 12.5, 1e300, -1e-300, 600)
DATES = (datetime.date(2026, 8, 1), datetime.datetime(1900, 1, 1, 12), datetime.time(3))
TEXTS = (None, "", " ", "beta (a, b)", "\u2028", HOSTILE[0])
JUNK = st.sampled_from([*WORDS.split(), *NUMBERS, *DATES, *TEXTS])


@fewer
@given(
    st.lists(
        st.tuples(st.sampled_from([*HEADINGS]), st.integers(0, 8), st.integers(1, 9), JUNK),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_stands_in_a_cell_gives_an_answer_or_a_message(tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("junk") / "plan.xlsx"
    path.write_bytes(_whole_of_small())
    book = openpyxl.load_workbook(path)
    for sheet, column, row, value in changes:
        book[sheet].cell(row, column + 1).value = value
    book.save(path)
    try:
        nr.expect(nr.read_scenario(path))
    except UsageError as error:
        for line in str(error).splitlines():
            assert line.startswith(str(path)) or line.startswith("and "), line


@cache
def _whole_of_small() -> bytes:
    """The small scenario with an outlook, so that every sheet is there."""
    outlook = {"as_of": "2026-08", "arr": 1e6, "nrr": RANKS, "grr": RANKS, "logo": RANKS}
    return scenario_file(Scenario.of(SMALL | {"outlook": outlook}), "plan.xlsx")


def test_a_book_may_state_arr_in_place_of_shares(small):
    _edit(small, Book__C1="arr", Book__C2=300_000, Book__C3=900_000, Scenario__B5=None)
    read = nr.read_scenario(small)
    assert read.book.arr == 1_200_000
    assert [each.share for each in read.book.segments.values()] == [0.25, 0.75]
    _edit(small, Scenario__B5=1_000_000)
    with pytest.raises(UsageError, match=r"Book!C2: the book's ARR stands at Scenario!A5, too"):
        nr.read_scenario(small)


def test_names_that_were_typed_as_numbers_are_names(small):
    _edit(small, Book__A2=2026, Drivers__B2=2026, Correlations__A2="churn.2026", Scenario__B2=2027)
    read = nr.read_scenario(small)
    assert read.segments == ("2026", "mid")
    assert read.title == "2027"


def test_a_copied_sheet_and_a_lost_row_are_told(small):
    book = openpyxl.load_workbook(small)
    book.copy_worksheet(book[DRIVERS]).title = "Drivers (2)"
    book.create_sheet("My notes")
    book.save(small)
    notices = nr.read_scenario(small).notices
    assert [each for each in notices if "not read" in each] == [
        f"{small}: the sheet 'Drivers (2)' is not read; what Drivers says counts"
    ]


def test_a_segment_whose_churn_was_deleted_is_told(small):
    assert not [each for each in nr.read_scenario(small).notices if "churn:" in each]
    _edit(small, **{f"Drivers__{column}2": None for column in "ABCDEFGH"}, Correlations__A2=None,
          Correlations__B2=None, Correlations__C2=None)  # fmt: skip
    assert nr.read_scenario(small).notices[0] == (
        "drivers.churn: 'smb' has none, and there is none for all: nobody there leaves, but over a price"
    )


def test_what_is_no_workbook_any_more_is_told_with_a_remedy_of_its_own(small):
    half = small.with_name("half.xlsx")
    half.write_bytes(small.read_bytes()[:3000])
    table = small.with_name("plan.csv")
    table.write_text("segment,customers\nsmb,3\n")
    for path, said in ((half, "damaged; open it in Excel"), (table, "save the workbook as .xlsx")):
        with pytest.raises(UsageError, match=said) as refused:
            nr.read_scenario(path)
        assert "CSV" not in str(refused.value)


def test_a_formula_counts_with_its_saved_value(small):
    """As Excel saves it: the formula, and what it came to."""
    with zipfile.ZipFile(small) as book:
        parts = {each.filename: book.read(each) for each in book.infolist()}
    sheet = "xl/worksheets/sheet3.xml"  # Drivers
    text = parts[sheet]
    begin = text.index(b'<c r="E4"')
    cell = text[begin : text.index(b"</c>", begin)]
    parts[sheet] = text.replace(cell, cell.replace(b"<v>0.2", b"<f>1/4</f><v>0.25"))
    with zipfile.ZipFile(small, "w") as book:
        for name, part in parts.items():
            book.writestr(name, part)
    assert nr.read_scenario(small).drivers.contraction["all"].rate == 0.25


def test_an_outlook_keeps_its_levels(small, tmp_path):
    outlook = {"as_of": "2026-08", "arr": 1e6, "nrr": RANKS, "grr": RANKS, "logo": RANKS}
    scenario = Scenario.of(SMALL | {"outlook": outlook})
    write_workbook(scenario, small)
    assert same(nr.read_scenario(small), scenario)
    for cells, said in (
        ({"Outlook__B3": 0.02}, r"Outlook!B3: is no level of an outlook"),
        ({"Outlook__B4": LEVELS[0]}, r"Outlook!B4: stands twice, also at Outlook!B3"),
        ({"Outlook__C4": 0.9}, r"Outlook!C\d outlook\.nrr\.model: .*none below the one before"),
        ({"Outlook__A3": "ndr"}, r"Outlook!A3: ndr is no measure"),
    ):
        write_workbook(scenario, small)
        _edit(small, **cells)
        with pytest.raises(UsageError, match=said):
            nr.read_scenario(small)


def test_other_kinds_of_workbooks(small, tmp_path):
    shutil.copy(small, tmp_path / "plan.xlsm")
    assert same(nr.read_scenario(tmp_path / "plan.xlsm"), nr.read_scenario(small))
    for ending in (".xls", ".xlsb"):
        shutil.copy(small, tmp_path / f"plan{ending}")
        with pytest.raises(UsageError, match=r"save it as \.xlsx"):
            nr.read_scenario(tmp_path / f"plan{ending}")
    with pytest.raises(UsageError, match=r"there is no such scenario"):
        nr.read_scenario(tmp_path / "nowhere.xlsx")
    (tmp_path / "folder.xlsx").mkdir()
    with pytest.raises(UsageError, match=r"is a folder"):
        nr.read_scenario(tmp_path / "folder.xlsx")


@pytest.mark.slow
def test_a_report_of_a_workbook_says_what_that_of_yaml_does(pair, run):
    made = []
    for name in ("yaml", "xlsx"):
        shutil.move(f"{name}/plan.{name}", f"plan.{name}")
        words = (
            "report",
            f"plan.{name}",
            "--engine",
            "embedded",
            "--to",
            "html",
            "--out",
            f"reports-{name}",
        )
        code, _, err = run(*words)
        assert code == 0, err
        assert run("verify", f"reports-{name}/plan")[0] == 0
        made.append(json.loads(Path(f"reports-{name}/plan/manifest.json").read_text()))
    assert made[0]["numbers"] == made[1]["numbers"]
    assert [*made[1]["inputs"]] == ["../../plan.xlsx"]
    # one would take the place of the other
    code, _, err = run("report", "plan.xlsx", "--engine", "embedded", "--to", "html")
    assert code == 2
    assert "its report would take the place of that of plan.yaml" in err


@pytest.mark.slow
def test_a_million_rows_are_refused(tmp_path):
    import xlsxwriter

    with xlsxwriter.Workbook(tmp_path / "plan.xlsx", {"constant_memory": True}) as book:
        for name, heads in HEADINGS.items():
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, heads)
            for row in range(1, 1_000_000 if name == DRIVERS else 2):
                sheet.write_row(row, 0, ["churn", f"s{row}", "rate", "", 0.1])
    with pytest.raises(UsageError, match=r"Drivers!A50001: has more than 50,000 rows"):
        read_workbook(tmp_path / "plan.xlsx")
