"""The wheel as a new user has it: installed, in an empty folder with an empty home, and no network.

The environment is the locked one, with nothing of this checkout in it: the wheel and its command stand in a folder of
their own, and what it needs is read where it is installed.
"""

import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from conftest import ROOT

import nrrsim as nr
from nrrsim.files import sha256
from nrrsim.report.run import run_card

CARD = """\
notebook: quarterly_report
company:  Meridian Cloud
ledger:   ../ledger.csv
as_of:    "2026-09"
trials:   0
"""
ALONE = ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
ASKS = "import socket; socket.create_connection(('192.0.2.1', 9), timeout=3)"  # nobody's address


def can_be_alone() -> bool:
    """Whether this machine lets a process have a network of its own, with nobody in it."""
    try:
        return subprocess.run([*ALONE, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


class NewUser:
    """An environment with the wheel in it, a folder to work in, and a home; both are empty."""

    def __init__(self, folder: Path) -> None:
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
        (wheel,) = folder.glob("*.whl")
        self.own, self.folder, self.home = (folder / name for name in ("own", "work", "home"))
        self.folder.mkdir()
        self.home.mkdir()

        venv.create(self.own, with_pip=False)
        self.python = self.own / "bin" / "python"
        (self.site,) = self.own.glob("lib/python*/site-packages")
        (self.site / "locked.pth").write_text(sysconfig.get_path("purelib"))
        install = ["-m", "pip", "--python", str(self.python), "install", "--no-deps", "--no-index"]
        subprocess.run([sys.executable, *install, str(wheel)], check=True, capture_output=True)
        self.prefix = ALONE if can_be_alone() else []

    def run(self, *words: str, program: str = "nrrsim") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.prefix, str(self.own / "bin" / program), *words],
            cwd=self.folder,
            env={
                "HOME": str(self.home),
                "PATH": f"{self.own / 'bin'}:/usr/bin:/bin:/usr/sbin:/sbin",
                "PIP_CONFIG_FILE": os.devnull,
            },
            capture_output=True,
            text=True,
        )


@pytest.fixture(scope="module")
def user(tmp_path_factory) -> NewUser:
    """With the example's ledger and signals, a card in `params/`, and nothing else."""
    it = NewUser(tmp_path_factory.mktemp("wheel"))
    examples = it.site / "nrrsim" / "data"
    (it.folder / "ledger.csv").write_bytes((examples / "meridian.csv").read_bytes())
    (it.folder / "signals.csv").write_bytes((examples / "meridian_signals.csv").read_bytes())
    (it.folder / "params").mkdir()
    (it.folder / "params" / "q.yaml").write_text(CARD)
    return it


def test_every_file_of_the_package_is_in_it(user):
    """The house style, too, with its fonts; the examples of scenarios, and the card of signals."""
    listed = ["git", "ls-files", "nrrsim", "reports", "params/scenarios", "params/signals"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True).stdout.split()
    assert {"nrrsim/py.typed", "reports/_extensions/nrrsim/fonts/Inter-Bold.ttf"} <= set(files)
    inside = [re.sub("^(reports|params)/", r"nrrsim/_share/\1/", name) for name in files]
    assert [name for name in inside if not (user.site / name).is_file()] == []


def test_nothing_of_this_checkout_is_used(user):
    told = user.run("-c", "import nrrsim as n; print(n.__version__, n.__file__)", program="python")
    assert told.stdout.split() == [nr.__version__, str(user.site / "nrrsim" / "__init__.py")]
    assert nr.__file__ != told.stdout.split()[1]


def test_there_is_no_network(user):
    if not user.prefix:
        pytest.skip("no network of one's own here (unshare -rn): the job was done with this one's")
    told = user.run("-c", ASKS, program="python")
    assert "Network is unreachable" in told.stderr


# What a new user types, one after the other, and what is then to be read.
JOB = [
    ("--help", "what became of it"),
    ("--version", "nrrsim 0."),
    ("check ledger.csv", "no errors: every row was read"),
    ("check ledger.csv --signals signals.csv", "rule          NPS below 0"),
    ("metrics ledger.csv --as-of 2026-09", "all          107.5%    88.9%"),
    ("report params/q.yaml --engine embedded --to pdf,html,xlsx", "reports/q/report.pdf"),
    ("verify reports/q", "numbers: as the notebook computed them"),
    ("simulate nrr-105 --trials 100", "Reactive customer success: 100 trials"),
    ("compare nrr-105 nrr-128 --trials 100", "Customer-led growth           128.0%"),
    ("calibrate ledger.csv --as-of 2026-09 --out params/learnt.yaml", "3 full years"),
    ("expect params/learnt.yaml", "Estimated from the ledger to September 2026: expected"),
    ("schema", '"$schema"'),
    ("new acme --ledger ledger.csv", "acme/params/2026Q3.yaml"),
    ("check acme/params/2026Q3.yaml", "no errors: every row was read"),
    ("report acme/params/2026Q3.yaml --to html --set trials=0", "acme/reports/2026Q3"),
    ("next acme", "acme/params/2026Q4.yaml"),
]


def test_the_whole_job(user):
    for words, said in JOB:
        told = user.run(*words.split())
        assert told.returncode == 0, (words, told.stderr)
        assert said in told.stdout, words
    there = {path.name for path in user.folder.iterdir()}
    assert there == {"ledger.csv", "signals.csv", "params", "reports", "acme"}


def test_it_makes_the_same_report(user, tmp_path):
    report = user.folder / "reports" / "q"
    if not report.is_dir():
        user.run(*JOB[4][0].split())
    to = ("pdf", "html", "xlsx")
    here = run_card(user.folder / "params" / "q.yaml", to=to, out=tmp_path, engine="embedded")
    for page in ("report.pdf", "report.html", "report.ipynb", "report.xlsx"):
        assert sha256(report / page) == sha256(here / page), page


@pytest.mark.skipif(bool(importlib.util.find_spec("jupyterlab")), reason="the extra lab is here")
@pytest.mark.parametrize(("command", "what"), [("lab", "jupyterlab"), ("app", "voila")])
def test_what_is_missing_can_be_installed_by_what_it_says(user, command, what):
    told = user.run(command, "--no-browser")
    assert (told.returncode, told.stdout) == (2, "")
    said, typed = told.stderr.splitlines()
    assert said == f"nrrsim {command} needs {what}, which is not installed; this installs it:"
    assert typed == f'{user.python} -m pip install "nrrsim[lab]"'
    # what it names is asked for: nrrsim itself is there, and is not looked for anywhere
    asked = [*typed.split()[1:-1], "--no-index", "--dry-run", "nrrsim[lab]"]
    answer = user.run(*asked, program="python")
    assert "No matching distribution found for" in answer.stderr
    assert 'extra == "lab"' in answer.stderr
