"""Odd values of YAML and files that are none: each is the right value, or refused with its place, within seconds."""

import os
import time

import numpy as np
import pytest

import nrrsim as nr
from nrrsim.cli import commands
from nrrsim.errors import UsageError
from nrrsim.messages import MOST_TOLD, number_in, whole_of
from nrrsim.yamlfile import read_yaml, yaml_text

BOOK = "book: {arr: 100, segments: {smb: {share: 1, customers: 12}}}\n"


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def values(text: str | bytes):
        (tmp_path / "x.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
        return read_yaml("x.yaml", "scenario").values

    return values


RIGHT = [
    ("1e3", 1000.0), ("6.0", 6.0), ("0o17", 15), ("017", 17), ("0x1F", 31), ("0b11", 3), ("+1", 1), ("1_000", 1000),
    ("12:30", "12:30"), ("190:20:30", "190:20:30"), ("NO", "NO"), ("yes", "yes"), ("True", True), ("FALSE", False),
    ("~", None), ("Null", None), ("", None), ("2026-01-01", "2026-01-01"), ("!!str 12", "12"), ("!!int '12'", 12),
    ("!!float 1", 1.0), ("!!bool 'true'", True), ("!!timestamp 2026-01-01", "2026-01-01"), ("=", "="), ("!!map {a: 1}", {"a": 1}),
    ("!!seq [a]", ["a"]), ("&b [1]", [1]), ("10 %", "10 %"), ("0o99", "0o99"), (".5", 0.5), ("-.INF", float("-inf")),
    ("9" * 301, "9" * 301), ("0x" + "f" * 400, "0x" + "f" * 400), ('"a\\u200db"', "a\u200db"), ('"e\\u0301"', "é"),
    ("|\n  two\n  lines", "two\nlines\n"), ('"\\ud83d\\ude00"', "\U0001f600"),
    ('"\U0001f3f4\U000e0067\U000e0062\U000e007f"', "\U0001f3f4\U000e0067\U000e0062\U000e007f"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), RIGHT, ids=[text[:20] for text, _ in RIGHT])
def test_odd_values_that_are_right(read, text, value):
    told = read(f"a: {text}\n")["a"]
    assert told == value
    assert type(told) is type(value)


WRONG = [
    # the file, the place, and what is said
    ("a: !!set {x, y}", "1:4", "!!set"), ("a: !!binary aGk=", "1:4", "!!binary"), ("a: !!omap [x: 1]", "1:4", "!!omap"),
    ("a: !!pairs [x: 1]", "1:4", "!!pairs"), ("a: !!python/name:os.system", "1:4", "!!python"), ("a: !mine x", "1:4", "!mine"),
    ("a: !!map x", "1:4", "!!map"), ("a: !!seq {x: 1}", "1:4", "!!seq"), ("a: !!map [x]", "1:4", "!!map"),
    ("a: !!str [x]", "1:4", "!!str"), ("a: !!bool x", "1:4", "!!bool"), ("a: !!null x", "1:4", "!!null"),
    ("b: 1\na: &a [1, *a]", "2:4", "refers to itself"), ("a: &a {b: {c: *a}}", "1:4", "refers to itself"),
    ("a: &a {<<: *a}", "1:4", "refers to itself"), ("<<: 3", "1:5", "must be a mapping"), ("<<: [3]", "1:5", "must be a mapping"),
    ("? [a]\n: b", "1:3", "not a list or a mapping"), ("? {a: b}\n: c", "1:3", "not a list or a mapping"),
    ("~: 1", "1:1", "not nothing"), ("a:\n  : 1", "2:3", "not nothing"), ("!!set x: 1", "1:1", "!!set"),
    ("a: 1\n'a': 2", "2:1", "stands twice"), ('a: "\\x1b[31m"', "1:4", "U+001B"), ('"\\u202e": 1', "1:1", "U+202E"),
    ('a: "\\x9b31m"', "1:4", "U+009B"), ('a: "x \\u200d y"', "1:4", "U+200D"), ('a: "\\ufeff"', "1:4", "U+FEFF"),
    ('a: "\\ud83d"', "1:4", "U+D83D"), ('a: "x\U000e0067"', "1:4", "U+E0067"),
    ("a: x\n---\nb: y", "2:1", "second scenario"), ("a: x\x00", "1:5", "U+0000"), ("a: x\nb: \x1b", "2:4", "U+001B"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "said"), WRONG, ids=[text for text, *_ in WRONG])
def test_odd_values_that_are_refused(read, text, place, said):
    with pytest.raises(UsageError) as refused:
        read(f"{text}\n")
    told = str(refused.value)
    assert told.startswith(f"x.yaml:{place}: ")
    assert said in told
    assert told.isprintable()


def doubled(levels: int, width: int, seed: str) -> str:
    """Lines each of which stands for many times the one before."""
    lines = [f"a0: &a0 {seed}"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


HUGE = {
    "lists of lists": doubled(9, 10, "[x]"),
    "pairs, forty times": doubled(40, 2, "[x, y]"),
    "mappings": doubled(8, 12, "{x: 1, y: 2}"),
    "merges": "a: &a {" + ", ".join(f"k{n}: 1" for n in range(600)) + "}\nb: ["
    + ", ".join(["{<<: *a}"] * 600) + "]",
    "commas": f"a: [{','.join('1' * 300_000)}]",
    "lines": "".join(f"k{n}: 1\n" for n in range(260_000)),
    "a long text": f"a: {'x' * 5_000_000}",
}  # fmt: skip


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_a_file_that_stands_for_too_much_is_refused_at_once(read, text):
    begin = time.process_time()
    with pytest.raises(
        UsageError, match=r"^x\.yaml: (more than 250,000 values|is larger than 4 MB)"
    ):
        read(text)
    assert time.process_time() - begin < 10


@pytest.mark.parametrize("text", ["a: " + "[" * 50_000, "a: " + "{a: " * 20_000, "- " * 5_000])
def test_what_is_nested_too_deeply_is_refused(read, text):
    with pytest.raises(UsageError, match=r"x\.yaml.*"):
        read(text)


def test_of_many_problems_the_first_are_told_and_how_many_more(tmp_path, capsys):
    path = tmp_path / "x.yaml"
    names = ", ".join(f"s{n}: 0.1" for n in range(2_000))
    for text, number in (
        (BOOK + "".join(f"k{n}: {n}\n" for n in range(20_000)), 20_000),
        (f"{BOOK}drivers: {{churn: {{{names}}}}}\n", 2_000),
        (f"{BOOK}programmes: {{p: {{{names}}}}}\n", 2_000),
    ):
        path.write_text(text)
        begin = time.process_time()
        with pytest.raises(SystemExit) as left:
            commands.main(["expect", str(path)])
        assert left.value.code == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == MOST_TOLD + 1
        assert lines[-1] == f"and {number - MOST_TOLD:,} more; mend these first"
        assert max(map(len, lines)) < 1_000 + len(str(path))
        assert time.process_time() - begin < 60


def test_what_is_no_file_is_refused(tmp_path):
    pipe, device, folder = tmp_path / "pipe.yaml", tmp_path / "zero.yaml", tmp_path / "folder.yaml"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    folder.mkdir()
    long = tmp_path / ("a" * 300)
    for path, said in (
        (pipe, "is a pipe or a device"),
        (device, "is a pipe or a device"),
        (folder, "is a folder"),
        (tmp_path / "none.yaml", "there is no such scenario"),
        (long, "cannot be read"),
        (tmp_path / "a\0b", "there is no such scenario"),
    ):
        with pytest.raises(UsageError, match=said):
            nr.read_scenario(path)


@pytest.mark.parametrize("parent", ["a" * 300, "a/" * 3_000, "pipe.yaml", ".", "\\0"])
def test_a_parent_that_is_no_file_is_refused(tmp_path, parent):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "x.yaml").write_text(f"extends: {parent}\n")
    with pytest.raises(UsageError, match=r"x\.yaml:1:10 extends: there is no scenario"):
        nr.read_scenario(tmp_path / "x.yaml")


# --- whole numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [6, 6.0, np.float64(6), np.int32(6)])
def test_whole_numbers_in_python(value):
    assert whole_of("months", value) == 6
    assert type(whole_of("months", value)) is int
    believed = nr.Scenario.of(
        {"book": {"arr": 100, "segments": {"a": {"share": 1, "customers": value}}}, "months": value}
    )
    assert (believed.months, len(believed.opening.arr)) == (6, 6)
    assert nr.simulate(believed, trials=value, seed=value)["closing"].shape[0] == 6
    assert believed.with_(months=12.0).months == 12


@pytest.mark.parametrize(
    "value", [6.5, True, False, None, "6", float("nan"), float("inf"), [6], np.bool_(True)]
)
def test_what_is_no_whole_number(value):
    with pytest.raises(UsageError, match="trials: must be a whole number"):
        whole_of("trials", value)


@pytest.mark.parametrize(
    ("text", "number"),
    [("6", 6), ("6.0", 6), ("1e3", 1000), ("12.0", 12), ("0.5", 0.5), ("50 %", 0.5), ("1.1%", 0.011), ("20260930", 20260930),
     (str(2**63 - 1), 2**63 - 1)],
)  # fmt: skip
def test_numbers_of_options(text, number):
    assert number_in(text) == number
    assert type(number_in(text)) is type(number)


def test_whole_numbers_of_options_and_of_a_grid(tmp_path, capsys):
    path, grid = tmp_path / "x.yaml", tmp_path / "grid.parquet"
    path.write_text(f"{BOOK}months: 12.0\ndrivers: {{churn: {{smb: 10 %}}}}\n")

    def run(*arguments: str) -> tuple[int, str]:
        try:
            commands.main([arguments[0], str(path), *arguments[1:], "--quiet"])
        except SystemExit as left:
            return left.code or 0, "".join(capsys.readouterr())
        raise AssertionError

    assert run("simulate", "--trials", "1e2", "--seed", "7.0", "--threads", "1.0") == run(
        "simulate", "--trials", "100", "--seed", "7", "--threads", "1"
    )
    for vary, points in (
        ("months=6:18:3", 3),
        ("months=6:18:13.0", 13),
        ("months=6.0:1.8e1:4", 4),
        ("book.segments.smb.customers=12:36:2", 2),
        ("drivers.churn.smb.rate=5%:20 %:4", 4),
    ):
        code, told = run("sweep", "--exact", "--vary", vary, "--out", str(grid), "--workers", "1.0")
        assert (code, f"{points} points" in told) == (0, True), told
    for vary, said in (
        ("months=6:18:6", "months: must be a whole number, got 8.4"),
        ("months=6.5:18:2", "months: must be a whole number, got 6.5"),
        ("months=true:18:2", "write NAME=FROM:TO:NUMBER"),
        ("months=6:18:2.5", "write NAME=FROM:TO:NUMBER"),
        ("book.segments.smb.customers=1:2:3", "must be a whole number, got 1.5"),
    ):
        code, told = run("sweep", "--exact", "--vary", vary, "--out", str(grid))
        assert (code, said in told) == (2, True), told
    for option in ("true", "6.5", "600 %", "nan", "inf", "x"):
        code, told = run("simulate", "--trials", option)
        assert (code, "--trials: must be a whole number" in told) == (2, True), told


@pytest.mark.parametrize("words", range(1, 12))
@pytest.mark.parametrize("long", ["sciences", "l'année", "a: b", "#1"])
def test_what_is_written_is_read_as_it_was_wherever_a_line_breaks(words, long, read):
    """Names of several words, too: a key that is broken apart is no YAML."""
    names = [f"University of applied {long} {n}" for n in range(words)]
    written = {"term": dict.fromkeys(names, "annual"), "names": names, "text": " and ".join(names)}
    assert read(yaml_text(written)) == written
