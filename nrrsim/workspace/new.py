"""A checked ledger and what was said of it in, a folder of one's own out; never asks a question.

The folder holds run cards, a plan that extends what the ledger taught, and a place for reports. It
is there whole or not at all, and no file that was there is touched.
"""

from __future__ import annotations

import glob
import itertools
import math
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nrrsim.analysis.assumptions import scenario_file
from nrrsim.calibration.calibrate import Calibration, calibrate
from nrrsim.engine.expectation import expect
from nrrsim.errors import UsageError
from nrrsim.files import added_to, shared, whole_folder
from nrrsim.ledger.ledger import Ledger
from nrrsim.ledger.sources import matching
from nrrsim.metrics import nrr
from nrrsim.months import month_name, parse_month
from nrrsim.notation import counted, percent
from nrrsim.report.card import is_own_format, read_card
from nrrsim.scenario.book import is_address
from nrrsim.workspace.cards import Said, card_name, plan, report_card, why_said
from nrrsim.workspace.readme import TEMPLATE, first_readme, gitignore, readme
from nrrsim.workspace.template import write_template

YEAR = 12
REPORT, COMPARISON, DECK = "quarterly_report", "scenario_comparison", "board_deck"
OF_DECK = (
    "The board's slides: nrrsim report params/board-deck.yaml --to pptx, with --latest as of the"
    " last quarter that the ledger has."
)
LEARNT = "learnt.yaml"
PLANS = {
    "yaml": "your plan, which extends it",
    "xlsx": "your plan, a workbook that computes",
}
YOURS = "the reports' notebooks, yours to change"
NO_CURRENCY = (
    "the ledger does not say its currency: amounts are printed without a sign; --currency says it,"
    " such as --currency EUR"
)
# What may lie in a folder that counts as empty: what git keeps, and what a spreadsheet that is open
# or a file manager leaves.
NO_MATTER = re.compile(r"\.git|\.DS_Store|Thumbs\.db|~\$.*|\.~lock\..*")
MOST_NAMED = 5


@dataclass(frozen=True)
class Workspace:
    """What was written: `files` with what each is for; `notes` of what was left out or assumed."""

    folder: Path
    card: Path | None
    files: dict[Path, str]
    notes: tuple[str, ...] = ()


def new_template(folder: str | Path) -> Workspace:
    """A folder with a ledger to fill in, and what to do then; raises as `new_workspace`."""
    home = Path(folder)
    refuse_full(home, ())
    with _made(home) as work:
        write_template(work / TEMPLATE)
        (work / "README.md").write_text(first_readme(), encoding="utf-8")
        (work / ".gitignore").write_text(gitignore([TEMPLATE]), encoding="utf-8")
    files = {home / TEMPLATE: "a ledger to fill in", home / "README.md": "what to do then"}
    return Workspace(home, None, files)


def new_workspace(
    folder: str | Path,
    sources: Sequence[str],
    ledger: Ledger,
    *,
    rates: str | None = None,
    currency: str | None = None,
    asked: Mapping[str, str] | None = None,
    company: str | None = None,
    target: float | None = None,
    notebooks: bool = False,
    copy: bool = False,
    plan_as: str = "yaml",
) -> Workspace:
    """A folder with the cards of a `ledger` that was read from `sources` and `rates`.

    currency : the one that was said, if any. asked : the question that each option answers, where
        it was asked. company : whose report it is; default: the folder's name. target : the NRR
        aimed for. notebooks : lay the reports' notebooks into the folder. copy : lay the ledger's
        files into it. plan_as : `yaml`, a file that extends what was learnt and states what
        differs; or `xlsx`, a workbook that holds the whole and computes.

    Raises UsageError where the folder holds anything else, or the ledger has one month alone.
    """
    home = Path(folder)
    refuse_full(home, [*sources, *([rates] if rates else [])])
    month, window = _latest(ledger)
    named = _named(sources, home if copy else None)
    own = company or readable(_real(home).name)
    card = home / "params" / f"{card_name(month, ledger.calendar)}.yaml"
    learnt, why_not = _learnt(ledger, month, named, rates, home / "params" / "scenarios")

    said = {
        **_said(ledger, month, window, target, currency, asked or {}),
        "company": Said(own, "" if company else "the folder's name"),
        "ledger": Said(_one([_seen_from(card.parent, each) for each in named])),
    }
    if rates:
        said["rates"] = Said(_seen_from(card.parent, rates))
    if is_own_format(ledger.reading.format):
        path = _seen_from(card.parent, str(ledger.reading.format))
        said["format"] = said["format"]._replace(value=path)
    deck = card.with_name("board-deck.yaml")
    texts: dict[Path, str | bytes] = {
        card: report_card(REPORT, "The report of the quarter.", said, _found(ledger)),
        deck: report_card(DECK, OF_DECK, said, _found(ledger)),
    }
    told = {card: f"the report to {month_name(month)}", deck: "the board's slides"}
    scenarios, compared = card.parent / "scenarios", card.with_name("past-vs-plan.yaml")
    if learnt:
        planned = scenarios / f"plan.{plan_as}"
        title = f"The plan of {own}"
        if plan_as == "yaml":
            texts[planned] = plan(LEARNT, title, target, _lever(learnt))
        else:
            texts[planned] = _as_workbook(learnt, planned, title, target)
        aim = None if target else _next_point(learnt)
        texts[compared] = _comparison(own, month, aim, planned.name)
        told |= {
            scenarios / LEARNT: "what the ledger's past says",
            planned: PLANS[plan_as],
            compared: "the report of plan vs past",
        }

    lie = [_seen_from(home, each) for each in named]
    inside = [path for path in lie if not is_address(path) and not path.startswith(("../", "/"))]
    planned_as = f"plan.{plan_as}" if learnt else ""
    page: dict[str, Any] = {"inside": inside == lie, "plan": planned_as, "notebooks": notebooks}
    texts[home / ".gitignore"] = gitignore(inside)
    texts[home / "README.md"] = readme(own, _seen_from(home, str(card)), ", ".join(lie), **page)
    told[home / "README.md"] = "what lies where, and the commands"
    # a pattern may mean all that lies in ledger/
    texts |= {home / name / ".gitkeep": "" for name in ("reports", *([] if copy else ["ledger"]))}
    copies: dict[Path, Path] = {
        path: home / "ledger" / path.name for path in (_files(sources) if copy else ())
    }
    if notebooks:
        copies |= _notebooks(home)
        told[home / "notebooks"] = YOURS

    with _made(home) as work:
        _write(work, home, texts, copies)
        if learnt:
            learnt.write(work / (scenarios / LEARNT).relative_to(home))
        for each in (card, deck, *([compared] if learnt else [])):
            read_card(work / each.relative_to(home))  # what is written can be run
    return Workspace(home, card, told, (*why_not, *([] if ledger.currency else [NO_CURRENCY])))


def add_notebooks(folder: str | Path) -> Workspace:
    """Lay the reports' notebooks into a workspace that is there, and nothing else.

    Raises UsageError where it is none, or one of them is there already.
    """
    home = Path(folder)
    if not list((home / "params").glob("*.yaml")):
        raise UsageError(
            "--ledger: say which ledger this is for, such as --ledger FILE: there is no card in"
            f" {home / 'params'} that notebooks could be laid beside"
        )
    copies = _notebooks(home)
    if there := [path for path in copies.values() if os.path.lexists(path)]:
        raise UsageError(f"{there[0]}: is there already; nothing is overwritten")
    with _made(home) as work:
        _write(work, home, {}, copies)
    return Workspace(home, None, {home / "notebooks": YOURS})


def _notebooks(home: Path) -> dict[Path, Path]:
    """The reports' notebooks, and where each is to lie."""
    names = (f"{REPORT}.ipynb", f"{COMPARISON}.ipynb")
    return {shared("notebooks") / name: home / "notebooks" / name for name in names}


# --- the folder -----------------------------------------------------------------------------------


def _made(home: Path) -> AbstractContextManager[Path]:
    return added_to(home) if home.is_dir() else whole_folder(home)


def _write(
    work: Path, home: Path, texts: Mapping[Path, str | bytes], copies: Mapping[Path, Path]
) -> None:
    """Into `work` the texts, workbooks and copies that are to lie in `home`."""
    for final in (*texts, *copies.values()):
        (work / final.relative_to(home)).parent.mkdir(parents=True, exist_ok=True)
    for final, text in texts.items():
        content = text if isinstance(text, bytes) else text.encode()
        (work / final.relative_to(home)).write_bytes(content)
    for source, final in copies.items():
        shutil.copyfile(source, work / final.relative_to(home))


def refuse_full(home: Path, named: Sequence[str]) -> None:
    """Refuse a folder that holds anything but the named files and an untouched template's."""
    if not os.path.lexists(home):
        return
    if not home.is_dir():
        raise UsageError(f"{home}: is a file; name a folder that is new or empty")
    ours = {path.resolve() for path in _files(named)}
    texts = {"README.md": first_readme(), ".gitignore": gitignore([TEMPLATE])}

    def is_no_matter(path: Path) -> bool:
        if path.is_dir() and path.name == "ledger":
            return all(map(is_no_matter, path.iterdir()))
        if path.name in texts and path.is_file():
            return path.read_bytes() == texts[path.name].encode()
        return bool(NO_MATTER.fullmatch(path.name)) or path.resolve() in ours

    there = sorted(path.name for path in home.iterdir() if not is_no_matter(path))
    if there:
        more = f" and {len(there) - MOST_NAMED:,} more" if len(there) > MOST_NAMED else ""
        raise UsageError(
            f"{home}: is not empty, and nothing in it is overwritten; it holds"
            f" {', '.join(there[:MOST_NAMED])}{more}; name a folder that is new or empty"
        )


def readable(name: str) -> str:
    """A folder's name as a company's: `acme-holdings` is Acme Holdings."""
    words = re.sub(r"[\s_.-]+", " ", name).strip() or name
    return words if any(map(str.isupper, words)) else words.title()


# --- where the ledger lies ------------------------------------------------------------------------


def _files(sources: Sequence[str]) -> list[Path]:
    return [path for each in sources if not is_address(each) for path in matching(each)]


def _named(sources: Sequence[str], home: Path | None) -> list[str]:
    """What names the ledger: the sources, or of several files the one pattern that means them.

    A pattern means next month's file, too. `home` : the folder that they are copied into.
    """
    files = _files(sources)
    if home is not None:
        if not files or any(path.is_dir() for path in files):
            raise UsageError("--copy: copies files; a folder or a database stays where it is")
        if len({path.name for path in files}) < len(files):
            raise UsageError("--copy: two of the files have one name; rename one")
        return [str(home / "ledger" / _patterns([path.name for path in files])[0])]
    if len(sources) > 1 and len({_real(path).parent for path in files}) == 1:
        for pattern in _patterns([path.name for path in files]):
            path = str(files[0].parent / pattern)
            if _distinct(matching(path)) == _distinct(files):
                return [path]
    return [*sources]


def _one(named: list[str]) -> str | list[str]:
    return named[0] if len(named) == 1 else named


def _patterns(names: Sequence[str]) -> list[str]:
    """What may mean all of these names, the narrowest first."""
    if len(names) == 1:
        return [*names]
    begin = _alike(names)
    end = _alike([name[len(begin) :][::-1] for name in names])[::-1]
    return [f"{glob.escape(begin)}*{glob.escape(end)}", f"*{glob.escape(end)}"]


def _alike(names: Sequence[str]) -> str:
    """What all the names begin with."""
    same = itertools.takewhile(lambda signs: len(set(signs)) == 1, zip(*names, strict=False))
    return "".join(signs[0] for signs in same)


def _distinct(files: Sequence[Path]) -> set[Path]:
    return {_real(path) for path in files}


def _real(path: str | Path) -> Path:
    """A path from the root, links in its folders followed; the last name stays, a pattern's too."""
    whole = Path(os.path.abspath(path))
    return Path(os.path.realpath(whole.parent)) / whole.name


def _seen_from(folder: Path, source: str) -> str:
    """A path as a file in `folder` names it."""
    if is_address(source):
        return source
    try:
        return Path(os.path.relpath(_real(source), _real(folder))).as_posix()
    except ValueError:  # on another drive
        return _real(source).as_posix()


# --- what the cards say ---------------------------------------------------------------------------


def _latest(ledger: Ledger) -> tuple[int, int]:
    """The last month that ends a quarter, else the last, and the longest window up to a year."""
    first, *later = (parse_month(month, "month") for month in ledger.months)
    if not later:
        raise UsageError(
            f"the ledger has one month, {ledger.months[0]}, and retention compares two; give it"
            " more of them"
        )
    month = [*later[-1:], *(each for each in later if ledger.calendar.ends(each, 3))][-1]
    return month, min(YEAR, month - first) // ledger.step * ledger.step


def _said(
    ledger: Ledger,
    month: int,
    window: int,
    target: float | None,
    currency: str | None,
    asked: Mapping[str, str],
) -> dict[str, Said]:
    ends = ledger.calendar.ends(month, 3)
    last = "the ledger's last month that ends a quarter" if ends else "the ledger's last month"
    whole = "" if window == YEAR else "the ledger reaches no further back"
    of = "as was said to nrrsim new" if currency else "the ledger's"
    said = {
        "as_of": Said(month_name(month), last),
        "window": Said(window, whole),
        "definition": Said("point_to_point", "the default"),
        **({"currency": Said(ledger.currency, of)} if ledger.currency else {}),
        "grace_months": Said(ledger.grace_months),
        "fiscal_year_end": Said(
            ledger.calendar.year_end, "" if ledger.calendar.is_fiscal else "the calendar's"
        ),
    }
    if target is not None:
        said["target"] = Said(target)
    if ledger.reported:
        said["reported"] = Said(True)
    reading = {
        option: Said(value, why_said(option, value, asked.get(option, "")))
        for option, value in ledger.reading.said.items()
    }
    return {**said, **reading}


def _found(ledger: Ledger) -> list[str]:
    """What was read, as it was when the workspace was made."""
    frame, months = ledger.entries.frame, ledger.months
    every = {1: "monthly", 3: "quarterly", 12: "annual"}[ledger.step]
    return [
        f"Read by nrrsim new: {counted(ledger.entries.rows, 'row')} as {ledger.entries.unit},"
        f" {every}, {months[0]} to {months[-1]},"
        f" {counted(frame['customer'].nunique(), 'customer')} in"
        f" {counted(frame['segment'].nunique(), 'segment')}.",
        *ledger.entries.taken,
    ]


def _learnt(
    ledger: Ledger, month: int, named: Sequence[str], rates: str | None, folder: Path
) -> tuple[Calibration | None, tuple[str, ...]]:
    """What the past teaches, or why there is nothing to learn, or no book to name it."""
    no_plan = "no plan is written, and no card that compares it: {}"
    span = month - parse_month(ledger.months[0], "month")
    if span < YEAR:
        why = f"the ledger spans {counted(span, 'month')}, and what a year brings takes a year"
        return None, (no_plan.format(why),)
    is_one = len(named) == 1 and not is_address(named[0])
    if not is_one or rates or ledger.reported or is_own_format(ledger.reading.format):
        why = "a scenario's book is one file, or one pattern, in a known form and in one currency"
        return None, (no_plan.format(why),)
    try:
        file = _seen_from(folder, named[0])
        return calibrate(ledger, month_name(month), file=file), ()
    except UsageError as error:
        return None, (no_plan.format(error),)


def _lever(learnt: Calibration) -> dict[str, Any]:
    """A quarter less churn in the largest segment, as drivers of a scenario."""
    opening = learnt.scenario.opening
    arr = np.bincount(opening.segment, opening.arr, len(opening.segments))
    name = opening.segments[int(np.argmax(arr))]
    churn = next(
        each.mean for each in learnt.learnt if (each.driver, each.segment) == ("churn", name)
    )
    rate = float(f"{0.75 * churn:.3g}")
    source = f"judgement: a quarter less than the {percent(churn)} that was learnt"
    return {"churn": {name: {"rate": rate, "source": source}}}


def _next_point(learnt: Calibration) -> float:
    """The whole percent above the NRR that the past leads to: a target until there is one."""
    return (math.floor(100 * float(nrr(expect(learnt.scenario))) + 1e-9) + 1) / 100


def _as_workbook(learnt: Calibration, path: Path, title: str, target: float | None) -> bytes:
    """What was learnt as a plan to change in a workbook, of which nothing is changed as yet."""
    known = learnt.scenario.in_folder(path.parent)
    said = {"title": title, "because": "Nothing is changed as yet: the plan is the past."}
    return scenario_file(known.with_(said | ({"target": target} if target else {})), path)


def _comparison(company: str, month: int, target: float | None, planned: str) -> str:
    of = "until you say one, the whole percent above what the past leads to"
    said = {
        **({"target": Said(target, of)} if target else {}),
        "company": Said(company),
        "scenarios": Said(["scenarios/learnt.yaml", f"scenarios/{planned}"]),
        "as_of": Said(month_name(month)),
        "title": Said("Plan vs past"),
    }
    return report_card(COMPARISON, "Plan vs past.", said)
