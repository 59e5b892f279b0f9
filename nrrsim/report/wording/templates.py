"""A template and its facts in, Markdown out; never lets a name be markup or a template run code.

In a template a line break is a space (none before a punctuation mark), a blank line begins a
paragraph, and a line with nothing but tags leaves no trace; headings, list items and `:::` keep
their lines. What `{{ }}` prints is text: whatever stands in it is escaped, names and titles above
all. Numbers are printed in one of the house's forms (`FORMS`).
"""

from __future__ import annotations

import difflib
import os
import re
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, cached_property
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from jinja2 import (
    FunctionLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    nodes,
    pass_context,
)
from jinja2.runtime import Context, LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from nrrsim import notation
from nrrsim.errors import UsageError, did_you_mean
from nrrsim.months import CALENDAR_YEAR, Calendar
from nrrsim.notation import counted, escape_markdown
from nrrsim.report.wording import labels

ENDING = ".md.j2"
MACROS = "macros"  # the template that holds phrases for the others
OWN = (
    "own"  # what the provenance says of templates that replace the house's; no company replaces it
)
MISTAKES = (ArithmeticError, AttributeError, RecursionError, TypeError, ValueError)  # of a template
PARAGRAPH = "\x1e"  # where a template has a blank line; white space to Jinja, and in no fact
OWN_LINE = re.compile(r"#{1,6} |- |:::|\|")
ENDS_ITS_LINE = re.compile(r"#{1,6} |:::")
# What Markdown would hand on as it is, to be run, fetched or dropped on the way to the page.
RAW = {
    "a raw block": (re.compile(r"\{="), "write it as Markdown"),
    "a block of code": (re.compile(r"```|~~~"), "write plain text"),
    "HTML": (re.compile(r"<[A-Za-z/!?]"), "write it as Markdown"),
    "a shortcode": (
        re.compile(r"\{\{\s*<|>\s*\}\}|\{\{%"),
        "leave it out; nothing is filled in later",
    ),
    "text that is not UTF-8": (re.compile("\ufffd"), "save the file as UTF-8"),
    "LaTeX": (re.compile(r"\\[A-Za-z]"), "write it as Markdown; a formula stands between $ and $"),
}
READS_OTHERS = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
UNWANTED = (
    (READS_OTHERS, "a template reads no other file; write the text here"),
    (nodes.Concat, "write texts side by side, each in its own {{ }}; ~ does not join them"),
)


# --- what a template may do --------------------------------------------------------------------


class _Environment(ImmutableSandboxedEnvironment):
    """A template sees the fields of facts, parts of tuples and macros: no method, no file."""

    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)

    def getattr(self, obj: Any, attribute: str) -> Any:
        known = _attributes(obj)
        if attribute in known:
            return getattr(obj, attribute)
        remedy = did_you_mean(attribute, sorted(known)) if known else "it has no parts"
        raise _RefusedError(f"{attribute} is not known here; {remedy}")

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, tuple | list) and isinstance(argument, slice):
            return obj[argument]
        if isinstance(obj, tuple | list) and argument in range(len(obj)):
            return obj[argument]
        return self.getattr(obj, str(argument))

    def is_safe_callable(self, obj: Any) -> bool:
        return isinstance(obj, Macro)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator not in "+-*/":
            raise _RefusedError(f"{operator} is not known here; take + - * /")
        if not all(isinstance(each, int | float) for each in (left, right)):
            raise _RefusedError(f"{operator} takes two numbers, got {left!r} and {right!r}")
        return self.binop_table[operator](left, right)


class _RefusedError(TemplateError):
    """What a template asks for and cannot have."""


def _attributes(obj: Any) -> Collection[str]:
    if isinstance(obj, LoopContext):
        return ("first", "last")
    return [each.name for each in fields(obj)] if is_dataclass(obj) else ()


def _printed(value: Any) -> Any:
    """What a template prints of a value: forms and the house's words as is, text escaped."""
    if isinstance(value, Markup | Undefined):
        return value
    if isinstance(value, str):
        return Markup(value if isinstance(value, labels.Markdown) else escape_markdown(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return Markup(notation.count(value))
    if isinstance(value, float):
        raise _RefusedError(f"{value!r} is printed without a form, such as |percent")
    what = "nothing" if value is None else f"a {type(value).__name__} as a whole"
    raise _RefusedError(
        f"{what} is printed here; ask first whether it is there, or print a part of it"
    )


def _form(write: Callable[..., str]) -> Callable[..., Markup]:
    """A filter of a function that takes a number or a month alone, and gives digits and signs."""
    return lambda value, *how: Markup(write(_known(value), *how))


def _known(value: Any) -> Any:
    if isinstance(value, Undefined):
        str(value)  # raises, with its name
    return value


def _amount(write: Callable[[Any, str], str]) -> Callable[..., Markup]:
    @pass_context
    def filled(context: Context, value: Any) -> Markup:
        return Markup(write(_known(value), escape_markdown(context.resolve("currency"))))

    return filled


@pass_context
def _quarter(context: Context, month: Any) -> Markup:
    """The quarter that ends with a month, of the report's own year where it has one."""
    ends = context.resolve("fiscal_year_end")
    calendar = CALENDAR_YEAR if isinstance(ends, Undefined) else Calendar(ends)
    return Markup(notation.quarter_name(_known(month), calendar))


def _joined(parts: Sequence[Any], word: str = "and") -> Markup:
    """Those of the texts that say something, as one: a, b and c."""
    texts = [str(_printed(each)).strip() for each in parts]
    return Markup(labels.joined([each for each in texts if each], f" {_printed(word)} "))


def _counted(number: Any, *words: str) -> Markup:
    """So many of what the words name: one of it, and several."""
    return Markup(counted(_known(number), *map(_printed, words)))


def _each(items: Sequence[Any], macro: Macro) -> list[str]:
    """What a macro makes of each of several."""
    return [macro(item) for item in items]


def _lower(value: Any) -> str:
    told = _known(value).lower()
    return labels.Markdown(told) if isinstance(value, labels.Markdown) else cast(str, told)


def _capital(text: Markup) -> Markup:
    """What a macro said, as the beginning of a sentence."""
    said = str(_printed(text)).strip()
    return Markup(said[:1].upper() + said[1:])


def _line(text: Markup) -> Markup:
    """A text on one line, as a heading has to be."""
    return Markup(laid_out(str(_printed(text))))


FORMS: dict[str, Callable[..., Any]] = {
    **{
        name: _form(getattr(notation, name))
        for name in ("count", "disclosed", "percent", "points", "share")
    },
    "month": _form(notation.month_name),
    "last_day": _form(notation.last_day),
    "quarter": _quarter,
    "span": _form(labels.span),
    "size": _form(labels.size_of),
    "whole": _form(lambda ratio: f"{ratio:.0%}"),
    "decimals": _form(lambda number, digits: f"{number:.{min(digits, 9)}f}"),
    "money": _amount(notation.money),
    "signed_money": _amount(notation.signed_money),
    "minor_unit": _form(notation.minor_unit),
    "counted": _counted,
    "joined": _joined,
    "each": _each,
    "lower": _lower,
    "capital": _capital,
    "line": _line,
    "abs": lambda number: abs(_known(number)),
    "length": lambda parts: len(_known(parts)),
}


# --- the templates -----------------------------------------------------------------------------


@cache
def house_templates() -> Mapping[str, str]:
    """The house's own templates by name, such as quarterly/trend: what a company may replace."""
    home = files(__package__)
    folders = [home, *(each for each in home.iterdir() if each.is_dir())]
    found = [
        (folder, each)
        for folder in folders
        for each in folder.iterdir()
        if each.name.endswith(ENDING)
    ]
    return {
        ("" if folder is home else f"{folder.name}/")
        + each.name.removesuffix(ENDING): each.read_text("utf-8")
        for folder, each in found
    }


def own_templates(folder: str | Path | None) -> dict[str, Path]:
    """A company's templates by name; UsageError for each file that replaces none of the house's."""
    home = Path(folder or os.devnull)
    found = {}
    for path in sorted(home.rglob("*")) if home.is_dir() else ():
        place = path.relative_to(home)
        if path.is_file() and not any(part.startswith(".") for part in place.parts):
            found[place.as_posix()] = path
    known = sorted(name + ENDING for name in house_templates() if name != OWN)
    wrong = []
    for name, path in found.items():
        near = difflib.get_close_matches(name, known, n=1)
        remedy = (
            f"did you mean {near[0]}?"
            if near
            else f"name it as one of the house's, such as {known[-1]}"
        )
        if name not in known:
            wrong.append(f"{path}: replaces no sentence of a report; {remedy}")
    if wrong:
        raise UsageError("\n".join(wrong))
    return {name.removesuffix(ENDING): path for name, path in found.items()}


@dataclass(frozen=True)
class Templates:
    """The house's templates, and those of a company (`own`: name to file) that replace some."""

    own: Mapping[str, Path]

    def render(self, name: str, facts: Mapping[str, Any]) -> str:
        """The template's Markdown; raises UsageError with file and line for what cannot be said."""
        try:
            said = laid_out(self._with_macros.get_template(name).render(facts))
        except (TemplateError, *MISTAKES) as error:
            raise UsageError(self._told(name, error)) from None
        if found := raw_of(re.sub(r"\\[^\w\s]", "", said)):
            raise UsageError(f"{self.place(name)}: {found}")
        return said

    def problems(self, name: str, facts: Collection[str]) -> Iterator[str]:
        """What is wrong with a template that may use these facts, a line each with its place."""
        environment, place, source = self._environment(), self.place(name), self._source(name)
        try:
            tree = environment.parse(source)
        except TemplateSyntaxError as error:
            found = raw_of(source)  # a shortcode is no Jinja, either
            yield f"{place}:{error.lineno}: {found or f'cannot be read: {error.message}'}"
            return
        known = {*facts, *_macros(self._source(MACROS))}
        yield from (
            f"{place}:{line}: {told}" for line, told in sorted(_wrong(tree, environment, known))
        )
        if name == MACROS:
            for missing in sorted(_macros(house_templates()[MACROS]) - _macros(source)):
                yield f"{place}: has no macro {missing}, which others use; copy the house's"

    def place(self, name: str) -> str:
        """Where a template stands: the company's file, or its name among the house's."""
        return str(self.own.get(name, name + ENDING))

    def _source(self, name: str) -> str:
        own = self.own.get(name)
        text = own.read_text("utf-8-sig", errors="replace") if own else house_templates()[name]
        return re.sub(r"(?m)^[ \t\r]*$", PARAGRAPH, text)

    def _environment(self) -> _Environment:
        environment = _Environment(
            loader=FunctionLoader(lambda name: (self._source(name), self.place(name), None)),
            undefined=StrictUndefined,
            autoescape=True,  # marks a macro's output as done; `_printed` is what escapes
            finalize=_printed,
        )
        environment.filters = dict(FORMS)
        environment.globals.clear()
        return environment

    @cached_property
    def _with_macros(self) -> _Environment:
        environment = self._environment()
        phrases = vars(environment.get_template(MACROS).module)
        environment.globals |= {
            name: each for name, each in phrases.items() if isinstance(each, Macro)
        }
        return environment

    def _told(self, name: str, error: BaseException) -> str:
        """An error in a template as file, line and reason."""
        places = {self.place(each) for each in house_templates()}
        steps = [
            step for step in traceback.extract_tb(error.__traceback__) if step.filename in places
        ]
        where = f"{steps[-1].filename}:{steps[-1].lineno}" if steps else self.place(name)
        reason = "a macro calls itself" if isinstance(error, RecursionError) else str(error)
        if isinstance(error, AttributeError | TypeError):
            reason = f"a form or a comparison is given what it cannot take ({reason})"
        return f"{where}: {' '.join(reason.split())}"


def _macros(source: str) -> set[str]:
    return set(re.findall(r"\{%-?\s*macro\s+(\w+)", source))


def _wrong(
    tree: nodes.Template, environment: _Environment, known: Collection[str]
) -> Iterator[tuple[int, str]]:
    """Line and text of what stands in a template and cannot be used there."""
    for kinds, remedy in UNWANTED:
        yield from ((node.lineno, remedy) for node in tree.find_all(kinds))
    names = list(tree.find_all(nodes.Name))
    own = {node.name for node in names if node.ctx != "load"} | {"loop", "caller"}
    own |= {node.name for node in tree.find_all(nodes.Macro)}
    for name in names:
        if name.ctx == "load" and name.name not in {*known, *own}:
            yield (
                name.lineno,
                f"{name.name} is not known here; {did_you_mean(name.name, sorted(known))}",
            )
    for kind, forms in ((nodes.Filter, environment.filters), (nodes.Test, environment.tests)):
        for used in tree.find_all(kind):
            if used.name not in forms:
                yield (
                    used.lineno,
                    f"there is no form {used.name}; {did_you_mean(used.name, sorted(forms))}",
                )
    for text in tree.find_all(nodes.TemplateData):
        lines = enumerate(text.data.split("\n"), start=text.lineno)
        yield from ((number, found) for number, line in lines if (found := raw_of(line)))


def raw_of(text: str) -> str:
    """What of a text would not be read as Markdown, and what to do; nothing where all is."""
    found = (
        f"{what} stands here; {do}" for what, (pattern, do) in RAW.items() if pattern.search(text)
    )
    return next(found, "")


def laid_out(text: str) -> str:
    """A template's output with its lines joined to paragraphs."""
    told = []
    for paragraph in text.split(PARAGRAPH):
        lines = [
            each
            for line in paragraph.split("\n")
            if (each := re.sub("[ \t\r]+", " ", line).strip(" "))
        ]
        for before, line in pairwise(["", *lines]):
            if not before:
                told.append(line)
                continue
            alone = OWN_LINE.match(line) or ENDS_ITS_LINE.match(before)
            told[-1] += ("\n" if alone else "" if line[0] in ".,;:)" else " ") + line
    return "\n\n".join(told)
