"""Commands in, the tools that an assistant is offered, and a call's words out; never runs one.

What a tool takes, and what is said of it, is what the command takes and says of itself. Arguments
have the names of a run card's keys.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from nrrsim.cli.confined import MOST_NAME, inside, is_text
from nrrsim.errors import UsageError, did_you_mean

COMMANDS = ("check", "metrics", "expect", "simulate", "compare", "frontier", "backtest", "accounts")
# What a command may be told on a command line, and not by an assistant: where to write, what to
# send to a database, and how to print.
WITHHELD: tuple[str, ...] = (
    "out",
    "multipliers",
    "push_down",
    "table",
    "print_sql",
    "query",
    "threads",
)
WITHHELD += ("as_json", "no_cache", "quiet")
LEDGER, DEFINITION, REPORT, ASPECT = "ledger", "definition", "report", "show"
FILES: tuple[str, ...] = (
    LEDGER,
    "scenario",
    "a",
    "b",
    "scenarios",
    "signals",
    "signals_card",
    "reasons",
    "prior",
)
FILES += ("pipeline", "plan", "rates", "format", REPORT)
ASPECTS = ("list", "manifest", "verify")
MOST_TRIALS = 50_000
MOST_TEXTS, MOST_DIGITS = 200, 18  # values of one argument, and digits of a whole number
Schema = dict[str, Any]
TEXT, NUMBER = Schema(type="string"), Schema(type="integer")
EITHER = Schema(type=["number", "string"])
YES = "yes|no"  # of what a command line has as words, and JSON as true or false
BELIEFS = ("NRR", "P", "MONTHS")  # what takes 110% and 1.1, 12 and "next renewal"
SEVERAL = ("columns", "count", "where", "stages")  # pairs, which a card has as a mapping
OF_LEDGER = (
    "A file of the folder, a list of such, or a run card that names its ledger and how it is read."
    " Customers' names are masked, but for a card that says names: shown."
)


def offered(app: Any) -> list[dict[str, Any]]:
    """Each tool: its name, title, description, and the JSON Schema of what it takes."""
    found = []
    for name in COMMANDS:
        command = _command(app, name)
        taken = {_key(each): each for each in command.params if each.name not in WITHHELD}
        schema = _schema(
            {key: _said(key, each) for key, each in taken.items()},
            [key for key, each in taken.items() if each.required],
        )
        found.append({"name": name, "description": command.help, "schema": schema})
    says = "What each published definition of retention is: its formula, and why it differs."
    one = {**TEXT, "description": "One of them alone (default: all)."}
    found.append({"name": "definitions", "description": says, "schema": _schema({DEFINITION: one})})
    says = "What the folder holds (list: its reports, and the cards, scenarios and ledgers to ask"
    says += " about); what made a report, and its numbers (manifest); is it unchanged (verify)."
    aspect = {**TEXT, "enum": list(ASPECTS), "default": ASPECTS[0]}
    aspect["description"] = "Which of the three."
    one = {**TEXT, "description": "The report's folder, as list names it."}
    schema = _schema({ASPECT: aspect, REPORT: one})
    found.append({"name": "reports", "description": says, "schema": schema})
    return found


def words_of(app: Any, name: str, given: Mapping[str, Any], folder: Path) -> list[str]:
    """The command line that a call stands for; raises UsageError with all that is wrong in it."""
    command = _command(app, name)
    taken = {_key(each): each for each in command.params if each.name not in WITHHELD}
    wrong = list(_strange(given, list(taken)))
    options: list[str] = []
    places: list[str] = []
    for key, each in taken.items():
        value = given.get(key)
        if value is None:
            if each.required:
                wrong.append(f"{key}: is missing; {_said(key, each)['description']}")
            continue
        try:
            words = _words(key, each, value, folder)
            (places if each.param_type_name == "argument" else options).extend(words)
        except UsageError as error:
            wrong.append(str(error))
    if wrong:
        raise UsageError("\n".join(wrong))
    return [name, *options, "--json", "--", *places]


def checked(given: Mapping[str, Any], known: list[str], folder: Path) -> dict[str, str]:
    """The arguments of a tool that is no command: a text each; raises UsageError for any other."""
    wrong, found = list(_strange(given, known)), {}
    for key in known:
        value = given.get(key)
        if value is None:
            continue
        try:
            found[key] = inside(folder, value, key) if key in FILES else _text(key, value)
        except UsageError as error:
            wrong.append(str(error))
    if wrong:
        raise UsageError("\n".join(wrong))
    return found


def as_arguments(said: str) -> str:
    """What a command says of its options, said of a tool's arguments."""
    words = {"--column": "columns", "--price-month": "price_months", "--stage": "stages"}
    words |= {"--scenario": "scenarios", "--to": "to"}

    def key(found: re.Match[str]) -> str:
        return words.get(found[0]) or found[0][2:].replace("-", "_")

    return re.sub(r"(?<![\w-])--[a-z][a-z-]*[a-z]", key, said)


def _command(app: Any, name: str) -> Any:
    group: Any = typer.main.get_command(app.of([name]))
    return group.commands[name]


def _key(parameter: Any) -> str:
    """What an argument is called: as the option, or as the card's key where that has its plural."""
    if parameter.param_type_name == "argument":
        return LEDGER if parameter.name == "sources" else str(parameter.name)
    option = parameter.opts[0].removeprefix("--").replace("-", "_")
    return str(parameter.name) if parameter.name == f"{option}s" else str(option)


def _schema(properties: dict[str, Any], required: list[str] | None = None) -> Schema:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _said(key: str, parameter: Any) -> Schema:
    """The JSON Schema of one argument, by what the command says of it."""
    help_ = (parameter.help or "").replace("; repeat", "").removesuffix(".")
    metavar, form = parameter.metavar or "", dict(TEXT)
    if key == LEDGER:
        return {"anyOf": [TEXT, {"type": "array", "items": TEXT}], "description": OF_LEDGER}
    if getattr(parameter, "is_flag", False):
        form = {"type": "boolean"}
    elif metavar == "NUMBER":
        form = dict(NUMBER)
    elif metavar in BELIEFS:
        form = dict(EITHER)
    elif key in SEVERAL:
        form = {"type": "object"}
        help_ += f", as a mapping of {metavar.replace('=', ' to ')}"
    elif getattr(parameter, "multiple", False):
        form = {"type": "array", "items": TEXT}
    elif re.fullmatch(r"[^A-Z]+", metavar):
        form |= {"enum": metavar.split("|")}
    elif re.search(r"YYYY|MM|DAY|\d", metavar):
        help_ += f", as {metavar}"
    if key == DEFINITION:
        help_ += f"; the tool {DEFINITION}s names them"
    if key == "trials":
        form |= {"minimum": 1, "maximum": MOST_TRIALS}
    if isinstance(parameter.default, int | str) and parameter.default is not False:
        # in words: an assistant that states a default would take it from the card
        help_ += f" (default: {parameter.default}, or what the card says)"
    form["description"] = f"{as_arguments(help_)}."
    return form


def _strange(given: Mapping[str, Any], known: list[str]) -> Iterator[str]:
    for key in [*given][:MOST_TEXTS]:
        if key not in known:
            name = key if len(key) <= 40 and key.isprintable() else f"{key[:40]!a}..."
            yield f"{name}: is no argument of this tool; {did_you_mean(key[:80], known)}"


def _words(key: str, parameter: Any, value: Any, folder: Path) -> list[str]:
    """What one argument is on the command line."""
    if getattr(parameter, "is_flag", False):
        if not isinstance(value, bool):
            raise UsageError(f"{key}: must be true or false, got {_shown(value)}")
        return list(parameter.opts if value else parameter.secondary_opts)[:1]
    if key in SEVERAL and isinstance(value, Mapping):
        value = [_pair(key, *each) for each in value.items()]
    if (parameter.metavar or "").endswith(YES) and isinstance(value, bool):
        value = "yes" if value else "no"
    takes_several = getattr(parameter, "multiple", False) or parameter.nargs == -1
    values = value if isinstance(value, list) and takes_several else [value]
    if not values or len(values) > MOST_TEXTS:
        raise UsageError(f"{key}: must be 1 to {MOST_TEXTS} values, got {len(values):,}")
    texts = [inside(folder, each, key) if key in FILES else _text(key, each) for each in values]
    if key == "trials":
        _refuse_many(texts[0])
    if parameter.param_type_name == "argument":
        return texts
    return [f"{parameter.opts[0]}={text}" for text in texts]


def _refuse_many(text: str) -> None:
    try:
        trials = float(text.replace(",", "").replace("_", "").rstrip("%"))
    except ValueError:  # the command says what is wrong with it
        return
    if trials > MOST_TRIALS:
        raise UsageError(
            f"trials: at most {MOST_TRIALS:,} in an answer, got {_shown(text)}; for more, run"
            " nrrsim itself"
        )


def _pair(key: str, name: Any, value: Any) -> str:
    if "=" in name:
        raise UsageError(f"{key}: {_shown(name)} has an equals sign, which no name here may have")
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return _text(key, f"{name}={_text(key, value)}")


def _text(key: str, value: Any) -> str:
    """A text or a number as it would be typed."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{key}: must be text or a number, got {_shown(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{key}: must be a number, got {_shown(value)}")
    if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        raise UsageError(
            f"{key}: is a number of more than {MOST_DIGITS} digits; give a smaller one"
        )
    text = str(value)
    if len(text) > MOST_NAME or not is_text(text):
        raise UsageError(
            f"{key}: must be at most {MOST_NAME:,} signs on one line, got {_shown(text)}"
        )
    return text


def _shown(value: Any) -> str:
    """What was given, or what kind of thing it is, and not too much of it."""
    kinds = {dict: "a mapping", list: "a list", bool: str(value).lower()}
    if said := kinds.get(type(value)):
        return said
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
