"""A run card in, a folder with the report and its manifest out; never knows a metric, never leaves a partial folder.

A card is YAML: `notebook` and the parameters of that notebook. The notebook runs under papermill in the card's
folder, is rendered, and the finished folder takes the place of the one before in one step.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import datetime
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nrrsim import errors
from nrrsim.errors import NotebookError, NrrsimError, UsageError, VerifyError, did_you_mean
from nrrsim.formats import escape_markdown, month_name
from nrrsim.yamlfile import read_yaml

FORMATS = ("pdf", "html", "xlsx")
RECORD = "application/vnd.nrrsim+json"
NESTED = ("columns", "scenarios", "multiples", "price_months")
OPTIONAL = re.compile(r"\(optional ?(number|text|mapping|)\)")
VERSIONS = ("altair", "duckdb", "pandas", "papermill", "pypandoc_binary", "typst", "vl-convert-python", "xarray")
log = logging.getLogger("nrrsim")


@dataclass(frozen=True)
class Card:
    """A checked run card: its path, its notebook's, the parameters it gives, and the notebook's `defaults`."""

    path: Path
    notebook: Path
    parameters: dict[str, Any]
    defaults: dict[str, Any]

    @property
    def name(self) -> str:
        return self.path.stem


def shared(*parts: str) -> Path:
    """A file or folder that comes with nrrsim: in the source tree beside the package, in a wheel inside it."""
    package = Path(__file__).parent
    beside = package.parent.joinpath(*parts)
    return (
        beside
        if beside.exists() and (package.parent / "pyproject.toml").exists()
        else package.joinpath("_share", *parts)
    )


# --- the card ----------------------------------------------------------------------------------------------


def read_card(path: str | Path) -> Card:
    """The card, checked against its notebook's parameters; raises UsageError with everything that is wrong."""
    file, document = Path(path), read_yaml(path, "run card")
    card = document.values
    if not isinstance(card.get("notebook"), str):
        raise UsageError(f"{path}: a run card names its notebook, such as notebook: quarterly_report")
    notebook = _find_notebook(file, card["notebook"])
    known = _parameters(notebook)
    given = {key: value for key, value in card.items() if key != "notebook"}
    wrong = [
        f"{path}:{document.keys[key,].line}: {key}: {problem}"
        for key, value in given.items()
        if (problem := _problem(key, value, known))
    ]
    wrong += [
        f"{path}: {key}: is missing; {known[key].help or 'add it to the card'}"
        for key in known
        if key not in given and not OPTIONAL.search(known[key].help)
    ]
    if wrong:
        raise UsageError("\n".join(wrong))
    return Card(file, notebook, given, {key: each.default for key, each in known.items()})


@dataclass(frozen=True)
class _Parameter:
    default: Any
    help: str

    @property
    def kind(self) -> str:
        """Switch, number, text or mapping: by the default, or by the comment where that is None."""
        if isinstance(self.default, bool):
            return "switch"
        by_default = (
            "number" if isinstance(self.default, int | float) else "text" if isinstance(self.default, str) else ""
        )
        said = OPTIONAL.search(self.help)
        return by_default or (said[1] if said else "")


def _find_notebook(card: Path, name: str) -> Path:
    if name.endswith(".ipynb"):
        path = card.parent / name
        known = ""
    else:
        path = shared("notebooks") / f"{name}.ipynb"
        known = "; " + did_you_mean(name, sorted(each.stem for each in shared("notebooks").glob("*.ipynb")))
    if not path.is_file():
        raise UsageError(f"{card}: notebook: there is no notebook {name}{known}")
    return path


def _parameters(notebook: Path) -> dict[str, _Parameter]:
    """The assignments of the cell tagged `parameters`: a literal and a comment a line."""
    import nbformat

    cells = nbformat.read(notebook, as_version=4).cells
    source = next((cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])), "")
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            comment = source.splitlines()[node.end_lineno - 1].partition("  # ")[2] if node.end_lineno else ""
            found[node.targets[0].id] = _Parameter(ast.literal_eval(node.value), comment)
    return found


def _problem(key: str, value: Any, known: Mapping[str, _Parameter]) -> str:
    if key not in known:
        return f"is not a parameter of the notebook; {did_you_mean(key, list(known))}"
    wanted = known[key].kind
    if value is None:
        return "" if known[key].default is None else "is empty; give a value, or leave the line out"
    if wanted == "mapping":
        fits = isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values())
        return (
            ""
            if fits
            else f"must be a mapping of our word to your heading, such as {{customer: Account}}, got {value!r}"
        )
    if isinstance(value, Mapping | list):
        return "" if key in NESTED else "must be one value, not a list or a mapping"
    if wanted == "switch":
        return "" if isinstance(value, bool) else f"must be true or false, got {value!r}"
    if wanted == "number":
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if fits else f"must be a number, got {value!r}"
    if wanted == "text" and not isinstance(value, str):
        return f"must be text, got {value!r}; put it in double quotes"
    return ""


# --- the run -----------------------------------------------------------------------------------------------


def run_card(
    path: str | Path,
    *,
    to: Sequence[str] = ("pdf", "html"),
    engine: str = "auto",
    out: str | Path = "reports",
    progress: bool = False,
) -> Path:
    """Run a card and put the report into `out`/<name of the card>/; returns that folder.

    Raises UsageError for the card, DataError for the ledger, NotebookError or RenderError for the run.
    """
    unknown = [form for form in to if form not in FORMATS]
    if unknown:
        raise UsageError(f"--to: {unknown[0]!r} is not known; {did_you_mean(unknown[0], FORMATS)}")
    from nrrsim.render import install_fonts

    card = read_card(path)
    final = _place(Path(out) / card.name)
    work = Path(tempfile.mkdtemp(prefix=f".{card.name}-{os.getpid()}-", dir=final.parent))
    try:
        log.info("%s: running %s", card.path, card.notebook.stem)
        numbers = _execute(card, work / "report.ipynb", progress)
        log.info("%s: rendering %s", card.path, ", ".join(to))
        rendered_by = _render(card, work, to, engine)
        _write_manifest(card, work, final, numbers, rendered_by)
        _swap(work, final)
        if Path(out).resolve() == shared("reports").resolve():
            install_fonts(shared("reports"))  # so that Quarto can render the notebook by hand, too
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return final


def _place(final: Path) -> Path:
    """Where the report goes: an earlier report may be replaced, anything else may not. Clears up after killed runs."""
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.exists() and not (final / "manifest.json").is_file() and (final.is_file() or any(final.iterdir())):
            raise UsageError(f"{final}: holds something that is not a report; choose another --out")
        for left in final.parent.glob(f".{final.name}-*-*"):
            owner = left.name.removeprefix(f".{final.name}-").partition("-")[0]
            if owner.isdigit() and not _is_running(int(owner)):
                shutil.rmtree(left, ignore_errors=True)
    except OSError as error:
        raise UsageError(f"{final}: cannot be written to ({error.strerror})") from None
    return final


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def _quiet_kernel() -> Iterator[Any]:
    """Keep the kernel's own words off the terminal: it writes to our stderr. Yields where progress may be written."""
    sys.stderr.flush()
    terminal = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with os.fdopen(os.dup(terminal), "w") as progress:
            yield progress
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)


def _execute(card: Card, executed: Path, progress: bool) -> dict[str, Any]:
    """Run the notebook with the card's parameters; returns the numbers that it recorded."""
    import nbformat
    import papermill
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        with _quiet_kernel() as terminal:
            papermill.execute_notebook(
                str(card.notebook.resolve()),
                str(executed),
                parameters=card.parameters,
                cwd=str(card.path.parent.resolve()),
                kernel_name="python3",
                language="python",
                progress_bar={"file": terminal} if progress else False,
                start_timeout=120,
            )
    except PapermillExecutionError as error:
        raise _said_by(error, card) from None
    book = nbformat.read(executed, as_version=4)
    unfinished = [n for n, cell in enumerate(book.cells) if _is_unfinished(cell)]
    if unfinished:
        raise NotebookError(f"{card.path}: the notebook did not finish: cell {unfinished[0] + 1}")
    numbers = _recorded(book)
    _front_matter(book, card)
    _unlabel_empty(book)
    _forget_times(book)
    nbformat.write(book, executed)
    return numbers


def _said_by(error: Any, card: Card) -> NrrsimError:
    """What the notebook said, as the error it would have been here: the kernel tells only its name and its text."""
    kind = getattr(errors, str(error.ename), None)
    if error.ename == "DataError":
        told = errors.DataError([])
        told.args = (str(error.evalue),)
        return told
    if isinstance(kind, type) and issubclass(kind, NrrsimError):
        return kind(str(error.evalue))
    return NotebookError(
        f"{card.path}: the notebook {card.notebook.stem} failed in cell {error.exec_count}:"
        f" {error.ename}: {error.evalue}"
    )


def _is_unfinished(cell: Any) -> bool:
    return cell.cell_type == "code" and bool(cell.source.strip()) and cell.execution_count is None


def _recorded(book: Any) -> dict[str, Any]:
    bundles = (output.get("data", {}) for cell in book.cells for output in cell.get("outputs", []))
    return {key: value for bundle in bundles if RECORD in bundle for key, value in bundle[RECORD].items()}


def _front_matter(book: Any, card: Card) -> None:
    """Put what the card says into the notebook's first cell: papermill reaches parameters, not front matter."""
    from io import StringIO

    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.width = 1000
    front = yaml.load(book.cells[0].source.strip().strip("-"))
    known = {**card.defaults, **card.parameters}
    for key in ("title", "subtitle", "company", "confidentiality"):
        if known.get(key):
            front[key] = escape_markdown(str(known[key]))
    if known.get("as_of"):
        # a whole date: Quarto would read a month alone as its first day
        front["date"] = f"{_day(card).day} {month_name(_day(card).date())}"
    else:
        front.pop("date", None)
    text = StringIO()
    yaml.dump(front, text)
    book.cells[0].source = f"---\n{text.getvalue()}---"


def _unlabel_empty(book: Any) -> None:
    """A figure that a ledger has nothing to show for gets no number: its cell keeps its code and leaves the page."""
    for cell in book.cells:
        shown = any(output.output_type != "stream" for output in cell.get("outputs", []))
        if cell.cell_type == "code" and cell.source.startswith("#| label") and not shown:
            code = [line for line in cell.source.splitlines() if not line.startswith("#|")]
            cell.source = "\n".join(["#| include: false", *code])


def _forget_times(book: Any) -> None:
    """The record says what was computed, not when or where: the same inputs give the same file."""
    book.metadata.pop("papermill", None)
    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number}"
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)


def _render(card: Card, work: Path, to: Sequence[str], engine: str) -> dict[str, str] | None:
    """Make the pages and the spreadsheet; returns what made the PDF, if there is one."""
    from nrrsim import render

    pages = [form for form in to if form != "xlsx"]
    made = render.render(
        work / "report.ipynb",
        work,
        to=pages,
        engine=engine,
        style=shared("reports"),
        timestamp=int(_day(card).timestamp()),
    )
    if "xlsx" in to:
        from nrrsim.workbook import write_workbook

        write_workbook(work / "report.ipynb", work / "report.xlsx")
    return render.engine_used(engine) if "pdf" in made else None


def _day(card: Card) -> datetime.datetime:
    """The report's date, the last day of its month: fixed by the inputs, so that they give the same bytes."""
    from nrrsim.months import last_day_number, month_name, parse_month

    month = month_name(parse_month(card.parameters.get("as_of", "2000-01"), "as_of"))
    days = last_day_number(month) or 0
    return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(days=days)


def _swap(work: Path, final: Path) -> None:
    """Put the finished folder in the place of the one before. In one step where the system can exchange two names."""
    work.chmod(0o755)
    if not final.exists():
        os.replace(work, final)
        return
    exchange, here = 2, -100  # RENAME_EXCHANGE, AT_FDCWD of Linux
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    if rename and rename(here, os.fsencode(work), here, os.fsencode(final), exchange) == 0:
        return
    before = final.with_name(f".{final.name}-before")
    shutil.rmtree(before, ignore_errors=True)
    os.replace(final, before)
    os.replace(work, final)
    shutil.rmtree(before, ignore_errors=True)


# --- the manifest ------------------------------------------------------------------------------------------


def _write_manifest(
    card: Card, work: Path, final: Path, numbers: dict[str, Any], rendered_by: dict[str, str] | None
) -> None:
    lock = shared("requirements.lock")
    manifest = {
        "nrrsim": importlib.metadata.version("nrrsim"),
        "card": {"file": _relative(card.path, final), "sha256": sha256(card.path)},
        "parameters": card.parameters,
        "notebook": {"name": card.notebook.stem, "sha256": sha256(card.notebook)},
        "inputs": {_relative(path, final): sha256(path) for path in _inputs(card)},
        "lock": sha256(lock) if lock.is_file() else None,
        "outputs": {path.name: sha256(path) for path in sorted(work.iterdir()) if path.is_file()},
        "numbers": numbers,
        "rendered_by": rendered_by,
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in VERSIONS},
        "git": _commit(),
    }
    (work / "manifest.json").write_bytes(_sealed(manifest))


def _sealed(manifest: Mapping[str, Any]) -> bytes:
    """The manifest's only spelling, with the hash of its own content in it."""
    content = {key: value for key, value in manifest.items() if key != "seal"}
    seal = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return (json.dumps({**content, "seal": seal}, indent=1, ensure_ascii=False) + "\n").encode()


def _inputs(card: Card) -> list[Path]:
    """Every file that a parameter names, relative to the card; of a scenario, what it extends and its ledger, too."""
    from nrrsim.reading import matching
    from nrrsim.scenario import files_of

    values = [item for value in card.parameters.values() for item in (value if isinstance(value, list) else [value])]
    texts = [str(card.path.parent / value) for value in values if isinstance(value, str) and 0 < len(value) < 200]
    found = [path for text in texts for path in matching(text) if path.is_file()]
    return sorted({file for path in found for file in (files_of(path) if path.suffix in (".yaml", ".yml") else [path])})


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def sha256(path: Path) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _commit() -> dict[str, Any] | None:
    """The commit of the source tree that nrrsim runs from, and whether its code was changed since."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=20)
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "nrrsim", "notebooks"], timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"commit": commit.stdout.strip(), "changed": changed.returncode != 0} if commit.returncode == 0 else None


def verify(folder: str | Path) -> list[str]:
    """Compare every file and number of a report with its manifest; returns what was checked, a line each.

    Raises VerifyError with everything that differs, UsageError if there is no report.
    """
    home = Path(folder)
    file = home / "manifest.json"
    if not file.is_file():
        raise UsageError(f"{folder}: there is no report; a report's folder holds manifest.json")
    told = file.read_bytes()
    try:
        manifest = json.loads(told)
        intact = _sealed(manifest) == told
    except (ValueError, AttributeError, TypeError):
        intact = False
    if not intact:
        raise VerifyError(f"{file}: was changed after it was written")
    wrong: list[str] = []
    checked = [f"{file}: intact"]
    present = {path.name for path in home.iterdir()} - {"manifest.json"}
    for name, digest in manifest["outputs"].items():
        (checked if _same(home / name, digest) else wrong).append(f"{home / name}: {_judge(home / name, digest)}")
    wrong += [f"{home / name}: is not part of the report" for name in sorted(present - set(manifest["outputs"]))]
    for name, digest in {**manifest["inputs"], manifest["card"]["file"]: manifest["card"]["sha256"]}.items():
        source = Path(os.path.normpath(home / name))
        if not source.exists():
            checked.append(f"{source}: not here, not compared")
        else:
            (checked if _same(source, digest) else wrong).append(f"{source}: {_judge(source, digest)}")
    if not wrong:
        import nbformat

        recorded = _recorded(nbformat.read(home / "report.ipynb", as_version=4))
        same = recorded == manifest["numbers"]
        (checked if same else wrong).append(
            f"{len(recorded)} numbers: {'as the notebook computed them' if same else 'differ from the notebook'}"
        )
    if wrong:
        raise VerifyError("\n".join(wrong))
    return checked


def _same(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest


def _judge(path: Path, digest: str) -> str:
    return "intact" if _same(path, digest) else "was changed" if path.is_file() else "is missing"
