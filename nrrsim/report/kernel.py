"""A notebook's cells in, the kernel for them out, already at work; never runs a cell, never stays.

It is started before all that runs notebooks is loaded here, and loads what the cells will ask for
meanwhile: on two processors neither waits for the other.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop

from nrrsim.workers import held_back

SECONDS_TO_START = 120


class Kernel(AsyncKernelManager):
    """A kernel that runs, with those who talk to it."""

    def __init__(self, file: Path) -> None:
        super().__init__(kernel_name="python3", connection_file=str(file))
        self.clients: list[Any] = []

    def client(self, **how: Any) -> Any:
        self.clients.append(super().client(**how))
        return self.clients[-1]

    def dismiss(self) -> None:
        """Let it end: nothing more is asked of it, and what it holds is free for others."""
        ensure_event_loop().run_until_complete(self._async_request_shutdown())


@contextmanager
def own_kernel(
    folder: Path, home: Path, said: Mapping[str, str], cells: Iterable[Any]
) -> Iterator[Kernel]:
    """Yields a kernel whose address and key lie in `folder`, and which ends with us.

    home : the folder that it works in. said : what its environment says besides. cells : what it
        is to run; what they import is loaded at once.
    """
    # it looks for garbage as seldom as the command that starts it
    seldom = f"__import__('gc').set_threshold({gc.get_threshold()[0]})"
    # in a namespace of its own: a cell that forgets an import is to fail
    lines = [seldom, f"exec({loaded_by(cells)!r}, {{}})"]
    loop, kernel = ensure_event_loop(), Kernel(folder / "kernel.json")
    try:
        starting = kernel.start_kernel(
            extra_arguments=[f"--IPKernelApp.exec_lines={line}" for line in lines],
            cwd=str(home),
            env={**os.environ, **said},
            # its words are not ours: what a notebook says comes with its outputs
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with held_back():
            loop.run_until_complete(starting)
        yield kernel
    finally:
        # whatever was being done when we were ended would go on, the start of a kernel, too
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        ends = [kernel.shutdown_kernel(now=True)] if kernel.has_kernel else []

        async def ended() -> None:
            await asyncio.gather(*pending, *ends, return_exceptions=True)

        loop.run_until_complete(ended())
        for client in kernel.clients:
            client.stop_channels()


def loaded_by(cells: Iterable[Any]) -> str:
    """What the code among cells imports, and the names in it that they use: to look a name up is
    what loads the module behind it.
    """
    imports, known, used = list[str](), set[str](), dict[str, str]()
    for cell in cells:
        try:
            tree = ast.parse(cell.source if cell.cell_type == "code" else "")
        except SyntaxError:  # a command of IPython's, or what its own run will say
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                imports.append(ast.unparse(node))
                known |= {(each.asname or each.name).partition(".")[0] for each in node.names}
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used[ast.unparse(node)] = node.value.id
    return "\n".join([*imports, *(name for name, of in used.items() if of in known)])
