"""A signals card in, what each signal is and which rules to watch out; never reads a signal."""

from __future__ import annotations
