"""The commands that learn from a ledger's past: words in, calls out; holds no logic."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nrrsim.cli.assumptions import write_learnt
from nrrsim.cli.inputs import (
    read,
    read_as_of,
    say_what_was_not_known,
    seen_from,
    terms_of,
    together,
)
from nrrsim.cli.options import (
    AS_IT_IS,
    AsOf,
    HalfLife,
    Json,
    LedgerForm,
    NoCache,
    PriceMonths,
    PriorFile,
    Quiet,
    Seed,
    SignalsCardFile,
    SignalsFile,
    Sources,
    companies_of,
    first_of,
    form_of,
    reads_a_ledger,
    whole_number,
)
from nrrsim.cli.printed import notes, tell
from nrrsim.cli.progress import progress, waiting
from nrrsim.errors import DataError, UsageError
from nrrsim.ledger.reading import as_keys
from nrrsim.notation import month_name as in_words

if TYPE_CHECKING:
    from nrrsim.calibration.calibrate import Calibration
    from nrrsim.ledger.ledger import Ledger
    from nrrsim.report.card import Card


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

    ledger, as_of = read_as_of(sources, form, as_of, quiet)
    say_what_was_not_known(known, as_of, quiet)
    # what is only printed may have come from a database, which no book can name
    with waiting("learning from the ledger", quiet):
        learning: dict[str, Any] = {"half_life": half_life, "price_months": price_months or ()}
        learning |= {"term": terms_of(term), "prior": known}
        file = seen_from(out, sources[0]) if out else "ledger.csv"
        plain = learnt = calibrate(ledger, as_of, file=file, **learning)
        if accounts:
            named = seen_from(out, accounts) if out else None
            learning_too: dict[str, Any] = {**learning, "accounts": accounts}
            learnt = calibrate(ledger, as_of, file=file, accounts_file=named, **learning_too)

    if out:
        # the forecast is of the segments; accounts move it as far as they move what drivers say
        stated = _with_outlook(plain, ledger, as_of, quiet, **learning)
        write_learnt(learnt.with_outlook_of(stated), out)
    tell(learnt.told(), as_json, lambda text: text.calibrated_lines(learnt.told()))
    if learnt.findings and not (as_json or quiet):
        typer.echo("\n".join(learnt.findings), err=True)


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
    ledger, as_of = read_as_of(sources, form, as_of, quiet)
    if reason := too_short(ledger, as_of):
        raise UsageError(f"no forecast: {reason}")
    say_what_was_not_known(known, as_of, quiet)
    with waiting("forecasting", quiet):
        ahead = forecast(Actuals(ledger, as_of), trials, seed, half_life, price_months, known)
    if not ahead:
        raise UsageError(f"no forecast: {getattr(ahead, 'reason', '') or 'no trials asked for'}")
    tell(ahead.told(), as_json, lambda text: text.forecast_lines(ahead.told()))


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
    with progress(len(ledgers), "ledgers", quiet) as advance:
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
        raise together(wrong)

    learnt = learn_prior(shown)
    if out:
        learnt.write(out)
    tell(learnt.told(), as_json, lambda text: text.prior_lines(learnt.told()))


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
    ledger = read(sources, form, quiet)
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
        with progress(number, "forecasts", quiet) as advance:
            answer = backtest(ledger, **how, progress=advance).told()
    tell(answer, as_json, lambda text: text.backtest_lines(answer))


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
    notes(getattr(seen, "notices", ()), quiet)
    with progress(3 * number, "forecasts", quiet) as advance:
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


def start_of(given: str | None) -> str | None:
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
    ledger, as_of = read_as_of(sources, form, card.parameters.get("as_of"), quiet=False)
    scenario = card.path.parent / "scenarios" / f"learnt-{card.name}.yaml"
    with waiting("learning from the ledger", quiet=False):
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


def _with_outlook(
    learnt: Calibration, ledger: Ledger, as_of: str, quiet: bool, **learning: Any
) -> Calibration:
    """What was learnt, with the forecast beside it; as it is where the ledger is too short."""
    from dataclasses import replace

    from nrrsim.analysis.actuals import Actuals
    from nrrsim.analysis.forecast import forecast_of, too_short

    # its past year is not asked for where there is none
    if not (reason := too_short(ledger, as_of)):
        with waiting("forecasting", quiet):
            ahead = forecast_of(Actuals(ledger, as_of), learnt, **learning)
        if ahead:
            return replace(learnt, scenario=ahead.scenario)
        reason = getattr(ahead, "reason", "").removeprefix("as_of: ")
    if not quiet:
        said = "the scenario states no forecast, so its ranges are by the drivers alone"
        typer.echo(f"note: {said}: {reason}", err=True)
    return learnt
