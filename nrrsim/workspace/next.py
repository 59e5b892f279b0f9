"""A workspace, or one card of it, in, the card of the next quarter out; never runs either.

The card is the last one's text with another month: its comments, its order and its spelling stay.
What was said of one day or quarter alone (`until`, `known_at`, `commentary`) is left as a question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nrrsim.errors import DataError, UsageError
from nrrsim.files import whole
from nrrsim.ledger.ledger import Ledger, read_ledger
from nrrsim.ledger.reading import as_keys
from nrrsim.ledger.sources import matching
from nrrsim.months import Calendar, month_name, month_number
from nrrsim.report.card import COMMENTARY, read_card
from nrrsim.report.published import NONE
from nrrsim.scenario.book import is_address
from nrrsim.workspace.cards import card_name
from nrrsim.yamlfile import Document, read_yaml

VALUE = re.compile(r"""("[^"]*"|'[^']*'|[^\s,#}]+)""")
# What was said of one day or quarter alone, and what stands above it in the card after.
OF_ONE_DAY = {
    "until": (
        "# When was this quarter's export made? Say so here, if it was after its month. It was:",
        "it was the day of the last card's export",
    ),
    "known_at": (
        "# As known at one day, and not at the latest? Say so here. It was:",
        "the last card's ledger was read as known at that day",
    ),
    "previous": (
        "# Compared with another report than the last one? Say so here. It was:",
        "it was the report before the last card's",
    ),
    COMMENTARY: (
        "# Management's own words on this quarter? Write them here. The last ones were:",
        "it was said of the last card's quarter",
    ),
}
OF_THE_LEDGER = {"until", "known_at"}  # how it is read depends on them


@dataclass(frozen=True)
class NextCard:
    """The card that was written, the one before, its month, and what to know."""

    path: Path
    before: Path
    as_of: str
    notes: tuple[str, ...]


def next_card(folder: str | Path) -> NextCard:
    """Write the card of the quarter after that of the last one in `folder`, or after that card.

    Raises UsageError where there is none, where it is there already, or where the last one's month
    is not on a line of its own.
    """
    before, card = _last(Path(folder))
    calendar = _calendar(card, before)
    month = month_number(card.values["as_of"]) or 0
    ledger, note = _ledger(before)
    left_open = _left_open(card)
    reaches = ledger.months[-1] if ledger and OF_THE_LEDGER.isdisjoint(left_open) else None
    if reaches and reaches < month_name(month):
        raise UsageError(
            f"{before}: is there already, and its ledger reaches {reaches} alone; the card after it"
            f" can wait until there is {month_name(month)}"
        )
    after = month + (max(3, ledger.step) if ledger else 3)
    path = before.with_name(
        before.name.replace(card_name(month, calendar), card_name(after, calendar))
    )
    as_of = month_name(after)
    text = _moved(before, card, as_of)
    notes = [note] if note else []
    if reaches and reaches < as_of:
        notes.append(f"the ledger reaches {reaches}: the report can be made once it has {as_of}")
    notes += [f"{key} is left open: {OF_ONE_DAY[key][1]}" for key in left_open]
    kept = {key: value for key, value in card.values.items() if key not in left_open}
    meant = kept | {"as_of": as_of}
    try:
        with whole(path, new=True) as unfinished:
            unfinished.write_bytes(text.encode())
            if not _says(unfinished, meant):
                said = " and ".join(["as_of", *left_open])
                raise UsageError(f"{before}: {said} must each have a line of their own")
    except FileExistsError:
        raise UsageError(f"{path}: is there already; nothing is overwritten") from None
    return NextCard(path, before, as_of, tuple(notes))


def _left_open(card: Document) -> list[str]:
    """The keys that were said of one day; that a report is compared with none is said of all."""
    return [key for key in OF_ONE_DAY if key in card.values and card.values[key] != NONE]


def _says(path: Path, meant: dict[str, Any]) -> bool:
    """Whether a card that was made out of another's text can be read, and says what is meant."""
    try:
        return read_yaml(path, "run card").values == meant
    except UsageError:
        return False


def _last(folder: Path) -> tuple[Path, Document]:
    """The card of the latest month, among those that are called by it."""
    if folder.is_file():
        card = read_yaml(folder, "run card")
        if _month_in_name(folder, card) is None:
            raise UsageError(
                f"{folder}: is not called by its as_of, such as 2026Q3.yaml for 2026-09; rename it"
            )
        return folder, card
    home = folder / "params" if (folder / "params").is_dir() else folder
    if not home.is_dir():
        raise UsageError(f"{folder}: there is no such folder")
    cards = {path: read_yaml(path, "run card") for path in sorted(home.glob("*.yaml"))}
    months = {path: month for path, card in cards.items() if (month := _month_in_name(path, card))}
    if not months:
        raise UsageError(
            f"{home}: there is no card that is called by its quarter, such as 2026Q3.yaml;"
            " nrrsim new writes the first one"
        )
    latest = [path for path, month in months.items() if month == max(months.values())]
    if len(latest) > 1:
        raise UsageError(
            f"{home}: {len(latest)} cards are of {month_name(max(months.values()))}; name the one"
            f" that is to go on: nrrsim next {latest[0]}"
        )
    return latest[0], cards[latest[0]]


def _month_in_name(path: Path, card: Document) -> int | None:
    """The month of a card that is called by it; None of any other."""
    if "ledger" not in card.values or "as_of" not in card.values:
        return None
    calendar = _calendar(card, path)
    month = calendar.reader(month_number)(card.values["as_of"])
    return month if month and card_name(month, calendar) in path.stem else None


def _calendar(card: Document, path: Path) -> Calendar:
    try:
        return Calendar.of(card.values.get("fiscal_year_end", 12))
    except ValueError as error:
        raise UsageError(f"{path}: fiscal_year_end: {error}") from None


def _ledger(path: Path) -> tuple[Ledger | None, str]:
    """A card's ledger as it is now, or why it cannot be read: its file may still come."""
    try:
        card = read_card(path, of_ledger=True)
        files = [each for each in card.sources if not is_address(each)]
        if not all(found.exists() for each in files for found in matching(each)):
            named = ", ".join(card.sources)
            return None, f"the ledger {named} is not there yet: the report waits for it"
        with as_keys():
            return read_ledger(*card.sources, **card.form), ""
    except (UsageError, DataError) as error:
        first = str(error).splitlines()[0]
        return None, f"the ledger cannot be read as it is now: {first}"


def _moved(path: Path, card: Document, month: str) -> str:
    """The text of a card with another month, and what was said of one day as a question."""
    lines = path.read_bytes().decode().split("\n")
    at = card.places["as_of",]
    line = lines[at.line - 1]
    column = at.column - 1 + line.startswith("\ufeff")
    found = VALUE.match(line, column)
    if found is None or at == card.keys["as_of",]:
        raise UsageError(f"{at}: as_of: write the month on the line of its key")
    quote = found[0][0] if found[0][0] in "\"'" else ""
    lines[at.line - 1] = f"{line[:column]}{quote}{month}{quote}{line[found.end() :]}"
    for key in _left_open(card):
        stands = card.keys[key,].line - 1
        ending = "\r" * lines[stands].endswith("\r")
        # a mapping or a text may go on for lines, each with blanks before it
        end = stands + 1
        while any(each.strip() for each in lines[end:]) and not re.match(r"\S", lines[end]):
            end += 1
        while not lines[end - 1].strip():
            end -= 1
        lines[stands:end] = [f"# {each}" for each in lines[stands:end]]
        lines[stands] = f"{OF_ONE_DAY[key][0]}{ending}\n{lines[stands]}"
    return "\n".join(lines)
