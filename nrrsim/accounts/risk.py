"""What was known in, who leaves, shrinks or grows with which probability out; never looks ahead."""

from __future__ import annotations
