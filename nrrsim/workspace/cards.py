"""What is said of a company and its ledger in, cards and a plan as text out; never writes a file.

A card spells out what was decided, each key with what it means and how it came about; every other
key that it may have stands below, commented out. Both come from the notebook's own parameters and
from the options of reading, so that a card knows what they know.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from nrrsim.files import shared
from nrrsim.ledger.reading import MEANS, Reading
from nrrsim.months import Calendar, month_name
from nrrsim.notation import visible
from nrrsim.report.card import EACH, PART, READING, described
from nrrsim.yamlfile import yaml_text

WIDTH = 98
KEY = 34  # how wide a commented-out key is, before its help
PLAIN = re.compile(r"[^\W\d_][\w ./-]*[\w.-]|[^\W\d_]|\.{0,2}/[\w ./-]*[\w.-]")
NOT_TEXT = ("true", "false", "null", "yes", "no")
SEVERAL = (
    "a report for each segment, or {column: region}, or {companies: FILE}, and an overview of all"
)
HOW = {each.name: each.metadata for each in fields(Reading)}


class Said(NamedTuple):
    """A value of a card, and how it came about."""

    value: Any
    why: str = ""


def card_name(month: int, calendar: Calendar) -> str:
    """What the card of a month is called: by its quarter, else by the month.

    A fiscal quarter is `FY2027Q3`, so that no card of the calendar's has its name.
    """
    if not calendar.ends(month, 3):
        return month_name(month)
    quarter = calendar.unit_of(month, 3)
    year = f"{'FY' if calendar.is_fiscal else ''}{quarter * 3 // 12}"
    return f"{year}Q{quarter % 4 + 1}"


def report_card(
    notebook: str, opening: str, said: Mapping[str, Said], found: Sequence[str] = ()
) -> str:
    """A run card: what is `said`, key by key, and all else that it may say.

    opening : what the card is for. found : sentences on what was read in the ledger.
    """
    known = described(shared("notebooks") / f"{notebook}.ipynb")
    own = {key: _plainly(help) for key, (_, help) in known.items() if key != READING}
    blocks = [
        _comment(f"{opening} Paths are relative to this file."),
        f"notebook: {notebook}",
        *(
            _entry(key, said[key].value, _told(meaning, said[key].why))
            for key, meaning in own.items()
            if key in said
        ),
    ]
    if READING in known:
        blocks += [
            _heading("How the ledger is read"),
            "\n".join([*map(_comment, found[:1]), *(_comment(each, "- ") for each in found[1:])]),
            *(
                _entry(key, said[key].value, _told(_begun(how["help"]), said[key].why))
                for key, how in HOW.items()
                if key in said
            ),
        ]
    defaults = {key: known[key][0] for key in own if key not in said}
    blocks += [
        _heading("What else this card may say: take a # away"),
        "\n".join(
            _further(key, "" if value is None else written(value), own[key])
            for key, value in defaults.items()
        ),
        _further(EACH, "{segment: all}", SEVERAL) if PART in known else "",
    ]
    if READING in known:
        blocks += [
            _heading("How else a ledger may be read"),
            "\n".join(
                _further(key, _choices(how), _begun(how["help"]))
                for key, how in HOW.items()
                if key not in said
            ),
        ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def plan(base: str, title: str, target: float | None, lever: Mapping[str, Any]) -> str:
    """A scenario that extends `base`, and as yet changes nothing.

    lever : drivers as a scenario states them, for an example that is commented out.
    """
    lines = [
        _comment(
            f"Your plan: it extends {base}, which calibrate learnt from the ledger, and states only"
            " what differs. Say in `because` what is to change and why, and beside each number that"
            " you change where it is from."
        ),
        f"extends: {base}",
        f"title: {written(title)}",
        "because: >",
        "  Nothing is changed as yet: the plan is the past.",
        f"target: {target:g}" if target else "# target: 1.1",
        "",
        _comment("What is known of single customers, by the name that the ledger has for them:"),
        "# book: {decided: {Customer Ltd: renews, Client Inc: leaves}}",
        "",
        _comment("A lever, for example: take the # away from these lines, and it is moved."),
        textwrap.indent(yaml_text({"drivers": dict(lever)}).rstrip(), "# ", lambda _: True),
    ]
    return "\n".join(lines) + "\n"


def why_said(option: str, value: Any, asked: str = "") -> str:
    """How an option of reading came about, and what its choice means; `asked`: the question."""
    how = f"asked by nrrsim new: {one_line(asked)}" if asked else "as was said to nrrsim new"
    word = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
    words = set(value.values()) if isinstance(value, Mapping) else {word}
    meant = [MEANS[option][each] for each in MEANS.get(option, ()) if each in words]
    return "; ".join([*meant, how])


def one_line(text: str) -> str:
    """A text as it may stand in a comment: on one line, and without what cannot be seen."""
    return " ".join(visible(text).split())


def written(value: Any) -> str:
    """A value as YAML, on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:.10g}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{written(key)}: {written(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    text = str(value)
    is_plain = PLAIN.fullmatch(text) and text.lower() not in NOT_TEXT
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def _entry(key: str, value: Any, comment: str) -> str:
    if key == "amount_is" and isinstance(value, Mapping) and set(value) == {""}:
        value = value[""]  # of every plan
    return f"{_comment(comment)}\n{key}: {written(value)}".rstrip()


def _further(key: str, value: str, help: str) -> str:
    return f"{f'# {key}: {value}'.rstrip():<{KEY}}  # {help}"


def _choices(how: Mapping[str, Any]) -> str:
    """What an option of reading takes, as it is shown where nothing is chosen."""
    usual = {
        "switch": "true",
        "number": "1000",
        "pairs": f"{{{how['metavar'].replace('=', ': ')}}}",
    }
    return " | ".join(how["choices"]) or usual.get(how["kind"]) or how["metavar"] or "TEXT"


def _begun(help: str) -> str:
    return help[:1].lower() + help[1:]


def _told(meaning: str, why: str) -> str:
    return f"{meaning}: {why}" if why else meaning


def _plainly(help: str) -> str:
    """A parameter's comment without what it says to the card's reader."""
    return re.sub(r" *\((optional[^)]*|path)\)", "", help)


def _comment(text: str, begins: str = "") -> str:
    return textwrap.fill(
        one_line(text),
        WIDTH,
        initial_indent=f"# {begins}",
        subsequent_indent=f"# {' ' * len(begins)}",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _heading(text: str) -> str:
    return f"# --- {text} {'-' * (WIDTH - len(text) - 7)}"
