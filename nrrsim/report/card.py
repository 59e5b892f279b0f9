"""A run card in, its checked parameters, notebook and ledger out; never runs or reads them.

A scenario's file is a card, too: for the report of that scenario alone.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nrrsim.errors import UsageError, did_you_mean
from nrrsim.files import shared
from nrrsim.ledger.containers import SPREADSHEETS
from nrrsim.ledger.reading import OPTIONS, Reading
from nrrsim.messages import as_whole, not_a_number, of_percent
from nrrsim.months import Calendar
from nrrsim.notation import label
from nrrsim.yamlfile import Document, read_yaml

NESTED = ("scenarios", "multiples", "price_months")
PEERS = "peers"  # names of companies, files of one's own, or both
STAGES = "stages"  # a mapping of numbers, not of words
EACH = "each"  # of a card for several reports: what each of them is of
PART = "part"  # a notebook's parameter: the lines of its ledger with one value of a column
ALL = "all"
SEGMENT, COLUMN, VALUES, COMPANIES = "segment", "column", "values", "companies"
HOW_EACH = (
    "{segment: all}, {column: region} or {companies: companies/group.yaml}; of a segment or a"
    " column some alone are {segment: [smb]} or {column: region, values: [EMEA]}"
)
YAML = (".yaml", ".yml")
WORDS = {
    "columns": "{customer: Account}, our word and your heading",
    STAGES: "{Proposal: 40%}, a stage and how likely it is",
    PART: "{region: EMEA}, a column and one of its values",
    "labels": "{mid_market: Mid-market}, a segment and what it is called",
    "commentary": "{segments: Two contracts moved to Q4.}, a section and your words, or a .md file",
}
CARDS = "params"  # the folder of a workspace's cards
AS_OF = "as_of"  # the parameter that is a report's month
LEDGER, FORM = "ledger", ("rates", "currency", "reported", "grace_months")
USUAL = "quarterly_report"  # whose keys a card has that states a ledger alone
OF_SCENARIOS = "scenario_comparison"  # the notebook for a scenario's file, and for several
MOST_STRANGE = 20  # unknown parameters that are told one by one
OPTIONAL = re.compile(r"\(optional ?(number|ratio|text|mapping|month of the year|)\)")
CHOICE = re.compile(r"\(one of ([^)]+)\)")
PATH = "(path)"  # in a parameter's comment; a company or a title may be called like a file
ALWAYS_PATHS = ("rates",)
EMPTY = "is empty; give a value, or leave the line out"
REFERENCE = "reference_doc"  # a company's own look for slides, or for Word
COMMENTARY = "commentary"  # management's own words, by section
READING = "reading"  # a notebook's parameter: how its ledger is read


@dataclass(frozen=True)
class Entity:
    """One of those that a card with `each` makes reports of, and its `folder` in the card's.

    values : keys of the card that are its own. places : where each of them is stated; "" where the
    entity is.
    """

    name: str
    folder: str
    values: Mapping[str, Any]
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Card:
    """A checked run card: its path, its notebook's, the parameters it gives, and the `defaults`.

    paths : the parameters that name files; no other text of a card is ever looked for on disk.
    wording : the company's own templates, which take the place of the house's. each : of what
    reports are made, one for each; None of a card for one. entity : of which of them this one is.
    """

    path: Path
    notebook: Path
    parameters: dict[str, Any]
    defaults: dict[str, Any]
    paths: tuple[str, ...] = ()
    wording: tuple[Path, ...] = ()
    each: Mapping[str, Any] | None = None
    entity: Entity | None = None

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def label(self) -> str:
        """What messages call it: its path, and of which entity it is."""
        return f"{self.path}: {self.entity.name}" if self.entity else str(self.path)

    @property
    def audience(self) -> str | None:
        """For whom the report is; None where its notebook makes no difference."""
        said = self.parameters.get("audience", self.defaults.get("audience"))
        return None if said is None else str(said)

    @property
    def is_scenario(self) -> bool:
        """Whether the file is a scenario's, which is reported alone."""
        return self.parameters.get("scenarios") == [self.path.name]

    @property
    def sources(self) -> list[str]:
        """Its ledger: files as paths from here, patterns of such, or the address of a database."""
        said = self.parameters.get(LEDGER)
        if not said:
            raise UsageError(
                f"{self.path}: names no ledger; give a card that does, such as ledger: ledger.csv"
            )
        return [self.from_here(each) for each in (said if isinstance(said, list) else [said])]

    @property
    def form(self) -> dict[str, Any]:
        """How its ledger is read, as `read_ledger` takes it."""
        form = {key: self.parameters[key] for key in FORM if key in self.parameters}
        # a notebook of one's own may have parameters of such names, and none for all of them
        own = {key: self.parameters[key] for key in OPTIONS if key in self.parameters}
        reading = Reading.of({**own, **self.parameters.get(READING, {})}).said
        if form.get("rates"):
            form["rates"] = self.from_here(form["rates"])
        if is_own_format(reading.get("format")):
            reading["format"] = self.from_here(reading["format"])
        return {**form, **reading}

    def from_here(self, path: str) -> str:
        """A path that the card gives, which is one from its folder, as a path from here."""
        if path.startswith("env:") or "://" in path or os.path.isabs(path):
            return path
        return os.path.relpath(self.path.parent.resolve() / path)

    @property
    def named(self) -> list[str]:
        """What the card, or where it is silent its notebook, says that its files are."""
        return self.named_but(())

    def named_but(self, keys: Collection[str]) -> list[str]:
        """The same without what stands under some `keys`."""
        known = {**self.defaults, **self.parameters}
        values = (known[key] for key in self.paths if key not in keys)
        each = (
            item for value in values for item in (value if isinstance(value, list) else [value])
        )
        named = [text for text in each if isinstance(text, str) and text]
        if known.get(PEERS):
            from nrrsim.peers import is_file
            from nrrsim.peers import said as peers_said

            named += [each for each in peers_said(known[PEERS]) if is_file(each)]
        if not (said := known.get(COMMENTARY)):
            return named
        from nrrsim.report.wording.commentary import files_of

        return [*named, *files_of(said)]


def read_card(
    path: str | Path,
    over: Mapping[str, Any] | None = None,
    *,
    of_ledger: bool = False,
    entity: Entity | None = None,
) -> Card:
    """The card, checked against its notebook's parameters; raises UsageError with all problems.

    over : keys that are said elsewhere (`--set`), in the place of the card's own. of_ledger : the
        card is to say what its ledger is: nothing else is missing then, not even a notebook.
        entity : the card is that of its report, with its values in the place of others.
    """
    # a workbook is no card: where one stands in a card's place it is a scenario
    file, is_workbook = Path(path), Path(path).suffix.lower() in SPREADSHEETS
    document = Document({}) if is_workbook else read_yaml(path, "run card")
    alone = is_workbook or (not of_ledger and _is_scenario(document.values))
    card, over = {**(of_scenario(file) if alone else document.values), **(over or {})}, over or {}
    each, own = card.pop(EACH, None), entity.places if entity else {}
    if entity:
        card, each = {**card, **entity.values}, None

    def place(key: str) -> str:
        if key in own:
            return f"{own[key]}: {key}"
        at = document.keys[key,].line if (key,) in document.keys and not alone else None
        said = f" --set {key}" if key in over else f"{at}: {key}" if at else f" {key}"
        return f"{path}:{said}"

    if of_ledger and "notebook" not in card:
        if LEDGER not in card:
            raise UsageError(
                f"{path}: is no ledger, and no run card that names one, such as ledger: ledger.csv"
            )
        card["notebook"] = USUAL
    if not isinstance(card.get("notebook"), str):
        raise UsageError(
            f"{path}: a run card names its notebook, such as notebook: quarterly_report"
        )
    notebook = find_notebook(file, card["notebook"])
    known = _parameters(notebook)
    given = {key: _meant(value, known.get(key)) for key, value in card.items() if key != "notebook"}
    # how the ledger is read is said key by key, and handed on as one
    said = {key: given.pop(key) for key in OPTIONS if READING in known and key in given}
    strange = [key for key in given if key not in known]
    beyond = set(strange[MOST_STRANGE:])
    wrong = [
        f"{place(key)}: {problem}"
        for key, value in given.items()
        if key not in beyond and (problem := _problem(key, value, known))
    ]
    if beyond:
        wrong.append(f"{path}: and {len(beyond):,} more that are no parameters of the notebook")
    if each is not None and (problem := _problem_of_each(each, known)):
        wrong.append(f"{place(EACH)}: {problem}")
    # of several companies each says what the card leaves open
    is_open = of_ledger or (isinstance(each, Mapping) and COMPANIES in each)
    wrong += [
        f"{own.get('', path)}: {key}: is missing; {known[key].help or 'add it to the card'}"
        for key in known
        if key not in given and not OPTIONAL.search(known[key].help) and not is_open
    ]
    defaults = {key: each.default for key, each in known.items()}
    wording: tuple[Path, ...] = ()
    paths = tuple(key for key, each in known.items() if PATH in each.help or key in ALWAYS_PATHS)
    try:
        if "wording" in paths:
            wording = _own_wording(file, given.get("wording"), defaults.get("wording"))
    except UsageError as error:
        wrong.append(str(error))
    if not wrong and given.get(COMMENTARY):
        from nrrsim.report.wording.commentary import problems

        sections = commented(_sources(notebook))
        wrong += [
            f"{place(COMMENTARY)}: {problem}" if of_card else problem
            for of_card, problem in problems(given[COMMENTARY], sections, file.parent)
        ]
    if not wrong and given.get(PEERS) is not None:
        from nrrsim.peers import chosen

        try:
            chosen(given[PEERS], file.parent)
        except UsageError as error:
            problems_of_peers = str(error).split("\n")
            wrong += [
                f"{place(PEERS)}: {each.removeprefix('peers: ')}" for each in problems_of_peers
            ]
    for key, value in said.items():
        try:
            if value is None:
                raise UsageError(f"{key}: {EMPTY}")
            Reading.of({key: value})
        except UsageError as error:
            wrong.append(f"{place(key)}: {str(error).removeprefix(f'{key}: ')}")
    if wrong:
        raise UsageError("\n".join(wrong))
    if said:
        given[READING] = {**given.get(READING, {}), **said}
    return Card(file, notebook, given, defaults, paths, wording, each, entity)


def _problem_of_each(each: Any, known: Mapping[str, _Parameter]) -> str:
    """Why `each` does not say of what reports are to be made; empty where it does."""
    if not isinstance(each, Mapping):
        return f"must be {HOW_EACH}, got {each!r}"
    if strange := [key for key in each if key not in (SEGMENT, COLUMN, VALUES, COMPANIES)]:
        names = [SEGMENT, COLUMN, VALUES, COMPANIES]
        return f"{strange[0]}: is not known; {did_you_mean(strange[0], names)}"
    if len(each.keys() - {VALUES}) != 1 or (VALUES in each and COLUMN not in each):
        return f"must be one of {HOW_EACH}"
    if PART not in known and COMPANIES not in each:
        return (
            f"the notebook has no parameter {PART}, so that no part of a ledger can be reported by"
            f" it; take {{{COMPANIES}: FILE}}, or {USUAL}"
        )
    if any(
        not isinstance(each.get(key, ""), str) or each.get(key) == "" for key in (COLUMN, COMPANIES)
    ):
        key = COLUMN if COLUMN in each else COMPANIES
        return f"{key}: must be {'a heading' if key == COLUMN else 'a file'}, got {each[key]!r}"
    some = each.get(SEGMENT, each.get(VALUES, ALL))
    is_list = isinstance(some, list) and some and all(isinstance(one, str) for one in some)
    if is_list and len(set(some)) < len(some):
        return "a value stands twice; keep one of them"
    key = SEGMENT if SEGMENT in each else VALUES
    return (
        "" if is_list or some == ALL else f"{key}: must be {ALL} or a list of names, got {some!r}"
    )


def _is_scenario(values: Collection[str]) -> bool:
    """Whether a file in a card's place is a scenario's; one that names a notebook is a card."""
    if "notebook" in values:  # said here, so that most cards need no scenarios
        return False
    from nrrsim.scenario.scenario import is_scenario

    return is_scenario(values)


def of_scenario(file: Path) -> dict[str, Any]:
    """What a card says for the report of a scenario's file alone, and what is known for it.

    Raises UsageError with all that is wrong with the scenario.
    """
    from nrrsim.scenario.scenario import read_scenario

    scenario = read_scenario(file)
    known = {
        "title": scenario.title or label(file.stem),
        "company": _company_of(workspace_of(file) / CARDS),
        AS_OF: scenario.start if re.fullmatch(r"\d{4}-\d{2}", scenario.start) else None,
    }
    stated = {key: value for key, value in known.items() if value}
    return {"notebook": OF_SCENARIOS, "scenarios": [file.name], **stated}


def workspace_of(scenario: Path) -> Path:
    """The folder that holds cards and reports for a scenario's file.

    It is the one above `params/` or `scenarios/` that the file lies in, else the file's own; of an
    example that comes with nrrsim it is this one.
    """
    from nrrsim.scenario.scenario import examples

    if scenario.resolve() in map(Path.resolve, examples().values()):
        return Path()
    folder = Path(os.path.normpath(scenario.parent))
    names = folder.resolve().parts
    up = 2 if names[-2:] == (CARDS, "scenarios") else int(names[-1] in (CARDS, "scenarios"))
    return Path(os.path.normpath(folder / ("../" * up)))


def _company_of(cards: Path) -> str | None:
    """Whose the cards of a folder are, where all that say so say the same."""
    found = set()
    for each in sorted(cards.glob("*.y*ml")):
        with suppress(UsageError):  # it is not this one that is asked for
            found.add(read_yaml(each, "run card").values.get("company"))
    known = [each for each in found if isinstance(each, str)]
    return known[0] if len(known) == 1 else None


def names_a_card(path: str | Path) -> bool:
    """Whether a file that is there is a run card, and no scenario."""
    file = Path(path)
    if file.suffix.lower() not in YAML or not file.is_file():
        return False
    return not {"notebook", LEDGER}.isdisjoint(read_yaml(file, "run card").values)


def is_own_format(format: str | None) -> bool:
    """Whether an export's format is a file of one's own, and no name of ours."""
    return Path(format or "").suffix in YAML


def described(notebook: Path) -> dict[str, tuple[Any, str]]:
    """Each parameter of a notebook: its default, and what its comment says of it."""
    return {key: (each.default, each.help) for key, each in _parameters(notebook).items()}


def _own_wording(card: Path, given: Any, default: Any) -> tuple[Path, ...]:
    """The company's own templates in the folder beside the card, each of which can be used."""
    folder = card.parent / str(given or default)
    if given and not os.path.isdir(folder):
        raise UsageError(f"{card}: wording: there is no folder {given} beside the card")
    if not (given or default) or not os.path.isdir(folder):
        return ()
    from nrrsim.report.wording.say import checked

    return tuple(checked(folder))


@dataclass(frozen=True)
class _Parameter:
    default: Any
    help: str

    @property
    def choices(self) -> list[str]:
        """The values that it may have, where its comment lists them."""
        said = CHOICE.search(self.help)
        return re.split(", | or ", said[1]) if said else []

    @property
    def kind(self) -> str:
        """Switch, number, ratio, text, mapping, month of the year: by its comment or default."""
        if (said := OPTIONAL.search(self.help)) and said[1]:
            return said[1]
        if isinstance(self.default, bool):
            return "switch"
        if isinstance(self.default, int | float):
            return "number"
        return "text" if isinstance(self.default, str) else ""


def find_notebook(card: Path, name: str) -> Path:
    """Beside the card, in `notebooks/` there or one folder up, or with nrrsim; else UsageError."""
    home, file = card.parent, f"{name.removesuffix('.ipynb')}.ipynb"
    folders = [home, home / "notebooks", home / ".." / "notebooks", shared("notebooks")]
    # a name that no file can have is not there either
    for folder in folders[:1] if Path(name).name != name else folders:
        if os.path.isfile(folder / file):
            return folder / file
    known = {each.stem for folder in folders for each in folder.glob("*.ipynb")}
    remedy = did_you_mean(name, sorted(known))
    raise UsageError(f"{card}: notebook: there is no notebook {name}; {remedy}")


def _parameters(notebook: Path) -> dict[str, _Parameter]:
    """The assignments of the cell tagged `parameters`: a literal and a comment a line."""
    import nbformat

    cells = nbformat.read(notebook, as_version=4).cells
    source = next(
        (cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])), ""
    )
    lines, found = source.splitlines(), {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            comment = lines[(node.end_lineno or 1) - 1].partition("  # ")[2]
            # read as a literal: to check a card runs no code of the notebook
            found[node.targets[0].id] = _Parameter(ast.literal_eval(node.value), comment)
    return found


def commented(sources: Iterable[str]) -> list[str]:
    """The sections of a notebook's cells in which management may say something."""
    return re.findall(r'^comment\("(\w+)"\)$', "\n".join(sources), re.MULTILINE)


def _sources(notebook: Path) -> list[str]:
    import nbformat

    return [cell.source for cell in nbformat.read(notebook, as_version=4).cells]


def _meant(value: Any, parameter: _Parameter | None) -> Any:
    """A number as the notebook takes it: 12.0 as 12 where that is whole, 110% as 1.1."""
    if parameter is None or parameter.kind not in ("number", "ratio"):
        return value
    return as_whole(value) if isinstance(parameter.default, int) else of_percent(value)


def _no_target(value: float) -> str:
    """Why a number cannot be an NRR to reach; empty where it can."""
    from nrrsim.scenario.numbers import TARGET

    try:
        TARGET.check(value)
    except ValueError as error:
        return str(error)
    return ""


def _no_stages(value: Mapping[str, Any]) -> str:
    """Why a mapping does not say how likely stages are; empty where it does."""
    from nrrsim.accounts.opportunities import stage_numbers

    try:
        stage_numbers(value)
    except UsageError as error:
        return str(error).removeprefix(f"{STAGES}: ")
    return ""


def _problem(key: str, value: Any, known: Mapping[str, _Parameter]) -> str:
    if key not in known:
        names = [*known, *(OPTIONS if READING in known else ())]
        return f"is not a parameter of the notebook; {did_you_mean(key, names)}"
    wanted = known[key].kind
    if value is None:
        return "" if known[key].default is None else EMPTY
    if wanted == "month of the year":
        try:
            Calendar.of(value)
        except ValueError as error:
            return str(error)
        return ""
    if wanted == "mapping":
        fits = isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values())
        wanted = f"a mapping such as {WORDS.get(key, WORDS['columns'])}"
        if key == STAGES and isinstance(value, Mapping):
            return _no_stages(value)
        return "" if fits else f"must be {wanted}, got {value!r}"
    if (choices := known[key].choices) and value not in choices:
        return f"must be one of {', '.join(choices)}, got {value!r}"
    if key == LEDGER and isinstance(value, list):
        fits = bool(value) and all(isinstance(item, str) for item in value)
        return "" if fits else f"must be a file or a list of files, got {value!r}"
    if key == PEERS:
        return ""  # what is wrong with them is found where they are looked up
    if isinstance(value, Mapping | list):
        return "" if key in NESTED else "must be one value, not a list or a mapping"
    if wanted == "switch":
        return "" if isinstance(value, bool) else f"must be true or false, got {value!r}"
    if wanted in ("number", "ratio"):
        if not isinstance(value, int | float) or isinstance(value, bool):
            return not_a_number(value)
        return _no_target(value) if wanted == "ratio" else ""
    if wanted == "text" and not isinstance(value, str):
        return f"must be text, got {value!r}; put it in double quotes"
    return ""
