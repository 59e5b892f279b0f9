"""A folder, a ledger and answers in, a workspace written out; never reads one for its numbers.

What a ledger's file cannot say is asked on a terminal, question by question. Where nobody can be
asked the questions are told as `check` tells them, each with the option that answers it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from nrrsim.cli.options import AS_IT_IS, LedgerForm, Quiet, option_name, reads_a_ledger, target_of
from nrrsim.cli.terminal import can_ask
from nrrsim.errors import DataError, Finding, UsageError
from nrrsim.ledger.reading import MEANS, SWITCHES, Reading
from nrrsim.months import month_name
from nrrsim.notation import counted

if TYPE_CHECKING:
    from nrrsim.ledger.ledger import Ledger
    from nrrsim.workspace.new import Workspace

PLANS = ("yaml", "xlsx")
HOW = {each.name: each.metadata for each in fields(Reading)}
# An option in a remedy, with what may follow it: `--unit mrr`, `--column end=...`, `--fill-down`.
VALUE = r"""(?:[\w.-]+=)?"[^"]*"|[^\s;()]*[^\s;(),:]|[.,](?= |;|$)"""
IN_A_REMEDY = re.compile(rf"--([a-z][a-z-]*[a-z])(?: ({VALUE}))?")
OPEN = re.compile(r"\.\.\.|…|<.*>|[A-Z]+|")  # what stands for a value of one's own
# What a pair says: our word or a heading, and what is said of it. Whether a status counts is apart.
PAIRS = {"columns": "{1}: it is our {0}", "where": "{1}: rows with this {0} alone", "count": ""}


@reads_a_ledger
def new(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A folder that is new, or empty.")
    ],
    more: Annotated[list[str] | None, typer.Argument(metavar="LEDGER", hidden=True)] = None,
    ledger: Annotated[
        list[str] | None,
        typer.Option(
            "--ledger",
            metavar="FILE ...",
            help="The ledger's files, a pattern, or env:NAME of a database (default: a workbook"
            " to fill in is written).",
        ),
    ] = None,
    company: Annotated[
        str | None, typer.Option(help="Whose reports these are (default: the folder's name).")
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(parser=target_of, metavar="NRR", help="The NRR aimed for, such as 1.10."),
    ] = None,
    notebooks: Annotated[
        bool,
        typer.Option(
            "--notebooks",
            help="Lay the reports' notebooks into it, to change; without --ledger into a workspace"
            " that is there.",
        ),
    ] = False,
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy the ledger's files into its folder ledger/.")
    ] = False,
    plan: Annotated[
        str | None,
        typer.Option(
            metavar="yaml|xlsx",
            autocompletion=lambda incomplete: [
                each for each in PLANS if each.startswith(incomplete)
            ],
            help="The plan as YAML (default), or as an Excel workbook that computes.",
        ),
    ] = None,
    form: LedgerForm = AS_IT_IS,
    quiet: Quiet = False,
) -> None:
    """A folder for your own reports, made from a ledger: run cards, a plan, a place for reports."""
    from nrrsim.workspace.new import add_notebooks, new_template, new_workspace, refuse_full

    sources = [*(ledger or ()), *(more or ())]
    if not ledger:
        if notebooks and not (more or company or target or copy or form != AS_IT_IS):
            for path, what in add_notebooks(folder).files.items():
                typer.echo(f"{path}  {what}")
            return
        if more or company or target or notebooks or copy or plan or form != AS_IT_IS:
            named = more[0] if more else "FILE"
            raise UsageError(f"--ledger: say which ledger this is for, such as --ledger {named}")
        _tell(new_template(folder), quiet)
        return

    if plan is not None and plan not in PLANS:
        raise UsageError(f"--plan: must be yaml or xlsx, got {plan}")
    refuse_full(folder, [*sources, *([form.rates] if form.rates else [])])
    read, form, asked = _read_asking(sources, form)
    if can_ask():
        read, form = _ask_more(read, sources, form, asked)
    made = new_workspace(
        folder,
        sources,
        read,
        rates=form.rates,
        currency=form.currency,
        asked=asked,
        company=company,
        target=target,
        notebooks=notebooks,
        copy=copy,
        plan_as=plan or PLANS[0],
    )
    if not quiet:
        for notice in read.notices:
            typer.echo(f"note: {notice}", err=True)
    _tell(made, quiet)


def next_(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A workspace, or the card that is to go on.")
    ],
    quiet: Quiet = False,
) -> None:
    """The run card of the next quarter: the last one, with its month moved."""
    from nrrsim.workspace.next import next_card

    made = next_card(folder)
    typer.echo(str(made.path))
    for note in () if quiet else made.notes:
        typer.echo(f"note: {note}", err=True)


def _tell(made: Workspace, quiet: bool) -> None:
    width = max(len(str(path)) for path in made.files)
    for path, what in made.files.items():
        typer.echo(f"{path!s:<{width}}  {what}")
    if quiet:
        return
    for note in made.notes:
        typer.echo(f"note: {note}", err=True)
    then = f"nrrsim report {made.card}"
    if made.card is None:
        workbook = next(iter(made.files))
        then = f"fill it in, then: nrrsim new {made.folder} --ledger {workbook}"
    typer.echo(f"next: {then}", err=True)


# --- questions of how a ledger is read ------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """An option that answers a question, with its value; `typed`: the value is one's own.

    `begins` : what stands before a value that is typed, such as `end=`.
    """

    option: str
    value: str = ""
    typed: bool = False
    begins: str = ""


def _read_asking(sources: list[str], form: LedgerForm) -> tuple[Ledger, LedgerForm, dict[str, str]]:
    """The ledger, how it was read in the end, and the question that each answer is to."""
    asked: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    questions: list[Finding] = []
    before = form
    while True:
        try:
            return form.read(sources), form, asked
        except UsageError as error:
            # an answer that does not fit, such as a heading that is not there
            if not questions:
                raise
            typer.echo(f"\n{error}")
        except DataError as error:
            questions = [each for each in error.findings if each.option]
            again = any((each.option, each.problem) in seen for each in questions)
            # what has to be mended in the file is not asked away, nor what was answered already
            if not can_ask() or again or len(questions) < len(error.findings):
                _reject(error)
            seen |= {(each.option, each.problem) for each in questions}
            before = form
        form = _answered(questions, before, asked)


def _ask_more(
    ledger: Ledger, sources: list[str], form: LedgerForm, asked: dict[str, str]
) -> tuple[Ledger, LedgerForm]:
    """The ledger and its form, after what no file need say and only its owner knows."""
    while not ledger.currency:
        typer.echo("The ledger does not say its currency: which is it, such as EUR?")
        word = _prompt("Currency (Enter: amounts are printed without a sign)", default="")
        if not word:
            break
        try:
            in_it = replace(form, currency=word)
            ledger, form = in_it.read(sources), in_it
        except UsageError as error:
            typer.echo(str(error))

    known = ledger.entries.known
    while known is not None and form.reading.until is None:
        typer.echo(
            f"The ledger ends with {month_name(known.last)}, {known.why}. Months after it are known"
            " if the export was made later: when was it made, such as 2026-10-05?"
        )
        word = _prompt("Made on (Enter: leave it so)", default="")
        if not word:
            break
        until = replace(form, reading=Reading.of({**form.reading.said, "until": word}))
        try:
            ledger, form = until.read(sources), until
        except UsageError as error:
            typer.echo(str(error))
            continue
        asked["until"] = "when was the export made?"
    return ledger, form


def _reject(error: DataError) -> NoReturn:
    typer.echo(str(error))
    number = counted(len(error.findings), "finding")
    typer.echo(f"{number}: the ledger is rejected, and nothing is written", err=True)
    raise typer.Exit(DataError.exit_code) from None


def _answered(questions: Sequence[Finding], form: LedgerForm, asked: dict[str, str]) -> LedgerForm:
    """The form with an answer to each question; of several that one option answers, the first."""
    said = form.reading.said
    number = counted(len(questions), "question")
    typer.echo(f"{number} of how the ledger is read. Ctrl-C leaves, and writes nothing.")
    settled: set[str] = set()
    for question in questions:
        name = _field(question.option)
        # pairs, such as what two statuses count for, are answered one by one
        if name in settled and HOW[name]["kind"] != "pairs":
            continue
        typer.echo(f"\n{replace(question, remedy='')}")
        option, value = _answer(question)
        said = _with(said, option, value)
        asked[option] = question.problem
        settled |= {name, option}
    return replace(form, reading=Reading.of(said))


def _answer(question: Finding) -> tuple[str, str]:
    """What somebody answers: an option and its value, which that option takes."""
    offered = list(dict.fromkeys(_answers(question)))
    is_one = len(offered) == 1 and offered[0].typed
    for number, each in () if is_one else enumerate(offered, 1):
        typer.echo(f"  {number}  {_in_words(each)}")
    while True:
        word = "1" if is_one else _prompt("Which")
        chosen = [
            each
            for number, each in enumerate(offered, 1)
            if word == str(number) or (word in _words(each) and not each.typed)
        ]
        if not chosen:
            typer.echo(f"Type a number from 1 to {len(offered)}.")
            continue
        (each, *_) = chosen
        value = each.begins + _prompt(_wanted(each)) if each.typed else each.value
        try:
            Reading.of({each.option: _given(each.option, value)})
        except UsageError as error:
            typer.echo(str(error))
            continue
        return each.option, value


def _answers(question: Finding) -> Iterator[Answer]:
    """The answers that a question offers: its choices, and what else its remedy names."""
    name = _field(question.option)
    named = [(_field(option), value) for option, value in IN_A_REMEDY.findall(question.remedy)]
    named = [(option, value) for option, value in named if option in HOW]
    begins = next(
        (
            value.partition("=")[0] + "="
            for option, value in named
            if option == name and "=" in value
        ),
        f"{question.field}=",
    )
    is_pair = HOW[name]["kind"] == "pairs"
    for choice in question.choices:
        yield Answer(name, choice if "=" in choice or not is_pair else begins + choice)
    for option, value in named:
        if option != name or not question.choices:
            yield from _from_remedy(option, value)
    if not question.choices and name not in [option for option, _ in named]:
        yield from _from_remedy(name, "")


def _from_remedy(option: str, value: str) -> Iterator[Answer]:
    """The answers that `--option value` in a remedy stands for."""
    how = HOW[option]
    if option in SWITCHES:
        yield Answer(option, "yes")
    elif how["kind"] == "pairs":
        ours, _, theirs = value.strip('"').partition("=")
        if OPEN.fullmatch(theirs := theirs.strip('"')):
            yield Answer(option, typed=True, begins=f"{ours}=" if ours else "")
        else:
            yield from (Answer(option, f"{ours}={word}") for word in theirs.split("|"))
    elif how["choices"]:
        words = [word for word in value.split("|") if word in how["choices"]]
        yield from (Answer(option, word) for word in words or how["choices"])
    else:
        yield Answer(option, typed=True)  # what a remedy names is an example


def _in_words(answer: Answer) -> str:
    help = HOW[answer.option]["help"]
    if answer.typed:
        return f"{_wanted(answer)} ({option_name(answer.option)})"
    if answer.option in SWITCHES:
        return f"yes: {help[:1].lower()}{help[1:]}"
    if answer.option in PAIRS:
        ours, _, theirs = answer.value.partition("=")
        counts = f"{theirs}: {ours} {'counts' if theirs == 'yes' else 'does not count'}"
        return PAIRS[answer.option].format(ours, theirs) or counts
    meaning = MEANS.get(answer.option, {}).get(answer.value, "")
    return f"{answer.value}: {meaning}" if meaning else answer.value


def _words(answer: Answer) -> tuple[str, ...]:
    """What may be typed for an answer beside its number: its value, or of a pair the second."""
    is_pair = answer.option in PAIRS
    return (answer.value, *([answer.value.partition("=")[2]] if is_pair else []))


def _wanted(answer: Answer) -> str:
    """What is to be typed."""
    help: str = HOW[answer.option]["help"]
    return f"Your heading for {answer.begins[:-1]}" if answer.begins else help


def _prompt(text: str, default: str | None = None) -> str:
    try:
        return str(typer.prompt(text, default, show_default=bool(default))).strip()
    except typer.Abort:  # the input has ended: nobody answers
        raise UsageError("no answer was given, and nothing is written") from None


def _field(option: str) -> str:
    """The field of Reading that an option is, however a finding writes it."""
    name = option.lstrip("-").replace("-", "_")
    return {"column": "columns"}.get(name, name)


def _given(option: str, value: str) -> Any:
    return True if option in SWITCHES else value


def _with(said: dict[str, Any], option: str, value: str) -> dict[str, Any]:
    """What is said with one answer more; of a mapping, one pair more."""
    given = _given(option, value)
    added = getattr(Reading.of({option: given}), option)
    before = said.get(option)
    return {**said, option: {**before, **added} if isinstance(before, dict) else added}
