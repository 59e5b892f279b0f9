"""A scenario and its accounts in, what each has at risk and may gain out; never rescales them."""

from __future__ import annotations
