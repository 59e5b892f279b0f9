"""Scenarios and cards of the house, broken in every structural way: each mutant is read, or refused in words.

A mutant is one to three changes of a file's tree (drop, double, retype, rename, nest), or one of its text. Of each
the exit code is 0 or 2, a refusal names the file, and nothing is said that nobody in finance can read.
"""

import copy
import random
import signal
from collections import Counter

import pytest
from conftest import ROOT

from nrrsim.cli import commands
from nrrsim.errors import UsageError
from nrrsim.report.card import read_card
from nrrsim.yamlfile import read_yaml, yaml_text

SEED, MUTANTS = 20260930, 1_500
SECONDS = 60  # for a single mutant
SCENARIOS = sorted((ROOT / "params" / "scenarios").glob("*.yaml"))
CARDS = sorted((ROOT / "params").glob("*.yaml"))
# What a value may turn into: of another kind, of another size, or odd.
VALUES = [
    None, True, False, 0, 1, -1, 12, 13, 6.0, 0.5, 1e-9, 1e9, 1e300, -0.0, 5e-324, 10**30, 10**400,
    float("inf"), float("-inf"), float("nan"), "", " ", "x", "10 %", "-20 %", "10,5 %", "% ", "1e3", "0x10", "NO",
    "2026-01", "2026-13", "../x.yaml", "all", "smb", "churn.smb", "{{x}}", "*", "\u202e", "e\u0301", "日本", "a" * 5_000, "a/" * 3_000,
    [], {}, [[]], [{}], [1, 2], [0.1, 0.2, 0.3], {"between": [0.1, 0.2]}, {"between": [0.2, 0.1]}, {"between": []},
    {"between": None}, {"dist": "normal", "mean": 0.1, "sd": 0.1}, {"dist": "normal", "mean": -9, "sd": 0.1},
    {"dist": "uniform", "min": -1, "max": 9}, {"dist": "beta", "a": 1e-6, "b": 1e6}, {"dist": {}}, {"dist": "pert"},
    {"mean": 0.1, "sd": 0.05}, {"mean": 0.1, "sd": 0}, {"by_tenure": [0.2, 0.1]}, {"sbg": {"alpha": 1, "beta": 2}},
    {"alpha": 1}, {"rate": 0.1}, {"rate": {"rate": 0.1}}, {"ledger": "x.csv"}, {"extends": "nrr-105.yaml"},
]  # fmt: skip
NAMES = [
    "", "all", "smb", "rate", "size", "between", "dist", "mean", "extends", "book", "drivers", "churn", "title",
    "notebook", "ledger", "months", "source", "<<", "~", "true", "1", "x.y", "日本", "{{x}}", "a" * 300,
]  # fmt: skip
# Put into a line of the text: tags, anchors, merges, other documents, signs that are not seen.
TEXTS = [
    "!!set {a, b}", "!!binary aGk=", "!!omap [a: 1]", "!!timestamp 2026-01-01", "!!python/name:os.system", "!x y",
    "!!int x", "!!float x", "!!bool x", "!!null x", "!!map x", "!!seq {a: 1}", "!!str 12", "&a [*a]", "&a {<<: *a}",
    "*none", "<<: 3", "? [a]\n: b", "? {a: b}\n: c", "~: 1", "--- 2", "...", "%TAG ! x", "\x1b[31m", "\x00", "\ufeff",
    "017", "0o17", "0o99", "12:30:45", "1_0", "0xg", ".inf", "-.INF", ".NaN", "= ", "@x", "`x", "{a: }", "[a, ]", "- - - 1",
    "|\n  x", ">-\n  x", "'", '"\\u0007"', '"\\ud800"', "\t", "#", ": ", "a: b: c",
]  # fmt: skip


def places(tree, at=()):
    """Where everything stands in a tree."""
    pairs = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for key, value in pairs:
        yield (*at, key)
        yield from places(value, (*at, key))


def holder(tree, at):
    for key in at[:-1]:
        tree = tree[key]
    return tree


def changed(tree, rng: random.Random) -> tuple[str, object]:
    """One change of a tree, and what it is called."""
    tree = copy.deepcopy(tree)
    known = list(places(tree))
    if not known:
        return "nothing", tree
    at = rng.choice(known)
    inside, key = holder(tree, at), at[-1]
    kind = rng.choice(("drop", "double", "retype", "rename", "nest"))
    if kind == "drop":
        del inside[key]
    elif kind == "double":
        # what stands here stands somewhere else, too
        other = rng.choice(known)
        holder(tree, other)[other[-1]] = copy.deepcopy(inside[key])
    elif kind == "retype":
        inside[key] = copy.deepcopy(rng.choice(VALUES))
    elif kind == "rename" and isinstance(inside, dict):
        inside[rng.choice([*NAMES, *map(str, inside), f"{key}x", str(key)[:-1]])] = inside.pop(key)
    else:
        kind = "nest"
        inside[key] = rng.choice(({"x": inside[key]}, [inside[key]], {str(key): inside[key]}))
    return kind, tree


def mutants(files, rng: random.Random, number: int):
    """Kind, name and text of each."""
    trees = {file: read_yaml(file, "file").values for file in files}
    for _ in range(number):
        file = rng.choice(files)
        if rng.random() < 0.25:
            lines = file.read_text(encoding="utf-8").splitlines()
            at = rng.randrange(len(lines))
            name, colon, _ = lines[at].partition(": ")
            own = rng.choice(TEXTS)
            lines[at] = rng.choice(
                (f"{name}{colon}{own}", own, f"{lines[at]}{own}", f"{lines[at]}\n{lines[at]}")
            )
            yield "text", file.name, "\n".join(lines)
            continue
        kind, tree = "nothing", trees[file]
        for _ in range(rng.choice((1, 1, 2, 3))):
            kind, tree = changed(tree, rng)
        yield kind, file.name, yaml_text(tree) if isinstance(tree, dict) else "[]"


@pytest.fixture
def no_longer_than():
    """An error where one takes longer than it may."""

    def late(*_):
        raise AssertionError(f"took longer than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, late)
    yield lambda: signal.alarm(SECONDS)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.slow
def test_scenarios_that_are_broken(tmp_path, capsys, no_longer_than):
    for each in SCENARIOS:
        (tmp_path / each.name).write_bytes(each.read_bytes())
    ended, kinds = Counter(), Counter()
    for kind, name, text in mutants(SCENARIOS, random.Random(SEED), MUTANTS):
        path = tmp_path / f"mutant-{name}"
        path.write_text(text, encoding="utf-8")
        no_longer_than()
        code = 0
        try:
            commands.main(["expect", str(path)])
        except SystemExit as left:
            code = left.code or 0
        out, err = capsys.readouterr()
        about = f"{kind}\n{text}\n{out}\n{err}"
        assert code in (0, 2), about
        assert "does not expect" not in err, about
        assert "Traceback" not in err, about
        assert "nan" not in out.lower().split(), about
        assert code == 0 or str(tmp_path) in err, about
        assert all(sign.isprintable() or sign == "\n" for sign in out + err), about
        ended[code] += 1
        kinds[kind] += 1
    with capsys.disabled():
        print(
            f"\nscenarios: {sum(ended.values()):,} mutants, {dict(ended)} by exit code, {dict(kinds)}"
        )
    assert min(ended[0], ended[2]) > MUTANTS / 20


def refused(card) -> str:
    """What is said of a card that cannot be read; nothing of one that can."""
    try:
        read_card(card)
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.slow
def test_cards_that_are_broken(tmp_path, capsys, no_longer_than):
    ended = Counter()
    for kind, name, text in mutants(CARDS, random.Random(SEED + 1), MUTANTS):
        path = tmp_path / f"mutant-{name}"
        path.write_text(text, encoding="utf-8")
        no_longer_than()
        said = refused(path)
        about = f"{kind}\n{text}\n{said}"
        assert not said or str(tmp_path) in said, about
        assert all(sign.isprintable() or sign == "\n" for sign in said), about
        ended["refused" if said else "read"] += 1
    with capsys.disabled():
        print(f"\ncards: {sum(ended.values()):,} mutants, {dict(ended)}")
    assert min(ended.values()) > MUTANTS / 20
