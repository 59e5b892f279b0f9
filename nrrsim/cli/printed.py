"""An answer in, what is printed of it out: JSON, or lines for people; never computes one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import typer

from nrrsim.notation import visible


def tell(answer: dict[str, Any], as_json: bool, in_lines: Callable[[Any], Iterable[str]]) -> None:
    """Print an answer as JSON, or in the lines that `in_lines` takes of the module `text`, which is
    loaded only then.
    """
    if as_json:
        typer.echo(as_object(answer))
    else:
        from nrrsim.cli import text

        typer.echo("\n".join(in_lines(text)))


def notes(said: Iterable[Any], quiet: bool) -> None:
    """Print what is to be known beside an answer."""
    for each in () if quiet else said:
        typer.echo(f"note: {each}", err=True)


def as_object(values: dict[str, Any]) -> str:
    """An answer as JSON that any terminal can show."""
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    # what is left of control characters stands in strings, and is spelled as JSON spells it
    return visible(text, r"\u{:04x}")
