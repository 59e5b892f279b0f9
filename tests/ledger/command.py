"""Words of a command line in, exit code and what was said out; never waits longer than it is told.

In this process where nothing can go wrong but the answer, in a child of its own where a fault may
take the process down, hang, or ask for more memory than there is.
"""

import io
import logging
import multiprocessing
import os
import re
import resource
import signal
from collections.abc import Iterable
from contextlib import chdir, redirect_stderr, redirect_stdout
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from nrrsim.cli.commands import main

HUNG, DIED = -1, -2
SECONDS, BYTES = 120, 4 << 30
# What every command loads: once, and not in each child.
LOADED = ["pandas", "duckdb", "python_calamine", "xarray", "ruamel.yaml"]
LOADED += ["nrrsim.cli.commands", "nrrsim.analysis.actuals", "nrrsim.report.wording.labels"]


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    @property
    def last_line(self) -> str:
        """The last line with a word in it: frames are drawn around some messages."""
        lines = [line for line in self.said.splitlines() if re.search(r"\w", line)]
        return lines[-1].strip(" │") if lines else "nothing is said"


class TooLong(BaseException):
    """Nobody but `asked` is to catch it."""


def _too_long(*_: object) -> None:
    raise TooLong


def asked(words: Iterable[object], folder: Path, seconds: int = SECONDS) -> Answer:
    """`nrrsim` with these words in this folder, in this process: HUNG after so many seconds."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    # a log that was set up before writes to the stream of that time
    root, before = logging.getLogger(), logging.getLogger().handlers
    root.handlers = []
    handler = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(seconds)
    try:
        with chdir(folder), redirect_stdout(out), redirect_stderr(err):
            main(list(map(str, words)))
    except SystemExit as left:
        code = left.code
    except TooLong:
        return Answer(HUNG, "", f"no answer in {seconds} s")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        root.handlers = before
    return Answer(int(code or 0), out.getvalue(), err.getvalue())  # type: ignore[call-overload]


def asked_in_a_child(
    words: Iterable[object], folder: Path, seconds: float = SECONDS, memory: int = BYTES
) -> Answer:
    """The same in a child: HUNG after so many seconds, DIED where it leaves without an answer.

    `memory` is what it may take beside what is loaded.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", *LOADED])
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(theirs, list(map(str, words)), folder, memory))
    child.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(seconds) else Answer(HUNG, "", f"no answer in {seconds} s")
    except EOFError:
        child.join()
        return Answer(DIED, "", f"the process is gone (exit code {child.exitcode})")
    finally:
        child.kill()
        child.join()
        child.close()
        ours.close()


def _answer(pipe: Connection, words: list[str], folder: Path, memory: int) -> None:
    statm = Path("/proc/self/statm")
    loaded = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 0
    resource.setrlimit(resource.RLIMIT_AS, (loaded + memory, loaded + memory))
    # what native code says on its way down is not for the terminal of the tests
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    pipe.send(asked(words, folder))
    pipe.close()
