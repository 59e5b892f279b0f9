"""What a command is told to read in, ledgers and scenarios out; never prints an answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nrrsim.cli.options import LedgerForm
from nrrsim.cli.printed import notes
from nrrsim.cli.progress import waiting
from nrrsim.errors import DataError, Finding, UsageError
from nrrsim.ledger.reading import as_keys
from nrrsim.notation import month_name as in_words

if TYPE_CHECKING:
    from nrrsim.calibration.priors import Prior
    from nrrsim.ledger.ledger import Ledger
    from nrrsim.ledger.warehouse import Warehouse
    from nrrsim.scenario.scenario import Scenario

AN_EXAMPLE = "{}: the example that comes with nrrsim"


def read_believed(path: str, quiet: bool) -> Scenario:
    """The scenario of a file or an example's name; what is to be known of it is said."""
    from nrrsim.scenario.scenario import find_scenario, read_scenario

    file = find_scenario(path)
    believed = read_scenario(file)
    notices = believed.notices
    if file != Path(path):
        notices = (AN_EXAMPLE.format(path), *notices)
    notes(notices, quiet)
    return believed


def read(sources: list[str], form: LedgerForm, quiet: bool) -> Ledger:
    """The ledger of files, or of a database."""
    more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    with as_keys(form.is_card), waiting(f"reading {sources[0]}{more}", quiet):
        return form.read(sources)


def read_as_of(
    sources: list[str], form: LedgerForm, as_of: str | None, quiet: bool
) -> tuple[Ledger, str]:
    """The ledger, and the month that is asked about: its last where none is said, which is told."""
    refuse_no_month(as_of, form)
    ledger = read(sources, form, quiet)
    return ledger, month_of(ledger, as_of, quiet)


def refuse_no_month(as_of: str | None, form: LedgerForm) -> None:
    """Raise UsageError for an `as_of` that is no month, before a ledger is read for it."""
    from nrrsim.months import parse_month

    if as_of is not None:
        parse_month(as_of, "as_of" if form.is_card else "--as-of")


def month_of(ledger: Ledger | Warehouse, as_of: str | None, quiet: bool) -> str:
    """The month that is asked about: the ledger's last where none is said, which is told."""
    from nrrsim.months import month_name

    if as_of is None:
        as_of = ledger.months[-1]
        if not quiet:
            typer.echo(f"note: as of {as_of}, the ledger's last month", err=True)
    return month_name(ledger.inside(as_of, "as_of"))


def warehouse(
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
    with as_keys(form.is_card), waiting(f"reading the headings of {table}", quiet):
        return Warehouse.of(sources[0], table, by, **how)


def read_beside(
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
        return read(sources, form, quiet), {}
    from nrrsim.accounts.reasons import read_reasons
    from nrrsim.accounts.signals import findings_of, profile, read_signals
    from nrrsim.accounts.watch import read_signals_card

    card = read_signals_card(signals_card)
    try:
        ledger = read(sources, form, quiet)
    except DataError as error:
        others = findings_of(signals, card, form.reading) if signals else ()
        raise DataError([*error.findings, *others]) from None
    seen, why = read_all(
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


def together(wrong: list[tuple[str, DataError | UsageError]]) -> DataError | UsageError:
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


def read_all(*reading: tuple[str | None, Callable[[str | None], Any]]) -> list[Any]:
    """What is read of several files; of what is wrong with any of them all at once."""
    found, wrong = [], []
    for file, read in reading:
        try:
            found.append(read(file))
        except (DataError, UsageError) as error:
            wrong.append((str(file), error))
    if wrong:
        raise together(wrong)
    return found


def opportunities_of(file: str | None, ledger: Any, as_of: str, unit: str | None) -> Any:
    """The opportunities of a file; None without one, and then nothing of them is loaded."""
    if not file:
        return None
    from nrrsim.accounts.opportunities import read_opportunities

    return read_opportunities(file, ledger, as_of, unit)


def plan_of(file: str, ledger: Any) -> Any:
    """The plan of a file, a table of ARR or NRR by month."""
    from nrrsim.scenario.plan import read_plan

    return read_plan(file, ledger.calendar)


def shares_of(given: Any) -> dict[str, Any]:
    """How likely stages are: pairs that --stage states, or a run card's mapping."""
    if not isinstance(given, list | tuple):
        return dict(given or {})
    pairs = [str(pair).partition("=") for pair in given]
    if any(not (stage.strip() and share) for stage, _, share in pairs):
        raise UsageError(
            '--stage: write a stage, an equals sign and a probability, such as "Proposal=40%"'
        )
    return {stage.strip(): share.strip() for stage, _, share in pairs}


def terms_of(given: list[str] | None) -> dict[str, str]:
    """The mapping that --term states, a pair each time it is given."""
    pairs = [pair.partition("=") for pair in given or []]
    if any(not (ours and theirs) for ours, _, theirs in pairs):
        raise UsageError("--term: write a segment, an equals sign and a term, such as smb=monthly")
    return {ours: theirs for ours, _, theirs in pairs}


def keep(file: Path, read: list[str]) -> None:
    """Raise UsageError where a file that is to be written is one of those in use."""
    from nrrsim.ledger.sources import matching

    in_use = {os.path.realpath(path) for each in read for path in matching(each)}
    if os.path.realpath(file) in in_use:
        raise UsageError(f"{file}: is read, or written, by the same command; choose another name")


def seen_from(scenario: str, file: str) -> str:
    """A file's path as a scenario is to name it."""
    return Path(os.path.relpath(file, Path(scenario).parent)).as_posix()


def note_of_grr(grr: float | None) -> None:
    """Say why a GRR may be negative, where one is."""
    if grr is not None and grr < 0:
        typer.echo(
            "note: this GRR counts every loss, also after a return, so it can be negative", err=True
        )


def known_examples() -> dict[str, Path]:
    """The scenarios that come with nrrsim, by name."""
    from nrrsim.scenario.scenario import examples

    return examples()


def say_what_was_not_known(prior: Prior, as_of: str, quiet: bool) -> None:
    """That a prior was learnt from months after `as_of`, if it was."""
    if prior.until > as_of and not quiet:
        typer.echo(
            f"note: the prior is learnt up to {in_words(prior.until)}; in {in_words(as_of)} that"
            " was not known yet, and a back-test does not use it",
            err=True,
        )
