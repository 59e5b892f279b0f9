"""Sources and tests in, the mutants that no test notices out; changes a copy, never the working tree.

A mutant is the package with one small wrong turn: a comparison, a constant or an operator exchanged, or a call dropped.
Which are drawn hangs on the seed and on a mutant's name alone (its function, its place in the function's tree, what is
written there): where functions move to another file, the same are drawn again.

    python tests/benchmarks/mutants.py                               draw, try all, list who survives (hours)
    python tests/benchmarks/mutants.py --list                        draw and print
    python tests/benchmarks/mutants.py metrics=nrrsim/metrics.py     only this room, and where it is
    python tests/benchmarks/mutants.py --was roll=CustomerMonths.roll         a function's name of before, to find its mutants

Exit code 1 where a mutant survives.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEED, NUMBER = 20260930, 40
KINDS = ("comparison", "constant", "operator", "call")
# Where each room is: a file, and which of its functions (all, where none is named).
ROOMS = {
    "kernel": "nrrsim/engine/kernel.py",
    "moments": "nrrsim/engine/paths.py",
    "expectation": "nrrsim/engine/expectation.py",
    "rollforward": "nrrsim/ledger/rollforward.py",
    "metrics": "nrrsim/metrics.py",
    "frontier": "nrrsim/analysis/frontier.py",
}
# The tests that concern a room run first; only who survives them meets all the others.
NEAREST = {
    "kernel": "test_engine test_beliefs",
    "moments": "test_exact test_one_month test_bridge",
    "expectation": "test_one_month test_exact test_engine test_scenario test_scenario_errors",
    "rollforward": "test_ledger test_metrics test_properties test_shared test_actuals",
    "metrics": "test_metrics test_properties test_ledger test_actuals test_comparison",
    "frontier": "test_bridge test_comparison",
}
POOL = "-n 2 --dist loadfile --no-loadscope-reorder"
EVERYTHING = f"{POOL} --ignore-glob *test_browser.py notebooks tests"
PYTEST = "-m pytest -x -q -p no:cacheprovider --nbval-lax --nbval-current-env"
LIMIT = 900  # seconds; what takes longer hangs
HANGS, CRASHES = "(it hangs)", "(it crashes)"  # which is noticed, too

# Each of a pair is exchanged for the other.
COMPARED = ["Lt LtE", "Gt GtE", "Eq NotEq", "Is IsNot", "In NotIn"]
WORKED = ["Add Sub", "Mult Div", "Mult FloorDiv", "Mult Mod", "Mult Pow", "BitAnd BitOr", "And Or"]
WORKED += ["BitAnd BitXor", "LShift RShift"]


def exchanged(pairs: Sequence[str]) -> dict[type, type]:
    """Syntax for syntax; where one stands in several pairs, the first counts."""
    found: dict[type, type] = {}
    for one, other in (pair.split() for pair in pairs):
        found.setdefault(getattr(ast, one), getattr(ast, other))
        found.setdefault(getattr(ast, other), getattr(ast, one))
    return found


COMPARISONS, OPERATORS = exchanged(COMPARED), exchanged(WORKED)
NOT_CODE = (ast.Raise, ast.Assert, ast.JoinedStr)


@dataclass(frozen=True)
class Mutant:
    """`was` at `line` of `path` becomes `now`; `span`: from and to which byte of the file it stands."""

    room: str
    kind: str
    function: str
    place: int
    path: Path
    line: int
    span: tuple[int, int]
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.room:11} {self.kind:10} {self.function}[{self.place}] line {self.line}: {self.was} -> {self.now}"

    def rank(self, seed: int, was_called: Mapping[str, str]) -> str:
        """Who ranks lowest is drawn: a number that looks random, and knows nothing of files and lines."""
        function = was_called.get(self.function, self.function)
        name = f"{seed} {self.kind} {function} {self.place} {self.was} {self.now}"
        return hashlib.sha256(name.encode()).hexdigest()

    def of(self, text: bytes) -> bytes:
        """The file with the mutant in it."""
        begin, end = self.span
        return text[:begin] + self.now.encode() + text[end:]


# --- every mutant that there is ----------------------------------------------------------------------------


def mutants(room: str, path: Path, names: Sequence[str]) -> Iterator[Mutant]:
    """Every mutant of a file's functions, or of those named."""
    text = path.read_bytes()
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    imported, functions = parts_of(ast.parse(text))
    if missing := set(names) - set(functions):
        sys.exit(f"{path}: there is no function {', '.join(sorted(missing))}")

    for name, function in functions.items():
        if (names and name not in names) or name.endswith("__repr__"):
            continue
        for place, node in enumerate(code_of(function)):
            for kind, other in wrong(node, imported):
                whole = isinstance(node, ast.stmt)
                now = ast.unparse(ast.fix_missing_locations(other))
                span = (
                    starts[node.lineno - 1] + node.col_offset,
                    starts[node.end_lineno - 1] + node.end_col_offset,
                )
                was, now = ast.unparse(node), now if whole else f"({now})"
                yield Mutant(room, kind, name, place, path, node.lineno, span, was, now)


def parts_of(tree: ast.Module) -> tuple[set[str], dict[str, ast.AST]]:
    """The names of the modules that a file imports, and its functions by their qualified names."""
    imported = {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    functions: dict[str, ast.AST] = {}

    def enter(node: ast.AST, within: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                name = f"{within}{child.name}"
                if isinstance(child, ast.FunctionDef):
                    functions[name] = child  # what is defined inside it is a part of it
                else:
                    enter(child, f"{name}.")

    enter(tree, "")
    return imported, functions


def code_of(node: ast.AST) -> Iterator[ast.AST]:
    """What runs of a function, in its order: no docstring, no annotation, no text, nothing that raises or asserts."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, NOT_CODE):
                yield child
                yield from code_of(child)


def wrong(node: ast.AST, imported: set[str]) -> Iterator[tuple[str, ast.AST]]:
    """The wrong turns that can be taken at a node: kind, and what would be written there."""
    other = copy.deepcopy(node)
    match other:
        case ast.Compare(ops=[op, *_]):
            other.ops[0] = COMPARISONS[type(op)]()
            yield "comparison", other
        case ast.Constant(value=bool(value)):
            other.value = not value
            yield "constant", other
        case ast.Constant(value=int(value) | float(value)):
            other.value = value + 1
            yield "constant", other
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op) if type(op) in OPERATORS:
            other.op = OPERATORS[type(op)]()
            yield "operator", other
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield "operator", operand
        case ast.Call(func=ast.Attribute(value=of)) if getattr(of, "id", "") not in imported:
            yield "call", of  # a method: what it is of; else, below, a function: what it is given
        case ast.Call(args=[first, *_]) if not isinstance(first, ast.Starred):
            yield "call", first


def drawn(
    rooms: Mapping[str, str], number: int, seed: int, was_called: Mapping[str, str], root: Path
) -> list[Mutant]:
    """One of each kind from each room, then a second one, and so on, until there are enough."""
    found = []
    for room, where in rooms.items():
        file, _, names = where.partition("::")
        there = list(mutants(room, root / file, [name for name in names.split(",") if name]))
        for kind in KINDS:
            of_kind = [mutant for mutant in there if mutant.kind == kind]
            found += enumerate(sorted(of_kind, key=lambda mutant: mutant.rank(seed, was_called)))
    return [mutant for _, mutant in sorted(found, key=lambda each: each[0])[:number]]


# --- whether the tests notice ------------------------------------------------------------------------------


@contextlib.contextmanager
def copied(root: Path, whole: Path) -> Iterator[Path]:
    """A checkout beside the same data, and of the same name."""
    with tempfile.TemporaryDirectory(prefix="mutant-", ignore_cleanup_errors=True) as folder:
        place = Path(folder) / whole.name
        unneeded = shutil.ignore_patterns(".venv*", ".*_cache", ".hypothesis", "dist", "build")
        shutil.copytree(root, place, symlinks=True, ignore=unneeded)
        if (shared := whole.parent / "shared").exists():
            (place.parent / "shared").symlink_to(shared.resolve())
        yield place


def failure(place: Path, tests: Sequence[str], limit: float | None = None) -> str | None:
    """The first test that fails in a checkout (a file, where none of its tests is reached); None where all pass."""
    command = [sys.executable, *PYTEST.split(), *tests]
    environment = {**os.environ, "PYTHONPATH": str(place)}
    with subprocess.Popen(
        command,
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as run:
        try:
            told = run.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
            return HANGS
    if run.returncode <= 0:
        return CRASHES if run.returncode else None
    name = re.search(r"^(?:FAILED|ERROR) (\S+?\.ipynb|\S+?\.py(?:::\w+)?)", told, re.MULTILINE)
    if name is None:
        sys.exit(f"pytest could not run:\n{told}")
    return name[1]


def nearest(root: Path, room: str) -> list[str]:
    """The files of the tests that concern a room, wherever below tests/ they are."""
    found = {path.stem: str(path.relative_to(root)) for path in root.glob("tests/**/test_*.py")}
    return [found[name] for name in NEAREST[room].split()]


def tried(
    these: Sequence[Mutant], root: Path, options: Sequence[str]
) -> Iterator[tuple[Mutant, str | None, float]]:
    """Each mutant with the test that noticed it, and seconds; at the end those whom none did (None)."""
    with copied(root, root) as plain:

        @cache
        def fails_anyway(test: str) -> bool:
            return failure(plain, [test, *options]) is not None

        def noticed(mutant: Mutant, tests: Sequence[str]) -> str | None:
            with copied(plain, root) as place:
                path = place / mutant.path.relative_to(root)
                path.write_bytes(mutant.of(path.read_bytes()))
                for stale in path.parent.glob(f"__pycache__/{path.stem}.*"):
                    stale.unlink()  # what was compiled of it, by Python and by numba
                found = failure(place, [*tests, *options], LIMIT)
            if found and found not in (HANGS, CRASHES) and fails_anyway(found):
                sys.exit(f"{found} fails without any mutant, too, so it tells nothing")
            return found

        # It leaves the compiled kernel, which the copies take along, but where the kernel is what changes.
        if fails_anyway(compiles := nearest(root, "moments")[0]):
            sys.exit(f"{compiles} fails without any mutant")

        alive = []
        for mutant in these:
            begin = time.monotonic()
            if found := noticed(mutant, nearest(root, mutant.room)):
                yield mutant, found, time.monotonic() - begin
            else:
                alive.append(mutant)
        for mutant in alive:
            begin = time.monotonic()
            yield mutant, noticed(mutant, EVERYTHING.split()), time.monotonic() - begin


def main() -> None:
    """Draw, try, and list who survives."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("rooms", nargs="*", metavar="ROOM=FILE[::FUNCTION,...]", help=f"of {', '.join(ROOMS)}")
    add("--number", type=int, default=NUMBER)
    add("--seed", type=int, default=SEED)
    add("--was", action="append", default=[], metavar="NOW=BEFORE", help="a renamed function")
    add("--root", type=Path, default=ROOT, help="another checkout, with its own tests")
    add("--slow", action="store_true", help="try the tests that are marked slow, too")
    add("--list", action="store_true", help="draw and print, try none")
    asked = parser.parse_args()

    rooms = dict(each.split("=", 1) for each in asked.rooms) or ROOMS
    if unknown := set(rooms) - set(ROOMS):
        sys.exit(f"{', '.join(unknown)}: no such room; there are {', '.join(ROOMS)}")
    root = asked.root.resolve()
    was_called = dict(each.split("=", 1) for each in asked.was)
    these = drawn(rooms, asked.number, asked.seed, was_called, root)
    if asked.list:
        print(*these, sep="\n")
        return

    alive = []
    options = [] if asked.slow else ["-m", "not slow"]
    for mutant, noticed, took in tried(these, root, options):
        print(f"{mutant}\n    {noticed or 'SURVIVES'} ({took:.0f} s)", flush=True)
        alive += [] if noticed else [mutant]
    print(f"{len(these) - len(alive)} of {len(these)} noticed; who survives:")
    print(*(alive or ["nobody"]), sep="\n")
    sys.exit(bool(alive))


if __name__ == "__main__":
    main()
