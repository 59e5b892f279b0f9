"""A card with `each` in, its reports and their overview out; never ends the rest for one's error.

Each report is made by the command itself, as a process of its own. One of which nothing has changed
stays as it is; so a run that was ended goes on where it was.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nrrsim.errors import NrrsimError, UsageError
from nrrsim.files import added_to, refused, sha256
from nrrsim.notation import counted
from nrrsim.report.card import (
    AS_OF,
    COMPANIES,
    LEDGER,
    PATH,
    READING,
    Card,
    Entity,
    described,
    find_notebook,
)
from nrrsim.report.each import Several, several
from nrrsim.report.manifest import MANIFEST, is_current, is_overview, write_manifest
from nrrsim.report.published import files_of_before, report_before
from nrrsim.report.run import (
    FORMATS,
    as_asked,
    check_slides,
    checked_forms,
    folder_of_reports,
    for_its_readers,
    make,
    place_of,
    read_as_asked,
)
from nrrsim.report.several import Made, each_of

NOTEBOOK, OVERVIEW = "portfolio", "overview"
OPTION = "--entity"  # of the command, for one of several
# What the command says on its way; all else of one that failed is why.
ON_THE_WAY = re.compile(r"^(note|warning): |: (running|rendering) |: compared with the report of ")
MOST_LINES = 3  # of why a report was not made
log = logging.getLogger("nrrsim")


@dataclass(frozen=True)
class Outcome:
    """What a run came to: the folder, what was `made` or `kept` in it, and what `failed` and why.

    overview : its files, none where no report was there to be looked at.
    """

    folder: Path
    made: tuple[str, ...]
    kept: tuple[str, ...]
    failed: Mapping[str, str]
    overview: tuple[Path, ...]


def run_each(
    path: str | Path,
    *,
    to: Sequence[str] = ("pdf", "html"),
    engine: str = "auto",
    out: str | Path | None = None,
    over: Mapping[str, Any] | None = None,
    latest: bool = False,
    summary: bool = False,
    workers: int = 1,
    words: Sequence[str] = (),
    told: Callable[[str, Made], None] | None = None,
) -> Outcome:
    """Make the reports of a card with `each` that are not as they would be, and their overview.

    They go into `out`/<name of the card>/<name of each>/. words : what else each report's command
        is told, such as the `--set` that `over` came from. workers : so many side by side. told :
        is called with the name of each report that was made or failed, in their order, and what
        its command said. The others as for `run_card`.

    Raises UsageError and DataError for all that is wrong before anything runs.
    """
    checked_forms(to)
    card = read_as_asked(path, over, latest)
    check_slides(card, to)
    found = several(card, over, latest)
    home = _checked_home(place_of(card, folder_of_reports(card) if out is None else Path(out)))
    asked = as_asked(to, engine, summary)
    todo = [
        each for each in found.entities if not _is_as_it_was(found, each, home, over, latest, asked)
    ]
    _say_what_is_left_there(home, found)
    log.info("%s: %s", path, _said(found, todo, workers))

    failed: dict[str, str] = {}
    month = ["--latest"] * latest
    if latest and found.column is not None:  # of the parts of one ledger it is known by now
        month = [f"--set={AS_OF}={json.dumps(card.parameters[AS_OF])}"]
    shared = ["--to", ",".join(to), "--engine", engine, *words, *month]
    shared += [*["--summary"] * summary, "--out", str(home.parent)]
    commands = [[str(path), *shared, f"{OPTION}={as_text(each)}"] for each in todo]
    with closing(each_of(commands, workers)) as reports:
        for entity, made in zip(todo, reports, strict=True):
            if made.code:
                failed[entity.name] = _why(made)
            if told is not None:
                told(entity.name, made)
    there = [each for each in found.entities if each.name not in failed]
    overview = _overview(card, found, there, failed, home, to, engine) if there else ()
    kept = tuple(each.name for each in found.entities if each not in todo)
    made_now = tuple(each.name for each in todo if each.name not in failed)
    return Outcome(home, made_now, kept, failed, overview)


def as_text(entity: Entity) -> str:
    """An entity as one word of a command, as `of_text` reads it."""
    values = {"name": entity.name, "folder": entity.folder}
    return json.dumps({**values, "values": entity.values, "places": entity.places})


def of_text(text: str) -> Entity:
    """The entity that `as_text` wrote."""
    try:
        return Entity(**json.loads(text))
    except (ValueError, TypeError):
        raise UsageError(
            f"{OPTION}: is for nrrsim itself, which makes one of several reports"
        ) from None


def _checked_home(home: Path) -> Path:
    """The folder for the reports; raises UsageError where a report of another kind stands there."""
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(error, home) from None
    if (home / MANIFEST).is_file() and not is_overview(home):
        raise UsageError(
            f"{home}: holds one report, and the card makes several now; move it away, or choose"
            " another --out"
        )
    return home


def _is_as_it_was(
    found: Several,
    entity: Entity,
    home: Path,
    over: Mapping[str, Any] | None,
    latest: bool,
    asked: Mapping[str, Any],
) -> bool:
    """Whether a report is there, made of the same in the same way; in doubt it is made again."""
    try:
        if found.column is not None:  # of parts the month is found already
            latest, over = False, {**(over or {}), AS_OF: found.card.parameters[AS_OF]}
        card = for_its_readers(read_as_asked(found.card.path, over, latest, entity))
        if found.column is None and any(_is_elsewhere(each) for each in card.sources):
            return False
        final = home / entity.folder
        if not (final / MANIFEST).is_file():
            return False
        before = files_of_before(report_before(card, final), final)
        part = found.parts.get(entity.folder)
        return is_current(card, final, asked, before, _rendered_by(asked), part)
    except (NrrsimError, OSError):
        return False


def _is_elsewhere(source: str) -> bool:
    """Whether a ledger is behind an address: nobody knows whether it has changed."""
    return source.startswith("env:") or "://" in source


def _rendered_by(asked: Mapping[str, Any]) -> dict[str, str] | None:
    from nrrsim.report.pages.render import engine_used

    return engine_used(asked["engine"], asked["to"])


def _say_what_is_left_there(home: Path, found: Several) -> None:
    """Say which reports stand in the folder that the card no longer makes."""
    ours = {each.folder for each in found.entities}
    there = sorted(each.parent.name for each in home.glob(f"*/{MANIFEST}"))
    for folder in (name for name in there if name not in ours):
        log.warning(
            "warning: %s: is there, and the card makes no such report any more; move it away",
            home / folder,
        )


def _said(found: Several, todo: Sequence[Entity], workers: int) -> str:
    number, kept = len(todo), len(found.entities) - len(todo)
    parts = [f"{counted(number, 'report')}, {min(workers, number)} side by side"] if number else []
    if kept:
        parts.append(f"{counted(kept, 'report is as it was', 'reports are as they were')}")
    return "; ".join(parts) or "there is none to be made"


def _why(made: Made) -> str:
    """Why a report was not made, as its command said."""
    said = [line for line in made.said.splitlines() if line.strip()]
    why = [line for line in said if not ON_THE_WAY.search(line)]
    why = why or said[-1:] or [f"its command ended with code {made.code}"]
    more = [f"and {len(why) - MOST_LINES:,} more"] * (len(why) > MOST_LINES)
    return "; ".join([*why[:MOST_LINES], *more])


# --- the overview ---------------------------------------------------------------------------------


def _overview(
    card: Card,
    found: Several,
    there: Sequence[Entity],
    failed: Mapping[str, str],
    home: Path,
    to: Sequence[str],
    engine: str,
) -> tuple[Path, ...]:
    """Make the overview of the reports that are there, unless it is as it would be; its files."""
    if any("nrr" not in _numbers(home / each.folder) for each in there):
        log.warning(
            "warning: %s: there is no overview: the reports of %s have no NRR to look at together",
            *(card.path, card.notebook.stem),
        )
        return ()
    own = _card_of_overview(card, found, there, failed, home)
    # an overview flows over pages: of decks, too
    to = [form for form in to if form != "pptx"] or ["pdf"]
    asked = as_asked(to, engine)
    files = tuple(home / f"{OVERVIEW}.{form}" for form in to)
    # what stands beside it, and is not looked at, is told apart from what is nobody's
    beside = {
        f"{each.name}/{MANIFEST}": sha256(each / MANIFEST)
        for each in sorted(home.iterdir())
        if (each / MANIFEST).is_file()
    }
    if is_current(own, home, asked, beside, _rendered_by(asked)):
        log.info("%s: the overview is as it was", card.path)
        return files
    with added_to(home) as work:
        made = make(own, work, to=to, engine=engine)
        for file in sorted(work.glob("report.*")):
            file.rename(work / f"{OVERVIEW}{file.suffix}")
        write_manifest(own, work, home, made.numbers, made.by, beside, None, asked)
    for form in {*FORMATS} - {*to}:
        with suppress(OSError):
            (home / f"{OVERVIEW}.{form}").unlink()
    return files


def _card_of_overview(
    card: Card,
    found: Several,
    there: Sequence[Entity],
    failed: Mapping[str, str],
    home: Path,
) -> Card:
    """The card of the overview's notebook: what the card says that it knows, and what was made."""
    notebook = find_notebook(card.path, NOTEBOOK)
    known = described(notebook)
    folder = card.path.parent.resolve()

    def from_card(path: Path) -> str:
        return Path(os.path.relpath(path.resolve(), folder)).as_posix()

    months = {str(_numbers(home / each.folder)[AS_OF]) for each in there}
    parameters = {key: each for key, each in card.parameters.items() if key in known}
    parameters |= {
        "reports": [from_card(home / each.folder / MANIFEST) for each in there],
        "failed": dict(failed),
        "absent": dict(found.absent),
        AS_OF: max(months),
    }
    if found.column is None:
        for key in (LEDGER, READING):  # each company has its own
            parameters.pop(key, None)
        parameters[COMPANIES] = str((card.each or {})[COMPANIES])
    else:
        parameters["column"] = found.column
    defaults = {key: each for key, (each, _) in known.items()}
    paths = tuple(key for key, (_, help) in known.items() if PATH in help or key == "rates")
    wording = card.wording
    return Card(card.path, notebook, parameters, defaults, paths, wording)


def _numbers(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / MANIFEST).read_bytes())["numbers"])
