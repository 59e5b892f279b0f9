"""The contracts of the house: floors, public names, notebooks, cards, and READMEs whose commands run."""

import ast
import importlib
import json
import re
import shlex
import subprocess
from pathlib import Path

import altair as alt
import pandas as pd
import pytest
from conftest import ROOT

import nrrsim as nr

PACKAGE = ROOT / "nrrsim"
# The wings in importable order, and the files of each: a file imports only what stands before it, here and now or
# later, inside a function.
HOUSE = {
    "ground": "errors special months notation movements yamlfile messages files workers cache sizebands"
    " metrics peers benchmarks",
    "ledger": "query database reading cells pairs spellings dates vocabulary amounts exports headings"
    " lostcells rows containers textfiles spreadsheets sheets records sources captions across"
    " monthcells wide columns layouts paying values periods lines versions logs statuses"
    " totals names habits rollforward currency check ledger statement warehouse",
    "scenario": "beliefs numbers year_effects drivers book multipliers customers programmes outlook"
    " workbook/rows workbook/stated workbook/read extends checks table scenario plan"
    " workbook/looks workbook/cells workbook/working workbook/model workbook/checks"
    " workbook/answer workbook/explain workbook/live workbook/write",
    "engine": "draws groups paths bits outcomes kernel driver_rates sizes levels expectation switched"
    " moments simulation luck law",
    "calibration": "exposure ratios frequency sizes tenure years priors accounts calibrate mixture backtest",
    "accounts": "watch signals reasons opportunities stages features risk worth proof at_risk forecasts"
    " clusters action_table actions holdout",
    "analysis": "actuals beside accounts losses measured customers renewals cohorts paired sensitivity"
    " among bridge forecast since variance pipeline programmes frontier summary comparison"
    " sweep portfolio assumptions",
    "report": "tables charts/alternative charts/picture charts/style charts/retention charts/outlook"
    " charts/among charts/grid charts/accounts charts/portfolio charts/live wording/labels"
    " wording/facts wording/columns wording/accounts wording/actions wording/quarterly"
    " wording/sizes wording/comparison wording/forecast wording/peers wording/plan"
    " wording/pipeline wording/since wording/templates wording/portfolio wording/say"
    " wording/commentary audience card manifest published workbook/rows workbook/styles"
    " workbook/sections workbook/accounts workbook/customersheet workbook/live"
    " workbook/rollforward workbook/summary workbook/checks workbook/write grid pages/notebook"
    " pages/markdown pages/pdf pages/downloads pages/html pages/package pages/office"
    " pages/native pages/slides pages/render kernel run several each portfolio",
    "workspace": "template cards readme new next",
    "whatif": "sliders reports live panel serve",
    "cli": "helped options checked text terminal progress printed inputs folders each confined tools"
    " figures answers warm assistants assumptions of_benchmarks of_ledgers"
    " of_the_past of_accounts of_scenarios of_reports commands",
}
ORDER = [
    name if wing == "ground" else f"{wing}/{name}"
    for wing, names in HOUSE.items()
    for name in names.split()
]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NO_CODE = ("data", "_share")  # the example; in a wheel, notebooks and house style


def files_of_the_house() -> list[str]:
    found = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return sorted(
        path.with_suffix("").as_posix()
        for path in found
        if path.name != "__init__.py" and path.parts[0] not in NO_CODE
    )


def imports(path: Path) -> set[str]:
    """The files of nrrsim that a file imports, at once or late (not for its types alone)."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for node in ast.walk(branch)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in skipped:
            home, *inside = (node.module or "").split(".")
            for alias in node.names if home == "nrrsim" else ():
                whole = "/".join([*inside, alias.name])
                found.add(whole if whole in ORDER else "/".join(inside))
        elif isinstance(node, ast.Import):
            named = (alias.name.split(".") for alias in node.names)
            found |= {"/".join(parts[1:]) for parts in named if parts[0] == "nrrsim"}
    return found


def test_every_file_has_its_place():
    assert files_of_the_house() == sorted(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_a_file_imports_only_what_stands_before_it(name):
    before = set(ORDER[: ORDER.index(name)])
    assert imports(PACKAGE / f"{name}.py") <= before


@pytest.mark.parametrize("name", ORDER)
def test_a_files_first_line_says_what_comes_in_and_what_it_never_does(name):
    first = (ast.get_docstring(ast.parse((PACKAGE / f"{name}.py").read_text())) or "").split("\n")[
        0
    ]
    assert name == "errors" or re.search("never|holds no|judges", first), first


def test_the_architecture_table_is_the_house():
    section = (PACKAGE / "README.md").read_text().partition("\n## Architecture\n")[2]
    told = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    files = {wing: names.replace("`", "").split() for wing, _, names in told}
    assert files == {wing: names.split() for wing, names in HOUSE.items()}
    for wing, sentence, _ in told[1:]:
        own = (PACKAGE / wing / "__init__.py").read_text()
        assert sentence == ast.get_docstring(ast.parse(own)), wing


def test_no_private_name_crosses_files():
    for name in ORDER:
        for node in ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nrrsim"):
                assert not [each.name for each in node.names if each.name.startswith("_")], name


def test_public_names():
    for name in nr.__all__:
        assert getattr(nr, name) is not None
    assert sorted(nr.__all__) == nr.__all__ == dir(nr)
    with pytest.raises(AttributeError):
        _ = nr.nothing
    assert not set(nr.__all__) & set(HOUSE), "a public name has the name of a wing"


def test_the_errors_docstring_is_the_tree():
    module = importlib.import_module("nrrsim.errors")
    told = dict(re.findall(r"(\w+Error)\s+(\d)\s", module.__doc__ or ""))
    assert {name: int(code) for name, code in told.items()} == {
        name: kind.exit_code for name, kind in vars(module).items() if name.endswith("Error")
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_essays_of_calls(path):
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        source = "".join(cell["source"])
        code = [line for line in source.splitlines() if line.strip() and not line.startswith("#")]
        if "parameters" in cell["metadata"].get("tags", []):
            assert all("  # " in line for line in code), "each parameter has its comment"
            continue
        assert len(code) <= 5, source
        for node in ast.walk(ast.parse(source)):
            assert not isinstance(
                node,
                ast.FunctionDef | ast.ClassDef | ast.Lambda | ast.For | ast.While | ast.ListComp,
            )
            typed = isinstance(node, ast.Constant) and isinstance(node.value, float)
            assert not typed, f"a number typed by hand: {source}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_figure_is_followed_by_a_sentence_and_has_its_text(path):
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    sources = ["".join(cell["source"]) for cell in cells]
    for place, source in enumerate(sources):
        if "#| label: fig-" in source:
            assert "#| fig-cap:" in source
            assert "#| fig-alt:" in source
            following = [
                after
                for after in sources[place + 1 : place + 3]
                if re.search(r"^(say|(nr\.)?tables\.sentence)\(", after, re.MULTILINE)
                or "#| label: tbl-" in after
            ]
            assert following, source


SMALL = {  # what a test of the code, not of the numbers, can do with
    "quarterly_report": 'trials, plan = 100, "../params/scenarios/nrr-105.yaml"\n'
    'pipeline = "../nrrsim/data/meridian_pipeline.csv"',
    "scenario_comparison": "trials, years = 100, 2",
    "backtest": "trials, every = 100, 12",
    "accounts": 'signals, reasons = (f"../nrrsim/data/meridian_{each}.csv" for each in ("signals", "reasons"))',
    "the_model": "",
    "board_deck": 'trials, scenarios = 100, ["../params/scenarios/nrr-105.yaml", "../params/scenarios/nrr-128.yaml"]',
    "portfolio": "import portfolios\nglobals().update(portfolios.parameters())",
}


@pytest.mark.parametrize("name", SMALL)
def test_frames_and_charts_stand_in_the_notebook_by_name(name, monkeypatch):
    """Who opens it in JupyterLab sees at each picture a pandas frame, by a name, and an Altair
    chart of it.
    """
    path = ROOT / "notebooks" / f"{name}.ipynb"
    monkeypatch.chdir(path.parent)
    monkeypatch.setattr(nr.charts, "enable", lambda: None)  # it would stay enabled for other tests
    here: dict[str, object] = {}
    pictures = 0
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        *before, last = ast.parse(source).body
        shows = isinstance(last, ast.Expr)
        rest = [*before, *([] if shows else [last])]
        exec(compile(ast.Module(rest, []), path.name, "exec"), here)
        if "parameters" in cell["metadata"].get("tags", []):
            exec(SMALL[name], here)
        shown = (
            eval(compile(ast.Expression(last.value), path.name, "eval"), here) if shows else None
        )
        if "#| label: fig-" in source:
            assert isinstance(before[-1], ast.Assign), source
            name = ast.unparse(before[-1].targets[0])
            # without an earlier report there is nothing since it to draw
            assert isinstance(shown, alt.TopLevelMixin) or not len(here[name]), source
        if re.search(r"#\| label: (fig|tbl)-", source):
            calls = (node for node in ast.walk(last) if isinstance(node, ast.Call) and node.args)
            names = (node for node in ast.walk(next(calls).args[0]) if isinstance(node, ast.Name))
            assert isinstance(here[next(names).id], pd.DataFrame), source
            pictures += 1
    assert pictures >= 4


def test_nothing_names_this_machine():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for name in filter(None, tracked):
        path = ROOT / name
        if path.suffix not in (".png", ".npy") and path.is_file() and path != Path(__file__):
            text = path.read_text(encoding="utf-8", errors="ignore")
            assert not re.search(
                "|".join(("/wor" + "k/", "/roo" + "t/", "/tmp/bash" + "_jobs")), text
            ), name


# --- the READMEs: the first page, and the reference ---------------------------------------------------------

READMES = [ROOT / "README.md", PACKAGE / "README.md"]
of_each_readme = pytest.mark.parametrize("readme", READMES, ids=["first page", "reference"])


def commands(readme: Path, language: str) -> list[str]:
    blocks = re.findall(rf"```{language}\n(.*?)```", readme.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


COMMANDS = [
    line for readme in READMES for line in commands(readme, "sh") if line.startswith("nrrsim ")
]


@of_each_readme
def test_the_readmes_have_commands(readme):
    assert len([line for line in commands(readme, "sh") if line.startswith("nrrsim ")]) >= 5


@pytest.mark.parametrize("line", dict.fromkeys(COMMANDS))
def test_the_readmes_commands_run(line, run, monkeypatch, tmp_path):
    words = shlex.split(line.partition("  #")[0])[1:]
    if words[0] in ("report", "verify"):
        pytest.skip("run by test_report and by make report")
    if words[0] == "new":  # a folder of one's own is for no checkout
        words = [words[0], str(tmp_path / words[1]), *words[2:]]
    for option in {"--out", "--multipliers"} & {*words}:  # nor is a file
        place = words.index(option) + 1
        words[place] = str(tmp_path / words[place])
        Path(words[place]).parent.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(ROOT)
    code, out, err = run(*words)
    assert code == 0, err
    assert out


@of_each_readme
def test_the_readmes_python_runs(readme, monkeypatch):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", readme.read_text(), re.DOTALL)
    assert blocks
    exec("\n".join(blocks), {})


def test_the_readmes_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = [
        line.split()[1]
        for readme in READMES
        for line in commands(readme, "sh")
        if line.startswith("make ")
    ]
    assert named
    assert set(named) <= targets


@pytest.mark.parametrize("readme", READMES, ids=["first page", "reference"])
def test_the_readmes_links_lead_somewhere(readme):
    links = re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", readme.read_text())
    assert links
    for path, heading in links:
        page = readme.parent / path if path else readme
        assert page.exists(), path
        headings = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE) if heading else []
        # as GitHub names them: without punctuation
        names = [re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings]
        assert not heading or heading in names, heading


def test_the_first_page_is_short():
    assert len(READMES[0].read_text().splitlines()) <= 120
