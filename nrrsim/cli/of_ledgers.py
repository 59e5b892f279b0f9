"""The commands that say what is in a ledger: words in, calls out; holds no logic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nrrsim.cli.inputs import month_of, note_of_grr, read, read_beside, refuse_no_month, warehouse
from nrrsim.cli.options import (
    AS_IT_IS,
    AsOf,
    Json,
    LedgerForm,
    Quiet,
    ReasonsFile,
    SignalsCardFile,
    SignalsFile,
    Sources,
    definitions_offered,
    reads_a_ledger,
    whole_number,
)
from nrrsim.cli.printed import as_object
from nrrsim.cli.progress import waiting
from nrrsim.errors import DataError, UsageError
from nrrsim.notation import counted

if TYPE_CHECKING:
    from nrrsim.ledger.ledger import Ledger
    from nrrsim.ledger.warehouse import Warehouse


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
        ledger, beside = read_beside(sources, form, signals, signals_card, reasons, quiet)
    except DataError as error:
        findings = list(map(str, error.findings))
        typer.echo(as_object({"findings": findings}) if as_json else str(error))
        if not quiet:
            what = "ledger, with what stands beside it," if signals or reasons else "ledger"
            typer.echo(f"{counted(len(findings), 'finding')}: the {what} is rejected", err=True)
        raise typer.Exit(DataError.exit_code) from None
    notices = list(map(str, [*ledger.notices, *beside.pop("notices", ())]))
    taken = [*ledger.entries.taken, *beside.pop("taken", ())]
    if as_json:
        found = {"read_as": taken, **profile(ledger), **beside}
        typer.echo(as_object({**found, "notices": notices, "findings": []}))
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


def formats(as_json: Json = False) -> None:
    """The exports that are read as they are, and what each assumes."""
    from nrrsim.ledger.exports import formats as known

    if as_json:
        typer.echo(as_object({name: each.model_dump() for name, each in known().items()}))
    else:
        from nrrsim.cli.checked import formats_lines

        typer.echo("\n".join(formats_lines(known())))


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
    refuse_no_month(as_of, form)
    if push_down or print_sql or table is not None:
        ledger = warehouse(sources, table, push_down, by, form, quiet)
        if print_sql:
            if as_of is None:
                raise UsageError("--print-sql: say as of which month, such as --as-of 2026-09")
            typer.echo(";\n\n".join(ledger.statements(as_of, window)) + ";")
            return
    else:
        ledger = read(sources, form, quiet)
    with waiting("computing in the warehouse", quiet or not push_down):
        as_of = month_of(ledger, as_of, quiet)
        told = headline(ledger, as_of, window, definition, by, ex_price)
    if not quiet:
        for notice in ledger.notices:
            typer.echo(f"note: {notice}", err=True)
        note_of_grr(told["grr"])
    if as_json:
        typer.echo(as_object(told | ({"computed_in": "warehouse"} if push_down else {})))
    else:
        from nrrsim.report.wording.labels import headline_lines

        typer.echo("\n".join(headline_lines(told, by)))
