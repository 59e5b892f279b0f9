"""What a terminal would obey never reaches it, whatever a name, a title or a file is called."""

import io
import json
import logging
import os
import pty
import re
import subprocess
import sys
import unicodedata

import pytest
from conftest import ROOT, seen_on
from hypothesis import given
from hypothesis import strategies as st

from nrrsim.cli.terminal import Visible, kept_visible
from nrrsim.notation import visible

EVERY = "".join(map(chr, range(0x110000)))
CONTROLS = [c for c in EVERY if unicodedata.category(c) == "Cc" and c not in "\n\t"]
TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
TURNING = [c for c in EVERY if unicodedata.bidirectional(c) in TURNS]
OBEYED = [*CONTROLS, *TURNING, "\u2028", "\u2029"]
NAMED = "".join(c for c in OBEYED if c != "\0")  # what a file can be called
SOME = "\x1b]0;pwned\x07\x1b[31m\x9b2J\x08\u202e"  # what a real attack would write


def obeyed(text: str) -> list[str]:
    return sorted(set(text) & set(OBEYED))


def test_what_is_looked_for():
    assert len(CONTROLS) == 65 - 2
    assert len(TURNING) == 9


@pytest.fixture
def hostile(tmp_path):
    """A folder of that name, with a ledger, scenarios and a card that are full of them."""
    folder = tmp_path / f"of {SOME}"
    folder.mkdir()
    months = [f"{year}-{month:02d}" for year in (2023, 2024, 2025) for month in range(1, 13)]
    name = f"A{NAMED}"
    rows = [
        f'"{each}",{month},{100 + place},"{each}"'
        for place, month in enumerate(months)
        for each in (name, f"{name} 2")
    ]
    (folder / f"l{NAMED}.csv").write_text("\n".join(["customer,month,mrr,segment", *rows]))
    (folder / "plain.csv").write_text(
        re.sub("[" + re.escape(NAMED) + "]", "", "\n".join(["customer,month,mrr,segment", *rows]))
    )
    for number, title in enumerate((f"T{SOME}", f"T{''.join(CONTROLS)}", f"T{''.join(TURNING)}")):
        said = json.dumps(title)
        text = f"title: {said}\nbecause: {said}\ntarget: 1.1\nbook: {{arr: 1200, segments: {{one: {{customers: 10, share: 1}}}}}}\ndrivers: {{churn: {{one: {{rate: 0.1, source: {said}}}}}}}\n"
        (folder / f"s{number}{SOME}.yaml").write_text(text)
    (folder / f"c{NAMED}.yaml").write_text(
        f"notebook: quarterly_report\ncompany: {json.dumps(NAMED)}\nledger: {json.dumps(NAMED)}\n{json.dumps(NAMED)}: 1\n"
    )
    return folder


def asked(folder):
    """Every command, with hostile files and hostile words."""
    ledger, scenarios, card = (
        folder / f"l{NAMED}.csv",
        sorted(folder.glob("s*.yaml")),
        folder / f"c{NAMED}.yaml",
    )
    for each in (ledger, folder / "plain.csv"):
        yield "check", each
        yield "check", each, "--json"
        yield "metrics", each, "--as-of", "2025-12"
        yield "metrics", each, "--as-of", "2025-12", "--json"
        yield "calibrate", each, "--as-of", "2025-12"
        yield "calibrate", each, "--as-of", "2025-12", "--out", folder / f"learnt{SOME}.yaml"
        yield "backtest", each, "--trials", "20"
    for option in (
        "--column",
        "--sheet",
        "--rates",
        "--currency",
        "--period-end",
        "--grace-months",
    ):
        yield "check", folder / "plain.csv", option, f"a={SOME}"
    for option in ("--as-of", "--by", "--definition", "--window", f"--{SOME}"):
        yield "metrics", folder / "plain.csv", "--as-of", "2025-12", option, SOME
    for each in scenarios:
        for words in ((), ("--json",)):
            yield "expect", each, *words
            yield "simulate", each, "--trials", "20", *words
            yield "compare", each, scenarios[0], "--trials", "20", *words
            yield "frontier", each, *words
        yield "simulate", each, "--trials", "20", "--out", folder / f"none{SOME}" / "t.parquet"
        grid = ("--vary", "drivers.churn.one.rate=0.1:0.2:2", "--exact")
        yield "sweep", each, *grid, "--out", folder / f"grid{SOME}.parquet"
        yield "sweep", each, "--vary", SOME, "--out", folder / "grid.parquet"
        yield "sweep", each, "--vary", f"{SOME}=1:2:3", "--out", folder / "grid.parquet"
        yield "simulate", each, "--trials", SOME
        yield "frontier", each, "--target", SOME
    yield "schema", "--out", folder / f"none{SOME}" / "schema.json"
    for each in (ledger, folder / "plain.csv"):
        yield "new", folder / f"of {each.stem}", "--ledger", each
        yield "new", folder / f"w{len(each.name)}", "--ledger", each, "--company", "Plain"
        yield "new", folder / f"u{len(each.name)}", "--ledger", each, "--unit", SOME
    yield "new", folder / "template"
    yield "new", folder
    for each in (folder, card, folder / f"w{len('plain.csv')}"):
        yield "next", each
    yield "report", card
    yield "report", folder / f"none{SOME}.yaml"
    yield "report", card, "--to", SOME
    yield "report", card, "--engine", SOME
    yield "verify", folder
    yield "lab", folder / f"none{SOME}.yaml", "--port", SOME
    yield "app", folder / f"none{SOME}.yaml", "--port", SOME
    yield (f"check{SOME}",)
    yield "check", f"env:{SOME}"
    yield "check", f"sqlite:///none{SOME}/x.db", "--query", "select 1"


def test_no_command_prints_what_a_terminal_obeys(run, hostile, record_property):
    """Each is run; what it prints, refuses or finds holds no such character, and JSON still is JSON."""
    codes = []
    for words in asked(hostile):
        code, out, err = run(*words)
        assert obeyed(out + err) == [], words
        assert out + err, words
        assert "does not expect" not in err, (words, err)
        if "--json" in words and code == 0:
            json.loads(out)
        codes.append(code)
    record_property("commands", len(codes))
    assert {0, 2} <= set(codes)


@given(st.text(st.characters() | st.sampled_from(OBEYED)))
def test_whatever_is_written_arrives_as_people_see_it(text):
    for encoding in ("utf-8", "ascii", "cp1252"):
        arrived = io.BytesIO()
        beneath = io.TextIOWrapper(arrived, encoding, newline="")
        assert Visible(beneath).write(text) == len(text)
        beneath.flush()
        assert obeyed(arrived.getvalue().decode(encoding)) == []


@given(st.text(st.characters() | st.sampled_from(OBEYED)))
def test_what_is_plain_stays_as_it_is_and_json_means_the_same(text):
    plain = "".join(c for c in text if c not in OBEYED and unicodedata.category(c) != "Cs")
    assert visible(plain) == plain
    assert json.loads(visible(json.dumps(text, ensure_ascii=False), r"\u{:04x}")) == text


def test_a_log_line_is_one_line_without_a_traceback(capsys, monkeypatch):
    monkeypatch.delenv("NRRSIM_DEBUG", raising=False)
    with kept_visible():
        try:
            raise ValueError(f"no {SOME}")
        except ValueError:
            logging.getLogger("nrrsim.test").exception("it failed\nat length")
    err = capsys.readouterr().err
    assert err.startswith("it failed (ValueError: no \\x1b]0;pwned")
    assert err.count("\n") == 1
    assert obeyed(err) == []


def test_the_bar_of_a_terminal_is_the_only_thing_that_moves(tmp_path):
    """On a terminal: control codes draw the bar, and none is a title's."""
    said = json.dumps(f"T{SOME}")
    text = f"title: {said}\nbook: {{arr: 1200, segments: {{one: {{customers: 4000, share: 1}}}}}}\ndrivers: {{churn: {{one: 0.1}}}}\n"
    (tmp_path / "s.yaml").write_text(text)
    code = "from nrrsim.cli import main; main()"
    words = ["sweep", "s.yaml", "--vary", "drivers.churn.one.rate=0.1:0.2:40", "--trials", "10000"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", code, *words, "--workers", "1", "--out", "grid.parquet"],
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT)},
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        seen, _ = seen_on(ours, process)
    assert process.returncode in (0, 2), seen
    assert b"pwned\x07" not in seen
    assert b"\x1b]" not in seen
    assert process.returncode == 2 or b"points" in seen


@pytest.mark.parametrize(
    "closed",
    [">&-", *(pytest.param(each, marks=pytest.mark.slow) for each in ("2>&-", ">&- 2>&-"))],
)
def test_a_stream_that_the_shell_has_closed(closed):
    words = f"{sys.executable} -c 'from nrrsim.cli import main; main()' expect {ROOT}/params/scenarios/nrr-105.yaml"
    assert subprocess.run(f"{words} {closed}", shell=True, check=False).returncode == 0


def test_a_pool_that_was_never_ended_does_not_hold_the_command_up():
    code = (
        "import sys; from concurrent.futures import ThreadPoolExecutor\n"
        "pool = ThreadPoolExecutor(2); pool.submit(print, 'at work').result()\n"
        "sys.argv = ['nrrsim', '--version']; from nrrsim.cli import main; main()"
    )
    how = {"capture_output": True, "text": True, "timeout": 60, "check": True}
    assert subprocess.run([sys.executable, "-c", code], **how).stdout.startswith("at work\nnrrsim ")
