"""A table of signals in, checked values by customer and day out; never fills a missing one."""

from __future__ import annotations
