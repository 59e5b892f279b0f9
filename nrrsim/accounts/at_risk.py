"""A ledger, signals and a date in, a list of accounts that says how good it is out; never sorts customers by name."""

from __future__ import annotations
