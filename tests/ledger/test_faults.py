"""A campaign of faults: each plain ledger with a fault ends in the right number or one refusal.

The right number is that of `strict_reader`. A ledger that it reads must be read; one that it does
not read must be refused, by its file and the line of the cell, unless the fault says what the file
means all the same. `python tests/ledger/test_faults.py` prints the counts by kind, and what failed.
"""

import itertools
import json
import os
import random
import re
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import strict_reader
from command import Answer, asked, asked_in_a_child
from faults import KINDS, SEED, Book, Fault, books, faults, parquet, workbook

RIGHT, REFUSED, WRONG = "right number", "refused", "wrong"
NOISE = r"does not expect|Traceback|Warning|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
# One cell is one cause: so many lines may say so.
MOST_LINES = 3
IN_A_CHILD = ("131,073 characters", "empty file", "10,000 columns")


class Verdict(NamedTuple):
    """How one fault ended: `why` it is wrong, and the last line that was said."""

    kind: str
    book: str
    outcome: str
    why: str
    line: str


def judged(kind: str, book: Book, fault: Fault, folder: Path) -> Verdict:
    path = folder / f"ledger.{fault.ending}"
    path.write_bytes(fault.data)
    said = answer(kind, book, fault, path)
    is_text = fault.ending == "csv" and not fault.other
    plain = number(fault.data, book.as_of) if is_text else None

    if noise := re.search(NOISE, said.said):
        why = f"rc {said.code}, says {noise[0]!r}"
    elif said.code == 0:
        allowed = [number(each, book.as_of) for each in fault.means] if plain is None else [plain]
        why = wrong_number(said, [each for each in allowed if each], fault.says)
    elif said.code in (2, 3):
        must = plain is not None and fault.must
        why = "a plain ledger is refused" if must else wrong_refusal(said, path.name, fault.line)
    else:
        why = f"rc {said.code}"
    outcome = WRONG if why else (REFUSED if said.code else RIGHT)
    return Verdict(kind, book.name, outcome, why, said.last_line)


def answer(kind: str, book: Book, fault: Fault, path: Path) -> Answer:
    words = ["metrics", path.name, "--as-of", book.as_of, "--json"]
    if fault.other:
        with replaced_all_the_time(path, [fault.data, fault.other]):
            return asked_in_a_child(words, path.parent)
    is_safe = fault.ending == "csv" and kind not in IN_A_CHILD
    return (asked if is_safe else asked_in_a_child)(words, path.parent)


@contextmanager
def replaced_all_the_time(path: Path, versions: Sequence[bytes]) -> Iterator[None]:
    """Each version in turn is the file, each time whole, until it is over."""
    over, beside = threading.Event(), path.with_suffix(".next")

    def replace() -> None:
        for version in itertools.cycle(versions):
            beside.write_bytes(version)
            os.replace(beside, path)
            if over.wait(0.002):
                return

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def number(data: bytes, as_of: str) -> dict[str, dict[str, float | None]] | None:
    """What a plain ledger says; None where it is not plain."""
    try:
        return strict_reader.retention(data, as_of)
    except (ValueError, KeyError):
        return None


def wrong_number(said: Answer, allowed: Sequence[dict[str, Any]], says: str) -> str:
    found = json.loads(said.out)
    if not any(same(found, each) for each in allowed):
        return "a number, and not the right one" if allowed else "a number"
    return "" if re.search(says, said.err) else "the right number, and nothing is said"


def same(found: dict[str, Any], right: dict[str, dict[str, float | None]]) -> bool:
    """Of all, and of each segment; one without revenue may be there or not."""
    paid = {name: part for name, part in found["segments"].items() if part["opening"]}
    parts = {"": found, **paid}
    near = {"opening": {"abs": 0.005, "rel": 1e-9}, "closing": {"abs": 0.005, "rel": 1e-9}}
    return set(parts) == set(right) and all(
        parts[name][key] == pytest.approx(value, **near.get(key, {"abs": 1e-9}))
        for name, part in right.items()
        for key, value in part.items()
    )


def wrong_refusal(said: Answer, file: str, line: int) -> str:
    lines = said.err.splitlines()
    # of a fault of the whole file: what was asked for may not be in what is left of it
    if not line and re.search("as_of|a window of", said.err):
        return ""
    if file not in said.err:
        return "the refusal does not name the file"
    # a row that a line end cuts in two may be told by its second half
    if line and not re.search(rf"{re.escape(file)}:({line}|{line + 1})\b", said.err):
        return "the refusal does not name the line"
    return f"{len(lines)} lines for one cell" if line and len(lines) > MOST_LINES else ""


def campaign(kinds: Sequence[str], cells: int, folder: Path) -> Iterator[Verdict]:
    """Every fault of these kinds, of four ledgers each; those of a cell in so many cells."""
    for kind, book in itertools.product(kinds, books()):
        for fault in faults(kind, book, cells):
            yield judged(kind, book, fault, folder)


def counts(verdicts: Sequence[Verdict]) -> list[str]:
    """A line a kind: how many ended in what, and what was wrong, most often first."""
    heading = f"{'kind':26}{RIGHT:>14}{REFUSED:>10}{WRONG:>8}"
    lines = [heading]
    for kind in dict.fromkeys(each.kind for each in verdicts):
        mine = [each for each in verdicts if each.kind == kind]
        found = Counter(each.outcome for each in mine)
        lines.append(f"{kind:26}{found[RIGHT]:14,}{found[REFUSED]:10,}{found[WRONG]:8,}")
        for why, times in Counter(each.why for each in mine if each.why).most_common():
            last = next(each for each in mine if each.why == why)
            lines.append(f"    {times} x {why} ({last.book}): {last.line[:150]}")
    total = Counter(each.outcome for each in verdicts)
    return [*lines, f"{'all':26}{total[RIGHT]:14,}{total[REFUSED]:10,}{total[WRONG]:8,}"]


BY_HAND = b"""customer,month,mrr,segment
Alder,2024-01,10,smb
Alder,2025-01,15.00,smb
Birch,2024-01,10,smb
Birch,2025-01,5,smb
Cedar,2024-01,10,mid
Cedar,2025-01,0,mid
Dogwood,2025-01,70,mid
"""


def test_the_strict_reader_by_hand():
    found = strict_reader.retention(BY_HAND, "2025-01")
    assert found[""] == {"nrr": 20 / 30, "grr": 0.5, "logo": 2 / 3, "opening": 360, "closing": 240}
    assert found["smb"]["nrr"] == 1.0
    assert found["mid"] == {"nrr": 0, "grr": 0, "logo": 0, "opening": 120, "closing": 0}
    assert strict_reader.retention(BY_HAND.replace(b"mrr", b"arr"), "2025-01")[""]["opening"] == 30


NOT_PLAIN = {
    b"Alder,2024-01": [b"Al\0der,2024-01", b'Al"der,2024-01', b" ,2024-01", b"Alder,2024-13"],
    b"15.00": [b"15.0.0", b"1e3", b"-15", b"", b"15.00,", b'15"', "15\u200b".encode()],
    b"Birch,2025-01": [b"Alder,2025-01", b"Birch,2025-02", b"0Alder,2025-01", b"Birch,2026-02-30"],
    b",mid\nD": [b",mid\rD", b",\xffid\nD", b",mi\td\nD"],
    b"segment": [b"mrr", b"product", b""],
}


def test_the_strict_reader_reads_no_file_that_breaks_off():
    assert BY_HAND.endswith(b"\n")
    assert number(BY_HAND[:-1], "2025-01") is None


@pytest.mark.parametrize(
    ("old", "new"), [(old, new) for old, all_new in NOT_PLAIN.items() for new in all_new]
)
def test_the_strict_reader_reads_nothing_else(old, new):
    assert number(BY_HAND.replace(old, new, 1), "2025-01") is None


def test_the_judge_finds_a_wrong_number(tmp_path):
    book = books()[2]
    # the first customer in the last month
    less = book.with_cell(15, book.column("mrr"), "1.00")
    path = tmp_path / "ledger.csv"
    path.write_bytes(less.bytes())
    said = answer("plain", book, Fault(less.bytes()), path)
    right, wrong = number(less.bytes(), book.as_of), number(book.bytes(), book.as_of)
    assert wrong_number(said, [right], says="") == ""
    assert wrong_number(said, [wrong], says="") == "a number, and not the right one"
    assert wrong_number(said, [right], says="line end") == "the right number, and nothing is said"


@pytest.mark.parametrize("book", books(), ids=lambda book: book.name)
def test_the_ledgers_are_plain_and_read(book, tmp_path):
    assert judged("plain", book, Fault(book.bytes()), tmp_path).outcome == RIGHT


@pytest.mark.parametrize("ending", ["xlsx", "parquet"])
def test_without_a_flipped_bit_they_are_read(ending, tmp_path):
    book = books()[0]
    data = workbook(book) if ending == "xlsx" else parquet(book, tmp_path / "made.parquet")
    fault = Fault(data, (book.bytes(),), ending=ending)
    assert judged("whole", book, fault, tmp_path).outcome == RIGHT


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "10,000 columns"])
def test_one_fault_of_each_kind(kind, tmp_path):
    random_ = random.Random(f"{SEED} {kind}")
    book = random_.choice(books())
    fault = random_.choice(faults(kind, book, 1))
    verdict = judged(kind, book, fault, tmp_path)
    assert verdict.outcome in (RIGHT, REFUSED), verdict


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_all_faults_of_a_kind(kind, tmp_path, capsys):
    found = list(campaign([kind], 10, tmp_path))
    with capsys.disabled():
        print("\n".join(counts(found)[1:-1]))
    assert [each for each in found if each.outcome == WRONG] == []


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        verdicts = list(campaign(sys.argv[1:] or KINDS, 10, Path(name)))
    print("\n".join(counts(verdicts)))
    sys.exit(any(each.outcome == WRONG for each in verdicts))
