"""Ctrl-C, a polite kill, a closed terminal, SIGKILL, a full disk: what is left is whole, and the next run works."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import duckdb
import nbformat
import pandas as pd
import pytest
from conftest import ROOT, started, until

from nrrsim.report.manifest import verify

ENDS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
SCENARIO = {
    "title": "Plain",
    "target": 1.0,
    "book": {"arr": 1e6, "segments": {"one": {"customers": 600, "share": 1, "term": "monthly"}}},
    "drivers": {"churn": {"one": 0.1}},
}
GRID = ["--vary", "drivers.churn.one.rate=0.05:0.25:41", "--trials", "3000", "--quiet"]
BUSY = "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(600)"


@pytest.fixture
def scenario(tmp_path):
    path = tmp_path / "plain.yaml"
    path.write_text(json.dumps(SCENARIO))
    return path


@pytest.fixture
def busy(tmp_path):
    """A card whose notebook does not end by itself."""
    book = nbformat.v4.new_notebook()
    parameters = nbformat.v4.new_code_cell('name = "x"  # whose (path)')
    parameters.metadata["tags"] = ["parameters"]
    front = nbformat.v4.new_raw_cell("---\ntitle: Busy\n---")
    book.cells = [front, parameters, nbformat.v4.new_code_cell(BUSY)]
    nbformat.write(book, tmp_path / "busy.ipynb")
    (tmp_path / "busy.yaml").write_text("notebook: busy.ipynb\nname: a\n")
    return tmp_path / "busy.yaml"


def left_of(group: int, folder: Path) -> list[str]:
    """The processes of a group, and the kernels of a folder, that are still at work."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, _, its_group = (place / "stat").read_text().rpartition(")")[2].split()[:3]
            words = (place / "cmdline").read_text()
        except OSError:
            continue
        is_kernel = "ipykernel" in words and str(folder) in words
        if state not in "ZX" and (int(its_group) == group or is_kernel):
            found.append(place.name)
    return found


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def temporary(monkeypatch, folder: Path) -> Path:
    """A folder of temporary files that is this test's alone."""
    own = folder / "temporary"
    own.mkdir()
    monkeypatch.setenv("TMPDIR", str(own))
    return own


in_proc = pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="looks into /proc")


def each(*cases: tuple[object, signal.Signals], first: int) -> list[object]:
    """The cases; all but so many at night alone."""
    ids = [f"{getattr(case, '__name__', case)}-{number.name}" for case, number in cases]
    return [
        pytest.param(*case, id=name, marks=() if place < first else pytest.mark.slow)
        for place, (case, name) in enumerate(zip(cases, ids, strict=True))
    ]


KEY = "out/.busy-*/.kernel-*/kernel.json"
WHOM = [(whom, number) for number in (signal.SIGTERM, *ENDS) for whom in (os.killpg, os.kill)]
WHEN = [("begun", signal.SIGTERM), (KEY, signal.SIGINT)]
WHEN += [(moment, number) for moment in ("begun", KEY, "out/.busy-*") for number in ENDS]


@in_proc
@pytest.mark.parametrize(("whom", "number"), each(*dict.fromkeys(WHOM), first=1))
def test_a_sweep_that_is_ended_leaves_what_is_done(whom, number, scenario, tmp_path, monkeypatch):
    own, out = temporary(monkeypatch, tmp_path), tmp_path / "grid.parquet"
    kept = tmp_path / ".grid.parquet.done"
    with started("sweep", str(scenario), *GRID, "--workers", "2", "--out", str(out)) as run:
        until(lambda: kept.exists() and kept.read_text().count("\n") > 2)
        whom(run.pid, number)
        _, said = run.communicate(timeout=30)
        assert (run.returncode, said) == (ENDS[number], "interrupted\n")
        until(lambda: not left_of(run.pid, tmp_path))
    assert names(tmp_path) == {"plain.yaml", ".grid.parquet.done", "temporary"}
    assert names(own) == set()


@in_proc
@pytest.mark.parametrize(("moment", "number"), each(*dict.fromkeys(WHEN), first=2))
def test_a_report_that_is_ended_leaves_nothing(moment, number, busy, tmp_path, monkeypatch):
    """In the middle of a cell, as soon as the kernel starts, and before that: no kernel, no key of it, no folder."""
    own, before = temporary(monkeypatch, tmp_path), names(tmp_path)
    with started("report", str(busy), "--out", str(tmp_path / "out"), "-q") as run:
        until(lambda: any(tmp_path.glob(moment)), 60)
        os.killpg(run.pid, number)
        _, said = run.communicate(timeout=60)
        assert (run.returncode, said) == (ENDS[number], "interrupted\n")
        until(lambda: not left_of(run.pid, tmp_path))
    assert names(tmp_path) - {"begun"} == {*before, "out"}
    assert names(own) == set()


@pytest.mark.slow
def test_what_is_to_be_ignored_still_is(scenario, tmp_path):
    """As `nohup` starts it: a closed terminal does not end it."""
    out = tmp_path / "grid.parquet"
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    code += "from nrrsim.cli import main; print('ready', flush=True); main()"
    words = ["sweep", str(scenario), *GRID, "--workers", "1", "--out", str(out)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code, *words], **pipes) as run:
        assert run.stdout.readline() == "ready\n"
        until(lambda: (tmp_path / ".grid.parquet.done").exists())
        run.send_signal(signal.SIGHUP)
        _, said = run.communicate(timeout=60)
    assert (run.returncode, said) == (0, "")
    assert out.exists()


# --- at ten moments ---------------------------------------------------------------------------------

MOMENTS = int(os.environ.get("NRRSIM_KILLS", "10"))


def ended_at(rng: random.Random, words: list[str], seconds: float) -> tuple[str, int]:
    """Ended by some signal at some moment of the first `seconds`, alone or with its group: how, and its exit code."""
    number = rng.choice([*ENDS, signal.SIGKILL])
    whom = rng.choice([os.kill, os.killpg])
    with started(*words) as run:
        time.sleep(rng.uniform(0, seconds))
        if run.poll() is None:
            whom(run.pid, number)
        _, said = run.communicate(timeout=60)
        if number == signal.SIGKILL:
            with suppress(ProcessLookupError):  # its workers end by themselves, too, but later
                os.killpg(run.pid, signal.SIGKILL)
    assert "Traceback" not in said
    # before main and after it, when all is done and Python ends, the system ends it: a shell sees the same code
    assert run.returncode in (0, ENDS.get(number), -number), (number, said)
    # of a sweep that is killed outright Python's own tracker says what it clears away
    assert run.returncode != -number or said == "" or number == signal.SIGKILL
    assert said.count("interrupted") <= 1
    return ("done" if run.returncode == 0 else number.name), run.returncode


@in_proc
@pytest.mark.slow
def test_a_report_is_ended_at_ten_moments(tmp_path):
    """Each time the report before is whole; the next run works, and clears what killed ones left."""
    out, rng = tmp_path / "out", random.Random(20260930)
    words = ["report", str(ROOT / "params" / "backtest.yaml"), "--to", "html", "--out", str(out)]
    begin = time.monotonic()
    with started(*words, "-q") as run:
        assert run.wait(300) == 0
    lasts, first = time.monotonic() - begin, (out / "backtest" / "report.html").read_bytes()
    counts: Counter[str] = Counter()
    for _ in range(MOMENTS):
        how, _ = ended_at(rng, [*words, "-q"], lasts)
        counts[how] += 1
        assert verify(out / "backtest")
        assert (out / "backtest" / "report.html").read_bytes() == first
        if how not in ("SIGKILL", "done"):
            mine = [each.name for each in out.iterdir() if each.name.startswith(".")]
            counts["left by SIGKILL before"] = max(counts["left by SIGKILL before"], len(mine))
            assert len(mine) <= counts["SIGKILL"]
    with started(*words, "-q") as run:
        assert run.wait(300) == 0
    assert [each.name for each in out.iterdir()] == ["backtest"]
    print(f"\na report of {lasts:.0f} s, ended {MOMENTS} times: {dict(counts)}")


@in_proc
@pytest.mark.slow
def test_a_sweep_is_ended_at_ten_moments(scenario, tmp_path):
    """Each time nothing half stands at its place, and the next run goes on to the numbers of an unbroken one."""
    out, clean = tmp_path / "grid.parquet", tmp_path / "clean.parquet"
    rng, counts = random.Random(20260930), Counter()
    words = ["sweep", str(scenario), *GRID, "--workers", "2", "--out"]
    begin = time.monotonic()
    with started(*words, str(clean)) as run:
        assert run.wait(300) == 0
    lasts = time.monotonic() - begin
    for _ in range(MOMENTS):
        for path in (out, tmp_path / "grid.svg", tmp_path / ".grid.parquet.done"):
            path.unlink(missing_ok=True)
        how, _ = ended_at(rng, [*words, str(out)], lasts)
        counts[how] += 1
        if out.exists():
            assert len(duckdb.sql(f"from '{out}'").df()) == 41
        with started(*words, str(out)) as run:
            assert run.wait(300) == 0
        ours, whole = (duckdb.sql(f"from '{path}'").df() for path in (out, clean))
        pd.testing.assert_frame_equal(ours, whole, check_exact=True)
        assert (tmp_path / "grid.svg").read_bytes() == (tmp_path / "clean.svg").read_bytes()
        known = {"plain.yaml", "grid.parquet", "grid.svg", "clean.parquet", "clean.svg"}
        assert names(tmp_path) == known
    print(f"\na sweep of {lasts:.0f} s, ended {MOMENTS} times: {dict(counts)}")


# --- a disk that takes no more ----------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path):
    """A disk of 16 KiB that is nobody else's."""
    place = tmp_path / "tiny"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("no right to mount a disk here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def writers(place: Path, scenario: Path) -> list[list[str]]:
    """Every command that writes a file, into a place."""
    ledger = str(ROOT / "nrrsim" / "data" / "meridian.csv")
    grid = ["--vary", "drivers.churn.one.rate=0.05:0.25:400", "--exact", "--workers", "1"]
    return [
        ["schema", "--out", str(place / "s.json")],
        ["simulate", str(scenario), "--trials", "20000", "--out", str(place / "t.parquet")],
        ["sweep", str(scenario), *grid, "--out", str(place / "g.parquet")],
        ["calibrate", ledger, "--as-of", "2026-09", "--out", str(place / "c.yaml")],
        ["report", str(ROOT / "params" / "the-model.yaml"), "--to", "html", "--out", str(place)],
    ]


def test_a_full_disk_is_said_and_nothing_half_is_left(run, tiny, scenario):
    (tiny / "s.json").write_text("before")
    (tiny / "full").write_bytes(b"x" * (12 << 10))
    for words in writers(tiny, scenario):
        code, _, err = run(*words, *([] if words[0] == "schema" else ["-q"]))
        assert code == 1, words
        assert "cannot be written (the disk is full); make room there" in err
        assert err.count("\n") == 1
    assert {path.name for path in tiny.iterdir()} - {".g.parquet.done"} == {"full", "s.json"}
    assert (tiny / "s.json").read_text() == "before"


def test_a_read_only_disk_is_said(run, tiny, scenario):
    subprocess.run(["mount", "-o", "remount,ro", str(tiny)], check=True)
    for words in writers(tiny, scenario):
        code, _, err = run(*words, *([] if words[0] == "schema" else ["-q"]))
        assert code == 2, words
        assert "cannot be written (the disk is read-only); choose another place" in err


@pytest.mark.slow
def test_a_limit_of_size_is_said(scenario, tmp_path):
    """`ulimit -f`: the one kind of full disk that nobody needs a right for."""
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
    code += "from nrrsim.cli import main; main()"
    for words in writers(tmp_path, scenario)[:3]:
        quiet = [] if words[0] == "schema" else ["-q"]
        done = subprocess.run(
            [sys.executable, "-c", code, *words, *quiet], capture_output=True, text=True
        )
        assert done.returncode == 1, words
        assert "larger than a file may be there" in done.stderr
        assert "Traceback" not in done.stderr
    assert names(tmp_path) - {".g.parquet.done"} == {"plain.yaml"}
