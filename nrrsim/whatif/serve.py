"""A scenario in, the what-if notebook in a browser out; never listens to another machine.

JupyterLab and Voila run in this process until Ctrl-C or SIGTERM ends them, with the kernels that
they started.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nrrsim.errors import UsageError
from nrrsim.files import refused, shared, to_install, whole, write_text
from nrrsim.scenario.scenario import examples, find_scenario, read_scenario

HERE, FIRST_PORT, PORTS = "127.0.0.1", 8888, 20
# Seconds that a kernel may idle: of a page that was closed without a word, and of one that is open.
GONE, OPEN, LOOK_EVERY = 300, 8 * 3600, 20
PLAN, FIRST, PLANNED_IN_EXCEL = "plan.yaml", "nrr-105.yaml", "plan.xlsx"
NOTEBOOK = "what_if.ipynb"
NO_FOLDER = "cannot be written ({why}); go to a folder of your own"
# No news, no look for updates, no list of extensions: a page of this machine alone.
OFFLINE = (
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.news_url=None",
    "--LabApp.extension_manager=readonly",
)
QUIET = '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}'
# Voila's own page, without the style sheets that it fetches from elsewhere.
PAGE = """{%- extends 'voila/templates/lab/index.html.j2' -%}
{% import "spinner.macro.html.j2" as spinner %}
{%- block notebook_css -%}
{{ resources.include_js("static/voila-style.js") }}
{{ spinner.css() }}
<style>
  .jp-mod-noOutputs.jp-mod-noInput { display: none; }
  #rendered_cells { max-width: 90rem; margin: 0 auto; padding: 0 1rem; }
</style>
{{ super.super() }}
{%- endblock notebook_css -%}
"""


def lab(scenario: str | None = None, port: int | None = None, browser: bool = True) -> None:
    """The what-if notebook in JupyterLab, to be changed and saved; returns when it was ended.

    In a checkout it is the one in `notebooks/`; elsewhere, or for a `scenario` of one's own,
    `what_if.ipynb` in the folder that one is in. Raises UsageError where that one starts from
    another scenario, or the port is taken.
    """
    server = _needed("jupyterlab.labapp").LabApp
    own, port, token = Path("notebooks") / NOTEBOOK, _port(port), secrets.token_urlsafe(24)
    notebook = own if scenario is None and own.is_file() else Path(NOTEBOOK)
    if not notebook.exists():
        _write_notebook(notebook, _checked(scenario))
    elif scenario is not None and (start := _start_of(notebook)) != os.path.relpath(
        _checked(scenario)
    ):
        raise UsageError(
            f"{NOTEBOOK}: is there already, and starts from {start}; move it away, or go to another"
            " folder"
        )

    _tell(f"http://{HERE}:{port}/lab/tree/{quote(notebook.as_posix())}?token={token}")
    options = {
        "ServerApp.ip": HERE,
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": str(Path.cwd()),
        "ServerApp.open_browser": browser,
        "ServerApp.answer_yes": True,
        "ServerApp.allow_root": True,  # as in a container
        "Application.log_level": logging.CRITICAL,
        "LabApp.default_url": f"/lab/tree/{quote(notebook.as_posix())}",
        "IdentityProvider.token": token,
        "KernelManager.transport_encryption": "auto",
    }
    with _folder("JUPYTER_CONFIG_PATH") as folder:
        settings = folder / "labconfig"
        settings.mkdir()
        write_text(settings / "page_config.json", QUIET)
        _run(server, [*_words(options), *OFFLINE])


def app(scenario: str | None = None, port: int | None = None, browser: bool = True) -> None:
    """The what-if panel as a page without code (Voila); returns when it was ended.

    It answers to this machine's names alone, and ends the kernels of pages that are gone.
    """
    server = _page_of(_needed("voila.app").Voila)
    port, token = _port(port), secrets.token_urlsafe(24)
    with _folder("JUPYTER_PATH") as folder:
        template = folder / "voila" / "templates" / "nrrsim"
        template.mkdir(parents=True)
        write_text(template / "index.html.j2", PAGE)
        write_text(template / "conf.json", '{"base_template": "lab"}')
        notebook = folder / NOTEBOOK
        _write_notebook(notebook, _checked(scenario), leave_out="lab")
        _tell(f"http://{HERE}:{port}/?token={token}")
        options = {
            "Voila.ip": HERE,
            "Voila.port": port,
            "Voila.port_retries": 0,
            "Voila.open_browser": browser,
            "Voila.token": token,
            "MappingKernelManager.cull_interval": LOOK_EVERY,
            "MappingKernelManager.cull_idle_timeout": GONE,
            "MappingKernelManager.cull_connected": True,
            "VoilaConfiguration.strip_sources": True,
            "VoilaConfiguration.template": "nrrsim",
            "KernelManager.transport_encryption": "auto",
        }
        _run(server, [str(notebook), *_words(options)])


def _page_of(server: Any) -> Any:
    """Voila's server, made to be one machine's own: who may ask, what is kept, what is told."""
    from tornado.routing import Matcher, Rule
    from tornado.web import ErrorHandler

    jupyter = import_module("jupyter_server")
    kernels = import_module("jupyter_server.services.kernels.kernelmanager")

    class OtherNames(Matcher):
        """Requests by a name that is not ours: some page made the browser take it for this one."""

        def __init__(self, port: int) -> None:
            self.own = {f"{name}:{port}" for name in (HERE, "localhost")}

        def match(self, request: Any) -> dict[str, Any] | None:
            return None if request.headers.get("Host", "").lower() in self.own else {}

    class Kernels(kernels.AsyncMappingKernelManager):  # type: ignore[misc, name-defined]
        """A kernel for each page, until it was idle for too long; nothing of it is told here."""

        async def cull_kernel_if_idle(self, kernel_id: str) -> None:
            self.cull_idle_timeout = OPEN if self.kernel_model(kernel_id)["connections"] else GONE
            await super().cull_kernel_if_idle(kernel_id)

        async def start_kernel(self, **how: Any) -> Any:
            return await super().start_kernel(**how, stderr=subprocess.DEVNULL)

    class Page(server):  # type: ignore[misc]
        def _log_default(self) -> Any:
            return logging.getLogger("voila")  # which has no handler: errors go where all others go

        def init_settings(self) -> Any:
            self.voila_configuration.multi_kernel_manager_class = Kernels
            # where the page that tells an error looks for its pictures
            own = {"static_path": jupyter.DEFAULT_STATIC_FILES_PATH}
            return {**super().init_settings(), **own}

        def listen(self) -> None:
            # before any other rule, and so for every page, file and socket alike
            others = Rule(OtherNames(self.port), ErrorHandler, {"status_code": 403})
            self.app.default_router.rules.insert(0, others)
            super().listen()

    return Page


def _needed(module: str) -> Any:
    """A module of the extra lab; raises UsageError with the command that installs it."""
    command = "lab" if module.startswith("jupyterlab") else "app"
    try:
        needed = import_module(module)
        import_module("nrrsim.whatif.panel")
        return needed
    except ModuleNotFoundError as missing:
        raise UsageError(
            f"nrrsim {command} needs {missing.name}, which is not installed;"
            f" {_installed_by(command)}"
        ) from None


def _installed_by(command: str) -> str:
    """What to type before `nrrsim lab` or `nrrsim app` can be; after `make report`, make's word."""
    home = shared("Makefile").parent
    if not shared("Makefile").is_file() or Path(sys.prefix).parent != home:
        return f"this installs it:\n{to_install('lab', f'nrrsim {command}')}"
    there = "" if Path.cwd() == home else f" -C {home}"
    own = os.path.relpath(home / ".venv-lab" / "bin" / "nrrsim")
    return (
        "this installs it, in an environment of its own, and opens the panel:\n"
        f"make{there} {command}\nand this opens it from then on:\n{own} {command}"
    )


def _checked(scenario: str | None) -> Path:
    """The file to start from, once it has been read; raises UsageError with all wrong with it.

    Without one it is the plan of a workspace, or the first example. Examples are copied into
    `scenarios/` where they are not the folder's own, so that what is moved can be saved.
    """
    own = Path("params") / "scenarios"
    if scenario is None:
        known = [own / PLAN, own / FIRST, own / PLANNED_IN_EXCEL, *sorted(own.glob("*.yaml"))]
        file = next((each for each in known if each.is_file()), None) or _example(FIRST)
    elif (file := find_scenario(scenario)) != Path(scenario):
        file = _example(file.name)
    read_scenario(file)
    return file


def _example(name: str) -> Path:
    """An example of the user's own, made with all others if it is missing."""
    file = Path("scenarios") / name
    if not file.exists():
        _copy_scenarios(file.parent)
    return file


def _copy_scenarios(folder: Path) -> None:
    """Those that come with nrrsim, as far as they are missing: they are the user's to change."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise refused(error, folder, f"{{path}}: {NO_FOLDER}") from None
    for each in examples().values():
        if not (folder / each.name).exists():
            with whole(folder / each.name, f"{{folder}}: {NO_FOLDER}") as unfinished:
                shutil.copyfile(each, unfinished)


def _start_of(notebook: Path) -> str:
    """The scenario that a notebook of ours starts from."""
    said = re.findall(r'^scenario = "(.*?)"', "\n".join(_sources(notebook)), re.MULTILINE)
    return os.path.normpath(said[-1]) if said else "something else"


def _sources(notebook: Path) -> list[str]:
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        return ["".join(cell["source"]) for cell in cells]
    except (OSError, ValueError, LookupError):
        return []


def _write_notebook(path: Path, scenario: Path, leave_out: str = "") -> None:
    """The notebook with the scenario to start from, as a path from where the notebook stands.

    leave_out : the tag of cells that are not for who will see it.
    """
    import nbformat
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    notebook = load_notebook_node(str(shared("notebooks", NOTEBOOK)))
    start = os.path.relpath(scenario.resolve(), path.parent.resolve())
    notebook = parameterize_notebook(notebook, {"scenario": Path(start).as_posix()})
    notebook.cells = [
        each for each in notebook.cells if leave_out not in each.metadata.get("tags", [])
    ]
    with whole(path, f"{{path}}: {NO_FOLDER}") as unfinished:
        nbformat.write(notebook, unfinished)


def _port(wanted: int | None) -> int:
    """A free port of this machine; raises UsageError where the one that is wanted is not."""
    if wanted is not None and not 1 <= wanted <= 65_535:
        raise UsageError(f"--port: must be from 1 to 65,535, got {wanted}")
    ports = [wanted] if wanted is not None else range(FIRST_PORT, FIRST_PORT + PORTS)
    for port in ports:
        with socket.socket() as asked:
            # as the server does it: a port that was left a moment ago is free
            asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                asked.bind((HERE, port))
                return port
            except OSError:
                continue
    taken = (
        f"{wanted} is" if wanted is not None else f"{FIRST_PORT} to {FIRST_PORT + PORTS - 1} are"
    )
    raise UsageError(f"--port: {taken} taken; choose another")


def _tell(address: str) -> None:
    print(address, flush=True)
    print("Only this machine can open it. Ctrl-C ends it.", file=sys.stderr, flush=True)


def _words(options: dict[str, Any]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]


def _run(server: Any, words: list[str]) -> None:
    """Serve until it is ended; what the servers say of themselves is not shown."""
    warnings.simplefilter("ignore")
    try:
        server.launch_instance(words)
    except (KeyboardInterrupt, SystemExit):  # Ctrl-C and a closed terminal are how it is ended
        pass
    finally:
        server.clear_instance()


@contextmanager
def _folder(variable: str) -> Iterator[Path]:
    """A folder for as long as it is served, first where Jupyter looks for what `variable` names."""
    with tempfile.TemporaryDirectory(prefix="nrrsim-") as folder:
        os.environ[variable] = os.pathsep.join(filter(None, [folder, os.environ.get(variable)]))
        yield Path(folder)
