"""Losses of the last months in, those that come together out; never looks at losses alone."""

from __future__ import annotations
