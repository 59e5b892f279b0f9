"""Several cards: each made after those that it reads, told in their order, ended together."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import nbformat
import pytest

from nrrsim.report.several import _waits, side_by_side

OF_BOTH = 'company = "C"  # whose\nas_of = "2026-09"  # when'
READS = f"{OF_BOTH}\nprevious = None  # the report before (optional text)"
# In the place of the command: says its card, waits for files that others make, fails where the card does.
STAND_IN = """
import os, pathlib, signal, sys, time
card = sys.argv[1]
signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path(f"{card}.ended").touch(), sys.exit(143)))
pathlib.Path(f"{card}.begun").touch()
words = pathlib.Path(card).read_text().split("# ")[1].split()
done = [each.name for each in pathlib.Path().glob("*.done")]
while not all(os.path.exists(each) for each in words if each != "fails"):
    time.sleep(0.01)
print(f"note: {card}", file=sys.stderr)
if "fails" in words:
    print(f"{card}: wrong", file=sys.stderr)
    sys.exit(2)
print(card, *sys.argv[2:], *sorted(done))
pathlib.Path(f"{card}.done").touch()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a notebook that is compared with its last report, and one that is not."""
    for name, source in (("reads", READS), ("plain", OF_BOTH)):
        book = nbformat.v4.new_notebook()
        cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})
        book.cells = [nbformat.v4.new_raw_cell("---\ntitle: T\n---"), cell]
        nbformat.write(book, tmp_path / f"{name}.ipynb")
    monkeypatch.chdir(tmp_path)
    command = (sys.executable, "-c", STAND_IN)
    monkeypatch.setattr("nrrsim.report.several.COMMAND", command)
    return tmp_path


def card(place: Path, name: str, notebook: str, as_of: str, company: str = "C", does="") -> Path:
    said = {"notebook": notebook, "company": company, "as_of": as_of}
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in said.items())
    (place / name).write_text(f"{text}# {does}\n")
    return Path(name)


WAITS = {
    # cards as name, notebook, month, company: whom each waits for
    "a quarter for the one before": ("q3 reads 2026-09 C|q2 reads 2026-06 C", {"q3": ["q2"]}),
    "all that are earlier": (
        "q1 reads 2026-03 C|q2 reads 2026-06 C|q3 reads 2026-09 C",
        {"q2": ["q1"], "q3": ["q1", "q2"]},
    ),
    "not for another company's": ("q3 reads 2026-09 C|q2 reads 2026-06 D", {}),
    "not of the same month": ("q3 reads 2026-09 C|s3 reads 2026-09 C", {}),
    "not where nothing is compared": ("q3 plain 2026-09 C|q2 reads 2026-06 C", {}),
    "for what has no comparison itself": ("q3 reads 2026-09 C|q2 plain 2026-06 C", {"q3": ["q2"]}),
}


@pytest.mark.parametrize(("cards", "expected"), WAITS.values(), ids=WAITS)
def test_a_card_waits_for_what_it_reads(cards, expected, place):
    names = [each.split()[0] for each in cards.split("|")]
    files = [card(place, *each.split()) for each in cards.split("|")]
    waits = _waits(files, {}, False)
    order = [*waits]
    told = {names[each]: [names[other] for other in others] for each, others in waits.items()}
    assert {name: sorted(others) for name, others in told.items() if others} == expected
    assert all(order.index(other) < order.index(each) for each in waits for other in waits[each])


def test_of_cards_whose_month_is_not_known_yet_each_waits_for_those_before_it(place):
    files = [card(place, name, "reads", "2026-09") for name in ("a", "b")]
    assert _waits(files, {}, True) == {0: [], 1: [0]}


def test_all_are_told_in_their_order(place):
    # the two that wait for nothing are at work at once: each waits for the other to begin
    files = [
        card(place, "q3.yaml", "reads", "2026-09"),
        card(place, "other.yaml", "plain", "2026-09", does="q2.yaml.begun"),
        card(place, "q2.yaml", "reads", "2026-06", does="other.yaml.begun"),
    ]
    made = [*side_by_side([*map(str, files)], files, ["--out", "x"], 2, {})]
    assert [each.said for each in made] == [f"note: {file}\n" for file in files]
    assert [each.out.split()[:3] for each in made] == [[str(file), "--out", "x"] for file in files]
    assert "q2.yaml.done" in made[0].out


def test_after_one_that_fails_none_begins(place):
    files = [
        card(place, "a.yaml", "plain", "2026-03"),
        card(place, "b.yaml", "plain", "2026-06", does="c.yaml.begun fails"),
        card(place, "c.yaml", "plain", "2026-09", does="go"),
        card(place, "d.yaml", "plain", "2026-12"),
    ]
    made = side_by_side([*map(str, files)], files, [], 2, {})
    assert next(made).code == 0
    failed = next(made)
    assert (failed.code, failed.said) == (2, "note: b.yaml\nb.yaml: wrong\n")
    (place / "go").touch()
    assert [each.code for each in made] == [0]
    assert not (place / "d.yaml.begun").exists()


def test_whoever_is_at_work_is_ended_and_clears_away(place):
    files = [card(place, f"{name}.yaml", "plain", "2026-09", does="never") for name in "abc"]
    quick = card(place, "q.yaml", "plain", "2026-03")
    cards = [quick, *files]
    with closing(side_by_side([*map(str, cards)], cards, [], 3, {})) as reports:
        assert next(reports).code == 0
        while len([*place.glob("*.begun")]) < 4:
            time.sleep(0.01)
    assert len([*place.glob("*.ended")]) == 3


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals of POSIX")
def test_the_command_ends_with_all_that_it_started(place):
    """Ctrl-C at a terminal, and a signal to the command alone."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # see conftest.started
        "import sys; from nrrsim.report import several\n"
        f"several.COMMAND = (sys.executable, '-c', {STAND_IN!r})\n"
        "from nrrsim.cli import main; main()"
    )
    for number, ends in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        names = [
            str(card(place, f"{number}{name}.yaml", "plain", "2026-09", does="never"))
            for name in "ab"
        ]
        words = [sys.executable, "-c", code, "report", *names, "--workers", "2", "-q"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(words, **pipes, start_new_session=True) as run:
            while len([*place.glob(f"{number}*.begun")]) < 2:
                time.sleep(0.01)
            run.send_signal(number)
            assert run.communicate(timeout=60) == ("", "interrupted\n")
        assert run.returncode == ends
        assert len([*place.glob(f"{number}*.ended")]) == 2
