"""Pages: a run card's notebook, run and rendered, with a manifest of all that went in."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
