"""A ledger and its signals in, what was known of each customer in each month out; never later."""

from __future__ import annotations
