"""The commands that make pages, and open the panel: words in, calls out; holds no logic."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from nrrsim.cli.each import has_each, one_of_several, report_each
from nrrsim.cli.inputs import AN_EXAMPLE, known_examples
from nrrsim.cli.of_the_past import start_of
from nrrsim.cli.options import Browser, Engine, NoCache, Port, Quiet, ScenarioOrNone, whole_number
from nrrsim.cli.terminal import animated
from nrrsim.errors import UsageError


def report(
    cards: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUNCARD...",
            help="What to run, such as params/2026Q3.yaml; or a scenario, for its report.",
        ),
    ],
    to: Annotated[
        str,
        typer.Option(help="Any of pdf,html,pptx,docx,xlsx (pptx: of a board_deck card alone)."),
    ] = "pdf,html",
    engine: Annotated[
        Engine, typer.Option(help="What renders the PDF; auto takes Quarto if it is there.")
    ] = Engine.auto,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The folder that gets a folder for each card (default: the reports/ beside the"
            " params/ that the card or scenario lies in, else reports/ here).",
        ),
    ] = None,
    said: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="As if each card said so, such as as_of=2026-09; repeat.",
        ),
    ] = None,
    latest: Annotated[
        bool,
        typer.Option("--latest", help="As of the ledger's last month that ends a quarter."),
    ] = False,
    summary: Annotated[
        bool, typer.Option("--summary", help="Page 1 alone, as summary.pdf, too.")
    ] = False,
    workers: Annotated[
        int | None,
        whole_number(
            "--workers",
            help="Reports that are made side by side (default: 2, or 1 on one processor; each takes"
            " some 600 MB).",
        ),
    ] = None,
    entity: Annotated[str | None, typer.Option(hidden=True)] = None,
    no_cache: NoCache = False,
    quiet: Quiet = False,
) -> None:
    """Run a notebook as its card says, and make the report; of a scenario's file, its own."""
    from nrrsim.report.run import run_card

    over = _settings(said)

    forms = [form.strip() for form in to.split(",") if form.strip()]
    twice = sorted(
        {card.stem for card in cards if [other.stem for other in cards].count(card.stem) > 1}
    )
    if twice:
        raise UsageError(
            f"two cards are called {twice[0]}: one report would replace the other; rename one"
        )
    number, states = min(len(cards), _beside(workers)), [f"--set={each}" for each in said or ()]
    several: dict[str, Any] = {"to": forms, "engine": engine.value, "out": out, "over": over}
    several |= {"latest": latest, "summary": summary}
    if number > 1:
        words = ["--to", to, "--engine", engine.value, *(["--out", str(out)] if out else [])]
        words += [*states, *["--latest"] * latest]
        words += [*["--summary"] * summary, *["--quiet"] * quiet]
        _report_side_by_side(cards, words, number, over, latest, quiet)
        return
    moves = bool(animated()) and not quiet
    for place, card in enumerate(cards, 1):
        if moves and len(cards) > 1:
            typer.echo(f"{card}: report {place} of {len(cards)}", err=True)
        if not card.exists() and str(card) in known_examples() and not quiet:
            typer.echo(f"note: {AN_EXAMPLE.format(card)}", err=True)
        if entity is None and has_each(_found(card), over):
            report_each(_found(card), states, _beside(workers), quiet, several)
            continue
        how: dict[str, Any] = {"over": over, "latest": latest, "summary": summary}
        how |= {"engine": engine.value, "out": out, "progress": moves}
        how |= {"entity": one_of_several(entity)} if entity else {}
        folder = run_card(_found(card), to=forms, **how)
        made = [f"report.{form}" for form in forms] + ["summary.pdf"] * summary
        typer.echo("\n".join(str(folder / each) for each in made) if made else str(folder))


def open_lab(scenario: ScenarioOrNone = None, port: Port = None, browser: Browser = True) -> None:
    """The what-if notebook in JupyterLab: move assumptions and look."""
    from nrrsim.whatif.serve import lab

    lab(start_of(scenario), port, browser)


def open_app(scenario: ScenarioOrNone = None, port: Port = None, browser: Browser = True) -> None:
    """The what-if panel as a page without code."""
    from nrrsim.whatif import serve

    serve.app(start_of(scenario), port, browser)


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A report's folder.")],
    quiet: Quiet = False,
) -> None:
    """Compare every file and number of a report with its manifest."""
    from nrrsim.report.manifest import verify as compare

    checked = compare(folder)
    if not quiet:
        typer.echo("\n".join(checked))


def _found(card: Path) -> Path:
    """A card's file; what is none may be the name of an example."""
    return card if card.exists() else known_examples().get(str(card), card)


def _beside(workers: int | None) -> int:
    """How many reports are made side by side."""
    if workers is not None and workers < 1:
        raise UsageError(f"--workers: must be 1 at least, got {workers}")
    return workers or min(2, os.cpu_count() or 1)


def _report_side_by_side(
    cards: list[Path],
    words: list[str],
    number: int,
    over: dict[str, Any],
    latest: bool,
    quiet: bool,
) -> None:
    from nrrsim.report.several import side_by_side

    if not quiet:
        typer.echo(f"{len(cards)} reports, {number} side by side", err=True)
    code = 0
    asked = [str(card) for card in cards], [*map(_found, cards)], words, number
    with closing(side_by_side(*asked, over, latest)) as reports:
        for made in reports:
            typer.echo(made.said, err=True, nl=False)
            typer.echo(made.out, nl=False)
            code = code or made.code
    if code:
        sys.exit(code)


def _settings(said: list[str] | None) -> dict[str, Any]:
    """The keys that --set states, each with a value as a card would hold it."""
    from nrrsim.yamlfile import read_value

    pairs = [each.partition("=") for each in said or []]
    if any(not (key.strip() and sign) for key, sign, _ in pairs):
        raise UsageError("--set: write a key of the card, an equals sign and its value")
    return {key.strip(): read_value(value, f"--set {key.strip()}") for key, _, value in pairs}
