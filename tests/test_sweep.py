"""Grids of what-ifs: each point as by itself, and a killed sweep that ends as an unbroken one."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import duckdb
import numpy as np
import pandas as pd
import pytest
from scenarios import segments

import nrrsim as nr
from nrrsim import outlook
from nrrsim.cli import main
from nrrsim.sweep import kept_beside, read_axis, sweep

PLAIN = {
    "target": 1.0,
    "book": segments(one=(1, 600, "monthly")),
    "drivers": {"churn": {"one": 0.1}, "price": {"one": {"uplift": 0.05}}},
}
AXES = [read_axis("drivers.churn.one.rate=0.05:0.25:5"), read_axis("drivers.price.one.uplift=0:0.1:3")]


def test_each_point_is_as_by_itself():
    believed = nr.Scenario.of(PLAIN)
    frame = sweep(believed, AXES, trials=200, seed=3)
    assert len(frame) == 15
    assert frame["drivers.churn.one.rate"].unique().tolist() == [0.05, 0.1, 0.15, 0.2, 0.25]
    row = frame.iloc[7]
    alone = believed.with_({"drivers.churn.one.rate": 0.15, "drivers.price.one.uplift": 0.05})
    nrr = np.asarray(nr.nrr(nr.simulate(alone, 200, 3)))
    assert row["nrr"] == nrr.mean()
    assert row["p95"] == np.quantile(nrr, 0.95)
    assert row["p_target"] == (nrr >= 1.0).mean()


def test_the_exact_path_agrees_with_full_simulations():
    believed = nr.Scenario.of(PLAIN)
    exact, full = sweep(believed, AXES, exact=True), sweep(believed, AXES, trials=4_000)
    assert exact["nrr"].to_numpy() == pytest.approx(full["nrr"].to_numpy(), abs=0.002)
    assert exact["p05"].to_numpy() == pytest.approx(full["p05"].to_numpy(), abs=0.004)
    assert exact["p_target"].to_numpy() == pytest.approx(full["p_target"].to_numpy(), abs=0.04)
    told = outlook.likely(believed.with_({"drivers.churn.one.rate": 0.25, "drivers.price.one.uplift": 0.1}))
    assert exact.iloc[-1]["p50"] == told["p50"]


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        (["drivers.churn.one.rate"], "write NAME=FROM:TO:NUMBER"),
        (["drivers.churn.one.rate=0.1:0.2"], "write NAME=FROM:TO:NUMBER"),
        (["drivers.churn.one.rate=0.1:0.2:0"], "write NAME=FROM:TO:NUMBER"),
        (["drivers.churn.one.rate=0.1:2:3"], "drivers.churn.one.rate: must be from 0 to 1"),
        (["drivers.churn.two.rate=0.1:0.2:3"], "two: is not a segment"),
        (["drivers.churn.one.rate=0.1:0.2:3"] * 2, "stands twice"),
        (["drivers.churn.one.rate=0.1:0.2:1000", "drivers.price.one.uplift=0:1:1000"], "1,000,000 points"),
    ],
)
def test_what_cannot_be_varied(vary, said):
    with pytest.raises(nr.UsageError) as caught:
        sweep(nr.Scenario.of(PLAIN), [read_axis(each) for each in vary], trials=2)
    assert said in str(caught.value)


def test_what_is_kept_of_another_sweep_is_not_taken(tmp_path):
    kept = kept_beside(tmp_path / "grid.parquet")
    sweep(nr.Scenario.of(PLAIN), AXES[:1], trials=50, kept=kept)
    with pytest.raises(nr.UsageError, match="of a sweep with other settings"):
        sweep(nr.Scenario.of(PLAIN), AXES[:1], trials=51, kept=kept)
    lines = kept.read_text().splitlines()
    kept.write_text("\n".join(lines[:3]) + '\n[2, {"nrr": 1.')  # cut in the middle of a line
    again = sweep(nr.Scenario.of(PLAIN), AXES[:1], trials=50, kept=kept)
    pd.testing.assert_frame_equal(again, sweep(nr.Scenario.of(PLAIN), AXES[:1], trials=50))


@pytest.mark.parametrize("seed", range(int(os.environ.get("NRRSIM_KILLS", "3"))))
def test_a_killed_sweep_goes_on_to_the_same_result(seed, tmp_path):
    """SIGKILL at a random moment: nothing at the final path; the next run ends as one that was never broken."""
    rng = random.Random(seed)
    file = tmp_path / "plain.yaml"
    file.write_text(json.dumps(PLAIN))
    out = tmp_path / "grid.parquet"
    words = [
        "sweep",
        str(file),
        "--vary",
        "drivers.churn.one.rate=0.05:0.25:41",
        "--trials",
        "3000",
        "--quiet",
        "--json",
    ]
    code = "from nrrsim.cli import main; print('ready', flush=True); main()"
    run = subprocess.Popen([sys.executable, "-c", code, *words, "--out", str(out)], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    run.stdout.readline()
    while not kept_beside(out).exists() and run.poll() is None:
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.8))
    run.send_signal(signal.SIGKILL)
    run.communicate()
    if run.returncode == -signal.SIGKILL:
        assert not out.exists() or not kept_beside(out).exists()
    for path in (out, tmp_path / "clean.parquet"):
        with pytest.raises(SystemExit) as leaving:
            main([*words, "--out", str(path)])
        assert not leaving.value.code
    one, other = (duckdb.sql(f"from '{path}'").df() for path in (out, tmp_path / "clean.parquet"))
    pd.testing.assert_frame_equal(one, other)
    assert {each.name for each in tmp_path.iterdir()} <= {"plain.yaml", "grid.parquet", "clean.parquet"}
