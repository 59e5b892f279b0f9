"""Grids of what-ifs: each point as by itself, and a killed sweep ends as an unbroken one."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pandas as pd
import pytest
from conftest import ROOT, started, until
from scenarios import segments

import nrrsim as nr
from nrrsim import workers
from nrrsim.analysis.sweep import kept_beside, read_axis, sweep
from nrrsim.cli.commands import main

PLAIN = {
    "target": 1.0,
    "book": segments(one=(1, 600, "monthly")),
    "drivers": {"churn": {"one": 0.1}, "price": {"one": {"uplift": 0.05}}},
}
AXES = [
    read_axis("drivers.churn.one.rate=0.05:0.25:5"),
    read_axis("drivers.price.one.uplift=0:0.1:3"),
]


def test_each_point_is_as_by_itself():
    believed = nr.Scenario.of(PLAIN)
    frame = sweep(believed, AXES, seed=3)
    assert len(frame) == 15
    assert frame["drivers.churn.one.rate"].unique().tolist() == [0.05, 0.1, 0.15, 0.2, 0.25]
    row = frame.iloc[7]
    alone = believed.with_({"drivers.churn.one.rate": 0.15, "drivers.price.one.uplift": 0.05})
    law = nr.law_of(alone, 3).nrr
    assert row["nrr"] == law.expected == pytest.approx(nr.nrr(nr.expect(alone)), abs=1e-9)
    assert row["p95"] == law.percentiles()["p95"]
    assert row["p_target"] == law.reaches(1.0)


def test_no_number_of_trials_moves_a_point():
    believed = nr.Scenario.of(PLAIN)
    asked = ({}, {"trials": 50}, {"trials": 0, "exact": True})
    frames = [sweep(believed, AXES[:1], **how) for how in asked]
    for other in frames[1:]:
        pd.testing.assert_frame_equal(frames[0], other, check_exact=True)


def test_the_seed_draws_the_beliefs():
    unsure = nr.Scenario.of(PLAIN).with_({"drivers.price.one.uplift": {"between": [0.02, 0.1]}})
    one, other = (sweep(unsure, AXES[:1], seed=seed) for seed in (1, 2))
    assert not one["p05"].equals(other["p05"])
    assert one["p05"].to_numpy() == pytest.approx(other["p05"].to_numpy(), abs=0.003)


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        (["drivers.churn.one.rate"], "write NAME=FROM:TO:NUMBER"),
        (["drivers.churn.one.rate=0.1:0.2"], "write NAME=FROM:TO:NUMBER"),
        (["drivers.churn.one.rate=0.1:0.2:0"], "write NAME=FROM:TO:NUMBER"),
        (["drivers.churn.one.rate=0.1:2:3"], "drivers.churn.one.rate: must be from 0 to 1"),
        (["drivers.churn.two.rate=0.1:0.2:3"], "two: is not a segment"),
        (["drivers.churn.one.rate=0.1:0.2:3"] * 2, "stands twice"),
        (
            ["drivers.churn.one.rate=0.1:0.2:1000", "drivers.price.one.uplift=0:1:1000"],
            "1,000,000 points",
        ),
    ],
)
def test_what_cannot_be_varied(vary, said):
    with pytest.raises(nr.UsageError) as caught:
        sweep(nr.Scenario.of(PLAIN), [read_axis(each) for each in vary])
    assert said in str(caught.value)


def test_what_is_kept_of_another_sweep_is_not_taken(tmp_path):
    kept = kept_beside(tmp_path / "grid.parquet")
    whole = sweep(nr.Scenario.of(PLAIN), AXES[:1], seed=1, kept=kept)
    with pytest.raises(nr.UsageError, match="of a sweep with other settings"):
        sweep(nr.Scenario.of(PLAIN), AXES[:1], seed=2, kept=kept)
    lines = kept.read_text().splitlines()
    kept.write_text("\n".join(lines[:3]) + '\n[2, {"nrr": 1.')  # cut in the middle of a line
    again = sweep(nr.Scenario.of(PLAIN), AXES[:1], seed=1, kept=kept)
    pd.testing.assert_frame_equal(again, whole)


# --- worker processes, interrupts and kills -------------------------------------------------------

POINTS = 401
GRID = ["--vary", f"drivers.churn.one.rate=0.05:0.25:{POINTS}", "--quiet", "--json"]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "plain.yaml"
    path.write_text(json.dumps(PLAIN))
    return path


def left_of(group: int) -> list[str]:
    """The processes of a group that are still at work; one that nobody has waited for is none."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == group and state not in "ZX":
            found.append(stat.parent.name)
    return found


def lines_of(kept: Path) -> int:
    return len(kept.read_text().splitlines()) if kept.exists() else 0


def test_worker_processes_give_the_same_bits():
    believed = nr.Scenario.of(PLAIN)
    alone, seen = sweep(believed, AXES, seed=3), []
    shared = sweep(believed, AXES, seed=3, workers=2, progress=seen.append)
    pd.testing.assert_frame_equal(alone, shared, check_exact=True)
    assert seen[-1] == len(alone)


def test_few_points_start_no_process(monkeypatch):
    monkeypatch.setattr(workers, "ProcessPoolExecutor", None)
    monkeypatch.setattr(sys.modules[sweep.__module__], "SECONDS_TO_START", 600)
    assert len(sweep(nr.Scenario.of(PLAIN), AXES, workers=None)) == 15
    monkeypatch.setattr(sys.modules[sweep.__module__], "SECONDS_TO_START", 0)
    with pytest.raises(TypeError):
        sweep(nr.Scenario.of(PLAIN), AXES, workers=None)


def of_ledger(path: Path, amount: int) -> nr.Scenario:
    months = [f"2025-{month:02d}" for month in range(1, 13)]
    rows = [f"{name},{month},{amount},one" for name in range(600) for month in months]
    path.write_text("\n".join(["customer,month,mrr,segment", *rows]))
    return nr.Scenario.of({**PLAIN, "book": {"ledger": str(path), "as_of": "2025-12"}})


def test_a_worker_reads_no_file(tmp_path):
    believed = of_ledger(tmp_path / "ledger.csv", 100)
    assert len(believed.opening.arr) == 600
    (tmp_path / "ledger.csv").unlink()
    pd.testing.assert_frame_equal(*(sweep(believed, AXES, workers=number) for number in (1, 2)))


def test_what_is_kept_of_a_ledger_that_has_changed_is_not_taken(tmp_path):
    kept = kept_beside(tmp_path / "grid.parquet")
    sweep(of_ledger(tmp_path / "ledger.csv", 100), AXES[:1], kept=kept)
    with pytest.raises(nr.UsageError, match="of a sweep with other settings"):
        sweep(of_ledger(tmp_path / "ledger.csv", 200), AXES[:1], kept=kept)


@pytest.mark.parametrize("number", [1, 2])
def test_an_error_in_a_point_is_one_line(number, file, tmp_path, capsys):
    words = [
        *GRID,
        "--seed",
        "-1",
        "--workers",
        str(number),
        "--out",
        str(tmp_path / "grid.parquet"),
    ]
    with pytest.raises(SystemExit) as leaving:
        main(["sweep", str(file), *words])
    assert leaving.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "seed: must be a whole number from 0 to 2^63 - 1, got -1"
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workers", "0"], "workers: must be at least 1"),
        (["--workers", "2", "--scheduler", "tcp://127.0.0.1:1"], "give one of them"),
        (["--scheduler", "127.0.0.1:8786"], "write tcp://HOST:PORT"),
        (["--scheduler", "tls://127.0.0.1:8786"], "needs certificates"),
    ],
)
def test_who_cannot_do_it(words, said, file, tmp_path, capsys):
    with pytest.raises(SystemExit) as leaving:
        main(["sweep", str(file), *GRID, *words, "--out", str(tmp_path / "grid.parquet")])
    assert leaving.value.code == 2
    assert said in capsys.readouterr().err


def test_an_interrupt_ends_the_workers_and_can_be_gone_on_from(file, tmp_path):
    kept = kept_beside(tmp_path / "grid.parquet")
    words = ["sweep", str(file), *GRID, "--workers", "2", "--out", str(tmp_path / "grid.parquet")]
    with started(*words) as run:
        until(lambda: lines_of(kept) > 2)
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does: the workers get it, too
        _, said = run.communicate(timeout=20)
    assert run.returncode == 130
    assert "Traceback" not in said
    until(lambda: not left_of(run.pid))
    assert lines_of(kept) > 2
    assert not (tmp_path / "grid.parquet").exists()


KILLS = int(os.environ.get("NRRSIM_KILLS", "3"))


@pytest.mark.parametrize(
    "moment",
    ["in the middle", *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(KILLS))],
)
def test_a_killed_sweep_goes_on_to_the_same_result(moment, file, tmp_path):
    """SIGKILL in the middle, or at a random moment: nothing at the final path, no worker left; the next run ends as an
    unbroken one.
    """
    rng = random.Random(moment)
    out = tmp_path / "grid.parquet"
    words = [
        "sweep",
        str(file),
        *GRID,
        "--workers",
        str(2 if moment == "in the middle" else rng.choice([1, 2, 2])),
    ]
    with started(*words, "--out", str(out)) as run:
        if moment == "in the middle":
            until(lambda: lines_of(kept_beside(out)) > 2)
        else:
            until(lambda: kept_beside(out).exists() or run.poll() is not None)
            time.sleep(rng.uniform(0, 4 if "2" in words[-1] else 0.8))
        run.send_signal(signal.SIGKILL)
        run.communicate(timeout=20)
    until(lambda: not left_of(run.pid))
    assert moment != "in the middle" or (run.returncode == -signal.SIGKILL and not out.exists())
    if run.returncode == -signal.SIGKILL and out.exists():
        assert len(duckdb.sql(f"from '{out}'").df()) == POINTS
    for path in (out, tmp_path / "clean.parquet"):
        with pytest.raises(SystemExit) as leaving:
            main([*words[:-1], "1", "--out", str(path)])
        assert not leaving.value.code
    one, other = (duckdb.sql(f"from '{path}'").df() for path in (out, tmp_path / "clean.parquet"))
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert (tmp_path / "grid.svg").read_text() == (tmp_path / "clean.svg").read_text()
    known = {"plain.yaml", "grid.parquet", "clean.parquet", "grid.svg", "clean.svg"}
    assert {each.name for each in tmp_path.iterdir()} <= known


# --- a Dask cluster -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers without a nanny: one that is killed is dead.
    Real processes, on this machine.
    """
    where = tmp_path_factory.mktemp("dask") / "scheduler.json"
    both = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(where)]
    alone = ["--no-nanny", "--nthreads", "1", "--local-directory", str(where.parent)]
    with ExitStack() as ending:

        def start(*words: str) -> subprocess.Popen[bytes]:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            process = ending.enter_context(
                subprocess.Popen([sys.executable, "-m", *words, *both], **quiet)
            )
            ending.callback(process.kill)
            return process

        start("distributed.cli.dask_scheduler", "--port", "0")
        workers = [start("distributed.cli.dask_worker", *alone) for _ in range(2)]
        until(lambda: where.exists() and where.read_text().strip().endswith("}"))
        yield SimpleNamespace(address=json.loads(where.read_text())["address"], workers=workers)


def test_a_cluster_gives_the_same_bits(cluster):
    believed = nr.Scenario.of(PLAIN)
    there = sweep(believed, AXES, seed=3, scheduler=cluster.address)
    pd.testing.assert_frame_equal(sweep(believed, AXES, seed=3), there, check_exact=True)
    with pytest.raises(nr.UsageError, match="seed: must be a whole number"):
        sweep(believed, AXES, seed=-1, scheduler=cluster.address)


def test_workers_of_another_version_are_refused(cluster, monkeypatch):
    monkeypatch.setattr(workers, "version", lambda name: "9.9.9")
    with pytest.raises(nr.UsageError, match=r"127.0.0.1:\d+ has nrrsim \S+, and here it is 9.9.9"):
        sweep(nr.Scenario.of(PLAIN), AXES, scheduler=cluster.address)


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_middle_changes_nothing(cluster, file, tmp_path):
    out = tmp_path / "grid.parquet"
    with started(
        "sweep", str(file), *GRID, "--scheduler", cluster.address, "--out", str(out)
    ) as run:
        until(lambda: lines_of(kept_beside(out)) > 6)
        cluster.workers[0].send_signal(signal.SIGKILL)
        assert lines_of(kept_beside(out)) < POINTS
        _, said = run.communicate(timeout=60)
    assert (run.returncode, said) == (0, "")
    alone = sweep(nr.Scenario.of(PLAIN), [read_axis(GRID[1])])
    pd.testing.assert_frame_equal(duckdb.sql(f"from '{out}'").df(), alone, check_exact=True)


def test_a_scheduler_that_does_not_answer(file, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(workers, "SECONDS_TO_CONNECT", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(SystemExit) as leaving:
        main(
            [
                "sweep",
                str(file),
                *GRID,
                "--scheduler",
                address,
                "--out",
                str(tmp_path / "grid.parquet"),
            ]
        )
    assert leaving.value.code == 2
    assert capfd.readouterr().err.splitlines() == [
        f"--scheduler: {address} did not answer within 1 s"
    ]


def test_without_dask_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(nr.UsageError, match=r'pip install "nrrsim\[cluster\]"'):
        sweep(nr.Scenario.of(PLAIN), AXES, scheduler="tcp://127.0.0.1:8786")


# --- the picture ----------------------------------------------------------------------------------


def test_the_picture_stands_beside_the_grid(file, tmp_path, capsys):
    def run(*vary: str) -> tuple[str, str]:
        with pytest.raises(SystemExit) as leaving:
            main(["sweep", str(file), *vary, "--out", str(tmp_path / "grid.parquet")])
        assert not leaving.value.code
        return capsys.readouterr()

    one, other = (
        ["--vary", "drivers.churn.one.rate=0.1:0.2:3"],
        ["--vary", "drivers.price.one.uplift=0:0.1:2"],
    )
    picture = tmp_path / "grid.svg"
    assert f"Picture  {picture}" in run(*one).out
    assert "drivers.churn.one.rate" in picture.read_text()
    assert "drivers.price.one.uplift" not in picture.read_text()
    run(*one, *other)
    assert "drivers.price.one.uplift" in picture.read_text()
    picture.unlink()
    told = run(*one, *other, "--vary", "drivers.price.one.acceptance=0.8:0.9:2")
    assert "no picture is made" in told.err
    assert "picture" not in told.out
    assert not picture.exists()


@pytest.mark.parametrize("kept", [b"\xff\n", b"\xff\xfe\n1\n", b"key \x80"])
def test_what_is_kept_and_cannot_be_read_is_said(tmp_path, kept):
    scenario = nr.read_scenario(ROOT / "params/scenarios/nrr-105.yaml")
    beside = kept_beside(tmp_path / "q.parquet")
    beside.write_bytes(kept)
    with pytest.raises(nr.UsageError, match="choose another --out"):
        sweep(scenario, [read_axis("drivers.churn.smb.rate=0.1:0.2:2")], kept=beside)


@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 400, "1e400", "nan"])
def test_a_number_of_no_size_cannot_be_varied(number):
    with pytest.raises(nr.UsageError, match="--vary: write NAME=FROM:TO:NUMBER"):
        read_axis(f"drivers.churn.smb.rate=0.1:{number}:3")
