"""A YAML file that people wrote in, its values and where each stands out; never judges one.

YAML 1.2, so that `NO` is text and `12:30` is not a number; a key that stands twice is refused. Text
is in Unicode's composed form, so that two ways to type one name are one name, and holds nothing
that cannot be seen. What seven lines may stand for is counted before it is spelled out.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import category, normalize

from nrrsim.errors import UsageError

Path_ = tuple[str | int, ...]
TAG = "tag:yaml.org,2002:"
CANNOT_READ = "this is not YAML that can be read"
NESTED = f"{CANNOT_READ}: its brackets are nested too deeply"
MOST_BYTES = 4_000_000  # of a file
MOST_VALUES = 250_000  # of a file, each as often as it is referred to
MOST_DIGITS = 300  # of a whole number; more fit into no amount
# What each kind of node may be said, or found, to be.
KINDS = {
    "scalar": {"str", "int", "float", "bool", "null", "timestamp", "value", "merge"},
    "sequence": {"seq"},
    "mapping": {"map"},
}
TRUTHS = {"true": True, "false": False}
JOINERS = "\u200c\u200d"  # inside a word, or between the signs that make up one picture
# A line of a kind of file, for whoever gave another; all others have a title.
LINES = {
    "run card": "notebook: quarterly_report",
    "list of companies": "companies: [{name: Acme, ledger: acme.csv}]",
    "signals card": "signals: {active_users: {kind: level}}",
}
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
TOO_MANY = (
    f"more than {MOST_VALUES:,} values, counted as often as they are referred to (*name);"
    " state fewer"
)
UNSEEN = "a sign that is not seen stands in this text ({}); type the text anew"
AT_ITS_BEGINNING = ("flow sequence", "flow mapping", "quoted scalar", "simple key")


@dataclass(frozen=True, order=True)
class Place:
    """Where something stands; line and column count from 1. Of a workbook: on which `sheet`."""

    file: str
    sheet: str
    line: int
    column: int

    @property
    def cell(self) -> str:
        """Its cell as a spreadsheet names it: `Drivers!E14`."""
        letters, left = "", self.column
        while left:
            left, own = divmod(left - 1, 26)
            letters = chr(ord("A") + own) + letters
        return f"{self.sheet}!{letters}{self.line}"

    def __str__(self) -> str:
        if self.sheet:
            return f"{self.file} {self.cell}"
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Document:
    """`values`: plain dicts, lists, numbers, text. `keys`, `places`: where each of them stands.

    A value that is left out, or begins on a line below its key, stands at its key. The file itself
    stands at (). `notices`: what to know of the file that does not make it wrong.
    """

    values: dict[str, Any]
    keys: dict[Path_, Place] = field(default_factory=dict)
    places: dict[Path_, Place] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def read_yaml(path: str | Path, what: str) -> Document:
    """The file's mapping, or UsageError with the place. `what` it is called in the error."""
    file = Path(path)
    try:
        refuse_no_file(path, what)
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise UsageError(f"{path}: is larger than 4 MB; no {what} is, so look at what it is")
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        reader = _Reader(str(path))
        values = reader.value(_composed(text, str(path)), ())
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: cannot be read ({why})") from None
    except RecursionError:
        raise UsageError(f"{path}: {NESTED}") from None
    if not isinstance(values, dict):
        raise UsageError(
            f"{path}: this file holds no settings;"
            f" a {what} is made of lines such as {LINES.get(what, 'title: Next year')}"
        )
    return Document(values, {(): Place(str(path), "", 1, 1)} | reader.keys, reader.places)


def refuse_no_file(path: str | Path, what: str) -> None:
    """Raise UsageError for what is no file that may hold a `what`."""
    file = Path(path)
    if file.is_dir():
        raise UsageError(f"{path}: is a folder; name the {what} in it")
    if not file.exists():
        raise UsageError(f"{path}: there is no such {what}")
    if not file.is_file():
        raise UsageError(f"{path}: is a pipe or a device; name a file that holds the {what}")


def read_value(text: str, what: str) -> Any:
    """One value as it would stand in a file; `what` it is called in an error."""
    try:
        return _Reader(what).value(_composed(text, what), ())
    except RecursionError:
        raise UsageError(f"{what}: {NESTED}") from None


def yaml_text(values: dict[str, Any]) -> str:
    """Plain values as YAML that people read: in the order given, short things on one line."""
    from io import StringIO

    from ruamel.yaml import YAML
    from ruamel.yaml.emitter import Emitter

    class OnOneLine(Emitter):
        """Writes a key that may not be split on one line: on two nothing could read it again."""

        def write_plain(self, text: Any, split: Any = True) -> None:
            width = self.best_width
            self.best_width = width if split else sys.maxsize
            super().write_plain(text, split)
            self.best_width = width

        def analyze_scalar(self, scalar: Any) -> Any:
            found = super().analyze_scalar(scalar)
            # inside brackets the library writes ? bare, and reads it as the sign of a key
            if scalar.startswith("?"):
                found.allow_flow_plain = found.allow_block_plain = False
            return found

    yaml = YAML(typ="safe")
    yaml.Emitter = OnOneLine
    yaml.default_flow_style, yaml.width = None, 100
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = StringIO()
    yaml.dump(values, text)
    return text.getvalue()


def rounded(value: float) -> float:
    """To five significant digits, as a number that was learnt stands in a file."""
    return float(f"{value:.5g}")


def unseen(text: str, lines: bool = False) -> str:
    """The first sign of a text that is not seen, such as `U+001B`; empty if all can be.

    Controls, and formats such as the turning round of letters, but for joiners between letters.
    lines : whether the text may have several lines.
    """
    if text.isprintable():
        return ""
    for at, sign in enumerate(text):
        beside = (text[at - 1 : at] + text[at + 1 : at + 2]).replace(" ", "")
        is_fine = (lines and sign in "\n\t") or (sign in JOINERS and len(beside) == 2)
        # the letters that a flag's sign is followed by, England's say
        is_fine |= "\U000e0020" <= sign <= "\U000e007f" and "\U0001f3f4" in text[:at]
        if category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") and not is_fine:
            return f"U+{ord(sign):04X}"
    return ""


def _composed(text: str, path: str) -> Any:
    """The tree of nodes of a text; raises UsageError in words for people who do not know YAML."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    # one value is apart from the next by one of these
    if sum(map(text.count, "\n,[{")) > MOST_VALUES:
        raise UsageError(f"{path}: {TOO_MANY}")

    if old := OLD_YAML.search(text):
        line = text.count("\n", 0, old.start()) + 1
        raise UsageError(
            f"{path}:{line}:1: {old[0].strip()}: files are read as YAML 1.2; remove this line"
        )
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        if _number_of_values(root, path, {}) > MOST_VALUES:
            raise UsageError(f"{path}: {TOO_MANY}")
        return root
    except ReaderError as error:
        above = text[: error.position]
        line, column = above.count("\n") + 1, error.position - above.rfind("\n")
        sign = f"U+{ord(text[error.position]):04X}"
        raise UsageError(f"{path}:{line}:{column}: {CANNOT_READ}: {UNSEEN.format(sign)}") from None
    except MarkedYAMLError as error:
        problem = f"{error.context or ''} {error.problem or error}"
        # what is not closed is said of where it opens, as the file's end helps nobody
        begins = any(word in problem for word in AT_ITS_BEGINNING)
        mark = error.context_mark if begins and error.context_mark else error.problem_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
        raise UsageError(f"{place}: {CANNOT_READ}: {_in_our_words(problem.strip())}") from None
    except YAMLError as error:
        raise UsageError(f"{path}: {CANNOT_READ}: {str(error).splitlines()[0]}") from None


def _number_of_values(node: Any, path: str, known: dict[int, int]) -> int:
    """How many values a node stands for, with each that it refers to as often as it does."""
    if node is None or isinstance(node.value, str):
        return 1
    if id(node) not in known:
        known[id(node)] = -1  # begun: who comes by again is inside itself
        parts = (each for part in node.value for each in (part if type(part) is tuple else (part,)))
        known[id(node)] = 1 + sum(_number_of_values(each, path, known) for each in parts)
    elif known[id(node)] < 0:
        mark = node.start_mark
        raise UsageError(f"{path}:{mark.line + 1}:{mark.column + 1}: this refers to itself")
    return known[id(node)]


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
        if node is None:
            return None
        kind = self._kind(node, at)
        if node.id == "scalar":
            return self._scalar(node, kind, at)
        if node.id == "mapping":
            return {
                name: self._put(key, item, (*at, name))
                for name, (key, item) in self._pairs(node).items()
            }
        return [self._put(item, item, (*at, number)) for number, item in enumerate(node.value)]

    def _kind(self, node: Any, at: Path_) -> str:
        """What the node is found, or said, to be; raises UsageError for a kind that is not ours."""
        kind = str(node.tag).removeprefix(TAG)
        if kind not in KINDS[node.id]:
            name = kind if node.tag == kind else f"!!{kind}"
            raise UsageError(
                f"{self._place(node)}: {_named(at)}{_visible(name)} is no kind of value here; leave"
                " it out, and put text that begins with ! in double quotes"
            )
        return kind

    def _pairs(self, node: Any) -> dict[str, tuple[Any, Any]]:
        """The key and value of each name; what `<<` merges gives way to the mapping's own."""
        own: dict[str, tuple[Any, Any]] = {}
        merged: dict[str, tuple[Any, Any]] = {}
        for key, item in node.value:
            if key.tag == f"{TAG}merge":
                # of several mappings the first that states a name has it
                for each in item.value if item.tag == f"{TAG}seq" else [item]:
                    if each.id != "mapping":
                        raise UsageError(
                            f"{self._place(item)}: <<: must be a mapping, such as *name"
                        )
                    merged = self._pairs(each) | merged
                continue
            if key.id != "scalar" or self._kind(key, ()) == "null":
                what = "nothing" if key.id == "scalar" else "a list or a mapping"
                raise UsageError(f"{self._place(key)}: a name must be text, not {what}")
            name = normalize("NFC", _paired(key.value))
            if sign := unseen(name):
                raise UsageError(f"{self._place(key)}: {UNSEEN.format(sign)}")
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
        return Place(self.file, "", node.start_mark.line + 1, node.start_mark.column + 1)

    def _scalar(self, node: Any, kind: str, at: Path_) -> Any:
        """YAML's types as JSON's; dates, and numbers with more digits than can be read, as text."""
        text = node.value
        digits = text.replace("_", "").lower()
        if kind == "null" and digits in ("", "~", "null"):
            return None
        if kind == "bool" and digits in TRUTHS:
            return TRUTHS[digits]
        if kind in ("null", "bool"):
            raise UsageError(
                f"{self._place(node)}: {_named(at)}{_visible(text)} is no !!{kind};"
                f" leave !!{kind} out"
            )
        try:
            if kind == "int" and len(digits) <= MOST_DIGITS:
                return int(digits, {"0x": 16, "0o": 8, "0b": 2}.get(digits.lstrip("+-")[:2], 10))
            if kind == "float":
                return float(digits.replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            pass
        text = _paired(text)
        if sign := unseen(text, lines=True):
            raise UsageError(f"{self._place(node)}: {_named(at)}{UNSEEN.format(sign)}")
        return normalize("NFC", text)


def _paired(text: str) -> str:
    """The two halves in which JSON writes an emoji (D83D DE00) as the one sign that they are."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _named(at: Path_) -> str:
    return f"{'.'.join(map(str, at))}: " if at else ""


def _visible(text: str) -> str:
    """A text that is quoted although it may hold anything."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:80])
