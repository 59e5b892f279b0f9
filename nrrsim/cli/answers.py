"""A tool's call in, its answer out, made by the command itself; never writes or looks elsewhere.

It is for a process of its own, which is confined to the folder and ends with its answer.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shlex
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from nrrsim.cli.confined import Opened, confine
from nrrsim.cli.figures import Context, figures_of
from nrrsim.cli.options import card_among, names_masked
from nrrsim.cli.tools import ASPECTS, DEFINITION, REPORT, as_arguments
from nrrsim.errors import DataError, NrrsimError, UsageError, VerifyError, did_you_mean
from nrrsim.notation import visible

MOST_SIGNS = 400_000  # of an answer as JSON: some 100,000 of an assistant's words
MEMORY = 0.5  # of the machine's, for one answer
MOST_FINDINGS = 50  # of a ledger that is rejected
MOST_REPORTS, MOST_FILES, DEEPEST = 300, 1_000, 6  # that are listed; folders below the one served
MOST_WORKBOOK = 20_000_000  # bytes of one that may be a scenario
TOP = 20  # what the command prints where nothing is said
OF_LEDGERS = ("check", "metrics", "backtest", "accounts")
KINDS = {1: "the run failed", 2: "usage", 3: "data"}
MANIFEST = "manifest.json"
SHOWN, MASK, INVESTOR = "shown", "masked", "investor"
# As `as_written` has a cell: between quotes of either kind, or cut short.
QUOTED = r"""(?<!\w)(['"])(?:\\.|(?!\1).)*?(?:\1(?!\w)|\.\.\.|$)"""
# What texts among a report's numbers tell of, but for those that may be a customer's name.
KNOWN_TEXTS = ("currency", "definition", "measure", "segment", "ledger", "audience", "title")
NO_NAME = r"\d{4}(-\d{2}){0,2}|\d{4} Q[1-4]|Q[1-4] FY\d+|Customer \d+"
NOTE = "note: "  # how a command begins what it says beside an answer
MASKED = (
    "customers' names are masked: they are numbered by ARR, and the largest is Customer 1; a run"
    " card that says names: shown, given as ledger, shows them"
)


class Call(NamedTuple):
    """What is asked: the tool, its arguments, and of a command the words that they stand for."""

    tool: str
    given: dict[str, Any]
    words: list[str]


def answer(call: Call, folder: Path, scratch: Path, run: Callable[[list[str]], None]) -> str:
    """The answer as JSON: with `error` what is wrong, else `result` and all that it is of.

    run : the command line's entry point. This process is of no other use from here on.
    """
    os.chdir(folder)
    _bounded()
    opened = confine(folder, scratch)
    try:
        return spelled(_made(call, opened, run))
    except NrrsimError as error:
        return spelled(_error(error.exit_code, str(error).splitlines(), []))
    except Exception as error:
        said = f"nrrsim met something it does not expect ({type(error).__name__}: {error})"
        return spelled(_error(1, [said], []))


def spelled(made: dict[str, Any]) -> str:
    """An answer as JSON; or that it is longer than an answer may be."""
    text = json.dumps(made, ensure_ascii=False, allow_nan=False)
    # as a command prints its object: what nobody sees is spelled as JSON spells it; half a sign
    # (of a file's name that is no UTF-8) has no spelling
    text = visible(text.encode(errors="replace").decode(), r"\u{:04x}")
    if len(text) <= MOST_SIGNS:
        return text
    said = f"the answer has {len(text):,} signs, and {MOST_SIGNS:,} are the most; ask for less"
    return json.dumps(_error(2, [f"{said} (a smaller top, another by), or use nrrsim"], []))


def _bounded() -> None:
    """Let this process have no more memory than most of what the machine has, where it can be."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        page = os.sysconf("SC_PAGE_SIZE")
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * page  # reserved, not used
        most = taken + int(MEMORY * os.sysconf("SC_PHYS_PAGES") * page)
        # softly: who reads a workbook has bounds of its own
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _error(code: int, problems: Sequence[str], notes: Sequence[str]) -> dict[str, Any]:
    shown = [as_arguments(each) for each in problems[:MOST_FINDINGS]]
    if more := len(problems) - len(shown):
        shown.append(f"and {more:,} more")
    return {"error": {"kind": KINDS.get(code, KINDS[1]), "problems": shown, "notes": [*notes]}}


def _made(call: Call, opened: Opened, run: Callable[[list[str]], None]) -> dict[str, Any]:
    if call.tool == "definitions":
        return _sealed(call, opened, {"result": _definitions(call.given.get(DEFINITION))})
    if call.tool == "reports":
        result = _reports(**call.given)
        numbers = _mapping(_mapping(result.get("manifest")).get("numbers"))
        about = Context(numbers.get("as_of"), numbers.get("window"), numbers.get("currency"))
        figures = figures_of(call.tool, numbers, about)
        return _sealed(call, opened, {"figures": figures, "result": result})

    said = _said_of_ledger(call)
    names, as_of = _names(call, said), said.get("as_of")
    mask = names_masked(as_of) if names == MASK else nullcontext()
    with mask, _captured() as (out, err):
        code = _code_of(run, call.words)
    notes, problems = _lines(err.getvalue())
    text = out.getvalue().strip()
    is_rejected = code == DataError.exit_code
    quoted = _unquoted if is_rejected and names != SHOWN else str
    if code and not (call.tool == "check" and is_rejected and text):
        return _error(code, [*map(quoted, problems)], notes)

    result = json.loads(text)
    if is_rejected:  # which is what was asked
        notes += problems
        result["findings"] = [*map(quoted, result["findings"])]
    if names == MASK and call.tool == "metrics":
        _refuse_to_name(said, result)
    made = _cut(call, result)
    about = _about(call, result)
    if names == MASK:
        notes.append(MASKED)
    figures = figures_of(call.tool, result, about)
    terms = {key: getattr(about, key) for key in ("as_of", "window", "currency")}
    whole = {"figures": figures, **terms, "definition": result.get("definition")}
    if names:
        whole["names"] = names
    return _sealed(call, opened, {**whole, "notes": notes, **made, "result": result})


def _sealed(call: Call, opened: Opened, made: dict[str, Any]) -> dict[str, Any]:
    """An answer with what it was made of: so that a figure that was quoted can be traced."""
    inputs = opened.hashes()
    asked = {"tool": call.tool, "arguments": call.given, "inputs": inputs}
    asked |= {"nrrsim": version("nrrsim")}
    text = json.dumps(asked, sort_keys=True)
    command = {"command": shlex.join(["nrrsim", *call.words])} if call.words else {}
    seal = hashlib.sha256(text.encode()).hexdigest()
    return {**made, "fingerprint": seal, "inputs": inputs, **command, "nrrsim": asked["nrrsim"]}


# --- a command ------------------------------------------------------------------------------------


def _said_of_ledger(call: Call) -> dict[str, Any]:
    """What a call, or the card that it names as its ledger, says."""
    if call.tool not in OF_LEDGERS:
        return {}
    ledger = call.given["ledger"]
    card = card_among([ledger] if isinstance(ledger, str) else ledger)
    said = {} if card is None else card.parameters
    # whether names are shown is the card's to say, and nobody else's
    return {**said, **call.given, **{key: said.get(key) for key in ("names", "audience")}}


def _names(call: Call, said: Mapping[str, Any]) -> str | None:
    """Whether customers' names are masked or shown; None where there are none."""
    if call.tool not in OF_LEDGERS:
        return None
    return SHOWN if _shows(said) else MASK


def _refuse_to_name(said: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Raise UsageError where a split tells customers apart whose names are masked."""
    by = said.get("by", "segment")
    is_own = by not in ("segment", "size") and not str(by).startswith("cohort_")
    if is_own and 2 * len(result.get("segments", ())) > result.get("customers", 0):
        raise UsageError(
            f"by: the column {by} has almost a value a customer, which would name them, and"
            " customers' names are masked; split by another"
        )


def _shows(said: Mapping[str, Any]) -> bool:
    """Whether a card says, in so many words, that customers' names are shown."""
    return said.get("names") == SHOWN and said.get("audience") != INVESTOR


@contextmanager
def _captured() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    before, caught = (sys.stdout, sys.stderr), (io.StringIO(), io.StringIO())
    sys.stdout, sys.stderr = caught
    try:
        yield caught
    finally:
        sys.stdout, sys.stderr = before


def _code_of(run: Callable[[list[str]], None], words: list[str]) -> int:
    try:
        run(words)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _lines(said: str) -> tuple[list[str], list[str]]:
    """What a command said beside its answer: notes, and what is wrong."""
    lines = [line for line in said.splitlines() if line.strip()]
    notes = [as_arguments(line[len(NOTE) :]) for line in lines if line.startswith(NOTE)]
    return notes, [line for line in lines if not line.startswith(NOTE)]


def _unquoted(finding: str) -> str:
    """A finding without the texts that it quotes from a file: of a ledger that cannot be read
    nobody knows which are customers' names. Its line, and what is wrong there, stay.
    """

    def plain(found: re.Match[str]) -> str:
        return "'...'" if re.search(r"[^\W\d_]", found[0]) else found[0]

    return re.sub(QUOTED, plain, finding)


def _cut(call: Call, result: dict[str, Any]) -> dict[str, Any]:
    """Cut the list of accounts to the `top` that are asked for, and say how many are left out."""
    if call.tool != "accounts":
        return {}
    from nrrsim.messages import number_in

    top, listed = number_in(str(call.given.get("top", TOP))), result["accounts"]
    result["accounts"] = listed[: int(top)]
    left = len(listed) - len(result["accounts"])
    return {"left_out": {"accounts": left}} if left else {}


def _about(call: Call, result: Mapping[str, Any]) -> Context:
    currency = result.get("currency")
    if call.tool == "check":
        return Context(result.get("last_month"), None, currency)
    if call.tool == "backtest":
        # the window of each of its forecasts; its last one ended then
        return Context(_last_compared(result), 12, currency)
    if call.tool in OF_LEDGERS:
        window = result.get("window", _months(result))
        return Context(result.get("as_of"), window, currency, call.tool == "accounts")
    from nrrsim.scenario.scenario import find_scenario, read_scenario

    names = [call.given[key] for key in ("a", "scenario") if key in call.given]
    believed = read_scenario(find_scenario(names[0]))
    as_of = believed.start if re.fullmatch(r"\d{4}-\d{2}", believed.start) else None
    return Context(as_of, believed.months, currency or believed.opening.currency or None, True)


def _last_compared(result: Mapping[str, Any]) -> str | None:
    """The last month whose outcome a back-test knew."""
    from nrrsim.months import shift

    return max(
        (shift(each["as_of"], each["horizon"]) for each in result.get("forecasts", ())),
        default=None,
    )


def _months(result: Mapping[str, Any]) -> int | None:
    horizon = result.get("horizon")
    return horizon if isinstance(horizon, int) else None


# --- what is no command ---------------------------------------------------------------------------


def _definitions(name: str | None) -> dict[str, Any]:
    from nrrsim.metrics import DEFINITIONS

    if name is not None and name not in DEFINITIONS:
        raise UsageError(f"{DEFINITION}: {name!a} is none; {did_you_mean(name, [*DEFINITIONS])}")
    wanted = DEFINITIONS if name is None else {name: DEFINITIONS[name]}
    return {each: asdict(told) for each, told in wanted.items()}


def _reports(show: str = ASPECTS[0], report: str | None = None) -> dict[str, Any]:
    if show not in ASPECTS:
        raise UsageError(f"show: must be one of {', '.join(ASPECTS)}, got {show!a}")
    if show == ASPECTS[0]:
        return {"reports": [*_listed()], "files": _files()}
    if report is None:
        raise UsageError(f"{REPORT}: is missing; name a report's folder, as show: list does")
    from nrrsim.report.manifest import is_intact, verify

    if show == "verify":
        try:
            return {"report": report, "verified": True, "said": verify(report)}
        except VerifyError as error:
            return {"report": report, "verified": False, "said": str(error).splitlines()}
    told = _manifest(Path(report) / MANIFEST)
    if told is None:
        raise UsageError(f"{REPORT}: there is no report in {report}; show: list names them")
    intact = is_intact(told)
    if not _shows(_mapping(told.get("parameters"))):
        told = {key: _nameless(value, key) for key, value in told.items()}
    return {"report": report, "intact": intact, "manifest": told}


def _listed() -> Iterator[dict[str, Any]]:
    """The reports of the folder, each by its manifest."""
    from nrrsim.report.manifest import is_intact

    for place in islice(_walked(MANIFEST), MOST_REPORTS):
        told = _manifest(place)
        if told is None:
            continue
        said = _mapping(told.get("parameters"))
        yield {
            "report": place.parent.as_posix(),
            "intact": is_intact(told),
            "notebook": _mapping(told.get("notebook")).get("name"),
            **{key: said.get(key) for key in ("company", "title", "as_of", "audience")},
            "files": sorted(_mapping(told.get("outputs"))),
        }


def _files() -> dict[str, list[str]]:
    """What can be asked about: the folder's cards, scenarios, and files that may be ledgers."""
    from nrrsim.ledger.containers import TABLES
    from nrrsim.report.card import YAML, names_a_card
    from nrrsim.scenario.scenario import is_scenario
    from nrrsim.yamlfile import read_yaml

    found: dict[str, list[str]] = {"cards": [], "scenarios": [], "tables": []}
    for place in islice(_walked(), MOST_FILES):
        kind, name = place.suffix.lower(), place.as_posix()
        if kind in TABLES:
            found["scenarios" if _looks_like_a_scenario(place) else "tables"].append(name)
        elif kind in YAML:
            with suppress(NrrsimError):  # what cannot be read is neither
                if names_a_card(place):
                    found["cards"].append(name)
                elif is_scenario(read_yaml(place, "scenario").values):
                    found["scenarios"].append(name)
    return found


def _looks_like_a_scenario(place: Path) -> bool:
    """Whether a workbook's list of sheets is a scenario's: to read each of a folder takes long."""
    from nrrsim.scenario.workbook.rows import DRIVERS, SCENARIO

    if place.suffix.lower() not in (".xlsx", ".xlsm"):
        return False
    try:
        if place.stat().st_size > MOST_WORKBOOK:
            return False
        with zipfile.ZipFile(place) as packed, packed.open("xl/workbook.xml") as listed:
            sheets = listed.read(MOST_SIGNS)
    except (OSError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error, NrrsimError):
        return False  # what cannot be read is a table, and is said where it is asked about
    return all(f'name="{each}"'.encode() in sheets for each in (SCENARIO, DRIVERS))


def _walked(only: str = "") -> Iterator[Path]:
    """The files of the folder of a name, or all of them but a report's; in order, and no links."""
    for place, folders, files in os.walk("."):
        here, depth = Path(os.path.normpath(place)), place.count(os.sep)
        folders[:] = sorted(each for each in folders if each[0] not in "._" and depth < DEEPEST)
        names = [only] * (only in files) if only else files * (MANIFEST not in files)
        for each in sorted(name for name in names if name[0] not in "._~"):
            if (here / each).is_file() and not (here / each).is_symlink():
                yield here / each


def _manifest(file: Path) -> dict[str, Any] | None:
    """What a manifest says; None where there is none, or it is something else of that name."""
    if not file.is_file():
        return None
    try:
        told = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) and {"seal", "outputs", "numbers"} <= {*told} else None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _nameless(value: Any, key: str) -> Any:
    """A part of a manifest without the texts that may name a customer, or quote management."""
    if key not in ("numbers", "published", "parameters"):
        return value
    if key == "parameters":
        return {name: each for name, each in _mapping(value).items() if name != "commentary"}

    def plain(part: Any, name: str) -> Any:
        if isinstance(part, dict):
            return {each: plain(inner, each) for each, inner in part.items()}
        if isinstance(part, list):
            return [plain(each, name) for each in part]
        is_told = not isinstance(part, str) or name in KNOWN_TEXTS or re.fullmatch(NO_NAME, part)
        return part if is_told else "(masked)"

    return plain(value, key)
