"""The commands that ask a scenario: words in, calls out; holds no logic."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Annotated, Any

import typer

from nrrsim.cli.inputs import note_of_grr, read_believed
from nrrsim.cli.options import (
    Json,
    Quiet,
    ScenarioFile,
    Seed,
    Target,
    probability_of,
    target_of,
    whole_number,
)
from nrrsim.cli.printed import as_object, tell
from nrrsim.cli.progress import progress
from nrrsim.errors import UsageError


def expect(
    scenario: ScenarioFile,
    at_means: Annotated[
        bool,
        typer.Option(
            "--at-means/--no-at-means",
            help="Each range at its mean, in a year like any other: to this the amounts of"
            " accounts add up.",
        ),
    ] = False,
    seed: Seed = 20260930,
    target: Target = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What a scenario implies: NRR on average, exactly, and its range, computed without trials."""
    from nrrsim.analysis import summary

    believed = read_believed(scenario, quiet)
    believed = believed.at_means() if at_means else believed
    answer = summary.expected(believed, seed) | summary.ranges(believed, seed, target)
    if not quiet:
        note_of_grr(answer["grr_flow"])
    if as_json:
        typer.echo(as_object(answer))
        return
    from nrrsim.cli.text import belief_lines, expected_lines

    if at_means:
        answer["title"] += ", each range at its mean"
    customers = len(believed.opening.arr)
    typer.echo("\n".join(expected_lines(answer, believed.months, customers)))
    typer.echo("\n".join(["", "Assumptions and sources:", *belief_lines(believed)]))


def simulate(
    scenario: ScenarioFile,
    trials: Annotated[
        int, whole_number("--trials", help="How many futures are simulated.")
    ] = 10_000,
    seed: Seed = 20260930,
    threads: Annotated[
        int | None,
        whole_number(
            "--threads", help="How many work at once (default: all there are); changes no number."
        ),
    ] = None,
    target: Target = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write every trial there, as .csv, .xlsx or .parquet."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """NRR, GRR and logo retention over many simulated futures, beside their computed range."""
    from nrrsim.analysis import summary
    from nrrsim.engine.law import law_of
    from nrrsim.engine.simulation import simulate as play
    from nrrsim.files import checked_table

    if out is not None and not out.parent.is_dir():
        raise UsageError(f"{out}: there is no folder {out.parent}")
    believed = read_believed(scenario, quiet)
    if out is not None:
        checked_table(out, trials * len(believed.segments) * believed.months)
    with progress(trials, "trials", quiet) as advance:
        run = play(believed, trials, seed, threads=threads, progress=advance)
    if out is not None:
        summary.write_trials(run, out, {"title": believed.title, "seed": seed, "trials": trials})
    answer = summary.simulated(believed, run, seed, target, law_of(believed, seed))
    tell(answer, as_json, lambda text: text.simulated_lines(answer, believed.months))


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="The scenario to start from.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The scenario to get to.")],
    trials: Annotated[
        int,
        whole_number(
            "--trials",
            help="Futures simulated of each scenario, with common random numbers, for the range"
            " of the difference.",
        ),
    ] = 10_000,
    seed: Seed = 20260930,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The difference between two scenarios, by driver."""
    from nrrsim.analysis import summary
    from nrrsim.analysis.paired import paired

    first, second = read_believed(a, quiet), read_believed(b, quiet)
    with progress(2 * trials, "trials", quiet) as advance:
        runs = paired(first, second, trials, seed, progress=advance)
    answer = summary.compared(first, second, runs, seed)
    tell(answer, as_json, lambda text: text.compared_lines(answer))


def frontier(
    scenario: ScenarioFile,
    target: Annotated[
        float | None,
        typer.Option(
            parser=target_of, metavar="NRR", help="Such as 1.28 or 128% (default: the scenario's)."
        ),
    ] = None,
    probability: Annotated[
        float | None,
        typer.Option(
            parser=probability_of,
            metavar="P",
            help="With this probability, such as 0.8 or 80% (default: on average).",
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What each lever alone, and all together, would have to be to reach a target."""
    from nrrsim.analysis.frontier import needed

    believed = read_believed(scenario, quiet)
    wanted = believed.target if target is None else target
    if wanted is None:
        raise UsageError(
            "--target: the scenario has none; say which NRR to reach, such as --target 1.10"
        )
    answer = needed(believed, wanted, probability)
    tell(answer, as_json, lambda text: text.frontier_lines(answer))


def sweep(
    scenario: ScenarioFile,
    vary: Annotated[
        list[str],
        typer.Option(
            "--vary",
            metavar="NAME=FROM:TO:NUMBER",
            help="Such as drivers.churn.smb.rate=0.05:0.25:21.",
        ),
    ],
    out: Annotated[
        str,
        typer.Option(metavar="FILE", help="Where the grid is written: a .csv, .xlsx or .parquet."),
    ],
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Moves nothing: every point is computed, without trials."),
    ] = False,
    trials: Annotated[
        int, whole_number("--trials", help="Moves nothing: no point is simulated.")
    ] = 10_000,
    seed: Seed = 20260930,
    target: Target = None,
    workers: Annotated[
        int | None,
        whole_number(
            "--workers", help="Processes that share the points (default: as many as processors)."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Dask scheduler to do it instead: tcp://HOST:PORT."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """NRR over a grid of what-ifs, and its picture; a killed one goes on where it stopped."""
    from nrrsim.analysis.sweep import kept_beside, read_axis, sweep
    from nrrsim.analysis.sweep import told as answer_of
    from nrrsim.files import checked_table
    from nrrsim.report.grid import write

    if workers is not None and scheduler is not None:
        raise UsageError(
            "--workers: is for this machine, and --scheduler has its own workers; give one of them"
        )

    believed = read_believed(scenario, quiet)
    axes = [read_axis(each) for each in vary]
    number = prod(len(axis.values) for axis in axes)
    checked_table(out, number)
    kept = kept_beside(out)
    with progress(number, "points", quiet) as advance:
        where: dict[str, Any] = {
            "kept": kept,
            "workers": workers,
            "scheduler": scheduler,
            "progress": advance,
        }
        frame = sweep(believed, axes, seed=seed, target=target, **where)

    about = {"title": believed.title, "seed": seed, "trials": 0}
    picture = write(frame, out, about, believed.target if target is None else target)
    kept.unlink(missing_ok=True)
    if picture is None and not quiet:
        typer.echo(
            "note: no picture is made: it shows one or two axes, and 5,000 points at most", err=True
        )

    answer = answer_of(frame)
    tell(answer, as_json, lambda text: text.sweep_lines(answer, picture))


def schema(
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it there instead of printing it.")
    ] = None,
) -> None:
    """The JSON Schema of scenario files, for editors that check and complete them."""
    from nrrsim.files import write_text
    from nrrsim.scenario.scenario import json_schema

    text = as_object(json_schema())
    if out is None:
        typer.echo(text)
    else:
        write_text(out, text + "\n")
