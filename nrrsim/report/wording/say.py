"""A sentence's name and an answer in, what a report says of it out; never guesses a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from nrrsim.errors import UsageError, did_you_mean
from nrrsim.report.tables import Printed, sentence
from nrrsim.report.wording import (
    accounts,
    actions,
    comparison,
    forecast,
    peers,
    pipeline,
    plan,
    portfolio,
    quarterly,
    since,
    sizes,
)
from nrrsim.report.wording.facts import Nothing
from nrrsim.report.wording.templates import MACROS, OWN, Templates, own_templates

# By the name of an answer's type, as to import them all takes seconds: the folder of its templates,
# the facts that each of them may say, and those that single ones may say besides.
REPORTS: Mapping[str, tuple[str, Any, Mapping[str, Any]]] = {
    "Actuals": ("quarterly", quarterly.Report, {**quarterly.SENTENCES, **sizes.SENTENCES}),
    "Comparison": ("comparison", comparison.Report, comparison.SENTENCES),
    "Forecast": ("forecast", forecast.Report, forecast.SENTENCES),
    "NoForecast": ("forecast", None, forecast.OF_NO_FORECAST),
    "Since": ("since", since.Report, since.SENTENCES),
    "Backtest": ("forecast", None, forecast.OF_A_BACKTEST),
    "Variance": ("plan", plan.Report, plan.SENTENCES),
    "Accounts": ("accounts", accounts.Report, accounts.SENTENCES),
    "NoAccounts": ("accounts", None, accounts.OF_NO_ACCOUNTS),
    "Clusters": ("accounts", None, accounts.OF_CLUSTERS),
    "Measured": ("actions", actions.Report, actions.SENTENCES),
    "Losses": ("accounts", None, accounts.OF_LOSSES),
    "Peers": ("peers", None, peers.SENTENCES),
    "Portfolio": ("portfolio", portfolio.Report, portfolio.SENTENCES),
    "Pipeline": ("pipeline", pipeline.Report, pipeline.SENTENCES),
}


def say(
    name: str, subject: object, own: str | Path | None = None, *, beside: object = None
) -> Printed:
    """What a report says: the sentence `name` about Actuals, a Forecast, Accounts or the like.

    About None, about a forecast that is not there and of a section that does not apply it says
    nothing. own : the folder with the company's own templates; what has one there is said by it.
    beside : another answer that the sentence draws on, such as Accounts for `next`.

    Raises UsageError for a name that the report does not have, and with file and line for a
    template of the company that cannot be used.
    """
    if subject is None:
        return sentence("")
    kind = next((each.__name__ for each in type(subject).__mro__ if each.__name__ in REPORTS), "")
    if not kind:
        got = type(subject).__name__
        raise UsageError(f"say: says nothing of a {got}; give one of {', '.join(REPORTS)}")
    report, shared, sentences = REPORTS[kind]
    if name not in sentences:
        remedy = did_you_mean(name, list(sentences))
        raise UsageError(f"say: {kind} has no sentence {name}; {remedy}")
    found = own_templates(own)
    # where nothing is the company's own, what is compiled once serves every sentence
    template, templates = f"{report}/{name}", Templates(found) if found else house()
    _check(templates, {template, MACROS} & set(templates.own))
    more = () if beside is None else (beside,)
    facts = [shared.of(subject)] if shared else []
    facts += [sentences[name].of(subject, *more)] if sentences[name] else []
    if None in facts:
        return sentence("")
    known = {key: value for each in facts for key, value in vars(each).items()}
    told = [templates.render(template, known)]
    if name in ("provenance", "slide_basis") and templates.own:
        told.append(templates.render(OWN, {"names": tuple(templates.own)}))
    return sentence("\n\n".join(filter(None, told)))


@cache
def house() -> Templates:
    """The house's own templates, compiled once."""
    return Templates({})


def checked(own: str | Path | None) -> list[Path]:
    """The company's own templates in a folder, each of which can be used; none without a folder.

    Raises UsageError with all that is wrong, a line each with file, line and what to do.
    """
    templates = Templates(own_templates(own))
    _check(templates, templates.own)
    return sorted(templates.own.values())


def facts_of(template: str) -> set[str]:
    """The names of the facts that a template may use, whatever it is said of."""
    folder, _, name = template.partition("/")
    known = [
        {field.name for each in (shared, sentences[name]) if each for field in fields(each)}
        for report, shared, sentences in REPORTS.values()
        if report == folder and sentences.get(name, Nothing) is not Nothing
    ]
    return set.intersection(*known) if known else set()


def _check(templates: Templates, names: Any) -> None:
    wrong = [problem for name in names for problem in templates.problems(name, facts_of(name))]
    if wrong:
        raise UsageError("\n".join(wrong))
