"""A YAML file that people wrote in, its plain values and where each of them stands out; never judges a value.

YAML 1.2, so that `NO` is text and `12:30` is not a number; a key that stands twice is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nrrsim.errors import UsageError

Path_ = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Place:
    """Where something stands; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Document:
    """`values`: plain dicts, lists, numbers and text. `keys`, `places`: where each key and each value stands."""

    values: dict[str, Any]
    keys: dict[Path_, Place]
    places: dict[Path_, Place]


def read_yaml(path: str | Path, what: str) -> Document:
    """The file's mapping; raises UsageError, with the place, where there is none. `what` it is called in the error."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    file = Path(path)
    if not file.is_file():
        raise UsageError(f"{path}: there is no such {what}")
    try:
        read = YAML(typ="rt").load(file.read_text(encoding="utf-8-sig"))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        twice = re.match(r'found duplicate key "([^"]*)"', error.problem or "")
        problem = f"{twice[1]}: stands twice; keep one of them" if twice else _unreadable(error.problem or error)
        raise UsageError(f"{place}: {problem}") from None
    except (YAMLError, UnicodeDecodeError, ValueError, OSError) as error:
        raise UsageError(f"{path}: {_unreadable(error)}") from None
    if not isinstance(read, Mapping):
        raise UsageError(f"{path}: this file holds no settings; a {what} is made of lines such as title: Next year")
    keys: dict[Path_, Place] = {}
    places: dict[Path_, Place] = {}
    for at, key, value in _walk(read, ()):
        keys[at], places[at] = Place(str(path), *key), Place(str(path), *value)
    return Document(_plain(read), keys, places)


def _unreadable(error: object) -> str:
    return f"this is not YAML that can be read: {str(error).splitlines()[0]}"


def _walk(node: Any, at: Path_) -> Iterator[tuple[Path_, tuple[int, int], tuple[int, int]]]:
    """Each key and item below a node, with the line and column of its key and of its value."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            here = (*at, str(key))
            yield here, _from_one(node.lc.key(key)), _from_one(node.lc.value(key))  # type: ignore[attr-defined]
            yield from _walk(value, here)
    elif isinstance(node, list):
        for place, value in enumerate(node):
            here = (*at, place)
            stands = _from_one(node.lc.item(place))  # type: ignore[attr-defined]
            yield here, stands, stands
            yield from _walk(value, here)


def _from_one(place: tuple[int, int]) -> tuple[int, int]:
    return place[0] + 1, place[1] + 1


def _plain(value: Any) -> Any:
    """YAML's types as JSON's: dates as text, mappings as dicts."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bool | type(None)):
        return value
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else str(value)
