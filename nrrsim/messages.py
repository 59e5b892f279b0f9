"""What pydantic found wrong in, sentences with their places out; never decides what is wrong.

A location of pydantic names the forms of a union, too; walking along the model's annotations tells
them from the keys of the file. A model may name further keys in `also`: what a file may hold there,
and the model itself does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError

from nrrsim.errors import UsageError, did_you_mean
from nrrsim.yamlfile import Document, Path_, Place

MOST_TOLD = 40  # problems of a file
MOST_SHOWN = 80  # characters of a value that is quoted
NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}([,_]\d{3})+)(\.\d+)?(e[+-]?\d+)?", re.IGNORECASE)
PERCENT = r"^\s*[-+]?[0-9.]+\s*%\s*$"  # as JSON Schema has it
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d{1,2}")
BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


@dataclass(frozen=True)
class Problem:
    """What is wrong with what stands at a path; `of_key`: with its name, not with its value.

    `text` may be made where it is told: of a hundred thousand problems few are.
    """

    at: Path_
    text: str | Callable[[], str]
    of_key: bool = False


class RefusedError(UsageError):
    """Problems that were found while a value was made of checked ones."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(located(problems, Document({}))))


def located(problems: Iterable[Problem], document: Document) -> list[str]:
    """A line for each problem, in the order of where they stand: the first, and how many more."""

    def place(problem: Problem) -> Place | None:
        at = problem.at
        if not problem.of_key and at in document.places:
            return document.places[at]
        # what is missing stands nowhere: it is said of what it is missing in
        while at and at not in document.keys:
            at = at[:-1]
        return document.keys.get(at)

    found = [(place(each), each) for each in problems]
    # what stands nowhere comes last; a thing that several checks found is said once
    found.sort(key=lambda each: (each[0] is None, each[0]))
    lines: dict[str, None] = {}
    for number, (stands, problem) in enumerate(found):
        if len(lines) == MOST_TOLD:
            return [*lines, f"and {len(found) - number:,} more; mend these first"]
        text = problem.text if isinstance(problem.text, str) else problem.text()
        line = f"{'.'.join(map(str, problem.at)) or 'the scenario'}: {text}"
        lines[f"{stands} {line}" if stands else line] = None
    return [*lines]


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Each error of a validation by `model` in words for finance people."""
    return [_problem(each, model) for each in error.errors(include_url=False) if not _is_echo(each)]


def not_a_number(value: Any, whole: bool = False) -> str:
    """What to say of something that is no (whole) number, with the number that it may mean."""
    meant = _number_meant(value)
    is_fitting = meant is not None and (not whole or meant.is_integer())
    hint = f"; did you mean {meant:.10g}?" if is_fitting else ""
    return f"must be {'a whole number' if whole else 'a number'}, got {shown(value)}{hint}"


def of_percent(value: Any) -> Any:
    """`10%` as 0.1; anything else, as it is."""
    if isinstance(value, str) and re.fullmatch(PERCENT, value):
        with suppress(ArithmeticError):
            # on the digits that one sees: a tenth of 1.1 is no 0.011000000000000001
            return float(Decimal(value.replace("%", "").strip()).scaleb(-2))
    return value


def as_whole(value: Any) -> Any:
    """6.0, 12.0 and 1e3 as the whole numbers that they are; anything else, as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def whole_of(name: str, value: Any) -> int:
    """A whole number, also 6.0 or 1e3; raises UsageError with what it is called for another."""
    number = as_whole(value.item() if hasattr(value, "item") else value)
    if isinstance(number, bool) or not isinstance(number, int):
        raise UsageError(f"{name}: {not_a_number(value, whole=True)}")
    return number


def aimed_for(target: Any) -> float | None:
    """The NRR aimed for, as 1.10 or as `110%`; None where there is none. Raises UsageError for what
    cannot be one.
    """
    number = of_percent(target.item() if hasattr(target, "item") else target)
    if number is None:
        return None
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if not is_number or not 0 < number <= 10:
        raise UsageError(f"target: {target} is not an NRR; write 110% as 1.10")
    return float(number)


def months_ahead(given: Any, step: int, most: int, also: str = "") -> int:
    """Months ahead, in steps of a ledger and no more than `most`; raises UsageError for another,
    which says what is taken `also`.
    """
    months = whole_of("horizon", given)
    if not 0 < months <= most or months % step:
        raise UsageError(
            f"horizon: must be {step} to {most} months, in steps of {step}{also}; got {given}"
        )
    return months


def number_in(text: str) -> int | float:
    """The number that a text states, in percent or not; raises ValueError where it states none."""
    try:
        return int(text)
    except ValueError:
        number: int | float = as_whole(float(of_percent(text)))
        return number


def written(number: float) -> str:
    """A number as people write it: whole ones with their thousands apart."""
    # near 1e16 floats no longer tell whole numbers apart: the last digits would say nothing
    is_whole = float(number).is_integer() and abs(number) <= 1e15
    return f"{number:,.0f}" if is_whole else f"{number:.10g}"


def an_object(value: Any) -> str:
    """What a value is, where it is of the wrong kind: "a Ledger", "an int", "None"."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def shown(value: Any) -> str:
    """A value as it may stand in a file, cut short where it is long."""
    return cut(_as_yaml(value))


def cut(text: str) -> str:
    """A text, cut short where it is long."""
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _is_echo(error: Any) -> bool:
    """Whether a list is called too short only because what stands in it is wrong."""
    return bool(error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"])


def _problem(error: Any, model: type[BaseModel]) -> Problem:
    at, known = _in_file(error["loc"], model)
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return Problem(at, lambda: f"is not known; {did_you_mean(str(at[-1]), known)}", of_key=True)
    return Problem(
        at, _sentence(kind, value, context) or str(error["msg"]), of_key="[key]" in error["loc"]
    )


def _sentence(kind: str, value: Any, context: Mapping[str, Any]) -> str:
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        known = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return (
            f"must be {' or '.join(known)}, got {shown(value)}; {did_you_mean(str(value), known)}"
        )
    if kind == "finite_number":
        return f"must be a finite number, got {value}"

    if kind.startswith(("float", "int")):
        return not_a_number(value, whole=kind.startswith("int"))
    if kind.startswith("bool"):
        return f"must be true or false, got {shown(value)}"
    if kind in BOUNDS:
        words, bound = BOUNDS[kind]
        return f"must be {words} {written(context[bound])}, got {written(value)}"
    if kind in ("string_type", "string_sub_type"):
        is_scalar = value is not None and not isinstance(value, Mapping | list | tuple)
        remedy = "; put it in double quotes" if is_scalar else ""
        return f"must be text, got {shown(value)}{remedy}"

    if kind in ("dict_type", "model_type", "model_attributes_type"):
        return f"must hold settings of its own (key: value), got {shown(value)}"
    if kind in ("tuple_type", "list_type"):
        return f"must be a list in square brackets, got {shown(value)}"
    if kind == "too_short":
        return "is empty; it needs at least one entry"
    if kind == "too_long":
        return f"has {context['actual_length']} parts; needs {context['max_length']}"
    return ""


def _number_meant(value: Any) -> float | None:
    if isinstance(value, float):
        return value
    text = value.strip() if isinstance(value, str) and len(value) < MOST_SHOWN else ""
    digits = text.removesuffix("%").strip()
    if NUMBER.fullmatch(digits):
        digits = digits.replace(",", "").replace("_", "")
    elif DECIMAL_COMMA.fullmatch(digits):
        digits = digits.replace(",", ".")
    else:
        return None
    meant = float(digits) / (100 if text.endswith("%") else 1)
    return meant if isfinite(meant) else None


def _as_yaml(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, BaseModel):
        fields = value.model_dump().items()
        # its kind first: the only text that a belief holds
        value = dict(sorted(fields, key=lambda each: not isinstance(each[1], str)))
    if isinstance(value, Mapping):
        parts = (
            f"{key}: {each if isinstance(each, str) else _as_yaml(each)}"
            for key, each in value.items()
        )
        return f"{{{', '.join(parts)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_as_yaml, value))}]"
    return f"{value:.10g}" if isinstance(value, float) else repr(value)


# --- walking along a model ------------------------------------------------------------------------


def _in_file(loc: Path_, model: type[BaseModel]) -> tuple[Path_, list[str]]:
    """The part of a location that stands in the file, and the keys that may stand at its end."""
    at: list[str | int] = []
    kind: Any = model
    known: list[str] = []
    for part in loc:
        kind = _bare(kind)
        forms = _forms(kind)
        if part in forms:
            kind = forms[part]
            continue
        if part != "[key]":
            at.append(part)
        known = [*getattr(kind, "also", ()), *getattr(kind, "model_fields", ())]
        kind = _below(kind, part)
    return tuple(at), known


def _bare(kind: Any) -> Any:
    """An annotation without its metadata, and without the None that stands for a value left out."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        forms = [form for form in get_args(kind) if form is not NoneType]
        return _bare(forms[0]) if len(forms) == 1 else kind
    return kind


def _forms(kind: Any) -> dict[str | int, Any]:
    """The forms of a union by their tags."""
    if get_origin(kind) not in (Union, UnionType):
        return {}
    return {
        note.tag: form
        for form in get_args(kind)
        for note in get_args(form)[1:]
        if isinstance(note, Tag)
    }


def _below(kind: Any, part: str | int) -> Any:
    """What stands below a key or a number."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(part))
        return field.annotation if field else getattr(kind, "others", None)
    inner = get_args(kind)
    if get_origin(kind) is dict:
        return inner[1]
    if get_origin(kind) is tuple and isinstance(part, int):
        return inner[0] if inner[-1] is Ellipsis else inner[part] if part < len(inner) else None
    return None
