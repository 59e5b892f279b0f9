"""The wheel, unpacked elsewhere: it holds all that a report needs, and makes the same one."""

import os
import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT

import nrrsim as nr
from nrrsim.files import sha256
from nrrsim.report.run import run_card

CARD = """\
notebook: quarterly_report
company:  Meridian Cloud
ledger:   meridian.csv
as_of:    "2026-09"
trials:   0
"""
REPORT = "import nrrsim; print(nrrsim.__file__); from nrrsim.cli import main; main(['report', 'q.yaml', '--engine', 'embedded'])"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_every_file_of_the_package_is_in_it(unpacked):
    listed = subprocess.run(["git", "ls-files", "nrrsim"], cwd=ROOT, capture_output=True, text=True)
    files = listed.stdout.split()
    assert files
    assert [name for name in files if not (unpacked / name).is_file()] == []


def test_it_makes_the_same_report(unpacked, tmp_path):
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "q.yaml").write_text(CARD)
        ledger = (ROOT / "nrrsim" / "data" / "meridian.csv").read_bytes()
        (tmp_path / place / "meridian.csv").write_bytes(ledger)

    there = tmp_path / "there"
    told = subprocess.run(
        [sys.executable, "-c", REPORT],
        cwd=there,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith(str(unpacked))

    here = run_card(tmp_path / "here" / "q.yaml", out=tmp_path / "here" / "out", engine="embedded")
    for page in ("report.pdf", "report.html"):
        assert sha256(there / "reports" / "q" / page) == sha256(here / page)
    assert nr.__file__ != str(unpacked / "nrrsim" / "__init__.py")
