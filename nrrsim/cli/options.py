"""What people type after a command in, checked options out; never runs a command."""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from nrrsim.errors import UsageError
from nrrsim.ledger.reading import AS_IT_IS as READ_AS_IT_IS
from nrrsim.ledger.reading import Reading, as_keys
from nrrsim.months import NEXT_RENEWAL

if TYPE_CHECKING:
    from nrrsim.ledger.ledger import Ledger
    from nrrsim.report.card import Card
    from nrrsim.scenario.numbers import Range


class Engine(StrEnum):
    """What renders the PDF."""

    auto = "auto"
    quarto = "quarto"
    embedded = "embedded"


def whole_number(option: str, help: str) -> Any:
    """An option that takes a whole number, and says so in our words where it gets none."""

    def parse(text: str) -> int:
        from nrrsim.messages import not_a_number, number_in

        with suppress(ValueError):
            # a default comes by as the number that it is
            if not str(text).endswith("%") and isinstance(number := number_in(text), int):
                return number
        raise UsageError(f"{option}: {not_a_number(text, whole=True)}")

    return typer.Option(option, parser=parse, metavar="NUMBER", help=help)


def decimal(option: str, text: str) -> float:
    """The number that an option states; raises UsageError in our words where it is none."""
    from nrrsim.messages import not_a_number, number_in

    try:
        return float(number_in(text))
    except (ValueError, OverflowError):
        raise UsageError(f"{option}: {not_a_number(text)}") from None


def _ratio(option: str, text: str, range_: Range) -> float:
    try:
        return float(range_.check(decimal(option, text)))
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def target_of(text: str) -> float:
    """An NRR to reach, such as 1.10 or 110%; raises UsageError for what cannot be one."""
    from nrrsim.scenario.numbers import TARGET

    return _ratio("--target", text, TARGET)


def half_life_of(text: str) -> float:
    """The months after which what was seen counts half; `calibrate` says how few they may be."""
    if str(text).endswith("%"):
        raise UsageError(f"--half-life: is a number of months, got {text}")
    return decimal("--half-life", text)


def effect_of(text: str) -> float:
    """A programme's effect, such as -0.2 or -20%; raises UsageError for what cannot be one."""
    from nrrsim.scenario.programmes import EFFECT

    return _ratio("--effect", text, EFFECT)


def power_of(text: str) -> float:
    """How often an effect is to be found, strictly between 0 and 1; as `probability_of`."""
    from nrrsim.scenario.numbers import ODDS

    return _ratio("--power", text, ODDS)


def first_of(text: str) -> int | str:
    """The months before the first forecast, or the month that it is made in."""
    text = str(text).strip()
    # four digits are no number of months, but half of a month's name
    return int(text) if text.isdecimal() and len(text) < 4 else text


def horizon_of(text: str) -> int | str:
    """The months that a score looks ahead, or `next renewal`; raises UsageError for another."""
    words = " ".join(str(text).lower().split())
    if words.replace("-", " ") == NEXT_RENEWAL:
        return NEXT_RENEWAL
    if months := re.fullmatch("([0-9]{1,9})( months?)?", words):
        return int(months[1])
    raise UsageError(f'--horizon: {text!r} is no number of months; write 12, or "{NEXT_RENEWAL}"')


def probability_of(text: str) -> float:
    """A probability strictly between 0 and 1; raises UsageError for another number."""
    from nrrsim.scenario.numbers import ODDS

    return _ratio("--probability", text, ODDS)


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="LEDGER...",
        help="CSV, Parquet or Excel files, env:NAME of a database, or a run card that names them.",
    ),
]
ScenarioFile = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO", help="A file, or an example that comes with nrrsim, such as nrr-105."
    ),
]
Rates = Annotated[
    str | None, typer.Option(help="A file month,currency,rate for a ledger in several currencies.")
]
Currency = Annotated[str | None, typer.Option(help="The currency to report in, such as USD.")]
Reported = Annotated[
    bool,
    typer.Option(
        "--reported/--no-reported", help="Each month at its own rate, not at the window's start."
    ),
]
Grace = Annotated[
    int, whole_number("--grace-months", help="Months a renewal may be late without being churn.")
]
AsOf = Annotated[
    str | None,
    typer.Option(metavar="YYYY-MM", help="The last month (default: the ledger's last)."),
]
PriceMonths = Annotated[
    list[str] | None,
    typer.Option("--price-month", metavar="YYYY-MM", help="Shared rises in it are price; repeat."),
]
Seed = Annotated[int, whole_number("--seed", help="The same seed gives the same bits.")]
Target = Annotated[
    float | None,
    typer.Option(
        parser=target_of, metavar="NRR", help="Such as 1.10 or 110% (default: the scenario's)."
    ),
]
HalfLife = Annotated[
    float | None,
    typer.Option(
        parser=half_life_of,
        metavar="MONTHS",
        help="The age in months at which evidence counts half.",
    ),
]
PriorFile = Annotated[
    str | None,
    typer.Option(
        "--prior",
        metavar="FILE",
        help="What is usual where the ledger shows little, as nrrsim prior wrote it.",
    ),
]
SignalsFile = Annotated[
    str | None,
    typer.Option(
        "--signals", metavar="FILE", help="What accounts do: a table customer,date and signals."
    ),
]
SignalsCardFile = Annotated[
    str | None,
    typer.Option(
        "--signals-card", metavar="FILE", help="What the signals are, and what to watch for."
    ),
]
ReasonsFile = Annotated[
    str | None,
    typer.Option(
        "--reasons", metavar="FILE", help="Why accounts left: a table customer,month,reason."
    ),
]
ActionsFile = Annotated[
    str | None,
    typer.Option(
        "--actions",
        metavar="FILE",
        help="What was done for accounts: a table customer,date,action and arm (treated, holdout).",
    ),
]
PipelineFile = Annotated[
    str | None,
    typer.Option(
        "--pipeline",
        metavar="FILE",
        help="A CRM's opportunities: a table customer,opportunity,amount,close,stage.",
    ),
]
PipelineUnit = Annotated[
    str | None,
    typer.Option(
        "--pipeline-unit", metavar="arr|mrr", help="What its amounts are, where no heading says it."
    ),
]
Stages = Annotated[
    list[str] | None,
    typer.Option(
        "--stage",
        metavar="STAGE=40%",
        help="How likely a stage is whose past is not known; repeat.",
    ),
]
PlanFile = Annotated[
    str | None,
    typer.Option(
        "--plan", metavar="FILE", help="A table month,segment,nrr or a scenario, to be covered."
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON object, the same bytes for the same inputs.")
]


def _keep_nothing(asked: bool) -> bool:
    """Let the command and all that it starts make every answer anew."""
    if asked:
        from nrrsim.cache import keep_nothing

        keep_nothing()
    return asked


NoCache = Annotated[
    bool,
    typer.Option(
        "--no-cache",
        callback=_keep_nothing,
        help="Compute past forecasts anew, and keep none (NRRSIM_CACHE=off: always).",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on stderr but errors.")]
ScenarioOrNone = Annotated[
    str | None,
    typer.Argument(
        metavar="[SCENARIO]", help="Where the sliders start (default: your plan, or nrr-105)."
    ),
]
Port = Annotated[
    int | None,
    whole_number("--port", help="The port on 127.0.0.1 (default: the first free from 8888)."),
]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in the browser.")]


# --- the options of every command that reads a ledger ---------------------------------------------

HOW_READ = "How the file is read, where it does not say"


@dataclass(frozen=True)
class LedgerForm:
    """How a ledger is to be read, as `read_ledger` takes it; of `reading`, an option a field.

    is_card : it was said in a run card, whose words its errors speak.
    """

    rates: Rates = None
    currency: Currency = None
    reported: Reported = False
    grace_months: Grace = 0
    reading: Reading = READ_AS_IT_IS
    is_card: bool = False

    def read(self, sources: Sequence[str]) -> Ledger:
        """The ledger, read so; raises as `read_ledger`."""
        from nrrsim.ledger.ledger import read_ledger

        how = dict(vars(self))
        reading, _ = how.pop("reading"), how.pop("is_card")
        ledger = read_ledger(*sources, **how, **reading.said)
        return ledger.masked(_masked_at[0] or ledger.months[-1]) if _masked_at else ledger


_masked_at: list[str | None] = []  # the month by whose ARR customers are numbered, if they are


@contextmanager
def names_masked(as_of: str | None) -> Iterator[None]:
    """Within it commands see `Customer 17` for each name in a ledger that they read, by ARR at
    `as_of` (None: its last month).
    """
    _masked_at.append(as_of)
    try:
        yield
    finally:
        _masked_at.pop()


AS_IT_IS = LedgerForm()
OWN = {name: each for name, each in vars(AS_IT_IS).items() if name not in ("reading", "is_card")}
ONE_OF_MANY = {"columns": "column"}  # a mapping is said pair by pair
CARDS = (".yaml", ".yml")
# What a card says beyond its ledger, and some commands ask for.
ALSO_SAID: tuple[str, ...] = ("as_of", "window", "definition", "by", "ex_price", "half_life")
ALSO_SAID += ("price_months", "target", "every", "first", "trials", "seed", "horizon")
ALSO_SAID += ("pipeline_unit", "stages")
OF_FILES = (
    "prior",
    "signals",
    "signals_card",
    "reasons",
    "scenarios",
    "actions",
    "pipeline",
    "plan",
)  # from the card's folder
ALSO_SAID += OF_FILES


def reads_a_ledger(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of LedgerForm in the place of its parameter `form`.

    Typer reads a command's signature, and makes an option of each parameter: so the command that it
    sees has them all, and hands them on as one. A run card may stand in the place of a ledger: then
    it says all that was not typed.
    """
    options = _of_a_ledger()
    parameters = [_parameter("context", inspect.Parameter.empty, typer.Context)]
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        as_keyword = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        parameters += options if parameter.name == "form" else [as_keyword]

    @functools.wraps(command)
    def widened(context: typer.Context, **given: Any) -> None:
        reading = {each.name: given.pop(each.name) for each in fields(Reading)}
        try:
            said = Reading.of(reading)
        except UsageError as error:
            name, _, problem = str(error).partition(": ")
            raise UsageError(f"{option_name(name)}: {problem}") from None

        form = LedgerForm(**{name: given.pop(name) for name in OWN}, reading=said)
        card = card_among(given.get("sources") or ())
        if card is not None:
            typed = [each for each in context.params if _is_typed(context, each)]
            form = _with_typed(form_of(card), form, typed)
            given |= {"sources": card.sources, **_also_said(card, given.keys() - typed)}
        with as_keys(form.is_card):
            command(**given, form=form)

    widened.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return widened


@functools.cache
def _of_a_ledger() -> list[inspect.Parameter]:
    """How a ledger is to be read, an option each."""
    kinds = get_type_hints(LedgerForm, include_extras=True)
    own = [_parameter(name, default, kinds[name]) for name, default in OWN.items()]
    return own + [_option_of(each) for each in fields(Reading)]


def card_among(sources: Sequence[str]) -> Card | None:
    """The run card that stands in the place of a ledger; raises UsageError where files do, too."""
    cards = [each for each in sources if each.lower().endswith(CARDS)]
    if not cards:
        return None
    if len(sources) > 1:
        raise UsageError(
            f"{cards[0]}: is a run card, which names its ledger itself; give the card alone, or"
            " files alone"
        )
    from nrrsim.report.card import read_card

    return read_card(cards[0], of_ledger=True)


@dataclass(frozen=True)
class CompanyLedger:
    """One of several companies' ledgers: what the company is called, its files, how to read them.

    given : what was typed, or found in a folder that was. as_of, price_months : as its card says.
    """

    given: str
    company: str
    sources: list[str]
    form: LedgerForm
    as_of: str | None = None
    price_months: Sequence[str] = ()


def companies_of(given: Sequence[str], form: LedgerForm) -> list[CompanyLedger]:
    """A ledger a company: of a folder each file that can be one, of a run card the one it names.

    What was typed of `form` goes before what a card says. Raises UsageError for a card that is
    none, and where a ledger is named twice.
    """
    from nrrsim.ledger.sources import matching
    from nrrsim.scenario.book import is_address

    typed = [*form.reading.said, *(name for name in OWN if getattr(form, name) != OWN[name])]
    found = []
    for each in given:
        if card := card_among([each]):
            own = _with_typed(form_of(card), form, typed)
            says = card.parameters
            company, months = says.get("company") or card.name, says.get("price_months") or ()
            about = (str(company), card.sources, own, says.get("as_of"), months)
            found.append(CompanyLedger(each, *about))
            continue
        # a pattern is the files of one company
        for path in map(str, matching(each)) if Path(each).is_dir() else [each]:
            company = path if is_address(path) else Path(path).stem
            found.append(CompanyLedger(path, company, [path], form))

    seen: dict[tuple[str, ...], str] = {}
    for one in found:
        files = tuple(each if is_address(each) else os.path.realpath(each) for each in one.sources)
        if files in seen:
            raise UsageError(
                f"{one.given}: is the ledger of {seen[files]}, too; a company counts once"
            )
        seen[files] = one.given
    return found


def form_of(card: Card) -> LedgerForm:
    """How a card says that its ledger is read; UsageError where that is a part of it alone."""
    from nrrsim.report.card import PART

    if part := card.parameters.get(PART):
        column = next(iter(part))
        raise UsageError(
            f"{card.path}: {PART}: is of reports alone, and a command reads the whole ledger; take"
            f" a card without it, and --by {column} where the command has that"
        )
    said = card.form
    reading = {each.name: said.pop(each.name) for each in fields(Reading) if each.name in said}
    return LedgerForm(**said, reading=Reading.of(reading), is_card=True)


def _with_typed(card: LedgerForm, command: LedgerForm, typed: Collection[str]) -> LedgerForm:
    """The card's form, but for what was typed; of pairs, such as columns, for those typed."""
    reading = card.reading.said
    for each in fields(Reading):
        if each.name in typed:
            said = getattr(command.reading, each.name)
            repeats = each.metadata["kind"] == "pairs"
            reading[each.name] = {**reading.get(each.name, {}), **said} if repeats else said
    form = {name: value for name, value in vars(command).items() if name in typed}
    return replace(card, **form, reading=Reading.of(reading))


def _also_said(card: Card, names: Collection[str]) -> dict[str, Any]:
    """What else a card says of a command's parameters; no trials are a report's alone."""
    said = {name: card.parameters.get(name) for name in names if name in ALSO_SAID}
    said |= {name: _from_here(card, said[name]) for name in OF_FILES if name in said}
    if said.get("trials") == 0:
        del said["trials"]
    stated = card.parameters
    is_of_a_year = stated.get("window") in (None, 12) and not stated.get("ex_price")
    if "window" not in names and not is_of_a_year:
        said.pop("target", None)  # of another NRR than that of the year to come
    return {name: value for name, value in said.items() if value is not None}


def _from_here(card: Card, file: Any) -> Any:
    """A file that a card names, or several, as paths from here; an empty name is none."""
    if isinstance(file, list):
        return [card.from_here(str(each)) for each in file]
    name = str(file or "").strip()
    return card.from_here(name) if name else None


def _is_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _parameter(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def option_name(field: str) -> str:
    """What a field of Reading is called on the command line."""
    return "--" + ONE_OF_MANY.get(field, field).replace("_", "-")


def _option_of(field: Any) -> inspect.Parameter:
    """The option that a field of Reading is: Reading checks what it is given."""
    told = field.metadata
    named = option_name(field.name)
    words: dict[str, Any] = {"help": f"{told['help']}.", "rich_help_panel": HOW_READ}
    if told["kind"] == "switch":
        either = f"{named}/--no-{named[2:]}"
        return _parameter(field.name, False, Annotated[bool, typer.Option(either, **words)])
    if offered := _offered(field):
        words["autocompletion"] = offered
    words["metavar"] = told["metavar"] or "|".join(told["choices"]) or "TEXT"
    if told["kind"] == "pairs":
        words["help"] = f"{told['help']}; repeat."
        return _parameter(
            field.name, None, Annotated[list[str] | None, typer.Option(named, **words)]
        )
    return _parameter(field.name, None, Annotated[str | None, typer.Option(named, **words)])


# --- what a shell completes -----------------------------------------------------------------------


def _offered(field: Any) -> Callable[[str], list[str]] | None:
    """What to offer for an option of reading: its words, or the exports that are known."""
    words = field.metadata["choices"]
    if field.name == "format":
        return formats_offered
    return (lambda incomplete: _beginning(words, incomplete)) if words else None


def formats_offered(incomplete: str) -> list[str]:
    """The exports whose names begin so."""
    folder = files("nrrsim.ledger") / "formats"
    names = (
        [each.name.removesuffix(".yaml") for each in folder.iterdir()] if folder.is_dir() else []
    )
    return _beginning(names, incomplete)


def definitions_offered(incomplete: str) -> list[str]:
    """The definitions of retention whose names begin so."""
    from nrrsim.metrics import DEFINITIONS

    return _beginning(DEFINITIONS, incomplete)


def _beginning(names: Collection[str], begun: str) -> list[str]:
    return sorted(name for name in names if name.startswith(begun))
