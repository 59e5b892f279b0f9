"""What commands print for people: no identifier, no old form, each number with its unit."""

import re

import pytest
from conftest import ROOT
from english import OLD_FORMS, unlike_a_board
from typer.main import get_command

from nrrsim.cli.commands import app

MERIDIAN = ROOT / "nrrsim" / "data" / "meridian.csv"
PLANS = ROOT / "params" / "scenarios"
COMMANDS = {
    "check": (["check", MERIDIAN], "Mid-market 147"),
    "metrics": (["metrics", MERIDIAN, "--as-of", "2026-09"], "Mid-market"),
    "cohorts": (["metrics", MERIDIAN, "--as-of", "2026-09", "--by", "cohort_year"], "until October 2022"),
    "calibrate": (["calibrate", MERIDIAN, "--as-of", "2026-09"], "Churn peaks in June"),
    "prior": (["prior", MERIDIAN], "One company does not show how far companies differ"),
    "backtest": (["backtest", MERIDIAN, "--trials", 100, "--every", 12], "In 80%"),
    "expect": (["expect", PLANS / "nrr-105.yaml"], "90% range"),
    "simulate": (["simulate", PLANS / "nrr-105.yaml", "--target", 1.1, "--trials", 200], "Probability of NRR"),
    "compare": (["compare", PLANS / "nrr-105.yaml", PLANS / "nrr-128.yaml", "--trials", 200], "90% range"),
    "frontier": (["frontier", PLANS / "nrr-105.yaml", "--target", 1.1], "% to 8.0%"),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_speaks_as_a_board_does(name, run):
    words, new_form = COMMANDS[name]
    code, said, notes = run(*words)
    assert code == 0
    said = f"{notes}\n{said}"
    assert new_form in said
    # what a plan's author wrote is printed as written: from the first source on
    ours = said.partition("Assumptions and sources:")[0]
    assert unlike_a_board(ours, months=False) == []


def test_the_help_of_every_command_has_no_old_form():
    """Options name keys and files, which are identifiers; the rest is English."""
    for name, command in get_command(app).commands.items():
        said = [command.help, *(getattr(each, "help", "") for each in command.params)]
        for text in filter(None, said):
            assert not [form for form in OLD_FORMS if re.search(form, text)], f"{name}: {text}"
