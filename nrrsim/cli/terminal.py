"""All that is printed or logged in, lines that no terminal obeys out; never knows what is said.

A customer, a title or a file may be called anything. Whatever reaches stdout or stderr goes through
one stream, which spells out what a terminal would act upon instead of showing it.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TextIO

from nrrsim.notation import visible

# What ends a command, where the system knows it: Ctrl-C, a polite kill, a terminal that is closed.
ENDS = ("SIGINT", "SIGTERM", "SIGHUP")


class Ended(SystemExit):
    """A signal ended the command; its exit code is a shell's, 128 more than the signal's number.

    Neither click nor a library takes it for an error of its own, so that all is cleared away.
    """


class Visible(io.TextIOBase):
    """A stream whose text arrives as people can see it, in characters that `beneath` can write.

    To who writes it is no terminal, as no control code gets through; `beneath` may be one.
    """

    def __init__(self, beneath: TextIO) -> None:
        self.beneath = beneath

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.beneath.encoding or "utf-8"

    def write(self, text: str) -> int:
        plain = visible(text).encode(self.encoding, "backslashreplace").decode(self.encoding)
        with self._read():
            self.beneath.write(plain)
        return len(text)

    def flush(self) -> None:
        with self._read():
            self.beneath.flush()

    @contextmanager
    def _read(self) -> Iterator[None]:
        """Where who reads has enough, what is left goes nowhere: Python flushes at its end, too."""
        try:
            yield
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            raise

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.beneath.fileno()


def animated() -> TextIO | None:
    """The terminal behind stderr, where something may move; None where there is none."""
    beneath = sys.stderr.beneath if isinstance(sys.stderr, Visible) else sys.stderr
    return beneath if beneath.isatty() else None


def can_ask() -> bool:
    """Whether somebody sits there to be asked: stdin and stdout are both a terminal."""
    out = sys.stdout.beneath if isinstance(sys.stdout, Visible) else sys.stdout
    return all(each is not None and not each.closed and each.isatty() for each in (sys.stdin, out))


@contextmanager
def kept_visible() -> Iterator[None]:
    """Within it, what anybody prints or logs is visible; a log line is one line, no traceback."""
    out, err = sys.stdout, sys.stderr
    # a stream that the shell has closed is None
    sys.stdout, sys.stderr = (each and Visible(each) for each in (out, err))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        sys.stdout, sys.stderr = out, err


@contextmanager
def stdout_for_programs() -> Iterator[None]:
    """Within it stdout is the stream beneath: a program reads there, and no terminal."""
    out = sys.stdout
    sys.stdout = out.beneath if isinstance(out, Visible) else out
    try:
        yield
    finally:
        sys.stdout = out


class _OneLine(logging.Formatter):
    """The message, and what was raised in a few words; where, with NRRSIM_DEBUG."""

    def format(self, record: logging.LogRecord) -> str:
        if os.environ.get("NRRSIM_DEBUG"):
            return super().format(record)
        said, raised = (
            record.getMessage().partition("\n")[0],
            record.exc_info and record.exc_info[1],
        )
        return f"{said} ({type(raised).__name__}: {raised})" if raised else said


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within it, whatever ends the command raises Ended; what was ignored (nohup) still is."""
    before = {}
    for number in (getattr(signal, name) for name in ENDS if hasattr(signal, name)):
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            try:
                before[number] = signal.signal(number, _end)
            except ValueError:  # not the main thread: signals are another's
                break
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ended_at_once() -> Iterator[None]:
    """Within it whatever ends the command ends the process there and then: one that reads from a
    program would else wait for its next line. What it has started ends with it.
    """
    before = {}
    for number in (getattr(signal, name) for name in ENDS if hasattr(signal, name)):
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            before[number] = signal.signal(number, lambda number, _: os._exit(128 + number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_at_once(code: int) -> None:
    """End the process in good order, but leave it to the system to clear its memory: Python would
    first take apart all that was loaded, which takes longer than many a command.

    Returns where stdout or stderr cannot be written to: how to say so is Python's.
    """
    # as Python's own processes do that end so (multiprocessing): pools let their threads go first
    ended: Any = threading
    ended._shutdown()
    atexit._run_exitfuncs()
    try:
        for each in filter(None, (sys.stdout, sys.stderr)):
            each.flush()
    except (OSError, ValueError):
        return
    os._exit(code)


def _end(number: int, _: FrameType | None) -> None:
    # a terminal that is closed may send two of them: the second does not stop the clearing away
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    raise Ended(128 + number)
