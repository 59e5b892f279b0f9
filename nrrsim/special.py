"""Names of scipy's special functions in, the functions out, loaded at the first; never their code.

A command that needs none of them does not wait for scipy, and one that needs some not for a Fortran
compiler: scipy takes over whatever numpy has a name for, these parts of it among them.
"""

from __future__ import annotations

from typing import Any

import lazy_loader
import numpy as np

for part in ("f2py", "testing"):
    if part not in vars(np):
        setattr(np, part, lazy_loader.load(f"numpy.{part}", suppress_warning=True))


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    from scipy import special

    globals()[name] = found = getattr(special, name)
    return found
