"""What can go wrong, in finance words: findings in, one exception with all out; never a traceback.

The tree, with the exit code of the command line::

    NrrsimError                 1   the run failed
    ├── UsageError              2   a parameter, a name or a file that was asked for is not there
    ├── DataError               3   the ledger was rejected; carries every Finding
    ├── NotebookError           1   a notebook failed or did not finish
    ├── RenderError             1   a notebook ran, and its pages could not be made
    └── VerifyError             1   a report is not what its manifest says
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_SHOWN = 100  # findings in one message: a ledger of another form has one a row
MOST_SEARCHED, MOST_KNOWN = 2_000, 40  # names that a near one is looked for in, and that are told


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong, where it stands, and what to do about it.

    `line` counts from 1 as an editor or a spreadsheet does; 0 means the file as a whole. With an
    `option` it is a question of how the file is to be read, which that option settles, with one of
    `choices` where they are known.
    """

    file: str
    line: int
    problem: str
    remedy: str = ""
    field: str = ""
    option: str = ""
    choices: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        field = f"{self.field}: " if self.field else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{place}: {field}{self.problem}{remedy}"


class NrrsimError(Exception):
    """Anything nrrsim says no to. The message is written for finance people."""

    exit_code = 1


class UsageError(NrrsimError):
    """A parameter, a name or a file that was asked for is not there or does not fit."""

    exit_code = 2


class DataError(NrrsimError):
    """The data were rejected. `findings` holds all of them, in order of file and line.

    The message shows the first MOST_SHOWN.
    """

    exit_code = 3

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings: tuple[Finding, ...] = tuple(sorted(findings))
        super().__init__("\n".join(self.first(MOST_SHOWN)))

    def first(self, most: int) -> list[str]:
        """The first findings as lines, and how many more there are."""
        more = len(self.findings) - most
        rest = [f"and {more:,} more: nrrsim check with --json lists them all"] if more > 0 else []
        return [*map(str, self.findings[:most]), *rest]


class NotebookError(NrrsimError):
    """A notebook failed or did not finish."""


class RenderError(NrrsimError):
    """A notebook ran, and its pages could not be made."""


class VerifyError(NrrsimError):
    """A report is not what its manifest says."""


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A remedy for a name that is not known: the nearest known one, else all of them."""
    near = difflib.get_close_matches(word, known[:MOST_SEARCHED], n=1)
    if near:
        return f"did you mean {near[0]}?"
    more = len(known) - MOST_KNOWN
    rest = f" and {more:,} more" if more > 0 else ""
    return f"known: {', '.join(known[:MOST_KNOWN])}{rest}"
