"""The command line as a contract: stdout, exit codes, the same bytes, never a traceback."""

import inspect
import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

import nrrsim as nr
from nrrsim.errors import UsageError

MERIDIAN = str(ROOT / "nrrsim" / "data" / "meridian.csv")


def test_metrics_as_json(run):
    code, out, _ = run("metrics", MERIDIAN, "--as-of", "2026-09", "--json")
    told = json.loads(out)
    assert code == 0
    assert list(told) == [
        "as_of",
        "window",
        "definition",
        "currency",
        "nrr",
        "grr",
        "logo",
        "opening",
        "closing",
        "customers",
        "movements",
        "segments",
    ]
    assert list(told["segments"]["smb"]) == ["nrr", "grr", "logo", "opening", "closing"]
    assert told["nrr"] == pytest.approx(told["closing"] / told["opening"])
    assert run("metrics", MERIDIAN, "--as-of", "2026-09", "--json")[1] == out


def test_metrics_for_people(run):
    code, out, err = run(
        "metrics", MERIDIAN, "--as-of", "2026-09", "--by", "region", "--definition", "flow"
    )
    assert code == 0
    assert "12 months to September 2026, flow" in out
    rows = [line for line in out.splitlines() if "%" in line]
    assert rows[-1].split()[:4] == ["all", "106.5%", "82.0%", "87.2%"]
    assert all(row.count("%") == 3 for row in rows)
    assert err == ""


def test_negative_gross_retention_comes_with_a_notice(run, write):
    lives = {"A": [10, 0, 10, 0, 10], "B": [1, 1, 1, 1, 1]}
    rows = [f"{c},2025-0{m},{a}" for c, life in lives.items() for m, a in enumerate(life, 1) if a]
    ledger = str(write("customer,month,mrr\n" + "\n".join(rows)))
    code, out, err = run(
        "metrics", ledger, "--as-of", "2025-05", "--window", "4", "--definition", "flow", "--json"
    )
    assert (code, json.loads(out)["grr"]) == (0, pytest.approx(1 - 20 / 11))
    assert "can be negative" in err


def test_check_prints_profile_and_notices(run, write):
    code, out, _ = run("check", MERIDIAN)
    assert code == 0
    for word in (
        "595",
        "48 monthly, 2022-10 to 2026-09",
        "Enterprise",
        "23 left and came back",
        "6.3% of ARR",
    ):
        assert word in out
    code, out, _ = run(
        "check", str(write("customer,month,mrr\nA,2025-01,0\nB,2025-01,1\n")), "--json"
    )
    told = json.loads(out)
    assert (code, told["zeros"], told["customers"], told["findings"]) == (0, 1, 1, [])
    assert any("a zero is read as no row" in notice for notice in told["notices"])


def test_rejected_data_is_exit_3_with_every_finding(run, write):
    path = write("customer,month,mrr\nA,2025-01,x\nB,2025-0,1\n")
    for command in (["check", str(path)], ["metrics", str(path), "--as-of", "2025-01"]):
        code, out, err = run(*command)
        assert code == 3
        for line in (
            f"{path}:2: mrr: 'x' is not a number",
            f"{path}:3: month: '2025-0' is not a month",
        ):
            assert line in out + err
    assert run("metrics", str(path), "--as-of", "2025-01")[1] == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["metrics", MERIDIAN, "--as-of", "next"], "--as-of: 'next' is not a month"),
        (["metrics", MERIDIAN, "--as-of", "2030-01"], "2030-01 is not in the ledger"),
        (
            ["metrics", MERIDIAN, "--as-of", "2026-09", "--definition", "net"],
            "known: point_to_point",
        ),
        (["metrics", MERIDIAN, "--as-of", "2026-09", "--window", "-1"], "window"),
        (["metrics", "nowhere.csv", "--as-of", "2026-09"], "there is no such file"),
        (["check", MERIDIAN, "--column", "customer"], "equals sign"),
        (["report", "nowhere.yaml"], "there is no such run card"),
        (
            ["report", str(ROOT / "params" / "2026Q3.yaml"), "--to", "odt"],
            "known: pdf, html, pptx, docx, xlsx",
        ),
        (["verify", str(ROOT / "tests")], "there is no report"),
        (["nonsense"], "No such command"),
    ],
)
def test_usage_is_exit_2(run, arguments, said):
    code, out, err = run(*arguments)
    assert code == 2
    assert said in err
    assert out == ""


READERS = (
    ["check"],
    ["metrics", "--as-of", "2026-09"],
    ["calibrate", "--as-of", "2026-09"],
    ["backtest"],
)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader[0])
def test_a_ledger_is_read_the_same_way_by_every_command(run, monkeypatch, reader):
    defaults, seen = inspect.signature(nr.read_ledger).parameters, []

    def read_ledger(*sources, **how):
        seen.append((sources, how))
        raise UsageError("seen")

    monkeypatch.setattr("nrrsim.ledger.ledger.read_ledger", read_ledger)
    words = "--column customer=Account --query Q --sheet S --rates R --currency EUR --reported"
    words += " --grace-months 2 --period-end inclusive --until 2026-10-05 --fiscal-year-end 01"
    assert run(*reader, "one.csv", "two.csv", *words.split())[0] == 2
    assert run(*reader, "one.csv")[0] == 2
    (sources, told), (_, plain) = seen
    assert sources == ("one.csv", "two.csv")
    assert told == {
        "columns": {"customer": "Account"},
        "query": "Q",
        "sheet": "S",
        "rates": "R",
        "currency": "EUR",
        "reported": True,
        "grace_months": 2,
        "period_end": "inclusive",
        "until": "2026-10-05",
        "fiscal_year_end": 1,
    }
    assert {name: value for name, value in plain.items() if name != "columns"} == {
        name: defaults[name].default for name in plain if name != "columns"
    }


def test_a_late_renewal_is_no_reactivation_when_it_is_checked(run, write):
    ledger = str(write("customer,month,mrr\nA,2025-01,5\nA,2025-03,5\nB,2025-01,1\nB,2025-02,1\n"))
    told = [
        json.loads(run("check", ledger, *words, "--json")[1])["reactivation"]
        for words in ([], ["--grace-months", "1"])
    ]
    assert told == [60.0, 0.0]


def test_an_example_is_found_by_its_name_and_a_file_goes_before_it(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = ROOT / "params" / "scenarios" / "nrr-105.yaml"
    code, out, err = run("expect", "nrr-105", "--json")
    assert (code, out) == run("expect", str(shipped), "--json")[:2]
    assert err == "note: nrr-105: the example that comes with nrrsim\n"
    assert run("compare", "nrr-105", "nrr-128", "--trials", "20", "--quiet")[::2] == (0, "")

    own = shipped.read_text().replace("title:", "title: My own #")
    (tmp_path / "nrr-105").write_text(own)
    code, out, err = run("expect", "nrr-105", "--json")
    assert (json.loads(out)["title"], err) == ("My own", "")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nrr-150", "none of that name comes with nrrsim; did you mean nrr-105?"),
        # what looks like a file is none of ours: it must not give another's numbers
        ("nrr-105.yaml", "nrr-105.yaml: there is no such scenario\n"),
        ("scenarios/nrr-105", "scenarios/nrr-105: there is no such scenario\n"),
        ("", "is a folder"),
    ],
)
def test_what_is_no_example_is_said(run, tmp_path, monkeypatch, name, said):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("expect", name)
    assert (code, out) == (2, "")
    assert said in err


def test_version_starts_quickly_and_loads_nothing_heavy():
    code = "import sys; from nrrsim.cli import main\ntry: main(['--version'])\nexcept SystemExit: pass\n"
    code += "print([name for name in ('pandas', 'xarray', 'altair', 'papermill', 'pandera') if name in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert out.splitlines() == ["nrrsim 0.1.0", "[]"]


def test_a_report_s_own_process_loads_nothing_that_computes():
    # the kernel does: here it would be loaded a second time, for each report
    code = (
        "import sys, nrrsim.report.run, nrrsim.report.pages.render, nrrsim.report.charts.picture\n"
    )
    code += (
        "print([name for name in ('xarray', 'numba', 'altair', 'jinja2') if name in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert out == "[]\n"


def test_what_nobody_expects_is_one_line(run, monkeypatch):
    monkeypatch.setattr("nrrsim.ledger.ledger.read_ledger", lambda *a, **k: 1 / 0)
    code, _, err = run("check", MERIDIAN)
    assert code == 1
    assert err.count("\n") == 1
    assert "ZeroDivisionError" in err


def test_interrupted_is_130(run, monkeypatch):
    def interrupt(*a, **k):
        raise KeyboardInterrupt

    monkeypatch.setattr("nrrsim.ledger.ledger.read_ledger", interrupt)
    assert run("check", MERIDIAN)[0] == 130


def test_a_reader_that_stops_reading_is_no_failure():
    nrrsim = [sys.executable, "-c", "from nrrsim.cli import main; main()", "check", MERIDIAN]
    with subprocess.Popen(
        nrrsim, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    ) as process:
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
