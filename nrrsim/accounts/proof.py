"""Forecasts of past dates in, how good they were out; never fits a model to what came after."""

from __future__ import annotations
