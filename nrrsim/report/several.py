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
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
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


class _Run:
    """Cards that wait for others, those at work, and what became of each."""

    def __init__(
        self,
        commands: Sequence[Sequence[str]],
        waits: Mapping[int, list[int]],
        ends_early: bool = True,
    ) -> None:
        self.commands, self.ends_early = commands, ends_early
        self.made: list[Future[Made | None]] = [Future() for _ in commands]
        self._waits = {place: {*others} for place, others in waits.items()}
        self._is_over = False
        self._processes: list[subprocess.Popen[str]] = []
        self._lock = Lock()

    def go_on(self, pool: ThreadPoolExecutor) -> None:
        """Let begin what waits for nothing any more; when all is over, nothing."""
        with self._lock:
            ready = [place for place, others in self._waits.items() if self._is_over or not others]
            for place in ready:
                del self._waits[place]
                if self._is_over:
                    self.made[place].set_result(None)
                else:
                    pool.submit(self._one, place, pool)

    def _one(self, place: int, pool: ThreadPoolExecutor) -> None:
        try:
            made = None if self._is_over else self._run(self.commands[place])
            with self._lock:
                self._is_over |= made is None or (self.ends_early and made.code != 0)
                for others in self._waits.values():
                    others.discard(place)
            self.go_on(pool)
            self.made[place].set_result(made)
        except BaseException as error:
            self.made[place].set_exception(error)

    def _run(self, command: Sequence[str]) -> Made:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            env={**os.environ, **UTF_8},
            encoding="utf-8",
            errors="replace",
        )
        self._processes.append(process)
        if self._is_over:  # while it was started
            process.terminate()
        return Made(*process.communicate(), process.returncode)

    def end(self) -> None:
        """Have each clear away what it has begun; nothing begins any more."""
        self._is_over = True
        for process in self._processes:
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
    told. over, latest : as for `run_card`. After the first that fails none begins, and what is at
    work by then is told, too.
    """
    run = _Run([[*COMMAND, card, *words] for card in cards], _waits(files, over, latest))
    yield from _told(run, number)


def each_of(commands: Sequence[Sequence[str]], number: int) -> Generator[Made]:
    """What is made of each command's words, in their order, by so many processes at a time.

    None waits for another, and one that fails ends none of the others.
    """
    waits: dict[int, list[int]] = {place: [] for place in range(len(commands))}
    run = _Run([[*COMMAND, *words] for words in commands], waits, ends_early=False)
    yield from _told(run, number)


def _told(run: _Run, number: int) -> Generator[Made]:
    with ThreadPoolExecutor(number) as pool:
        try:
            run.go_on(pool)
            for each in run.made:
                if (made := each.result()) is not None:
                    yield made
        finally:
            run.end()


def _waits(files: Sequence[Path], over: Mapping[str, Any], latest: bool) -> dict[int, list[int]]:
    """Which cards each of them waits for, in the order in which they begin: by month."""
    known = [_known(file, over, latest) for file in files]
    order = sorted(range(len(known)), key=lambda place: known[place].month)
    return {
        place: [
            other
            for other in order[:turn]
            if known[place].reads
            and known[other].company == known[place].company
            # as of one month neither is the other's last report, if it is known yet
            and (latest or known[other].month < known[place].month)
        ]
        for turn, place in enumerate(order)
    }


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
