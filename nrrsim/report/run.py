"""A run card in, a folder with report and manifest out; never knows a metric, never half a folder.

A card is YAML: `notebook` and the parameters of that notebook. The notebook runs under papermill in
the card's folder, is rendered, and the finished folder takes the place of the one before in one
step.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from nrrsim import errors
from nrrsim.errors import NotebookError, NrrsimError, UsageError, did_you_mean
from nrrsim.files import refused, shared, whole_folder
from nrrsim.ledger.containers import SPREADSHEETS
from nrrsim.ledger.reading import as_keys, in_a_card
from nrrsim.notation import escape_markdown, month_name, unevaluated
from nrrsim.report.audience import INVESTOR, for_audience, has_summary, notes_of, summary_of
from nrrsim.report.card import (
    ALWAYS_PATHS,
    AS_OF,
    CARDS,
    COMMENTARY,
    COMPANIES,
    EACH,
    LEDGER,
    OF_SCENARIOS,
    REFERENCE,
    YAML,
    Card,
    Entity,
    commented,
    read_card,
    workspace_of,
)
from nrrsim.report.manifest import (
    MANIFEST,
    is_overview,
    left,
    recorded_numbers,
    write_manifest,
)
from nrrsim.report.published import (
    PLACE,
    PREVIOUS,
    Report,
    keep,
    quarters_with,
    report_before,
)
from nrrsim.workers import beside_a_loop
from nrrsim.yamlfile import read_yaml

if TYPE_CHECKING:
    from nrrsim.report.charts.picture import Beside

FORMATS = ("pdf", "html", "pptx", "docx", "xlsx")
OF_SLIDES = "board_deck"  # the notebook that makes slides, for who asks another one for them
log = logging.getLogger("nrrsim")


@beside_a_loop
def run_card(
    path: str | Path,
    *,
    to: Sequence[str] = ("pdf", "html"),
    engine: str = "auto",
    out: str | Path | None = None,
    progress: bool = False,
    over: Mapping[str, Any] | None = None,
    latest: bool = False,
    summary: bool = False,
    entity: Entity | None = None,
) -> Path:
    """Run a card and put the report into `out`/<name of the card>/; returns that folder.

    over : keys with what takes the place of the card's own. latest : `as_of` is the last month of
        the card's ledger that ends a quarter. summary : page 1 alone, as summary.pdf, too.
    entity : of a card with `each`, of which of them the report is.
    out : default: `reports/` beside the folder `params/` that the card lies in, else `reports/`
        here; of a scenario's file, `reports/` in its workspace.

    Raises UsageError for the card, DataError for the ledger, NotebookError or RenderError for the
    run.
    """
    import nbformat

    from nrrsim.report.pages.notebook import EXTENSION

    checked_forms(to)
    card = read_as_asked(path, over, latest, entity)
    if card.each is not None:
        raise UsageError(f"{card.path}: {EACH}: is of several reports; make them by run_each")
    if summary and not has_summary(nbformat.read(card.notebook, as_version=4)):
        raise UsageError(
            f"--summary: {card.notebook.stem} has no page 1 of its own; leave it out, or tag the"
            " cells that are to stand there as summary"
        )
    _check_target(card)
    check_slides(card, to)
    _references(card)  # what is wrong with them is said before anything runs
    card = for_its_readers(card)
    _warn_of_names(card)
    out = folder_of_reports(card) if out is None else Path(out)
    final = _checked_place(place_of(card, out))
    if not set(card.paths) - set(ALWAYS_PATHS):
        log.info(
            "note: %s: no parameter of %s says (path) in its comment: no file is taken for an"
            " input, and verify compares none",
            card.label,
            card.notebook.stem,
        )
    before = report_before(card, final)
    _say_what_it_is_compared_with(card, before, final)
    with whole_folder(final) as work:
        made = make(card, work, to=to, engine=engine, progress=progress, before=before,
                    summary=summary)  # fmt: skip
        _warn_of_restated(card, made.numbers)
        kept = keep(before, work, final, card.audience)
        published = quarters_with(before, made.numbers, card.parameters)
        asked = as_asked(to, engine, summary) if entity else None
        write_manifest(card, work, final, made.numbers, made.by, kept, published, asked)
    if (out / EXTENSION).is_dir():
        from nrrsim.report.pages.markdown import install_fonts

        install_fonts(out)  # so that Quarto can render the notebook by hand, too
    return final


class Made(NamedTuple):
    """The numbers that a notebook recorded, and what made the PDF, if there is one."""

    numbers: dict[str, Any]
    by: dict[str, str] | None


def make(
    card: Card,
    work: Path,
    *,
    to: Sequence[str],
    engine: str,
    progress: bool = False,
    before: Report | None = None,
    summary: bool = False,
) -> Made:
    """Run a card's notebook and render it into the folder `work`, as `report.ipynb` and so on.

    before : the report that it is told to compare itself with. The others as for `run_card`.
    """
    from nrrsim.report.charts.picture import Beside

    is_ours = card.notebook.parent.resolve() == shared("notebooks").resolve()
    running = card.notebook.stem if is_ours else os.path.relpath(card.notebook)
    log.info("%s: running %s", card.label, running)
    with Beside() as pictures, ExitStack() as at_end:
        how = (to, pictures, progress, before, at_end)
        numbers = _execute(card, work / "report.ipynb", *how)
        log.info("%s: rendering %s", card.label, ", ".join(to))
        rendered = _render(card, work, to, pictures, engine, summary, _references(card))
        return Made(numbers, rendered)


def as_asked(to: Sequence[str], engine: str, summary: bool = False) -> dict[str, Any]:
    """What of a command a report's files depend on, as its manifest has it."""
    return {"to": sorted(to), "engine": engine, "summary": summary}


def checked_forms(to: Sequence[str]) -> None:
    """Raise UsageError for a format that there is not."""
    unknown = [form for form in to if form not in FORMATS]
    if unknown:
        raise UsageError(f"--to: {unknown[0]!r} is not known; {did_you_mean(unknown[0], FORMATS)}")


def place_of(card: Card, out: Path) -> Path:
    """The folder of a card's report; of one with `each` that of them all."""
    return out / card.name / card.entity.folder if card.entity else out / card.name


def read_as_asked(
    path: str | Path,
    over: Mapping[str, Any] | None = None,
    latest: bool = False,
    entity: Entity | None = None,
) -> Card:
    """A card as a command asks for it; the arguments as of `run_card`."""
    if latest:
        return _of_latest(path, over or {}, entity)
    return read_card(path, over, entity=entity)


def _of_latest(path: str | Path, over: Mapping[str, Any], entity: Entity | None) -> Card:
    """The card as of its ledger's last month that ends a quarter of the company's year."""
    from nrrsim.ledger.ledger import read_ledger
    from nrrsim.months import parse_month

    if AS_OF in over:
        raise UsageError(f"--latest: --set {AS_OF} says which month; keep one of the two")
    # a card may leave the month to this: its ledger has to be known first
    card = read_card(path, {**over, AS_OF: "2000-01"}, entity=entity)
    if card.each is not None and COMPANIES in card.each:  # each has a ledger of its own
        return card
    with as_keys():
        ledger = read_ledger(*card.sources, **card.form)
    ends = ledger.calendar.ends
    month = next((m for m in reversed(ledger.months) if ends(parse_month(m, AS_OF), 3)), None)
    if month is None:
        raise UsageError(
            f"--latest: no month of the ledger ends a quarter; say which with --set {AS_OF}=YYYY-MM"
        )
    log.info("note: %s: as of %s, the ledger's last month that ends a quarter", path, month)
    return replace(card, parameters={**card.parameters, AS_OF: month})


def _check_target(card: Card) -> None:
    """Raise UsageError where nobody says which NRR a comparison is to reach, a deck's too: not the
    card, nor one of the two scenarios that may say it for the card.
    """
    said = card.parameters.get("scenarios")
    if card.notebook.stem not in (OF_SCENARIOS, OF_SLIDES) or "target" in card.parameters:
        return
    if not said:  # of a deck, which may compare none
        return
    from nrrsim.report.wording.labels import joined
    from nrrsim.scenario.scenario import stated_in

    named = [str(each) for each in (said if isinstance(said, list) else [said])][:2]
    stated = [stated_in(card.path.parent / each).get("target") for each in named]
    if named and all(each is None for each in stated):
        whom = "the scenario does" if card.is_scenario else f"{joined(['the card', *named])} do"
        raise UsageError(
            f"{card.path}: target: {whom} not say which NRR to reach; add target: 1.10"
        )


def _makes_slides(card: Card) -> bool:
    """Whether the card's notebook says of itself that it is slides."""
    import nbformat

    from nrrsim.report.pages.notebook import formats_of

    return "pptx" in formats_of(nbformat.read(card.notebook, as_version=4))


def check_slides(card: Card, to: Sequence[str]) -> None:
    """Raise UsageError where slides are asked of a notebook that does not say it makes them."""
    if "pptx" in to and not _makes_slides(card):
        raise UsageError(
            f"{card.path}: --to pptx: {card.notebook.stem} flows over pages and makes no slides;"
            f" write a card with notebook: {OF_SLIDES}, as params/board-deck.yaml has it, or take"
            " --to docx"
        )


def _references(card: Card) -> dict[str, Path]:
    """The company's own reference document, by the format that it is for; none where none is said.

    Raises UsageError where it cannot be used.
    """
    said = card.parameters.get(REFERENCE)
    if not said:
        return {}
    from nrrsim.report.pages.office import check_reference

    path = Path(card.from_here(str(said)))
    try:
        to = check_reference(path, str(said))
        if to == "pptx" and not _makes_slides(card):
            raise UsageError(
                f"{REFERENCE}: {said} is for slides, and {card.notebook.stem} makes none; name a"
                " .docx"
            )
    except UsageError as error:
        raise UsageError(_placed(str(error), card)) from None
    return {to: path}


def for_its_readers(card: Card) -> Card:
    """The card without what management says of sections that its audience does not get.

    A notebook and a manifest state the card: what is left out of a report is in neither.
    """
    import nbformat

    from nrrsim.report.wording.labels import joined

    said = card.parameters.get(COMMENTARY) or {}
    if not said:
        return card
    cells = for_audience(nbformat.read(card.notebook, as_version=4), card.audience).cells
    shown = commented(cell.source for cell in cells)
    if unseen := [section for section in said if section not in shown]:
        what, whom = f"{COMMENTARY} on {joined(unseen)}", f"audience {card.audience}"
        log.info(
            "note: %s: %s is left out: for %s there is no such section", card.label, what, whom
        )
    kept = {section: text for section, text in said.items() if section in shown}
    return replace(card, parameters={**card.parameters, COMMENTARY: kept})


def _warn_of_names(card: Card) -> None:
    """Say whom management's own words name in a report that masks its customers' names.

    The command alone says it: a note in the notebook would name them to its readers.
    """
    known = {**card.defaults, **card.parameters}
    is_masked = known.get("names") == "masked" or card.audience == INVESTOR
    if not (is_masked and known.get(COMMENTARY) and known.get(LEDGER)):
        return
    from nrrsim.ledger.ledger import read_ledger
    from nrrsim.report.wording.commentary import named
    from nrrsim.report.wording.labels import joined

    with as_keys():
        ledger = read_ledger(*card.sources, **card.form)
    customers = map(str, ledger.entries.frame["customer"].cat.categories)
    for section, names in named(known[COMMENTARY], customers, card.path.parent).items():
        log.warning(
            "warning: %s: %s on %s names %s; this report masks customers' names: write without"
            " them, or set names: shown",
            *(card.label, COMMENTARY, section, joined(names)),
        )


def folder_of_reports(card: Card) -> Path:
    """The folder for the reports of a card: its workspace's, if it lies in one.

    Raises UsageError where the report of a scenario's file would take the place of a card's.
    """
    file = card.path
    if card.is_scenario:
        home = workspace_of(file)
        namesake = home / CARDS / f"{file.stem}.yaml"
        if namesake.is_file() and namesake.resolve() != file.resolve():
            raise UsageError(
                f"{file}: its report would have the name of the card {namesake}'s; run that card,"
                " or say where the report goes with --out"
            )
        others = [
            file.with_suffix(each) for each in (*YAML, *SPREADSHEETS) if each != file.suffix.lower()
        ]
        if other := next(filter(Path.is_file, others), None):
            raise UsageError(
                f"{file}: its report would take the place of that of {other}; rename one of the"
                " two, or say where the report goes with --out"
            )
        return home / "reports"
    beside = Path(os.path.normpath(file.parent / ".." / "reports"))
    in_workspace = file.resolve().parent.name == CARDS and beside.is_dir()
    return beside if in_workspace else Path("reports")


def _say_what_it_is_compared_with(card: Card, before: Report | None, final: Path) -> None:
    if before is not None:
        month = month_name(before.as_of)
        log.info("%s: compared with the report of %s in %s", card.label, month, before.folder)
    elif PREVIOUS in card.defaults and PREVIOUS not in card.parameters:
        company = {**card.defaults, **card.parameters}.get("company")
        log.info(
            "note: %s: no earlier report of %s in %s, so nothing is compared with one",
            *(card.label, company, final.parent),
        )


def _warn_of_restated(card: Card, numbers: Mapping[str, Any]) -> None:
    """Say which figures of the report before would be printed otherwise today."""
    if not (numbers.get("before") or {}).get("restated"):
        return
    from nrrsim.report.wording.since import restated_lines

    for line in restated_lines(numbers):
        log.warning("warning: %s: %s", card.label, line)


def _checked_place(final: Path) -> Path:
    """Where the report goes: an earlier report may be replaced, anything else may not."""
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        is_report = (final / MANIFEST).is_file()
        if is_report and is_overview(final):
            raise UsageError(
                f"{final}: holds the reports and the overview of a card with {EACH}; choose another"
                " --out, or move them away"
            )
        if final.exists() and not is_report and (final.is_file() or any(final.iterdir())):
            raise UsageError(f"{final}: holds something that is not a report; choose another --out")
    except OSError as error:
        raise refused(error, final) from None
    return final


def _execute(
    card: Card,
    executed: Path,
    to: Sequence[str],
    pictures: Beside,
    progress: bool,
    before: Report | None,
    at_end: ExitStack,
) -> dict[str, Any]:
    """Run the notebook with the card's parameters; returns the numbers that it recorded.

    to : a cell that is tagged as one format's (`xlsx`) is left out where that is not made.
        pictures : what draws them. before : the report that it is told to compare itself with.
        at_end : ends the kernel, which may take its time while pages are made.
    """
    import nbformat

    from nrrsim.report.charts.picture import BESIDE
    from nrrsim.report.kernel import SECONDS_TO_START, own_kernel
    from nrrsim.report.pages.notebook import describe_pictures

    home, found = card.path.parent.resolve(), {}
    if before is not None:
        found = {PREVIOUS: Path(os.path.relpath(before.named.resolve(), home)).as_posix()}
    said = {BESIDE: "1"}
    if card.audience != INVESTOR:  # whose report leaves no customer's amounts behind
        said[PLACE] = str(executed.parent.resolve())
    chosen = for_audience(
        nbformat.read(card.notebook, as_version=4), card.audience, set(FORMATS) - set(to)
    )
    # a place that takes nothing says so before anything runs
    nbformat.write(chosen, executed)
    # it goes with the report's folder, whatever ends the run
    keys = at_end.enter_context(TemporaryDirectory(prefix=".kernel-", dir=executed.parent))
    kernel = at_end.enter_context(own_kernel(Path(keys).resolve(), home, said, chosen.cells))
    pictures.begin()
    _run(
        card,
        chosen,
        executed,
        parameters={**card.parameters, **found},
        cwd=str(home),
        progress_bar={"file": sys.stderr} if progress else False,
        start_timeout=SECONDS_TO_START,
        km=kernel,
        on_cell_executed=partial(_ask_for_pictures, pictures, "html" in to),
    )
    kernel.dismiss()

    notebook = nbformat.read(executed, as_version=4)
    unfinished = [n for n, cell in enumerate(notebook.cells) if _is_unfinished(cell)]
    if unfinished:
        raise NotebookError(f"{card.path}: the notebook did not finish: cell {unfinished[0] + 1}")

    for note in notes_of(notebook):
        log.info("note: %s: %s", card.label, note)
    _draw(notebook, pictures, card)
    numbers = recorded_numbers(notebook)
    _front_matter(notebook, card)
    _unlabel_empty(notebook)
    describe_pictures(notebook)
    _forget_times(notebook)
    nbformat.write(notebook, executed)
    return numbers


def _run(card: Card, notebook: Any, executed: Path, **how: Any) -> None:
    """Run a notebook by papermill, which is loaded while the kernel loads what it needs."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    how |= {"kernel_name": "python3", "language": "python"}
    # once, at the end: after each cell it would write all that is there again
    how |= {"request_save_on_cell_execute": False}
    try:
        papermill.execute_notebook(notebook, _unformatted(executed), **how)
    except PapermillExecutionError as error:
        raise _said_by(error, card) from None


def _ask_for_pictures(pictures: Beside, has_page: bool, cell: Any, **_: Any) -> None:
    """Have drawn what a cell shows, while the next ones run."""
    from nrrsim.report.charts.picture import SPEC
    from nrrsim.report.tables import FIGURE

    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if SPEC in data:
            pictures.ask(json.dumps(data[SPEC]), png=True)
            if has_page and (narrow := data.get(FIGURE, {}).get("narrow")):
                # in the order in which a notebook's file has it
                pictures.ask(json.dumps(narrow, sort_keys=True))


def _draw(notebook: Any, pictures: Beside, card: Card) -> None:
    """Put the pictures in the place of what they are drawn from."""
    from nrrsim.report.charts.picture import SPEC

    for number, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if SPEC not in data:
                continue
            try:
                drawn = pictures.ask(json.dumps(data.pop(SPEC)), png=True).result()
            except ValueError as error:
                raise NotebookError(
                    f"{card.path}: the picture of cell {number} cannot be drawn: {error}"
                ) from None
            data |= {"image/svg+xml": drawn["svg"], "image/png": drawn["png"]}


def _unformatted(path: Path) -> str:
    """A path as papermill takes it, which would put parameters where braces stand in a name."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _said_by(error: Any, card: Card) -> NrrsimError:
    """What the notebook said, as the error it was: the kernel tells its name and text alone."""
    kind, said = getattr(errors, str(error.ename), None), in_a_card(str(error.evalue))
    if error.ename == "DataError":
        refusal = errors.DataError([])
        refusal.args = (said,)
        return refusal
    if isinstance(kind, type) and issubclass(kind, NrrsimError):
        return kind("\n".join(_placed(line, card) for line in said.splitlines()))
    return NotebookError(
        f"{card.path}: the notebook {card.notebook.stem} failed in cell {error.exec_count}:"
        f" {error.ename}: {error.evalue}"
    )


def _placed(said: str, card: Card) -> str:
    """A message with the card's line that it is about, where it begins with a key or its file."""
    about = said.partition(": ")[0]
    files = {str(card.parameters[key]): key for key in card.paths if card.parameters.get(key)}
    key = about if about in card.parameters else files.get(about, "")
    is_yaml = card.path.suffix.lower() not in SPREADSHEETS  # a workbook has no lines
    keys = read_yaml(card.path, "run card").keys if key and is_yaml else {}
    if (key,) not in keys:  # of no key, or of one that --set says
        return said
    return f"{card.path}:{keys[key,].line}: {said if about == key else f'{key}: {said}'}"


def _is_unfinished(cell: Any) -> bool:
    return cell.cell_type == "code" and bool(cell.source.strip()) and cell.execution_count is None


def _front_matter(notebook: Any, card: Card) -> None:
    """Put what the card says into the notebook's first cell, which papermill does not reach."""
    from io import StringIO

    from ruamel.yaml import YAML

    from nrrsim.report.tables import FRONT

    # as it is written, comments included, and no long title on two lines
    yaml = YAML(typ="rt")
    yaml.width = 1000

    front = yaml.load(notebook.cells[0].source.strip().strip("-"))
    known = {**card.defaults, **card.parameters, **left(notebook.cells, FRONT)}
    for key in ("title", "subtitle", "company", "confidentiality"):
        if known.get(key):
            front[key] = escape_markdown(unevaluated(known[key]))
        elif key == "company":
            front.pop(key, None)
    if known.get("as_of"):
        # a whole date: Quarto would read a month alone as its first day
        front["date"] = f"{_day(card).day} {month_name(_day(card).date())}"
    else:
        front.pop("date", None)
    text = StringIO()
    yaml.dump(front, text)
    notebook.cells[0].source = f"---\n{text.getvalue()}---"


def _unlabel_empty(notebook: Any) -> None:
    """Number no figure that the ledger has nothing to show for: its cell leaves the page."""
    for cell in notebook.cells:
        shown = any(output.output_type != "stream" for output in cell.get("outputs", []))
        if cell.cell_type == "code" and cell.source.startswith("#| label") and not shown:
            code = [line for line in cell.source.splitlines() if not line.startswith("#|")]
            cell.source = "\n".join(["#| include: false", *code])


def _forget_times(notebook: Any) -> None:
    """The record says what was computed, not when or where: the same inputs give the same file."""
    notebook.metadata.pop("papermill", None)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)


def _render(
    card: Card,
    work: Path,
    to: Sequence[str],
    pictures: Beside,
    engine: str,
    summary: bool,
    references: Mapping[str, Path],
) -> dict[str, str] | None:
    """Make the pages, slides and the spreadsheet; returns what made them, HTML aside."""
    import nbformat

    from nrrsim.report.pages.render import engine_used, render

    pages = [form for form in to if form != "xlsx"]
    how: dict[str, Any] = {"engine": engine, "style": shared("reports")}
    how["timestamp"] = int(_day(card).timestamp())
    own: dict[str, Any] = {"draw": pictures.svg_of, "references": references}
    made = render(work / "report.ipynb", work, to=pages, **own, **how)
    if summary:
        with TemporaryDirectory(prefix=".summary-", dir=work) as folder:
            page = Path(folder) / "summary.ipynb"
            nbformat.write(summary_of(nbformat.read(work / "report.ipynb", as_version=4)), page)
            made |= render(page, Path(folder), to=["pdf"], **how)
            (Path(folder) / "report.pdf").replace(work / "summary.pdf")
        if (number := _pages(work / "summary.pdf")) > 1:
            raise UsageError(
                f"--summary: page 1 has become {number} pages; shorten the card's commentary on the"
                " summary, its title or the company's name, or leave --summary out"
            )
    if "xlsx" in to:
        from nrrsim.report.workbook.write import write_workbook

        write_workbook(work / "report.ipynb", work / "report.xlsx", card.defaults | card.parameters)
    return engine_used(engine, [*made])


def _pages(pdf: Path) -> int:
    """How many pages a PDF has, as its table of them counts."""
    found = re.search(rb"/Type ?/Pages\b[^>]*?/Count (\d+)", pdf.read_bytes(), re.DOTALL)
    return int(found[1]) if found else 1


def _day(card: Card) -> datetime.datetime:
    """The report's date, its month's last day: the same inputs give the same bytes."""
    from nrrsim.months import last_day_number, month_name, parse_month

    month = month_name(parse_month(card.parameters.get("as_of", "2000-01"), "as_of"))
    days = last_day_number(month) or 0
    return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(days=days)
