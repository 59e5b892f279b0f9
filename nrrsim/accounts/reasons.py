"""Why customers left or shrank in, reasons sorted into kinds out; never guesses one."""

from __future__ import annotations
