"""A card with `each` in, the card of each of its reports out; never runs one.

What can be known before anything runs is checked here, all of it: the parts of a ledger, or the
file that lists companies.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import normalize

from nrrsim.errors import NrrsimError, UsageError, did_you_mean
from nrrsim.ledger.ledger import Ledger, read_ledger
from nrrsim.ledger.reading import as_keys
from nrrsim.ledger.sources import matching
from nrrsim.notation import label, money, month_name
from nrrsim.report.card import (
    ALL,
    ALWAYS_PATHS,
    AS_OF,
    COLUMN,
    COMMENTARY,
    COMPANIES,
    EACH,
    LEDGER,
    PART,
    PATH,
    SEGMENT,
    VALUES,
    Card,
    Entity,
    described,
    is_own_format,
    read_card,
)
from nrrsim.report.published import NONE, PREVIOUS
from nrrsim.yamlfile import Document, read_yaml

MOST_NOTICES = 5  # of the whole ledger
NAME = "name"
log = logging.getLogger("nrrsim")
NAMES_KEY = "names_key"
OWN_PATHS = (PREVIOUS, NAMES_KEY, "format")  # keys of files that no notebook calls a path
LONGEST = 60  # characters of a folder's name: in UTF-8 no more bytes than a system takes
# Names that a system, or a report, has for something else.
TAKEN = {"con", "prn", "aux", "nul", "overview", "before", "report", "manifest"}
TAKEN |= {f"{device}{n}" for device in ("com", "lpt") for n in range(1, 10)}
OF_THE_WHOLE = ("plan",)  # tables that nobody can cut by a column of the ledger
SPOKEN = {SEGMENT: "segments"}


@dataclass(frozen=True)
class Several:
    """What a card with `each` comes to.

    entities : of what reports are made, in the order of the card, the ledger or the file. parts :
    by folder the hash of what a part of a ledger holds. absent : by name why there is none to be
    made of a part. column : what the ledger is cut by, None of companies. files : what besides the
    card says all this.
    """

    card: Card
    entities: tuple[Entity, ...]
    parts: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    column: str | None = None
    files: tuple[Path, ...] = ()


def several(card: Card, over: Mapping[str, Any] | None = None, latest: bool = False) -> Several:
    """The reports of a card with `each`; raises UsageError and DataError with all that is wrong.

    over : as for `read_card`; of companies what is said so goes before what their file says.
        latest : the month is that of the card; of companies each ledger will say it.
    """
    each, said = card.each or {}, {**(over or {})}
    if latest:
        said[AS_OF] = card.parameters[AS_OF]
    return _companies(card, said) if COMPANIES in each else _parts(card, said)


# --- parts of a ledger ----------------------------------------------------------------------------


def _parts(card: Card, over: Mapping[str, Any]) -> Several:
    each = card.each or {}
    column = SEGMENT if SEGMENT in each else str(each[COLUMN])
    known = {**card.defaults, **card.parameters}
    if whole := [key for key in OF_THE_WHOLE if known.get(key)]:
        raise UsageError(
            f"{card.path}: {whole[0]}: is one of the whole ledger, and cannot be cut by {column};"
            f" leave it out of a card with {EACH}"
        )
    if known.get(PART):
        raise UsageError(
            f"{card.path}: {PART}: the ledger is cut by {column} already; leave it out, or {EACH}"
        )
    with as_keys():
        ledger = read_ledger(*card.sources, **card.form)
    for notice in ledger.notices[:MOST_NOTICES]:  # each report is of a part, and has none of these
        log.info("note: %s: %s", card.path, notice)
    as_of, window = str(known[AS_OF]), int(known.get("window") or 12)
    if column == SEGMENT and len(ledger.segments) < 2:
        here = ", ".join(_texts(ledger)) or "none"
        raise UsageError(
            f"{card.path}: {EACH}: the ledger has no segments to be cut by; name a column of it,"
            f" such as {{column: region}}; it has {here}"
        )
    try:
        parts = ledger.parts(column, as_of, window)
    except UsageError as error:
        raise UsageError(f"{card.path}: {EACH}: {error}") from None
    some = each.get(SEGMENT, each.get(VALUES, ALL))
    wanted = [*parts] if some == ALL else list(some)
    if wrong := [value for value in wanted if value not in parts]:
        told = (f"{value!r}; {did_you_mean(value, [*parts])}" for value in wrong)
        raise UsageError(
            "\n".join(f"{card.path}: {EACH}: column {column} has no value {each}" for each in told)
        )
    labels = known.get("labels") or {}
    names = {value: label(value, labels) if column == SEGMENT else value for value in wanted}
    absent = {
        names[value]: why for value in wanted if (why := _no_base(parts[value], as_of, window))
    }
    there = [value for value in wanted if names[value] not in absent]
    folders = folder_names(there)
    entities = tuple(
        Entity(
            names[value], folders[value], _own(card, column, value, names[value], folders[value])
        )
        for value in there
    )
    found = [entity for entity in entities if read_card(card.path, over, entity=entity)]
    hashes = {folders[value]: own.sha256 for value in there if (own := parts[value].part)}
    return Several(card, tuple(found), hashes, absent, column)


def _texts(ledger: Ledger) -> list[str]:
    return [name for name in ledger.columns if name != SEGMENT and not name.startswith("cohort_")]


def _no_base(part: Ledger, as_of: str, window: int) -> str:
    """Why nothing is retained in a part, where nobody was there when the window starts."""
    cohort = part.cohort(as_of, window)
    if cohort.amount("opening") > 0:
        return ""
    now = float(part.customers(as_of)["arr"].sum())
    told = f"ARR of {money(now, part.currency)} now" if now else "none now"
    return f"no customer had revenue in {month_name(cohort.start)} ({told})"


def _own(card: Card, column: str, value: str, name: str, folder: str) -> dict[str, Any]:
    """The keys of a part's report."""
    known = {**card.defaults, **card.parameters}
    own = {PART: {column: value}, "company": f"{known['company']}, {name}"}
    return {**own, **_by_folder(card, folder)}


def _by_folder(card: Card, folder: str) -> dict[str, Any]:
    """What a card says of places, one for each of its reports: the report before, who is who."""
    known, own = {**card.defaults, **card.parameters}, dict[str, Any]()
    said = known.get(PREVIOUS)
    if said and said != NONE:
        before = card.path.parent / str(said) / folder
        own[PREVIOUS] = f"{said}/{folder}" if before.is_dir() else NONE
    if key := known.get(NAMES_KEY):
        own[NAMES_KEY] = str(Path(key).with_stem(f"{Path(key).stem}-{folder}"))
    return own


# --- companies ------------------------------------------------------------------------------------


def _companies(card: Card, over: Mapping[str, Any]) -> Several:
    file = card.path.parent / str((card.each or {})[COMPANIES])
    path = Path(os.path.normpath(file))
    document = read_yaml(path, "list of companies")
    listed = document.values.get(COMPANIES)
    if set(document.values) != {COMPANIES} or not isinstance(listed, list) or not listed:
        raise UsageError(
            f"{path}: a list of companies is {COMPANIES}: and below it, for each, a line such as"
            " - {name: Acme, ledger: acme.csv, currency: EUR}"
        )
    wrong, found = [], []
    names: dict[str, str] = {}
    for number, said in enumerate(listed):
        at = f"{path}:{_line(document, number)}"
        if (
            not isinstance(said, dict)
            or not isinstance(said.get(NAME), str)
            or not said[NAME].strip()
        ):
            wrong.append(
                f"{at}: name: each company has one, such as - {{name: Acme, ledger: acme.csv}}"
            )
            continue
        if (key := _folded(said[NAME])) in names:
            wrong.append(f"{at}: name: {said[NAME]} is there already, {names[key]}; rename one")
            continue
        names[key] = f"in line {_line(document, number)}"
        found.append((number, said))
    folders = folder_names([said[NAME] for _, said in found])
    entities = []
    for number, said in found:
        entity = _company(card, over, document, path, number, said, folders[said[NAME]])
        try:
            own = read_card(card.path, over, entity=entity)
            wrong += _missing(own, entity)
        except UsageError as error:
            wrong.append(str(error))
            continue
        entities.append(entity)
    if wrong:
        raise UsageError("\n".join(dict.fromkeys(wrong)))
    return Several(card, tuple(entities), files=(path,))


def _company(
    card: Card,
    over: Mapping[str, Any],
    document: Document,
    path: Path,
    number: int,
    said: Mapping[str, Any],
    folder: str,
) -> Entity:
    """A company of the list, its paths as seen from the card."""
    own = {key: value for key, value in said.items() if key != NAME and key not in over}
    at = _line(document, number)
    places = {key: f"{path}:{document.keys[COMPANIES, number, key].line}" for key in own}
    known = described(card.notebook)
    paths = {key for key, (_, help) in known.items() if PATH in help} | {*ALWAYS_PATHS, *OWN_PATHS}
    home = os.path.relpath(path.parent, card.path.parent)
    own = {
        key: _moved(value, home) if key in paths and not _is_format(key, value) else value
        for key, value in own.items()
    }
    if isinstance(texts := own.get(COMMENTARY), dict):
        own[COMMENTARY] = {
            key: _moved(text, home) if str(text).endswith(".md") else text
            for key, text in texts.items()
        }
    # in the currency that it says itself no rates of another are right
    if "currency" in own and own["currency"] != card.parameters.get("currency"):
        own.setdefault("rates", None)
    own = {"company": said[NAME], **_by_folder(card, folder), **own}
    return Entity(str(said[NAME]), folder, own, {"": f"{path}:{at}", **places})


def _missing(card: Card, entity: Entity) -> list[str]:
    """What is wrong with where a company's ledger is, if that can be known."""
    place = entity.places.get(LEDGER, entity.places[""])
    try:
        sources = card.sources
    except UsageError:
        return [f"{place}: {LEDGER}: is missing; add the company's, such as ledger: acme.csv"]
    return [
        f"{place}: {LEDGER}: there is no file {each}"
        for each in sources
        if not (each.startswith("env:") or "://" in each or _is_there(each))
    ]


def _is_there(path: str) -> bool:
    if os.path.exists(path):
        return True
    try:
        return any(each.exists() for each in matching(path))
    except NrrsimError:
        return False


def _moved(value: Any, home: str) -> Any:
    """A path that a list of companies gives, as one from the card."""
    if isinstance(value, list):
        return [_moved(each, home) for each in value]
    if not isinstance(value, str) or value == NONE or value.startswith("env:") or "://" in value:
        return value
    if os.path.isabs(value):
        return value
    return Path(os.path.normpath(os.path.join(home, value))).as_posix()


def _is_format(key: str, value: Any) -> bool:
    """Whether it is the name of an export that comes with nrrsim, and no file."""
    return key == "format" and not is_own_format(value)


def _line(document: Document, number: int) -> int:
    at = document.places.get((COMPANIES, number)) or document.keys.get((COMPANIES, number))
    return at.line if at else 1


# --- names ----------------------------------------------------------------------------------------


def folder_names(names: Iterable[str]) -> dict[str, str]:
    """By name a folder's: safe on every system, and no two alike, whatever case it is spelled in.

    Letters and digits of any script stay, all else is a hyphen. What is too long, another's, a
    device's or empty has a piece of its name's hash behind it.
    """
    plain = {name: _plain(name) for name in names}
    folded = [_folded(each) for each in plain.values()]
    found = {}
    for name, each in plain.items():
        is_own = bool(each) and folded.count(_folded(each)) == 1 and _folded(each) not in TAKEN
        is_whole = len(each) <= LONGEST
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        cut = each[: LONGEST - 9].rstrip("-")
        found[name] = each if is_own and is_whole else f"{cut}-{digest}".lstrip("-")
    return found


def _plain(name: str) -> str:
    return re.sub(r"\W+", "-", normalize("NFKC", name)).strip("-_")


def _folded(name: str) -> str:
    return normalize("NFKC", normalize("NFKC", name).casefold()).strip()
