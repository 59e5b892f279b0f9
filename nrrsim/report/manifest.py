"""A finished report in, the manifest of what made it out, and judged later; never renders."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from nrrsim.errors import UsageError, VerifyError
from nrrsim.files import sha256, shared
from nrrsim.ledger.containers import SPREADSHEETS
from nrrsim.report.card import LEDGER, PART, Card

MANIFEST = "manifest.json"
# What numbers, pictures and pages depend on.
VERSIONS = ("altair", "duckdb", "pandas", "papermill", "pypandoc_binary", "typst",
            "vl-convert-python", "xarray")  # fmt: skip


def recorded_numbers(notebook: Any) -> dict[str, Any]:
    """The numbers that an executed notebook left for its manifest (`tables.record`)."""
    from nrrsim.report.tables import RECORD  # late: who judges a report makes no table

    return left(notebook.cells, RECORD)


def left(cells: Sequence[Any], mime: str) -> dict[str, Any]:
    """What an executed notebook's cells left of one kind, which no page shows, as one."""
    bundles = (output.get("data", {}) for cell in cells for output in cell.get("outputs", []))
    return {key: value for b in bundles if mime in b for key, value in b[mime].items()}


def write_manifest(
    card: Card,
    work: Path,
    final: Path,
    numbers: dict[str, Any],
    rendered_by: dict[str, str] | None,
    before: dict[str, str],
    published: Mapping[str, Any] | None,
    asked: Mapping[str, Any] | None = None,
) -> None:
    """Write `manifest.json` into `work`, its paths as seen from `final`, where the report will be.

    It names every input and output with its hash, the numbers, the versions, and the commit.
    before : the files of the report that this one is compared with, and their hashes. published :
        what it and those before it say, by month; None of a report that none is compared with.
        asked : how the command was asked for one of several reports, which are kept while nothing
        that they are made of has changed.
    """
    outputs = {path.name: sha256(path) for path in sorted(work.iterdir()) if path.is_file()}
    manifest = {
        **_made_of(card, final, before, asked),
        "outputs": outputs,
        "numbers": numbers,
        **({} if published is None else {"published": published}),
        "rendered_by": rendered_by,
        "versions": _versions(),
        "git": _commit(),
    }
    (work / MANIFEST).write_bytes(_sealed(manifest))


def _made_of(
    card: Card, final: Path, before: Mapping[str, str], asked: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What a report is made of, as its manifest has it."""
    lock, several = shared("requirements.lock"), {}
    if asked is not None:
        several = {"asked": asked, "program": _program(), "of": None}
    if card.entity is not None:
        several["of"] = {"name": card.entity.name, "folder": card.entity.folder}
    return {
        "nrrsim": importlib.metadata.version("nrrsim"),
        # of a card for several, and of their list, what is said of this one counts: its parameters
        "card": {
            "file": _relative(card.path, final),
            "sha256": None if card.entity else sha256(card.path),
        },
        "parameters": card.parameters,
        **several,
        "notebook": {"name": card.notebook.stem, "sha256": sha256(card.notebook)},
        "inputs": {_relative(path, final): sha256(path) for path in _inputs(card)} | {**before},
        "lock": sha256(lock) if lock.is_file() else None,
    }


def _versions() -> dict[str, str]:
    own = {name: importlib.metadata.version(name) for name in VERSIONS}
    return {"python": platform.python_version(), **own}


@cache
def _program() -> str:
    """The hash of nrrsim's own files: what a change of them may move is made anew."""
    homes = (shared("nrrsim") if shared("nrrsim").is_dir() else Path(__file__).parents[1],
             shared("notebooks"), shared("reports"))  # fmt: skip
    digest = hashlib.sha256()
    for home in homes:
        for path in sorted(home.rglob("*")):
            is_ours = path.suffix in (".py", ".j2", ".yaml", ".sql", ".typ", ".lua", ".yml")
            if is_ours and path.is_file():
                digest.update(f"{path.relative_to(home).as_posix()}\0{sha256(path)}\0".encode())
    return digest.hexdigest()


def is_current(
    card: Card,
    final: Path,
    asked: Mapping[str, Any],
    before: Mapping[str, str],
    rendered_by: Mapping[str, str] | None,
    part: str | None = None,
) -> bool:
    """Whether the report in `final` is the one that would be made: of the same inputs, asked for in
    the same way, by the same program, and with all its files as they were written.

    before : as for `write_manifest`. rendered_by : what would make the PDF, None without one. part
        : the hash of the part of a ledger that it is of.
    """
    try:
        manifest = json.loads((final / MANIFEST).read_bytes())
        intact = is_intact(manifest)
    except (OSError, ValueError, AttributeError, TypeError):
        return False
    if not intact:
        return False
    # not the commit: what of it could move a report are the program's files
    with_ = {"versions": _versions(), "rendered_by": rendered_by}
    wanted = json.loads(json.dumps(_made_of(card, final, before, asked) | with_))
    own = (manifest["numbers"].get("part") or {}).get("sha256")
    return (
        all(manifest.get(key) == each for key, each in wanted.items())
        and own == part
        and all(_same(final / name, digest) for name, digest in manifest["outputs"].items())
    )


def is_overview(folder: Path) -> bool:
    """Whether the manifest in a folder is that of an overview, beside which its reports stand."""
    with suppress(OSError, ValueError, AttributeError):
        return (
            "of" in json.loads((folder / MANIFEST).read_bytes())
            and not (folder / "report.ipynb").is_file()
        )
    return False


def is_intact(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest says what it said when it was written."""
    return bool(json.loads(_sealed(manifest))["seal"] == manifest.get("seal"))


def verify(folder: str | Path) -> list[str]:
    """Compare every file and number of a report with its manifest; returns a line for each.

    Raises VerifyError with everything that differs, UsageError if there is no report.
    """
    home = Path(folder)
    file = home / MANIFEST
    if not file.is_file():
        raise UsageError(f"{folder}: there is no report; a report's folder holds manifest.json")
    written = file.read_bytes()
    try:
        manifest = json.loads(written)
        intact = _sealed(manifest) == written
    except (ValueError, AttributeError, TypeError):
        intact = False
    if not intact:
        raise VerifyError(f"{file}: was changed after it was written")

    wrong: list[str] = []
    checked = [f"{file}: intact"]
    # what it took the place of and was compared with lies in it, as an input
    kept = {Path(name).parts[0] for name in manifest["inputs"]}
    present = {path.name for path in home.iterdir()} - {MANIFEST} - kept
    for name, digest in manifest["outputs"].items():
        (checked if _same(home / name, digest) else wrong).append(
            f"{home / name}: {_judge(home / name, digest)}"
        )
    wrong += [
        f"{home / name}: is not part of the report"
        for name in sorted(present - set(manifest["outputs"]))
    ]

    # inputs may lie elsewhere when a report was sent: what is not here is no difference
    inputs = {**manifest["inputs"], manifest["card"]["file"]: manifest["card"]["sha256"]}
    for name, digest in inputs.items():
        if digest is None:  # a card for several
            what = f"what it says of {manifest['of']['name']} stands in the manifest"
            checked.append(f"{Path(os.path.normpath(home / name))}: {what}, not compared")
            continue
        source = Path(os.path.normpath(home / name))
        if not source.exists():
            checked.append(f"{source}: not here, not compared")
        else:
            (checked if _same(source, digest) else wrong).append(
                f"{source}: {_judge(source, digest)}"
            )

    if part := manifest["numbers"].get("part"):
        which = f"{part['column']} {part['value']}"
        checked.append(
            f"its ledger: the part {which} has its own hash in the manifest, not compared"
        )
    if not wrong:
        import nbformat

        notebook = next(name for name in manifest["outputs"] if name.endswith(".ipynb"))
        recorded = recorded_numbers(nbformat.read(home / notebook, as_version=4))
        same = recorded == manifest["numbers"]
        verdict = "as the notebook computed them" if same else "differ from the notebook"
        (checked if same else wrong).append(f"{len(recorded)} numbers: {verdict}")
    if wrong:
        raise VerifyError("\n".join(wrong))
    return checked


def _sealed(manifest: Mapping[str, Any]) -> bytes:
    """The manifest's only spelling, with the hash of its own content in it."""
    content = {key: value for key, value in manifest.items() if key != "seal"}
    seal = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return (json.dumps({**content, "seal": seal}, indent=1, ensure_ascii=False) + "\n").encode()


def _inputs(card: Card) -> list[Path]:
    """Every file that a card names, of a scenario also what it extends and its ledger; and the
    company's own templates. Not the ledger of which a part alone is read: that counts by itself.
    """
    from nrrsim.ledger.sources import matching

    cut = [LEDGER] if card.entity and card.parameters.get(PART) else []
    named = [
        path for name in card.named_but(cut) for path in matching(str(card.path.parent / name))
    ]
    inputs = set(card.wording)
    for path in filter(Path.is_file, named):
        if path.suffix in (".yaml", ".yml") or _is_a_scenarios_workbook(path):
            from nrrsim.scenario.scenario import files_of

            inputs |= set(files_of(path))
        else:
            inputs.add(path)
    return sorted(inputs)


def _is_a_scenarios_workbook(path: Path) -> bool:
    """Whether a file is a workbook that holds a scenario, and no ledger."""
    if path.suffix.lower() not in SPREADSHEETS:
        return False
    from nrrsim.scenario.workbook.read import holds_a_scenario

    return holds_a_scenario(path)


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _commit() -> dict[str, Any] | None:
    """The commit of the source tree that nrrsim runs from, and whether it was changed since."""
    root = shared()
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root)]
    try:
        commit = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=20
        )
        changed = subprocess.run(
            [*git, "diff", "--quiet", "HEAD", "--", "nrrsim", "notebooks"], timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if commit.returncode != 0:
        return None
    return {"commit": commit.stdout.strip(), "changed": changed.returncode != 0}


def _same(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest


def _judge(path: Path, digest: str) -> str:
    return "intact" if _same(path, digest) else "was changed" if path.is_file() else "is missing"
