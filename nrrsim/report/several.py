"""Run cards in, the report of each made side by side out; never one before those that it reads.

Each is made by the command itself, as a process of its own: what ends this one is handed on, and
each clears away what it has begun. A card waits for those of its company that are of an earlier
month: it is compared with their reports.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from nrrsim.errors import UsageError
from nrrsim.months import parse_month
from nrrsim.report.card import AS_OF, read_card
from nrrsim.report.published import NONE, PREVIOUS

# what lies in the folder that one works in is no module of ours
COMMAND = (sys.executable, "-P", "-c", "from nrrsim.cli import main; main()", "report")
UTF_8 = {"PYTHONIOENCODING": "utf-8"}  # where we read it, not in the shell's own code page


@dataclass(frozen=True)
class Made:
    """What the command said of one card: on stdout, on stderr, and its exit code."""

    out: str
    said: str
    code: int


@dataclass
class _Run:
    """The processes that are at work, and whether more may begin."""

    words: Sequence[str]
    is_over: Event = field(default_factory=Event)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def one(self, card: str, before: Sequence[Future[Made | None]]) -> Made | None:
        """The report of one card, after those `before` it; None where one has failed by then."""
        for each in before:
            each.result()
        if self.is_over.is_set():
            return None
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [*COMMAND, card, *self.words],
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            env={**os.environ, **UTF_8},
            encoding="utf-8",
            errors="replace",
        )
        self.processes.append(process)
        if self.is_over.is_set():  # while it was started
            process.terminate()
        made = Made(*process.communicate(), process.returncode)
        if made.code:
            self.is_over.set()
        return made

    def end(self) -> None:
        """Have each clear away what it has begun, and wait for that."""
        self.is_over.set()
        for process in self.processes:
            if process.poll() is None:
                process.terminate()


def side_by_side(
    cards: Sequence[str],
    files: Sequence[Path],
    words: Sequence[str],
    number: int,
    over: Mapping[str, Any],
    latest: bool = False,
) -> Generator[Made]:
    """What is made of each card, in their order, by so many processes at a time.

    cards : as the command is to be told of them. files : where each is. words : what else it is
    told. over, latest : as for `run_card`. After the first that fails none begins, and what is done
    by then is told.
    """
    order, waits = _waits(files, over, latest)
    run = _Run(words)
    with ThreadPoolExecutor(number) as pool:
        futures: dict[int, Future[Made | None]] = {}
        # each stands behind those that it waits for, so that one of these is always at work
        for place in order:
            before = [futures[each] for each in waits[place]]
            futures[place] = pool.submit(run.one, cards[place], before)
        try:
            for place in range(len(cards)):
                if (made := futures[place].result()) is not None:
                    yield made
        finally:
            run.end()


def _waits(
    files: Sequence[Path], over: Mapping[str, Any], latest: bool
) -> tuple[list[int], dict[int, list[int]]]:
    """In which order cards begin, and which each of them waits for."""
    known = {place: _known(file, over, latest) for place, file in enumerate(files)}
    order = sorted(known, key=lambda place: known[place].month)
    waits = {
        place: [
            other
            for other in order[:turn]
            if known[place].reads
            and known[other].company == known[place].company
            # as of the same month neither is the other's last report; of which is not known yet
            and (latest or known[other].month < known[place].month)
        ]
        for turn, place in enumerate(order)
    }
    return order, waits


@dataclass(frozen=True)
class _Known:
    company: str = ""
    month: int = 0
    reads: bool = False  # whether it is compared with an earlier report


def _known(file: Path, over: Mapping[str, Any], latest: bool) -> _Known:
    with suppress(UsageError):  # which is for its own run to say
        card = read_card(file, {**over, AS_OF: "2000-01"} if latest else over)
        said = {**card.defaults, **card.parameters}
        reads = PREVIOUS in card.defaults and said[PREVIOUS] != NONE
        return _Known(str(said.get("company")), parse_month(said.get(AS_OF), AS_OF), reads)
    return _Known()
