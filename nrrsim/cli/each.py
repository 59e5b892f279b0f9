"""A run card with `each` in, its reports made and told one by one; never makes one itself."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nrrsim.notation import counted

if TYPE_CHECKING:
    from nrrsim.report.card import Entity
    from nrrsim.report.several import Made

EACH = "each"


def has_each(card: Path, over: Mapping[str, Any]) -> bool:
    """Whether a card is for several reports; what cannot be read is for its own run to say."""
    from nrrsim.errors import UsageError
    from nrrsim.yamlfile import read_yaml

    if EACH in over:
        return over[EACH] is not None
    try:
        return read_yaml(card, "run card").values.get(EACH) is not None
    except UsageError:
        return False


def one_of_several(text: str) -> Entity:
    """Of which of several the command is to make the report."""
    from nrrsim.report.portfolio import of_text

    return of_text(text)


def report_each(
    card: Path, states: Sequence[str], workers: int, quiet: bool, how: Mapping[str, Any]
) -> None:
    """Make the reports of a card and their overview; ends with code 1 where one of them failed.

    states : the `--set` of the command. how : the arguments of `run_each`.
    """
    from nrrsim.report.portfolio import run_each

    def told(name: str, made: Made) -> None:
        if made.said and not (quiet and not made.code):
            typer.echo(made.said, err=True, nl=False)
        typer.echo(made.out, nl=False)

    words = [*states, *["--quiet"] * quiet]
    done = run_each(card, words=words, workers=workers, told=told, **how)
    for file in done.overview:
        typer.echo(str(file))
    if not quiet and done.kept:
        kept = counted(len(done.kept), "report is as it was", "reports are as they were")
        typer.echo(f"{card}: {kept}", err=True)
    if done.failed:
        many = counted(len(done.failed), "report")
        typer.echo(f"{card}: {many} could not be made: {', '.join(done.failed)}", err=True)
        sys.exit(1)
