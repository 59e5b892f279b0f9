"""Management's own Markdown by section in, the box that prints it out; never mixed with our words.

Nothing in it is run, fetched or evaluated: what could be is refused with its place before anything
runs, and what Markdown or a formula would take for its own is printed as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from nrrsim.errors import UsageError, did_you_mean
from nrrsim.report.tables import Printed, callout, sentence
from nrrsim.report.wording.templates import raw_of

HEADING = "Management commentary"
FILE = ".md"
REFUSED = {
    "an address": (re.compile(r"\b\w+://|\bwww\.|\bmailto:|\]\(|^ *\[[^\]]+\]:"), "leave it out"),
    "a heading": (re.compile(r"^ {0,3}#{1,6} |^ {0,3}(=+|-+) *$"), "the section has its own"),
    "a block of the page's own layout": (re.compile(r"^ *:::"), "write plain paragraphs"),
    "a formula": (re.compile(r"\$\$"), "write it in words"),
}
MEANT = re.compile(r"[$@{}<>\\]")  # a sign of money is no formula, an address at a shop no source


def files_of(commentary: Mapping[str, str]) -> list[str]:
    """The files that a commentary names."""
    return [text for text in commentary.values() if text.endswith(FILE) and "\n" not in text]


def problems(
    commentary: Mapping[str, str], sections: Sequence[str], folder: Path
) -> Iterator[tuple[bool, str]]:
    """What cannot be printed: whether the card says it, and what it is, with line and remedy.

    sections : those that the notebook leaves room for. folder : where the card lies.
    """
    for section, said in commentary.items():
        if section not in sections:
            yield True, f"{section} is no section; {did_you_mean(section, sections)}"
        is_file = bool(files_of({section: said}))
        try:
            lines = _text(said, folder).split("\n")
        except UsageError as error:
            yield True, f"{section}: {error}"
            continue
        for number, line in enumerate(lines, start=1):
            if found := _refused(line):
                line_of_card = f"{section}, line {number}" if len(lines) > 1 else section
                place = f"{folder / said}:{number}" if is_file else line_of_card
                yield not is_file, f"{place}: {found}"


def comment(commentary: Mapping[str, str], section: str, folder: str | Path = ".") -> Printed:
    """What management says of a section, in a box that says so; nothing where it says nothing.

    folder : where the files lie that it names. Raises UsageError for what cannot be printed.
    """
    if section not in commentary:
        return sentence("")
    wrong = [told for _, told in problems({section: commentary[section]}, [section], Path(folder))]
    if wrong:
        raise UsageError("\n".join(f"commentary: {each}" for each in wrong))
    text = MEANT.sub(r"\\\g<0>", _text(commentary[section], Path(folder)).strip())
    return callout("note", HEADING, text)


def named(
    commentary: Mapping[str, str], customers: Iterable[str], folder: Path
) -> dict[str, list[str]]:
    """By section the customers that management's text names, whole words in any case."""
    texts = {section: _text(said, folder).casefold() for section, said in commentary.items()}
    known = [(name, name.casefold()) for name in customers if name.strip()]
    found = {
        section: sorted(
            name
            for name, folded in known
            if folded in text and re.search(rf"(?<!\w){re.escape(folded)}(?!\w)", text)
        )
        for section, text in texts.items()
    }
    return {section: names for section, names in found.items() if names}


def _text(said: str, folder: Path) -> str:
    if not files_of({"": said}):
        return said
    try:
        return (folder / said).read_text("utf-8-sig")
    except OSError:
        raise UsageError(f"there is no file {said} beside the card") from None
    except UnicodeDecodeError:
        raise UsageError(f"{said} is not UTF-8; save it as UTF-8") from None


def _refused(line: str) -> str:
    for what, (pattern, remedy) in REFUSED.items():
        if pattern.search(line):
            return f"{what} stands here; {remedy}"
    return raw_of(line)
