"""Words on a command line in, calls out; holds no logic. Data go to stdout, all else to stderr.

Exit codes: 0 done, 1 the run failed, 2 usage or parameters, 3 the data were rejected; 130, 143, 129
ended by Ctrl-C, by SIGTERM or by a closed terminal (SIGHUP).
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from nrrsim.cli.assumptions import scenario_
from nrrsim.cli.folders import new, next_
from nrrsim.cli.helped import App
from nrrsim.cli.of_accounts import accounts, actions
from nrrsim.cli.of_benchmarks import benchmarks
from nrrsim.cli.of_ledgers import check, formats, metrics
from nrrsim.cli.of_reports import open_app, open_lab, report, verify
from nrrsim.cli.of_scenarios import compare, expect, frontier, schema, simulate, sweep
from nrrsim.cli.of_the_past import backtest, calibrate, forecast, prior
from nrrsim.cli.terminal import Ended, end_at_once, ended_by_signals, kept_visible
from nrrsim.errors import DataError, NrrsimError

MOST_FINDINGS = 50
OBJECTS = 500_000  # made before garbage is looked for
app = App(
    name="nrrsim",
    help="Net revenue retention: from a ledger, what became of it; from a scenario, what may"
    " become of it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"nrrsim {version('nrrsim')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


# in the order in which --help has them
for each in (check, formats, metrics, expect, simulate, compare, frontier, calibrate, forecast):
    app.command()(each)
for each in (accounts, actions, prior, backtest, sweep, schema, report, new):
    app.command()(each)
app.command()(benchmarks)
app.command("scenario")(scenario_)
app.command("next")(next_)
app.command("lab")(open_lab)
app.command("app")(open_app)


@app.command("mcp")
def serve_assistants(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Whose cards, scenarios and ledgers are read.")
    ],
) -> None:
    """Answer assistants about a folder (Model Context Protocol, over stdin and stdout)."""
    from nrrsim.cli.assistants import serve

    serve(folder, app, main)


app.command()(verify)


def main(arguments: list[str] | None = None) -> None:
    """The entry point: every error in one voice, and never a traceback.

    Without `arguments` it is the whole process's, which ends with the command.
    """
    if arguments is not None:
        return _run(arguments)
    try:
        _run(sys.argv[1:])
    except SystemExit as ended:
        if isinstance(ended.code, int | None):
            end_at_once(ended.code or 0)
        raise


def _run(words: list[str]) -> None:
    # nearly all that a command makes stays until its end: to look for garbage in it takes long
    gc.set_threshold(OBJECTS)
    # checking models takes nobody else's plugins: to look through all packages for some takes long
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # before the command is read: what a library logs meanwhile is not to be heard either
    quiet = {"-q", "--quiet"} & set(words)
    logging.getLogger().setLevel(logging.ERROR)
    logging.getLogger("nrrsim").setLevel(logging.ERROR if quiet else logging.INFO)
    with kept_visible(), ended_by_signals():
        _answer(words)


def _answer(words: list[str]) -> None:
    try:
        app.of(words)(args=words, prog_name="nrrsim")
    except Ended as ended:
        _leave("interrupted", ended.code)
    except DataError as error:
        # one that a notebook's kernel told has its text alone
        _leave("\n".join(error.first(MOST_FINDINGS)) or str(error), error.exit_code)
    except NrrsimError as error:
        _leave(str(error), error.exit_code)
    except BrokenPipeError:  # who read has enough
        sys.exit(1)
    except OSError as error:
        if os.environ.get("NRRSIM_DEBUG"):
            raise
        from nrrsim.files import refused

        said = refused(error, words="{path}: {why}; {remedy}")
        _leave(str(said), said.exit_code)
    except Exception as error:
        if os.environ.get("NRRSIM_DEBUG"):
            raise
        _leave(
            f"nrrsim met something it does not expect ({type(error).__name__}: {error});"
            " NRRSIM_DEBUG=1 shows where",
            1,
        )


def _leave(message: str, code: Any) -> None:
    with suppress(OSError):  # a terminal that was closed is not there to be told
        typer.echo(message, err=True)
    sys.exit(code)
