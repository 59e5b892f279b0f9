"""A company's size in, the published figures beside it printed out; never an average of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from nrrsim.cli.options import Json
from nrrsim.cli.printed import as_object
from nrrsim.errors import UsageError, did_you_mean
from nrrsim.notation import counted, disclosed, money, points, share
from nrrsim.sizebands import MOST_BOUND, amount_in

FIRST = ("nrr", "grr")
METRICS = {
    "nrr": "NRR",
    "grr": "GRR",
    "new_arr_from_new_customers": "New ARR from new customers",
    "new_arr_from_expansion": "New ARR from expansion",
    "arr_gained_from_expansion": "ARR gained from expansion",
    "arr_gained_from_new_business": "ARR gained from new business",
}
WORDS = {"arr": "ARR", "acv": "size of contract", "segment": "segment"}
LEAST_ARR = 1_000  # dollars a year: who says less means millions
IN_WORDS = "must be an amount of US dollars a year, such as 50M, $50M or 50_000_000"


def amount_of(option: str, text: str) -> float:
    """An amount of US dollars as people write it; raises UsageError for another currency's, too."""
    plain = re.sub(r"^(US)?\$ ?|^USD ?| ?USD$", "", str(text).strip(), flags=re.IGNORECASE)
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", plain):
        plain = plain.replace(",", "")
    number = amount_in(plain)
    if not 1 <= number <= MOST_BOUND:
        is_other = re.search(r"^[A-Z]{3} ?\d|^[€£¥]|\d[\d.,_]* ?[kmbtKMBT]? [A-Z]{3}$", plain)
        hint = "; the surveys are in US dollars: convert it first" if is_other else ""
        raise UsageError(f"{option}: {IN_WORDS}; got {text!r}{hint}")
    if option == "--arr" and number < LEAST_ARR:
        raise UsageError(f"{option}: {text} is less than $1,000 a year; did you mean {plain}M?")
    return number


def segment_of(text: str) -> str:
    """One of the segments of the surveys, however it is written."""
    from nrrsim.benchmarks import SEGMENTS

    plain = re.sub("[^a-z]", "", text.lower())
    found = next((each for each in SEGMENTS if each.replace("-", "") == plain), None)
    if found is None:
        raise UsageError(
            f"--segment: no published figure is of {text!r}; {did_you_mean(text, SEGMENTS)}"
        )
    return found


def benchmarks(
    arr: Annotated[
        str | None, typer.Option(metavar="USD", help="The company's ARR, such as 50M or $50M.")
    ] = None,
    acv: Annotated[
        str | None,
        typer.Option(metavar="USD", help="What a contract brings a year, such as 40k."),
    ] = None,
    segment: Annotated[
        str | None, typer.Option(help="To whom it sells: enterprise, mid-market or smb.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Published NRR, GRR and the like of companies of a size, with sources, and listed peers."""
    from nrrsim.benchmarks import of_company

    told = of_company(
        amount_of("--arr", arr) if arr is not None else None,
        amount_of("--acv", acv) if acv is not None else None,
        segment_of(segment) if segment is not None else None,
    )
    typer.echo(as_object(told) if as_json else "\n".join(lines(told)))


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """What `nrrsim benchmarks` prints for people."""
    size = [f"{money(told[name], 'USD')} {WORDS[name]}" for name in ("arr", "acv") if told[name]]
    size += [str(told["segment"])] if told["segment"] else []
    yield f"Published figures beside a company of {', '.join(size) or 'any size'}"
    for metric in dict.fromkeys([*FIRST, *(each["metric"] for each in told["published"])]):
        rows = [each for each in told["published"] if each["metric"] == metric]
        if rows:
            yield ""
            yield METRICS.get(metric) or metric.replace("_", " ").capitalize()
            yield from _columns([*map(_row, rows)])
    yield ""
    if told["needs"]:
        more = told["needs"].items()
        yield "more with: " + ", ".join(
            f"{counted(number, 'figure')} by {WORDS[name]} (--{name})" for name, number in more
        )
    yield "surveys differ in whom they ask and what they count: compare with one, average none"
    yield ""
    yield "bands of NRR   " + ", ".join(map(_band, told["bands"]))
    low, high = told["usual_grr"]
    yield f"usual GRR      {share(low)} to {share(high)}"
    leaky = told["leaky_bucket"]
    yield (
        f"leaky bucket   NRR of {share(leaky['nrr_from'])} or more with GRR below"
        f" {share(leaky['grr_below'])}"
    )
    yield ""
    yield "Latest NRR that listed companies disclosed, each by its own definition"
    yield from _columns([*map(_peer, told["peers"])])


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    form = disclosed if each["unit"] == "ratio" else points
    ends = f" ({form(each['p25'])} to {form(each['p75'])})" if each["p25"] is not None else ""
    year = f", {each['year']}" if each["year"] and str(each["year"]) not in each["source"] else ""
    sure = " [secondary]" if each["tag"] == "secondary" else ""
    return (
        f"{form(each['p50'])}{ends}",
        f"{each['of']}: {each['basis']}",
        f"{each['source']}{year}{sure}",
    )


def _peer(each: Mapping[str, Any]) -> tuple[str, ...]:
    sure = "" if each["status"] in (None, "verified-excerpt") else f" [{each['status']}]"
    alike = f"as our {each['like'].replace('_', ' ')}" if each["like"] else "unlike ours"
    name = f"{each['company']} {each['metric']}, {each['month']}"
    return disclosed(each["nrr"]), name, f"{alike}: {each['words']}; {each['source']}{sure}"


def _band(each: Mapping[str, Any]) -> str:
    if each["from"] is None:
        return f"{each['name']} below {share(each['to'])}"
    to = f" to {share(each['to'])}" if each["to"] else " and more"
    return f"{each['name']} {share(each['from'])}{to}"


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [f"{cell:<{wide}}" for cell, wide in zip(row, widths, strict=True)]
        yield f"  {'  '.join(cells)}".rstrip()
