"""A command in, what --help says of it out, as plain lines; never loads what draws boxes of them.

Options stand in the sections that they name, and each command with its whole sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

WIDEST = 100  # characters of a line


class _Command(TyperCommand):
    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for each in self.get_params(ctx):
            if record := each.get_help_record(ctx):
                of_its_own = getattr(each, "rich_help_panel", None)
                if each.param_type_name == "argument":
                    # an argument has its name, and needs no type
                    of_its_own, record = "Arguments", (record[0].partition(" <")[0], record[1])
                sections.setdefault(of_its_own or "Options", []).append(record)
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)


class _Commands(TyperGroup):
    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.help) for name, each in self.commands.items()])


def _name_of(command: Any) -> str:
    return str(command.name or command.callback.__name__)


class App(typer.Typer):
    """Typer's, with such a help, and with usage errors in plain lines, too."""

    def __init__(self, **how: Any) -> None:
        settings = {"help_option_names": ["-h", "--help"], "max_content_width": WIDEST}
        super().__init__(cls=_Commands, rich_markup_mode=None, context_settings=settings, **how)

    def of(self, words: Sequence[str]) -> typer.Typer:
        """With the one command alone that these words begin with, if it is one of ours: to make all
        of them ready takes longer than to ask one.
        """
        asked = [each for each in self.registered_commands if _name_of(each) in words[:1]]
        if not asked:
            return self
        alone = copy(self)
        alone.registered_commands = asked
        return alone

    def command(self, name: str | None = None, **how: Any) -> Callable[..., Any]:
        return super().command(name, cls=_Command, **how)
