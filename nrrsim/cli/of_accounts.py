"""The commands that look at single accounts: words in, calls out; holds no logic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nrrsim.cli.inputs import (
    keep,
    opportunities_of,
    plan_of,
    read_all,
    read_as_of,
    read_believed,
    say_what_was_not_known,
    seen_from,
    shares_of,
)
from nrrsim.cli.options import (
    AS_IT_IS,
    ActionsFile,
    AsOf,
    HalfLife,
    Json,
    LedgerForm,
    NoCache,
    PipelineFile,
    PipelineUnit,
    PlanFile,
    PriceMonths,
    PriorFile,
    Quiet,
    ReasonsFile,
    SignalsCardFile,
    SignalsFile,
    Sources,
    Stages,
    Target,
    effect_of,
    horizon_of,
    power_of,
    reads_a_ledger,
    whole_number,
)
from nrrsim.cli.printed import notes, tell
from nrrsim.cli.progress import waiting
from nrrsim.errors import UsageError


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
        keep(file, read)
        read.append(str(file))
    card, known = read_signals_card(signals_card), as_prior(prior)
    plans = [read_believed(each, quiet) for each in scenarios or ()]
    ledger, as_of = read_as_of(sources, form, as_of, quiet)
    say_what_was_not_known(known, as_of, quiet)
    rates = shares_of(stages)
    seen, why, listing, aims = read_all(
        (signals, lambda file: read_signals(file, ledger, card) if file else None),
        (reasons, lambda file: reasons_of(ledger, file, card)),
        (pipeline, lambda file: opportunities_of(file, ledger, as_of, pipeline_unit)),
        (plan, lambda file: plan_of(file, ledger) if file and pipeline else None),
    )
    notices = [*getattr(seen, "notices", ()), *getattr(why, "notices", ())]
    if signals_card:  # one's own: that of nrrsim has rules for what few have
        silent = card.silent(getattr(seen, "names", ()))
        notices += [f"{signals_card}: no signal for the rule: {rule.words}" for rule in silent]
    notes(notices, quiet)
    with waiting("scoring accounts", quiet):
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
    tell(answer, as_json, lambda text: text.accounts_lines(answer, top))


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

        ledger, as_of = read_as_of(sources, form, as_of, quiet)
        told = holdout(
            ledger, as_of, effect, segment=segment, horizon=horizon, power=power or POWER
        ).told()
        tell(told, as_json, lambda text: text.holdout_lines(told))
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
        keep(out, [*sources, actions, *filter(None, (signals, signals_card, scenario))])
    card = read_signals_card(signals_card)
    ledger, as_of = read_as_of(sources, form, as_of, quiet)
    table, seen = read_all(
        (actions, lambda file: read_actions(file, ledger)),
        (signals, lambda file: read_signals(file, ledger, card) if file else None),
    )
    with waiting("comparing accounts", quiet):
        asked: dict[str, Any] = {"horizon": horizon, "signals": seen, "card": card}
        found = measured(ledger, table, as_of, **asked)
    notes((*map(str, getattr(seen, "notices", ())), *found.notices), quiet)
    if out is not None:
        found.write(str(out), seen_from(str(out), scenario) if scenario else "")
    tell(found.told(), as_json, lambda text: text.actions_lines(found.told()))
