from .panel import what_if as what_if
