"""A task and blocks of work in, what each block gives, as it ends, out; never knows the work.

What is shared reaches each worker once. A worker stays within one thread of its own and sends only
results back.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial, wraps
from importlib import metadata
from importlib.metadata import version
from itertools import islice
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, TypeVar

from nrrsim.errors import NrrsimError, UsageError
from nrrsim.files import to_install

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger("nrrsim")
Task = Callable[[Any, Any], Any]  # of what is shared, and of one block
AHEAD = 1_000  # blocks that are handed out at once, done or not
SECONDS_TO_CONNECT = 10
GO_ON = "what is done is kept: the same command goes on from there"


def in_processes(task: Task, shared: Any, blocks: Iterable[Any], number: int) -> Iterator[Any]:
    """By so many processes of this machine; none of them outlives this one, whatever ends it.

    Raises what a block raised, and NrrsimError where a process was killed.
    """
    # spawned: this process has run threads by now, and a fork would keep the locks that they held
    context = multiprocessing.get_context("spawn")
    line, held = context.Pipe(duplex=False)
    # the processes that this and `submit` start are not for what ends a command to end, but for us
    with _without_interrupts():
        pool = ProcessPoolExecutor(number, context, _begin, (line, task, shared))

    def submit(block: Any) -> Any:
        with _without_interrupts():
            return pool.submit(_one, block)

    try:
        yield from _as_they_end(submit, blocks)
    except BrokenProcessPool:
        raise NrrsimError(f"a worker process was killed (for want of memory?); {GO_ON}") from None
    finally:
        held.close()
        pool.shutdown(cancel_futures=True)


_work: Callable[[Any], Any]


def _begin(line: Connection, task: Task, shared: Any) -> None:
    """In a new process: keep what is shared, and end when nobody holds the line's other end."""
    global _work
    _work = partial(task, shared)
    # the other end closes with its process, however that ends: only then this wait returns
    Thread(target=lambda: line.poll(None) and os._exit(1), daemon=True).start()


def _one(block: Any) -> Any:
    return _work(block)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Keep what ends a command for later; a process that is started meanwhile never gets it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    ends = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def held_back() -> Iterator[None]:
    """Let what ends a command wait until this is over, so that what is started here is known to
    whoever ends it. Unlike a process under `_without_interrupts` one that is started here gets all
    signals.
    """
    came: list[tuple[int, Any]] = []
    before: dict[int, Any] = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and callable(signal.getsignal(number)):
            with suppress(ValueError):  # not the main thread, which alone is told of signals
                before[number] = signal.signal(number, lambda *told: came.append(told))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number, frame in came:
            before[number](number, frame)


def beside_a_loop(work: Callable[P, R]) -> Callable[P, R]:
    """The same work, in a thread of its own where an event loop runs, as in every notebook: what
    it starts needs one, and a thread can have no second.
    """

    @wraps(work)
    def run(*args: P.args, **how: P.kwargs) -> R:
        loops = sys.modules.get("asyncio")
        if loops is None or loops._get_running_loop() is None:
            return work(*args, **how)

        def apart() -> R:
            try:
                return work(*args, **how)
            finally:
                with suppress(RuntimeError):  # it had none
                    loops.get_event_loop().close()

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(apart).result()

    return run


def on_cluster(
    task: Task, shared: Any, blocks: Iterable[Any], address: str, name: str
) -> Iterator[Any]:
    """By the workers of a Dask scheduler; blocks of a worker that dies go to another one.

    name : what tells this work from any other there. The workers need the nrrsim that this is, to
        the version.

    Raises what a block raised; UsageError for a scheduler that cannot be reached and for workers of
    another version; NrrsimError where the scheduler was lost, or one block's workers died time
    after time.
    """
    if not re.fullmatch(r"(tcp|tls)://\S+:\d+", address):
        raise UsageError(
            f"--scheduler: write tcp://HOST:PORT, such as tcp://127.0.0.1:8786; got {address!r}"
        )
    try:
        import distributed
    except ImportError:
        raise UsageError(f"--scheduler: needs Dask: {to_install('cluster')}") from None
    from dask.base import tokenize

    # what they tell is told below, in one line
    for part in ("distributed", "distributed.client"):
        logging.getLogger(part).setLevel(logging.CRITICAL)
    if address.startswith("tls"):
        secured = distributed.Security().get_connection_args("client")
        if not secured.get("ssl_context"):
            raise UsageError(
                "--scheduler: tls:// needs certificates; name them in Dask's settings,"
                " distributed.comm.tls"
            )
    try:
        client = distributed.Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError):
        raise UsageError(
            f"--scheduler: {address} did not answer within {SECONDS_TO_CONNECT} s"
        ) from None

    here = version("nrrsim")
    try:
        there = client.run(metadata.version, "nrrsim", on_error="return")
        for worker, found in there.items():
            _same_version(found, here, worker)
        if not there:
            log.info("%s has no worker yet; waiting for one", address)
        # A task, not scattered data: if the workers that hold it all die, the scheduler makes it
        # anew.
        given = client.submit(_itself, shared, key=f"nrrsim-{here}-{name}")

        def submit(block: Any) -> Any:
            return client.submit(
                _at_worker, task, here, given, block, key=f"nrrsim-{here}-{name}-{tokenize(block)}"
            )

        yield from _as_they_end(submit, blocks)
    except distributed.KilledWorker as error:
        tries = error.allowed_failures + 1
        raise NrrsimError(
            f"{tries} workers died at the same block (for want of memory?); {GO_ON}"
        ) from None
    except (CancelledError, OSError) as error:
        raise NrrsimError(
            f"the scheduler at {address} was lost ({type(error).__name__}); {GO_ON}"
        ) from None
    finally:
        client.close(timeout=2)


def _itself(shared: Any) -> Any:
    return shared


def _at_worker(task: Task, here: str, shared: Any, block: Any) -> Any:
    _same_version(version("nrrsim"), here, "a worker that joined later")
    return task(shared, block)


def _same_version(found: Any, here: str, worker: str) -> None:
    if found != here:
        has = f"nrrsim {found}" if isinstance(found, str) else "no nrrsim"
        raise UsageError(
            f"--scheduler: {worker} has {has}, and here it is {here};"
            " install the same version there"
        )


def _as_they_end(submit: Callable[[Any], Any], blocks: Iterable[Any]) -> Iterator[Any]:
    """What the blocks give, in the order in which they end; an interrupt gets through meanwhile."""
    todo, running, ended = iter(blocks), set[Any](), SimpleQueue[Any]()
    while True:
        for block in islice(todo, AHEAD - len(running)):
            future = submit(block)
            running.add(future)  # a future of Dask that nobody holds is given up
            future.add_done_callback(ended.put)
        if not running:
            return
        future = ended.get()
        running.discard(future)
        yield future.result()
