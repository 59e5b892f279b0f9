"""A sweep's frame in, its results and their picture as files out; never sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from nrrsim import files
from nrrsim.analysis.sweep import RESULTS
from nrrsim.files import write_text


def write(
    frame: pd.DataFrame, out: str | Path, about: Mapping[str, Any], target: float | None
) -> Path | None:
    """A sweep as a table, of the kind that `out` ends in, and its picture beside it as SVG.

    Returns the picture's path: None for more than two axes, or too many points to show.
    """
    from nrrsim.report.charts import grid, style

    names = [str(name) for name in frame if name not in RESULTS]
    path = None
    if len(names) <= 2 and len(frame) <= style.MOST_ROWS:
        path = Path(out).with_suffix(".svg")
        plain = frame.rename(columns=dict(zip(names, "xy", strict=False)))
        draw: Any = grid.heatmap if len(names) == 2 else grid.slope
        write_text(path, style.svg(draw(plain, *names, target)))
    files.write_table(frame, out, about)
    return path
