"""A YAML file that people wrote in, its values and where each stands out; never judges one.

YAML 1.2, so that `NO` is text and `12:30` is not a number; a key that stands twice is refused. Text
is in Unicode's composed form, so that two ways to type one name are one name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import normalize

from nrrsim.errors import UsageError

Path_ = tuple[str | int, ...]
TAG = "tag:yaml.org,2002:"
CANNOT_READ = "this is not YAML that can be read"
# Read as YAML 1.1, NO would be false.
OLD_YAML = re.compile(r"^%YAML\s+(?!1\.2\s*$).*$", re.MULTILINE)
# What the library says (and in which context), and what it means.
TROUBLES = {
    r"character '\\t'": "a tab stands here; use spaces",
    r"character '(.)'": r"text that begins with \1 must stand in double quotes",
    r"mapping values are not": "a colon stands where none may;"
    " put the text in double quotes, or align the line",
    r"expected ',' or '.'": "the bracket that opens here is not closed,"
    " or a comma is missing in it",
    r"unexpected end of stream": "the quote that opens here is not closed",
    r"undefined alias '(.*)'": r"*\1 is nowhere defined;"
    " put text that begins with * in double quotes",
    r"expected <block end>": "this does not fit the lines above;"
    " align it, or put the text in double quotes",
    r"could not find expected ':'": "this line holds no name and value; write name: value",
    r"expected a single document": "a second scenario or card begins here, after a line of ---;"
    " keep one in a file",
}
AT_ITS_BEGINNING = ("flow sequence", "flow mapping", "quoted scalar", "simple key")


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
    """`values`: plain dicts, lists, numbers, text. `keys`, `places`: where each of them stands.

    A value that is left out, or begins on a line below its key, stands at its key. The file itself
    stands at ().
    """

    values: dict[str, Any]
    keys: dict[Path_, Place] = field(default_factory=dict)
    places: dict[Path_, Place] = field(default_factory=dict)


def read_yaml(path: str | Path, what: str) -> Document:
    """The file's mapping, or UsageError with the place. `what` it is called in the error."""
    file = Path(path)
    if file.is_dir():
        raise UsageError(f"{path}: is a folder; name the {what} in it")
    if not file.is_file():
        raise UsageError(f"{path}: there is no such {what}")
    try:
        text = file.read_text(encoding="utf-8-sig")
        reader = _Reader(str(path))
        values = reader.value(_composed(text, str(path)), ())
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from None
    except RecursionError:
        raise UsageError(f"{path}: {CANNOT_READ}: its brackets are nested too deeply") from None
    if not isinstance(values, dict):
        raise UsageError(
            f"{path}: this file holds no settings;"
            f" a {what} is made of lines such as title: Next year"
        )
    return Document(values, {(): Place(str(path), 1, 1)} | reader.keys, reader.places)


def yaml_text(values: dict[str, Any]) -> str:
    """Plain values as YAML that people read: in the order given, short things on one line."""
    from io import StringIO

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    yaml.default_flow_style, yaml.width = None, 100
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = StringIO()
    yaml.dump(values, text)
    return text.getvalue()


def _composed(text: str, path: str) -> Any:
    """The tree of nodes of a text; raises UsageError in words for people who do not know YAML."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if old := OLD_YAML.search(text):
        line = text.count("\n", 0, old.start()) + 1
        raise UsageError(
            f"{path}:{line}:1: {old[0].strip()}: files are read as YAML 1.2; remove this line"
        )
    try:
        return YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        problem = f"{error.context or ''} {error.problem or error}"
        # what is not closed is said of where it opens, as the file's end helps nobody
        begins = any(word in problem for word in AT_ITS_BEGINNING)
        mark = error.context_mark if begins and error.context_mark else error.problem_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
        raise UsageError(f"{place}: {CANNOT_READ}: {_in_our_words(problem.strip())}") from None
    except YAMLError as error:
        raise UsageError(f"{path}: {CANNOT_READ}: {str(error).splitlines()[0]}") from None


def _in_our_words(problem: str) -> str:
    for pattern, words in TROUBLES.items():
        if found := re.search(pattern, problem):
            return found.expand(words) if found.groups() else words
    return problem.splitlines()[0]


@dataclass
class _Reader:
    """Turns nodes into plain values, and notes where each of them stands."""

    file: str
    keys: dict[Path_, Place] = field(default_factory=dict)
    places: dict[Path_, Place] = field(default_factory=dict)

    def value(self, node: Any, at: Path_) -> Any:
        if node is None or isinstance(node.value, str):
            return _scalar(node)
        if node.tag == f"{TAG}map":
            return {
                name: self._put(key, item, (*at, name))
                for name, (key, item) in self._pairs(node).items()
            }
        return [self._put(item, item, (*at, number)) for number, item in enumerate(node.value)]

    def _pairs(self, node: Any) -> dict[str, tuple[Any, Any]]:
        """The key and value of each name; what `<<` merges gives way to the mapping's own."""
        own: dict[str, tuple[Any, Any]] = {}
        merged: dict[str, tuple[Any, Any]] = {}
        for key, item in node.value:
            if key.tag == f"{TAG}merge":
                # of several mappings the first that states a name has it
                for each in item.value if item.tag == f"{TAG}seq" else [item]:
                    if isinstance(each.value, str) or each.tag == f"{TAG}seq":
                        raise UsageError(
                            f"{self._place(item)}: <<: must be a mapping, such as *name"
                        )
                    merged = self._pairs(each) | merged
                continue
            if not isinstance(key.value, str):
                raise UsageError(
                    f"{self._place(key)}: a name must be text, not a list or a mapping"
                )
            name = normalize("NFC", key.value)
            if name in own:
                raise UsageError(f"{self._place(key)}: {name}: stands twice; keep one of them")
            own[name] = key, item
        return merged | own

    def _put(self, key: Any, item: Any, at: Path_) -> Any:
        # `key:` with nothing after it, as against `key: null`
        left_out = item.tag == f"{TAG}null" and not item.value
        self.keys[at] = self._place(key)
        self.places[at] = self._place(
            key if left_out or item.start_mark.line > key.end_mark.line else item
        )
        return self.value(item, at)

    def _place(self, node: Any) -> Place:
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)


def _scalar(node: Any) -> Any:
    """YAML's types as JSON's; dates, and numbers with more digits than can be read, as text."""
    kind, text = ("null", "") if node is None else (node.tag.removeprefix(TAG), node.value)
    digits = text.replace("_", "").lower()
    if kind == "null":
        return None
    if kind == "bool":
        return digits == "true"
    try:
        if kind == "int":
            return int(digits, {"0x": 16, "0o": 8, "0b": 2}.get(digits.lstrip("+-")[:2], 10))
        if kind == "float":
            return float(digits.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        pass
    return normalize("NFC", text)
