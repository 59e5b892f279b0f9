"""How far a run is in, what a terminal shows of it out; never writes where nobody looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nrrsim.cli.terminal import animated
from nrrsim.notation import visible

PATIENCE = 1.0  # seconds after which a terminal is told what goes on


@contextmanager
def progress(total: int, what: str, quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """What to tell how far a run is: a bar on a terminal's stderr, once it takes over a second."""
    terminal = None if quiet else animated()
    if terminal is None:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} " + what),
        BarColumn(),
        TimeRemainingColumn(),
    )
    # the bar alone: what is printed meanwhile keeps its way
    bar = Progress(
        *columns,
        console=Console(file=terminal),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    task, begin = bar.add_task(what, total=total), time.monotonic()

    def advance(done: int) -> None:
        bar.update(task, completed=done)
        if time.monotonic() - begin > PATIENCE and not bar.live.is_started:
            bar.start()

    try:
        yield advance
    finally:
        bar.stop()


@contextmanager
def waiting(what: str, quiet: bool) -> Iterator[None]:
    """Say on a terminal's stderr what goes on, and for how long, once it takes over a second."""
    terminal = None if quiet else animated()
    if terminal is None:
        yield
        return
    shown: list[Any] = []

    def show() -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        # a file may be called like a colour
        words = TextColumn("{task.description}", markup=False)
        columns = (SpinnerColumn(), words, TimeElapsedColumn())
        bar = Progress(
            *columns,
            console=Console(file=terminal),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        bar.add_task(visible(what), total=None)
        bar.start()
        shown.append(bar)

    # what goes on does not come back to say so
    timer = threading.Timer(PATIENCE, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        for bar in shown:
            bar.stop()
