"""A card with `each`: what it comes to, what is wrong with it, and what a second run makes anew."""

import json
import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from portfolios import numbers_of

import nrrsim as nr
from nrrsim.errors import NrrsimError, UsageError
from nrrsim.report.card import read_card
from nrrsim.report.each import LONGEST, TAKEN, _folded, folder_names, several
from nrrsim.report.manifest import verify
from nrrsim.report.portfolio import ON_THE_WAY, as_text, of_text, run_each
from nrrsim.report.run import Made as Ran
from nrrsim.report.run import run_card
from nrrsim.report.several import Made
from nrrsim.report.tables import RECORD
from nrrsim.yamlfile import read_value

# --- names ----------------------------------------------------------------------------------------

NAMES = st.lists(st.text(max_size=80), max_size=12, unique=True)


@settings(max_examples=100, deadline=None)
@given(NAMES)
def test_folder_names_are_safe_and_unlike_each_other(names):
    found = folder_names(names)
    assert [*found] == names
    folded = [_folded(each) for each in found.values()]
    assert len(set(folded)) == len(names)
    for name in found.values():
        assert re.fullmatch(r"\w[\w-]*", name), name
        assert not name.endswith(("-", "_"))
        assert len(name) <= LONGEST
        assert len(name.encode()) < 255
        assert name.casefold() not in TAKEN


@pytest.mark.parametrize(
    ("names", "plain"),
    [
        (["EMEA", "North America"], ["EMEA", "North-America"]),
        (["mid_market", "日本"], ["mid_market", "日本"]),
        (["../../etc"], ["etc"]),
    ],
)
def test_a_plain_name_is_its_folders(names, plain):
    assert [*folder_names(names).values()] == plain


@pytest.mark.parametrize("name", ["CON", "", "...", "Overview", "x" * 300, "lpt1"])
def test_a_name_that_is_none_has_a_piece_of_its_hash(name):
    assert re.search("[0-9a-f]{8}$", folder_names([name])[name])


# --- cards ----------------------------------------------------------------------------------------

HEAD = 'notebook: quarterly_report\ncompany: Nord\nas_of: "2026-03"\ntrials: 0\n'


def ledger(path: Path, rows: dict[str, dict[str, float]], regions: dict[str, str]) -> None:
    """A ledger of fifteen months: by customer what it pays from which month on."""
    months = [f"{2025 + at // 12}-{at % 12 + 1:02d}" for at in range(15)]
    lines = ["customer,month,mrr,segment,region"]
    for customer, steps in rows.items():
        for month in months:
            known = [steps[each] for each in steps if each <= month]
            if known and known[-1]:
                region = regions.get(customer, "North")
                lines.append(f"{customer},{month},{known[-1]},all,{region}")
    path.write_text("\n".join(lines) + "\n")


BOOK = {
    "Alder": {"2025-01": 100.0, "2025-06": 120.0},
    "Birch": {"2025-01": 200.0, "2026-01": 0.0},
    "Cedar": {"2025-02": 50.0},
    "Dorn": {"2025-11": 70.0},
}
REGIONS = {"Alder": "North", "Birch": "South", "Cedar": "South", "Dorn": "West"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A workspace with a ledger of three regions, in one of which nobody was at the start."""
    (tmp_path / "params" / "companies").mkdir(parents=True)
    (tmp_path / "reports").mkdir()
    ledger(tmp_path / "params" / "book.csv", BOOK, REGIONS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def card_of(home: Path, text: str) -> Path:
    path = home / "params" / "card.yaml"
    path.write_text(HEAD + text)
    return path


def found_in(home: Path, text: str, **over):
    return several(read_card(card_of(home, text), over), over)


def test_a_column_comes_to_a_report_for_each_value(home):
    found = found_in(home, "ledger: book.csv\neach: {column: region}\n")
    assert [each.name for each in found.entities] == ["North", "South"]
    assert found.entities[0].values["part"] == {"region": "North"}
    assert found.entities[0].values["company"] == "Nord, North"
    assert set(found.parts) == {"North", "South"}
    assert "no customer had revenue in March 2025" in found.absent["West"]
    assert "840 now" in found.absent["West"]
    some = found_in(home, "ledger: book.csv\neach: {column: region, values: [South]}\n")
    assert [each.name for each in some.entities] == ["South"]


@pytest.mark.parametrize(
    ("each", "says"),
    [
        (
            "{column: regoin}",
            "card.yaml: each: the ledger has no column regoin.*did you mean region",
        ),
        (
            "{column: region, values: [Nroth, Soth]}",
            "(?s)no value 'Nroth'; did you mean North.*Soth",
        ),
        ("{segment: all}", "the ledger has no segments.*region"),
        ("{colum: region}", "card.yaml:6: each: colum: is not known; did you mean column"),
        ("{segment: all, column: region}", "must be one of"),
        ("{values: [x]}", "must be one of"),
        ("all", "must be {segment: all}"),
        ("{column: region, values: []}", "values: must be all or a list of names"),
        ("{column: region, values: [North, North]}", "stands twice"),
        ("{column: 3}", "column: must be a heading"),
        ("{companies: [a]}", "companies: must be a file"),
        ("{column: region}\npart: {region: North}", "part: the ledger is cut by region already"),
        ("{column: region}\nplan: plan.csv", "plan: is one of the whole ledger"),
    ],
)
def test_what_each_cannot_be(home, each, says):
    with pytest.raises(UsageError, match=says):
        found_in(home, f"ledger: book.csv\neach: {each}\n")


def test_no_command_takes_a_part_for_the_whole(home, run):
    path = card_of(home, "ledger: book.csv\npart: {region: North}\n")
    code, out, err = run("metrics", str(path))
    assert (code, out) == (2, "")
    assert "part: is of reports alone" in err
    # a card for several says what its ledger is, as any other does
    assert run("metrics", str(card_of(home, BY_REGION)), "--json")[0] == 0


def test_a_notebook_without_parts_says_so(home):
    text = "notebook: backtest\ncompany: N\nledger: book.csv\neach: {column: region}\n"
    (home / "params" / "card.yaml").write_text(text)
    with pytest.raises(UsageError, match="the notebook has no parameter part"):
        read_card(home / "params" / "card.yaml")


COMPANIES = """companies:
  - name: Acme
    ledger: acme.csv
  - {name: Birch, ledger: [birch.csv], currency: EUR, target: 105%, format: stripe}
"""


def listed(home: Path, text: str) -> str:
    (home / "params" / "companies" / "group.yaml").write_text(text)
    for name in ("acme", "birch"):
        ledger(home / "params" / "companies" / f"{name}.csv", BOOK, {})
    (home / "params" / "rates.csv").write_text("month,currency,rate\n2025-03,EUR,1.1\n")
    return "currency: USD\nrates: rates.csv\neach: {companies: companies/group.yaml}\n"


def test_companies_differ_in_what_they_say(home):
    found = found_in(home, listed(home, COMPANIES))
    cards = [read_card(found.card.path, entity=each) for each in found.entities]
    assert [each.parameters["company"] for each in cards] == ["Acme", "Birch"]
    assert cards[0].parameters["ledger"] == "companies/acme.csv"
    assert cards[1].parameters["ledger"] == ["companies/birch.csv"]
    assert cards[0].parameters["rates"] == "rates.csv"
    # rates into dollars are none into euros
    assert cards[1].parameters["rates"] is None
    assert cards[1].parameters["currency"] == "EUR"
    assert cards[1].parameters["target"] == 1.05
    assert cards[1].form["format"] == "stripe"
    over = found_in(home, listed(home, COMPANIES), target=1.2)
    assert "target" not in over.entities[1].values


def test_all_that_is_wrong_with_companies_is_told_at_once(home):
    text = """companies:
  - {name: Acme, ledger: acme.csv}
  - {name: ACME, ledger: acme.csv}
  - {ledger: acme.csv}
  - name: Cedar
    ledgr: cedar.csv
  - {name: Dorn, ledger: dorn.csv, unit: weekly}
  - {name: Elm, ledger: gone.csv}
  - {name: Fir, ledger: acme.csv, target: high}
"""
    with pytest.raises(UsageError) as caught:
        found_in(home, listed(home, text))
    said = str(caught.value)
    for part in (
        r"group.yaml:3: name: ACME is there already, in line 2",
        r"group.yaml:4: name: each company has one",
        r"group.yaml:6: ledgr: is not a parameter of the notebook; did you mean ledger",
        r"group.yaml:5: ledger: is missing",
        r"group.yaml:7: unit: 'weekly' is not known",
        r"group.yaml:8: ledger: there is no file .*gone.csv",
        r"group.yaml:9: target: must be a number",
    ):
        assert re.search(part, said), (part, said)


@pytest.mark.parametrize("text", ["company: Acme\n", "companies: []\n", "companies: Acme\n"])
def test_a_list_of_companies_is_one(home, text):
    with pytest.raises(UsageError, match="a list of companies is companies:"):
        found_in(home, listed(home, text))


def test_an_entity_is_one_word_of_a_command(home):
    for each in found_in(home, listed(home, COMPANIES)).entities:
        assert of_text(as_text(each)) == each
    with pytest.raises(UsageError):
        of_text("Acme")


# --- runs -----------------------------------------------------------------------------------------


@pytest.fixture
def in_process(monkeypatch):
    """Reports are made here, of numbers alone: no kernel, no page. Returns what was made."""
    made: list[str] = []

    def numbers(card):
        if card.notebook.stem == "portfolio":
            return {"number": len(card.parameters["reports"]), **card.parameters["failed"]}
        form = {**card.form, "part": card.parameters.get("part")}
        past = nr.actuals(card.sources, card.parameters["as_of"], **form)
        return numbers_of(past)

    def make(card, work, *, to, engine, **_):
        made.append(card.entity.name if card.entity else card.notebook.stem)
        book = nbformat.v4.new_notebook()
        found = numbers(card)
        output = nbformat.v4.new_output("display_data", {RECORD: found})
        book.cells = [nbformat.v4.new_code_cell("x", outputs=[output], id="cell-0")]
        nbformat.write(book, work / "report.ipynb")
        for form in to:
            (work / f"report.{form}").write_text(json.dumps(found, sort_keys=True))
        return Ran(found, None)

    def each_of(commands, number):
        for path, *words in commands:
            entity = of_text(words[-1].partition("=")[2])
            pairs = [each[6:].partition("=") for each in words if each.startswith("--set=")]
            how = {key: words[words.index(f"--{key}") + 1] for key in ("engine", "out")}
            how |= {"over": {key: read_value(value, key) for key, _, value in pairs}}
            how |= {"latest": "--latest" in words, "to": words[words.index("--to") + 1].split(",")}
            try:
                run_card(path, entity=entity, **how)
                yield Made("", "", 0)
            except NrrsimError as error:
                yield Made("", f"note: x\n{error}\n", error.exit_code)

    monkeypatch.setattr("nrrsim.report.run.make", make)
    monkeypatch.setattr("nrrsim.report.portfolio.make", make)
    monkeypatch.setattr("nrrsim.report.portfolio.each_of", each_of)
    return made


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (each for each in folder.rglob("*") if each.is_file())
    return {str(each): (each.read_bytes(), each.stat().st_mtime_ns) for each in files}


BY_REGION = "ledger: book.csv\neach: {column: region}\n"


def test_a_second_run_makes_nothing_and_a_change_in_one_makes_one(home, in_process):
    path, made = card_of(home, BY_REGION), in_process
    first = run_each(path, to=["html"])
    assert made == ["North", "South", "portfolio"]
    assert first.made == ("North", "South")
    assert first.folder == home / "reports" / "card" or first.folder.samefile(home / "reports/card")
    assert (first.folder / "overview.html").is_file()
    for folder in (first.folder, first.folder / "North", first.folder / "South"):
        assert verify(folder)
    before = state(first.folder)

    made.clear()
    again = run_each(path, to=["html"])
    assert made == []
    assert again.kept == ("North", "South")
    assert state(first.folder) == before

    # a customer of one region pays more
    ledger(home / "params" / "book.csv", {**BOOK, "Cedar": {"2025-02": 60.0}}, REGIONS)
    assert run_each(path, to=["html"]).made == ("South",)
    assert made == ["South", "portfolio"]
    north = str(first.folder / "North")
    assert {k: v for k, v in state(first.folder).items() if k.startswith(north)} == {
        k: v for k, v in before.items() if k.startswith(north)
    }
    assert verify(first.folder)
    assert verify(first.folder / "North")


def test_a_run_goes_on_where_one_was_ended(home, in_process):
    path = card_of(home, BY_REGION)
    folder = run_each(path, to=["html"]).folder
    # as one leaves it that ends before the second report, and the overview
    shutil.rmtree(folder / "South")
    for file in [*folder.glob("overview.*"), folder / "manifest.json"]:
        file.unlink()
    in_process.clear()
    done = run_each(path, to=["html"])
    assert in_process == ["South", "portfolio"]
    assert done.kept == ("North",)
    assert verify(folder)


def test_what_is_wrong_leaves_no_folder(home):
    with pytest.raises(UsageError):
        run_each(card_of(home, "ledger: book.csv\neach: {column: regoin}\n"), to=["html"])
    assert not [*(home / "reports").iterdir()]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("target", ["North", "South"]),
        ("form", ["North", "South"]),
        ("file", ["South"]),
        ("comment", []),
    ],
)
def test_what_makes_a_report_anew(home, in_process, change, expected):
    path, how = card_of(home, BY_REGION), {"to": ["html"], "engine": "embedded"}
    folder = run_each(path, **how).folder
    in_process.clear()
    if change == "target":
        card_of(home, f"{BY_REGION}target: 1.2\n")
    elif change == "form":
        how["to"] = ["html", "xlsx"]
    elif change == "file":
        (folder / "South" / "report.html").write_text("another")
    else:
        card_of(home, f"# another comment\n{BY_REGION}")
    run_each(path, **how)
    assert [each for each in in_process if each != "portfolio"] == expected
    for name in ("North", "South"):
        assert verify(folder / name)


def test_ones_error_does_not_stop_the_others(home, in_process):
    text = listed(home, COMPANIES.replace(", format: stripe", ""))
    (home / "params" / "companies" / "birch.csv").write_text("customer,month\nA,2026-03\n")
    done = run_each(card_of(home, text), to=["html"])
    assert done.made == ("Acme",)
    assert [*done.failed] == ["Birch"]
    assert "mrr" in done.failed["Birch"]
    assert "note: x" not in done.failed["Birch"]
    manifest = json.loads((done.folder / "manifest.json").read_text())
    assert [*manifest["parameters"]["failed"]] == ["Birch"]
    assert verify(done.folder)

    # mended, the next run makes that one and the overview alone
    in_process.clear()
    ledger(home / "params" / "companies" / "birch.csv", BOOK, {})
    done = run_each(card_of(home, text), to=["html"])
    assert in_process == ["Birch", "portfolio"]
    assert not done.failed
    assert verify(done.folder)


def test_where_all_fail_there_is_no_overview(home, in_process):
    text = listed(home, COMPANIES.replace(", format: stripe", ""))
    for name in ("acme", "birch"):
        (home / "params" / "companies" / f"{name}.csv").write_text("customer,month\nA,2026-03\n")
    done = run_each(card_of(home, text), to=["html"])
    assert len(done.failed) == 2
    assert done.overview == ()
    assert not list(done.folder.glob("overview*"))


def test_a_report_of_another_kind_is_not_replaced(home, in_process):
    path = card_of(home, BY_REGION)
    run_each(path, to=["html"])
    with pytest.raises(UsageError, match="holds the reports and the overview"):
        run_card(path, to=["html"], over={"each": None})
    assert (home / "reports" / "card" / "North" / "report.html").is_file()
    other = home / "params" / "other.yaml"
    other.write_text(HEAD + "ledger: book.csv\n")
    run_card(other, to=["html"])
    with pytest.raises(UsageError, match="holds one report, and the card makes several"):
        run_each(other, to=["html"], over={"each": {"column": "region"}})
    with pytest.raises(UsageError, match="is of several reports"):
        run_card(path, to=["html"])


def test_each_is_compared_with_its_own_report_before(home, in_process):
    last = home / "params" / "last.yaml"
    last.write_text((HEAD + BY_REGION).replace("2026-03", "2026-02"))
    run_each(last, to=["html"])
    folder = run_each(card_of(home, BY_REGION), to=["html"]).folder
    for name in ("North", "South"):
        inputs = json.loads((folder / name / "manifest.json").read_text())["inputs"]
        assert f"../../last/{name}/manifest.json" in inputs
    # and so it stays as it is
    in_process.clear()
    run_each(card_of(home, BY_REGION), to=["html"])
    assert in_process == []


@pytest.mark.parametrize("of", ["parts", "companies"])
def test_the_latest_quarter_is_that_of_the_ledger(home, in_process, of):
    text = BY_REGION if of == "parts" else listed(home, COMPANIES.replace(", format: stripe", ""))
    path = card_of(home, text)
    path.write_text(path.read_text().replace('as_of: "2026-03"\n', ""))
    done = run_each(path, to=["html"], latest=True)
    assert not done.failed
    for folder in done.folder.glob("*/manifest.json"):
        assert json.loads(folder.read_text())["numbers"]["as_of"] == "2026-03"
    in_process.clear()
    run_each(path, to=["html"], latest=True)
    assert in_process == []


def test_places_that_a_card_names_are_one_for_each(home):
    (home / "reports" / "q4" / "North").mkdir(parents=True)
    keys = "previous: ../reports/q4\nnames: masked\nnames_key: who.csv\n"
    found = found_in(home, BY_REGION + keys)
    said = [read_card(found.card.path, entity=each).parameters for each in found.entities]
    assert [each["previous"] for each in said] == ["../reports/q4/North", "none"]
    assert [each["names_key"] for each in said] == ["who-North.csv", "who-South.csv"]


def test_what_is_said_on_the_way_is_no_reason():
    assert ON_THE_WAY.search("note: params/x.yaml: A: Churn peaks in June")
    assert ON_THE_WAY.search("params/x.yaml: A: running quarterly_report")
    assert not ON_THE_WAY.search("ledger.csv:3: mrr: 'x' is not a number")


# --- the real thing -------------------------------------------------------------------------------


@pytest.mark.slow
def test_three_segments_of_the_example(tmp_path, run, monkeypatch):
    monkeypatch.chdir(ROOT)
    words = ("--set", "each={segment: all}", "--set", "trials=100", "--out", str(tmp_path))
    code, out, err = run("report", "params/2026Q3.yaml", *words, "--to", "html,xlsx")
    assert code == 0, err
    assert str(tmp_path / "2026Q3" / "overview.html") in out
    before = state(tmp_path)
    code, _, err = run("report", "params/2026Q3.yaml", *words, "--to", "html,xlsx")
    assert code == 0
    assert "3 reports are as they were" in err
    assert state(tmp_path) == before
    for folder in ("", "enterprise", "mid_market", "smb"):
        assert run("verify", str(tmp_path / "2026Q3" / folder))[0] == 0
    numbers = json.loads((tmp_path / "2026Q3" / "manifest.json").read_text())["numbers"]
    assert numbers["ties"]
    assert os.path.getsize(tmp_path / "2026Q3" / "overview.xlsx") > 5000
