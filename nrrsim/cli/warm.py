"""Nothing in, all that commands are made with loaded out; never answers.

Imported by the process that others begin as copies of, before any of them is confined.
"""

from __future__ import annotations

import duckdb  # noqa: F401
import pandas  # noqa: F401
