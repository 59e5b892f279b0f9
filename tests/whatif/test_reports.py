"""The panel's reports: of what files, under which name and where; nothing that is there is replaced."""

import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT, squeezed
from ruamel.yaml import YAML

import nrrsim as nr
from nrrsim.report.card import of_scenario, read_card, workspace_of
from nrrsim.whatif import reports
from nrrsim.whatif.live import WhatIf
from nrrsim.whatif.panel import Panel

SCENARIOS = ROOT / "params" / "scenarios"
SAYS = "import sys; print('one'); print('two', file=sys.stderr); sys.exit({})"


@pytest.fixture
def workspace(tmp_path):
    """The shipped scenarios in a workspace whose cards are one company's."""
    home = tmp_path / "own"
    (home / "params" / "scenarios").mkdir(parents=True)
    for each in SCENARIOS.glob("*.yaml"):
        (home / "params" / "scenarios" / each.name).write_bytes(each.read_bytes())
    (home / "params" / "2026Q3.yaml").write_text("notebook: x\ncompany: Own\n")
    return home


def model_of(home: Path, name: str = "nrr-105") -> WhatIf:
    return WhatIf(home / "params" / "scenarios" / f"{name}.yaml")


@pytest.mark.parametrize(
    ("file", "home"),
    [
        ("own/params/scenarios/plan.yaml", "own"),
        ("own/params/plan.yaml", "own"),
        ("own/scenarios/plan.yaml", "own"),
        ("own/plan.yaml", "own"),
        ("own/plans/plan.yaml", "own/plans"),
    ],
)
def test_cards_and_reports_lie_beside_the_folder_of_scenarios(file, home, tmp_path, monkeypatch):
    assert workspace_of(tmp_path / file) == tmp_path / home
    (tmp_path / file).parent.mkdir(parents=True)
    monkeypatch.chdir((tmp_path / file).parent)
    assert workspace_of(Path("plan.yaml")).resolve() == tmp_path / home


def test_what_a_report_of_a_scenario_alone_says(workspace):
    said = of_scenario(workspace / "params" / "scenarios" / "recession.yaml")
    assert said == {
        "notebook": "scenario_comparison",
        "scenarios": ["recession.yaml"],
        "title": "Recession",
        "company": "Own",
    }
    (workspace / "params" / "other.yaml").write_text("notebook: x\ncompany: Another\n")
    assert "company" not in of_scenario(workspace / "params" / "scenarios" / "recession.yaml")


def test_a_card_is_of_the_base_and_of_what_is_on_the_screen(workspace):
    model = model_of(workspace)
    moves = model.start_moves("recession")
    card = reports.new_card(model.files_to_report(moves))
    assert card == workspace / "params" / "recession.yaml"
    said = YAML(typ="safe").load(card.read_text())
    assert said["scenarios"] == ["scenarios/nrr-105.yaml", "scenarios/recession.yaml"]
    assert (said["title"], said["company"]) == ("Recession", "Own")
    assert read_card(card).notebook.stem == "scenario_comparison"
    # the base itself is reported alone
    alone = reports.new_card(model.files_to_report(model.start_moves()), "first")
    assert YAML(typ="safe").load(alone.read_text())["scenarios"] == ["scenarios/nrr-105.yaml"]


def test_what_was_moved_is_saved_first(workspace):
    model = model_of(workspace)
    moves = replace(model.start_moves(), values={"churn.smb.rate": 0.1})
    with pytest.raises(nr.UsageError, match="save what you moved as a scenario first"):
        model.files_to_report(moves)
    path = model.save(moves, "saved", "Saved", "why")
    assert model.files_to_report(moves)[1] == path
    with pytest.raises(nr.UsageError, match="save what you moved"):
        model.files_to_report(replace(moves, values={"churn.smb.rate": 0.2}))
    longer = replace(model.start_moves(), months=24)
    model.save(longer, "longer", "Longer", "why")
    with pytest.raises(nr.UsageError, match="months"):
        model.files_to_report(longer)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../up", "name: letters, digits"),
        (".hidden", "name: letters, digits"),
        ("2026Q3", r"2026Q3\.yaml is there already; choose another name"),
        ("2026Q3.yaml", r"2026Q3\.yaml is there already"),
        ("kept", "kept is there already"),
    ],
)
def test_nothing_is_replaced(workspace, name, said):
    (workspace / "reports" / "kept").mkdir(parents=True)
    before = {each: each.is_file() and each.read_bytes() for each in workspace.rglob("*")}
    with pytest.raises(nr.UsageError, match=said):
        reports.new_card([workspace / "params" / "scenarios" / "nrr-105.yaml"], name)
    assert {each: each.is_file() and each.read_bytes() for each in workspace.rglob("*")} == before


@pytest.mark.parametrize("code", [0, 2])
def test_the_panel_shows_what_the_command_says(workspace, monkeypatch, code):
    """A card of which no report came is removed."""
    monkeypatch.setattr(reports, "COMMAND", (sys.executable, "-u", "-c", SAYS.format(code)))
    panel = Panel(model_of(workspace))
    asked = {"preset": "nrr-128", "base": "nrr-105"}
    panel._received(panel, {"kind": "report", "asked": asked, "name": "mine"}, [])
    until = time.monotonic() + 60
    while panel.report["state"] == "running" and time.monotonic() < until:
        time.sleep(0.05)
    card = workspace / "params" / "mine.yaml"
    assert panel.report["lines"] == [f"{card}: written", "one", "two"]
    assert card.exists() == (code == 0)
    if code == 0:
        assert panel.report["text"] == f"The report is in {workspace / 'reports' / 'mine'}."
    else:
        assert panel.report["problem"] == f"No report was made; {card} was removed."


def test_a_report_of_a_scenarios_file(workspace, monkeypatch, capsys):
    """Beside its workspace; never in the place of a card's report."""
    from nrrsim.report.manifest import verify
    from nrrsim.report.run import run_card

    file = workspace / "params" / "scenarios" / "recession.yaml"
    over = {"trials": 100, "years": 1}
    folder = run_card(file, to=("html",), over=over)
    assert folder == workspace / "reports" / "recession"
    assert verify(folder)[-1].endswith("as the notebook computed them")
    # numbers do not break: they stand in elements of their own
    page = squeezed(re.sub("<[^>]*>", "", (folder / "report.html").read_text()))
    assert squeezed("Expected NRR is 92.1%, 7.9 points below the target of 100.0%.") in page
    assert squeezed("By driver") not in page
    (workspace / "params" / "recession.yaml").write_text("notebook: scenario_comparison\n")
    with pytest.raises(nr.UsageError, match="its report would have the name of the card"):
        run_card(file, to=("html",), over=over)
