"""Files in the shapes that people have, and what is right for each: all are read.

`python tests/ledger/test_intake.py` prints them as a table.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from command import asked

INTAKE = Path(__file__).parents[3] / "shared" / "data" / "intake"
FIGURES = ("nrr", "grr", "logo", "opening", "closing")

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        not INTAKE.is_dir(), reason="the files of intake are not beside the project"
    ),
]


def expected() -> dict[str, Any]:
    if not INTAKE.is_dir():
        return {"files": {}, "spellings": {}}
    return json.loads((INTAKE / "expected.json").read_text(encoding="utf-8"))


def plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.casefold())


def metrics(file: str, case: dict[str, Any], options: list[str], folder: Path = INTAKE):
    words = ["metrics", file, *case.get("with", []), "--as-of", "2025-12", *options]
    return asked([*words, "--json"], folder)


def wrong_figures(out: str, same: Any, book: dict[str, float]) -> list[str]:
    right = book if same == "book" else same
    found = json.loads(out)
    return [
        f"{name} {found.get(name)} instead of {right[name]}"
        for name in FIGURES
        if abs((found.get(name) or 0) - right[name])
        > 1e-9 * max(1, abs(right[name])) + 1e-6 * (abs(right[name]) > 10)
    ]


def wrong(file: str, case: dict[str, Any], book: dict[str, float]) -> list[str]:
    """What is not as it is told to be."""
    first = metrics(file, case, [])
    checked = asked(["check", file, *case.get("with", [])], INTAKE)
    problems = []
    said = first.said + checked.said
    if case["how"] == "as is":
        if first.code:
            return [f"refused: {first.said.strip()[:300]}"]
        problems += wrong_figures(first.out, case["same"], book)
    else:
        if not first.code:
            return [f"read, and should be refused: {first.out[:120]}"]
        if first.code not in (2, 3):
            return [f"code {first.code}: {first.said[:300]}"]
        problems += [f"does not name {each}" for each in case["asks"] if each not in first.said]
    if case["how"] == "options":
        second = metrics(file, case, case["options"])
        said += second.said + asked(["check", file, *case["options"]], INTAKE).said
        if second.code:
            return [*problems, f"refused with options: {second.said.strip()[:300]}"]
        problems += wrong_figures(second.out, case["same"], book)
    problems += [
        f"does not say {word!r}" for word in case["says"] if plain(word) not in plain(said)
    ]
    return problems


def spelled(file: str) -> list[str]:
    """What is not as a spelling is told to be."""
    right = expected()["spellings"][file]
    path = f"spellings/{file}"
    first = asked(["check", path, "--json"], INTAKE)
    if right == "error":
        return [] if first.code == 3 else [f"read: {first.out[:100]}"]
    if isinstance(right, dict):
        problems = (
            []
            if first.code == 3 and right["asked"] in first.said
            else [f"not asked: {first.said[:200]}"]
        )
        for answer, value in right["then"].items():
            problems += value_of(path, [f"{right['asked']}={answer}"], value)
        return problems
    return value_of(path, [], right)


def value_of(path: str, options: list[str], value: Any) -> list[str]:
    as_of = "2025-12"
    answer = asked(["metrics", path, *options, "--as-of", as_of, "--json"], INTAKE)
    if answer.code:
        return [f"refused: {answer.said.strip()[:200]}"]
    found = json.loads(answer.out)
    if isinstance(value, str):  # the month: the second row is of it
        return [] if found["opening"] == 6000 else [f"another month: {answer.out[:80]}"]
    amount = found["closing"] / 12
    return [] if abs(amount - value) < 1e-6 else [f"{amount} instead of {value}"]


@pytest.mark.parametrize("file", expected()["files"])
def test_each_file_is_read_as_it_means_or_asks(file):
    told = expected()
    assert wrong(file, told["files"][file], told["book"]) == []


@pytest.mark.parametrize("file", expected()["spellings"])
def test_each_spelling_is_read_or_asked_or_refused(file):
    assert spelled(file) == []


if __name__ == "__main__":
    told, only = expected(), sys.argv[1:]
    bad = 0
    for file, case in told["files"].items():
        if only and not any(file.startswith(each) for each in only):
            continue
        problems = wrong(file, case, told["book"])
        bad += bool(problems)
        print("ok  " if not problems else "BAD ", file, *problems, sep="  ")
    for file in told["spellings"] if not only else []:
        problems = spelled(file)
        bad += bool(problems)
        if problems:
            print("BAD ", file, *problems, sep="  ")
    print(bad, "bad")
