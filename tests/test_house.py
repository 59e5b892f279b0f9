"""The contracts of the house: floors, public names, notebooks, cards, and a README whose commands run."""

import ast
import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import nrrsim as nr

PACKAGE = ROOT / "nrrsim"
# A module imports only from floors below its own.
FLOORS = {
    0: ("errors", "formats", "beliefs", "kernel"),
    1: ("months", "yamlfile", "workers"),
    2: ("movements", "reading", "problems"),
    3: ("metrics", "intake", "drivers"),
    4: ("ledger",),
    5: ("history", "book"),
    6: ("scenario", "charts", "tables", "words"),
    7: ("assumptions", "rates", "render", "workbook", "lines"),
    8: ("expectation", "report", "verdicts", "calibration", "prospects"),
    9: ("simulation", "exact"),
    10: ("compare", "backtest"),
    11: ("outlook", "sensitivity"),
    12: ("comparison", "forecast", "sweep", "whatif"),
    13: ("serve",),
    14: ("cli",),
}
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names}
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def imports(path: Path) -> set[str]:
    """The modules of nrrsim that a module imports when it runs (not for its types alone)."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for node in ast.walk(branch)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nrrsim"):
            inside = (node.module or "").partition(".")[2]
            found |= {inside} if inside else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[2] for alias in node.names if alias.name.startswith("nrrsim.")}
    return found


def test_every_module_has_its_floor():
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"} == set(FLOOR)


@pytest.mark.parametrize("name", FLOOR)
def test_floors_import_downward_only(name):
    above = {other for other in imports(PACKAGE / f"{name}.py") if FLOOR[other] >= FLOOR[name]}
    assert not above, f"{name} imports from its own floor or from above: {above}"


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_a_modules_first_line_says_its_room(path):
    first = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]
    assert path.stem in ("__init__", "errors") or ("never" in first or "holds no" in first or "judges" in first), first


def test_public_names():
    for name in nr.__all__:
        assert getattr(nr, name) is not None
    assert sorted(nr.__all__) == nr.__all__ == dir(nr)
    with pytest.raises(AttributeError):
        _ = nr.nothing
    told = {name for names in nr._HOME.values() for name in names} | set(nr._MODULES)
    assert told == set(nr.__all__)


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
                node, ast.FunctionDef | ast.ClassDef | ast.Lambda | ast.For | ast.While | ast.ListComp
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
                if "tables.sentence(" in after or "#| label: tbl-" in after
            ]
            assert following, source


def test_nothing_names_this_machine():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in filter(None, tracked):
        path = ROOT / name
        if path.suffix not in (".png", ".npy") and path.is_file() and path != Path(__file__):
            text = path.read_text(encoding="utf-8", errors="ignore")
            assert not re.search("|".join(("/wor" + "k/", "/roo" + "t/", "/tmp/bash" + "_jobs")), text), name


# --- the README --------------------------------------------------------------------------------------------


def commands(language: str) -> list[str]:
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [
        line for block in blocks for line in block.replace("\\\n", "").splitlines() if line and not line.startswith("#")
    ]


def test_the_readme_has_commands():
    assert len([line for line in commands("sh") if line.startswith("nrrsim")]) >= 5


@pytest.mark.parametrize("line", [line for line in commands("sh") if line.startswith("nrrsim ")])
def test_the_readmes_commands_run(line, tmp_path):
    words = shlex.split(line.partition("  #")[0])[1:]
    if words[0] in ("report", "verify"):
        pytest.skip("run by test_report and by make report")
    run = [sys.executable, "-c", "from nrrsim.cli import main; main()", *words]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_readmes_python_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    exec("\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)), {})


def test_the_readmes_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {line.split()[1] for line in commands("sh") if line.startswith("make ")} <= targets
