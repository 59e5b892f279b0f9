"""Work beside what runs already."""

import asyncio
import threading

import pytest

from nrrsim.workers import beside_a_loop


@beside_a_loop
def work(result: object) -> object:
    """What needs a loop of its own."""
    if isinstance(result, Exception):
        raise result
    return asyncio.run(asyncio.sleep(0, result)), threading.current_thread()


def test_where_a_loop_runs_work_has_a_thread_of_its_own():
    async def in_a_notebook(result: object) -> object:
        return work(result)

    result, thread = asyncio.run(in_a_notebook(7))
    assert result == 7
    assert thread is not threading.current_thread()
    with pytest.raises(LookupError):
        asyncio.run(in_a_notebook(LookupError()))
    assert work(8) == (8, threading.current_thread())
