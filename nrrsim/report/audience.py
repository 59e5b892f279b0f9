"""A notebook in, the one for its readers out, and what only some of them see; never runs a cell.

Cells say in their tags for whom they are: an investor's report is of those tagged `investor` or
`investor-only`, every other one of all but the latter. `preparer`'s notes are on the page of a team
alone; in a board's notebook they stand, and are not rendered.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from copy import deepcopy
from typing import Any

INVESTOR, INVESTOR_ONLY, PREPARER, SUMMARY = "investor", "investor-only", "preparer", "summary"
TEAM = "team"
ALWAYS = ("parameters", "injected-parameters")
HIDDEN = "#| include: false\n"


def for_audience(notebook: Any, audience: str | None, without: Collection[str] = ()) -> Any:
    """The notebook with the cells that are for an `audience` (board, team, investor).

    What is not for it is left out before anything runs: so it is in no file that comes of it. A
    notebook that knows no audience (None) keeps all cells but those tagged as one of the formats
    that it is made `without`.
    """
    chosen = deepcopy(notebook)
    chosen.cells = [cell for cell in chosen.cells if not set(without) & _tags(cell)]
    if audience is None:
        return chosen
    if audience == INVESTOR:
        wanted = {INVESTOR, INVESTOR_ONLY, *ALWAYS}
        chosen.cells = [
            cell for cell in chosen.cells if cell.cell_type == "raw" or wanted & _tags(cell)
        ]
        return chosen
    chosen.cells = [cell for cell in chosen.cells if INVESTOR_ONLY not in _tags(cell)]
    for cell in chosen.cells:
        if PREPARER in _tags(cell) and audience != TEAM and not cell.source.startswith(HIDDEN):
            cell.source = HIDDEN + cell.source
    return chosen


def summary_of(notebook: Any) -> Any:
    """An executed notebook's first page: its front matter and the cells tagged `summary`."""
    page = deepcopy(notebook)
    page.cells = [cell for cell in page.cells if cell.cell_type == "raw" or SUMMARY in _tags(cell)]
    return page


def has_summary(notebook: Any) -> bool:
    """Whether a notebook says which of its cells are its first page."""
    return any(SUMMARY in _tags(cell) for cell in notebook.cells)


def notes_of(notebook: Any) -> Iterator[str]:
    """What an executed notebook says to its preparer, a note each."""
    for cell in notebook.cells:
        if PREPARER in _tags(cell):
            for output in cell.get("outputs", []):
                for line in output.get("data", {}).get("text/plain", "").splitlines():
                    if line.startswith("- "):
                        # Markdown's backslashes are for a page
                        yield re.sub(r"\\([^A-Za-z0-9\s])", r"\1", line.removeprefix("- "))


def _tags(cell: Any) -> set[str]:
    return set(cell.metadata.get("tags", ()))
