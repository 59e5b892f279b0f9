"""Scenario files of the panel in, a run card and its report out; never overwrites a file.

The report is made by the command `nrrsim report`, as a process of its own, whose messages the
panel shows.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from nrrsim.errors import UsageError
from nrrsim.files import refused, whole
from nrrsim.report.card import CARDS, OF_SCENARIOS, of_scenario, workspace_of
from nrrsim.workspace.cards import Said, report_card

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")  # of a file that the panel writes
REPORTS = "reports"
COMMAND = (sys.executable, "-c", "from nrrsim.cli import main; main()", "report")
WHY = "as on the what-if panel"


def new_card(files: Sequence[Path], name: str = "") -> Path:
    """A run card for scenario files, of which the last is judged and the first its base.

    It lies in `params/` of the last one's workspace (see `card.workspace_of`), where `reports/`
    gets the report, under `name` (default: the last one's).

    Raises UsageError where the name cannot be one, or a card or report of that name is there.
    """
    judged = files[-1]
    name = name.strip().removesuffix(".yaml") or judged.stem
    home = workspace_of(judged).resolve()  # what a page names is seen from nowhere
    card, report = home / CARDS / f"{name}.yaml", home / REPORTS / name
    if not NAME.fullmatch(name):
        raise UsageError(
            "name: letters, digits, dots and dashes, 80 at most, such as onboarding-2027"
        )
    if there := next((each for each in (card, report) if os.path.lexists(each)), None):
        raise UsageError(_there(there))

    known = {key: Said(value) for key, value in of_scenario(judged).items()}
    named = [Path(os.path.relpath(each.resolve(), card.parent)).as_posix() for each in files]
    known["scenarios"] = Said(named, WHY)
    text = report_card(
        OF_SCENARIOS, f"A report of {judged.name}, made on the what-if panel.", known
    )
    try:
        card.parent.mkdir(exist_ok=True)
        with whole(card, "{path}: cannot be written ({why})", new=True) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    except FileExistsError:
        raise UsageError(_there(card)) from None
    except OSError as error:
        raise refused(error, card) from None
    return card


def make_report(card: Path, tell: Callable[[str], None]) -> Path | None:
    """Run the command on a card that `new_card` made, and `tell` each line that it says.

    Returns the report's folder; None where there is no report: the card is then removed, so that
    the next try may have its name.
    """
    home = card.parent.parent
    words = [*COMMAND, f"{CARDS}/{card.name}", "--out", REPORTS]
    # where a person reads it, not in the shell's own code page
    said = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        words,
        cwd=home,
        env=said,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            tell(line.rstrip())
    if process.returncode != 0:
        card.unlink(missing_ok=True)
        return None
    return home / REPORTS / card.stem


def _there(path: Path) -> str:
    return f"name: {path} is there already; choose another name"
