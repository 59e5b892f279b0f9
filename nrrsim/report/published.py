"""Reports' folders in, what they published out, and what this one does; never computes a figure.

A report says in its manifest what it and those before it published, by month (`published`), and
keeps the customer-months that this rests on in `published.parquet`, by keys in the place of names.
A folder that the next report overwrites keeps both in its own folder `before`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from nrrsim.errors import UsageError
from nrrsim.files import quiet_database, sha256, write_parquet
from nrrsim.months import month_name, parse_month, shift
from nrrsim.report.audience import INVESTOR
from nrrsim.report.card import Card
from nrrsim.report.manifest import MANIFEST, is_intact

if TYPE_CHECKING:  # the command that reads manifests computes nothing: what does takes a while
    from nrrsim.analysis.actuals import Actuals
    from nrrsim.analysis.since import Published

BOOK = "published.parquet"
BEFORE = "before"  # in a report's folder: what the one whose place it took published
PREVIOUS, NONE = "previous", "none"
PLACE = "NRRSIM_REPORT"  # where the kernel of a report is told the folder that is being filled
REMEDY = (
    "put back the one that was made, or say which report to compare with: previous: FOLDER|none"
)
# What is taken over of a report's numbers; manifests made before `published` have most of them.
FIGURES = ("nrr", "grr", "logo", "company_closing")  # as the analysis judges them, not loaded here
KEPT = (*FIGURES, "customers", "opening", "closing", "segments", "terms", "rates")
YEAR = 12


@dataclass(frozen=True)
class Report:
    """A report that is there: its folder, the one it is `named` by, and what its manifest says."""

    folder: Path
    manifest: Mapping[str, Any]
    named: Path

    @property
    def as_of(self) -> str:
        return str(self.manifest["numbers"]["as_of"])

    @property
    def company(self) -> str:
        return str(self.manifest["parameters"]["company"])

    @property
    def quarters(self) -> dict[str, dict[str, Any]]:
        """What it and the reports before it published, by month."""
        return {**self.manifest.get("published", {}), self.as_of: _said(self.manifest)}

    @property
    def files(self) -> list[Path]:
        """What is read of it."""
        book = self.folder / BOOK
        return [self.folder / MANIFEST, *([book] if BOOK in self.manifest["outputs"] else [])]

    def published(self) -> Published:
        """What it published; raises UsageError where it is no longer what it was."""
        from nrrsim.analysis.since import Published

        if not is_intact(self.manifest):
            raise _damaged(self.folder / MANIFEST, "was changed after it was written")
        digest, file = self.manifest["outputs"].get(BOOK), self.folder / BOOK
        if digest is None:
            return Published(self.company, self.as_of, self.quarters)
        if not file.is_file() or sha256(file) != digest:
            raise _damaged(file, "was changed" if file.is_file() else "is missing")
        return Published(self.company, self.as_of, self.quarters, _frame(file))


def published(folder: str | Path | None, as_of: str) -> Published | None:
    """What the report in a folder published, which is to be one from before `as_of`.

    Where a later one took its place in that folder, the one that it kept. None where there is no
    folder, or it is "none". Raises UsageError where there is no report, or it is damaged.
    """
    report = None if folder in (None, "", NONE) else _before(Path(str(folder)), as_of)
    return None if report is None else report.published()


def reports_of(manifests: Sequence[str | Path]) -> list[dict[str, Any]]:
    """What reports of one card published, from their manifests: `name`, `folder`, `company`, and
    all numbers.

    Raises UsageError for one that is not there, or was changed after it was written.
    """
    found = []
    for path in map(Path, manifests):
        try:
            manifest = json.loads(path.read_bytes())
            is_whole = is_intact(manifest)
        except (OSError, ValueError, AttributeError, TypeError):
            raise UsageError(f"{path}: is no report's manifest; make the report again") from None
        if not is_whole:
            raise UsageError(f"{path}: was changed after it was written; make the report again")
        of, given = manifest.get("of") or {}, manifest["parameters"]
        name = of.get("name") or given.get("company") or path.parent.name
        about = {"name": name, "folder": path.parent.name, "company": given.get("company")}
        found.append({**about, **manifest["numbers"]})
    return found


def publish(past: Actuals, company: str) -> None:
    """Write the customer-months that a report rests on beside its manifest, as that is made.

    In a notebook that is run by hand, and for investors, there is no such place: nothing is done.
    """
    folder = os.environ.get(PLACE)
    if folder:
        from nrrsim.analysis.since import book_of, keyed

        book = keyed(book_of(past.ledger, past.as_of, past.start), past.ledger, company)
        # by key: the order of names would tell of them
        rows = book.sort_values(["customer", "month"], ignore_index=True)
        write_parquet(rows, Path(folder) / BOOK, {"as_of": past.as_of})


def report_before(card: Card, final: Path) -> Report | None:
    """The report that a card's is to be compared with: the one it names, else the newest before it.

    That is the earlier one in its own place `final` or beside it, of the same company and the
    latest month before its own; of several the one of the same ledger and terms. None where there
    is none, the card says none, or its notebook compares with none.
    """
    if PREVIOUS not in card.defaults or card.parameters.get(PREVIOUS) == NONE:
        return None
    as_of = month_name(parse_month(card.parameters["as_of"], "as_of"))
    if said := card.parameters.get(PREVIOUS):
        return _before(card.path.parent / str(said), as_of)
    company = str({**card.defaults, **card.parameters}.get("company"))
    found = [
        report
        for report in _reports(final, as_of, card.entity is not None)
        if report.company == company and report.as_of < as_of
    ]

    def fitness(report: Report) -> tuple[Any, ...]:
        given = report.manifest["parameters"]
        keys = (
            "ledger",
            "definition",
            "window",
            "ex_price",
            "currency",
            "reported",
            "grace_months",
        )
        alike = sum(given.get(key) == card.parameters.get(key) for key in keys)
        is_own = report.named == final
        return (report.as_of, is_own, alike, BOOK in report.manifest["outputs"], report.folder.name)

    return max(found, key=fitness, default=None)


def keep(report: Report | None, work: Path, final: Path, audience: str | None) -> dict[str, str]:
    """The files of an earlier report as the new one's inputs, by path as seen from it: their hash.

    What the new one replaces it keeps, in `before`; for investors nothing that is not theirs.
    """
    if report is None:
        return {}
    is_theirs = report.manifest["parameters"].get("audience") == INVESTOR
    if _is_in(report, final) and (audience != INVESTOR or is_theirs):
        (work / BEFORE).mkdir()
        for file in report.files:
            shutil.copyfile(file, work / BEFORE / file.name)
    return files_of_before(report, final)


def files_of_before(report: Report | None, final: Path) -> dict[str, str]:
    """The files of an earlier report as `keep` names them among the inputs of the one in `final`,
    and their hashes.
    """
    if report is None:
        return {}
    home = os.path.relpath(report.folder.resolve(), final.resolve())
    home = BEFORE if _is_in(report, final) else home
    return {(Path(home) / file.name).as_posix(): sha256(file) for file in report.files}


def _is_in(report: Report, final: Path) -> bool:
    """Whether a report lies where another comes to; a card may spell that in another way."""
    folder = report.folder.resolve()
    return final.resolve() in (folder, folder.parent)


def quarters_with(
    report: Report | None, numbers: Mapping[str, Any], parameters: Mapping[str, Any]
) -> dict[str, dict[str, Any]] | None:
    """What a report and those before it published, by month; None where nothing is compared."""
    if "terms" not in numbers:
        return None
    own = _said({"numbers": numbers, "parameters": parameters})
    past = {} if report is None else report.quarters
    # by when a forecast's year is over its movements have been compared with what happened
    over = shift(numbers["as_of"], -YEAR)
    kept = {
        month: said if month >= over else {k: v for k, v in said.items() if k != "expected"}
        for month, said in past.items()
    }
    return {**kept, numbers["as_of"]: own}


def _said(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a report published, from its numbers; of one from before there were terms, the most."""
    numbers, given = manifest["numbers"], manifest["parameters"]
    own = {name: numbers[name] for name in KEPT if name in numbers}
    terms = {name: numbers.get(name, False) for name in ("window", "definition", "ex_price")}
    own.setdefault(
        "terms",
        terms
        | {"reported": given.get("reported", False), "grace_months": given.get("grace_months", 0)},
    )
    forecast = numbers.get("forecast") or {}
    return own | {name: forecast[name] for name in ("ahead", "expected") if name in forecast}


def _before(folder: Path, as_of: str) -> Report:
    """The report that `_in_place` finds; raises UsageError where there is none."""
    report = _in_place(folder, as_of)
    if report is None:
        raise UsageError(
            f"{PREVIOUS}: {folder} holds no report with an NRR; name the folder of one, or none"
        )
    return report


def _in_place(folder: Path, as_of: str) -> Report | None:
    """The report in a folder, or where it is not from before `as_of` the one that it keeps."""
    report = _report(folder, folder)
    if report is not None and report.as_of >= as_of:
        return _report(folder / BEFORE, folder) or report
    return report


def _reports(final: Path, as_of: str, is_one_of_several: bool = False) -> Iterator[Report]:
    """The reports from before a month in a place and beside it, as the notebook will find them.

    is_one_of_several : one of a card with `each`, whose last one lies in the folder of a card
        beside its own.
    """
    home = final.parent.parent if is_one_of_several else final.parent
    beside = sorted(each for each in home.iterdir() if not each.name.startswith("."))
    if is_one_of_several:
        beside = [each / final.name for each in beside]
    for folder in [final, *(each for each in beside if each != final)]:
        if (report := _in_place(folder, as_of)) is not None:
            yield report


def _report(folder: Path, named: Path) -> Report | None:
    """The report with an NRR in a folder, None without one; raises UsageError if it is damaged."""
    file = folder / MANIFEST
    if not file.is_file():
        return None
    try:
        manifest = json.loads(file.read_bytes())
    except (OSError, ValueError):
        raise _damaged(file, "cannot be read") from None
    if not isinstance(manifest, dict):
        raise _damaged(file, "is no manifest")
    numbers, given = manifest.get("numbers"), manifest.get("parameters")
    has_nrr = isinstance(numbers, dict) and {"as_of", "nrr", "definition"} <= set(numbers)
    is_companys = isinstance(given, dict) and "company" in given and "outputs" in manifest
    return Report(folder, manifest, named) if has_nrr and is_companys else None


def _damaged(file: Path, how: str) -> UsageError:
    return UsageError(f"{file}: the report before this one {how}; {REMEDY}")


def _frame(file: Path) -> pd.DataFrame:
    with quiet_database() as database:
        found = database.execute("select * from read_parquet(?)", [str(file)]).df()
    return pd.DataFrame(found)
