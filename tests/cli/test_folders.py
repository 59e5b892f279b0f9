"""What a file cannot say is asked on a terminal, and nowhere else; who leaves leaves nothing behind."""

import fcntl
import os
import pty
import shutil
import subprocess
import sys
import termios
from dataclasses import fields, replace
from pathlib import Path

import pytest
from conftest import ROOT, seen_on

import nrrsim.analysis.actuals
import nrrsim.workspace.next  # noqa: F401 (both keep the reader that is there when they are loaded)
from nrrsim.cli import folders
from nrrsim.errors import DataError, Finding, NrrsimError, UsageError
from nrrsim.ledger import ledger as home
from nrrsim.ledger.reading import MEANS, Reading
from nrrsim.report.card import READING, read_card

MERIDIAN = ROOT / "nrrsim" / "data" / "meridian.csv"
UNIT = Finding(
    "b.csv", 0, "nothing says MRR or ARR", "say which with --unit mrr or --unit arr", "amount",
    "unit", ("mrr", "arr"),
)  # fmt: skip
ROWS = Finding(
    "b.csv", 3, "is this a log?", "say which with --rows", "", "rows", ("changes", "months")
)
WRONG = Finding("b.csv", 7, "'x' is not a number", "write a number", "mrr")


def reader(*questions: Finding):
    """A reader of ledgers that asks these, each until its option is said."""
    real = home.read_ledger

    def read_ledger(*sources, **how):
        still = [each for each in questions if folders._field(each.option) not in how]
        if still:
            raise DataError(still)
        return real(*sources, **how)

    return read_ledger


@pytest.fixture
def asks(tmp_path, monkeypatch, run):
    """`nrrsim new` of the example with a reader that asks, and somebody who answers."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(MERIDIAN, "b.csv")

    def _asks(questions, answers=(), *words: str):
        left, prompts = list(answers), []

        def prompt(text, default=None, **how):
            prompts.append(text)
            if not left:
                raise folders.typer.Abort
            return left.pop(0) or default

        monkeypatch.setattr(home, "read_ledger", reader(*questions))
        monkeypatch.setattr(folders, "can_ask", lambda: True)
        monkeypatch.setattr(folders.typer, "prompt", prompt)
        code, out, err = run("new", "acme", "--ledger", "b.csv", *words)
        assert code != 0 or not left, "asked less than was answered"
        return code, out, err, prompts

    return _asks


def card(folder: Path) -> dict:
    return read_card(folder / "acme" / "params" / "2026Q3.yaml").parameters


def test_each_question_is_asked_with_its_choices_and_what_they_mean(tmp_path, asks):
    code, out, err, _ = asks([UNIT, ROWS], ["1", "months", "EUR"])
    assert code == 0, err
    assert "2 questions of how the ledger is read" in out
    assert "b.csv: amount: nothing says MRR or ARR\n" in out
    for option, choice in (
        ("unit", "mrr"),
        ("unit", "arr"),
        ("rows", "changes"),
        ("rows", "months"),
    ):
        assert f"{choice}: {MEANS[option][choice]}" in out
    said = card(tmp_path)
    assert said[READING] == {"unit": "mrr", "rows": "months", "fiscal_year_end": 12}
    assert said["currency"] == "EUR"
    text = " ".join((tmp_path / "acme/params/2026Q3.yaml").read_text().replace("\n# ", " ").split())
    asked = f"{MEANS['unit']['mrr']}; asked by nrrsim new: nothing says MRR or ARR unit: mrr"
    assert asked in text


def test_what_is_no_answer_is_asked_again(tmp_path, asks):
    code, out, _, prompts = asks([UNIT], ["", "3", "net", "0", "1", ""])
    assert code == 0
    assert out.count("Type a number from 1 to 2.") == 4
    assert len(prompts) == 6
    assert card(tmp_path)[READING]["unit"] == "mrr"


@pytest.mark.parametrize(
    ("remedy", "option", "choices", "answers", "said"),
    [
        # a choice of the finding's own
        ("--sheet", "sheet", ("Q3", "Old; 2"), ["2"], {"sheet": "Old; 2"}),
        ("give --sheet NAME", "sheet", (), ["ARR"], {"sheet": "ARR"}),
        # a choice of one
        ("say --blank zero if it is none", "blank", ("zero",), ["1"], {"blank": "zero"}),
        # two options settle it
        ("--end none or --column end=...", "end", ("none",), ["1"], {"end": "none"}),
        (
            '--end none or --column end="Your heading"',
            "end",
            ("none",),
            ["2"],
            {"columns": {"end": "Your heading"}},
        ),
        (
            "say --end none, or --column end=...; or mend it",
            "end",
            ("none",),
            ["2", "Until when"],
            {"columns": {"end": "Until when"}},
        ),
        # a pair, whole or in part
        (
            "--column customer=...",
            "column",
            ("customer=segment",),
            ["1"],
            {"columns": {"customer": "segment"}},
        ),
        (
            "--column customer=...",
            "columns",
            ("Client", "Payer"),
            ["2"],
            {"columns": {"customer": "Payer"}},
        ),
        ("--count unpaid=yes|no", "count", (), ["2"], {"count": {"unpaid": False}}),
        ('--count "on hold=yes|no"', "count", (), ["no"], {"count": {"on hold": False}}),
        ("--count unpaid=yes|no", "count", ("yes", "no"), ["no"], {"count": {"unpaid": False}}),
        (
            "--stopped COLUMN or --count unpaid=yes|no",
            "stopped",
            (),
            ["1", "Gone"],
            {"stopped": "Gone"},
        ),
        (
            "--where Metric=MRR",
            "where",
            ("Metric=MRR", "Metric=ARR"),
            ["1"],
            {"where": {"Metric": "MRR"}},
        ),
        # a switch, a number, a word of one's own, what is wrong first
        ("--fill-down", "fill_down", (), ["1"], {"fill_down": True}),
        ("such as --scale 1000", "scale", (), ["many", "1000"], {"scale": 1000.0}),
        (
            "--timezone Europe/Berlin",
            "timezone",
            (),
            ["Asia/Tokyo"],
            {"timezone": "Asia/Tokyo"},
        ),
        ("--decimal . or --decimal ,", "decimal", (".", ","), [","], {"decimal": ","}),
        ("--minor-units yes|no", "minor_units", (), ["1"], {"minor_units": True}),
        (
            "--amount-is unit|line",
            "amount_is",
            ("unit", "line"),
            ["1"],
            {"amount_is": {"": "unit"}},
        ),
        (
            "--fiscal-year-end 01..12",
            "fiscal_year_end",
            (),
            ["13", "06"],
            {"fiscal_year_end": 6},
        ),
        ("say so", "late-renewal", (), ["1"], {"late_renewal": "runs-on"}),
    ],
)
def test_every_kind_of_question_finds_its_answer(
    asks, monkeypatch, remedy, option, choices, answers, said
):
    question = Finding("b.csv", 0, "is it so?", remedy, "", option, choices)
    seen = {}

    def read_ledger(*sources, **how):
        if not seen:
            seen["asked"] = True
            raise DataError([question])
        seen.update(how)
        raise NrrsimError("read")

    monkeypatch.setattr("test_folders.reader", lambda *a: read_ledger)
    code, _, err, _ = asks([question], answers)
    assert (code, err) == (1, "read\n")
    form = ("asked", "rates", "currency", "reported", "grace_months")
    assert {key: value for key, value in seen.items() if key not in form} == said


def test_answers_are_added_to_what_was_said(asks, monkeypatch):
    seen = []

    def read_ledger(*sources, **how):
        seen.append(how)
        questions = [
            Finding("b.csv", 0, f"does {word} count?", f"--count {word}=yes|no", "", "count")
            for word in ("paused", "unpaid")
        ]
        raise DataError(questions) if len(seen) == 1 else NrrsimError("read")

    monkeypatch.setattr("test_folders.reader", lambda *a: read_ledger)
    asks([], ["1", "2"], "--count", "draft=yes", "--unit", "arr")
    assert seen[1]["count"] == {"draft": True, "paused": True, "unpaid": False}
    assert seen[1]["unit"] == "arr"


def test_one_option_is_asked_once_for_several_files(asks):
    other = replace(UNIT, file="c.csv")
    code, out, _, prompts = asks([UNIT, other], ["1", ""])
    assert code == 0
    assert len(prompts) == 2
    assert "c.csv" not in out


def test_what_has_to_be_mended_is_not_asked_away(tmp_path, asks):
    code, out, err, prompts = asks([UNIT, WRONG])
    assert (code, prompts) == (3, [])
    assert out.splitlines() == [str(UNIT), str(WRONG)]
    assert err == "2 findings: the ledger is rejected, and nothing is written\n"
    assert not (tmp_path / "acme").exists()


def test_a_question_that_its_answer_does_not_settle_is_told(asks, monkeypatch):
    def read_ledger(*sources, **how):
        raise DataError([UNIT])

    monkeypatch.setattr("test_folders.reader", lambda *a: read_ledger)
    code, out, _, prompts = asks([UNIT], ["1"])
    assert code == 3
    assert len(prompts) == 1
    assert str(UNIT) in out


def test_an_answer_that_does_not_fit_is_asked_for_again(asks, monkeypatch):
    question = Finding("b.csv", 0, "when did it end?", "--ended-at COLUMN", "", "ended_at")

    def read_ledger(*sources, **how):
        if how.get("ended_at") == "when":
            raise NrrsimError("read")
        if "ended_at" in how:
            raise UsageError("ended_at: there is no column such")
        raise DataError([question])

    monkeypatch.setattr("test_folders.reader", lambda *a: read_ledger)
    code, out, err, prompts = asks([question], ["such", "when"])
    assert (code, err, len(prompts)) == (1, "read\n", 2)
    assert "ended_at: there is no column such\n" in out


def test_off_a_terminal_questions_are_told_with_their_options(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(MERIDIAN, "b.csv")
    monkeypatch.setattr(home, "read_ledger", reader(UNIT, ROWS))
    monkeypatch.setattr(folders.typer, "prompt", lambda *a, **k: 1 / 0)
    code, out, _ = run("new", "acme", "--ledger", "b.csv")
    assert code == 3
    assert out.splitlines() == [str(UNIT), str(ROWS)]
    assert "--unit mrr or --unit arr" in out
    assert not (tmp_path / "acme").exists()
    assert run("new", "acme", "--ledger", "b.csv", "--unit", "mrr", "--rows", "months")[0] == 0
    assert "as was said to nrrsim new" in (tmp_path / "acme/params/2026Q3.yaml").read_text()


def test_the_day_of_an_export_may_be_said(tmp_path, asks, write):
    write("customer,start,end,mrr\nA,2024-01-01,,10\nB,2026-06-10,,10\n", "subscriptions.csv")
    text = (tmp_path / "subscriptions.csv").read_text()

    def again(*answers):
        shutil.rmtree(tmp_path / "acme", ignore_errors=True)
        (tmp_path / "b.csv").write_text(text)
        return asks([], answers)

    code, out, _, _ = again("", "")
    assert code == 0
    assert "The ledger ends with 2026-06, the month of its latest start." in out
    assert [path.name for path in (tmp_path / "acme" / "params").glob("20*")] == ["2026Q2.yaml"]
    code, out, _, _ = again("GBP", "soon", "2026-10-05")
    assert code == 0
    assert "until: 'soon' is not a day or a month" in out
    assert card(tmp_path)[READING]["until"] == "2026-10-05"
    assert card(tmp_path)["currency"] == "GBP"


def test_a_currency_may_be_said_and_is_asked_again(tmp_path, asks):
    code, out, _, _ = asks([], ["euro", "eur"])
    assert code == 0
    assert "'euro' is no currency; write its code of three letters, such as EUR" in out
    assert card(tmp_path)["currency"] == "EUR"


def test_no_currency_is_taken_that_nobody_says(tmp_path, asks):
    code, _, err, _ = asks([], [""])
    assert code == 0
    assert "amounts are printed without a sign; --currency says it" in err
    assert "currency" not in card(tmp_path)


def test_nothing_is_asked_that_the_ledger_or_somebody_says(asks):
    assert asks([], [], "--currency", "EUR")[3] == []


def test_every_choice_has_a_meaning():
    for option in fields(Reading):
        choices = option.metadata["choices"]
        assert set(MEANS.get(option.name, ())) == set(choices), option.name


# --- a terminal -----------------------------------------------------------------------------------

STAND_IN = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # see conftest.started: who runs tests may ignore it
sys.path.insert(0, {str(Path(__file__).parent)!r}); sys.path.insert(0, {str(ROOT / "tests")!r})
import test_folders
test_folders.home.read_ledger = test_folders.reader(test_folders.UNIT, test_folders.ROWS)
from nrrsim.cli import main
main(sys.argv[1:])
"""


def on_a_terminal(folder: Path, steps: list[tuple[bytes, bytes]], terminals: str = "012"):
    """`nrrsim new` with these streams at a terminal: at each text that comes, some keys are typed."""
    ours, theirs = pty.openpty()
    streams = {
        name: theirs if number in terminals else subprocess.PIPE
        for number, name in zip("012", ("stdin", "stdout", "stderr"), strict=True)
    }
    with subprocess.Popen(
        [sys.executable, "-c", STAND_IN, "new", "acme", "--ledger", "b.csv"],
        cwd=folder,
        env={**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
        **streams,
    ) as process:
        os.close(theirs)
        seen, left = seen_on(ours, process, steps)
        rest = b"".join(pipe.read() for pipe in (process.stdout, process.stderr) if pipe)
    return process.returncode, (seen + rest).decode().replace("\r\n", "\n"), left


@pytest.fixture
def place(tmp_path):
    shutil.copy(MERIDIAN, tmp_path / "b.csv")
    return tmp_path


def test_questions_on_a_terminal(place):
    steps = [(b"Which: ", b"1\r"), (b"Which: ", b"2\r"), (b"without a sign): ", b"\r")]
    code, seen, left = on_a_terminal(place, steps)
    assert (code, left) == (0, []), seen
    assert card(place)[READING] == {"unit": "mrr", "rows": "months", "fiscal_year_end": 12}


@pytest.mark.parametrize(
    ("keys", "code", "said"),
    [(b"\x03", 130, "interrupted"), (b"\x04", 2, "no answer was given, and nothing is written")],
    ids=["Ctrl-C", "Ctrl-D"],
)
def test_who_leaves_leaves_nothing_behind(place, keys, code, said):
    ended, seen, left = on_a_terminal(place, [(b"Which: ", b"1\r"), (b"Which: ", keys)])
    assert (ended, left) == (code, []), seen
    assert seen.strip().endswith(said)
    assert [path.name for path in place.iterdir()] == ["b.csv"]


@pytest.mark.parametrize("terminals", ["12", "02"], ids=["no stdin", "no stdout"])
def test_half_a_terminal_is_none(place, terminals):
    ended, seen, _ = on_a_terminal(place, [], terminals)
    assert ended == 3
    assert "2 findings: the ledger is rejected, and nothing is written" in seen
    assert "Which" not in seen
