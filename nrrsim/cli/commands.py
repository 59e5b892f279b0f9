"""Words on a command line in, calls out; holds no logic. Data go to stdout, all else to stderr.

Exit codes: 0 done, 1 the run failed, 2 usage or parameters, 3 the data were rejected; 130, 143, 129
ended by Ctrl-C, by SIGTERM or by a closed terminal (SIGHUP).
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nrrsim.cli.each import has_each, one_of_several, report_each
from nrrsim.cli.folders import new, next_
from nrrsim.cli.helped import App
from nrrsim.cli.options import (
    AS_IT_IS,
    ActionsFile,
    AsOf,
    Browser,
    Engine,
    HalfLife,
    Json,
    LedgerForm,
    NoCache,
    PipelineFile,
    PipelineUnit,
    PlanFile,
    Port,
    PriceMonths,
    PriorFile,
    Quiet,
    ReasonsFile,
    ScenarioFile,
    ScenarioOrNone,
    Seed,
    SignalsCardFile,
    SignalsFile,
    Sources,
    Stages,
    Target,
    companies_of,
    definitions_offered,
    effect_of,
    first_of,
    form_of,
    horizon_of,
    power_of,
    probability_of,
    reads_a_ledger,
    target_of,
    whole_number,
)
from nrrsim.cli.terminal import Ended, animated, end_at_once, ended_by_signals, kept_visible
from nrrsim.errors import DataError, Finding, NrrsimError, UsageError
from nrrsim.ledger.reading import as_keys
from nrrsim.notation import counted, visible
from nrrsim.notation import month_name as in_words

if TYPE_CHECKING:
    from nrrsim.calibration.calibrate import Calibration
    from nrrsim.calibration.priors import Prior
    from nrrsim.ledger.ledger import Ledger
    from nrrsim.ledger.warehouse import Warehouse
    from nrrsim.report.card import Card
    from nrrsim.scenario.scenario import Scenario


MOST_FINDINGS = 50
AN_EXAMPLE = "{}: the example that comes with nrrsim"
PATIENCE = 1.0  # seconds after which a terminal is told what goes on
OBJECTS = 500_000  # made before garbage is looked for
app = App(
    name="nrrsim",
    help="Net revenue retention: from a ledger, what became of it; from a scenario, what may"
    " become of it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"nrrsim {version('nrrsim')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


@app.command()
@reads_a_ledger
def check(
    sources: Sources,
    signals: SignalsFile = None,
    signals_card: SignalsCardFile = None,
    reasons: ReasonsFile = None,
    form: LedgerForm = AS_IT_IS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What is in a ledger, and what is wrong with it, line by line; of signals and reasons, too."""
    from nrrsim.ledger.check import profile

    try:
        ledger, beside = _read_beside(sources, form, signals, signals_card, reasons, quiet)
    except DataError as error:
        findings = list(map(str, error.findings))
        typer.echo(_object({"findings": findings}) if as_json else str(error))
        if not quiet:
            what = "ledger, with what stands beside it," if signals or reasons else "ledger"
            typer.echo(f"{counted(len(findings), 'finding')}: the {what} is rejected", err=True)
        raise typer.Exit(DataError.exit_code) from None
    notices = list(map(str, [*ledger.notices, *beside.pop("notices", ())]))
    taken = [*ledger.entries.taken, *beside.pop("taken", ())]
    if as_json:
        found = {"read_as": taken, **profile(ledger), **beside}
        typer.echo(_object({**found, "notices": notices, "findings": []}))
    else:
        from nrrsim.cli.checked import profile_lines, reasons_lines, signals_lines

        typer.echo(
            "\n".join(
                [
                    *(f"read as       {said}" for said in taken),
                    *profile_lines(profile(ledger)),
                    *(signals_lines(beside["signals"]) if "signals" in beside else ()),
                    *(reasons_lines(beside["reasons"]) if "reasons" in beside else ()),
                    *notices,
                    "no errors: every row was read",
                ]
            )
        )


@app.command()
def formats(as_json: Json = False) -> None:
    """The exports that are read as they are, and what each assumes."""
    from nrrsim.ledger.exports import formats as known

    if as_json:
        typer.echo(_object({name: each.model_dump() for name, each in known().items()}))
    else:
        from nrrsim.cli.checked import formats_lines

        typer.echo("\n".join(formats_lines(known())))


@app.command()
@reads_a_ledger
def metrics(
    sources: Sources,
    as_of: AsOf = None,
    window: Annotated[int, whole_number("--window", help="Months of the window.")] = 12,
    definition: Annotated[
        str, typer.Option(help="Which published definition.", autocompletion=definitions_offered)
    ] = "point_to_point",
    by: Annotated[
        str,
        typer.Option(
            help="Split by this column, by size (bands of ARR), or by cohort_year (or _quarter,"
            " _month)."
        ),
    ] = "segment",
    ex_price: Annotated[
        bool, typer.Option("--ex-price/--no-ex-price", help="NRR without price movements.")
    ] = False,
    push_down: Annotated[
        bool,
        typer.Option("--push-down", help="Compute it in the database of --table; read no row."),
    ] = False,
    table: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The table or view with the ledger, for --push-down."),
    ] = None,
    print_sql: Annotated[
        bool,
        typer.Option("--print-sql", help="Print what --push-down would run, and do not run it."),
    ] = False,
    form: LedgerForm = AS_IT_IS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """NRR, GRR and logo retention of a window, in total and by segment."""
    from nrrsim.analysis.actuals import headline

    ledger: Ledger | Warehouse
    _refuse_no_month(as_of, form)
    if push_down or print_sql or table is not None:
        ledger = _warehouse(sources, table, push_down, by, form, quiet)
        if print_sql:
            if as_of is None:
                raise UsageError("--print-sql: say as of which month, such as --as-of 2026-09")
            typer.echo(";\n\n".join(ledger.statements(as_of, window)) + ";")
            return
    else:
        ledger = _read(sources, form, quiet)
    with _waiting("computing in the warehouse", quiet or not push_down):
        as_of = _as_of(ledger, as_of, quiet)
        told = headline(ledger, as_of, window, definition, by, ex_price)
    if not quiet:
        for notice in ledger.notices:
            typer.echo(f"note: {notice}", err=True)
        _note_of_grr(told["grr"])
    if as_json:
        typer.echo(_object(told | ({"computed_in": "warehouse"} if push_down else {})))
    else:
        from nrrsim.report.wording.labels import headline_lines

        typer.echo("\n".join(headline_lines(told, by)))


@app.command()
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

    believed = _scenario(scenario, quiet)
    believed = believed.at_means() if at_means else believed
    answer = summary.expected(believed, seed) | summary.ranges(believed, seed, target)
    if not quiet:
        _note_of_grr(answer["grr_flow"])
    if as_json:
        typer.echo(_object(answer))
        return
    from nrrsim.cli.text import belief_lines, expected_lines

    if at_means:
        answer["title"] += ", each range at its mean"
    customers = len(believed.opening.arr)
    typer.echo("\n".join(expected_lines(answer, believed.months, customers)))
    typer.echo("\n".join(["", "Assumptions and sources:", *belief_lines(believed)]))


@app.command()
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
    believed = _scenario(scenario, quiet)
    if out is not None:
        checked_table(out, trials * len(believed.segments) * believed.months)
    with _progress(trials, "trials", quiet) as advance:
        run = play(believed, trials, seed, threads=threads, progress=advance)
    if out is not None:
        summary.write_trials(run, out, {"title": believed.title, "seed": seed, "trials": trials})
    answer = summary.simulated(believed, run, seed, target, law_of(believed, seed))
    if as_json:
        typer.echo(_object(answer))
    else:
        from nrrsim.cli.text import simulated_lines

        typer.echo("\n".join(simulated_lines(answer, believed.months)))


@app.command()
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

    first, second = _scenario(a, quiet), _scenario(b, quiet)
    with _progress(2 * trials, "trials", quiet) as advance:
        runs = paired(first, second, trials, seed, progress=advance)
    answer = summary.compared(first, second, runs, seed)
    if as_json:
        typer.echo(_object(answer))
    else:
        from nrrsim.cli.text import compared_lines

        typer.echo("\n".join(compared_lines(answer)))


@app.command()
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

    believed = _scenario(scenario, quiet)
    wanted = believed.target if target is None else target
    if wanted is None:
        raise UsageError(
            "--target: the scenario has none; say which NRR to reach, such as --target 1.10"
        )
    answer = needed(believed, wanted, probability)
    if as_json:
        typer.echo(_object(answer))
    else:
        from nrrsim.cli.text import frontier_lines

        typer.echo("\n".join(frontier_lines(answer)))


@app.command()
@reads_a_ledger
def calibrate(
    sources: Sources,
    as_of: AsOf = None,
    out: Annotated[
        str | None, typer.Option(metavar="SCENARIO", help="Write the scenario to this YAML file.")
    ] = None,
    term: Annotated[
        list[str] | None,
        typer.Option("--term", metavar="SEGMENT=TERM", help="monthly or annual; repeat."),
    ] = None,
    half_life: HalfLife = None,
    price_months: PriceMonths = None,
    prior: PriorFile = None,
    accounts: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="How accounts differ from their segment, as nrrsim accounts --multipliers wrote"
            " it.",
        ),
    ] = None,
    form: LedgerForm = AS_IT_IS,
    as_json: Json = False,
    no_cache: NoCache = False,
    quiet: Quiet = False,
) -> None:
    """What a ledger's past says of churn, contraction, expansion and price: a sourced scenario."""
    from nrrsim.calibration.calibrate import calibrate
    from nrrsim.calibration.priors import as_prior

    known = as_prior(prior)
    if out and not _fits_a_book(sources, form):
        raise UsageError(f"--out: {NO_BOOK}")

    ledger, as_of = _read_as_of(sources, form, as_of, quiet)
    _say_what_was_not_known(known, as_of, quiet)
    # what is only printed may have come from a database, which no book can name
    with _waiting("learning from the ledger", quiet):
        learning: dict[str, Any] = {"half_life": half_life, "price_months": price_months or ()}
        learning |= {"term": _terms(term), "prior": known}
        file = _seen_from(out, sources[0]) if out else "ledger.csv"
        plain = learnt = calibrate(ledger, as_of, file=file, **learning)
        if accounts:
            named = _seen_from(out, accounts) if out else None
            learning_too: dict[str, Any] = {**learning, "accounts": accounts}
            learnt = calibrate(ledger, as_of, file=file, accounts_file=named, **learning_too)

    if out:
        # the forecast is of the segments; accounts move it as far as they move what drivers say
        stated = _with_outlook(plain, ledger, as_of, quiet, **learning)
        learnt.with_outlook_of(stated).write(out)
    if as_json:
        typer.echo(_object(learnt.told()))
    else:
        from nrrsim.cli.text import calibrated_lines

        typer.echo("\n".join(calibrated_lines(learnt.told())))
        if learnt.findings and not quiet:
            typer.echo("\n".join(learnt.findings), err=True)


@app.command()
@reads_a_ledger
def forecast(
    sources: Sources,
    as_of: AsOf = None,
    trials: Annotated[
        int,
        whole_number(
            "--trials",
            help="How many futures are drawn of customers' own past and of each segment.",
        ),
    ] = 4_000,
    seed: Seed = 20260930,
    half_life: HalfLife = None,
    price_months: PriceMonths = None,
    prior: PriorFile = None,
    form: LedgerForm = AS_IT_IS,
    as_json: Json = False,
    no_cache: NoCache = False,
    quiet: Quiet = False,
) -> None:
    """Where NRR, GRR and logo retention may go in the twelve months to come, and why."""
    from nrrsim.analysis.actuals import Actuals
    from nrrsim.analysis.forecast import forecast, too_short
    from nrrsim.calibration.priors import as_prior

    known = as_prior(prior)
    ledger, as_of = _read_as_of(sources, form, as_of, quiet)
    if reason := too_short(ledger, as_of):
        raise UsageError(f"no forecast: {reason}")
    _say_what_was_not_known(known, as_of, quiet)
    with _waiting("forecasting", quiet):
        ahead = forecast(Actuals(ledger, as_of), trials, seed, half_life, price_months, known)
    if not ahead:
        raise UsageError(f"no forecast: {getattr(ahead, 'reason', '') or 'no trials asked for'}")
    if as_json:
        typer.echo(_object(ahead.told()))
    else:
        from nrrsim.cli.text import forecast_lines

        typer.echo("\n".join(forecast_lines(ahead.told())))


@app.command()
@reads_a_ledger
def accounts(
    sources: Sources,
    as_of: AsOf = None,
    signals: SignalsFile = None,
    signals_card: SignalsCardFile = None,
    reasons: ReasonsFile = None,
    horizon: Annotated[
        Any,
        typer.Option(parser=horizon_of, metavar="MONTHS", help='Months ahead, or "next renewal".'),
    ] = 12,
    top: Annotated[int, whole_number("--top", help="How many accounts are printed.")] = 20,
    scenarios: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario",
            metavar="SCENARIO",
            help="Whose programmes are suggested as plays; repeat.",
        ),
    ] = None,
    multipliers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write each account's multipliers there, for a scenario's book."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all accounts there, as .xlsx, .parquet or .csv."),
    ] = None,
    pipeline: PipelineFile = None,
    pipeline_unit: PipelineUnit = None,
    stages: Stages = None,
    target: Target = None,
    plan: PlanFile = None,
    half_life: HalfLife = None,
    price_months: PriceMonths = None,
    prior: PriorFile = None,
    form: LedgerForm = AS_IT_IS,
    as_json: Json = False,
    no_cache: NoCache = False,
    quiet: Quiet = False,
) -> None:
    """Who is at risk, who can grow, why, and how good the score has been."""
    from nrrsim.accounts.at_risk import at_risk
    from nrrsim.accounts.clusters import clusters
    from nrrsim.accounts.signals import read_signals
    from nrrsim.accounts.watch import read_signals_card
    from nrrsim.analysis.losses import reasons_of
    from nrrsim.calibration.priors import as_prior
    from nrrsim.files import checked_table, write_table

    if top < 0:
        raise UsageError(f"--top: must be 0 or more, got {top}")
    of_pipeline = (pipeline_unit, stages, plan, target)
    if pipeline is None and not form.is_card and any(each is not None for each in of_pipeline):
        raise UsageError(
            "--pipeline-unit, --stage, --plan, --target: are of --pipeline; add it, or leave them"
            " out"
        )
    beside = (signals, signals_card, reasons, pipeline, plan)
    read = [*sources, *filter(None, beside), *(scenarios or ())]
    for file in filter(None, (multipliers, out)):
        checked_table(file)
        if not file.parent.is_dir():
            raise UsageError(f"{file}: there is no folder {file.parent}")
        _keep(file, read)
        read.append(str(file))
    card, known = read_signals_card(signals_card), as_prior(prior)
    plans = [_scenario(each, quiet) for each in scenarios or ()]
    ledger, as_of = _read_as_of(sources, form, as_of, quiet)
    _say_what_was_not_known(known, as_of, quiet)
    rates = _shares(stages)
    seen, why, listing, aims = _read_all(
        (signals, lambda file: read_signals(file, ledger, card) if file else None),
        (reasons, lambda file: reasons_of(ledger, file, card)),
        (pipeline, lambda file: _opportunities(file, ledger, as_of, pipeline_unit)),
        (plan, lambda file: _plan(file, ledger) if file and pipeline else None),
    )
    notices = [*getattr(seen, "notices", ()), *getattr(why, "notices", ())]
    if signals_card:  # one's own: that of nrrsim has rules for what few have
        silent = card.silent(getattr(seen, "names", ()))
        notices += [f"{signals_card}: no signal for the rule: {rule.words}" for rule in silent]
    for notice in () if quiet else notices:
        typer.echo(f"note: {notice}", err=True)
    with _waiting("scoring accounts", quiet):
        learning: dict[str, Any] = {"half_life": half_life, "price_months": price_months or ()}
        learning |= {"prior": known}
        asked: dict[str, Any] = {"horizon": horizon, "scenarios": plans, "learning": learning}
        listed = at_risk(ledger, as_of, signals=seen, card=card, **asked)
        together = clusters(ledger, as_of, why)
        sold = None
        if listing is not None:
            from nrrsim.analysis.pipeline import pipeline as covered

            asked = {"stages": rates, "target": target, "plan": aims, "learnt": listed.scenario}
            sold = covered(ledger, listing, as_of, **asked)
    for notice in () if quiet or sold is None else sold.notices:
        typer.echo(f"note: {notice}", err=True)
    if multipliers is not None:
        write_table(listed.multipliers(), multipliers, {"as_of": as_of})
    if out is not None:
        from nrrsim.report.wording.accounts import plain
        from nrrsim.report.workbook.accounts import write_accounts

        if out.suffix.lower() == ".xlsx":
            write_accounts(listed, out, together)
        else:
            write_table(plain(listed), out, {"as_of": as_of})
    answer = {**listed.told(), "clusters": together.told()}
    answer |= {"pipeline": sold.told()} if sold is not None else {}
    if as_json:
        typer.echo(_object(answer))
    else:
        from nrrsim.cli.text import accounts_lines

        typer.echo("\n".join(accounts_lines(answer, top)))


@app.command()
@reads_a_ledger
def actions(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="LEDGER... ACTIONS",
            help="The ledger, and last the table of actions; or a run card that names both.",
        ),
    ],
    as_of: AsOf = None,
    actions: ActionsFile = None,
    signals: SignalsFile = None,
    signals_card: SignalsCardFile = None,
    horizon: Annotated[
        int, whole_number("--horizon", help="Months after an action that are looked at.")
    ] = 6,
    scenario: Annotated[
        str | None,
        typer.Option(metavar="SCENARIO", help="The scenario that the programmes of --out join."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the measured programmes to this YAML file."),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="How many a holdout needs, and how long; no ACTIONS then."),
    ] = False,
    effect: Annotated[
        float | None,
        typer.Option(parser=effect_of, metavar="EFFECT", help="Hoped for on churn, such as -20%."),
    ] = None,
    segment: Annotated[
        str, typer.Option(metavar="SEGMENT", help="Whose customers (default: all).")
    ] = "",
    power: Annotated[
        float | None,
        typer.Option(
            parser=power_of, metavar="P", help="How often the effect is to be found (default: 80%)."
        ),
    ] = None,
    form: LedgerForm = AS_IT_IS,
    as_json: Json = False,
    no_cache: NoCache = False,
    quiet: Quiet = False,
) -> None:
    """What became of those who got an action beside others, or how many a holdout needs."""
    if plan:
        if effect is None:
            raise UsageError("--plan: say which effect is hoped for, such as --effect -20%")
        if out or scenario:
            raise UsageError("--plan: measures nothing that --out or --scenario could write")
        from nrrsim.accounts.holdout import POWER, holdout

        ledger, as_of = _read_as_of(sources, form, as_of, quiet)
        told = holdout(
            ledger, as_of, effect, segment=segment, horizon=horizon, power=power or POWER
        ).told()
        if as_json:
            typer.echo(_object(told))
        else:
            from nrrsim.cli.text import holdout_lines

            typer.echo("\n".join(holdout_lines(told)))
        return
    if effect is not None or segment or power is not None:
        raise UsageError("--effect, --segment, --power: are of --plan; add it, or leave them out")
    if scenario and not out:
        raise UsageError("--scenario: says what the programmes of --out join; add --out FILE")
    if actions is None and not form.is_card and len(sources) > 1:
        *sources, actions = sources
    if actions is None:
        raise UsageError(
            "no table of actions: name it after the ledger, or as actions: in the run card"
        )
    from nrrsim.accounts.action_table import read_actions
    from nrrsim.accounts.actions import actions as measured
    from nrrsim.accounts.signals import read_signals
    from nrrsim.accounts.watch import read_signals_card

    if out is not None:
        _keep(out, [*sources, actions, *filter(None, (signals, signals_card, scenario))])
    card = read_signals_card(signals_card)
    ledger, as_of = _read_as_of(sources, form, as_of, quiet)
    table, seen = _read_all(
        (actions, lambda file: read_actions(file, ledger)),
        (signals, lambda file: read_signals(file, ledger, card) if file else None),
    )
    with _waiting("comparing accounts", quiet):
        asked: dict[str, Any] = {"horizon": horizon, "signals": seen, "card": card}
        found = measured(ledger, table, as_of, **asked)
    for notice in () if quiet else (*map(str, getattr(seen, "notices", ())), *found.notices):
        typer.echo(f"note: {notice}", err=True)
    if out is not None:
        found.write(str(out), _seen_from(str(out), scenario) if scenario else "")
    if as_json:
        typer.echo(_object(found.told()))
    else:
        from nrrsim.cli.text import actions_lines

        typer.echo("\n".join(actions_lines(found.told())))


@app.command()
@reads_a_ledger
def prior(
    companies: Annotated[
        list[str],
        typer.Argument(
            metavar="LEDGER...",
            help="A company each: a file, a run card that names one, or a folder of files.",
        ),
    ],
    as_of: AsOf = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write it to this YAML file, for calibrate --prior."),
    ] = None,
    form: LedgerForm = AS_IT_IS,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What is usual of several companies, for one whose ledger shows little to lean on."""
    from nrrsim.calibration.priors import evidence, learn_prior

    ledgers = companies_of(companies, form)
    shown, wrong = [], []
    with _progress(len(ledgers), "ledgers", quiet) as advance:
        for number, each in enumerate(ledgers):
            try:
                with as_keys(each.form.is_card):
                    ledger, last = each.form.read(each.sources), as_of or each.as_of
                    shown.append(evidence(ledger, each.company, last, each.price_months))
            except (DataError, UsageError) as error:
                wrong.append((each.given, error))
            if advance:
                advance(number + 1)
    if wrong:
        raise _together(wrong)

    learnt = learn_prior(shown)
    if out:
        learnt.write(out)
    if as_json:
        typer.echo(_object(learnt.told()))
    else:
        from nrrsim.cli.text import prior_lines

        typer.echo("\n".join(prior_lines(learnt.told())))


@app.command()
@reads_a_ledger
def backtest(
    sources: Sources,
    trials: Annotated[
        int,
        whole_number(
            "--trials",
            help="How many futures each forecast draws of customers' own past and of each segment.",
        ),
    ] = 4_000,
    seed: Seed = 20260930,
    every: Annotated[
        int | None, whole_number("--every", help="Months from one forecast to the next.")
    ] = None,
    first: Annotated[
        Any,
        typer.Option(
            parser=first_of,
            metavar="MONTHS",
            help="Months of ledger before the first forecast, at least 12, or its month"
            " (default: 24).",
        ),
    ] = None,
    half_life: HalfLife = None,
    prior: PriorFile = None,
    to: Annotated[
        str | None, typer.Option(metavar="YYYY-MM", help="The last month to compare with.")
    ] = None,
    ahead: Annotated[
        int,
        whole_number("--horizon", help="Months from a forecast to the end of the year it is of."),
    ] = 12,
    with_accounts: Annotated[
        bool,
        typer.Option("--accounts", help="NRR with and without what single accounts come to."),
    ] = False,
    signals: SignalsFile = None,
    signals_card: SignalsCardFile = None,
    form: LedgerForm = AS_IT_IS,
    as_json: Json = False,
    no_cache: NoCache = False,
    quiet: Quiet = False,
) -> None:
    """How often forecasts made in the ledger's past, from what was known then, were right."""
    from nrrsim.calibration.backtest import backtest, origins
    from nrrsim.calibration.priors import as_prior

    learning: dict[str, Any] = {"half_life": half_life, "prior": as_prior(prior)}
    ledger = _read(sources, form, quiet)
    how: dict[str, Any] = {"every": every, "first": first, "to": to, "horizon": ahead}
    asked = origins(ledger, **how)
    if signals and not with_accounts and not quiet:
        typer.echo("note: signals tell of accounts: --accounts looks at them", err=True)
    number, until = len(asked), learning["prior"].until
    if until > asked[0] and not quiet:
        typer.echo(
            f"note: the prior is learnt up to {in_words(until)}; forecasts made before that lean on"
            " the one that comes with nrrsim",
            err=True,
        )
    how |= {"trials": trials, "seed": seed, **learning}
    if with_accounts:
        answer = _with_accounts(ledger, signals, signals_card, number, quiet, how)
    else:
        with _progress(number, "forecasts", quiet) as advance:
            answer = backtest(ledger, **how, progress=advance).told()
    if as_json:
        typer.echo(_object(answer))
    else:
        from nrrsim.cli.text import backtest_lines

        typer.echo("\n".join(backtest_lines(answer)))


@app.command()
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

    believed = _scenario(scenario, quiet)
    axes = [read_axis(each) for each in vary]
    number = prod(len(axis.values) for axis in axes)
    checked_table(out, number)
    kept = kept_beside(out)
    with _progress(number, "points", quiet) as advance:
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
    if as_json:
        typer.echo(_object(answer))
    else:
        from nrrsim.cli.text import sweep_lines

        typer.echo("\n".join(sweep_lines(answer, picture)))


@app.command()
def schema(
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it there instead of printing it.")
    ] = None,
) -> None:
    """The JSON Schema of scenario files, for editors that check and complete them."""
    from nrrsim.files import write_text
    from nrrsim.scenario.scenario import json_schema

    text = _object(json_schema())
    if out is None:
        typer.echo(text)
    else:
        write_text(out, text + "\n")


@app.command()
def report(
    cards: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUNCARD...",
            help="What to run, such as params/2026Q3.yaml; or a scenario, for its report.",
        ),
    ],
    to: Annotated[str, typer.Option(help="Any of pdf,html,xlsx.")] = "pdf,html",
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
    several = {"to": forms, "engine": engine.value, "out": out, "over": over, "latest": latest}
    several |= {"summary": summary}
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
        if not card.exists() and str(card) in _examples() and not quiet:
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


app.command()(new)
app.command("next")(next_)


@app.command("lab")
def open_lab(scenario: ScenarioOrNone = None, port: Port = None, browser: Browser = True) -> None:
    """The what-if notebook in JupyterLab: move assumptions and look."""
    from nrrsim.whatif.serve import lab

    lab(_start(scenario), port, browser)


@app.command("app")
def open_app(scenario: ScenarioOrNone = None, port: Port = None, browser: Browser = True) -> None:
    """The what-if panel as a page without code."""
    from nrrsim.whatif import serve

    serve.app(_start(scenario), port, browser)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A report's folder.")],
    quiet: Quiet = False,
) -> None:
    """Compare every file and number of a report with its manifest."""
    from nrrsim.report.manifest import verify as compare

    checked = compare(folder)
    if not quiet:
        typer.echo("\n".join(checked))


def _examples() -> dict[str, Path]:
    from nrrsim.scenario.scenario import examples

    return examples()


def _found(card: Path) -> Path:
    """A card's file; what is none may be the name of an example."""
    return card if card.exists() else _examples().get(str(card), card)


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


def _scenario(path: str, quiet: bool) -> Scenario:
    from nrrsim.scenario.scenario import find_scenario, read_scenario

    file = find_scenario(path)
    believed = read_scenario(file)
    notices = believed.notices
    if file != Path(path):
        notices = (AN_EXAMPLE.format(path), *notices)
    for notice in () if quiet else notices:
        typer.echo(f"note: {notice}", err=True)
    return believed


def _note_of_grr(grr: float | None) -> None:
    if grr is not None and grr < 0:
        typer.echo(
            "note: this GRR counts every loss, also after a return, so it can be negative", err=True
        )


@contextmanager
def _progress(total: int, what: str, quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """What to tell how far a run is: a bar on a terminal's stderr, once it takes over a second."""
    terminal = None if quiet else animated()
    if terminal is None:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} " + what),
        BarColumn(),
        TimeRemainingColumn(),
    )
    # the bar alone: what is printed meanwhile keeps its way
    bar = Progress(
        *columns,
        console=Console(file=terminal),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    task, begin = bar.add_task(what, total=total), time.monotonic()

    def advance(done: int) -> None:
        bar.update(task, completed=done)
        if time.monotonic() - begin > PATIENCE and not bar.live.is_started:
            bar.start()

    try:
        yield advance
    finally:
        bar.stop()


@contextmanager
def _waiting(what: str, quiet: bool) -> Iterator[None]:
    """Say on a terminal's stderr what goes on, and for how long, once it takes over a second."""
    terminal = None if quiet else animated()
    if terminal is None:
        yield
        return
    shown: list[Any] = []

    def show() -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        # a file may be called like a colour
        words = TextColumn("{task.description}", markup=False)
        columns = (SpinnerColumn(), words, TimeElapsedColumn())
        bar = Progress(
            *columns,
            console=Console(file=terminal),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        bar.add_task(visible(what), total=None)
        bar.start()
        shown.append(bar)

    # what goes on does not come back to say so
    timer = threading.Timer(PATIENCE, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        for bar in shown:
            bar.stop()


def _with_accounts(
    ledger: Ledger,
    signals: str | None,
    signals_card: str | None,
    number: int,
    quiet: bool,
    how: dict[str, Any],
) -> dict[str, Any]:
    """What a back-test says, and what it says of accounts besides."""
    from nrrsim.accounts.forecasts import backtest_with_accounts
    from nrrsim.accounts.signals import read_signals
    from nrrsim.accounts.watch import read_signals_card

    card = read_signals_card(signals_card)
    seen = read_signals(signals, ledger, card) if signals else None
    for notice in () if quiet else getattr(seen, "notices", ()):
        typer.echo(f"note: {notice}", err=True)
    with _progress(3 * number, "forecasts", quiet) as advance:
        found = backtest_with_accounts(ledger, signals=seen, card=card, progress=advance, **how)
    return {**found.without.told(), "accounts": found.told()}


NO_BOOK = (
    "a scenario's book is one ledger file, and nothing in it is converted;"
    " put the ledger into such a one"
)


def _fits_a_book(sources: list[str], form: LedgerForm) -> bool:
    """Whether a scenario's book can say it: a file, how that is read, and in which currency.

    A gap up to the month that it begins in is one however long a renewal may be late.
    """
    is_file = len(sources) == 1 and "://" not in sources[0] and not sources[0].startswith("env:")
    return is_file and not (form.rates or form.reported)


def _start(given: str | None) -> str | None:
    """Where the sliders start: of a run card, its first scenario, or what its ledger teaches."""
    from nrrsim.report.card import names_a_card, read_card

    if given is None or not names_a_card(given):
        return given
    card = read_card(given, of_ledger=True)
    if scenarios := card.parameters.get("scenarios"):
        return card.from_here(scenarios[0] if isinstance(scenarios, list) else str(scenarios))
    return str(_learnt_of(card))


def _learnt_of(card: Card) -> Path:
    """The scenario that a card's ledger teaches, in `scenarios/` beside the card.

    It has a name of its own: a plan that extends what was learnt before keeps its base.
    """
    from nrrsim.calibration.calibrate import calibrate

    form, sources, prior = form_of(card), card.sources, card.parameters.get("prior")
    if not _fits_a_book(sources, form):
        raise UsageError(f"{card.path}: {NO_BOOK}")
    ledger, as_of = _read_as_of(sources, form, card.parameters.get("as_of"), quiet=False)
    scenario = card.path.parent / "scenarios" / f"learnt-{card.name}.yaml"
    with _waiting("learning from the ledger", quiet=False):
        file = Path(os.path.relpath(sources[0], scenario.parent)).as_posix()
        how = {name: card.parameters.get(name) for name in ("half_life", "price_months")}
        learning: dict[str, Any] = {
            **how,
            "price_months": how["price_months"] or (),
            "prior": card.from_here(prior) if prior else None,
        }
        learnt = calibrate(ledger, as_of, file=file, **learning)
    learnt = _with_outlook(learnt, ledger, as_of, quiet=False, **learning)
    scenario.parent.mkdir(exist_ok=True)
    learnt.write(scenario)
    typer.echo(f"note: {scenario}: learnt from the ledger up to {as_of}", err=True)
    return scenario


def _say_what_was_not_known(prior: Prior, as_of: str, quiet: bool) -> None:
    """That a prior was learnt from months after `as_of`, if it was."""
    if prior.until > as_of and not quiet:
        typer.echo(
            f"note: the prior is learnt up to {in_words(prior.until)}; in {in_words(as_of)} that"
            " was not known yet, and a back-test does not use it",
            err=True,
        )


def _keep(file: Path, read: list[str]) -> None:
    """Raise UsageError where a file that is to be written is one of those in use."""
    from nrrsim.ledger.sources import matching

    in_use = {os.path.realpath(path) for each in read for path in matching(each)}
    if os.path.realpath(file) in in_use:
        raise UsageError(f"{file}: is read, or written, by the same command; choose another name")


def _seen_from(scenario: str, file: str) -> str:
    """A file's path as a scenario is to name it."""
    return Path(os.path.relpath(file, Path(scenario).parent)).as_posix()


def _with_outlook(
    learnt: Calibration, ledger: Ledger, as_of: str, quiet: bool, **learning: Any
) -> Calibration:
    """What was learnt, with the forecast beside it; as it is where the ledger is too short."""
    from dataclasses import replace

    from nrrsim.analysis.actuals import Actuals
    from nrrsim.analysis.forecast import forecast_of, too_short

    # its past year is not asked for where there is none
    if not (reason := too_short(ledger, as_of)):
        with _waiting("forecasting", quiet):
            ahead = forecast_of(Actuals(ledger, as_of), learnt, **learning)
        if ahead:
            return replace(learnt, scenario=ahead.scenario)
        reason = getattr(ahead, "reason", "").removeprefix("as_of: ")
    if not quiet:
        said = "the scenario states no forecast, so its ranges are by the drivers alone"
        typer.echo(f"note: {said}: {reason}", err=True)
    return learnt


def _settings(said: list[str] | None) -> dict[str, Any]:
    """The keys that --set states, each with a value as a card would hold it."""
    from nrrsim.yamlfile import read_value

    pairs = [each.partition("=") for each in said or []]
    if any(not (key.strip() and sign) for key, sign, _ in pairs):
        raise UsageError("--set: write a key of the card, an equals sign and its value")
    return {key.strip(): read_value(value, f"--set {key.strip()}") for key, _, value in pairs}


def _read(sources: list[str], form: LedgerForm, quiet: bool) -> Ledger:
    more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    with as_keys(form.is_card), _waiting(f"reading {sources[0]}{more}", quiet):
        return form.read(sources)


def _read_as_of(
    sources: list[str], form: LedgerForm, as_of: str | None, quiet: bool
) -> tuple[Ledger, str]:
    """The ledger, and the month that is asked about: its last where none is said, which is told."""
    _refuse_no_month(as_of, form)
    ledger = _read(sources, form, quiet)
    return ledger, _as_of(ledger, as_of, quiet)


def _refuse_no_month(as_of: str | None, form: LedgerForm) -> None:
    """Raise UsageError for an `as_of` that is no month, before a ledger is read for it."""
    from nrrsim.months import parse_month

    if as_of is not None:
        parse_month(as_of, "as_of" if form.is_card else "--as-of")


def _as_of(ledger: Ledger | Warehouse, as_of: str | None, quiet: bool) -> str:
    """The month that is asked about: the ledger's last where none is said, which is told."""
    from nrrsim.months import month_name

    if as_of is None:
        as_of = ledger.months[-1]
        if not quiet:
            typer.echo(f"note: as of {as_of}, the ledger's last month", err=True)
    return month_name(ledger.inside(as_of, "as_of"))


def _warehouse(
    sources: list[str], table: str | None, push_down: bool, by: str, form: LedgerForm, quiet: bool
) -> Warehouse:
    """The ledger that stays in its database, its headings read; raises UsageError for no table."""
    from nrrsim.ledger.warehouse import Warehouse
    from nrrsim.scenario.book import is_address

    if not push_down:
        raise UsageError(
            "--push-down: say it, too: --table and --print-sql are of what it computes"
        )
    if table is None:
        raise UsageError(
            "--table: say which table or view holds the ledger, such as finance.ledger"
        )
    if len(sources) > 1 or not is_address(sources[0]):
        raise UsageError(
            "--push-down: computes in a database: give its address alone, such as env:WAREHOUSE;"
            " files are read without it"
        )
    how = {name: each for name, each in vars(form).items() if name != "is_card"}
    with as_keys(form.is_card), _waiting(f"reading the headings of {table}", quiet):
        return Warehouse.of(sources[0], table, by, **how)


def _read_beside(
    sources: list[str],
    form: LedgerForm,
    signals: str | None,
    signals_card: str | None,
    reasons: str | None,
    quiet: bool,
) -> tuple[Ledger, dict[str, Any]]:
    """A ledger, and what is in the signals and reasons beside it; raises with all of each."""
    if not (signals or reasons):
        if signals_card:
            problem = "says what signals are, and none are named"
            raise UsageError(f"signals_card: {problem}; name them (--signals, in a card signals:)")
        return _read(sources, form, quiet), {}
    from nrrsim.accounts.reasons import read_reasons
    from nrrsim.accounts.signals import findings_of, profile, read_signals
    from nrrsim.accounts.watch import read_signals_card

    card = read_signals_card(signals_card)
    try:
        ledger = _read(sources, form, quiet)
    except DataError as error:
        others = findings_of(signals, card, form.reading) if signals else ()
        raise DataError([*error.findings, *others]) from None
    seen, why = _read_all(
        (signals, lambda file: read_signals(file, ledger, card) if file else None),
        (reasons, lambda file: read_reasons(file, ledger, card) if file else None),
    )
    beside: dict[str, Any] = {"notices": [], "taken": []}
    if seen is not None:
        beside["signals"] = profile(seen, ledger, card)
        beside["taken"] += seen.taken
        beside["notices"] += seen.notices
    if why is not None:
        kinds = why.frame["kind"].value_counts().sort_index()
        beside["reasons"] = {"losses": len(why.frame), "kinds": kinds.to_dict()}
        beside["notices"] += why.notices
    return ledger, beside


def _together(wrong: list[tuple[str, DataError | UsageError]]) -> DataError | UsageError:
    """What is wrong with several ledgers as one error, each with what was given."""
    said = {
        given: str(error).removeprefix(f"{given}: ")
        for given, error in wrong
        if isinstance(error, UsageError)
    }
    if len(said) == len(wrong):
        return UsageError("\n".join(f"{given}: {problem}" for given, problem in said.items()))
    found = [Finding(given, 0, problem) for given, problem in said.items()]
    for _, error in wrong:
        found += error.findings if isinstance(error, DataError) else ()
    return DataError(found)


def _read_all(*reading: tuple[str | None, Callable[[str | None], Any]]) -> list[Any]:
    """What is read of several files; of what is wrong with any of them all at once."""
    found, wrong = [], []
    for file, read in reading:
        try:
            found.append(read(file))
        except (DataError, UsageError) as error:
            wrong.append((str(file), error))
    if wrong:
        raise _together(wrong)
    return found


def _opportunities(file: str | None, ledger: Any, as_of: str, unit: str | None) -> Any:
    """The opportunities of a file; None without one, and then nothing of them is loaded."""
    if not file:
        return None
    from nrrsim.accounts.opportunities import read_opportunities

    return read_opportunities(file, ledger, as_of, unit)


def _plan(file: str, ledger: Any) -> Any:
    from nrrsim.scenario.plan import read_plan

    return read_plan(file, ledger.calendar)


def _shares(given: Any) -> dict[str, Any]:
    """How likely stages are: pairs that --stage states, or a run card's mapping."""
    if not isinstance(given, list | tuple):
        return dict(given or {})
    pairs = [str(pair).partition("=") for pair in given]
    if any(not (stage.strip() and share) for stage, _, share in pairs):
        raise UsageError(
            '--stage: write a stage, an equals sign and a probability, such as "Proposal=40%"'
        )
    return {stage.strip(): share.strip() for stage, _, share in pairs}


def _terms(given: list[str] | None) -> dict[str, str]:
    """The mapping that --term states, a pair each time it is given."""
    pairs = [pair.partition("=") for pair in given or []]
    if any(not (ours and theirs) for ours, _, theirs in pairs):
        raise UsageError("--term: write a segment, an equals sign and a term, such as smb=monthly")
    return {ours: theirs for ours, _, theirs in pairs}


def _object(values: dict[str, Any]) -> str:
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    # what is left of control characters stands in strings, and is spelled as JSON spells it
    return visible(text, r"\u{:04x}")


def main(arguments: list[str] | None = None) -> None:
    """The entry point: every error in one voice, and never a traceback.

    Without `arguments` it is the whole process's, which ends with the command.
    """
    if arguments is not None:
        return _run(arguments)
    try:
        _run(sys.argv[1:])
    except SystemExit as ended:
        if isinstance(ended.code, int | None):
            end_at_once(ended.code or 0)
        raise


def _run(words: list[str]) -> None:
    # nearly all that a command makes stays until its end: to look for garbage in it takes long
    gc.set_threshold(OBJECTS)
    # checking models takes nobody else's plugins: to look through all packages for some takes long
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # before the command is read: what a library logs meanwhile is not to be heard either
    quiet = {"-q", "--quiet"} & set(words)
    logging.getLogger().setLevel(logging.ERROR)
    logging.getLogger("nrrsim").setLevel(logging.ERROR if quiet else logging.INFO)
    with kept_visible(), ended_by_signals():
        _answer(words)


def _answer(words: list[str]) -> None:
    try:
        app.of(words)(args=words, prog_name="nrrsim")
    except Ended as ended:
        _leave("interrupted", ended.code)
    except DataError as error:
        # one that a notebook's kernel told has its text alone
        _leave("\n".join(error.first(MOST_FINDINGS)) or str(error), error.exit_code)
    except NrrsimError as error:
        _leave(str(error), error.exit_code)
    except BrokenPipeError:  # who read has enough
        sys.exit(1)
    except OSError as error:
        if os.environ.get("NRRSIM_DEBUG"):
            raise
        from nrrsim.files import refused

        said = refused(error, words="{path}: {why}; {remedy}")
        _leave(str(said), said.exit_code)
    except Exception as error:
        if os.environ.get("NRRSIM_DEBUG"):
            raise
        _leave(
            f"nrrsim met something it does not expect ({type(error).__name__}: {error});"
            " NRRSIM_DEBUG=1 shows where",
            1,
        )


def _leave(message: str, code: Any) -> None:
    with suppress(OSError):  # a terminal that was closed is not there to be told
        typer.echo(message, err=True)
    sys.exit(code)
